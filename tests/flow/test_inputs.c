/* The inputs of a step: every INPUT leaf of a program is filled, or the step is refused. */
#include "model_context.h"
#include "flow/inputs.h"
#include "flow/step.h"
#include "ir/build.h"
#include "nn/network.h"

enum { N = 3 };

/* Outputs the sum of what is fed, each input with a factor of its own. */
static ayf_program *sum_of(const ayf_step_input *inputs, size_t count) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_program *p;
    ayf_id sum = ayf_full(g, AYF_SHAPE(N), 0);
    for (size_t i = 0; i < count; i++)
        sum = ayf_add(g, sum, ayf_mulc(g, ayf_step_leaf(g, inputs[i], AYF_SHAPE(N)), pow(10, (double)i)));
    ayf_output(g, "sum", sum);
    ok(ayf_compile(ref, g, NULL, &p));
    return p;
}

static void expect_sum(ayf_program *p, double want) {
    double sum[N];
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "sum", sum, N));
    for (int i = 0; i < N; i++) expect_near(sum[i], want, 0);
}

static void test_slots(void **state) {
    (void)state;
    const float one[N] = {1, 1, 1}, two[N] = {2, 2, 2}, three[N] = {3, 3, 3}, four[N] = {4, 4, 4};
    const ayf_step_input inputs[] = {AYF_STEP_X0, AYF_STEP_X1, AYF_STEP_X_T, AYF_STEP_V};
    ayf_program *p = sum_of(inputs, 4);
    ok(ayf_step_feed(p, &(ayf_step_inputs){.x0 = one, .x1 = two, .x_t = three, .v = four}));
    expect_sum(p, 4321);
    ok(ayf_step_feed(p, &(ayf_step_inputs){.x0 = four, .x1 = three, .x_t = two, .v = one}));
    expect_sum(p, 1234);
    ayf_program_free(p);
    p = sum_of(inputs, 2); /* values for leaves that are not there do no harm */
    ok(ayf_step_feed(p, &(ayf_step_inputs){.x0 = one, .x1 = two, .x_t = three, .v = four}));
    expect_sum(p, 21);
    ayf_program_free(p);
}

/* The whole table: a leaf without values is named, whichever it is. */
static void test_missing_values(void **state) {
    (void)state;
    for (int i = 0; i < AYF_STEP_INPUTS; i++) {
        ayf_step_input input = (ayf_step_input)i;
        char quoted[32];
        snprintf(quoted, sizeof quoted, "'%s'", ayf_step_input_name(input));
        ayf_program *p = sum_of(&input, 1);
        assert_int_equal(ayf_step_feed(p, &(ayf_step_inputs){0}), AYF_E_INTERNAL);
        expect_message(quoted);
        ayf_program_free(p);
    }
}

static ayf_status feed_leaf_named(const char *scope, const char *name, ayf_storage storage) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_program *p;
    const float t[N] = {0};
    ayf_id time = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(N));
    ayf_scope(g, "%s", scope);
    ayf_output(g, "y", ayf_add(g, time, ayf_leaf(g, storage, name, AYF_SHAPE(1))));
    ok(ayf_compile(ref, g, NULL, &p));
    ayf_status status = ayf_step_feed(p, &(ayf_step_inputs){.t = t});
    ayf_program_free(p);
    return status;
}

static void test_unknown_leaves(void **state) {
    (void)state;
    assert_int_equal(feed_leaf_named("", "guidence", AYF_STORE_INPUT), AYF_E_INTERNAL);
    expect_message("the step has an input 'guidence' that nobody fills");
    assert_int_equal(feed_leaf_named("student.", "t", AYF_STORE_INPUT), AYF_E_INTERNAL);
    expect_message("'student.t'");
    assert_int_equal(feed_leaf_named("student.", "opt.step_siz", AYF_STORE_INPUT), AYF_E_INTERNAL);
    assert_int_equal(feed_leaf_named("student.", "adopt.step_size", AYF_STORE_INPUT), AYF_E_INTERNAL);
    ok(feed_leaf_named("student.", "opt.step_size", AYF_STORE_INPUT));
    ok(feed_leaf_named("disc.", "opt.v_scale", AYF_STORE_INPUT));
    ok(feed_leaf_named("", "opt.ema_decay", AYF_STORE_INPUT));
    ok(feed_leaf_named("student.", "weight", AYF_STORE_STATE));
    ok(feed_leaf_named("teacher.", "weight", AYF_STORE_PARAM));
}

/* The step of mid-training has x_t and v in place of x0, x1 and r. */
static void test_given_velocity(void **state) {
    (void)state;
    enum { VALUES = 2 * N };
    const float x_t[VALUES] = {0}, v[VALUES] = {0}, t[N] = {1, 1, 1}, s[N] = {0};
    ayf_step_inputs given = {.x_t = x_t, .v = v, .t = t, .s = s, .guidance = t};
    ayf_model_spec spec = SPEC("kind", "mlp", "is_student", "true", "mlp_hidden", "8");
    ayf_params *student;
    ok(ayf_params_new(ctx, &spec, &student));
    ayf_distill_step step = {.student = student, .batch = N, .target = AYF_TARGET_GIVEN};
    ayf_program *p;
    ok(ayf_compile(ref, ayf_distill_step_graph(ctx, &step), NULL, &p));
    ok(ayf_step_feed(p, &given));
    given.v = NULL;
    given.x1 = v;
    assert_int_equal(ayf_step_feed(p, &given), AYF_E_INTERNAL);
    expect_message("the step's input 'v' has no values");
    ayf_program_free(p);
    ayf_params_free(student);
}

static int end(void **state) {
    (void)state;
    return end_of(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_unknown_leaves),
        cmocka_unit_test(test_given_velocity),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
