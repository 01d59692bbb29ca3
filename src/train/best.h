/* Measuring during training, on the average weights, and the best model so far (the eval section of a
 * configuration). Nothing here changes what is trained. All functions are for the process that leads. */
#ifndef AYF_RUN_BEST_H
#define AYF_RUN_BEST_H

#include "train/state.h"

/* Before the first step: whether this can be measured, and what an earlier session found best. Reads the
 * reference of a Frechet distance. Does nothing without eval.every. */
ayf_status ayf_best_open(ayf_run *run);
/* Whether this can be measured, and about how many bytes a measurement takes; 0 without eval.every. Reads headers
 * alone. After the pictures' sampler is made. */
ayf_status ayf_best_plan(ayf_run *run, uint64_t *bytes);
/* Measures what there is now, into run->best.now, and writes AYF_RUN_BEST when it is the best so far. */
ayf_status ayf_best_measure(ayf_run *run);
void ayf_best_close(ayf_run *run);

#endif
