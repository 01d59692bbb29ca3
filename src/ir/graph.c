#include "ir/intern.h"

#include <stdio.h>
#include <string.h>

const ayf_op_info ayf_op_table[AYF_OP_COUNT] = {
    [AYF_OP_NONE] = {"none", 0, AYF_KIND_LEAF, AYF_CLASS_LEAF, 0},
#define AYF_OP(NAME, inputs, kind, class, shape)                                                             \
    [AYF_OP_##NAME] = {#NAME, inputs, AYF_KIND_##kind, AYF_CLASS_##class, 0},
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text)                                                  \
    [AYF_OP_##NAME] = {#NAME, inputs, AYF_KIND_##kind, AYF_CLASS_POINTWISE, cost},
#include "ir/ops.def"
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
    ayf_free(g->ctx, g->border);
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

size_t ayf_node_elements(const ayf_node *n) {
    size_t count = 1;
    for (int i = 0; i < n->rank; i++) count *= (size_t)n->dim[i];
    return count;
}

size_t ayf_elements(const ayf_graph *g, ayf_id id) { return ayf_node_elements(ayf_at(g, id)); }

bool ayf_equal_dims(const ayf_node *a, const ayf_node *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim) == 0;
}

bool ayf_same_shape(const ayf_graph *g, ayf_id a, ayf_id b) {
    return ayf_equal_dims(ayf_at(g, a), ayf_at(g, b));
}

bool ayf_is_const(const ayf_graph *g, ayf_id id, double *value) {
    if (ayf_at(g, id)->op != AYF_OP_CONST) return false;
    if (value) *value = ayf_at(g, id)->value;
    return true;
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

ayf_id ayf_intern(ayf_graph *g, const ayf_node *key) {
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

/* ---- Text ---- */

void ayf_shape_text(const ayf_node *n, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < n->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? "x%d" : "%d", n->dim[i]);
}

void ayf_node_print(const ayf_graph *g, ayf_id id, char *text, size_t size) {
    const ayf_node *n = ayf_at(g, id);
    char shape[64];
    ayf_shape_text(n, shape, sizeof shape);
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
