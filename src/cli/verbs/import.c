#include "cli.h"

/* What was made of it, and how it is used. */
static void describe(cli *c, const char *path, const ayf_import_facts *facts, bool weak) {
    cli_say(c, "%s: %s of %d x %d x %d, %d classes, %.3g million parameters, sigma_data %g",
            weak ? "weak teacher" : "teacher", facts->latents ? "latents" : "pictures", facts->height,
            facts->width, facts->channels, facts->classes, (double)facts->parameters / 1e6,
            facts->sigma_data);
    if (weak)
        cli_say(c, "it guides a teacher of the same data: ayf sample TEACHER --weak %s --guidance 1.7", path);
}

static int import_decoder(cli *c, const cli_args *args, const char *out) {
    static const cli_option of_networks[] = {CLI_OPT_sigma_data, CLI_OPT_channels_per_head};
    ayf_decoder_options options = {0};
    ayf_path_facts facts;
    for (int i = 0; i < 2; i++)
        if (args->value[of_networks[i]])
            return cli_error(c, AYF_E_USAGE, "--%s is for networks of EDM2; leave it out with --role decoder",
                             cli_options[of_networks[i]].name);
    int code = cli_get_int(args, CLI_OPT_norm_groups, 1, 65536, &options.groups);
    if (code) return code;
    if (ayf_decoder_import(c->ctx, args->positional[0], &options, out) != AYF_OK) return cli_fail(c);
    ayf_status status = ayf_path_describe(c->ctx, out, &facts);
    if (status == AYF_OK)
        cli_say(c, "decoder: pictures of latents of %d channels, %.3g million parameters", facts.channels,
                (double)facts.parameters / 1e6);
    ayf_path_facts_free(c->ctx, &facts);
    if (status != AYF_OK) return cli_fail(c);
    cli_say(c, "it shows what a model of latents draws: ayf sample MODEL --decoder %s --out FILE.png", out);
    return 0;
}

static int import_network(cli *c, const cli_args *args, const char *out, bool weak) {
    ayf_import_options options = {0};
    ayf_import_facts facts;
    int code;
    if (args->value[CLI_OPT_norm_groups])
        return cli_error(c, AYF_E_USAGE, "--norm-groups is for --role decoder; leave it out");
    if ((code = cli_get_real(args, CLI_OPT_sigma_data, 1e-6, 1e6, &options.sigma_data)) ||
        (code = cli_get_int(args, CLI_OPT_channels_per_head, 1, 4096, &options.channels_per_head)))
        return code;
    if (ayf_model_import(c->ctx, args->positional[0], &options, out, &facts) != AYF_OK) return cli_fail(c);
    describe(c, out, &facts, weak);
    return 0;
}

int cli_import(cli *c, const cli_args *args) {
    static const char *const roles[] = {"teacher", "weak", "decoder"};
    const char *out = args->value[CLI_OPT_import_out];
    int code, role = 0;
    if ((code = cli_get_choice(args, CLI_OPT_import_role, roles, 3, &role))) return code;
    if (!out || !*out) return cli_error(c, AYF_E_USAGE, "name the file to be written: --out FILE");
    if ((code = cli_check_output(c, out, false, 0))) return code;
    code = role == 2 ? import_decoder(c, args, out) : import_network(c, args, out, role == 1);
    if (!code) cli_print_line(NULL, out);
    return code;
}
