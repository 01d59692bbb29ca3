#include "data/source.h"
#include "io/file.h"
#include "io/gzip.h"
#include "io/kind.h"

#include <stdio.h>
#include <string.h>

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum { UINT8 = 0x08, INT8 = 0x09, INT16 = 0x0B, INT32 = 0x0C, REAL32 = 0x0D, REAL64 = 0x0E };

static const struct {
    int type;
    size_t size;
    const char *name;
} types[] = {{UINT8, 1, "bytes"},
             {INT8, 1, "signed bytes"},
             {INT16, 2, "16-bit whole numbers"},
             {INT32, 4, "32-bit whole numbers"},
             {REAL32, 4, "32-bit reals"},
             {REAL64, 8, "64-bit reals"}};

/* The type and the rank that the first four bytes state. */
static ayf_status check_magic(ayf_context *ctx, const char *name, uint32_t magic, bool pictures,
                              size_t *element) {
    const int type = (int)(magic >> 8), rank = (int)(magic & 0xff);
    const char *wanted = pictures ? "pictures" : "labels", *type_name = NULL;
    for (size_t i = 0; i < AYF_COUNT(types); i++)
        if (types[i].type == type) *element = types[i].size, type_name = types[i].name;
    if (!type_name || rank < 1 || rank > 8)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: begins with 0x%08x, but IDX %s begin with 0x%08x", name,
                        magic, wanted, pictures ? 0x803u : 0x801u);
    bool good_type = pictures ? type == UINT8 : type <= INT32,
         good_rank = pictures ? rank == 3 || rank == 4 : rank <= 2;
    if (good_type && good_rank) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_FORMAT, "%s: holds %s of rank %d (it begins with 0x%08x), but IDX %s are %s (0x%08x)%s",
        name, type_name, rank, magic, wanted,
        pictures ? "bytes of rank 3, or of rank 4 with the channels last" : "whole numbers of rank 1 or 2",
        pictures ? 0x803u : 0x801u,
        pictures && rank <= 2    ? "; this is a file of labels"
        : !pictures && rank >= 3 ? "; this is a file of pictures"
                                 : "");
}

ayf_status ayf_idx_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                         int rank, ayf_idx *idx) {
    *idx = (ayf_idx){0};
    bool pictures = rank == 3;
    const char *wanted = pictures ? "pictures" : "labels";
    uint64_t product = 1, dim[4] = {1, 1, 1, 1};
    size_t header = 4, element = 1;
    if (size < header + 4)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: truncated: %zu bytes are less than the header of IDX %s",
                        name, size, wanted);
    AYF_TRY(check_magic(ctx, name, big_endian(bytes), pictures, &element));
    rank = bytes[3];
    header += 4 * (size_t)rank;
    if (size < header)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: truncated: %zu bytes are less than the header of IDX %s",
                        name, size, wanted);
    for (int i = 0; i < rank; i++) {
        dim[i] = big_endian(bytes + 4 + 4 * i);
        if (dim[i] == 0) return ayf_fail(ctx, AYF_E_FORMAT, "%s: size %d of its IDX header is 0", name, i);
        if (i > 0 && dim[i] > AYF_IMAGE_MAX_SIDE)
            return ayf_fail(ctx, AYF_E_FORMAT,
                            "%s: says its pictures have %llu pixels a side; %d is the most", name,
                            (unsigned long long)dim[i], AYF_IMAGE_MAX_SIDE);
        if (i == 3 && dim[i] != 1 && dim[i] != 3)
            return ayf_fail(
                ctx, AYF_E_FORMAT,
                "%s: has sizes of %llu x %llu x %llu x %llu; the last one has to be 1 or 3 channels", name,
                (unsigned long long)dim[0], (unsigned long long)dim[1], (unsigned long long)dim[2],
                (unsigned long long)dim[3]);
        product *= dim[i]; /* at most 2^32 * 2^14 * 2^14 * 3 */
    }
    if (product > (size - header) / element || product * element != size - header)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: its header says %llu x %llu x %llu%s = %llu bytes of %s, but %zu follow: "
                        "truncated or damaged",
                        name, (unsigned long long)dim[0], (unsigned long long)dim[1],
                        (unsigned long long)dim[2], element > 1 ? " numbers" : "",
                        (unsigned long long)(product * element), wanted, size - header);
    *idx = (ayf_idx){.count = (size_t)dim[0],
                     .height = 1,
                     .width = 1,
                     .channels = 1,
                     .type = bytes[2],
                     .data = bytes + header};
    if (pictures)
        idx->height = (int)dim[1], idx->width = (int)dim[2], idx->channels = (int)dim[3];
    else
        idx->columns = (size_t)dim[1];
    return AYF_OK;
}

/* The class of sample `index`; out of an int's range: -1. */
static int idx_label(const ayf_idx *idx, size_t index) {
    const unsigned char *p = idx->data;
    index *= idx->columns;
    switch (idx->type) {
    case UINT8:
        return p[index];
    case INT8:
        return (int8_t)p[index];
    case INT16:
        return (int16_t)(uint16_t)(p[2 * index] << 8 | p[2 * index + 1]);
    default:
        return (int32_t)big_endian(p + 4 * index);
    }
}

typedef struct idx_source {
    ayf_source base;
    char *name;
    unsigned char *bytes;
    ayf_idx idx;
} idx_source;

static ayf_status idx_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const idx_source *s = (const idx_source *)source;
    *image = (ayf_image){.height = s->idx.height, .width = s->idx.width, .channels = s->idx.channels};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, s->idx.height, s->idx.width, s->idx.channels));
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

/* Reads a file that may be compressed, whatever it is called. What it unpacks to is bounded by a multiple of
 * its size, which only pictures without content exceed. */
static ayf_status read_maybe_gzip(ayf_context *ctx, const char *path, size_t memory, unsigned char **bytes,
                                  size_t *size) {
    const size_t free_bytes = 1 << 20, factor = 256;
    void *raw;
    AYF_TRY(ayf_check_regular(ctx, path));
    AYF_TRY(ayf_file_read(ctx, path, memory, &raw, size));
    *bytes = raw;
    const ayf_kind *kind = ayf_kind_of(raw, *size < AYF_KIND_HEAD ? *size : AYF_KIND_HEAD);
    ayf_status status = AYF_OK;
    if (*size >= 2 && (*bytes)[0] == 0x1f && (*bytes)[1] == 0x8b) {
        size_t bound = *size < memory / factor ? free_bytes + factor * *size : memory;
        if (bound > memory) bound = memory;
        status = ayf_gunzip(ctx, path, raw, *size, bound, bytes, size);
        if (status != AYF_OK) *bytes = NULL;
        ayf_free(ctx, raw);
        /* What is damaged is told as that, and what is whole as what it is. */
        if (status == AYF_OK && kind)
            kind = ayf_kind_of(*bytes, *size < AYF_KIND_HEAD ? *size : AYF_KIND_HEAD);
    }
    if (status == AYF_OK && kind && kind->use != AYF_KIND_IDX) {
        ayf_free(ctx, *bytes);
        *bytes = NULL;
        status = ayf_fail_kind_data(ctx, path, kind);
    }
    return status;
}

/* "images" as "labels" and the end as given: x-images-idx3-ubyte.gz -> x-labels-idx1-ubyte. NULL: no memory. */
static char *label_name(ayf_context *ctx, const char *path, const char *end, bool zipped) {
    enum { MORE = 32 };
    size_t length = strlen(path);
    char *other = ayf_alloc(ctx, length + MORE, 1);
    if (!other) return NULL;
    memcpy(other, path, length);
    if (length > 3 && strcmp(other + length - 3, ".gz") == 0) other[length - 3] = 0;
    char *slash = strrchr(other, '/'), *name = slash ? slash + 1 : other, *images = NULL, *idx = NULL;
    for (char *p = strstr(name, "images"); p; p = strstr(p + 1, "images")) images = p;
    for (char *p = strstr(name, "idx"); p; p = strstr(p + 1, "idx")) idx = p;
    if (images) memcpy(images, "labels", strlen("labels"));
    if (idx) snprintf(idx, MORE, "%s", end);
    if (zipped) strcat(other, ".gz");
    return other;
}

/* The label file beside the pictures, in any published form; NULL when it does not exist or there is no
 * memory. */
static char *label_path(ayf_context *ctx, const char *path) {
    static const char *const ends[] = {"idx1-ubyte", "idx2-int", "idx1-int", "idx1-ubyte", "idx1"};
    for (size_t i = 0; i < 2 * AYF_COUNT(ends); i++) {
        char *other = label_name(ctx, path, ends[i / 2], i % 2 != 0);
        if (!other) return NULL;
        if (ayf_path_exists(other) && strcmp(other, path) != 0) return other;
        ayf_free(ctx, other);
    }
    ayf_fail(
        ctx, AYF_E_FORMAT,
        "%s: has no labels: no file beside it is called 'labels' for 'images' and 'idx1' (or 'idx2-int') for "
        "'idx3'; add it or train without labels (data.labels=false)",
        path);
    return NULL;
}

static ayf_status read_labels(idx_source *s, const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    char *path = label_path(ctx, s->name);
    if (!path) {
        if (ctx->status == AYF_E_FORMAT && spec->unlabelled) *spec->unlabelled = true;
        return ctx->status;
    }
    unsigned char *bytes = NULL;
    size_t size;
    ayf_idx idx;
    ayf_status status = read_maybe_gzip(ctx, path, spec->memory, &bytes, &size);
    if (status == AYF_OK) status = ayf_idx_parse(ctx, path, bytes, size, 1, &idx);
    if (status == AYF_OK && idx.count != s->idx.count)
        status = ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: has %zu labels for the %zu pictures of %s: they do not belong together; fetch or make both "
            "again, or train without labels (data.labels=false)",
            path, idx.count, s->idx.count, s->name);
    if (status == AYF_OK) {
        s->base.labels = ayf_alloc(ctx, idx.count, sizeof(int));
        if (!s->base.labels)
            status = AYF_E_MEMORY;
        else
            for (size_t i = 0; i < idx.count; i++) s->base.labels[i] = idx_label(&idx, i);
    }
    ayf_free(ctx, bytes);
    ayf_free(ctx, path);
    return status;
}

static ayf_status open_into(idx_source *s, const char *path, const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    s->name = ayf_strdup(ctx, path);
    if (!s->name) return AYF_E_MEMORY;
    size_t size;
    AYF_TRY(read_maybe_gzip(ctx, path, spec->memory, &s->bytes, &size));
    AYF_TRY(ayf_idx_parse(ctx, path, s->bytes, size, 3, &s->idx));
    s->base.count = s->idx.count;
    s->base.bytes = size;
    return spec->labels ? read_labels(s, spec) : AYF_OK;
}

ayf_status ayf_source_open_idx(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out) {
    *out = NULL;
    idx_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->base =
        (ayf_source){.ctx = ctx, .pad_28 = true, .fetch = idx_fetch, .item = idx_item, .close = idx_close};
    ayf_status status = open_into(s, path, spec);
    if (status != AYF_OK)
        ayf_source_close(&s->base);
    else
        *out = &s->base;
    return status;
}
