/* Compiled once per instruction set with AYF_TILE_TABLE naming the table. */
#include "backend/cpu/tile_kernels.h"

#include <math.h>

/* glibc's vector math library: these attributes let the loops below call its versions for the instruction
 * set at hand (errors up to 4 ulp). */
#if defined(__x86_64__) && defined(__GLIBC__)
#define VECTOR_MATH __attribute__((__simd__("notinbranch")))
VECTOR_MATH float expf(float);
VECTOR_MATH float logf(float);
VECTOR_MATH float sinf(float);
VECTOR_MATH float cosf(float);
#if __GLIBC_PREREQ(2, 35)
VECTOR_MATH float tanhf(float);
VECTOR_MATH float log1pf(float);
#endif
#endif

#define M_EXP(x) expf(x)
#define M_LOG(x) logf(x)
#define M_SQRT(x) sqrtf(x)
#define M_SIGMOID(x) (1.0f / (1.0f + expf(-(x))))
#define M_TANH(x) tanhf(x)
#define M_SIN(x) sinf(x)
#define M_COS(x) cosf(x)
#define M_SOFTPLUS(x) ((x > 0 ? x : 0) + log1pf(expf(-fabsf(x))))

/* The common layouts get loops of their own, so that the compiler sees unit strides. */
#define LOOP(NAME, text, A_COL, B_COL)                                                                       \
    for (ptrdiff_t r = 0; r < rows; r++, out += out_row, pa += a.row, pb += b.row) {                         \
        _Pragma("omp simd") for (ptrdiff_t c = 0; c < cols; c++) {                                           \
            float a = pa[(A_COL) ? c : 0], b = pb[(B_COL) ? c : 0];                                          \
            (void)a, (void)b;                                                                                \
            out[c] = (float)(text);                                                                          \
        }                                                                                                    \
    }

#define POINTWISE(NAME, text)                                                                                \
    static void tile_##NAME(float *out, ptrdiff_t out_row, ayf_tile_operand a, ayf_tile_operand b,           \
                            ptrdiff_t rows, ptrdiff_t cols) {                                                \
        const float *pa = a.at, *pb = b.at;                                                                  \
        if (out_row == cols && a.row == cols * a.col && b.row == cols * b.col) {                             \
            cols *= rows;                                                                                    \
            rows = 1;                                                                                        \
        }                                                                                                    \
        if (a.col && b.col)                                                                                  \
            LOOP(NAME, text, 1, 1)                                                                           \
        else if (a.col)                                                                                      \
            LOOP(NAME, text, 1, 0)                                                                           \
        else if (b.col)                                                                                      \
            LOOP(NAME, text, 0, 1)                                                                           \
        else                                                                                                 \
            LOOP(NAME, text, 0, 0)                                                                           \
    }

#define NOTHING(NAME, text)
#define CLASS_LEAF NOTHING
#define CLASS_POINTWISE POINTWISE
#define CLASS_REDUCE NOTHING
#define CLASS_VIEW NOTHING
#define CLASS_COPY NOTHING
#define CLASS_RESAMPLE NOTHING
#define CLASS_CONV NOTHING
#define CLASS_GEMM NOTHING
#pragma GCC diagnostic ignored "-Wshadow"
#define AYF_OP(NAME, inputs, kind, class, text) CLASS_##class(NAME, text)
#include "ir/ops.def"
#undef AYF_OP

static void row_sum(float *out, ayf_tile_operand a, ptrdiff_t rows, ptrdiff_t cols) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *p = a.at + r * a.row;
        float sum = 0;
        if (a.col) {
#pragma omp simd reduction(+ : sum)
            for (ptrdiff_t c = 0; c < cols; c++) sum += p[c];
        } else {
            sum = p[0] * (float)cols;
        }
        out[r] = sum;
    }
}

static void row_max(float *out, ayf_tile_operand a, ptrdiff_t rows, ptrdiff_t cols) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *p = a.at + r * a.row;
        float best = p[0];
        for (ptrdiff_t c = 1; a.col && c < cols; c++) best = p[c] > best || p[c] != p[c] ? p[c] : best;
        out[r] = best;
    }
}

static void column_sum(float *out, ayf_tile_operand a, ptrdiff_t rows, ptrdiff_t cols) {
    for (ptrdiff_t c = 0; c < cols; c++) out[c] = 0;
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *p = a.at + r * a.row;
        if (a.col) {
#pragma omp simd
            for (ptrdiff_t c = 0; c < cols; c++) out[c] += p[c];
        } else {
#pragma omp simd
            for (ptrdiff_t c = 0; c < cols; c++) out[c] += p[0];
        }
    }
}

#undef CLASS_POINTWISE
#define CLASS_POINTWISE(NAME, text) [AYF_OP_##NAME] = tile_##NAME,

const ayf_tile_table AYF_TILE_TABLE = {
    .name = AYF_TILE_NAME,
    .pointwise =
        {
#define AYF_OP(NAME, inputs, kind, class, text) CLASS_##class(NAME, text)
#include "ir/ops.def"
#undef AYF_OP
        },
    .row_sum = row_sum,
    .row_max = row_max,
    .column_sum = column_sum,
};
