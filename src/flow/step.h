/* Training steps as graphs: one graph holds teacher, weak teacher, student, tangent, normalisation, loss,
 * gradients, optimiser and weight average. Inputs are leaves of storage INPUT: those of flow/inputs.h, and
 * the optimiser's (nn/optim.h, under the scope "student.").
 *
 * The trained network has the scope "student." in every step, its average "student.ema." (nn/optim.h).
 */
#ifndef AYF_STEP_H
#define AYF_STEP_H

#include "base/choices.h"
#include "flow/teacher.h"
#include "nn/optim.h"

/* Teacher training by flow matching: loss = mean (F(x_t,t) - (x1 - x0))^2. */
typedef struct ayf_teacher_step {
    const ayf_params *network; /* what is trained: not a student */
    int batch;
    ayf_optim_options optim;
} ayf_teacher_step;

/* Outputs: "loss" (1), "sample_loss" (N), "grad_norm" (1). NULL or a failed graph on failure. */
ayf_graph *ayf_teacher_step_graph(ayf_context *ctx, const ayf_teacher_step *step);

/* Distillation of a flow map (ayf_distill_emit) and its optimiser. */
typedef struct ayf_distill_step {
    const ayf_params *student;
    int batch;
    ayf_loss loss;
    ayf_target target;
    ayf_norm norm;
    double norm_c;        /* c of g / (|g| + c)^(2p); 0 divides by 0 where g is 0 */
    double norm_p;        /* p: 0.5 = unit length */
    ayf_velocity teacher; /* unused when target is DATA and loss EMD, or target GIVEN */
    ayf_optim_options optim;
} ayf_distill_step;

/* Outputs: "loss" (1), and per sample (N): "tangent_rms" (of g before normalisation), "error_rms" |F - v|,
 * "jvp_rms" |(t-s) dF| (unless target is GIVEN); "grad_norm" (1). With target GIVEN the inputs x_t and v
 * take the place of x0, x1 and r. */
ayf_graph *ayf_distill_step_graph(ayf_context *ctx, const ayf_distill_step *step);

/* The mathematics of one distillation step, for the step above and for checks against reference numbers.
 *
 * EMD (Align Your Flow, Algorithm 1): x_t = (1-t) x0 + t x1; v = teacher; (F, dF) = student and its JVP
 * along (v, 1, 0); g = (F - v) + r (t-s) dF.
 *
 * LMD: dF along (0, 0, 1); g = F + r (s-t) dF - v(x_t + (s-t) F, s).
 *
 * Mid-training (CMT, arXiv 2509.24526; target GIVEN, any loss): g = F - v without a derivative. v is the
 * mean velocity from (x_t, t) to s.
 *
 * g_hat = g / (|g| + c)^(2p), the norm per sample; loss = mean (F - stop(F - g_hat))^2. */
typedef struct ayf_distill_nodes {
    ayf_id x_t, v, F, dF, tangent, tangent_norm /* (N) */, loss /* (1) */;
    ayf_id cotangent; /* d loss / d F */
} ayf_distill_nodes;
typedef struct ayf_distill_inputs {
    ayf_condition condition; /* of the student */
    ayf_id x0, x1, r;
    ayf_id x_t, v; /* target GIVEN: in place of x0, x1 and r */
} ayf_distill_inputs;
ayf_distill_nodes ayf_distill_emit(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in);

/* ---- Pieces that steps are made of ---- */

/* The rest of ayf_distill_emit() for any map: n->x_t, and n->F made from it and in->condition, are given. */
void ayf_distill_loss_emit(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in,
                           ayf_distill_nodes *n);

/* (N,H,W,C) of what a flow network makes. */
ayf_shape ayf_sample_shape(const ayf_model_spec *spec, int batch);
/* The INPUT leaves of distillation. */
ayf_distill_inputs ayf_distill_leaves(ayf_graph *g, const ayf_distill_step *step);
/* Everything that ayf_distill_step_graph() reports but "grad_norm". */
void ayf_distill_outputs(ayf_graph *g, const ayf_distill_inputs *in, const ayf_distill_nodes *nodes);
/* The optimiser of the network under `scope`: grad[i] belongs to params->at[i]; the norm of all gradients
 * becomes the output `norm_name`. */
void ayf_optimiser_emit(ayf_graph *g, const ayf_params *params, const char *scope, const ayf_id *grad,
                        const ayf_optim_options *optim, const char *norm_name);

#endif
