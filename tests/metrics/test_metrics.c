/* Comparisons of sets and images: closed forms, numbers of other programs (data/metrics.py), and what must
 * not matter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/metrics.h"
#include "metrics/linear.h"
#include "base/rng.h"
#include "io/safetensors.h"
#include "frechet.h"
#include "test_context.h"

static ayf_context *ctx;
static ayf_st *fixture;

static void ok(ayf_status status) {
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static void expect_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g is not %.17g to %g", got, want, tolerance);
}

static void expect_failure(ayf_status status, ayf_status want, const char *part) {
    assert_int_equal(status, want);
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static float *values_of(size_t count) {
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    return x;
}

static float *normal(uint64_t sample, size_t count) {
    float *x = values_of(count);
    ayf_rng_normal((ayf_rng_key){7, AYF_RNG_TEST, 0, sample}, x, count);
    return x;
}

/* ---- The fixture ---- */

typedef struct array {
    float *x;
    size_t n, dim; /* rows, values in a row */
} array;

static array fixture_array(const char *name) {
    const ayf_st_tensor *t = ayf_st_get(fixture, name);
    if (!t) fail_msg("%s", ayf_error(ctx));
    array a = {.n = (size_t)t->shape[0], .dim = t->count / (size_t)t->shape[0], .x = values_of(t->count)};
    ok(ayf_st_read_f32(fixture, name, a.x, t->count));
    return a;
}

static double fixture_value(const char *name, size_t index) {
    const ayf_st_tensor *t = ayf_st_get(fixture, name);
    double value;
    if (!t) fail_msg("%s", ayf_error(ctx));
    assert_true(index < t->count && t->dtype == AYF_ST_F64);
    memcpy(&value, (const char *)t->data + index * sizeof value, sizeof value);
    return value;
}

/* The sets a and b of the fixture. */
static void sets(array *a, array *b) {
    *a = fixture_array("a");
    *b = fixture_array("b");
}

static double frechet(array a, array b) {
    double out;
    ok(frechet_of_sets(ctx, a.x, a.n, b.x, b.n, a.dim, &out));
    return out;
}

static double sliced(array a, array b, int directions) {
    double out;
    size_t n = a.n < b.n ? a.n : b.n;
    ok(ayf_sliced_wasserstein(ctx, a.x, b.x, n, a.dim, directions, 0, &out));
    return out;
}

static ayf_kid_result kid(array a, array b, size_t size) {
    ayf_kid_result out;
    ok(ayf_kid(ctx, a.x, a.n, b.x, b.n, a.dim, &(ayf_kid_options){.subsets = AYF_KID_SUBSETS, .size = size},
               &out));
    return out;
}

static void test_fixture_of_sets(void **state) {
    (void)state;
    array a, b, head;
    sets(&a, &b);
    head = a;
    head.n = b.n;
    double want = fixture_value("frechet", 0);
    expect_near(frechet(a, b), want, 1e-7 * want);
    ayf_kid_result whole = kid(head, b, b.n);
    want = fixture_value("kid", 0);
    expect_near(whole.mean, want, 1e-10 * want);
    assert_true(whole.subsets == 1 && whole.deviation == 0);
    for (int k = 2; k <= 5; k += 3) {
        double got[4];
        ok(ayf_prdc(ctx, a.x, a.n, b.x, b.n, a.dim, k, got));
        for (size_t i = 0; i < 4; i++)
            expect_near(got[i], fixture_value(k == 2 ? "prdc_2" : "prdc_5", i), 1e-12);
    }
    want = fixture_value("sliced", 0);
    expect_near(sliced(a, b, 10000), want, 0.02 * want);
    free(a.x);
    free(b.x);
}

static void test_fixture_of_scores(void **state) {
    (void)state;
    array logits = fixture_array("logits"), p = fixture_array("probabilities");
    double mean, deviation;
    ok(ayf_inception_score(ctx, logits.x, logits.n, logits.dim, true, AYF_SCORE_SPLITS, &mean, &deviation));
    expect_near(mean, fixture_value("score", 0), 1e-9);
    expect_near(deviation, fixture_value("score", 1), 1e-9);
    ok(ayf_inception_score(ctx, p.x, p.n, p.dim, false, 1, &mean, &deviation));
    expect_near(mean, fixture_value("score", 2), 1e-5);
    assert_true(deviation == 0);
    free(logits.x);
    free(p.x);
}

static void test_fixture_of_images(void **state) {
    (void)state;
    static const struct {
        const char *x, *y, *pair;
        int height, width, channels;
    } at[] = {{"x_20", "y_20", "pair_20", 20, 16, 3},
              {"x_11", "y_11", "pair_11", 11, 11, 1},
              {"x_8", "y_8", "pair_8", 8, 13, 2},
              {"x_4", "y_4", "pair_4", 4, 1, 1}};
    for (size_t i = 0; i < AYF_COUNT(at); i++) {
        array x = fixture_array(at[i].x), y = fixture_array(at[i].y);
        double ssim;
        assert_int_equal(x.n * x.dim, at[i].height * at[i].width * at[i].channels);
        ok(ayf_ssim(ctx, x.x, y.x, at[i].height, at[i].width, at[i].channels, &ssim));
        expect_near(ayf_psnr(x.x, y.x, x.n * x.dim), fixture_value(at[i].pair, 0), 1e-9);
        expect_near(ssim, fixture_value(at[i].pair, 1), 1e-9);
        free(x.x);
        free(y.x);
    }
}

/* ---- Fréchet distance ---- */

/* 2 dim samples with mean `mean` and covariance sum over rows r of r r^T: mean +- row * sqrt((n - 1) / 2). */
static ayf_moments *moments_of_rows(const double *rows, const double *mean, size_t dim) {
    ayf_moments *m;
    ok(ayf_moments_new(ctx, dim, &m));
    double scale = sqrt((2 * (double)dim - 1) / 2);
    float *x = values_of(2 * dim * dim);
    for (size_t i = 0; i < 2 * dim; i++)
        for (size_t j = 0; j < dim; j++)
            x[i * dim + j] = (float)(mean[j] + (i < dim ? scale : -scale) * rows[i % dim * dim + j]);
    ok(ayf_moments_add(m, x, 2 * dim));
    free(x);
    return m;
}

/* Covariances diag(a^2, b^2) and R diag(c^2, d^2) R^T in the plane, where tr (C D)^(1/2) is the root of
 * tr(C D) + 2 (det C det D)^(1/2). */
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
        expect_near(got, 0, 1e-14);
        ayf_moments_free(m);
        ayf_moments_free(n);
    }
}

/* x rounded to 1/1024, so that sums of a few of them and powers of two are exact. */
static void round_all(array a) {
    for (size_t i = 0; i < a.n * a.dim; i++) a.x[i] = rintf(a.x[i] * 1024) / 1024;
}

static void test_frechet_invariance(void **state) {
    (void)state;
    array a, b;
    sets(&a, &b);
    round_all(a);
    round_all(b);
    double want = frechet(a, b);
    expect_near(frechet(b, a), want, 1e-12 * want);
    /* a common shift 2000 times the spread */
    array far_a = a, far_b = b;
    far_a.x = values_of(a.n * a.dim);
    far_b.x = values_of(b.n * b.dim);
    for (size_t i = 0; i < a.n * a.dim; i++) far_a.x[i] = a.x[i] + 4096;
    for (size_t i = 0; i < b.n * b.dim; i++) far_b.x[i] = b.x[i] + 4096;
    expect_near(frechet(far_a, far_b), want, 1e-10 * want);
    /* a turn by the matrix 1 - 2 u u^T, after it the order of the samples reversed */
    for (int set = 0; set < 2; set++) {
        array from = set ? b : a, to = set ? far_b : far_a;
        for (size_t i = 0; i < from.n; i++) {
            const float *x = from.x + (from.n - 1 - i) * from.dim;
            double along = 0;
            for (size_t j = 0; j < from.dim; j++) along += x[j] / sqrt((double)from.dim);
            for (size_t j = 0; j < from.dim; j++)
                to.x[i * from.dim + j] = (float)(x[j] - 2 * along / sqrt((double)from.dim));
        }
    }
    expect_near(frechet(far_a, far_b), want, 1e-6 * want);
    free(a.x);
    free(b.x);
    free(far_a.x);
    free(far_b.x);
}

/* Features that are constant, copies of others, or 1e-4 of the size of others change nothing, and a set is at
 * distance 0 from itself however its covariance is conditioned. */
static void test_frechet_of_degenerate_features(void **state) {
    (void)state;
    enum { N = 200, FEW = 3, MANY = 9 };
    float *x = normal(1, N * FEW), *y = normal(2, N * FEW);
    array few = {x, N, FEW}, other = {y, N, FEW}, many = {values_of(N * MANY), N, MANY}, wide = many;
    wide.x = values_of(N * MANY);
    for (size_t i = 0; i < N * FEW; i++) y[i] = 2 * y[i] + x[i];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < FEW; j++) {
            /* (p, p, 7): twice the squared distance */
            many.x[i * MANY + j] = many.x[i * MANY + FEW + j] = x[i * FEW + j];
            wide.x[i * MANY + j] = wide.x[i * MANY + FEW + j] = y[i * FEW + j];
            many.x[i * MANY + 2 * FEW + j] = wide.x[i * MANY + 2 * FEW + j] = 7;
        }
    double want = frechet(few, other);
    assert_true(want > 1);
    expect_near(frechet(many, wide), 2 * want, 1e-6);
    expect_near(frechet(many, many), 0, 1e-12);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < MANY; j++)
            many.x[i * MANY + j] =
                (float)((x[i * FEW + j % FEW] + y[(i * 5 + j) % (N * FEW)]) * pow(10, -(double)j));
    expect_near(frechet(many, many), 0, 1e-12);
    free(x);
    free(y);
    free(many.x);
    free(wide.x);
}

static void test_moments_in_parts(void **state) {
    (void)state;
    array a = fixture_array("a");
    ayf_moments *whole, *parts;
    ok(ayf_moments_new(ctx, a.dim, &whole));
    ok(ayf_moments_new(ctx, a.dim, &parts));
    ok(ayf_moments_add(whole, a.x, a.n));
    static const size_t end[] = {1, 3, 10, 11, 200, 320};
    for (size_t i = 0; i < AYF_COUNT(end); i++) {
        size_t first = i ? end[i - 1] : 0;
        ok(ayf_moments_add(parts, a.x + first * a.dim, end[i] - first));
    }
    ok(ayf_moments_add(parts, a.x, 0));
    assert_int_equal(whole->count, a.n);
    assert_int_equal(parts->count, a.n);
    for (size_t i = 0; i < a.dim; i++) {
        double mean = 0;
        for (size_t k = 0; k < a.n; k++) mean += a.x[k * a.dim + i] / (double)a.n;
        expect_near(whole->mean[i], mean, 1e-12);
        expect_near(parts->mean[i], mean, 1e-12);
        for (size_t j = 0; j < a.dim; j++)
            expect_near(parts->scatter[i * a.dim + j], whole->scatter[i * a.dim + j], 1e-9);
    }
    ayf_moments_free(whole);
    ayf_moments_free(parts);
    free(a.x);
}

/* ---- Kernel distance ---- */

/* All samples of a at p, all of b at q: k(p,p) + k(q,q) - 2 k(p,q) in every subset. */
static void test_kid_of_two_points(void **state) {
    (void)state;
    float a[40], b[60];
    for (int i = 0; i < 20; i++) a[2 * i] = 1, a[2 * i + 1] = 2;
    for (int i = 0; i < 30; i++) b[2 * i] = -1, b[2 * i + 1] = 3;
    ayf_kid_options usual = ayf_kid_default(20, 30);
    ayf_kid_result got;
    ok(ayf_kid(ctx, a, 20, b, 30, 2, &usual, &got));
    expect_near(got.mean, 3.5 * 3.5 * 3.5 + 216 - 2 * 3.5 * 3.5 * 3.5, 1e-11);
    expect_near(got.deviation, 0, 1e-11);
    assert_true(got.subsets == 100 && got.size == 20);
    ok(ayf_kid(ctx, a, 20, a, 20, 2, &usual, &got));
    expect_near(got.mean, 0, 1e-11);
}

/* The estimate has no bias: over subsets it is near that of the whole, and 0 between sets of one
 * distribution. */
static void test_kid_of_subsets(void **state) {
    (void)state;
    array a, b;
    sets(&a, &b);
    for (size_t i = 0; i < a.n * a.dim; i++) a.x[i] /= 8;
    for (size_t i = 0; i < b.n * b.dim; i++) b.x[i] /= 8;
    array head = a;
    head.n = b.n;
    ayf_kid_result whole = kid(head, b, b.n), parts = kid(head, b, 40), again = kid(head, b, 40), seeded;
    assert_true(parts.subsets == 100 && parts.size == 40 && parts.deviation > 0);
    expect_near(parts.mean, whole.mean, 4 * parts.deviation / 10);
    assert_true(parts.mean == again.mean && parts.deviation == again.deviation);
    ayf_kid_options options = {.size = 40, .seed = 1, .subsets = 7};
    ok(ayf_kid(ctx, head.x, head.n, b.x, b.n, b.dim, &options, &seeded));
    assert_true(seeded.subsets == 7 && seeded.mean != parts.mean);
    expect_near(seeded.mean, whole.mean, 4 * seeded.deviation / sqrt(7));
    enum { N = 4000, DIM = 4 };
    array x = {normal(3, N * DIM), N, DIM}, y = {normal(4, N * DIM), N, DIM};
    parts = kid(x, y, 40);
    expect_near(parts.mean, 0, 4 * parts.deviation / 10);
    assert_true(parts.deviation < 1);
    /* the subsets of both sets are not the same choice: copies are 1/N of the pairs, not 1/40 */
    parts = kid(x, x, 40);
    expect_near(parts.mean, 0, 4 * parts.deviation / 10);
    free(a.x);
    free(b.x);
    free(x.x);
    free(y.x);
}

/* ---- Precision, recall, density, coverage ---- */

/* a: 0 ... 9 on a line; b: half of it at 1/2 ... 9/2, half of it far away. k = 1: all radii are 1, balls are
 * closed. */
static void test_prdc_on_a_line(void **state) {
    (void)state;
    float a[10], b[10];
    double got[4];
    for (int i = 0; i < 10; i++) a[i] = (float)i, b[i] = i < 5 ? 0.5f + (float)i : 95 + (float)i;
    ok(ayf_prdc(ctx, a, 10, b, 10, 1, 1, got));
    expect_near(got[AYF_PRECISION], 0.5, 1e-12);
    expect_near(got[AYF_RECALL], 0.6, 1e-12);
    expect_near(got[AYF_DENSITY], 1, 1e-12);
    expect_near(got[AYF_COVERAGE], 0.6, 1e-12);
    /* k = 2: radii 1, but 2 at the ends of a; b's are 1, but 2 at the ends of both halves */
    ok(ayf_prdc(ctx, a, 10, b, 10, 1, 2, got));
    expect_near(got[AYF_PRECISION], 0.5, 1e-12);
    expect_near(got[AYF_RECALL], 0.7, 1e-12);
    expect_near(got[AYF_DENSITY], 11.0 / 20, 1e-12);
    expect_near(got[AYF_COVERAGE], 0.6, 1e-12);
}

static void test_prdc_of_equal_sets(void **state) {
    (void)state;
    enum { N = 1100, DIM = 3 };
    float *x = normal(5, N * DIM), *same = values_of(N * DIM);
    double got[4];
    for (size_t i = 0; i < N * DIM; i++) x[i] += 1000;
    ok(ayf_prdc(ctx, x, N, x, N, DIM, 5, got));
    assert_true(got[AYF_PRECISION] == 1 && got[AYF_RECALL] == 1 && got[AYF_COVERAGE] == 1);
    expect_near(got[AYF_DENSITY], 6.0 / 5, 1e-12); /* the k neighbours and itself */
    for (size_t i = 0; i < N * DIM; i++) same[i] = x[(i + 7 * DIM) % (N * DIM)];
    ok(ayf_prdc(ctx, x, N, same, N, DIM, 5, got));
    expect_near(got[AYF_DENSITY], 6.0 / 5, 1e-12);
    for (size_t i = 0; i < N * DIM; i++) same[i] = 0.1f * (float)(i % DIM + 1);
    ok(ayf_prdc(ctx, same, N, same, 7, DIM, 5, got));
    assert_true(got[AYF_PRECISION] == 1 && got[AYF_RECALL] == 1 && got[AYF_COVERAGE] == 1);
    expect_near(got[AYF_DENSITY], N / 5.0, 1e-12);
    ok(ayf_prdc(ctx, x, N, same, N, DIM, 5, got));
    assert_true(got[AYF_PRECISION] == 0 && got[AYF_RECALL] == 0 && got[AYF_COVERAGE] == 0 &&
                got[AYF_DENSITY] == 0);
    free(x);
    free(same);
}

/* 40 points, eight copies of each: all balls are points, whatever the rounding of inner products. */
static void test_prdc_of_copies(void **state) {
    (void)state;
    enum { POINTS = 40, COPIES = 8, DIM = 51, N = POINTS * COPIES };
    float *points = normal(15, POINTS * DIM), *a = values_of(N * DIM), *b = values_of(N * DIM);
    double got[4];
    for (size_t i = 0; i < N * DIM; i++) {
        a[i] = points[i / DIM % POINTS * DIM + i % DIM];
        b[i] = points[i / DIM / COPIES * DIM + i % DIM];
    }
    ok(ayf_prdc(ctx, a, N, b, N, DIM, 5, got));
    assert_true(got[AYF_PRECISION] == 1 && got[AYF_RECALL] == 1 && got[AYF_COVERAGE] == 1);
    expect_near(got[AYF_DENSITY], COPIES / 5.0, 1e-12);
    free(points);
    free(a);
    free(b);
}

/* ---- Sliced Wasserstein distance ---- */

/* Points of a plane whose neighbours are plain to see; each distance is divided by sqrt 2. */
static void test_nearest(void **state) {
    (void)state;
    static const float a[] = {0, 0, 10, 0, 10, 4, 10, 4, 100, 100}, b[] = {3, 0, 10, 5, 10, -6};
    double median;
    ok(ayf_nearest_sample(ctx, a, 5, b, 3, 2, false, &median)); /* 3, 1, 6 */
    expect_near(median, 3 / sqrt(2), 1e-12);
    ok(ayf_nearest_sample(ctx, a, 5, b, 2, 2, false, &median)); /* 3, 1 */
    expect_near(median, 2 / sqrt(2), 1e-12);
    ok(ayf_nearest_sample(ctx, a, 5, a, 5, 2, true, &median)); /* 10, 4, 0, 0, sqrt(90^2 + 96^2) */
    expect_near(median, 4 / sqrt(2), 1e-12);
    ok(ayf_nearest_sample(ctx, a, 5, a, 5, 2, false, &median));
    assert_true(median == 0);
    expect_failure(ayf_nearest_sample(ctx, a, 1, a, 1, 2, true, &median), AYF_E_USAGE, "at least 2");
    expect_failure(ayf_nearest_sample(ctx, a, 0, b, 1, 2, false, &median), AYF_E_USAGE, "at least 1");

    enum { MANY = 2100, FEW = 300, DIM = 3 }; /* several blocks, against the plain way */
    float *x = normal(31, MANY * DIM), *y = normal(32, FEW * DIM);
    double *near = calloc(FEW, sizeof *near);
    for (int i = 0; i < FEW; i++) {
        near[i] = INFINITY;
        for (int j = 0; j < MANY; j++) {
            double sum = 0;
            for (int k = 0; k < DIM; k++) sum += pow((double)y[i * DIM + k] - x[j * DIM + k], 2);
            near[i] = fmin(near[i], sqrt(sum / DIM));
        }
    }
    for (int i = 0; i < FEW; i++)
        for (int j = i; j > 0 && near[j - 1] > near[j]; j--) {
            double swap = near[j];
            near[j] = near[j - 1];
            near[j - 1] = swap;
        }
    ok(ayf_nearest_sample(ctx, x, MANY, y, FEW, DIM, false, &median));
    expect_near(median, (near[FEW / 2 - 1] + near[FEW / 2]) / 2, 1e-9);
    free(near);
    free(x);
    free(y);
}

static void test_sliced_closed_forms(void **state) {
    (void)state;
    /* on a line it is the Wasserstein distance: 0 1 2 5 to 7 2 2 3 */
    const float few[4] = {5, 0, 2, 1}, other[4] = {2, 7, 3, 2};
    double got;
    ok(ayf_sliced_wasserstein(ctx, few, other, 4, 1, 3, 9, &got));
    expect_near(got, sqrt((4 + 1 + 1 + 4) / 4.0), 1e-12);
    /* a shift by (1, -2, 2) gives 3 / sqrt 3; twice everything twice that; an order of samples does not
     * matter */
    enum { N = 600, DIM = 3 };
    static const float shift[DIM] = {1, -2, 2};
    array a = {normal(6, N * DIM), N, DIM}, b = {values_of(N * DIM), N, DIM};
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < DIM; j++) b.x[i * DIM + j] = a.x[(N - 1 - i) * DIM + j];
    expect_near(sliced(a, b, AYF_SLICES), 0, 1e-12);
    for (size_t i = 0; i < N * DIM; i++) b.x[i] += shift[i % DIM];
    got = sliced(a, b, 3000);
    expect_near(got, sqrt(3), 0.03);
    for (size_t i = 0; i < N * DIM; i++) a.x[i] *= 2, b.x[i] *= 2;
    expect_near(sliced(a, b, 3000), 2 * got, 1e-9);
    assert_true(sliced(a, b, 16) != sliced(a, b, 17));
    free(a.x);
    free(b.x);
}

/* ---- Scores and images ---- */

static void test_inception_score_limits(void **state) {
    (void)state;
    enum { CLASSES = 4, N = 40 };
    float same[N * CLASSES], one[N * CLASSES] = {0};
    double mean, deviation;
    for (int i = 0; i < N * CLASSES; i++) same[i] = (float)(i % CLASSES);
    for (int i = 0; i < N; i++) one[i * CLASSES + i % CLASSES] = 1;
    ok(ayf_inception_score(ctx, same, N, CLASSES, true, AYF_SCORE_SPLITS, &mean, &deviation));
    expect_near(mean, 1, 1e-12);
    ok(ayf_inception_score(ctx, one, N, CLASSES, false, AYF_SCORE_SPLITS, &mean, &deviation));
    expect_near(mean, CLASSES, 1e-12);
    expect_near(deviation, 0, 1e-12);
    /* large logits do not overflow */
    for (int i = 0; i < N * CLASSES; i++) one[i] = 2000 * one[i] - 1000;
    ok(ayf_inception_score(ctx, one, N, CLASSES, true, 1, &mean, &deviation));
    expect_near(mean, CLASSES, 1e-12);
}

static void test_images_closed_forms(void **state) {
    (void)state;
    enum { SIDE = 12 };
    float *a = normal(8, SIDE * SIDE), *b = values_of(SIDE * SIDE);
    double ssim;
    for (size_t i = 0; i < SIDE * SIDE; i++) b[i] = a[i] + 0.5f;
    expect_near(ayf_psnr(a, b, SIDE * SIDE), 10 * log10(16), 1e-5);
    assert_true(isinf(ayf_psnr(a, a, SIDE * SIDE)));
    ok(ayf_ssim(ctx, a, a, SIDE, SIDE, 1, &ssim));
    expect_near(ssim, 1, 1e-12);
    for (size_t i = 0; i < SIDE * SIDE; i++) a[i] = 0.5f, b[i] = -0.25f;
    ok(ayf_ssim(ctx, a, b, SIDE, SIDE, 1, &ssim));
    expect_near(ssim, (2 * 0.5 * -0.25 + 0.0004) / (0.25 + 0.0625 + 0.0004), 1e-9);
    ok(ayf_ssim(ctx, a, b, 1, 1, 1, &ssim));
    expect_near(ssim, (2 * 0.5 * -0.25 + 0.0004) / (0.25 + 0.0625 + 0.0004), 1e-9);
    free(a);
    free(b);
}

/* ---- Bad input, memory, threads ---- */

static void test_bad_sets(void **state) {
    (void)state;
    enum { N = 12, DIM = 4 };
    float *a = normal(9, N * DIM), *b = normal(10, N * DIM);
    double out, four[4];
    ayf_kid_options usual = ayf_kid_default(N, N);
    ayf_kid_result kid;
    expect_failure(frechet_of_sets(ctx, a, 4, b, N, DIM, &out), AYF_E_USAGE,
                   "the reference set of 4 samples is not larger than the feature dimension 4");
    expect_failure(frechet_of_sets(ctx, a, 5, b, 3, DIM, &out), AYF_E_USAGE,
                   "use more images or fewer features");
    expect_failure(frechet_of_sets(ctx, a, 5, b, 1, DIM, &out), AYF_E_USAGE,
                   "the generated set has 1 samples");
    expect_failure(frechet_of_sets(ctx, a, 1, b, N, 0, &out), AYF_E_USAGE, "samples of 0 values");
    ok(frechet_of_sets(ctx, a, 5, b, 5, DIM, &out));
    expect_failure(ayf_kid(ctx, a, 1, b, N, DIM, &usual, &kid), AYF_E_USAGE,
                   "the reference set has 1 samples");
    expect_failure(ayf_kid(ctx, a, N, b, N, DIM, &(ayf_kid_options){.subsets = 1, .size = 13}, &kid),
                   AYF_E_USAGE, "2 ... 12");
    expect_failure(ayf_kid(ctx, a, N, b, N, DIM, &(ayf_kid_options){.subsets = 1, .size = 1}, &kid),
                   AYF_E_USAGE, "2 ... 12");
    expect_failure(ayf_kid(ctx, a, N, b, N, DIM, &(ayf_kid_options){.subsets = -1, .size = 2}, &kid),
                   AYF_E_USAGE, "-1 subsets");
    expect_failure(ayf_kid(ctx, a, N, b, N, DIM, &(ayf_kid_options){.size = 2}, &kid), AYF_E_USAGE,
                   "0 subsets");
    expect_failure(ayf_prdc(ctx, a, N, b, 5, DIM, 5, four), AYF_E_USAGE, "the generated set has 5 samples");
    expect_failure(ayf_prdc(ctx, a, N, b, N, DIM, 0, four), AYF_E_USAGE, "neighbour 0");
    expect_failure(ayf_sliced_wasserstein(ctx, a, b, 0, DIM, 1, 0, &out), AYF_E_USAGE, "0 samples");
    expect_failure(ayf_sliced_wasserstein(ctx, a, b, N, DIM, 0, 0, &out), AYF_E_USAGE, "0 directions");
    expect_failure(ayf_sliced_wasserstein(ctx, a, b, N, DIM, -1, 0, &out), AYF_E_USAGE, "-1 directions");
    expect_failure(ayf_inception_score(ctx, a, N, DIM, true, 0, &out, four), AYF_E_USAGE, "in 0 parts");
    expect_failure(ayf_inception_score(ctx, a, N, DIM, true, 13, &out, four), AYF_E_USAGE, "in 13 parts");
    expect_failure(ayf_inception_score(ctx, a, N, 1, true, 1, &out, four), AYF_E_USAGE, "of 1 classes");
    expect_failure(ayf_inception_score(ctx, a, N, DIM, false, 1, &out, four), AYF_E_USAGE,
                   "say that they are logits");
    expect_failure(ayf_ssim(ctx, a, b, 4, 0, 1, &out), AYF_E_USAGE, "4x0x1");
    ayf_moments *m, *n;
    ok(ayf_moments_new(ctx, 3, &m));
    ok(ayf_moments_new(ctx, 4, &n));
    expect_failure(ayf_frechet_of_moments(m, n, &out), AYF_E_USAGE, "3 features");
    b[2 * DIM + 1] = NAN;
    expect_failure(ayf_moments_add(n, b, N), AYF_E_DIVERGED, "sample 2 of the set holds");
    assert_true(n->count == 0 && n->scatter[0] == 0);
    b[2 * DIM + 1] = INFINITY;
    expect_failure(ayf_kid(ctx, a, N, b, N, DIM, &usual, &kid), AYF_E_DIVERGED, "is infinite");
    expect_failure(ayf_prdc(ctx, a, N, b, N, DIM, 5, four), AYF_E_DIVERGED, "is infinite");
    expect_failure(ayf_sliced_wasserstein(ctx, a, b, N, DIM, 1, 0, &out), AYF_E_DIVERGED, "is infinite");
    expect_failure(ayf_inception_score(ctx, b, N, DIM, true, 1, &out, four), AYF_E_DIVERGED, "is infinite");
    ayf_moments_free(m);
    ayf_moments_free(n);
    free(a);
    free(b);
}

typedef struct everything {
    double frechet, prdc[4], sliced, score, deviation, ssim;
    ayf_kid_result kid;
} everything;

static ayf_status run_everything(ayf_context *c, const float *a, const float *b, size_t n, size_t dim,
                                 everything *out) {
    AYF_TRY(frechet_of_sets(c, a, n, b, n, dim, &out->frechet));
    AYF_TRY(ayf_kid(c, a, n, b, n, dim, &(ayf_kid_options){.size = n / 2, .subsets = 3}, &out->kid));
    AYF_TRY(ayf_prdc(c, a, n, b, n, dim, 5, out->prdc));
    AYF_TRY(ayf_sliced_wasserstein(c, a, b, n, dim, 20, 0, &out->sliced));
    AYF_TRY(ayf_inception_score(c, a, n, dim, true, 10, &out->score, &out->deviation));
    return ayf_ssim(c, a, b, (int)n, (int)dim, 1, &out->ssim);
}

static void test_out_of_memory(void **state) {
    (void)state;
    enum { N = 30, DIM = 6 };
    float *a = normal(11, N * DIM), *b = normal(12, N * DIM);
    test_memory memory = {0};
    ayf_context *poor = test_open(&memory);
    everything got;
    long failures = 0;
    for (long n = 1;; n++) {
        memory.fail_at = memory.calls + n;
        ayf_status status = run_everything(poor, a, b, N, DIM, &got);
        memory.fail_at = 0;
        assert_int_equal(memory.held, 1);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_MEMORY);
        failures++;
    }
    assert_true(failures > 40);
    ayf_close(poor);
    free(a);
    free(b);
}

/* BLAS has the threads of the context and then those it had before, and the results are the same up to
 * rounding. */
static void test_threads(void **state) {
    (void)state;
    enum { N = 700, DIM = 64 };
    float *a = normal(13, N * DIM), *b = normal(14, N * DIM);
    ayf_context *two = ayf_open(&(ayf_options){.threads = 2});
    everything one_thread, two_threads;
    int before = openblas_get_num_threads(), previous = ayf_blas_enter(ctx);
    assert_int_equal(openblas_get_num_threads(), 1);
    ayf_blas_leave(previous);
    ok(run_everything(ctx, a, b, N, DIM, &one_thread));
    assert_int_equal(run_everything(two, a, b, N, DIM, &two_threads), AYF_OK);
    assert_int_equal(openblas_get_num_threads(), before);
    expect_near(two_threads.frechet, one_thread.frechet, 1e-10);
    expect_near(two_threads.kid.mean, one_thread.kid.mean, 1e-10);
    expect_near(two_threads.sliced, one_thread.sliced, 1e-10);
    for (int i = 0; i < 4; i++) expect_near(two_threads.prdc[i], one_thread.prdc[i], 1e-12);
    ayf_close(two);
    free(a);
    free(b);
}

static int begin(void **state) {
    (void)state;
    char path[4096];
    const char *root = getenv("AYF_SOURCE_ROOT");
    ctx = ayf_open(&(ayf_options){.threads = 1});
    snprintf(path, sizeof path, "%s/tests/fixtures/metrics.safetensors", root ? root : ".");
    if (!ctx) return -1;
    if (ayf_st_open(ctx, path, &fixture) == AYF_OK) return 0;
    fprintf(stderr, "%s\n", ayf_error(ctx));
    return -1;
}

static int end(void **state) {
    (void)state;
    ayf_st_close(fixture);
    ayf_close(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixture_of_sets),
        cmocka_unit_test(test_fixture_of_scores),
        cmocka_unit_test(test_fixture_of_images),
        cmocka_unit_test(test_frechet_of_turned_gaussians),
        cmocka_unit_test(test_frechet_invariance),
        cmocka_unit_test(test_frechet_of_degenerate_features),
        cmocka_unit_test(test_moments_in_parts),
        cmocka_unit_test(test_kid_of_two_points),
        cmocka_unit_test(test_kid_of_subsets),
        cmocka_unit_test(test_prdc_on_a_line),
        cmocka_unit_test(test_prdc_of_equal_sets),
        cmocka_unit_test(test_prdc_of_copies),
        cmocka_unit_test(test_sliced_closed_forms),
        cmocka_unit_test(test_inception_score_limits),
        cmocka_unit_test(test_images_closed_forms),
        cmocka_unit_test(test_bad_sets),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
