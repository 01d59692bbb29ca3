#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/state.h"
#include "train/recipe.h"
#include "base/rng.h"

static const char *const figure_names[AYF_FIGURES] = {[AYF_FIGURE_G_LOSS] = "g_loss",
                                                      [AYF_FIGURE_D_LOSS] = "d_loss",
                                                      [AYF_FIGURE_LOGIT_REAL] = "logit_real",
                                                      [AYF_FIGURE_LOGIT_FAKE] = "logit_fake",
                                                      [AYF_FIGURE_WEIGHT] = "adaptive_weight",
                                                      [AYF_FIGURE_DISC_NORM] = "disc_grad_norm",
                                                      [AYF_FIGURE_R1] = "r1",
                                                      [AYF_FIGURE_R2] = "r2"};

/* ---- Configuration ---- */

static ayf_status read_student(ayf_run *run, ayf_weights **weights, ayf_model_card *card) {
    ayf_context *ctx = run->ctx;
    char *file = ayf_run_model_file(ctx, run->cfg.finetune.student);
    if (!file) return AYF_E_MEMORY;
    ayf_status status = ayf_model_read(run->backend, file, weights, card);
    if (status != AYF_OK) {
        ayf_fail_prefix(ctx, "finetune.student: ");
    } else if (card->role != AYF_MODEL_ROLE_STUDENT || (*weights)->spec.kind != AYF_MODEL_UNET) {
        status = ayf_fail(
            ctx, AYF_E_CONFIG, "finetune.student: %s %s; name a student of images made by ayf distill", file,
            card->role != AYF_MODEL_ROLE_STUDENT ? "is not a student (a flow map)"
                                                 : "makes points, and the discriminator judges images");
        ayf_weights_free(*weights);
        ayf_model_card_free(ctx, card);
        *weights = NULL;
    }
    ayf_free(ctx, file);
    return status;
}

/* What the student was made with, but for how long and how fast: that is the fine-tuning's own. */
static ayf_status inherit(ayf_run *run, const ayf_model_card *card) {
    ayf_context *ctx = run->ctx;
    ayf_config fresh, inherited;
    AYF_TRY(ayf_config_defaults(ctx, &fresh));
    ayf_status status = ayf_config_defaults(ctx, &inherited);
    if (status == AYF_OK) {
        status =
            ayf_config_parse(ctx, run->cfg.finetune.student, card->config, strlen(card->config), &inherited);
        int batch = inherited.train.batch;
        inherited.train = fresh.train;
        inherited.train.batch = batch;
        char *student = inherited.finetune.student;
        inherited.finetune = fresh.finetune;
        fresh.finetune.student = student;
        inherited.save = fresh.save;
        inherited.distill.midtrain_steps = 0;
        if (status == AYF_OK) {
            ayf_config_free(ctx, &run->cfg);
            run->cfg = inherited;
        } else {
            ayf_config_free(ctx, &inherited);
        }
    }
    ayf_config_free(ctx, &fresh);
    return status;
}

ayf_status ayf_run_finetune_config(ayf_run *run, const ayf_run_options *options) {
    ayf_weights *weights = NULL;
    ayf_model_card card;
    if (!*run->cfg.finetune.student) return AYF_OK;
    AYF_TRY(read_student(run, &weights, &card));
    ayf_status status = inherit(run, &card);
    ayf_weights_free(weights);
    ayf_model_card_free(run->ctx, &card);
    double rate = run->cfg.train.lr;
    if (status == AYF_OK && options->config_path)
        status = ayf_config_load(run->ctx, options->config_path, &run->cfg);
    if (status == AYF_OK && run->cfg.train.lr != rate)
        ayf_say(
            run->ctx,
            "%s: train.lr means nothing to fine-tuning, which has finetune.lr (here %g) and finetune.disc_lr",
            options->config_path, run->cfg.finetune.lr);
    for (int i = 0; status == AYF_OK && i < options->setting_count; i++)
        status = ayf_config_set(run->ctx, &run->cfg, options->settings[i]);
    return status;
}

/* ---- Opening ---- */

ayf_status ayf_run_finetune_open(ayf_run *run) {
    ayf_model_card card;
    AYF_TRY(read_student(run, &run->finetune.student_at, &card));
    run->sigma_data = card.sigma_data;
    run->finetune.guidance_min = card.guidance_min;
    run->finetune.guidance_max = card.guidance_max;
    ayf_model_card_free(run->ctx, &card);
    return AYF_OK;
}

static ayf_status check_guidance(const ayf_run *run) {
    const ayf_run_finetune *f = &run->finetune;
    bool guided = ayf_run_conditional_guidance(run);
    double low = guided ? run->cfg.distill.guidance_min : 1,
           high = guided ? run->cfg.distill.guidance_max : 1;
    if (low >= f->guidance_min && high <= f->guidance_max) return AYF_OK;
    return ayf_fail(
        run->ctx, AYF_E_CONFIG,
        "finetune.student: %s was trained for guidance from %g to %g and this run asks for %g to %g; leave "
        "the distill.guidance keys as the student has them",
        run->cfg.finetune.student, f->guidance_min, f->guidance_max, low, high);
}

ayf_status ayf_run_finetune_weights(ayf_run *run) {
    ayf_run_finetune *f = &run->finetune;
    AYF_TRY(check_guidance(run));
    f->spec = ayf_discriminator_from_config(&run->cfg, &run->spec);
    if (ayf_model_spec_check(run->ctx, &f->spec) != AYF_OK)
        return ayf_fail_prefix(run->ctx, "finetune.student = %s: ", run->cfg.finetune.student);
    AYF_TRY(ayf_weights_new(run->backend, &f->spec, &f->disc));
    AYF_TRY(ayf_weights_new(run->backend, &f->spec, &f->adam_m));
    AYF_TRY(ayf_weights_new(run->backend, &f->spec, &f->adam_v));
    f->noise = ayf_alloc(run->ctx, (size_t)run->cfg.train.batch, run->batch.values * sizeof *f->noise);
    return f->noise ? ayf_weights_init(f->disc, (uint64_t)run->cfg.train.seed) : AYF_E_MEMORY;
}

static ayf_optim_options discriminator_optim(const ayf_config *cfg) {
    /* In ayf_optim_options 0 stands for the default. */
    return (ayf_optim_options){.beta1 = cfg->finetune.disc_beta1 > 0 ? cfg->finetune.disc_beta1 : -1,
                               .beta2 = cfg->finetune.disc_beta2 > 0 ? cfg->finetune.disc_beta2 : 1e-300,
                               .eps = cfg->train.eps};
}

/* `shared`: its leaves are those of a program that is there already. */
static ayf_status make_program(ayf_run *run, double penalty_weight, bool shared, ayf_program **out) {
    ayf_finetune_step step = {.distill = ayf_distill_from_config(&run->cfg),
                              .discriminator = run->finetune.spec,
                              .disc_optim = discriminator_optim(&run->cfg),
                              .fake_steps = run->cfg.finetune.fake_steps,
                              .adaptive = run->cfg.finetune.adaptive,
                              .penalty_weight = penalty_weight};
    step.distill.spec = run->spec;
    step.distill.teacher = run->teacher;
    AYF_TRY(ayf_compile(run->backend, ayf_finetune_step_graph(run->ctx, &step), NULL, out));
    AYF_TRY(ayf_run_bind(run, *out));
    AYF_TRY(ayf_weights_bind(run->finetune.disc, *out, "disc."));
    AYF_TRY(ayf_weights_bind(run->finetune.adam_m, *out, "disc.adam.m."));
    AYF_TRY(ayf_weights_bind(run->finetune.adam_v, *out, "disc.adam.v."));
    ayf_program_facts facts = ayf_program_describe(*out);
    run->bytes += facts.arena_bytes + facts.scratch_bytes + (shared ? 0 : facts.leaf_bytes);
    return AYF_OK;
}

ayf_status ayf_run_finetune_programs(ayf_run *run) {
    ayf_run_finetune *f = &run->finetune;
    int every = run->cfg.finetune.penalty_every;
    AYF_TRY(make_program(run, run->cfg.finetune.penalty * every, false, &f->every));
    return every > 1 ? make_program(run, 0, true, &f->lazy) : AYF_OK;
}

/* ---- One step ---- */

static ayf_status set_rates(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    ayf_optim_options optim = discriminator_optim(cfg);
    float step_size, v_scale;
    float alpha = run->step < ayf_disc_first_from_config(cfg) ? 0 : (float)cfg->finetune.alpha;
    ayf_adam_scalars(ayf_rate_below(cfg, cfg->finetune.disc_lr, run->step), optim.beta1, optim.beta2,
                     run->step, &step_size, &v_scale);
    AYF_TRY(ayf_program_set(run->program, "alpha", &alpha, 1));
    AYF_TRY(ayf_program_set(run->program, "disc.opt.step_size", &step_size, 1));
    return ayf_program_set(run->program, "disc.opt.v_scale", &v_scale, 1);
}

ayf_status ayf_run_finetune_begin_step(ayf_run *run) {
    ayf_run_finetune *f = &run->finetune;
    size_t n = (size_t)run->cfg.train.batch, values = run->batch.values;
    bool penalties = run->step % (uint64_t)run->cfg.finetune.penalty_every == 0;
    run->program = penalties ? f->every : f->lazy;
    for (size_t i = 0; i < n; i++)
        ayf_rng_normal(
            (ayf_rng_key){(uint64_t)run->cfg.train.seed, AYF_RNG_FAKE, run->step, run->step * n + i},
            f->noise + i * values, values);
    AYF_TRY(ayf_program_set(run->program, "noise", f->noise, n * values));
    return set_rates(run);
}

static ayf_status watch(ayf_run *run) {
    const float *figure = run->finetune.figure;
    double gap = (double)figure[AYF_FIGURE_LOGIT_REAL] - (double)figure[AYF_FIGURE_LOGIT_FAKE];
    if (!isfinite(gap) || !isfinite(figure[AYF_FIGURE_DISC_NORM]))
        return ayf_run_diverged(run, "the discriminator's output or gradient is not finite",
                                "a lower finetune.disc_lr or a higher finetune.penalty");
    if (gap <= run->cfg.finetune.logit_limit) return AYF_OK;
    char why[200];
    snprintf(why, sizeof why,
             "the discriminator wins: its logits of data lie %.3g above those of fakes (finetune.logit_limit "
             "= %g), and the "
             "student learns nothing from it any more",
             gap, run->cfg.finetune.logit_limit);
    return ayf_run_diverged(run, why,
                            "a higher finetune.penalty, a lower finetune.disc_lr or finetune.lr, or a "
                            "smaller finetune.channel_max");
}

ayf_status ayf_run_finetune_end_step(ayf_run *run, ayf_run_report *report) {
    ayf_run_finetune *f = &run->finetune;
    for (int i = 0; i < AYF_FIGURES; i++) {
        f->figure[i] = NAN;
        if (!ayf_program_has_output(run->program, figure_names[i])) continue;
        AYF_TRY(ayf_program_get(run->program, figure_names[i], &f->figure[i], 1));
        f->sum[i] += (double)f->figure[i];
        f->counted[i]++;
    }
    report->g_loss = (double)f->figure[AYF_FIGURE_G_LOSS];
    report->d_loss = (double)f->figure[AYF_FIGURE_D_LOSS];
    report->logit_real = (double)f->figure[AYF_FIGURE_LOGIT_REAL];
    report->logit_fake = (double)f->figure[AYF_FIGURE_LOGIT_FAKE];
    report->r1 = (double)f->figure[AYF_FIGURE_R1];
    report->r2 = (double)f->figure[AYF_FIGURE_R2];
    report->adaptive_weight = (double)f->figure[AYF_FIGURE_WEIGHT];
    return watch(run);
}

void ayf_run_finetune_log(ayf_run *run) {
    ayf_run_finetune *f = &run->finetune;
    for (int i = 0; i < AYF_FIGURES; i++) {
        if (f->counted[i]) ayf_jsonl_real(run->log, figure_names[i], f->sum[i] / (double)f->counted[i]);
        f->sum[i] = 0;
        f->counted[i] = 0;
    }
}

void ayf_run_finetune_close(ayf_run *run) {
    ayf_run_finetune *f = &run->finetune;
    ayf_program_free(f->every);
    ayf_program_free(f->lazy);
    ayf_weights_free(f->disc);
    ayf_weights_free(f->adam_m);
    ayf_weights_free(f->adam_v);
    ayf_weights_free(f->student_at);
    ayf_free(run->ctx, f->noise);
}
