/* The network as a velocity field or flow map (Align Your Flow, arXiv 2506.14603).
 *
 *   F(x,t,s) = a(t) x - U(x/q(t), t, t-s, lambda, class) / q(t),   q(t) = sqrt(t^2 + (1-t)^2)
 *   precond none: a = 0;  precond velocity: a = (2t-1)/q(t)^2
 *
 * With a mean m of the data (data_mean) the network sees x' = x - (1-t) m, which is what x is for data of mean 0, and
 * F(x,t,s) = F'(x',t,s) - m. So F is of the data as they are, and networks with other means go together.
 *
 * for data of unit standard deviation, t = 0 data, t = 1 noise. The flow map is x + (s-t) F. A teacher has s
 * = t: F is dx/dt of the probability-flow ODE. */
#ifndef AYF_MAP_H
#define AYF_MAP_H

#include "nn/condition.h"
#include "nn/params.h"

/* x (N,...); t, and onehot if the network has classes. A student needs s and guidance, a teacher ignores
 * both. The gap t-s is part of the graph: derivatives in t and s include it. Returns F with the shape of x.
 */
ayf_id ayf_flow_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                         ayf_condition condition);

/* (N) -> (N,1,...,1) with the rank of x, for products with x. */
ayf_id ayf_per_sample(ayf_graph *g, ayf_id values, ayf_id x);

#endif
