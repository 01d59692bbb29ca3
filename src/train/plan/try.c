/* ayf_run_try(): what a run takes, before it is begun. */
#include <math.h>

#include "base/number.h"
#include "base/wait.h"
#include "model/shape.h"
#include "train/kind.h"
#include "train/plan/disk.h"
#include "train/plan/memory.h"
#include "train/run.h"

enum { TIMED = 3 };

/* The median of three steps from `step` on, each `every` after the one before, and one that is not counted. */
static ayf_status time_steps(ayf_run *run, uint64_t step, uint64_t every, double *seconds) {
    double taken[TIMED];
    for (int i = -1; i < TIMED; i++, step += every) {
        double start = ayf_seconds();
        run->step = step;
        AYF_TRY(ayf_run_rehearse(run));
        if (i >= 0) taken[i] = ayf_seconds() - start;
        AYF_TRY(ayf_task_add(run->ctx, 1));
    }
    ayf_sort_reals(taken, TIMED);
    *seconds = taken[TIMED / 2];
    return AYF_OK;
}

/* With two programs the first one is that of every P-th step. */
static ayf_status time_run(ayf_run *run, ayf_run_plan *plan) {
    uint64_t period = run->programs[1] ? (uint64_t)run->cfg.finetune.penalty_every : 1;
    uint64_t first = run->step + (period - run->step % period) % period;
    double all, others = 0, share = 1 / (double)period;
    ayf_task_begin(run->ctx, "timing", (TIMED + 1) * (period > 1 ? 2 : 1));
    AYF_TRY(time_steps(run, first, period, &all));
    if (period > 1) AYF_TRY(time_steps(run, first + 1, period, &others));
    plan->step_seconds = share * all + (1 - share) * others;
    return AYF_OK;
}

static void count_work(const ayf_run *run, ayf_run_plan *plan) {
    double parts = run->batch.parts, period = run->programs[1] ? run->cfg.finetune.penalty_every : 1;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++)
        if (run->programs[i])
            plan->step_gflop += ayf_program_describe(run->programs[i]).flops * 1e-9 * parts *
                                (i ? 1 - 1 / period : 1 / period);
}

static void describe(const ayf_run *run, ayf_run_plan *plan) {
    ayf_data_shape shape = ayf_model_shape(&run->spec);
    *plan = (ayf_run_plan){.height = shape.height,
                           .width = shape.width,
                           .channels = shape.channels,
                           .points = shape.points,
                           .classes = shape.classes,
                           .batch = run->cfg.train.batch,
                           .parts = run->batch.parts,
                           .precision = run->cfg.train.precision,
                           .parameters = ayf_params_trained(run->learner[0].weights->params),
                           .on_device = ayf_backend_has_memory(run->backend),
                           .memory = run->memory,
                           .bytes = ayf_memory_total(&run->memory),
                           .free_bytes = run->room,
                           .step_seconds = (double)NAN,
                           .done = run->saved_step < 0 ? 0 : (uint64_t)run->saved_step,
                           .steps = run->steps,
                           .midtrain_steps = (uint64_t)run->cfg.distill.midtrain_steps,
                           .checkpoints = ayf_run_checkpoints(run),
                           .checkpoint_bytes = ayf_run_checkpoint_bytes(run),
                           .model_bytes = ayf_run_model_bytes(run),
                           .disk_bytes = ayf_run_disk(run),
                           .disk_free_bytes = (double)NAN};
    if (run->learners > 1)
        plan->discriminator_parameters = ayf_params_trained(run->learner[1].weights->params);
    if (!ayf_disk_free(run->folder, &plan->disk_free_bytes)) plan->disk_free_bytes = (double)NAN;
    count_work(run, plan);
}

ayf_status ayf_run_try(ayf_context *ctx, const ayf_run_options *options, ayf_run_plan *plan) {
    ayf_run *run;
    *plan = (ayf_run_plan){0};
    AYF_TRY(ayf_run_open_dry(ctx, options, &run));
    describe(run, plan);
    ayf_status status = ayf_output_check(ctx, run->folder, true, 0);
    if (status == AYF_OK && !ayf_run_finished(run)) status = time_run(run, plan);
    ayf_run_close(run);
    return status;
}
