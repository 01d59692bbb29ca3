/* The heavy kernels of the CPU backend: the three faces of a convolution and batched matrix products.
 *
 *     ayf_heavy *h;                        ayf_heavy_open(ctx, threads, AYF_HEAVY_FASTER, &h)
 *     ayf_heavy_kernel *k;                 ayf_heavy_prepare_conv(h, &shape, AYF_OP_CONV_FPROP, element, &k)
 *     scratch of ayf_heavy_scratch_bytes(k), 64-byte aligned, from the caller's arena
 *     ayf_heavy_run(k, x, w, y, scratch)   as often as wanted
 *     ayf_heavy_release(k)                 ayf_heavy_close(h)
 *
 * Arrays are dense: activations [N,H,W,C], weights [O,KH,KW,I], matrices row-major. `element` says how the
 * numbers of a, b and out lie in memory, in this order. When a and b are both AYF_BF16, bf16 numbers are
 * multiplied and added in f32; otherwise it is an f32 product, and a bf16 operand is widened exactly. A bf16
 * result is rounded once, at the end.
 *
 * Preparing is slow, because it generates code. It chooses the implementation by a fixed rule of shape and
 * processor, so results are the same bytes from run to run at a fixed thread count.
 */
#ifndef AYF_BACKEND_CPU_HEAVY_H
#define AYF_BACKEND_CPU_HEAVY_H

#include "backend/cpu/onednn.h"

typedef struct ayf_heavy ayf_heavy;
typedef struct ayf_heavy_kernel ayf_heavy_kernel;

/* Which kernels may be chosen. All but FASTER are for tests and measurements. */
typedef enum ayf_heavy_choice {
    AYF_HEAVY_FASTER, /* the fastest for this processor */
    AYF_HEAVY_OWN,    /* the same, but Winograd's products also where they do not pay */
    AYF_HEAVY_AVX2,   /* as on a processor with AVX2 that has neither AVX-512 nor bf16 */
    AYF_HEAVY_WIDEN,  /* as FASTER on a processor that cannot multiply bf16 */
    AYF_HEAVY_ONEDNN  /* none of our own */
} ayf_heavy_choice;

/* `threads` > 0 is the number of OpenMP threads that every kernel uses. The context must outlive it. */
ayf_status ayf_heavy_open(ayf_context *ctx, int threads, ayf_heavy_choice choice, ayf_heavy **out);
void ayf_heavy_close(ayf_heavy *heavy); /* NULL is fine; after its kernels */

/* Whether this processor multiplies bf16 numbers faster than f32 ones (AVX512-BF16 or AMX). Where it does
 * not, bf16 operands are widened: right, but slower than f32. */
bool ayf_heavy_prefers_bf16(const ayf_heavy *heavy);

/* `face` is an op. The arrays that ayf_heavy_run() takes are
 *   AYF_OP_CONV_FPROP   a = x,  b = w,  out = y
 *   AYF_OP_CONV_DGRAD   a = dy, b = w,  out = dx
 *   AYF_OP_CONV_WGRAD   a = x,  b = dy, out = dw
 * AYF_E_INTERNAL when the three shapes do not belong together or oneDNN offers nothing for them. */
ayf_status ayf_heavy_prepare_conv(ayf_heavy *heavy, const ayf_conv_shape *shape, ayf_op face,
                                  const ayf_element element[3], ayf_heavy_kernel **out);
ayf_status ayf_heavy_prepare_gemm(ayf_heavy *heavy, const ayf_gemm_shape *shape, const ayf_element element[3],
                                  ayf_heavy_kernel **out);
void ayf_heavy_release(ayf_heavy_kernel *kernel); /* NULL is fine */

/* Bytes of working memory that ayf_heavy_run() needs; contents need not survive between runs. */
size_t ayf_heavy_scratch_bytes(const ayf_heavy_kernel *kernel);

/* Computes `out` (overwritten) from `a` and `b`. Takes no memory from the context; oneDNN itself keeps a few
 * small bookkeeping objects during the call. `out` must not overlap an input; one run of a kernel at a time.
 */
ayf_status ayf_heavy_run(ayf_heavy_kernel *kernel, const void *a, const void *b, void *out, void *scratch);

/* For a `b` that never changes (the weights of a frozen network): ayf_heavy_pack() brings it once into the
 * order in which the kernel reads it, and ayf_heavy_run_packed() computes the same bytes as ayf_heavy_run().
 * `packed` is 64-byte aligned and of ayf_heavy_packed_bytes(); where that is 0 the kernel reads b as it is,
 * and neither function may be called. */
size_t ayf_heavy_packed_bytes(const ayf_heavy_kernel *kernel);
ayf_status ayf_heavy_pack(ayf_heavy_kernel *kernel, const void *b, void *packed) AYF_MUST_CHECK;
ayf_status ayf_heavy_run_packed(ayf_heavy_kernel *kernel, const void *a, const void *packed, void *out,
                                void *scratch);

/* What was chosen, for traces: "avx512 direct", "onednn jit:avx2 blocked". Lives as long as the kernel. */
const char *ayf_heavy_describe(const ayf_heavy_kernel *kernel);

/* The best rate of a convolution on this machine now, in GFLOP/s (2 per multiply-add): a 3x3 one of 128
 * channels on 32 images of 8x8 with operands of `element`, forward and backward, for about half a second. */
ayf_status ayf_heavy_conv_peak(ayf_heavy *heavy, ayf_element element, double *gflops);

#endif
