#include "image/resample.h"

#include <math.h>

enum { BITS = 22 }; /* of a weight behind the point */

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x) {
    const double pi = 3.14159265358979323846;
    if (x == 0) return 1;
    x *= pi;
    return sin(x) / x;
}

static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static const struct {
    double support, (*weight)(double x);
} kernels[] = {
    [AYF_KERNEL_BOX] = {0.5, box}, [AYF_KERNEL_BICUBIC] = {2, bicubic}, [AYF_KERNEL_LANCZOS] = {3, lanczos}};

/* The weights of one axis: output i is the sum of taps[i] inputs from first[i] on. */
typedef struct axis {
    int in, out, stride;
    int *first, *taps;
    int32_t *weights; /* [out][stride] */
} axis;

static void free_axis(ayf_context *ctx, axis *a) {
    ayf_free(ctx, a->first);
    ayf_free(ctx, a->taps);
    ayf_free(ctx, a->weights);
}

static void fill_axis(axis *a, ayf_kernel kernel, double *exact) {
    double scale = (double)a->in / a->out, stretch = scale < 1 ? 1 : scale;
    double support = kernels[kernel].support * stretch;
    for (int i = 0; i < a->out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (last > a->in) last = a->in;
        for (int k = 0; k < last - first; k++) {
            exact[k] = kernels[kernel].weight((k + first - centre + 0.5) * (1 / stretch));
            sum += exact[k];
        }
        int32_t *weights = a->weights + (size_t)i * (size_t)a->stride;
        for (int k = 0; k < last - first; k++) {
            double w = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << BITS);
            weights[k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
        a->first[i] = first;
        a->taps[i] = last - first;
    }
}

static ayf_status make_axis(ayf_context *ctx, int in, int out, ayf_kernel kernel, axis *a) {
    double scale = in > out ? (double)in / out : 1;
    *a = (axis){.in = in, .out = out, .stride = (int)ceil(kernels[kernel].support * scale) * 2 + 1};
    a->first = ayf_alloc(ctx, (size_t)out, sizeof *a->first);
    a->taps = ayf_alloc(ctx, (size_t)out, sizeof *a->taps);
    a->weights = ayf_alloc(ctx, (size_t)out * (size_t)a->stride, sizeof *a->weights);
    double *exact = ayf_alloc(ctx, (size_t)a->stride, sizeof *exact);
    bool good = a->first && a->taps && a->weights && exact;
    if (good) fill_axis(a, kernel, exact);
    ayf_free(ctx, exact);
    if (!good) free_axis(ctx, a);
    return good ? AYF_OK : AYF_E_MEMORY;
}

static uint8_t to_byte(int32_t sum) {
    int32_t value = sum >> BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Each of `count` lines of a->in elements becomes one of a->out; an element is `size` values, each by itself.
 */
static void apply(const axis *a, const uint8_t *in, uint8_t *out, size_t count, size_t size) {
    size_t in_line = (size_t)a->in * size, out_line = (size_t)a->out * size;
    for (size_t line = 0; line < count; line++) {
        for (size_t i = 0; i < (size_t)a->out; i++) {
            const int32_t *w = a->weights + i * (size_t)a->stride;
            const uint8_t *from = in + line * in_line + (size_t)a->first[i] * size;
            for (size_t c = 0; c < size; c++) {
                int32_t sum = 1 << (BITS - 1);
                for (int k = 0; k < a->taps[i]; k++) sum += w[k] * from[(size_t)k * size + c];
                out[line * out_line + i * size + c] = to_byte(sum);
            }
        }
    }
}

/* Resamples the columns (each element a pixel) or the rows (each element a whole row). */
static ayf_status pass(ayf_context *ctx, ayf_image *image, bool along_rows, int out, ayf_kernel kernel) {
    int in = along_rows ? image->width : image->height;
    if (in == out) return AYF_OK;
    axis a;
    ayf_image result;
    size_t channels = (size_t)image->channels;
    AYF_TRY(make_axis(ctx, in, out, kernel, &a));
    ayf_status status = ayf_image_init(ctx, &result, along_rows ? image->height : out,
                                       along_rows ? out : image->width, image->channels);
    if (status == AYF_OK && along_rows)
        apply(&a, image->pixels, result.pixels, (size_t)image->height, channels);
    else if (status == AYF_OK)
        apply(&a, image->pixels, result.pixels, 1, (size_t)image->width * channels);
    free_axis(ctx, &a);
    if (status != AYF_OK) return status;
    ayf_free(ctx, image->pixels);
    *image = result;
    return AYF_OK;
}

ayf_status ayf_image_resample(ayf_context *ctx, ayf_image *image, int height, int width, ayf_kernel kernel) {
    AYF_TRY(pass(ctx, image, true, width, kernel));
    return pass(ctx, image, false, height, kernel);
}
