#include "eval/features_inception.h"

#include <string.h>

#include "backend/open.h"
#include "image/image.h"
#include "nn/inception.h"

enum { SIZE = AYF_INCEPTION_SIZE };

/* ---- Resizing ---- */

typedef struct between {
    int low, high; /* the input pixels around an output pixel */
    float part;    /* of `high` */
} between;

static void place(between *at, int inside) {
    float scale = (float)inside / (float)SIZE;
    for (int i = 0; i < SIZE; i++) {
        float where = (float)i * scale;
        int low = (int)where;
        at[i] = (between){low, low + 1 < inside ? low + 1 : inside - 1, where - (float)low};
    }
}

void ayf_inception_resize(const uint8_t *pixels, int height, int width, int channels, float *out) {
    between rows[SIZE], columns[SIZE];
    size_t line = (size_t)width * (size_t)channels;
    place(rows, height);
    place(columns, width);
    for (int y = 0; y < SIZE; y++) {
        const uint8_t *top = pixels + (size_t)rows[y].low * line,
                      *bottom = pixels + (size_t)rows[y].high * line;
        for (int x = 0; x < SIZE; x++) {
            for (int c = 0; c < 3; c++, out++) {
                int k = channels == 1 ? 0 : c;
                int left = columns[x].low * channels + k, right = columns[x].high * channels + k;
                float a = (float)top[left], b = (float)bottom[left];
                a += ((float)top[right] - a) * columns[x].part;
                b += ((float)bottom[right] - b) * columns[x].part;
                *out = (a + (b - a) * rows[y].part - 128) / 128;
            }
        }
    }
}

/* ---- The extractor ---- */

static ayf_status check_images(const ayf_extractor *e, const float *images, size_t count,
                               ayf_data_shape shape) {
    size_t index, values = ayf_data_values(shape);
    if (shape.height < 1 || shape.width < 1 || (shape.channels != 1 && shape.channels != 3))
        return ayf_fail(e->ctx, AYF_E_USAGE,
                        "Inception features are of pictures with 1 or 3 channels, not of %d x %d x %d data",
                        shape.height, shape.width, shape.channels);
    const char *bad = ayf_first_not_finite(images, count * values, &index);
    if (!bad) return AYF_OK;
    return ayf_fail(e->ctx, AYF_E_DIVERGED, "image %zu holds a value that is %s, so it has no features",
                    index / values, bad);
}

static ayf_status resize(const ayf_extractor *e, const float *image, ayf_data_shape shape, float *to) {
    size_t values = ayf_data_values(shape);
    uint8_t *bytes = ayf_alloc(e->ctx, values, 1);
    if (!bytes) return AYF_E_MEMORY;
    ayf_image_quantise(image, bytes, values);
    ayf_inception_resize(bytes, shape.height, shape.width, shape.channels, to);
    ayf_free(e->ctx, bytes);
    return AYF_OK;
}

static const ayf_extractor_kind inception = {
    .batch = 4, .check = check_images, .fill = resize, .network = ayf_inception};

/* ---- Opening ---- */

static ayf_status check_variances(ayf_extractor *e, const ayf_st *st) {
    ayf_context *ctx = e->ctx;
    const ayf_params *params = e->weights->params;
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        if (!strstr(param->name, ".running_var")) continue;
        float *values = ayf_alloc(ctx, param->size, sizeof *values);
        if (!values) return AYF_E_MEMORY;
        status = ayf_buffer_get(e->weights->at[i], values);
        for (size_t k = 0; status == AYF_OK && k < param->size; k++)
            if (values[k] < 0)
                status =
                    ayf_fail(ctx, AYF_E_FORMAT, "%s: tensor '%s': value %zu is %g, which is not a variance",
                             ayf_st_path(st), param->name, k, (double)values[k]);
        ayf_free(ctx, values);
    }
    return status;
}

static ayf_status read_weights(ayf_extractor *e, ayf_backend *backend) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_INCEPTION;
    ayf_st *st;
    AYF_TRY(ayf_st_open_values(e->ctx, e->path, &st));
    ayf_status status = ayf_weights_read(backend, st, &spec, "the Inception network of FID", &e->weights);
    if (status == AYF_OK) status = check_variances(e, st);
    ayf_st_close(st);
    return status;
}

static ayf_status open_file(ayf_extractor *e) {
    ayf_backend *backend;
    AYF_TRY(ayf_backend_open(e->ctx, &backend));
    ayf_status status = read_weights(e, backend);
    if (status == AYF_E_FORMAT)
        ayf_fail_prefix(e->ctx,
                        "these are not the Inception weights of FID, which scripts/convert_inception.py "
                        "makes from pt_inception-2015-12-05-6726825d.pth: ");
    if (status == AYF_E_IO)
        ayf_fail_prefix(e->ctx,
                        "the Inception weights of FID are a file made by scripts/convert_inception.py: ");
    AYF_TRY(status);
    e->dim = AYF_INCEPTION_FEATURES;
    e->classes = AYF_INCEPTION_CLASSES;
    e->recipe = ayf_strdup(
        e->ctx,
        "Inception (2015-12-05): 2048 features, 1008 logits without bias; bytes, TF1 bilinear to 299");
    if (!e->recipe) return AYF_E_MEMORY;
    return ayf_extractor_prepare(e, e->weights, ayf_image_shape(SIZE, SIZE, 3));
}

ayf_status ayf_inception_open(ayf_context *ctx, const char *path, ayf_extractor **out) {
    *out = NULL;
    ayf_extractor *e = ayf_extractor_new(ctx, &inception, path);
    return e ? ayf_extractor_opened(e, open_file(e), out) : AYF_E_MEMORY;
}
