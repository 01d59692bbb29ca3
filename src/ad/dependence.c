#include "ad/dependence.h"

static bool passes_derivatives(const ayf_node *n) {
    ayf_kind kind = ayf_op_table[n->op].kind;
    return kind != AYF_KIND_LEAF && kind != AYF_KIND_ZERO;
}

bool *ayf_dependence(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, size_t out_count, const ayf_id *outs,
                     ayf_id *limit) {
    *limit = 0;
    for (size_t i = 0; i < out_count; i++)
        if (outs[i] >= *limit) *limit = outs[i] + 1;
    for (size_t i = 0; i < wrt_count; i++)
        if (wrt[i] >= *limit) *limit = wrt[i] + 1;
    bool *need = ayf_alloc(g->ctx, *limit, sizeof *need),
         *reaches = ayf_alloc(g->ctx, *limit, sizeof *reaches);
    bool *cut = ayf_alloc(g->ctx, *limit, sizeof *cut);
    if (!need || !reaches || !cut) {
        g->status = AYF_E_MEMORY;
        ayf_free(g->ctx, need);
        need = NULL;
        goto done;
    }
    for (size_t i = 0; i < wrt_count; i++) need[wrt[i]] = cut[wrt[i]] = true;
    for (ayf_id id = 1; id < *limit; id++) {
        const ayf_node *n = ayf_at(g, id);
        if (cut[id] || !passes_derivatives(n)) continue;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) need[id] |= need[n->in[k]];
    }
    for (size_t i = 0; i < out_count; i++) reaches[outs[i]] = true;
    for (ayf_id id = *limit; id-- > 1;) {
        const ayf_node *n = ayf_at(g, id);
        need[id] = need[id] && reaches[id];
        if (!reaches[id] || cut[id] || !passes_derivatives(n)) continue;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) reaches[n->in[k]] = true;
    }
done:
    ayf_free(g->ctx, reaches);
    ayf_free(g->ctx, cut);
    return need;
}
