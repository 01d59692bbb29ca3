/* Data sets are the same by what they hold, not by where they lie. */
#include "dataset_test.h"

#include "data/fingerprint.h"

static void put_set(const char *folder, int count, int changed, const char *labels) {
    char name[64];
    mkdir(in_folder(folder), 0700);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%03d.png", folder, i);
        put_png(name, 4, 4, 1, i == changed ? 200 : i % 100);
    }
    snprintf(name, sizeof name, "%s/dataset.json", folder);
    if (labels) put_text(name, labels);
}

static ayf_fingerprint of(ayf_dataset_spec spec) {
    ayf_fingerprint f;
    ayf_dataset *data = open_spec(spec);
    assert_int_equal(ayf_dataset_fingerprint(data, &f), AYF_OK);
    ayf_dataset_close(data);
    return f;
}

static ayf_fingerprint of_folder(const char *name, bool labels) {
    return of((ayf_dataset_spec){.source = in_folder(name), .labels = labels});
}

static void expect_words(const ayf_fingerprint *then, const ayf_fingerprint *now, const char *wanted) {
    char words[AYF_FINGERPRINT_WORDS];
    assert_int_equal(ayf_fingerprint_differs(then, now, words), wanted != NULL);
    assert_string_equal(words, wanted ? wanted : "");
}

static void moved_data_are_the_same(void **state) {
    (void)state;
    static const char labels[] = "{\"labels\": [[\"000.png\", 0], [\"001.png\", 1], [\"002.png\", 1]]}";
    put_set("here", 3, -1, labels);
    put_set("there", 3, -1, labels);
    ayf_fingerprint a = of_folder("here", true), b = of_folder("there", true);
    expect_words(&a, &b, NULL);
}

static void changes_are_told(void **state) {
    (void)state;
    put_set("a", 3, -1, "{\"labels\": [[\"000.png\", 0], [\"001.png\", 1], [\"002.png\", 1]]}");
    put_set("pixel", 3, 1, "{\"labels\": [[\"000.png\", 0], [\"001.png\", 1], [\"002.png\", 1]]}");
    put_set("label", 3, -1, "{\"labels\": [[\"000.png\", 1], [\"001.png\", 0], [\"002.png\", 1]]}");
    put_set("more", 4, -1, NULL);
    ayf_fingerprint a = of_folder("a", true), pixel = of_folder("pixel", true),
                    label = of_folder("label", true), plain = of_folder("a", false),
                    more = of_folder("more", false);
    expect_words(&a, &pixel, "the pictures differ");
    expect_words(&a, &label, "the labels differ");
    expect_words(&plain, &more, "4 pictures instead of 3");
    expect_words(&a, &plain, "0 classes instead of 2");
    ayf_fingerprint large = of((ayf_dataset_spec){.source = in_folder("a"), .labels = true, .resolution = 8});
    expect_words(&a, &large, "samples of 8 x 8 x 1 instead of 4 x 4 x 1");
}

/* The first and the last picture always count, and so does every one of a small set. */
static void the_sample_is_spread(void **state) {
    (void)state;
    enum { COUNT = 600 };
    put_set("a", COUNT, -1, NULL);
    put_set("last", COUNT, COUNT - 1, NULL);
    put_set("first", COUNT, 0, NULL);
    ayf_fingerprint a = of_folder("a", false), last = of_folder("last", false),
                    first = of_folder("first", false);
    expect_words(&a, &last, "the pictures differ");
    expect_words(&a, &first, "the pictures differ");
}

static void the_text_is_read_back(void **state) {
    (void)state;
    ayf_fingerprint ring = of((ayf_dataset_spec){.source = "builtin:ring", .labels = true, .limit = 1000}),
                    other = of((ayf_dataset_spec){
                        .source = "builtin:ring", .labels = true, .limit = 1000, .seed = 1}),
                    again;
    char text[AYF_FINGERPRINT_TEXT], bad[AYF_FINGERPRINT_TEXT + 8];
    expect_words(&ring, &other, "the labels differ, the points differ");
    ayf_fingerprint_print(&ring, text);
    assert_int_equal(strncmp(text, "count 1000 size 1x1x2 classes 8 labels ", 39), 0);
    assert_true(ayf_fingerprint_parse(text, &again));
    expect_words(&ring, &again, NULL);
    assert_false(ayf_fingerprint_parse("", &again));
    assert_false(ayf_fingerprint_parse("count 1000", &again));
    snprintf(bad, sizeof bad, "%s more", text);
    assert_false(ayf_fingerprint_parse(bad, &again));
    text[strlen(text) - 1] = 0;
    assert_false(ayf_fingerprint_parse(text, &again));
}

int main(void) {
    const struct CMUnitTest tests[] = {ROW(moved_data_are_the_same), ROW(changes_are_told),
                                       ROW(the_sample_is_spread), ROW(the_text_is_read_back)};
    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
