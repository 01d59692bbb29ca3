/* Snapshots of the averages of train.ema_widths in the folder of a run; ayf_run_average() of <ayf/run.h> makes other
 * widths of them. */
#ifndef AYF_RUN_SNAPSHOTS_H
#define AYF_RUN_SNAPSHOTS_H

#include "train/state.h"

/* That of the present step. Only the process that leads calls it. AYF_E_DIVERGED for values that are not finite. */
ayf_status ayf_run_snapshot_write(ayf_run *run);

#endif
