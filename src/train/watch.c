#include "train/watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "train/divergence.h"
#include "train/kind.h"

static const char *const titles[AYF_WATCH_FIGURES] = {
    [AYF_WATCH_LOSS] = "the loss",
    [AYF_WATCH_TANGENT] = "the RMS of the tangent",
    [AYF_WATCH_ERROR] = "the mean square of F - v",
    [AYF_WATCH_WEIGHTS] = "the RMS of the weights",
    [AYF_WATCH_DISCRIMINATOR] = "the RMS of the discriminator's weights",
};

/* The median of what the row holds; 0 when it holds nothing. */
static double median(const ayf_watch_row *row) {
    double sorted[AYF_WATCH_WINDOW];
    size_t count = row->seen < AYF_WATCH_WINDOW ? (size_t)row->seen : AYF_WATCH_WINDOW;
    if (!count) return 0;
    memcpy(sorted, row->last, sizeof sorted);
    ayf_sort_reals(sorted, count);
    return sorted[count / 2];
}

static void remember(ayf_watch_row *row, double value) {
    size_t place = (size_t)fmod(row->seen, AYF_WATCH_WINDOW);
    row->last[place] = value;
    row->seen++;
    double now = median(row);
    if (row->seen <= 1 || now < row->lowest) row->lowest = now;
}

static ayf_status explode(ayf_run *run, int figure, double value, double reference) {
    char why[240], advice[240];
    snprintf(why, sizeof why, "%s is %.3g, more than train.divergence_factor = %g times its past (%.3g)",
             titles[figure], value, run->cfg.train.divergence_factor, reference);
    const char *rate = figure == AYF_WATCH_DISCRIMINATOR ? "finetune.disc_lr" : run->type->rate_key;
    double is = figure == AYF_WATCH_DISCRIMINATOR ? run->cfg.finetune.disc_lr : run->type->rate(&run->cfg);
    snprintf(advice, sizeof advice,
             "a lower %s (it is %g), a longer train.lr_warmup%s or train.grad_clip = 1", rate, is,
             run->type->makes_student ? ", a longer distill.warmup_steps, a lower distill.guidance_max" : "");
    return ayf_run_diverged(run, (uint64_t)run->watch.suspected_at, why, advice);
}

/* ---- Weights ---- */

static ayf_status mean_square(const ayf_weights *weights, double *out) {
    ayf_context *ctx = weights->backend->ctx;
    size_t most = 1, total = 0;
    double sum = 0;
    for (int i = 0; i < weights->params->count; i++) {
        size_t size = weights->params->at[i].size;
        most = size > most ? size : most;
        total += size;
    }
    float *values = ayf_alloc(ctx, most, sizeof *values);
    ayf_status status = values ? AYF_OK : AYF_E_MEMORY;
    for (int i = 0; status == AYF_OK && i < weights->params->count; i++) {
        status = ayf_buffer_get(weights->at[i], values);
        for (size_t k = 0; status == AYF_OK && k < weights->params->at[i].size; k++)
            sum += (double)values[k] * (double)values[k];
    }
    ayf_free(ctx, values);
    *out = sum / (double)total;
    return status;
}

static ayf_status watch_weights(ayf_run *run) {
    double rms[AYF_RUN_LEARNERS] = {0};
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < run->learners; i++)
        status = mean_square(run->learner[i].weights, &rms[i]);
    AYF_TRY(ayf_comm_agree(run->comm, status));
    for (int i = 0; i < run->learners; i++) {
        int figure = AYF_WATCH_WEIGHTS + i;
        ayf_watch_row *row = &run->watch.row[figure];
        rms[i] = sqrt(rms[i]);
        double reference = median(row);
        if (row->seen > 0 && !(rms[i] <= run->cfg.train.divergence_factor * reference)) {
            if (!run->watch.strikes) run->watch.suspected_at = (double)run->step + 1;
            return explode(run, figure, rms[i], reference);
        }
        remember(row, rms[i]);
    }
    return AYF_OK;
}

/* ---- Figures of a step ---- */

static double reference_of(const ayf_watch_row *row) { return fmax(row->lowest, 1); }

static bool is_beyond(const ayf_run *run, int figure, double value) {
    const ayf_watch_row *row = &run->watch.row[figure];
    return row->seen > 0 && value > run->cfg.train.divergence_factor * reference_of(row);
}

static void collect(const ayf_run *run, double value[AYF_WATCH_WEIGHTS]) {
    const ayf_run_figures *f = &run->figures;
    bool student = run->type->makes_student;
    value[AYF_WATCH_LOSS] = student ? 0 : f->loss;
    value[AYF_WATCH_TANGENT] = student ? f->tangent : 0;
    value[AYF_WATCH_ERROR] = student ? f->error * f->error : 0;
}

static ayf_status watch_figures(ayf_run *run) {
    ayf_run_watch *watch = &run->watch;
    double value[AYF_WATCH_WEIGHTS];
    int beyond = -1;
    collect(run, value);
    for (int i = 0; i < AYF_WATCH_WEIGHTS; i++)
        if (is_beyond(run, i, value[i])) beyond = i;
    if (beyond < 0) {
        for (int i = 0; i < AYF_WATCH_WEIGHTS; i++) remember(&watch->row[i], value[i]);
        watch->strikes = fmax(watch->strikes - 1, 0);
        return AYF_OK;
    }
    if (watch->strikes++ == 0) watch->suspected_at = (double)run->step;
    /* The last step is not followed by another one that could clear the suspicion. A tangent may be an
     * accident; a loss or an error of this size is none. */
    bool last = run->step + 1 == run->steps && (beyond != AYF_WATCH_TANGENT || watch->strikes > 1);
    if (watch->strikes < AYF_WATCH_STRIKES && !last) return AYF_OK;
    return explode(run, beyond, value[beyond], reference_of(&watch->row[beyond]));
}

ayf_status ayf_watch_step(ayf_run *run) {
    if (run->cfg.train.divergence_factor <= 0) return AYF_OK;
    if (run->step == (uint64_t)run->cfg.distill.midtrain_steps)
        memset(run->watch.row, 0, AYF_WATCH_WEIGHTS * sizeof *run->watch.row);
    AYF_TRY(watch_figures(run));
    bool due = run->step % AYF_WATCH_EVERY == 0 || run->step + 1 == run->steps;
    return due ? watch_weights(run) : AYF_OK;
}

bool ayf_watch_trusts(const ayf_run *run) { return run->watch.strikes <= 0 || run->step >= run->steps; }
