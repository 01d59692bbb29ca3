/* Memory plan: from lifetimes of stored tensors to offsets in one arena. Everything is known before any
 * kernel runs. */
#ifndef AYF_PLAN_H
#define AYF_PLAN_H

#include "pass/steps.h"

/* The modes give bit-identical results. */
typedef enum ayf_plan_mode {
    AYF_PLAN_REUSE,  /* memory is reused as soon as its tensor is dead: the default */
    AYF_PLAN_NONE,   /* every tensor has memory of its own */
    AYF_PLAN_POISON, /* REUSE, and dead tensors are overwritten with NaN: finds wrong lifetimes */
} ayf_plan_mode;

enum { AYF_PLAN_ALIGN = 64 }; /* bytes */
#define AYF_NOWHERE SIZE_MAX

typedef struct ayf_plan {
    ayf_context *ctx;
    size_t *offset;     /* per node id, in bytes; AYF_NOWHERE when not in the arena */
    ayf_id *in_leaf;    /* per node id: the leaf whose memory holds the node (its update, in place), or 0 */
    uint32_t *last_use; /* per node id: the last step that reads it (persistent: UINT32_MAX) */
    size_t bytes;       /* size of the arena */
} ayf_plan;

/* `element_size`: bytes of one element, by ayf_element. `passing`: per node id, whether what a frozen step makes is
 * read by frozen steps alone, or kept in another form by the kernels that read it; NULL: nothing is. NULL: no
 * memory. */
ayf_plan *ayf_plan_make(const ayf_graph *g, const ayf_schedule *schedule,
                        const size_t element_size[AYF_ELEMENTS], const bool *passing, ayf_plan_mode mode);
void ayf_plan_free(ayf_plan *plan);

#endif
