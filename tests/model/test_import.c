/* Networks of EDM2 as models: their velocities and samples are those of EDM2's own formulas (tests/fixtures/edm2.py),
 * their tensors stay as they are, and what is no such network is refused. */
#include "model_context.h"

#include "ayf/model.h"
#include "base/number.h"
#include "flow/inputs.h"
#include "foreign.h"
#include "io/file.h"
#include "ir/build.h"
#include "model/file.h"
#include "sample/sampler.h"

static const char *const files[] = {"net", "weak", "changed", "model", "x"};
static int end(void **state) {
    (void)state;
    return end_of(files, AYF_COUNT(files));
}

static char *fixture(const char *name) { return foreign_path("edm2", name); }

/* A tensor of the fixture; pictures are turned from (N,C,H,W) to (N,H,W,C). The caller frees it. */
static double *numbers(const ayf_st *st, const char *name) {
    const ayf_st_tensor *tensor = ayf_st_find(st, name);
    assert_non_null(tensor);
    double *raw = malloc(tensor->count * sizeof *raw), *out = malloc(tensor->count * sizeof *out);
    memcpy(raw, tensor->data, tensor->count * sizeof *raw);
    for (size_t i = 0; i < tensor->count; i++) {
        if (tensor->rank != 4) {
            out[i] = raw[i];
            continue;
        }
        size_t c = (size_t)tensor->shape[1], p = (size_t)(tensor->shape[2] * tensor->shape[3]);
        out[(i / (c * p) * p + i % p) * c + i / p % c] = raw[i];
    }
    free(raw);
    return out;
}

enum { BATCH = 20, CLASSES = 3, VALUES = 8 * 8 * 3, NOISES = 3 };

typedef struct pair {
    ayf_weights *net, *weak;
    ayf_network_teacher network;
} pair;

static pair open_pair(ayf_backend *backend, bool guided) {
    static const char *const names[] = {"net", "weak"};
    pair p = {0};
    for (int i = 0; i < 2; i++) {
        ayf_model_card card;
        ok(ayf_model_import(ctx, fixture(names[i]), NULL, path_of(names[i]), NULL));
        ok(ayf_model_read_flow(backend, path_of(names[i]), i ? &p.weak : &p.net, &card));
        assert_int_equal(card.role, AYF_MODEL_ROLE_TEACHER);
        assert_true(card.sigma_data == 0.5);
        ayf_model_card_free(ctx, &card);
    }
    p.network = (ayf_network_teacher){.params = p.net->params, .guided = guided, .weak = p.weak->params};
    return p;
}

static void close_pair(pair *p) {
    ayf_weights_free(p->net);
    ayf_weights_free(p->weak);
}

/* The largest difference of the velocities from (x - D(x/(1-t); sigma))/t, both ends and t beyond EDM2's schedule
 * included. */
static double error_of_velocities(ayf_backend *backend, bool guided) {
    ayf_st *st = open_foreign("edm2", "expected");
    pair p = open_pair(backend, guided);
    ayf_velocity velocity = ayf_velocity_network(&p.network);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_condition condition = {.t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(BATCH)),
                               .onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(BATCH, CLASSES))};
    if (guided) condition.guidance = ayf_full(g, AYF_SHAPE(BATCH), 1.7);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(BATCH, 8, 8, 3));
    ayf_output(g, "v", velocity.emit(g, &velocity, x, condition));
    ayf_program *program;
    ok(ayf_compile(backend, g, NULL, &program));
    ok(ayf_weights_bind(p.net, program, AYF_SCOPE_TEACHER));
    if (guided) ok(ayf_weights_bind(p.weak, program, AYF_SCOPE_WEAK));
    double *xs = numbers(st, "x"), *ts = numbers(st, "t"), *want = numbers(st, guided ? "v_guided" : "v"),
           onehot[BATCH * CLASSES] = {0}, got[BATCH * VALUES], worst = 0;
    int64_t labels[BATCH];
    ok(ayf_st_read_i64(st, "label", labels, BATCH));
    for (int i = 0; i < BATCH; i++) onehot[i * CLASSES + labels[i]] = 1;
    ok(ayf_program_set_f64(program, "x", xs, BATCH * VALUES));
    ok(ayf_program_set_f64(program, "t", ts, BATCH));
    ok(ayf_program_set_f64(program, "onehot", onehot, BATCH * CLASSES));
    ok(ayf_program_run(program));
    ok(ayf_program_get_f64(program, "v", got, BATCH * VALUES));
    for (int i = 0; i < BATCH * VALUES; i++) worst = fmax(worst, fabs(got[i] - want[i]));
    double *owned[] = {xs, ts, want};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) free(owned[i]);
    ayf_program_free(program);
    close_pair(&p);
    ayf_st_close(st);
    return worst;
}

static void test_velocities(void **state) {
    (void)state;
    for (int guided = 0; guided < 2; guided++) {
        /* The ends of the fixture are 1e-9 away from 0 and 1. */
        double in_64_bits = error_of_velocities(ref, guided), in_32_bits = error_of_velocities(cpu, guided);
        print_message("velocities, guided %d: %.2g in 64 bits, %.2g in 32\n", guided, in_64_bits, in_32_bits);
        assert_true(in_64_bits < 1e-6);
        assert_true(in_32_bits < 1e-4);
    }
}

/* Largest difference of samples from the same noise. */
static double error_of_samples(const char *from, const char *to, const ayf_solver_options *how) {
    ayf_st *st = open_foreign("edm2", "expected");
    pair p = open_pair(cpu, false);
    ayf_velocity velocity = ayf_velocity_network(&p.network);
    ayf_sampler *sampler;
    ok(ayf_sampler_new(&(ayf_sampler_spec){.backend = cpu,
                                           .precision = AYF_PRECISION_HIGHEST,
                                           .batch = NOISES,
                                           .shape = ayf_model_shape(&p.net->spec),
                                           .teacher = &velocity,
                                           .teacher_weights = p.net},
                       &sampler));
    double *start = numbers(st, from), *want = numbers(st, to), worst = 0;
    float x[NOISES * VALUES];
    int labels[NOISES] = {0, 1, 2};
    for (int i = 0; i < NOISES * VALUES; i++) x[i] = (float)start[i];
    ok(ayf_sampler_integrate(sampler, how, x, labels));
    for (int i = 0; i < NOISES * VALUES; i++) worst = fmax(worst, fabs((double)x[i] - want[i]));
    free(start);
    free(want);
    ayf_sampler_free(sampler);
    close_pair(&p);
    ayf_st_close(st);
    return worst;
}

static void test_samples(void **state) {
    (void)state;
    double heun =
        error_of_samples("noise", "heun", &(ayf_solver_options){.method = AYF_METHOD_HEUN, .steps = 32});
    /* Another variable, another grid and another solver follow the same trajectories. */
    const double times[] = {80 / 80.5, 0};
    double edm = error_of_samples(
        "start", "edm",
        &(ayf_solver_options){
            .method = AYF_METHOD_REFERENCE, .times = times, .steps = 1, .guidance = 1, .tolerance = 1e-6});
    print_message("samples: Heun in t %.2g, EDM's sampler %.2g\n", heun, edm);
    assert_true(heun < 1e-3);
    assert_true(edm < 1e-3);
}

/* ---- Files ---- */

static void test_tensors(void **state) {
    (void)state;
    ayf_st *from, *to;
    size_t dropped = 0;
    ok(ayf_model_import(ctx, fixture("net"), NULL, path_of("model"), NULL));
    ok(ayf_st_open(ctx, fixture("net"), &from));
    ok(ayf_st_open(ctx, path_of("model"), &to));
    for (size_t i = 0; i < ayf_st_count(from); i++) {
        const ayf_st_tensor *a = ayf_st_at(from, i), *b = ayf_st_find(to, a->name);
        if (strncmp(a->name, "logvar_", 7) == 0) {
            dropped++;
            continue;
        }
        assert_true(a->dtype == AYF_ST_F16 && b->dtype == AYF_ST_F16 && a->rank == b->rank &&
                    a->count == b->count);
        assert_memory_equal(a->data, b->data, a->count * 2);
    }
    assert_int_equal(dropped, 3);
    assert_int_equal(ayf_st_count(to), ayf_st_count(from) - dropped);
    assert_int_equal(ayf_st_find(to, "unet.out_gain")->rank, 0);
    static const char *const said[][2] = {
        {"model.img_resolution", "8"}, {"model.channel_mult", "1,2"},  {"model.attn_resolutions", "4"},
        {"model.num_blocks", "1"},     {"model.label_dim", "3"},       {"model.channels_per_head", "8"},
        {"model.precond", "velocity"}, {"model.time_label", "logsnr"}, {"data", "img64.zip"}};
    for (size_t i = 0; i < AYF_COUNT(said); i++) assert_string_equal(ayf_st_meta(to, said[i][0]), said[i][1]);
    ayf_st_close(from);
    ayf_st_close(to);
}

/* One change of a file. */
typedef struct change {
    const char *leave_out, *add, *misshape, *as_list; /* names of tensors */
    const char *meta_key, *meta_value;
    const char *spoil; /* its first value becomes an infinity */
    bool no_meta, no_prefix, in_32_bits;
} change;

static ayf_status import_changed(change how, const ayf_import_options *options) {
    ayf_st *st;
    ayf_st_writer *w;
    ok(ayf_st_open(ctx, fixture("net"), &st));
    ok(ayf_st_write_begin(ctx, &w));
    float *wide[200] = {0};
    uint16_t spoilt[20000];
    const char *key, *value;
    for (size_t i = 0; !how.no_meta && i < ayf_st_meta_count(st); i++) {
        ayf_st_meta_at(st, i, &key, &value);
        if (!how.meta_key || strcmp(key, how.meta_key) != 0) ok(ayf_st_write_meta(w, key, value));
    }
    if (how.meta_key) ok(ayf_st_write_meta(w, how.meta_key, how.meta_value));
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *t = ayf_st_at(st, i);
        const char *name = how.no_prefix && strncmp(t->name, "unet.", 5) == 0 ? t->name + 5 : t->name;
        int64_t shape[AYF_ST_MAX_RANK];
        int rank = t->rank;
        const void *data = t->data;
        if (how.leave_out && strcmp(t->name, how.leave_out) == 0) continue;
        memcpy(shape, t->shape, sizeof shape);
        if (how.misshape && strcmp(t->name, how.misshape) == 0) shape[0] /= 2, shape[1] *= 2;
        if (how.as_list && strcmp(t->name, how.as_list) == 0) rank = 1, shape[0] = 1;
        if (how.spoil && strcmp(t->name, how.spoil) == 0) {
            memcpy(spoilt, t->data, t->count * 2);
            spoilt[0] = 0x7c00;
            data = spoilt;
        }
        if (how.in_32_bits) {
            wide[i] = malloc(t->count * sizeof(float));
            ok(ayf_st_read_f32(st, t->name, wide[i], t->count));
            data = wide[i];
        }
        ok(ayf_st_write_tensor(w, name, how.in_32_bits ? AYF_ST_F32 : AYF_ST_F16, rank, shape, data));
    }
    uint16_t zero[4] = {0};
    if (how.add) ok(ayf_st_write_tensor(w, how.add, AYF_ST_F16, 1, (int64_t[]){4}, zero));
    ok(ayf_st_write_end(w, path_of("changed")));
    for (size_t i = 0; i < AYF_COUNT(wide); i++) free(wide[i]);
    ayf_st_close(st);
    unlink(path_of("model"));
    return ayf_model_import(ctx, path_of("changed"), options, path_of("model"), NULL);
}

static void expect_model(change how, const ayf_import_options *options, double sigma, int heads) {
    ayf_model_card card;
    ayf_model_spec spec;
    ok(import_changed(how, options));
    ok(ayf_model_read_card(ctx, path_of("model"), &spec, &card));
    assert_true(card.sigma_data == sigma && spec.time_sigma == sigma);
    assert_int_equal(spec.channels_per_head, heads);
    ayf_model_card_free(ctx, &card);
    ayf_weights *w;
    ok(ayf_model_read_flow(cpu, path_of("model"), &w, &card));
    ayf_model_card_free(ctx, &card);
    ayf_weights_free(w);
}

static void test_forms(void **state) {
    (void)state;
    expect_model((change){.as_list = "unet.out_gain"}, NULL, 0.5, 8);
    expect_model((change){.in_32_bits = true}, NULL, 0.5, 8);
    expect_model((change){.no_prefix = true}, NULL, 0.5, 8);
    expect_model((change){.leave_out = "logvar_linear.weight"}, NULL, 0.5, 8);
    assert_int_equal(import_changed((change){.no_meta = true}, NULL), AYF_E_FORMAT);
    expect_message("a block of 16 channels has attention, so there are not 64 channels per head");
    expect_model((change){.no_meta = true},
                 &(ayf_import_options){.sigma_data = 0.25, .channels_per_head = 16}, 0.25, 16);
    expect_model((change){.meta_key = "edm2.sigma_data", .meta_value = "0.7"}, NULL, 0.7, 8);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        change how;
        const char *message;
    } cases[] = {
        {{.leave_out = "unet.dec.4x4_in1.conv_res1.weight"},
         "no tensor \"unet.dec.4x4_in1.conv_res1.weight\""},
        {{.leave_out = "unet.out_conv.weight"}, "it has no tensor 'unet.out_conv.weight'; ayf import reads"},
        {{.leave_out = "unet.enc.8x8_conv.weight"},
         "'unet.enc.RxR_conv.weight', whose name tells the resolution"},
        {{.leave_out = "unet.emb_noise.weight"}, "'unet.emb_noise.weight'"},
        {{.add = "unet.enc.8x8_block7.emb_gain"},
         "tensor 'unet.enc.8x8_block7.emb_gain' belongs to no network"},
        {{.add = "model.map_noise"}, "tensor 'model.map_noise' belongs to no network"},
        {{.misshape = "unet.dec.8x8_block0.conv_res0.weight"},
         "the shape [4,48,3,3], but the network of the other tensors needs [8,"},
        {{.misshape = "unet.enc.4x4_block0.attn_qkv.weight"},
         "'unet.enc.4x4_block0.attn_qkv.weight' has the shape [24,32,1,1]"},
        {{.misshape = "unet.emb_label.weight"}, "'unet.emb_label.weight'"},
        {{.spoil = "unet.out_conv.weight"}, "unet.out_conv.weight"},
        {{.meta_key = "edm2.sigma_data", .meta_value = "-1"}, "'edm2.sigma_data': '-1'"},
        {{.meta_key = "edm2.res_balance", .meta_value = "7"}, "edm2.res_balance"},
        {{.meta_key = "encoder.class_name", .meta_value = "StabilityVAEEncoder"},
         "draws latents of 3 channels, but its VAE has a scale for 4 and a bias for 4"},
        {{.meta_key = "encoder.class_name", .meta_value = "OtherEncoder"},
         "what an encoder 'OtherEncoder' makes"},
        {{.meta_key = "format", .meta_value = "ayf-model"}, "is a model of ayf already"},
        {{.meta_key = "producer", .meta_value = "ayf 1.0"}, "was written by ayf export"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        assert_int_equal(import_changed(cases[i].how, NULL), AYF_E_FORMAT);
        expect_message(cases[i].message);
        assert_int_equal(access(path_of("model"), F_OK), -1);
    }
    assert_int_equal(import_changed((change){0}, &(ayf_import_options){.channels_per_head = 3}), AYF_E_USAGE);
    expect_message("attention heads");
}

/* Wherever a file ends, it is refused. */
static void test_truncated(void **state) {
    (void)state;
    void *bytes;
    size_t size;
    ok(ayf_file_read(ctx, fixture("weak"), 0, &bytes, &size));
    for (size_t part = 0; part < 16; part++) {
        ok(ayf_file_write(ctx, path_of("changed"), bytes, size * part / 16));
        assert_int_equal(ayf_model_import(ctx, path_of("changed"), NULL, path_of("x"), NULL), AYF_E_FORMAT);
        assert_int_equal(access(path_of("x"), F_OK), -1);
    }
    ayf_free(ctx, bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_velocities), cmocka_unit_test(test_samples),  cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_forms),      cmocka_unit_test(test_refusals), cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
