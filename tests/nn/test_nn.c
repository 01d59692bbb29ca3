/* Networks: the parameter table against golden files and closed counts, layouts, graphs of many shapes,
 * Adam's schedules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "io/safetensors.h"
#include "ir/build.h"
#include "flow/map.h"
#include "nn/network.h"
#include "nn/optim.h"
#include "verify.h"
#include "spec_equal.h"

static ayf_context *ctx;

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static ayf_model_spec spec_of(const char *const *settings) { /* key, value, ..., NULL */
    ayf_model_spec spec = ayf_model_spec_default();
    for (; *settings; settings += 2)
        if (ayf_model_spec_set(ctx, &spec, settings[0], settings[1]) != AYF_OK)
            fail_msg("%s", ayf_error(ctx));
    return spec;
}
#define SPEC(...) spec_of((const char *const[]){__VA_ARGS__, NULL})

/* ---- The spec ---- */

static void test_spec_text(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC("kind", "mlp", "precond", "velocity", "is_student", "true", "channel_mult",
                               "[1, 3, 5]", "attn_resolutions", "", "res_balance", "0.1", "resample_filter",
                               "1, 3.5,3.5,1"),
                   copy = ayf_model_spec_default();
    assert_int_equal(spec.kind, AYF_MODEL_MLP);
    assert_int_equal(spec.precond, AYF_PRECOND_VELOCITY);
    assert_true(spec.is_student);
    assert_int_equal(spec.channel_mult.count, 3);
    assert_int_equal(spec.channel_mult.at[2], 5);
    assert_int_equal(spec.attn_resolutions.count, 0);
    assert_true(spec.resample_filter.at[1] == 3.5);
    assert_false(spec_equal(&spec, &copy));
    for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
        char text[AYF_FIELD_SIZE];
        ayf_model_spec_get(&spec, i, text, sizeof text);
        assert_int_equal(ayf_model_spec_set(ctx, &copy, ayf_model_spec_key(i), text), AYF_OK);
    }
    assert_true(spec_equal(&spec, &copy));
}

static void test_spec_errors(void **state) {
    (void)state;
    static const char *const bad[][3] = {
        {"chanel_mult", "1", "did you mean 'channel_mult'"},
        {"num_blocks", "two", "num_blocks must be a whole number, not \"two\""},
        {"num_blocks", "1.5", "must be a whole number, not \"1.5\""},
        {"num_blocks", "", "must be a whole number, not \"\""},
        {"num_blocks", "99", "num_blocks = 99 is out of range; it must be from 1 to 16"},
        {"num_blocks", "1e400", "must be a whole number"},
        {"res_balance", "nan", "res_balance must be a number, not \"nan\""},
        {"res_balance", "-1", "res_balance = -1 is out of range; it must be from 0 to 1"},
        {"is_student", "yes", "is_student must be true or false, not \"yes\""},
        {"kind", "resnet", "kind must be one of unet, mlp, discriminator, features, inception"},
        {"precond", "velocty", "did you mean \"velocity\""},
        {"channel_mult", "1,2,", "channel_mult must be a list of whole numbers; \"\" is not one"},
        {"channel_mult", "1,,2", "\"\" is not one"},
        {"channel_mult", "1,2,3,4,5,6,7,8,9", "channel_mult has more than 8 elements"},
        {"channel_mult", "1,0", "channel_mult: the element 0 is out of range; it must be from 1 to 64"},
    };
    ayf_model_spec spec = ayf_model_spec_default(), before = spec;
    for (size_t i = 0; i < AYF_COUNT(bad); i++) {
        assert_int_equal(ayf_model_spec_set(ctx, &spec, bad[i][0], bad[i][1]), AYF_E_CONFIG);
        expect_message(bad[i][2]);
        assert_true(spec_equal(&spec, &before));
    }
    static const char *const together[][3] = {
        {"img_resolution", "30", "a resolution of 30 cannot be halved 2 times; use a multiple of 4"},
        {"channel_mult", "", "model.multipliers is empty"},
        {"channels_per_head", "48", "128 channels at resolution 16 cannot be split"},
        {"model_channels", "50", NULL},
        {"resample_filter", "1", "resample_filter must have an even number of taps"},
        {"resample_filter", "1,-1", "resample_filter must have an even number of taps"},
        {"resample_filter", "1,2,1", "resample_filter must have an even number of taps"},
    };
    for (size_t i = 0; i < AYF_COUNT(together); i++) {
        spec = SPEC(together[i][0], together[i][1]);
        if (i == 2) spec.model_channels = 64, spec.channels_per_head = 40;
        assert_int_equal(ayf_network_check(ctx, &spec), together[i][2] ? AYF_E_CONFIG : AYF_OK);
        if (together[i][2]) expect_message(together[i][2]);
    }
    spec = before;
    spec.num_blocks = -3; /* set past the text */
    ayf_params *p;
    assert_int_equal(ayf_params_new(ctx, &spec, &p), AYF_E_CONFIG);
    assert_null(p);
    expect_message("num_blocks = -3 is out of range");
}

/* ---- The table ---- */

static ayf_params *table(const ayf_model_spec *spec) {
    ayf_params *p;
    if (ayf_params_new(ctx, spec, &p) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return p;
}

static void test_counts(void **state) {
    (void)state;
    static const struct { /* totals from the architecture's formulas, computed apart from this code */
        const char *const set[18];
        size_t trained;
    } cases[] = {
        {{NULL}, 7077846},
        {{"label_dim", "10", "is_student", "true", NULL}, 7095512},
        {{"img_resolution", "28", "img_channels", "1", "label_dim", "10", "model_channels", "24",
          "channel_mult", "1,3", "num_blocks", "1", "attn_resolutions", "14", "channels_per_head", "8", NULL},
         830819},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_model_spec spec = spec_of(cases[i].set);
        ayf_params *p = table(&spec);
        assert_int_equal(ayf_params_trained(p), cases[i].trained);
        ayf_params_free(p);
    }
}

static void json_setting(ayf_model_spec *spec, const char *key, const json_t *value) {
    char text[200] = "";
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), i ? ",%lld" : "%lld",
                     (long long)json_integer_value(json_array_get(value, i)));
    } else if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    } else {
        snprintf(text, sizeof text, "%g", json_number_value(value));
    }
    if (ayf_model_spec_set(ctx, spec, key, text) != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static ayf_model_spec golden_spec(const char *config, bool student) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.is_student = student;
    json_t *json = json_loads(config, 0, NULL);
    assert_non_null(json);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) json_setting(&spec, key, value);
    json_decref(json);
    return spec;
}

/* Every tensor below `prefix` is in the table under "unet."-names with the file's shape, and none is missing.
 */
static void compare_table(const ayf_st *st, const char *prefix, const char *add, const ayf_model_spec *spec) {
    ayf_params *p = table(spec);
    int seen = 0;
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *t = ayf_st_at(st, i);
        if (strncmp(t->name, prefix, strlen(prefix)) != 0) continue;
        char name[128];
        snprintf(name, sizeof name, "%s%s", add, t->name + strlen(prefix));
        const ayf_param *w = ayf_params_find(p, name);
        if (!w) fail_msg("%s is not in the table", name);
        if (!ayf_param_fits(w, t->rank, t->shape)) fail_msg("%s has another shape in the table", name);
        seen++;
    }
    assert_int_equal(seen, p->count);
    ayf_params_free(p);
}

static bool golden_path(const char *file, char *path, size_t size) {
    const char *folder = getenv("AYF_GOLDEN"), *root = getenv("AYF_SOURCE_ROOT");
    if (folder)
        snprintf(path, size, "%s/%s", folder, file);
    else
        snprintf(path, size, "%s/../shared/golden/%s", root ? root : ".", file);
    FILE *f = fopen(path, "rb");
    if (f) fclose(f);
    return f != NULL;
}

static void test_golden_names(void **state) {
    (void)state;
    static const char *const files[] = {"edm2_class_32.safetensors", "edm2_uncond_16.safetensors",
                                        "ayf_emd_class_16.safetensors", "ayf_emd_uncond_8.safetensors"};
    for (size_t i = 0; i < AYF_COUNT(files); i++) {
        char path[1024];
        if (!golden_path(files[i], path, sizeof path)) {
            print_message("no golden files (AYF_GOLDEN): skipped\n");
            skip();
        }
        ayf_st *st;
        if (ayf_st_open(ctx, path, &st) != AYF_OK) fail_msg("%s", ayf_error(ctx));
        const char *config = ayf_st_meta(st, "config"), *weak = ayf_st_meta(st, "weak_config");
        ayf_model_spec spec = golden_spec(config, false);
        if (strcmp(ayf_st_meta(st, "kind"), "edm2_unet") == 0) {
            compare_table(st, "param.", "unet.", &spec);
        } else {
            compare_table(st, "teacher.", "", &spec);
            spec.is_student = true;
            compare_table(st, "student.", "", &spec);
            if (weak) {
                spec = golden_spec(weak, false);
                compare_table(st, "weak.", "", &spec);
            }
        }
        ayf_st_close(st);
    }
}

static void test_layouts(void **state) {
    (void)state;
    ayf_model_spec spec =
        SPEC("img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1",
             "channels_per_head", "8", "label_dim", "3", "is_student", "true");
    ayf_params *p = table(&spec);
    bool conv = false, qkv = false;
    for (int i = 0; i < p->count; i++) {
        const ayf_param *w = &p->at[i];
        float *file = calloc(w->size, sizeof *file), *graph = calloc(w->size, sizeof *graph),
              *back = calloc(w->size, sizeof *back);
        for (size_t k = 0; k < w->size; k++) file[k] = (float)k;
        ayf_param_import(w, file, graph);
        ayf_param_export(w, graph, back);
        assert_memory_equal(file, back, w->size * sizeof *file);
        size_t in = (size_t)w->shape.dim[w->shape.rank - 1];
        if (w->layout == AYF_LAYOUT_CONV) { /* graph (o, ky, kx, i) is file (o, i, ky, kx) */
            size_t channels = (size_t)w->file_shape[1], o = 1, ky = 2, kx = 1, c = channels - 1;
            assert_true(graph[o * in + (ky * 3 + kx) * channels + c] ==
                        (float)(((o * channels + c) * 3 + ky) * 3 + kx));
            conv = true;
        }
        if (w->layout == AYF_LAYOUT_QKV &&
            w->heads == 2) { /* graph row (which, head, c) is file (head, c, which) */
            size_t which = 1, head = 1, c = 3, row = (which * 2 + head) * 8 + c,
                   file_row = (head * 8 + c) * 3 + which;
            assert_true(graph[row * in] == (float)(file_row * in));
            qkv = true;
        }
        free(file);
        free(graph);
        free(back);
    }
    assert_true(conv && qkv);
    ayf_params_free(p);
}

static void test_init(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC("is_student", "true", "bandwidth_gap", "0.125");
    ayf_params *p = table(&spec);
    const ayf_param *w = ayf_params_find(p, "unet.enc.16x16_block0.conv_res0.weight");
    const ayf_param *other = ayf_params_find(p, "unet.enc.16x16_block0.conv_res1.weight");
    float *a = calloc(w->size, sizeof *a), *b = calloc(w->size, sizeof *b);
    ayf_param_init(w, 1, a);
    ayf_param_init(w, 1, b);
    assert_memory_equal(a, b, w->size * sizeof *a);
    double sum = 0;
    for (int k = 0; k < w->shape.dim[1]; k++) sum += (double)a[k] * a[k];
    assert_true(fabs(sqrt(sum / w->shape.dim[1]) - 1) < 1.1e-4);
    assert_int_equal(other->size, w->size);
    ayf_param_init(other, 1, b);
    assert_true(memcmp(a, b, w->size * sizeof *a) != 0);
    ayf_param_init(w, 2, b);
    assert_true(memcmp(a, b, w->size * sizeof *a) != 0);
    free(a);
    free(b);
    float values[64];
    const ayf_param *freqs = ayf_params_find(p, "unet.emb_gap_fourier.freqs");
    assert_int_equal(freqs->size, 64);
    ayf_param_init(freqs, 3, values);
    double variance = 0;
    for (int i = 0; i < 64; i++) variance += (double)values[i] * values[i] / 64;
    assert_true(sqrt(variance) > 0.5 && sqrt(variance) < 1.1); /* 2 pi / 8 = 0.785 */
    ayf_param_init(ayf_params_find(p, "unet.emb_gap_fourier.phases"), 3, values);
    float low = 10, high = -10;
    for (int i = 0; i < 64; i++) low = fminf(low, values[i]), high = fmaxf(high, values[i]);
    assert_true(low >= 0 && low < 1 && high > 5 && high <= 6.2832f);
    ayf_param_init(ayf_params_find(p, "unet.out_gain"), 3, values);
    assert_true(values[0] == 0);
    ayf_params_free(p);
}

/* ---- Graphs ---- */

static ayf_id flow_graph(ayf_graph *g, const ayf_model_spec *spec, int batch) {
    ayf_id x =
        spec->kind == AYF_MODEL_MLP
            ? ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(batch, spec->mlp_dim))
            : ayf_leaf(g, AYF_STORE_INPUT, "x",
                       AYF_SHAPE(batch, spec->img_resolution, spec->img_resolution, spec->img_channels));
    ayf_id t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(batch)),
           s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(batch));
    ayf_id lambda = ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(batch)), onehot = 0;
    if (spec->label_dim) onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(batch, spec->label_dim));
    ayf_params *params;
    ayf_status status = ayf_params_new(g->ctx, spec, &params);
    if (status != AYF_OK) return ayf_graph_fail(g, status, "%s", ayf_error(g->ctx));
    ayf_scope(g, "net.");
    ayf_id f = ayf_flow_velocity(g, params, AYF_STORE_STATE, x, (ayf_condition){t, s, lambda, onehot});
    ayf_params_free(params);
    if (f) assert_true(ayf_same_shape(g, f, x));
    return f;
}

static const char *const configs[][18] = {
    {NULL},
    {"is_student", "true", "precond", "velocity", "label_dim", "7", NULL},
    {"img_resolution", "12", "model_channels", "5", "channel_mult", "3,1,2", "num_blocks", "1",
     "attn_resolutions", "", "channels_per_head", "5", "clip_act", "0", NULL},
    {"img_resolution", "1", "img_channels", "2", "channel_mult", "1", "attn_resolutions", "1",
     "channels_per_head", "16", "label_dim", "1", NULL},
    {"channel_mult_noise", "2", "channel_mult_emb", "3", "resample_filter", "1,3,3,1", "is_student", "true",
     NULL},
    {"model_channels", "8", "label_balance", "1", "concat_balance", "0", "res_balance", "1", "label_dim", "4",
     NULL},
    {"is_student", "true", "time_split", "true", "label_dim", "4", NULL},
    {"kind", "mlp", NULL},
    {"kind", "mlp", "is_student", "true", "mlp_dim", "3", "mlp_layers", "1", "label_dim", "2", NULL},
    {"kind", "mlp", "precond", "velocity", "mlp_hidden", "7", NULL},
};

static void test_graphs(void **state) {
    (void)state;
    for (size_t i = 0; i < AYF_COUNT(configs); i++) {
        ayf_model_spec spec = spec_of(configs[i]);
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id f = flow_graph(g, &spec, 2);
        if (!f || ayf_graph_check(g) != AYF_OK) fail_msg("config %zu: %s", i, ayf_error(ctx));
        assert_int_equal(test_verify(g), AYF_OK);
        uint32_t leaves = g->leaf_count, inputs = 4 + (spec.label_dim > 0);
        ayf_params *p = table(&spec);
        assert_string_equal(p->at[p->output_layer].name,
                            spec.kind == AYF_MODEL_MLP ? "mlp.out.weight" : "unet.out_conv.weight");
        assert_int_equal(leaves - inputs, p->count); /* the network uses all of its table and nothing else */
        for (int k = 0; k < p->count; k++) {
            ayf_param_leaf(g, &p->at[k], AYF_STORE_STATE);
            char name[128];
            snprintf(name, sizeof name, "net.%s", p->at[k].name);
            assert_true(ayf_leaf_find(g, name) >= 0);
        }
        assert_int_equal(ayf_graph_check(g), AYF_OK);
        assert_int_equal(g->leaf_count, leaves);
        ayf_params_free(p);
        ayf_graph_free(g);
    }
}

static void test_wrong_roles(void **state) {
    (void)state;
    ayf_model_spec teacher = SPEC("kind", "mlp", "label_dim", "2"),
                   student = SPEC("kind", "mlp", "is_student", "true");
    static const struct {
        bool student;
        int used; /* bits: t, s, guidance, onehot, onehot of a wrong size */
        const char *message;
    } cases[] = {
        {false, 1 | 8, NULL},
        {true, 1 | 2 | 4, NULL},
        {false, 8, "needs x and a time"},
        {true, 1, "a student"},
        {true, 1 | 2, "a student"},
        {false, 1 | 2 | 8, "a teacher"},
        {false, 1, "needs class labels"},
        {true, 15, "takes no class labels"},
        {false, 1 | 16, "shape (N, label_dim)"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 1, 1, 2));
        ayf_id t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(4));
        ayf_id s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(4));
        ayf_id onehot = ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(4, cases[i].used & 16 ? 3 : 2));
        int used = cases[i].used;
        ayf_condition condition = {.t = used & 1 ? t : 0,
                                   .s = used & 2 ? s : 0,
                                   .guidance = used & 4 ? s : 0,
                                   .onehot = used & 24 ? onehot : 0};
        ayf_params *p = table(cases[i].student ? &student : &teacher);
        ayf_id out = ayf_network(g, p, AYF_STORE_PARAM, x, condition);
        ayf_params_free(p);
        assert_int_equal(ayf_graph_check(g), cases[i].message ? AYF_E_USAGE : AYF_OK);
        assert_int_equal(out != 0, cases[i].message == NULL);
        if (cases[i].message) expect_message(cases[i].message);
        ayf_graph_free(g);
    }
}

/* ---- The optimiser ---- */

static void test_optimiser_graph(void **state) {
    (void)state;
    ayf_model_spec spec =
        SPEC("img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1");
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_params *p = table(&spec);
    ayf_id *grad = calloc((size_t)p->count, sizeof *grad);
    uint32_t trained = 0;
    for (int i = 0; i < p->count; i++) {
        if (p->at[i].role == AYF_PARAM_BUFFER || i == p->count - 1) continue;
        grad[i] = ayf_full(g, p->at[i].shape, 0.5);
        trained++;
    }
    ayf_scope(g, "student.");
    ayf_optim_nodes nodes;
    assert_int_equal(ayf_optim_emit(g, p, grad, &(ayf_optim_options){.clip = 1, .ema = true}, &nodes),
                     AYF_OK);
    assert_int_equal(g->leaf_count, 3 + 4 * trained);
    assert_true(nodes.grad_norm && nodes.ema_decay && nodes.step_size && nodes.v_scale);
    assert_true(ayf_leaf_find(g, "student.adam.v.unet.out_conv.weight") >= 0);
    assert_true(ayf_leaf_find(g, "student.ema.unet.out_conv.weight") >= 0);
    assert_int_equal(ayf_leaf_find(g, "student.unet.out_gain"), -1); /* had no gradient */
    for (uint32_t i = 0; i < g->leaf_count; i++)
        assert_int_equal(g->leaf[i].update != 0, g->leaf[i].storage == AYF_STORE_STATE);
    assert_int_equal(test_verify(g), AYF_OK);
    free(grad);
    ayf_params_free(p);
    ayf_graph_free(g);
}

static void close_to(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.9g is not %.9g", value, expected);
}

static void test_schedules(void **state) {
    (void)state;
    ayf_lr_schedule constant = {.base = 0.01, .warmup = 4};
    close_to(ayf_lr_at(&constant, 0), 0.0025, 1e-12);
    close_to(ayf_lr_at(&constant, 3), 0.01, 1e-12);
    close_to(ayf_lr_at(&constant, 1000), 0.01, 1e-12);
    ayf_lr_schedule cosine = {AYF_LR_COSINE, .base = 2, .warmup = 10, .total = 110, .final = 0.1};
    close_to(ayf_lr_at(&cosine, 4), 1, 1e-12);
    close_to(ayf_lr_at(&cosine, 10), 2, 1e-12);
    close_to(ayf_lr_at(&cosine, 60), 1.1, 1e-12);
    close_to(ayf_lr_at(&cosine, 35), 2 * (0.1 + 0.9 * 0.8535533906), 1e-9);
    close_to(ayf_lr_at(&cosine, 110), 0.2, 1e-12);
    close_to(ayf_lr_at(&cosine, 500), 0.2, 1e-12);
    ayf_lr_schedule root = {AYF_LR_INVERSE_SQRT, .base = 3, .decay_at = 100};
    close_to(ayf_lr_at(&root, 0), 3, 1e-12);
    close_to(ayf_lr_at(&root, 100), 3, 1e-12);
    close_to(ayf_lr_at(&root, 900), 1, 1e-12);
    close_to(ayf_ema_decay(0.999, 0), 0.1, 1e-12);
    close_to(ayf_ema_decay(0.999, 90), 0.91, 1e-12);
    close_to(ayf_ema_decay(0.999, 1000000), 0.999, 1e-12);
    close_to(ayf_ema_gamma(0.05), 16.97, 0.005); /* arXiv 2312.02696 */
    close_to(ayf_ema_gamma(0.10), 6.94, 0.005);
    close_to(ayf_ema_power(6.94, 0), 0, 0);
    close_to(ayf_ema_power(1, 3), 0.5625, 1e-12); /* (3/4)^2 */
    float step_size, v_scale;
    ayf_optim_options usual = ayf_optim_default();
    ayf_adam_scalars(0.01, usual.beta1, usual.beta2, 0, &step_size, &v_scale);
    close_to(step_size, 0.1, 1e-7);
    close_to(v_scale, 31.6227766, 1e-5);
    ayf_adam_scalars(0.01, 0, 0.99, 1, &step_size, &v_scale);
    close_to(step_size, 0.01, 1e-8);
    close_to(v_scale, 1 / sqrt(1 - 0.9801), 1e-5);
    ayf_adam_scalars(0.01, 0, 0, 0, &step_size, &v_scale); /* zero means zero */
    close_to(step_size, 0.01, 1e-8);
    close_to(v_scale, 1, 0);
}

/* ---- Memory
 * ----------------------------------------------------------------------------------------------------------
 */

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

static void test_no_memory(void **state) {
    (void)state;
    ayf_model_spec spec =
        SPEC("img_resolution", "8", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1",
             "channels_per_head", "8", "label_dim", "3", "is_student", "true");
    long needed = -1;
    for (long limit = 1; needed < 0; limit++) {
        allowed = 2;
        ayf_context *small = ayf_open(&(ayf_options){.alloc = limited});
        assert_non_null(small);
        allowed = limit;
        ayf_graph *g = ayf_graph_new(small);
        if (!g) {
            assert_int_equal(ayf_last_status(small), AYF_E_MEMORY);
        } else {
            ayf_id f = flow_graph(g, &spec, 1);
            if (f)
                needed = limit;
            else
                assert_int_equal(ayf_graph_check(g), AYF_E_MEMORY);
            ayf_graph_free(g);
        }
        ayf_close(small);
    }
    assert_true(needed > 20);
}

int main(void) {
    ctx = ayf_open(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_text),       cmocka_unit_test(test_spec_errors),
        cmocka_unit_test(test_counts),          cmocka_unit_test(test_golden_names),
        cmocka_unit_test(test_layouts),         cmocka_unit_test(test_init),
        cmocka_unit_test(test_graphs),          cmocka_unit_test(test_wrong_roles),
        cmocka_unit_test(test_optimiser_graph), cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_no_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ayf_close(ctx);
    return failed;
}
