/* Noise that is given to data: the best of all permutations, class by class, and nothing but a permutation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "flow/coupling.h"
#include "test_context.h"

enum { SIZE = 5, GROUPS = 3, VALUES = 4, COUNT = SIZE * GROUPS };

static double squared(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < VALUES; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

static size_t place(int group, int k) { return (size_t)(group + k * GROUPS); }

/* The least sum over all permutations of columns from `row` on that keep to the classes. */
static double least(const float *data, const int *labels, const float *noise, int group, int row,
                    unsigned used) {
    if (row == SIZE) return 0;
    double best = INFINITY;
    size_t a = place(group, row);
    for (int j = 0; j < SIZE; j++) {
        size_t b = place(group, j);
        if (used & 1u << j || (labels && labels[a] != labels[b])) continue;
        double rest = least(data, labels, noise, group, row + 1, used | 1u << j);
        best = fmin(best, squared(data + a * VALUES, noise + b * VALUES) + rest);
    }
    return best;
}

static bool holds(const float *noise, const int *labels, int group, const float *wanted, int label) {
    for (int k = 0; k < SIZE; k++) {
        size_t a = place(group, k);
        if (memcmp(noise + a * VALUES, wanted, VALUES * sizeof *wanted) == 0)
            return !labels || labels[a] == label;
    }
    return false;
}

static void check(uint64_t seed, const int *labels) {
    float data[COUNT * VALUES], noise[COUNT * VALUES], before[COUNT * VALUES];
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .sample = seed}, data, COUNT * VALUES);
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .sample = seed, .step = 1}, noise, COUNT * VALUES);
    memcpy(before, noise, sizeof noise);
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    memory.fail_at = memory.calls + 3;
    assert_int_equal(ayf_couple(ctx, GROUPS, SIZE, VALUES, data, labels, noise), AYF_E_MEMORY);
    memory.fail_at = 0;
    assert_int_equal(ayf_couple(ctx, GROUPS, SIZE, VALUES, data, labels, noise), AYF_OK);
    ayf_close(ctx);
    assert_int_equal(memory.held, 0);
    for (int g = 0; g < GROUPS; g++) {
        double got = 0, want = least(data, labels, before, g, 0, 0);
        for (int k = 0; k < SIZE; k++) {
            size_t a = place(g, k);
            got += squared(data + a * VALUES, noise + a * VALUES);
            assert_true(holds(noise, labels, g, before + a * VALUES, labels ? labels[a] : 0));
        }
        assert_true(fabs(got - want) <= 1e-9 * want);
    }
}

static void test_least_of_all(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) check(seed, NULL);
}

static void test_classes_stay_apart(void **state) {
    (void)state;
    int labels[COUNT];
    for (uint64_t seed = 0; seed < 30; seed++) {
        for (int i = 0; i < COUNT; i++) labels[i] = (int)((seed + (uint64_t)i * 7 + (uint64_t)i / 4) % 3);
        check(seed, labels);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_least_of_all),
                                       cmocka_unit_test(test_classes_stay_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
