/* The table of metrics: the names of its figures, where each is measured, and the recipe. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "metrics/table.h"

static ayf_context *ctx;

static void ok(ayf_status status) {
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static float *normal(uint64_t sample, size_t count) {
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    ayf_rng_normal((ayf_rng_key){7, AYF_RNG_TEST, 0, sample}, x, count);
    return x;
}

static const ayf_by kinds[] = {AYF_BY_FITTED, AYF_BY_INCEPTION, AYF_BY_COORDINATES};

/* No number goes without a name that says what it is by. */
static void test_figures(void **state) {
    (void)state;
    static const size_t counts[] = {12, 13, 3};
    static const char *const first[] = {"fd_our_features", "fid", "fd_coordinates"};
    ayf_eval_figure all[3 * AYF_FIGURES_MOST];
    size_t total = 0;
    for (size_t k = 0; k < AYF_COUNT(kinds); k++) {
        const ayf_eval_figure *own = all + total;
        size_t count = ayf_metrics_figures(kinds[k], all + total);
        assert_int_equal(count, counts[k]);
        assert_string_equal(own[0].name, first[k]);
        assert_string_equal(own[count - 1].name, "seconds_to_draw");
        for (size_t i = 0; i < count; i++) {
            assert_true(*own[i].title && *own[i].help && own[i].decimals > 0);
            assert_true(own[i].offset <= sizeof(ayf_eval_row) - sizeof(double));
            for (size_t j = 0; j < i; j++)
                assert_true(own[i].offset != own[j].offset && strcmp(own[i].name, own[j].name) != 0);
        }
        total += count;
    }
    /* What has the same name by two kinds is the same number. */
    for (size_t i = 0; i < total; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(all[i].name, all[j].name) == 0)
                assert_true(all[i].offset == all[j].offset &&
                            (strcmp(all[i].name, "sliced_wasserstein_pixels") == 0 ||
                             strncmp(all[i].name, "nearest_real_", 13) == 0 ||
                             strcmp(all[i].name, "seconds_to_draw") == 0));
}

static double figure_of(const ayf_eval_row *row, const ayf_eval_figure *figure) {
    return *(const double *)(const void *)((const char *)row + figure->offset);
}

/* Every figure that applies to a kind is measured, and the others are NaN. */
static void test_measure(void **state) {
    (void)state;
    enum { N = 40, FEW = 30, DIM = 4 };
    float *a = normal(21, N * DIM), *b = normal(22, FEW * DIM);
    int labels[FEW];
    for (int i = 0; i < FEW; i++) labels[i] = i % 2;
    ayf_moments *of_a, *of_b;
    ok(ayf_moments_new(ctx, DIM, &of_a));
    ok(ayf_moments_new(ctx, DIM, &of_b));
    ok(ayf_moments_add(of_a, a, N));
    ok(ayf_moments_add(of_b, b, FEW));
    ayf_comparison c = {.ctx = ctx,
                        .dim = DIM,
                        .values = DIM,
                        .classes = DIM,
                        .seed = 3,
                        .real = {of_a, a, a, N, N},
                        .drawn = {of_b, b, b, FEW, FEW},
                        .paired = FEW,
                        .logits = b,
                        .labels = labels};
    for (size_t k = 0; k < AYF_COUNT(kinds); k++) {
        ayf_eval_row row = {.count = 77};
        ayf_eval_figure figures[AYF_FIGURES_MOST];
        size_t count = ayf_metrics_figures(kinds[k], figures), known = 0;
        c.by = kinds[k];
        ok(ayf_metrics_measure(&c, &row));
        for (size_t i = 0; i + 1 < count; i++) known += isfinite(figure_of(&row, &figures[i])) != 0;
        assert_int_equal(known, count - 1);
        assert_true(isnan(row.seconds) && row.count == 77);
        assert_int_equal(isnan(row.kid) != 0, kinds[k] == AYF_BY_COORDINATES);
        assert_int_equal(isnan(row.inception_score) == 0, kinds[k] == AYF_BY_INCEPTION);
        assert_int_equal(isnan(row.class_accuracy) == 0, kinds[k] == AYF_BY_FITTED);
        double fd, wasserstein;
        ok(ayf_frechet_of_moments(of_a, of_b, &fd));
        ok(ayf_sliced_wasserstein(ctx, a, b, FEW, DIM, AYF_SLICES, 3, &wasserstein));
        assert_true(row.fd == fd && row.sliced_wasserstein == wasserstein);
    }
    int right = 0;
    for (int i = 0; i < FEW; i++) {
        int best = 0;
        for (int j = 1; j < DIM; j++)
            if (b[i * DIM + j] > b[i * DIM + best]) best = j;
        right += best == labels[i];
    }
    ayf_eval_row row;
    c.by = AYF_BY_FITTED;
    ok(ayf_metrics_measure(&c, &row));
    assert_true(row.class_accuracy == right / (double)FEW);
    c.labels = NULL;
    ok(ayf_metrics_measure(&c, &row));
    assert_true(isnan(row.class_accuracy));
    ayf_moments_free(of_a);
    ayf_moments_free(of_b);
    free(a);
    free(b);
}

static void test_recipe(void **state) {
    (void)state;
    static const char *const want[] = {
        "FD against the whole reference; KID (subsets of 1000) against 2000 "
        "of it at random; precision, recall, "
        "density and coverage (5 neighbours) and sliced Wasserstein (512 "
        "directions) of 2000 of the samples and as "
        "many of the reference; nearest real picture among 3000 of it",
        "FID against the whole reference; KID (subsets of 1000) against 2000 "
        "of it at random; precision, recall, "
        "density and coverage (5 neighbours) and sliced Wasserstein (512 "
        "directions) of 2000 of the samples and as "
        "many of the reference; nearest real picture among 3000 of it; Inception score over 10 parts",
        "FD against the whole reference; sliced Wasserstein (512 directions) "
        "of 2000 of the samples and as many of "
        "the reference at random"};
    for (size_t k = 0; k < AYF_COUNT(kinds); k++) {
        char *recipe = ayf_metrics_recipe(ctx, kinds[k], 2000, 3000);
        assert_non_null(recipe);
        assert_string_equal(recipe, want[k]);
        ayf_free(ctx, recipe);
    }
    char *few = ayf_metrics_recipe(ctx, AYF_BY_FITTED, 300, 300);
    assert_non_null(strstr(few, "KID (subsets of 300) against 300 of it"));
    ayf_free(ctx, few);
}

int main(void) {
    ctx = ayf_open(&(ayf_options){.threads = 1});
    if (!ctx) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures), cmocka_unit_test(test_measure),
                                       cmocka_unit_test(test_recipe)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ayf_close(ctx);
    return failed;
}
