/* Which stored tensors are bfloat16. The decision is made for the fused schedule and belongs to the node: its
 * value is rounded once, when it is computed, and every reader sees the rounded one. A backend that stores
 * other nodes takes the same decision, so that it rounds at the same places.
 *
 * Bfloat16 are
 *   - values per sample with at least AYF_PRECISION_CHANNELS elements along their last axis and more than one
 *     place per sample: activations, their tangents and cotangents, attention's scores and weights;
 *   - what products multiply them with: normalised weights.
 * Everything else is AYF_F32: leaves, outputs, updates, sums and maxima, gradients of weights, embeddings (one
 * place per sample), images and velocities (few channels). Optimisers, losses, statistics and the arithmetic
 * of the tangent behind the output layer consist of such tensors. So do networks for points.
 * Where the device makes them so, the weight gradients of convolutions whose operands are bfloat16 are so too, unless they
 * are outputs or updates, or are summed over processes.
 */
#ifndef AYF_PASS_PRECISION_H
#define AYF_PASS_PRECISION_H

#include "pass/steps.h"

enum { AYF_PRECISION_CHANNELS = 16 };

/* Gives the inputs and outputs of every step of `schedule` their elements. `fused` is the fused schedule of
 * the same graph and may be `schedule` itself. `narrow_weight_gradients`: see above. */
ayf_status ayf_precision_lower(const ayf_graph *g, const ayf_schedule *fused, ayf_schedule *schedule,
                               bool narrow_weight_gradients);

#endif
