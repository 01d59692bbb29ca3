/* Emoji: the pictures of a colour font, in six classes by what they show. */
#include "data/font.h"
#include "data/source.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Classes ---- */

typedef enum kind { FACES, FLAGS, PEOPLE, HANDS, NATURE, THINGS, KINDS } kind;
static const char *const kind_names[KINDS] = {"faces", "flags",           "people",
                                              "hands", "nature and food", "things"};

typedef struct range {
    uint32_t first, last;
    kind kind;
} range;

/* What is in none of the ranges is a thing. Hands: parts of the body. */
static const range ranges[] = {
    {0x2615, 0x2615, NATURE},   {0x2618, 0x2618, NATURE},   {0x261D, 0x261D, HANDS},
    {0x2639, 0x263A, FACES},    {0x26F7, 0x26F7, PEOPLE},   {0x26F9, 0x26F9, PEOPLE},
    {0x270A, 0x270D, HANDS},    {0x1F31A, 0x1F31E, FACES},  {0x1F32D, 0x1F37F, NATURE},
    {0x1F382, 0x1F382, NATURE}, {0x1F385, 0x1F385, PEOPLE}, {0x1F38C, 0x1F38C, FLAGS},
    {0x1F3C1, 0x1F3C1, FLAGS},  {0x1F3C2, 0x1F3C4, PEOPLE}, {0x1F3C7, 0x1F3C7, PEOPLE},
    {0x1F3CA, 0x1F3CC, PEOPLE}, {0x1F3F3, 0x1F3F4, FLAGS},  {0x1F400, 0x1F43F, NATURE},
    {0x1F440, 0x1F450, HANDS},  {0x1F466, 0x1F478, PEOPLE}, {0x1F479, 0x1F47B, FACES},
    {0x1F47C, 0x1F47C, PEOPLE}, {0x1F47D, 0x1F480, FACES},  {0x1F481, 0x1F483, PEOPLE},
    {0x1F485, 0x1F485, HANDS},  {0x1F486, 0x1F487, PEOPLE}, {0x1F48F, 0x1F48F, PEOPLE},
    {0x1F490, 0x1F490, NATURE}, {0x1F491, 0x1F491, PEOPLE}, {0x1F4AA, 0x1F4AA, HANDS},
    {0x1F54A, 0x1F54A, NATURE}, {0x1F574, 0x1F575, PEOPLE}, {0x1F577, 0x1F577, NATURE},
    {0x1F57A, 0x1F57A, PEOPLE}, {0x1F590, 0x1F590, HANDS},  {0x1F595, 0x1F596, HANDS},
    {0x1F600, 0x1F644, FACES},  {0x1F645, 0x1F647, PEOPLE}, {0x1F648, 0x1F64A, NATURE},
    {0x1F64B, 0x1F64B, PEOPLE}, {0x1F64C, 0x1F64C, HANDS},  {0x1F64D, 0x1F64E, PEOPLE},
    {0x1F64F, 0x1F64F, HANDS},  {0x1F6A3, 0x1F6A3, PEOPLE}, {0x1F6A9, 0x1F6A9, FLAGS},
    {0x1F6B4, 0x1F6B6, PEOPLE}, {0x1F6C0, 0x1F6C0, PEOPLE}, {0x1F6CC, 0x1F6CC, PEOPLE},
    {0x1F90C, 0x1F90C, HANDS},  {0x1F90F, 0x1F90F, HANDS},  {0x1F910, 0x1F917, FACES},
    {0x1F918, 0x1F91F, HANDS},  {0x1F920, 0x1F925, FACES},  {0x1F926, 0x1F926, PEOPLE},
    {0x1F927, 0x1F92F, FACES},  {0x1F930, 0x1F931, PEOPLE}, {0x1F932, 0x1F933, HANDS},
    {0x1F934, 0x1F93E, PEOPLE}, {0x1F940, 0x1F940, NATURE}, {0x1F950, 0x1F96F, NATURE},
    {0x1F970, 0x1F976, FACES},  {0x1F977, 0x1F977, PEOPLE}, {0x1F978, 0x1F97A, FACES},
    {0x1F980, 0x1F9AE, NATURE}, {0x1F9B5, 0x1F9B7, HANDS},  {0x1F9B8, 0x1F9B9, PEOPLE},
    {0x1F9BB, 0x1F9BB, HANDS},  {0x1F9BE, 0x1F9BF, HANDS},  {0x1F9C0, 0x1F9CB, NATURE},
    {0x1F9CC, 0x1F9CF, PEOPLE}, {0x1F9D0, 0x1F9D0, FACES},  {0x1F9D1, 0x1F9DF, PEOPLE},
    {0x1FAB0, 0x1FABF, NATURE}, {0x1FAC3, 0x1FAC5, PEOPLE}, {0x1FACE, 0x1FADF, NATURE},
    {0x1FAE0, 0x1FAE9, FACES},  {0x1FAF0, 0x1FAF8, HANDS},
};

static kind kind_of_code(uint32_t code) {
    for (size_t i = 0; i < AYF_COUNT(ranges); i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return ranges[i].kind;
    return THINGS;
}

/* Two regional letters are a flag. In other sequences the order of the parts is the font's own (a woman who runs may
 * begin with the sign for female): a person anywhere in it makes people, else the first part that is no thing
 * decides. */
static kind kind_of_text(const ayf_glyph *g) {
    kind found = THINGS;
    int letters = 0;
    for (int i = 0; i < g->length; i++) {
        kind k = kind_of_code(g->text[i]);
        letters += g->text[i] >= 0x1F1E6 && g->text[i] <= 0x1F1FF;
        if (found == THINGS || k == PEOPLE) found = k;
    }
    return letters > 1 ? FLAGS : found;
}

/* ---- The source ---- */

typedef struct font_source {
    ayf_source base;
    void *bytes;
    ayf_font font;
    ayf_image_reading reading;
} font_source;

/* What is higher than wide or wider than high gets equal borders of the background, never a cut. */
static ayf_status make_square(const font_source *s, ayf_image *image) {
    int side = image->height > image->width ? image->height : image->width;
    int top = (side - image->height) / 2, left = (side - image->width) / 2;
    if (image->height == image->width) return AYF_OK;
    if (image->pixels)
        return ayf_image_pad(s->base.ctx, image, top, left, side, side,
                             s->reading.background == AYF_BACKGROUND_WHITE ? 255 : 0);
    image->height = image->width = side;
    return AYF_OK;
}

static void font_item(const ayf_source *source, size_t index, char *text, size_t size) {
    const ayf_glyph *g = &((const font_source *)source)->font.glyphs[index];
    size_t used = (size_t)snprintf(text, size, "glyph %d", g->number);
    for (int i = 0; i < g->length && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%sU+%04" PRIX32, i ? " " : ", ", g->text[i]);
}

static ayf_status font_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    font_source *s = (font_source *)source;
    const ayf_glyph *g = &s->font.glyphs[index];
    const unsigned char *png = (const unsigned char *)s->bytes + g->offset;
    char item[256];
    font_item(source, index, item, sizeof item);
    AYF_TRY(header_only ? ayf_image_probe(source->ctx, item, png, g->size, &s->reading, image)
                        : ayf_image_decode(source->ctx, item, png, g->size, &s->reading, image));
    ayf_status status = make_square(s, image);
    if (status != AYF_OK) ayf_image_clear(source->ctx, image);
    return status;
}

static void font_close(ayf_source *source) {
    font_source *s = (font_source *)source;
    ayf_font_clear(source->ctx, &s->font);
    ayf_free(source->ctx, s->bytes);
}

static ayf_status classify(font_source *s) {
    ayf_context *ctx = s->base.ctx;
    s->base.labels = ayf_alloc(ctx, s->font.count, sizeof *s->base.labels);
    if (!s->base.labels) return AYF_E_MEMORY;
    for (size_t i = 0; i < s->font.count; i++) s->base.labels[i] = kind_of_text(&s->font.glyphs[i]);
    return ayf_classes_name(ctx, &s->base.classes, kind_names, KINDS);
}

ayf_status ayf_source_open_font(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                                ayf_source **out) {
    *out = NULL;
    font_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->base = (ayf_source){.ctx = ctx, .fetch = font_fetch, .item = font_item, .close = font_close};
    s->reading = (ayf_image_reading){spec->background, spec->as_stored};
    size_t size = 0;
    ayf_status status = ayf_file_read(ctx, path, spec->memory, &s->bytes, &size);
    if (status == AYF_OK) status = ayf_font_parse(ctx, path, s->bytes, size, &s->font);
    s->base.count = s->font.count;
    if (status == AYF_OK && spec->labels) status = classify(s);
    if (status == AYF_OK)
        *out = &s->base;
    else
        ayf_source_close(&s->base);
    return status;
}

ayf_status ayf_source_open_emoji(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    static const char *const places[] = {
        "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", /* Debian, Ubuntu */
        "/usr/share/fonts/noto/NotoColorEmoji.ttf",          /* Arch */
        "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
        "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
        "/usr/local/share/fonts/NotoColorEmoji.ttf",
    };
    *out = NULL;
    for (size_t i = 0; i < AYF_COUNT(places); i++) {
        if (!ayf_path_exists(places[i])) continue;
        AYF_TRY(ayf_source_open_font(ctx, places[i], spec, out));
        ayf_status status = ayf_note(ctx, &(*out)->note, "reads %s", places[i]);
        if (status == AYF_OK) return AYF_OK;
        ayf_source_close(*out);
        *out = NULL;
        return status;
    }
    return ayf_fail(ctx, AYF_E_IO,
                    "builtin:emoji: the font that holds its pictures is not installed: apt install "
                    "fonts-noto-color-emoji (no %s), or name the file: --data PATH/NotoColorEmoji.ttf",
                    places[0]);
}
