/* For every row of ops.def: shapes and attributes to try it on. A new op without cases does not compile. */
#ifndef TEST_OP_CASES_H
#define TEST_OP_CASES_H

#include "support.h"

typedef struct op_case {
    ayf_shape a, b, out;        /* rank 0: absent; out: as a */
    int32_t attr[AYF_MAX_ATTR]; /* as in the node; UPFIRDN: attr[3] counts in the test's own filters */
    double low, high;           /* range of the inputs; both 0 = -1.2 to 1.2 */
} op_case;

typedef struct op_case_list {
    const op_case *row;
    size_t count;
} op_case_list;
extern const op_case_list op_case_table[AYF_OP_COUNT];

typedef enum op_variant {
    OP_BARE,    /* y = op(x0, x1) */
    OP_WRAPPED, /* y = sin(op(z0, z1) / 2), z = x + 0.3 x^2: higher derivatives that do not vanish */
    OP_SAME,    /* y = op(x0, x0), for pointwise ops of two inputs */
    OP_VARIANTS
} op_variant;

/* All mode words over {jvp, vjp} up to a length. Node 0 is the function; the jvp of node i is node 2i+1, its
 * vjp is 2i+2. The jvp taken at level l has tangents d[l] (shared by all nodes of the level), the vjp of node
 * i has cotangents u[i]. Both are leaves, "d<l>.<k>" and "u<i>.<k>"; outputs are "y<i>.<k>". */
enum { WORD_LENGTH = 3, WORD_NODES = 15 };
typedef struct word_tree {
    int nodes;
    size_t inputs;
    ayf_id x[AYF_MAX_INPUTS], d[WORD_LENGTH][AYF_MAX_INPUTS];
    struct {
        size_t count;
        ayf_id y[AYF_MAX_INPUTS], u[AYF_MAX_INPUTS];
    } at[WORD_NODES];
} word_tree;

static inline int word_level(int node) { return node == 0 ? 0 : node < 3 ? 1 : node < 7 ? 2 : 3; }
void word_text(int node, char *text); /* "vjp jvp"; room for 16 */

ayf_id op_case_emit(ayf_graph *g, ayf_op op, const op_case *c, ayf_id a, ayf_id b);

/* Grows the tree from x (leaves) and at[0] that are filled in. */
void word_tree_grow(ayf_graph *g, word_tree *tree, int length);
void op_case_tree(ayf_graph *g, ayf_op op, const op_case *c, op_variant variant, int length, word_tree *tree);
bool op_case_has(ayf_op op, op_variant variant);

/* Inputs x0 and x1 of a case, away from kinks. */
void op_case_values(ayf_op op, const op_case *c, uint64_t seed, double *x0, size_t n0, double *x1, size_t n1);

#endif
