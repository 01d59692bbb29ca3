/* The only knowledge of shapes: one rule per SHAPE of ops.def. A row without its rule does not compile. */
#include "ir/rules_shape.h"

#include "ir/conv.h"

/* What `n` breaks, or NULL. `a` and `b` are its inputs; the sizes of all three are valid by themselves. */
typedef const char *shape_rule(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b);

static const char *const RANKS = "input and output must have one rank";

static const char *shape_any(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g, (void)n, (void)a, (void)b;
    return NULL;
}

static const char *shape_leaf(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)a, (void)b;
    return n->attr[0] >= 0 && (uint32_t)n->attr[0] <= g->leaf_count ? NULL : "no such leaf";
}

static const char *shape_same(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g;
    return ayf_equal_dims(a, n) && (!b || ayf_equal_dims(b, n)) ? NULL : "shapes differ";
}

static const char *shape_reduced(const ayf_graph *g, const ayf_node *n, const ayf_node *a,
                                 const ayf_node *b) {
    (void)g, (void)b;
    if (a->rank != n->rank) return RANKS;
    for (int i = 0; i < n->rank; i++)
        if (n->dim[i] != a->dim[i] && n->dim[i] != 1) return "a reduced axis must have size 1";
    return NULL;
}

static const char *shape_stretched(const ayf_graph *g, const ayf_node *n, const ayf_node *a,
                                   const ayf_node *b) {
    (void)g, (void)b;
    if (a->rank != n->rank) return RANKS;
    for (int i = 0; i < n->rank; i++)
        if (n->dim[i] != a->dim[i] && a->dim[i] != 1) return "only an axis of size 1 can be stretched";
    return NULL;
}

static const char *shape_regrouped(const ayf_graph *g, const ayf_node *n, const ayf_node *a,
                                   const ayf_node *b) {
    (void)g, (void)b;
    return ayf_node_elements(n) == ayf_node_elements(a) ? NULL : "the number of elements must stay";
}

static const char *shape_permuted(const ayf_graph *g, const ayf_node *n, const ayf_node *a,
                                  const ayf_node *b) {
    (void)g, (void)b;
    unsigned seen = 0;
    if (a->rank != n->rank) return RANKS;
    for (int i = 0; i < n->rank; i++) {
        if (n->attr[i] < 0 || n->attr[i] >= n->rank) return "no such axis";
        seen |= 1u << n->attr[i];
        if (n->dim[i] != a->dim[n->attr[i]]) return "sizes do not follow the axes";
    }
    return seen == (1u << n->rank) - 1 ? NULL : "an axis is used twice";
}

/* `inner` lies in `outer` from `start` on. */
static const char *window(const ayf_node *inner, const ayf_node *outer, const int32_t *start) {
    if (inner->rank != outer->rank) return RANKS;
    for (int i = 0; i < inner->rank; i++)
        if (start[i] < 0 || (int64_t)start[i] + inner->dim[i] > outer->dim[i]) return "outside the tensor";
    return NULL;
}

static const char *shape_cut(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g, (void)b;
    return window(n, a, n->attr);
}

static const char *shape_padded(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g, (void)b;
    return window(a, n, n->attr);
}

static const char *shape_joined(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g;
    int axis = n->attr[0];
    if (a->rank != n->rank || b->rank != n->rank || axis < 0 || axis >= n->rank)
        return "ranks or axis differ";
    for (int i = 0; i < n->rank; i++)
        if (i == axis ? n->dim[i] != a->dim[i] + b->dim[i] : n->dim[i] != a->dim[i] || n->dim[i] != b->dim[i])
            return "sizes do not fit";
    return NULL;
}

static const char *shape_resampled(const ayf_graph *g, const ayf_node *n, const ayf_node *a,
                                   const ayf_node *b) {
    (void)b;
    if (a->rank != 4 || n->rank != 4 || n->dim[0] != a->dim[0] || n->dim[3] != a->dim[3])
        return "expects (N,H,W,C) with equal N and C";
    if (n->attr[0] < 1 || n->attr[1] < 1 || (uint32_t)n->attr[3] >= g->filter_count) return "bad resampling";
    return NULL;
}

static const char *shape_conv(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    if (n->rank != 4 || a->rank != 4 || b->rank != 4) return "expects tensors of rank 4";
    ayf_conv_shape s = ayf_conv_of(g, n);
    return ayf_conv_misfit(&s);
}

static const char *shape_gemm(const ayf_graph *g, const ayf_node *n, const ayf_node *a, const ayf_node *b) {
    (void)g;
    int r = n->rank;
    if (r < 2 || r > 3 || a->rank != r || b->rank != r) return "expects rank 2 or 3";
    if (r == 3 && (a->dim[0] != n->dim[0] || b->dim[0] != n->dim[0])) return "batch sizes differ";
    int ta = n->attr[0], tb = n->attr[1];
    if (a->dim[r - 1 - ta] != b->dim[r - 2 + tb]) return "inner sizes differ";
    bool fits = n->dim[r - 2] == a->dim[r - 2 + ta] && n->dim[r - 1] == b->dim[r - 1 - tb];
    return fits ? NULL : "the output size does not fit";
}

static shape_rule *const rules[AYF_OP_COUNT] = {
#define AYF_OP(NAME, inputs, kind, class, shape) [AYF_OP_##NAME] = shape_##shape,
#include "ir/ops.def"
};

const char ayf_rule_size[] = "the tensor is too large";

const char *ayf_broken_rule(const ayf_graph *g, const ayf_node *n) {
    if (n->op <= AYF_OP_NONE || n->op >= AYF_OP_COUNT) return "there is no such op";
    if (n->rank < 1 || n->rank > AYF_MAX_RANK) return "the rank must be 1 to 5";
    size_t total = 1;
    for (int i = 0; i < n->rank; i++) {
        if (n->dim[i] < 1) return "every size must be at least 1";
        if (__builtin_mul_overflow(total, (size_t)n->dim[i], &total) || total > (size_t)1 << 40)
            return ayf_rule_size;
    }
    const ayf_node *in[AYF_MAX_INPUTS] = {NULL};
    for (int k = 0; k < ayf_op_table[n->op].inputs; k++) {
        if (n->in[k] == 0 || n->in[k] >= g->count) return "an input does not exist";
        in[k] = ayf_at(g, n->in[k]);
    }
    return rules[n->op](g, n, in[0], in[1]);
}

double ayf_node_flops(const ayf_graph *g, ayf_id id) {
    const ayf_node *n = ayf_at(g, id);
    switch (ayf_op_table[n->op].class_) {
    case AYF_CLASS_CONV: {
        ayf_conv_shape s = ayf_conv_of(g, n);
        return 2.0 * (double)(s.y[0] * s.y[1] * s.y[2] * s.y[3]) * (double)(s.w[1] * s.w[2] * s.w[3]);
    }
    case AYF_CLASS_GEMM:
        return 2.0 * (double)ayf_node_elements(n) * ayf_at(g, n->in[0])->dim[n->rank - 1 - n->attr[0]];
    case AYF_CLASS_LEAF:
    case AYF_CLASS_POINTWISE:
    case AYF_CLASS_REDUCE:
    case AYF_CLASS_VIEW:
    case AYF_CLASS_COPY:
    case AYF_CLASS_RESAMPLE:
    case AYF_CLASS_COMM:
        return 0;
    }
    return 0;
}
