#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* The configuration that a path means: a run folder has one. free(); NULL without memory. */
static char *config_of(const char *path) {
    static const char name[] = "/config.yaml";
    struct stat info;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    char *config = malloc(strlen(path) + sizeof name);
    if (config) strcat(strcpy(config, path), folder ? name : "");
    return config;
}

int cli_plan(cli *c, const cli_args *args) {
    enum { ROWS = 8 };
    static const int batches[] = {1, 8, 32, 128};
    ayf_plan_row rows[ROWS];
    ayf_plan_facts facts;
    const double mib = 1024 * 1024;
    char *config = args->positional_count ? config_of(args->positional[0]) : NULL;
    if (args->positional_count && !config) return cli_error(c, AYF_E_MEMORY, "out of memory");
    for (int i = 0; i < ROWS; i++)
        rows[i] = (ayf_plan_row){.batch = batches[i % 4], .precision = (ayf_precision)(i / 4)};
    ayf_status status = ayf_plan_steps(c->ctx,
                                       &(ayf_bench_options){.config_path = config,
                                                            .settings = args->settings,
                                                            .setting_count = args->setting_count},
                                       rows, ROWS, &facts);
    free(config);
    if (status != AYF_OK) return cli_fail(c);
    printf("network of %.2f M parameters, %d x %d, %d channel%s\n"
           "memory %s at its peak, without its data; work of a step\n\n",
           1e-6 * (double)facts.parameters, facts.resolution, facts.resolution, facts.channels,
           facts.channels == 1 ? "" : "s", facts.on_device ? "that a run takes of the GPU" : "of a run");
    printf("%-10s %6s %12s %12s %14s %14s\n", "precision", "batch", "train MiB", "train GFLOP", "distill MiB",
           "distill GFLOP");
    for (int i = 0; i < ROWS; i++)
        printf("%-10s %6d %12.1f %12.2f %14.1f %14.2f\n", ayf_precision_name(rows[i].precision),
               rows[i].batch, (double)rows[i].train_bytes / mib, rows[i].train_gflop,
               (double)rows[i].distill_bytes / mib, rows[i].distill_gflop);
    return 0;
}
