#include <math.h>
#include <string.h>

#include "metrics/linear.h"
#include "metrics/table.h"

enum { ROWS = 512 }; /* samples at a time */

/* ---- Moments ---- */

ayf_status ayf_moments_new(ayf_context *ctx, size_t dim, ayf_moments **out) {
    *out = NULL;
    AYF_TRY(ayf_metrics_sets(ctx, NULL, 0, NULL, 0, dim));
    ayf_moments *m = ayf_alloc(ctx, 1, sizeof *m);
    if (!m) return AYF_E_MEMORY;
    m->ctx = ctx;
    m->dim = dim;
    m->mean = ayf_alloc(ctx, dim, sizeof *m->mean);
    m->scatter = ayf_alloc(ctx, dim, dim * sizeof *m->scatter);
    if (!m->mean || !m->scatter) {
        ayf_moments_free(m);
        return AYF_E_MEMORY;
    }
    *out = m;
    return AYF_OK;
}

void ayf_moments_free(ayf_moments *m) {
    if (!m) return;
    ayf_free(m->ctx, m->mean);
    ayf_free(m->ctx, m->scatter);
    ayf_free(m->ctx, m);
}

/* Merges the moments of x[rows][dim] into m. block [rows][dim], mean [dim]: scratch. */
static void merge(ayf_moments *m, const float *x, size_t rows, double *block, double *mean) {
    size_t dim = m->dim;
    memset(mean, 0, dim * sizeof *mean);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < dim; j++) mean[j] += x[i * dim + j];
    for (size_t j = 0; j < dim; j++) mean[j] /= (double)rows;
    ayf_metrics_widen(x, rows, dim, mean, block);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)dim, (int)rows, 1, block, (int)dim, 1, m->scatter,
                (int)dim);
    double before = (double)m->count, after = before + (double)rows;
    for (size_t j = 0; j < dim; j++) {
        mean[j] -= m->mean[j];
        m->mean[j] += mean[j] * (double)rows / after;
    }
    cblas_dsyr(CblasRowMajor, CblasUpper, (int)dim, before * (double)rows / after, mean, 1, m->scatter,
               (int)dim);
    m->count += rows;
}

ayf_status ayf_moments_add(ayf_moments *m, const float *x, size_t n) {
    ayf_context *ctx = m->ctx;
    size_t most = n < ROWS ? n : ROWS;
    AYF_TRY(ayf_metrics_finite(ctx, "set", x, n, m->dim));
    double *block = ayf_alloc(ctx, most * m->dim, sizeof *block),
           *mean = ayf_alloc(ctx, m->dim, sizeof *mean);
    ayf_status status = block && mean ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        int previous = ayf_blas_enter(ctx);
        for (size_t i = 0; i < n; i += most)
            merge(m, x + i * m->dim, n - i < most ? n - i : most, block, mean);
        ayf_blas_leave(previous);
    }
    ayf_free(ctx, block);
    ayf_free(ctx, mean);
    return status;
}

/* ---- Distance ---- */

static ayf_status check_count(ayf_context *ctx, const char *name, size_t n, size_t dim) {
    if (n > dim && n > 1) return AYF_OK;
    if (n < 2)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "the %s has %zu samples, but a covariance needs 2 at least and a Fréchet "
                        "distance more than the feature dimension %zu: use more images",
                        name, n, dim);
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "the %s of %zu samples is not larger than the feature dimension %zu: its covariance is singular; "
        "use more images or fewer features",
        name, n, dim);
}

/* Sum of the square roots of the eigenvalues of C_a C_b. factor_a, factor_b, product: scratch [dim][dim]. */
static ayf_status root_trace(const ayf_moments *a, const ayf_moments *b, double *factor_a, double *factor_b,
                             double *product, double *out) {
    ayf_context *ctx = a->ctx;
    size_t dim = a->dim, rank_a, rank_b;
    AYF_TRY(ayf_metrics_factor(ctx, a->scatter, dim, (double)(a->count - 1), factor_a, &rank_a));
    AYF_TRY(ayf_metrics_factor(ctx, b->scatter, dim, (double)(b->count - 1), factor_b, &rank_b));
    if (rank_a && rank_b) ayf_metrics_product(factor_a, rank_a, factor_b, rank_b, dim, product);
    return ayf_metrics_nuclear_norm(ctx, product, rank_a, rank_b, out);
}

static double trace(const ayf_moments *m) {
    double sum = 0;
    for (size_t i = 0; i < m->dim; i++) sum += m->scatter[i * m->dim + i];
    return sum / (double)(m->count - 1);
}

ayf_status ayf_frechet_of_moments(const ayf_moments *a, const ayf_moments *b, double *out) {
    ayf_context *ctx = a->ctx;
    size_t dim = a->dim;
    if (dim != b->dim)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "the reference set has %zu features and the generated set %zu: take both with one network", dim,
            b->dim);
    AYF_TRY(check_count(ctx, "reference set", a->count, dim));
    AYF_TRY(check_count(ctx, "generated set", b->count, dim));
    double *scratch[3] = {NULL, NULL, NULL}, root = 0, shift = 0;
    ayf_status status = AYF_OK;
    for (int i = 0; i < 3 && status == AYF_OK; i++) {
        scratch[i] = ayf_alloc(ctx, dim, dim * sizeof(double));
        if (!scratch[i]) status = AYF_E_MEMORY;
    }
    if (status == AYF_OK) {
        int previous = ayf_blas_enter(ctx);
        status = root_trace(a, b, scratch[0], scratch[1], scratch[2], &root);
        ayf_blas_leave(previous);
    }
    for (int i = 0; i < 3; i++) ayf_free(ctx, scratch[i]);
    AYF_TRY(status);
    for (size_t j = 0; j < dim; j++) shift += (a->mean[j] - b->mean[j]) * (a->mean[j] - b->mean[j]);
    *out = shift + fmax(0, trace(a) + trace(b) - 2 * root);
    return AYF_OK;
}

ayf_status ayf_metric_frechet(const ayf_comparison *c, ayf_eval_row *row) {
    return ayf_frechet_of_moments(c->real.moments, c->drawn.moments, &row->fd);
}
