#include "pass/steps.h"

ayf_id ayf_stored_as(const ayf_graph *g, ayf_id id) {
    while (ayf_at(g, id)->op == AYF_OP_RESHAPE) id = ayf_at(g, id)->in[0];
    return id;
}

void ayf_mark_live(const ayf_graph *g, bool *live) {
    for (uint32_t i = 0; i < g->output_count; i++) live[g->output[i].id] = true;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) live[g->leaf[i].update] = true;
    for (ayf_id id = g->count; id-- > 1;) {
        const ayf_node *n = ayf_at(g, id);
        for (int k = 0; live[id] && k < ayf_op_table[n->op].inputs; k++) live[n->in[k]] = true;
    }
}

void ayf_mark_frozen(const ayf_graph *g, bool *frozen) {
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        frozen[id] = n->op != AYF_OP_INPUT || g->leaf[n->attr[0]].storage == AYF_STORE_PARAM;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) frozen[id] &= frozen[n->in[k]];
    }
}

void ayf_mark_last(const ayf_graph *g, bool *last) {
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        last[id] = n->op == AYF_OP_INPUT && g->leaf[n->attr[0]].storage == AYF_STORE_LAST;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) last[id] |= last[n->in[k]];
    }
}

ayf_step *ayf_schedule_add(ayf_schedule *s, uint32_t in_count, uint32_t out_count) {
    if (ayf_reserve(s->ctx, &s->step, s->count, &s->capacity, sizeof *s->step) != AYF_OK) return NULL;
    ayf_step *step = &s->step[s->count];
    *step = (ayf_step){.in_count = in_count, .out_count = out_count};
    step->in = ayf_alloc(s->ctx, in_count, sizeof *step->in);
    step->out = ayf_alloc(s->ctx, out_count, sizeof *step->out);
    step->element = ayf_alloc(s->ctx, (size_t)in_count + out_count, sizeof *step->element);
    s->count++; /* counted even on failure, so that what was allocated is freed with the schedule */
    return step->in && step->out && step->element ? step : NULL;
}

void ayf_schedule_free(ayf_schedule *s) {
    if (!s) return;
    for (uint32_t i = 0; i < s->count; i++) {
        ayf_group *group = s->step[i].group;
        if (s->step[i].again) continue;
        if (group) {
            ayf_free(s->ctx, group->value);
            ayf_free(s->ctx, group->view);
            ayf_free(s->ctx, group->terminal);
            ayf_free(s->ctx, group);
        }
        ayf_free(s->ctx, s->step[i].in);
        ayf_free(s->ctx, s->step[i].out);
        ayf_free(s->ctx, s->step[i].element);
    }
    ayf_free(s->ctx, s->step);
    ayf_free(s->ctx, s);
}

ayf_schedule *ayf_schedule_nodes(const ayf_graph *g) {
    ayf_context *ctx = g->ctx;
    ayf_schedule *s = ayf_alloc(ctx, 1, sizeof *s);
    bool *live = ayf_alloc(ctx, g->count, sizeof *live), *frozen = ayf_alloc(ctx, g->count, sizeof *frozen);
    bool *last = ayf_alloc(ctx, g->count, sizeof *last), ok = s && live && frozen && last;
    if (s) s->ctx = ctx;
    if (ok) {
        ayf_mark_live(g, live);
        ayf_mark_frozen(g, frozen);
        ayf_mark_last(g, last);
    }
    for (int pass = 0; ok && pass < 2; pass++) { /* what runs once comes first */
        for (ayf_id id = 1; ok && id < g->count; id++) {
            const ayf_node *n = ayf_at(g, id);
            if (!live[id] || n->op == AYF_OP_INPUT || n->op == AYF_OP_RESHAPE || frozen[id] != (pass == 0))
                continue;
            uint32_t inputs = (uint32_t)ayf_op_table[n->op].inputs;
            ayf_step *step = ayf_schedule_add(s, inputs, 1);
            ok = step != NULL;
            if (!ok) break;
            step->node = id;
            step->frozen = frozen[id];
            step->last = last[id];
            for (uint32_t k = 0; k < inputs; k++) step->in[k] = ayf_stored_as(g, n->in[k]);
            step->out[0] = id;
        }
    }
    ayf_free(ctx, live);
    ayf_free(ctx, frozen);
    ayf_free(ctx, last);
    if (ok) return s;
    ayf_schedule_free(s);
    return NULL;
}
