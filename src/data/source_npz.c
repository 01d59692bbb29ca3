#include "data/latents.h"
#include "data/source.h"
#include "io/npz.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The usual names, training before test. */
static const struct {
    const char *pictures, *labels, *other; /* other: what is left out beside them */
} names[] = {{"arr_0", "arr_1", NULL},
             {"images", "labels", NULL},
             {"samples", "labels", NULL},
             {"x_train", "y_train", "x_test"},
             {"train_images", "train_labels", "test_images"},
             {"x_test", "y_test", NULL},
             {"test_images", "test_labels", NULL},
             {"x", "y", NULL},
             {"X", "y", NULL},
             {"data", "labels", NULL},
             {"latents", "labels", NULL}};

typedef struct npz_source {
    ayf_source base;
    ayf_npy pictures;
    int height, width, channels;
} npz_source;

static ayf_status npz_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const npz_source *s = (const npz_source *)source;
    *image = (ayf_image){.height = s->height, .width = s->width, .channels = s->channels};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, s->height, s->width, s->channels));
    size_t size = ayf_image_bytes(image);
    memcpy(image->pixels, (const unsigned char *)s->pictures.data + index * size, size);
    return AYF_OK;
}

static ayf_status npz_fetch_latent(ayf_source *source, size_t index, float *out) {
    char name[64];
    if (!out) return AYF_OK; /* one array has one form */
    source->item(source, index, name, sizeof name);
    return ayf_latent_unpack(source->ctx, name, &source->latents, &((npz_source *)source)->pictures, index,
                             out);
}

static void npz_item(const ayf_source *source, size_t index, char *text, size_t size) {
    snprintf(text, size, "%s %zu", source->latents.channels ? "latent" : "picture", index);
}

static void npz_close(ayf_source *source) { ayf_npy_clear(source->ctx, &((npz_source *)source)->pictures); }

static ayf_status read_latents(npz_source *s, ayf_npz *file, const char *path, const char *key,
                               const ayf_npy *look, const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    char *name = ayf_format(ctx, "%s: '%s'", path, key);
    if (!name) return AYF_E_MEMORY;
    ayf_status status = ayf_latent_form_read(ctx, name, look, spec->latents, false, false, &s->base.latents);
    ayf_free(ctx, name);
    AYF_TRY(status);
    AYF_TRY(ayf_npz_read(file, key, spec->memory, &s->pictures));
    s->base.fetch = NULL;
    s->base.fetch_latent = npz_fetch_latent;
    s->base.count = look->shape[0];
    s->base.bytes = s->pictures.bytes;
    return ayf_latent_note(ctx, &s->base.latents, &s->base.note);
}

static ayf_status read_pictures(npz_source *s, ayf_npz *file, const char *path, const char *key,
                                const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    ayf_npy a;
    char shape[128];
    AYF_TRY(ayf_npz_look(file, key, &a));
    ayf_npy_describe(&a, shape, sizeof shape);
    if (a.rank == 2 && a.shape[1] == 2)
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: '%s' is %s: points, of which no files are read; ayf eval draws them itself when the "
            "model is named",
            path, key, shape);
    bool floats = a.type == AYF_NPY_F32 || a.type == AYF_NPY_F64;
    if (floats && a.rank == 4 && a.count) return read_latents(s, file, path, key, &a, spec);
    if (a.type != AYF_NPY_U8 || (a.rank != 3 && a.rank != 4) ||
        (a.rank == 4 && a.shape[3] != 1 && a.shape[3] != 3))
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: '%s' is %s; pictures are |u1 (N, H, W), (N, H, W, 1) or (N, H, W, 3), from 0 to 255, and "
            "latents floats (N, H, W, C) or (N, C, H, W)",
            path, key, shape);
    if (!a.count)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: '%s' is %s: it holds no pictures", path, key, shape);
    if (a.shape[1] > AYF_IMAGE_MAX_SIDE || a.shape[2] > AYF_IMAGE_MAX_SIDE)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: '%s' is %s; %d pixels a side are the most", path, key, shape,
                        AYF_IMAGE_MAX_SIDE);
    AYF_TRY(ayf_npz_read(file, key, spec->memory, &s->pictures));
    s->base.count = a.shape[0];
    s->base.bytes = a.bytes;
    s->height = (int)a.shape[1];
    s->width = (int)a.shape[2];
    s->channels = a.rank == 4 ? (int)a.shape[3] : 1;
    return AYF_OK;
}

static ayf_status read_labels(npz_source *s, ayf_npz *file, const char *path, const char *key,
                              const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    ayf_npy a;
    char shape[128];
    bool missing = !ayf_npz_has(file, key);
    if (missing && spec->unlabelled) *spec->unlabelled = true;
    if (missing)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: has no labels: it holds %s, but no '%s'; add it or train without labels "
                        "(data.labels=false)",
                        path, ayf_npz_keys(file), key);
    AYF_TRY(ayf_npz_look(file, key, &a));
    ayf_npy_describe(&a, shape, sizeof shape);
    bool whole = a.type == AYF_NPY_U8 || a.type == AYF_NPY_I32 || a.type == AYF_NPY_I64;
    bool flat = a.rank == 1 || (a.rank == 2 && a.shape[1] == 1);
    if (!whole || !flat || a.shape[0] != s->base.count)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: '%s' is %s; the labels of its %zu %s are as many whole numbers", path, key,
                        shape, s->base.count, s->base.latents.channels ? "latents" : "pictures");
    AYF_TRY(ayf_npz_read(file, key, spec->memory, &a));
    s->base.labels = ayf_alloc(ctx, a.count, sizeof(int));
    for (size_t i = 0; s->base.labels && i < a.count; i++) {
        double label = ayf_npy_number(&a, i);
        s->base.labels[i] = label < 0 ? -1 : label > INT_MAX ? INT_MAX : (int)label;
    }
    ayf_npy_clear(ctx, &a);
    return s->base.labels ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status open_into(npz_source *s, ayf_npz *file, const char *path, const ayf_dataset_spec *spec) {
    ayf_context *ctx = s->base.ctx;
    size_t k = 0;
    while (k < AYF_COUNT(names) && !ayf_npz_has(file, names[k].pictures)) k++;
    if (k == AYF_COUNT(names) && ayf_npz_has(file, "mu") && ayf_npz_has(file, "sigma"))
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: holds mu and sigma, the statistics of a data set and not its pictures: name the pictures",
            path);
    if (k == AYF_COUNT(names))
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: holds %s, but pictures are called arr_0, images, x_train or train_images, and "
                        "latents arr_0 or latents: save them under such a name",
                        path, ayf_npz_keys(file));
    AYF_TRY(read_pictures(s, file, path, names[k].pictures, spec));
    s->base.pad_28 = true;
    if (names[k].other && ayf_npz_has(file, names[k].other))
        AYF_TRY(ayf_note(ctx, &s->base.note, "takes %s; %s is left out", names[k].pictures, names[k].other));
    return spec->labels ? read_labels(s, file, path, names[k].labels, spec) : AYF_OK;
}

ayf_status ayf_source_open_npz(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out) {
    ayf_npz *file;
    *out = NULL;
    AYF_TRY(ayf_npz_open(ctx, path, &file));
    npz_source *s = ayf_alloc(ctx, 1, sizeof *s);
    ayf_status status = s ? AYF_OK : AYF_E_MEMORY;
    if (s) {
        s->base = (ayf_source){.ctx = ctx, .fetch = npz_fetch, .item = npz_item, .close = npz_close};
        status = open_into(s, file, path, spec);
    }
    ayf_npz_close(file);
    if (status == AYF_OK)
        *out = &s->base;
    else if (s)
        ayf_source_close(&s->base);
    return status;
}
