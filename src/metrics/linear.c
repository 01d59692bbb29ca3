#include "metrics/linear.h"

#include <limits.h>
#include <string.h>

/* LAPACK as gfortran and its kin export it: column-major, the lengths of character arguments last. */
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank,
             const double *tol, double *work, int *info, size_t uplo_length);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork,
             int *info, size_t jobz_length);

/* ---- Checks ---- */

ayf_status ayf_metrics_finite(ayf_context *ctx, const char *name, const float *x, size_t n, size_t dim) {
    size_t index;
    const char *bad = ayf_first_not_finite(x, n * dim, &index);
    if (!bad) return AYF_OK;
    return ayf_fail(ctx, AYF_E_DIVERGED,
                    "sample %zu of the %s holds a value that is %s: a distance needs finite values",
                    index / dim, name, bad);
}

ayf_status ayf_metrics_sets(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb,
                            size_t dim) {
    if (dim < 1 || dim > INT_MAX / 2)
        return ayf_fail(ctx, AYF_E_USAGE, "samples of %zu values cannot be compared: 1 ... %d are possible",
                        dim, INT_MAX / 2);
    AYF_TRY(ayf_metrics_finite(ctx, "reference set", a, na, dim));
    return ayf_metrics_finite(ctx, "generated set", b, nb, dim);
}

/* ---- BLAS ---- */

int ayf_blas_enter(const ayf_context *ctx) {
    int previous = openblas_get_num_threads();
    if (ctx->threads > 0) openblas_set_num_threads(ctx->threads);
    return previous;
}

void ayf_blas_leave(int previous) { openblas_set_num_threads(previous); }

void ayf_metrics_widen(const float *x, size_t rows, size_t dim, const double *centre, double *out) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < dim; j++) out[i * dim + j] = x[i * dim + j] - (centre ? centre[j] : 0);
}

void ayf_metrics_product(const double *x, size_t rows, const double *y, size_t columns, size_t dim,
                         double *out) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)columns, (int)dim, 1, x, (int)dim, y,
                (int)dim, 0, out, (int)columns);
}

/* ---- LAPACK ---- */

/* Column k of the lower triangle in column-major order is row k of the upper one in row-major order, so the
 * scatter goes in as it is and the rows come out as columns of L; they are put back to the order before
 * pivoting. */
static void unpivot(double *row, size_t dim, size_t first, const int *pivot, double *scratch) {
    memset(scratch, 0, dim * sizeof *scratch);
    for (size_t i = first; i < dim; i++) scratch[pivot[i] - 1] = row[i];
    memcpy(row, scratch, dim * sizeof *scratch);
}

ayf_status ayf_metrics_factor(ayf_context *ctx, const double *scatter, size_t dim, double scale,
                              double *factor, size_t *rank) {
    int n = (int)dim, kept = 0, info = 0;
    double tolerance = -1;
    int *pivot = ayf_alloc(ctx, dim, sizeof *pivot);
    double *work = ayf_alloc(ctx, 2 * dim, sizeof *work);
    ayf_status status = pivot && work ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        for (size_t i = 0; i < dim * dim; i++) factor[i] = scatter[i] / scale;
        dpstrf_("L", &n, factor, &n, pivot, &kept, &tolerance, work, &info, 1);
        for (size_t k = 0; k < (size_t)kept; k++) unpivot(factor + k * dim, dim, k, pivot, work);
        *rank = (size_t)kept;
        if (info < 0) status = ayf_fail(ctx, AYF_E_INTERNAL, "dpstrf rejects its argument %d", -info);
    }
    ayf_free(ctx, pivot);
    ayf_free(ctx, work);
    return status;
}

ayf_status ayf_metrics_nuclear_norm(ayf_context *ctx, double *x, size_t rows, size_t columns, double *out) {
    int m = (int)columns, n = (int)rows, one = 1, length = -1, info = 0;
    size_t count = rows < columns ? rows : columns;
    double best = 0, none = 0;
    *out = 0;
    if (!count) return AYF_OK;
    int *integers = ayf_alloc(ctx, 8 * count, sizeof *integers);
    double *values = ayf_alloc(ctx, count, sizeof *values), *work = NULL;
    ayf_status status = integers && values ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        dgesdd_("N", &m, &n, x, &m, values, &none, &one, &none, &one, &best, &length, integers, &info, 1);
        length = (int)best;
        work = ayf_alloc(ctx, (size_t)length, sizeof *work);
        status = work ? AYF_OK : AYF_E_MEMORY;
    }
    if (status == AYF_OK) {
        dgesdd_("N", &m, &n, x, &m, values, &none, &one, &none, &one, work, &length, integers, &info, 1);
        if (info)
            status =
                ayf_fail(ctx, AYF_E_INTERNAL, "the singular values of a %zux%zu matrix do not converge (%d)",
                         rows, columns, info);
    }
    for (size_t i = 0; status == AYF_OK && i < count; i++) *out += values[i];
    ayf_free(ctx, integers);
    ayf_free(ctx, values);
    ayf_free(ctx, work);
    return status;
}
