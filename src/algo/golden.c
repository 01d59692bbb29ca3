/* Compares with reference numbers computed elsewhere: safetensors files whose metadata has `kind` and
 * `config` (JSON), parameters, inputs and expected outputs, in PyTorch's layouts. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "algo/gradients.h"
#include "algo/step.h"
#include "backend/cpu/cpu.h"
#include "exec/program.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "ir/build.h"
#include "nn/flow.h"
#include "nn/net.h"

/* Largest relative L2 error; the bar for gradients that are tiny next to the largest one of the file; and
 * the rounding of a single-precision sum of terms as large as the largest gradient: a difference below it
 * says nothing, because the reference numbers are single precision themselves. */
static const double TOLERANCE = 1e-4, TINY = 1e-6, TINY_TOLERANCE = 2e-3, ROUNDING = 5.9604645e-8;

typedef struct check {
    ayf_context *ctx;
    ayf_backend *backend;
    ayf_st *st;
    ayf_program *program;
    double largest; /* gradient norm of the file */
    double worst;
    char worst_name[128];
    int compared, failed, rounding;
    char failed_name[128];
} check;

/* ---- Reading ---- */

static const char *meta(const check *c, const char *key) {
    const char *value = ayf_st_meta(c->st, key);
    if (!value) ayf_fail(c->ctx, AYF_E_FORMAT, "%s: the metadata has no '%s'", ayf_st_path(c->st), key);
    return value;
}

static void json_text(const json_t *value, char *text, size_t size) {
    text[0] = 0;
    if (json_is_integer(value))
        snprintf(text, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, size, "%.17g", json_real_value(value));
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

static ayf_status read_spec(const check *c, const char *key, bool student, ayf_model_spec *spec) {
    const char *config = meta(c, key);
    if (!config) return AYF_E_FORMAT;
    *spec = ayf_model_spec_default();
    spec->is_student = student;
    json_t *json = json_loads(config, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: the metadata '%s' is not a JSON object",
                        ayf_st_path(c->st), key);
    }
    ayf_status status = AYF_OK;
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        char text[AYF_SPEC_TEXT_SIZE];
        json_text(value, text, sizeof text);
        if (status == AYF_OK) status = ayf_model_spec_set(c->ctx, spec, name, text);
    }
    json_decref(json);
    const char *precond = ayf_st_meta(c->st, "precond");
    if (status == AYF_OK && precond) status = ayf_model_spec_set(c->ctx, spec, "precond", precond);
    if (status != AYF_OK) ayf_fail_prefix(c->ctx, "%s: metadata '%s': ", ayf_st_path(c->st), key);
    return status;
}

/* A tensor as floats, images (N,C,H,W) turned into (N,H,W,C). NULL on failure. */
static float *read_tensor(const check *c, const char *name, size_t *count) {
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

static ayf_id leaf_like(const check *c, ayf_graph *g, const char *name) {
    const ayf_st_tensor *t = ayf_st_get(c->st, name);
    if (!t) return ayf_graph_fail(g, AYF_E_FORMAT, "%s", c->ctx->message);
    if (t->rank == 1) return ayf_leaf(g, AYF_STORE_INPUT, name, AYF_SHAPE((int)t->shape[0]));
    if (t->rank != 4)
        return ayf_graph_fail(g, AYF_E_FORMAT, "%s: '%s' has rank %d, not 1 or 4", ayf_st_path(c->st), name,
                              t->rank);
    return ayf_leaf(g, AYF_STORE_INPUT, name,
                    AYF_SHAPE((int)t->shape[0], (int)t->shape[2], (int)t->shape[3], (int)t->shape[1]));
}

/* Every input leaf that has the name of a tensor, and the one-hot classes. */
static ayf_status set_inputs(check *c) {
    for (size_t i = 0; i < ayf_st_count(c->st); i++) {
        const ayf_st_tensor *t = ayf_st_at(c->st, i);
        size_t count;
        if (strncmp(t->name, "in.", 3) != 0 || !ayf_program_has_leaf(c->program, t->name)) continue;
        float *values = read_tensor(c, t->name, &count);
        ayf_status status =
            values ? ayf_program_set(c->program, t->name, values, count) : ayf_last_status(c->ctx);
        ayf_free(c->ctx, values);
        AYF_TRY(status);
    }
    return AYF_OK;
}

static ayf_status set_classes(check *c, int batch, int classes) {
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
        status = ayf_program_set(c->program, "onehot", onehot, (size_t)batch * (size_t)classes);
    ayf_free(c->ctx, label);
    ayf_free(c->ctx, onehot);
    return status;
}

/* The network's leaves `scope`unet.* from the file's tensors `prefix`*; `strip` leaves "unet." out of these.
 */
static ayf_status set_parameters(check *c, const ayf_model_spec *spec, const char *scope, const char *prefix,
                                 bool strip) {
    ayf_params *params;
    AYF_TRY(ayf_params_new(c->ctx, spec, &params));
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
    ayf_params_free(params);
    return status;
}

/* ---- Comparing ---- */

static double norm_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void compare(check *c, const char *name, const float *got, const float *want, size_t count,
                    bool gradient) {
    double norm = norm_of(want, count), error = 0;
    for (size_t i = 0; i < count; i++)
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    error = sqrt(error);
    double relative = error / (norm > 0 ? norm : 1),
           bar = gradient && norm < TINY * c->largest ? TINY_TOLERANCE : TOLERANCE;
    bool good = relative <= bar, rounding = !good && gradient && error <= ROUNDING * c->largest;
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

static ayf_status compare_output(check *c, const char *name, const char *output, const ayf_param *param,
                                 bool gradient) {
    size_t count = 0;
    float *want, *got = NULL, *file = NULL;
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
        want = read_tensor(c, name, &count);
    }
    ayf_status status = want ? AYF_OK : ayf_last_status(c->ctx);
    if (want) {
        got = ayf_alloc(c->ctx, count, sizeof *got);
        file = ayf_alloc(c->ctx, count, sizeof *file);
        status = got && file ? ayf_program_get(c->program, output, got, count) : AYF_E_MEMORY;
    }
    if (status == AYF_OK) {
        if (param) ayf_param_export(param, got, file);
        compare(c, name, param ? file : got, want, count, gradient);
    }
    ayf_free(c->ctx, want);
    ayf_free(c->ctx, got);
    ayf_free(c->ctx, file);
    return status;
}

static ayf_status compare_gradients(check *c, const ayf_params *params, const char *prefix, bool strip) {
    for (size_t i = 0; i < ayf_st_count(c->st); i++) {
        const ayf_st_tensor *t = ayf_st_at(c->st, i);
        if (strncmp(t->name, "out.grad.", 9) != 0) continue;
        float *values = ayf_alloc(c->ctx, t->count, sizeof *values);
        ayf_status status = values ? ayf_st_read_f32(c->st, t->name, values, t->count) : AYF_E_MEMORY;
        if (status == AYF_OK && norm_of(values, t->count) > c->largest)
            c->largest = norm_of(values, t->count);
        ayf_free(c->ctx, values);
        AYF_TRY(status);
    }
    for (int i = 0; i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[256];
        if (p->role == AYF_ROLE_BUFFER) continue;
        snprintf(name, sizeof name, "%s%s", prefix, p->name + (strip ? strlen("unet.") : 0));
        AYF_TRY(compare_output(c, name, p->name, p, true));
    }
    return AYF_OK;
}

/* d `out` / d parameters of the scope, as outputs with the names of the parameters. */
static void emit_gradients(ayf_graph *g, const ayf_params *params, const char *scope, ayf_id out,
                           ayf_id cotangent) {
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (grad) {
        ayf_gradients(g, params, scope, out, cotangent, grad);
        for (int i = 0; i < params->count; i++) ayf_output(g, params->at[i].name, grad[i]);
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, grad);
}

static ayf_id onehot_leaf(ayf_graph *g, const ayf_model_spec *spec, ayf_id x) {
    return spec->label_dim && x
               ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(ayf_at(g, x)->dim[0], spec->label_dim))
               : 0;
}

/* ---- Kinds ---- */

static ayf_status check_unet(check *c) {
    ayf_model_spec spec;
    ayf_params *params;
    AYF_TRY(read_spec(c, "config", false, &spec));
    AYF_TRY(ayf_params_new(c->ctx, &spec, &params));
    ayf_graph *g = ayf_graph_new(c->ctx);
    ayf_status status = g ? AYF_OK : AYF_E_MEMORY;
    int batch = 0;
    if (g) {
        ayf_id x = leaf_like(c, g, "in.x"), noise = leaf_like(c, g, "in.noise_label"),
               dx = leaf_like(c, g, "in.dx");
        ayf_id dnoise = leaf_like(c, g, "in.dnoise_label"), gF = leaf_like(c, g, "in.gF"), dF = 0;
        ayf_id grad[2] = {0};
        batch = x ? ayf_at(g, x)->dim[0] : 0;
        ayf_id F = ayf_edm2_unet(g, &spec, AYF_STORE_STATE, x, noise, 0, 0, onehot_leaf(g, &spec, x));
        if (ayf_graph_check(g) == AYF_OK)
            ayf_jvp(g, 2, (ayf_id[]){x, noise}, (ayf_id[]){dx, dnoise}, 1, &F, &dF);
        ayf_output(g, "out.F", F);
        ayf_output(g, "out.dF", dF);
        if (ayf_graph_check(g) == AYF_OK) ayf_vjp(g, 1, &F, &gF, 2, (ayf_id[]){x, noise}, grad);
        ayf_output(g, "out.grad.x", grad[0]);
        ayf_output(g, "out.grad.noise_label", grad[1]);
        emit_gradients(g, params, "", F, gF);
        status = ayf_compile(c->backend, g, NULL, &c->program);
    }
    if (status == AYF_OK) status = set_inputs(c);
    if (status == AYF_OK) status = set_classes(c, batch, spec.label_dim);
    if (status == AYF_OK) status = set_parameters(c, &spec, "", "param.", true);
    if (status == AYF_OK) status = ayf_program_run(c->program);
    if (status == AYF_OK) status = compare_output(c, "out.F", "out.F", NULL, false);
    if (status == AYF_OK) status = compare_output(c, "out.dF", "out.dF", NULL, false);
    if (status == AYF_OK) status = compare_gradients(c, params, "out.grad.", true);
    if (status == AYF_OK) status = compare_output(c, "out.grad.x", "out.grad.x", NULL, true);
    if (status == AYF_OK)
        status = compare_output(c, "out.grad.noise_label", "out.grad.noise_label", NULL, true);
    ayf_params_free(params);
    return status;
}

static ayf_status read_norm(const check *c, ayf_norm *norm) {
    static const char *const names[] = {
        [AYF_NORM_RMS] = "rms", [AYF_NORM_L2] = "l2", [AYF_NORM_NONE] = "none"};
    const char *text = meta(c, "norm");
    for (size_t i = 0; text && i < AYF_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *norm = (ayf_norm)i;
            return AYF_OK;
        }
    return text ? ayf_fail(c->ctx, AYF_E_FORMAT, "%s: unknown norm '%s'", ayf_st_path(c->st), text)
                : AYF_E_FORMAT;
}

static bool has_tensors(const check *c, const char *prefix) {
    for (size_t i = 0; i < ayf_st_count(c->st); i++)
        if (strncmp(ayf_st_at(c->st, i)->name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

static ayf_status check_emd(check *c) {
    ayf_network_teacher network = {.guided = has_tensors(c, "weak.")};
    ayf_distill_step step = {.teacher = ayf_velocity_network(&network)};
    const char *r_text = meta(c, "r"), *c_text = meta(c, "c");
    if (!r_text || !c_text) return AYF_E_FORMAT;
    float r = (float)atof(r_text);
    step.norm_c = atof(c_text);
    AYF_TRY(read_norm(c, &step.norm));
    AYF_TRY(read_spec(c, "config", true, &step.spec));
    AYF_TRY(read_spec(c, "config", false, &network.spec));
    network.weak = network.spec;
    if (network.guided && ayf_st_meta(c->st, "weak_config"))
        AYF_TRY(read_spec(c, "weak_config", false, &network.weak));
    ayf_params *params;
    AYF_TRY(ayf_params_new(c->ctx, &step.spec, &params));
    ayf_graph *g = ayf_graph_new(c->ctx);
    ayf_status status = g ? AYF_OK : AYF_E_MEMORY;
    int batch = 0;
    if (g) {
        ayf_distill_inputs in = {.x0 = leaf_like(c, g, "in.x0"),
                                 .x1 = leaf_like(c, g, "in.x1"),
                                 .t = leaf_like(c, g, "in.t"),
                                 .s = leaf_like(c, g, "in.s"),
                                 .guidance = leaf_like(c, g, "in.guidance"),
                                 .r = ayf_leaf(g, AYF_STORE_INPUT, "r", AYF_SHAPE(1))};
        in.onehot = onehot_leaf(g, &step.spec, in.x0);
        batch = in.x0 ? ayf_at(g, in.x0)->dim[0] : 0;
        ayf_distill_nodes n = ayf_distill_emit(g, &step, &in);
        ayf_output(g, "out.v", n.v);
        ayf_output(g, "out.F", n.F);
        ayf_output(g, "out.dF", n.dF);
        ayf_output(g, "out.tangent", n.tangent);
        ayf_output(g, "out.tangent_norm", n.tangent_norm);
        ayf_output(g, "out.loss", n.loss);
        emit_gradients(g, params, "student.", n.F, n.cotangent);
        status = ayf_compile(c->backend, g, NULL, &c->program);
    }
    if (status == AYF_OK) status = set_inputs(c);
    if (status == AYF_OK) status = ayf_program_set(c->program, "r", &r, 1);
    if (status == AYF_OK) status = set_classes(c, batch, step.spec.label_dim);
    if (status == AYF_OK) status = set_parameters(c, &step.spec, "student.", "student.", false);
    if (status == AYF_OK) status = set_parameters(c, &network.spec, "teacher.", "teacher.", false);
    if (status == AYF_OK && network.guided)
        status = set_parameters(c, &network.weak, "weak.", "weak.", false);
    if (status == AYF_OK) status = ayf_program_run(c->program);
    static const char *const outputs[] = {"out.v",   "out.F", "out.dF", "out.tangent", "out.tangent_norm",
                                          "out.loss"};
    for (size_t i = 0; status == AYF_OK && i < AYF_COUNT(outputs); i++)
        status = compare_output(c, outputs[i], outputs[i], NULL, false);
    if (status == AYF_OK) status = compare_gradients(c, params, "out.grad.", false);
    ayf_params_free(params);
    return status;
}

/* ---- The folder ---- */

static const struct {
    const char *kind;
    ayf_status (*run)(check *); /* NULL: listed as skipped */
} kinds[] = {{"edm2_unet", check_unet}, {"ayf_emd", check_emd}, {"sg2_discriminator", NULL}};

static ayf_status check_file(ayf_context *ctx, ayf_backend *backend, const char *folder, const char *file,
                             ayf_print_fn *print, void *user, bool *failed) {
    check c = {.ctx = ctx, .backend = backend};
    char *path = ayf_path_join(ctx, folder, file), line[512];
    if (!path) return AYF_E_MEMORY;
    ayf_status status = ayf_st_open(ctx, path, &c.st);
    ayf_free(ctx, path);
    if (status != AYF_OK) return status;
    const char *kind = meta(&c, "kind");
    size_t k = 0;
    while (kind && k < AYF_COUNT(kinds) && strcmp(kinds[k].kind, kind) != 0) k++;
    if (!kind) {
        status = AYF_E_FORMAT;
    } else if (k == AYF_COUNT(kinds)) {
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: unknown kind '%s'", ayf_st_path(c.st), kind);
    } else if (!kinds[k].run) {
        snprintf(line, sizeof line, "%-40s skipped: kind %s is not covered yet", file, kind);
        print(user, line);
    } else {
        status = kinds[k].run(&c);
        if (status == AYF_OK) {
            int used = snprintf(line, sizeof line, "%-40s %s  %d outputs, worst relative error %.2e (%s)",
                                file, c.failed ? "FAILED" : "ok", c.compared, c.worst, c.worst_name);
            if (c.failed && used > 0)
                used += snprintf(line + used, sizeof line - (size_t)used, "; %d above the limit, first %s",
                                 c.failed, c.failed_name);
            if (c.rounding && used > 0 && (size_t)used < sizeof line)
                snprintf(line + used, sizeof line - (size_t)used,
                         "; %d differ by less than the file's own rounding", c.rounding);
            print(user, line);
            *failed = *failed || c.failed;
        }
    }
    ayf_program_free(c.program);
    ayf_st_close(c.st);
    return status;
}

static int is_safetensors(const struct dirent *entry) {
    size_t length = strlen(entry->d_name), suffix = strlen(".safetensors");
    return length > suffix && strcmp(entry->d_name + length - suffix, ".safetensors") == 0;
}

ayf_status ayf_golden(ayf_context *ctx, const char *folder, ayf_print_fn *print, void *user) {
    struct dirent **entry = NULL;
    int count = scandir(folder, &entry, is_safetensors, alphasort);
    if (count < 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: cannot read the folder: %s", folder, strerror(errno));
    ayf_status status = AYF_OK;
    ayf_backend *backend = NULL;
    bool failed = false;
    if (count == 0)
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: there are no .safetensors files in this folder", folder);
    if (status == AYF_OK) status = ayf_cpu_open(ctx, &backend);
    for (int i = 0; i < count; i++) {
        if (status == AYF_OK)
            status = check_file(ctx, backend, folder, entry[i]->d_name, print, user, &failed);
        free(entry[i]);
    }
    free(entry);
    ayf_backend_close(backend);
    if (status == AYF_OK && failed)
        return ayf_fail(ctx, AYF_E_CHECK, "%s: some outputs differ from the reference numbers", folder);
    return status;
}
