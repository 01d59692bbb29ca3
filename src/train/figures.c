#include "train/figures.h"

#include <math.h>

#include "train/kind.h"
#include "train/recipe.h"
#include "train/records.h"

double ayf_run_rate(const ayf_run *run) {
    return ayf_rate_below(&run->cfg, run->type->rate(&run->cfg), run->step) * run->rate_scale;
}

/* ---- By t ---- */

static void add_to_buckets(ayf_run *run) {
    const ayf_run_batch *b = &run->batch;
    ayf_run_figures *figures = &run->figures;
    for (int i = 0; i < b->count; i++) {
        int bucket = (int)fminf(b->t[i] * AYF_RUN_BUCKETS, AYF_RUN_BUCKETS - 1);
        figures->loss_bucket[bucket] += (double)b->loss[i];
        figures->tangent_bucket[bucket] += (double)b->tangent[i];
        figures->in_bucket[bucket]++;
    }
}

void ayf_run_sum_figures(ayf_run *run) {
    const ayf_run_figures *figures = &run->figures;
    ayf_run_sums *sums = &run->sums;
    sums->steps++;
    sums->loss += figures->loss;
    sums->grad_norm += figures->grad_norm;
    for (int i = 0; i < AYF_RUN_BUCKETS; i++) {
        sums->loss_bucket[i] += figures->loss_bucket[i];
        sums->tangent_bucket[i] += figures->tangent_bucket[i];
        sums->in_bucket[i] += figures->in_bucket[i];
    }
}

/* ---- Teachers ---- */

ayf_status ayf_run_read_teacher_figures(ayf_run *run) {
    AYF_TRY(ayf_program_get(run->program, "sample_loss", run->batch.loss, (size_t)run->batch.count));
    add_to_buckets(run);
    return AYF_OK;
}

/* ---- Distillation ---- */

static double mean_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i];
    return sum / (double)count;
}

static bool has_jvp(const ayf_run *run) { return ayf_program_has_output(run->program, "jvp_rms"); }

/* The mean square of a normalised tangent (flow/step.h), from the RMS of the tangent. */
static double loss_of(const ayf_run *run, double rms) {
    double c = run->cfg.distill.norm_c, power = 2 * run->cfg.distill.norm_p;
    switch (run->cfg.distill.norm) {
    case AYF_NORM_RMS:
        rms /= pow(rms + c, power);
        break;
    case AYF_NORM_L2:
        rms /= pow(rms * sqrt((double)run->batch.values) + c, power);
        break;
    case AYF_NORM_NONE:
        break;
    }
    return rms * rms;
}

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
    for (size_t i = 0; i < n; i++) b->loss[i] = (float)loss_of(run, (double)b->tangent[i]);
    add_to_buckets(run);
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
    return AYF_OK;
}

void ayf_run_log_distill_figures(ayf_run *run) {
    const ayf_run_sums *sums = &run->sums;
    ayf_run_log_real(run, "tangent_rms", sums->tangent / sums->steps);
    ayf_run_log_by_t(run, "tangent_rms_by_t", sums->tangent_bucket);
    ayf_run_log_real(run, "error_rms", sums->error / sums->steps);
    ayf_run_log_real(run, "jvp_rms", sums->jvps > 0 ? sums->jvp / sums->jvps : (double)NAN);
}
