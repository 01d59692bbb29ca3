/* The memory of a run, compared with what is there before it is allocated. */
#ifndef AYF_TRAIN_PLAN_MEMORY_H
#define AYF_TRAIN_PLAN_MEMORY_H

#include "train/state.h"

/* Notes what is free, as run->room; the teachers and the data are open and nothing else is. */
void ayf_run_note_room(ayf_run *run);

/* Compiles the programs of the step at hand, and looks first at those of the steps after mid-training. AYF_E_MEMORY
 * names what is needed, what was free, and the batch that fits. */
ayf_status ayf_run_compile_checked(ayf_run *run);

/* What the first checkpoint takes on the disk; the same of the model. */
uint64_t ayf_run_checkpoint_bytes(const ayf_run *run);
uint64_t ayf_run_model_bytes(const ayf_run *run);

/* Everything that run->room must have room for, with the programs that are compiled. */
uint64_t ayf_run_memory(const ayf_run *run);

#endif
