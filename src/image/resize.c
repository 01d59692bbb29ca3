#include "image/resample.h"

#include <math.h>
#include <string.h>

static int shorter_side(const ayf_image *image) {
    return image->height < image->width ? image->height : image->width;
}

static void crop_to(ayf_image *image, int side) {
    size_t c = (size_t)image->channels, row = (size_t)side * c, stride = (size_t)image->width * c;
    size_t top = (size_t)(image->height - side) / 2, left = (size_t)(image->width - side) / 2;
    for (size_t y = 0; y < (size_t)side; y++)
        memmove(image->pixels + y * row, image->pixels + (top + y) * stride + left * c, row);
    image->height = image->width = side;
}

void ayf_image_crop_square(ayf_image *image) { crop_to(image, shorter_side(image)); }

ayf_status ayf_image_set_channels(ayf_context *ctx, ayf_image *image, int channels) {
    if (image->channels == channels) return AYF_OK;
    ayf_image result;
    AYF_TRY(ayf_image_init(ctx, &result, image->height, image->width, channels));
    size_t count = (size_t)image->height * (size_t)image->width;
    for (size_t i = 0; i < count; i++) {
        if (channels == 3) {
            memset(result.pixels + 3 * i, image->pixels[i], 3);
        } else {
            const uint8_t *p = image->pixels + 3 * i;
            result.pixels[i] = (uint8_t)((299u * p[0] + 587u * p[1] + 114u * p[2] + 500u) / 1000u);
        }
    }
    ayf_image_clear(ctx, image);
    *image = result;
    return AYF_OK;
}

ayf_status ayf_image_pad(ayf_context *ctx, ayf_image *image, int top, int left, int height, int width,
                         uint8_t value) {
    ayf_image result;
    AYF_TRY(ayf_image_init(ctx, &result, height, width, image->channels));
    memset(result.pixels, value, ayf_image_bytes(&result));
    result.format = image->format;
    result.traits = image->traits;
    size_t c = (size_t)image->channels, row = (size_t)image->width * c, stride = (size_t)width * c;
    for (size_t y = 0; y < (size_t)image->height; y++)
        memcpy(result.pixels + (y + (size_t)top) * stride + (size_t)left * c, image->pixels + y * row, row);
    ayf_image_clear(ctx, image);
    *image = result;
    return AYF_OK;
}

static void box(const ayf_image *in, ayf_image *out) {
    size_t fy = (size_t)(in->height / out->height), fx = (size_t)(in->width / out->width), area = fy * fx;
    size_t c = (size_t)in->channels, stride = (size_t)in->width * c;
    for (size_t y = 0; y < (size_t)out->height; y++) {
        for (size_t x = 0; x < (size_t)out->width; x++) {
            for (size_t k = 0; k < c; k++) {
                uint64_t sum = 0;
                for (size_t i = 0; i < fy; i++)
                    for (size_t j = 0; j < fx; j++)
                        sum += in->pixels[(y * fy + i) * stride + (x * fx + j) * c + k];
                out->pixels[(y * (size_t)out->width + x) * c + k] = (uint8_t)((sum + area / 2) / area);
            }
        }
    }
}

static double sinc(double x) {
    const double pi = 3.14159265358979323846;
    return x == 0 ? 1 : sin(pi * x) / (pi * x);
}

/* One output position: `taps` weights, summing to 1, that begin at input position `first`. */
typedef struct window {
    size_t first, taps;
} window;

enum { LOBES = 3 };

static size_t max_taps(int in, int out) {
    double scale = in > out ? (double)in / out : 1;
    return (size_t)ceil(LOBES * scale) * 2 + 1;
}

/* The Lanczos kernel is stretched over the input when shrinking, so that nothing above the new Nyquist
 * frequency is left to alias. weights: [out][stride]. */
static void make_windows(int in, int out, window *windows, float *weights, size_t stride) {
    double scale = (double)in / out, stretch = scale > 1 ? scale : 1, reach = LOBES * stretch;
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)floor(centre - reach + 0.5), last = (int)floor(centre + reach + 0.5);
        if (first < 0) first = 0;
        if (last > in) last = in;
        float *w = weights + (size_t)i * stride;
        windows[i] = (window){(size_t)first, (size_t)(last - first)};
        for (int k = first; k < last; k++) {
            double x = (k + 0.5 - centre) / stretch;
            double value = fabs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
            w[k - first] = (float)value;
            sum += value;
        }
        for (int k = first; k < last; k++) w[k - first] = (float)(w[k - first] / sum);
    }
}

static uint8_t round_clamped(float value) {
    if (!(value > 0)) return 0;
    return value >= 254.5f ? 255 : (uint8_t)(value + 0.5f);
}

typedef struct lanczos_plan {
    window *rows, *columns;
    float *row_weights, *column_weights, *middle; /* middle: [in height][out width][c] */
    size_t row_stride, column_stride;
} lanczos_plan;

static void lanczos(const ayf_image *in, ayf_image *out, lanczos_plan *plan) {
    size_t c = (size_t)in->channels, in_w = (size_t)in->width, out_w = (size_t)out->width;
    make_windows(in->width, out->width, plan->columns, plan->column_weights, plan->column_stride);
    make_windows(in->height, out->height, plan->rows, plan->row_weights, plan->row_stride);
    for (size_t y = 0; y < (size_t)in->height; y++) {
        for (size_t x = 0; x < out_w; x++) {
            const float *w = plan->column_weights + x * plan->column_stride;
            const uint8_t *from = in->pixels + (y * in_w + plan->columns[x].first) * c;
            for (size_t k = 0; k < c; k++) {
                float sum = 0;
                for (size_t i = 0; i < plan->columns[x].taps; i++) sum += w[i] * (float)from[i * c + k];
                plan->middle[(y * out_w + x) * c + k] = sum;
            }
        }
    }
    size_t row = out_w * c;
    for (size_t y = 0; y < (size_t)out->height; y++) {
        const float *w = plan->row_weights + y * plan->row_stride;
        const float *from = plan->middle + plan->rows[y].first * row;
        for (size_t k = 0; k < row; k++) {
            float sum = 0;
            for (size_t i = 0; i < plan->rows[y].taps; i++) sum += w[i] * from[i * row + k];
            out->pixels[y * row + k] = round_clamped(sum);
        }
    }
}

static ayf_status lanczos_resize(ayf_context *ctx, const ayf_image *in, ayf_image *out) {
    lanczos_plan plan = {.row_stride = max_taps(in->height, out->height),
                         .column_stride = max_taps(in->width, out->width)};
    size_t height = (size_t)out->height, width = (size_t)out->width;
    plan.rows = ayf_alloc(ctx, height, sizeof *plan.rows);
    plan.columns = ayf_alloc(ctx, width, sizeof *plan.columns);
    plan.row_weights = ayf_alloc(ctx, height * plan.row_stride, sizeof(float));
    plan.column_weights = ayf_alloc(ctx, width * plan.column_stride, sizeof(float));
    plan.middle = ayf_alloc(ctx, (size_t)in->height * width * (size_t)in->channels, sizeof(float));
    bool good = plan.rows && plan.columns && plan.row_weights && plan.column_weights && plan.middle;
    if (good) lanczos(in, out, &plan);
    ayf_free(ctx, plan.rows);
    ayf_free(ctx, plan.columns);
    ayf_free(ctx, plan.row_weights);
    ayf_free(ctx, plan.column_weights);
    ayf_free(ctx, plan.middle);
    return good ? AYF_OK : AYF_E_MEMORY;
}

/* As the pictures of runs were made before there was a choice. */
static ayf_status box_resize(ayf_context *ctx, ayf_image *image, int height, int width) {
    ayf_image result;
    AYF_TRY(ayf_image_init(ctx, &result, height, width, image->channels));
    ayf_status status = AYF_OK;
    if (image->height % height == 0 && image->width % width == 0)
        box(image, &result);
    else
        status = lanczos_resize(ctx, image, &result);
    if (status != AYF_OK) {
        ayf_image_clear(ctx, &result);
        return status;
    }
    ayf_image_clear(ctx, image);
    *image = result;
    return AYF_OK;
}

ayf_status ayf_image_resize(ayf_context *ctx, ayf_image *image, int height, int width, ayf_resize how) {
    if (image->height == height && image->width == width) return AYF_OK;
    if (how == AYF_RESIZE_BOX) return box_resize(ctx, image, height, width);
    return ayf_image_resample(ctx, image, height, width, AYF_KERNEL_LANCZOS);
}

/* The sides become whole numbers as in Python: halves go to the even one. */
static ayf_status dhariwal(ayf_context *ctx, ayf_image *image, int side) {
    while (shorter_side(image) >= 2 * side)
        AYF_TRY(ayf_image_resample(ctx, image, image->height / 2, image->width / 2, AYF_KERNEL_BOX));
    double scale = (double)side / shorter_side(image);
    int height = (int)lrint(image->height * scale), width = (int)lrint(image->width * scale);
    if ((int64_t)height * width > AYF_IMAGE_MAX_PIXELS)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%d x %d pixels would become %d x %d before the crop, more than fit (%d); crop it",
                        image->height, image->width, height, width, AYF_IMAGE_MAX_PIXELS);
    AYF_TRY(ayf_image_resample(ctx, image, height, width, AYF_KERNEL_BICUBIC));
    crop_to(image, side);
    return AYF_OK;
}

ayf_status ayf_image_to_square(ayf_context *ctx, ayf_image *image, int side, ayf_resize how) {
    if (how == AYF_RESIZE_DHARIWAL) return dhariwal(ctx, image, side);
    ayf_image_crop_square(image);
    return ayf_image_resize(ctx, image, side, side, how);
}
