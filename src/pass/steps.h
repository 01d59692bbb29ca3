/* A schedule: the graph as a list of steps in execution order, which is what backends prepare and run.
 *
 * A step is either one NODE (conv, gemm, resampling, copying; for an unfused backend any op) or one GROUP: a
 * fused set of pointwise ops and reductions over a common domain, described in backend-neutral form. A step
 * of ALLREDUCE may hold several nodes of that op, which share one exchange: out[i] is the sum of in[i].
 */
#ifndef AYF_STEPS_H
#define AYF_STEPS_H

#include "ir/ir.h"
#include "pass/element.h"

/* A strided window on a stored tensor, over the axes of a group's domain; stride 0 repeats. In elements. */
typedef struct ayf_view {
    ayf_id base;
    int64_t offset;
    int64_t stride[AYF_MAX_RANK];
} ayf_view;

/* One value of a group. FULL values have the shape of the domain; ROW values have size 1 from axis `split`
 * on, that is one number per row. A ROW input of a FULL op is repeated along the row. */
typedef struct ayf_value {
    uint16_t op; /* INPUT: load view[in[0]]; CONST; a POINTWISE op; SUM, ROWMAX: reduce the row in[0] */
    bool row;    /* level of the result */
    uint16_t in[AYF_MAX_INPUTS]; /* earlier values */
    double constant;
    ayf_id node; /* the node computed here, 0 for loads and constants */
    int store;   /* index in step.out, -1: stays inside */
} ayf_value;

/* A sum over any other set of axes; leaves the group only. `view.stride` is 0 along summed axes. */
typedef struct ayf_terminal {
    uint16_t value;
    int store;
    int64_t stride[AYF_MAX_RANK];
} ayf_terminal;

enum { AYF_GROUP_MAX_VALUES = 256 };

typedef struct ayf_group {
    int rank;
    int dim[AYF_MAX_RANK];
    int split; /* rank when there are no ROW values */
    ayf_value *value;
    uint32_t value_count;
    ayf_view *view; /* view[i].base == step.in[i] */
    uint32_t view_count;
    ayf_terminal *terminal;
    uint32_t terminal_count;
} ayf_group;

typedef struct ayf_step {
    ayf_id node;      /* NODE steps, of several the first; 0 for groups */
    ayf_group *group; /* GROUP steps */
    ayf_id *in;       /* stored tensors read; for groups one per view, repeats allowed */
    uint32_t in_count;
    ayf_id *out; /* stored tensors written; dense */
    uint32_t out_count;
    uint8_t *element; /* ayf_element of every input, then of every output */
    bool frozen;      /* depends on PARAM leaves and constants only: runs once */
    bool fixed;       /* NODE steps that are not frozen: the second input is */
    bool last;        /* depends on a LAST leaf: runs in the last part of a batch only */
    bool again;       /* repeats step `origin` before it, whose arrays it shares (pass/recompute.h) */
    uint32_t origin;
} ayf_step;

static inline ayf_element ayf_out_element(const ayf_step *step, uint32_t out) {
    return (ayf_element)step->element[step->in_count + out];
}

typedef struct ayf_schedule {
    ayf_context *ctx;
    ayf_step *step;
    uint32_t count;
    size_t capacity;
} ayf_schedule;

/* The tensor whose memory holds `id`: reshapes are aliases. */
ayf_id ayf_stored_as(const ayf_graph *g, ayf_id id);

/* Nodes that outputs and updates need. `live` has g->count entries. */
void ayf_mark_live(const ayf_graph *g, bool *live);

/* Nodes that depend on PARAM leaves and constants only. `frozen` has g->count entries. */
void ayf_mark_frozen(const ayf_graph *g, bool *frozen);

/* Nodes that depend on a LAST leaf. `last` has g->count entries. */
void ayf_mark_last(const ayf_graph *g, bool *last);

/* One step per live node, in order: for the reference backend. NULL on failure. */
ayf_schedule *ayf_schedule_nodes(const ayf_graph *g);

/* Groups and heavy nodes. NULL on failure. */
ayf_schedule *ayf_schedule_fused(const ayf_graph *g);

void ayf_schedule_free(ayf_schedule *schedule);

/* Appends a step with room for its inputs and outputs; NULL: no memory. */
ayf_step *ayf_schedule_add(ayf_schedule *schedule, uint32_t in_count, uint32_t out_count);

#endif
