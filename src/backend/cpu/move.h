/* Copying and resampling on the CPU: PAD, CONCAT, UPFIRDN of dense tensors. */
#ifndef AYF_MOVE_H
#define AYF_MOVE_H

#include "ir/ir.h"
#include "pass/element.h"

/* A dense tensor: a copy of its node, its memory. */
typedef struct ayf_moved {
    const ayf_node *node;
    ayf_element element;
    void *memory; /* inputs are only read */
} ayf_moved;

/* `threads`: at most. */
void ayf_move_pad(ayf_moved out, ayf_moved in);
void ayf_move_concat(ayf_moved out, ayf_moved a, ayf_moved b, int threads);
/* `scratch` has ayf_move_upfirdn_scratch() bytes for as many threads. */
size_t ayf_move_upfirdn_scratch(const ayf_node *out, const ayf_node *in, int threads);
void ayf_move_upfirdn(ayf_moved out, ayf_moved in, const ayf_filter *filter, int threads, float *scratch);

#endif
