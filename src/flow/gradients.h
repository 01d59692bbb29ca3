/* Gradients with respect to everything trained in a network. */
#ifndef AYF_GRADIENTS_H
#define AYF_GRADIENTS_H

#include "nn/params.h"

/* grad[i] (params->count entries) = d out / d params->at[i] pulled back from `cotangent`, for the STATE
 * leaves under `scope`; 0 for buffers. Leaves the graph's scope empty. A failure is sticky in the graph. */
void ayf_gradients(ayf_graph *g, const ayf_params *params, const char *scope, ayf_id out, ayf_id cotangent,
                   ayf_id *grad);

#endif
