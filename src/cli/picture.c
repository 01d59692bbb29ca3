/* Pictures from many images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static float *canvas_new(cli *c, size_t height, size_t width, size_t channels, float value) {
    size_t count = height * width * channels;
    float *canvas = malloc(count * sizeof *canvas);
    if (!canvas) {
        cli_error(c, AYF_E_MEMORY, "out of memory for a picture of %zu x %zu", width, height);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) canvas[i] = value;
    return canvas;
}

/* Points as dots on white, the square [-3,3]^2, y upwards. */
static int scatter(cli *c, const char *path, const float *points, int count, const char *comment) {
    enum { SIDE = 512 };
    const double reach = 3;
    float *canvas = canvas_new(c, SIDE, SIDE, 1, 1);
    if (!canvas) return ayf_exit_code(AYF_E_MEMORY);
    for (int i = 0; i < count; i++) {
        double x = (points[2 * i] + reach) / (2 * reach) * SIDE,
               y = (reach - points[2 * i + 1]) / (2 * reach) * SIDE;
        if (!(x >= 1 && x < SIDE - 1 && y >= 1 && y < SIDE - 1)) continue;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                float *dot = &canvas[((int)y + dy) * SIDE + (int)x + dx];
                *dot = fmaxf(-1, *dot - (dx || dy ? 0.4f : 0.9f));
            }
    }
    ayf_status status = ayf_image_write(c->ctx, path, canvas, SIDE, SIDE, 1, comment);
    free(canvas);
    return status == AYF_OK ? 0 : cli_fail(c);
}

/* 16384 a side is what readers of these pictures accept. */
enum { GAP = 2, SIDE_MOST = 16384 };

int cli_check_picture(cli *c, const char *path, size_t count, int columns, int height, int width, int scale) {
    size_t across = (size_t)columns < count ? (size_t)columns : count, rows = (count + across - 1) / across;
    size_t total_h = rows * ((size_t)(height * scale) + GAP) + GAP,
           total_w = across * ((size_t)(width * scale) + GAP) + GAP;
    if (total_h <= SIDE_MOST && total_w <= SIDE_MOST) return 0;
    return cli_error(
        c, AYF_E_USAGE,
        "%s: the grid would have %zu x %zu pixels, more than %d a side; draw fewer, or write to a folder",
        path, total_w, total_h, SIDE_MOST);
}

int cli_picture(cli *c, const char *path, const float *images, int count, int columns, int height, int width,
                int channels, int scale, const char *comment) {
    if (channels == 2) return scatter(c, path, images, count, comment);
    if (columns > count) columns = count;
    size_t rows = (size_t)((count + columns - 1) / columns), cell_h = (size_t)(height * scale) + GAP,
           cell_w = (size_t)(width * scale) + GAP, depth = (size_t)channels;
    size_t total_h = rows * cell_h + GAP, total_w = (size_t)columns * cell_w + GAP;
    int code = cli_check_picture(c, path, (size_t)count, columns, height, width, scale);
    if (code) return code;
    float *canvas = canvas_new(c, total_h, total_w, depth, 1);
    if (!canvas) return ayf_exit_code(AYF_E_MEMORY);
    for (size_t i = 0; i < (size_t)count; i++) {
        size_t top = i / (size_t)columns * cell_h + GAP, left = i % (size_t)columns * cell_w + GAP;
        const float *image = images + i * (size_t)height * (size_t)width * depth;
        for (size_t y = 0; y < (size_t)(height * scale); y++)
            for (size_t x = 0; x < (size_t)(width * scale); x++)
                memcpy(canvas + ((top + y) * total_w + left + x) * depth,
                       image + (y / (size_t)scale * (size_t)width + x / (size_t)scale) * depth,
                       depth * sizeof *image);
    }
    ayf_status status = ayf_image_write(c->ctx, path, canvas, (int)total_h, (int)total_w, channels, comment);
    free(canvas);
    return status == AYF_OK ? 0 : cli_fail(c);
}
