/* What the formats of ayf_model_export() share: the checked options, the graph that is written, and the values
 * of its weights.
 *
 *   plan.c      what is asked for, checked against the model; the graph of one call or of a whole sampler
 *   folded.c    what depends on weights alone, computed once by the library
 *   narrow.c    weights in 16 bits
 */
#ifndef AYF_EXPORT_ROOM_H
#define AYF_EXPORT_ROOM_H

#include "ir/ir.h"
#include "io/safetensors.h"
#include "sample/model_api.h"

typedef struct ayf_export_plan {
    ayf_model *model;
    ayf_export_options options;
    ayf_data_shape shape;
    bool student;
    bool takes_guidance; /* the strength is an input of the graph */
    double guidance;     /* it is this otherwise */
    const char *path;    /* of the file */
} ayf_export_plan;

/* Checks `options` against the model. AYF_E_USAGE as ayf_model_export() says. */
ayf_status ayf_export_plan_make(ayf_model *model, const ayf_export_options *options, const char *path,
                                ayf_export_plan *plan);

#define AYF_EXPORT_OUTPUT "out" /* of every graph */

/* The graph of one call for `batch` samples in units of the network. Inputs (flow/inputs.def): x, t, s if
 * student, guidance if takes_guidance, onehot if the model has classes. Output: a student's x at s, a teacher's
 * velocity. NULL without memory; other failures stick to the graph. */
ayf_graph *ayf_export_call(const ayf_export_plan *plan, int batch);

/* The graph of a whole sampler: inputs x (the noise) and onehot. Output: samples as ayf_model_sample() gives
 * them. */
ayf_graph *ayf_export_sampler(const ayf_export_plan *plan, int batch);

/* The time before step i of the plan, 1 for i = 0. */
double ayf_export_time(const ayf_export_plan *plan, int i);

/* ---- Weights ---- */

/* The value of every node that depends on weights and constants only and is used by one that does not. */
typedef struct ayf_folded {
    ayf_context *ctx;
    float **at;      /* by node; NULL: not such a node */
    bool *frozen;    /* by node: depends on weights and constants only */
    bool *live;      /* by node: the output needs it */
    uint32_t *users; /* by node: the live nodes that it is an input of */
    uint32_t count;  /* of nodes */
} ayf_folded;

/* Computes them with the context's backend. `graph` and `again` are two graphs of the same calls, node by node
 * equal; `again` belongs to the function. A constant is not folded (ayf_is_const()), and a BROADCAST only
 * where its source is. */
ayf_status ayf_folded_make(const ayf_export_plan *plan, const ayf_graph *graph, ayf_graph *again,
                           ayf_folded *folded);
void ayf_folded_free(ayf_folded *folded);

/* The name of a weight that node `id` comes from, without the scope; "" when it comes from none. */
const char *ayf_folded_name(const ayf_graph *g, ayf_id id);

/* ---- 16 bits ---- */

ayf_st_dtype ayf_export_st_dtype(ayf_export_dtype dtype);

/* Rounds `count` values to F16 or BF16, to nearest, ties to even. AYF_E_CONFIG names `name` when a value would
 * become infinite. */
ayf_status ayf_narrow(ayf_context *ctx, ayf_export_dtype dtype, const char *name, const float *values,
                      size_t count, uint16_t *out) AYF_MUST_CHECK;

/* ---- Formats ---- */

ayf_status ayf_export_onnx(const ayf_export_plan *plan);
ayf_status ayf_export_safetensors(const ayf_export_plan *plan);
ayf_status ayf_export_c(const ayf_export_plan *plan);

#endif
