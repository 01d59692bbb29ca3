/* Resampling with Pillow's arithmetic, byte for byte (Pillow's Resample.c, 8 bits per channel). */
#ifndef AYF_IMAGE_RESAMPLE_H
#define AYF_IMAGE_RESAMPLE_H

#include "image/image.h"

typedef enum ayf_kernel { AYF_KERNEL_BOX, AYF_KERNEL_BICUBIC, AYF_KERNEL_LANCZOS } ayf_kernel;

/* In place: first along the rows, then along the columns, each rounded to bytes. AYF_E_MEMORY may
 * leave an image of another size. */
ayf_status ayf_image_resample(ayf_context *ctx, ayf_image *image, int height, int width, ayf_kernel kernel);

#endif
