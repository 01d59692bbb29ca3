/* What the networks share. A net remembers which parameters it writes a graph for. */
#ifndef AYF_NN_LAYERS_H
#define AYF_NN_LAYERS_H

#include "ir/build.h"
#include "nn/condition.h"
#include "nn/params.h"

typedef struct ayf_net {
    ayf_graph *g;
    const ayf_model_spec *spec;
    ayf_storage storage;
    ayf_params *params;
    ayf_condition condition;
    ayf_id gap; /* t - s; students only */
} ayf_net;

/* Makes the parameter table; no conditioning. False: the graph has failed, and nothing needs ending. */
bool ayf_net_open(ayf_net *net, ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage);
/* For flow networks: also checks that the condition fits the spec and the batch of x. */
bool ayf_net_begin(ayf_net *net, ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                   ayf_condition condition);
void ayf_net_end(ayf_net *net);

/* The leaf `prefix`.`suffix` of the parameter table; an unknown name fails the graph. */
ayf_id ayf_net_leaf(ayf_net *net, const char *prefix, const char *suffix);
bool ayf_net_has(const ayf_net *net, const char *prefix, const char *suffix);

/* gain x / (||x|| + 1e-4 sqrt(n)) along the last axis of size n. gain = sqrt(n) is EDM2's normalisation to
 * unit RMS, gain = 1 a weight row scaled by 1/sqrt(fan-in). */
ayf_id ayf_normalized(ayf_graph *g, ayf_id x, double gain);

/* cos(t freqs + phases), (N) -> (N,count), with the buffers `prefix`.freqs and .phases. Times sqrt(2) it has
 * unit variance: the layer behind it carries that factor. */
ayf_id ayf_net_fourier(ayf_net *net, const char *prefix, ayf_id t);

#endif
