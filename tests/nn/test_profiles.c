/* Profiles of power-function averages: numerical integrals, and averages of random walks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "nn/optim.h"
#include "nn/profiles.h"

static ayf_context *ctx;

static double height(ayf_profile p, double t) {
    return t > p.step ? 0 : (p.gamma + 1) * pow(t / p.step, p.gamma) / p.step;
}

/* What is left of `wanted` without factors[count] of `kept`, relative to its norm, by the midpoint rule. */
static double left_of(const ayf_profile *kept, int count, ayf_profile wanted, const double *factors) {
    enum { CELLS = 200000 };
    double sum = 0, all = 0;
    for (int i = 0; i < CELLS; i++) {
        double t = (i + 0.5) * wanted.step / CELLS, difference = height(wanted, t);
        all += difference * difference;
        for (int k = 0; k < count; k++) difference -= factors[k] * height(kept[k], t);
        sum += difference * difference;
    }
    return sqrt(sum / all);
}

static ayf_profile profile(double step, double width) {
    return (ayf_profile){.step = step, .gamma = ayf_ema_gamma(width)};
}

static void test_fit(void **state) {
    (void)state;
    ayf_profile kept[6], wanted = profile(300, 0.08);
    double factors[6], error;
    for (int i = 0; i < 6; i++) kept[i] = profile(100 * (i / 2 + 1), i % 2 ? 0.1 : 0.05);
    assert_int_equal(ayf_profile_fit(ctx, kept, 6, wanted, factors, &error), AYF_OK);
    assert_true(fabs(error - left_of(kept, 6, wanted, factors)) < 1e-6);
    assert_true(error > 1e-3 && error < 0.1);
    for (int i = 0; i < 12; i++) { /* no other factors are better */
        double other[6];
        for (int k = 0; k < 6; k++) other[k] = factors[k] + (k == i / 2 ? (i % 2 ? 1e-2 : -1e-2) : 0);
        assert_true(left_of(kept, 6, wanted, other) > error);
    }
    assert_int_equal(ayf_profile_fit(ctx, kept, 6, kept[5], factors, &error), AYF_OK);
    for (int i = 0; i < 6; i++) assert_true(fabs(factors[i] - (i == 5)) < 1e-7);
    assert_true(error < 1e-6);
}

/* Twice the same, and more profiles than can be told apart. */
static void test_alike(void **state) {
    (void)state;
    enum { MANY = 700 };
    static ayf_profile kept[MANY];
    static double factors[MANY];
    double error;
    for (int i = 0; i < MANY; i++) kept[i] = profile(1e6 + 10 * (i / 2), i % 2 ? 0.1 : 0.05);
    kept[1] = kept[3] = kept[MANY - 1];
    assert_int_equal(ayf_profile_fit(ctx, kept, MANY, kept[MANY - 2], factors, &error), AYF_OK);
    for (int i = 0; i < MANY; i++) assert_true(isfinite(factors[i]));
    assert_true(error < 1e-3);
}

/* As a run keeps them: the averages of a random walk at every 50th of 2000 steps give that of another width. */
static void test_walk(void **state) {
    (void)state;
    enum { STEPS = 2000, EVERY = 50, COUNT = STEPS / EVERY * 2 };
    const double widths[] = {0.05, 0.1, 0.08};
    double average[3] = {0}, walk = 0, values[COUNT], factors[COUNT], error, sum = 0;
    float noise[STEPS];
    ayf_profile kept[COUNT];
    ayf_rng_normal((ayf_rng_key){1, AYF_RNG_NOISE, 0, 0}, noise, STEPS);
    for (int step = 0, count = 0; step < STEPS; step++) {
        walk += (double)noise[step];
        for (int k = 0; k < 3; k++) {
            double decay = ayf_ema_power(ayf_ema_gamma(widths[k]), (uint64_t)step);
            average[k] = walk + decay * (average[k] - walk);
        }
        for (int k = 0; (step + 1) % EVERY == 0 && k < 2; k++) {
            kept[count] = profile(step + 1, widths[k]);
            values[count++] = average[k];
        }
    }
    assert_int_equal(ayf_profile_fit(ctx, kept, COUNT, profile(STEPS, 0.08), factors, &error), AYF_OK);
    for (int i = 0; i < COUNT; i++) sum += factors[i] * values[i];
    assert_true(error < 2e-3);
    assert_true(fabs(sum - average[2]) < 0.02);
    assert_true(fabs(average[0] - average[2]) > 0.1);
}

static void test_inputs(void **state) {
    (void)state;
    assert_true(ayf_optim_is_input("student.opt.power_decay1"));
    assert_true(ayf_optim_is_input("opt.power_decay8"));
    assert_false(ayf_optim_is_input("opt.power_decay9"));
    assert_false(ayf_optim_is_input("opt.power_decay"));
    assert_false(ayf_optim_is_input("opt.ema_decay1"));
    assert_false(ayf_optim_is_input("adopt.power_decay1"));
}

int main(void) {
    ctx = ayf_open(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_inputs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ayf_close(ctx);
    return failed;
}
