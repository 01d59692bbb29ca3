#include "flow/times.h"

#include <math.h>

#include "base/rng.h"

static double logistic_normal(double mean, double std, ayf_rng_key key) {
    float z;
    ayf_rng_normal(key, &z, 1);
    return 1 / (1 + exp(-(mean + std * (double)z)));
}

void ayf_time_pair(const ayf_time_sampler *sampler, uint64_t seed, uint64_t step, uint64_t sample, float *t,
                   float *s) {
    ayf_rng_key key = {seed, AYF_RNG_TIME, step, sample};
    double gap = logistic_normal(sampler->gap_mean, sampler->gap_std, key);
    float u[6]; /* the first block of the key made the gap: 0 to 3 are not used again */
    ayf_rng_uniform(key, u, 6);
    double kind = (double)u[4], start = (double)u[5] * (1 - gap);
    if (sampler->s_zero_only || kind < sampler->p_s0) start = 0;
    *t = (float)(start + gap);
    *s = (float)start;
    if (!sampler->s_zero_only && kind >= sampler->p_s0 && kind < sampler->p_s0 + sampler->p_st) *s = *t;
}

float ayf_teacher_time(double mean, double std, uint64_t seed, uint64_t step, uint64_t sample) {
    return (float)logistic_normal(mean, std, (ayf_rng_key){seed, AYF_RNG_TIME, step, sample});
}

float ayf_guidance_draw(double low, double high, uint64_t seed, uint64_t step, uint64_t sample) {
    float u;
    ayf_rng_uniform((ayf_rng_key){seed, AYF_RNG_GUIDANCE, step, sample}, &u, 1);
    return (float)(low + (high - low) * (double)u);
}
