#include "train/state.h"

#include <stdio.h>
#include <string.h>

/* ---- One key at a time, from the text of a configuration ---- */

/* "section:\n  key: value\n ..." */
typedef struct key_walk {
    const char *at;
    char key[96]; /* "section.key" */
    const char *value;
    size_t value_size;
    char section[32];
} key_walk;

static bool next_key(key_walk *w) {
    while (*w->at) {
        const char *line = w->at, *end = strchr(line, '\n'), *colon = strchr(line, ':');
        if (!end || !colon) return false;
        w->at = end + 1;
        if (line[0] != ' ') {
            snprintf(w->section, sizeof w->section, "%.*s", (int)(colon - line), line);
            continue;
        }
        line += strspn(line, " ");
        snprintf(w->key, sizeof w->key, "%s.%.*s", w->section, (int)(colon - line), line);
        w->value = colon + 2;
        w->value_size = (size_t)(end - w->value);
        return true;
    }
    return false;
}

/* A run that is resumed may be made longer and may keep other things. */
static bool may_change(const key_walk *w) {
    return strcmp(w->section, "save") == 0 || strcmp(w->key, "train.steps") == 0;
}

uint64_t ayf_run_config_hash(ayf_context *ctx, const ayf_config *cfg) {
    char *text = ayf_config_text(ctx, cfg);
    if (!text) return 0;
    uint64_t hash = AYF_HASH_START;
    for (key_walk w = {.at = text}; next_key(&w);) {
        if (may_change(&w)) continue;
        hash = ayf_hash(hash, w.key, strlen(w.key) + 1);
        hash = ayf_hash(hash, w.value, w.value_size);
    }
    ayf_free(ctx, text);
    return hash ? hash : 1;
}

static bool same_value(const key_walk *a, const key_walk *b) {
    return a->value_size == b->value_size && memcmp(a->value, b->value, a->value_size) == 0;
}

static ayf_status compare_texts(const ayf_run *run, const char *saved, const char *wanted) {
    key_walk a = {.at = saved}, b = {.at = wanted};
    while (next_key(&a) && next_key(&b)) {
        if (same_value(&a, &b) || may_change(&a)) continue;
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "%s: the run in this folder was begun with %s = %.*s and cannot be resumed with %.*s; leave "
            "the key as it was or use a new folder (train.steps and save.* may change)",
            run->folder, a.key, (int)a.value_size, a.value, (int)b.value_size, b.value);
    }
    return AYF_OK;
}

static ayf_status find_contradiction(ayf_context *ctx, ayf_run_kind kind, const char *wanted,
                                     const char *taken, const char *untouched) {
    key_walk w = {.at = wanted}, t = {.at = taken}, u = {.at = untouched};
    while (next_key(&w) && next_key(&t) && next_key(&u))
        if (strcmp(w.section, "model") == 0 && !same_value(&w, &t) && !same_value(&w, &u))
            return ayf_fail(
                ctx, AYF_E_CONFIG,
                "%s = %.*s, but the student has the network it starts from, where it is %.*s; "
                "leave the key out%s",
                w.key, (int)w.value_size, w.value, (int)t.value_size, t.value,
                kind == AYF_RUN_DISTILL ? ", or train a student from scratch (distill.student_init)" : "");
    return AYF_OK;
}

ayf_status ayf_run_config_take_model(ayf_run *run, const ayf_config *taken) {
    ayf_context *ctx = run->ctx;
    ayf_config untouched;
    AYF_TRY(ayf_config_defaults(ctx, &untouched));
    char *a = ayf_config_text(ctx, &run->cfg), *b = ayf_config_text(ctx, taken),
         *c = ayf_config_text(ctx, &untouched);
    ayf_status status = a && b && c ? find_contradiction(ctx, run->kind, a, b, c) : AYF_E_MEMORY;
    ayf_free(ctx, a);
    ayf_free(ctx, b);
    ayf_free(ctx, c);
    ayf_config_free(ctx, &untouched);
    run->cfg.model = taken->model;
    return status;
}

/* ---- Keys that mean nothing to a kind of run ---- */

/* A section ("distill.") or a key. One file may serve all kinds, so only what is set for this run is refused. */
static const char *const unused[][9] = {
    [AYF_RUN_TRAIN] = {"distill.", "finetune."},
    [AYF_RUN_DISTILL] = {"finetune.", "train.time_mean", "train.time_std", "train.label_dropout"},
    [AYF_RUN_FINETUNE] = {"train.lr", "train.time_mean", "train.time_std", "train.label_dropout",
                          "distill.student_init", "distill.midtrain_steps", "distill.midtrain_trajectories",
                          "distill.midtrain_solver_steps"}};

static ayf_status refuse_unused(ayf_context *ctx, ayf_run_kind kind, const char *setting) {
    static const char *const verbs[] = {
        [AYF_RUN_TRAIN] = "train", [AYF_RUN_DISTILL] = "distill", [AYF_RUN_FINETUNE] = "finetune"};
    size_t length = strcspn(setting, "= ");
    for (const char *const *name = unused[kind]; *name; name++) {
        size_t size = strlen(*name);
        bool section = (*name)[size - 1] == '.';
        if (strncmp(*name, setting, size) != 0 || !(section || size == length)) continue;
        return ayf_fail(
            ctx, AYF_E_CONFIG, "%.*s means nothing to ayf %s%s; leave it out", (int)length, setting,
            verbs[kind],
            strcmp(*name, "train.lr") == 0
                ? ", which has finetune.lr (the student's) and finetune.disc_lr (the discriminator's)"
                : "");
    }
    return AYF_OK;
}

/* ---- Loading, comparing, saving ---- */

static ayf_status load_over_defaults(ayf_context *ctx, const char *path, ayf_config *cfg) {
    AYF_TRY(ayf_config_defaults(ctx, cfg));
    return path ? ayf_config_load(ctx, path, cfg) : AYF_OK;
}

ayf_status ayf_run_config_load(ayf_run *run, const ayf_run_options *options, bool resumes) {
    const char *path = options->config_path;
    bool saved = !path && resumes && ayf_path_exists(run->config_path);
    if (saved) path = run->config_path;
    AYF_TRY(load_over_defaults(run->ctx, path, &run->cfg));
    for (int i = 0; i < options->setting_count; i++) {
        AYF_TRY(ayf_config_set(run->ctx, &run->cfg, options->settings[i]));
        AYF_TRY(refuse_unused(run->ctx, run->kind, options->settings[i]));
    }
    if (run->kind == AYF_RUN_FINETUNE && !saved) AYF_TRY(ayf_run_finetune_config(run, options));
    static const ayf_config_use uses[] = {[AYF_RUN_TRAIN] = AYF_CONFIG_TRAIN,
                                          [AYF_RUN_DISTILL] = AYF_CONFIG_DISTILL,
                                          [AYF_RUN_FINETUNE] = AYF_CONFIG_FINETUNE};
    return ayf_config_validate(run->ctx, &run->cfg, uses[run->kind]);
}

ayf_status ayf_run_config_compare(const ayf_run *run) {
    if (!ayf_path_exists(run->config_path))
        return ayf_fail(
            run->ctx, AYF_E_IO,
            "%s: is missing, so the checkpoints beside it cannot be resumed; put the file back or use a "
            "new folder",
            run->config_path);
    ayf_config saved = {0};
    ayf_status status = load_over_defaults(run->ctx, run->config_path, &saved);
    char *old = NULL, *new = NULL;
    if (status == AYF_OK) {
        old = ayf_config_text(run->ctx, &saved);
        new = ayf_config_text(run->ctx, &run->cfg);
        status = old && new ? compare_texts(run, old, new) : AYF_E_MEMORY;
    }
    ayf_free(run->ctx, old);
    ayf_free(run->ctx, new);
    ayf_config_free(run->ctx, &saved);
    return status;
}

ayf_status ayf_run_config_save(const ayf_run *run) {
    ayf_context *ctx = run->ctx;
    char *text = ayf_config_text(ctx, &run->cfg);
    if (!text) return AYF_E_MEMORY;
    void *old = NULL;
    size_t size = 0, length = strlen(text);
    ayf_status status = AYF_OK;
    if (ayf_path_exists(run->config_path)) status = ayf_file_read(ctx, run->config_path, 0, &old, &size);
    if (status == AYF_OK && !(old && size == length && memcmp(old, text, length) == 0))
        status = ayf_file_write(ctx, run->config_path, text, length);
    ayf_free(ctx, old);
    ayf_free(ctx, text);
    return status;
}
