/* Vector loops over a tile of `rows` x `cols` floats. One table per instruction set, compiled from the same
 * text (tile_kernels.c); ayf_tile_kernels() picks the best that this processor runs. */
#ifndef AYF_TILE_KERNELS_H
#define AYF_TILE_KERNELS_H

#include <stddef.h>

#include "base/bf16.h"
#include "ir/ir.h"

enum { AYF_TILE_MAX_INPUTS = 4 };

/* Several pointwise ops in one pass: X(NAME, inputs, value in terms of a, b, c, d). M_SILU(x) = x sigmoid(x);
 * M_DSILU is its derivative; MAX_OF and MIN_OF are the ops MAX and MIN. */
/* clang-format off */
#define AYF_TILE_FUSED_OPS(X)                             \
    X(MUL_ADD, 3, a * b + c)                              \
    X(MUL_SUB, 3, a * b - c)                              \
    X(SUB_MUL, 3, c - a * b)                              \
    X(MUL_MUL, 3, a * b * c)                              \
    X(ADD_ADD, 3, a + b + c)                              \
    X(SUM_TIMES, 3, (a + b) * c)                          \
    X(MUL_PLUS_MUL, 4, a * b + c * d)                     \
    X(CLAMP, 3, MIN_OF(MAX_OF(a, b), c))                  \
    X(ADD_CLAMP, 4, MIN_OF(MAX_OF(a + b, c), d))          \
    X(MASK, 3, (a > b ? 1.0f : 0.0f) * c)                 \
    X(SILU, 1, M_SILU(a))                                 \
    X(MUL_SILU, 2, M_SILU(a * b))                         \
    X(DSILU, 2, b * M_DSILU(a))                           \
    X(MUL_DSILU, 3, c * M_DSILU(a * b))
/* clang-format on */

enum {
    AYF_TILE_BEFORE_FUSED = AYF_OP_COUNT - 1,
#define AYF_TILE_FUSED(NAME, inputs, text) AYF_TILE_##NAME,
    AYF_TILE_FUSED_OPS(AYF_TILE_FUSED)
#undef AYF_TILE_FUSED
        AYF_TILE_OP_COUNT
};

/* What reductions add up: a, a b, or a b + c d. */
typedef enum ayf_tile_summand {
    AYF_TILE_SUM,
    AYF_TILE_SUM_MUL,
    AYF_TILE_SUM_MUL_PLUS_MUL,
    AYF_TILE_SUMMANDS
} ayf_tile_summand;

/* Element (r,c) is at[r * row + c * col]; col is 0 or 1. */
typedef struct ayf_tile_operand {
    const float *at;
    ptrdiff_t row;
    ptrdiff_t col;
} ayf_tile_operand;

/* out[r * out_row + c] = op(in[0], in[1], ..). `out` may be an input with the same layout. */
typedef void ayf_tile_pointwise(float *out, ptrdiff_t out_row, const ayf_tile_operand *in, ptrdiff_t rows,
                                ptrdiff_t cols);
/* out[r] = reduction of row r; or out[c] = sum over r. */
typedef void ayf_tile_reduce(float *out, const ayf_tile_operand *in, ptrdiff_t rows, ptrdiff_t cols);

/* to[r * to_row + c] = from[r * from_row + c] between bfloat16 in memory and the floats of a tile. `keep`: the
 * tile is read again and gets the rounded values. */
typedef void ayf_tile_widen(float *to, ptrdiff_t to_row, const ayf_bf16 *from, ptrdiff_t from_row,
                            ptrdiff_t rows, ptrdiff_t cols);
typedef void ayf_tile_narrow(ayf_bf16 *to, ptrdiff_t to_row, float *from, ptrdiff_t from_row, ptrdiff_t rows,
                             ptrdiff_t cols, bool keep);

typedef struct ayf_tile_table {
    const char *name;
    ayf_tile_pointwise *pointwise[AYF_TILE_OP_COUNT];
    ayf_tile_reduce *row_sum[AYF_TILE_SUMMANDS], *column_sum[AYF_TILE_SUMMANDS], *row_max;
    ayf_tile_widen *widen;
    ayf_tile_narrow *narrow;
} ayf_tile_table;

const ayf_tile_table *ayf_tile_kernels(void);

extern const ayf_tile_table ayf_tile_table_baseline;
#if defined(__x86_64__)
extern const ayf_tile_table ayf_tile_table_avx2;
extern const ayf_tile_table ayf_tile_table_avx512;
extern const ayf_tile_table ayf_tile_table_avx512bf16;
#endif

#endif
