#include "train/divergence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint.h"
#include "train/figures.h"
#include "train/kind.h"
#include "train/records.h"

/* ---- The end ---- */

static ayf_status end_run(ayf_run *run, ayf_status status) {
    run->ended = status;
    snprintf(run->ending, sizeof run->ending, "%s", run->ctx->message);
    return status;
}

ayf_status ayf_run_repeat_end(ayf_run *run) { return ayf_fail(run->ctx, run->ended, "%s", run->ending); }

static const char *what_is_kept(const ayf_run *run, char *text, size_t size) {
    if (run->saved_step < 0) return "no good checkpoint had been written yet";
    snprintf(text, size, "the checkpoint of step %" PRId64 " and the " AYF_RUN_MODEL " of that step are kept",
             run->saved_step);
    return text;
}

/* The same words whenever it is asked: from the divergence and what is kept. */
static ayf_status fail_diverged(ayf_run *run) {
    const ayf_run_divergence *d = &run->divergence;
    char kept[160], back[160], before[80] = "";
    snprintf(back, sizeof back, "%s with --set train.on_divergence=rollback",
             run->saved_step < 0 ? "repeat the whole command" : "go on from there");
    if (d->rollbacks) {
        snprintf(before, sizeof before, " after %" PRIu64 " rollback%s", d->rollbacks,
                 d->rollbacks == 1 ? "" : "s");
        snprintf(back, sizeof back, "allow more rollbacks (train.rollbacks = %d)", run->cfg.train.rollbacks);
    }
    ayf_fail(run->ctx, AYF_E_DIVERGED,
             "training diverged in step %" PRIu64 "%s: %s; %s. Begin again in a new folder with %s, or %s",
             d->step, before, d->why, what_is_kept(run, kept, sizeof kept), d->advice, back);
    return end_run(run, AYF_E_DIVERGED);
}

ayf_status ayf_run_diverged(ayf_run *run, uint64_t bad_since, const char *why, const char *advice) {
    run->divergence =
        (ayf_run_divergence){.step = run->step + 1, .bad_since = bad_since, .rollbacks = run->rollbacks};
    snprintf(run->divergence.why, sizeof run->divergence.why, "%s", why);
    snprintf(run->divergence.advice, sizeof run->divergence.advice, "%s", advice);
    for (char *at = run->divergence.why; *at; at++)
        if (*at == '\n') *at = ' '; /* a line of the record */
    return fail_diverged(run);
}

/* Weights and moments may be half of this step and half of the one before. */
ayf_status ayf_run_step_failed(ayf_run *run, ayf_status status) {
    char kept[AYF_MESSAGE_SIZE];
    if (run->ended != AYF_OK) return status;
    ayf_fail_prefix(run->ctx,
                    "step %" PRIu64
                    " failed on the way, so it cannot be saved; %s. Start the run again, which "
                    "goes on from its last checkpoint or else from the beginning: ",
                    run->step + 1, what_is_kept(run, kept, sizeof kept));
    return end_run(run, status);
}

static uint64_t suspected_since(const ayf_run *run) {
    return run->watch.strikes > 0 ? (uint64_t)run->watch.suspected_at : run->step;
}

static void rate_advice(const ayf_run *run, char *text, size_t size) {
    snprintf(text, size, "a lower %s (it is %g), a longer train.lr_warmup or train.grad_clip = 1",
             run->type->rate_key, run->type->rate(&run->cfg));
}

ayf_status ayf_run_not_finite(ayf_run *run, double loss, double grad_norm) {
    const char *bad = NULL;
    bool known = ayf_run_bad_parameter(run, &bad) == AYF_OK;
    char why[320], advice[160];
    snprintf(why, sizeof why, "the loss is %g and the norm of the gradient %g%s%s", loss, grad_norm,
             bad     ? "; the first parameter that is not finite is "
             : known ? "; all parameters are finite"
                     : "; the parameters cannot be read",
             bad ? bad : "");
    rate_advice(run, advice, sizeof advice);
    return ayf_run_diverged(run, suspected_since(run), why, advice);
}

/* ---- What the folder says ---- */

/* Three lines: the step and the number of rollbacks; why; the advice. */
static ayf_status write_record(const ayf_run *run) {
    char text[sizeof run->divergence + 32];
    const ayf_run_divergence *d = &run->divergence;
    int size = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 "\n%s\n%s\n", d->step, d->rollbacks, d->why,
                        d->advice);
    char *path = ayf_path_join(run->ctx, run->folder, AYF_RUN_DIVERGED);
    ayf_status status = path ? ayf_file_write(run->ctx, path, text, (size_t)size) : AYF_E_MEMORY;
    ayf_free(run->ctx, path);
    return status;
}

/* False: somebody else wrote it, and it says nothing. */
static bool parse_record(char *text, ayf_run_divergence *d) {
    char *line[3] = {text}, *end;
    for (int i = 0; i < 3; i++) {
        char *newline = strchr(line[i], '\n');
        if (!newline) return false;
        *newline = 0;
        if (i < 2) line[i + 1] = newline + 1;
    }
    *d = (ayf_run_divergence){.step = strtoull(line[0], &end, 10)};
    if (end == line[0] || *end != ' ') return false;
    d->rollbacks = strtoull(end, &end, 10);
    snprintf(d->why, sizeof d->why, "%s", line[1]);
    snprintf(d->advice, sizeof d->advice, "%s", line[2]);
    return !*end;
}

static ayf_status same_settings(const ayf_run *run, bool *same) {
    char *text = ayf_config_text(run->ctx, &run->cfg);
    if (!text) return AYF_E_MEMORY;
    *same = run->saved_config && run->saved_size == strlen(text) &&
            memcmp(text, run->saved_config, run->saved_size) == 0;
    ayf_free(run->ctx, text);
    return AYF_OK;
}

/* *known is false when there is none. */
static ayf_status read_record(ayf_context *ctx, const char *folder, ayf_run_divergence *d, bool *known) {
    enum { MOST = 1 << 16 };
    void *bytes = NULL;
    size_t size;
    char *path = ayf_path_join(ctx, folder, AYF_RUN_DIVERGED);
    ayf_status status = path ? AYF_OK : AYF_E_MEMORY;
    if (path && ayf_path_exists(path)) status = ayf_file_read(ctx, path, MOST, &bytes, &size);
    *known = bytes && parse_record(bytes, d);
    ayf_free(ctx, bytes);
    ayf_free(ctx, path);
    return status;
}

ayf_status ayf_run_check_diverged(ayf_run *run) {
    bool same, known = false;
    AYF_TRY(same_settings(run, &same));
    if (same) AYF_TRY(read_record(run->ctx, run->folder, &run->divergence, &known));
    return known ? fail_diverged(run) : AYF_OK;
}

ayf_status ayf_run_read_divergence(ayf_context *ctx, const char *folder, char **out) {
    ayf_run_divergence d;
    bool known;
    *out = NULL;
    AYF_TRY(read_record(ctx, folder, &d, &known));
    if (known) *out = ayf_format(ctx, "step %" PRIu64 ": %s", d.step, d.why);
    return known && !*out ? AYF_E_MEMORY : AYF_OK;
}

ayf_status ayf_run_forget_divergence(ayf_run *run) {
    char *path = ayf_path_join(run->ctx, run->folder, AYF_RUN_DIVERGED);
    ayf_status status = path ? ayf_file_remove(run->ctx, path) : AYF_E_MEMORY;
    ayf_free(run->ctx, path);
    return status;
}

/* ---- Good and bad checkpoints ---- */

static bool may_roll_back(const ayf_run *run) {
    return run->cfg.train.on_divergence == AYF_CFG_DIVERGENCE_ROLLBACK &&
           run->rollbacks < (uint64_t)run->cfg.train.rollbacks;
}

/* *latest is the good checkpoint that stays, -1: there is none. A rollback prefers one that was due, so that it
 * does not matter where the run was stopped on the way, and what comes behind that one is of another past. */
static ayf_status set_bad_apart(ayf_run *run, int64_t *latest) {
    bool back = may_roll_back(run);
    AYF_TRY(ayf_run_set_apart(run->ctx, run->folder, run->divergence.bad_since));
    AYF_TRY(ayf_run_drop_snapshots(run->ctx, run->folder, run->divergence.bad_since));
    AYF_TRY(ayf_run_latest_due(run->ctx, run->folder, back ? run->cfg.save.every : 0, latest));
    if (*latest < 0) return ayf_file_remove(run->ctx, run->model_path);
    if (!back) return AYF_OK;
    AYF_TRY(ayf_run_drop_snapshots(run->ctx, run->folder, (uint64_t)*latest + 1));
    return ayf_run_set_apart(run->ctx, run->folder, (uint64_t)*latest + 1);
}

/* All moments are 0 and the weights what they were before the first step. */
static ayf_status begin_again(ayf_run *run) {
    for (int i = 0; i < run->learners; i++)
        AYF_TRY(ayf_learner_restart(&run->learner[i], (uint64_t)run->cfg.train.seed,
                                    i == 0 ? run->begins_as : NULL));
    run->step = 0;
    run->watch = (ayf_run_watch){0};
    run->sums = (ayf_run_sums){0};
    return AYF_OK;
}

/* ---- Rollback ---- */

/* The checkpoint is written again, with the number of rollbacks: a run that is killed goes on as this one. */
static ayf_status record_rollback(ayf_run *run) {
    AYF_TRY(ayf_run_checkpoint_write(run));
    return ayf_run_log_rollback(run);
}

static ayf_status roll_back(ayf_run *run, int64_t latest, ayf_run_report *report) {
    uint64_t rollbacks = run->rollbacks + 1;
    double scale = run->rate_scale * run->cfg.train.rollback_rate;
    AYF_TRY(ayf_comm_agree(run->comm, latest < 0 ? begin_again(run) : ayf_run_checkpoint_read(run, latest)));
    run->rollbacks = rollbacks;
    run->rate_scale = scale;
    run->watch.strikes = 0;
    run->clock.steps = run->clock.seconds = 0;
    run->owes_save = run->owes_picture = run->owes_measurement = run->owes_snapshot = false;
    AYF_TRY(ayf_comm_agree(run->comm, ayf_run_leads(run) ? record_rollback(run) : AYF_OK));
    run->saved_step = (int64_t)run->step;
    run->ended = AYF_OK;
    report->step = run->step;
    report->loss = report->grad_norm = (double)NAN;
    report->learning_rate = ayf_run_rate(run);
    report->rolled_back = true;
    ayf_say(run->ctx,
            "diverged in step %" PRIu64 ": %s; going back to step %" PRIu64
            " with the learning rate times %g (rollback %" PRIu64 " of %d)",
            run->divergence.step, run->divergence.why, run->step, run->rate_scale, run->rollbacks,
            run->cfg.train.rollbacks);
    return AYF_OK;
}

/* Without a rollback the model file has to be that of the good checkpoint all the same, and reading writes
 * it. */
static ayf_status keep_good(ayf_run *run, int64_t latest) {
    if (latest >= 0) AYF_TRY(ayf_run_checkpoint_read(run, latest));
    AYF_TRY(write_record(run));
    return AYF_OK;
}

ayf_status ayf_run_after_divergence(ayf_run *run, ayf_run_report *report) {
    char why[sizeof run->divergence.why], advice[160];
    int64_t latest = -1;
    ayf_run_divergence noticed;
    if (run->ended == AYF_OK) { /* a file or a picture could not be made of values that are not finite */
        snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, run->ctx->message);
        rate_advice(run, advice, sizeof advice);
        ayf_run_diverged(run, run->step, why, advice);
    }
    noticed = run->divergence;
    AYF_TRY(ayf_comm_agree(run->comm, ayf_run_leads(run) ? set_bad_apart(run, &latest) : AYF_OK));
    AYF_TRY(ayf_comm_broadcast(run->comm, &latest, sizeof latest, 0));
    run->saved_step = latest;
    if (may_roll_back(run)) return roll_back(run, latest, report);
    AYF_TRY(ayf_comm_agree(run->comm, ayf_run_leads(run) ? keep_good(run, latest) : AYF_OK));
    run->divergence = noticed;
    run->saved_step = latest;
    return fail_diverged(run);
}
