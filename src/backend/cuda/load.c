#include "backend/cuda/load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSIONS = 2,
    /* NVIDIA's libraries have threads and what runs at the end of a program, so their code stays where it is. */
    OPENING = RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE,
};

/* By ayf_cuda_library, for CUDA 13 and for CUDA 12. */
static const struct {
    const char *title, *subject, *name[VERSIONS], *package[VERSIONS];
} libraries[AYF_CUDA_LIBRARIES] = {
    [AYF_CUDA_DRIVER] = {"driver", "NVIDIA's driver", {"libcuda.so.1", "libcuda.so.1"}, {NULL, NULL}},
    [AYF_CUDA_NVRTC] = {"NVRTC",
                        "NVRTC",
                        {"libnvrtc.so.13", "libnvrtc.so.12"},
                        {"nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"}},
    [AYF_CUDA_LT] = {"cuBLASLt",
                     "cuBLASLt",
                     {"libcublasLt.so.13", "libcublasLt.so.12"},
                     {"nvidia-cublas", "nvidia-cublas-cu12"}},
    [AYF_CUDA_CUDNN] = {"cuDNN",
                        "cuDNN",
                        {"libcudnn.so.9", "libcudnn.so.9"},
                        {"nvidia-cudnn-cu13", "nvidia-cudnn-cu12"}},
    [AYF_CUDA_NCCL] = {"NCCL",
                       "NCCL, by which several processes train together,",
                       {"libnccl.so.2", "libnccl.so.2"},
                       {"nvidia-nccl-cu13", "nvidia-nccl-cu12"}},
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

/* Where a library is looked for, and what the loader says of a file that is there and does not load. */
typedef struct search {
    const char *path, *name;
    char refused[256];
} search;

static void *open_in(search *s, const char *folder) {
    char file[PATH_MAX];
    int length = snprintf(file, sizeof file, "%s/%s", folder, s->name);
    if (length < 0 || length >= (int)sizeof file || access(file, F_OK) != 0) return NULL;
    void *found = dlopen(file, OPENING);
    if (!found) snprintf(s->refused, sizeof s->refused, "%s", dlerror());
    return found;
}

/* In the lib of a folder in `folder`. */
static void *open_in_packages(search *s, const char *folder) {
    DIR *dir = opendir(folder);
    void *found = NULL;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        char inner[PATH_MAX];
        if (entry->d_name[0] == '.') continue;
        int length = snprintf(inner, sizeof inner, "%s/%s/lib", folder, entry->d_name);
        if (length > 0 && length < (int)sizeof inner) found = open_in(s, inner);
    }
    if (dir) closedir(dir);
    return found;
}

/* The next folder of a path, with "" behind the last one. */
static const char *next_folder(const char *path, char folder[PATH_MAX]) {
    size_t length = strcspn(path, ":");
    snprintf(folder, PATH_MAX, "%.*s", (int)length, path);
    return path + length + (path[length] == ':');
}

static void *open_in_path(search *s) {
    static const char *const inside[] = {"/lib", "/lib64"};
    char folder[PATH_MAX], inner[PATH_MAX + 8];
    void *found = NULL;
    for (const char *rest = s->path; rest && *rest && !found;) {
        rest = next_folder(rest, folder);
        if (!*folder) continue;
        found = open_in(s, folder);
        if (!found) found = open_in_packages(s, folder);
        for (size_t i = 0; i < AYF_COUNT(inside) && !found; i++) {
            snprintf(inner, sizeof inner, "%s%s", folder, inside[i]);
            found = open_in(s, inner);
        }
    }
    return found;
}

/* By the loader's own search, which says of a file that it does not find that it cannot be opened. */
static void *open_of_system(search *s) {
    static const char absent[] = ": cannot open shared object file";
    void *found = dlopen(s->name, OPENING);
    if (found) return found;
    const char *why = dlerror();
    size_t length = strlen(s->name);
    if (strncmp(why, s->name, length) != 0 || strncmp(why + length, absent, strlen(absent)) != 0)
        snprintf(s->refused, sizeof s->refused, "%s", why);
    return NULL;
}

static void *open_anywhere(search *s) {
    void *found = open_in_path(s);
    if (!found) found = open_of_system(s);
    if (!found) found = open_in(s, "/usr/local/cuda/lib64");
    return found ? found : open_in(s, "/usr/local/cuda/lib");
}

static ayf_status check_path(ayf_context *ctx, const char *path) {
    char folder[PATH_MAX];
    struct stat info;
    for (const char *rest = path; rest && *rest;) {
        rest = next_folder(rest, folder);
        if (*folder && (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)))
            return ayf_fail(ctx, AYF_E_USAGE,
                            "device cuda: AYF_CUDA_PATH names %s, which is not a folder; name folders with "
                            "NVIDIA's libraries, with ':' between",
                            folder);
    }
    return AYF_OK;
}

const char *ayf_cuda_file(const ayf_cuda_api *api, ayf_cuda_library library) {
    struct link_map *map = NULL;
    if (!api->library[library] || dlinfo(api->library[library], RTLD_DI_LINKMAP, &map) != 0) return "";
    return map->l_name;
}

/* cuDNN opens its parts by their names, which the loader may find in another installation. Parts that are open
 * already are taken. */
static void open_parts_of_cudnn(const ayf_cuda_api *api) {
    char folder[PATH_MAX], part[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", ayf_cuda_file(api, AYF_CUDA_CUDNN));
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    *slash = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, "libcudnn_", 9) == 0 && length > 5 &&
            strcmp(entry->d_name + length - 5, ".so.9") == 0 &&
            snprintf(part, sizeof part, "%s/%s", folder, entry->d_name) < (int)sizeof part)
            dlopen(part, OPENING);
    }
    if (dir) closedir(dir);
}

/* ---- Opening ---- */

/* What to do about a library that there is not: for the driver, and for the rest by the version of the driver. */
static ayf_status missing(ayf_context *ctx, ayf_cuda_library library, int version, const search *s) {
    if (*s->refused)
        return ayf_fail(ctx, AYF_E_USAGE, "device cuda: %s does not load: %s", libraries[library].subject,
                        s->refused);
    if (library == AYF_CUDA_DRIVER)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "device cuda: there is no NVIDIA driver here (%s is not found); install the driver of "
            "the GPU, or use the CPU (--device cpu)",
            s->name);
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "device cuda: %s is not found (%s); pip's %s has it; name its folder by AYF_CUDA_PATH, or "
        "use the CPU (--device cpu)",
        libraries[library].subject, s->name, libraries[library].package[version]);
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

/* For which CUDA the driver is: 0: 13, or a later one; 1: 12. */
static int version_of_driver(const ayf_cuda_api *api) {
    enum { CUDA_13 = 13000 };
    int driver = 0;
    api->cuDriverGetVersion(&driver);
    return driver < CUDA_13;
}

/* Of the versions that the driver can run, the newest one. */
static ayf_status open_library(ayf_context *ctx, const char *path, ayf_cuda_api *api,
                               ayf_cuda_library library, int version) {
    search s = {.path = path};
    for (int i = version; i < VERSIONS && !api->library[library]; i++) {
        s.name = libraries[library].name[i];
        api->library[library] = open_anywhere(&s);
    }
    if (api->library[library]) return find_functions(ctx, api, library);
    search newest = {.path = path, .name = libraries[library].name[0]};
    void *newer = version > 0 ? open_anywhere(&newest) : NULL;
    s.name = libraries[library].name[version];
    if (!newer) return missing(ctx, library, version, &s);
    dlclose(newer);
    int driver = 0;
    api->cuDriverGetVersion(&driver);
    return ayf_fail(ctx, AYF_E_USAGE,
                    "device cuda: the driver of this machine is for CUDA %d.%d, and %s needs 13.0 or later: "
                    "install a newer driver, or %s of CUDA 12 (pip's %s)",
                    driver / 1000, driver % 1000 / 10, newest.name, libraries[library].subject,
                    libraries[library].package[version]);
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
            "hide them); use the CPU (--device cpu)");
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
    AYF_TRY(check_path(ctx, path));
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_DRIVER, 0));
    AYF_TRY(start_driver(ctx, api));
    int version = version_of_driver(api);
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_NVRTC, version));
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_LT, version));
    AYF_TRY(open_library(ctx, path, api, AYF_CUDA_CUDNN, version));
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
    if (api->library[AYF_CUDA_NCCL]) return AYF_OK;
    return open_library(ctx, path, api, AYF_CUDA_NCCL, version_of_driver(api));
}

void ayf_cuda_tell_libraries(const char *path, ayf_print_fn *print, void *user) {
    for (int i = 0; i < AYF_CUDA_LIBRARIES; i++) {
        ayf_cuda_api found = {0};
        search s = {.path = path};
        char line[AYF_MESSAGE_SIZE];
        for (int k = 0; k < VERSIONS && !found.library[i]; k++) {
            s.name = libraries[i].name[k];
            found.library[i] = open_anywhere(&s);
        }
        snprintf(line, sizeof line, "  %-8s %s", libraries[i].title,
                 found.library[i] ? ayf_cuda_file(&found, (ayf_cuda_library)i)
                 : *s.refused     ? s.refused
                                  : "not found");
        print(user, line);
        ayf_cuda_unload(&found);
    }
}

void ayf_cuda_unload(ayf_cuda_api *api) {
    for (int i = AYF_CUDA_LIBRARIES; i-- > 0;)
        if (api->library[i]) dlclose(api->library[i]);
    *api = (ayf_cuda_api){0};
}
