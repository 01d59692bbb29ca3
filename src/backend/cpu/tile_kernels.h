/* Vector loops over a tile of `rows` x `cols` floats. One table per instruction set, compiled from the same
 * text (tile_kernels.c); ayf_tile_kernels() picks the best that this processor runs. */
#ifndef AYF_TILE_KERNELS_H
#define AYF_TILE_KERNELS_H

#include <stddef.h>

#include "ir/ir.h"

/* Element (r,c) is at[r * row + c * col]; col is 0 or 1. */
typedef struct ayf_tile_operand {
    const float *at;
    ptrdiff_t row;
    ptrdiff_t col;
} ayf_tile_operand;

/* out[r * out_row + c] = op(a, b). */
typedef void ayf_tile_pointwise(float *out, ptrdiff_t out_row, ayf_tile_operand a, ayf_tile_operand b,
                                ptrdiff_t rows, ptrdiff_t cols);
/* out[r] = reduction of row r of a. */
typedef void ayf_tile_reduce(float *out, ayf_tile_operand a, ptrdiff_t rows, ptrdiff_t cols);
/* out[c] = sum over r of a. */
typedef void ayf_tile_column_sum(float *out, ayf_tile_operand a, ptrdiff_t rows, ptrdiff_t cols);

typedef struct ayf_tile_table {
    const char *name;
    ayf_tile_pointwise *pointwise[AYF_OP_COUNT];
    ayf_tile_reduce *row_sum, *row_max;
    ayf_tile_column_sum *column_sum;
} ayf_tile_table;

const ayf_tile_table *ayf_tile_kernels(void);

extern const ayf_tile_table ayf_tile_table_baseline;
#if defined(__x86_64__)
extern const ayf_tile_table ayf_tile_table_avx2;
extern const ayf_tile_table ayf_tile_table_avx512;
#endif

#endif
