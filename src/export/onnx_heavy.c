#include "export/onnx_heavy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/conv.h"

static const int channels_first[] = {0, 3, 1, 2};

/* Where a node is written, and what goes in. */
typedef struct site {
    ayf_onnx *f;
    const ayf_onnx_batch *batch;
    const ayf_graph *g;
    const ayf_node *n;
} site;

static ayf_onnx_value put(const site *at, ayf_onnx_value v, const char *op, const char *a, const char *b,
                          const char *c) {
    char out[AYF_ONNX_NAME];
    ayf_onnx_fresh(at->f, op, out);
    ayf_onnx_node(at->f, op, out, a, b, c);
    snprintf(v.name, sizeof v.name, "%s", out);
    return v;
}

/* The node's own axes, images channels-first. */
static ayf_onnx_value image(const site *at) {
    ayf_onnx_value v = ayf_value_of(at->batch, at->n, "");
    memcpy(v.order, channels_first, sizeof channels_first);
    return v;
}

static ayf_onnx_value convolution(const site *at, ayf_onnx_value x, ayf_onnx_value w) {
    const ayf_node *in = ayf_at(at->g, at->n->in[0]), *weight = ayf_at(at->g, at->n->in[1]);
    if (at->n->op != AYF_OP_CONV_FPROP || !w.folded) {
        ayf_onnx_fail(at->f, "a convolution without fixed weights");
        return x;
    }
    ayf_conv_shape s = ayf_conv_of(at->g, at->n);
    ayf_value_whole(at->f, at->batch, &x, in, channels_first);
    ayf_value_whole(at->f, at->batch, &w, weight, channels_first);
    ayf_onnx_ints(at->f, "kernel_shape", (const int64_t[]){s.w[1], s.w[2]}, 2);
    ayf_onnx_ints(at->f, "strides", (const int64_t[]){s.stride, s.stride}, 2);
    ayf_onnx_ints(at->f, "pads", (const int64_t[]){s.pad_top, s.pad_left, s.pad_bottom, s.pad_right}, 4);
    return put(at, image(at), "Conv", x.name, w.name, NULL);
}

/* ---- Resampling ---- */

/* Two equal taps that halve or double: the mean of 2 x 2 pixels, or each pixel 2 x 2 times. */
static bool is_box(const ayf_node *n, const ayf_filter *filter, bool up) {
    bool halves = n->attr[0] == 1 && n->attr[1] == 2, doubles = n->attr[0] == 2 && n->attr[1] == 1;
    float tap = up ? 1 : 0.5f;
    return filter->taps == 2 && filter->tap[0] == tap && filter->tap[1] == tap && (up ? doubles : halves) &&
           n->attr[2] == (up ? 1 : 0);
}

static ayf_onnx_value box(const site *at, const ayf_onnx_value *x, bool up) {
    if (!up) {
        ayf_onnx_ints(at->f, "kernel_shape", (const int64_t[]){2, 2}, 2);
        ayf_onnx_ints(at->f, "strides", (const int64_t[]){2, 2}, 2);
        return put(at, image(at), "AveragePool", x->name, NULL, NULL);
    }
    ayf_onnx_weight(at->f, "scales_double", (const int64_t[]){4}, 1, (const float[]){1, 1, 2, 2});
    ayf_onnx_string(at->f, "mode", "nearest");
    ayf_onnx_string(at->f, "coordinate_transformation_mode", "asymmetric");
    ayf_onnx_string(at->f, "nearest_mode", "floor");
    return put(at, image(at), "Resize", x->name, "", "scales_double");
}

/* A filter per channel, as a convolution or, upwards, as the transpose of one. */
static ayf_onnx_value filtered(const site *at, const ayf_onnx_value *x, const ayf_filter *filter, bool up) {
    const ayf_node *n = at->n, *in = ayf_at(at->g, n->in[0]);
    int taps = filter->taps, channels = n->dim[3], factor = up ? n->attr[0] : n->attr[1];
    int64_t begin = up ? taps - 1 - n->attr[2] : n->attr[2], pads[4];
    for (int i = 0; i < 2; i++) {
        int64_t wide = in->dim[1 + i], out = n->dim[1 + i];
        pads[i] = begin;
        pads[2 + i] =
            up ? factor * (wide - 1) + taps - begin - out : (out - 1) * factor + taps - wide - begin;
        if (pads[i] < 0 || pads[2 + i] < 0) ayf_onnx_fail(at->f, "a resampling with a negative margin");
    }
    size_t window = (size_t)(taps * taps);
    float *w = ayf_alloc(at->f->ctx, (size_t)channels * window, sizeof *w);
    if (!w) {
        at->f->status = AYF_E_MEMORY;
        return *x;
    }
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < taps; i++)
            for (int j = 0; j < taps; j++)
                w[(size_t)c * window + (size_t)(i * taps + j)] =
                    filter->tap[up ? taps - 1 - i : i] * filter->tap[up ? taps - 1 - j : j];
    char name[AYF_ONNX_NAME];
    snprintf(name, sizeof name, "filter_%d_%s_%d", n->attr[3], up ? "up" : "down", channels);
    ayf_onnx_weight(at->f, name, (const int64_t[]){channels, 1, taps, taps}, 4, w);
    ayf_free(at->f->ctx, w);
    ayf_onnx_ints(at->f, "strides", (const int64_t[]){factor, factor}, 2);
    ayf_onnx_ints(at->f, "pads", pads, 4);
    ayf_onnx_int(at->f, "group", channels);
    return put(at, image(at), up ? "ConvTranspose" : "Conv", x->name, name, NULL);
}

static ayf_onnx_value resampled(const site *at, ayf_onnx_value x) {
    const ayf_filter *filter = &at->g->filter[at->n->attr[3]];
    bool up = at->n->attr[0] > 1;
    ayf_value_whole(at->f, at->batch, &x, ayf_at(at->g, at->n->in[0]), channels_first);
    if (up && at->n->attr[1] > 1) ayf_onnx_fail(at->f, "a resampling both up and down");
    return is_box(at->n, filter, up) ? box(at, &x, up) : filtered(at, &x, filter, up);
}

/* ---- Matrix products ---- */

/* Pixels (N H W, C) that are stored channels-first: (N, C..., H, W...). */
static bool is_channels_first(const ayf_onnx_value *v, int rows, int columns) {
    if (rows < 2 || rows > 3 || columns < 1 || !v->axes[0].batch || v->order[0] != 0) return false;
    for (int i = 0; i < v->count; i++)
        if (v->axes[i].flat) return false;
    for (int j = 0; j < columns; j++)
        if (v->order[1 + j] != rows + j) return false;
    for (int j = 1; j < rows; j++)
        if (v->order[columns + j] != j) return false;
    return true;
}

/* x w^T as a convolution with a window of 1. */
static ayf_onnx_value window_of_one(const site *at, ayf_onnx_value x, ayf_onnx_value w, int rows) {
    ayf_node pixels = {.rank = (uint16_t)(rows + 1)};
    int order[AYF_ONNX_RANK] = {0, rows}, out = at->n->dim[1];
    for (int i = 0; i < rows; i++) {
        const ayf_axis *a = &x.axes[i];
        pixels.dim[i] = (int32_t)(a->batch ? a->size * at->batch->graph : a->size);
        if (i) order[1 + i] = i;
    }
    pixels.dim[rows] = ayf_at(at->g, at->n->in[0])->dim[1];
    ayf_value_whole(at->f, at->batch, &x, &pixels, order);
    ayf_node kernel = {.rank = (uint16_t)(rows + 1), .dim = {out, pixels.dim[rows], 1, 1}};
    for (int i = kernel.rank; i < AYF_MAX_RANK; i++) kernel.dim[i] = 0;
    ayf_onnx_value k = ayf_value_of(at->batch, &kernel, w.name);
    k.folded = w.folded;
    ayf_value_whole(at->f, at->batch, &k, &kernel, NULL);
    pixels.dim[rows] = out;
    ayf_onnx_value y = ayf_value_of(at->batch, &pixels, "");
    memcpy(y.order, order, sizeof order);
    return put(at, y, "Conv", x.name, k.name, NULL);
}

/* Rows times a matrix of weights. */
static ayf_onnx_value layer(const site *at, ayf_onnx_value x, ayf_onnx_value w) {
    const ayf_node *in = ayf_at(at->g, at->n->in[0]), *weight = ayf_at(at->g, at->n->in[1]);
    static const int straight[] = {0, 1}, turned[] = {1, 0};
    int first, rows, columns;
    ayf_value_group(at->batch, &x, in, 0, &first, &rows);
    ayf_value_group(at->batch, &x, in, 1, &first, &columns);
    if (at->n->attr[1] && !at->n->attr[0] && is_channels_first(&x, rows, columns))
        return window_of_one(at, x, w, rows);
    ayf_value_whole(at->f, at->batch, &x, in, at->n->attr[0] ? turned : straight);
    ayf_value_whole(at->f, at->batch, &w, weight, at->n->attr[1] ? turned : straight);
    return put(at, ayf_value_of(at->batch, at->n, ""), "MatMul", x.name, w.name, NULL);
}

/* One axis per axis of `n`, the last two in any order. True: they are stored the other way round. */
static bool matrices(const site *at, ayf_onnx_value *v, const ayf_node *n) {
    int straight[] = {0, 1, 2};
    ayf_value_whole(at->f, at->batch, v, n, NULL);
    const int *last = n->rank == 3 ? v->order + 1 : v->order;
    if (n->rank == 3 && v->order[0] != 0) ayf_value_whole(at->f, at->batch, v, n, straight);
    return last[0] > last[1];
}

/* A B, or (A B)^T = B^T A^T where that moves less data. */
static ayf_onnx_value product(const site *at, ayf_onnx_value a, ayf_onnx_value b) {
    const ayf_node *na = ayf_at(at->g, at->n->in[0]), *nb = ayf_at(at->g, at->n->in[1]);
    static const int orders[2][2][3] = {{{0, 1}, {1, 0}}, {{0, 1, 2}, {0, 2, 1}}};
    int batched = at->n->rank == 3;
    bool ta = matrices(at, &a, na) != (at->n->attr[0] != 0),
         tb = matrices(at, &b, nb) != (at->n->attr[1] != 0);
    bool turned = ta + tb > !ta + !tb || (ta != tb);
    /* Stored as the product wants them: op(A), or its transpose when `turned`. */
    ayf_value_whole(at->f, at->batch, &a, na, orders[batched][turned != (at->n->attr[0] != 0)]);
    ayf_value_whole(at->f, at->batch, &b, nb, orders[batched][turned != (at->n->attr[1] != 0)]);
    ayf_onnx_value out = ayf_value_of(at->batch, at->n, "");
    memcpy(out.order, orders[batched][turned], (size_t)at->n->rank * sizeof *out.order);
    return turned ? put(at, out, "MatMul", b.name, a.name, NULL)
                  : put(at, out, "MatMul", a.name, b.name, NULL);
}

ayf_onnx_value ayf_onnx_heavy(ayf_onnx *f, const ayf_onnx_batch *batch, const ayf_graph *g, ayf_id id,
                              ayf_onnx_value a, ayf_onnx_value b) {
    site at = {f, batch, g, ayf_at(g, id)};
    switch (ayf_op_table[at.n->op].class_) {
    case AYF_CLASS_CONV:
        return convolution(&at, a, b);
    case AYF_CLASS_RESAMPLE:
        return resampled(&at, a);
    default:
        break;
    }
    return b.folded && at.n->rank == 2 ? layer(&at, a, b) : product(&at, a, b);
}
