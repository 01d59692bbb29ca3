#include "backend/cpu/tile.h"

#include <string.h>

#include "backend/cpu/tile_select.h"

const ayf_tile_table *ayf_tile_kernels(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return __builtin_cpu_supports("avx512bf16") ? &ayf_tile_table_avx512bf16 : &ayf_tile_table_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &ayf_tile_table_avx2;
#endif
    return &ayf_tile_table_baseline;
}

enum {
    TILE = 2048,             /* floats in a tile, unless one row is longer */
    SERIAL_ELEMENTS = 16384, /* below this a second thread costs more than it saves */
    NO_TABLE = -1,
    NO_SLOT = -1,
};

/* How an array is walked: over the outer axes, along rows, along columns. */
typedef struct walk {
    int64_t offset;
    int64_t outer[AYF_MAX_RANK];
    int64_t row, col;
    int table; /* columns at irregular places: index of an offset table, NO_TABLE otherwise */
} walk;

/* Where a value is found: at[r * row + c * col] for FULL instructions, at[r * along] for ROW ones, which see
 * the rows of the tile as one row of theirs. */
typedef struct placed {
    const float *at;
    ptrdiff_t row, col, along;
} placed;

/* A value whose place follows the tile. */
typedef struct moving {
    uint16_t value;
    uint16_t arg;
    bool gathered; /* copied to the register of the value first */
    const walk *walk;
} moving;

/* Between the register of a value and bfloat16 in memory: an input is widened where it is first used, a result
 * is rounded when it is computed. */
typedef struct conversion {
    uint16_t value;
    uint16_t arg;
    bool keep; /* the rounded result is read again */
    const walk *walk;
} conversion;

struct ayf_tile_program {
    ayf_context *ctx;
    const ayf_tile_table *kernels;
    int threads;
    int outer_rank;
    int64_t outer_dim[AYF_MAX_RANK];
    int64_t rows, cols, tile_rows, tile_cols;
    int64_t row_tiles, col_tiles, tiles;
    ayf_tile_instr *code; /* per value of the group */
    placed *place;        /* per value; `at` is filled in by each thread */
    int *slot;            /* per value: offset in a thread's registers, or NO_SLOT */
    float *constant;      /* per value */
    uint32_t value_count;
    moving *moving; /* inputs, then outputs */
    uint32_t moving_count;
    conversion *conversion; /* in the order of the values */
    uint32_t conversion_count;
    walk *view; /* inputs */
    uint32_t view_count;
    walk dense_full, dense_row; /* outputs */
    ayf_tile_total *total;      /* per terminal */
    int *total_out;             /* per terminal: output that receives it */
    walk *terminal_walk;
    size_t *terminal_size, *terminal_at; /* elements; place in a thread's accumulators */
    uint32_t terminal_count;
    size_t accumulators;
    int64_t **table;
    uint32_t table_count;
    size_t table_capacity;
    size_t register_floats;
    uint32_t in_count;
};

/* ---- Lowering: axes ---- */

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

static void swap_axes(axes *x, int i, int k) {
    int64_t dim = x->dim[i];
    x->dim[i] = x->dim[k];
    x->dim[k] = dim;
    for (uint32_t w = 0; w < x->walkers; w++) {
        int64_t *stride = &x->stride[w * AYF_MAX_RANK], kept = stride[i];
        stride[i] = stride[k];
        stride[k] = kept;
    }
}

/* Tiles of a few short rows would spend their time on being set up: the longest axis gives the rows. */
static void lengthen(axes *x) {
    int64_t cols = 1;
    int last = x->split - 1, longest = last;
    for (int d = x->split; d < x->rank; d++) cols *= x->dim[d];
    for (int d = 0; d < last; d++)
        if (x->dim[d] > x->dim[longest]) longest = d;
    if (last > 0 && cols * x->dim[last] < TILE) swap_axes(x, longest, last);
}

static bool build_table(ayf_tile_program *p, const axes *x, const int64_t *stride, int *index) {
    if (ayf_reserve(p->ctx, &p->table, p->table_count, &p->table_capacity, sizeof *p->table) != AYF_OK)
        return false;
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

/* ---- Lowering: registers ---- */

static size_t rounded(int64_t floats) { return ((size_t)floats + 15) / 16 * 16; }

static bool converts(const ayf_step *step, const ayf_value *v) {
    if (v->op == AYF_OP_INPUT) return step->element[v->in[0]] == AYF_BF16;
    return v->store >= 0 && ayf_out_element(step, (uint32_t)v->store) == AYF_BF16;
}

static bool needs_gather(const walk *w, bool row) { return row ? w->row != 1 : w->table != NO_TABLE; }

/* Registers of one size, reused most recent first: that one is still in the cache. */
typedef struct pool {
    int free[AYF_GROUP_MAX_VALUES];
    int free_count, made;
} pool;

static int take_slot(pool *p) { return p->free_count ? p->free[--p->free_count] : p->made++; }

/* Every value that is neither read in place nor written to memory gets a register from its computation to
 * its last use. A result may replace an input of the same size that dies: kernels work in place. */
static bool assign_slots(ayf_tile_program *p, const ayf_step *step) {
    const ayf_value *value = step->group->value;
    uint32_t n = p->value_count;
    uint32_t *last = ayf_alloc(p->ctx, n, sizeof *last);
    pool *pools = ayf_alloc(p->ctx, 2, sizeof *pools);
    bool ok = last && pools;
    for (uint32_t i = 0; ok && i < n; i++) {
        last[i] = i;
        for (int k = 0; p->code[i].needed && k < p->code[i].inputs; k++) last[p->code[i].in[k]] = i;
    }
    for (uint32_t i = 0; ok && i < p->terminal_count; i++)
        for (int k = 0; k < p->total[i].inputs; k++) last[p->total[i].in[k]] = n;
    for (uint32_t i = 0; ok && i < n; i++) { /* loads fill their registers before anything is computed */
        const ayf_tile_instr *c = &p->code[i];
        bool wants = c->needed && c->op == AYF_OP_INPUT && !converts(step, &value[i]) &&
                     needs_gather(&p->view[value[i].in[0]], c->row);
        p->slot[i] = wants ? take_slot(&pools[c->row]) : NO_SLOT;
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        const ayf_tile_instr *c = &p->code[i];
        bool converted = converts(step, &value[i]);
        if (!c->needed || (!c->inputs && !converted)) continue;
        bool reduces = c->op == AYF_OP_SUM || c->op == AYF_OP_ROWMAX;
        for (int pass = 0; pass < 2; pass++) {
            if (pass == 1 && (value[i].store < 0 || converted)) p->slot[i] = take_slot(&pools[c->row]);
            for (int k = 0; k < c->inputs; k++) {
                uint16_t x = c->in[k];
                bool first = true, early = !reduces && p->code[x].row == c->row;
                for (int j = 0; j < k; j++) first = first && c->in[j] != x;
                if (first && last[x] == i && p->slot[x] != NO_SLOT && early == (pass == 0)) {
                    pool *of = &pools[p->code[x].row];
                    of->free[of->free_count++] = p->slot[x];
                }
            }
        }
        if (last[i] == i && p->slot[i] != NO_SLOT)
            pools[c->row].free[pools[c->row].free_count++] = p->slot[i];
    }
    size_t full = rounded(p->tile_rows * p->tile_cols), row = rounded(p->tile_rows);
    for (uint32_t i = 0; ok && i < n; i++) /* numbers of registers to places: rows come first */
        if (p->slot[i] != NO_SLOT)
            p->slot[i] = (int)(p->code[i].row ? (size_t)p->slot[i] * row
                                              : (size_t)pools[1].made * row + (size_t)p->slot[i] * full);
    if (ok) p->register_floats = (size_t)pools[1].made * row + (size_t)pools[0].made * full;
    ayf_free(p->ctx, last);
    ayf_free(p->ctx, pools);
    return ok;
}

static bool is_read(const ayf_tile_program *p, uint32_t value) {
    for (uint32_t i = 0; i < p->value_count; i++)
        for (int k = 0; p->code[i].needed && k < p->code[i].inputs; k++)
            if (p->code[i].in[k] == value) return true;
    for (uint32_t i = 0; i < p->terminal_count; i++)
        for (int k = 0; k < p->total[i].inputs; k++)
            if (p->total[i].in[k] == value) return true;
    return false;
}

static void place_values(ayf_tile_program *p, const ayf_step *step) {
    for (uint32_t i = 0; i < p->value_count; i++) {
        const ayf_tile_instr *c = &p->code[i];
        const ayf_value *v = &step->group->value[i];
        bool load = c->op == AYF_OP_INPUT;
        if (!c->needed) continue;
        p->place[i] = (placed){.row = c->row ? 1 : p->tile_cols, .col = !c->row, .along = 1};
        p->constant[i] = (float)v->constant;
        if (c->op == AYF_OP_CONST) p->place[i] = (placed){0};
        if (!load && v->store < 0) continue;
        const walk *w = load ? &p->view[v->in[0]] : c->row ? &p->dense_row : &p->dense_full;
        uint16_t arg = (uint16_t)(load ? v->in[0] : p->in_count + (uint32_t)v->store);
        if (converts(step, v)) {
            p->conversion[p->conversion_count++] = (conversion){(uint16_t)i, arg, is_read(p, i), w};
            continue;
        }
        bool gathered = p->slot[i] != NO_SLOT;
        if (!gathered && !c->row) p->place[i] = (placed){.row = w->row, .col = w->col, .along = 1};
        p->moving[p->moving_count++] =
            (moving){.value = (uint16_t)i, .arg = arg, .gathered = gathered, .walk = w};
    }
}

/* ---- Lowering: everything ---- */

static void dense_strides(const ayf_group *group, int rank, int64_t *stride) {
    int64_t step = 1;
    for (int d = AYF_MAX_RANK; d-- > 0;) stride[d] = 0;
    for (int d = rank; d-- > 0; step *= group->dim[d]) stride[d] = step;
}

/* Results with one number per row are written one behind the other, in the order of the rows. */
static bool stores_rows(const ayf_group *group) {
    for (uint32_t i = 0; i < group->value_count; i++)
        if (group->value[i].row && group->value[i].store >= 0) return true;
    return false;
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
    if (!stores_rows(group)) lengthen(&x);

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
        p->total_out[i] = (int)p->in_count + group->terminal[i].store;
        p->accumulators += p->terminal_size[i];
    }
    ok = ok && make_walk(p, &x, w++, 0, &p->dense_full) && make_walk(p, &x, w, 0, &p->dense_row);
    ayf_free(p->ctx, x.stride);
    if (!ok) return AYF_E_MEMORY;
    ayf_tile_select(g, step, p->code, p->total);
    if (!assign_slots(p, step)) return AYF_E_MEMORY;
    place_values(p, step);
    return AYF_OK;
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
    p->code = ayf_alloc(ctx, group->value_count, sizeof *p->code);
    p->place = ayf_alloc(ctx, group->value_count, sizeof *p->place);
    p->slot = ayf_alloc(ctx, group->value_count, sizeof *p->slot);
    p->constant = ayf_alloc(ctx, group->value_count, sizeof *p->constant);
    p->moving = ayf_alloc(ctx, group->value_count, sizeof *p->moving);
    p->conversion = ayf_alloc(ctx, group->value_count, sizeof *p->conversion);
    p->view = ayf_alloc(ctx, group->view_count, sizeof *p->view);
    p->total = ayf_alloc(ctx, group->terminal_count, sizeof *p->total);
    p->total_out = ayf_alloc(ctx, group->terminal_count, sizeof *p->total_out);
    p->terminal_walk = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_walk);
    p->terminal_size = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_size);
    p->terminal_at = ayf_alloc(ctx, group->terminal_count, sizeof *p->terminal_at);
    bool ok = p->code && p->place && p->slot && p->constant && p->moving && p->conversion && p->view &&
              p->total && p->total_out && p->terminal_walk && p->terminal_size && p->terminal_at;
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
    void *all[] = {p->table,         p->code,          p->place,      p->slot,  p->constant,
                   p->moving,        p->conversion,    p->view,       p->total, p->total_out,
                   p->terminal_walk, p->terminal_size, p->terminal_at};
    for (size_t i = 0; i < AYF_COUNT(all); i++) ayf_free(ctx, all[i]);
    ayf_free(ctx, p);
}

/* Per thread: registers, one row of column sums, one column of row sums, the accumulators of the terminals. */
static size_t thread_floats(const ayf_tile_program *p) {
    return p->register_floats + rounded(p->tile_cols) + rounded(p->tile_rows) +
           rounded(2 * (int64_t)p->accumulators);
}

size_t ayf_tile_scratch_bytes(const ayf_tile_program *p) {
    return (size_t)p->threads * thread_floats(p) * sizeof(float);
}

/* ---- Running ---- */

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

static int64_t offset_of(const ayf_tile_program *p, const walk *w, const tile *t) {
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

static void widen(const ayf_tile_program *p, const walk *w, const ayf_bf16 *from, const tile *t, bool row,
                  float *to) {
    if (!row && w->table == NO_TABLE && w->col == 1) {
        p->kernels->widen(to, p->tile_cols, from, w->row, t->rows, t->cols);
        return;
    }
    const int64_t *table = w->table == NO_TABLE ? NULL : p->table[w->table] + t->col;
    for (int64_t r = 0; r < t->rows; r++, from += w->row)
        for (int64_t c = 0; c < (row ? 1 : t->cols); c++)
            *to++ = ayf_bf16_to_float(from[row ? 0 : table ? table[c] : c * w->col]);
}

static void follow_tile(const ayf_tile_program *p, void *const *args, const tile *t, float *registers,
                        const float **at) {
    for (uint32_t i = 0; i < p->moving_count; i++) {
        const moving *m = &p->moving[i];
        const float *from = (const float *)args[m->arg] + offset_of(p, m->walk, t);
        if (m->gathered)
            gather(p, m->walk, from, t, p->code[m->value].row, registers + p->slot[m->value]);
        else
            at[m->value] = from;
    }
}

static void set_operands(const ayf_tile_program *p, const uint16_t *in, int inputs, bool along,
                         const float *const *at, ayf_tile_operand *operand) {
    for (int k = 0; k < inputs; k++) {
        const placed *x = &p->place[in[k]];
        operand[k] = along ? (ayf_tile_operand){at[in[k]], 0, x->along}
                           : (ayf_tile_operand){at[in[k]], x->row, x->col};
    }
}

static void run_instr(const ayf_tile_program *p, uint32_t i, const tile *t, const float *const *at) {
    const ayf_tile_instr *c = &p->code[i];
    ayf_tile_operand operand[AYF_TILE_MAX_INPUTS];
    float *out = (float *)(uintptr_t)at[i];
    bool sum = c->op == AYF_OP_SUM, max = c->op == AYF_OP_ROWMAX, along = c->row && !sum && !max;
    set_operands(p, c->in, c->inputs, along, at, operand);
    if (sum)
        p->kernels->row_sum[c->summand](out, operand, t->rows, t->cols);
    else if (max)
        p->kernels->row_max(out, operand, t->rows, t->cols);
    else if (along)
        p->kernels->pointwise[c->op](out, t->rows, operand, 1, t->rows);
    else
        p->kernels->pointwise[c->op](out, p->place[i].row, operand, t->rows, t->cols);
}

static void convert(const ayf_tile_program *p, const conversion *v, void *const *args, const tile *t,
                    const float *const *at) {
    float *tile_at = (float *)(uintptr_t)at[v->value];
    ayf_bf16 *memory = (ayf_bf16 *)args[v->arg] + offset_of(p, v->walk, t);
    const ayf_tile_instr *c = &p->code[v->value];
    if (c->op == AYF_OP_INPUT)
        widen(p, v->walk, memory, t, c->row, tile_at);
    else
        p->kernels->narrow(memory, v->walk->row, tile_at, c->row ? 1 : p->tile_cols, t->rows,
                           c->row ? 1 : t->cols, v->keep);
}

static void run_code(const ayf_tile_program *p, void *const *args, const tile *t, const float *const *at) {
    const conversion *next = p->conversion, *end = next + p->conversion_count;
    for (uint32_t i = 0; i < p->value_count; i++) {
        if (p->code[i].needed && p->code[i].inputs) run_instr(p, i, t, at);
        if (next < end && next->value == i) convert(p, next++, args, t, at);
    }
}

static void accumulate(const ayf_tile_program *p, uint32_t index, const tile *t, const float *const *at,
                       float *columns, float *rows, double *sums) {
    const ayf_tile_total *total = &p->total[index];
    const walk *w = &p->terminal_walk[index];
    ayf_tile_operand operand[AYF_TILE_MAX_INPUTS];
    set_operands(p, total->in, total->inputs, false, at, operand);
    double *to = sums + p->terminal_at[index] + offset_of(p, w, t);
    const int64_t *table = w->table == NO_TABLE ? NULL : p->table[w->table] + t->col;
    if (!table && w->col == 0) {
        p->kernels->row_sum[total->summand](rows, operand, t->rows, t->cols);
        for (int64_t r = 0; r < t->rows; r++) to[r * w->row] += (double)rows[r];
        return;
    }
    /* Column sums of the whole tile where its rows share their sums, row by row otherwise. */
    int64_t height = w->row == 0 ? t->rows : 1;
    for (int64_t r = 0; r < t->rows; r += height, to += w->row) {
        p->kernels->column_sum[total->summand](columns, operand, height, t->cols);
        for (int64_t c = 0; c < t->cols; c++) to[table ? table[c] : c * w->col] += (double)columns[c];
        for (int k = 0; k < total->inputs; k++) operand[k].at += height * operand[k].row;
    }
}

static void run_thread(const ayf_tile_program *p, void *const *args, float *memory, int thread) {
    float *columns = memory + p->register_floats, *rows = columns + rounded(p->tile_cols);
    double *sums = (double *)(void *)(rows + rounded(p->tile_rows));
    const float *at[AYF_GROUP_MAX_VALUES];
    int64_t first = p->tiles * thread / p->threads, end = p->tiles * (thread + 1) / p->threads;
    for (uint32_t i = 0; i < p->value_count; i++)
        at[i] = p->slot[i] == NO_SLOT ? &p->constant[i] : memory + p->slot[i];
    memset(sums, 0, p->accumulators * sizeof *sums);
    for (int64_t i = first; i < end; i++) {
        tile t = tile_at(p, i);
        follow_tile(p, args, &t, memory, at);
        run_code(p, args, &t, at);
        for (uint32_t k = 0; k < p->terminal_count; k++) accumulate(p, k, &t, at, columns, rows, sums);
    }
}

/* Partial sums are added in the order of the threads: the same bytes every time. */
static void finish_terminals(const ayf_tile_program *p, void *const *args, float *memory, size_t stride) {
    for (uint32_t k = 0; k < p->terminal_count; k++) {
        float *out = args[p->total_out[k]];
        for (size_t i = 0; i < p->terminal_size[k]; i++) {
            double sum = 0;
            for (int thread = 0; thread < p->threads; thread++) {
                const float *own =
                    memory + (size_t)thread * stride + stride - rounded(2 * (int64_t)p->accumulators);
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
