/* What a traced program spends its time on: one line of the log per kernel launched, and totals at the end. */
#ifndef AYF_TRACE_H
#define AYF_TRACE_H

#include "exec/backend.h"

typedef struct ayf_trace ayf_trace;

/* `kernel` has one entry per step. All arguments must outlive the trace. NULL: no memory. */
ayf_trace *ayf_trace_new(ayf_backend *backend, const ayf_graph *g, const ayf_schedule *schedule,
                         void *const *kernel);
void ayf_trace_free(ayf_context *ctx, ayf_trace *trace); /* NULL is fine */

/* Launches the kernel of step `at`, waits for it and logs
 *
 *     cpu %610 = CONV_FPROP(%598, %609) 32x4x4x48 | onednn jit:avx512_core blocked | 400384 bytes | 195.0 us
 *
 * Returns what sync returned. */
ayf_status ayf_trace_launch(ayf_trace *trace, uint32_t at, void *const *args, void *scratch);

/* Logs the totals of all launches: per kind of step and, indented below it, per implementation. The kinds come
 * in the order of their time, and so do the implementations of a kind.
 *
 *     cpu total of 480 launches in 0.841107 s
 *     cpu total CONV_FPROP | 96 launches | 0.410012 s | 48.7 % | 351.2 GFLOP/s
 *     cpu total   onednn jit:avx512_core blocked | 90 launches | 0.400208 s | 47.6 % | 352.0 GFLOP/s
 *
 * Steps that are neither convolutions nor products have no rate. Says nothing when nothing was launched. */
void ayf_trace_totals(const ayf_trace *trace);

#endif
