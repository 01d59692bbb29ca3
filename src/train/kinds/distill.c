/* Students: distillation of a teacher into a flow map (ayf distill), after mid-training where that is asked
 * for. */
#include <string.h>

#include "train/batch.h"
#include "train/figures.h"
#include "train/kind.h"
#include "train/kinds/midtrain.h"
#include "train/program.h"
#include "train/recipe.h"
#include "train/kinds/teachers.h"

static const ayf_unused_key unused[] = {{"finetune.", NULL},
                                        {"train.init", "the student begins as distill.student_init says"},
                                        {"train.time_mean", NULL},
                                        {"train.time_std", NULL},
                                        {"train.label_dropout", NULL},
                                        {"train.coupling", NULL},
                                        {NULL, NULL}};

static double rate(const ayf_config *cfg) { return cfg->train.lr; }

/* Whether the next step is one of mid-training. */
static bool midtrains(const ayf_run *run) { return run->step < (uint64_t)run->cfg.distill.midtrain_steps; }

/* Whether the program at hand is. */
static bool regresses_paths(const ayf_run *run) { return run->batch.in.x_t != NULL; }

static ayf_status base(ayf_run *run, const ayf_assignments *given) {
    const char *init = ayf_assignments_last(given, "distill.student_init"),
               *target = ayf_assignments_last(given, "distill.target");
    bool alone = init && strcmp(init, "scratch") == 0 && target && strcmp(target, "data") == 0;
    return alone ? AYF_OK : ayf_run_read_as_teacher(run, given);
}

static ayf_status open(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    bool begins_as_teacher = cfg->distill.student_init == AYF_CFG_INIT_TEACHER;
    AYF_TRY(ayf_run_open_teachers(run, begins_as_teacher, ""));
    if (!begins_as_teacher) return AYF_OK;
    run->begins_as = run->teachers.teacher;
    run->begins_key = "distill.teacher";
    run->begins_path = cfg->distill.teacher;
    return AYF_OK;
}

static ayf_status compile(ayf_run *run) {
    /* Of a run that is not to begin, a step after mid-training is what is tried. */
    if (midtrains(run) && !regresses_paths(run))
        AYF_TRY(run->dry ? ayf_paths_check(run) : ayf_paths_open(run));
    ayf_distill_step step = ayf_distill_from_config(&run->cfg);
    step.batch = run->batch.count;
    step.optim = run->learner[0].optim;
    step.student = run->learner[0].weights->params;
    step.teacher = run->teachers.velocity;
    if (midtrains(run)) step.target = AYF_TARGET_GIVEN;
    return ayf_run_compile(run, 0, ayf_distill_step_graph(run->ctx, &step));
}

/* After mid-training its trajectories and its program make room for what follows. There is no program when
 * compiling failed in the step before. */
static ayf_status enter(ayf_run *run) {
    if (run->program && midtrains(run) == regresses_paths(run)) return AYF_OK;
    ayf_paths_close(run);
    return compile(run);
}

static ayf_status draw(ayf_run *run) {
    if (regresses_paths(run)) {
        ayf_time_sampler pairs = ayf_times_from_config(&run->cfg);
        for (size_t i = 0; i < (size_t)run->batch.count; i++)
            ayf_paths_draw(run, &pairs, i, ayf_run_sample(run, i));
    } else {
        AYF_TRY(ayf_run_draw_data(run));
        ayf_run_draw_pairs(run);
        run->batch.r = (float)ayf_tangent_weight_from_config(&run->cfg, run->step);
    }
    ayf_run_fill_onehot(run, NULL);
    return AYF_OK;
}

static uint64_t memory(const ayf_run *run) { return midtrains(run) ? ayf_paths_bytes(run) : 0; }

const ayf_run_type ayf_run_distill = {
    .verb = "distill",
    .unused = unused,
    .own_size = sizeof(ayf_paths),
    .makes_student = true,
    .rate_key = "train.lr",
    .rate = rate,
    .validate = ayf_config_validate_distill,
    .base = base,
    .open = open,
    .compile = compile,
    .memory = memory,
    .unprepared = ayf_paths_missing,
    .prepare = ayf_paths_make,
    .save_prepared = ayf_paths_write,
    .enter = enter,
    .draw = draw,
    .read = ayf_run_read_distill_figures,
    .note = ayf_run_note_distill_figures,
    .log = ayf_run_log_distill_figures,
    .close = ayf_paths_close,
};
