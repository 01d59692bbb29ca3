/* Sheets of images with words beside them. */
#include <string.h>

#include "image/font.h"

enum { GAP = 4, LONGEST = 24, SCALE_MOST = 16, PAPER = 255, INK = 0 };

/* Where things are, in pixels. */
typedef struct layout {
    int scale, rows;
    int cell_height, cell_width; /* of an image */
    int above, left, below;      /* room for the words over, beside and under the images */
    int64_t height, width;       /* of the sheet */
} layout;

static size_t longest(const char *const *words, int count) {
    size_t most = 0;
    for (int i = 0; words && i < count; i++) {
        size_t length = words[i] ? ayf_font_length(words[i]) : 0;
        if (length > most) most = length;
    }
    return most < LONGEST ? most : LONGEST;
}

static int text_width(size_t length) { return length ? (int)length * AYF_FONT_WIDE : 0; }

/* The least scale at which the words over and under the images fit, while the sheet stays small. */
static int scale_for(const ayf_grid *grid, int rows, int words) {
    enum { COMFORTABLE = 4096 };
    int scale = 1;
    while (scale < SCALE_MOST && scale * grid->width < words &&
           (scale + 1) * (int64_t)grid->width * grid->columns <= COMFORTABLE &&
           (scale + 1) * (int64_t)grid->height * rows <= COMFORTABLE)
        scale++;
    return scale;
}

static layout lay_out(const ayf_grid *grid) {
    layout l = {.rows = (grid->count - 1) / grid->columns + 1};
    int under = text_width(longest(grid->under, grid->count));
    int over = text_width(longest(grid->over, grid->columns));
    l.left = text_width(longest(grid->beside, l.rows));
    l.above = over ? AYF_FONT_HIGH : 0;
    l.below = under ? AYF_FONT_HIGH + 1 : 0;
    l.scale = grid->scale ? grid->scale : scale_for(grid, l.rows, under > over ? under : over);
    l.cell_height = grid->height * l.scale;
    l.cell_width = grid->width * l.scale;
    l.height = l.above + GAP + (int64_t)l.rows * ((int64_t)l.cell_height + l.below + GAP);
    l.width = l.left + GAP + (int64_t)grid->columns * ((int64_t)l.cell_width + GAP);
    return l;
}

static void draw_image(const ayf_grid *grid, const layout *l, int index, size_t top, size_t left,
                       uint8_t *line, ayf_image *sheet) {
    size_t c = (size_t)grid->channels, scale = (size_t)l->scale, width = (size_t)grid->width;
    const float *image = grid->images + (size_t)index * (size_t)grid->height * width * c;
    for (size_t y = 0; y < (size_t)l->cell_height; y++) {
        uint8_t *to = sheet->pixels + ((top + y) * (size_t)sheet->width + left) * c;
        if (y % scale == 0) ayf_image_quantise(image + y / scale * width * c, line, width * c);
        for (size_t x = 0; x < (size_t)l->cell_width; x++) memcpy(to + x * c, line + x / scale * c, c);
    }
}

static void draw(const ayf_grid *grid, const layout *l, uint8_t *line, ayf_image *sheet) {
    memset(sheet->pixels, PAPER, ayf_image_bytes(sheet));
    int step_x = l->cell_width + GAP, step_y = l->cell_height + l->below + GAP;
    for (int i = 0; i < grid->count; i++) {
        int row = i / grid->columns, column = i % grid->columns;
        int top = l->above + GAP + row * step_y, left = l->left + GAP + column * step_x;
        draw_image(grid, l, i, (size_t)top, (size_t)left, line, sheet);
        if (grid->under && grid->under[i])
            ayf_font_draw(sheet, top + l->cell_height + 2, left, l->cell_width, grid->under[i], INK);
        if (column == 0 && grid->beside && grid->beside[row])
            ayf_font_draw(sheet, top + (l->cell_height - AYF_FONT_HIGH) / 2 + 1, 2, l->left,
                          grid->beside[row], INK);
        if (row == 0 && grid->over && grid->over[column])
            ayf_font_draw(sheet, 2, left, l->cell_width, grid->over[column], INK);
    }
}

static ayf_status check(ayf_context *ctx, const char *path, const ayf_grid *grid) {
    if (grid->height < 1 || grid->width < 1 || grid->height > AYF_IMAGE_MAX_SIDE ||
        grid->width > AYF_IMAGE_MAX_SIDE || (grid->channels != 1 && grid->channels != 3))
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s: data of %d x %d x %d cannot be written as pictures: 1 or 3 channels and at least one "
            "pixel are needed",
            path, grid->height, grid->width, grid->channels);
    if (grid->count < 1 || grid->columns < 1 || grid->columns > AYF_IMAGE_MAX_SIDE)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: a grid of %d images in %d columns: both must be at least 1",
                        path, grid->count, grid->columns);
    if (grid->scale < 0 || grid->scale > SCALE_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: scale %d is not from 1 to %d (0 = automatic)", path,
                        grid->scale, SCALE_MOST);
    return AYF_OK;
}

ayf_status ayf_grid_write_labelled(ayf_context *ctx, const char *path, const ayf_grid *grid) {
    AYF_TRY(check(ctx, path, grid));
    layout l = lay_out(grid);
    if (l.height > AYF_IMAGE_MAX_SIDE || l.width > AYF_IMAGE_MAX_SIDE ||
        l.height * l.width > AYF_IMAGE_MAX_PIXELS)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s: a sheet of %lld x %lld pixels is too large: ask for fewer images", path,
                        (long long)l.width, (long long)l.height);
    ayf_image sheet;
    ayf_image_text text = {"Description", grid->comment};
    uint8_t *line = ayf_alloc(ctx, (size_t)grid->width * (size_t)grid->channels, 1);
    if (!line) return AYF_E_MEMORY;
    ayf_status status = ayf_image_init(ctx, &sheet, (int)l.height, (int)l.width, grid->channels);
    if (status == AYF_OK) draw(grid, &l, line, &sheet);
    if (status == AYF_OK) status = ayf_image_write_png(ctx, path, &sheet, &text, grid->comment ? 1 : 0);
    ayf_image_clear(ctx, &sheet);
    ayf_free(ctx, line);
    return status;
}
