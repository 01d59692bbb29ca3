/* The device of the CUDA backend, which its parts share: libraries, context, stream, and what their failures mean. */
#ifndef AYF_BACKEND_CUDA_DEVICE_H
#define AYF_BACKEND_CUDA_DEVICE_H

#include "backend/cuda/load.h"

enum { AYF_CUDA_AMPERE = 80 }; /* the first architecture whose tensor cores and cuDNN take bfloat16 */

typedef struct ayf_cuda_device {
    ayf_context *ctx;
    ayf_cuda_api api;
    int number;       /* of the GPU */
    int architecture; /* 90: compute capability 9.0 */
    char name[96];
    char libraries[128]; /* versions: "driver 13.0, NVRTC 13.0, cuBLASLt 13.1.0, cuDNN 9.19.0" */
    ayf_cu_device gpu;
    ayf_cu_context context;
    ayf_cu_stream stream;
    ayf_cudnn_handle cudnn;
    ayf_lt_handle lt;
    ayf_nccl_comm nccl; /* NULL: there is one process (exchange.h) */
} ayf_cuda_device;

/* `number`: of the GPU, from 0; or AYF_CUDA_IN_TURN + n: the n-th, counted round again. AYF_E_USAGE: there is none, or a library is missing. */
enum { AYF_CUDA_IN_TURN = 1 << 20 };
ayf_status ayf_cuda_device_open(ayf_context *ctx, int number, const char *path, ayf_cuda_device **out);
void ayf_cuda_device_close(ayf_cuda_device *device); /* NULL is fine */

/* Line by line: every GPU of this machine, and the versions and files of the libraries. */
ayf_status ayf_cuda_device_tell(const ayf_cuda_device *device, ayf_print_fn *print, void *user);

/* The calls that follow are for this device, whatever thread makes them. */
ayf_status ayf_cuda_enter(const ayf_cuda_device *device);

/* AYF_OK, or a failure that says what was being done ("copying to the GPU"). What the driver reports may have happened
 * before, because the GPU works behind its caller. */
ayf_status ayf_cuda_check(const ayf_cuda_device *device, ayf_cu_result result, const char *doing);
ayf_status ayf_cuda_check_nvrtc(const ayf_cuda_device *device, ayf_nvrtc_result result, const char *doing);
ayf_status ayf_cuda_check_cudnn(const ayf_cuda_device *device, ayf_cudnn_status status, const char *doing);
ayf_status ayf_cuda_check_lt(const ayf_cuda_device *device, ayf_lt_status status, const char *doing);

/* AYF_E_MEMORY names the size and what is free. */
ayf_status ayf_cuda_alloc(const ayf_cuda_device *device, size_t bytes, ayf_cu_pointer *memory);

#endif
