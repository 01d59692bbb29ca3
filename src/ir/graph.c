#include "ir/ir.h"

#include <stdio.h>
#include <string.h>

#include "ir/scalar.h"

const ayf_op_info ayf_op_table[AYF_OP_COUNT] = {
    [AYF_OP_NONE] = {"none", 0, AYF_KIND_LEAF, AYF_CLASS_LEAF},
#define AYF_OP(NAME, inputs, kind, class, text)                                                              \
    [AYF_OP_##NAME] = {#NAME, inputs, AYF_KIND_##kind, AYF_CLASS_##class},
#include "ir/ops.def"
#undef AYF_OP
};

/* ---- Lifetime and errors ---- */

ayf_graph *ayf_graph_new(ayf_context *ctx) {
    ayf_graph *g = ayf_alloc(ctx, 1, sizeof *g);
    if (!g) return NULL;
    g->ctx = ctx;
    g->count = 1;
    g->node_capacity = 256;
    g->bucket_count = 1024;
    g->node = ayf_alloc(ctx, g->node_capacity, sizeof *g->node);
    g->bucket = ayf_alloc(ctx, g->bucket_count, sizeof *g->bucket);
    if (!g->node || !g->bucket) {
        ayf_graph_free(g);
        return NULL;
    }
    return g;
}

void ayf_graph_free(ayf_graph *g) {
    if (!g) return;
    for (uint32_t i = 0; i < g->leaf_count; i++) ayf_free(g->ctx, g->leaf[i].name);
    for (uint32_t i = 0; i < g->output_count; i++) ayf_free(g->ctx, g->output[i].name);
    ayf_free(g->ctx, g->leaf);
    ayf_free(g->ctx, g->output);
    ayf_free(g->ctx, g->filter);
    ayf_free(g->ctx, g->bucket);
    ayf_free(g->ctx, g->node);
    ayf_free(g->ctx, g);
}

ayf_status ayf_graph_check(const ayf_graph *g) { return g->status; }

ayf_id ayf_graph_fail(ayf_graph *g, ayf_status status, const char *format, ...) {
    if (g->status != AYF_OK) return 0;
    char text[AYF_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->status = ayf_fail(g->ctx, status, "graph%s%s: %s", g->scope[0] ? " at " : "", g->scope, text);
    return 0;
}

void ayf_scope(ayf_graph *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(g->scope, sizeof g->scope, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof g->scope)
        ayf_graph_fail(g, AYF_E_INTERNAL, "a scope name is too long");
}

/* ---- Shapes ---- */

ayf_shape ayf_shape_of(const ayf_graph *g, ayf_id id) {
    ayf_shape s = {.rank = ayf_at(g, id)->rank};
    memcpy(s.dim, ayf_at(g, id)->dim, sizeof s.dim);
    return s;
}

static size_t node_elements(const ayf_node *n) {
    size_t count = 1;
    for (int i = 0; i < n->rank; i++) count *= (size_t)n->dim[i];
    return count;
}

size_t ayf_elements(const ayf_graph *g, ayf_id id) { return node_elements(ayf_at(g, id)); }

static bool equal_dims(const ayf_node *a, const ayf_node *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim) == 0;
}

bool ayf_same_shape(const ayf_graph *g, ayf_id a, ayf_id b) { return equal_dims(ayf_at(g, a), ayf_at(g, b)); }

bool ayf_is_const(const ayf_graph *g, ayf_id id, double *value) {
    if (ayf_at(g, id)->op != AYF_OP_CONST) return false;
    if (value) *value = ayf_at(g, id)->value;
    return true;
}

static void shape_text(const ayf_node *n, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < n->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? "x%d" : "%d", n->dim[i]);
}

/* The rule of an op that `n` breaks, or NULL. */
static const char *broken_rule(const ayf_graph *g, const ayf_node *n) {
    if (n->op <= AYF_OP_NONE || n->op >= AYF_OP_COUNT) return "there is no such op";
    const ayf_op_info *info = &ayf_op_table[n->op];
    if (n->rank < 1 || n->rank > AYF_MAX_RANK) return "the rank must be 1 to 5";
    size_t total = 1;
    for (int i = 0; i < n->rank; i++) {
        if (n->dim[i] < 1) return "every size must be at least 1";
        if (__builtin_mul_overflow(total, (size_t)n->dim[i], &total) || total > (size_t)1 << 40)
            return "the tensor is too large";
    }
    for (int k = 0; k < info->inputs; k++)
        if (n->in[k] == 0 || n->in[k] >= g->count) return "an input does not exist";
    const ayf_node *a = info->inputs > 0 ? ayf_at(g, n->in[0]) : n,
                   *b = info->inputs > 1 ? ayf_at(g, n->in[1]) : a;
    switch (n->op) {
    case AYF_OP_INPUT:
        return n->attr[0] >= 0 && (uint32_t)n->attr[0] <= g->leaf_count ? NULL : "no such leaf";
    case AYF_OP_CONST:
        return NULL;
    case AYF_OP_SUM:
    case AYF_OP_ROWMAX:
        if (a->rank != n->rank) return "input and output must have one rank";
        for (int i = 0; i < n->rank; i++)
            if (n->dim[i] != a->dim[i] && n->dim[i] != 1) return "a reduced axis must have size 1";
        return NULL;
    case AYF_OP_BROADCAST:
        if (a->rank != n->rank) return "input and output must have one rank";
        for (int i = 0; i < n->rank; i++)
            if (n->dim[i] != a->dim[i] && a->dim[i] != 1) return "only an axis of size 1 can be stretched";
        return NULL;
    case AYF_OP_RESHAPE:
        return total == node_elements(a) ? NULL : "the number of elements must stay";
    case AYF_OP_PERMUTE: {
        unsigned seen = 0;
        if (a->rank != n->rank) return "input and output must have one rank";
        for (int i = 0; i < n->rank; i++) {
            if (n->attr[i] < 0 || n->attr[i] >= n->rank) return "no such axis";
            seen |= 1u << n->attr[i];
            if (n->dim[i] != a->dim[n->attr[i]]) return "sizes do not follow the axes";
        }
        return seen == (1u << n->rank) - 1 ? NULL : "an axis is used twice";
    }
    case AYF_OP_SLICE:
    case AYF_OP_PAD: {
        const ayf_node *inner = n->op == AYF_OP_SLICE ? n : a, *outer = n->op == AYF_OP_SLICE ? a : n;
        if (a->rank != n->rank) return "input and output must have one rank";
        for (int i = 0; i < n->rank; i++)
            if (n->attr[i] < 0 || n->attr[i] + inner->dim[i] > outer->dim[i]) return "outside the tensor";
        return NULL;
    }
    case AYF_OP_CONCAT: {
        int axis = n->attr[0];
        if (a->rank != n->rank || b->rank != n->rank || axis < 0 || axis >= n->rank)
            return "ranks or axis differ";
        for (int i = 0; i < n->rank; i++)
            if (i == axis ? n->dim[i] != a->dim[i] + b->dim[i]
                          : (n->dim[i] != a->dim[i] || n->dim[i] != b->dim[i]))
                return "sizes do not fit";
        return NULL;
    }
    case AYF_OP_UPFIRDN:
        if (a->rank != 4 || n->rank != 4 || n->dim[0] != a->dim[0] || n->dim[3] != a->dim[3])
            return "expects (N,H,W,C) with equal N and C";
        if (n->attr[0] < 1 || n->attr[1] < 1 || (uint32_t)n->attr[3] >= g->filter_count)
            return "bad resampling";
        return NULL;
    case AYF_OP_CONV_FPROP:
    case AYF_OP_CONV_DGRAD:
    case AYF_OP_CONV_WGRAD: {
        const ayf_node *x = n->op == AYF_OP_CONV_DGRAD ? n : a;
        const ayf_node *w = n->op == AYF_OP_CONV_WGRAD ? n : b;
        const ayf_node *y = n->op == AYF_OP_CONV_FPROP ? n : n->op == AYF_OP_CONV_DGRAD ? a : b;
        int stride = n->attr[0], pad = n->attr[1];
        if (x->rank != 4 || w->rank != 4 || y->rank != 4) return "expects tensors of rank 4";
        if (x->dim[0] != y->dim[0] || x->dim[3] != w->dim[3] || y->dim[3] != w->dim[0])
            return "channels or batch do not fit";
        if (stride < 1 || pad < 0) return "bad stride or padding";
        for (int i = 1; i <= 2; i++) {
            int room = x->dim[i] + 2 * pad - w->dim[i];
            if (room < 0 || y->dim[i] != room / stride + 1) return "image sizes do not fit";
        }
        return NULL;
    }
    case AYF_OP_GEMM: {
        int r = n->rank;
        if (r < 2 || r > 3 || a->rank != r || b->rank != r) return "expects rank 2 or 3";
        if (r == 3 && (a->dim[0] != n->dim[0] || b->dim[0] != n->dim[0])) return "batch sizes differ";
        int ta = n->attr[0], tb = n->attr[1];
        int m = a->dim[r - 2 + ta], k = a->dim[r - 1 - ta], k2 = b->dim[r - 2 + tb], c = b->dim[r - 1 - tb];
        if (k != k2) return "inner sizes differ";
        return n->dim[r - 2] == m && n->dim[r - 1] == c ? NULL : "the output size does not fit";
    }
    default: /* pointwise */
        return equal_dims(a, n) && equal_dims(b, n) ? NULL : "shapes differ";
    }
}

ayf_status ayf_graph_verify(const ayf_graph *g) {
    AYF_TRY(ayf_graph_check(g));
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        const char *why = broken_rule(g, n);
        for (int k = 0; !why && k < ayf_op_table[n->op].inputs; k++)
            if (n->in[k] >= id) why = "an input comes later than its user";
        if (why) {
            char text[160];
            ayf_node_print(g, id, text, sizeof text);
            return ayf_fail(g->ctx, AYF_E_INTERNAL, "graph: %s: %s", text, why);
        }
    }
    return AYF_OK;
}

/* ---- Hash-consing ---- */

static uint64_t node_hash(const ayf_node *n) { return ayf_hash(AYF_HASH_START, n, sizeof *n); }

static void bucket_put(uint32_t *bucket, uint32_t bucket_count, const ayf_node *n, ayf_id id) {
    uint32_t at = (uint32_t)node_hash(n) & (bucket_count - 1);
    while (bucket[at]) at = (at + 1) & (bucket_count - 1);
    bucket[at] = id;
}

static bool make_room(ayf_graph *g) {
    if (ayf_reserve(g->ctx, &g->node, g->count, &g->node_capacity, sizeof *g->node) != AYF_OK) return false;
    if (2 * g->count >= g->bucket_count) {
        uint32_t bucket_count = 2 * g->bucket_count;
        uint32_t *bucket = ayf_alloc(g->ctx, bucket_count, sizeof *bucket);
        if (!bucket) return false;
        for (ayf_id id = 1; id < g->count; id++) bucket_put(bucket, bucket_count, &g->node[id], id);
        ayf_free(g->ctx, g->bucket);
        g->bucket = bucket;
        g->bucket_count = bucket_count;
    }
    return true;
}

static ayf_id intern(ayf_graph *g, const ayf_node *key) {
    uint32_t at = (uint32_t)node_hash(key) & (g->bucket_count - 1);
    for (; g->bucket[at]; at = (at + 1) & (g->bucket_count - 1))
        if (memcmp(&g->node[g->bucket[at]], key, sizeof *key) == 0) return g->bucket[at];
    if (!make_room(g)) {
        g->status = AYF_E_MEMORY;
        return 0;
    }
    ayf_id id = g->count++;
    g->node[id] = *key;
    bucket_put(g->bucket, g->bucket_count, key, id);
    return id;
}

/* ---- Folding ---- */

static ayf_id constant(ayf_graph *g, const ayf_node *like, double value) {
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = AYF_OP_CONST;
    n.rank = like->rank;
    memcpy(n.dim, like->dim, sizeof n.dim);
    n.value = value == 0 ? 0 : value; /* one zero: -0 would be another node */
    return intern(g, &n);
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

/* Identities of pointwise ops; 0 when none applies. */
static ayf_id fold_pointwise(ayf_graph *g, const ayf_node *n) {
    double a = 0, b = 0;
    bool a_const = ayf_is_const(g, n->in[0], &a);
    bool b_const = ayf_op_table[n->op].inputs < 2 || ayf_is_const(g, n->in[1], &b);
    if (a_const && b_const) return constant(g, n, ayf_scalar((ayf_op)n->op, a, b));
    const ayf_node *x = ayf_at(g, n->in[0]);
    double inner;
    switch (n->op) {
    case AYF_OP_ADD:
        if (a_const && a == 0) return n->in[1];
        if (b_const && b == 0) return n->in[0];
        if (ayf_at(g, n->in[1])->op == AYF_OP_NEG)
            return pointwise(g, AYF_OP_SUB, n->in[0], ayf_at(g, n->in[1])->in[0]);
        if (x->op == AYF_OP_NEG) return pointwise(g, AYF_OP_SUB, n->in[1], x->in[0]);
        break;
    case AYF_OP_SUB:
        if (n->in[0] == n->in[1]) return constant(g, n, 0);
        if (b_const && b == 0) return n->in[0];
        if (a_const && a == 0) return pointwise(g, AYF_OP_NEG, n->in[1], 0);
        if (ayf_at(g, n->in[1])->op == AYF_OP_NEG)
            return pointwise(g, AYF_OP_ADD, n->in[0], ayf_at(g, n->in[1])->in[0]);
        break;
    case AYF_OP_MUL:
        if (!b_const) break;
        if (b == 0) return constant(g, n, 0);
        if (b == 1) return n->in[0];
        if (b == -1) return pointwise(g, AYF_OP_NEG, n->in[0], 0);
        if (x->op == AYF_OP_NEG) return scaled(g, x->in[0], -b);
        if (x->op == AYF_OP_MUL && ayf_is_const(g, x->in[1], &inner)) return scaled(g, x->in[0], inner * b);
        break;
    case AYF_OP_DIV:
        if (a_const && a == 0) return constant(g, n, 0);
        if (b_const && b != 0) return scaled(g, n->in[0], 1 / b);
        break;
    case AYF_OP_NEG:
        if (x->op == AYF_OP_NEG) return x->in[0];
        if (x->op == AYF_OP_SUB) return pointwise(g, AYF_OP_SUB, x->in[1], x->in[0]);
        if (x->op == AYF_OP_MUL && ayf_is_const(g, x->in[1], &inner)) return scaled(g, x->in[0], -inner);
        break;
    default:
        break;
    }
    return 0;
}

static ayf_id fold_view(ayf_graph *g, const ayf_node *n) {
    const ayf_node *x = ayf_at(g, n->in[0]);
    ayf_node direct = *n;
    direct.in[0] = x->in[0];
    if (x->op == AYF_OP_CONST) return constant(g, n, x->value);
    switch (n->op) {
    case AYF_OP_RESHAPE:
        if (equal_dims(n, x)) return n->in[0];
        if (x->op == AYF_OP_RESHAPE) return ayf_emit(g, &direct);
        break;
    case AYF_OP_BROADCAST:
        if (equal_dims(n, x)) return n->in[0];
        if (x->op == AYF_OP_BROADCAST) return ayf_emit(g, &direct);
        break;
    case AYF_OP_SLICE:
        if (equal_dims(n, x)) return n->in[0];
        if (x->op == AYF_OP_SLICE) {
            for (int i = 0; i < n->rank; i++) direct.attr[i] += x->attr[i];
            return ayf_emit(g, &direct);
        }
        break;
    case AYF_OP_PERMUTE: {
        bool identity = true;
        for (int i = 0; i < n->rank; i++) identity = identity && n->attr[i] == i;
        if (identity) return n->in[0];
        if (x->op == AYF_OP_PERMUTE) {
            for (int i = 0; i < n->rank; i++) direct.attr[i] = x->attr[n->attr[i]];
            return ayf_emit(g, &direct);
        }
        break;
    }
    default:
        break;
    }
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

static ayf_id fold(ayf_graph *g, const ayf_node *n) {
    double value = 0;
    const ayf_op_info *info = &ayf_op_table[n->op];
    if (info->class_ == AYF_CLASS_POINTWISE) return fold_pointwise(g, n);
    if (info->class_ == AYF_CLASS_VIEW) return fold_view(g, n);
    switch (n->op) {
    case AYF_OP_SUM: {
        const ayf_node *x = ayf_at(g, n->in[0]);
        double ratio = (double)node_elements(x) / (double)node_elements(n);
        if (equal_dims(n, x)) return n->in[0];
        if (x->op == AYF_OP_CONST) return constant(g, n, x->value * ratio);
        if (x->op == AYF_OP_SUM) {
            ayf_node direct = *n;
            direct.in[0] = x->in[0];
            return ayf_emit(g, &direct);
        }
        if (x->op == AYF_OP_BROADCAST && equal_dims(n, ayf_at(g, x->in[0])))
            return scaled(g, x->in[0], ratio);
        return 0;
    }
    case AYF_OP_ROWMAX:
        if (equal_dims(n, ayf_at(g, n->in[0]))) return n->in[0];
        if (ayf_is_const(g, n->in[0], &value)) return constant(g, n, value);
        return rowmax_of_rows(g, n);
    case AYF_OP_PAD:
        if (equal_dims(n, ayf_at(g, n->in[0]))) return n->in[0];
        return ayf_is_const(g, n->in[0], &value) && value == 0 ? constant(g, n, 0) : 0;
    case AYF_OP_CONCAT: {
        double other = 1;
        bool both = ayf_is_const(g, n->in[0], &value) && ayf_is_const(g, n->in[1], &other);
        return both && value == other ? constant(g, n, value) : 0;
    }
    default: /* linear in each input: zero gives zero */
        for (int k = 0; k < info->inputs; k++)
            if (ayf_is_const(g, n->in[k], &value) && value == 0) return constant(g, n, 0);
        return 0;
    }
}

ayf_id ayf_emit(ayf_graph *g, const ayf_node *key) {
    if (g->status != AYF_OK) return 0;
    const char *why = broken_rule(g, key);
    if (why) {
        char own[64], first[64] = "-", second[64] = "-";
        int inputs = key->op < AYF_OP_COUNT ? ayf_op_table[key->op].inputs : 0;
        shape_text(key, own, sizeof own);
        if (inputs > 0 && key->in[0] && key->in[0] < g->count)
            shape_text(ayf_at(g, key->in[0]), first, sizeof first);
        if (inputs > 1 && key->in[1] && key->in[1] < g->count)
            shape_text(ayf_at(g, key->in[1]), second, sizeof second);
        return ayf_graph_fail(g, AYF_E_INTERNAL, "%s(%s, %s) -> %s: %s",
                              key->op < AYF_OP_COUNT ? ayf_op_table[key->op].name : "?", first, second, own,
                              why);
    }
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
    return intern(g, &n);
}

/* ---- Leaves, outputs, updates ---- */

static char *scoped(ayf_graph *g, const char *name) {
    char *full = ayf_format(g->ctx, "%s%s", g->scope, name);
    if (!full) g->status = AYF_E_MEMORY;
    return full;
}

int ayf_leaf_find(const ayf_graph *g, const char *name) {
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (strcmp(g->leaf[i].name, name) == 0) return (int)i;
    return -1;
}

ayf_id ayf_leaf(ayf_graph *g, ayf_storage storage, const char *name, ayf_shape shape) {
    if (g->status != AYF_OK) return 0;
    char *full = scoped(g, name);
    if (!full) return 0;
    int known = ayf_leaf_find(g, full);
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = AYF_OP_INPUT;
    n.rank = (uint16_t)shape.rank;
    for (int i = 0; i < shape.rank && i < AYF_MAX_RANK; i++) n.dim[i] = shape.dim[i];
    if (known >= 0) {
        ayf_id id = g->leaf[known].id;
        if (g->leaf[known].storage != storage || !equal_dims(ayf_at(g, id), &n))
            id = ayf_graph_fail(g, AYF_E_INTERNAL,
                                "leaf '%s' is declared twice with different shape or storage", full);
        ayf_free(g->ctx, full);
        return id;
    }
    n.attr[0] = (int32_t)g->leaf_count;
    g->status = ayf_reserve(g->ctx, &g->leaf, g->leaf_count, &g->leaf_capacity, sizeof *g->leaf);
    ayf_id id = ayf_emit(g, &n);
    if (!id) {
        ayf_free(g->ctx, full);
        return 0;
    }
    g->leaf[g->leaf_count++] = (ayf_leaf_info){full, id, storage, 0};
    return id;
}

void ayf_output(ayf_graph *g, const char *name, ayf_id id) {
    if (g->status != AYF_OK || id == 0) return;
    char *full = scoped(g, name);
    if (!full) return;
    g->status = ayf_reserve(g->ctx, &g->output, g->output_count, &g->output_capacity, sizeof *g->output);
    if (g->status == AYF_OK)
        g->output[g->output_count++] = (ayf_output_info){full, id};
    else
        ayf_free(g->ctx, full);
}

static bool is_memory_of_leaf(const ayf_graph *g, ayf_id id) {
    while (ayf_at(g, id)->op == AYF_OP_RESHAPE) id = ayf_at(g, id)->in[0];
    return ayf_at(g, id)->op == AYF_OP_INPUT;
}

void ayf_update(ayf_graph *g, ayf_id leaf, ayf_id value) {
    if (g->status != AYF_OK) return;
    const ayf_node *n = ayf_at(g, leaf);
    if (leaf == 0 || n->op != AYF_OP_INPUT || g->leaf[n->attr[0]].storage != AYF_STORE_STATE) {
        ayf_graph_fail(g, AYF_E_INTERNAL, "only a STATE leaf can be updated");
    } else if (value && is_memory_of_leaf(g, value)) {
        ayf_graph_fail(g, AYF_E_INTERNAL, "the update of '%s' must be computed", g->leaf[n->attr[0]].name);
    } else if (value == 0 || !ayf_same_shape(g, leaf, value)) {
        ayf_graph_fail(g, AYF_E_INTERNAL, "the update of '%s' has another shape", g->leaf[n->attr[0]].name);
    } else {
        g->leaf[n->attr[0]].update = value;
    }
}

/* ---- Facts and text ---- */

double ayf_node_flops(const ayf_graph *g, ayf_id id) {
    const ayf_node *n = ayf_at(g, id);
    switch (n->op) {
    case AYF_OP_CONV_FPROP:
    case AYF_OP_CONV_DGRAD:
    case AYF_OP_CONV_WGRAD: {
        const ayf_node *w = n->op == AYF_OP_CONV_WGRAD ? n : ayf_at(g, n->in[1]);
        const ayf_node *y = n->op == AYF_OP_CONV_FPROP ? n : ayf_at(g, n->in[n->op == AYF_OP_CONV_WGRAD]);
        return 2.0 * (double)node_elements(y) * w->dim[1] * w->dim[2] * w->dim[3];
    }
    case AYF_OP_GEMM: {
        const ayf_node *a = ayf_at(g, n->in[0]);
        return 2.0 * (double)node_elements(n) * a->dim[n->rank - 1 - n->attr[0]];
    }
    default:
        return 0;
    }
}

void ayf_node_print(const ayf_graph *g, ayf_id id, char *text, size_t size) {
    const ayf_node *n = ayf_at(g, id);
    char shape[64];
    shape_text(n, shape, sizeof shape);
    if (n->op == AYF_OP_INPUT)
        snprintf(text, size, "%%%u = input '%s' %s", id, g->leaf[n->attr[0]].name, shape);
    else if (n->op == AYF_OP_CONST)
        snprintf(text, size, "%%%u = const %g %s", id, n->value, shape);
    else if (n->op >= AYF_OP_COUNT)
        snprintf(text, size, "%%%u = op %u %s", id, n->op, shape);
    else if (ayf_op_table[n->op].inputs == 1)
        snprintf(text, size, "%%%u = %s(%%%u) %s", id, ayf_op_table[n->op].name, n->in[0], shape);
    else
        snprintf(text, size, "%%%u = %s(%%%u, %%%u) %s", id, ayf_op_table[n->op].name, n->in[0], n->in[1],
                 shape);
}
