#include <omp.h>
#include <string.h>

#include "backend/cpu/avx2.h"
#include "backend/cpu/conv_avx2.h"
#include "backend/cpu/conv_avx512.h"

enum { STRIP_FLOATS = 32768 /* the input of a work item stays in the second-level cache */ };

/* ---- Planning ---- */

/* Work items: few enough that input under two strips is not copied too often, and as many as keep all threads
 * busy to the end. */
static void cut(ayf_direct512 *plan) {
    const ayf_conv_shape *s = &plan->s;
    enum { FEW_ITEMS = 8 };
    int64_t threads = plan->threads, batch = s->y[0], height = s->y[1];
    int64_t line = plan->x_columns * s->x[3], rows = larger(s->w[1], STRIP_FLOATS / line);
    int64_t strips = divide_up(height, smaller(height, (rows - s->w[1]) / s->stride + 1));
    plan->parts = 1;
    if (batch * strips < FEW_ITEMS * threads) {
        /* Whichever all threads then read, input or weights, should be the smaller one. */
        int64_t input = batch * s->x[1] * s->x[2] * s->x[3];
        bool by_output = batch == 1 && plan->tiles >= threads && (int64_t)plan->weight_floats > input;
        if (by_output)
            plan->parts = threads;
        else if (batch % threads != 0)
            strips = smaller(height, divide_up(strips, threads) * threads);
    }
    plan->strip = divide_up(height, strips);
    plan->x_rows = (plan->strip - 1) * s->stride + s->w[1];
    plan->group = 1;
    if (plan->strip == height)
        plan->group = larger(1, smaller(batch / (4 * threads), STRIP_FLOATS / (plan->x_rows * line)));
    plan->items = divide_up(batch, plan->group) * divide_up(height, plan->strip) * plan->parts;
}

bool ayf_direct512_plan(ayf_direct512 *plan, const ayf_conv_shape *shape, bool data_gradient,
                        const ayf_element element[3], int threads) {
    memset(plan, 0, sizeof *plan);
    plan->s = *shape;
    plan->threads = threads;
    plan->flipped = data_gradient;
    if (data_gradient && !ayf_conv_turn(&plan->s, shape)) return false;
    const ayf_conv_shape *s = &plan->s;
    plan->x = element[0];
    plan->w = element[1];
    plan->y = element[2];
    plan->tiles = divide_up(s->y[3], AYF_PATCH_LANES);
    plan->x_columns = (s->y[2] - 1) * s->stride + s->w[2];
    plan->padded = plan->x == AYF_BF16 || s->pad_top || s->pad_left || s->pad_bottom || s->pad_right;
    plan->weight_floats = lines(plan->tiles * AYF_PATCH_LANES * s->w[1] * s->w[2] * s->x[3]);
    cut(plan);
    plan->x_floats = plan->padded ? lines(plan->group * plan->x_rows * plan->x_columns * s->x[3]) : 0;
    return true;
}

size_t ayf_direct512_packed_bytes(const ayf_direct512 *plan) { return plan->weight_floats * sizeof(float); }

size_t ayf_direct512_scratch_bytes(const ayf_direct512 *plan) {
    return plan->x_floats * (size_t)plan->threads * sizeof(float);
}

/* ---- Packing ---- */

static int64_t lanes_of(const ayf_direct512 *plan, int64_t tile) {
    return smaller(AYF_PATCH_LANES, plan->s.y[3] - tile * AYF_PATCH_LANES);
}

/* The last tile may need but one vector. */
static int64_t width_of(int64_t lanes) { return lanes > AYF_VECTOR ? AYF_PATCH_LANES : AYF_VECTOR; }

void ayf_direct512_pack_tile(const ayf_direct512 *plan, int64_t tile, const void *weights, float *to) {
    const ayf_conv_shape *s = &plan->s;
    const int64_t high = s->w[1], wide = s->w[2], in = s->x[3], out = s->y[3], taps = high * wide;
    const int64_t size = ayf_stored_bytes(plan->w), lanes = lanes_of(plan, tile);
    const int64_t width = width_of(lanes);
    const char *w = weights;
    for (int64_t from = 0; from < width; from += AYF_VECTOR) {
        int64_t first = tile * AYF_PATCH_LANES + from, count = smaller(AYF_VECTOR, lanes - from);
        if (!plan->flipped) {
            ayf_pack_across(plan->w, w + first * taps * in * size, taps * in, count, taps * in, to + from,
                            width);
            continue;
        }
        for (int64_t tap = 0; tap < taps; tap++) {
            const char *f = w + ((taps - 1 - tap) * out + first) * size;
            ayf_pack_along(plan->w, f, taps * out, in, count, to + tap * in * width + from, width,
                           AYF_VECTOR);
        }
    }
}

/* Input rows `top`.. of one image between zeros. */
static void pad_rows(const ayf_direct512 *plan, const char *image, int64_t top, float *to) {
    const ayf_conv_shape *s = &plan->s;
    const int64_t in = s->x[3], size = ayf_stored_bytes(plan->x);
    int64_t left = smaller(s->pad_left, plan->x_columns);
    int64_t inside = larger(0, smaller(s->x[2], plan->x_columns - left));
    int64_t right = plan->x_columns - left - inside;
    for (int64_t i = 0; i < plan->x_rows; i++, to += plan->x_columns * in) {
        int64_t row = top + i;
        if (row < 0 || row >= s->x[1]) continue; /* its taps are left out */
        memset(to, 0, (size_t)(left * in) * sizeof *to);
        ayf_pack_plain(plan->x, image + row * s->x[2] * in * size, inside * in, to + left * in);
        memset(to + (left + inside) * in, 0, (size_t)(right * in) * sizeof *to);
    }
}

/* ---- Running ---- */

/* All pixels of output row `row`; `rows` points at input row `top`. */
static void direct_row(const ayf_direct512 *plan, const float *rows, int64_t line, int64_t top, int64_t row,
                       int64_t tile, const float *packed, char *y) {
    const ayf_conv_shape *s = &plan->s;
    const int64_t width = s->y[2], groups = divide_up(width, AYF_PATCH_PIXELS);
    const int64_t taps = s->w[2] * s->x[3], up = row * s->stride - s->pad_top;
    int64_t first_tap = larger(0, -up), last_tap = smaller(s->w[1], s->x[1] - up);
    const int64_t size = ayf_stored_bytes(plan->y);
    ayf_patch a = {.outer = larger(0, last_tap - first_tap),
                   .inner = taps,
                   .x_outer = line,
                   .x_inner = 1,
                   .x_pixel = s->stride * s->x[3],
                   .y_pixel = s->y[3],
                   .lanes = lanes_of(plan, tile),
                   .narrow = plan->y == AYF_BF16};
    a.w_inner = width_of(a.lanes);
    a.w_outer = taps * a.w_inner;
    a.w = packed + tile * AYF_PATCH_LANES * s->w[1] * taps + first_tap * a.w_outer;
    const float *x = rows + (up + first_tap - top) * line;
    y += tile * AYF_PATCH_LANES * size;
    for (int64_t g = 0; g < groups; g++) {
        int64_t first = width * g / groups;
        a.x = x + first * a.x_pixel;
        a.y = y + first * s->y[3] * size;
        ayf_patch_run(&a, width * (g + 1) / groups - first);
    }
}

static void direct_item(const ayf_direct512 *plan, int64_t item, const char *x, const float *packed, char *y,
                        float *padded) {
    const ayf_conv_shape *s = &plan->s;
    const int64_t strips = divide_up(s->y[1], plan->strip), part = item % plan->parts;
    item /= plan->parts;
    int64_t image = item / strips * plan->group, first = item % strips * plan->strip;
    int64_t images = smaller(plan->group, s->y[0] - image), last = smaller(s->y[1], first + plan->strip);
    int64_t size = ayf_stored_bytes(plan->x), top = first * s->stride - s->pad_top;
    int64_t line = (plan->padded ? plan->x_columns : s->x[2]) * s->x[3];
    int64_t x_image = s->x[1] * s->x[2] * s->x[3] * size;
    int64_t y_row = s->y[2] * s->y[3] * ayf_stored_bytes(plan->y);
    for (int64_t i = 0; i < images && plan->padded; i++)
        pad_rows(plan, x + (image + i) * x_image, top, padded + i * plan->x_rows * line);
    for (int64_t tile = plan->tiles * part / plan->parts; tile < plan->tiles * (part + 1) / plan->parts;
         tile++)
        for (int64_t i = 0; i < images; i++) {
            const float *rows = plan->padded ? padded + i * plan->x_rows * line
                                             : (const float *)(x + (image + i) * x_image) + top * line;
            for (int64_t row = first; row < last; row++)
                direct_row(plan, rows, line, top, row, tile, packed,
                           y + ((image + i) * s->y[1] + row) * y_row);
        }
}

void ayf_direct512_pack(const ayf_direct512 *plan, const void *w, float *packed) {
#pragma omp parallel for num_threads(plan->threads) schedule(static)
    for (int64_t tile = 0; tile < plan->tiles; tile++)
        ayf_direct512_pack_tile(plan, tile, w,
                                packed + tile * AYF_PATCH_LANES * plan->s.w[1] * plan->s.w[2] * plan->s.x[3]);
}

void ayf_direct512_run(const ayf_direct512 *plan, const void *x, const float *packed, void *y,
                       float *scratch) {
#pragma omp parallel num_threads(plan->threads)
    {
        float *mine = scratch + (size_t)omp_get_thread_num() * plan->x_floats;
        /* No sum crosses work items, so who does which does not matter. */
#pragma omp for schedule(dynamic)
        for (int64_t item = 0; item < plan->items; item++) direct_item(plan, item, x, packed, y, mine);
    }
}
