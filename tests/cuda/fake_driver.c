/* The driver: memory, streams, recordings, modules. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bf16.h"
#include "fake.h"

fake_state fake = {.memory = 1u << 30,
                   .driver = 13000,
                   .gpus = 1,
                   .architecture = 90,
                   .oldest = 75,
                   .newest = 121,
                   .refuses_mixed = 1};

void fake_stop(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: CUDA is misused: not %s\n", file, line, what);
    abort();
}

bool fake_fails(void) { return fake_count(&fake.calls, 1) == fake.fail_at; }

/* Of the memory, and of what is open. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

double fake_get(const void *array, size_t index, bool bf16) {
    return bf16 ? (double)ayf_bf16_to_float(((const ayf_bf16 *)array)[index])
                : (double)((const float *)array)[index];
}

void fake_put(void *array, size_t index, bool bf16, double value) {
    if (bf16)
        ((ayf_bf16 *)array)[index] = ayf_bf16_from_float((float)value);
    else
        ((float *)array)[index] = (float)value;
}

/* ---- Memory ---- */

enum { BLOCKS = 4096, ALIGN = 256, GUARD = 256, GUARD_BYTE = 0xA5, FRESH_BYTE = 0xFF };
#define SPACE ((size_t)8 << 30)

typedef struct block {
    size_t at, size; /* size 0: free */
} block;
static block blocks[BLOCKS]; /* by address */
static int block_count;
static char *space;

static int users;

static void open_locked(void) {
    if (users++ == 0) FAKE_REQUIRE(mprotect(space, SPACE, PROT_READ | PROT_WRITE) == 0);
}

static void close_locked(void) {
    if (--users == 0) FAKE_REQUIRE(mprotect(space, SPACE, PROT_NONE) == 0);
}

static void open_memory(void) {
    pthread_mutex_lock(&lock);
    open_locked();
    pthread_mutex_unlock(&lock);
}

static void close_memory(void) {
    pthread_mutex_lock(&lock);
    close_locked();
    pthread_mutex_unlock(&lock);
}

bool fake_is_device(const void *memory, size_t bytes) {
    size_t at = (size_t)((const char *)memory - space);
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < block_count && !found; i++)
        found = at >= blocks[i].at && at + bytes <= blocks[i].at + blocks[i].size;
    pthread_mutex_unlock(&lock);
    return found;
}

static size_t padded(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN + GUARD; }

static void check_guard(const block *b) {
    for (size_t i = b->at + b->size; i < b->at + padded(b->size); i++)
        FAKE_REQUIRE((unsigned char)space[i] == GUARD_BYTE);
}

/* As NVIDIA's driver takes it: in pages of 2 MiB, and for what is small in parts of one. */
static size_t taken(size_t bytes) {
    size_t unit = bytes > 1 << 20 ? 2 << 20 : 512;
    return (bytes + unit - 1) / unit * unit;
}

/* Memory that was never written is NaN. */
static char *reserve(size_t bytes) {
    size_t at = 0;
    int i = 0;
    for (; i < block_count && blocks[i].at - at < padded(bytes); i++)
        at = blocks[i].at + padded(blocks[i].size);
    FAKE_REQUIRE(block_count < BLOCKS && at + padded(bytes) <= SPACE);
    memmove(blocks + i + 1, blocks + i, (size_t)(block_count++ - i) * sizeof *blocks);
    blocks[i] = (block){at, bytes};
    open_locked();
    memset(space + at, FRESH_BYTE, bytes);
    memset(space + at + bytes, GUARD_BYTE, padded(bytes) - bytes);
    close_locked();
    fake.used += taken(bytes);
    return space + at;
}

ayf_cu_result cuMemAlloc_v2(ayf_cu_pointer *out, size_t bytes) {
    FAKE_REQUIRE(bytes > 0);
    bool fails = fake_fails();
    pthread_mutex_lock(&lock);
    char *memory = !fails && fake.used + taken(bytes) <= fake.memory ? reserve(bytes) : NULL;
    pthread_mutex_unlock(&lock);
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    fake_count(&fake.objects, 1);
    *out = (ayf_cu_pointer)(uintptr_t)memory;
    return CUDA_SUCCESS;
}

ayf_cu_result cuMemFree_v2(ayf_cu_pointer pointer) {
    size_t at = (size_t)((char *)(uintptr_t)pointer - space);
    int i = 0;
    pthread_mutex_lock(&lock);
    while (i < block_count && blocks[i].at != at) i++;
    FAKE_REQUIRE(i < block_count);
    open_locked();
    check_guard(&blocks[i]);
    close_locked();
    fake.used -= taken(blocks[i].size);
    memmove(blocks + i, blocks + i + 1, (size_t)(--block_count - i) * sizeof *blocks);
    pthread_mutex_unlock(&lock);
    fake_count(&fake.objects, -1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuMemGetInfo_v2(size_t *left, size_t *total) {
    if (fake_fails()) return 999;
    *left = fake.memory - fake.used;
    *total = fake.memory;
    return CUDA_SUCCESS;
}

/* ---- Streams ---- */

typedef struct item {
    struct item *next;
    fake_work *work;
    size_t size;
    char data[];
} item;

typedef struct list {
    item *first, **end;
} list;

typedef struct stream {
    list queue, recorded;
    bool records;
} stream;

static void append(list *to, fake_work *work, const void *data, size_t size) {
    item *i = malloc(sizeof *i + size);
    FAKE_REQUIRE(i);
    *i = (item){.work = work, .size = size};
    memcpy(i->data, data, size);
    if (!to->first) to->end = &to->first;
    *to->end = i;
    to->end = &i->next;
}

static void clear(list *l) {
    while (l->first) {
        item *next = l->first->next;
        free(l->first);
        l->first = next;
    }
}

void fake_enqueue(ayf_cu_stream to, fake_work *work, const void *data, size_t size) {
    stream *s = to;
    FAKE_REQUIRE(s);
    append(s->records ? &s->recorded : &s->queue, work, data, size);
}

ayf_cu_result cuStreamCreate(ayf_cu_stream *out, unsigned flags) {
    FAKE_REQUIRE(flags == CU_STREAM_NON_BLOCKING);
    if (fake_fails()) return CUDA_ERROR_OUT_OF_MEMORY;
    FAKE_REQUIRE(*out = calloc(1, sizeof(stream)));
    fake_count(&fake.objects, 1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuStreamSynchronize(ayf_cu_stream waited) {
    stream *s = waited;
    FAKE_REQUIRE(!s->records);
    if (fake_fails()) return 719;
    open_memory();
    for (item *i = s->queue.first; i; i = i->next) i->work(i->data);
    close_memory();
    clear(&s->queue);
    return CUDA_SUCCESS;
}

ayf_cu_result cuStreamDestroy_v2(ayf_cu_stream gone) {
    stream *s = gone;
    clear(&s->queue);
    clear(&s->recorded);
    free(s);
    fake_count(&fake.objects, -1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuStreamBeginCapture_v2(ayf_cu_stream recorded, ayf_cu_capture_mode mode) {
    stream *s = recorded;
    FAKE_REQUIRE(mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && !s->records);
    if (fake_fails()) return 999;
    s->records = true;
    return CUDA_SUCCESS;
}

ayf_cu_result cuStreamEndCapture(ayf_cu_stream recorded, ayf_cu_graph *out) {
    stream *s = recorded;
    FAKE_REQUIRE(s->records);
    s->records = false;
    list *graph = calloc(1, sizeof *graph);
    FAKE_REQUIRE(graph);
    *graph = s->recorded;
    s->recorded = (list){0};
    fake_count(&fake.objects, 1);
    *out = graph;
    if (!fake_fails() && !fake.unrecordable) return CUDA_SUCCESS;
    clear(graph);
    free(graph);
    fake_count(&fake.objects, -1);
    *out = NULL;
    return 901;
}

ayf_cu_result cuGraphInstantiateWithFlags(ayf_cu_graph_exec *out, ayf_cu_graph from,
                                          unsigned long long flags) {
    FAKE_REQUIRE(flags == 0);
    if (fake_fails()) return CUDA_ERROR_OUT_OF_MEMORY;
    list *copy = calloc(1, sizeof *copy);
    FAKE_REQUIRE(copy);
    for (item *i = ((list *)from)->first; i; i = i->next) append(copy, i->work, i->data, i->size);
    fake_count(&fake.objects, 1);
    *out = copy;
    return CUDA_SUCCESS;
}

ayf_cu_result cuGraphLaunch(ayf_cu_graph_exec graph, ayf_cu_stream to) {
    stream *s = to;
    if (fake_fails() || fake_count(&fake.replays, 1) == fake.fail_replay) return 719;
    FAKE_REQUIRE(!s->records);
    for (item *i = ((list *)graph)->first; i; i = i->next) append(&s->queue, i->work, i->data, i->size);
    return CUDA_SUCCESS;
}

static void free_list(list *l) {
    clear(l);
    free(l);
    fake_count(&fake.objects, -1);
}

ayf_cu_result cuGraphDestroy(ayf_cu_graph graph) {
    free_list(graph);
    return CUDA_SUCCESS;
}

ayf_cu_result cuGraphExecDestroy(ayf_cu_graph_exec graph) {
    free_list(graph);
    return CUDA_SUCCESS;
}

/* ---- Copies ---- */

typedef struct move {
    void *to;
    const void *from;
    size_t bytes;
} move;

static void copy_bytes(const void *data) {
    const move *m = data;
    memmove(m->to, m->from, m->bytes);
}

ayf_cu_result cuMemcpyHtoDAsync_v2(ayf_cu_pointer to, const void *from, size_t bytes, ayf_cu_stream s) {
    move m = {(void *)(uintptr_t)to, from, bytes};
    FAKE_REQUIRE(fake_is_device(m.to, bytes) && !fake_is_device(from, 1) && !((stream *)s)->records);
    if (fake_fails()) return 719;
    fake_enqueue(s, copy_bytes, &m, sizeof m);
    return CUDA_SUCCESS;
}

ayf_cu_result cuMemcpyDtoHAsync_v2(void *to, ayf_cu_pointer from, size_t bytes, ayf_cu_stream s) {
    move m = {to, (const void *)(uintptr_t)from, bytes};
    FAKE_REQUIRE(fake_is_device(m.from, bytes) && !fake_is_device(to, 1) && !((stream *)s)->records);
    if (fake_fails()) return 719;
    fake_enqueue(s, copy_bytes, &m, sizeof m);
    return CUDA_SUCCESS;
}

ayf_cu_result cuMemcpyDtoDAsync_v2(ayf_cu_pointer to, ayf_cu_pointer from, size_t bytes, ayf_cu_stream s) {
    move m = {(void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes};
    FAKE_REQUIRE(fake_is_device(m.to, bytes) && fake_is_device(m.from, bytes));
    if (fake_fails()) return 719;
    fake_enqueue(s, copy_bytes, &m, sizeof m);
    return CUDA_SUCCESS;
}

typedef struct filling {
    unsigned char *to;
    size_t bytes;
    unsigned char value[2];
} filling;

static void fill_bytes(const void *data) {
    const filling *f = data;
    for (size_t i = 0; i < f->bytes; i++) f->to[i] = f->value[i % 2];
}

static ayf_cu_result enqueue_filling(ayf_cu_pointer to, unsigned short value, size_t bytes, ayf_cu_stream s) {
    filling f = {(unsigned char *)(uintptr_t)to, bytes, {(unsigned char)value, (unsigned char)(value >> 8)}};
    FAKE_REQUIRE(fake_is_device(f.to, bytes));
    if (fake_fails()) return 719;
    fake_enqueue(s, fill_bytes, &f, sizeof f);
    return CUDA_SUCCESS;
}

ayf_cu_result cuMemsetD8Async(ayf_cu_pointer to, unsigned char value, size_t count, ayf_cu_stream s) {
    return enqueue_filling(to, (unsigned short)(value | value << 8), count, s);
}

ayf_cu_result cuMemsetD16Async(ayf_cu_pointer to, unsigned short value, size_t count, ayf_cu_stream s) {
    return enqueue_filling(to, value, 2 * count, s);
}

/* ---- Modules and kernels: an image is the path of a shared library ---- */

typedef void kernel_fn(const void *pointers);
typedef void run_fn(kernel_fn *kernel, const void *pointers, int blocks, int tx, int ty, char *stack);

typedef struct function {
    kernel_fn *kernel;
    run_fn *run;
    size_t pointers; /* bytes */
} function;

ayf_cu_result cuModuleLoadData(ayf_cu_module *out, const void *image) {
    if (fake_fails()) return 200;
    *out = dlopen(getenv("AYF_FAKE_TEXTS") ? NULL : image, RTLD_NOW | RTLD_LOCAL);
    if (!*out) return 200; /* "device kernel image is invalid" */
    fake_count(&fake.objects, 1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuModuleUnload(ayf_cu_module module) {
    dlclose(module);
    fake_count(&fake.objects, -1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuModuleGetFunction(ayf_cu_function *out, ayf_cu_module module, const char *name) {
    /* Functions live as long as the program, as nothing destroys them. */
    static function functions[1 << 16];
    static size_t count;
    char size_name[64];
    if (fake_fails()) return 500;
    if (getenv("AYF_FAKE_TEXTS")) {
        *out = functions;
        return CUDA_SUCCESS;
    }
    snprintf(size_name, sizeof size_name, "%s_size", name);
    function f = {0};
    void *kernel = dlsym(module, name), *run = dlsym(module, "ayf_run_grid");
    const size_t *size = dlsym(module, size_name);
    size_t index = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
    FAKE_REQUIRE(kernel && run && size && index < sizeof functions / sizeof *functions);
    memcpy(&f.kernel, &kernel, sizeof kernel);
    memcpy(&f.run, &run, sizeof run);
    f.pointers = *size;
    functions[index] = f;
    *out = &functions[index];
    return CUDA_SUCCESS;
}

typedef struct launch {
    function f;
    int blocks, tx, ty;
    char pointers[4096];
} launch;

static void run_kernel(const void *data) {
    const launch *l = data;
    enum { STACKS = 1024 * 64 * 1024 }; /* of the threads of a block */
    static __thread char *stack;
    if (!stack)
        stack =
            mmap(NULL, STACKS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FAKE_REQUIRE(stack != MAP_FAILED);
    l->f.run(l->f.kernel, l->pointers, l->blocks, l->tx, l->ty, stack);
}

ayf_cu_result cuLaunchKernel(ayf_cu_function handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                             unsigned by, unsigned bz, unsigned shared, ayf_cu_stream s, void **parameters,
                             void **extra) {
    const function *f = handle;
    FAKE_REQUIRE(f && gx >= 1 && gx <= 0x7FFFFFFF && gy == 1 && gz == 1 && bz == 1 && bx * by >= 1 &&
                 bx * by <= 1024 && shared == 0 && !extra);
    launch l = {.f = *f, .blocks = (int)gx, .tx = (int)bx, .ty = (int)by};
    FAKE_REQUIRE(f->pointers <= sizeof l.pointers);
    if (fake_fails()) return 719;
    memcpy(l.pointers, parameters[0], f->pointers);
    for (size_t i = 0; i < f->pointers / sizeof(void *); i++)
        FAKE_REQUIRE(fake_is_device(((void *const *)parameters[0])[i], 2));
    fake_count(&fake.launches, 1);
    fake_enqueue(s, run_kernel, &l, offsetof(launch, pointers) + f->pointers);
    return CUDA_SUCCESS;
}

/* ---- The device ---- */

/* What a program under test cannot be told otherwise: AYF_FAKE_MEMORY=BYTES, AYF_FAKE_GPUS=N, AYF_FAKE_FAIL=replay:N. */
__attribute__((constructor)) static void read_environment(void) {
    const char *memory = getenv("AYF_FAKE_MEMORY"), *fail = getenv("AYF_FAKE_FAIL");
    if (getenv("AYF_FAKE_GPUS")) fake.gpus = atoi(getenv("AYF_FAKE_GPUS"));
    if (memory) fake.memory = strtoull(memory, NULL, 10);
    if (fail) FAKE_REQUIRE(sscanf(fail, "replay:%ld", &fake.fail_replay) == 1);
}

ayf_cu_result cuInit(unsigned flags) {
    FAKE_REQUIRE(flags == 0);
    if (fake.init_error) return fake.init_error;
    if (!space) {
        space = mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        FAKE_REQUIRE(space != MAP_FAILED);
    }
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

ayf_cu_result cuDriverGetVersion(int *version) {
    *version = fake.driver;
    return CUDA_SUCCESS;
}

ayf_cu_result cuGetErrorName(ayf_cu_result result, const char **name) {
    *name = result == 719   ? "CUDA_ERROR_LAUNCH_FAILED"
            : result == 200 ? "CUDA_ERROR_INVALID_IMAGE"
                            : "CUDA_ERROR";
    return CUDA_SUCCESS;
}

ayf_cu_result cuGetErrorString(ayf_cu_result result, const char **text) {
    *text = result == 719 ? "unspecified launch failure" : "an error of the fake";
    return CUDA_SUCCESS;
}

ayf_cu_result cuDeviceGetCount(int *count) {
    *count = fake.gpus;
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

ayf_cu_result cuDeviceGet(ayf_cu_device *device, int number) {
    FAKE_REQUIRE(number >= 0 && number < fake.gpus);
    *device = number;
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

ayf_cu_result cuDeviceGetName(char *name, int size, ayf_cu_device device) {
    (void)device;
    snprintf(name, (size_t)size, "fake GPU");
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

ayf_cu_result cuDeviceGetAttribute(int *value, ayf_cu_attribute attribute, ayf_cu_device device) {
    (void)device;
    FAKE_REQUIRE(attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ||
                 attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    bool major = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
    *value = major ? fake.architecture / 10 : fake.architecture % 10;
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

ayf_cu_result cuDeviceTotalMem_v2(size_t *bytes, ayf_cu_device device) {
    (void)device;
    *bytes = fake.memory;
    return fake_fails() ? 999 : CUDA_SUCCESS;
}

static char contexts[FAKE_GPUS];
static _Thread_local int current = -1;

int fake_current(void) {
    FAKE_REQUIRE(current >= 0);
    return current;
}

ayf_cu_result cuDevicePrimaryCtxRetain(ayf_cu_context *context, ayf_cu_device device) {
    if (fake_fails()) return CUDA_ERROR_OUT_OF_MEMORY;
    fake_count(&fake.objects, 1);
    *context = &contexts[device];
    return CUDA_SUCCESS;
}

ayf_cu_result cuDevicePrimaryCtxRelease_v2(ayf_cu_device device) {
    (void)device;
    fake_count(&fake.objects, -1);
    return CUDA_SUCCESS;
}

ayf_cu_result cuCtxSetCurrent(ayf_cu_context context) {
    FAKE_REQUIRE(context);
    current = (int)((char *)context - contexts);
    return CUDA_SUCCESS;
}
