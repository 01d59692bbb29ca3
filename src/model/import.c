/* Networks of EDM2: names and shapes tell what the network is, and its tensors go into the model file as they are.
 *
 * EDM2's denoiser is D(y; sigma) = c_skip y + c_out U(c_in y, ln(sigma)/4). With x = y (1-t)/sigma_data and sigma =
 * sigma_data t/(1-t), the velocity (x - D/sigma_data)/t is that of model.precond = velocity (flow/map.h) with
 * model.time_label = logsnr. */
#include <stdio.h>
#include <string.h>

#include "ayf/model.h"
#include "base/number.h"
#include "model/foreign.h"
#include "nn/network.h"

typedef struct reader {
    ayf_context *ctx;
    const ayf_st *st;
    ayf_foreign file; /* prefix: "unet." as EDM2's Precond has it, or "" */
    ayf_model_spec spec;
    double sigma_data;
} reader;

#define OWN_PREFIX "unet." /* of nn/edm2.h */
#define META "edm2."       /* of scripts/convert_edm2.py */

static ayf_status refuse(const reader *in, const char *why) {
    return ayf_fail(in->ctx, AYF_E_FORMAT,
                    "%s: %s; ayf import reads networks of EDM2 (config G) with the names of their state_dict",
                    ayf_st_path(in->st), why);
}

/* ---- What the names tell ---- */

static const ayf_st_tensor *find(const reader *in, int rank, const char *name) {
    return ayf_foreign_find(&in->file, rank, name);
}

static const ayf_st_tensor *find_at(const reader *in, int rank, const char *part, int resolution,
                                    const char *name) {
    char full[96];
    snprintf(full, sizeof full, "%s.%dx%d_%s", part, resolution, resolution, name);
    return find(in, rank, full);
}

static int rows_of(const ayf_st_tensor *tensor) { return ayf_foreign_size(tensor, 0); }
static int columns_of(const ayf_st_tensor *tensor) { return ayf_foreign_size(tensor, 1); }

static ayf_status find_resolution(reader *in) {
    size_t own = strlen(in->file.prefix);
    int height, width, end;
    for (size_t i = 0; i < ayf_st_count(in->st); i++) {
        const char *name = ayf_st_at(in->st, i)->name;
        if (strncmp(name, in->file.prefix, own) != 0) continue;
        end = 0;
        if (sscanf(name + own, "enc.%5dx%5d_conv.weight%n", &height, &width, &end) != 2 || !end ||
            name[own + (size_t)end])
            continue;
        if (height == width && height > 0 && height <= 4096) {
            in->spec.img_resolution = height;
            return AYF_OK;
        }
    }
    return refuse(in, "it has no tensor 'unet.enc.RxR_conv.weight', whose name tells the resolution");
}

static int divisor(int a, int b) { return b ? divisor(b, a % b) : a; }

/* Channels of the levels, blocks and attention. `widths` takes AYF_LIST_MAX. */
static ayf_status find_levels(reader *in, int *widths, int *levels) {
    ayf_model_spec *spec = &in->spec;
    char name[48];
    spec->attn_resolutions.count = 0;
    for (*levels = 0; *levels < AYF_LIST_MAX; ++*levels) {
        int r = spec->img_resolution >> *levels;
        const ayf_st_tensor *first =
            find_at(in, 4, "enc", r, *levels ? "down.conv_res0.weight" : "conv.weight");
        if (!first) break;
        widths[*levels] = rows_of(find_at(in, 4, "enc", r, "block0.conv_res1.weight"));
        if (!widths[*levels])
            return ayf_fail(
                in->ctx, AYF_E_FORMAT,
                "%s: tensor '%senc.%dx%d_block0.conv_res1.weight' is missing or has another rank than 4",
                ayf_st_path(in->st), in->file.prefix, r, r);
        if (find_at(in, 4, "enc", r, "block0.attn_qkv.weight"))
            spec->attn_resolutions.at[spec->attn_resolutions.count++] = r;
        if (r % 2) {
            ++*levels;
            break;
        }
    }
    spec->num_blocks = 0;
    do {
        snprintf(name, sizeof name, "block%d.conv_res0.weight", spec->num_blocks);
    } while (find_at(in, 4, "enc", spec->img_resolution, name) && ++spec->num_blocks < 1000);
    return *levels ? AYF_OK : refuse(in, "its first convolution is not of rank 4");
}

static ayf_status find_network(reader *in) {
    ayf_model_spec *spec = &in->spec;
    int widths[AYF_LIST_MAX], levels, most = 0;
    AYF_TRY(find_resolution(in));
    AYF_TRY(find_levels(in, widths, &levels));
    int noise = rows_of(find(in, 1, "emb_fourier.freqs")),
        embedding = rows_of(find(in, 2, "emb_noise.weight"));
    if (!noise || !embedding)
        return refuse(
            in, "it has no tensors 'unet.emb_fourier.freqs' and 'unet.emb_noise.weight' of ranks 1 and 2");
    int channels = divisor(noise, embedding);
    for (int i = 0; i < levels; i++) channels = divisor(channels, widths[i]);
    spec->model_channels = channels;
    spec->channel_mult.count = levels;
    for (int i = 0; i < levels; i++) {
        spec->channel_mult.at[i] = widths[i] / channels;
        most = widths[i] > most ? widths[i] : most;
    }
    spec->channel_mult_noise = noise == widths[0] ? 0 : noise / channels;
    spec->channel_mult_emb = embedding == most ? 0 : embedding / channels;
    spec->img_channels = rows_of(find(in, 4, "out_conv.weight"));
    spec->label_dim = columns_of(find(in, 2, "emb_label.weight"));
    return AYF_OK;
}

/* ---- What the metadata and the options tell ---- */

static ayf_status take_metadata(reader *in, const ayf_import_options *options) {
    static const char *const fields[] = {"channels_per_head", "label_balance", "concat_balance",
                                         "res_balance",       "attn_balance",  "clip_act",
                                         "resample_filter"};
    const ayf_st *st = in->st;
    const char *sigma = ayf_st_meta(st, META "sigma_data");
    char key[64];
    ayf_model_spec plain = ayf_model_spec_default();
    in->spec.resample_filter = plain.resample_filter;
    for (size_t i = 0; i < AYF_COUNT(fields); i++) {
        snprintf(key, sizeof key, META "%s", fields[i]);
        const char *value = ayf_st_meta(st, key);
        if (value && ayf_model_spec_set(in->ctx, &in->spec, fields[i], value) != AYF_OK) {
            ayf_fail_prefix(in->ctx, "%s: metadata " META, ayf_st_path(st));
            return in->ctx->status = AYF_E_FORMAT;
        }
    }
    in->sigma_data = 0.5;
    if (sigma &&
        (!ayf_parse_real(sigma, &in->sigma_data) || !(in->sigma_data >= 1e-6) || in->sigma_data > 1e6))
        return ayf_fail(in->ctx, AYF_E_FORMAT,
                        "%s: metadata '" META "sigma_data': '%s' is not a number from 1e-6 to 1e6",
                        ayf_st_path(st), sigma);
    if (options->sigma_data > 0) in->sigma_data = options->sigma_data;
    if (options->channels_per_head > 0) in->spec.channels_per_head = options->channels_per_head;
    in->spec.precond = AYF_PRECOND_VELOCITY;
    in->spec.time_label = AYF_TIME_LOGSNR;
    in->spec.time_sigma = in->sigma_data;
    return AYF_OK;
}

/* Shapes are the same for every number of heads, so a number that cannot be is the only one that is noticed. */
static ayf_status check_heads(const reader *in) {
    const ayf_model_spec *spec = &in->spec;
    int last = spec->channel_mult.count - 1, least = spec->model_channels * spec->channel_mult.at[last];
    for (int i = 0; i <= last; i++)
        for (int k = 0; k < spec->attn_resolutions.count; k++) {
            int channels = spec->model_channels * spec->channel_mult.at[i];
            if (spec->attn_resolutions.at[k] == spec->img_resolution >> i && channels < least)
                least = channels;
        }
    if (least >= spec->channels_per_head) return AYF_OK;
    return ayf_fail(
        in->ctx, AYF_E_FORMAT,
        "%s: a block of %d channels has attention, so there are not %d channels per head; say how many "
        "(--channels-per-head)",
        ayf_st_path(in->st), least, spec->channels_per_head);
}

/* ---- Latents ---- */

static ayf_status parse_list(const reader *in, const char *key, ayf_reals *list) {
    const char *text = ayf_st_meta(in->st, key);
    ayf_model_spec room = in->spec;
    if (!text) return AYF_OK;
    if (ayf_model_spec_set(in->ctx, &room, "latent_mean", text) != AYF_OK) {
        ayf_fail_prefix(in->ctx, "%s: metadata '%s': ", ayf_st_path(in->st), key);
        return in->ctx->status = AYF_E_FORMAT;
    }
    *list = room.latent_mean;
    return AYF_OK;
}

/* EDM2's StabilityVAEEncoder makes raw scale + bias of the raw latents of a VAE that sees pictures in [0,1]. Where a
 * file does not say scale and bias, they are EDM2's: a deviation of 0.5 and mean 0 of these raw latents. */
static ayf_status find_latents(reader *in) {
    static const double raw_mean[] = {5.81, 3.25, 0.12, -2.15}, raw_std[] = {4.17, 4.62, 3.71, 3.28},
                        final_std = 0.5;
    ayf_model_spec *spec = &in->spec;
    int channels = spec->img_channels;
    ayf_reals scale = {.count = (int)AYF_COUNT(raw_std)}, bias = scale;
    for (int i = 0; i < scale.count; i++) {
        scale.at[i] = final_std / raw_std[i];
        bias.at[i] = -raw_mean[i] * scale.at[i];
    }
    AYF_TRY(parse_list(in, "encoder.scale", &scale));
    AYF_TRY(parse_list(in, "encoder.bias", &bias));
    if (scale.count != channels || bias.count != channels)
        return ayf_fail(
            in->ctx, AYF_E_FORMAT,
            "%s: the network draws latents of %d channels, but its VAE has a scale for %d and a bias for %d",
            ayf_st_path(in->st), channels, scale.count, bias.count);
    spec->latent_mean.count = spec->latent_scale.count = channels;
    for (int i = 0; i < channels; i++) {
        if (!(scale.at[i] >= 1e-6))
            return ayf_fail(in->ctx, AYF_E_FORMAT,
                            "%s: metadata 'encoder.scale': %g is not a scale of latents", ayf_st_path(in->st),
                            scale.at[i]);
        spec->latent_scale.at[i] = 1 / scale.at[i];
        spec->latent_mean.at[i] = -bias.at[i] / scale.at[i];
    }
    spec->latent_black = 0;
    return AYF_OK;
}

/* Pictures, or latents of the one encoder that EDM2 has. */
static ayf_status find_encoder(reader *in) {
    const char *encoder = ayf_st_meta(in->st, "encoder.class_name");
    int channels = in->spec.img_channels;
    if (encoder ? strcmp(encoder, "StabilityVAEEncoder") == 0 : channels == 4) return find_latents(in);
    if (encoder && strcmp(encoder, "StandardRGBEncoder") != 0)
        return ayf_fail(
            in->ctx, AYF_E_FORMAT,
            "%s: the network draws what an encoder '%s' makes, which ayf does not know; use a network of "
            "pictures or of EDM2's latents (StabilityVAEEncoder)",
            ayf_st_path(in->st), encoder);
    if (channels == 1 || channels == 3) return AYF_OK;
    return ayf_fail(
        in->ctx, AYF_E_FORMAT,
        "%s: the network draws %d channels, and is no network of pictures (1 or 3) or of EDM2's latents (4)",
        ayf_st_path(in->st), channels);
}

/* ---- The tensors ---- */

static bool is_dropped(const char *name) {
    return strstr(name, "logvar_fourier.") || strstr(name, "logvar_linear.");
}

static void name_in_file(const ayf_foreign *file, const ayf_param *param, char name[AYF_FOREIGN_NAME]) {
    snprintf(name, AYF_FOREIGN_NAME, "%s%s", file->prefix, param->name + strlen(OWN_PREFIX));
}

static ayf_status check_tensors(const reader *in, const ayf_params *params) {
    size_t own = strlen(in->file.prefix);
    AYF_TRY(ayf_foreign_check(&in->file, params));
    for (size_t i = 0; i < ayf_st_count(in->st); i++) {
        const char *name = ayf_st_at(in->st, i)->name;
        char ours[sizeof in->file.prefix + 128];
        if (is_dropped(name)) continue;
        snprintf(ours, sizeof ours, OWN_PREFIX "%s",
                 strncmp(name, in->file.prefix, own) == 0 ? name + own : "");
        if (!ayf_params_find(params, ours))
            return ayf_fail(in->ctx, AYF_E_FORMAT, "%s: tensor '%s' belongs to no network of EDM2 (config G)",
                            ayf_st_path(in->st), name);
    }
    return AYF_OK;
}

/* ---- The model file ---- */

/* EDM2's training hides no classes: what guides its networks is another network, which may be one without classes.
 * EDM2's instructions for ImageNet crop and resize as `dhariwal`. Latents are not resized. */
static const char *config_of(const ayf_model_spec *spec) {
    if (ayf_model_draws_latents(spec)) return "train:\n  label_dropout: 0\n";
    return spec->label_dim == 1000
               ? "data:\n  resize: dhariwal\n  upright: false\ntrain:\n  label_dropout: 0\n"
               : "data:\n  resize: lanczos\n  upright: false\ntrain:\n  label_dropout: 0\n";
}

static ayf_status write_model(const reader *in, const ayf_params *params, const char *out) {
    const char *data = ayf_st_meta(in->st, "dataset");
    const ayf_model_card card = {.role = AYF_MODEL_ROLE_TEACHER,
                                 .sigma_data = in->sigma_data,
                                 .guidance_min = 1,
                                 .guidance_max = 1,
                                 .data = (char *)(data ? data : ""),
                                 .config = (char *)config_of(&in->spec)};
    return ayf_foreign_write(&in->file, params, &card, out);
}

static ayf_status read_network(reader *in, const ayf_import_options *options) {
    AYF_TRY(ayf_foreign_check_origin(&in->file));
    /* The one tensor that every such network has once. */
    if (!ayf_foreign_find_prefix(&in->file, "out_conv.weight"))
        return refuse(in,
                      ayf_st_find(in->st, "decoder.conv_in.weight")
                          ? "it has no tensor 'unet.out_conv.weight', but a VAE's decoder (--role decoder)"
                          : "it has no tensor 'unet.out_conv.weight'");
    AYF_TRY(find_network(in));
    AYF_TRY(take_metadata(in, options));
    AYF_TRY(find_encoder(in));
    AYF_TRY(check_heads(in));
    if (ayf_network_check(in->ctx, &in->spec) == AYF_OK) return AYF_OK;
    ayf_fail_prefix(in->ctx, "%s: ", ayf_st_path(in->st));
    return in->ctx->status = options->channels_per_head ? AYF_E_USAGE : AYF_E_FORMAT;
}

static void describe(const reader *in, const ayf_params *params, ayf_import_facts *facts) {
    *facts = (ayf_import_facts){.height = in->spec.img_resolution,
                                .width = in->spec.img_resolution,
                                .channels = in->spec.img_channels,
                                .latents = ayf_model_draws_latents(&in->spec),
                                .classes = in->spec.label_dim,
                                .parameters = ayf_params_trained(params),
                                .sigma_data = in->sigma_data};
}

ayf_status ayf_model_import(ayf_context *ctx, const char *path, const ayf_import_options *options,
                            const char *out, ayf_import_facts *facts) {
    static const ayf_import_options usual = {0};
    reader in = {.ctx = ctx, .file = {.ctx = ctx, .name = name_in_file}, .spec = ayf_model_spec_default()};
    ayf_params *params = NULL;
    ayf_st *st;
    AYF_TRY(ayf_st_open(ctx, path, &st));
    in.st = in.file.st = st;
    ayf_status status = read_network(&in, options ? options : &usual);
    if (status == AYF_OK) status = ayf_params_new(ctx, &in.spec, &params);
    if (status == AYF_OK) status = check_tensors(&in, params);
    if (status == AYF_OK) status = write_model(&in, params, out);
    if (status == AYF_OK && facts) describe(&in, params, facts);
    ayf_params_free(params);
    ayf_st_close(st);
    return status;
}
