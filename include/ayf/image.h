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

/* A picture of many images with words. The words are UTF-8; ASCII and the letters of Latin-1 (without their
 * accents) can be drawn, other characters become boxes. Words that are too long are cut. */
typedef struct ayf_grid {
    const float *images; /* [count][height][width][channels] in [-1,1]; channels is 1 or 3 */
    int count, columns;
    int height, width, channels;
    int scale;                 /* each pixel as scale x scale, 1 to 16; 0: so large that the words fit */
    const char *const *under;  /* [count], a line under each image; NULL or a NULL in it: none */
    const char *const *beside; /* [rows], a line on the left of each row; the same */
    const char *const *over;   /* [columns], a line above each column; the same */
    const char *comment;       /* as in ayf_image_write() */
} ayf_grid;
AYF_API ayf_status ayf_grid_write_labelled(ayf_context *ctx, const char *path, const ayf_grid *grid);

#ifdef __cplusplus
}
#endif

#endif
