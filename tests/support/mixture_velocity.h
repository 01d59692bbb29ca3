/* The velocity of a mixture of Gaussians at one point, in double: the posterior mean of x1 - x0 over the
 * components. */
#ifndef TEST_MIXTURE_VELOCITY_H
#define TEST_MIXTURE_VELOCITY_H

#include <math.h>

#include "flow/mixture.h"

static inline void mixture_velocity(const ayf_mixture *m, const double *x, double t, double *v) {
    double a = 1 - t, variance = m->sigma * m->sigma, q2 = a * a * variance + t * t;
    double weight[AYF_MIXTURE_MAX], top = -INFINITY, total = 0;
    for (int k = 0; k < m->count; k++) {
        double distance = 0;
        for (int axis = 0; axis < 2; axis++) distance += pow(x[axis] - a * m->mean[k][axis], 2);
        weight[k] = -distance / (2 * q2);
        top = fmax(top, weight[k]);
    }
    for (int k = 0; k < m->count; k++) total += weight[k] = exp(weight[k] - top);
    for (int axis = 0; axis < 2; axis++) {
        double mean = 0;
        for (int k = 0; k < m->count; k++) mean += weight[k] / total * m->mean[k][axis];
        v[axis] = (t - a * variance) / q2 * (x[axis] - a * mean) - mean;
    }
}

#endif
