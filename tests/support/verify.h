/* A graph checked from outside: ayf_emit() checks what it is given, this what is there. */
#ifndef AYF_TEST_VERIFY_H
#define AYF_TEST_VERIFY_H

#include "ir/rules_shape.h"

/* AYF_E_INTERNAL naming the first node that breaks a rule of its op, or the first failure of a builder. */
static inline ayf_status test_verify(const ayf_graph *g) {
    AYF_TRY(ayf_graph_check(g));
    for (ayf_id id = 1; id < g->count; id++) {
        const ayf_node *n = ayf_at(g, id);
        const char *why = ayf_broken_rule(g, n);
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

#endif
