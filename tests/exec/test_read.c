/* Programs whose parameters are read when they are needed: the same results as with parameters in memory, which are
 * in memory no longer than the program needs them. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 2,
    SIZE = 4,
    CHANNELS = 32,
    KERNEL = 9 * CHANNELS * CHANNELS,
    SQUARE = CHANNELS * CHANNELS,
    OUT = N * SIZE * SIZE * CHANNELS
};
enum { W, V, B, LEAVES };

/* W is normalised before it is used, as a trained weight is; V multiplies as it is; B is added in every run. */
static const char *const names[LEAVES] = {"w", "v", "b"};
static const size_t sizes[LEAVES] = {KERNEL, SQUARE, OUT};

static ayf_graph *build(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(N, SIZE, SIZE, CHANNELS)),
           w = ayf_leaf(g, AYF_STORE_PARAM, names[W], AYF_SHAPE(CHANNELS, 3, 3, CHANNELS)),
           v = ayf_leaf(g, AYF_STORE_PARAM, names[V], AYF_SHAPE(CHANNELS, 1, 1, CHANNELS)),
           b = ayf_leaf(g, AYF_STORE_PARAM, names[B], AYF_SHAPE(N, SIZE, SIZE, CHANNELS));
    ayf_id norm = ayf_sqrt(g, ayf_sum(g, ayf_square(g, w), AYF_AXIS(1) | AYF_AXIS(2) | AYF_AXIS(3)));
    ayf_id y = ayf_silu(g, ayf_conv(g, x, ayf_div(g, w, norm), 1, 1));
    y = ayf_silu(g, ayf_conv(g, y, v, 1, 0));
    ayf_output(g, "y", ayf_add(g, y, b));
    return g;
}

typedef struct source {
    long reads[LEAVES], all, fail_at;
} source;

typedef struct source_view { /* what buffers see of it: they do not change what they read */
    source *of;
    ayf_context *ctx;
} source_view;

static void fill(int index, float *values) {
    double exact[KERNEL];
    test_fill(names[index], 7, exact, sizes[index]);
    for (size_t i = 0; i < sizes[index]; i++) values[i] = (float)exact[i];
}

static ayf_status read_leaf(const void *from, int index, float *values) {
    const source_view *view = from;
    view->of->reads[index]++;
    if (++view->of->all == view->of->fail_at) return ayf_fail(view->ctx, AYF_E_IO, "the file is gone");
    fill(index, values);
    return AYF_OK;
}

typedef struct bed {
    ayf_context *ctx;
    ayf_backend *backend;
    source source;
    source_view view;
    ayf_buffer *buffer[LEAVES];
} bed;

static void make_bed(bed *b, const test_backend *backend) {
    *b = (bed){.ctx = test_open(NULL)};
    b->view = (source_view){&b->source, b->ctx};
    test_ok(b->ctx, backend->open(b->ctx, &b->backend));
    for (int i = 0; i < LEAVES; i++)
        test_ok(b->ctx, ayf_buffer_new_read(b->backend, sizes[i], read_leaf, &b->view, i, &b->buffer[i]));
}

static void free_bed(bed *b) {
    for (int i = 0; i < LEAVES; i++) ayf_buffer_free(b->buffer[i]);
    ayf_backend_close(b->backend);
    ayf_close(b->ctx);
}

static ayf_program *compile(bed *b, ayf_precision precision, ayf_plan_mode plan, bool reads) {
    ayf_program *p;
    static float values[KERNEL];
    static double x[OUT];
    ayf_compile_options options = {.precision = precision, .plan = plan};
    test_ok(b->ctx, ayf_compile(b->backend, build(b->ctx), &options, &p));
    test_fill("x", 7, x, OUT);
    test_ok(b->ctx, ayf_program_set_f64(p, "x", x, OUT));
    for (int i = 0; i < LEAVES; i++) {
        fill(i, values);
        test_ok(b->ctx, reads ? ayf_program_bind(p, names[i], b->buffer[i])
                              : ayf_program_set(p, names[i], values, sizes[i]));
    }
    return p;
}

static void run(bed *b, ayf_program *p, float *y) {
    test_ok(b->ctx, ayf_program_run(p));
    test_ok(b->ctx, ayf_program_get(p, "y", y, OUT));
}

/* Without memory between the runs, where the steps that run once are all that read them. */
static void expect_let_go(const bed *b) {
    assert_null(b->buffer[W]->memory);
    assert_non_null(b->buffer[B]->memory);
}

static void test_results(void **state) {
    (void)state;
    static float want[OUT], got[OUT];
    for (size_t i = 0; i < test_backend_count; i++)
        for (int k = 0; k < 6; k++) {
            ayf_precision precision = k % 2 ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST;
            bed b;
            make_bed(&b, &test_backends[i]);
            ayf_program *held = compile(&b, precision, (ayf_plan_mode)(k / 2), false),
                        *read = compile(&b, precision, (ayf_plan_mode)(k / 2), true);
            run(&b, held, want);
            for (int times = 1; times < 4; times++) {
                if (times == 3) ayf_program_refresh(read);
                run(&b, read, got);
                assert_memory_equal(got, want, sizeof want);
                expect_let_go(&b);
                assert_int_equal(b.source.reads[W], times == 3 ? 2 : 1);
                assert_int_equal(b.source.reads[B], 1);
            }
            ayf_program_free(read);
            for (int l = 0; l < LEAVES; l++) assert_null(b.buffer[l]->memory);
            ayf_program_free(held);
            free_bed(&b);
        }
}

/* Two programs share what they need all the time. */
static void test_sharing(void **state) {
    (void)state;
    static float want[OUT], got[OUT];
    bed b;
    make_bed(&b, &test_backends[0]);
    ayf_program *one = compile(&b, AYF_PRECISION_HIGHEST, AYF_PLAN_REUSE, true),
                *two = compile(&b, AYF_PRECISION_HIGHEST, AYF_PLAN_REUSE, true);
    run(&b, one, want);
    run(&b, two, got);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(b.source.reads[B], 1);
    ayf_program_free(one);
    expect_let_go(&b);
    run(&b, two, got);
    assert_memory_equal(got, want, sizeof want);
    ayf_program_free(two);
    assert_null(b.buffer[B]->memory);
    free_bed(&b);
}

/* Whichever read fails, the run says so, nothing stays that is not needed, and the next run is right. */
static void test_failures(void **state) {
    (void)state;
    static float want[OUT], got[OUT];
    for (size_t i = 0; i < test_backend_count; i++)
        for (long at = 1;; at++) {
            bed b;
            make_bed(&b, &test_backends[i]);
            ayf_program *p = compile(&b, AYF_PRECISION_HIGHEST, AYF_PLAN_REUSE, true);
            b.source.fail_at = at;
            ayf_status status = ayf_program_run(p);
            bool all = b.source.all < at;
            assert_int_equal(status, all ? AYF_OK : AYF_E_IO);
            assert_null(b.buffer[W]->memory);
            run(&b, p, at == 1 ? want : got);
            if (at > 1) assert_memory_equal(got, want, sizeof want);
            ayf_program_free(p);
            free_bed(&b);
            if (!all) continue;
            assert_in_range(at, LEAVES + 1, 10);
            break;
        }
}

static void test_facts(void **state) {
    (void)state;
    for (size_t i = 0; i < test_backend_count; i++) {
        bed b;
        make_bed(&b, &test_backends[i]);
        size_t element = b.backend->ops->element_size[AYF_F32], all = 0;
        for (int l = 0; l < LEAVES; l++) all += sizes[l] * element;
        ayf_program *held = compile(&b, AYF_PRECISION_HIGHEST, AYF_PLAN_REUSE, false),
                    *read = compile(&b, AYF_PRECISION_HIGHEST, AYF_PLAN_REUSE, true);
        ayf_program_facts of_held = ayf_program_describe(held), of_read = ayf_program_describe(read);
        assert_int_equal(of_held.leaf_bytes, OUT * element + all);
        assert_int_equal(of_read.leaf_bytes, of_held.read_bytes);
        assert_int_equal(of_read.read_bytes, of_held.read_bytes);
        /* The largest is W, for a while, with room to read it. V is kept by some kernels, and read once then. */
        size_t least = (OUT + 3 * sizes[W] + sizes[B]) * element;
        if (of_read.leaf_bytes != least) assert_int_equal(of_read.leaf_bytes, least + sizes[V] * element);
        size_t before = ayf_program_missing_bytes(read);
        test_ok(b.ctx, ayf_program_run(read));
        assert_in_range(before, of_read.leaf_bytes - OUT * element, SIZE_MAX);
        assert_int_equal(ayf_program_missing_bytes(read), 0);
        assert_int_equal(ayf_program_set(read, "w", (float[KERNEL]){0}, KERNEL), AYF_E_INTERNAL);
        ayf_program_free(held);
        ayf_program_free(read);
        free_bed(&b);
    }
}

static void test_buffers(void **state) {
    (void)state;
    static float want[KERNEL], got[KERNEL];
    bed b;
    ayf_buffer *copy;
    make_bed(&b, &test_backends[0]);
    fill(W, want);
    test_ok(b.ctx, ayf_buffer_get(b.buffer[W], got));
    assert_memory_equal(got, want, sizeof want);
    test_ok(b.ctx, ayf_buffer_new(b.backend, KERNEL, &copy));
    test_ok(b.ctx, ayf_buffer_copy(copy, b.buffer[W]));
    assert_null(b.buffer[W]->memory);
    memset(got, 0, sizeof got);
    test_ok(b.ctx, ayf_buffer_get(copy, got));
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(ayf_buffer_set(b.buffer[W], want), AYF_E_INTERNAL);
    ayf_buffer_free(copy);
    free_bed(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results), cmocka_unit_test(test_sharing), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_facts),   cmocka_unit_test(test_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
