/* Training steps as graphs: one graph holds teacher, weak teacher, student, tangent, normalisation, loss,
 * gradients, optimiser and weight average. Inputs are leaves of storage INPUT: those of flow/inputs.h, and the
 * optimiser's (nn/optim.h, under the scope "student.").
 *
 * The trained network has the scope "student." in every step, its average "student.ema." (nn/optim.h).
 */
#ifndef AYF_STEP_H
#define AYF_STEP_H

#include "flow/teacher.h"
#include "nn/optim.h"

typedef enum ayf_loss { AYF_LOSS_EMD, AYF_LOSS_LMD } ayf_loss;
/* Where the velocity comes from. GIVEN (mid-training): x_t and v are inputs themselves. */
typedef enum ayf_target { AYF_TARGET_TEACHER, AYF_TARGET_DATA, AYF_TARGET_GIVEN } ayf_target;
typedef enum ayf_norm { AYF_NORM_RMS, AYF_NORM_L2, AYF_NORM_NONE } ayf_norm;

/* Teacher training by flow matching: loss = mean (F(x_t,t) - (x1 - x0))^2. */
typedef struct ayf_teacher_step {
    ayf_model_spec spec;
    int batch;
    ayf_optim_options optim;
} ayf_teacher_step;

/* Outputs: "loss" (1), "sample_loss" (N), "grad_norm" (1). NULL or a failed graph on failure. */
ayf_graph *ayf_teacher_step_graph(ayf_context *ctx, const ayf_teacher_step *step);

/* Distillation of a flow map (ayf_distill_emit) and its optimiser. */
typedef struct ayf_distill_step {
    ayf_model_spec spec; /* is_student */
    int batch;
    ayf_loss loss;
    ayf_target target;
    ayf_norm norm;
    double norm_c;        /* c of g / (|g| + c); 0 divides by 0 where g is 0 */
    ayf_velocity teacher; /* unused when target is DATA and loss EMD, or target GIVEN */
    ayf_optim_options optim;
} ayf_distill_step;

/* Outputs: "loss" (1), and per sample (N): "tangent_rms" (of g before normalisation), "error_rms" |F - v|,
 * "jvp_rms" |(t-s) dF| (unless target is GIVEN); "grad_norm" (1). With target GIVEN the inputs x_t and v take the
 * place of x0, x1 and r. */
ayf_graph *ayf_distill_step_graph(ayf_context *ctx, const ayf_distill_step *step);

/* The mathematics of one distillation step, for the step above and for checks against reference numbers.
 * EMD (Align Your Flow, Algorithm 1): x_t = (1-t) x0 + t x1; v = teacher; (F, dF) = student and its JVP along
 * (v, 1, 0); g = (F - v) + r (t-s) dF. LMD: dF along (0, 0, 1); g = F + r (s-t) dF - v(x_t + (s-t) F, s).
 * Mid-training (CMT, arXiv 2509.24526; target GIVEN, any loss): g = F - v without a derivative, v being the mean velocity
 * from (x_t, t) to s. g_hat = g / (|g| + c), the norm per sample; loss = mean (F - stop(F - g_hat))^2. */
typedef struct ayf_distill_nodes {
    ayf_id x_t, v, F, dF, tangent, tangent_norm /* (N) */, loss /* (1) */;
    ayf_id cotangent; /* d loss / d F */
} ayf_distill_nodes;
typedef struct ayf_distill_inputs {
    ayf_id x0, x1, t, s, guidance, onehot /* or 0 */, r;
    ayf_id x_t, v; /* target GIVEN: in place of x0, x1 and r */
} ayf_distill_inputs;
ayf_distill_nodes ayf_distill_emit(ayf_graph *g, const ayf_distill_step *step, const ayf_distill_inputs *in);

/* ---- Pieces that steps are made of ---- */

/* The rest of ayf_distill_emit() for any map: n->x_t, and n->F made from it, in->t and in->s, are given. */
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

/* ---- Time pairs (host side) ---- */

typedef struct ayf_time_sampler {
    double gap_mean, gap_std; /* gap = sigmoid(N(mean, std^2)), s ~ U[0, 1 - gap], t = s + gap */
    double p_s0;              /* share of samples with s = 0 (t = gap) */
    double p_st;              /* share with s = t */
    bool s_zero_only;         /* every s = 0: consistency model */
} ayf_time_sampler;

/* (t, s) of sample `sample` of step `step`: a pure function of its arguments. */
void ayf_time_pair(const ayf_time_sampler *sampler, uint64_t seed, uint64_t step, uint64_t sample, float *t,
                   float *s);
/* t of teacher training: sigmoid(N(mean, std^2)). */
float ayf_teacher_time(double mean, double std, uint64_t seed, uint64_t step, uint64_t sample);
/* guidance strength, uniform in [low, high]. */
float ayf_guidance_draw(double low, double high, uint64_t seed, uint64_t step, uint64_t sample);

#endif
