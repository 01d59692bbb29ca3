#include "data/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

ayf_status ayf_archive_add(ayf_archive *a, const char *name, uint64_t where) {
    AYF_TRY(ayf_reserve(a->ctx, &a->entries, a->count, &a->capacity, sizeof *a->entries));
    char *copy = ayf_strdup(a->ctx, name);
    if (!copy) return AYF_E_MEMORY;
    for (char *p = copy; *p; p++)
        if (*p == '\\') *p = '/';
    a->entries[a->count++] = (ayf_archive_entry){copy, where};
    return AYF_OK;
}

void ayf_archive_close(ayf_archive *a) {
    if (!a) return;
    if (a->close) a->close(a);
    for (size_t i = 0; i < a->count; i++) ayf_free(a->ctx, a->entries[i].name);
    ayf_free(a->ctx, a->entries);
    ayf_free(a->ctx, a->name);
    ayf_free(a->ctx, a);
}

typedef struct archive_source {
    ayf_source base;
    ayf_archive *archive; /* its entries are the pictures, in order */
} archive_source;

static ayf_status archive_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    ayf_archive *a = ((archive_source *)source)->archive;
    const ayf_archive_entry *entry = &a->entries[index];
    void *bytes = NULL;
    size_t size = 0;
    *image = (ayf_image){0};
    AYF_TRY(a->read(a, entry, &bytes, &size));
    ayf_status status = header_only
                            ? ayf_image_probe(source->ctx, entry->name, bytes, size, &a->reading, image)
                            : ayf_image_decode(source->ctx, entry->name, bytes, size, &a->reading, image);
    ayf_free(source->ctx, bytes);
    return status;
}

static void archive_item(const ayf_source *source, size_t index, char *text, size_t size) {
    snprintf(text, size, "%s", ((const archive_source *)source)->archive->entries[index].name);
}

static void archive_close(ayf_source *source) { ayf_archive_close(((archive_source *)source)->archive); }

static bool has_extension(const char *name, const char *const *list, size_t count) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < count; i++)
        if (strcasecmp(dot + 1, list[i]) == 0) return true;
    return false;
}

/* Pictures that are not read are among them, so that the reader can say what they are. */
static bool is_picture(const char *name) {
    static const char *const list[] = {"png",  "jpg",  "jpeg", "jpe", "jfif", "webp", "apng", "gif",
                                       "bmp",  "tif",  "tiff", "ppm", "pgm",  "pbm",  "pnm",  "pam",
                                       "heic", "heif", "avif", "jxl", "jp2",  "j2k",  "svg",  "exr",
                                       "tga",  "hdr",  "ico",  "psd", "qoi",  "dds"};
    return has_extension(name, list, AYF_COUNT(list));
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const ayf_archive_entry *)a)->name, ((const ayf_archive_entry *)b)->name);
}

/* Leaves the pictures in the entries, sorted; takes the label file out. Refuses two entries with one name, and
 * a set without pictures. */
static ayf_status select_pictures(ayf_archive *a, bool quiet, ayf_archive_entry *label_file) {
    ayf_context *ctx = a->ctx;
    ayf_problems problems = {.ctx = ctx, .quiet = quiet};
    if (a->count) qsort(a->entries, a->count, sizeof *a->entries, by_name);
    size_t kept = 0, total = a->count;
    bool enough_memory = true;
    for (size_t i = 0; i < total; i++) {
        ayf_archive_entry entry = a->entries[i];
        bool twice = i + 1 < total && strcmp(entry.name, a->entries[i + 1].name) == 0;
        if (twice) {
            ayf_fail(ctx, AYF_E_FORMAT, "%s: there are two files of this name", entry.name);
            enough_memory = ayf_problems_add(&problems) && enough_memory;
            ayf_free(ctx, entry.name);
        } else if (is_picture(entry.name)) {
            a->entries[kept++] = entry;
        } else if (strcmp(entry.name, "dataset.json") == 0) {
            *label_file = entry;
        } else {
            ayf_free(ctx, entry.name);
        }
    }
    a->count = kept;
    if (!enough_memory) return AYF_E_MEMORY;
    if (kept == 0 && problems.count == 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: holds no pictures (.png, .jpg, .jpeg, .webp)", a->name);
    return ayf_problems_report(&problems, a->name, total, "files");
}

/* Length of the first part of the path, without the slash; 0 when the file lies at the top. */
static size_t top_folder(const char *name) {
    const char *slash = strchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

/* EDM's tools spread their files over 00000, 00001, ...: storage, not classes. */
static bool is_shard(const char *name, size_t length) {
    return length == 5 && strspn(name, "0123456789") >= length;
}

static ayf_status no_labels(const ayf_archive *a, const char *reason) {
    return ayf_fail(a->ctx, AYF_E_FORMAT,
                    "%s: has no labels: %s; add a dataset.json or train without labels (data.labels=false)",
                    a->name, reason);
}

/* One class per sub-folder. The entries are sorted and '/' sorts before letters and digits, but not before
 * all else: "a b/x" comes before "a/x". So the folder names are compared with every class found, not the last
 * one. */
static ayf_status labels_from_folders(archive_source *s) {
    enum { MAX_FOLDERS = 4096 };
    ayf_archive *a = s->archive;
    bool all_shards = true;
    if (a->shards_only) return no_labels(a, "it has no dataset.json, or one whose \"labels\" is null");
    size_t *first = ayf_alloc(a->ctx, MAX_FOLDERS, sizeof *first); /* a picture of each class */
    if (!first) return AYF_E_MEMORY;
    size_t classes = 0;
    const char *problem = NULL;
    for (size_t i = 0; i < a->count && !problem; i++) {
        const char *name = a->entries[i].name;
        size_t length = top_folder(name), k = classes;
        if (!is_shard(name, length)) all_shards = false;
        while (k > 0) {
            const char *other = a->entries[first[k - 1]].name;
            if (top_folder(other) == length && memcmp(other, name, length) == 0) break;
            k--;
        }
        if (length == 0)
            problem = "it has no dataset.json and not all pictures lie in sub-folders";
        else if (k == 0 && classes == MAX_FOLDERS)
            problem = "it has more than 4096 sub-folders";
        else if (k == 0)
            first[k = classes++] = i, k++;
        s->base.labels[i] = (int)k - 1;
    }
    ayf_free(a->ctx, first);
    if (!problem && all_shards) problem = "it has no dataset.json and its sub-folders are 5-digit shards";
    return problem ? no_labels(a, problem) : AYF_OK;
}

static ayf_status labels_from_file(archive_source *s, const ayf_archive_entry *file, bool quiet) {
    ayf_archive *a = s->archive;
    ayf_context *ctx = a->ctx;
    void *bytes = NULL;
    size_t size = 0;
    ayf_labels labels = {0};
    ayf_status status = a->read(a, file, &bytes, &size);
    if (status == AYF_OK) status = ayf_labels_parse(ctx, file->name, bytes, size, quiet, &labels);
    ayf_free(ctx, bytes);
    if (status != AYF_OK) {
        ayf_fail_prefix(ctx, "%s: ", a->name);
        return status;
    }
    if (labels.present)
        for (size_t i = 0; i < a->count; i++)
            s->base.labels[i] = ayf_labels_find(&labels, a->entries[i].name);
    else
        status = labels_from_folders(s);
    ayf_labels_clear(ctx, &labels);
    return status;
}

ayf_status ayf_source_from_archive(ayf_archive *archive, const ayf_dataset_spec *spec, ayf_source **out) {
    ayf_context *ctx = archive->ctx;
    *out = NULL;
    archive_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) {
        ayf_archive_close(archive);
        return AYF_E_MEMORY;
    }
    s->base = (ayf_source){.ctx = ctx, .fetch = archive_fetch, .item = archive_item, .close = archive_close};
    s->archive = archive;
    archive->reading = (ayf_image_reading){spec->background, spec->as_stored};
    ayf_archive_entry label_file = {0};
    ayf_status status = select_pictures(archive, spec->quiet, &label_file);
    s->base.count = archive->count;
    if (status == AYF_OK && spec->labels) {
        s->base.labels = ayf_alloc(ctx, archive->count, sizeof(int));
        if (!s->base.labels)
            status = AYF_E_MEMORY;
        else
            status = label_file.name ? labels_from_file(s, &label_file, spec->quiet) : labels_from_folders(s);
    }
    ayf_free(ctx, label_file.name);
    if (status != AYF_OK)
        ayf_source_close(&s->base);
    else
        *out = &s->base;
    return status;
}
