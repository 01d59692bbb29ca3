#include "export/onnx_ops.h"

#include <stdio.h>
#include <string.h>

#include "export/onnx_heavy.h"

static const int channels_first[] = {0, 3, 1, 2};

/* ---- Values ---- */

/* Along an axis of size 1 that `n` stretches the value is the same everywhere. */
static void stretch(const ayf_onnx_walk *w, ayf_onnx_value *v, const ayf_node *n) {
    const ayf_node *in = ayf_at(w->g, n->in[0]);
    ayf_onnx_value full = ayf_value_of(&w->batch, n, "");
    int first[AYF_MAX_RANK], count[AYF_MAX_RANK];
    if (!v->count) return;
    for (int i = 0; i < n->rank; i++) ayf_value_group(&w->batch, v, in, i, &first[i], &count[i]);
    for (int i = 0; i < n->rank; i++) {
        if (in->dim[i] == n->dim[i]) continue;
        if (count[i] == 0) {
            ayf_onnx_fail(w->file, "an axis to be repeated is missing");
            return;
        }
        v->axes[first[i]] = full.axes[i];
        v->axes[first[i]].flat = true;
    }
}

static ayf_onnx_value folded_value(const ayf_onnx_walk *w, ayf_id id) {
    char name[AYF_ONNX_NAME];
    snprintf(name, sizeof name, "%s#%u", ayf_folded_name(w->g, id), id);
    ayf_onnx_value v = ayf_value_of(&w->batch, ayf_at(w->g, id), name);
    v.folded = w->folded->at[id];
    for (int i = 0; i < v.count; i++) {
        if (!v.axes[i].batch) continue;
        if (i > 0 || v.axes[i].size != 1) ayf_onnx_fail(w->file, "a weight depends on the batch");
        v.axes[i].flat = true;
    }
    return v;
}

ayf_onnx_value ayf_onnx_value_at(const ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    double constant;
    if (ayf_is_const(w->g, id, &constant)) {
        ayf_onnx_value v = {.count = 0};
        ayf_onnx_scalar(w->file, constant, v.name);
        return v;
    }
    if (w->folded->at[id]) return folded_value(w, id);
    if (n->op == AYF_OP_BROADCAST && w->folded->frozen[id]) {
        ayf_onnx_value v = ayf_onnx_value_at(w, n->in[0]);
        stretch(w, &v, n);
        return v;
    }
    return w->value[id];
}

/* ---- Pairs ---- */

static bool has_constant(const ayf_graph *g, ayf_id id) {
    return ayf_is_const(g, ayf_at(g, id)->in[1], NULL);
}

static bool is_clip(const ayf_graph *g, ayf_id id) {
    const ayf_node *n = ayf_at(g, id);
    return n->op == AYF_OP_MIN && ayf_at(g, n->in[0])->op == AYF_OP_MAX && has_constant(g, id) &&
           has_constant(g, n->in[0]);
}

static bool is_sum_of_squares(const ayf_graph *g, ayf_id id) {
    const ayf_node *n = ayf_at(g, id), *a = ayf_at(g, n->in[0]);
    return n->op == AYF_OP_SUM && a->op == AYF_OP_MUL && a->in[0] == a->in[1];
}

void ayf_onnx_find_pairs(ayf_onnx_walk *w) {
    for (ayf_id id = 1; id < w->g->count; id++) {
        if (!w->folded->live[id] || w->folded->frozen[id]) continue;
        ayf_id first = ayf_at(w->g, id)->in[0];
        if ((is_clip(w->g, id) || is_sum_of_squares(w->g, id)) && w->folded->users[first] == 1)
            w->skip[first] = true;
    }
}

/* ---- Pointwise ---- */

static const char *const pointwise_names[AYF_OP_COUNT] = {
    [AYF_OP_ADD] = "Add", [AYF_OP_SUB] = "Sub",   [AYF_OP_MUL] = "Mul",    [AYF_OP_DIV] = "Div",
    [AYF_OP_MAX] = "Max", [AYF_OP_MIN] = "Min",   [AYF_OP_NEG] = "Neg",    [AYF_OP_EXP] = "Exp",
    [AYF_OP_LOG] = "Log", [AYF_OP_SQRT] = "Sqrt", [AYF_OP_TANH] = "Tanh",  [AYF_OP_SIGMOID] = "Sigmoid",
    [AYF_OP_SIN] = "Sin", [AYF_OP_COS] = "Cos",   [AYF_OP_GT] = "Greater", [AYF_OP_SOFTPLUS] = "Softplus"};

static void put(ayf_onnx_walk *w, ayf_id id, ayf_onnx_value v, const char *op, const char *a, const char *b,
                const char *c) {
    char out[AYF_ONNX_NAME];
    v.folded = NULL;
    ayf_onnx_fresh(w->file, op, out);
    ayf_onnx_node(w->file, op, out, a, b, c);
    snprintf(v.name, sizeof v.name, "%s", out);
    w->value[id] = v;
}

static void clip(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *inner = ayf_at(w->g, n->in[0]);
    ayf_onnx_value x = ayf_onnx_value_at(w, inner->in[0]), low = ayf_onnx_value_at(w, inner->in[1]),
                   high = ayf_onnx_value_at(w, n->in[1]);
    put(w, id, x, "Clip", x.name, low.name, high.name);
}

static void binary(ayf_onnx_walk *w, ayf_id id, const char *op) {
    const ayf_node *n = ayf_at(w->g, id);
    ayf_onnx_value a = ayf_onnx_value_at(w, n->in[0]), b = ayf_onnx_value_at(w, n->in[1]);
    bool first =
        a.count && !a.folded && (!b.count || b.folded || ayf_value_stored(&a) >= ayf_value_stored(&b));
    ayf_onnx_value *lead = first ? &a : &b, *other = first ? &b : &a;
    if (n->in[0] != n->in[1]) ayf_value_like(w->file, &w->batch, other, lead);
    ayf_onnx_value out = *lead;
    for (int i = 0; i < out.count && other->count; i++) out.axes[i].flat &= other->axes[i].flat;
    put(w, id, out, op, a.name, b.name, NULL);
    if (n->op != AYF_OP_GT) return;
    ayf_onnx_int(w->file, "to", AYF_ONNX_FLOAT);
    put(w, id, out, "Cast", w->value[id].name, NULL, NULL);
}

static void pointwise(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    const char *op = pointwise_names[n->op];
    if (is_clip(w->g, id) && w->skip[n->in[0]]) {
        clip(w, id);
    } else if (n->op == AYF_OP_STOP) {
        w->value[id] = ayf_onnx_value_at(w, n->in[0]);
    } else if (!op) {
        ayf_onnx_fail(w->file, ayf_op_table[n->op].name);
    } else if (ayf_op_table[n->op].inputs == 2) {
        binary(w, id, op);
    } else {
        ayf_onnx_value a = ayf_onnx_value_at(w, n->in[0]);
        put(w, id, a, op, a.name, NULL, NULL);
    }
}

/* ---- Reductions ---- */

static void reduce(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *in = ayf_at(w->g, n->in[0]);
    bool square = is_sum_of_squares(w->g, id) && w->skip[n->in[0]];
    ayf_onnx_value v = ayf_onnx_value_at(w, square ? in->in[0] : n->in[0]);
    bool reduced[AYF_ONNX_RANK] = {false};
    int64_t axes[AYF_ONNX_RANK];
    int count = 0;
    for (int i = 0; i < n->rank; i++) {
        int first, of;
        ayf_value_group(&w->batch, &v, in, i, &first, &of);
        for (int k = first; k < first + of && n->dim[i] != in->dim[i]; k++) reduced[k] = true;
    }
    for (int j = 0; j < v.count; j++) {
        ayf_axis *axis = &v.axes[v.order[j]];
        if (!reduced[v.order[j]]) continue;
        if (axis->flat && n->op == AYF_OP_SUM) ayf_onnx_fail(w->file, "a repeated value would be summed");
        axes[count++] = j;
    }
    for (int i = 0; i < v.count; i++)
        if (reduced[i]) v.axes[i] = (ayf_axis){.size = 1};
    ayf_onnx_int(w->file, "keepdims", 1);
    if (n->op == AYF_OP_SUM && !square) { /* its axes are an input since opset 13; the others' since 18 */
        char list[AYF_ONNX_NAME];
        ayf_onnx_i64(w->file, axes, count, list);
        put(w, id, v, "ReduceSum", v.name, list, NULL);
        return;
    }
    ayf_onnx_ints(w->file, "axes", axes, count);
    put(w, id, v, square ? "ReduceSumSquare" : "ReduceMax", v.name, NULL, NULL);
}

/* ---- Views ---- */

static void permute(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *in = ayf_at(w->g, n->in[0]);
    ayf_onnx_value v = ayf_onnx_value_at(w, n->in[0]), out = v;
    int moved_to[AYF_ONNX_RANK] = {0}, used = 0;
    for (int i = 0; i < n->rank; i++) {
        int first, count;
        ayf_value_group(&w->batch, &v, in, n->attr[i], &first, &count);
        for (int k = first; k < first + count; k++) {
            moved_to[k] = used;
            out.axes[used++] = v.axes[k];
        }
    }
    for (int j = 0; j < v.count; j++) out.order[j] = moved_to[v.order[j]];
    w->value[id] = out;
}

static void slice(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *in = ayf_at(w->g, n->in[0]);
    ayf_onnx_value v = ayf_onnx_value_at(w, n->in[0]);
    ayf_value_whole(w->file, &w->batch, &v, in, NULL);
    for (int j = 0; j < v.count && w->file->status == AYF_OK; j++) {
        int axis = v.order[j];
        int64_t start = n->attr[axis], end = start + n->dim[axis], at = j;
        char starts[AYF_ONNX_NAME], ends[AYF_ONNX_NAME], axes[AYF_ONNX_NAME], out[AYF_ONNX_NAME];
        if (n->dim[axis] == in->dim[axis]) continue;
        ayf_onnx_i64(w->file, &start, 1, starts);
        ayf_onnx_i64(w->file, &end, 1, ends);
        ayf_onnx_i64(w->file, &at, 1, axes);
        ayf_onnx_fresh(w->file, "Slice", out);
        ayf_onnx_node(w->file, "Slice", out, v.name, starts, ends);
        snprintf(v.name, sizeof v.name, "%s", out);
        v.axes[axis] = (ayf_axis){.size = n->dim[axis]};
    }
    w->value[id] = v;
}

/* `before` and `after` of every axis of `n`, filled with `value`. */
static void pad_with(ayf_onnx_walk *w, ayf_id id, ayf_id in, const int *before, const int *after,
                     double value) {
    const ayf_node *n = ayf_at(w->g, id);
    int64_t pads[2 * AYF_ONNX_RANK];
    char list[AYF_ONNX_NAME], fill[AYF_ONNX_NAME];
    ayf_onnx_value v = ayf_onnx_value_at(w, in);
    ayf_value_whole(w->file, &w->batch, &v, ayf_at(w->g, in), NULL);
    for (int j = 0; j < v.count; j++) {
        pads[j] = before[v.order[j]];
        pads[v.count + j] = after[v.order[j]];
    }
    ayf_onnx_value out = ayf_value_of(&w->batch, n, "");
    memcpy(out.order, v.order, sizeof out.order);
    ayf_onnx_i64(w->file, pads, 2 * v.count, list);
    ayf_onnx_scalar(w->file, value, fill);
    put(w, id, out, "Pad", v.name, list, fill);
}

static void pad(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *in = ayf_at(w->g, n->in[0]);
    int before[AYF_MAX_RANK], after[AYF_MAX_RANK];
    for (int i = 0; i < n->rank; i++) {
        before[i] = n->attr[i];
        after[i] = n->dim[i] - n->attr[i] - in->dim[i];
    }
    pad_with(w, id, n->in[0], before, after, 0);
}

/* A constant beside a tensor is its padding. */
static void concat(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id), *left = ayf_at(w->g, n->in[0]), *right = ayf_at(w->g, n->in[1]);
    int axis = n->attr[0], before[AYF_MAX_RANK] = {0}, after[AYF_MAX_RANK] = {0};
    double constant;
    if (ayf_is_const(w->g, n->in[1], &constant)) {
        after[axis] = right->dim[axis];
        pad_with(w, id, n->in[0], before, after, constant);
        return;
    }
    if (ayf_is_const(w->g, n->in[0], &constant)) {
        before[axis] = left->dim[axis];
        pad_with(w, id, n->in[1], before, after, constant);
        return;
    }
    const int *order = n->rank == 4 ? channels_first : NULL;
    ayf_onnx_value a = ayf_onnx_value_at(w, n->in[0]), b = ayf_onnx_value_at(w, n->in[1]);
    ayf_value_whole(w->file, &w->batch, &a, left, order);
    ayf_value_whole(w->file, &w->batch, &b, right, a.order);
    ayf_onnx_value out = ayf_value_of(&w->batch, n, "");
    memcpy(out.order, a.order, sizeof out.order);
    for (int j = 0; j < a.count; j++)
        if (a.order[j] == axis) ayf_onnx_int(w->file, "axis", j);
    put(w, id, out, "Concat", a.name, b.name, NULL);
}

static void view(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    if (n->op == AYF_OP_PERMUTE) {
        permute(w, id);
    } else if (n->op == AYF_OP_SLICE) {
        slice(w, id);
    } else {
        w->value[id] = ayf_onnx_value_at(w, n->in[0]);
        if (n->op == AYF_OP_RESHAPE)
            ayf_value_split(w->file, &w->batch, &w->value[id], n);
        else
            stretch(w, &w->value[id], n);
    }
}

void ayf_onnx_emit(ayf_onnx_walk *w, ayf_id id) {
    const ayf_node *n = ayf_at(w->g, id);
    switch (ayf_op_table[n->op].class_) {
    case AYF_CLASS_POINTWISE:
        pointwise(w, id);
        break;
    case AYF_CLASS_REDUCE:
        reduce(w, id);
        break;
    case AYF_CLASS_VIEW:
        view(w, id);
        break;
    case AYF_CLASS_COPY:
        if (n->op == AYF_OP_CONCAT)
            concat(w, id);
        else
            pad(w, id);
        break;
    case AYF_CLASS_RESAMPLE:
    case AYF_CLASS_CONV:
    case AYF_CLASS_GEMM:
        w->value[id] =
            ayf_onnx_heavy(w->file, &w->batch, w->g, id, ayf_onnx_value_at(w, n->in[0]),
                           n->in[1] ? ayf_onnx_value_at(w, n->in[1]) : (ayf_onnx_value){.count = 0});
        break;
    case AYF_CLASS_LEAF:
    case AYF_CLASS_COMM:
        ayf_onnx_fail(w->file, "an input without a value");
        break;
    }
}
