/* Copying and resampling on the CPU: PAD, CONCAT, UPFIRDN of dense fp32 tensors. */
#ifndef AYF_MOVE_H
#define AYF_MOVE_H

#include "ir/ir.h"

/* `in` and `out` are copies of the nodes; `threads` at most. */
void ayf_move_pad(const ayf_node *out, const ayf_node *in, const float *from, float *to);
void ayf_move_concat(const ayf_node *out, const ayf_node *a, const ayf_node *b, const float *from_a,
                     const float *from_b, float *to, int threads);
/* `scratch` has ayf_move_upfirdn_scratch() bytes for as many threads. */
size_t ayf_move_upfirdn_scratch(const ayf_node *in, int threads);
void ayf_move_upfirdn(const ayf_node *out, const ayf_node *in, const ayf_filter *filter, const float *from,
                      float *to, int threads, float *scratch);

#endif
