/* A convolution or a matrix product with whatever elements its arrays have: operands of different ones are widened
 * first, and a result that the library does not write is converted afterwards. */
#ifndef AYF_BACKEND_CUDA_HEAVY_H
#define AYF_BACKEND_CUDA_HEAVY_H

#include "backend/cuda/code.h"
#include "backend/cuda/device.h"
#include "pass/steps.h"

typedef struct ayf_cuda_heavy ayf_cuda_heavy;

/* Conversions before go to `before`, those after to `after`; both writers have the same code. Scratch memory that they
 * share with the product itself is reserved in before->launches. */
ayf_status ayf_cuda_heavy_new(const ayf_cuda_device *device, const ayf_graph *g, const ayf_step *step,
                              ayf_cuda_writer *before, ayf_cuda_writer *after, ayf_cuda_heavy **out);
void ayf_cuda_heavy_free(const ayf_cuda_device *device, ayf_cuda_heavy *heavy); /* NULL is fine */

/* Between the two. */
ayf_status ayf_cuda_heavy_run(const ayf_cuda_device *device, const ayf_cuda_heavy *heavy, void *const *args,
                              void *scratch);
const char *ayf_cuda_heavy_describe(const ayf_cuda_heavy *heavy);

#endif
