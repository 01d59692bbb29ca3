/* Latents of a VAE as arrays: their form, and how they are read.
 *
 * An array of one latent is (channels, height, width) or (height, width, channels), of 32 or 64 bit floats, and the
 * two equal numbers are height and width. EDM2's dataset_tool.py stacks what its VAE says of a picture: the means of
 * the channels, then the deviations about them. Such latents have a spread. */
#ifndef AYF_LATENTS_H
#define AYF_LATENTS_H

#include "data/source.h"
#include "io/npy.h"

/* Reads the form off array->type and the last three numbers of array->shape. `wanted`: the channels that a network
 * sees, 0 when that is not known. `stacked`: the names say that there is a spread; without that, 8 channels where 8 are
 * not wanted are four with a spread, as EDM2 has it. `cube`: of three equal numbers, the first is the channels.
 * AYF_E_FORMAT "name: ..." when these are no latents. Floats of 1 or 3 channels are none unless they are wanted: they
 * may be pictures. */
ayf_status ayf_latent_form_read(ayf_context *ctx, const char *name, const ayf_npy *array, int wanted,
                                bool stacked, bool cube, ayf_latent_form *out);

/* Floats of one latent: twice as many with a spread. */
size_t ayf_latent_stored(const ayf_latent_form *form);

/* Latent `index` of array->data: means (H,W,C), and with a spread then deviations (H,W,C). AYF_E_FORMAT "name: ..."
 * when a value is not finite or a deviation is negative. */
ayf_status ayf_latent_unpack(ayf_context *ctx, const char *name, const ayf_latent_form *form,
                             const ayf_npy *array, size_t index, float *out);

/* AYF_E_CONFIG when a spec asks of latents what can be done with pictures alone: to mirror or resize them, other
 * channels. AYF_E_USAGE when it wants pictures. */
ayf_status ayf_latent_check_spec(ayf_context *ctx, const ayf_dataset_spec *spec, const ayf_latent_form *form);

/* Adds to a note what the form was taken for. */
ayf_status ayf_latent_note(ayf_context *ctx, const ayf_latent_form *form, char **note);

/* Of one .npy file in memory, which must be one latent: (1, C, H, W) will do. form->channels > 0: it must be of this
 * form, else the form is read. `out` may be NULL. */
ayf_status ayf_latent_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, int wanted,
                            ayf_latent_form *form, float *out);

#endif
