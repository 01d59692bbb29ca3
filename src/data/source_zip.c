#include "data/archive.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

/* libzip and jansson get their memory from malloc: the one has no hook, the other's is global to the process.
 */
typedef struct zip_state {
    zip_t *zip;
    uint64_t size; /* of the whole archive; 0 = unknown */
} zip_state;

static ayf_status entry_fail(ayf_archive *a, const char *name, const char *reason) {
    return ayf_fail(a->ctx, AYF_E_FORMAT, "%s: %s", name, reason);
}

/* The sizes an entry claims, checked against what its method, the archive and the reader allow. */
static ayf_status check_entry(ayf_archive *a, const char *name, const zip_stat_t *info, size_t most) {
    const zip_state *s = a->state;
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    enum { DEFLATE_MOST = 1032 };
    if ((info->valid & needed) != needed) return entry_fail(a, name, "the ZIP does not say how large it is");
    bool stored = info->comp_method == ZIP_CM_STORE;
    if ((s->size && info->comp_size > s->size) || (stored && info->size != info->comp_size) ||
        (!stored && info->size / DEFLATE_MOST > info->comp_size))
        return entry_fail(a, name, "the ZIP states a wrong size");
    if (info->size > most)
        return ayf_fail(a->ctx, AYF_E_FORMAT,
                        "%s: unpacks to %llu bytes; at most %zu are read of such a file", name,
                        (unsigned long long)info->size, most);
    return AYF_OK;
}

/* What compressed files that the pictures are: no picture shrinks further by more than this. */
static size_t most_of(const zip_stat_t *info, size_t most) {
    const size_t free_bytes = 1 << 20, factor = 64;
    size_t bound = info->comp_size < most / factor ? free_bytes + factor * (size_t)info->comp_size : most;
    return bound < most && most == AYF_ARCHIVE_MAX_ENTRY ? bound : most;
}

static ayf_status zip_read(ayf_archive *a, const ayf_archive_entry *entry, size_t most, void **bytes,
                           size_t *size) {
    const zip_state *s = a->state;
    zip_stat_t info;
    zip_stat_init(&info);
    if (zip_stat_index(s->zip, entry->where, 0, &info) != 0)
        return entry_fail(a, entry->name, zip_error_strerror(zip_get_error(s->zip)));
    AYF_TRY(check_entry(a, entry->name, &info, most_of(&info, most)));
    size_t expected = (size_t)info.size, done = 0;
    unsigned char *buffer = ayf_alloc(a->ctx, expected + 1, 1);
    if (!buffer) return AYF_E_MEMORY;
    zip_file_t *file = zip_fopen_index(s->zip, entry->where, 0);
    ayf_status status = AYF_OK;
    if (!file) status = entry_fail(a, entry->name, zip_error_strerror(zip_get_error(s->zip)));
    /* The byte too many makes the library reach the end, where it checks the sum, and shows up a longer file.
     */
    while (status == AYF_OK) {
        zip_int64_t got = zip_fread(file, buffer + done, expected + 1 - done);
        if (got < 0)
            status = ayf_fail(a->ctx, AYF_E_FORMAT, "%s: damaged in the ZIP (%s)", entry->name,
                              zip_error_strerror(zip_file_get_error(file)));
        if (got <= 0) break;
        done += (size_t)got;
        if (done > expected) break;
    }
    if (status == AYF_OK && done != expected)
        status = entry_fail(a, entry->name,
                            done > expected ? "is longer than the ZIP says" : "is shorter than the ZIP says");
    if (file) zip_fclose(file);
    if (status != AYF_OK) {
        ayf_free(a->ctx, buffer);
        return status;
    }
    buffer[done] = 0;
    *bytes = buffer;
    *size = done;
    return AYF_OK;
}

static void zip_close_archive(ayf_archive *a) {
    zip_state *s = a->state;
    if (s && s->zip) zip_discard(s->zip);
    ayf_free(a->ctx, s);
}

static const char *method_name(int method) {
    static const struct {
        int method;
        const char *name;
    } names[] = {{1, "Shrink"}, {6, "Implode"},    {9, "Deflate64"}, {12, "bzip2"},
                 {14, "LZMA"},  {93, "Zstandard"}, {95, "XZ"},       {98, "PPMd"}};
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        if (names[i].method == method) return names[i].name;
    return "a method that ayf does not know";
}

/* What no entry can be read with is said once and not for every picture. */
static ayf_status check_method(ayf_archive *a, const char *name, const zip_stat_t *info) {
    if ((info->valid & ZIP_STAT_ENCRYPTION_METHOD) && info->encryption_method != ZIP_EM_NONE)
        return ayf_fail(a->ctx, AYF_E_FORMAT,
                        "%s: is encrypted (%s): unpack it with its password and pack it again without one",
                        a->name, name);
    if ((info->valid & ZIP_STAT_COMP_METHOD) && info->comp_method != ZIP_CM_STORE &&
        info->comp_method != ZIP_CM_DEFLATE)
        return ayf_fail(
            a->ctx, AYF_E_FORMAT,
            "%s: is compressed with %s (%s), but only stored and deflated files are read: unpack it and "
            "pack it again (zip -r NEW.zip FOLDER)",
            a->name, method_name(info->comp_method), name);
    return AYF_OK;
}

static ayf_status list(ayf_archive *a) {
    const zip_state *s = a->state;
    zip_int64_t count = zip_get_num_entries(s->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        zip_stat_t info;
        zip_stat_init(&info);
        const char *name = zip_get_name(s->zip, (zip_uint64_t)i, 0);
        if (!name) return ayf_fail(a->ctx, AYF_E_FORMAT, "%s: entry %lld has no name", a->name, (long long)i);
        size_t length = strlen(name);
        if (length && name[length - 1] == '/') AYF_TRY(ayf_archive_add_folder(a, name));
        if (!length || name[length - 1] == '/') continue;
        if (zip_stat_index(s->zip, (zip_uint64_t)i, 0, &info) == 0) AYF_TRY(check_method(a, name, &info));
        AYF_TRY(ayf_archive_add(a, name, (uint64_t)i, (info.valid & ZIP_STAT_SIZE) ? info.size : 0));
    }
    return AYF_OK;
}

/* By its name alone. */
static bool zip_explain(ayf_archive *a, const ayf_archive_entry *entry, char *words, size_t size) {
    static const char *const packed[] = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".zst"};
    size_t length = strlen(entry->name);
    (void)a;
    for (size_t i = 0; i < AYF_COUNT(packed); i++) {
        size_t end = strlen(packed[i]);
        if (length < end || strcmp(entry->name + length - end, packed[i]) != 0) continue;
        snprintf(words, size, "%s, another archive: unpack the outer one and name the inner one",
                 entry->name);
        return true;
    }
    return false;
}

/* Takes over `source`, NULL included: then *error says why. */
static ayf_status open_source(ayf_context *ctx, const char *name, zip_source_t *source, zip_error_t *error,
                              const ayf_dataset_spec *spec, ayf_source **out) {
    *out = NULL;
    ayf_archive *a = ayf_alloc(ctx, 1, sizeof *a);
    zip_state *s = ayf_alloc(ctx, 1, sizeof *s);
    if (a) {
        a->ctx = ctx;
        a->read = zip_read;
        a->explain = zip_explain;
        a->close = zip_close_archive;
        a->state = s;
        a->name = ayf_strdup(ctx, name);
    }
    if (!a || !s || !a->name) {
        if (!a) ayf_free(ctx, s);
        ayf_archive_close(a);
        zip_source_free(source);
        return AYF_E_MEMORY;
    }
    zip_stat_t info;
    zip_stat_init(&info);
    if (source && zip_source_stat(source, &info) == 0 && (info.valid & ZIP_STAT_SIZE)) s->size = info.size;
    if (source) s->zip = zip_open_from_source(source, ZIP_RDONLY, error);
    ayf_status status;
    if (!s->zip) {
        bool none = zip_error_code_zip(error) == ZIP_ER_NOZIP;
        bool system = zip_error_system_type(error) == ZIP_ET_SYS && !none;
        status = ayf_fail(ctx, system ? AYF_E_IO : AYF_E_FORMAT, "%s: cannot be read as a ZIP: %s", name,
                          none ? "its end is missing; fetch or copy the whole file again"
                               : zip_error_strerror(error));
        zip_source_free(source);
    } else {
        status = list(a);
    }
    if (status == AYF_OK) return ayf_source_from_archive(a, spec, out);
    ayf_archive_close(a);
    return status;
}

ayf_status ayf_source_open_zip(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_file_create(path, 0, -1, &error);
    ayf_status status = open_source(ctx, path, source, &error, spec, out);
    zip_error_fini(&error);
    return status;
}

ayf_status ayf_source_open_zip_memory(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                                      const ayf_dataset_spec *spec, ayf_source **out) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    ayf_status status = open_source(ctx, name, source, &error, spec, out);
    zip_error_fini(&error);
    return status;
}
