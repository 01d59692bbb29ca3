/* Better students: the distillation goes on, and a discriminator judges what the student draws (ayf
 * finetune). */
#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "flow/adversarial.h"
#include "nn/network.h"
#include "train/batch.h"
#include "train/divergence.h"
#include "train/figures.h"
#include "train/kind.h"
#include "train/program.h"
#include "train/recipe.h"
#include "train/records.h"
#include "train/kinds/student.h"
#include "train/kinds/teachers.h"

/* Outputs of a step, (1) each; R1 and R2 of steps with penalties. */
enum { G_LOSS, D_LOSS, LOGIT_REAL, LOGIT_FAKE, R1, R2, WEIGHT, DISC_NORM, FIGURES };
enum { FIRST_OF_WHOLE = WEIGHT }; /* from here on a figure is one of the whole batch */
_Static_assert((int)FIGURES <= (int)AYF_RUN_FIGURES, "the figures of a step have room in the run's");
static const char *const figure_names[FIGURES] = {
    [G_LOSS] = "g_loss", [D_LOSS] = "d_loss", [LOGIT_REAL] = "logit_real",  [LOGIT_FAKE] = "logit_fake",
    [R1] = "r1",         [R2] = "r2",         [WEIGHT] = "adaptive_weight", [DISC_NORM] = "disc_grad_norm"};

typedef struct finetune {
    ayf_run_student student;
    float *noise; /* batch.count x values */
    float alpha;
} finetune;

enum { STUDENT, DISCRIMINATOR };            /* learners */
enum { WITH_PENALTIES, WITHOUT_PENALTIES }; /* programs */

static const ayf_unused_key unused[] = {
    {"train.lr",
     "the learning rates are finetune.lr (the student's) and finetune.disc_lr (the discriminator's)"},
    {"train.init", "the run begins with finetune.student"},
    {"train.time_mean", NULL},
    {"train.time_std", NULL},
    {"train.label_dropout", NULL},
    {"train.coupling", NULL},
    {"distill.student_init", NULL},
    {"distill.regress_steps", NULL},
    {"distill.warmup_steps", NULL},
    {"distill.midtrain_steps", NULL},
    {"distill.midtrain_trajectories", NULL},
    {"distill.midtrain_solver_steps", NULL},
    {NULL, NULL}};

static double rate(const ayf_config *cfg) { return cfg->finetune.lr; }

static const char *begins(const ayf_config *cfg) { return cfg->finetune.student; }

static int group(const ayf_config *cfg) { return cfg->finetune.deviation_group; }

/* ---- Opening ---- */

static ayf_status base(ayf_run *run, const ayf_assignments *given) {
    finetune *f = run->own;
    const char *path = ayf_assignments_last(given, "finetune.student");
    if (!path || !*path) return AYF_OK;
    AYF_TRY(ayf_run_student_read(run, &f->student, path));
    AYF_TRY(ayf_run_check_data_known(run, given, "finetune.student", path, &f->student.card));
    if (!ayf_assignments_last(given, "data.source")) run->data_of = "student";
    return ayf_run_student_inherit(run, &f->student, path);
}

/* A run resumes with the student it began with, as it does with its teachers. */
static ayf_status open(ayf_run *run) {
    finetune *f = run->own;
    const char *path = run->cfg.finetune.student;
    AYF_TRY(ayf_run_open_teachers(run, false, " (the student's, unless --teacher or --weak is given)"));
    AYF_TRY(ayf_run_student_read(run, &f->student, path));
    run->begins_as = f->student.weights;
    run->begins_key = "finetune.student";
    run->begins_path = path;
    ayf_match_side student = {.what = "the student (finetune.student)",
                              .path = path,
                              .spec = &f->student.weights->spec,
                              .sigma_data = f->student.card.sigma_data};
    if (run->teachers.teacher) {
        ayf_match_side teacher = ayf_run_teacher_side(run);
        AYF_TRY(ayf_models_match(run->ctx, AYF_E_CONFIG, &student, &teacher,
                                 "name the teacher it was distilled from"));
    }
    run->sigma_data = student.sigma_data;
    run->begins_hash = AYF_HASH_START;
    AYF_TRY(ayf_weights_hash(f->student.weights, &run->begins_hash));
    return ayf_weights_hash(f->student.weights, &run->teachers.hash);
}

static ayf_status begin(ayf_run *run) {
    finetune *f = run->own;
    const ayf_config *cfg = &run->cfg;
    ayf_optim_options optim = {
        .beta1 = cfg->finetune.disc_beta1, .beta2 = cfg->finetune.disc_beta2, .eps = cfg->train.eps};
    ayf_run_share_optim(run, &optim);
    AYF_TRY(ayf_run_student_check(run, &f->student));
    ayf_model_spec discriminator = ayf_discriminator_from_config(cfg, &run->spec);
    if (ayf_network_check(run->ctx, &discriminator) != AYF_OK)
        return ayf_fail_prefix(run->ctx, "finetune.student: %s: ", run->begins_path);
    run->learners = DISCRIMINATOR + 1;
    AYF_TRY(ayf_learner_new(&run->learner[DISCRIMINATOR], run->backend, &discriminator,
                            AYF_SCOPE_DISCRIMINATOR, "disc.", &optim));
    f->noise = ayf_alloc(run->ctx, (size_t)run->batch.count, run->batch.values * sizeof *f->noise);
    if (!f->noise) return AYF_E_MEMORY;
    run->batch.in.noise = f->noise;
    run->batch.in.alpha = &f->alpha;
    return ayf_learner_begin(&run->learner[DISCRIMINATOR], (uint64_t)cfg->train.seed, NULL);
}

static ayf_status compile_program(ayf_run *run, int index, double penalty_weight) {
    ayf_finetune_step step = {.distill = ayf_distill_from_config(&run->cfg),
                              .discriminator = run->learner[DISCRIMINATOR].weights->params,
                              .disc_optim = run->learner[DISCRIMINATOR].optim,
                              .fake_steps = run->cfg.finetune.fake_steps,
                              .adaptive = run->cfg.finetune.adaptive,
                              .penalty_weight = penalty_weight};
    if (ayf_disc_sees_guidance(&run->cfg))
        ayf_run_guidance_range(run, &step.guidance_low, &step.guidance_high);
    step.distill.batch = run->batch.count;
    step.distill.optim = run->learner[STUDENT].optim;
    step.distill.student = run->learner[STUDENT].weights->params;
    step.distill.teacher = run->teachers.velocity;
    return ayf_run_compile(run, index, ayf_finetune_step_graph(run->ctx, &step));
}

static ayf_status compile(ayf_run *run) {
    int every = run->cfg.finetune.penalty_every;
    AYF_TRY(compile_program(run, WITH_PENALTIES, run->cfg.finetune.penalty * every));
    return every > 1 ? compile_program(run, WITHOUT_PENALTIES, 0) : AYF_OK;
}

/* ---- One step ---- */

static ayf_status enter(ayf_run *run) {
    bool penalties = run->step % (uint64_t)run->cfg.finetune.penalty_every == 0;
    run->program = run->programs[penalties ? WITH_PENALTIES : WITHOUT_PENALTIES];
    return AYF_OK;
}

static ayf_status draw(ayf_run *run) {
    finetune *f = run->own;
    const ayf_config *cfg = &run->cfg;
    size_t n = (size_t)run->batch.count, values = run->batch.values;
    AYF_TRY(ayf_run_draw_data(run));
    ayf_run_draw_pairs(run);
    ayf_run_fill_onehot(run, NULL);
    for (size_t i = 0; i < n; i++)
        ayf_rng_normal(
            (ayf_rng_key){(uint64_t)cfg->train.seed, AYF_RNG_FAKE, run->step, ayf_run_sample(run, i)},
            f->noise + i * values, values);
    run->batch.r = (float)cfg->distill.r_max; /* the student has its tangent warm-up behind it */
    f->alpha = run->step < ayf_disc_first_from_config(cfg) ? 0 : (float)cfg->finetune.alpha;
    return AYF_OK;
}

static double disc_rate(const ayf_run *run, uint64_t step) {
    return ayf_rate_below(&run->cfg, run->cfg.finetune.disc_lr, step) * run->rate_scale;
}

static ayf_status set(ayf_run *run) {
    return ayf_learner_set_rates(&run->learner[DISCRIMINATOR], run->program, run->step,
                                 disc_rate(run, run->step), 0);
}

/* A discriminator that wins leaves a student that is as good as it was. One whose output has exploded, in
 * either direction, is of no use any more, and neither is its checkpoint. */
static ayf_status watch(ayf_run *run) {
    const double *figure = run->figures.own;
    double gap = figure[LOGIT_REAL] - figure[LOGIT_FAKE], limit = run->cfg.finetune.logit_limit;
    char why[240];
    if (!isfinite(gap) || !isfinite(figure[DISC_NORM]))
        return ayf_run_diverged(run, run->step, "the discriminator's output or gradient is not finite",
                                "a lower finetune.disc_lr or a higher finetune.penalty");
    if (gap < -limit) {
        snprintf(why, sizeof why,
                 "the discriminator has exploded: its logits of data lie %.3g below those of fakes "
                 "(finetune.logit_limit = %g)",
                 -gap, limit);
        return ayf_run_diverged(run, run->step, why,
                                "a lower finetune.disc_lr, a longer train.lr_warmup or a higher "
                                "finetune.penalty");
    }
    if (gap <= limit) return AYF_OK;
    snprintf(why, sizeof why,
             "the discriminator wins: its logits of data lie %.3g above those of fakes (finetune.logit_limit "
             "= %g), and the student learns nothing from it any more",
             gap, limit);
    return ayf_run_diverged(run, run->step + 1, why,
                            "a higher finetune.penalty, a lower finetune.disc_lr or finetune.lr, or a "
                            "smaller finetune.channel_max");
}

static bool has_figure(const ayf_run *run, int i) {
    return ayf_program_has_output(run->program, figure_names[i]);
}

static ayf_status read(ayf_run *run) {
    const ayf_run_batch *b = &run->batch;
    bool last = b->part + 1 == b->parts;
    AYF_TRY(ayf_run_read_distill_figures(run));
    for (int i = 0; i < (last ? FIGURES : FIRST_OF_WHOLE); i++) {
        float value = 0;
        if (has_figure(run, i)) AYF_TRY(ayf_program_get(run->program, figure_names[i], &value, 1));
        run->figures.own[i] += (double)value * (i < FIRST_OF_WHOLE ? 1 : b->parts);
    }
    return AYF_OK;
}

static ayf_status note(ayf_run *run, ayf_run_report *report) {
    double *figure = run->figures.own;
    AYF_TRY(ayf_run_note_distill_figures(run, report));
    for (int i = 0; i < FIGURES; i++) {
        if (!has_figure(run, i)) {
            figure[i] = NAN;
            continue;
        }
        run->sums.own[i] += figure[i];
        run->sums.own_steps[i]++;
    }
    report->g_loss = figure[G_LOSS];
    report->d_loss = figure[D_LOSS];
    report->logit_real = figure[LOGIT_REAL];
    report->logit_fake = figure[LOGIT_FAKE];
    report->r1 = figure[R1];
    report->r2 = figure[R2];
    report->adaptive_weight = figure[WEIGHT];
    return watch(run);
}

/* The line is that of the step that is done. */
static void log_figures(ayf_run *run) {
    const ayf_run_sums *sums = &run->sums;
    ayf_run_log_real(run, "disc_lr", disc_rate(run, run->step - 1));
    ayf_run_log_distill_figures(run);
    for (int i = 0; i < FIGURES; i++)
        if (sums->own_steps[i] > 0) ayf_run_log_real(run, figure_names[i], sums->own[i] / sums->own_steps[i]);
}

static void close(ayf_run *run) {
    finetune *f = run->own;
    ayf_run_student_clear(run, &f->student);
    ayf_free(run->ctx, f->noise);
}

const ayf_run_type ayf_run_finetune = {
    .verb = "finetune",
    .unused = unused,
    .own_size = sizeof(finetune),
    .makes_student = true,
    .rate_key = "finetune.lr",
    .rate = rate,
    .begins = begins,
    .begins_key = "finetune.student",
    .validate = ayf_config_validate_finetune,
    .group = group,
    .group_key = "finetune.deviation_group",
    .base = base,
    .open = open,
    .begin = begin,
    .compile = compile,
    .enter = enter,
    .draw = draw,
    .set = set,
    .read = read,
    .note = note,
    .log = log_figures,
    .close = close,
};
