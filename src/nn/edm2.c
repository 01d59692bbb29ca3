/* Magnitude-preserving layers: a weight is used as w/||w|| (times 1/sqrt(fan-in), which keeps unit variance),
 * and sums and concatenations are weighted so that unit variance stays. A constant factor behind a linear
 * layer or in front of it is carried by the layer's weight, where it costs nothing: 1/0.596 of SiLU, sqrt(2)
 * of the Fourier features, the weights of a sum. */
#include "nn/edm2.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"

/* ---- What a spec must satisfy ---- */

static ayf_status check_halving(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->channel_mult.count, coarsest = 1 << (levels - 1);
    if (spec->img_resolution % coarsest == 0) return AYF_OK;
    char times[24] = "once";
    if (levels > 2) snprintf(times, sizeof times, "%d times", levels - 1);
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "a resolution of %d cannot be halved %s; use a multiple of %d (data.resolution), or fewer "
        "values in model.multipliers",
        spec->img_resolution, times, coarsest);
}

static ayf_status check_heads(ayf_context *ctx, const ayf_model_spec *spec) {
    for (int i = 0; i < spec->channel_mult.count; i++) {
        int channels = spec->model_channels * spec->channel_mult.at[i], size = spec->img_resolution >> i;
        int heads = channels / spec->channels_per_head;
        bool attention = i == spec->channel_mult.count - 1;
        for (int k = 0; k < spec->attn_resolutions.count; k++)
            attention = attention || spec->attn_resolutions.at[k] == size;
        if (attention && heads > 0 && channels % heads != 0)
            return ayf_fail(ctx, AYF_E_CONFIG,
                            "%d channels at resolution %d cannot be split into %d attention heads; choose "
                            "channels_per_head so that it divides %d",
                            channels, size, heads, channels);
    }
    return AYF_OK;
}

static ayf_status check_filter(ayf_context *ctx, const ayf_reals *taps) {
    double sum = 0;
    for (int i = 0; i < taps->count; i++) sum += taps->at[i];
    if (taps->count >= 2 && taps->count % 2 == 0 && fabs(sum) > 1e-6) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "resample_filter must have an even number of taps (2 to 8) with a sum other than 0, such as 1,1");
}

static ayf_status check_latents(ayf_context *ctx, const ayf_model_spec *spec) {
    int means = spec->latent_mean.count, scales = spec->latent_scale.count;
    if (means == scales && (means == 0 || means == spec->img_channels)) return AYF_OK;
    return ayf_fail(ctx, AYF_E_CONFIG,
                    "model.latent_mean and model.latent_scale have %d and %d values; give one per channel "
                    "(%d), or none for pictures",
                    means, scales, spec->img_channels);
}

ayf_status ayf_edm2_check(ayf_context *ctx, const ayf_model_spec *spec) {
    if (spec->channel_mult.count < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model.multipliers is empty; give one multiple per level, for example 1,2,2");
    AYF_TRY(check_halving(ctx, spec));
    AYF_TRY(check_heads(ctx, spec));
    AYF_TRY(check_latents(ctx, spec));
    return check_filter(ctx, &spec->resample_filter);
}

/* ---- The list of stages ---- */

/* One entry of the encoder or decoder. */
typedef struct stage {
    char name[48]; /* "unet.enc.32x32_block0" */
    bool decoder;
    bool conv;     /* the first convolution; every other stage is a residual block */
    int skip;      /* its input is joined with the output of this stage of the encoder; -1: with none */
    int resample;  /* -1 halves, +1 doubles the resolution before the block */
    int in, out;   /* channels; `in` after the join */
    int heads;     /* of self-attention, 0 = none */
    ayf_id output; /* while the graph is written */
} stage;

/* In the order in which they run. */
typedef struct stages {
    const ayf_model_spec *spec;
    stage *at;
    int count;
} stages;

static stage *append(stages *list, bool decoder, int resolution, const char *what, int index) {
    stage *s = &list->at[list->count++];
    char number[16] = "";
    if (index >= 0) snprintf(number, sizeof number, "%d", index);
    *s = (stage){.decoder = decoder, .skip = -1};
    snprintf(s->name, sizeof s->name, "unet.%s.%dx%d_%s%s", decoder ? "dec" : "enc", resolution, resolution,
             what, number);
    return s;
}

static int heads_at(const ayf_model_spec *spec, int resolution, int channels) {
    for (int i = 0; i < spec->attn_resolutions.count; i++)
        if (spec->attn_resolutions.at[i] == resolution) return channels / spec->channels_per_head;
    return 0;
}

static void list_encoder(stages *list) {
    const ayf_model_spec *spec = list->spec;
    int channels = spec->img_channels + 1; /* one channel of ones stands in for biases */
    for (int level = 0; level < spec->channel_mult.count; level++) {
        int resolution = spec->img_resolution >> level,
            wide = spec->model_channels * spec->channel_mult.at[level];
        stage *s = append(list, false, resolution, level == 0 ? "conv" : "down", -1);
        s->conv = level == 0;
        s->resample = level == 0 ? 0 : -1;
        s->in = channels;
        s->out = channels = level == 0 ? wide : channels;
        for (int i = 0; i < spec->num_blocks; i++) {
            s = append(list, false, resolution, "block", i);
            s->in = channels;
            s->out = channels = wide;
            s->heads = heads_at(spec, resolution, wide);
        }
    }
}

static void list_decoder(stages *list) {
    const ayf_model_spec *spec = list->spec;
    int channels = list->at[list->count - 1].out, unused_skip = list->count;
    for (int level = spec->channel_mult.count - 1; level >= 0; level--) {
        int resolution = spec->img_resolution >> level,
            wide = spec->model_channels * spec->channel_mult.at[level];
        bool lowest = level == spec->channel_mult.count - 1;
        stage *s = append(list, true, resolution, lowest ? "in" : "up", lowest ? 0 : -1);
        s->resample = lowest ? 0 : 1;
        s->in = s->out = channels;
        s->heads = lowest ? channels / spec->channels_per_head : 0;
        if (lowest) {
            s = append(list, true, resolution, "in", 1);
            s->in = s->out = channels;
        }
        for (int i = 0; i <= spec->num_blocks; i++) {
            s = append(list, true, resolution, "block", i);
            s->skip = --unused_skip;
            s->in = channels + list->at[s->skip].out;
            s->out = channels = wide;
            s->heads = heads_at(spec, resolution, wide);
        }
    }
}

/* The caller frees list->at. False without memory. */
static bool list_stages(ayf_context *ctx, const ayf_model_spec *spec, stages *list) {
    int count = spec->channel_mult.count * (2 * spec->num_blocks + 3) + 1;
    *list = (stages){.spec = spec, .at = ayf_alloc(ctx, (size_t)count, sizeof *list->at)};
    if (!list->at) return false;
    list_encoder(list);
    list_decoder(list);
    return true;
}

/* ---- Parameters ---- */

static bool add_gain(ayf_params *p, const char *name) {
    return ayf_params_add(p, AYF_PARAM_GAIN, name, 0, NULL) != NULL;
}

static bool add_linear(ayf_params *p, const char *name, int out, int in) {
    return ayf_params_add_matrix(p, AYF_PARAM_WEIGHT, name, out, in, 1) != NULL;
}

static ayf_param *add_conv(ayf_params *p, const char *name, int out, int in, int kernel) {
    return ayf_params_add_conv(p, AYF_PARAM_WEIGHT, name, out, in, kernel, 1);
}

static bool add_block(ayf_params *p, const stage *s, int embedding) {
    char name[96];
    snprintf(name, sizeof name, "%s.emb_gain", s->name);
    if (!add_gain(p, name)) return false;
    snprintf(name, sizeof name, "%s.conv_res0.weight", s->name);
    if (!add_conv(p, name, s->out, s->decoder ? s->in : s->out, 3)) return false;
    snprintf(name, sizeof name, "%s.emb_linear.weight", s->name);
    if (!add_linear(p, name, s->out, embedding)) return false;
    snprintf(name, sizeof name, "%s.conv_res1.weight", s->name);
    if (!add_conv(p, name, s->out, s->out, 3)) return false;
    snprintf(name, sizeof name, "%s.conv_skip.weight", s->name);
    if (s->in != s->out && !add_conv(p, name, s->out, s->in, 1)) return false;
    if (s->heads == 0) return true;
    snprintf(name, sizeof name, "%s.attn_qkv.weight", s->name);
    ayf_param *qkv = add_conv(p, name, 3 * s->out, s->out, 1);
    if (!qkv) return false;
    qkv->layout = AYF_LAYOUT_QKV;
    qkv->heads = s->heads;
    snprintf(name, sizeof name, "%s.attn_proj.weight", s->name);
    return add_conv(p, name, s->out, s->out, 1) != NULL;
}

static bool add_stage(ayf_params *p, const stage *s, int embedding) {
    char name[96];
    if (!s->conv) return add_block(p, s, embedding);
    snprintf(name, sizeof name, "%s.weight", s->name);
    return add_conv(p, name, s->out, s->in, 3) != NULL;
}

static bool add_embeddings(ayf_params *p, int embedding) {
    const ayf_model_spec *spec = &p->spec;
    int noise = spec->model_channels *
                (spec->channel_mult_noise ? spec->channel_mult_noise : spec->channel_mult.at[0]);
    if (!ayf_params_add_fourier(p, "unet.emb_fourier", noise, spec->bandwidth_noise)) return false;
    if (!add_linear(p, "unet.emb_noise.weight", embedding, noise)) return false;
    if (spec->is_student && !spec->time_split) {
        if (!ayf_params_add_fourier(p, "unet.emb_gap_fourier", noise, spec->bandwidth_gap)) return false;
        if (!add_linear(p, "unet.emb_gap.weight", embedding, noise)) return false;
        if (!add_gain(p, "unet.emb_gap_gain")) return false;
    }
    if (spec->is_student) {
        if (!ayf_params_add_fourier(p, "unet.emb_guidance_fourier", noise, spec->bandwidth_guidance))
            return false;
        if (!add_linear(p, "unet.emb_guidance.weight", embedding, noise)) return false;
        if (!add_gain(p, "unet.emb_guidance_gain")) return false;
    }
    return spec->label_dim == 0 || add_linear(p, "unet.emb_label.weight", embedding, spec->label_dim);
}

static int embedding_size(const ayf_model_spec *spec) {
    int most = spec->channel_mult_emb;
    for (int i = 0; !spec->channel_mult_emb && i < spec->channel_mult.count; i++)
        most = spec->channel_mult.at[i] > most ? spec->channel_mult.at[i] : most;
    return spec->model_channels * most;
}

bool ayf_edm2_params(ayf_params *p) {
    stages list;
    int embedding = embedding_size(&p->spec);
    if (!list_stages(p->ctx, &p->spec, &list)) return false;
    bool done = add_embeddings(p, embedding);
    for (int i = 0; done && i < list.count; i++) done = add_stage(p, &list.at[i], embedding);
    p->output_layer = p->count;
    done = done && add_conv(p, "unet.out_conv.weight", p->spec.img_channels, list.at[list.count - 1].out, 3);
    ayf_free(p->ctx, list.at);
    return done && add_gain(p, "unet.out_gain");
}

/* ---- Graph ---- */

static const double silu_gain = 1 / 0.596;

/* The weights of a and b in mp_sum(a, b, t) = ((1-t) a + t b) / sqrt((1-t)^2 + t^2). */
static double main_part(double t) { return (1 - t) / sqrt((1 - t) * (1 - t) + t * t); }
static double side_part(double t) { return t / sqrt((1 - t) * (1 - t) + t * t); }

static ayf_id weight(const ayf_net *net, const char *prefix, const char *suffix, double factor) {
    return ayf_normalized(net->g, ayf_net_leaf(net, prefix, suffix), factor);
}

static ayf_id linear(const ayf_net *net, ayf_id x, const char *prefix, const char *suffix, double factor) {
    return ayf_linear(net->g, x, weight(net, prefix, suffix, factor));
}

static ayf_id conv3(const ayf_net *net, ayf_id x, const char *prefix, const char *suffix, double factor) {
    return ayf_conv(net->g, x, ayf_kernel(net->g, weight(net, prefix, suffix, factor), 3, 3), 1, 1);
}

static ayf_id resample(const ayf_net *net, ayf_id x, int direction) {
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
static ayf_id heads_of(const ayf_net *net, ayf_id x, ayf_id w, int heads, double norm) {
    ayf_graph *g = net->g;
    if (!x || !w) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    int batch = s.dim[0], area = s.dim[1] * s.dim[2], size = s.dim[3] / heads;
    ayf_id y = ayf_linear(g, ayf_pixels(g, x), w);
    y = y ? ayf_normalized(g, ayf_reshape(g, y, AYF_SHAPE(batch, area, heads, size)), norm) : 0;
    if (heads > 1) y = ayf_permute(g, y, (const int[]){0, 2, 1, 3});
    return y ? ayf_reshape(g, y, AYF_SHAPE(batch * heads, area, size)) : 0;
}

/* softmax(q k^T / sqrt(c)) v with q, k, v of unit RMS along c. No shift is needed in front of exp: by
 * Cauchy-Schwarz the exponent is at most sqrt(c). Rows are divided after the product with v, where they are
 * short. */
static ayf_id attention(const ayf_net *net, const stage *at, ayf_id x, double factor) {
    ayf_graph *g = net->g;
    ayf_id qkv = weight(net, at->name, "attn_qkv.weight", 1);
    if (!x || !qkv) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    int channels = at->out, heads = at->heads, size = channels / heads, area = s.dim[1] * s.dim[2];
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
    y = linear(net, y, at->name, "attn_proj.weight", factor);
    return y ? ayf_reshape(g, y, s) : 0;
}

/* `emb` (N,E) is SiLU of the embedding without its gain. */
static ayf_id block(const ayf_net *net, const stage *at, ayf_id x, ayf_id emb) {
    ayf_graph *g = net->g;
    const ayf_model_spec *spec = net->spec;
    bool has_skip = ayf_net_has(net, at->name, "conv_skip.weight");
    x = resample(net, x, at->resample);
    if (!at->decoder) {
        if (has_skip) x = ayf_conv1(g, x, weight(net, at->name, "conv_skip.weight", 1));
        x = ayf_normalized(g, x, sqrt(at->out));
    }
    ayf_id y = conv3(net, ayf_silu(g, x), at->name, "conv_res0.weight", silu_gain);
    ayf_id c = linear(net, emb, at->name, "emb_linear.weight", silu_gain);
    c = ayf_addc(g, ayf_mul(g, c, ayf_net_leaf(net, at->name, "emb_gain")), 1);
    if (!c) return 0;
    y = ayf_mul(g, y, ayf_reshape(g, c, AYF_SHAPE(ayf_at(g, c)->dim[0], 1, 1, at->out)));
    y = conv3(net, ayf_silu(g, y), at->name, "conv_res1.weight", silu_gain * side_part(spec->res_balance));
    double rest = main_part(spec->res_balance);
    if (at->decoder && has_skip)
        x = ayf_conv1(g, x, weight(net, at->name, "conv_skip.weight", rest));
    else
        x = ayf_mulc(g, x, rest);
    x = ayf_add(g, x, y);
    if (at->heads) {
        y = attention(net, at, x, side_part(spec->attn_balance));
        x = ayf_add(g, ayf_mulc(g, x, main_part(spec->attn_balance)), y);
    }
    return spec->clip_act > 0 ? ayf_clamp(g, x, -spec->clip_act, spec->clip_act) : x;
}

/* One branch of a student's embedding: gain * linear(Fourier features). */
static ayf_id branch(const ayf_net *net, const char *fourier, const char *layer, ayf_id gain, ayf_id t) {
    ayf_id e = linear(net, ayf_net_fourier(net, fourier, t), layer, "weight", sqrt(2));
    return ayf_mul(net->g, e, gain);
}

/* Of the time `t` (N), and of what else the network is told. */
static ayf_id embedding(const ayf_net *net, ayf_id t) {
    ayf_graph *g = net->g;
    const ayf_model_spec *spec = net->spec;
    double share = net->condition.onehot ? main_part(spec->label_balance) : 1;
    ayf_id features = ayf_net_fourier(net, "unet.emb_fourier", ayf_net_time(net, t)), e;
    if (spec->is_student) {
        ayf_id gain = ayf_net_leaf(net, "unet", "emb_guidance_gain"),
               square = ayf_addc(g, ayf_square(g, gain), 1);
        e = linear(net, features, "unet.emb_noise", "weight", sqrt(2));
        if (!spec->time_split) {
            ayf_id of_gap = ayf_net_leaf(net, "unet", "emb_gap_gain");
            e = ayf_add(g, e, branch(net, "unet.emb_gap_fourier", "unet.emb_gap", of_gap, net->gap));
            square = ayf_add(g, square, ayf_square(g, of_gap));
        }
        e = ayf_add(
            g, e,
            branch(net, "unet.emb_guidance_fourier", "unet.emb_guidance", gain, net->condition.guidance));
        ayf_id norm = ayf_sqrt(g, square);
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

static ayf_id unet(const ayf_net *net, const stages *list, ayf_id x) {
    ayf_graph *g = net->g;
    ayf_shape ones = ayf_shape_of(g, x);
    ones.dim[3] = 1;
    bool split = net->spec->is_student && net->spec->time_split;
    ayf_id emb = embedding(net, net->condition.t), late = split ? embedding(net, net->condition.s) : emb;
    x = ayf_concat(g, x, ayf_full(g, ones, 1), 3);
    for (int i = 0; i < list->count; i++) {
        stage *at = &list->at[i];
        if (at->skip >= 0) x = join(g, x, list->at[at->skip].output, net->spec->concat_balance);
        x = at->conv ? conv3(net, x, at->name, "weight", 1) : block(net, at, x, at->decoder ? late : emb);
        at->output = x;
        ayf_border(g, x);
    }
    x = conv3(net, x, "unet.out_conv", "weight", 1);
    return ayf_mul(g, x, ayf_net_leaf(net, "unet", "out_gain"));
}

ayf_id ayf_edm2_unet(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                     ayf_condition condition) {
    ayf_net net;
    stages list;
    if (!ayf_net_open(&net, g, params, storage, AYF_MODEL_UNET)) return 0;
    if (!ayf_net_take(&net, x, condition) || !ayf_net_takes_images(&net, x)) return 0;
    if (!list_stages(g->ctx, net.spec, &list))
        return ayf_graph_fail(g, AYF_E_MEMORY, "no memory for the list of stages");
    ayf_id out = unet(&net, &list, x);
    ayf_free(g->ctx, list.at);
    return out;
}
