#include "flow/gradients.h"

#include "ad/ad.h"

void ayf_gradients(ayf_graph *g, const ayf_params *params, const char *scope, ayf_id out, ayf_id cotangent,
                   ayf_id *grad) {
    if (ayf_graph_check(g) != AYF_OK) return;
    size_t count = 0, most = (size_t)params->count;
    ayf_id *wrt = ayf_alloc(g->ctx, most, sizeof *wrt), *found = ayf_alloc(g->ctx, most, sizeof *found);
    if (wrt && found) {
        ayf_scope(g, "%s", scope);
        for (int i = 0; i < params->count; i++)
            if (params->at[i].role != AYF_PARAM_BUFFER)
                wrt[count++] = ayf_param_leaf(g, &params->at[i], AYF_STORE_STATE);
        ayf_scope(g, "%s", "");
        ayf_vjp(g, 1, &out, &cotangent, count, wrt, found);
        count = 0;
        for (int i = 0; i < params->count; i++)
            grad[i] = params->at[i].role == AYF_PARAM_BUFFER ? 0 : found[count++];
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, wrt);
    ayf_free(g->ctx, found);
}
