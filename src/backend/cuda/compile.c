#include "backend/cuda/compile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/prelude.h"
#include "io/file.h"

/* Products and sums round one by one, as on the CPU: derivatives rely on a b - b a = 0. A kernel need not use all that is
 * declared for kernels. */
static const char *const common_options[] = {"--fmad=false", "--std=c++17", "--diag-suppress=177"};

/* What NVRTC is asked for besides. */
typedef struct gpu_code {
    int architecture;
    bool exact; /* machine code for this GPU; false: PTX, which the driver finishes */
} gpu_code;

/* ---- The GPU and NVRTC ---- */

static ayf_status too_old(const ayf_cuda_device *d, int oldest) {
    return ayf_fail(
        d->ctx, AYF_E_USAGE,
        "device cuda:%d: %s has compute capability %d.%d, and %s supports %d.%d and later: install NVRTC, "
        "cuBLASLt and cuDNN of an older CUDA, or use the CPU (--device cpu)",
        d->number, d->name, d->architecture / 10, d->architecture % 10,
        ayf_cuda_file(&d->api, AYF_CUDA_NVRTC), oldest / 10, oldest % 10);
}

/* No list of architectures is kept here: NVRTC knows which it supports. */
static ayf_status choose_target(const ayf_cuda_device *d, gpu_code *out) {
    int count = 0, newest = 0, oldest = INT32_MAX;
    bool known = false;
    AYF_TRY(ayf_cuda_check_nvrtc(d, d->api.nvrtcGetNumSupportedArchs(&count), "asking for its GPUs"));
    int *list = ayf_alloc(d->ctx, (size_t)count, sizeof *list);
    if (!list) return AYF_E_MEMORY;
    ayf_status status = ayf_cuda_check_nvrtc(d, d->api.nvrtcGetSupportedArchs(list), "asking for its GPUs");
    for (int i = 0; status == AYF_OK && i < count; i++) {
        known = known || list[i] == d->architecture;
        if (list[i] > newest && list[i] <= d->architecture) newest = list[i];
        if (list[i] < oldest) oldest = list[i];
    }
    ayf_free(d->ctx, list);
    if (status == AYF_OK && newest == 0) status = too_old(d, oldest);
    *out = (gpu_code){newest, known};
    return status;
}

/* ---- Compiling ---- */

static ayf_status report(const ayf_cuda_device *d, ayf_nvrtc_program program, ayf_nvrtc_result result) {
    size_t size = 0;
    char *log = NULL;
    if (result != NVRTC_ERROR_COMPILATION) return ayf_cuda_check_nvrtc(d, result, "compiling kernels");
    if (d->api.nvrtcGetProgramLogSize(program, &size) == NVRTC_SUCCESS && size > 0)
        log = ayf_alloc(d->ctx, size, 1);
    if (log && d->api.nvrtcGetProgramLog(program, log) != NVRTC_SUCCESS) *log = 0;
    ayf_fail(d->ctx, AYF_E_INTERNAL, "NVRTC does not compile the kernels: %.600s", log ? log : "");
    ayf_free(d->ctx, log);
    return AYF_E_INTERNAL;
}

static ayf_status fetch_image(const ayf_cuda_device *d, ayf_nvrtc_program program, bool exact,
                              ayf_text *image) {
    size_t size = 0;
    AYF_TRY(ayf_cuda_check_nvrtc(
        d, exact ? d->api.nvrtcGetCUBINSize(program, &size) : d->api.nvrtcGetPTXSize(program, &size),
        "compiling kernels"));
    char *bytes = ayf_alloc(d->ctx, size, 1);
    if (!bytes) return AYF_E_MEMORY;
    ayf_status status = ayf_cuda_check_nvrtc(
        d, exact ? d->api.nvrtcGetCUBIN(program, bytes) : d->api.nvrtcGetPTX(program, bytes),
        "compiling kernels");
    if (status == AYF_OK) ayf_text_put(image, bytes, size);
    ayf_free(d->ctx, bytes);
    return status == AYF_OK && image->failed ? AYF_E_MEMORY : status;
}

static ayf_status compile(const ayf_cuda_device *d, const char *text, gpu_code target, ayf_text *image) {
    char architecture[32];
    const char *options[1 + AYF_COUNT(common_options)] = {architecture};
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s_%d", target.exact ? "sm" : "compute",
             target.architecture);
    memcpy(options + 1, common_options, sizeof common_options);
    ayf_nvrtc_program program = NULL;
    AYF_TRY(ayf_cuda_check_nvrtc(d, d->api.nvrtcCreateProgram(&program, text, "ayf.cu", 0, NULL, NULL),
                                 "compiling kernels"));
    ayf_nvrtc_result result = d->api.nvrtcCompileProgram(program, (int)AYF_COUNT(options), options);
    ayf_status status =
        result == NVRTC_SUCCESS ? fetch_image(d, program, target.exact, image) : report(d, program, result);
    d->api.nvrtcDestroyProgram(&program);
    return status;
}

/* ---- The cache ---- */

/* In front of what is compiled, so that a file that was cut off or belongs to something else is not loaded. */
typedef struct cache_head {
    char magic[8];
    uint64_t key, size, hash; /* of the text and all that decides what is made of it; of the image */
} cache_head;

static const char cache_magic[8] = {'a', 'y', 'f', 'k', 'e', 'r', 'n', '1'};

static uint64_t cache_key(const ayf_cuda_device *d, const ayf_text *text, gpu_code target) {
    int major = 0, minor = 0;
    d->api.nvrtcVersion(&major, &minor);
    uint64_t key = ayf_hash(AYF_HASH_START, text->data, text->size);
    const int rest[] = {major, minor, target.architecture, target.exact};
    for (size_t i = 0; i < AYF_COUNT(common_options); i++)
        key = ayf_hash(key, common_options[i], strlen(common_options[i]) + 1);
    return ayf_hash(key, rest, sizeof rest);
}

static char *cache_file(const ayf_cuda_device *d, const char *cache, uint64_t key) {
    return ayf_format(d->ctx, "%s/cuda-%016" PRIx64, cache, key);
}

/* False: it is not there, or not whole. */
static bool read_cached(const ayf_cuda_device *d, const char *cache, uint64_t key, ayf_text *image) {
    char *path = cache_file(d, cache, key);
    void *bytes = NULL;
    size_t size = 0;
    cache_head head = {0};
    bool whole = path && ayf_path_exists(path) && ayf_file_read(d->ctx, path, 0, &bytes, &size) == AYF_OK &&
                 size > sizeof head;
    if (whole) {
        const char *content = (const char *)bytes + sizeof head;
        memcpy(&head, bytes, sizeof head);
        whole = memcmp(head.magic, cache_magic, sizeof cache_magic) == 0 && head.key == key &&
                head.size == size - sizeof head &&
                head.hash == ayf_hash(AYF_HASH_START, content, size - sizeof head);
        if (whole) ayf_text_put(image, content, size - sizeof head);
    }
    ayf_free(d->ctx, bytes);
    ayf_free(d->ctx, path);
    return whole && !image->failed;
}

static void write_cached(const ayf_cuda_device *d, const char *cache, uint64_t key, const ayf_text *image) {
    cache_head head = {.key = key, .size = image->size};
    memcpy(head.magic, cache_magic, sizeof cache_magic);
    head.hash = ayf_hash(AYF_HASH_START, image->data, image->size);
    char *path = cache_file(d, cache, key);
    ayf_file_writer *writer = NULL;
    ayf_status status = path ? ayf_make_folders(d->ctx, cache) : AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_file_begin(d->ctx, path, &writer);
    if (status == AYF_OK) {
        ayf_file_put(writer, &head, sizeof head);
        ayf_file_put(writer, image->data, image->size);
        status = ayf_file_commit(writer);
    }
    if (status != AYF_OK) ayf_say(d->ctx, "compiled kernels are not kept: %s", ayf_error(d->ctx));
    ayf_free(d->ctx, path);
}

/* ---- Functions ---- */

static ayf_status load_module(const ayf_cuda_device *d, const char *image, ayf_cuda_code *code,
                              ayf_cuda_modules *modules) {
    ayf_cu_module module = NULL;
    AYF_TRY(
        ayf_reserve(d->ctx, &modules->module, modules->count, &modules->capacity, sizeof *modules->module));
    ayf_cu_result loaded = d->api.cuModuleLoadData(&module, image);
    if (loaded == CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
        return ayf_fail(
            d->ctx, AYF_E_USAGE,
            "device cuda:%d: %s is newer than NVRTC, and the driver is older: install a newer driver, or "
            "a newer NVRTC (here: %s)",
            d->number, d->name, d->libraries);
    AYF_TRY(ayf_cuda_check(d, loaded, "loading kernels"));
    modules->module[modules->count++] = module;
    for (uint32_t i = 0; i < code->count; i++) {
        char name[AYF_CUDA_NAME_SIZE];
        ayf_cu_function function = NULL;
        if (code->function[i].handle) continue;
        ayf_cuda_name(&code->function[i], name);
        AYF_TRY(ayf_cuda_check(d, d->api.cuModuleGetFunction(&function, module, name), "loading kernels"));
        code->function[i].handle = function;
    }
    return AYF_OK;
}

static ayf_status compile_and_load(const ayf_cuda_device *d, const ayf_text *text, ayf_text *image,
                                   ayf_cuda_code *code, uint32_t fresh, const char *cache,
                                   ayf_cuda_modules *modules) {
    gpu_code target;
    AYF_TRY(choose_target(d, &target));
    uint64_t key = cache_key(d, text, target);
    bool cached = cache && read_cached(d, cache, key, image);
    if (cached && load_module(d, image->data, code, modules) == AYF_OK) return AYF_OK;
    image->size = 0; /* another driver may refuse what an older one took */
    ayf_say(d->ctx, "compiling %u kernels for %s%s%s", fresh, d->name, cache ? ", to be kept in " : "",
            cache ? cache : "");
    AYF_TRY(compile(d, text->data, target, image));
    AYF_TRY(load_module(d, image->data, code, modules));
    if (cache) write_cached(d, cache, key, image);
    return AYF_OK;
}

ayf_status ayf_cuda_compile(const ayf_cuda_device *d, ayf_cuda_code *code, const char *cache,
                            ayf_cuda_modules *modules) {
    ayf_text text, image;
    uint32_t fresh = 0;
    ayf_text_init(&text, d->ctx);
    ayf_text_init(&image, d->ctx);
    for (uint32_t i = 0; i < code->count; i++) {
        if (code->function[i].handle) continue;
        if (fresh++ == 0) ayf_cuda_prelude(&text);
        ayf_text_print(&text, "%s", code->function[i].text);
    }
    ayf_status status = text.failed ? AYF_E_MEMORY : AYF_OK;
    if (fresh && status == AYF_OK) status = compile_and_load(d, &text, &image, code, fresh, cache, modules);
    ayf_text_free(&text);
    ayf_text_free(&image);
    return status;
}

void ayf_cuda_modules_free(const ayf_cuda_device *d, ayf_cuda_modules *modules) {
    for (uint32_t i = 0; i < modules->count; i++) d->api.cuModuleUnload(modules->module[i]);
    ayf_free(d->ctx, modules->module);
    *modules = (ayf_cuda_modules){0};
}
