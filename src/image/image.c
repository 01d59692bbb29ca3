#include "image/image.h"

#include <string.h>

size_t ayf_image_bytes(const ayf_image *image) {
    return (size_t)image->height * (size_t)image->width * (size_t)image->channels;
}

ayf_status ayf_image_init(ayf_context *ctx, ayf_image *image, int height, int width, int channels) {
    *image = (ayf_image){.height = height, .width = width, .channels = channels};
    image->pixels = ayf_alloc(ctx, ayf_image_bytes(image), 1);
    if (image->pixels) return AYF_OK;
    *image = (ayf_image){0};
    return AYF_E_MEMORY;
}

void ayf_image_clear(ayf_context *ctx, ayf_image *image) {
    ayf_free(ctx, image->pixels);
    *image = (ayf_image){0};
}

ayf_status ayf_image_check_size(ayf_context *ctx, const char *name, uint64_t height, uint64_t width,
                                size_t size, uint64_t pixels_per_byte) {
    unsigned long long h = height, w = width;
    if (h == 0 || w == 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: says it has %llu x %llu pixels", name, h, w);
    if (h > AYF_IMAGE_MAX_SIDE || w > AYF_IMAGE_MAX_SIDE || h * w > AYF_IMAGE_MAX_PIXELS)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: %llu x %llu pixels are more than are read (%d a side, %d in all)", name, h, w,
                        AYF_IMAGE_MAX_SIDE, AYF_IMAGE_MAX_PIXELS);
    if (h * w / pixels_per_byte > size)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: says it has %llu x %llu pixels, which its %zu bytes cannot hold", name, h, w,
                        size);
    return AYF_OK;
}

void ayf_image_quantise(const float *in, uint8_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float value = (in[i] + 1.0f) * 127.5f + 0.5f;
        /* Written so that NaN takes the first branch. */
        if (!(value >= 1.0f))
            out[i] = 0;
        else if (value >= 255.0f)
            out[i] = 255;
        else
            out[i] = (uint8_t)value;
    }
}

void ayf_image_dequantise(const uint8_t *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = (float)in[i] / 127.5f - 1.0f;
}

ayf_status ayf_image_grid(ayf_context *ctx, const float *images, size_t count, int rows, int columns,
                          int height, int width, int channels, int padding, uint8_t background,
                          ayf_image *out) {
    *out = (ayf_image){0};
    if (rows < 1 || columns < 1 || height < 1 || width < 1 || padding < 0 || (channels != 1 && channels != 3))
        return ayf_fail(ctx, AYF_E_USAGE, "a sheet of %d x %d images of %d x %d x %d cannot be made", rows,
                        columns, height, width, channels);
    int64_t full_height = (int64_t)rows * ((int64_t)height + padding) + padding;
    int64_t full_width = (int64_t)columns * ((int64_t)width + padding) + padding;
    if (full_height > AYF_IMAGE_MAX_SIDE || full_width > AYF_IMAGE_MAX_SIDE ||
        full_height * full_width > AYF_IMAGE_MAX_PIXELS)
        return ayf_fail(ctx, AYF_E_USAGE, "a sheet of %lld x %lld pixels is too large: ask for fewer images",
                        (long long)full_height, (long long)full_width);
    AYF_TRY(ayf_image_init(ctx, out, (int)full_height, (int)full_width, channels));
    memset(out->pixels, background, ayf_image_bytes(out));
    size_t c = (size_t)channels, row = (size_t)width * c, stride = (size_t)full_width * c;
    size_t cells = (size_t)rows * (size_t)columns;
    for (size_t k = 0; k < count && k < cells; k++) {
        size_t top = (size_t)padding + k / (size_t)columns * (size_t)(height + padding);
        size_t left = (size_t)padding + k % (size_t)columns * (size_t)(width + padding);
        for (size_t y = 0; y < (size_t)height; y++)
            ayf_image_quantise(images + (k * (size_t)height + y) * row,
                               out->pixels + (top + y) * stride + left * c, row);
    }
    return AYF_OK;
}
