/* The classes of a data set: names, counts, text, drawing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "io/classes.h"
#include "test_context.h"

static ayf_context *ctx;
static test_memory memory;

static int begin(void **state) {
    (void)state;
    memory = (test_memory){0};
    ctx = test_open(&memory);
    return ctx ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
    return 0;
}

static void text_is_read_back(void **state) {
    (void)state;
    static const char *const names[] = {"cat", "dog\x1b[2J\n", "\"\\ \xe6\x97\xa5", "", "cat", "\xff"};
    uint64_t pictures[] = {3, 0, 1, 0, 0, 9};
    ayf_classes c = {0}, copy, back;
    assert_int_equal(ayf_classes_name(ctx, &c, names, 6), AYF_OK);
    c.pictures = pictures;
    assert_string_equal(c.names[1], "dog?[2J?");
    assert_string_equal(c.names[2], names[2]);
    assert_string_equal(c.names[3], "class 3");
    assert_string_equal(c.names[4], "cat 4");
    assert_string_equal(c.names[5], "?");
    assert_int_equal(ayf_classes_copy(ctx, &c, &copy), AYF_OK);
    c.pictures = NULL;
    ayf_classes_clear(ctx, &c);
    char *text = ayf_classes_print(ctx, &copy);
    assert_null(strpbrk(text, "\n\x1b"));
    assert_int_equal(ayf_classes_parse(ctx, text, &back), AYF_OK);
    assert_int_equal(back.count, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(back.names[i], copy.names[i]);
        assert_int_equal(back.pictures[i], pictures[i]);
    }
    ayf_free(ctx, text);
    ayf_classes_clear(ctx, &copy);
    ayf_classes_clear(ctx, &back);
    assert_int_equal(ayf_classes_parse(ctx, "{\"count\": 2}", &back), AYF_OK);
    assert_true(back.count == 2 && !back.names && !back.pictures);
}

static void bad_text_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "{\"count\": 0}",
                                        "{\"count\": 99999999}",
                                        "{\"count\": 2, \"names\": [\"a\"]}",
                                        "{\"count\": 1, \"names\": [1]}",
                                        "{\"count\": 1, \"pictures\": [-1]}",
                                        "{\"count\": 2, \"pictures\": [0, 0]}",
                                        "{\"count\": 1, \"pictures\": 1}"};
    ayf_classes c;
    for (size_t i = 0; i < AYF_COUNT(texts); i++) {
        assert_int_equal(ayf_classes_parse(ctx, texts[i], &c), AYF_E_FORMAT);
        assert_int_equal(c.count, 0);
    }
}

static void empty_classes_are_listed(void **state) {
    (void)state;
    uint64_t pictures[] = {0, 1, 0, 0, 5, 0, 0, 0, 2};
    ayf_classes c = {.count = 9, .pictures = pictures};
    char text[128], little[36];
    assert_int_equal(ayf_classes_empty(&c), 6);
    ayf_classes_list_empty(&c, text, sizeof text);
    assert_string_equal(text, "0, 2, 3, 5-7");
    ayf_classes_list_empty(&c, little, sizeof little);
    assert_non_null(strstr(little, ", ..."));
    static const int present[] = {1, 4, 8};
    for (int i = 0; i < 6; i++) assert_int_equal(ayf_classes_nth(&c, 9, i), present[i % 3]);
    assert_int_equal(ayf_classes_nth(NULL, 9, 11), 2);
}

static void classes_are_drawn_by_share(void **state) {
    (void)state;
    enum { N = 1 << 16 };
    uint64_t pictures[] = {0, 285, 8, 0, 7};
    ayf_classes c = {.count = 5, .pictures = pictures};
    int even[5] = {0}, share[5] = {0};
    for (uint32_t i = 0; i < N; i++) {
        even[ayf_classes_draw(&c, 5, false, i << 16)]++;
        share[ayf_classes_draw(&c, 5, true, i << 16)]++;
    }
    for (int k = 0; k < 5; k++) {
        assert_in_range(even[k] + 1, pictures[k] ? N / 3 : 1, pictures[k] ? N / 3 + 2 : 1);
        assert_in_range(share[k] + 1, pictures[k] * N / 300, pictures[k] * N / 300 + 2);
    }
}

/* Sets in which all classes are equal give what they gave before shares were known. */
static void equal_classes_are_drawn_alike(void **state) {
    (void)state;
    uint64_t pictures[10], huge[10];
    for (int k = 0; k < 10; k++) pictures[k] = 5000, huge[k] = (uint64_t)1 << 40;
    ayf_classes c = {.count = 10, .pictures = pictures}, large = {.count = 10, .pictures = huge};
    for (uint64_t i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)(i * 2654435761u);
        int plain = (int)((uint64_t)bits * 10 >> 32);
        assert_int_equal(ayf_classes_draw(NULL, 10, true, bits), plain);
        assert_int_equal(ayf_classes_draw(&c, 10, false, bits), plain);
        assert_int_equal(ayf_classes_draw(&c, 10, true, bits), plain);
        assert_in_range(ayf_classes_draw(&large, 10, true, bits), plain ? plain - 1 : 0, plain + 1);
    }
}

static void memory_failures_are_clean(void **state) {
    (void)state;
    static const char text[] = "{\"count\": 2, \"names\": [\"a\", \"a\"], \"pictures\": [1, 2]}";
    for (long step = 1;; step++) {
        ayf_classes c;
        memory.calls = 0;
        memory.fail_at = step;
        ayf_status status = ayf_classes_parse(ctx, text, &c);
        char *again = status == AYF_OK ? ayf_classes_print(ctx, &c) : NULL;
        bool done = again != NULL;
        ayf_free(ctx, again);
        if (status == AYF_OK) ayf_classes_clear(ctx, &c);
        assert_int_equal(memory.held, 1);
        if (done) break;
        assert_int_equal(ayf_last_status(ctx), AYF_E_MEMORY);
    }
    memory.fail_at = 0;
}

int main(void) {
#define ROW(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        ROW(text_is_read_back),          ROW(bad_text_is_refused),           ROW(empty_classes_are_listed),
        ROW(classes_are_drawn_by_share), ROW(equal_classes_are_drawn_alike), ROW(memory_failures_are_clean),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
