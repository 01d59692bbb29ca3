/* The models of ayf.h: images that depend on their seed alone, guidance, fidelity, misuse, lack of memory. */
#include "model_fixture.h"

#include "backend/open.h"
#include "image/image.h"
#include "io/file.h"
#include "test_context.h"

/* Noise is N(0,1), classes are uniform, and both are told apart by every bit of the seed. */
static void test_latents(void **state) {
    (void)state;
    enum { SEEDS = 20000, CLASSES = 7 };
    int counts[CLASSES] = {0};
    double square = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        float noise[2];
        ayf_latent(seed, noise, 2);
        square += (noise[0] * noise[0] + noise[1] * noise[1]) / (2.0 * SEEDS);
        counts[ayf_latent_class(seed, CLASSES, NULL, false)]++;
    }
    expect_near(square, 1, 0.05);
    for (int i = 0; i < CLASSES; i++)
        expect_near(counts[i], SEEDS / CLASSES, 250); /* 5 standard deviations */
    float first[4], other[4];
    ayf_latent(1, first, 4);
    for (int bit = 1; bit < 64; bit++) {
        ayf_latent(1 | (uint64_t)1 << bit, other, 4);
        assert_memory_not_equal(first, other, sizeof first);
    }
    assert_int_equal(ayf_latent_class(3, 0, NULL, false), -1);
}

/* Each image alone, all together, in another order, with strangers: the same bytes. */
static void check_independence(ayf_model *model, ayf_sample_options options, int count) {
    ayf_model_facts facts = ayf_model_describe(model);
    size_t size = (size_t)(facts.height * facts.width * facts.channels);
    float *all = malloc((size_t)count * size * sizeof *all),
          *some = malloc((size_t)count * size * sizeof *some);
    uint64_t *seeds = malloc((size_t)count * sizeof *seeds);
    int *classes = malloc((size_t)count * sizeof *classes), one_class;
    ok(ayf_model_sample(model, &options, count, all, classes));
    for (int i = 0; i < count; i++) {
        ayf_sample_options alone = options;
        alone.first_seed = (uint64_t)i;
        if (i % 5) continue;
        ok(ayf_model_sample(model, &alone, 1, some, &one_class));
        assert_memory_equal(some, all + (size_t)i * size, size * sizeof *all);
        assert_int_equal(one_class, classes[i]);
    }
    for (int i = 0; i < count; i++) seeds[i] = (uint64_t)((i * 7 + 3) % count) + (i % 3 ? 0 : 1000);
    options.seeds = seeds;
    ok(ayf_model_sample(model, &options, count, some, NULL));
    int compared = 0;
    for (int i = 0; i < count; i++) {
        if (seeds[i] >= 1000) continue;
        assert_memory_equal(some + (size_t)i * size, all + seeds[i] * size, size * sizeof *all);
        compared++;
    }
    assert_true(compared > count / 2);
    assert_memory_not_equal(all, all + size, size * sizeof *all);
    free(all);
    free(some);
    free(seeds);
    free(classes);
}

static void test_batch_independence(void **state) {
    (void)state;
    ayf_model *student = make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 3);
    check_independence(student, (ayf_sample_options){.steps = 2, .gamma = 0.5, .guidance = 2}, 20);
    ayf_model_close(student);
    ayf_context *two = ayf_open(&(ayf_options){.threads = 2});
    assert_int_equal(ayf_model_open(two, path_of("s"), &student), AYF_OK);
    check_independence(student, (ayf_sample_options){.steps = 1, .guidance = 2}, 11);
    ayf_model_close(student);
    ayf_close(two);
    ayf_model *teacher = make_model("t", SPEC(UNET), AYF_MODEL_ROLE_TEACHER, 1, 1);
    check_independence(teacher, (ayf_sample_options){.steps = 2}, 20);
    check_independence(teacher, (ayf_sample_options){.solver = AYF_SOLVER_REFERENCE}, 11);
    ayf_model_close(teacher);
    teacher = make_model("p", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    check_independence(teacher, (ayf_sample_options){.solver = AYF_SOLVER_REFERENCE}, 600);
    check_independence(teacher, (ayf_sample_options){.solver = AYF_SOLVER_EULER, .steps = 3}, 600);
    ayf_model_close(teacher);
}

static void test_facts(void **state) {
    (void)state;
    ayf_model *model = make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 3);
    ayf_model_facts f = ayf_model_describe(model);
    assert_string_equal(f.role, "student");
    assert_string_equal(f.data, "builtin:shapes");
    assert_string_equal(f.config, "x: 1\n");
    assert_true(f.height == 16 && f.width == 16 && f.channels == 3 && !f.points && f.classes == 5 &&
                f.step == 12);
    assert_true(f.guidance_min == 1 && f.guidance_max == 3 && f.sigma_data == 0.5 && f.parameters > 10000);
    ayf_model_close(model);
    model = make_model("p", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    f = ayf_model_describe(model);
    assert_string_equal(f.role, "teacher");
    assert_true(f.height == 1 && f.width == 1 && f.channels == 2 && f.points && f.classes == 0);
    ayf_model_close(model);
    assert_int_equal(ayf_model_open(ctx, path_of("none"), &model), AYF_E_IO);
    assert_int_equal(ayf_model_open(ctx, NULL, &model), AYF_E_USAGE);
    ayf_path_facts facts;
    assert_int_equal(ayf_path_describe(ctx, NULL, &facts), AYF_E_USAGE);
    assert_null(model);
}

static void expect_usage(ayf_model *model, ayf_sample_options options, const char *message) {
    float images[2 * 768];
    assert_int_equal(ayf_model_sample(model, &options, 2, images, NULL), AYF_E_USAGE);
    expect_message(message);
}

static void test_misuse(void **state) {
    (void)state;
    ayf_model *student = make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 3);
    ayf_model *teacher = make_model("t", SPEC(UNET), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_model *points = make_model("p", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    float images[2 * 768];
    expect_usage(student, (ayf_sample_options){.guidance = 4}, "guidance 4 is outside what");
    expect_message("1 to 3");
    expect_usage(student, (ayf_sample_options){.guidance = NAN}, "is outside what");
    expect_usage(student, (ayf_sample_options){.solver = AYF_SOLVER_HEUN}, "is a student");
    expect_usage(student, (ayf_sample_options){.classes = (const int[]){0, 5}},
                 "no class 5: its classes are 0 to 4");
    expect_usage(student, (ayf_sample_options){.classes = (const int[]){0, -1}}, "no class -1");
    expect_usage(student, (ayf_sample_options){.steps = -1}, "steps is -1");
    expect_usage(student, (ayf_sample_options){.steps = INT32_MAX}, "steps is 2147483647");
    expect_usage(student, (ayf_sample_options){.gamma = -0.1}, "gamma is -0.1");
    expect_usage(student, (ayf_sample_options){.times = (const double[]){1, 0}}, "number of steps");
    expect_usage(student, (ayf_sample_options){.times = (const double[]){0.9, 0}, .steps = 1},
                 "the first must be 1");
    expect_usage(teacher, (ayf_sample_options){.gamma = 0.5}, "gamma is for students");
    expect_usage(teacher, (ayf_sample_options){.guidance = 2}, "needs a weak teacher");
    expect_usage(teacher, (ayf_sample_options){.solver = AYF_SOLVER_REFERENCE, .steps = 3}, "its own steps");
    expect_usage(teacher, (ayf_sample_options){.solver = (ayf_solver)9}, "no solver 9");
    expect_usage(points, (ayf_sample_options){.classes = (const int[]){0, 0}}, "without classes");
    assert_int_equal(ayf_model_sample(student, NULL, -1, images, NULL), AYF_E_USAGE);
    assert_int_equal(ayf_model_guide(student, teacher), AYF_E_USAGE);
    assert_int_equal(ayf_model_guide(teacher, student), AYF_E_USAGE);
    assert_int_equal(ayf_model_guide(teacher, points), AYF_E_USAGE);
    expect_message("train both on the same data");
    ayf_fidelity_row row;
    int calls = 1, zero = 0;
    ayf_fidelity_options one = {.calls = &calls, .call_count = 1, .images = 1}, bad = one;
    assert_int_equal(ayf_fidelity(teacher, teacher, &one, &row), AYF_E_USAGE);
    assert_int_equal(ayf_fidelity(student, student, &one, &row), AYF_E_USAGE);
    assert_int_equal(ayf_fidelity(student, points, &one, &row), AYF_E_USAGE);
    assert_int_equal(ayf_fidelity(student, NULL, &one, &row), AYF_E_USAGE);
    expect_message("no closed-form teacher");
    bad.calls = &zero;
    assert_int_equal(ayf_fidelity(student, teacher, &bad, &row), AYF_E_USAGE);
    bad = one, bad.images = -1;
    assert_int_equal(ayf_fidelity(student, teacher, &bad, &row), AYF_E_USAGE);
    bad = one, bad.gammas = (const double[]){1.5}, bad.gamma_count = 1;
    assert_int_equal(ayf_fidelity(student, teacher, &bad, &row), AYF_E_USAGE);
    expect_message("gamma is 1.5");
    bad = one, bad.guidance = 2;
    assert_int_equal(ayf_fidelity(student, teacher, &bad, &row), AYF_E_USAGE);
    expect_message("needs a weak teacher");
    bad = one, bad.call_count = 0;
    assert_int_equal(ayf_fidelity(student, teacher, &bad, &row), AYF_E_USAGE);
    assert_int_equal(ayf_fidelity(student, teacher, NULL, &row), AYF_E_USAGE);
    expect_message("how many network calls");
    ayf_context *elsewhere = ayf_open(NULL);
    ayf_model *stranger;
    ok(ayf_model_open(elsewhere, path_of("t"), &stranger));
    assert_int_equal(ayf_model_guide(teacher, stranger), AYF_E_USAGE);
    expect_message("another context");
    assert_int_equal(ayf_fidelity(student, stranger, &one, &row), AYF_E_USAGE);
    expect_message("another context");
    ayf_model_close(stranger);
    ayf_close(elsewhere);
    ayf_model_close(student);
    ayf_model_close(teacher);
    ayf_model_close(points);
}

/* At guidance 1 the weak teacher changes nothing; at others the Euler step from noise is linear in it. */
static void test_guide(void **state) {
    (void)state;
    ayf_model *teacher = make_model("t", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_model *weak = make_model("w", SPEC(MLP, "mlp_hidden", "9"), AYF_MODEL_ROLE_TEACHER, 1, 1);
    enum { N = 40 };
    float plain[2 * N], one[2 * N], two[2 * N], other[2 * N];
    ayf_sample_options options = {.solver = AYF_SOLVER_EULER, .steps = 1};
    ok(ayf_model_sample(teacher, &options, N, plain, NULL));
    ok(ayf_model_sample(weak, &options, N, other, NULL));
    ok(ayf_model_guide(teacher, weak));
    assert_true(ayf_model_describe(teacher).guidance_max > 3);
    ok(ayf_model_sample(teacher, &options, N, one, NULL));
    options.guidance = 2.5;
    ok(ayf_model_sample(teacher, &options, N, two, NULL));
    double apart = 0;
    for (int i = 0; i < 2 * N; i++) {
        expect_near(one[i], plain[i], 1e-5);
        expect_near(two[i], 2.5 * plain[i] - 1.5 * other[i], 1e-4);
        apart = fmax(apart, fabs(two[i] - plain[i]));
    }
    assert_true(apart > 0.01);
    ok(ayf_model_guide(teacher, NULL));
    expect_usage(teacher, (ayf_sample_options){.guidance = 2}, "needs a weak teacher");
    ayf_model_close(teacher);
    ayf_model_close(weak);
}

/* Guidance up to a time: two Euler steps, of which only the one that begins at t = 1/2 is guided. */
static void test_guide_until(void **state) {
    (void)state;
    ayf_model *teacher = make_model("t", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_model *weak = make_model("w", SPEC(MLP, "mlp_hidden", "9"), AYF_MODEL_ROLE_TEACHER, 1, 1);
    enum { N = 10 };
    static const double until[] = {1, 0.5, 0.4};
    float plain[2 * N], at[3][2 * N];
    ayf_sample_options options = {.solver = AYF_SOLVER_EULER, .steps = 2};
    assert_int_equal(ayf_model_guide_until(teacher, 0.5), AYF_E_USAGE);
    expect_message("is not guided");
    ok(ayf_model_sample(teacher, &options, N, plain, NULL));
    ok(ayf_model_guide(teacher, weak));
    assert_true(ayf_model_describe(teacher).guidance_t_max == 1);
    options.guidance = 2.5;
    for (int k = 0; k < 3; k++) {
        ok(ayf_model_guide_until(teacher, until[k]));
        assert_true(ayf_model_describe(teacher).guidance_t_max == until[k]);
        ok(ayf_model_sample(teacher, &options, N, at[k], NULL));
    }
    assert_memory_not_equal(at[0], at[1], sizeof plain);
    assert_memory_not_equal(at[1], plain, sizeof plain);
    for (int i = 0; i < 2 * N; i++) expect_near(at[2][i], plain[i], 1e-6);
    static const double wrong[] = {0, -1, 1.1, NAN};
    for (size_t k = 0; k < AYF_COUNT(wrong); k++)
        assert_int_equal(ayf_model_guide_until(teacher, wrong[k]), AYF_E_USAGE);
    ayf_model *student = make_model("s", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 3);
    assert_int_equal(ayf_model_guide_until(student, 0.5), AYF_E_USAGE);
    ayf_model_close(student);
    ayf_model_close(teacher);
    ayf_model_close(weak);
}

/* A teacher guided by itself: at strength 0 the class does not matter, at 1 nothing changes, and one Euler
 * step is linear in the strength. */
static void test_guide_itself(void **state) {
    (void)state;
    ayf_model *teacher = make_model("t", SPEC(MLP, "label_dim", "5"), AYF_MODEL_ROLE_TEACHER, 1, 1);
    enum { N = 40 };
    static const double strengths[] = {1e-9, 1, 1, 2.5};
    float at[4][2 * N], same[2 * N];
    uint64_t seeds[N];
    int classes[N];
    for (int i = 0; i < N; i++) seeds[i] = (uint64_t)(i / 2), classes[i] = i % 2 ? 3 : 1;
    ayf_sample_options options = {.solver = AYF_SOLVER_EULER, .steps = 1, .seeds = seeds, .classes = classes};
    for (int k = 3; k >= 0; k--) {
        ok(ayf_model_guide(teacher, k == 1 ? NULL : teacher));
        options.guidance = strengths[k];
        ok(ayf_model_sample(teacher, &options, N, at[k], NULL));
    }
    double apart = 0;
    for (int i = 0; i < 2 * N; i++) {
        expect_near(at[2][i], at[1][i], 1e-5);
        expect_near(at[3][i], 2.5 * at[1][i] - 1.5 * at[0][i], 1e-4);
        apart = fmax(apart, fabs(at[0][i] - at[1][i]));
        same[i] = at[0][i / 4 * 4 + i % 2];
    }
    assert_true(apart > 0.01);
    for (int i = 0; i < 2 * N; i++) expect_near(at[0][i], same[i], 1e-5);
    ayf_model_close(teacher);
    ayf_model *plain = make_model("t", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    assert_int_equal(ayf_model_guide(plain, plain), AYF_E_CONFIG);
    expect_message("was trained without classes");
    ayf_model_close(plain);
}

/* A student that is its teacher (gains 0) used with s = t by Euler would be the teacher; here its jumps are
 * Euler steps of the teacher, so both columns agree. The teacher converges to the reference, Heun faster than
 * Euler. */
static void test_fidelity(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(MLP), student_spec = SPEC(MLP, "is_student", "true");
    ayf_weights *w = random_weights(cpu, &spec, 3), *copy;
    ayf_model_card card = {.role = AYF_MODEL_ROLE_TEACHER,
                           .sigma_data = 1,
                           .guidance_min = 1,
                           .guidance_max = 1,
                           .data = (char *)"builtin:ring"};
    ok(ayf_weights_new(cpu, &student_spec, &copy));
    ok(ayf_weights_init(copy, 5));
    ok(ayf_weights_copy(copy, w));
    ok(ayf_model_write(path_of("t"), w, &card));
    card.role = AYF_MODEL_ROLE_STUDENT;
    ok(ayf_model_write(path_of("s"), copy, &card));
    ayf_model *teacher, *student;
    ok(ayf_model_open(ctx, path_of("t"), &teacher));
    ok(ayf_model_open(ctx, path_of("s"), &student));
    static const int calls[] = {1, 2, 7, 32, 64};
    ayf_fidelity_row rows[5];
    ayf_fidelity_options options = {.calls = calls, .call_count = 5, .images = 50, .first_seed = 100};
    ok(ayf_fidelity(student, teacher, &options, rows));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rows[i].calls, calls[i]);
        expect_near(rows[i].student, rows[i].euler, 1e-4);
        assert_int_equal(isnan(rows[i].heun) != 0, i == 0);
    }
    assert_true(rows[0].euler > 0.01 && rows[4].euler < 0.1 * rows[0].euler &&
                rows[4].heun < 0.3 * rows[4].euler);
    expect_near(rows[4].euler / rows[3].euler, 0.5, 0.1);
    /* Without a teacher the ring's closed form: Euler as far off as the literature's picture of it, 0.98 ...
     * 0.03. */
    static const int few[] = {1, 4, 16};
    ok(ayf_fidelity(student, NULL, &(ayf_fidelity_options){.calls = few, .call_count = 3, .images = 4096},
                    rows));
    expect_near(rows[0].euler, 0.98, 0.05);
    expect_near(rows[1].euler, 0.13, 0.03);
    expect_near(rows[2].euler, 0.03, 0.01);
    ayf_weights_free(w);
    ayf_weights_free(copy);
    ayf_model_close(teacher);
    ayf_model_close(student);
}

static void test_pictures(void **state) {
    (void)state;
    float images[5 * 4 * 4 * 3];
    for (size_t i = 0; i < AYF_COUNT(images); i++) images[i] = (float)(i % 16) / 7.5f - 1;
    ok(ayf_image_write(ctx, path_of("a.png"), images, 4, 4, 3, "made by a test"));
    char *text;
    ok(ayf_image_read_text(ctx, path_of("a.png"), "Description", &text));
    assert_string_equal(text, "made by a test");
    ayf_free(ctx, text);
    ok(ayf_grid_write(ctx, path_of("a.png"), images, 5, 3, 4, 4, 3));
    void *bytes;
    size_t size;
    ayf_image picture;
    ok(ayf_file_read(ctx, path_of("a.png"), 0, &bytes, &size));
    ok(ayf_image_decode(ctx, "a.png", bytes, size, NULL, &picture));
    assert_true(picture.height == 2 * 4 + 3 * 2 && picture.width == 3 * 4 + 4 * 2);
    for (int i = 0; i < 12; i++) assert_int_equal(picture.pixels[(2 * picture.width + 2) * 3 + i], i * 17);
    ayf_image_clear(ctx, &picture);
    ayf_free(ctx, bytes);
    assert_int_equal(ayf_image_write(ctx, path_of("b.png"), images, 4, 4, 2, NULL), AYF_E_USAGE);
    assert_int_equal(ayf_grid_write(ctx, path_of("b.png"), images, 5, 0, 4, 4, 3), AYF_E_USAGE);
    assert_int_equal(
        ayf_grid_write(ctx, path_of("b.png"), images, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, 3),
        AYF_E_USAGE);
    assert_int_equal(ayf_image_write(ctx, path_of("no/b.png"), images, 4, 4, 3, NULL), AYF_E_IO);
    assert_false(ayf_path_exists(path_of("b.png")));
}

/* Pixels stay in [-1,1] whatever the network says. */
static void test_range(void **state) {
    (void)state;
    ayf_model *model = make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 2, 3);
    float image[768];
    ok(ayf_model_sample(model, &(ayf_sample_options){.steps = 1}, 1, image, NULL));
    double top = 0;
    for (int i = 0; i < 768; i++) top = fmax(top, fabs(image[i]));
    assert_true(top == 1);
    ayf_model_close(model);
}

/* Every allocation of opening, guiding and sampling fails once: AYF_E_MEMORY, nothing leaks. */
static void test_out_of_memory(void **state) {
    (void)state;
    ayf_model *teacher = make_model("t", SPEC(MLP), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_model *weak = make_model("w", SPEC(MLP, "mlp_hidden", "9"), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_model_close(teacher);
    ayf_model_close(weak);
    test_memory memory = {0};
    ayf_context *poor = ayf_open(&(ayf_options){.alloc = test_alloc, .alloc_user = &memory, .threads = 1});
    ayf_backend *backend; /* stays open with the context */
    ok(ayf_backend_open(poor, &backend));
    float points[6];
    long failures = 0, held = memory.held;
    for (long n = 1;; n++) {
        memory.fail_at = memory.calls + n;
        ayf_status status = ayf_model_open(poor, path_of("t"), &teacher);
        weak = NULL;
        if (status == AYF_OK) status = ayf_model_open(poor, path_of("w"), &weak);
        if (status == AYF_OK) status = ayf_model_guide(teacher, weak);
        ayf_sample_options options = {.steps = 2, .guidance = 1.5};
        if (status == AYF_OK) status = ayf_model_sample(teacher, &options, 3, points, NULL);
        memory.fail_at = 0;
        ayf_model_close(teacher);
        ayf_model_close(weak);
        assert_int_equal(memory.held, held);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_MEMORY);
        failures++;
    }
    assert_true(failures > 300);
    ayf_close(poor);
}

/* ---- Setting up ---- */

static int end(void **state) {
    (void)state;
    static const char *const names[] = {"s", "t", "p", "w", "a.png"};
    return end_of(names, AYF_COUNT(names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latents),       cmocka_unit_test(test_batch_independence),
        cmocka_unit_test(test_facts),         cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_guide),         cmocka_unit_test(test_guide_until),
        cmocka_unit_test(test_guide_itself),  cmocka_unit_test(test_fidelity),
        cmocka_unit_test(test_pictures),      cmocka_unit_test(test_range),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
