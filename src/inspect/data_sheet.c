/* A contact sheet of what a network sees (ayf_data_sheet of ayf.h). */
#include <stdio.h>
#include <string.h>

#include "base/wait.h"
#include "inspect/data_open.h"

enum {
    ROWS_MOST = 100,
    COLUMNS = 8,
    LABEL_SIZE = 48,
    SIDE_MOST = 8192,
    PIXELS_MOST = 1 << 24,
    FALLBACK = 64
};

typedef struct sheet {
    ayf_context *ctx;
    ayf_opened_data data;
    size_t *order;            /* picture numbers, class by class */
    size_t *first;            /* [classes + 1] in `order`; without classes all are one */
    int classes;              /* 1 without classes */
    int rows, columns;        /* of the sheet */
    int shown[ROWS_MOST];     /* the class of each row */
    int height, width, depth; /* of an image; 0: not known yet */
    float *images;
    char labels[ROWS_MOST][LABEL_SIZE];
} sheet;

/* ---- Choosing ---- */

/* -1: it has none that is one. */
static int class_of(const sheet *s, size_t index) {
    int label = s->data.source->labels ? ayf_data_label(&s->data, index) : 0;
    return label < s->classes ? label : -1;
}

static ayf_status sort_by_class(sheet *s) {
    size_t count = s->data.source->count;
    s->classes = ayf_data_classes(&s->data);
    if (s->classes == 0) s->classes = 1;
    s->order = ayf_alloc(s->ctx, count, sizeof *s->order);
    s->first = ayf_alloc(s->ctx, (size_t)s->classes + 2, sizeof *s->first);
    if (!s->order || !s->first) return AYF_E_MEMORY;
    size_t *end = s->first + 1; /* moves from the beginning to the end of its class */
    for (size_t i = 0; i < count; i++)
        if (class_of(s, i) >= 0) end[class_of(s, i) + 1]++;
    for (int k = 0; k < s->classes; k++) end[k + 1] += end[k];
    for (size_t i = 0; i < count; i++)
        if (class_of(s, i) >= 0) s->order[end[class_of(s, i)]++] = i;
    return AYF_OK;
}

static size_t pictures_of(const sheet *s, int class_) { return s->first[class_ + 1] - s->first[class_]; }

/* As many rows and columns as a picture has that one still wants to look at. */
static void choose_rows(sheet *s) {
    bool labelled = s->data.source->labels != NULL;
    int filled = 0, most = SIDE_MOST / (s->height + 4);
    if (most > ROWS_MOST) most = ROWS_MOST;
    for (int k = 0; k < s->classes; k++) filled += pictures_of(s, k) > 0;
    s->columns = SIDE_MOST / (s->width + 4) < COLUMNS ? SIDE_MOST / (s->width + 4) : COLUMNS;
    if (s->columns < 1) s->columns = 1;
    int wanted = labelled ? filled : (int)((s->data.source->count + COLUMNS - 1) / COLUMNS);
    s->rows = wanted < most ? wanted : most;
    if (!labelled && s->rows > COLUMNS) s->rows = COLUMNS;
    int64_t row = (int64_t)s->columns * s->height * s->width;
    if (s->rows > PIXELS_MOST / row) s->rows = (int)(PIXELS_MOST / row);
    if (s->rows < 1) s->rows = 1;
    for (int k = 0, seen = 0, r = 0; k < s->classes && r < s->rows; k++) {
        if (!labelled) break;
        if (pictures_of(s, k) == 0) continue;
        /* Evenly over the classes when there are too many. */
        if ((int64_t)seen++ * s->rows / filled >= r) s->shown[r++] = k;
    }
}

/* ---- Drawing ---- */

/* False: the picture cannot be used, or does not fit the others; *fits says which. */
static bool fetch(sheet *s, size_t index, ayf_image *image, bool *fits) {
    ayf_source *source = s->data.source;
    *fits = true;
    if (source->fetch(source, index, false, image) != AYF_OK) return false;
    if (ayf_source_shape(source, &s->data.spec, image) != AYF_OK) {
        ayf_image_clear(s->ctx, image);
        return false;
    }
    if (!s->height) {
        s->height = image->height;
        s->width = image->width;
        s->depth = image->channels;
    }
    *fits = image->height == s->height && image->width == s->width && image->channels == s->depth;
    if (!*fits) ayf_image_clear(s->ctx, image);
    return *fits;
}

/* The pictures from order[from] to order[to - 1], evenly, into `cells` cells; a picture that cannot be read gives
 * its place to the next one. */
static ayf_status fill(sheet *s, size_t from, size_t to, size_t cells, float *out, bool *fits) {
    size_t count = to - from, values = (size_t)s->height * (size_t)s->width * (size_t)s->depth;
    size_t used = cells < count ? cells : count;
    for (size_t k = 0; k < used; k++) {
        size_t at = from + k * count / used, end = from + (k + 1) * count / used;
        for (; at < end; at++) {
            ayf_image image;
            AYF_TRY(ayf_task_go_on(s->ctx));
            if (fetch(s, s->order[at], &image, fits)) {
                ayf_image_dequantise(image.pixels, out + k * values, values);
                ayf_image_clear(s->ctx, &image);
                break;
            }
            if (!*fits) return AYF_OK;
            if (s->ctx->status == AYF_E_MEMORY) return AYF_E_MEMORY;
        }
    }
    return AYF_OK;
}

static ayf_status draw(sheet *s, bool *fits) {
    size_t values = (size_t)s->height * (size_t)s->width * (size_t)s->depth, columns = (size_t)s->columns;
    size_t cells = (size_t)s->rows * columns;
    bool labelled = s->data.source->labels != NULL;
    s->images = ayf_alloc(s->ctx, cells * values, sizeof *s->images);
    if (!s->images) return AYF_E_MEMORY;
    for (size_t i = 0; i < cells * values; i++) s->images[i] = 1; /* paper */
    if (!labelled) return fill(s, 0, s->data.source->count, cells, s->images, fits);
    for (int r = 0; r < s->rows && *fits; r++) {
        int k = s->shown[r];
        const char *name = ayf_data_class_name(&s->data, k);
        if (name)
            snprintf(s->labels[r], LABEL_SIZE, "%s", name);
        else
            snprintf(s->labels[r], LABEL_SIZE, "%d", k);
        AYF_TRY(
            fill(s, s->first[k], s->first[k + 1], columns, s->images + (size_t)r * columns * values, fits));
    }
    return AYF_OK;
}

/* The first picture that can be read decides about the shape. */
static ayf_status find_shape(sheet *s) {
    for (size_t i = 0; i < s->data.source->count; i++) {
        ayf_image image;
        bool fits;
        AYF_TRY(ayf_task_go_on(s->ctx));
        if (fetch(s, i, &image, &fits)) {
            ayf_image_clear(s->ctx, &image);
            return AYF_OK;
        }
        if (s->ctx->status == AYF_E_MEMORY) return AYF_E_MEMORY;
    }
    return ayf_fail(s->ctx, AYF_E_FORMAT, "%s: none of its pictures can be used", s->data.spec.source);
}

static ayf_status draw_all(sheet *s) {
    bool fits = true;
    AYF_TRY(find_shape(s));
    choose_rows(s);
    AYF_TRY(draw(s, &fits));
    if (fits) return AYF_OK;
    ayf_free(s->ctx, s->images);
    s->images = NULL;
    s->height = 0;
    s->data.spec.channels = 3;
    if (!s->data.spec.resolution) s->data.spec.resolution = FALLBACK;
    fits = true;
    AYF_TRY(find_shape(s));
    choose_rows(s);
    return draw(s, &fits);
}

static ayf_status write_sheet(sheet *s, const char *path, int *shown) {
    const char *beside[ROWS_MOST];
    for (int r = 0; r < s->rows; r++) beside[r] = s->labels[r];
    bool labelled = s->data.source->labels != NULL;
    ayf_grid grid = {.images = s->images,
                     .count = s->rows * s->columns,
                     .columns = s->columns,
                     .height = s->height,
                     .width = s->width,
                     .channels = s->depth,
                     .scale = s->height < FALLBACK / 2 ? 2 : 1,
                     .beside = labelled ? beside : NULL};
    if (shown) *shown = labelled ? s->rows : 0;
    return ayf_grid_write_labelled(s->ctx, path, &grid);
}

ayf_status ayf_data_sheet(ayf_context *ctx, const ayf_data_options *options, const char *path, int *shown) {
    sheet *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->ctx = ctx;
    ayf_status status = ayf_data_open(ctx, options, &s->data);
    if (status == AYF_OK && !s->data.source)
        status =
            ayf_fail(ctx, AYF_E_USAGE, "%s: points cannot be shown on a sheet of pictures", options->source);
    if (status == AYF_OK && s->data.source->latents.channels)
        status = ayf_fail(
            ctx, AYF_E_USAGE,
            "%s: latents cannot be shown on a sheet of pictures; their VAE's decoder makes pictures of them",
            options->source);
    if (status == AYF_OK) status = sort_by_class(s);
    if (status == AYF_OK) status = draw_all(s);
    if (status == AYF_OK) status = write_sheet(s, path, shown);
    ayf_data_close(&s->data);
    ayf_free(ctx, s->order);
    ayf_free(ctx, s->first);
    ayf_free(ctx, s->images);
    ayf_free(ctx, s);
    return status;
}
