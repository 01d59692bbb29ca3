#include "nn/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "nn/params_build.h"

static const double two_pi = 6.283185307179586;

/* ---- Building the table ---- */

ayf_param *ayf_params_add(ayf_params *p, ayf_param_role role, const char *name, int rank,
                          const int *file_shape) {
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 64;
        ayf_param *at = ayf_grow(p->ctx, p->at, (size_t)p->capacity, (size_t)capacity, sizeof *at);
        if (!at) return NULL;
        p->at = at;
        p->capacity = capacity;
    }
    ayf_param *w = &p->at[p->count++];
    snprintf(w->name, sizeof w->name, "%s", name);
    w->role = role;
    w->file_rank = rank;
    w->shape.rank = rank;
    w->size = 1;
    for (int i = 0; i < rank; i++) {
        w->file_shape[i] = w->shape.dim[i] = file_shape[i];
        w->size *= (size_t)file_shape[i];
    }
    return w;
}

static bool add_gain(ayf_params *p, const char *name) {
    return ayf_params_add(p, AYF_PARAM_GAIN, name, 1, (const int[]){1}) != NULL;
}

static ayf_param *add_linear(ayf_params *p, const char *name, int out, int in) {
    ayf_param *w = ayf_params_add(p, AYF_PARAM_WEIGHT, name, 2, (const int[]){out, in});
    if (w) {
        w->init = AYF_INIT_NORMAL;
        w->scale = 1;
    }
    return w;
}

static ayf_param *add_conv(ayf_params *p, const char *name, int out, int in, int kernel) {
    ayf_param *w = ayf_params_add(p, AYF_PARAM_WEIGHT, name, 4, (const int[]){out, in, kernel, kernel});
    if (w) {
        w->init = AYF_INIT_NORMAL;
        w->scale = 1;
        w->layout = kernel > 1 ? AYF_LAYOUT_CONV : AYF_LAYOUT_SAME;
        w->window = kernel * kernel;
        w->shape = AYF_SHAPE(out, kernel * kernel * in);
    }
    return w;
}

static bool add_fourier(ayf_params *p, const char *prefix, int count, double bandwidth) {
    char name[96];
    snprintf(name, sizeof name, "%s.freqs", prefix);
    ayf_param *freqs = ayf_params_add(p, AYF_PARAM_BUFFER, name, 1, &count);
    if (!freqs) return false;
    freqs->init = AYF_INIT_NORMAL;
    freqs->scale = two_pi * bandwidth;
    snprintf(name, sizeof name, "%s.phases", prefix);
    ayf_param *phases = ayf_params_add(p, AYF_PARAM_BUFFER, name, 1, &count);
    if (!phases) return false;
    phases->init = AYF_INIT_PHASE;
    return true;
}

static ayf_stage *add_stage(ayf_params *p, bool decoder, int resolution, const char *what, int index) {
    if (p->stage_count == p->stage_capacity) {
        int capacity = p->stage_capacity ? 2 * p->stage_capacity : 32;
        ayf_stage *stage =
            ayf_grow(p->ctx, p->stage, (size_t)p->stage_capacity, (size_t)capacity, sizeof *stage);
        if (!stage) return NULL;
        p->stage = stage;
        p->stage_capacity = capacity;
    }
    ayf_stage *s = &p->stage[p->stage_count++];
    char number[16] = "";
    if (index >= 0) snprintf(number, sizeof number, "%d", index);
    s->decoder = decoder;
    snprintf(s->name, sizeof s->name, "unet.%s.%dx%d_%s%s", decoder ? "dec" : "enc", resolution, resolution,
             what, number);
    return s;
}

static bool add_block(ayf_params *p, ayf_stage *s, int in, int out, int embedding, int heads) {
    char name[96];
    s->in = in;
    s->out = out;
    s->heads = heads;
    snprintf(name, sizeof name, "%s.emb_gain", s->name);
    if (!add_gain(p, name)) return false;
    snprintf(name, sizeof name, "%s.conv_res0.weight", s->name);
    if (!add_conv(p, name, out, s->decoder ? in : out, 3)) return false;
    snprintf(name, sizeof name, "%s.emb_linear.weight", s->name);
    if (!add_linear(p, name, out, embedding)) return false;
    snprintf(name, sizeof name, "%s.conv_res1.weight", s->name);
    if (!add_conv(p, name, out, out, 3)) return false;
    snprintf(name, sizeof name, "%s.conv_skip.weight", s->name);
    if (in != out && !add_conv(p, name, out, in, 1)) return false;
    if (heads == 0) return true;
    snprintf(name, sizeof name, "%s.attn_qkv.weight", s->name);
    ayf_param *qkv = add_conv(p, name, 3 * out, out, 1);
    if (!qkv) return false;
    qkv->layout = AYF_LAYOUT_QKV;
    qkv->heads = heads;
    snprintf(name, sizeof name, "%s.attn_proj.weight", s->name);
    return add_conv(p, name, out, out, 1) != NULL;
}

static bool has_attention(const ayf_model_spec *spec, int resolution) {
    for (int i = 0; i < spec->attn_resolutions.count; i++)
        if (spec->attn_resolutions.at[i] == resolution) return true;
    return false;
}

static int largest(const ayf_ints *list) {
    int most = list->at[0];
    for (int i = 1; i < list->count; i++) most = list->at[i] > most ? list->at[i] : most;
    return most;
}

static bool build_embeddings(ayf_params *p, const ayf_model_spec *spec, int embedding) {
    int noise = spec->model_channels *
                (spec->channel_mult_noise ? spec->channel_mult_noise : spec->channel_mult.at[0]);
    if (!add_fourier(p, "unet.emb_fourier", noise, spec->bandwidth_noise)) return false;
    if (!add_linear(p, "unet.emb_noise.weight", embedding, noise)) return false;
    if (spec->is_student) {
        if (!add_fourier(p, "unet.emb_gap_fourier", noise, spec->bandwidth_gap)) return false;
        if (!add_linear(p, "unet.emb_gap.weight", embedding, noise)) return false;
        if (!add_gain(p, "unet.emb_gap_gain")) return false;
        if (!add_fourier(p, "unet.emb_guidance_fourier", noise, spec->bandwidth_guidance)) return false;
        if (!add_linear(p, "unet.emb_guidance.weight", embedding, noise)) return false;
        if (!add_gain(p, "unet.emb_guidance_gain")) return false;
    }
    return spec->label_dim == 0 || add_linear(p, "unet.emb_label.weight", embedding, spec->label_dim);
}

static bool build_encoder(ayf_params *p, const ayf_model_spec *spec, int embedding, int *channels) {
    int out = spec->img_channels + 1; /* one channel of ones stands in for biases */
    for (int level = 0; level < spec->channel_mult.count; level++) {
        int resolution = spec->img_resolution >> level, in = out;
        ayf_stage *s = add_stage(p, false, resolution, level == 0 ? "conv" : "down", -1);
        if (!s) return false;
        if (level == 0) {
            char name[96];
            out = spec->model_channels * spec->channel_mult.at[0];
            s->conv = true;
            s->in = in;
            s->out = out;
            snprintf(name, sizeof name, "%s.weight", s->name);
            if (!add_conv(p, name, out, in, 3)) return false;
        } else {
            s->resample = -1;
            if (!add_block(p, s, in, in, embedding, 0)) return false;
        }
        for (int i = 0; i < spec->num_blocks; i++) {
            in = out;
            out = spec->model_channels * spec->channel_mult.at[level];
            s = add_stage(p, false, resolution, "block", i);
            int heads = has_attention(spec, resolution) ? out / spec->channels_per_head : 0;
            if (!s || !add_block(p, s, in, out, embedding, heads)) return false;
        }
    }
    *channels = out;
    return true;
}

static bool build_decoder(ayf_params *p, const ayf_model_spec *spec, int embedding, int channels) {
    int out = channels, unused_skip = p->stage_count;
    for (int level = spec->channel_mult.count - 1; level >= 0; level--) {
        int resolution = spec->img_resolution >> level;
        bool lowest = level == spec->channel_mult.count - 1;
        ayf_stage *s =
            lowest ? add_stage(p, true, resolution, "in", 0) : add_stage(p, true, resolution, "up", -1);
        if (!s) return false;
        s->resample = lowest ? 0 : 1;
        if (!add_block(p, s, out, out, embedding, lowest ? out / spec->channels_per_head : 0)) return false;
        if (lowest) {
            s = add_stage(p, true, resolution, "in", 1);
            if (!s || !add_block(p, s, out, out, embedding, 0)) return false;
        }
        for (int i = 0; i <= spec->num_blocks; i++) {
            int in = out + p->stage[--unused_skip].out;
            out = spec->model_channels * spec->channel_mult.at[level];
            s = add_stage(p, true, resolution, "block", i);
            if (!s) return false;
            s->use_skip = true;
            int heads = has_attention(spec, resolution) ? out / spec->channels_per_head : 0;
            if (!add_block(p, s, in, out, embedding, heads)) return false;
        }
    }
    return add_conv(p, "unet.out_conv.weight", spec->img_channels, out, 3) && add_gain(p, "unet.out_gain");
}

static bool build_unet(ayf_params *p, const ayf_model_spec *spec) {
    int channels = 0;
    int embedding = spec->model_channels *
                    (spec->channel_mult_emb ? spec->channel_mult_emb : largest(&spec->channel_mult));
    return build_embeddings(p, spec, embedding) && build_encoder(p, spec, embedding, &channels) &&
           build_decoder(p, spec, embedding, channels);
}

ayf_param *ayf_params_add_plain(ayf_params *p, const char *name, int out, int in, double scale) {
    ayf_param *w = ayf_params_add(p, AYF_PARAM_PLAIN, name, in ? 2 : 1, (const int[]){out, in});
    if (!w) return NULL;
    w->init = scale > 0 ? AYF_INIT_NORMAL : AYF_INIT_ZERO;
    w->scale = scale;
    return w;
}

ayf_param *ayf_params_add_plain_conv(ayf_params *p, const char *name, int out, int in, int kernel,
                                     double scale) {
    ayf_param *w = add_conv(p, name, out, in, kernel);
    if (!w) return NULL;
    w->role = AYF_PARAM_PLAIN;
    w->scale = scale;
    return w;
}

static bool build_mlp(ayf_params *p, const ayf_model_spec *spec) {
    int hidden = spec->mlp_hidden, features = spec->mlp_fourier;
    char name[96];
    if (!add_fourier(p, "mlp.fourier", features, spec->bandwidth_noise)) return false;
    if (!ayf_params_add_plain(p, "mlp.in_x.weight", hidden, spec->mlp_dim, 1)) return false;
    if (!ayf_params_add_plain(p, "mlp.in_noise.weight", hidden, features, 1 / sqrt(features))) return false;
    if (spec->is_student) { /* zero weights: a student made from its teacher starts as the teacher */
        if (!add_fourier(p, "mlp.gap_fourier", features, spec->bandwidth_gap)) return false;
        if (!ayf_params_add_plain(p, "mlp.in_gap.weight", hidden, features, 0)) return false;
        if (!add_fourier(p, "mlp.guidance_fourier", features, spec->bandwidth_guidance)) return false;
        if (!ayf_params_add_plain(p, "mlp.in_guidance.weight", hidden, features, 0)) return false;
    }
    if (spec->label_dim && !ayf_params_add_plain(p, "mlp.in_label.weight", hidden, spec->label_dim, 1))
        return false;
    if (!ayf_params_add_plain(p, "mlp.in.bias", hidden, 0, 0)) return false;
    for (int i = 1; i < spec->mlp_layers; i++) {
        snprintf(name, sizeof name, "mlp.hidden%d.weight", i);
        if (!ayf_params_add_plain(p, name, hidden, hidden, sqrt(2.0 / hidden))) return false;
        snprintf(name, sizeof name, "mlp.hidden%d.bias", i);
        if (!ayf_params_add_plain(p, name, hidden, 0, 0)) return false;
    }
    return ayf_params_add_plain(p, "mlp.out.weight", spec->mlp_dim, hidden, 0) &&
           ayf_params_add_plain(p, "mlp.out.bias", spec->mlp_dim, 0, 0);
}

/* False: no memory. */
static bool (*const build[AYF_MODEL_KINDS])(ayf_params *, const ayf_model_spec *) = {
    [AYF_MODEL_UNET] = build_unet,
    [AYF_MODEL_MLP] = build_mlp,
    [AYF_MODEL_DISCRIMINATOR] = ayf_params_sg2,
    [AYF_MODEL_INCEPTION] = ayf_params_inception,
    [AYF_MODEL_FEATURES] = ayf_params_features,
};

ayf_status ayf_params_new(ayf_context *ctx, const ayf_model_spec *spec, ayf_params **out) {
    *out = NULL;
    AYF_TRY(ayf_model_spec_check(ctx, spec));
    if (!build[spec->kind])
        return ayf_fail(ctx, AYF_E_USAGE, "there is no network of kind %s in this version of ayf",
                        ayf_model_kind_name(spec->kind));
    ayf_params *p = ayf_alloc(ctx, 1, sizeof *p);
    if (!p) return AYF_E_MEMORY;
    p->ctx = ctx;
    if (!build[spec->kind](p, spec)) {
        ayf_params_free(p);
        return AYF_E_MEMORY;
    }
    *out = p;
    return AYF_OK;
}

void ayf_params_free(ayf_params *params) {
    if (!params) return;
    ayf_free(params->ctx, params->at);
    ayf_free(params->ctx, params->stage);
    ayf_free(params->ctx, params);
}

/* ---- Using it ---- */

const ayf_param *ayf_params_find(const ayf_params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->at[i].name, name) == 0) return &params->at[i];
    return NULL;
}

size_t ayf_params_trained(const ayf_params *params) {
    size_t total = 0;
    for (int i = 0; i < params->count; i++)
        if (params->at[i].role != AYF_PARAM_BUFFER) total += params->at[i].size;
    return total;
}

ayf_id ayf_param_leaf(ayf_graph *g, const ayf_param *param, ayf_storage storage) {
    return ayf_leaf(g, param->role == AYF_PARAM_BUFFER ? AYF_STORE_PARAM : storage, param->name,
                    param->shape);
}

static const double fir[] = {1, 3, 3, 1};

void ayf_param_init(const ayf_param *param, uint64_t seed, float *out) {
    ayf_rng_key key = {seed, AYF_RNG_INIT, ayf_hash(AYF_HASH_START, param->name, strlen(param->name)), 0};
    double scale = param->scale;
    if (param->init == AYF_INIT_ZERO) {
        memset(out, 0, param->size * sizeof *out);
        return;
    }
    if (param->init == AYF_INIT_FIR) {
        for (size_t i = 0; i < param->size; i++) out[i] = (float)(fir[i / 4] * fir[i % 4] / 64);
        return;
    }
    if (param->init == AYF_INIT_NORMAL) {
        ayf_rng_normal(key, out, param->size);
    } else {
        ayf_rng_uniform(key, out, param->size);
        scale = two_pi;
    }
    for (size_t i = 0; i < param->size; i++) out[i] = (float)(out[i] * scale);
    ayf_param_normalize(param, out);
}

/* For each element in the graph's order, where it is in the file. */
static size_t file_index(const ayf_param *w, size_t i) {
    size_t columns = (size_t)w->shape.dim[w->shape.rank - 1], row = i / columns, column = i % columns;
    if (w->layout == AYF_LAYOUT_CONV || w->layout == AYF_LAYOUT_FLAT) {
        size_t window = (size_t)w->window, in = columns / window;
        size_t tap = column / in, channel = column % in;
        return (row * in + channel) * window + tap;
    }
    if (w->layout == AYF_LAYOUT_QKV) {
        size_t third = (size_t)w->shape.dim[0] / 3, which = row / third, channel = row % third;
        return (channel * 3 + which) * columns + column;
    }
    return i;
}

void ayf_param_import(const ayf_param *param, const float *file, float *graph) {
    for (size_t i = 0; i < param->size; i++) graph[i] = file[file_index(param, i)];
}

void ayf_param_export(const ayf_param *param, const float *graph, float *file) {
    for (size_t i = 0; i < param->size; i++) file[file_index(param, i)] = graph[i];
}

void ayf_param_normalize(const ayf_param *param, float *graph) {
    if (param->role != AYF_PARAM_WEIGHT) return;
    size_t columns = (size_t)param->shape.dim[1];
    for (float *row = graph; row < graph + param->size; row += columns) {
        double sum = 0;
        for (size_t i = 0; i < columns; i++) sum += (double)row[i] * row[i];
        double factor = 1 / (1e-4 + sqrt(sum / (double)columns));
        for (size_t i = 0; i < columns; i++) row[i] = (float)(row[i] * factor);
    }
}
