/* What a primitive supplies about its derivative; see rules.c. */
#ifndef AYF_RULES_H
#define AYF_RULES_H

#include "ir/ir.h"

typedef struct ayf_rule {
    /* EW: d node / d input k as a node of the same shape. */
    ayf_id (*partial)(ayf_graph *g, ayf_id node, int k);
    /* LIN and TRI: what the cotangent of the node contributes to input k. */
    ayf_id (*transpose)(ayf_graph *g, ayf_id node, int k, ayf_id cotangent);
} ayf_rule;

extern const ayf_rule ayf_rules[AYF_OP_COUNT];

#endif
