#include "metrics/blocks.h"

#include "metrics/linear.h"

/* A squared distance below this, relative to what it is made of, is rounding of the inner product. */
#define SAME_POINT 1e-13

ayf_status ayf_blocks_open(ayf_context *ctx, size_t dim, const double *centre, ayf_blocks *b) {
    *b = (ayf_blocks){.ctx = ctx,
                      .dim = dim,
                      .centre = centre,
                      .rows = ayf_alloc(ctx, AYF_BLOCK_ROWS * dim, sizeof *b->rows),
                      .columns = ayf_alloc(ctx, AYF_BLOCK_COLUMNS * dim, sizeof *b->columns),
                      .row_norm = ayf_alloc(ctx, AYF_BLOCK_ROWS, sizeof *b->row_norm),
                      .column_norm = ayf_alloc(ctx, AYF_BLOCK_COLUMNS, sizeof *b->column_norm),
                      .distance =
                          ayf_alloc(ctx, (size_t)AYF_BLOCK_ROWS * AYF_BLOCK_COLUMNS, sizeof *b->distance)};
    return b->rows && b->columns && b->row_norm && b->column_norm && b->distance ? AYF_OK : AYF_E_MEMORY;
}

void ayf_blocks_close(ayf_blocks *b) {
    void *const held[] = {b->rows, b->columns, b->row_norm, b->column_norm, b->distance};
    for (size_t i = 0; i < AYF_COUNT(held); i++) ayf_free(b->ctx, held[i]);
}

static void load(const ayf_blocks *b, const float *from, size_t count, double *x, double *norm) {
    ayf_metrics_widen(from, count, b->dim, b->centre, x);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < b->dim; j++) sum += x[i * b->dim + j] * x[i * b->dim + j];
        norm[i] = sum;
    }
}

void ayf_blocks_rows(ayf_blocks *b, const float *x, size_t count) {
    load(b, x, count, b->rows, b->row_norm);
    b->row_count = count;
}

void ayf_blocks_columns(ayf_blocks *b, const float *y, size_t count) {
    load(b, y, count, b->columns, b->column_norm);
    ayf_metrics_product(b->rows, b->row_count, b->columns, count, b->dim, b->distance);
    for (size_t i = 0; i < b->row_count; i++) {
        double *row = b->distance + i * count;
        for (size_t j = 0; j < count; j++) {
            double sum = b->row_norm[i] + b->column_norm[j], d = sum - 2 * row[j];
            row[j] = d <= SAME_POINT * sum ? 0 : d;
        }
    }
}
