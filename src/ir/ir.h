/* The graph: one append-only array of nodes in which inputs come before their users.
 *
 *     ayf_graph *g = ayf_graph_new(ctx);
 *     ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(32, 64));
 *     ayf_id w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(10, 64));
 *     ayf_output(g, "y", ayf_silu(g, ayf_gemm(g, x, w, false, true)));
 *     AYF_TRY(ayf_graph_check(g));
 *
 * Builders nest and cannot leak: the first failure is recorded in the graph, every later call returns 0, and
 * ayf_graph_check() tells which builder failed and why. Ids are valid as long as the graph is; pointers to
 * nodes only until the next builder call.
 */
#ifndef AYF_IR_H
#define AYF_IR_H

#include "base/base.h"

typedef uint32_t ayf_id; /* 0: the symbolic zero in derivatives, "failed" from a builder */

enum { AYF_MAX_RANK = 5, AYF_MAX_INPUTS = 2, AYF_MAX_ATTR = 5 };

typedef enum ayf_op {
    AYF_OP_NONE = 0,
#define AYF_OP(NAME, inputs, kind, class, shape) AYF_OP_##NAME,
#include "ir/ops.def"
    AYF_OP_COUNT
} ayf_op;

typedef enum ayf_kind { AYF_KIND_LEAF, AYF_KIND_ZERO, AYF_KIND_EW, AYF_KIND_LIN, AYF_KIND_TRI } ayf_kind;

typedef enum ayf_class {
    AYF_CLASS_LEAF,
    AYF_CLASS_POINTWISE,
    AYF_CLASS_REDUCE,
    AYF_CLASS_VIEW,
    AYF_CLASS_COPY,
    AYF_CLASS_RESAMPLE,
    AYF_CLASS_CONV,
    AYF_CLASS_GEMM,
    AYF_CLASS_COMM,
} ayf_class;

typedef struct ayf_op_info {
    const char *name;
    int inputs;
    ayf_kind kind;
    ayf_class class_;
    int cost; /* of one element of a POINTWISE op, in additions */
} ayf_op_info;
extern const ayf_op_info ayf_op_table[AYF_OP_COUNT];

typedef enum ayf_storage {
    AYF_STORE_INPUT, /* set by the caller before each run */
    AYF_STORE_PARAM, /* weights that do not change while the program lives: what depends on them alone is
                        computed once */
    AYF_STORE_LAST,  /* INPUT of what is left out when one batch is computed in parts, except of the last */
    AYF_STORE_STATE, /* weights and other state that ayf_update() replaces after each run */
} ayf_storage;

typedef struct ayf_shape {
    int rank;
    int dim[AYF_MAX_RANK];
} ayf_shape;
#define AYF_RANK_(...) ((int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))
#define AYF_SHAPE(...) ((ayf_shape){AYF_RANK_(__VA_ARGS__), {__VA_ARGS__}})

typedef struct ayf_node {
    uint16_t op;
    uint16_t rank;
    ayf_id in[AYF_MAX_INPUTS];
    int32_t dim[AYF_MAX_RANK];
    int32_t attr[AYF_MAX_ATTR]; /* meaning: ops.def; an INPUT has {leaf index} */
    uint32_t zero;              /* takes the place of padding: nodes are compared as bytes */
    double value;               /* CONST */
} ayf_node;
_Static_assert(offsetof(ayf_node, value) == offsetof(ayf_node, zero) + sizeof(uint32_t) &&
                   sizeof(ayf_node) == offsetof(ayf_node, value) + sizeof(double),
               "a node has no padding");

typedef struct ayf_leaf_info {
    char *name;
    ayf_id id;
    ayf_storage storage;
    ayf_id update; /* value after the run, 0 = unchanged */
} ayf_leaf_info;

typedef struct ayf_output_info {
    char *name;
    ayf_id id;
} ayf_output_info;

enum { AYF_MAX_TAPS = 8 };
typedef struct ayf_filter {
    int taps;
    float tap[AYF_MAX_TAPS];
} ayf_filter;

typedef struct ayf_graph {
    ayf_context *ctx;
    ayf_node *node; /* node[0] is unused */
    uint32_t count;
    uint32_t *bucket; /* hash-consing: open addressing over node ids */
    uint32_t bucket_count;
    ayf_leaf_info *leaf;
    uint32_t leaf_count;
    ayf_output_info *output;
    uint32_t output_count;
    ayf_filter *filter;
    uint32_t filter_count;
    ayf_id *border;
    uint32_t border_count;
    size_t node_capacity, leaf_capacity, output_capacity, filter_capacity, border_capacity;
    char scope[96];    /* prefix of leaf names and error messages, e.g. "student.unet." */
    ayf_status status; /* sticky */
} ayf_graph;

ayf_graph *ayf_graph_new(ayf_context *ctx); /* NULL: no memory */
void ayf_graph_free(ayf_graph *g);

/* AYF_OK, or the first failure (its message is in the context). */
ayf_status ayf_graph_check(const ayf_graph *g);

/* Records the first failure; always returns 0. */
ayf_id ayf_graph_fail(ayf_graph *g, ayf_status status, const char *format, ...) AYF_PRINTF(3, 4);

/* The only constructor of nodes: checks the shape rules of the op, folds constants and identities, and
 * returns the existing node when an equal one is there. `key` is copied. */
ayf_id ayf_emit(ayf_graph *g, const ayf_node *key);

static inline const ayf_node *ayf_at(const ayf_graph *g, ayf_id id) { return &g->node[id]; }
ayf_shape ayf_shape_of(const ayf_graph *g, ayf_id id);
size_t ayf_node_elements(const ayf_node *n);
size_t ayf_elements(const ayf_graph *g, ayf_id id);
bool ayf_equal_dims(const ayf_node *a, const ayf_node *b);
bool ayf_same_shape(const ayf_graph *g, ayf_id a, ayf_id b);
bool ayf_is_const(const ayf_graph *g, ayf_id id, double *value); /* value may be NULL */

/* A named piece of memory. Names are unique in a graph; the graph's scope is put in front. Asking again for
 * the same name with the same storage and shape gives the same id. */
ayf_id ayf_leaf(ayf_graph *g, ayf_storage storage, const char *name, ayf_shape shape);
int ayf_leaf_find(const ayf_graph *g, const char *name); /* index in g->leaf (full name) or -1 */
/* Can be fetched after a run. An output that is a STATE leaf itself shows the value after its update. */
void ayf_output(ayf_graph *g, const char *name, ayf_id id);
void ayf_update(ayf_graph *g, ayf_id leaf, ayf_id value); /* leaf := value after the run (STATE only) */
/* What a network hands on from one block to the next: recomputation (pass/recompute.h) begins there. */
void ayf_border(ayf_graph *g, ayf_id id);
void ayf_scope(ayf_graph *g, const char *format, ...) AYF_PRINTF(2, 3);

/* Multiply-adds times two of one node (conv and gemm; 0 for the rest). */
double ayf_node_flops(const ayf_graph *g, ayf_id id);

/* One line of text: "%12 = mul(%3, %11) 32x16x16x64". `size` bytes at `text` are filled. */
void ayf_node_print(const ayf_graph *g, ayf_id id, char *text, size_t size);

#endif
