#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ref/ref.h"
#ifdef AYF_TEST_CPU /* the mutation run builds without it */
#include "backend/cpu/cpu.h"
#endif
#ifdef AYF_FAKE_CUDA /* the folder of a GPU for tests */
#include "backend/cuda/cuda.h"

/* With AYF_TEST_GPU in the environment: the GPU of this machine. */
static ayf_status open_cuda(ayf_context *ctx, ayf_backend **out) {
    const char *path = getenv("AYF_TEST_GPU") ? getenv("AYF_CUDA_PATH") : AYF_FAKE_CUDA;
    if (!ctx->device && !(ctx->device = ayf_strdup(ctx, "cuda"))) return AYF_E_MEMORY;
    if (path && !ctx->cuda_path && !(ctx->cuda_path = ayf_strdup(ctx, path))) return AYF_E_MEMORY;
    return ayf_cuda_open(ctx, out);
}
#endif

const test_backend test_backends[] = {
    {"ref", ayf_ref_open, 0, 1},
    {"groups", group_backend_open, 1e-11, 1},
#ifdef AYF_TEST_CPU
    {"cpu", ayf_cpu_open, 2e-4, 1},
#endif
#ifdef AYF_FAKE_CUDA
    {"cuda", open_cuda, 2e-4, 10},
#endif
};
const size_t test_backend_count = AYF_COUNT(test_backends);

bool test_left_out(size_t backend, uint64_t seed) {
    const char *only = getenv("AYF_TEST_BACKEND");
    if (backend == 0) return false;
    return (only && strcmp(only, test_backends[backend].name) != 0) ||
           seed % test_backends[backend].every != 0;
}

/* ---- Contexts ---- */

static void *counting_alloc(void *user, void *pointer, size_t size) {
    test_memory *memory = user;
    if (size == 0) {
        if (pointer) memory->live--;
        free(pointer);
        return NULL;
    }
    if (++memory->calls == memory->fail_at) return NULL;
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    if (block) memory->live++;
    return block;
}

ayf_context *test_open(test_memory *memory) {
    ayf_options options = {.alloc = memory ? counting_alloc : NULL, .alloc_user = memory, .threads = 2};
    ayf_context *ctx = ayf_open(&options);
    if (!ctx && (!memory || !memory->fail_at)) fail_msg("no memory for a context");
    return ctx;
}

void test_ok(ayf_context *ctx, ayf_status status) {
    if (status != AYF_OK) fail_msg("%s: %s", ayf_status_text(status), ayf_error(ctx));
}

/* ---- Values ---- */

uint64_t test_bits(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

int test_int(uint64_t *state, int low, int high) {
    return low + (int)(test_bits(state) % (uint64_t)(high - low + 1));
}

double test_real(uint64_t *state, double low, double high) {
    double unit = (double)(test_bits(state) >> 40) / 16777216.0;
    return (double)(float)(low + (high - low) * unit);
}

void test_fill(const char *leaf, uint64_t seed, double *values, size_t count) {
    uint64_t state = ayf_hash(AYF_HASH_START ^ seed, leaf, strlen(leaf));
    for (size_t i = 0; i < count; i++) values[i] = test_real(&state, -1, 1);
}

/* ---- Running ---- */

static void *must(void *pointer) {
    if (!pointer) fail_msg("out of memory");
    return pointer;
}

void test_result_free(test_result *r) {
    free(r->start);
    free(r->value);
    free(r->name);
    memset(r, 0, sizeof *r);
}

void test_program_fill(ayf_program *p, const ayf_graph *g, uint64_t seed, bool inputs_only) {
    for (uint32_t i = 0; i < g->leaf_count; i++) {
        if (inputs_only && g->leaf[i].storage != AYF_STORE_INPUT) continue;
        size_t count = ayf_elements(g, g->leaf[i].id);
        double *values = must(calloc(count, sizeof *values));
        test_fill(g->leaf[i].name, seed, values, count);
        test_ok(g->ctx, ayf_program_set_f64(p, g->leaf[i].name, values, count));
        free(values);
    }
}

static void fetch_one(ayf_program *p, const char *name, double *to, size_t count, bool f32,
                      ayf_context *ctx) {
    if (!f32) {
        test_ok(ctx, ayf_program_get_f64(p, name, to, count));
        return;
    }
    float *narrow = must(calloc(count, sizeof *narrow));
    test_ok(ctx, ayf_program_get(p, name, narrow, count));
    for (size_t i = 0; i < count; i++) to[i] = (double)narrow[i];
    free(narrow);
}

void test_program_fetch(ayf_program *p, const ayf_graph *g, bool f32, test_result *r) {
    size_t total = 0;
    for (uint32_t i = 0; i < g->output_count; i++) total += ayf_elements(g, g->output[i].id);
    r->count = g->output_count;
    r->start = must(calloc(r->count + 1, sizeof *r->start));
    r->value = must(calloc(total + 1, sizeof *r->value));
    r->name = must(calloc(r->count + 1, sizeof *r->name));
    for (uint32_t i = 0; i < g->output_count; i++) {
        size_t count = ayf_elements(g, g->output[i].id);
        snprintf(r->name[i], sizeof r->name[i], "%.63s", g->output[i].name);
        fetch_one(p, g->output[i].name, r->value + r->start[i], count, f32, g->ctx);
        r->start[i + 1] = r->start[i] + count;
    }
}

/* STATE leaves have no getter: they are bound to buffers of our own, which are read here. */
static void append_states(const ayf_graph *g, ayf_buffer *const *buffer, test_result *r) {
    for (uint32_t i = 0; i < g->leaf_count; i++) {
        if (!g->leaf[i].update) continue;
        size_t count = buffer[i]->elements, at = r->start[r->count];
        r->start = must(realloc(r->start, (r->count + 2) * sizeof *r->start));
        r->name = must(realloc(r->name, (r->count + 1) * sizeof *r->name));
        r->value = must(realloc(r->value, (at + count + 1) * sizeof *r->value));
        ayf_backend *b = buffer[i]->backend;
        test_ok(g->ctx, b->ops->fetch(b, r->value + at, buffer[i]->memory, count, true));
        snprintf(r->name[r->count], sizeof r->name[0], "state %.50s", g->leaf[i].name);
        r->start[++r->count] = at + count;
    }
}

void test_run(ayf_context *ctx, const test_backend *backend, ayf_graph *g, uint64_t seed,
              const test_run_options *options, test_result *result) {
    static const test_run_options defaults;
    ayf_backend *b = NULL;
    ayf_program *p = NULL;
    if (!options) options = &defaults;
    test_ok(ctx, test_verify(g));
    test_ok(ctx, backend->open(ctx, &b));
    ayf_compile_options compile = {
        .plan = options->plan, .precision = options->precision, .recompute = options->recompute};
    test_ok(ctx, ayf_compile(b, g, &compile, &p));
    ayf_buffer **buffer = must(calloc((size_t)g->leaf_count + 1, sizeof(ayf_buffer *)));
    for (uint32_t i = 0; i < g->leaf_count; i++) {
        if (!g->leaf[i].update) continue;
        test_ok(ctx, ayf_buffer_new(b, ayf_elements(g, g->leaf[i].id), &buffer[i]));
        test_ok(ctx, ayf_program_bind(p, g->leaf[i].name, buffer[i]));
    }
    test_program_fill(p, g, seed, false);
    for (int run = 0; run < (options->runs ? options->runs : 1); run++) {
        if (run) test_program_fill(p, g, seed + (uint64_t)run, true);
        test_ok(ctx, ayf_program_run(p));
    }
    test_program_fetch(p, g, options->f32, result);
    append_states(g, buffer, result);
    for (uint32_t i = 0; i < g->leaf_count; i++) ayf_buffer_free(buffer[i]);
    free(buffer);
    ayf_program_free(p);
    ayf_backend_close(b);
}

double test_largest(const double *values, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, isnan(values[i]) ? INFINITY : fabs(values[i]));
    return largest;
}

void test_compare(const char *what, const test_result *want, const test_result *got, double tolerance) {
    assert_int_equal(want->count, got->count);
    for (size_t t = 0; t < want->count; t++) {
        size_t begin = want->start[t], end = want->start[t + 1];
        assert_int_equal(end, got->start[t + 1]);
        double bound = tolerance * fmax(1, test_largest(want->value + begin, end - begin));
        for (size_t i = begin; i < end; i++) {
            double w = want->value[i], v = got->value[i];
            if (tolerance > 0 ? fabs(v - w) <= bound : memcmp(&v, &w, sizeof v) == 0) continue;
            fail_msg("%s: %s[%zu] is %.9g, expected %.9g (within %.3g)", what, want->name[t], i - begin, v, w,
                     bound);
        }
    }
}
