/* Images in memory: uint8, row-major [height][width][channels], 1 (grey) or 3 (RGB) channels.
 *
 *   ayf_image image;
 *   AYF_TRY(ayf_image_decode(ctx, "a.png", bytes, size, &image));
 *   ... image.pixels[(y * image.width + x) * image.channels + c] ...
 *   ayf_image_clear(ctx, &image);
 *
 * What is read, and why the rest is not: 8-bit grey and RGB as they are; 1/2/4-bit grey and opaque palettes
 * are expanded, which loses nothing. Alpha, transparency, 16 bits, CMYK and arithmetic-coded JPEG are refused
 * by name, because turning them into 8-bit RGB means a choice (a background, a rounding, a profile) that
 * belongs to whoever prepares the data. Colour profiles, gamma and EXIF rotation are ignored. A damaged or
 * truncated image is an error even where the library would fill the rest with grey.
 *
 * An image may have at most AYF_IMAGE_MAX_SIDE pixels a side and AYF_IMAGE_MAX_PIXELS in all, and no more
 * pixels than its bytes can encode: a header that lies is refused before memory is taken for it.
 *
 * [-1,1] floats and bytes: float = byte / 127.5 - 1; byte = round((float + 1) * 127.5) clamped, NaN -> 0.
 */
#ifndef AYF_IMAGE_H
#define AYF_IMAGE_H

#include "base/base.h"

enum { AYF_IMAGE_MAX_SIDE = 16384, AYF_IMAGE_MAX_PIXELS = 1 << 26 };

typedef struct ayf_image {
    int height, width, channels;
    uint8_t *pixels; /* owned; ayf_image_clear() */
} ayf_image;

/* One key and value kept in a PNG's text chunks. Keys: 1 to 79 bytes of Latin-1; values: UTF-8. */
typedef struct ayf_image_text {
    const char *key, *value;
} ayf_image_text;

/* Black pixels. */
ayf_status ayf_image_init(ayf_context *ctx, ayf_image *image, int height, int width, int channels);
void ayf_image_clear(ayf_context *ctx, ayf_image *image);
size_t ayf_image_bytes(const ayf_image *image); /* height * width * channels */

/* Reads a PNG or JPEG (told apart by content). `name` is for messages, all of which begin "name: ". On
 * failure (AYF_E_FORMAT, AYF_E_MEMORY) *image is empty. */
ayf_status ayf_image_decode(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                            ayf_image *image);

/* The same checks as far as the header goes: fills height, width and channels, pixels stays NULL. */
ayf_status ayf_image_probe(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                           ayf_image *image);

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

/* count values of [-1,1] <-> bytes. */
void ayf_image_quantise(const float *in, uint8_t *out, size_t count);
void ayf_image_dequantise(const uint8_t *in, float *out, size_t count);

/* A sheet of rows x columns cells from `count` images [count][height][width][channels] in [-1,1], left to
 * right, top to bottom, `padding` pixels of the grey value `background` around and between them; cells beyond
 * count stay background. Two-channel data cannot be shown: channels is 1 or 3. */
ayf_status ayf_image_grid(ayf_context *ctx, const float *images, size_t count, int rows, int columns,
                          int height, int width, int channels, int padding, uint8_t background,
                          ayf_image *out);

/* Largest centred square (odd remainders go to the right and the bottom), in place. */
void ayf_image_crop_square(ayf_image *image);

/* To height x width: the mean of the covered pixels when both shrink by whole factors (rounded half up), else
 * separable Lanczos-3 whose support grows with the reduction, edges renormalised, rounded and clamped once.
 */
ayf_status ayf_image_resize(ayf_context *ctx, ayf_image *image, int height, int width);

/* To 1 or 3 channels: grey is repeated, RGB becomes its Rec. 601 luma. */
ayf_status ayf_image_set_channels(ayf_context *ctx, ayf_image *image, int channels);

/* Black border: `top` and `left` pixels before, the rest of height x width after. */
ayf_status ayf_image_pad(ayf_context *ctx, ayf_image *image, int top, int left, int height, int width);

/* Records "name: height x width: why" and AYF_E_FORMAT unless an image of this size may be read from `size`
 * bytes of which each can stand for at most `pixels_per_byte` pixels. */
ayf_status ayf_image_check_size(ayf_context *ctx, const char *name, uint64_t height, uint64_t width,
                                size_t size, uint64_t pixels_per_byte);

#endif
