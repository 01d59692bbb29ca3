#include "train/settings.h"

#include <stdio.h>
#include <string.h>

#include "train/kind.h"

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

uint64_t ayf_run_settings_hash(ayf_context *ctx, const ayf_config *cfg) {
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

static ayf_status find_contradiction(const ayf_run *run, const char *wanted, const char *taken,
                                     const char *untouched) {
    key_walk w = {.at = wanted}, t = {.at = taken}, u = {.at = untouched};
    while (next_key(&w) && next_key(&t) && next_key(&u))
        if (strcmp(w.section, "model") == 0 && !same_value(&w, &t) && !same_value(&w, &u))
            return ayf_fail(run->ctx, AYF_E_CONFIG,
                            "%s = %.*s, but the student has the network it starts from, where it is %.*s; "
                            "leave the key out%s",
                            w.key, (int)w.value_size, w.value, (int)t.value_size, t.value,
                            run->begins_as == run->teachers.teacher
                                ? ", or train a student from scratch (distill.student_init)"
                                : "");
    return AYF_OK;
}

ayf_status ayf_run_settings_take_model(ayf_run *run, const ayf_config *taken) {
    ayf_context *ctx = run->ctx;
    ayf_config untouched;
    AYF_TRY(ayf_config_defaults(ctx, &untouched));
    char *a = ayf_config_text(ctx, &run->cfg), *b = ayf_config_text(ctx, taken),
         *c = ayf_config_text(ctx, &untouched);
    ayf_status status = a && b && c ? find_contradiction(run, a, b, c) : AYF_E_MEMORY;
    ayf_free(ctx, a);
    ayf_free(ctx, b);
    ayf_free(ctx, c);
    ayf_config_free(ctx, &untouched);
    run->cfg.model = taken->model;
    return status;
}

/* ---- Keys that mean nothing to a kind of run ---- */

/* One file may serve all kinds, so only what is set for this run is refused. */
static ayf_status refuse_unused(const ayf_run *run, const char *given) {
    for (const ayf_unused_key *key = run->type->unused; key->name; key++) {
        size_t size = strlen(key->name);
        bool section = key->name[size - 1] == '.';
        if (strncmp(key->name, given, size) != 0 || !(section || given[size] == 0)) continue;
        return ayf_fail(run->ctx, AYF_E_CONFIG, "%s means nothing to ayf %s; leave it out%s%s", given,
                        run->type->verb, key->instead ? ", or " : "", key->instead ? key->instead : "");
    }
    return AYF_OK;
}

/* ---- Loading, comparing, saving ---- */

ayf_status ayf_run_settings_read(ayf_run *run) {
    void *bytes;
    if (!ayf_path_exists(run->config_path)) return AYF_OK;
    AYF_TRY(ayf_file_read(run->ctx, run->config_path, 0, &bytes, &run->saved_size));
    run->saved_config = bytes;
    return AYF_OK;
}

static ayf_status add_saved(const ayf_run *run, ayf_assignments *list) {
    return ayf_assignments_add_text(list, run->config_path, run->saved_config, run->saved_size);
}

static ayf_status collect(const ayf_run *run, const ayf_run_options *options, bool saved,
                          ayf_assignments *list) {
    if (saved) AYF_TRY(add_saved(run, list));
    if (options->config_path) AYF_TRY(ayf_assignments_add_file(list, options->config_path));
    for (int i = 0; i < options->setting_count; i++) {
        AYF_TRY(ayf_assignments_add_setting(list, options->settings[i]));
        AYF_TRY(refuse_unused(run, ayf_assignments_last_key(list)));
    }
    return AYF_OK;
}

/* What a file says in the wrong place may have been meant for the right one. */
static void warn_of_unused(const ayf_run *run, const char *file, const ayf_assignments *list) {
    for (const ayf_unused_key *key = run->type->unused; key->name; key++)
        if (key->instead && ayf_assignments_has(list, key->name))
            ayf_say(run->ctx, "%s: %s means nothing to ayf %s; %s", file, key->name, run->type->verb,
                    key->instead);
}

ayf_status ayf_run_settings_load(ayf_run *run, const ayf_run_options *options, bool resumes) {
    bool saved = resumes && !options->config_path && run->saved_config;
    ayf_assignments *list;
    AYF_TRY(ayf_config_defaults(run->ctx, &run->cfg));
    AYF_TRY(ayf_assignments_new(run->ctx, &list));
    ayf_status status = collect(run, options, saved, list);
    if (status == AYF_OK && options->config_path) warn_of_unused(run, options->config_path, list);
    if (status == AYF_OK && !saved && run->type->base) status = run->type->base(run, list);
    if (status == AYF_OK) status = ayf_config_apply(run->ctx, &run->cfg, list);
    ayf_assignments_free(list);
    return status == AYF_OK ? ayf_config_validate(run->ctx, &run->cfg, run->type->use) : status;
}

static ayf_status parse_saved(const ayf_run *run, ayf_config *cfg) {
    AYF_TRY(ayf_config_defaults(run->ctx, cfg));
    return ayf_config_parse(run->ctx, run->config_path, run->saved_config, run->saved_size, cfg);
}

ayf_status ayf_run_settings_compare(const ayf_run *run) {
    if (!run->saved_config)
        return ayf_fail(
            run->ctx, AYF_E_IO,
            "%s: is missing, so the checkpoints in this folder cannot be resumed; put the file back or use a "
            "new folder",
            run->config_path);
    ayf_config saved = {0};
    char *old = NULL, *new = NULL;
    ayf_status status = parse_saved(run, &saved);
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

ayf_status ayf_run_settings_save(const ayf_run *run) {
    char *text = ayf_config_text(run->ctx, &run->cfg);
    if (!text) return AYF_E_MEMORY;
    size_t size = strlen(text);
    bool same = run->saved_config && run->saved_size == size && memcmp(run->saved_config, text, size) == 0;
    ayf_status status = same ? AYF_OK : ayf_file_write(run->ctx, run->config_path, text, size);
    ayf_free(run->ctx, text);
    return status;
}
