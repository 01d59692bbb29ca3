#include <math.h>

#include "base/number.h"
#include "base/wait.h"
#include "metrics/blocks.h"
#include "metrics/linear.h"
#include "metrics/table.h"

typedef struct search {
    ayf_context *ctx;
    ayf_blocks blocks;
    double *nearest; /* [nb], squared */
} search;

/* Samples first to first + rows of b, which are loaded, among all of a. */
static void look(search *s, const float *a, size_t na, size_t first, size_t rows, bool same) {
    for (size_t r = 0; r < rows; r++) s->nearest[first + r] = INFINITY;
    for (size_t j = 0; j < na; j += AYF_BLOCK_COLUMNS) {
        size_t columns = na - j < AYF_BLOCK_COLUMNS ? na - j : AYF_BLOCK_COLUMNS;
        ayf_blocks_columns(&s->blocks, a + j * s->blocks.dim, columns);
        for (size_t r = 0; r < rows; r++) {
            const double *row = s->blocks.distance + r * columns;
            for (size_t c = 0; c < columns; c++)
                if (row[c] < s->nearest[first + r] && !(same && j + c == first + r))
                    s->nearest[first + r] = row[c];
        }
    }
}

static ayf_status look_for_all(search *s, const float *a, size_t na, const float *b, size_t nb, bool same) {
    for (size_t i = 0; i < nb; i += AYF_BLOCK_ROWS) {
        size_t rows = nb - i < AYF_BLOCK_ROWS ? nb - i : AYF_BLOCK_ROWS;
        AYF_TRY(ayf_task_go_on(s->ctx));
        ayf_blocks_rows(&s->blocks, b + i * s->blocks.dim, rows);
        look(s, a, na, i, rows, same);
    }
    return AYF_OK;
}

ayf_status ayf_nearest_sample(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb,
                              size_t dim, bool same, double *median) {
    AYF_TRY(ayf_metrics_sets(ctx, a, na, b, nb, dim));
    if (na < 1 + (size_t)same || nb < 1)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "the nearest of %zu samples for %zu others: at least %d and 1 are needed", na, nb,
                        same ? 2 : 1);
    search s = {.ctx = ctx, .nearest = ayf_alloc(ctx, nb, sizeof *s.nearest)};
    ayf_status status = ayf_blocks_open(ctx, dim, NULL, &s.blocks);
    if (!s.nearest) status = AYF_E_MEMORY;
    int previous = ayf_blas_enter(ctx);
    if (status == AYF_OK) status = look_for_all(&s, a, na, b, nb, same);
    ayf_blas_leave(previous);
    if (status == AYF_OK) {
        ayf_sort_reals(s.nearest, nb);
        double middle = (sqrt(s.nearest[(nb - 1) / 2]) + sqrt(s.nearest[nb / 2])) / 2;
        *median = middle / sqrt((double)dim);
    }
    ayf_blocks_close(&s.blocks);
    ayf_free(ctx, s.nearest);
    return status;
}

ayf_status ayf_metric_nearest(const ayf_comparison *c, ayf_eval_row *row) {
    if (c->real.pictures < 2) return AYF_OK;
    AYF_TRY(ayf_nearest_sample(c->ctx, c->real.pixels, c->real.pictures, c->drawn.pixels, c->paired,
                               c->values, false, &row->nearest));
    return ayf_nearest_sample(c->ctx, c->real.pixels, c->real.pictures, c->real.pixels, c->paired, c->values,
                              true, &row->nearest_real);
}
