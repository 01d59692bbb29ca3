/* Compares with reference numbers computed elsewhere: safetensors files whose metadata has `kind` and
 * `config` (JSON), parameters, inputs and expected outputs, in PyTorch's layouts. */
#include "inspect/golden.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "backend/open.h"
#include "base/number.h"
#include "base/wait.h"
#include "flow/inputs.h"
#include "flow/step.h"
#include "io/file.h"
#include "nn/network.h"

/* ---- Kinds ---- */

static ayf_status check_unet(ayf_golden_check *c) {
    ayf_model_spec spec;
    ayf_params *params;
    AYF_TRY(ayf_golden_spec(c, "config", false, &spec));
    AYF_TRY(ayf_params_new(c->ctx, &spec, &params));
    ayf_graph *g = ayf_graph_new(c->ctx);
    ayf_status status = g ? AYF_OK : AYF_E_MEMORY;
    int batch = 0;
    if (g) {
        ayf_id x = ayf_golden_leaf(c, g, "in.x"), noise = ayf_golden_leaf(c, g, "in.noise_label"),
               dx = ayf_golden_leaf(c, g, "in.dx");
        ayf_id dnoise = ayf_golden_leaf(c, g, "in.dnoise_label"), gF = ayf_golden_leaf(c, g, "in.gF"), dF = 0;
        ayf_id grad[2] = {0};
        batch = x ? ayf_at(g, x)->dim[0] : 0;
        ayf_condition condition = {.t = noise, .onehot = ayf_golden_onehot(g, &spec, x)};
        ayf_id F = ayf_network(g, params, AYF_STORE_STATE, x, condition);
        if (ayf_graph_check(g) == AYF_OK)
            ayf_jvp(g, 2, (ayf_id[]){x, noise}, (ayf_id[]){dx, dnoise}, 1, &F, &dF);
        ayf_output(g, "out.F", F);
        ayf_output(g, "out.dF", dF);
        if (ayf_graph_check(g) == AYF_OK) ayf_vjp(g, 1, &F, &gF, 2, (ayf_id[]){x, noise}, grad);
        ayf_output(g, "out.grad.x", grad[0]);
        ayf_output(g, "out.grad.noise_label", grad[1]);
        ayf_golden_emit_gradients(g, params, "", F, gF, "out.grad.");
        status = ayf_compile(c->backend, g, NULL, &c->program);
    }
    if (status == AYF_OK) status = ayf_golden_inputs(c);
    if (status == AYF_OK) status = ayf_golden_classes(c, batch, spec.label_dim);
    if (status == AYF_OK) status = ayf_golden_parameters(c, params, "", "param.", true);
    if (status == AYF_OK) status = ayf_program_run(c->program);
    if (status == AYF_OK) status = ayf_golden_compare(c, "out.F", "out.F", NULL, false);
    if (status == AYF_OK) status = ayf_golden_compare(c, "out.dF", "out.dF", NULL, false);
    if (status == AYF_OK) status = ayf_golden_gradients(c, params, "out.grad.", true);
    if (status == AYF_OK) status = ayf_golden_compare(c, "out.grad.x", "out.grad.x", NULL, true);
    if (status == AYF_OK)
        status = ayf_golden_compare(c, "out.grad.noise_label", "out.grad.noise_label", NULL, true);
    ayf_params_free(params);
    return status;
}

static ayf_status read_norm(const ayf_golden_check *c, ayf_norm *norm) {
    static const char *const names[] = {AYF_NORMS(AYF_CHOICE_NAME)};
    const char *text = ayf_golden_meta(c, "norm");
    for (size_t i = 0; text && i < AYF_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *norm = (ayf_norm)i;
            return AYF_OK;
        }
    return text ? ayf_fail(c->ctx, AYF_E_FORMAT, "%s: unknown norm '%s'", ayf_st_path(c->st), text)
                : AYF_E_FORMAT;
}

/* The table of the network that the JSON in the metadata `key` describes. */
static ayf_status read_params(const ayf_golden_check *c, const char *key, bool student, ayf_params **params) {
    ayf_model_spec spec;
    AYF_TRY(ayf_golden_spec(c, key, student, &spec));
    return ayf_params_new(c->ctx, &spec, params);
}

static ayf_status compile_emd(ayf_golden_check *c, const ayf_distill_step *step, int *batch) {
    ayf_graph *g = ayf_graph_new(c->ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_distill_inputs in = {.x0 = ayf_golden_leaf(c, g, "in.x0"),
                             .x1 = ayf_golden_leaf(c, g, "in.x1"),
                             .condition = {.t = ayf_golden_leaf(c, g, "in.t"),
                                           .s = ayf_golden_leaf(c, g, "in.s"),
                                           .guidance = ayf_golden_leaf(c, g, "in.guidance")},
                             .r = ayf_step_leaf(g, AYF_STEP_R, AYF_SHAPE(1))};
    in.condition.onehot = ayf_golden_onehot(g, &step->student->spec, in.x0);
    *batch = in.x0 ? ayf_at(g, in.x0)->dim[0] : 0;
    ayf_distill_nodes n = ayf_distill_emit(g, step, &in);
    ayf_output(g, "out.v", n.v);
    ayf_output(g, "out.F", n.F);
    ayf_output(g, "out.dF", n.dF);
    ayf_output(g, "out.tangent", n.tangent);
    ayf_output(g, "out.tangent_norm", n.tangent_norm);
    ayf_output(g, "out.loss", n.loss);
    ayf_golden_emit_gradients(g, step->student, AYF_SCOPE_STUDENT, n.F, n.cotangent, "out.grad.");
    return ayf_compile(c->backend, g, NULL, &c->program);
}

static ayf_status compare_emd(ayf_golden_check *c, const ayf_distill_step *step,
                              const ayf_network_teacher *teacher, double r_value) {
    static const char *const outputs[] = {"out.v",   "out.F", "out.dF", "out.tangent", "out.tangent_norm",
                                          "out.loss"};
    int batch;
    float r = (float)r_value;
    AYF_TRY(compile_emd(c, step, &batch));
    AYF_TRY(ayf_golden_inputs(c));
    AYF_TRY(ayf_program_set(c->program, ayf_step_input_name(AYF_STEP_R), &r, 1));
    AYF_TRY(ayf_golden_classes(c, batch, step->student->spec.label_dim));
    AYF_TRY(ayf_golden_parameters(c, step->student, AYF_SCOPE_STUDENT, "student.", false));
    AYF_TRY(ayf_golden_parameters(c, teacher->params, AYF_SCOPE_TEACHER, "teacher.", false));
    if (teacher->guided) AYF_TRY(ayf_golden_parameters(c, teacher->weak, AYF_SCOPE_WEAK, "weak.", false));
    AYF_TRY(ayf_program_run(c->program));
    for (size_t i = 0; i < AYF_COUNT(outputs); i++)
        AYF_TRY(ayf_golden_compare(c, outputs[i], outputs[i], NULL, false));
    return ayf_golden_gradients(c, step->student, "out.grad.", false);
}

static ayf_status check_emd(ayf_golden_check *c) {
    const char *r_text = ayf_golden_meta(c, "r"), *c_text = ayf_golden_meta(c, "c");
    if (!r_text || !c_text) return AYF_E_FORMAT;
    double r, norm_c;
    if (!ayf_parse_real(r_text, &r) || !ayf_parse_real(c_text, &norm_c))
        return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: r '%s' or c '%s' is not a number", ayf_st_path(c->st),
                        r_text, c_text);
    ayf_params *student = NULL, *strong = NULL, *weak = NULL;
    ayf_network_teacher teacher = {.guided = ayf_golden_has(c, "weak.")};
    ayf_distill_step step = {.norm_c = norm_c, .norm_p = 0.5, .teacher = ayf_velocity_network(&teacher)};
    bool smaller = teacher.guided && ayf_st_meta(c->st, "weak_config");
    ayf_status status = read_norm(c, &step.norm);
    if (status == AYF_OK) status = read_params(c, "config", true, &student);
    if (status == AYF_OK) status = read_params(c, "config", false, &strong);
    if (status == AYF_OK) status = read_params(c, smaller ? "weak_config" : "config", false, &weak);
    step.student = student;
    teacher.params = strong;
    teacher.weak = weak;
    if (status == AYF_OK) status = compare_emd(c, &step, &teacher, r);
    ayf_params_free(student);
    ayf_params_free(strong);
    ayf_params_free(weak);
    return status;
}

/* ---- The folder ---- */

static const struct {
    const char *kind;
    ayf_status (*run)(ayf_golden_check *);
} kinds[] = {{"edm2_unet", check_unet}, {"ayf_emd", check_emd}, {"sg2_discriminator", ayf_golden_sg2}};

/* kind == NULL: the file states none. */
static ayf_status fail_kind(const ayf_golden_check *c, const char *kind) {
    char known[128] = "";
    for (size_t i = 0, used = 0; i < AYF_COUNT(kinds) && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", kinds[i].kind);
    if (!kind)
        return ayf_fail(
            c->ctx, AYF_E_FORMAT,
            "%s: holds no reference numbers: its metadata has no 'kind' (%s); move it to another folder",
            ayf_st_path(c->st), known);
    return ayf_fail(c->ctx, AYF_E_FORMAT,
                    "%s: holds reference numbers of the kind \"%.80s\", which is not known; there are %s",
                    ayf_st_path(c->st), kind, known);
}

static ayf_status check_file(ayf_context *ctx, ayf_backend *backend, const char *folder, const char *file,
                             ayf_print_fn *print, void *user, bool *failed) {
    ayf_golden_check c = {.ctx = ctx, .backend = backend};
    char *path = ayf_path_join(ctx, folder, file), line[512];
    if (!path) return AYF_E_MEMORY;
    ayf_status status = ayf_st_open(ctx, path, &c.st);
    ayf_free(ctx, path);
    if (status != AYF_OK) return status;
    const char *kind = ayf_st_meta(c.st, "kind");
    size_t k = 0;
    while (kind && k < AYF_COUNT(kinds) && strcmp(kinds[k].kind, kind) != 0) k++;
    if (!kind || k == AYF_COUNT(kinds)) {
        status = fail_kind(&c, kind);
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
    if (count < 0) return ayf_fail_errno(ctx, errno, "open this folder", folder);
    ayf_status status = AYF_OK;
    ayf_backend *backend = NULL;
    bool failed = false;
    if (count == 0)
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: there are no .safetensors files in this folder", folder);
    if (status == AYF_OK) status = ayf_backend_open(ctx, &backend);
    ayf_task_begin(ctx, "checking", (uint64_t)(count > 0 ? count : 0));
    for (int i = 0; i < count; i++) {
        if (status == AYF_OK) status = ayf_task_add(ctx, i > 0);
        if (status == AYF_OK)
            status = check_file(ctx, backend, folder, entry[i]->d_name, print, user, &failed);
        free(entry[i]);
    }
    free(entry);
    if (status == AYF_OK && failed)
        return ayf_fail(ctx, AYF_E_CHECK, "%s: some outputs differ from the reference numbers", folder);
    return status;
}
