/* Runs that explode: they stop as diverged, keep what was good, say so again, or go back. */
#include <math.h>

#include "run_fixture.h"

#include "backend/cpu/cpu.h"
#include "io/safetensors.h"
#include "model/file.h"

/* Nothing in it normalises, so a high rate makes the loss large without making it infinite. */
static settings wild(void) {
    return join(tiny_unet(), SET("train.weight_norm=false", "model.clip_act=0", "train.lr=10",
                                 "train.lr_schedule=constant", "train.lr_warmup=0", "train.steps=100"));
}

/* Steps until something else than AYF_OK; how often the run went back to *back. */
static ayf_status go_on(ayf_run_kind kind, const char *folder, settings set, int *rollbacks, uint64_t *back,
                        uint64_t stop) {
    ayf_run *run;
    ayf_run_report report = {0};
    ayf_status status = open_run(kind, folder, set, &run);
    *rollbacks = 0;
    while (status == AYF_OK && !ayf_run_finished(run) && report.step < stop) {
        status = ayf_run_step(run, &report);
        if (!report.rolled_back) continue;
        ++*rollbacks;
        *back = report.step;
    }
    if (status == AYF_OK) status = ayf_run_save(run);
    ayf_run_close(run);
    return status;
}

static ayf_status finish(ayf_run_kind kind, const char *folder, settings set) {
    int rollbacks;
    uint64_t back;
    return go_on(kind, folder, set, &rollbacks, &back, UINT64_MAX);
}

static void expect_info(const char *folder, const char *text) {
    ayf_path_facts facts;
    assert_int_equal(ayf_path_describe(ctx, folder, &facts), AYF_OK);
    if (!text) assert_null(facts.diverged);
    if (text && (!facts.diverged || !strstr(facts.diverged, text)))
        fail_msg("%s: '%s', not '%s'", folder, facts.diverged ? facts.diverged : "", text);
    ayf_path_facts_free(ctx, &facts);
}

static void test_no_good_checkpoint(void **state) {
    (void)state;
    char first[AYF_MESSAGE_SIZE];
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), wild()), AYF_E_DIVERGED);
    snprintf(first, sizeof first, "%s", ayf_error(ctx));
    assert_non_null(strstr(first, "the loss is"));
    assert_non_null(strstr(first, "a lower train.lr (it is 10)"));
    assert_non_null(strstr(first, "no good checkpoint"));
    assert_false(ayf_path_exists(in_root("run/model.safetensors")));
    assert_int_equal(files_in(in_root("run/checkpoints")), 0);
    expect_info(in_root("run"), "the loss is");
    /* Asked again, with the same settings and without any. */
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), wild()), AYF_E_DIVERGED);
    assert_string_equal(first, ayf_error(ctx));
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), (settings){.count = 0}), AYF_E_DIVERGED);
    assert_string_equal(first, ayf_error(ctx));
    /* Other settings are another attempt. */
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), tiny_unet()), AYF_OK);
    assert_true(ayf_path_exists(in_root("run/model.safetensors")));
    expect_info(in_root("run"), NULL);
}

/* A good beginning, then a rate that the network does not stand. */
static settings late(void) {
    return join(wild(), SET("train.lr=10", "train.lr_warmup=100", "train.lr_schedule=constant",
                            "save.every=4", "save.keep=0"));
}

static uint64_t model_step(const char *path) {
    ayf_model_card card;
    if (ayf_model_read_card(ctx, path, NULL, &card) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    uint64_t step = card.step;
    ayf_model_card_free(ctx, &card);
    return step;
}

static void test_good_checkpoint(void **state) {
    (void)state;
    char kept[64];
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), late()), AYF_E_DIVERGED);
    uint64_t good = model_step(in_root("run/model.safetensors"));
    assert_true(good >= 4 && good % 4 == 0);
    snprintf(kept, sizeof kept, "the checkpoint of step %d and the model.safetensors", (int)good);
    if (!strstr(ayf_error(ctx), kept)) fail_msg("%s", ayf_error(ctx));
    assert_true(ayf_path_exists(in_root("run/checkpoints/step-%08d.safetensors", (int)good)));
    assert_false(ayf_path_exists(in_root("run/checkpoints/step-%08d.safetensors", (int)good + 4)));
    char first[AYF_MESSAGE_SIZE];
    snprintf(first, sizeof first, "%s", ayf_error(ctx));
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), late()), AYF_E_DIVERGED);
    assert_string_equal(first, ayf_error(ctx));
    /* The way out that the message names. */
    int rollbacks;
    uint64_t back = 0;
    assert_int_equal(go_on(AYF_RUN_TRAIN, in_root("run"),
                           SET("train.on_divergence=rollback", "train.rollback_rate=0.01"), &rollbacks, &back,
                           UINT64_MAX),
                     AYF_OK);
    assert_int_equal(rollbacks, 1);
    assert_int_equal(back, good);
    assert_true(file_contains(in_root("run/log.jsonl"), "\"rollback\":1"));
    assert_int_equal(model_step(in_root("run/model.safetensors")), 100);
}

/* The limits of rollbacks, and the words behind them. */
static void test_rollbacks_end(void **state) {
    (void)state;
    settings set =
        join(late(), SET("train.on_divergence=rollback", "train.rollback_rate=1", "train.rollbacks=2"));
    int rollbacks;
    uint64_t back = 0;
    char first[AYF_MESSAGE_SIZE];
    assert_int_equal(go_on(AYF_RUN_TRAIN, in_root("run"), set, &rollbacks, &back, UINT64_MAX),
                     AYF_E_DIVERGED);
    assert_int_equal(rollbacks, 2);
    snprintf(first, sizeof first, "%s", ayf_error(ctx));
    assert_non_null(strstr(first, "after 2 rollbacks"));
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("run"), set), AYF_E_DIVERGED);
    assert_string_equal(first, ayf_error(ctx));
}

/* Stopped at any step around a rollback and resumed: the same bytes. */
static void test_rollback_resumes(void **state) {
    (void)state;
    settings set = join(late(), SET("train.on_divergence=rollback", "train.rollback_rate=0.1"));
    int rollbacks, more;
    uint64_t back = 0, unused;
    assert_int_equal(go_on(AYF_RUN_TRAIN, in_root("a"), set, &rollbacks, &back, UINT64_MAX), AYF_OK);
    assert_true(rollbacks >= 1);
    const uint64_t stops[] = {1, back, back + 1, back + 2, back + 3, back + 6, 50};
    for (size_t i = 0; i < AYF_COUNT(stops); i++) {
        const char *folder = in_root("b-%zu", i);
        assert_int_equal(go_on(AYF_RUN_TRAIN, folder, set, &more, &unused, stops[i]), AYF_OK);
        assert_int_equal(go_on(AYF_RUN_TRAIN, folder, set, &more, &unused, UINT64_MAX), AYF_OK);
        expect_same_file(in_root("a/model.safetensors"), in_root("b-%zu/model.safetensors", i));
        expect_same_file(in_root("a/checkpoints/step-00000100.safetensors"),
                         in_root("b-%zu/checkpoints/step-00000100.safetensors", i));
    }
    /* Killed in the middle of the steps that are lost, and after the rollback. */
    ayf_run *run;
    ayf_run_report report = {0};
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("killed"), set, &run), AYF_OK);
    while (!report.rolled_back) assert_int_equal(ayf_run_step(run, &report), AYF_OK);
    assert_int_equal(ayf_run_step(run, &report), AYF_OK);
    ayf_run_close(run);
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("killed"), set), AYF_OK);
    expect_same_file(in_root("a/model.safetensors"), in_root("killed/model.safetensors"));
    expect_same_file(in_root("a/checkpoints/step-00000100.safetensors"),
                     in_root("killed/checkpoints/step-00000100.safetensors"));
}

/* A student: its tangent and its error are normalised away from the loss. */
static void test_student(void **state) {
    (void)state;
    char teacher[600];
    run_to(AYF_RUN_TRAIN, in_root("teacher"), tiny_unet(), 10);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    settings set = join(wild(), SET(teacher, "distill.guidance=none", "distill.student_init=scratch"));
    assert_int_equal(finish(AYF_RUN_DISTILL, in_root("run"), set), AYF_E_DIVERGED);
    if (!strstr(ayf_error(ctx), "F - v") && !strstr(ayf_error(ctx), "tangent"))
        fail_msg("%s", ayf_error(ctx));
    assert_non_null(strstr(ayf_error(ctx), "warmup_steps"));
}

/* A negative gap of the discriminator's logits is an explosion as well. */
static void test_negative_gap(void **state) {
    (void)state;
    char teacher[600], student[600];
    run_to(AYF_RUN_TRAIN, in_root("teacher"), tiny_unet(), 4);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    run_to(AYF_RUN_DISTILL, in_root("student"), join(tiny_unet(), SET(teacher, "distill.guidance=none")), 4);
    snprintf(student, sizeof student, "finetune.student=%s", in_root("student"));
    settings set =
        SET(student, "train.steps=200", "train.lr_warmup=0", "finetune.disc_lr=10",
            "finetune.channel_base=64", "finetune.channel_max=8", "finetune.penalty=0",
            "finetune.logit_limit=1e-1", "train.divergence_factor=0", "save.every=0", "save.grid_every=0");
    bool negative = false;
    for (int seed = 0; seed < 8 && !negative; seed++) {
        char text[32];
        snprintf(text, sizeof text, "train.seed=%d", seed);
        assert_int_equal(finish(AYF_RUN_FINETUNE, in_root("run-%d", seed), join(set, SET(text))),
                         AYF_E_DIVERGED);
        negative = strstr(ayf_error(ctx), "below those of fakes") != NULL;
    }
    assert_true(negative);
}

/* What is usual is no explosion: phases, guidance and losses of all kinds, at their usual rates. */
static void test_healthy(void **state) {
    (void)state;
    char teacher[600], weak[600], student[600];
    settings unet = join(tiny_unet(), SET("train.steps=60", "train.weight_norm=false"));
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("teacher"), unet), AYF_OK);
    assert_int_equal(finish(AYF_RUN_TRAIN, in_root("points"), join(tiny_mlp(), SET("train.steps=200"))),
                     AYF_OK);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    snprintf(weak, sizeof weak, "distill.weak=%s", in_root("teacher/checkpoints/../model.safetensors"));
    const settings ways[] = {SET("distill.guidance=none"),
                             SET("distill.guidance=none", "distill.norm=none"),
                             SET("distill.guidance=none", "distill.norm=l2", "distill.warmup_steps=0"),
                             SET("distill.guidance=none", "distill.loss=lmd"),
                             SET("distill.guidance=none", "distill.student_init=scratch"),
                             SET("distill.guidance=none", "distill.midtrain_steps=30",
                                 "distill.midtrain_trajectories=8", "distill.midtrain_solver_steps=4"),
                             SET(weak, "distill.guidance_max=4")};
    for (size_t i = 0; i < AYF_COUNT(ways); i++) {
        settings set = join(join(tiny_unet(), SET("train.steps=60", teacher)), ways[i]);
        if (finish(AYF_RUN_DISTILL, in_root("student-%zu", i), set) != AYF_OK)
            fail_msg("way %zu: %s", i, ayf_error(ctx));
    }
    snprintf(student, sizeof student, "finetune.student=%s", in_root("student-0"));
    settings set = SET(student, "train.steps=40", "finetune.channel_base=64", "finetune.channel_max=8",
                       "save.every=0", "save.grid_every=0");
    if (finish(AYF_RUN_FINETUNE, in_root("tuned"), set) != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static void test_without_memory(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=4", "train.on_divergence=rollback"));
    check_memory(AYF_RUN_TRAIN, set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_good_checkpoint, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_good_checkpoint, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_rollbacks_end, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_rollback_resumes, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_student, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_negative_gap, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_healthy, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_without_memory, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
