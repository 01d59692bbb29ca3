/* Colour fonts as data: what is read of them, classes, and what damaged ones get. */
#include "dataset_test.h"

#include "../support/font_fixture.h"
#include "data/font.h"
#include "data/source.h"

static void put_font(blob b) {
    put_file("emoji.ttf", b.bytes, b.size);
    free(b.bytes);
}

static void expect_text(const ayf_font *font, const unsigned char *bytes, size_t index, int number,
                        size_t length, ...) {
    const ayf_glyph *g = &font->glyphs[index];
    assert_int_equal(g->number, number);
    assert_memory_equal(bytes + g->offset, "\x89PNG", 4);
    assert_int_equal(g->length, length);
    va_list codes;
    va_start(codes, length);
    for (size_t i = 0; i < length; i++) assert_int_equal(g->text[i], va_arg(codes, int));
    va_end(codes);
}

static void pictures_and_their_text_are_found(void **state) {
    (void)state;
    blob b = make_font();
    ayf_font font;
    if (ayf_font_parse(ctx, "font", b.bytes, b.size, &font) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_int_equal(font.count, FONT_PICTURES);
    expect_text(&font, b.bytes, 0, FONT_FACE, 1, 0x1F600);
    expect_text(&font, b.bytes, 1, FONT_FLAG, 2, 0x1F1E6, 0x1F1E7);
    expect_text(&font, b.bytes, 2, FONT_MAN, 1, 0x1F468);
    expect_text(&font, b.bytes, 3, FONT_DARK_MAN, 2, 0x1F468, 0x1F3FD);
    expect_text(&font, b.bytes, 4, FONT_SIGN, 1, 0x2640);
    expect_text(&font, b.bytes, 5, FONT_WOMAN, 3, 0x2640, 0x1F468, 0x1F3FD);
    expect_text(&font, b.bytes, 9, FONT_SILENT, 0);
    ayf_font_clear(ctx, &font);
    free(b.bytes);
}

static void pictures_are_square_over_the_background(void **state) {
    (void)state;
    put_font(make_font());
    for (int black = 0; black < 2; black++) {
        ayf_dataset *data =
            open_spec((ayf_dataset_spec){.source = in_folder("emoji.ttf"),
                                         .background = black ? AYF_BACKGROUND_BLACK : AYF_BACKGROUND_WHITE});
        const ayf_dataset_info *info = ayf_dataset_info_of(data);
        assert_int_equal(info->count, FONT_PICTURES);
        assert_int_equal(info->height * 1000 + info->width * 10 + info->channels, 8083);
        float out[8 * 8 * 3];
        assert_int_equal(ayf_dataset_get(data, 7, false, out, NULL), AYF_OK);
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 8; x++) {
                const float *pixel = out + (y * 8 + x) * 3;
                bool border = y == 0 || y == 7 || x == 0;
                assert_value(pixel[0], border ? 255 * !black : 10 * FONT_SAUCER);
                assert_value(pixel[1], border ? 255 * !black : 16 * x);
                assert_value(pixel[2], border ? 255 * !black : 20 * (y - 1));
            }
        ayf_dataset_close(data);
    }
}

static void classes_come_from_the_text(void **state) {
    (void)state;
    static const char *const wanted[FONT_PICTURES] = {"faces",  "flags",  "people",          "people",
                                                      "things", "people", "nature and food", "things",
                                                      "hands",  "things"};
    put_font(make_font());
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("emoji.ttf"), .labels = true});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->classes, 6);
    for (size_t i = 0; i < FONT_PICTURES; i++)
        assert_string_equal(info->known.names[ayf_dataset_label(data, i)], wanted[i]);
    ayf_dataset_close(data);
}

/* Each table by itself: its bytes are replaced by those that `change` makes of them. */
static void expect_damage(const char *tag, size_t at, unsigned char value, const char *word) {
    blob b = make_font();
    unsigned char *entry = b.bytes + 12;
    while (memcmp(entry, tag, 4) != 0) entry += 16;
    size_t offset = (size_t)entry[10] << 8 | entry[11];
    b.bytes[offset + at] = value;
    put_font(b);
    expect_failure((ayf_dataset_spec){.source = in_folder("emoji.ttf"), .labels = true}, AYF_E_FORMAT,
                   "emoji.ttf: ", word, NULL);
}

static void damage_is_explained(void **state) {
    (void)state;
    enum { LIST = 8 + 2 * 48, FIRST_INDEX = LIST + 16, FIRST_PICTURE = 4 };
    expect_damage("CBLC", 8 + 48 + 8, 0xff, "CBLC is damaged");            /* so many ranges */
    expect_damage("CBLC", LIST + 4, 0xff, "CBLC is damaged");              /* an index outside */
    expect_damage("CBLC", LIST + 9, FONT_MAN, "CBLC is damaged");          /* ranges that overlap */
    expect_damage("CBLC", FIRST_INDEX + 1, 2, "index format 2");           /* not known */
    expect_damage("CBLC", FIRST_INDEX + 3, 1, "picture format 1;");        /* not PNG */
    expect_damage("CBLC", FIRST_INDEX + 4, 0x7f, "CBDT is damaged");       /* pictures outside */
    expect_damage("CBDT", FIRST_PICTURE + 5 + 1, 0xff, "CBDT is damaged"); /* longer than its place */
    expect_damage("CBDT", FIRST_PICTURE + 5 + 4, 0, "glyph 1, U+1F600: is none of PNG");
    expect_damage("cmap", 26 + 16, 0xff, "cmap is damaged");     /* groups that do not ascend */
    expect_damage("cmap", 26 + 16 + 8, 0xff, "cmap is damaged"); /* no such glyph */
    expect_damage("GSUB", 8, 0xff, "GSUB is damaged");           /* lookups outside */
    expect_damage("GSUB", 24 + 6, 0xff, "GSUB is damaged");      /* a set outside */
}

static void other_fonts_are_explained(void **state) {
    (void)state;
    font_table outlines[] = {{"cmap", font_characters()}};
    put_font(font_of_tables(outlines, 1));
    ayf_dataset_spec spec = {.source = in_folder("emoji.ttf")};
    expect_failure(spec, AYF_E_FORMAT, "emoji.ttf: is a font without finished colour pictures",
                   "fonts-noto-color-emoji", NULL);
    blob b = make_font();
    put_file("emoji.ttf", b.bytes, b.size / 2);
    expect_failure(spec, AYF_E_FORMAT, "truncated", NULL);
    put_file("emoji.ttf", b.bytes, 14);
    expect_failure(spec, AYF_E_FORMAT, "truncated", NULL);
    ayf_font font;
    assert_int_equal(ayf_font_parse(ctx, "x", b.bytes + 1, b.size - 1, &font), AYF_E_FORMAT);
    assert_non_null(strstr(ayf_error(ctx), "x: is not a TrueType or OpenType font"));
    assert_null(font.glyphs);
    free(b.bytes);
}

/* The same groups over and over, ligatures in a ring, and an honest table of which every part is used: work and
 * result stay bounded. */
static void hostile_ligatures_end(void **state) {
    (void)state;
    enum { LOOKUPS = 5000 };
    blob ring = font_ligatures();
    ring.bytes[51] = FONT_FLAG; /* A FLAG */
    font_table tables[] = {
        {"CBDT", {NULL, 0}}, {"CBLC", {NULL, 0}}, {"GSUB", ring}, {"cmap", font_characters()}};
    font_pictures(&tables[1].data, &tables[0].data);
    blob b = font_of_tables(tables, 4);
    ayf_font font;
    assert_int_equal(ayf_font_parse(ctx, "ring", b.bytes, b.size, &font), AYF_OK);
    assert_true(font.glyphs[1].length > 0 && font.glyphs[1].length <= AYF_GLYPH_TEXT);
    ayf_font_clear(ctx, &font);
    free(b.bytes);

    blob many = {NULL, 0};
    FONT_SHORTS(&many, 1, 0, 0, 0, 10, LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++) font_put(&many, 2 + 2 * LOOKUPS, 2); /* all are one lookup, */
    FONT_SHORTS(&many, 4, 0, LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++) font_put(&many, 6 + 2 * LOOKUPS, 2); /* whose subtables are one */
    FONT_SHORTS(&many, 1, 6, 0, 2, 1, 0, 65535, 0);
    font_table again[] = {{"CBDT", {NULL, 0}}, {"CBLC", {NULL, 0}}, {"GSUB", many}};
    font_pictures(&again[1].data, &again[0].data);
    b = font_of_tables(again, 3);
    assert_int_equal(ayf_font_parse(ctx, "many", b.bytes, b.size, &font), AYF_E_FORMAT);
    assert_non_null(strstr(ayf_error(ctx), "GSUB is damaged"));
    free(b.bytes);
}

/* Where the font is installed, all of it is read and nearly all of it has a text. */
static void the_installed_font_is_read(void **state) {
    (void)state;
    ayf_dataset_spec spec = {.source = "builtin:emoji", .labels = true, .resolution = 16, .limit = 0};
    ayf_dataset *data;
    ayf_status status = ayf_dataset_open(ctx, &spec, &data);
    if (status == AYF_E_IO) {
        assert_non_null(strstr(ayf_error(ctx), "apt install fonts-noto-color-emoji"));
        skip();
    }
    assert_int_equal(status, AYF_OK);
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->classes, 6);
    assert_true(info->count > 3000);
    for (int i = 0; i < 6; i++) assert_true(info->known.pictures[i] > 100);
    ayf_dataset_close(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(pictures_and_their_text_are_found), ROW(pictures_are_square_over_the_background),
        ROW(classes_come_from_the_text),        ROW(damage_is_explained),
        ROW(other_fonts_are_explained),         ROW(hostile_ligatures_end),
        ROW(the_installed_font_is_read),
    };
    return cmocka_run_group_tests_name("font", tests, NULL, NULL);
}
