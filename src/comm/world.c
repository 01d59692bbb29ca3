#include "comm/world.h"

#ifdef AYF_WITH_MPI
#include <mpi.h>

typedef struct mpi_comm {
    ayf_comm base;
    MPI_Comm world; /* a copy: messages of the caller's own do not meet ours */
    bool ours;      /* MPI was started here */
} mpi_comm;

enum { PIECE = 1 << 26 }; /* elements or bytes of one call, whose count is an int */

static ayf_status check(mpi_comm *c, int code) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int size;
    if (code == MPI_SUCCESS) return AYF_OK;
    c->base.broken = true;
    MPI_Error_string(code, text, &size);
    return ayf_fail(c->base.ctx, AYF_E_IO,
                    "the processes of the run cannot reach each other any more (%s); start the run again, "
                    "which goes on from its last checkpoint",
                    text);
}

static ayf_status sum(mpi_comm *c, char *values, size_t count, size_t size, MPI_Datatype type) {
    for (size_t at = 0; at < count; at += PIECE) {
        int length = (int)(count - at < PIECE ? count - at : PIECE);
        AYF_TRY(check(c, MPI_Allreduce(MPI_IN_PLACE, values + at * size, length, type, MPI_SUM, c->world)));
    }
    return AYF_OK;
}

static ayf_status sum_f32(ayf_comm *comm, float *values, size_t count) {
    return sum((mpi_comm *)comm, (char *)values, count, sizeof *values, MPI_FLOAT);
}

static ayf_status sum_f64(ayf_comm *comm, double *values, size_t count) {
    return sum((mpi_comm *)comm, (char *)values, count, sizeof *values, MPI_DOUBLE);
}

static ayf_status broadcast(ayf_comm *comm, void *bytes, size_t size, int from) {
    mpi_comm *c = (mpi_comm *)comm;
    for (size_t at = 0; at < size; at += PIECE) {
        int length = (int)(size - at < PIECE ? size - at : PIECE);
        AYF_TRY(check(c, MPI_Bcast((char *)bytes + at, length, MPI_BYTE, from, c->world)));
    }
    return AYF_OK;
}

static void close_mpi(ayf_comm *comm) {
    mpi_comm *c = (mpi_comm *)comm;
    if (!c->base.broken) {
        MPI_Comm_free(&c->world);
        if (c->ours) MPI_Finalize();
    }
    ayf_free(comm->ctx, c);
}

static const ayf_comm_ops mpi_ops = {
    .sum_f32 = sum_f32, .sum_f64 = sum_f64, .broadcast = broadcast, .close = close_mpi};

/* Our kernels have threads, but only the thread that called the library calls MPI. */
static ayf_status start(ayf_context *ctx, bool *ours) {
    int is_started, is_ended, level;
    MPI_Initialized(&is_started);
    MPI_Finalized(&is_ended);
    *ours = !is_started;
    if (is_ended)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "MPI has been ended in this process and cannot be started again: use one context "
                        "with mpi, or start MPI before the first and end it after the last");
    if (!is_started && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return ayf_fail(ctx, AYF_E_IO, "MPI cannot be started in this process");
    return AYF_OK;
}

static ayf_status count_on_machine(mpi_comm *c) {
    MPI_Comm machine;
    AYF_TRY(
        check(c, MPI_Comm_split_type(c->world, MPI_COMM_TYPE_SHARED, c->base.rank, MPI_INFO_NULL, &machine)));
    AYF_TRY(check(c, MPI_Comm_rank(machine, &c->base.machine_rank)));
    return check(c, MPI_Comm_free(&machine));
}

ayf_status ayf_comm_open_mpi(ayf_context *ctx, ayf_comm **out) {
    mpi_comm *c = ayf_alloc(ctx, 1, sizeof *c);
    if (!c) return AYF_E_MEMORY;
    c->base.ops = &mpi_ops;
    c->base.ctx = ctx;
    ayf_status status = start(ctx, &c->ours);
    if (status == AYF_OK) status = check(c, MPI_Comm_dup(MPI_COMM_WORLD, &c->world));
    if (status == AYF_OK) status = check(c, MPI_Comm_set_errhandler(c->world, MPI_ERRORS_RETURN));
    if (status == AYF_OK) status = check(c, MPI_Comm_rank(c->world, &c->base.rank));
    if (status == AYF_OK) status = check(c, MPI_Comm_size(c->world, &c->base.ranks));
    if (status == AYF_OK) status = count_on_machine(c);
    if (status != AYF_OK) {
        ayf_free(ctx, c);
        return status;
    }
    *out = &c->base;
    return AYF_OK;
}

#else

ayf_status ayf_comm_open_mpi(ayf_context *ctx, ayf_comm **out) {
    *out = NULL;
    return ayf_fail(ctx, AYF_E_USAGE,
                    "several processes need MPI, which this build of ayf does not have: build with "
                    "-Dmpi=enabled (scripts/deps.sh mpi installs what that takes), or start one process "
                    "without mpirun");
}

#endif
