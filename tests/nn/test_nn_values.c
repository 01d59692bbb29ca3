/* Networks and optimiser in numbers, on the reference backend in double precision: closed forms, plain loops
 * and finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ad/ad.h"
#include "backend/ref/ref.h"
#include "base/rng.h"
#include "exec/program.h"
#include "ir/build.h"
#include "flow/map.h"
#include "nn/network.h"
#include "nn/optim.h"

static ayf_context *ctx;
static ayf_backend *ref;

static void ok(ayf_status status) {
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static ayf_model_spec spec_of(const char *const *settings) {
    ayf_model_spec spec = ayf_model_spec_default();
    for (; *settings; settings += 2) ok(ayf_model_spec_set(ctx, &spec, settings[0], settings[1]));
    return spec;
}
#define SPEC(...) spec_of((const char *const[]){__VA_ARGS__, NULL})
#define SMALL_UNET                                                                                           \
    "img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1",                  \
        "channels_per_head", "8", "label_dim", "3"
#define SMALL_MLP "kind", "mlp", "mlp_hidden", "11", "mlp_layers", "3", "mlp_fourier", "5", "label_dim", "3"

static void random_values(double *out, size_t count, uint64_t index, double scale) {
    float *values = calloc(count, sizeof *values);
    ayf_rng_normal((ayf_rng_key){7, AYF_RNG_TEST, index, 0}, values, count);
    for (size_t i = 0; i < count; i++) out[i] = values[i] * scale;
    free(values);
}

static double *uploaded_random(ayf_program *p, const char *name, size_t count, uint64_t index, double scale) {
    double *values = calloc(count, sizeof *values);
    random_values(values, count, index, scale);
    ok(ayf_program_set_f64(p, name, values, count));
    return values;
}

/* Random values for every parameter, the same for networks that share the name; gains get `gain`. */
static void upload_params(ayf_program *p, const ayf_model_spec *spec, const char *scope, double gain) {
    ayf_params *table;
    ok(ayf_params_new(ctx, spec, &table));
    for (int i = 0; i < table->count; i++) {
        const ayf_param *w = &table->at[i];
        char name[128];
        snprintf(name, sizeof name, "%s%s", scope, w->name);
        double *values = calloc(w->size, sizeof *values);
        random_values(values, w->size, ayf_hash(AYF_HASH_START, w->name, strlen(w->name)), 0.5);
        bool gap_or_guidance = strstr(w->name, "gap") != NULL || strstr(w->name, "guidance") != NULL;
        bool extra = gap_or_guidance && (w->role == AYF_PARAM_GAIN || w->role == AYF_PARAM_PLAIN);
        for (size_t k = 0; k < w->size; k++) values[k] *= extra ? gain : 1;
        ok(ayf_program_set_f64(p, name, values, w->size));
        free(values);
    }
    ayf_params_free(table);
}

static ayf_shape sample_shape(const ayf_model_spec *spec, int batch) {
    return spec->kind == AYF_MODEL_MLP
               ? AYF_SHAPE(batch, spec->mlp_dim)
               : AYF_SHAPE(batch, spec->img_resolution, spec->img_resolution, spec->img_channels);
}

/* The leaves x, t, s, guidance, onehot, then F under `scope`. */
static ayf_id velocity(ayf_graph *g, const ayf_model_spec *spec, int batch, const char *scope) {
    ayf_scope(g, "%s", "");
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", sample_shape(spec, batch));
    ayf_id t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(batch)),
           s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(batch));
    ayf_id lambda = ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(batch));
    ayf_id onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(batch, spec->label_dim));
    ayf_params *table;
    ok(ayf_params_new(ctx, spec, &table));
    ayf_scope(g, "%s", scope);
    ayf_id f = ayf_flow_velocity(g, table, AYF_STORE_STATE, x, (ayf_condition){t, s, lambda, onehot});
    ayf_scope(g, "%s", "");
    ayf_params_free(table);
    return f;
}

static const double times[] = {0.3, 0.9}, targets[] = {0.1, 0.2}, strengths[] = {1.5, 2.5},
                    classes[] = {0, 1, 0, 0, 0, 1};

static void upload_conditions(ayf_program *p) {
    ok(ayf_program_set_f64(p, "t", times, 2));
    ok(ayf_program_set_f64(p, "s", targets, 2));
    ok(ayf_program_set_f64(p, "guidance", strengths, 2));
    ok(ayf_program_set_f64(p, "onehot", classes, 6));
}

static double distance(const double *a, const double *b, size_t count) { /* relative */
    double error = 0, norm = 0;
    for (size_t i = 0; i < count; i++) error += (a[i] - b[i]) * (a[i] - b[i]), norm += b[i] * b[i];
    return sqrt(error / norm);
}

/* U = 0: the preconditioning alone is the velocity of data N(0, I), x (2t-1)/q^2. */
static void test_velocity_precond(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(SMALL_UNET, "precond", "velocity");
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_output(g, "F", velocity(g, &spec, 2, ""));
    ayf_program *p;
    ok(ayf_compile(ref, g, NULL, &p));
    upload_params(p, &spec, "", 1);
    ok(ayf_program_set_f64(p, "unet.out_gain", (double[]){0}, 1));
    upload_conditions(p);
    size_t count = 2 * 8 * 8 * 3;
    double *x = uploaded_random(p, "x", count, 1, 1), *f = calloc(count, sizeof *f);
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "F", f, count));
    for (size_t i = 0; i < count; i++) {
        double t = times[i / (count / 2)], expected = x[i] * (2 * t - 1) / (t * t + (1 - t) * (1 - t));
        assert_true(fabs(f[i] - expected) < 1e-12);
    }
    free(x);
    free(f);
    ayf_program_free(p);
}

/* The values of F at x, for a network of one mean. */
static void values_of(const ayf_model_spec *spec, const double *x, size_t count, double *out) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_output(g, "F", velocity(g, spec, 2, ""));
    ayf_program *p;
    ok(ayf_compile(ref, g, NULL, &p));
    upload_params(p, spec, "", 1);
    upload_conditions(p);
    ok(ayf_program_set_f64(p, "x", x, count));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "F", out, count));
    ayf_program_free(p);
}

/* The same weights with a mean m: F(x,t,s) = F'(x - (1-t) m, t, s) - m. The jump is then that of the centred data,
 * moved back: f(x,t,s) = f'(x - (1-t) m, t, s) + (1-s) m. */
static void test_velocity_of_centred_data(void **state) {
    (void)state;
    enum { COUNT = 2 * 8 * 8 * 3 };
    const double mean = 0.875;
    ayf_model_spec plain = SPEC(SMALL_UNET, "is_student", "true"), centred = plain;
    centred.data_mean = mean;
    double x[COUNT], moved[COUNT], want[COUNT], got[COUNT];
    random_values(x, COUNT, 5, 1);
    for (int i = 0; i < COUNT; i++) moved[i] = x[i] - (1 - times[i / (COUNT / 2)]) * mean;
    values_of(&plain, moved, COUNT, want);
    values_of(&centred, x, COUNT, got);
    for (int i = 0; i < COUNT; i++) {
        double t = times[i / (COUNT / 2)], s = targets[i / (COUNT / 2)];
        assert_true(fabs(got[i] - (want[i] - mean)) < 1e-12);
        assert_true(fabs(x[i] + (s - t) * got[i] - (moved[i] + (s - t) * want[i] + (1 - s) * mean)) < 1e-12);
    }
}

/* A student whose extra gains (or weights) are 0 is its teacher for every s and guidance; otherwise it is
 * not. */
static void test_student_starts_as_teacher(void **state) {
    (void)state;
    ayf_model_spec students[] = {SPEC(SMALL_UNET, "is_student", "true"),
                                 SPEC(SMALL_MLP, "is_student", "true"),
                                 SPEC(SMALL_UNET, "is_student", "true", "precond", "velocity")};
    for (size_t i = 0; i < AYF_COUNT(students); i++) {
        ayf_model_spec teacher = students[i];
        teacher.is_student = false;
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_output(g, "student", velocity(g, &students[i], 2, "student."));
        ayf_output(g, "teacher", velocity(g, &teacher, 2, "teacher."));
        ayf_program *p;
        ok(ayf_compile(ref, g, NULL, &p));
        upload_conditions(p);
        upload_params(p, &teacher, "teacher.", 1);
        size_t count = students[i].kind == AYF_MODEL_MLP ? 4 : 2 * 8 * 8 * 3;
        double *x = uploaded_random(p, "x", count, 2, 1), *a = calloc(count, sizeof *a),
               *b = calloc(count, sizeof *b);
        for (int gain = 0; gain < 2; gain++) {
            upload_params(p, &students[i], "student.", gain);
            ok(ayf_program_run(p));
            ok(ayf_program_get_f64(p, "student", a, count));
            ok(ayf_program_get_f64(p, "teacher", b, count));
            double apart = distance(a, b, count);
            if (gain ? !(apart > 1e-3) : !(apart < 1e-12))
                fail_msg("network %zu, gain %d: %g", i, gain, apart);
        }
        free(x);
        free(a);
        free(b);
        ayf_program_free(p);
    }
}

/* A student whose decoder sees s is its teacher where s = t, and only there. */
static void test_split_student(void **state) {
    (void)state;
    ayf_model_spec student = SPEC(SMALL_UNET, "is_student", "true", "time_split", "true"),
                   teacher = SPEC(SMALL_UNET);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_output(g, "student", velocity(g, &student, 2, "student."));
    ayf_output(g, "teacher", velocity(g, &teacher, 2, "teacher."));
    ayf_program *p;
    ok(ayf_compile(ref, g, NULL, &p));
    upload_conditions(p);
    upload_params(p, &teacher, "teacher.", 1);
    upload_params(p, &student, "student.", 1);
    ok(ayf_program_set_f64(p, "student.unet.emb_guidance_gain", (double[]){0}, 1));
    enum { COUNT = 2 * 8 * 8 * 3 };
    double *x = uploaded_random(p, "x", COUNT, 2, 1), a[COUNT], b[COUNT];
    for (int same = 0; same < 2; same++) {
        ok(ayf_program_set_f64(p, "s", same ? times : targets, 2));
        ok(ayf_program_run(p));
        ok(ayf_program_get_f64(p, "student", a, COUNT));
        ok(ayf_program_get_f64(p, "teacher", b, COUNT));
        double apart = distance(a, b, COUNT);
        if (same ? !(apart < 1e-12) : !(apart > 1e-3)) fail_msg("s = t: %d, apart %g", same, apart);
    }
    free(x);
    ayf_program_free(p);
}

/* dF/dt along (v,1,0) includes the gap t-s: against a central difference. */
static void test_student_tangent(void **state) {
    (void)state;
    ayf_model_spec specs[] = {SPEC(SMALL_UNET, "is_student", "true", "precond", "velocity"),
                              SPEC(SMALL_MLP, "is_student", "true"),
                              SPEC(SMALL_UNET, "is_student", "true", "time_split", "true"),
                              SPEC(SMALL_UNET, "is_student", "true", "time_label", "logsnr"),
                              SPEC(SMALL_MLP, "is_student", "true", "time_label", "logsnr")};
    for (size_t i = 0; i < AYF_COUNT(specs); i++) {
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id f = velocity(g, &specs[i], 2, ""), df;
        ayf_id x = g->leaf[ayf_leaf_find(g, "x")].id, t = g->leaf[ayf_leaf_find(g, "t")].id;
        ayf_id v = ayf_leaf(g, AYF_STORE_INPUT, "v", sample_shape(&specs[i], 2));
        ayf_jvp(g, 2, (ayf_id[]){x, t}, (ayf_id[]){v, ayf_full(g, AYF_SHAPE(2), 1)}, 1, &f, &df);
        ayf_output(g, "F", f);
        ayf_output(g, "dF", df);
        ayf_program *p;
        ok(ayf_compile(ref, g, NULL, &p));
        upload_params(p, &specs[i], "", 1);
        upload_conditions(p);
        size_t count = specs[i].kind == AYF_MODEL_MLP ? 4 : 2 * 8 * 8 * 3;
        double *x0 = uploaded_random(p, "x", count, 3, 1), *v0 = uploaded_random(p, "v", count, 4, 1);
        double *exact = calloc(count, sizeof *exact), *side[2], h = 1e-5;
        ok(ayf_program_run(p));
        ok(ayf_program_get_f64(p, "dF", exact, count));
        for (int k = 0; k < 2; k++) {
            double step = k ? h : -h, *moved = calloc(count, sizeof *moved);
            side[k] = calloc(count, sizeof **side);
            for (size_t j = 0; j < count; j++) moved[j] = x0[j] + step * v0[j];
            ok(ayf_program_set_f64(p, "x", moved, count));
            ok(ayf_program_set_f64(p, "t", (double[]){times[0] + step, times[1] + step}, 2));
            ok(ayf_program_run(p));
            ok(ayf_program_get_f64(p, "F", side[k], count));
            free(moved);
        }
        for (size_t j = 0; j < count; j++) side[1][j] = (side[1][j] - side[0][j]) / (2 * h);
        double apart = distance(side[1], exact, count);
        if (!(apart < 1e-6)) fail_msg("network %zu: tangent is %g off", i, apart);
        free(side[0]);
        free(side[1]);
        free(exact);
        free(x0);
        free(v0);
        ayf_program_free(p);
    }
}

/* ---- The MLP in plain loops ---- */

static void accumulate(ayf_program *p, const char *name, const double *in, int n, double *out, int rows) {
    double *w = calloc((size_t)(n * rows), sizeof *w);
    random_values(w, (size_t)(n * rows), ayf_hash(AYF_HASH_START, name, strlen(name)), 0.5);
    ok(ayf_program_set_f64(p, name, w, (size_t)(n * rows)));
    for (int o = 0; o < rows; o++)
        for (int i = 0; i < n; i++) out[o] += w[o * n + i] * in[i];
    free(w);
}

static void add_features(ayf_program *p, const char *prefix, double value, const char *weight, double *out) {
    char name[64];
    double freqs[5], phases[5], features[5];
    snprintf(name, sizeof name, "%s.freqs", prefix);
    random_values(freqs, 5, ayf_hash(AYF_HASH_START, name, strlen(name)), 0.5);
    snprintf(name, sizeof name, "%s.phases", prefix);
    random_values(phases, 5, ayf_hash(AYF_HASH_START, name, strlen(name)), 0.5);
    for (int i = 0; i < 5; i++) features[i] = sqrt(2) * cos(value * freqs[i] + phases[i]);
    accumulate(p, weight, features, 5, out, 11);
}

static void silu(double *values, int count) {
    for (int i = 0; i < count; i++) values[i] /= 1 + exp(-values[i]);
}

static void test_mlp(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(SMALL_MLP, "is_student", "true");
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_output(g, "F", velocity(g, &spec, 2, ""));
    ayf_program *p;
    ok(ayf_compile(ref, g, NULL, &p));
    upload_params(p, &spec, "", 1);
    upload_conditions(p);
    double *x = uploaded_random(p, "x", 4, 5, 1), out[4], one = 1;
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, "F", out, 4));
    for (int n = 0; n < 2; n++) {
        double t = times[n], q = sqrt(t * t + (1 - t) * (1 - t)), h[3][11] = {{0}}, u[2] = {0};
        accumulate(p, "mlp.in_x.weight", (double[]){x[2 * n] / q, x[2 * n + 1] / q}, 2, h[0], 11);
        add_features(p, "mlp.fourier", t, "mlp.in_noise.weight", h[0]);
        add_features(p, "mlp.gap_fourier", t - targets[n], "mlp.in_gap.weight", h[0]);
        add_features(p, "mlp.guidance_fourier", strengths[n], "mlp.in_guidance.weight", h[0]);
        accumulate(p, "mlp.in_label.weight", classes + 3 * n, 3, h[0], 11);
        accumulate(p, "mlp.in.bias", &one, 1, h[0], 11);
        silu(h[0], 11);
        accumulate(p, "mlp.hidden1.weight", h[0], 11, h[1], 11);
        accumulate(p, "mlp.hidden1.bias", &one, 1, h[1], 11);
        silu(h[1], 11);
        accumulate(p, "mlp.hidden2.weight", h[1], 11, h[2], 11);
        accumulate(p, "mlp.hidden2.bias", &one, 1, h[2], 11);
        silu(h[2], 11);
        accumulate(p, "mlp.out.weight", h[2], 11, u, 2);
        accumulate(p, "mlp.out.bias", &one, 1, u, 2);
        for (int i = 0; i < 2; i++) assert_true(fabs(out[2 * n + i] + u[i] / q) < 1e-12);
    }
    free(x);
    ayf_program_free(p);
}

/* ---- Adam in plain loops ---- */

typedef struct model_state {
    double w[6], m[6], v[6], ema[6];
} model_state;

static void plain_step(model_state *s, const double *grad, double scale, int rows, double lr,
                       const ayf_optim_options *o, uint64_t step, double decay) {
    double c1 = 1 - pow(o->beta1, (double)step + 1), c2 = 1 - pow(o->beta2, (double)step + 1);
    for (int i = 0; i < 6; i++) {
        double d = grad[i] * scale;
        s->m[i] = o->beta1 * s->m[i] + (1 - o->beta1) * d;
        s->v[i] = o->beta2 * s->v[i] + (1 - o->beta2) * d * d;
        s->w[i] -= lr * (s->m[i] / c1) / (sqrt(s->v[i] / c2) + o->eps);
    }
    for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int i = 0; i < 3; i++) sum += s->w[3 * r + i] * s->w[3 * r + i];
        for (int i = 0; i < 3; i++) s->w[3 * r + i] /= 1e-4 + sqrt(sum / 3);
    }
    for (int i = 0; i < 6; i++) s->ema[i] = decay * s->ema[i] + (1 - decay) * s->w[i];
}

static void test_adam(void **state) {
    (void)state;
    ayf_param list[] = {{.name = "a", .role = AYF_PARAM_WEIGHT, .shape = AYF_SHAPE(2, 3), .size = 6},
                        {.name = "b", .role = AYF_PARAM_PLAIN, .shape = AYF_SHAPE(2, 3), .size = 6}};
    ayf_params params = {.ctx = ctx, .at = list, .count = 2};
    const ayf_optim_options cases[] = {
        {.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .clip = 1e9, .ema = true},
        {.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .clip = 0.7, .ema = true},
        {.clip = 1e9, .ema = true}, /* no memory and no eps: the sign of the gradient */
    };
    for (size_t c = 0; c < AYF_COUNT(cases); c++) {
        const ayf_optim_options *o = &cases[c];
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id grad[2] = {ayf_leaf(g, AYF_STORE_INPUT, "ga", AYF_SHAPE(2, 3)),
                          ayf_leaf(g, AYF_STORE_INPUT, "gb", AYF_SHAPE(2, 3))};
        ayf_optim_nodes nodes;
        ok(ayf_optim_emit(g, &params, grad, o, &nodes));
        ayf_output(g, "norm", nodes.grad_norm);
        ayf_program *p;
        ok(ayf_compile(ref, g, NULL, &p));
        model_state s[2];
        memset(s, 0, sizeof s);
        ayf_buffer *kept[2][4];
        for (int i = 0; i < 2; i++) {
            random_values(s[i].w, 6, (uint64_t)(20 + i), 1);
            memcpy(s[i].ema, s[i].w, sizeof s[i].w);
            static const char *const prefix[] = {"", "adam.m.", "adam.v.", "ema."};
            for (int k = 0; k < 4; k++) {
                char name[32];
                float start[6];
                for (int j = 0; j < 6; j++) start[j] = k % 3 == 0 ? (float)s[i].w[j] : 0;
                snprintf(name, sizeof name, "%s%s", prefix[k], i ? "b" : "a");
                ok(ayf_buffer_new(ref, 6, &kept[i][k]));
                ok(ayf_buffer_set(kept[i][k], start));
                ok(ayf_program_bind(p, name, kept[i][k]));
            }
        }
        for (uint64_t step = 0; step < 3; step++) {
            double gradient[2][6], norm = 0, decay = ayf_ema_decay(0.5, step);
            for (int i = 0; i < 2; i++) {
                random_values(gradient[i], 6, 30 + 2 * step + (uint64_t)i, 1);
                ok(ayf_program_set_f64(p, i ? "gb" : "ga", gradient[i], 6));
                for (int j = 0; j < 6; j++) norm += gradient[i][j] * gradient[i][j];
            }
            float step_size, v_scale;
            ayf_adam_scalars(0.1, o->beta1, o->beta2, step, &step_size, &v_scale);
            ok(ayf_program_set(p, "opt.step_size", &step_size, 1));
            ok(ayf_program_set(p, "opt.v_scale", &v_scale, 1));
            ok(ayf_program_set_f64(p, "opt.ema_decay", &decay, 1));
            ok(ayf_program_run(p));
            double reported;
            ok(ayf_program_get_f64(p, "norm", &reported, 1));
            assert_true(fabs(reported - sqrt(norm)) < 1e-9);
            for (int i = 0; i < 2; i++)
                plain_step(&s[i], gradient[i], fmin(1, o->clip / sqrt(norm)), i == 0 ? 2 : 0, 0.1, o, step,
                           decay);
        }
        for (int i = 0; i < 2; i++) {
            const double *expected[] = {s[i].w, s[i].m, s[i].v, s[i].ema};
            for (int k = 0; k < 4; k++) {
                float values[6];
                ok(ayf_buffer_get(kept[i][k], values));
                for (int j = 0; j < 6; j++)
                    if (!(fabs(values[j] - expected[k][j]) < 1e-5 * (1 + fabs(expected[k][j]))))
                        fail_msg("parameter %d, state %d: %g is not %g", i, k, (double)values[j],
                                 expected[k][j]);
            }
        }
        ayf_program_free(p);
        for (int i = 0; i < 8; i++) ayf_buffer_free(kept[i / 4][i % 4]);
    }
}

int main(void) {
    ctx = ayf_open(NULL);
    if (!ctx || ayf_ref_open(ctx, &ref) != AYF_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_velocity_precond),
        cmocka_unit_test(test_velocity_of_centred_data),
        cmocka_unit_test(test_student_starts_as_teacher),
        cmocka_unit_test(test_split_student),
        cmocka_unit_test(test_student_tangent),
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_adam),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ayf_backend_close(ref);
    ayf_close(ctx);
    return failed;
}
