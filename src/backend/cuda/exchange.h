/* Sums over the processes of a run on their GPUs: NCCL. */
#ifndef AYF_BACKEND_CUDA_EXCHANGE_H
#define AYF_BACKEND_CUDA_EXCHANGE_H

#include "backend/cuda/device.h"
#include "comm/comm.h"
#include "pass/steps.h"

typedef struct ayf_cuda_exchange ayf_cuda_exchange;

/* Joins the processes of a run, all of which call it. */
ayf_status ayf_cuda_exchange_join(ayf_cuda_device *device, ayf_comm *comm);

/* AYF_E_INTERNAL when the graph was made for another number of processes than there are. */
ayf_status ayf_cuda_exchange_new(const ayf_cuda_device *device, const ayf_graph *g, const ayf_step *step,
                                 ayf_cuda_exchange **out);
void ayf_cuda_exchange_free(ayf_context *ctx, ayf_cuda_exchange *exchange); /* NULL is fine */

/* args: step.in then step.out. All processes call it, also after a failure of what comes before. */
ayf_status ayf_cuda_exchange_run(const ayf_cuda_device *device, const ayf_cuda_exchange *exchange,
                                 void *const *args);

#endif
