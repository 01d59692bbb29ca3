#include "train/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "train/checkpoint.h"
#include "train/kind.h"

/* ---- The end ---- */

static ayf_status end_run(ayf_run *run, ayf_status status) {
    run->ended = status;
    snprintf(run->ending, sizeof run->ending, "%s", run->ctx->message);
    return status;
}

ayf_status ayf_run_repeat_end(ayf_run *run) { return ayf_fail(run->ctx, run->ended, "%s", run->ending); }

static const char *what_is_kept(const ayf_run *run, char *text, size_t size) {
    if (run->saved_step < 0) return "no checkpoint had been written yet";
    snprintf(text, size, "the checkpoint of step %" PRId64 " and %s are kept", run->saved_step,
             run->model_path);
    return text;
}

ayf_status ayf_run_diverged(ayf_run *run, const char *why, const char *advice) {
    char kept[AYF_MESSAGE_SIZE];
    ayf_fail(run->ctx, AYF_E_DIVERGED,
             "training diverged in step %" PRIu64 ": %s; %s. Begin again in a new folder with %s",
             run->step + 1, why, what_is_kept(run, kept, sizeof kept), advice);
    return end_run(run, AYF_E_DIVERGED);
}

/* Weights and moments may be half of this step and half of the one before. */
ayf_status ayf_run_step_failed(ayf_run *run, ayf_status status) {
    char kept[AYF_MESSAGE_SIZE];
    if (run->ended != AYF_OK) return status;
    ayf_fail_prefix(run->ctx,
                    "step %" PRIu64
                    " failed on the way, so it cannot be saved; %s. Start the run again, which "
                    "goes on from its last checkpoint or else from the beginning: ",
                    run->step + 1, what_is_kept(run, kept, sizeof kept));
    return end_run(run, status);
}

ayf_status ayf_run_not_finite(ayf_run *run, double loss, double grad_norm) {
    const char *bad = NULL;
    bool known = ayf_run_bad_parameter(run, &bad) == AYF_OK;
    char why[320], advice[160];
    snprintf(why, sizeof why, "the loss is %g and the norm of the gradient %g%s%s", loss, grad_norm,
             bad     ? "; the first parameter that is not finite is "
             : known ? "; all parameters are finite"
                     : "; the parameters cannot be read",
             bad ? bad : "");
    snprintf(advice, sizeof advice, "a lower %s (it is %g), a longer train.lr_warmup or train.grad_clip = 1",
             run->type->rate_key, run->type->rate(&run->cfg));
    return ayf_run_diverged(run, why, advice);
}

/* ---- Distillation ---- */

static double mean_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i];
    return sum / (double)count;
}

static bool has_jvp(const ayf_run *run) { return ayf_program_has_output(run->program, "jvp_rms"); }

ayf_status ayf_run_read_distill_figures(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    ayf_run_figures *figures = &run->figures;
    size_t n = (size_t)b->count;
    AYF_TRY(ayf_program_get(run->program, "tangent_rms", b->tangent, n));
    AYF_TRY(ayf_program_get(run->program, "error_rms", b->error, n));
    if (has_jvp(run)) {
        AYF_TRY(ayf_program_get(run->program, "jvp_rms", b->jvp, n));
        figures->jvp += mean_of(b->jvp, n);
    }
    figures->tangent += mean_of(b->tangent, n);
    figures->error += mean_of(b->error, n);
    for (size_t i = 0; i < n; i++) {
        int bucket = (int)fminf(b->t[i] * AYF_RUN_BUCKETS, AYF_RUN_BUCKETS - 1);
        figures->bucket[bucket] += (double)b->tangent[i];
        figures->in_bucket[bucket]++;
    }
    return AYF_OK;
}

ayf_status ayf_run_note_distill_figures(ayf_run *run, ayf_run_report *report) {
    const ayf_run_figures *figures = &run->figures;
    ayf_run_sums *sums = &run->sums;
    report->tangent_rms = figures->tangent;
    report->error_rms = figures->error;
    sums->tangent += figures->tangent;
    sums->error += figures->error;
    sums->jvp += figures->jvp;
    sums->jvps += has_jvp(run);
    for (int i = 0; i < AYF_RUN_BUCKETS; i++) {
        sums->bucket[i] += figures->bucket[i];
        sums->in_bucket[i] += (uint64_t)figures->in_bucket[i];
    }
    return AYF_OK;
}

void ayf_run_log_distill_figures(ayf_run *run) {
    const ayf_run_sums *sums = &run->sums;
    double steps = (double)sums->steps, bucket[AYF_RUN_BUCKETS];
    for (int i = 0; i < AYF_RUN_BUCKETS; i++)
        bucket[i] = sums->in_bucket[i] ? sums->bucket[i] / (double)sums->in_bucket[i] : (double)NAN;
    ayf_jsonl_real(run->log, "tangent_rms", sums->tangent / steps);
    ayf_jsonl_reals(run->log, "tangent_rms_by_t", bucket, AYF_RUN_BUCKETS);
    ayf_jsonl_real(run->log, "error_rms", sums->error / steps);
    ayf_jsonl_real(run->log, "jvp_rms", sums->jvps ? sums->jvp / (double)sums->jvps : (double)NAN);
}
