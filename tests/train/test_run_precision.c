/* In which precision runs and models compute: what `auto` comes to and that it stays so, runs that were begun
 * before there was a choice, and what every program is compiled with.
 *
 * The backend of a test is told what it likes best, and every program passes by the test on its way to the
 * compiler (--wrap of the linker), so nothing depends on the processor. */
#include "run_fixture.h"

#include "backend/open.h"
#include "config/config.h"
#include "exec/program.h"
#include "io/safetensors.h"
#include "model/file.h"

/* ---- What is compiled ---- */

static int compiled[AYF_PRECISION_AUTO]; /* programs, by precision */

ayf_status __real_ayf_compile(ayf_backend *backend, ayf_graph *g, const ayf_compile_options *options,
                              ayf_program **out);
ayf_status __wrap_ayf_compile(ayf_backend *backend, ayf_graph *g, const ayf_compile_options *options,
                              ayf_program **out);

ayf_status __wrap_ayf_compile(ayf_backend *backend, ayf_graph *g, const ayf_compile_options *options,
                              ayf_program **out) {
    ayf_precision precision = options ? options->precision : AYF_PRECISION_HIGHEST;
    assert_in_range(precision, 0, AYF_COUNT(compiled) - 1); /* AUTO is settled before */
    compiled[precision]++;
    return __real_ayf_compile(backend, g, options, out);
}

static int open_test(void **state) {
    memset(compiled, 0, sizeof compiled);
    return open_root(state);
}

/* Of the programs since it was asked last. */
static void expect_compiled(int in_32_bits, int in_bf16) {
    if (compiled[AYF_PRECISION_HIGHEST] != in_32_bits || compiled[AYF_PRECISION_BF16] != in_bf16)
        fail_msg("%d programs in 32 bits and %d in bf16; expected %d and %d", compiled[AYF_PRECISION_HIGHEST],
                 compiled[AYF_PRECISION_BF16], in_32_bits, in_bf16);
    memset(compiled, 0, sizeof compiled);
}

/* ---- What the processor likes best ---- */

static bool likes_bf16;
static ayf_backend_ops ops;

static bool asked(const ayf_backend *backend) {
    (void)backend;
    return likes_bf16;
}

static void prefer(ayf_context *c, bool bf16) {
    ayf_backend *backend;
    assert_int_equal(ayf_backend_open(c, &backend), AYF_OK);
    if (backend->ops != &ops) ops = *backend->ops;
    ops.prefers_bf16 = asked;
    backend->ops = &ops;
    likes_bf16 = bf16;
}

static ayf_context *open_in(ayf_precision precision, bool likes) {
    ayf_context *c = ayf_open(&(ayf_options){.threads = 1, .precision = precision});
    assert_non_null(c);
    prefer(c, likes);
    return c;
}

static settings with_grids(void) { return join(tiny_mlp(), SET("save.grid_every=1")); }

static settings by_itself(void) { return join(with_grids(), SET("train.precision=auto")); }

static void expect_precision(const char *path, ayf_precision want) {
    ayf_path_facts facts;
    assert_int_equal(ayf_path_describe(ctx, path, &facts), AYF_OK);
    if (facts.precision != want)
        fail_msg("%s: %s, not %s", path, ayf_precision_name(facts.precision), ayf_precision_name(want));
    ayf_path_facts_free(ctx, &facts);
}

/* ---- Runs ---- */

static void test_names(void **state) {
    (void)state;
    assert_string_equal(ayf_precision_name(AYF_PRECISION_HIGHEST), "highest");
    assert_string_equal(ayf_precision_name(AYF_PRECISION_BF16), "bf16");
    assert_string_equal(ayf_precision_name(AYF_PRECISION_AUTO), "auto");
    assert_null(ayf_precision_name((ayf_precision)3));
    ayf_config cfg;
    assert_int_equal(ayf_config_defaults(ctx, &cfg), AYF_OK);
    assert_int_equal(cfg.train.precision, AYF_PRECISION_AUTO);
    ayf_config_free(ctx, &cfg);
    assert_int_equal(ayf_config_defaults_of_file(ctx, &cfg), AYF_OK);
    assert_int_equal(cfg.train.precision, AYF_PRECISION_HIGHEST);
    ayf_config_free(ctx, &cfg);
    expect_refused(AYF_RUN_TRAIN, in_root("run"), SET("train.precision=bf61"), AYF_E_CONFIG,
                   "must be one of highest, bf16, auto, not \"bf61\"; did you mean \"bf16\"?");
}

static void test_auto_is_settled(void **state) {
    (void)state;
    for (int likes = 0; likes < 2; likes++) {
        const char *run = in_root("run-%d", likes), *model = in_root("run-%d/model.safetensors", likes);
        prefer(ctx, likes != 0);
        run_to(AYF_RUN_TRAIN, run, by_itself(), 2);
        assert_true(file_contains(in_root("run-%d/config.yaml", likes),
                                  likes ? "precision: bf16\n" : "precision: highest\n"));
        expect_precision(run, likes ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST);
        expect_precision(model, likes ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST);
        expect_compiled(likes ? 0 : 2, likes ? 2 : 0); /* a step, and what draws the sample grids */
    }
}

/* On another machine, by the same command, by the folder alone, with a file: as it was begun. */
static void test_stays_settled(void **state) {
    (void)state;
    settings none = {.count = 0};
    for (int likes = 0; likes < 2; likes++) {
        const char *run = in_root("run-%d", likes), *whole = in_root("whole-%d", likes);
        prefer(ctx, likes != 0);
        run_to(AYF_RUN_TRAIN, whole, by_itself(), 12);
        run_to(AYF_RUN_TRAIN, run, by_itself(), 3);
        prefer(ctx, !likes);
        run_to(AYF_RUN_TRAIN, run, by_itself(), 6);
        run_to(AYF_RUN_TRAIN, run, none, 9);
        ayf_run_options options = {.folder = run, .config_path = in_root("all.yaml")};
        void *bytes;
        size_t size;
        /* The user's own file, which does not say it. */
        assert_int_equal(ayf_file_read(ctx, in_root("run-%d/config.yaml", likes), 0, &bytes, &size), AYF_OK);
        char *line = strstr(bytes, "  precision: ");
        assert_non_null(line);
        memset(line, '#', strcspn(line, "\n"));
        assert_int_equal(ayf_file_write(ctx, options.config_path, bytes, size), AYF_OK);
        ayf_free(ctx, bytes);
        ayf_run *again;
        assert_int_equal(ayf_run_open(ctx, &options, &again), AYF_OK);
        for (int i = 0; i < 3; i++) assert_int_equal(ayf_run_step(again, NULL), AYF_OK);
        assert_int_equal(ayf_run_save(again), AYF_OK);
        ayf_run_close(again);
        expect_compiled(likes ? 0 : 10, likes ? 10 : 0);
        expect_same_file(in_root("run-%d/model.safetensors", likes),
                         in_root("whole-%d/model.safetensors", likes));
        expect_same_file(in_root("run-%d/checkpoints/step-00000012.safetensors", likes),
                         in_root("whole-%d/checkpoints/step-00000012.safetensors", likes));
    }
}

static void test_refused_change(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), 2);
    expect_refused(AYF_RUN_TRAIN, in_root("run"), SET("train.precision=bf16"), AYF_E_CONFIG,
                   "begun with train.precision = highest and bf16 is asked for");
    run_to(AYF_RUN_TRAIN, in_root("other"), join(tiny_mlp(), SET("train.precision=bf16")), 2);
    expect_refused(AYF_RUN_TRAIN, in_root("other"), SET("train.precision=highest"), AYF_E_CONFIG,
                   "begun with train.precision = bf16 and highest is asked for");
}

/* ---- Runs that were begun before there was the key ---- */

/* Takes the key out of a run's config.yaml. */
static void forget(const char *path) {
    static const char line[] = "  precision: highest\n";
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    char *at = strstr(bytes, line);
    assert_non_null(at);
    memmove(at, at + strlen(line), strlen(at + strlen(line)) + 1);
    assert_int_equal(ayf_file_write(ctx, path, bytes, size - strlen(line)), AYF_OK);
    ayf_free(ctx, bytes);
}

static uint64_t hash_of(const char *path) {
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    uint64_t hash = hash_of_config(bytes);
    ayf_free(ctx, bytes);
    return hash;
}

static void expect_hash(const char *checkpoint, uint64_t hash) {
    ayf_st *st;
    char want[24];
    snprintf(want, sizeof want, "%016llx", (unsigned long long)hash);
    assert_int_equal(ayf_st_open(ctx, checkpoint, &st), AYF_OK);
    assert_string_equal(ayf_st_meta(st, "config_hash"), want);
    ayf_st_close(st);
}

static void test_older_run(void **state) {
    (void)state;
    settings set = by_itself(), short_of = by_itself();
    short_of.count--; /* what an older command line says */
    const char *config = in_root("run/config.yaml");
    run_to(AYF_RUN_TRAIN, in_root("whole"), with_grids(), 9);
    run_to(AYF_RUN_TRAIN, in_root("run"), with_grids(), 3);
    forget(config);
    expect_hash(in_root("run/checkpoints/step-00000003.safetensors"), hash_of(config));
    memset(compiled, 0, sizeof compiled);
    prefer(ctx, true);
    expect_precision(in_root("run"), AYF_PRECISION_HIGHEST);
    expect_refused(AYF_RUN_TRAIN, in_root("run"), SET("train.precision=bf16"), AYF_E_CONFIG,
                   "begun with train.precision = highest");
    run_to(AYF_RUN_TRAIN, in_root("run"), short_of, 6);
    forget(config);
    run_to(AYF_RUN_TRAIN, in_root("run"), set, 9);
    expect_compiled(4, 0);
    expect_same_file(in_root("run/model.safetensors"), in_root("whole/model.safetensors"));
    expect_same_file(config, in_root("whole/config.yaml"));
    expect_same_file(in_root("run/checkpoints/step-00000009.safetensors"),
                     in_root("whole/checkpoints/step-00000009.safetensors"));
}

/* A model whose card does not say it, or says nothing that can be read. */
static void test_older_card(void **state) {
    (void)state;
    static const char *const configs[] = {"train:\n  steps: 3\n", "", "x: 1\n"};
    run_to(AYF_RUN_TRAIN, in_root("run"), join(tiny_mlp(), SET("train.precision=bf16")), 2);
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card;
    const char *model = in_root("older.safetensors");
    assert_int_equal(ayf_backend_open(ctx, &backend), AYF_OK);
    assert_int_equal(ayf_model_read(backend, in_root("run/model.safetensors"), &weights, &card), AYF_OK);
    for (size_t i = 0; i < AYF_COUNT(configs); i++) {
        ayf_model_card older = card;
        older.config = (char *)configs[i];
        assert_int_equal(ayf_model_write(model, weights, &older), AYF_OK);
        expect_precision(model, AYF_PRECISION_HIGHEST);
    }
    char teacher[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", model);
    run_to(AYF_RUN_DISTILL, in_root("student"), join(tiny_mlp(), SET(teacher, "distill.guidance=none")), 1);
    ayf_model_card_free(ctx, &card);
    ayf_weights_free(weights);
}

/* ---- Every program ---- */

static void test_programs_of_runs(void **state) {
    (void)state;
    char teacher[600], student[600];
    settings bf16 = SET("train.precision=bf16", "save.grid_every=2", "train.steps=4");
    run_to(AYF_RUN_TRAIN, in_root("teacher"), join(tiny_unet(), bf16), 4);
    expect_compiled(0, 2); /* a step, and what draws the sample grids */
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    run_to(AYF_RUN_DISTILL, in_root("student"),
           join(join(tiny_unet(), bf16),
                SET(teacher, "distill.guidance=none", "distill.midtrain_steps=2",
                    "distill.midtrain_trajectories=4", "distill.midtrain_solver_steps=2")),
           4);
    expect_compiled(0, 5); /* two phases, the later one also to see whether it fits, trajectories, grids */
    snprintf(student, sizeof student, "finetune.student=%s", in_root("student"));
    run_to(AYF_RUN_FINETUNE, in_root("tuned"),
           join(bf16, SET(student, "train.batch=4", "finetune.channel_base=64", "finetune.channel_max=8",
                          "finetune.penalty_every=2")),
           4);
    expect_compiled(0, 3); /* with and without penalties, grids */
    run_to(AYF_RUN_TRAIN, in_root("exact"), join(join(tiny_unet(), bf16), SET("train.precision=highest")), 4);
    expect_compiled(2, 0);
}

/* Trajectories belong to the precision of their run. */
static void test_trajectories(void **state) {
    (void)state;
    settings set =
        join(tiny_mlp(), SET("distill.guidance=none", "distill.teacher=analytic", "train.steps=4",
                             "distill.student_init=scratch", "distill.midtrain_steps=2",
                             "distill.midtrain_trajectories=32", "distill.midtrain_solver_steps=2"));
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("run"), join(set, SET("train.precision=bf16")), &run),
                     AYF_OK);
    assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    ayf_run_close(run);
    assert_true(ayf_path_exists(in_root("run/trajectories.safetensors")));
    expect_refused(AYF_RUN_DISTILL, in_root("run"), set, AYF_E_FORMAT, "train.precision bf16");
}

/* ---- Models ---- */

static ayf_precision precision_in(ayf_context *c, const char *path) {
    ayf_model *model;
    assert_int_equal(ayf_model_open(c, path, &model), AYF_OK);
    ayf_precision precision = ayf_model_describe(model).precision;
    ayf_model_close(model);
    return precision;
}

static void test_models(void **state) {
    (void)state;
    static const struct {
        ayf_precision asked;
        bool likes;
        ayf_precision want;
    } cases[] = {
        {AYF_PRECISION_HIGHEST, true, AYF_PRECISION_HIGHEST},
        {AYF_PRECISION_BF16, true, AYF_PRECISION_BF16},
        {AYF_PRECISION_AUTO, true, AYF_PRECISION_BF16},
        {AYF_PRECISION_HIGHEST, false, AYF_PRECISION_HIGHEST},
        {AYF_PRECISION_BF16, false, AYF_PRECISION_BF16},
        {AYF_PRECISION_AUTO, false, AYF_PRECISION_HIGHEST},
    };
    const char *path = in_root("run/model.safetensors");
    run_to(AYF_RUN_TRAIN, in_root("run"), join(tiny_mlp(), SET("train.precision=bf16")), 2);
    /* All zero is 32 bits, however the model was trained and whatever the processor likes. */
    ayf_options zero;
    memset(&zero, 0, sizeof zero);
    ayf_context *plain = ayf_open(&zero);
    prefer(plain, true);
    assert_int_equal(precision_in(plain, path), AYF_PRECISION_HIGHEST);
    ayf_close(plain);
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_context *c = open_in(cases[i].asked, cases[i].likes);
        ayf_model *model;
        float points[2];
        memset(compiled, 0, sizeof compiled);
        assert_int_equal(precision_in(c, path), cases[i].want);
        assert_int_equal(ayf_model_open(c, path, &model), AYF_OK);
        assert_int_equal(ayf_model_sample(model, NULL, 1, points, NULL), AYF_OK);
        ayf_model_close(model);
        bool bf16 = cases[i].want == AYF_PRECISION_BF16;
        expect_compiled(!bf16, bf16);
        ayf_close(c);
    }
    ayf_context *wrong = open_in((ayf_precision)7, true);
    ayf_model *model;
    assert_int_equal(ayf_model_open(wrong, path, &model), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(wrong), "no precision 7"));
    ayf_close(wrong);
}

static void gather(void *user, const char *line) {
    char *text = user;
    snprintf(text + strlen(text), 4096 - strlen(text), "%s\n", line);
}

/* What judges computes in 32 bits. */
static void test_judges(void **state) {
    (void)state;
    char teacher[600], recipe[4096] = "";
    settings quick = join(tiny_mlp(), SET("train.steps=2"));
    run_to(AYF_RUN_TRAIN, in_root("teacher"), quick, 2);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    run_to(AYF_RUN_DISTILL, in_root("student"), join(quick, SET(teacher, "distill.guidance=none")), 2);
    ayf_context *c = open_in(AYF_PRECISION_BF16, false);
    ayf_model *student, *by;
    assert_int_equal(ayf_model_open(c, in_root("student/model.safetensors"), &student), AYF_OK);
    assert_int_equal(ayf_model_open(c, in_root("teacher/model.safetensors"), &by), AYF_OK);
    memset(compiled, 0, sizeof compiled);
    ayf_fidelity_row row;
    ayf_fidelity_options options = {.calls = (const int[]){1}, .call_count = 1, .images = 4};
    assert_int_equal(ayf_fidelity(student, by, &options, &row), AYF_OK);
    expect_compiled(1, 1);
    assert_int_equal(ayf_fidelity(student, NULL, &options, &row), AYF_OK);
    expect_compiled(1, 0); /* the closed form; the student is there */
    /* A teacher is a model like any other when it draws. */
    float points[2];
    assert_int_equal(ayf_model_sample(by, NULL, 1, points, NULL), AYF_OK);
    expect_compiled(0, 1);
    ayf_eval *eval;
    ayf_eval_options data = {.data = "builtin:ring", .count = 50, .reference = 200};
    assert_int_equal(ayf_eval_open(c, &data, &eval), AYF_OK);
    assert_int_equal(ayf_eval_describe(eval, gather, recipe), AYF_OK);
    if (!strstr(recipe, "samples    50, seeds 0 to 49, computed in bf16 (of a data set: at random)"))
        fail_msg("%s", recipe);
    ayf_eval_close(eval);
    const char *const few[] = {"data.resolution=8", "train.steps=2", "train.batch=4"};
    ayf_features_options features = {.data = "builtin:shapes", .settings = few, .setting_count = 3};
    assert_int_equal(ayf_features_fit(c, in_root("features.safetensors"), &features, NULL), AYF_OK);
    expect_compiled(compiled[AYF_PRECISION_HIGHEST], 0);
    data = (ayf_eval_options){
        .data = "builtin:shapes", .features = in_root("features.safetensors"), .count = 70, .reference = 140};
    assert_int_equal(ayf_eval_open(c, &data, &eval), AYF_OK);
    expect_compiled(1, 0);
    ayf_eval_close(eval);
    ayf_model_close(by);
    ayf_model_close(student);
    ayf_close(c);
    recipe[0] = 0;
    data = (ayf_eval_options){.data = "builtin:ring", .count = 50, .reference = 200};
    assert_int_equal(ayf_eval_open(ctx, &data, &eval), AYF_OK);
    assert_int_equal(ayf_eval_describe(eval, gather, recipe), AYF_OK);
    assert_non_null(strstr(recipe, "samples    50, seeds 0 to 49 (of a data set: at random)"));
    ayf_eval_close(eval);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_test, close_root)
    const struct CMUnitTest tests[] = {TEST(test_names),
                                       TEST(test_auto_is_settled),
                                       TEST(test_stays_settled),
                                       TEST(test_refused_change),
                                       TEST(test_older_run),
                                       TEST(test_older_card),
                                       TEST(test_programs_of_runs),
                                       TEST(test_trajectories),
                                       TEST(test_models),
                                       TEST(test_judges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
