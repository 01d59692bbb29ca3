/* Fine-tuning runs as a user of ayf.h sees them: resuming, logs, refusals, a discriminator that wins. */
#include "io/safetensors.h"
#include "run_fixture.h"

static char teacher[600], student[600];

static settings tuned(void) {
    return SET(student, "train.batch=4", "train.steps=6", "train.lr_warmup=2", "save.every=0",
               "save.grid_every=0", "save.log_every=1", "finetune.channel_base=64", "finetune.channel_max=8",
               "finetune.disc_first=1");
}

/* A teacher of one step and a student of two in the test's folder. */
static void make_student(void) {
    run_to(AYF_RUN_TRAIN, in_root("teacher"), tiny_unet(), 10);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    run_to(AYF_RUN_DISTILL, in_root("student"),
           join(tiny_unet(), SET(teacher, "distill.guidance=none", "distill.midtrain_steps=8",
                                 "distill.midtrain_trajectories=4", "distill.midtrain_solver_steps=2")),
           10);
    snprintf(student, sizeof student, "finetune.student=%s", in_root("student"));
}

static void test_resume(void **state) {
    (void)state;
    make_student();
    check_resume(AYF_RUN_FINETUNE, "every", tuned(), 6);
    check_resume(AYF_RUN_FINETUNE, "lazy",
                 join(tuned(), SET("finetune.penalty_every=2", "finetune.fake_steps=2")), 6);
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, in_root("every-a/model.safetensors"), &model), AYF_OK);
    assert_string_equal(ayf_model_describe(model).role, "student");
    ayf_model_close(model);
}

static void test_log(void **state) {
    (void)state;
    make_student();
    run_to(AYF_RUN_FINETUNE, in_root("run"), join(tuned(), SET("finetune.penalty_every=3")), 6);
    static const char *const keys[] = {"\"g_loss\"",          "\"d_loss\"",      "\"logit_real\"",
                                       "\"logit_fake\"",      "\"r1\"",          "\"r2\"",
                                       "\"adaptive_weight\"", "\"tangent_rms\"", "\"disc_grad_norm\""};
    for (size_t i = 0; i < AYF_COUNT(keys); i++)
        if (!file_contains(in_root("run/log.jsonl"), keys[i])) fail_msg("log.jsonl has no %s", keys[i]);
    /* What the student was made with is kept without being said again. */
    assert_true(file_contains(in_root("run/config.yaml"), in_root("teacher")));
    assert_true(file_contains(in_root("run/config.yaml"), "guidance: none"));
    assert_true(file_contains(in_root("run/config.yaml"), "midtrain_steps: 0"));
}

/* All values of one tensor of a run's checkpoint; the caller frees them. */
static float *read_checkpoint(const char *run, int step, const char *tensor, size_t *count) {
    char path[600];
    ayf_st *st;
    snprintf(path, sizeof path, "%s/checkpoints/step-%08d.safetensors", run, step);
    assert_int_equal(ayf_st_open(ctx, path, &st), AYF_OK);
    const ayf_st_tensor *found = ayf_st_find(st, tensor);
    assert_non_null(found);
    *count = 1;
    for (int i = 0; i < found->rank; i++) *count *= (size_t)found->shape[i];
    float *values = malloc(*count * sizeof *values);
    assert_int_equal(ayf_st_read_f32(st, tensor, values, *count), AYF_OK);
    ayf_st_close(st);
    return values;
}

static bool agree(const char *run, const char *other, int step, const char *tensor) {
    size_t n, m;
    float *a = read_checkpoint(run, step, tensor, &n), *b = read_checkpoint(other, step, tensor, &m);
    bool same = n == m && memcmp(a, b, n * sizeof *a) == 0;
    free(a);
    free(b);
    return same;
}

/* Penalties in every second step weigh twice as much; the first step has them. */
static void test_lazy_penalty(void **state) {
    (void)state;
    static const char gradient[] = "disc.adam.m.b4.fc.weight";
    make_student();
    run_to(AYF_RUN_FINETUNE, in_root("lazy"),
           join(tuned(), SET("finetune.penalty=3", "finetune.penalty_every=2")), 1);
    run_to(AYF_RUN_FINETUNE, in_root("twice"), join(tuned(), SET("finetune.penalty=6")), 1);
    run_to(AYF_RUN_FINETUNE, in_root("once"), join(tuned(), SET("finetune.penalty=3")), 1);
    assert_true(agree(in_root("lazy"), in_root("twice"), 1, gradient));
    assert_false(agree(in_root("lazy"), in_root("once"), 1, gradient));
}

static void test_the_discriminator_first(void **state) {
    (void)state;
    static const char weight[] = "weights.unet.out_conv.weight";
    static const char *const alpha[] = {"finetune.alpha=0.1", "finetune.alpha=10"};
    make_student();
    for (int step = 2; step <= 3; step++) {
        for (int i = 0; i < 2; i++)
            run_to(AYF_RUN_FINETUNE, in_root("run-%d", i),
                   join(tuned(), SET("finetune.disc_first=2", alpha[i])), (uint64_t)step);
        assert_int_equal(agree(in_root("run-0"), in_root("run-1"), step, weight), step == 2);
    }
}

static void test_the_discriminator_learns(void **state) {
    (void)state;
    make_student();
    ayf_run *run;
    ayf_run_report report;
    settings set =
        join(tuned(), SET("train.steps=60", "finetune.disc_first=59", "finetune.disc_lr=0.01",
                          "train.lr_schedule=constant", "train.batch=16", "finetune.penalty=0.01"));
    assert_int_equal(open_run(AYF_RUN_FINETUNE, in_root("run"), set, &run), AYF_OK);
    double first = 0, last = 0;
    for (int i = 0; i < 60; i++) {
        if (ayf_run_step(run, &report) != AYF_OK) fail_msg("%s", ayf_error(ctx));
        if (i < 10) first += report.logit_real - report.logit_fake;
        if (i >= 50) last += report.logit_real - report.logit_fake;
    }
    ayf_run_close(run);
    assert_true(last > first + 1);
}

static void test_winning_discriminator(void **state) {
    (void)state;
    make_student();
    ayf_run *run;
    ayf_run_report report = {0};
    settings set = join(tuned(), SET("train.steps=400", "finetune.disc_first=399", "finetune.disc_lr=0.05",
                                     "train.lr_schedule=constant", "finetune.penalty=0",
                                     "finetune.logit_limit=2", "save.every=1", "save.keep=1"));
    assert_int_equal(open_run(AYF_RUN_FINETUNE, in_root("run"), set, &run), AYF_OK);
    ayf_status status = AYF_OK;
    while (status == AYF_OK && !ayf_run_finished(run)) status = ayf_run_step(run, &report);
    assert_int_equal(status, AYF_E_DIVERGED);
    assert_non_null(strstr(ayf_error(ctx), "the discriminator wins"));
    assert_non_null(strstr(ayf_error(ctx), "finetune.penalty"));
    assert_int_equal(ayf_run_step(run, NULL), AYF_E_DIVERGED);
    assert_int_equal(ayf_run_save(run), AYF_E_DIVERGED);
    ayf_run_close(run);
    assert_int_equal(files_in(in_root("run/checkpoints")), 1);
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, in_root("run/model.safetensors"), &model), AYF_OK);
    ayf_model_close(model);
}

static void test_not_finite(void **state) {
    (void)state;
    make_student();
    ayf_run *run;
    settings set = join(tuned(), SET("train.steps=50", "finetune.disc_lr=10", "train.lr_warmup=0",
                                     "finetune.logit_limit=1e6", "train.lr_schedule=constant",
                                     "finetune.penalty=1e6", "save.every=1"));
    assert_int_equal(open_run(AYF_RUN_FINETUNE, in_root("run"), set, &run), AYF_OK);
    ayf_status status = AYF_OK;
    while (status == AYF_OK && !ayf_run_finished(run)) status = ayf_run_step(run, NULL);
    assert_int_equal(status, AYF_E_DIVERGED);
    assert_non_null(strstr(ayf_error(ctx), "finite"));
    ayf_run_close(run);
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, in_root("run/model.safetensors"), &model), AYF_OK);
    ayf_model_close(model);
}

static void test_refusals(void **state) {
    (void)state;
    make_student();
    const ayf_run_kind kind = AYF_RUN_FINETUNE;
    expect_refused(kind, in_root("a"), SET("train.steps=5"), AYF_E_CONFIG, "finetune.student is not set");
    char wrong[600];
    snprintf(wrong, sizeof wrong, "finetune.student=%s", in_root("teacher"));
    expect_refused(kind, in_root("a"), SET(wrong), AYF_E_CONFIG, "is not a student");
    snprintf(wrong, sizeof wrong, "finetune.student=%s", in_root("nothing"));
    expect_refused(kind, in_root("a"), SET(wrong), AYF_E_IO, "finetune.student");
    expect_refused(kind, in_root("b"), join(tuned(), SET("train.batch=6")), AYF_E_CONFIG,
                   "finetune.deviation_group");
    expect_refused(kind, in_root("b"), join(tuned(), SET("train.lr=0.1")), AYF_E_CONFIG, "finetune.lr");
    expect_refused(kind, in_root("b"), join(tuned(), SET(" train.lr=0.1")), AYF_E_CONFIG,
                   "train.lr means nothing to ayf finetune");
    expect_refused(kind, in_root("b"), join(tuned(), SET("train.lr\t=0.1")), AYF_E_CONFIG,
                   "train.lr means nothing to ayf finetune");
    expect_refused(AYF_RUN_TRAIN, in_root("b"), join(tiny_unet(), SET("\tdistill.p_s0 = 0")), AYF_E_CONFIG,
                   "distill.p_s0 means nothing to ayf train");
    expect_refused(kind, in_root("b"), join(tuned(), SET("distill.student_init=scratch")), AYF_E_CONFIG,
                   "means nothing to ayf finetune");
    expect_refused(AYF_RUN_TRAIN, in_root("b"), join(tiny_unet(), SET("distill.p_s0=0")), AYF_E_CONFIG,
                   "distill.p_s0 means nothing to ayf train");
    expect_refused(AYF_RUN_DISTILL, in_root("b"), join(tiny_unet(), SET("train.time_mean=1")), AYF_E_CONFIG,
                   "train.time_mean means nothing to ayf distill");
    expect_refused(kind, in_root("b"), join(tuned(), SET("distill.midtrain_steps=2")), AYF_E_CONFIG,
                   "midtrain_steps");
    expect_refused(kind, in_root("c"), join(tuned(), SET("data.labels=false")), AYF_E_CONFIG, "classes");
    expect_refused(kind, in_root("d"), join(tuned(), SET("data.resolution=16")), AYF_E_CONFIG, "8 x 8");
    expect_refused(kind, in_root("e"), join(tuned(), SET("model.channels=16")), AYF_E_CONFIG,
                   "model.channels = 16");
    char weak[600];
    snprintf(weak, sizeof weak, "distill.weak=%s", in_root("teacher"));
    expect_refused(kind, in_root("f"), join(tuned(), SET(weak, "distill.guidance=autoguidance")),
                   AYF_E_CONFIG, "was trained for guidance from 1 to 1");
    expect_refused(AYF_RUN_DISTILL, in_root("g"), join(tiny_unet(), SET("distill.guidance=none")),
                   AYF_E_CONFIG, "distill.teacher is not set");
    run_to(AYF_RUN_DISTILL, in_root("points"),
           join(tiny_mlp(),
                SET("distill.teacher=analytic", "distill.guidance=none", "distill.student_init=scratch")),
           1);
    snprintf(wrong, sizeof wrong, "finetune.student=%s", in_root("points"));
    expect_refused(kind, in_root("h"), SET(wrong), AYF_E_CONFIG, "judges images");
    run_to(kind, in_root("run"), tuned(), 2);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(tiny_unet(), SET(teacher, "distill.guidance=none")),
                   AYF_E_USAGE, "ayf finetune");
    expect_refused(kind, in_root("run"), join(tuned(), SET("finetune.alpha=0.2")), AYF_E_CONFIG,
                   "finetune.alpha = 1");
}

/* What the folder says counts, also before the first checkpoint; how the student itself was fine-tuned does
 * not. */
static void test_what_is_inherited(void **state) {
    (void)state;
    make_student();
    ayf_run *run;
    settings failed = join(tuned(), SET("finetune.penalty=7", "distill.norm=l2"));
    assert_int_equal(open_run(AYF_RUN_FINETUNE, in_root("run"), failed, &run), AYF_OK);
    ayf_run_close(run);
    assert_true(file_contains(in_root("run/config.yaml"), "penalty: 7"));
    run_to(AYF_RUN_FINETUNE, in_root("run"), join(tuned(), SET("finetune.alpha=0.25")), 2);
    assert_true(file_contains(in_root("run/config.yaml"), "penalty: 7"));
    assert_true(file_contains(in_root("run/config.yaml"), "alpha: 0.25"));
    assert_true(file_contains(in_root("run/config.yaml"), "norm: l2"));
    char again[600];
    snprintf(again, sizeof again, "finetune.student=%s", in_root("run"));
    run_to(AYF_RUN_FINETUNE, in_root("again"), join(tuned(), SET(again)), 2);
    assert_true(file_contains(in_root("again/config.yaml"), "alpha: 1"));
    /* The student a run began with is replaced. */
    run_to(AYF_RUN_FINETUNE, in_root("run"), join(tuned(), SET("finetune.alpha=0.25")), 4);
    expect_refused(AYF_RUN_FINETUNE, in_root("again"), join(tuned(), SET(again)), AYF_E_CONFIG,
                   in_root("run"));
}

static void test_out_of_memory(void **state) {
    (void)state;
    make_student();
    check_memory(AYF_RUN_FINETUNE, join(tuned(), SET("train.steps=2", "finetune.penalty_every=2")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resume, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_log, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_the_discriminator_learns, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_lazy_penalty, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_the_discriminator_first, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_winning_discriminator, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_not_finite, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_refusals, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_what_is_inherited, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_out_of_memory, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
