/* Images in memory: uint8, row-major [height][width][channels], 1 (grey) or 3 (RGB) channels.
 *
 *   ayf_image image;
 *   AYF_TRY(ayf_image_decode(ctx, "a.png", bytes, size, &image));
 *   ... image.pixels[(y * image.width + x) * image.channels + c] ...
 *   ayf_image_clear(ctx, &image);
 *
 * What is read: PNG of every kind, JPEG of every kind that libjpeg knows, still WebP. All become 8-bit grey or
 * RGB:
 *   palettes       RGB
 *   1, 2, 4 bits   grey 0 to 255
 *   16 bits        the upper 8 of them, as Pillow and EDM2's dataset tool have it
 *   transparency   laid over a background of the caller's choice, in the stored values (no gamma)
 *   CMYK, YCCK     by Adobe's convention, in which 255 is no ink: R = C K / 255 ... (no colour profile)
 *   EXIF           pictures are turned upright (JPEG, WebP and PNG)
 * Colour profiles, gamma and resolution are ignored: the values are those that are stored. A damaged or
 * truncated image is an error even where the library would fill the rest with grey. A file of another kind is
 * called by its name, with what to do about it. What a file is called does not matter.
 *
 * An image may have at most AYF_IMAGE_MAX_SIDE pixels a side and AYF_IMAGE_MAX_PIXELS in all, and no more
 * pixels than its bytes can encode: a header that lies is refused before memory is taken for it.
 *
 * [-1,1] floats and bytes: float = byte / 127.5 - 1; byte = round((float + 1) * 127.5) clamped, NaN -> 0.
 */
#ifndef AYF_IMAGE_H
#define AYF_IMAGE_H

#include "base/base.h"
#include "base/choices.h"

enum { AYF_IMAGE_MAX_SIDE = 16384, AYF_IMAGE_MAX_PIXELS = 1 << 26 };

typedef enum ayf_image_format {
    AYF_IMAGE_RAW,
    AYF_IMAGE_PNG,
    AYF_IMAGE_JPEG,
    AYF_IMAGE_WEBP
} ayf_image_format;

/* What a file had that the pixels no longer show. */
enum {
    AYF_IMAGE_ALPHA = 1,   /* an alpha channel or a transparent colour */
    AYF_IMAGE_DEEP = 2,    /* 16 bits */
    AYF_IMAGE_PALETTE = 4, /* colours by number */
    AYF_IMAGE_CMYK = 8,    /* or YCCK */
    AYF_IMAGE_TURNED = 16, /* by its EXIF orientation */
    AYF_IMAGE_TRAITS = 5   /* how many bits these are */
};

typedef struct ayf_image {
    int height, width, channels;
    uint8_t *pixels;         /* owned; ayf_image_clear() */
    ayf_image_format format; /* of the file that it was decoded from, */
    unsigned traits;         /* and what was converted; both 0 for any other image */
} ayf_image;

/* One key and value kept in a PNG's text chunks. Keys: 1 to 79 bytes of Latin-1; values: UTF-8. */
typedef struct ayf_image_text {
    const char *key, *value;
} ayf_image_text;

/* Black pixels. */
ayf_status ayf_image_init(ayf_context *ctx, ayf_image *image, int height, int width, int channels);
void ayf_image_clear(ayf_context *ctx, ayf_image *image);
size_t ayf_image_bytes(const ayf_image *image); /* height * width * channels */

typedef struct ayf_image_reading { /* all zero = as below */
    ayf_background background;     /* white */
    bool as_stored;                /* false: turned upright by the EXIF orientation */
} ayf_image_reading;

/* Reads a PNG, JPEG or WebP (told apart by content). `name` is for messages, all of which begin "name: ".
 * `how` may be NULL. On failure (AYF_E_FORMAT, AYF_E_MEMORY) *image is empty. */
ayf_status ayf_image_decode(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                            const ayf_image_reading *how, ayf_image *image);

/* The same checks as far as the header goes: fills all but the pixels, which stay NULL. */
ayf_status ayf_image_probe(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                           const ayf_image_reading *how, ayf_image *image);

/* The bytes of a PNG, which the caller owns (ayf_free). AYF_E_USAGE without pixels or with other than 1 or 3
 * channels. */
ayf_status ayf_image_encode_png(ayf_context *ctx, const ayf_image *image, const ayf_image_text *texts,
                                size_t text_count, unsigned char **bytes, size_t *size);

/* The same to a file, atomically (ayf_file_write). */
ayf_status ayf_image_write_png(ayf_context *ctx, const char *path, const ayf_image *image,
                               const ayf_image_text *texts, size_t text_count);

/* The value that a PNG file carries under `key` before its pixels: *value is owned by the caller (ayf_free)
 * and NULL when there is none. */
ayf_status ayf_image_read_text(ayf_context *ctx, const char *path, const char *key, char **value);

/* count bytes to values of [-1,1]; ayf_image_quantise() of ayf.h is the way back. */
void ayf_image_dequantise(const uint8_t *in, float *out, size_t count);

/* A sheet of rows x columns cells from `count` images [count][height][width][channels] in [-1,1], left to
 * right, top to bottom, `padding` pixels of the grey value `background` around and between them; cells beyond
 * count stay background. Two-channel data cannot be shown: channels is 1 or 3. */
ayf_status ayf_image_grid(ayf_context *ctx, const float *images, size_t count, int rows, int columns,
                          int height, int width, int channels, int padding, uint8_t background,
                          ayf_image *out);

/* Largest centred square (odd remainders go to the right and the bottom), in place. */
void ayf_image_crop_square(ayf_image *image);

/* To height x width.
 *   LANCZOS, DHARIWAL  separable Lanczos-3 whose support grows with the reduction, byte for byte Pillow's
 *                      LANCZOS: weights of 22 bits, edges renormalised, rounded after each of the two passes
 *   BOX                the mean of the covered pixels when both sides shrink by whole factors (rounded half
 *                      up), else the same Lanczos-3 in floats, rounded once */
ayf_status ayf_image_resize(ayf_context *ctx, ayf_image *image, int height, int width, ayf_resize how);

/* To side x side, as EDM2's dataset tool does it.
 *   LANCZOS, BOX  (center-crop) ayf_image_crop_square(), then ayf_image_resize()
 *   DHARIWAL      (center-crop-dhariwal) halved by the mean of 2 x 2 pixels while the shorter side stays at
 *                 least `side`, then bicubic until it is `side`, then the centre. ADM's crop of ImageNet.
 *                 AYF_E_FORMAT (without a name) when more than AYF_IMAGE_MAX_PIXELS would be cropped */
ayf_status ayf_image_to_square(ayf_context *ctx, ayf_image *image, int side, ayf_resize how);

/* To 1 or 3 channels: grey is repeated, RGB becomes its Rec. 601 luma. */
ayf_status ayf_image_set_channels(ayf_context *ctx, ayf_image *image, int channels);

/* Border of the grey `value`: `top` and `left` pixels before, the rest of height x width after. */
ayf_status ayf_image_pad(ayf_context *ctx, ayf_image *image, int top, int left, int height, int width,
                         uint8_t value);

/* Records "name: height x width: why" and AYF_E_FORMAT unless an image of this size may be read from `size`
 * bytes of which each can stand for at most `pixels_per_byte` pixels. */
ayf_status ayf_image_check_size(ayf_context *ctx, const char *name, uint64_t height, uint64_t width,
                                size_t size, uint64_t pixels_per_byte);

#endif
