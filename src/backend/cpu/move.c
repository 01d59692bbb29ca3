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

void ayf_move_pad(const ayf_node *out, const ayf_node *in, const float *from, float *to) {
    int last = in->rank - 1;
    size_t rows = product(in, 0, last), length = (size_t)in->dim[last];
    memset(to, 0, product(out, 0, out->rank) * sizeof *to);
    for (size_t r = 0; r < rows; r++) {
        size_t rest = r, at = (size_t)out->attr[last], step = (size_t)out->dim[last];
        for (int d = last; d-- > 0; step *= (size_t)out->dim[d], rest /= (size_t)in->dim[d])
            at += (rest % (size_t)in->dim[d] + (size_t)out->attr[d]) * step;
        memcpy(to + at, from + r * length, length * sizeof *to);
    }
}

void ayf_move_concat(const ayf_node *out, const ayf_node *a, const ayf_node *b, const float *from_a,
                     const float *from_b, float *to, int threads) {
    int axis = out->attr[0];
    size_t outer = product(out, 0, axis), size_a = product(a, axis, a->rank),
           size_b = product(b, axis, b->rank);
    if (outer * (size_a + size_b) < SERIAL_ELEMENTS) threads = 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < outer; i++) {
        memcpy(to + i * (size_a + size_b), from_a + i * size_a, size_a * sizeof *to);
        memcpy(to + i * (size_a + size_b) + size_a, from_b + i * size_b, size_b * sizeof *to);
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

/* One row of output pixels: the filter runs down the columns into `sum`, then along it. */
static void upfirdn_row(const ayf_node *out, const ayf_node *in, const ayf_filter *filter,
                        const meeting *along, const float *image, int y, float *sum, float *to) {
    ptrdiff_t channels = in->dim[3], length = in->dim[2] * channels;
    memset(sum, 0, (size_t)length * sizeof *sum);
    memset(to, 0, (size_t)(out->dim[2] * channels) * sizeof *to);
    for (int i = 0; i < filter->taps; i++) {
        int up = out->attr[0], v = y * out->attr[1] + i - out->attr[2];
        if (v < 0 || v % up || v / up >= in->dim[1]) continue;
        add_scaled(sum, 0, image + v / up * length, 0, &filter->tap[i], 1, length);
    }
    for (int i = 0; i < filter->taps; i++) {
        const meeting *m = &along[i];
        bool dense = m->step == 1 && m->from_step == 1;
        if (m->count)
            add_scaled(to + m->first * channels, m->step * channels, sum + m->from * channels,
                       m->from_step * channels, &filter->tap[i], dense ? 1 : m->count,
                       dense ? m->count * channels : channels);
    }
}

static size_t line_size(const ayf_node *in) { /* floats of an input row, in whole cache lines */
    return ((size_t)in->dim[2] * (size_t)in->dim[3] + 15) / 16 * 16;
}

size_t ayf_move_upfirdn_scratch(const ayf_node *in, int threads) {
    return (size_t)threads * line_size(in) * sizeof(float);
}

void ayf_move_upfirdn(const ayf_node *out, const ayf_node *in, const ayf_filter *filter, const float *from,
                      float *to, int threads, float *scratch) {
    size_t height = (size_t)out->dim[1], rows = (size_t)out->dim[0] * height;
    size_t row_size = (size_t)out->dim[2] * (size_t)out->dim[3], image_size = product(in, 1, 4);
    meeting along[AYF_MAX_TAPS];
    for (int i = 0; i < filter->taps; i++)
        along[i] = meet(out->attr[0], out->attr[1], i - out->attr[2], in->dim[2], out->dim[2]);
    if (rows * row_size < SERIAL_ELEMENTS) threads = 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++)
        upfirdn_row(out, in, filter, along, from + r / height * image_size, (int)(r % height),
                    scratch + (size_t)omp_get_thread_num() * line_size(in), to + r * row_size);
}
