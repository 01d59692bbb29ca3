/* Chooses the instructions of a fused group: ops that can share a pass over the tile become one. */
#ifndef AYF_TILE_SELECT_H
#define AYF_TILE_SELECT_H

#include "backend/cpu/tile_kernels.h"
#include "pass/steps.h"

/* Computes value[i] of the group, for i the index of the instruction. */
typedef struct ayf_tile_instr {
    uint16_t op;     /* AYF_OP_INPUT, CONST, SUM, ROWMAX, or an index of ayf_tile_table.pointwise */
    uint8_t summand; /* SUM: ayf_tile_summand */
    uint8_t inputs;  /* values read, 0 for INPUT and CONST */
    bool row;        /* one number per row */
    bool needed;     /* false: nobody reads it */
    uint16_t in[AYF_TILE_MAX_INPUTS];
} ayf_tile_instr;

/* What terminal[i] of the group adds up. */
typedef struct ayf_tile_total {
    uint8_t summand, inputs;
    uint16_t in[AYF_TILE_MAX_INPUTS];
} ayf_tile_total;

/* `step` is a group. `code` has group->value_count entries, `total` group->terminal_count. Reads of leaves
 * never move behind a store: updates in place rely on that (pass/plan.c). */
void ayf_tile_select(const ayf_graph *g, const ayf_step *step, ayf_tile_instr *code, ayf_tile_total *total);

#endif
