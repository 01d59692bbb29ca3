/* The CUDA backend on a GPU for tests (tests/cuda/fake.h): what it says when something is missing, every call that can
 * fail, recordings, the cache of compiled kernels, memory, convolutions that the library refuses. That it computes what
 * the others do is for test_backends.c. */
#include "support.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cuda/fake.h"
#include "backend/open.h"
#include "unet_graph.h"

static fake_state *gpu, fresh;

static int find_gpu(void **state) {
    (void)state;
    void *library = dlopen(AYF_FAKE_CUDA "/libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    gpu = library ? dlsym(library, "fake") : NULL;
    if (!gpu) return -1;
    fresh = *gpu;
    return 0;
}

/* As it was at the beginning. */
static int reset(void **state) {
    (void)state;
    long objects = gpu->objects;
    *gpu = fresh;
    return objects == 0 ? 0 : -1; /* nothing is left of a test */
}

static ayf_context *open_context(const char *device, const char *cache, test_memory *memory) {
    ayf_context *ctx = test_open(memory);
    if (!ctx) return NULL;
    ctx->device = ayf_strdup(ctx, device);
    ctx->cuda_path = ayf_strdup(ctx, AYF_FAKE_CUDA);
    if (cache) ctx->cache = ayf_strdup(ctx, cache);
    return ctx;
}

/* ---- What is missing ---- */

static void expect_refusal(const char *device, const char *path, ayf_status want, const char *message) {
    ayf_context *ctx = test_open(NULL);
    ayf_backend *backend;
    ctx->device = ayf_strdup(ctx, device);
    if (path) ctx->cuda_path = ayf_strdup(ctx, path);
    ayf_status status = ayf_backend_open(ctx, &backend);
    if (status != want || !strstr(ayf_error(ctx), message))
        fail_msg("%s: status %d, \"%s\", but %d and \"%s\" were expected", device, (int)status,
                 ayf_error(ctx), (int)want, message);
    ayf_close(ctx);
    assert_int_equal(gpu->objects, 0);
}

static void test_refusals(void **state) {
    (void)state;
    expect_refusal("cuda:x", AYF_FAKE_CUDA, AYF_E_USAGE, "must be cuda or cuda:N");
    expect_refusal("cuda:-1", AYF_FAKE_CUDA, AYF_E_USAGE, "must be cuda or cuda:N");
    expect_refusal("cuda:", AYF_FAKE_CUDA, AYF_E_USAGE, "must be cuda or cuda:N");
    expect_refusal("cuda:99999999999", AYF_FAKE_CUDA, AYF_E_USAGE, "must be cuda or cuda:N");
    expect_refusal("cudas", AYF_FAKE_CUDA, AYF_E_USAGE,
                   "no device 'cudas': the devices are cpu, cuda, cuda:N, ref");
    expect_refusal("cuda:3", AYF_FAKE_CUDA, AYF_E_USAGE, "this machine has 1 of them, cuda:0");
    gpu->gpus = 0;
    expect_refusal("cuda", AYF_FAKE_CUDA, AYF_E_USAGE, "the driver sees no NVIDIA GPU");
    gpu->gpus = 1;
    static const struct {
        int error;
        const char *message;
    } errors[] = {{CUDA_ERROR_NO_DEVICE, "the driver sees no NVIDIA GPU"},
                  {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "restart the machine"},
                  {CUDA_ERROR_STUB_LIBRARY, "is a stub for building programs"},
                  {999, "the driver does not start: an error of the fake (999)"}};
    for (size_t i = 0; i < AYF_COUNT(errors); i++) {
        gpu->init_error = errors[i].error;
        expect_refusal("cuda", AYF_FAKE_CUDA, AYF_E_USAGE, errors[i].message);
    }
    gpu->init_error = 0;
    gpu->driver = 12040; /* the fake's NVRTC is of CUDA 13 */
    expect_refusal("cuda", AYF_FAKE_CUDA, AYF_E_USAGE,
                   "the driver of this machine is for CUDA 12.4, and libnvrtc.so.13 needs 13.0 or later");
}

/* ---- A program that has all kinds of steps ---- */

enum { STEPS = 3 };

static ayf_graph *mixed_graph(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 4, 4, 16));
    ayf_id w = ayf_leaf(g, AYF_STORE_STATE, "w", AYF_SHAPE(16, 3, 3, 16));
    ayf_id f = ayf_leaf(g, AYF_STORE_PARAM, "f", AYF_SHAPE(16, 16));
    ayf_id y = ayf_silu(g, ayf_conv(g, x, w, 1, 1));
    ayf_id z = ayf_gemm(g, ayf_reshape(g, y, AYF_SHAPE(32, 16)), ayf_sin(g, f), false, true);
    ayf_id norm = ayf_sqrt(g, ayf_sum(g, ayf_square(g, z), AYF_AXIS(1)));
    ayf_id loss = ayf_sum_all(g, ayf_div(g, z, ayf_addc(g, norm, 1)));
    ayf_output(g, "loss", loss);
    ayf_output(g, "padded", ayf_pad(g, z, 0, 1, 34));
    ayf_update(g, w, ayf_mulc(g, w, 0.5));
    return g;
}

/* Opens, compiles and runs it; what it computed, if all went well. */
static ayf_status run_mixed(ayf_context *ctx, ayf_precision precision, float loss[STEPS]) {
    ayf_backend *backend = NULL;
    ayf_program *p = NULL;
    AYF_TRY(ayf_backend_open(ctx, &backend));
    ayf_status status =
        ayf_compile(backend, mixed_graph(ctx), &(ayf_compile_options){.precision = precision}, &p);
    static const struct {
        const char *name;
        size_t count;
    } leaves[] = {{"x", 512}, {"w", 2304}, {"f", 256}};
    for (size_t i = 0; i < AYF_COUNT(leaves) && status == AYF_OK; i++) {
        double values[2304];
        test_fill(leaves[i].name, 5, values, leaves[i].count);
        status = ayf_program_set_f64(p, leaves[i].name, values, leaves[i].count);
    }
    for (int i = 0; i < STEPS && status == AYF_OK; i++) {
        status = ayf_program_run(p);
        if (status == AYF_OK) status = ayf_program_get(p, "loss", &loss[i], 1);
    }
    ayf_program_free(p);
    return status;
}

static void expect_losses(const float want[STEPS], const float got[STEPS]) {
    for (int i = 0; i < STEPS; i++)
        if (!(got[i] - want[i] < 1e-4f && want[i] - got[i] < 1e-4f))
            fail_msg("step %d: %g, not %g", i, (double)got[i], (double)want[i]);
}

static void losses_of(const char *device, ayf_precision precision, float loss[STEPS]) {
    ayf_context *ctx = open_context(device, NULL, NULL);
    test_ok(ctx, run_mixed(ctx, precision, loss));
    ayf_close(ctx);
}

/* ---- Failures ---- */

/* Whatever call fails, there is a message, nothing is left, and the next attempt computes what it should. */
static void test_every_call_may_fail(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    long failures = 0, passed = 0;
    for (long at = 1; passed < 2; at++) {
        *gpu = fresh;
        gpu->fail_at = at;
        test_memory memory = {0};
        ayf_context *ctx = open_context("cuda", NULL, &memory);
        ayf_status status = run_mixed(ctx, AYF_PRECISION_HIGHEST, got);
        if (status != AYF_OK) {
            assert_true(strlen(ayf_error(ctx)) > 10);
            if (status == AYF_E_USAGE) assert_non_null(strstr(ayf_error(ctx), "cuda"));
            failures++;
        } else {
            expect_losses(want, got);
            passed += gpu->calls < at; /* nothing was to fail any more */
        }
        ayf_close(ctx);
        if (memory.live != 0 || gpu->objects != 0)
            fail_msg("after the failure of call %ld %ld blocks and %ld objects are left", at, memory.live,
                     gpu->objects);
    }
    assert_true(failures > 100);
}

/* ---- Recordings ---- */

static void test_recording(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    losses_of("cuda", AYF_PRECISION_HIGHEST, got);
    expect_losses(want, got);
    assert_int_equal(gpu->replays, STEPS - 1); /* the first run computes what is frozen */
    gpu->unrecordable = true;
    gpu->replays = 0;
    losses_of("cuda", AYF_PRECISION_HIGHEST, got); /* step by step, which is slower and as good */
    expect_losses(want, got);
    assert_int_equal(gpu->replays, 0);
}

/* Memory that is bound anew is what the next run uses. */
static void test_bound_again(void **state) {
    (void)state;
    ayf_context *ctx = open_context("cuda", NULL, NULL);
    ayf_backend *backend;
    ayf_program *p;
    ayf_buffer *buffer[2];
    const float x[2] = {1, 2}, values[2][2] = {{10, 20}, {30, 40}};
    float y[2];
    test_ok(ctx, ayf_backend_open(ctx, &backend));
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2)),
           b = ayf_leaf(g, AYF_STORE_STATE, "w", AYF_SHAPE(2));
    ayf_output(g, "y", ayf_add(g, a, b));
    test_ok(ctx, ayf_compile(backend, g, NULL, &p));
    test_ok(ctx, ayf_program_set(p, "x", x, 2));
    for (int i = 0; i < 2; i++) {
        test_ok(ctx, ayf_buffer_new(backend, 2, &buffer[i]));
        test_ok(ctx, ayf_buffer_set(buffer[i], values[i]));
    }
    for (int run = 0; run < 8; run++) {
        if (run % 4 == 0) test_ok(ctx, ayf_program_bind(p, "w", buffer[run / 4]));
        test_ok(ctx, ayf_program_run(p));
        test_ok(ctx, ayf_program_get(p, "y", y, 2));
        assert_true(y[0] == 1 + values[run / 4][0] && y[1] == 2 + values[run / 4][1]);
    }
    assert_int_equal(gpu->replays, 6);
    ayf_program_free(p);
    for (int i = 0; i < 2; i++) ayf_buffer_free(buffer[i]);
    ayf_close(ctx);
}

/* ---- Memory ---- */

static void test_out_of_memory(void **state) {
    (void)state;
    /* Less than the leaves take; less than what is computed takes. */
    static const struct {
        size_t bytes;
        const char *message;
    } row[] = {{10000, "fake GPU (cuda:0): "}, {14000, "(memory of the device)"}};
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        float loss[STEPS];
        ayf_context *ctx = open_context("cuda", NULL, NULL);
        gpu->memory = row[i].bytes;
        assert_int_equal(run_mixed(ctx, AYF_PRECISION_HIGHEST, loss), AYF_E_MEMORY);
        if (!strstr(ayf_error(ctx), "needed, and") || !strstr(ayf_error(ctx), row[i].message))
            fail_msg("%s", ayf_error(ctx));
        ayf_close(ctx);
    }
}

/* ---- Convolutions ---- */

/* In bfloat16. */
static void expect_near(const float want[STEPS], const float got[STEPS]) {
    for (int i = 0; i < STEPS; i++) assert_true(got[i] - want[i] < 0.05f && want[i] - got[i] < 0.05f);
}

/* Where cuDNN writes no result of another element than its operands, it is converted. */
static void test_mixed_elements(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_BF16, want);
    for (int refuses = 0; refuses < 3; refuses++) {
        gpu->refuses_mixed = refuses;
        losses_of("cuda", AYF_PRECISION_BF16, got);
        expect_near(want, got);
    }
}

static void test_gpu_without_bf16(void **state) {
    (void)state;
    float got[STEPS];
    ayf_backend *backend;
    gpu->architecture = 75;
    ayf_context *ctx = open_context("cuda", NULL, NULL);
    test_ok(ctx, ayf_backend_open(ctx, &backend));
    assert_int_equal(ayf_backend_precision(backend, AYF_PRECISION_AUTO), AYF_PRECISION_HIGHEST);
    assert_int_equal(run_mixed(ctx, AYF_PRECISION_BF16, got), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "fake GPU has compute capability 7.5, and bfloat16 needs 8.0"));
    ayf_close(ctx);
}

/* Where cuDNN has nothing better, an engine that transforms is taken: the same products, rounded more often. */
static void test_no_plain_engine(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    gpu->lacks_plain = true;
    losses_of("cuda", AYF_PRECISION_HIGHEST, got);
    expect_losses(want, got);
}

/* An engine that cuDNN has to compile is taken where there is no other, and only there: the fake stops at it. */
static void test_compiled_engine(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    gpu->only_compiled = true;
    losses_of("cuda", AYF_PRECISION_BF16, got);
    expect_near(want, got);
}

/* ---- Architectures and the cache ---- */

static void test_gpu_newer_than_nvrtc(void **state) {
    (void)state;
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    gpu->architecture = 150;
    losses_of("cuda", AYF_PRECISION_HIGHEST, got);
    expect_losses(want, got);
    gpu->architecture = 61;
    ayf_context *ctx = open_context("cuda", NULL, NULL);
    assert_int_equal(run_mixed(ctx, AYF_PRECISION_HIGHEST, got), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "compute capability 6.1"));
    assert_non_null(strstr(ayf_error(ctx), "supports 7.5 and later"));
    ayf_close(ctx);
}

static char cached[4096]; /* the file that was found last */

static int note_file(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)where;
    if (type == FTW_F && strstr(path, "cuda-")) snprintf(cached, sizeof cached, "%s", path);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void run_cached(const char *cache, long compilations) {
    float want[STEPS], got[STEPS];
    losses_of("ref", AYF_PRECISION_HIGHEST, want);
    gpu->compilations = 0;
    ayf_context *ctx = open_context("cuda", cache, NULL);
    test_ok(ctx, run_mixed(ctx, AYF_PRECISION_HIGHEST, got));
    expect_losses(want, got);
    ayf_close(ctx);
    if (gpu->compilations != compilations)
        fail_msg("%ld compilations, not %ld", gpu->compilations, compilations);
}

/* A compiler that takes a minute is not run for what is never launched. */
static void test_planned(void **state) {
    (void)state;
    ayf_context *ctx = open_context("cuda", NULL, NULL);
    ayf_backend *backend;
    ayf_program *p;
    test_ok(ctx, ayf_backend_open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, mixed_graph(ctx), &(ayf_compile_options){0}, &p));
    assert_int_equal(gpu->compilations, 0);
    ayf_program_free(p);
    ayf_close(ctx);
}

static void test_cache(void **state) {
    (void)state;
    char folder[] = "/tmp/ayf-cuda-XXXXXX", inner[64];
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    gpu->folder = folder;
    run_cached(inner, 1);
    run_cached(inner, 0);
    nftw(inner, note_file, 16, FTW_PHYS);
    assert_true(*cached);
    assert_int_equal(truncate(cached, 40), 0); /* a disk that was full */
    run_cached(inner, 1);
    run_cached(inner, 0);
    FILE *file = fopen(cached, "r+"); /* a byte of the image */
    assert_non_null(file);
    assert_int_equal(fseek(file, -2, SEEK_END), 0);
    fputc('?', file);
    fclose(file);
    run_cached(inner, 1);
    gpu->architecture = 80; /* another GPU has its own */
    run_cached(inner, 1);
    run_cached("/proc/not/there", 1); /* nothing can be kept there */
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    gpu->folder = NULL;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, reset)
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),         TEST(test_every_call_may_fail),
        TEST(test_recording),        TEST(test_bound_again),
        TEST(test_out_of_memory),    TEST(test_mixed_elements),
        TEST(test_gpu_without_bf16), TEST(test_no_plain_engine),
        TEST(test_compiled_engine),  TEST(test_gpu_newer_than_nvrtc),
        TEST(test_planned),          TEST(test_cache),
    };
    return cmocka_run_group_tests(tests, find_gpu, NULL);
}
