/* What a step draws for each sample on the host: times and guidance. Every draw is a pure function of its
 * arguments. */
#ifndef AYF_TIMES_H
#define AYF_TIMES_H

#include "base/base.h"

typedef struct ayf_time_sampler {
    double gap_mean, gap_std; /* gap = sigmoid(N(mean, std^2)), s ~ U[0, 1 - gap], t = s + gap */
    bool sorted; /* instead: t and s are the larger and the smaller of sigmoid(N(mean[i], std^2)), i = 0, 1 */
    double sorted_mean[2], sorted_std;
    double p_s0;      /* share of samples with s = 0 (t as it is; pairs by their gap: t = gap) */
    double p_st;      /* share with s = t */
    bool s_zero_only; /* every s = 0: consistency model */
} ayf_time_sampler;

/* (t, s) of sample `sample` of step `step` of distillation. */
void ayf_time_pair(const ayf_time_sampler *sampler, uint64_t seed, uint64_t step, uint64_t sample, float *t,
                   float *s);
/* t of teacher training: sigmoid(N(mean, std^2)). */
float ayf_teacher_time(double mean, double std, uint64_t seed, uint64_t step, uint64_t sample);
/* Strength of guidance, uniform in [low, high]. */
float ayf_guidance_draw(double low, double high, uint64_t seed, uint64_t step, uint64_t sample);

#endif
