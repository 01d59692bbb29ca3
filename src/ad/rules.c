/* The only knowledge of derivatives: one rule per op of ops.def. A row without its rule does not compile. */
#include "ad/rules.h"

#include <string.h>

#include "ir/build.h"

static ayf_id in(const ayf_graph *g, ayf_id node, int k) { return ayf_at(g, node)->in[k]; }
static ayf_id one(ayf_graph *g, ayf_id node) { return ayf_const_like(g, node, 1); }

/* The node with the same attributes as `like`, other inputs and another shape. */
static ayf_id variant(ayf_graph *g, ayf_id like, ayf_op op, ayf_id a, ayf_id b, ayf_id shape_from) {
    if (!a) return 0;
    ayf_node n = *ayf_at(g, like);
    const ayf_node *shape = ayf_at(g, shape_from);
    n.op = (uint16_t)op;
    n.in[0] = a;
    n.in[1] = b;
    n.rank = shape->rank;
    memcpy(n.dim, shape->dim, sizeof n.dim);
    return ayf_emit(g, &n);
}

/* ---- Pointwise: partial derivatives ---- */

static ayf_id partial_ADD(ayf_graph *g, ayf_id n, int k) {
    (void)k;
    return one(g, n);
}
static ayf_id partial_SUB(ayf_graph *g, ayf_id n, int k) { return ayf_const_like(g, n, k ? -1 : 1); }
static ayf_id partial_MUL(ayf_graph *g, ayf_id n, int k) { return in(g, n, !k); }
static ayf_id partial_DIV(ayf_graph *g, ayf_id n, int k) {
    ayf_id b = in(g, n, 1);
    return k == 0 ? ayf_div(g, one(g, n), b) : ayf_neg(g, ayf_div(g, n, b));
}
/* A tie belongs to the second input, so that the two partials always add to one. */
static ayf_id partial_MAX(ayf_graph *g, ayf_id n, int k) {
    ayf_id first = ayf_gt(g, in(g, n, 0), in(g, n, 1));
    return k == 0 ? first : ayf_sub(g, one(g, n), first);
}
static ayf_id partial_MIN(ayf_graph *g, ayf_id n, int k) {
    ayf_id first = ayf_gt(g, in(g, n, 1), in(g, n, 0));
    return k == 0 ? first : ayf_sub(g, one(g, n), first);
}
static ayf_id partial_NEG(ayf_graph *g, ayf_id n, int k) {
    (void)k;
    return ayf_const_like(g, n, -1);
}
static ayf_id partial_EXP(ayf_graph *g, ayf_id n, int k) {
    (void)g, (void)k;
    return n;
}
static ayf_id partial_LOG(ayf_graph *g, ayf_id n, int k) { return ayf_div(g, one(g, n), in(g, n, k)); }
/* Finite at 0, so that the norm of a zero vector passes back zero and not 0 * infinity. */
static ayf_id partial_SQRT(ayf_graph *g, ayf_id n, int k) {
    (void)k;
    return ayf_div(g, ayf_const_like(g, n, 0.5), ayf_max(g, n, ayf_const_like(g, n, 1e-18)));
}
/* sigm(x) sigm(-x), not s (1 - s): the latter is 0 from x = 17 on in single precision. */
static ayf_id partial_SIGMOID(ayf_graph *g, ayf_id n, int k) {
    return ayf_mul(g, n, ayf_sigmoid(g, ayf_neg(g, in(g, n, k))));
}
/* 4 sigm(2x) sigm(-2x), for the same reason. */
static ayf_id partial_TANH(ayf_graph *g, ayf_id n, int k) {
    ayf_id twice = ayf_mulc(g, in(g, n, k), 2);
    return ayf_mulc(g, ayf_mul(g, ayf_sigmoid(g, twice), ayf_sigmoid(g, ayf_neg(g, twice))), 4);
}
static ayf_id partial_SIN(ayf_graph *g, ayf_id n, int k) { return ayf_cos(g, in(g, n, k)); }
static ayf_id partial_COS(ayf_graph *g, ayf_id n, int k) { return ayf_neg(g, ayf_sin(g, in(g, n, k))); }
static ayf_id partial_SOFTPLUS(ayf_graph *g, ayf_id n, int k) { return ayf_sigmoid(g, in(g, n, k)); }

/* ---- Linear: transposes ---- */

static ayf_id transpose_SUM(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    return ayf_broadcast(g, y, ayf_shape_of(g, in(g, n, k)));
}
static ayf_id transpose_BROADCAST(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    return variant(g, n, AYF_OP_SUM, y, 0, in(g, n, k));
}
static ayf_id transpose_RESHAPE(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    return ayf_reshape(g, y, ayf_shape_of(g, in(g, n, k)));
}
static ayf_id transpose_PERMUTE(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    (void)k;
    int inverse[AYF_MAX_RANK] = {0};
    for (int i = 0; i < ayf_at(g, n)->rank; i++) inverse[ayf_at(g, n)->attr[i]] = i;
    return ayf_permute(g, y, inverse);
}
static ayf_id transpose_SLICE(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    return variant(g, n, AYF_OP_PAD, y, 0, in(g, n, k));
}
static ayf_id transpose_PAD(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    return variant(g, n, AYF_OP_SLICE, y, 0, in(g, n, k));
}
static ayf_id transpose_CONCAT(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    int axis = ayf_at(g, n)->attr[0];
    int first = ayf_at(g, in(g, n, 0))->dim[axis], own = ayf_at(g, in(g, n, k))->dim[axis];
    return ayf_slice(g, y, axis, k ? first : 0, own);
}
static ayf_id transpose_UPFIRDN(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    ayf_node node = *ayf_at(g, n);
    const ayf_node *x = ayf_at(g, in(g, n, k));
    ayf_filter filter = g->filter[node.attr[3]], flipped = filter;
    for (int i = 0; i < filter.taps; i++) flipped.tap[i] = filter.tap[filter.taps - 1 - i];
    return ayf_upfirdn(g, y, node.attr[1], node.attr[0], filter.taps - 1 - node.attr[2], x->dim[1], x->dim[2],
                       &flipped);
}

/* Of the sum over all processes of what each makes of its output. */
static ayf_id transpose_ALLREDUCE(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    (void)k;
    return variant(g, n, AYF_OP_ALLREDUCE, y, 0, n);
}

/* ---- Trilinear: the face that owns the input ---- */

static ayf_id transpose_CONV_FPROP(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    ayf_id x = in(g, n, 0), w = in(g, n, 1);
    return k == 0 ? variant(g, n, AYF_OP_CONV_DGRAD, y, w, x) : variant(g, n, AYF_OP_CONV_WGRAD, x, y, w);
}
static ayf_id transpose_CONV_DGRAD(ayf_graph *g, ayf_id n, int k, ayf_id x) {
    ayf_id y = in(g, n, 0), w = in(g, n, 1);
    return k == 0 ? variant(g, n, AYF_OP_CONV_FPROP, x, w, y) : variant(g, n, AYF_OP_CONV_WGRAD, x, y, w);
}
static ayf_id transpose_CONV_WGRAD(ayf_graph *g, ayf_id n, int k, ayf_id w) {
    ayf_id x = in(g, n, 0), y = in(g, n, 1);
    return k == 0 ? variant(g, n, AYF_OP_CONV_DGRAD, y, w, x) : variant(g, n, AYF_OP_CONV_FPROP, x, w, y);
}
static ayf_id transpose_GEMM(ayf_graph *g, ayf_id n, int k, ayf_id y) {
    ayf_id a = in(g, n, 0), b = in(g, n, 1);
    bool ta = ayf_at(g, n)->attr[0], tb = ayf_at(g, n)->attr[1];
    if (k == 0) return ta ? ayf_gemm(g, b, y, tb, true) : ayf_gemm(g, y, b, false, !tb);
    return tb ? ayf_gemm(g, y, a, true, ta) : ayf_gemm(g, a, y, !ta, false);
}

#define RULE_LEAF(NAME)                                                                                      \
    { NULL, NULL }
#define RULE_ZERO(NAME)                                                                                      \
    { NULL, NULL }
#define RULE_EW(NAME)                                                                                        \
    { partial_##NAME, NULL }
#define RULE_LIN(NAME)                                                                                       \
    { NULL, transpose_##NAME }
#define RULE_TRI(NAME)                                                                                       \
    { NULL, transpose_##NAME }

const ayf_rule ayf_rules[AYF_OP_COUNT] = {
#define AYF_OP(NAME, inputs, kind, class, shape) [AYF_OP_##NAME] = RULE_##kind(NAME),
#include "ir/ops.def"
};
