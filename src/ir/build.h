/* Builders: how models and losses are written. Arguments broadcast as in NumPy (right-aligned; size 1
 * stretches). Layout of images is channels-last (N,H,W,C). Every builder returns 0 after a failure. */
#ifndef AYF_BUILD_H
#define AYF_BUILD_H

#include "ir/ir.h"

ayf_id ayf_const(ayf_graph *g, double value); /* shape (1) */
ayf_id ayf_const_like(ayf_graph *g, ayf_id like, double value);
ayf_id ayf_full(ayf_graph *g, ayf_shape shape, double value);

/* A pointwise op of ops.def. */
ayf_id ayf_unary(ayf_graph *g, ayf_op op, ayf_id a);
ayf_id ayf_binary(ayf_graph *g, ayf_op op, ayf_id a, ayf_id b);

/* Every pointwise op has a builder, which ops.def names: ayf_add(g, a, b), ayf_exp(g, a). */
#define AYF_BUILDER_1(NAME, name)                                                                            \
    static inline ayf_id ayf_##name(ayf_graph *g, ayf_id a) { return ayf_unary(g, AYF_OP_##NAME, a); }
#define AYF_BUILDER_2(NAME, name)                                                                            \
    static inline ayf_id ayf_##name(ayf_graph *g, ayf_id a, ayf_id b) {                                      \
        return ayf_binary(g, AYF_OP_##NAME, a, b);                                                           \
    }
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text) AYF_BUILDER_##inputs(NAME, name)
#include "ir/ops.def"
#undef AYF_BUILDER_1
#undef AYF_BUILDER_2

ayf_id ayf_addc(ayf_graph *g, ayf_id a, double c);
ayf_id ayf_mulc(ayf_graph *g, ayf_id a, double c);
ayf_id ayf_square(ayf_graph *g, ayf_id a);
ayf_id ayf_clamp(ayf_graph *g, ayf_id a, double low, double high);
ayf_id ayf_silu(ayf_graph *g, ayf_id a);                     /* a sigmoid(a) */
ayf_id ayf_leaky_relu(ayf_graph *g, ayf_id a, double slope); /* max(a, slope a), 0 < slope < 1 */

/* Axes as a bit mask: bit i = axis i. The reduced axes stay, with size 1. */
#define AYF_AXIS(i) (1u << (i))
ayf_id ayf_sum(ayf_graph *g, ayf_id a, unsigned axes);
ayf_id ayf_mean(ayf_graph *g, ayf_id a, unsigned axes);
ayf_id ayf_rowmax(ayf_graph *g, ayf_id a, unsigned axes); /* derivative zero: for shifts that cancel */
ayf_id ayf_sum_all(ayf_graph *g, ayf_id a);               /* shape (1) */
ayf_id ayf_mean_all(ayf_graph *g, ayf_id a);              /* shape (1) */
ayf_id ayf_softmax(ayf_graph *g, ayf_id a);               /* along the last axis */

ayf_id ayf_broadcast(ayf_graph *g, ayf_id a, ayf_shape shape);
ayf_id ayf_reshape(ayf_graph *g, ayf_id a, ayf_shape shape);
ayf_id ayf_permute(ayf_graph *g, ayf_id a, const int *axes); /* output axis i = input axis axes[i] */
ayf_id ayf_slice(ayf_graph *g, ayf_id a, int axis, int start, int size);
ayf_id ayf_pad(ayf_graph *g, ayf_id a, int axis, int before, int after); /* zeros */
ayf_id ayf_concat(ayf_graph *g, ayf_id a, ayf_id b, int axis);

/* (N,H,W,C), separable 1-D filter on H and W: insert up-1 zeros, pad, filter, keep every down-th.
 * out[o] = sum_k tap[k] up(in)[o*down + k - pad]; the output has `height` x `width` pixels. */
ayf_id ayf_upfirdn(ayf_graph *g, ayf_id a, int up, int down, int pad, int height, int width,
                   const ayf_filter *filter);

/* The sum of `a` over `ranks` processes, which all run this graph; `a` itself when there is one. */
ayf_id ayf_allreduce(ayf_graph *g, ayf_id a, int ranks);

/* x (N,H,W,C), w (O,K,K,C): cross-correlation with zero padding `pad` on all sides. */
ayf_id ayf_conv(ayf_graph *g, ayf_id x, ayf_id w, int stride, int pad);

/* Rank 2, or rank 3 with equal leading batch axis: op(a) op(b), op = transpose of the last two axes. */
ayf_id ayf_gemm(ayf_graph *g, ayf_id a, ayf_id b, bool transpose_a, bool transpose_b);

#endif
