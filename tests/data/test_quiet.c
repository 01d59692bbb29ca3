/* Each bad file has a line in the log, unless opening is only tried. The message is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/dataset.h"
#include "dataset_fixture.h"

static ayf_context *ctx;
static int lines;

static void count_line(void *user, const char *line) {
    (void)user, (void)line;
    lines++;
}

static int begin(void **state) {
    ctx = ayf_open(&(ayf_options){.log = count_line});
    return ctx ? fixture_setup(state) : -1;
}

static int end(void **state) {
    ayf_close(ctx);
    return fixture_teardown(state);
}

static void make_folder(const char *name) { assert_int_equal(mkdir(in_folder(name), 0700), 0); }

/* What the message has room for needs no line of its own. */
static void expect_message_alone(const char *name, bool labels, const char *words) {
    ayf_dataset *data;
    ayf_dataset_spec spec = {.source = in_folder(name), .labels = labels};
    lines = 0;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), AYF_E_FORMAT);
    assert_int_equal(lines, 0);
    if (!strstr(ayf_error(ctx), words)) fail_msg("no '%s' in '%s'", words, ayf_error(ctx));
    char loud[512];
    snprintf(loud, sizeof loud, "%s", ayf_error(ctx));
    spec.quiet = true;
    lines = 0;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), AYF_E_FORMAT);
    assert_int_equal(lines, 0);
    assert_string_equal(ayf_error(ctx), loud);
}

static void test_lines(void **state) {
    (void)state;
    make_folder("sizes"); /* found when the pictures are compared */
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "sizes/%d.png", i);
        put_png(name, i < 2 ? 8 : 4 + i, 8, 1, i);
    }
    expect_message_alone("sizes", false, "2 of 4");
    make_folder("formats"); /* when they are listed */
    put_text("formats/a.bmp", "a");
    put_text("formats/b.gif", "b");
    put_png("formats/c.png", 8, 8, 1, 0);
    expect_message_alone("formats", false, "2 of 3");
    make_folder("unlabelled"); /* when labels are matched */
    put_png("unlabelled/a.png", 8, 8, 1, 0);
    put_png("unlabelled/b.png", 8, 8, 1, 0);
    put_text("unlabelled/dataset.json", "{\"labels\": [[\"a.png\", 1]]}");
    expect_message_alone("unlabelled", true, "1 of 2");
    make_folder("label file"); /* when the label file is read */
    put_png("label file/a.png", 8, 8, 1, 0);
    put_text("label file/dataset.json", "{\"labels\": [[\"a.png\", -1], [\"a.png\"], 7]}");
    expect_message_alone("label file", true, "3 of 3");
    make_folder("many"); /* the rest gets a line each */
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%d.gif", i);
        put_text(name, "a");
    }
    ayf_dataset *data;
    ayf_dataset_spec spec = {.source = in_folder("many")};
    lines = 0;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), AYF_E_FORMAT);
    char more[64];
    snprintf(more, sizeof more, "; and %d more, listed above", lines);
    assert_true(lines > 0 && lines < 60);
    assert_non_null(strstr(ayf_error(ctx), more));
    spec.quiet = true;
    lines = 0;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), AYF_E_FORMAT);
    assert_int_equal(lines, 0);
    assert_null(strstr(ayf_error(ctx), "listed above"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, begin, end);
}
