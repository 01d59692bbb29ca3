/* Convolutions and matrix products of oneDNN (2.6 or later). The caller is heavy.c, which checks the shapes.
 * The comments in heavy.h on arrays, scratch memory, runs and names apply here too. */
#ifndef AYF_BACKEND_CPU_ONEDNN_H
#define AYF_BACKEND_CPU_ONEDNN_H

#include "ir/conv.h"

typedef struct ayf_onednn ayf_onednn;
typedef struct ayf_onednn_kernel ayf_onednn_kernel;

/* D[b] = op(A[b]) op(B[b]) with D [batch,m,n] dense, op(A) m x k, op(B) k x n. A transposed A[b] is stored
 * k x m, a transposed B[b] n x k. Strides count floats from one matrix of the batch to the next; 0 = dense.
 */
typedef struct ayf_gemm_shape {
    int64_t batch, m, n, k;
    bool transpose_a, transpose_b;
    int64_t stride_a, stride_b;
} ayf_gemm_shape;

ayf_status ayf_onednn_open(ayf_context *ctx, int threads, ayf_onednn **out);
void ayf_onednn_close(ayf_onednn *d); /* NULL is fine; after its kernels */

/* AYF_E_INTERNAL when oneDNN offers nothing for these shapes. */
ayf_status ayf_onednn_prepare_conv(ayf_onednn *d, const ayf_conv_shape *shape, ayf_op face,
                                   ayf_onednn_kernel **out);
ayf_status ayf_onednn_prepare_gemm(ayf_onednn *d, const ayf_gemm_shape *shape, ayf_onednn_kernel **out);
void ayf_onednn_release(ayf_onednn_kernel *kernel); /* NULL is fine */

size_t ayf_onednn_scratch_bytes(const ayf_onednn_kernel *kernel);
ayf_status ayf_onednn_run(ayf_onednn_kernel *kernel, const float *a, const float *b, float *out,
                          void *scratch);
const char *ayf_onednn_describe(const ayf_onednn_kernel *kernel);

#endif
