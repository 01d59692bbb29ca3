/* Which models match is one rule, whoever asks: sampling with guidance, distillation, fine-tuning,
 * evaluation. */
#include "run_fixture.h"

#include "model/file.h"
#include "backend/cpu/cpu.h"

enum { SIDE = 8, CHANNELS = 3, CLASSES = 10 }; /* of builtin:shapes as the runs below see it */

typedef struct made {
    ayf_model_kind kind;
    int side, channels, classes;
    double sigma;
} made;

static const made usual = {AYF_MODEL_UNET, SIDE, CHANNELS, CLASSES, 0.5};

static void make(const char *name, ayf_model_role role, made m) {
    ayf_backend *backend;
    ayf_weights *w;
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = m.kind;
    spec.is_student = role == AYF_MODEL_ROLE_STUDENT;
    spec.img_resolution = m.side;
    spec.img_channels = m.channels;
    spec.label_dim = m.classes;
    spec.model_channels = 8;
    spec.num_blocks = 1;
    spec.channel_mult = (ayf_ints){1, {1}};
    spec.mlp_hidden = 8;
    assert_int_equal(ayf_cpu_open(ctx, &backend), AYF_OK);
    assert_int_equal(ayf_weights_new(backend, &spec, &w), AYF_OK);
    assert_int_equal(ayf_weights_init(w, 1), AYF_OK);
    ayf_model_card card = {.role = role, .sigma_data = m.sigma, .guidance_min = 1, .guidance_max = 1};
    assert_int_equal(ayf_model_write(in_root("%s", name), w, &card), AYF_OK);
    ayf_weights_free(w);
    ayf_backend_close(backend);
}

static ayf_model *open_model(const char *name) {
    ayf_model *model;
    if (ayf_model_open(ctx, in_root("%s", name), &model) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return model;
}

/* NULL: accepted; otherwise refused with `status` by a sentence with these words. */
static void expect(const char *who, ayf_status got, ayf_status status, const char *one, const char *other,
                   const char *words) {
    if (got != (words ? status : AYF_OK)) fail_msg("%s: %s, %s", who, ayf_status_text(got), ayf_error(ctx));
    if (words &&
        (!strstr(ayf_error(ctx), one) || !strstr(ayf_error(ctx), other) || !strstr(ayf_error(ctx), words)))
        fail_msg("%s: %s", who, ayf_error(ctx));
}

/* ---- The ways in which two models meet ---- */

static void sampling(const char *words) {
    ayf_model *teacher = open_model("teacher"), *weak = open_model("weak");
    ayf_sample_options options = {.guidance = 2, .steps = 1, .solver = AYF_SOLVER_EULER};
    float image[SIDE * SIDE * CHANNELS];
    ayf_status status = ayf_model_guide(teacher, weak);
    expect("ayf_model_guide", status, AYF_E_USAGE, "teacher ", "weak ", words);
    if (status == AYF_OK && ayf_model_sample(teacher, &options, 1, image, NULL) != AYF_OK)
        fail_msg("%s", ayf_error(ctx));
    ayf_model_close(teacher);
    ayf_model_close(weak);
}

static ayf_status begin_run(ayf_run_kind kind, settings set) {
    ayf_run *run;
    settings all = join(SET("data.source=builtin:shapes", "data.resolution=8", "train.batch=4",
                            "train.steps=2", "save.every=0", "save.grid_every=0"),
                        set);
    ayf_status status = open_run(kind, in_root("run"), all, &run);
    if (status != AYF_OK) return status;
    status = ayf_run_step(run, NULL);
    ayf_run_close(run);
    nftw(in_root("run"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

static char *setting(const char *key, const char *name) {
    static char texts[4][600];
    static int next;
    char *text = texts[next = (next + 1) % 4];
    snprintf(text, sizeof texts[0], "%s=%s", key, in_root("%s", name));
    return text;
}

static void distillation(const char *words, bool labels) {
    settings set = SET(setting("distill.teacher", "teacher"), setting("distill.weak", "weak"),
                       labels ? "data.labels=true" : "data.labels=false");
    expect("distill", begin_run(AYF_RUN_DISTILL, set), AYF_E_CONFIG, "distill.teacher", "distill.weak",
           words);
}

static void finetuning(const char *words) {
    settings set = SET(setting("finetune.student", "student"), setting("distill.teacher", "teacher"),
                       "distill.guidance=none", "finetune.channel_base=64", "finetune.channel_max=8");
    expect("finetune", begin_run(AYF_RUN_FINETUNE, set), AYF_E_CONFIG, "distill.teacher", "finetune.student",
           words);
}

static void evaluation(const char *words) {
    ayf_model *teacher = open_model("teacher"), *student = open_model("student");
    const int calls = 1;
    ayf_fidelity_row row;
    ayf_status status = ayf_fidelity(
        student, teacher, &(ayf_fidelity_options){.calls = &calls, .call_count = 1, .images = 1}, &row);
    expect("ayf_fidelity", status, AYF_E_USAGE, "teacher ", "student ", words);
    ayf_model_close(teacher);
    ayf_model_close(student);
}

/* ---- Tests ---- */

static void test_sigma_data(void **state) {
    (void)state;
    static const struct {
        double factor;
        const char *words;
    } cases[] = {{1, NULL},
                 {1 + 1e-4, NULL},
                 {1 - 1e-4, NULL},
                 {1.0006, NULL}, /* 0.5 for 0.5003 */
                 {1 + 1e-2, "sigma_data 0.505"},
                 {1 - 1e-2, "sigma_data 0.495"}};
    make("teacher", AYF_MODEL_ROLE_TEACHER, usual);
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        made other = usual;
        other.sigma *= cases[i].factor;
        make("weak", AYF_MODEL_ROLE_TEACHER, other);
        make("student", AYF_MODEL_ROLE_STUDENT, other);
        sampling(cases[i].words);
        distillation(cases[i].words, true);
        evaluation(cases[i].words);
        finetuning(cases[i].words);
        char given[64];
        snprintf(given, sizeof given, "data.sigma_data=%.17g", other.sigma);
        settings set = SET(setting("distill.teacher", "teacher"), "distill.guidance=none", given);
        expect("data.sigma_data", begin_run(AYF_RUN_DISTILL, set), AYF_E_CONFIG, "data.sigma_data", "teacher",
               cases[i].words ? "leave the key out" : NULL);
    }
}

static void test_weak_teachers(void **state) {
    (void)state;
    static const struct {
        made teacher, weak;
        const char *words;
    } cases[] = {
        {{AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, {AYF_MODEL_UNET, SIDE, 3, 0, 0.5}, NULL},
        {{AYF_MODEL_UNET, SIDE, 3, 0, 0.5}, {AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, "knows no classes"},
        {{AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, {AYF_MODEL_UNET, SIDE, 3, 7, 0.5}, "knows 7 classes"},
        {{AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, {AYF_MODEL_UNET, SIDE, 1, 10, 0.5}, "makes 8x8x1 images"},
        {{AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, {AYF_MODEL_UNET, 16, 3, 10, 0.5}, "makes 16x16x3 images"},
        {{AYF_MODEL_UNET, SIDE, 3, 10, 0.5}, {AYF_MODEL_MLP, SIDE, 3, 10, 0.5}, "makes points of 2 numbers"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        make("teacher", AYF_MODEL_ROLE_TEACHER, cases[i].teacher);
        make("weak", AYF_MODEL_ROLE_TEACHER, cases[i].weak);
        sampling(cases[i].words);
        distillation(cases[i].words, cases[i].teacher.classes > 0);
    }
}

/* A student is judged by, and goes on learning from, a teacher of all the same classes. */
static void test_students(void **state) {
    (void)state;
    made other = usual;
    make("student", AYF_MODEL_ROLE_STUDENT, usual);
    other.classes = 0;
    make("teacher", AYF_MODEL_ROLE_TEACHER, other);
    evaluation("knows no classes");
    finetuning("knows no classes");
    other = usual;
    other.side = 16;
    make("teacher", AYF_MODEL_ROLE_TEACHER, other);
    evaluation("makes 16x16x3 images");
    finetuning("makes 16x16x3 images");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_sigma_data), TEST(test_weak_teachers), TEST(test_students)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
