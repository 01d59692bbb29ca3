/* The discriminator of stylegan2-ada-pytorch, resnet architecture. Every layer is linear, bias, leaky ReLU and
 * a gain; a leaky ReLU is homogeneous, so the gains are carried by weights and biases, where they cost
 * nothing. */
#include "nn/sg2.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"
#include "nn/net.h"

static const double slope = 0.2;
static const ayf_filter fir = {.taps = 4, .tap = {0.125f, 0.375f, 0.375f, 0.125f}};

/* The stored weight times `factor`/sqrt(fan-in): equalised learning rate. */
static ayf_id weight(ayf_net *net, const char *prefix, double factor) {
    ayf_id w = ayf_net_leaf(net, prefix, "weight");
    return w ? ayf_mulc(net->g, w, factor / sqrt(ayf_at(net->g, w)->dim[1])) : 0;
}

static ayf_id add_bias(ayf_net *net, ayf_id x, const char *prefix, double factor) {
    return ayf_add(net->g, x, ayf_mulc(net->g, ayf_net_leaf(net, prefix, "bias"), factor));
}

/* As a product with a mask, because then the derivative is the mask alone. */
static ayf_id leaky_relu(ayf_graph *g, ayf_id x) {
    ayf_id positive = ayf_gt(g, x, ayf_const_like(g, x, 0));
    return ayf_mul(g, x, ayf_addc(g, ayf_mulc(g, positive, 1 - slope), slope));
}

static ayf_id linear(ayf_net *net, ayf_id x, const char *prefix, double weight_factor, double bias_factor) {
    ayf_id y = ayf_gemm(net->g, x, weight(net, prefix, weight_factor), false, true);
    return add_bias(net, y, prefix, bias_factor);
}

/* A 1x1 convolution without bias: rows of pixels times a matrix. */
static ayf_id conv1(ayf_net *net, ayf_id x, const char *prefix, double factor) {
    ayf_graph *g = net->g;
    ayf_id w = weight(net, prefix, factor);
    if (!x || !w) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    ayf_id rows = ayf_reshape(g, x, AYF_SHAPE(s.dim[0] * s.dim[1] * s.dim[2], s.dim[3]));
    s.dim[3] = ayf_at(g, w)->dim[0];
    return ayf_reshape(g, ayf_gemm(g, rows, w, false, true), s);
}

static ayf_id conv3(ayf_net *net, ayf_id x, const char *prefix, double factor, int stride, int pad) {
    ayf_graph *g = net->g;
    ayf_id w = weight(net, prefix, factor);
    if (!x || !w) return 0;
    ayf_shape s = ayf_shape_of(g, w);
    ayf_id y = ayf_conv(g, x, ayf_reshape(g, w, AYF_SHAPE(s.dim[0], 3, 3, s.dim[1] / 9)), stride, pad);
    return leaky_relu(g, add_bias(net, y, prefix, factor));
}

static ayf_id from_rgb(ayf_net *net, ayf_id x, const char *block) {
    char name[32];
    snprintf(name, sizeof name, "%s.fromrgb", block);
    return leaky_relu(net->g, add_bias(net, conv1(net, x, name, sqrt(2)), name, sqrt(2)));
}

/* Halves the resolution: (conv1(blur(conv0(x))) + skip(blur(x))) / sqrt(2). */
static ayf_id block(ayf_net *net, ayf_id x, int resolution) {
    ayf_graph *g = net->g;
    char name[32];
    snprintf(name, sizeof name, "b%d.skip", resolution);
    ayf_id skip = ayf_upfirdn(g, x, 1, 2, 1, resolution / 2, resolution / 2, &fir);
    skip = conv1(net, skip, name, sqrt(0.5));
    snprintf(name, sizeof name, "b%d.conv0", resolution);
    ayf_id y = conv3(net, x, name, sqrt(2), 1, 1);
    y = ayf_upfirdn(g, y, 1, 1, 2, resolution + 1, resolution + 1, &fir);
    snprintf(name, sizeof name, "b%d.conv1", resolution);
    return ayf_add(g, skip, conv3(net, y, name, 1, 2, 0));
}

/* Appends channels that hold the standard deviation over a group of samples, averaged over pixels and over
 * the channels of one of `mbstd_num_channels` parts. Sample i belongs to group i mod (N / group size). */
static ayf_id minibatch_deviation(ayf_net *net, ayf_id x) {
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
static ayf_id mapping(ayf_net *net) {
    ayf_graph *g = net->g;
    ayf_id y = linear(net, net->condition.onehot, "mapping.embed", 1, 1);
    y = ayf_div(g, y, ayf_sqrt(g, ayf_addc(g, ayf_mean(g, ayf_square(g, y), AYF_AXIS(1)), 1e-8)));
    double rate = AYF_SG2_MAPPING_RATE * sqrt(2);
    for (int i = 0; i < net->spec->mapping_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "mapping.fc%d", i);
        y = leaky_relu(g, linear(net, y, name, rate, rate));
    }
    return y;
}

static ayf_id epilogue(ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int batch = x ? ayf_at(g, x)->dim[0] : 0, channels = ayf_sg2_channels(net->spec, 4);
    x = conv3(net, minibatch_deviation(net, x), "b4.conv", sqrt(2), 1, 1);
    x = ayf_reshape(g, x, AYF_SHAPE(batch, 16 * channels));
    x = leaky_relu(g, linear(net, x, "b4.fc", sqrt(2), sqrt(2)));
    x = linear(net, x, "b4.out", 1, 1);
    if (net->condition.onehot) {
        double width = ayf_sg2_cmap_dim(net->spec);
        x = ayf_mulc(g, ayf_sum(g, ayf_mul(g, x, mapping(net)), AYF_AXIS(1)), 1 / sqrt(width));
    }
    return ayf_reshape(g, x, AYF_SHAPE(batch));
}

static ayf_id discriminator(ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int size = net->spec->img_resolution, classes = net->spec->label_dim;
    ayf_shape s = x ? ayf_shape_of(g, x) : AYF_SHAPE(0);
    if (s.rank != 4 || s.dim[1] != size || s.dim[2] != size || s.dim[3] != net->spec->img_channels)
        return ayf_graph_fail(g, AYF_E_USAGE, "the discriminator takes images (N,%d,%d,%d)", size, size,
                              net->spec->img_channels);
    if ((classes > 0) != (net->condition.onehot != 0))
        return ayf_graph_fail(g, AYF_E_USAGE, "%s",
                              classes ? "a class-conditional discriminator needs class labels"
                                      : "a discriminator with label_dim 0 takes no class labels");
    if (net->condition.onehot) {
        const ayf_node *onehot = ayf_at(g, net->condition.onehot);
        if (onehot->rank != 2 || onehot->dim[0] != s.dim[0] || onehot->dim[1] != classes)
            return ayf_graph_fail(g, AYF_E_USAGE, "class labels have shape (N, label_dim)");
    }
    char name[16];
    snprintf(name, sizeof name, "b%d", size);
    x = from_rgb(net, x, name);
    for (int resolution = size; resolution > 4; resolution /= 2) x = block(net, x, resolution);
    return epilogue(net, x);
}

ayf_id ayf_sg2_discriminator(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                             ayf_id onehot) {
    ayf_net net;
    if (spec->kind != AYF_MODEL_DISCRIMINATOR)
        return ayf_graph_fail(g, AYF_E_USAGE, "a network of kind '%s' is no discriminator",
                              ayf_model_kind_name(spec->kind));
    if (!ayf_net_open(&net, g, spec, storage)) return 0;
    net.condition.onehot = onehot;
    ayf_id logits = discriminator(&net, x);
    ayf_net_end(&net);
    return logits;
}
