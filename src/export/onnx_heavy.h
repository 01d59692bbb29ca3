/* Convolutions, matrix products and resampling as ONNX operators. */
#ifndef AYF_EXPORT_ONNX_HEAVY_H
#define AYF_EXPORT_ONNX_HEAVY_H

#include "export/onnx_value.h"

/* The value of node `id`, given those of its inputs (`b` of a node with one input does not matter). */
ayf_onnx_value ayf_onnx_heavy(ayf_onnx *f, const ayf_onnx_batch *batch, const ayf_graph *g, ayf_id id,
                              ayf_onnx_value a, ayf_onnx_value b);

#endif
