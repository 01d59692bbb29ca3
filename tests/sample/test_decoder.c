/* Latents and what a decoder shows of them: against diffusers (tests/fixtures/vae.py) and the numbers of EDM2. */
#include "model_fixture.h"

#include "ayf/latents.h"
#include "foreign.h"

enum { COUNT = 2, SIZE = 4, LATENTS = COUNT * SIZE * SIZE * 4, PICTURES = COUNT * 4 * SIZE * SIZE * 3 };

static const char *const files[] = {"latents", "plain", "three", "decoder", "changed", "x"};
static int end(void **state) {
    (void)state;
    return end_of(files, AYF_COUNT(files));
}

#define NET                                                                                                  \
    "img_resolution", "4", "model_channels", "8", "channel_mult", "1,2", "num_blocks", "1",                  \
        "channels_per_head", "8"
/* Raw latents of mean 5.81 ... and deviation 4.17 ..., of which EDM2 makes data of mean 0 and deviation 0.5. */
#define RAW "latent_mean", "5.81,3.25,0.12,-2.15", "latent_scale", "8.34,9.24,7.42,6.56", "latent_black", "0"

static char *fixture(const char *name) { return foreign_path("vae", name); }

static ayf_decoder *open_decoder(void) {
    ayf_decoder *decoder;
    ok(ayf_decoder_import(ctx, fixture("net"), &(ayf_decoder_options){.groups = 4}, path_of("decoder")));
    ok(ayf_decoder_open(ctx, path_of("decoder"), &decoder));
    return decoder;
}

static void test_units(void **state) {
    (void)state;
    static const double mean[] = {5.81, 3.25, 0.12, -2.15}, deviation[] = {4.17, 4.62, 3.71, 3.28};
    ayf_model *model =
                  make_model("latents", SPEC(NET, "img_channels", "4", RAW), AYF_MODEL_ROLE_TEACHER, 1, 1),
              *plain = make_model("plain", SPEC(NET, "img_channels", "4"), AYF_MODEL_ROLE_TEACHER, 1, 1);
    float latents[LATENTS], pictures[LATENTS];
    int compared = 0, beyond = 0;
    assert_true(ayf_model_describe(model).latents);
    assert_false(ayf_model_describe(plain).latents);
    ok(ayf_model_sample(model, NULL, COUNT, latents, NULL));
    ok(ayf_model_sample(plain, NULL, COUNT, pictures, NULL));
    for (int i = 0; i < LATENTS; i++) {
        double final = (latents[i] - mean[i % 4]) * 0.5 / deviation[i % 4];
        if (fabs(final) > 1) beyond++; /* pictures are clipped */
        if (fabs(final) >= 1) continue;
        expect_near(pictures[i], final, 1e-5);
        compared++;
    }
    print_message("%d latents compared, %d beyond 1\n", compared, beyond);
    assert_true(compared > LATENTS / 4);
    ayf_model_close(model);
    ayf_model_close(plain);
}

/* EDM2's VAE sees pictures in [0,1]. */
static void test_pictures(void **state) {
    (void)state;
    ayf_model *model =
        make_model("latents", SPEC(NET, "img_channels", "4", RAW), AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_decoder *decoder = open_decoder();
    float latents[LATENTS], want[PICTURES], got[PICTURES];
    int height, width, channels, inside = 0;
    ok(ayf_decoder_size(decoder, model, &height, &width, &channels));
    assert_true(height == 2 * SIZE && width == 2 * SIZE && channels == 3);
    ayf_st *expected = open_foreign("vae", "expected");
    read_maps(expected, "latents", latents, LATENTS, 4, SIZE * SIZE);
    read_maps(expected, "pictures", want, PICTURES, 3, 4 * SIZE * SIZE);
    ayf_st_close(expected);
    ok(ayf_decoder_pictures(decoder, model, COUNT, latents, got));
    for (int i = 0; i < PICTURES; i++) {
        double value = fmin(fmax(want[i], 0), 1);
        expect_near(got[i], 2 * value - 1, 1e-4);
        inside += value > 0 && value < 1;
    }
    assert_true(inside > PICTURES / 4);
    latents[3] = NAN;
    assert_int_equal(ayf_decoder_pictures(decoder, model, COUNT, latents, got), AYF_E_DIVERGED);
    expect_message("picture 0 holds a value that is NaN");
    ayf_decoder_close(decoder);
    ayf_model_close(model);
}

static void test_misuse(void **state) {
    (void)state;
    ayf_model *plain = make_model("plain", SPEC(NET), AYF_MODEL_ROLE_TEACHER, 1, 1),
              *three = make_model("three", SPEC(NET, "latent_mean", "0,0,0", "latent_scale", "1,1,1"),
                                  AYF_MODEL_ROLE_TEACHER, 1, 1);
    ayf_decoder *decoder = open_decoder(), *none;
    int size[3];
    assert_int_equal(ayf_decoder_size(decoder, plain, &size[0], &size[1], &size[2]), AYF_E_USAGE);
    expect_message("draws no latents, so there is nothing to decode");
    assert_int_equal(ayf_decoder_size(decoder, three, &size[0], &size[1], &size[2]), AYF_E_USAGE);
    expect_message("draws latents of 3 channels");
    assert_int_equal(ayf_decoder_open(ctx, path_of("plain"), &none), AYF_E_USAGE);
    expect_message("holds a network of kind 'unet', which makes no pictures of latents");
    assert_int_equal(ayf_decoder_open(ctx, fixture("net"), &none), AYF_E_FORMAT);
    expect_message("ayf import");
    ayf_model *model;
    assert_int_equal(ayf_model_open(ctx, path_of("decoder"), &model), AYF_E_USAGE);
    expect_message("a network of kind 'decoder'");
    ayf_decoder_close(decoder);
    ayf_decoder_close(NULL);
    ayf_model_close(plain);
    ayf_model_close(three);
}

/* ---- Files ---- */

typedef struct change {
    const char *leave_out, *add,
        *spoil; /* names of tensors; the first value of `spoil` becomes an infinity */
    const char *prefix, *groups, *format;
    bool older,
        flat; /* names of the attention as they were; its matrices as 1x1 convolutions, as they were before */
} change;

static void older_name(const char *name, char *out, size_t size) {
    static const char *const pairs[][2] = {
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    snprintf(out, size, "%s", name);
    for (size_t i = 0; i < AYF_COUNT(pairs); i++) {
        const char *at = strstr(name, pairs[i][0]);
        if (at)
            snprintf(out, size, "%.*s%s%s", (int)(at - name), name, pairs[i][1], at + strlen(pairs[i][0]));
    }
}

static ayf_status import_changed(change how, int groups) {
    ayf_st *st;
    ayf_st_writer *w;
    uint16_t spoilt[20000], zero[4] = {0};
    ok(ayf_st_open(ctx, fixture("net"), &st));
    ok(ayf_st_write_begin(ctx, &w));
    if (how.groups) ok(ayf_st_write_meta(w, "norm_num_groups", how.groups));
    if (how.format) ok(ayf_st_write_meta(w, "format", how.format));
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *t = ayf_st_at(st, i);
        char name[160] = "", old[128];
        int64_t shape[AYF_ST_MAX_RANK] = {t->shape[0], t->rank > 1 ? t->shape[1] : 1,
                                          t->rank > 2 ? t->shape[2] : 1, t->rank > 3 ? t->shape[3] : 1};
        const void *data = t->data;
        if (how.leave_out && strcmp(t->name, how.leave_out) == 0) continue;
        older_name(t->name, old, sizeof old);
        snprintf(name, sizeof name, "%s%s", how.prefix ? how.prefix : "", how.older ? old : t->name);
        if (how.spoil && strcmp(t->name, how.spoil) == 0) {
            memcpy(spoilt, t->data, t->count * 2);
            spoilt[0] = 0x7c00;
            data = spoilt;
        }
        ok(ayf_st_write_tensor(w, name, AYF_ST_F16, how.flat && t->rank == 2 ? 4 : t->rank, shape, data));
    }
    if (how.add) ok(ayf_st_write_tensor(w, how.add, AYF_ST_F16, 1, (int64_t[]){4}, zero));
    ok(ayf_st_write_end(w, path_of("changed")));
    ayf_st_close(st);
    unlink(path_of("x"));
    return ayf_decoder_import(ctx, path_of("changed"), &(ayf_decoder_options){.groups = groups},
                              path_of("x"));
}

/* All forms of the file give the same model file. */
static void test_forms(void **state) {
    (void)state;
    static const change forms[] = {
        {0}, {.prefix = "vae."}, {.older = true}, {.older = true, .flat = true}, {.groups = "4"}};
    ayf_st *first, *other;
    ok(ayf_decoder_import(ctx, fixture("net"), &(ayf_decoder_options){.groups = 4}, path_of("decoder")));
    ok(ayf_st_open(ctx, path_of("decoder"), &first));
    assert_string_equal(ayf_st_meta(first, "model.decoder_channels"), "8,16");
    assert_string_equal(ayf_st_meta(first, "model.decoder_blocks"), "2");
    assert_string_equal(ayf_st_meta(first, "model.decoder_groups"), "4");
    assert_string_equal(ayf_st_meta(first, "model.latent_channels"), "4");
    assert_string_equal(ayf_st_meta(first, "role"), "decoder");
    for (size_t i = 0; i < AYF_COUNT(forms); i++) {
        ok(import_changed(forms[i], forms[i].groups ? 0 : 4));
        ok(ayf_st_open(ctx, path_of("x"), &other));
        assert_int_equal(ayf_st_count(first), ayf_st_count(other));
        for (size_t k = 0; k < ayf_st_count(first); k++) {
            const ayf_st_tensor *a = ayf_st_at(first, k), *b = ayf_st_find(other, a->name);
            assert_true(b && a->rank == b->rank && a->dtype == b->dtype && a->count == b->count);
            assert_memory_equal(a->data, b->data, a->count * 2);
        }
        ayf_st_close(other);
    }
    ayf_st_close(first);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        change how;
        const char *message;
    } cases[] = {
        {{.leave_out = "post_quant_conv.weight"}, "no tensor \"post_quant_conv.weight\""},
        {{.leave_out = "decoder.conv_in.weight"},
         "it has no tensor 'decoder.conv_in.weight'; ayf import --role decoder reads AutoencoderKL"},
        {{.leave_out = "decoder.conv_in.weight", .add = "first_stage_model.decoder.mid.block_1.conv1.weight"},
         "its names are those of the original Stable Diffusion"},
        {{.leave_out = "decoder.up_blocks.0.resnets.0.conv1.weight"},
         "it has no tensor 'decoder.up_blocks.0.resnets.0.conv1.weight' of rank 4"},
        {{.leave_out = "decoder.up_blocks.1.resnets.0.conv_shortcut.weight"},
         "no tensor \"decoder.up_blocks.1.resnets.0.conv_shortcut.weight\""},
        {{.leave_out = "decoder.conv_out.weight"}, "'decoder.conv_out.weight' does not make 1 or 3 channels"},
        {{.leave_out = "decoder.mid_block.attentions.0.to_k.weight"},
         "decoder.mid_block.attentions.0.to_k.weight"},
        {{.add = "decoder.extra"}, "tensor 'decoder.extra' belongs to no decoder of AutoencoderKL"},
        {{.spoil = "decoder.conv_out.bias"}, "decoder.conv_out.bias"},
        {{.groups = "many"}, "metadata 'norm_num_groups'"},
        {{.format = "ayf-model"}, "is a model of ayf already"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        assert_int_equal(import_changed(cases[i].how, 4), AYF_E_FORMAT);
        expect_message(cases[i].message);
        assert_int_equal(access(path_of("x"), F_OK), -1);
    }
    assert_int_equal(import_changed((change){0}, 0), AYF_E_FORMAT);
    expect_message("say the number of groups of its normalisation (--norm-groups): decoder_groups is 32");
    assert_int_equal(import_changed((change){0}, 5), AYF_E_USAGE);
    expect_message("--norm-groups");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units), cmocka_unit_test(test_pictures), cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_forms), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
