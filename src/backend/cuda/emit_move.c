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

static void put_pad(ayf_text *t, const ayf_node *n, const ayf_node *a, ayf_element from, ayf_element to) {
    ayf_text_print(t, "const int inside = 1");
    for (int d = 0; d < n->rank; d++)
        if (a->dim[d] != n->dim[d])
            ayf_text_print(t, " && d%d >= %d && d%d < %d", d, n->attr[d], d, n->attr[d] + a->dim[d]);
    ayf_text_print(t, ";\nq0[i] = %sinside ? %sp0[", ayf_cuda_narrow(to), ayf_cuda_widen(from));
    put_shifted(t, a, n->attr);
    ayf_text_print(t, "]) : 0);\n");
}

static void put_concat(ayf_text *t, const ayf_node *n, const ayf_node *const in[2], const uint8_t *element) {
    int axis = n->attr[0];
    int32_t shift[AYF_MAX_RANK] = {0};
    ayf_text_print(t, "q0[i] = %sd%d < %d ? %sp0[", ayf_cuda_narrow(element[2]), axis, in[0]->dim[axis],
                   ayf_cuda_widen(element[0]));
    put_shifted(t, in[0], shift);
    ayf_text_print(t, "]) : %sp1[", ayf_cuda_widen(element[1]));
    shift[axis] = in[0]->dim[axis];
    put_shifted(t, in[1], shift);
    ayf_text_print(t, "]));\n");
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
                        const uint8_t *element) {
    ayf_text_print(t, "const float tap[%d] = {", f->taps);
    for (int i = 0; i < f->taps; i++) {
        if (i) ayf_text_print(t, ", ");
        ayf_cuda_number(t, (double)f->tap[i]);
    }
    ayf_text_print(t, "};\nfloat sum = 0;\n");
    put_tap(t, "y", "v", 1, n, a, f->taps);
    put_tap(t, "x", "u", 2, n, a, f->taps);
    ayf_text_print(t, "sum += tap[y] * tap[x] * %sp0[((d0 * %d + v / %d) * %d + u / %d) * %d + d3]);\n} }\n",
                   ayf_cuda_widen(element[0]), a->dim[1], n->attr[0], a->dim[2], n->attr[0], a->dim[3]);
    ayf_text_print(t, "q0[i] = %ssum);\n", ayf_cuda_narrow(element[1]));
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
    ayf_cuda_grid grid = ayf_cuda_put_loop(t, ayf_cuda_index(&x), "i", ayf_cuda_size(&x, 0, x.rank));
    ayf_cuda_put_places(t, &x, 0, x.rank, "i");
    if (n->op == AYF_OP_PAD)
        put_pad(t, n, in[0], (ayf_element)step->element[0], ayf_out_element(step, 0));
    else if (n->op == AYF_OP_CONCAT)
        put_concat(t, n, in, step->element);
    else
        put_upfirdn(t, n, in[0], &g->filter[n->attr[3]], step->element);
    ayf_text_print(t, "}\n");
    return ayf_cuda_end(w, grid);
}

ayf_status ayf_cuda_emit_convert(ayf_cuda_writer *w, int64_t elements, ayf_element from_element,
                                 ayf_cuda_pointer from, ayf_element to_element, ayf_cuda_pointer to) {
    ayf_cuda_begin(w);
    ayf_cuda_take(w, "from", from_element, false, from);
    ayf_cuda_take(w, "to", to_element, true, to);
    ayf_cuda_grid grid = ayf_cuda_put_loop(&w->body, "long", "i", elements);
    ayf_text_print(&w->body, "to[i] = %s%sfrom[i]));\n}\n", ayf_cuda_narrow(to_element),
                   ayf_cuda_widen(from_element));
    return ayf_cuda_end(w, grid);
}
