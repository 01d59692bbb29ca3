#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algo/metrics.h"
#include "base/rng.h"
#include "test_context.h"

static ayf_context *ctx;

static void ok(ayf_status status) {
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static void expect_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g is not %.17g to %g", got, want, tolerance);
}

/* ---- Fréchet distance ---- */

/* 2 dim samples with mean `mean` and covariance sum over rows r of r r^T: mean +- row * sqrt((n - 1) / 2). */
static ayf_moments *moments_of_rows(const double *rows, const double *mean, size_t dim) {
    ayf_moments *m;
    ok(ayf_moments_new(ctx, dim, &m));
    double scale = sqrt((2 * (double)dim - 1) / 2);
    float *x = malloc(2 * dim * dim * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < 2 * dim; i++)
        for (size_t j = 0; j < dim; j++)
            x[i * dim + j] = (float)(mean[j] + (i < dim ? scale : -scale) * rows[i % dim * dim + j]);
    ok(ayf_moments_add(m, x, 2 * dim));
    free(x);
    return m;
}

/* Covariances R(p) diag(a^2, b^2) R(p)^T in the plane: tr (C D)^(1/2) = sqrt(tr(C D) + 2 sqrt(det C det D)). */
static void test_frechet_of_turned_gaussians(void **state) {
    (void)state;
    const double a = 2, b = 0.5, c = 1.5, d = 0.25;
    for (int i = 0; i < 7; i++) {
        double angle = 0.3 * i, u = cos(angle), v = sin(angle);
        double first[4] = {a, 0, 0, b}, second[4] = {c * u, c * v, -d * v, d * u};
        double mean_a[2] = {1, -1}, mean_b[2] = {0.5, 2};
        ayf_moments *m = moments_of_rows(first, mean_a, 2), *n = moments_of_rows(second, mean_b, 2);
        double product = a * a * (c * c * u * u + d * d * v * v) + b * b * (c * c * v * v + d * d * u * u);
        double want = 0.25 + 9 + a * a + b * b + c * c + d * d - 2 * sqrt(product + 2 * a * b * c * d), got;
        ok(ayf_frechet_of_moments(m, n, &got));
        expect_near(got, want, 1e-5);
        ok(ayf_frechet_of_moments(n, m, &got));
        expect_near(got, want, 1e-5);
        ok(ayf_frechet_of_moments(n, n, &got));
        expect_near(got, 0, 1e-12);
        ayf_moments_free(m);
        ayf_moments_free(n);
    }
}

int main(void) {
    ctx = ayf_open(&(ayf_options){.threads = 1});
    if (!ctx) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frechet_of_turned_gaussians),
    };
    int failed = cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
    ayf_close(ctx);
    return failed;
}
