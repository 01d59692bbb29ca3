#include "cli.h"

/* The model file in a run folder, too. */
static int check_model(cli *c, const char *path) {
    ayf_path_facts facts;
    int code = 0;
    if (ayf_path_describe(c->ctx, path, &facts) != AYF_OK)
        code = cli_fail(c);
    else if (!facts.model_path)
        code =
            cli_error(c, AYF_E_FORMAT, "%s: neither a model file nor the folder of a run with a model", path);
    else if (ayf_doctor(c->ctx, facts.model_path, cli_print_line, NULL) != AYF_OK)
        code = cli_fail(c);
    ayf_path_facts_free(c->ctx, &facts);
    return code;
}

int cli_doctor(cli *c, const cli_args *args) {
    if (args->positional_count) return check_model(c, args->positional[0]);
    return ayf_doctor(c->ctx, NULL, cli_print_line, NULL) == AYF_OK ? 0 : cli_fail(c);
}
