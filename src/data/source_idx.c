#include "data/source.h"
#include "io/file.h"
#include "io/gzip.h"

#include <stdio.h>
#include <string.h>

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

ayf_status ayf_idx_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                         int rank, ayf_idx *idx) {
    *idx = (ayf_idx){0};
    const char *wanted = rank == 3 ? "pictures" : "labels";
    size_t header = 4 + 4 * (size_t)rank;
    if (size < header)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: truncated: %zu bytes are less than the header of IDX %s",
                        name, size, wanted);
    uint32_t magic = big_endian(bytes), expected = 0x800u + (uint32_t)rank;
    if (magic != expected)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: begins with 0x%08x, but IDX %s begin with 0x%08x%s", name,
                        magic, wanted, expected,
                        magic == 0x801   ? "; this is a file of labels"
                        : magic == 0x803 ? "; this is a file of pictures"
                                         : "");
    uint64_t product = 1, dim[3] = {1, 1, 1};
    for (int i = 0; i < rank; i++) {
        dim[i] = big_endian(bytes + 4 + 4 * i);
        if (dim[i] == 0) return ayf_fail(ctx, AYF_E_FORMAT, "%s: size %d of its IDX header is 0", name, i);
        if (i > 0 && dim[i] > AYF_IMAGE_MAX_SIDE)
            return ayf_fail(ctx, AYF_E_FORMAT,
                            "%s: says its pictures have %llu pixels a side; %d is the most", name,
                            (unsigned long long)dim[i], AYF_IMAGE_MAX_SIDE);
        product *= dim[i]; /* at most 2^32 * 2^14 * 2^14 */
    }
    if (product != size - header)
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: its header says %llu x %llu x %llu = %llu bytes of %s, but %zu follow: truncated or damaged",
            name, (unsigned long long)dim[0], (unsigned long long)dim[1], (unsigned long long)dim[2],
            (unsigned long long)product, wanted, size - header);
    *idx = (ayf_idx){(size_t)dim[0], (int)dim[1], (int)dim[2], bytes + header};
    return AYF_OK;
}

typedef struct idx_source {
    ayf_source base;
    char *name;
    unsigned char *bytes;
    ayf_idx idx;
} idx_source;

static ayf_status idx_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const idx_source *s = (const idx_source *)source;
    *image = (ayf_image){.height = s->idx.height, .width = s->idx.width, .channels = 1};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, s->idx.height, s->idx.width, 1));
    size_t size = ayf_image_bytes(image);
    memcpy(image->pixels, s->idx.data + index * size, size);
    return AYF_OK;
}

static void idx_item(const ayf_source *source, size_t index, char *text, size_t size) {
    (void)source;
    snprintf(text, size, "picture %zu", index);
}

static void idx_close(ayf_source *source) {
    idx_source *s = (idx_source *)source;
    ayf_free(source->ctx, s->name);
    ayf_free(source->ctx, s->bytes);
}

/* Reads a file that may be compressed, whatever it is called. */
static ayf_status read_maybe_gzip(ayf_context *ctx, const char *path, size_t memory, unsigned char **bytes,
                                  size_t *size) {
    void *raw;
    AYF_TRY(ayf_file_read(ctx, path, memory, &raw, size));
    *bytes = raw;
    if (*size < 2 || (*bytes)[0] != 0x1f || (*bytes)[1] != 0x8b) return AYF_OK;
    ayf_status status = ayf_gunzip(ctx, path, raw, *size, memory, bytes, size);
    ayf_free(ctx, raw);
    return status;
}

static void replace_last(char *text, const char *from, const char *to) {
    char *found = NULL;
    for (char *p = strstr(text, from); p; p = strstr(p + 1, from)) found = p;
    if (found) memcpy(found, to, strlen(to));
}

/* The label file beside the pictures, compressed or not; NULL when it does not exist or there is no memory.
 */
static char *label_path(ayf_context *ctx, const char *path) {
    size_t length = strlen(path);
    char *other = ayf_alloc(ctx, length + 4, 1);
    if (!other) return NULL;
    memcpy(other, path, length);
    char *slash = strrchr(other, '/');
    char *name = slash ? slash + 1 : other;
    replace_last(name, "images", "labels");
    replace_last(name, "idx3", "idx1");
    if (ayf_path_exists(other) && strcmp(other, path) != 0) return other;
    if (length > 3 && strcmp(other + length - 3, ".gz") == 0)
        other[length - 3] = 0;
    else
        memcpy(other + length, ".gz", 4);
    if (ayf_path_exists(other) && strcmp(other, path) != 0) return other;
    ayf_fail(ctx, AYF_E_FORMAT,
             "%s: has no labels: no file beside it is called 'labels' for 'images' and 'idx1' for 'idx3'; "
             "add it or train without labels (data.labels=false)",
             path);
    ayf_free(ctx, other);
    return NULL;
}

static ayf_status read_labels(idx_source *s, size_t memory) {
    ayf_context *ctx = s->base.ctx;
    char *path = label_path(ctx, s->name);
    if (!path) return ctx->status;
    unsigned char *bytes = NULL;
    size_t size;
    ayf_idx idx;
    ayf_status status = read_maybe_gzip(ctx, path, memory, &bytes, &size);
    if (status == AYF_OK) status = ayf_idx_parse(ctx, path, bytes, size, 1, &idx);
    if (status == AYF_OK && idx.count != s->idx.count)
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: has %zu labels for the %zu pictures of %s", path, idx.count,
                          s->idx.count, s->name);
    if (status == AYF_OK) {
        s->base.labels = ayf_alloc(ctx, idx.count, sizeof(int));
        if (!s->base.labels)
            status = AYF_E_MEMORY;
        else
            for (size_t i = 0; i < idx.count; i++) s->base.labels[i] = idx.data[i];
    }
    ayf_free(ctx, bytes);
    ayf_free(ctx, path);
    return status;
}

static ayf_status open_into(idx_source *s, const char *path, bool labels, size_t memory) {
    ayf_context *ctx = s->base.ctx;
    s->name = ayf_strdup(ctx, path);
    if (!s->name) return AYF_E_MEMORY;
    size_t size;
    AYF_TRY(read_maybe_gzip(ctx, path, memory, &s->bytes, &size));
    AYF_TRY(ayf_idx_parse(ctx, path, s->bytes, size, 3, &s->idx));
    s->base.count = s->idx.count;
    return labels ? read_labels(s, memory) : AYF_OK;
}

ayf_status ayf_source_open_idx(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out) {
    *out = NULL;
    idx_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->base =
        (ayf_source){.ctx = ctx, .pad_28 = true, .fetch = idx_fetch, .item = idx_item, .close = idx_close};
    ayf_status status = open_into(s, path, spec->labels, spec->memory);
    if (status != AYF_OK)
        ayf_source_close(&s->base);
    else
        *out = &s->base;
    return status;
}
