#include "backend/cpu/tile.h"

#include <string.h>

#include "backend/cpu/tile_kernels.h"

enum {
    TILE = 2048,             /* floats in a tile, unless one row is longer */
    SERIAL_ELEMENTS = 16384, /* below this a second thread costs more than it saves */
    NO_TABLE = -1,
};

/* How an array is walked: over the outer axes, along rows, along columns. */
typedef struct walk {
    int64_t offset;
    int64_t outer[AYF_MAX_RANK];
    int64_t row, col;
    int table; /* columns at irregular places: index of an offset table, NO_TABLE otherwise */
} walk;

typedef struct instr {
    uint16_t op;
    bool row;       /* one number per row */
    bool in_row[2]; /* the input is one number per row */
    uint16_t in[2]; /* values */
    int slot;       /* register that receives the result, or -1: memory */
    int arg;        /* argument that receives the result, or -1 */
} instr;

struct ayf_tile_program {
    ayf_context *ctx;
    const ayf_tile_table *kernels;
    int threads;
    int outer_rank;
    int64_t outer_dim[AYF_MAX_RANK];
    int64_t rows, cols, tile_rows, tile_cols;
    int64_t row_tiles, col_tiles, tiles;
    ayf_value *value;
    instr *code; /* parallel to value */
    uint32_t value_count;
    walk *view; /* inputs */
    uint32_t view_count;
    walk dense_full, dense_row; /* outputs */
    ayf_terminal *terminal;
    walk *terminal_walk;
    size_t *terminal_size, *terminal_at; /* elements; place in a thread's accumulators */
    uint32_t terminal_count;
    size_t accumulators;
    int64_t **table;
    uint32_t table_count;
    size_t slot_floats;
    uint32_t slots;
    uint32_t in_count;
};

/* ---- Lowering: axes
 * ------------------------------------------------------------------------------------------- */

typedef struct axes {
    int rank, split;
    int64_t dim[AYF_MAX_RANK];
    int64_t *stride; /* [walker][AYF_MAX_RANK] */
    uint32_t walkers;
} axes;

static bool mergeable(const axes *x, int i) {
    for (uint32_t w = 0; w < x->walkers; w++)
        if (x->stride[w * AYF_MAX_RANK + (unsigned)i] !=
            x->stride[w * AYF_MAX_RANK + (unsigned)i + 1] * x->dim[i + 1])
            return false;
    return true;
}

static void remove_axis(axes *x, int i, bool merged) {
    /* Merging keeps the strides of the inner axis. */
    if (merged) x->dim[i + 1] *= x->dim[i];
    for (int d = i; d + 1 < x->rank; d++) {
        x->dim[d] = x->dim[d + 1];
        for (uint32_t w = 0; w < x->walkers; w++)
            x->stride[w * AYF_MAX_RANK + (unsigned)d] = x->stride[w * AYF_MAX_RANK + (unsigned)d + 1];
    }
    x->rank--;
    if (i < x->split) x->split--;
}

static void collapse(axes *x, bool has_rows) {
    for (int i = x->rank; i-- > 0;)
        if (x->dim[i] == 1 && x->rank > 1) remove_axis(x, i, false);
    for (int i = x->rank - 1; i-- > 0;)
        if ((!has_rows || i + 1 != x->split) && mergeable(x, i)) remove_axis(x, i, true);
    if (!has_rows) x->split = x->rank - 1;
}

static bool build_table(ayf_tile_program *p, const axes *x, const int64_t *stride, int *index) {
    int64_t **grown = ayf_grow(p->ctx, p->table, p->table_count, (size_t)p->table_count + 1, sizeof *grown);
    if (!grown) return false;
    p->table = grown;
    int64_t *table = p->table[p->table_count] = ayf_alloc(p->ctx, (size_t)p->cols, sizeof *table);
    if (!table) return false;
    for (int64_t c = 0; c < p->cols; c++) {
        int64_t rest = c;
        for (int d = x->rank; d-- > x->split; rest /= x->dim[d]) table[c] += rest % x->dim[d] * stride[d];
    }
    *index = (int)p->table_count++;
    return true;
}

/* Strides over the collapsed axes to a walk. `terminal`: any column stride is fine as it is only added to. */
static bool make_walk(ayf_tile_program *p, const axes *x, uint32_t walker, int64_t offset, walk *out) {
    const int64_t *stride = &x->stride[walker * AYF_MAX_RANK];
    *out = (walk){.offset = offset, .table = NO_TABLE};
    for (int d = 0; d < p->outer_rank; d++) out->outer[d] = stride[d];
    out->row = x->split > 0 ? stride[x->split - 1] : 0;
    bool one_axis = x->rank - x->split <= 1;
    out->col = x->split < x->rank ? stride[x->rank - 1] : 0;
    if (one_axis && (out->col == 0 || out->col == 1)) return true;
    bool none = true;
    for (int d = x->split; d < x->rank; d++) none = none && stride[d] == 0;
    if (none) return true;
    int64_t expect = 1;
    bool dense = true;
    for (int d = x->rank; d-- > x->split; expect *= x->dim[d]) dense = dense && stride[d] == expect;
    if (dense) return true;
    return build_table(p, x, stride, &out->table);
}

/* ---- Lowering: registers
 * ---------------------------------------------------------------------------------------- */

static bool needs_gather(const walk *w, bool row) { return row ? w->row != 1 : w->table != NO_TABLE; }

/* Every value that is neither read in place nor written to memory gets a register from its computation to
 * its last use. */
static bool assign_slots(ayf_tile_program *p) {
    uint32_t n = p->value_count;
    uint32_t *last = ayf_alloc(p->ctx, n, sizeof *last);
    bool *busy = ayf_alloc(p->ctx, (size_t)n + 1, sizeof *busy);
    if (!last || !busy) {
        ayf_free(p->ctx, last);
        ayf_free(p->ctx, busy);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const ayf_value *v = &p->value[i];
        last[i] = i;
        if (v->op == AYF_OP_INPUT || v->op == AYF_OP_CONST) continue;
        for (int k = 0; k < ayf_op_table[v->op].inputs; k++) last[v->in[k]] = i;
    }
    for (uint32_t i = 0; i < p->terminal_count; i++) last[p->terminal[i].value] = n;
    for (uint32_t i = 0; i < n; i++) {
        const ayf_value *v = &p->value[i];
        instr *c = &p->code[i];
        bool load = v->op == AYF_OP_INPUT;
        *c = (instr){.op = v->op, .row = v->row, .in = {v->in[0], v->in[1]}, .slot = -1, .arg = -1};
        if (v->store >= 0) c->arg = (int)p->in_count + v->store;
        if (!load && v->op != AYF_OP_CONST)
            for (int k = 0; k < ayf_op_table[v->op].inputs; k++) c->in_row[k] = p->value[v->in[k]].row;
        /* Loads and constants are read in place, unless their layout asks for a copy. */
        bool needs_slot =
            load ? needs_gather(&p->view[v->in[0]], v->row) : v->op != AYF_OP_CONST && v->store < 0;
        for (uint32_t s = 0; needs_slot; s++)
            if (!busy[s]) {
                busy[s] = true;
                c->slot = (int)s;
                if (s + 1 > p->slots) p->slots = s + 1;
                break;
            }
        /* Inputs die after the result has its register: kernels do not work in place. */
        for (uint32_t j = 0; j <= i; j++)
            if (last[j] == i && p->code[j].slot >= 0) busy[p->code[j].slot] = false;
    }
    ayf_free(p->ctx, last);
    ayf_free(p->ctx, busy);
    return true;
}

/* ---- Lowering: everything
 * ----------------------------------------------------------------------------------------- */

static void dense_strides(const ayf_group *group, int rank, int64_t *stride) {
    int64_t step = 1;
    for (int d = AYF_MAX_RANK; d-- > 0;) stride[d] = 0;
    for (int d = rank; d-- > 0; step *= group->dim[d]) stride[d] = step;
}

static ayf_status lower(ayf_tile_program *p, const ayf_graph *g, const ayf_step *step) {
    const ayf_group *group = step->group;
    axes x = {
        .rank = group->rank, .split = group->split, .walkers = group->view_count + group->terminal_count + 2};
    bool has_rows = group->split < group->rank;
    x.stride = ayf_alloc(p->ctx, (size_t)x.walkers * AYF_MAX_RANK, sizeof *x.stride);
    if (!x.stride) return AYF_E_MEMORY;
    for (int d = 0; d < group->rank; d++) x.dim[d] = group->dim[d];
    uint32_t w = 0;
    for (uint32_t i = 0; i < group->view_count; i++)
        memcpy(&x.stride[AYF_MAX_RANK * w++], group->view[i].stride, sizeof group->view[i].stride);
    for (uint32_t i = 0; i < group->terminal_count; i++)
        memcpy(&x.stride[AYF_MAX_RANK * w++], group->terminal[i].stride, sizeof group->terminal[i].stride);
    dense_strides(group, group->rank, &x.stride[AYF_MAX_RANK * w++]);
    dense_strides(group, group->split, &x.stride[AYF_MAX_RANK * w]);
    collapse(&x, has_rows);

    p->outer_rank = x.split > 0 ? x.split - 1 : 0;
    int64_t outer = 1;
    for (int d = 0; d < p->outer_rank; d++) outer *= p->outer_dim[d] = x.dim[d];
    p->rows = x.split > 0 ? x.dim[x.split - 1] : 1;
    p->cols = 1;
    for (int d = x.split; d < x.rank; d++) p->cols *= x.dim[d];
    p->tile_cols = has_rows || p->cols < TILE ? p->cols : TILE;
    p->tile_rows = p->tile_cols >= TILE ? 1 : TILE / p->tile_cols;
    if (p->tile_rows > p->rows) p->tile_rows = p->rows;
    p->row_tiles = (p->rows + p->tile_rows - 1) / p->tile_rows;
    p->col_tiles = (p->cols + p->tile_cols - 1) / p->tile_cols;
    p->tiles = outer * p->row_tiles * p->col_tiles;
    p->slot_floats = ((size_t)(p->tile_rows * p->tile_cols) + 15) / 16 * 16;
    if (p->tiles < p->threads) p->threads = (int)p->tiles;
    if (outer * p->rows * p->cols < SERIAL_ELEMENTS) p->threads = 1;

    bool ok = true;
    w = 0;
    for (uint32_t i = 0; ok && i < group->view_count; i++)
        ok = make_walk(p, &x, w++, group->view[i].offset, &p->view[i]);
    for (uint32_t i = 0; ok && i < group->terminal_count; i++) {
        ok = make_walk(p, &x, w++, 0, &p->terminal_walk[i]);
        p->terminal_size[i] = ayf_elements(g, step->out[group->terminal[i].store]);
        p->terminal_at[i] = p->accumulators;
        p->accumulators += p->terminal_size[i];
    }
    ok = ok && make_walk(p, &x, w++, 0, &p->dense_full) && make_walk(p, &x, w, 0, &p->dense_row);
    ayf_free(p->ctx, x.stride);
    return ok && assign_slots(p) ? AYF_OK : AYF_E_MEMORY;
}

static void *copy_of(ayf_context *ctx, const void *from, size_t count, size_t size) {
    void *to = ayf_alloc(ctx, count, size);
    if (to && count) memcpy(to, from, count * size);
    return to;
}

ayf_status ayf_tile_prepare(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, int threads,
                            ayf_tile_program **out) {
    const ayf_group *group = step->group;
    ayf_tile_program *p = ayf_alloc(ctx, 1, sizeof *p);
    if (!p) return AYF_E_MEMORY;
    p->ctx = ctx;
    p->kernels = ayf_tile_kernels();
    p->threads = threads;
    p->in_count = step->in_count;
    p->value_count = group->value_count;
    p->view_count = group->view_count;
    p->terminal_count = group->terminal_count;
    p->value = copy_of(ctx, group->value, group->value_count, sizeof *p->value);
    p->code = ayf_alloc(ctx, group->value_count, sizeof *p->code);
    p->view = ayf_alloc(ctx, group->view_count, sizeof *p->view);
    p->terminal = copy_of(ctx, group->terminal, group->terminal_count, sizeof *p->terminal);
    p->terminal_walk = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_walk);
    p->terminal_size = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_size);
    p->terminal_at = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_at);
    bool ok = p->value && p->code && p->view && p->terminal && p->terminal_walk && p->terminal_size &&
              p->terminal_at;
    ayf_status status = ok ? lower(p, g, step) : AYF_E_MEMORY;
    if (status != AYF_OK) {
        ayf_tile_free(ctx, p);
        return status;
    }
    *out = p;
    return AYF_OK;
}

void ayf_tile_free(ayf_context *ctx, ayf_tile_program *p) {
    if (!p) return;
    for (uint32_t i = 0; i < p->table_count; i++) ayf_free(ctx, p->table[i]);
    void *all[] = {p->table,    p->value,         p->code,          p->view,
                   p->terminal, p->terminal_walk, p->terminal_size, p->terminal_at};
    for (size_t i = 0; i < AYF_COUNT(all); i++) ayf_free(ctx, all[i]);
    ayf_free(ctx, p);
}

/* Per thread: registers, one row of column sums, and the accumulators of the terminals. */
static size_t thread_floats(const ayf_tile_program *p) {
    size_t columns = ((size_t)p->tile_cols + 15) / 16 * 16, rows = ((size_t)p->tile_rows + 15) / 16 * 16;
    return p->slots * p->slot_floats + columns + rows + (2 * p->accumulators + 15) / 16 * 16;
}

size_t ayf_tile_scratch_bytes(const ayf_tile_program *p) {
    return (size_t)p->threads * thread_floats(p) * sizeof(float);
}

/* ---- Running
 * -------------------------------------------------------------------------------------------------------- */

typedef struct tile {
    int64_t outer[AYF_MAX_RANK];
    int64_t row, col;   /* first */
    int64_t rows, cols; /* size */
} tile;

static tile tile_at(const ayf_tile_program *p, int64_t index) {
    tile t;
    t.col = index % p->col_tiles * p->tile_cols;
    index /= p->col_tiles;
    t.row = index % p->row_tiles * p->tile_rows;
    index /= p->row_tiles;
    for (int d = p->outer_rank; d-- > 0; index /= p->outer_dim[d]) t.outer[d] = index % p->outer_dim[d];
    t.rows = p->rows - t.row < p->tile_rows ? p->rows - t.row : p->tile_rows;
    t.cols = p->cols - t.col < p->tile_cols ? p->cols - t.col : p->tile_cols;
    return t;
}

static int64_t place(const ayf_tile_program *p, const walk *w, const tile *t) {
    int64_t at = w->offset + t->row * w->row;
    for (int d = 0; d < p->outer_rank; d++) at += t->outer[d] * w->outer[d];
    return w->table == NO_TABLE ? at + t->col * w->col : at;
}

static void gather(const ayf_tile_program *p, const walk *w, const float *from, const tile *t, bool row,
                   float *to) {
    if (row) {
        for (int64_t r = 0; r < t->rows; r++) to[r] = from[r * w->row];
        return;
    }
    const int64_t *table = p->table[w->table] + t->col;
    for (int64_t r = 0; r < t->rows; r++, from += w->row)
        for (int64_t c = 0; c < t->cols; c++) *to++ = from[table[c]];
}

/* Where the inputs of an instruction are: `at` and row stride per value, noted when it was computed. */
typedef struct placed {
    const float *at;
    ptrdiff_t row, col;
} placed;

static ayf_tile_operand operand(const ayf_tile_program *p, const instr *c, int k, const placed *value) {
    const placed *x = &value[c->in[k]];
    if (p->value[c->in[k]].op == AYF_OP_CONST) return (ayf_tile_operand){x->at, 0, 0};
    if (c->row) return (ayf_tile_operand){x->at, 0, 1}; /* the rows of the tile are its one row */
    return c->in_row[k] ? (ayf_tile_operand){x->at, x->row, 0} : (ayf_tile_operand){x->at, x->row, x->col};
}

static void run_code(const ayf_tile_program *p, void *const *args, const float *constants, const tile *t,
                     float *slots, placed *value) {
    for (uint32_t i = 0; i < p->value_count; i++) {
        const instr *c = &p->code[i];
        if (c->op == AYF_OP_CONST) {
            value[i] = (placed){&constants[i], 0, 0};
            continue;
        }
        float *slot = c->slot >= 0 ? slots + (size_t)c->slot * p->slot_floats : NULL;
        if (c->op == AYF_OP_INPUT) {
            const walk *w = &p->view[c->in[0]];
            const float *from = (const float *)args[c->in[0]] + place(p, w, t);
            if (slot) gather(p, w, from, t, c->row, slot);
            value[i] =
                slot ? (placed){slot, c->row ? 1 : t->cols, 1} : (placed){from, w->row, c->row ? 1 : w->col};
            continue;
        }
        const walk *w = c->row ? &p->dense_row : &p->dense_full;
        float *out = slot ? slot : (float *)args[c->arg] + place(p, w, t);
        value[i] = (placed){out, c->row ? 1 : slot ? t->cols : w->row, 1};
        if (c->op == AYF_OP_SUM || c->op == AYF_OP_ROWMAX) {
            ayf_tile_operand a = operand(p, &(instr){.in = {c->in[0]}, .in_row = {c->in_row[0]}}, 0, value);
            (c->op == AYF_OP_SUM ? p->kernels->row_sum : p->kernels->row_max)(out, a, t->rows, t->cols);
            continue;
        }
        ayf_tile_operand a = operand(p, c, 0, value),
                         b = ayf_op_table[c->op].inputs > 1 ? operand(p, c, 1, value) : a;
        if (c->row)
            p->kernels->pointwise[c->op](out, t->rows, a, b, 1, t->rows);
        else
            p->kernels->pointwise[c->op](out, value[i].row, a, b, t->rows, t->cols);
    }
}

static void accumulate(const ayf_tile_program *p, uint32_t index, const tile *t, const placed *value,
                       float *columns, float *rows, double *sums) {
    const ayf_terminal *terminal = &p->terminal[index];
    const walk *w = &p->terminal_walk[index];
    const placed *x = &value[terminal->value];
    bool in_row = p->value[terminal->value].row;
    ayf_tile_operand a = {x->at, x->row, in_row ? 0 : x->col};
    double *to = sums + p->terminal_at[index] + place(p, w, t);
    const int64_t *table = w->table == NO_TABLE ? NULL : p->table[w->table] + t->col;
    if (!table && w->col == 0) {
        p->kernels->row_sum(rows, a, t->rows, t->cols);
        for (int64_t r = 0; r < t->rows; r++) to[r * w->row] += (double)rows[r];
    } else if (w->row == 0) {
        p->kernels->column_sum(columns, a, t->rows, t->cols);
        for (int64_t c = 0; c < t->cols; c++) to[table ? table[c] : c * w->col] += (double)columns[c];
    } else {
        for (int64_t r = 0; r < t->rows; r++)
            for (int64_t c = 0; c < t->cols; c++)
                to[r * w->row + (table ? table[c] : c * w->col)] += (double)a.at[r * a.row + c * a.col];
    }
}

static void run_thread(const ayf_tile_program *p, void *const *args, float *memory, int thread) {
    float *slots = memory, *columns = slots + p->slots * p->slot_floats;
    float *rows = columns + ((size_t)p->tile_cols + 15) / 16 * 16;
    double *sums = (double *)(void *)(rows + ((size_t)p->tile_rows + 15) / 16 * 16);
    float constants[AYF_GROUP_MAX_VALUES];
    placed value[AYF_GROUP_MAX_VALUES];
    int64_t first = p->tiles * thread / p->threads, end = p->tiles * (thread + 1) / p->threads;
    for (uint32_t i = 0; i < p->value_count; i++) constants[i] = (float)p->value[i].constant;
    memset(sums, 0, p->accumulators * sizeof *sums);
    for (int64_t i = first; i < end; i++) {
        tile t = tile_at(p, i);
        run_code(p, args, constants, &t, slots, value);
        for (uint32_t k = 0; k < p->terminal_count; k++) accumulate(p, k, &t, value, columns, rows, sums);
    }
}

/* Partial sums are added in the order of the threads: the same bytes every time. */
static void finish_terminals(const ayf_tile_program *p, void *const *args, float *memory, size_t stride) {
    for (uint32_t k = 0; k < p->terminal_count; k++) {
        float *out = args[p->in_count + (uint32_t)p->terminal[k].store];
        for (size_t i = 0; i < p->terminal_size[k]; i++) {
            double sum = 0;
            for (int thread = 0; thread < p->threads; thread++) {
                const float *own =
                    memory + (size_t)thread * stride + stride - (2 * p->accumulators + 15) / 16 * 16;
                sum += ((const double *)(const void *)own)[p->terminal_at[k] + i];
            }
            out[i] = (float)sum;
        }
    }
}

void ayf_tile_run(const ayf_tile_program *p, void *const *args, void *scratch) {
    float *memory = scratch;
    size_t stride = thread_floats(p);
    if (p->threads == 1) {
        run_thread(p, args, memory, 0);
    } else {
#pragma omp parallel for schedule(static, 1) num_threads(p->threads)
        for (int thread = 0; thread < p->threads; thread++)
            run_thread(p, args, memory + (size_t)thread * stride, thread);
    }
    finish_terminals(p, args, memory, stride);
}
