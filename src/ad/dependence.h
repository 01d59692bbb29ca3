/* Which nodes lie on a path from `wrt` to `outs`. */
#ifndef AYF_DEPENDENCE_H
#define AYF_DEPENDENCE_H

#include "ir/ir.h"

/* need[id] for ids below `limit` (the largest out + 1). Leaves `need` NULL and the graph failed when there is
 * no memory. Freed with ayf_free(). */
bool *ayf_dependence(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, size_t out_count, const ayf_id *outs,
                     ayf_id *limit);

#endif
