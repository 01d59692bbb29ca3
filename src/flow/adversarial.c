#include "flow/adversarial.h"

#include <math.h>

#include "ad/ad.h"
#include "flow/gradients.h"
#include "flow/inputs.h"
#include "ir/build.h"
#include "flow/map.h"
#include "nn/sg2.h"

/* ---- Losses ---- */

ayf_id ayf_pairing_loss(ayf_graph *g, ayf_id winner, ayf_id loser) {
    return ayf_mean_all(g, ayf_softplus(g, ayf_sub(g, loser, winner)));
}

ayf_id ayf_gradient_penalty(ayf_graph *g, ayf_id logits, ayf_id x) {
    if (ayf_graph_check(g) != AYF_OK) return 0;
    ayf_id one = ayf_const_like(g, logits, 1), slope;
    ayf_vjp(g, 1, &logits, &one, 1, &x, &slope);
    ayf_id square = ayf_sum(g, ayf_square(g, slope), ~AYF_AXIS(0));
    return square ? ayf_reshape(g, square, AYF_SHAPE(ayf_at(g, x)->dim[0])) : 0;
}

ayf_discriminator_nodes ayf_discriminator_emit(ayf_graph *g, const ayf_params *discriminator, ayf_id real,
                                               ayf_id fake, ayf_id onehot, double penalty_weight) {
    ayf_discriminator_nodes n = {0};
    ayf_scope(g, AYF_SCOPE_DISCRIMINATOR);
    n.real = ayf_sg2_discriminator(g, discriminator, AYF_STORE_STATE, real, onehot);
    n.fake = ayf_sg2_discriminator(g, discriminator, AYF_STORE_STATE, fake, onehot);
    ayf_scope(g, "%s", "");
    n.loss = ayf_pairing_loss(g, n.real, n.fake);
    if (penalty_weight <= 0) return n;
    n.r1 = ayf_mean_all(g, ayf_gradient_penalty(g, n.real, real));
    n.r2 = ayf_mean_all(g, ayf_gradient_penalty(g, n.fake, fake));
    n.loss = ayf_add(g, n.loss, ayf_mulc(g, ayf_add(g, n.r1, n.r2), penalty_weight / 2));
    return n;
}

void ayf_discriminator_train(ayf_graph *g, const ayf_params *params, const ayf_discriminator_nodes *nodes,
                             const ayf_optim_options *optim) {
    if (ayf_graph_check(g) != AYF_OK) return;
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (!grad) {
        g->status = AYF_E_MEMORY;
        return;
    }
    ayf_optim_options options = *optim;
    options.free_weights = true;
    ayf_gradients(g, params, AYF_SCOPE_DISCRIMINATOR, nodes->loss, ayf_const(g, 1), grad);
    ayf_optimiser_emit(g, params, AYF_SCOPE_DISCRIMINATOR, grad, &options, "disc_grad_norm");
    ayf_free(g->ctx, grad);
}

/* ---- The student's step ---- */

static ayf_id all(ayf_graph *g, int batch, double time) { return ayf_full(g, AYF_SHAPE(batch), time); }

/* x_0 = f(... f(noise, 1, t_1) ..., t_(k-1), 0). */
static ayf_id make_fakes(ayf_graph *g, const ayf_finetune_step *step, const ayf_distill_inputs *in,
                         ayf_id noise) {
    const ayf_distill_step *distill = &step->distill;
    ayf_id x = noise;
    for (int i = 0; i < step->fake_steps; i++) {
        double t = 1 - (double)i / step->fake_steps, s = 1 - (double)(i + 1) / step->fake_steps;
        if (i + 1 == step->fake_steps) s = 0;
        x = ayf_stop(g, x);
        ayf_scope(g, AYF_SCOPE_STUDENT);
        ayf_condition c = in->condition;
        c.s = all(g, distill->batch, s);
        c.t = all(g, distill->batch, t);
        ayf_id F = ayf_flow_velocity(g, distill->student, AYF_STORE_STATE, x, c);
        ayf_scope(g, "%s", "");
        x = ayf_add(g, x, ayf_mulc(g, F, s - t));
    }
    return x;
}

/* What D is told: the class, and the strength as a point on a quarter of a circle. 0: nothing. */
static ayf_id disc_condition(ayf_graph *g, const ayf_finetune_step *step, ayf_condition of) {
    double span = step->guidance_high - step->guidance_low;
    if (span <= 0 || !of.guidance) return of.onehot;
    ayf_id angle = ayf_mulc(g, ayf_addc(g, of.guidance, -step->guidance_low), acos(0) / span);
    ayf_shape column = AYF_SHAPE(step->distill.batch, 1);
    ayf_id told = ayf_concat(g, ayf_reshape(g, ayf_cos(g, angle), column),
                             ayf_reshape(g, ayf_sin(g, angle), column), 1);
    return of.onehot ? ayf_concat(g, of.onehot, told, 1) : told;
}

static ayf_id norm(ayf_graph *g, ayf_id a) { return ayf_sqrt(g, ayf_sum_all(g, ayf_square(g, a))); }

static ayf_id adaptive_weight(ayf_graph *g, const ayf_optim_options *optim, ayf_id kept, ayf_id adversarial) {
    kept = ayf_optim_mean(g, optim, kept);
    adversarial = ayf_optim_mean(g, optim, adversarial);
    ayf_id ratio = ayf_div(g, norm(g, kept), ayf_addc(g, norm(g, adversarial), 1e-8));
    return ayf_clamp(g, ratio, 0, 1e4);
}

static void train_student(ayf_graph *g, const ayf_finetune_step *step, const ayf_distill_nodes *kept,
                          ayf_id adversarial_loss) {
    const ayf_params *params = step->distill.student;
    size_t count = (size_t)params->count;
    ayf_id *grad = ayf_alloc(g->ctx, count, sizeof *grad), *other = ayf_alloc(g->ctx, count, sizeof *other);
    if (!grad || !other) g->status = AYF_E_MEMORY;
    if (ayf_graph_check(g) == AYF_OK) {
        ayf_id alpha = ayf_step_leaf(g, AYF_STEP_ALPHA, AYF_SHAPE(1));
        ayf_gradients(g, params, AYF_SCOPE_STUDENT, kept->F, kept->cotangent, grad);
        ayf_gradients(g, params, AYF_SCOPE_STUDENT, adversarial_loss, ayf_const(g, 1), other);
        ayf_optim_options optim = step->distill.optim;
        ayf_scope(g, AYF_SCOPE_STUDENT);
        ayf_optim_collect(g, params, &optim, AYF_OPTIM_SUM, grad);
        ayf_optim_collect(g, params, &optim, AYF_OPTIM_SUM "other.", other);
        ayf_scope(g, "%s", "");
        /* Done here: the weight is not linear in the gradients, so each of the two is added up. */
        optim.parts = false;
        int p = params->output_layer;
        ayf_id weight = step->adaptive ? adaptive_weight(g, &optim, grad[p], other[p]) : ayf_const(g, 1);
        ayf_output(g, "adaptive_weight", weight);
        ayf_id scale = ayf_mul(g, alpha, weight);
        for (int i = 0; i < params->count; i++) {
            if (!grad[i] || !other[i]) continue;
            ayf_shape ones = {.rank = ayf_at(g, grad[i])->rank};
            for (int k = 0; k < ones.rank; k++) ones.dim[k] = 1;
            grad[i] = ayf_add(g, grad[i], ayf_mul(g, ayf_reshape(g, scale, ones), other[i]));
        }
        ayf_optimiser_emit(g, params, AYF_SCOPE_STUDENT, grad, &optim, "grad_norm");
    }
    ayf_free(g->ctx, grad);
    ayf_free(g->ctx, other);
}

ayf_graph *ayf_finetune_step_graph(ayf_context *ctx, const ayf_finetune_step *step) {
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return NULL;
    const ayf_distill_step *distill = &step->distill;
    ayf_distill_inputs in = ayf_distill_leaves(g, distill);
    ayf_distill_nodes kept = ayf_distill_emit(g, distill, &in);
    ayf_distill_outputs(g, &in, &kept);
    ayf_id noise =
        ayf_step_leaf(g, AYF_STEP_NOISE, ayf_sample_shape(&distill->student->spec, distill->batch));
    ayf_id fake = make_fakes(g, step, &in, noise);
    ayf_discriminator_nodes d = ayf_discriminator_emit(
        g, step->discriminator, in.x0, fake, disc_condition(g, step, in.condition), step->penalty_weight);
    ayf_id g_loss = ayf_pairing_loss(g, d.fake, d.real);
    ayf_output(g, "g_loss", g_loss);
    ayf_output(g, "d_loss", ayf_pairing_loss(g, d.real, d.fake));
    ayf_output(g, "logit_real", ayf_mean_all(g, d.real));
    ayf_output(g, "logit_fake", ayf_mean_all(g, d.fake));
    if (step->penalty_weight > 0) {
        ayf_output(g, "r1", d.r1);
        ayf_output(g, "r2", d.r2);
    }
    if (ayf_graph_check(g) != AYF_OK) return g;
    train_student(g, step, &kept, g_loss);
    ayf_discriminator_train(g, step->discriminator, &d, &step->disc_optim);
    return g;
}
