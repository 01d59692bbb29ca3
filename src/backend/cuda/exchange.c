#include "backend/cuda/exchange.h"

#include "backend/exchange.h"

struct ayf_cuda_exchange {
    uint32_t count; /* of tensors */
    size_t *size;   /* elements of each */
};

static ayf_status check(const ayf_cuda_device *d, ayf_nccl_result result, const char *doing) {
    if (result == ncclSuccess) return AYF_OK;
    return ayf_fail(d->ctx, AYF_E_DEVICE, "NCCL failed while %s: %s", doing,
                    d->api.ncclGetErrorString(result));
}

/* The first process makes the number by which all find each other. */
ayf_status ayf_cuda_exchange_join(ayf_cuda_device *d, ayf_comm *comm) {
    ayf_nccl_id id = {{0}};
    ayf_status status = ayf_cuda_load_nccl(d->ctx, d->ctx->cuda_path, &d->api);
    if (status == AYF_OK && comm->rank == 0)
        status = check(d, d->api.ncclGetUniqueId(&id), "joining the processes");
    AYF_TRY(ayf_comm_agree(comm, status));
    AYF_TRY(ayf_comm_broadcast(comm, &id, sizeof id, 0));
    ayf_nccl_result joined = d->api.ncclCommInitRank(&d->nccl, comm->ranks, id, comm->rank);
    if (joined == ncclInvalidUsage)
        return ayf_fail(d->ctx, AYF_E_USAGE,
                        "NCCL does not join %d processes (%s): each needs a GPU of its own; start as many "
                        "processes on a machine as it has GPUs",
                        comm->ranks, d->api.ncclGetErrorString(joined));
    return check(d, joined, "joining the processes");
}

ayf_status ayf_cuda_exchange_new(const ayf_cuda_device *d, const ayf_graph *g, const ayf_step *step,
                                 ayf_cuda_exchange **out) {
    ayf_comm *comm;
    AYF_TRY(ayf_exchange_comm(d->ctx, g, step, &comm));
    ayf_cuda_exchange *x = ayf_alloc(d->ctx, 1, sizeof *x);
    if (!x) return AYF_E_MEMORY;
    x->count = step->out_count;
    x->size = ayf_alloc(d->ctx, x->count, sizeof *x->size);
    if (!x->size) {
        ayf_cuda_exchange_free(d->ctx, x);
        return AYF_E_MEMORY;
    }
    for (uint32_t i = 0; i < x->count; i++) x->size[i] = ayf_elements(g, step->out[i]);
    *out = x;
    return AYF_OK;
}

void ayf_cuda_exchange_free(ayf_context *ctx, ayf_cuda_exchange *x) {
    if (!x) return;
    ayf_free(ctx, x->size);
    ayf_free(ctx, x);
}

static ayf_status copy_all(const ayf_cuda_device *d, const ayf_cuda_exchange *x, void *const *args) {
    for (uint32_t i = 0; i < x->count; i++) {
        ayf_cu_pointer from = (ayf_cu_pointer)(uintptr_t)args[i],
                       to = (ayf_cu_pointer)(uintptr_t)args[x->count + i];
        AYF_TRY(ayf_cuda_check(d,
                               d->api.cuMemcpyDtoDAsync_v2(to, from, x->size[i] * sizeof(float), d->stream),
                               "exchanging gradients"));
    }
    return AYF_OK;
}

ayf_status ayf_cuda_exchange_run(const ayf_cuda_device *d, const ayf_cuda_exchange *x, void *const *args) {
    static const char doing[] = "exchanging gradients";
    if (!d->nccl) return copy_all(d, x, args);
    ayf_status status = check(d, d->api.ncclGroupStart(), doing);
    for (uint32_t i = 0; i < x->count && status == AYF_OK; i++)
        status = check(d,
                       d->api.ncclAllReduce(args[i], args[x->count + i], x->size[i], ncclFloat32, ncclSum,
                                            d->nccl, d->stream),
                       doing);
    ayf_status ended = check(d, d->api.ncclGroupEnd(), doing);
    return status != AYF_OK ? status : ended;
}
