/* A compiled graph: bind memory once, then run it again and again without allocating.
 *
 *     ayf_program *p;
 *     AYF_TRY(ayf_compile(backend, graph, NULL, &p));          // the program now owns the graph
 *     AYF_TRY(ayf_program_bind(p, "w", weights));              // shared memory; other leaves get their own
 *     AYF_TRY(ayf_program_set(p, "x", x, 32 * 64));
 *     AYF_TRY(ayf_program_run(p));
 *     AYF_TRY(ayf_program_get(p, "y", y, 32 * 10));
 */
#ifndef AYF_PROGRAM_H
#define AYF_PROGRAM_H

#include "base/available.h"
#include "exec/buffer.h"
#include "pass/plan.h"
#include "pass/recompute.h"

void ayf_backend_close(ayf_backend *backend);

/* What the backend's memory has left. */
ayf_status ayf_backend_room(ayf_backend *backend, ayf_available *room);

/* AYF_E_MEMORY when `bytes` more are not there for the backend; `what` and `instead` as in base/available.h. */
ayf_status ayf_backend_check_memory(ayf_backend *backend, uint64_t bytes, const char *what,
                                    const char *instead);

/* `wanted`, or what AUTO comes to on this backend. */
ayf_precision ayf_backend_precision(const ayf_backend *backend, ayf_precision wanted);

typedef struct ayf_program ayf_program;

typedef struct ayf_compile_options { /* all zero = defaults */
    ayf_plan_mode plan;
    ayf_precision precision;         /* HIGHEST or BF16; AUTO is settled before, by ayf_backend_precision() */
    ayf_recompute_options recompute; /* ayf_recompute_default() */
} ayf_compile_options;

/* Takes ownership of `g`, also on failure (the graph's own sticky failure is reported here). `backend` must
 * outlive the program. */
ayf_status ayf_compile(ayf_backend *backend, ayf_graph *g, const ayf_compile_options *options,
                       ayf_program **out);
void ayf_program_free(ayf_program *p);

/* Known before anything runs. */
typedef struct ayf_program_facts {
    size_t arena_bytes;   /* intermediate tensors, reused over their lifetimes, and what kernels keep */
    size_t scratch_bytes; /* the largest need of one kernel */
    size_t leaf_bytes;    /* inputs, parameters, state; shared buffers included */
    size_t own_bytes;     /* of leaf_bytes, those that are not bound */
    size_t
        read_bytes;   /* leaf_bytes if all PARAM leaves were bound to buffers that are read (exec/buffer.h) */
    double flops;     /* of convolutions and matrix products in one run, steps that run once excluded */
    uint32_t steps;   /* kernels launched per run */
    uint32_t kernels; /* of those without the repetitions */
    uint32_t nodes;   /* of the graph */
} ayf_program_facts;
ayf_program_facts ayf_program_describe(const ayf_program *p);
ayf_backend *ayf_program_backend(const ayf_program *p); /* what it was compiled for */

/* What ayf_program_ready() is going to allocate: everything above but what is bound and what kernels keep. */
size_t ayf_program_missing_bytes(const ayf_program *p);

/* Whether that memory is there. `what` and `instead` as in base/available.h. */
ayf_status ayf_program_check_memory(const ayf_program *p, const char *what, const char *instead);

/* The leaf uses the memory of `buffer`, which must have its size and outlive the program. A buffer that is read is held
 * as long as the program needs its values: no longer than the steps that run once, where no other reads the leaf. */
ayf_status ayf_program_bind(ayf_program *p, const char *leaf, ayf_buffer *buffer);
bool ayf_program_has_leaf(const ayf_program *p, const char *leaf);

/* The leaves in the order in which the graph declared them. The name lives as long as the program. */
typedef struct ayf_program_leaf {
    const char *name; /* with its scope */
    ayf_storage storage;
    size_t elements;
} ayf_program_leaf;
uint32_t ayf_program_leaf_count(const ayf_program *p);
ayf_program_leaf ayf_program_leaf_at(const ayf_program *p, uint32_t index);

bool ayf_program_has_output(const ayf_program *p, const char *output);

/* Writes a leaf; `count` must be its size. */
ayf_status ayf_program_set(ayf_program *p, const char *leaf, const float *values, size_t count);
ayf_status ayf_program_set_f64(ayf_program *p, const char *leaf, const double *values, size_t count);

/* Reads an output after a run. */
ayf_status ayf_program_get(ayf_program *p, const char *output, float *values, size_t count);
ayf_status ayf_program_get_f64(ayf_program *p, const char *output, double *values, size_t count);

/* PARAM leaves changed through their buffer: what was computed from them once is computed again. Buffers that are read
 * are read again for it. */
void ayf_program_refresh(ayf_program *p);

/* Everything that has to be there before a run: every INPUT and LAST leaf set or bound once (AYF_E_INTERNAL
 * names the first that is not; PARAM and STATE leaves begin as zeros), memory for the leaves that are not
 * bound, for what is computed and for a trace. AYF_E_MEMORY before any of it is allocated when the machine has
 * less. A run begins with it, so a caller needs it only to tell a
 * failure before the first kernel, after which all leaves are as they were, from one on the way. */
ayf_status ayf_program_ready(ayf_program *p);

/* Computes the outputs and replaces the STATE leaves that have an update. Failures of kernels are returned
 * here, traced or not, and the next run starts afresh. After a failure the outputs are undefined, and so are
 * the values of STATE leaves, some of which are updated in place: do not save them, and set them anew before
 * the next run. */
ayf_status ayf_program_run(ayf_program *p) AYF_MUST_CHECK;

/* The same in two halves, between which the caller may do something else while a device computes: no leaf may be set, no
 * output fetched and no memory that the program uses be touched before the second one. Failures of either half are
 * those of ayf_program_run(). */
ayf_status ayf_program_start(ayf_program *p) AYF_MUST_CHECK;
ayf_status ayf_program_wait(ayf_program *p) AYF_MUST_CHECK;

/* The same but for everything that depends on a LAST leaf: neither such outputs nor such updates are computed,
 * and these outputs must not be fetched. A batch that is too large for the memory is run in parts, each but
 * the last by this function, while STATE leaves keep the sums over the parts. */
ayf_status ayf_program_run_part(ayf_program *p) AYF_MUST_CHECK;

#endif
