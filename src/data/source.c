#include "data/source.h"
#include "data/shapes.h"

#include <stdio.h>
#include <string.h>

/* ---- Problems ---- */

/* Copies up to `room` - 1 bytes; names come from files, so what could disturb a terminal becomes '?'. */
static size_t copy_printable(char *to, size_t room, const char *from) {
    size_t n = 0;
    for (; *from && n + 1 < room; from++) {
        unsigned char c = (unsigned char)*from;
        to[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    to[n] = 0;
    return n;
}

bool ayf_problems_add(ayf_problems *p) {
    enum { LONGEST = 200, MAX_LOGGED = 1000 };
    if (p->ctx->status == AYF_E_MEMORY) return false;
    char line[LONGEST];
    size_t length = copy_printable(line, sizeof line, p->ctx->message);
    if (p->count++ == 0) p->status = p->ctx->status;
    if (p->count <= MAX_LOGGED && !p->quiet) ayf_say(p->ctx, "%s", line);
    if (p->shown + 1 == p->count && p->used + length + 3 <= sizeof p->text) {
        p->used +=
            (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "%s%s", p->used ? "; " : "", line);
        p->shown++;
    }
    return true;
}

ayf_status ayf_problems_report(ayf_problems *p, const char *name, size_t total, const char *what) {
    if (p->count == 0) return AYF_OK;
    char more[48] = "";
    if (p->shown < p->count) snprintf(more, sizeof more, "; and %zu more", p->count - p->shown);
    return ayf_fail(p->ctx, p->status,
                    "%s: %zu of %zu %s cannot be used (repair, convert or remove them): %s%s", name, p->count,
                    total, what, p->text, more);
}

/* ---- Sources ---- */

void ayf_source_close(ayf_source *source) {
    if (!source) return;
    if (source->close) source->close(source);
    ayf_free(source->ctx, source->labels);
    ayf_free(source->ctx, source);
}

typedef struct shapes_source {
    ayf_source base;
    uint64_t seed;
    int resolution;
} shapes_source;

static ayf_status shapes_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const shapes_source *s = (const shapes_source *)source;
    *image = (ayf_image){.height = s->resolution, .width = s->resolution, .channels = 3};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, s->resolution, s->resolution, 3));
    ayf_shape_draw(s->seed, index, s->resolution, image->pixels);
    return AYF_OK;
}

static void shapes_item(const ayf_source *source, size_t index, char *text, size_t size) {
    (void)source;
    snprintf(text, size, "shape %zu", index);
}

ayf_status ayf_source_open_shapes(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    enum { DEFAULT_SIDE = 32, LEAST = 8, MOST = 1024 };
    *out = NULL;
    int resolution = spec->resolution ? spec->resolution : DEFAULT_SIDE;
    if (resolution < LEAST || resolution > MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "builtin:shapes: resolution %d is not between %d and %d",
                        resolution, LEAST, MOST);
    shapes_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->seed = spec->seed;
    s->resolution = resolution;
    s->base = (ayf_source){
        .ctx = ctx, .count = AYF_SHAPES_COUNT, .generated = true, .fetch = shapes_fetch, .item = shapes_item};
    if (spec->labels) {
        s->base.labels = ayf_alloc(ctx, AYF_SHAPES_COUNT, sizeof(int));
        if (!s->base.labels) {
            ayf_source_close(&s->base);
            return AYF_E_MEMORY;
        }
        for (int i = 0; i < AYF_SHAPES_COUNT; i++) s->base.labels[i] = i % AYF_SHAPE_CLASSES;
    }
    *out = &s->base;
    return AYF_OK;
}
