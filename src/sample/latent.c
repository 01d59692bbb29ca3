#include "sample/sampler.h"

#include "base/rng.h"

void ayf_latent(uint64_t seed, float *out, size_t count) {
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_LATENT, .sample = seed}, out, count);
}

int ayf_latent_class(uint64_t seed, int classes, const ayf_classes *known, bool by_share) {
    if (classes <= 0) return -1;
    uint32_t bits;
    ayf_rng_bits((ayf_rng_key){.purpose = AYF_RNG_CLASS, .sample = seed}, &bits, 1);
    return ayf_classes_draw(known, classes, by_share, bits);
}
