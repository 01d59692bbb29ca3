/* From the text of kernels to functions of the driver. */
#ifndef AYF_BACKEND_CUDA_COMPILE_H
#define AYF_BACKEND_CUDA_COMPILE_H

#include "backend/cuda/code.h"
#include "backend/cuda/device.h"

typedef struct ayf_cuda_modules {
    ayf_cu_module *module;
    uint32_t count;
    size_t capacity;
} ayf_cuda_modules;

/* Compiles the functions of `code` that are not compiled yet, as one unit, and adds their module. NVRTC compiles for
 * exactly this GPU; where the GPU is newer than NVRTC the driver finishes what NVRTC makes for the newest one that it
 * knows. `cache`: folder in which the result is looked for first and kept (made when it is not there); NULL: none. What
 * cannot be read or written there is said to the log and is no failure. AYF_E_USAGE: the GPU is too old for NVRTC. */
ayf_status ayf_cuda_compile(const ayf_cuda_device *device, ayf_cuda_code *code, const char *cache,
                            ayf_cuda_modules *modules);
void ayf_cuda_modules_free(const ayf_cuda_device *device, ayf_cuda_modules *modules);

#endif
