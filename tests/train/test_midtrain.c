/* What distillation can be configured to: guidance by the teacher itself, mid-training, and the other losses.
 */
#include <math.h>

#include "run_fixture.h"

#include "sample/model_api.h"
#include "train/kinds/midtrain.h"
#include "train/recipe.h"
#include "backend/open.h"
#include "backend/ref/ref.h"
#include "model/file.h"
#include "io/safetensors.h"
#include "nn/network.h"
#include "ir/build.h"
#include "flow/map.h"

/* "key=value", both parts formatted; valid for the test's life. */
static const char *named(const char *key, const char *value) {
    static char texts[64][700];
    static int next;
    char *text = texts[next = (next + 1) % 64];
    snprintf(text, sizeof texts[0], "%s=%s", key, value);
    return text;
}

static ayf_model *open_model(const char *path) {
    ayf_model *model;
    if (ayf_model_open(ctx, path, &model) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return model;
}

/* ---- Classifier-free guidance ---- */

static settings labelled(void) {
    return join(tiny_mlp(), SET("data.labels=true", "train.label_dropout=0.2"));
}

static void test_cfg_run(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), labelled(), 50);
    settings set = join(tiny_mlp(), SET("data.labels=true", "distill.guidance=cfg", "distill.guidance_max=2",
                                        named("distill.teacher", in_root("teacher"))));
    check_resume(AYF_RUN_DISTILL, "student", set, 10);
    /* Another strength is another student, so the guidance reaches it. */
    run_to(AYF_RUN_DISTILL, in_root("other"), join(set, SET("distill.guidance_min=2")), 10);
    ayf_model *student = open_model(in_root("student-a/model.safetensors")),
              *other = open_model(in_root("other/model.safetensors"));
    ayf_model_facts facts = ayf_model_describe(student);
    assert_true(facts.guidance_min == 1 && facts.guidance_max == 2);
    float a[20], b[20];
    ayf_sample_options options = {.steps = 1, .guidance = 2};
    assert_int_equal(ayf_model_sample(student, &options, 10, a, NULL), AYF_OK);
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_OK);
    assert_memory_not_equal(a, b, sizeof a);
    options.guidance = 0; /* the default lies in the trained range */
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_OK);
    options.guidance = 1;
    assert_int_equal(ayf_model_sample(other, &options, 10, b, NULL), AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "distilled for a single strength"));
    ayf_model_close(student);
    ayf_model_close(other);
}

static void test_cfg_refusals(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("plain"), tiny_mlp(), 1);
    run_to(AYF_RUN_TRAIN, in_root("always"), join(labelled(), SET("train.label_dropout=0")), 1);
    settings set = join(tiny_mlp(), SET("distill.guidance=cfg"));
    const char *plain = named("distill.teacher", in_root("plain")),
               *always = named("distill.teacher", in_root("always"));
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(plain)), AYF_E_CONFIG,
                   "plain/model.safetensors was trained without classes");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "data.labels=true")), AYF_E_CONFIG,
                   "train it with train.label_dropout = 0.1");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "distill.weak=w")), AYF_E_CONFIG,
                   "distill.guidance = cfg would ignore it");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(set, SET(always, "distill.guidance_min=0")),
                   AYF_E_CONFIG, "distill.guidance_min = 0");
    expect_refused(AYF_RUN_DISTILL, in_root("run"),
                   join(set, SET("distill.teacher=analytic", "distill.student_init=scratch")), AYF_E_CONFIG,
                   "distill.guidance = cfg needs networks");
    ayf_model *model = open_model(in_root("always/model.safetensors"));
    assert_int_equal(ayf_model_guide(model, model), AYF_E_CONFIG);
    assert_non_null(strstr(ayf_error(ctx), "always saw the class"));
    ayf_model_close(model);
    model = open_model(in_root("plain/model.safetensors"));
    assert_int_equal(ayf_model_guide(model, model), AYF_E_CONFIG);
    ayf_model_close(model);
}

/* A student that never saw a strength is asked for one. */
static void test_no_guidance_input(void **state) {
    (void)state;
    settings set = join(
        tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch", "distill.teacher=analytic"));
    run_to(AYF_RUN_DISTILL, in_root("student"), set, 1);
    ayf_model *student = open_model(in_root("student/model.safetensors"));
    float point[2];
    assert_int_equal(ayf_model_sample(student, &(ayf_sample_options){.guidance = 2}, 1, point, NULL),
                     AYF_E_USAGE);
    assert_non_null(strstr(ayf_error(ctx), "was distilled without guidance; leave the guidance out"));
    assert_int_equal(ayf_exit_code(AYF_E_USAGE), 2);
    assert_int_equal(ayf_model_guide(student, student), AYF_E_USAGE);
    ayf_model_close(student);
}

/* ---- Losses at the exact map of Gaussian data ---- */

static const double c = 0.5; /* data N(0, c^2) */
static double q(double t) { return sqrt(t * t + (1 - t) * (1 - t) * c * c); }
static double slope_of(double t) { return (t - c * c * (1 - t)) / (q(t) * q(t)); } /* v = slope x */

enum { PAIRS = 6 };
static const double pair_t[PAIRS] = {0.9, 1, 0.5, 0.7, 0.3, 1}, pair_s[PAIRS] = {0.2, 0, 0.45, 0, 0.05, 0.6};

static ayf_id q_of(ayf_graph *g, ayf_id t) {
    ayf_id a = ayf_addc(g, ayf_neg(g, t), 1);
    return ayf_sqrt(g, ayf_add(g, ayf_square(g, t), ayf_mulc(g, ayf_square(g, a), c * c)));
}

/* g of F* + shift, F* = x (q(s)/q(t) - 1)/(s - t), in double precision; one number per sample. */
static void tangents(ayf_loss loss, double norm_p, double shift, double *x_t, double *tangent,
                     double *cotangent) {
    ayf_backend *ref;
    ayf_program *p;
    assert_int_equal(ayf_ref_open(ctx, &ref), AYF_OK);
    ayf_mixture gaussian = {.count = 1, .dim = 1, .sigma = c};
    ayf_distill_step step = {.loss = loss,
                             .norm = AYF_NORM_RMS,
                             .norm_c = 0.1,
                             .norm_p = norm_p,
                             .teacher = ayf_velocity_mixture(&gaussian)};
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_shape each = AYF_SHAPE(PAIRS), image = AYF_SHAPE(PAIRS, 1, 1, 1);
    ayf_distill_inputs in = {.condition = {.t = ayf_leaf(g, AYF_STORE_INPUT, "t", each),
                                           .s = ayf_leaf(g, AYF_STORE_INPUT, "s", each)},
                             .r = ayf_leaf(g, AYF_STORE_INPUT, "r", AYF_SHAPE(1))};
    ayf_distill_nodes n = {.x_t = ayf_leaf(g, AYF_STORE_INPUT, "x", image)};
    ayf_id ratio = ayf_addc(g, ayf_div(g, q_of(g, in.condition.s), q_of(g, in.condition.t)), -1);
    ayf_id mean_slope = ayf_div(g, ratio, ayf_sub(g, in.condition.s, in.condition.t));
    n.F = ayf_addc(g, ayf_mul(g, n.x_t, ayf_per_sample(g, mean_slope, n.x_t)), shift);
    ayf_distill_loss_emit(g, &step, &in, &n);
    ayf_output(g, "g", n.tangent);
    ayf_output(g, "cotangent", n.cotangent);
    if (ayf_compile(ref, g, NULL, &p) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    static const double one = 1;
    for (int i = 0; i < PAIRS; i++) x_t[i] = 1.5 - 0.4 * i;
    assert_int_equal(ayf_program_set_f64(p, "x", x_t, PAIRS), AYF_OK);
    assert_int_equal(ayf_program_set_f64(p, "t", pair_t, PAIRS), AYF_OK);
    assert_int_equal(ayf_program_set_f64(p, "s", pair_s, PAIRS), AYF_OK);
    assert_int_equal(ayf_program_set_f64(p, "r", &one, 1), AYF_OK);
    assert_int_equal(ayf_program_run(p), AYF_OK);
    assert_int_equal(ayf_program_get_f64(p, "g", tangent, PAIRS), AYF_OK);
    assert_int_equal(ayf_program_get_f64(p, "cotangent", cotangent, PAIRS), AYF_OK);
    ayf_program_free(p);
    ayf_backend_close(ref);
}

static void near(const char *what, int i, double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s, sample %d: %.12g, not %.12g", what, i, got, want);
}

/* Nothing pulls at the exact map, and what is too large by e is pulled down: for EMD g = e, and for LMD
 * g = e (1 + (t - s) v'(s)), because the student's own output is where the teacher is asked. */
static void test_losses_at_exact_map(void **state) {
    (void)state;
    static const char *const names[] = {[AYF_LOSS_EMD] = "EMD", [AYF_LOSS_LMD] = "LMD"};
    double x[PAIRS], g[PAIRS], pull[PAIRS];
    for (int loss = AYF_LOSS_EMD; loss <= AYF_LOSS_LMD; loss++) {
        tangents((ayf_loss)loss, 0.5, 0, x, g, pull);
        for (int i = 0; i < PAIRS; i++) near(names[loss], i, g[i], 0, 1e-12);
        for (int sign = -1; sign <= 1; sign += 2) {
            double e = 0.01 * sign;
            tangents((ayf_loss)loss, 0.5, e, x, g, pull);
            for (int i = 0; i < PAIRS; i++) {
                double want =
                    loss == AYF_LOSS_EMD ? e : e * (1 + (pair_t[i] - pair_s[i]) * slope_of(pair_s[i]));
                near(names[loss], i, g[i], want, 1e-12);
                if (fabs(want) > 1e-9) assert_true(pull[i] * e > 0);
                near("cotangent", i, pull[i], 2 * want / (fabs(want) + 0.1) / PAIRS, 1e-12);
            }
        }
    }
}

/* The power of the tangent's size that it is divided by. */
static void test_norm_power(void **state) {
    (void)state;
    static const double powers[] = {0, 0.5, 0.75};
    double x[PAIRS], g[PAIRS], pull[PAIRS];
    for (size_t k = 0; k < AYF_COUNT(powers); k++) {
        tangents(AYF_LOSS_EMD, powers[k], 0.3, x, g, pull);
        for (int i = 0; i < PAIRS; i++)
            near("cotangent", i, pull[i], 2 * g[i] / pow(fabs(g[i]) + 0.1, 2 * powers[k]) / PAIRS, 1e-12);
    }
}

/* ---- The losses as runs ---- */

/* s = 0 only, and no teacher at all with classes: the same run, configured. */
static void test_baselines(void **state) {
    (void)state;
    settings scratch = join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch"));
    check_resume(AYF_RUN_DISTILL, "consistency",
                 join(scratch, SET("distill.teacher=analytic", "distill.s_zero_only=true")), 10);
    settings mean_flow = join(scratch, SET("distill.target=data", "data.labels=true"));
    check_resume(AYF_RUN_DISTILL, "meanflow", mean_flow, 10);
    ayf_model *student = open_model(in_root("meanflow-a/model.safetensors"));
    assert_int_equal(ayf_model_describe(student).classes, 8);
    float a[2], b[2];
    ayf_sample_options options = {.steps = 1, .classes = (const int[]){2}};
    assert_int_equal(ayf_model_sample(student, &options, 1, a, NULL), AYF_OK);
    options.classes = (const int[]){3};
    assert_int_equal(ayf_model_sample(student, &options, 1, b, NULL), AYF_OK);
    assert_memory_not_equal(a, b, sizeof a);
    ayf_model_close(student);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(mean_flow, SET("distill.midtrain_steps=2")),
                   AYF_E_CONFIG, "distill.target = data does not have");
    expect_refused(AYF_RUN_DISTILL, in_root("run"), join(mean_flow, SET("distill.target=teacher")),
                   AYF_E_CONFIG, "distill.guidance = none and distill.student_init = scratch");
}

static void test_consistency_times(void **state) {
    (void)state;
    ayf_time_sampler sampler = {
        .gap_mean = -0.6, .gap_std = 1.6, .p_s0 = 0.2, .p_st = 0.3, .s_zero_only = true};
    for (uint64_t i = 0; i < 1000; i++) {
        float t, s;
        ayf_time_pair(&sampler, 1, 2, i, &t, &s);
        assert_true(s == 0 && t > 0 && t < 1);
    }
}

/* Two times, of which the larger is t: their logits have the given means and deviation where they do not overlap. */
static void test_sorted_times(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    ayf_time_sampler sampler = {.sorted = true, .sorted_mean = {-4, 2}, .sorted_std = 0.5, .p_st = 0.75};
    double sum[2] = {0}, square = 0;
    int apart = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        float t, s;
        ayf_time_pair(&sampler, 1, 2, i, &t, &s);
        double logit_t = log((double)t / (1 - (double)t)), logit_s = log((double)s / (1 - (double)s));
        sum[0] += logit_t / COUNT;
        square += (logit_t - 2) * (logit_t - 2) / COUNT;
        if (s == t) continue;
        assert_true(s < t);
        sum[1] += logit_s;
        apart++;
    }
    near("share apart", 0, (double)apart / COUNT, 0.25, 0.015);
    near("mean of t", 0, sum[0], 2, 0.02);
    near("mean of s", 0, sum[1] / apart, -4, 0.04);
    near("deviation", 0, sqrt(square), 0.5, 0.02);
}

/* ---- Mid-training ---- */

static settings gaussian(void) {
    return join(tiny_mlp(),
                SET("data.source=builtin:gaussian", "distill.guidance=none", "distill.teacher=analytic",
                    "distill.student_init=scratch", "train.steps=10", "distill.midtrain_steps=6",
                    "distill.midtrain_trajectories=80", "distill.midtrain_solver_steps=8"));
}

/* Calls ayf_run_step until the trajectories are there; how many batches it took. */
static int prepare(ayf_run *run, uint64_t total) {
    ayf_run_report report;
    int calls = 0;
    do {
        assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        assert_true(report.step == 0 && report.to_prepare == total && isnan(report.loss));
        calls++;
    } while (report.prepared < total);
    return calls;
}

/* They start from noise and follow the exact map of the Gaussian; their velocities are the exact ones. */
static void test_trajectories(void **state) {
    (void)state;
    ayf_run *run;
    settings set =
        join(gaussian(), SET("distill.midtrain_solver_steps=64", "distill.midtrain_trajectories=400"));
    assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("run"), set, &run), AYF_OK);
    assert_int_equal(prepare(run, 400), 13); /* batches of 32 */
    const ayf_paths *p = run->own;
    assert_true(p->times[0] == 1 && p->times[64] == 0);
    double square = 0;
    for (size_t i = 0; i < 800; i++) {
        size_t one = i / 2, axis = i % 2;
        const float *x = p->states + one * 65 * 2 + axis, *v = p->velocities + one * 64 * 2 + axis;
        square += (double)x[0] * (double)x[0] / 800;
        for (int k = 0; k <= 64; k++) {
            double t = p->times[k];
            near("state", (int)i, (double)x[2 * k], (double)x[0] * q(t), 2e-3 * fabs((double)x[0]) + 1e-6);
            if (k < 64) near("velocity", (int)i, (double)v[2 * k], slope_of(t) * (double)x[2 * k], 1e-5);
        }
    }
    near("variance", 0, square, 1, 0.2); /* four standard deviations */
    ayf_run_close(run);
    ayf_st *st;
    assert_int_equal(ayf_st_open(ctx, in_root("run/trajectories.safetensors"), &st), AYF_OK);
    assert_int_equal(ayf_st_get(st, "states")->shape[0], 400);
    ayf_st_close(st);
}

/* What a step is given: states of one trajectory, secants between grid times, velocities where s = t, in the
 * shares asked for, and every trajectory once per epoch. */
static void test_draws(void **state) {
    (void)state;
    ayf_run *run;
    settings anchored = join(gaussian(), SET("distill.p_s0=0.2"));
    assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("run"), anchored, &run), AYF_OK);
    prepare(run, 80);
    const ayf_paths *p = run->own;
    const ayf_run_batch *b = &run->batch;
    enum { EPOCHS = 100, COUNT = 80 };
    int at_zero = 0, equal = 0, seen[COUNT] = {0};
    ayf_time_sampler pairs = ayf_times_from_config(&run->cfg);
    for (uint64_t sample = 0; sample < EPOCHS * COUNT; sample++) {
        ayf_paths_draw(run, &pairs, 3, sample);
        const float *x = p->x_t + 3 * 2, *v = p->v + 3 * 2;
        int from = (int)lround(8 * (1 - (double)b->t[3])), to = (int)lround(8 * (1 - (double)b->s[3])),
            index = 0;
        assert_true(b->t[3] == (float)p->times[from] && b->s[3] == (float)p->times[to] && to >= from &&
                    from < 8);
        while (index < COUNT && memcmp(x, p->states + (index * 9 + from) * 2, 8) != 0) index++;
        assert_true(index < COUNT);
        if (sample < COUNT) seen[index]++;
        const float *end = p->states + (index * 9 + to) * 2;
        for (int k = 0; k < 2; k++)
            near("target", (int)sample, (double)v[k],
                 to > from ? ((double)end[k] - (double)x[k]) / (double)(b->s[3] - b->t[3])
                           : (double)p->velocities[(index * 8 + from) * 2 + k],
                 1e-5);
        at_zero += to == 8;
        equal += to == from;
    }
    for (int i = 0; i < COUNT; i++) assert_int_equal(seen[i], 1);
    /* p_st = 0.3 as drawn; to p_s0 = 0.2 come those rounded down to 0. */
    near("share of s = t", 0, equal / (double)(EPOCHS * COUNT), 0.3, 0.02);
    assert_true(at_zero > 0.2 * EPOCHS * COUNT && at_zero < 0.5 * EPOCHS * COUNT);
    ayf_run_close(run);
}

/* The step of mid-training is F - v and nothing else: no teacher, no derivative, no noise. */
static void test_given_target(void **state) {
    (void)state;
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_MLP;
    spec.is_student = true;
    ayf_params *student;
    assert_int_equal(ayf_params_new(ctx, &spec, &student), AYF_OK);
    ayf_distill_step step = {
        .student = student, .batch = 2, .target = AYF_TARGET_GIVEN, .norm = AYF_NORM_NONE};
    ayf_backend *ref;
    ayf_program *p;
    assert_int_equal(ayf_ref_open(ctx, &ref), AYF_OK);
    assert_int_equal(ayf_compile(ref, ayf_distill_step_graph(ctx, &step), NULL, &p), AYF_OK);
    ayf_params_free(student);
    static const char *const absent[] = {"x0", "x1", "r", "teacher.mlp.out.weight"};
    for (size_t i = 0; i < AYF_COUNT(absent); i++) assert_false(ayf_program_has_leaf(p, absent[i]));
    assert_false(ayf_program_has_output(p, "jvp_rms"));
    /* All weights are zero, so F = 0 and the loss is the mean square of v. */
    static const double v[4] = {1, 2, 3, -4}, zeros[4];
    static const struct {
        const char *leaf;
        size_t count;
    } unused[] = {
        {"x_t", 4}, {"s", 2}, {"guidance", 2}, {"student.opt.step_size", 1}, {"student.opt.v_scale", 1}};
    double loss, error[2];
    for (size_t i = 0; i < AYF_COUNT(unused); i++)
        assert_int_equal(ayf_program_set_f64(p, unused[i].leaf, zeros, unused[i].count), AYF_OK);
    assert_int_equal(ayf_program_set_f64(p, "v", v, 4), AYF_OK);
    assert_int_equal(ayf_program_set_f64(p, "t", (const double[]){1, 0.5}, 2), AYF_OK);
    assert_int_equal(ayf_program_run(p), AYF_OK);
    assert_int_equal(ayf_program_get_f64(p, "loss", &loss, 1), AYF_OK);
    assert_int_equal(ayf_program_get_f64(p, "error_rms", error, 2), AYF_OK);
    near("loss", 0, loss, 7.5, 1e-12);
    near("error", 0, error[0], sqrt(2.5), 1e-12);
    near("error", 1, error[1], sqrt(12.5), 1e-12);
    ayf_program_free(p);
    ayf_backend_close(ref);
}

/* Mid-training alone teaches the map of the Gaussian: one step halves every point. */
static void test_learns(void **state) {
    (void)state;
    settings set = join(gaussian(), SET("train.steps=300", "distill.midtrain_steps=300", "model.hidden=32",
                                        "distill.midtrain_trajectories=512", "train.batch=64"));
    run_to(AYF_RUN_DISTILL, in_root("run"), set, 300);
    ayf_model *student = open_model(in_root("run/model.safetensors"));
    float points[200];
    assert_int_equal(ayf_model_sample(student, &(ayf_sample_options){.steps = 1}, 100, points, NULL), AYF_OK);
    double sum = 0;
    for (uint64_t i = 0; i < 100; i++) {
        float noise[2];
        ayf_latent(i, noise, 2);
        for (int k = 0; k < 2; k++)
            sum += pow((double)points[2 * i + (uint64_t)k] - c * (double)noise[k], 2) / 200;
    }
    if (!(sqrt(sum) < 0.08)) fail_msg("error %g after mid-training", sqrt(sum));
    ayf_model_close(student);
}

static void test_midtrain_resume(void **state) {
    (void)state;
    check_resume(AYF_RUN_DISTILL, "inside", gaussian(), 10); /* stops after 5 of 6 */
    check_resume(AYF_RUN_DISTILL, "edge", join(gaussian(), SET("distill.midtrain_steps=5")),
                 10); /* between */
    check_resume(AYF_RUN_DISTILL, "across", join(gaussian(), SET("distill.midtrain_steps=4")),
                 10); /* behind */
    /* Stopped while the trajectories are made: those made are kept. */
    ayf_run *run;
    ayf_run_report report;
    assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("early"), gaussian(), &run), AYF_OK);
    assert_int_equal(ayf_run_step(run, &report), AYF_OK);
    assert_true(report.prepared == 32 && report.step == 0);
    assert_int_equal(ayf_run_save(run), AYF_OK);
    ayf_run_close(run);
    assert_int_equal(files_in(in_root("early/checkpoints")), 0);
    assert_int_equal(open_run(AYF_RUN_DISTILL, in_root("early"), gaussian(), &run), AYF_OK);
    assert_int_equal(ayf_run_step(run, &report), AYF_OK);
    assert_int_equal(report.prepared, 64);
    ayf_run_close(run);
    run_to(AYF_RUN_DISTILL, in_root("early"), gaussian(), 3);
    /* A pure function of seed, teacher and settings: without the file they are the same. */
    assert_int_equal(remove(in_root("early/trajectories.safetensors")), 0);
    run_to(AYF_RUN_DISTILL, in_root("early"), gaussian(), 10);
    expect_same_file(in_root("early/model.safetensors"), in_root("inside-a/model.safetensors"));
    expect_same_file(in_root("early/trajectories.safetensors"), in_root("inside-a/trajectories.safetensors"));
    /* A line of the log that has steps of both phases gives the derivative of those that have one. */
    run_to(AYF_RUN_DISTILL, in_root("five"), join(gaussian(), SET("save.log_every=5")), 10);
    run_to(AYF_RUN_DISTILL, in_root("ten"), join(gaussian(), SET("save.log_every=10")), 10);
    assert_true(file_contains(in_root("five/log.jsonl"), "\"jvp_rms\":null"));
    assert_false(file_contains(in_root("ten/log.jsonl"), "\"jvp_rms\":null"));
    /* Mid-training makes a difference. */
    run_to(AYF_RUN_DISTILL, in_root("without"), join(gaussian(), SET("distill.midtrain_steps=0")), 10);
    assert_false(ayf_path_exists(in_root("without/trajectories.safetensors")));
    ayf_model *a = open_model(in_root("early/model.safetensors")),
              *b = open_model(in_root("without/model.safetensors"));
    float x[2], y[2];
    assert_int_equal(ayf_model_sample(a, NULL, 1, x, NULL), AYF_OK);
    assert_int_equal(ayf_model_sample(b, NULL, 1, y, NULL), AYF_OK);
    assert_memory_not_equal(x, y, sizeof x);
    ayf_model_close(a);
    ayf_model_close(b);
}

/* A guided teacher with classes: strengths from the range, classes from the data. */
static void test_guided_trajectories(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), labelled(), 30);
    settings set = join(tiny_mlp(),
                        SET("data.labels=true", "distill.guidance=cfg", "distill.guidance_max=3",
                            "train.steps=4", "distill.midtrain_steps=2", "distill.midtrain_trajectories=256",
                            "distill.midtrain_solver_steps=4", named("distill.teacher", in_root("teacher"))));
    check_resume(AYF_RUN_DISTILL, "student", set, 4);
    ayf_st *st;
    assert_int_equal(ayf_st_open(ctx, in_root("student-a/trajectories.safetensors"), &st), AYF_OK);
    float lambda[256];
    int64_t labels[256];
    assert_int_equal(ayf_st_read_f32(st, "guidance", lambda, 256), AYF_OK);
    assert_int_equal(ayf_st_read_i64(st, "labels", labels, 256), AYF_OK);
    ayf_st_close(st);
    double sum = 0;
    int found = 0;
    for (int i = 0; i < 256; i++) {
        assert_true(lambda[i] > 1 && lambda[i] < 3 && labels[i] >= 0 && labels[i] < 8);
        sum += (double)lambda[i] / 256;
        found |= 1 << labels[i];
    }
    near("mean strength", 0, sum, 2, 0.15);
    assert_int_equal(found, 255);
    /* Another teacher's trajectories are not taken. */
    run_to(AYF_RUN_TRAIN, in_root("teacher2"), join(labelled(), SET("train.seed=3")), 2);
    set = join(set, SET(named("distill.teacher", in_root("teacher2"))));
    run_to(AYF_RUN_DISTILL, in_root("other"), set, 1);
    assert_int_equal(
        rename(in_root("student-a/trajectories.safetensors"), in_root("other/trajectories.safetensors")), 0);
    expect_refused(AYF_RUN_DISTILL, in_root("other"), set, AYF_E_FORMAT, "was made by other teachers");
}

static void test_bad_files(void **state) {
    (void)state;
    const char *file = in_root("run/trajectories.safetensors");
    run_to(AYF_RUN_DISTILL, in_root("run"), gaussian(), 2);
    run_to(AYF_RUN_DISTILL, in_root("seed"), join(gaussian(), SET("train.seed=9")), 2);
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, file, 0, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_file_write(ctx, file, bytes, size - 100), AYF_OK);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), gaussian(), AYF_E_FORMAT, "remove the file");
    float bad = NAN;
    memcpy((char *)bytes + size - 400, &bad, sizeof bad);
    assert_int_equal(ayf_file_write(ctx, file, bytes, size), AYF_OK);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), gaussian(), AYF_E_FORMAT, "the file is damaged");
    for (char *sum; (sum = memmem(bytes, size, "\"crc32", 6));) memcpy(sum, "\"other", 6);
    assert_int_equal(ayf_file_write(ctx, file, bytes, size), AYF_OK);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), gaussian(), AYF_E_FORMAT, "values that are not finite");
    ayf_free(ctx, bytes);
    assert_int_equal(rename(in_root("seed/trajectories.safetensors"), file), 0);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), gaussian(), AYF_E_FORMAT,
                   "other settings than this run has: train.seed 9");
    assert_int_equal(rename(in_root("run/model.safetensors"), file), 0);
    expect_refused(AYF_RUN_DISTILL, in_root("run"), gaussian(), AYF_E_FORMAT, "holds no trajectories");
    assert_int_equal(remove(file), 0);
    run_to(AYF_RUN_DISTILL, in_root("run"), gaussian(), 10);
    expect_refused(AYF_RUN_DISTILL, in_root("new"), join(gaussian(), SET("distill.midtrain_steps=11")),
                   AYF_E_CONFIG, "distill.midtrain_steps = 11 is longer than the run");
}

/* r begins to rise where mid-training and the regression of the velocity end. A student that sees the time as its teacher
 * does needs no such regression. */
static void test_tangent_weight(void **state) {
    (void)state;
    ayf_config cfg;
    assert_int_equal(ayf_config_defaults(ctx, &cfg), AYF_OK);
    cfg.train.steps = 100;
    cfg.distill.midtrain_steps = 40; /* a tenth of 60 steps */
    near("r", 42, ayf_tangent_weight_from_config(&cfg, 42), 0.99 / 2, 1e-12);
    near("r", 45, ayf_tangent_weight_from_config(&cfg, 45), 0.99, 1e-12);
    cfg.distill.warmup_steps = 0;
    near("r", 40, ayf_tangent_weight_from_config(&cfg, 40), 0.99, 1e-12);
    cfg.distill.warmup_steps = 20;
    near("r", 40, ayf_tangent_weight_from_config(&cfg, 40), 0.99 / 20, 1e-12);
    near("r", 49, ayf_tangent_weight_from_config(&cfg, 49), 0.99 / 2, 1e-12);
    near("r", 80, ayf_tangent_weight_from_config(&cfg, 80), 0.99, 1e-12);
    cfg.distill.regress_steps = 10;
    near("r", 49, ayf_tangent_weight_from_config(&cfg, 49), 0, 0);
    near("r", 59, ayf_tangent_weight_from_config(&cfg, 59), 0.99 / 2, 1e-12);
    cfg.distill.regress_steps = -1;
    cfg.model.time_label = AYF_TIME_LOGSNR; /* a tenth of the run */
    near("r", 59, ayf_tangent_weight_from_config(&cfg, 59), 0.99 / 2, 1e-12);
    cfg.train.steps = 5000;
    near("r", 339, ayf_tangent_weight_from_config(&cfg, 339), 0, 0);
    near("r", 340, ayf_tangent_weight_from_config(&cfg, 340), 0.99 / 20, 1e-12);
    cfg.model.time_soft = 0;
    near("r", 49, ayf_tangent_weight_from_config(&cfg, 49), 0.99 / 2, 1e-12);
    ayf_config_free(ctx, &cfg);
}

static void test_out_of_memory(void **state) {
    (void)state;
    check_memory(AYF_RUN_DISTILL,
                 join(gaussian(), SET("train.steps=2", "distill.midtrain_steps=1", "train.batch=4",
                                      "distill.midtrain_trajectories=4", "distill.midtrain_solver_steps=2")));
}

/* A teacher of points in space does not fit points in the plane. */
static void test_points_of_other_dimension(void **state) {
    (void)state;
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_MLP;
    spec.mlp_dim = 3;
    spec.mlp_hidden = 8;
    ayf_model_card card = {
        .role = AYF_MODEL_ROLE_TEACHER, .sigma_data = 1, .guidance_min = 1, .guidance_max = 1};
    assert_int_equal(ayf_backend_open(ctx, &backend), AYF_OK);
    assert_int_equal(ayf_weights_new(backend, &spec, &weights), AYF_OK);
    assert_int_equal(ayf_weights_init(weights, 1), AYF_OK);
    assert_int_equal(ayf_model_write(in_root("space"), weights, &card), AYF_OK);
    ayf_weights_free(weights);
    expect_refused(AYF_RUN_DISTILL, in_root("run"),
                   SET("data.source=builtin:ring", "data.labels=false", "distill.guidance=none",
                       named("distill.teacher", in_root("space"))),
                   AYF_E_CONFIG, "makes points of 3 numbers");
}

/* Where mid-training ends another program is compiled. A step that finds no memory for it leaves a run that can
 * go on, and the run ends as if nothing had happened. */
static void test_out_of_memory_between(void **state) {
    (void)state;
    enum { STEPS = 4, TRIES = 24 };
    settings set =
        join(gaussian(), SET("train.steps=4", "distill.midtrain_steps=2", "train.batch=4",
                             "distill.midtrain_trajectories=4", "distill.midtrain_solver_steps=2"));
    run_to(AYF_RUN_DISTILL, in_root("whole"), set, STEPS);
    ayf_context *usual = ctx;
    int refused = 0;
    for (int try = 0; try < TRIES; try++) {
        test_memory memory = {.once = true};
        ayf_run *run;
        ctx = ayf_open(&(ayf_options){.alloc = test_alloc, .alloc_user = &memory, .threads = 1});
        const char *folder = in_root("try%d", try);
        assert_int_equal(open_run(AYF_RUN_DISTILL, folder, set, &run), AYF_OK);
        ayf_run_report report = {0};
        while (report.step < 2) assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        memory.fail_at = memory.calls + 1 + try * try; /* far apart, where the passes of the compiler are */
        ayf_status status = ayf_run_step(run, &report);
        if (status != AYF_OK) {
            refused++;
            assert_int_equal(status, AYF_E_MEMORY);
            assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        }
        while (!ayf_run_finished(run)) assert_int_equal(ayf_run_step(run, &report), AYF_OK);
        assert_int_equal(ayf_run_save(run), AYF_OK);
        ayf_run_close(run);
        ayf_close(ctx);
        ctx = usual;
        expect_same_file(in_root("whole/model.safetensors"), in_root("try%d/model.safetensors", try));
    }
    assert_true(refused > TRIES / 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_cfg_run),
                                       TEST(test_cfg_refusals),
                                       TEST(test_no_guidance_input),
                                       TEST(test_losses_at_exact_map),
                                       TEST(test_norm_power),
                                       TEST(test_baselines),
                                       TEST(test_consistency_times),
                                       TEST(test_sorted_times),
                                       TEST(test_trajectories),
                                       TEST(test_draws),
                                       TEST(test_given_target),
                                       TEST(test_learns),
                                       TEST(test_midtrain_resume),
                                       TEST(test_guided_trajectories),
                                       TEST(test_bad_files),
                                       TEST(test_tangent_weight),
                                       TEST(test_out_of_memory),
                                       TEST(test_out_of_memory_between),
                                       TEST(test_points_of_other_dimension)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
