/* What comes out of a step: figures for the log and for reports. */
#ifndef AYF_FIGURES_H
#define AYF_FIGURES_H

#include "train/state.h"

/* The learning rate of the first learner in the present step. */
double ayf_run_rate(const ayf_run *run);

/* Adds the figures of a whole step to the sums for the log: loss, gradient, and what belongs to times. */
void ayf_run_sum_figures(ayf_run *run);

/* The loss of each sample, by its t; the hook of this name in train/kind.h. */
ayf_status ayf_run_read_teacher_figures(ayf_run *run);

/* The figures that distillation and fine-tuning share: tangent, error and, where the step has one, its
 * derivative term. Of a part, then of the step, as the hooks of these names in train/kind.h. */
ayf_status ayf_run_read_distill_figures(ayf_run *run);
ayf_status ayf_run_note_distill_figures(ayf_run *run, ayf_run_report *report);
void ayf_run_log_distill_figures(ayf_run *run);

#endif
