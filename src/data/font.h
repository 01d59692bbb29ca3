/* The finished pictures of a colour font: PNG files in its CBDT table, as Google's Noto Color Emoji has them.
 *
 *     ayf_font font;
 *     AYF_TRY(ayf_font_parse(ctx, "NotoColorEmoji.ttf", bytes, size, &font));
 *     ... bytes + font.glyphs[i].offset, font.glyphs[i].size: a PNG file
 *     ayf_font_clear(ctx, &font);
 *
 * A font is a foreign file: every offset is checked, and the work is bounded by the file's size. Layouts as in
 * the OpenType specification: CBLC (where the pictures are; index formats 1 and 3), CBDT (formats 17, 18 and 19),
 * cmap (format 12) and the ligatures of GSUB, which say what text a picture stands for. */
#ifndef AYF_DATA_FONT_H
#define AYF_DATA_FONT_H

#include "base/base.h"

enum { AYF_GLYPH_TEXT = 16 };

typedef struct ayf_glyph {
    int number;
    size_t offset, size;           /* of its PNG in the file, both checked; the PNG itself is not */
    int length;                    /* code points of its text; 0: not known */
    uint32_t text[AYF_GLYPH_TEXT]; /* in the order of the ligature, cut when longer */
} ayf_glyph;

typedef struct ayf_font {
    ayf_glyph *glyphs; /* [count] that have a picture, by number. Owned; ayf_font_clear() */
    size_t count;      /* >= 1 */
} ayf_font;

/* The pictures of the largest size that the font has. AYF_E_FORMAT: not a font, one without such pictures, or
 * damaged; the message begins with `name`. Then *font is empty. */
ayf_status ayf_font_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                          ayf_font *font);
void ayf_font_clear(ayf_context *ctx, ayf_font *font);

#endif
