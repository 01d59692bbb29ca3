/* make_models <folder>: small model files to start from, one of each kind that a file of a few kilobytes can
 * hold. */
#include <stdio.h>

#include "model/file.h"
#include "backend/ref/ref.h"
#include "nn/network.h"

typedef struct setting {
    const char *key, *value;
} setting;

static const setting unet[] = {{"kind", "unet"},         {"img_resolution", "4"},    {"img_channels", "1"},
                               {"model_channels", "4"},  {"channel_mult", "1"},      {"num_blocks", "1"},
                               {"attn_resolutions", ""}, {"channels_per_head", "4"}, {NULL, NULL}};
static const setting mlp[] = {
    {"kind", "mlp"}, {"mlp_hidden", "4"}, {"mlp_layers", "1"}, {"mlp_fourier", "2"}, {NULL, NULL}};
static const setting discriminator[] = {{"kind", "discriminator"}, {"img_resolution", "4"},
                                        {"img_channels", "1"},     {"channel_base", "16"},
                                        {"channel_max", "4"},      {NULL, NULL}};
static const setting features[] = {
    {"kind", "features"}, {"img_resolution", "4"}, {"img_channels", "1"}, {"feature_channels", "2"},
    {"feature_dim", "2"}, {"label_dim", "2"},      {NULL, NULL}};

static int write(ayf_backend *backend, const char *folder, const char *name, ayf_model_role role,
                 const setting *settings) {
    ayf_model_spec spec = ayf_model_spec_default();
    ayf_weights *w;
    char path[600];
    ayf_model_card card = {.role = role,
                           .sigma_data = 0.5,
                           .guidance_min = 1,
                           .guidance_max = 1,
                           .data = (char[]){"data"},
                           .config = (char[]){"a: 1\n"}};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (const setting *s = settings; s->key; s++)
        if (ayf_model_spec_set(backend->ctx, &spec, s->key, s->value) != AYF_OK) return 1;
    if (ayf_network_check(backend->ctx, &spec) != AYF_OK) return 1;
    if (ayf_weights_new(backend, &spec, &w) != AYF_OK) return 1;
    ayf_status status = ayf_weights_init(w, 1);
    if (status == AYF_OK) status = ayf_model_write(path, w, &card);
    ayf_weights_free(w);
    return status != AYF_OK;
}

int main(int argc, char **argv) {
    ayf_context *ctx = ayf_open(NULL);
    ayf_backend *backend;
    if (argc != 2 || !ctx || ayf_ref_open(ctx, &backend) != AYF_OK) {
        fprintf(stderr, "usage: make_models <folder>\n");
        return 2;
    }
    int failed = write(backend, argv[1], "unet", AYF_MODEL_ROLE_TEACHER, unet) ||
                 write(backend, argv[1], "mlp", AYF_MODEL_ROLE_TEACHER, mlp) ||
                 write(backend, argv[1], "discriminator", AYF_MODEL_ROLE_DISCRIMINATOR, discriminator) ||
                 write(backend, argv[1], "features", AYF_MODEL_ROLE_FEATURES, features);
    if (failed) fprintf(stderr, "make_models: %s\n", ayf_error(ctx));
    ayf_backend_close(backend);
    ayf_close(ctx);
    return failed;
}
