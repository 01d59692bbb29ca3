/* base/plain.h: what a terminal would obey is written out, and nothing else is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/plain.h"

static const struct {
    const char *text, *plain;
} cases[] = {
    {"", ""},
    {"runs/a b-\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80.png",
     "runs/a b-\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80.png"},
    {"C:\\x1b", "C:\\x1b"}, /* a backslash is a character like others */
    {"a\x1b[2Jb", "a\\x1b[2Jb"},
    {"a\nb\tc\rd\x07", "a\\nb\\tc\\rd\\x07"},
    {"\x7F", "\\x7f"},
    {"\xC2\x9B", "\\u009b"}, /* CSI as one character */
    {"\xE2\x80\xAE"
     "gnp",
     "\\u202egnp"}, /* right to left from here */
    {"\xE2\x81\xA6\xD8\x9C", "\\u2066\\u061c"},
    {"\xE2\x80\xA8", "\\u2028"},
    {"a\xFF"
     "b\xC3",
     "a\\xffb\\xc3"},                                      /* not UTF-8; cut off */
    {"\xC0\x9B\xED\xA0\x80", "\\xc0\\x9b\\xed\\xa0\\x80"}, /* overlong, a surrogate */
};

static void test_text(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[100];
        assert_int_equal(ayf_plain_text(cases[i].text, out, sizeof out), strlen(cases[i].plain));
        assert_string_equal(out, cases[i].plain);
        assert_int_equal(ayf_plain_text(cases[i].text, NULL, 0), strlen(cases[i].plain));
    }
}

/* Cut between characters: never in the middle of one, or of what stands for one. */
static void test_short(void **state) {
    (void)state;
    char out[8];
    assert_int_equal(ayf_plain_text("ab\x1b\x1b", out, sizeof out), 10);
    assert_string_equal(out, "ab\\x1b");
    assert_int_equal(ayf_plain_text("abcdef\xC3\xA9z", out, sizeof out), 9);
    assert_string_equal(out, "abcdef");
    assert_int_equal(ayf_plain_text("x", out, 1), 1);
    assert_string_equal(out, "");
}

static void keep_line(void *user, const char *line) { snprintf(user, 100, "%s", line); }

static void test_messages(void **state) {
    (void)state;
    char line[100] = "";
    ayf_context *ctx = ayf_open(&(ayf_options){.log = keep_line, .log_user = line});
    ayf_fail(ctx, AYF_E_FORMAT, "%s: is bad", "\x1b]0;a\x07");
    assert_string_equal(ayf_error(ctx), "\\x1b]0;a\\x07: is bad");
    ayf_fail_prefix(ctx, "%s: ", "b\xE2\x80\xAE");
    assert_string_equal(ayf_error(ctx), "b\\u202e: \\x1b]0;a\\x07: is bad");
    ayf_say(ctx, "%s", "c\x9B");
    assert_string_equal(line, "c\\x9b");
    ayf_close(ctx);
}

static void test_amounts(void **state) {
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } amounts[] = {{0, "0 bytes"},        {999, "999 bytes"},        {1000, "0.977 KiB"},
                   {1536, "1.5 KiB"},     {310 * 0x1p30, "310 GiB"}, {22.4 * 0x1p20, "22.4 MiB"},
                   {1e30, "8.88e+14 PiB"}};
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        char text[AYF_BYTES_SIZE];
        assert_string_equal(ayf_bytes_text(amounts[i].bytes, text), amounts[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_short),
                                       cmocka_unit_test(test_messages), cmocka_unit_test(test_amounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
