/* Bfloat16: conversions, which tensors are kept in it, and every backend against the reference, which rounds at
 * the same places. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/ref/ref.h"
#include "base/bf16.h"
#include "pass/precision.h"
#include "random_graph.h"
#include "unet_graph.h"

/* ---- Conversions ---- */

static void test_every_bf16_survives(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float wide = ayf_bf16_to_float((ayf_bf16)bits);
        if (isnan(wide))
            assert_true(isnan(ayf_bf16_round(wide)));
        else if (fpclassify(wide) == FP_SUBNORMAL)
            assert_int_equal(ayf_bf16_from_float(wide), bits & 0x8000u);
        else
            assert_int_equal(ayf_bf16_from_float(wide), bits);
    }
}

static void test_rounding(void **state) {
    (void)state;
    static const struct {
        float value, want;
    } row[] = {{1.00390625f, 1},          /* halfway, the lower one is even */
               {1.01171875f, 1.015625f},  /* halfway, the upper one is even */
               {1.00390637f, 1.0078125f}, /* just above halfway */
               {-1.01171875f, -1.015625f},
               {3.4e38f, INFINITY},
               {-0.0f, -0.0f},
               {1e-40f, 0}}; /* below the normal numbers */
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        float got = ayf_bf16_round(row[i].value);
        if (got != row[i].want || signbit(got) != signbit(row[i].want))
            fail_msg("%.9g rounds to %.9g, not %.9g", (double)row[i].value, (double)got, (double)row[i].want);
    }
    uint32_t quiet = 0x7FFFFFFFu; /* rounding its bits up would give -0 */
    float nan;
    memcpy(&nan, &quiet, sizeof nan);
    assert_true(isnan(ayf_bf16_round(nan)));
}

/* ---- What is bfloat16 ---- */

enum { CHANNELS = 16 };

/* Elements of the stored tensors of a U-Net's training step; `narrow`: on a device that rounds the weight gradients of
 * convolutions. */
static void check_elements(bool narrow) {
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = unet_graph(ctx, CHANNELS);
    ayf_schedule *s = ayf_schedule_fused(g);
    assert_non_null(s);
    test_ok(ctx, ayf_precision_lower(g, s, s, narrow));
    uint8_t *element = calloc(g->count, 1);
    assert_non_null(element);
    size_t bytes[AYF_ELEMENTS] = {0};
    int products = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const ayf_step *step = &s->step[i];
        for (uint32_t k = 0; k < step->in_count; k++)
            assert_int_equal(step->element[k], element[step->in[k]]); /* as it was written */
        for (uint32_t k = 0; k < step->out_count; k++) {
            const ayf_node *n = ayf_at(g, step->out[k]);
            ayf_element e = element[step->out[k]] = ayf_out_element(step, k);
            bytes[e] += ayf_elements(g, step->out[k]);
            if (n->op == AYF_OP_SUM) assert_int_equal(e, AYF_F32);
            if (n->op == AYF_OP_CONV_WGRAD)
                assert_int_equal(e, narrow && step->element[0] == AYF_BF16 && step->element[1] == AYF_BF16
                                        ? AYF_BF16
                                        : AYF_F32);
        }
        if (!step->node) continue;
        const ayf_node *n = ayf_at(g, step->node);
        /* Products of activations with 16 channels: all but the first layer, the last one's derivatives and the
         * embeddings. */
        bool both = step->in_count == 2 && step->element[0] == AYF_BF16 && step->element[1] == AYF_BF16;
        if (n->op == AYF_OP_CONV_FPROP && n->dim[3] >= CHANNELS && ayf_at(g, n->in[0])->dim[3] >= CHANNELS)
            assert_true(both);
        if (n->op == AYF_OP_GEMM && n->rank == 2 && n->dim[0] == 2) assert_false(both); /* embeddings */
        products += both;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        assert_int_equal(element[ayf_stored_as(g, g->output[i].id)], AYF_F32);
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) assert_int_equal(element[ayf_stored_as(g, g->leaf[i].update)], AYF_F32);
    assert_true(products > 40);
    free(element);
    ayf_schedule_free(s);
    ayf_graph_free(g);
    ayf_close(ctx);
}

static void test_what_is_bf16(void **state) {
    (void)state;
    check_elements(false);
    check_elements(true);
}

/* ---- Backends ---- */

typedef ayf_graph *maker(ayf_context *ctx, uint64_t seed);

static ayf_graph *make_wide(ayf_context *ctx, uint64_t seed) { return random_graph(ctx, seed, RANDOM_WIDE); }

static ayf_graph *make_unet(ayf_context *ctx, uint64_t seed) {
    (void)seed;
    return unet_graph(ctx, CHANNELS);
}

/* Numbers per row that are stored in bfloat16, because in another shape they are a wide tensor. */
static ayf_graph *make_rows(ayf_context *ctx, uint64_t seed) {
    (void)seed;
    ayf_graph *g = ayf_graph_new(ctx);
    assert_non_null(g);
    ayf_shape shape = AYF_SHAPE(2, 4, 20, 24);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", shape);
    ayf_id row = ayf_exp(g, ayf_sin(g, ayf_sum(g, ayf_square(g, x), 1u << 3)));
    ayf_output(g, "y", ayf_mul(g, x, ayf_broadcast(g, row, shape)));
    ayf_output(g, "z", ayf_sin(g, ayf_reshape(g, row, AYF_SHAPE(2, 4, 20))));
    return g;
}

/* ref, rounding the weight gradients of convolutions as cuDNN does. */
static ayf_status open_narrow_ref(ayf_context *ctx, ayf_backend **out) {
    static ayf_backend_ops ops;
    AYF_TRY(ayf_ref_open(ctx, out));
    ops = *(*out)->ops;
    ops.narrow_weight_gradients = true;
    (*out)->ops = &ops;
    return AYF_OK;
}
static const test_backend narrow_ref = {"ref", open_narrow_ref, 0, 1};

/* By which backend `b` is judged. */
static const test_backend *judge_of(size_t b) {
    return strcmp(test_backends[b].name, "cuda") == 0 ? &narrow_ref : &test_backends[0];
}

static void run(const test_backend *backend, maker *make, uint64_t seed, ayf_plan_mode plan,
                ayf_precision precision, test_result *result) {
    ayf_context *ctx = test_open(NULL);
    test_run(ctx, backend, make(ctx, seed), seed, &(test_run_options){.plan = plan, .precision = precision},
             result);
    ayf_close(ctx);
}

static double distance(const test_result *a, const test_result *b, size_t tensor) {
    double sum = 0, norm = 0;
    for (size_t i = a->start[tensor]; i < a->start[tensor + 1]; i++) {
        sum += (a->value[i] - b->value[i]) * (a->value[i] - b->value[i]);
        norm += a->value[i] * a->value[i];
    }
    return norm > 0 ? sqrt(sum / norm) : sqrt(sum);
}

/* Sums in another order tip a rounding to the other side now and then, by 1/256 of one element. So single tensors
 * may differ by more than the backends do in full precision, but few do, and none by much. */
static void agrees(maker *make, uint64_t seeds) {
    enum { SEVERAL = 2 /* in a hundred */, FEW = 10 };
    for (size_t b = 1; b < test_backend_count; b++) {
        size_t tensors = 0, tipped = 0, changed = 0;
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            if (test_left_out(b, seeds > FEW ? seed : 0)) continue;
            test_result want = {0}, got = {0}, full = {0};
            run(judge_of(b), make, seed, AYF_PLAN_REUSE, AYF_PRECISION_BF16, &want);
            run(&test_backends[b], make, seed, AYF_PLAN_REUSE, AYF_PRECISION_BF16, &got);
            run(&test_backends[b], make, seed, AYF_PLAN_REUSE, AYF_PRECISION_HIGHEST, &full);
            assert_int_equal(want.count, got.count);
            for (size_t t = 0; t < want.count; t++) {
                double off = distance(&want, &got, t);
                tensors++;
                tipped += off > 1e-4;
                changed += distance(&want, &full, t) > 1e-4;
                if (!(off < 0.03))
                    fail_msg("graph %lu on %s: %s is off by %g", (unsigned long)seed, test_backends[b].name,
                             want.name[t], off);
            }
            test_result_free(&want);
            test_result_free(&got);
            test_result_free(&full);
        }
        if (tensors == 0) continue; /* left out */
        printf("%s: %zu of %zu tensors beyond full precision's tolerance; %zu changed by bfloat16\n",
               test_backends[b].name, tipped, tensors, changed);
        assert_true(changed > tensors / 25); /* the graphs do use it */
        if (tipped * 100 > tensors * SEVERAL)
            fail_msg("%s: %zu of %zu tensors are not the reference's", test_backends[b].name, tipped,
                     tensors);
    }
}

static void test_random_graphs(void **state) {
    (void)state;
    agrees(make_wide, 60);
}

static void test_unet(void **state) {
    (void)state;
    agrees(make_unet, 3);
}

static void test_rows(void **state) {
    (void)state;
    agrees(make_rows, 3);
}

static void test_plans_agree(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++)
        for (uint64_t seed = 1; seed <= 12; seed++) {
            if (test_left_out(b, seed == 1 ? 0 : seed)) continue;
            test_result want = {0}, reused = {0}, poisoned = {0};
            maker *make = seed == 1 ? make_unet : make_wide;
            run(&test_backends[b], make, seed, AYF_PLAN_NONE, AYF_PRECISION_BF16, &want);
            run(&test_backends[b], make, seed, AYF_PLAN_REUSE, AYF_PRECISION_BF16, &reused);
            run(&test_backends[b], make, seed, AYF_PLAN_POISON, AYF_PRECISION_BF16, &poisoned);
            test_compare("memory used again", &want, &reused, 0);
            test_compare("memory poisoned", &want, &poisoned, 0);
            test_result_free(&want);
            test_result_free(&reused);
            test_result_free(&poisoned);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bf16_survives),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_what_is_bf16),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_unet),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_plans_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
