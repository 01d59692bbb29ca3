#include "train/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/open.h"
#include "config/table.h"
#include "data/fingerprint.h"
#include "io/text.h"
#include "model/file.h"
#include "train/kind.h"
#include "train/recipe.h"
#include "train/settings.h"

/* ---- The history ---- */

static ayf_status note(ayf_run *run, uint64_t step, const char *format, ...) AYF_PRINTF(3, 4);
static ayf_status note(ayf_run *run, uint64_t step, const char *format, ...) {
    char what[AYF_MESSAGE_SIZE];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    for (char *at = what; *at; at++)
        if (*at == '\n') *at = ' '; /* a line of the history */
    const char *before = run->past.changes ? run->past.changes : "";
    char *all = ayf_format(run->ctx, "%sstep %" PRIu64 ": %s\n", before, step, what);
    if (!all) return AYF_E_MEMORY;
    ayf_free(run->ctx, run->past.changes);
    run->past.changes = all;
    run->changed = true;
    return AYF_OK;
}

/* ---- Reading and writing ---- */

static ayf_status take(const ayf_run *run, const ayf_st *st, const char *key, char **out) {
    const char *value = ayf_st_meta(st, key);
    ayf_free(run->ctx, *out);
    *out = value ? ayf_strdup(run->ctx, value) : NULL;
    return value && !*out ? AYF_E_MEMORY : AYF_OK;
}

ayf_status ayf_run_identity_read(ayf_run *run, const ayf_st *st) {
    AYF_TRY(take(run, st, "config", &run->past.config));
    AYF_TRY(take(run, st, "data", &run->past.data));
    AYF_TRY(take(run, st, "teachers_hash", &run->past.teachers));
    AYF_TRY(take(run, st, "begins_hash", &run->past.begins));
    AYF_TRY(take(run, st, "machine", &run->past.machine));
    AYF_TRY(take(run, st, "changes", &run->past.changes));
    run->past.known = run->past.changes ? strlen(run->past.changes) : 0;
    return AYF_OK;
}

void ayf_run_identity_clear(ayf_run *run) {
    char *owned[] = {run->past.config, run->past.data,    run->past.teachers,
                     run->past.begins, run->past.machine, run->past.changes};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(run->ctx, owned[i]);
    run->past = (ayf_run_past){0};
}

static void print_hash(uint64_t hash, char text[24]) { snprintf(text, 24, "%016" PRIx64, hash); }

/* A run that is resumed keeps what it was begun with. */
static ayf_status put_beginning(const ayf_run *run, ayf_st_writer *writer) {
    char now[24];
    print_hash(run->begins_hash, now);
    if (run->past.begins) return ayf_st_write_meta(writer, "begins_hash", run->past.begins);
    return run->begins_hash ? ayf_st_write_meta(writer, "begins_hash", now) : AYF_OK;
}

ayf_status ayf_run_identity_put(const ayf_run *run, ayf_st_writer *writer) {
    char teachers[24], *config = ayf_config_text(run->ctx, &run->cfg);
    if (!config) return AYF_E_MEMORY;
    print_hash(run->teachers.hash, teachers);
    ayf_status status = ayf_st_write_meta(writer, "config", config);
    ayf_free(run->ctx, config);
    AYF_TRY(status);
    AYF_TRY(ayf_st_write_meta(writer, "teachers_hash", teachers));
    AYF_TRY(put_beginning(run, writer));
    AYF_TRY(ayf_st_write_meta(writer, "data", run->data_print));
    AYF_TRY(ayf_st_write_meta(writer, "machine", run->machine));
    return run->past.changes ? ayf_st_write_meta(writer, "changes", run->past.changes) : AYF_OK;
}

/* ---- Now ---- */

_Static_assert(sizeof((ayf_run *)0)->data_print >= (size_t)AYF_FINGERPRINT_TEXT, "a fingerprint fits");

ayf_status ayf_run_identity_find(ayf_run *run) {
    ayf_fingerprint print;
    char name[AYF_DEVICE_SIZE];
    int threads, ranks = run->comm->ranks;
    ayf_backend_name(run->backend, name, &threads);
    AYF_TRY(ayf_dataset_fingerprint(run->data, &print));
    ayf_fingerprint_print(&print, run->data_print);
    snprintf(run->machine, sizeof run->machine, "%s, %d thread%s, %d process%s, %d part%s", name, threads,
             threads == 1 ? "" : "s", ranks, ranks == 1 ? "" : "es", run->batch.parts,
             run->batch.parts == 1 ? "" : "s");
    return AYF_OK;
}

/* ---- Comparing ---- */

/* Of a network's inputs. */
static bool same_form(const ayf_fingerprint *a, const ayf_fingerprint *b) {
    return a->height == b->height && a->width == b->width && a->channels == b->channels &&
           a->classes == b->classes;
}

static ayf_status compare_data(ayf_run *run, uint64_t step, const char *path_then) {
    ayf_fingerprint then, now;
    char words[AYF_FINGERPRINT_WORDS] = "there is no fingerprint in checkpoints of earlier versions";
    const char *path = run->cfg.data.source;
    bool same_path = strcmp(path, path_then) == 0;
    bool known = run->past.data && ayf_fingerprint_parse(run->past.data, &then) &&
                 ayf_fingerprint_parse(run->data_print, &now);
    if (known ? !ayf_fingerprint_differs(&then, &now, words) : same_path) {
        if (!same_path) ayf_say(run->ctx, "%s: the data are the same, now at %s", run->folder, path);
        return AYF_OK;
    }
    if (known && !same_form(&then, &now))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "%s: %s are not the data that this run was begun with (%s): %s, which its weights depend on; "
            "give those or use a new folder",
            run->folder, path, path_then, words);
    if (run->allow_change) return note(run, step, "the data are others from here on: %s", words);
    return ayf_fail(run->ctx, AYF_E_CONFIG,
                    "%s: %s are not the data that this run was begun with (%s): %s; give those, add "
                    "--allow-change to go on with these, or use a new folder",
                    run->folder, path, path_then, words);
}

static void list_models(const ayf_run *run, ayf_text *list) {
    bool begins_as_other = run->begins_as && run->begins_as != run->teachers.teacher;
    const char *named[] = {run->cfg.distill.teacher, run->cfg.distill.weak,
                           begins_as_other ? run->begins_path : ""};
    ayf_text_init(list, run->ctx);
    for (size_t i = 0; i < AYF_COUNT(named); i++)
        if (*named[i]) ayf_text_print(list, "%s%s", list->size ? ", " : "", named[i]);
}

static ayf_status compare_teachers(ayf_run *run, uint64_t step) {
    char now[24];
    print_hash(run->teachers.hash, now);
    if (!run->past.teachers || strcmp(run->past.teachers, now) == 0) return AYF_OK;
    ayf_text list;
    list_models(run, &list);
    const char *names = list.size ? list.data : "none is named";
    ayf_status status =
        run->allow_change
            ? note(run, step, "the weights of its models (teachers, student) are others from here on")
            : ayf_fail(run->ctx, AYF_E_CONFIG,
                       "%s: this run began with other models than the ones that are there now (%s): their "
                       "weights differ; put them back, add --allow-change to go on with these, or use a new "
                       "folder",
                       run->folder, names);
    ayf_text_free(&list);
    return status;
}

/* Of the model file, or the run, that `path` names; 0 when there is none that can be read. */
static ayf_status hash_model(const ayf_run *run, const char *path, uint64_t *hash) {
    ayf_weights *weights = NULL;
    ayf_model_card card;
    *hash = 0;
    if (!*path) return AYF_OK;
    char *file = ayf_run_model_file(run->ctx, path);
    if (!file) return AYF_E_MEMORY;
    ayf_status status = ayf_model_read_flow(run->backend, file, &weights, &card);
    ayf_free(run->ctx, file);
    if (status != AYF_OK) return status == AYF_E_MEMORY || status == AYF_E_CANCELLED ? status : AYF_OK;
    *hash = AYF_HASH_START;
    status = ayf_weights_hash(weights, hash);
    ayf_model_card_free(run->ctx, &card);
    ayf_weights_free(weights);
    return status;
}

/* The steps so far come from this model, whatever --allow-change says; it may lie elsewhere now. */
static ayf_status compare_beginning(ayf_run *run, const ayf_config *then, uint64_t step) {
    const ayf_run_type *type = run->type;
    const char *was = type->begins ? type->begins(then) : "",
               *is = type->begins ? type->begins(&run->cfg) : "";
    uint64_t hash_was = 0, hash_is = run->begins_hash;
    char text[24];
    if (strcmp(was, is) == 0) return AYF_OK;
    if (!hash_is) AYF_TRY(hash_model(run, is, &hash_is));
    if (!run->past.begins) AYF_TRY(hash_model(run, was, &hash_was));
    print_hash(hash_is, text);
    bool same = run->past.begins ? strcmp(run->past.begins, text) == 0 : hash_was == hash_is;
    return same && hash_is ? AYF_OK : ayf_run_settings_refuse(run, then, type->begins_key, step);
}

static ayf_status compare_machine(ayf_run *run, uint64_t step) {
    if (!run->past.machine || strcmp(run->past.machine, run->machine) == 0) return AYF_OK;
    if (step >= run->steps) return AYF_OK; /* nothing is computed */
    return note(
        run, step,
        "goes on with %s; it was computed with %s so far, so its bytes will differ from those of a run "
        "that was not interrupted",
        run->machine, run->past.machine);
}

/* How fast the next step learns, and the weight of the tangent in it, depend on several keys, among them the
 * number of steps. */
static ayf_status note_schedule(ayf_run *run, const ayf_config *then, uint64_t step) {
    double was = ayf_rate_below(then, run->type->rate(then), step);
    double is = ayf_rate_below(&run->cfg, run->type->rate(&run->cfg), step);
    if (was != is)
        AYF_TRY(
            note(run, step,
                 "the learning rate (%s) of the next step becomes %.3g, where it would have been %.3g; the "
                 "steps so far are as they were",
                 run->type->rate_key, is, was));
    if (!run->type->makes_student || run->type->group) return AYF_OK;
    double r_was = ayf_tangent_weight_from_config(then, step);
    double r_is = ayf_tangent_weight_from_config(&run->cfg, step);
    if (r_was == r_is) return AYF_OK;
    return note(run, step, "the weight of the derivative (distill.r_max) becomes %.3g, where it was %.3g",
                r_is, r_was);
}

static ayf_status compare_rows(ayf_run *run, const ayf_config *then, uint64_t step) {
    for (int row = 0; row < ayf_config_rows(); row++) {
        char change[480];
        bool differs;
        AYF_TRY(ayf_run_settings_differ(run, then, row, step, change, sizeof change, &differs));
        if (differs) AYF_TRY(note(run, step, "%s", change));
    }
    return step < run->steps ? note_schedule(run, then, step) : AYF_OK;
}

void ayf_run_identity_say(const ayf_run *run) {
    const char *line = run->changed ? run->past.changes + run->past.known : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *what = strstr(line, ": ") + 2; /* behind "step 12" */
        ayf_say(run->ctx, "%s: %.*s", run->folder, (int)(end - what), what);
    }
}

ayf_status ayf_run_identity_compare(ayf_run *run, uint64_t step) {
    ayf_config then;
    AYF_TRY(ayf_run_settings_then(run, &then));
    run->past.config_hash = ayf_run_settings_hash(run->ctx, &then);
    ayf_status status = compare_rows(run, &then, step);
    if (status == AYF_OK) status = compare_data(run, step, then.data.source);
    if (status == AYF_OK) status = compare_beginning(run, &then, step);
    if (status == AYF_OK) status = compare_teachers(run, step);
    if (status == AYF_OK) status = compare_machine(run, step);
    ayf_config_free(run->ctx, &then);
    return status;
}

/* ---- Paths ---- */

static ayf_status locate(const ayf_run *run, char **path) {
    char here[4096];
    const char *name = *path;
    if (!*name || *name == '/' || !ayf_path_exists(name) || !getcwd(here, sizeof here)) return AYF_OK;
    while (name[0] == '.' && name[1] == '/') {
        name += 2;
        while (*name == '/') name++;
    }
    char *whole = *name ? ayf_path_join(run->ctx, here, name) : ayf_strdup(run->ctx, here);
    if (!whole) return AYF_E_MEMORY;
    ayf_free(run->ctx, *path);
    *path = whole;
    return AYF_OK;
}

ayf_status ayf_run_identity_locate(ayf_run *run) {
    char **paths[] = {&run->cfg.data.source, &run->cfg.train.init, &run->cfg.distill.teacher,
                      &run->cfg.distill.weak, &run->cfg.finetune.student};
    for (size_t i = 0; i < AYF_COUNT(paths); i++) AYF_TRY(locate(run, paths[i]));
    return AYF_OK;
}
