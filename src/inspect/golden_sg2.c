/* The discriminator: logits, their gradients, and the gradient of the R1 penalty by reverse over reverse. */
#include "inspect/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ad/ad.h"
#include "base/rng.h"
#include "flow/adversarial.h"
#include "ir/build.h"
#include "nn/network.h"
#include "nn/sg2.h"

/* The low-pass filter is a constant of our graph: a file with another one cannot be compared. */
static ayf_status check_filters(const ayf_golden_check *c, const ayf_params *params) {
    for (int i = 0; i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[256];
        float want[16], got[16];
        snprintf(name, sizeof name, "param.%s", p->name);
        if (p->init != AYF_INIT_FIR || !ayf_golden_has(c, name)) continue;
        ayf_param_init(p, 0, want);
        AYF_TRY(ayf_st_read_f32(c->st, name, got, 16));
        if (memcmp(want, got, sizeof want) != 0)
            return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: '%s' is not the filter [1,3,3,1]", ayf_st_path(c->st),
                            name);
    }
    return AYF_OK;
}

static ayf_status build(ayf_golden_check *c, const ayf_params *params, int *batch) {
    ayf_graph *g = ayf_graph_new(c->ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_id x = ayf_golden_leaf(c, g, "in.x"), gradient = 0;
    *batch = x ? ayf_at(g, x)->dim[0] : 0;
    ayf_id logits =
        ayf_sg2_discriminator(g, params, AYF_STORE_STATE, x, ayf_golden_onehot(g, &params->spec, x));
    ayf_id ones = ayf_const_like(g, logits, 1);
    ayf_vjp(g, 1, &logits, &ones, 1, &x, &gradient);
    ayf_id r1 = ayf_gradient_penalty(g, logits, x);
    ayf_id penalty = ayf_mulc(g, ayf_mean_all(g, r1), 0.5);
    ayf_output(g, "out.logits", logits);
    ayf_output(g, "out.grad.x", gradient);
    ayf_output(g, "out.r1", r1);
    ayf_golden_emit_gradients(g, params, "", logits, ones, "out.grad.");
    ayf_golden_emit_gradients(g, params, "", penalty, ayf_const(g, 1), "out.r1_grad.");
    return ayf_compile(c->backend, g, NULL, &c->program);
}

/* ---- What single precision leaves open ---- */

/* The minibatch standard deviation is a root with a sharp bend where the samples of a group agree, so that
 * its second derivatives magnify rounding, most of all in groups of two. How far a gradient of R1 moves when
 * every input moves by its last bit is what nobody can know of it in single precision; a few draws of the
 * signs miss the worst ones by less than this factor. */
enum { DRAWS = 3, MISSED = 4 };

static size_t values_of(const ayf_params *params) {
    size_t total = 0;
    for (int i = 0; i < params->count; i++) total += params->at[i].size;
    return total;
}

static ayf_status fetch(ayf_golden_check *c, const ayf_params *params, float *values) {
    for (int i = 0; i < params->count; values += params->at[i++].size) {
        char name[128];
        if (params->at[i].role == AYF_PARAM_BUFFER) continue;
        snprintf(name, sizeof name, "out.r1_grad.%s", params->at[i].name);
        AYF_TRY(ayf_program_get(c->program, name, values, params->at[i].size));
    }
    return AYF_OK;
}

/* Multiplies the image by 1 +- 2^-23 with the signs of draw `draw`. */
static ayf_status nudge(ayf_golden_check *c, uint64_t draw) {
    size_t count;
    float *x = ayf_golden_tensor(c, "in.x", &count);
    if (!x) return ayf_last_status(c->ctx);
    for (size_t i = 0; i < count; i++) {
        float sign;
        ayf_rng_uniform((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = draw, .sample = i}, &sign, 1);
        x[i] *= 1 + (sign < 0.5f ? -0x1p-23f : 0x1p-23f);
    }
    ayf_status status = ayf_program_set(c->program, "in.x", x, count);
    ayf_free(c->ctx, x);
    return status;
}

static ayf_status measure_unsure(ayf_golden_check *c, const ayf_params *params, float *exact, float *moved,
                                 double *unsure) {
    AYF_TRY(ayf_program_run(c->program));
    AYF_TRY(fetch(c, params, exact));
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        AYF_TRY(nudge(c, draw));
        AYF_TRY(ayf_program_run(c->program));
        AYF_TRY(fetch(c, params, moved));
        size_t at = 0;
        for (int i = 0; i < params->count; i++) {
            double square = 0;
            for (size_t k = 0; k < params->at[i].size; k++, at++)
                square += ((double)moved[at] - (double)exact[at]) * ((double)moved[at] - (double)exact[at]);
            unsure[i] = fmax(unsure[i], MISSED * sqrt(square));
        }
    }
    return ayf_golden_inputs(c);
}

static ayf_status compare_r1(ayf_golden_check *c, const ayf_params *params) {
    size_t total = values_of(params);
    float *exact = ayf_alloc(c->ctx, total, sizeof *exact), *moved = ayf_alloc(c->ctx, total, sizeof *moved);
    double *unsure = ayf_alloc(c->ctx, (size_t)params->count, sizeof *unsure);
    ayf_status status =
        exact && moved && unsure ? measure_unsure(c, params, exact, moved, unsure) : AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_program_run(c->program);
    c->unsure = unsure;
    if (status == AYF_OK) status = ayf_golden_gradients(c, params, "out.r1_grad.", false);
    c->unsure = NULL;
    ayf_free(c->ctx, exact);
    ayf_free(c->ctx, moved);
    ayf_free(c->ctx, unsure);
    return status;
}

/* ---- The check ---- */

static ayf_status run(ayf_golden_check *c, const ayf_params *params) {
    int batch;
    AYF_TRY(check_filters(c, params));
    AYF_TRY(build(c, params, &batch));
    AYF_TRY(ayf_golden_inputs(c));
    AYF_TRY(ayf_golden_classes(c, batch, params->spec.label_dim));
    AYF_TRY(ayf_golden_parameters(c, params, "", "param.", false));
    AYF_TRY(ayf_program_run(c->program));
    AYF_TRY(ayf_golden_compare(c, "out.logits", "out.logits", NULL, false));
    AYF_TRY(ayf_golden_gradients(c, params, "out.grad.", false));
    AYF_TRY(ayf_golden_compare(c, "out.grad.x", "out.grad.x", NULL, true));
    AYF_TRY(ayf_golden_compare(c, "out.r1", "out.r1", NULL, false));
    return compare_r1(c, params);
}

ayf_status ayf_golden_sg2(ayf_golden_check *c) {
    ayf_model_spec spec;
    ayf_params *params;
    AYF_TRY(ayf_golden_spec(c, "config", false, &spec));
    spec.kind = AYF_MODEL_DISCRIMINATOR;
    AYF_TRY(ayf_params_new(c->ctx, &spec, &params));
    ayf_status status = run(c, params);
    ayf_params_free(params);
    return status;
}
