/* What distillation can be configured to: guidance by the teacher itself, mid-training, and the other losses. */
#include <math.h>

#include "run_fixture.h"

#include "algo/model_api.h"
#include "io/safetensors.h"

/* "key=value", both parts formatted; valid for the test's life. */
static const char *named(const char *key, const char *value) {
    static char texts[64][700];
    static int next;
    char *text = texts[next = (next + 1) % 64];
    snprintf(text, sizeof texts[0], "%s=%s", key, value);
    return text;
}

static ayf_model *open_model(const char *path) {
    ayf_model *model;
    if (ayf_model_open(ctx, path, &model) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return model;
}

/* ---- Classifier-free guidance ---- */

static settings labelled(void) {
    return join(tiny_mlp(), SET("data.labels=true", "train.label_dropout=0.2"));
}

static void test_cfg_run(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), labelled(), 50);
    settings set = join(tiny_mlp(), SET("data.labels=true", "distill.guidance=cfg", "distill.guidance_max=2",
                                        named("distill.teacher", in_root("teacher"))));
    check_resume(AYF_RUN_DISTILL, "student", set, 10);
    /* Another strength is another student, so the guidance reaches it. */
    run_to(AYF_RUN_DISTILL, in_root("other"), join(set, SET("distill.guidance_min=2")), 10);
    ayf_model *student = open_model(in_root("student-a/model.safetensors")),
              *other = open_model(in_root("other/model.safetensors"));
    ayf_model_facts facts = ayf_model_describe(student);
    assert_true(facts.guidance_min == 1 && facts.guidance_max == 2);
    float a[20], b[20];
    ayf_sample_options options = {.steps = 1, .guidance = 2};
    assert_int_equal(ayf_model_sample(student, &options, 10, a, NULL), AYF_OK);
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_OK);
    assert_memory_not_equal(a, b, sizeof a);
    options.guidance = 0; /* the default lies in the trained range */
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_OK);
    options.guidance = 1;
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "distilled for a single strength"));
    ayf_model_close(student);
    ayf_model_close(other);
}

static void test_cfg_refusals(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("plain"), tiny_mlp(), 1);
    run_to(AYF_RUN_TRAIN, in_root("always"), join(labelled(), SET("train.label_dropout=0")), 1);
    settings set = join(tiny_mlp(), SET("distill.guidance=cfg"));
    const char *plain = named("distill.teacher", in_root("plain")),
               *always = named("distill.teacher", in_root("always"));
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(plain)), AYF_E_CONFIG,
                   "plain/model.safetensors was trained without classes");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "data.labels=true")), AYF_E_CONFIG,
                   "train it with train.label_dropout = 0.1");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "distill.weak=w")), AYF_E_CONFIG,
                   "distill.guidance = cfg would ignore it");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "distill.guidance_min=0")),
                   AYF_E_CONFIG, "distill.guidance_min = 0");
    expect_refused(AYF_RUN_DISTILL, in_root("run"),
                   join(set, SET("distill.teacher=analytic", "distill.student_init=scratch")), AYF_E_CONFIG,
                   "distill.guidance = cfg needs networks");
    ayf_model *model = open_model(in_root("always/model.safetensors"));
    assert_int_equal(ayf_model_guide(model, model), AYF_E_CONFIG);
    assert_non_null(strstr(ayf_error(ctx), "always saw the class"));
    ayf_model_close(model);
    model = open_model(in_root("plain/model.safetensors"));
    assert_int_equal(ayf_model_guide(model, model), AYF_E_CONFIG);
    ayf_model_close(model);
}

/* A student that never saw a strength is asked for one. */
static void test_no_guidance_input(void **state) {
    (void)state;
    settings set = join(
        tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch", "distill.teacher=analytic"));
    run_to(AYF_RUN_DISTILL, in_root("student"), set, 1);
    ayf_model *student = open_model(in_root("student/model.safetensors"));
    float point[2];
    assert_int_equal(ayf_model_sample(student, &(ayf_sample_options){.guidance = 2}, 1, point, NULL),
                     AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "was distilled without guidance; leave the guidance out"));
    assert_int_equal(ayf_exit_code(AYF_E_USAGE), 2);
    assert_int_equal(ayf_model_guide(student, student), AYF_E_USAGE);
    ayf_model_close(student);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_cfg_run), TEST(test_cfg_refusals),
                                       TEST(test_no_guidance_input)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
