/* Runs that are only tried (train/plan/try.c). */
#ifndef AYF_TRAIN_RUN_H
#define AYF_TRAIN_RUN_H

#include "train/state.h"

/* As ayf_run_open(), but nothing is written, no folder made and no lock taken; a run that mid-trains stands at its
 * first step after that. ayf_run_step() and ayf_run_save() must not be called. */
ayf_status ayf_run_open_dry(ayf_context *ctx, const ayf_run_options *options, ayf_run **out);

/* Does step run->step without counting, logging or judging it. All processes together. */
ayf_status ayf_run_rehearse(ayf_run *run);

#endif
