#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "io/safetensors.h"
#include "io/text.h"
#include "model/file.h"
#include "train/identity.h"
#include "train/kind.h"
#include "train/settings.h"
#include "train/state.h"
#include "train/kinds/teachers.h"

/* A checkpoint is a safetensors file of up to four copies of each learner's parameter table, in file layout:
 * "weights.<name>", "ema.<name>" (if there is an average), "adam.m.<name>" and "adam.v.<name>" (trained
 * parameters only); those of the discriminator in fine-tuning have "disc." before them. "run.watch" and
 * "run.sums" are an ayf_run_watch and an ayf_run_sums as F64; earlier versions wrote none. Metadata: format,
 * kind, step, config_hash, teachers_hash, and after a rollback "rollbacks" and "rate_scale". */

/* Structs of doubles. */
typedef struct record {
    const char *name;
    double *values;
    size_t count;
} record;
enum { RECORDS = 2 };

static void records_of(ayf_run *run, record out[RECORDS]) {
    out[0] = (record){"run.watch", (double *)&run->watch, sizeof run->watch / sizeof(double)};
    out[1] = (record){"run.sums", (double *)&run->sums, sizeof run->sums / sizeof(double)};
}

enum { NAME_SIZE = sizeof(((ayf_param *)0)->name) + 16 };

typedef struct part {
    const char *owner; /* the learner's prefix */
    ayf_learner_copy copy;
    const ayf_run *run; /* while it is written */
    float *room;
} part;

enum { PARTS = AYF_RUN_LEARNERS * AYF_LEARNER_COPIES };

static int parts_of(const ayf_run *run, part out[PARTS]) {
    int count = 0;
    for (int i = 0; i < run->learners; i++) {
        ayf_learner_copy copies[AYF_LEARNER_COPIES];
        int more = ayf_learner_copies(&run->learner[i], copies);
        for (int k = 0; k < more; k++)
            out[count++] = (part){.owner = run->learner[i].part, .copy = copies[k]};
    }
    return count;
}

static bool belongs(const part *p, int i) {
    return !p->copy.trained_only || p->copy.at->params->at[i].role != AYF_PARAM_BUFFER;
}

static void name_tensor(const part *p, const ayf_param *param, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "%s%s%s", p->owner, p->copy.prefix, param->name);
}

static bool all_finite(const float *values, size_t count) {
    size_t index;
    return ayf_first_not_finite(values, count, &index) == NULL;
}

static size_t largest_of(const ayf_run *run) {
    size_t most = 1;
    for (int i = 0; i < run->learners; i++) {
        size_t size = ayf_params_largest(run->learner[i].weights->params);
        most = size > most ? size : most;
    }
    return most;
}

static ayf_status bad_parameter(const ayf_weights *weights, float *values, const char **name) {
    for (int i = 0; !*name && i < weights->params->count; i++) {
        AYF_TRY(ayf_buffer_get(weights->at[i], values));
        if (!all_finite(values, weights->params->at[i].size)) *name = weights->params->at[i].name;
    }
    return AYF_OK;
}

ayf_status ayf_run_bad_parameter(const ayf_run *run, const char **name) {
    *name = NULL;
    float *values = ayf_alloc(run->ctx, largest_of(run), sizeof *values);
    ayf_status status = values ? AYF_OK : AYF_E_MEMORY;
    for (int i = 0; status == AYF_OK && i < run->learners; i++)
        status = bad_parameter(run->learner[i].weights, values, name);
    ayf_free(run->ctx, values);
    return status;
}

/* ---- Writing ---- */

/* Tensor `index` of a part. */
static ayf_status make_tensor(const void *from, int index, void *out) {
    const part *p = from;
    const ayf_param *param = &p->copy.at->params->at[index];
    AYF_TRY(ayf_buffer_get(p->copy.at->at[index], p->room));
    ayf_param_export(param, p->room, out);
    if (all_finite(out, param->size)) return AYF_OK;
    char name[NAME_SIZE];
    name_tensor(p, param, name);
    return ayf_fail(p->run->ctx, AYF_E_DIVERGED,
                    "training has diverged: %s holds a value that is not finite after step %" PRIu64
                    ", so nothing was saved",
                    name, p->run->step);
}

static ayf_status put_part(ayf_st_writer *writer, const part *p) {
    for (int i = 0; i < p->copy.at->params->count; i++) {
        const ayf_param *param = &p->copy.at->params->at[i];
        if (!belongs(p, i)) continue;
        char name[NAME_SIZE];
        name_tensor(p, param, name);
        AYF_TRY(ayf_st_write_made(writer, name, AYF_ST_F32, param->file_rank, param->file_shape, make_tensor,
                                  p, i));
    }
    return AYF_OK;
}

static ayf_status put_rollbacks(const ayf_run *run, ayf_st_writer *writer) {
    char count[24], scale[AYF_REAL_SIZE];
    snprintf(count, sizeof count, "%" PRIu64, run->rollbacks);
    ayf_print_real(scale, run->rate_scale);
    AYF_TRY(ayf_st_write_meta(writer, "rollbacks", count));
    return ayf_st_write_meta(writer, "rate_scale", scale);
}

static ayf_status put_records(ayf_run *run, ayf_st_writer *writer) {
    record all[RECORDS];
    records_of(run, all);
    for (int i = 0; i < RECORDS; i++)
        AYF_TRY(ayf_st_write_tensor(writer, all[i].name, AYF_ST_F64, 1,
                                    (const int64_t[]){(int64_t)all[i].count}, all[i].values));
    return AYF_OK;
}

static ayf_status put_meta(const ayf_run *run, ayf_st_writer *writer) {
    char step[24], hash[24];
    uint64_t config = ayf_run_settings_hash(run->ctx, &run->cfg);
    if (!config) return AYF_E_MEMORY;
    snprintf(step, sizeof step, "%" PRIu64, run->step);
    snprintf(hash, sizeof hash, "%016" PRIx64, config);
    AYF_TRY(ayf_run_identity_put(run, writer));
    AYF_TRY(ayf_st_write_meta(writer, "format", AYF_CHECKPOINT_FORMAT));
    AYF_TRY(ayf_st_write_meta(writer, "kind", run->type->verb));
    AYF_TRY(ayf_st_write_meta(writer, "step", step));
    if (run->rollbacks) AYF_TRY(put_rollbacks(run, writer));
    return ayf_st_write_meta(writer, "config_hash", hash);
}

ayf_status ayf_run_card(const ayf_run *run, ayf_model_card *card) {
    *card = (ayf_model_card){
        .role = run->type->makes_student ? AYF_MODEL_ROLE_STUDENT : AYF_MODEL_ROLE_TEACHER,
        .sigma_data = run->sigma_data,
        .step = run->step,
        .data = run->cfg.data.source,
        .classes = ayf_dataset_info_of(run->data)->known,
        .device = ayf_backend_has_memory(run->backend) ? (char *)(uintptr_t)run->machine : NULL,
        .config = ayf_config_text(run->ctx, &run->cfg)};
    ayf_run_guidance_range(run, &card->guidance_min, &card->guidance_max);
    card->guidance_t_max = run->teachers.network.guided ? run->cfg.distill.guidance_t_max : 1;
    return card->config ? AYF_OK : AYF_E_MEMORY;
}

ayf_status ayf_run_model_write(const ayf_run *run, const char *path, char *measured) {
    ayf_model_card card;
    AYF_TRY(ayf_run_card(run, &card));
    card.measured = measured;
    ayf_status status = ayf_model_write(path, run->learner[0].average, &card);
    ayf_free(run->ctx, card.config);
    return status;
}

/* Tensors are read from the backend one by one. The checkpoint goes first: a model is never newer than the
 * checkpoint that a run goes on from, and a checkpoint makes a model that is missing or older again. */
static ayf_status write_files(ayf_run *run, const char *path) {
    ayf_context *ctx = run->ctx;
    part parts[PARTS];
    int count = parts_of(run, parts);
    float *room = ayf_alloc(ctx, largest_of(run), sizeof *room);
    ayf_st_writer *writer = NULL;
    ayf_status status = room ? ayf_st_write_begin(ctx, &writer) : AYF_E_MEMORY;
    if (status == AYF_OK) status = put_meta(run, writer);
    for (int i = 0; status == AYF_OK && i < count; i++) {
        parts[i].run = run;
        parts[i].room = room;
        status = put_part(writer, &parts[i]);
    }
    if (status == AYF_OK) status = put_records(run, writer);
    if (status == AYF_OK)
        status = ayf_st_write_end(writer, path);
    else
        ayf_st_write_cancel(writer);
    ayf_free(ctx, room);
    return status == AYF_OK ? ayf_run_model_write(run, run->model_path, NULL) : status;
}

ayf_status ayf_run_checkpoint_write(ayf_run *run) {
    char *path = ayf_run_checkpoint_path(run->ctx, run->folder, (int64_t)run->step);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = write_files(run, path);
    ayf_free(run->ctx, path);
    if (status != AYF_OK) return status;
    run->saved_step = (int64_t)run->step;
    return ayf_run_prune(run->ctx, run->folder, run->cfg.save.keep);
}

/* ---- Reading ---- */

static ayf_status damaged(const ayf_st *st, ayf_context *ctx, const char *what, const char *name) {
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s: %s%s; remove the file to go on from the checkpoint before it, or use a new folder",
                    ayf_st_path(st), what, name);
}

/* The end of reading a checkpoint: what is wrong with the file concerns the newest one. */
static ayf_status unusable(const ayf_run *run, ayf_status status) {
    if (status == AYF_E_FORMAT)
        ayf_fail_prefix(run->ctx,
                        "the newest checkpoint cannot be used (remove it to go on from the one before it, or "
                        "take a new folder): ");
    return status;
}

static ayf_status check_kind(const ayf_run *run, const ayf_st *st) {
    const char *format = ayf_st_meta(st, "format"), *kind = ayf_st_meta(st, "kind");
    if (!format || strcmp(format, AYF_CHECKPOINT_FORMAT) != 0 || !kind || !ayf_st_meta(st, "step") ||
        !ayf_st_meta(st, "config_hash") || !ayf_st_meta(st, "teachers_hash"))
        return damaged(st, run->ctx, "is not a checkpoint of this program", "");
    if (strcmp(kind, run->type->verb) != 0)
        return ayf_fail(run->ctx, AYF_E_USAGE,
                        "%s: the run in this folder was made by ayf %s, not by ayf %s; use another folder",
                        run->folder, kind, run->type->verb);
    return AYF_OK;
}

static ayf_status check_meta(const ayf_run *run, const ayf_st *st, int64_t step) {
    AYF_TRY(check_kind(run, st));
    const char *at = ayf_st_meta(st, "step"), *hash = ayf_st_meta(st, "config_hash");
    char *end = NULL;
    if (strtoll(at, &end, 10) != (long long)step || *end)
        return damaged(st, run->ctx, "its name and its content disagree about the step", "");
    char expected[24];
    if (ayf_st_meta(st, "config")) return AYF_OK; /* compared key by key */
    snprintf(expected, sizeof expected, "%016" PRIx64, run->past.config_hash);
    if (strcmp(hash, expected) != 0)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: was written under another configuration than %s says, or by a version of ayf "
                        "with other keys; "
                        "put the original file back, use that version, or use a new folder",
                        ayf_st_path(st), run->config_path);
    return AYF_OK;
}

/* The file is whole, so nobody should be sent to remove it: the number of classes comes from the data, and
 * the network of a student from its teacher. */
static ayf_status other_network(const ayf_run *run, const ayf_st *st, const char *name) {
    return ayf_fail(
        run->ctx, AYF_E_FORMAT,
        "%s: does not hold the network of this run: %s; put the data and teachers back as they were when "
        "it was begun, or use a new folder",
        ayf_st_path(st), name);
}

static ayf_status get_part(const ayf_run *run, const ayf_st *st, const part *p, float *file, float *graph,
                           size_t *found) {
    for (int i = 0; i < p->copy.at->params->count; i++) {
        const ayf_param *param = &p->copy.at->params->at[i];
        if (!belongs(p, i)) continue;
        char name[NAME_SIZE];
        name_tensor(p, param, name);
        const ayf_st_tensor *tensor = ayf_st_find(st, name);
        if (!tensor || tensor->dtype != AYF_ST_F32 || !ayf_param_fits(param, tensor->rank, tensor->shape))
            return other_network(run, st, name);
        AYF_TRY(unusable(run, ayf_st_read_finite(st, name, file, param->size)));
        ayf_param_import(param, file, graph);
        AYF_TRY(ayf_buffer_set(p->copy.at->at[i], graph));
        ++*found;
    }
    return AYF_OK;
}

static ayf_status read_rollbacks(ayf_run *run, const ayf_st *st) {
    const char *rollbacks = ayf_st_meta(st, "rollbacks"), *scale = ayf_st_meta(st, "rate_scale");
    run->rollbacks = rollbacks ? strtoull(rollbacks, NULL, 10) : 0;
    run->rate_scale = 1;
    if (scale && (!ayf_parse_real(scale, &run->rate_scale) || !(run->rate_scale > 0)))
        return damaged(st, run->ctx, "rate_scale is not a number above 0", "");
    return AYF_OK;
}

/* *found tensors more were read. */
static ayf_status read_records(ayf_run *run, const ayf_st *st, size_t *found) {
    record all[RECORDS];
    records_of(run, all);
    for (int i = 0; i < RECORDS; i++) {
        const ayf_st_tensor *tensor = ayf_st_find(st, all[i].name);
        memset(all[i].values, 0, all[i].count * sizeof(double));
        if (!tensor) continue;
        if (tensor->dtype != AYF_ST_F64 || tensor->count != all[i].count)
            return damaged(st, run->ctx, "has another form than this version writes: ", all[i].name);
        AYF_TRY(unusable(run, ayf_st_read_f64(st, all[i].name, all[i].values, all[i].count)));
        AYF_TRY(unusable(run, ayf_st_check_finite(st, all[i].name)));
        ++*found;
    }
    for (int i = 0; i < AYF_WATCH_FIGURES; i++)
        if (!(run->watch.row[i].seen >= 0 && run->watch.row[i].seen < 0x1p53))
            return damaged(st, run->ctx, "counts what cannot be: ", "run.watch");
    return read_rollbacks(run, st);
}

static ayf_status read_parts(ayf_run *run, const ayf_st *st) {
    size_t most = largest_of(run), found = 0;
    float *file = ayf_alloc(run->ctx, most, sizeof *file), *graph = ayf_alloc(run->ctx, most, sizeof *graph);
    ayf_status status = file && graph ? AYF_OK : AYF_E_MEMORY;
    part parts[PARTS];
    int count = parts_of(run, parts);
    for (int i = 0; status == AYF_OK && i < count; i++)
        status = get_part(run, st, &parts[i], file, graph, &found);
    if (status == AYF_OK) status = read_records(run, st, &found);
    if (status == AYF_OK && found != ayf_st_count(st))
        status = damaged(st, run->ctx, "holds tensors that do not belong to this run", "");
    ayf_free(run->ctx, file);
    ayf_free(run->ctx, graph);
    return status;
}

static ayf_status open_checkpoint(const ayf_run *run, int64_t step, ayf_st **st) {
    *st = NULL;
    char *path = ayf_run_checkpoint_path(run->ctx, run->folder, step);
    ayf_status status = path ? ayf_st_open_values(run->ctx, path, st) : AYF_E_MEMORY;
    ayf_free(run->ctx, path);
    return unusable(run, status);
}

ayf_status ayf_run_checkpoint_check(ayf_run *run, int64_t step) {
    ayf_st *st;
    AYF_TRY(open_checkpoint(run, step, &st));
    ayf_status status = check_kind(run, st);
    if (status == AYF_OK) status = ayf_run_identity_read(run, st);
    ayf_st_close(st);
    return status;
}

/* Whether the model file is that of the checkpoint just read; if not, the checkpoint makes it again. */
static bool model_is_whole(const ayf_run *run) {
    ayf_model_card card;
    if (!ayf_path_exists(run->model_path) ||
        ayf_model_read_card(run->ctx, run->model_path, NULL, &card) != AYF_OK)
        return false;
    bool same = card.step == run->step;
    ayf_model_card_free(run->ctx, &card);
    ayf_st *st = NULL;
    same = same && ayf_st_open_values(run->ctx, run->model_path, &st) == AYF_OK;
    for (size_t i = 0; same && i < ayf_st_count(st); i++) /* compares the checksum */
        same = ayf_st_check_finite(st, ayf_st_at(st, i)->name) == AYF_OK;
    ayf_st_close(st);
    return same;
}

ayf_status ayf_run_checkpoint_read(ayf_run *run, int64_t step) {
    ayf_st *st;
    AYF_TRY(open_checkpoint(run, step, &st));
    ayf_status status = check_meta(run, st, step);
    if (status == AYF_OK) status = read_parts(run, st);
    ayf_st_close(st);
    if (status != AYF_OK) return status;
    run->step = (uint64_t)step;
    run->saved_step = step;
    return !ayf_run_leads(run) || run->dry || model_is_whole(run)
               ? AYF_OK
               : ayf_run_model_write(run, run->model_path, NULL);
}
