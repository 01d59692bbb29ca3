#include <ctype.h>
#include <math.h>
#include <string.h>

#include "export/export.h"
#include "flow/inputs.h"
#include "flow/map.h"
#include "ir/build.h"

static const char *const formats[] = {
    [AYF_EXPORT_ONNX] = "onnx", [AYF_EXPORT_SAFETENSORS] = "safetensors", [AYF_EXPORT_C] = "c"};
static const char *const dtypes[] = {
    [AYF_EXPORT_F32] = "f32", [AYF_EXPORT_F16] = "f16", [AYF_EXPORT_BF16] = "bf16"};

const char *ayf_export_format_name(ayf_export_format format) {
    return (size_t)format < AYF_COUNT(formats) ? formats[format] : NULL;
}

const char *ayf_export_dtype_name(ayf_export_dtype dtype) {
    return (size_t)dtype < AYF_COUNT(dtypes) ? dtypes[dtype] : NULL;
}

/* ---- Options ---- */

double ayf_export_time(const ayf_export_plan *plan, int i) {
    const ayf_export_options *o = &plan->options;
    return o->times ? o->times[i] : 1 - (double)i / o->steps;
}

static ayf_status check_times(ayf_context *ctx, const ayf_export_plan *plan) {
    const ayf_export_options *o = &plan->options;
    if (o->steps < 0 || o->steps > AYF_EXPORT_STEPS_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "steps is %d, but an export takes 1 to %d", o->steps,
                        AYF_EXPORT_STEPS_MOST);
    if (!o->times) return AYF_OK;
    if (o->format == AYF_EXPORT_C)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "times are for the format onnx: a C program is told its steps, which are uniform");
    if (o->steps == 0)
        return ayf_fail(ctx, AYF_E_USAGE, "times need their number of steps: one less than there are times");
    for (int i = 0; i <= o->steps; i++) {
        bool right = i == 0 ? o->times[0] == 1 : o->times[i] < o->times[i - 1] && o->times[i] >= 0;
        if (!right || (i == o->steps && o->times[i] != 0))
            return ayf_fail(ctx, AYF_E_USAGE,
                            "time %d is %g, but times fall from 1 (noise) to 0 (data): 1,0.5,0", i + 1,
                            o->times[i]);
    }
    return AYF_OK;
}

static ayf_status check_solver(ayf_context *ctx, const ayf_export_plan *plan) {
    const ayf_export_options *o = &plan->options;
    const char *path = plan->model->path;
    if (o->solver == AYF_SOLVER_DEFAULT) return AYF_OK;
    if (plan->student)
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a student, which jumps: ODE solvers are for teachers", path);
    if (o->solver != AYF_SOLVER_EULER && o->solver != AYF_SOLVER_HEUN)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "an exported sampler takes fixed steps: choose the solver euler or heun");
    if (o->format == AYF_EXPORT_ONNX && o->steps == 0)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "a solver is for a whole sampler: give the number of steps (--steps), or leave it out");
    return AYF_OK;
}

static ayf_status check_name(ayf_context *ctx, const char *name) {
    bool right = isalpha((unsigned char)*name) || *name == '_';
    for (const char *p = name; *p; p++) right = right && (isalnum((unsigned char)*p) || *p == '_');
    if (right && strlen(name) <= 40) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "name '%.60s' cannot begin names in C: use letters, digits and _, at most 40, no digit first", name);
}

/* Options that mean nothing for a format are refused, so that nobody waits for their effect. */
static ayf_status check_format(ayf_context *ctx, const ayf_export_options *o) {
    const char *format = ayf_export_format_name(o->format), *extra = NULL;
    if (!format) return ayf_fail(ctx, AYF_E_USAGE, "there is no export format %d", (int)o->format);
    if (!ayf_export_dtype_name(o->dtype))
        return ayf_fail(ctx, AYF_E_USAGE, "there is no export type %d", (int)o->dtype);
    if (o->batch < 0 || o->batch > 65536)
        return ayf_fail(ctx, AYF_E_USAGE, "batch is %d, but must be from 1 to 65536", o->batch);
    if (o->format != AYF_EXPORT_ONNX && o->batch) extra = "batch";
    if (o->format != AYF_EXPORT_C && o->name) extra = "name";
    if (o->format == AYF_EXPORT_SAFETENSORS)
        extra = o->steps      ? "steps"
                : o->times    ? "times"
                : o->guidance ? "guidance"
                : o->solver   ? "solver"
                              : extra;
    if (!extra) return AYF_OK;
    return ayf_fail(ctx, AYF_E_USAGE, "the format %s takes no %s (--%s); leave it out", format, extra, extra);
}

ayf_status ayf_export_plan_make(ayf_model *model, const ayf_export_options *options, const char *path,
                                ayf_export_plan *plan) {
    static const ayf_export_options defaults;
    ayf_context *ctx = model->ctx;
    *plan = (ayf_export_plan){.model = model,
                              .options = options ? *options : defaults,
                              .shape = ayf_model_shape(&model->weights->spec),
                              .student = ayf_model_is_student(model),
                              .path = path};
    ayf_export_options *o = &plan->options;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "no file is named for the export (--out)");
    AYF_TRY(check_format(ctx, o));
    AYF_TRY(check_times(ctx, plan));
    AYF_TRY(check_solver(ctx, plan));
    if (!o->name) o->name = "ayf";
    AYF_TRY(check_name(ctx, o->name));
    if (o->format == AYF_EXPORT_C && o->steps == 0)
        o->steps = plan->student ? AYF_STUDENT_STEPS : AYF_TEACHER_STEPS;
    AYF_TRY(ayf_model_guidance(model, o->guidance, &plan->guidance));
    ayf_model_facts facts = ayf_model_describe(model);
    bool whole = o->format == AYF_EXPORT_C || o->steps > 0;
    if (whole && facts.latents)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s draws latents, and exported samplers make pictures; export one call of the network (--format "
            "onnx without --steps) or its weights (--format safetensors)",
            model->path);
    plan->takes_guidance = !whole && o->guidance == 0 && facts.guidance_min < facts.guidance_max;
    return AYF_OK;
}

/* ---- Graphs ---- */

/* F of a student, the velocity of a teacher, with what depends on its guidance. */
static ayf_id field(ayf_graph *g, const ayf_export_plan *plan, ayf_id x, ayf_condition condition) {
    if (!plan->student) return plan->model->velocity.emit(g, &plan->model->velocity, x, condition);
    ayf_scope(g, AYF_SCOPE_STUDENT);
    ayf_id f = ayf_flow_velocity(g, plan->model->weights->params, AYF_STORE_PARAM, x, condition);
    ayf_scope(g, "%s", "");
    return f;
}

static ayf_id sample_leaf(ayf_graph *g, const ayf_export_plan *plan, int batch) {
    ayf_data_shape s = plan->shape;
    return ayf_step_leaf(g, AYF_STEP_X, AYF_SHAPE(batch, s.height, s.width, s.channels));
}

/* Classes and guidance, the same in every call. */
static ayf_condition conditions(ayf_graph *g, const ayf_export_plan *plan, int batch) {
    ayf_condition c = {0};
    if (plan->shape.classes)
        c.onehot = ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(batch, plan->shape.classes));
    if (plan->takes_guidance)
        c.guidance = ayf_step_leaf(g, AYF_STEP_GUIDANCE, AYF_SHAPE(batch));
    else if (plan->student || plan->model->weak)
        c.guidance = ayf_full(g, AYF_SHAPE(batch), plan->guidance);
    return c;
}

ayf_graph *ayf_export_call(const ayf_export_plan *plan, int batch) {
    ayf_graph *g = ayf_graph_new(plan->model->ctx);
    if (!g) return NULL;
    ayf_id x = sample_leaf(g, plan, batch);
    ayf_condition c = conditions(g, plan, batch);
    c.t = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(batch));
    if (plan->student) c.s = ayf_step_leaf(g, AYF_STEP_S, AYF_SHAPE(batch));
    ayf_id out = field(g, plan, x, c);
    if (plan->student) out = ayf_add(g, x, ayf_mul(g, out, ayf_per_sample(g, ayf_sub(g, c.s, c.t), x)));
    ayf_output(g, AYF_EXPORT_OUTPUT, out);
    return g;
}

/* F or the velocity at one time for all samples. */
static ayf_id field_at(ayf_graph *g, const ayf_export_plan *plan, ayf_id x, ayf_condition c, double t,
                       double s) {
    if (!x) return 0;
    ayf_shape times = AYF_SHAPE(ayf_at(g, x)->dim[0]);
    c.t = ayf_full(g, times, (float)t);
    if (plan->student) c.s = ayf_full(g, times, (float)s);
    return field(g, plan, x, c);
}

static ayf_id step(ayf_graph *g, const ayf_export_plan *plan, ayf_id x, ayf_condition c, double t, double u) {
    ayf_id first = field_at(g, plan, x, c, t, u), end = ayf_add(g, x, ayf_mulc(g, first, u - t));
    if (plan->student || plan->options.solver == AYF_SOLVER_EULER) return end;
    ayf_id second = field_at(g, plan, end, c, u, u);
    return ayf_add(g, x, ayf_mulc(g, ayf_add(g, first, second), (u - t) / 2));
}

ayf_graph *ayf_export_sampler(const ayf_export_plan *plan, int batch) {
    ayf_graph *g = ayf_graph_new(plan->model->ctx);
    if (!g) return NULL;
    ayf_id x = sample_leaf(g, plan, batch);
    ayf_condition c = conditions(g, plan, batch);
    for (int i = 0; i < plan->options.steps; i++)
        x = step(g, plan, x, c, ayf_export_time(plan, i), ayf_export_time(plan, i + 1));
    x = ayf_mulc(g, x, plan->model->card.sigma_data);
    if (!plan->shape.points && x) x = ayf_clamp(g, x, -1, 1);
    ayf_output(g, AYF_EXPORT_OUTPUT, x);
    return g;
}
