#include "train/figures.h"

#include <math.h>

#include "train/kind.h"
#include "train/recipe.h"

double ayf_run_rate(const ayf_run *run) {
    return ayf_rate_below(&run->cfg, run->type->rate(&run->cfg), run->step) * run->rate_scale;
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
