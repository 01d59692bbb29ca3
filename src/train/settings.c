#include "train/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/open.h"
#include "config/table.h"
#include "exec/program.h"
#include "train/kind.h"
#include "train/recipe.h"

/* ---- One key at a time ---- */

static bool in_section(int row, const char *section) { /* "save." */
    return strncmp(ayf_config_row(row)->name, section, strlen(section)) == 0;
}

static bool is_one_of(int row, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(ayf_config_row(row)->name, keys[i]) == 0) return true;
    return false;
}

/* A run that is resumed may be made longer, may keep other things, may use less memory, may take another way when it
 * diverges and may go on with another device. */
static bool may_change(int row) {
    static const char *const keys[] = {
        "train.steps",         "train.accumulate",    "train.recompute", "train.divergence_factor",
        "train.on_divergence", "train.rollback_rate", "train.rollbacks", "train.device"};
    return in_section(row, "save.") || in_section(row, "eval.") || is_one_of(row, keys, AYF_COUNT(keys));
}

/* By the text, as the hash is: -0 is not 0. */
static ayf_status compare_row(ayf_context *ctx, int row, const ayf_config *a, const ayf_config *b,
                              bool *same) {
    char *of_a = ayf_config_value(ctx, a, row), *of_b = ayf_config_value(ctx, b, row);
    ayf_status status = of_a && of_b ? AYF_OK : AYF_E_MEMORY;
    *same = status == AYF_OK && strcmp(of_a, of_b) == 0;
    ayf_free(ctx, of_a);
    ayf_free(ctx, of_b);
    return status;
}

uint64_t ayf_run_settings_hash(ayf_context *ctx, const ayf_config *cfg) {
    uint64_t hash = AYF_HASH_START;
    for (int i = 0; i < ayf_config_rows(); i++) {
        if (may_change(i)) continue;
        const char *key = ayf_config_row(i)->name;
        char *value = ayf_config_value(ctx, cfg, i);
        const char *older = ayf_config_older(i);
        if (!value) return 0;
        if (!older || strcmp(value, older) != 0) {
            hash = ayf_hash(hash, key, strlen(key) + 1);
            hash = ayf_hash(hash, value, strlen(value));
        }
        ayf_free(ctx, value);
    }
    return hash ? hash : 1;
}

/* Where something lies decides nothing: train/identity.c compares what is there. A teacher that is not opened has
 * nothing but its name. */
static bool names_a_place(const ayf_run *run, int row) {
    static const char *const keys[] = {"data.source", "train.init", "finetune.student"};
    const char *name = ayf_config_row(row)->name;
    if (strcmp(name, "distill.teacher") == 0) return run->teachers.teacher != NULL;
    if (strcmp(name, "distill.weak") == 0) return run->teachers.weak != NULL;
    return is_one_of(row, keys, AYF_COUNT(keys));
}

/* The weights and moments of a checkpoint fit one shape and one scale of the data, and come from one beginning. */
static bool is_fixed(int row) {
    static const char *const keys[] = {
        "data.resolution",       "data.channels",        "data.labels",
        "data.sigma_data",       "data.center",          "train.ema",
        "train.ema_widths",      "train.init",           "distill.student_init",
        "finetune.channel_base", "finetune.channel_max", "finetune.disc_guidance",
        "finetune.student"};
    return in_section(row, "model.") || is_one_of(row, keys, AYF_COUNT(keys));
}

/* A discriminator that is told the strength of guidance has inputs for it. */
static bool reshapes_discriminator(const ayf_config *then, const ayf_config *now, int row) {
    static const char *const keys[] = {"distill.guidance", "distill.guidance_min", "distill.guidance_max"};
    return is_one_of(row, keys, AYF_COUNT(keys)) &&
           ayf_disc_sees_guidance(then) != ayf_disc_sees_guidance(now);
}

static ayf_status refuse_change(const ayf_run *run, bool fixed, int row, const char *was, const char *is,
                                uint64_t step) {
    const char *name = ayf_config_row(row)->name;
    if (fixed)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "%s: the run in this folder was begun with %s = %s, which its weights depend on, so it "
            "cannot be resumed with %s; leave the key as it was or use a new folder",
            run->folder, name, was, is);
    return ayf_fail(
        run->ctx, AYF_E_CONFIG,
        "%s: the run in this folder was begun with %s = %s and %s is asked for now; leave the key as "
        "it was, add --allow-change to go on after step %" PRIu64
        " with the new value (which is recorded), or use a new folder",
        run->folder, name, was, is, step);
}

ayf_status ayf_run_settings_differ(const ayf_run *run, const ayf_config *then, int row, uint64_t step,
                                   char *change, size_t size, bool *differs) {
    ayf_context *ctx = run->ctx;
    bool same;
    *differs = false;
    AYF_TRY(compare_row(ctx, row, then, &run->cfg, &same));
    if (same || names_a_place(run, row) || in_section(row, "save.")) return AYF_OK;
    char *was = ayf_config_value(ctx, then, row), *is = ayf_config_value(ctx, &run->cfg, row);
    ayf_status status = was && is ? AYF_OK : AYF_E_MEMORY;
    bool fixed = is_fixed(row) || reshapes_discriminator(then, &run->cfg, row);
    if (status == AYF_OK && !may_change(row) && (fixed || !run->allow_change))
        status = refuse_change(run, fixed, row, was, is, step);
    if (status == AYF_OK)
        snprintf(change, size, "%s = %s from here on, %s before", ayf_config_row(row)->name, is, was);
    *differs = status == AYF_OK;
    ayf_free(ctx, was);
    ayf_free(ctx, is);
    return status;
}

ayf_status ayf_run_settings_refuse(const ayf_run *run, const ayf_config *then, const char *key,
                                   uint64_t step) {
    int row = ayf_config_row_named(key);
    char *was = ayf_config_value(run->ctx, then, row), *is = ayf_config_value(run->ctx, &run->cfg, row);
    ayf_status status = was && is ? refuse_change(run, is_fixed(row), row, was, is, step) : AYF_E_MEMORY;
    ayf_free(run->ctx, was);
    ayf_free(run->ctx, is);
    return status;
}

static ayf_status refuse_contradiction(const ayf_run *run, const ayf_config *taken, int row) {
    char *wanted = ayf_config_value(run->ctx, &run->cfg, row), *has = ayf_config_value(run->ctx, taken, row);
    ayf_status status = AYF_E_MEMORY;
    if (wanted && has)
        status = ayf_fail(run->ctx, AYF_E_CONFIG,
                          "%s = %s, but the run has the network it starts from, where it is %s; leave "
                          "the key out%s",
                          ayf_config_row(row)->name, wanted, has,
                          run->begins_as == run->teachers.teacher
                              ? ", or train a student from scratch (distill.student_init)"
                              : "");
    ayf_free(run->ctx, wanted);
    ayf_free(run->ctx, has);
    return status;
}

static ayf_status find_contradiction(const ayf_run *run, const ayf_config *taken,
                                     const ayf_config *untouched) {
    for (int i = 0; i < ayf_config_rows(); i++) {
        bool as_taken, as_default;
        if (!in_section(i, "model.")) continue;
        AYF_TRY(compare_row(run->ctx, i, &run->cfg, taken, &as_taken));
        AYF_TRY(compare_row(run->ctx, i, &run->cfg, untouched, &as_default));
        if (!as_taken && !as_default) return refuse_contradiction(run, taken, i);
    }
    return AYF_OK;
}

ayf_status ayf_run_settings_take_model(ayf_run *run, const ayf_config *taken) {
    ayf_context *ctx = run->ctx;
    ayf_config untouched;
    AYF_TRY(ayf_config_defaults(ctx, &untouched));
    ayf_status status = find_contradiction(run, taken, &untouched);
    ayf_config_free(ctx, &untouched);
    run->cfg.model = taken->model;
    return status;
}

/* ---- Keys that mean nothing to a run ---- */

/* What a run has written holds every key; what somebody wrote by hand need not. */
static bool is_complete(const ayf_assignments *list) {
    static const char *const keys[] = {"data.source", "train.grad_clip", "distill.student_init",
                                       "finetune.logit_limit", "save.keep"};
    for (size_t i = 0; i < AYF_COUNT(keys); i++)
        if (!ayf_assignments_last(list, keys[i])) return false;
    return true;
}

static const ayf_unused_key *find_unused(const ayf_run *run, const char *given) {
    for (const ayf_unused_key *key = run->type->unused; key->name; key++) {
        size_t size = strlen(key->name);
        bool section = key->name[size - 1] == '.';
        if (strncmp(key->name, given, size) == 0 && (section || given[size] == 0)) return key;
    }
    return NULL;
}

/* One file may serve all kinds, so only what is set for this run is refused. */
static ayf_status refuse_unused(const ayf_run *run, const char *given) {
    const ayf_unused_key *key = find_unused(run, given);
    if (!key) return AYF_OK;
    return ayf_fail(run->ctx, AYF_E_CONFIG, "%s means nothing to ayf %s; leave it out%s%s", given,
                    run->type->verb, key->instead ? ": " : "", key->instead ? key->instead : "");
}

static ayf_status refuse_idle(const ayf_run *run, const ayf_config *cfg, int row,
                              const ayf_config_need *need) {
    bool fixed = run->begins_as && in_section(need->row, "model.");
    char *is = ayf_config_value(run->ctx, cfg, need->row);
    if (!is) return AYF_E_MEMORY;
    ayf_status status =
        ayf_fail(run->ctx, AYF_E_CONFIG, "%s belongs to %s, and this run has %s = %s%s%s; leave it out%s%s",
                 ayf_config_row(row)->name, need->values, ayf_config_row(need->row)->name, is,
                 fixed ? ", as has " : "", fixed ? run->begins_path : "", fixed ? "" : " or set ",
                 fixed ? "" : ayf_config_row(need->row)->name);
    ayf_free(run->ctx, is);
    return status;
}

static ayf_status check_idle(const ayf_run *run, const ayf_config *cfg, const ayf_config *untouched,
                             bool by_hand, int row) {
    const char *name = ayf_config_row(row)->name;
    ayf_giver giver = ayf_assignments_giver(run->given, name);
    ayf_config_need need;
    bool same = false;
    if (giver != AYF_GIVEN_BY_SETTING && (giver != AYF_GIVEN_BY_FILE || !by_hand || find_unused(run, name)))
        return AYF_OK;
    if (!ayf_config_lacks(cfg, row, &need)) return AYF_OK;
    ayf_giver by = ayf_assignments_giver(run->given, ayf_config_row(need.row)->name);
    if (need.switched && by >= AYF_GIVEN_BY_FILE) return AYF_OK;
    if (giver == AYF_GIVEN_BY_SETTING) return refuse_idle(run, cfg, row, &need);
    if (by == AYF_GIVEN_BY_SETTING) return AYF_OK;
    AYF_TRY(compare_row(run->ctx, row, &run->cfg, untouched, &same));
    return same ? AYF_OK : refuse_idle(run, cfg, row, &need);
}

ayf_status ayf_run_settings_check(const ayf_run *run) {
    ayf_config cfg = run->cfg, untouched; /* strings stay run->cfg's */
    if (run->begins_as) {
        cfg.model.kind = run->begins_as->spec.kind;
        cfg.model.time_label = run->begins_as->spec.time_label;
    }
    AYF_TRY(ayf_config_defaults(run->ctx, &untouched));
    bool by_hand = !is_complete(run->given);
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < ayf_config_rows(); i++)
        status = check_idle(run, &cfg, &untouched, by_hand, i);
    ayf_config_free(run->ctx, &untouched);
    return status;
}

/* ---- Loading, comparing, saving ---- */

ayf_status ayf_run_settings_read(ayf_run *run) {
    void *bytes;
    /* A folder that may not be looked into must not pass for one without a run. */
    if (ayf_path_exists(run->folder) &&
        access(run->folder, R_OK | X_OK | (ayf_run_leads(run) ? W_OK : 0)) != 0)
        return ayf_fail_errno(run->ctx, errno, "use this folder", run->folder);
    if (!ayf_path_exists(run->config_path)) return AYF_OK;
    AYF_TRY(ayf_file_read(run->ctx, run->config_path, AYF_CONFIG_MOST, &bytes, &run->saved_size));
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

/* What a file sets in the wrong place may have been meant for the right one. The complete file of an earlier run
 * holds every key, so only values other than the default count. */
static ayf_status warn_of_unused(const ayf_run *run, const char *file) {
    ayf_config untouched;
    ayf_status status = ayf_config_defaults(run->ctx, &untouched);
    for (const ayf_unused_key *key = run->type->unused; status == AYF_OK && key->name; key++) {
        bool same = true;
        if (key->instead)
            status = compare_row(run->ctx, ayf_config_row_named(key->name), &untouched, &run->cfg, &same);
        if (!same)
            ayf_say(run->ctx, "%s: %s means nothing to ayf %s: %s", file, key->name, run->type->verb,
                    key->instead);
    }
    ayf_config_free(run->ctx, &untouched);
    return status;
}

static ayf_status parse_saved(const ayf_run *run, ayf_config *cfg) {
    AYF_TRY(ayf_config_defaults_of_file(run->ctx, cfg));
    ayf_status status = ayf_config_parse(run->ctx, run->config_path, run->saved_config, run->saved_size, cfg);
    if (status != AYF_OK) ayf_config_free(run->ctx, cfg);
    return status;
}

/* A run that is resumed keeps what `auto` came to when it was begun, on whatever machine that was. */
static ayf_status settle_precision(ayf_run *run, bool resumes) {
    ayf_precision *precision = &run->cfg.train.precision;
    if (*precision == AYF_PRECISION_AUTO && resumes && run->saved_config) {
        ayf_config saved;
        AYF_TRY(parse_saved(run, &saved));
        *precision = saved.train.precision;
        ayf_config_free(run->ctx, &saved);
    }
    if (*precision != AYF_PRECISION_AUTO) return AYF_OK;
    *precision = run->faster;
    run->precision_settled = true;
    return AYF_OK;
}

/* run->given, which is read once where nothing changes. */
static ayf_status give(ayf_run *run, const ayf_run_options *options, bool saved) {
    if (run->given && run->given_saved == saved) return AYF_OK;
    ayf_assignments_free(run->given);
    run->given = NULL;
    run->given_saved = saved;
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(run->ctx, &list));
    ayf_status status = collect(run, options, saved, list);
    if (status == AYF_OK)
        run->given = list;
    else
        ayf_assignments_free(list);
    return status;
}

ayf_status ayf_run_settings_device(ayf_run *run, const ayf_run_options *options) {
    if (run->ctx->device || run->ctx->backend) return AYF_OK;
    ayf_status status = give(run, options, run->saved_config && !options->config_path);
    if (status != AYF_OK)
        return status == AYF_E_MEMORY ? status : AYF_OK; /* it is met again, where it is due */
    return ayf_backend_choose(run->ctx, ayf_assignments_last(run->given, "train.device"));
}

/* What computes, whatever the configuration would have. */
static ayf_status settle_device(ayf_run *run) {
    char *device = ayf_strdup(run->ctx, run->ctx->device ? run->ctx->device : run->backend->ops->name);
    if (!device) return AYF_E_MEMORY;
    ayf_free(run->ctx, run->cfg.train.device);
    run->cfg.train.device = device;
    return AYF_OK;
}

static ayf_status apply(ayf_run *run, const ayf_run_options *options, const ayf_assignments *list,
                        bool saved) {
    bool whole = saved && is_complete(list);
    ayf_config_free(run->ctx, &run->cfg);
    AYF_TRY((whole ? ayf_config_defaults_of_file : ayf_config_defaults)(run->ctx, &run->cfg));
    if (!whole && run->type->base) AYF_TRY(run->type->base(run, list));
    AYF_TRY(ayf_config_apply(run->ctx, &run->cfg, list));
    return options->config_path ? warn_of_unused(run, options->config_path) : AYF_OK;
}

ayf_status ayf_run_settings_load(ayf_run *run, const ayf_run_options *options, bool resumes) {
    bool saved = resumes && !options->config_path && run->saved_config;
    AYF_TRY(give(run, options, saved));
    AYF_TRY(apply(run, options, run->given, saved));
    AYF_TRY(settle_device(run));
    AYF_TRY(settle_precision(run, resumes));
    return run->type->validate(run->ctx, &run->cfg);
}

ayf_status ayf_run_settings_then(const ayf_run *run, ayf_config *then) {
    const char *text = run->past.config ? run->past.config : run->saved_config;
    size_t size = run->past.config ? strlen(text) : run->saved_size;
    if (!text)
        return ayf_fail(
            run->ctx, AYF_E_IO,
            "%s: is missing, so the checkpoints in this folder cannot be resumed; put the file back or use a "
            "new folder",
            run->config_path);
    AYF_TRY(ayf_config_defaults_of_file(run->ctx, then));
    ayf_status status = ayf_config_parse(run->ctx, run->config_path, text, size, then);
    if (status != AYF_OK) ayf_config_free(run->ctx, then);
    return status;
}

ayf_status ayf_run_settings_save(const ayf_run *run) {
    char *text = ayf_config_text(run->ctx, &run->cfg);
    if (!text) return AYF_E_MEMORY;
    size_t size = strlen(text);
    bool same = run->saved_config && run->saved_size == size && memcmp(run->saved_config, text, size) == 0;
    same = same && ayf_path_exists(run->config_path);
    ayf_status status = same ? AYF_OK : ayf_file_write(run->ctx, run->config_path, text, size);
    ayf_free(run->ctx, text);
    return status;
}
