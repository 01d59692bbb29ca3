#include "train/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/recipe.h"
#include "base/wait.h"
#include "backend/cpu/cpu.h"
#include "base/rng.h"

/* ---- Opening ---- */

static ayf_status name_files(ayf_run *run, const char *folder) {
    run->folder = ayf_strdup(run->ctx, folder);
    run->config_path = ayf_path_join(run->ctx, folder, AYF_RUN_CONFIG);
    run->model_path = ayf_path_join(run->ctx, folder, AYF_RUN_MODEL);
    return run->folder && run->config_path && run->model_path ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status make_weights(ayf_run *run) {
    AYF_TRY(ayf_weights_new(run->backend, &run->spec, &run->weights));
    AYF_TRY(ayf_weights_new(run->backend, &run->spec, &run->adam_m));
    AYF_TRY(ayf_weights_new(run->backend, &run->spec, &run->adam_v));
    AYF_TRY(ayf_weights_init(run->weights, (uint64_t)run->cfg.train.seed));
    if (run->kind == AYF_RUN_DISTILL && run->cfg.distill.student_init == AYF_CFG_INIT_TEACHER)
        AYF_TRY(ayf_weights_copy(run->weights, run->teacher_at));
    if (run->kind == AYF_RUN_FINETUNE) AYF_TRY(ayf_weights_copy(run->weights, run->finetune.student_at));
    run->average = run->weights;
    if (run->cfg.train.ema == AYF_CFG_EMA_NONE) return AYF_OK;
    ayf_weights *average;
    AYF_TRY(ayf_weights_new(run->backend, &run->spec, &average));
    run->average = average;
    return ayf_weights_copy(run->average, run->weights);
}

static ayf_graph *step_graph(const ayf_run *run) {
    if (run->kind == AYF_RUN_TRAIN)
        return ayf_teacher_step_graph(run->ctx,
                                      &(ayf_teacher_step){.network = run->weights->params,
                                                          .batch = run->cfg.train.batch,
                                                          .optim = ayf_optim_from_config(&run->cfg)});
    ayf_distill_step step = ayf_distill_from_config(&run->cfg);
    step.student = run->weights->params;
    step.teacher = run->teacher;
    if (ayf_run_midtrains(run)) step.target = AYF_TARGET_GIVEN;
    return ayf_distill_step_graph(run->ctx, &step);
}

ayf_status ayf_run_bind(const ayf_run *run, ayf_program *program) {
    AYF_TRY(ayf_weights_bind(run->weights, program, "student."));
    AYF_TRY(ayf_weights_bind(run->adam_m, program, "student.adam.m."));
    AYF_TRY(ayf_weights_bind(run->adam_v, program, "student.adam.v."));
    if (run->average != run->weights) AYF_TRY(ayf_weights_bind(run->average, program, "student.ema."));
    if (run->teacher_at) AYF_TRY(ayf_weights_bind(run->teacher_at, program, "teacher."));
    return run->weak_at ? ayf_weights_bind(run->weak_at, program, "weak.") : AYF_OK;
}

static ayf_status make_program(ayf_run *run) {
    AYF_TRY(ayf_compile(run->backend, step_graph(run), NULL, &run->program));
    AYF_TRY(ayf_run_bind(run, run->program));
    run->midtrains = ayf_run_midtrains(run);
    ayf_program_facts facts = ayf_program_describe(run->program);
    run->bytes = facts.arena_bytes + facts.scratch_bytes + facts.leaf_bytes;
    return AYF_OK;
}

static ayf_status make_batch(ayf_run *run) {
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    ayf_run_batch *b = &run->batch;
    size_t n = (size_t)run->cfg.train.batch;
    b->values = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    float **per_sample[] = {&b->t, &b->s, &b->guidance, &b->tangent, &b->error, &b->jvp};
    for (size_t i = 0; i < AYF_COUNT(per_sample); i++)
        if (!(*per_sample[i] = ayf_alloc(run->ctx, n, sizeof(float)))) return AYF_E_MEMORY;
    b->x0 = ayf_alloc(run->ctx, n, b->values * sizeof(float));
    b->x1 = ayf_alloc(run->ctx, n, b->values * sizeof(float));
    b->onehot = ayf_alloc(run->ctx, n, (size_t)run->spec.label_dim * sizeof(float));
    b->labels = ayf_alloc(run->ctx, n, sizeof(int));
    return b->x0 && b->x1 && b->onehot && b->labels ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status resume(ayf_run *run, int64_t latest) {
    AYF_TRY(ayf_run_checkpoint_read(run, latest));
    if (run->step > run->steps)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: the run in this folder has done %" PRIu64
                        " steps, more than train.steps = %" PRIu64
                        "; ask for at least as many or use a new folder",
                        run->folder, run->step, run->steps);
    return AYF_OK;
}

static ayf_status open_log(ayf_run *run) {
    char *path = ayf_path_join(run->ctx, run->folder, AYF_RUN_LOG);
    if (!path) return AYF_E_MEMORY;
    ayf_status status =
        ayf_jsonl_open(run->ctx, path, run->saved_step < 0 ? -1 : (int64_t)run->step, &run->log);
    ayf_free(run->ctx, path);
    return status;
}

/* A folder is made only for a configuration that can be used; one that is there already is looked at first. What an
 * attempt without a checkpoint left there decides nothing, unless the folder is all that is named. */
static ayf_status open_folder(ayf_run *run, const ayf_run_options *options, int64_t *latest) {
    bool known = ayf_path_exists(run->config_path);
    run->folder_is_ours = !ayf_path_exists(run->folder);
    if (!known) AYF_TRY(ayf_run_config_load(run, options, false));
    AYF_TRY(ayf_run_begin(run->ctx, run->folder, &run->lock));
    AYF_TRY(ayf_run_latest(run->ctx, run->folder, latest));
    if (*latest >= 0) AYF_TRY(ayf_run_checkpoint_check(run, *latest));
    bool alone = !options->config_path && options->setting_count == 0;
    return known ? ayf_run_config_load(run, options, *latest >= 0 || alone) : AYF_OK;
}

static ayf_status open_all(ayf_run *run, const ayf_run_options *options) {
    int64_t latest;
    AYF_TRY(name_files(run, options->folder));
    AYF_TRY(ayf_cpu_open(run->ctx, &run->backend));
    AYF_TRY(open_folder(run, options, &latest));
    run->steps = (uint64_t)run->cfg.train.steps;
    AYF_TRY(ayf_run_source_open(run));
    if (latest >= 0) AYF_TRY(ayf_run_config_compare(run));
    AYF_TRY(make_weights(run));
    AYF_TRY(make_batch(run));
    if (run->kind == AYF_RUN_FINETUNE) AYF_TRY(ayf_run_finetune_weights(run));
    if (latest >= 0) AYF_TRY(resume(run, latest));
    if (latest < 0 && ayf_path_exists(run->model_path))
        ayf_say(run->ctx, "%s: there is no checkpoint, so the run begins again and will replace %s",
                run->folder, run->model_path);
    if (ayf_run_midtrains(run)) AYF_TRY(ayf_run_trajectories_open(run));
    AYF_TRY(run->kind == AYF_RUN_FINETUNE ? ayf_run_finetune_programs(run) : make_program(run));
    AYF_TRY(ayf_run_config_save(run));
    return open_log(run);
}

ayf_status ayf_run_open(ayf_context *ctx, const ayf_run_options *options, ayf_run **out) {
    *out = NULL;
    if (!options || !options->folder || !*options->folder)
        return ayf_fail(ctx, AYF_E_USAGE, "a run needs a folder to keep its files in; name one");
    if ((unsigned)options->kind > AYF_RUN_FINETUNE)
        return ayf_fail(ctx, AYF_E_USAGE, "there is no run of kind %d", (int)options->kind);
    AYF_TRY(ayf_config_check_settings(ctx, options->settings, options->setting_count));
    ayf_run *run = ayf_alloc(ctx, 1, sizeof *run);
    if (!run) return AYF_E_MEMORY;
    run->ctx = ctx;
    run->kind = options->kind;
    run->saved_step = -1;
    ayf_status status = open_all(run, options);
    if (status != AYF_OK) {
        if (run->lock && !ayf_path_exists(run->config_path))
            ayf_run_abandon(ctx, run->folder, run->folder_is_ours);
        ayf_run_close(run);
        return status;
    }
    *out = run;
    return AYF_OK;
}

void ayf_run_close(ayf_run *run) {
    if (!run) return;
    ayf_context *ctx = run->ctx;
    ayf_run_picture_close(run);
    ayf_run_trajectories_close(run);
    ayf_jsonl_close(run->log);
    if (run->kind == AYF_RUN_FINETUNE)
        ayf_run_finetune_close(run);
    else
        ayf_program_free(run->program);
    if (run->average != run->weights) ayf_weights_free(run->average);
    ayf_weights_free(run->weights);
    ayf_weights_free(run->adam_m);
    ayf_weights_free(run->adam_v);
    ayf_run_source_close(run);
    ayf_backend_close(run->backend);
    void *owned[] = {run->batch.x0,       run->batch.x1,     run->batch.t,      run->batch.s,
                     run->batch.guidance, run->batch.onehot, run->batch.labels, run->batch.tangent,
                     run->batch.error,    run->batch.jvp,    run->folder,       run->config_path,
                     run->model_path};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    ayf_config_free(ctx, &run->cfg);
    ayf_folder_unlock(run->lock);
    ayf_free(ctx, run);
}

bool ayf_run_finished(const ayf_run *run) { return run->step >= run->steps; }
const char *ayf_run_model_path(const ayf_run *run) { return run->model_path; }

/* ---- The inputs of a step ---- */

/* Whether the class of a training sample is hidden. Step 1: step 0 of this purpose decides about mirroring.
 */
static bool drops_label(const ayf_run *run, uint64_t sample) {
    if (run->kind != AYF_RUN_TRAIN || run->cfg.train.label_dropout <= 0) return false;
    float u;
    ayf_rng_uniform((ayf_rng_key){(uint64_t)run->cfg.train.seed, AYF_RNG_AUGMENT, 1, sample}, &u, 1);
    return (double)u < run->cfg.train.label_dropout;
}

static void draw_times(const ayf_run *run, const ayf_time_sampler *pairs, size_t i, uint64_t sample) {
    const ayf_config *cfg = &run->cfg;
    const ayf_run_batch *b = &run->batch;
    uint64_t seed = (uint64_t)cfg->train.seed;
    if (run->kind == AYF_RUN_TRAIN) {
        b->t[i] = ayf_teacher_time(cfg->train.time_mean, cfg->train.time_std, seed, run->step, sample);
        return;
    }
    ayf_time_pair(pairs, seed, run->step, sample, &b->t[i], &b->s[i]);
    b->guidance[i] = 1;
    if (ayf_run_conditional_guidance(run))
        b->guidance[i] =
            ayf_guidance_draw(cfg->distill.guidance_min, cfg->distill.guidance_max, seed, run->step, sample);
}

/* Data, noise, times and guidance. */
static ayf_status draw_data(ayf_run *run, const ayf_time_sampler *pairs, size_t n) {
    ayf_run_batch *b = &run->batch;
    uint64_t seed = (uint64_t)run->cfg.train.seed, first = run->step * n;
    AYF_TRY(ayf_dataset_batch(run->data, seed, first, n, b->x0, b->labels));
    float scale = (float)(1 / run->sigma_data);
    for (size_t i = 0; i < n * b->values; i++) b->x0[i] *= scale;
    for (size_t i = 0; i < n; i++) {
        ayf_rng_normal((ayf_rng_key){seed, AYF_RNG_NOISE, run->step, first + i}, b->x1 + i * b->values,
                       b->values);
        draw_times(run, pairs, i, first + i);
    }
    return AYF_OK;
}

static ayf_status fill_batch(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    size_t n = (size_t)run->cfg.train.batch, classes = (size_t)run->spec.label_dim;
    uint64_t first = run->step * n;
    ayf_time_sampler pairs = ayf_times_from_config(&run->cfg);
    if (!run->midtrains) AYF_TRY(draw_data(run, &pairs, n));
    memset(b->onehot, 0, n * classes * sizeof *b->onehot);
    for (size_t i = 0; i < n; i++) {
        uint64_t sample = first + i;
        if (run->midtrains) ayf_run_trajectories_draw(run, &pairs, i, sample);
        if (classes && b->labels[i] >= 0 && !drops_label(run, sample))
            b->onehot[i * classes + (size_t)b->labels[i]] = 1;
    }
    return AYF_OK;
}

/* Not every graph has every input. One that a graph has and nobody sets is an error of the program. */
static ayf_status set(ayf_run *run, const char *leaf, const float *values, size_t count) {
    if (!ayf_program_has_leaf(run->program, leaf)) return AYF_OK;
    return ayf_program_set(run->program, leaf, values, count);
}

static double learning_rate(const ayf_run *run) {
    double highest = run->kind == AYF_RUN_FINETUNE ? run->cfg.finetune.lr : run->cfg.train.lr;
    return ayf_rate_below(&run->cfg, highest, run->step);
}

/* A student that is fine-tuned has its tangent warm-up behind it. */
static double tangent_weight(const ayf_run *run) {
    return run->kind == AYF_RUN_FINETUNE ? run->cfg.distill.r_max
                                         : ayf_tangent_weight_from_config(&run->cfg, run->step);
}

static ayf_status set_inputs(ayf_run *run) {
    const ayf_run_batch *b = &run->batch;
    size_t n = (size_t)run->cfg.train.batch;
    ayf_optim_options optim = ayf_optim_from_config(&run->cfg);
    float step_size, v_scale, decay = (float)ayf_ema_from_config(&run->cfg, run->step);
    float r = (float)tangent_weight(run);
    ayf_adam_scalars(learning_rate(run), optim.beta1, optim.beta2, run->step, &step_size, &v_scale);
    AYF_TRY(set(run, "x0", b->x0, n * b->values));
    AYF_TRY(set(run, "x1", b->x1, n * b->values));
    AYF_TRY(set(run, "x_t", b->x0, n * b->values));
    AYF_TRY(set(run, "v", b->x1, n * b->values));
    AYF_TRY(set(run, "t", b->t, n));
    AYF_TRY(set(run, "s", b->s, n));
    AYF_TRY(set(run, "guidance", b->guidance, n));
    AYF_TRY(set(run, "onehot", b->onehot, n * (size_t)run->spec.label_dim));
    AYF_TRY(set(run, "r", &r, 1));
    AYF_TRY(set(run, "student.opt.step_size", &step_size, 1));
    AYF_TRY(set(run, "student.opt.v_scale", &v_scale, 1));
    return set(run, "student.opt.ema_decay", &decay, 1);
}

/* ---- The outputs of a step ---- */

static ayf_status end_run(ayf_run *run, ayf_status status) {
    run->ended = status;
    snprintf(run->ending, sizeof run->ending, "%s", run->ctx->message);
    return status;
}

static ayf_status said_before(ayf_run *run) { return ayf_fail(run->ctx, run->ended, "%s", run->ending); }

static const char *what_is_kept(const ayf_run *run, char *text, size_t size) {
    if (run->saved_step < 0) return "no checkpoint had been written yet";
    snprintf(text, size, "the checkpoint of step %" PRId64 " and %s are kept", run->saved_step,
             run->model_path);
    return text;
}

ayf_status ayf_run_diverged(ayf_run *run, const char *why, const char *advice) {
    char kept[AYF_MESSAGE_SIZE];
    ayf_fail(run->ctx, AYF_E_DIVERGED,
             "training diverged in step %" PRIu64 ": %s; %s. Begin again in a new folder with %s",
             run->step + 1, why, what_is_kept(run, kept, sizeof kept), advice);
    return end_run(run, AYF_E_DIVERGED);
}

/* Weights and moments may be half of this step and half of the one before. */
static ayf_status step_failed(ayf_run *run, ayf_status status) {
    char kept[AYF_MESSAGE_SIZE];
    if (run->ended != AYF_OK) return status;
    ayf_fail_prefix(run->ctx,
                    "step %" PRIu64
                    " failed on the way, so it cannot be saved; %s. Start the run again, which "
                    "goes on from its last checkpoint or else from the beginning: ",
                    run->step + 1, what_is_kept(run, kept, sizeof kept));
    return end_run(run, status);
}

static ayf_status not_finite(ayf_run *run, float loss, float grad_norm) {
    const char *bad = NULL;
    bool known = ayf_run_bad_parameter(run, &bad) == AYF_OK;
    bool finetune = run->kind == AYF_RUN_FINETUNE;
    char why[320], advice[160];
    snprintf(why, sizeof why, "the loss is %g and the norm of the gradient %g%s%s", (double)loss,
             (double)grad_norm,
             bad     ? "; the first parameter that is not finite is "
             : known ? "; all parameters are finite"
                     : "; the parameters cannot be read",
             bad ? bad : "");
    snprintf(advice, sizeof advice, "a lower %s (it is %g), a longer train.lr_warmup or train.grad_clip = 1",
             finetune ? "finetune.lr" : "train.lr", finetune ? run->cfg.finetune.lr : run->cfg.train.lr);
    return ayf_run_diverged(run, why, advice);
}

static double mean_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i];
    return sum / (double)count;
}

static ayf_status read_distill_outputs(ayf_run *run, ayf_run_report *report) {
    ayf_run_batch *b = &run->batch;
    ayf_run_sums *sums = &run->sums;
    size_t n = (size_t)run->cfg.train.batch;
    AYF_TRY(ayf_program_get(run->program, "tangent_rms", b->tangent, n));
    AYF_TRY(ayf_program_get(run->program, "error_rms", b->error, n));
    if (!run->midtrains) {
        AYF_TRY(ayf_program_get(run->program, "jvp_rms", b->jvp, n));
        sums->jvp += mean_of(b->jvp, n);
        sums->jvps++;
    }
    report->tangent_rms = mean_of(b->tangent, n);
    report->error_rms = mean_of(b->error, n);
    sums->tangent += report->tangent_rms;
    sums->error += report->error_rms;
    for (size_t i = 0; i < n; i++) {
        int bucket = (int)fminf(b->t[i] * AYF_RUN_BUCKETS, AYF_RUN_BUCKETS - 1);
        sums->bucket[bucket] += (double)b->tangent[i];
        sums->in_bucket[bucket]++;
    }
    return AYF_OK;
}

static ayf_status write_log(ayf_run *run, const ayf_run_report *report) {
    const ayf_run_sums *sums = &run->sums;
    double steps = (double)sums->steps, bucket[AYF_RUN_BUCKETS];
    for (int i = 0; i < AYF_RUN_BUCKETS; i++)
        bucket[i] = sums->in_bucket[i] ? sums->bucket[i] / (double)sums->in_bucket[i] : (double)NAN;
    ayf_jsonl_int(run->log, "step", (int64_t)run->step);
    ayf_jsonl_real(run->log, "loss", sums->loss / steps);
    ayf_jsonl_real(run->log, "lr", report->learning_rate);
    if (run->kind != AYF_RUN_TRAIN) {
        ayf_jsonl_real(run->log, "tangent_rms", sums->tangent / steps);
        ayf_jsonl_reals(run->log, "tangent_rms_by_t", bucket, AYF_RUN_BUCKETS);
        ayf_jsonl_real(run->log, "error_rms", sums->error / steps);
        ayf_jsonl_real(run->log, "jvp_rms", sums->jvps ? sums->jvp / (double)sums->jvps : (double)NAN);
    }
    if (run->kind == AYF_RUN_FINETUNE) ayf_run_finetune_log(run);
    ayf_jsonl_real(run->log, "grad_norm", sums->grad_norm / steps);
    ayf_jsonl_real(run->log, "seconds", sums->seconds / steps);
    run->sums = (ayf_run_sums){0};
    return ayf_jsonl_end(run->log);
}

static bool is_due(const ayf_run *run, int64_t every) {
    return ayf_run_finished(run) || (every > 0 && run->step % (uint64_t)every == 0);
}

/* ---- One step ---- */

/* After mid-training its trajectories and its program make room for what follows. */
static ayf_status enter_phase(ayf_run *run) {
    if (run->midtrains == ayf_run_midtrains(run)) return AYF_OK;
    ayf_run_trajectories_close(run);
    ayf_program_free(run->program);
    run->program = NULL;
    return make_program(run);
}

/* A failure here leaves weights and moments as they were, so the run may still be saved. */
static ayf_status begin_step(ayf_run *run) {
    AYF_TRY(fill_batch(run));
    if (run->kind == AYF_RUN_FINETUNE) AYF_TRY(ayf_run_finetune_begin_step(run));
    AYF_TRY(set_inputs(run));
    return ayf_program_ready(run->program);
}

/* A failure here does not. */
static ayf_status optimise(ayf_run *run, ayf_run_report *report) {
    float loss, grad_norm;
    AYF_TRY(ayf_program_run(run->program));
    AYF_TRY(ayf_program_get(run->program, "loss", &loss, 1));
    AYF_TRY(ayf_program_get(run->program, "grad_norm", &grad_norm, 1));
    if (!isfinite(loss) || !isfinite(grad_norm)) return not_finite(run, loss, grad_norm);
    report->loss = (double)loss;
    report->grad_norm = (double)grad_norm;
    run->sums.steps++;
    run->sums.loss += report->loss;
    run->sums.grad_norm += report->grad_norm;
    if (run->kind == AYF_RUN_TRAIN) return AYF_OK;
    AYF_TRY(read_distill_outputs(run, report));
    return run->kind == AYF_RUN_FINETUNE ? ayf_run_finetune_end_step(run, report) : AYF_OK;
}

ayf_status ayf_run_step(ayf_run *run, ayf_run_report *report) {
    ayf_run_report unused;
    if (!report) report = &unused;
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
    if (run->ended != AYF_OK) return said_before(run);
    if (ayf_run_finished(run))
        return ayf_fail(run->ctx, AYF_E_USAGE,
                        "%s: the run has done its %" PRIu64 " steps; raise train.steps to go on", run->folder,
                        run->steps);
    double start = ayf_seconds();
    if (ayf_run_trajectories_missing(run)) {
        AYF_TRY(ayf_run_trajectories_make(run, report));
        report->seconds = ayf_seconds() - start;
        return AYF_OK;
    }
    AYF_TRY(enter_phase(run));
    report->bytes = run->bytes;
    report->learning_rate = learning_rate(run);
    AYF_TRY(begin_step(run));
    ayf_status status = optimise(run, report);
    if (status != AYF_OK) return step_failed(run, status);
    report->seconds = ayf_seconds() - start;
    run->sums.seconds += report->seconds;
    report->step = ++run->step;
    if (is_due(run, run->cfg.save.log_every)) AYF_TRY(write_log(run, report));
    if (is_due(run, run->cfg.save.every)) {
        AYF_TRY(ayf_run_save(run));
        report->saved = true;
    }
    return is_due(run, run->cfg.save.grid_every) ? ayf_run_picture(run) : AYF_OK;
}

void ayf_run_progress(const ayf_run *run, uint64_t *step, uint64_t *steps) {
    *step = run->step;
    *steps = run->steps;
}

ayf_status ayf_run_save(ayf_run *run) {
    if (run->ended != AYF_OK) return said_before(run);
    if (ayf_run_trajectories_missing(run)) return ayf_run_trajectories_write(run);
    if (run->saved_step == (int64_t)run->step) return AYF_OK;
    return ayf_run_checkpoint_write(run);
}
