#include "train/records.h"

#include <inttypes.h>

#include "train/kind.h"

ayf_status ayf_run_open_log(ayf_run *run) {
    char *path = ayf_path_join(run->ctx, run->folder, AYF_RUN_LOG);
    if (!path) return AYF_E_MEMORY;
    ayf_status status =
        ayf_jsonl_open(run->ctx, path, run->saved_step < 0 ? -1 : (int64_t)run->step, &run->log);
    ayf_free(run->ctx, path);
    return status;
}

ayf_status ayf_run_write_log(ayf_run *run, const ayf_run_report *report) {
    const ayf_run_sums *sums = &run->sums;
    double steps = (double)sums->steps;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_real(run->log, "loss", sums->loss / steps);
    ayf_jsonl_real(run->log, "lr", report->learning_rate);
    if (run->type->log) run->type->log(run);
    ayf_jsonl_real(run->log, "grad_norm", sums->grad_norm / steps);
    ayf_jsonl_real(run->log, "seconds", sums->seconds / steps);
    return ayf_jsonl_end(run->log);
}

ayf_status ayf_run_log_rollback(ayf_run *run) {
    ayf_jsonl_close(run->log);
    run->log = NULL;
    AYF_TRY(ayf_run_open_log(run));
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_int(run->log, "rollback", (int64_t)run->rollbacks);
    ayf_jsonl_int(run->log, "diverged_in", (int64_t)run->divergence.step);
    ayf_jsonl_real(run->log, "rate_scale", run->rate_scale);
    return ayf_jsonl_end(run->log);
}
