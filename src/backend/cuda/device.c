#include "backend/cuda/device.h"

#include <stdio.h>
#include <string.h>

#include "comm/comm.h"

ayf_status ayf_cuda_check(const ayf_cuda_device *d, ayf_cu_result result, const char *doing) {
    const char *name = NULL, *why = NULL;
    if (result == CUDA_SUCCESS) return AYF_OK;
    d->api.cuGetErrorName(result, &name);
    d->api.cuGetErrorString(result, &why);
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
        return ayf_fail(d->ctx, AYF_E_MEMORY,
                        "%s (cuda:%d): out of memory while %s; use a smaller batch or network", d->name,
                        d->number, doing);
    return ayf_fail(d->ctx, AYF_E_DEVICE, "%s (cuda:%d) failed while %s: %s (%s)", d->name, d->number, doing,
                    why ? why : "unknown error", name ? name : "?");
}

ayf_status ayf_cuda_check_nvrtc(const ayf_cuda_device *d, ayf_nvrtc_result result, const char *doing) {
    if (result == NVRTC_SUCCESS) return AYF_OK;
    return ayf_fail(d->ctx, AYF_E_DEVICE, "NVRTC failed while %s: %s", doing,
                    d->api.nvrtcGetErrorString(result));
}

ayf_status ayf_cuda_check_cudnn(const ayf_cuda_device *d, ayf_cudnn_status status, const char *doing) {
    char more[256] = "";
    if (status == CUDNN_STATUS_SUCCESS) return AYF_OK;
    if (status == CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH)
        return ayf_fail(
            d->ctx, AYF_E_USAGE,
            "cuDNN is mixed from two installations: its parts are not those beside %s; name one of them by "
            "AYF_CUDA_PATH and take the other out of LD_LIBRARY_PATH",
            ayf_cuda_file(&d->api, AYF_CUDA_CUDNN));
    d->api.cudnnGetLastErrorString(more, sizeof more);
    return ayf_fail(d->ctx, AYF_E_DEVICE, "cuDNN failed while %s: %s%s%s", doing,
                    d->api.cudnnGetErrorString(status), *more ? ": " : "", more);
}

ayf_status ayf_cuda_check_lt(const ayf_cuda_device *d, ayf_lt_status status, const char *doing) {
    if (status == CUBLAS_STATUS_SUCCESS) return AYF_OK;
    return ayf_fail(d->ctx, AYF_E_DEVICE, "cuBLASLt failed while %s: %s", doing,
                    d->api.cublasLtGetStatusString(status));
}

ayf_status ayf_cuda_enter(const ayf_cuda_device *d) {
    return ayf_cuda_check(d, d->api.cuCtxSetCurrent(d->context), "taking it into use");
}

ayf_status ayf_cuda_alloc(const ayf_cuda_device *d, size_t bytes, ayf_cu_pointer *memory) {
    size_t left = 0, total = 0;
    char want[AYF_BYTES_SIZE], have[AYF_BYTES_SIZE];
    ayf_cu_result result = d->api.cuMemAlloc_v2(memory, bytes ? bytes : 1);
    if (result != CUDA_ERROR_OUT_OF_MEMORY) return ayf_cuda_check(d, result, "reserving memory");
    d->api.cuMemGetInfo_v2(&left, &total);
    return ayf_fail(d->ctx, AYF_E_MEMORY,
                    "%s (cuda:%d): %s more are needed, and %s are free; use a smaller batch or network",
                    d->name, d->number, ayf_bytes_text((double)bytes, want),
                    ayf_bytes_text((double)left, have));
}

static void name_libraries(ayf_cuda_device *d) {
    int driver = 0, major = 0, minor = 0;
    size_t lt = d->api.cublasLtGetVersion(), cudnn = d->api.cudnnGetVersion();
    d->api.cuDriverGetVersion(&driver);
    d->api.nvrtcVersion(&major, &minor);
    snprintf(d->libraries, sizeof d->libraries,
             "driver %d.%d, NVRTC %d.%d, cuBLASLt %zu.%zu.%zu, cuDNN %zu.%zu.%zu", driver / 1000,
             driver % 1000 / 10, major, minor, lt / 10000, lt / 100 % 100, lt % 100, cudnn / 10000,
             cudnn / 100 % 100, cudnn % 100);
}

/* Its handle, its name and what it can do (90: compute capability 9.0). */
static ayf_status ask_gpu(const ayf_cuda_device *d, int number, ayf_cu_device *gpu, char *name, size_t size,
                          int *architecture) {
    static const char doing[] = "looking for GPUs";
    const ayf_cuda_api *api = &d->api;
    int major = 0, minor = 0;
    AYF_TRY(ayf_cuda_check(d, api->cuDeviceGet(gpu, number), doing));
    AYF_TRY(ayf_cuda_check(d, api->cuDeviceGetName(name, (int)size, *gpu), doing));
    AYF_TRY(ayf_cuda_check(
        d, api->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, *gpu), doing));
    AYF_TRY(ayf_cuda_check(
        d, api->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, *gpu), doing));
    *architecture = 10 * major + minor;
    return AYF_OK;
}

static ayf_status find_gpu(ayf_cuda_device *d) {
    int count = 0;
    AYF_TRY(ayf_cuda_check(d, d->api.cuDeviceGetCount(&count), "looking for GPUs"));
    if (d->number >= AYF_CUDA_IN_TURN) d->number = (d->number - AYF_CUDA_IN_TURN) % count;
    if (d->number >= count)
        return ayf_fail(d->ctx, AYF_E_USAGE, "device cuda:%d: this machine has %d of them, cuda:0%s",
                        d->number, count, count > 1 ? " and so on" : "");
    return ask_gpu(d, d->number, &d->gpu, d->name, sizeof d->name, &d->architecture);
}

static ayf_status open_device(ayf_cuda_device *d, const char *path) {
    AYF_TRY(ayf_cuda_load(d->ctx, path, &d->api));
    snprintf(d->name, sizeof d->name, "the GPU");
    AYF_TRY(find_gpu(d));
    name_libraries(d);
    AYF_TRY(ayf_cuda_check(d, d->api.cuDevicePrimaryCtxRetain(&d->context, d->gpu), "starting it"));
    AYF_TRY(ayf_cuda_enter(d));
    AYF_TRY(ayf_cuda_check(d, d->api.cuStreamCreate(&d->stream, CU_STREAM_NON_BLOCKING), "starting it"));
    AYF_TRY(ayf_cuda_check_cudnn(d, d->api.cudnnCreate(&d->cudnn), "starting"));
    AYF_TRY(ayf_cuda_check_cudnn(d, d->api.cudnnSetStream(d->cudnn, d->stream), "starting"));
    return ayf_cuda_check_lt(d, d->api.cublasLtCreate(&d->lt), "starting");
}

ayf_status ayf_cuda_device_open(ayf_context *ctx, int number, const char *path, ayf_cuda_device **out) {
    ayf_cuda_device *d = ayf_alloc(ctx, 1, sizeof *d);
    if (!d) return AYF_E_MEMORY;
    d->ctx = ctx;
    d->number = number;
    ayf_status status = open_device(d, path);
    if (status != AYF_OK) {
        ayf_cuda_device_close(d);
        return status;
    }
    *out = d;
    return AYF_OK;
}

static ayf_status describe_gpu(const ayf_cuda_device *d, int number, char *line, size_t size) {
    char name[96], bytes[AYF_BYTES_SIZE];
    size_t total = 0;
    int architecture = 0;
    ayf_cu_device gpu = 0;
    AYF_TRY(ask_gpu(d, number, &gpu, name, sizeof name, &architecture));
    AYF_TRY(ayf_cuda_check(d, d->api.cuDeviceTotalMem_v2(&total, gpu), "looking for GPUs"));
    snprintf(line, size, "cuda:%-5d %s, compute capability %d.%d, %s", number, name, architecture / 10,
             architecture % 10, ayf_bytes_text((double)total, bytes));
    return AYF_OK;
}

ayf_status ayf_cuda_device_tell(const ayf_cuda_device *d, ayf_print_fn *print, void *user) {
    char line[AYF_MESSAGE_SIZE];
    int count = 0;
    AYF_TRY(ayf_cuda_check(d, d->api.cuDeviceGetCount(&count), "looking for GPUs"));
    for (int i = 0; i < count; i++) {
        AYF_TRY(describe_gpu(d, i, line, sizeof line));
        print(user, line);
    }
    snprintf(line, sizeof line, "  versions %s", d->libraries);
    print(user, line);
    ayf_cuda_tell_libraries(d->ctx->cuda_path, print, user);
    return AYF_OK;
}

void ayf_cuda_device_close(ayf_cuda_device *d) {
    if (!d) return;
    if (d->context) d->api.cuCtxSetCurrent(d->context);
    /* It waits for the other processes. */
    const ayf_comm *comm = d->ctx->comm;
    if (d->nccl && !(comm && comm->broken)) d->api.ncclCommDestroy(d->nccl);
    if (d->lt) d->api.cublasLtDestroy(d->lt);
    if (d->cudnn) d->api.cudnnDestroy(d->cudnn);
    if (d->stream) d->api.cuStreamDestroy_v2(d->stream);
    if (d->context) d->api.cuDevicePrimaryCtxRelease_v2(d->gpu);
    ayf_cuda_unload(&d->api);
    ayf_free(d->ctx, d);
}
