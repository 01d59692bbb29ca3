/* The residual discriminator of StyleGAN2 (arXiv 1912.04958) as in NVIDIA's stylegan2-ada-pytorch: FIR
 * [1,3,3,1] resampling, equalised learning rate, leaky ReLU, minibatch standard deviation and, with
 * classes, projection onto a mapped class embedding; kind AYF_MODEL_DISCRIMINATOR. */
#ifndef AYF_NN_SG2_H
#define AYF_NN_SG2_H

#include "nn/params.h"

/* Whether the fields of a spec fit together; AYF_E_CONFIG names the key to change. */
ayf_status ayf_sg2_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Fills the table of p->spec under the names of NVIDIA's `Discriminator`. False without memory. */
bool ayf_sg2_params(ayf_params *p);

/* x (N,H,W,C), H = W = img_resolution, fakes and reals as they are; onehot (N,label_dim), 0 without
 * classes. Returns the logits (N), high for real images. The minibatch standard deviation makes a logit
 * depend on the other samples of its group: N must be at most mbstd_group_size or a multiple of it. At
 * resolution 4, where NVIDIA's code has no input layer, `b4.fromrgb` is in front of the epilogue. */
ayf_id ayf_sg2_discriminator(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                             ayf_id onehot);

#endif
