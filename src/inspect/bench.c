/* Times one AYF-EMD step, its pieces, and one call of a student. */
#include "inspect/bench.h"

#include <string.h>
#include <sys/resource.h>

#include "ad/ad.h"
#include "backend/open.h"
#include "base/rng.h"
#include "base/number.h"
#include "base/wait.h"
#include "config/table.h"
#include "data/dataset.h"
#include "flow/gradients.h"
#include "flow/inputs.h"
#include "flow/map.h"
#include "flow/step.h"
#include "ir/build.h"
#include "model/shape.h"
#include "model/weights.h"
#include "train/recipe.h"

typedef enum part { FORWARD, FORWARD_BACKWARD, FORWARD_TANGENT, WHOLE_STEP, CALL } part;

static void emit_gradients(ayf_graph *g, const ayf_params *params, ayf_id F, ayf_id cotangent) {
    ayf_id *grad = ayf_alloc(g->ctx, (size_t)params->count, sizeof *grad);
    if (grad) {
        ayf_gradients(g, params, AYF_SCOPE_STUDENT, F, cotangent, grad);
        for (int i = 0; i < params->count; i++) ayf_output(g, "grad", grad[i]);
    } else {
        g->status = AYF_E_MEMORY;
    }
    ayf_free(g->ctx, grad);
}

/* The student alone: F, and its parameter gradients or its tangent. The weights of a call do not change. */
static ayf_graph *student_graph(const ayf_weights *student, part which, int n) {
    const ayf_model_spec *spec = &student->spec;
    ayf_graph *g = ayf_graph_new(student->backend->ctx);
    if (!g) return NULL;
    ayf_shape shape = AYF_SHAPE(n, spec->img_resolution, spec->img_resolution, spec->img_channels);
    ayf_id x = ayf_step_leaf(g, AYF_STEP_X0, shape), other = ayf_step_leaf(g, AYF_STEP_X1, shape);
    ayf_condition c = {.t = ayf_step_leaf(g, AYF_STEP_T, AYF_SHAPE(n))};
    c.s = ayf_step_leaf(g, AYF_STEP_S, AYF_SHAPE(n));
    c.guidance = ayf_step_leaf(g, AYF_STEP_GUIDANCE, AYF_SHAPE(n));
    if (spec->label_dim) c.onehot = ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(n, spec->label_dim));
    ayf_scope(g, AYF_SCOPE_STUDENT);
    ayf_storage storage = which == CALL ? AYF_STORE_PARAM : AYF_STORE_STATE;
    ayf_id F = ayf_flow_velocity(g, student->params, storage, x, c), dF;
    ayf_scope(g, "%s", "");
    ayf_output(g, "F", F);
    if (which == FORWARD_BACKWARD) emit_gradients(g, student->params, F, other);
    if (which == FORWARD_TANGENT) {
        ayf_id one = ayf_const_like(g, c.t, 1);
        ayf_jvp(g, 2, (ayf_id[]){x, c.t}, (ayf_id[]){other, one}, 1, &F, &dF);
        ayf_output(g, "dF", dF);
    }
    return g;
}

/* Values of the right size for every input that a graph here has. */
static ayf_status fill_inputs(ayf_context *ctx, ayf_program *p, const ayf_model_spec *spec, int batch) {
    static const struct {
        const char *name;
        float value;
    } rates[] = {{AYF_SCOPE_STUDENT AYF_OPTIM_STEP_SIZE, 1e-4f},
                 {AYF_SCOPE_STUDENT AYF_OPTIM_V_SCALE, 1},
                 {AYF_SCOPE_STUDENT AYF_OPTIM_EMA_DECAY, 0.999f}};
    for (size_t i = 0; i < AYF_COUNT(rates); i++)
        if (ayf_program_has_leaf(p, rates[i].name))
            AYF_TRY(ayf_program_set(p, rates[i].name, &rates[i].value, 1));
    size_t n = (size_t)batch, side = (size_t)spec->img_resolution, classes = (size_t)spec->label_dim;
    size_t images = n * side * side * (size_t)spec->img_channels;
    float *values = ayf_alloc(ctx, 2 * images + 3 * n + n * classes, sizeof *values);
    if (!values) return AYF_E_MEMORY;
    float *x0 = values, *x1 = x0 + images, *t = x1 + images, *s = t + n, *guidance = s + n;
    float *onehot = guidance + n;
    const float r = 0.99f;
    ayf_rng_normal((ayf_rng_key){0, AYF_RNG_NOISE, 0, 0}, x0, images);
    ayf_rng_normal((ayf_rng_key){0, AYF_RNG_NOISE, 0, 1}, x1, images);
    for (size_t i = 0; i < n; i++) {
        t[i] = 0.7f;
        s[i] = 0.2f;
        guidance[i] = 1.5f;
        if (classes) onehot[i * classes] = 1;
    }
    ayf_status status = ayf_step_feed(
        p, &(ayf_step_inputs){
               .x0 = x0, .x1 = x1, .t = t, .s = s, .guidance = guidance, .onehot = onehot, .r = &r});
    ayf_free(ctx, values);
    return status;
}

ayf_timing ayf_bench_summary(const ayf_program *p, double *taken, int repeats) {
    ayf_program_facts facts = ayf_program_describe(p);
    ayf_sort_reals(taken, (size_t)repeats);
    return (ayf_timing){taken[0], taken[repeats / 2], taken[repeats - 1], facts.flops * 1e-9,
                        facts.arena_bytes + facts.scratch_bytes + facts.leaf_bytes};
}

typedef struct networks {
    ayf_weights *student, *teacher, *weak; /* NULL: not needed */
} networks;

static ayf_status bind(const networks *n, ayf_program *p) {
    AYF_TRY(ayf_weights_bind(n->student, p, AYF_SCOPE_STUDENT));
    if (n->teacher) AYF_TRY(ayf_weights_bind(n->teacher, p, AYF_SCOPE_TEACHER));
    return n->weak ? ayf_weights_bind(n->weak, p, AYF_SCOPE_WEAK) : AYF_OK;
}

static ayf_status time_graph(ayf_backend *backend, ayf_graph *g, ayf_precision precision, const networks *n,
                             const ayf_bench_plan *plan, ayf_timing *out) {
    ayf_program *p = NULL;
    ayf_compile_options options = {.precision = precision,
                                   .recompute = ayf_recompute_default(plan->recompute)};
    AYF_TRY(ayf_compile(backend, g, &options, &p));
    double taken[AYF_BENCH_MOST];
    ayf_status status = bind(n, p);
    if (status == AYF_OK) status = fill_inputs(backend->ctx, p, &n->student->spec, plan->batch);
    ayf_task_begin(backend->ctx, "timing", (uint64_t)plan->repeats);
    if (status == AYF_OK) status = ayf_program_run(p); /* warm-up; also runs what runs once */
    for (int i = 0; status == AYF_OK && i < plan->repeats; i++) {
        double start = ayf_seconds();
        status = ayf_program_run(p);
        taken[i] = ayf_seconds() - start;
        if (status == AYF_OK) status = ayf_task_add(backend->ctx, 1);
    }
    if (status == AYF_OK) *out = ayf_bench_summary(p, taken, plan->repeats);
    ayf_program_free(p);
    return status;
}

static ayf_status time_part(ayf_backend *backend, part which, ayf_precision precision, const networks *n,
                            const ayf_bench_plan *plan, ayf_timing *out) {
    if (which != WHOLE_STEP)
        return time_graph(backend, student_graph(n->student, which, plan->batch), precision, n, plan, out);
    ayf_network_teacher network = {.params = n->teacher->params, .guided = true, .weak = n->weak->params};
    ayf_distill_step step = {.student = n->student->params,
                             .batch = plan->batch,
                             .norm_c = 0.1,
                             .norm_p = 0.5,
                             .teacher = ayf_velocity_network(&network),
                             .optim = ayf_optim_default()};
    step.optim.ema = true;
    return time_graph(backend, ayf_distill_step_graph(backend->ctx, &step), precision, n, plan, out);
}

static ayf_status new_network(ayf_backend *backend, const ayf_model_spec *spec, uint64_t seed,
                              ayf_weights **out) {
    AYF_TRY(ayf_weights_new(backend, spec, out));
    return ayf_weights_init(*out, seed);
}

static void free_networks(networks *n) {
    ayf_weights_free(n->student);
    ayf_weights_free(n->teacher);
    ayf_weights_free(n->weak);
}

/* The network of a configuration without opening its data. */
static ayf_status spec_of(ayf_context *ctx, const ayf_config *cfg, ayf_model_spec *spec) {
    int size = cfg->data.resolution ? (int)cfg->data.resolution : spec->img_resolution;
    int channels = cfg->data.channels ? (int)cfg->data.channels : spec->img_channels;
    bool latents = ayf_model_draws_latents(&cfg->model);
    if (latents) channels = cfg->model.latent_mean.count;
    ayf_dataset_info data = {
        .name = "", .height = size, .width = size, .channels = channels, .latents = latents};
    return ayf_spec_from_config(ctx, cfg, &data, spec);
}

static ayf_status check_network(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->model.kind != AYF_MODEL_UNET)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model.kind: only networks of images (unet) are planned and timed; a run of points "
                        "is tried by --dry-run");
    ayf_config untouched = {.model = ayf_model_spec_default()};
    for (int i = 0; i < ayf_config_rows(); i++) {
        const ayf_field_row *row = ayf_config_row(i);
        char is[AYF_FIELD_SIZE], usual[AYF_FIELD_SIZE];
        ayf_config_need need;
        if (strncmp(row->name, "model.", strlen("model.")) != 0 || !ayf_config_lacks(cfg, i, &need)) continue;
        ayf_field_print(row, cfg, AYF_FIELD_PLAIN, is, sizeof is);
        ayf_field_print(row, &untouched, AYF_FIELD_PLAIN, usual, sizeof usual);
        if (strcmp(is, usual) != 0)
            return ayf_fail(ctx, AYF_E_CONFIG,
                            "%s belongs to %s, and the network here is a U-Net; leave it out", row->name,
                            need.values);
    }
    return AYF_OK;
}

ayf_status ayf_bench_read(ayf_context *ctx, const ayf_bench_options *options, int usual_batch,
                          int usual_repeats, ayf_bench_plan *plan) {
    enum { BATCH_MOST = 4096 };
    static const ayf_bench_options defaults;
    if (!options) options = &defaults;
    *plan = (ayf_bench_plan){.batch = options->batch ? options->batch : usual_batch,
                             .repeats = options->repeats ? options->repeats : usual_repeats,
                             .precision = options->precision,
                             .network = ayf_model_spec_default()};
    if (plan->batch < 1 || plan->batch > BATCH_MOST || plan->repeats < 1 || plan->repeats > AYF_BENCH_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "bench: the batch must be from 1 to %d and repeats from 1 to %d",
                        BATCH_MOST, AYF_BENCH_MOST);
    if ((unsigned)plan->precision > AYF_PRECISION_AUTO)
        return ayf_fail(ctx, AYF_E_USAGE, "bench: there is no precision %d", (int)plan->precision);
    ayf_config cfg;
    AYF_TRY(ayf_config_check_settings(ctx, options->settings, options->setting_count));
    AYF_TRY(ayf_config_defaults(ctx, &cfg));
    ayf_status status = options->config_path ? ayf_config_load(ctx, options->config_path, &cfg) : AYF_OK;
    for (int i = 0; status == AYF_OK && i < options->setting_count; i++)
        status = ayf_config_set(ctx, &cfg, options->settings[i]);
    if (status == AYF_OK) status = check_network(ctx, &cfg);
    if (status == AYF_OK) status = ayf_backend_choose(ctx, cfg.train.device);
    if (status == AYF_OK && (options->config_path || options->setting_count))
        status = spec_of(ctx, &cfg, &plan->network);
    plan->recompute = cfg.train.recompute;
    plan->guidance = cfg.distill.guidance;
    plan->draws = cfg.save.grid_every > 0;
    if (status == AYF_OK) plan->discriminator = ayf_discriminator_from_config(&cfg, &plan->network);
    ayf_config_free(ctx, &cfg);
    return status;
}

ayf_status ayf_bench_machine_of(ayf_backend *backend, ayf_precision wanted, ayf_bench_machine *machine) {
    *machine = (ayf_bench_machine){.precision = ayf_backend_precision(backend, wanted),
                                   .automatic = ayf_backend_precision(backend, AYF_PRECISION_AUTO)};
    return backend->ops->facts(backend, &machine->facts);
}

static void put_times(ayf_bench_result *r, const ayf_timing t[WHOLE_STEP + 1]) {
    r->forward_s = t[FORWARD].least;
    r->forward_median_s = t[FORWARD].median;
    r->forward_max_s = t[FORWARD].most;
    r->forward_gflop = t[FORWARD].gflop;
    r->forward_backward_s = t[FORWARD_BACKWARD].least;
    r->forward_backward_median_s = t[FORWARD_BACKWARD].median;
    r->forward_backward_max_s = t[FORWARD_BACKWARD].most;
    r->forward_backward_gflop = t[FORWARD_BACKWARD].gflop;
    r->forward_tangent_s = t[FORWARD_TANGENT].least;
    r->forward_tangent_median_s = t[FORWARD_TANGENT].median;
    r->forward_tangent_max_s = t[FORWARD_TANGENT].most;
    r->forward_tangent_gflop = t[FORWARD_TANGENT].gflop;
    r->step_s = t[WHOLE_STEP].least;
    r->step_median_s = t[WHOLE_STEP].median;
    r->step_max_s = t[WHOLE_STEP].most;
    r->step_gflop = t[WHOLE_STEP].gflop;
    r->plan_bytes = t[WHOLE_STEP].bytes;
}

ayf_status ayf_bench_step(ayf_context *ctx, const ayf_bench_options *options, ayf_bench_result *result) {
    ayf_bench_plan plan;
    ayf_bench_machine machine;
    ayf_backend *backend = NULL;
    networks n = {NULL, NULL, NULL};
    ayf_timing t[WHOLE_STEP + 1] = {{0}};
    *result = (ayf_bench_result){0};
    AYF_TRY(ayf_bench_read(ctx, options, 32, 3, &plan));
    AYF_TRY(ayf_backend_open(ctx, &backend));
    AYF_TRY(ayf_bench_machine_of(backend, plan.precision, &machine));
    ayf_model_spec student = plan.network;
    student.is_student = true;
    ayf_status status = new_network(backend, &student, 1, &n.student);
    if (status == AYF_OK) status = new_network(backend, &plan.network, 2, &n.teacher);
    if (status == AYF_OK) status = new_network(backend, &plan.network, 3, &n.weak);
    if (status == AYF_OK) result->parameters = ayf_params_trained(n.student->params);
    for (part which = FORWARD; status == AYF_OK && which <= WHOLE_STEP; which++)
        status = time_part(backend, which, machine.precision, &n, &plan, &t[which]);
    free_networks(&n);
    put_times(result, t);
    result->conv_peak_gflops = machine.facts.conv_peak_gflops;
    result->bf16_peak_gflops = machine.facts.bf16_peak_gflops;
    result->threads = machine.facts.threads;
    result->precision = machine.precision;
    result->automatic = machine.automatic;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    result->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    return status;
}

ayf_status ayf_bench_call(ayf_context *ctx, const ayf_bench_options *options, ayf_bench_call_result *result) {
    ayf_bench_plan plan;
    ayf_bench_machine machine;
    ayf_backend *backend = NULL;
    networks n = {NULL, NULL, NULL};
    ayf_timing t = {0};
    *result = (ayf_bench_call_result){0};
    AYF_TRY(ayf_bench_read(ctx, options, 1, 20, &plan));
    AYF_TRY(ayf_backend_open(ctx, &backend));
    AYF_TRY(ayf_bench_machine_of(backend, plan.precision, &machine));
    plan.network.is_student = true;
    ayf_status status = new_network(backend, &plan.network, 1, &n.student);
    if (status == AYF_OK) status = time_part(backend, CALL, machine.precision, &n, &plan, &t);
    *result =
        (ayf_bench_call_result){.call_s = t.least,
                                .call_median_s = t.median,
                                .call_max_s = t.most,
                                .call_gflop = t.gflop,
                                .conv_peak_gflops = machine.facts.conv_peak_gflops,
                                .bf16_peak_gflops = machine.facts.bf16_peak_gflops,
                                .plan_bytes = t.bytes,
                                .parameters = status == AYF_OK ? ayf_params_trained(n.student->params) : 0,
                                .threads = machine.facts.threads,
                                .precision = machine.precision,
                                .automatic = machine.automatic};
    free_networks(&n);
    return status;
}
