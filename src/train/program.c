#include "train/program.h"

static uint64_t planned(const ayf_run *run) {
    uint64_t bytes = 0;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++) {
        if (!run->programs[i]) continue;
        ayf_program_facts facts = ayf_program_describe(run->programs[i]);
        bytes += facts.arena_bytes + facts.scratch_bytes + (i ? 0 : facts.leaf_bytes);
    }
    return bytes;
}

ayf_status ayf_run_compile(ayf_run *run, int index, ayf_graph *g) {
    ayf_program_free(run->programs[index]);
    run->programs[index] = run->program = NULL;
    AYF_TRY(ayf_compile(run->backend, g, NULL, &run->programs[index]));
    ayf_program *program = run->program = run->programs[index];
    for (int i = 0; i < run->learners; i++) AYF_TRY(ayf_learner_bind(&run->learner[i], program));
    if (run->teachers.teacher) AYF_TRY(ayf_weights_bind(run->teachers.teacher, program, AYF_SCOPE_TEACHER));
    if (run->teachers.weak) AYF_TRY(ayf_weights_bind(run->teachers.weak, program, AYF_SCOPE_WEAK));
    run->bytes = planned(run);
    return AYF_OK;
}
