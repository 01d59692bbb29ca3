/* A tiny colour font: every structure that the reader of fonts knows, with pictures of 8 x 6. */
#ifndef AYF_TEST_FONT_FIXTURE_H
#define AYF_TEST_FONT_FIXTURE_H

#include "image_fixture.h"

/* Glyphs with pictures and what they stand for. */
enum {
    FONT_FACE = 1,      /* U+1F600 */
    FONT_A = 2,         /* U+1F1E6, a letter without a picture */
    FONT_B = 3,         /* U+1F1E7, the same */
    FONT_FLAG = 4,      /* A B; also at a code point of private use */
    FONT_MAN = 5,       /* U+1F468 */
    FONT_TONE = 6,      /* U+1F3FD, without a picture */
    FONT_DARK_MAN = 7,  /* MAN TONE */
    FONT_SIGN = 8,      /* U+2640 */
    FONT_WOMAN = 9,     /* SIGN DARK_MAN */
    FONT_APPLE = 10,    /* U+1F34E */
    FONT_SAUCER = 11,   /* U+1F6F8 */
    FONT_HAND = 12,     /* U+270B */
    FONT_SILENT = 13,   /* nothing leads to it */
    FONT_PICTURES = 10, /* SIGN has one; A, B and TONE have none */
    FONT_WIDTH = 8,
    FONT_HEIGHT = 6
};

static inline void font_put(blob *b, uint32_t value, unsigned width) {
    b->bytes = realloc(b->bytes, b->size + width);
    for (unsigned i = 0; i < width; i++) b->bytes[b->size++] = (unsigned char)(value >> 8 * (width - 1 - i));
}

/* Numbers of two bytes. */
static inline void font_shorts(blob *b, size_t count, const uint16_t *values) {
    for (size_t i = 0; i < count; i++) font_put(b, values[i], 2);
}
#define FONT_SHORTS(b, ...) font_shorts(b, sizeof((uint16_t[]){__VA_ARGS__}) / 2, (uint16_t[]){__VA_ARGS__})

static inline void font_append(blob *b, blob more) {
    b->bytes = realloc(b->bytes, b->size + more.size);
    memcpy(b->bytes + b->size, more.bytes, more.size);
    b->size += more.size;
}

/* RGBA: the pixel at (x, y) of glyph g is (10 g, 16 x, 20 y), transparent where x is 0. */
static inline blob font_png(int glyph) {
    unsigned char rows[FONT_WIDTH * FONT_HEIGHT * 4], *to = rows;
    for (int y = 0; y < FONT_HEIGHT; y++)
        for (int x = 0; x < FONT_WIDTH; x++, to += 4)
            to[0] = (unsigned char)(10 * glyph), to[1] = (unsigned char)(16 * x),
            to[2] = (unsigned char)(20 * y), to[3] = x ? 255 : 0;
    return make_png(FONT_WIDTH, FONT_HEIGHT, PNG_COLOR_TYPE_RGBA, 8, 0, 0, rows);
}

/* Adds pictures first to last to CBDT and their index to CBLC. Absent pictures have no bytes. */
static inline void font_range(blob *pictures, blob *index, uint16_t first, uint16_t last,
                              uint16_t index_format, uint16_t picture_format) {
    static const unsigned char metrics[8] = {0};
    unsigned width = index_format == 1 ? 4 : 2, skip = picture_format == 17   ? 5
                                                       : picture_format == 18 ? 8
                                                                              : 0;
    size_t base = pictures->size;
    FONT_SHORTS(index, index_format, picture_format);
    font_put(index, (uint32_t)base, 4);
    for (int glyph = first; glyph <= last; glyph++) {
        font_put(index, (uint32_t)(pictures->size - base), width);
        if (glyph == FONT_A || glyph == FONT_B || glyph == FONT_TONE) continue;
        blob png = font_png(glyph);
        font_append(pictures, (blob){(unsigned char *)(uintptr_t)metrics, skip});
        font_put(pictures, (uint32_t)png.size, 4);
        font_append(pictures, png);
        free(png.bytes);
    }
    font_put(index, (uint32_t)(pictures->size - base), width);
}

/* Two sizes, of which the second, with 109 pixels, is the larger; the first has no pictures. */
static inline void font_pictures(blob *where, blob *pictures) {
    static const unsigned char rest[32] = {0};
    enum { LIST = 8 + 2 * 48, ENTRIES = 2 };
    blob indices = {NULL, 0};
    FONT_SHORTS(pictures, 3, 0);
    font_range(pictures, &indices, FONT_FACE, FONT_MAN, 1, 17);
    uint32_t second = (uint32_t)indices.size;
    font_range(pictures, &indices, FONT_TONE, FONT_SILENT, 3, 18);
    FONT_SHORTS(where, 3, 0, 0, 2);
    for (unsigned size = 0; size < 2; size++) {
        font_put(where, LIST, 4);
        font_put(where, 0, 4);
        font_put(where, size ? ENTRIES : 0, 4);
        font_append(where, (blob){(unsigned char *)(uintptr_t)rest, 4 + 24});
        FONT_SHORTS(where, FONT_FACE, FONT_SILENT);
        font_put(where, size ? 109 : 20, 1);
        font_put(where, size ? 109 : 20, 1);
        FONT_SHORTS(where, 32 << 8 | 1);
    }
    FONT_SHORTS(where, FONT_FACE, FONT_MAN, 0, 8 * ENTRIES, FONT_TONE, FONT_SILENT);
    font_put(where, 8 * ENTRIES + second, 4);
    font_append(where, indices);
    free(indices.bytes);
}

static inline blob font_characters(void) {
    static const uint32_t groups[][3] = {
        {0x2640, 0x2640, FONT_SIGN},    {0x270B, 0x270B, FONT_HAND},     {0x1F1E6, 0x1F1E7, FONT_A},
        {0x1F34E, 0x1F34E, FONT_APPLE}, {0x1F3FD, 0x1F3FD, FONT_TONE},   {0x1F468, 0x1F468, FONT_MAN},
        {0x1F600, 0x1F600, FONT_FACE},  {0x1F6F8, 0x1F6F8, FONT_SAUCER}, {0xFE4E5, 0xFE4E5, FONT_FLAG}};
    enum { COUNT = sizeof groups / sizeof *groups };
    blob b = {NULL, 0};
    FONT_SHORTS(&b, 0, 2, 0, 5, 0, 20, 3, 10, 0, 26);
    FONT_SHORTS(&b, 14, 0, 6); /* 20: of another format, which is passed over */
    FONT_SHORTS(&b, 12, 0);    /* 26 */
    font_put(&b, 16 + 12 * COUNT, 4);
    font_put(&b, 0, 4);
    font_put(&b, COUNT, 4);
    for (size_t i = 0; i < COUNT; i++)
        for (int k = 0; k < 3; k++) font_put(&b, groups[i][k], 4);
    return b;
}

/* A lookup of ligatures with a plain coverage, and one in an extension with a coverage of ranges. Each line is one
 * structure, behind it where it begins. */
static inline blob font_ligatures(void) {
    blob b = {NULL, 0};
    FONT_SHORTS(&b, 1, 0, 0, 0, 10);                     /* 0: header */
    FONT_SHORTS(&b, 2, 16 - 10, 62 - 10);                /* 10: lookups */
    FONT_SHORTS(&b, 4, 0, 1, 24 - 16);                   /* 16: lookup */
    FONT_SHORTS(&b, 1, 34 - 24, 2, 42 - 24, 52 - 24);    /* 24: subtable */
    FONT_SHORTS(&b, 1, 2, FONT_A, FONT_MAN);             /* 34: coverage */
    FONT_SHORTS(&b, 1, 4, FONT_FLAG, 2, FONT_B);         /* 42: set and ligature */
    FONT_SHORTS(&b, 1, 4, FONT_DARK_MAN, 2, FONT_TONE);  /* 52: set and ligature */
    FONT_SHORTS(&b, 7, 0, 1, 70 - 62);                   /* 62: lookup */
    FONT_SHORTS(&b, 1, 4, 0, 78 - 70);                   /* 70: extension */
    FONT_SHORTS(&b, 1, 86 - 78, 1, 96 - 78);             /* 78: subtable */
    FONT_SHORTS(&b, 2, 1, FONT_SIGN, FONT_SIGN, 0);      /* 86: coverage */
    FONT_SHORTS(&b, 1, 4, FONT_WOMAN, 2, FONT_DARK_MAN); /* 96: set and ligature */
    return b;
}

typedef struct font_table {
    const char *tag;
    blob data;
} font_table;

/* Frees the data of the tables. */
static inline blob font_of_tables(font_table *tables, size_t count) {
    blob b = {NULL, 0};
    FONT_SHORTS(&b, 1, 0, (uint16_t)count, 0, 0, 0);
    size_t at = 12 + 16 * count;
    for (size_t i = 0; i < count; i++) {
        font_append(&b, (blob){(unsigned char *)(uintptr_t)tables[i].tag, 4});
        font_put(&b, 0, 4);
        font_put(&b, (uint32_t)at, 4);
        font_put(&b, (uint32_t)tables[i].data.size, 4);
        at += tables[i].data.size;
    }
    for (size_t i = 0; i < count; i++) {
        font_append(&b, tables[i].data);
        free(tables[i].data.bytes);
    }
    return b;
}

static inline blob make_font(void) {
    font_table tables[] = {
        {"CBDT", {NULL, 0}}, {"CBLC", {NULL, 0}}, {"GSUB", font_ligatures()}, {"cmap", font_characters()}};
    font_pictures(&tables[1].data, &tables[0].data);
    return font_of_tables(tables, 4);
}

#endif
