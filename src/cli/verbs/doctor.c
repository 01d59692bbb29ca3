#include "cli.h"

static int examine(cli *c, const char *model) {
    return ayf_doctor(c->ctx, model, cli_print_line, NULL) == AYF_OK ? 0 : cli_fail(c);
}

/* The model of a run folder. */
static int examine_run(cli *c, const char *folder) {
    ayf_path_facts facts;
    int code = 0;
    if (ayf_path_describe(c->ctx, folder, &facts) != AYF_OK)
        code = cli_fail(c);
    else if (!facts.model_path)
        code = cli_error(c, AYF_E_FORMAT, "%s: this run has no model", folder);
    else
        code = examine(c, facts.model_path);
    ayf_path_facts_free(c->ctx, &facts);
    return code;
}

int cli_doctor(cli *c, const cli_args *args) {
    const char *path = args->positional_count ? args->positional[0] : NULL;
    ayf_path_kind kind = AYF_PATH_MODEL;
    if (path && ayf_path_look(c->ctx, path, &kind) != AYF_OK) return cli_fail(c);
    return kind == AYF_PATH_RUN ? examine_run(c, path) : examine(c, path);
}
