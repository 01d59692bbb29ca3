/* Compares with reference numbers computed elsewhere: safetensors files whose metadata has `kind` and
 * `config` (JSON), parameters, inputs and expected outputs, in PyTorch's layouts. */
#include "inspect/golden.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "flow/step.h"
#include "backend/open.h"
#include "base/number.h"
#include "io/file.h"
#include "nn/net.h"

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
        ayf_id F = ayf_edm2_unet(g, &spec, AYF_STORE_STATE, x, condition);
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
    if (status == AYF_OK) status = ayf_golden_parameters(c, &spec, "", "param.", true);
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

static ayf_status check_emd(ayf_golden_check *c) {
    ayf_network_teacher network = {.guided = ayf_golden_has(c, "weak.")};
    ayf_distill_step step = {.teacher = ayf_velocity_network(&network)};
    const char *r_text = ayf_golden_meta(c, "r"), *c_text = ayf_golden_meta(c, "c");
    if (!r_text || !c_text) return AYF_E_FORMAT;
    double r_value;
    if (!ayf_parse_real(r_text, &r_value) || !ayf_parse_real(c_text, &step.norm_c))
        return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: r '%s' or c '%s' is not a number", ayf_st_path(c->st),
                        r_text, c_text);
    float r = (float)r_value;
    AYF_TRY(read_norm(c, &step.norm));
    AYF_TRY(ayf_golden_spec(c, "config", true, &step.spec));
    AYF_TRY(ayf_golden_spec(c, "config", false, &network.spec));
    network.weak = network.spec;
    if (network.guided && ayf_st_meta(c->st, "weak_config"))
        AYF_TRY(ayf_golden_spec(c, "weak_config", false, &network.weak));
    ayf_params *params;
    AYF_TRY(ayf_params_new(c->ctx, &step.spec, &params));
    ayf_graph *g = ayf_graph_new(c->ctx);
    ayf_status status = g ? AYF_OK : AYF_E_MEMORY;
    int batch = 0;
    if (g) {
        ayf_distill_inputs in = {.x0 = ayf_golden_leaf(c, g, "in.x0"),
                                 .x1 = ayf_golden_leaf(c, g, "in.x1"),
                                 .condition = {.t = ayf_golden_leaf(c, g, "in.t"),
                                               .s = ayf_golden_leaf(c, g, "in.s"),
                                               .guidance = ayf_golden_leaf(c, g, "in.guidance")},
                                 .r = ayf_leaf(g, AYF_STORE_INPUT, "r", AYF_SHAPE(1))};
        in.condition.onehot = ayf_golden_onehot(g, &step.spec, in.x0);
        batch = in.x0 ? ayf_at(g, in.x0)->dim[0] : 0;
        ayf_distill_nodes n = ayf_distill_emit(g, &step, &in);
        ayf_output(g, "out.v", n.v);
        ayf_output(g, "out.F", n.F);
        ayf_output(g, "out.dF", n.dF);
        ayf_output(g, "out.tangent", n.tangent);
        ayf_output(g, "out.tangent_norm", n.tangent_norm);
        ayf_output(g, "out.loss", n.loss);
        ayf_golden_emit_gradients(g, params, "student.", n.F, n.cotangent, "out.grad.");
        status = ayf_compile(c->backend, g, NULL, &c->program);
    }
    if (status == AYF_OK) status = ayf_golden_inputs(c);
    if (status == AYF_OK) status = ayf_program_set(c->program, "r", &r, 1);
    if (status == AYF_OK) status = ayf_golden_classes(c, batch, step.spec.label_dim);
    if (status == AYF_OK) status = ayf_golden_parameters(c, &step.spec, "student.", "student.", false);
    if (status == AYF_OK) status = ayf_golden_parameters(c, &network.spec, "teacher.", "teacher.", false);
    if (status == AYF_OK && network.guided)
        status = ayf_golden_parameters(c, &network.weak, "weak.", "weak.", false);
    if (status == AYF_OK) status = ayf_program_run(c->program);
    static const char *const outputs[] = {"out.v",   "out.F", "out.dF", "out.tangent", "out.tangent_norm",
                                          "out.loss"};
    for (size_t i = 0; status == AYF_OK && i < AYF_COUNT(outputs); i++)
        status = ayf_golden_compare(c, outputs[i], outputs[i], NULL, false);
    if (status == AYF_OK) status = ayf_golden_gradients(c, params, "out.grad.", false);
    ayf_params_free(params);
    return status;
}

/* ---- The folder ---- */

static const struct {
    const char *kind;
    ayf_status (*run)(ayf_golden_check *);
} kinds[] = {{"edm2_unet", check_unet}, {"ayf_emd", check_emd}, {"sg2_discriminator", ayf_golden_sg2}};

static ayf_status check_file(ayf_context *ctx, ayf_backend *backend, const char *folder, const char *file,
                             ayf_print_fn *print, void *user, bool *failed) {
    ayf_golden_check c = {.ctx = ctx, .backend = backend};
    char *path = ayf_path_join(ctx, folder, file), line[512];
    if (!path) return AYF_E_MEMORY;
    ayf_status status = ayf_st_open(ctx, path, &c.st);
    ayf_free(ctx, path);
    if (status != AYF_OK) return status;
    const char *kind = ayf_golden_meta(&c, "kind");
    size_t k = 0;
    while (kind && k < AYF_COUNT(kinds) && strcmp(kinds[k].kind, kind) != 0) k++;
    if (!kind) {
        status = AYF_E_FORMAT;
    } else if (k == AYF_COUNT(kinds)) {
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: unknown kind '%s'", ayf_st_path(c.st), kind);
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
    for (int i = 0; i < count; i++) {
        if (status == AYF_OK)
            status = check_file(ctx, backend, folder, entry[i]->d_name, print, user, &failed);
        free(entry[i]);
    }
    free(entry);
    if (status == AYF_OK && failed)
        return ayf_fail(ctx, AYF_E_CHECK, "%s: some outputs differ from the reference numbers", folder);
    return status;
}
