/* The kinds of runs: one row per kind. Code that runs share calls the row and never asks which kind it is.
 *
 * To add a kind: a value of ayf_run_kind (ayf.h), a row in AYF_RUN_TYPES, a source with its ayf_run_type, its
 * verb in cli/args.h, and its keys in config/keys.def. */
#ifndef AYF_KIND_H
#define AYF_KIND_H

#include "train/state.h"

typedef struct ayf_unused_key {
    const char *name;    /* a key, or a section ("distill.") */
    const char *instead; /* a clause for people: "the learning rate is finetune.lr"; NULL: nothing is */
} ayf_unused_key;

struct ayf_run_type {
    const char *verb;                      /* "train": of `ayf train`, and the kind in checkpoints */
    const ayf_unused_key *unused;          /* what a setting must not name; ends with a name of NULL */
    size_t own_size;                       /* of run->own, which is zeroed */
    bool makes_student;                    /* the model is a flow map; otherwise a teacher */
    const char *rate_key;                  /* "train.lr" */
    double (*rate)(const ayf_config *cfg); /* the highest learning rate of the first learner */
    /* The model that a run begins with and that its steps do not need any more, and its key; NULL: there is none. */
    const char *(*begins)(const ayf_config *cfg);
    const char *begins_key; /* "train.init" */
    /* The rules between keys: one of config.h's, and what the kind adds to it. Never NULL; asked of the whole
     * configuration, before open(). */
    ayf_status (*validate)(ayf_context *ctx, const ayf_config *cfg);

    /* Samples of a batch that a step treats together (statistics in the graph, coupling), and the key that says how many; NULL: each
     * stands alone. */
    int (*group)(const ayf_config *cfg);
    const char *group_key;

    /* Hooks, in the order in which they are called; NULL: nothing to do. */

    /* The configuration below file and settings; it holds the defaults so far. Not asked when the folder's
     * own configuration is used. */
    ayf_status (*base)(ayf_run *run, const ayf_assignments *given);
    /* Before the data is opened: teachers, run->sigma_data, what the student begins as. */
    ayf_status (*open)(ayf_run *run);
    /* After the data, the batch and the first learner: further learners, buffers, checks of run->spec. */
    ayf_status (*begin)(ayf_run *run);
    /* After a checkpoint was read: fills run->programs and run->program. */
    ayf_status (*compile)(ayf_run *run);
    /* What the kind keeps in memory in the phase of the step at hand, besides programs, learners and teachers. */
    uint64_t (*memory)(const ayf_run *run);

    /* Work before the first step, a piece for each call of ayf_run_step(). */
    uint64_t (*unprepared)(const ayf_run *run);                  /* pieces that are left; 0: none */
    ayf_status (*prepare)(ayf_run *run, ayf_run_report *report); /* all processes together */
    ayf_status (*save_prepared)(ayf_run *run);

    /* Each step. Processes do these by themselves, without waiting for each other. */
    ayf_status (*enter)(ayf_run *run); /* chooses run->program, or compiles it when another phase begins */
    ayf_status (*draw)(ayf_run *run);  /* fills run->batch for the part at hand */
    ayf_status (*set)(ayf_run *run);   /* inputs that run->batch.in and the first learner do not cover */
    /* After every part: adds outputs other than loss and gradient norm to run->figures. */
    ayf_status (*read)(ayf_run *run);
    /* After the last: run->figures are means over the batch now. */
    ayf_status (*note)(ayf_run *run, ayf_run_report *report);
    /* Figures for the line of the log, between the learning rate and the gradient's norm. */
    void (*log)(ayf_run *run);

    void (*close)(ayf_run *run); /* what run->own owns; the run may be half open */
};

/* X(KIND, type): the type of AYF_RUN_KIND */
#define AYF_RUN_TYPES(X) X(TRAIN, ayf_run_train) X(DISTILL, ayf_run_distill) X(FINETUNE, ayf_run_finetune)

#define AYF_RUN_TYPE(kind, type) extern const ayf_run_type type;
AYF_RUN_TYPES(AYF_RUN_TYPE)
#undef AYF_RUN_TYPE

#endif
