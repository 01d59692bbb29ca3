#include "pass/recompute.h"

#include <string.h>

enum {
    WINDOW = 128,       /* about two blocks of a U-Net */
    LEAST_BYTES = 4096, /* below, a launch costs more than the memory is worth */
    PRODUCT_LENGTH = 8, /* of a chain, for each convolution or matrix product in it */
    CHEAP_CHAIN = 6,    /* the longest chains of steps that are repeated one after the other */
    LONG_CHAIN = 160,
};

typedef struct recomputer {
    const ayf_graph *g;
    ayf_context *ctx;
    const ayf_schedule *from;
    const ayf_recompute_options *options;
    const size_t *element_size;
    bool *kept;     /* per id: is never made again */
    uint32_t *made; /* per id: the step of `from` that makes it, plus 1; 0: a leaf */
    uint32_t
        *last_use; /* per id: the last step of `from` that reads it, where it is kept also for repetitions */
    uint32_t *gap; /* per id: the first step that reads it late; 0: none does */
    bool *repeats; /* per step of `from`: is repeated where its results are read late */
    uint32_t *chain;   /* per step: the length of what repeating it repeats */
    uint32_t *seen;    /* per step: the step plus 1 for which cost_of() came by last */
    uint32_t *place;   /* per step: its index in `to` */
    uint32_t *touched; /* per id: the step of `from` at which it was made or read last */
    uint32_t now;      /* the step of `from` that is written */
    ayf_schedule to;
} recomputer;

ayf_recompute_options ayf_recompute_default(ayf_recompute what) {
    return (ayf_recompute_options){what, WINDOW, LEAST_BYTES};
}

/* ---- What may be repeated ---- */

static bool is_product(const recomputer *r, const ayf_step *step) {
    if (!step->node) return false;
    ayf_class c = ayf_op_table[ayf_at(r->g, step->node)->op].class_;
    return c == AYF_CLASS_CONV || c == AYF_CLASS_GEMM;
}

static bool may_repeat(const recomputer *r, const ayf_step *step) {
    if (step->frozen || step->last) return false;
    if (step->node && ayf_at(r->g, step->node)->op == AYF_OP_ALLREDUCE) return false;
    if (r->options->what == AYF_RECOMPUTE_CHEAP && is_product(r, step)) return false;
    for (uint32_t k = 0; k < step->out_count; k++)
        if (r->kept[step->out[k]]) return false;
    return true;
}

static size_t bytes_of(const recomputer *r, const ayf_step *step, uint32_t out) {
    return ayf_elements(r->g, step->out[out]) * r->element_size[ayf_out_element(step, out)];
}

/* Bytes of a tensor that a step makes. */
static size_t size_of(const recomputer *r, ayf_id id) {
    const ayf_step *step = &r->from->step[r->made[id] - 1];
    uint32_t k = 0;
    while (step->out[k] != id) k++;
    return bytes_of(r, step, k);
}

/* Outputs, updates and what the graph marks. */
static void mark_kept(recomputer *r) {
    const ayf_graph *g = r->g;
    for (uint32_t i = 0; i < g->output_count; i++) r->kept[ayf_stored_as(g, g->output[i].id)] = true;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) r->kept[ayf_stored_as(g, g->leaf[i].update)] = true;
    for (uint32_t i = 0; i < g->border_count; i++) r->kept[ayf_stored_as(g, g->border[i])] = true;
}

/* Uses, and where the first comes that is further from what is before it than the window. */
static void measure_gaps(recomputer *r) {
    for (uint32_t i = 0; i < r->from->count; i++) {
        const ayf_step *step = &r->from->step[i];
        for (uint32_t k = 0; k < step->in_count; k++) {
            ayf_id id = step->in[k];
            if (!r->made[id]) continue;
            if (!r->gap[id] && i - r->last_use[id] > r->options->window) r->gap[id] = i;
            r->last_use[id] = i;
        }
        for (uint32_t k = 0; k < step->out_count; k++) {
            r->made[step->out[k]] = i + 1;
            r->last_use[step->out[k]] = i;
        }
    }
}

/* Bytes that must be kept until step `late` for step `i` to be repeated then. */
static size_t cost_of(recomputer *r, uint32_t i, uint32_t late, uint32_t asker) {
    const ayf_step *step = &r->from->step[i];
    size_t bytes = 0;
    r->seen[i] = asker + 1;
    for (uint32_t k = 0; k < step->in_count; k++) {
        uint32_t made = r->made[step->in[k]];
        if (!made || r->from->step[made - 1].frozen) continue;
        if (!r->repeats[made - 1])
            bytes += r->last_use[step->in[k]] < late ? size_of(r, step->in[k]) : 0;
        else if (r->seen[made - 1] != asker + 1)
            bytes += cost_of(r, made - 1, late, asker);
    }
    return bytes;
}

/* From now on that is kept. */
static void keep_inputs(recomputer *r, uint32_t i, uint32_t late) {
    const ayf_step *step = &r->from->step[i];
    for (uint32_t k = 0; k < step->in_count; k++) {
        uint32_t made = r->made[step->in[k]];
        if (!made || r->last_use[step->in[k]] >= late) continue;
        r->last_use[step->in[k]] = late;
        if (r->repeats[made - 1]) keep_inputs(r, made - 1, late);
    }
}

/* Decides about step `i`, all before it being decided. */
static void decide(recomputer *r, uint32_t i) {
    const ayf_step *step = &r->from->step[i];
    size_t freed = 0;
    uint32_t late = UINT32_MAX, chain = 0;
    if (!may_repeat(r, step)) return;
    for (uint32_t k = 0; k < step->out_count; k++) {
        uint32_t gap = r->gap[step->out[k]];
        if (gap) freed += bytes_of(r, step, k);
        if (gap && gap < late) late = gap;
    }
    for (uint32_t k = 0; k < step->in_count; k++) {
        uint32_t made = r->made[step->in[k]];
        if (made && r->repeats[made - 1] && r->chain[made - 1] > chain) chain = r->chain[made - 1];
    }
    chain += is_product(r, step) ? PRODUCT_LENGTH : 1;
    if (chain > (r->options->what == AYF_RECOMPUTE_CHEAP ? CHEAP_CHAIN : LONG_CHAIN)) return;
    if (late != UINT32_MAX) {
        if (freed < r->options->least_bytes || cost_of(r, i, late, i) >= freed) return;
        keep_inputs(r, i, late);
    }
    r->repeats[i] = true;
    r->chain[i] = chain;
}

/* ---- The new schedule ---- */

static ayf_status append(recomputer *r, uint32_t i, bool again) {
    ayf_schedule *to = &r->to;
    AYF_TRY(ayf_reserve(r->ctx, &to->step, to->count, &to->capacity, sizeof *to->step));
    ayf_step *step = &to->step[to->count];
    *step = r->from->step[i];
    step->again = again;
    if (again)
        step->origin = r->place[i];
    else
        r->place[i] = to->count;
    for (uint32_t k = 0; k < step->in_count; k++) r->touched[step->in[k]] = r->now;
    for (uint32_t k = 0; k < step->out_count; k++) r->touched[step->out[k]] = r->now;
    to->count++;
    return AYF_OK;
}

/* Repeats what makes the inputs of step `i` that are not there any more. The depth is that of a chain. */
static ayf_status provide(recomputer *r, uint32_t i) {
    const ayf_step *step = &r->from->step[i];
    for (uint32_t k = 0; k < step->in_count; k++) {
        uint32_t made = r->made[step->in[k]];
        if (!made || !r->repeats[made - 1]) continue;
        if (r->now - r->touched[step->in[k]] <= r->options->window) continue;
        AYF_TRY(provide(r, made - 1));
        AYF_TRY(append(r, made - 1, true));
    }
    return AYF_OK;
}

static ayf_status write_schedule(recomputer *r) {
    for (uint32_t i = 0; i < r->from->count; i++) {
        r->now = i;
        AYF_TRY(provide(r, i));
        AYF_TRY(append(r, i, false));
    }
    return AYF_OK;
}

ayf_status ayf_schedule_recompute(const ayf_graph *g, ayf_schedule *schedule,
                                  const size_t element_size[AYF_ELEMENTS],
                                  const ayf_recompute_options *options) {
    if (options->what == AYF_RECOMPUTE_NONE) return AYF_OK;
    ayf_context *ctx = g->ctx;
    recomputer r = {.g = g,
                    .ctx = ctx,
                    .from = schedule,
                    .options = options,
                    .element_size = element_size,
                    .kept = ayf_alloc(ctx, g->count, sizeof *r.kept),
                    .made = ayf_alloc(ctx, g->count, sizeof *r.made),
                    .last_use = ayf_alloc(ctx, g->count, sizeof *r.last_use),
                    .gap = ayf_alloc(ctx, g->count, sizeof *r.gap),
                    .touched = ayf_alloc(ctx, g->count, sizeof *r.touched),
                    .repeats = ayf_alloc(ctx, schedule->count, sizeof *r.repeats),
                    .chain = ayf_alloc(ctx, schedule->count, sizeof *r.chain),
                    .seen = ayf_alloc(ctx, schedule->count, sizeof *r.seen),
                    .place = ayf_alloc(ctx, schedule->count, sizeof *r.place)};
    void *owned[] = {r.kept, r.made, r.last_use, r.gap, r.touched, r.repeats, r.chain, r.seen, r.place};
    ayf_status status = AYF_OK;
    for (size_t i = 0; i < AYF_COUNT(owned); i++)
        if (!owned[i]) status = AYF_E_MEMORY;
    if (status == AYF_OK) {
        mark_kept(&r);
        measure_gaps(&r);
        for (uint32_t i = 0; i < schedule->count; i++) decide(&r, i);
        status = write_schedule(&r);
    }
    if (status == AYF_OK) {
        ayf_free(ctx, schedule->step);
        schedule->step = r.to.step;
        schedule->count = r.to.count;
        schedule->capacity = r.to.capacity;
    } else {
        ayf_free(ctx, r.to.step);
    }
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    return status;
}
