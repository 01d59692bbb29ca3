/* ayf eval --fit-features: the features that images are compared by. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval.h"

int cli_eval_fit(cli *c, const cli_args *args) {
    static const cli_option allowed[] = {CLI_OPT_fit_features, CLI_OPT_eval_data, CLI_OPT_heldout,
                                         CLI_OPT_eval_skip_bad, CLI_OPT_set};
    const char *path = args->value[CLI_OPT_fit_features];
    int skip_bad = 0;
    if (args->positional_count)
        return cli_error(c, AYF_E_USAGE,
                         "--fit-features makes the features that ayf eval %s needs: run it first, by itself",
                         args->positional[0]);
    const char *other = cli_eval_other(args, allowed, sizeof allowed / sizeof *allowed);
    if (other)
        return cli_error(c, AYF_E_USAGE,
                         "--%s: --fit-features takes --data, --heldout, --skip-bad, --device, --threads and "
                         "--set only (--set train.seed=1 for a seed)",
                         other);
    int code = cli_get_int(args, CLI_OPT_eval_skip_bad, 0, INT_MAX, &skip_bad);
    if (!code) code = cli_check_output(c, path, false, 0);
    if (code) return code;
    char skipped[48];
    snprintf(skipped, sizeof skipped, "data.skip_bad=%d", skip_bad);
    int count = args->setting_count;
    const char **settings = calloc((size_t)count + 1, sizeof *settings);
    if (!settings) return cli_error(c, AYF_E_MEMORY, "out of memory");
    for (int i = 0; i < count; i++) settings[i] = args->settings[i];
    if (skip_bad) settings[count++] = skipped;
    ayf_features_options options = {.data = args->value[CLI_OPT_eval_data],
                                    .heldout = args->value[CLI_OPT_heldout],
                                    .settings = settings,
                                    .setting_count = count};
    ayf_features_report report;
    /* Minutes at most, so nothing is kept of a fit that is stopped; the signal ends the program as usual. */
    cli_signals_begin(c, "fitting was stopped and nothing is written; the same command fits anew\n", 0);
    ayf_status status = ayf_features_fit(c->ctx, path, &options, &report);
    cli_signals_end();
    free(settings);
    if (status != AYF_OK) return cli_fail(c);
    if (isfinite(report.accuracy))
        cli_say(c,
                "features: fitted to %llu samples, %.2f %% of %llu held-out samples are classified correctly",
                (unsigned long long)report.fitted, 100 * report.accuracy, (unsigned long long)report.heldout);
    cli_print_line(NULL, path);
    return 0;
}
