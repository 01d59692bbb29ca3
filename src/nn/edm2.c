/* Magnitude-preserving layers: a weight is used as w/||w|| (times 1/sqrt(fan-in), which keeps unit variance),
 * and sums and concatenations are weighted so that unit variance stays. A constant factor behind a linear
 * layer or in front of it is carried by the layer's weight, where it costs nothing: 1/0.596 of SiLU, sqrt(2)
 * of the Fourier features, the weights of a sum. */
#include <math.h>

#include "nn/layers.h"
#include "nn/net.h"

static const double silu_gain = 1 / 0.596;

/* The weights of a and b in mp_sum(a, b, t) = ((1-t) a + t b) / sqrt((1-t)^2 + t^2). */
static double main_part(double t) { return (1 - t) / sqrt((1 - t) * (1 - t) + t * t); }
static double side_part(double t) { return t / sqrt((1 - t) * (1 - t) + t * t); }

static ayf_id weight(ayf_net *net, const char *prefix, const char *suffix, double factor) {
    return ayf_normalized(net->g, ayf_net_leaf(net, prefix, suffix), factor);
}

static ayf_id linear(ayf_net *net, ayf_id x, const char *prefix, const char *suffix, double factor) {
    return ayf_gemm(net->g, x, weight(net, prefix, suffix, factor), false, true);
}

static ayf_id conv3(ayf_net *net, ayf_id x, const char *prefix, const char *suffix, double factor) {
    ayf_graph *g = net->g;
    ayf_id w = weight(net, prefix, suffix, factor);
    if (!w || !x) return 0;
    ayf_shape shape = ayf_shape_of(g, w);
    return ayf_conv(g, x, ayf_reshape(g, w, AYF_SHAPE(shape.dim[0], 3, 3, shape.dim[1] / 9)), 1, 1);
}

/* (N,H,W,C) -> (N H W, C) */
static ayf_id pixels(ayf_graph *g, ayf_id x) {
    if (!x) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    return ayf_reshape(g, x, AYF_SHAPE(s.dim[0] * s.dim[1] * s.dim[2], s.dim[3]));
}

/* A 1x1 convolution: rows of pixels times a matrix. */
static ayf_id conv1(ayf_net *net, ayf_id x, ayf_id w) {
    ayf_graph *g = net->g;
    if (!x || !w) return 0;
    ayf_shape shape = ayf_shape_of(g, x);
    shape.dim[3] = ayf_at(g, w)->dim[0];
    ayf_id y = ayf_gemm(g, pixels(g, x), w, false, true);
    return y ? ayf_reshape(g, y, shape) : 0;
}

static ayf_id resample(ayf_net *net, ayf_id x, int direction) {
    ayf_graph *g = net->g;
    const ayf_reals *taps = &net->spec->resample_filter;
    if (!x || direction == 0) return x;
    int height = ayf_at(g, x)->dim[1], width = ayf_at(g, x)->dim[2], pad = (taps->count - 1) / 2;
    ayf_filter filter = {.taps = taps->count};
    double sum = 0;
    for (int i = 0; i < taps->count; i++) sum += taps->at[i];
    for (int i = 0; i < taps->count; i++) /* upsampling is the adjoint: the filter runs backwards */
        filter.tap[i] = (float)(direction < 0 ? taps->at[i] / sum : 2 * taps->at[taps->count - 1 - i] / sum);
    if (direction < 0) return ayf_upfirdn(g, x, 1, 2, pad, height / 2, width / 2, &filter);
    return ayf_upfirdn(g, x, 2, 1, taps->count - 1 - pad, height * 2, width * 2, &filter);
}

/* (N,H,W,C) -> (N heads, HW, C/heads), normalised along the last axis to norm `norm`. */
static ayf_id heads_of(ayf_net *net, ayf_id x, ayf_id w, int heads, double norm) {
    ayf_graph *g = net->g;
    if (!x || !w) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    int batch = s.dim[0], area = s.dim[1] * s.dim[2], size = s.dim[3] / heads;
    ayf_id y = ayf_gemm(g, pixels(g, x), w, false, true);
    y = y ? ayf_normalized(g, ayf_reshape(g, y, AYF_SHAPE(batch, area, heads, size)), norm) : 0;
    if (heads > 1) y = ayf_permute(g, y, (const int[]){0, 2, 1, 3});
    return y ? ayf_reshape(g, y, AYF_SHAPE(batch * heads, area, size)) : 0;
}

/* softmax(q k^T / sqrt(c)) v with q, k, v of unit RMS along c. No shift is needed in front of exp: by
 * Cauchy-Schwarz the exponent is at most sqrt(c). Rows are divided after the product with v, where they are
 * short. */
static ayf_id attention(ayf_net *net, const ayf_stage *stage, ayf_id x, double factor) {
    ayf_graph *g = net->g;
    ayf_id qkv = weight(net, stage->name, "attn_qkv.weight", 1);
    if (!x || !qkv) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    int channels = stage->out, heads = stage->heads, size = channels / heads, area = s.dim[1] * s.dim[2];
    ayf_id q = heads_of(net, x, ayf_slice(g, qkv, 0, 0, channels), heads, 1);
    ayf_id k = heads_of(net, x, ayf_slice(g, qkv, 0, channels, channels), heads, sqrt(size));
    ayf_id v = heads_of(net, x, ayf_slice(g, qkv, 0, 2 * channels, channels), heads, sqrt(size));
    ayf_id e = ayf_exp(g, ayf_gemm(g, q, k, false, true));
    ayf_id y = ayf_div(g, ayf_gemm(g, e, v, false, false), ayf_sum(g, e, AYF_AXIS(2)));
    if (!y) return 0;
    if (heads > 1) {
        y = ayf_reshape(g, y, AYF_SHAPE(s.dim[0], heads, area, size));
        y = ayf_permute(g, y, (const int[]){0, 2, 1, 3});
    }
    y = y ? ayf_reshape(g, y, AYF_SHAPE(s.dim[0] * area, channels)) : 0;
    y = linear(net, y, stage->name, "attn_proj.weight", factor);
    return y ? ayf_reshape(g, y, s) : 0;
}

/* `emb` (N,E) is SiLU of the embedding without its gain. */
static ayf_id block(ayf_net *net, const ayf_stage *stage, ayf_id x, ayf_id emb) {
    ayf_graph *g = net->g;
    const ayf_model_spec *spec = net->spec;
    bool has_skip = ayf_net_has(net, stage->name, "conv_skip.weight");
    x = resample(net, x, stage->resample);
    if (!stage->decoder) {
        if (has_skip) x = conv1(net, x, weight(net, stage->name, "conv_skip.weight", 1));
        x = ayf_normalized(g, x, sqrt(stage->out));
    }
    ayf_id y = conv3(net, ayf_silu(g, x), stage->name, "conv_res0.weight", silu_gain);
    ayf_id c = linear(net, emb, stage->name, "emb_linear.weight", silu_gain);
    c = ayf_addc(g, ayf_mul(g, c, ayf_net_leaf(net, stage->name, "emb_gain")), 1);
    if (!c) return 0;
    y = ayf_mul(g, y, ayf_reshape(g, c, AYF_SHAPE(ayf_at(g, c)->dim[0], 1, 1, stage->out)));
    y = conv3(net, ayf_silu(g, y), stage->name, "conv_res1.weight", silu_gain * side_part(spec->res_balance));
    double rest = main_part(spec->res_balance);
    if (stage->decoder && has_skip)
        x = conv1(net, x, weight(net, stage->name, "conv_skip.weight", rest));
    else
        x = ayf_mulc(g, x, rest);
    x = ayf_add(g, x, y);
    if (stage->heads) {
        y = attention(net, stage, x, side_part(spec->attn_balance));
        x = ayf_add(g, ayf_mulc(g, x, main_part(spec->attn_balance)), y);
    }
    return spec->clip_act > 0 ? ayf_clamp(g, x, -spec->clip_act, spec->clip_act) : x;
}

/* One branch of a student's embedding: gain * linear(Fourier features). */
static ayf_id branch(ayf_net *net, const char *fourier, const char *layer, ayf_id gain, ayf_id t) {
    ayf_id e = linear(net, ayf_net_fourier(net, fourier, t), layer, "weight", sqrt(2));
    return ayf_mul(net->g, e, gain);
}

static ayf_id embedding(ayf_net *net) {
    ayf_graph *g = net->g;
    const ayf_model_spec *spec = net->spec;
    double share = net->condition.onehot ? main_part(spec->label_balance) : 1;
    ayf_id features = ayf_net_fourier(net, "unet.emb_fourier", net->condition.t), e;
    if (spec->is_student) {
        ayf_id g1 = ayf_net_leaf(net, "unet", "emb_gap_gain"),
               g2 = ayf_net_leaf(net, "unet", "emb_guidance_gain");
        e = linear(net, features, "unet.emb_noise", "weight", sqrt(2));
        e = ayf_add(g, e, branch(net, "unet.emb_gap_fourier", "unet.emb_gap", g1, net->gap));
        e = ayf_add(
            g, e, branch(net, "unet.emb_guidance_fourier", "unet.emb_guidance", g2, net->condition.guidance));
        ayf_id norm = ayf_sqrt(g, ayf_addc(g, ayf_add(g, ayf_square(g, g1), ayf_square(g, g2)), 1));
        if (!norm) return 0;
        e = ayf_mul(g, e, ayf_div(g, ayf_const_like(g, norm, share), norm));
    } else {
        e = linear(net, features, "unet.emb_noise", "weight", sqrt(2) * share);
    }
    if (net->condition.onehot) {
        double factor = sqrt(spec->label_dim) * side_part(spec->label_balance);
        e = ayf_add(g, e, linear(net, net->condition.onehot, "unet.emb_label", "weight", factor));
    }
    return ayf_silu(g, e);
}

/* Concatenation in which each part contributes as `t` says, whatever its number of channels. */
static ayf_id join(ayf_graph *g, ayf_id a, ayf_id b, double t) {
    if (!a || !b) return 0;
    double na = ayf_at(g, a)->dim[3], nb = ayf_at(g, b)->dim[3],
           scale = (na + nb) / ((1 - t) * (1 - t) + t * t);
    return ayf_concat(g, ayf_mulc(g, a, sqrt(scale / na) * (1 - t)), ayf_mulc(g, b, sqrt(scale / nb) * t), 3);
}

static ayf_id unet(ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    const ayf_params *p = net->params;
    ayf_shape shape = ayf_shape_of(g, x), ones = shape;
    if (shape.rank != 4 || shape.dim[1] != net->spec->img_resolution ||
        shape.dim[2] != net->spec->img_resolution || shape.dim[3] != net->spec->img_channels)
        return ayf_graph_fail(g, AYF_E_USAGE, "the network takes images (N,%d,%d,%d)",
                              net->spec->img_resolution, net->spec->img_resolution, net->spec->img_channels);
    ones.dim[3] = 1;
    ayf_id emb = embedding(net);
    x = ayf_concat(g, x, ayf_full(g, ones, 1), 3);
    ayf_id *skip = ayf_alloc(g->ctx, (size_t)p->stage_count, sizeof *skip);
    if (!skip) return ayf_graph_fail(g, AYF_E_MEMORY, "no memory for the list of skip connections");
    int skips = 0;
    for (int i = 0; i < p->stage_count; i++) {
        const ayf_stage *stage = &p->stage[i];
        if (stage->use_skip) x = join(g, x, skip[--skips], net->spec->concat_balance);
        x = stage->conv ? conv3(net, x, stage->name, "weight", 1) : block(net, stage, x, emb);
        if (!stage->decoder) skip[skips++] = x;
    }
    ayf_free(g->ctx, skip);
    x = conv3(net, x, "unet.out_conv", "weight", 1);
    return ayf_mul(g, x, ayf_net_leaf(net, "unet", "out_gain"));
}

ayf_id ayf_edm2_unet(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                     ayf_condition condition) {
    ayf_net net;
    if (!ayf_net_begin(&net, g, spec, storage, x, condition)) return 0;
    ayf_id out = unet(&net, x);
    ayf_net_end(&net);
    return out;
}
