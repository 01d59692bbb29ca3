#include "exec/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct total {
    const char *kind, *implementation; /* implementation NULL: all of the kind */
    double seconds, kind_seconds, flops;
    uint64_t launches;
} total;

struct ayf_trace {
    ayf_backend *backend;
    const ayf_graph *g;
    const ayf_schedule *schedule;
    void *const *kernel;
    double *seconds; /* per step */
    uint64_t *launches;
    total *row; /* room for the totals, so that saying them cannot fail */
};

ayf_trace *ayf_trace_new(ayf_backend *backend, const ayf_graph *g, const ayf_schedule *schedule,
                         void *const *kernel) {
    ayf_context *ctx = backend->ctx;
    ayf_trace *t = ayf_alloc(ctx, 1, sizeof *t);
    if (!t) return NULL;
    *t = (ayf_trace){.backend = backend, .g = g, .schedule = schedule, .kernel = kernel};
    t->seconds = ayf_alloc(ctx, schedule->count, sizeof *t->seconds);
    t->launches = ayf_alloc(ctx, schedule->count, sizeof *t->launches);
    t->row = ayf_alloc(ctx, 2 * (size_t)schedule->count, sizeof *t->row);
    if (t->seconds && t->launches && t->row) return t;
    ayf_trace_free(ctx, t);
    return NULL;
}

void ayf_trace_free(ayf_context *ctx, ayf_trace *t) {
    if (!t) return;
    ayf_free(ctx, t->seconds);
    ayf_free(ctx, t->launches);
    ayf_free(ctx, t->row);
    ayf_free(ctx, t);
}

/* ---- Launches ---- */

static size_t bytes_of(const ayf_trace *t, const ayf_step *step) {
    const size_t *size = t->backend->ops->element_size;
    size_t bytes = 0;
    for (uint32_t k = 0; k < step->in_count; k++)
        bytes += ayf_elements(t->g, step->in[k]) * size[step->element[k]];
    for (uint32_t k = 0; k < step->out_count; k++)
        bytes += ayf_elements(t->g, step->out[k]) * size[ayf_out_element(step, k)];
    return bytes;
}

ayf_status ayf_trace_launch(ayf_trace *t, uint32_t at, void *const *args, void *scratch) {
    const ayf_step *step = &t->schedule->step[at];
    const ayf_backend_ops *ops = t->backend->ops;
    char what[160] = "group";
    if (step->node || step->out_count)
        ayf_node_print(t->g, step->node ? step->node : step->out[0], what, sizeof what);
    double start = ayf_seconds();
    ops->launch(t->backend, t->kernel[at], args, scratch);
    ayf_status status = ops->sync(t->backend);
    double taken = ayf_seconds() - start;
    t->seconds[at] += taken;
    t->launches[at]++;
    ayf_say(t->backend->ctx, "%s %s%s | %s | %zu bytes | %.1f us", ops->name, step->group ? "group to " : "",
            what, ops->describe(t->kernel[at]), bytes_of(t, step), 1e6 * taken);
    return status;
}

/* ---- Totals ---- */

static const char *kind_of(const ayf_trace *t, const ayf_step *step) {
    static const char *const names[] = {
        [AYF_CLASS_LEAF] = "leaf",    [AYF_CLASS_POINTWISE] = "pointwise", [AYF_CLASS_REDUCE] = "reduce",
        [AYF_CLASS_VIEW] = "view",    [AYF_CLASS_COPY] = "copy",           [AYF_CLASS_RESAMPLE] = "resample",
        [AYF_CLASS_COMM] = "exchange"};
    if (step->group) return "group";
    const ayf_op_info *info = &ayf_op_table[ayf_at(t->g, step->node)->op];
    return info->class_ == AYF_CLASS_CONV || info->class_ == AYF_CLASS_GEMM ? info->name
                                                                            : names[info->class_];
}

static total *row_of(total *rows, size_t *count, const char *kind, const char *implementation) {
    for (size_t i = 0; i < *count; i++) {
        total *r = &rows[i];
        bool same = !r->implementation == !implementation &&
                    (!implementation || strcmp(r->implementation, implementation) == 0);
        if (same && strcmp(r->kind, kind) == 0) return r;
    }
    rows[*count] = (total){.kind = kind, .implementation = implementation};
    return &rows[(*count)++];
}

static int by_time(const void *a, const void *b) {
    const total *x = a, *y = b;
    if (x->kind_seconds != y->kind_seconds) return x->kind_seconds < y->kind_seconds ? 1 : -1;
    int kind = strcmp(x->kind, y->kind);
    if (kind) return kind;
    if (!x->implementation != !y->implementation) return x->implementation ? 1 : -1;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static size_t collect(const ayf_trace *t, double *seconds, uint64_t *launches) {
    size_t count = 0;
    *seconds = 0;
    *launches = 0;
    for (uint32_t i = 0; i < t->schedule->count; i++) {
        const ayf_step *step = &t->schedule->step[i];
        if (!t->launches[i]) continue;
        double flops = step->node ? (double)t->launches[i] * ayf_node_flops(t->g, step->node) : 0;
        const char *implementations[] = {NULL, t->backend->ops->describe(t->kernel[i])};
        for (int k = 0; k < 2; k++) {
            total *r = row_of(t->row, &count, kind_of(t, step), implementations[k]);
            r->seconds += t->seconds[i];
            r->launches += t->launches[i];
            r->flops += flops;
        }
        *seconds += t->seconds[i];
        *launches += t->launches[i];
    }
    for (size_t i = 0; i < count; i++)
        t->row[i].kind_seconds = row_of(t->row, &count, t->row[i].kind, NULL)->seconds;
    qsort(t->row, count, sizeof *t->row, by_time);
    return count;
}

void ayf_trace_totals(const ayf_trace *t) {
    ayf_context *ctx = t->backend->ctx;
    const char *name = t->backend->ops->name;
    double seconds;
    uint64_t launches;
    size_t count = collect(t, &seconds, &launches);
    if (!launches) return;
    ayf_say(ctx, "%s total of %llu launches in %.6f s", name, (unsigned long long)launches, seconds);
    for (size_t i = 0; i < count; i++) {
        const total *r = &t->row[i];
        char rate[48] = "";
        if (r->flops > 0 && r->seconds > 0)
            snprintf(rate, sizeof rate, " | %.1f GFLOP/s", 1e-9 * r->flops / r->seconds);
        ayf_say(ctx, "%s total %s%s | %llu launches | %.6f s | %.1f %%%s", name,
                r->implementation ? "  " : "", r->implementation ? r->implementation : r->kind,
                (unsigned long long)r->launches, r->seconds, seconds > 0 ? 100 * r->seconds / seconds : 0,
                rate);
    }
}
