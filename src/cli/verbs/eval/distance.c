/* ayf eval --data: samples against real ones. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

static ayf_sample_options way_to_draw(const cli_eval_job *j, int calls, double gamma) {
    bool reference = j->solver == AYF_SOLVER_REFERENCE;
    return (ayf_sample_options){
        .steps = reference ? 0 : calls, .gamma = gamma, .guidance = j->guidance, .solver = j->solver};
}

/* Two built-in sets are two sets; of files only their owner knows. */
static void warn_of_other_data(const cli_eval_job *j) {
    static const char builtin[] = "builtin:";
    const char *made = j->model ? j->facts.data : j->subject, *data = cli_eval_value(j, CLI_OPT_eval_data);
    if (strncmp(made, builtin, strlen(builtin)) == 0 && strncmp(data, builtin, strlen(builtin)) == 0 &&
        strcmp(made, data) != 0)
        cli_say(j->c, "%s %s %s and is compared with %s", j->subject, j->model ? "was made with" : "is", made,
                data);
}

/* One sample before the reference is read, which may take hours: what a model cannot do is said now. */
static int rehearse(const cli_eval_job *j) {
    if (!j->model) return 0;
    if (j->facts.points && (cli_eval_value(j, CLI_OPT_features) || cli_eval_value(j, CLI_OPT_inception)))
        return cli_error(j->c, AYF_E_USAGE,
                         "%s draws points, which are compared by their coordinates: leave out --features and "
                         "--inception",
                         j->subject);
    ayf_sample_options how = way_to_draw(j, j->calls[0], j->gammas[0]);
    size_t values = (size_t)j->facts.height * (size_t)j->facts.width * (size_t)j->facts.channels;
    float *image = calloc(values, sizeof *image);
    if (!image) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    ayf_status status = ayf_model_sample(j->model, &how, 1, image, NULL);
    free(image);
    return status == AYF_OK ? 0 : cli_fail(j->c);
}

static int measure_model(cli_eval_job *j, int calls, double gamma) {
    cli_eval_measured *m = &j->rows[j->row_count++];
    bool reference = j->solver == AYF_SOLVER_REFERENCE;
    ayf_sample_options how = way_to_draw(j, calls, gamma);
    m->calls = how.steps;
    m->gamma = j->student && calls > 1 ? gamma : (double)NAN;
    if (reference)
        snprintf(m->name, sizeof m->name, "reference");
    else
        snprintf(m->name, sizeof m->name, "%d %s%s", calls, j->student ? "call" : "step",
                 calls == 1 ? "" : "s");
    if (ayf_eval_model(j->eval, j->model, &how, &m->row) != AYF_OK) return cli_fail(j->c);
    cli_say(j->c, "%s, %s: %llu samples in %.1f s", j->subject, m->name, (unsigned long long)m->row.count,
            m->row.seconds);
    return 0;
}

/* With one call no noise is added, whatever gamma is. */
static int measure_models(cli_eval_job *j) {
    int code = 0;
    for (size_t g = 0; g < j->gamma_count; g++)
        for (size_t i = 0; i < j->call_count && !code; i++)
            if (g == 0 || j->calls[i] > 1) code = measure_model(j, j->calls[i], j->gammas[g]);
    return code;
}

static int measure_data(cli_eval_job *j) {
    cli_eval_measured *m = &j->rows[j->row_count++];
    m->gamma = (double)NAN;
    snprintf(m->name, sizeof m->name, "samples");
    return ayf_eval_data(j->eval, j->subject, &m->row) == AYF_OK ? 0 : cli_fail(j->c);
}

int cli_eval_save(cli *c, const cli_args *args) {
    static const cli_option allowed[] = {CLI_OPT_save_stats, CLI_OPT_eval_data, CLI_OPT_features,
                                         CLI_OPT_inception,  CLI_OPT_reference, CLI_OPT_eval_skip_bad,
                                         CLI_OPT_first_seed};
    const char *path = args->value[CLI_OPT_save_stats];
    const char *other = cli_eval_other(args, allowed, sizeof allowed / sizeof *allowed);
    if (other)
        return cli_error(
            c, AYF_E_USAGE,
            "--%s: --save-stats without a SUBJECT takes --data, --features or --inception, --reference, "
            "--skip-bad and --seed only",
            other);
    ayf_eval_options options = {.data = args->value[CLI_OPT_eval_data],
                                .features = args->value[CLI_OPT_features],
                                .inception = args->value[CLI_OPT_inception]};
    ayf_eval *eval = NULL;
    int code = cli_get_int(args, CLI_OPT_reference, 2, INT_MAX, &options.reference);
    if (!code) code = cli_get_int(args, CLI_OPT_eval_skip_bad, 0, INT_MAX, &options.skip_bad);
    if (!code) code = cli_get_u64(args, CLI_OPT_first_seed, &options.seed);
    if (!code && ayf_eval_open(c->ctx, &options, &eval) != AYF_OK) code = cli_fail(c);
    if (!code && ayf_eval_save_statistics(eval, path) != AYF_OK) code = cli_fail(c);
    ayf_eval_close(eval);
    if (!code) cli_put(stdout, "%s", path), putchar('\n');
    return code;
}

int cli_eval_distance(cli_eval_job *j) {
    bool images = j->model && !j->facts.points;
    ayf_eval_options options = {.data = cli_eval_value(j, CLI_OPT_eval_data),
                                .heldout = cli_eval_value(j, CLI_OPT_heldout),
                                .features = cli_eval_value(j, CLI_OPT_features),
                                .inception = cli_eval_value(j, CLI_OPT_inception),
                                .resolution = images ? j->facts.height : 0,
                                .channels = images ? j->facts.channels : 0,
                                .count = j->images,
                                .seed = j->seed,
                                .samples = j->model ? NULL : j->subject,
                                .reference = j->reference};
    static const char *const ways[] = {"data", "even"};
    int how = AYF_EVAL_CLASSES_DATA;
    int code = cli_get_choice(j->args, CLI_OPT_eval_classes, ways, 2, &how);
    if (!code) code = cli_get_int(j->args, CLI_OPT_eval_skip_bad, 0, INT_MAX, &options.skip_bad);
    if (code) return code;
    options.classes = (ayf_eval_classes)how;
    code = rehearse(j);
    if (code) return code;
    j->rows = calloc(1 + j->call_count * j->gamma_count, sizeof *j->rows);
    if (!j->rows) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    if (ayf_eval_open(j->c->ctx, &options, &j->eval) != AYF_OK) return cli_fail(j->c);
    warn_of_other_data(j);
    const char *save = cli_eval_value(j, CLI_OPT_save_stats);
    if (save && ayf_eval_save_statistics(j->eval, save) != AYF_OK) return cli_fail(j->c);
    if (ayf_eval_has_floor(j->eval)) {
        cli_eval_measured *floor = &j->rows[j->row_count++];
        floor->gamma = (double)NAN;
        snprintf(floor->name, sizeof floor->name, "floor");
        if (ayf_eval_floor(j->eval, &floor->row) != AYF_OK) return cli_fail(j->c);
    }
    return j->model ? measure_models(j) : measure_data(j);
}
