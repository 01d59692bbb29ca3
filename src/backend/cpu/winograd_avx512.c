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
    if (!ayf_direct512_plan(&plan->direct, shape, data_gradient, element, threads)) return false;
    const ayf_conv_shape *s = &plan->direct.s;
    plan->down = divide_up(s->y[1], 2);
    plan->across = divide_up(s->y[2], 2);
    plan->patches = s->y[0] * plan->down * plan->across;
    int64_t most = ITEM_FLOATS / (POINTS * s->x[3]) / AYF_PATCH_PIXELS * AYF_PATCH_PIXELS;
    plan->items = divide_up(plan->patches, larger(AYF_PATCH_PIXELS, most));
    plan->items = smaller(plan->patches, divide_up(plan->items, threads) * threads);
    int64_t item = divide_up(plan->patches, plan->items);
    plan->weight_floats = (size_t)(plan->direct.tiles * AYF_PATCH_LANES * POINTS * s->x[3]);
    plan->x_floats = lines(POINTS * item * s->x[3]);
    plan->y_floats = (size_t)(POINTS * item * AYF_PATCH_LANES);
    return true;
}

size_t ayf_winograd_packed_bytes(const ayf_winograd *plan) { return plan->weight_floats * sizeof(float); }

size_t ayf_winograd_scratch_bytes(const ayf_winograd *plan) {
    return (plan->x_floats + plan->y_floats) * (size_t)plan->direct.threads * sizeof(float);
}

bool ayf_winograd_wgrad_plan(ayf_winograd_wgrad *plan, const ayf_conv_shape *shape,
                             const ayf_element element[3], int slots) {
    const int64_t in = shape->x[3], out = shape->y[3];
    memset(plan, 0, sizeof *plan);
    for (int i = 0; i < 3; i++)
        if (element[i] != AYF_F32) return false;
    if (shape->w[1] != 3 || shape->w[2] != 3 || shape->stride != 1) return false;
    if (in % AYF_PATCH_LANES != 0 || out % AYF_VECTOR != 0) return false;
    plan->s = *shape;
    plan->slots = slots;
    plan->down = divide_up(shape->y[1], 2);
    plan->across = divide_up(shape->y[2], 2);
    plan->patches = shape->y[0] * plan->down * plan->across;
    plan->items = divide_up(plan->patches, larger(16, 2 * ITEM_FLOATS / (POINTS * (in + out))));
    plan->items = smaller(plan->patches, divide_up(plan->items, slots) * slots);
    int64_t item = divide_up(plan->patches, plan->items);
    plan->sum_floats = (size_t)(POINTS * in * out);
    plan->x_floats = (size_t)(POINTS * item * in);
    plan->y_floats = (size_t)(POINTS * item * out);
    return true;
}

size_t ayf_winograd_wgrad_scratch_bytes(const ayf_winograd_wgrad *plan) {
    return (plan->sum_floats + plan->x_floats + plan->y_floats) * (size_t)plan->slots * sizeof(float);
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
    const int64_t tile_floats = AYF_PATCH_LANES * POINTS * plan->direct.s.x[3];
#pragma omp parallel for num_threads(plan->direct.threads) schedule(static)
    for (int64_t tile = 0; tile < plan->direct.tiles; tile++)
        pack_tile(plan, tile, w, packed + tile * tile_floats);
}

/* ---- Input and output ---- */

AVX512_INLINE void evaluate_input(const __m512 d[4], __m512 to[4]) {
    to[0] = _mm512_sub_ps(d[0], d[2]);
    to[1] = _mm512_add_ps(d[1], d[2]);
    to[2] = _mm512_sub_ps(d[2], d[1]);
    to[3] = _mm512_sub_ps(d[1], d[3]);
}

/* Where channel c lies in an array of blocks of 32 channels. */
static inline int64_t block_offset(int64_t c, int64_t block_step) {
    return c / AYF_PATCH_LANES * block_step + c % AYF_PATCH_LANES;
}

/* The 4x4 inputs from `x` on, of which `there` has a bit each inside the image. Points are `step` apart. */
AVX512_INLINE void transform_patch(const float *x, int64_t row, int64_t in, unsigned there, const bool inside,
                                   float *to, int64_t step, int64_t block_step) {
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
                _mm512_mask_storeu_ps(to + (4 * i + j) * step + block_offset(c, block_step), lanes,
                                      column[j][i]);
    }
}

/* Which patches of which image a work item has. */
typedef struct span {
    int64_t down, across, first, count;
} span;

/* As [point][block of 32 channels][patch][channel], or with `plain` as [point][patch][channel]. */
AVX512 static void transform_input(const ayf_conv_shape *s, const span *t, const float *x, bool plain,
                                   float *to) {
    const int64_t in = s->x[3], row = s->x[2] * in, step = t->count * in;
    const int64_t block = plain ? AYF_PATCH_LANES : t->count * AYF_PATCH_LANES;
    const int64_t patch = plain ? in : AYF_PATCH_LANES;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t image = (t->first + i) / (t->down * t->across);
        int64_t up = (t->first + i) / t->across % t->down * 2 - s->pad_top;
        int64_t left = (t->first + i) % t->across * 2 - s->pad_left;
        const float *from = x + image * s->x[1] * row + up * row + left * in;
        if (up >= 0 && up + 4 <= s->x[1] && left >= 0 && left + 4 <= s->x[2]) {
            transform_patch(from, row, in, 0, true, to + i * patch, step, block);
            continue;
        }
        unsigned there = 0;
        for (int p = 0; p < 4; p++)
            for (int q = 0; q < 4; q++)
                if (up + p >= 0 && up + p < s->x[1] && left + q >= 0 && left + q < s->x[2])
                    there |= 1u << (4 * p + q);
        transform_patch(from, row, in, there, false, to + i * patch, step, block);
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
    const int64_t tile_floats = AYF_PATCH_LANES * POINTS * direct->s.x[3];
#pragma omp parallel num_threads(direct->threads)
    {
        float *points = scratch + (size_t)omp_get_thread_num() * (plan->x_floats + plan->y_floats);
        float *products = points + plan->x_floats;
        /* No sum crosses work items, so who does which does not matter. */
#pragma omp for schedule(dynamic)
        for (int64_t item = 0; item < plan->items; item++) {
            int64_t first = plan->patches * item / plan->items;
            int64_t count = plan->patches * (item + 1) / plan->items - first;
            const span t = {plan->down, plan->across, first, count};
            transform_input(&direct->s, &t, x, true, points);
            for (int64_t tile = 0; tile < direct->tiles; tile++) {
                int64_t rest = direct->s.y[3] - tile * AYF_PATCH_LANES;
                multiply_points(plan, points, count, packed + tile * tile_floats,
                                smaller(AYF_PATCH_LANES, rest), products);
                transform_output(plan, products, first, count, tile, y);
            }
        }
    }
}

/* ---- Weight gradient ---- */

/* Sums of output gradients, the transpose of sum_points(). */
AVX512_INLINE void spread(__m512 a, __m512 b, __m512 to[4]) {
    to[0] = a;
    to[1] = _mm512_add_ps(a, b);
    to[2] = _mm512_sub_ps(a, b);
    to[3] = _mm512_sub_ps(_mm512_setzero_ps(), b);
}

/* The 2x2 gradients of every patch as [point][block of 16 channels][patch][channel]. */
AVX512 static void transform_gradient(const ayf_conv_shape *s, const span *t, const float *dy, float *to) {
    const int64_t out = s->y[3], step = t->count * out;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t image = (t->first + i) / (t->down * t->across);
        int64_t top = (t->first + i) / t->across % t->down * 2, left = (t->first + i) % t->across * 2;
        const float *from = dy + ((image * s->y[1] + top) * s->y[2] + left) * out;
        const __mmask16 right = left + 1 < s->y[2] ? 0xFFFF : 0, below = top + 1 < s->y[1] ? 0xFFFF : 0;
        for (int64_t c = 0; c < out; c += AYF_VECTOR) {
            const float *f = from + c, *g = f + s->y[2] * out;
            float *block = to + c * t->count + i * AYF_VECTOR;
            __m512 line[2][4], column[4][4];
            spread(_mm512_loadu_ps(f), _mm512_maskz_loadu_ps(right, f + out), line[0]);
            spread(_mm512_maskz_loadu_ps(below, g), _mm512_maskz_loadu_ps(below & right, g + out), line[1]);
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++) spread(line[0][q], line[1][q], column[q]);
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++)
#pragma GCC unroll 4
                for (int q = 0; q < 4; q++) _mm512_store_ps(block + (4 * p + q) * step, column[q][p]);
        }
    }
}

/* Adds an item to the sums [point][block of 32 inputs][output][32]. */
static void add_products(const ayf_conv_shape *s, int64_t count, const float *x, const float *y,
                         float *sums) {
    enum { ROWS = AYF_VECTOR / 2 };
    const int64_t in = s->x[3], out = s->y[3];
    ayf_patch a = {
        .outer = 1, .inner = count, .x_inner = AYF_VECTOR, .x_pixel = 1, .y_pixel = AYF_PATCH_LANES};
    a.w_inner = AYF_PATCH_LANES;
    a.add = true;
    for (int64_t point = 0; point < POINTS; point++)
        for (int64_t c = 0; c < in; c += AYF_PATCH_LANES) {
            a.w = x + (point * in + c) * count;
            a.lanes = smaller(AYF_PATCH_LANES, in - c);
            for (int64_t o = 0; o < out; o += ROWS) {
                a.x = y + (point * out + o / AYF_VECTOR * AYF_VECTOR) * count + o % AYF_VECTOR;
                a.y = sums + (point * in + c) * out + o * AYF_PATCH_LANES;
                ayf_patch_run(&a, ROWS);
            }
        }
}

/* The transpose of evaluate_taps(). */
AVX512_INLINE void gather_taps(const __m512 m[4], __m512 to[3]) {
    const __m512 half = _mm512_set1_ps(0.5f);
    __m512 even = _mm512_mul_ps(half, _mm512_add_ps(m[1], m[2]));
    to[0] = _mm512_add_ps(m[0], even);
    to[1] = _mm512_mul_ps(half, _mm512_sub_ps(m[1], m[2]));
    to[2] = _mm512_add_ps(m[3], even);
}

/* All taps of output channel `o`, from the sums of all slots. */
AVX512 static void gather(const ayf_winograd_wgrad *plan, const float *scratch, size_t slot_floats, int64_t o,
                          float *dw) {
    const int64_t in = plan->s.x[3], out = plan->s.y[3];
    for (int64_t c = 0; c < in; c += AYF_VECTOR) {
        const float *from = scratch + block_offset(c, out * AYF_PATCH_LANES) + o * AYF_PATCH_LANES;
        __m512 line[4][3];
        for (int p = 0; p < 4; p++) {
            __m512 m[4];
            for (int q = 0; q < 4; q++) {
                const float *f = from + (4 * p + q) * in * out;
                m[q] = _mm512_load_ps(f);
                for (int slot = 1; slot < plan->slots; slot++)
                    m[q] = _mm512_add_ps(m[q], _mm512_load_ps(f + (size_t)slot * slot_floats));
            }
            gather_taps(m, line[p]);
        }
        for (int q = 0; q < 3; q++) {
            const __m512 m[4] = {line[0][q], line[1][q], line[2][q], line[3][q]};
            __m512 taps[3];
            gather_taps(m, taps);
            for (int p = 0; p < 3; p++) _mm512_storeu_ps(dw + (o * TAPS + 3 * p + q) * in + c, taps[p]);
        }
    }
}

void ayf_winograd_wgrad_run(const ayf_winograd_wgrad *plan, const float *x, const float *dy, float *dw,
                            float *scratch) {
    size_t slot_floats = plan->sum_floats + plan->x_floats + plan->y_floats;
#pragma omp parallel num_threads(plan->slots)
    {
        /* Slots, not threads, own items and sums: a smaller team gives the same bytes. */
#pragma omp for schedule(static, 1)
        for (int slot = 0; slot < plan->slots; slot++) {
            float *sums = scratch + (size_t)slot * slot_floats;
            float *x_points = sums + plan->sum_floats, *y_points = x_points + plan->x_floats;
            memset(sums, 0, plan->sum_floats * sizeof(float));
            int64_t last = plan->items * (slot + 1) / plan->slots;
            for (int64_t item = plan->items * slot / plan->slots; item < last; item++) {
                span t = {plan->down, plan->across, plan->patches * item / plan->items, 0};
                t.count = plan->patches * (item + 1) / plan->items - t.first;
                transform_input(&plan->s, &t, x, false, x_points);
                transform_gradient(&plan->s, &t, dy, y_points);
                add_products(&plan->s, t.count, x_points, y_points, sums);
            }
        }
#pragma omp for schedule(static)
        for (int64_t o = 0; o < plan->s.y[3]; o++) gather(plan, scratch, slot_floats, o, dw);
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

void ayf_winograd_wgrad_run(const ayf_winograd_wgrad *plan, const float *x, const float *dy, float *dw,
                            float *scratch) {
    (void)plan, (void)x, (void)dy, (void)dw, (void)scratch;
}

#endif
