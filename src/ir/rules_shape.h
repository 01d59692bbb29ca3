/* What the ops demand of their shapes; see rules_shape.c. */
#ifndef AYF_RULES_SHAPE_H
#define AYF_RULES_SHAPE_H

#include "ir/ir.h"

extern const char ayf_rule_size[]; /* what ayf_broken_rule() gives for a tensor that is too large */

/* The rule of its op that `n`, in the graph or not yet, breaks; NULL: none. */
const char *ayf_broken_rule(const ayf_graph *g, const ayf_node *n);

#endif
