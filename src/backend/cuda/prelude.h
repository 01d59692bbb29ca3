/* The words that the text of kernels is written in. */
#ifndef AYF_BACKEND_CUDA_PRELUDE_H
#define AYF_BACKEND_CUDA_PRELUDE_H

#include "io/text.h"

/* KERNEL(name, n, threads) begins a function of n pointers, of which POINTER(i) is one, and of blocks of so many threads,
 * for which the compiler has to find registers; BLOCK and BLOCKS are the number of its block and of all blocks; LANE and
 * LINE are the number of the thread along the two axes of a block, which has THREADS(n) where n are asked for; SHARED is
 * memory of a block and SYNC() its barrier; SHUFFLE(x, n) is the x of the thread whose number in the warp differs by the
 * bit n; ALIGN(n) makes a type aligned, and ALIGNED(p, n) says that a pointer is; INLINE begins a function that kernels
 * call. Whoever compiles the text for something else than CUDA defines KERNEL and these words before it.
 * lanes_1 and lanes_4 are neighbours in memory, which load_float_4(p), store_bf16_4(p, x) and the like move at once.
 * Then come the functions of one number, which ir/ops.def lists: op_ADD(a, b). */
void ayf_cuda_prelude(ayf_text *text);

#endif
