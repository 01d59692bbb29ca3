#include "train/recipe.h"
#include "nn/network.h"

#include <math.h>

/* The configuration and the layers below have enums of their own, in the same order. */
_Static_assert((int)AYF_CFG_MODEL_MLP == (int)AYF_MODEL_MLP, "model kinds agree");
_Static_assert((int)AYF_CFG_PRECOND_VELOCITY == (int)AYF_PRECOND_VELOCITY, "preconditionings agree");
_Static_assert((int)AYF_CFG_LOSS_LMD == (int)AYF_LOSS_LMD, "losses agree");
_Static_assert((int)AYF_CFG_TARGET_DATA == (int)AYF_TARGET_DATA, "targets agree");
_Static_assert((int)AYF_CFG_NORM_L2 == (int)AYF_NORM_L2 && (int)AYF_CFG_NORM_NONE == (int)AYF_NORM_NONE,
               "norms agree");
_Static_assert((int)AYF_CFG_LIST_MAX == (int)AYF_LIST_MAX, "lists have the same size");

static ayf_ints to_ints(const ayf_cfg_ints *from) {
    ayf_ints to = {.count = from->count};
    for (int i = 0; i < from->count; i++) to.at[i] = from->at[i];
    return to;
}

static ayf_cfg_ints from_ints(const ayf_ints *from) {
    ayf_cfg_ints to = {.count = from->count};
    for (int i = 0; i < from->count; i++) to.at[i] = from->at[i];
    return to;
}

ayf_status ayf_spec_from_config(ayf_context *ctx, const ayf_config *cfg, const ayf_dataset_info *data,
                                ayf_model_spec *out) {
    bool unet = cfg->model.kind == AYF_CFG_MODEL_UNET;
    if (unet && data->points)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model.kind = unet is for images and data.source = %s are points; use "
                        "model.kind = mlp",
                        data->name);
    if (!unet && !data->points)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model.kind = mlp is for 2-D points and data.source = %s are images; use "
                        "model.kind = unet",
                        data->name);
    if (unet && data->height != data->width)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "%s: the pictures have %d x %d pixels and the network takes squares; set "
                        "data.resolution to crop them",
                        data->name, data->height, data->width);
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = unet ? AYF_MODEL_UNET : AYF_MODEL_MLP;
    spec.precond = (ayf_precond)cfg->model.precond;
    spec.label_dim = data->classes;
    if (unet) {
        spec.img_resolution = data->height;
        spec.img_channels = data->channels;
    } else {
        spec.mlp_dim = data->channels;
    }
    spec.model_channels = cfg->model.channels;
    spec.channel_mult = to_ints(&cfg->model.multipliers);
    spec.num_blocks = cfg->model.blocks;
    spec.attn_resolutions = to_ints(&cfg->model.attention);
    spec.channels_per_head = cfg->model.channels_per_head;
    spec.label_balance = cfg->model.label_balance;
    spec.concat_balance = cfg->model.concat_balance;
    spec.res_balance = cfg->model.res_balance;
    spec.attn_balance = cfg->model.attn_balance;
    spec.clip_act = cfg->model.clip_act;
    spec.bandwidth_noise = cfg->model.bandwidth_noise;
    spec.bandwidth_gap = cfg->model.bandwidth_gap;
    spec.bandwidth_guidance = cfg->model.bandwidth_guidance;
    spec.mlp_hidden = cfg->model.hidden;
    spec.mlp_layers = cfg->model.layers;
    spec.mlp_fourier = cfg->model.fourier;
    *out = spec;
    return ayf_network_check(ctx, &spec);
}

ayf_model_spec ayf_discriminator_from_config(const ayf_config *cfg, const ayf_model_spec *network) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_DISCRIMINATOR;
    spec.img_resolution = network->img_resolution;
    spec.img_channels = network->img_channels;
    spec.label_dim = network->label_dim;
    spec.channel_base = cfg->finetune.channel_base;
    spec.channel_max = cfg->finetune.channel_max;
    spec.mbstd_group_size = cfg->finetune.deviation_group;
    return spec;
}

void ayf_spec_to_config(const ayf_model_spec *spec, ayf_config *cfg) {
    cfg->model.kind = spec->kind == AYF_MODEL_UNET ? AYF_CFG_MODEL_UNET : AYF_CFG_MODEL_MLP;
    cfg->model.precond = (ayf_cfg_precond)spec->precond;
    cfg->model.channels = spec->model_channels;
    cfg->model.multipliers = from_ints(&spec->channel_mult);
    cfg->model.blocks = spec->num_blocks;
    cfg->model.attention = from_ints(&spec->attn_resolutions);
    cfg->model.channels_per_head = spec->channels_per_head;
    cfg->model.label_balance = spec->label_balance;
    cfg->model.concat_balance = spec->concat_balance;
    cfg->model.res_balance = spec->res_balance;
    cfg->model.attn_balance = spec->attn_balance;
    cfg->model.clip_act = spec->clip_act;
    cfg->model.bandwidth_noise = spec->bandwidth_noise;
    cfg->model.bandwidth_gap = spec->bandwidth_gap;
    cfg->model.bandwidth_guidance = spec->bandwidth_guidance;
    cfg->model.hidden = spec->mlp_hidden;
    cfg->model.layers = spec->mlp_layers;
    cfg->model.fourier = spec->mlp_fourier;
}

ayf_optim_options ayf_optim_from_config(const ayf_config *cfg) {
    return (ayf_optim_options){.beta1 = cfg->train.beta1,
                               .beta2 = cfg->train.beta2,
                               .eps = cfg->train.eps,
                               .clip = cfg->train.grad_clip,
                               .report_norm = true,
                               .ema = cfg->train.ema != AYF_CFG_EMA_NONE,
                               .free_weights = !cfg->train.weight_norm};
}

double ayf_rate_from_config(const ayf_config *cfg, uint64_t step) {
    return ayf_rate_below(cfg, cfg->train.lr, step);
}

/* `steps`, or when it is negative what is usual at the beginning of a run. */
static uint64_t or_usual(int64_t steps, const ayf_config *cfg) {
    int64_t usual = cfg->train.steps / 10 < 100 ? cfg->train.steps / 10 : 100;
    return (uint64_t)(steps < 0 ? usual : steps);
}

uint64_t ayf_disc_first_from_config(const ayf_config *cfg) { return or_usual(cfg->finetune.disc_first, cfg); }

double ayf_rate_below(const ayf_config *cfg, double highest, uint64_t step) {
    ayf_lr_schedule schedule = {.kind = AYF_LR_CONSTANT,
                                .base = highest,
                                .warmup = or_usual(cfg->train.lr_warmup, cfg),
                                .total = (uint64_t)cfg->train.steps};
    uint64_t decay = (uint64_t)cfg->train.lr_decay_start;
    if (cfg->train.lr_schedule == AYF_CFG_LR_INVSQRT) {
        schedule.kind = AYF_LR_INVERSE_SQRT;
        schedule.decay_at = decay;
    }
    if (cfg->train.lr_schedule == AYF_CFG_LR_COSINE) {
        if (decay <= schedule.warmup) {
            schedule.kind = AYF_LR_COSINE;
        } else if (step >= decay) {
            schedule =
                (ayf_lr_schedule){.kind = AYF_LR_COSINE, .base = highest, .total = schedule.total - decay};
            step -= decay;
        }
    }
    return ayf_lr_at(&schedule, step);
}

double ayf_ema_from_config(const ayf_config *cfg, uint64_t step) {
    switch (cfg->train.ema) {
    case AYF_CFG_EMA_POWER:
        return ayf_ema_power(ayf_ema_gamma(cfg->train.ema_std), step);
    case AYF_CFG_EMA_HALFLIFE:
        return ayf_ema_decay(exp2(-1 / cfg->train.ema_halflife), step);
    case AYF_CFG_EMA_NONE:
        break;
    }
    return 0;
}

double ayf_tangent_weight_from_config(const ayf_config *cfg, uint64_t step) {
    int64_t warmup = cfg->distill.warmup_steps, midtrain = cfg->distill.midtrain_steps;
    if (warmup < 0) warmup = (cfg->train.steps - midtrain) / 10;
    double share = warmup > 0 ? ((double)step - (double)midtrain + 1) / (double)warmup : 1;
    return cfg->distill.r_max * fmax(fmin(share, 1), 0);
}

ayf_time_sampler ayf_times_from_config(const ayf_config *cfg) {
    return (ayf_time_sampler){.gap_mean = cfg->distill.gap_mean,
                              .gap_std = cfg->distill.gap_std,
                              .p_s0 = cfg->distill.p_s0,
                              .p_st = cfg->distill.p_st,
                              .s_zero_only = cfg->distill.s_zero_only};
}

ayf_distill_step ayf_distill_from_config(const ayf_config *cfg) {
    return (ayf_distill_step){.batch = cfg->train.batch,
                              .loss = (ayf_loss)cfg->distill.loss,
                              .target = (ayf_target)cfg->distill.target,
                              .norm = (ayf_norm)cfg->distill.norm,
                              .norm_c = cfg->distill.norm_c,
                              .optim = ayf_optim_from_config(cfg)};
}
