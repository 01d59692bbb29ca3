/* Adversarial fine-tuning (Align Your Flow, Algorithm 2) as one graph. The distillation loss continues, a
 * discriminator D judges the student's jumps from noise to data, and both networks take an optimiser step.
 *
 * Both steps share the fakes and the passes through D. Compared with two alternating steps this saves one
 * pass through the student and two through D. The graph has the inputs of distillation (flow/step.h),
 * noise, alpha and those of D's optimiser.
 *
 * Scopes: "student." and "disc.".
 */
#ifndef AYF_ADVERSARIAL_H
#define AYF_ADVERSARIAL_H

#include "flow/step.h"

/* mean softplus(loser - winner) over the batch, (1): the relativistic pairing loss (arXiv 1807.00734,
 * 2501.05441). The generator wins with D(fake), L_G = pairing(D(fake), D(real)), the discriminator with
 * D(real). */
ayf_id ayf_pairing_loss(ayf_graph *g, ayf_id winner, ayf_id loser);

/* |d sum(logits) / d x|^2 per sample, summed over the sample, (N): R1 at real x, R2 at fake x. `x` must be
 * the tensor that entered D; it counts as independent of what it was computed from. */
ayf_id ayf_gradient_penalty(ayf_graph *g, ayf_id logits, ayf_id x);

/* One batch through the discriminator and its loss
 *   L_D = mean softplus(D(fake) - D(real)) + weight/2 (mean R1 + mean R2). */
typedef struct ayf_discriminator_nodes {
    ayf_id real, fake; /* logits (N) */
    ayf_id r1, r2;     /* (1), means over the batch; 0 without penalties */
    ayf_id loss;       /* (1) */
} ayf_discriminator_nodes;
/* `penalty_weight` 0: no penalties. D's leaves are STATE leaves under "disc.". */
ayf_discriminator_nodes ayf_discriminator_emit(ayf_graph *g, const ayf_params *discriminator, ayf_id real,
                                               ayf_id fake, ayf_id onehot, double penalty_weight);

/* The gradient of nodes->loss with respect to D's parameters, and D's optimiser, which does not renormalise
 * the rows of weights. Adds the output "disc_grad_norm". */
void ayf_discriminator_train(ayf_graph *g, const ayf_params *params, const ayf_discriminator_nodes *nodes,
                             const ayf_optim_options *optim);

enum { AYF_DISC_GUIDANCE = 2 };

typedef struct ayf_finetune_step {
    ayf_distill_step distill; /* the loss that continues, and the student's optimiser */
    const ayf_params *discriminator;
    ayf_optim_options disc_optim;
    int fake_steps; /* jumps from noise to data, evenly spaced; only the last one carries gradient */
    bool adaptive;  /* w = |grad_p L| / (|grad_p L_G| + 1e-8) in [0, 1e4], p the output layer; else w = 1 */
    double penalty_weight; /* of R1 and R2; 0: a program without them */
    /* A discriminator that is told the strength of guidance, which lies in [guidance_low, guidance_high]: its
     * "classes" are AYF_DISC_GUIDANCE more than the student's. Equal: it is not told. */
    double guidance_low, guidance_high;
} ayf_finetune_step;

/* The student descends along grad L + alpha w grad L_G. Outputs: those of ayf_distill_step_graph(), and (1)
 * each: "g_loss", "d_loss" (without penalties), "logit_real", "logit_fake" (means), "adaptive_weight",
 * "disc_grad_norm"; with penalties "r1", "r2" (means over the batch). */
ayf_graph *ayf_finetune_step_graph(ayf_context *ctx, const ayf_finetune_step *step);

#endif
