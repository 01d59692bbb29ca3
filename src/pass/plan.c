#include "pass/plan.h"

#include <stdlib.h>
#include <string.h>

#define FOREVER UINT32_MAX

/* From a step that makes a tensor to the last that reads it before it is made again. */
typedef struct span {
    uint32_t first, last;
} span;

typedef struct tensor {
    ayf_id id;
    uint32_t spans;
    span *span; /* in order */
    size_t size, offset;
} tensor;

/* All spans: those of an id are at[start[id]] ... at[start[id + 1] - 1]. */
typedef struct spans {
    uint32_t *start, *used;
    span *at;
} spans;

static int by_size(const void *a, const void *b) {
    const tensor *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Reading a leaf and writing its update in one group is safe when every element is read, tile by tile,
 * before it is written. */
static bool in_place_in_group(const ayf_group *group, const ayf_step *step, ayf_id leaf, ayf_id value) {
    int written = -1;
    for (uint32_t i = 0; i < group->value_count; i++)
        if (group->value[i].store >= 0 && step->out[group->value[i].store] == value) written = (int)i;
    if (written < 0 || group->value[written].row) return false;
    for (uint32_t i = 0; i < group->view_count; i++) {
        if (group->view[i].base != leaf) continue;
        int64_t dense = 1;
        if (group->view[i].offset != 0) return false;
        for (int d = group->rank; d-- > 0; dense *= group->dim[d])
            if (group->dim[d] > 1 && group->view[i].stride[d] != dense) return false;
    }
    for (uint32_t i = 0; i < group->value_count; i++) {
        const ayf_value *v = &group->value[i];
        if (v->op == AYF_OP_INPUT || v->op == AYF_OP_CONST) continue;
        for (int k = 0; k < ayf_op_table[v->op].inputs; k++) {
            const ayf_value *x = &group->value[v->in[k]];
            if (x->op == AYF_OP_INPUT && group->view[x->in[0]].base == leaf && (int)i > written) return false;
        }
    }
    for (uint32_t i = 0; i < group->terminal_count; i++) {
        const ayf_value *x = &group->value[group->terminal[i].value];
        if (x->op == AYF_OP_INPUT && group->view[x->in[0]].base == leaf) return false;
    }
    return true;
}

/* Lets updates be written straight into their leaf where nobody reads the old value afterwards. */
static void place_updates(const ayf_graph *g, const ayf_schedule *s, ayf_plan *plan, const uint32_t *first) {
    for (uint32_t l = 0; l < g->leaf_count; l++) {
        if (!g->leaf[l].update) continue;
        ayf_id leaf = g->leaf[l].id, value = ayf_stored_as(g, g->leaf[l].update);
        if (ayf_at(g, value)->op == AYF_OP_INPUT || plan->in_leaf[value]) continue;
        uint32_t made = first[value];
        const ayf_step *step = &s->step[made];
        bool read = false,
             safe = !step->frozen && (plan->last_use[leaf] == 0 || plan->last_use[leaf] <= made);
        for (uint32_t i = 0; i < step->in_count; i++) read = read || step->in[i] == leaf;
        if (safe && read) safe = step->group && in_place_in_group(step->group, step, leaf, value);
        if (safe) plan->in_leaf[value] = leaf;
    }
}

static bool collides(const tensor *a, const tensor *b) {
    for (uint32_t i = 0, j = 0; i < a->spans && j < b->spans;) {
        const span *x = &a->span[i], *y = &b->span[j];
        if (x->first <= y->last && y->first <= x->last) return true;
        if (x->last < y->last)
            i++;
        else
            j++;
    }
    return false;
}

static int by_offset(const void *a, const void *b) {
    const tensor *x = *(const tensor *const *)a, *y = *(const tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Large tensors first, each at the lowest gap among those alive at the same time. */
static bool assign(ayf_context *ctx, tensor *all, uint32_t count, size_t *total) {
    const tensor **near = ayf_alloc(ctx, count, sizeof *near);
    if (!near) return false;
    qsort(all, count, sizeof *all, by_size);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < i; j++)
            if (collides(&all[i], &all[j])) near[n++] = &all[j];
        qsort(near, n, sizeof *near, by_offset);
        size_t at = 0;
        for (uint32_t j = 0; j < n && at + all[i].size > near[j]->offset; j++)
            if (near[j]->offset + near[j]->size > at) at = near[j]->offset + near[j]->size;
        all[i].offset = at;
        if (at + all[i].size > *total) *total = at + all[i].size;
    }
    ayf_free(ctx, near);
    return true;
}

/* ---- Lifetimes ---- */

static void free_spans(ayf_context *ctx, spans *all) {
    ayf_free(ctx, all->start);
    ayf_free(ctx, all->used);
    ayf_free(ctx, all->at);
}

/* Whether a step reads the memory of a tensor. */
static bool reads(const ayf_step *step, const bool *passing, ayf_id id) {
    return step->frozen || !passing || !passing[id];
}

static bool find_spans(const ayf_graph *g, const ayf_schedule *s, const bool *passing, spans *all) {
    uint32_t total = 0;
    all->start = ayf_alloc(s->ctx, (size_t)g->count + 1, sizeof *all->start);
    all->used = ayf_alloc(s->ctx, g->count, sizeof *all->used);
    if (!all->start || !all->used) return false;
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; k < s->step[i].out_count; k++) all->start[s->step[i].out[k] + 1]++;
    for (ayf_id id = 0; id < g->count; id++) all->start[id + 1] += all->start[id];
    total = all->start[g->count];
    all->at = ayf_alloc(s->ctx, total, sizeof *all->at);
    if (!all->at) return false;
    for (uint32_t i = 0; i < s->count; i++) {
        for (uint32_t k = 0; k < s->step[i].in_count; k++) {
            ayf_id id = s->step[i].in[k];
            if (all->used[id] && reads(&s->step[i], passing, id))
                all->at[all->start[id] + all->used[id] - 1].last = i;
        }
        for (uint32_t k = 0; k < s->step[i].out_count; k++) {
            ayf_id id = s->step[i].out[k];
            all->at[all->start[id] + all->used[id]++] = (span){i, i};
        }
    }
    return true;
}

/* The tensors of the arena; NULL without memory. */
static tensor *list_tensors(const ayf_graph *g, const ayf_schedule *s, const ayf_plan *plan,
                            const size_t *element_size, const bool *passing, ayf_plan_mode mode, spans *lives,
                            uint32_t *count) {
    tensor *all = ayf_alloc(s->ctx, lives->start[g->count], sizeof *all);
    *count = 0;
    for (uint32_t i = 0; all && i < s->count; i++)
        for (uint32_t k = 0; k < s->step[i].out_count; k++) {
            ayf_id id = s->step[i].out[k];
            if (plan->in_leaf[id] || s->step[i].again) continue;
            size_t size = ayf_elements(g, id) * element_size[ayf_out_element(&s->step[i], k)];
            tensor *t = &all[(*count)++];
            *t = (tensor){.id = id,
                          .spans = lives->used[id],
                          .span = &lives->at[lives->start[id]],
                          .size = (size + AYF_PLAN_ALIGN - 1) / AYF_PLAN_ALIGN * AYF_PLAN_ALIGN};
            if (plan->last_use[id] == FOREVER) t->span[t->spans - 1].last = FOREVER;
            bool lasts = s->step[i].frozen && !(passing && passing[id]);
            if (!lasts && mode != AYF_PLAN_NONE) continue;
            t->spans = 1;
            t->span[0] = (span){0, FOREVER};
        }
    return all;
}

/* Last uses as the schedule has them, and of what is read after a run. */
static void find_last_uses(const ayf_graph *g, const ayf_schedule *s, const bool *passing, ayf_plan *plan,
                           uint32_t *first) {
    for (uint32_t i = 0; i < s->count; i++) {
        const ayf_step *step = &s->step[i];
        for (uint32_t k = 0; k < step->in_count; k++)
            if (plan->last_use[step->in[k]] != FOREVER && reads(step, passing, step->in[k]))
                plan->last_use[step->in[k]] = i;
        for (uint32_t k = 0; k < step->out_count; k++) {
            bool lasts = step->frozen && !(passing && passing[step->out[k]]);
            first[step->out[k]] = i;
            plan->last_use[step->out[k]] = lasts ? FOREVER : i;
        }
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        plan->last_use[ayf_stored_as(g, g->output[i].id)] = FOREVER;
}

ayf_plan *ayf_plan_make(const ayf_graph *g, const ayf_schedule *s, const size_t element_size[AYF_ELEMENTS],
                        const bool *passing, ayf_plan_mode mode) {
    ayf_context *ctx = s->ctx;
    ayf_plan *plan = ayf_alloc(ctx, 1, sizeof *plan);
    uint32_t *first = ayf_alloc(ctx, g->count, sizeof *first);
    spans lives = {0};
    tensor *all = NULL;
    uint32_t count = 0;
    if (plan) plan->ctx = ctx;
    if (!plan || !first) goto failed;
    plan->offset = ayf_alloc(ctx, g->count, sizeof *plan->offset);
    plan->in_leaf = ayf_alloc(ctx, g->count, sizeof *plan->in_leaf);
    plan->last_use = ayf_alloc(ctx, g->count, sizeof *plan->last_use);
    if (!plan->offset || !plan->in_leaf || !plan->last_use) goto failed;
    for (ayf_id id = 0; id < g->count; id++) plan->offset[id] = AYF_NOWHERE;
    find_last_uses(g, s, passing, plan, first);
    place_updates(g, s, plan, first);
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) plan->last_use[ayf_stored_as(g, g->leaf[i].update)] = FOREVER;
    if (!find_spans(g, s, passing, &lives)) goto failed;
    all = list_tensors(g, s, plan, element_size, passing, mode, &lives, &count);
    if (!all || !assign(ctx, all, count, &plan->bytes)) goto failed;
    for (uint32_t i = 0; i < count; i++) plan->offset[all[i].id] = all[i].offset;
    ayf_free(ctx, all);
    free_spans(ctx, &lives);
    ayf_free(ctx, first);
    return plan;
failed:
    ayf_free(ctx, all);
    free_spans(ctx, &lives);
    ayf_free(ctx, first);
    ayf_plan_free(plan);
    return NULL;
}

void ayf_plan_free(ayf_plan *plan) {
    if (!plan) return;
    ayf_free(plan->ctx, plan->offset);
    ayf_free(plan->ctx, plan->in_leaf);
    ayf_free(plan->ctx, plan->last_use);
    ayf_free(plan->ctx, plan);
}
