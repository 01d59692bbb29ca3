/* Times a step of the discriminator without and with its gradient penalties. */
#include "inspect/bench.h"

#include "backend/open.h"
#include "base/rng.h"
#include "base/wait.h"
#include "flow/adversarial.h"
#include "flow/inputs.h"
#include "model/weights.h"
#include "nn/network.h"

/* Logits of data and of noise in the place of fakes, the gradient of L_D, and Adam. */
static ayf_graph *step_graph(const ayf_weights *disc, int batch, double penalty_weight) {
    const ayf_model_spec *spec = &disc->spec;
    ayf_graph *g = ayf_graph_new(disc->backend->ctx);
    if (!g) return NULL;
    ayf_shape shape = AYF_SHAPE(batch, spec->img_resolution, spec->img_resolution, spec->img_channels);
    ayf_id real = ayf_step_leaf(g, AYF_STEP_X0, shape), fake = ayf_step_leaf(g, AYF_STEP_NOISE, shape);
    ayf_discriminator_nodes nodes = ayf_discriminator_emit(g, disc->params, real, fake, 0, penalty_weight);
    ayf_discriminator_train(g, disc->params, &nodes, &(ayf_optim_options){.beta2 = 0.99, .eps = 1e-8});
    return g;
}

static ayf_status fill(ayf_context *ctx, ayf_program *p, const ayf_model_spec *spec, int batch) {
    size_t count = (size_t)batch * (size_t)spec->img_resolution * (size_t)spec->img_resolution *
                   (size_t)spec->img_channels;
    const float step_size = 1e-4f, v_scale = 1;
    AYF_TRY(ayf_program_set(p, AYF_SCOPE_DISCRIMINATOR AYF_OPTIM_STEP_SIZE, &step_size, 1));
    AYF_TRY(ayf_program_set(p, AYF_SCOPE_DISCRIMINATOR AYF_OPTIM_V_SCALE, &v_scale, 1));
    float *values = ayf_alloc(ctx, 2 * count, sizeof *values);
    if (!values) return AYF_E_MEMORY;
    for (uint64_t k = 0; k < 2; k++)
        ayf_rng_normal((ayf_rng_key){0, AYF_RNG_NOISE, 0, k}, values + k * count, count);
    ayf_status status = ayf_step_feed(p, &(ayf_step_inputs){.x0 = values, .noise = values + count});
    ayf_free(ctx, values);
    return status;
}

/* The two take turns, so that both see the same load of the machine. */
static ayf_status time_both(ayf_context *ctx, ayf_program *const p[2], int repeats, ayf_timing out[2]) {
    double taken[2][AYF_BENCH_MOST];
    ayf_task_begin(ctx, "timing", (uint64_t)repeats);
    for (int k = 0; k < 2; k++) AYF_TRY(ayf_program_run(p[k])); /* warm-up */
    for (int i = 0; i < repeats; i++) {
        for (int k = 0; k < 2; k++) {
            double start = ayf_seconds();
            AYF_TRY(ayf_program_run(p[k]));
            taken[k][i] = ayf_seconds() - start;
        }
        AYF_TRY(ayf_task_add(ctx, 1));
    }
    for (int k = 0; k < 2; k++) out[k] = ayf_bench_summary(p[k], taken[k], repeats);
    return AYF_OK;
}

static ayf_status measure(ayf_backend *backend, const ayf_bench_plan *plan, ayf_precision precision,
                          ayf_timing out[2]) {
    ayf_weights *disc = NULL;
    ayf_program *p[2] = {NULL, NULL};
    ayf_status status = ayf_weights_new(backend, &plan->discriminator, &disc);
    if (status == AYF_OK) status = ayf_weights_init(disc, 1);
    for (int k = 0; status == AYF_OK && k < 2; k++) {
        ayf_graph *g = step_graph(disc, plan->batch, k ? 0.1 : 0);
        status =
            g ? ayf_compile(backend, g, &(ayf_compile_options){.precision = precision}, &p[k]) : AYF_E_MEMORY;
        if (status == AYF_OK) status = ayf_weights_bind(disc, p[k], AYF_SCOPE_DISCRIMINATOR);
        if (status == AYF_OK) status = fill(backend->ctx, p[k], &plan->discriminator, plan->batch);
    }
    if (status == AYF_OK) status = time_both(backend->ctx, p, plan->repeats, out);
    for (int k = 0; k < 2; k++) ayf_program_free(p[k]);
    ayf_weights_free(disc);
    return status;
}

ayf_status ayf_bench_discriminator(ayf_context *ctx, const ayf_bench_options *options,
                                   ayf_bench_discriminator_result *result) {
    ayf_bench_plan plan;
    ayf_params *params;
    ayf_timing t[2] = {{0}};
    ayf_bench_machine machine;
    AYF_TRY(ayf_bench_read(ctx, options, 32, 10, &plan));
    *result = (ayf_bench_discriminator_result){.resolution = plan.discriminator.img_resolution,
                                               .channels = plan.discriminator.img_channels};
    AYF_TRY(ayf_params_new(ctx, &plan.discriminator, &params));
    result->parameters = ayf_params_trained(params);
    ayf_params_free(params);
    ayf_backend *backend = NULL;
    AYF_TRY(ayf_backend_open(ctx, &backend));
    AYF_TRY(ayf_bench_machine_of(backend, plan.precision, &machine));
    AYF_TRY(measure(backend, &plan, machine.precision, t));
    result->conv_peak_gflops = machine.facts.conv_peak_gflops;
    result->bf16_peak_gflops = machine.facts.bf16_peak_gflops;
    result->threads = machine.facts.threads;
    result->precision = machine.precision;
    result->automatic = machine.automatic;
    result->step_s = t[0].least;
    result->step_median_s = t[0].median;
    result->step_max_s = t[0].most;
    result->step_gflop = t[0].gflop;
    result->step_bytes = t[0].bytes;
    result->penalised_s = t[1].least;
    result->penalised_median_s = t[1].median;
    result->penalised_max_s = t[1].most;
    result->penalised_gflop = t[1].gflop;
    result->penalised_bytes = t[1].bytes;
    return AYF_OK;
}
