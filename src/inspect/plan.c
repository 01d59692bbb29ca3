/* What steps of a configuration take, without data, weights or anything that runs. */
#include "backend/open.h"
#include "flow/step.h"
#include "inspect/bench.h"
#include "nn/network.h"

typedef struct planner {
    ayf_context *ctx;
    ayf_backend *backend;
    ayf_params *teacher, *student;
} planner;

static ayf_status compile(const planner *p, ayf_graph *g, ayf_precision precision, uint64_t *bytes,
                          double *gflop) {
    ayf_program *program;
    AYF_TRY(ayf_compile(p->backend, g, &(ayf_compile_options){.precision = precision}, &program));
    ayf_program_facts facts = ayf_program_describe(program);
    *bytes = facts.arena_bytes + facts.scratch_bytes + facts.leaf_bytes;
    *gflop = facts.flops * 1e-9;
    ayf_program_free(program);
    return AYF_OK;
}

static ayf_status plan_row(const planner *p, ayf_plan_row *row) {
    ayf_optim_options optim = ayf_optim_default();
    optim.ema = true;
    ayf_teacher_step train = {.network = p->teacher, .batch = row->batch, .optim = optim};
    ayf_network_teacher guided = {.params = p->teacher, .guided = true, .weak = p->teacher};
    ayf_distill_step distill = {.student = p->student,
                                .batch = row->batch,
                                .norm_c = 0.1,
                                .norm_p = 0.5,
                                .teacher = ayf_velocity_network(&guided),
                                .optim = optim};
    AYF_TRY(compile(p, ayf_teacher_step_graph(p->ctx, &train), row->precision, &row->train_bytes,
                    &row->train_gflop));
    return compile(p, ayf_distill_step_graph(p->ctx, &distill), row->precision, &row->distill_bytes,
                   &row->distill_gflop);
}

ayf_status ayf_plan_steps(ayf_context *ctx, const ayf_bench_options *options, ayf_plan_row *rows, int count,
                          ayf_plan_facts *facts) {
    ayf_bench_plan bench;
    planner p = {.ctx = ctx};
    *facts = (ayf_plan_facts){0};
    AYF_TRY(ayf_bench_read(ctx, options, 1, 1, &bench));
    ayf_model_spec student = bench.network;
    student.is_student = true;
    ayf_status status = ayf_backend_open(ctx, &p.backend);
    if (status == AYF_OK) status = ayf_params_new(ctx, &bench.network, &p.teacher);
    if (status == AYF_OK) status = ayf_params_new(ctx, &student, &p.student);
    for (int i = 0; i < count && status == AYF_OK; i++) {
        if (rows[i].batch < 1 || rows[i].batch > AYF_PLAN_BATCH_MOST ||
            (unsigned)rows[i].precision >= AYF_PRECISION_AUTO)
            status = ayf_fail(ctx, AYF_E_USAGE, "plan: a batch is 1 to %d, and its precision is settled",
                              AYF_PLAN_BATCH_MOST);
        else
            status = plan_row(&p, &rows[i]);
    }
    if (status == AYF_OK)
        *facts = (ayf_plan_facts){.parameters = ayf_params_trained(p.teacher),
                                  .resolution = bench.network.img_resolution,
                                  .channels = bench.network.img_channels};
    ayf_params_free(p.teacher);
    ayf_params_free(p.student);
    return status;
}
