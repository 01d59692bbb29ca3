#include "train/recipe.h"

#include <math.h>

#include "nn/network.h"

ayf_status ayf_spec_from_config(ayf_context *ctx, const ayf_config *cfg, const ayf_dataset_info *data,
                                ayf_model_spec *out) {
    static const char *const made[] = {"images", "2-D points"};
    ayf_model_spec spec = cfg->model;
    bool points = ayf_model_makes_points(&spec);
    if (points != data->points)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model.kind = %s is for %s and data.source = %s are %s; use model.kind = %s",
                        ayf_model_kind_name(spec.kind), made[points], data->name, made[data->points],
                        ayf_model_kind_name(ayf_model_kind_for(data->points)));
    if (!points && data->height != data->width)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "%s: the pictures have %d x %d pixels and the network takes squares; set "
                        "data.resolution to crop them",
                        data->name, data->height, data->width);
    if (ayf_model_draws_latents(&spec) != data->latents)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "model.latent_mean is for networks of latents and data.source = %s are images; leave it out",
            data->name);
    spec.is_student = false;
    spec.label_dim = data->classes;
    if (points) {
        spec.mlp_dim = data->channels;
    } else {
        spec.img_resolution = data->height;
        spec.img_channels = data->channels;
    }
    *out = spec;
    return ayf_network_check(ctx, &spec);
}

ayf_dataset_spec ayf_data_from_config(const ayf_config *cfg) {
    return (ayf_dataset_spec){.source = cfg->data.source,
                              .resolution = cfg->data.resolution,
                              .resize = cfg->data.resize,
                              .background = cfg->data.background,
                              .as_stored = !cfg->data.upright,
                              .channels = cfg->data.channels,
                              .skip_bad = (size_t)cfg->data.skip_bad,
                              .mirror = cfg->data.mirror,
                              .labels = cfg->data.labels};
}

bool ayf_disc_sees_guidance(const ayf_config *cfg) {
    return cfg->finetune.disc_guidance && cfg->distill.guidance != AYF_CFG_GUIDANCE_NONE &&
           cfg->distill.guidance_min < cfg->distill.guidance_max;
}

ayf_model_spec ayf_discriminator_from_config(const ayf_config *cfg, const ayf_model_spec *network) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.kind = AYF_MODEL_DISCRIMINATOR;
    spec.img_resolution = network->img_resolution;
    spec.img_channels = network->img_channels;
    spec.label_dim = network->label_dim + (ayf_disc_sees_guidance(cfg) ? AYF_DISC_GUIDANCE : 0);
    spec.channel_base = cfg->finetune.channel_base;
    spec.channel_max = cfg->finetune.channel_max;
    spec.mbstd_group_size = cfg->finetune.deviation_group;
    return spec;
}

ayf_optim_options ayf_optim_from_config(const ayf_config *cfg) {
    const ayf_reals *widths = &cfg->train.ema_widths;
    ayf_optim_options options = {.beta1 = cfg->train.beta1,
                                 .beta2 = cfg->train.beta2,
                                 .eps = cfg->train.eps,
                                 .clip = cfg->train.grad_clip,
                                 .report_norm = true,
                                 .ema = cfg->train.ema != AYF_CFG_EMA_NONE,
                                 .powers = widths->count,
                                 .free_weights = !cfg->train.weight_norm};
    for (int k = 0; k < widths->count; k++) options.gamma[k] = ayf_ema_gamma(widths->at[k]);
    return options;
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

/* Steps that regress the velocity. A student of its teacher's weights that sees a softened time is not quite its
 * teacher when it begins. */
static int64_t regress_steps(const ayf_config *cfg) {
    bool softened = cfg->model.time_label == AYF_TIME_LOGSNR && cfg->model.time_soft > 0 &&
                    cfg->distill.student_init == AYF_CFG_INIT_TEACHER;
    int64_t usual = cfg->train.steps / 10 < 300 ? cfg->train.steps / 10 : 300;
    if (cfg->distill.regress_steps >= 0) return cfg->distill.regress_steps;
    return softened ? usual : 0;
}

double ayf_tangent_weight_from_config(const ayf_config *cfg, uint64_t step) {
    int64_t warmup = cfg->distill.warmup_steps, before = cfg->distill.midtrain_steps + regress_steps(cfg);
    if ((double)step < (double)before) return 0;
    if (warmup < 0) warmup = (cfg->train.steps - before) / 10;
    double share = warmup > 0 ? ((double)step - (double)before + 1) / (double)warmup : 1;
    return cfg->distill.r_max * fmin(share, 1);
}

ayf_time_sampler ayf_times_from_config(const ayf_config *cfg) {
    return (ayf_time_sampler){.gap_mean = cfg->distill.gap_mean,
                              .gap_std = cfg->distill.gap_std,
                              .sorted = cfg->distill.pairs == AYF_CFG_PAIRS_SORTED,
                              .sorted_mean = {cfg->distill.sorted_mean_a, cfg->distill.sorted_mean_b},
                              .sorted_std = cfg->distill.sorted_std,
                              .p_s0 = cfg->distill.p_s0,
                              .p_st = cfg->distill.p_st,
                              .s_zero_only = cfg->distill.s_zero_only};
}

ayf_distill_step ayf_distill_from_config(const ayf_config *cfg) {
    return (ayf_distill_step){.batch = cfg->train.batch,
                              .loss = cfg->distill.loss,
                              .target = cfg->distill.target,
                              .norm = cfg->distill.norm,
                              .norm_c = cfg->distill.norm_c,
                              .norm_p = cfg->distill.norm_p,
                              .optim = ayf_optim_from_config(cfg)};
}
