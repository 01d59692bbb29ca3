/* ayf_emit(): shape rules, folding, sharing. A folding rule is optional: an op without one is never wrong. */
#include <string.h>

#include "ir/intern.h"
#include "ir/rules_shape.h"
#include "ir/scalar.h"

static ayf_id constant(ayf_graph *g, const ayf_node *like, double value) {
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = AYF_OP_CONST;
    n.rank = like->rank;
    memcpy(n.dim, like->dim, sizeof n.dim);
    n.value = value == 0 ? 0 : value; /* one zero: -0 would be another node */
    return ayf_intern(g, &n);
}

static ayf_id pointwise(ayf_graph *g, ayf_op op, ayf_id a, ayf_id b) {
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = (uint16_t)op;
    n.rank = ayf_at(g, a)->rank;
    memcpy(n.dim, ayf_at(g, a)->dim, sizeof n.dim);
    n.in[0] = a;
    n.in[1] = b;
    return ayf_emit(g, &n);
}

static ayf_id scaled(ayf_graph *g, ayf_id a, double factor) {
    return pointwise(g, AYF_OP_MUL, a, constant(g, ayf_at(g, a), factor));
}

static bool is_value(const ayf_graph *g, ayf_id id, double wanted) {
    double value;
    return ayf_is_const(g, id, &value) && value == wanted;
}

/* `n` with input 0 replaced by that node's own input 0. */
static ayf_node past_input(const ayf_graph *g, const ayf_node *n) {
    ayf_node direct = *n;
    direct.in[0] = ayf_at(g, n->in[0])->in[0];
    return direct;
}

/* ---- Identities: one function per op that has any. 0: none applies. Constants are on the right. ---- */

static ayf_id fold_ADD(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]), *b = ayf_at(g, n->in[1]);
    if (is_value(g, n->in[1], 0)) return n->in[0];
    if (b->op == AYF_OP_NEG) return pointwise(g, AYF_OP_SUB, n->in[0], b->in[0]);
    if (a->op == AYF_OP_NEG) return pointwise(g, AYF_OP_SUB, n->in[1], a->in[0]);
    return 0;
}

static ayf_id fold_SUB(ayf_graph *g, const ayf_node *n) {
    const ayf_node *b = ayf_at(g, n->in[1]);
    if (n->in[0] == n->in[1]) return constant(g, n, 0);
    if (is_value(g, n->in[1], 0)) return n->in[0];
    if (is_value(g, n->in[0], 0)) return pointwise(g, AYF_OP_NEG, n->in[1], 0);
    if (b->op == AYF_OP_NEG) return pointwise(g, AYF_OP_ADD, n->in[0], b->in[0]);
    return 0;
}

static ayf_id fold_MUL(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    double factor, inner;
    if (!ayf_is_const(g, n->in[1], &factor)) return 0;
    if (factor == 0) return constant(g, n, 0);
    if (factor == 1) return n->in[0];
    if (factor == -1) return pointwise(g, AYF_OP_NEG, n->in[0], 0);
    if (a->op == AYF_OP_NEG) return scaled(g, a->in[0], -factor);
    if (a->op == AYF_OP_MUL && ayf_is_const(g, a->in[1], &inner)) return scaled(g, a->in[0], inner * factor);
    return 0;
}

static ayf_id fold_DIV(ayf_graph *g, const ayf_node *n) {
    double divisor;
    if (is_value(g, n->in[0], 0)) return constant(g, n, 0);
    if (ayf_is_const(g, n->in[1], &divisor) && divisor != 0) return scaled(g, n->in[0], 1 / divisor);
    return 0;
}

static ayf_id fold_NEG(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    double factor;
    if (a->op == AYF_OP_NEG) return a->in[0];
    if (a->op == AYF_OP_SUB) return pointwise(g, AYF_OP_SUB, a->in[1], a->in[0]);
    if (a->op == AYF_OP_MUL && ayf_is_const(g, a->in[1], &factor)) return scaled(g, a->in[0], -factor);
    return 0;
}

/* RESHAPE, BROADCAST: the last of several decides. */
static ayf_id fold_last(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    ayf_node direct = past_input(g, n);
    if (ayf_equal_dims(n, a)) return n->in[0];
    return a->op == n->op ? ayf_emit(g, &direct) : 0;
}

static ayf_id fold_SLICE(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    ayf_node direct = past_input(g, n);
    if (ayf_equal_dims(n, a)) return n->in[0];
    if (a->op != AYF_OP_SLICE) return 0;
    for (int i = 0; i < n->rank; i++) direct.attr[i] += a->attr[i];
    return ayf_emit(g, &direct);
}

static ayf_id fold_PERMUTE(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    ayf_node direct = past_input(g, n);
    bool identity = true;
    for (int i = 0; i < n->rank; i++) identity = identity && n->attr[i] == i;
    if (identity) return n->in[0];
    if (a->op != AYF_OP_PERMUTE) return 0;
    for (int i = 0; i < n->rank; i++) direct.attr[i] = a->attr[n->attr[i]];
    return ayf_emit(g, &direct);
}

static ayf_id fold_PAD(ayf_graph *g, const ayf_node *n) {
    return ayf_equal_dims(n, ayf_at(g, n->in[0])) ? n->in[0] : 0;
}

static ayf_id fold_CONCAT(ayf_graph *g, const ayf_node *n) {
    double value;
    return ayf_is_const(g, n->in[0], &value) && is_value(g, n->in[1], value) ? constant(g, n, value) : 0;
}

static ayf_id fold_SUM(ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]);
    ayf_node direct = past_input(g, n);
    double ratio = (double)ayf_node_elements(a) / (double)ayf_node_elements(n);
    if (ayf_equal_dims(n, a)) return n->in[0];
    if (a->op == AYF_OP_CONST) return constant(g, n, a->value * ratio);
    if (a->op == AYF_OP_SUM) return ayf_emit(g, &direct);
    if (a->op == AYF_OP_BROADCAST && ayf_equal_dims(n, ayf_at(g, a->in[0])))
        return scaled(g, a->in[0], ratio);
    return 0;
}

/* Fused groups know maxima of rows only: other axes are moved to the end and back. 0: they are there. */
static ayf_id rowmax_of_rows(ayf_graph *g, const ayf_node *n) {
    ayf_node x = *ayf_at(g, n->in[0]), moved = x, top = *n, back = *n;
    int count = 0, kept = n->rank;
    while (kept > 0 && n->dim[kept - 1] == 1) kept--;
    bool rows = true;
    for (int i = 0; i < kept; i++) rows = rows && n->dim[i] == x.dim[i];
    if (rows) return 0;
    moved.op = back.op = AYF_OP_PERMUTE;
    moved.in[0] = n->in[0];
    moved.in[1] = 0;
    moved.value = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n->rank; i++)
            if ((n->dim[i] == x.dim[i]) == (pass == 0)) {
                moved.dim[count] = x.dim[i];
                moved.attr[count] = i;
                top.dim[count] = n->dim[i];
                back.attr[i] = count++;
            }
    for (int i = n->rank; i < AYF_MAX_ATTR; i++) moved.attr[i] = 0;
    top.in[0] = ayf_emit(g, &moved);
    back.in[0] = top.in[0] ? ayf_emit(g, &top) : 0;
    return back.in[0] ? ayf_emit(g, &back) : 0;
}

static ayf_id fold_ROWMAX(ayf_graph *g, const ayf_node *n) {
    double value;
    if (ayf_equal_dims(n, ayf_at(g, n->in[0]))) return n->in[0];
    if (ayf_is_const(g, n->in[0], &value)) return constant(g, n, value);
    return rowmax_of_rows(g, n);
}

static ayf_id (*const identities[AYF_OP_COUNT])(ayf_graph *, const ayf_node *) = {
    [AYF_OP_ADD] = fold_ADD,         [AYF_OP_SUB] = fold_SUB,        [AYF_OP_MUL] = fold_MUL,
    [AYF_OP_DIV] = fold_DIV,         [AYF_OP_NEG] = fold_NEG,        [AYF_OP_ROWMAX] = fold_ROWMAX,
    [AYF_OP_SUM] = fold_SUM,         [AYF_OP_BROADCAST] = fold_last, [AYF_OP_RESHAPE] = fold_last,
    [AYF_OP_PERMUTE] = fold_PERMUTE, [AYF_OP_SLICE] = fold_SLICE,    [AYF_OP_PAD] = fold_PAD,
    [AYF_OP_CONCAT] = fold_CONCAT,
};

/* ---- What follows from class and kind ---- */

/* The value of an op whose inputs are constants, or a linear one of zeros; 0: neither. */
static ayf_id fold_constants(ayf_graph *g, const ayf_node *n) {
    const ayf_op_info *info = &ayf_op_table[n->op];
    double value[AYF_MAX_INPUTS] = {0};
    int constants = 0, zeros = 0;
    for (int k = 0; k < info->inputs; k++)
        if (ayf_is_const(g, n->in[k], &value[k])) {
            constants++;
            zeros += value[k] == 0;
        }
    if (constants == 0) return 0;
    bool all = constants == info->inputs;
    if (all && info->class_ == AYF_CLASS_POINTWISE)
        return constant(g, n, ayf_scalar((ayf_op)n->op, value[0], value[1]));
    if (all && info->class_ == AYF_CLASS_VIEW) return constant(g, n, value[0]);
    if (info->kind == AYF_KIND_LIN && zeros == info->inputs) return constant(g, n, 0);
    if (info->kind == AYF_KIND_TRI && zeros > 0) return constant(g, n, 0);
    return 0;
}

static ayf_id fold(ayf_graph *g, const ayf_node *n) {
    ayf_id folded = fold_constants(g, n);
    if (folded || g->status != AYF_OK || !identities[n->op]) return folded;
    return identities[n->op](g, n);
}

/* ---- Emitting ---- */

static ayf_id refuse(ayf_graph *g, const ayf_node *n, const char *why) {
    if (why == ayf_rule_size) { /* what the user asks for, in words without the graph */
        g->status =
            ayf_fail(g->ctx, AYF_E_CONFIG,
                     "too large: a tensor of this network would have more than 2^40 numbers; choose a "
                     "smaller network, resolution or batch");
        return 0;
    }
    char own[64], in[AYF_MAX_INPUTS][64] = {"-", "-"};
    const ayf_op_info *info = n->op < AYF_OP_COUNT ? &ayf_op_table[n->op] : NULL;
    for (int k = 0; info && k < info->inputs; k++)
        if (n->in[k] && n->in[k] < g->count) ayf_shape_text(ayf_at(g, n->in[k]), in[k], sizeof in[k]);
    ayf_shape_text(n, own, sizeof own);
    return ayf_graph_fail(g, AYF_E_INTERNAL, "%s(%s, %s) -> %s: %s", info ? info->name : "?", in[0], in[1],
                          own, why);
}

ayf_id ayf_emit(ayf_graph *g, const ayf_node *key) {
    if (g->status != AYF_OK) return 0;
    const char *why = ayf_broken_rule(g, key);
    if (why) return refuse(g, key, why);
    if (key->op == AYF_OP_CONST) return constant(g, key, key->value);
    ayf_node n = *key;
    if (n.op == AYF_OP_ADD || n.op == AYF_OP_MUL) {
        bool swap = ayf_is_const(g, n.in[0], NULL) || (n.in[0] > n.in[1] && !ayf_is_const(g, n.in[1], NULL));
        if (swap) {
            n.in[0] = key->in[1];
            n.in[1] = key->in[0];
        }
    }
    ayf_id folded = fold(g, &n);
    if (folded || g->status != AYF_OK) return folded;
    return ayf_intern(g, &n);
}
