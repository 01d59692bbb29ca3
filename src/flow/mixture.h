/* Teachers in closed form: the velocity of data that are a mixture of Gaussians. */
#ifndef AYF_MIXTURE_H
#define AYF_MIXTURE_H

#include "flow/teacher.h"

/* `count` Gaussians with equal weights, N(mean_k, sigma^2 I), in `dim` dimensions. */
enum { AYF_MIXTURE_MAX = 16 };
typedef struct ayf_mixture {
    int count, dim;
    double mean[AYF_MIXTURE_MAX][2]; /* coordinates beyond the second are 0 */
    double sigma;
} ayf_mixture;

ayf_mixture ayf_mixture_ring(void); /* the ring of data/points.h */

/* The distribution of a built-in data set ("builtin:ring", "builtin:gaussian"); false: no closed form. */
bool ayf_mixture_of_data(const char *source, ayf_mixture *out);

/* `mixture` must outlive it. condition.onehot (N,count) names the component: the velocity is then that of
 * data from this component alone (a row of zeros: of all). Guidance is ignored. */
ayf_velocity ayf_velocity_mixture(const ayf_mixture *mixture);

#endif
