/* What a step graph is fed with. A graph declares its inputs by ayf_step_leaf(); whoever runs the program puts the
 * values of all inputs that it has into one struct:
 *
 *     ayf_id x0 = ayf_step_leaf(g, AYF_STEP_X0, AYF_SHAPE(n, 32, 32, 3));
 *     ...
 *     AYF_TRY(ayf_step_feed(program, &(ayf_step_inputs){.x0 = images, .x1 = noise, .t = times}));
 */
#ifndef AYF_STEP_INPUTS_H
#define AYF_STEP_INPUTS_H

#include "exec/program.h"

typedef enum ayf_step_input {
#define X(NAME, leaf) AYF_STEP_##NAME,
#include "flow/inputs.def"
#undef X
    AYF_STEP_INPUTS
} ayf_step_input;

/* One array per input, of as many elements as its leaf; NULL where the program has no such leaf. */
typedef struct ayf_step_inputs {
#define X(NAME, leaf) const float *leaf;
#include "flow/inputs.def"
#undef X
} ayf_step_inputs;

const char *ayf_step_input_name(ayf_step_input input); /* of the leaf */

/* The INPUT leaf; the graph's scope must be empty. */
ayf_id ayf_step_leaf(ayf_graph *g, ayf_step_input input, ayf_shape shape);

/* Sets every INPUT leaf that the program has but those of optimisers (ayf_optim_is_input() in nn/optim.h), which belong
 * to whoever owns the optimiser. AYF_E_INTERNAL names a leaf whose array is NULL or that is not in the table. Values for
 * leaves that the program does not have are ignored. */
ayf_status ayf_step_feed(ayf_program *program, const ayf_step_inputs *inputs);

#endif
