/* Convolutions and matrix products of oneDNN (2.6 or later). The caller is heavy.c, which checks the shapes.
 * The comments in heavy.h on arrays, scratch memory, runs and names apply here too. */
#ifndef AYF_BACKEND_CPU_ONEDNN_H
#define AYF_BACKEND_CPU_ONEDNN_H

#include "ir/conv.h"
#include "ir/gemm.h"
#include "pass/element.h"

typedef struct ayf_onednn ayf_onednn;
typedef struct ayf_onednn_kernel ayf_onednn_kernel;

/* Multiplies bf16 as it is: the processor has AVX512-BF16 or AMX, and the environment of oneDNN
 * (ONEDNN_MAX_CPU_ISA) does not forbid them. */
bool ayf_onednn_multiplies_bf16(void);

ayf_status ayf_onednn_open(ayf_context *ctx, int threads, ayf_onednn **out);
void ayf_onednn_close(ayf_onednn *d); /* NULL is fine; after its kernels */

/* `element` is of {a, b, out}: a and b alike, and no bf16 result of f32 operands. AYF_E_INTERNAL when oneDNN
 * offers nothing for these shapes. */
ayf_status ayf_onednn_prepare_conv(ayf_onednn *d, const ayf_conv_shape *shape, ayf_op face,
                                   const ayf_element element[3], ayf_onednn_kernel **out);
ayf_status ayf_onednn_prepare_gemm(ayf_onednn *d, const ayf_gemm_shape *shape, const ayf_element element[3],
                                   ayf_onednn_kernel **out);
void ayf_onednn_release(ayf_onednn_kernel *kernel); /* NULL is fine */

size_t ayf_onednn_scratch_bytes(const ayf_onednn_kernel *kernel);
/* `packed` is what ayf_onednn_pack() has made of b, or NULL; b is then not looked at. */
ayf_status ayf_onednn_run(ayf_onednn_kernel *kernel, const void *a, const void *b, void *out,
                          const void *packed, void *scratch);
size_t ayf_onednn_packed_bytes(const ayf_onednn_kernel *kernel); /* 0: b is used as it is */
ayf_status ayf_onednn_pack(ayf_onednn_kernel *kernel, const void *b, void *packed);
const char *ayf_onednn_describe(const ayf_onednn_kernel *kernel);

#endif
