/* Decoders of Stable Diffusion's VAEs (AutoencoderKL) with the names of diffusers. Names and shapes tell what the
 * network is; its tensors go into the model file as they are. */
#include <stdio.h>
#include <string.h>

#include "ayf/latents.h"
#include "base/number.h"
#include "model/foreign.h"
#include "nn/network.h"

#define ATTENTION "decoder.mid_block.attentions.0."
#define FIRST "decoder.conv_in.weight"

/* Names of the attention before diffusers 0.17. */
static const char *const older[][2] = {{ATTENTION "to_q.", ATTENTION "query."},
                                       {ATTENTION "to_k.", ATTENTION "key."},
                                       {ATTENTION "to_v.", ATTENTION "value."},
                                       {ATTENTION "to_out.0.", ATTENTION "proj_attn."}};

static ayf_status refuse(const ayf_foreign *file, const char *why) {
    return ayf_fail(file->ctx, AYF_E_FORMAT,
                    "%s: %s; ayf import --role decoder reads AutoencoderKL as diffusers writes it "
                    "(vae/diffusion_pytorch_model.safetensors)",
                    ayf_st_path(file->st), why);
}

/* ---- Names ---- */

static void name_in_file(const ayf_foreign *file, const ayf_param *param, char name[AYF_FOREIGN_NAME]) {
    snprintf(name, AYF_FOREIGN_NAME, "%s%s", file->prefix, param->name);
    if (ayf_st_find(file->st, name)) return;
    for (size_t i = 0; i < AYF_COUNT(older); i++) {
        char other[AYF_FOREIGN_NAME];
        size_t own = strlen(older[i][0]);
        if (strncmp(param->name, older[i][0], own) != 0) continue;
        snprintf(other, sizeof other, "%s%s%s", file->prefix, older[i][1], param->name + own);
        if (ayf_st_find(file->st, other)) memcpy(name, other, sizeof other);
    }
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* The file holds nothing but this decoder, and the encoder, which is left out. */
static ayf_status check_others(const ayf_foreign *file, const ayf_params *params) {
    size_t own = strlen(file->prefix);
    for (size_t i = 0; i < ayf_st_count(file->st); i++) {
        const char *name = ayf_st_at(file->st, i)->name, *rest = name + own;
        bool known = strncmp(name, file->prefix, own) == 0 &&
                     (starts_with(rest, "encoder.") || starts_with(rest, "quant_conv.") ||
                      ayf_params_find(params, rest));
        for (size_t k = 0; k < AYF_COUNT(older) && !known; k++)
            known = strncmp(name, file->prefix, own) == 0 && starts_with(rest, older[k][1]);
        if (!known)
            return ayf_fail(file->ctx, AYF_E_FORMAT, "%s: tensor '%s' belongs to no decoder of AutoencoderKL",
                            ayf_st_path(file->st), name);
    }
    return AYF_OK;
}

/* ---- What names and shapes tell ---- */

static const ayf_st_tensor *first_conv(const ayf_foreign *file, int level, int block) {
    char name[96];
    snprintf(name, sizeof name, "decoder.up_blocks.%d.resnets.%d.conv1.weight", level, block);
    return ayf_foreign_find(file, 4, name);
}

static ayf_status find_network(ayf_foreign *file, ayf_model_spec *spec) {
    ayf_ints *channels = &spec->decoder_channels;
    if (ayf_foreign_find_prefix(file, "decoder.mid.block_1.conv1.weight"))
        return refuse(file, "its names are those of the original Stable Diffusion");
    if (!ayf_foreign_find_prefix(file, FIRST)) return refuse(file, "it has no tensor '" FIRST "'");
    int widths[AYF_LIST_MAX], levels = 0, blocks = 0;
    while (levels < AYF_LIST_MAX && (widths[levels] = ayf_foreign_size(first_conv(file, levels, 0), 0)) > 0)
        levels++;
    while (first_conv(file, 0, blocks) && blocks < 1000) blocks++;
    if (!levels)
        return refuse(file, "it has no tensor 'decoder.up_blocks.0.resnets.0.conv1.weight' of rank 4");
    channels->count = levels;
    for (int i = 0; i < levels; i++) channels->at[i] = widths[levels - 1 - i];
    spec->decoder_blocks = blocks;
    spec->latent_channels = ayf_foreign_size(ayf_foreign_find(file, 4, FIRST), 1);
    spec->img_channels = ayf_foreign_size(ayf_foreign_find(file, 4, "decoder.conv_out.weight"), 0);
    if (spec->img_channels == 1 || spec->img_channels == 3) return AYF_OK;
    return refuse(file, "its 'decoder.conv_out.weight' does not make 1 or 3 channels");
}

/* Shapes do not tell the groups. */
static ayf_status find_groups(const ayf_foreign *file, const ayf_decoder_options *options,
                              ayf_model_spec *spec) {
    const char *text = ayf_st_meta(file->st, "norm_num_groups");
    if (text && ayf_model_spec_set(file->ctx, spec, "decoder_groups", text) != AYF_OK) {
        ayf_fail_prefix(file->ctx, "%s: metadata 'norm_num_groups': ", ayf_st_path(file->st));
        return file->ctx->status = AYF_E_FORMAT;
    }
    if (options->groups > 0) spec->decoder_groups = options->groups;
    if (ayf_network_check(file->ctx, spec) == AYF_OK) return AYF_OK;
    ayf_fail_prefix(file->ctx, "%s: say the number of groups of its normalisation (--norm-groups): ",
                    ayf_st_path(file->st));
    return file->ctx->status = options->groups ? AYF_E_USAGE : AYF_E_FORMAT;
}

ayf_status ayf_decoder_import(ayf_context *ctx, const char *path, const ayf_decoder_options *options,
                              const char *out) {
    static const ayf_decoder_options usual = {0};
    static const ayf_model_card card = {.role = AYF_MODEL_ROLE_DECODER,
                                        .sigma_data = 1,
                                        .guidance_min = 1,
                                        .guidance_max = 1,
                                        .guidance_t_max = 1};
    ayf_model_spec spec = ayf_model_spec_default();
    ayf_params *params = NULL;
    ayf_st *st;
    AYF_TRY(ayf_st_open(ctx, path, &st));
    ayf_foreign file = {.ctx = ctx, .st = st, .name = name_in_file};
    spec.kind = AYF_MODEL_DECODER;
    ayf_status status = ayf_foreign_check_origin(&file);
    if (status == AYF_OK) status = find_network(&file, &spec);
    if (status == AYF_OK) status = find_groups(&file, options ? options : &usual, &spec);
    if (status == AYF_OK) status = ayf_params_new(ctx, &spec, &params);
    if (status == AYF_OK) status = ayf_foreign_check(&file, params);
    if (status == AYF_OK) status = check_others(&file, params);
    if (status == AYF_OK) status = ayf_foreign_write(&file, params, &card, out);
    ayf_params_free(params);
    ayf_st_close(st);
    return status;
}
