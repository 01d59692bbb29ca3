/* ayf sample in parts: sample.c reads the command line and draws, sample_out.c writes. */
#ifndef AYF_CLI_SAMPLE_H
#define AYF_CLI_SAMPLE_H

#include "cli.h"

typedef enum cli_sample_kind {
    CLI_SAMPLE_GRID,
    CLI_SAMPLE_FOLDER,
    CLI_SAMPLE_CSV,
    CLI_SAMPLE_NPZ
} cli_sample_kind;

typedef struct cli_sample_job {
    cli *c;
    const cli_args *args;
    ayf_model *model, *weak;
    ayf_decoder *decoder;  /* of latents; NULL: samples stay as the model draws them */
    ayf_model_facts facts; /* with a decoder: size and channels of its pictures, and no latents */
    size_t drawn;          /* values of one sample before it is decoded */
    ayf_sample_options options;
    uint64_t *seeds;
    int *class_list;
    size_t seed_count, class_count;
    int *classes; /* per image, when asked for; else NULL */
    double *times;
    size_t values; /* of one sample as it is written */
    int scale, columns;
    const char *out; /* a path; /dev/stdout for --out - */
    bool to_stdout;
    cli_sample_kind kind;
} cli_sample_job;

static inline bool cli_sample_in_32_bits(const cli_sample_job *j) {
    return j->facts.precision == AYF_PRECISION_HIGHEST;
}

/* All return an exit code. */

/* Samples first .. first + count - 1 of the job; classes may be NULL. */
int cli_sample_draw(cli_sample_job *j, size_t first, size_t count, float *images, int *classes);

/* Where the samples go. Refuses, before anything is drawn, what cannot be written. */
int cli_sample_choose_output(cli_sample_job *j);

/* Draws, writes and says where. */
int cli_sample_write(cli_sample_job *j);

#endif
