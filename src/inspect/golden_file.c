#include "inspect/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "flow/gradients.h"
#include "flow/inputs.h"
#include "io/json.h"
#include "ir/build.h"

/* Largest relative L2 error; the bar for gradients that are tiny next to the largest one of the file; and the
 * rounding of a single-precision sum of terms as large as the largest gradient: a difference below it says
 * nothing, because the reference numbers are single precision themselves. UNSURE_MOST: relative, what a
 * gradient's own sensitivity may excuse at most. */
static const double TOLERANCE = 1e-4, TINY = 1e-6, TINY_TOLERANCE = 2e-3, ROUNDING = 5.9604645e-8,
                    UNSURE_MOST = 1e-2;

/* ---- Reading ---- */

const char *ayf_golden_meta(const ayf_golden_check *c, const char *key) {
    const char *value = ayf_st_meta(c->st, key);
    if (!value) ayf_fail(c->ctx, AYF_E_FORMAT, "%s: the metadata has no '%s'", ayf_st_path(c->st), key);
    return value;
}

static void json_text(const json_t *value, char *text, size_t size) {
    char number[AYF_REAL_SIZE];
    text[0] = 0;
    if (json_is_integer(value))
        snprintf(text, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value) && ayf_print_real(number, json_real_value(value)))
        snprintf(text, size, "%s", number);
    else if (json_is_boolean(value))
        snprintf(text, size, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_string(value))
        snprintf(text, size, "%s", json_string_value(value));
    for (size_t i = 0, used = 0; json_is_array(value) && i < json_array_size(value) && used < size; i++) {
        char item[64];
        json_text(json_array_get(value, i), item, sizeof item);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", item);
    }
}

/* Options of other programs under our names; and those that we have not, with the only value that we can
 * compare with. */
static const char *const aliases[][2] = {{"c_dim", "label_dim"}, {"num_layers", "mapping_layers"}};
static const char *const fixed[][2] = {
    {"architecture", "resnet"}, {"activation", "lrelu"}, {"lr_multiplier", "0.01"},
    {"num_fp16_res", "0"},      {"use_fp16", "false"},   {"freeze_layers", "0"},
};

static ayf_status set_option(const ayf_golden_check *c, const char *name, const json_t *value,
                             ayf_model_spec *spec) {
    char text[AYF_FIELD_SIZE];
    json_text(value, text, sizeof text);
    for (size_t i = 0; i < AYF_COUNT(fixed); i++)
        if (strcmp(name, fixed[i][0]) == 0)
            return strcmp(text, fixed[i][1]) == 0
                       ? AYF_OK
                       : ayf_fail(c->ctx, AYF_E_FORMAT, "'%s' is '%s', but only '%s' is supported", name,
                                  text, fixed[i][1]);
    for (size_t i = 0; i < AYF_COUNT(aliases); i++)
        if (strcmp(name, aliases[i][0]) == 0) name = aliases[i][1];
    return ayf_model_spec_set(c->ctx, spec, name, text);
}

/* Groups of options ("epilogue_kwargs") are read as if they stood in the open; null means the default, and
 * for the size of a group all samples. */
static ayf_status set_options(const ayf_golden_check *c, json_t *json, ayf_model_spec *spec) {
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        if (json_is_null(value) && strcmp(name, "mbstd_group_size") == 0) spec->mbstd_group_size = 0;
        if (json_is_null(value)) continue;
        AYF_TRY(json_is_object(value) ? set_options(c, value, spec) : set_option(c, name, value, spec));
    }
    return AYF_OK;
}

ayf_status ayf_golden_spec(const ayf_golden_check *c, const char *key, bool student, ayf_model_spec *spec) {
    const char *config = ayf_golden_meta(c, key);
    if (!config) return AYF_E_FORMAT;
    *spec = ayf_model_spec_default();
    spec->is_student = student;
    json_t *json;
    json_error_t error;
    if (ayf_json_parse(c->ctx, ayf_st_path(c->st), config, strlen(config), JSON_REJECT_DUPLICATES, &json,
                       &error) == AYF_E_MEMORY)
        return AYF_E_MEMORY;
    if (!json_is_object(json)) {
        json_decref(json);
        return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: the metadata '%s' is not a JSON object",
                        ayf_st_path(c->st), key);
    }
    ayf_status status = set_options(c, json, spec);
    json_decref(json);
    const char *precond = ayf_st_meta(c->st, "precond");
    if (status == AYF_OK && precond) status = ayf_model_spec_set(c->ctx, spec, "precond", precond);
    if (status != AYF_OK) ayf_fail_prefix(c->ctx, "%s: metadata '%s': ", ayf_st_path(c->st), key);
    return status;
}

bool ayf_golden_has(const ayf_golden_check *c, const char *prefix) {
    for (size_t i = 0; i < ayf_st_count(c->st); i++)
        if (strncmp(ayf_st_at(c->st, i)->name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

float *ayf_golden_tensor(const ayf_golden_check *c, const char *name, size_t *count) {
    const ayf_st_tensor *t = ayf_st_get(c->st, name);
    if (!t) return NULL;
    *count = t->count;
    float *raw = ayf_alloc(c->ctx, t->count, sizeof *raw), *out = NULL;
    if (!raw || ayf_st_read_f32(c->st, name, raw, t->count) != AYF_OK) goto done;
    if (t->rank != 4 || strncmp(name, "param.", 6) == 0) return raw;
    out = ayf_alloc(c->ctx, t->count, sizeof *out);
    size_t channels = (size_t)t->shape[1], pixels = (size_t)(t->shape[2] * t->shape[3]);
    for (size_t i = 0; out && i < t->count; i++) {
        size_t image = i / (channels * pixels), channel = i / pixels % channels, pixel = i % pixels;
        out[(image * pixels + pixel) * channels + channel] = raw[i];
    }
done:
    ayf_free(c->ctx, raw);
    return out;
}

ayf_id ayf_golden_leaf(const ayf_golden_check *c, ayf_graph *g, const char *name) {
    const ayf_st_tensor *t = ayf_st_get(c->st, name);
    if (!t) return ayf_graph_fail(g, AYF_E_FORMAT, "%s", c->ctx->message);
    if (t->rank == 1) return ayf_leaf(g, AYF_STORE_INPUT, name, AYF_SHAPE((int)t->shape[0]));
    if (t->rank != 4)
        return ayf_graph_fail(g, AYF_E_FORMAT, "%s: '%s' has rank %d, not 1 or 4", ayf_st_path(c->st), name,
                              t->rank);
    return ayf_leaf(g, AYF_STORE_INPUT, name,
                    AYF_SHAPE((int)t->shape[0], (int)t->shape[2], (int)t->shape[3], (int)t->shape[1]));
}

ayf_status ayf_golden_inputs(ayf_golden_check *c) {
    for (size_t i = 0; i < ayf_st_count(c->st); i++) {
        const ayf_st_tensor *t = ayf_st_at(c->st, i);
        size_t count;
        if (strncmp(t->name, "in.", 3) != 0 || !ayf_program_has_leaf(c->program, t->name)) continue;
        float *values = ayf_golden_tensor(c, t->name, &count);
        ayf_status status =
            values ? ayf_program_set(c->program, t->name, values, count) : ayf_last_status(c->ctx);
        ayf_free(c->ctx, values);
        AYF_TRY(status);
    }
    return AYF_OK;
}

ayf_status ayf_golden_classes(ayf_golden_check *c, int batch, int classes) {
    if (!classes) return AYF_OK;
    int64_t *label = ayf_alloc(c->ctx, (size_t)batch, sizeof *label);
    float *onehot = ayf_alloc(c->ctx, (size_t)batch * (size_t)classes, sizeof *onehot);
    ayf_status status =
        label && onehot ? ayf_st_read_i64(c->st, "in.label", label, (size_t)batch) : AYF_E_MEMORY;
    for (int i = 0; status == AYF_OK && i < batch; i++) {
        if (label[i] < 0 || label[i] >= classes)
            status = ayf_fail(c->ctx, AYF_E_FORMAT, "%s: in.label %lld is not below %d", ayf_st_path(c->st),
                              (long long)label[i], classes);
        else
            onehot[i * classes + label[i]] = 1;
    }
    if (status == AYF_OK)
        status = ayf_program_set(c->program, ayf_step_input_name(AYF_STEP_ONEHOT), onehot,
                                 (size_t)batch * (size_t)classes);
    ayf_free(c->ctx, label);
    ayf_free(c->ctx, onehot);
    return status;
}

ayf_status ayf_golden_parameters(ayf_golden_check *c, const ayf_params *params, const char *scope,
                                 const char *prefix, bool strip) {
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[256], leaf[256];
        snprintf(name, sizeof name, "%s%s", prefix, p->name + (strip ? strlen("unet.") : 0));
        snprintf(leaf, sizeof leaf, "%s%s", scope, p->name);
        if (!ayf_program_has_leaf(c->program, leaf)) continue;
        float *file = ayf_alloc(c->ctx, p->size, sizeof *file),
              *graph = ayf_alloc(c->ctx, p->size, sizeof *graph);
        status = file && graph ? ayf_st_read_f32(c->st, name, file, p->size) : AYF_E_MEMORY;
        if (status == AYF_OK) {
            ayf_param_import(p, file, graph);
            status = ayf_program_set(c->program, leaf, graph, p->size);
        }
        ayf_free(c->ctx, file);
        ayf_free(c->ctx, graph);
    }
    return status;
}

/* ---- Comparing ---- */

static double norm_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void compare(ayf_golden_check *c, const char *name, const float *got, const float *want, size_t count,
                    bool gradient, double unsure) {
    double norm = norm_of(want, count), error = 0;
    for (size_t i = 0; i < count; i++)
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    error = sqrt(error);
    double relative = error / (norm > 0 ? norm : 1),
           bar = gradient && norm < TINY * c->largest ? TINY_TOLERANCE : TOLERANCE;
    double allowed = fmax(ROUNDING * c->largest, fmin(unsure, UNSURE_MOST * norm));
    bool good = relative <= bar, rounding = !good && gradient && error <= allowed;
    c->compared++;
    if (rounding) {
        c->rounding++;
        return;
    }
    if (bar == TOLERANCE && !(relative <= c->worst)) {
        c->worst = relative;
        snprintf(c->worst_name, sizeof c->worst_name, "%s", name);
    }
    if (!good) {
        if (!c->failed++) snprintf(c->failed_name, sizeof c->failed_name, "%s", name);
    }
}

static ayf_status compare_output(ayf_golden_check *c, const char *name, const char *output,
                                 const ayf_param *param, bool gradient, double unsure) {
    size_t count = 0;
    float *want, *got = NULL, *file = NULL;
    AYF_TRY(ayf_st_check_finite(c->st, name));
    if (param) {
        const ayf_st_tensor *t = ayf_st_get(c->st, name);
        if (!t) return AYF_E_FORMAT;
        count = param->size;
        want = ayf_alloc(c->ctx, count, sizeof *want);
        if (want && ayf_st_read_f32(c->st, name, want, count) != AYF_OK) {
            ayf_free(c->ctx, want);
            want = NULL;
        }
    } else {
        want = ayf_golden_tensor(c, name, &count);
    }
    ayf_status status = want ? AYF_OK : ayf_last_status(c->ctx);
    if (want) {
        got = ayf_alloc(c->ctx, count, sizeof *got);
        file = ayf_alloc(c->ctx, count, sizeof *file);
        status = got && file ? ayf_program_get(c->program, output, got, count) : AYF_E_MEMORY;
    }
    if (status == AYF_OK) {
        if (param) ayf_param_export(param, got, file);
        compare(c, name, param ? file : got, want, count, gradient, unsure);
    }
    ayf_free(c->ctx, want);
    ayf_free(c->ctx, got);
    ayf_free(c->ctx, file);
    return status;
}

ayf_status ayf_golden_compare(ayf_golden_check *c, const char *name, const char *output,
                              const ayf_param *param, bool gradient) {
    return compare_output(c, name, output, param, gradient, 0);
}

ayf_status ayf_golden_gradients(ayf_golden_check *c, const ayf_params *params, const char *prefix,
                                bool strip) {
    c->largest = 0;
    for (size_t i = 0; i < ayf_st_count(c->st); i++) {
        const ayf_st_tensor *t = ayf_st_at(c->st, i);
        if (strncmp(t->name, prefix, strlen(prefix)) != 0) continue;
        AYF_TRY(ayf_st_check_finite(c->st, t->name));
        float *values = ayf_alloc(c->ctx, t->count, sizeof *values);
        ayf_status status = values ? ayf_st_read_f32(c->st, t->name, values, t->count) : AYF_E_MEMORY;
        if (status == AYF_OK && norm_of(values, t->count) > c->largest)
            c->largest = norm_of(values, t->count);
        ayf_free(c->ctx, values);
        AYF_TRY(status);
    }
    for (int i = 0; i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[256], output[256];
        if (p->role == AYF_PARAM_BUFFER) continue;
        snprintf(name, sizeof name, "%s%s", prefix, p->name + (strip ? strlen("unet.") : 0));
        snprintf(output, sizeof output, "%s%s", prefix, p->name);
        AYF_TRY(compare_output(c, name, output, p, true, c->unsure ? c->unsure[i] : 0));
    }
    return AYF_OK;
}

void ayf_golden_emit_gradients(ayf_graph *g, const ayf_params *params, const char *scope, ayf_id out,
                               ayf_id cotangent, const char *prefix) {
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (grad) {
        ayf_gradients(g, params, scope, out, cotangent, grad);
        for (int i = 0; i < params->count; i++) {
            char name[256];
            snprintf(name, sizeof name, "%s%s", prefix, params->at[i].name);
            ayf_output(g, name, grad[i]);
        }
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, grad);
}

ayf_id ayf_golden_onehot(ayf_graph *g, const ayf_model_spec *spec, ayf_id x) {
    return spec->label_dim && x
               ? ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(ayf_at(g, x)->dim[0], spec->label_dim))
               : 0;
}
