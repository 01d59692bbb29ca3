#include "ir/ir.h"

#include <string.h>

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
        if (g->leaf[known].storage != storage || !ayf_equal_dims(ayf_at(g, id), &n))
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

void ayf_border(ayf_graph *g, ayf_id id) {
    if (g->status != AYF_OK || id == 0) return;
    g->status = ayf_reserve(g->ctx, &g->border, g->border_count, &g->border_capacity, sizeof *g->border);
    if (g->status == AYF_OK) g->border[g->border_count++] = id;
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
