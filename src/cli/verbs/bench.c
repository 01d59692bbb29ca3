/* ayf bench: measures in each precision, then prints a table or JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli.h"

/* ---- What is measured ---- */

typedef struct row {
    char key[32], name[32]; /* in JSON, in the table */
    double least, median, most, gflop;
    uint64_t plan_bytes; /* 0: not known */
} row;

enum { ROWS = 9, PRECISIONS = AYF_PRECISION_AUTO };

typedef struct section { /* all in one precision */
    ayf_precision precision;
    double peak_gflops; /* the best of those measured; NaN: not known */
    row rows[ROWS];
    int count;
} section;

typedef struct bench {
    bool step, call, discriminator;
    bool one_batch; /* calls are of options.batch samples, not of 1, 4 and 32 */
    ayf_bench_options options;
    ayf_precision automatic;
    int threads, resolution, channels;
    uint64_t parameters, discriminator_parameters; /* 0: not measured */
} bench;

static void add(section *s, row r) { s->rows[s->count++] = r; }

static const row *find(const section *s, const char *key) {
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].key, key) == 0) return &s->rows[i];
    return NULL;
}

static void note_machine(bench *b, section *s, ayf_precision used, ayf_precision automatic, int threads,
                         double conv_peak, double bf16_peak) {
    s->precision = used;
    s->peak_gflops = fmax(s->peak_gflops, used == AYF_PRECISION_BF16 ? bf16_peak : conv_peak);
    b->automatic = automatic;
    b->threads = threads;
}

static ayf_status measure_step(cli *c, bench *b, section *s) {
    ayf_bench_result r;
    ayf_status status = ayf_bench_step(c->ctx, &b->options, &r);
    if (status != AYF_OK) return status;
    note_machine(b, s, r.precision, r.automatic, r.threads, r.conv_peak_gflops, r.bf16_peak_gflops);
    b->parameters = r.parameters;
    add(s, (row){"forward", "forward", r.forward_s, r.forward_median_s, r.forward_max_s, r.forward_gflop, 0});
    add(s, (row){"forward_backward", "forward + backward", r.forward_backward_s, r.forward_backward_median_s,
                 r.forward_backward_max_s, r.forward_backward_gflop, 0});
    add(s, (row){"forward_tangent", "forward + tangent", r.forward_tangent_s, r.forward_tangent_median_s,
                 r.forward_tangent_max_s, r.forward_tangent_gflop, 0});
    add(s,
        (row){"step", "AYF-EMD step", r.step_s, r.step_median_s, r.step_max_s, r.step_gflop, r.plan_bytes});
    return AYF_OK;
}

static ayf_status measure_call(cli *c, bench *b, section *s) {
    static const int usual[] = {1, 4, 32};
    const int *batches = b->one_batch ? &b->options.batch : usual, count = b->one_batch ? 1 : 3;
    for (int i = 0; i < count; i++) {
        ayf_bench_call_result r;
        ayf_bench_options options = b->options;
        options.batch = batches[i];
        ayf_status status = ayf_bench_call(c->ctx, &options, &r);
        if (status != AYF_OK) return status;
        note_machine(b, s, r.precision, r.automatic, r.threads, r.conv_peak_gflops, r.bf16_peak_gflops);
        b->parameters = r.parameters;
        row timed = {"", "", r.call_s, r.call_median_s, r.call_max_s, r.call_gflop, r.plan_bytes};
        snprintf(timed.key, sizeof timed.key, "call_%d", batches[i]);
        snprintf(timed.name, sizeof timed.name, "one call, batch %d", batches[i]);
        add(s, timed);
    }
    return AYF_OK;
}

static ayf_status measure_discriminator(cli *c, bench *b, section *s) {
    ayf_bench_discriminator_result r;
    ayf_status status = ayf_bench_discriminator(c->ctx, &b->options, &r);
    if (status != AYF_OK) return status;
    note_machine(b, s, r.precision, r.automatic, r.threads, r.conv_peak_gflops, r.bf16_peak_gflops);
    b->discriminator_parameters = r.parameters;
    b->resolution = r.resolution;
    b->channels = r.channels;
    add(s, (row){"discriminator", "discriminator step", r.step_s, r.step_median_s, r.step_max_s, r.step_gflop,
                 r.step_bytes});
    add(s, (row){"discriminator_penalised", "  with R1 and R2", r.penalised_s, r.penalised_median_s,
                 r.penalised_max_s, r.penalised_gflop, r.penalised_bytes});
    return AYF_OK;
}

static ayf_status measure(cli *c, bench *b, ayf_precision precision, section *s) {
    *s = (section){.precision = precision, .peak_gflops = (double)NAN};
    b->options.precision = precision;
    const struct {
        bool wanted;
        const char *name;
        ayf_status (*measure)(cli *, bench *, section *);
    } parts[] = {{b->step, "a training step", measure_step},
                 {b->call, "a call", measure_call},
                 {b->discriminator, "a discriminator step", measure_discriminator}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].wanted) continue;
        cli_say(c, "timing %s, precision %s", parts[i].name, ayf_precision_name(precision));
        ayf_status status = parts[i].measure(c, b, s);
        if (status != AYF_OK) return status;
    }
    return AYF_OK;
}

/* Seconds of an average discriminator step when one in `every` has the penalties. */
static double lazy(const section *s, int every) {
    return ((every - 1) * find(s, "discriminator")->least + find(s, "discriminator_penalised")->least) /
           every;
}

/* ---- Printing ---- */

static uint64_t peak_rss_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

static void read_processor(char *name, size_t size) {
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    snprintf(name, size, "unknown processor");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strstr(line, ": ");
        if (strncmp(line, "model name", strlen("model name")) != 0 || !value) continue;
        snprintf(name, size, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (file) fclose(file);
}

static void put_number(const char *key, const char *suffix, double value) {
    printf(", \"%s%s\": ", key, suffix);
    cli_json_number(value);
}

static void put_section(const section *s) {
    printf("\"%s\": {\"peak_gflops\": ", ayf_precision_name(s->precision));
    cli_json_number(s->peak_gflops);
    for (int i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        put_number(r->key, "_s", r->least);
        put_number(r->key, "_median_s", r->median);
        put_number(r->key, "_max_s", r->most);
        put_number(r->key, "_gflop", r->gflop);
        put_number(r->key, "_gflops", r->gflop / r->least);
        put_number(r->key, "_peak_share", r->gflop / r->least / s->peak_gflops);
        if (r->plan_bytes) put_number(r->key, "_plan_bytes", (double)r->plan_bytes);
    }
    if (find(s, "discriminator")) {
        put_number("discriminator", "_every_4th_s", lazy(s, 4));
        put_number("discriminator", "_every_16th_s", lazy(s, 16));
    }
    putchar('}');
}

static void print_json(const bench *b, const char *processor, const char *device, const section *sections,
                       int count) {
    fputs("{\"version\": ", stdout);
    cli_json_string(ayf_version());
    fputs(", \"processor\": ", stdout);
    cli_json_string(processor);
    fputs(", \"device\": ", stdout);
    cli_json_string(*device ? device : NULL);
    printf(", \"threads\": %d, \"batch\": %d", b->threads, b->options.batch);
    if (b->parameters) put_number("parameters", "", (double)b->parameters);
    if (b->discriminator_parameters)
        put_number("discriminator_parameters", "", (double)b->discriminator_parameters);
    put_number("peak_rss_bytes", "", (double)peak_rss_bytes());
    fputs(", \"precisions\": {", stdout);
    for (int i = 0; i < count; i++) {
        if (i) fputs(", ", stdout);
        put_section(&sections[i]);
    }
    puts("}}");
}

static void print_section(const section *s) {
    const double mib = 1024 * 1024;
    printf("\n%s", ayf_precision_name(s->precision));
    if (isfinite(s->peak_gflops)) printf("; convolution peak %.1f GFLOP/s", s->peak_gflops);
    printf("\n%-20s %9s %9s %9s %9s %9s %8s %9s\n", "seconds", "fastest", "median", "slowest", "GFLOP",
           "GFLOP/s", "of peak", "plan MiB");
    for (int i = 0; i < s->count; i++) {
        const row *r = &s->rows[i];
        double rate = r->gflop / r->least;
        printf("%-20s %9.4f %9.4f %9.4f %9.2f %9.1f", r->name, r->least, r->median, r->most, r->gflop, rate);
        if (isfinite(s->peak_gflops))
            printf(" %7.0f%%", 100 * rate / s->peak_gflops);
        else
            printf(" %8s", "-");
        if (r->plan_bytes) printf(" %9.1f", (double)r->plan_bytes / mib);
        putchar('\n');
    }
    const row *plain = find(s, "discriminator");
    if (!plain) return;
    printf("%-20s %9.4f   %.2fx\n", "  every 4th step", lazy(s, 4), lazy(s, 4) / plain->least);
    printf("%-20s %9.4f   %.2fx\n", "  every 16th step", lazy(s, 16), lazy(s, 16) / plain->least);
}

static void print_table(const bench *b, const char *processor, const char *device, const section *sections,
                        int count) {
    printf("ayf %s, %s, %d thread%s", ayf_version(), processor, b->threads, b->threads == 1 ? "" : "s");
    if (b->step || b->discriminator) printf(", batch %d", b->options.batch); /* a call has its own */
    putchar('\n');
    if (*device) printf("%s\n", device);
    if (b->parameters) printf("network of %.2f M parameters\n", 1e-6 * (double)b->parameters);
    if (b->discriminator_parameters)
        printf("discriminator of %.2f M parameters for %d x %d x %d\n",
               1e-6 * (double)b->discriminator_parameters, b->resolution, b->resolution, b->channels);
    for (int i = 0; i < count; i++) print_section(&sections[i]);
    printf("\nmemory of the machine: %.1f MiB peak of the process\n",
           (double)peak_rss_bytes() / (1024 * 1024));
}

/* ---- The verb ---- */

static int read_what(cli *c, const cli_args *args, bench *b) {
    const char *what = args->positional_count ? args->positional[0] : NULL;
    b->step = !what || strcmp(what, "step") == 0;
    b->call = !what || strcmp(what, "call") == 0;
    b->discriminator = !what || strcmp(what, "discriminator") == 0;
    if (b->step || b->call || b->discriminator) return 0;
    return cli_error(c, AYF_E_USAGE, "ayf bench %s: only 'step', 'call' and 'discriminator' can be timed",
                     what);
}

int cli_bench(cli *c, const cli_args *args) {
    bench b = {.options = {.config_path = args->value[CLI_OPT_config],
                           .settings = args->settings,
                           .setting_count = args->setting_count,
                           .batch = 32},
               .one_batch = args->value[CLI_OPT_bench_batch] != NULL};
    ayf_precision precision = AYF_PRECISION_HIGHEST; /* and bf16 where that is faster, unless it is named */
    bool named = args->value[CLI_OPT_bench_precision] != NULL;
    int code, count = 0;
    if ((code = read_what(c, args, &b)) ||
        (code = cli_get_precision(args, CLI_OPT_bench_precision, &precision)) ||
        (code = cli_get_int(args, CLI_OPT_bench_batch, 1, 65536, &b.options.batch)) ||
        (code = cli_get_int(args, CLI_OPT_repeats, 1, 100, &b.options.repeats)))
        return code;
    section sections[PRECISIONS];
    if (measure(c, &b, precision, &sections[count++]) != AYF_OK) return cli_fail(c);
    if (!named && b.automatic == AYF_PRECISION_BF16 &&
        measure(c, &b, AYF_PRECISION_BF16, &sections[count++]) != AYF_OK)
        return cli_fail(c);
    char processor[256], device[AYF_DEVICE_SIZE];
    read_processor(processor, sizeof processor);
    if (ayf_device(c->ctx, device) != AYF_OK) return cli_fail(c);
    if (strncmp(device, "cpu", strlen("cpu")) == 0) *device = 0; /* which is the processor */
    (args->value[CLI_OPT_json] ? print_json : print_table)(&b, processor, device, sections, count);
    return 0;
}
