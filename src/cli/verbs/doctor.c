#include "cli.h"

/* The model file in a run folder, too. */
int cli_doctor(cli *c, const cli_args *args) {
    ayf_model *model = NULL;
    int code = args->positional_count ? cli_open_model(c, args->positional[0], &model) : 0;
    if (!code && ayf_doctor(c->ctx, model, cli_print_line, NULL) != AYF_OK) code = cli_fail(c);
    ayf_model_close(model);
    return code;
}
