/* What a run writes about itself while it goes on: log.jsonl and, with save.events, event files for
 * TensorBoard that say the same and hold the sample grids. */
#ifndef AYF_RUN_RECORDS_H
#define AYF_RUN_RECORDS_H

#include "train/state.h"

/* Opens both in the process that leads; lines of steps above run->step go. */
ayf_status ayf_run_open_log(ayf_run *run);
void ayf_run_close_log(ayf_run *run);

/* One line of the steps since the last one, with what was measured in this step. "time" (UTC), "elapsed"
 * (seconds that the run has been going on, all its sessions together), "seconds" (of a step) and
 * "samples_per_second" differ each time; everything else depends on the run alone. */
ayf_status ayf_run_write_log(ayf_run *run, const ayf_run_report *report);
/* Figures of that line, for the hook ayf_run_type.log. */
void ayf_run_log_real(ayf_run *run, const char *name, double value);
/* Means by t from sums and run->sums.in_bucket: an array in the log, one curve per bucket for TensorBoard. */
void ayf_run_log_by_t(ayf_run *run, const char *name, const double sums[AYF_RUN_BUCKETS]);

/* A line with what was measured in this step and is in no line yet. */
ayf_status ayf_run_log_measured(ayf_run *run);

ayf_status ayf_run_record_picture(ayf_run *run, const void *png, size_t size, int height, int width,
                                  int channels);

/* The run has gone back to run->step: later lines go, and one says so. */
ayf_status ayf_run_log_rollback(ayf_run *run);

#endif
