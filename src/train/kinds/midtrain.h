/* Mid-training: trajectories of the teacher, which the first steps of a distillation regress. They are a pure
 * function of seed, teachers and settings, are made batch by batch before the first step, and are kept in the
 * run's folder.
 *
 * All functions take a run whose run->own is an ayf_paths. */
#ifndef AYF_MIDTRAIN_H
#define AYF_MIDTRAIN_H

#include "flow/times.h"
#include "train/state.h"

/* Trajectories from times[0] = 1 to times[steps] = 0, in units of the network; all zero: none are needed. */
typedef struct ayf_paths {
    char *path; /* of their file */
    size_t count, made, saved;
    double written; /* ayf_seconds() of the last time */
    int steps;
    double *times;
    float *states;     /* [count][steps + 1][values] */
    float *velocities; /* [count][steps][values] */
    float *guidance;   /* [count] */
    int64_t *labels;   /* [count], -1: none */
    float *x_t, *v;    /* [batch][values]: inputs of a step */
    /* While they are made. */
    ayf_sampler *sampler;
    float *start;                      /* [batch][values]: noise */
    double *state, *velocity, *lambda; /* of one batch */
} ayf_paths;

/* What the trajectories of a configuration take in memory, and whether that is there (AYF_E_MEMORY). */
uint64_t ayf_paths_bytes(const ayf_run *run);
ayf_status ayf_paths_check(const ayf_run *run);

/* Allocates them and reads what the folder has of them. A file that is damaged or of another run is
 * AYF_E_FORMAT. */
ayf_status ayf_paths_open(ayf_run *run);
void ayf_paths_close(ayf_run *run);

uint64_t ayf_paths_missing(const ayf_run *run); /* how many of those that are open are not made yet */
/* Makes a batch more of them, all processes together; the last one writes the file. */
ayf_status ayf_paths_make(ayf_run *run, ayf_run_report *report);
ayf_status ayf_paths_write(ayf_run *run); /* those made so far, unless the file has them already */

/* Sample `sample` of the present step, as place `place` of the batch: x_t and the velocity to x_t and v, and
 * t, s, guidance and label to batch. The pair that `pairs` draws is moved to the nearest times of the grid; s
 * < t stays apart. */
void ayf_paths_draw(ayf_run *run, const ayf_time_sampler *pairs, size_t place, uint64_t sample);

#endif
