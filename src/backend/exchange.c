#include "backend/exchange.h"

#include <string.h>

struct ayf_exchange {
    ayf_context *ctx;
    ayf_comm *comm;
    bool f64;
    uint32_t count; /* of tensors */
    size_t *size;   /* elements of each */
    size_t total;   /* of all */
};

enum { PIECE = 1 << 21 }; /* elements that are packed at a time */

static size_t element_of(const ayf_exchange *x) { return x->f64 ? sizeof(double) : sizeof(float); }
static size_t piece_of(const ayf_exchange *x) { return x->total < PIECE ? x->total : PIECE; }

size_t ayf_exchange_scratch_bytes(const ayf_exchange *x) { return piece_of(x) * element_of(x); }

ayf_status ayf_exchange_comm(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, ayf_comm **comm) {
    AYF_TRY(ayf_comm_open(ctx, comm));
    for (uint32_t i = 0; i < step->out_count; i++)
        if (ayf_at(g, step->out[i])->attr[0] != (*comm)->ranks)
            return ayf_fail(ctx, AYF_E_INTERNAL, "a graph for %d processes is compiled by %d",
                            ayf_at(g, step->out[i])->attr[0], (*comm)->ranks);
    return AYF_OK;
}

ayf_status ayf_exchange_prepare(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, bool f64,
                                ayf_exchange **out) {
    ayf_comm *comm;
    AYF_TRY(ayf_exchange_comm(ctx, g, step, &comm));
    ayf_exchange *x = ayf_alloc(ctx, 1, sizeof *x);
    if (!x) return AYF_E_MEMORY;
    *x = (ayf_exchange){.ctx = ctx, .comm = comm, .f64 = f64, .count = step->out_count};
    x->size = ayf_alloc(ctx, x->count, sizeof *x->size);
    if (!x->size) {
        ayf_exchange_free(x);
        return AYF_E_MEMORY;
    }
    for (uint32_t i = 0; i < x->count; i++) x->total += x->size[i] = ayf_elements(g, step->out[i]);
    *out = x;
    return AYF_OK;
}

void ayf_exchange_free(ayf_exchange *x) {
    if (!x) return;
    ayf_free(x->ctx, x->size);
    ayf_free(x->ctx, x);
}

/* Elements first ... end of all tensors in a row, to or from `packed`. */
static void move(const ayf_exchange *x, char *const *tensor, size_t first, size_t end, char *packed,
                 bool pack) {
    size_t element = element_of(x), start = 0;
    for (uint32_t i = 0; i < x->count && start < end; start += x->size[i++]) {
        size_t from = first > start ? first - start : 0,
               to = end - start < x->size[i] ? end - start : x->size[i];
        if (from >= to) continue;
        char *here = tensor[i] + from * element, *there = packed + (start + from - first) * element;
        memcpy(pack ? there : here, pack ? here : there, (to - from) * element);
    }
}

ayf_status ayf_exchange_run(const ayf_exchange *x, void *const *args, void *scratch) {
    char *const *in = (char *const *)args, *const *out = in + x->count;
    for (size_t first = 0; first < x->total; first += PIECE) {
        size_t end = x->total - first < PIECE ? x->total : first + PIECE;
        move(x, in, first, end, scratch, true);
        AYF_TRY(x->f64 ? ayf_comm_sum_f64(x->comm, scratch, end - first)
                       : ayf_comm_sum_f32(x->comm, scratch, end - first));
        move(x, out, first, end, scratch, false);
    }
    return AYF_OK;
}
