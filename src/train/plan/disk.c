#include "train/plan/disk.h"

#include "train/plan/memory.h"

uint64_t ayf_run_checkpoints(const ayf_run *run) {
    uint64_t left = run->steps > run->step ? run->steps - run->step : 0;
    uint64_t every = (uint64_t)run->cfg.save.every, keep = (uint64_t)run->cfg.save.keep;
    uint64_t writes = every ? left / every + (left % every > 0) : left > 0;
    return keep && writes > keep ? keep + 1 : writes;
}

/* A file that is replaced is there twice for a moment. */
uint64_t ayf_run_disk(const ayf_run *run) {
    uint64_t checkpoints = ayf_run_checkpoints(run);
    if (!checkpoints) return 0;
    return (run->resumes ? 1 : checkpoints) * ayf_run_checkpoint_bytes(run) +
           (checkpoints > 1 && !run->resumes ? 2 : 1) * ayf_run_model_bytes(run);
}
