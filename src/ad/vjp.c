#include "ad/ad.h"
#include "ad/dependence.h"
#include "ad/rules.h"
#include "ir/build.h"

static void accumulate(ayf_graph *g, ayf_id *cotangent, ayf_id id, ayf_id more) {
    if (more) cotangent[id] = cotangent[id] ? ayf_add(g, cotangent[id], more) : more;
}

static void send_back(ayf_graph *g, ayf_id id, const bool *need, ayf_id *cotangent) {
    ayf_node n = *ayf_at(g, id);
    const ayf_op_info *info = &ayf_op_table[n.op];
    for (int k = 0; k < info->inputs; k++) {
        if (!need[n.in[k]]) continue;
        if (info->kind == AYF_KIND_EW)
            accumulate(g, cotangent, n.in[k], ayf_mul(g, cotangent[id], ayf_rules[n.op].partial(g, id, k)));
        else if (info->kind == AYF_KIND_LIN || info->kind == AYF_KIND_TRI)
            accumulate(g, cotangent, n.in[k], ayf_rules[n.op].transpose(g, id, k, cotangent[id]));
    }
}

void ayf_vjp(ayf_graph *g, size_t out_count, const ayf_id *outs, const ayf_id *cotangents, size_t wrt_count,
             const ayf_id *wrt, ayf_id *grads) {
    for (size_t k = 0; k < wrt_count; k++) grads[k] = 0;
    if (g->status != AYF_OK) return;
    ayf_id limit;
    bool *need = ayf_dependence(g, wrt_count, wrt, out_count, outs, &limit);
    ayf_id *cotangent = ayf_alloc(g->ctx, limit, sizeof *cotangent);
    bool *is_wrt = ayf_alloc(g->ctx, limit, sizeof *is_wrt);
    if (need && cotangent && is_wrt) {
        for (size_t k = 0; k < wrt_count; k++) is_wrt[wrt[k]] = true;
        for (size_t i = 0; i < out_count; i++) {
            if (cotangents[i] && !ayf_same_shape(g, outs[i], cotangents[i]))
                ayf_graph_fail(g, AYF_E_INTERNAL, "vjp: cotangent %zu has another shape than its output", i);
            accumulate(g, cotangent, outs[i], cotangents[i]);
        }
        for (ayf_id id = limit; id-- > 1 && g->status == AYF_OK;)
            if (need[id] && cotangent[id] && !is_wrt[id]) send_back(g, id, need, cotangent);
        for (size_t k = 0; k < wrt_count; k++)
            grads[k] = cotangent[wrt[k]] ? cotangent[wrt[k]] : ayf_const_like(g, wrt[k], 0);
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, is_wrt);
    ayf_free(g->ctx, cotangent);
    ayf_free(g->ctx, need);
}
