/* NVIDIA's cuDNN on a machine without a GPU: this library stands under cuDNN's name beside the GPU for tests and passes every
 * call on, with the properties of a GPU in place of a handle, which there cannot be. So cuDNN checks every descriptor, says
 * which engines it has and makes their plans. Running a plan does nothing.
 *
 *     AYF_TEST_CUDNN=libcudnn.so.9     NVIDIA's, 9.11 or newer; an older one ends the program with exit code 77
 *     AYF_TEST_GPU=gpus/h100.json      the properties, as cuDNN writes them (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION)
 *     AYF_TEST_PLANS=plans             gets a line for every plan: engine, whether it uses tensor cores, bytes of
 *                                      workspace, element and sizes of x, w and y (N, C, H, W) */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/api.h"

#define AYF_FUNCTION(library, result, name, arguments) result name arguments;
AYF_CUDA_FUNCTIONS(AYF_FUNCTION)
#undef AYF_FUNCTION

enum {
    OLDEST = 91100,
    SKIPPED = 77,
    DEVICE = 38, /* CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, and the attributes of it and with it */
    DEVICE_JSON = 2702,
    HEURISTICS_DEVICE = 204,
    PLAN_DEVICE = 407,
    TYPE_CHAR = 24,
};

static ayf_cuda_api real; /* of cuDNN only */
static ayf_cudnn_descriptor device;

static _Noreturn void stop(const char *what, const char *why) {
    fprintf(stderr, "cuDNN without a GPU: %s: %s\n", what, why ? why : "not set");
    exit(3);
}

static void open_real(void) {
    const char *path = getenv("AYF_TEST_CUDNN");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) stop("AYF_TEST_CUDNN", path ? dlerror() : NULL);
#define FIND(of, result, name, arguments)                                                                    \
    if (AYF_CUDA_##of == AYF_CUDA_CUDNN && !(*(void **)&real.name = dlsym(library, #name)))                  \
        stop(#name, "not there");
    AYF_CUDA_FUNCTIONS(FIND)
#undef FIND
    if (real.cudnnGetVersion() >= OLDEST) return;
    fprintf(stderr, "cuDNN %zu is too old to be asked without a GPU\n", real.cudnnGetVersion());
    exit(SKIPPED);
}

static void describe_device(void) {
    char json[4096], why[512] = "";
    const char *path = getenv("AYF_TEST_GPU");
    FILE *file = path ? fopen(path, "r") : NULL;
    size_t size = file ? fread(json, 1, sizeof json, file) : 0;
    if (file) fclose(file);
    if (!size || size == sizeof json) stop("AYF_TEST_GPU", path);
    if (real.cudnnBackendCreateDescriptor(DEVICE, &device) == CUDNN_STATUS_SUCCESS &&
        real.cudnnBackendSetAttribute(device, DEVICE_JSON, TYPE_CHAR, (int64_t)size, json) ==
            CUDNN_STATUS_SUCCESS &&
        real.cudnnBackendFinalize(device) == CUDNN_STATUS_SUCCESS)
        return;
    real.cudnnGetLastErrorString(why, sizeof why);
    stop("the properties are refused", why);
}

/* ---- The plans ---- */

/* What was set last, of the convolution that is being prepared. */
static struct {
    int64_t size[3][4];
    int32_t type[3];
    int arrays;
    ayf_cudnn_descriptor proposal;
} seen;

static void see(ayf_cudnn_name name, const void *values) {
    int at = seen.arrays % 3;
    if (name == CUDNN_ATTR_TENSOR_DATA_TYPE) memcpy(&seen.type[at], values, sizeof seen.type[at]);
    if (name == CUDNN_ATTR_TENSOR_DIMENSIONS) {
        memcpy(seen.size[at], values, sizeof seen.size[at]);
        seen.arrays++;
    }
    if (name == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG) memcpy(&seen.proposal, values, sizeof seen.proposal);
}

static bool get(ayf_cudnn_descriptor of, ayf_cudnn_name name, ayf_cudnn_type type, int64_t most,
                int64_t *count, void *values) {
    return real.cudnnBackendGetAttribute(of, name, type, most, count, values) == CUDNN_STATUS_SUCCESS;
}

static void tell(FILE *file, int64_t workspace) {
    int64_t one = 0, number = -1, notes = 0;
    int32_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT] = {0};
    ayf_cudnn_descriptor engine = NULL;
    bool tensor_cores = false;
    if (real.cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS ||
        !get(seen.proposal, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &engine) ||
        !get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, &number) ||
        !get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
             CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &notes, note))
        stop("a plan", "its engine is not told");
    real.cudnnBackendDestroyDescriptor(engine);
    for (int64_t i = 0; i < notes; i++)
        if (note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE) tensor_cores = true;
    fprintf(file, "%d %s %lld", (int)number, tensor_cores ? "tensor" : "plain", (long long)workspace);
    for (int i = 0; i < 3; i++)
        fprintf(file, " %s %lldx%lldx%lldx%lld", seen.type[i] == CUDNN_DATA_BFLOAT16 ? "bf16" : "f32",
                (long long)seen.size[i][0], (long long)seen.size[i][1], (long long)seen.size[i][2],
                (long long)seen.size[i][3]);
    fprintf(file, "\n");
}

/* ---- What ayf calls ---- */

size_t cudnnGetVersion(void) {
    if (!real.cudnnGetVersion) open_real();
    return real.cudnnGetVersion();
}

const char *cudnnGetErrorString(ayf_cudnn_status status) { return real.cudnnGetErrorString(status); }
void cudnnGetLastErrorString(char *text, size_t size) { real.cudnnGetLastErrorString(text, size); }

ayf_cudnn_status cudnnCreate(ayf_cudnn_handle *out) {
    static int handle;
    if (!real.cudnnGetVersion) open_real();
    if (!device) describe_device();
    *out = &handle;
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnDestroy(ayf_cudnn_handle gone) {
    (void)gone;
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnSetStream(ayf_cudnn_handle of, ayf_cu_stream stream) {
    (void)of;
    (void)stream;
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnBackendCreateDescriptor(ayf_cudnn_kind kind, ayf_cudnn_descriptor *out) {
    return real.cudnnBackendCreateDescriptor(kind, out);
}

ayf_cudnn_status cudnnBackendDestroyDescriptor(ayf_cudnn_descriptor gone) {
    return real.cudnnBackendDestroyDescriptor(gone);
}

ayf_cudnn_status cudnnBackendSetAttribute(ayf_cudnn_descriptor of, ayf_cudnn_name name, ayf_cudnn_type type,
                                          int64_t count, const void *values) {
    const ayf_cudnn_type descriptor = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    see(name, values);
    if (name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE) return CUDNN_STATUS_SUCCESS;
    if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE)
        return real.cudnnBackendSetAttribute(of, PLAN_DEVICE, descriptor, 1, &device);
    ayf_cudnn_status status = real.cudnnBackendSetAttribute(of, name, type, count, values);
    if (name != CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH || status != CUDNN_STATUS_SUCCESS) return status;
    return real.cudnnBackendSetAttribute(of, HEURISTICS_DEVICE, descriptor, 1, &device);
}

ayf_cudnn_status cudnnBackendFinalize(ayf_cudnn_descriptor descriptor) {
    return real.cudnnBackendFinalize(descriptor);
}

ayf_cudnn_status cudnnBackendGetAttribute(ayf_cudnn_descriptor of, ayf_cudnn_name name, ayf_cudnn_type type,
                                          int64_t requested, int64_t *count, void *values) {
    const char *path = getenv("AYF_TEST_PLANS");
    ayf_cudnn_status status = real.cudnnBackendGetAttribute(of, name, type, requested, count, values);
    if (name != CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE || status != CUDNN_STATUS_SUCCESS) return status;
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) stop("AYF_TEST_PLANS", path);
    tell(file, *(int64_t *)values);
    fclose(file);
    return status;
}

ayf_cudnn_status cudnnBackendExecute(ayf_cudnn_handle with, ayf_cudnn_descriptor plan,
                                     ayf_cudnn_descriptor pack) {
    (void)with;
    (void)plan;
    (void)pack;
    return CUDNN_STATUS_SUCCESS;
}
