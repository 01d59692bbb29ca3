#include "backend/cpu/conv_avx2.h"

#include <string.h>

#include "backend/cpu/avx2.h"

enum {
    PIXELS = 6, /* 6 x 2 sums fill 12 of the 16 registers */
    BLOCK = 64, /* channels; weights of one row of taps (3 x 64 x 16) stay in the first-level cache */
    STRIP_FLOATS = 40960 /* the padded input of a work item stays in the second-level cache */
};

/* ---- Planning ---- */

bool ayf_direct_plan(ayf_direct *plan, const ayf_conv_shape *shape, bool data_gradient, int threads) {
    memset(plan, 0, sizeof *plan);
    plan->s = *shape;
    plan->threads = threads;
    plan->flipped = data_gradient;
    if (data_gradient && !ayf_conv_turn(&plan->s, shape)) return false;
    const ayf_conv_shape *s = &plan->s;
    int64_t in = s->x[3], out = s->y[3];
    plan->tiles = divide_up(out, LANES);
    if (!ayf_avx2_available() || in < 8 || 4 * plan->tiles * LANES > 5 * out) return false;

    plan->block = divide_up(in, divide_up(in, BLOCK));
    plan->x_columns = (s->y[2] - 1) * s->stride + s->w[2];
    int64_t line = plan->x_columns * in;
    int64_t rows = larger(s->w[1], STRIP_FLOATS / line);
    plan->strip = smaller(s->y[1], (rows - s->w[1]) / s->stride + 1);
    plan->x_rows = (plan->strip - 1) * s->stride + s->w[1];
    plan->group = 1;
    if (plan->strip == s->y[1])
        plan->group = larger(1, smaller(s->y[0] / threads, STRIP_FLOATS / (plan->x_rows * line)));
    plan->items = divide_up(s->y[0], plan->group) * divide_up(s->y[1], plan->strip);
    plan->weight_floats = lines(plan->tiles * LANES * s->w[1] * s->w[2] * in);
    plan->x_floats = lines(plan->group * plan->x_rows * line);
    return true;
}

size_t ayf_direct_scratch_bytes(const ayf_direct *plan) {
    return (plan->weight_floats + plan->x_floats * (size_t)plan->threads) * sizeof(float);
}

#if AYF_HAVE_AVX2

#include <omp.h>

/* ---- Registers ---- */

/* One call sums a row of taps over a block of channels for a few neighbouring pixels. Steps count floats. */
typedef struct patch {
    const float *x; /* first pixel, first tap, first channel of the block */
    const float *w; /* [tap][channel of the block][16] */
    float *y;
    int64_t taps, channels;
    int64_t x_tap, x_pixel, y_pixel;
    bool add; /* to what y holds */
} patch;

AVX2_INLINE void sum_patch(const patch *a, const int pixels) {
    __m256 low[PIXELS], high[PIXELS];
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++) {
        low[i] = a->add ? _mm256_loadu_ps(a->y + i * a->y_pixel) : _mm256_setzero_ps();
        high[i] = a->add ? _mm256_loadu_ps(a->y + i * a->y_pixel + 8) : _mm256_setzero_ps();
    }
    const float *w = a->w;
    const int64_t step = a->x_pixel;
    for (int64_t q = 0; q < a->taps; q++) {
        const float *x = a->x + q * a->x_tap, *x3 = x + 3 * step;
#pragma GCC unroll 4
        for (int64_t c = 0; c < a->channels; c++) {
            __m256 w_low = _mm256_load_ps(w), w_high = _mm256_load_ps(w + 8);
            w += LANES;
#pragma GCC unroll 6
            for (int i = 0; i < pixels; i++) {
                __m256 one = _mm256_broadcast_ss((i < 3 ? x + i * step : x3 + (i - 3) * step) + c);
                low[i] = _mm256_fmadd_ps(one, w_low, low[i]);
                high[i] = _mm256_fmadd_ps(one, w_high, high[i]);
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++) {
        _mm256_storeu_ps(a->y + i * a->y_pixel, low[i]);
        _mm256_storeu_ps(a->y + i * a->y_pixel + 8, high[i]);
    }
}

#define SUM_PATCH(pixels)                                                                                    \
    AVX2 static void sum_patch_##pixels(const patch *a) { sum_patch(a, pixels); }
SUM_PATCH(1)
SUM_PATCH(2)
SUM_PATCH(3)
SUM_PATCH(4)
SUM_PATCH(5)
SUM_PATCH(6)

static void (*const sum_patches[PIXELS])(const patch *) = {sum_patch_1, sum_patch_2, sum_patch_3,
                                                           sum_patch_4, sum_patch_5, sum_patch_6};

/* ---- Packing ---- */

/* Weights as [tile][p][block of channels][q][channel][16], the order in which they are read. */
static void pack_weights(const ayf_direct *plan, int64_t tile, const float *w, float *to) {
    const ayf_conv_shape *s = &plan->s;
    int64_t high = s->w[1], wide = s->w[2], in = s->x[3], out = s->y[3];
    int64_t count = smaller(LANES, out - tile * LANES);
    to += tile * LANES * high * wide * in;
    for (int64_t p = 0; p < high; p++)
        for (int64_t from = 0; from < in; from += plan->block)
            for (int64_t q = 0; q < wide; q++)
                for (int64_t c = from; c < smaller(in, from + plan->block); c++, to += LANES) {
                    const float *f;
                    int64_t step;
                    if (plan->flipped) {
                        f = w + ((c * high + high - 1 - p) * wide + wide - 1 - q) * out + tile * LANES;
                        step = 1;
                    } else {
                        f = w + ((tile * LANES * high + p) * wide + q) * in + c;
                        step = high * wide * in;
                    }
                    for (int64_t l = 0; l < count; l++) to[l] = f[l * step];
                    for (int64_t l = count; l < LANES; l++) to[l] = 0.0f;
                }
}

/* Input rows `top`.. of one image between zeros. */
static void pad_rows(const ayf_direct *plan, const float *image, int64_t top, float *to) {
    const ayf_conv_shape *s = &plan->s;
    int64_t in = s->x[3], line = plan->x_columns * in;
    int64_t left = smaller(s->pad_left, plan->x_columns);
    int64_t inside = larger(0, smaller(s->x[2], plan->x_columns - left));
    for (int64_t i = 0; i < plan->x_rows; i++, to += line) {
        int64_t row = top + i;
        if (row < 0 || row >= s->x[1]) continue; /* its taps are left out */
        memset(to, 0, (size_t)(left * in) * sizeof *to);
        memcpy(to + left * in, image + row * s->x[2] * in, (size_t)(inside * in) * sizeof *to);
        memset(to + (left + inside) * in, 0, (size_t)((plan->x_columns - left - inside) * in) * sizeof *to);
    }
}

/* ---- Running ---- */

/* All pixels of output row `row`, given the padded rows from `top` on. */
static void direct_row(const ayf_direct *plan, const float *rows, int64_t top, int64_t row, int64_t p,
                       int64_t from, bool add, const float *w, int64_t lanes, float *y) {
    const ayf_conv_shape *s = &plan->s;
    int64_t in = s->x[3], out = s->y[3], width = s->y[2], groups = divide_up(width, PIXELS);
    const float *x = rows + (row * s->stride - s->pad_top + p - top) * plan->x_columns * in + from;
    float part[PIXELS * LANES];
    patch a = {.w = w,
               .taps = s->w[2],
               .channels = smaller(plan->block, in - from),
               .x_tap = in,
               .x_pixel = s->stride * in,
               .add = add};
    for (int64_t g = 0; g < groups; g++) {
        int64_t first = width * g / groups, count = width * (g + 1) / groups - first;
        float *to = y + first * out;
        a.x = x + first * a.x_pixel;
        a.y = lanes == LANES ? to : part;
        a.y_pixel = lanes == LANES ? out : LANES;
        if (lanes < LANES && add)
            for (int64_t i = 0; i < count; i++)
                memcpy(part + i * LANES, to + i * out, (size_t)lanes * sizeof *to);
        sum_patches[count - 1](&a);
        if (lanes < LANES)
            for (int64_t i = 0; i < count; i++)
                memcpy(to + i * out, part + i * LANES, (size_t)lanes * sizeof *to);
    }
}

static void direct_item(const ayf_direct *plan, int64_t item, const float *x, const float *w, float *y,
                        float *padded) {
    const ayf_conv_shape *s = &plan->s;
    int64_t in = s->x[3], out = s->y[3], strips = divide_up(s->y[1], plan->strip);
    int64_t image = item / strips * plan->group, first = item % strips * plan->strip;
    int64_t images = smaller(plan->group, s->y[0] - image), last = smaller(s->y[1], first + plan->strip);
    int64_t top = first * s->stride - s->pad_top, image_floats = plan->x_rows * plan->x_columns * in;
    for (int64_t i = 0; i < images; i++)
        pad_rows(plan, x + (image + i) * s->x[1] * s->x[2] * in, top, padded + i * image_floats);

    const int64_t tap_floats = s->w[2] * LANES;
    for (int64_t tile = 0; tile < plan->tiles; tile++) {
        const float *weights = w + tile * s->w[1] * in * tap_floats;
        int64_t lanes = smaller(LANES, out - tile * LANES);
        for (int64_t p = 0; p < s->w[1]; p++) {
            for (int64_t from = 0; from < in; from += plan->block) {
                for (int64_t i = 0; i < images; i++) {
                    for (int64_t row = first; row < last; row++) {
                        int64_t up = row * s->stride - s->pad_top; /* input row of tap 0 */
                        float *to = y + ((image + i) * s->y[1] + row) * s->y[2] * out + tile * LANES;
                        if (up + p < 0 || up + p >= s->x[1]) continue;
                        bool add = from > 0 || p > larger(0, -up);
                        direct_row(plan, padded + i * image_floats, top, row, p, from, add, weights, lanes,
                                   to);
                    }
                }
                weights += smaller(plan->block, in - from) * tap_floats;
            }
        }
    }
    /* Rows that no tap meets. */
    for (int64_t i = 0; i < images; i++) {
        for (int64_t row = first; row < last; row++) {
            int64_t up = row * s->stride - s->pad_top;
            if (up + s->w[1] > 0 && up < s->x[1]) continue;
            memset(y + ((image + i) * s->y[1] + row) * s->y[2] * out, 0, (size_t)(s->y[2] * out) * sizeof *y);
        }
    }
}

void ayf_direct_run(const ayf_direct *plan, const float *x, const float *w, float *y, float *scratch) {
    float *weights = scratch, *padded = scratch + plan->weight_floats;
#pragma omp parallel num_threads(plan->threads)
    {
        float *mine = padded + (size_t)omp_get_thread_num() * plan->x_floats;
#pragma omp for schedule(static)
        for (int64_t tile = 0; tile < plan->tiles; tile++) pack_weights(plan, tile, w, weights);
            /* No sum crosses work items, so who does which does not matter. */
#pragma omp for schedule(dynamic)
        for (int64_t item = 0; item < plan->items; item++) direct_item(plan, item, x, weights, y, mine);
    }
}

#else

void ayf_direct_run(const ayf_direct *plan, const float *x, const float *w, float *y, float *scratch) {
    (void)plan, (void)x, (void)w, (void)y, (void)scratch;
}

#endif
