/* Pictures. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_IMAGE_H
#define AYF_API_IMAGE_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes an 8-bit PNG, atomically. channels is 1 or 3; values are in [-1,1]. `comment` (may be NULL) is
 * stored in the file and should say how the image was made. */
AYF_API ayf_status ayf_image_write(ayf_context *ctx, const char *path, const float *image, int height,
                                   int width, int channels, const char *comment);
/* Writes `count` images as one picture with `columns` images per row; otherwise like ayf_image_write(). */
AYF_API ayf_status ayf_grid_write(ayf_context *ctx, const char *path, const float *images, int count,
                                  int columns, int height, int width, int channels);

#ifdef __cplusplus
}
#endif

#endif
