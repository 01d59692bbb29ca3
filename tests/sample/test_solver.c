/* Update rules against exact flow maps, and orders of the solvers. */
#include "model_context.h"
#include "mixture_velocity.h"

#include "base/rng.h"
#include "sample/sampler.h"

/* ---- Exact maps ---- */

static const double c = 0.5; /* data N(0, c^2) */

static double q(double t) { return sqrt(t * t + (1 - t) * (1 - t) * c * c); }

/* F* = x (q(s)/q(t) - 1)/(s - t), and the velocity at s = t. */
static ayf_status gaussian_at(void *self, const double *x, const double *t, const double *s, double *out) {
    const ayf_field *field = self;
    for (int i = 0; i < field->batch; i++)
        for (size_t k = (size_t)i * field->size; k < (size_t)(i + 1) * field->size; k++)
            out[k] = x[k] * (s[i] == t[i] ? (t[i] - c * c * (1 - t[i])) / (q(t[i]) * q(t[i]))
                                          : (q(s[i]) / q(t[i]) - 1) / (s[i] - t[i]));
    return AYF_OK;
}

enum { MANY = 200000, SAMPLES = 20 };

/* The variance after every step is q(u)^2, for every gamma: run to each u and look. 200,000 draws of a
 * Gaussian give its variance to 0.32 % (one standard deviation). */
static void test_gamma_marginals(void **state) {
    (void)state;
    static const double gammas[] = {0, 0.3, 0.6, 0.9, 1}, times[] = {1, 0.8, 0.45, 0.1, 0};
    double *x = malloc(MANY * sizeof *x);
    float *noise = malloc(MANY * sizeof *noise);
    uint64_t seeds[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) seeds[i] = (uint64_t)i;
    ayf_field field = {gaussian_at, NULL, SAMPLES, MANY / SAMPLES};
    field.self = &field;
    for (size_t g = 0; g < AYF_COUNT(gammas); g++)
        for (int steps = 1; steps < 5; steps++) {
            ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST}, noise, MANY);
            for (int i = 0; i < MANY; i++) x[i] = noise[i];
            int calls;
            ok(ayf_solver_run(ctx, &field,
                              &(ayf_solver_options){.times = times, .steps = steps, .gamma = gammas[g]}, x,
                              seeds, &calls));
            assert_int_equal(calls, steps);
            double sum = 0, square = 0, u = times[steps], overlap = 0;
            for (int i = 0; i < MANY; i++) sum += x[i], square += x[i] * x[i], overlap += x[i] * noise[i];
            expect_near(sum / MANY, 0, 5 * q(u) / sqrt(MANY));
            expect_near(square / MANY / (q(u) * q(u)), 1, 0.016);
            /* What is left of the first noise: nothing at gamma = 1 once noise was added between. */
            double correlation = overlap / MANY / q(u);
            if (gammas[g] == 0) expect_near(correlation, 1, 0.02);
            if (gammas[g] == 1 && steps == 1) expect_near(correlation, (1 - u) * c / q(u), 0.02);
        }
    free(x);
    free(noise);
}

static ayf_status consistency_at(void *self, const double *x, const double *t, const double *s, double *out) {
    const ayf_field *field = self;
    for (int i = 0; i < field->batch; i++) assert_true(s[i] == 0);
    return gaussian_at(self, x, t, s, out);
}

/* gamma = 1 asks for nothing but jumps to s = 0, so it is how a consistency model is sampled. */
static void test_consistency_sampling(void **state) {
    (void)state;
    double x[3] = {1, -2, 0.25};
    static const uint64_t seeds[] = {1, 2, 3};
    ayf_field field = {consistency_at, NULL, 3, 1};
    field.self = &field;
    int calls;
    ok(ayf_solver_run(ctx, &field, &(ayf_solver_options){.steps = 4, .gamma = 1}, x, seeds, &calls));
    assert_int_equal(calls, 4);
}

/* Every state and the field in it can be had on the way; guided samplers take a strength per sample. */
static void test_record(void **state) {
    (void)state;
    enum { STEPS = 4 };
    double x[2] = {1, -2}, states[(STEPS + 1) * 2], velocities[STEPS * 2];
    ayf_field field = {gaussian_at, NULL, 2, 1};
    field.self = &field;
    for (int method = AYF_METHOD_FLOW_MAP; method <= AYF_METHOD_HEUN; method++) {
        x[0] = 1, x[1] = -2;
        ayf_solver_options how = {
            .method = (ayf_method)method, .steps = STEPS, .states = states, .velocities = velocities};
        ok(ayf_solver_run(ctx, &field, &how, x, NULL, NULL));
        assert_true(states[0] == 1 && states[1] == -2 && states[2 * STEPS] == x[0] &&
                    states[2 * STEPS + 1] == x[1]);
        for (int i = 0; i < 2 * STEPS; i++) {
            double t[2] = {1 - i / 2 / (double)STEPS, 1 - i / 2 / (double)STEPS}, s[2] = {t[0], t[0]},
                   want[2];
            if (method == AYF_METHOD_FLOW_MAP) s[0] = s[1] = t[0] - 1.0 / STEPS;
            ok(gaussian_at(&field, states + i / 2 * 2, t, s, want));
            expect_near(velocities[i], want[i % 2], 1e-12);
            if (method != AYF_METHOD_HEUN)
                expect_near(states[i + 2], states[i] - velocities[i] / STEPS, 1e-12);
        }
    }
}

/* gamma = 0 with the exact map is the exact map in any number of steps. */
static void test_jumps(void **state) {
    (void)state;
    for (int steps = 1; steps <= 16; steps *= 2) {
        double x[3] = {1, -2, 0.25};
        ayf_field field = {gaussian_at, NULL, 3, 1};
        field.self = &field;
        ok(ayf_solver_run(ctx, &field, &(ayf_solver_options){.steps = steps}, x, NULL, NULL));
        expect_near(x[0], c, 1e-12);
        expect_near(x[1], -2 * c, 1e-12);
        expect_near(x[2], 0.25 * c, 1e-12);
    }
}

/* A step with gamma between, by hand: from 1 to u = 1/2 and on to 0. */
static void test_gamma_by_hand(void **state) {
    (void)state;
    double gamma = 0.6, k = 0.8, u = 0.5, x[1] = {1.5}, times[] = {1, 0.5, 0};
    uint64_t seed[] = {77};
    float noise;
    ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_RENOISE, .step = 0, .sample = 77}, &noise, 1);
    double s = k * u / (1 - (1 - k) * u),
           want = ((1 - (1 - k) * u) * 1.5 * q(s) + gamma * u * noise) * c / q(u);
    ayf_field field = {gaussian_at, NULL, 1, 1};
    field.self = &field;
    ok(ayf_solver_run(ctx, &field, &(ayf_solver_options){.times = times, .steps = 2, .gamma = gamma}, x, seed,
                      NULL));
    expect_near(x[0], want, 1e-12);
}

/* ---- Solvers ---- */

static ayf_status ring_at(void *self, const double *x, const double *t, const double *s, double *out) {
    const ayf_field *field = self;
    ayf_mixture ring = ayf_mixture_ring();
    for (int i = 0; i < field->batch; i++) {
        assert_true(t[i] >= 0 && t[i] <= 1 && s[i] == t[i]);
        mixture_velocity(&ring, x + 2 * i, t[i], out + 2 * i);
    }
    return AYF_OK;
}

enum { STARTS = 64 };

/* The starts of the tests, and where they end. The ridges between components are left out: near them a small
 * error decides for another component, and no order of convergence can be seen. */
static void ring_run(ayf_solver_options how, double *x, int *calls) {
    ayf_field field = {ring_at, NULL, STARTS, 2};
    for (int i = 0; i < STARTS; i++) {
        double angle = 0.785398163397448 * (i % 8 + 0.25 * (i / 8 % 2 ? 1 : -1)),
               radius = 0.6 + 0.1 * (i / 8);
        x[2 * i] = radius * cos(angle);
        x[2 * i + 1] = radius * sin(angle);
    }
    field.self = &field;
    ok(ayf_solver_run(ctx, &field, &how, x, NULL, calls));
}

static double rms(const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < 2 * STARTS; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum / (2 * STARTS));
}

static void exact_ring(double *x) {
    ring_run((ayf_solver_options){.method = AYF_METHOD_DORMAND_PRINCE, .steps = 2000}, x, NULL);
}

/* Halving the step divides the error by 2^order. */
static void test_orders(void **state) {
    (void)state;
    static const struct {
        ayf_method method;
        int steps, calls_per_step;
        double order;
    } cases[] = {
        {AYF_METHOD_EULER, 512, 1, 1}, {AYF_METHOD_HEUN, 256, 2, 2}, {AYF_METHOD_DORMAND_PRINCE, 64, 7, 5}};
    double truth[2 * STARTS], coarse[2 * STARTS], fine[2 * STARTS];
    exact_ring(truth);
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_solver_options how = {.method = cases[i].method, .steps = cases[i].steps};
        int calls;
        ring_run(how, coarse, &calls);
        assert_int_equal(calls, cases[i].steps * cases[i].calls_per_step);
        how.steps *= 2;
        ring_run(how, fine, NULL);
        double order = log2(rms(coarse, truth) / rms(fine, truth));
        if (fabs(order - cases[i].order) > 0.15 * cases[i].order)
            fail_msg("method %d: order %.2f, not %.0f (errors %g, %g)", (int)cases[i].method, order,
                     cases[i].order, rms(coarse, truth), rms(fine, truth));
    }
}

static void test_heun_calls(void **state) {
    (void)state;
    double x[2 * STARTS];
    int calls;
    ring_run((ayf_solver_options){.method = AYF_METHOD_HEUN, .steps = 4, .euler_last = true}, x, &calls);
    assert_int_equal(calls, 7);
}

/* The tolerance is kept, and every sample takes the path that it would take alone. */
static void test_adaptive(void **state) {
    (void)state;
    double truth[2 * STARTS], x[2 * STARTS];
    exact_ring(truth);
    static const double tolerances[] = {1e-4, 1e-6, 1e-8};
    for (int k = 0; k < 3; k++) {
        int calls;
        ring_run((ayf_solver_options){.method = AYF_METHOD_REFERENCE, .tolerance = tolerances[k]}, x, &calls);
        if (rms(x, truth) > 5 * tolerances[k])
            fail_msg("tolerance %g: error %g", tolerances[k], rms(x, truth));
        assert_true(calls < 600);
    }
    double together[2 * STARTS];
    ayf_solver_options how = {.method = AYF_METHOD_REFERENCE, .tolerance = AYF_SOLVER_TOLERANCE};
    ring_run(how, together, NULL);
    if (rms(together, truth) > 5e-4) fail_msg("default tolerance: error %g", rms(together, truth));
    ayf_field alone = {ring_at, NULL, 1, 2};
    alone.self = &alone;
    for (int i = 0; i < STARTS; i++) {
        double angle = 0.785398163397448 * (i % 8 + 0.25 * (i / 8 % 2 ? 1 : -1)),
               radius = 0.6 + 0.1 * (i / 8);
        double one[2] = {radius * cos(angle), radius * sin(angle)};
        ok(ayf_solver_run(ctx, &alone, &how, one, NULL, NULL));
        assert_memory_equal(one, together + 2 * i, sizeof one);
    }
}

static ayf_status poison_at(void *self, const double *x, const double *t, const double *s, double *out) {
    (void)self, (void)x, (void)s;
    out[0] = t[0] < 0.7 ? NAN : 1;
    return AYF_OK;
}

static void test_refusals(void **state) {
    (void)state;
    static const double rising[] = {1, 0.5, 0.5, 0}, outside[] = {1.5, 0.5, 0}, bad[] = {1, NAN, 0};
    static const struct {
        ayf_solver_options how;
        const char *message;
    } cases[] = {
        {{.steps = 0}, "steps is 0"},
        {{.steps = -3}, "steps is -3"},
        {{.steps = INT32_MAX}, "from 1 to 100000"},
        {{.steps = 2, .gamma = 1.5}, "gamma is 1.5"},
        {{.steps = 2, .gamma = NAN}, "gamma is"},
        {{.steps = 3, .times = rising}, "time 3 (0.5) is not below"},
        {{.steps = 2, .times = outside}, "time 1 is 1.5"},
        {{.steps = 2, .times = bad}, "time 2 is"},
        {{.method = AYF_METHOD_REFERENCE}, "tolerance is 0"},
        {{.method = AYF_METHOD_REFERENCE, .tolerance = -1, .steps = 2}, "tolerance is -1"},
        {{.method = AYF_METHOD_REFERENCE, .tolerance = NAN}, "tolerance is"},
    };
    ayf_field field = {gaussian_at, NULL, 1, 1};
    field.self = &field;
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        double x = 1;
        uint64_t seed = 1;
        assert_int_equal(ayf_solver_run(ctx, &field, &cases[i].how, &x, &seed, NULL), AYF_E_USAGE);
        expect_message(cases[i].message);
    }
    ayf_field poison = {poison_at, NULL, 1, 1};
    for (int method = AYF_METHOD_FLOW_MAP; method <= AYF_METHOD_REFERENCE; method++) {
        double x = 1;
        ayf_solver_options how = {
            .method = (ayf_method)method, .steps = 4, .tolerance = AYF_SOLVER_TOLERANCE};
        assert_int_equal(ayf_solver_run(ctx, &poison, &how, &x, NULL, NULL), AYF_E_DIVERGED);
    }
}

/* ---- Networks ---- */

/* The network of a closed-form teacher leads where the formula in double does. */
static void test_network_solver(void **state) {
    (void)state;
    ayf_mixture ring = ayf_mixture_ring();
    ayf_velocity velocity = ayf_velocity_mixture(&ring);
    ayf_sampler_spec spec = {.batch = STARTS,
                             .shape = {.height = 1, .width = 1, .channels = 2, .points = true},
                             .teacher = &velocity};
    ayf_backend *backends[] = {ref, cpu};
    static const double tolerances[] = {1e-6, 2e-4};
    for (int b = 0; b < 2; b++) {
        double x[2 * STARTS];
        float values[2 * STARTS];
        int calls, expected;
        ayf_solver_options how = {.method = AYF_METHOD_HEUN, .steps = 16};
        ring_run((ayf_solver_options){.method = AYF_METHOD_EULER,
                                      .times = (const double[]){1, 1 - 1e-9},
                                      .steps = 1},
                 x, NULL);
        for (int i = 0; i < 2 * STARTS; i++) values[i] = (float)x[i];
        ring_run(how, x, &expected);
        ayf_sampler *s;
        spec.backend = backends[b];
        ok(ayf_sampler_new(&spec, &s));
        ok(ayf_sampler_run(s, &how, values, NULL, NULL, &calls));
        assert_int_equal(calls, expected);
        for (int i = 0; i < 2 * STARTS; i++) expect_near(values[i], x[i], tolerances[b]);
        how.method = AYF_METHOD_FLOW_MAP;
        assert_int_equal(ayf_sampler_run(s, &how, values, NULL, NULL, NULL), AYF_E_USAGE);
        expect_message("choose an ODE solver");
        /* There and back in two parts. */
        float again[2 * STARTS];
        how = (ayf_solver_options){
            .method = AYF_METHOD_REFERENCE, .tolerance = 1e-6, .steps = 1, .times = (const double[]){1, 0.4}};
        memcpy(again, values, sizeof again);
        ok(ayf_sampler_integrate(s, &how, again, NULL));
        how.times = (const double[]){0.4, 0};
        ok(ayf_sampler_integrate(s, &how, again, NULL));
        how.times = NULL;
        ok(ayf_sampler_run(s, &how, values, NULL, NULL, NULL));
        for (int i = 0; i < 2 * STARTS; i++) expect_near(again[i], values[i], 1e-4);
        ayf_sampler_free(s);
    }
}

/* ---- Setting up ---- */

static int end(void **state) {
    (void)state;
    return end_of(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gamma_marginals),
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_consistency_sampling),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_gamma_by_hand),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_heun_calls),
        cmocka_unit_test(test_adaptive),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_network_solver),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
