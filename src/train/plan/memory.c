#include "train/plan/memory.h"

#include <stdio.h>

#include "base/available.h"
#include "base/wait.h"
#include "model/shape.h"
#include "train/best.h"
#include "train/kind.h"
#include "train/pictures.h"
#include "train/plan/parts.h"

uint64_t ayf_run_checkpoint_bytes(const ayf_run *run) {
    uint64_t bytes = 0;
    for (int i = 0; i < run->learners; i++) {
        ayf_learner_copy copies[AYF_LEARNER_COPIES];
        int count = ayf_learner_copies(&run->learner[i], copies);
        for (int k = 0; k < count; k++)
            bytes += ayf_memory_copy(copies[k].at->params, copies[k].trained_only);
    }
    return bytes;
}

uint64_t ayf_run_model_bytes(const ayf_run *run) {
    return ayf_memory_copy(run->learner[0].average->params, false);
}

/* ---- The sum ---- */

static uint64_t kernels_of(const ayf_run *run) {
    uint64_t kernels = 0;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++)
        if (run->programs[i]) kernels += ayf_program_describe(run->programs[i]).kernels;
    return kernels;
}

/* In whatever memory. */
static ayf_status count_all_parts(ayf_run *run, int count, ayf_memory_parts *parts) {
    *parts = (ayf_memory_parts){.step = run->bytes,
                                .batch = ayf_memory_batch(count, ayf_model_shape(&run->spec)),
                                .data = ayf_dataset_bytes(run->data),
                                .trajectories = run->type->memory ? run->type->memory(run) : 0,
                                .process = ayf_memory_process(kernels_of(run))};
    if (!ayf_run_leads(run)) return AYF_OK;
    bool draws = run->cfg.save.grid_every > 0;
    if (draws || run->cfg.eval.every > 0)
        AYF_TRY(ayf_run_picture_open(run)); /* as a measure of what drawing takes */
    if (draws) parts->pictures = ayf_run_picture_bytes(run);
    for (int i = 0; i < run->learners; i++) {
        uint64_t writing = ayf_memory_writing(run->learner[i].weights->params);
        parts->checkpoint = writing > parts->checkpoint ? writing : parts->checkpoint;
    }
    AYF_TRY(ayf_best_plan(run, &parts->measuring));
    if (!draws) ayf_run_picture_close(run);
    return AYF_OK;
}

/* With the programs that are compiled, for a batch of `count`. */
static ayf_status count_parts(ayf_run *run, int count, ayf_memory_parts *parts) {
    AYF_TRY(count_all_parts(run, count, parts));
    *parts = ayf_memory_computing(run->backend, parts);
    return AYF_OK;
}

/* What of it is still to be allocated. */
static uint64_t missing(const ayf_run *run, const ayf_memory_parts *parts) {
    uint64_t bytes = 0;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++)
        if (run->programs[i]) bytes += ayf_program_missing_bytes(run->programs[i]);
    bytes += parts->pictures + ayf_memory_passing(parts);
    if (ayf_backend_has_memory(run->backend)) return bytes;
    bytes += ayf_memory_reserve();
    return run->dry ? bytes + parts->trajectories : bytes;
}

static ayf_status note_room(ayf_run *run, const ayf_memory_parts *parts) {
    ayf_available have;
    AYF_TRY(ayf_backend_room(run->backend, &have));
    uint64_t held = ayf_memory_total(parts) - missing(run, parts);
    run->room = have.bytes > UINT64_MAX - held ? UINT64_MAX : have.bytes + held;
    run->room_limit = have.limit;
    return AYF_OK;
}

/* ---- Smaller batches ---- */

/* Plans the run with `count` samples at a time; nothing is to be run with it. */
static bool fits(ayf_run *run, int count) {
    ayf_memory_parts parts;
    int shares = run->batch.parts * (run->batch.count / count), was = run->batch.count;
    run->batch.count = count;
    for (int i = 0; i < run->learners; i++) run->learner[i].optim.parts = shares > 1;
    ayf_status status = run->type->compile(run);
    run->batch.count = was;
    return status == AYF_OK && count_parts(run, count, &parts) == AYF_OK &&
           ayf_memory_total(&parts) <= run->room;
}

/* What grows with the batch: at most what is not one of the shared leaves. */
static uint64_t growing(const ayf_run *run, const ayf_memory_parts *parts) {
    uint64_t bytes = parts->batch;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++) {
        if (!run->programs[i]) continue;
        ayf_program_facts facts = ayf_program_describe(run->programs[i]);
        bytes += ayf_memory_program(&facts, false);
    }
    return bytes;
}

/* The largest share of the batch's samples that fits, by halves or less; 0: none. Memory grows at most in proportion
 * to the samples, so what cannot fit by that is not planned: planning takes seconds. */
static int find_fitting(ayf_run *run, const ayf_memory_parts *parts) {
    enum { TRIES = 3 };
    int count = run->batch.count, group = run->batch.group, tries = 0;
    uint64_t grows = growing(run, parts), rest = ayf_memory_total(parts) - grows;
    if (run->room <= rest) return 0;
    int most = (int)((double)count * ((double)(run->room - rest) / (double)grows));
    if (most > count / 2) most = count / 2;
    for (int n = most, tried = 2 * most; n >= group && tries < TRIES; n--) {
        if (n > tried / 2 || count % n || n % group) continue;
        if (fits(run, n)) return n;
        tried = n;
        tries++;
    }
    return 0;
}

static void name_work(const ayf_run *run, char *text, size_t size) {
    ayf_data_shape shape = ayf_model_shape(&run->spec);
    int batch = run->cfg.train.batch, parts = run->batch.parts * run->comm->ranks;
    int used = shape.points ? snprintf(text, size, "points, batch %d", batch)
                            : snprintf(text, size, "%d x %d, batch %d", shape.height, shape.width, batch);
    if (parts > 1 && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " in %d parts", parts);
}

static ayf_status refuse(ayf_run *run, const ayf_memory_parts *parts) {
    char work[96], needs[AYF_BYTES_SIZE], have[AYF_BYTES_SIZE];
    int before = run->batch.count, shares = run->batch.parts * run->comm->ranks,
        count = find_fitting(run, parts);
    name_work(run, work, sizeof work);
    ayf_bytes_text((double)ayf_memory_total(parts), needs);
    ayf_bytes_text((double)run->room, have);
    if (!count)
        return ayf_fail(
            run->ctx, AYF_E_MEMORY,
            "%s needs %s, and %s are free here (%s); a smaller batch does not help enough, so take %sa "
            "smaller network or lower data.resolution",
            work, needs, have, run->room_limit,
            run->cfg.train.recompute == AYF_RECOMPUTE_BLOCKS ? "" : "train.recompute = blocks, ");
    return ayf_fail(
        run->ctx, AYF_E_MEMORY,
        "%s needs %s, and %s are free here (%s): batch %d fits (train.batch = %d), and so does the "
        "same batch in parts (train.accumulate = %d)",
        work, needs, have, run->room_limit, count * shares, count * shares,
        run->batch.parts * (before / count));
}

/* ---- The run itself ---- */

/* The phase that takes most is remembered. */
static ayf_status compile_and_check(ayf_run *run) {
    ayf_task_begin(run->ctx, "planning a step", 0);
    AYF_TRY(ayf_task_go_on(run->ctx));
    ayf_memory_parts parts;
    AYF_TRY(run->type->compile(run));
    AYF_TRY(count_parts(run, run->batch.count, &parts));
    AYF_TRY(note_room(run, &parts));
    if (ayf_memory_total(&parts) > run->room) return refuse(run, &parts);
    if (ayf_memory_total(&parts) > ayf_memory_total(&run->memory)) run->memory = parts;
    return AYF_OK;
}

/* A step after mid-training is what is tried in a dry run, so it comes last there. */
ayf_status ayf_run_compile_checked(ayf_run *run) {
    uint64_t at = run->step, later = (uint64_t)run->cfg.distill.midtrain_steps;
    if (at >= later) return compile_and_check(run);
    run->step = run->dry ? at : later;
    AYF_TRY(compile_and_check(run));
    run->step = run->dry ? later : at;
    return compile_and_check(run);
}
