/* bfloat16: the upper half of a float, with 8 significant bits. */
#ifndef AYF_BASE_BF16_H
#define AYF_BASE_BF16_H

#include <stdint.h>
#include <string.h>

typedef uint16_t ayf_bf16;

static inline float ayf_bf16_to_float(ayf_bf16 value) {
    uint32_t bits = (uint32_t)value << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

/* Rounds to the nearest, ties to even, as the processors' own instruction does: what is too large becomes
 * infinite, NaN stays NaN, numbers below the normal ones become zero with their sign. */
static inline ayf_bf16 ayf_bf16_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16, nan = (bits >> 16) | 0x40u;
    uint32_t size = bits & 0x7FFFFFFFu, zero = (bits >> 16) & 0x8000u;
    return (ayf_bf16)(size > 0x7F800000u ? nan : size < 0x00800000u ? zero : rounded);
}

static inline float ayf_bf16_round(float value) { return ayf_bf16_to_float(ayf_bf16_from_float(value)); }

#endif
