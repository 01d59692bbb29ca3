/* Convolutions of the CUDA backend: cuDNN's graph API, one operation per graph. */
#ifndef AYF_BACKEND_CUDA_CONV_H
#define AYF_BACKEND_CUDA_CONV_H

#include "backend/cuda/device.h"
#include "ir/conv.h"
#include "pass/element.h"

typedef struct ayf_cuda_conv ayf_cuda_conv;

/* Which arrays a face reads and writes, and how their numbers lie in memory. Sums are in 32 bits; where the operands
 * are in 32 bits, so are the products (no TF32). */
typedef struct ayf_cuda_conv_face {
    ayf_op op;          /* AYF_OP_CONV_* */
    ayf_element in;     /* of both operands */
    ayf_element result; /* may differ */
    bool compiled;      /* also by engines that cuDNN compiles when it plans them */
} ayf_cuda_conv_face;

/* Takes the first of cuDNN's proposals that gives the same bytes every time, keeps to the precision and needs no more
 * than 256 MiB; where there is none, one that transforms (Winograd, FFT). Nothing is measured, so the choice is the same
 * every time. *out is NULL when cuDNN has none. */
ayf_status ayf_cuda_conv_new(const ayf_cuda_device *device, const ayf_conv_shape *shape,
                             ayf_cuda_conv_face face, ayf_cuda_conv **out);
void ayf_cuda_conv_free(const ayf_cuda_device *device, ayf_cuda_conv *conv); /* NULL is fine */
size_t ayf_cuda_conv_scratch(const ayf_cuda_conv *conv);                     /* bytes */

const char *ayf_cuda_conv_name(const ayf_cuda_conv *conv); /* "cuDNN 38": the engine that was taken */

/* Operands and result in the order of the op: x, w -> y; y, w -> x; x, y -> w. */
ayf_status ayf_cuda_conv_run(const ayf_cuda_device *device, const ayf_cuda_conv *conv, void *a, void *b,
                             void *out, void *scratch);

#endif
