#include "ir/build.h"

#include <string.h>

static ayf_node blank(ayf_op op, ayf_shape shape, ayf_id a, ayf_id b) {
    ayf_node n;
    memset(&n, 0, sizeof n);
    n.op = (uint16_t)op;
    n.rank = (uint16_t)shape.rank;
    for (int i = 0; i < shape.rank && i < AYF_MAX_RANK; i++) n.dim[i] = shape.dim[i];
    n.in[0] = a;
    n.in[1] = b;
    return n;
}

static ayf_id emit(ayf_graph *g, ayf_op op, ayf_shape shape, ayf_id a, ayf_id b) {
    ayf_node n = blank(op, shape, a, b);
    return ayf_emit(g, &n);
}

/* ---- Constants and broadcasting ---- */

ayf_id ayf_full(ayf_graph *g, ayf_shape shape, double value) {
    ayf_node n = blank(AYF_OP_CONST, shape, 0, 0);
    n.value = value;
    return ayf_emit(g, &n);
}

ayf_id ayf_const(ayf_graph *g, double value) { return ayf_full(g, AYF_SHAPE(1), value); }

ayf_id ayf_const_like(ayf_graph *g, ayf_id like, double value) {
    return like ? ayf_full(g, ayf_shape_of(g, like), value) : 0;
}

ayf_id ayf_reshape(ayf_graph *g, ayf_id a, ayf_shape shape) {
    return a ? emit(g, AYF_OP_RESHAPE, shape, a, 0) : 0;
}

ayf_id ayf_broadcast(ayf_graph *g, ayf_id a, ayf_shape shape) {
    if (!a) return 0;
    ayf_shape own = ayf_shape_of(g, a);
    if (own.rank < shape.rank) {
        ayf_shape aligned = {.rank = shape.rank};
        for (int i = 0; i < shape.rank; i++)
            aligned.dim[i] = i < shape.rank - own.rank ? 1 : own.dim[i - (shape.rank - own.rank)];
        a = ayf_reshape(g, a, aligned);
    }
    return a ? emit(g, AYF_OP_BROADCAST, shape, a, 0) : 0;
}

ayf_id ayf_binary(ayf_graph *g, ayf_op op, ayf_id a, ayf_id b) {
    if (!a || !b) return 0;
    if (!ayf_same_shape(g, a, b)) {
        ayf_shape sa = ayf_shape_of(g, a), sb = ayf_shape_of(g, b);
        ayf_shape out = sa.rank >= sb.rank ? sa : sb;
        for (int i = 1; i <= out.rank; i++) {
            int da = i <= sa.rank ? sa.dim[sa.rank - i] : 1, db = i <= sb.rank ? sb.dim[sb.rank - i] : 1;
            out.dim[out.rank - i] = da == 1 ? db : da;
        }
        a = ayf_broadcast(g, a, out);
        b = ayf_broadcast(g, b, out);
        if (!a || !b) return 0;
    }
    return emit(g, op, ayf_shape_of(g, a), a, b);
}

ayf_id ayf_unary(ayf_graph *g, ayf_op op, ayf_id a) { return a ? emit(g, op, ayf_shape_of(g, a), a, 0) : 0; }

/* ---- Pointwise ---- */

ayf_id ayf_addc(ayf_graph *g, ayf_id a, double c) { return ayf_add(g, a, ayf_const_like(g, a, c)); }
ayf_id ayf_mulc(ayf_graph *g, ayf_id a, double c) { return ayf_mul(g, a, ayf_const_like(g, a, c)); }
ayf_id ayf_square(ayf_graph *g, ayf_id a) { return ayf_mul(g, a, a); }
ayf_id ayf_silu(ayf_graph *g, ayf_id a) { return ayf_mul(g, a, ayf_sigmoid(g, a)); }
ayf_id ayf_leaky_relu(ayf_graph *g, ayf_id a, double slope) { return ayf_max(g, a, ayf_mulc(g, a, slope)); }

ayf_id ayf_clamp(ayf_graph *g, ayf_id a, double low, double high) {
    return ayf_min(g, ayf_max(g, a, ayf_const_like(g, a, low)), ayf_const_like(g, a, high));
}

/* ---- Reductions ---- */

static ayf_id reduce(ayf_graph *g, ayf_op op, ayf_id a, unsigned axes) {
    if (!a) return 0;
    ayf_shape shape = ayf_shape_of(g, a);
    for (int i = 0; i < shape.rank; i++)
        if (axes & AYF_AXIS(i)) shape.dim[i] = 1;
    return emit(g, op, shape, a, 0);
}

ayf_id ayf_sum(ayf_graph *g, ayf_id a, unsigned axes) { return reduce(g, AYF_OP_SUM, a, axes); }
ayf_id ayf_rowmax(ayf_graph *g, ayf_id a, unsigned axes) { return reduce(g, AYF_OP_ROWMAX, a, axes); }

ayf_id ayf_mean(ayf_graph *g, ayf_id a, unsigned axes) {
    ayf_id s = ayf_sum(g, a, axes);
    return s ? ayf_mulc(g, s, (double)ayf_elements(g, s) / (double)ayf_elements(g, a)) : 0;
}

ayf_id ayf_sum_all(ayf_graph *g, ayf_id a) { return ayf_reshape(g, ayf_sum(g, a, ~0u), AYF_SHAPE(1)); }

ayf_id ayf_mean_all(ayf_graph *g, ayf_id a) {
    return a ? ayf_mulc(g, ayf_sum_all(g, a), 1.0 / (double)ayf_elements(g, a)) : 0;
}

ayf_id ayf_softmax(ayf_graph *g, ayf_id a) {
    if (!a) return 0;
    unsigned last = AYF_AXIS(ayf_at(g, a)->rank - 1);
    ayf_id e = ayf_exp(g, ayf_sub(g, a, ayf_rowmax(g, a, last)));
    return ayf_div(g, e, ayf_sum(g, e, last));
}

/* ---- Moving data ---- */

ayf_id ayf_permute(ayf_graph *g, ayf_id a, const int *axes) {
    if (!a) return 0;
    ayf_shape own = ayf_shape_of(g, a);
    ayf_node n = blank(AYF_OP_PERMUTE, own, a, 0);
    for (int i = 0; i < own.rank; i++) {
        n.attr[i] = axes[i];
        if (axes[i] >= 0 && axes[i] < own.rank) n.dim[i] = own.dim[axes[i]];
    }
    return ayf_emit(g, &n);
}

ayf_id ayf_slice(ayf_graph *g, ayf_id a, int axis, int start, int size) {
    if (!a) return 0;
    ayf_node n = blank(AYF_OP_SLICE, ayf_shape_of(g, a), a, 0);
    if (axis < 0 || axis >= n.rank) return ayf_graph_fail(g, AYF_E_INTERNAL, "slice: no axis %d", axis);
    n.attr[axis] = start;
    n.dim[axis] = size;
    return ayf_emit(g, &n);
}

ayf_id ayf_pad(ayf_graph *g, ayf_id a, int axis, int before, int after) {
    if (!a) return 0;
    ayf_node n = blank(AYF_OP_PAD, ayf_shape_of(g, a), a, 0);
    if (axis < 0 || axis >= n.rank) return ayf_graph_fail(g, AYF_E_INTERNAL, "pad: no axis %d", axis);
    n.attr[axis] = before;
    n.dim[axis] += before + after;
    return ayf_emit(g, &n);
}

ayf_id ayf_concat(ayf_graph *g, ayf_id a, ayf_id b, int axis) {
    if (!a || !b) return 0;
    ayf_node n = blank(AYF_OP_CONCAT, ayf_shape_of(g, a), a, b);
    if (axis < 0 || axis >= n.rank) return ayf_graph_fail(g, AYF_E_INTERNAL, "concat: no axis %d", axis);
    n.attr[0] = axis;
    n.dim[axis] += ayf_at(g, b)->dim[axis];
    return ayf_emit(g, &n);
}

static int filter_index(ayf_graph *g, const ayf_filter *filter) {
    for (uint32_t i = 0; i < g->filter_count; i++)
        if (memcmp(&g->filter[i], filter, sizeof *filter) == 0) return (int)i;
    g->status = ayf_reserve(g->ctx, &g->filter, g->filter_count, &g->filter_capacity, sizeof *filter);
    if (g->status != AYF_OK) return -1;
    g->filter[g->filter_count] = *filter;
    return (int)g->filter_count++;
}

ayf_id ayf_upfirdn(ayf_graph *g, ayf_id a, int up, int down, int pad, int height, int width,
                   const ayf_filter *filter) {
    if (!a || g->status != AYF_OK) return 0;
    if (filter->taps < 1 || filter->taps > AYF_MAX_TAPS)
        return ayf_graph_fail(g, AYF_E_INTERNAL, "a resampling filter has 1 to %d taps", AYF_MAX_TAPS);
    ayf_filter clean;
    memset(&clean, 0, sizeof clean);
    clean.taps = filter->taps;
    for (int i = 0; i < clean.taps; i++) clean.tap[i] = filter->tap[i];
    ayf_node n = blank(AYF_OP_UPFIRDN, ayf_shape_of(g, a), a, 0);
    n.dim[1] = height;
    n.dim[2] = width;
    n.attr[0] = up;
    n.attr[1] = down;
    n.attr[2] = pad;
    n.attr[3] = filter_index(g, &clean);
    return n.attr[3] < 0 ? 0 : ayf_emit(g, &n);
}

/* ---- Processes ---- */

ayf_id ayf_allreduce(ayf_graph *g, ayf_id a, int ranks) {
    if (!a || ranks <= 1) return a;
    ayf_node n = blank(AYF_OP_ALLREDUCE, ayf_shape_of(g, a), a, 0);
    n.attr[0] = ranks;
    return ayf_emit(g, &n);
}

/* ---- Heavy ---- */

ayf_id ayf_conv(ayf_graph *g, ayf_id x, ayf_id w, int stride, int pad) {
    if (!x || !w) return 0;
    ayf_shape sx = ayf_shape_of(g, x), sw = ayf_shape_of(g, w);
    ayf_node n = blank(AYF_OP_CONV_FPROP, sx, x, w);
    for (int i = 1; i <= 2 && stride > 0; i++) n.dim[i] = (sx.dim[i] + 2 * pad - sw.dim[i]) / stride + 1;
    n.dim[3] = sw.dim[0];
    n.attr[0] = stride;
    n.attr[1] = pad;
    return ayf_emit(g, &n);
}

ayf_id ayf_gemm(ayf_graph *g, ayf_id a, ayf_id b, bool transpose_a, bool transpose_b) {
    if (!a || !b) return 0;
    ayf_shape sa = ayf_shape_of(g, a), sb = ayf_shape_of(g, b);
    if (sa.rank < 2 || sa.rank > 3 || sb.rank != sa.rank)
        return ayf_graph_fail(g, AYF_E_INTERNAL, "gemm expects two matrices or two batches of matrices");
    ayf_node n = blank(AYF_OP_GEMM, sa, a, b);
    n.dim[sa.rank - 2] = sa.dim[sa.rank - 2 + transpose_a];
    n.dim[sa.rank - 1] = sb.dim[sa.rank - 1 - transpose_b];
    n.attr[0] = transpose_a;
    n.attr[1] = transpose_b;
    return ayf_emit(g, &n);
}
