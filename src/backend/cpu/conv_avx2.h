/* Convolution kernels for processors with AVX2 and FMA. They work on dense channels-last arrays as they are;
 * a work item is repacked in cache, so that scratch stays small. */
#ifndef AYF_BACKEND_CPU_CONV_AVX2_H
#define AYF_BACKEND_CPU_CONV_AVX2_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/conv.h"

bool ayf_avx2_available(void); /* AVX2 and FMA */

/* The convolution that takes dy to dx: x and y change places, and `w` is read backwards with its channels
 * swapped, which ayf_conv_turn_weights() does. False when there is none: stride over 1, padding over the
 * kernel. */
bool ayf_conv_turn(ayf_conv_shape *turned, const ayf_conv_shape *shape);
void ayf_conv_turn_weights(const ayf_conv_shape *shape, const float *w, float *turned);

/* How a weight gradient is cut up; see ayf_wgrad_plan(). All counts, no memory. */
typedef struct ayf_wgrad {
    ayf_conv_shape s;
    int slots;         /* parallel parts, each with its own sums: fixes the order of additions */
    bool swapped;      /* vectors run over output channels instead of input channels */
    int64_t vectors;   /* tiles of 16 channels on the vector side */
    int64_t rows;      /* tiles of 6 channels on the other side */
    int64_t strip;     /* output rows per work item */
    int64_t group;     /* images per work item */
    int64_t items;     /* work items */
    int64_t x_rows;    /* input rows under a strip */
    size_t sum_floats; /* per slot */
    size_t x_floats;   /* per slot: packed input */
    size_t y_floats;   /* per slot: packed output gradient */
} ayf_wgrad;

/* dw[o,p,q,c] = sum over n,i,j of dy[n,i,j,o] x[n, i*stride + p - pad_top, j*stride + q - pad_left, c].
 * Work items (strips of rows of a few images) are packed into channel tiles, multiplied tap by tap in
 * registers, summed per slot; the slots are added in order at the end. */
void ayf_wgrad_plan(ayf_wgrad *plan, const ayf_conv_shape *shape, int slots);
size_t ayf_wgrad_scratch_bytes(const ayf_wgrad *plan);
void ayf_wgrad_run(const ayf_wgrad *plan, const float *x, const float *dy, float *dw, float *scratch);

/* How a convolution is cut up; see ayf_direct_plan(). */
typedef struct ayf_direct {
    ayf_conv_shape s; /* turned for the data gradient */
    bool flipped;     /* weights are read backwards and transposed: the data gradient */
    int threads;
    int64_t tiles;     /* of 16 output channels */
    int64_t block;     /* input channels summed at a time */
    int64_t strip;     /* output rows per work item */
    int64_t group;     /* images per work item */
    int64_t items;     /* work items */
    int64_t x_rows;    /* input rows under a strip */
    int64_t x_columns; /* padded input columns */
    size_t weight_floats;
    size_t x_floats; /* per thread: a padded copy of the input */
} ayf_direct;

/* y = conv(x, w) of `shape`, or with `data_gradient` dx from dy (see ayf_conv_turn()). Strips of rows are
 * copied between zeros, then 6 pixels x 16 channels are summed in registers at a time. Returns false where
 * this does not pay: no AVX2, few channels, a strided data gradient. */
bool ayf_direct_plan(ayf_direct *plan, const ayf_conv_shape *shape, bool data_gradient, int threads);
size_t ayf_direct_scratch_bytes(const ayf_direct *plan);
void ayf_direct_run(const ayf_direct *plan, const float *x, const float *w, float *y, float *scratch);

/* The forward face for at most AYF_FEW_OUTPUTS output channels (the last layer of an image network): dot
 * products over the input channels. Needs no scratch. */
enum { AYF_FEW_OUTPUTS = 4 };
void ayf_few_outputs_run(const ayf_conv_shape *shape, int threads, const float *x, const float *w, float *y);

#endif
