/* ayf eval in parts. eval.c reads the command line. fit.c, fidelity.c and distance.c measure.
 * print.c prints the results. */
#ifndef AYF_CLI_EVAL_H
#define AYF_CLI_EVAL_H

#include "cli.h"

enum { CLI_EVAL_NAME_SIZE = 96 };

/* One set of samples that was compared with the data. */
typedef struct cli_eval_measured {
    char name[CLI_EVAL_NAME_SIZE];
    int calls;    /* 0: does not apply */
    double gamma; /* NaN: does not apply */
    ayf_eval_row row;
} cli_eval_measured;

typedef struct cli_eval_job {
    cli *c;
    const cli_args *args;
    const char *subject;
    ayf_model *model, *teacher, *weak; /* model: NULL when the subject is data */
    ayf_model_facts facts;
    bool student;
    int *calls;
    size_t call_count;
    double *gammas;
    size_t gamma_count;
    ayf_solver solver;
    double guidance;
    int images, pairs, reference;
    uint64_t seed;
    /* Results. */
    ayf_fidelity_row *fidelity;
    ayf_semigroup_row semigroup[AYF_SEMIGROUP_ROWS];
    double defect;
    ayf_eval *eval;
    cli_eval_measured *rows;
    size_t row_count;
} cli_eval_job;

/* NULL: not given. */
static inline const char *cli_eval_value(const cli_eval_job *j, cli_option option) {
    return j->args->value[option];
}

/* An option of ayf eval that is given and is neither among those `allowed` nor --threads; NULL: there is none. */
const char *cli_eval_other(const cli_args *args, const cli_option *allowed, size_t count);

/* The strength that the model draws with: what was asked for, or the one nearest to 1. */
double cli_eval_guidance(const cli_eval_job *j);

/* All return an exit code. */
int cli_eval_fit(cli *c, const cli_args *args);
int cli_eval_fidelity(cli_eval_job *j);          /* j->fidelity, j->semigroup, j->defect */
int cli_eval_distance(cli_eval_job *j);          /* j->eval, j->rows */
int cli_eval_save(cli *c, const cli_args *args); /* --save-stats without a subject */

/* Whatever was measured: tables, or JSON. A failure is the library's. */
ayf_status cli_eval_print(const cli_eval_job *j);

#endif
