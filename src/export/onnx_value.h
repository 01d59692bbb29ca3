/* Tensors of the graph as the ONNX model stores them. The graph's images are channels-last, the model's are
 * channels-first, and the graph's reshapes and permutations shall cost nothing there. So a value keeps two
 * things apart:
 *
 *   axes    in the graph's order; an axis of a node is one of them or the product of several consecutive ones
 *   order   how the model stores them: storage axis j is axes[order[j]]
 *
 * A permutation then only renames, a reshape only splits axes, and an image stays (N,C,H,W) from its first
 * convolution to its last. Moving data is left to those who need it: ayf_value_whole() and
 * ayf_value_like().
 *
 * The batch of the graph is a prime that divides no other size, so a size that it divides depends on the
 * batch. */
#ifndef AYF_EXPORT_ONNX_VALUE_H
#define AYF_EXPORT_ONNX_VALUE_H

#include "export/onnx_file.h"

typedef struct ayf_axis {
    int64_t size; /* per sample when `batch` */
    bool batch;   /* times the number of samples */
    bool flat;    /* stored with size 1: the values are the same along it */
} ayf_axis;

typedef struct ayf_onnx_value {
    char name[AYF_ONNX_NAME]; /* in the model; of a folded value once it is written */
    int count;                /* of axes; 0: a scalar constant */
    ayf_axis axes[AYF_ONNX_RANK];
    int order[AYF_ONNX_RANK];
    const float *folded; /* the values of a weight in the graph's order, without the batch; else NULL */
} ayf_onnx_value;

/* The graph's batch, and what the model's is: -1 = any. */
typedef struct ayf_onnx_batch {
    int graph;
    int64_t model;
} ayf_onnx_batch;

/* The axes of a node, one each, stored as they are. */
ayf_onnx_value ayf_value_of(const ayf_onnx_batch *batch, const ayf_node *n, const char *name);

/* The first and the number of the axes that make up axis `axis` of a node of these sizes. */
void ayf_value_group(const ayf_onnx_batch *batch, const ayf_onnx_value *v, const ayf_node *n, int axis,
                     int *first, int *count);

/* Split until every axis of `n` is made of whole axes, with one of size 1 where `n` has size 1. */
void ayf_value_split(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n);

/* One axis per axis of `n`, stored in `order` (NULL: in the order that costs least). A folded value is
 * written. Nothing is flat. */
void ayf_value_whole(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n,
                     const int *order);

/* Stored so that it combines with `lead` element by element, after both were split alike. */
void ayf_value_like(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, ayf_onnx_value *lead);

/* The number of elements stored per sample. */
int64_t ayf_value_stored(const ayf_onnx_value *v);

#endif
