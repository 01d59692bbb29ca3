/* What measurements of steps share. */
#ifndef AYF_BENCH_H
#define AYF_BENCH_H

#include "ayf.h"
#include "config/config.h"
#include "exec/program.h"
#include "nn/spec.h"

enum { AYF_BENCH_MOST = 100 }; /* repeats */

typedef struct ayf_bench_plan {
    ayf_model_spec network, discriminator;
    int batch, repeats;
    ayf_recompute recompute;
    ayf_cfg_guidance_kind guidance;
    bool draws;              /* sample grids */
    ayf_precision precision; /* as asked for */
} ayf_bench_plan;

/* Options and configuration, without opening any data: an unconditional U-Net and a discriminator of the same
 * images. The context computes on train.device, unless it has a device already. `options` may be NULL. */
ayf_status ayf_bench_read(ayf_context *ctx, const ayf_bench_options *options, int usual_batch,
                          int usual_repeats, ayf_bench_plan *plan);

/* The facts of a backend, and its precision where `wanted` is asked for. */
typedef struct ayf_bench_machine {
    ayf_backend_facts facts;
    ayf_precision precision, automatic;
} ayf_bench_machine;
ayf_status ayf_bench_machine_of(ayf_backend *backend, ayf_precision wanted, ayf_bench_machine *machine);

typedef struct ayf_timing {
    double least, median, most; /* seconds of a run */
    double gflop;
    uint64_t bytes;
} ayf_timing;

/* Sorts `taken`. */
ayf_timing ayf_bench_summary(const ayf_program *p, double *taken, int repeats);

#endif
