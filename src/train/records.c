#include "train/records.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/number.h"
#include "train/kind.h"

/* ---- Opening ---- */

#define ELAPSED "elapsed"

/* The last value of "elapsed" in the log, 0 when there is none. */
static ayf_status read_elapsed(ayf_context *ctx, const char *path, double *out) {
    static const char key[] = "\"" ELAPSED "\":";
    void *bytes;
    size_t size;
    *out = 0;
    AYF_TRY(ayf_file_read(ctx, path, 0, &bytes, &size));
    const char *last = NULL;
    for (const char *at = bytes; (at = strstr(at, key)); at += sizeof key - 1) last = at + sizeof key - 1;
    if (last) {
        char number[AYF_REAL_SIZE + 1];
        snprintf(number, sizeof number, "%.*s", (int)strcspn(last, ",}\n"), last);
        if (!ayf_parse_real(number, out)) *out = 0;
    }
    ayf_free(ctx, bytes);
    return AYF_OK;
}

static ayf_status open_jsonl(ayf_run *run) {
    char *path = ayf_path_join(run->ctx, run->folder, AYF_RUN_LOG);
    if (!path) return AYF_E_MEMORY;
    ayf_status status =
        ayf_jsonl_open(run->ctx, path, run->saved_step < 0 ? -1 : (int64_t)run->step, &run->log);
    if (status == AYF_OK) status = read_elapsed(run->ctx, path, &run->clock.before);
    ayf_free(run->ctx, path);
    return status;
}

ayf_status ayf_run_open_log(ayf_run *run) {
    run->clock = (ayf_run_clock){.opened = ayf_seconds(), .fresh = true};
    AYF_TRY(open_jsonl(run));
    if (!run->cfg.save.events || run->step >= run->steps) return AYF_OK;
    int64_t first = run->saved_step < 0 ? 0 : (int64_t)run->step + 1;
    return ayf_events_open(run->ctx, run->folder, first, &run->events);
}

void ayf_run_close_log(ayf_run *run) {
    ayf_jsonl_close(run->log);
    ayf_events_close(run->events);
    run->log = NULL;
    run->events = NULL;
}

/* ---- Figures ---- */

void ayf_run_log_real(ayf_run *run, const char *name, double value) {
    ayf_jsonl_real(run->log, name, value);
    if (run->events) ayf_events_scalar(run->events, name, value);
}

void ayf_run_log_by_t(ayf_run *run, const char *name, const double sums[AYF_RUN_BUCKETS]) {
    double means[AYF_RUN_BUCKETS];
    char tag[96];
    for (int i = 0; i < AYF_RUN_BUCKETS; i++) {
        means[i] = run->sums.in_bucket[i] > 0 ? sums[i] / run->sums.in_bucket[i] : (double)NAN;
        snprintf(tag, sizeof tag, "%s/%.3f-%.3f", name, (double)i / AYF_RUN_BUCKETS,
                 (i + 1.0) / AYF_RUN_BUCKETS);
        if (run->events) ayf_events_scalar(run->events, tag, means[i]);
    }
    ayf_jsonl_reals(run->log, name, means, AYF_RUN_BUCKETS);
}

static ayf_status end_line(ayf_run *run) {
    struct timespec now;
    struct tm utc;
    char day[32], text[48];
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    snprintf(text, sizeof text, "%s.%03ldZ", day, now.tv_nsec / 1000000);
    ayf_jsonl_real(run->log, ELAPSED, run->clock.before + ayf_seconds() - run->clock.opened);
    ayf_jsonl_text(run->log, "time", text);
    AYF_TRY(ayf_jsonl_end(run->log));
    return run->events ? ayf_events_end(run->events, (int64_t)run->step) : AYF_OK;
}

/* Once: it is of this step only. */
static void log_measured(ayf_run *run) {
    if (isnan(run->best.now)) return;
    ayf_run_log_real(run, run->best.name, run->best.now);
    run->best.now = (double)NAN;
}

/* In the first line after a start, as a run may go on elsewhere. */
static void log_machine(ayf_run *run) {
    if (!run->clock.fresh) return;
    ayf_jsonl_text(run->log, "machine", run->machine);
    ayf_jsonl_text(run->log, "precision", ayf_precision_name(run->cfg.train.precision));
    run->clock.fresh = false;
}

ayf_status ayf_run_write_log(ayf_run *run, const ayf_run_report *report) {
    const ayf_run_sums *sums = &run->sums;
    ayf_run_clock *clock = &run->clock;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_run_log_real(run, "loss", sums->loss / sums->steps);
    ayf_run_log_real(run, "lr", report->learning_rate);
    ayf_run_log_by_t(run, "loss_by_t", sums->loss_bucket);
    if (run->type->log) run->type->log(run);
    ayf_run_log_real(run, "grad_norm", sums->grad_norm / sums->steps);
    ayf_run_log_real(run, "seconds", clock->seconds / clock->steps);
    ayf_run_log_real(run, "samples_per_second", run->cfg.train.batch * clock->steps / clock->seconds);
    clock->steps = clock->seconds = 0;
    log_measured(run);
    log_machine(run);
    return end_line(run);
}

ayf_status ayf_run_log_measured(ayf_run *run) {
    if (isnan(run->best.now)) return AYF_OK;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    log_measured(run);
    return end_line(run);
}

/* ---- Pictures and rollbacks ---- */

ayf_status ayf_run_record_picture(ayf_run *run, const void *png, size_t size, int height, int width,
                                  int channels) {
    if (!run->events) return AYF_OK;
    ayf_events_image(run->events, "samples", png, size, height, width, channels);
    return ayf_events_end(run->events, (int64_t)run->step);
}

ayf_status ayf_run_log_rollback(ayf_run *run) {
    ayf_jsonl_close(run->log);
    run->log = NULL;
    AYF_TRY(open_jsonl(run));
    run->clock.opened = ayf_seconds();
    if (run->events) AYF_TRY(ayf_events_purge(run->events, (int64_t)run->step + 1));
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_int(run->log, "rollback", (int64_t)run->rollbacks);
    ayf_jsonl_int(run->log, "diverged_in", (int64_t)run->divergence.step);
    ayf_jsonl_real(run->log, "rate_scale", run->rate_scale);
    return end_line(run);
}
