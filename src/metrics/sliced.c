#include <math.h>

#include "base/number.h"
#include "metrics/linear.h"
#include "metrics/table.h"
#include "base/rng.h"
#include "base/wait.h"

enum { TOGETHER = 16, ROWS = 512 };

typedef struct slices {
    size_t n, dim;
    float *draw;               /* [dim] */
    double *unit;              /* [TOGETHER][dim] */
    double *rows;              /* [ROWS][dim] */
    double *along_a, *along_b; /* [TOGETHER][n] */
} slices;

static void draw_directions(const slices *s, uint64_t seed, int first, int count) {
    for (int i = 0; i < count; i++) {
        double *unit = s->unit + (size_t)i * s->dim, norm = 0;
        ayf_rng_normal((ayf_rng_key){seed, AYF_RNG_METRIC, (uint64_t)(first + i), 0}, s->draw, s->dim);
        for (size_t j = 0; j < s->dim; j++) norm += (double)s->draw[j] * s->draw[j];
        for (size_t j = 0; j < s->dim; j++) unit[j] = s->draw[j] / sqrt(norm);
    }
}

/* out[count][n]: sorted projections */
static void project(const slices *s, const float *x, int count, double *out) {
    for (size_t i = 0; i < s->n; i += ROWS) {
        size_t rows = s->n - i < ROWS ? s->n - i : ROWS;
        ayf_metrics_widen(x + i * s->dim, rows, s->dim, NULL, s->rows);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, (int)rows, (int)s->dim, 1, s->unit,
                    (int)s->dim, s->rows, (int)s->dim, 0, out + i, (int)s->n);
    }
    for (int d = 0; d < count; d++) ayf_sort_reals(out + (size_t)d * s->n, s->n);
}

static double sum_of_squares(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

ayf_status ayf_sliced_wasserstein(ayf_context *ctx, const float *a, const float *b, size_t n, size_t dim,
                                  int directions, uint64_t seed, double *out) {
    AYF_TRY(ayf_metrics_sets(ctx, a, n, b, n, dim));
    if (n < 1 || directions < 1)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "a sliced distance of %zu samples along %d directions: at least 1 of each is needed",
                        n, directions);
    slices s = {.n = n, .dim = dim};
    s.draw = ayf_alloc(ctx, dim, sizeof *s.draw);
    s.unit = ayf_alloc(ctx, TOGETHER * dim, sizeof *s.unit);
    s.rows = ayf_alloc(ctx, ROWS * dim, sizeof *s.rows);
    s.along_a = ayf_alloc(ctx, TOGETHER * n, sizeof *s.along_a);
    s.along_b = ayf_alloc(ctx, TOGETHER * n, sizeof *s.along_b);
    ayf_status status = s.draw && s.unit && s.rows && s.along_a && s.along_b ? AYF_OK : AYF_E_MEMORY;
    int previous = ayf_blas_enter(ctx);
    double sum = 0;
    for (int first = 0; status == AYF_OK && first < directions; first += TOGETHER) {
        if ((status = ayf_task_go_on(ctx)) != AYF_OK) break;
        int count = directions - first < TOGETHER ? directions - first : TOGETHER;
        draw_directions(&s, seed, first, count);
        project(&s, a, count, s.along_a);
        project(&s, b, count, s.along_b);
        sum += sum_of_squares(s.along_a, s.along_b, (size_t)count * n);
    }
    ayf_blas_leave(previous);
    *out = sqrt(sum / ((double)directions * (double)n));
    ayf_free(ctx, s.draw);
    ayf_free(ctx, s.unit);
    ayf_free(ctx, s.rows);
    ayf_free(ctx, s.along_a);
    ayf_free(ctx, s.along_b);
    return status;
}

ayf_status ayf_metric_sliced_wasserstein(const ayf_comparison *c, ayf_eval_row *row) {
    return ayf_sliced_wasserstein(c->ctx, c->real.pixels, c->drawn.pixels, c->paired, c->values, AYF_SLICES,
                                  c->seed, &row->sliced_wasserstein);
}
