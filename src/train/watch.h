/* Whether a run explodes. Its figures are compared with their own past: a teacher's loss; a student's tangent
 * (RMS) and error (mean |F - v|, squared); the RMS of the weights of each learner, every AYF_WATCH_EVERY
 * steps.
 *
 * A figure is beyond when it is more than train.divergence_factor times its reference. That of losses,
 * tangents and errors is the lowest median of AYF_WATCH_WINDOW steps in a row so far, or 1 when that is
 * higher: data and noise have unit variance, so a network that draws nothing has a loss of 2. That of weights
 * is the median of the last AYF_WATCH_WINDOW measurements. The end of mid-training begins a new past.
 *
 * Weights that are beyond are a divergence at once. So are the other figures when they have been beyond in
 * AYF_WATCH_STRIKES more steps than they were not: a single step may be an accident of its samples. While a
 * run is suspected, neither checkpoints nor grids are made. */
#ifndef AYF_RUN_WATCH_H
#define AYF_RUN_WATCH_H

#include "train/state.h"

/* After the figures of a step are known, in all processes: AYF_OK, or the run ends as diverged. */
ayf_status ayf_watch_step(ayf_run *run);
/* Whether the run is not suspected: what it has now may be kept. */
bool ayf_watch_trusts(const ayf_run *run);

#endif
