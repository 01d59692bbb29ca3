#include <omp.h>
#include <string.h>

#include "backend/cpu/avx2.h"
#include "backend/cpu/conv_avx512.h"

enum {
    POINTS = 16,             /* of a transformed 4x4 patch */
    ITEM_FLOATS = 96 * 1024, /* transformed input of a work item: stays in the second-level cache */
    TAPS = 9
};

/* ---- Planning ---- */

bool ayf_winograd_plan(ayf_winograd *plan, const ayf_conv_shape *shape, bool data_gradient,
                       const ayf_element element[3], int threads) {
    memset(plan, 0, sizeof *plan);
    for (int i = 0; i < 3; i++)
        if (element[i] != AYF_F32) return false;
    if (shape->w[1] != 3 || shape->w[2] != 3 || shape->stride != 1) return false;
    if (!ayf_direct512_plan(&plan->direct, shape, data_gradient, element, false, threads)) return false;
    const ayf_conv_shape *s = &plan->direct.s;
    plan->down = divide_up(s->y[1], 2);
    plan->across = divide_up(s->y[2], 2);
    plan->patches = s->y[0] * plan->down * plan->across;
    int64_t most = ITEM_FLOATS / (POINTS * s->x[3]) / AYF_PATCH_PIXELS * AYF_PATCH_PIXELS;
    plan->items = divide_up(plan->patches, larger(AYF_PATCH_PIXELS, most));
    plan->items = smaller(plan->patches, divide_up(plan->items, threads) * threads);
    int64_t item = divide_up(plan->patches, plan->items);
    plan->weight_units = (size_t)(plan->direct.tiles * AYF_PATCH_LANES * POINTS * s->x[3]);
    plan->x_units = lines(POINTS * item * s->x[3]);
    plan->y_units = (size_t)(POINTS * item * AYF_PATCH_LANES);
    return true;
}

size_t ayf_winograd_packed_bytes(const ayf_winograd *plan) { return plan->weight_units * sizeof(float); }

size_t ayf_winograd_scratch_bytes(const ayf_winograd *plan) {
    return (plan->x_units + plan->y_units) * (size_t)plan->direct.threads * sizeof(float);
}

#if AYF_HAVE_AVX2

AVX512_INLINE __mmask16 first_lanes(int64_t count) {
    return (__mmask16)(count >= AYF_VECTOR ? 0xFFFF : (1 << count) - 1);
}

/* ---- Weights ---- */

/* One line of three taps at the four points 0, 1, -1 and infinity. */
AVX512_INLINE void evaluate_taps(__m512 a, __m512 b, __m512 c, __m512 to[4]) {
    const __m512 half = _mm512_set1_ps(0.5f);
    __m512 even = _mm512_mul_ps(half, _mm512_add_ps(a, c)), odd = _mm512_mul_ps(half, b);
    to[0] = a;
    to[1] = _mm512_add_ps(even, odd);
    to[2] = _mm512_sub_ps(even, odd);
    to[3] = c;
}

/* A tile as [point][channel][lane]. It is first packed as taps into its own end: those of a channel are all
 * read before its points are written over them. */
AVX512 static void pack_tile(const ayf_winograd *plan, int64_t tile, const float *w, float *to) {
    const ayf_conv_shape *s = &plan->direct.s;
    const int64_t in = s->x[3], lanes = smaller(AYF_PATCH_LANES, s->y[3] - tile * AYF_PATCH_LANES);
    const int64_t width = lanes > AYF_VECTOR ? AYF_PATCH_LANES : AYF_VECTOR, step = in * width;
    const float *taps = to + (POINTS - TAPS) * step;
    ayf_direct512_pack_tile(&plan->direct, tile, w, to + (POINTS - TAPS) * step);
    for (int64_t at = 0; at < step; at += AYF_VECTOR) {
        __m512 line[3][4], column[4][4];
#pragma GCC unroll 3
        for (int p = 0; p < 3; p++) {
            const float *f = taps + 3 * p * step + at;
            evaluate_taps(_mm512_load_ps(f), _mm512_load_ps(f + step), _mm512_load_ps(f + 2 * step), line[p]);
        }
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) evaluate_taps(line[0][q], line[1][q], line[2][q], column[q]);
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++)
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++) _mm512_store_ps(to + (4 * p + q) * step + at, column[q][p]);
    }
}

void ayf_winograd_pack(const ayf_winograd *plan, const float *w, float *packed) {
    const int64_t tile_units = AYF_PATCH_LANES * POINTS * plan->direct.s.x[3];
#pragma omp parallel for num_threads(plan->direct.threads) schedule(static)
    for (int64_t tile = 0; tile < plan->direct.tiles; tile++)
        pack_tile(plan, tile, w, packed + tile * tile_units);
}

/* ---- Input and output ---- */

AVX512_INLINE void evaluate_input(const __m512 d[4], __m512 to[4]) {
    to[0] = _mm512_sub_ps(d[0], d[2]);
    to[1] = _mm512_add_ps(d[1], d[2]);
    to[2] = _mm512_sub_ps(d[2], d[1]);
    to[3] = _mm512_sub_ps(d[1], d[3]);
}

/* The 4x4 inputs from `x` on, of which `there` has a bit each inside the image, as [point][patch][channel]. */
AVX512_INLINE void transform_patch(const float *x, int64_t row, int64_t in, unsigned there, const bool inside,
                                   float *to, int64_t step) {
    for (int64_t c = 0; c < in; c += AYF_VECTOR) {
        const __mmask16 lanes = first_lanes(in - c);
        __m512 line[4][4], column[4][4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512 d[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                __mmask16 mask = inside || (there >> (4 * i + j) & 1u) ? lanes : 0;
                d[j] = _mm512_maskz_loadu_ps(mask, x + i * row + j * in + c);
            }
            evaluate_input(d, line[i]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const __m512 d[4] = {line[0][j], line[1][j], line[2][j], line[3][j]};
            evaluate_input(d, column[j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                _mm512_mask_storeu_ps(to + (4 * i + j) * step + c, lanes, column[j][i]);
    }
}

AVX512 static void transform_input(const ayf_winograd *plan, const float *x, int64_t first, int64_t count,
                                   float *to) {
    const ayf_conv_shape *s = &plan->direct.s;
    const int64_t in = s->x[3], row = s->x[2] * in, step = count * in;
    for (int64_t i = 0; i < count; i++) {
        int64_t image = (first + i) / (plan->down * plan->across);
        int64_t up = (first + i) / plan->across % plan->down * 2 - s->pad_top;
        int64_t left = (first + i) % plan->across * 2 - s->pad_left;
        const float *from = x + image * s->x[1] * row + up * row + left * in;
        if (up >= 0 && up + 4 <= s->x[1] && left >= 0 && left + 4 <= s->x[2]) {
            transform_patch(from, row, in, 0, true, to + i * in, step);
            continue;
        }
        unsigned there = 0;
        for (int p = 0; p < 4; p++)
            for (int q = 0; q < 4; q++)
                if (up + p >= 0 && up + p < s->x[1] && left + q >= 0 && left + q < s->x[2])
                    there |= 1u << (4 * p + q);
        transform_patch(from, row, in, there, false, to + i * in, step);
    }
}

AVX512_INLINE void sum_points(const __m512 m[4], __m512 to[2]) {
    to[0] = _mm512_add_ps(_mm512_add_ps(m[0], m[1]), m[2]);
    to[1] = _mm512_sub_ps(_mm512_sub_ps(m[1], m[2]), m[3]);
}

/* The 2x2 outputs of every patch from the products of a tile of output channels, [point][patch][32]. */
AVX512 static void transform_output(const ayf_winograd *plan, const float *products, int64_t first,
                                    int64_t count, int64_t tile, float *y) {
    const ayf_conv_shape *s = &plan->direct.s;
    const int64_t out = s->y[3], step = count * AYF_PATCH_LANES;
    for (int64_t i = 0; i < count; i++) {
        int64_t image = (first + i) / (plan->down * plan->across);
        int64_t top = (first + i) / plan->across % plan->down * 2, left = (first + i) % plan->across * 2;
        float *to = y + ((image * s->y[1] + top) * s->y[2] + left) * out;
        for (int64_t c = tile * AYF_PATCH_LANES; c < smaller(out, (tile + 1) * AYF_PATCH_LANES);
             c += AYF_VECTOR) {
            const float *from = products + i * AYF_PATCH_LANES + c % AYF_PATCH_LANES;
            const __mmask16 lanes = first_lanes(out - c);
            __m512 line[4][2], sum[2][2];
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++) {
                const float *f = from + 4 * p * step;
                const __m512 m[4] = {_mm512_load_ps(f), _mm512_load_ps(f + step),
                                     _mm512_load_ps(f + 2 * step), _mm512_load_ps(f + 3 * step)};
                sum_points(m, line[p]);
            }
#pragma GCC unroll 2
            for (int q = 0; q < 2; q++) {
                const __m512 m[4] = {line[0][q], line[1][q], line[2][q], line[3][q]};
                sum_points(m, sum[q]);
            }
#pragma GCC unroll 2
            for (int p = 0; p < 2; p++)
#pragma GCC unroll 2
                for (int q = 0; q < 2; q++)
                    if (top + p < s->y[1] && left + q < s->y[2])
                        _mm512_mask_storeu_ps(to + (p * s->y[2] + q) * out + c, lanes, sum[q][p]);
        }
    }
}

/* ---- Running ---- */

static void multiply_points(const ayf_winograd *plan, const float *x, int64_t count, const float *packed,
                            int64_t lanes, float *products) {
    const int64_t in = plan->direct.s.x[3], groups = divide_up(count, AYF_PATCH_PIXELS);
    ayf_patch a = {.outer = 1, .inner = in, .x_inner = 1, .x_pixel = in, .y_pixel = AYF_PATCH_LANES};
    a.lanes = lanes;
    a.w_inner = lanes > AYF_VECTOR ? AYF_PATCH_LANES : AYF_VECTOR;
    for (int64_t point = 0; point < POINTS; point++) {
        a.w = packed + point * in * a.w_inner;
        for (int64_t g = 0; g < groups; g++) {
            int64_t begin = count * g / groups;
            a.x = x + (point * count + begin) * in;
            a.y = products + (point * count + begin) * AYF_PATCH_LANES;
            ayf_patch_run(&a, count * (g + 1) / groups - begin);
        }
    }
}

void ayf_winograd_run(const ayf_winograd *plan, const float *x, const float *packed, float *y,
                      float *scratch) {
    const ayf_direct512 *direct = &plan->direct;
    const int64_t tile_units = AYF_PATCH_LANES * POINTS * direct->s.x[3];
#pragma omp parallel num_threads(direct->threads)
    {
        float *points = scratch + (size_t)omp_get_thread_num() * (plan->x_units + plan->y_units);
        float *products = points + plan->x_units;
        /* No sum crosses work items, so who does which does not matter. */
#pragma omp for schedule(dynamic)
        for (int64_t item = 0; item < plan->items; item++) {
            int64_t first = plan->patches * item / plan->items;
            int64_t count = plan->patches * (item + 1) / plan->items - first;
            transform_input(plan, x, first, count, points);
            for (int64_t tile = 0; tile < direct->tiles; tile++) {
                int64_t rest = direct->s.y[3] - tile * AYF_PATCH_LANES;
                multiply_points(plan, points, count, packed + tile * tile_units,
                                smaller(AYF_PATCH_LANES, rest), products);
                transform_output(plan, products, first, count, tile, y);
            }
        }
    }
}

#else

void ayf_winograd_pack(const ayf_winograd *plan, const float *w, float *packed) {
    (void)plan, (void)w, (void)packed;
}

void ayf_winograd_run(const ayf_winograd *plan, const float *x, const float *packed, float *y,
                      float *scratch) {
    (void)plan, (void)x, (void)packed, (void)y, (void)scratch;
}

#endif
