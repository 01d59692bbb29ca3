/* The space on the disk that a run takes. */
#ifndef AYF_TRAIN_PLAN_DISK_H
#define AYF_TRAIN_PLAN_DISK_H

#include "train/state.h"

/* Checkpoints that the run is going to have at once, the one that is being written included. */
uint64_t ayf_run_checkpoints(const ayf_run *run);

/* Bytes that the run still has to find: those checkpoints and the model. For a run that is resumed one checkpoint
 * and the model, since it has the others. Logs and grids are not counted. */
uint64_t ayf_run_disk(const ayf_run *run);

#endif
