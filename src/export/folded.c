#include <stdio.h>
#include <string.h>

#include "export/export.h"
#include "flow/inputs.h"
#include "pass/steps.h"

static ayf_id past_broadcasts(const ayf_graph *g, ayf_id id) {
    while (ayf_at(g, id)->op == AYF_OP_BROADCAST) id = ayf_at(g, id)->in[0];
    return id;
}

/* Marks what is to be computed in `wanted`. */
static void find_wanted(const ayf_graph *g, ayf_folded *f, bool *wanted) {
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        for (int k = 0; f->live[id] && k < ayf_op_table[n->op].inputs; k++) {
            f->users[n->in[k]]++;
            ayf_id source = past_broadcasts(g, n->in[k]);
            if (!f->frozen[id] && f->frozen[source] && !ayf_is_const(g, source, NULL)) wanted[source] = true;
        }
    }
}

/* Inputs are there, but nothing that is computed depends on them. */
static ayf_status fill_inputs(ayf_context *ctx, ayf_program *program) {
    ayf_status status = AYF_OK;
    for (uint32_t i = 0; status == AYF_OK && i < ayf_program_leaf_count(program); i++) {
        ayf_program_leaf leaf = ayf_program_leaf_at(program, i);
        if (leaf.storage != AYF_STORE_INPUT) continue;
        float *zeros = ayf_alloc(ctx, leaf.elements, sizeof *zeros);
        status = zeros ? ayf_program_set(program, leaf.name, zeros, leaf.elements) : AYF_E_MEMORY;
        ayf_free(ctx, zeros);
    }
    return status;
}

static ayf_status bind(const ayf_export_plan *plan, ayf_program *program) {
    const ayf_model *model = plan->model;
    if (plan->student) return ayf_weights_bind(model->weights, program, AYF_SCOPE_STUDENT);
    if (model->weak && model->weak != model)
        AYF_TRY(ayf_weights_bind(model->weak->weights, program, AYF_SCOPE_WEAK));
    return ayf_weights_bind(model->weights, program, AYF_SCOPE_TEACHER);
}

static void output_name(char name[24], ayf_id id) { snprintf(name, 24, "folded%u", id); }

static ayf_status fetch(const ayf_graph *g, ayf_folded *f, ayf_program *program, const bool *wanted) {
    char name[24];
    for (ayf_id id = 1; id < g->count; id++) {
        if (!wanted[id]) continue;
        size_t count = ayf_elements(g, id);
        f->at[id] = ayf_alloc(f->ctx, count, sizeof **f->at);
        if (!f->at[id]) return AYF_E_MEMORY;
        output_name(name, id);
        AYF_TRY(ayf_program_get(program, name, f->at[id], count));
    }
    return AYF_OK;
}

/* Takes `again` over. */
static ayf_status compute(const ayf_export_plan *plan, const ayf_graph *g, ayf_graph *again, ayf_folded *f,
                          const bool *wanted) {
    ayf_program *program;
    char name[24];
    bool any = false;
    for (uint32_t i = 0; i < again->output_count; i++) ayf_free(again->ctx, again->output[i].name);
    again->output_count = 0;
    for (ayf_id id = 1; id < g->count; id++) {
        if (!wanted[id]) continue;
        any = true;
        output_name(name, id);
        ayf_output(again, name, id);
    }
    if (!any) {
        ayf_graph_free(again);
        return AYF_OK;
    }
    AYF_TRY(ayf_compile(plan->model->backend, again, NULL, &program));
    ayf_status status = bind(plan, program);
    if (status == AYF_OK) status = fill_inputs(f->ctx, program);
    if (status == AYF_OK) status = ayf_program_run(program);
    if (status == AYF_OK) status = fetch(g, f, program, wanted);
    ayf_program_free(program);
    return status;
}

ayf_status ayf_folded_make(const ayf_export_plan *plan, const ayf_graph *g, ayf_graph *again,
                           ayf_folded *folded) {
    ayf_context *ctx = plan->model->ctx;
    *folded = (ayf_folded){.ctx = ctx,
                           .at = ayf_alloc(ctx, g->count, sizeof *folded->at),
                           .frozen = ayf_alloc(ctx, g->count, sizeof *folded->frozen),
                           .live = ayf_alloc(ctx, g->count, sizeof *folded->live),
                           .users = ayf_alloc(ctx, g->count, sizeof *folded->users),
                           .count = g->count};
    bool *wanted = ayf_alloc(ctx, g->count, sizeof *wanted);
    ayf_status status = AYF_E_MEMORY;
    if (folded->at && folded->frozen && folded->live && folded->users && wanted) {
        ayf_mark_live(g, folded->live);
        ayf_mark_frozen(g, folded->frozen);
        find_wanted(g, folded, wanted);
        status = compute(plan, g, again, folded, wanted);
    } else {
        ayf_graph_free(again);
    }
    ayf_free(ctx, wanted);
    if (status != AYF_OK) ayf_folded_free(folded);
    return status;
}

void ayf_folded_free(ayf_folded *f) {
    for (uint32_t id = 0; f->at && id < f->count; id++) ayf_free(f->ctx, f->at[id]);
    ayf_free(f->ctx, f->at);
    ayf_free(f->ctx, f->frozen);
    ayf_free(f->ctx, f->live);
    ayf_free(f->ctx, f->users);
    *f = (ayf_folded){.ctx = f->ctx};
}

const char *ayf_folded_name(const ayf_graph *g, ayf_id id) {
    while (ayf_op_table[ayf_at(g, id)->op].inputs) id = ayf_at(g, id)->in[0];
    const ayf_node *n = ayf_at(g, id);
    if (n->op != AYF_OP_INPUT) return "";
    const char *name = g->leaf[n->attr[0]].name, *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}
