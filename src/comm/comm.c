#include "comm/comm.h"

#include <stdio.h>
#include <string.h>

#include "comm/world.h"

/* ---- One process ---- */

static void close_self(ayf_comm *comm) { ayf_free(comm->ctx, comm); }

static const ayf_comm_ops self_ops = {.close = close_self}; /* nothing else is asked of one process */

static ayf_status open_self(ayf_context *ctx, ayf_comm **out) {
    *out = ayf_alloc(ctx, 1, sizeof **out);
    if (!*out) return AYF_E_MEMORY;
    **out = (ayf_comm){.ops = &self_ops, .ctx = ctx, .ranks = 1};
    return AYF_OK;
}

/* ---- Opening ---- */

static void close_comm(void *comm) { ((ayf_comm *)comm)->ops->close(comm); }

ayf_status ayf_comm_open(ayf_context *ctx, ayf_comm **out) {
    *out = ctx->comm;
    if (*out) return AYF_OK;
    AYF_TRY(ctx->mpi ? ayf_comm_open_mpi(ctx, out) : open_self(ctx, out));
    ctx->comm = *out;
    ctx->close_comm = close_comm;
    return AYF_OK;
}

/* ---- Agreeing ---- */

/* The failure of process `from` becomes everybody's. */
static ayf_status share_failure(ayf_comm *comm, ayf_status status, int from) {
    ayf_context *ctx = comm->ctx;
    struct {
        int32_t status;
        char message[AYF_MESSAGE_SIZE];
    } failure = {(int32_t)status, ""};
    if (comm->rank == from && ctx->status == status)
        snprintf(failure.message, sizeof failure.message, "%s", ctx->message);
    AYF_TRY(ayf_comm_broadcast(comm, &failure, sizeof failure, from));
    failure.message[sizeof failure.message - 1] = 0;
    const char *text = *failure.message ? failure.message : ayf_status_text((ayf_status)failure.status);
    if (from == 0) return ayf_fail(ctx, (ayf_status)failure.status, "%s", text);
    return ayf_fail(ctx, (ayf_status)failure.status, "process %d of %d: %s", from + 1, comm->ranks, text);
}

ayf_status ayf_comm_agree(ayf_comm *comm, ayf_status status) {
    enum { MOST = 64 };
    if (comm->ranks == 1) return status;
    if (status == AYF_E_DEVICE && comm->broken) return status;
    if (status == AYF_E_DEVICE) {
        comm->broken = true;
        return ayf_fail_prefix(comm->ctx, "process %d of %d: ", comm->rank + 1, comm->ranks);
    }
    double failed = status != AYF_OK;
    AYF_TRY(ayf_comm_sum_f64(comm, &failed, 1));
    if (failed <= 0) return AYF_OK;
    /* Some at a time, from the lowest on: rarely needed, so it may be slow. */
    for (int first = 0; first < comm->ranks; first += MOST) {
        double at[MOST] = {0};
        if (status != AYF_OK && comm->rank >= first && comm->rank < first + MOST) at[comm->rank - first] = 1;
        AYF_TRY(ayf_comm_sum_f64(comm, at, MOST));
        for (int i = 0; i < MOST; i++)
            if (at[i] > 0) return share_failure(comm, status, first + i);
    }
    return ayf_fail(comm->ctx, AYF_E_INTERNAL, "the processes of the run disagree about a failure");
}
