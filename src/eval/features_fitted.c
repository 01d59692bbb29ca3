#include "eval/features_fitted.h"

#include <string.h>

#include "backend/open.h"
#include "model/file.h"
#include "nn/feature_net.h"

static ayf_status check_shape(const ayf_extractor *e, const float *images, size_t count,
                              ayf_data_shape shape) {
    (void)images, (void)count;
    const ayf_data_shape *own = &e->shape;
    if (shape.height == own->height && shape.width == own->width && shape.channels == own->channels)
        return AYF_OK;
    return ayf_fail(e->ctx, AYF_E_USAGE,
                    "the features %s take images of %d x %d x %d, not %d x %d x %d: fit features to data "
                    "of this shape",
                    e->path ? e->path : "", own->height, own->width, own->channels, shape.height, shape.width,
                    shape.channels);
}

static ayf_status copy(const ayf_extractor *e, const float *image, ayf_data_shape shape, float *to) {
    (void)shape;
    memcpy(to, image, e->input * sizeof *to);
    return AYF_OK;
}

static ayf_id network(ayf_graph *g, const ayf_params *params, ayf_id x, ayf_id *features) {
    return ayf_feature_network(g, params, AYF_STORE_PARAM, x, features);
}

static const ayf_extractor_kind classifier = {
    .batch = 64, .check = check_shape, .fill = copy, .network = network};

static ayf_status prepare(ayf_extractor *e, const ayf_weights *w) {
    const ayf_model_spec *spec = &w->spec;
    if (spec->kind != AYF_MODEL_FEATURES)
        return ayf_fail(
            e->ctx, AYF_E_USAGE,
            "%s is not a features model but a %s: make one with ayf eval --fit-features FILE --data SOURCE",
            e->path ? e->path : "the network", ayf_model_kind_name(spec->kind));
    e->shape = ayf_image_shape(spec->img_resolution, spec->img_resolution, spec->img_channels);
    e->dim = spec->feature_dim;
    e->classes = spec->label_dim;
    return ayf_extractor_prepare(e, w, e->shape);
}

ayf_status ayf_features_of(const ayf_weights *weights, ayf_extractor **out) {
    *out = NULL;
    ayf_extractor *e = ayf_extractor_new(weights->backend->ctx, &classifier, NULL);
    return e ? ayf_extractor_opened(e, prepare(e, weights), out) : AYF_E_MEMORY;
}

static ayf_status describe(ayf_extractor *e, const ayf_model_card *card) {
    e->recipe = ayf_format(e->ctx, "%d features of %d x %d x %d images, fitted to %s in %llu steps%s%s",
                           e->dim, e->shape.height, e->shape.width, e->shape.channels, card->data,
                           (unsigned long long)card->step, card->accuracy ? ", right on " : "",
                           card->accuracy ? card->accuracy : "");
    e->data = ayf_strdup(e->ctx, card->data);
    if (!e->recipe || !e->data) return AYF_E_MEMORY;
    return ayf_reading_of(e->ctx, e->path, card->config, &e->reading);
}

static ayf_status read_file(ayf_extractor *e) {
    ayf_model_card card = {0};
    ayf_backend *backend;
    AYF_TRY(ayf_backend_open(e->ctx, &backend));
    ayf_status status = ayf_model_read(backend, e->path, &e->weights, &card);
    if (status == AYF_E_IO || status == AYF_E_FORMAT)
        ayf_fail_prefix(e->ctx, "features are a file made by ayf eval --fit-features FILE --data SOURCE: ");
    if (status == AYF_OK) status = prepare(e, e->weights);
    if (status == AYF_OK) status = describe(e, &card);
    ayf_model_card_free(e->ctx, &card);
    return status;
}

ayf_status ayf_features_open(ayf_context *ctx, const char *path, ayf_extractor **out) {
    *out = NULL;
    ayf_extractor *e = ayf_extractor_new(ctx, &classifier, path);
    return e ? ayf_extractor_opened(e, read_file(e), out) : AYF_E_MEMORY;
}
