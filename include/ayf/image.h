/* Pictures. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_IMAGE_H
#define AYF_API_IMAGE_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes an 8-bit PNG, atomically. channels is 1 or 3; values are in [-1,1]. `comment` (may be NULL) is
 * stored in the file and should say how the image was made. */
AYF_API AYF_CHECKED ayf_status ayf_image_write(ayf_context *ctx, const char *path, const float *image,
                                               int height, int width, int channels, const char *comment);
/* Writes `count` images as one picture with `columns` images per row; otherwise like ayf_image_write(). */
AYF_API AYF_CHECKED ayf_status ayf_grid_write(ayf_context *ctx, const char *path, const float *images,
                                              int count, int columns, int height, int width, int channels);

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
AYF_API AYF_CHECKED ayf_status ayf_grid_write_labelled(ayf_context *ctx, const char *path,
                                                       const ayf_grid *grid);

/* Values in [-1,1] as the bytes of a picture, rounded; what is outside is clipped. */
AYF_API void ayf_image_quantise(const float *in, uint8_t *out, size_t count);

/* Many samples in one file, as NumPy reads it (.npz) and as ADM and the consistency models exchange them: arr_0 has
 * the pictures, uint8 [count][height][width][channels], the points, float32 [count][2], or latents,
 * float32 [count][height][width][channels]; arr_1 has the classes, int64
 * [count]. */
typedef struct ayf_batch {
    int count, height, width, channels;
    const uint8_t *pixels; /* one of pixels, points and latents is given */
    const float *points;
    const float *latents;
    const int *classes; /* NULL: no arr_1 */
} ayf_batch;
/* Writes the file atomically; the same batch gives the same bytes. */
AYF_API AYF_CHECKED ayf_status ayf_batch_write(ayf_context *ctx, const char *path, const ayf_batch *batch);

/* Whether a file at `path`, or files in the folder `path`, could be written: asked before what takes long. `bytes` is
 * what they will need at most, 0 for little. A folder may be missing, the folder of a file may not. AYF_E_IO with the
 * reason: the path leads nowhere, may not be written to, or has not enough free space. Leaves nothing behind.
 * Devices and pipes are not tried. Every function that writes takes /dev/stdout for the standard output. */
AYF_API AYF_CHECKED ayf_status ayf_output_check(ayf_context *ctx, const char *path, bool folder,
                                                uint64_t bytes);

/* Whether writing to `path`, a file or a folder, takes nothing away: of the `count` inputs (names of files and folders;
 * NULL is fine, and so is what is no path) none is the same file, also through links, none is a folder of data in
 * which `path` lies, and it is not among what a run keeps in its folder (config.yaml, log.jsonl, its models,
 * checkpoints/, samples/, snapshots/ ...). AYF_E_USAGE with the reason. */
AYF_API AYF_CHECKED ayf_status ayf_output_spare(ayf_context *ctx, const char *path, const char *const *inputs,
                                                int count);

/* Writes a file as a whole or not at all: into a temporary file beside it, which takes its place when it is complete.
 * Symbolic links are followed. */
AYF_API AYF_CHECKED ayf_status ayf_output_write(ayf_context *ctx, const char *path, const void *bytes,
                                                size_t size);

#ifdef __cplusplus
}
#endif

#endif
