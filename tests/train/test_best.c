/* Measuring during training, and the best model. */
#include <math.h>

#include "run_fixture.h"

#include "io/safetensors.h"
#include "model/file.h"

static void card_of(const char *path, ayf_model_card *card) {
    if (ayf_model_read_card(ctx, path, NULL, card) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_non_null(card->measured);
}

static settings points(void) {
    return join(tiny_mlp(), SET("train.steps=40", "save.log_every=20", "save.every=10"));
}

/* The lowest value of a figure in the log, its line's step, and how often it is there. */
static int lowest(const char *path, const char *name, double *value, uint64_t *step) {
    char line[4096], key[64];
    int count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    snprintf(key, sizeof key, "\"%s\":", name);
    *value = INFINITY;
    while (fgets(line, sizeof line, file)) {
        const char *at = strstr(line, key);
        if (!at) continue;
        count++;
        double here = strtod(at + strlen(key), NULL);
        if (here >= *value) continue;
        *value = here;
        *step = strtoull(line + strlen("{\"step\":"), NULL, 10);
    }
    fclose(file);
    return count;
}

static void check_best(const char *folder, const char *name, int count) {
    char log[600], best[600], start[64];
    double value;
    uint64_t step;
    ayf_model_card card;
    ayf_path_facts facts;
    snprintf(log, sizeof log, "%s/log.jsonl", folder);
    snprintf(best, sizeof best, "%s/model-best.safetensors", folder);
    assert_int_equal(lowest(log, name, &value, &step), count);
    card_of(best, &card);
    assert_int_equal(card.step, step);
    snprintf(start, sizeof start, "%s=", name);
    assert_int_equal(strncmp(card.measured, start, strlen(start)), 0);
    assert_true(strtod(card.measured + strlen(start), NULL) == value);
    assert_int_equal(ayf_path_describe(ctx, folder, &facts), AYF_OK);
    assert_non_null(strstr(facts.measured, card.measured));
    ayf_path_facts_free(ctx, &facts);
    ayf_model_card_free(ctx, &card);
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, best, &model), AYF_OK);
    assert_int_equal(ayf_model_describe(model).step, step);
    ayf_model_close(model);
    char candidate[600];
    snprintf(candidate, sizeof candidate, "%s/model-candidate.safetensors", folder);
    assert_false(ayf_path_exists(candidate));
}

/* With and without: the same checkpoints; killed and resumed: the same best model. */
static void check_measuring(ayf_run_kind kind, const char *name, settings set, settings eval,
                            const char *figure) {
    char with[64];
    snprintf(with, sizeof with, "%s-with", name);
    run_to(kind, in_root("%s", name), set, 40);
    run_to(kind, in_root("%s", with), join(set, eval), 40);
    expect_same_tensors(in_root("%s/checkpoints/step-00000040.safetensors", name),
                        in_root("%s/checkpoints/step-00000040.safetensors", with));
    assert_false(ayf_path_exists(in_root("%s/model-best.safetensors", name)));
    check_best(in_root("%s", with), figure, 5);
    ayf_run *run;
    assert_int_equal(open_run(kind, in_root("%s-killed", name), join(set, eval), &run), AYF_OK);
    for (int i = 0; i < 27; i++) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    ayf_run_close(run);
    run_to(kind, in_root("%s-killed", name), join(set, eval), 40);
    check_best(in_root("%s-killed", name), figure, 5);
    expect_same_file(in_root("%s-with/model-best.safetensors", name),
                     in_root("%s-killed/model-best.safetensors", name));
}

static void test_points(void **state) {
    (void)state;
    settings eval = SET("eval.every=8", "eval.images=256");
    check_measuring(AYF_RUN_TRAIN, "teacher", points(), eval, "eval_fd");
    char teacher[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    settings student = join(points(), SET("distill.guidance=none", teacher));
    check_measuring(AYF_RUN_DISTILL, "student", student, eval, "eval_fidelity");
    settings analytic = join(
        points(), SET("distill.guidance=none", "distill.teacher=analytic", "distill.student_init=scratch"));
    check_measuring(AYF_RUN_DISTILL, "analytic", analytic, eval, "eval_fidelity");
    settings flow =
        join(points(), SET("distill.target=data", "distill.guidance=none", "distill.student_init=scratch"));
    check_measuring(AYF_RUN_DISTILL, "flow", flow, eval, "eval_fd");
}

/* Images need features for a distance to data, and a guided teacher is guided. */
static void test_images(void **state) {
    (void)state;
    expect_refused(AYF_RUN_TRAIN, in_root("none"), join(tiny_unet(), SET("eval.every=2")), AYF_E_CONFIG,
                   "--fit-features");
    assert_false(ayf_path_exists(in_root("none/config.yaml")));
    expect_refused(AYF_RUN_TRAIN, in_root("none"),
                   join(tiny_unet(), SET("eval.every=2", "eval.metric=fidelity")), AYF_E_CONFIG,
                   "eval.metric = fd");
    static const char *const fit[] = {"data.resolution=8", "train.steps=20", "train.batch=8",
                                      "model.channels=8"};
    if (ayf_features_fit(
            ctx, in_root("f.safetensors"),
            &(ayf_features_options){.data = "builtin:shapes", .settings = fit, .setting_count = 4},
            NULL) != AYF_OK)
        fail_msg("%s", ayf_error(ctx));
    char features[600], teacher[600];
    snprintf(features, sizeof features, "eval.features=%s", in_root("f.safetensors"));
    run_to(AYF_RUN_TRAIN, in_root("teacher"),
           join(tiny_unet(),
                SET("eval.every=5", "eval.images=100", "eval.steps=2", features, "train.label_dropout=0.2")),
           10);
    check_best(in_root("teacher"), "eval_fd", 2);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    run_to(AYF_RUN_DISTILL, in_root("student"),
           join(tiny_unet(), SET("eval.every=5", "eval.images=4", teacher, "distill.guidance=cfg")), 10);
    check_best(in_root("student"), "eval_fidelity", 2);
}

static void test_no_memory(void **state) {
    (void)state;
    check_memory(AYF_RUN_TRAIN,
                 join(tiny_mlp(), SET("train.steps=2", "eval.every=1", "eval.images=16", "eval.steps=1")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_points, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_images, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_no_memory, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
