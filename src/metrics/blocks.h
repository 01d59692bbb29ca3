/* Squared Euclidean distances between the samples of two sets, block by block, so that sets of any size take little
 * memory:
 *
 *     ayf_blocks b;
 *     ayf_status status = ayf_blocks_open(ctx, dim, centre, &b);
 *     ... for every block of rows
 *             ayf_blocks_rows(&b, x + i * dim, rows);          at most AYF_BLOCK_ROWS
 *             ... for every block of columns
 *                     ayf_blocks_columns(&b, y + j * dim, columns);    at most AYF_BLOCK_COLUMNS
 *                     b.distance[r * columns + c] is that of x[i + r] and y[j + c]
 *     ayf_blocks_close(&b);
 *
 * It uses BLAS: between ayf_blas_enter() and ayf_blas_leave(). */
#ifndef AYF_METRICS_BLOCKS_H
#define AYF_METRICS_BLOCKS_H

#include "base/base.h"

enum { AYF_BLOCK_ROWS = 256, AYF_BLOCK_COLUMNS = 1024 };

typedef struct ayf_blocks {
    ayf_context *ctx;
    size_t dim;
    const double *centre; /* [dim], subtracted from every sample; NULL: 0 */
    size_t row_count;
    double *rows, *columns, *row_norm, *column_norm;
    double *distance; /* of rows and columns, squared; 0 where it is rounding */
} ayf_blocks;

/* AYF_E_MEMORY; ayf_blocks_close() also then. `centre` must outlive it. */
ayf_status ayf_blocks_open(ayf_context *ctx, size_t dim, const double *centre, ayf_blocks *b);
void ayf_blocks_close(ayf_blocks *b);
void ayf_blocks_rows(ayf_blocks *b, const float *x, size_t count);
void ayf_blocks_columns(ayf_blocks *b, const float *y, size_t count);

#endif
