/* What programs that embed the library rely on: models from memory, and long calls that are cancelled. */
#include "model_fixture.h"

#include <sys/stat.h>

#include "ayf.h"
#include "io/file.h"
#include "io/safetensors.h"

/* ---- Cancelling ---- */

typedef struct listener {
    uint64_t heard;   /* calls so far */
    uint64_t refused; /* the call that is answered no; 0: none */
    bool sound;       /* every call had a name, and no more was done than there is */
} listener;

static bool listen(void *user, const char *what, uint64_t done, uint64_t total) {
    listener *l = user;
    l->heard++;
    l->sound = l->sound && what && *what && (total == 0 || done <= total);
    return l->heard != l->refused;
}

typedef ayf_status long_call(void *result);

/* Refuses every call of the progress function in turn, or some of many; then the call succeeds with the bytes of an
 * undisturbed one. */
static void check_cancel(long_call *call, size_t size, ayf_status (*prepare)(void)) {
    enum { MOST = 12 };
    unsigned char *want = calloc(1, size + 1), *got = calloc(1, size + 1);
    listener l = {.sound = true};
    if (prepare) ok(prepare());
    ctx->progress = NULL;
    ok(call(want));
    ctx->progress = listen;
    ctx->progress_user = &l;
    ok(call(got));
    assert_memory_equal(want, got, size);
    uint64_t calls = l.heard;
    assert_true(calls > 1);
    for (uint64_t k = 1; k <= calls; k += calls > MOST ? calls / MOST : 1) {
        l.heard = 0, l.refused = k;
        assert_int_equal(call(got), AYF_E_CANCELLED);
        assert_int_equal(l.heard, k); /* nothing is asked after a no */
        assert_int_equal(ayf_last_status(ctx), AYF_E_CANCELLED);
        expect_message("was cancelled");
    }
    l.heard = l.refused = 0;
    ok(call(got));
    assert_int_equal(l.heard, calls);
    assert_true(l.sound);
    assert_memory_equal(want, got, size);
    ctx->progress = NULL;
    free(want);
    free(got);
}

enum { POINTS = 300 };
static ayf_model *student, *teacher;

static ayf_status open_points(void) {
    student = make_model("student", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 1);
    teacher = make_model("teacher", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    return AYF_OK;
}

static ayf_status draw_student(void *out) {
    return ayf_model_sample(student, &(ayf_sample_options){.steps = 3, .gamma = 0.5}, POINTS, out, NULL);
}
static ayf_status draw_teacher(void *out) {
    return ayf_model_sample(teacher, &(ayf_sample_options){.steps = 2}, POINTS, out, NULL);
}

static ayf_status fidelity(void *out) {
    ayf_fidelity_options options = {.calls = (const int[]){1, 2}, .call_count = 2, .images = POINTS};
    return ayf_fidelity(student, teacher, &options, out);
}
static ayf_status semigroup(void *out) {
    double mean;
    return ayf_semigroup_defect(student, teacher, NULL, out, &mean);
}

static void test_cancel_models(void **state) {
    (void)state;
    check_cancel(draw_student, POINTS * 2 * sizeof(float), open_points);
    check_cancel(draw_teacher, POINTS * 2 * sizeof(float), NULL);
    check_cancel(fidelity, 2 * sizeof(ayf_fidelity_row), NULL);
    check_cancel(semigroup, AYF_SEMIGROUP_ROWS * sizeof(ayf_semigroup_row), NULL);
}

static ayf_eval *eval;

static ayf_status open_eval(void) {
    return ayf_eval_open(ctx, &(ayf_eval_options){.data = "builtin:ring", .count = 200, .reference = 1000},
                         &eval);
}
static ayf_status eval_model(void *out) {
    ayf_eval_row row;
    ayf_status status = ayf_eval_model(eval, student, &(ayf_sample_options){.steps = 2}, &row);
    row.seconds = 0;
    memcpy(out, &row, sizeof row);
    return status;
}
static ayf_status eval_data(void *out) { return ayf_eval_data(eval, "builtin:moons", out); }
static ayf_status eval_floor(void *out) { return ayf_eval_floor(eval, out); }

static void test_cancel_eval(void **state) {
    (void)state;
    check_cancel(eval_model, sizeof(ayf_eval_row), open_eval);
    check_cancel(eval_data, sizeof(ayf_eval_row), NULL);
    check_cancel(eval_floor, sizeof(ayf_eval_row), NULL);
    ayf_eval_close(eval);
    ayf_model_close(student);
    ayf_model_close(teacher);
}

enum { PICTURES = 4, SIDE = 8 };
static const char *features_path, *pictures_path;

static ayf_status make_pictures(void) {
    static float pixels[SIDE * SIDE * 3];
    pictures_path = strdup(path_of("pictures"));
    if (mkdir(pictures_path, 0700) != 0) return AYF_E_IO;
    for (int i = 0; i < PICTURES; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s/%d.png", pictures_path, i);
        for (int k = 0; k < SIDE * SIDE * 3; k++) pixels[k] = (float)((k + i) % 7) / 7;
        AYF_TRY(ayf_image_write(ctx, name, pixels, SIDE, SIDE, 3, NULL));
    }
    return AYF_OK;
}
static ayf_status describe_folder(void *out) {
    ayf_path_facts facts;
    ayf_status status = ayf_path_describe(ctx, pictures_path, &facts);
    uint64_t count = facts.count;
    memcpy(out, &count, sizeof count);
    ayf_path_facts_free(ctx, &facts);
    return status;
}

static ayf_status fit(void *out) {
    static const char *const settings[] = {"data.resolution=8", "model.channels=8", "model.multipliers=1",
                                           "train.steps=3", "train.batch=8"};
    ayf_features_report report;
    ayf_status status = ayf_features_fit(ctx, features_path,
                                         &(ayf_features_options){.data = "builtin:shapes",
                                                                 .settings = settings,
                                                                 .setting_count = (int)AYF_COUNT(settings)},
                                         &report);
    assert_true((status == AYF_OK) == ayf_path_exists(features_path));
    if (status == AYF_OK) memcpy(out, &report.loss, sizeof report.loss);
    unlink(features_path);
    return status;
}

static void test_cancel_data(void **state) {
    (void)state;
    check_cancel(describe_folder, sizeof(uint64_t), make_pictures);
    features_path = strdup(path_of("features"));
    check_cancel(fit, sizeof(double), NULL);
    for (int i = 0; i < PICTURES; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s/%d.png", pictures_path, i);
        unlink(name);
    }
    rmdir(pictures_path);
    free((void *)(uintptr_t)pictures_path);
    free((void *)(uintptr_t)features_path);
}

static void ignore_line(void *user, const char *line) { (void)user, (void)line; }

static ayf_status golden(void *out) {
    char folder_of[512];
    const char *root = getenv("AYF_SOURCE_ROOT");
    snprintf(folder_of, sizeof folder_of, "%s/tests/fixtures/discriminator", root ? root : ".");
    (void)out;
    return ayf_golden(ctx, folder_of, ignore_line, NULL);
}

static const char *const small[] = {"data.resolution=8",         "model.channels=8",
                                    "model.multipliers=1",       "model.blocks=1",
                                    "finetune.channel_base=128", "finetune.channel_max=16"};
static const ayf_bench_options bench = {
    .settings = small, .setting_count = (int)AYF_COUNT(small), .batch = 4, .repeats = 2};
static ayf_status bench_step(void *out) {
    ayf_bench_result r;
    (void)out;
    return ayf_bench_step(ctx, &bench, &r);
}
static ayf_status bench_call(void *out) {
    ayf_bench_call_result r;
    (void)out;
    return ayf_bench_call(ctx, &bench, &r);
}
static ayf_status bench_discriminator(void *out) {
    ayf_bench_discriminator_result r;
    (void)out;
    return ayf_bench_discriminator(ctx, &bench, &r);
}

static void test_cancel_measurements(void **state) {
    (void)state;
    check_cancel(golden, 0, NULL);
    check_cancel(bench_step, 0, NULL);
    check_cancel(bench_call, 0, NULL);
    check_cancel(bench_discriminator, 0, NULL);
}

static bool refuse(void *user, const char *what, uint64_t done, uint64_t total) {
    (void)user, (void)what, (void)done, (void)total;
    return false;
}

/* Steps are not cancelled, whatever they draw or measure. */
static void test_runs_are_undisturbed(void **state) {
    (void)state;
    static const char *const settings[] = {"data.source=builtin:ring", "model.kind=mlp", "train.steps=2",
                                           "train.batch=16", "save.grid_every=1"};
    char run_folder[128], command[160];
    snprintf(run_folder, sizeof run_folder, "%s", path_of("run"));
    ayf_run *run;
    ayf_run_report report;
    ok(ayf_run_open(ctx,
                    &(ayf_run_options){.kind = AYF_RUN_TRAIN,
                                       .folder = run_folder,
                                       .settings = settings,
                                       .setting_count = (int)AYF_COUNT(settings)},
                    &run));
    ctx->progress = refuse;
    while (!ayf_run_finished(run)) ok(ayf_run_step(run, &report));
    ok(ayf_run_save(run));
    ctx->progress = NULL;
    ayf_run_close(run);
    snprintf(command, sizeof command, "rm -r '%s'", run_folder);
    assert_int_equal(system(command), 0);
}

/* ---- Models from memory ---- */

static void test_memory(void **state) {
    (void)state;
    enum { COUNT = 5 };
    ayf_model *file = make_model("m", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 1), *memory;
    float want[COUNT * 2], got[COUNT * 2];
    void *bytes;
    size_t size;
    ok(ayf_file_read(ctx, path_of("m"), 0, &bytes, &size));
    ok(ayf_model_open_memory(ctx, bytes, size, &memory));
    memset(bytes, 0, size); /* only read during the call */
    ayf_free(ctx, bytes);
    ok(ayf_model_sample(file, NULL, COUNT, want, NULL));
    ok(ayf_model_sample(memory, NULL, COUNT, got, NULL));
    assert_memory_equal(want, got, sizeof want);
    assert_int_equal(ayf_model_describe(memory).step, ayf_model_describe(file).step);
    ayf_model_close(memory);
    ayf_model_close(file);
    assert_int_equal(ayf_model_open_memory(ctx, NULL, 5, &memory), AYF_E_USAGE);
    assert_int_equal(ayf_model_open_memory(ctx, "", 0, &memory), AYF_E_FORMAT);
    expect_message("model in memory: has 0 bytes");
    assert_null(memory);
}

/* Cut short or damaged in any place: the status and the words of a file with these bytes. */
static void test_hostile_memory(void **state) {
    (void)state;
    ayf_model_close(make_model("m", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1));
    char *bytes, file_message[AYF_MESSAGE_SIZE], path[128];
    void *read;
    size_t size;
    ok(ayf_file_read(ctx, path_of("m"), 0, &read, &size));
    bytes = read;
    snprintf(path, sizeof path, "%s", path_of("bad"));
    for (size_t i = 0; i < 60; i++) {
        bool cut = i % 2;
        size_t at = i < 40 ? i : size * (i - 40) / 20, length = cut ? at : size;
        char kept = bytes[at];
        if (!cut) bytes[at] = (char)(bytes[at] ^ 0x55);
        ayf_model *from_file, *from_memory;
        ok(ayf_file_write(ctx, path, bytes, length));
        ayf_status file = ayf_model_open(ctx, path, &from_file);
        snprintf(file_message, sizeof file_message, "%s", ayf_error(ctx));
        ayf_status memory = ayf_model_open_memory(ctx, bytes, length, &from_memory);
        bytes[at] = kept;
        assert_int_equal(file, memory);
        if (memory != AYF_OK) {
            const char *rest = strstr(ayf_error(ctx), "model in memory");
            assert_true(rest == ayf_error(ctx) && strncmp(file_message, path, strlen(path)) == 0);
            assert_string_equal(rest + strlen("model in memory"), file_message + strlen(path));
        }
        ayf_model_close(from_file);
        ayf_model_close(from_memory);
    }
    ayf_free(ctx, bytes);
}

static void test_sizes(void **state) {
    (void)state;
    assert_int_equal(ayf_sizeof("ayf_options"), sizeof(ayf_options));
    assert_int_equal(ayf_sizeof("ayf_run_report"), sizeof(ayf_run_report));
    assert_int_equal(ayf_sizeof("ayf_nothing"), 0);
}

static int end(void **state) {
    (void)state;
    return end_of((const char *const[]){"student", "teacher", "m", "bad"}, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_models),        cmocka_unit_test(test_cancel_eval),
        cmocka_unit_test(test_cancel_data),          cmocka_unit_test(test_cancel_measurements),
        cmocka_unit_test(test_runs_are_undisturbed), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_hostile_memory),       cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
