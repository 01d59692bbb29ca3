/* Opening a run, one step, the log. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backend/open.h"
#include "train/batch.h"
#include "train/best.h"
#include "train/checkpoint.h"
#include "train/divergence.h"
#include "train/figures.h"
#include "train/identity.h"
#include "train/inputs.h"
#include "train/kind.h"
#include "train/pictures.h"
#include "train/recipe.h"
#include "train/records.h"
#include "train/settings.h"
#include "train/run.h"
#include "train/snapshots.h"
#include "train/watch.h"
#include "train/kinds/teachers.h"
#include "train/plan/disk.h"
#include "train/plan/memory.h"

static const ayf_run_type *const types[] = {
#define AYF_RUN_TYPE(kind, type) [AYF_RUN_##kind] = &type,
    AYF_RUN_TYPES(AYF_RUN_TYPE)
#undef AYF_RUN_TYPE
};

/* ---- Opening ---- */

static ayf_status name_files(ayf_run *run, const char *folder) {
    run->folder = ayf_strdup(run->ctx, folder);
    run->config_path = ayf_path_join(run->ctx, folder, AYF_RUN_CONFIG);
    run->model_path = ayf_path_join(run->ctx, folder, AYF_RUN_MODEL);
    return run->folder && run->config_path && run->model_path ? AYF_OK : AYF_E_MEMORY;
}

/* The network that the run is about. */
static ayf_status begin_learner(ayf_run *run) {
    ayf_optim_options optim = ayf_optim_from_config(&run->cfg);
    ayf_run_share_optim(run, &optim);
    run->learners = 1;
    AYF_TRY(ayf_learner_new(&run->learner[0], run->backend, &run->spec, AYF_SCOPE_STUDENT, "", &optim));
    return ayf_learner_begin(&run->learner[0], (uint64_t)run->cfg.train.seed, run->begins_as);
}

static ayf_status check_steps(const ayf_run *run, int64_t latest) {
    if (latest < 0 || (uint64_t)latest <= run->steps) return AYF_OK;
    return ayf_fail(run->ctx, AYF_E_CONFIG,
                    "%s: the run in this folder has done %" PRId64 " steps, more than train.steps = %" PRIu64
                    "; ask for at least as many or use a new folder",
                    run->folder, latest, run->steps);
}

/* A run writes pictures, which would be read as data when it is resumed. */
static ayf_status check_apart(const ayf_run *run) {
    const char *const keys[] = {"data.source", "eval.reference"}, *const sources[] = {
                                                                      run->cfg.data.source,
                                                                      run->cfg.eval.reference};
    for (size_t i = 0; i < AYF_COUNT(keys); i++)
        if (ayf_run_lies_in(run->folder, sources[i]))
            return ayf_fail(
                run->ctx, AYF_E_CONFIG,
                "%s: lies in the data (%s = %s), and what a run writes must not become data; name a run "
                "folder outside of them",
                run->folder, keys[i], sources[i]);
    return AYF_OK;
}

static ayf_status look_into_folder(ayf_run *run, const char *folder) {
    AYF_TRY(name_files(run, folder));
    if (ayf_run_leads(run)) AYF_TRY(ayf_run_check_folder(run->ctx, run->folder));
    run->folder_is_ours = ayf_run_leads(run) && !ayf_path_exists(run->folder);
    return ayf_run_settings_read(run);
}

/* A folder is made only for a configuration that can be used; one that is there already is looked at first. */
static ayf_status open_folder(ayf_run *run, const ayf_run_options *options, int64_t *latest) {
    *latest = -1;
    if (!run->saved_config) {
        AYF_TRY(ayf_run_settings_load(run, options, false));
        AYF_TRY(check_apart(run));
    }
    if (!ayf_run_leads(run) || (run->dry && !run->saved_config)) return AYF_OK;
    if (!run->dry) AYF_TRY(ayf_run_begin(run->ctx, run->folder, &run->lock));
    return ayf_run_latest(run->ctx, run->folder, latest);
}

/* A checkpoint has the configuration in case somebody removed the file. */
static ayf_status restore_config(ayf_run *run) {
    if (run->saved_config || !run->past.config) return AYF_OK;
    run->saved_config = ayf_strdup(run->ctx, run->past.config);
    run->saved_size = strlen(run->past.config);
    if (!run->saved_config) return AYF_E_MEMORY;
    ayf_say(run->ctx, "%s: is missing, so the configuration in the checkpoint counts", run->config_path);
    return AYF_OK;
}

/* The folder's configuration decides what is not given now, also when no checkpoint was written yet: the user
 * has begun this run with it. */
static ayf_status settle(ayf_run *run, const ayf_run_options *options, int64_t latest) {
    run->resumes = latest >= 0;
    if (run->resumes) AYF_TRY(ayf_run_checkpoint_check(run, latest));
    AYF_TRY(restore_config(run));
    bool counts = run->resumes || !options->config_path;
    if (run->saved_config) AYF_TRY(ayf_run_settings_load(run, options, counts));
    if (run->saved_config && !run->resumes && counts && options->setting_count)
        ayf_say(run->ctx,
                "%s: there is no checkpoint yet; what is not given now is as in %s (remove it for the "
                "defaults)",
                run->folder, run->config_path);
    if (!run->resumes) AYF_TRY(check_apart(run));
    AYF_TRY(ayf_run_identity_locate(run));
    run->steps = (uint64_t)run->cfg.train.steps;
    AYF_TRY(check_steps(run, latest));
    return ayf_run_batch_share(run);
}

/* All that decides what a process does together with the others. */
typedef struct agenda {
    uint64_t settings, data, teachers, step, steps, parts, unprepared;
} agenda;

static ayf_status compare_agendas(const ayf_run *run, const agenda *own, const agenda *first) {
    if (memcmp(own, first, sizeof *own) == 0) return AYF_OK;
    return ayf_fail(
        run->ctx, AYF_E_CONFIG,
        "%s: has another configuration, step or trajectories here than in the first process; all processes "
        "of a run need the same options and the same files",
        run->folder);
}

static uint64_t unprepared(const ayf_run *run) {
    return run->type->unprepared ? run->type->unprepared(run) : 0;
}

static ayf_status open_models(ayf_run *run) {
    if (run->type->open(run) == AYF_OK) return AYF_OK;
    if (!run->resumes || run->ctx->status != AYF_E_IO) return run->ctx->status;
    return ayf_fail_prefix(run->ctx,
                           "a model of this run (if it was moved, say where it is: --teacher, --weak or "
                           "--student PATH): ");
}

static ayf_status load(ayf_run *run, const ayf_run_options *options, int64_t latest, agenda *own) {
    const ayf_run_type *type = run->type;
    AYF_TRY(settle(run, options, latest));
    if (type->open) AYF_TRY(open_models(run));
    AYF_TRY(ayf_run_open_data(run));
    AYF_TRY(ayf_run_identity_find(run));
    if (run->resumes) AYF_TRY(ayf_run_identity_compare(run, (uint64_t)latest));
    AYF_TRY(begin_learner(run));
    AYF_TRY(ayf_run_batch_open(run));
    if (type->begin) AYF_TRY(type->begin(run));
    if (latest >= 0) AYF_TRY(ayf_run_checkpoint_read(run, latest));
    if (ayf_run_leads(run)) AYF_TRY(ayf_run_check_diverged(run));
    if (latest < 0 && ayf_path_exists(run->model_path))
        ayf_say(run->ctx, "%s: there is no checkpoint, so the run begins again and will replace %s",
                run->folder, run->model_path);
    AYF_TRY(ayf_run_compile_checked(run));
    *own = (agenda){.settings = ayf_run_settings_hash(run->ctx, &run->cfg),
                    .data = ayf_hash(AYF_HASH_START, run->data_print, strlen(run->data_print)),
                    .teachers = run->teachers.hash,
                    .step = run->step,
                    .steps = run->steps,
                    .parts = (uint64_t)run->batch.parts,
                    .unprepared = unprepared(run)};
    return own->settings ? AYF_OK : AYF_E_MEMORY;
}

/* The checkpoint is written again, with the settings that hold from now on: the next start compares with
 * those. */
static ayf_status record_changes(ayf_run *run) {
    if (!run->changed) return AYF_OK;
    run->changed = false;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_text(run->log, "changes", run->past.changes + run->past.known);
    AYF_TRY(ayf_jsonl_end(run->log));
    return ayf_run_checkpoint_write(run);
}

/* Which data these were depends on what could be read of them. */
static ayf_status record_data(ayf_run *run) {
    size_t left_out = ayf_dataset_info_of(run->data)->left_out;
    if (!left_out || (run->resumes && !run->changed)) return AYF_OK;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_int(run->log, "left_out", (int64_t)left_out);
    return ayf_jsonl_end(run->log);
}

static ayf_status save_settings(ayf_run *run) {
    AYF_TRY(ayf_output_check(run->ctx, run->folder, true, ayf_run_disk(run)));
    AYF_TRY(ayf_run_make_inside(run->ctx, run->folder));
    AYF_TRY(ayf_best_open(run));
    AYF_TRY(ayf_run_settings_save(run));
    if (run->precision_settled && run->cfg.train.precision == AYF_PRECISION_BF16)
        ayf_say(run->ctx,
                "%s: computes in bf16, which is faster here (train.precision = highest: in 32 bits)",
                run->folder);
    AYF_TRY(ayf_run_forget_divergence(run));
    AYF_TRY(ayf_run_drop_snapshots(run->ctx, run->folder, run->step + 1)); /* of a kill: made again */
    AYF_TRY(ayf_run_open_log(run));
    AYF_TRY(record_data(run));
    return record_changes(run);
}

/* Whether something that is wanted every so many steps belongs to the step that was done last. */
static bool is_due(const ayf_run *run, int64_t every) {
    return ayf_run_finished(run) || (every > 0 && run->step % (uint64_t)every == 0);
}

static bool is_picture_due(const ayf_run *run) {
    return run->cfg.save.grid_every > 0 && is_due(run, run->cfg.save.grid_every);
}

/* What a run that was killed had still to do after its checkpoint: the grid, and to remove the checkpoint that
 * is one too many. */
static ayf_status make_up(ayf_run *run) {
    if (run->saved_step <= 0) return AYF_OK;
    AYF_TRY(ayf_run_prune(run->ctx, run->folder, run->cfg.save.keep));
    if (!is_picture_due(run)) return AYF_OK;
    char *path = ayf_run_samples_path(run->ctx, run->folder, run->saved_step);
    if (!path) return AYF_E_MEMORY;
    bool there = ayf_path_exists(path);
    ayf_free(run->ctx, path);
    return there ? AYF_OK : ayf_run_picture(run);
}

static ayf_status open_backend(ayf_run *run, const ayf_run_options *options) {
    AYF_TRY(look_into_folder(run, options->folder));
    AYF_TRY(ayf_run_settings_device(run, options));
    AYF_TRY(ayf_backend_open(run->ctx, &run->backend));
    run->faster = ayf_backend_precision(run->backend, AYF_PRECISION_AUTO);
    return AYF_OK;
}

/* Data that nobody has named are named once nothing was refused. */
static void say_data(const ayf_run *run) {
    if (!ayf_run_leads(run) || run->resumes) return;
    if (run->data_of)
        ayf_say(run->ctx, "%s: trains on the data of its %s, %s (--data gives others)", run->folder,
                run->data_of, run->cfg.data.source);
    else if (!ayf_assignments_last(run->given, "data.source"))
        ayf_say(run->ctx, "%s: trains on %s, as no data are given (--data)", run->folder,
                run->cfg.data.source);
}

static ayf_status open_all(ayf_run *run, const ayf_run_options *options) {
    int64_t latest;
    agenda own, first;
    AYF_TRY(ayf_comm_agree(run->comm, open_backend(run, options)));
    AYF_TRY(ayf_comm_broadcast(run->comm, &run->faster, sizeof run->faster, 0));
    AYF_TRY(ayf_comm_agree(run->comm, open_folder(run, options, &latest)));
    AYF_TRY(ayf_comm_broadcast(run->comm, &latest, sizeof latest, 0));
    AYF_TRY(ayf_comm_agree(run->comm, load(run, options, latest, &own)));
    first = own;
    AYF_TRY(ayf_comm_broadcast(run->comm, &first, sizeof first, 0));
    AYF_TRY(ayf_comm_agree(run->comm, compare_agendas(run, &own, &first)));
    if (run->changed) ayf_run_identity_say(run);
    say_data(run);
    if (run->dry) return AYF_OK;
    AYF_TRY(ayf_comm_agree(run->comm, ayf_run_leads(run) ? save_settings(run) : AYF_OK));
    return ayf_comm_agree(run->comm, ayf_run_leads(run) ? make_up(run) : AYF_OK);
}

static ayf_status check_options(ayf_context *ctx, const ayf_run_options *options) {
    if (!options || !options->folder || !*options->folder)
        return ayf_fail(ctx, AYF_E_USAGE, "a run needs a folder to keep its files in; name one");
    if ((unsigned)options->kind >= AYF_COUNT(types))
        return ayf_fail(ctx, AYF_E_USAGE, "there is no run of kind %d", (int)options->kind);
    return ayf_config_check_settings(ctx, options->settings, options->setting_count);
}

static ayf_status new_run(ayf_context *ctx, const ayf_run_options *options, bool dry, ayf_run **out) {
    AYF_TRY(check_options(ctx, options));
    ayf_run *run = *out = ayf_alloc(ctx, 1, sizeof *run);
    if (!run) return AYF_E_MEMORY;
    run->ctx = ctx;
    run->type = types[options->kind];
    run->dry = dry;
    run->allow_change = options->allow_change;
    run->saved_step = -1;
    run->rate_scale = 1;
    run->own = ayf_alloc(ctx, 1, run->type->own_size);
    return run->own ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status open_run(ayf_context *ctx, const ayf_run_options *options, bool dry, ayf_run **out) {
    ayf_comm *comm;
    ayf_run *run = NULL;
    *out = NULL;
    AYF_TRY(ayf_comm_open(ctx, &comm));
    ayf_status status = ayf_comm_agree(comm, new_run(ctx, options, dry, &run));
    if (run) run->comm = comm;
    if (status == AYF_OK) status = open_all(run, options);
    if (status != AYF_OK) {
        if (run && run->lock && !ayf_path_exists(run->config_path))
            ayf_run_abandon(ctx, run->folder, run->folder_is_ours);
        ayf_run_close(run);
        return status;
    }
    *out = run;
    return AYF_OK;
}

ayf_status ayf_run_open(ayf_context *ctx, const ayf_run_options *options, ayf_run **out) {
    return open_run(ctx, options, false, out);
}

ayf_status ayf_run_open_dry(ayf_context *ctx, const ayf_run_options *options, ayf_run **out) {
    return open_run(ctx, options, true, out);
}

void ayf_run_close(ayf_run *run) {
    if (!run) return;
    ayf_context *ctx = run->ctx;
    ayf_run_picture_close(run);
    ayf_best_close(run);
    ayf_run_close_log(run);
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++) ayf_program_free(run->programs[i]);
    if (run->own && run->type->close) run->type->close(run);
    for (int i = 0; i < AYF_RUN_LEARNERS; i++) ayf_learner_clear(&run->learner[i]);
    ayf_dataset_close(run->data);
    ayf_run_close_teachers(run);
    ayf_run_batch_close(run);
    ayf_run_identity_clear(run);
    void *owned[] = {run->own, run->folder, run->config_path, run->model_path, run->saved_config};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    ayf_config_free(ctx, &run->cfg);
    ayf_assignments_free(run->given);
    ayf_folder_unlock(run->lock);
    ayf_free(ctx, run);
}

bool ayf_run_finished(const ayf_run *run) { return run->step >= run->steps; }
const char *ayf_run_model_path(const ayf_run *run) { return run->model_path; }

/* ---- One step ---- */

static ayf_status begin_part(ayf_run *run) {
    const ayf_run_batch *b = &run->batch;
    AYF_TRY(run->type->draw(run));
    AYF_TRY(ayf_step_feed(run->program, &b->in));
    for (int i = 0; i < run->learners; i++)
        AYF_TRY(ayf_learner_set_part(&run->learner[i], run->program, b->part, b->parts));
    AYF_TRY(ayf_learner_set_rates(&run->learner[0], run->program, run->step, ayf_run_rate(run),
                                  ayf_ema_from_config(&run->cfg, run->step)));
    if (run->type->set) AYF_TRY(run->type->set(run));
    return ayf_program_ready(run->program);
}

static ayf_status read_part(ayf_run *run) {
    float loss, grad_norm;
    AYF_TRY(ayf_program_get(run->program, "loss", &loss, 1));
    run->figures.loss += (double)loss;
    if (run->batch.part + 1 == run->batch.parts) {
        AYF_TRY(ayf_program_get(run->program, "grad_norm", &grad_norm, 1));
        run->figures.grad_norm = (double)grad_norm * run->batch.parts;
    }
    return run->type->read ? run->type->read(run) : AYF_OK;
}

/* Everything before the last part is run. A failure here leaves weights and moments as they were, so the run
 * may still be saved. */
static ayf_status begin_step(ayf_run *run) {
    if (run->type->enter) AYF_TRY(run->type->enter(run));
    run->figures = (ayf_run_figures){0};
    for (run->batch.part = 0;; run->batch.part++) {
        AYF_TRY(begin_part(run));
        if (run->batch.part + 1 == run->batch.parts) return AYF_OK;
        AYF_TRY(ayf_program_run_part(run->program));
        AYF_TRY(read_part(run));
    }
}

/* A failure here does not. */
static ayf_status run_last_part(ayf_run *run) {
    AYF_TRY(ayf_program_start(run->program));
    ayf_run_draw_ahead(run);
    AYF_TRY(ayf_program_wait(run->program));
    return read_part(run);
}

/* Sums over parts and processes become means; those over samples stay sums. */
static ayf_status share_figures(ayf_run *run) {
    ayf_run_figures *f = &run->figures;
    double shares = (double)run->comm->ranks * run->batch.parts;
    double *means[] = {&f->loss, &f->grad_norm, &f->tangent, &f->error, &f->jvp};
    AYF_TRY(ayf_comm_sum_f64(run->comm, (double *)f, sizeof *f / sizeof(double)));
    for (size_t i = 0; i < AYF_COUNT(means); i++) *means[i] /= shares;
    for (int i = 0; i < AYF_RUN_FIGURES; i++) f->own[i] /= shares;
    return AYF_OK;
}

ayf_status ayf_run_rehearse(ayf_run *run) {
    AYF_TRY(ayf_comm_agree(run->comm, begin_step(run)));
    return ayf_comm_agree(run->comm, run_last_part(run));
}

static ayf_status optimise(ayf_run *run, ayf_run_report *report) {
    AYF_TRY(ayf_comm_agree(run->comm, run_last_part(run)));
    AYF_TRY(share_figures(run));
    report->loss = run->figures.loss;
    report->grad_norm = run->figures.grad_norm;
    if (!isfinite(report->loss) || !isfinite(report->grad_norm))
        return ayf_run_not_finite(run, report->loss, report->grad_norm);
    AYF_TRY(ayf_watch_step(run));
    ayf_run_sum_figures(run);
    return run->type->note ? run->type->note(run, report) : AYF_OK;
}

static ayf_status write_log(ayf_run *run, const ayf_run_report *report) {
    bool due = is_due(run, run->cfg.save.log_every);
    return due ? ayf_run_write_log(run, report) : ayf_run_log_measured(run);
}

/* What is measured belongs to the line of its step, and both come before the checkpoint: after a kill between
 * them, they are made again. */
static ayf_status measure_and_log(ayf_run *run, const ayf_run_report *report) {
    if (run->owes_measurement && ayf_watch_trusts(run)) AYF_TRY(ayf_best_measure(run));
    return write_log(run, report);
}

/* What is due after a step. */
static ayf_status keep_records(ayf_run *run, ayf_run_report *report) {
    bool leads = ayf_run_leads(run), trusts = ayf_watch_trusts(run);
    run->owes_save |= is_due(run, run->cfg.save.every);
    run->owes_picture |= is_picture_due(run);
    run->owes_snapshot |= run->cfg.train.ema_widths.count > 0 && is_due(run, run->cfg.save.snapshots);
    run->owes_measurement |= run->cfg.eval.every > 0 && is_due(run, run->cfg.eval.every);
    AYF_TRY(ayf_comm_agree(run->comm, leads ? measure_and_log(run, report) : AYF_OK));
    if (is_due(run, run->cfg.save.log_every)) run->sums = (ayf_run_sums){0};
    if (!trusts) return AYF_OK;
    run->owes_measurement = false;
    if (run->owes_snapshot) AYF_TRY(ayf_comm_agree(run->comm, leads ? ayf_run_snapshot_write(run) : AYF_OK));
    run->owes_snapshot = false;
    if (run->owes_save) {
        AYF_TRY(ayf_run_save(run));
        report->saved = true;
        run->owes_save = false;
    }
    if (!run->owes_picture) return AYF_OK;
    run->owes_picture = false;
    return ayf_comm_agree(run->comm, leads ? ayf_run_picture(run) : AYF_OK);
}

static void clear_report(const ayf_run *run, ayf_run_report *report) {
    *report = (ayf_run_report){.step = run->step,
                               .steps = run->steps,
                               .loss = NAN,
                               .tangent_rms = NAN,
                               .error_rms = NAN,
                               .grad_norm = NAN,
                               .bytes = run->bytes,
                               .g_loss = NAN,
                               .d_loss = NAN,
                               .logit_real = NAN,
                               .logit_fake = NAN,
                               .r1 = NAN,
                               .r2 = NAN,
                               .adaptive_weight = NAN};
}

static ayf_status step(ayf_run *run, ayf_run_report *report) {
    double start = ayf_seconds();
    if (unprepared(run)) {
        AYF_TRY(run->type->prepare(run, report));
        report->seconds = ayf_seconds() - start;
        return AYF_OK;
    }
    report->learning_rate = ayf_run_rate(run);
    AYF_TRY(ayf_comm_agree(run->comm, begin_step(run)));
    report->bytes = run->bytes;
    ayf_status status = optimise(run, report);
    if (status != AYF_OK) return ayf_run_step_failed(run, status);
    report->seconds = ayf_seconds() - start;
    run->clock.seconds += report->seconds;
    run->clock.steps++;
    report->step = ++run->step;
    return keep_records(run, report);
}

/* Not cancelled half-way: a step is done or it has failed. */
ayf_status ayf_run_step(ayf_run *run, ayf_run_report *report) {
    ayf_run_report unused;
    if (!report) report = &unused;
    clear_report(run, report);
    if (run->ended != AYF_OK) return ayf_run_repeat_end(run);
    if (ayf_run_finished(run))
        return ayf_fail(run->ctx, AYF_E_USAGE,
                        "%s: the run has done its %" PRIu64 " steps; raise train.steps to go on", run->folder,
                        run->steps);
    run->ctx->undisturbed = true;
    ayf_status status = step(run, report);
    if (status == AYF_E_DIVERGED) status = ayf_run_after_divergence(run, report);
    run->ctx->undisturbed = false;
    return status;
}

void ayf_run_progress(const ayf_run *run, uint64_t *step, uint64_t *steps) {
    *step = run->step;
    *steps = run->steps;
}

/* Every process steps by itself, so other processors or libraries than the others' lead it away from them. */
static ayf_status compare_weights(ayf_run *run) {
    uint64_t own = AYF_HASH_START, first;
    if (run->comm->ranks == 1) return AYF_OK;
    AYF_TRY(ayf_comm_agree(run->comm, ayf_weights_hash(run->learner[0].weights, &own)));
    first = own;
    AYF_TRY(ayf_comm_broadcast(run->comm, &first, sizeof first, 0));
    ayf_status status = AYF_OK;
    if (own != first)
        status = ayf_fail(
            run->ctx, AYF_E_INTERNAL,
            "the weights here are not those of the first process any more, so nothing was saved; all "
            "processes of a run need the same processors, libraries and number of threads");
    return ayf_comm_agree(run->comm, status);
}

ayf_status ayf_run_save(ayf_run *run) {
    bool leads = ayf_run_leads(run);
    if (run->ended != AYF_OK) return ayf_run_repeat_end(run);
    if (unprepared(run)) return ayf_comm_agree(run->comm, leads ? run->type->save_prepared(run) : AYF_OK);
    if (run->saved_step == (int64_t)run->step) return AYF_OK;
    if (!ayf_watch_trusts(run)) {
        ayf_say(run->ctx,
                "%s: step %" PRIu64
                " is not saved, because the run may be diverging; what was saved before is kept",
                run->folder, run->step);
        return AYF_OK;
    }
    AYF_TRY(compare_weights(run));
    AYF_TRY(ayf_comm_agree(run->comm, leads ? ayf_run_checkpoint_write(run) : AYF_OK));
    run->saved_step = (int64_t)run->step;
    return AYF_OK;
}
