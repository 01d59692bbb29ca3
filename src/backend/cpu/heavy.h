/* The heavy kernels of the CPU backend: the three faces of a convolution and batched matrix products.
 *
 *     ayf_heavy *h;                        ayf_heavy_open(ctx, threads, AYF_HEAVY_FASTER, &h)
 *     ayf_heavy_kernel *k;                 ayf_heavy_prepare_conv(h, &shape, AYF_OP_CONV_FPROP, &k)
 *     scratch of ayf_heavy_scratch_bytes(k), 64-byte aligned, from the caller's arena
 *     ayf_heavy_run(k, x, w, y, scratch)   as often as wanted
 *     ayf_heavy_release(k)                 ayf_heavy_close(h)
 *
 * Arrays are dense fp32: activations [N,H,W,C], weights [O,KH,KW,I], matrices row-major. Preparing is slow,
 * because it generates code. It chooses the implementation by a fixed rule of shape and processor, so results
 * are the same bytes from run to run at a fixed thread count. Convolutions run on kernels of our own
 * (conv_avx2.h) on processors with AVX2 and no AVX-512, where these are the faster ones. Everything else is
 * oneDNN's (onednn.h).
 */
#ifndef AYF_BACKEND_CPU_HEAVY_H
#define AYF_BACKEND_CPU_HEAVY_H

#include "backend/cpu/onednn.h"

typedef struct ayf_heavy ayf_heavy;
typedef struct ayf_heavy_kernel ayf_heavy_kernel;

/* Where kernels of our own may be chosen. ONEDNN and OWN are for tests and measurements. */
typedef enum ayf_heavy_choice {
    AYF_HEAVY_FASTER, /* on processors where they are the faster ones */
    AYF_HEAVY_OWN,    /* on all that can run them */
    AYF_HEAVY_ONEDNN  /* on none */
} ayf_heavy_choice;

/* `threads` > 0 is the number of OpenMP threads that every kernel uses. The context must outlive it. */
ayf_status ayf_heavy_open(ayf_context *ctx, int threads, ayf_heavy_choice choice, ayf_heavy **out);
void ayf_heavy_close(ayf_heavy *heavy); /* NULL is fine; after its kernels */

/* `face` is an op. The arrays that ayf_heavy_run() takes are
 *   AYF_OP_CONV_FPROP   a = x,  b = w,  out = y
 *   AYF_OP_CONV_DGRAD   a = dy, b = w,  out = dx
 *   AYF_OP_CONV_WGRAD   a = x,  b = dy, out = dw
 * AYF_E_INTERNAL when the three shapes do not belong together or oneDNN offers nothing for them. */
ayf_status ayf_heavy_prepare_conv(ayf_heavy *heavy, const ayf_conv_shape *shape, ayf_op face,
                                  ayf_heavy_kernel **out);
ayf_status ayf_heavy_prepare_gemm(ayf_heavy *heavy, const ayf_gemm_shape *shape, ayf_heavy_kernel **out);
void ayf_heavy_release(ayf_heavy_kernel *kernel); /* NULL is fine */

/* Bytes of working memory that ayf_heavy_run() needs; contents need not survive between runs. */
size_t ayf_heavy_scratch_bytes(const ayf_heavy_kernel *kernel);

/* Computes `out` (overwritten) from `a` and `b`. Takes no memory from the context; oneDNN itself keeps a few
 * small bookkeeping objects during the call. `out` must not overlap an input; one run of a kernel at a time.
 */
ayf_status ayf_heavy_run(ayf_heavy_kernel *kernel, const float *a, const float *b, float *out, void *scratch);

/* What was chosen, for traces: "avx2 direct", "onednn jit:avx2 blocked". Lives as long as the kernel. */
const char *ayf_heavy_describe(const ayf_heavy_kernel *kernel);

/* The best rate of a convolution on this machine now, in GFLOP/s (2 per multiply-add): a 3x3 one of 128
 * channels on 32 images of 8x8, forward and backward, for about half a second. */
ayf_status ayf_heavy_conv_peak(ayf_heavy *heavy, double *gflops);

#endif
