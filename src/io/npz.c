#include "io/npz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#include "io/file.h"

enum { KEY_SIZE = 128, KEYS_SIZE = 256, LABEL_SIZE = 512, DEFLATE_MOST = 1032 };

/* libzip takes its memory from malloc and has no hook for it. */
struct ayf_npz {
    ayf_context *ctx;
    char *path;
    zip_t *zip;
    uint64_t size; /* of the whole file */
    char keys[KEYS_SIZE];
};

/* ---- Opening ---- */

static void list_keys(ayf_npz *f) {
    size_t used = 0;
    zip_int64_t count = zip_get_num_entries(f->zip, 0);
    snprintf(f->keys, sizeof f->keys, "nothing");
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(f->zip, (zip_uint64_t)i, 0);
        size_t length = name ? strlen(name) : 0;
        if (length < 5 || strcmp(name + length - 4, ".npy") != 0) continue;
        int n = snprintf(f->keys + used, sizeof f->keys - used, "%s%.*s", used ? ", " : "", (int)length - 4,
                         name);
        used += n > 0 ? (size_t)n : 0;
        if (used >= sizeof f->keys) break;
    }
    for (char *p = f->keys; *p; p++)
        if (*p < ' ' || *p > '~') *p = '?';
}

static ayf_status open_zip(ayf_npz *f) {
    ayf_context *ctx = f->ctx;
    struct stat info;
    AYF_TRY(ayf_check_regular(ctx, f->path));
    if (stat(f->path, &info) != 0) return ayf_fail_errno(ctx, errno, "open", f->path);
    f->size = (uint64_t)info.st_size;
    int code = 0;
    f->zip = zip_open(f->path, ZIP_RDONLY, &code);
    if (!f->zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        ayf_status status = ayf_fail(ctx,
                                     code == ZIP_ER_MEMORY ? AYF_E_MEMORY
                                     : code == ZIP_ER_OPEN ? AYF_E_IO
                                                           : AYF_E_FORMAT,
                                     "%s: cannot be read as a NumPy archive (.npz, a ZIP): %s", f->path,
                                     zip_error_strerror(&error));
        zip_error_fini(&error);
        return status;
    }
    list_keys(f);
    return AYF_OK;
}

ayf_status ayf_npz_open(ayf_context *ctx, const char *path, ayf_npz **out) {
    *out = NULL;
    ayf_npz *f = ayf_alloc(ctx, 1, sizeof *f);
    if (!f) return AYF_E_MEMORY;
    f->ctx = ctx;
    f->path = ayf_strdup(ctx, path);
    ayf_status status = f->path ? open_zip(f) : AYF_E_MEMORY;
    if (status == AYF_OK)
        *out = f;
    else
        ayf_npz_close(f);
    return status;
}

void ayf_npz_close(ayf_npz *f) {
    if (!f) return;
    ayf_context *ctx = f->ctx;
    if (f->zip) zip_discard(f->zip);
    ayf_free(ctx, f->path);
    ayf_free(ctx, f);
}

const char *ayf_npz_keys(const ayf_npz *f) { return f->keys; }

static zip_int64_t find(const ayf_npz *f, const char *key) {
    char name[KEY_SIZE];
    int length = snprintf(name, sizeof name, "%s.npy", key);
    return length < 0 || (size_t)length >= sizeof name ? -1 : zip_name_locate(f->zip, name, 0);
}

bool ayf_npz_has(const ayf_npz *f, const char *key) { return find(f, key) >= 0; }

/* ---- Reading ---- */

typedef struct member {
    ayf_npz *f;
    char label[LABEL_SIZE]; /* "path: 'key'" */
    zip_uint64_t index;
    uint64_t size; /* unpacked */
    zip_file_t *file;
} member;

static ayf_status wrong(const member *m, const char *reason) {
    return ayf_fail(m->f->ctx, AYF_E_FORMAT, "%s: %s", m->label, reason);
}

/* The size that the ZIP claims, checked against what its method and the file allow. */
static ayf_status check_size(member *m, const zip_stat_t *info) {
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if ((info->valid & needed) != needed) return wrong(m, "the ZIP does not say how large it is");
    if (info->encryption_method != ZIP_EM_NONE) return wrong(m, "is encrypted in the ZIP");
    bool stored = info->comp_method == ZIP_CM_STORE;
    if (!stored && info->comp_method != ZIP_CM_DEFLATE)
        return wrong(m, "is neither stored nor deflated in the ZIP; save it with numpy.savez()");
    if (info->comp_size > m->f->size || (stored && info->size != info->comp_size) ||
        (!stored && info->size / DEFLATE_MOST > info->comp_size))
        return wrong(m, "the ZIP states a wrong size");
    m->size = info->size;
    return AYF_OK;
}

static ayf_status begin(ayf_npz *f, const char *key, member *m) {
    *m = (member){.f = f};
    snprintf(m->label, sizeof m->label, "%s: '%s'", f->path, key);
    zip_int64_t index = find(f, key);
    if (index < 0)
        return ayf_fail(f->ctx, AYF_E_FORMAT, "%s: has no array '%s'; it holds %s", f->path, key, f->keys);
    zip_stat_t info;
    zip_stat_init(&info);
    m->index = (zip_uint64_t)index;
    if (zip_stat_index(f->zip, m->index, 0, &info) != 0)
        return wrong(m, zip_error_strerror(zip_get_error(f->zip)));
    AYF_TRY(check_size(m, &info));
    m->file = zip_fopen_index(f->zip, m->index, 0);
    return m->file ? AYF_OK : wrong(m, zip_error_strerror(zip_get_error(f->zip)));
}

/* Exactly the next `size` bytes. */
static ayf_status next(member *m, void *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        zip_int64_t got = zip_fread(m->file, (char *)bytes + done, size - done);
        if (got < 0)
            return ayf_fail(m->f->ctx, AYF_E_FORMAT, "%s: damaged in the ZIP (%s)", m->label,
                            zip_error_strerror(zip_file_get_error(m->file)));
        if (got == 0) return wrong(m, "is shorter than the ZIP says");
        done += (size_t)got;
    }
    return AYF_OK;
}

/* Header and data, the latter into array->data when that is wanted. */
static ayf_status read_header(member *m, ayf_npy *array) {
    enum { FIRST = 12 };
    ayf_context *ctx = m->f->ctx;
    unsigned char start[FIRST];
    if (m->size < FIRST) return wrong(m, "is not a NumPy array");
    AYF_TRY(next(m, start, FIRST));
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    length =
        start[6] > 1 ? FIRST + (length | (size_t)start[10] << 16 | (size_t)start[11] << 24) : length + 10;
    if (length > AYF_NPY_HEADER_MOST + FIRST || length > m->size || length < FIRST) length = FIRST;
    unsigned char *bytes = ayf_alloc(ctx, length, 1);
    if (!bytes) return AYF_E_MEMORY;
    memcpy(bytes, start, FIRST);
    ayf_status status = next(m, bytes + FIRST, length - FIRST);
    size_t header;
    if (status == AYF_OK) status = ayf_npy_header(ctx, m->label, bytes, length, array, &header);
    ayf_free(ctx, bytes);
    if (status == AYF_OK && m->size - length != array->bytes)
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: its shape needs %zu bytes, but it has %llu", m->label,
                          array->bytes, (unsigned long long)(m->size - length));
    return status;
}

static ayf_status read_data(member *m, size_t limit, ayf_npy *array) {
    ayf_context *ctx = m->f->ctx;
    if (array->bytes > limit)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: has %zu bytes, which is too large: at most %zu are read here",
                        m->label, array->bytes, limit);
    array->data = ayf_alloc(ctx, array->bytes, 1);
    if (!array->data) {
        ayf_fail_prefix(ctx, "%s: ", m->label);
        return AYF_E_MEMORY;
    }
    AYF_TRY(next(m, array->data, array->bytes));
    /* At the end libzip compares the checksum. */
    char more;
    zip_int64_t got = zip_fread(m->file, &more, 1);
    if (got < 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: damaged in the ZIP (%s)", m->label,
                        zip_error_strerror(zip_file_get_error(m->file)));
    return got == 0 ? AYF_OK : wrong(m, "is longer than the ZIP says");
}

ayf_status ayf_npz_look(ayf_npz *f, const char *key, ayf_npy *array) {
    member m;
    *array = (ayf_npy){0};
    ayf_status status = begin(f, key, &m);
    if (status == AYF_OK) status = read_header(&m, array);
    if (m.file) zip_fclose(m.file);
    return status;
}

ayf_status ayf_npz_read(ayf_npz *f, const char *key, size_t limit, ayf_npy *array) {
    member m;
    *array = (ayf_npy){0};
    ayf_status status = begin(f, key, &m);
    if (status == AYF_OK) status = read_header(&m, array);
    if (status == AYF_OK) status = read_data(&m, limit, array);
    if (m.file) zip_fclose(m.file);
    if (status != AYF_OK) ayf_npy_clear(f->ctx, array);
    return status;
}

/* ---- Writing ---- */

static ayf_status zip_failed(ayf_context *ctx, const char *path, zip_error_t *error) {
    bool memory = zip_error_code_zip(error) == ZIP_ER_MEMORY;
    return ayf_fail(ctx, memory ? AYF_E_MEMORY : AYF_E_INTERNAL, "%s: cannot be packed: %s", path,
                    zip_error_strerror(error));
}

/* `header` and the data must stay until the archive is closed. */
static ayf_status add_member(ayf_context *ctx, const char *path, zip_t *zip, const ayf_npz_member *from,
                             char header[AYF_NPY_WRITTEN_MOST]) {
    ayf_npy array = from->array;
    char name[KEY_SIZE];
    size_t length = ayf_npy_write_header(&array, header);
    if (!length) return ayf_fail(ctx, AYF_E_MEMORY, "%s: '%s' is larger than memory", path, from->key);
    snprintf(name, sizeof name, "%s.npy", from->key);
    zip_buffer_fragment_t parts[] = {{(zip_uint8_t *)(uintptr_t)header, length},
                                     {(zip_uint8_t *)(uintptr_t)array.data, array.bytes}};
    zip_source_t *source = zip_source_buffer_fragment(zip, parts, array.bytes ? 2 : 1, 0);
    zip_int64_t index = source ? zip_file_add(zip, name, source, 0) : -1;
    if (index < 0) {
        zip_source_free(source);
        return zip_failed(ctx, path, zip_get_error(zip));
    }
    /* 1 January 1980, the first date of a ZIP: no clock decides the bytes. */
    if (zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 1 << 5 | 1, 0) != 0)
        return zip_failed(ctx, path, zip_get_error(zip));
    return AYF_OK;
}

/* Packs into `target`, which stays open for reading. */
static ayf_status pack(ayf_context *ctx, const char *path, zip_source_t *target,
                       const ayf_npz_member *members, size_t count) {
    zip_error_t error;
    zip_error_init(&error);
    char(*headers)[AYF_NPY_WRITTEN_MOST] = ayf_alloc(ctx, count, sizeof *headers);
    if (!headers) return AYF_E_MEMORY;
    zip_source_keep(target);
    zip_t *zip = zip_open_from_source(target, ZIP_TRUNCATE, &error);
    ayf_status status = AYF_OK;
    if (!zip) {
        zip_source_free(target);
        status = zip_failed(ctx, path, &error);
    }
    for (size_t i = 0; i < count && status == AYF_OK; i++)
        status = add_member(ctx, path, zip, &members[i], headers[i]);
    if (status == AYF_OK && zip_close(zip) != 0) status = zip_failed(ctx, path, zip_get_error(zip));
    if (status != AYF_OK && zip) zip_discard(zip);
    ayf_free(ctx, headers);
    zip_error_fini(&error);
    return status;
}

static ayf_status copy_out(ayf_context *ctx, const char *path, zip_source_t *packed) {
    enum { PIECE = 1 << 16 };
    ayf_file_writer *writer;
    char *piece = ayf_alloc(ctx, PIECE, 1);
    ayf_status status = piece ? ayf_file_begin(ctx, path, &writer) : AYF_E_MEMORY;
    if (status == AYF_OK) {
        zip_int64_t got = zip_source_open(packed) == 0 ? zip_source_read(packed, piece, PIECE) : -1;
        while (got > 0 && ayf_file_put(writer, piece, (size_t)got) == AYF_OK)
            got = zip_source_read(packed, piece, PIECE);
        if (got < 0) {
            ayf_file_cancel(writer);
            status = zip_failed(ctx, path, zip_source_error(packed));
        } else {
            status = ayf_file_commit(writer);
        }
        zip_source_close(packed);
    }
    ayf_free(ctx, piece);
    return status;
}

ayf_status ayf_npz_write(ayf_context *ctx, const char *path, const ayf_npz_member *members, size_t count) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &error);
    ayf_status status = target ? pack(ctx, path, target, members, count) : zip_failed(ctx, path, &error);
    if (status == AYF_OK) status = copy_out(ctx, path, target);
    zip_source_free(target);
    zip_error_fini(&error);
    return status;
}
