/* What the networks share: access to the table while a graph is written, checks of inputs, and layers. */
#ifndef AYF_NN_LAYERS_H
#define AYF_NN_LAYERS_H

#include "ir/build.h"
#include "nn/condition.h"
#include "nn/params.h"

/* A network whose graph is being written. */
typedef struct ayf_net {
    ayf_graph *g;
    const ayf_params *params;
    const ayf_model_spec *spec; /* of `params` */
    ayf_storage storage;        /* of the leaves: PARAM or STATE */
    ayf_condition condition;    /* flow networks */
    ayf_id gap;                 /* (N), t - s; students only */
} ayf_net;

/* Begins a network. A table of another kind than `kind` fails the graph. False: the graph has failed, now or
 * before. */
bool ayf_net_open(ayf_net *net, ayf_graph *g, const ayf_params *params, ayf_storage storage,
                  ayf_model_kind kind);

/* What goes in, for a batch x of N samples. False: it does not fit the spec, and the graph has failed. */
bool ayf_net_take(ayf_net *net, ayf_id x, ayf_condition condition); /* keeps the condition, makes the gap */
bool ayf_net_takes_classes(const ayf_net *net, ayf_id x,
                           ayf_id onehot);               /* (N,label_dim), 0 without classes */
bool ayf_net_takes_images(const ayf_net *net, ayf_id x); /* (N,H,W,C) */

/* The leaf `prefix`.`suffix` of the parameter table; an unknown name fails the graph. */
ayf_id ayf_net_leaf(const ayf_net *net, const char *prefix, const char *suffix);
bool ayf_net_has(const ayf_net *net, const char *prefix, const char *suffix);

/* What the features of a time t (N) see (model.time_label): t itself, or c = ln(sigma)/4 with sigma = sd t/(1-t), sd =
 * time_sigma, where t is kept where sigma is from 0.002 to 80, so that c is finite at both ends and constant beyond
 * EDM2's schedule. A student sees ln(sd (t+d)/(1-t+d))/4, d = time_soft > 0, with a slope of at most
 * (1/d + 1/(1+d))/4. */
ayf_id ayf_net_time(const ayf_net *net, ayf_id t);

/* cos(t freqs + phases), (N) -> (N,count), with the buffers `prefix`.freqs and .phases. Times sqrt(2) it has
 * unit variance: the layer behind it carries that factor. */
ayf_id ayf_net_fourier(const ayf_net *net, const char *prefix, ayf_id t);

/* gain x / (||x|| + 1e-4 sqrt(n)) along the last axis of size n. gain = sqrt(n) is EDM2's normalisation to
 * unit RMS, gain = 1 a weight row scaled by 1/sqrt(fan-in). */
ayf_id ayf_normalized(ayf_graph *g, ayf_id x, double gain);

/* x w^T for x (N,in) and w (out,in). */
ayf_id ayf_linear(ayf_graph *g, ayf_id x, ayf_id w);
/* (N,H,W,C) -> (N H W, C) */
ayf_id ayf_pixels(ayf_graph *g, ayf_id x);
/* A 1x1 convolution: (N,H,W,in) with w (out,in) -> (N,H,W,out). */
ayf_id ayf_conv1(ayf_graph *g, ayf_id x, ayf_id w);
/* A convolution's weight from the table, (out, height width in), as ayf_conv() takes it:
 * (out,height,width,in). */
ayf_id ayf_kernel(ayf_graph *g, ayf_id w, int height, int width);

#endif
