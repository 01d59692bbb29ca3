#include <inttypes.h>
#include <stdio.h>

#include "backend/cuda/axes.h"
#include "backend/cuda/emit.h"

enum {
    THREADS = 256,       /* of a block */
    LONGEST_LINE = 1024, /* threads along a row */
    ELEMENTS = 8,        /* of a row that a thread is to have, where a warp would have more */
    REGISTERS = 16,      /* elements per thread up to which values wait in registers */
    NAME = 16,
};

/* What becomes of a value. */
typedef struct fate {
    bool needed;
    bool waits;         /* a FULL value that a later phase needs */
    int phase;          /* in which it is known */
    int stored;         /* in which it is stored */
    size_t memory;      /* where it waits in scratch memory, in floats */
    ayf_element rounds; /* to what it is rounded when it is computed */
} fate;

typedef struct emitter {
    ayf_cuda_writer *w;
    ayf_text *t;
    const ayf_graph *g;
    const ayf_step *step;
    const ayf_group *q;
    ayf_cuda_axes x;
    ayf_cuda_walk walk[AYF_GROUP_MAX_VALUES + 1]; /* of the views, then dense */
    fate fate[AYF_GROUP_MAX_VALUES];
    int phases;
    bool rows, in_registers;
    bool by_rows[AYF_GROUP_MAX_VALUES]; /* a terminal of which a row makes one summand: t<number> */
    int lanes;  /* neighbours that a thread takes at once: L in the text, each of them k */
    int tx, ty; /* threads along a row, rows of a block */
} emitter;

static bool is_leaf(const ayf_value *v) { return v->op == AYF_OP_INPUT || v->op == AYF_OP_CONST; }
static bool reduces(const ayf_value *v) { return v->op == AYF_OP_SUM || v->op == AYF_OP_ROWMAX; }
static int inputs_of(const ayf_value *v) { return is_leaf(v) ? 0 : ayf_op_table[v->op].inputs; }

/* ---- Phases ---- */

/* Whether the plan may store the value in a leaf that the group reads. */
static bool may_be_in_place(const emitter *e, const ayf_value *v) {
    for (uint32_t i = 0; i < e->g->leaf_count; i++) {
        const ayf_leaf_info *leaf = &e->g->leaf[i];
        if (!leaf->update || ayf_stored_as(e->g, leaf->update) != v->node) continue;
        for (uint32_t k = 0; k < e->step->in_count; k++)
            if (e->step->in[k] == leaf->id) return true;
    }
    return false;
}

static void find_phases(emitter *e) {
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        const ayf_value *v = &e->q->value[i];
        fate *f = &e->fate[i];
        for (int k = 0; k < inputs_of(v); k++)
            if (e->fate[v->in[k]].phase > f->phase) f->phase = e->fate[v->in[k]].phase;
        f->phase += reduces(v);
        if (f->phase >= e->phases) e->phases = f->phase + 1;
        if (v->store >= 0) f->rounds = ayf_out_element(e->step, (uint32_t)v->store);
    }
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        const ayf_value *v = &e->q->value[i];
        bool late = v->store >= 0 && may_be_in_place(e, v);
        e->fate[i].stored = late ? e->phases - 1 : e->fate[i].phase;
    }
}

/* What is needed, and what must wait for it. */
static void find_needs(emitter *e) {
    int last[AYF_GROUP_MAX_VALUES];
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        e->fate[i].needed = e->q->value[i].store >= 0;
        last[i] = e->fate[i].stored;
    }
    for (uint32_t i = 0; i < e->q->terminal_count; i++) e->fate[e->q->terminal[i].value].needed = true;
    for (uint32_t i = e->q->value_count; i-- > 0;) {
        const ayf_value *v = &e->q->value[i];
        if (!e->fate[i].needed) continue;
        for (int k = 0; k < inputs_of(v); k++) {
            int use = e->fate[i].phase - reduces(v);
            e->fate[v->in[k]].needed = true;
            if (use > last[v->in[k]]) last[v->in[k]] = use;
        }
    }
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        const ayf_value *v = &e->q->value[i];
        e->fate[i].waits =
            e->fate[i].needed && !v->row && v->op != AYF_OP_CONST && last[i] > e->fate[i].phase;
    }
}

/* ---- Values ---- */

static void put_name(const emitter *e, uint32_t i) {
    if (!e->fate[i].waits)
        ayf_text_print(e->t, "v%u", i);
    else if (e->in_registers)
        ayf_text_print(e->t, "v%u[e * L + k]", i);
    else
        ayf_text_print(e->t, "w[%zuL + i + k]", e->fate[i].memory);
}

static void put_value(const emitter *e, uint32_t i) {
    const ayf_value *v = &e->q->value[i];
    if (v->op == AYF_OP_CONST)
        ayf_cuda_number(e->t, v->constant);
    else
        put_name(e, i);
}

static bool is_loaded(const emitter *e, const ayf_value *v) {
    return v->op == AYF_OP_INPUT && !v->row && ayf_cuda_together(&e->x, &e->walk[v->in[0]]);
}

static void put_input(const emitter *e, const ayf_value *v) {
    const ayf_cuda_walk *walk = &e->walk[v->in[0]];
    int end = v->row ? e->x.split : e->x.rank;
    ayf_text_print(e->t, "%sp%u[", ayf_cuda_widen((ayf_element)e->step->element[v->in[0]]), v->in[0]);
    ayf_cuda_put_address(e->t, walk, end);
    if (!v->row && walk->stride[end - 1] != 0) ayf_text_print(e->t, " + k * %" PRId64, walk->stride[end - 1]);
    ayf_text_print(e->t, "])");
}

static void put_computed(const emitter *e, uint32_t i) {
    const ayf_value *v = &e->q->value[i];
    bool rounds = e->fate[i].rounds == AYF_BF16;
    if (!e->fate[i].waits) ayf_text_print(e->t, "const float ");
    put_name(e, i);
    ayf_text_print(e->t, " = %s", rounds ? "round_bf16(" : "");
    if (is_loaded(e, v)) {
        ayf_text_print(e->t, "x%u.at[k]", i);
    } else if (v->op == AYF_OP_INPUT) {
        put_input(e, v);
    } else {
        ayf_text_print(e->t, "op_%s(", ayf_op_table[v->op].name);
        for (int k = 0; k < inputs_of(v); k++) {
            if (k) ayf_text_print(e->t, ", ");
            put_value(e, v->in[k]);
        }
        ayf_text_print(e->t, ")");
    }
    ayf_text_print(e->t, "%s;\n", rounds ? ")" : "");
}

static void put_loads(const emitter *e, int phase) {
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        const ayf_value *v = &e->q->value[i];
        if (!e->fate[i].needed || e->fate[i].phase != phase || !is_loaded(e, v)) continue;
        ayf_text_print(e->t, "const lanes_%d x%u = load_%s_%d(p%u + ", e->lanes, i,
                       ayf_cuda_element((ayf_element)e->step->element[v->in[0]]), e->lanes, v->in[0]);
        ayf_cuda_put_address(e->t, &e->walk[v->in[0]], e->x.rank);
        ayf_text_print(e->t, ");\n");
    }
}

/* Whether a terminal adds up all numbers of a row. */
static bool adds_up_rows(const emitter *e, const ayf_terminal *t) {
    bool all = e->rows;
    for (int d = e->q->split; d < e->q->rank; d++) all = all && (t->stride[d] == 0 || e->q->dim[d] == 1);
    return all;
}

/* What leaves the kernel in a phase: value number `value` to the array q<number>, or as a summand to u<number>. */
typedef struct leaving {
    char array;
    int number;
    uint32_t value;
    ayf_element element;
} leaving;

static uint32_t find_leaving(const emitter *e, int phase, leaving found[2 * AYF_GROUP_MAX_VALUES]) {
    const ayf_group *q = e->q;
    uint32_t count = 0;
    for (uint32_t i = 0; i < q->value_count; i++)
        if (q->value[i].store >= 0 && !q->value[i].row && e->fate[i].stored == phase)
            found[count++] = (leaving){'q', q->value[i].store, i, e->fate[i].rounds};
    for (uint32_t i = 0; i < q->terminal_count; i++)
        if (!e->by_rows[i] && e->fate[q->terminal[i].value].phase == phase)
            found[count++] = (leaving){'u', (int)i, q->terminal[i].value, AYF_F32};
    return count;
}

/* What happens to the elements of a thread in a phase: all that is read before anything is written. */
static void put_elements(const emitter *e, int phase) {
    const ayf_group *q = e->q;
    leaving out[2 * AYF_GROUP_MAX_VALUES];
    uint32_t count = find_leaving(e, phase, out);
    put_loads(e, phase);
    for (uint32_t i = 0; i < count; i++)
        ayf_text_print(e->t, "lanes_%d %c%d_lanes;\n", e->lanes, out[i].array, out[i].number);
    ayf_text_print(e->t, "UNROLL\nfor (int k = 0; k < L; k++) {\n");
    for (uint32_t i = 0; i < q->value_count; i++) {
        const ayf_value *v = &q->value[i];
        if (e->fate[i].needed && !v->row && v->op != AYF_OP_CONST && e->fate[i].phase == phase)
            put_computed(e, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        ayf_text_print(e->t, "%c%d_lanes.at[k] = ", out[i].array, out[i].number);
        put_value(e, out[i].value);
        ayf_text_print(e->t, ";\n");
    }
    for (uint32_t i = 0; i < q->value_count; i++) {
        const ayf_value *v = &q->value[i];
        if (!e->fate[i].needed || !reduces(v) || e->fate[i].phase != phase + 1) continue;
        ayf_text_print(e->t, "s%u = %s(s%u, ", i, v->op == AYF_OP_SUM ? "sum_of" : "max_of", i);
        put_value(e, v->in[0]);
        ayf_text_print(e->t, ");\n");
    }
    for (uint32_t i = 0; i < q->terminal_count; i++) {
        if (!e->by_rows[i] || e->fate[q->terminal[i].value].phase != phase) continue;
        ayf_text_print(e->t, "t%u = sum_of(t%u, ", i, i);
        put_value(e, q->terminal[i].value);
        ayf_text_print(e->t, ");\n");
    }
    ayf_text_print(e->t, "}\n");
    for (uint32_t i = 0; i < count; i++)
        ayf_text_print(e->t, "store_%s_%d(%c%d + i, %c%d_lanes);\n", ayf_cuda_element(out[i].element),
                       e->lanes, out[i].array, out[i].number, out[i].array, out[i].number);
}

static void put_row_store(const emitter *e, uint32_t i) {
    ayf_text_print(e->t, "q%d[row] = %s", e->q->value[i].store, ayf_cuda_narrow(e->fate[i].rounds));
    put_value(e, i);
    ayf_text_print(e->t, ");\n");
}

/* The ROW values of a phase: what the threads of a row found, then what follows from it. */
static void put_row(const emitter *e, int phase) {
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < e->q->value_count; i++) {
            const ayf_value *v = &e->q->value[i];
            bool rounds = e->fate[i].rounds == AYF_BF16;
            if (!e->fate[i].needed || !v->row || v->op == AYF_OP_CONST || e->fate[i].phase != phase ||
                reduces(v) != (pass == 0))
                continue;
            if (reduces(v)) {
                ayf_text_print(e->t, "const float v%u = %srow_%s(s%u, shared, TX)%s;\n", i,
                               rounds ? "round_bf16(" : "", v->op == AYF_OP_SUM ? "sum" : "max", i,
                               rounds ? ")" : "");
            } else {
                put_computed(e, i);
            }
        }
}

/* ---- The two forms ---- */

static void take_arrays(emitter *e, const size_t *summands) {
    char name[NAME];
    for (uint32_t i = 0; i < e->step->in_count; i++) {
        snprintf(name, sizeof name, "p%u", i);
        ayf_cuda_take(e->w, name, (ayf_element)e->step->element[i], false, (ayf_cuda_pointer){(int)i, 0});
    }
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        int out = e->q->value[i].store;
        snprintf(name, sizeof name, "q%d", out);
        if (out >= 0)
            ayf_cuda_take(e->w, name, ayf_out_element(e->step, (uint32_t)out), true,
                          (ayf_cuda_pointer){(int)e->step->in_count + out, 0});
    }
    for (uint32_t i = 0; i < e->q->terminal_count; i++) {
        snprintf(name, sizeof name, "u%u", i);
        ayf_cuda_take(e->w, name, AYF_F32, true, (ayf_cuda_pointer){AYF_CUDA_SCRATCH, summands[i]});
    }
}

static ayf_cuda_grid emit_plain(emitter *e, int64_t elements) {
    ayf_cuda_grid grid = ayf_cuda_put_loop(e->t, ayf_cuda_index(&e->x), "i", elements, e->lanes);
    ayf_cuda_put_places(e->t, &e->x, 0, e->x.rank, "i");
    put_elements(e, 0);
    ayf_text_print(e->t, "}\n");
    return grid;
}

/* Room for the values that wait. */
static void put_waiting(emitter *e, int64_t elements) {
    size_t floats = 0;
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        if (!e->fate[i].waits) continue;
        if (e->in_registers) ayf_text_print(e->t, "float v%u[E * L];\n", i);
        e->fate[i].memory = floats;
        floats += (size_t)elements;
    }
    if (e->in_registers || floats == 0) return;
    size_t at = ayf_cuda_reserve(e->w, (int64_t)floats);
    ayf_cuda_take(e->w, "w", AYF_F32, true, (ayf_cuda_pointer){AYF_CUDA_SCRATCH, at});
}

static void put_phase(emitter *e, int phase) {
    put_row(e, phase);
    for (uint32_t i = 0; i < e->q->value_count; i++) {
        const ayf_value *v = &e->q->value[i];
        if (e->fate[i].needed && reduces(v) && e->fate[i].phase == phase + 1)
            ayf_text_print(e->t, "float s%u = %s;\n", i, v->op == AYF_OP_SUM ? "0" : "REAL(0xFF800000u)");
    }
    ayf_text_print(e->t,
                   "%sfor (int e = 0; e < E; e++) {\nconst int c = (LANE + e * TX) * L;\n"
                   "if (row >= ROWS || c >= COLUMNS) continue;\nconst %s i = row * COLUMNS + c;\n",
                   e->in_registers ? "UNROLL\n" : "", ayf_cuda_index(&e->x));
    ayf_cuda_put_places(e->t, &e->x, e->x.split, e->x.rank, "c");
    put_elements(e, phase);
    ayf_text_print(e->t, "}\n");
}

static ayf_cuda_grid emit_rows(emitter *e, int64_t rows, int64_t columns) {
    const char *index = ayf_cuda_index(&e->x);
    ayf_text_print(e->t,
                   "enum { TX = THREADS(%d), TY = THREADS(%d), L = %d, COLUMNS = %" PRId64
                   ", E = (COLUMNS / L + TX - 1) / TX };\n"
                   "const %s ROWS = %" PRId64 ";\nSHARED float shared[WARP];\n",
                   e->tx, e->ty, e->lanes, columns, index, rows);
    put_waiting(e, rows * columns);
    /* All threads of a block go round alike, because they meet at barriers; rows behind the last one are read as
     * the last. */
    ayf_text_print(e->t,
                   "for (%s block = BLOCK; block * TY < ROWS; block += BLOCKS) {\n"
                   "const %s row = block * TY + LINE, known = row < ROWS ? row : ROWS - 1;\n",
                   index, index);
    ayf_cuda_put_places(e->t, &e->x, 0, e->x.split, "known");
    for (uint32_t i = 0; i < e->q->terminal_count; i++)
        if (e->by_rows[i]) ayf_text_print(e->t, "float t%u = 0;\n", i);
    for (int phase = 0; phase < e->phases; phase++) put_phase(e, phase);
    for (uint32_t i = 0; i < e->q->terminal_count; i++)
        if (e->by_rows[i]) ayf_text_print(e->t, "t%u = row_sum(t%u, shared, TX);\n", i, i);
    ayf_text_print(e->t, "if (row < ROWS && LANE == 0) {\n");
    for (uint32_t i = 0; i < e->q->value_count; i++)
        if (e->q->value[i].row && e->q->value[i].store >= 0) put_row_store(e, i);
    for (uint32_t i = 0; i < e->q->terminal_count; i++)
        if (e->by_rows[i]) ayf_text_print(e->t, "u%u[row] = t%u;\n", i, i);
    ayf_text_print(e->t, "}\n(void)shared;\n}\n");
    return (ayf_cuda_grid){(rows + e->ty - 1) / e->ty, e->tx, e->ty};
}

static void find_axes(emitter *e) {
    const ayf_group *q = e->q;
    e->rows = q->split < q->rank;
    e->x = (ayf_cuda_axes){.rank = q->rank, .split = q->split, .walk = e->walk, .walks = q->view_count + 1};
    for (int d = 0; d < q->rank; d++) e->x.dim[d] = q->dim[d];
    for (uint32_t i = 0; i < q->view_count; i++) {
        e->walk[i].offset = q->view[i].offset;
        for (int d = 0; d < q->rank; d++) e->walk[i].stride[d] = q->view[i].stride[d];
    }
    ayf_cuda_dense(&e->x, &e->walk[q->view_count]);
    ayf_cuda_collapse(&e->x, e->rows);
}

static void choose_threads(emitter *e, int64_t columns) {
    int64_t taken = columns / e->lanes, few = ELEMENTS / e->lanes;
    e->tx = ayf_cuda_power_of_two(taken <= AYF_CUDA_WARP ? taken : (taken + few - 1) / few);
    if (taken > AYF_CUDA_WARP && e->tx < AYF_CUDA_WARP) e->tx = AYF_CUDA_WARP;
    if (e->tx > LONGEST_LINE) e->tx = LONGEST_LINE;
    e->ty = e->tx >= THREADS ? 1 : THREADS / e->tx;
    e->in_registers = (taken + e->tx - 1) / e->tx * e->lanes <= REGISTERS;
}

static ayf_status emit_group(emitter *e) {
    size_t summands[AYF_GROUP_MAX_VALUES];
    find_axes(e);
    find_phases(e);
    find_needs(e);
    int64_t rows = ayf_cuda_size(&e->x, 0, e->x.split), columns = ayf_cuda_size(&e->x, e->x.split, e->x.rank);
    e->lanes = ayf_cuda_lanes(&e->x);
    choose_threads(e, columns);
    for (uint32_t i = 0; i < e->q->terminal_count; i++) {
        e->by_rows[i] = adds_up_rows(e, &e->q->terminal[i]);
        summands[i] = ayf_cuda_reserve(e->w, e->by_rows[i] ? rows : rows * columns);
    }
    ayf_cuda_begin(e->w);
    take_arrays(e, summands);
    AYF_TRY(ayf_cuda_end(e->w, e->rows ? emit_rows(e, rows, columns) : emit_plain(e, rows * columns)));
    for (uint32_t i = 0; i < e->q->terminal_count; i++)
        AYF_TRY(
            ayf_cuda_emit_terminal(e->w, e->step, i, e->by_rows[i] ? e->q->split : e->q->rank, summands[i]));
    return AYF_OK;
}

ayf_status ayf_cuda_emit_group(ayf_cuda_writer *w, const ayf_graph *g, const ayf_step *step) {
    ayf_context *ctx = w->code->ctx;
    if (step->group->value_count > AYF_GROUP_MAX_VALUES ||
        step->group->terminal_count > AYF_GROUP_MAX_VALUES || step->group->view_count > AYF_GROUP_MAX_VALUES)
        return ayf_fail(ctx, AYF_E_INTERNAL, "a group has %u values", step->group->value_count);
    emitter *e = ayf_alloc(ctx, 1, sizeof *e);
    if (!e) return AYF_E_MEMORY;
    e->w = w;
    e->t = &w->body;
    e->g = g;
    e->step = step;
    e->q = step->group;
    ayf_status status = emit_group(e);
    ayf_free(ctx, e);
    return status;
}
