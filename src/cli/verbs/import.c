#include "cli.h"

/* What was made of it, and how it is used. */
static void describe(cli *c, const char *path, const ayf_import_facts *facts, bool weak) {
    cli_say(c, "%s: pictures of %d x %d x %d, %d classes, %.3g million parameters, sigma_data %g",
            weak ? "weak teacher" : "teacher", facts->height, facts->width, facts->channels, facts->classes,
            (double)facts->parameters / 1e6, facts->sigma_data);
    if (weak)
        cli_say(c, "it guides a teacher of the same data: ayf sample TEACHER --weak %s --guidance 1.7", path);
}

int cli_import(cli *c, const cli_args *args) {
    static const char *const roles[] = {"teacher", "weak"};
    const char *out = args->value[CLI_OPT_import_out];
    ayf_import_options options = {0};
    ayf_import_facts facts;
    int code, role = 0;
    if ((code = cli_get_choice(args, CLI_OPT_import_role, roles, 2, &role)) ||
        (code = cli_get_real(args, CLI_OPT_sigma_data, 1e-6, 1e6, &options.sigma_data)) ||
        (code = cli_get_int(args, CLI_OPT_channels_per_head, 1, 4096, &options.channels_per_head)))
        return code;
    if (!out || !*out) return cli_error(c, AYF_E_USAGE, "name the file to be written: --out FILE");
    if ((code = cli_check_output(c, out, false, 0))) return code;
    if (ayf_model_import(c->ctx, args->positional[0], &options, out, &facts) != AYF_OK) return cli_fail(c);
    describe(c, out, &facts, role == 1);
    cli_print_line(NULL, out);
    return 0;
}
