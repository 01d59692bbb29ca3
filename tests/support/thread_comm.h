/* Processes played by threads of a test: every thread has a context of its own with one of these
 * communicators.
 *
 *     thread_world world;
 *     thread_world_open(&world, 2);
 *     in thread `rank`:  thread_comm comm; thread_comm_join(&comm, &world, rank, ctx); ... ayf_close(ctx)
 *     thread_world_close(&world);
 */
#ifndef TEST_THREAD_COMM_H
#define TEST_THREAD_COMM_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

enum { THREADS_MOST = 4 };

typedef struct thread_world {
    int ranks;
    pthread_barrier_t barrier;
    void *at[THREADS_MOST];
    bool drifts; /* the second thread gets other sums of floats than the first */
} thread_world;

typedef struct thread_comm {
    ayf_comm base;
    thread_world *world;
} thread_comm;

static inline void thread_wait(thread_world *world) { pthread_barrier_wait(&world->barrier); }

static inline ayf_status thread_sum(ayf_comm *comm, void *values, size_t count, bool f64) {
    thread_world *world = ((thread_comm *)comm)->world;
    size_t size = f64 ? sizeof(double) : sizeof(float);
    char *sum = calloc(count + 1, size);
    world->at[comm->rank] = values;
    thread_wait(world);
    for (int rank = 0; sum && rank < world->ranks; rank++)
        for (size_t i = 0; i < count; i++) {
            if (f64)
                ((double *)sum)[i] += ((double *)world->at[rank])[i];
            else
                ((float *)sum)[i] += ((float *)world->at[rank])[i];
        }
    thread_wait(world);
    if (sum) memcpy(values, sum, count * size);
    for (size_t i = 0; !f64 && world->drifts && comm->rank == 1 && i < count; i++)
        ((float *)values)[i] *= 1.25f;
    free(sum);
    return sum ? AYF_OK : AYF_E_MEMORY;
}

static inline ayf_status thread_sum_f32(ayf_comm *comm, float *values, size_t count) {
    return thread_sum(comm, values, count, false);
}
static inline ayf_status thread_sum_f64(ayf_comm *comm, double *values, size_t count) {
    return thread_sum(comm, values, count, true);
}

static inline ayf_status thread_broadcast(ayf_comm *comm, void *bytes, size_t size, int from) {
    thread_world *world = ((thread_comm *)comm)->world;
    world->at[comm->rank] = bytes;
    thread_wait(world);
    if (comm->rank != from) memcpy(bytes, world->at[from], size);
    thread_wait(world);
    return AYF_OK;
}

static inline void thread_close(ayf_comm *comm) { (void)comm; }
static inline void thread_forget(void *comm) { (void)comm; }

static inline void thread_comm_join(thread_comm *comm, thread_world *world, int rank, ayf_context *owner) {
    static const ayf_comm_ops ops = {thread_sum_f32, thread_sum_f64, thread_broadcast, thread_close};
    comm->base = (ayf_comm){
        .ops = &ops, .ctx = owner, .rank = rank, .ranks = world->ranks, .machine_rank = rank};
    comm->world = world;
    owner->comm = comm;
    owner->close_comm = thread_forget;
}

static inline void thread_world_open(thread_world *world, int ranks) {
    memset(world, 0, sizeof *world);
    world->ranks = ranks;
    pthread_barrier_init(&world->barrier, NULL, (unsigned)ranks);
}

static inline void thread_world_close(thread_world *world) { pthread_barrier_destroy(&world->barrier); }

#endif
