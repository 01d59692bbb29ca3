#include "ad/ad.h"
#include "ad/dependence.h"
#include "ad/rules.h"
#include "ir/build.h"

/* The same op on other inputs of the same shapes. */
static ayf_id rewire(ayf_graph *g, ayf_id node, ayf_id a, ayf_id b) {
    ayf_node n = *ayf_at(g, node);
    n.in[0] = a;
    n.in[1] = b;
    return ayf_emit(g, &n);
}

static ayf_id plus(ayf_graph *g, ayf_id a, ayf_id b) { return !a ? b : !b ? a : ayf_add(g, a, b); }

static ayf_id node_tangent(ayf_graph *g, ayf_id id, const ayf_id *tangent) {
    ayf_node n = *ayf_at(g, id);
    const ayf_op_info *info = &ayf_op_table[n.op];
    ayf_id t[AYF_MAX_INPUTS] = {0}, sum = 0;
    bool any = false;
    for (int k = 0; k < info->inputs; k++) {
        t[k] = tangent[n.in[k]];
        any = any || t[k];
    }
    if (!any) return 0;
    switch (info->kind) {
    case AYF_KIND_EW:
        for (int k = 0; k < info->inputs; k++)
            if (t[k]) sum = plus(g, sum, ayf_mul(g, t[k], ayf_rules[n.op].partial(g, id, k)));
        return sum;
    case AYF_KIND_LIN:
        for (int k = 0; k < info->inputs; k++)
            if (!t[k]) t[k] = ayf_const_like(g, n.in[k], 0);
        return rewire(g, id, t[0], t[1]);
    case AYF_KIND_TRI:
        if (t[0]) sum = rewire(g, id, t[0], n.in[1]);
        if (t[1]) sum = plus(g, sum, rewire(g, id, n.in[0], t[1]));
        return sum;
    case AYF_KIND_LEAF:
    case AYF_KIND_ZERO:
        break;
    }
    return 0;
}

void ayf_jvp(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, const ayf_id *tangents, size_t out_count,
             const ayf_id *outs, ayf_id *out_tangents) {
    for (size_t i = 0; i < out_count; i++) out_tangents[i] = 0;
    if (g->status != AYF_OK) return;
    ayf_id limit;
    bool *need = ayf_dependence(g, wrt_count, wrt, out_count, outs, &limit);
    ayf_id *tangent = ayf_alloc(g->ctx, limit, sizeof *tangent);
    bool *given = ayf_alloc(g->ctx, limit, sizeof *given);
    if (need && tangent && given) {
        for (size_t i = 0; i < wrt_count; i++) {
            given[wrt[i]] = true;
            tangent[wrt[i]] = tangents[i];
            if (tangents[i] && !ayf_same_shape(g, wrt[i], tangents[i]))
                ayf_graph_fail(g, AYF_E_INTERNAL, "jvp: tangent %zu has another shape than its variable", i);
        }
        for (ayf_id id = 1; id < limit && g->status == AYF_OK; id++)
            if (need[id] && !given[id]) tangent[id] = node_tangent(g, id, tangent);
        for (size_t i = 0; i < out_count; i++)
            out_tangents[i] = tangent[outs[i]] ? tangent[outs[i]] : ayf_const_like(g, outs[i], 0);
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, given);
    ayf_free(g->ctx, tangent);
    ayf_free(g->ctx, need);
}
