/* A training run (ayf_run_* of include/ayf.h): what its parts share.
 *
 * A step is a pure function of (configuration, step number, weights and moments), so a checkpoint holds the
 * latter two and a run that is stopped and resumed makes the same bytes as one that is not.
 *
 * Several processes share a run: each computes its part of every batch, and all of them have the same weights
 * and moments. The first one leads: it alone writes. What can fail on one process is agreed on
 * (ayf_comm_agree) before anything that all must do together.
 */
#ifndef AYF_RUN_H
#define AYF_RUN_H

#include "comm/comm.h"
#include "config/assignments.h"
#include "data/dataset.h"
#include "flow/inputs.h"
#include "flow/mixture.h"
#include "flow/teacher.h"
#include "io/events.h"
#include "io/jsonl.h"
#include "sample/sampler.h"
#include "train/learner.h"
#include "train/run_folder.h"

typedef struct ayf_run_type ayf_run_type; /* train/kind.h */

enum {
    AYF_RUN_BUCKETS = 8,  /* of t, in the log: [0, 1/8), [1/8, 2/8), ... */
    AYF_RUN_LEARNERS = 2, /* networks that a run trains, at most */
    AYF_RUN_PROGRAMS = 2, /* programs that a run changes between, at most */
    AYF_RUN_FIGURES = 8   /* of one kind of run, at most */
};

/* Figures of the step at hand: sums over its parts and, at its end, over the processes. Doubles only. */
typedef struct ayf_run_figures {
    double loss, grad_norm, tangent, error, jvp; /* means over a part */
    double own[AYF_RUN_FIGURES];                 /* of the kind of run, the same */
    /* Sums over samples, and their numbers. */
    double loss_bucket[AYF_RUN_BUCKETS], tangent_bucket[AYF_RUN_BUCKETS], in_bucket[AYF_RUN_BUCKETS];
} ayf_run_figures;

/* Sums since the last line of the log. Doubles only: a checkpoint holds them as they are, so that a resumed
 * run writes the line that it would have written. */
typedef struct ayf_run_sums {
    double steps, loss, grad_norm, tangent, error, jvp;
    double jvps;                                             /* steps that have one */
    double own[AYF_RUN_FIGURES], own_steps[AYF_RUN_FIGURES]; /* of the kind of run */
    double loss_bucket[AYF_RUN_BUCKETS], tangent_bucket[AYF_RUN_BUCKETS], in_bucket[AYF_RUN_BUCKETS];
} ayf_run_sums;

/* What time says, which is another one each time: steps and seconds since the last line of the log, the
 * seconds that the folder's earlier sessions took, when this one began, and whether it has no line yet. */
typedef struct ayf_run_clock {
    double steps, seconds, before, opened;
    bool fresh;
} ayf_run_clock;

/* What a run knows of its past (train/watch.h). Doubles only: a checkpoint holds them as they are. */
enum {
    AYF_WATCH_LOSS,
    AYF_WATCH_TANGENT,
    AYF_WATCH_ERROR,
    AYF_WATCH_WEIGHTS, /* of the first learner; those of the second one follow */
    AYF_WATCH_DISCRIMINATOR,
    AYF_WATCH_FIGURES,
    AYF_WATCH_WINDOW = 32,
    AYF_WATCH_EVERY = 8,
    AYF_WATCH_STRIKES = 5
};
typedef struct ayf_watch_row {
    double seen, lowest; /* values remembered so far; their lowest median */
    double last[AYF_WATCH_WINDOW];
} ayf_watch_row;
typedef struct ayf_run_watch {
    ayf_watch_row row[AYF_WATCH_FIGURES];
    double strikes;      /* steps beyond less steps within; 0: nothing is suspected */
    double suspected_at; /* the first step count of which the weights are suspected */
} ayf_run_watch;

/* Why and where a run diverged. */
typedef struct ayf_run_divergence {
    uint64_t step;      /* in which it was noticed, counted from 1 */
    uint64_t bad_since; /* checkpoints of this step and of later ones are not to be trusted */
    uint64_t rollbacks; /* before it */
    char why[480], advice[320];
} ayf_run_divergence;

/* Measurements during training (train/best.h), in the process that leads. */
typedef struct ayf_run_best {
    bool fidelity;     /* to the teacher; otherwise a distance to data */
    ayf_eval *eval;    /* NULL: none is needed */
    char *recipe;      /* how it is measured; NULL: nothing is */
    const char *name;  /* of the figure in the log */
    double now, value; /* of the present step, NaN when it was not measured; the best */
    uint64_t step;     /* of the best */
} ayf_run_best;

/* Inputs and outputs of one run of the program, allocated once. */
typedef struct ayf_run_batch {
    int count;                           /* samples: train.batch / processes / parts */
    int parts, part;                     /* of this process's share of the batch, and the one at hand */
    int group;                           /* samples that a step treats together (ayf_run_type.group) */
    float *x0, *x1;                      /* count x values */
    float *t, *s, *guidance;             /* count */
    float *onehot;                       /* count x classes */
    int *labels;                         /* count; -1: none */
    float *loss, *tangent, *error, *jvp; /* count */
    float r;                             /* weight of the derivative in the tangent */
    size_t values;                       /* of one sample */
    bool draws;                          /* steps have data and noise */
    uint64_t ahead;     /* the step of whose first part x0, x1 and labels are already; 0: of none */
    ayf_step_inputs in; /* what the program at hand is fed with: the arrays above, and a kind's own */
} ayf_run_batch;

/* Networks, or a closed form, whose velocity is distilled. */
typedef struct ayf_run_teachers {
    ayf_weights *teacher, *weak; /* NULL: analytic, or none */
    uint64_t hash;               /* of the values of both: a run resumes with the teachers it began with */
    ayf_network_teacher network; /* .guided: lambda is drawn per sample */
    ayf_mixture mixture;
    ayf_velocity velocity;
} ayf_run_teachers;

/* What the checkpoint says that a run goes on from; NULL: it says nothing. See train/identity.h. */
typedef struct ayf_run_past {
    char *config, *data, *teachers, *machine;
    char *begins;  /* hash of the model that train.init or finetune.student named at the beginning */
    char *changes; /* the history, a line each; what is new is behind the first `known` bytes */
    size_t known;
    uint64_t config_hash; /* of the configuration it went by */
} ayf_run_past;

struct ayf_run {
    ayf_context *ctx;
    ayf_comm *comm; /* the context's */
    const ayf_run_type *type;
    void *own; /* the type's, own_size bytes */

    char *folder, *config_path, *model_path;
    ayf_folder_lock *lock;
    bool folder_is_ours; /* it was not there before this run was opened */
    /* What the folder's config.yaml said when this run was opened; NULL: there was none. */
    char *saved_config;
    size_t saved_size;
    ayf_config cfg;
    ayf_assignments *given; /* what cfg was made from */
    bool given_saved;       /* saved_config is in it */
    bool resumes;           /* there is a checkpoint */
    bool dry;               /* nothing is written (ayf_run_try) */
    bool allow_change;      /* of what decides results, on purpose */
    bool changed;           /* there is something to record */
    ayf_run_past past;
    char data_print[160];               /* fingerprint of the data */
    char machine[AYF_DEVICE_SIZE + 64]; /* what computes: "cpu avx2, 2 threads, 1 process, 1 part" */

    ayf_backend *backend;   /* the context's */
    bool precision_settled; /* train.precision was auto */
    ayf_precision faster;   /* what train.precision = auto comes to: the first process decides */
    ayf_dataset *data;
    const char
        *data_of;      /* "teacher" or "student": whose data are taken, as none were given; NULL otherwise */
    double sigma_data; /* 0: not known yet */
    ayf_run_teachers teachers;

    /* The network that a student begins as, and the key that names it; NULL: none. */
    const ayf_weights *begins_as;
    const char *begins_key;
    const char *begins_path;
    uint64_t
        begins_hash; /* of the model of train.init or finetune.student, when it was read; 0: it was not */

    ayf_model_spec spec;                   /* of the network that the run is about */
    ayf_learner learner[AYF_RUN_LEARNERS]; /* that network first; its average is the model */
    int learners;
    ayf_program *program;                    /* of the step at hand, one of `programs` */
    ayf_program *programs[AYF_RUN_PROGRAMS]; /* NULL: none */
    uint64_t bytes;                          /* planned memory of all programs together */
    ayf_memory_parts memory;                 /* of the run at its peak (train/plan/memory.h) */
    uint64_t room;                           /* for it: what the process has of it and what is free */
    const char *room_limit;                  /* the narrowest limit: static, "MemAvailable" */

    uint64_t step, steps;
    int64_t saved_step; /* that has a checkpoint; -1: none */
    /* Not AYF_OK: what is trained is of no step any more, so the run neither goes on nor saves. */
    ayf_status ended;
    char ending[AYF_MESSAGE_SIZE]; /* the message, repeated when the run is used after it */
    ayf_run_divergence divergence; /* when `ended` is AYF_E_DIVERGED */
    ayf_run_watch watch;
    uint64_t rollbacks; /* how often the run has gone back after a divergence */
    double rate_scale;  /* factor of all learning rates: 1, lower after a rollback */
    bool owes_save, owes_picture, owes_measurement, owes_snapshot; /* due in steps that were suspected */

    ayf_run_batch batch;
    ayf_run_figures figures;
    ayf_run_sums sums;
    ayf_run_clock clock;
    ayf_run_best best;
    ayf_jsonl *log;     /* NULL in processes that do not lead */
    ayf_events *events; /* NULL in those, and without save.events */

    /* Made for the first picture. */
    ayf_sampler *sampler;
    ayf_network_teacher trained; /* a teacher run samples from what it trains */
    ayf_velocity trained_velocity;
    float *pictures;
};

static inline bool ayf_run_leads(const ayf_run *run) { return run->comm->rank == 0; }

#endif
