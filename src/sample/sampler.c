#include "sample/sampler.h"

#include <stdio.h>
#include <string.h>

#include "flow/inputs.h"
#include "flow/map.h"
#include "ir/build.h"

struct ayf_sampler {
    ayf_sampler_spec spec;
    ayf_program *program;
    size_t size, total; /* values per sample; of the batch */
    double *x;          /* [total] */
    double *onehot;     /* [batch][classes] */
    double *guidance;   /* [batch] */
};

/* ---- Compiling ---- */

static ayf_graph *build(const ayf_sampler_spec *spec) {
    ayf_graph *g = ayf_graph_new(spec->backend->ctx);
    if (!g) return NULL;
    int batch = spec->batch;
    ayf_id x = ayf_step_leaf(g, AYF_STEP_X,
                             AYF_SHAPE(batch, spec->shape.height, spec->shape.width, spec->shape.channels));
    ayf_condition condition = {.t = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(batch))};
    ayf_id velocity;
    if (spec->shape.classes)
        condition.onehot = ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(batch, spec->shape.classes));
    if (spec->student || spec->guided)
        condition.guidance = ayf_step_leaf(g, AYF_STEP_GUIDANCE, AYF_SHAPE(batch));
    if (spec->student) {
        condition.s = ayf_step_leaf(g, AYF_STEP_S, AYF_SHAPE(batch));
        ayf_scope(g, AYF_SCOPE_STUDENT);
        velocity = ayf_flow_velocity(g, spec->student->params, AYF_STORE_PARAM, x, condition);
        ayf_scope(g, "%s", "");
    } else {
        velocity = spec->teacher->emit(g, spec->teacher, x, condition);
    }
    ayf_output(g, "velocity", velocity);
    return g;
}

static ayf_status bind(const ayf_sampler_spec *spec, ayf_program *program) {
    if (spec->student) AYF_TRY(ayf_weights_bind(spec->student, program, AYF_SCOPE_STUDENT));
    if (spec->teacher_weights) AYF_TRY(ayf_weights_bind(spec->teacher_weights, program, AYF_SCOPE_TEACHER));
    if (spec->weak_weights) AYF_TRY(ayf_weights_bind(spec->weak_weights, program, AYF_SCOPE_WEAK));
    return AYF_OK;
}

static ayf_status check_memory(const ayf_sampler *s) {
    char what[96];
    const ayf_data_shape *shape = &s->spec.shape;
    snprintf(what, sizeof what, "drawing %d x %d x %d, %d at a time", shape->height, shape->width,
             shape->channels, s->spec.batch);
    return ayf_program_check_memory(s->program, what, "free some memory or use a smaller model");
}

static ayf_status compile(const ayf_sampler_spec *spec, ayf_sampler **out) {
    ayf_context *ctx = spec->backend->ctx;
    *out = NULL;
    if (spec->batch < 1 || !spec->student == !spec->teacher)
        return ayf_fail(ctx, AYF_E_INTERNAL, "a sampler needs a batch and either a student or a teacher");
    ayf_sampler *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->spec = *spec;
    s->size = ayf_data_values(spec->shape);
    s->total = (size_t)spec->batch * s->size;
    s->x = ayf_alloc(ctx, s->total, sizeof *s->x);
    s->onehot = ayf_alloc(ctx, (size_t)spec->batch * (size_t)spec->shape.classes, sizeof *s->onehot);
    s->guidance = ayf_alloc(ctx, (size_t)spec->batch, sizeof *s->guidance);
    ayf_status status = s->x && s->onehot && s->guidance ? AYF_OK : AYF_E_MEMORY;
    ayf_compile_options options = {.precision = spec->precision};
    if (status == AYF_OK) status = ayf_compile(spec->backend, build(spec), &options, &s->program);
    if (status != AYF_OK) {
        ayf_sampler_free(s);
        return status;
    }
    *out = s;
    return AYF_OK;
}

ayf_status ayf_sampler_new(const ayf_sampler_spec *spec, ayf_sampler **out) {
    *out = NULL;
    ayf_sampler *s;
    AYF_TRY(compile(spec, &s));
    ayf_status status = bind(spec, s->program);
    if (status == AYF_OK) status = check_memory(s);
    if (status != AYF_OK) {
        ayf_sampler_free(s);
        return status;
    }
    *out = s;
    return AYF_OK;
}

/* The solver has its state and stages in numbers of 64 bits, too. */
static uint64_t bytes_of(const ayf_sampler *s, uint64_t leaves) {
    enum { STATES = 5 };
    ayf_program_facts facts = ayf_program_describe(s->program);
    return facts.arena_bytes + facts.scratch_bytes + leaves + STATES * (uint64_t)s->total * sizeof *s->x;
}

uint64_t ayf_sampler_bytes(const ayf_sampler *s) {
    return bytes_of(s, ayf_program_describe(s->program).own_bytes);
}

uint64_t ayf_sampler_bytes_read(const ayf_sampler *s) {
    return bytes_of(s, ayf_program_describe(s->program).read_bytes);
}

ayf_status ayf_sampler_plan(const ayf_sampler_spec *spec, uint64_t *bytes) {
    ayf_sampler *s;
    *bytes = 0;
    AYF_TRY(compile(spec, &s));
    *bytes = bytes_of(s, (uint64_t)s->total * sizeof(float));
    ayf_sampler_free(s);
    return AYF_OK;
}

void ayf_sampler_free(ayf_sampler *s) {
    if (!s) return;
    ayf_context *ctx = s->spec.backend->ctx;
    ayf_program_free(s->program);
    ayf_free(ctx, s->x);
    ayf_free(ctx, s->onehot);
    ayf_free(ctx, s->guidance);
    ayf_free(ctx, s);
}

const ayf_sampler_spec *ayf_sampler_describe(const ayf_sampler *s) { return &s->spec; }

void ayf_sampler_refresh(ayf_sampler *s) { ayf_program_refresh(s->program); }

/* ---- Running ---- */

static ayf_status set(ayf_sampler *s, ayf_step_input input, const double *values, size_t count) {
    return ayf_program_set_f64(s->program, ayf_step_input_name(input), values, count);
}

static ayf_status network_at(void *self, const double *x, const double *t, const double *target,
                             double *out) {
    ayf_sampler *s = self;
    AYF_TRY(set(s, AYF_STEP_X, x, s->total));
    AYF_TRY(set(s, AYF_STEP_T, t, (size_t)s->spec.batch));
    if (s->spec.student) AYF_TRY(set(s, AYF_STEP_S, target, (size_t)s->spec.batch));
    AYF_TRY(ayf_program_run(s->program));
    return ayf_program_get_f64(s->program, "velocity", out, s->total);
}

static ayf_status set_conditions(ayf_sampler *s, const ayf_solver_options *how, const int *labels) {
    int batch = s->spec.batch, classes = s->spec.shape.classes;
    if (classes) {
        memset(s->onehot, 0, (size_t)batch * (size_t)classes * sizeof *s->onehot);
        for (int i = 0; labels && i < batch; i++) {
            if (labels[i] >= classes)
                return ayf_fail(s->spec.backend->ctx, AYF_E_USAGE,
                                "class %d does not exist: classes are 0 to %d", labels[i], classes - 1);
            if (labels[i] >= 0) s->onehot[(size_t)i * (size_t)classes + (size_t)labels[i]] = 1;
        }
        AYF_TRY(set(s, AYF_STEP_ONEHOT, s->onehot, (size_t)batch * (size_t)classes));
    }
    if (!s->spec.student && !s->spec.guided) return AYF_OK;
    for (int i = 0; i < batch; i++) s->guidance[i] = how->guidances ? how->guidances[i] : how->guidance;
    return set(s, AYF_STEP_GUIDANCE, s->guidance, (size_t)batch);
}

static ayf_status follow(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels,
                         const uint64_t *seeds, int *calls) {
    if ((how->method == AYF_METHOD_FLOW_MAP) != (s->spec.student != NULL))
        return ayf_fail(s->spec.backend->ctx, AYF_E_USAGE, "%s",
                        s->spec.student ? "a student is sampled by its flow map: ODE solvers are for teachers"
                                        : "a teacher has no flow map: choose an ODE solver");
    AYF_TRY(set_conditions(s, how, labels));
    for (size_t i = 0; i < s->total; i++) s->x[i] = x[i];
    ayf_field field = {.at = network_at, .self = s, .batch = s->spec.batch, .size = s->size};
    AYF_TRY(ayf_solver_run(s->spec.backend->ctx, &field, how, s->x, seeds, calls));
    for (size_t i = 0; i < s->total; i++) x[i] = (float)s->x[i];
    return AYF_OK;
}

ayf_status ayf_sampler_run(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels,
                           const uint64_t *seeds, int *calls) {
    if (how->times && how->steps >= 1 && (how->times[0] != 1 || how->times[how->steps] != 0))
        return ayf_fail(s->spec.backend->ctx, AYF_E_USAGE,
                        "times go from %g to %g, but the first must be 1 (noise) and the last 0 (data)",
                        how->times[0], how->times[how->steps]);
    return follow(s, how, x, labels, seeds, calls);
}

ayf_status ayf_sampler_integrate(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels) {
    ayf_solver_options plain = *how;
    plain.gamma = 0;
    return follow(s, &plain, x, labels, NULL, NULL);
}
