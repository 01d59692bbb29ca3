#include "train/best.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "eval/distance.h"
#include "model/file.h"
#include "train/checkpoint.h"
#include "train/kind.h"
#include "train/kinds/teachers.h"

/* What is measured until it is known whether it is the best; the next session removes what a kill left. */
#define CANDIDATE "model-candidate.safetensors"

static int calls_of(const ayf_run *run) {
    int asked = run->cfg.eval.steps;
    return asked ? asked : run->type->makes_student ? 1 : 16;
}

static double guidance_of(const ayf_run *run) {
    double low, high;
    ayf_run_guidance_range(run, &low, &high);
    return 0.5 * (low + high);
}

/* ---- What can be measured ---- */

static bool has_teacher(const ayf_run *run) {
    return run->type->makes_student && run->cfg.distill.target == AYF_TARGET_TEACHER;
}

static ayf_status choose_metric(ayf_run *run) {
    ayf_cfg_eval_metric metric = run->cfg.eval.metric;
    bool images = !ayf_dataset_info_of(run->data)->points;
    if (metric == AYF_CFG_METRIC_FIDELITY && !has_teacher(run))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "eval.metric = fidelity compares a student with its teacher, and this run has none; use "
            "eval.metric = fd");
    run->best.fidelity =
        metric == AYF_CFG_METRIC_FIDELITY || (metric == AYF_CFG_METRIC_AUTO && has_teacher(run));
    if (!run->best.fidelity && ayf_dataset_info_of(run->data)->latents)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "eval.every = %lld: the distance to the data is measured of pictures, and %s holds latents; a "
            "student can be compared with its teacher (eval.metric = fidelity)",
            (long long)run->cfg.eval.every, run->cfg.data.source);
    if (!run->best.fidelity && images && !*run->cfg.eval.features)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "eval.every = %lld measures the distance to the data, which needs eval.features = FILE; "
            "ayf eval --fit-features makes one",
            (long long)run->cfg.eval.every);
    return AYF_OK;
}

static ayf_status open_reference(ayf_run *run) {
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    const ayf_config *cfg = &run->cfg;
    ayf_eval_options options = {.data = *cfg->eval.reference ? cfg->eval.reference : cfg->data.source,
                                .features = info->points ? NULL : cfg->eval.features,
                                .resolution = info->points ? 0 : info->height,
                                .channels = info->points ? 0 : info->channels,
                                .count = cfg->eval.images};
    ayf_status status = ayf_eval_open(run->ctx, &options, &run->best.eval);
    if (status == AYF_OK) return AYF_OK;
    ayf_fail_prefix(run->ctx, "eval.every: ");
    return status == AYF_E_USAGE ? run->ctx->status = AYF_E_CONFIG : status;
}

/* The value in a card is "<name>=<number>; <recipe>": only values of the same name and recipe are compared. */
static const char *name_of(const ayf_run *run) { return run->best.fidelity ? "eval_fidelity" : "eval_fd"; }

static int images_of(const ayf_run *run) {
    enum { COMPARED = 64 };
    return run->cfg.eval.images ? run->cfg.eval.images : run->best.fidelity ? COMPARED : AYF_EVAL_COUNT;
}

static ayf_status describe(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    int images = images_of(run);
    run->best.recipe =
        ayf_format(run->ctx, "%d samples, %d %s, guidance %g%s%s", images, calls_of(run),
                   run->type->makes_student ? "calls" : "solver steps", guidance_of(run),
                   *cfg->eval.features ? ", " : "", *cfg->eval.features ? cfg->eval.features : "");
    return run->best.recipe ? AYF_OK : AYF_E_MEMORY;
}

/* ---- What was best before ---- */

static char *path_in(const ayf_run *run, const char *name) {
    return ayf_path_join(run->ctx, run->folder, name);
}

static ayf_status remove_in(const ayf_run *run, const char *name) {
    char *path = path_in(run, name);
    ayf_status status = path ? ayf_file_remove(run->ctx, path) : AYF_E_MEMORY;
    ayf_free(run->ctx, path);
    return status;
}

static bool parse_measured(const ayf_run *run, const char *text, double *value) {
    char number[AYF_REAL_SIZE + 1];
    size_t name = strlen(name_of(run));
    if (strncmp(text, name_of(run), name) != 0 || text[name] != '=') return false;
    size_t size = strcspn(text + name + 1, ";");
    snprintf(number, sizeof number, "%.*s", (int)size, text + name + 1);
    const char *rest = text + name + 1 + size;
    return ayf_parse_real(number, value) && strncmp(rest, "; ", 2) == 0 &&
           strcmp(rest + 2, run->best.recipe) == 0;
}

/* One that cannot be read, or is of another recipe, is written over. That of an attempt that left no
 * checkpoint is gone. */
static ayf_status read_best(ayf_run *run) {
    ayf_model_card card;
    if (run->saved_step < 0) return remove_in(run, AYF_RUN_BEST);
    char *path = path_in(run, AYF_RUN_BEST);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    if (ayf_path_exists(path)) {
        status = ayf_model_read_card(run->ctx, path, NULL, &card);
        if (status == AYF_OK && card.measured && parse_measured(run, card.measured, &run->best.value))
            run->best.step = card.step;
        if (status == AYF_OK) ayf_model_card_free(run->ctx, &card);
        if (status == AYF_E_FORMAT) status = AYF_OK;
    }
    ayf_free(run->ctx, path);
    return status;
}

ayf_status ayf_best_open(ayf_run *run) {
    run->best.value = run->best.now = (double)NAN;
    AYF_TRY(remove_in(run, CANDIDATE)); /* of a kill */
    if (run->cfg.eval.every == 0 || run->step >= run->steps) return AYF_OK;
    AYF_TRY(choose_metric(run));
    if (!run->best.fidelity) AYF_TRY(open_reference(run));
    AYF_TRY(describe(run));
    return read_best(run);
}

static ayf_status count_distance(ayf_run *run, uint64_t images, uint64_t *bytes) {
    ayf_model_spec features;
    ayf_model_card card;
    *bytes = ayf_eval_bytes(images, run->batch.values, run->batch.values); /* points are their features */
    if (ayf_dataset_info_of(run->data)->points) return AYF_OK;
    AYF_TRY(ayf_model_read_card(run->ctx, run->cfg.eval.features, &features, &card));
    ayf_model_card_free(run->ctx, &card);
    *bytes = ayf_eval_bytes(images, run->batch.values, (uint64_t)features.feature_dim);
    return AYF_OK;
}

/* Models are opened from their files. Drawing with one takes about as much as drawing pictures does, and its weights
 * what is not let go. */
ayf_status ayf_best_plan(ayf_run *run, uint64_t *bytes) {
    enum { SETS = 3 }; /* samples of student and teacher, and what they start from */
    const ayf_run_teachers *t = &run->teachers;
    *bytes = 0;
    if (run->cfg.eval.every == 0 || run->step >= run->steps) return AYF_OK;
    AYF_TRY(choose_metric(run));
    uint64_t images = (uint64_t)images_of(run),
             draws = run->sampler ? ayf_sampler_bytes_read(run->sampler) : 0;
    uint64_t networks = 1;
    if (run->best.fidelity) {
        networks += (uint64_t)(t->teacher != NULL) + (uint64_t)(t->weak != NULL);
        *bytes = SETS * images * run->batch.values * sizeof(float);
    } else {
        AYF_TRY(count_distance(run, images, bytes));
    }
    *bytes += networks * draws;
    return AYF_OK;
}

void ayf_best_close(ayf_run *run) {
    ayf_eval_close(run->best.eval);
    ayf_free(run->ctx, run->best.recipe);
    run->best.eval = NULL;
    run->best.recipe = NULL;
}

/* ---- Measuring ---- */

static ayf_status open_named(ayf_run *run, const char *named, ayf_model **out) {
    char *path = ayf_run_model_file(run->ctx, named);
    ayf_status status = path ? ayf_model_open(run->ctx, path, out) : AYF_E_MEMORY;
    ayf_free(run->ctx, path);
    return status;
}

/* Guided as in the distillation. */
static ayf_status open_teacher(ayf_run *run, ayf_model **teacher, ayf_model **weak) {
    if (strcmp(run->cfg.distill.teacher, "analytic") == 0) return AYF_OK;
    AYF_TRY(open_named(run, run->cfg.distill.teacher, teacher));
    if (run->cfg.distill.guidance == AYF_CFG_GUIDANCE_CFG) return ayf_model_guide(*teacher, *teacher);
    if (run->cfg.distill.guidance != AYF_CFG_GUIDANCE_AUTO) return AYF_OK;
    AYF_TRY(open_named(run, run->cfg.distill.weak, weak));
    return ayf_model_guide(*teacher, *weak);
}

static ayf_status fidelity(ayf_run *run, ayf_model *model, double *value) {
    ayf_model *teacher = NULL, *weak = NULL;
    ayf_fidelity_row row = {0};
    int calls = calls_of(run);
    ayf_fidelity_options options = {
        .calls = &calls, .call_count = 1, .guidance = guidance_of(run), .images = run->cfg.eval.images};
    ayf_status status = open_teacher(run, &teacher, &weak);
    if (status == AYF_OK) status = ayf_fidelity(model, teacher, &options, &row);
    ayf_model_close(teacher);
    ayf_model_close(weak);
    *value = row.student;
    return status;
}

static ayf_status distance(ayf_run *run, ayf_model *model, double *value) {
    ayf_eval_row row = {0};
    ayf_sample_options how = {.steps = calls_of(run)};
    if (run->type->makes_student) how.guidance = guidance_of(run);
    ayf_status status = ayf_eval_model(run->best.eval, model, &how, &row);
    *value = row.fd;
    return status;
}

static ayf_status measure_file(ayf_run *run, const char *path, double *value) {
    ayf_model *model;
    *value = (double)NAN;
    AYF_TRY(ayf_run_model_write(run, path, NULL));
    AYF_TRY(ayf_model_open(run->ctx, path, &model));
    ayf_status status = (run->best.fidelity ? fidelity : distance)(run, model, value);
    ayf_model_close(model);
    return status;
}

static ayf_status keep(ayf_run *run) {
    char number[AYF_REAL_SIZE];
    ayf_print_real(number, run->best.value);
    char *path = path_in(run, AYF_RUN_BEST);
    char *measured = ayf_format(run->ctx, "%s=%s; %s", name_of(run), number, run->best.recipe);
    ayf_status status = path && measured ? ayf_run_model_write(run, path, measured) : AYF_E_MEMORY;
    ayf_free(run->ctx, measured);
    ayf_free(run->ctx, path);
    return status;
}

ayf_status ayf_best_measure(ayf_run *run) {
    ayf_run_best *best = &run->best;
    char *path = path_in(run, CANDIDATE);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = measure_file(run, path, &best->now);
    ayf_free(run->ctx, path);
    AYF_TRY(status);
    AYF_TRY(remove_in(run, CANDIDATE));
    if (!isfinite(best->now))
        return ayf_fail(run->ctx, AYF_E_DIVERGED, "%s of step %" PRIu64 " is not finite", name_of(run),
                        run->step);
    best->name = name_of(run);
    if (best->now < best->value || isnan(best->value)) {
        best->value = best->now;
        best->step = run->step;
        AYF_TRY(keep(run));
    }
    ayf_say(run->ctx, "step %" PRIu64 ": %s %.4g; the best is %.4g at step %" PRIu64, run->step, best->name,
            best->now, best->value, best->step);
    return AYF_OK;
}
