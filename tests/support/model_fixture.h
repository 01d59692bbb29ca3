/* Small flow networks with random weights, as weights and as opened model files. */
#ifndef AYF_MODEL_FIXTURE_H
#define AYF_MODEL_FIXTURE_H

#include "model_context.h"

#include "base/rng.h"
#include "model/file.h"
#include "sample/model_api.h"

#define UNET                                                                                                 \
    "img_resolution", "16", "model_channels", "16", "channel_mult", "1,2", "num_blocks", "1",                \
        "channels_per_head", "16", "label_dim", "5"
#define MLP "kind", "mlp", "mlp_hidden", "64", "mlp_layers", "3", "mlp_fourier", "16"

/* Random weights; what starts at zero gets values, too, so that nothing is trivial. */
static inline ayf_weights *random_weights(ayf_backend *backend, const ayf_model_spec *spec, uint64_t seed) {
    ayf_weights *w;
    ok(ayf_weights_new(backend, spec, &w));
    ok(ayf_weights_init(w, seed));
    for (int i = 0; i < w->params->count; i++) {
        const ayf_param *param = &w->params->at[i];
        if (param->init != AYF_INIT_ZERO) continue;
        float *values = malloc(param->size * sizeof *values);
        ayf_rng_normal((ayf_rng_key){.seed = seed, .purpose = AYF_RNG_TEST, .step = (uint64_t)i}, values,
                       param->size);
        for (size_t k = 0; k < param->size; k++) values[k] *= 0.2f;
        ok(ayf_buffer_set(w->at[i], values));
        free(values);
    }
    return w;
}

/* A model file of random weights, opened with ctx. */
static inline ayf_model *make_model(const char *name, ayf_model_spec spec, ayf_model_role role, double low,
                                    double high) {
    ayf_weights *w = random_weights(cpu, &spec, role);
    ayf_model_card card = {.role = role,
                           .sigma_data = spec.kind == AYF_MODEL_MLP ? 1 : 0.5,
                           .guidance_min = low,
                           .guidance_max = high,
                           .step = 12,
                           .data = (char *)"builtin:shapes",
                           .config = (char *)"x: 1\n"};
    ok(ayf_model_write(path_of(name), w, &card));
    ayf_weights_free(w);
    ayf_model *model;
    ok(ayf_model_open(ctx, path_of(name), &model));
    return model;
}

#endif
