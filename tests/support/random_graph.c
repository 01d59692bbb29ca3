#include "random_graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ad/ad.h"

enum { POOL = 160, SMALL_LIMIT = 3000, LARGE_LIMIT = 60000 /* elements */ };

typedef struct maker {
    ayf_graph *g;
    uint64_t state;
    ayf_id pool[POOL];
    bool exact[POOL]; /* computed without rounding */
    int count, leaves;
    bool large;  /* big tensors */
    bool wide;   /* at least 16 channels */
    bool smooth; /* no comparisons of computed values */
} maker;

static int pick_int(maker *m, int low, int high) { return test_int(&m->state, low, high); }
static bool chance(maker *m, int percent) { return pick_int(m, 1, 100) <= percent; }

static void keep(maker *m, ayf_id id, bool exact) {
    if (!id || m->count == POOL || ayf_elements(m->g, id) > (m->large ? LARGE_LIMIT : SMALL_LIMIT)) return;
    m->pool[m->count] = id;
    m->exact[m->count++] = exact;
}

static int pick(maker *m) { /* recent values more often: chains get long */
    if (chance(m, 50)) return pick_int(m, m->count > 4 ? m->count - 4 : 0, m->count - 1);
    return pick_int(m, 0, m->count - 1);
}

static ayf_id new_leaf(maker *m, ayf_shape shape) {
    char name[40];
    int kind = pick_int(m, 0, 3);
    snprintf(name, sizeof name, "leaf%d", m->leaves++);
    return ayf_leaf(m->g,
                    kind == 0   ? AYF_STORE_PARAM
                    : kind == 1 ? AYF_STORE_STATE
                                : AYF_STORE_INPUT,
                    name, shape);
}

static ayf_shape wide_shape(maker *m) {
    static const int channels[] = {16, 17, 24, 32};
    ayf_shape s = {.rank = pick_int(m, 3, 4)};
    for (int i = 0; i < s.rank - 1; i++) s.dim[i] = pick_int(m, 1, 4);
    s.dim[s.rank - 1] = channels[pick_int(m, 0, 3)];
    return s;
}

static ayf_shape random_shape(maker *m) {
    if (m->wide) return wide_shape(m);
    static const int sizes[] = {1, 1, 2, 3, 4, 5, 7, 16, 17};
    ayf_shape s = {.rank = pick_int(m, 1, chance(m, 20) ? 5 : 4)};
    int total = 1;
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] = sizes[pick_int(m, 0, s.rank > 2 ? 7 : 8)];
        if (total * s.dim[i] > 1000) s.dim[i] = 2;
        total *= s.dim[i];
    }
    static const int long_sizes[] = {64, 129, 640, 2049, 9001, 20000};
    int axis = pick_int(m, 0, s.rank - 1), size = long_sizes[pick_int(m, 0, 5)];
    if (m->large && total / s.dim[axis] * size <= LARGE_LIMIT) s.dim[axis] = size;
    return s;
}

/* ---- One builder call each ---- */

static void make_unary(maker *m) {
    ayf_graph *g = m->g;
    int i = pick(m);
    ayf_id a = m->pool[i];
    switch (pick_int(m, 0, 15)) {
    case 0:
        keep(m, ayf_neg(g, a), m->exact[i]);
        break;
    case 1:
        keep(m, ayf_exp(g, ayf_tanh(g, a)), false);
        break;
    case 2:
        keep(m, ayf_log(g, ayf_addc(g, ayf_softplus(g, a), 0.5)), false);
        break;
    case 3:
        keep(m, ayf_sqrt(g, ayf_addc(g, ayf_square(g, a), 0.25)), false);
        break;
    case 4:
        keep(m, ayf_sigmoid(g, a), false);
        break;
    case 5:
        keep(m, ayf_tanh(g, a), false);
        break;
    case 6:
        keep(m, ayf_sin(g, a), false);
        break;
    case 7:
        keep(m, ayf_cos(g, a), false);
        break;
    case 8:
        keep(m, ayf_softplus(g, a), false);
        break;
    case 9:
        keep(m, ayf_stop(g, a), m->exact[i]);
        break;
    case 10:
        keep(m, ayf_silu(g, a), false);
        break;
    case 11:
        keep(m, ayf_mulc(g, a, 0.37), false);
        break;
    case 12:
        keep(m, ayf_addc(g, a, -0.21), false);
        break;
    case 13:
        keep(m, ayf_silu(g, ayf_mulc(g, ayf_sin(g, ayf_mulc(g, a, 1.7)), 0.9)), false);
        break;
    case 14:
        if (m->exact[i] || !m->smooth) keep(m, ayf_clamp(g, a, -0.5, 0.625), m->exact[i]);
        break;
    default:
        if (m->exact[i] || !m->smooth) keep(m, ayf_leaky_relu(g, a, 0.25), m->exact[i]);
    }
}

/* Something to combine with `a`: of its shape, or broadcast to it from fewer axes. */
static ayf_id partner(maker *m, int i, bool *exact) {
    ayf_graph *g = m->g;
    ayf_id a = m->pool[i];
    int found[POOL], n = 0;
    *exact = true;
    for (int k = 0; k < m->count; k++)
        if (k != i && ayf_same_shape(g, m->pool[k], a)) found[n++] = k;
    if (n && chance(m, 60)) {
        int k = found[pick_int(m, 0, n - 1)];
        *exact = m->exact[k];
        return m->pool[k];
    }
    ayf_shape shape = ayf_shape_of(g, a);
    if (chance(m, 50)) { /* a reduction of a itself: the shape of norms */
        *exact = false;
        return ayf_mean(g, chance(m, 50) ? ayf_square(g, a) : a,
                        (unsigned)pick_int(m, 1, (1 << shape.rank) - 1));
    }
    if (chance(m, 40)) { /* fewer axes */
        int drop = pick_int(m, 0, shape.rank - 1);
        for (int k = 0; k + drop < shape.rank; k++) shape.dim[k] = shape.dim[k + drop];
        for (int k = shape.rank - drop; k < AYF_MAX_RANK; k++) shape.dim[k] = 0;
        shape.rank -= drop;
    }
    for (int k = 0; k < shape.rank; k++)
        if (chance(m, 40)) shape.dim[k] = 1;
    return new_leaf(m, shape);
}

static void make_binary(maker *m) {
    ayf_graph *g = m->g;
    bool exact;
    int i = pick(m);
    ayf_id a = m->pool[i], b = partner(m, i, &exact);
    exact = exact && m->exact[i];
    if (chance(m, 30)) {
        ayf_id other = a;
        a = b;
        b = other;
    }
    switch (pick_int(m, 0, exact ? 8 : 5)) {
    case 0:
    case 1:
        keep(m, ayf_add(g, a, b), false);
        break;
    case 2:
        keep(m, ayf_sub(g, a, b), false);
        break;
    case 3:
    case 4:
        keep(m, ayf_mul(g, a, ayf_tanh(g, b)), false);
        break;
    case 5:
        keep(m, ayf_div(g, a, ayf_addc(g, ayf_square(g, b), 0.5)), false);
        break;
    case 6:
        keep(m, ayf_max(g, a, b), true);
        break;
    case 7:
        keep(m, ayf_min(g, a, b), true);
        break;
    default:
        keep(m, ayf_gt(g, a, b), true);
    }
}

static void make_reduction(maker *m) {
    ayf_graph *g = m->g;
    int i = pick(m), rank = ayf_at(g, m->pool[i])->rank;
    ayf_id a = m->pool[i];
    unsigned all = (1u << rank) - 1, last = AYF_AXIS(rank - 1);
    unsigned axes = chance(m, 50) ? last : (unsigned)pick_int(m, 1, (int)all);
    if (chance(m, 25) && rank > 1) axes = last | AYF_AXIS(rank - 2);
    switch (pick_int(m, 0, 6)) {
    case 0:
    case 1:
        keep(m, ayf_mean(g, a, axes), false);
        break;
    case 2:
        keep(m, ayf_rowmax(g, a, axes), m->exact[i]);
        break;
    case 3:
        keep(m, ayf_softmax(g, ayf_mulc(g, a, 2)), false);
        break;
    case 4: /* norm */
        keep(m, ayf_div(g, a, ayf_sqrt(g, ayf_addc(g, ayf_mean(g, ayf_square(g, a), axes), 0.05))), false);
        break;
    case 5:
        keep(m, ayf_sub(g, a, ayf_mean(g, a, axes)), false);
        break;
    default:
        keep(m, ayf_mulc(g, ayf_sum(g, ayf_silu(g, a), axes), 0.2), false);
    }
}

static void make_view(maker *m) {
    ayf_graph *g = m->g;
    int i = pick(m), axes[AYF_MAX_RANK];
    ayf_id a = m->pool[i];
    ayf_shape s = ayf_shape_of(g, a);
    int axis = pick_int(m, 0, s.rank - 1), size = s.dim[axis];
    switch (pick_int(m, 0, 5)) {
    case 0: {
        int start = pick_int(m, 0, size - 1);
        keep(m, ayf_slice(g, a, axis, start, pick_int(m, 1, size - start)), m->exact[i]);
        break;
    }
    case 1:
        for (int k = 0; k < s.rank; k++) axes[k] = k;
        for (int k = s.rank; k-- > 1;) {
            int j = pick_int(m, 0, k), old = axes[k];
            axes[k] = axes[j];
            axes[j] = old;
        }
        keep(m, ayf_permute(g, a, axes), m->exact[i]);
        break;
    case 2:
        keep(m, ayf_pad(g, a, axis, pick_int(m, 0, 2), pick_int(m, 0, 2)), m->exact[i]);
        break;
    case 3: { /* merge two axes, split one, or add one */
        ayf_shape to = s;
        if (s.rank > 1 && chance(m, 50)) {
            int at = pick_int(m, 0, s.rank - 2);
            to.dim[at] *= s.dim[at + 1];
            for (int k = at + 1; k + 1 < s.rank; k++) to.dim[k] = s.dim[k + 1];
            to.dim[--to.rank] = 0;
        } else if (s.rank < AYF_MAX_RANK) {
            int factor = size % 2 == 0 ? 2 : size % 3 == 0 ? 3 : chance(m, 50) ? 1 : size;
            for (int k = s.rank; k > axis; k--) to.dim[k] = s.dim[k - 1];
            to.dim[axis] = factor;
            to.dim[axis + 1] = size / factor;
            to.rank++;
        }
        keep(m, ayf_reshape(g, a, to), m->exact[i]);
        break;
    }
    case 4: {
        ayf_id b = chance(m, 50) ? ayf_slice(g, a, axis, 0, 1) : 0;
        if (!b) {
            ayf_shape other = s;
            other.dim[axis] = pick_int(m, 1, 3);
            b = new_leaf(m, other);
        }
        keep(m, chance(m, 50) ? ayf_concat(g, a, b, axis) : ayf_concat(g, b, a, axis), m->exact[i]);
        break;
    }
    default:
        for (int k = 0; k < s.rank; k++)
            if (s.dim[k] == 1 && chance(m, 70)) s.dim[k] = pick_int(m, 2, 4);
        keep(m, ayf_broadcast(g, a, s), m->exact[i]);
    }
}

static void make_gemm(maker *m) {
    ayf_graph *g = m->g;
    ayf_id a = m->pool[pick(m)];
    ayf_shape s = ayf_shape_of(g, a);
    int last = s.dim[s.rank - 1], n = m->wide ? pick_int(m, 14, 20) : pick_int(m, 1, 9);
    bool ta = chance(m, 30), tb = chance(m, 50);
    ayf_shape w;
    if (last > 4000) return;
    if (s.rank == 3 && chance(m, 70)) {
        int inner = ta ? s.dim[1] : last;
        w = tb ? AYF_SHAPE(s.dim[0], n, inner) : AYF_SHAPE(s.dim[0], inner, n);
        last = inner;
    } else {
        int rows = (int)(ayf_elements(g, a) / (size_t)last);
        a = ayf_reshape(g, a, AYF_SHAPE(rows, last));
        if (ta) last = rows;
        w = tb ? AYF_SHAPE(n, last) : AYF_SHAPE(last, n);
    }
    keep(m, ayf_mulc(g, ayf_gemm(g, a, new_leaf(m, w), ta, tb), 1 / sqrt((double)last)), false);
}

static ayf_id image(maker *m) {
    for (int tries = 0; tries < 4; tries++) {
        ayf_id a = m->pool[pick(m)];
        if (ayf_at(m->g, a)->rank == 4) return a;
    }
    return new_leaf(m, AYF_SHAPE(pick_int(m, 1, 2), pick_int(m, 3, 6), pick_int(m, 3, 6), pick_int(m, 1, 9)));
}

static void make_conv(maker *m) {
    ayf_graph *g = m->g;
    ayf_id a = image(m);
    ayf_shape s = ayf_shape_of(g, a);
    int size = chance(m, 60) ? 3 : 1, stride = pick_int(m, 1, 2), pad = size / 2;
    if (s.dim[1] * s.dim[2] * s.dim[3] > 1000) return;
    int filters = m->wide ? pick_int(m, 14, 20) : pick_int(m, 1, 9);
    ayf_id w = new_leaf(m, AYF_SHAPE(filters, size, size, s.dim[3]));
    keep(m, ayf_mulc(g, ayf_conv(g, a, w, stride, pad), 1 / sqrt((double)(size * size * s.dim[3]))), false);
}

static void make_resampling(maker *m) {
    ayf_graph *g = m->g;
    ayf_id a = image(m);
    ayf_shape s = ayf_shape_of(g, a);
    const ayf_filter box = {2, {0.5f, 0.5f}}, smooth = {4, {0.125f, 0.375f, 0.375f, 0.125f}};
    const ayf_filter *f = chance(m, 50) ? &box : &smooth;
    if (chance(m, 50))
        keep(m, ayf_upfirdn(g, a, 1, 2, f->taps / 2 - 1, (s.dim[1] + 1) / 2, (s.dim[2] + 1) / 2, f), false);
    else
        keep(m, ayf_upfirdn(g, a, 2, 1, f->taps / 2, 2 * s.dim[1], 2 * s.dim[2], f), false);
}

/* ---- Whole graphs ---- */

static void grow(maker *m, int calls) {
    for (int i = 0; i < calls; i++) {
        int what = pick_int(m, 1, 100);
        if (what <= 6 || m->count == 0)
            keep(m, new_leaf(m, random_shape(m)), true);
        else if (what <= 10)
            keep(m, ayf_full(m->g, random_shape(m), (double)pick_int(m, -2, 2) / 2), true);
        else if (what <= 34)
            make_unary(m);
        else if (what <= 60)
            make_binary(m);
        else if (what <= 75)
            make_reduction(m);
        else if (what <= 90)
            make_view(m);
        else if (what <= 94)
            make_gemm(m);
        else if (what <= 98)
            make_conv(m);
        else
            make_resampling(m);
    }
}

static bool has_update(const maker *m, ayf_id id) {
    while (ayf_at(m->g, id)->op == AYF_OP_RESHAPE) id = ayf_at(m->g, id)->in[0];
    const ayf_node *n = ayf_at(m->g, id);
    return n->op == AYF_OP_INPUT && m->g->leaf[n->attr[0]].update;
}

static void add_output(maker *m, ayf_id id) {
    char name[40];
    snprintf(name, sizeof name, "out%u", m->g->output_count);
    ayf_output(m->g, name, id);
}

static void add_outputs(maker *m, int count) {
    for (int i = 0; i < count; i++) {
        ayf_id id = m->pool[pick(m)];
        if (!has_update(m, id)) add_output(m, id);
    }
}

/* Leaves to differentiate by, at most `most`. */
static size_t pick_variables(maker *m, ayf_id *wrt, size_t most) {
    size_t count = 0;
    for (uint32_t i = 0; i < m->g->leaf_count && count < most; i++)
        if (chance(m, 60) || i + 1 == m->g->leaf_count) wrt[count++] = m->g->leaf[i].id;
    return count;
}

static ayf_id scalar_of(maker *m, ayf_id y) { return ayf_mean_all(m->g, ayf_square(m->g, y)); }

static void add_derivatives(maker *m) {
    ayf_graph *g = m->g;
    enum { MOST = 3 };
    ayf_id wrt[MOST], tangent[MOST], grad[MOST], second[MOST], y = m->pool[m->count - 1], dy;
    size_t count = pick_variables(m, wrt, MOST);
    for (size_t k = 0; k < count; k++) tangent[k] = new_leaf(m, ayf_shape_of(g, wrt[k]));
    ayf_id loss = ayf_add(g, scalar_of(m, y), scalar_of(m, m->pool[pick(m)])), one = ayf_const(g, 1), sum = 0;
    ayf_jvp(g, count, wrt, tangent, 1, &y, &dy);
    add_output(m, dy);
    ayf_vjp(g, 1, &loss, &one, count, wrt, grad);
    for (size_t k = 0; k < count; k++) {
        ayf_id s = scalar_of(m, grad[k]);
        add_output(m, grad[k]);
        sum = sum ? ayf_add(g, sum, s) : s;
    }
    if (chance(m, 60)) {
        ayf_vjp(g, 1, &sum, &one, count, wrt, second);
        for (size_t k = 0; k < count; k++) add_output(m, second[k]);
    } else {
        ayf_jvp(g, count, wrt, tangent, count, grad, second);
        for (size_t k = 0; k < count; k++) add_output(m, second[k]);
    }
}

/* Adam, with its moments; the learning rate is an input. */
static ayf_id mix(ayf_graph *g, ayf_id a, ayf_id b, double t) {
    return ayf_add(g, ayf_mulc(g, a, 1 - t), ayf_mulc(g, b, t));
}

static void add_updates(maker *m) {
    ayf_graph *g = m->g;
    enum { MOST = 4 };
    ayf_id wrt[MOST], grad[MOST], one = ayf_const(g, 1), loss = scalar_of(m, m->pool[m->count - 1]);
    size_t count = 0;
    for (uint32_t i = 0; i < g->leaf_count && count < MOST; i++)
        if (g->leaf[i].storage == AYF_STORE_STATE) wrt[count++] = g->leaf[i].id;
    if (count == 0) {
        wrt[count++] = ayf_leaf(g, AYF_STORE_STATE, "weight", ayf_shape_of(g, m->pool[m->count - 1]));
        loss = scalar_of(m, ayf_mul(g, m->pool[m->count - 1], wrt[0]));
    }
    ayf_id rate = ayf_leaf(g, AYF_STORE_INPUT, "rate", AYF_SHAPE(1));
    ayf_vjp(g, 1, &loss, &one, count, wrt, grad);
    for (size_t k = 0; k < count; k++) {
        char name[40];
        ayf_shape shape = ayf_shape_of(g, wrt[k]);
        snprintf(name, sizeof name, "m%zu", k);
        ayf_id first = ayf_leaf(g, AYF_STORE_STATE, name, shape);
        snprintf(name, sizeof name, "v%zu", k);
        ayf_id second = ayf_leaf(g, AYF_STORE_STATE, name, shape);
        snprintf(name, sizeof name, "ema%zu", k);
        ayf_id ema = ayf_leaf(g, AYF_STORE_STATE, name, shape);
        ayf_id m1 = mix(g, grad[k], first, 0.9), v1 = mix(g, ayf_square(g, grad[k]), second, 0.99);
        ayf_id root = ayf_addc(g, ayf_sqrt(g, ayf_max(g, v1, ayf_const_like(g, v1, 0))), 0.1);
        ayf_id w1 = ayf_sub(g, wrt[k], ayf_mul(g, ayf_mul(g, rate, ayf_const(g, 0.1)), ayf_div(g, m1, root)));
        if (chance(m, 30)) { /* forced normalisation */
            unsigned axes = ((1u << shape.rank) - 1) & ~1u;
            w1 = ayf_div(g, w1, ayf_sqrt(g, ayf_addc(g, ayf_mean(g, ayf_square(g, w1), axes), 0.05)));
        }
        ayf_update(g, first, m1);
        ayf_update(g, second, v1);
        ayf_update(g, wrt[k], w1);
        ayf_update(g, ema, chance(m, 80) ? mix(g, ema, w1, 0.125) : w1);
        if (chance(m, 30)) add_output(m, w1); /* the value that an update writes is also an output */
        if (chance(m, 30)) add_output(m, ayf_mulc(g, wrt[k], 2)); /* the value before the update */
    }
    add_output(m, loss);
}

ayf_graph *random_graph(ayf_context *ctx, uint64_t seed, random_kind kind) {
    maker m = {.g = ayf_graph_new(ctx), .state = seed * (uint64_t)RANDOM_KINDS + (uint64_t)kind};
    if (!m.g) return NULL;
    m.large = kind == RANDOM_LARGE;
    m.wide = kind == RANDOM_WIDE;
    m.smooth = kind == RANDOM_DERIVATIVE || kind == RANDOM_TRAINING || kind == RANDOM_WIDE;
    keep(&m, new_leaf(&m, random_shape(&m)), true);
    grow(&m, pick_int(&m, 5, kind == RANDOM_FORWARD ? 60 : 25));
    if (kind == RANDOM_TRAINING) add_updates(&m);
    if (kind == RANDOM_DERIVATIVE || kind == RANDOM_WIDE) add_derivatives(&m);
    add_outputs(&m, pick_int(&m, 1, 5));
    return m.g;
}
