/* Finds and opens NVIDIA's libraries: the driver, NVRTC, cuBLASLt, cuDNN. */
#ifndef AYF_BACKEND_CUDA_LOAD_H
#define AYF_BACKEND_CUDA_LOAD_H

#include "backend/cuda/api.h"
#include "base/base.h"

/* Opens the libraries and starts the driver. They are looked for
 *   - in `path` (folders with ':' between; NULL: none), in its lib and lib64, and in the lib of every folder in it,
 *     which is how NVIDIA's pip packages lie in site-packages/nvidia,
 *   - where the loader of programs looks,
 *   - in /usr/local/cuda/lib64 and /usr/local/cuda/lib.
 * Of NVRTC and cuBLASLt the newest version is taken that the driver can run. AYF_E_USAGE with what is missing and
 * what to do, also for a folder of `path` that there is not; what was opened is closed then. */
ayf_status ayf_cuda_load(ayf_context *ctx, const char *path, ayf_cuda_api *api);
/* NCCL, where the first call looked for the others. */
ayf_status ayf_cuda_load_nccl(ayf_context *ctx, const char *path, ayf_cuda_api *api);
void ayf_cuda_unload(ayf_cuda_api *api);

/* Line by line, for every library: its file, or that it is not found. */
void ayf_cuda_tell_libraries(const char *path, ayf_print_fn *print, void *user);

/* The file that a library was opened from; "" when it was not opened. */
const char *ayf_cuda_file(const ayf_cuda_api *api, ayf_cuda_library library);

#endif
