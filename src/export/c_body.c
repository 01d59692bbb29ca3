#include "export/c_body.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "ir/conv.h"

enum { PLACE = 160 }; /* bytes of the text of an operand */

/* ---- Where values are ---- */

static bool is_fixed(const ayf_c_body *b, ayf_id id) { return b->folded->frozen[id]; }

static bool is_computed(const ayf_c_body *b, ayf_id id) {
    return b->folded->live[id] && !is_fixed(b, id) && ayf_op_table[ayf_at(b->g, id)->op].inputs > 0;
}

/* The node whose memory holds `id`: a reshape has none of its own. */
static ayf_id holder(const ayf_c_body *b, ayf_id id) {
    while (!b->folded->at[id] &&
           (ayf_at(b->g, id)->op == AYF_OP_RESHAPE || ayf_at(b->g, id)->op == AYF_OP_STOP))
        id = ayf_at(b->g, id)->in[0];
    return id;
}

static size_t weight_at(ayf_c_body *b, ayf_id id, bool turned) {
    for (size_t i = 0; i < b->weight_count; i++)
        if (b->weight[i].id == id && b->weight[i].turned == turned) return b->weight[i].at;
    ayf_status status =
        ayf_reserve(b->ctx, &b->weight, b->weight_count, &b->weight_capacity, sizeof *b->weight);
    if (status != AYF_OK) {
        b->status = status;
        return 0;
    }
    size_t at = b->weight_numbers;
    b->weight[b->weight_count++] = (ayf_c_weight){id, turned, at};
    b->weight_numbers += ayf_elements(b->g, id);
    return at;
}

size_t ayf_c_weight_values(const ayf_c_body *b, size_t index, float *out) {
    const ayf_c_weight *w = &b->weight[index];
    const ayf_node *n = ayf_at(b->g, w->id);
    size_t count = ayf_node_elements(n), rows = (size_t)n->dim[0], columns = count / rows;
    const float *values = b->folded->at[w->id];
    for (size_t i = 0; out && i < count; i++)
        out[w->turned ? i % columns * rows + i / columns : i] = values[i];
    return count;
}

/* How element `i` of a node of the size of `of` is found in `id`: through at most one BROADCAST. False: not
 * in few words. */
static bool index_text(const ayf_c_body *b, ayf_id id, char text[PLACE], ayf_id *source) {
    const ayf_node *n = ayf_at(b->g, id);
    *source = holder(b, id);
    snprintf(text, PLACE, "i");
    if (n->op != AYF_OP_BROADCAST || b->folded->at[id]) return true;
    const ayf_node *in = ayf_at(b->g, n->in[0]);
    *source = holder(b, n->in[0]);
    int first = n->rank, last = -1; /* the axes along which the source is not constant */
    size_t behind = 1, size = 1;
    for (int i = 0; i < n->rank; i++)
        if (in->dim[i] > 1) {
            if (first == n->rank) first = i;
            last = i;
        }
    for (int i = first; i <= last; i++) {
        if (in->dim[i] != n->dim[i]) return false;
        size *= (size_t)n->dim[i];
    }
    for (int i = last + 1; i < n->rank; i++) behind *= (size_t)n->dim[i];
    bool outer = false;
    for (int i = 0; i < first; i++) outer = outer || n->dim[i] > 1;
    if (last < 0)
        snprintf(text, PLACE, "0");
    else if (behind > 1 && outer)
        snprintf(text, PLACE, "i / %zu %% %zu", behind, size);
    else if (behind > 1)
        snprintf(text, PLACE, "i / %zu", behind);
    else
        snprintf(text, PLACE, "i %% %zu", size);
    return ayf_at(b->g, *source)->op != AYF_OP_BROADCAST || b->folded->at[*source];
}

enum { SHORT = PLACE / 2 }; /* bytes of the text of a place in memory */

static void place_text(ayf_c_body *b, ayf_id holder_id, bool turned, char text[SHORT]) {
    if (is_fixed(b, holder_id))
        snprintf(text, SHORT, "weights + %zu", weight_at(b, holder_id, turned));
    else
        snprintf(text, SHORT, "memory + %zu", b->offset[holder_id]);
}

static void place(ayf_c_body *b, ayf_id id, char text[SHORT]) { place_text(b, holder(b, id), false, text); }

static void real_text(double value, char text[AYF_REAL_SIZE + 2]) {
    ayf_print_typed_real(text, value);
    strcat(text, "f");
}

/* ---- Statements ---- */

static const char *const pointwise_texts[AYF_OP_COUNT] = {
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text) [AYF_OP_##NAME] = #text,
#include "ir/ops.def"
};

static void operand(ayf_c_body *b, ayf_id id, const char *name, char text[2 * PLACE]) {
    char at[SHORT], index[PLACE], digits[AYF_REAL_SIZE + 2];
    double constant;
    ayf_id source;
    if (ayf_is_const(b->g, id, &constant)) {
        real_text(constant, digits);
        snprintf(text, 2 * PLACE, "%s = %s", name, digits);
        return;
    }
    if (!index_text(b, id, index, &source)) {
        source = id;
        snprintf(index, sizeof index, "i");
    }
    place_text(b, source, false, at);
    snprintf(text, 2 * PLACE, "%s = (%s)[%s]", name, at, index);
}

static void pointwise(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id);
    char first[2 * PLACE], second[2 * PLACE] = "";
    operand(b, n->in[0], "a", first);
    if (ayf_op_table[n->op].inputs == 2) operand(b, n->in[1], "b", second);
    ayf_text_print(&b->text,
                   "    for (int i = 0; i < %zu; i++) {\n"
                   "        const float %s%s%s;\n"
                   "        memory[%zu + i] = %s;\n"
                   "    }\n",
                   ayf_node_elements(n), first, *second ? ", " : "", second, b->offset[id],
                   pointwise_texts[n->op]);
}

/* Strides of a dense tensor; 0 along axes of size 1. */
static void strides(const ayf_node *n, int64_t out[AYF_MAX_RANK]) {
    int64_t stride = 1;
    for (int i = n->rank - 1; i >= 0; i--) {
        out[i] = n->dim[i] > 1 ? stride : 0;
        stride *= n->dim[i];
    }
}

/* out[to] += in[from] over a block; the memory of the node is cleared before unless `more`. */
static void add_up(ayf_c_body *b, ayf_id id, ayf_id in, int rank, const int32_t *size, const int64_t *to,
                   const int64_t *from, int64_t to_start, int64_t from_start) {
    char source[SHORT];
    place(b, in, source);
    ayf_text_print(&b->text, "    add_up(memory + %lld, %s + %lld",
                   (long long)b->offset[id] + (long long)to_start, source, (long long)from_start);
    for (int list = 0; list < 3; list++) {
        ayf_text_print(&b->text, ", (const int[]){");
        for (int i = 0; i < AYF_MAX_RANK; i++) {
            int axis = i - (AYF_MAX_RANK - rank);
            int64_t value = axis < 0    ? (list == 0)
                            : list == 0 ? size[axis]
                            : list == 1 ? to[axis]
                                        : from[axis];
            ayf_text_print(&b->text, i ? ", %lld" : "%lld", (long long)value);
        }
        ayf_text_print(&b->text, "}");
    }
    ayf_text_print(&b->text, ");\n");
}

static void clear(ayf_c_body *b, ayf_id id) {
    ayf_text_print(&b->text, "    clear(memory + %zu, %zu);\n", b->offset[id], ayf_elements(b->g, id));
}

static void move(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id), *in = ayf_at(b->g, n->in[0]);
    int64_t own[AYF_MAX_RANK] = {0}, source[AYF_MAX_RANK] = {0}, from[AYF_MAX_RANK] = {0}, from_start = 0,
            to_start = 0;
    const int32_t *size = n->op == AYF_OP_SUM || n->op == AYF_OP_PAD ? in->dim : n->dim;
    strides(n, own);
    strides(in, source);
    for (int i = 0; i < n->rank; i++) {
        from[i] = n->op == AYF_OP_PERMUTE ? source[n->attr[i]] : source[i];
        if (n->op == AYF_OP_SLICE) from_start += n->attr[i] * source[i];
        if (n->op == AYF_OP_PAD) to_start += n->attr[i] * own[i];
    }
    clear(b, id);
    add_up(b, id, n->in[0], n->rank, size, own, from, to_start, from_start);
}

static void concat(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id);
    int axis = n->attr[0];
    int64_t own[AYF_MAX_RANK], source[AYF_MAX_RANK], start = 0;
    double constant;
    strides(n, own);
    clear(b, id);
    for (int k = 0; k < 2; k++) {
        const ayf_node *in = ayf_at(b->g, n->in[k]);
        strides(in, source);
        if (ayf_is_const(b->g, n->in[k], &constant)) {
            char digits[AYF_REAL_SIZE + 2];
            size_t inner = 1, outer = 1;
            for (int i = 0; i < axis; i++) outer *= (size_t)n->dim[i];
            for (int i = axis + 1; i < n->rank; i++) inner *= (size_t)n->dim[i];
            real_text(constant, digits);
            ayf_text_print(&b->text,
                           "    for (int i = 0; i < %zu; i++)\n"
                           "        for (int j = 0; j < %zu; j++) memory[%zu + i * %zu + j] = %s;\n",
                           outer, inner * (size_t)in->dim[axis], b->offset[id] + (size_t)start * inner,
                           inner * (size_t)n->dim[axis], digits);
        } else {
            add_up(b, id, n->in[k], n->rank, in->dim, own, source, start * own[axis], 0);
        }
        start += in->dim[axis];
    }
}

static void convolution(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id);
    ayf_conv_shape s = ayf_conv_of(b->g, n);
    char x[SHORT], w[SHORT];
    if (n->op != AYF_OP_CONV_FPROP || !b->folded->at[n->in[1]] || s.w[1] != s.w[2]) {
        b->status = ayf_fail(b->ctx, AYF_E_INTERNAL, "c: a convolution without fixed square weights");
        return;
    }
    place(b, n->in[0], x);
    place_text(b, n->in[1], true, w);
    ayf_text_print(&b->text, "    convolve(memory + %zu, %s, %s, %d, %d, %d, %d, %d, %d, %d, %d, %d);\n",
                   b->offset[id], x, w, (int)s.x[1], (int)s.x[2], (int)s.x[3], (int)s.y[1], (int)s.y[2],
                   (int)s.y[3], (int)s.w[1], (int)s.stride, (int)s.pad_top);
}

static void product(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id), *in = ayf_at(b->g, n->in[0]);
    int r = n->rank, inner = in->dim[n->attr[0] ? r - 2 : r - 1];
    bool turned = r == 2 && n->attr[1] && b->folded->at[n->in[1]];
    char x[SHORT], w[SHORT];
    place(b, n->in[0], x);
    place_text(b, holder(b, n->in[1]), turned, w);
    ayf_text_print(&b->text, "    multiply(memory + %zu, %s, %s, %d, %d, %d, %d, %d, %d);\n", b->offset[id],
                   x, w, r == 3 ? n->dim[0] : 1, n->dim[r - 2], n->dim[r - 1], inner, n->attr[0],
                   turned ? 0 : n->attr[1]);
}

static void resampling(ayf_c_body *b, ayf_id id) {
    const ayf_node *n = ayf_at(b->g, id), *in = ayf_at(b->g, n->in[0]);
    const ayf_filter *filter = &b->g->filter[n->attr[3]];
    char x[SHORT], digits[AYF_REAL_SIZE + 2];
    place(b, n->in[0], x);
    ayf_text_print(&b->text,
                   "    resample(memory + %zu, %s, %d, %d, %d, %d, %d, %d, %d, %d, %d, (const float[]){",
                   b->offset[id], x, in->dim[1], in->dim[2], in->dim[3], n->dim[1], n->dim[2], n->attr[0],
                   n->attr[1], n->attr[2], filter->taps);
    for (int i = 0; i < filter->taps; i++) {
        real_text((double)filter->tap[i], digits);
        ayf_text_print(&b->text, i ? ", %s" : "%s", digits);
    }
    ayf_text_print(&b->text, "});\n");
}

static void statement(ayf_c_body *b, ayf_id id) {
    const ayf_op op = ayf_at(b->g, id)->op;
    switch (ayf_op_table[op].class_) {
    case AYF_CLASS_POINTWISE:
        pointwise(b, id);
        return;
    case AYF_CLASS_VIEW:
        move(b, id);
        return;
    case AYF_CLASS_CONV:
        convolution(b, id);
        return;
    case AYF_CLASS_GEMM:
        product(b, id);
        return;
    case AYF_CLASS_RESAMPLE:
        resampling(b, id);
        return;
    case AYF_CLASS_COPY:
    case AYF_CLASS_REDUCE:
    case AYF_CLASS_LEAF:
    case AYF_CLASS_COMM:
        break;
    }
    if (op == AYF_OP_CONCAT)
        concat(b, id);
    else if (op == AYF_OP_SUM || op == AYF_OP_PAD)
        move(b, id);
    else
        b->status =
            ayf_fail(b->ctx, AYF_E_INTERNAL, "c: there is no statement for %s", ayf_op_table[op].name);
}

/* ---- Memory ---- */

/* A broadcast needs no memory when each of its users finds the elements in its source. */
static void find_written(const ayf_c_body *b, bool *written) {
    char index[PLACE];
    ayf_id source;
    for (ayf_id id = 1; id < b->g->count; id++) {
        const ayf_node *n = ayf_at(b->g, id);
        bool computed = is_computed(b, id);
        written[id] =
            computed && n->op != AYF_OP_RESHAPE && n->op != AYF_OP_STOP && n->op != AYF_OP_BROADCAST;
        if (!computed) continue;
        for (int k = 0; k < ayf_op_table[n->op].inputs; k++) {
            ayf_id in = holder(b, n->in[k]);
            if (ayf_at(b->g, in)->op != AYF_OP_BROADCAST || b->folded->at[in]) continue;
            bool found = in == n->in[k] && ayf_op_table[n->op].class_ == AYF_CLASS_POINTWISE &&
                         index_text(b, in, index, &source);
            if (!found && n->op != AYF_OP_RESHAPE && n->op != AYF_OP_STOP) written[in] = true;
        }
    }
}

/* The last reader of every piece of memory. */
static void find_last(ayf_c_body *b, const bool *written) {
    for (ayf_id id = 1; id < b->g->count; id++) {
        const ayf_node *n = ayf_at(b->g, id);
        for (int k = 0; is_computed(b, id) && k < ayf_op_table[n->op].inputs; k++) {
            ayf_id in = holder(b, n->in[k]);
            if (b->last[in] < id) b->last[in] = id;
            /* The source of a broadcast that is not written is read by its users. */
            while (ayf_at(b->g, in)->op == AYF_OP_BROADCAST && !written[in] && !is_fixed(b, in)) {
                in = holder(b, ayf_at(b->g, in)->in[0]);
                if (b->last[in] < id) b->last[in] = id;
            }
        }
    }
    b->last[holder(b, b->g->output[0].id)] = SIZE_MAX;
}

/* The lowest place that no living value overlaps; `alive` lists the values that have one. */
static void find_place(ayf_c_body *b, ayf_id id, ayf_id *alive, size_t *count) {
    size_t size = ayf_elements(b->g, id), at = 0, kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (b->last[alive[i]] >= id) alive[kept++] = alive[i];
    *count = kept;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < kept; i++) {
            size_t start = b->offset[alive[i]], end = start + ayf_elements(b->g, alive[i]);
            if (at >= end || at + size <= start) continue;
            at = end;
            moved = true;
        }
    }
    b->offset[id] = at;
    alive[(*count)++] = id;
    if (at + size > b->memory) b->memory = at + size;
}

static void write(ayf_c_body *b, const bool *written, ayf_id *alive) {
    size_t count = 0;
    for (uint32_t i = 0; i < b->g->leaf_count; i++)
        if (b->g->leaf[i].storage == AYF_STORE_INPUT) {
            b->last[b->g->leaf[i].id] = b->g->count; /* set before the first statement */
            find_place(b, b->g->leaf[i].id, alive, &count);
        }
    for (ayf_id id = 1; id < b->g->count && b->status == AYF_OK; id++) {
        if (!written[id]) continue;
        find_place(b, id, alive, &count);
        statement(b, id);
    }
}

ayf_status ayf_c_body_make(ayf_c_body *b, ayf_context *ctx, const ayf_graph *g, const ayf_folded *folded) {
    *b = (ayf_c_body){.g = g, .folded = folded, .ctx = ctx};
    ayf_text_init(&b->text, ctx);
    b->offset = ayf_alloc(ctx, g->count, sizeof *b->offset);
    b->last = ayf_alloc(ctx, g->count, sizeof *b->last);
    bool *written = ayf_alloc(ctx, g->count, sizeof *written);
    ayf_id *alive = ayf_alloc(ctx, g->count, sizeof *alive);
    if (b->offset && b->last && written && alive) {
        find_written(b, written);
        find_last(b, written);
        write(b, written, alive);
    } else {
        b->status = AYF_E_MEMORY;
    }
    ayf_free(ctx, written);
    ayf_free(ctx, alive);
    return b->text.failed ? AYF_E_MEMORY : b->status;
}

void ayf_c_body_free(ayf_c_body *b) {
    ayf_text_free(&b->text);
    ayf_free(b->ctx, b->offset);
    ayf_free(b->ctx, b->last);
    ayf_free(b->ctx, b->weight);
}
