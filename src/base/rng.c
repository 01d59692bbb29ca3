#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

/* Key: seed and purpose; counter: step, sample, block index. Two 64-bit counters of the stream are folded
 * into the 4x32 words: word 0 = block, word 1 = low sample, words 2,3 = step mixed with high sample. */
static philox4x32_ctr_t block(ayf_rng_key key, uint32_t index) {
    uint64_t step = key.step ^ ((key.sample >> 32) * 0x9e3779b97f4a7c15ull);
    uint32_t high_seed = (uint32_t)(key.seed >> 32) * 0x85ebca6bu;
    philox4x32_ctr_t counter = {{index, (uint32_t)key.sample, (uint32_t)step, (uint32_t)(step >> 32)}};
    philox4x32_key_t k = {{(uint32_t)key.seed, high_seed ^ (uint32_t)key.purpose * 0xc2b2ae35u}};
    return philox4x32(counter, k);
}

void ayf_rng_bits(ayf_rng_key key, uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; i += 4) {
        philox4x32_ctr_t r = block(key, (uint32_t)(i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++) out[i + j] = r.v[j];
    }
}

static double open_unit(uint32_t bits) { return ((double)bits + 0.5) * (1.0 / 4294967296.0); }

void ayf_rng_uniform(ayf_rng_key key, float *out, size_t count) {
    for (size_t i = 0; i < count; i += 4) {
        philox4x32_ctr_t r = block(key, (uint32_t)(i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++) {
            /* 23 bits and a half are exact in a float, so that no rounding can reach 1. */
            out[i + j] = ((float)(r.v[j] >> 9) + 0.5f) * (1.0f / 8388608.0f);
        }
    }
}

void ayf_rng_normal(ayf_rng_key key, float *out, size_t count) {
    const double two_pi = 6.283185307179586;
    for (size_t i = 0; i < count; i += 4) {
        philox4x32_ctr_t r = block(key, (uint32_t)(i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j += 2) {
            double radius = sqrt(-2.0 * log(open_unit(r.v[j]))), angle = two_pi * open_unit(r.v[j + 1]);
            out[i + j] = (float)(radius * cos(angle));
            if (i + j + 1 < count) out[i + j + 1] = (float)(radius * sin(angle));
        }
    }
}

/* A 4-round Feistel network on the smallest even number of bits that holds count, cycle-walked into range. */
uint64_t ayf_rng_permute(ayf_rng_key key, uint64_t index, uint64_t count) {
    unsigned half = 1;
    while (half < 32 && ((uint64_t)1 << (2 * half)) < count) half++;
    uint32_t mask = half == 32 ? 0xffffffffu : ((uint32_t)1 << half) - 1;
    do {
        uint32_t left = (uint32_t)(index >> half) & mask, right = (uint32_t)index & mask;
        for (uint32_t round = 0; round < 4; round++) {
            ayf_rng_key k = key;
            k.sample = ((uint64_t)round << 32) | right;
            uint32_t mixed = left ^ (block(k, 0x80000000u).v[0] & mask);
            left = right;
            right = mixed;
        }
        index = ((uint64_t)left << half) | right;
    } while (index >= count);
    return index;
}
