#include "cli.h"

/* A file is no run, and neither is a folder without config.yaml. */
static int check_run(cli *c, const char *path) {
    ayf_path_kind kind;
    if (ayf_path_look(c->ctx, path, &kind) != AYF_OK) return cli_fail(c);
    if (kind == AYF_PATH_RUN) return 0;
    return cli_error(c, AYF_E_FORMAT, "%s: no run folder: there is no config.yaml in it", path);
}

int cli_ema(cli *c, const cli_args *args) {
    const char *out = args->value[CLI_OPT_ema_out], *run = args->positional[0];
    ayf_average_options options = {0};
    ayf_average_facts facts;
    int code;
    if ((code = cli_get_real(args, CLI_OPT_ema_width, 0.001, 0.28, &options.width)) ||
        (code = cli_get_u64(args, CLI_OPT_ema_step, &options.step)))
        return code;
    if (options.width == 0)
        return cli_error(c, AYF_E_USAGE, "give the width of the average: --width 0.08 (0.001 to 0.28)");
    if (args->value[CLI_OPT_ema_step] && options.step == 0)
        return cli_error(c, AYF_E_USAGE, "--step 0: there is no average before the first step");
    if (!out || !*out) return cli_error(c, AYF_E_USAGE, "name the file to be written: --out FILE");
    if ((code = check_run(c, run)) || (code = cli_check_output(c, out, false, 0))) return code;
    if (ayf_run_average(c->ctx, run, &options, out, &facts) != AYF_OK) return cli_fail(c);
    cli_say(c, "width %g at step %llu, from %llu averages in %llu snapshots; profile error %.2g %%%s",
            options.width, (unsigned long long)facts.step, (unsigned long long)facts.averages,
            (unsigned long long)facts.snapshots, 100 * facts.error,
            facts.error > 0.1 ? ": too few snapshots for this width, the model is only near that average"
                              : "");
    cli_print_line(NULL, out);
    return 0;
}
