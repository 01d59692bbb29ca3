#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/file.h"
#include "base/number.h"
#include "io/text.h"
#include "nn/network.h"

/* Metadata: these keys and "model.<key>" for every field that the kind of network has; all are required, no
 * others are known but "accuracy" of features and, of flow networks, "classes" (ayf_classes_print()), which older files
 * lack, "guidance_t_max" where it is not 1, "measured", and "device" where it was a GPU. Numbers are the shortest decimals
 * that read back the same. */
#define FORMAT_VERSION "1"
#define SPEC_PREFIX "model."
static const char *const card_keys[] = {"format",     "format_version", "role",
                                        "sigma_data", "guidance_min",   "guidance_max",
                                        "step",       "data",           "config"};

/* ---- Writing ---- */

static ayf_status write_real(ayf_context *ctx, ayf_st_writer *writer, const char *key, double value) {
    ayf_text text;
    ayf_text_init(&text, ctx);
    ayf_text_real(&text, value);
    ayf_status status = text.failed ? AYF_E_MEMORY : ayf_st_write_meta(writer, key, text.data);
    ayf_text_free(&text);
    return status;
}

/* Bytes that are not UTF-8 (from the name of a folder) become '?', so that no training is lost over them. */
static ayf_status write_text(ayf_context *ctx, ayf_st_writer *writer, const char *key, const char *value) {
    char *copy = ayf_strdup(ctx, value ? value : "");
    if (!copy) return AYF_E_MEMORY;
    for (char *at = copy; *at;) {
        uint32_t code;
        size_t size = ayf_utf8_decode(at, strlen(at), &code);
        if (size == 0) *at = '?';
        at += size ? size : 1;
    }
    ayf_status status = ayf_st_write_meta(writer, key, copy);
    ayf_free(ctx, copy);
    return status;
}

ayf_status ayf_model_card_put(ayf_context *ctx, ayf_st_writer *writer, const char *format,
                              const ayf_model_spec *spec, const ayf_model_card *card) {
    char text[AYF_FIELD_SIZE], key[64];
    AYF_TRY(ayf_st_write_meta(writer, "format", format));
    AYF_TRY(ayf_st_write_meta(writer, "format_version", FORMAT_VERSION));
    AYF_TRY(ayf_st_write_meta(writer, "role", ayf_model_role_name(card->role)));
    AYF_TRY(write_real(ctx, writer, "sigma_data", card->sigma_data));
    AYF_TRY(write_real(ctx, writer, "guidance_min", card->guidance_min));
    AYF_TRY(write_real(ctx, writer, "guidance_max", card->guidance_max));
    if (card->guidance_t_max > 0 && card->guidance_t_max < 1)
        AYF_TRY(write_real(ctx, writer, "guidance_t_max", card->guidance_t_max));
    snprintf(text, sizeof text, "%llu", (unsigned long long)card->step);
    AYF_TRY(ayf_st_write_meta(writer, "step", text));
    AYF_TRY(write_text(ctx, writer, "data", card->data));
    AYF_TRY(write_text(ctx, writer, "config", card->config));
    if (card->accuracy) AYF_TRY(write_text(ctx, writer, "accuracy", card->accuracy));
    if (card->classes.count && ayf_model_is_flow(spec)) {
        char *classes = ayf_classes_print(ctx, &card->classes);
        ayf_status status = classes ? ayf_st_write_meta(writer, "classes", classes) : AYF_E_MEMORY;
        ayf_free(ctx, classes);
        AYF_TRY(status);
    }
    if (card->measured) AYF_TRY(write_text(ctx, writer, "measured", card->measured));
    if (card->device) AYF_TRY(write_text(ctx, writer, "device", card->device));
    for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
        if (!ayf_model_spec_has(spec, i)) continue;
        snprintf(key, sizeof key, SPEC_PREFIX "%s", ayf_model_spec_key(i));
        ayf_model_spec_get(spec, i, text, sizeof text);
        AYF_TRY(ayf_st_write_meta(writer, key, text));
    }
    return AYF_OK;
}

/* Parameter `index` of an ayf_weights_out, in file layout. */
static ayf_status make_tensor(const void *from, int index, void *to) {
    const ayf_weights_out *out = from;
    const ayf_param *param = &out->weights->params->at[index];
    size_t at;
    AYF_TRY(ayf_buffer_get(out->weights->at[index], out->room));
    ayf_param_export(param, out->room, to);
    const char *bad = ayf_first_not_finite(to, param->size, &at);
    if (!bad) return AYF_OK;
    return ayf_fail(out->weights->backend->ctx, AYF_E_DIVERGED,
                    "%s was not written: value %zu of tensor '%s' is %s", out->path, at, param->name, bad);
}

ayf_status ayf_weights_put(ayf_st_writer *writer, const ayf_weights_out *out, const char *prefix) {
    const ayf_params *params = out->weights->params;
    for (int i = 0; i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        char name[sizeof param->name + 16];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        AYF_TRY(ayf_st_write_made(writer, name, AYF_ST_F32, param->file_rank, param->file_shape, make_tensor,
                                  out, i));
    }
    return AYF_OK;
}

/* A file with its card, to which tensors are added. */
static ayf_status begin_model(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                              const ayf_model_card *card, ayf_st_writer **writer) {
    if (!ayf_model_role_fits(spec, card->role))
        return ayf_fail(ctx, AYF_E_INTERNAL,
                        "%s: a network of kind '%s' with is_student %s cannot have the role '%s'", path,
                        ayf_model_kind_name(spec->kind), spec->is_student ? "true" : "false",
                        ayf_model_role_name(card->role));
    AYF_TRY(ayf_st_write_begin(ctx, writer));
    ayf_status status = ayf_model_card_put(ctx, *writer, AYF_MODEL_FORMAT, spec, card);
    if (status != AYF_OK) ayf_st_write_cancel(*writer);
    return status;
}

ayf_status ayf_model_write_values(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                                  const ayf_params *params, const float *values, const ayf_model_card *card) {
    ayf_st_writer *writer;
    AYF_TRY(begin_model(ctx, path, spec, card, &writer));
    for (int i = 0; i < params->count; i++) { /* a failure is that of the end */
        const ayf_param *param = &params->at[i];
        ayf_st_write_tensor(writer, param->name, AYF_ST_F32, param->file_rank, param->file_shape, values);
        values += param->size;
    }
    return ayf_st_write_end(writer, path);
}

ayf_status ayf_model_write(const char *path, const ayf_weights *w, const ayf_model_card *card) {
    ayf_context *ctx = w->backend->ctx;
    ayf_st_writer *writer;
    AYF_TRY(begin_model(ctx, path, &w->spec, card, &writer));
    ayf_weights_out out = {w, path, ayf_alloc(ctx, ayf_params_largest(w->params), sizeof(float))};
    ayf_status status = out.room ? ayf_weights_put(writer, &out, "") : AYF_E_MEMORY;
    if (status == AYF_OK)
        status = ayf_st_write_end(writer, path);
    else
        ayf_st_write_cancel(writer);
    ayf_free(ctx, out.room);
    return status;
}

/* ---- Reading the metadata ---- */

static ayf_status required(ayf_context *ctx, const ayf_st *st, const char *key, const char **value) {
    *value = ayf_st_meta(st, key);
    if (*value) return AYF_OK;
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s: the metadata has no '%s': the file is not a complete ayf model, or "
                    "another version of ayf wrote it",
                    ayf_st_path(st), key);
}

static ayf_status read_real(ayf_context *ctx, const ayf_st *st, const char *key, double low, double *out) {
    const char *text;
    AYF_TRY(required(ctx, st, key, &text));
    if (!ayf_parse_real(text, out) || *out < low)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: metadata '%s': '%s' is not a number of at least %g",
                        ayf_st_path(st), key, text, low);
    return AYF_OK;
}

static ayf_status read_step(ayf_context *ctx, const ayf_st *st, uint64_t *out) {
    const char *text;
    AYF_TRY(required(ctx, st, "step", &text));
    errno = 0;
    *out = strtoull(text, NULL, 10);
    if (!*text || strspn(text, "0123456789") != strlen(text) || errno)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: metadata 'step': '%s' is not a whole number", ayf_st_path(st),
                        text);
    return AYF_OK;
}

static ayf_status check_version(ayf_context *ctx, const ayf_st *st) {
    const char *version;
    AYF_TRY(required(ctx, st, "format_version", &version));
    if (strcmp(version, FORMAT_VERSION) != 0)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: format_version is '%s', but this program reads " FORMAT_VERSION
                        "; use the version of ayf that wrote the file",
                        ayf_st_path(st), version);
    return AYF_OK;
}

static ayf_status check_format(ayf_context *ctx, const ayf_st *st) {
    const char *format = ayf_st_meta(st, "format");
    if (!format || strcmp(format, AYF_MODEL_FORMAT) != 0)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s is not an ayf model: its metadata has no format '" AYF_MODEL_FORMAT
                        "'; use a run's folder or its model.safetensors (checkpoints are for resuming; ayf "
                        "import makes models of EDM2's weights and of VAEs)",
                        ayf_st_path(st));
    return AYF_OK;
}

static bool is_known(const ayf_model_spec *spec, const char *key) {
    for (size_t i = 0; i < AYF_COUNT(card_keys); i++)
        if (strcmp(key, card_keys[i]) == 0) return true;
    if (strcmp(key, "accuracy") == 0) return spec->kind == AYF_MODEL_FEATURES;
    if (strcmp(key, "classes") == 0 || strcmp(key, "measured") == 0 || strcmp(key, "guidance_t_max") == 0 ||
        strcmp(key, "device") == 0)
        return ayf_model_is_flow(spec);
    if (strncmp(key, SPEC_PREFIX, strlen(SPEC_PREFIX)) != 0) return false;
    for (size_t i = 0; i < ayf_model_spec_keys(); i++)
        if (strcmp(key + strlen(SPEC_PREFIX), ayf_model_spec_key(i)) == 0) return ayf_model_spec_has(spec, i);
    return false;
}

static ayf_status read_field(ayf_context *ctx, const ayf_st *st, const char *name, ayf_model_spec *spec) {
    char key[64];
    const char *text;
    snprintf(key, sizeof key, SPEC_PREFIX "%s", name);
    if (!ayf_st_meta(st, key) && ayf_model_spec_added(name)) return AYF_OK;
    AYF_TRY(required(ctx, st, key, &text));
    if (ayf_model_spec_set(ctx, spec, name, text) == AYF_OK) return AYF_OK;
    ayf_fail_prefix(ctx, "%s: metadata: " SPEC_PREFIX, ayf_st_path(st));
    return ctx->status = AYF_E_FORMAT;
}

static ayf_status read_spec(ayf_context *ctx, const ayf_st *st, ayf_model_spec *spec) {
    for (size_t i = 0; i < ayf_model_spec_keys(); i++)
        if (ayf_model_spec_has(spec, i)) AYF_TRY(read_field(ctx, st, ayf_model_spec_key(i), spec));
    if (ayf_network_check(ctx, spec) == AYF_OK) return AYF_OK;
    ayf_fail_prefix(ctx, "%s: metadata: ", ayf_st_path(st));
    return ctx->status = AYF_E_FORMAT;
}

static ayf_status read_role(ayf_context *ctx, const ayf_st *st, const ayf_model_spec *spec,
                            ayf_model_role *role) {
    const char *text;
    AYF_TRY(required(ctx, st, "role", &text));
    if (!ayf_model_role_find(text, role)) {
        char roles[AYF_MODEL_ROLE_LIST];
        ayf_model_role_list(roles);
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: metadata 'role': '%s' is not %s", ayf_st_path(st), text,
                        roles);
    }
    if (ayf_model_role_fits(spec, *role)) return AYF_OK;
    if (!ayf_model_is_flow(spec) || *role > AYF_MODEL_ROLE_STUDENT)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: metadata: role '%s' contradicts " SPEC_PREFIX "kind '%s'",
                        ayf_st_path(st), text, ayf_model_kind_name(spec->kind));
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: metadata: role '%s' contradicts " SPEC_PREFIX "is_student '%s'",
                    ayf_st_path(st), text, spec->is_student ? "true" : "false");
}

static ayf_status read_classes(ayf_context *ctx, const ayf_st *st, const ayf_model_spec *spec,
                               ayf_model_card *card) {
    const char *text = ayf_st_meta(st, "classes");
    if (!text) return AYF_OK;
    ayf_status status = ayf_classes_parse(ctx, text, &card->classes);
    if (status == AYF_OK && card->classes.count != spec->label_dim)
        status = ayf_fail(ctx, AYF_E_FORMAT, "they are %d, but the network has %d", card->classes.count,
                          spec->label_dim);
    if (status == AYF_E_FORMAT) ayf_fail_prefix(ctx, "%s: metadata 'classes': ", ayf_st_path(st));
    return status;
}

/* Of a model file, or with the key `more` of a file that has it besides. */
static ayf_status read_metadata(ayf_context *ctx, const ayf_st *st, const char *more, ayf_model_spec *spec,
                                ayf_model_card *card) {
    const char *path = ayf_st_path(st), *key, *value, *data, *config, *accuracy = ayf_st_meta(st, "accuracy"),
               *measured = ayf_st_meta(st, "measured"), *device = ayf_st_meta(st, "device");
    if (!more) AYF_TRY(check_format(ctx, st));
    AYF_TRY(check_version(ctx, st));
    *spec = ayf_model_spec_default();
    AYF_TRY(read_field(ctx, st, "kind", spec));
    for (size_t i = 0; i < ayf_st_meta_count(st); i++) {
        ayf_st_meta_at(st, i, &key, &value);
        if (!is_known(spec, key) && !(more && strcmp(key, more) == 0))
            return ayf_fail(ctx, AYF_E_FORMAT, "%s: unknown key '%s' in the metadata", path, key);
    }
    AYF_TRY(read_spec(ctx, st, spec));
    AYF_TRY(read_role(ctx, st, spec, &card->role));
    AYF_TRY(read_real(ctx, st, "sigma_data", 1e-6, &card->sigma_data));
    AYF_TRY(read_real(ctx, st, "guidance_min", 0, &card->guidance_min));
    AYF_TRY(read_real(ctx, st, "guidance_max", card->guidance_min, &card->guidance_max));
    card->guidance_t_max = 1;
    if (ayf_st_meta(st, "guidance_t_max"))
        AYF_TRY(read_real(ctx, st, "guidance_t_max", 1e-6, &card->guidance_t_max));
    AYF_TRY(read_step(ctx, st, &card->step));
    AYF_TRY(read_classes(ctx, st, spec, card));
    AYF_TRY(required(ctx, st, "data", &data));
    AYF_TRY(required(ctx, st, "config", &config));
    card->data = ayf_strdup(ctx, data);
    card->config = ayf_strdup(ctx, config);
    if (device && !(card->device = ayf_strdup(ctx, device))) return AYF_E_MEMORY;
    if (measured && !(card->measured = ayf_strdup(ctx, measured))) return AYF_E_MEMORY;
    if (accuracy && !(card->accuracy = ayf_strdup(ctx, accuracy))) return AYF_E_MEMORY;
    return card->data && card->config ? AYF_OK : AYF_E_MEMORY;
}

/* ---- Reading ---- */

static ayf_status read_weights(ayf_backend *backend, ayf_st *st, const ayf_model_spec *spec,
                               ayf_weights **out) {
    AYF_TRY(ayf_weights_read(backend, st, spec, "the model in the metadata", out));
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const char *name = ayf_st_at(st, i)->name;
        if (ayf_params_find((*out)->params, name)) continue;
        ayf_weights_free(*out);
        *out = NULL;
        return ayf_fail(backend->ctx, AYF_E_FORMAT,
                        "%s: tensor '%s' does not belong to the model in the metadata", ayf_st_path(st),
                        name);
    }
    return AYF_OK;
}

static ayf_status read_all(ayf_backend *backend, ayf_st *st, ayf_weights **w, ayf_model_card *card) {
    ayf_context *ctx = backend->ctx;
    ayf_model_spec spec;
    *w = NULL;
    memset(card, 0, sizeof *card);
    ayf_status status = read_metadata(ctx, st, NULL, &spec, card);
    if (status == AYF_OK) status = read_weights(backend, st, &spec, w);
    if (status != AYF_OK) ayf_model_card_free(ctx, card);
    return status;
}

ayf_status ayf_model_read(ayf_backend *backend, const char *path, ayf_weights **w, ayf_model_card *card) {
    ayf_st *st;
    *w = NULL;
    memset(card, 0, sizeof *card);
    AYF_TRY(ayf_st_open_values(backend->ctx, path, &st));
    ayf_status status = read_all(backend, st, w, card);
    ayf_st_close(st);
    return status;
}

ayf_status ayf_model_card_beside(ayf_context *ctx, const ayf_st *st, const char *more, ayf_model_spec *spec,
                                 ayf_model_card *card) {
    ayf_model_spec unused;
    memset(card, 0, sizeof *card);
    ayf_status status = read_metadata(ctx, st, more, spec ? spec : &unused, card);
    if (status != AYF_OK) ayf_model_card_free(ctx, card);
    return status;
}

ayf_status ayf_model_card_of(ayf_context *ctx, const ayf_st *st, ayf_model_spec *spec, ayf_model_card *card) {
    return ayf_model_card_beside(ctx, st, NULL, spec, card);
}

ayf_status ayf_model_read_card(ayf_context *ctx, const char *path, ayf_model_spec *spec,
                               ayf_model_card *card) {
    ayf_st *st;
    memset(card, 0, sizeof *card);
    AYF_TRY(ayf_st_open_header(ctx, path, &st));
    ayf_status status = ayf_model_card_of(ctx, st, spec, card);
    ayf_st_close(st);
    return status;
}

ayf_status ayf_model_flow_of(ayf_backend *backend, ayf_st *st, ayf_weights **w, ayf_model_card *card) {
    AYF_TRY(read_all(backend, st, w, card));
    if (ayf_model_is_flow(&(*w)->spec)) return AYF_OK;
    const char *kind = ayf_model_kind_name((*w)->spec.kind);
    ayf_weights_free(*w);
    *w = NULL;
    ayf_model_card_free(backend->ctx, card);
    return ayf_fail(backend->ctx, AYF_E_USAGE,
                    "%s holds a network of kind '%s', which makes no samples; name a teacher or a student",
                    ayf_st_path(st), kind);
}

ayf_status ayf_model_read_flow(ayf_backend *backend, const char *path, ayf_weights **w,
                               ayf_model_card *card) {
    ayf_st *st;
    *w = NULL;
    memset(card, 0, sizeof *card);
    AYF_TRY(ayf_st_open_values(backend->ctx, path, &st));
    ayf_status status = ayf_model_flow_of(backend, st, w, card);
    ayf_st_close(st);
    return status;
}
