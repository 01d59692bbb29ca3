/* The parameter table: which tensors a network has, their names and shapes in files and in the graph, and
 * their start values.
 *
 *     ayf_params *p;
 *     AYF_TRY(ayf_params_new(ctx, &spec, &p));           // nn/network.h
 *     for (int i = 0; i < p->count; i++) {
 *         const ayf_param *w = &p->at[i];
 *         ayf_param_init(w, seed, values);               // in the graph's layout, w->size floats
 *         ayf_param_export(w, values, in_file_layout);   // w->file_rank, w->file_shape, w->name
 *     }
 *     ayf_params_free(p);
 *
 * Files keep the names and shapes of EDM2's and stylegan2-ada-pytorch's state_dict (OIHW). In the graph
 * every weight is a matrix with one row per output channel, so that a row's norm is a reduction of the last
 * axis; the columns of a convolution are ordered (KH,KW,I), and a reshape to (O,KH,KW,I) is what ayf_conv()
 * takes.
 */
#ifndef AYF_NN_PARAMS_H
#define AYF_NN_PARAMS_H

#include "ir/ir.h"
#include "nn/spec.h"

typedef enum ayf_param_role {
    AYF_PARAM_WEIGHT, /* used through its direction only: each row has unit RMS after every optimiser step */
    AYF_PARAM_PLAIN,  /* trained as it is */
    AYF_PARAM_GAIN,   /* a trained scalar */
    AYF_PARAM_BUFFER, /* never trained: Fourier frequencies and phases, low-pass filters */
} ayf_param_role;

typedef enum ayf_layout {
    AYF_LAYOUT_SAME, /* file and graph have the same order of elements */
    AYF_LAYOUT_CONV, /* file (O,I,KH,KW), graph (O, KH KW I) */
    AYF_LAYOUT_FLAT, /* a matrix behind a flattened image: file (O, I HW), graph (O, HW I) */
    AYF_LAYOUT_QKV,  /* file rows (head, c, {q,k,v}), graph rows ({q,k,v}, head, c) */
} ayf_layout;

typedef enum ayf_init {
    AYF_INIT_ZERO,
    AYF_INIT_NORMAL,
    AYF_INIT_PHASE,
    AYF_INIT_FIR /* [1,3,3,1] x [1,3,3,1] / 64 */
} ayf_init;

typedef struct ayf_param {
    char name[88]; /* in files and, behind the graph's scope, of the leaf: "unet.out_conv.weight" */
    ayf_param_role role;
    ayf_layout layout;
    ayf_init init;
    double scale; /* NORMAL: standard deviation */
    int heads;    /* QKV */
    int window;   /* CONV, FLAT: KH KW or HW */
    int file_rank;
    int64_t file_shape[4];
    ayf_shape shape; /* of the leaf */
    size_t size;     /* elements */
} ayf_param;

typedef struct ayf_params {
    ayf_context *ctx;
    ayf_model_spec spec; /* of the network */
    ayf_param *at;
    int count;
    size_t capacity;
    int output_layer; /* flow networks: the index of the last layer's weight */
} ayf_params;

void ayf_params_free(ayf_params *params); /* NULL is fine */

const ayf_param *ayf_params_find(const ayf_params *params, const char *name); /* NULL: there is none */
/* Whether a tensor of a file has the parameter's shape. A scalar has rank 0, or is [1] as in files of earlier
 * versions. */
bool ayf_param_fits(const ayf_param *param, int rank, const int64_t *shape);
size_t ayf_params_trained(const ayf_params *params); /* number of trained values */

size_t ayf_params_largest(const ayf_params *params); /* number of values; at least 1 */

/* The leaf of a parameter under the graph's present scope. `storage` is PARAM or STATE; buffers are always
 * PARAM, so that what depends on them alone is computed once. */
ayf_id ayf_param_leaf(ayf_graph *g, const ayf_param *param, ayf_storage storage);

/* Start values in the graph's layout, a pure function of (seed, name): weights N(0,1) with rows scaled to
 * unit RMS; plain ones scale * N(0,1) or 0; gains 0; freqs 2 pi bandwidth N(0,1); phases 2 pi U(0,1). */
void ayf_param_init(const ayf_param *param, uint64_t seed, float *out);

/* Between file layout and graph layout; `param->size` floats each, not overlapping. */
void ayf_param_import(const ayf_param *param, const float *file, float *graph);
void ayf_param_export(const ayf_param *param, const float *graph, float *file);

/* ---- For networks: filling a table ---- */

/* Each appends one parameter and returns it, valid until the next is added; NULL without memory. */

/* The leaf has the file's shape, a scalar (rank 0) the shape (1); start values 0. */
ayf_param *ayf_params_add(ayf_params *p, ayf_param_role role, const char *name, int rank,
                          const int *file_shape);

/* A matrix (out,in), or a vector (out) when `in` is 0; starts as scale * N(0,1), or 0 when `scale` is 0. */
ayf_param *ayf_params_add_matrix(ayf_params *p, ayf_param_role role, const char *name, int out, int in,
                                 double scale);

/* File (out,in,kernel,kernel), leaf (out, kernel kernel in); starts as scale * N(0,1). */
ayf_param *ayf_params_add_conv(ayf_params *p, ayf_param_role role, const char *name, int out, int in,
                               int kernel, double scale);

/* The buffers of ayf_net_fourier() (nn/layers.h), `prefix`.freqs and .phases; bandwidth: the spread of the
 * frequencies in cycles. False without memory. */
bool ayf_params_add_fourier(ayf_params *p, const char *prefix, int count, double bandwidth);

#endif
