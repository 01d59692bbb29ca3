/* The discriminator: logits, their gradients, and the gradient of the R1 penalty by reverse over reverse. */
#include "ad/ad.h"
#include "algo/golden.h"
#include "ir/build.h"
#include "nn/net.h"

#include <stdio.h>
#include <string.h>

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

static ayf_status build(ayf_golden_check *c, const ayf_model_spec *spec, const ayf_params *params,
                        int *batch) {
    ayf_graph *g = ayf_graph_new(c->ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_id x = ayf_golden_leaf(c, g, "in.x"), gradient = 0;
    *batch = x ? ayf_at(g, x)->dim[0] : 0;
    ayf_id logits = ayf_sg2_discriminator(g, spec, AYF_STORE_STATE, x, ayf_golden_onehot(g, spec, x));
    ayf_id ones = ayf_const_like(g, logits, 1);
    ayf_vjp(g, 1, &logits, &ones, 1, &x, &gradient);
    ayf_id r1 = ayf_sum(g, ayf_square(g, gradient), AYF_AXIS(1) | AYF_AXIS(2) | AYF_AXIS(3));
    ayf_id penalty = ayf_mulc(g, ayf_mean_all(g, r1), 0.5);
    ayf_output(g, "out.logits", logits);
    ayf_output(g, "out.grad.x", gradient);
    ayf_output(g, "out.r1", r1);
    ayf_golden_emit_gradients(g, params, "", logits, ones, "out.grad.");
    ayf_golden_emit_gradients(g, params, "", penalty, ayf_const(g, 1), "out.r1_grad.");
    return ayf_compile(c->backend, g, NULL, &c->program);
}

static ayf_status run(ayf_golden_check *c, const ayf_model_spec *spec, const ayf_params *params) {
    int batch;
    AYF_TRY(check_filters(c, params));
    AYF_TRY(build(c, spec, params, &batch));
    AYF_TRY(ayf_golden_inputs(c));
    AYF_TRY(ayf_golden_classes(c, batch, spec->label_dim));
    AYF_TRY(ayf_golden_parameters(c, spec, "", "param.", false));
    AYF_TRY(ayf_program_run(c->program));
    AYF_TRY(ayf_golden_compare(c, "out.logits", "out.logits", NULL, false));
    AYF_TRY(ayf_golden_gradients(c, params, "out.grad.", false));
    AYF_TRY(ayf_golden_compare(c, "out.grad.x", "out.grad.x", NULL, true));
    AYF_TRY(ayf_golden_compare(c, "out.r1", "out.r1", NULL, false));
    return ayf_golden_gradients(c, params, "out.r1_grad.", false);
}

ayf_status ayf_golden_sg2(ayf_golden_check *c) {
    ayf_model_spec spec;
    ayf_params *params;
    AYF_TRY(ayf_golden_spec(c, "config", false, &spec));
    spec.kind = AYF_MODEL_DISCRIMINATOR;
    AYF_TRY(ayf_params_new(c->ctx, &spec, &params));
    ayf_status status = run(c, &spec, params);
    ayf_params_free(params);
    return status;
}
