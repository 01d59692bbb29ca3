#include "nn/vae.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"

/* ---- What a spec must satisfy ---- */

ayf_status ayf_vae_check(ayf_context *ctx, const ayf_model_spec *spec) {
    const ayf_ints *levels = &spec->decoder_channels;
    if (levels->count < 1)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "decoder_channels is empty; give the channels per resolution, such as 128,256,512,512");
    for (int i = 0; i < levels->count; i++)
        if (levels->at[i] % spec->decoder_groups != 0)
            return ayf_fail(
                ctx, AYF_E_CONFIG,
                "decoder_groups is %d, but a level of the decoder has %d channels, which are not a multiple "
                "of it",
                spec->decoder_groups, levels->at[i]);
    return AYF_OK;
}

int ayf_vae_factor(const ayf_model_spec *spec) { return 1 << (spec->decoder_channels.count - 1); }

/* ---- The walk ---- */

/* One walk over the network makes the parameter table or the graph, so that names and shapes are written once. */
typedef struct walk {
    ayf_params *table; /* to be filled (only the channels of `maps` count); NULL: the walk makes the graph */
    bool failed;       /* no memory for the table */
    ayf_net net;       /* of the graph */
    int groups;
} walk;

typedef struct maps {
    ayf_id id; /* (N,H,W,channels); 0: the walk fills the table */
    int channels;
} maps;

enum { NAME_SIZE = sizeof((ayf_param *)0)->name, LAYER_SIZE = NAME_SIZE - 16, BLOCK_SIZE = LAYER_SIZE - 16 };

/* The leaf of a tensor; 0 while the table is filled. */
static ayf_id tensor(walk *w, const char *layer, const char *suffix, int rank, const int *shape) {
    char name[NAME_SIZE];
    if (!w->table) return ayf_net_leaf(&w->net, layer, suffix);
    snprintf(name, sizeof name, "%s.%s", layer, suffix);
    ayf_param *param =
        rank == 4 ? ayf_params_add_conv(w->table, AYF_PARAM_BUFFER, name, shape[0], shape[1], shape[2], 0)
                  : ayf_params_add(w->table, AYF_PARAM_BUFFER, name, rank, shape);
    if (!param) w->failed = true;
    return 0;
}

static maps conv(walk *w, maps x, const char *layer, int out, int size) {
    ayf_graph *g = w->net.g;
    ayf_id weight = tensor(w, layer, "weight", 4, (const int[]){out, x.channels, size, size});
    ayf_id bias = tensor(w, layer, "bias", 1, &out);
    maps y = {0, out};
    if (w->table) return y;
    y.id = size == 1 ? ayf_conv1(g, x.id, weight)
                     : ayf_conv(g, x.id, ayf_kernel(g, weight, size, size), 1, size / 2);
    y.id = ayf_add(g, y.id, bias);
    return y;
}

/* The mean over the pixels and the channels of each group, (N,1,1,C). */
static ayf_id group_mean(const walk *w, ayf_id x) {
    ayf_graph *g = w->net.g;
    ayf_id mean = ayf_mean(g, x, AYF_AXIS(1) | AYF_AXIS(2));
    if (!mean) return 0;
    ayf_shape s = ayf_shape_of(g, mean), grouped = AYF_SHAPE(s.dim[0], w->groups, s.dim[3] / w->groups);
    mean = ayf_mean(g, ayf_reshape(g, mean, grouped), AYF_AXIS(2));
    return ayf_reshape(g, ayf_broadcast(g, mean, grouped), s);
}

static maps normalise(walk *w, maps x, const char *layer) {
    static const double eps = 1e-6;
    ayf_graph *g = w->net.g;
    ayf_id weight = tensor(w, layer, "weight", 1, &x.channels),
           bias = tensor(w, layer, "bias", 1, &x.channels);
    if (w->table) return x;
    x.id = ayf_sub(g, x.id, group_mean(w, x.id));
    ayf_id deviation = ayf_sqrt(g, ayf_addc(g, group_mean(w, ayf_square(g, x.id)), eps));
    x.id = ayf_add(g, ayf_mul(g, x.id, ayf_div(g, weight, deviation)), bias);
    return x;
}

static maps activate(walk *w, maps x) {
    if (!w->table) x.id = ayf_silu(w->net.g, x.id);
    return x;
}

static maps add(walk *w, maps a, maps b) {
    if (!w->table) a.id = ayf_add(w->net.g, a.id, b.id);
    return a;
}

/* Each pixel becomes 2 x 2 equal ones. */
static maps enlarge(walk *w, maps x) {
    static const ayf_filter ones = {.taps = 2, .tap = {1, 1}};
    if (w->table || !x.id) return x;
    ayf_shape s = ayf_shape_of(w->net.g, x.id);
    x.id = ayf_upfirdn(w->net.g, x.id, 2, 1, 1, 2 * s.dim[1], 2 * s.dim[2], &ones);
    return x;
}

/* ---- Blocks ---- */

static maps residual(walk *w, maps x, const char *block, int out) {
    char name[LAYER_SIZE];
#define LAYER(part) (snprintf(name, sizeof name, "%s." part, block), name)
    maps y = activate(w, normalise(w, x, LAYER("norm1")));
    y = conv(w, y, LAYER("conv1"), out, 3);
    y = activate(w, normalise(w, y, LAYER("norm2")));
    y = conv(w, y, LAYER("conv2"), out, 3);
    if (x.channels != out) x = conv(w, x, LAYER("conv_shortcut"), out, 1);
#undef LAYER
    return add(w, x, y);
}

/* x w^T + b for x (pixels,C). */
static ayf_id linear(walk *w, ayf_id x, const char *part, int channels) {
    char layer[LAYER_SIZE];
    snprintf(layer, sizeof layer, "decoder.mid_block.attentions.0.%s", part);
    ayf_id weight = tensor(w, layer, "weight", 2, (const int[]){channels, channels});
    ayf_id bias = tensor(w, layer, "bias", 1, &channels);
    return w->table ? 0 : ayf_add(w->net.g, ayf_linear(w->net.g, x, weight), bias);
}

/* x + softmax(q k^T / sqrt(C)) v over the pixels of each image, with one head. */
static maps attention(walk *w, maps x) {
    ayf_graph *g = w->net.g;
    maps y = normalise(w, x, "decoder.mid_block.attentions.0.group_norm");
    ayf_id flat = w->table ? 0 : ayf_pixels(g, y.id);
    ayf_id q = linear(w, flat, "to_q", x.channels), k = linear(w, flat, "to_k", x.channels),
           v = linear(w, flat, "to_v", x.channels);
    if (!w->table && x.id) {
        ayf_shape s = ayf_shape_of(g, x.id), one = AYF_SHAPE(s.dim[0], s.dim[1] * s.dim[2], s.dim[3]);
        ayf_id scores = ayf_gemm(g, ayf_reshape(g, q, one), ayf_reshape(g, k, one), false, true);
        ayf_id seen = ayf_gemm(g, ayf_softmax(g, ayf_mulc(g, scores, 1 / sqrt(x.channels))),
                               ayf_reshape(g, v, one), false, false);
        flat = ayf_reshape(g, seen, AYF_SHAPE(s.dim[0] * s.dim[1] * s.dim[2], s.dim[3]));
    }
    ayf_id out = linear(w, flat, "to_out.0", x.channels);
    if (!w->table && x.id) y.id = ayf_reshape(g, out, ayf_shape_of(g, x.id));
    return add(w, x, y);
}

/* ---- The whole network ---- */

static maps decode(walk *w, const ayf_model_spec *spec, ayf_id latents) {
    char name[BLOCK_SIZE];
    int levels = spec->decoder_channels.count;
    maps x = conv(w, (maps){latents, spec->latent_channels}, "post_quant_conv", spec->latent_channels, 1);
    x = conv(w, x, "decoder.conv_in", spec->decoder_channels.at[levels - 1], 3);
    x = residual(w, x, "decoder.mid_block.resnets.0", x.channels);
    x = attention(w, x);
    x = residual(w, x, "decoder.mid_block.resnets.1", x.channels);
    for (int i = 0; i < levels; i++) {
        int out = spec->decoder_channels.at[levels - 1 - i];
        for (int k = 0; k < spec->decoder_blocks; k++) {
            snprintf(name, sizeof name, "decoder.up_blocks.%d.resnets.%d", i, k);
            x = residual(w, x, name, out);
        }
        if (i == levels - 1) break;
        snprintf(name, sizeof name, "decoder.up_blocks.%d.upsamplers.0.conv", i);
        x = conv(w, enlarge(w, x), name, out, 3);
    }
    x = activate(w, normalise(w, x, "decoder.conv_norm_out"));
    return conv(w, x, "decoder.conv_out", spec->img_channels, 3);
}

bool ayf_vae_params(ayf_params *p) {
    walk w = {.table = p, .groups = p->spec.decoder_groups};
    decode(&w, &p->spec, 0);
    return !w.failed;
}

ayf_id ayf_vae_decoder(ayf_graph *g, const ayf_params *params, ayf_id x) {
    walk w = {.groups = params->spec.decoder_groups};
    if (!ayf_net_open(&w.net, g, params, AYF_STORE_PARAM, AYF_MODEL_DECODER) || !x) return 0;
    const ayf_node *n = ayf_at(g, x);
    if (n->rank != 4 || n->dim[3] != params->spec.latent_channels)
        return ayf_graph_fail(g, AYF_E_USAGE, "a decoder takes latents of shape (N,H,W,%d)",
                              params->spec.latent_channels);
    return decode(&w, &params->spec, x).id;
}
