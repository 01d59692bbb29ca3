/* Matrix products of the CUDA backend: cuBLASLt. */
#ifndef AYF_BACKEND_CUDA_GEMM_H
#define AYF_BACKEND_CUDA_GEMM_H

#include "backend/cuda/device.h"
#include "ir/gemm.h"
#include "pass/element.h"

typedef struct ayf_cuda_gemm ayf_cuda_gemm;

/* a and b have element `in`; all are dense and row-major, and sums are in 32 bits. The first of cuBLASLt's proposals is
 * taken, which is the same every time. */
ayf_status ayf_cuda_gemm_new(const ayf_cuda_device *device, const ayf_gemm_shape *shape, ayf_element in,
                             ayf_element result, ayf_cuda_gemm **out);
void ayf_cuda_gemm_free(const ayf_cuda_device *device, ayf_cuda_gemm *gemm); /* NULL is fine */
size_t ayf_cuda_gemm_scratch(const ayf_cuda_gemm *gemm);                     /* bytes */
ayf_status ayf_cuda_gemm_run(const ayf_cuda_device *device, const ayf_cuda_gemm *gemm, const void *a,
                             const void *b, void *out, void *scratch);

#endif
