/* For the tests of data sets: a context that counts its memory and a temporary folder per test. */
#ifndef AYF_TEST_DATASET_TEST_H
#define AYF_TEST_DATASET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "data/dataset.h"
#include "dataset_fixture.h"
#include "test_context.h"

static ayf_context *ctx;
static test_memory memory;

static inline int setup(void **state) {
    memory = (test_memory){0};
    ctx = test_open(&memory);
    return fixture_setup(state);
}

static inline int teardown(void **state) {
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
    return fixture_teardown(state);
}

static inline ayf_dataset *open_spec(ayf_dataset_spec spec) {
    ayf_dataset *data;
    if (ayf_dataset_open(ctx, &spec, &data) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return data;
}

/* Opening fails with `status` and a message that has every one of the parts (up to a NULL). */
static inline void expect_failure(ayf_dataset_spec spec, ayf_status status, ...) {
    ayf_dataset *data;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), status);
    assert_null(data);
    va_list parts;
    va_start(parts, status);
    for (const char *part; (part = va_arg(parts, const char *));)
        if (!strstr(ayf_error(ctx), part)) fail_msg("'%s' lacks '%s'", ayf_error(ctx), part);
    va_end(parts);
}

static inline float value_of(int byte) { return (float)byte / 127.5f - 1; }

static inline void assert_value(float value, int byte) { assert_true(fabsf(value - value_of(byte)) < 1e-6f); }

/* A row of a test table. */
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
