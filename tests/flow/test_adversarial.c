/* The arithmetic of a fine-tuning step, in double precision on the reference backend: signs of both losses,
 * gradients against finite differences of what they are gradients of, the adaptive weight. */
#include "ad/ad.h"
#include "flow/adversarial.h"
#include "sample/sampler.h"
#include "model_context.h"
#include "base/rng.h"
#include "ir/build.h"
#include "nn/network.h"
#include "flow/map.h"

enum { BATCH = 4, SIZE = 8, CHANNELS = 1, CLASSES = 3, PIXELS = SIZE * SIZE * CHANNELS };
static const double BETA1 =
    0.5; /* of both optimisers: m after the first step is (1 - beta1) times the gradient */

/* ---- Losses ---- */

static void losses(const double *real, const double *fake, double *g_loss, double *d_loss, double *d_g,
                   double *d_d) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_program *p;
    ayf_id r = ayf_leaf(g, AYF_STORE_INPUT, "real", AYF_SHAPE(3)),
           f = ayf_leaf(g, AYF_STORE_INPUT, "fake", AYF_SHAPE(3));
    ayf_id lg = ayf_pairing_loss(g, f, r), ld = ayf_pairing_loss(g, r, f), one = ayf_const(g, 1), slope[2];
    ayf_output(g, "g", lg);
    ayf_output(g, "d", ld);
    ayf_vjp(g, 1, &lg, &one, 1, &f, &slope[0]);
    ayf_vjp(g, 1, &ld, &one, 1, &f, &slope[1]);
    ayf_output(g, "dg", slope[0]);
    ayf_output(g, "dd", slope[1]);
    ok(ayf_compile(ref, g, NULL, &p));
    ok(ayf_program_set_f64(p, "real", real, 3));
    ok(ayf_program_set_f64(p, "fake", fake, 3));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "g", g_loss, 1));
    ok(ayf_program_get_f64(p, "d", d_loss, 1));
    ok(ayf_program_get_f64(p, "dg", d_g, 3));
    ok(ayf_program_get_f64(p, "dd", d_d, 3));
    ayf_program_free(p);
}

static void test_signs(void **state) {
    (void)state;
    const double real[3] = {0.3, -1.2, 2}, fake[3] = {0.1, 0.4, -3};
    double raised[3], apart[3], g[3], d[3], dg[3], dd[3];
    losses(real, fake, &g[0], &d[0], dg, dd);
    double want = 0, other = 0;
    for (int i = 0; i < 3; i++) {
        want += log1p(exp(real[i] - fake[i])) / 3;
        other += log1p(exp(fake[i] - real[i])) / 3;
        raised[i] = fake[i] + 0.5;
        apart[i] = real[i] + 0.5;
        assert_true(dg[i] < 0);
        assert_true(dd[i] > 0);
    }
    expect_near(g[0], want, 1e-12);
    expect_near(d[0], other, 1e-12);
    losses(real, raised, &g[1], &d[1], dg, dd);
    losses(apart, fake, &g[2], &d[2], dg, dd);
    assert_true(g[1] < g[0]); /* raising D(fake) lowers L_G */
    assert_true(d[2] < d[0]); /* raising D(real) - D(fake) lowers L_D */
    assert_true(d[1] > d[0]);
}

/* ---- A whole step ---- */

typedef struct trial {
    ayf_finetune_step step;
    ayf_network_teacher teacher;
    ayf_params *student, *disc, *taught;
    ayf_program *program;
} trial;

/* The step with everything it replaces as outputs. */
static ayf_graph *graph_of(const trial *t) {
    ayf_graph *g = ayf_finetune_step_graph(ctx, &t->step);
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].update) ayf_output(g, g->leaf[i].name, g->leaf[i].id);
    return g;
}

static ayf_params *table(const ayf_model_spec *spec) {
    ayf_params *params;
    ok(ayf_params_new(ctx, spec, &params));
    return params;
}

static ayf_model_spec discriminator(const char *resolution, const char *told) {
    return SPEC("kind", "discriminator", "img_resolution", resolution, "img_channels", "1", "label_dim", told,
                "channel_base", "64", "channel_max", "8");
}

static void open_any_trial(trial *t, int fake_steps, bool adaptive, double penalty, bool told) {
    ayf_optim_options optim = {.beta1 = BETA1, .beta2 = 0.99, .eps = 1e-8, .free_weights = true};
    *t = (trial){0};
    ayf_model_spec taught =
        SPEC("img_resolution", "8", "img_channels", "1", "label_dim", "3", "model_channels", "4",
             "channel_mult", "1,2", "num_blocks", "1", "attn_resolutions", "", "channels_per_head", "4");
    ayf_model_spec student = taught;
    student.is_student = true;
    t->taught = table(&taught);
    t->student = table(&student);
    ayf_model_spec judge = discriminator("8", told ? "5" : "3");
    t->disc = table(&judge);
    t->teacher.params = t->taught;
    t->step = (ayf_finetune_step){.distill = {.student = t->student,
                                              .batch = BATCH,
                                              .loss = AYF_LOSS_EMD,
                                              .target = AYF_TARGET_TEACHER,
                                              .norm = AYF_NORM_RMS,
                                              .norm_c = 0.1,
                                              .norm_p = 0.5,
                                              .teacher = ayf_velocity_network(&t->teacher),
                                              .optim = optim},
                                  .discriminator = t->disc,
                                  .disc_optim = optim,
                                  .fake_steps = fake_steps,
                                  .adaptive = adaptive,
                                  .penalty_weight = penalty,
                                  .guidance_low = 1,
                                  .guidance_high = told ? 2 : 1};
    ok(ayf_compile(ref, graph_of(t), NULL, &t->program));
}

static void open_trial(trial *t, int fake_steps, bool adaptive, double penalty) {
    open_any_trial(t, fake_steps, adaptive, penalty, false);
}

static void close_trial(trial *t) {
    ayf_program_free(t->program);
    ayf_params_free(t->student);
    ayf_params_free(t->disc);
    ayf_params_free(t->taught);
}

/* Start values, plus `by` times a fixed direction where `shift` is this table; gains get a value of their
 * own, so that nothing is switched off. */
static void set_parameters(trial *t, const ayf_params *params, const char *scope, const ayf_params *shift,
                           double by) {
    for (int i = 0; i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[160];
        snprintf(name, sizeof name, "%s%s", scope, p->name);
        if (!ayf_program_has_leaf(t->program, name)) continue;
        float *start = malloc(p->size * sizeof *start), *direction = malloc(p->size * sizeof *direction);
        double *values = malloc(p->size * sizeof *values);
        ayf_param_init(p, 3, start);
        ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = (uint64_t)i}, direction, p->size);
        for (size_t k = 0; k < p->size; k++) {
            values[k] = (double)start[k];
            if (p->role == AYF_PARAM_GAIN) values[k] = 0.6;
            if (shift == params && p->role != AYF_PARAM_BUFFER) values[k] += by * (double)direction[k];
        }
        ok(ayf_program_set_f64(t->program, name, values, p->size));
        free(start);
        free(direction);
        free(values);
    }
}

/* Sum over all parameters of first-moment times the direction of set_parameters(), over (1 - beta1). */
static double along(const trial *t, const ayf_params *params, const char *scope) {
    double sum = 0;
    for (int i = 0; i < params->count; i++) {
        const ayf_param *p = &params->at[i];
        char name[160];
        if (p->role == AYF_PARAM_BUFFER) continue;
        snprintf(name, sizeof name, "%sadam.m.%s", scope, p->name);
        float *direction = malloc(p->size * sizeof *direction);
        double *m = malloc(p->size * sizeof *m);
        ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = (uint64_t)i}, direction, p->size);
        ok(ayf_program_get_f64(t->program, name, m, p->size));
        for (size_t k = 0; k < p->size; k++) sum += m[k] * (double)direction[k];
        free(direction);
        free(m);
    }
    return sum / (1 - BETA1);
}

static void set_moments(trial *t, const ayf_params *params, const char *scope) {
    static const char *const kinds[] = {"adam.m.", "adam.v."};
    for (int i = 0; i < params->count; i++)
        for (int k = 0; k < 2; k++) {
            char name[160];
            snprintf(name, sizeof name, "%s%s%s", scope, kinds[k], params->at[i].name);
            if (!ayf_program_has_leaf(t->program, name)) continue;
            double *zero = calloc(params->at[i].size, sizeof *zero);
            ok(ayf_program_set_f64(t->program, name, zero, params->at[i].size));
            free(zero);
        }
}

static void set_scalar(trial *t, const char *name, double value) {
    ok(ayf_program_set_f64(t->program, name, &value, 1));
}

static void set_noise(trial *t, const char *name, uint64_t stream, size_t count) {
    float values[BATCH * PIXELS];
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .sample = stream}, values, count);
    ok(ayf_program_set(t->program, name, values, count));
}

static double strengths[BATCH] = {1, 1.5, 2, 1.2};

/* What fakes are made of and judged with. */
static void set_fakes(trial *t, const ayf_params *shift, double by) {
    double onehot[BATCH * CLASSES] = {0};
    for (int i = 0; i < BATCH; i++) onehot[i * CLASSES + i % CLASSES] = 1;
    set_parameters(t, t->student, "student.", shift, by);
    set_parameters(t, t->disc, "disc.", shift, by);
    set_noise(t, "x0", 1, BATCH * PIXELS);
    set_noise(t, "noise", 3, BATCH * PIXELS);
    ok(ayf_program_set_f64(t->program, "guidance", strengths, BATCH));
    ok(ayf_program_set_f64(t->program, "onehot", onehot, BATCH * CLASSES));
}

/* One step from the same start; what is shifted moves by `by` along its direction. */
static void run_trial(trial *t, double alpha, const ayf_params *shift, double by) {
    const double times[BATCH] = {0.9, 0.6, 0.3, 1}, ends[BATCH] = {0, 0.6, 0.1, 0.4};
    set_fakes(t, shift, by);
    set_parameters(t, t->taught, "teacher.", NULL, 0);
    set_moments(t, t->student, "student.");
    set_moments(t, t->disc, "disc.");
    set_noise(t, "x1", 2, BATCH * PIXELS);
    ok(ayf_program_set_f64(t->program, "t", times, BATCH));
    ok(ayf_program_set_f64(t->program, "s", ends, BATCH));
    set_scalar(t, "r", 0.9);
    set_scalar(t, "alpha", alpha);
    static const char *const scopes[] = {"student.", "disc."};
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%sopt.step_size", scopes[i]);
        set_scalar(t, name, 0);
        snprintf(name, sizeof name, "%sopt.v_scale", scopes[i]);
        set_scalar(t, name, 1);
    }
    ok(ayf_program_run(t->program));
}

static double figure(const trial *t, const char *name) {
    double value;
    ok(ayf_program_get_f64(t->program, name, &value, 1));
    return value;
}

static double g_loss(const trial *t) { return figure(t, "g_loss"); }

/* (f(+h) - f(-h)) / 2h of a figure along the direction of a parameter table. */
static double slope_of(trial *t, const ayf_params *shift, double h, double (*f)(const trial *)) {
    run_trial(t, 1, shift, h);
    double up = f(t);
    run_trial(t, 1, shift, -h);
    return (up - f(t)) / (2 * h);
}

/* L_G of fakes in two jumps, the first by parameters of its own. */
static ayf_graph *graph_of_two_jumps(const trial *t) {
    static const char *const scope[] = {"first.", "student."};
    static const double time[] = {1, 0.5, 0};
    ayf_shape image = AYF_SHAPE(BATCH, SIZE, SIZE, CHANNELS), each = AYF_SHAPE(BATCH);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "noise", image), x0 = ayf_leaf(g, AYF_STORE_INPUT, "x0", image),
           guidance = ayf_leaf(g, AYF_STORE_INPUT, "guidance", each),
           onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(BATCH, CLASSES));
    for (int i = 0; i < 2; i++) {
        ayf_scope(g, "%s", scope[i]);
        ayf_condition condition = {ayf_full(g, each, time[i]), ayf_full(g, each, time[i + 1]), guidance,
                                   onehot};
        ayf_id F = ayf_flow_velocity(g, t->student, AYF_STORE_STATE, x, condition);
        ayf_scope(g, "%s", "");
        x = ayf_add(g, x, ayf_mulc(g, F, time[i + 1] - time[i]));
    }
    ayf_discriminator_nodes d = ayf_discriminator_emit(g, t->disc, x0, x, onehot, 0);
    ayf_output(g, "g_loss", ayf_pairing_loss(g, d.fake, d.real));
    return g;
}

/* Of the last jump alone. */
static double slope_of_last_jump(const trial *t) {
    const double h = 1e-5;
    double up_down[2];
    trial last = *t;
    ok(ayf_compile(ref, graph_of_two_jumps(t), NULL, &last.program));
    for (int i = 0; i < 2; i++) {
        set_fakes(&last, t->student, i ? -h : h);
        set_parameters(&last, t->student, "first.", NULL, 0);
        ok(ayf_program_run(last.program));
        up_down[i] = g_loss(&last);
    }
    ayf_program_free(last.program);
    return (up_down[0] - up_down[1]) / (2 * h);
}

/* With and without alpha the first moments differ by the gradient of L_G in the student alone. */
static void check_student_gradient(int fake_steps) {
    trial t;
    open_trial(&t, fake_steps, false, 0.3);
    run_trial(&t, 0, NULL, 0);
    double kept = along(&t, t.student, "student.");
    run_trial(&t, 1, NULL, 0);
    double both = along(&t, t.student, "student.");
    double slope = slope_of(&t, t.student, 1e-5, g_loss);
    double want = fake_steps == 1 ? slope : slope_of_last_jump(&t);
    assert_true(fabs(want) > 1e-4);
    expect_near(both - kept, want, 1e-6 * fabs(want) + 1e-10);
    if (fake_steps == 2) assert_true(fabs(want - slope) > 1e-4 * fabs(slope));
    close_trial(&t);
}

/* Through the only jump, or through the last of several. */
static void test_gradient_reaches_the_student(void **state) {
    (void)state;
    check_student_gradient(1);
    check_student_gradient(2);
}

/* Real pictures are judged by the strength of guidance when the discriminator is told of it, and only then. */
static void test_told_discriminator(void **state) {
    (void)state;
    for (int told = 0; told < 2; told++) {
        trial t;
        double real[2];
        open_any_trial(&t, 1, true, 0.5, told);
        for (int i = 0; i < 2; i++) {
            strengths[0] = i ? 1.8 : 1;
            run_trial(&t, 1, NULL, 0);
            real[i] = figure(&t, "logit_real");
        }
        strengths[0] = 1;
        assert_true(told ? fabs(real[0] - real[1]) > 1e-4 * fabs(real[0]) : real[0] == real[1]);
        close_trial(&t);
    }
}

static const double PENALTY = 0.7;
static double whole_d_loss(const trial *t) {
    return figure(t, "d_loss") + PENALTY / 2 * (figure(t, "r1") + figure(t, "r2"));
}
static double bare_d_loss(const trial *t) { return figure(t, "d_loss"); }

static void test_gradient_of_the_discriminator(void **state) {
    (void)state;
    trial t;
    open_trial(&t, 1, true, PENALTY);
    run_trial(&t, 0.1, NULL, 0);
    double got = along(&t, t.disc, "disc."), want = slope_of(&t, t.disc, 1e-5, whole_d_loss);
    double without = slope_of(&t, t.disc, 1e-5, bare_d_loss);
    expect_near(got, want, 1e-6 * fabs(want));
    assert_true(fabs(want - without) > 1e-3 * fabs(want)); /* the penalties are part of it */
    run_trial(&t, 0.1, NULL, 0);
    assert_true(figure(&t, "r1") > 0);
    assert_true(figure(&t, "r2") > 0);
    assert_true(fabs(figure(&t, "r1") - figure(&t, "r2")) > 1e-6 * figure(&t, "r1"));
    close_trial(&t);
    open_trial(&t, 1, true, 0);
    run_trial(&t, 0.1, NULL, 0);
    expect_near(along(&t, t.disc, "disc."), without, 1e-6 * fabs(without));
    assert_false(ayf_program_has_output(t.program, "r1"));
    close_trial(&t);
}

/* First moments of the output layer over (1 - beta1). */
static size_t output_gradient(const trial *t, double *out, size_t most) {
    const ayf_param *p = ayf_params_find(t->student, "unet.out_conv.weight");
    assert_non_null(p);
    assert_true(p->size <= most);
    ok(ayf_program_get_f64(t->program, "student.adam.m.unet.out_conv.weight", out, p->size));
    for (size_t i = 0; i < p->size; i++) out[i] /= 1 - BETA1;
    return p->size;
}

static void test_adaptive_weight(void **state) {
    (void)state;
    enum { MOST = 256 };
    double kept[MOST], both[MOST], adaptive[MOST], kept_norm = 0, other_norm = 0;
    trial t;
    open_trial(&t, 1, false, 0);
    run_trial(&t, 0, NULL, 0);
    size_t count = output_gradient(&t, kept, MOST);
    run_trial(&t, 1, NULL, 0);
    output_gradient(&t, both, MOST);
    expect_near(figure(&t, "adaptive_weight"), 1, 0);
    close_trial(&t);
    for (size_t i = 0; i < count; i++) {
        kept_norm += kept[i] * kept[i];
        other_norm += (both[i] - kept[i]) * (both[i] - kept[i]);
    }
    double weight = sqrt(kept_norm) / (sqrt(other_norm) + 1e-8);
    open_trial(&t, 1, true, 0);
    run_trial(&t, 0.25, NULL, 0);
    output_gradient(&t, adaptive, MOST);
    expect_near(figure(&t, "adaptive_weight"), weight, 1e-7 * weight);
    for (size_t i = 0; i < count; i++)
        expect_near(adaptive[i], kept[i] + 0.25 * weight * (both[i] - kept[i]), 1e-7 * sqrt(kept_norm));
    close_trial(&t);
}

static void test_refusals(void **state) {
    (void)state;
    trial t;
    ayf_program *program;
    open_trial(&t, 1, true, 0);
    ayf_model_spec judge = discriminator("16", "3");
    ayf_params *larger = table(&judge);
    t.step.discriminator = larger;
    assert_int_not_equal(ayf_compile(ref, ayf_finetune_step_graph(ctx, &t.step), NULL, &program), AYF_OK);
    expect_message("16");
    ayf_params_free(larger);
    close_trial(&t);
}

/* The cpu backend runs the same step. */
static void test_backends_agree(void **state) {
    (void)state;
    trial t, fast;
    static const char *const names[] = {"loss", "g_loss", "d_loss",          "logit_real", "logit_fake",
                                        "r1",   "r2",     "adaptive_weight", "grad_norm",  "disc_grad_norm"};
    open_trial(&t, 2, true, PENALTY);
    open_trial(&fast, 2, true, PENALTY);
    ayf_program_free(fast.program);
    ok(ayf_compile(cpu, graph_of(&fast), NULL, &fast.program));
    run_trial(&t, 0.1, NULL, 0);
    run_trial(&fast, 0.1, NULL, 0);
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        expect_near(figure(&fast, names[i]), figure(&t, names[i]), 1e-4 * fabs(figure(&t, names[i])) + 1e-6);
    close_trial(&t);
    close_trial(&fast);
}

static int finish(void **state) {
    (void)state;
    return end_of(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_gradient_reaches_the_student),
        cmocka_unit_test(test_gradient_of_the_discriminator),
        cmocka_unit_test(test_told_discriminator),
        cmocka_unit_test(test_adaptive_weight),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_backends_agree),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
