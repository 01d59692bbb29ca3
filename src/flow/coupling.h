/* Which noise goes with which sample of the data, in teacher training. */
#ifndef AYF_COUPLING_H
#define AYF_COUPLING_H

#include "base/base.h"

/* Orders the noise of `groups` groups of `size` samples so that, within a group and a class, the sum of the squared
 * distances |data - noise|^2 is the smallest (arXiv 2406.12303, 2302.00482). Each class keeps noise that is N(0,1):
 * nothing but who meets whom changes. Sample k of group j is at place j + k groups of data and noise
 * [groups * size][values], and of labels (NULL: all alike). */
ayf_status ayf_couple(ayf_context *ctx, int groups, int size, size_t values, const float *data,
                      const int *labels, float *noise);

#endif
