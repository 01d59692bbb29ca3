/* Small models of every kind that can be exported, and what the library computes for them. */
#ifndef AYF_EXPORT_CASES_H
#define AYF_EXPORT_CASES_H

#include "model_fixture.h"

#include "export/export.h"
#include "flow/inputs.h"

typedef struct export_case {
    const char *name;
    ayf_model_role role;
    double low, high; /* guidance */
    const char *settings[32];
} export_case;

static const export_case export_cases[] = {
    /* Classes, a range of guidance, two heads of attention, a resolution that is no power of 2. */
    {"student",
     AYF_MODEL_ROLE_STUDENT,
     1,
     3,
     {"is_student", "true", "img_resolution", "12", "img_channels", "1", "model_channels", "16",
      "channel_mult", "1,2", "num_blocks", "1", "attn_resolutions", "12", "channels_per_head", "8",
      "label_dim", "5"}},
    /* Colour, no classes, a preconditioned teacher with a wide filter. */
    {"teacher",
     AYF_MODEL_ROLE_TEACHER,
     1,
     1,
     {"img_resolution", "16", "model_channels", "16", "channel_mult", "1,2,2", "num_blocks", "1",
      "attn_resolutions", "8", "channels_per_head", "16", "precond", "velocity", "resample_filter",
      "1,3,3,1"}},
    /* One class, colour, no attention but the coarsest level's, no clipping. */
    {"plain",
     AYF_MODEL_ROLE_STUDENT,
     1,
     1,
     {"is_student", "true", "img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks",
      "1", "attn_resolutions", "", "channels_per_head", "64", "clip_act", "0"}},
    {"points",
     AYF_MODEL_ROLE_STUDENT,
     1,
     1,
     {"is_student", "true", "kind", "mlp", "mlp_hidden", "32", "mlp_layers", "3", "mlp_fourier", "16",
      "label_dim", "4"}},
    {"velocity",
     AYF_MODEL_ROLE_TEACHER,
     1,
     1,
     {"kind", "mlp", "mlp_hidden", "32", "mlp_layers", "2", "mlp_fourier", "16"}},
};
enum { EXPORT_CASES = sizeof export_cases / sizeof export_cases[0] };

static inline ayf_model *export_model(const export_case *c) {
    char name[64];
    snprintf(name, sizeof name, "%s.safetensors", c->name);
    return make_model(name, spec_of(c->settings), c->role, c->low, c->high);
}

static inline void export_random(uint64_t step, float *values, size_t count) {
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = step}, values, count);
}

static inline size_t export_values(const ayf_model *model) {
    return ayf_data_values(ayf_model_shape(&model->weights->spec));
}

/* Runs the graph of one call on `backend`, which the model's weights belong to: x [batch] samples, the
 * conditions of each. */
static inline void export_call(ayf_model *model, const ayf_export_plan *plan, int batch, const float *x,
                               const float *t, const float *s, const float *guidance, const int *classes,
                               float *out) {
    ayf_program *program;
    size_t size = export_values(model), n = (size_t)batch, kinds = (size_t)plan->shape.classes;
    ok(ayf_compile(model->backend, ayf_export_call(plan, batch), NULL, &program));
    ok(ayf_weights_bind(model->weights, program, plan->student ? AYF_SCOPE_STUDENT : AYF_SCOPE_TEACHER));
    ok(ayf_program_set(program, "x", x, n * size));
    ok(ayf_program_set(program, "t", t, n));
    if (plan->student) ok(ayf_program_set(program, "s", s, n));
    if (plan->takes_guidance) ok(ayf_program_set(program, "guidance", guidance, n));
    if (kinds) {
        float *onehot = calloc(n * kinds, sizeof *onehot);
        for (size_t i = 0; i < n; i++)
            if (classes[i] >= 0) onehot[i * kinds + (size_t)classes[i]] = 1;
        ok(ayf_program_set(program, "onehot", onehot, n * kinds));
        free(onehot);
    }
    ok(ayf_program_run(program));
    ok(ayf_program_get(program, AYF_EXPORT_OUTPUT, out, n * size));
    ayf_program_free(program);
}

/* (N,H,W,C) -> (N,C,H,W) */
static inline void export_planes(ayf_data_shape s, size_t count, const float *in, float *out) {
    size_t area = (size_t)(s.height * s.width), channels = (size_t)s.channels;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < area; p++)
            for (size_t c = 0; c < channels; c++)
                out[(i * channels + c) * area + p] = in[(i * area + p) * channels + c];
}

#endif
