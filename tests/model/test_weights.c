/* Teacher velocities against closed forms, weights shared by programs, model files and what breaks them. */
#include "model_context.h"
#include "mixture_velocity.h"

#include "flow/teacher.h"
#include "model/file.h"
#include "base/rng.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "nn/network.h"
#include "flow/map.h"
#include "test_context.h"
#include "spec_equal.h"

static void normal(double *out, size_t count, uint64_t sample) {
    for (size_t i = 0; i < count; i++) {
        float value;
        ayf_rng_normal((ayf_rng_key){.seed = 3, .purpose = AYF_RNG_TEST, .step = i, .sample = sample}, &value,
                       1);
        out[i] = value;
    }
}

#define UNET                                                                                                 \
    "img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1",                  \
        "channels_per_head", "8", "label_dim", "3"
#define DISCRIMINATOR "kind", "discriminator", "img_resolution", "8", "channel_base", "64", "channel_max", "8"
#define MLP "kind", "mlp", "mlp_hidden", "11", "mlp_layers", "3", "mlp_fourier", "5"

/* ---- Mixtures ---- */

static double log_density(const ayf_mixture *m, const double *x, double t) {
    double sum = 0, a = 1 - t, q2 = a * a * m->sigma * m->sigma + t * t;
    for (int k = 0; k < m->count; k++) {
        double dx = x[0] - a * m->mean[k][0], dy = x[1] - a * m->mean[k][1];
        sum += exp(-(dx * dx + dy * dy) / (2 * q2));
    }
    return log(sum / q2);
}

/* v = -(t score + x)/(1-t): the velocity follows from the score, here by central differences of log p_t. */
static void test_mixture_score(void **state) {
    (void)state;
    ayf_mixture ring = ayf_mixture_ring();
    for (int i = 0; i < 200; i++) {
        double x[2], v[2], u[1], h = 1e-5;
        normal(x, 2, (uint64_t)i);
        normal(u, 1, 1000 + (uint64_t)i);
        double t = 0.1 + 0.8 / (1 + exp(-u[0]));
        mixture_velocity(&ring, x, t, v);
        for (int k = 0; k < 2; k++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]};
            up[k] += h;
            down[k] -= h;
            double score = (log_density(&ring, up, t) - log_density(&ring, down, t)) / (2 * h);
            expect_near(v[k], -(t * score + x[k]) / (1 - t), 1e-5);
        }
    }
}

static void test_mixture_moments(void **state) {
    (void)state;
    ayf_mixture ring = ayf_mixture_ring();
    double variance = 0;
    for (int k = 0; k < ring.count; k++)
        variance += (ring.mean[k][0] * ring.mean[k][0] + ring.mean[k][1] * ring.mean[k][1]) / ring.count / 2;
    expect_near(variance + ring.sigma * ring.sigma, 1, 1e-12);
    /* At t = 0 the velocity is E[x1] - x0 = -x, at t = 1 it is x1 - E[x0] = x. */
    double x[2] = {0.7, 1.1}, v[2];
    mixture_velocity(&ring, x, 0, v);
    for (int k = 0; k < 2; k++) expect_near(v[k], -x[k], 1e-12);
    mixture_velocity(&ring, x, 1, v);
    for (int k = 0; k < 2; k++) expect_near(v[k], x[k], 1e-12);
}

enum { POINTS = 16 };

static ayf_program *velocity_program(ayf_backend *backend, const ayf_velocity *velocity, ayf_shape shape,
                                     int classes, bool guided) {
    ayf_graph *g = ayf_graph_new(ctx);
    int n = shape.dim[0];
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", shape), t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(n));
    ayf_id guidance = guided ? ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(n)) : 0;
    ayf_id onehot = classes ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(n, classes)) : 0;
    ayf_condition condition = {.t = t, .guidance = guidance, .onehot = onehot};
    ayf_output(g, "v", velocity->emit(g, velocity, x, condition));
    ayf_program *p;
    ok(ayf_compile(backend, g, NULL, &p));
    return p;
}

static void check_mixture_graph(ayf_backend *backend, double tolerance, bool labels) {
    ayf_mixture ring = ayf_mixture_ring();
    ayf_velocity velocity = ayf_velocity_mixture(&ring);
    ayf_program *p = velocity_program(backend, &velocity, AYF_SHAPE(POINTS, 1, 1, 2), labels ? 8 : 0, false);
    double x[POINTS * 2], t[POINTS], v[POINTS * 2], onehot[POINTS * 8] = {0}, want[2];
    normal(x, POINTS * 2, 5);
    for (int i = 0; i < POINTS; i++) t[i] = (double)i / (POINTS - 1);
    for (int i = 0; labels && i < POINTS; i += 2) onehot[i * 8 + i % 8] = 1; /* odd ones: no class */
    ok(ayf_program_set_f64(p, "x", x, POINTS * 2));
    ok(ayf_program_set_f64(p, "t", t, POINTS));
    if (labels) ok(ayf_program_set_f64(p, "onehot", onehot, POINTS * 8));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "v", v, POINTS * 2));
    for (int i = 0; i < POINTS; i++) {
        ayf_mixture one = {
            .count = 1, .dim = 2, .sigma = ring.sigma, .mean = {{ring.mean[i % 8][0], ring.mean[i % 8][1]}}};
        mixture_velocity(labels && i % 2 == 0 ? &one : &ring, &x[2 * i], t[i], want);
        for (int k = 0; k < 2; k++) expect_near(v[2 * i + k], want[k], tolerance * (1 + fabs(want[k])));
    }
    ayf_program_free(p);
}

static void test_mixture_graph(void **state) {
    (void)state;
    for (int labels = 0; labels < 2; labels++) {
        check_mixture_graph(ref, 1e-12, labels);
        check_mixture_graph(cpu, 3e-5, labels);
    }
}

/* v = x (t - c^2 (1-t)) / (t^2 + (1-t)^2 c^2) for data N(0, c^2 I), in any number of dimensions. */
static void test_gaussian(void **state) {
    (void)state;
    for (int dim = 1; dim <= 4; dim += 3) {
        ayf_mixture gaussian = {.count = 1, .dim = dim, .sigma = 0.5};
        ayf_velocity velocity = ayf_velocity_mixture(&gaussian);
        ayf_program *p = velocity_program(ref, &velocity, AYF_SHAPE(3, 1, 1, dim), 0, false);
        double x[12], t[3] = {0, 0.3, 1}, v[12];
        normal(x, 12, 6);
        ok(ayf_program_set_f64(p, "x", x, 3 * (size_t)dim));
        ok(ayf_program_set_f64(p, "t", t, 3));
        ok(ayf_program_run(p));
        ok(ayf_program_get_f64(p, "v", v, 3 * (size_t)dim));
        for (int i = 0; i < 3 * dim; i++) {
            double time = t[i / dim], a = 1 - time;
            expect_near(v[i], x[i] * (time - 0.25 * a) / (time * time + a * a * 0.25), 1e-12);
        }
        ayf_program_free(p);
    }
}

/* ---- Networks ---- */

/* Random values for everything, gains too. */
static ayf_weights *random_weights(ayf_backend *backend, const ayf_model_spec *spec, uint64_t seed) {
    ayf_weights *w;
    ok(ayf_weights_new(backend, spec, &w));
    ok(ayf_weights_init(w, seed));
    for (int i = 0; i < w->params->count; i++) {
        const ayf_param *param = &w->params->at[i];
        if (param->init != AYF_INIT_ZERO || strstr(param->name, "gap") || strstr(param->name, "guidance"))
            continue;
        float *values = ayf_alloc(ctx, param->size, sizeof *values);
        for (size_t k = 0; k < param->size; k++) values[k] = 0.3f + 0.01f * (float)k;
        ok(ayf_buffer_set(w->at[i], values));
        ayf_free(ctx, values);
    }
    return w;
}

static void velocity_values(const ayf_network_teacher *teacher, const ayf_weights *strong,
                            const ayf_weights *weak, double *v) {
    ayf_velocity velocity = ayf_velocity_network(teacher);
    ayf_program *p = velocity_program(ref, &velocity, AYF_SHAPE(2, 8, 8, 3), 3, teacher->guided);
    ok(ayf_weights_bind(strong, p, "teacher."));
    if (teacher->guided) {
        ok(ayf_weights_bind(weak, p, "weak."));
        ok(ayf_program_set_f64(p, "guidance", (const double[]){1.5, 3}, 2));
    }
    double x[384];
    normal(x, 384, 7);
    ok(ayf_program_set_f64(p, "x", x, 384));
    ok(ayf_program_set_f64(p, "t", (const double[]){0.2, 0.9}, 2));
    ok(ayf_program_set_f64(p, "onehot", (const double[]){0, 1, 0, 1, 0, 0}, 6));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "v", v, 384));
    ayf_program_free(p);
}

/* v = lambda v_teacher + (1 - lambda) v_weak, lambda per sample; the weak network is unconditional. */
static void test_autoguidance(void **state) {
    (void)state;
    ayf_model_spec strong = SPEC(UNET);
    ayf_model_spec weak = SPEC("img_resolution", "8", "model_channels", "4", "channel_mult", "1",
                               "num_blocks", "1", "channels_per_head", "4");
    ayf_weights *a = random_weights(ref, &strong, 1), *b = random_weights(ref, &weak, 2);
    double va[384], vb[384], v[384];
    velocity_values(&(ayf_network_teacher){.params = a->params}, a, NULL, va);
    velocity_values(&(ayf_network_teacher){.params = b->params}, b, NULL, vb);
    ayf_network_teacher guided = {.params = a->params, .guided = true, .weak = b->params};
    velocity_values(&guided, a, b, v);
    double apart = 0;
    for (int i = 0; i < 384; i++) {
        double lambda = i < 192 ? 1.5 : 3;
        expect_near(v[i], lambda * va[i] + (1 - lambda) * vb[i], 1e-10);
        apart = fmax(apart, fabs(va[i] - vb[i]));
    }
    assert_true(apart > 0.01);
    ayf_weights_free(a);
    ayf_weights_free(b);
}

/* Classifier-free: the weak velocity is the teacher's own for a row of zeros; at lambda = 1 it plays no part.
 */
static void test_classifier_free(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(UNET);
    ayf_weights *w = random_weights(ref, &spec, 1);
    ayf_network_teacher teacher = {.params = w->params, .guided = true, .classifier_free = true};
    ayf_velocity velocity = ayf_velocity_network(&teacher);
    ayf_program *p = velocity_program(ref, &velocity, AYF_SHAPE(3, 8, 8, 3), 3, true);
    assert_false(ayf_program_has_leaf(p, "weak.unet.out_gain"));
    ok(ayf_weights_bind(w, p, "teacher."));
    static const double labels[] = {0, 1, 0, 0, 1, 0, 0, 1, 0}, zeros[9] = {0};
    double x[576], with[576], without[576], v[576];
    normal(x, 192, 7);
    for (int i = 0; i < 576; i++) x[i] = x[i % 192];
    ok(ayf_program_set_f64(p, "x", x, 576));
    ok(ayf_program_set_f64(p, "t", (const double[]){0.4, 0.4, 0.4}, 3));
    ok(ayf_program_set_f64(p, "guidance", (const double[]){1, 1, 1}, 3));
    ok(ayf_program_set_f64(p, "onehot", labels, 9));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "v", with, 576));
    ok(ayf_program_set_f64(p, "onehot", zeros, 9));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "v", without, 576));
    ok(ayf_program_set_f64(p, "onehot", labels, 9));
    ok(ayf_program_set_f64(p, "guidance", (const double[]){1, 2.5, 0}, 3));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "v", v, 576));
    double apart = 0;
    for (int i = 0; i < 192; i++) {
        apart = fmax(apart, fabs(with[i] - without[i]));
        expect_near(v[i], with[i], 1e-12);
        expect_near(v[192 + i], without[192 + i] + 2.5 * (with[192 + i] - without[192 + i]), 1e-10);
        expect_near(v[384 + i], without[384 + i], 1e-10);
    }
    assert_true(apart > 0.01);
    ayf_program_free(p);
    ayf_weights_free(w);
}

static void test_wrong_roles(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(UNET, "is_student", "true");
    ayf_params *params;
    ok(ayf_params_new(ctx, &spec, &params));
    ayf_network_teacher student = {.params = params};
    ayf_velocity velocity = ayf_velocity_network(&student);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 8, 8, 3));
    ayf_condition condition = {.t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(1))};
    velocity.emit(g, &velocity, x, condition);
    assert_int_equal(ayf_graph_check(g), AYF_E_USAGE);
    expect_message("a student");
    ayf_graph_free(g);
    ayf_params_free(params);
}

/* A student with its teacher's weights is the teacher, for every s and guidance. */
static void test_copy(void **state) {
    (void)state;
    const ayf_model_spec specs[][2] = {{SPEC(UNET), SPEC(UNET, "is_student", "true")},
                                       {SPEC(MLP), SPEC(MLP, "is_student", "true")}};
    for (size_t k = 0; k < AYF_COUNT(specs); k++) {
        ayf_weights *teacher = random_weights(ref, &specs[k][0], 1), *student;
        ok(ayf_weights_new(ref, &specs[k][1], &student));
        ok(ayf_weights_init(student, 9));
        ok(ayf_weights_copy(student, teacher));
        int classes = specs[k][0].label_dim;
        ayf_shape shape = k ? AYF_SHAPE(2, 1, 1, 2) : AYF_SHAPE(2, 8, 8, 3);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", shape),
               t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(2));
        ayf_id s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(2));
        ayf_id lambda = ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(2));
        ayf_id onehot = classes ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(2, classes)) : 0;
        ayf_scope(g, "teacher.");
        ayf_output(g, "v",
                   ayf_flow_velocity(g, teacher->params, AYF_STORE_PARAM, x,
                                     (ayf_condition){.t = t, .onehot = onehot}));
        ayf_scope(g, "student.");
        ayf_output(
            g, "F",
            ayf_flow_velocity(g, student->params, AYF_STORE_PARAM, x, (ayf_condition){t, s, lambda, onehot}));
        ayf_program *p;
        ok(ayf_compile(ref, g, NULL, &p));
        ok(ayf_weights_bind(teacher, p, "teacher."));
        ok(ayf_weights_bind(student, p, "student."));
        size_t count = k ? 4 : 384;
        double values[384], v[384], f[384], size = 0;
        normal(values, count, 8);
        ok(ayf_program_set_f64(p, "x", values, count));
        ok(ayf_program_set_f64(p, "t", (const double[]){0.5, 1}, 2));
        ok(ayf_program_set_f64(p, "s", (const double[]){0.1, 0}, 2));
        ok(ayf_program_set_f64(p, "guidance", (const double[]){2, 1}, 2));
        const double none[2 * 16] = {0};
        assert_true(classes <= 16);
        if (classes) ok(ayf_program_set_f64(p, "onehot", none, 2 * (size_t)classes));
        ok(ayf_program_run(p));
        ok(ayf_program_get_f64(p, "teacher.v", v, count));
        ok(ayf_program_get_f64(p, "student.F", f, count));
        for (size_t i = 0; i < count; i++) {
            expect_near(v[i], f[i], 1e-12);
            size = fmax(size, fabs(v[i]));
        }
        assert_true(size > 0.01);
        ayf_program_free(p);
        ayf_weights_free(teacher);
        ayf_weights_free(student);
    }
}

/* ---- Model files ---- */

static void expect_same_files(const char *a, const char *b) {
    void *left, *right;
    size_t left_size, right_size;
    ok(ayf_file_read(ctx, a, 0, &left, &left_size));
    ok(ayf_file_read(ctx, b, 0, &right, &right_size));
    assert_int_equal(left_size, right_size);
    assert_memory_equal(left, right, left_size);
    ayf_free(ctx, left);
    ayf_free(ctx, right);
}

static ayf_model_card example_card(ayf_model_role role) {
    return (ayf_model_card){.role = role,
                            .sigma_data = 0.1 + 0.2,
                            .guidance_min = 1,
                            .guidance_max = 3,
                            .step = 18446744073709551615ull,
                            .data = (char *)"builtin:shapes",
                            .config = (char *)"train:\n  lr: 0.003\n  \"quoted\\\": \xC3\xA9\n"};
}

static void test_round_trip(void **state) {
    (void)state;
    const ayf_model_spec specs[] = {SPEC(UNET), SPEC(MLP, "is_student", "true", "bandwidth_gap", "0.1"),
                                    SPEC(UNET, "is_student", "true", "precond", "velocity"),
                                    SPEC(DISCRIMINATOR, "label_dim", "3")};
    for (size_t k = 0; k < AYF_COUNT(specs); k++) {
        ayf_model_role role = specs[k].is_student ? AYF_MODEL_ROLE_STUDENT : AYF_MODEL_ROLE_TEACHER;
        if (!ayf_model_is_flow(&specs[k])) role = AYF_MODEL_ROLE_DISCRIMINATOR;
        ayf_model_card card = example_card(role), back;
        ayf_weights *w = random_weights(cpu, &specs[k], k), *read;
        card.guidance_t_max = role == AYF_MODEL_ROLE_STUDENT ? 0.7 : 1;
        ok(ayf_model_write(path_of("a.safetensors"), w, &card));
        ok(ayf_model_read(cpu, path_of("a.safetensors"), &read, &back));
        assert_true(spec_equal(&read->spec, &specs[k]));
        assert_int_equal(back.role, card.role);
        assert_true(back.sigma_data == card.sigma_data && back.guidance_max == 3 && back.step == card.step);
        assert_true(back.guidance_t_max == card.guidance_t_max);
        assert_string_equal(back.data, card.data);
        assert_string_equal(back.config, card.config);
        ok(ayf_model_write(path_of("b.safetensors"), read, &back));
        expect_same_files(path_of("a.safetensors"), path_of("b.safetensors"));
        for (int i = 0; i < w->params->count; i++) {
            ok(ayf_buffer_hold(read->at[i]));
            assert_memory_equal(w->at[i]->memory, read->at[i]->memory, w->at[i]->elements * sizeof(float));
            ayf_buffer_let_go(read->at[i]);
            assert_null(read->at[i]->memory);
        }
        ayf_model_card_free(ctx, &back);
        ayf_weights_free(w);
        ayf_weights_free(read);
    }
}

/* A file holds the keys of its kind of network only, and what makes no samples is not taken for a teacher. */
static void test_other_kinds(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(DISCRIMINATOR);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_TEACHER);
    ayf_weights *w = random_weights(cpu, &spec, 1), *read;
    assert_int_equal(ayf_model_write(path_of("d.safetensors"), w, &card), AYF_E_INTERNAL);
    card.role = AYF_MODEL_ROLE_DISCRIMINATOR;
    ok(ayf_model_write(path_of("d.safetensors"), w, &card));
    ayf_st *st;
    ok(ayf_st_open(ctx, path_of("d.safetensors"), &st));
    assert_string_equal(ayf_st_meta(st, "model.kind"), "discriminator");
    assert_string_equal(ayf_st_meta(st, "model.channel_max"), "8");
    assert_null(ayf_st_meta(st, "model.precond"));
    assert_null(ayf_st_meta(st, "model.mlp_dim"));
    ayf_st_close(st);
    assert_int_equal(ayf_model_read_flow(cpu, path_of("d.safetensors"), &read, &card), AYF_E_USAGE);
    assert_null(read);
    expect_message("d.safetensors holds a network of kind 'discriminator'");
    card = example_card(AYF_MODEL_ROLE_DISCRIMINATOR);
    ((float *)w->at[ayf_params_find(w->params, "b8.skip.resample_filter") - w->params->at]->memory)[3] = 1;
    ok(ayf_model_write(path_of("d.safetensors"), w, &card));
    assert_int_equal(ayf_model_read(cpu, path_of("d.safetensors"), &read, &card), AYF_E_FORMAT);
    expect_message("tensor 'b8.skip.resample_filter' is not the filter [1,3,3,1]");
    ayf_weights_free(w);
    spec = SPEC(UNET);
    w = random_weights(cpu, &spec, 1);
    card = example_card(AYF_MODEL_ROLE_TEACHER);
    ok(ayf_model_write(path_of("u.safetensors"), w, &card));
    ok(ayf_st_open(ctx, path_of("u.safetensors"), &st));
    assert_null(ayf_st_meta(st, "model.channel_base"));
    assert_string_equal(ayf_st_meta(st, "model.mlp_dim"), "2"); /* as ever */
    assert_int_equal(ayf_st_meta_count(st), 43);
    ayf_st_close(st);
    ayf_weights_free(w);
}

/* The file holds convolutions as (O,I,KH,KW). */
static void test_file_layout(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(UNET);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_TEACHER);
    ayf_weights *w = random_weights(cpu, &spec, 4);
    ok(ayf_model_write(path_of("a.safetensors"), w, &card));
    ayf_st *st;
    ok(ayf_st_open(ctx, path_of("a.safetensors"), &st));
    const ayf_st_tensor *tensor = ayf_st_get(st, "unet.out_conv.weight");
    assert_non_null(tensor);
    const int64_t shape[] = {3, 8, 3, 3};
    assert_int_equal(tensor->rank, 4);
    assert_memory_equal(tensor->shape, shape, sizeof shape);
    const ayf_param *param = ayf_params_find(w->params, "unet.out_conv.weight");
    const float *graph = w->at[param - w->params->at]->memory;
    float file[216];
    ok(ayf_st_read_f32(st, param->name, file, 216));
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < 8; i++)
            for (int k = 0; k < 9; k++) assert_true(file[(o * 8 + i) * 9 + k] == graph[(o * 9 + k) * 8 + i]);
    ayf_st_close(st);
    ayf_weights_free(w);
}

static void test_not_utf8(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(MLP);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_TEACHER), back;
    card.data = (char *)"caf\xE9/\xC3\xA9";
    ayf_weights *w = random_weights(cpu, &spec, 4), *read;
    ok(ayf_model_write(path_of("a.safetensors"), w, &card));
    ok(ayf_model_read(cpu, path_of("a.safetensors"), &read, &back));
    assert_string_equal(back.data, "caf?/\xC3\xA9");
    ayf_model_card_free(ctx, &back);
    ayf_weights_free(w);
    ayf_weights_free(read);
}

/* What a hostile file changes: a metadata value (NULL: removed; "+key": added) or a tensor. */
typedef enum damage { META, DROP, SHAPE, MISTYPE, EXTRA, POISON } damage;
typedef struct hostile {
    damage what;
    const char *name, *value, *message;
} hostile;

static void write_damaged(const ayf_st *st, const hostile *h, const char *path) {
    static const float bad[2] = {1, INFINITY};
    static const int64_t longs[512];
    ayf_st_writer *writer;
    ok(ayf_st_write_begin(ctx, &writer));
    bool known = false;
    for (size_t i = 0; i < ayf_st_meta_count(st); i++) {
        const char *key, *value;
        ayf_st_meta_at(st, i, &key, &value);
        bool hit = h->what == META && strcmp(key, h->name) == 0;
        known = known || hit;
        if (!hit || h->value) ok(ayf_st_write_meta(writer, key, hit ? h->value : value));
    }
    if (h->what == META && !known) ok(ayf_st_write_meta(writer, h->name, h->value));
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *t = ayf_st_at(st, i);
        bool hit = h->what != META && strcmp(t->name, h->name) == 0;
        int64_t flat[1] = {(int64_t)t->count};
        if (hit && h->what == DROP) continue;
        if (hit && h->what == SHAPE)
            ok(ayf_st_write_tensor(writer, t->name, t->dtype, 1, flat, t->data));
        else if (hit && h->what == MISTYPE)
            ok(ayf_st_write_tensor(writer, t->name, AYF_ST_I64, t->rank, t->shape, longs));
        else if (hit && h->what == POISON)
            ok(ayf_st_write_tensor(writer, t->name, t->dtype, t->rank, t->shape, bad));
        else
            ok(ayf_st_write_tensor(writer, t->name, t->dtype, t->rank, t->shape, t->data));
    }
    if (h->what == EXTRA) ok(ayf_st_write_tensor(writer, h->name, AYF_ST_F32, 0, NULL, bad));
    ok(ayf_st_write_end(writer, path));
}

static void test_hostile(void **state) {
    (void)state;
    static const hostile cases[] = {
        {META, "format", NULL, "is not an ayf model"},
        {META, "format", "pt", "is not an ayf model"},
        {META, "format_version", "2", "format_version is '2'"},
        {META, "role", NULL, "has no 'role'"},
        {META, "role", "master",
         "'role': 'master' is not teacher, student, discriminator, features, inception or decoder"},
        {META, "role", "student", "contradicts"},
        {META, "model.is_student", "true", "contradicts"},
        {META, "model.kind", "cnn", "metadata: model.kind must be one of unet, mlp"},
        {META, "model.kind", NULL, "has no 'model.kind'"},
        {META, "model.kind", "discriminator", "unknown key 'model.attn_balance'"},
        {META, "model.channel_base", "512", "unknown key 'model.channel_base'"},
        {META, "role", "discriminator", "role 'discriminator' contradicts model.kind 'mlp'"},
        {META, "model.mlp_hidden", "12", "needs [12,2]"},
        {META, "model.mlp_hidden", "65536", "needs [65536,2]"},
        {META, "model.mlp_hidden", "0", "metadata: model.mlp_hidden = 0 is out of range; it must be from 1"},
        {META, "model.mlp_hidden", "-1e9", "model.mlp_hidden must be a whole number, not \"-1e9\""},
        {META, "model.mlp_layers", NULL, "has no 'model.mlp_layers'"},
        {META, "model.mlp_layers", "4", "mlp.hidden3.weight"},
        {META, "model.depth", "4", "unknown key 'model.depth'"},
        {META, "licence", "x", "unknown key 'licence'"},
        {META, "accuracy", "90 %", "unknown key 'accuracy'"},
        {META, "sigma_data", "0", "'sigma_data': '0'"},
        {META, "sigma_data", "nan", "'sigma_data': 'nan'"},
        {META, "sigma_data", "", "'sigma_data': ''"},
        {META, "guidance_min", "5", "'guidance_max'"},
        {META, "guidance_max", "inf", "'guidance_max': 'inf'"},
        {META, "step", "-1", "'step': '-1'"},
        {META, "step", "99999999999999999999", "'step'"},
        {META, "config", NULL, "has no 'config'"},
        {DROP, "mlp.out.weight", NULL, "mlp.out.weight"},
        {SHAPE, "mlp.in_x.weight", NULL, "tensor 'mlp.in_x.weight' has the shape [22]"},
        {MISTYPE, "mlp.out.weight", NULL, "mlp.out.weight"},
        {EXTRA, "mlp.more", NULL, "tensor 'mlp.more' does not belong"},
        {POISON, "mlp.out.bias", NULL, "tensor 'mlp.out.bias': value 1 is infinite"},
    };
    ayf_model_spec spec = SPEC(MLP);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_TEACHER), back;
    ayf_weights *w = random_weights(cpu, &spec, 4), *read;
    ok(ayf_model_write(path_of("good.safetensors"), w, &card));
    ayf_st *st;
    ok(ayf_st_open(ctx, path_of("good.safetensors"), &st));
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        write_damaged(st, &cases[i], path_of("bad.safetensors"));
        if (ayf_model_read(cpu, path_of("bad.safetensors"), &read, &back) != AYF_E_FORMAT)
            fail_msg("accepted: %s = %s", cases[i].name, cases[i].value);
        assert_null(read);
        expect_message(path_of("bad.safetensors"));
        expect_message(cases[i].message);
    }
    ayf_st_close(st);
    ayf_weights_free(w);
    assert_int_equal(ayf_model_read(cpu, path_of("none.safetensors"), &read, &back), AYF_E_IO);
}

static void test_refused_writes(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(MLP);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_STUDENT);
    ayf_weights *w = random_weights(cpu, &spec, 4);
    assert_int_equal(ayf_model_write(path_of("x.safetensors"), w, &card), AYF_E_INTERNAL);
    card.role = AYF_MODEL_ROLE_TEACHER;
    assert_int_equal(ayf_model_write(path_of("no/x.safetensors"), w, &card), AYF_E_IO);
    ((float *)w->at[w->params->count - 1]->memory)[1] = NAN;
    assert_int_equal(ayf_model_write(path_of("x.safetensors"), w, &card), AYF_E_DIVERGED);
    expect_message("value 1 of tensor 'mlp.out.bias' is NaN");
    assert_false(ayf_path_exists(path_of("x.safetensors")));
    ayf_weights_free(w);
}

/* Every allocation of reading and writing fails once: AYF_E_MEMORY, nothing leaks. */
static void test_out_of_memory(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(MLP);
    ayf_model_card card = example_card(AYF_MODEL_ROLE_TEACHER);
    ayf_weights *w = random_weights(cpu, &spec, 4);
    ok(ayf_model_write(path_of("good.safetensors"), w, &card));
    ayf_weights_free(w);
    test_memory memory = {0};
    ayf_context *poor = test_open(&memory);
    ayf_backend *backend;
    assert_int_equal(ayf_ref_open(poor, &backend), AYF_OK);
    long held = memory.held, failures[2] = {0, 0};
    for (long n = 1;; n++) {
        ayf_model_card back;
        memory.fail_at = memory.calls + n;
        ayf_status status = ayf_model_read(backend, path_of("good.safetensors"), &w, &back);
        memory.fail_at = 0;
        if (status == AYF_OK) {
            ayf_model_card_free(poor, &back);
            break;
        }
        assert_int_equal(status, AYF_E_MEMORY);
        assert_int_equal(memory.held, held);
        failures[0]++;
    }
    long read_held = memory.held;
    for (long n = 1;; n++) {
        memory.fail_at = memory.calls + n;
        ayf_status status = ayf_model_write(path_of("poor.safetensors"), w, &card);
        memory.fail_at = 0;
        assert_int_equal(memory.held, read_held);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_MEMORY);
        failures[1]++;
    }
    assert_true(failures[0] > 30 && failures[1] > 50);
    expect_same_files(path_of("good.safetensors"), path_of("poor.safetensors"));
    ayf_weights_free(w);
    ayf_backend_close(backend);
    assert_int_equal(memory.held, 1);
    ayf_close(poor);
}

/* ---- Setting up ---- */

static int end(void **state) {
    (void)state;
    static const char *const names[] = {"a.safetensors",   "b.safetensors",    "d.safetensors",
                                        "u.safetensors",   "good.safetensors", "bad.safetensors",
                                        "poor.safetensors"};
    return end_of(names, AYF_COUNT(names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture_score), cmocka_unit_test(test_mixture_moments),
        cmocka_unit_test(test_mixture_graph), cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_autoguidance),  cmocka_unit_test(test_classifier_free),
        cmocka_unit_test(test_wrong_roles),   cmocka_unit_test(test_copy),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_file_layout),   cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_hostile),       cmocka_unit_test(test_refused_writes),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
