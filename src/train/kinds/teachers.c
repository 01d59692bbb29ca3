#include "train/kinds/teachers.h"

#include <string.h>

#include "config/table.h"
#include "model/file.h"

static bool is_guided(const ayf_run *run) { return run->cfg.distill.guidance != AYF_CFG_GUIDANCE_NONE; }

static bool is_classifier_free(const ayf_run *run) {
    return run->cfg.distill.guidance == AYF_CFG_GUIDANCE_CFG;
}

static bool is_analytic(const ayf_run *run) { return strcmp(run->cfg.distill.teacher, "analytic") == 0; }

/* A key that is given counts, and nothing is said of it. */
static ayf_status take_reading(ayf_run *run, const ayf_assignments *given, const ayf_config *seen) {
    static const char *const keys[] = {"data.resize", "data.background", "data.upright"};
    ayf_config before = run->cfg; /* strings stay run->cfg's */
    run->cfg.data.resize = seen->data.resize;
    run->cfg.data.background = seen->data.background;
    run->cfg.data.upright = seen->data.upright;
    for (size_t i = 0; i < AYF_COUNT(keys); i++) {
        int row = ayf_config_row_named(keys[i]);
        char *was = ayf_config_value(run->ctx, &before, row),
             *is = ayf_config_value(run->ctx, &run->cfg, row);
        if (was && is && strcmp(was, is) != 0 && !ayf_assignments_last(given, keys[i]))
            ayf_say(run->ctx, "%s = %s, as the teacher %s has seen its data", keys[i], is,
                    ayf_assignments_last(given, "distill.teacher"));
        bool failed = !was || !is;
        ayf_free(run->ctx, was);
        ayf_free(run->ctx, is);
        if (failed) return AYF_E_MEMORY;
    }
    return AYF_OK;
}

ayf_status ayf_run_check_data_known(const ayf_run *run, const ayf_assignments *given, const char *key,
                                    const char *path, const ayf_model_card *card) {
    ayf_assignments *list;
    if (ayf_assignments_last(given, "data.source")) return AYF_OK;
    AYF_TRY(ayf_assignments_new(run->ctx, &list));
    ayf_status status = AYF_OK;
    if (*card->config) status = ayf_assignments_add_text(list, path, card->config, strlen(card->config));
    if (status == AYF_OK && !ayf_assignments_last(list, "data.source"))
        status = ayf_fail(run->ctx, AYF_E_CONFIG,
                          "%s: %s does not say on which data it was trained; give --data", key, path);
    ayf_assignments_free(list);
    return status;
}

static ayf_status take_data(ayf_run *run, const ayf_assignments *given, const char *file,
                            const ayf_model_spec *spec, const ayf_model_card *card) {
    ayf_config seen, fresh = run->cfg; /* strings stay run->cfg's */
    AYF_TRY(ayf_run_check_data_known(run, given, "distill.teacher", file, card));
    if (!*card->config) return AYF_OK;
    AYF_TRY(ayf_config_defaults_of_file(run->ctx, &seen));
    ayf_status status = ayf_config_parse(run->ctx, file, card->config, strlen(card->config), &seen);
    if (ayf_assignments_last(given, "data.source")) {
        bool reads = status == AYF_OK && !ayf_model_draws_latents(spec);
        if (status != AYF_E_MEMORY) status = reads ? take_reading(run, given, &seen) : AYF_OK;
    } else if (status == AYF_OK) {
        run->cfg.data = seen.data;
        run->data_of = "teacher";
        seen.data = fresh.data;
    }
    ayf_config_free(run->ctx, &seen);
    return status;
}

/* A teacher that cannot be read is reported when it is opened. */
ayf_status ayf_run_read_as_teacher(ayf_run *run, const ayf_assignments *given) {
    ayf_context *ctx = run->ctx;
    const char *path = ayf_assignments_last(given, "distill.teacher");
    ayf_model_spec spec;
    ayf_model_card card;
    if (!path || !*path || strcmp(path, "analytic") == 0) return AYF_OK;
    char *file = ayf_run_model_file(ctx, path);
    if (!file) return AYF_E_MEMORY;
    ayf_status status = ayf_model_read_card(ctx, file, &spec, &card);
    bool read = status == AYF_OK;
    if (read) {
        status = take_data(run, given, file, &spec, &card);
        ayf_model_card_free(ctx, &card);
    }
    ayf_free(ctx, file);
    return read || status == AYF_E_MEMORY ? status : AYF_OK;
}

/* Reads the model that `key` names; it must be a teacher. */
static ayf_status read_teacher(const ayf_run *run, const char *key, const char *hint, const char *path,
                               ayf_weights **out, double *sigma) {
    ayf_context *ctx = run->ctx;
    char *file = ayf_run_model_file(ctx, path);
    if (!file) return AYF_E_MEMORY;
    ayf_model_card card;
    ayf_status status = ayf_model_read_flow(run->backend, file, out, &card);
    if (status != AYF_OK) {
        ayf_fail_prefix(ctx, "%s%s: ", key, hint);
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

ayf_match_side ayf_run_teacher_side(const ayf_run *run) {
    return (ayf_match_side){.what = "the teacher (distill.teacher)",
                            .path = run->cfg.distill.teacher,
                            .spec = &run->teachers.teacher->spec,
                            .sigma_data = run->sigma_data};
}

static ayf_status open_analytic(ayf_run *run) {
    if (!ayf_mixture_of_data(run->cfg.data.source, &run->teachers.mixture))
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
    run->teachers.velocity = ayf_velocity_mixture(&run->teachers.mixture);
    run->sigma_data = 1;
    return AYF_OK;
}

static ayf_status open_weak(ayf_run *run, const char *hint) {
    ayf_run_teachers *t = &run->teachers;
    ayf_match_side teacher = ayf_run_teacher_side(run), weak = {.what = "the weak teacher (distill.weak)",
                                                                .path = run->cfg.distill.weak,
                                                                .needs_no_classes = true};
    AYF_TRY(read_teacher(run, "distill.weak", hint, run->cfg.distill.weak, &t->weak, &weak.sigma_data));
    t->network.weak = t->weak->params;
    weak.spec = &t->weak->spec;
    return ayf_models_match(run->ctx, AYF_E_CONFIG, &weak, &teacher, "train both on the same data");
}

ayf_status ayf_run_open_teachers(ayf_run *run, bool needs_network, const char *hint) {
    ayf_run_teachers *t = &run->teachers;
    if (is_analytic(run)) return open_analytic(run);
    if (run->cfg.distill.target != AYF_TARGET_TEACHER && !needs_network) {
        if (*run->cfg.distill.teacher)
            ayf_say(run->ctx, "distill.teacher = %s is not used: distill.target = data",
                    run->cfg.distill.teacher);
        return AYF_OK;
    }
    AYF_TRY(
        read_teacher(run, "distill.teacher", hint, run->cfg.distill.teacher, &t->teacher, &run->sigma_data));
    t->network.params = t->teacher->params;
    t->network.guided = is_guided(run);
    t->network.guidance_t_max = run->cfg.distill.guidance_t_max;
    t->network.classifier_free = is_classifier_free(run);
    if (is_guided(run) && !is_classifier_free(run)) AYF_TRY(open_weak(run, hint));
    t->velocity = ayf_velocity_network(&t->network);
    t->hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(t->teacher, &t->hash));
    return t->weak ? ayf_weights_hash(t->weak, &t->hash) : AYF_OK;
}

void ayf_run_close_teachers(ayf_run *run) {
    ayf_weights_free(run->teachers.teacher);
    ayf_weights_free(run->teachers.weak);
}

void ayf_run_guidance_range(const ayf_run *run, double *low, double *high) {
    bool guided = run->teachers.network.guided;
    *low = guided ? run->cfg.distill.guidance_min : 1;
    *high = guided ? run->cfg.distill.guidance_max : 1;
}
