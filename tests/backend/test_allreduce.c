/* ALLREDUCE between two and more processes, played by threads, on every backend; and programs that run in
 * parts. */
#include "support.h"

#include <math.h>
#include <stdio.h>

#include "ad/ad.h"
#include "thread_comm.h"

typedef struct rank_test {
    thread_world *world;
    const test_backend *backend;
    int rank;
    bool fails; /* this process asks for a step that fails */
    ayf_status status, agreed;
    char message[AYF_MESSAGE_SIZE];
    uint32_t steps; /* kernels of the program */
    double dot[2];  /* <u, A v>, <A' u, v> of this process */
    double worst;   /* relative error of the sums */
    bool same;      /* in both runs */
} rank_test;

static double value_of(int rank, uint64_t i, int kind) {
    uint64_t state = (uint64_t)(rank + 1) * 1000003 + i * 7 + (uint64_t)kind;
    return test_real(&state, -1, 1);
}

/* In every thread of a world; the first failure of any thread fails the test afterwards. */
static void run_ranks(int ranks, const test_backend *backend, void *(*body)(void *), rank_test *tests) {
    pthread_t threads[THREADS_MOST];
    thread_world world;
    thread_world_open(&world, ranks);
    for (int i = 0; i < ranks; i++) {
        tests[i].world = &world;
        tests[i].backend = backend;
        tests[i].rank = i;
        assert_int_equal(pthread_create(&threads[i], NULL, body, &tests[i]), 0);
    }
    for (int i = 0; i < ranks; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    thread_world_close(&world);
}

/* ---- Sums ---- */

enum { TENSORS = 5 };
/* The last one is larger than what is packed at a time. */
static const int sizes[TENSORS] = {1, 7, 300, 64, (1 << 21) + 11};

static ayf_status sums(rank_test *t, ayf_context *ctx) {
    ayf_backend *backend = NULL;
    ayf_program *p = NULL;
    ayf_graph *g = ayf_graph_new(ctx);
    char name[16];
    for (int k = 0; g && k < TENSORS; k++) {
        snprintf(name, sizeof name, "x%d", k);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, name, AYF_SHAPE(sizes[k]));
        snprintf(name, sizeof name, "y%d", k);
        ayf_output(g, name, ayf_allreduce(g, ayf_mulc(g, x, 2), t->world->ranks));
    }
    AYF_TRY(t->backend->open(ctx, &backend));
    ayf_status status = ayf_compile(backend, g, NULL, &p);
    double *values = calloc((size_t)sizes[TENSORS - 1], sizeof *values);
    for (int k = 0; status == AYF_OK && k < TENSORS; k++) {
        snprintf(name, sizeof name, "x%d", k);
        for (int i = 0; i < sizes[k]; i++) values[i] = value_of(t->rank, (uint64_t)i, k);
        status = ayf_program_set_f64(p, name, values, (size_t)sizes[k]);
    }
    if (status == AYF_OK) t->steps = ayf_program_describe(p).steps;
    for (int run = 0; run < 2; run++) {
        if (status == AYF_OK) status = ayf_program_run(p);
        for (int k = 0; status == AYF_OK && k < TENSORS; k++) {
            snprintf(name, sizeof name, "y%d", k);
            status = ayf_program_get_f64(p, name, values, (size_t)sizes[k]);
            for (int i = 0; i < sizes[k]; i++) {
                double want = 0;
                for (int r = 0; r < t->world->ranks; r++) want += 2 * value_of(r, (uint64_t)i, k);
                t->worst = fmax(t->worst, fabs(values[i] - want));
            }
        }
    }
    free(values);
    ayf_program_free(p);
    ayf_backend_close(backend);
    return status;
}

/* Traced, so that the totals know exchanges. */
static void *sums_thread(void *data) {
    rank_test *t = data;
    thread_comm comm;
    ayf_context *ctx = ayf_open(&(ayf_options){.threads = 1, .trace = true});
    thread_comm_join(&comm, t->world, t->rank, ctx);
    t->status = sums(t, ctx);
    snprintf(t->message, sizeof t->message, "%s", ayf_error(ctx));
    ayf_close(ctx);
    return NULL;
}

static void test_sums(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++)
        for (int ranks = 2; ranks <= 3; ranks++) {
            rank_test tests[THREADS_MOST] = {0};
            run_ranks(ranks, &test_backends[b], sums_thread, tests);
            for (int i = 0; i < ranks; i++) {
                if (tests[i].status != AYF_OK) fail_msg("%s", tests[i].message);
                if (!(tests[i].worst < 1e-6))
                    fail_msg("%s: wrong by %g", test_backends[b].name, tests[i].worst);
                /* Fused: five groups that double, one exchange. */
                if (strcmp(test_backends[b].name, "ref") != 0) assert_int_equal(tests[i].steps, TENSORS + 1);
            }
        }
}

/* ---- Derivatives ---- */

/* y = A x with A = allreduce of sin-free linear maps: <u, jvp v> and <vjp u, v>, summed over the processes. */
static ayf_status adjoint(rank_test *t, ayf_context *ctx) {
    enum { N = 12 };
    ayf_backend *backend = NULL;
    ayf_program *p = NULL;
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3, 4)),
           v = ayf_leaf(g, AYF_STORE_INPUT, "v", AYF_SHAPE(3, 4)),
           u = ayf_leaf(g, AYF_STORE_INPUT, "u", AYF_SHAPE(3, 4)), Av, Au;
    ayf_id y = ayf_allreduce(g, ayf_mul(g, ayf_sin(g, x), ayf_exp(g, x)), t->world->ranks);
    ayf_jvp(g, 1, &x, &v, 1, &y, &Av);
    ayf_vjp(g, 1, &y, &u, 1, &x, &Au);
    ayf_output(g, "forward", ayf_sum_all(g, ayf_mul(g, u, Av)));
    ayf_output(g, "reverse", ayf_sum_all(g, ayf_mul(g, v, Au)));
    AYF_TRY(t->backend->open(ctx, &backend));
    ayf_status status = ayf_compile(backend, g, NULL, &p);
    static const char *const names[] = {"x", "v", "u"};
    for (int k = 0; status == AYF_OK && k < 3; k++) {
        double values[N];
        for (int i = 0; i < N; i++) values[i] = value_of(t->rank, (uint64_t)i, 10 + k);
        status = ayf_program_set_f64(p, names[k], values, N);
    }
    if (status == AYF_OK) status = ayf_program_run(p);
    if (status == AYF_OK) status = ayf_program_get_f64(p, "forward", &t->dot[0], 1);
    if (status == AYF_OK) status = ayf_program_get_f64(p, "reverse", &t->dot[1], 1);
    ayf_program_free(p);
    ayf_backend_close(backend);
    return status;
}

static void *adjoint_thread(void *data) {
    rank_test *t = data;
    thread_comm comm;
    ayf_context *ctx = ayf_open(&(ayf_options){.threads = 1});
    thread_comm_join(&comm, t->world, t->rank, ctx);
    t->status = adjoint(t, ctx);
    snprintf(t->message, sizeof t->message, "%s", ayf_error(ctx));
    ayf_close(ctx);
    return NULL;
}

static void test_adjoint(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        rank_test tests[THREADS_MOST] = {0};
        run_ranks(3, &test_backends[b], adjoint_thread, tests);
        double forward = 0, reverse = 0, own = 0;
        for (int i = 0; i < 3; i++) {
            if (tests[i].status != AYF_OK) fail_msg("%s", tests[i].message);
            forward += tests[i].dot[0];
            reverse += tests[i].dot[1];
            own = fmax(own, fabs(tests[i].dot[0] - tests[i].dot[1]));
        }
        if (fabs(forward - reverse) > 1e-5 * fmax(1, fabs(forward)))
            fail_msg("%s: %g and %g", test_backends[b].name, forward, reverse);
        assert_true(own > 0.1); /* it holds for all together, not for each */
    }
}

/* One process gets its value back, and no node. */
static void test_one_process(void **state) {
    (void)state;
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3));
    assert_int_equal(ayf_allreduce(g, x, 1), x);
    assert_int_equal(ayf_allreduce(g, x, 0), x);
    ayf_id zero = ayf_const_like(g, x, 0);
    assert_int_equal(ayf_allreduce(g, zero, 4), zero);
    ayf_output(g, "y", ayf_allreduce(g, x, 2));
    ayf_backend *backend;
    ayf_program *p;
    test_ok(ctx, test_backends[0].open(ctx, &backend));
    assert_int_equal(ayf_compile(backend, g, NULL, &p), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(ctx), "for 2 processes"));
    ayf_backend_close(backend);
    ayf_close(ctx);
}

/* ---- Failures ---- */

static void *disagreeing_thread(void *data) {
    rank_test *t = data;
    thread_comm comm;
    ayf_context *ctx = ayf_open(NULL);
    thread_comm_join(&comm, t->world, t->rank, ctx);
    ayf_status own = t->fails ? ayf_fail(ctx, AYF_E_IO, "the disk of %d is full", t->rank) : AYF_OK;
    t->agreed = ayf_comm_agree(&comm.base, own);
    snprintf(t->message, sizeof t->message, "%s", ayf_error(ctx));
    t->same = ayf_comm_agree(&comm.base, AYF_OK) == AYF_OK;
    ayf_close(ctx);
    return NULL;
}

/* The lowest process that failed is heard by all, and the communicator goes on working. */
static void test_agreement(void **state) {
    (void)state;
    for (int failing = 0; failing < 8; failing++) {
        rank_test tests[THREADS_MOST] = {0};
        for (int i = 0; i < 3; i++) tests[i].fails = failing >> i & 1;
        run_ranks(3, NULL, disagreeing_thread, tests);
        int lowest = failing & 1 ? 0 : failing & 2 ? 1 : 2;
        char want[80];
        snprintf(want, sizeof want, "%sthe disk of %d is full",
                 lowest == 1   ? "process 2 of 3: "
                 : lowest == 2 ? "process 3 of 3: "
                               : "",
                 lowest);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(tests[i].agreed, failing ? AYF_E_IO : AYF_OK);
            assert_string_equal(tests[i].message, failing ? want : "");
            assert_true(tests[i].same);
        }
    }
}

/* ---- Parts ---- */

/* sum <- keep sum + x, total <- total + share sum in the last part only. */
static void test_parts(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++)
        for (int mode = 0; mode < 3; mode++) {
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = ayf_graph_new(ctx);
            ayf_shape shape = AYF_SHAPE(4, 8);
            ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", shape),
                   keep = ayf_leaf(g, AYF_STORE_INPUT, "keep", AYF_SHAPE(1)),
                   share = ayf_leaf(g, AYF_STORE_LAST, "share", AYF_SHAPE(1)),
                   sum = ayf_leaf(g, AYF_STORE_STATE, "sum", shape),
                   total = ayf_leaf(g, AYF_STORE_STATE, "total", shape);
            ayf_id next = ayf_add(g, ayf_mul(g, sum, keep),
                                  ayf_gemm(g, x, ayf_gemm(g, x, x, true, false), false, false));
            ayf_id mean = ayf_mul(g, next, share);
            ayf_update(g, sum, next);
            ayf_update(g, total,
                       ayf_add(g, ayf_permute(g, ayf_permute(g, total, (int[]){1, 0}), (int[]){1, 0}), mean));
            ayf_output(g, "norm", ayf_sum_all(g, ayf_square(g, mean)));
            ayf_output(g, "size", ayf_sum_all(g, ayf_square(g, x)));
            ayf_backend *backend;
            ayf_program *p;
            ayf_buffer *kept;
            test_ok(ctx, test_backends[b].open(ctx, &backend));
            test_ok(ctx, ayf_compile(backend, g, &(ayf_compile_options){.plan = (ayf_plan_mode)mode}, &p));
            test_ok(ctx, ayf_buffer_new(backend, 32, &kept));
            test_ok(ctx, ayf_program_bind(p, "total", kept));
            enum { BATCHES = 3, PARTS = 4 };
            double want[32] = {0};
            float got[32];
            for (int i = 0; i < BATCHES * PARTS; i++) {
                double in[32], mean_in[32], is_later = i % PARTS > 0, part = 1.0 / PARTS, size;
                for (int k = 0; k < 32; k++) in[k] = value_of(i, (uint64_t)k, 3);
                for (int r = 0; r < 4; r++)
                    for (int c = 0; c < 8; c++) {
                        mean_in[r * 8 + c] = 0;
                        for (int m = 0; m < 8; m++)
                            for (int k = 0; k < 4; k++)
                                mean_in[r * 8 + c] += in[r * 8 + m] * in[k * 8 + m] * in[k * 8 + c] / PARTS;
                    }
                for (int k = 0; k < 32; k++) want[k] += mean_in[k];
                test_ok(ctx, ayf_program_set_f64(p, "x", in, 32));
                test_ok(ctx, ayf_program_set_f64(p, "keep", &is_later, 1));
                test_ok(ctx, ayf_program_set_f64(p, "share", &part, 1));
                bool last = i % PARTS == PARTS - 1;
                test_ok(ctx, ayf_buffer_get(kept, got));
                float before = got[5];
                test_ok(ctx, last ? ayf_program_run(p) : ayf_program_run_part(p));
                test_ok(ctx, ayf_program_get_f64(p, "size", &size, 1));
                for (int k = 0; k < 32; k++) size -= in[k] * in[k];
                assert_true(fabs(size) < 1e-5);
                test_ok(ctx, ayf_buffer_get(kept, got));
                if (!last) assert_true(got[5] == before);
            }
            for (int k = 0; k < 32; k++)
                if (fabs((double)got[k] - want[k]) > 1e-5)
                    fail_msg("%s: %g, not %g", test_backends[b].name, (double)got[k], want[k]);
            ayf_buffer_free(kept);
            ayf_program_free(p);
            ayf_backend_close(backend);
            ayf_close(ctx);
        }
}

int main(void) {
    setenv("AYF_FAKE_GPUS", "4", 1); /* one for each process */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_adjoint),
                                       cmocka_unit_test(test_one_process), cmocka_unit_test(test_agreement),
                                       cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
