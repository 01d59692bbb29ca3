#include <math.h>
#include <stdlib.h>

#include "base/wait.h"
#include "metrics/linear.h"
#include "metrics/table.h"

enum { ROWS = 256, COLUMNS = 1024 };

/* A squared distance below this, relative to what it is made of, is rounding. */
#define SAME_POINT 1e-13

typedef struct search {
    ayf_context *ctx;
    size_t dim;
    double *rows, *columns, *row_norm, *column_norm;
    double *product; /* [ROWS][COLUMNS] */
    double *nearest; /* [nb], squared */
} search;

static void load(const search *s, const float *from, size_t count, double *x, double *norm) {
    ayf_metrics_widen(from, count, s->dim, NULL, x);
    for (size_t i = 0; i < count; i++) {
        norm[i] = 0;
        for (size_t j = 0; j < s->dim; j++) norm[i] += x[i * s->dim + j] * x[i * s->dim + j];
    }
}

/* Samples first to first + rows of b among all of a. */
static void look(search *s, const float *a, size_t na, size_t first, size_t rows, bool same) {
    for (size_t r = 0; r < rows; r++) s->nearest[first + r] = INFINITY;
    for (size_t j = 0; j < na; j += COLUMNS) {
        size_t columns = na - j < COLUMNS ? na - j : COLUMNS;
        load(s, a + j * s->dim, columns, s->columns, s->column_norm);
        ayf_metrics_product(s->rows, rows, s->columns, columns, s->dim, s->product);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++) {
                double sum = s->row_norm[r] + s->column_norm[c], d = sum - 2 * s->product[r * columns + c];
                if (d <= SAME_POINT * sum) d = 0;
                if (d < s->nearest[first + r] && !(same && j + c == first + r)) s->nearest[first + r] = d;
            }
    }
}

static int rising(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static ayf_status look_for_all(search *s, const float *a, size_t na, const float *b, size_t nb, bool same) {
    for (size_t i = 0; i < nb; i += ROWS) {
        size_t rows = nb - i < ROWS ? nb - i : ROWS;
        AYF_TRY(ayf_task_go_on(s->ctx));
        load(s, b + i * s->dim, rows, s->rows, s->row_norm);
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
    search s = {.ctx = ctx, .dim = dim};
    s.rows = ayf_alloc(ctx, ROWS * dim, sizeof *s.rows);
    s.columns = ayf_alloc(ctx, COLUMNS * dim, sizeof *s.columns);
    s.row_norm = ayf_alloc(ctx, ROWS, sizeof *s.row_norm);
    s.column_norm = ayf_alloc(ctx, COLUMNS, sizeof *s.column_norm);
    s.product = ayf_alloc(ctx, (size_t)ROWS * COLUMNS, sizeof *s.product);
    s.nearest = ayf_alloc(ctx, nb, sizeof *s.nearest);
    bool room = s.rows && s.columns && s.row_norm && s.column_norm && s.product && s.nearest;
    ayf_status status = room ? AYF_OK : AYF_E_MEMORY;
    int previous = ayf_blas_enter(ctx);
    if (status == AYF_OK) status = look_for_all(&s, a, na, b, nb, same);
    ayf_blas_leave(previous);
    if (status == AYF_OK) {
        qsort(s.nearest, nb, sizeof *s.nearest, rising);
        double middle = (sqrt(s.nearest[(nb - 1) / 2]) + sqrt(s.nearest[nb / 2])) / 2;
        *median = middle / sqrt((double)dim);
    }
    void *const held[] = {s.rows, s.columns, s.row_norm, s.column_norm, s.product, s.nearest};
    for (size_t i = 0; i < AYF_COUNT(held); i++) ayf_free(ctx, held[i]);
    return status;
}

ayf_status ayf_metric_nearest(const ayf_comparison *c, ayf_eval_row *row) {
    if (c->real.pictures < 2) return AYF_OK;
    AYF_TRY(ayf_nearest_sample(c->ctx, c->real.pixels, c->real.pictures, c->drawn.pixels, c->paired,
                               c->values, false, &row->nearest));
    return ayf_nearest_sample(c->ctx, c->real.pixels, c->real.pictures, c->real.pixels, c->paired, c->values,
                              true, &row->nearest_real);
}
