#include <string.h>

#include "backend/cpu/avx2.h"
#include "backend/cpu/conv_avx512.h"

enum { STRIP_PIXELS = 256 /* packed tiles of a work item stay close to the first-level cache */ };

/* ---- Planning ---- */

static int64_t whole_vectors(int64_t channels) { return divide_up(channels, AYF_VECTOR) * AYF_VECTOR; }

void ayf_wgrad512_plan(ayf_wgrad512 *plan, const ayf_conv_shape *shape, const ayf_element element[3],
                       int slots) {
    memset(plan, 0, sizeof *plan);
    plan->s = *shape;
    plan->slots = slots;
    plan->x = element[0];
    plan->y = element[1];
    int64_t batch = shape->y[0], height = shape->y[1], width = shape->y[2], in = shape->x[3],
            out = shape->y[3];
    plan->swapped = whole_vectors(out) * in < whole_vectors(in) * out;
    plan->vectors = divide_up(plan->swapped ? out : in, AYF_PATCH_LANES);
    plan->rows = divide_up(plan->swapped ? in : out, AYF_PATCH_PIXELS);
    plan->strip = larger(1, smaller(height, STRIP_PIXELS / width));
    if (batch * divide_up(height, plan->strip) < slots)
        plan->strip = divide_up(height, divide_up(slots, batch));
    plan->group = 1;
    if (plan->strip == height)
        plan->group = larger(1, smaller(batch / slots, STRIP_PIXELS / (height * width)));
    plan->items = divide_up(batch, plan->group) * divide_up(height, plan->strip);
    plan->x_rows = smaller(shape->x[1], (plan->strip - 1) * shape->stride + shape->w[1]);
    int64_t vector_side = plan->vectors * AYF_PATCH_LANES, row_side = plan->rows * AYF_PATCH_PIXELS;
    plan->sum_floats = lines(vector_side * row_side * shape->w[1] * shape->w[2]);
    plan->x_floats =
        lines(plan->group * plan->x_rows * shape->x[2] * (plan->swapped ? row_side : vector_side));
    plan->y_floats = lines(plan->group * plan->strip * width * (plan->swapped ? vector_side : row_side));
}

size_t ayf_wgrad512_scratch_bytes(const ayf_wgrad512 *plan) {
    return (plan->sum_floats + plan->x_floats + plan->y_floats) * (size_t)plan->slots * sizeof(float);
}

/* ---- Packing ---- */

/* `pixels` x `channels` as tiles of 32 channels, `tile_step` numbers apart; the last tile may be of 16. */
static void pack_vectors(ayf_element element, const char *first, int64_t pixels, int64_t channels, float *to,
                         int64_t tile_step) {
    const int64_t size = ayf_stored_bytes(element);
    for (int64_t tile = 0; tile < channels; tile += AYF_PATCH_LANES, to += tile_step) {
        int64_t width = smaller(AYF_PATCH_LANES, whole_vectors(channels - tile));
        for (int64_t from = 0; from < width; from += AYF_VECTOR) {
            int64_t c = tile + from;
            ayf_pack_along(element, first + c * size, channels, pixels, smaller(AYF_VECTOR, channels - c),
                           to + from, width, AYF_VECTOR);
        }
    }
}

/* The same as tiles of 12 channels. */
static void pack_rows(ayf_element element, const char *first, int64_t pixels, int64_t channels, float *to,
                      int64_t tile_step) {
    const int64_t size = ayf_stored_bytes(element);
    for (int64_t c = 0; c < channels; c += AYF_PATCH_PIXELS, to += tile_step)
        ayf_pack_along(element, first + c * size, channels, pixels, smaller(AYF_PATCH_PIXELS, channels - c),
                       to, AYF_PATCH_PIXELS, AYF_PATCH_PIXELS);
}

/* Rows `from`.. of image `i` of an array with images of `dim`. */
static void pack_image(bool vectors, ayf_element element, const char *array, const int64_t dim[4], int64_t i,
                       int64_t from, int64_t rows, float *to, int64_t tile_step) {
    const int64_t size = ayf_stored_bytes(element), image = dim[1] * dim[2] * dim[3] * size;
    const char *first = array + i * image + from * dim[2] * dim[3] * size;
    (vectors ? pack_vectors : pack_rows)(element, first, rows * dim[2], dim[3], to, tile_step);
}

/* ---- Running ---- */

/* Which outputs of a line of `outputs` meet the `inputs` for tap `tap`: first..last-1. */
static void valid(int64_t tap, int64_t stride, int64_t pad, int64_t inputs, int64_t outputs, int64_t *first,
                  int64_t *last) {
    *first = tap >= pad ? 0 : divide_up(pad - tap, stride);
    int64_t room = inputs - 1 + pad - tap;
    *last = room < 0 ? 0 : smaller(outputs, room / stride + 1);
}

/* Where a work item lies, and where its packed arrays are. */
typedef struct work {
    int64_t images, top, bottom, x_top;
    float *x, *y;
    int64_t x_image, y_image, x_tile, y_tile; /* steps */
} work;

/* One tap of one pair of tiles, added to `sum`. */
static void add_tap(const ayf_wgrad512 *plan, const work *t, int64_t v, int64_t r, int64_t p, int64_t q,
                    float *sum) {
    const ayf_conv_shape *s = &plan->s;
    int64_t vector_channels = plan->swapped ? s->y[3] : s->x[3];
    int64_t row_channels = plan->swapped ? s->x[3] : s->y[3];
    int64_t lanes = smaller(AYF_PATCH_LANES, whole_vectors(vector_channels - v * AYF_PATCH_LANES));
    int64_t x_width = plan->swapped ? AYF_PATCH_PIXELS : lanes;
    int64_t y_width = plan->swapped ? lanes : AYF_PATCH_PIXELS;
    int64_t first_row, last_row, first, last;
    valid(p, s->stride, s->pad_top, s->x[1], s->y[1], &first_row, &last_row);
    valid(q, s->stride, s->pad_left, s->x[2], s->y[2], &first, &last);
    first_row = larger(first_row, t->top);
    last_row = smaller(last_row, t->bottom);
    if (first_row >= last_row || first >= last) return;
    int64_t x_row = first_row * s->stride - s->pad_top + p - t->x_top;
    int64_t x_column = first * s->stride - s->pad_left + q;
    const float *x = t->x + (plan->swapped ? r : v) * t->x_tile + (x_row * s->x[2] + x_column) * x_width;
    const float *y =
        t->y + (plan->swapped ? v : r) * t->y_tile + ((first_row - t->top) * s->y[2] + first) * y_width;
    ayf_patch a = {.y = sum,
                   .outer = last_row - first_row,
                   .inner = last - first,
                   .x_pixel = 1,
                   .y_pixel = AYF_PATCH_LANES,
                   .lanes = lanes,
                   .add = true};
    const int64_t x_line = s->stride * s->x[2] * x_width, y_line = s->y[2] * y_width;
    a.x_outer = plan->swapped ? x_line : y_line, a.w_outer = plan->swapped ? y_line : x_line;
    a.x_inner = plan->swapped ? s->stride * x_width : y_width;
    a.w_inner = plan->swapped ? y_width : s->stride * x_width;
    int64_t pixels = smaller(AYF_PATCH_PIXELS, row_channels - r * AYF_PATCH_PIXELS);
    for (int64_t i = 0; i < t->images; i++, x += t->x_image, y += t->y_image) {
        a.x = plan->swapped ? x : y;
        a.w = plan->swapped ? y : x;
        ayf_patch_run(&a, pixels);
    }
}

static void wgrad_item(const ayf_wgrad512 *plan, int64_t number, const char *x, const char *dy, float *sums,
                       float *x_packed, float *y_packed) {
    const ayf_conv_shape *s = &plan->s;
    int64_t strips = divide_up(s->y[1], plan->strip), image = number / strips * plan->group;
    work t = {.images = smaller(plan->group, s->y[0] - image),
              .top = number % strips * plan->strip,
              .x = x_packed,
              .y = y_packed};
    t.bottom = smaller(s->y[1], t.top + plan->strip);
    t.x_top = larger(0, t.top * s->stride - s->pad_top);
    int64_t x_bottom = smaller(s->x[1], (t.bottom - 1) * s->stride - s->pad_top + s->w[1]);
    if (x_bottom <= t.x_top) return;

    /* A last tile of 16 lanes leaves room unused. */
    int64_t x_width = plan->swapped ? AYF_PATCH_PIXELS : AYF_PATCH_LANES;
    int64_t y_width = plan->swapped ? AYF_PATCH_LANES : AYF_PATCH_PIXELS;
    t.x_image = plan->x_rows * s->x[2] * x_width;
    t.y_image = plan->strip * s->y[2] * y_width;
    t.x_tile = plan->group * t.x_image;
    t.y_tile = plan->group * t.y_image;
    for (int64_t i = 0; i < t.images; i++) {
        pack_image(!plan->swapped, plan->x, x, s->x, image + i, t.x_top, x_bottom - t.x_top,
                   t.x + i * t.x_image, t.x_tile);
        pack_image(plan->swapped, plan->y, dy, s->y, image + i, t.top, t.bottom - t.top, t.y + i * t.y_image,
                   t.y_tile);
    }
    for (int64_t v = 0; v < plan->vectors; v++)
        for (int64_t r = 0; r < plan->rows; r++)
            for (int64_t p = 0; p < s->w[1]; p++)
                for (int64_t q = 0; q < s->w[2]; q++, sums += AYF_PATCH_PIXELS * AYF_PATCH_LANES)
                    add_tap(plan, &t, v, r, p, q, sums);
}

/* Adds the slots' sums of output channel `o` and puts them where they belong. */
static void gather(const ayf_wgrad512 *plan, const float *scratch, size_t slot_floats, int64_t o, float *dw) {
    const ayf_conv_shape *s = &plan->s;
    const int64_t taps = s->w[1] * s->w[2], in = s->x[3], tile = AYF_PATCH_PIXELS * AYF_PATCH_LANES;
    for (int64_t tap = 0; tap < taps; tap++) {
        float *to = dw + (o * taps + tap) * in;
        for (int64_t c = 0; c < in; c++) {
            int64_t lane = plan->swapped ? o : c, row = plan->swapped ? c : o;
            int64_t pair = lane / AYF_PATCH_LANES * plan->rows + row / AYF_PATCH_PIXELS;
            const float *from = scratch + (pair * taps + tap) * tile +
                                row % AYF_PATCH_PIXELS * AYF_PATCH_LANES + lane % AYF_PATCH_LANES;
            float sum = from[0];
            for (int slot = 1; slot < plan->slots; slot++) sum += from[(size_t)slot * slot_floats];
            to[c] = sum;
        }
    }
}

void ayf_wgrad512_run(const ayf_wgrad512 *plan, const void *x, const void *dy, float *dw, float *scratch) {
    size_t slot_floats = plan->sum_floats + plan->x_floats + plan->y_floats;
#pragma omp parallel num_threads(plan->slots)
    {
        /* Slots, not threads, own items and sums: a smaller team gives the same bytes. */
#pragma omp for schedule(static, 1)
        for (int slot = 0; slot < plan->slots; slot++) {
            float *sums = scratch + (size_t)slot * slot_floats;
            float *x_packed = sums + plan->sum_floats, *y_packed = x_packed + plan->x_floats;
            memset(sums, 0, plan->sum_floats * sizeof(float));
            int64_t last = plan->items * (slot + 1) / plan->slots;
            for (int64_t item = plan->items * slot / plan->slots; item < last; item++)
                wgrad_item(plan, item, x, dy, sums, x_packed, y_packed);
        }
#pragma omp for schedule(static)
        for (int64_t o = 0; o < plan->s.y[3]; o++) gather(plan, scratch, slot_floats, o, dw);
    }
}
