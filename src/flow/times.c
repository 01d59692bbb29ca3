#include "flow/times.h"

#include <math.h>

#include "base/rng.h"

static double logistic(double x) { return 1 / (1 + exp(-x)); }

static void draw_pair(const ayf_time_sampler *sampler, ayf_rng_key key, double start, double *t, double *s) {
    float z[2];
    ayf_rng_normal(key, z, 2);
    if (sampler->sorted) {
        double a = logistic(sampler->sorted_mean[0] + sampler->sorted_std * (double)z[0]),
               b = logistic(sampler->sorted_mean[1] + sampler->sorted_std * (double)z[1]);
        *t = fmax(a, b);
        *s = fmin(a, b);
    } else {
        double gap = logistic(sampler->gap_mean + sampler->gap_std * (double)z[0]);
        *s = start * (1 - gap);
        *t = *s + gap;
    }
}

void ayf_time_pair(const ayf_time_sampler *sampler, uint64_t seed, uint64_t step, uint64_t sample, float *t,
                   float *s) {
    ayf_rng_key key = {seed, AYF_RNG_TIME, step, sample};
    float u[6]; /* the first block of the key makes the times: 0 to 3 are not used again */
    double late, early;
    ayf_rng_uniform(key, u, 6);
    double kind = (double)u[4];
    bool at_zero = sampler->s_zero_only || kind < sampler->p_s0;
    draw_pair(sampler, key, at_zero ? 0 : (double)u[5], &late, &early);
    *t = (float)late;
    *s = at_zero ? 0 : (float)early;
    if (!sampler->s_zero_only && kind >= sampler->p_s0 && kind < sampler->p_s0 + sampler->p_st) *s = *t;
}

float ayf_teacher_time(double mean, double std, uint64_t seed, uint64_t step, uint64_t sample) {
    float z;
    ayf_rng_normal((ayf_rng_key){seed, AYF_RNG_TIME, step, sample}, &z, 1);
    return (float)logistic(mean + std * (double)z);
}

float ayf_guidance_draw(double low, double high, uint64_t seed, uint64_t step, uint64_t sample) {
    float u;
    ayf_rng_uniform((ayf_rng_key){seed, AYF_RNG_GUIDANCE, step, sample}, &u, 1);
    return (float)(low + (high - low) * (double)u);
}
