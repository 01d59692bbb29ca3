/* Latents, and decoders that make pictures of them. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_LATENTS_H
#define AYF_API_LATENTS_H

#include "ayf/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Some models draw latents of a VAE (ayf_model_facts.latents), of which its decoder makes pictures:
 *
 *     ayf_decoder *decoder;
 *     int height, width, channels;
 *     ayf_decoder_open(ctx, "decoder.safetensors", &decoder);
 *     ayf_decoder_size(decoder, model, &height, &width, &channels);
 *     ayf_model_sample(model, NULL, 16, latents, NULL);
 *     ayf_decoder_pictures(decoder, model, 16, latents, pictures);
 */
typedef struct ayf_decoder ayf_decoder;

/* What names and shapes do not tell. 0: what the file's metadata say (norm_num_groups), else the usual value. */
typedef struct ayf_decoder_options {
    int groups; /* of the normalisation: 32 */
} ayf_decoder_options;
/* Makes the model file `out` of the decoder in a safetensors file with Stable Diffusion's AutoencoderKL under the names
 * of diffusers. `options` may be NULL. The network is read off names and shapes, every one of which is checked; the
 * tensors keep their type (F16, BF16, F32, F64), and the encoder is left out. AYF_E_FORMAT, with the tensor, for a file
 * that is damaged or of another network; AYF_E_USAGE when `options` do not suit the network. */
AYF_API AYF_CHECKED ayf_status ayf_decoder_import(ayf_context *ctx, const char *path,
                                                  const ayf_decoder_options *options, const char *out);

/* Reads a file that ayf_decoder_import() made. AYF_E_USAGE for a model of another kind. Close the decoder before the
 * context. */
AYF_API AYF_CHECKED ayf_status ayf_decoder_open(ayf_context *ctx, const char *path, ayf_decoder **out);
AYF_API void ayf_decoder_close(ayf_decoder *decoder); /* NULL is fine */

/* Size and channels of the pictures that it makes of the model's latents. AYF_E_USAGE when the model draws no latents,
 * or such of another number of channels. */
AYF_API AYF_CHECKED ayf_status ayf_decoder_size(const ayf_decoder *decoder, const ayf_model *model,
                                                int *height, int *width, int *channels);

/* Pictures of `count` latents that ayf_model_sample() drew with `model`: count x height x width x channels floats in
 * [-1,1], as ayf_decoder_size() has them. It computes in 32 bits, one picture at a time. Errors as there, and
 * AYF_E_DIVERGED if the decoder gives values that are not finite. */
AYF_API AYF_CHECKED ayf_status ayf_decoder_pictures(ayf_decoder *decoder, const ayf_model *model, int count,
                                                    const float *latents, float *pictures);

#ifdef __cplusplus
}
#endif

#endif
