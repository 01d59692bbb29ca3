/* The decoder of Stable Diffusion's AutoencoderKL (arXiv 2112.10752) with the names of diffusers; kind
 * AYF_MODEL_DECODER. It makes pictures of latents: group normalisation, SiLU, nearest upsampling, one attention. */
#ifndef AYF_NN_VAE_H
#define AYF_NN_VAE_H

#include "nn/params.h"

/* AYF_E_CONFIG when there are no levels, or the groups do not divide the channels of each. */
ayf_status ayf_vae_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Fills the table, of buffers only: the network is for inference. False without memory. */
bool ayf_vae_params(ayf_params *p);

/* How many pixels, in each direction, a latent pixel becomes: 2 per level but the last. */
int ayf_vae_factor(const ayf_model_spec *spec);

/* Latents (N,H,W,latent_channels) in the VAE's own units, without the scaling_factor of diffusers, to pictures
 * (N, factor H, factor W, img_channels) in the range of the VAE's training data. All leaves are PARAM leaves. */
ayf_id ayf_vae_decoder(ayf_graph *g, const ayf_params *params, ayf_id x);

#endif
