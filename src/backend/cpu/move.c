#include "backend/cpu/move.h"

#include <omp.h>
#include <string.h>

#include "backend/cpu/tile_kernels.h"

enum { SERIAL_ELEMENTS = 16384 };

static size_t product(const ayf_node *n, int first, int end) {
    size_t count = 1;
    for (int i = first; i < end; i++) count *= (size_t)n->dim[i];
    return count;
}

static size_t size_of(ayf_element element) { return element == AYF_BF16 ? sizeof(ayf_bf16) : sizeof(float); }

static void *place(ayf_moved x, size_t at) { return (char *)x.memory + at * size_of(x.element); }

/* `count` elements in a row. */
static void copy_row(ayf_moved out, size_t to, ayf_moved in, size_t from, size_t count) {
    const ayf_tile_table *kernels = ayf_tile_kernels();
    ptrdiff_t cols = (ptrdiff_t)count;
    if (out.element == in.element)
        memcpy(place(out, to), place(in, from), count * size_of(out.element));
    else if (out.element == AYF_F32)
        kernels->widen(place(out, to), cols, place(in, from), cols, 1, cols);
    else
        kernels->narrow(place(out, to), cols, place(in, from), cols, 1, cols, false);
}

void ayf_move_pad(ayf_moved out, ayf_moved in) {
    const ayf_node *o = out.node, *n = in.node;
    int last = n->rank - 1;
    size_t rows = product(n, 0, last), length = (size_t)n->dim[last];
    memset(out.memory, 0, product(o, 0, o->rank) * size_of(out.element));
    for (size_t r = 0; r < rows; r++) {
        size_t rest = r, at = (size_t)o->attr[last], step = (size_t)o->dim[last];
        for (int d = last; d-- > 0; step *= (size_t)o->dim[d], rest /= (size_t)n->dim[d])
            at += (rest % (size_t)n->dim[d] + (size_t)o->attr[d]) * step;
        copy_row(out, at, in, r * length, length);
    }
}

void ayf_move_concat(ayf_moved out, ayf_moved a, ayf_moved b, int threads) {
    int axis = out.node->attr[0];
    size_t outer = product(out.node, 0, axis), size_a = product(a.node, axis, a.node->rank),
           size_b = product(b.node, axis, b.node->rank);
    if (outer * (size_a + size_b) < SERIAL_ELEMENTS) threads = 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < outer; i++) {
        copy_row(out, i * (size_a + size_b), a, i * size_a, size_a);
        copy_row(out, i * (size_a + size_b) + size_a, b, i * size_b, size_b);
    }
}

/* ---- Resampling ---- */

/* Where one tap meets the upsampled row: output pixels first, first + step, ... read input pixels from, from
 * + from_step, ...; elsewhere it meets a zero. */
typedef struct meeting {
    ptrdiff_t first, step, from, from_step, count;
} meeting;

static int common_divisor(int a, int b) { return b ? common_divisor(b, a % b) : a; }

static meeting meet(int up, int down, int offset, int in_size, int out_size) {
    int divisor = common_divisor(up, down), x = 0;
    while (x < out_size && (x * down + offset < 0 || (x * down + offset) % up)) x++;
    meeting m = {
        .first = x, .step = up / divisor, .from = (x * down + offset) / up, .from_step = down / divisor};
    if (x == out_size || m.from >= in_size) return m;
    ptrdiff_t room = (out_size - 1 - x) / m.step + 1, there = (in_size - 1 - m.from) / m.from_step + 1;
    m.count = room < there ? room : there;
    return m;
}

/* to[r * to_row + c] += tap * from[r * from_row + c] */
static void add_scaled(float *to, ptrdiff_t to_row, const float *from, ptrdiff_t from_row, const float *tap,
                       ptrdiff_t rows, ptrdiff_t cols) {
    const ayf_tile_operand in[] = {{from, from_row, 1}, {tap, 0, 0}, {to, to_row, 1}};
    ayf_tile_kernels()->pointwise[AYF_TILE_MUL_ADD](to, to_row, in, rows, cols);
}

/* What a thread works with: a row of the input, the same filtered down the columns, a row of the output. */
typedef struct lines {
    float *in, *sum, *out;
} lines;

/* Row `y` of an image's output pixels: the filter runs down the columns, then along the row. Bfloat16 passes
 * through the lines. */
static void upfirdn_row(ayf_moved out, ayf_moved in, const ayf_filter *filter, const meeting *along,
                        size_t image, int y, const lines *line) {
    const ayf_node *o = out.node, *n = in.node;
    ptrdiff_t channels = n->dim[3], length = n->dim[2] * channels, out_length = o->dim[2] * channels;
    size_t to = (image * (size_t)o->dim[1] + (size_t)y) * (size_t)out_length;
    float *result = out.element == AYF_F32 ? place(out, to) : line->out;
    memset(line->sum, 0, (size_t)length * sizeof *line->sum);
    memset(result, 0, (size_t)out_length * sizeof *result);
    for (int i = 0; i < filter->taps; i++) {
        int up = o->attr[0], v = y * o->attr[1] + i - o->attr[2];
        if (v < 0 || v % up || v / up >= n->dim[1]) continue;
        void *row = place(in, (image * (size_t)n->dim[1] + (size_t)(v / up)) * (size_t)length);
        if (in.element == AYF_BF16) ayf_tile_kernels()->widen(line->in, length, row, length, 1, length);
        add_scaled(line->sum, 0, in.element == AYF_BF16 ? line->in : row, 0, &filter->tap[i], 1, length);
    }
    for (int i = 0; i < filter->taps; i++) {
        const meeting *m = &along[i];
        bool dense = m->step == 1 && m->from_step == 1;
        if (m->count)
            add_scaled(result + m->first * channels, m->step * channels, line->sum + m->from * channels,
                       m->from_step * channels, &filter->tap[i], dense ? 1 : m->count,
                       dense ? m->count * channels : channels);
    }
    if (out.element == AYF_BF16)
        ayf_tile_kernels()->narrow(place(out, to), out_length, result, out_length, 1, out_length, false);
}

static size_t line_size(const ayf_node *n) { /* floats of a row of pixels, in whole cache lines */
    return ((size_t)n->dim[2] * (size_t)n->dim[3] + 15) / 16 * 16;
}

static size_t lines_size(const ayf_node *out, const ayf_node *in) {
    return 2 * line_size(in) + line_size(out);
}

size_t ayf_move_upfirdn_scratch(const ayf_node *out, const ayf_node *in, int threads) {
    return (size_t)threads * lines_size(out, in) * sizeof(float);
}

void ayf_move_upfirdn(ayf_moved out, ayf_moved in, const ayf_filter *filter, int threads, float *scratch) {
    const ayf_node *o = out.node, *n = in.node;
    size_t height = (size_t)o->dim[1], rows = (size_t)o->dim[0] * height;
    meeting along[AYF_MAX_TAPS];
    for (int i = 0; i < filter->taps; i++)
        along[i] = meet(o->attr[0], o->attr[1], i - o->attr[2], n->dim[2], o->dim[2]);
    if (product(o, 0, 4) < SERIAL_ELEMENTS) threads = 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++) {
        float *own = scratch + (size_t)omp_get_thread_num() * lines_size(o, n);
        const lines line = {own, own + line_size(n), own + 2 * line_size(n)};
        upfirdn_row(out, in, filter, along, r / height, (int)(r % height), &line);
    }
}
