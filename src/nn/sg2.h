/* Sizes of the StyleGAN2 discriminator that its parameters (params_sg2.c) and its graph (sg2.c) share. */
#ifndef AYF_NN_SG2_H
#define AYF_NN_SG2_H

#include "nn/spec.h"

/* Learning-rate multiplier of the mapping network. */
#define AYF_SG2_MAPPING_RATE 0.01

int ayf_sg2_channels(const ayf_model_spec *spec,
                     int resolution);             /* min(channel_base/resolution, channel_max) */
int ayf_sg2_cmap_dim(const ayf_model_spec *spec); /* 0 without classes */

#endif
