/* Power-function averages of any width out of a few that were kept: the averages are known by their profiles, the
 * shares that the weights of each step have in them (arXiv 2312.02696, section 3.2 and appendix C).
 *
 * Profile of an average of exponent gamma at step T, over the time t of training:
 *     p(t) = (gamma + 1) t^gamma / T^(gamma + 1) for 0 <= t <= T, else 0
 * The profile of ayf_ema_power() is this one, cut at whole steps. */
#ifndef AYF_NN_PROFILES_H
#define AYF_NN_PROFILES_H

#include "base/base.h"

typedef struct ayf_profile {
    double step; /* T, above 0 */
    double gamma;
} ayf_profile;

/* Least squares: factors of `kept` [count] whose sum is the nearest to `wanted`. *error receives what remains, as a
 * share of the norm of `wanted`. Profiles that say nothing new beside the others to double precision get 0. */
ayf_status ayf_profile_fit(ayf_context *ctx, const ayf_profile *kept, size_t count, ayf_profile wanted,
                           double *factors, double *error);

#endif
