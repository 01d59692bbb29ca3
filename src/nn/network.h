/* The kinds of networks: the rules of a spec, the parameter table of a spec, the graph of a flow network.
 *
 *     ayf_params *params;
 *     AYF_TRY(ayf_params_new(ctx, &spec, &params));
 *     ayf_scope(g, "student.");
 *     ayf_condition c = {.t = t, .s = s, .guidance = guidance, .onehot = onehot};
 *     ayf_id u = ayf_network(g, params, AYF_STORE_STATE, x, c);
 *
 * The leaves of a network are those of its table with the graph's scope in front; `storage` is their
 * storage (PARAM: frozen, STATE: trained). Calling twice with the same arguments gives the same node. The
 * other networks have headers of their own: nn/sg2.h, nn/feature_net.h, nn/inception.h, nn/vae.h.
 */
#ifndef AYF_NETWORK_H
#define AYF_NETWORK_H

#include "nn/condition.h"
#include "nn/params.h"

/* AYF_OK when a network can be built from `spec`; otherwise AYF_E_CONFIG names the key to change. */
ayf_status ayf_network_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Checks `spec` and makes the table of its network; free it with ayf_params_free(). On failure *out is
 * NULL. */
ayf_status ayf_params_new(ayf_context *ctx, const ayf_model_spec *spec, ayf_params **out);

/* The flow network of a table (nn/edm2.h, nn/mlp.h) for a batch x of N samples. The condition holds exactly
 * what the network takes: t; s and guidance if spec.is_student; onehot if spec.label_dim is not 0. Returns
 * U with the shape of x; 0: the graph has failed. */
ayf_id ayf_network(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                   ayf_condition condition);

#endif
