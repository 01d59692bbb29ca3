/* What comes out of a step: figures for the log and for reports, and the end of a run that went wrong. */
#ifndef AYF_FIGURES_H
#define AYF_FIGURES_H

#include "train/state.h"

/* Stops the run for good: the last checkpoint stays, and further calls repeat the message. `why` is a clause
 * without a full stop. Returns AYF_E_DIVERGED. */
ayf_status ayf_run_diverged(ayf_run *run, const char *why, const char *advice);
/* The same when loss or gradient are not finite. */
ayf_status ayf_run_not_finite(ayf_run *run, double loss, double grad_norm);
/* Stops the run for good with the failure in the context, which happened in the middle of a step. Returns its
 * status, and does nothing when the run has ended already. */
ayf_status ayf_run_step_failed(ayf_run *run, ayf_status status);
/* Records the failure that ended the run again. */
ayf_status ayf_run_repeat_end(ayf_run *run);

/* The figures that distillation and fine-tuning share: tangent, error and, where the step has one, its
 * derivative term. Of a part, then of the step, as the hooks of these names in train/kind.h. */
ayf_status ayf_run_read_distill_figures(ayf_run *run);
ayf_status ayf_run_note_distill_figures(ayf_run *run, ayf_run_report *report);
void ayf_run_log_distill_figures(ayf_run *run);

#endif
