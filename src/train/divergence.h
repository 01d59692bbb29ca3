/* The end of a run that went wrong, and the way back from it. */
#ifndef AYF_RUN_DIVERGENCE_H
#define AYF_RUN_DIVERGENCE_H

#include "train/state.h"

/* Stops the run for good: further calls repeat the message. `why` is a clause without a full stop. What was
 * trained up to step `bad_since` and later is not to be trusted; run->step + 1 when nothing saved is
 * suspected. Returns AYF_E_DIVERGED. */
ayf_status ayf_run_diverged(ayf_run *run, uint64_t bad_since, const char *why, const char *advice);
/* The same when loss or gradient are not finite. */
ayf_status ayf_run_not_finite(ayf_run *run, double loss, double grad_norm);
/* Stops the run for good with the failure in the context, which happened in the middle of a step. Returns its
 * status, and does nothing when the run has ended already. */
ayf_status ayf_run_step_failed(ayf_run *run, ayf_status status);
/* Records the failure that ended the run again. */
ayf_status ayf_run_repeat_end(ayf_run *run);

/* After AYF_E_DIVERGED, in all processes. Checkpoints that are not to be trusted get the suffix ".diverged"
 * in place of ".safetensors"; the model file becomes that of the newest one that is left, or goes. Then, as
 * train.on_divergence says, the run goes back to that checkpoint, or to its beginning (AYF_OK; *report is of
 * the step that it goes on from), or it ends: AYF_E_DIVERGED, and the folder says so in AYF_RUN_DIVERGED. */
ayf_status ayf_run_after_divergence(ayf_run *run, ayf_run_report *report);

/* AYF_E_DIVERGED in the words of the first time when the folder says that its run has diverged and the
 * configuration is the same. Asked of the process that leads, after everything in run->cfg is settled. */
ayf_status ayf_run_check_diverged(ayf_run *run);
/* "step 12: why" when the folder of a run says that it has diverged, else NULL. Owned by the caller. */
ayf_status ayf_run_read_divergence(ayf_context *ctx, const char *folder, char **out);
/* The folder does not say so any more. */
ayf_status ayf_run_forget_divergence(ayf_run *run);

#endif
