/* A training run (ayf_run_* of include/ayf.h): what its parts share.
 *
 *   run_config.c   the configuration: where it comes from, what a resumed run may change
 *   run_source.c   data and teachers, and whether they go together
 *   run_save.c     checkpoints and the model file
 *   run_samples.c  pictures of what the run has learned
 *   run.c          opening, one step, the log
 *
 * A step is a pure function of (configuration, step number, weights and moments), so a checkpoint holds the
 * latter two and a run that is stopped and resumed makes the same bytes as one that is not.
 */
#ifndef AYF_RUN_H
#define AYF_RUN_H

#include "algo/sampler.h"
#include "algo/step.h"
#include "algo/velocity.h"
#include "algo/weights.h"
#include "io/config.h"
#include "io/dataset.h"
#include "io/jsonl.h"
#include "io/run_folder.h"

enum { AYF_RUN_BUCKETS = 4 }; /* of t, in the log: [0, 1/4), [1/4, 1/2), ... */

/* Sums since the last line of the log. */
typedef struct ayf_run_sums {
    double loss, grad_norm, tangent, error, jvp, seconds;
    double bucket[AYF_RUN_BUCKETS];
    uint64_t steps, samples, in_bucket[AYF_RUN_BUCKETS];
} ayf_run_sums;

/* One step's inputs and outputs, allocated once. */
typedef struct ayf_run_batch {
    float *x0, *x1;               /* batch x values */
    float *t, *s, *guidance;      /* batch */
    float *onehot;                /* batch x classes */
    int *labels;                  /* batch */
    float *tangent, *error, *jvp; /* batch */
    size_t values;                /* of one sample */
} ayf_run_batch;

struct ayf_run {
    ayf_context *ctx;
    ayf_run_kind kind;
    char *folder, *config_path, *model_path;
    ayf_folder_lock *lock;
    ayf_config cfg;

    ayf_backend *backend;
    ayf_dataset *data;
    double sigma_data;

    /* Distillation. teacher_at and weak_at are NULL for analytic teachers and for none. */
    ayf_weights *teacher_at, *weak_at;
    uint64_t teachers_hash; /* of the values of both: a run goes on with the teachers it began with */
    ayf_network_teacher network;
    ayf_mixture mixture;
    ayf_velocity teacher;

    /* What is trained. `average` is `weights` itself without an average. */
    ayf_model_spec spec;
    ayf_weights *weights, *average, *adam_m, *adam_v;
    ayf_program *program;
    uint64_t bytes;

    uint64_t step, steps;
    int64_t saved_step; /* that has a checkpoint; -1: none */
    bool diverged;
    char *divergence; /* the message, said again when the run is used after it */

    ayf_run_batch batch;
    ayf_run_sums sums;
    ayf_jsonl *log;

    /* Made for the first picture. */
    ayf_sampler *sampler;
    ayf_network_teacher trained; /* a teacher run samples from what it trains */
    ayf_velocity trained_velocity;
    float *pictures;
};

/* Fills run->cfg: the defaults, or what the folder has saved when no file is named; then the file; then the
 * settings. Checked for the kind of run. */
ayf_status ayf_run_config_load(ayf_run *run, const ayf_run_options *options);

/* AYF_E_CONFIG naming the first key in which run->cfg differs from what the folder has saved, train.steps and
 * save.* aside. */
ayf_status ayf_run_config_compare(const ayf_run *run);

/* Writes run->cfg into the folder if something else stands there. */
ayf_status ayf_run_config_save(const ayf_run *run);

/* Takes over the model section of `taken`. AYF_E_CONFIG when run->cfg says something else about the network
 * there that is not the default. */
ayf_status ayf_run_config_take_model(ayf_run *run, const ayf_config *taken);

/* Of everything but train.steps and save.*; 0 on failure. */
uint64_t ayf_run_config_hash(ayf_context *ctx, const ayf_config *cfg);

/* Opens teachers and data, checks that they fit, fills run->spec and sigma_data, and writes what was measured
 * and what was taken from the teacher into run->cfg. */
ayf_status ayf_run_source_open(ayf_run *run);
void ayf_run_source_close(ayf_run *run);

bool ayf_run_conditional_guidance(const ayf_run *run); /* lambda is drawn per sample */

/* Writes the model file and a checkpoint, then removes checkpoints beyond save.keep. Weights that are not
 * finite are AYF_E_DIVERGED, and nothing is written. */
ayf_status ayf_run_checkpoint_write(ayf_run *run);
/* AYF_OK when the checkpoint of a step is one of this kind of run. */
ayf_status ayf_run_checkpoint_check(const ayf_run *run, int64_t step);
/* Restores weights, average, moments and run->step from the checkpoint of a step. */
ayf_status ayf_run_checkpoint_read(ayf_run *run, int64_t step);
/* The name of the first parameter that holds a value that is not finite; NULL when there is none. */
const char *ayf_run_bad_parameter(const ayf_run *run);

ayf_status ayf_run_picture(ayf_run *run);
void ayf_run_picture_close(ayf_run *run);

#endif
