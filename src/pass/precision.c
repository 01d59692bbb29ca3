#include "pass/precision.h"

/* Does the value belong to samples? It does when it comes from an INPUT leaf of more than one number, until
 * the samples are summed up. */
static void mark_per_sample(const ayf_graph *g, bool *per_sample) {
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        const ayf_node *x = ayf_at(g, n->in[0]);
        bool any = n->op == AYF_OP_INPUT && g->leaf[n->attr[0]].storage == AYF_STORE_INPUT &&
                   ayf_node_elements(n) > 1;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) any |= per_sample[n->in[k]];
        bool summed = n->op == AYF_OP_CONV_WGRAD || (n->op == AYF_OP_SUM && n->dim[0] != x->dim[0]) ||
                      (n->op == AYF_OP_GEMM && n->rank == 2 && n->attr[0]);
        per_sample[id] = any && !summed;
    }
}

static bool is_product(const ayf_node *n) {
    ayf_class c = ayf_op_table[n->op].class_;
    return c == AYF_CLASS_CONV || c == AYF_CLASS_GEMM;
}

/* Many channels at more than one place of a sample. */
static bool is_wide(const ayf_node *n) {
    int32_t places = 1;
    for (int i = 1; i + 1 < n->rank; i++) places *= n->dim[i];
    return places > 1 && n->dim[n->rank - 1] >= AYF_PRECISION_CHANNELS;
}

/* Stored tensors that belong to samples and are wide, whatever the shape in which they were computed, and what
 * products multiply them with. */
static void mark_candidates(const ayf_graph *g, const bool *live, const bool *per_sample, bool *candidate) {
    for (ayf_id id = 1; id < g->count; id++)
        if (live[id] && per_sample[id] && is_wide(ayf_at(g, id))) candidate[ayf_stored_as(g, id)] = true;
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        for (int k = 0; live[id] && is_product(n) && k < 2; k++) {
            ayf_id weight = n->in[k], other = n->in[1 - k];
            bool matches = !per_sample[weight] && per_sample[other] && candidate[ayf_stored_as(g, other)];
            const ayf_node *w = ayf_at(g, weight);
            if (matches && w->dim[w->rank - 1] >= AYF_PRECISION_CHANNELS)
                candidate[ayf_stored_as(g, weight)] = true;
        }
    }
}

static void unmark_sums(const ayf_graph *g, bool *candidate) {
    for (ayf_id id = 1; id < g->count; id++) {
        ayf_op op = (ayf_op)ayf_at(g, id)->op;
        if (op == AYF_OP_CONV_WGRAD || ayf_op_table[op].class_ == AYF_CLASS_REDUCE) candidate[id] = false;
    }
}

/* Outputs, updates and what processes sum are AYF_F32, whatever computed them. */
static void unmark_kept(const ayf_graph *g, bool *candidate) {
    for (uint32_t i = 0; i < g->output_count; i++) candidate[ayf_stored_as(g, g->output[i].id)] = false;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) candidate[ayf_stored_as(g, g->leaf[i].update)] = false;
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        if (n->op == AYF_OP_ALLREDUCE) candidate[id] = candidate[ayf_stored_as(g, n->in[0])] = false;
    }
}

/* Those whose operands are bfloat16. */
static void mark_weight_gradients(const ayf_graph *g, bool *candidate) {
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        if (n->op == AYF_OP_CONV_WGRAD)
            candidate[id] = candidate[ayf_stored_as(g, n->in[0])] && candidate[ayf_stored_as(g, n->in[1])];
    }
    unmark_kept(g, candidate);
}

ayf_status ayf_precision_lower(const ayf_graph *g, const ayf_schedule *fused, ayf_schedule *schedule,
                               bool narrow_weight_gradients) {
    bool *live = ayf_alloc(g->ctx, g->count, sizeof *live);
    bool *per_sample = ayf_alloc(g->ctx, g->count, sizeof *per_sample);
    bool *candidate = ayf_alloc(g->ctx, g->count, sizeof *candidate);
    uint8_t *element = ayf_alloc(g->ctx, g->count, sizeof *element);
    if (live && per_sample && candidate && element) {
        ayf_mark_live(g, live);
        mark_per_sample(g, per_sample);
        mark_candidates(g, live, per_sample, candidate);
        unmark_sums(g, candidate);
        unmark_kept(g, candidate);
        if (narrow_weight_gradients) mark_weight_gradients(g, candidate);
        for (uint32_t i = 0; i < fused->count; i++)
            for (uint32_t k = 0; k < fused->step[i].out_count; k++)
                if (candidate[fused->step[i].out[k]]) element[fused->step[i].out[k]] = AYF_BF16;
        for (uint32_t i = 0; i < schedule->count; i++) {
            ayf_step *step = &schedule->step[i];
            for (uint32_t k = 0; k < step->in_count; k++) step->element[k] = element[step->in[k]];
            for (uint32_t k = 0; k < step->out_count; k++)
                step->element[step->in_count + k] = element[step->out[k]];
        }
    }
    ayf_status status = live && per_sample && candidate && element ? AYF_OK : AYF_E_MEMORY;
    ayf_free(g->ctx, live);
    ayf_free(g->ctx, per_sample);
    ayf_free(g->ctx, candidate);
    ayf_free(g->ctx, element);
    return status;
}
