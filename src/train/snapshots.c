#include "train/snapshots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/wait.h"
#include "io/text.h"
#include "model/snapshot.h"
#include "nn/network.h"
#include "nn/optim.h"
#include "nn/profiles.h"
#include "train/checkpoint.h"

/* ---- Writing ---- */

ayf_status ayf_run_snapshot_write(ayf_run *run) {
    ayf_model_card card = {0};
    AYF_TRY(ayf_run_make_snapshots(run->ctx, run->folder));
    char *path = ayf_run_snapshot_path(run->ctx, run->folder, (int64_t)run->step);
    ayf_status status = path ? ayf_run_card(run, &card) : AYF_E_MEMORY;
    if (status == AYF_OK)
        status = ayf_snapshot_write(path, run->learner[0].power, &run->cfg.train.ema_widths, &card);
    ayf_free(run->ctx, card.config);
    ayf_free(run->ctx, path);
    return status;
}

/* ---- Which snapshots ---- */

typedef struct job {
    ayf_context *ctx;
    const char *folder;
    int64_t *steps; /* of the snapshots that count, highest first */
    size_t count;
    int *widths;          /* of each snapshot */
    ayf_profile *profile; /* of all averages */
    double *factor;       /* the same */
    size_t averages;
    ayf_model_spec spec; /* of the newest */
    ayf_model_card card;
    ayf_params *params;
} job;

static ayf_status refuse_step(const job *j, uint64_t step) {
    ayf_text list;
    ayf_text_init(&list, j->ctx);
    for (size_t i = j->count; i-- > 0;) { /* the ends of a long list */
        if (j->count > 12 && i == j->count - 4) ayf_text_print(&list, ", ...");
        if (j->count > 12 && i < j->count - 3 && i > 3) continue;
        ayf_text_print(&list, "%s%" PRId64, list.size ? ", " : "", j->steps[i]);
    }
    ayf_status status = list.failed ? AYF_E_MEMORY
                                    : ayf_fail(j->ctx, AYF_E_USAGE,
                                               "%s: step %" PRIu64
                                               " has no snapshot (--step); there are those of the steps %s",
                                               j->folder, step, list.data);
    ayf_text_free(&list);
    return status;
}

/* Later snapshots say nothing about an average that ends before them. */
static ayf_status choose(job *j, uint64_t step) {
    AYF_TRY(ayf_run_snapshots(j->ctx, j->folder, &j->steps, &j->count));
    while (j->count && j->steps[j->count - 1] == 0) j->count--; /* not ours: nothing is averaged yet */
    if (!j->count)
        return ayf_fail(
            j->ctx, AYF_E_CONFIG,
            "%s: has no snapshots of averages; a run keeps them with --set train.ema_widths=0.05,0.1, "
            "from its first step on",
            j->folder);
    if (step == 0) return AYF_OK;
    for (size_t i = 0; i < j->count; i++) {
        if ((uint64_t)j->steps[i] != step) continue;
        j->count -= i;
        memmove(j->steps, j->steps + i, j->count * sizeof *j->steps);
        return AYF_OK;
    }
    return refuse_step(j, step);
}

static ayf_status read_one(job *j, size_t i, ayf_reals *widths) {
    ayf_model_spec spec;
    ayf_model_card card;
    char *path = ayf_run_snapshot_path(j->ctx, j->folder, j->steps[i]);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = ayf_snapshot_read_card(j->ctx, path, widths, &spec, &card);
    if (status == AYF_OK && card.step != (uint64_t)j->steps[i]) {
        ayf_model_card_free(j->ctx, &card);
        status = ayf_fail(j->ctx, AYF_E_FORMAT, "%s: its name and its content disagree about the step", path);
    }
    ayf_free(j->ctx, path);
    AYF_TRY(status);
    if (i > 0) {
        ayf_model_card_free(j->ctx, &card);
        return AYF_OK;
    }
    j->spec = spec;
    j->card = card;
    return ayf_params_new(j->ctx, &spec, &j->params);
}

static ayf_status read_cards(job *j) {
    j->widths = ayf_alloc(j->ctx, j->count, sizeof *j->widths);
    j->profile = ayf_alloc(j->ctx, j->count, AYF_LIST_MAX * sizeof *j->profile);
    j->factor = ayf_alloc(j->ctx, j->count, AYF_LIST_MAX * sizeof *j->factor);
    if (!j->widths || !j->profile || !j->factor) return AYF_E_MEMORY;
    for (size_t i = 0; i < j->count; i++) {
        ayf_reals widths = {0};
        AYF_TRY(read_one(j, i, &widths));
        j->widths[i] = widths.count;
        for (int k = 0; k < widths.count; k++)
            j->profile[j->averages++] =
                (ayf_profile){.step = (double)j->steps[i], .gamma = ayf_ema_gamma(widths.at[k])};
    }
    return AYF_OK;
}

/* ---- The sum ---- */

/* The configuration of a run whose model this would be. */
static ayf_status describe(job *j, double width) {
    ayf_config cfg;
    AYF_TRY(ayf_config_defaults_of_file(j->ctx, &cfg));
    ayf_status status = ayf_config_parse(j->ctx, "the configuration in a snapshot", j->card.config,
                                         strlen(j->card.config), &cfg);
    cfg.train.ema = AYF_CFG_EMA_POWER;
    cfg.train.ema_std = width;
    char *text = status == AYF_OK ? ayf_config_text(j->ctx, &cfg) : NULL;
    ayf_config_free(j->ctx, &cfg);
    if (!text) return status == AYF_OK ? AYF_E_MEMORY : status;
    ayf_free(j->ctx, j->card.config);
    j->card.config = text;
    return AYF_OK;
}

static ayf_status add_all(const job *j, double *sum) {
    const double *factors = j->factor + j->averages;
    ayf_task_begin(j->ctx, "snapshots", j->count);
    for (size_t i = j->count; i-- > 0;) { /* the newest last */
        factors -= j->widths[i];
        char *path = ayf_run_snapshot_path(j->ctx, j->folder, j->steps[i]);
        ayf_status status =
            path ? ayf_snapshot_add(j->ctx, path, j->params, factors, j->widths[i], sum) : AYF_E_MEMORY;
        ayf_free(j->ctx, path);
        AYF_TRY(status);
        AYF_TRY(ayf_task_add(j->ctx, 1));
    }
    return AYF_OK;
}

static ayf_status write_sum(const job *j, const char *path) {
    size_t total = 0;
    for (int i = 0; i < j->params->count; i++) total += j->params->at[i].size;
    AYF_TRY(ayf_output_check(j->ctx, path, false, total * sizeof(float)));
    double *sum = ayf_alloc(j->ctx, total, sizeof *sum);
    float *values = ayf_alloc(j->ctx, total, sizeof *values);
    ayf_status status = sum && values ? add_all(j, sum) : AYF_E_MEMORY;
    for (size_t i = 0; status == AYF_OK && i < total; i++) values[i] = (float)sum[i];
    if (status == AYF_OK)
        status = ayf_model_write_values(j->ctx, path, &j->spec, j->params, values, &j->card);
    ayf_free(j->ctx, values);
    ayf_free(j->ctx, sum);
    return status;
}

static ayf_status make(job *j, const ayf_average_options *options, const char *path,
                       ayf_average_facts *facts) {
    AYF_TRY(ayf_output_check(j->ctx, path, false, 0));
    AYF_TRY(choose(j, options->step));
    ayf_status status = read_cards(j);
    *facts =
        (ayf_average_facts){.step = (uint64_t)j->steps[0], .snapshots = j->count, .averages = j->averages};
    ayf_profile wanted = {.step = (double)j->steps[0], .gamma = ayf_ema_gamma(options->width)};
    if (status == AYF_OK)
        status = ayf_profile_fit(j->ctx, j->profile, j->averages, wanted, j->factor, &facts->error);
    if (status == AYF_OK) status = describe(j, options->width);
    if (status == AYF_OK) status = write_sum(j, path);
    if (status == AYF_E_FORMAT)
        ayf_fail_prefix(j->ctx, "a snapshot cannot be used (the others do without it when it is removed): ");
    return status;
}

ayf_status ayf_run_average(ayf_context *ctx, const char *folder, const ayf_average_options *options,
                           const char *path, ayf_average_facts *facts) {
    const double least = 0.001, most = 0.28;
    ayf_average_facts unused;
    job j = {.ctx = ctx, .folder = folder};
    if (!folder || !*folder || !path || !*path || !options)
        return ayf_fail(ctx, AYF_E_USAGE, "name the folder of a run, a width and the file to be written");
    if (!(options->width >= least && options->width <= most))
        return ayf_fail(ctx, AYF_E_USAGE, "the width of an average is from %g to %g (--width), not %g", least,
                        most, options->width);
    ayf_status status = make(&j, options, path, facts ? facts : &unused);
    ayf_model_card_free(ctx, &j.card);
    ayf_params_free(j.params);
    void *owned[] = {j.steps, j.widths, j.profile, j.factor};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    return status;
}
