/* Fused groups on the CPU: a group is lowered to a list of vector instructions that run over tiles small
 * enough to stay in the cache. Inputs are read where they lie and results written where they belong; only
 * values in between use registers (slices of the scratch memory). */
#ifndef AYF_TILE_H
#define AYF_TILE_H

#include "pass/steps.h"

typedef struct ayf_tile_program ayf_tile_program;

/* The group is copied. `threads`: how many at most. */
ayf_status ayf_tile_prepare(ayf_context *ctx, const ayf_graph *g, const ayf_step *step, int threads,
                            ayf_tile_program **out);
void ayf_tile_free(ayf_context *ctx, ayf_tile_program *p);
size_t ayf_tile_scratch_bytes(const ayf_tile_program *p);

/* args: the step's inputs, then its outputs. */
void ayf_tile_run(const ayf_tile_program *p, void *const *args, void *scratch);

#endif
