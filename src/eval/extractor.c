#include "eval/extractor.h"

#include <string.h>

#include "config/config.h"

ayf_status ayf_reading_of(ayf_context *ctx, const char *path, const char *config, ayf_reading *reading) {
    ayf_config cfg;
    AYF_TRY(ayf_config_defaults_of_file(ctx, &cfg));
    ayf_status status = ayf_config_parse(ctx, path, config, strlen(config), &cfg);
    *reading = (ayf_reading){cfg.data.resize, cfg.data.background, !cfg.data.upright};
    ayf_config_free(ctx, &cfg);
    return status;
}

const char *ayf_resize_name(ayf_resize resize) {
    static const char *const names[] = {AYF_RESIZES(AYF_CHOICE_NAME)};
    return names[resize];
}

ayf_extractor *ayf_extractor_new(ayf_context *ctx, const ayf_extractor_kind *kind, const char *path) {
    ayf_extractor *e = ayf_alloc(ctx, 1, sizeof *e);
    if (!e) return NULL;
    e->ctx = ctx;
    e->kind = kind;
    if (!path) return e;
    e->path = ayf_strdup(ctx, path);
    if (e->path) return e;
    ayf_extractor_close(e);
    return NULL;
}

void ayf_extractor_close(ayf_extractor *e) {
    if (!e) return;
    ayf_context *ctx = e->ctx;
    ayf_program_free(e->program);
    ayf_weights_free(e->weights);
    void *owned[] = {e->path, e->recipe, e->data, e->x, e->features, e->logits, e};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
}

ayf_status ayf_extractor_prepare(ayf_extractor *e, const ayf_weights *weights, ayf_data_shape input) {
    ayf_context *ctx = e->ctx;
    int batch = e->kind->batch;
    e->input = ayf_data_values(input);
    e->x = ayf_alloc(ctx, (size_t)batch, e->input * sizeof *e->x);
    e->features = ayf_alloc(ctx, (size_t)batch, (size_t)e->dim * sizeof *e->features);
    e->logits = ayf_alloc(ctx, (size_t)batch, (size_t)e->classes * sizeof *e->logits);
    if (!e->x || !e->features || !e->logits) return AYF_E_MEMORY;
    e->hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(weights, &e->hash));

    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_id features,
        x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(batch, input.height, input.width, input.channels));
    ayf_scope(g, "net.");
    ayf_id logits = e->kind->network(g, weights->params, x, &features);
    ayf_scope(g, "%s", "");
    ayf_output(g, "features", features);
    ayf_output(g, "logits", logits);
    AYF_TRY(ayf_compile(weights->backend, g, NULL, &e->program));
    return ayf_weights_bind(weights, e->program, "net.");
}

ayf_status ayf_extractor_opened(ayf_extractor *e, ayf_status status, ayf_extractor **out) {
    if (status == AYF_OK)
        *out = e;
    else
        ayf_extractor_close(e);
    return status;
}

static ayf_status take(ayf_extractor *e, const char *name, float *batch, size_t width, size_t count,
                       float *out) {
    if (!out) return AYF_OK;
    AYF_TRY(ayf_program_get(e->program, name, batch, (size_t)e->kind->batch * width));
    memcpy(out, batch, count * width * sizeof *out);
    return AYF_OK;
}

ayf_status ayf_extract(ayf_extractor *e, const float *images, size_t count, ayf_data_shape shape,
                       float *features, float *logits) {
    size_t batch = (size_t)e->kind->batch, dim = (size_t)e->dim, classes = (size_t)e->classes;
    size_t values = ayf_data_values(shape);
    AYF_TRY(e->kind->check(e, images, count, shape));
    for (size_t first = 0; first < count; first += batch) {
        size_t n = count - first < batch ? count - first : batch;
        for (size_t i = 0; i < n; i++)
            AYF_TRY(e->kind->fill(e, images + (first + i) * values, shape, e->x + i * e->input));
        AYF_TRY(ayf_program_set(e->program, "x", e->x, batch * e->input));
        AYF_TRY(ayf_program_run(e->program));
        AYF_TRY(take(e, "features", e->features, dim, n, features ? features + first * dim : NULL));
        AYF_TRY(take(e, "logits", e->logits, classes, n, logits ? logits + first * classes : NULL));
    }
    return AYF_OK;
}
