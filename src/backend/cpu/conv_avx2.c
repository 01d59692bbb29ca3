#include "backend/cpu/conv_avx2.h"

#include <string.h>

#include "backend/cpu/avx2.h"

enum {
    ROWS = 6,          /* channels of a row tile: 6 x 2 sums fill 12 of the 16 registers */
    STRIP_PIXELS = 256 /* packed tiles of a work item stay in the first-level cache */
};

bool ayf_conv_turn(ayf_conv_shape *turned, const ayf_conv_shape *shape) {
    const int64_t *w = shape->w;
    *turned = (ayf_conv_shape){.w = {w[3], w[1], w[2], w[0]},
                               .stride = 1,
                               .pad_top = w[1] - 1 - shape->pad_top,
                               .pad_left = w[2] - 1 - shape->pad_left,
                               .pad_bottom = w[1] - 1 - shape->pad_bottom,
                               .pad_right = w[2] - 1 - shape->pad_right};
    memcpy(turned->x, shape->y, sizeof turned->x);
    memcpy(turned->y, shape->x, sizeof turned->y);
    return shape->stride == 1 && turned->pad_top >= 0 && turned->pad_left >= 0 && turned->pad_bottom >= 0 &&
           turned->pad_right >= 0;
}

void ayf_conv_turn_weights(const ayf_conv_shape *shape, const float *w, float *turned) {
    int64_t out = shape->w[0], taps = shape->w[1] * shape->w[2], in = shape->w[3];
    for (int64_t c = 0; c < in; c++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t o = 0; o < out; o++) *turned++ = w[(o * taps + taps - 1 - tap) * in + c];
}

/* ---- Planning ---- */

void ayf_wgrad_plan(ayf_wgrad *plan, const ayf_conv_shape *shape, int slots) {
    memset(plan, 0, sizeof *plan);
    plan->s = *shape;
    plan->slots = slots;
    int64_t batch = shape->y[0], height = shape->y[1], width = shape->y[2];
    int64_t in = shape->x[3], out = shape->y[3];
    plan->swapped = divide_up(out, LANES) * LANES * divide_up(in, ROWS) <
                    divide_up(in, LANES) * LANES * divide_up(out, ROWS);
    plan->vectors = divide_up(plan->swapped ? out : in, LANES);
    plan->rows = divide_up(plan->swapped ? in : out, ROWS);
    plan->strip = larger(1, smaller(height, STRIP_PIXELS / width));
    plan->group = 1;
    if (plan->strip == height)
        plan->group = larger(1, smaller(batch / slots, STRIP_PIXELS / (height * width)));
    plan->items = divide_up(batch, plan->group) * divide_up(height, plan->strip);
    plan->x_rows = smaller(shape->x[1], (plan->strip - 1) * shape->stride + shape->w[1]);
    int64_t x_tile = plan->swapped ? plan->rows * ROWS : plan->vectors * LANES;
    int64_t y_tile = plan->swapped ? plan->vectors * LANES : plan->rows * ROWS;
    plan->sum_floats = lines(plan->vectors * plan->rows * shape->w[1] * shape->w[2] * ROWS * LANES);
    plan->x_floats = lines(plan->group * plan->x_rows * shape->x[2] * x_tile);
    plan->y_floats = lines(plan->group * plan->strip * width * y_tile);
}

size_t ayf_wgrad_scratch_bytes(const ayf_wgrad *plan) {
    return (plan->sum_floats + plan->x_floats + plan->y_floats) * (size_t)plan->slots * sizeof(float);
}

#if AYF_HAVE_AVX2

bool ayf_avx2_available(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

/* ---- Weight gradient ---- */

/* One tap of one pair of tiles: where the pixels are. Steps count floats. */
typedef struct walk {
    int64_t images, rows, columns;
    int64_t v_image, v_row, v_column; /* vector side */
    int64_t r_image, r_row, r_column; /* row side */
} walk;

/* sum[m][l] += sum over pixels of r[m] v[l], for `count` of the ROWS rows. */
AVX2_INLINE void outer_sum(const walk *w, const float *v, const float *r, float *sum, const int count) {
    __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 6
    for (int m = 0; m < count; m++) {
        low[m] = _mm256_load_ps(sum + m * LANES);
        high[m] = _mm256_load_ps(sum + m * LANES + 8);
    }
    for (int64_t i = 0; i < w->images; i++) {
        for (int64_t j = 0; j < w->rows; j++) {
            const float *vp = v + i * w->v_image + j * w->v_row, *rp = r + i * w->r_image + j * w->r_row;
            for (int64_t k = w->columns; k > 0; k--) {
                __m256 v_low = _mm256_load_ps(vp), v_high = _mm256_load_ps(vp + 8);
#pragma GCC unroll 6
                for (int m = 0; m < count; m++) {
                    __m256 one = _mm256_broadcast_ss(rp + m);
                    low[m] = _mm256_fmadd_ps(one, v_low, low[m]);
                    high[m] = _mm256_fmadd_ps(one, v_high, high[m]);
                }
                vp += w->v_column;
                rp += w->r_column;
            }
        }
    }
#pragma GCC unroll 6
    for (int m = 0; m < count; m++) {
        _mm256_store_ps(sum + m * LANES, low[m]);
        _mm256_store_ps(sum + m * LANES + 8, high[m]);
    }
}

#define OUTER_SUM(count)                                                                                     \
    AVX2 static void outer_sum_##count(const walk *w, const float *v, const float *r, float *sum) {          \
        outer_sum(w, v, r, sum, count);                                                                      \
    }
OUTER_SUM(1)
OUTER_SUM(2)
OUTER_SUM(3)
OUTER_SUM(4)
OUTER_SUM(5)
OUTER_SUM(6)

typedef void outer_sum_fn(const walk *, const float *, const float *, float *);
static outer_sum_fn *const outer_sums[ROWS] = {outer_sum_1, outer_sum_2, outer_sum_3,
                                               outer_sum_4, outer_sum_5, outer_sum_6};

/* Copies `pixels` x `channels` into tiles of 16 channels, `tile_step` floats apart; lanes beyond are 0. */
AVX2 static void pack_lanes(const float *from, int64_t pixels, int64_t channels, float *to,
                            int64_t tile_step) {
    for (int64_t c = 0; c < channels; c += LANES) {
        const float *f = from + c;
        float *t = to + c / LANES * tile_step;
        int64_t count = smaller(LANES, channels - c);
        if (count == LANES) {
            for (int64_t p = 0; p < pixels; p++) {
                _mm256_store_ps(t + p * LANES, _mm256_loadu_ps(f + p * channels));
                _mm256_store_ps(t + p * LANES + 8, _mm256_loadu_ps(f + p * channels + 8));
            }
            continue;
        }
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t l = 0; l < LANES; l++) t[p * LANES + l] = l < count ? f[p * channels + l] : 0.0f;
    }
}

/* The same with tiles of 6 channels; the last tile may leave floats unset, which nothing reads. */
static void pack_rows(const float *from, int64_t pixels, int64_t channels, float *to, int64_t tile_step) {
    for (int64_t c = 0; c < channels; c += ROWS) {
        const float *f = from + c;
        float *t = to + c / ROWS * tile_step;
        int64_t count = smaller(ROWS, channels - c);
        if (count == ROWS) {
            for (int64_t p = 0; p < pixels; p++) memcpy(t + p * ROWS, f + p * channels, ROWS * sizeof(float));
            continue;
        }
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t l = 0; l < count; l++) t[p * ROWS + l] = f[p * channels + l];
    }
}

/* Which outputs of a line of `outputs` meet the `inputs` for tap `tap`: first..last-1. */
static void valid(int64_t tap, int64_t stride, int64_t pad, int64_t inputs, int64_t outputs, int64_t *first,
                  int64_t *last) {
    *first = tap >= pad ? 0 : divide_up(pad - tap, stride);
    int64_t room = inputs - 1 + pad - tap;
    *last = room < 0 ? 0 : smaller(outputs, room / stride + 1);
}

static void wgrad_item(const ayf_wgrad *plan, int64_t item, const float *x, const float *dy, float *sums,
                       float *x_packed, float *y_packed) {
    const ayf_conv_shape *s = &plan->s;
    int64_t strips = divide_up(s->y[1], plan->strip);
    int64_t image = item / strips * plan->group, top = item % strips * plan->strip;
    int64_t images = smaller(plan->group, s->y[0] - image), bottom = smaller(s->y[1], top + plan->strip);
    int64_t x_top = larger(0, top * s->stride - s->pad_top);
    int64_t x_bottom = smaller(s->x[1], (bottom - 1) * s->stride - s->pad_top + s->w[1]);
    if (x_bottom <= x_top) return;

    int64_t x_width = plan->swapped ? ROWS : LANES, y_width = plan->swapped ? LANES : ROWS;
    int64_t x_line = s->x[2] * x_width, y_line = s->y[2] * y_width;
    int64_t x_image = plan->x_rows * x_line, y_image = plan->strip * y_line;
    int64_t x_tile = plan->group * x_image, y_tile = plan->group * y_image;
    for (int64_t i = 0; i < images; i++) {
        const float *xp = x + ((image + i) * s->x[1] + x_top) * s->x[2] * s->x[3];
        const float *yp = dy + ((image + i) * s->y[1] + top) * s->y[2] * s->y[3];
        int64_t x_pixels = (x_bottom - x_top) * s->x[2], y_pixels = (bottom - top) * s->y[2];
        (plan->swapped ? pack_rows : pack_lanes)(xp, x_pixels, s->x[3], x_packed + i * x_image, x_tile);
        (plan->swapped ? pack_lanes : pack_rows)(yp, y_pixels, s->y[3], y_packed + i * y_image, y_tile);
    }

    int64_t row_channels = plan->swapped ? s->x[3] : s->y[3];
    float *sum = sums;
    for (int64_t v = 0; v < plan->vectors; v++) {
        for (int64_t r = 0; r < plan->rows; r++) {
            outer_sum_fn *kernel = outer_sums[smaller(ROWS, row_channels - r * ROWS) - 1];
            for (int64_t p = 0; p < s->w[1]; p++) {
                int64_t first_row, last_row;
                valid(p, s->stride, s->pad_top, s->x[1], s->y[1], &first_row, &last_row);
                first_row = larger(first_row, top);
                last_row = smaller(last_row, bottom);
                for (int64_t q = 0; q < s->w[2]; q++, sum += ROWS * LANES) {
                    int64_t first, last;
                    valid(q, s->stride, s->pad_left, s->x[2], s->y[2], &first, &last);
                    if (first_row >= last_row || first >= last) continue;
                    const float *xp = x_packed + (plan->swapped ? r : v) * x_tile +
                                      (first_row * s->stride - s->pad_top + p - x_top) * x_line +
                                      (first * s->stride - s->pad_left + q) * x_width;
                    const float *yp = y_packed + (plan->swapped ? v : r) * y_tile +
                                      (first_row - top) * y_line + first * y_width;
                    walk w = {.images = images, .rows = last_row - first_row, .columns = last - first};
                    if (plan->swapped) {
                        w.v_image = y_image, w.v_row = y_line, w.v_column = y_width;
                        w.r_image = x_image, w.r_row = x_line * s->stride, w.r_column = x_width * s->stride;
                        kernel(&w, yp, xp, sum);
                    } else {
                        w.v_image = x_image, w.v_row = x_line * s->stride, w.v_column = x_width * s->stride;
                        w.r_image = y_image, w.r_row = y_line, w.r_column = y_width;
                        kernel(&w, xp, yp, sum);
                    }
                }
            }
        }
    }
}

/* Adds the slots' tiles of output channel `o` into dw. */
static void wgrad_gather(const ayf_wgrad *plan, const float *sums, size_t slot_floats, int64_t o, float *dw) {
    const ayf_conv_shape *s = &plan->s;
    int64_t taps = s->w[1] * s->w[2], in = s->x[3];
    for (int64_t tap = 0; tap < taps; tap++) {
        for (int64_t c = 0; c < in; c++) {
            int64_t v = plan->swapped ? o : c, r = plan->swapped ? c : o;
            int64_t at =
                (((v / LANES * plan->rows + r / ROWS) * taps + tap) * ROWS + r % ROWS) * LANES + v % LANES;
            float total = 0.0f;
            for (int slot = 0; slot < plan->slots; slot++)
                total += sums[(size_t)slot * slot_floats + (size_t)at];
            dw[(o * taps + tap) * in + c] = total;
        }
    }
}

void ayf_wgrad_run(const ayf_wgrad *plan, const float *x, const float *dy, float *dw, float *scratch) {
    size_t slot_floats = plan->sum_floats + plan->x_floats + plan->y_floats;
#pragma omp parallel num_threads(plan->slots)
    {
        /* Slots, not threads, own items and sums: a smaller team gives the same bytes. */
#pragma omp for schedule(static, 1)
        for (int slot = 0; slot < plan->slots; slot++) {
            float *sums = scratch + (size_t)slot * slot_floats;
            float *x_packed = sums + plan->sum_floats, *y_packed = x_packed + plan->x_floats;
            memset(sums, 0, plan->sum_floats * sizeof(float));
            int64_t last = plan->items * (slot + 1) / plan->slots;
            for (int64_t item = plan->items * slot / plan->slots; item < last; item++)
                wgrad_item(plan, item, x, dy, sums, x_packed, y_packed);
        }
#pragma omp for schedule(static)
        for (int64_t o = 0; o < plan->s.y[3]; o++) wgrad_gather(plan, scratch, slot_floats, o, dw);
    }
}

/* ---- Forward, few outputs ---- */

AVX2_INLINE float lane_sum(__m256 v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

/* `pixels` neighbouring outputs that meet the same taps: down x across of them, from the one that w points
 * at. x points at the input pixel of the first output for that tap. */
AVX2_INLINE void few_block(const ayf_conv_shape *s, const float *x, const float *w, int64_t down,
                           int64_t across, float *y, const int pixels, const int outputs) {
    __m256 sum[4][AYF_FEW_OUTPUTS];
    float rest[4][AYF_FEW_OUTPUTS];
    int64_t in = s->x[3], whole = in / 8 * 8, pixel = s->stride * in, channel = s->w[1] * s->w[2] * in;
#pragma GCC unroll 4
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) {
            sum[i][o] = _mm256_setzero_ps();
            rest[i][o] = 0.0f;
        }
    for (int64_t p = 0; p < down; p++) {
        const float *xp = x + p * s->x[2] * in, *wp = w + p * s->w[2] * in;
        for (int64_t c = 0; c < across * in; c += in) {
            for (int64_t k = c; k < c + whole; k += 8) {
                __m256 weight[AYF_FEW_OUTPUTS];
#pragma GCC unroll 4
                for (int o = 0; o < outputs; o++) weight[o] = _mm256_loadu_ps(wp + o * channel + k);
#pragma GCC unroll 4
                for (int i = 0; i < pixels; i++) {
                    __m256 value = _mm256_loadu_ps(xp + i * pixel + k);
#pragma GCC unroll 4
                    for (int o = 0; o < outputs; o++)
                        sum[i][o] = _mm256_fmadd_ps(value, weight[o], sum[i][o]);
                }
            }
            for (int64_t k = c + whole; k < c + in; k++)
                for (int i = 0; i < pixels; i++)
                    for (int o = 0; o < outputs; o++) rest[i][o] += xp[i * pixel + k] * wp[o * channel + k];
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) y[i * outputs + o] = lane_sum(sum[i][o]) + rest[i][o];
}

/* Pixels at a time: as many sums as registers hold. */
#define FEW_PIXELS(outputs) ((outputs) < 4 ? 4 : 2)

#define FEW_BLOCK(outputs)                                                                                   \
    AVX2 static void few_block_##outputs(const ayf_conv_shape *s, const float *x, const float *w,            \
                                         int64_t down, int64_t across, float *y, bool several) {             \
        if (several)                                                                                         \
            few_block(s, x, w, down, across, y, FEW_PIXELS(outputs), outputs);                               \
        else                                                                                                 \
            few_block(s, x, w, down, across, y, 1, outputs);                                                 \
    }
FEW_BLOCK(1)
FEW_BLOCK(2)
FEW_BLOCK(3)
FEW_BLOCK(4)

typedef void few_block_fn(const ayf_conv_shape *, const float *, const float *, int64_t, int64_t, float *,
                          bool);
static few_block_fn *const few_blocks[AYF_FEW_OUTPUTS] = {few_block_1, few_block_2, few_block_3, few_block_4};

static void few_row(const ayf_conv_shape *s, int64_t image, int64_t row, const float *x, const float *w,
                    float *y) {
    int64_t in = s->x[3], out = s->y[3], width = s->x[2];
    few_block_fn *block = few_blocks[out - 1];
    int64_t wide = FEW_PIXELS(out);
    int64_t up = row * s->stride - s->pad_top;
    int64_t p0 = larger(0, -up), p1 = larger(p0, smaller(s->w[1], s->x[1] - up));
    for (int64_t j = 0; j < s->y[2];) {
        int64_t left = j * s->stride - s->pad_left, right = left + (wide - 1) * s->stride + s->w[2];
        bool inside = j + wide <= s->y[2] && left >= 0 && right <= width;
        int64_t q0 = larger(0, -left), q1 = larger(q0, smaller(s->w[2], width - left));
        float *yp = y + ((image * s->y[1] + row) * s->y[2] + j) * out;
        if (p0 < p1 && q0 < q1)
            block(s, x + ((image * s->x[1] + up + p0) * width + left + q0) * in, w + (p0 * s->w[2] + q0) * in,
                  p1 - p0, q1 - q0, yp, inside);
        else
            block(s, x, w, 0, 0, yp, inside);
        j += inside ? wide : 1;
    }
}

void ayf_few_outputs_run(const ayf_conv_shape *shape, int threads, const float *x, const float *w, float *y) {
    int64_t rows = shape->y[0] * shape->y[1];
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) few_row(shape, row / shape->y[1], row % shape->y[1], x, w, y);
}

#else

bool ayf_avx2_available(void) { return false; }

void ayf_wgrad_run(const ayf_wgrad *plan, const float *x, const float *dy, float *dw, float *scratch) {
    (void)plan, (void)x, (void)dy, (void)dw, (void)scratch;
}

void ayf_few_outputs_run(const ayf_conv_shape *shape, int threads, const float *x, const float *w, float *y) {
    (void)shape, (void)threads, (void)x, (void)w, (void)y;
}

#endif
