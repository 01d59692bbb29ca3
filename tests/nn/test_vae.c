/* The decoder of AutoencoderKL against diffusers' (tests/fixtures/vae.py). */
#include "model_context.h"

#include "foreign.h"
#include "ir/build.h"
#include "model/weights.h"
#include "nn/network.h"
#include "nn/vae.h"

enum { BATCH = 2, SIZE = 4, LATENTS = BATCH * SIZE * SIZE * 4, PICTURES = BATCH * 4 * SIZE * SIZE * 3 };

static ayf_model_spec small(void) {
    return SPEC("kind", "decoder", "decoder_channels", "8,16", "decoder_blocks", "2", "decoder_groups", "4");
}

/* The largest difference from diffusers' pictures, relative to their rms. */
static double error_on(ayf_backend *backend) {
    ayf_st *net = open_foreign("vae", "net"), *expected = open_foreign("vae", "expected");
    ayf_model_spec spec = small();
    ayf_weights *w;
    ayf_program *program;
    float latents[LATENTS], want[PICTURES], got[PICTURES];
    double worst = 0, square = 0;
    ok(ayf_weights_read(backend, net, &spec, "the decoder", &w));
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_output(
        g, "y",
        ayf_vae_decoder(g, w->params, ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(BATCH, SIZE, SIZE, 4))));
    ok(ayf_compile(backend, g, NULL, &program));
    ok(ayf_weights_bind(w, program, ""));
    read_maps(expected, "latents", latents, LATENTS, 4, SIZE * SIZE);
    read_maps(expected, "pictures", want, PICTURES, 3, 4 * SIZE * SIZE);
    ok(ayf_program_set(program, "x", latents, LATENTS));
    ok(ayf_program_run(program));
    ok(ayf_program_get(program, "y", got, PICTURES));
    for (int i = 0; i < PICTURES; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        square += (double)want[i] * want[i] / PICTURES;
    }
    ayf_program_free(program);
    ayf_weights_free(w);
    ayf_st_close(net);
    ayf_st_close(expected);
    return worst / sqrt(square);
}

static void test_pictures(void **state) {
    (void)state;
    double in_64_bits = error_on(ref), in_32_bits = error_on(cpu);
    print_message("pictures against diffusers: %.2g in 64 bits, %.2g in 32\n", in_64_bits, in_32_bits);
    assert_true(in_64_bits < 1e-6);
    assert_true(in_32_bits < 1e-4);
}

static void test_specs(void **state) {
    (void)state;
    ayf_model_spec spec = small();
    assert_int_equal(ayf_vae_factor(&spec), 2);
    ok(ayf_network_check(ctx, &spec));
    spec.decoder_groups = 3;
    assert_int_equal(ayf_network_check(ctx, &spec), AYF_E_CONFIG);
    expect_message("decoder_groups is 3, but a level of the decoder has 8 channels");
    spec.decoder_channels.count = 0;
    assert_int_equal(ayf_network_check(ctx, &spec), AYF_E_CONFIG);
    expect_message("decoder_channels is empty");
}

/* The decoder of Stable Diffusion has 49,490,199 parameters, post_quant_conv included. */
static void test_size(void **state) {
    (void)state;
    ayf_model_spec spec = SPEC("kind", "decoder");
    ayf_params *params;
    size_t count = 0;
    assert_int_equal(ayf_vae_factor(&spec), 8);
    ok(ayf_params_new(ctx, &spec, &params));
    for (int i = 0; i < params->count; i++) count += params->at[i].size;
    assert_int_equal(count, 49490199);
    ayf_params_free(params);
}

static void test_latents(void **state) {
    (void)state;
    ayf_model_spec spec = small();
    ayf_params *params;
    ok(ayf_params_new(ctx, &spec, &params));
    ayf_graph *g = ayf_graph_new(ctx);
    assert_int_equal(
        ayf_vae_decoder(g, params, ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, SIZE, SIZE, 3))), 0);
    assert_int_equal(ayf_graph_check(g), AYF_E_USAGE);
    expect_message("a decoder takes latents of shape (N,H,W,4)");
    ayf_graph_free(g);
    ayf_params_free(params);
}

static int end(void **state) {
    (void)state;
    return end_of(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_latents),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
