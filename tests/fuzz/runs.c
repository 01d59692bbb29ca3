/* The files of a run that it goes on from: checkpoints and trajectories. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "ayf.h"
#include "train/run_folder.h"

#define TINY                                                                                                 \
    "data.labels=false", "model.kind=mlp", "model.hidden=4", "model.layers=1", "model.fourier=2",            \
        "train.batch=2", "train.lr_warmup=1", "train.steps=3", "save.every=0", "save.grid_every=0",          \
        "save.events=false", "train.precision=highest"

static const char *const teacher[] = {TINY, "data.source=builtin:ring"};
static const char *const student[] = {TINY,
                                      "data.source=builtin:gaussian",
                                      "distill.guidance=none",
                                      "distill.teacher=analytic",
                                      "distill.student_init=scratch",
                                      "distill.midtrain_steps=2",
                                      "distill.midtrain_trajectories=2",
                                      "distill.midtrain_solver_steps=2"};

#define CHECKPOINT "run/checkpoints/step-00000001.safetensors"

static ayf_status open_run(ayf_context *ctx, ayf_run_kind kind, ayf_run **run) {
    bool trains = kind == AYF_RUN_TRAIN;
    ayf_run_options options = {.kind = kind,
                               .folder = fuzz_path(trains ? "run" : "student"),
                               .settings = trains ? teacher : student,
                               .setting_count = trains ? (int)AYF_COUNT(teacher) : (int)AYF_COUNT(student)};
    return ayf_run_open(ctx, &options, run);
}

/* One step of a run, saved. */
static void make_run(ayf_run_kind kind) {
    ayf_context *ctx = fuzz_open(0);
    ayf_run *run;
    ayf_run_report report = {0};
    ayf_status status = open_run(ctx, kind, &run);
    while (status == AYF_OK && report.step < 1) status = ayf_run_step(run, &report);
    if (status == AYF_OK) status = ayf_run_save(run);
    if (status != AYF_OK) fuzz_failed(__FILE__, __LINE__, ayf_error(ctx));
    ayf_run_close(run);
    fuzz_close(ctx);
}

/* A run in whose folder this is: refused, or one that goes on. */
static void resume(ayf_run_kind kind, const char *file, const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_run *run;
    static bool made[2];
    if (!made[kind == AYF_RUN_TRAIN] && access(fuzz_path(file), F_OK) != 0) make_run(kind);
    made[kind == AYF_RUN_TRAIN] = true;
    /* What the input before may have led to: a large weight makes the step diverge. */
    unlink(fuzz_path("run/" AYF_RUN_DIVERGED));
    unlink(fuzz_path("student/" AYF_RUN_DIVERGED));
    fuzz_file(file, bytes, size);
    ayf_status status = open_run(ctx, kind, &run);
    FUZZ_CHECK((status == AYF_OK) == (run != NULL));
    ayf_run_report report;
    if (status == AYF_OK && !ayf_run_finished(run)) status = ayf_run_step(run, &report);
    ayf_run_close(run);
    ayf_path_facts facts;
    if (ayf_path_describe(ctx, fuzz_path(file), &facts) != AYF_OK) FUZZ_CHECK(*ayf_error(ctx));
    ayf_path_facts_free(ctx, &facts);
    fuzz_close(ctx);
}

void fuzz_checkpoint(const uint8_t *bytes, size_t size) { resume(AYF_RUN_TRAIN, CHECKPOINT, bytes, size); }

void fuzz_checkpoint_seeds(void) {
    make_run(AYF_RUN_TRAIN);
    fuzz_seed_file("checkpoint", fuzz_path(CHECKPOINT));
}

void fuzz_trajectories(const uint8_t *bytes, size_t size) {
    resume(AYF_RUN_DISTILL, "student/" AYF_RUN_TRAJECTORIES, bytes, size);
}

void fuzz_trajectories_seeds(void) {
    make_run(AYF_RUN_DISTILL);
    fuzz_seed_file("trajectories", fuzz_path("student/" AYF_RUN_TRAJECTORIES));
}
