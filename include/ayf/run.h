/* Training, distillation, fine-tuning. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_RUN_H
#define AYF_API_RUN_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Training ---- */

typedef struct ayf_run ayf_run;

typedef enum ayf_run_kind {
    AYF_RUN_TRAIN,    /* a teacher, or a weak teacher, by flow matching */
    AYF_RUN_DISTILL,  /* a student from a teacher */
    AYF_RUN_FINETUNE, /* a better student from a student, against a discriminator */
} ayf_run_kind;

typedef struct ayf_run_options {
    ayf_run_kind kind;
    const char *folder; /* required; made when missing. An unfinished run in the folder is resumed */
    /* A YAML file. NULL: the configuration in the folder, if there is one; otherwise the defaults. */
    const char *config_path;
    const char *const *settings; /* "train.lr=0.01"; override the file. Keys: ayf_config_explain() */
    int setting_count;
    /* Goes on with what differs from the checkpoint and decides results: keys, data, teachers. What fits no
     * checkpoint (the shape of the network) is refused all the same. The checkpoints and the log say what
     * changed. */
    bool allow_change;
} ayf_run_options;

typedef struct ayf_run_report { /* NaN: not known for this step */
    uint64_t step, steps;       /* steps done; steps of the whole run */
    double loss;
    double learning_rate;
    double tangent_rms; /* students: RMS of g before normalisation */
    double error_rms;   /* students: RMS of F - v */
    double grad_norm;
    double seconds; /* duration of this step */
    uint64_t bytes; /* planned memory of the step's program */
    /* Fine-tuning: losses of student and discriminator, mean logits of data and of fakes, squared gradient
     * norms of the discriminator at both (R1, R2), and the factor of alpha. */
    double g_loss, d_loss, logit_real, logit_fake, r1, r2, adaptive_weight;
    bool saved;       /* a checkpoint was written with this step */
    bool rolled_back; /* the run diverged and goes on from `step`, with a lower rate; there are no figures */
    /* While teacher trajectories are being generated: how many are done, and how many are needed.
     * Otherwise 0. */
    uint64_t prepared, to_prepare;
} ayf_run_report;

/* Reads the configuration and compiles the step. Resumes the run when the folder holds checkpoints.
 * AYF_E_CONFIG if the configuration is wrong, or differs from the checkpoint's in a key other than
 * train.steps, train.accumulate and save.*, or if the data or the teachers are not those of the checkpoint.
 * Their contents count, not their paths. AYF_E_MEMORY when the step, its weights and a checkpoint need more memory
 * than is free, before they are allocated; the message names a batch that fits. AYF_E_IO when the checkpoints and
 * the model do not fit the disk. */
AYF_API AYF_CHECKED ayf_status ayf_run_open(ayf_context *ctx, const ayf_run_options *options, ayf_run **out);
/* Number of steps done (including those before the run was resumed) and steps of the whole run. */
AYF_API void ayf_run_progress(const ayf_run *run, uint64_t *step, uint64_t *steps);
/* Does one optimiser step, and writes the log, sample grids and checkpoints that are due. `report` may be
 * NULL. AYF_E_DIVERGED for a loss that is not finite, for figures or weights that explode
 * (train.divergence_factor), and for a discriminator that wins in fine-tuning (finetune.logit_limit);
 * ayf_run_open() then returns it too, until the configuration is another one. With train.on_divergence =
 * rollback the run goes back to its last good checkpoint instead. After a step whose computation failed,
 * ayf_run_step() and ayf_run_save() repeat the error. In all these cases the last good checkpoint is kept.
 * After a failure, close the run; when it is opened again, it resumes from its last checkpoint. With
 * distill.midtrain_steps, the first calls make the teacher's trajectories, one batch per call, and
 * report->step does not change. */
AYF_API AYF_CHECKED ayf_status ayf_run_step(ayf_run *run, ayf_run_report *report);
AYF_API bool ayf_run_finished(const ayf_run *run);
/* Writes a checkpoint now, or the trajectories made so far. Does nothing when the last step was saved
 * already. */
AYF_API AYF_CHECKED ayf_status ayf_run_save(ayf_run *run);
/* Path of the model file, which is written with every checkpoint. */
AYF_API const char *ayf_run_model_path(const ayf_run *run);
/* The memory of a run at its peak, in bytes. */
typedef struct ayf_memory_parts {
    uint64_t step;         /* the step's programs, with weights, moments, averages and teachers */
    uint64_t batch;        /* what goes in and out of them */
    uint64_t data;         /* samples that are kept in memory */
    uint64_t trajectories; /* of mid-training */
    uint64_t pictures;     /* drawing save.grid_every's */
    uint64_t checkpoint;   /* while it is written */
    uint64_t measuring;    /* what eval.every takes: an estimate; the larger of the two counts */
    uint64_t process;      /* an allowance for libraries and what they keep, which cannot be known */
} ayf_memory_parts;        /* of a GPU's memory: step, pictures and measuring; the others are 0 */
AYF_API uint64_t ayf_memory_total(const ayf_memory_parts *parts);

/* What a run takes. Sizes in bytes. */
typedef struct ayf_run_plan {
    int height, width, channels, classes; /* of a sample; points: 1, 1, their dimension */
    bool points;
    int batch, parts;                              /* train.batch; parts that a process computes it in */
    ayf_precision precision;                       /* HIGHEST or BF16 */
    uint64_t parameters, discriminator_parameters; /* that are trained */
    bool on_device;                                /* memory is that of a GPU */
    ayf_memory_parts memory;                       /* of the phase that takes most */
    uint64_t bytes;                                /* all of it together */
    uint64_t free_bytes; /* of that memory, what this process has and can get; UINT64_MAX: not known */
    double step_gflop, step_seconds; /* convolutions and products of a step; NaN: not measured */
    uint64_t done, steps;            /* steps done, and of the whole run */
    uint64_t midtrain_steps;         /* which are not what was measured, nor are trajectories */
    uint64_t checkpoints;            /* that are there at the same time */
    uint64_t checkpoint_bytes, model_bytes, disk_bytes;
    double disk_free_bytes; /* NaN: not known */
} ayf_run_plan;
/* Opens what the run needs, compiles its step and times three of them (the median counts; one before is not
 * counted) without writing anything: no folder is made, and a run that is in the folder stays as it is. Fails as
 * ayf_run_open() would. */
AYF_API AYF_CHECKED ayf_status ayf_run_try(ayf_context *ctx, const ayf_run_options *options,
                                           ayf_run_plan *plan);
AYF_API void ayf_run_close(ayf_run *run); /* NULL is fine; unsaved steps are lost */

/* ---- Averages ----
 *
 * A run with train.ema_widths keeps power-function averages of these widths besides the average that is its model, and
 * snapshots of them. Any other width can be made from the snapshots afterwards (post-hoc EMA, arXiv 2312.02696). */

typedef struct ayf_average_options {
    double width;  /* of the average, relative to the length of the training; 0.001 ... 0.28 */
    uint64_t step; /* a step that has a snapshot; 0 = the last one */
} ayf_average_options;

typedef struct ayf_average_facts {
    uint64_t step;                /* of the model */
    uint64_t snapshots, averages; /* that it is made of */
    double error; /* what is missing of the wanted average's profile, as a share of its norm: 0 = exact */
} ayf_average_facts;

/* Writes the average of the width as a model file, atomically. It is the model of a run with train.ema = power and
 * train.ema_std = width, and its card says so. `folder` is only read; the run may be going on. `facts` may be NULL.
 * AYF_E_USAGE: the width is out of range, or the step has no snapshot. AYF_E_CONFIG: the run has no snapshots.
 * AYF_E_FORMAT: a snapshot is damaged. */
AYF_API ayf_status ayf_run_average(ayf_context *ctx, const char *folder, const ayf_average_options *options,
                                   const char *path, ayf_average_facts *facts);

/* ---- Several processes ----
 *
 * A run can be shared by several processes, on one machine or on several with a common file system. An MPI
 * launcher starts them (mpirun -n 4 ...), each opens a context with ayf_options.mpi, and all of them make the
 * same calls of ayf_run_* in the same order. Each takes its share of train.batch. The first process alone
 * writes files and logs. A failure of one process is returned to all of them, with its message. The results
 * are those of one process to rounding, and the same bytes for the same number of processes.
 *
 * MPI is started with the first function that needs it, unless the caller has started it, and ended by
 * ayf_close(). As MPI can be started once only, a process has one context of this kind. A build without MPI
 * returns AYF_E_USAGE. */

/* This process's place among them: 0 <= rank < ranks. Without ayf_options.mpi: 0 of 1. */
AYF_API AYF_CHECKED ayf_status ayf_ranks(ayf_context *ctx, int *rank, int *ranks);
/* Whether `here` is true in any of them: what stops one process must stop all, or the others wait for it. All
 * processes call it. */
AYF_API AYF_CHECKED ayf_status ayf_any_rank(ayf_context *ctx, bool here, bool *anywhere);

#ifdef __cplusplus
}
#endif

#endif
