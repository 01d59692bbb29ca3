/* The inner loops of all AVX-512 kernels (conv_avx512.h), and how their operands are packed.
 *
 * A unit is 32 bits of an operand: one f32, or two bf16 that are neighbours in the summed dimension and
 * whose products are added at once (AVX512-BF16). Loops count units, so both precisions share them. */
#ifndef AYF_BACKEND_CPU_PATCH_AVX512_H
#define AYF_BACKEND_CPU_PATCH_AVX512_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AYF_PATCH_PIXELS = 12, /* 12 x 2 sums fill 24 of the 32 registers */
    AYF_PATCH_LANES = 32,  /* two vectors of 16 f32 */
    AYF_VECTOR = 16
};

/* How an array becomes units. */
typedef enum ayf_reading {
    AYF_READ_F32,  /* f32 as it is */
    AYF_READ_WIDE, /* bf16 widened to f32 */
    AYF_READ_PAIRS /* bf16 as it is, two to a unit */
} ayf_reading;

static inline size_t ayf_reading_bytes(ayf_reading r) { return r == AYF_READ_F32 ? 4 : 2; }

bool ayf_avx512_available(void);     /* AVX-512 F, BW, DQ, VL */
bool ayf_avx512bf16_available(void); /* also AVX512-BF16, which AYF_READ_PAIRS needs */
bool ayf_amx_bf16_available(void);   /* matrix registers for bf16 */

/* For i < pixels and l < lanes
 *     y[i][l] = sum over o < outer, k < inner of x[o x_outer + k x_inner + i x_pixel] w[o w_outer + k w_inner + l]
 * Steps of x and w count units, those of y elements. */
typedef struct ayf_patch {
    const void *x;
    const float *w; /* 64-byte aligned, as are its steps; zeros up to whole vectors */
    void *y;
    int64_t outer, inner;
    int64_t x_outer, x_inner, x_pixel;
    int64_t w_outer, w_inner;
    int64_t y_pixel;
    int64_t lanes; /* 1 to AYF_PATCH_LANES */
    bool pairs;    /* units are pairs of bf16 */
    bool narrow;   /* y is bf16 */
    bool add;      /* to what y holds, which must be f32 */
} ayf_patch;

void ayf_patch_run(const ayf_patch *patch, int64_t pixels); /* 1 to AYF_PATCH_PIXELS */

/* Packs the rows of a matrix into lanes: to[u * to_step + row] = unit u of the row. `rows` <= AYF_VECTOR is
 * filled up with zeros. A row has `count` elements, the rows are `row_step` elements apart. */
void ayf_pack_across(ayf_reading reading, const void *from, int64_t row_step, int64_t rows, int64_t count,
                     float *to, int64_t to_step);

/* Packs neighbours into lanes: to[u * to_step + l] = element l from first + u * step; of pairs, the second
 * half comes from `second`, which is NULL for zeros. `lanes` <= `width` <= AYF_VECTOR is filled up with zeros
 * to `width`. */
void ayf_pack_along(ayf_reading reading, const void *first, const void *second, int64_t step, int64_t units,
                    int64_t lanes, float *to, int64_t to_step, int64_t width);

/* Copies `count` elements to units, without gaps. */
void ayf_pack_plain(ayf_reading reading, const void *from, int64_t count, float *to);

#endif
