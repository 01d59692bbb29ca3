/* Tensors that are computed again where they are read late, instead of being kept until then.
 *
 * The pass works on a schedule, after fusion and after precisions are decided: a step that is repeated is the
 * same kernel on the same inputs, so results are the same to the bit. A program has more steps then and a
 * smaller arena. */
#ifndef AYF_RECOMPUTE_H
#define AYF_RECOMPUTE_H

#include "base/choices.h"
#include "pass/steps.h"

typedef struct ayf_recompute_options {
    ayf_recompute what;
    uint32_t window;    /* steps for which a tensor is kept after it was made or read */
    size_t least_bytes; /* what a step must free to be repeated */
} ayf_recompute_options;
/* What suits networks of the size that needs it. */
ayf_recompute_options ayf_recompute_default(ayf_recompute what);

/* Puts repetitions into the schedule (ayf_step.again). AYF_RECOMPUTE_NONE leaves it as it is. A step is repeated
 * when that frees more memory than keeping its inputs takes. `element_size` as for ayf_plan_make(). */
ayf_status ayf_schedule_recompute(const ayf_graph *g, ayf_schedule *schedule,
                                  const size_t element_size[AYF_ELEMENTS],
                                  const ayf_recompute_options *options);

#endif
