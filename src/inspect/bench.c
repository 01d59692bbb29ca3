/* Times the pieces of one AYF-EMD step on the backend that training uses. */
#include "inspect/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ad/ad.h"
#include "flow/gradients.h"
#include "train/recipe.h"
#include "flow/step.h"
#include "model/shape.h"
#include "model/weights.h"
#include "backend/open.h"
#include "base/rng.h"
#include "config/config.h"
#include "data/dataset.h"
#include "ir/build.h"
#include "flow/map.h"

typedef enum part { FORWARD, FORWARD_BACKWARD, FORWARD_TANGENT, WHOLE_STEP } part;

static void emit_gradients(ayf_graph *g, const ayf_params *params, ayf_id F, ayf_id cotangent) {
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (grad) {
        ayf_gradients(g, params, "student.", F, cotangent, grad);
        for (int i = 0; i < params->count; i++) ayf_output(g, "grad", grad[i]);
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, grad);
}

/* The student alone: F, and its parameter gradients or its tangent. */
static ayf_graph *student_graph(const ayf_weights *student, part which, int n) {
    const ayf_model_spec *spec = &student->spec;
    ayf_graph *g = ayf_graph_new(student->backend->ctx);
    if (!g) return NULL;
    ayf_shape shape = AYF_SHAPE(n, spec->img_resolution, spec->img_resolution, spec->img_channels);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x0", shape), other = ayf_leaf(g, AYF_STORE_INPUT, "x1", shape);
    ayf_id t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(n)),
           s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(n));
    ayf_id guidance = ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(n));
    ayf_id onehot =
        spec->label_dim ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(n, spec->label_dim)) : 0;
    ayf_scope(g, "student.");
    ayf_id F = ayf_flow_velocity(g, spec, AYF_STORE_STATE, x, t, s, guidance, onehot), dF;
    ayf_scope(g, "%s", "");
    ayf_output(g, "F", F);
    if (which == FORWARD_BACKWARD) emit_gradients(g, student->params, F, other);
    if (which == FORWARD_TANGENT) {
        ayf_id one = ayf_const_like(g, t, 1);
        ayf_jvp(g, 2, (ayf_id[]){x, t}, (ayf_id[]){other, one}, 1, &F, &dF);
        ayf_output(g, "dF", dF);
    }
    return g;
}

static ayf_status fill_inputs(ayf_context *ctx, ayf_program *p, const ayf_model_spec *spec, int batch) {
    size_t n = (size_t)batch,
           image = (size_t)spec->img_resolution * (size_t)spec->img_resolution * (size_t)spec->img_channels;
    static const struct {
        const char *name;
        float value;
    } scalars[] = {{"r", 0.99f},
                   {"student.opt.step_size", 1e-4f},
                   {"student.opt.v_scale", 1},
                   {"student.opt.ema_decay", 0.999f}};
    for (size_t i = 0; i < AYF_COUNT(scalars); i++)
        if (ayf_program_has_leaf(p, scalars[i].name))
            AYF_TRY(ayf_program_set(p, scalars[i].name, &scalars[i].value, 1));
    size_t largest = n * (image > (size_t)spec->label_dim ? image : (size_t)spec->label_dim);
    float *values = ayf_alloc(ctx, largest, sizeof *values);
    if (!values) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    for (uint64_t k = 0; status == AYF_OK && k < 2; k++) {
        ayf_rng_normal((ayf_rng_key){0, AYF_RNG_NOISE, 0, k}, values, n * image);
        status = ayf_program_set(p, k ? "x1" : "x0", values, n * image);
    }
    for (size_t k = 0; status == AYF_OK && k < 3; k++) {
        const char *name = k == 0 ? "t" : k == 1 ? "s" : "guidance";
        for (size_t i = 0; i < n; i++) values[i] = k == 0 ? 0.7f : k == 1 ? 0.2f : 1.5f;
        status = ayf_program_set(p, name, values, n);
    }
    if (status == AYF_OK && spec->label_dim) {
        for (size_t i = 0; i < n * (size_t)spec->label_dim; i++) values[i] = i % (size_t)spec->label_dim == 0;
        status = ayf_program_set(p, "onehot", values, n * (size_t)spec->label_dim);
    }
    ayf_free(ctx, values);
    return status;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

ayf_timing ayf_bench_summary(const ayf_program *p, double *taken, int repeats) {
    ayf_program_facts facts = ayf_program_describe(p);
    qsort(taken, (size_t)repeats, sizeof *taken, by_value);
    return (ayf_timing){taken[0], taken[repeats / 2], taken[repeats - 1], facts.flops * 1e-9,
                        facts.arena_bytes + facts.scratch_bytes + facts.leaf_bytes};
}

static ayf_status time_graph(ayf_backend *backend, ayf_graph *g, const ayf_weights *student,
                             const ayf_weights *teacher, const ayf_weights *weak, int batch, int repeats,
                             ayf_timing *out) {
    ayf_program *p = NULL;
    AYF_TRY(ayf_compile(backend, g, NULL, &p));
    double taken[AYF_BENCH_MOST];
    ayf_status status = ayf_weights_bind(student, p, "student.");
    if (status == AYF_OK) status = ayf_weights_bind(teacher, p, "teacher.");
    if (status == AYF_OK) status = ayf_weights_bind(weak, p, "weak.");
    if (status == AYF_OK) status = fill_inputs(backend->ctx, p, &student->spec, batch);
    if (status == AYF_OK) status = ayf_program_run(p); /* warm-up; also runs what runs once */
    for (int i = 0; status == AYF_OK && i < repeats; i++) {
        double start = ayf_seconds();
        status = ayf_program_run(p);
        taken[i] = ayf_seconds() - start;
    }
    if (status == AYF_OK) *out = ayf_bench_summary(p, taken, repeats);
    ayf_program_free(p);
    return status;
}

static ayf_status measure(ayf_backend *backend, const ayf_model_spec *spec, int batch, int repeats,
                          ayf_bench_result *result) {
    ayf_context *ctx = backend->ctx;
    ayf_model_spec student_spec = *spec;
    student_spec.is_student = true;
    ayf_network_teacher network = {.spec = *spec, .guided = true, .weak = *spec};
    ayf_weights *student = NULL, *teacher = NULL, *weak = NULL;
    ayf_timing t[4] = {{0}};
    ayf_backend_facts facts = {0};
    ayf_status status = ayf_weights_new(backend, &student_spec, &student);
    if (status == AYF_OK) status = ayf_weights_new(backend, spec, &teacher);
    if (status == AYF_OK) status = ayf_weights_new(backend, spec, &weak);
    if (status == AYF_OK) status = ayf_weights_init(student, 1);
    if (status == AYF_OK) status = ayf_weights_init(teacher, 2);
    if (status == AYF_OK) status = ayf_weights_init(weak, 3);
    for (part which = FORWARD; status == AYF_OK && which <= WHOLE_STEP; which++) {
        ayf_distill_step step = {.spec = student_spec,
                                 .batch = batch,
                                 .teacher = ayf_velocity_network(&network),
                                 .optim = {.ema = true}};
        ayf_graph *g =
            which == WHOLE_STEP ? ayf_distill_step_graph(ctx, &step) : student_graph(student, which, batch);
        status = time_graph(backend, g, student, teacher, weak, batch, repeats, &t[which]);
    }
    if (status == AYF_OK) status = backend->ops->facts(backend, &facts);
    result->conv_peak_gflops = facts.conv_peak_gflops;
    result->threads = facts.threads;
    result->parameters = student ? ayf_params_trained(student->params) : 0;
    ayf_weights_free(student);
    ayf_weights_free(teacher);
    ayf_weights_free(weak);
    result->forward_s = t[FORWARD].least;
    result->forward_backward_s = t[FORWARD_BACKWARD].least;
    result->forward_tangent_s = t[FORWARD_TANGENT].least;
    result->step_s = t[WHOLE_STEP].least;
    result->forward_gflop = t[FORWARD].gflop;
    result->forward_backward_gflop = t[FORWARD_BACKWARD].gflop;
    result->forward_tangent_gflop = t[FORWARD_TANGENT].gflop;
    result->step_gflop = t[WHOLE_STEP].gflop;
    result->step_median_s = t[WHOLE_STEP].median;
    result->step_max_s = t[WHOLE_STEP].most;
    result->plan_bytes = t[WHOLE_STEP].bytes;
    return status;
}

/* The network of a configuration without opening its data. */
static ayf_status spec_of(ayf_context *ctx, const ayf_config *cfg, ayf_model_spec *spec) {
    int size = cfg->data.resolution ? (int)cfg->data.resolution : spec->img_resolution;
    int channels = cfg->data.channels ? (int)cfg->data.channels : spec->img_channels;
    ayf_dataset_info data = {.name = "", .height = size, .width = size, .channels = channels};
    return ayf_spec_from_config(ctx, cfg, &data, spec);
}

ayf_status ayf_bench_read(ayf_context *ctx, const ayf_bench_options *options, int usual_repeats,
                          ayf_bench_plan *plan) {
    enum { BATCH_MOST = 4096 };
    static const ayf_bench_options defaults;
    if (!options) options = &defaults;
    *plan = (ayf_bench_plan){.batch = options->batch ? options->batch : 32,
                             .repeats = options->repeats ? options->repeats : usual_repeats,
                             .network = ayf_model_spec_default()};
    if (plan->batch < 1 || plan->batch > BATCH_MOST || plan->repeats < 1 || plan->repeats > AYF_BENCH_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "bench: the batch must be from 1 to %d and repeats from 1 to %d",
                        BATCH_MOST, AYF_BENCH_MOST);
    ayf_config cfg;
    AYF_TRY(ayf_config_check_settings(ctx, options->settings, options->setting_count));
    AYF_TRY(ayf_config_defaults(ctx, &cfg));
    ayf_status status = options->config_path ? ayf_config_load(ctx, options->config_path, &cfg) : AYF_OK;
    for (int i = 0; status == AYF_OK && i < options->setting_count; i++)
        status = ayf_config_set(ctx, &cfg, options->settings[i]);
    if (status == AYF_OK && (options->config_path || options->setting_count))
        status = spec_of(ctx, &cfg, &plan->network);
    if (status == AYF_OK && ayf_model_shape(&plan->network).points)
        status = ayf_fail(ctx, AYF_E_CONFIG, "bench: model.kind must be unet");
    if (status == AYF_OK) plan->discriminator = ayf_discriminator_from_config(&cfg, &plan->network);
    ayf_config_free(ctx, &cfg);
    return status;
}

ayf_status ayf_bench_step(ayf_context *ctx, const ayf_bench_options *options, ayf_bench_result *result) {
    ayf_bench_plan plan;
    AYF_TRY(ayf_bench_read(ctx, options, 3, &plan));
    *result = (ayf_bench_result){0};
    ayf_backend *backend = NULL;
    AYF_TRY(ayf_backend_open(ctx, &backend));
    ayf_status status = measure(backend, &plan.network, plan.batch, plan.repeats, result);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    result->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    return status;
}
