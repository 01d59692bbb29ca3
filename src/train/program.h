/* Compiling a step of a run. */
#ifndef AYF_RUN_PROGRAM_H
#define AYF_RUN_PROGRAM_H

#include "train/state.h"

/* Compiles `g`, which it takes over, as run->programs[index] in place of what is there, connects it with all
 * learners and the teachers, makes it the program at hand, and adds its plan to run->bytes. Leaves count once
 * for all programs. After a failure there is no program at `index`, and none at hand. */
ayf_status ayf_run_compile(ayf_run *run, int index, ayf_graph *g);

#endif
