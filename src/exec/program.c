#include "exec/program.h"

#include <string.h>

#include "base/wait.h"
#include "exec/trace.h"
#include "pass/precision.h"

/* The frozen steps that read a leaf: none when they are equal. */
typedef struct reading {
    uint32_t first, end;
} reading;

struct ayf_program {
    ayf_backend *backend;
    ayf_graph *g;
    ayf_schedule *schedule;
    ayf_plan *plan;
    ayf_plan_mode mode;
    ayf_trace *trace; /* NULL unless the context traces */
    void **kernel;
    size_t scratch_bytes, kept_bytes;
    void *arena;
    void *scratch;
    ayf_buffer **leaf; /* per leaf: bound or own */
    bool *own;
    bool *filled;         /* per leaf: set or bound */
    bool *held;           /* per leaf: its buffer is read, and held for this program */
    bool *passing;        /* per node id: see mark_passing() */
    reading *reading;     /* per leaf */
    size_t reading_bytes; /* of leaves that are read once: in memory at one time, and room to read them */
    bool *keeps;          /* per step: its kernel keeps something of its fixed input */
    bool *late;           /* per leaf: its update is made in the last part of a batch only */
    void ***args;         /* per step: in then out */
    bool placed;          /* memory is there and args are resolved */
    bool stale;           /* frozen steps must run */
    /* Of runs without, and with, what depends on a LAST leaf. */
    void *recording[2]; /* NULL: not recorded */
    bool ran[2];        /* step by step, with the memory at hand */
    bool unrecordable;  /* the backend could not */
};

void ayf_backend_close(ayf_backend *backend) {
    if (backend) backend->ops->close(backend);
}

ayf_status ayf_backend_room(ayf_backend *backend, ayf_available *room) {
    *room = (ayf_available){.limit = "memory of the device"};
    if (backend->ops->room) return backend->ops->room(backend, &room->bytes);
    *room = ayf_available_memory("");
    return AYF_OK;
}

ayf_status ayf_backend_check_memory(ayf_backend *backend, uint64_t bytes, const char *what,
                                    const char *instead) {
    ayf_available room;
    char want[AYF_BYTES_SIZE], have[AYF_BYTES_SIZE];
    if (!ayf_backend_has_memory(backend)) return ayf_available_check(backend->ctx, bytes, what, instead);
    AYF_TRY(ayf_backend_room(backend, &room));
    if (bytes <= room.bytes) return AYF_OK;
    return ayf_fail(backend->ctx, AYF_E_MEMORY, "%s: %s are needed, and %s are free here (%s); %s", what,
                    ayf_bytes_text((double)bytes, want), ayf_bytes_text((double)room.bytes, have), room.limit,
                    instead);
}

ayf_precision ayf_backend_precision(const ayf_backend *backend, ayf_precision wanted) {
    if (wanted != AYF_PRECISION_AUTO) return wanted;
    bool faster = backend->ops->prefers_bf16 && backend->ops->prefers_bf16(backend);
    return faster ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST;
}

/* ---- Compiling ---- */

static ayf_status mark_late(ayf_program *p) {
    bool *last = ayf_alloc(p->backend->ctx, p->g->count, sizeof *last);
    if (!last) return AYF_E_MEMORY;
    ayf_mark_last(p->g, last);
    for (uint32_t i = 0; i < p->g->leaf_count; i++) p->late[i] = last[p->g->leaf[i].update];
    ayf_free(p->backend->ctx, last);
    return AYF_OK;
}

static ayf_status prepare_all(ayf_program *p) {
    ayf_context *ctx = p->backend->ctx;
    uint32_t count = p->schedule->count;
    p->kernel = ayf_alloc(ctx, count, sizeof *p->kernel);
    p->args = ayf_alloc(ctx, count, sizeof *p->args);
    p->keeps = ayf_alloc(ctx, count, sizeof *p->keeps);
    p->leaf = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->leaf);
    p->own = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->own);
    p->filled = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->filled);
    p->late = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->late);
    p->held = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->held);
    p->reading = ayf_alloc(ctx, p->g->leaf_count, sizeof *p->reading);
    p->passing = ayf_alloc(ctx, p->g->count, sizeof *p->passing);
    if (!p->kernel || !p->args || !p->leaf || !p->own || !p->filled || !p->late || !p->keeps || !p->held ||
        !p->reading || !p->passing)
        return AYF_E_MEMORY;
    AYF_TRY(mark_late(p));
    for (uint32_t i = 0; i < count; i++) {
        const ayf_step *step = &p->schedule->step[i];
        ayf_kernel_memory memory = {0};
        if (step->again)
            p->kernel[i] = p->kernel[step->origin];
        else
            AYF_TRY(p->backend->ops->prepare(p->backend, p->g, step, &p->kernel[i], &memory));
        if (memory.scratch > p->scratch_bytes) p->scratch_bytes = memory.scratch;
        p->kept_bytes += memory.kept;
        p->keeps[i] = step->again ? p->keeps[step->origin] : memory.kept > 0;
        p->args[i] = ayf_alloc(ctx, (size_t)step->in_count + step->out_count, sizeof **p->args);
        if (!p->args[i]) return AYF_E_MEMORY;
    }
    return AYF_OK;
}

/* PARAM leaves and what frozen steps make, where only frozen steps read it, or kernels that keep it in a form of
 * their own. */
static void mark_passing(ayf_program *p) {
    const ayf_schedule *s = p->schedule;
    const ayf_graph *g = p->g;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        p->passing[g->leaf[i].id] = g->leaf[i].storage == AYF_STORE_PARAM;
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; s->step[i].frozen && k < s->step[i].out_count; k++)
            p->passing[s->step[i].out[k]] = true;
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; !s->step[i].frozen && k < s->step[i].in_count; k++)
            if (k != 1 || !p->keeps[i]) p->passing[s->step[i].in[k]] = false;
    for (uint32_t i = 0; i < g->output_count; i++) p->passing[ayf_stored_as(g, g->output[i].id)] = false;
    for (uint32_t i = 0; i < g->leaf_count; i++) p->passing[ayf_stored_as(g, g->leaf[i].update)] = false;
}

static size_t leaf_size(const ayf_program *p, uint32_t i) {
    const ayf_backend_ops *ops = p->backend->ops;
    size_t bytes = ayf_elements(p->g, p->g->leaf[i].id) * ops->element_size[AYF_F32];
    return ops->taken ? ops->taken(bytes) : bytes;
}

/* The leaf that an input of a step is; false: it is none. */
static bool leaf_of(const ayf_program *p, ayf_id id, uint32_t *leaf) {
    const ayf_node *n = ayf_at(p->g, id);
    if (n->op == AYF_OP_INPUT) *leaf = (uint32_t)n->attr[0];
    return n->op == AYF_OP_INPUT;
}

static void find_readings(ayf_program *p) {
    const ayf_schedule *s = p->schedule;
    uint32_t l = 0;
    for (uint32_t i = 0; i < s->count && s->step[i].frozen; i++)
        for (uint32_t k = 0; k < s->step[i].in_count; k++) {
            if (!leaf_of(p, s->step[i].in[k], &l)) continue;
            if (p->reading[l].end == 0) p->reading[l].first = i;
            p->reading[l].end = i + 1;
        }
}

static void count_reading(ayf_program *p) {
    enum { ROOM = 2 }; /* before its values are in place: as they are in the file, and its bytes */
    size_t largest = 0;
    for (uint32_t l = 0; l < p->g->leaf_count; l++) {
        if (!p->passing[p->g->leaf[l].id]) continue;
        if (leaf_size(p, l) > largest) largest = leaf_size(p, l);
    }
    p->reading_bytes = largest; /* as handed to a kernel that keeps it */
    for (uint32_t i = 0; i < p->schedule->count && p->schedule->step[i].frozen; i++) {
        size_t bytes = 0;
        for (uint32_t l = 0; l < p->g->leaf_count; l++)
            if (p->passing[p->g->leaf[l].id] && p->reading[l].first <= i && i < p->reading[l].end)
                bytes += leaf_size(p, l);
        if (bytes > p->reading_bytes) p->reading_bytes = bytes;
    }
    p->reading_bytes += ROOM * largest;
}

static ayf_status plan_all(ayf_program *p) {
    mark_passing(p);
    find_readings(p);
    count_reading(p);
    p->plan = ayf_plan_make(p->g, p->schedule, p->backend->ops->element_size, p->passing, p->mode);
    return p->plan ? AYF_OK : p->backend->ctx->status;
}

/* The schedule that the backend wants, with the elements of its tensors. */
static ayf_status schedule_all(ayf_program *p, ayf_precision precision) {
    bool fuses = p->backend->ops->fuses;
    p->schedule = fuses ? ayf_schedule_fused(p->g) : ayf_schedule_nodes(p->g);
    if (!p->schedule) return p->g->ctx->status;
    if (precision == AYF_PRECISION_HIGHEST) return AYF_OK;
    ayf_schedule *fused = fuses ? p->schedule : ayf_schedule_fused(p->g);
    bool narrow = p->backend->ops->narrow_weight_gradients;
    ayf_status status = fused ? ayf_precision_lower(p->g, fused, p->schedule, narrow) : p->g->ctx->status;
    if (!fuses) ayf_schedule_free(fused);
    return status;
}

ayf_status ayf_compile(ayf_backend *backend, ayf_graph *g, const ayf_compile_options *options,
                       ayf_program **out) {
    ayf_context *ctx = backend->ctx;
    *out = NULL;
    if (!g) return AYF_E_MEMORY;
    ayf_program *p = g->status == AYF_OK ? ayf_alloc(ctx, 1, sizeof *p) : NULL;
    if (!p) {
        ayf_status status = g->status != AYF_OK ? g->status : AYF_E_MEMORY;
        ayf_graph_free(g);
        return status;
    }
    p->backend = backend;
    p->g = g;
    p->mode = options ? options->plan : AYF_PLAN_REUSE;
    p->stale = true;
    ayf_status status = schedule_all(p, options ? options->precision : AYF_PRECISION_HIGHEST);
    if (status == AYF_OK && options)
        status = ayf_schedule_recompute(g, p->schedule, backend->ops->element_size, &options->recompute);
    if (status == AYF_OK) status = prepare_all(p);
    if (status == AYF_OK) status = plan_all(p);
    if (status != AYF_OK) {
        ayf_program_free(p);
        return status;
    }
    *out = p;
    return AYF_OK;
}

static void forget(ayf_program *p) {
    for (size_t i = 0; i < AYF_COUNT(p->recording); i++) {
        if (p->recording[i]) p->backend->ops->forget(p->backend, p->recording[i]);
        p->recording[i] = NULL;
        p->ran[i] = false;
    }
}

static void let_go(ayf_program *p, uint32_t i) {
    if (p->held[i]) ayf_buffer_let_go(p->leaf[i]);
    p->held[i] = false;
}

void ayf_program_free(ayf_program *p) {
    if (!p) return;
    ayf_backend *backend = p->backend;
    ayf_context *ctx = backend->ctx;
    forget(p);
    if (p->trace) ayf_trace_totals(p->trace);
    ayf_trace_free(ctx, p->trace);
    for (uint32_t i = 0; p->schedule && i < p->schedule->count; i++) {
        if (p->kernel && p->kernel[i] && !p->schedule->step[i].again)
            backend->ops->drop(backend, p->kernel[i]);
        if (p->args) ayf_free(ctx, p->args[i]);
    }
    for (uint32_t i = 0; p->own && p->leaf && p->held && i < p->g->leaf_count; i++) {
        let_go(p, i);
        if (p->own[i]) ayf_buffer_free(p->leaf[i]);
    }
    if (p->arena) backend->ops->release(backend, p->arena);
    if (p->scratch) backend->ops->release(backend, p->scratch);
    ayf_free(ctx, p->kernel);
    ayf_free(ctx, p->args);
    ayf_free(ctx, p->leaf);
    ayf_free(ctx, p->own);
    ayf_free(ctx, p->filled);
    ayf_free(ctx, p->late);
    ayf_free(ctx, p->held);
    ayf_free(ctx, p->reading);
    ayf_free(ctx, p->passing);
    ayf_free(ctx, p->keeps);
    ayf_plan_free(p->plan);
    ayf_schedule_free(p->schedule);
    ayf_graph_free(p->g);
    ayf_free(ctx, p);
}

static bool is_read(const ayf_program *p, uint32_t i) { return p->leaf[i] && p->leaf[i]->read; }

/* Its values are in memory no longer than frozen steps need them. */
static bool is_read_once(const ayf_program *p, uint32_t i) {
    return is_read(p, i) && p->passing[p->g->leaf[i].id];
}

static bool reads_once(const ayf_program *p) {
    for (uint32_t i = 0; i < p->g->leaf_count; i++)
        if (is_read_once(p, i)) return true;
    return false;
}

ayf_program_facts ayf_program_describe(const ayf_program *p) {
    ayf_program_facts facts = {.arena_bytes = p->plan->bytes + p->kept_bytes,
                               .scratch_bytes = p->scratch_bytes,
                               .leaf_bytes = reads_once(p) ? p->reading_bytes : 0,
                               .read_bytes = p->reading_bytes};
    for (uint32_t i = 0; i < p->g->leaf_count; i++) {
        if (!is_read_once(p, i)) facts.leaf_bytes += leaf_size(p, i);
        if (!p->passing[p->g->leaf[i].id]) facts.read_bytes += leaf_size(p, i);
        if (!p->leaf[i] || p->own[i]) facts.own_bytes += leaf_size(p, i);
    }
    for (uint32_t i = 0; i < p->schedule->count; i++) {
        const ayf_step *step = &p->schedule->step[i];
        if (step->frozen) continue;
        facts.steps++;
        facts.kernels += !step->again;
        if (step->node) facts.flops += ayf_node_flops(p->g, step->node);
    }
    facts.nodes = p->g->count;
    return facts;
}

ayf_backend *ayf_program_backend(const ayf_program *p) { return p->backend; }

/* ---- Leaves and outputs ---- */

static ayf_status find_leaf(ayf_program *p, const char *name, uint32_t *index) {
    int at = ayf_leaf_find(p->g, name);
    if (at < 0) return ayf_fail(p->backend->ctx, AYF_E_INTERNAL, "the program has no input '%s'", name);
    *index = (uint32_t)at;
    return AYF_OK;
}

static ayf_status size_error(ayf_program *p, const char *name, size_t want, size_t got) {
    return ayf_fail(p->backend->ctx, AYF_E_INTERNAL, "'%s' has %zu elements, not %zu", name, want, got);
}

bool ayf_program_has_leaf(const ayf_program *p, const char *leaf) { return ayf_leaf_find(p->g, leaf) >= 0; }

uint32_t ayf_program_leaf_count(const ayf_program *p) { return p->g->leaf_count; }

ayf_program_leaf ayf_program_leaf_at(const ayf_program *p, uint32_t index) {
    const ayf_leaf_info *leaf = &p->g->leaf[index];
    return (ayf_program_leaf){leaf->name, leaf->storage, ayf_elements(p->g, leaf->id)};
}

bool ayf_program_has_output(const ayf_program *p, const char *output) {
    for (uint32_t i = 0; i < p->g->output_count; i++)
        if (strcmp(p->g->output[i].name, output) == 0) return true;
    return false;
}

ayf_status ayf_program_bind(ayf_program *p, const char *name, ayf_buffer *buffer) {
    uint32_t i = 0;
    AYF_TRY(find_leaf(p, name, &i));
    size_t want = ayf_elements(p->g, p->g->leaf[i].id);
    if (buffer->elements != want) return size_error(p, name, want, buffer->elements);
    let_go(p, i);
    if (p->own[i]) ayf_buffer_free(p->leaf[i]);
    p->own[i] = false;
    p->leaf[i] = buffer;
    p->filled[i] = true;
    p->placed = false;
    p->stale = true;
    return AYF_OK;
}

static ayf_status own_leaf(ayf_program *p, uint32_t i) {
    if (p->leaf[i]) return AYF_OK;
    AYF_TRY(ayf_buffer_new(p->backend, ayf_elements(p->g, p->g->leaf[i].id), &p->leaf[i]));
    p->own[i] = true;
    p->placed = false;
    return AYF_OK;
}

static ayf_status set_leaf(ayf_program *p, const char *name, const void *values, size_t count, bool f64) {
    uint32_t i = 0;
    AYF_TRY(find_leaf(p, name, &i));
    size_t want = ayf_elements(p->g, p->g->leaf[i].id);
    if (count != want) return size_error(p, name, want, count);
    if (is_read(p, i)) return ayf_fail(p->backend->ctx, AYF_E_INTERNAL, "'%s' is read from elsewhere", name);
    AYF_TRY(own_leaf(p, i));
    if (p->g->leaf[i].storage == AYF_STORE_PARAM) p->stale = true;
    AYF_TRY(p->backend->ops->upload(p->backend, p->leaf[i]->memory, values, count, f64));
    p->filled[i] = true;
    return AYF_OK;
}

ayf_status ayf_program_set(ayf_program *p, const char *leaf, const float *values, size_t count) {
    return set_leaf(p, leaf, values, count, false);
}

ayf_status ayf_program_set_f64(ayf_program *p, const char *leaf, const double *values, size_t count) {
    return set_leaf(p, leaf, values, count, true);
}

static void *memory_of(const ayf_program *p, ayf_id id) {
    id = ayf_stored_as(p->g, id);
    if (p->plan->in_leaf[id]) id = p->plan->in_leaf[id];
    const ayf_node *n = ayf_at(p->g, id);
    if (n->op == AYF_OP_INPUT) return p->leaf[n->attr[0]]->memory;
    return (char *)p->arena + p->plan->offset[id];
}

static ayf_status get_output(ayf_program *p, const char *name, void *values, size_t count, bool f64) {
    for (uint32_t i = 0; i < p->g->output_count; i++) {
        if (strcmp(p->g->output[i].name, name) != 0) continue;
        size_t want = ayf_elements(p->g, p->g->output[i].id);
        if (count != want) return size_error(p, name, want, count);
        if (!p->placed)
            return ayf_fail(p->backend->ctx, AYF_E_INTERNAL, "'%s' was asked for before a run", name);
        return p->backend->ops->fetch(p->backend, values, memory_of(p, p->g->output[i].id), count, f64);
    }
    return ayf_fail(p->backend->ctx, AYF_E_INTERNAL, "the program has no output '%s'", name);
}

ayf_status ayf_program_get(ayf_program *p, const char *output, float *values, size_t count) {
    return get_output(p, output, values, count, false);
}

ayf_status ayf_program_get_f64(ayf_program *p, const char *output, double *values, size_t count) {
    return get_output(p, output, values, count, true);
}

void ayf_program_refresh(ayf_program *p) { p->stale = true; }

/* ---- Running ---- */

size_t ayf_program_missing_bytes(const ayf_program *p) {
    size_t bytes = (p->arena ? 0 : p->plan->bytes) + (p->scratch ? 0 : p->scratch_bytes);
    for (uint32_t i = 0; i < p->g->leaf_count; i++)
        if (!p->leaf[i] || (!p->leaf[i]->memory && !is_read_once(p, i))) bytes += leaf_size(p, i);
    return p->stale && reads_once(p) ? bytes + p->reading_bytes : bytes;
}

ayf_status ayf_program_check_memory(const ayf_program *p, const char *what, const char *instead) {
    return ayf_backend_check_memory(p->backend, ayf_program_missing_bytes(p), what, instead);
}

static ayf_status hold(ayf_program *p, uint32_t i) {
    if (!p->held[i]) AYF_TRY(ayf_buffer_hold(p->leaf[i]));
    p->held[i] = true;
    return AYF_OK;
}

static bool is_input(ayf_storage storage) { return storage == AYF_STORE_INPUT || storage == AYF_STORE_LAST; }

ayf_status ayf_program_ready(ayf_program *p) {
    if (p->placed) return AYF_OK;
    ayf_backend *backend = p->backend;
    for (uint32_t i = 0; i < p->g->leaf_count; i++)
        if (is_input(p->g->leaf[i].storage) && !p->filled[i])
            return ayf_fail(backend->ctx, AYF_E_INTERNAL, "input '%s' was never set", p->g->leaf[i].name);
    forget(p); /* recordings know the old places */
    AYF_TRY(ayf_program_check_memory(p, "this computation", "use a smaller batch or network"));
    if (backend->ops->ready) AYF_TRY(backend->ops->ready(backend));
    for (uint32_t i = 0; i < p->g->leaf_count; i++) {
        AYF_TRY(own_leaf(p, i));
        if (is_read(p, i) && !is_read_once(p, i)) AYF_TRY(hold(p, i));
    }
    if (!p->arena) AYF_TRY(backend->ops->alloc(backend, p->plan->bytes, &p->arena));
    if (!p->scratch) AYF_TRY(backend->ops->alloc(backend, p->scratch_bytes, &p->scratch));
    if (backend->ctx->trace && !p->trace &&
        !(p->trace = ayf_trace_new(backend, p->g, p->schedule, p->kernel)))
        return AYF_E_MEMORY;
    for (uint32_t i = 0; i < p->schedule->count; i++) {
        const ayf_step *step = &p->schedule->step[i];
        for (uint32_t k = 0; k < step->in_count; k++) p->args[i][k] = memory_of(p, step->in[k]);
        for (uint32_t k = 0; k < step->out_count; k++)
            p->args[i][step->in_count + k] = memory_of(p, step->out[k]);
    }
    p->placed = true;
    return AYF_OK;
}

/* Whether step `at` is the last that makes or reads a tensor, or the last before it is made again. What lasts does
 * not die, and what is kept in another form has died before. */
static bool dies_after(const ayf_program *p, ayf_id id, uint32_t at) {
    if (p->plan->last_use[id] == at) return true;
    if (p->plan->last_use[id] < at || p->plan->last_use[id] > p->schedule->count) return false;
    for (uint32_t i = at + 1; i < p->schedule->count; i++) {
        const ayf_step *step = &p->schedule->step[i];
        for (uint32_t k = 0; k < step->in_count; k++)
            if (step->in[k] == id) return false;
        for (uint32_t k = 0; k < step->out_count; k++)
            if (step->out[k] == id) return true;
    }
    return true;
}

static ayf_status poison_dead(ayf_program *p, uint32_t at) {
    const ayf_step *step = &p->schedule->step[at];
    for (uint32_t k = 0; k < step->in_count + step->out_count; k++) {
        ayf_id id = k < step->in_count ? step->in[k] : step->out[k - step->in_count];
        if (p->plan->offset[id] == AYF_NOWHERE || !dies_after(p, id, at)) continue;
        size_t bytes = ayf_elements(p->g, id) * p->backend->ops->element_size[step->element[k]];
        AYF_TRY(p->backend->ops->poison(p->backend, memory_of(p, id), bytes));
    }
    return AYF_OK;
}

static bool exchanges(const ayf_program *p, const ayf_step *step) {
    return step->node && ayf_at(p->g, step->node)->op == AYF_OP_ALLREDUCE;
}

/* Hands a tensor to the kernels that keep something of it. */
static void keep_all(ayf_program *p, ayf_id id) {
    for (uint32_t i = 0; i < p->schedule->count; i++)
        if (p->keeps[i] && !p->schedule->step[i].again && p->schedule->step[i].in[1] == id)
            p->backend->ops->keep(p->backend, p->kernel[i], memory_of(p, id));
}

static bool is_kept(const ayf_program *p, ayf_id id) {
    for (uint32_t i = 0; i < p->schedule->count; i++)
        if (p->keeps[i] && p->schedule->step[i].in[1] == id) return true;
    return false;
}

/* No failure is left for the next call to report, and kernels are done with what they read. */
static ayf_status settle(ayf_program *p, ayf_status status) {
    ayf_status synced = p->backend->ops->sync(p->backend);
    return status != AYF_OK ? status : synced;
}

static ayf_status keep_leaves(ayf_program *p) {
    for (uint32_t i = 0; i < p->g->leaf_count; i++) {
        ayf_id id = p->g->leaf[i].id;
        bool passes = is_read_once(p, i);
        if (p->g->leaf[i].storage != AYF_STORE_PARAM || !is_kept(p, id)) continue;
        if (passes) AYF_TRY(hold(p, i));
        keep_all(p, id);
        if (!passes) continue;
        AYF_TRY(settle(p, AYF_OK));
        let_go(p, i);
    }
    return AYF_OK;
}

/* The leaves that a frozen step reads once are in memory, and its arguments know where. */
static ayf_status hold_read(ayf_program *p, uint32_t at) {
    const ayf_step *step = &p->schedule->step[at];
    uint32_t l = 0;
    for (uint32_t k = 0; k < step->in_count; k++) {
        if (!leaf_of(p, step->in[k], &l) || !is_read_once(p, l)) continue;
        AYF_TRY(hold(p, l));
        p->args[at][k] = p->leaf[l]->memory;
    }
    return AYF_OK;
}

/* Those that no frozen step behind it reads need not be any more. */
static ayf_status let_go_read(ayf_program *p, uint32_t at) {
    const ayf_step *step = &p->schedule->step[at];
    ayf_status status = AYF_OK;
    uint32_t l = 0;
    for (uint32_t k = 0; status == AYF_OK && k < step->in_count; k++) {
        if (!leaf_of(p, step->in[k], &l) || !is_read_once(p, l) || p->reading[l].end > at + 1) continue;
        status = settle(p, AYF_OK);
        let_go(p, l);
    }
    return status;
}

static ayf_status launch_all(ayf_program *p, bool last) {
    ayf_status status = p->stale ? keep_leaves(p) : AYF_OK;
    for (uint32_t i = 0; i < p->schedule->count; i++) {
        const ayf_step *step = &p->schedule->step[i];
        if ((step->last && !last) || (step->frozen && !p->stale)) continue;
        /* Only traced launches fail here. Other processes wait for the exchanges that are left. */
        if (step->frozen && status == AYF_OK) status = hold_read(p, i);
        if (status != AYF_OK && !exchanges(p, step)) continue;
        if (p->trace) {
            ayf_status launched = ayf_trace_launch(p->trace, i, p->args[i], p->scratch);
            if (status == AYF_OK) status = launched;
        } else {
            p->backend->ops->launch(p->backend, p->kernel[i], p->args[i], p->scratch);
        }
        for (uint32_t k = 0; step->frozen && status == AYF_OK && k < step->out_count; k++)
            keep_all(p, step->out[k]);
        if (step->frozen && status == AYF_OK) status = let_go_read(p, i);
        if (p->mode == AYF_PLAN_POISON && status == AYF_OK) status = poison_dead(p, i);
    }
    return status;
}

static ayf_status copy_updates(ayf_program *p, bool last) {
    for (uint32_t i = 0; i < p->g->leaf_count; i++) {
        ayf_id value = p->g->leaf[i].update;
        if (!value || (p->late[i] && !last)) continue;
        void *from = memory_of(p, value), *to = p->leaf[i]->memory;
        if (from != to) AYF_TRY(p->backend->ops->copy(p->backend, to, from, p->leaf[i]->elements));
    }
    return AYF_OK;
}

/* Whether a run is the same launches every time: those that run once are done, and nobody asks between them. What runs
 * for the first time is not recorded, because libraries allocate then. */
static bool repeats(const ayf_program *p, bool last) {
    return p->backend->ops->record && !p->unrecordable && p->ran[last] && !p->stale && !p->trace &&
           p->mode != AYF_PLAN_POISON;
}

/* A run that cannot be recorded is made step by step. */
static void record(ayf_program *p, bool last) {
    const ayf_backend_ops *ops = p->backend->ops;
    void *recording = NULL;
    bool together = false;
    for (uint32_t i = 0; i < p->schedule->count; i++) together |= exchanges(p, &p->schedule->step[i]);
    ayf_status status = ops->record(p->backend, together);
    if (status == AYF_OK) {
        status = launch_all(p, last);
        if (status == AYF_OK) status = copy_updates(p, last);
        ayf_status recorded = ops->recorded(p->backend, &recording);
        if (status == AYF_OK) status = recorded;
    }
    if (status == AYF_OK) {
        p->recording[last] = recording;
        return;
    }
    if (recording) ops->forget(p->backend, recording);
    p->unrecordable = true;
    ayf_say(p->backend->ctx, "steps are launched one by one, because they cannot be recorded: %s",
            ayf_error(p->backend->ctx));
}

/* Everything is asked for; what repeats need not be done yet. */
static ayf_status start(ayf_program *p, bool last) {
    AYF_TRY(ayf_program_ready(p));
    AYF_TRY(ayf_task_go_on(p->backend->ctx));
    if (repeats(p, last) && !p->recording[last]) record(p, last);
    if (repeats(p, last) && p->recording[last]) {
        p->backend->ops->replay(p->backend, p->recording[last]);
        return AYF_OK;
    }
    /* Before the copies, which would spread what a failed kernel left. */
    ayf_status status = settle(p, launch_all(p, last));
    for (uint32_t i = 0; i < p->g->leaf_count; i++)
        if (is_read_once(p, i)) let_go(p, i); /* after a failure */
    AYF_TRY(status);
    p->stale = false;
    p->ran[last] = true;
    return copy_updates(p, last);
}

ayf_status ayf_program_start(ayf_program *p) { return start(p, true); }
ayf_status ayf_program_wait(ayf_program *p) { return settle(p, AYF_OK); }
ayf_status ayf_program_run(ayf_program *p) { return settle(p, start(p, true)); }
ayf_status ayf_program_run_part(ayf_program *p) { return settle(p, start(p, false)); }
