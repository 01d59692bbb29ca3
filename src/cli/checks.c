/* golden and bench: checks and measurements. */
#include <string.h>

#include "cli.h"

int cli_golden(cli *c, const cli_args *args) {
    return ayf_golden(c->ctx, args->positional[0], cli_print_line, NULL) == AYF_OK ? 0 : cli_fail(c);
}

/* ---- bench ---- */

typedef struct number {
    const char *name;
    double value;
} number;
typedef struct amount {
    const char *name;
    uint64_t value;
} amount;

static void put_object(const number *numbers, size_t number_count, const amount *amounts,
                       size_t amount_count) {
    putchar('{');
    for (size_t i = 0; i < number_count; i++) {
        printf("\"%s\": ", numbers[i].name);
        cli_json_number(numbers[i].value);
        fputs(", ", stdout);
    }
    for (size_t i = 0; i < amount_count; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", amounts[i].name, (unsigned long long)amounts[i].value);
    puts("}");
}

static void bench_json(const ayf_bench_result *r, int batch) {
    const number numbers[] = {{"forward_s", r->forward_s},
                              {"forward_backward_s", r->forward_backward_s},
                              {"forward_tangent_s", r->forward_tangent_s},
                              {"step_s", r->step_s},
                              {"step_median_s", r->step_median_s},
                              {"step_max_s", r->step_max_s},
                              {"forward_gflop", r->forward_gflop},
                              {"forward_backward_gflop", r->forward_backward_gflop},
                              {"forward_tangent_gflop", r->forward_tangent_gflop},
                              {"step_gflop", r->step_gflop},
                              {"conv_peak_gflops", r->conv_peak_gflops}};
    const amount amounts[] = {{"plan_bytes", r->plan_bytes},
                              {"peak_rss_bytes", r->peak_rss_bytes},
                              {"parameters", r->parameters},
                              {"threads", (uint64_t)r->threads},
                              {"batch", (uint64_t)batch}};
    put_object(numbers, sizeof numbers / sizeof *numbers, amounts, sizeof amounts / sizeof *amounts);
}

static void bench_table(const ayf_bench_result *r, int batch) {
    const struct {
        const char *name;
        double seconds, gflop;
    } rows[] = {{"forward", r->forward_s, r->forward_gflop},
                {"forward + backward", r->forward_backward_s, r->forward_backward_gflop},
                {"forward + tangent", r->forward_tangent_s, r->forward_tangent_gflop},
                {"AYF-EMD step", r->step_s, r->step_gflop}};
    const double mib = 1024 * 1024;
    printf("network of %.2f M parameters, batch %d, %d thread%s; convolution peak %.1f GFLOP/s\n\n",
           1e-6 * (double)r->parameters, batch, r->threads, r->threads == 1 ? "" : "s", r->conv_peak_gflops);
    printf("%-20s %10s %10s %10s %8s\n", "", "seconds", "GFLOP", "GFLOP/s", "of peak");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-20s %10.4f %10.2f %10.1f %7.0f%%\n", rows[i].name, rows[i].seconds, rows[i].gflop,
               rows[i].gflop / rows[i].seconds, 100 * rows[i].gflop / rows[i].seconds / r->conv_peak_gflops);
    printf("\nstep: median %.4f s, slowest %.4f s\nmemory: %.1f MiB planned for the step, %.1f MiB peak of "
           "the process\n",
           r->step_median_s, r->step_max_s, (double)r->plan_bytes / mib, (double)r->peak_rss_bytes / mib);
}

/* Seconds of an average step when one in `every` has the penalties. */
static double lazy(const ayf_bench_discriminator_result *r, int every) {
    return ((every - 1) * r->step_s + r->penalised_s) / every;
}

static void discriminator_json(const ayf_bench_discriminator_result *r, int batch) {
    const number numbers[] = {{"step_s", r->step_s},
                              {"penalised_s", r->penalised_s},
                              {"ratio", r->penalised_s / r->step_s},
                              {"every_4th_s", lazy(r, 4)},
                              {"every_16th_s", lazy(r, 16)},
                              {"step_gflop", r->step_gflop},
                              {"penalised_gflop", r->penalised_gflop},
                              {"conv_peak_gflops", r->conv_peak_gflops}};
    const amount amounts[] = {{"step_bytes", r->step_bytes},       {"penalised_bytes", r->penalised_bytes},
                              {"parameters", r->parameters},       {"resolution", (uint64_t)r->resolution},
                              {"channels", (uint64_t)r->channels}, {"threads", (uint64_t)r->threads},
                              {"batch", (uint64_t)batch}};
    put_object(numbers, sizeof numbers / sizeof *numbers, amounts, sizeof amounts / sizeof *amounts);
}

static void discriminator_table(const ayf_bench_discriminator_result *r, int batch) {
    const double mib = 1024 * 1024;
    const struct {
        const char *name;
        double seconds, gflop;
    } rows[] = {{"discriminator step", r->step_s, r->step_gflop},
                {"with R1 and R2", r->penalised_s, r->penalised_gflop},
                {"  every 4th step", lazy(r, 4), (3 * r->step_gflop + r->penalised_gflop) / 4},
                {"  every 16th step", lazy(r, 16), (15 * r->step_gflop + r->penalised_gflop) / 16}};
    printf(
        "discriminator of %.2f M parameters for %d x %d x %d, batch %d, %d thread%s; convolution peak %.1f "
        "GFLOP/s\n\n",
        1e-6 * (double)r->parameters, r->resolution, r->resolution, r->channels, batch, r->threads,
        r->threads == 1 ? "" : "s", r->conv_peak_gflops);
    printf("%-20s %10s %10s %10s %8s\n", "", "seconds", "GFLOP", "GFLOP/s", "cost");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-20s %10.4f %10.2f %10.1f %7.2fx\n", rows[i].name, rows[i].seconds, rows[i].gflop,
               rows[i].gflop / rows[i].seconds, rows[i].seconds / r->step_s);
    printf("\nmemory: %.1f MiB planned for the step, %.1f MiB with R1 and R2\n", (double)r->step_bytes / mib,
           (double)r->penalised_bytes / mib);
}

int cli_bench(cli *c, const cli_args *args) {
    bool discriminator = args->positional_count && strcmp(args->positional[0], "discriminator") == 0;
    if (args->positional_count && !discriminator && strcmp(args->positional[0], "step") != 0)
        return cli_error(c, AYF_E_USAGE, "ayf bench %s: only 'step' and 'discriminator' can be timed",
                         args->positional[0]);
    ayf_bench_options options = {.config_path = args->value[CLI_OPT_config],
                                 .settings = args->settings,
                                 .setting_count = args->setting_count,
                                 .batch = 32};
    int code;
    if ((code = cli_get_int(args, CLI_OPT_bench_batch, 1, 65536, &options.batch)) ||
        (code = cli_get_int(args, CLI_OPT_repeats, 1, 10000, &options.repeats)))
        return code;
    bool json = args->value[CLI_OPT_json] != NULL;
    if (discriminator) {
        ayf_bench_discriminator_result result;
        if (ayf_bench_discriminator(c->ctx, &options, &result) != AYF_OK) return cli_fail(c);
        (json ? discriminator_json : discriminator_table)(&result, options.batch);
    } else {
        ayf_bench_result result;
        if (ayf_bench_step(c->ctx, &options, &result) != AYF_OK) return cli_fail(c);
        (json ? bench_json : bench_table)(&result, options.batch);
    }
    return 0;
}
