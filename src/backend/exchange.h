/* The kernel of an ALLREDUCE step: several tensors are packed, exchanged as one and unpacked. */
#ifndef AYF_BACKEND_EXCHANGE_H
#define AYF_BACKEND_EXCHANGE_H

#include "comm/comm.h"
#include "pass/steps.h"

typedef struct ayf_exchange ayf_exchange;

/* The processes, if the step is for as many as there are; AYF_E_INTERNAL otherwise. */
ayf_status ayf_exchange_comm(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, ayf_comm **comm);

/* For tensors whose elements are floats, or doubles if `f64`. AYF_E_INTERNAL when the graph was made for
 * another number of processes than there are. */
ayf_status ayf_exchange_prepare(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, bool f64,
                                ayf_exchange **out);
void ayf_exchange_free(ayf_exchange *x); /* NULL is fine */

size_t ayf_exchange_scratch_bytes(const ayf_exchange *x);

/* args: step.in then step.out. A process whose kernels have failed before calls this all the same, as the
 * others would wait for it. They get garbage from it, so ayf_comm_agree() follows the run of a program. */
ayf_status ayf_exchange_run(const ayf_exchange *x, void *const *args, void *scratch);

#endif
