/* Sheets with words: where images and letters stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "io/file.h"
#include "test_context.h"

static char folder[64], path[80];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ayf-test-sheet-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/a.png", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static ayf_image written(ayf_context *ctx, const ayf_grid *grid) {
    void *bytes;
    size_t size;
    ayf_image image;
    if (ayf_grid_write_labelled(ctx, path, grid) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_image_decode(ctx, path, bytes, size, NULL, &image), AYF_OK);
    ayf_free(ctx, bytes);
    return image;
}

static int grey_at(const ayf_image *image, int y, int x) { return image->pixels[y * image->width + x]; }

/* The seven rows of a letter at a place, as text. */
static void expect_letter(const ayf_image *image, int top, int left, const char *rows) {
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 5; x++)
            if ((rows[y * 5 + x] == '#') != (grey_at(image, top + y, left + x) == 0))
                fail_msg("row %d, column %d of a letter at %d, %d", y, x, top, left);
}

static const char letter_T[] = "#####"
                               "  #  "
                               "  #  "
                               "  #  "
                               "  #  "
                               "  #  "
                               "  #  ";
static const char letter_L[] = "#    "
                               "#    "
                               "#    "
                               "#    "
                               "#    "
                               "#    "
                               "#####";
static const char box[] = "#####"
                          "#   #"
                          "#   #"
                          "#   #"
                          "#   #"
                          "#   #"
                          "#####";

static void images_and_words_have_their_places(void **state) {
    (void)state;
    ayf_context *ctx = ayf_open(NULL);
    float images[3][4];
    for (int i = 0; i < 12; i++) images[i / 4][i % 4] = (float)(10 + i * 20) / 127.5f - 1;
    const char *under[3] = {"T", NULL, "\xe6\x97\xa5"}, *beside[2] = {"LT", "L"}, *over[2] = {"L", "T"};
    ayf_grid grid = {.images = images[0],
                     .count = 3,
                     .columns = 2,
                     .height = 2,
                     .width = 2,
                     .channels = 1,
                     .under = under,
                     .beside = beside,
                     .over = over,
                     .comment = "words"};
    ayf_image sheet = written(ctx, &grid);
    /* A letter is 6 pixels wide, so each pixel is 3 x 3. Gaps of 4; words of 9 above, 10 below, 12 beside. */
    assert_int_equal(sheet.width, 12 + 4 + 2 * (6 + 4));
    assert_int_equal(sheet.height, 9 + 4 + 2 * (6 + 10 + 4));
    for (int i = 0; i < 3; i++)
        for (int y = 0; y < 6; y++)
            for (int x = 0; x < 6; x++)
                assert_int_equal(grey_at(&sheet, 13 + i / 2 * 20 + y, 16 + i % 2 * 10 + x),
                                 10 + (i * 4 + y / 3 * 2 + x / 3) * 20);
    expect_letter(&sheet, 2, 16, letter_L);
    expect_letter(&sheet, 2, 26, letter_T);
    expect_letter(&sheet, 13 - 1 + 1, 2, letter_L);
    expect_letter(&sheet, 33 - 1 + 1, 2, letter_L);
    expect_letter(&sheet, 13 + 6 + 2, 16, letter_T);
    expect_letter(&sheet, 33 + 6 + 2, 16, box);
    assert_int_equal(grey_at(&sheet, 13 + 6 + 2, 26), 255);
    char *comment;
    assert_int_equal(ayf_image_read_text(ctx, path, "Description", &comment), AYF_OK);
    assert_string_equal(comment, "words");
    ayf_free(ctx, comment);
    ayf_image_clear(ctx, &sheet);

    grid.scale = 1; /* two pixels hold no letter */
    grid.beside = grid.over = NULL;
    sheet = written(ctx, &grid);
    assert_int_equal(sheet.width, 4 + 2 * (2 + 4));
    assert_int_equal(sheet.height, 4 + 2 * (2 + 10 + 4));
    ayf_image_clear(ctx, &sheet);
    ayf_close(ctx);
}

static void words_are_cut(void **state) {
    (void)state;
    ayf_context *ctx = ayf_open(NULL);
    static float image[24 * 24];
    const char *under = "TTTTTTTT", *fits = "TTTT";
    ayf_grid grid = {.images = image,
                     .count = 1,
                     .columns = 1,
                     .height = 24,
                     .width = 24,
                     .channels = 1,
                     .scale = 1,
                     .under = &under};
    ayf_image sheet = written(ctx, &grid);
    expect_letter(&sheet, 4 + 24 + 2, 4 + 6, letter_T);
    for (int x = 4 + 12; x < 4 + 24; x++)
        assert_int_equal(grey_at(&sheet, 4 + 24 + 2, x), 255); /* two dots */
    ayf_image_clear(ctx, &sheet);
    grid.under = &fits;
    sheet = written(ctx, &grid);
    expect_letter(&sheet, 4 + 24 + 2, 4 + 18, letter_T);
    ayf_image_clear(ctx, &sheet);
    ayf_close(ctx);
}

static void bad_sheets_are_refused(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    static float image[4];
    const ayf_grid good = {.images = image, .count = 1, .columns = 1, .height = 2, .width = 2, .channels = 1};
    ayf_grid bad[5] = {good, good, good, good, good};
    bad[0].count = 0;
    bad[1].columns = 0;
    bad[2].channels = 2;
    bad[3].scale = 17;
    bad[4].count = bad[4].columns = 16000;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ayf_grid_write_labelled(ctx, path, &bad[i]), AYF_E_USAGE);
        assert_non_null(strstr(ayf_error(ctx), path));
    }
    ayf_grid missing = good;
    assert_int_equal(ayf_grid_write_labelled(ctx, "/nonexistent/a.png", &missing), AYF_E_IO);
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(images_and_words_have_their_places, setup, teardown),
        cmocka_unit_test_setup_teardown(words_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_sheets_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("sheet", tests, NULL, NULL);
}
