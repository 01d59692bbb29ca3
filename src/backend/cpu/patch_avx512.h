/* The inner loops of all AVX-512 kernels (conv_avx512.h), and how their operands are packed. Products are of
 * f32; packing widens bf16. */
#ifndef AYF_BACKEND_CPU_PATCH_AVX512_H
#define AYF_BACKEND_CPU_PATCH_AVX512_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pass/element.h"

enum {
    AYF_PATCH_PIXELS = 12, /* 12 x 2 sums fill 24 of the 32 registers */
    AYF_PATCH_LANES = 32,  /* two vectors of 16 f32 */
    AYF_VECTOR = 16
};

bool ayf_avx512_available(void); /* AVX-512 F, BW, DQ, VL */

static inline int64_t ayf_stored_bytes(ayf_element element) { return element == AYF_BF16 ? 2 : 4; }

/* For i < pixels and l < lanes
 *     y[i][l] = sum over o < outer, k < inner of x[o x_outer + k x_inner + i x_pixel] w[o w_outer + k w_inner + l]
 * Steps count numbers. */
typedef struct ayf_patch {
    const float *x;
    const float *w; /* 64-byte aligned, as are its steps; zeros up to whole vectors */
    void *y;
    int64_t outer, inner;
    int64_t x_outer, x_inner, x_pixel;
    int64_t w_outer, w_inner;
    int64_t y_pixel;
    int64_t lanes; /* 1 to AYF_PATCH_LANES */
    bool narrow;   /* y is bf16 */
    bool add;      /* to what y holds, which must be f32 */
} ayf_patch;

void ayf_patch_run(const ayf_patch *patch, int64_t pixels); /* 1 to AYF_PATCH_PIXELS */

/* Packs the rows of a matrix into lanes: to[k * to_step + row] = number k of the row. `rows` <= AYF_VECTOR is
 * filled up with zeros. A row has `count` numbers, the rows are `row_step` numbers apart. */
void ayf_pack_across(ayf_element element, const void *from, int64_t row_step, int64_t rows, int64_t count,
                     float *to, int64_t to_step);

/* Packs neighbours into lanes: to[k * to_step + l] = number l from from + k * step, for k < count. `lanes` <=
 * `width` <= AYF_VECTOR is filled up with zeros to `width`. */
void ayf_pack_along(ayf_element element, const void *from, int64_t step, int64_t count, int64_t lanes,
                    float *to, int64_t to_step, int64_t width);

/* Copies `count` numbers without gaps. */
void ayf_pack_plain(ayf_element element, const void *from, int64_t count, float *to);

#endif
