/* A training run (ayf_run_* of include/ayf.h): what its parts share.
 *
 *   settings.c     the configuration: where it comes from, what a resumed run may change
 *   inputs.c       data and teachers, and whether they go together
 *   finetune.c     what fine-tuning has beside distillation: a student to begin with, a discriminator
 *   midtrain.c     trajectories of the teacher for mid-training
 *   checkpoint.c   checkpoints and the model file
 *   pictures.c     pictures of what the run has learned
 *   run.c          opening, one step, the log
 *
 * A step is a pure function of (configuration, step number, weights and moments), so a checkpoint holds the
 * latter two and a run that is stopped and resumed makes the same bytes as one that is not.
 */
#ifndef AYF_RUN_H
#define AYF_RUN_H

#include "flow/adversarial.h"
#include "sample/sampler.h"
#include "flow/mixture.h"
#include "flow/step.h"
#include "flow/times.h"
#include "model/file.h"
#include "config/config.h"
#include "data/dataset.h"
#include "io/jsonl.h"
#include "train/run_folder.h"

enum { AYF_RUN_BUCKETS = 4 }; /* of t, in the log: [0, 1/4), [1/4, 1/2), ... */

/* Sums since the last line of the log. */
typedef struct ayf_run_sums {
    double loss, grad_norm, tangent, error, jvp, seconds;
    uint64_t jvps; /* steps that have one */
    double bucket[AYF_RUN_BUCKETS];
    uint64_t steps, samples, in_bucket[AYF_RUN_BUCKETS];
} ayf_run_sums;

/* Outputs of a fine-tuning step, (1) each. */
typedef enum ayf_finetune_figure {
    AYF_FIGURE_G_LOSS,
    AYF_FIGURE_D_LOSS,
    AYF_FIGURE_LOGIT_REAL,
    AYF_FIGURE_LOGIT_FAKE,
    AYF_FIGURE_WEIGHT,
    AYF_FIGURE_DISC_NORM,
    AYF_FIGURE_R1, /* this and the following: of steps with penalties */
    AYF_FIGURE_R2,
    AYF_FIGURES
} ayf_finetune_figure;

/* What fine-tuning has beside distillation. */
typedef struct ayf_run_finetune {
    ayf_weights *student_at;           /* what the run begins with */
    double guidance_min, guidance_max; /* of that student */
    ayf_model_spec spec;               /* of the discriminator */
    ayf_weights *disc, *adam_m, *adam_v;
    ayf_program *every, *lazy; /* with penalties; without, NULL when every step has them */
    float *noise;              /* batch x values */
    float figure[AYF_FIGURES]; /* of the last step; NaN: none */
    double sum[AYF_FIGURES];
    uint64_t counted[AYF_FIGURES];
} ayf_run_finetune;

/* One step's inputs and outputs, allocated once. */
typedef struct ayf_run_batch {
    float *x0, *x1;               /* batch x values */
    float *t, *s, *guidance;      /* batch */
    float *onehot;                /* batch x classes */
    int *labels;                  /* batch */
    float *tangent, *error, *jvp; /* batch */
    size_t values;                /* of one sample */
} ayf_run_batch;

/* Trajectories of the teacher from times[0] = 1 to times[steps] = 0, in units of the network. */
typedef struct ayf_run_paths {
    char *path; /* of their file */
    size_t count, made, saved;
    double written; /* ayf_seconds() of the last time */
    int steps;
    double *times;
    float *states;     /* [count][steps + 1][values] */
    float *velocities; /* [count][steps][values] */
    float *guidance;   /* [count] */
    int64_t *labels;   /* [count], -1: none */
    /* While they are made. */
    ayf_sampler *sampler;
    double *state, *velocity, *lambda; /* of one batch */
} ayf_run_paths;

struct ayf_run {
    ayf_context *ctx;
    ayf_run_kind kind;
    char *folder, *config_path, *model_path;
    ayf_folder_lock *lock;
    bool folder_is_ours; /* it was not there before this run was opened */
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
    ayf_run_paths *paths; /* during mid-training */

    /* What is trained. `average` is `weights` itself without an average. */
    ayf_model_spec spec;
    ayf_weights *weights, *average, *adam_m, *adam_v;
    ayf_program *program; /* of the step at hand; fine-tuning owns two */
    bool midtrains;       /* what the program is for */
    uint64_t bytes;
    ayf_run_finetune finetune;

    uint64_t step, steps;
    int64_t saved_step; /* that has a checkpoint; -1: none */
    ayf_status
        ended; /* not AYF_OK: what is trained is of no step any more, so the run neither goes on nor saves */
    char ending[AYF_MESSAGE_SIZE]; /* the message, said again when the run is used after it */

    ayf_run_batch batch;
    ayf_run_sums sums;
    ayf_jsonl *log;

    /* Made for the first picture. */
    ayf_sampler *sampler;
    ayf_network_teacher trained; /* a teacher run samples from what it trains */
    ayf_velocity trained_velocity;
    float *pictures;
};

/* Fills run->cfg: the defaults, or what the folder has saved when the run resumes and no file is named; then the
 * file; then the settings. Checked for the kind of run. */
ayf_status ayf_run_config_load(ayf_run *run, const ayf_run_options *options, bool resumes);

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

/* The next step is one of mid-training: it regresses trajectories of the teacher, a pure function of seed, teachers and
 * settings that is kept in the folder. */
bool ayf_run_midtrains(const ayf_run *run);
/* Allocates them and reads what the folder has of them. A file that is damaged or of another run is AYF_E_FORMAT. */
ayf_status ayf_run_trajectories_open(ayf_run *run);
void ayf_run_trajectories_close(ayf_run *run);
bool ayf_run_trajectories_missing(const ayf_run *run); /* open, and not all made */
/* Makes a batch more of them; the last one writes the file. */
ayf_status ayf_run_trajectories_make(ayf_run *run, ayf_run_report *report);
ayf_status ayf_run_trajectories_write(ayf_run *run); /* those made so far, unless they are there already */
/* Sample `sample` of the present step: x_t goes to place `place` of batch.x0, the velocity to batch.x1, and t, s,
 * guidance and label to theirs. The pair drawn is moved to the nearest times of the grid; s < t stays apart. */
void ayf_run_trajectories_draw(ayf_run *run, const ayf_time_sampler *pairs, size_t place, uint64_t sample);

/* ---- Fine-tuning ---- */

/* Puts what the student says about data, network and distillation under run->cfg, then what the options say. */
ayf_status ayf_run_finetune_config(ayf_run *run, const ayf_run_options *options);
/* Reads the student that finetune.student names. */
ayf_status ayf_run_finetune_open(ayf_run *run);
/* The discriminator and its optimiser; both programs. */
ayf_status ayf_run_finetune_weights(ayf_run *run);
ayf_status ayf_run_finetune_programs(ayf_run *run);
/* Before a step: chooses run->program and sets what distillation does not. After it: reads the figures. */
ayf_status ayf_run_finetune_begin_step(ayf_run *run);
ayf_status ayf_run_finetune_end_step(ayf_run *run, ayf_run_report *report);
void ayf_run_finetune_log(ayf_run *run);
void ayf_run_finetune_close(ayf_run *run);

/* Connects a program with the student's weights, average and moments and with the teachers. */
ayf_status ayf_run_bind(const ayf_run *run, ayf_program *program);
/* Stops the run for good; the last checkpoint stays. `why` is a sentence without a stop. */
ayf_status ayf_run_diverged(ayf_run *run, const char *why, const char *advice);

/* Writes the model file and a checkpoint, then removes checkpoints beyond save.keep. Weights, averages and moments that
 * are not finite are AYF_E_DIVERGED; then, and when any of them cannot be read, nothing is written. */
ayf_status ayf_run_checkpoint_write(ayf_run *run);
/* AYF_OK when the checkpoint of a step is one of this kind of run. */
ayf_status ayf_run_checkpoint_check(const ayf_run *run, int64_t step);
/* Restores weights, average, moments and run->step from the checkpoint of a step. */
ayf_status ayf_run_checkpoint_read(ayf_run *run, int64_t step);
/* The name of the first parameter that holds a value that is not finite; NULL when there is none, or after a failure. */
ayf_status ayf_run_bad_parameter(const ayf_run *run, const char **name);

ayf_status ayf_run_picture(ayf_run *run);
void ayf_run_picture_close(ayf_run *run);

#endif
