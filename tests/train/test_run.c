/* Training runs as a user of ayf.h sees them: files, resuming, refusals. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "comma_locale.h"
#include "run_fixture.h"
#include "mixture_velocity.h"

#include "train/recipe.h"
#include "train/settings.h"
#include "model/file.h"
#include "backend/cpu/cpu.h"
#include "base/rng.h"
#include "image/image.h"
#include "data/points.h"
#include "io/safetensors.h"
#include "spec_equal.h"

/* ---- The same bytes ---- */

static void test_resume_points(void **state) {
    (void)state;
    check_resume(AYF_RUN_TRAIN, "teacher", tiny_mlp(), 50);
    settings set = join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch"));
    const char *named = in_root("teacher-a");
    char teacher[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", named);
    check_resume(AYF_RUN_DISTILL, "analytic", join(set, SET("distill.teacher=analytic")), 50);
    check_resume(AYF_RUN_DISTILL, "network", join(set, SET(teacher, "distill.student_init=teacher")), 50);
    check_resume(AYF_RUN_DISTILL, "data", join(set, SET("distill.target=data")), 10);
    check_resume(AYF_RUN_DISTILL, "lmd", join(set, SET(teacher, "distill.loss=lmd", "train.ema=none")), 10);
}

static void test_resume_images(void **state) {
    (void)state;
    check_resume(AYF_RUN_TRAIN, "teacher", join(tiny_unet(), SET("train.label_dropout=0.3")), 10);
    run_to(AYF_RUN_TRAIN, in_root("weak"),
           join(tiny_unet(), SET("model.channels=4", "model.channels_per_head=4")), 2);
    char teacher[600], weak[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher-a"));
    snprintf(weak, sizeof weak, "distill.weak=%s", in_root("weak/model.safetensors"));
    settings set = join(tiny_unet(), SET(teacher, weak));
    check_resume(AYF_RUN_DISTILL, "student", set, 10);
    /* Another seed is another run. */
    run_to(AYF_RUN_DISTILL, in_root("other"), join(set, SET("train.seed=1")), 10);
    ayf_st *a, *b;
    assert_int_equal(ayf_st_open(ctx, in_root("student-a/model.safetensors"), &a), AYF_OK);
    assert_int_equal(ayf_st_open(ctx, in_root("other/model.safetensors"), &b), AYF_OK);
    const ayf_st_tensor *x = ayf_st_get(a, "unet.out_conv.weight"),
                        *y = ayf_st_get(b, "unet.out_conv.weight");
    assert_true(memcmp(x->data, y->data, x->count * sizeof(float)) != 0);
    ayf_st_close(a);
    ayf_st_close(b);
}

/* The locale of the program decides nothing. */
static void test_comma_locale(void **state) {
    (void)state;
    char teacher[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("plain"));
    settings student = join(tiny_unet(), SET(teacher, "distill.guidance=cfg", "distill.guidance_min=0.5",
                                             "distill.midtrain_steps=3", "distill.midtrain_trajectories=6",
                                             "distill.midtrain_solver_steps=2"));
    settings set = join(tiny_unet(), SET("train.label_dropout=0.3"));
    run_to(AYF_RUN_TRAIN, in_root("plain"), set, 10);
    run_to(AYF_RUN_DISTILL, in_root("plain-student"), student, 10);
    if (!begin_comma_locale(root)) skip();
    run_to(AYF_RUN_TRAIN, in_root("comma"), set, 10);
    run_to(AYF_RUN_DISTILL, in_root("comma-student"), student, 10);
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, in_root("plain-student/model.safetensors"), &model), AYF_OK);
    ayf_model_close(model);
    end_comma_locale();
    static const char *const files[] = {"model.safetensors", "config.yaml"};
    for (size_t i = 0; i < AYF_COUNT(files); i++) {
        expect_same_file(in_root("plain/%s", files[i]), in_root("comma/%s", files[i]));
        expect_same_file(in_root("plain-student/%s", files[i]), in_root("comma-student/%s", files[i]));
    }
    expect_same_file(in_root("plain-student/trajectories.safetensors"),
                     in_root("comma-student/trajectories.safetensors"));
}

/* ---- What a run writes ---- */

static void test_folder(void **state) {
    (void)state;
    settings set =
        join(tiny_unet(), SET("save.every=2", "save.keep=3", "save.grid_every=5", "save.log_every=3"));
    const char *folder = in_root("run");
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, folder, set, &run), AYF_OK);
    assert_string_equal(ayf_run_model_path(run), in_root("run/model.safetensors"));
    uint64_t saved = 0;
    for (uint64_t i = 1; i <= 10; i++) {
        ayf_run_report report;
        assert_false(ayf_run_finished(run));
        assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        assert_int_equal(report.step, i);
        assert_int_equal(report.steps, 10);
        assert_true(report.loss > 0 && report.grad_norm > 0 && report.seconds > 0 && report.bytes > 100000);
        assert_true(isnan(report.tangent_rms));
        saved += report.saved;
    }
    assert_int_equal(saved, 5);
    assert_true(ayf_run_finished(run));
    ayf_run_report report;
    assert_int_equal(ayf_run_step(run, &report), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "raise train.steps"));
    ayf_run_close(run);

    assert_int_equal(files_in(in_root("run/checkpoints")), 3);
    assert_true(ayf_path_exists(in_root("run/checkpoints/step-00000006.safetensors")));
    assert_int_equal(files_in(in_root("run/samples")), 2);
    ayf_image image;
    void *png;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, in_root("run/samples/step-00000010.png"), 0, &png, &size), AYF_OK);
    assert_int_equal(ayf_image_decode(ctx, "png", png, size, NULL, &image), AYF_OK);
    assert_int_equal(image.height, 2 + 2 * (8 + 2));
    assert_int_equal(image.width, 2 + 8 * (8 + 2));
    ayf_image_clear(ctx, &image);
    ayf_free(ctx, png);
    assert_int_equal(count_lines(in_root("run/log.jsonl")), 4); /* 3, 6, 9 and the last */
    assert_true(file_contains(in_root("run/log.jsonl"), "{\"step\":10,\"loss\":"));
    assert_true(file_contains(in_root("run/config.yaml"), "resolution: 8"));
    assert_false(file_contains(in_root("run/config.yaml"), "sigma_data: 0.0"));

    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card;
    assert_int_equal(ayf_cpu_open(ctx, &backend), AYF_OK);
    assert_int_equal(ayf_model_read(backend, in_root("run/model.safetensors"), &weights, &card), AYF_OK);
    assert_int_equal(card.role, AYF_MODEL_ROLE_TEACHER);
    assert_int_equal(card.step, 10);
    assert_true(card.sigma_data > 0.3 && card.sigma_data < 1.0);
    assert_string_equal(card.data, "builtin:shapes");
    assert_int_equal(weights->spec.label_dim, 10);
    ayf_model_card_free(ctx, &card);
    ayf_weights_free(weights);
    ayf_backend_close(backend);

    /* A finished run opens as finished, and can be made longer. */
    assert_int_equal(open_run(AYF_RUN_TRAIN, folder, set, &run), AYF_OK);
    assert_true(ayf_run_finished(run));
    ayf_run_close(run);
    run_to(AYF_RUN_TRAIN, folder, join(set, SET("train.steps=12", "save.keep=1")), 12);
    assert_int_equal(files_in(in_root("run/checkpoints")), 1);
    assert_true(file_contains(in_root("run/config.yaml"), "steps: 12"));
}

static void test_student_folder(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch",
                                        "distill.teacher=analytic", "train.steps=4", "save.log_every=2"));
    run_to(AYF_RUN_DISTILL, in_root("run"), set, 4);
    assert_int_equal(count_lines(in_root("run/log.jsonl")), 2);
    assert_true(file_contains(in_root("run/log.jsonl"), "\"tangent_rms_by_t\":["));
    assert_int_equal(files_in(in_root("run/samples")), 0);
    /* As often as there are steps: at the end. */
    run_to(AYF_RUN_DISTILL, in_root("drawn"), join(set, SET("save.grid_every=4")), 4);
    assert_int_equal(files_in(in_root("drawn/samples")), 1);
    assert_true(ayf_path_exists(in_root("drawn/samples/step-00000004.png")));
}

/* Without grids nothing is planned for drawing them, but for the network of a measurement. */
static void test_no_grids(void **state) {
    (void)state;
    static const char *const every[] = {"save.grid_every=0", "save.grid_every=1"};
    settings set = join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch",
                                        "distill.teacher=analytic", "train.steps=4", "save.events=true"));
    for (int measured = 0; measured < 2; measured++) {
        ayf_memory_parts parts[2];
        for (int i = 0; i < 2; i++) {
            ayf_run *run;
            settings own = join(set, SET(every[i], measured ? "eval.every=2" : "eval.every=0"));
            assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("run-%d-%d", measured, i), own, &run), AYF_OK);
            parts[i] = run->memory;
            while (!ayf_run_finished(run)) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
            ayf_run_close(run);
        }
        assert_int_equal(parts[0].pictures, 0);
        assert_in_range(parts[1].pictures, 1, SIZE_MAX);
        assert_int_equal(parts[0].measuring, parts[1].measuring);
        assert_true((parts[0].measuring > 0) == (measured > 0));
        assert_int_equal(files_in(in_root("run-%d-0/samples", measured)), 0);
        assert_int_equal(files_in(in_root("run-%d-1/samples", measured)), 4);
    }
}

/* What the model file holds is the average, not the weights; both are in the checkpoint. */
static void test_average(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), 20);
    ayf_st *model, *checkpoint;
    assert_int_equal(ayf_st_open(ctx, in_root("run/model.safetensors"), &model), AYF_OK);
    assert_int_equal(ayf_st_open(ctx, in_root("run/checkpoints/step-00000020.safetensors"), &checkpoint),
                     AYF_OK);
    const char *name = "mlp.hidden1.weight";
    const ayf_st_tensor *m = ayf_st_get(model, name), *ema = ayf_st_get(checkpoint, "ema.mlp.hidden1.weight");
    const ayf_st_tensor *w = ayf_st_get(checkpoint, "weights.mlp.hidden1.weight");
    assert_memory_equal(m->data, ema->data, m->count * sizeof(float));
    assert_true(memcmp(m->data, w->data, m->count * sizeof(float)) != 0);
    ayf_st_close(model);
    ayf_st_close(checkpoint);
}

/* Loss per element of the exact velocity of the ring, over the times a teacher is trained at. */
static double best_loss(void) {
    enum { SAMPLES = 20000 };
    ayf_mixture ring = ayf_mixture_ring();
    double sum = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        float x0[2], x1[2];
        int label;
        ayf_points_sample(AYF_POINTS_RING, 0, i, x0, &label);
        ayf_rng_normal((ayf_rng_key){5, AYF_RNG_TEST, 0, i}, x1, 2);
        double t = ayf_teacher_time(0, 1, 5, 0, i), x[2], v[2];
        for (int k = 0; k < 2; k++) x[k] = (1 - t) * x0[k] + t * x1[k];
        mixture_velocity(&ring, x, t, v);
        for (int k = 0; k < 2; k++) sum += pow(v[k] - (x1[k] - x0[k]), 2) / 2;
    }
    return sum / SAMPLES;
}

/* Training learns: the loss falls from that of predicting nothing to that of the exact velocity. */
static void test_learns(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.batch=256", "train.steps=400", "model.hidden=64"));
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), set, &run), AYF_OK);
    ayf_run_report report;
    double first = 0, last = 0;
    for (int i = 0; i < 400; i++) {
        assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        if (i == 0) first = report.loss;
        if (i >= 350) last += report.loss / 50;
    }
    ayf_run_close(run);
    assert_true(first > 1.7 && first < 2.3); /* F = 0: E |x1 - x0|^2 per element = 2 */
    double best = best_loss();
    if (!(last < best + 0.1 && last > best - 0.1))
        fail_msg("loss %g at the end, best %g, first %g", last, best, first);
}

/* The same with two threads: a sum may then be taken in another order, but always in the same. */
static void test_two_threads(void **state) {
    (void)state;
    ayf_close(ctx);
    ctx = ayf_open(&(ayf_options){.threads = 2});
    assert_non_null(ctx);
    run_to(AYF_RUN_TRAIN, in_root("a"), tiny_unet(), 4);
    run_to(AYF_RUN_TRAIN, in_root("b"), tiny_unet(), 2);
    run_to(AYF_RUN_TRAIN, in_root("b"), tiny_unet(), 4);
    expect_same_file(in_root("a/model.safetensors"), in_root("b/model.safetensors"));
}

/* ---- Refusals
 * --------------------------------------------------------------------------------------------------------------
 */

static void test_second_run(void **state) {
    (void)state;
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), &run), AYF_OK);
    expect_refused(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), AYF_E_IO, "run");
    ayf_run_close(run);
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), &run), AYF_OK);
    ayf_run_close(run);
}

static void test_conflicts(void **state) {
    (void)state;
    const char *folder = in_root("run");
    run_to(AYF_RUN_TRAIN, folder, tiny_mlp(), 3);
    expect_refused(AYF_RUN_TRAIN, folder, join(tiny_mlp(), SET("train.lr=0.02")), AYF_E_CONFIG,
                   "train.lr = 0.01");
    expect_refused(AYF_RUN_TRAIN, folder, join(tiny_mlp(), SET("model.hidden=32")), AYF_E_CONFIG,
                   "model.hidden = 16");
    expect_refused(
        AYF_RUN_TRAIN, folder, join(tiny_mlp(), SET("data.source=builtin:moons")), AYF_E_CONFIG,
        "builtin:moons are not the data that this run was begun with (builtin:ring): the points differ");
    expect_refused(AYF_RUN_TRAIN, folder, SET("train.seed=7"), AYF_E_CONFIG, "train.seed = 0");
    expect_refused(AYF_RUN_TRAIN, folder, SET("train.steps=2"), AYF_E_CONFIG, "has done 3 steps");
    expect_refused(AYF_RUN_DISTILL, folder, tiny_mlp(), AYF_E_USAGE, "ayf train");
    run_to(AYF_RUN_TRAIN, folder, SET("train.steps=6", "save.every=3"),
           6); /* the saved one, and more steps */
    assert_int_equal(rename(in_root("run/config.yaml"), in_root("run/config.old")), 0);
    run_to(AYF_RUN_TRAIN, folder, SET("train.steps=6"), 6); /* the checkpoint has it, too */
    expect_same_file(in_root("run/config.old"), in_root("run/config.yaml"));

    /* A checkpoint cut short is named; the one before it goes on. */
    void *bytes;
    size_t size;
    const char *newest = in_root("run/checkpoints/step-00000006.safetensors");
    assert_int_equal(ayf_file_read(ctx, newest, 0, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_file_write(ctx, newest, bytes, size / 2), AYF_OK);
    expect_refused(AYF_RUN_TRAIN, folder, SET("train.steps=6"), AYF_E_FORMAT, "step-00000006.safetensors");
    if (!strstr(ayf_error(ctx), "remove it")) fail_msg("no way out: %s", ayf_error(ctx));
    assert_int_equal(remove(newest), 0);
    run_to(AYF_RUN_TRAIN, folder, SET("train.steps=6"), 6);
    void *again;
    size_t again_size;
    assert_int_equal(ayf_file_read(ctx, newest, 0, &again, &again_size), AYF_OK);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    ayf_free(ctx, bytes);
    ayf_free(ctx, again);
}

/* Checkpoints hold the hash, so it must stay: of "section.key", NUL and the value as config.yaml has it, line
 * by line, train.steps, train.accumulate and save.* aside. */
static void test_settings_hash(void **state) {
    (void)state;
    ayf_config cfg;
    assert_int_equal(ayf_config_defaults(ctx, &cfg), AYF_OK);
    assert_int_equal(ayf_config_set(ctx, &cfg, "distill.weak=a\"b: c"), AYF_OK);
    assert_int_equal(ayf_config_set(ctx, &cfg, "train.lr=1"), AYF_OK);
    uint64_t found = ayf_run_settings_hash(ctx, &cfg);
    char *text = ayf_config_text(ctx, &cfg);
    uint64_t hash = hash_of_config(text);
    assert_true(found == hash);
    assert_int_equal(ayf_config_set(ctx, &cfg, "train.steps=5"), AYF_OK);
    assert_int_equal(ayf_config_set(ctx, &cfg, "save.every=5"), AYF_OK);
    assert_true(ayf_run_settings_hash(ctx, &cfg) == hash);
    assert_int_equal(ayf_config_set(ctx, &cfg, "train.lr=2"), AYF_OK);
    assert_true(ayf_run_settings_hash(ctx, &cfg) != hash);
    ayf_free(ctx, text);
    ayf_config_free(ctx, &cfg);
}

static void test_bad_configs(void **state) {
    (void)state;
    const char *folder = in_root("run");
    expect_refused(AYF_RUN_TRAIN, folder, SET("train.lrr=1"), AYF_E_CONFIG, "train.lr");
    expect_refused(AYF_RUN_TRAIN, folder, SET("train.steps=0"), AYF_E_CONFIG, "train.steps");
    expect_refused(AYF_RUN_DISTILL, folder, tiny_mlp(), AYF_E_CONFIG, "distill.teacher is not set");
    assert_false(ayf_path_exists(folder)); /* nothing was made for a run that cannot be */
    expect_refused(AYF_RUN_TRAIN, folder, join(tiny_mlp(), SET("model.kind=unet")), AYF_E_CONFIG,
                   "model.kind = mlp");
    expect_refused(AYF_RUN_TRAIN, folder, join(tiny_unet(), SET("model.kind=mlp")), AYF_E_CONFIG,
                   "model.kind = unet");
    expect_refused(AYF_RUN_TRAIN, "", tiny_mlp(), AYF_E_USAGE, "folder");
    assert_int_equal(ayf_file_write(ctx, in_root("file"), "x", 1), AYF_OK);
    expect_refused(AYF_RUN_TRAIN, in_root("file/run"), tiny_mlp(), AYF_E_IO, "file");
    settings analytic = join(tiny_mlp(), SET("distill.teacher=analytic", "distill.student_init=scratch"));
    expect_refused(AYF_RUN_DISTILL, in_root("a"), join(analytic, SET("distill.weak=w")), AYF_E_CONFIG,
                   "autoguidance");
    expect_refused(AYF_RUN_DISTILL, in_root("b"),
                   join(analytic, SET("distill.guidance=none", "data.source=builtin:moons")), AYF_E_CONFIG,
                   "builtin:ring");
}

static void test_wrong_teachers(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("points"), tiny_mlp(), 1);
    run_to(AYF_RUN_TRAIN, in_root("images"), tiny_unet(), 1);
    run_to(AYF_RUN_TRAIN, in_root("unlabelled"), join(tiny_unet(), SET("data.labels=false")), 1);
    run_to(AYF_RUN_TRAIN, in_root("scaled"), join(tiny_unet(), SET("data.sigma_data=0.9")), 1);
    char points[600], images[600], unlabelled[600], student[600], weak[600], scaled[600], student_weak[600],
        weak_points[600];
    snprintf(points, sizeof points, "distill.teacher=%s", in_root("points"));
    snprintf(images, sizeof images, "distill.teacher=%s", in_root("images"));
    snprintf(unlabelled, sizeof unlabelled, "distill.teacher=%s", in_root("unlabelled"));
    snprintf(weak, sizeof weak, "distill.weak=%s", in_root("images"));
    snprintf(weak_points, sizeof weak_points, "distill.weak=%s", in_root("points"));
    snprintf(scaled, sizeof scaled, "distill.weak=%s", in_root("scaled"));
    settings plain = join(tiny_unet(), SET("distill.guidance=none"));
    run_to(AYF_RUN_DISTILL, in_root("student"), join(plain, SET(images)), 1);
    snprintf(student, sizeof student, "distill.teacher=%s", in_root("student"));
    snprintf(student_weak, sizeof student_weak, "distill.weak=%s", in_root("student"));

    const char *folder = in_root("run");
    const ayf_run_kind distill = AYF_RUN_DISTILL;
    expect_refused(distill, folder, join(plain, SET(student)), AYF_E_CONFIG, "is a student");
    expect_refused(distill, folder, join(plain, SET(points)), AYF_E_CONFIG, "makes points");
    expect_refused(distill, folder, join(plain, SET(images, "data.resolution=16")), AYF_E_CONFIG,
                   "data.resolution = 8");
    expect_refused(distill, folder, join(plain, SET(images, "data.channels=1")), AYF_E_CONFIG,
                   "data.channels = 3");
    expect_refused(distill, folder, join(plain, SET(images, "data.labels=false")), AYF_E_CONFIG,
                   "10 classes");
    expect_refused(distill, folder, join(plain, SET(unlabelled)), AYF_E_CONFIG, "data.labels = false");
    expect_refused(distill, folder, join(plain, SET(images, "data.sigma_data=0.7")), AYF_E_CONFIG,
                   "data.sigma_data");
    expect_refused(distill, folder, join(plain, SET(images, "model.channels=16")), AYF_E_CONFIG,
                   "model.channels = 16");
    expect_refused(distill, folder, join(tiny_unet(), SET(images, weak_points)), AYF_E_CONFIG,
                   "distill.weak");
    expect_refused(distill, folder, join(tiny_unet(), SET(unlabelled, weak, "data.labels=false")),
                   AYF_E_CONFIG, "distill.weak");
    expect_refused(distill, folder, join(tiny_unet(), SET(images, scaled)), AYF_E_CONFIG, "sigma_data");
    expect_refused(distill, folder, join(tiny_unet(), SET(images, student_weak)), AYF_E_CONFIG,
                   "is a student");
    expect_refused(distill, folder, join(plain, SET("distill.teacher=/nonexistent")), AYF_E_IO,
                   "/nonexistent");
    assert_int_equal(ayf_file_write(ctx, in_root("bad.safetensors"), "garbage garbage", 15), AYF_OK);
    snprintf(points, sizeof points, "distill.teacher=%s", in_root("bad.safetensors"));
    expect_refused(distill, folder, join(plain, SET(points)), AYF_E_FORMAT, "bad.safetensors");
}

/* A run does not go on with another teacher of the same shape. */
static void test_replaced_teacher(void **state) {
    (void)state;
    char teacher[600];
    size_t size = 0;
    run_to(AYF_RUN_TRAIN, in_root("first"), tiny_unet(), 1);
    run_to(AYF_RUN_TRAIN, in_root("second"), join(tiny_unet(), SET("train.seed=5")), 1);
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("first/model.safetensors"));
    settings set = join(tiny_unet(), SET("distill.guidance=none", teacher));
    run_to(AYF_RUN_DISTILL, in_root("student"), set, 1);
    run_to(AYF_RUN_DISTILL, in_root("student"), set, 2);
    void *bytes = NULL;
    assert_int_equal(ayf_file_read(ctx, in_root("second/model.safetensors"), (size_t)1 << 30, &bytes, &size),
                     AYF_OK);
    assert_int_equal(ayf_file_write(ctx, in_root("first/model.safetensors"), bytes, size), AYF_OK);
    ayf_free(ctx, bytes);
    expect_refused(AYF_RUN_DISTILL, in_root("student"), set, AYF_E_CONFIG, "began with other models");
}

/* ---- When things go wrong on the way ---- */

static void test_divergence(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.lr=10", "train.lr_schedule=constant", "train.lr_warmup=6",
                                        "model.layers=8", "train.steps=2000", "save.every=1", "save.keep=0",
                                        "train.divergence_factor=0"));
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), set, &run), AYF_OK);
    ayf_run_report report;
    ayf_status status;
    while ((status = ayf_run_step(run, &report)) == AYF_OK) assert_false(ayf_run_finished(run));
    assert_int_equal(status, AYF_E_DIVERGED);
    assert_int_equal(ayf_exit_code(status), 4);
    char step[64];
    snprintf(step, sizeof step, "in step %d", (int)report.step + 1);
    assert_non_null(strstr(ayf_error(ctx), step));
    assert_non_null(strstr(ayf_error(ctx), "lower train.lr"));
    assert_true(strstr(ayf_error(ctx), "not finite is mlp.") ||
                strstr(ayf_error(ctx), "all parameters are finite"));
    /* One per step, of which the last one gave what is not finite. */
    int all = files_in(in_root("run/checkpoints")), kept = all - 1;
    assert_int_equal(all, (int)report.step);
    assert_true(ayf_path_exists(in_root("run/checkpoints/step-%08d.diverged", all)));
    assert_int_equal(ayf_run_save(run), AYF_E_DIVERGED);
    assert_int_equal(ayf_run_step(run, &report), AYF_E_DIVERGED);
    ayf_run_close(run);
    assert_int_equal(files_in(in_root("run/checkpoints")), all);
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card;
    assert_int_equal(ayf_cpu_open(ctx, &backend), AYF_OK);
    assert_int_equal(ayf_model_read(backend, in_root("run/model.safetensors"), &weights, &card), AYF_OK);
    assert_int_equal(card.step, kept);
    ayf_model_card_free(ctx, &card);
    ayf_weights_free(weights);
    ayf_backend_close(backend);
}

static void test_full_disk(void **state) {
    (void)state;
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), tiny_mlp(), &run), AYF_OK);
    ayf_run_report report;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        if (i == 1) assert_int_equal(ayf_run_save(run), AYF_OK);
    }
    assert_int_equal(ayf_file_write(ctx, in_root("model.old"), "", 0), AYF_OK);
    void *bytes, *now;
    size_t size, now_size;
    assert_int_equal(ayf_file_read(ctx, in_root("run/model.safetensors"), 0, &bytes, &size), AYF_OK);
    struct rlimit before, small = {1000, RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ayf_status status = ayf_run_save(run);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, AYF_E_IO);
    assert_non_null(strstr(ayf_error(ctx), "run/checkpoints/"));
    assert_int_equal(files_in(in_root("run/checkpoints")), 1);
    assert_int_equal(ayf_file_read(ctx, in_root("run/model.safetensors"), 0, &now, &now_size), AYF_OK);
    assert_int_equal(now_size, size);
    assert_memory_equal(now, bytes, size);
    ayf_free(ctx, bytes);
    ayf_free(ctx, now);
    assert_int_equal(ayf_run_save(run), AYF_OK); /* there is room again */
    ayf_run_close(run);
}

static void test_out_of_memory(void **state) {
    (void)state;
    check_memory(AYF_RUN_DISTILL,
                 join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch",
                                      "distill.teacher=analytic", "train.steps=2", "train.batch=4")));
}

static void describe_folder(ayf_context *context, test_memory *memory, ayf_path_facts *wanted) {
    ayf_path_facts facts;
    ayf_status status = ayf_path_describe(context, in_root("pictures"), &facts);
    if (!memory->fail_at) {
        assert_int_equal(status, AYF_OK);
        *wanted = facts;
    } else if (memory->calls >= memory->fail_at) {
        assert_int_equal(status, AYF_E_MEMORY);
    } else {
        assert_int_equal(status, AYF_OK);
    }
    ayf_path_facts_free(context, &facts);
}

/* Pictures of two sizes and both kinds, whose facts take several attempts: none of them may take a lack of
 * memory for a property of the data. */
static void test_facts_without_memory(void **state) {
    (void)state;
    static const float pixels[8 * 8 * 3];
    ayf_path_facts facts = {0};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ayf_make_folders(ctx, in_root("pictures/%d", i % 2)), AYF_OK);
        assert_int_equal(ayf_image_write(ctx, in_root("pictures/%d/%d.png", i % 2, i), pixels, i == 1 ? 4 : 8,
                                         8, i == 2 ? 1 : 3, NULL),
                         AYF_OK);
    }
    bool done = false;
    for (long at = 0; !done; at++) {
        test_memory memory = {.fail_at = at, .once = true};
        ayf_context *poor = test_open(&memory);
        if (!poor) continue;
        describe_folder(poor, &memory, &facts);
        done = at > 0 && memory.calls < at;
        ayf_close(poor);
        assert_int_equal(memory.held, 0);
    }
    assert_true(facts.classes == 2 && facts.count == 4 && facts.width == 0 && facts.channels == 0);
}

/* ---- Schedules
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void test_schedules(void **state) {
    (void)state;
    ayf_config cfg;
    assert_int_equal(ayf_config_defaults(ctx, &cfg), AYF_OK);
    cfg.train.steps = 100;
    cfg.train.lr = 1;
    cfg.train.lr_warmup = 10;
    cfg.train.lr_decay_start = 50;
    assert_true(fabs(ayf_rate_from_config(&cfg, 4) - 0.5) < 1e-12);
    assert_true(fabs(ayf_rate_from_config(&cfg, 49) - 1) < 1e-12);
    assert_true(fabs(ayf_rate_from_config(&cfg, 75) - 0.5) < 1e-12);
    assert_true(fabs(ayf_rate_from_config(&cfg, 100)) < 1e-12);
    cfg.train.lr_warmup = -1; /* a tenth of 100 steps */
    assert_true(fabs(ayf_rate_from_config(&cfg, 4) - 0.5) < 1e-12);
    cfg.train.lr_schedule = AYF_CFG_LR_INVSQRT;
    cfg.train.lr_decay_start = 20;
    assert_true(fabs(ayf_rate_from_config(&cfg, 80) - 0.5) < 1e-12);
    assert_true(fabs(ayf_tangent_weight_from_config(&cfg, 4) - 0.99 * 0.5) <
                1e-12); /* a tenth of 100 steps */
    assert_true(fabs(ayf_tangent_weight_from_config(&cfg, 50) - 0.99) < 1e-12);
    cfg.train.ema = AYF_CFG_EMA_HALFLIFE;
    cfg.train.ema_halflife = 2;
    assert_true(fabs(ayf_ema_from_config(&cfg, 1000000) - sqrt(0.5)) < 1e-12);
    ayf_model_spec spec = ayf_model_spec_default(), back;
    spec.model_channels = 48;
    spec.channel_mult = (ayf_ints){3, {1, 3, 4}};
    spec.precond = AYF_PRECOND_VELOCITY;
    spec.res_balance = 0.25;
    spec.label_dim = 5;
    cfg.model = spec;
    ayf_dataset_info info = {.name = "x", .classes = 5, .height = 32, .width = 32, .channels = 3};
    assert_int_equal(ayf_spec_from_config(ctx, &cfg, &info, &back), AYF_OK);
    assert_true(spec_equal(&spec, &back));
    ayf_config_free(ctx, &cfg);
}

static void test_bad_options(void **state) {
    (void)state;
    settings set = tiny_mlp();
    const char *const holes[] = {"train.steps=5", NULL};
    const struct {
        ayf_run_options options;
        const char *message;
    } bad[] = {
        {{.kind = (ayf_run_kind)7, .settings = set.at, .setting_count = set.count}, "no run of kind 7"},
        {{.kind = (ayf_run_kind)-1, .settings = set.at, .setting_count = set.count}, "no run of kind -1"},
        {{.settings = set.at, .setting_count = -1}, "-1 settings"},
        {{.setting_count = 1}, "no list"},
        {{.settings = holes, .setting_count = 2}, "setting 2 of 2 is not a string"}};
    for (size_t i = 0; i < AYF_COUNT(bad); i++) {
        ayf_run *run;
        ayf_run_options options = bad[i].options;
        options.folder = in_root("none");
        assert_int_equal(ayf_run_open(ctx, &options, &run), AYF_E_USAGE);
        if (run || !strstr(ayf_error(ctx), bad[i].message)) fail_msg("%s", ayf_error(ctx));
    }
    ayf_run_options good = {.folder = in_root("none"), .settings = set.at, .setting_count = set.count};
    static const int threads[] = {-3, 100000};
    for (size_t i = 0; i < AYF_COUNT(threads); i++) {
        ayf_run *run;
        ayf_context *other = ayf_open(&(ayf_options){.threads = threads[i]});
        assert_int_equal(ayf_run_open(other, &good, &run), AYF_E_USAGE);
        assert_non_null(strstr(ayf_error(other), "threads: give 1 to 4096"));
        ayf_close(other);
    }
    assert_int_equal(access(good.folder, F_OK), -1);
}

/* A run that was killed before its first checkpoint begins again as it was begun when the folder is all that
 * is named. */
static void test_folder_alone(void **state) {
    (void)state;
    ayf_run *run;
    uint64_t step, steps;
    ayf_run_options alone = {.folder = in_root("run")};
    assert_int_equal(open_run(AYF_RUN_TRAIN, alone.folder, join(tiny_mlp(), SET("train.steps=7")), &run),
                     AYF_OK);
    assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    ayf_run_close(run);
    assert_int_equal(ayf_run_open(ctx, &alone, &run), AYF_OK);
    ayf_run_progress(run, &step, &steps);
    assert_true(step == 0 && steps == 7);
    for (int i = 0; i < 3; i++) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    assert_int_equal(ayf_run_save(run), AYF_OK);
    ayf_run_close(run);
    assert_true(file_contains(in_root("run/config.yaml"), "builtin:ring"));
    assert_int_equal(ayf_run_open(ctx, &alone, &run), AYF_OK);
    ayf_run_progress(run, &step, &steps);
    assert_true(step == 3 && steps == 7);
    ayf_run_close(run);
}

/* Every configuration that is shipped can be read and fits its kind of run. */
static void test_shipped_configs(void **state) {
    (void)state;
    const char *source = getenv("AYF_SOURCE_ROOT");
    if (!source) skip();
    char *folder = ayf_path_join(ctx, source, "configs");
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strstr(entry->d_name, ".yaml")) continue;
        char *path = ayf_path_join(ctx, folder, entry->d_name);
        ayf_config cfg;
        bool student = strstr(entry->d_name, "student") != NULL;
        assert_int_equal(ayf_config_defaults(ctx, &cfg), AYF_OK);
        if (ayf_config_load(ctx, path, &cfg) != AYF_OK) fail_msg("%s", ayf_error(ctx));
        if ((student ? ayf_config_validate_distill : ayf_config_validate_train)(ctx, &cfg) != AYF_OK)
            fail_msg("%s: %s", path, ayf_error(ctx));
        ayf_config_free(ctx, &cfg);
        ayf_free(ctx, path);
        seen++;
    }
    closedir(dir);
    ayf_free(ctx, folder);
    assert_true(seen >= 10);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {
        TEST(test_resume_points),  TEST(test_resume_images),    TEST(test_folder),
        TEST(test_student_folder), TEST(test_no_grids),         TEST(test_average),
        TEST(test_learns),         TEST(test_two_threads),      TEST(test_second_run),
        TEST(test_conflicts),      TEST(test_settings_hash),    TEST(test_bad_configs),
        TEST(test_wrong_teachers), TEST(test_replaced_teacher), TEST(test_divergence),
        TEST(test_full_disk),      TEST(test_out_of_memory),    TEST(test_facts_without_memory),
        TEST(test_comma_locale),   TEST(test_bad_options),      TEST(test_folder_alone),
        TEST(test_schedules),      TEST(test_shipped_configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
