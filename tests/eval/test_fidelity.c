/* Fidelity rows and the semigroup defect against what the same models draw through other functions. */
#include "model_context.h"

#include "metrics/metrics.h"
#include "sample/model_api.h"
#include "base/rng.h"
#include "test_context.h"

#define UNET                                                                                                 \
    "img_resolution", "8", "model_channels", "16", "channel_mult", "1", "num_blocks", "1",                   \
        "channels_per_head", "16", "label_dim", "3"
#define MLP "kind", "mlp", "mlp_hidden", "32", "mlp_layers", "3", "mlp_fourier", "16"

enum { IMAGES = 9, SIDE = 8, PIXELS = SIDE * SIDE * 3 };

/* What would start at zero gets values of size `scale`, so that nothing is trivial. */
static ayf_model *make_model(const char *name, ayf_model_spec spec, ayf_model_role role, float scale,
                             const char *data) {
    ayf_weights *w;
    ok(ayf_weights_new(cpu, &spec, &w));
    ok(ayf_weights_init(w, 3));
    for (int i = 0; i < w->params->count; i++) {
        const ayf_param *param = &w->params->at[i];
        if (param->init != AYF_INIT_ZERO) continue;
        float *values = malloc(param->size * sizeof *values);
        ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = (uint64_t)i}, values, param->size);
        for (size_t k = 0; k < param->size; k++) values[k] *= scale;
        ok(ayf_buffer_set(w->at[i], values));
        free(values);
    }
    ayf_model_card card = {.role = role,
                           .sigma_data = spec.kind == AYF_MODEL_MLP ? 1 : 0.5,
                           .guidance_min = 1,
                           .guidance_max = 1,
                           .data = (char *)data};
    ok(ayf_model_write(path_of(name), w, &card));
    ayf_weights_free(w);
    ayf_model *model;
    ok(ayf_model_open(ctx, path_of(name), &model));
    return model;
}

static void image_pair(ayf_model **student, ayf_model **teacher) {
    *teacher = make_model("t", SPEC(UNET), AYF_MODEL_ROLE_TEACHER, 0.2f, "builtin:shapes");
    *student =
        make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 0.3f, "builtin:shapes");
}

static double rms(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum / (double)count);
}

/* ---- Rows by calls and gamma ---- */

static void test_rows(void **state) {
    (void)state;
    static const int calls[] = {1, 3};
    static const double gammas[] = {0, 0.4, 1};
    ayf_model *student, *teacher;
    ayf_fidelity_row rows[6], plain[2];
    ayf_fidelity_options options = {.calls = calls,
                                    .call_count = 2,
                                    .gammas = gammas,
                                    .gamma_count = 3,
                                    .images = IMAGES,
                                    .first_seed = 5};
    image_pair(&student, &teacher);
    ok(ayf_fidelity(student, teacher, &options, rows));
    options.gammas = NULL;
    options.gamma_count = 0;
    ok(ayf_fidelity(student, teacher, &options, plain));
    float *want = malloc(sizeof *want * IMAGES * PIXELS), *got = malloc(sizeof *got * IMAGES * PIXELS);
    ayf_sample_options reference = {.solver = AYF_SOLVER_REFERENCE, .first_seed = 5};
    ok(ayf_model_sample(teacher, &reference, IMAGES, want, NULL));
    for (int i = 0; i < 6; i++) {
        double psnr = 0, ssim = 0, one;
        ayf_sample_options jumps = {.steps = calls[i % 2], .gamma = gammas[i / 2], .first_seed = 5};
        ok(ayf_model_sample(student, &jumps, IMAGES, got, NULL));
        for (int k = 0; k < IMAGES; k++) {
            psnr += ayf_psnr(want + k * PIXELS, got + k * PIXELS, PIXELS) / IMAGES;
            ok(ayf_ssim(ctx, want + k * PIXELS, got + k * PIXELS, SIDE, SIDE, 3, &one));
            ssim += one / IMAGES;
        }
        assert_true(rows[i].calls == calls[i % 2] && rows[i].gamma == gammas[i / 2]);
        expect_near(rows[i].psnr, psnr, 1e-6);
        expect_near(rows[i].ssim, ssim, 1e-6);
        assert_true(rows[i].ssim < 0.99 && rows[i].psnr < 40);
        /* clipping to [-1,1] takes nothing away that is not there; 0.5 is sigma_data */
        assert_true(rows[i].student * 0.5 >= rms(want, got, IMAGES * PIXELS) - 1e-6);
        assert_int_equal(isnan(rows[i].euler) != 0, i > 1);
        assert_int_equal(isnan(rows[i].heun) != 0, i != 1);
    }
    /* no noise after the last jump: with one call gamma does not matter, with three it does */
    assert_true(rows[2].student == rows[0].student && rows[4].student == rows[0].student);
    assert_true(rows[3].student != rows[1].student && rows[5].student != rows[3].student);
    for (int i = 0; i < 2; i++)
        assert_true(plain[i].student == rows[i].student && plain[i].psnr == rows[i].psnr &&
                    plain[i].euler == rows[i].euler);
    free(want);
    free(got);
    ayf_model_close(student);
    ayf_model_close(teacher);
}

static void test_rows_of_points(void **state) {
    (void)state;
    static const int calls[] = {2};
    ayf_model *student =
        make_model("s", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 0.2f, "builtin:ring");
    ayf_fidelity_row row;
    ok(ayf_fidelity(student, NULL, &(ayf_fidelity_options){.calls = calls, .call_count = 1}, &row));
    assert_true(isnan(row.psnr) && isnan(row.ssim) && row.student > 0 && row.euler > 0);
    ayf_model_close(student);
}

/* ---- Semigroup defect ---- */

/* RMS between one and two jumps from where `how` leads the noise at time t, over one whole batch of the
 * samplers. */
static double defect_by_hand(ayf_model *by, ayf_method way, ayf_model *student, const ayf_semigroup_row *row,
                             size_t size) {
    ayf_sampler *leads, *jumps;
    float start[64 * PIXELS], far[64 * PIXELS];
    int labels[256];
    ok(ayf_model_sampler(by, AYF_PRECISION_HIGHEST, &leads));
    ok(ayf_model_sampler(student, AYF_PRECISION_HIGHEST, &jumps));
    size_t batch = (size_t)ayf_sampler_describe(jumps)->batch;
    assert_true(batch * size <= AYF_COUNT(start) && batch <= AYF_COUNT(labels));
    for (size_t i = 0; i < batch; i++) {
        ayf_latent(40 + i, start + i * size, size);
        labels[i] = ayf_latent_class(40 + i, ayf_sampler_describe(jumps)->shape.classes, NULL, false);
    }
    ayf_solver_options how = {.method = way,
                              .tolerance = AYF_SOLVER_TOLERANCE,
                              .times = (const double[]){1, row->t},
                              .steps = 1,
                              .guidance = 1};
    if (row->t < 1) ok(ayf_sampler_integrate(leads, &how, start, labels));
    memcpy(far, start, sizeof far);
    how = (ayf_solver_options){.times = (const double[]){row->t, row->s}, .steps = 1, .guidance = 1};
    ok(ayf_sampler_integrate(jumps, &how, far, labels));
    for (int half = 0; half < 2; half++) {
        how.times = (const double[]){half ? row->m : row->t, half ? row->s : row->m};
        ok(ayf_sampler_integrate(jumps, &how, start, labels));
    }
    return rms(start, far, batch * size);
}

static void check_defect(ayf_model *student, ayf_model *teacher, int batch, size_t size) {
    static const double times[AYF_SEMIGROUP_ROWS][3] = {{1, 0.5, 0}, {1, 0.75, 0.5}, {0.5, 0.25, 0}};
    ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS];
    double mean, sum = 0;
    ayf_fidelity_options options = {.images = batch, .first_seed = 40};
    ok(ayf_semigroup_defect(student, teacher, &options, rows, &mean));
    for (int i = 0; i < AYF_SEMIGROUP_ROWS; i++) {
        assert_true(rows[i].t == times[i][0] && rows[i].m == times[i][1] && rows[i].s == times[i][2]);
        ayf_method way = teacher ? AYF_METHOD_REFERENCE : AYF_METHOD_FLOW_MAP;
        expect_near(rows[i].defect, defect_by_hand(teacher ? teacher : student, way, student, &rows[i], size),
                    1e-5);
        assert_true(rows[i].defect > 0.001);
        sum += rows[i].defect;
    }
    expect_near(mean, sum / AYF_SEMIGROUP_ROWS, 1e-12);
}

static void test_defect(void **state) {
    (void)state;
    ayf_model *student, *teacher;
    image_pair(&student, &teacher);
    ayf_semigroup_row few[AYF_SEMIGROUP_ROWS], row = {0.5, 0.25, 0, 0};
    int batch = ayf_sampler_batch(&student->weights->spec);
    check_defect(student, teacher, batch, PIXELS);
    check_defect(student, NULL, batch, PIXELS);
    /* the teacher's way is not the student's, and an unfilled batch is not counted */
    assert_true(fabs(defect_by_hand(teacher, AYF_METHOD_REFERENCE, student, &row, PIXELS) -
                     defect_by_hand(student, AYF_METHOD_FLOW_MAP, student, &row, PIXELS)) > 1e-4);
    double mean, all, parts = 0;
    ok(ayf_semigroup_defect(student, teacher, &(ayf_fidelity_options){.images = batch + 1}, few, &mean));
    all = few[0].defect * few[0].defect * (batch + 1);
    for (int i = 0; i <= batch; i += batch) {
        int images = i ? 1 : batch;
        ayf_fidelity_options part = {.images = images, .first_seed = (uint64_t)i};
        ok(ayf_semigroup_defect(student, teacher, &part, few, &mean));
        parts += few[0].defect * few[0].defect * images;
    }
    expect_near(all, parts, 1e-4 * parts);
    assert_int_equal(ayf_semigroup_defect(teacher, NULL, NULL, few, &mean), AYF_E_USAGE);
    expect_message("give the student first");
    ayf_fidelity_row cells[2];
    static const int calls[] = {1}, endless[] = {INT32_MAX};
    static const ayf_fidelity_options bad[] = {{.calls = endless, .call_count = 1},
                                               {.calls = calls, .call_count = 1, .gamma_count = 2},
                                               {.calls = calls, .call_count = 1, .gamma_count = -1}};
    for (size_t i = 0; i < AYF_COUNT(bad); i++)
        assert_int_equal(ayf_fidelity(student, teacher, &bad[i], cells), AYF_E_USAGE);
    ayf_model_close(student);
    ayf_model_close(teacher);
}

/* A map that stands still composes. The ring's closed form needs no teacher, and then its way is taken. */
static void test_defect_of_points(void **state) {
    (void)state;
    ayf_model *still =
        make_model("s", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 0, "builtin:ring");
    ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS], own[AYF_SEMIGROUP_ROWS];
    double mean;
    ok(ayf_semigroup_defect(still, NULL, NULL, rows, &mean));
    assert_true(mean < 1e-6);
    ayf_model_close(still);
    ayf_model *ring =
        make_model("s", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 0.2f, "builtin:ring");
    ok(ayf_semigroup_defect(ring, NULL, NULL, rows, &mean));
    ayf_model_close(ring);
    ayf_model *moons =
        make_model("s", SPEC(MLP, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 0.2f, "builtin:moons");
    ok(ayf_semigroup_defect(moons, NULL, NULL, own, &mean));
    ayf_model_close(moons);
    assert_true(rows[0].defect == own[0].defect && rows[0].defect > 0.001);
    assert_true(fabs(rows[2].defect - own[2].defect) > 1e-5);
}

/* ---- Memory ---- */

static void test_out_of_memory(void **state) {
    (void)state;
    static const int calls[] = {2};
    ayf_model *student, *teacher;
    image_pair(&student, &teacher);
    ayf_model_close(teacher);
    teacher = make_model("t", SPEC(UNET), AYF_MODEL_ROLE_TEACHER, 0.01f,
                         "builtin:shapes"); /* solved in few steps */
    ayf_fidelity_options options = {.calls = calls, .call_count = 1, .images = 2};
    ayf_fidelity_row row;
    ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS];
    double mean;
    ok(ayf_fidelity(student, teacher, &options, &row));
    ayf_alloc_fn *alloc = ctx->alloc;
    test_memory memory = {0};
    long failures = 0;
    for (long n = 1;; n++) {
        memory.fail_at = memory.calls + n;
        ctx->alloc = test_alloc, ctx->alloc_user = &memory;
        ayf_status status = ayf_fidelity(student, teacher, &options, &row);
        if (status == AYF_OK) status = ayf_semigroup_defect(student, NULL, &options, rows, &mean);
        ctx->alloc = alloc, ctx->alloc_user = NULL;
        memory.fail_at = 0;
        assert_int_equal(memory.held, 0);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_MEMORY);
        failures++;
    }
    assert_true(failures > 20);
    ayf_model_close(student);
    ayf_model_close(teacher);
}

static int end(void **state) {
    (void)state;
    static const char *const names[] = {"s", "t"};
    return end_of(names, AYF_COUNT(names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_rows_of_points),
        cmocka_unit_test(test_defect),        cmocka_unit_test(test_defect_of_points),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
