/* The StyleGAN2 discriminator: against reference numbers of another implementation (data/discriminator.py),
 * its R1 penalty against finite differences in double precision, the two backends, and what must hold of the
 * minibatch standard deviation and of the start values. */
#include "model_context.h"

#include "ad/ad.h"
#include "flow/gradients.h"
#include "ayf.h"
#include "base/rng.h"
#include "io/safetensors.h"
#include "ir/build.h"
#include "nn/network.h"
#include "nn/sg2.h"

#define D "kind", "discriminator"
#define SMALL D, "img_resolution", "8", "img_channels", "2", "channel_base", "40", "channel_max", "6"

/* ---- A program with everything that is differentiated ---- */

enum { MOST = 96, LARGEST = 1 << 17 }; /* parameters of a network, values of one */

static ayf_params *table(const ayf_model_spec *spec) {
    ayf_params *params;
    ok(ayf_params_new(ctx, spec, &params));
    return params;
}

/* Outputs: "logits" (N), "penalty" = mean |grad_x D|^2 / 2, "gradient" = grad_x sum(logits), and per
 * parameter "first.<name>" = d sum(logits), "second.<name>" = d penalty. */
static ayf_program *differentiated(ayf_backend *backend, const ayf_model_spec *spec, int batch) {
    ayf_params *params = table(spec);
    ayf_graph *g = ayf_graph_new(ctx);
    int size = spec->img_resolution;
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(batch, size, size, spec->img_channels)), gradient;
    ayf_id onehot =
        spec->label_dim ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(batch, spec->label_dim)) : 0;
    ayf_id logits = ayf_sg2_discriminator(g, params, AYF_STORE_STATE, x, onehot), ones;
    ones = ayf_const_like(g, logits, 1);
    ayf_vjp(g, 1, &logits, &ones, 1, &x, &gradient);
    ayf_id penalty = ayf_mulc(g, ayf_sum_all(g, ayf_square(g, gradient)), 0.5 / batch);
    ayf_id first[MOST] = {0}, second[MOST] = {0};
    assert_true(params->count <= MOST);
    ayf_gradients(g, params, "", logits, ones, first);
    ayf_gradients(g, params, "", penalty, ayf_const(g, 1), second);
    ayf_output(g, "logits", logits);
    ayf_output(g, "penalty", penalty);
    ayf_output(g, "gradient", gradient);
    for (int i = 0; i < params->count; i++) {
        char name[128];
        if (params->at[i].role == AYF_PARAM_BUFFER) continue;
        snprintf(name, sizeof name, "first.%s", params->at[i].name);
        ayf_output(g, name, first[i]);
        snprintf(name, sizeof name, "second.%s", params->at[i].name);
        ayf_output(g, name, second[i]);
    }
    ayf_program *p;
    ok(ayf_compile(backend, g, NULL, &p));
    ayf_params_free(params);
    return p;
}

static void random_values(float *out, size_t count, uint64_t sample) {
    ayf_rng_normal((ayf_rng_key){.seed = 5, .purpose = AYF_RNG_TEST, .sample = sample}, out, count);
}

/* The start values, but with biases. */
static void start_of(const ayf_param *w, float *values) {
    ayf_param_init(w, 3, values);
    if (w->init == AYF_INIT_ZERO)
        random_values(values, w->size, ayf_hash(AYF_HASH_START, w->name, strlen(w->name)));
}

static void fill(ayf_program *p, const ayf_model_spec *spec, int batch) {
    static float values[LARGEST];
    size_t pixels = (size_t)(batch * spec->img_resolution * spec->img_resolution * spec->img_channels);
    ayf_params *params = table(spec);
    for (int i = 0; i < params->count; i++) {
        const ayf_param *w = &params->at[i];
        if (w->role == AYF_PARAM_BUFFER) continue;
        start_of(w, values);
        ok(ayf_program_set(p, w->name, values, w->size));
    }
    ayf_params_free(params);
    random_values(values, pixels, 1);
    ok(ayf_program_set(p, "x", values, pixels));
    for (int i = 0; i < batch * spec->label_dim; i++)
        values[i] = i % spec->label_dim == i / spec->label_dim % 3;
    if (spec->label_dim) ok(ayf_program_set(p, "onehot", values, (size_t)(batch * spec->label_dim)));
}

static void fetch(ayf_program *p, const char *prefix, const char *name, double *out, size_t count) {
    char output[128];
    snprintf(output, sizeof output, "%s%s", prefix, name);
    ok(ayf_program_get_f64(p, output, out, count));
}

/* ---- Against another implementation ---- */

static void print(void *user, const char *line) {
    (void)user;
    print_message("%s\n", line);
}

static void test_reference(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/discriminator", getenv("AYF_SOURCE_ROOT"));
    ok(ayf_golden(ctx, path, print, NULL));
}

/* plain_16 with the values of one tensor scaled. */
static void write_damaged(const char *name, float factor) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/discriminator/plain_16.safetensors",
             getenv("AYF_SOURCE_ROOT"));
    ayf_st *st;
    ayf_st_writer *writer;
    ok(ayf_st_open(ctx, path, &st));
    ok(ayf_st_write_begin(ctx, &writer));
    for (size_t i = 0; i < ayf_st_meta_count(st); i++) {
        const char *key, *value;
        ayf_st_meta_at(st, i, &key, &value);
        ok(ayf_st_write_meta(writer, key, value));
    }
    float *copy = NULL;
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *t = ayf_st_at(st, i);
        const void *data = t->data;
        if (strcmp(t->name, name) == 0) {
            data = copy = calloc(t->count, sizeof *copy);
            ok(ayf_st_read_f32(st, name, copy, t->count));
            for (size_t k = 0; k < t->count; k++) copy[k] *= factor;
        }
        ok(ayf_st_write_tensor(writer, t->name, t->dtype, t->rank, t->shape, data));
    }
    assert_non_null(copy);
    ok(ayf_st_write_end(writer, path_of("damaged.safetensors")));
    free(copy);
    ayf_st_close(st);
}

static void test_reference_can_fail(void **state) {
    (void)state;
    static const struct {
        const char *tensor;
        ayf_status status;
        const char *message;
    } cases[] = {
        {"out.logits", AYF_E_CHECK, "differ from the reference"},
        {"out.r1", AYF_E_CHECK, "differ from the reference"},
        {"out.r1_grad.b16.conv0.weight", AYF_E_CHECK, "differ from the reference"},
        {"out.r1_grad.b16.fromrgb.bias", AYF_E_CHECK, "differ from the reference"},
        {"out.grad.b4.fc.weight", AYF_E_CHECK, "differ from the reference"},
        {"param.b16.skip.resample_filter", AYF_E_FORMAT, "is not the filter [1,3,3,1]"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        write_damaged(cases[i].tensor, 1.001f);
        assert_int_equal(ayf_golden(ctx, folder, print, NULL), cases[i].status);
        expect_message(cases[i].message);
    }
    /* One gradient that is infinite excuses none of the others. */
    write_damaged("out.grad.b4.fc.weight", INFINITY);
    assert_int_equal(ayf_golden(ctx, folder, print, NULL), AYF_E_FORMAT);
    expect_message("out.grad.b4.fc.weight");
}

/* ---- Against finite differences ---- */

enum { FD_BATCH = 8, FD_SIZE = 1000 };

/* sum(logits) or the penalty with the parameter at `at` + `step` times `direction`. */
static double objective(ayf_program *p, const char *output, const ayf_param *w, const float *at,
                        const float *direction, double step) {
    double moved[FD_SIZE], value[FD_BATCH] = {0}, sum = 0;
    for (size_t i = 0; i < w->size; i++) moved[i] = (double)at[i] + step * (double)direction[i];
    ok(ayf_program_set_f64(p, w->name, moved, w->size));
    ok(ayf_program_run(p));
    ok(ayf_program_get_f64(p, output, value, strcmp(output, "logits") == 0 ? FD_BATCH : 1));
    for (size_t i = 0; i < FD_BATCH; i++) sum += value[i];
    return sum;
}

static void check_direction(ayf_program *p, const ayf_param *w, const char *output, const char *prefix) {
    float at[FD_SIZE], direction[FD_SIZE];
    double gradient[FD_SIZE], slope = 0, terms = 0, h = 1e-6;
    assert_true(w->size <= FD_SIZE);
    start_of(w, at);
    random_values(direction, w->size, w->size);
    objective(p, output, w, at, direction, 0);
    fetch(p, prefix, w->name, gradient, w->size);
    for (size_t k = 0; k < w->size; k++) {
        slope += gradient[k] * (double)direction[k];
        terms += fabs(gradient[k] * (double)direction[k]);
    }
    double up = objective(p, output, w, at, direction, h), down = objective(p, output, w, at, direction, -h);
    double measured = (up - down) / (2 * h);
    if (!(fabs(measured - slope) <= 1e-5 * terms + 1e-8 * (1 + fabs(up))))
        fail_msg("%s along %s: %.12g, finite differences %.12g", output, w->name, slope, measured);
    objective(p, output, w, at, direction, 0);
}

/* The gradients of sum(logits) and of the penalty along a random direction of every parameter, with sign. */
static void test_finite_differences(void **state) {
    (void)state;
    const ayf_model_spec specs[] = {SPEC(SMALL), SPEC(SMALL, "label_dim", "3", "cmap_dim", "5")};
    for (size_t i = 0; i < AYF_COUNT(specs); i++) {
        ayf_params *params;
        ok(ayf_params_new(ctx, &specs[i], &params));
        ayf_program *p = differentiated(ref, &specs[i], FD_BATCH);
        fill(p, &specs[i], FD_BATCH);
        for (int k = 0; k < params->count; k++) {
            if (params->at[k].role == AYF_PARAM_BUFFER) continue;
            check_direction(p, &params->at[k], "logits", "first.");
            check_direction(p, &params->at[k], "penalty", "second.");
        }
        ayf_params_free(params);
        ayf_program_free(p);
    }
}

/* ---- The CPU backend ---- */

static void compare_programs(const ayf_model_spec *spec, int batch) {
    static double want[LARGEST], got[LARGEST];
    ayf_params *params;
    ok(ayf_params_new(ctx, spec, &params));
    ayf_program *p[2] = {differentiated(ref, spec, batch), differentiated(cpu, spec, batch)};
    for (int k = 0; k < 2; k++) {
        fill(p[k], spec, batch);
        ok(ayf_program_run(p[k]));
    }
    size_t pixels = (size_t)(batch * spec->img_resolution * spec->img_resolution * spec->img_channels);
    double largest = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = -3; i < 2 * params->count; i++) {
            const ayf_param *w = i < 0 ? NULL : &params->at[i / 2];
            if (w && w->role == AYF_PARAM_BUFFER) continue;
            const char *prefix = i < 0 ? "" : i % 2 ? "second." : "first.";
            const char *name = w ? w->name : i == -1 ? "gradient" : i == -2 ? "penalty" : "logits";
            size_t count = w ? w->size : i == -1 ? pixels : i == -2 ? 1 : (size_t)batch;
            double error = 0, norm = 0;
            fetch(p[0], prefix, name, want, count);
            fetch(p[1], prefix, name, got, count);
            for (size_t k = 0; k < count; k++) {
                error += (want[k] - got[k]) * (want[k] - got[k]);
                norm += want[k] * want[k];
            }
            largest = fmax(largest, sqrt(norm));
            if (pass && !(sqrt(error) <= 5e-5 * sqrt(norm) + 1e-6 * largest))
                fail_msg("%s%s at %d pixels: relative error %g", prefix, name, spec->img_resolution,
                         sqrt(error / norm));
        }
    for (int k = 0; k < 2; k++) ayf_program_free(p[k]);
    ayf_params_free(params);
}

static void test_backends(void **state) {
    (void)state;
    const ayf_model_spec specs[] = {
        SPEC(SMALL, "label_dim", "3"),
        SPEC(D, "img_resolution", "32", "img_channels", "1", "channel_base", "256", "channel_max", "11"),
        SPEC(D, "img_resolution", "16", "channel_base", "256", "channel_max", "16"),
    };
    for (size_t i = 0; i < AYF_COUNT(specs); i++) compare_programs(&specs[i], i ? 4 : 8);
}

/* ---- Minibatch standard deviation ---- */

/* Six samples in pairs: sample i goes with i + 3, and with no other. */
static void test_groups(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(D, "img_resolution", "4", "img_channels", "1", "channel_base", "32",
                               "mbstd_group_size", "2", "mbstd_num_channels", "2");
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(6, 4, 4, 1));
    ayf_params *params = table(&spec);
    ayf_output(g, "logits", ayf_sg2_discriminator(g, params, AYF_STORE_STATE, x, 0));
    ayf_params_free(params);
    ayf_program *p;
    ok(ayf_compile(cpu, g, NULL, &p));
    fill(p, &spec, 6);
    float values[96], before[6], after[6];
    random_values(values, 96, 1);
    ok(ayf_program_run(p));
    ok(ayf_program_get(p, "logits", before, 6));
    for (int changed = 0; changed < 6; changed++) {
        float kept = values[16 * changed];
        values[16 * changed] += 1;
        ok(ayf_program_set(p, "x", values, 96));
        ok(ayf_program_run(p));
        ok(ayf_program_get(p, "logits", after, 6));
        values[16 * changed] = kept;
        for (int i = 0; i < 6; i++) assert_int_equal(after[i] != before[i], i % 3 == changed % 3);
    }
    ayf_program_free(p);
}

/* ---- Cost ---- */

/* R1 and R2 by reverse over reverse double the arithmetic of a step: three more passes of each kind. */
static void test_cost(void **state) {
    (void)state;
    static const char *const settings[] = {"data.resolution=8"};
    ayf_bench_discriminator_result r;
    ok(ayf_bench_discriminator(
        ctx, &(ayf_bench_options){.batch = 4, .repeats = 1, .settings = settings, .setting_count = 1}, &r));
    assert_int_equal(r.resolution, 8);
    assert_true(r.step_gflop > 0 && r.step_s > 0 && r.parameters > 0);
    assert_true(r.penalised_gflop > 1.9 * r.step_gflop && r.penalised_gflop < 2.1 * r.step_gflop);
}

/* ---- Start values and file layout ---- */

static void test_start(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(D, "img_resolution", "16", "label_dim", "30", "channel_base", "128");
    ayf_params *params;
    ok(ayf_params_new(ctx, &spec, &params));
    static float values[LARGEST];
    static const float filter[] = {1, 3, 3, 1};
    for (int i = 0; i < params->count; i++) {
        const ayf_param *w = &params->at[i];
        double square = 0, sum = 0, scale = strncmp(w->name, "mapping.fc", 10) == 0 ? 100 : 1;
        assert_true(w->size <= LARGEST);
        ayf_param_init(w, 7, values);
        for (size_t k = 0; k < w->size; k++) sum += values[k], square += (double)values[k] * values[k];
        if (strstr(w->name, "resample_filter")) {
            for (int k = 0; k < 16; k++) assert_true(values[k] == filter[k / 4] * filter[k % 4] / 64);
            assert_int_equal(w->role, AYF_PARAM_BUFFER);
            continue;
        }
        assert_int_equal(w->role, AYF_PARAM_PLAIN);
        if (strstr(w->name, ".bias")) {
            assert_true(square == 0);
        } else { /* the mean square of n values has the relative deviation sqrt(2/n), the mean 1/sqrt(n) */
            expect_near(square / (double)w->size, scale * scale,
                        5 * scale * scale * sqrt(2.0 / (double)w->size));
            expect_near(sum / (double)w->size, 0, 5 * scale / sqrt((double)w->size));
        }
    }
    ayf_params_free(params);
}

/* The columns of b4.fc.weight are (C,4,4) in a file and (4,4,C) in the graph. */
static void test_flat_layout(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(SMALL);
    ayf_params *params;
    ok(ayf_params_new(ctx, &spec, &params));
    const ayf_param *w = ayf_params_find(params, "b4.fc.weight");
    enum { C = 6 };
    float file[C * 16 * C], graph[C * 16 * C], back[C * 16 * C];
    assert_int_equal(w->size, AYF_COUNT(file));
    for (int i = 0; i < C * 16 * C; i++) file[i] = (float)i;
    ayf_param_import(w, file, graph);
    for (int o = 0; o < C; o++)
        for (int c = 0; c < C; c++)
            for (int p = 0; p < 16; p++)
                assert_true(graph[(o * 16 + p) * C + c] == file[(o * C + c) * 16 + p]);
    ayf_param_export(w, graph, back);
    assert_memory_equal(file, back, sizeof file);
    ayf_params_free(params);
}

/* ---- Failures ---- */

static void test_refused_specs(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"img_resolution", "24", "takes images of 4, 8, 16, 32, 64 ... pixels a side, not 24"},
        {"img_resolution", "2", "takes images of 4, 8, 16, 32, 64 ... pixels a side, not 2;"},
        {"channel_base", "7", "channel_base = 7 leaves no channel at resolution 8; use at least 8"},
        {"mbstd_num_channels", "4", "mbstd_num_channels = 4 does not divide the 6 channels"},
        {"mbstd_group_size", "-1", "mbstd_group_size = -1 is out of range; it must be from 0 to 65536"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_model_spec spec = SPEC(SMALL);
        ayf_params *params = NULL;
        ayf_status status = ayf_model_spec_set(ctx, &spec, cases[i].key, cases[i].value);
        if (status == AYF_OK) status = ayf_params_new(ctx, &spec, &params);
        assert_int_equal(status, AYF_E_CONFIG);
        assert_null(params);
        expect_message(cases[i].message);
    }
}

static void refuse(const ayf_model_spec *spec, ayf_shape shape, int classes, ayf_status status,
                   const char *message) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", shape);
    ayf_id onehot = classes ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(shape.dim[0], classes)) : 0;
    ayf_params *params = table(spec);
    assert_int_equal(ayf_sg2_discriminator(g, params, AYF_STORE_STATE, x, onehot), 0);
    ayf_params_free(params);
    assert_int_equal(ayf_graph_check(g), status);
    expect_message(message);
    ayf_graph_free(g);
}

static void test_refused_inputs(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(SMALL), conditional = SPEC(SMALL, "label_dim", "3"),
                   unet = SPEC("kind", "unet");
    refuse(&spec, AYF_SHAPE(6, 8, 8, 2), 0, AYF_E_CONFIG, "a batch that is a multiple of 4");
    refuse(&spec, AYF_SHAPE(4, 8, 8, 3), 0, AYF_E_USAGE, "takes images (N,8,8,2)");
    refuse(&spec, AYF_SHAPE(4, 16), 0, AYF_E_USAGE, "takes images (N,8,8,2)");
    refuse(&spec, AYF_SHAPE(4, 8, 8, 2), 3, AYF_E_USAGE, "takes no class labels");
    refuse(&conditional, AYF_SHAPE(4, 8, 8, 2), 0, AYF_E_USAGE, "needs class labels");
    refuse(&conditional, AYF_SHAPE(4, 8, 8, 2), 2, AYF_E_USAGE, "shape (N, label_dim)");
    refuse(&unet, AYF_SHAPE(4, 32, 32, 3), 0, AYF_E_USAGE,
           "kind 'unet' cannot be used as one of kind 'discriminator'");
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 8, 8, 2)), t;
    t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(4));
    ayf_params *params = table(&spec);
    assert_int_equal(ayf_network(g, params, AYF_STORE_STATE, x, (ayf_condition){.t = t}), 0);
    ayf_params_free(params);
    assert_int_equal(ayf_graph_check(g), AYF_E_USAGE);
    expect_message("'discriminator' has no velocity");
    ayf_graph_free(g);
}

static long allowed;
static void *limited(void *user, void *pointer, size_t size) {
    (void)user;
    if (size == 0) {
        free(pointer);
        return NULL;
    }
    if (allowed-- <= 0) return NULL;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

/* Every allocation of table and graph fails once: AYF_E_MEMORY, and nothing leaks (the sanitizer sees). */
static void test_no_memory(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC(SMALL, "label_dim", "3");
    long needed = -1;
    for (long limit = 1; needed < 0; limit++) {
        allowed = 2;
        ayf_context *small = ayf_open(&(ayf_options){.alloc = limited});
        assert_non_null(small);
        allowed = limit;
        ayf_params *params = NULL;
        ayf_graph *g = ayf_graph_new(small);
        if (g && ayf_params_new(small, &spec, &params) != AYF_OK)
            assert_int_equal(ayf_last_status(small), AYF_E_MEMORY);
        if (params) {
            ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 8, 8, 2));
            ayf_id onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(4, 3));
            if (ayf_sg2_discriminator(g, params, AYF_STORE_STATE, x, onehot))
                needed = limit;
            else
                assert_int_equal(ayf_graph_check(g), AYF_E_MEMORY);
        }
        ayf_params_free(params);
        ayf_graph_free(g);
        ayf_close(small);
    }
    assert_true(needed > 20);
}

static int finish(void **state) {
    (void)state;
    static const char *const names[] = {"damaged.safetensors"};
    return end_of(names, AYF_COUNT(names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_reference_can_fail),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_flat_layout),
        cmocka_unit_test(test_refused_specs),
        cmocka_unit_test(test_refused_inputs),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
