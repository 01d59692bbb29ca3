#include "backend/cpu/patch_avx512.h"

#include <string.h>

#include "backend/cpu/avx2.h"
#include "base/bf16.h"

#if AYF_HAVE_AVX2

bool ayf_avx512_available(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* ---- Registers ---- */

/* As ayf_bf16_from_float(). */
AVX512_INLINE __m256i narrow_lanes(__m512 v) {
    __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __m512i nan = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    up = _mm512_mask_mov_epi32(_mm512_srli_epi32(up, 16), _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), nan);
    return _mm512_cvtepi32_epi16(up);
}

AVX512_INLINE __mmask16 first_lanes(int64_t count) {
    return (__mmask16)(count >= AYF_VECTOR ? 0xFFFF : (1 << count) - 1);
}

AVX512_INLINE void store_lanes(const ayf_patch *a, int64_t at, int64_t lanes, __m512 sum) {
    __mmask16 mask = first_lanes(lanes);
    if (a->narrow)
        _mm256_mask_storeu_epi16((ayf_bf16 *)a->y + at, mask, narrow_lanes(sum));
    else
        _mm512_mask_storeu_ps((float *)a->y + at, mask, sum);
}

AVX512_INLINE void sum_patch(const ayf_patch *a, const int pixels, const int vectors) {
    __m512 sum[AYF_PATCH_PIXELS][2];
#pragma GCC unroll 12
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[i][v] = a->add ? _mm512_maskz_loadu_ps(first_lanes(a->lanes - v * AYF_VECTOR),
                                                       (float *)a->y + i * a->y_pixel + v * AYF_VECTOR)
                               : _mm512_setzero_ps();
    const float *row = a->x, *w_row = a->w;
    const int64_t step = a->x_pixel, x_inner = a->x_inner, w_inner = a->w_inner;
    for (int64_t o = a->outer; o > 0; o--, row += a->x_outer, w_row += a->w_outer) {
        const float *x[4] = {row, row + 3 * step, row + 6 * step, row + 9 * step};
        const float *w = w_row;
        for (int64_t k = a->inner; k > 0; k--) {
            __m512 lane[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) lane[v] = _mm512_load_ps(w + v * AYF_VECTOR);
#pragma GCC unroll 12
            for (int i = 0; i < pixels; i++) {
                __m512 one = _mm512_set1_ps(x[i / 3][i % 3 * step]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sum[i][v] = _mm512_fmadd_ps(one, lane[v], sum[i][v]);
            }
#pragma GCC unroll 4
            for (int g = 0; g < 4; g++) x[g] += x_inner;
            w += w_inner;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            store_lanes(a, i * a->y_pixel + v * AYF_VECTOR, a->lanes - v * AYF_VECTOR, sum[i][v]);
}

#define SUM_PATCH(pixels)                                                                                    \
    AVX512 static void sum_1_##pixels(const ayf_patch *a) { sum_patch(a, pixels, 1); }                       \
    AVX512 static void sum_2_##pixels(const ayf_patch *a) { sum_patch(a, pixels, 2); }
SUM_PATCH(1)
SUM_PATCH(2)
SUM_PATCH(3)
SUM_PATCH(4)
SUM_PATCH(5)
SUM_PATCH(6)
SUM_PATCH(7)
SUM_PATCH(8)
SUM_PATCH(9)
SUM_PATCH(10)
SUM_PATCH(11)
SUM_PATCH(12)

#define PIXELS_1_TO_12(name)                                                                                 \
    {                                                                                                        \
        name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8, name##_9, name##_10, \
            name##_11, name##_12                                                                             \
    }

void ayf_patch_run(const ayf_patch *patch, int64_t pixels) {
    typedef void sum_fn(const ayf_patch *);
    static sum_fn *const sums[2][AYF_PATCH_PIXELS] = {PIXELS_1_TO_12(sum_1), PIXELS_1_TO_12(sum_2)};
    sums[patch->lanes > AYF_VECTOR][pixels - 1](patch);
}

/* ---- Packing ---- */

/* The first `count` of 16 numbers, and zeros. */
AVX512_INLINE __m512 load_lanes(ayf_element element, const char *from, int64_t count) {
    __mmask16 mask = first_lanes(count);
    if (element == AYF_F32) return _mm512_maskz_loadu_ps(mask, from);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
}

/* Turns 16 rows of 16 numbers. */
AVX512_INLINE void transpose(__m512i r[16]) {
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4 g + j] now has columns j, 4 + j, 8 + j, 12 + j of rows 4 g .. 4 g + 3. */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        t[j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
        t[4 + j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xDD);
        t[8 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xDD);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        r[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xDD);
        r[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
        r[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xDD);
    }
}

AVX512 void ayf_pack_across(ayf_element element, const void *from, int64_t row_step, int64_t rows,
                            int64_t count, float *to, int64_t to_step) {
    const int64_t size = ayf_stored_bytes(element);
    for (int64_t k = 0; k < count; k += AYF_VECTOR) {
        const char *f = (const char *)from + k * size;
        __m512i r[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            r[i] = i < rows ? _mm512_castps_si512(load_lanes(element, f + i * row_step * size, count - k))
                            : _mm512_setzero_si512();
        transpose(r);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            if (i < count - k) _mm512_store_si512(to + (k + i) * to_step, r[i]);
    }
}

AVX512 void ayf_pack_along(ayf_element element, const void *from, int64_t step, int64_t count, int64_t lanes,
                           float *to, int64_t to_step, int64_t width) {
    const int64_t bytes = step * ayf_stored_bytes(element);
    const __mmask16 out = first_lanes(width);
    const char *f = from;
    if (element == AYF_F32)
        for (int64_t k = 0; k < count; k++)
            _mm512_mask_storeu_ps(to + k * to_step, out, load_lanes(AYF_F32, f + k * bytes, lanes));
    else
        for (int64_t k = 0; k < count; k++)
            _mm512_mask_storeu_ps(to + k * to_step, out, load_lanes(AYF_BF16, f + k * bytes, lanes));
}

AVX512 void ayf_pack_plain(ayf_element element, const void *from, int64_t count, float *to) {
    if (element == AYF_F32) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < count; i += AYF_VECTOR)
        _mm512_mask_storeu_ps(to + i, first_lanes(count - i),
                              load_lanes(AYF_BF16, (const char *)from + i * 2, count - i));
}

#else

bool ayf_avx512_available(void) { return false; }

void ayf_patch_run(const ayf_patch *patch, int64_t pixels) { (void)patch, (void)pixels; }

void ayf_pack_across(ayf_element element, const void *from, int64_t row_step, int64_t rows, int64_t count,
                     float *to, int64_t to_step) {
    (void)element, (void)from, (void)row_step, (void)rows, (void)count, (void)to, (void)to_step;
}

void ayf_pack_along(ayf_element element, const void *from, int64_t step, int64_t count, int64_t lanes,
                    float *to, int64_t to_step, int64_t width) {
    (void)element, (void)from, (void)step, (void)count, (void)lanes, (void)to, (void)to_step, (void)width;
}

void ayf_pack_plain(ayf_element element, const void *from, int64_t count, float *to) {
    (void)element, (void)from, (void)count, (void)to;
}

#endif
