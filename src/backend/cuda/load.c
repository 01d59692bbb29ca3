#include "backend/cuda/load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

enum {
    VERSIONS = 2,
    /* NVIDIA's libraries have threads and what runs at the end of a program, so their code stays where it is. */
    OPENING = RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE,
};

/* By ayf_cuda_library. Of several names the first one is the newest. */
static const struct {
    const char *subject, *name[VERSIONS], *package;
} libraries[AYF_CUDA_LIBRARIES] = {
    [AYF_CUDA_DRIVER] = {"NVIDIA's driver", {"libcuda.so.1"}, "install the driver of the GPU"},
    [AYF_CUDA_NVRTC] = {"NVRTC", {"libnvrtc.so.13", "libnvrtc.so.12"}, "pip's nvidia-cuda-nvrtc has it"},
    [AYF_CUDA_LT] = {"cuBLASLt", {"libcublasLt.so.13", "libcublasLt.so.12"}, "pip's nvidia-cublas has it"},
    [AYF_CUDA_CUDNN] = {"cuDNN", {"libcudnn.so.9"}, "pip's nvidia-cudnn-cu13 (or -cu12) has it"},
    [AYF_CUDA_NCCL] = {"NCCL, by which several processes train together,",
                       {"libnccl.so.2"},
                       "pip's nvidia-nccl-cu13 (or -cu12) has it"},
};

static const struct {
    const char *name;
    ayf_cuda_library library;
    size_t at;
} functions[] = {
#define AYF_FUNCTION(library, result, name, arguments)                                                       \
    {#name, AYF_CUDA_##library, offsetof(ayf_cuda_api, name)},
    AYF_CUDA_FUNCTIONS(AYF_FUNCTION)
#undef AYF_FUNCTION
};

/* ---- Finding ---- */

static void *open_in(const char *folder, const char *name) {
    char file[PATH_MAX];
    int length = snprintf(file, sizeof file, "%s/%s", folder, name);
    return length > 0 && length < (int)sizeof file ? dlopen(file, OPENING) : NULL;
}

/* In the lib of a folder in `folder`. */
static void *open_in_packages(const char *folder, const char *name) {
    DIR *dir = opendir(folder);
    void *found = NULL;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        char inner[PATH_MAX];
        if (entry->d_name[0] == '.') continue;
        int length = snprintf(inner, sizeof inner, "%s/%s/lib", folder, entry->d_name);
        if (length > 0 && length < (int)sizeof inner) found = open_in(inner, name);
    }
    if (dir) closedir(dir);
    return found;
}

static void *open_in_path(const char *path, const char *name) {
    static const char *const inside[] = {"", "/lib", "/lib64"};
    void *found = NULL;
    while (path && *path && !found) {
        size_t length = strcspn(path, ":");
        char folder[PATH_MAX];
        for (size_t i = 0; i < AYF_COUNT(inside) && !found && length > 0 && length < sizeof folder / 2; i++) {
            snprintf(folder, sizeof folder, "%.*s%s", (int)length, path, inside[i]);
            found = open_in(folder, name);
            if (!found && i == 0) found = open_in_packages(folder, name);
        }
        path += length + (path[length] == ':');
    }
    return found;
}

static void *open_anywhere(const char *path, const char *name) {
    void *found = open_in_path(path, name);
    if (!found) found = dlopen(name, OPENING);
    if (!found) found = open_in("/usr/local/cuda/lib64", name);
    return found ? found : open_in("/usr/local/cuda/lib", name);
}

const char *ayf_cuda_file(const ayf_cuda_api *api, ayf_cuda_library library) {
    struct link_map *map = NULL;
    if (!api->library[library] || dlinfo(api->library[library], RTLD_DI_LINKMAP, &map) != 0) return "";
    return map->l_name;
}

/* cuDNN opens its parts by their names, which the loader may find in another installation. Parts that are open
 * already are taken. */
static void open_parts_of_cudnn(const ayf_cuda_api *api) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", ayf_cuda_file(api, AYF_CUDA_CUDNN));
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    *slash = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, "libcudnn_", 9) == 0 && length > 5 &&
            strcmp(entry->d_name + length - 5, ".so.9") == 0)
            open_in(folder, entry->d_name);
    }
    if (dir) closedir(dir);
}

/* ---- Opening ---- */

static ayf_status missing(ayf_context *ctx, ayf_cuda_library library, const char *name) {
    if (library == AYF_CUDA_DRIVER)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "device cuda: there is no NVIDIA driver here (%s is not found); %s, or use the device cpu", name,
            libraries[library].package);
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "device cuda: %s is not found (%s); %s; name its folder by AYF_CUDA_PATH, or use the device cpu",
        libraries[library].subject, name, libraries[library].package);
}

static ayf_status find_functions(ayf_context *ctx, ayf_cuda_api *api, ayf_cuda_library library) {
    for (size_t i = 0; i < AYF_COUNT(functions); i++) {
        if (functions[i].library != library) continue;
        void *function = dlsym(api->library[library], functions[i].name);
        if (!function)
            return ayf_fail(ctx, AYF_E_USAGE, "device cuda: %s has no %s: it is too old; install a newer %s",
                            ayf_cuda_file(api, library), functions[i].name, libraries[library].subject);
        memcpy((char *)api + functions[i].at, &function, sizeof function);
    }
    return AYF_OK;
}

/* `first`: the first of the names that may be taken. */
static ayf_status open_library(ayf_context *ctx, const char *path, ayf_cuda_api *api,
                               ayf_cuda_library library, int first) {
    const char *const *name = libraries[library].name;
    for (int i = first; i < VERSIONS && name[i] && !api->library[library]; i++)
        api->library[library] = open_anywhere(path, name[i]);
    if (api->library[library]) return find_functions(ctx, api, library);
    void *newer = first > 0 ? open_anywhere(path, name[0]) : NULL;
    if (!newer) return missing(ctx, library, name[first]);
    dlclose(newer);
    int driver = 0;
    api->cuDriverGetVersion(&driver);
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "device cuda: the driver of this machine is for CUDA %d.%d, and %s needs 13.0 or later: install a "
        "newer driver, or %s of CUDA 12",
        driver / 1000, driver % 1000 / 10, name[0], libraries[library].subject);
}

/* What the library of the driver is when it refuses to start. */
static const struct {
    ayf_cu_result result;
    const char *why;
} wrong_drivers[] = {
    {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
     "of another version than the driver in the kernel: restart the machine, or "
     "install the driver again"},
    {CUDA_ERROR_STUB_LIBRARY,
     "a stub for building programs, not a driver: take its folder out of the paths of "
     "libraries"},
};

static ayf_status start_driver(ayf_context *ctx, const ayf_cuda_api *api) {
    const char *why = "?";
    int count = 0;
    ayf_cu_result result = api->cuInit(0);
    if (result == CUDA_SUCCESS) result = api->cuDeviceGetCount(&count);
    if (result == CUDA_ERROR_NO_DEVICE || (result == CUDA_SUCCESS && count == 0))
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "device cuda: the driver sees no NVIDIA GPU (nvidia-smi lists them, CUDA_VISIBLE_DEVICES can "
            "hide them); use the device cpu");
    for (size_t i = 0; i < AYF_COUNT(wrong_drivers); i++)
        if (result == wrong_drivers[i].result)
            return ayf_fail(ctx, AYF_E_USAGE, "device cuda: %s is %s", ayf_cuda_file(api, AYF_CUDA_DRIVER),
                            wrong_drivers[i].why);
    if (result == CUDA_SUCCESS) return AYF_OK;
    api->cuGetErrorString(result, &why);
    return ayf_fail(ctx, AYF_E_USAGE, "device cuda: the driver does not start: %s (%d)", why ? why : "?",
                    result);
}

static ayf_status load(ayf_context *ctx, const char *path, ayf_cuda_api *api) {
    enum { CUDA_13 = 13000 };
    int driver = 0;
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_DRIVER, 0));
    AYF_TRY(start_driver(ctx, api));
    api->cuDriverGetVersion(&driver);
    int first = driver < CUDA_13;
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_NVRTC, first));
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_LT, first));
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_CUDNN, 0));
    open_parts_of_cudnn(api);
    return AYF_OK;
}

ayf_status ayf_cuda_load(ayf_context *ctx, const char *path, ayf_cuda_api *api) {
    *api = (ayf_cuda_api){0};
    ayf_status status = load(ctx, path, api);
    if (status != AYF_OK) ayf_cuda_unload(api);
    return status;
}

ayf_status ayf_cuda_load_nccl(ayf_context *ctx, const char *path, ayf_cuda_api *api) {
    return api->library[AYF_CUDA_NCCL] ? AYF_OK : open_library(ctx, path, api, AYF_CUDA_NCCL, 0);
}

void ayf_cuda_unload(ayf_cuda_api *api) {
    for (int i = AYF_CUDA_LIBRARIES; i-- > 0;)
        if (api->library[i]) dlclose(api->library[i]);
    *api = (ayf_cuda_api){0};
}
