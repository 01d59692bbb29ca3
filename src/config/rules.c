/* What no single range can say: rules between keys. */
#include <string.h>

#include "config/config.h"
#include "nn/network.h"

#define REFUSE(...) return ayf_fail(ctx, AYF_E_CONFIG, __VA_ARGS__)

/* The network has its own rules (nn/network.h). */
static ayf_status validate_model(ayf_context *ctx, const ayf_config *cfg) {
    ayf_model_spec spec = cfg->model;
    spec.img_resolution = cfg->data.resolution;
    if (spec.img_resolution == 0) { /* known once the data is read: ask for what holds at any resolution */
        spec.img_resolution = 1 << (AYF_LIST_MAX - 1);
        spec.attn_resolutions.count = 0;
    }
    if (ayf_model_draws_latents(&spec))
        spec.img_channels = spec.latent_mean.count; /* the data will be such */
    return ayf_network_check(ctx, &spec);
}

static ayf_status validate_schedule(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->train.lr_warmup > cfg->train.steps)
        REFUSE("train.lr_warmup = %lld is longer than the run (train.steps = %lld); set it to a part of the "
               "steps, or 0",
               (long long)cfg->train.lr_warmup, (long long)cfg->train.steps);
    if (cfg->train.lr_schedule == AYF_CFG_LR_COSINE && cfg->train.lr_decay_start >= cfg->train.steps)
        REFUSE("train.lr_decay_start = %lld must be less than train.steps = %lld",
               (long long)cfg->train.lr_decay_start, (long long)cfg->train.steps);
    if (cfg->train.lr_schedule == AYF_CFG_LR_INVSQRT && cfg->train.lr_decay_start < 1)
        REFUSE("train.lr_schedule = invsqrt needs train.lr_decay_start of at least 1");
    return AYF_OK;
}

static ayf_status validate_averages(ayf_context *ctx, const ayf_config *cfg) {
    const ayf_reals *widths = &cfg->train.ema_widths;
    for (int i = 0; i < widths->count; i++)
        for (int k = 0; k < i; k++)
            if (widths->at[i] == widths->at[k])
                REFUSE("train.ema_widths has %g twice; give each width once", widths->at[i]);
    return AYF_OK;
}

static const char *const guidance_names[] = {AYF_CFG_GUIDANCE_KINDS(AYF_CHOICE_NAME)};

static ayf_status validate_guidance(ayf_context *ctx, const ayf_config *cfg) {
    bool automatic = cfg->distill.guidance == AYF_CFG_GUIDANCE_AUTO;
    const char *name = guidance_names[cfg->distill.guidance];
    if (*cfg->distill.weak && !automatic)
        REFUSE("distill.weak is set, but distill.guidance = %s would ignore it; leave one of them out", name);
    if (cfg->distill.guidance == AYF_CFG_GUIDANCE_NONE) return AYF_OK;
    if (cfg->distill.target != AYF_TARGET_TEACHER)
        REFUSE("distill.guidance = %s needs distill.target = teacher; to learn from the data use --set "
               "distill.target=data --set distill.guidance=none --set distill.student_init=scratch (or a "
               "--teacher to start from)",
               name);
    if (automatic && !*cfg->distill.weak)
        REFUSE("distill.guidance = autoguidance needs a weaker teacher in distill.weak: give one (--weak), "
               "or use distill.guidance = cfg (--cfg; for a teacher trained with classes and "
               "train.label_dropout) or distill.guidance = none");
    if (cfg->distill.guidance_min <= 0)
        REFUSE("distill.guidance_min = 0 could not be asked for in sampling, where a guidance of 0 stands "
               "for the default; use a value above 0");
    if (cfg->distill.guidance_min > cfg->distill.guidance_max)
        REFUSE("distill.guidance_min = %g is above distill.guidance_max = %g", cfg->distill.guidance_min,
               cfg->distill.guidance_max);
    return AYF_OK;
}

static ayf_status validate_loss(ayf_context *ctx, const ayf_config *cfg) {
    bool from_teacher = cfg->distill.target == AYF_TARGET_TEACHER;
    if (cfg->distill.p_s0 + cfg->distill.p_st > 1.0)
        REFUSE("distill.p_s0 = %g and distill.p_st = %g add up to more than 1", cfg->distill.p_s0,
               cfg->distill.p_st);
    if (cfg->distill.loss == AYF_LOSS_LMD && !from_teacher)
        REFUSE("distill.loss = lmd evaluates a teacher at the student's output; it cannot go with "
               "distill.target = data");
    if (from_teacher && !*cfg->distill.teacher)
        REFUSE(
            "distill.teacher is not set; give a model file or run folder, or use distill.target = data (with "
            "distill.guidance = none and distill.student_init = scratch)");
    AYF_TRY(validate_guidance(ctx, cfg));
    return AYF_OK;
}

static ayf_status validate_midtrain(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->distill.midtrain_steps == 0) return AYF_OK;
    if (cfg->distill.target != AYF_TARGET_TEACHER)
        REFUSE("distill.midtrain_steps = %lld needs a teacher's trajectories, which distill.target = data "
               "does not have; use distill.midtrain_steps = 0",
               (long long)cfg->distill.midtrain_steps);
    if (cfg->distill.midtrain_steps > cfg->train.steps)
        REFUSE("distill.midtrain_steps = %lld is longer than the run (train.steps = %lld), of which it is a "
               "part",
               (long long)cfg->distill.midtrain_steps, (long long)cfg->train.steps);
    return AYF_OK;
}

static ayf_status validate_start(ayf_context *ctx, const ayf_config *cfg) {
    AYF_TRY(validate_midtrain(ctx, cfg));
    if (cfg->distill.student_init == AYF_CFG_INIT_TEACHER &&
        (!*cfg->distill.teacher || strcmp(cfg->distill.teacher, "analytic") == 0))
        REFUSE("distill.student_init = teacher needs a teacher network in distill.teacher; use "
               "distill.student_init = scratch");
    return AYF_OK;
}

static ayf_status validate_tuning(ayf_context *ctx, const ayf_config *cfg) {
    if (!*cfg->finetune.student)
        REFUSE("finetune.student is not set; give the model file or run folder of a distilled student");
    if (cfg->train.batch % cfg->finetune.deviation_group != 0)
        REFUSE("train.batch = %d is not a multiple of finetune.deviation_group = %d; change one of them",
               cfg->train.batch, cfg->finetune.deviation_group);
    if (cfg->distill.midtrain_steps > 0)
        REFUSE("distill.midtrain_steps = %lld is for a student that is new; leave it out of fine-tuning",
               (long long)cfg->distill.midtrain_steps);
    if (cfg->finetune.disc_first >= cfg->train.steps)
        REFUSE("finetune.disc_first = %lld leaves the student no steps to learn from the discriminator "
               "(train.steps = %lld); lower it or ask for more steps",
               (long long)cfg->finetune.disc_first, (long long)cfg->train.steps);
    if (cfg->finetune.alpha <= 0)
        REFUSE("finetune.alpha = 0 leaves nothing to fine-tune; set it above 0, or go on with ayf distill");
    return AYF_OK;
}

ayf_status ayf_config_validate_train(ayf_context *ctx, const ayf_config *cfg) {
    if (!*cfg->data.source) REFUSE("data.source is not set; name a built-in set or the path of your data");
    AYF_TRY(validate_model(ctx, cfg));
    AYF_TRY(validate_averages(ctx, cfg));
    return validate_schedule(ctx, cfg);
}

ayf_status ayf_config_validate_distill(ayf_context *ctx, const ayf_config *cfg) {
    AYF_TRY(ayf_config_validate_train(ctx, cfg));
    AYF_TRY(validate_loss(ctx, cfg));
    return validate_start(ctx, cfg);
}

ayf_status ayf_config_validate_finetune(ayf_context *ctx, const ayf_config *cfg) {
    AYF_TRY(ayf_config_validate_train(ctx, cfg));
    AYF_TRY(validate_tuning(ctx, cfg));
    return validate_loss(ctx, cfg);
}
