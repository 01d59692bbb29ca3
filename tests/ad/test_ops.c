/* Derivatives of every row of ops.def against signed finite differences in double precision, and builders
 * against independent numbers. All on ref; test_backends.c compares the other backends with it. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "backend/ref/ref.h"
#include "op_cases.h"

/* ---- A word tree that can be evaluated ---- */

enum { LARGEST = 256 }; /* elements of one tensor of a case */

typedef struct evaluated { /* outputs of all nodes of a tree */
    double y[WORD_NODES][AYF_MAX_INPUTS][LARGEST];
} evaluated;

typedef struct trial {
    ayf_context *ctx;
    ayf_backend *backend;
    ayf_program *program;
    const ayf_graph *g;
    word_tree tree;
    size_t size[AYF_MAX_INPUTS];
    double x[AYF_MAX_INPUTS][LARGEST], d[WORD_LENGTH][AYF_MAX_INPUTS][LARGEST];
    char what[160];
} trial;

static void set(trial *t, const char *name, const double *values, size_t count) {
    if (ayf_program_has_leaf(t->program, name))
        test_ok(t->ctx, ayf_program_set_f64(t->program, name, values, count));
}

static void fill_leaf(trial *t, const char *kind, int i, size_t k, size_t count, double *values) {
    char name[40];
    snprintf(name, sizeof name, "%s%d.%zu", kind, i, k);
    test_fill(name, 7, values, count);
    set(t, name, values, count);
}

/* Takes the graph. Cotangents and directions are set once. */
static void trial_open(trial *t, ayf_graph *g) {
    test_ok(t->ctx, test_verify(g));
    test_ok(t->ctx, ayf_ref_open(t->ctx, &t->backend));
    test_ok(t->ctx, ayf_compile(t->backend, g, NULL, &t->program));
    t->g = g;
    double values[LARGEST];
    for (size_t k = 0; k < t->tree.inputs; k++) t->size[k] = ayf_elements(g, t->tree.x[k]);
    for (int l = 0; l < WORD_LENGTH; l++)
        for (size_t k = 0; k < t->tree.inputs; k++) fill_leaf(t, "d", l, k, t->size[k], t->d[l][k]);
    for (int i = 0; i < t->tree.nodes; i++)
        for (size_t k = 0; k < t->tree.at[i].count; k++) {
            size_t count = ayf_elements(g, t->tree.at[i].y[k]);
            assert_in_range(count, 1, LARGEST);
            fill_leaf(t, "u", i, k, count, values);
        }
}

static void trial_close(trial *t) {
    ayf_program_free(t->program);
    ayf_backend_close(t->backend);
    ayf_close(t->ctx);
}

/* At x + h d[level]. */
static void evaluate(trial *t, double h, int level, evaluated *out) {
    for (size_t k = 0; k < t->tree.inputs; k++) {
        double moved[LARGEST];
        for (size_t i = 0; i < t->size[k]; i++) moved[i] = t->x[k][i] + h * t->d[level][k][i];
        set(t, k ? "x1" : "x0", moved, t->size[k]);
    }
    test_ok(t->ctx, ayf_program_run(t->program));
    for (int i = 0; i < t->tree.nodes; i++)
        for (size_t k = 0; k < t->tree.at[i].count; k++) {
            char name[40];
            snprintf(name, sizeof name, "y%d.%zu", i, k);
            test_ok(t->ctx, ayf_program_get_f64(t->program, name, out->y[i][k],
                                                ayf_elements(t->g, t->tree.at[i].y[k])));
        }
}

static double dot(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

static void expect_near(const trial *t, int node, const char *kind, double got, double want, double bound) {
    char word[16];
    word_text(node, word);
    if (!(fabs(got - want) <= bound))
        fail_msg("%s: [%s] %s gives %.12g, expected %.12g (within %.3g)", t->what, word, kind, got, want,
                 bound);
}

/* Node i and its two children, where `slope` are finite differences of all nodes along d[level of i]:
 * jvp = slope, <J'u, d> = <u, slope> and <J'u, d> = <u, jvp>. */
static void check_node(const trial *t, int i, const evaluated *at, const evaluated *slope) {
    int level = word_level(i), jvp = 2 * i + 1, vjp = 2 * i + 2;
    double forward = 0, forward_slope = 0, back = 0, scale = 0;
    for (size_t k = 0; k < t->tree.at[i].count; k++) {
        size_t count = ayf_elements(t->g, t->tree.at[i].y[k]);
        double u[LARGEST], bound = 1e-6 * (1e-2 + test_largest(at->y[jvp][k], count));
        char name[40];
        for (size_t e = 0; e < count; e++)
            expect_near(t, jvp, "output", at->y[jvp][k][e], slope->y[i][k][e], bound);
        snprintf(name, sizeof name, "u%d.%zu", i, k);
        test_fill(name, 7, u, count);
        forward += dot(u, at->y[jvp][k], count);
        forward_slope += dot(u, slope->y[i][k], count);
        for (size_t e = 0; e < count; e++) scale += fabs(u[e] * at->y[jvp][k][e]);
    }
    for (size_t k = 0; k < t->tree.inputs; k++) back += dot(at->y[vjp][k], t->d[level][k], t->size[k]);
    expect_near(t, vjp, "<J'u, d>", back, forward, 1e-10 * (1e-3 + scale));
    expect_near(t, vjp, "<J'u, d> against differences", back, forward_slope, 1e-6 * (1e-2 + scale));
}

/* Differences of fourth order along the direction of each level, for all nodes at once. */
static void check_words(trial *t) {
    const double h = 1e-3;
    evaluated *e = calloc(5, sizeof *e), *at = e, *slope = e + 1, *near = e + 2, *far = e + 3, *minus = e + 4;
    assert_non_null(e);
    evaluate(t, 0, 0, at);
    for (int level = 0; (2 << level) - 1 < t->tree.nodes; level++) {
        double *s = &slope->y[0][0][0], *m = &minus->y[0][0][0];
        evaluate(t, h, level, near);
        evaluate(t, -h, level, minus);
        size_t all = sizeof *e / sizeof(double);
        for (size_t i = 0; i < all; i++) s[i] = 8 * ((&near->y[0][0][0])[i] - m[i]);
        evaluate(t, 2 * h, level, far);
        evaluate(t, -2 * h, level, minus);
        for (size_t i = 0; i < all; i++) s[i] = (s[i] - ((&far->y[0][0][0])[i] - m[i])) / (12 * h);
        for (int i = (1 << level) - 1; i < (2 << level) - 1; i++) check_node(t, i, at, slope);
    }
    free(e);
}

static void assert_not_zero(trial *t, int node) {
    evaluated *at = calloc(1, sizeof *at);
    assert_non_null(at);
    evaluate(t, 0, 0, at);
    double largest = 0;
    for (size_t k = 0; k < t->tree.at[node].count; k++)
        largest = fmax(largest, test_largest(at->y[node][k], ayf_elements(t->g, t->tree.at[node].y[k])));
    free(at);
    char word[16];
    word_text(node, word);
    if (!(largest > 1e-4)) fail_msg("%s: [%s] is zero everywhere, which tests nothing", t->what, word);
}

static const char *const variant_name[OP_VARIANTS] = {"bare", "wrapped", "same input twice"};

static void try_case(ayf_op op, size_t index, op_variant variant) {
    const op_case *c = &op_case_table[op].row[index];
    trial *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(t->ctx);
    snprintf(t->what, sizeof t->what, "%s case %zu, %s", ayf_op_table[op].name, index, variant_name[variant]);
    op_case_tree(g, op, c, variant, WORD_LENGTH, &t->tree);
    trial_open(t, g);
    op_case_values(op, c, 11 + index, t->x[0], t->size[0], t->x[1], t->size[1]);
    check_words(t);
    if (variant == OP_WRAPPED)
        for (int i = 1; i < 7; i++) assert_not_zero(t, i);
    trial_close(t);
    free(t);
}

static void test_every_op_by_differences(void **state) {
    (void)state;
    for (int op = 1; op < AYF_OP_COUNT; op++) {
        assert_true(op_case_table[op].count > 0);
        for (size_t i = 0; i < op_case_table[op].count; i++)
            for (int v = 0; v < OP_VARIANTS; v++)
                if (op_case_has((ayf_op)op, (op_variant)v)) try_case((ayf_op)op, i, (op_variant)v);
    }
}

/* An op that gets no tangent for one input, and one whose inputs are computed from the same variable. */
static void test_one_input_at_a_time(void **state) {
    (void)state;
    for (int op = 1; op < AYF_OP_COUNT; op++) {
        if (ayf_op_table[op].inputs < 2 || !op_case_has((ayf_op)op, OP_BARE)) continue;
        for (size_t k = 0; k < 2; k++) {
            const op_case *c = &op_case_table[op].row[0];
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = ayf_graph_new(ctx);
            ayf_id x[2] = {ayf_leaf(g, AYF_STORE_INPUT, "x0", c->a),
                           ayf_leaf(g, AYF_STORE_INPUT, "x1", c->b)};
            ayf_id d = ayf_leaf(g, AYF_STORE_INPUT, "d", ayf_shape_of(g, x[k])), zero = 0, both[2] = {0},
                   alone = 0, sum = 0;
            ayf_id y = op_case_emit(g, (ayf_op)op, c, x[0], x[1]), partial[2];
            ayf_jvp(g, 1, &x[k], &d, 1, &y, &alone);
            ayf_jvp(g, 2, x, k ? (ayf_id[]){0, d} : (ayf_id[]){d, 0}, 1, &y, &sum);
            assert_int_equal(alone, sum);
            ayf_id u = ayf_leaf(g, AYF_STORE_INPUT, "u", ayf_shape_of(g, y));
            ayf_vjp(g, 1, &y, &u, 2, x, both);
            ayf_vjp(g, 1, &y, &u, 1, &x[0], &partial[0]);
            ayf_vjp(g, 1, &y, &u, 1, &x[1], &partial[1]);
            assert_int_equal(both[0], partial[0]);
            assert_int_equal(both[1], partial[1]);
            ayf_jvp(g, 1, &x[k], &zero, 1, &y, &alone);
            assert_true(ayf_is_const(g, alone, NULL) && ayf_at(g, alone)->value == 0);
            test_ok(ctx, test_verify(g));
            ayf_graph_free(g);
            ayf_close(ctx);
        }
    }
}

/* ---- Ops without derivative ---- */

static void test_zero_kinds(void **state) {
    (void)state;
    for (int op = 1; op < AYF_OP_COUNT; op++) {
        if (ayf_op_table[op].kind != AYF_KIND_ZERO && op != AYF_OP_CONST) continue;
        for (size_t i = 0; i < op_case_table[op].count; i++) {
            const op_case *c = &op_case_table[op].row[i];
            int inputs = ayf_op_table[op].inputs;
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = ayf_graph_new(ctx);
            ayf_id x[2] = {0}, d[2] = {0}, grad[2] = {0}, tangent = 0, value_tangent = 0, passed = 0;
            size_t count = inputs ? (size_t)inputs : 1;
            for (size_t k = 0; k < count; k++) {
                ayf_shape shape = !inputs ? c->out : k ? c->b : c->a;
                x[k] = ayf_leaf(g, AYF_STORE_INPUT, k ? "x1" : "x0", shape);
                d[k] = ayf_leaf(g, AYF_STORE_INPUT, k ? "d1" : "d0", shape);
            }
            ayf_id y = op_case_emit(g, (ayf_op)op, c, x[0], x[1]);
            ayf_id u = ayf_leaf(g, AYF_STORE_INPUT, "u", ayf_shape_of(g, y));
            ayf_jvp(g, count, x, d, 1, &y, &tangent);
            ayf_vjp(g, 1, &y, &u, count, x, grad);
            assert_true(ayf_is_const(g, tangent, NULL) && ayf_at(g, tangent)->value == 0);
            assert_true(ayf_same_shape(g, tangent, y));
            for (size_t k = 0; k < count; k++) {
                assert_true(ayf_is_const(g, grad[k], NULL) && ayf_at(g, grad[k])->value == 0);
                assert_true(ayf_same_shape(g, grad[k], x[k]));
            }
            /* d(x op(x)) = dx op(x): the value still counts where it multiplies something. */
            ayf_id product = ayf_mul(g, x[0], y), want = ayf_mul(g, d[0], y);
            ayf_jvp(g, count, x, d, 1, &product, &value_tangent);
            ayf_jvp(g, count, x, d, 1, &x[0], &passed);
            assert_int_equal(value_tangent, want);
            assert_int_equal(passed, d[0]);
            test_ok(ctx, ayf_graph_check(g));
            ayf_graph_free(g);
            ayf_close(ctx);
        }
    }
}

/* An interior node that is a variable is cut off from what it was computed from. */
static void test_interior_variable(void **state) {
    (void)state;
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3)),
           u = ayf_leaf(g, AYF_STORE_INPUT, "u", AYF_SHAPE(3));
    ayf_id h = ayf_exp(g, x), y = ayf_mul(g, ayf_sin(g, h), x), wrt[2] = {h, x}, grad[2], t;
    ayf_vjp(g, 1, &y, &u, 2, wrt, grad);
    assert_int_equal(grad[0], ayf_mul(g, ayf_mul(g, u, x), ayf_cos(g, h)));
    assert_int_equal(grad[1], ayf_mul(g, u, ayf_sin(g, h))); /* not through h */
    ayf_jvp(g, 1, &h, &u, 1, &y, &t);
    assert_int_equal(t, ayf_mul(g, ayf_mul(g, u, ayf_cos(g, h)), x));
    ayf_vjp(g, 1, &h, &u, 1, &h, grad);
    assert_int_equal(grad[0], u);
    ayf_id outs[2] = {y, y}, cotangents[2] = {u, u}, twice[1]; /* an output named twice counts twice */
    ayf_vjp(g, 2, outs, cotangents, 1, &x, twice);
    ayf_id uu = ayf_add(g, u, u), once;
    ayf_vjp(g, 1, &y, &uu, 1, &x, &once);
    assert_int_equal(twice[0], once);
    test_ok(ctx, ayf_graph_check(g));
    ayf_graph_free(g);
    ayf_close(ctx);
}

static void test_shape_errors(void **state) {
    (void)state;
    for (int transform = 0; transform < 2; transform++) {
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3)), y = ayf_exp(g, x), t;
        ayf_id wrong = ayf_leaf(g, AYF_STORE_INPUT, "w", AYF_SHAPE(1, 3));
        if (transform)
            ayf_vjp(g, 1, &y, &wrong, 1, &x, &t);
        else
            ayf_jvp(g, 1, &x, &wrong, 1, &y, &t);
        assert_int_equal(ayf_graph_check(g), AYF_E_INTERNAL);
        assert_non_null(strstr(ayf_error(ctx), transform ? "vjp" : "jvp"));
        ayf_graph_free(g);
        ayf_close(ctx);
    }
}

/* ---- Values of ops ---- */

/* Feeds x (and w) to a graph built by the caller and gives back "y". */
static void run_simple(ayf_context *ctx, ayf_graph *g, const double *x, size_t nx, const double *w, size_t nw,
                       double *y, size_t ny) {
    ayf_backend *backend;
    ayf_program *p;
    test_ok(ctx, ayf_ref_open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, g, NULL, &p));
    test_ok(ctx, ayf_program_set_f64(p, "x", x, nx));
    if (w) test_ok(ctx, ayf_program_set_f64(p, "w", w, nw));
    test_ok(ctx, ayf_program_run(p));
    test_ok(ctx, ayf_program_get_f64(p, "y", y, ny));
    ayf_program_free(p);
    ayf_backend_close(backend);
}

static void expect_values(const char *what, const double *got, const double *want, size_t count,
                          double tolerance) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * fmax(1, fabs(want[i]))))
            fail_msg("%s[%zu] is %.15g, expected %.15g", what, i, got[i], want[i]);
}

static void test_pointwise_values(void **state) {
    (void)state;
    const double a = 1.5, b = -0.75;
    const struct {
        ayf_id (*unary)(ayf_graph *, ayf_id);
        ayf_id (*binary)(ayf_graph *, ayf_id, ayf_id);
        double want; /* from tables, 15 digits */
    } row[] = {
        {NULL, ayf_add, 0.75},
        {NULL, ayf_sub, 2.25},
        {NULL, ayf_mul, -1.125},
        {NULL, ayf_div, -2},
        {NULL, ayf_max, 1.5},
        {NULL, ayf_min, -0.75},
        {NULL, ayf_gt, 1},
        {ayf_neg, NULL, -1.5},
        {ayf_exp, NULL, 4.48168907033806},
        {ayf_log, NULL, 0.405465108108164},
        {ayf_sqrt, NULL, 1.22474487139159},
        {ayf_sigmoid, NULL, 0.817574476193644},
        {ayf_tanh, NULL, 0.905148253644866},
        {ayf_sin, NULL, 0.997494986604054},
        {ayf_cos, NULL, 0.0707372016677029},
        {ayf_softplus, NULL, 1.70141327798275},
        {ayf_stop, NULL, 1.5},
        {ayf_silu, NULL, 1.22636171429047},
        {ayf_square, NULL, 2.25},
    };
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1)),
               w = ayf_leaf(g, AYF_STORE_INPUT, "w", AYF_SHAPE(1));
        double y;
        ayf_output(g, "y", row[i].unary ? row[i].unary(g, x) : row[i].binary(g, x, w));
        run_simple(ctx, g, &a, 1, &b, 1, &y, 1);
        expect_values("pointwise", &y, &row[i].want, 1, 1e-13);
        ayf_close(ctx);
    }
}

static void test_composites(void **state) {
    (void)state;
    double x[15], w[15], y[15], want[15], low[3], sum[3];
    test_fill("x", 3, x, 15);
    test_fill("w", 3, w, 15);
    for (int which = 0; which < 7; which++) {
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(3, 5)), r = 0;
        ayf_leaf(g, AYF_STORE_INPUT, "w", AYF_SHAPE(3, 5));
        ayf_id b = g->leaf[1].id;
        for (int i = 0; i < 3; i++) {
            low[i] = -INFINITY, sum[i] = 0;
            for (int j = 0; j < 5; j++) low[i] = fmax(low[i], 30 * x[5 * i + j]);
            for (int j = 0; j < 5; j++) sum[i] += exp(30 * x[5 * i + j] - low[i]);
        }
        for (int i = 0; i < 15; i++) {
            double v = x[i], row = 0;
            switch (which) {
            case 0:
                want[i] = exp(30 * v - low[i / 5]) / sum[i / 5];
                break;
            case 1:
                want[i] = v / (1 + exp(-v));
                break;
            case 2:
                want[i] = v > 0 ? v : 0.2 * v;
                break;
            case 3:
                want[i] = v < -0.25 ? -0.25 : v > 0.5 ? 0.5 : v;
                break;
            case 4:
                want[i] = v + 0.3 * (w[i] - v);
                break;
            case 5: /* divided by the root mean square of its row */
                for (int j = 0; j < 5; j++) row += x[i / 5 * 5 + j] * x[i / 5 * 5 + j] / 5;
                want[i] = v / (1e-4 + sqrt(row));
                break;
            default: /* less the column mean, plus 2 */
                for (int j = 0; j < 3; j++) row += x[5 * j + i % 5] / 3;
                want[i] = v - row + 2;
            }
        }
        switch (which) {
        case 0:
            r = ayf_softmax(g, ayf_mulc(g, a, 30));
            break;
        case 1:
            r = ayf_silu(g, a);
            break;
        case 2:
            r = ayf_leaky_relu(g, a, 0.2);
            break;
        case 3:
            r = ayf_clamp(g, a, -0.25, 0.5);
            break;
        case 4:
            r = ayf_add(g, ayf_mulc(g, a, 0.7), ayf_mulc(g, b, 0.3));
            break;
        case 5:
            r = ayf_div(g, a, ayf_addc(g, ayf_sqrt(g, ayf_mean(g, ayf_square(g, a), AYF_AXIS(1))), 1e-4));
            break;
        default:
            r = ayf_addc(g, ayf_sub(g, a, ayf_mean(g, a, AYF_AXIS(0))), 2);
        }
        ayf_output(g, "y", r);
        run_simple(ctx, g, x, 15, w, 15, y, 15);
        expect_values("composite", y, want, 15, 1e-12);
        ayf_close(ctx);
    }
}

/* Differences through the composites, two orders deep. */
static void test_composite_derivatives(void **state) {
    (void)state;
    for (int which = 0; which < 7; which++) {
        trial *t = calloc(1, sizeof *t);
        assert_non_null(t);
        t->ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(t->ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x0", AYF_SHAPE(2, 4, 4, 3)), y;
        const ayf_filter box = {2, {1, 1}}, smooth = {4, {0.125f, 0.375f, 0.375f, 0.125f}};
        switch (which) {
        case 0:
            y = ayf_softmax(g, ayf_mulc(g, x, 3));
            break;
        case 1:
            y = ayf_silu(g, x);
            break;
        case 2: /* on both sides of the kink */
            y = ayf_mul(g, ayf_leaky_relu(g, ayf_addc(g, x, 2), 0.2),
                        ayf_leaky_relu(g, ayf_addc(g, x, -2), 0.2));
            break;
        case 3:
            y = ayf_div(g, x, ayf_addc(g, ayf_sqrt(g, ayf_mean(g, ayf_square(g, x), AYF_AXIS(3))), 1e-4));
            break;
        case 4:
            y = ayf_silu(g, ayf_upfirdn(g, x, 1, 2, 1, 2, 2, &smooth));
            break;
        case 5:
            y = ayf_slice(g, ayf_silu(g, ayf_upfirdn(g, x, 2, 1, 1, 8, 8, &box)), 0, 1, 1);
            break;
        default:
            y = ayf_mean(g, ayf_softplus(g, ayf_mul(g, x, ayf_tanh(g, x))), AYF_AXIS(1) | AYF_AXIS(2));
        }
        snprintf(t->what, sizeof t->what, "composite %d", which);
        t->tree.inputs = 1;
        t->tree.x[0] = x;
        t->tree.at[0].count = 1;
        t->tree.at[0].y[0] = y;
        word_tree_grow(g, &t->tree, WORD_LENGTH);
        trial_open(t, g);
        test_fill("x0", 5, t->x[0], t->size[0]);
        check_words(t);
        assert_not_zero(t, 6);
        trial_close(t);
        free(t);
    }
}

/* upfirdn written out: zeros in between, padding, the outer product of the filter, every down-th. */
static void naive_upfirdn(const double *x, int size, int up, int down, int pad, int out, const double *f,
                          int taps, double *y) {
    enum { ROOM = 64 };
    static double wide[ROOM][ROOM];
    memset(wide, 0, sizeof wide);
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) wide[pad + up * i][pad + up * j] = x[i * size + j];
    for (int i = 0; i < out; i++)
        for (int j = 0; j < out; j++) {
            y[i * out + j] = 0;
            for (int p = 0; p < taps; p++)
                for (int q = 0; q < taps; q++)
                    y[i * out + j] += f[p] * f[q] * wide[down * i + p][down * j + q];
        }
}

static void test_resampling(void **state) {
    (void)state;
    const struct {
        int up, down, pad, size, out, taps;
        double f[4];
    } row[] = {{1, 2, 0, 4, 2, 2, {0.5, 0.5}},
               {2, 1, 1, 4, 8, 2, {1, 1}},
               {1, 2, 1, 6, 3, 4, {0.125, 0.375, 0.375, 0.125}},
               {2, 1, 2, 3, 6, 4, {0.25, 0.75, 0.75, 0.25}},
               {1, 1, 2, 5, 6, 4, {1, -2, 3, 0.5}},
               {3, 2, 2, 4, 6, 3, {1, 2, -3}}};
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_filter filter = {.taps = row[i].taps};
        for (int k = 0; k < row[i].taps; k++) filter.tap[k] = (float)row[i].f[k];
        int n = row[i].size, m = row[i].out;
        size_t nx = (size_t)(n * n), ny = (size_t)(m * m);
        double x[64], y[64], want[64];
        test_fill("x", i, x, nx);
        ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, n, n, 1));
        ayf_output(g, "y", ayf_upfirdn(g, a, row[i].up, row[i].down, row[i].pad, m, m, &filter));
        naive_upfirdn(x, n, row[i].up, row[i].down, row[i].pad, m, row[i].f, row[i].taps, want);
        run_simple(ctx, g, x, nx, NULL, 0, y, ny);
        expect_values("upfirdn", y, want, ny, 1e-13);
        ayf_close(ctx);
    }
    /* [1,1] doubles every pixel: the picture that nearest-neighbour upsampling draws. */
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(ctx);
    const double x[4] = {1, 2, 3, 4}, want[16] = {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4};
    double y[16];
    ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 2, 2, 1));
    ayf_output(g, "y", ayf_upfirdn(g, a, 2, 1, 1, 4, 4, &(ayf_filter){2, {1, 1}}));
    run_simple(ctx, g, x, 4, NULL, 0, y, 16);
    expect_values("nearest", y, want, 16, 0);
    ayf_close(ctx);
}

static void test_conv_and_gemm_values(void **state) {
    (void)state;
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(ctx);
    /* 3x3 image 1..9, stride 2, padding 1, kernel 1..9 (cross-correlation, not flipped) */
    const double x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    double y[6];
    ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 3, 3, 1));
    ayf_output(g, "y", ayf_conv(g, a, ayf_leaf(g, AYF_STORE_INPUT, "w", AYF_SHAPE(1, 3, 3, 1)), 2, 1));
    run_simple(ctx, g, x, 9, w, 9, y, 4);
    /* top left: 1*5+2*6+4*8+5*9; top right: 2*4+3*5+5*7+6*8; bottom: 4*2+5*3+7*5+8*6, 5*1+6*2+8*4+9*5 */
    const double corners[4] = {94, 106, 106, 94};
    expect_values("conv", y, corners, 4, 0);
    ayf_close(ctx);

    const double m[6] = {1, 2, 3, 4, 5, 6}, n[6] = {1, -1, 2, 0.5, 3, 4};
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++) {
            ctx = test_open(NULL);
            g = ayf_graph_new(ctx);
            ayf_shape s23 = AYF_SHAPE(2, 3), s32 = AYF_SHAPE(3, 2);
            a = ayf_leaf(g, AYF_STORE_INPUT, "x", ta ? s32 : s23);
            ayf_output(g, "y", ayf_gemm(g, a, ayf_leaf(g, AYF_STORE_INPUT, "w", tb ? s23 : s32), ta, tb));
            run_simple(ctx, g, m, 6, n, 6, y, 4);
            /* products of [[1 2 3][4 5 6]] or [[1 3 5][2 4 6]] with [[1 -1][2 .5][3 4]] or [[1 .5][-1 3][2
             * 4]] */
            const double product[2][2][4] = {{{14, 12, 32, 22.5}, {5, 18.5, 11, 41}},
                                             {{22, 20.5, 28, 24}, {8, 29.5, 10, 37}}};
            expect_values("gemm", y, product[ta][tb], 4, 1e-14);
            ayf_close(ctx);
        }
}

static void test_moving_values(void **state) {
    (void)state;
    const double x[6] = {1, 2, 3, 4, 5, 6};
    const struct {
        int what;
        size_t count;
        double want[8];
    } row[] = {{0, 6, {1, 4, 2, 5, 3, 6}},
               {1, 4, {2, 3, 5, 6}},
               {2, 8, {0, 1, 2, 3, 0, 4, 5, 6}},
               {3, 8, {1, 2, 3, 1, 4, 5, 6, 4}},
               {4, 2, {6, 15}},
               {5, 3, {4, 5, 6}},
               {6, 3, {5, 7, 9}},
               {7, 1, {3.5}}};
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        ayf_context *ctx = test_open(NULL);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id a = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 3)), r = 0;
        double y[8];
        switch (row[i].what) {
        case 0:
            r = ayf_permute(g, a, (int[]){1, 0});
            break;
        case 1:
            r = ayf_slice(g, a, 1, 1, 2);
            break;
        case 2:
            r = ayf_pad(g, a, 1, 1, 0);
            break;
        case 3:
            r = ayf_concat(g, a, ayf_slice(g, a, 1, 0, 1), 1);
            break;
        case 4:
            r = ayf_sum(g, a, AYF_AXIS(1));
            break;
        case 5:
            r = ayf_rowmax(g, a, AYF_AXIS(0));
            break;
        case 6:
            r = ayf_sum(g, a, AYF_AXIS(0));
            break;
        default:
            r = ayf_mean_all(g, a);
        }
        ayf_output(g, "y", r);
        run_simple(ctx, g, x, 6, NULL, 0, y, row[i].count);
        expect_values("moved", y, row[i].want, row[i].count, 1e-15);
        ayf_close(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_by_differences),
        cmocka_unit_test(test_one_input_at_a_time),
        cmocka_unit_test(test_zero_kinds),
        cmocka_unit_test(test_interior_variable),
        cmocka_unit_test(test_shape_errors),
        cmocka_unit_test(test_pointwise_values),
        cmocka_unit_test(test_composites),
        cmocka_unit_test(test_composite_derivatives),
        cmocka_unit_test(test_resampling),
        cmocka_unit_test(test_conv_and_gemm_values),
        cmocka_unit_test(test_moving_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
