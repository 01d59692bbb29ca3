#include <omp.h>
#include <string.h>

#include "backend/cpu/avx2.h"
#include "backend/cpu/conv_avx512.h"
#include "base/bf16.h"

/* ---- Planning ---- */

static int64_t step_a(const ayf_gemm_shape *s) { return s->stride_a ? s->stride_a : s->m * s->k; }
static int64_t step_b(const ayf_gemm_shape *s) { return s->stride_b ? s->stride_b : s->k * s->n; }
static int64_t tiles_of(const ayf_gemm_shape *s) { return divide_up(s->n, AYF_PATCH_LANES); }

/* Rows of D per work item: enough to use a packed tile of B several times, few enough that all threads have
 * work to the end. */
static int64_t block_of(const ayf_gemm_shape *s, int threads) {
    enum { ROWS = 96, FEW_ITEMS = 8 };
    int64_t blocks = divide_up(s->m, ROWS);
    if (s->batch * blocks < FEW_ITEMS * threads) blocks = divide_up(s->m, 2 * AYF_PATCH_PIXELS);
    return divide_up(s->m, blocks);
}

void ayf_gemm512_plan(ayf_gemm512 *plan, const ayf_gemm_shape *shape, const ayf_element element[3], bool bf16,
                      int threads) {
    static const double SMALL = 2e6; /* not worth waking a thread */
    const ayf_gemm_shape *s = shape;
    memset(plan, 0, sizeof *plan);
    plan->s = *s;
    bool pairs = bf16 && element[0] == AYF_BF16 && element[1] == AYF_BF16;
    ayf_reading of_bf16 = pairs ? AYF_READ_PAIRS : AYF_READ_WIDE;
    plan->a = element[0] == AYF_BF16 ? of_bf16 : AYF_READ_F32;
    plan->b = element[1] == AYF_BF16 ? of_bf16 : AYF_READ_F32;
    plan->narrow = element[2] == AYF_BF16;
    plan->threads = 2.0 * (double)(s->batch * s->m) * (double)(s->n * s->k) < SMALL ? 1 : threads;
    plan->depth = pairs ? divide_up(s->k, 2) : s->k;
    plan->pack_a = s->transpose_a || plan->a == AYF_READ_WIDE || (pairs && s->k % 2 != 0);
    plan->shared = s->batch < 4 * plan->threads;
    plan->block = plan->shared ? block_of(s, plan->threads) : s->m;
    plan->items = s->batch * divide_up(s->m, plan->block);
    int64_t matrices = plan->shared ? s->batch : plan->threads;
    plan->b_units = (size_t)(matrices * tiles_of(s) * AYF_PATCH_LANES * plan->depth);
    int64_t rows = divide_up(plan->block, AYF_PATCH_PIXELS) * AYF_PATCH_PIXELS;
    plan->a_units = plan->pack_a ? lines(rows * plan->depth) : 0;
}

size_t ayf_gemm512_packed_bytes(const ayf_gemm512 *plan) {
    return plan->shared ? plan->b_units * sizeof(float) : 0;
}

size_t ayf_gemm512_scratch_bytes(const ayf_gemm512 *plan) {
    return (plan->a_units * (size_t)plan->threads + (plan->shared ? 0 : plan->b_units)) * sizeof(float);
}

/* ---- Packing ---- */

/* One tile of 32 columns of B, as [unit][lane]; the last may be of 16. */
static void pack_tile(const ayf_gemm512 *plan, const char *b, int64_t tile, float *to) {
    const ayf_gemm_shape *s = &plan->s;
    const int64_t size = (int64_t)ayf_reading_bytes(plan->b), pair = plan->b == AYF_READ_PAIRS ? 2 : 1;
    const int64_t column = tile * AYF_PATCH_LANES, columns = smaller(AYF_PATCH_LANES, s->n - column);
    const int64_t width = columns > AYF_VECTOR ? AYF_PATCH_LANES : AYF_VECTOR, whole = s->k / pair;
    for (int64_t from = 0; from < width; from += AYF_VECTOR) {
        int64_t count = smaller(AYF_VECTOR, columns - from);
        if (s->transpose_b) {
            ayf_pack_across(plan->b, b + (column + from) * s->k * size, s->k, count, s->k, to + from, width);
            continue;
        }
        const char *f = b + (column + from) * size;
        ayf_pack_along(plan->b, f, f + s->n * size, pair * s->n, whole, count, to + from, width, AYF_VECTOR);
        if (whole < plan->depth)
            ayf_pack_along(plan->b, f + whole * pair * s->n * size, NULL, 0, 1, count,
                           to + whole * width + from, width, AYF_VECTOR);
    }
}

/* Rows first..last-1 of op(A): tiles of 12 rows as [unit][row] when A is transposed, else as [row][unit]. */
static void pack_rows(const ayf_gemm512 *plan, const char *a, int64_t first, int64_t last, float *to) {
    const ayf_gemm_shape *s = &plan->s;
    const int64_t size = (int64_t)ayf_reading_bytes(plan->a), pair = plan->a == AYF_READ_PAIRS ? 2 : 1;
    const int64_t whole = s->k / pair;
    for (int64_t row = first; row < last && !s->transpose_a; row++, to += plan->depth) {
        to[plan->depth - 1] = 0.0f;
        ayf_pack_plain(plan->a, a + row * s->k * size, s->k, to);
    }
    for (int64_t row = first; row < last && s->transpose_a; row += AYF_PATCH_PIXELS) {
        int64_t count = smaller(AYF_PATCH_PIXELS, last - row);
        const char *f = a + row * size;
        ayf_pack_along(plan->a, f, f + s->m * size, pair * s->m, whole, count, to, AYF_PATCH_PIXELS,
                       AYF_PATCH_PIXELS);
        if (whole < plan->depth)
            ayf_pack_along(plan->a, f + whole * pair * s->m * size, NULL, 0, 1, count,
                           to + whole * AYF_PATCH_PIXELS, AYF_PATCH_PIXELS, AYF_PATCH_PIXELS);
        to += AYF_PATCH_PIXELS * plan->depth;
    }
}

/* ---- Running ---- */

/* Rows first..last-1 of D from `a`, where row `first` of op(A) is, and a packed matrix. */
static void multiply_rows(const ayf_gemm512 *plan, const char *a, const float *packed, int64_t first,
                          int64_t last, char *out) {
    const ayf_gemm_shape *s = &plan->s;
    const int64_t size = plan->narrow ? sizeof(ayf_bf16) : sizeof(float), unit = sizeof(float);
    bool tiled = plan->pack_a && s->transpose_a;
    int64_t rows = last - first, groups = divide_up(rows, AYF_PATCH_PIXELS);
    ayf_patch p = {.outer = 1,
                   .inner = plan->depth,
                   .x_inner = tiled ? AYF_PATCH_PIXELS : 1,
                   .x_pixel = tiled ? 1 : plan->depth,
                   .y_pixel = s->n,
                   .pairs = plan->a == AYF_READ_PAIRS,
                   .narrow = plan->narrow};
    for (int64_t tile = 0; tile < tiles_of(s); tile++, packed += AYF_PATCH_LANES * plan->depth) {
        p.w = packed;
        p.lanes = smaller(AYF_PATCH_LANES, s->n - tile * AYF_PATCH_LANES);
        p.w_inner = p.lanes > AYF_VECTOR ? AYF_PATCH_LANES : AYF_VECTOR;
        for (int64_t g = 0; g < groups; g++) {
            /* Packed tiles are of 12 rows; otherwise rows are dealt out evenly. */
            int64_t begin = tiled ? g * AYF_PATCH_PIXELS : rows * g / groups;
            int64_t end = tiled ? smaller(rows, begin + AYF_PATCH_PIXELS) : rows * (g + 1) / groups;
            p.x = a + begin * plan->depth * unit;
            p.y = out + ((first + begin) * s->n + tile * AYF_PATCH_LANES) * size;
            ayf_patch_run(&p, end - begin);
        }
    }
}

static void gemm_item(const ayf_gemm512 *plan, int64_t item, const char *a, const char *b,
                      const float *packed, char *out, float *a_packed, float *b_packed) {
    const ayf_gemm_shape *s = &plan->s;
    int64_t blocks = divide_up(s->m, plan->block), matrix = item / blocks;
    int64_t first = item % blocks * plan->block, last = smaller(s->m, first + plan->block);
    const int64_t tile_units = AYF_PATCH_LANES * plan->depth;
    a += matrix * step_a(s) * (int64_t)ayf_reading_bytes(plan->a);
    out += matrix * s->m * s->n * (int64_t)(plan->narrow ? sizeof(ayf_bf16) : sizeof(float));
    if (plan->shared) {
        packed += matrix * tiles_of(s) * tile_units;
    } else {
        b += matrix * step_b(s) * (int64_t)ayf_reading_bytes(plan->b);
        for (int64_t tile = 0; tile < tiles_of(s); tile++)
            pack_tile(plan, b, tile, b_packed + tile * tile_units);
        packed = b_packed;
    }
    if (plan->pack_a) pack_rows(plan, a, first, last, a_packed);
    const char *rows = a + first * plan->depth * (int64_t)sizeof(float);
    multiply_rows(plan, plan->pack_a ? (const char *)a_packed : rows, packed, first, last, out);
}

void ayf_gemm512_pack(const ayf_gemm512 *plan, const void *b, float *packed) {
    const ayf_gemm_shape *s = &plan->s;
    int64_t tiles = tiles_of(s), size = (int64_t)ayf_reading_bytes(plan->b);
#pragma omp parallel for num_threads(plan->threads) schedule(static)
    for (int64_t i = 0; i < s->batch * tiles; i++)
        pack_tile(plan, (const char *)b + i / tiles * step_b(s) * size, i % tiles,
                  packed + i * AYF_PATCH_LANES * plan->depth);
}

void ayf_gemm512_run(const ayf_gemm512 *plan, const void *a, const void *b, const float *packed, void *out,
                     float *scratch) {
    size_t b_units = plan->shared ? 0 : plan->b_units / (size_t)plan->threads;
#pragma omp parallel num_threads(plan->threads)
    {
        float *mine = scratch + (size_t)omp_get_thread_num() * (plan->a_units + b_units);
        /* No sum crosses work items, so who does which does not matter. */
#pragma omp for schedule(dynamic)
        for (int64_t item = 0; item < plan->items; item++)
            gemm_item(plan, item, a, b, packed, out, mine + b_units, mine);
    }
}
