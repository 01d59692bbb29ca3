#include "cli.h"

int cli_report(cli *c, const cli_args *args) {
    const char *path = args->value[CLI_OPT_report_out] ? args->value[CLI_OPT_report_out] : "report.html";
    ayf_report_options options = {.runs = args->positional,
                                  .run_count = args->positional_count,
                                  .without_drawing = args->value[CLI_OPT_no_drawing] != NULL};
    int code = cli_check_output(c, path, false, 0);
    if (code) return code;
    if (ayf_report_write(c->ctx, path, &options) != AYF_OK) return cli_fail(c);
    cli_print_line(NULL, path);
    return 0;
}
