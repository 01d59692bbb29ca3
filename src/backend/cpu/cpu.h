/* The CPU backend in fp32: heavy kernels for convolutions and matrix products, tiles for fused groups. */
#ifndef AYF_CPU_H
#define AYF_CPU_H

#include "exec/backend.h"

/* Uses ctx->threads threads (0: one per processor), never more than OpenMP allows. Not from inside a parallel
 * region. */
ayf_status ayf_cpu_open(ayf_context *ctx, ayf_backend **out);

#endif
