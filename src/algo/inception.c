#include "algo/inception.h"

#include <string.h>

#include "algo/weights.h"
#include "backend/cpu/cpu.h"
#include "io/image.h"
#include "ir/build.h"
#include "nn/net.h"

enum {
    BATCH = 4,
    SIZE = AYF_INCEPTION_SIZE,
    INPUT = SIZE * SIZE * 3,
    DIM = AYF_INCEPTION_FEATURES,
    CLASSES = AYF_INCEPTION_CLASSES,
};

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

typedef struct extractor {
    ayf_extractor base;
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_program *program;
    char *path;
    float *x, *features, *logits; /* one batch */
} extractor;

static void close_extractor(ayf_extractor *self) {
    extractor *e = (extractor *)self;
    ayf_context *ctx = self->ctx;
    ayf_program_free(e->program);
    ayf_weights_free(e->weights);
    if (e->backend) ayf_backend_close(e->backend);
    void *owned[] = {e->path, e->x, e->features, e->logits, e};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
}

static ayf_status compile(extractor *e) {
    ayf_context *ctx = e->base.ctx;
    e->x = ayf_alloc(ctx, BATCH, INPUT * sizeof *e->x);
    e->features = ayf_alloc(ctx, BATCH, DIM * sizeof *e->features);
    e->logits = ayf_alloc(ctx, BATCH, CLASSES * sizeof *e->logits);
    ayf_graph *g = e->x && e->features && e->logits ? ayf_graph_new(ctx) : NULL;
    if (!g) return AYF_E_MEMORY;
    ayf_id features, x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(BATCH, SIZE, SIZE, 3));
    ayf_scope(g, "net.");
    ayf_id logits = ayf_inception(g, x, &features);
    ayf_scope(g, "%s", "");
    ayf_output(g, "features", features);
    ayf_output(g, "logits", logits);
    AYF_TRY(ayf_compile(e->backend, g, NULL, &e->program));
    return ayf_weights_bind(e->weights, e->program, "net.");
}

static ayf_status check_images(ayf_context *ctx, const float *images, size_t count, const int shape[3],
                               size_t values) {
    size_t index;
    if (shape[0] < 1 || shape[1] < 1 || (shape[2] != 1 && shape[2] != 3))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "Inception features are of pictures with 1 or 3 channels, not of %d x %d x %d data",
                        shape[0], shape[1], shape[2]);
    const char *bad = ayf_first_not_finite(images, count * values, &index);
    if (!bad) return AYF_OK;
    return ayf_fail(ctx, AYF_E_DIVERGED, "image %zu holds a value that is %s, so it has no features",
                    index / values, bad);
}

static void fill(float *to, const float *images, size_t count, const int shape[3], size_t values,
                 uint8_t *bytes) {
    memset(to, 0, BATCH * INPUT * sizeof *to);
    for (size_t i = 0; i < count; i++) {
        ayf_image_quantise(images + i * values, bytes, values);
        ayf_inception_resize(bytes, shape[0], shape[1], shape[2], to + i * INPUT);
    }
}

static ayf_status run(extractor *e, size_t count, float *features, float *logits) {
    AYF_TRY(ayf_program_set(e->program, "x", e->x, BATCH * INPUT));
    AYF_TRY(ayf_program_run(e->program));
    AYF_TRY(ayf_program_get(e->program, "features", e->features, BATCH * DIM));
    AYF_TRY(ayf_program_get(e->program, "logits", e->logits, BATCH * CLASSES));
    if (features) memcpy(features, e->features, count * DIM * sizeof *features);
    if (logits) memcpy(logits, e->logits, count * CLASSES * sizeof *logits);
    return AYF_OK;
}

static ayf_status extract(ayf_extractor *self, const float *images, size_t count, const int shape[3],
                          float *features, float *logits) {
    extractor *e = (extractor *)self;
    size_t values = (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2];
    AYF_TRY(check_images(self->ctx, images, count, shape, values));
    uint8_t *bytes = ayf_alloc(self->ctx, values, 1);
    ayf_status status = bytes ? AYF_OK : AYF_E_MEMORY;
    for (size_t first = 0; status == AYF_OK && first < count; first += BATCH) {
        size_t n = count - first < BATCH ? count - first : BATCH;
        fill(e->x, images + first * values, n, shape, values, bytes);
        status =
            run(e, n, features ? features + first * DIM : NULL, logits ? logits + first * CLASSES : NULL);
    }
    ayf_free(self->ctx, bytes);
    return status;
}

/* ---- Opening ---- */

static ayf_status check_variances(extractor *e, const ayf_st *st) {
    ayf_context *ctx = e->base.ctx;
    const ayf_params *params = e->weights->params;
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        if (!strstr(param->name, ".running_var")) continue;
        float *values = ayf_alloc(ctx, param->size, sizeof *values);
        if (!values) return AYF_E_MEMORY;
        ayf_buffer_get(e->weights->at[i], values);
        for (size_t k = 0; status == AYF_OK && k < param->size; k++)
            if (values[k] < 0)
                status = ayf_fail(ctx, AYF_E_FORMAT, "%s: tensor '%s': value %zu is %g, which is no variance",
                                  ayf_st_path(st), param->name, k, (double)values[k]);
        ayf_free(ctx, values);
    }
    return status;
}

static ayf_status read_weights(extractor *e) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_INCEPTION;
    ayf_st *st;
    AYF_TRY(ayf_st_open(e->base.ctx, e->path, &st));
    ayf_status status = ayf_weights_read(e->backend, st, &spec, "the Inception network of FID", &e->weights);
    if (status == AYF_OK) status = check_variances(e, st);
    ayf_st_close(st);
    return status;
}

static ayf_status open_file(extractor *e, const char *path) {
    ayf_context *ctx = e->base.ctx;
    e->path = ayf_strdup(ctx, path);
    if (!e->path) return AYF_E_MEMORY;
    e->base.path = e->path;
    AYF_TRY(ayf_cpu_open(ctx, &e->backend));
    ayf_status status = read_weights(e);
    if (status == AYF_E_FORMAT)
        ayf_fail_prefix(ctx, "these are not the Inception weights of FID, which scripts/convert_inception.py "
                             "makes from pt_inception-2015-12-05-6726825d.pth: ");
    if (status == AYF_E_IO)
        ayf_fail_prefix(ctx,
                        "the Inception weights of FID are a file made by scripts/convert_inception.py: ");
    AYF_TRY(status);
    e->base.hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(e->weights, &e->base.hash));
    return compile(e);
}

ayf_status ayf_inception_open(ayf_context *ctx, const char *path, ayf_extractor **out) {
    *out = NULL;
    extractor *e = ayf_alloc(ctx, 1, sizeof *e);
    if (!e) return AYF_E_MEMORY;
    e->base = (ayf_extractor){
        .ctx = ctx,
        .path = "",
        .data = "",
        .recipe =
            "Inception (2015-12-05): 2048 features, 1008 logits without bias; bytes, TF1 bilinear to 299",
        .dim = DIM,
        .classes = CLASSES,
        .extract = extract,
        .close = close_extractor,
    };
    ayf_status status = open_file(e, path);
    if (status == AYF_OK)
        *out = &e->base;
    else
        close_extractor(&e->base);
    return status;
}
