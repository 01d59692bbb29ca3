/* What the metrics share: checks of a set, and BLAS on the threads of a context. */
#ifndef AYF_METRICS_LINEAR_H
#define AYF_METRICS_LINEAR_H

#include <cblas.h>

#include "base/base.h"

/* AYF_E_DIVERGED when a value of x[n][dim] is not finite; `name` ("reference set") and the sample are in the
 * message. */
ayf_status ayf_metrics_finite(ayf_context *ctx, const char *name, const float *x, size_t n, size_t dim);
/* The same for two sets, "reference set" and "generated set". AYF_E_USAGE when dim is 0 or beyond what BLAS
 * can count. */
ayf_status ayf_metrics_sets(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb,
                            size_t dim);

/* BLAS with no more threads than the context allows, between enter and leave; what enter returns goes to
 * leave. The number belongs to the process, so another user of OpenBLAS in it sees it for that time. Never
 * enter in a parallel region. */
int ayf_blas_enter(const ayf_context *ctx);
void ayf_blas_leave(int previous);

/* out[rows][dim] = x - centre (NULL: 0), in double. */
void ayf_metrics_widen(const float *x, size_t rows, size_t dim, const double *centre, double *out);

/* out[rows][columns] = x[rows][dim] y[columns][dim]^T. */
void ayf_metrics_product(const double *x, size_t rows, const double *y, size_t columns, size_t dim,
                         double *out);

/* factor[rank][dim] with factor^T factor = scatter / scale, by Cholesky with pivoting; `scatter` as in
 * ayf_moments. What is left when the pivots are down to rounding (dim * 1e-16 of the largest) is dropped.
 * factor has room for [dim][dim]. */
ayf_status ayf_metrics_factor(ayf_context *ctx, const double *scatter, size_t dim, double scale,
                              double *factor, size_t *rank);

/* Sum of the singular values of x[rows][columns], which is destroyed. 0 for an empty matrix. */
ayf_status ayf_metrics_nuclear_norm(ayf_context *ctx, double *x, size_t rows, size_t columns, double *out);

#endif
