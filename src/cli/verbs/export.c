#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int read_options(cli *c, const cli_args *a, ayf_export_options *o, double **times) {
    static const char *const formats[] = {"onnx", "safetensors", "c"};
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    int code, format = -1, dtype = 0;
    size_t time_count = 0;
    const char *asked = a->value[CLI_OPT_export_format];
    if (asked && strcmp(asked, "diffusers") == 0)
        return cli_error(c, AYF_E_USAGE,
                         "--format diffusers: its pipelines have no network like this one (docs/export.md); "
                         "use onnx, safetensors or c");
    if ((code = cli_get_choice(a, CLI_OPT_export_format, formats, 3, &format)) ||
        (code = cli_get_choice(a, CLI_OPT_dtype, dtypes, 3, &dtype)) ||
        (code = cli_get_int(a, CLI_OPT_export_steps, 1, AYF_EXPORT_STEPS_MOST, &o->steps)) ||
        (code = cli_get_reals(a, CLI_OPT_times, times, &time_count)) ||
        (code = cli_get_real(a, CLI_OPT_guidance, 1e-6, 100, &o->guidance)) ||
        (code = cli_get_int(a, CLI_OPT_export_batch, 1, 65536, &o->batch)) ||
        (code = cli_get_solver(a, &o->solver)))
        return code;
    if (format < 0)
        return cli_error(c, AYF_E_USAGE, "give the format of the file: --format onnx, safetensors or c");
    o->format = (ayf_export_format)format;
    o->dtype = (ayf_export_dtype)dtype;
    o->name = a->value[CLI_OPT_export_name];
    o->times = *times;
    return cli_check_times(c, a, time_count, &o->steps);
}

int cli_export(cli *c, const cli_args *args) {
    const char *out = args->value[CLI_OPT_export_out];
    ayf_model *model = NULL, *weak = NULL;
    ayf_export_options options = {0};
    double *times = NULL;
    int code = read_options(c, args, &options, &times);
    if (!code && (!out || !*out)) code = cli_error(c, AYF_E_USAGE, "name the file to be written: --out FILE");
    if (!code) code = cli_check_output(c, out, false, 0);
    if (!code) code = cli_open_model(c, args->positional[0], &model);
    if (!code) code = cli_guide(c, args, model, &weak);
    if (!code && ayf_model_export(model, &options, out) != AYF_OK) code = cli_fail(c);
    if (!code) cli_print_line(NULL, out);
    ayf_model_close(model);
    ayf_model_close(weak);
    free(times);
    return code;
}
