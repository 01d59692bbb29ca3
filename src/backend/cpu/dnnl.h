/* The heavy kernels of the CPU backend: the three faces of a convolution and batched matrix products.
 *
 *     ayf_dnnl *d;                        ayf_dnnl_open(ctx, threads, &d)
 *     ayf_dnnl_kernel *k;                 ayf_dnnl_prepare_conv(d, &shape, AYF_DNNL_FPROP, &k)
 *     scratch of ayf_dnnl_scratch_bytes(k), 64-byte aligned, from the caller's arena
 *     ayf_dnnl_run(k, x, w, y, scratch)   as often as wanted
 *     ayf_dnnl_release(k)                 ayf_dnnl_close(d)
 *
 * Arrays are dense fp32: activations [N,H,W,C], weights [O,KH,KW,I], matrices row-major. Preparing is slow
 * (it generates code) and chooses the implementation by a fixed rule of shape and processor, so results are
 * the same bytes from run to run at a fixed thread count. Convolutions run on kernels of our own
 * (conv_avx2.h) on processors with AVX2 and no AVX-512, where these are the faster ones; the rest is oneDNN's
 * (2.6 or later).
 */
#ifndef AYF_BACKEND_CPU_DNNL_H
#define AYF_BACKEND_CPU_DNNL_H

#include "ir/conv.h"

typedef struct ayf_dnnl ayf_dnnl;
typedef struct ayf_dnnl_kernel ayf_dnnl_kernel;

typedef enum ayf_dnnl_face {
    AYF_DNNL_FPROP, /* y  = conv(x, w);           a = x,  b = w,  out = y  */
    AYF_DNNL_DGRAD, /* dx = d<conv(x, w), dy>/dx; a = dy, b = w,  out = dx */
    AYF_DNNL_WGRAD  /* dw = d<conv(x, w), dy>/dw; a = x,  b = dy, out = dw */
} ayf_dnnl_face;

/* D[b] = op(A[b]) op(B[b]) with D [batch,m,n] dense, op(A) m x k, op(B) k x n. A transposed A[b] is stored
 * k x m, a transposed B[b] n x k. Strides count floats from one matrix of the batch to the next; 0 = dense.
 */
typedef struct ayf_gemm_shape {
    int64_t batch, m, n, k;
    bool transpose_a, transpose_b;
    int64_t stride_a, stride_b;
} ayf_gemm_shape;

/* `threads` > 0 is the number of OpenMP threads that every kernel uses. The context must outlive it. */
ayf_status ayf_dnnl_open(ayf_context *ctx, int threads, ayf_dnnl **out);
void ayf_dnnl_close(ayf_dnnl *dnnl); /* NULL is fine; after its kernels */

/* Whether kernels prepared from here on may be our own; the default is the rule above. For tests and
 * measurements: `false` leaves oneDNN alone, `true` allows ours wherever the processor can run them. */
void ayf_dnnl_own_kernels(ayf_dnnl *dnnl, bool use);

/* AYF_E_INTERNAL when the three shapes do not belong together or the library offers nothing for them. */
ayf_status ayf_dnnl_prepare_conv(ayf_dnnl *dnnl, const ayf_conv_shape *shape, ayf_dnnl_face face,
                                 ayf_dnnl_kernel **out);
ayf_status ayf_dnnl_prepare_gemm(ayf_dnnl *dnnl, const ayf_gemm_shape *shape, ayf_dnnl_kernel **out);
void ayf_dnnl_release(ayf_dnnl_kernel *kernel); /* NULL is fine */

/* Bytes of working memory that ayf_dnnl_run() needs; contents need not survive between runs. */
size_t ayf_dnnl_scratch_bytes(const ayf_dnnl_kernel *kernel);

/* Computes `out` (overwritten) from `a` and `b`. Takes no memory from the context; oneDNN itself keeps a few
 * small bookkeeping objects during the call. `out` must not overlap an input; one run of a kernel at a time.
 */
ayf_status ayf_dnnl_run(ayf_dnnl_kernel *kernel, const float *a, const float *b, float *out, void *scratch);

/* What was chosen, for traces: "avx2 direct", "onednn jit:avx2 blocked". Lives as long as the kernel. */
const char *ayf_dnnl_describe(const ayf_dnnl_kernel *kernel);

/* The best rate of a convolution on this machine now, in GFLOP/s (2 per multiply-add): a 3x3 one of 128
 * channels on 32 images of 8x8, forward and backward, for about half a second. */
ayf_status ayf_dnnl_conv_peak(ayf_dnnl *dnnl, double *gflops);

#endif
