/* For ir/ alone: the nodes of a graph below its rules. */
#ifndef AYF_INTERN_H
#define AYF_INTERN_H

#include "ir/ir.h"

/* The node that equals `key`, or a new one. Checks and folds nothing. 0: no memory, recorded in the graph. */
ayf_id ayf_intern(ayf_graph *g, const ayf_node *key);

/* "32x16x16x64" */
void ayf_shape_text(const ayf_node *n, char *text, size_t size);

#endif
