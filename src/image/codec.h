/* What the readers behind ayf_image_decode() share. */
#ifndef AYF_IMAGE_CODEC_H
#define AYF_IMAGE_CODEC_H

#include "image/image.h"

/* What a reader gets, and what it finds besides the pixels. */
typedef struct ayf_image_file {
    const char *name; /* for messages */
    const unsigned char *bytes;
    size_t size;
    bool header_only;   /* leave pixels NULL */
    bool as_stored;     /* do not turn it */
    uint8_t background; /* grey value under what is transparent */
    int orientation;    /* found: 1 to 8 as EXIF numbers them, 1 = as stored */
} ayf_image_file;

/* Each leaves 1 or 3 channels as stored, not turned. A failure leaves *image empty. */
ayf_status ayf_png_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image);
ayf_status ayf_jpeg_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image);
ayf_status ayf_webp_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image);

/* Grey or RGB with alpha as the last of 2 or 4 channels becomes 1 or 3, in place:
 * round((alpha * value + (255 - alpha) * background) / 255). */
void ayf_image_flatten(ayf_image *image, uint8_t background);

/* The orientation that EXIF data (a TIFF header and its first directory) state: 1 to 8, 1 when they state
 * none or are damaged. */
int ayf_exif_orientation(const unsigned char *bytes, size_t size);

/* Turns and mirrors an image that is stored in `orientation` upright. Without pixels only the sides change.
 */
ayf_status ayf_image_orient(ayf_context *ctx, ayf_image *image, int orientation);

/* AYF_E_FORMAT for a file that none of the readers takes: what it is, with the way out. */
ayf_status ayf_image_fail_foreign(ayf_context *ctx, const char *name, const unsigned char *bytes,
                                  size_t size);

#endif
