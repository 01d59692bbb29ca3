#include <math.h>
#include <string.h>

#include "train/state.h"
#include "train/recipe.h"

/* ---- Teachers ---- */

static bool is_guided(const ayf_run *run) {
    return run->kind != AYF_RUN_TRAIN && run->cfg.distill.guidance != AYF_CFG_GUIDANCE_NONE;
}

static bool is_classifier_free(const ayf_run *run) {
    return is_guided(run) && run->cfg.distill.guidance == AYF_CFG_GUIDANCE_CFG;
}

/* Reads the model that `key` names; it must be a teacher. */
static ayf_status read_teacher(ayf_run *run, const char *key, const char *path, ayf_weights **out,
                               double *sigma) {
    ayf_context *ctx = run->ctx;
    char *file = ayf_run_model_file(ctx, path);
    if (!file) return AYF_E_MEMORY;
    ayf_model_card card;
    ayf_status status = ayf_model_read_flow(run->backend, file, out, &card);
    if (status != AYF_OK) {
        ayf_fail_prefix(
            ctx, "%s%s: ", key,
            run->kind == AYF_RUN_FINETUNE ? " (the student's, unless --teacher or --weak is given)" : "");
        ayf_free(ctx, file);
        return status;
    }
    *sigma = card.sigma_data;
    if (card.role == AYF_MODEL_ROLE_STUDENT)
        status =
            ayf_fail(ctx, AYF_E_CONFIG,
                     "%s: %s is a student (a flow map), which cannot teach; name a model made by ayf train",
                     key, file);
    else if (is_classifier_free(run))
        status = ayf_check_classifier_free(ctx, file, &(*out)->spec, card.config);
    ayf_model_card_free(ctx, &card);
    ayf_free(ctx, file);
    return status;
}

static ayf_status check_weak(const ayf_run *run, double sigma, double weak_sigma) {
    const ayf_model_spec *a = &run->network.spec, *b = &run->network.weak;
    const char *path = run->cfg.distill.weak;
    if (a->kind != b->kind)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "distill.weak: %s makes %s and the teacher %s; train it on the same data", path,
                        b->kind == AYF_MODEL_MLP ? "points" : "images",
                        a->kind == AYF_MODEL_MLP ? "points" : "images");
    if (a->kind == AYF_MODEL_UNET &&
        (a->img_resolution != b->img_resolution || a->img_channels != b->img_channels))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "distill.weak: %s makes samples of another shape (%dx%dx%d) than the teacher (%dx%dx%d); train "
            "it on the same data",
            path, b->img_resolution, b->img_resolution, b->img_channels, a->img_resolution, a->img_resolution,
            a->img_channels);
    if (a->label_dim != b->label_dim)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "distill.weak: %s knows %d classes and the teacher %d; train it on the same data",
                        path, b->label_dim, a->label_dim);
    if (fabs(sigma - weak_sigma) > 1e-6 * sigma)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "distill.weak: %s was trained with data.sigma_data = %g and the teacher with %g; train both "
            "with the same",
            path, weak_sigma, sigma);
    return AYF_OK;
}

static bool is_analytic(const ayf_run *run) {
    return run->kind != AYF_RUN_TRAIN && strcmp(run->cfg.distill.teacher, "analytic") == 0;
}

bool ayf_run_conditional_guidance(const ayf_run *run) { return run->network.guided; }

static ayf_status open_analytic(ayf_run *run) {
    if (!ayf_mixture_of_data(run->cfg.data.source, &run->mixture))
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "distill.teacher = analytic is known for data.source = builtin:ring and "
                        "builtin:gaussian only, not "
                        "for %s; name a model made by ayf train",
                        run->cfg.data.source);
    if (is_guided(run))
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "distill.guidance = %s needs networks and distill.teacher is analytic; use "
                        "distill.guidance = none",
                        is_classifier_free(run) ? "cfg" : "autoguidance");
    run->teacher = ayf_velocity_mixture(&run->mixture);
    run->sigma_data = 1;
    return AYF_OK;
}

/* Without a teacher's velocity a teacher may still be what the student starts from. */
static bool starts_from_teacher(const ayf_run *run) {
    return run->kind == AYF_RUN_DISTILL && run->cfg.distill.student_init == AYF_CFG_INIT_TEACHER;
}

static ayf_status open_teachers(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    if (run->kind == AYF_RUN_TRAIN) return AYF_OK;
    if (is_analytic(run)) return open_analytic(run);
    if (!(cfg->distill.target == AYF_TARGET_TEACHER || starts_from_teacher(run))) {
        if (cfg->distill.teacher[0])
            ayf_say(run->ctx, "distill.teacher = %s is not used: distill.target = data",
                    cfg->distill.teacher);
        return AYF_OK;
    }
    AYF_TRY(read_teacher(run, "distill.teacher", cfg->distill.teacher, &run->teacher_at, &run->sigma_data));
    run->network.spec = run->teacher_at->spec;
    run->network.guided = is_guided(run);
    run->network.classifier_free = is_classifier_free(run);
    if (is_guided(run) && !is_classifier_free(run)) {
        double weak_sigma;
        AYF_TRY(read_teacher(run, "distill.weak", cfg->distill.weak, &run->weak_at, &weak_sigma));
        run->network.weak = run->weak_at->spec;
        AYF_TRY(check_weak(run, run->sigma_data, weak_sigma));
    }
    run->teacher = ayf_velocity_network(&run->network);
    run->teachers_hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(run->teacher_at, &run->teachers_hash));
    return run->weak_at ? ayf_weights_hash(run->weak_at, &run->teachers_hash) : AYF_OK;
}

/* A run goes on with the student it began with, as it does with its teachers. */
static ayf_status open_student(ayf_run *run) {
    double teachers_sigma = run->sigma_data;
    AYF_TRY(ayf_run_finetune_open(run));
    if (run->teacher_at && fabs(teachers_sigma - run->sigma_data) > 1e-6 * teachers_sigma)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "finetune.student: %s was trained with data.sigma_data = %g and the teacher with %g; name the "
            "teacher it was distilled from",
            run->cfg.finetune.student, run->sigma_data, teachers_sigma);
    return ayf_weights_hash(run->finetune.student_at, &run->teachers_hash);
}

/* ---- Data ---- */

static ayf_status open_data(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    ayf_dataset_spec spec = {.source = cfg->data.source,
                             .resolution = cfg->data.resolution,
                             .channels = cfg->data.channels,
                             .mirror = cfg->data.mirror,
                             .labels = cfg->data.labels};
    const ayf_weights *seen_by = run->finetune.student_at ? run->finetune.student_at : run->teacher_at;
    if (seen_by && seen_by->spec.kind == AYF_MODEL_UNET) {
        /* "As stored" means as the teacher has seen it. */
        if (spec.resolution == 0) spec.resolution = seen_by->spec.img_resolution;
        if (spec.channels == 0) spec.channels = seen_by->spec.img_channels;
    }
    return ayf_dataset_open(run->ctx, &spec, &run->data);
}

/* `key` names a model, `path`, that must go with the data. */
static ayf_status check_shapes(const ayf_run *run, const char *key, const char *path,
                               const ayf_model_spec *spec) {
    const ayf_dataset_info *data = ayf_dataset_info_of(run->data);
    bool points = spec->kind == AYF_MODEL_MLP;
    if (points != data->points)
        return ayf_fail(run->ctx, AYF_E_CONFIG, "%s: %s makes %s and data.source = %s are %s", key, path,
                        points ? "points" : "images", data->name, data->points ? "points" : "images");
    if (!points && (data->height != spec->img_resolution || data->width != spec->img_resolution))
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: %s makes images of %d x %d pixels and the data have %d x %d; set "
                        "data.resolution = %d",
                        key, path, spec->img_resolution, spec->img_resolution, data->height, data->width,
                        spec->img_resolution);
    if (!points && data->channels != spec->img_channels)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: %s makes images of %d channels and the data have %d; set data.channels = %d",
                        key, path, spec->img_channels, data->channels, spec->img_channels);
    if (data->classes != spec->label_dim)
        return ayf_fail(run->ctx, AYF_E_CONFIG, "%s: %s knows %d classes and the data have %d; %s", key, path,
                        spec->label_dim, data->classes,
                        spec->label_dim == 0 ? "set data.labels = false" : "use the data it was trained on");
    return AYF_OK;
}

static ayf_status find_sigma(ayf_run *run) {
    double given = run->cfg.data.sigma_data;
    bool fixed = run->teacher_at || run->finetune.student_at || is_analytic(run);
    if (!fixed && given > 0) run->sigma_data = given;
    if (!fixed && given <= 0) AYF_TRY(ayf_dataset_sigma(run->data, &run->sigma_data));
    if (fixed && given > 0 && fabs(given - run->sigma_data) > 1e-6 * run->sigma_data)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "data.sigma_data = %g and the teacher was trained with %g; leave the key out to use the "
            "teacher's",
            given, run->sigma_data);
    if (!(run->sigma_data > 0) || !isfinite(run->sigma_data))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "%s: every value is the same (standard deviation %g), so there is nothing to learn; check the "
            "data or set data.sigma_data",
            run->cfg.data.source, run->sigma_data);
    run->cfg.data.sigma_data = run->sigma_data;
    return AYF_OK;
}

/* ---- The network that is trained ---- */

/* A student that starts from another network has that network. */
static ayf_status take_network(ayf_run *run, const ayf_model_spec *from) {
    ayf_config taken = run->cfg; /* strings stay run->cfg's */
    run->spec = *from;
    if (!from->is_student) {
        run->spec.is_student = true;
        run->spec.bandwidth_gap = run->cfg.model.bandwidth_gap;
        run->spec.bandwidth_guidance = run->cfg.model.bandwidth_guidance;
    }
    taken.model = run->spec;
    AYF_TRY(ayf_run_config_take_model(run, &taken));
    return ayf_model_spec_check(run->ctx, &run->spec);
}

static ayf_status find_network(ayf_run *run) {
    if (run->kind == AYF_RUN_FINETUNE) return take_network(run, &run->finetune.student_at->spec);
    if (starts_from_teacher(run)) return take_network(run, &run->teacher_at->spec);
    AYF_TRY(ayf_spec_from_config(run->ctx, &run->cfg, ayf_dataset_info_of(run->data), &run->spec));
    run->spec.is_student = run->kind == AYF_RUN_DISTILL;
    return AYF_OK;
}

ayf_status ayf_run_source_open(ayf_run *run) {
    AYF_TRY(open_teachers(run));
    if (run->kind == AYF_RUN_FINETUNE) AYF_TRY(open_student(run));
    AYF_TRY(open_data(run));
    if (run->teacher_at)
        AYF_TRY(check_shapes(run, "distill.teacher", run->cfg.distill.teacher, &run->teacher_at->spec));
    if (run->finetune.student_at)
        AYF_TRY(check_shapes(run, "finetune.student", run->cfg.finetune.student,
                             &run->finetune.student_at->spec));
    AYF_TRY(find_sigma(run));
    AYF_TRY(find_network(run));
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    if (!info->points) {
        run->cfg.data.resolution = info->height == info->width ? info->height : 0;
        run->cfg.data.channels = info->channels;
    }
    return AYF_OK;
}

void ayf_run_source_close(ayf_run *run) {
    ayf_dataset_close(run->data);
    ayf_weights_free(run->teacher_at);
    ayf_weights_free(run->weak_at);
}
