/* Arrays that grow: what ayf_reserve() keeps, zeroes and leaves alone when there is no memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "test_context.h"

enum { MANY = 1000 };

static void test_growth_keeps_elements(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    int64_t *item = NULL;
    size_t capacity = 0, changes = 0;
    for (size_t i = 0; i < MANY; i++) {
        size_t before = capacity;
        assert_int_equal(ayf_reserve(ctx, &item, i, &capacity, sizeof *item), AYF_OK);
        assert_true(capacity > i);
        if (capacity != before) changes++;
        for (size_t k = before; k < capacity; k++) assert_int_equal(item[k], 0);
        item[i] = (int64_t)i * 3;
    }
    for (size_t i = 0; i < MANY; i++) assert_int_equal(item[i], (int64_t)i * 3);
    assert_in_range(changes, 1, 10); /* doubling, not one by one */
    ayf_free(ctx, item);
    assert_int_equal(memory.held, 1); /* the context */
    ayf_close(ctx);
}

static void test_failure_leaves_the_array(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    char *text = NULL;
    size_t capacity = 0;
    assert_int_equal(ayf_reserve(ctx, &text, 0, &capacity, 1), AYF_OK);
    char *old = text;
    size_t full = capacity;
    for (size_t i = 0; i < full; i++) text[i] = 'x';
    memory.fail_at = memory.calls + 1;
    assert_int_equal(ayf_reserve(ctx, &text, full - 1, &capacity, 1), AYF_OK); /* there is room */
    assert_int_equal(ayf_reserve(ctx, &text, full, &capacity, 1), AYF_E_MEMORY);
    assert_int_equal(ayf_last_status(ctx), AYF_E_MEMORY);
    assert_ptr_equal(text, old);
    assert_int_equal(capacity, full);
    for (size_t i = 0; i < full; i++) assert_int_equal(text[i], 'x');
    ayf_free(ctx, text);
    ayf_close(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_keeps_elements),
        cmocka_unit_test(test_failure_leaves_the_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
