/* Inception features: FID, KID and the Inception score proper, for users who have the weights (ayf ships
 * none).
 *
 *     ayf_extractor *net;
 *     AYF_TRY(ayf_inception_open(ctx, "inception.safetensors", &net));
 *     AYF_TRY(ayf_extract(net, images, count, ayf_image_shape(32, 32, 3), features, logits));
 *     ayf_extractor_close(net);
 *
 * What these numbers mean is fixed by the recipe as much as by the weights, so nothing of it can be chosen:
 * images are rounded to bytes as they would be in a file, brought to 299 x 299 by TensorFlow 1's bilinear
 * resize, and go through the network of ayf_inception() (nn/inception.h). */
#ifndef AYF_INCEPTION_H
#define AYF_INCEPTION_H

#include "eval/extractor.h"

/* Opens weights in safetensors, F32, F16, BF16 or F64, with the names and shapes of torchvision's state_dict:
 * "Mixed_5b.branch1x1.conv.weight", ".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var",
 * "fc.weight" (1008,2048); further tensors (fc.bias, num_batches_tracked, AuxLogits) are left alone. Such a
 * file comes from scripts/convert_inception.py. AYF_E_FORMAT names the tensor that is missing, misshapen, not
 * finite or a negative variance. The extractor takes images of 1 channel (repeated) or 3, of any size;
 * AYF_E_DIVERGED when one is not finite. It has 2048 features and 1008 logits. On success *out is owned by
 * the caller (ayf_extractor_close). */
ayf_status ayf_inception_open(ayf_context *ctx, const char *path, ayf_extractor **out);

/* pixels[height][width][channels] of 1 or 3 channels -> out[299][299][3], (value - 128) / 128 with the values
 * of TensorFlow 1's resize_bilinear(align_corners=False), in the same order of single-precision operations:
 * output i is taken at i * (input size / 299), without half pixels and without a filter when shrinking. */
void ayf_inception_resize(const uint8_t *pixels, int height, int width, int channels, float *out);

#endif
