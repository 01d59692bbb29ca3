/* The discriminator of stylegan2-ada-pytorch, resnet architecture. Every layer is linear, bias, leaky ReLU
 * and a gain; a leaky ReLU is homogeneous, so the gains are carried by weights and biases, where they cost
 * nothing. */
#include "nn/sg2.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"

static const double slope = 0.2;
static const double mapping_rate = 0.01; /* multiplies the learning rate of the mapping network */
static const ayf_filter fir = {.taps = 4, .tap = {0.125f, 0.375f, 0.375f, 0.125f}};

static int channels_at(const ayf_model_spec *spec, int resolution) {
    int channels = spec->channel_base / resolution;
    return channels < spec->channel_max ? channels : spec->channel_max;
}

static int class_width(const ayf_model_spec *spec) {
    if (spec->label_dim == 0) return 0;
    return spec->cmap_dim ? spec->cmap_dim : channels_at(spec, 4);
}

/* ---- What a spec must satisfy ---- */

ayf_status ayf_sg2_check(ayf_context *ctx, const ayf_model_spec *spec) {
    int size = spec->img_resolution;
    if (size < 4 || (size & (size - 1)) != 0)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a discriminator takes images of 4, 8, 16, 32, 64 ... pixels a side, not %d; use a "
                        "data.resolution that is a power of two",
                        size);
    if (spec->channel_base / size < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "channel_base = %d leaves no channel at resolution %d; use at least %d",
                        spec->channel_base, size, size);
    int last = channels_at(spec, 4);
    if (spec->mbstd_num_channels > 0 && last % spec->mbstd_num_channels != 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "mbstd_num_channels = %d does not divide the %d channels at 4x4; choose a divisor, such as 1",
            spec->mbstd_num_channels, last);
    return AYF_OK;
}

/* ---- Parameters ---- */

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
    if (!ayf_params_add_conv(p, AYF_PARAM_PLAIN, name, out, in, kernel, 1)) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    if (bias && !ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, 0, 0)) return false;
    return add_filter(p, prefix);
}

/* The weight's learning rate is multiplied by `rate` through its scale: it starts as N(0,1)/rate. */
static ayf_param *add_linear(ayf_params *p, const char *prefix, int out, int in, double rate) {
    char name[96];
    snprintf(name, sizeof name, "%s.bias", prefix);
    if (!ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, 0, 0)) return NULL;
    snprintf(name, sizeof name, "%s.weight", prefix);
    return ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, in, 1 / rate);
}

static bool add_block(ayf_params *p, int resolution) {
    const ayf_model_spec *spec = &p->spec;
    int in = channels_at(spec, resolution), out = channels_at(spec, resolution / 2);
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

static bool add_mapping(ayf_params *p) {
    const ayf_model_spec *spec = &p->spec;
    int width = class_width(spec);
    if (!add_linear(p, "mapping.embed", width, spec->label_dim, 1)) return false;
    for (int i = 0; i < spec->mapping_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "mapping.fc%d", i);
        if (!add_linear(p, name, width, width, mapping_rate)) return false;
    }
    return true;
}

bool ayf_sg2_params(ayf_params *p) {
    const ayf_model_spec *spec = &p->spec;
    for (int resolution = spec->img_resolution; resolution > 4; resolution /= 2)
        if (!add_block(p, resolution)) return false;
    if (spec->label_dim && !add_mapping(p)) return false;
    int channels = channels_at(spec, 4);
    if (spec->img_resolution == 4 && !add_conv(p, "b4.fromrgb", channels, spec->img_channels, 1, true))
        return false;
    if (!add_conv(p, "b4.conv", channels, channels + spec->mbstd_num_channels, 3, true)) return false;
    ayf_param *fc = add_linear(p, "b4.fc", channels, 16 * channels, 1);
    if (!fc) return false;
    fc->layout = AYF_LAYOUT_FLAT;
    fc->window = 16;
    return add_linear(p, "b4.out", spec->label_dim ? class_width(spec) : 1, channels, 1) != NULL;
}

/* ---- Graph ---- */

/* The stored weight times `factor`/sqrt(fan-in): equalised learning rate. */
static ayf_id weight(const ayf_net *net, const char *prefix, double factor) {
    ayf_id w = ayf_net_leaf(net, prefix, "weight");
    return w ? ayf_mulc(net->g, w, factor / sqrt(ayf_at(net->g, w)->dim[1])) : 0;
}

static ayf_id add_bias(const ayf_net *net, ayf_id x, const char *prefix, double factor) {
    return ayf_add(net->g, x, ayf_mulc(net->g, ayf_net_leaf(net, prefix, "bias"), factor));
}

/* As a product with a mask, because then the derivative is the mask alone. */
static ayf_id leaky_relu(ayf_graph *g, ayf_id x) {
    ayf_id positive = ayf_gt(g, x, ayf_const_like(g, x, 0));
    return ayf_mul(g, x, ayf_addc(g, ayf_mulc(g, positive, 1 - slope), slope));
}

static ayf_id linear(const ayf_net *net, ayf_id x, const char *prefix, double weight_factor,
                     double bias_factor) {
    ayf_id y = ayf_linear(net->g, x, weight(net, prefix, weight_factor));
    return add_bias(net, y, prefix, bias_factor);
}

static ayf_id conv3(const ayf_net *net, ayf_id x, const char *prefix, double factor, int stride, int pad) {
    ayf_graph *g = net->g;
    ayf_id y = ayf_conv(g, x, ayf_kernel(g, weight(net, prefix, factor), 3, 3), stride, pad);
    return leaky_relu(g, add_bias(net, y, prefix, factor));
}

static ayf_id from_rgb(const ayf_net *net, ayf_id x, const char *block) {
    char name[32];
    snprintf(name, sizeof name, "%s.fromrgb", block);
    return leaky_relu(net->g, add_bias(net, ayf_conv1(net->g, x, weight(net, name, sqrt(2))), name, sqrt(2)));
}

/* Halves the resolution: (conv1(blur(conv0(x))) + skip(blur(x))) / sqrt(2). */
static ayf_id block(const ayf_net *net, ayf_id x, int resolution) {
    ayf_graph *g = net->g;
    char name[32];
    snprintf(name, sizeof name, "b%d.skip", resolution);
    ayf_id skip = ayf_upfirdn(g, x, 1, 2, 1, resolution / 2, resolution / 2, &fir);
    skip = ayf_conv1(g, skip, weight(net, name, sqrt(0.5)));
    snprintf(name, sizeof name, "b%d.conv0", resolution);
    ayf_id y = conv3(net, x, name, sqrt(2), 1, 1);
    y = ayf_upfirdn(g, y, 1, 1, 2, resolution + 1, resolution + 1, &fir);
    snprintf(name, sizeof name, "b%d.conv1", resolution);
    return ayf_add(g, skip, conv3(net, y, name, 1, 2, 0));
}

/* Appends channels that hold the standard deviation over a group of samples, averaged over pixels and over
 * the channels of one of `mbstd_num_channels` parts. Sample i belongs to group i mod (N / group size). */
static ayf_id minibatch_deviation(const ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int parts = net->spec->mbstd_num_channels;
    if (!x || parts == 0) return x;
    ayf_shape s = ayf_shape_of(g, x);
    int batch = s.dim[0], wanted = net->spec->mbstd_group_size;
    int size = wanted == 0 || wanted > batch ? batch : wanted, groups = batch / size;
    if (batch % size != 0)
        return ayf_graph_fail(
            g, AYF_E_CONFIG,
            "a discriminator's batch of %d does not split into groups of %d for the minibatch "
            "standard deviation: use a batch that is a multiple of %d, or another "
            "mbstd_group_size",
            batch, size, size);
    int pixels = s.dim[1] * s.dim[2];
    ayf_id y = ayf_reshape(g, x, AYF_SHAPE(size, groups, pixels, parts, s.dim[3] / parts));
    y = ayf_sub(g, y, ayf_mean(g, y, AYF_AXIS(0)));
    y = ayf_sqrt(g, ayf_addc(g, ayf_mean(g, ayf_square(g, y), AYF_AXIS(0)), 1e-8));
    y = ayf_mean(g, y, AYF_AXIS(2) | AYF_AXIS(4));
    y = ayf_broadcast(g, y, AYF_SHAPE(size, groups, pixels, parts, 1));
    return ayf_concat(g, x, ayf_reshape(g, y, AYF_SHAPE(batch, s.dim[1], s.dim[2], parts)), 3);
}

/* The class embedding (N, cmap_dim). */
static ayf_id mapping(const ayf_net *net) {
    ayf_graph *g = net->g;
    ayf_id y = linear(net, net->condition.onehot, "mapping.embed", 1, 1);
    y = ayf_div(g, y, ayf_sqrt(g, ayf_addc(g, ayf_mean(g, ayf_square(g, y), AYF_AXIS(1)), 1e-8)));
    double rate = mapping_rate * sqrt(2);
    for (int i = 0; i < net->spec->mapping_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "mapping.fc%d", i);
        y = leaky_relu(g, linear(net, y, name, rate, rate));
    }
    return y;
}

static ayf_id epilogue(const ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int batch = x ? ayf_at(g, x)->dim[0] : 0, channels = channels_at(net->spec, 4);
    x = conv3(net, minibatch_deviation(net, x), "b4.conv", sqrt(2), 1, 1);
    x = ayf_reshape(g, x, AYF_SHAPE(batch, 16 * channels));
    x = leaky_relu(g, linear(net, x, "b4.fc", sqrt(2), sqrt(2)));
    x = linear(net, x, "b4.out", 1, 1);
    if (net->condition.onehot) {
        double width = class_width(net->spec);
        x = ayf_mulc(g, ayf_sum(g, ayf_mul(g, x, mapping(net)), AYF_AXIS(1)), 1 / sqrt(width));
    }
    return ayf_reshape(g, x, AYF_SHAPE(batch));
}

static ayf_id discriminator(const ayf_net *net, ayf_id x) {
    int size = net->spec->img_resolution;
    char name[16];
    snprintf(name, sizeof name, "b%d", size);
    x = from_rgb(net, x, name);
    for (int resolution = size; resolution > 4; resolution /= 2) x = block(net, x, resolution);
    return epilogue(net, x);
}

ayf_id ayf_sg2_discriminator(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                             ayf_id onehot) {
    ayf_net net;
    if (!ayf_net_open(&net, g, params, storage, AYF_MODEL_DISCRIMINATOR)) return 0;
    if (!ayf_net_takes_images(&net, x) || !ayf_net_takes_classes(&net, x, onehot)) return 0;
    net.condition.onehot = onehot;
    return discriminator(&net, x);
}
