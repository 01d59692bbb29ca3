/* Whether what a verb writes may go where it shall go. */
#include <string.h>
#include <strings.h>

#include "cli.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Options that name what is written; every other FILE, MODEL and SOURCE is read. */
static const cli_option outputs[] = {CLI_OPT_out,        CLI_OPT_ema_out,      CLI_OPT_export_out,
                                     CLI_OPT_report_out, CLI_OPT_fit_features, CLI_OPT_save_stats,
                                     CLI_OPT_sheet,      CLI_OPT_import_out};

static bool is_input(cli_option option) {
    static const char *const values[] = {"FILE", "MODEL", "SOURCE"};
    const char *value = cli_options[option].value;
    bool names = false;
    for (size_t i = 0; value && i < COUNT(values); i++) names = names || strcmp(value, values[i]) == 0;
    for (size_t i = 0; i < COUNT(outputs); i++) names = names && option != outputs[i];
    return names;
}

static int find_inputs(const cli_args *a, const char **inputs) {
    int count = 0, first = a->verb == CLI_VERB_data   ? 1
                           : a->verb == CLI_VERB_demo ? a->positional_count /* its own folder */
                                                      : 0;
    for (int i = first; i < a->positional_count; i++) inputs[count++] = a->positional[i];
    for (cli_option i = 0; i < CLI_OPT_COUNT; i++)
        if (a->value[i] && is_input(i)) inputs[count++] = a->value[i];
    return count;
}

int cli_check_output(cli *c, const char *path, bool folder, uint64_t bytes) {
    const char *inputs[AYF_REPORT_RUNS_MOST + CLI_OPT_COUNT];
    int count = find_inputs(c->args, inputs);
    if (strcmp(path, "-") == 0)
        return cli_error(c, AYF_E_USAGE,
                         "-: name a file; only ayf sample writes to the standard output (./- is a file of "
                         "this name)");
    if (ayf_output_spare(c->ctx, path, inputs, count) != AYF_OK) return cli_fail(c);
    return ayf_output_check(c->ctx, path, folder, bytes) == AYF_OK ? 0 : cli_fail(c);
}

int cli_check_png(cli *c, const char *option, const char *path) {
    size_t length = strlen(path), end = strlen(".png");
    if (strncmp(path, "/dev/", strlen("/dev/")) == 0) return 0;
    if (length > end && strcasecmp(path + length - end, ".png") == 0) return 0;
    return cli_error(c, AYF_E_USAGE, "--%s %s: a PNG is written; name FILE.png", option, path);
}
