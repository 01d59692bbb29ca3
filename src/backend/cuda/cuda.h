/* The backend for NVIDIA's GPUs. Groups, copies and resampling are text that the program writes and NVRTC compiles
 * (emit.h); convolutions are cuDNN's and matrix products cuBLASLt's. Building needs nothing of NVIDIA's: the libraries
 * are opened when the backend is. */
#ifndef AYF_BACKEND_CUDA_H
#define AYF_BACKEND_CUDA_H

#include "exec/backend.h"

/* ctx->device: "cuda", or "cuda:1" for another GPU than the first. */
ayf_status ayf_cuda_open(ayf_context *ctx, ayf_backend **out);

/* Line by line, which of NVIDIA's libraries are here. */
void ayf_cuda_look(ayf_context *ctx, ayf_print_fn *print, void *user);

#endif
