/* base/fields.h: a struct with a row of every type. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fields.h"
#include "test_context.h"

typedef enum colour { RED, HIDDEN, GREEN } colour;
static const char *const colours[] = {[RED] = "red", [HIDDEN] = NULL, [GREEN] = "green"};

typedef struct object {
    bool flag;
    int whole;
    int64_t wide;
    double real;
    colour choice;
    char *string;
    ayf_ints ints;
    ayf_reals reals;
} object;

enum { FLAG, WHOLE, WIDE, REAL, CHOICE, STRING, INTS, REALS, COUNT };
#define AT(member) .name = #member, .offset = offsetof(object, member)
static const ayf_field_row fields[COUNT] = {
    [FLAG] = {AT(flag), .type = AYF_FIELD_BOOL, .text = "true"},
    [WHOLE] = {AT(whole), .type = AYF_FIELD_INT, .text = "7", .low = -3, .high = 64000},
    [WIDE] = {AT(wide), .type = AYF_FIELD_INT64, .text = "-1", .low = -1, .high = 0x1p63},
    [REAL] = {AT(real), .type = AYF_FIELD_REAL, .text = "0.1", .low = -1e300, .high = 1e30},
    [CHOICE] = {AT(choice), .type = AYF_FIELD_CHOICE, .text = "green", .choices = colours, .choice_count = 3},
    [STRING] = {AT(string), .type = AYF_FIELD_STRING, .text = "none"},
    [INTS] = {AT(ints), .type = AYF_FIELD_INTS, .text = "1,2", .low = 1, .high = 64},
    [REALS] = {AT(reals), .type = AYF_FIELD_REALS, .text = "0.5", .low = -1, .high = 1},
};

static ayf_context *ctx;
static object o;

static int set_up(void **state) {
    (void)state;
    ctx = ayf_open(NULL);
    memset(&o, 0, sizeof o);
    return ctx && ayf_fields_default(ctx, fields, COUNT, &o) == AYF_OK ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    ayf_fields_free(ctx, fields, COUNT, &o);
    ayf_close(ctx);
    return 0;
}

static void set(int row, const char *text) {
    if (ayf_field_set(ctx, &fields[row], text, &o) != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static void expect_text(int row, ayf_field_style style, const char *expected) {
    char text[AYF_FIELD_SIZE];
    ayf_field_print(&fields[row], &o, style, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_defaults(void **state) {
    (void)state;
    assert_true(o.flag && o.whole == 7 && o.wide == -1 && o.real == 0.1 && o.choice == GREEN);
    assert_string_equal(o.string, "none");
    assert_int_equal(o.ints.count, 2);
    assert_int_equal(o.ints.at[1], 2);
    assert_int_equal(o.reals.count, 1);
    assert_true(o.reals.at[0] == 0.5);
    ayf_fields_free(ctx, fields, COUNT, &o);
    assert_null(o.string);
}

static void test_values(void **state) {
    (void)state;
    set(FLAG, "false");
    assert_false(o.flag);
    set(WHOLE, "+62k");
    assert_int_equal(o.whole, 62000);
    set(WHOLE, "2Ki");
    assert_int_equal(o.whole, 2048);
    set(WHOLE, "-3");
    assert_int_equal(o.whole, -3);
    set(WIDE, "9223372036854775807");
    assert_true(o.wide == INT64_MAX);
    set(WIDE, "3Gi");
    assert_true(o.wide == 3ll << 30);
    set(CHOICE, "red");
    assert_int_equal(o.choice, RED);
    set(STRING, " a, [b]\n");
    assert_string_equal(o.string, " a, [b]\n");
    set(INTS, "[ 3,\t4 , 5 ]");
    assert_int_equal(o.ints.count, 3);
    assert_int_equal(o.ints.at[2], 5);
    set(INTS, "1,2,3,4,5,6,7,8");
    assert_int_equal(o.ints.count, AYF_LIST_MAX);
    set(INTS, "9");
    assert_int_equal(o.ints.count, 1);
    assert_int_equal(o.ints.at[1], 0); /* nothing is left of the longer list */
    set(INTS, "[]");
    assert_int_equal(o.ints.count, 0);
    set(REALS, "");
    assert_int_equal(o.reals.count, 0);
}

static void test_styles(void **state) {
    (void)state;
    set(REAL, "256");
    expect_text(REAL, AYF_FIELD_PLAIN, "256");
    expect_text(REAL, AYF_FIELD_TYPED, "256.0");
    set(REAL, "1e-3");
    expect_text(REAL, AYF_FIELD_TYPED, "0.001");
    set(REAL, "1e20");
    expect_text(REAL, AYF_FIELD_TYPED, "1e+20");
    set(INTS, "1,2,2");
    expect_text(INTS, AYF_FIELD_PLAIN, "1,2,2");
    expect_text(INTS, AYF_FIELD_TYPED, "[1, 2, 2]");
    set(REALS, "1,-0.5");
    expect_text(REALS, AYF_FIELD_PLAIN, "1,-0.5");
    expect_text(REALS, AYF_FIELD_TYPED, "[1.0, -0.5]");
    set(REALS, "");
    expect_text(REALS, AYF_FIELD_PLAIN, "");
    expect_text(REALS, AYF_FIELD_TYPED, "[]");
    expect_text(FLAG, AYF_FIELD_TYPED, "true");
    expect_text(CHOICE, AYF_FIELD_TYPED, "green");
    expect_text(STRING, AYF_FIELD_TYPED, "none");
}

/* What is printed reads back to the same bits, in both styles. */
static void test_round_trip(void **state) {
    (void)state;
    static const struct {
        int row;
        const char *text;
    } cases[] = {
        {FLAG, "false"},
        {FLAG, "true"},
        {WHOLE, "-3"},
        {WHOLE, "64000"},
        {WIDE, "9223372036854775807"},
        {REAL, "-0"},
        {REAL, "0.1234567890123456789"},
        {REAL, "4.9406564584124654e-324"},
        {REAL, "-1.7976931348623157e299"},
        {REAL, "123456789012345678"},
        {CHOICE, "red"},
        {STRING, ""},
        {STRING, "\xC3\xA9 \"\\"},
        {INTS, ""},
        {INTS, "64,1,2,3,4,5,6,7"},
        {REALS, "-0.3333333333333333,-0.12345678901234568,-1.2345678901234567e-100,-0.1,-0.2,-0.7,-1,0"}};
    for (size_t i = 0; i < AYF_COUNT(cases); i++)
        for (int style = AYF_FIELD_PLAIN; style <= AYF_FIELD_TYPED; style++) {
            const ayf_field_row *f = &fields[cases[i].row];
            char text[AYF_FIELD_SIZE], again[AYF_FIELD_SIZE];
            object back = {0};
            set(cases[i].row, cases[i].text);
            ayf_field_print(f, &o, (ayf_field_style)style, text, sizeof text);
            assert_true(strlen(text) < sizeof text - 1);
            if (ayf_field_set(ctx, f, text, &back) != AYF_OK) fail_msg("%s", ayf_error(ctx));
            ayf_field_print(f, &back, (ayf_field_style)style, again, sizeof again);
            assert_string_equal(text, again);
            if (f->type != AYF_FIELD_STRING)
                assert_memory_equal((char *)&back + f->offset, (char *)&o + f->offset,
                                    (f + 1 < fields + COUNT ? f[1].offset : sizeof o) - f->offset);
            else
                assert_string_equal(back.string, o.string);
            ayf_fields_free(ctx, f, 1, &back);
        }
}

static void test_bad_text(void **state) {
    (void)state;
    static const struct {
        int row;
        const char *text, *message;
    } cases[] = {
        {FLAG, "yes", "flag must be true or false, not \"yes\""},
        {FLAG, "", "flag must be true or false, not \"\""},
        {WHOLE, "", "whole must be a whole number, not \"\""},
        {WHOLE, "1.5", "whole must be a whole number, not \"1.5\""},
        {WHOLE, " 1", "whole must be a whole number, not \" 1\""},
        {WHOLE, "1 k", "not \"1 k\""},
        {WHOLE, "--1", "not \"--1\""},
        {WHOLE, "-4", "whole = -4 is out of range; it must be from -3 to 64000"},
        {WHOLE, "5000000000", "whole = 5000000000 is out of range"},
        {WHOLE, "65k", "whole = 65k is out of range"},
        {WIDE, "9223372036854775808", "wide = 9223372036854775808 is too large; at most 9223372036854775807"},
        {WIDE, "99999999999999999G", "wide must be a whole number"},
        {WIDE, "-2", "wide = -2 is out of range; it must be at least -1"},
        {REAL, "nan", "real must be a number, not \"nan\""},
        {REAL, "1e400", "real must be a number, not \"1e400\""},
        {REAL, "0x1", "real must be a number"},
        {REAL, "2e30", "real = 2e30 is too large; at most 1e+30"},
        {CHOICE, "gren", "choice must be one of red, green, not \"gren\"; did you mean \"green\"?"},
        {CHOICE, "5", "choice must be one of red, green, not \"5\""},
        {CHOICE, "", "choice must be one of red, green, not \"\""},
        {INTS, "1,,2", "ints must be a list of whole numbers; \"\" is not one"},
        {INTS, "1,2,", "ints must be a list of whole numbers; \"\" is not one"},
        {INTS, "1,x", "ints must be a list of whole numbers; \"x\" is not one"},
        {INTS, "[1", "\"[1\" is not one"},
        {INTS, "[[1]]", "\"[1]\" is not one"},
        {INTS, "1,65", "ints: the element 65 is out of range; it must be from 1 to 64"},
        {INTS, "1,1,1,1,1,1,1,1,1", "ints has more than 8 elements"},
        {REALS, "0.5,one", "reals must be a list of numbers; \"one\" is not one"},
        {REALS, "-1.5", "reals: the element -1.5 is out of range; it must be from -1 to 1"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        const ayf_field_row *f = &fields[cases[i].row];
        object before = o;
        assert_int_equal(ayf_field_accepts(ctx, f, cases[i].text), AYF_E_CONFIG);
        if (ayf_field_set(ctx, f, cases[i].text, &o) != AYF_E_CONFIG) fail_msg("accepted: %s", cases[i].text);
        if (!strstr(ayf_error(ctx), cases[i].message))
            fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), cases[i].message);
        assert_memory_equal(&before, &o, sizeof o);
    }
    char digits[2 * AYF_FIELD_SIZE]; /* an element that no buffer holds is refused, not cut off */
    memset(digits, '0', sizeof digits);
    memcpy(digits, "0.", 2);
    digits[sizeof digits - 1] = 0;
    assert_int_equal(ayf_field_set(ctx, &fields[REALS], digits, &o), AYF_E_CONFIG);
    assert_int_equal(ayf_field_accepts(ctx, &fields[WHOLE], "5"), AYF_OK);
    assert_int_equal(o.whole, 7); /* asked, not set */
}

static void test_elements(void **state) {
    (void)state;
    assert_int_equal(ayf_field_accepts_element(ctx, &fields[INTS], 7, "64"), AYF_OK);
    assert_int_equal(ayf_field_accepts_element(ctx, &fields[INTS], 8, "64"), AYF_E_CONFIG);
    assert_int_equal(ayf_field_accepts_element(ctx, &fields[INTS], 0, "0"), AYF_E_CONFIG);
    assert_int_equal(ayf_field_accepts_element(ctx, &fields[INTS], 0, "1,2"), AYF_E_CONFIG);
    assert_int_equal(ayf_field_accepts_element(ctx, &fields[REALS], 0, "0.25"), AYF_OK);
    assert_true(ayf_field_is_list(&fields[INTS]) && ayf_field_is_list(&fields[REALS]));
    assert_false(ayf_field_is_list(&fields[WHOLE]));
}

/* Values that did not come from text. */
static void test_check(void **state) {
    (void)state;
    for (int i = 0; i < COUNT; i++) assert_int_equal(ayf_field_check(ctx, &fields[i], &o), AYF_OK);
    const struct {
        int row;
        object bad;
        const char *message;
    } cases[] = {
        {WHOLE, {.whole = -4}, "whole = -4 is out of range; it must be from -3"},
        {WIDE, {.wide = INT64_MIN}, "wide = -9.2233720368547758e+18 is out of range"},
        {REAL, {.real = (double)NAN}, "real = nan is out of range"},
        {REAL, {.real = (double)INFINITY}, "real = inf is out of range"},
        {CHOICE, {.choice = HIDDEN}, "choice has the value 1, which has no name"},
        {CHOICE, {.choice = (colour)3}, "choice has the value 3"},
        {INTS, {.ints = {3, {1, 2, 0}}}, "ints: the element 0 is out of range"},
        {INTS, {.ints = {9, {1}}}, "ints has 9 elements; a list has at most 8"},
        {INTS, {.ints = {-1, {1}}}, "ints has -1 elements"},
        {REALS, {.reals = {1, {1.5}}}, "reals: the element 1.5 is out of range"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        assert_int_equal(ayf_field_check(ctx, &fields[cases[i].row], &cases[i].bad), AYF_E_CONFIG);
        if (!strstr(ayf_error(ctx), cases[i].message))
            fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), cases[i].message);
    }
}

static void test_names(void **state) {
    (void)state;
    assert_int_equal(ayf_field_find(fields, COUNT, 0, "choice"), CHOICE);
    assert_int_equal(ayf_field_find(fields, COUNT, 0, "choic"), -1);
    assert_string_equal(ayf_field_nearest(fields, COUNT, 0, "choise"), "choice");
    assert_null(ayf_field_nearest(fields, COUNT, 0, "zzzzzzzz"));
    /* Names behind a prefix that they share. */
    static const ayf_field_row shared[] = {{.name = "a.first"}, {.name = "a.second"}};
    assert_int_equal(ayf_field_find(shared, 2, 2, "second"), 1);
    assert_int_equal(ayf_field_find(shared, 2, 2, "a.second"), -1);
    assert_string_equal(ayf_field_nearest(shared, 2, 2, "frist"), "first");
}

static void test_help(void **state) {
    (void)state;
    static const char *const expected[COUNT] = {[FLAG] = "true or false",
                                                [WHOLE] = "whole number from -3 to 64000",
                                                [WIDE] = "whole number at least -1",
                                                [REAL] = "number at least -1e+300",
                                                [CHOICE] = "red | green",
                                                [STRING] = "text",
                                                [INTS] = "list of whole numbers from 1 to 64",
                                                [REALS] = "list of numbers from -1 to 1"};
    for (int i = 0; i < COUNT; i++) {
        char text[AYF_FIELD_SIZE];
        ayf_field_values(&fields[i], text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
}

/* Without memory a string stays as it was, and nothing is lost. */
static void test_no_memory(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        test_memory memory = {0};
        ayf_context *own = test_open(&memory);
        long before = memory.held;
        memory.fail_at = memory.calls + n;
        object fresh = {0};
        ayf_status status = ayf_fields_default(own, fields, COUNT, &fresh);
        if (status == AYF_OK) {
            status = ayf_field_set(own, &fields[STRING], "another", &fresh);
            assert_string_equal(fresh.string, status == AYF_OK ? "another" : "none");
        }
        assert_int_equal(status, memory.calls >= memory.fail_at ? AYF_E_MEMORY : AYF_OK);
        ayf_fields_free(own, fields, COUNT, &fresh);
        assert_int_equal(memory.held, before);
        ayf_close(own);
        if (status == AYF_OK) break;
        assert_true(n < 10);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_defaults),   TEST(test_values),   TEST(test_styles),
                                       TEST(test_round_trip), TEST(test_bad_text), TEST(test_elements),
                                       TEST(test_check),      TEST(test_names),    TEST(test_help),
                                       TEST(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
