#include "flow/step.h"

#include "ad/ad.h"
#include "flow/gradients.h"
#include "flow/inputs.h"
#include "flow/map.h"
#include "ir/build.h"

/* ---- Shared pieces ---- */

ayf_shape ayf_sample_shape(const ayf_model_spec *spec, int batch) {
    return ayf_model_makes_points(spec)
               ? AYF_SHAPE(batch, 1, 1, spec->mlp_dim)
               : AYF_SHAPE(batch, spec->img_resolution, spec->img_resolution, spec->img_channels);
}

static ayf_id flat(ayf_graph *g, ayf_id per_sample) {
    return per_sample ? ayf_reshape(g, per_sample, AYF_SHAPE(ayf_at(g, per_sample)->dim[0])) : 0;
}

static const unsigned SAMPLE_AXES = ~1u; /* all but the batch */

static ayf_id mean_square(ayf_graph *g, ayf_id a) {
    return flat(g, ayf_mean(g, ayf_square(g, a), SAMPLE_AXES));
}
static ayf_id rms(ayf_graph *g, ayf_id a) { return ayf_sqrt(g, mean_square(g, a)); }

/* x_t = (1-t) x0 + t x1 */
static ayf_id interpolate(ayf_graph *g, ayf_id x0, ayf_id x1, ayf_id t) {
    ayf_id each = ayf_per_sample(g, t, x0);
    return ayf_add(g, ayf_mul(g, ayf_sub(g, ayf_const_like(g, each, 1), each), x0), ayf_mul(g, each, x1));
}

void ayf_optimiser_emit(ayf_graph *g, const ayf_params *params, const char *scope, const ayf_id *grad,
                        const ayf_optim_options *optim, const char *norm_name) {
    ayf_optim_nodes nodes;
    ayf_optim_options options = *optim;
    options.report_norm = true;
    ayf_scope(g, "%s", scope);
    if (ayf_optim_emit(g, params, grad, &options, &nodes) != AYF_OK) return;
    ayf_scope(g, "%s", "");
    ayf_output(g, norm_name, nodes.grad_norm);
}

/* F of the network that is trained. */
static ayf_id student(ayf_graph *g, const ayf_params *network, ayf_id x, ayf_condition condition) {
    ayf_scope(g, AYF_SCOPE_STUDENT);
    ayf_id F = ayf_flow_velocity(g, network, AYF_STORE_STATE, x, condition);
    ayf_scope(g, "%s", "");
    return F;
}

/* Gradients of everything trained in "student.", the optimiser, and the gradient norm as an output. */
static void emit_training(ayf_graph *g, const ayf_params *params, const ayf_optim_options *optim, ayf_id out,
                          ayf_id cotangent) {
    if (ayf_graph_check(g) != AYF_OK) return;
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (grad) {
        ayf_gradients(g, params, AYF_SCOPE_STUDENT, out, cotangent, grad);
        ayf_optimiser_emit(g, params, AYF_SCOPE_STUDENT, grad, optim, "grad_norm");
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, grad);
}

/* ---- Teacher ---- */

ayf_graph *ayf_teacher_step_graph(ayf_context *ctx, const ayf_teacher_step *step) {
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return NULL;
    int n = step->batch, classes = step->network->spec.label_dim;
    ayf_shape shape = ayf_sample_shape(&step->network->spec, n);
    ayf_id x0 = ayf_step_leaf(g, AYF_STEP_X0, shape), x1 = ayf_step_leaf(g, AYF_STEP_X1, shape);
    ayf_id t = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(n));
    ayf_id onehot = classes ? ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(n, classes)) : 0;
    ayf_id x_t = interpolate(g, x0, x1, t);
    ayf_id F = student(g, step->network, x_t, (ayf_condition){.t = t, .onehot = onehot});
    ayf_id error = ayf_sub(g, F, ayf_sub(g, x1, x0));
    ayf_output(g, "loss", ayf_mean_all(g, ayf_square(g, error)));
    ayf_output(g, "sample_loss", mean_square(g, error));
    ayf_id cotangent = error ? ayf_mulc(g, error, 2.0 / (double)ayf_elements(g, error)) : 0;
    emit_training(g, step->network, &step->optim, F, cotangent);
    return g;
}

/* ---- Distillation ---- */

/* |g| per sample: root mean square or Euclidean. */
static ayf_id tangent_size(ayf_graph *g, ayf_norm norm, ayf_id tangent) {
    ayf_id square = ayf_square(g, tangent);
    return ayf_sqrt(g,
                    norm == AYF_NORM_L2 ? ayf_sum(g, square, SAMPLE_AXES) : ayf_mean(g, square, SAMPLE_AXES));
}

static ayf_id power(ayf_graph *g, ayf_id positive, double exponent) {
    if (exponent == 1) return positive;
    return ayf_exp(g, ayf_mulc(g, ayf_log(g, positive), exponent));
}

/* The losses. Each makes n->v and n->dF and returns the derivative term of the tangent without its factor
 * r; `gap` is t - s with the rank of x. */

static ayf_id emd_term(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in, ayf_id gap,
                       ayf_distill_nodes *n) {
    n->v = step->target == AYF_TARGET_DATA ? ayf_sub(g, in->x1, in->x0)
                                           : step->teacher.emit(g, &step->teacher, n->x_t, in->condition);
    ayf_id t = in->condition.t, wrt[] = {n->x_t, t}, along[] = {n->v, ayf_const_like(g, t, 1)};
    ayf_jvp(g, 2, wrt, along, 1, &n->F, &n->dF);
    return ayf_mul(g, gap, n->dF);
}

static ayf_id lmd_term(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in, ayf_id gap,
                       ayf_distill_nodes *n) {
    ayf_id s = in->condition.s;
    ayf_id landed = ayf_sub(g, n->x_t, ayf_mul(g, gap, n->F)), one = ayf_const_like(g, s, 1);
    ayf_condition at_s = in->condition;
    at_s.t = s;
    n->v = step->target == AYF_TARGET_DATA
               ? ayf_graph_fail(g, AYF_E_CONFIG,
                                "LMD needs a teacher: the data give no velocity at the student's own output")
               : step->teacher.emit(g, &step->teacher, landed, at_s);
    ayf_jvp(g, 1, &s, &one, 1, &n->F, &n->dF);
    return ayf_neg(g, ayf_mul(g, gap, n->dF));
}

static ayf_id (*const derivative_term[])(ayf_graph *, const ayf_distill_step *, const ayf_distill_inputs *,
                                         ayf_id gap, ayf_distill_nodes *) = {
#define X(constant, name) [constant] = name##_term,
    AYF_LOSSES(X)
#undef X
};

void ayf_distill_loss_emit(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in,
                           ayf_distill_nodes *n) {
    if (ayf_graph_check(g) != AYF_OK) return;
    if (step->target == AYF_TARGET_GIVEN) {
        n->v = in->v;
        n->tangent = ayf_sub(g, n->F, n->v);
    } else {
        ayf_id gap = ayf_per_sample(g, ayf_sub(g, in->condition.t, in->condition.s), n->x_t);
        ayf_id slope = derivative_term[step->loss](g, step, in, gap, n);
        ayf_id r = ayf_reshape(g, in->r, AYF_SHAPE(1, 1, 1, 1));
        n->tangent = ayf_add(g, ayf_sub(g, n->F, n->v), ayf_mul(g, r, slope));
    }
    ayf_id size = tangent_size(g, step->norm, n->tangent), unit = n->tangent;
    n->tangent_norm = flat(g, size);
    if (step->norm != AYF_NORM_NONE)
        unit = ayf_div(g, n->tangent, power(g, ayf_addc(g, size, step->norm_c), 2 * step->norm_p));
    /* mean (F - stop(F - g_hat))^2 has the value mean g_hat^2 and the gradient 2 g_hat / count. */
    n->loss = ayf_mean_all(g, ayf_square(g, unit));
    n->cotangent = unit ? ayf_mulc(g, unit, 2.0 / (double)ayf_elements(g, unit)) : 0;
}

ayf_distill_nodes ayf_distill_emit(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in) {
    ayf_distill_nodes n = {0};
    n.x_t = step->target == AYF_TARGET_GIVEN ? in->x_t : interpolate(g, in->x0, in->x1, in->condition.t);
    n.F = student(g, step->student, n.x_t, in->condition);
    ayf_distill_loss_emit(g, step, in, &n);
    return n;
}

ayf_distill_inputs ayf_distill_leaves(ayf_graph *g, const ayf_distill_step *step) {
    int n = step->batch, classes = step->student->spec.label_dim;
    ayf_shape shape = ayf_sample_shape(&step->student->spec, n);
    bool given = step->target == AYF_TARGET_GIVEN;
    return (ayf_distill_inputs){
        .x0 = given ? 0 : ayf_step_leaf(g, AYF_STEP_X0, shape),
        .x1 = given ? 0 : ayf_step_leaf(g, AYF_STEP_X1, shape),
        .x_t = given ? ayf_step_leaf(g, AYF_STEP_X_T, shape) : 0,
        .v = given ? ayf_step_leaf(g, AYF_STEP_V, shape) : 0,
        .condition.t = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(n)),
        .condition.s = ayf_step_leaf(g, AYF_STEP_S, AYF_SHAPE(n)),
        .condition.guidance = ayf_step_leaf(g, AYF_STEP_GUIDANCE, AYF_SHAPE(n)),
        .condition.onehot = classes ? ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(n, classes)) : 0,
        .r = given ? 0 : ayf_step_leaf(g, AYF_STEP_R, AYF_SHAPE(1)),
    };
}

void ayf_distill_outputs(ayf_graph *g, const ayf_distill_inputs *in, const ayf_distill_nodes *nodes) {
    if (ayf_graph_check(g) != AYF_OK) return;
    ayf_id gap = ayf_per_sample(g, ayf_sub(g, in->condition.t, in->condition.s), nodes->x_t);
    ayf_output(g, "loss", nodes->loss);
    ayf_output(g, "tangent_rms", rms(g, nodes->tangent));
    ayf_output(g, "error_rms", rms(g, ayf_sub(g, nodes->F, nodes->v)));
    if (nodes->dF) ayf_output(g, "jvp_rms", rms(g, ayf_mul(g, gap, nodes->dF)));
}

ayf_graph *ayf_distill_step_graph(ayf_context *ctx, const ayf_distill_step *step) {
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return NULL;
    ayf_distill_inputs in = ayf_distill_leaves(g, step);
    ayf_distill_nodes nodes = ayf_distill_emit(g, step, &in);
    ayf_distill_outputs(g, &in, &nodes);
    emit_training(g, step->student, &step->optim, nodes.F, nodes.cotangent);
    return g;
}
