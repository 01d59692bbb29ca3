/* Counter-based random numbers (Philox 4x32-10): every number is a pure function of
 * (seed, purpose, step, sample, index), so there is no generator state to save and the batch a sample is
 * drawn in does not matter. */
#ifndef AYF_RNG_H
#define AYF_RNG_H

#include <stddef.h>
#include <stdint.h>

/* The values are part of the file format of a run: append only. */
typedef enum ayf_purpose {
    AYF_RNG_INIT = 1,     /* initial weights; step = hash of the parameter name */
    AYF_RNG_ORDER = 2,    /* data order; step = epoch */
    AYF_RNG_NOISE = 3,    /* x_1 of a training sample */
    AYF_RNG_TIME = 4,     /* (t, s) of a training sample */
    AYF_RNG_GUIDANCE = 5, /* lambda of a training sample */
    AYF_RNG_AUGMENT = 6,  /* flips, label dropout */
    AYF_RNG_LATENT = 7,   /* x_1 of a generated image; sample = its seed */
    AYF_RNG_RENOISE = 8,  /* gamma-sampling noise; step = sampling step, sample = the image's seed */
    AYF_RNG_DATA = 9,     /* procedurally made data; sample = index in the data set */
    AYF_RNG_CLASS = 10,   /* class of a generated image when none is asked for */
    AYF_RNG_TEST = 11,    /* tests and golden checks */
    AYF_RNG_METRIC = 12,  /* subsets of two sets, step = 2 subset + set; directions, step = direction */
    AYF_RNG_FAKE = 13,    /* noise behind a fake of adversarial training */
    /* Mid-training: step 0 = x_1, 1 = lambda, 2 + epoch = order; sample = trajectory. */
    AYF_RNG_TRAJECTORY = 14,
    AYF_RNG_SUBSET = 15,    /* which samples of a set are used for what; step = the choice */
    AYF_RNG_POSTERIOR = 16, /* latents about their means; sample = training sample */
} ayf_purpose;

typedef struct ayf_rng_key {
    uint64_t seed;
    ayf_purpose purpose;
    uint64_t step;
    uint64_t sample;
} ayf_rng_key;

void ayf_rng_uniform(ayf_rng_key key, float *out, size_t count); /* in (0,1), both ends open */
void ayf_rng_normal(ayf_rng_key key, float *out, size_t count);  /* mean 0, variance 1 */
void ayf_rng_bits(ayf_rng_key key, uint32_t *out, size_t count);

/* Where `index` goes in a keyed pseudo-random permutation of [0, count); count >= 1. O(1) memory. The key's
 * sample does not matter. */
uint64_t ayf_rng_permute(ayf_rng_key key, uint64_t index, uint64_t count);

#endif
