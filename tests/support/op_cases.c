#include "op_cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ad/ad.h"

#define S(...) AYF_SHAPE_INIT(__VA_ARGS__)
#define AYF_SHAPE_INIT(...)                                                                                  \
    {                                                                                                        \
        AYF_RANK_(__VA_ARGS__), { __VA_ARGS__ }                                                              \
    }

#define UNARY(lo, hi)                                                                                        \
    {                                                                                                        \
        {.a = S(1), .low = lo, .high = hi}, {.a = S(3, 5), .low = lo, .high = hi}, {                         \
            .a = S(2, 1, 7), .low = lo, .high = hi                                                           \
        }                                                                                                    \
    }
#define BINARY(lo, hi)                                                                                       \
    {                                                                                                        \
        {.a = S(1), .b = S(1), .low = lo, .high = hi}, {.a = S(3, 5), .b = S(3, 5), .low = lo, .high = hi},  \
        {                                                                                                    \
            .a = S(2, 1, 3, 1, 3), .b = S(2, 1, 3, 1, 3), .low = lo, .high = hi                              \
        }                                                                                                    \
    }

static const op_case cases_INPUT[] = UNARY(-1, 1);
static const op_case cases_CONST[] = {{.out = S(2, 3)}, {.out = S(1)}};
static const op_case cases_ADD[] = BINARY(0, 0);
static const op_case cases_SUB[] = BINARY(0, 0);
static const op_case cases_MUL[] = BINARY(0, 0);
static const op_case cases_DIV[] = {{.a = S(3, 5), .b = S(3, 5), .low = 0.5, .high = 2},
                                    {.a = S(7), .b = S(7), .low = -1.3, .high = -0.5}};
static const op_case cases_MAX[] = BINARY(0, 0);
static const op_case cases_MIN[] = BINARY(0, 0);
static const op_case cases_NEG[] = UNARY(0, 0);
static const op_case cases_EXP[] = UNARY(0, 0);
static const op_case cases_LOG[] = UNARY(0.5, 2);
static const op_case cases_SQRT[] = UNARY(0.5, 2);
static const op_case cases_SIGMOID[] = UNARY(0, 0);
static const op_case cases_TANH[] = UNARY(0, 0);
static const op_case cases_SIN[] = UNARY(0, 0);
static const op_case cases_COS[] = UNARY(0, 0);
static const op_case cases_SOFTPLUS[] = UNARY(0, 0);
static const op_case cases_GT[] = BINARY(0, 0);
static const op_case cases_STOP[] = UNARY(0, 0);
static const op_case cases_ROWMAX[] = {{.a = S(3, 5), .out = S(3, 1)},
                                       {.a = S(3, 5), .out = S(1, 5)},
                                       {.a = S(2, 3, 1, 4), .out = S(2, 1, 1, 1)},
                                       {.a = S(7), .out = S(1)}};
static const op_case cases_SUM[] = {{.a = S(3, 5), .out = S(3, 1)},
                                    {.a = S(3, 5), .out = S(1, 5)},
                                    {.a = S(2, 3, 4), .out = S(1, 3, 1)},
                                    {.a = S(2, 3, 1, 4), .out = S(2, 1, 1, 1)},
                                    {.a = S(2, 1, 3, 2, 2), .out = S(1, 1, 3, 1, 2)},
                                    {.a = S(7), .out = S(1)}};
static const op_case cases_BROADCAST[] = {{.a = S(3, 1), .out = S(3, 5)},
                                          {.a = S(1, 5), .out = S(3, 5)},
                                          {.a = S(1, 3, 1), .out = S(2, 3, 4)},
                                          {.a = S(1), .out = S(7)}};
static const op_case cases_RESHAPE[] = {
    {.a = S(3, 4), .out = S(12)}, {.a = S(2, 3, 4), .out = S(6, 1, 2, 2)}, {.a = S(1), .out = S(1, 1, 1)}};
static const op_case cases_PERMUTE[] = {
    {.a = S(3, 5), .out = S(5, 3), .attr = {1, 0}},
    {.a = S(2, 3, 4), .out = S(4, 2, 3), .attr = {2, 0, 1}},
    {.a = S(2, 1, 3, 2), .out = S(3, 2, 2, 1), .attr = {2, 3, 0, 1}},
    {.a = S(2, 1, 3, 2, 3), .out = S(3, 2, 2, 1, 3), .attr = {4, 3, 0, 1, 2}}};
static const op_case cases_SLICE[] = {{.a = S(7), .out = S(3), .attr = {2}},
                                      {.a = S(4, 5), .out = S(2, 5), .attr = {2, 0}},
                                      {.a = S(3, 4, 5), .out = S(1, 2, 4), .attr = {2, 1, 0}}};
static const op_case cases_PAD[] = {{.a = S(3), .out = S(7), .attr = {2}},
                                    {.a = S(2, 5), .out = S(4, 5), .attr = {1, 0}},
                                    {.a = S(1, 2, 3), .out = S(3, 4, 5), .attr = {2, 1, 0}}};
static const op_case cases_CONCAT[] = {{.a = S(3), .b = S(1), .out = S(4), .attr = {0}},
                                       {.a = S(2, 3), .b = S(2, 5), .out = S(2, 8), .attr = {1}},
                                       {.a = S(2, 1, 3), .b = S(2, 2, 3), .out = S(2, 3, 3), .attr = {1}}};
/* attr: up, down, pad, filter */
static const op_case cases_UPFIRDN[] = {
    {.a = S(2, 4, 6, 3), .out = S(2, 2, 3, 3), .attr = {1, 2, 0, 0}}, /* [1,1] down */
    {.a = S(1, 3, 2, 2), .out = S(1, 6, 4, 2), .attr = {2, 1, 1, 0}}, /* [1,1] up */
    {.a = S(2, 4, 4, 1), .out = S(2, 2, 2, 1), .attr = {1, 2, 1, 1}}, /* [1,3,3,1] down */
    {.a = S(1, 3, 3, 3), .out = S(1, 6, 6, 3), .attr = {2, 1, 2, 1}}, /* [1,3,3,1] up */
    {.a = S(1, 5, 3, 2), .out = S(1, 4, 2, 2), .attr = {1, 1, 1, 1}}, /* blur, shrinking */
    {.a = S(1, 5, 5, 1), .out = S(1, 3, 3, 1), .attr = {1, 2, 1, 2}}, /* three unequal taps, odd sizes */
    {.a = S(1, 3, 4, 1), .out = S(1, 4, 5, 1), .attr = {3, 2, 2, 2}},
    {.a = S(1, 1, 1, 1), .out = S(1, 2, 2, 1), .attr = {2, 1, 2, 1}},
};
/* Of one process. Several: test_ranks. */
static const op_case cases_ALLREDUCE[] = {
    {.a = S(1), .attr = {1}}, {.a = S(3, 5), .attr = {1}}, {.a = S(2, 1, 7), .attr = {1}}};
/* attr: stride, pad */
static const op_case cases_CONV_FPROP[] = {
    {.a = S(2, 4, 5, 3), .b = S(2, 3, 3, 3), .out = S(2, 4, 5, 2), .attr = {1, 1}},
    {.a = S(1, 5, 5, 2), .b = S(3, 3, 3, 2), .out = S(1, 3, 3, 3), .attr = {2, 1}},
    {.a = S(1, 4, 6, 2),
     .b = S(1, 3, 3, 2),
     .out = S(1, 2, 3, 1),
     .attr = {2, 1}}, /* the last row is not read */
    {.a = S(3, 2, 2, 4), .b = S(5, 1, 1, 4), .out = S(3, 2, 2, 5), .attr = {1, 0}},
    {.a = S(1, 5, 4, 1), .b = S(2, 2, 3, 1), .out = S(1, 4, 2, 2), .attr = {1, 0}},
    {.a = S(1, 3, 3, 1), .b = S(1, 3, 3, 1), .out = S(1, 5, 5, 1), .attr = {1, 2}},
    {.a = S(1, 1, 1, 1), .b = S(1, 1, 1, 1), .out = S(1, 1, 1, 1), .attr = {1, 0}},
};
/* DGRAD(y, w) -> x */
static const op_case cases_CONV_DGRAD[] = {
    {.a = S(2, 4, 5, 2), .b = S(2, 3, 3, 3), .out = S(2, 4, 5, 3), .attr = {1, 1}},
    {.a = S(1, 3, 3, 3), .b = S(3, 3, 3, 2), .out = S(1, 5, 5, 2), .attr = {2, 1}},
    {.a = S(1, 2, 3, 1), .b = S(1, 3, 3, 2), .out = S(1, 4, 6, 2), .attr = {2, 1}},
    {.a = S(3, 2, 2, 5), .b = S(5, 1, 1, 4), .out = S(3, 2, 2, 4), .attr = {1, 0}},
};
/* WGRAD(x, y) -> w */
static const op_case cases_CONV_WGRAD[] = {
    {.a = S(2, 4, 5, 3), .b = S(2, 4, 5, 2), .out = S(2, 3, 3, 3), .attr = {1, 1}},
    {.a = S(1, 5, 5, 2), .b = S(1, 3, 3, 3), .out = S(3, 3, 3, 2), .attr = {2, 1}},
    {.a = S(1, 4, 6, 2), .b = S(1, 2, 3, 1), .out = S(1, 3, 3, 2), .attr = {2, 1}},
    {.a = S(3, 2, 2, 4), .b = S(3, 2, 2, 5), .out = S(5, 1, 1, 4), .attr = {1, 0}},
};
static const op_case cases_GEMM[] = {
    {.a = S(3, 4), .b = S(4, 5), .out = S(3, 5), .attr = {0, 0}},
    {.a = S(4, 3), .b = S(4, 5), .out = S(3, 5), .attr = {1, 0}},
    {.a = S(3, 4), .b = S(5, 4), .out = S(3, 5), .attr = {0, 1}},
    {.a = S(4, 3), .b = S(5, 4), .out = S(3, 5), .attr = {1, 1}},
    {.a = S(2, 3, 4), .b = S(2, 4, 1), .out = S(2, 3, 1), .attr = {0, 0}},
    {.a = S(2, 4, 3), .b = S(2, 4, 2), .out = S(2, 3, 2), .attr = {1, 0}},
    {.a = S(2, 1, 4), .b = S(2, 5, 4), .out = S(2, 1, 5), .attr = {0, 1}},
    {.a = S(3, 2, 3), .b = S(3, 5, 2), .out = S(3, 3, 5), .attr = {1, 1}},
};

const op_case_list op_case_table[AYF_OP_COUNT] = {
#define AYF_OP(NAME, inputs, kind, class, shape) [AYF_OP_##NAME] = {cases_##NAME, AYF_COUNT(cases_##NAME)},
#include "ir/ops.def"
};

static const ayf_filter filters[] = {
    {2, {0.5f, 0.5f}}, {4, {0.125f, 0.375f, 0.375f, 0.125f}}, {3, {0.5f, -1, 2}}};

ayf_id op_case_emit(ayf_graph *g, ayf_op op, const op_case *c, ayf_id a, ayf_id b) {
    ayf_shape out = c->out.rank ? c->out : c->a;
    if (op == AYF_OP_INPUT) return a;
    if (op == AYF_OP_CONST) return ayf_full(g, out, 0.7);
    if (op == AYF_OP_UPFIRDN)
        return ayf_upfirdn(g, a, c->attr[0], c->attr[1], c->attr[2], out.dim[1], out.dim[2],
                           &filters[c->attr[3]]);
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = (uint16_t)op;
    n.in[0] = a;
    n.in[1] = ayf_op_table[op].inputs > 1 ? b : 0;
    n.rank = (uint16_t)out.rank;
    for (int i = 0; i < out.rank; i++) n.dim[i] = out.dim[i];
    memcpy(n.attr, c->attr, sizeof n.attr);
    return ayf_emit(g, &n);
}

bool op_case_has(ayf_op op, op_variant variant) {
    ayf_kind kind = ayf_op_table[op].kind;
    if (kind == AYF_KIND_ZERO || kind == AYF_KIND_LEAF) return false;
    return variant != OP_SAME || (kind == AYF_KIND_EW && ayf_op_table[op].inputs == 2);
}

void word_text(int node, char *text) {
    const char *step[WORD_LENGTH];
    int count = 0;
    for (; node; node = (node - 1) / 2) step[count++] = node % 2 ? "jvp" : "vjp";
    text[0] = 0;
    for (int i = count; i-- > 0;) strcat(strcat(text, step[i]), i ? " " : "");
}

static ayf_id leaf_like(ayf_graph *g, ayf_id like, const char *kind, int i, size_t k) {
    char name[40];
    snprintf(name, sizeof name, "%s%d.%zu", kind, i, k);
    return ayf_leaf(g, AYF_STORE_INPUT, name, ayf_shape_of(g, like));
}

void word_tree_grow(ayf_graph *g, word_tree *t, int length) {
    t->nodes = (2 << length) - 1;
    for (int l = 0; l < length; l++)
        for (size_t k = 0; k < t->inputs; k++) t->d[l][k] = leaf_like(g, t->x[k], "d", l, k);
    for (int i = 0; i < t->nodes; i++) {
        for (size_t k = 0; k < t->at[i].count; k++) {
            char name[40];
            snprintf(name, sizeof name, "y%d.%zu", i, k);
            ayf_output(g, name, t->at[i].y[k]);
        }
        if (2 * i + 2 >= t->nodes) continue;
        for (size_t k = 0; k < t->at[i].count; k++) t->at[i].u[k] = leaf_like(g, t->at[i].y[k], "u", i, k);
        t->at[2 * i + 1].count = t->at[i].count;
        ayf_jvp(g, t->inputs, t->x, t->d[word_level(i)], t->at[i].count, t->at[i].y, t->at[2 * i + 1].y);
        t->at[2 * i + 2].count = t->inputs;
        ayf_vjp(g, t->at[i].count, t->at[i].y, t->at[i].u, t->inputs, t->x, t->at[2 * i + 2].y);
    }
}

void op_case_tree(ayf_graph *g, ayf_op op, const op_case *c, op_variant variant, int length, word_tree *t) {
    memset(t, 0, sizeof *t);
    int inputs = ayf_op_table[op].inputs;
    t->inputs = variant == OP_SAME || inputs == 0 ? 1 : (size_t)inputs;
    ayf_id z[AYF_MAX_INPUTS] = {0};
    for (size_t k = 0; k < t->inputs; k++) {
        t->x[k] = ayf_leaf(g, AYF_STORE_INPUT, k ? "x1" : "x0", k ? c->b : c->a.rank ? c->a : c->out);
        z[k] =
            variant == OP_WRAPPED ? ayf_add(g, t->x[k], ayf_mulc(g, ayf_square(g, t->x[k]), 0.3)) : t->x[k];
    }
    if (variant == OP_SAME) z[1] = z[0];
    ayf_id y = op_case_emit(g, op, c, z[0], z[1]);
    if (variant == OP_WRAPPED) y = ayf_sin(g, ayf_mulc(g, y, 0.5));
    t->at[0].count = 1;
    t->at[0].y[0] = y;
    word_tree_grow(g, t, length);
}

void op_case_values(ayf_op op, const op_case *c, uint64_t seed, double *x0, size_t n0, double *x1,
                    size_t n1) {
    double low = c->low, high = c->high;
    if (low == 0 && high == 0) low = -1.2, high = 1.2;
    uint64_t state = seed;
    for (size_t i = 0; i < n0; i++) x0[i] = test_real(&state, low, high);
    for (size_t i = 0; i < n1; i++) x1[i] = test_real(&state, low, high);
    if (op != AYF_OP_MAX && op != AYF_OP_MIN && op != AYF_OP_GT) return;
    for (size_t i = 0; i < n1; i++)
        if (fabs(x0[i] - x1[i]) < 0.1) x0[i] = (double)(float)(x1[i] + 0.25);
}
