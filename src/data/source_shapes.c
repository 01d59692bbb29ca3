#include <stdio.h>
#include <string.h>

#include "data/shapes.h"
#include "data/source.h"

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
        ayf_status status = ayf_classes_name(ctx, &s->base.classes, ayf_shape_names, AYF_SHAPE_CLASSES);
        if (status != AYF_OK) {
            ayf_source_close(&s->base);
            return status;
        }
    }
    *out = &s->base;
    return AYF_OK;
}
