#include "train/plan/memory.h"

#include <stdio.h>

#include "base/available.h"
#include "model/shape.h"
#include "train/checkpoint.h"
#include "train/kind.h"

void ayf_run_note_room(ayf_run *run) {
    ayf_available have = ayf_available_memory("");
    /* The plan counts the teachers, too. */
    uint64_t held = ayf_weights_bytes(run->teachers.teacher) + ayf_weights_bytes(run->teachers.weak);
    run->room = have.bytes > UINT64_MAX - held ? UINT64_MAX : have.bytes + held;
    run->room_limit = have.limit;
}

uint64_t ayf_run_checkpoint_bytes(const ayf_run *run) {
    uint64_t elements = 0;
    for (int i = 0; i < run->learners; i++) {
        ayf_learner_copy copies[AYF_LEARNER_COPIES];
        int count = ayf_learner_copies(&run->learner[i], copies);
        for (int k = 0; k < count; k++)
            for (int j = 0; j < copies[k].at->params->count; j++)
                if (!copies[k].trained_only || copies[k].at->params->at[j].role != AYF_PARAM_BUFFER)
                    elements += copies[k].at->params->at[j].size;
    }
    return elements * sizeof(float);
}

uint64_t ayf_run_model_bytes(const ayf_run *run) {
    uint64_t elements = 0;
    const ayf_params *params = run->learner[0].average->params;
    for (int i = 0; i < params->count; i++) elements += params->at[i].size;
    return elements * sizeof(float);
}

uint64_t ayf_run_memory(const ayf_run *run) {
    return run->bytes + (ayf_run_leads(run) ? ayf_run_checkpoint_room(run) : 0);
}

/* ---- Smaller batches ---- */

/* Plans the run with `count` samples at a time; nothing is to be run with it. */
static bool fits(ayf_run *run, int count) {
    int parts = run->batch.parts * (run->batch.count / count), was = run->batch.count;
    run->batch.count = count;
    for (int i = 0; i < run->learners; i++) run->learner[i].optim.parts = parts > 1;
    ayf_status status = run->type->compile(run);
    run->batch.count = was;
    return status == AYF_OK && ayf_run_memory(run) <= run->room;
}

/* The largest share of the batch's samples that fits, by halves or less; 0: none. Memory grows at most in proportion
 * to the samples, so what cannot fit by that is not planned: planning takes seconds. */
static int find_fitting(ayf_run *run, uint64_t needed) {
    enum { TRIES = 3 };
    int count = run->batch.count, group = run->batch.group, tries = 0;
    int most = (int)((double)count * ((double)run->room / (double)needed));
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

static ayf_status refuse(ayf_run *run, uint64_t needed) {
    char work[96], needs[AYF_BYTES_SIZE], have[AYF_BYTES_SIZE];
    int before = run->batch.count, shares = run->batch.parts * run->comm->ranks,
        count = find_fitting(run, needed);
    name_work(run, work, sizeof work);
    ayf_bytes_text((double)needed, needs);
    ayf_bytes_text((double)run->room, have);
    if (!count)
        return ayf_fail(
            run->ctx, AYF_E_MEMORY,
            "%s needs %s, and %s are free here (%s); a smaller batch does not help enough, so take a "
            "smaller "
            "network or lower data.resolution",
            work, needs, have, run->room_limit);
    return ayf_fail(
        run->ctx, AYF_E_MEMORY,
        "%s needs %s, and %s are free here (%s): batch %d fits (train.batch = %d), and so does the "
        "same batch in parts (train.accumulate = %d)",
        work, needs, have, run->room_limit, count * shares, count * shares,
        run->batch.parts * (before / count));
}

/* ---- The run itself ---- */

static ayf_status compile_and_check(ayf_run *run) {
    AYF_TRY(run->type->compile(run));
    uint64_t needed = ayf_run_memory(run);
    return needed <= run->room ? AYF_OK : refuse(run, needed);
}

ayf_status ayf_run_compile_checked(ayf_run *run) {
    uint64_t at = run->step, later = (uint64_t)run->cfg.distill.midtrain_steps;
    if (at < later) {
        run->step = later;
        AYF_TRY(compile_and_check(run));
        if (run->dry) return AYF_OK; /* such a step is what is tried */
        run->step = at;
    }
    return compile_and_check(run);
}
