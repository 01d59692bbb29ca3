#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/heavy.h"
#include "backend/cpu/move.h"
#include "backend/cpu/tile.h"
#include "backend/cpu/tile_kernels.h"
#include "backend/exchange.h"
#include "base/bf16.h"

typedef struct cpu_backend {
    ayf_backend base;
    ayf_heavy *heavy;
    int threads;
    ayf_status failed; /* the first failure since the last sync; its message is the context's */
} cpu_backend;

typedef struct cpu_kernel {
    ayf_tile_program *tile;  /* groups */
    ayf_heavy_kernel *heavy; /* conv, gemm */
    ayf_exchange *exchange;  /* allreduce */
    void *packed;            /* a fixed second input as `heavy` likes it; NULL: not kept */
    ayf_node out, in[AYF_MAX_INPUTS];
    ayf_element element[AYF_MAX_INPUTS + 1]; /* of the inputs, then of the output */
    ayf_filter filter;
} cpu_kernel;

/* ---- Preparing ---- */

static ayf_status prepare_conv(cpu_backend *b, const ayf_graph *g, cpu_kernel *k) {
    ayf_conv_shape shape = ayf_conv_of(g, &k->out);
    return ayf_heavy_prepare_conv(b->heavy, &shape, (ayf_op)k->out.op, k->element, &k->heavy);
}

static ayf_status prepare_gemm(cpu_backend *b, cpu_kernel *k) {
    ayf_gemm_shape shape = ayf_gemm_of(&k->out, &k->in[0]);
    return ayf_heavy_prepare_gemm(b->heavy, &shape, k->element, &k->heavy);
}

static ayf_status prepare_memory(cpu_backend *b, const ayf_step *step, cpu_kernel *k,
                                 ayf_kernel_memory *memory) {
    memory->scratch = ayf_heavy_scratch_bytes(k->heavy);
    memory->kept = step->fixed ? ayf_heavy_packed_bytes(k->heavy) : 0;
    if (!memory->kept) return AYF_OK;
    k->packed = ayf_alloc(b->base.ctx, memory->kept, 1);
    return k->packed ? AYF_OK : AYF_E_MEMORY;
}

static void cpu_drop(ayf_backend *backend, void *kernel) {
    cpu_kernel *k = kernel;
    ayf_free(backend->ctx, k->packed);
    ayf_tile_free(backend->ctx, k->tile);
    ayf_heavy_release(k->heavy);
    ayf_exchange_free(k->exchange);
    ayf_free(backend->ctx, k);
}

static ayf_status cpu_prepare(ayf_backend *backend, const ayf_graph *g, const ayf_step *step, void **kernel,
                              ayf_kernel_memory *memory) {
    cpu_backend *b = (cpu_backend *)backend;
    cpu_kernel *k = ayf_alloc(backend->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    if (step->group) {
        status = ayf_tile_prepare(backend->ctx, g, step, b->threads, &k->tile);
        if (status == AYF_OK) memory->scratch = ayf_tile_scratch_bytes(k->tile);
    } else if (ayf_at(g, step->node)->op == AYF_OP_ALLREDUCE) {
        status = ayf_exchange_prepare(backend->ctx, g, step, false, &k->exchange);
        if (status == AYF_OK) memory->scratch = ayf_exchange_scratch_bytes(k->exchange);
    } else {
        k->out = *ayf_at(g, step->node);
        for (int i = 0; i < ayf_op_table[k->out.op].inputs; i++) k->in[i] = *ayf_at(g, k->out.in[i]);
        for (uint32_t i = 0; i < step->in_count + step->out_count; i++)
            k->element[i] = (ayf_element)step->element[i];
        if (k->out.op == AYF_OP_UPFIRDN) {
            k->filter = g->filter[k->out.attr[3]];
            memory->scratch = ayf_move_upfirdn_scratch(&k->out, &k->in[0], b->threads);
        }
        if (ayf_op_table[k->out.op].class_ == AYF_CLASS_CONV) status = prepare_conv(b, g, k);
        if (ayf_op_table[k->out.op].class_ == AYF_CLASS_GEMM) status = prepare_gemm(b, k);
        if (status == AYF_OK && k->heavy) status = prepare_memory(b, step, k, memory);
    }
    if (status != AYF_OK) {
        cpu_drop(backend, k);
        return status;
    }
    *kernel = k;
    return AYF_OK;
}

/* ---- Running ---- */

/* Argument `i` of a step with `inputs` inputs and one output. */
static ayf_moved moved(const cpu_kernel *k, void *const *args, int i, int inputs) {
    return (ayf_moved){i < inputs ? &k->in[i] : &k->out, k->element[i], args[i]};
}

static void cpu_keep(ayf_backend *backend, void *kernel, const void *memory) {
    cpu_backend *b = (cpu_backend *)backend;
    cpu_kernel *k = kernel;
    if (b->failed == AYF_OK) b->failed = ayf_heavy_pack(k->heavy, memory, k->packed);
}

static ayf_status run_heavy(cpu_kernel *k, void *const *args, void *scratch) {
    if (!k->packed) return ayf_heavy_run(k->heavy, args[0], args[1], args[2], scratch);
    return ayf_heavy_run_packed(k->heavy, args[0], k->packed, args[2], scratch);
}

static void cpu_launch(ayf_backend *backend, void *kernel, void *const *args, void *scratch) {
    cpu_backend *b = (cpu_backend *)backend;
    cpu_kernel *k = kernel;
    if (k->exchange) { /* also after a failure: other processes wait for it */
        ayf_status status = ayf_exchange_run(k->exchange, args, scratch);
        if (b->failed == AYF_OK) b->failed = status;
        return;
    }
    if (b->failed != AYF_OK) return; /* it would compute with garbage */
    if (k->tile) {
        ayf_tile_run(k->tile, args, scratch);
    } else if (k->heavy) {
        b->failed = run_heavy(k, args, scratch);
    } else if (k->out.op == AYF_OP_CONCAT) {
        ayf_move_concat(moved(k, args, 2, 2), moved(k, args, 0, 2), moved(k, args, 1, 2), b->threads);
    } else if (k->out.op == AYF_OP_PAD) {
        ayf_move_pad(moved(k, args, 1, 1), moved(k, args, 0, 1));
    } else {
        ayf_move_upfirdn(moved(k, args, 1, 1), moved(k, args, 0, 1), &k->filter, b->threads, scratch);
    }
}

static const char *cpu_describe(const void *kernel) {
    const cpu_kernel *k = kernel;
    if (k->exchange) return "exchange";
    return k->tile ? ayf_tile_kernels()->name : k->heavy ? ayf_heavy_describe(k->heavy) : "move";
}

static ayf_status cpu_alloc(ayf_backend *backend, size_t bytes, void **memory) {
    *memory = ayf_alloc(backend->ctx, bytes, 1);
    return *memory ? AYF_OK : AYF_E_MEMORY;
}

static void cpu_release(ayf_backend *backend, void *memory) { ayf_free(backend->ctx, memory); }

static ayf_status cpu_upload(ayf_backend *backend, void *to, const void *from, size_t count, bool from_f64) {
    (void)backend;
    float *out = to;
    if (!from_f64) memcpy(to, from, count * sizeof(float));
    for (size_t i = 0; from_f64 && i < count; i++) out[i] = (float)((const double *)from)[i];
    return AYF_OK;
}

static ayf_status cpu_fetch(ayf_backend *backend, void *to, const void *from, size_t count, bool to_f64) {
    (void)backend;
    const float *in = from;
    if (!to_f64) memcpy(to, from, count * sizeof(float));
    for (size_t i = 0; to_f64 && i < count; i++) ((double *)to)[i] = (double)in[i];
    return AYF_OK;
}

static ayf_status cpu_copy(ayf_backend *backend, void *to, const void *from, size_t count) {
    (void)backend;
    memcpy(to, from, count * sizeof(float));
    return AYF_OK;
}

static ayf_status cpu_poison(ayf_backend *backend, void *memory, size_t bytes) {
    (void)backend;
    memset(memory, 0xFF, bytes);
    return AYF_OK;
}

static ayf_status cpu_sync(ayf_backend *backend) {
    cpu_backend *b = (cpu_backend *)backend;
    ayf_status status = b->failed;
    b->failed = AYF_OK;
    return status;
}

static bool cpu_prefers_bf16(const ayf_backend *backend) {
    return ayf_heavy_prefers_bf16(((const cpu_backend *)backend)->heavy);
}

static void cpu_close(ayf_backend *backend) {
    cpu_backend *b = (cpu_backend *)backend;
    ayf_heavy_close(b->heavy);
    ayf_free(backend->ctx, b);
}

static void cpu_uses(const ayf_backend *backend, const char **sets, int *threads) {
    *sets = ayf_tile_kernels()->name; /* "tile avx2" */
    if (strncmp(*sets, "tile ", 5) == 0) *sets += 5;
    *threads = ((const cpu_backend *)backend)->threads;
}

static ayf_status cpu_facts(ayf_backend *backend, ayf_backend_facts *facts) {
    cpu_backend *b = (cpu_backend *)backend;
    facts->threads = b->threads;
    facts->bf16_peak_gflops = (double)NAN;
    if (ayf_heavy_prefers_bf16(b->heavy))
        AYF_TRY(ayf_heavy_conv_peak(b->heavy, AYF_BF16, &facts->bf16_peak_gflops));
    return ayf_heavy_conv_peak(b->heavy, AYF_F32, &facts->conv_peak_gflops);
}

static const ayf_backend_ops cpu_ops = {
    .name = "cpu",
    .uses = cpu_uses,
    .element_size = {[AYF_F32] = sizeof(float), [AYF_BF16] = sizeof(ayf_bf16)},
    .fuses = true,
    .prefers_bf16 = cpu_prefers_bf16,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_upload,
    .fetch = cpu_fetch,
    .copy = cpu_copy,
    .poison = cpu_poison,
    .prepare = cpu_prepare,
    .launch = cpu_launch,
    .keep = cpu_keep,
    .describe = cpu_describe,
    .drop = cpu_drop,
    .sync = cpu_sync,
    .facts = cpu_facts,
};

/* The size of the team that OpenMP gives to who asks for `wanted` threads: its environment may allow fewer
 * (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS). */
static int team_given(int wanted) {
    int dynamic = omp_get_dynamic(), given = 1;
    if (dynamic) omp_set_dynamic(0);
#pragma omp parallel num_threads(wanted)
#pragma omp single
    given = omp_get_num_threads();
    if (dynamic) omp_set_dynamic(dynamic);
    return given;
}

ayf_status ayf_cpu_open(ayf_context *ctx, ayf_backend **out) {
    enum { THREADS_MOST = 4096 };
    if (ctx->threads < 0 || ctx->threads > THREADS_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "%d threads: give 1 to %d, or 0 for one per processor",
                        ctx->threads, THREADS_MOST);
    cpu_backend *b = ayf_alloc(ctx, 1, sizeof *b);
    if (!b) return AYF_E_MEMORY;
    b->base.ops = &cpu_ops;
    b->base.ctx = ctx;
    int wanted = ctx->threads > 0 ? ctx->threads : omp_get_num_procs();
    /* oneDNN's results are wrong when it gets fewer threads than it prepared for. */
    b->threads = team_given(wanted);
    if (b->threads < wanted)
        ayf_say(ctx,
                "OpenMP gives %d of %d threads, so this is slower (OMP_THREAD_LIMIT, "
                "OMP_MAX_ACTIVE_LEVELS)",
                b->threads, wanted);
    ayf_status status = ayf_heavy_open(ctx, b->threads, AYF_HEAVY_FASTER, &b->heavy);
    if (status != AYF_OK) {
        ayf_free(ctx, b);
        return status;
    }
    *out = &b->base;
    return AYF_OK;
}
