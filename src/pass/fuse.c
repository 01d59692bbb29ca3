/* Fusion. Every live node gets one of these roles:
 *
 *   HEAVY   conv, gemm, resampling, pad, concat, allreduce: a step of its own, reads and writes dense tensors
 *   MEMBER  pointwise, reduction, or a view or constant that somebody needs dense: part of exactly one group
 *   LOCAL   pointwise and cheap to compute from what is stored anyway: computed again in each group that
 *           uses it, never stored (this is what keeps backward passes from storing masks and sigmoids)
 *   VIEW    slice, permute, broadcast, reshape: an address computation
 *   LEAF    bound memory, constants
 *
 * Scheduling is list scheduling by smallest id: a ready HEAVY node becomes a step; a ready MEMBER opens a
 * group, which then takes in ready MEMBERs of the same domain that are connected to it. Because only ready
 * nodes join, a group never depends on itself. ALLREDUCE nodes wait until nothing else is ready; all that
 * wait then become one step, because many small exchanges are slow.
 */
#include "pass/steps.h"

#include <string.h>

enum {
    LOCAL_COST = 9,   /* a value is recomputed when that takes at most so many cheap operations */
    ROW_LIMIT = 8192, /* longest row that is reduced and used again inside one group */
    /* The same where there are many rows: an update of such weights is one group, and no gradient waits for it. */
    LONG_ROW_LIMIT = 32768,
    MANY_ROWS = 64,
    /* Joining stops here: a last member can still bring the local values that it needs. */
    VALUE_LIMIT = AYF_GROUP_MAX_VALUES - 8 * LOCAL_COST,
};

typedef enum role { ROLE_DEAD, ROLE_LEAF, ROLE_VIEW, ROLE_LOCAL, ROLE_MEMBER, ROLE_HEAVY } role;

typedef struct fuser {
    const ayf_graph *g;
    ayf_context *ctx;
    ayf_schedule *schedule;
    bool *live, *frozen, *last, *dense, *viewed, *done, *queued;
    uint8_t *role, *cost;
    uint32_t *user_start, *user; /* users of id: user[user_start[id] .. user_start[id + 1]) */
    uint32_t *pending;           /* not yet scheduled predecessors of MEMBER and HEAVY nodes */
    ayf_id *heap;
    uint32_t heap_count;
    ayf_id *waiting; /* ready ALLREDUCE nodes */
    uint32_t waiting_count;

    ayf_group open; /* the group being built */
    size_t value_capacity, view_capacity, terminal_capacity;
    int *value_of[2]; /* [row][id]: index + 1 of the value of the open group that computes a node, 0: none */
    ayf_id *member;   /* MEMBER nodes of the open group */
    uint32_t member_count;
    bool *inside; /* is a MEMBER of the open group */
    ayf_id *candidate;
    uint32_t candidate_count;
    uint32_t *listed, serial; /* listed[id] == serial: already a candidate of the open group */
    bool failed;              /* no memory */
} fuser;

/* ---- Roles ---- */

static bool is_heavy(const ayf_node *n) {
    ayf_class c = ayf_op_table[n->op].class_;
    return c == AYF_CLASS_CONV || c == AYF_CLASS_GEMM || c == AYF_CLASS_RESAMPLE || c == AYF_CLASS_COPY ||
           c == AYF_CLASS_COMM;
}

static bool is_view(const ayf_node *n) { return ayf_op_table[n->op].class_ == AYF_CLASS_VIEW; }

/* dense: somebody reads the memory of the node itself; viewed: somebody looks at it through a view. */
static void mark_needs(fuser *f) {
    const ayf_graph *g = f->g;
    for (uint32_t i = 0; i < g->output_count; i++) f->dense[ayf_stored_as(g, g->output[i].id)] = true;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) f->dense[ayf_stored_as(g, g->leaf[i].update)] = true;
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        if (!f->live[id]) continue;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) {
            if (is_heavy(n) || n->op == AYF_OP_RESHAPE) f->dense[ayf_stored_as(g, n->in[k])] = true;
            if (is_view(n)) f->viewed[n->in[k]] = true;
        }
    }
}

static void assign_roles(fuser *f) {
    const ayf_graph *g = f->g;
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        const ayf_op_info *info = &ayf_op_table[n->op];
        if (!f->live[id]) continue;
        if (n->op == AYF_OP_INPUT) {
            f->role[id] = ROLE_LEAF;
        } else if (n->op == AYF_OP_CONST) {
            f->role[id] = f->dense[id] ? ROLE_MEMBER : ROLE_LEAF;
        } else if (is_heavy(n)) {
            f->role[id] = ROLE_HEAVY;
        } else if (is_view(n)) {
            f->role[id] = f->dense[id] && n->op != AYF_OP_RESHAPE ? ROLE_MEMBER : ROLE_VIEW;
        } else {
            int cost = info->cost;
            for (int k = 0; k < info->inputs; k++) cost += f->cost[n->in[k]];
            bool local =
                info->class_ == AYF_CLASS_POINTWISE && !f->dense[id] && !f->viewed[id] && cost <= LOCAL_COST;
            f->role[id] = local ? ROLE_LOCAL : ROLE_MEMBER;
            f->cost[id] = (uint8_t)(local ? cost : 0);
        }
    }
}

/* ---- Dependencies between scheduled nodes ---- */

static bool scheduled_role(const fuser *f, ayf_id id) {
    return f->role[id] == ROLE_MEMBER || f->role[id] == ROLE_HEAVY;
}

static uint32_t count_predecessors(const fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    uint32_t count = 0;
    for (int k = 0; k < ayf_op_table[n->op].inputs; k++)
        count += scheduled_role(f, n->in[k]) ? 1 : count_predecessors(f, n->in[k]);
    return count;
}

static void push_ready(fuser *f, ayf_id id) {
    f->queued[id] = true;
    uint32_t at = f->heap_count++;
    for (; at && f->heap[(at - 1) / 2] > id; at = (at - 1) / 2) f->heap[at] = f->heap[(at - 1) / 2];
    f->heap[at] = id;
}

static ayf_id pop_ready(fuser *f) {
    ayf_id top = f->heap[0], last = f->heap[--f->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= f->heap_count) break;
        if (child + 1 < f->heap_count && f->heap[child + 1] < f->heap[child]) child++;
        if (f->heap[child] >= last) break;
        f->heap[at] = f->heap[child];
        at = child;
    }
    f->heap[at] = last;
    return top;
}

/* Tells the scheduled users of `id`, also those behind views and local values. */
static void release_users(fuser *f, ayf_id id) {
    for (uint32_t i = f->user_start[id]; i < f->user_start[id + 1]; i++) {
        ayf_id u = f->user[i];
        if (!scheduled_role(f, u))
            release_users(f, u);
        else if (--f->pending[u] == 0 && !f->queued[u])
            push_ready(f, u);
    }
}

/* ---- The open group: its values ---- */

static bool has_value(const fuser *f, ayf_id id, bool row) { return f->value_of[row][id] != 0; }
static uint16_t value_of(const fuser *f, ayf_id id, bool row) { return (uint16_t)(f->value_of[row][id] - 1); }
static void set_value(fuser *f, ayf_id id, bool row, uint16_t index) { f->value_of[row][id] = index + 1; }

static void forget_values(fuser *f) {
    for (uint32_t i = 0; i < f->open.value_count; i++)
        for (int row = 0; row < 2; row++) f->value_of[row][f->open.value[i].node] = 0;
}

/* A row that is spread over the domain is read where it is: the value of the row serves. */
static bool spreads_row(const fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    return n->op == AYF_OP_BROADCAST && has_value(f, n->in[0], true);
}

/* ---- The open group: what can be reached from it ---- */

static bool has_domain_shape(const fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    return n->rank == f->open.rank && memcmp(n->dim, f->open.dim, sizeof n->dim) == 0;
}

static bool has_row_shape(const fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    if (n->rank != f->open.rank || f->open.split == f->open.rank) return false;
    for (int i = 0; i < n->rank; i++)
        if (n->dim[i] != (i < f->open.split ? f->open.dim[i] : 1)) return false;
    return true;
}

/* Follows views from `id` to stored memory; false when they end at something not stored yet. Strides are
 * over the axes of `id`. */
static bool follow_view(const fuser *f, ayf_id id, ayf_view *view) {
    const ayf_graph *g = f->g;
    int rank = ayf_at(g, id)->rank, axis[AYF_MAX_RANK];
    int64_t start[AYF_MAX_RANK] = {0};
    bool first = true; /* a dense MEMBER view is not its own memory while it is being computed */
    for (int i = 0; i < rank; i++) axis[i] = i;
    for (;; first = false) {
        const ayf_node *n = ayf_at(g, id);
        bool stored = f->role[id] == ROLE_LEAF ? n->op == AYF_OP_INPUT : scheduled_role(f, id) && f->done[id];
        if (stored || n->op == AYF_OP_RESHAPE) break;
        if (!is_view(n) || (f->role[id] == ROLE_MEMBER && !first)) return false;
        const ayf_node *x = ayf_at(g, n->in[0]);
        int64_t moved[AYF_MAX_RANK] = {0};
        switch (n->op) {
        case AYF_OP_BROADCAST:
            for (int i = 0; i < rank; i++)
                if (axis[i] >= 0 && x->dim[axis[i]] != n->dim[axis[i]]) axis[i] = -1;
            for (int i = 0; i < n->rank; i++) /* a slice of what repeats starts at the one element there is */
                if (x->dim[i] != n->dim[i]) start[i] = 0;
            break;
        case AYF_OP_PERMUTE:
            for (int i = 0; i < rank; i++)
                if (axis[i] >= 0) axis[i] = n->attr[axis[i]];
            for (int i = 0; i < n->rank; i++) moved[n->attr[i]] = start[i];
            memcpy(start, moved, sizeof start);
            break;
        case AYF_OP_SLICE:
            for (int i = 0; i < n->rank; i++) start[i] += n->attr[i];
            break;
        default:
            return false;
        }
        id = n->in[0];
    }
    ayf_id base = ayf_stored_as(g, id);
    bool leaf = f->role[base] == ROLE_LEAF;
    if (leaf ? ayf_at(g, base)->op != AYF_OP_INPUT : !f->done[base]) return false;
    int64_t dense[AYF_MAX_RANK], step = 1;
    const ayf_node *n = ayf_at(g, id);
    for (int i = n->rank; i-- > 0; step *= n->dim[i]) dense[i] = step;
    memset(view, 0, sizeof *view);
    view->base = base;
    for (int i = 0; i < n->rank; i++) view->offset += start[i] * dense[i];
    for (int i = 0; i < rank; i++) view->stride[i] = axis[i] < 0 ? 0 : dense[axis[i]];
    return true;
}

static bool can_resolve(const fuser *f, ayf_id id, bool row) {
    const ayf_node *n = ayf_at(f->g, id);
    ayf_view view;
    if (row ? !has_row_shape(f, id) : !has_domain_shape(f, id)) return false;
    if (has_value(f, id, row) || n->op == AYF_OP_CONST || (!row && spreads_row(f, id))) return true;
    if (f->role[id] == ROLE_LOCAL) {
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++)
            if (!can_resolve(f, n->in[k], row)) return false;
        return true;
    }
    return !f->inside[id] && follow_view(f, id, &view);
}

/* The split of a reduction that keeps the leading axes and removes the trailing ones, or -1. */
static int row_split(const fuser *f, const ayf_node *n) {
    int split = f->open.rank;
    int64_t length = 1, rows = 1;
    while (split > 0 && n->dim[split - 1] == 1) length *= f->open.dim[--split];
    while (split < f->open.rank && f->open.dim[split] == 1) split++;
    for (int i = 0; i < split; rows *= f->open.dim[i++])
        if (n->dim[i] != f->open.dim[i]) return -1;
    int64_t longest = rows < MANY_ROWS ? ROW_LIMIT : LONG_ROW_LIMIT;
    bool too_long = n->op != AYF_OP_ROWMAX && length > longest; /* a maximum has no other form */
    return split == f->open.rank || too_long ? -1 : split;
}

static bool can_join(const fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    const ayf_op_info *info = &ayf_op_table[n->op];
    ayf_view view;
    if (f->open.value_count > VALUE_LIMIT) return false;
    if (info->class_ == AYF_CLASS_REDUCE) return can_resolve(f, n->in[0], false);
    bool full = has_domain_shape(f, id), row = !full && has_row_shape(f, id);
    if (!full && !row) return false;
    if (n->op == AYF_OP_CONST) return full;
    if (is_view(n)) return full && (spreads_row(f, id) || follow_view(f, id, &view));
    for (int k = 0; k < info->inputs; k++)
        if (!can_resolve(f, n->in[k], row)) return false;
    return true;
}

/* ---- The open group: adding to it ---- */

/* Room for one more element of the open group. */
static bool reserve(fuser *f, void *array, uint32_t count, size_t *capacity, size_t size) {
    if (ayf_reserve(f->ctx, array, count, capacity, size) != AYF_OK) f->failed = true;
    return !f->failed;
}

static uint16_t add_value(fuser *f, ayf_value value) {
    if (!reserve(f, &f->open.value, f->open.value_count, &f->value_capacity, sizeof value)) return 0;
    f->open.value[f->open.value_count] = value;
    return (uint16_t)f->open.value_count++;
}

static void add_candidates(fuser *f, ayf_id id) {
    for (uint32_t i = f->user_start[id]; i < f->user_start[id + 1]; i++) {
        ayf_id u = f->user[i];
        if (f->role[u] == ROLE_VIEW || f->role[u] == ROLE_LOCAL)
            add_candidates(f, u);
        else if (f->role[u] == ROLE_MEMBER && !f->done[u] && f->listed[u] != f->serial) {
            f->listed[u] = f->serial;
            f->candidate[f->candidate_count++] = u;
        }
    }
}

static uint16_t add_load(fuser *f, const ayf_view *view, bool row) {
    for (uint32_t i = 0; i < f->open.value_count; i++) {
        const ayf_value *v = &f->open.value[i];
        if (v->op == AYF_OP_INPUT && v->row == row &&
            memcmp(&f->open.view[v->in[0]], view, sizeof *view) == 0)
            return (uint16_t)i;
    }
    if (!reserve(f, &f->open.view, f->open.view_count, &f->view_capacity, sizeof *view)) return 0;
    f->open.view[f->open.view_count++] = *view;
    add_candidates(f, view->base);
    return add_value(
        f,
        (ayf_value){.op = AYF_OP_INPUT, .row = row, .in = {(uint16_t)(f->open.view_count - 1)}, .store = -1});
}

static uint16_t resolve(fuser *f, ayf_id id, bool row) {
    const ayf_node *n = ayf_at(f->g, id);
    ayf_view view;
    if (has_value(f, id, row)) return value_of(f, id, row);
    if (n->op == AYF_OP_CONST)
        return add_value(f, (ayf_value){.op = AYF_OP_CONST, .row = row, .constant = n->value, .store = -1});
    if (!row && spreads_row(f, id)) return value_of(f, n->in[0], true);
    if (f->role[id] != ROLE_LOCAL) {
        follow_view(f, id, &view);
        return add_load(f, &view, row);
    }
    ayf_value value = {.op = n->op, .row = row, .node = id, .store = -1};
    for (int k = 0; k < ayf_op_table[n->op].inputs; k++) value.in[k] = resolve(f, n->in[k], row);
    uint16_t index = add_value(f, value);
    set_value(f, id, row, index);
    return index;
}

static void add_terminal(fuser *f, ayf_id id, uint16_t input) {
    ayf_terminal t = {.value = input, .store = (int)id};
    if (!reserve(f, &f->open.terminal, f->open.terminal_count, &f->terminal_capacity, sizeof t)) return;
    const ayf_node *n = ayf_at(f->g, id);
    int64_t step = 1;
    for (int i = n->rank; i-- > 0; step *= n->dim[i]) t.stride[i] = n->dim[i] == f->open.dim[i] ? step : 0;
    f->open.terminal[f->open.terminal_count++] = t;
}

static void join(fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    const ayf_op_info *info = &ayf_op_table[n->op];
    bool row = !has_domain_shape(f, id) && has_row_shape(f, id);
    ayf_view view;
    if (info->class_ == AYF_CLASS_REDUCE) {
        int split = row_split(f, n);
        uint16_t input = resolve(f, n->in[0], false);
        if (f->open.split == f->open.rank && split >= 0) f->open.split = split;
        if (has_row_shape(f, id)) {
            ayf_value value = {.op = n->op, .row = true, .in = {input}, .node = id, .store = -1};
            set_value(f, id, true, add_value(f, value));
        } else {
            add_terminal(f, id, input);
        }
    } else if (n->op == AYF_OP_CONST || is_view(n)) {
        uint16_t input;
        if (spreads_row(f, id)) {
            input = value_of(f, n->in[0], true);
        } else if (n->op == AYF_OP_CONST) {
            input = add_value(f, (ayf_value){.op = AYF_OP_CONST, .constant = n->value, .store = -1});
        } else {
            follow_view(f, id, &view);
            input = add_load(f, &view, false);
        }
        ayf_value copy = {.op = AYF_OP_STOP, .in = {input}, .node = id, .store = -1};
        set_value(f, id, false, add_value(f, copy));
    } else {
        ayf_value value = {.op = n->op, .row = row, .node = id, .store = -1};
        for (int k = 0; k < info->inputs; k++) value.in[k] = resolve(f, n->in[k], row);
        set_value(f, id, row, add_value(f, value));
    }
    f->inside[id] = true;
    f->member[f->member_count++] = id;
    add_candidates(f, id);
}

/* ROWMAX has no terminal form: it joins only where its result is a row. */
static bool rowmax_fits(fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    if (n->op != AYF_OP_ROWMAX) return true;
    int split = row_split(f, n);
    return split >= 0 && (f->open.split == f->open.rank || split == f->open.split || has_row_shape(f, id));
}

/* Somebody outside the open group will read the value of `id`. */
static bool used_outside(const fuser *f, ayf_id id) {
    if (f->dense[id]) return true;
    for (uint32_t i = f->user_start[id]; i < f->user_start[id + 1]; i++) {
        ayf_id u = f->user[i];
        if (f->inside[u]) continue;
        if (f->role[u] == ROLE_VIEW || f->role[u] == ROLE_LOCAL ? used_outside(f, u)
                                                                : f->role[u] != ROLE_DEAD)
            return true;
    }
    return false;
}

/* A value read through a view other than the broadcast of a row inside the group is read from memory. */
static bool open_group(fuser *f, ayf_id seed) {
    const ayf_node *n = ayf_at(f->g, seed);
    const ayf_node *domain = ayf_op_table[n->op].class_ == AYF_CLASS_REDUCE ? ayf_at(f->g, n->in[0]) : n;
    memset(&f->open, 0, sizeof f->open);
    f->value_capacity = f->view_capacity = f->terminal_capacity = 0;
    f->member_count = f->candidate_count = 0;
    f->serial++;
    f->open.rank = domain->rank;
    f->open.split = domain->rank;
    memcpy(f->open.dim, domain->dim, sizeof f->open.dim);
    bool frozen = f->frozen[seed];
    if (!can_join(f, seed) || !rowmax_fits(f, seed)) return false;
    join(f, seed);
    for (bool grew = true; grew && !f->failed;) {
        grew = false;
        uint32_t count = f->candidate_count, kept = 0;
        for (uint32_t i = 0; i < count; i++) {
            ayf_id id = f->candidate[i];
            if (f->inside[id] || f->frozen[id] != frozen || f->last[id] != f->last[seed]) continue;
            if (can_join(f, id) && rowmax_fits(f, id)) {
                join(f, id);
                grew = true;
            } else {
                f->candidate[kept++] = id;
            }
        }
        for (uint32_t i = count; i < f->candidate_count; i++) f->candidate[kept++] = f->candidate[i];
        f->candidate_count = kept;
    }
    return !f->failed;
}

static bool close_group(fuser *f, ayf_id seed) {
    uint32_t out_count = f->open.terminal_count;
    for (uint32_t i = 0; i < f->open.value_count; i++) {
        ayf_value *v = &f->open.value[i];
        if (v->node && f->inside[v->node] && used_outside(f, v->node)) v->store = (int)out_count++;
    }
    ayf_step *step = ayf_schedule_add(f->schedule, f->open.view_count, out_count);
    ayf_group *group = step ? ayf_alloc(f->ctx, 1, sizeof *group) : NULL;
    if (!group) {
        f->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < f->open.view_count; i++) step->in[i] = f->open.view[i].base;
    for (uint32_t i = 0; i < f->open.terminal_count; i++) {
        step->out[i] = (ayf_id)f->open.terminal[i].store;
        f->open.terminal[i].store = (int)i;
    }
    for (uint32_t i = 0; i < f->open.value_count; i++)
        if (f->open.value[i].store >= 0) step->out[f->open.value[i].store] = f->open.value[i].node;
    forget_values(f);
    *group = f->open;
    step->group = group;
    step->frozen = f->frozen[seed];
    step->last = f->last[seed];
    memset(&f->open, 0, sizeof f->open);
    for (uint32_t i = 0; i < f->member_count; i++) {
        f->done[f->member[i]] = f->queued[f->member[i]] = true;
        f->inside[f->member[i]] = false;
    }
    for (uint32_t i = 0; i < f->member_count; i++) release_users(f, f->member[i]);
    return true;
}

static bool add_node_step(fuser *f, ayf_id id) {
    const ayf_node *n = ayf_at(f->g, id);
    uint32_t inputs = (uint32_t)ayf_op_table[n->op].inputs;
    ayf_step *step = ayf_schedule_add(f->schedule, inputs, 1);
    if (!step) {
        f->failed = true;
        return false;
    }
    step->node = id;
    step->frozen = f->frozen[id];
    step->last = f->last[id];
    step->fixed = !step->frozen && inputs == 2 && f->frozen[n->in[1]];
    for (uint32_t k = 0; k < inputs; k++) step->in[k] = ayf_stored_as(f->g, n->in[k]);
    step->out[0] = id;
    f->done[id] = true;
    release_users(f, id);
    return true;
}

/* Of the waiting nodes that run when the first of them does. */
static bool add_exchange(fuser *f) {
    ayf_id first = f->waiting[0];
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < f->waiting_count; i++) count += f->last[f->waiting[i]] == f->last[first];
    ayf_step *step = ayf_schedule_add(f->schedule, count, count);
    if (!step) {
        f->failed = true;
        return false;
    }
    step->node = first;
    step->frozen = f->frozen[first];
    step->last = f->last[first];
    count = 0;
    for (uint32_t i = 0; i < f->waiting_count; i++) {
        ayf_id id = f->waiting[i];
        if (f->last[id] != step->last) {
            f->waiting[kept++] = id;
            continue;
        }
        step->in[count] = ayf_stored_as(f->g, ayf_at(f->g, id)->in[0]);
        step->out[count++] = id;
        f->done[id] = true;
    }
    f->waiting_count = kept;
    for (uint32_t i = 0; i < count; i++) release_users(f, step->out[i]);
    return true;
}

/* Schedules what is ready, and what becomes ready by it, until nothing is. */
static bool run_ready(fuser *f) {
    bool ok = true;
    while (ok && (f->heap_count || f->waiting_count)) {
        if (!f->heap_count) {
            ok = add_exchange(f);
            continue;
        }
        ayf_id id = pop_ready(f);
        if (f->done[id]) continue;
        if (ayf_at(f->g, id)->op == AYF_OP_ALLREDUCE)
            f->waiting[f->waiting_count++] = id;
        else
            ok = f->role[id] == ROLE_HEAVY ? add_node_step(f, id) : open_group(f, id) && close_group(f, id);
    }
    return ok;
}

/* ---- Setting up and running ---- */

static bool index_users(fuser *f) {
    const ayf_graph *g = f->g;
    f->user_start = ayf_alloc(f->ctx, (size_t)g->count + 1, sizeof *f->user_start);
    f->user = ayf_alloc(f->ctx, (size_t)g->count * AYF_MAX_INPUTS, sizeof *f->user);
    if (!f->user_start || !f->user) return false;
    for (int pass = 0; pass < 2; pass++) {
        for (ayf_id id = 1; id < g->count; id++) {
            const ayf_node *n = ayf_at(g, id);
            if (!f->live[id]) continue;
            for (int k = 0; k < ayf_op_table[n->op].inputs; k++) {
                if (pass == 0)
                    f->user_start[n->in[k] + 1]++;
                else
                    f->user[f->user_start[n->in[k]]++] = id;
            }
        }
        for (ayf_id id = 1; pass == 0 && id <= g->count; id++) f->user_start[id] += f->user_start[id - 1];
    }
    /* The second pass advanced every start to the next one's place. */
    for (ayf_id id = g->count; id > 0; id--) f->user_start[id] = f->user_start[id - 1];
    f->user_start[0] = 0;
    return true;
}

static bool set_up(fuser *f) {
    size_t n = f->g->count;
    f->schedule = ayf_alloc(f->ctx, 1, sizeof *f->schedule);
    if (f->schedule) f->schedule->ctx = f->ctx;
    f->live = ayf_alloc(f->ctx, n, sizeof *f->live);
    f->frozen = ayf_alloc(f->ctx, n, sizeof *f->frozen);
    f->last = ayf_alloc(f->ctx, n, sizeof *f->last);
    f->dense = ayf_alloc(f->ctx, n, sizeof *f->dense);
    f->viewed = ayf_alloc(f->ctx, n, sizeof *f->viewed);
    f->done = ayf_alloc(f->ctx, n, sizeof *f->done);
    f->queued = ayf_alloc(f->ctx, n, sizeof *f->queued);
    f->inside = ayf_alloc(f->ctx, n, sizeof *f->inside);
    f->role = ayf_alloc(f->ctx, n, sizeof *f->role);
    f->cost = ayf_alloc(f->ctx, n, sizeof *f->cost);
    f->pending = ayf_alloc(f->ctx, n, sizeof *f->pending);
    f->heap = ayf_alloc(f->ctx, n, sizeof *f->heap);
    f->waiting = ayf_alloc(f->ctx, n, sizeof *f->waiting);
    for (int row = 0; row < 2; row++) f->value_of[row] = ayf_alloc(f->ctx, n, sizeof *f->value_of[row]);
    f->member = ayf_alloc(f->ctx, n, sizeof *f->member);
    f->candidate = ayf_alloc(f->ctx, n, sizeof *f->candidate);
    f->listed = ayf_alloc(f->ctx, n, sizeof *f->listed);
    if (!f->schedule || !f->live || !f->frozen || !f->last || !f->dense || !f->viewed || !f->done ||
        !f->queued || !f->inside || !f->role || !f->cost || !f->pending || !f->heap || !f->waiting ||
        !f->value_of[0] || !f->value_of[1] || !f->member || !f->candidate || !f->listed)
        return false;
    ayf_mark_live(f->g, f->live);
    ayf_mark_frozen(f->g, f->frozen);
    ayf_mark_last(f->g, f->last);
    mark_needs(f);
    assign_roles(f);
    return index_users(f);
}

static void tear_down(fuser *f) {
    void *all[] = {f->waiting,     f->last,        f->live,       f->frozen,    f->dense,        f->viewed,
                   f->done,        f->queued,      f->inside,     f->role,      f->cost,         f->pending,
                   f->heap,        f->member,      f->candidate,  f->listed,    f->user_start,   f->user,
                   f->value_of[0], f->value_of[1], f->open.value, f->open.view, f->open.terminal};
    for (size_t i = 0; i < AYF_COUNT(all); i++) ayf_free(f->ctx, all[i]);
}

ayf_schedule *ayf_schedule_fused(const ayf_graph *g) {
    fuser f = {.g = g, .ctx = g->ctx};
    bool ok = set_up(&f);
    f.failed = !ok;
    for (int pass = 0; ok && pass < 2; pass++) { /* what runs once comes first */
        f.heap_count = 0;
        for (ayf_id id = 1; id < g->count; id++) {
            if (!scheduled_role(&f, id) || f.done[id]) continue;
            bool wanted = f.frozen[id] == (pass == 0);
            f.queued[id] = !wanted;
            if (pass == 0) f.pending[id] = count_predecessors(&f, id);
            if (wanted && f.pending[id] == 0) push_ready(&f, id);
        }
        ok = run_ready(&f);
    }
    for (ayf_id id = 1; !f.failed && id < g->count; id++)
        if (f.schedule && scheduled_role(&f, id) && !f.done[id]) {
            char text[160];
            ayf_node_print(g, id, text, sizeof text);
            ayf_fail(g->ctx, AYF_E_INTERNAL, "fusion cannot schedule %s", text);
            f.failed = true;
        }
    ok = ok && !f.failed;
    tear_down(&f);
    if (ok) return f.schedule;
    ayf_schedule_free(f.schedule);
    return NULL;
}
