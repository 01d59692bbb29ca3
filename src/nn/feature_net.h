/* The classifier behind "our features"; kind AYF_MODEL_FEATURES. */
#ifndef AYF_FEATURE_NET_H
#define AYF_FEATURE_NET_H

#include "nn/params.h"

/* Whether the fields of a spec fit together; AYF_E_CONFIG names the key to change. */
ayf_status ayf_features_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Fills the table of p->spec. False without memory. */
bool ayf_features_params(ayf_params *p);

/* Per value of feature_channels two 3x3 convolutions with leaky ReLU, the resolution halved between them;
 * the mean over the pixels; a hidden layer of feature_dim units, the features; a linear layer. x (N,H,W,C),
 * pixels in [-1,1] -> logits (N,label_dim), *features (N,feature_dim). */
ayf_id ayf_feature_network(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                           ayf_id *features);

#endif
