/* A model for ONNX Runtime, OpenVINO and others: the graph of the library, node by node, with the weights as
 * they are used (normalised, scaled) and images channels-first. */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "export/onnx_ops.h"
#include "flow/inputs.h"

/* ---- The batch of the graph ---- */

static bool divides_any(const ayf_graph *g, int prime) {
    for (ayf_id id = 1; id < g->count; id++)
        for (int i = 0; i < ayf_at(g, id)->rank; i++)
            if (ayf_at(g, id)->dim[i] % prime == 0) return true;
    return false;
}

/* The smallest prime from 5 on that divides no size of the graph for one sample. */
static int free_prime(const ayf_graph *g) {
    for (int n = 5;; n += 2) {
        bool prime = true;
        for (int d = 3; d * d <= n && prime; d += 2) prime = n % d != 0;
        if (prime && !divides_any(g, n)) return n;
    }
}

static ayf_graph *build(const ayf_export_plan *plan, int batch) {
    return plan->options.steps ? ayf_export_sampler(plan, batch) : ayf_export_call(plan, batch);
}

/* ---- Inputs and outputs ---- */

static void take_samples(ayf_onnx_walk *w, const ayf_export_plan *plan, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    int64_t batch = w->batch.model;
    const char *name = plan->options.steps ? "noise" : "x";
    ayf_onnx_value v = ayf_value_of(&w->batch, n, name);
    if (plan->shape.points) {
        char shape[AYF_ONNX_NAME];
        ayf_onnx_port(w->file, false, name, AYF_ONNX_FLOAT, (const int64_t[]){batch, n->dim[3]}, 2);
        ayf_onnx_i64(w->file, (const int64_t[]){batch, 1, 1, n->dim[3]}, 4, shape);
        ayf_onnx_fresh(w->file, "reshape", v.name);
        ayf_onnx_node(w->file, "Reshape", v.name, name, shape, NULL);
    } else {
        const int order[] = {0, 3, 1, 2};
        memcpy(v.order, order, sizeof order);
        ayf_onnx_port(w->file, false, name, AYF_ONNX_FLOAT,
                      (const int64_t[]){batch, n->dim[3], n->dim[1], n->dim[2]}, 4);
    }
    w->value[id] = v;
}

/* Class numbers become rows with 1 at the class; any number that is not a class is "no class". */
static void take_classes(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    int classes = n->dim[1];
    char shape[AYF_ONNX_NAME], equal[AYF_ONNX_NAME], column[AYF_ONNX_NAME];
    float *all = ayf_alloc(w->file->ctx, (size_t)classes, sizeof *all);
    if (!all) {
        w->file->status = AYF_E_MEMORY;
        return;
    }
    for (int i = 0; i < classes; i++) all[i] = (float)i;
    ayf_export_dtype dtype = w->file->dtype;
    w->file->dtype = AYF_EXPORT_F32; /* class numbers beyond 256 have no place in bf16 */
    ayf_onnx_weight(w->file, "classes", (const int64_t[]){1, classes}, 2, all);
    w->file->dtype = dtype;
    ayf_free(w->file->ctx, all);
    ayf_onnx_port(w->file, false, "class", AYF_ONNX_INT64, &w->batch.model, 1);
    ayf_onnx_i64(w->file, (const int64_t[]){w->batch.model, 1}, 2, shape);
    ayf_onnx_value v = ayf_value_of(&w->batch, n, "");
    ayf_onnx_int(w->file, "to", AYF_ONNX_FLOAT);
    ayf_onnx_node(w->file, "Cast", "class_float", "class", NULL, NULL);
    ayf_onnx_fresh(w->file, "reshape", column);
    ayf_onnx_node(w->file, "Reshape", column, "class_float", shape, NULL);
    ayf_onnx_fresh(w->file, "Equal", equal);
    ayf_onnx_node(w->file, "Equal", equal, column, "classes", NULL);
    ayf_onnx_int(w->file, "to", AYF_ONNX_FLOAT);
    ayf_onnx_fresh(w->file, "onehot", v.name);
    ayf_onnx_node(w->file, "Cast", v.name, equal, NULL, NULL);
    w->value[id] = v;
}

static void take_inputs(ayf_onnx_walk *w, const ayf_export_plan *plan) {
    for (uint32_t i = 0; i < w->g->leaf_count; i++) {
        const ayf_leaf_info *leaf = &w->g->leaf[i];
        if (leaf->storage != AYF_STORE_INPUT) continue;
        if (strcmp(leaf->name, ayf_step_input_name(AYF_STEP_X)) == 0) {
            take_samples(w, plan, leaf->id);
        } else if (strcmp(leaf->name, ayf_step_input_name(AYF_STEP_ONEHOT)) == 0) {
            take_classes(w, leaf->id);
        } else {
            ayf_onnx_port(w->file, false, leaf->name, AYF_ONNX_FLOAT, &w->batch.model, 1);
            w->value[leaf->id] = ayf_value_of(&w->batch, ayf_at(w->g, leaf->id), leaf->name);
        }
    }
}

static const char *output_name(const ayf_export_plan *plan) {
    if (plan->options.steps) return plan->shape.points ? "points" : "images";
    return plan->student ? "x_s" : "velocity";
}

static void give_output(ayf_onnx_walk *w, const ayf_export_plan *plan) {
    ayf_id id = w->g->output[0].id;
    const ayf_node *n = ayf_at(w->g, id);
    const int images[] = {0, 3, 1, 2}, points[] = {0, 1, 2, 3};
    const char *name = output_name(plan);
    int64_t batch = w->batch.model;
    ayf_onnx_value v = ayf_onnx_value_at(w, id);
    ayf_value_whole(w->file, &w->batch, &v, n, plan->shape.points ? points : images);
    if (plan->shape.points) {
        const int64_t dims[] = {batch, n->dim[3]};
        char shape[AYF_ONNX_NAME];
        ayf_onnx_i64(w->file, dims, 2, shape);
        ayf_onnx_node(w->file, "Reshape", name, v.name, shape, NULL);
        ayf_onnx_port(w->file, true, name, AYF_ONNX_FLOAT, dims, 2);
    } else {
        const int64_t dims[] = {batch, n->dim[3], n->dim[1], n->dim[2]};
        ayf_onnx_node(w->file, "Identity", name, v.name, NULL, NULL);
        ayf_onnx_port(w->file, true, name, AYF_ONNX_FLOAT, dims, 4);
    }
}

/* ---- What the file says about itself ---- */

static void describe_real(ayf_onnx *f, const char *key, double value) {
    char text[AYF_REAL_SIZE];
    ayf_print_real(text, value);
    ayf_onnx_meta(f, key, text);
}

static void describe(ayf_onnx *f, const ayf_export_plan *plan) {
    const ayf_model *model = plan->model;
    ayf_model_facts facts = ayf_model_describe(model);
    ayf_text times;
    ayf_onnx_meta(f, "role", facts.role);
    ayf_onnx_meta(f, "form", plan->options.steps ? "sampler" : plan->student ? "flow map" : "velocity");
    describe_real(f, "sigma_data", facts.sigma_data);
    if (plan->student || model->weak) {
        describe_real(f, plan->takes_guidance ? "guidance_min" : "guidance",
                      plan->takes_guidance ? facts.guidance_min : plan->guidance);
        if (plan->takes_guidance) describe_real(f, "guidance_max", facts.guidance_max);
    }
    if (!plan->options.steps) return;
    ayf_text_init(&times, f->ctx);
    for (int i = 0; i <= plan->options.steps; i++) {
        if (i) ayf_text_print(&times, ",");
        ayf_text_real(&times, ayf_export_time(plan, i));
    }
    if (times.data) ayf_onnx_meta(f, "times", times.data);
    f->metadata.failed = f->metadata.failed || times.failed;
    ayf_text_free(&times);
    if (!plan->student)
        ayf_onnx_meta(f, "solver", plan->options.solver == AYF_SOLVER_EULER ? "euler" : "heun");
}

static const char *doc_of(const ayf_export_plan *plan) {
    if (plan->options.steps)
        return plan->shape.points ? "noise N(0,1) -> points in units of the data"
                                  : "noise N(0,1), NCHW -> images in [-1,1], NCHW";
    return plan->student
               ? "x at time t -> x at time s <= t. Time 0 is data, 1 is noise. x is in units of the "
                 "network: data / sigma_data"
               : "x at time t -> velocity dx/dt. Time 0 is data, 1 is noise. x is in units of the "
                 "network: data / sigma_data";
}

/* ---- Writing ---- */

static ayf_status write(const ayf_export_plan *plan, ayf_onnx_walk *w) {
    take_inputs(w, plan);
    ayf_onnx_find_pairs(w);
    for (ayf_id id = 1; id < w->g->count && w->file->status == AYF_OK; id++) {
        bool leaf = ayf_op_table[ayf_at(w->g, id)->op].inputs == 0;
        if (w->folded->live[id] && !w->folded->frozen[id] && !leaf && !w->skip[id]) ayf_onnx_emit(w, id);
    }
    if (w->file->status == AYF_OK) give_output(w, plan);
    describe(w->file, plan);
    return ayf_onnx_write(w->file, plan->path, "ayf", doc_of(plan));
}

static ayf_status convert(const ayf_export_plan *plan, const ayf_graph *g, int batch) {
    ayf_context *ctx = plan->model->ctx;
    ayf_graph *again = build(plan, batch);
    ayf_folded folded;
    ayf_onnx file;
    if (!again) return AYF_E_MEMORY;
    AYF_TRY(ayf_folded_make(plan, g, again, &folded));
    ayf_onnx_begin(&file, ctx, plan->options.dtype);
    ayf_onnx_walk w = {.g = g,
                       .folded = &folded,
                       .file = &file,
                       .batch = {batch, plan->options.batch ? plan->options.batch : -1},
                       .value = ayf_alloc(ctx, g->count, sizeof *w.value),
                       .skip = ayf_alloc(ctx, g->count, sizeof *w.skip)};
    ayf_status status = w.value && w.skip ? write(plan, &w) : AYF_E_MEMORY;
    ayf_free(ctx, w.value);
    ayf_free(ctx, w.skip);
    ayf_onnx_end(&file);
    ayf_folded_free(&folded);
    return status;
}

ayf_status ayf_export_onnx(const ayf_export_plan *plan) {
    ayf_graph *one = build(plan, 1);
    if (!one) return AYF_E_MEMORY;
    ayf_status status = ayf_graph_check(one);
    int batch = status == AYF_OK ? free_prime(one) : 0;
    ayf_graph_free(one);
    AYF_TRY(status);
    ayf_graph *g = build(plan, batch);
    if (!g) return AYF_E_MEMORY;
    status = ayf_graph_check(g);
    if (status == AYF_OK) status = convert(plan, g, batch);
    ayf_graph_free(g);
    return status;
}
