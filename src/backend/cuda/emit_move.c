#include "backend/cuda/axes.h"
#include "backend/cuda/emit.h"

static ayf_cuda_axes axes_of(const ayf_node *n) {
    ayf_cuda_axes x = {.rank = n->rank, .split = n->rank};
    for (int d = 0; d < n->rank; d++) x.dim[d] = n->dim[d];
    x.wide = ayf_cuda_size(&x, 0, x.rank) > AYF_CUDA_NARROW;
    return x;
}

/* The address in dense `n` of the place that is `shift` before d0, d1, ... */
static void put_shifted(ayf_text *t, const ayf_node *n, const int32_t *shift) {
    ayf_cuda_axes x = axes_of(n);
    ayf_cuda_walk walk;
    ayf_cuda_dense(&x, &walk);
    for (int d = 0; d < n->rank; d++) walk.offset -= shift[d] * walk.stride[d];
    ayf_cuda_put_address(t, &walk, n->rank);
}

/* "load_bf16_4(p0 + <address>)" */
static void put_load(ayf_text *t, int input, const ayf_node *n, const int32_t *shift, ayf_element element,
                     int lanes) {
    ayf_text_print(t, "load_%s_%d(p%d + ", ayf_cuda_element(element), lanes, input);
    put_shifted(t, n, shift);
    ayf_text_print(t, ")");
}

static void put_pad(ayf_text *t, const ayf_node *n, const ayf_node *a, ayf_element from, int lanes) {
    ayf_text_print(t, "if (1");
    for (int d = 0; d < n->rank; d++)
        if (a->dim[d] != n->dim[d])
            ayf_text_print(t, " && d%d >= %d && d%d < %d", d, n->attr[d], d, n->attr[d] + a->dim[d]);
    ayf_text_print(t, ") y = ");
    put_load(t, 0, a, n->attr, from, lanes);
    ayf_text_print(t, ";\n");
}

static void put_concat(ayf_text *t, const ayf_node *n, const ayf_node *const in[2], const uint8_t *element,
                       int lanes) {
    int axis = n->attr[0];
    int32_t shift[AYF_MAX_RANK] = {0};
    ayf_text_print(t, "if (d%d < %d) y = ", axis, in[0]->dim[axis]);
    put_load(t, 0, in[0], shift, (ayf_element)element[0], lanes);
    ayf_text_print(t, ";\nelse y = ");
    shift[axis] = in[0]->dim[axis];
    put_load(t, 1, in[1], shift, (ayf_element)element[1], lanes);
    ayf_text_print(t, ";\n");
}

/* Along one of two axes: which input a tap meets, if any. */
static void put_tap(ayf_text *t, const char *tap, const char *at, int axis, const ayf_node *n,
                    const ayf_node *a, int taps) {
    int up = n->attr[0], down = n->attr[1], pad = n->attr[2];
    ayf_text_print(t,
                   "UNROLL\nfor (int %s = 0; %s < %d; %s++) {\nconst int %s = (int)d%d * %d + %s - %d;\n"
                   "if (%s < 0 || %s %% %d || %s / %d >= %d) continue;\n",
                   tap, tap, taps, tap, at, axis, down, tap, pad, at, at, up, at, up, a->dim[axis]);
}

static void put_upfirdn(ayf_text *t, const ayf_node *n, const ayf_node *a, const ayf_filter *f,
                        ayf_element from, int lanes) {
    ayf_text_print(t, "const float tap[%d] = {", f->taps);
    for (int i = 0; i < f->taps; i++) {
        if (i) ayf_text_print(t, ", ");
        ayf_cuda_number(t, (double)f->tap[i]);
    }
    ayf_text_print(t, "};\n");
    put_tap(t, "m", "v", 1, n, a, f->taps);
    put_tap(t, "n", "u", 2, n, a, f->taps);
    ayf_text_print(t,
                   "const lanes_%d x = load_%s_%d(p0 + ((d0 * %d + v / %d) * %d + u / %d) * %d + d3);\n"
                   "UNROLL\nfor (int k = 0; k < L; k++) y.at[k] += tap[m] * tap[n] * x.at[k];\n} }\n",
                   lanes, ayf_cuda_element(from), lanes, a->dim[1], n->attr[0], a->dim[2], n->attr[0],
                   a->dim[3]);
}

/* Neighbours along the last axis move together. */
static int lanes_of(const ayf_node *n, const ayf_node *const *in, uint32_t count, const ayf_cuda_axes *x) {
    bool apart = n->op == AYF_OP_PAD && n->attr[n->rank - 1] % AYF_CUDA_QUAD != 0;
    for (uint32_t k = 0; k < count; k++) apart = apart || in[k]->dim[n->rank - 1] % AYF_CUDA_QUAD != 0;
    return apart ? 1 : ayf_cuda_lanes(x);
}

ayf_status ayf_cuda_emit_move(ayf_cuda_writer *w, const ayf_graph *g, const ayf_step *step) {
    const ayf_node *n = ayf_at(g, step->node), *in[AYF_MAX_INPUTS] = {0};
    static const char *const names[] = {"p0", "p1"};
    ayf_cuda_axes x = axes_of(n);
    ayf_cuda_begin(w);
    for (uint32_t k = 0; k < step->in_count; k++) {
        in[k] = ayf_at(g, n->in[k]);
        ayf_cuda_take(w, names[k], (ayf_element)step->element[k], false, (ayf_cuda_pointer){(int)k, 0});
        if (ayf_node_elements(in[k]) > AYF_CUDA_NARROW) x.wide = true;
    }
    ayf_cuda_take(w, "q0", ayf_out_element(step, 0), true, (ayf_cuda_pointer){(int)step->in_count, 0});
    ayf_text *t = &w->body;
    ayf_element from = (ayf_element)step->element[0];
    int lanes = lanes_of(n, in, step->in_count, &x);
    ayf_cuda_grid grid = ayf_cuda_put_loop(t, ayf_cuda_index(&x), "i", ayf_cuda_size(&x, 0, x.rank), lanes);
    ayf_cuda_put_places(t, &x, 0, x.rank, "i");
    ayf_text_print(t, "lanes_%d y = {{0}};\n", lanes);
    if (n->op == AYF_OP_PAD)
        put_pad(t, n, in[0], from, lanes);
    else if (n->op == AYF_OP_CONCAT)
        put_concat(t, n, in, step->element, lanes);
    else
        put_upfirdn(t, n, in[0], &g->filter[n->attr[3]], from, lanes);
    ayf_text_print(t, "store_%s_%d(q0 + i, y);\n}\n", ayf_cuda_element(ayf_out_element(step, 0)), lanes);
    return ayf_cuda_end(w, grid);
}

ayf_status ayf_cuda_emit_convert(ayf_cuda_writer *w, int64_t elements, ayf_element from_element,
                                 ayf_cuda_pointer from, ayf_element to_element, ayf_cuda_pointer to) {
    int lanes = elements % AYF_CUDA_QUAD == 0 ? AYF_CUDA_QUAD : 1;
    ayf_cuda_begin(w);
    ayf_cuda_take(w, "from", from_element, false, from);
    ayf_cuda_take(w, "to", to_element, true, to);
    ayf_cuda_grid grid = ayf_cuda_put_loop(&w->body, "long", "i", elements, lanes);
    ayf_text_print(&w->body, "store_%s_%d(to + i, load_%s_%d(from + i));\n}\n", ayf_cuda_element(to_element),
                   lanes, ayf_cuda_element(from_element), lanes);
    return ayf_cuda_end(w, grid);
}
