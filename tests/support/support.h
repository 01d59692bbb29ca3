/* What the engine's tests share: contexts with a counting allocator, the table of backends, random values,
 * running a graph and comparing results. Everything is a pure function of its seed. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec/program.h"
#include "ir/build.h"
#include "verify.h"

/* ---- Contexts ---- */

typedef struct test_memory {
    long live;    /* blocks not freed yet */
    long calls;   /* allocations so far */
    long fail_at; /* the call that fails, counted from 1; 0 = none */
} test_memory;

/* `memory` may be NULL. Stops the test when there is no memory, unless `memory` asks for failures. */
ayf_context *test_open(test_memory *memory);

/* Stops the test with the context's message unless `status` is AYF_OK. */
void test_ok(ayf_context *ctx, ayf_status status);

/* ---- Backends ---- */

typedef struct test_backend {
    const char *name;
    ayf_status (*open)(ayf_context *ctx, ayf_backend **out);
    double tolerance; /* of one result against ref, relative to max(1, largest element of the result) */
    unsigned
        every; /* of many random graphs, one of so many is tried: 1, or more where compiling takes long */
} test_backend;

extern const test_backend test_backends[]; /* [0] is ref */
extern const size_t test_backend_count;

/* Whether this backend is left out: AYF_TEST_BACKEND names another one, or, of random graphs, this seed is not one of
 * its own. ref never is. */
bool test_left_out(size_t backend, uint64_t seed);

/* ref run through fused groups: interprets the groups in double precision as steps.h describes them and
 * checks every address, so that an error of fusion shows without a fused kernel. */
ayf_status group_backend_open(ayf_context *ctx, ayf_backend **out);

/* ---- Values ---- */

uint64_t test_bits(uint64_t *state);
int test_int(uint64_t *state, int low, int high);           /* both ends included */
double test_real(uint64_t *state, double low, double high); /* a value that a float holds exactly */

/* ---- Running ---- */

/* All outputs of a program, then its STATE leaves that have an update. */
typedef struct test_result {
    size_t count;  /* tensors */
    size_t *start; /* count + 1 entries */
    double *value;
    char (*name)[64];
} test_result;
void test_result_free(test_result *result);

/* Values in [-1, 1) for a leaf, from `seed` and its name. */
void test_fill(const char *leaf, uint64_t seed, double *values, size_t count);

typedef struct test_run_options { /* all zero = defaults */
    ayf_plan_mode plan;
    ayf_precision precision;
    ayf_recompute_options recompute;
    int runs; /* 0 = 1; INPUT leaves are filled anew before each run */
    bool f32; /* fetch as float */
} test_run_options;

/* Compiles `g` (which it takes) on a fresh backend, fills the leaves, runs, fetches. */
void test_run(ayf_context *ctx, const test_backend *backend, ayf_graph *g, uint64_t seed,
              const test_run_options *options, test_result *result);

/* The same for a program that is there. */
void test_program_fill(ayf_program *p, const ayf_graph *g, uint64_t seed, bool inputs_only);
void test_program_fetch(ayf_program *p, const ayf_graph *g, bool f32, test_result *result);

double test_largest(const double *values, size_t count);

/* Fails the test, naming `what` and the tensor, where |got - want| > tolerance * max(1, largest |want|). */
void test_compare(const char *what, const test_result *want, const test_result *got, double tolerance);

#endif
