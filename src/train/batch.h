/* The inputs of a step: data, noise, times, strengths and classes as pure functions of (seed, step, sample).
 */
#ifndef AYF_BATCH_H
#define AYF_BATCH_H

#include "train/state.h"

/* Settles how train.batch is shared by processes and parts; AYF_E_CONFIG when it cannot be. */
ayf_status ayf_run_batch_share(ayf_run *run);
/* What an optimiser has to know of that. */
void ayf_run_share_optim(const ayf_run *run, ayf_optim_options *optim);
/* The number that sample `place` of the part at hand has in the whole run: the same samples make a batch
 * however it is shared. */
uint64_t ayf_run_sample(const ayf_run *run, size_t place);

/* Allocates run->batch for the run's data and network, and connects batch.in with it. */
ayf_status ayf_run_batch_open(ayf_run *run);
void ayf_run_batch_close(ayf_run *run);

/* Data and noise of the present step into x0 and x1, classes into labels. */
ayf_status ayf_run_draw_data(ayf_run *run);
/* Draws data and noise of the next step, if this one has them, while a device that works by itself computes this one.
 * Before, everything that is read of them must have been. */
void ayf_run_draw_ahead(ayf_run *run);
/* A pair (t, s) and a strength of guidance for every sample: those of distillation. */
void ayf_run_draw_pairs(ayf_run *run);
/* onehot from labels; NULL `hide` hides none. */
void ayf_run_fill_onehot(ayf_run *run, bool (*hide)(const ayf_run *run, uint64_t sample));

#endif
