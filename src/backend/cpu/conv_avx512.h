/* Convolutions for processors with AVX-512. They work on dense channels-last arrays as they are, in f32, and
 * widen bf16 operands as they pack them; patch_avx512.h has the inner loops. A plan is a handful of counts
 * without memory of its own; `element` is of {a, b, out} as in heavy.h. */
#ifndef AYF_BACKEND_CPU_CONV_AVX512_H
#define AYF_BACKEND_CPU_CONV_AVX512_H

#include "backend/cpu/onednn.h"
#include "backend/cpu/patch_avx512.h"

/* ---- Forward, and data gradient ---- */

typedef struct ayf_direct512 {
    ayf_conv_shape s; /* turned for the data gradient */
    bool flipped;     /* weights are read backwards and transposed: the data gradient */
    bool padded;      /* work items copy their input between zeros */
    int threads;
    ayf_element x, w, y;
    int64_t tiles;        /* of 32 output channels */
    int64_t parts;        /* of the tiles, each with work items of its own */
    int64_t strip;        /* output rows per work item */
    int64_t group;        /* images per work item */
    int64_t items;        /* work items */
    int64_t x_rows;       /* input rows under a strip */
    int64_t x_columns;    /* input columns, padding included */
    size_t weight_floats; /* packed weights */
    size_t x_floats;      /* per thread: a padded copy of the input */
} ayf_direct512;

/* y = conv(x, w) of `shape`, or with `data_gradient` dx from dy. False where a data gradient is not a
 * convolution (ayf_conv_turn()). */
bool ayf_direct512_plan(ayf_direct512 *plan, const ayf_conv_shape *shape, bool data_gradient,
                        const ayf_element element[3], int threads);
size_t ayf_direct512_packed_bytes(const ayf_direct512 *plan);
size_t ayf_direct512_scratch_bytes(const ayf_direct512 *plan); /* without the packed weights */
void ayf_direct512_pack(const ayf_direct512 *plan, const void *w, float *packed);
/* One tile of 32 output channels, as [p][q][channel][lane] with 32 lanes, or 16 for a last tile of at
 * most 16 channels. */
void ayf_direct512_pack_tile(const ayf_direct512 *plan, int64_t tile, const void *w, float *to);
void ayf_direct512_run(const ayf_direct512 *plan, const void *x, const float *packed, void *y,
                       float *scratch);

/* ---- The same for 3x3 taps in f32, with fewer products ---- */

typedef struct ayf_winograd {
    ayf_direct512 direct; /* shape, threads, and how weights are packed */
    int64_t down, across; /* patches of 2x2 outputs per image */
    int64_t patches;      /* of all images */
    int64_t items;        /* work items */
    size_t weight_floats; /* transformed weights */
    size_t x_floats;      /* per thread: transformed input of a work item */
    size_t y_floats;      /* per thread: its products */
} ayf_winograd;

/* As ayf_direct512_plan(); false also where the taps are not 3x3, the stride is not 1 or something is bf16.
 * 2x2 outputs are computed from 4x4 inputs with 16 products per pair of channels instead of 36: Winograd's
 * F(2x2, 3x3), see arXiv 1509.09308. Its rounding errors are about twice those of the direct sum. */
bool ayf_winograd_plan(ayf_winograd *plan, const ayf_conv_shape *shape, bool data_gradient,
                       const ayf_element element[3], int threads);
size_t ayf_winograd_packed_bytes(const ayf_winograd *plan);
size_t ayf_winograd_scratch_bytes(const ayf_winograd *plan); /* without the packed weights */
void ayf_winograd_pack(const ayf_winograd *plan, const float *w, float *packed);
void ayf_winograd_run(const ayf_winograd *plan, const float *x, const float *packed, float *y,
                      float *scratch);

/* ---- Weight gradient ---- */

typedef struct ayf_wgrad512 {
    ayf_conv_shape s;
    int slots;    /* parallel parts, each with its own sums: fixes the order of additions */
    bool swapped; /* vectors run over output channels instead of input channels */
    ayf_element x, y;
    int64_t vectors;   /* tiles of 32 channels on the vector side */
    int64_t rows;      /* tiles of 12 channels on the other side */
    int64_t strip;     /* output rows per work item */
    int64_t group;     /* images per work item */
    int64_t items;     /* work items */
    int64_t x_rows;    /* input rows under a strip */
    size_t sum_floats; /* per slot */
    size_t x_floats;   /* per slot: packed input */
    size_t y_floats;   /* per slot: packed output gradient */
} ayf_wgrad512;

/* dw from x and dy, always f32; element[2] is not looked at. As ayf_wgrad_plan(). */
void ayf_wgrad512_plan(ayf_wgrad512 *plan, const ayf_conv_shape *shape, const ayf_element element[3],
                       int slots);
size_t ayf_wgrad512_scratch_bytes(const ayf_wgrad512 *plan);
void ayf_wgrad512_run(const ayf_wgrad512 *plan, const void *x, const void *dy, float *dw, float *scratch);

typedef struct ayf_winograd_wgrad {
    ayf_conv_shape s;
    int slots;            /* as in ayf_wgrad512 */
    int64_t down, across; /* patches of 2x2 outputs per image */
    int64_t patches;      /* of all images */
    int64_t items;        /* work items */
    size_t sum_floats;    /* per slot: sums of products */
    size_t x_floats;      /* per slot: transformed input of a work item */
    size_t y_floats;      /* per slot: transformed output gradient */
} ayf_winograd_wgrad;

/* The weight gradient with as few products as ayf_winograd_plan() needs: the derivative of the same form. False
 * also where channels do not fill vectors. */
bool ayf_winograd_wgrad_plan(ayf_winograd_wgrad *plan, const ayf_conv_shape *shape,
                             const ayf_element element[3], int slots);
size_t ayf_winograd_wgrad_scratch_bytes(const ayf_winograd_wgrad *plan);
void ayf_winograd_wgrad_run(const ayf_winograd_wgrad *plan, const float *x, const float *dy, float *dw,
                            float *scratch);

#endif
