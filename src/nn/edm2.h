/* EDM2's "config G" U-Net (arXiv 2312.02696, Figure 21), magnitude-preserving; kind AYF_MODEL_UNET. */
#ifndef AYF_NN_EDM2_H
#define AYF_NN_EDM2_H

#include "nn/condition.h"
#include "nn/params.h"

/* Whether the fields of a spec fit together; AYF_E_CONFIG names the key to change. */
ayf_status ayf_edm2_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Fills the table of p->spec under the names of EDM2's state_dict. False without memory. */
bool ayf_edm2_params(ayf_params *p);

/* x (N,H,W,C), H = W = img_resolution. Returns (N,H,W,C).
 * A student's embedding before the class is added, with Fourier features f, f1, f2:
 *   (emb_noise(f(t)) + g1 emb_gap(f1(t-s)) + g2 emb_guidance(f2(guidance))) / sqrt(1 + g1^2 + g2^2).
 * With time_split it is without g1, and that of the decoder has s in the place of t. */
ayf_id ayf_edm2_unet(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                     ayf_condition condition);

#endif
