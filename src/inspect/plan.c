/* What runs of a configuration take, without data, weights or anything that runs. */
#include "backend/open.h"
#include "flow/step.h"
#include "inspect/bench.h"
#include "nn/network.h"
#include "sample/sampler.h"
#include "train/pictures.h"
#include "train/plan/parts.h"

typedef struct planner {
    ayf_context *ctx;
    ayf_backend *backend;
    ayf_params *teacher, *student;
    ayf_data_shape shape;
    ayf_recompute recompute;
    ayf_cfg_guidance_kind guidance;
    uint64_t teacher_pictures[AYF_PRECISION_AUTO], student_pictures[AYF_PRECISION_AUTO];
} planner;

/* A run with one average, which reads its teachers from their files. */
static ayf_status compile(const planner *p, ayf_graph *g, const ayf_plan_row *row, const ayf_params *params,
                          uint64_t pictures, uint64_t *bytes, double *gflop) {
    ayf_program *program;
    ayf_compile_options options = {.precision = row->precision,
                                   .recompute = ayf_recompute_default(p->recompute)};
    AYF_TRY(ayf_compile(p->backend, g, &options, &program));
    ayf_program_facts facts = ayf_program_describe(program);
    facts.leaf_bytes = facts.read_bytes;
    ayf_memory_parts parts = {.step = ayf_memory_program(&facts, true),
                              .batch = ayf_memory_batch(row->batch, p->shape),
                              .pictures = pictures,
                              .checkpoint = ayf_memory_writing(params),
                              .process = ayf_memory_process(facts.kernels)};
    parts = ayf_memory_computing(p->backend, &parts);
    *bytes = ayf_memory_total(&parts);
    *gflop = facts.flops * 1e-9;
    ayf_program_free(program);
    return AYF_OK;
}

static ayf_status plan_row(const planner *p, ayf_plan_row *row) {
    ayf_optim_options optim = ayf_optim_default();
    optim.ema = true;
    ayf_teacher_step train = {.network = p->teacher, .batch = row->batch, .optim = optim};
    /* A weak teacher is as large as the teacher here. */
    ayf_network_teacher teacher = {.params = p->teacher,
                                   .guided = p->guidance != AYF_CFG_GUIDANCE_NONE,
                                   .classifier_free = p->guidance == AYF_CFG_GUIDANCE_CFG,
                                   .weak = p->teacher};
    ayf_distill_step distill = {.student = p->student,
                                .batch = row->batch,
                                .norm_c = 0.1,
                                .norm_p = 0.5,
                                .teacher = ayf_velocity_network(&teacher),
                                .optim = optim};
    AYF_TRY(compile(p, ayf_teacher_step_graph(p->ctx, &train), row, p->teacher,
                    p->teacher_pictures[row->precision], &row->train_bytes, &row->train_gflop));
    return compile(p, ayf_distill_step_graph(p->ctx, &distill), row, p->student,
                   p->student_pictures[row->precision], &row->distill_bytes, &row->distill_gflop);
}

static ayf_status plan_pictures(planner *p, ayf_precision precision) {
    uint64_t *teacher = &p->teacher_pictures[precision], *student = &p->student_pictures[precision],
             values = ayf_data_values(p->shape);
    ayf_network_teacher network = {.params = p->teacher};
    ayf_velocity velocity = ayf_velocity_network(&network);
    ayf_weights weights = {.params = p->student};
    ayf_sampler_spec spec = {
        .backend = p->backend, .precision = precision, .batch = AYF_PICTURE_IMAGES, .shape = p->shape};
    spec.student = &weights;
    AYF_TRY(ayf_sampler_plan(&spec, student));
    spec.student = NULL;
    spec.teacher = &velocity;
    AYF_TRY(ayf_sampler_plan(&spec, teacher));
    *teacher = ayf_picture_bytes(false, *teacher, spec.batch, values);
    *student = ayf_picture_bytes(true, *student, spec.batch, values);
    return AYF_OK;
}

static ayf_status open_planner(planner *p, const ayf_model_spec *network, bool draws) {
    ayf_model_spec teacher = *network;
    /* Without classes a teacher that is guided by itself would be called once. */
    if (p->guidance == AYF_CFG_GUIDANCE_CFG && teacher.label_dim == 0) teacher.label_dim = 1;
    ayf_model_spec student = teacher;
    student.is_student = true;
    p->shape = ayf_model_shape(&teacher);
    AYF_TRY(ayf_backend_open(p->ctx, &p->backend));
    AYF_TRY(ayf_params_new(p->ctx, &teacher, &p->teacher));
    AYF_TRY(ayf_params_new(p->ctx, &student, &p->student));
    for (int i = 0; draws && i < AYF_PRECISION_AUTO; i++) AYF_TRY(plan_pictures(p, (ayf_precision)i));
    return AYF_OK;
}

ayf_status ayf_plan_steps(ayf_context *ctx, const ayf_bench_options *options, ayf_plan_row *rows, int count,
                          ayf_plan_facts *facts) {
    ayf_bench_plan bench;
    planner p = {.ctx = ctx};
    *facts = (ayf_plan_facts){0};
    AYF_TRY(ayf_bench_read(ctx, options, 1, 1, &bench));
    p.recompute = bench.recompute;
    p.guidance = bench.guidance;
    ayf_status status = open_planner(&p, &bench.network, bench.draws);
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
                                  .channels = bench.network.img_channels,
                                  .on_device = ayf_backend_has_memory(p.backend)};
    ayf_params_free(p.teacher);
    ayf_params_free(p.student);
    return status;
}
