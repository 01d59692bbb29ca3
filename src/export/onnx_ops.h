/* One node of the graph as nodes of the ONNX model. */
#ifndef AYF_EXPORT_ONNX_OPS_H
#define AYF_EXPORT_ONNX_OPS_H

#include "export/onnx_value.h"

typedef struct ayf_onnx_walk {
    const ayf_graph *g;
    const ayf_folded *folded;
    ayf_onnx *file;
    ayf_onnx_batch batch;
    ayf_onnx_value *value; /* by node */
    bool *skip;            /* by node: is part of the ONNX operator of its only user */
} ayf_onnx_walk;

/* Marks the nodes that one operator takes together. */
void ayf_onnx_find_pairs(ayf_onnx_walk *w);

/* Sets w->value[id]; the inputs of the node have theirs. What cannot be written fails the file. */
void ayf_onnx_emit(ayf_onnx_walk *w, ayf_id id);

/* The value of a node, a weight or a constant. */
ayf_onnx_value ayf_onnx_value_at(const ayf_onnx_walk *w, ayf_id id);

#endif
