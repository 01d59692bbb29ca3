/* The Frechet distance of two sets, which the library takes of moments that it collects. */
#ifndef AYF_TEST_FRECHET_H
#define AYF_TEST_FRECHET_H

#include "metrics/metrics.h"

static inline ayf_status frechet_of_sets(ayf_context *c, const float *a, size_t na, const float *b, size_t nb,
                                         size_t dim, double *out) {
    ayf_moments *of_a = NULL, *of_b = NULL;
    ayf_status status = ayf_moments_new(c, dim, &of_a);
    if (status == AYF_OK) status = ayf_moments_new(c, dim, &of_b);
    if (status == AYF_OK) status = ayf_moments_add(of_a, a, na);
    if (status == AYF_OK) status = ayf_moments_add(of_b, b, nb);
    if (status == AYF_OK) status = ayf_frechet_of_moments(of_a, of_b, out);
    ayf_moments_free(of_a);
    ayf_moments_free(of_b);
    return status;
}

#endif
