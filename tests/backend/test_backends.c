/* Every backend against ref: all ops with their derivatives, random graphs, updates of state, saturation. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "op_cases.h"
#include "random_graph.h"

/* ---- Every op and its first and second derivatives ---- */

static void test_every_op(void **state) {
    (void)state;
    for (int op = 1; op < AYF_OP_COUNT; op++)
        for (size_t i = 0; i < op_case_table[op].count; i++)
            for (int v = 0; v < OP_VARIANTS; v++) {
                const op_case *c = &op_case_table[op].row[i];
                if (v != OP_BARE && !op_case_has((ayf_op)op, (op_variant)v)) continue;
                test_result want = {0};
                for (size_t b = 0; b < test_backend_count; b++) {
                    if (test_left_out(b, 0)) continue;
                    ayf_context *ctx = test_open(NULL);
                    ayf_graph *g = ayf_graph_new(ctx);
                    test_result got = {0};
                    word_tree tree;
                    op_case_tree(g, (ayf_op)op, c, (op_variant)v, 2, &tree);
                    ayf_backend *backend = NULL;
                    ayf_program *p = NULL;
                    test_ok(ctx, test_backends[b].open(ctx, &backend));
                    test_ok(ctx, ayf_compile(backend, g, NULL, &p));
                    test_program_fill(p, g, 7, false);
                    size_t n[AYF_MAX_INPUTS] = {0};
                    double *x[AYF_MAX_INPUTS] = {0};
                    for (size_t k = 0; k < tree.inputs; k++) {
                        n[k] = ayf_elements(g, tree.x[k]);
                        x[k] = calloc(n[k], sizeof **x);
                        assert_non_null(x[k]);
                    }
                    op_case_values((ayf_op)op, c, 11 + i, x[0], n[0], x[1], n[1]);
                    for (size_t k = 0; k < tree.inputs; k++) {
                        test_ok(ctx, ayf_program_set_f64(p, k ? "x1" : "x0", x[k], n[k]));
                        free(x[k]);
                    }
                    test_ok(ctx, ayf_program_run(p));
                    test_program_fetch(p, g, false, &got);
                    ayf_program_free(p);
                    ayf_backend_close(backend);
                    ayf_close(ctx);
                    if (b == 0) {
                        want = got;
                        continue;
                    }
                    char what[96];
                    snprintf(what, sizeof what, "%s on %s, case %zu, variant %d", ayf_op_table[op].name,
                             test_backends[b].name, i, v);
                    test_compare(what, &want, &got, test_backends[b].tolerance);
                    test_result_free(&got);
                }
                test_result_free(&want);
            }
}

/* ---- Random graphs ---- */

/* AYF_TEST_SEEDS raises the number of graphs of each kind, for a long search. */
static uint64_t seeds(void) {
    const char *text = getenv("AYF_TEST_SEEDS");
    return text ? strtoull(text, NULL, 10) : 150;
}

static void try_random(random_kind kind, int runs) {
    uint64_t last = kind == RANDOM_LARGE ? seeds() / 5 : seeds();
    for (uint64_t seed = 1; seed <= last; seed++) {
        test_result want = {0};
        const test_run_options options = {.runs = runs};
        for (size_t b = 0; b < test_backend_count; b++) {
            if (test_left_out(b, seed)) continue;
            ayf_context *ctx = test_open(NULL);
            test_result got = {0};
            char what[96];
            ayf_graph *g = random_graph(ctx, seed, kind);
            test_run(ctx, &test_backends[b], g, seed, &options, &got);
            ayf_close(ctx);
            if (b == 0) {
                want = got;
                if (!(test_largest(want.value, want.start[want.count]) < 1e6))
                    fail_msg("random graph %lu of kind %d has values that say nothing", (unsigned long)seed,
                             kind);
                continue;
            }
            snprintf(what, sizeof what, "random graph %lu of kind %d on %s", (unsigned long)seed, kind,
                     test_backends[b].name);
            test_compare(what, &want, &got, test_backends[b].tolerance);
            test_result_free(&got);
        }
        test_result_free(&want);
    }
}

static void test_random_forward(void **state) {
    (void)state;
    try_random(RANDOM_FORWARD, 1);
}

static void test_random_large(void **state) {
    (void)state;
    try_random(RANDOM_LARGE, 1);
}

static void test_random_derivatives(void **state) {
    (void)state;
    try_random(RANDOM_DERIVATIVE, 1);
}

static void test_random_training(void **state) {
    (void)state;
    try_random(RANDOM_TRAINING, 3);
}

static void test_random_wide(void **state) {
    (void)state;
    try_random(RANDOM_WIDE, 1);
}

/* Chains of views that a random search meets rarely. */
static ayf_graph *view_chains(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    assert_non_null(g);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 3)),
           y = ayf_leaf(g, AYF_STORE_INPUT, "y", AYF_SHAPE(9001));
    ayf_id wide = ayf_broadcast(g, x, AYF_SHAPE(5, 3));
    ayf_output(g, "slice of repeated", ayf_slice(g, ayf_slice(g, wide, 0, 3, 2), 1, 1, 2));
    ayf_output(g, "turned", ayf_slice(g, ayf_permute(g, wide, (int[]){1, 0}), 1, 4, 1));
    ayf_output(g, "computed",
               ayf_exp(g, ayf_slice(g, ayf_broadcast(g, ayf_sin(g, x), AYF_SHAPE(5, 3)), 0, 2, 2)));
    ayf_id split = ayf_reshape(g, ayf_slice(g, wide, 0, 1, 4), AYF_SHAPE(2, 2, 3));
    ayf_output(g, "reshaped", ayf_mul(g, split, ayf_slice(g, split, 1, 1, 1)));
    ayf_output(g, "padded", ayf_permute(g, ayf_pad(g, ayf_slice(g, wide, 1, 2, 1), 1, 1, 1), (int[]){1, 0}));
    ayf_output(g, "long row", ayf_sub(g, y, ayf_rowmax(g, y, 1)));
    ayf_output(g, "long softmax", ayf_softmax(g, ayf_mulc(g, y, 3)));
    ayf_id square = ayf_mul(g, ayf_reshape(g, x, AYF_SHAPE(3, 1)), x);
    ayf_output(g, "column maxima", ayf_sub(g, square, ayf_rowmax(g, square, AYF_AXIS(0))));
    ayf_output(g, "row and column",
               ayf_mul(g, ayf_sum(g, square, AYF_AXIS(0)), ayf_sum(g, square, AYF_AXIS(1))));
    ayf_output(g, "input", x);
    ayf_output(g, "constant", ayf_full(g, AYF_SHAPE(2, 2), 0.5));
    return g;
}

/* Every backend against the reference backend, which comes first. */
static void compare_backends(ayf_graph *(*build)(ayf_context *)) {
    test_result want = {0};
    for (size_t b = 0; b < test_backend_count; b++) {
        if (test_left_out(b, 0)) continue;
        ayf_context *ctx = test_open(NULL);
        test_result got = {0};
        test_run(ctx, &test_backends[b], build(ctx), 1, NULL, &got);
        ayf_close(ctx);
        if (b == 0) {
            want = got;
            continue;
        }
        test_compare(test_backends[b].name, &want, &got, test_backends[b].tolerance);
        test_result_free(&got);
    }
    test_result_free(&want);
}

static void test_view_chains(void **state) {
    (void)state;
    compare_backends(view_chains);
}

/* Images that are large enough for several threads, in every mode of resampling, with their gradients. */
static ayf_graph *resampled(ayf_context *ctx) {
    static const ayf_filter smooth = {4, {0.125f, 0.375f, 0.375f, 0.125f}}, odd = {3, {1, 0.5f, -0.25f}};
    static const struct {
        int up, down, pad, height, width;
        const ayf_filter *filter;
    } row[] = {{1, 1, 2, 34, 18, &smooth}, {1, 2, 1, 16, 8, &smooth}, {2, 1, 2, 66, 34, &smooth},
               {3, 2, 2, 50, 26, &odd},    {1, 3, 0, 11, 6, &odd},    {1, 1, 1, 20, 12, &smooth}};
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3, 33, 17, 21));
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        ayf_id y = ayf_upfirdn(g, x, row[i].up, row[i].down, row[i].pad, row[i].height, row[i].width,
                               row[i].filter),
               gradient;
        ayf_id square = ayf_sum_all(g, ayf_square(g, y)), one = ayf_const(g, 1);
        ayf_vjp(g, 1, &square, &one, 1, &x, &gradient);
        char name[16];
        snprintf(name, sizeof name, "y%zu", i);
        ayf_output(g, name, y);
        snprintf(name, sizeof name, "dx%zu", i);
        ayf_output(g, name, gradient);
    }
    return g;
}

static void test_resampling(void **state) {
    (void)state;
    compare_backends(resampled);
}

/* ---- State ---- */

/* The updates of `g` as outputs instead: what ayf_update() must write. */
static void test_updates_are_their_values(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++)
        for (uint64_t seed = 1; seed <= 60; seed++) {
            if (test_left_out(b, seed)) continue;
            ayf_context *ctx = test_open(NULL);
            test_result updated = {0}, values = {0};
            test_run(ctx, &test_backends[b], random_graph(ctx, seed, RANDOM_TRAINING), seed, NULL, &updated);
            ayf_graph *g = random_graph(ctx, seed, RANDOM_TRAINING);
            for (uint32_t i = 0; i < g->leaf_count; i++) {
                ayf_id value = g->leaf[i].update;
                char name[64];
                snprintf(name, sizeof name, "state %.50s", g->leaf[i].name);
                g->leaf[i].update = 0;
                if (value) ayf_output(g, name, value);
            }
            test_run(ctx, &test_backends[b], g, seed, NULL, &values);
            test_compare("updates", &values, &updated, fmax(test_backends[b].tolerance, 1e-12));
            test_result_free(&updated);
            test_result_free(&values);
            ayf_close(ctx);
        }
}

/* x := 2 y, y := x swaps and doubles: both updates see the old values. */
static void test_updates_see_old_values(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        if (test_left_out(b, 0)) continue;
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_STATE, "x", AYF_SHAPE(3)),
               y = ayf_leaf(g, AYF_STORE_STATE, "y", AYF_SHAPE(3));
        ayf_update(g, x, ayf_mulc(g, y, 2));
        ayf_update(g, y, ayf_stop(g, x));
        ayf_output(g, "sum", ayf_add(g, x, y));
        ayf_backend *backend;
        ayf_program *p;
        float xs[3] = {1, 2, 3}, ys[3] = {10, 20, 30}, sum[3];
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_compile(backend, g, NULL, &p));
        test_ok(ctx, ayf_program_set(p, "x", xs, 3));
        test_ok(ctx, ayf_program_set(p, "y", ys, 3));
        const float want[3][3] = {{11, 22, 33}, {21, 42, 63}, {22, 44, 66}};
        for (int run = 0; run < 3; run++) { /* (1,10) -> (20,1) -> (2,20) */
            test_ok(ctx, ayf_program_run(p));
            test_ok(ctx, ayf_program_get(p, "sum", sum, 3));
            for (int i = 0; i < 3; i++)
                if (sum[i] != want[run][i])
                    fail_msg("%s: run %d: %g, expected %g", test_backends[b].name, run, sum[i], want[run][i]);
        }
        ayf_program_free(p);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* PARAM leaves: what depends on them alone runs once, and again after a change. */
static void test_frozen_steps(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        if (test_left_out(b, 0)) continue;
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(4)),
               x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4));
        ayf_id norm = ayf_sqrt(g, ayf_sum(g, ayf_square(g, w), 1));
        ayf_output(g, "y", ayf_mul(g, x, ayf_div(g, w, norm)));
        ayf_output(g, "unit", ayf_div(g, w, norm));
        ayf_backend *backend;
        ayf_program *p;
        ayf_buffer *buffer;
        const float first[4] = {3, 0, 4, 0}, second[4] = {0, 8, 0, 6}, third[4] = {0, 0, 0, -2},
                    xs[4] = {1, 2, 3, 4};
        float y[4], unit[4];
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_compile(backend, g, &(ayf_compile_options){.plan = AYF_PLAN_POISON}, &p));
        test_ok(ctx, ayf_buffer_new(backend, 4, &buffer));
        test_ok(ctx, ayf_program_bind(p, "w", buffer));
        test_ok(ctx, ayf_buffer_set(buffer, first));
        test_ok(ctx, ayf_program_set(p, "x", xs, 4));
        const float want[4][4] = {{0.6f, 0, 2.4f, 0}, {0.6f, 0, 2.4f, 0}, {0, 1.6f, 0, 2.4f}, {0, 0, 0, -4}};
        for (int run = 0; run < 4; run++) {
            if (run == 1) test_ok(ctx, ayf_buffer_set(buffer, second)); /* not yet seen: nobody said so */
            if (run == 2) ayf_program_refresh(p);
            if (run == 3) test_ok(ctx, ayf_program_set(p, "w", third, 4)); /* says so itself */
            test_ok(ctx, ayf_program_run(p));
            test_ok(ctx, ayf_program_get(p, "y", y, 4));
            test_ok(ctx, ayf_program_get(p, "unit", unit, 4));
            for (int i = 0; i < 4; i++) {
                assert_true(fabsf(y[i] - want[run][i]) < 1e-6f);
                assert_true(fabsf(unit[i] * xs[i] - want[run][i]) < 1e-6f);
            }
        }
        ayf_program_free(p);
        ayf_buffer_free(buffer);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* ---- Saturation ---- */

/* y = f(x), its first and second derivative, each in closed form that stays accurate far out. */
static double small(double x) { return exp(-fabs(x)) / (1 + exp(-fabs(x))); } /* sigmoid(-|x|) */
static double sigmoid_0(double x) { return x < 0 ? small(x) : 1 - small(x); }
static double sigmoid_1(double x) { return small(x) * (1 - small(x)); }
static double sigmoid_2(double x) { return sigmoid_1(x) * (2 * small(x) - 1) * (x < 0 ? -1 : 1); }
static double softplus_0(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double tanh_1(double x) { return 4 * sigmoid_1(2 * x); }
static double tanh_2(double x) { return 8 * sigmoid_2(2 * x); }
static double silu_0(double x) { return x * sigmoid_0(x); }
static double silu_1(double x) { return sigmoid_0(x) + x * sigmoid_1(x); }
static double silu_2(double x) { return 2 * sigmoid_1(x) + x * sigmoid_2(x); }

static void test_saturation(void **state) {
    (void)state;
    static const double at[] = {-40, -20, -17, -8, -1, 1, 8, 17, 20, 40};
    enum { N = AYF_COUNT(at) };
    const struct {
        const char *name;
        ayf_id (*build)(ayf_graph *, ayf_id);
        double (*want[3])(double);
    } row[] = {{"sigmoid", ayf_sigmoid, {sigmoid_0, sigmoid_1, sigmoid_2}},
               {"softplus", ayf_softplus, {softplus_0, sigmoid_0, sigmoid_1}},
               {"tanh", ayf_tanh, {tanh, tanh_1, tanh_2}},
               {"silu", ayf_silu, {silu_0, silu_1, silu_2}}};
    for (size_t b = 0; b < test_backend_count; b++)
        for (size_t r = 0; r < AYF_COUNT(row); r++)
            for (int backward = 0; backward < 2; backward++) {
                ayf_context *ctx = test_open(NULL);
                ayf_graph *g = ayf_graph_new(ctx);
                ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(N)), y[3],
                       one = ayf_full(g, AYF_SHAPE(N), 1);
                y[0] = row[r].build(g, x);
                for (int k = 0; k < 2; k++) {
                    if (backward)
                        ayf_vjp(g, 1, &y[k], &one, 1, &x, &y[k + 1]);
                    else
                        ayf_jvp(g, 1, &x, &one, 1, &y[k], &y[k + 1]);
                }
                ayf_output(g, "y0", y[0]);
                ayf_output(g, "y1", y[1]);
                ayf_output(g, "y2", y[2]);
                ayf_backend *backend;
                ayf_program *p;
                test_ok(ctx, test_backends[b].open(ctx, &backend));
                test_ok(ctx, ayf_compile(backend, g, NULL, &p));
                test_ok(ctx, ayf_program_set_f64(p, "x", at, N));
                test_ok(ctx, ayf_program_run(p));
                for (int k = 0; k < 3; k++) {
                    double got[N];
                    char name[24];
                    snprintf(name, sizeof name, "y%d", k);
                    test_ok(ctx, ayf_program_get_f64(p, name, got, N));
                    for (int i = 0; i < N; i++) {
                        double want = row[r].want[k](at[i]),
                               bound = test_backends[b].tolerance > 1e-9 ? 2e-5 : 1e-12;
                        /* tanh'' at 40 is 1e-34: still a normal float. */
                        if (!(fabs(got[i] - want) <= bound * fabs(want)))
                            fail_msg("%s: derivative %d of %s at %g is %.9g, expected %.9g",
                                     test_backends[b].name, k, row[r].name, at[i], got[i], want);
                    }
                }
                ayf_program_free(p);
                ayf_backend_close(backend);
                ayf_close(ctx);
            }
}

/* Far outside nothing overflows to NaN; a NaN that comes in goes on, so that a diverged run is noticed. */
static void test_extremes(void **state) {
    (void)state;
    const float at[5] = {-1e4f, -100, 100, 1e4f, NAN};
    for (size_t b = 0; b < test_backend_count; b++) {
        if (test_left_out(b, 0)) continue;
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(5, 1)), zero = ayf_full(g, AYF_SHAPE(5, 1), 0);
        ayf_id row = ayf_concat(g, x, zero, 1);
        const struct {
            const char *name;
            ayf_id id;
        } out[] = {{"sigmoid", ayf_sigmoid(g, x)},
                   {"tanh", ayf_tanh(g, x)},
                   {"softplus", ayf_softplus(g, x)},
                   {"silu", ayf_silu(g, x)},
                   {"max", ayf_max(g, x, zero)},
                   {"max2", ayf_max(g, zero, x)},
                   {"min", ayf_min(g, x, zero)},
                   {"min2", ayf_min(g, zero, x)},
                   {"leaky", ayf_leaky_relu(g, x, 0.2)},
                   {"clamp", ayf_clamp(g, x, -1, 1)},
                   {"rowmax", ayf_rowmax(g, row, 2)},
                   {"softmax", ayf_slice(g, ayf_softmax(g, row), 1, 0, 1)},
                   {"sin", ayf_sin(g, x)},
                   {"sum", ayf_sum(g, row, 2)}};
        for (size_t i = 0; i < AYF_COUNT(out); i++) ayf_output(g, out[i].name, out[i].id);
        ayf_backend *backend;
        ayf_program *p;
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_compile(backend, g, NULL, &p));
        test_ok(ctx, ayf_program_set(p, "x", at, 5));
        test_ok(ctx, ayf_program_run(p));
        for (size_t i = 0; i < AYF_COUNT(out); i++) {
            float y[5];
            test_ok(ctx, ayf_program_get(p, out[i].name, y, 5));
            for (int k = 0; k < 5; k++)
                if (isfinite(y[k]) != (k < 4))
                    fail_msg("%s: %s of %g is %g", test_backends[b].name, out[i].name, at[k], y[k]);
        }
        ayf_program_free(p);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* EDM2's normalisation x / (eps + |x| / sqrt(n)) of a row of zeros: everything stays finite, also twice. */
static void test_norm_of_zero(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        if (test_left_out(b, 0)) continue;
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 3)), grad, second;
        ayf_id size = ayf_sqrt(g, ayf_mean(g, ayf_square(g, x), AYF_AXIS(1)));
        ayf_id y = ayf_sum_all(g, ayf_div(g, x, ayf_addc(g, size, 1e-4))), one = ayf_const(g, 1);
        ayf_vjp(g, 1, &y, &one, 1, &x, &grad);
        ayf_id square = ayf_sum_all(g, ayf_square(g, grad));
        ayf_vjp(g, 1, &square, &one, 1, &x, &second);
        ayf_output(g, "grad", grad);
        ayf_output(g, "second", second);
        ayf_backend *backend;
        ayf_program *p;
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_compile(backend, g, NULL, &p));
        const float zero_row[6] = {0, 0, 0, 1, -2, 3};
        float first[6], both[6];
        test_ok(ctx, ayf_program_set(p, "x", zero_row, 6));
        test_ok(ctx, ayf_program_run(p));
        test_ok(ctx, ayf_program_get(p, "grad", first, 6));
        test_ok(ctx, ayf_program_get(p, "second", both, 6));
        for (int i = 0; i < 6; i++) assert_true(isfinite(first[i]) && isfinite(both[i]));
        for (int i = 0; i < 3; i++) assert_float_equal(first[i], 1e4, 1);
        ayf_program_free(p);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* AYF_TEST_FILTER: only the tests of this name, in which * stands for anything. */
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op),
        cmocka_unit_test(test_random_forward),
        cmocka_unit_test(test_random_large),
        cmocka_unit_test(test_random_derivatives),
        cmocka_unit_test(test_random_training),
        cmocka_unit_test(test_random_wide),
        cmocka_unit_test(test_view_chains),
        cmocka_unit_test(test_resampling),
        cmocka_unit_test(test_updates_are_their_values),
        cmocka_unit_test(test_updates_see_old_values),
        cmocka_unit_test(test_frozen_steps),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_norm_of_zero),
    };
    if (getenv("AYF_TEST_FILTER")) cmocka_set_test_filter(getenv("AYF_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
