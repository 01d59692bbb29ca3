/* The parameters of NVIDIA's stylegan2-ada-pytorch `Discriminator` (resnet architecture), under its names. */
#include <stdio.h>

#include "nn/params_build.h"
#include "nn/sg2.h"

int ayf_sg2_channels(const ayf_model_spec *spec, int resolution) {
    int channels = spec->channel_base / resolution;
    return channels < spec->channel_max ? channels : spec->channel_max;
}

int ayf_sg2_cmap_dim(const ayf_model_spec *spec) {
    if (spec->label_dim == 0) return 0;
    return spec->cmap_dim ? spec->cmap_dim : ayf_sg2_channels(spec, 4);
}

/* The low-pass filter that PyTorch stores in every convolution and block, whether it is used or not. */
static bool add_filter(ayf_params *p, const char *prefix) {
    char name[96];
    snprintf(name, sizeof name, "%s.resample_filter", prefix);
    ayf_param *filter = ayf_params_add(p, AYF_PARAM_BUFFER, name, 2, (const int[]){4, 4});
    if (!filter) return false;
    filter->init = AYF_INIT_FIR;
    return true;
}

static bool add_conv(ayf_params *p, const char *prefix, int out, int in, int kernel, bool bias) {
    char name[96];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!ayf_params_add_plain_conv(p, name, out, in, kernel, 1)) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    if (bias && !ayf_params_add_plain(p, name, out, 0, 0)) return false;
    return add_filter(p, prefix);
}

/* The weight's learning rate is multiplied by `rate` through its scale: it starts as N(0,1)/rate. */
static ayf_param *add_linear(ayf_params *p, const char *prefix, int out, int in, double rate) {
    char name[96];
    snprintf(name, sizeof name, "%s.bias", prefix);
    if (!ayf_params_add_plain(p, name, out, 0, 0)) return NULL;
    snprintf(name, sizeof name, "%s.weight", prefix);
    return ayf_params_add_plain(p, name, out, in, 1 / rate);
}

static bool add_block(ayf_params *p, const ayf_model_spec *spec, int resolution) {
    int in = ayf_sg2_channels(spec, resolution), out = ayf_sg2_channels(spec, resolution / 2);
    char block[32], name[64];
    snprintf(block, sizeof block, "b%d", resolution);
    if (!add_filter(p, block)) return false;
    snprintf(name, sizeof name, "%s.fromrgb", block);
    if (resolution == spec->img_resolution && !add_conv(p, name, in, spec->img_channels, 1, true))
        return false;
    snprintf(name, sizeof name, "%s.conv0", block);
    if (!add_conv(p, name, in, in, 3, true)) return false;
    snprintf(name, sizeof name, "%s.conv1", block);
    if (!add_conv(p, name, out, in, 3, true)) return false;
    snprintf(name, sizeof name, "%s.skip", block);
    return add_conv(p, name, out, in, 1, false);
}

static bool add_mapping(ayf_params *p, const ayf_model_spec *spec) {
    int width = ayf_sg2_cmap_dim(spec);
    if (!add_linear(p, "mapping.embed", width, spec->label_dim, 1)) return false;
    for (int i = 0; i < spec->mapping_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "mapping.fc%d", i);
        if (!add_linear(p, name, width, width, AYF_SG2_MAPPING_RATE)) return false;
    }
    return true;
}

bool ayf_params_sg2(ayf_params *p, const ayf_model_spec *spec) {
    for (int resolution = spec->img_resolution; resolution > 4; resolution /= 2)
        if (!add_block(p, spec, resolution)) return false;
    if (spec->label_dim && !add_mapping(p, spec)) return false;
    int channels = ayf_sg2_channels(spec, 4);
    if (spec->img_resolution == 4 && !add_conv(p, "b4.fromrgb", channels, spec->img_channels, 1, true))
        return false;
    if (!add_conv(p, "b4.conv", channels, channels + spec->mbstd_num_channels, 3, true)) return false;
    ayf_param *fc = add_linear(p, "b4.fc", channels, 16 * channels, 1);
    if (!fc) return false;
    fc->layout = AYF_LAYOUT_FLAT;
    fc->window = 16;
    return add_linear(p, "b4.out", spec->label_dim ? ayf_sg2_cmap_dim(spec) : 1, channels, 1) != NULL;
}
