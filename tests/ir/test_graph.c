/* The graph: sharing, folding, errors, verification. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random_graph.h"

typedef struct fixture {
    ayf_context *ctx;
    ayf_graph *g;
    ayf_id x, y, w; /* (2,3), (2,3), (3,2) */
} fixture;

static fixture open_fixture(void) {
    fixture f = {.ctx = test_open(NULL)};
    f.g = ayf_graph_new(f.ctx);
    assert_non_null(f.g);
    f.x = ayf_leaf(f.g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 3));
    f.y = ayf_leaf(f.g, AYF_STORE_INPUT, "y", AYF_SHAPE(2, 3));
    f.w = ayf_leaf(f.g, AYF_STORE_PARAM, "w", AYF_SHAPE(3, 2));
    return f;
}

static void close_fixture(fixture *f) {
    ayf_graph_free(f->g);
    ayf_close(f->ctx);
}

static void expect_const(const fixture *f, ayf_id id, double want) {
    double value;
    assert_true(ayf_is_const(f->g, id, &value));
    assert_true(fabs(value - want) < 1e-14);
}

/* ---- Sharing ---- */

static void test_equal_nodes_are_one(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_graph *g = f.g;
    ayf_id first = ayf_silu(g, ayf_add(g, f.x, f.y));
    uint32_t count = g->count;
    assert_int_equal(ayf_silu(g, ayf_add(g, f.x, f.y)), first);
    assert_int_equal(ayf_silu(g, ayf_add(g, f.y, f.x)), first); /* sums and products commute */
    assert_int_equal(ayf_mul(g, f.x, f.y), ayf_mul(g, f.y, f.x));
    assert_int_equal(g->count, count + 1);
    assert_int_not_equal(ayf_sub(g, f.x, f.y), ayf_sub(g, f.y, f.x));
    assert_int_not_equal(ayf_div(g, f.x, f.y), ayf_div(g, f.y, f.x));
    assert_int_not_equal(ayf_gt(g, f.x, f.y), ayf_gt(g, f.y, f.x));
    assert_int_not_equal(ayf_slice(g, f.x, 1, 0, 2), ayf_slice(g, f.x, 1, 1, 2)); /* attributes count */
    assert_int_not_equal(ayf_gemm(g, f.x, f.w, false, false), ayf_gemm(g, f.x, f.y, false, true));
    assert_int_equal(ayf_const(g, 0.5), ayf_const(g, 0.5));
    assert_int_not_equal(ayf_const(g, 0.5), ayf_full(g, AYF_SHAPE(1, 1), 0.5));
    assert_int_equal(ayf_const(g, -0.0), ayf_const(g, 0.0));
    ayf_filter a = {2, {1, 1}}, b = {2, {1, 1, 9}},
               c = {2, {1, 2}}; /* what lies behind the taps is ignored */
    ayf_id image = ayf_reshape(g, f.x, AYF_SHAPE(1, 2, 3, 1));
    assert_int_equal(ayf_upfirdn(g, image, 2, 1, 1, 4, 6, &a), ayf_upfirdn(g, image, 2, 1, 1, 4, 6, &b));
    assert_int_not_equal(ayf_upfirdn(g, image, 2, 1, 1, 4, 6, &a), ayf_upfirdn(g, image, 2, 1, 1, 4, 6, &c));
    test_ok(f.ctx, test_verify(g));
    close_fixture(&f);
}

/* Many nodes: the table grows, and everything is still found. */
static void test_sharing_survives_growth(void **state) {
    (void)state;
    fixture f = open_fixture();
    enum { N = 5000 };
    static ayf_id id[N];
    for (int i = 0; i < N; i++) id[i] = ayf_sin(f.g, ayf_addc(f.g, f.x, i + 1));
    uint32_t count = f.g->count;
    for (int i = 0; i < N; i++) assert_int_equal(ayf_sin(f.g, ayf_addc(f.g, f.x, i + 1)), id[i]);
    assert_int_equal(f.g->count, count);
    test_ok(f.ctx, test_verify(f.g));
    close_fixture(&f);
}

static void test_leaves(void **state) {
    (void)state;
    fixture f = open_fixture();
    assert_int_equal(ayf_leaf(f.g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 3)), f.x);
    ayf_scope(f.g, "net%d.", 7);
    ayf_id inner = ayf_leaf(f.g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 3));
    assert_int_not_equal(inner, f.x);
    assert_int_equal(ayf_leaf_find(f.g, "net7.x"), 3);
    assert_int_equal(ayf_leaf_find(f.g, "x"), 0);
    assert_int_equal(ayf_leaf_find(f.g, "z"), -1);
    test_ok(f.ctx, ayf_graph_check(f.g));
    assert_int_equal(ayf_leaf(f.g, AYF_STORE_INPUT, "x", AYF_SHAPE(3, 2)), 0);
    assert_int_equal(ayf_graph_check(f.g), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(f.ctx), "net7.x"));
    close_fixture(&f);
    f = open_fixture();
    assert_int_equal(ayf_leaf(f.g, AYF_STORE_STATE, "x", AYF_SHAPE(2, 3)), 0); /* another storage */
    assert_int_equal(ayf_graph_check(f.g), AYF_E_INTERNAL);
    close_fixture(&f);
}

/* ---- Folding ---- */

static void test_constants_fold(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_graph *g = f.g;
    ayf_id c = ayf_const_like(g, f.x, 2), d = ayf_const_like(g, f.x, -3);
    expect_const(&f, ayf_add(g, c, d), -1);
    expect_const(&f, ayf_sub(g, c, d), 5);
    expect_const(&f, ayf_mul(g, c, d), -6);
    expect_const(&f, ayf_div(g, c, d), -2.0 / 3);
    expect_const(&f, ayf_max(g, c, d), 2);
    expect_const(&f, ayf_min(g, c, d), -3);
    expect_const(&f, ayf_gt(g, c, d), 1);
    expect_const(&f, ayf_neg(g, c), -2);
    expect_const(&f, ayf_exp(g, c), 7.38905609893065);
    expect_const(&f, ayf_sqrt(g, c), 1.4142135623730951);
    expect_const(&f, ayf_sum(g, c, 3), 12);
    expect_const(&f, ayf_sum_all(g, c), 12);
    expect_const(&f, ayf_mean(g, d, AYF_AXIS(0)), -3);
    expect_const(&f, ayf_rowmax(g, d, AYF_AXIS(1)), -3);
    expect_const(&f, ayf_permute(g, c, (int[]){1, 0}), 2);
    expect_const(&f, ayf_slice(g, c, 0, 1, 1), 2);
    expect_const(&f, ayf_broadcast(g, c, AYF_SHAPE(4, 2, 3)), 2);
    expect_const(&f, ayf_concat(g, c, c, 0), 2);
    assert_false(ayf_is_const(g, ayf_concat(g, c, d, 0), NULL));
    assert_false(ayf_is_const(g, ayf_pad(g, c, 0, 1, 0), NULL)); /* zeros around twos */
    ayf_id zero = ayf_const_like(g, f.x, 0);
    expect_const(&f, ayf_pad(g, zero, 0, 1, 0), 0);
    expect_const(&f, ayf_gemm(g, zero, f.w, false, false), 0);
    expect_const(&f, ayf_gemm(g, f.w, zero, false, false), 0);
    ayf_id image = ayf_reshape(g, zero, AYF_SHAPE(1, 2, 3, 1));
    expect_const(&f, ayf_conv(g, image, ayf_leaf(g, AYF_STORE_PARAM, "k", AYF_SHAPE(4, 3, 3, 1)), 1, 1), 0);
    test_ok(f.ctx, test_verify(g));
    close_fixture(&f);
}

static void test_identities(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_graph *g = f.g;
    ayf_id x = f.x, y = f.y;
    assert_int_equal(ayf_addc(g, x, 0), x);
    assert_int_equal(ayf_sub(g, x, ayf_const_like(g, x, 0)), x);
    assert_int_equal(ayf_sub(g, ayf_const_like(g, x, 0), x), ayf_neg(g, x));
    expect_const(&f, ayf_sub(g, x, x), 0);
    assert_int_equal(ayf_mulc(g, x, 1), x);
    assert_int_equal(ayf_mulc(g, x, -1), ayf_neg(g, x));
    expect_const(&f, ayf_mulc(g, x, 0), 0);
    assert_int_equal(ayf_mulc(g, ayf_mulc(g, x, 2), 3), ayf_mulc(g, x, 6));
    assert_int_equal(ayf_mulc(g, ayf_neg(g, x), 3), ayf_mulc(g, x, -3));
    assert_int_equal(ayf_neg(g, ayf_mulc(g, x, 3)), ayf_mulc(g, x, -3));
    assert_int_equal(ayf_neg(g, ayf_neg(g, x)), x);
    assert_int_equal(ayf_neg(g, ayf_sub(g, x, y)), ayf_sub(g, y, x));
    assert_int_equal(ayf_add(g, x, ayf_neg(g, y)), ayf_sub(g, x, y));
    assert_int_equal(ayf_add(g, ayf_neg(g, y), x), ayf_sub(g, x, y));
    assert_int_equal(ayf_sub(g, x, ayf_neg(g, y)), ayf_add(g, x, y));
    assert_int_equal(ayf_div(g, x, ayf_const_like(g, x, 4)), ayf_mulc(g, x, 0.25));
    expect_const(&f, ayf_div(g, ayf_const_like(g, x, 0), x), 0);
    assert_false(
        ayf_is_const(g, ayf_div(g, x, ayf_const_like(g, x, 0)), NULL)); /* infinite, but not our guess */
    assert_int_equal(ayf_permute(g, ayf_permute(g, x, (int[]){1, 0}), (int[]){1, 0}), x);
    assert_int_equal(ayf_permute(g, x, (int[]){0, 1}), x);
    assert_int_equal(ayf_reshape(g, ayf_reshape(g, x, AYF_SHAPE(6)), AYF_SHAPE(2, 3)), x);
    assert_int_equal(ayf_slice(g, x, 1, 0, 3), x);
    assert_int_equal(ayf_slice(g, ayf_slice(g, x, 1, 1, 2), 1, 1, 1), ayf_slice(g, x, 1, 2, 1));
    assert_int_equal(ayf_pad(g, x, 0, 0, 0), x);
    assert_int_equal(ayf_sum(g, x, 0), x);
    assert_int_equal(ayf_sum(g, ayf_sum(g, x, 1), 2), ayf_sum(g, x, 3));
    ayf_id row = ayf_sum(g, x, 2);
    assert_int_equal(ayf_sum(g, ayf_broadcast(g, row, AYF_SHAPE(2, 3)), 2), ayf_mulc(g, row, 3));
    assert_int_equal(ayf_broadcast(g, x, AYF_SHAPE(2, 3)), x);
    test_ok(f.ctx, test_verify(g));
    close_fixture(&f);
}

/* Three axes in a circle twice is not three times: the order of composed permutations matters. */
static void test_permutations_compose(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_id a = ayf_leaf(f.g, AYF_STORE_INPUT, "a", AYF_SHAPE(2, 3, 4));
    ayf_id once = ayf_permute(f.g, a, (int[]){1, 2, 0}), twice = ayf_permute(f.g, once, (int[]){0, 2, 1});
    ayf_shape s = ayf_shape_of(f.g, twice);
    assert_true(s.dim[0] == 3 && s.dim[1] == 2 && s.dim[2] == 4);
    assert_int_equal(twice, ayf_permute(f.g, a, (int[]){1, 0, 2}));
    close_fixture(&f);
}

static void test_broadcasting_shapes(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_graph *g = f.g;
    ayf_id row = ayf_leaf(g, AYF_STORE_INPUT, "row", AYF_SHAPE(3)),
           col = ayf_leaf(g, AYF_STORE_INPUT, "col", AYF_SHAPE(2, 1));
    ayf_shape s = ayf_shape_of(g, ayf_add(g, row, col));
    assert_true(s.rank == 2 && s.dim[0] == 2 && s.dim[1] == 3);
    s = ayf_shape_of(g, ayf_mul(g, ayf_const(g, 2), f.x));
    assert_true(s.rank == 2 && s.dim[0] == 2 && s.dim[1] == 3);
    s = ayf_shape_of(g, ayf_mean_all(g, f.x));
    assert_true(s.rank == 1 && s.dim[0] == 1);
    assert_int_equal(ayf_elements(g, f.x), 6);
    assert_true(ayf_node_flops(g, ayf_gemm(g, f.x, f.w, false, false)) == 2.0 * 2 * 2 * 3);
    assert_true(ayf_node_flops(g, ayf_gemm(g, f.w, f.x, true, true)) == 2.0 * 2 * 2 * 3);
    ayf_id image = ayf_leaf(g, AYF_STORE_INPUT, "image", AYF_SHAPE(2, 8, 8, 3));
    ayf_id k = ayf_leaf(g, AYF_STORE_INPUT, "k", AYF_SHAPE(5, 3, 3, 3));
    assert_true(ayf_node_flops(g, ayf_conv(g, image, k, 2, 1)) == 2.0 * 2 * 4 * 4 * 5 * 27);
    assert_true(ayf_node_flops(g, f.x) == 0);
    close_fixture(&f);
}

/* ---- Errors ---- */

static ayf_id bad_add(fixture *f) { return ayf_add(f->g, f->x, f->w); }
static ayf_id bad_gemm(fixture *f) { return ayf_gemm(f->g, f->x, f->y, false, false); }
static ayf_id bad_gemm_rank(fixture *f) {
    return ayf_gemm(f->g, ayf_reshape(f->g, f->x, AYF_SHAPE(6)), f->y, false, false);
}
static ayf_id bad_reshape(fixture *f) { return ayf_reshape(f->g, f->x, AYF_SHAPE(7)); }
static ayf_id bad_broadcast(fixture *f) { return ayf_broadcast(f->g, f->x, AYF_SHAPE(4, 3)); }
static ayf_id fewer_axes(fixture *f) { return ayf_broadcast(f->g, f->x, AYF_SHAPE(3)); }
static ayf_id bad_slice(fixture *f) { return ayf_slice(f->g, f->x, 1, 2, 2); }
static ayf_id bad_slice_axis(fixture *f) { return ayf_slice(f->g, f->x, 2, 0, 1); }
static ayf_id empty_slice(fixture *f) { return ayf_slice(f->g, f->x, 1, 0, 0); }
static ayf_id bad_pad(fixture *f) { return ayf_pad(f->g, f->x, 0, -1, 1); }
static ayf_id bad_pad_after(fixture *f) { return ayf_pad(f->g, f->x, 0, 1, -1); }
static ayf_id bad_concat(fixture *f) { return ayf_concat(f->g, f->x, f->w, 0); }
static ayf_id bad_concat_axis(fixture *f) { return ayf_concat(f->g, f->x, f->y, -1); }
static ayf_id bad_permute(fixture *f) { return ayf_permute(f->g, f->x, (int[]){1, 1}); }
static ayf_id bad_permute_axis(fixture *f) { return ayf_permute(f->g, f->x, (int[]){0, 2}); }
static ayf_id bad_conv(fixture *f) { return ayf_conv(f->g, f->x, f->w, 1, 1); }
static ayf_id bad_conv_channels(fixture *f) {
    return ayf_conv(f->g, ayf_reshape(f->g, f->x, AYF_SHAPE(1, 2, 1, 3)),
                    ayf_reshape(f->g, f->w, AYF_SHAPE(3, 1, 1, 2)), 1, 0);
}
static ayf_id bad_conv_stride(fixture *f) {
    return ayf_conv(f->g, ayf_reshape(f->g, f->x, AYF_SHAPE(1, 2, 3, 1)),
                    ayf_reshape(f->g, f->w, AYF_SHAPE(6, 1, 1, 1)), 0, 0);
}
static ayf_id bad_conv_size(fixture *f) {
    return ayf_conv(f->g, ayf_reshape(f->g, f->x, AYF_SHAPE(1, 2, 3, 1)),
                    ayf_reshape(f->g, f->w, AYF_SHAPE(1, 3, 2, 1)), 1, 0);
}
static ayf_id bad_filter(fixture *f) {
    return ayf_upfirdn(f->g, ayf_reshape(f->g, f->x, AYF_SHAPE(1, 2, 3, 1)), 1, 1, 0, 2, 3,
                       &(ayf_filter){.taps = 9});
}
static ayf_id bad_upfirdn(fixture *f) {
    return ayf_upfirdn(f->g, f->x, 2, 1, 0, 4, 6, &(ayf_filter){2, {1, 1}});
}
static ayf_id empty_leaf(fixture *f) { return ayf_leaf(f->g, AYF_STORE_INPUT, "empty", AYF_SHAPE(2, 0)); }
static ayf_id huge_leaf(fixture *f) {
    return ayf_leaf(f->g, AYF_STORE_INPUT, "huge", AYF_SHAPE(1 << 30, 1 << 30, 1 << 30, 1 << 30));
}
static ayf_id no_rank(fixture *f) { return ayf_leaf(f->g, AYF_STORE_INPUT, "scalar", (ayf_shape){0}); }

static void test_errors_name_builder_and_shapes(void **state) {
    (void)state;
    const struct {
        const char *name;
        ayf_id (*build)(fixture *);
        const char *says[3];
    } row[] = {
        {"add", bad_add, {"BROADCAST", "2x3", "3x2"}},
        {"gemm", bad_gemm, {"GEMM", "2x3", "inner"}},
        {"gemm of rank 1", bad_gemm_rank, {"gemm"}},
        {"reshape", bad_reshape, {"RESHAPE", "2x3", "7"}},
        {"broadcast", bad_broadcast, {"BROADCAST", "2x3", "4x3"}},
        {"broadcast to fewer axes", fewer_axes, {"BROADCAST", "2x3", "3"}},
        {"slice", bad_slice, {"SLICE", "2x3", "outside"}},
        {"slice axis", bad_slice_axis, {"slice", "axis 2"}},
        {"empty slice", empty_slice, {"SLICE", "2x3", "at least 1"}},
        {"pad", bad_pad, {"PAD", "2x3"}},
        {"pad after", bad_pad_after, {"PAD", "2x3"}},
        {"concat", bad_concat, {"CONCAT", "2x3", "3x2"}},
        {"concat axis", bad_concat_axis, {"concat", "-1"}},
        {"permute", bad_permute, {"PERMUTE", "2x3"}},
        {"permute axis", bad_permute_axis, {"PERMUTE", "2x3"}},
        {"conv", bad_conv, {"CONV_FPROP", "2x3", "3x2"}},
        {"conv channels", bad_conv_channels, {"CONV_FPROP", "1x2x1x3", "3x1x1x2"}},
        {"conv stride", bad_conv_stride, {"CONV_FPROP", "stride"}},
        {"conv size", bad_conv_size, {"CONV_FPROP", "1x2x3x1", "1x3x2x1"}},
        {"filter", bad_filter, {"filter", "8"}},
        {"upfirdn", bad_upfirdn, {"UPFIRDN", "2x3"}},
        {"empty leaf", empty_leaf, {"INPUT", "2x0"}},
        {"leaf without rank", no_rank, {"INPUT", "rank"}},
    };
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        fixture f = open_fixture();
        ayf_scope(f.g, "student.");
        if (row[i].build(&f) != 0) fail_msg("%s was accepted", row[i].name);
        assert_int_equal(ayf_graph_check(f.g), AYF_E_INTERNAL);
        char first[AYF_MESSAGE_SIZE];
        snprintf(first, sizeof first, "%s", ayf_error(f.ctx));
        if (!strstr(first, "student.")) fail_msg("%s: no scope in '%s'", row[i].name, first);
        for (int k = 0; k < 3 && row[i].says[k]; k++)
            if (!strstr(first, row[i].says[k]))
                fail_msg("%s: no '%s' in '%s'", row[i].name, row[i].says[k], first);
        /* Sticky: everything afterwards is 0, and the first message stays. */
        assert_int_equal(ayf_silu(f.g, f.x), 0);
        assert_int_equal(ayf_leaf(f.g, AYF_STORE_INPUT, "z", AYF_SHAPE(1)), 0);
        assert_int_equal(bad_reshape(&f), 0);
        ayf_output(f.g, "out", f.x);
        assert_int_equal(f.g->output_count, 0);
        assert_string_equal(ayf_error(f.ctx), first);
        assert_int_equal(test_verify(f.g), AYF_E_INTERNAL);
        close_fixture(&f);
    }
}

/* Sizes are the user's, who knows nothing of graphs. */
static void test_too_large(void **state) {
    (void)state;
    fixture f = open_fixture();
    ayf_scope(f.g, "student.");
    assert_int_equal(huge_leaf(&f), 0);
    assert_int_equal(ayf_graph_check(f.g), AYF_E_CONFIG);
    if (strncmp(ayf_error(f.ctx), "too large: ", 11) != 0) fail_msg("'%s'", ayf_error(f.ctx));
    assert_int_equal(ayf_silu(f.g, f.x), 0);
    close_fixture(&f);
}

static void test_builders_pass_zero_on(void **state) {
    (void)state;
    fixture f = open_fixture();
    assert_int_equal(ayf_add(f.g, 0, f.x), 0);
    assert_int_equal(ayf_softmax(f.g, ayf_silu(f.g, 0)), 0);
    assert_int_equal(ayf_concat(f.g, f.x, 0, 0), 0);
    assert_int_equal(ayf_gemm(f.g, 0, f.x, false, false), 0);
    assert_int_equal(ayf_conv(f.g, f.x, 0, 1, 1), 0);
    assert_int_equal(ayf_mean_all(f.g, 0), 0);
    assert_int_equal(ayf_leaky_relu(f.g, 0, 0.2), 0);
    assert_int_equal(ayf_clamp(f.g, 0, 0, 1), 0);
    close_fixture(&f);
}

static void test_update_rules(void **state) {
    (void)state;
    for (int which = 0; which < 5; which++) {
        fixture f = open_fixture();
        ayf_id s = ayf_leaf(f.g, AYF_STORE_STATE, "s", AYF_SHAPE(2, 3));
        switch (which) {
        case 0:
            ayf_update(f.g, f.x, ayf_neg(f.g, f.x));
            break; /* not STATE */
        case 1:
            ayf_update(f.g, s, f.x);
            break; /* not computed */
        case 2:
            ayf_update(f.g, s, ayf_neg(f.g, f.w));
            break; /* another shape */
        case 3:
            ayf_update(
                f.g, s,
                ayf_reshape(f.g, ayf_leaf(f.g, AYF_STORE_STATE, "flat", AYF_SHAPE(6)), AYF_SHAPE(2, 3)));
            break;
        default:
            ayf_update(f.g, s, 0);
        }
        assert_int_equal(ayf_graph_check(f.g), AYF_E_INTERNAL);
        assert_non_null(strstr(ayf_error(f.ctx), which ? "'s'" : "STATE"));
        close_fixture(&f);
    }
}

/* ---- Verification and printing ---- */

static void test_verify_finds_damage(void **state) {
    (void)state;
    for (int which = 0; which < 6; which++) {
        fixture f = open_fixture();
        ayf_id a = ayf_add(f.g, f.x, f.y), m = ayf_gemm(f.g, a, f.w, false, false),
               s = ayf_slice(f.g, m, 0, 1, 1);
        test_ok(f.ctx, test_verify(f.g));
        switch (which) {
        case 0:
            f.g->node[a].dim[0] = 4;
            break;
        case 1:
            f.g->node[a].in[1] = s;
            break; /* later than its user */
        case 2:
            f.g->node[m].in[1] = 1000;
            break;
        case 3:
            f.g->node[s].attr[0] = 2;
            break;
        case 4:
            f.g->node[m].op = 200;
            break;
        default:
            f.g->node[m].attr[1] = 1;
        }
        assert_int_equal(test_verify(f.g), AYF_E_INTERNAL);
        if (which != 4) assert_non_null(strchr(ayf_error(f.ctx), '%'));
        close_fixture(&f);
    }
}

static void test_printing(void **state) {
    (void)state;
    fixture f = open_fixture();
    char text[160], tiny[8];
    ayf_node_print(f.g, f.x, text, sizeof text);
    assert_string_equal(text, "%1 = input 'x' 2x3");
    ayf_node_print(f.g, ayf_add(f.g, f.x, f.y), text, sizeof text);
    assert_string_equal(text, "%4 = ADD(%1, %2) 2x3");
    ayf_node_print(f.g, ayf_exp(f.g, f.x), text, sizeof text);
    assert_string_equal(text, "%5 = EXP(%1) 2x3");
    ayf_node_print(f.g, f.x, tiny, sizeof tiny);
    assert_string_equal(tiny, "%1 = in");
    close_fixture(&f);
}

static void test_random_graphs_verify(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        for (int kind = 0; kind < RANDOM_KINDS; kind++) {
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = random_graph(ctx, seed, (random_kind)kind);
            test_ok(ctx, test_verify(g));
            ayf_graph *again = random_graph(ctx, seed, (random_kind)kind);
            assert_int_equal(g->count, again->count);
            assert_memory_equal(g->node, again->node, g->count * sizeof *g->node);
            ayf_graph_free(g);
            ayf_graph_free(again);
            ayf_close(ctx);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_nodes_are_one),
        cmocka_unit_test(test_sharing_survives_growth),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_constants_fold),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_permutations_compose),
        cmocka_unit_test(test_broadcasting_shapes),
        cmocka_unit_test(test_errors_name_builder_and_shapes),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_builders_pass_zero_on),
        cmocka_unit_test(test_update_rules),
        cmocka_unit_test(test_verify_finds_damage),
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_random_graphs_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
