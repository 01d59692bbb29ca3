#include "backend/cpu/move.h"

#include <string.h>

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

/* One row of output pixels: taps that fall between the samples of the upsampled input are skipped. */
static void upfirdn_row(const ayf_node *out, const ayf_node *in, const ayf_filter *filter, const float *image,
                        int y, float *to) {
    int up = out->attr[0], down = out->attr[1], pad = out->attr[2];
    size_t channels = (size_t)out->dim[3], width = (size_t)in->dim[2];
    for (int x = 0; x < out->dim[2]; x++, to += channels) {
        memset(to, 0, channels * sizeof *to);
        for (int i = 0; i < filter->taps; i++) {
            int v = y * down + i - pad;
            if (v < 0 || v % up || v / up >= in->dim[1]) continue;
            for (int j = 0; j < filter->taps; j++) {
                int u = x * down + j - pad;
                if (u < 0 || u % up || u / up >= in->dim[2]) continue;
                float weight = filter->tap[i] * filter->tap[j];
                const float *from = image + ((size_t)(v / up) * width + (size_t)(u / up)) * channels;
#pragma omp simd
                for (size_t c = 0; c < channels; c++) to[c] += weight * from[c];
            }
        }
    }
}

void ayf_move_upfirdn(const ayf_node *out, const ayf_node *in, const ayf_filter *filter, const float *from,
                      float *to, int threads) {
    size_t height = (size_t)out->dim[1], rows = (size_t)out->dim[0] * height;
    size_t row_size = (size_t)out->dim[2] * (size_t)out->dim[3], image_size = product(in, 1, 4);
    if (rows * row_size < SERIAL_ELEMENTS) threads = 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++)
        upfirdn_row(out, in, filter, from + r / height * image_size, (int)(r % height), to + r * row_size);
}
