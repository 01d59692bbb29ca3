/* The processes of a run: who this one is, and what they do together.
 *
 *     ayf_comm *comm;
 *     AYF_TRY(ayf_comm_open(ctx, &comm));                // the context's; one process unless it asks for MPI
 *     AYF_TRY(ayf_comm_sum_f64(comm, figures, count));   // on all processes
 *     AYF_TRY(ayf_comm_agree(comm, status));             // nobody goes on when one of them failed
 *
 * Every function but ayf_comm_open() of one process is collective: all processes call the same functions with
 * the same sizes in the same order, or they wait for each other for ever. So what can fail on one of them is
 * followed by ayf_comm_agree() before the next collective call. All processes receive the same bytes. */
#ifndef AYF_COMM_H
#define AYF_COMM_H

#include "base/base.h"

typedef struct ayf_comm ayf_comm;

typedef struct ayf_comm_ops {
    /* In place: the sum over all processes. */
    ayf_status (*sum_f32)(ayf_comm *, float *values, size_t count);
    ayf_status (*sum_f64)(ayf_comm *, double *values, size_t count);
    /* What process `from` has in `bytes` replaces what the others have there. */
    ayf_status (*broadcast)(ayf_comm *, void *bytes, size_t size, int from);
    void (*close)(ayf_comm *);
} ayf_comm_ops;

struct ayf_comm { /* first member of every implementation's own struct */
    const ayf_comm_ops *ops;
    ayf_context *ctx;
    int rank, ranks;  /* 0 <= rank < ranks */
    int machine_rank; /* from 0, among the processes on this machine */
    bool broken;      /* a process is gone or waits for ever, so nothing waits for the others any more */
};

/* The context's communicator. AYF_E_USAGE when the context asks for MPI and this build has none. */
ayf_status ayf_comm_open(ayf_context *ctx, ayf_comm **out);

static inline ayf_status ayf_comm_sum_f32(ayf_comm *c, float *values, size_t count) {
    return c->ranks > 1 ? c->ops->sum_f32(c, values, count) : AYF_OK;
}
static inline ayf_status ayf_comm_sum_f64(ayf_comm *c, double *values, size_t count) {
    return c->ranks > 1 ? c->ops->sum_f64(c, values, count) : AYF_OK;
}
static inline ayf_status ayf_comm_broadcast(ayf_comm *c, void *bytes, size_t size, int from) {
    return c->ranks > 1 ? c->ops->broadcast(c, bytes, size, from) : AYF_OK;
}

/* `status` of the lowest process whose status is a failure, with its message, on all of them; AYF_OK when
 * there is none. AYF_E_DEVICE is returned at once: the others may wait for this process's part of an exchange between
 * GPUs, and only its end frees them. */
ayf_status ayf_comm_agree(ayf_comm *comm, ayf_status status);

#endif
