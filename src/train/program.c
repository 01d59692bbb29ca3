#include "train/program.h"

#include "train/plan/parts.h"

static uint64_t planned(const ayf_run *run) {
    uint64_t bytes = 0;
    for (int i = 0; i < AYF_RUN_PROGRAMS; i++) {
        if (!run->programs[i]) continue;
        ayf_program_facts facts = ayf_program_describe(run->programs[i]);
        bytes += ayf_memory_program(&facts, i == 0);
    }
    return bytes;
}

static ayf_status bind_all(const ayf_run *run, ayf_program *program) {
    for (int i = 0; i < run->learners; i++) AYF_TRY(ayf_learner_bind(&run->learner[i], program));
    if (run->teachers.teacher) AYF_TRY(ayf_weights_bind(run->teachers.teacher, program, AYF_SCOPE_TEACHER));
    return run->teachers.weak ? ayf_weights_bind(run->teachers.weak, program, AYF_SCOPE_WEAK) : AYF_OK;
}

/* Of every program of a run: steps of all kinds, with and without the penalties of fine-tuning. */
static ayf_compile_options options_of(const ayf_run *run) {
    return (ayf_compile_options){.precision = run->cfg.train.precision,
                                 .recompute = ayf_recompute_default(run->cfg.train.recompute)};
}

ayf_status ayf_run_compile(ayf_run *run, int index, ayf_graph *g) {
    ayf_program *program;
    ayf_compile_options options = options_of(run);
    ayf_program_free(run->programs[index]);
    run->programs[index] = run->program = NULL;
    AYF_TRY(ayf_compile(run->backend, g, &options, &program));
    ayf_status status = bind_all(run, program);
    if (status != AYF_OK) {
        ayf_program_free(program);
        return status;
    }
    run->programs[index] = run->program = program;
    run->bytes = planned(run);
    return AYF_OK;
}
