/* The classifier behind "our features": plain convolutions with He's initialisation (arXiv 1502.01852), two
 * per resolution, then the mean over the pixels and one hidden layer, whose units are the features. */
#include "nn/feature_net.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"

enum { CONVS = 2 };
static const double leak = 0.1;

/* ---- What a spec must satisfy ---- */

ayf_status ayf_features_check(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->feature_channels.count;
    if (levels < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "feature_channels is empty; give the channels per resolution, such as 32,64,128");
    if (spec->img_resolution >> (levels - 1) < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a resolution of %d cannot be halved %d times; use fewer values in feature_channels",
                        spec->img_resolution, levels - 1);
    if (spec->label_dim < 2)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a feature network is trained on classes; label_dim must be at least 2");
    return AYF_OK;
}

/* ---- Parameters ---- */

static double he(double inputs) { return sqrt(2 / ((1 + leak * leak) * inputs)); }

static void conv_name(char *name, size_t size, const ayf_model_spec *spec, int level, int index) {
    int side = spec->img_resolution >> level;
    snprintf(name, size, "features.%dx%d_conv%d", side, side, index);
}

static bool add(ayf_params *p, const char *prefix, int out, int in, int kernel, double scale) {
    char name[80];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!(kernel > 1 ? ayf_params_add_conv(p, AYF_PARAM_PLAIN, name, out, in, kernel, scale)
                     : ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, in, scale)))
        return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, 0, 0) != NULL;
}

bool ayf_features_params(ayf_params *p) {
    const ayf_model_spec *spec = &p->spec;
    int channels = spec->img_channels;
    for (int level = 0; level < spec->feature_channels.count; level++)
        for (int i = 0; i < CONVS; i++) {
            char name[48];
            int out = spec->feature_channels.at[level];
            conv_name(name, sizeof name, spec, level, i);
            if (!add(p, name, out, channels, 3, he(9.0 * channels))) return false;
            channels = out;
        }
    return add(p, "features.hidden", spec->feature_dim, channels, 1, he(channels)) &&
           add(p, "features.out", spec->label_dim, spec->feature_dim, 1, 1 / sqrt(spec->feature_dim));
}

/* ---- Graph ---- */

static ayf_id rectify(ayf_graph *g, ayf_id x) { return x ? ayf_leaky_relu(g, x, leak) : 0; }

static ayf_id linear(const ayf_net *net, ayf_id x, const char *prefix) {
    ayf_graph *g = net->g;
    return ayf_add(g, ayf_linear(g, x, ayf_net_leaf(net, prefix, "weight")),
                   ayf_net_leaf(net, prefix, "bias"));
}

static ayf_id conv3(const ayf_net *net, ayf_id x, const char *prefix) {
    ayf_graph *g = net->g;
    ayf_id w = ayf_kernel(g, ayf_net_leaf(net, prefix, "weight"), 3, 3);
    return rectify(g, ayf_add(g, ayf_conv(g, x, w, 1, 1), ayf_net_leaf(net, prefix, "bias")));
}

/* Mean of 2 x 2 pixels; of an odd size the last row and column are left out. */
static ayf_id halve(ayf_graph *g, ayf_id x) {
    if (!x) return 0;
    ayf_filter mean = {.taps = 2, .tap = {0.5f, 0.5f}};
    return ayf_upfirdn(g, x, 1, 2, 0, ayf_at(g, x)->dim[1] / 2, ayf_at(g, x)->dim[2] / 2, &mean);
}

static ayf_id classify(const ayf_net *net, ayf_id x, ayf_id *features) {
    ayf_graph *g = net->g;
    for (int level = 0; level < net->spec->feature_channels.count; level++) {
        char name[48];
        if (level) x = halve(g, x);
        for (int i = 0; i < CONVS; i++) {
            conv_name(name, sizeof name, net->spec, level, i);
            x = conv3(net, x, name);
        }
    }
    if (!x) return 0;
    ayf_id mean = ayf_mean(g, x, AYF_AXIS(1) | AYF_AXIS(2));
    mean = ayf_reshape(g, mean, AYF_SHAPE(ayf_at(g, x)->dim[0], ayf_at(g, x)->dim[3]));
    *features = rectify(g, linear(net, mean, "features.hidden"));
    return linear(net, *features, "features.out");
}

ayf_id ayf_feature_network(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                           ayf_id *features) {
    ayf_net net;
    *features = 0;
    bool ready = ayf_net_open(&net, g, params, storage, AYF_MODEL_FEATURES) && ayf_net_takes_images(&net, x);
    return ready ? classify(&net, x, features) : 0;
}
