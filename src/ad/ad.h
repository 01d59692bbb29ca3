/* Derivatives of graphs. Both transforms emit ordinary primitives into the same graph, so they compose to
 * any order: the gradient of a gradient penalty is a vjp of a vjp, a Hessian-vector product a jvp of a vjp.
 * Differentiate first, compile afterwards.
 *
 * `wrt` are the nodes that count as independent variables (leaves or interior nodes; an interior node is cut
 * off from what it was computed from). STOP and the other ZERO ops pass nothing on. Failures are sticky in
 * the graph: check with ayf_graph_check().
 */
#ifndef AYF_AD_H
#define AYF_AD_H

#include "ir/ir.h"

/* Tangents of `outs` for tangents `tangents` of `wrt` (same shapes; id 0 = zero tangent):
 * out_tangents[i] = sum_k d outs[i] / d wrt[k] * tangents[k]. An output that does not depend on any
 * wrt with a tangent gets a zero constant. */
void ayf_jvp(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, const ayf_id *tangents, size_t out_count,
             const ayf_id *outs, ayf_id *out_tangents);

/* Cotangents of `wrt` for cotangents `cotangents` of `outs` (same shapes; id 0 = zero):
 * grads[k] = sum_i cotangents[i] * d outs[i] / d wrt[k]. No dependence gives a zero constant. */
void ayf_vjp(ayf_graph *g, size_t out_count, const ayf_id *outs, const ayf_id *cotangents, size_t wrt_count,
             const ayf_id *wrt, ayf_id *grads);

#endif
