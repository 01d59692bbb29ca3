#include "pass/precision.h"

/* Does the value belong to samples? It does when it comes from an INPUT leaf of more than one number, until the
 * samples are summed up. */
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

/* Results that are AYF_F32 whatever their shape. */
static void mark_kept(const ayf_graph *g, bool *kept) {
    for (uint32_t i = 0; i < g->output_count; i++) kept[ayf_stored_as(g, g->output[i].id)] = true;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) kept[ayf_stored_as(g, g->leaf[i].update)] = true;
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        bool small = n->rank < 3 || n->dim[n->rank - 1] < AYF_PRECISION_CHANNELS;
        if (small || n->op == AYF_OP_CONV_WGRAD || ayf_op_table[n->op].class_ == AYF_CLASS_REDUCE)
            kept[id] = true;
    }
}

ayf_status ayf_precision_lower(const ayf_graph *g, const ayf_schedule *fused, ayf_schedule *schedule) {
    bool *per_sample = ayf_alloc(g->ctx, g->count, sizeof *per_sample);
    bool *kept = ayf_alloc(g->ctx, g->count, sizeof *kept);
    uint8_t *element = ayf_alloc(g->ctx, g->count, sizeof *element);
    if (per_sample && kept && element) {
        bool *operand = per_sample; /* values per sample and operands of products: one mark for both */
        mark_per_sample(g, per_sample);
        mark_kept(g, kept);
        for (uint32_t i = 0; i < fused->count; i++)
            for (uint32_t k = 0; fused->step[i].node && k < fused->step[i].in_count; k++)
                if (is_product(ayf_at(g, fused->step[i].node))) operand[fused->step[i].in[k]] = true;
        for (uint32_t i = 0; i < fused->count; i++)
            for (uint32_t k = 0; k < fused->step[i].out_count; k++) {
                ayf_id id = fused->step[i].out[k];
                if (operand[id] && !kept[id]) element[id] = AYF_BF16;
            }
        for (uint32_t i = 0; i < schedule->count; i++) {
            ayf_step *step = &schedule->step[i];
            for (uint32_t k = 0; k < step->in_count; k++) step->element[k] = element[step->in[k]];
            for (uint32_t k = 0; k < step->out_count; k++)
                step->element[step->in_count + k] = element[step->out[k]];
        }
    }
    ayf_status status = per_sample && kept && element ? AYF_OK : AYF_E_MEMORY;
    ayf_free(g->ctx, per_sample);
    ayf_free(g->ctx, kept);
    ayf_free(g->ctx, element);
    return status;
}
