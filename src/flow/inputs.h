/* The inputs of step graphs, and the scopes of the networks in them. A graph declares them with
 * ayf_step_leaf(). Whoever runs the program feeds it from one struct:
 *
 *     ayf_id x0 = ayf_step_leaf(g, AYF_STEP_X0, AYF_SHAPE(n, 32, 32, 3));
 *     ...
 *     AYF_TRY(ayf_step_feed(program, &(ayf_step_inputs){.x0 = images, .x1 = noise, .t = times}));
 */
#ifndef AYF_STEP_INPUTS_H
#define AYF_STEP_INPUTS_H

#include "exec/program.h"

/* Before the names of a network's leaves. */
#define AYF_SCOPE_STUDENT "student." /* what is trained, whatever its role */
#define AYF_SCOPE_TEACHER "teacher."
#define AYF_SCOPE_WEAK "weak." /* the weaker network that guides the teacher */
#define AYF_SCOPE_DISCRIMINATOR "disc."

typedef enum ayf_step_input {
#define X(NAME, leaf) AYF_STEP_##NAME,
#include "flow/inputs.def"
#undef X
    AYF_STEP_INPUTS
} ayf_step_input;

/* One array per input, with the number of elements of its leaf. NULL where the program has no such leaf. */
typedef struct ayf_step_inputs {
#define X(NAME, leaf) const float *leaf;
#include "flow/inputs.def"
#undef X
} ayf_step_inputs;

const char *ayf_step_input_name(ayf_step_input input); /* of the leaf */

/* The INPUT leaf; the graph's scope must be empty. */
ayf_id ayf_step_leaf(ayf_graph *g, ayf_step_input input, ayf_shape shape);

/* Sets every INPUT leaf of the program, except the inputs of optimisers (ayf_optim_is_input() in
 * nn/optim.h): the owner of an optimiser sets those. AYF_E_INTERNAL names a leaf whose array is NULL or
 * that is not in the table. Arrays without a leaf are ignored. */
ayf_status ayf_step_feed(ayf_program *program, const ayf_step_inputs *inputs);

#endif
