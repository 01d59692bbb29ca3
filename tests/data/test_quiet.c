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

static void expect_lines(const char *name, bool labels, int bad) {
    ayf_dataset *data;
    ayf_dataset_spec spec = {.source = in_folder(name), .labels = labels};
    lines = 0;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), AYF_E_FORMAT);
    assert_int_equal(lines, bad);
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
    expect_lines("sizes", false, 2);
    make_folder("formats"); /* when they are listed */
    put_text("formats/a.bmp", "a");
    put_text("formats/b.gif", "b");
    put_png("formats/c.png", 8, 8, 1, 0);
    expect_lines("formats", false, 2);
    make_folder("unlabelled"); /* when labels are matched */
    put_png("unlabelled/a.png", 8, 8, 1, 0);
    put_png("unlabelled/b.png", 8, 8, 1, 0);
    put_text("unlabelled/dataset.json", "{\"labels\": [[\"a.png\", 1]]}");
    expect_lines("unlabelled", true, 1);
    make_folder("label file"); /* when the label file is read */
    put_png("label file/a.png", 8, 8, 1, 0);
    put_text("label file/dataset.json", "{\"labels\": [[\"a.png\", -1], [\"a.png\"], 7]}");
    expect_lines("label file", true, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, begin, end);
}
