#include "algo/classifier.h"

#include <string.h>

#include "algo/step.h"
#include "backend/cpu/cpu.h"
#include "ir/build.h"
#include "nn/net.h"

enum { BATCH = 64 };

typedef struct extractor {
    ayf_extractor base;
    ayf_backend *backend; /* own, with `weights` and `card`, when read from a file; else NULL */
    ayf_weights *weights;
    ayf_model_card card;
    char *path, *recipe;
    ayf_program *program;
    float *x, *features, *logits; /* one batch */
    size_t values;                /* of one image */
} extractor;

static void close_extractor(ayf_extractor *self) {
    extractor *e = (extractor *)self;
    ayf_context *ctx = self->ctx;
    ayf_program_free(e->program);
    ayf_weights_free(e->weights);
    ayf_model_card_free(ctx, &e->card);
    if (e->backend) ayf_backend_close(e->backend);
    void *owned[] = {e->path, e->recipe, e->x, e->features, e->logits, e};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
}

static ayf_status extract(ayf_extractor *self, const float *images, size_t count, const int shape[3],
                          float *features, float *logits) {
    extractor *e = (extractor *)self;
    size_t dim = (size_t)self->dim, classes = (size_t)self->classes;
    if (shape[0] != self->height || shape[1] != self->width || shape[2] != self->channels)
        return ayf_fail(self->ctx, AYF_E_USAGE,
                        "the features %s take images of %d x %d x %d, not %d x %d x %d: fit features to data "
                        "of this shape",
                        self->path, self->height, self->width, self->channels, shape[0], shape[1], shape[2]);
    for (size_t first = 0; first < count; first += BATCH) {
        size_t n = count - first < BATCH ? count - first : BATCH;
        memcpy(e->x, images + first * e->values, n * e->values * sizeof *e->x);
        AYF_TRY(ayf_program_set(e->program, "x", e->x, BATCH * e->values));
        AYF_TRY(ayf_program_run(e->program));
        if (features) {
            AYF_TRY(ayf_program_get(e->program, "features", e->features, BATCH * dim));
            memcpy(features + first * dim, e->features, n * dim * sizeof *features);
        }
        if (logits) {
            AYF_TRY(ayf_program_get(e->program, "logits", e->logits, BATCH * classes));
            memcpy(logits + first * classes, e->logits, n * classes * sizeof *logits);
        }
    }
    return AYF_OK;
}

static ayf_status compile(extractor *e, const ayf_weights *w) {
    ayf_context *ctx = e->base.ctx;
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_id features, x = ayf_leaf(g, AYF_STORE_INPUT, "x", ayf_sample_shape(&w->spec, BATCH));
    ayf_scope(g, "net.");
    ayf_id logits = ayf_feature_network(g, &w->spec, AYF_STORE_PARAM, x, &features);
    ayf_scope(g, "%s", "");
    ayf_output(g, "features", features);
    ayf_output(g, "logits", logits);
    AYF_TRY(ayf_compile(w->backend, g, NULL, &e->program));
    return ayf_weights_bind(w, e->program, "net.");
}

static ayf_status prepare(extractor *e, const ayf_weights *w) {
    ayf_context *ctx = e->base.ctx;
    const ayf_model_spec *spec = &w->spec;
    if (spec->kind != AYF_MODEL_FEATURES)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s is no features model but a %s: make one with ayf eval --fit-features FILE --data SOURCE",
            e->path ? e->path : "the network", ayf_model_kind_name(spec->kind));
    e->base.height = e->base.width = spec->img_resolution;
    e->base.channels = spec->img_channels;
    e->base.dim = spec->feature_dim;
    e->base.classes = spec->label_dim;
    e->values = (size_t)spec->img_resolution * (size_t)spec->img_resolution * (size_t)spec->img_channels;
    e->x = ayf_alloc(ctx, BATCH, e->values * sizeof *e->x);
    e->features = ayf_alloc(ctx, BATCH, (size_t)spec->feature_dim * sizeof *e->features);
    e->logits = ayf_alloc(ctx, BATCH, (size_t)spec->label_dim * sizeof *e->logits);
    if (!e->x || !e->features || !e->logits) return AYF_E_MEMORY;
    e->base.hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(w, &e->base.hash));
    return compile(e, w);
}

static ayf_status describe(extractor *e) {
    const char *accuracy = e->card.accuracy;
    e->recipe =
        ayf_format(e->base.ctx, "%d features of %d x %d x %d images, fitted to %s in %llu steps%s%s",
                   e->base.dim, e->base.height, e->base.width, e->base.channels, e->card.data,
                   (unsigned long long)e->card.step, accuracy ? ", right on " : "", accuracy ? accuracy : "");
    e->base.recipe = e->recipe;
    e->base.data = e->card.data;
    return e->recipe ? AYF_OK : AYF_E_MEMORY;
}

static extractor *new_extractor(ayf_context *ctx) {
    extractor *e = ayf_alloc(ctx, 1, sizeof *e);
    if (e)
        e->base = (ayf_extractor){
            .ctx = ctx, .path = "", .recipe = "", .data = "", .extract = extract, .close = close_extractor};
    return e;
}

ayf_status ayf_features_of(const ayf_weights *weights, ayf_extractor **out) {
    *out = NULL;
    extractor *e = new_extractor(weights->backend->ctx);
    if (!e) return AYF_E_MEMORY;
    ayf_status status = prepare(e, weights);
    if (status == AYF_OK)
        *out = &e->base;
    else
        close_extractor(&e->base);
    return status;
}

static ayf_status read_file(extractor *e, const char *path) {
    ayf_context *ctx = e->base.ctx;
    e->path = ayf_strdup(ctx, path);
    if (!e->path) return AYF_E_MEMORY;
    e->base.path = e->path;
    AYF_TRY(ayf_cpu_open(ctx, &e->backend));
    ayf_status status = ayf_model_read(e->backend, path, &e->weights, &e->card);
    if (status == AYF_E_IO || status == AYF_E_FORMAT)
        ayf_fail_prefix(ctx, "features are a file made by ayf eval --fit-features FILE --data SOURCE: ");
    AYF_TRY(status);
    AYF_TRY(prepare(e, e->weights));
    return describe(e);
}

ayf_status ayf_features_open(ayf_context *ctx, const char *path, ayf_extractor **out) {
    *out = NULL;
    extractor *e = new_extractor(ctx);
    if (!e) return AYF_E_MEMORY;
    ayf_status status = read_file(e, path);
    if (status == AYF_OK)
        *out = &e->base;
    else
        close_extractor(&e->base);
    return status;
}
