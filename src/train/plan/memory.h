/* The memory of a run, compared with what is there before it is allocated. */
#ifndef AYF_TRAIN_PLAN_MEMORY_H
#define AYF_TRAIN_PLAN_MEMORY_H

#include "train/state.h"

/* Compiles the programs of the step at hand, and looks first at those of the steps after mid-training. Leaves the sum of
 * the phase that takes most in run->memory, and what there is for it in run->room. Teachers, data and learners are
 * there. AYF_E_MEMORY names what is needed, what is free, and the batch that fits. */
ayf_status ayf_run_compile_checked(ayf_run *run);

/* What the first checkpoint takes on the disk; the same of the model. */
uint64_t ayf_run_checkpoint_bytes(const ayf_run *run);
uint64_t ayf_run_model_bytes(const ayf_run *run);

#endif
