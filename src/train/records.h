/* What a run writes about itself while it goes on: log.jsonl. */
#ifndef AYF_RUN_RECORDS_H
#define AYF_RUN_RECORDS_H

#include "train/state.h"

/* Opens the log in the process that leads; lines of steps above run->step go. */
ayf_status ayf_run_open_log(ayf_run *run);
/* One line of the steps since the last one. */
ayf_status ayf_run_write_log(ayf_run *run, const ayf_run_report *report);
/* The run has gone back to run->step: later lines go, and one says so. */
ayf_status ayf_run_log_rollback(ayf_run *run);

#endif
