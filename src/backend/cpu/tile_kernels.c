/* Compiled once per instruction set with AYF_TILE_TABLE naming the table. */
#include "backend/cpu/tile_kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

/* glibc's vector math library: these attributes let the loops below call its versions for the instruction
 * set at hand (errors up to 4 ulp). */
#if defined(__x86_64__) && defined(__GLIBC__)
#define VECTOR_MATH __attribute__((__simd__("notinbranch")))
VECTOR_MATH float logf(float);
VECTOR_MATH float sinf(float);
VECTOR_MATH float cosf(float);
#if __GLIBC_PREREQ(2, 35)
VECTOR_MATH float tanhf(float);
VECTOR_MATH float log1pf(float);
#endif
#endif

enum { LANES = 16 }; /* floats per turn of a loop */

/* ---- Functions of one number ---- */

/* a b + c inside the functions below. The ops themselves round products and sums each: terms that cancel
 * exactly, as a b - b a does, keep doing so. */
#if defined(__FMA__)
#define FUSED_MUL_ADD(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FUSED_MUL_ADD(a, b, c) ((a) * (b) + (c))
#endif

static inline float power_of_two(int32_t n) {
    uint32_t bits = ((uint32_t)n + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2; *n receives n, exp(r) is returned. |x| < 2^20. Polynomial of the
 * Cephes library; error below 2 ulp. */
static inline float exp_parts(float x, int32_t *n) {
    const float magic = 12582912.0f; /* 1.5 2^23: adding it rounds to whole numbers, in the low bits */
    float shifted = FUSED_MUL_ADD(x, 1.44269504f, magic), whole = shifted - magic;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    float r = FUSED_MUL_ADD(whole, 2.12194440e-4f, x - whole * 0.693359375f);
    float p = 1.9875691500e-4f;
    p = FUSED_MUL_ADD(p, r, 1.3981999507e-3f);
    p = FUSED_MUL_ADD(p, r, 8.3334519073e-3f);
    p = FUSED_MUL_ADD(p, r, 4.1665795894e-2f);
    p = FUSED_MUL_ADD(p, r, 1.6666665459e-1f);
    p = FUSED_MUL_ADD(p, r, 5.0000001201e-1f);
    *n = (int32_t)(bits - 0x4B400000u);
    return FUSED_MUL_ADD(p, r * r, r) + 1;
}

/* Comparisons are written so that NaN passes through. */
static inline float exp_of(float x) {
    int32_t n;
    x = x > 100 ? 100 : x;
    x = x < -110 ? -110 : x;
    float e = exp_parts(x, &n);
    int32_t half = n >> 1; /* in two steps: 2^n alone may be too large or too small */
    return e * power_of_two(half) * power_of_two(n - half);
}

/* exp(-|x|), zero where that is below the normal numbers. */
static inline float exp_minus_abs(float x) {
    int32_t n;
    float y = -fabsf(x), clamped = y < -87.0f ? -87.0f : y;
    float e = exp_parts(clamped, &n) * power_of_two(n);
    return y < -87.0f ? 0 : e;
}

static inline float sigmoid_of(float x) {
    float e = exp_minus_abs(x), s = 1 / (1 + e);
    return x >= 0 ? s : e * s;
}

/* s + x s (1 - s), s = sigmoid(x) */
static inline float dsilu_of(float x) {
    float e = exp_minus_abs(x), s = 1 / (1 + e), es = e * s;
    return (x >= 0 ? s : es) + x * (es * s);
}

#define M_EXP(x) exp_of(x)
#define M_LOG(x) logf(x)
#define M_SQRT(x) sqrtf(x)
#define M_SIGMOID(x) sigmoid_of(x)
#define M_TANH(x) tanhf(x)
#define M_SIN(x) sinf(x)
#define M_COS(x) cosf(x)
#define M_SOFTPLUS(x) ((x > 0 ? x : 0) + log1pf(exp_minus_abs(x)))
#define M_SILU(x) ((x)*sigmoid_of(x))
#define M_DSILU(x) dsilu_of(x)
#define MAX_OF(x, y) max_of(x, y)
#define MIN_OF(x, y) min_of(x, y)

/* Written with bits: two conditionals in a row would become branches. */
static inline float choose(bool first, float a, float b) {
    int32_t x, y, mask = -(int32_t)first;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}
static inline float max_of(float a, float b) { return choose((a > b) | (a != a), a, b); }
static inline float min_of(float a, float b) { return choose((a < b) | (a != a), a, b); }

/* ---- Pointwise ---- */

/* Row r of an operand. What repeats along the row is spread over LANES floats, which are then read again and
 * again: all layouts share one loop. */
static inline const float *row_of(const ayf_tile_operand *x, ptrdiff_t r, float *spread) {
    const float *at = x->at + r * x->row;
    if (x->col) return at;
    float value = *at;
    for (int i = 0; i < LANES; i++) spread[i] = value;
    return spread;
}

static inline bool is_flat(ptrdiff_t out_row, const ayf_tile_operand *in, int inputs, ptrdiff_t cols) {
    bool flat = out_row == cols;
    for (int k = 0; k < inputs; k++) flat = flat && in[k].row == cols * in[k].col;
    return flat;
}

#define OPERAND(k) ((k) < count ? (k) : 0)

#define POINTWISE(NAME, inputs, text)                                                                        \
    static void tile_##NAME(float *out, ptrdiff_t out_row, const ayf_tile_operand *in, ptrdiff_t rows,       \
                            ptrdiff_t cols) {                                                                \
        enum { count = inputs };                                                                             \
        float spread[4][LANES];                                                                              \
        if (rows > 1 && is_flat(out_row, in, count, cols)) {                                                 \
            cols *= rows;                                                                                    \
            rows = 1;                                                                                        \
        }                                                                                                    \
        const ptrdiff_t step_a = in[0].col, step_b = in[OPERAND(1)].col, step_c = in[OPERAND(2)].col,        \
                        step_d = in[OPERAND(3)].col;                                                         \
        for (ptrdiff_t r = 0; r < rows; r++, out += out_row) {                                               \
            const float *pa = row_of(&in[0], r, spread[0]);                                                  \
            const float *pb = count > 1 ? row_of(&in[OPERAND(1)], r, spread[1]) : pa;                        \
            const float *pc = count > 2 ? row_of(&in[OPERAND(2)], r, spread[2]) : pa;                        \
            const float *pd = count > 3 ? row_of(&in[OPERAND(3)], r, spread[3]) : pa;                        \
            ptrdiff_t at = 0;                                                                                \
            for (; at + LANES <= cols; at += LANES) {                                                        \
                const float *qa = pa + at * step_a, *qb = pb + at * step_b;                                  \
                const float *qc = pc + at * step_c, *qd = pd + at * step_d;                                  \
                _Pragma("omp simd") for (int i = 0; i < LANES; i++) {                                        \
                    const float a = qa[i], b = qb[i], c = qc[i], d = qd[i];                                  \
                    (void)a, (void)b, (void)c, (void)d;                                                      \
                    out[at + i] = (float)(text);                                                             \
                }                                                                                            \
            }                                                                                                \
            _Pragma("GCC unroll 1") for (; at < cols; at++) {                                                \
                const float a = pa[at * step_a], b = pb[at * step_b], c = pc[at * step_c],                   \
                            d = pd[at * step_d];                                                             \
                (void)a, (void)b, (void)c, (void)d;                                                          \
                out[at] = (float)(text);                                                                     \
            }                                                                                                \
        }                                                                                                    \
    }

#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text) POINTWISE(NAME, inputs, text)
#include "ir/ops.def"
AYF_TILE_FUSED_OPS(POINTWISE)

/* ---- Reductions ---- */

/* Several running sums: one alone would wait for its own additions. */
#define ROW_SUM(NAME, inputs, text)                                                                          \
    static void row_##NAME(float *out, const ayf_tile_operand *in, ptrdiff_t rows, ptrdiff_t cols) {         \
        enum { count = inputs };                                                                             \
        float spread[4][LANES];                                                                              \
        const ptrdiff_t step_a = in[0].col, step_b = in[OPERAND(1)].col, step_c = in[OPERAND(2)].col,        \
                        step_d = in[OPERAND(3)].col;                                                         \
        for (ptrdiff_t r = 0; r < rows; r++) {                                                               \
            const float *pa = row_of(&in[0], r, spread[0]);                                                  \
            const float *pb = count > 1 ? row_of(&in[OPERAND(1)], r, spread[1]) : pa;                        \
            const float *pc = count > 2 ? row_of(&in[OPERAND(2)], r, spread[2]) : pa;                        \
            const float *pd = count > 3 ? row_of(&in[OPERAND(3)], r, spread[3]) : pa;                        \
            float sums[LANES] = {0}, sum = 0;                                                                \
            ptrdiff_t at = 0;                                                                                \
            for (; at + LANES <= cols; at += LANES) {                                                        \
                const float *qa = pa + at * step_a, *qb = pb + at * step_b;                                  \
                const float *qc = pc + at * step_c, *qd = pd + at * step_d;                                  \
                _Pragma("omp simd") for (int i = 0; i < LANES; i++) {                                        \
                    const float a = qa[i], b = qb[i], c = qc[i], d = qd[i];                                  \
                    (void)a, (void)b, (void)c, (void)d;                                                      \
                    sums[i] += text;                                                                         \
                }                                                                                            \
            }                                                                                                \
            for (int half = LANES / 2; half; half /= 2)                                                      \
                for (int i = 0; i < half; i++) sums[i] += sums[i + half];                                    \
            for (; at < cols; at++) {                                                                        \
                const float a = pa[at * step_a], b = pb[at * step_b], c = pc[at * step_c],                   \
                            d = pd[at * step_d];                                                             \
                (void)a, (void)b, (void)c, (void)d;                                                          \
                sum += text;                                                                                 \
            }                                                                                                \
            out[r] = sums[0] + sum;                                                                          \
        }                                                                                                    \
    }

#define ADD_ROW(sums, r, text)                                                                               \
    {                                                                                                        \
        const float *qa = row_of(&in[0], r, spread[0]) + at * in[0].col, *qb = qa, *qc = qa, *qd = qa;       \
        if (count > 1) qb = row_of(&in[OPERAND(1)], r, spread[1]) + at * in[OPERAND(1)].col;                 \
        if (count > 2) qc = row_of(&in[OPERAND(2)], r, spread[2]) + at * in[OPERAND(2)].col;                 \
        if (count > 3) qd = row_of(&in[OPERAND(3)], r, spread[3]) + at * in[OPERAND(3)].col;                 \
        _Pragma("omp simd") for (int i = 0; i < LANES; i++) {                                                \
            const float a = qa[i], b = qb[i], c = qc[i], d = qd[i];                                          \
            (void)a, (void)b, (void)c, (void)d;                                                              \
            sums[i] += text;                                                                                 \
        }                                                                                                    \
    }

/* LANES columns at a time, so that their sums stay in registers. */
#define COLUMN_SUM(NAME, inputs, text)                                                                       \
    static void column_##NAME(float *out, const ayf_tile_operand *in, ptrdiff_t rows, ptrdiff_t cols) {      \
        enum { count = inputs };                                                                             \
        float spread[4][LANES];                                                                              \
        ptrdiff_t at = 0;                                                                                    \
        for (; at + LANES <= cols; at += LANES) {                                                            \
            float even[LANES] = {0}, odd[LANES] = {0};                                                       \
            ptrdiff_t r = 0;                                                                                 \
            for (; r + 1 < rows; r += 2) {                                                                   \
                ADD_ROW(even, r, text)                                                                       \
                ADD_ROW(odd, r + 1, text)                                                                    \
            }                                                                                                \
            if (r < rows) ADD_ROW(even, r, text)                                                             \
            for (int i = 0; i < LANES; i++) out[at + i] = even[i] + odd[i];                                  \
        }                                                                                                    \
        for (; at < cols; at++) {                                                                            \
            float sum = 0;                                                                                   \
            for (ptrdiff_t r = 0; r < rows; r++) {                                                           \
                const float a = ELEMENT(0), b = ELEMENT(OPERAND(1)), c = ELEMENT(OPERAND(2)),                \
                            d = ELEMENT(OPERAND(3));                                                         \
                (void)a, (void)b, (void)c, (void)d;                                                          \
                sum += text;                                                                                 \
            }                                                                                                \
            out[at] = sum;                                                                                   \
        }                                                                                                    \
    }
#define ELEMENT(k) in[k].at[r * in[k].row + at * in[k].col]

/* clang-format off */
ROW_SUM(sum, 1, a)
ROW_SUM(sum_mul, 2, a * b)
ROW_SUM(sum_mul_plus_mul, 4, a * b + c * d)
COLUMN_SUM(sum, 1, a)
COLUMN_SUM(sum_mul, 2, a * b)
COLUMN_SUM(sum_mul_plus_mul, 4, a * b + c * d)
/* clang-format on */

static void row_max(float *out, const ayf_tile_operand *in, ptrdiff_t rows, ptrdiff_t cols) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *p = in->at + r * in->row;
        float best = p[0];
        for (ptrdiff_t c = 1; in->col && c < cols; c++) best = p[c] > best || p[c] != p[c] ? p[c] : best;
        out[r] = best;
    }
}

/* ---- Bfloat16 ---- */

enum {
    LINE = 32,   /* bfloat16 in a line of the cache */
    AHEAD = 2048 /* a tile: the processor's own prefetching stops at the end of each */
};

static void widen(float *to, ptrdiff_t to_row, const ayf_bf16 *from, ptrdiff_t from_row, ptrdiff_t rows,
                  ptrdiff_t cols) {
    if (to_row == cols && from_row == cols) {
        cols *= rows;
        rows = 1;
    }
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row, from += from_row) {
        for (ptrdiff_t c = 0; c < cols; c += LINE) __builtin_prefetch(from + c + AHEAD);
        _Pragma("omp simd") for (ptrdiff_t c = 0; c < cols; c++) to[c] = ayf_bf16_to_float(from[c]);
    }
}

static void narrow_row(ayf_bf16 *to, const float *from, ptrdiff_t cols) {
    ptrdiff_t c = 0;
#ifdef __AVX512BF16__
    for (; c + LINE <= cols; c += LINE) {
        __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + c + LINE / 2), _mm512_loadu_ps(from + c));
        memcpy(to + c, &both, sizeof both);
    }
#endif
    _Pragma("omp simd") for (ptrdiff_t i = c; i < cols; i++) to[i] = ayf_bf16_from_float(from[i]);
}

static void narrow(ayf_bf16 *to, ptrdiff_t to_row, float *from, ptrdiff_t from_row, ptrdiff_t rows,
                   ptrdiff_t cols, bool keep) {
    if (to_row == cols && from_row == cols) {
        cols *= rows;
        rows = 1;
    }
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row, from += from_row) {
        for (ptrdiff_t c = 0; c < cols; c += LINE) __builtin_prefetch(to + c + AHEAD, 1);
        narrow_row(to, from, cols);
        if (keep) widen(from, cols, to, cols, 1, cols);
    }
}

/* ---- The table ---- */

#define FUSED(NAME, inputs, text) [AYF_TILE_##NAME] = tile_##NAME,

const ayf_tile_table AYF_TILE_TABLE = {
    .name = AYF_TILE_NAME,
    .pointwise =
        {
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text) [AYF_OP_##NAME] = tile_##NAME,
#include "ir/ops.def"
            AYF_TILE_FUSED_OPS(FUSED)},
    .row_sum = {row_sum, row_sum_mul, row_sum_mul_plus_mul},
    .column_sum = {column_sum, column_sum_mul, column_sum_mul_plus_mul},
    .row_max = row_max,
    .widen = widen,
    .narrow = narrow,
};
