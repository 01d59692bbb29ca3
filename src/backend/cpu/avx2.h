/* What the kernels with vectors share. */
#ifndef AYF_BACKEND_CPU_AVX2_H
#define AYF_BACKEND_CPU_AVX2_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define AYF_HAVE_AVX2 1
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))
#define AVX512_SETS "avx512f,avx512bw,avx512dq,avx512vl,fma"
#define AVX512 __attribute__((target(AVX512_SETS)))
#define AVX512_INLINE static inline __attribute__((always_inline, target(AVX512_SETS)))
#else
#define AYF_HAVE_AVX2 0
#endif

enum {
    LANES = 16,          /* channels of a vector tile: two registers */
    FLOATS_PER_LINE = 16 /* of the cache: threads never share a line */
};

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* `floats` rounded up to whole cache lines. */
static inline size_t lines(int64_t floats) {
    return (size_t)divide_up(floats, FLOATS_PER_LINE) * FLOATS_PER_LINE;
}

#endif
