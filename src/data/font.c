#include "data/font.h"

#include <string.h>

enum { GLYPHS = 65536, CODE_POINTS = 0x110000 };

/* A table of the font. A read outside of it, or more reads than a table has honest use for, make it bad, and
 * every later read gives 0: loops end at `bad` and need no checks of their own. */
typedef struct part {
    const unsigned char *bytes;
    uint64_t size, reads; /* reads: how many are left */
    bool bad;
} part;

static uint32_t read_number(part *p, uint64_t at, unsigned width) {
    if (p->bad || at > p->size || p->size - at < width || !p->reads) {
        p->bad = true;
        return 0;
    }
    p->reads--;
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++) value = value << 8 | p->bytes[at + i];
    return value;
}

static uint32_t u8(part *p, uint64_t at) { return read_number(p, at, 1); }
static uint32_t u16(part *p, uint64_t at) { return read_number(p, at, 2); }
static uint32_t u32(part *p, uint64_t at) { return read_number(p, at, 4); }

typedef struct facts {
    size_t offset, size; /* of the picture in the file; size 0: none */
    uint32_t code;       /* code point that shows it; 0: none */
    uint32_t ligature;   /* where its ligature is in GSUB; 0: none */
    uint16_t first;      /* the first glyph of the ligature */
} facts;

typedef struct reader {
    ayf_context *ctx;
    const char *name;
    part file, where, pictures, characters, ligatures; /* the file, CBLC, CBDT, cmap, GSUB */
    facts *glyphs;                                     /* [GLYPHS] */
} reader;

static ayf_status damaged(const reader *r, const char *table) {
    return ayf_fail(
        r->ctx, AYF_E_FORMAT,
        "%s: its table %s is damaged: it points outside of the file or contradicts itself; install "
        "or copy the font again",
        r->name, table);
}

/* ---- Tables ---- */

/* An absent table has size 0. */
static ayf_status find_tables(reader *r) {
    enum { DIRECTORY = 12, ENTRY = 16 };
    part *f = &r->file;
    struct {
        char tag[5];
        part *part;
    } wanted[] = {
        {"CBLC", &r->where}, {"CBDT", &r->pictures}, {"cmap", &r->characters}, {"GSUB", &r->ligatures}};
    uint32_t version = u32(f, 0), count = u16(f, 4);
    if (version != 0x00010000 && version != 0x4F54544F)
        return ayf_fail(r->ctx, AYF_E_FORMAT, "%s: is not a TrueType or OpenType font", r->name);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t entry = DIRECTORY + (uint64_t)ENTRY * i;
        uint64_t offset = u32(f, entry + 8), size = u32(f, entry + 12);
        if (f->bad || offset > f->size || size > f->size - offset)
            return ayf_fail(
                r->ctx, AYF_E_FORMAT,
                "%s: is truncated or damaged: its tables lie outside of its %llu bytes; install or "
                "copy the font again",
                r->name, (unsigned long long)f->size);
        for (size_t k = 0; k < AYF_COUNT(wanted); k++)
            if (memcmp(f->bytes + entry, wanted[k].tag, 4) == 0)
                *wanted[k].part = (part){.bytes = f->bytes + offset, .size = size, .reads = 2 * size};
    }
    if (r->where.size && r->pictures.size) return AYF_OK;
    return ayf_fail(
        r->ctx, AYF_E_FORMAT,
        "%s: is a font without finished colour pictures (tables CBDT and CBLC); NotoColorEmoji.ttf "
        "of Debian's fonts-noto-color-emoji has them, fonts of outlines and of COLR layers do not",
        r->name);
}

/* ---- Pictures ---- */

/* The picture of a glyph in [begin, end) of CBDT. */
static void place(reader *r, uint32_t glyph, uint32_t format, uint64_t begin, uint64_t end) {
    part *p = &r->pictures;
    uint64_t metrics = format == 17 ? 5 : format == 18 ? 8 : 0, data = begin + metrics + 4;
    if (begin == end) return;
    uint64_t size = u32(p, begin + metrics);
    if (end < data || end > p->size || size > end - data || !size)
        p->bad = true;
    else
        r->glyphs[glyph].offset = (size_t)(p->bytes - r->file.bytes) + (size_t)data;
    if (!p->bad) r->glyphs[glyph].size = (size_t)size;
}

static ayf_status read_index(reader *r, uint64_t at, uint32_t first, uint32_t last) {
    part *p = &r->where;
    uint32_t index = u16(p, at), format = u16(p, at + 2), base = u32(p, at + 4);
    if (p->bad) return damaged(r, "CBLC");
    if ((index != 1 && index != 3) || format < 17 || format > 19)
        return ayf_fail(
            r->ctx, AYF_E_FORMAT,
            "%s: its colour pictures are of index format %u and picture format %u; only PNG pictures "
            "(formats 17 to 19) in an index of format 1 or 3 are read",
            r->name, index, format);
    unsigned width = index == 1 ? 4 : 2;
    for (uint32_t glyph = first; glyph <= last && !p->bad && !r->pictures.bad; glyph++) {
        uint64_t entry = at + 8 + (uint64_t)width * (glyph - first);
        uint64_t begin = read_number(p, entry, width), end = read_number(p, entry + width, width);
        if (!p->bad) place(r, glyph, format, base + begin, base + end);
    }
    return r->pictures.bad ? damaged(r, "CBDT") : p->bad ? damaged(r, "CBLC") : AYF_OK;
}

static ayf_status find_pictures(reader *r) {
    enum { HEADER = 8, SIZE = 48, HEIGHT = 45 };
    part *p = &r->where;
    uint32_t sizes = u32(p, 4), best = 0, largest = 0;
    for (uint32_t i = 0; i < sizes && !p->bad; i++) {
        uint32_t height = u8(p, HEADER + (uint64_t)SIZE * i + HEIGHT);
        if (height > largest) largest = height, best = i;
    }
    uint64_t strike = HEADER + (uint64_t)SIZE * best;
    uint64_t list = u32(p, strike), count = u32(p, strike + 8);
    uint32_t next = 0; /* the ranges ascend, so that no glyph comes twice */
    for (uint64_t i = 0; i < count && !p->bad; i++) {
        uint32_t first = u16(p, list + 8 * i), last = u16(p, list + 8 * i + 2);
        uint64_t at = list + u32(p, list + 8 * i + 4);
        if (p->bad || first < next || last < first) return damaged(r, "CBLC");
        AYF_TRY(read_index(r, at, first, last));
        next = last + 1;
    }
    return p->bad ? damaged(r, "CBLC") : AYF_OK;
}

/* ---- Text ---- */

/* Code points of private use say nothing. */
static bool is_private(uint32_t code) { return (code >= 0xE000 && code <= 0xF8FF) || code >= 0xF0000; }

static ayf_status read_characters(reader *r) {
    enum { HEADER = 4, ENTRY = 8, GROUPS = 16, GROUP = 12, WANTED = 12 };
    part *p = &r->characters;
    if (!p->size) return AYF_OK;
    uint64_t at = 0;
    uint32_t tables = u16(p, 2), next = 0;
    for (uint32_t i = 0; i < tables && !at && !p->bad; i++) {
        uint64_t offset = u32(p, HEADER + (uint64_t)ENTRY * i + 4);
        if (u16(p, offset) == WANTED) at = offset;
    }
    uint32_t groups = at ? u32(p, at + 12) : 0;
    for (uint32_t i = 0; i < groups && !p->bad; i++) {
        uint64_t group = at + GROUPS + (uint64_t)GROUP * i;
        uint32_t first = u32(p, group), last = u32(p, group + 4), glyph = u32(p, group + 8);
        if (first < next || last < first || last >= CODE_POINTS || glyph >= GLYPHS ||
            last - first >= GLYPHS - glyph)
            p->bad = true;
        for (uint32_t code = first; code <= last && !p->bad; code++) {
            facts *g = &r->glyphs[glyph + (code - first)];
            if (!g->code && !is_private(code)) g->code = code;
        }
        next = last + 1;
    }
    return p->bad ? damaged(r, "cmap") : AYF_OK;
}

/* The ligatures that begin with glyph `first`: set number `set` of a subtable. The first that makes a glyph
 * counts. */
static void read_ligature_set(reader *r, uint64_t subtable, uint32_t set, uint32_t first) {
    part *p = &r->ligatures;
    if (set >= u16(p, subtable + 4)) return;
    uint64_t at = subtable + u16(p, subtable + 6 + 2 * (uint64_t)set);
    uint32_t count = u16(p, at);
    for (uint32_t i = 0; i < count && !p->bad; i++) {
        uint64_t ligature = at + u16(p, at + 2 + 2 * (uint64_t)i);
        facts *g = &r->glyphs[u16(p, ligature)];
        if (p->bad || g->ligature || ligature > UINT32_MAX) continue;
        g->ligature = (uint32_t)ligature;
        g->first = (uint16_t)first;
    }
}

static void read_ligatures_of(reader *r, uint64_t subtable) {
    part *p = &r->ligatures;
    uint64_t coverage = subtable + u16(p, subtable + 2);
    uint32_t format = u16(p, coverage), count = u16(p, coverage + 2);
    for (uint32_t i = 0; i < count && !p->bad; i++) {
        if (format == 1) {
            read_ligature_set(r, subtable, i, u16(p, coverage + 4 + 2 * (uint64_t)i));
            continue;
        }
        uint64_t range = coverage + 4 + 6 * (uint64_t)i;
        uint32_t first = u16(p, range), last = u16(p, range + 2), set = u16(p, range + 4);
        for (uint32_t glyph = first; glyph <= last && !p->bad; glyph++)
            read_ligature_set(r, subtable, set + (glyph - first), glyph);
    }
}

static ayf_status read_ligatures(reader *r) {
    enum { LIGATURES = 4, EXTENSION = 7 };
    part *p = &r->ligatures;
    if (!p->size) return AYF_OK;
    uint64_t lookups = u16(p, 8);
    uint32_t count = u16(p, lookups);
    for (uint32_t i = 0; i < count && !p->bad; i++) {
        uint64_t lookup = lookups + u16(p, lookups + 2 + 2 * (uint64_t)i);
        uint32_t type = u16(p, lookup), subtables = u16(p, lookup + 4);
        for (uint32_t k = 0; k < subtables && !p->bad; k++) {
            uint64_t at = lookup + u16(p, lookup + 6 + 2 * (uint64_t)k);
            bool extended = type == EXTENSION && u16(p, at + 2) == LIGATURES;
            if (type == LIGATURES || extended) read_ligatures_of(r, extended ? at + u32(p, at + 4) : at);
        }
    }
    return p->bad ? damaged(r, "GSUB") : AYF_OK;
}

/* Appends the text of glyph `number`: its code point, or that of the parts of its ligature, which may be
 * ligatures themselves. `depth` and `steps` bound rings and wide trees. */
static void spell(reader *r, uint32_t number, int depth, int *steps, ayf_glyph *out) {
    const facts *g = &r->glyphs[number];
    part *p = &r->ligatures;
    if (out->length == AYF_GLYPH_TEXT || --*steps < 0) return;
    if (g->code) {
        out->text[out->length++] = g->code;
    } else if (g->ligature && depth > 0) {
        uint32_t count = u16(p, g->ligature + 2);
        spell(r, g->first, depth - 1, steps, out);
        for (uint32_t i = 1; i < count && !p->bad && *steps > 0; i++)
            spell(r, u16(p, g->ligature + 2 + 2 * (uint64_t)i), depth - 1, steps, out);
    }
}

/* ---- All of it ---- */

static ayf_status collect(reader *r, ayf_font *font) {
    enum { DEPTH = 6, STEPS = 64 };
    size_t count = 0;
    for (size_t i = 0; i < GLYPHS; i++) count += r->glyphs[i].size > 0;
    if (!count) return ayf_fail(r->ctx, AYF_E_FORMAT, "%s: none of its glyphs has a colour picture", r->name);
    font->glyphs = ayf_alloc(r->ctx, count, sizeof *font->glyphs);
    if (!font->glyphs) return AYF_E_MEMORY;
    r->ligatures.reads = (uint64_t)STEPS * 2 * count;
    for (uint32_t i = 0; i < GLYPHS; i++) {
        if (!r->glyphs[i].size) continue;
        ayf_glyph *g = &font->glyphs[font->count++];
        int steps = STEPS;
        *g = (ayf_glyph){.number = (int)i, .offset = r->glyphs[i].offset, .size = r->glyphs[i].size};
        spell(r, i, DEPTH, &steps, g);
    }
    return r->ligatures.bad ? damaged(r, "GSUB") : AYF_OK;
}

ayf_status ayf_font_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                          ayf_font *font) {
    reader r = {
        .ctx = ctx, .name = name, .file = {.bytes = bytes, .size = size, .reads = 2 * (uint64_t)size}};
    *font = (ayf_font){0};
    r.glyphs = ayf_alloc(ctx, GLYPHS, sizeof *r.glyphs);
    if (!r.glyphs) return AYF_E_MEMORY;
    ayf_status status = find_tables(&r);
    if (status == AYF_OK) status = find_pictures(&r);
    if (status == AYF_OK) status = read_characters(&r);
    if (status == AYF_OK) status = read_ligatures(&r);
    if (status == AYF_OK) status = collect(&r, font);
    ayf_free(ctx, r.glyphs);
    if (status != AYF_OK) ayf_font_clear(ctx, font);
    return status;
}

void ayf_font_clear(ayf_context *ctx, ayf_font *font) {
    ayf_free(ctx, font->glyphs);
    *font = (ayf_font){0};
}
