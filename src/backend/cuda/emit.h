/* The kernels of a step as text: groups, sums, copies and resampling. Convolutions, products and exchanges are not
 * generated. The launches of the step go to writer->launches.
 *
 * A thread takes four neighbours at once where the last axis consists of fours: it loads them together where they lie
 * together, and stores them together.
 *
 * A group without ROW values is one loop over its elements. Where there are ROW values, a line of threads computes a
 * row in phases: a loop over the row computes the FULL values of a phase and adds up what the next phase reduces; the
 * threads combine their sums; the ROW values of the next phase follow. They combine them by shuffles in a warp, and meet at
 * barriers where a row takes several warps. A FULL value that a later phase needs waits in registers, or in scratch memory
 * where the row is long. A value that takes the place of a leaf is stored in the last phase, after every element has been
 * read.
 *
 * Sums over other axes (terminals) write their summands to scratch memory, of a row that is summed whole one; functions of
 * their own add these up in double precision, in a fixed order and without atomics, so that the same input gives the same
 * bytes. */
#ifndef AYF_BACKEND_CUDA_EMIT_H
#define AYF_BACKEND_CUDA_EMIT_H

#include "backend/cuda/code.h"
#include "pass/steps.h"

ayf_status ayf_cuda_emit_group(ayf_cuda_writer *writer, const ayf_graph *g, const ayf_step *step);

/* Terminal `index` of a group, from its summands (dense along the first `rank` axes, float) at `summands` in scratch
 * memory. */
ayf_status ayf_cuda_emit_terminal(ayf_cuda_writer *writer, const ayf_step *step, uint32_t index, int rank,
                                  size_t summands);

/* PAD, CONCAT and UPFIRDN. */
ayf_status ayf_cuda_emit_move(ayf_cuda_writer *writer, const ayf_graph *g, const ayf_step *step);

/* Copies `elements` numbers into another element. */
ayf_status ayf_cuda_emit_convert(ayf_cuda_writer *writer, int64_t elements, ayf_element from_element,
                                 ayf_cuda_pointer from, ayf_element to_element, ayf_cuda_pointer to);

/* The text in front of a number that is read from, or written to, an array of `element`; behind it is ")". */
static inline const char *ayf_cuda_widen(ayf_element element) {
    return element == AYF_BF16 ? "load_bf16(" : "(";
}
static inline const char *ayf_cuda_narrow(ayf_element element) {
    return element == AYF_BF16 ? "store_bf16(" : "(";
}

#endif
