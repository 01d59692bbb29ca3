/* Fully connected network with SiLU for points; kind AYF_MODEL_MLP. */
#ifndef AYF_NN_MLP_H
#define AYF_NN_MLP_H

#include "nn/condition.h"
#include "nn/params.h"

/* Fills the table of p->spec. False without memory. */
bool ayf_mlp_params(ayf_params *p);

/* x (N,...) with mlp_dim values per sample; the result has the shape of x. With Fourier features f, f1, f2:
 *   h = silu(Wx x + Wt f(t) [+ Wg f1(t-s) + Wl f2(guidance)] [+ Wc onehot] + b),
 * then mlp_layers - 1 hidden layers and a linear one. */
ayf_id ayf_mlp(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
               ayf_condition condition);

#endif
