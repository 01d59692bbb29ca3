#include "image/image.h"

static ayf_status check_shape(ayf_context *ctx, const char *path, int height, int width, int channels) {
    if (height >= 1 && width >= 1 && (channels == 1 || channels == 3)) return AYF_OK;
    return ayf_fail(ctx, AYF_E_USAGE,
                    "%s: data of %d x %d x %d cannot be written as a picture: 1 or 3 channels and at least "
                    "one pixel are needed",
                    path, height, width, channels);
}

ayf_status ayf_image_write(ayf_context *ctx, const char *path, const float *image, int height, int width,
                           int channels, const char *comment) {
    ayf_image picture;
    ayf_image_text text = {"Description", comment};
    AYF_TRY(check_shape(ctx, path, height, width, channels));
    AYF_TRY(ayf_image_init(ctx, &picture, height, width, channels));
    ayf_image_quantise(image, picture.pixels, ayf_image_bytes(&picture));
    ayf_status status = ayf_image_write_png(ctx, path, &picture, &text, comment ? 1 : 0);
    ayf_image_clear(ctx, &picture);
    return status;
}

ayf_status ayf_grid_write(ayf_context *ctx, const char *path, const float *images, int count, int columns,
                          int height, int width, int channels) {
    enum { PADDING = 2, GREY = 128 };
    ayf_image picture;
    AYF_TRY(check_shape(ctx, path, height, width, channels));
    if (count < 1 || columns < 1)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: a grid of %d images in %d columns: both must be at least 1",
                        path, count, columns);
    AYF_TRY(ayf_image_grid(ctx, images, (size_t)count, (count - 1) / columns + 1, columns, height, width,
                           channels, PADDING, GREY, &picture));
    ayf_status status = ayf_image_write_png(ctx, path, &picture, NULL, 0);
    ayf_image_clear(ctx, &picture);
    return status;
}
