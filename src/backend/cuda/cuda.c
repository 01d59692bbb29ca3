#include "backend/cuda/cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/compile.h"
#include "backend/cuda/emit.h"
#include "backend/cuda/exchange.h"
#include "backend/cuda/heavy.h"
#include "base/bf16.h"
#include "comm/comm.h"

enum {
    NARROWED = 1 << 14, /* doubles that become floats at a time */
    RESERVE_SHARE = 32, /* of the memory of a device, which is not planned with */
    RESERVE_MOST = 512 << 20,
};

typedef struct cuda_backend {
    ayf_backend base;
    ayf_cuda_device *device;
    ayf_cuda_code code;
    ayf_cuda_modules modules;
    char uses[256];
    float narrowed[NARROWED];
    bool together;     /* what is recorded has exchanges with other processes */
    ayf_status failed; /* the first failure since the last sync; its message is the context's */
} cuda_backend;

typedef struct cuda_kernel {
    ayf_cuda_launches before,
        after; /* of a product or convolution; all there is of other steps is `before` */
    ayf_cuda_heavy *heavy;
    ayf_cuda_exchange *exchange;
} cuda_kernel;

static cuda_backend *own(const ayf_backend *backend) { return (cuda_backend *)(uintptr_t)backend; }
static ayf_cu_pointer address(const void *memory) { return (ayf_cu_pointer)(uintptr_t)memory; }

/* ---- Memory ---- */

static ayf_status cuda_alloc(ayf_backend *backend, size_t bytes, void **memory) {
    const ayf_cuda_device *d = own(backend)->device;
    ayf_cu_pointer pointer = 0;
    AYF_TRY(ayf_cuda_enter(d));
    AYF_TRY(ayf_cuda_alloc(d, bytes, &pointer));
    ayf_status status = ayf_cuda_check(d, d->api.cuMemsetD8Async(pointer, 0, bytes ? bytes : 1, d->stream),
                                       "clearing memory");
    if (status != AYF_OK) {
        d->api.cuMemFree_v2(pointer);
        return status;
    }
    *memory = (void *)(uintptr_t)pointer;
    return AYF_OK;
}

/* The driver gives out pages of 2 MiB, and parts of one for what is small. */
static size_t cuda_taken(size_t bytes) {
    enum { PAGE = 2 << 20, SMALL = 1 << 20, PART = 512 };
    size_t unit = bytes > SMALL ? PAGE : PART;
    return (bytes + unit - 1) / unit * unit;
}

static void cuda_release(ayf_backend *backend, void *memory) {
    const ayf_cuda_device *d = own(backend)->device;
    if (d->api.cuCtxSetCurrent(d->context) != CUDA_SUCCESS) return;
    d->api.cuStreamSynchronize(d->stream);
    d->api.cuMemFree_v2(address(memory));
}

static ayf_status wait(const ayf_cuda_device *d, const char *doing) {
    return ayf_cuda_check(d, d->api.cuStreamSynchronize(d->stream), doing);
}

static ayf_status upload(const ayf_cuda_device *d, ayf_cu_pointer to, const float *from, size_t count) {
    AYF_TRY(ayf_cuda_check(d, d->api.cuMemcpyHtoDAsync_v2(to, from, count * sizeof(float), d->stream),
                           "copying to it"));
    return wait(d, "copying to it");
}

static ayf_status cuda_upload(ayf_backend *backend, void *to, const void *from, size_t count, bool from_f64) {
    cuda_backend *b = own(backend);
    AYF_TRY(ayf_cuda_enter(b->device));
    if (!from_f64) return upload(b->device, address(to), from, count);
    for (size_t first = 0; first < count; first += NARROWED) {
        size_t some = count - first < NARROWED ? count - first : NARROWED;
        for (size_t i = 0; i < some; i++) b->narrowed[i] = (float)((const double *)from)[first + i];
        AYF_TRY(upload(b->device, address(to) + first * sizeof(float), b->narrowed, some));
    }
    return AYF_OK;
}

static ayf_status cuda_fetch(ayf_backend *backend, void *to, const void *from, size_t count, bool to_f64) {
    const ayf_cuda_device *d = own(backend)->device;
    AYF_TRY(ayf_cuda_enter(d));
    /* The floats go to the end of the doubles, from where they are widened in place. */
    float *narrow = to_f64 ? (float *)to + count : to;
    AYF_TRY(ayf_cuda_check(
        d, d->api.cuMemcpyDtoHAsync_v2(narrow, address(from), count * sizeof(float), d->stream),
        "copying from it"));
    AYF_TRY(wait(d, "computing"));
    for (size_t i = 0; to_f64 && i < count; i++) {
        float value;
        memcpy(&value, narrow + i, sizeof value);
        double wide = (double)value;
        memcpy((double *)to + i, &wide, sizeof wide);
    }
    return AYF_OK;
}

static ayf_status cuda_copy(ayf_backend *backend, void *to, const void *from, size_t count) {
    const ayf_cuda_device *d = own(backend)->device;
    AYF_TRY(ayf_cuda_enter(d));
    return ayf_cuda_check(
        d, d->api.cuMemcpyDtoDAsync_v2(address(to), address(from), count * sizeof(float), d->stream),
        "copying");
}

static ayf_status cuda_poison(ayf_backend *backend, void *memory, size_t bytes) {
    enum { NAN_OF_BOTH = 0x7FFF }; /* of one bfloat16, and of a float made of two */
    const ayf_cuda_device *d = own(backend)->device;
    AYF_TRY(ayf_cuda_enter(d));
    return ayf_cuda_check(
        d, d->api.cuMemsetD16Async(address(memory), NAN_OF_BOTH, bytes / sizeof(ayf_bf16), d->stream),
        "poisoning");
}

static ayf_status cuda_room(ayf_backend *backend, uint64_t *bytes) {
    const ayf_cuda_device *d = own(backend)->device;
    size_t left = 0, total = 0;
    AYF_TRY(ayf_cuda_enter(d));
    AYF_TRY(ayf_cuda_check(d, d->api.cuMemGetInfo_v2(&left, &total), "asking for its memory"));
    /* What libraries take when their kernels run for the first time cannot be known. */
    size_t reserve = total / RESERVE_SHARE < RESERVE_MOST ? total / RESERVE_SHARE : RESERVE_MOST;
    *bytes = left > reserve ? left - reserve : 0;
    return AYF_OK;
}

/* ---- Preparing ---- */

static void cuda_drop(ayf_backend *backend, void *kernel) {
    cuda_kernel *k = kernel;
    own(backend)->device->api.cuCtxSetCurrent(own(backend)->device->context);
    ayf_cuda_heavy_free(own(backend)->device, k->heavy);
    ayf_cuda_exchange_free(backend->ctx, k->exchange);
    ayf_cuda_launches_free(backend->ctx, &k->before);
    ayf_cuda_launches_free(backend->ctx, &k->after);
    ayf_free(backend->ctx, k);
}

static ayf_status prepare(cuda_backend *b, const ayf_graph *g, const ayf_step *step, cuda_kernel *k) {
    ayf_cuda_writer before = {.code = &b->code, .launches = &k->before};
    ayf_cuda_writer after = {.code = &b->code, .launches = &k->after};
    if (step->group) return ayf_cuda_emit_group(&before, g, step);
    switch (ayf_op_table[ayf_at(g, step->node)->op].class_) {
    case AYF_CLASS_CONV:
    case AYF_CLASS_GEMM:
        return ayf_cuda_heavy_new(b->device, g, step, &before, &after, &k->heavy);
    case AYF_CLASS_COPY:
    case AYF_CLASS_RESAMPLE:
        return ayf_cuda_emit_move(&before, g, step);
    default:
        return ayf_cuda_exchange_new(b->device, g, step, &k->exchange);
    }
}

static ayf_status cuda_prepare(ayf_backend *backend, const ayf_graph *g, const ayf_step *step, void **kernel,
                               ayf_kernel_memory *memory) {
    AYF_TRY(ayf_cuda_enter(own(backend)->device));
    cuda_kernel *k = ayf_alloc(backend->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    ayf_status status = prepare(own(backend), g, step, k);
    if (status != AYF_OK) {
        cuda_drop(backend, k);
        return status;
    }
    memory->scratch = k->before.scratch;
    *kernel = k;
    return AYF_OK;
}

static ayf_status cuda_ready(ayf_backend *backend) {
    cuda_backend *b = own(backend);
    AYF_TRY(ayf_cuda_enter(b->device));
    return ayf_cuda_compile(b->device, &b->code, backend->ctx->cache, &b->modules);
}

/* ---- Running ---- */

static ayf_status launch(cuda_backend *b, const ayf_cuda_launches *launches, void *const *args,
                         char *scratch) {
    const ayf_cuda_device *d = b->device;
    void *pointer[AYF_CUDA_MAX_POINTERS], *parameters[] = {pointer};
    for (uint32_t i = 0; i < launches->count; i++) {
        const ayf_cuda_launch *l = &launches->launch[i];
        for (uint32_t k = 0; k < l->count; k++) {
            const ayf_cuda_pointer *p = &launches->pointer[l->first + k];
            pointer[k] = p->argument == AYF_CUDA_SCRATCH ? scratch + p->offset : args[p->argument];
        }
        AYF_TRY(ayf_cuda_check(d,
                               d->api.cuLaunchKernel(b->code.function[l->function].handle,
                                                     (unsigned)l->grid.blocks, 1, 1, (unsigned)l->grid.tx,
                                                     (unsigned)l->grid.ty, 1, 0, d->stream, parameters, NULL),
                               "starting a kernel"));
    }
    return AYF_OK;
}

static ayf_status run(cuda_backend *b, const cuda_kernel *k, void *const *args, void *scratch) {
    AYF_TRY(ayf_cuda_enter(b->device));
    AYF_TRY(launch(b, &k->before, args, scratch));
    if (k->heavy) AYF_TRY(ayf_cuda_heavy_run(b->device, k->heavy, args, scratch));
    return launch(b, &k->after, args, scratch);
}

static void cuda_launch(ayf_backend *backend, void *kernel, void *const *args, void *scratch) {
    cuda_backend *b = own(backend);
    const cuda_kernel *k = kernel;
    if (k->exchange) { /* also after a failure: other processes wait for it */
        ayf_status status = ayf_cuda_enter(b->device);
        if (status == AYF_OK) status = ayf_cuda_exchange_run(b->device, k->exchange, args);
        if (b->failed == AYF_OK) b->failed = status;
    }
    if (b->failed == AYF_OK) b->failed = run(b, k, args, scratch);
}

static ayf_status cuda_sync(ayf_backend *backend) {
    cuda_backend *b = own(backend);
    ayf_status status = b->failed;
    b->failed = AYF_OK;
    if (status == AYF_OK) status = ayf_cuda_enter(b->device);
    if (status == AYF_OK) return wait(b->device, "computing");
    b->device->api.cuStreamSynchronize(b->device->stream); /* what was started before it */
    return status;
}

static const char *cuda_describe(const void *kernel) {
    const cuda_kernel *k = kernel;
    if (k->exchange) return "NCCL";
    return k->heavy ? ayf_cuda_heavy_describe(k->heavy) : "cuda";
}

/* ---- Recording ---- */

/* NCCL wants an exchange to be recorded by all processes, or by none. One that could not record has not failed yet. */
static ayf_status agree_to_record(const cuda_backend *b, ayf_status status) {
    ayf_comm *comm;
    if (!b->together || !b->device->nccl) return status;
    AYF_TRY(ayf_comm_open(b->base.ctx, &comm));
    return ayf_comm_agree(comm, status == AYF_E_DEVICE ? AYF_E_INTERNAL : status);
}

static ayf_status cuda_record(ayf_backend *backend, bool together) {
    const ayf_cuda_device *d = own(backend)->device;
    own(backend)->together = together;
    ayf_status status = ayf_cuda_enter(d);
    if (status == AYF_OK)
        status = ayf_cuda_check(
            d, d->api.cuStreamBeginCapture_v2(d->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "recording");
    ayf_status agreed = agree_to_record(own(backend), status);
    ayf_cu_graph graph = NULL;
    if (status == AYF_OK && agreed != AYF_OK && d->api.cuStreamEndCapture(d->stream, &graph) == CUDA_SUCCESS)
        d->api.cuGraphDestroy(graph);
    return agreed;
}

static ayf_status cuda_recorded(ayf_backend *backend, void **recording) {
    cuda_backend *b = own(backend);
    const ayf_cuda_device *d = b->device;
    ayf_cu_graph graph = NULL;
    ayf_cu_graph_exec made = NULL;
    ayf_cu_result ended = d->api.cuStreamEndCapture(d->stream, &graph);
    ayf_status status = b->failed; /* which is why the recording did not end well, if it did not */
    b->failed = AYF_OK;
    if (status == AYF_OK) status = ayf_cuda_check(d, ended, "recording");
    if (status == AYF_OK)
        status = ayf_cuda_check(d, d->api.cuGraphInstantiateWithFlags(&made, graph, 0), "recording");
    if (graph) d->api.cuGraphDestroy(graph);
    if (status == AYF_OK) *recording = made;
    return agree_to_record(b, status);
}

static void cuda_replay(ayf_backend *backend, void *recording) {
    cuda_backend *b = own(backend);
    const ayf_cuda_device *d = b->device;
    if (b->failed == AYF_OK) b->failed = ayf_cuda_enter(d);
    if (b->failed == AYF_OK)
        b->failed = ayf_cuda_check(d, d->api.cuGraphLaunch(recording, d->stream), "starting a step");
    if (b->failed != AYF_OK && d->nccl)
        b->failed = AYF_E_DEVICE; /* the other processes wait for its exchange */
}

static void cuda_forget(ayf_backend *backend, void *recording) {
    const ayf_cuda_device *d = own(backend)->device;
    if (d->api.cuCtxSetCurrent(d->context) != CUDA_SUCCESS) return;
    d->api.cuStreamSynchronize(d->stream);
    d->api.cuGraphExecDestroy(recording);
}

/* ---- The table ---- */

static void cuda_uses(const ayf_backend *backend, const char **sets, int *threads) {
    *sets = own(backend)->uses;
    *threads = 1;
}

static ayf_status cuda_tell(ayf_backend *backend, ayf_print_fn *print, void *user) {
    return ayf_cuda_device_tell(own(backend)->device, print, user);
}

static bool cuda_prefers_bf16(const ayf_backend *backend) {
    return own(backend)->device->architecture >= AYF_CUDA_AMPERE;
}

static ayf_status cuda_facts(ayf_backend *backend, ayf_backend_facts *facts) {
    (void)backend;
    *facts =
        (ayf_backend_facts){.threads = 1, .conv_peak_gflops = (double)NAN, .bf16_peak_gflops = (double)NAN};
    return AYF_OK;
}

static void cuda_close(ayf_backend *backend) {
    cuda_backend *b = own(backend);
    if (b->device && b->device->api.cuCtxSetCurrent(b->device->context) == CUDA_SUCCESS)
        b->device->api.cuStreamSynchronize(b->device->stream);
    if (b->device) ayf_cuda_modules_free(b->device, &b->modules);
    ayf_cuda_code_free(&b->code);
    ayf_cuda_device_close(b->device);
    ayf_free(backend->ctx, b);
}

static const ayf_backend_ops cuda_ops = {
    .name = "cuda",
    .uses = cuda_uses,
    .tell = cuda_tell,
    .element_size = {[AYF_F32] = sizeof(float), [AYF_BF16] = sizeof(ayf_bf16)},
    .fuses = true,
    .prefers_bf16 = cuda_prefers_bf16,
    .narrow_weight_gradients = true,
    .close = cuda_close,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .taken = cuda_taken,
    .room = cuda_room,
    .upload = cuda_upload,
    .fetch = cuda_fetch,
    .copy = cuda_copy,
    .poison = cuda_poison,
    .prepare = cuda_prepare,
    .ready = cuda_ready,
    .launch = cuda_launch,
    .describe = cuda_describe,
    .drop = cuda_drop,
    .record = cuda_record,
    .recorded = cuda_recorded,
    .replay = cuda_replay,
    .forget = cuda_forget,
    .sync = cuda_sync,
    .facts = cuda_facts,
};

/* The number behind "cuda:". Without one, processes that train together take the GPUs of a machine in turn. */
static ayf_status number_of(ayf_context *ctx, const ayf_comm *comm, int *number) {
    const char *colon = strchr(ctx->device, ':');
    char *end = NULL;
    *number = comm->ranks > 1 ? AYF_CUDA_IN_TURN + comm->machine_rank : 0;
    if (!colon) return AYF_OK;
    long value = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || value < 0 || value > INT16_MAX || colon[1] < '0' || colon[1] > '9')
        return ayf_fail(ctx, AYF_E_USAGE, "device %s: must be cuda or cuda:N, with N from 0", ctx->device);
    if (comm->ranks > 1)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "device %s: several processes need a GPU each; give cuda, and each takes its own",
                        ctx->device);
    *number = (int)value;
    return AYF_OK;
}

/* All processes together: what fails on one of them is known to all before they wait for each other. */
static ayf_status open_device(ayf_context *ctx, ayf_cuda_device **device) {
    ayf_comm *comm;
    int number = 0;
    AYF_TRY(ayf_comm_open(ctx, &comm));
    ayf_status status = number_of(ctx, comm, &number);
    if (status == AYF_OK) status = ayf_cuda_device_open(ctx, number, ctx->cuda_path, device);
    if (comm->ranks == 1) return status;
    AYF_TRY(ayf_comm_agree(comm, status));
    return ayf_cuda_exchange_join(*device, comm);
}

ayf_status ayf_cuda_open(ayf_context *ctx, ayf_backend **out) {
    cuda_backend *b = ayf_alloc(ctx, 1, sizeof *b);
    if (!b) return AYF_E_MEMORY;
    b->base.ops = &cuda_ops;
    b->base.ctx = ctx;
    b->code.ctx = ctx;
    ayf_status status = open_device(ctx, &b->device);
    if (status != AYF_OK) {
        cuda_close(&b->base);
        return status;
    }
    snprintf(b->uses, sizeof b->uses, "%s, %s", b->device->name, b->device->libraries);
    *out = &b->base;
    return AYF_OK;
}

void ayf_cuda_look(ayf_context *ctx, ayf_print_fn *print, void *user) {
    ayf_cuda_tell_libraries(ctx->cuda_path, print, user);
}
