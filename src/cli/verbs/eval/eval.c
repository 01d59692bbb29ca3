/* ayf eval: the command line, and what to measure. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { CALLS_MOST = 4096, LIST_MOST = 64 };

/* ---- Reading the command line ---- */

static int read_calls(cli_eval_job *j) {
    static const uint64_t usual[] = {1, 2, 4}, usual_teacher[] = {AYF_TEACHER_STEPS};
    uint64_t *list = NULL;
    int code = cli_get_list(j->args, CLI_OPT_calls, CALLS_MOST, LIST_MOST, &list, &j->call_count);
    if (code) return code;
    bool teacher = j->model && !j->student;
    const uint64_t *from = list ? list : teacher ? usual_teacher : usual;
    if (!list) j->call_count = teacher ? COUNT(usual_teacher) : COUNT(usual);
    j->calls = calloc(j->call_count, sizeof *j->calls);
    if (!j->calls) code = cli_error(j->c, AYF_E_MEMORY, "out of memory");
    for (size_t i = 0; i < j->call_count && !code; i++) {
        j->calls[i] = (int)from[i];
        if (!from[i]) code = cli_error(j->c, AYF_E_USAGE, "--calls: 0 calls draw nothing; give at least 1");
    }
    free(list);
    return code;
}

static int read_gammas(cli_eval_job *j) {
    int code = cli_get_reals(j->args, CLI_OPT_gammas, &j->gammas, &j->gamma_count);
    if (code) return code;
    if (!j->gammas) {
        j->gamma_count = 1;
        j->gammas = calloc(1, sizeof *j->gammas);
        return j->gammas ? 0 : cli_error(j->c, AYF_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < j->gamma_count; i++)
        if (!(j->gammas[i] >= 0 && j->gammas[i] <= 1))
            return cli_error(j->c, AYF_E_USAGE, "--gamma %g: must be a number from 0 to 1", j->gammas[i]);
    return j->gamma_count <= LIST_MOST
               ? 0
               : cli_error(j->c, AYF_E_USAGE, "--gamma: more than %d values", LIST_MOST);
}

static int read_numbers(cli_eval_job *j) {
    enum { MOST = 10000000 };
    int code;
    j->pairs = 64;
    if ((code = cli_get_int(j->args, CLI_OPT_images, 2, MOST, &j->images)) ||
        (code = cli_get_int(j->args, CLI_OPT_pairs, 1, MOST, &j->pairs)) ||
        (code = cli_get_int(j->args, CLI_OPT_reference, 2, INT_MAX, &j->reference)) ||
        (code = cli_get_u64(j->args, CLI_OPT_first_seed, &j->seed)) ||
        (code = cli_get_real(j->args, CLI_OPT_guidance, 1e-6, 100, &j->guidance)) ||
        (code = cli_get_solver(j->args, &j->solver)))
        return code;
    return 0;
}

/* Options that would be ignored are refused. */
static int check_options(const cli_eval_job *j) {
    const bool data = cli_eval_value(j, CLI_OPT_eval_data) != NULL,
               teacher = cli_eval_value(j, CLI_OPT_eval_teacher) != NULL;
    const struct {
        cli_option option;
        const char *name, *needs;
        bool useful;
    } rules[] = {{CLI_OPT_features, "features", "--data", data},
                 {CLI_OPT_inception, "inception", "--data", data},
                 {CLI_OPT_heldout, "heldout", "--data", data},
                 {CLI_OPT_images, "images", "--data", data},
                 {CLI_OPT_save_stats, "save-stats", "--data", data},
                 {CLI_OPT_eval_skip_bad, "skip-bad", "--data", data},
                 {CLI_OPT_reference, "reference", "--data", data},
                 {CLI_OPT_eval_classes, "classes", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_eval_classes, "classes", "--data", data},
                 {CLI_OPT_pairs, "pairs", "--teacher", teacher},
                 {CLI_OPT_calls, "calls", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_gammas, "gamma", "a student as SUBJECT", j->student},
                 {CLI_OPT_guidance, "guidance", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_guidance_t_max, "guidance-t-max", "a teacher as SUBJECT", j->model && !j->student},
                 {CLI_OPT_precision, "precision", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_solver, "solver", "a teacher as SUBJECT", j->model && !j->student}};
    if (j->args->setting_count)
        return cli_error(j->c, AYF_E_USAGE,
                         "--set is for --fit-features: how images are read is decided by the features");
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (!cli_eval_value(j, rules[i].option) || rules[i].useful) continue;
        if (rules[i].needs[0] == '-')
            return cli_error(j->c, AYF_E_USAGE, "--%s needs %s", rules[i].name, rules[i].needs);
        return cli_error(j->c, AYF_E_USAGE, "--%s needs %s, but %s is not one", rules[i].name, rules[i].needs,
                         j->subject);
    }
    if (!data && !teacher)
        return cli_error(
            j->c, AYF_E_USAGE,
            "compare %s with what? --data SOURCE: with real samples; --teacher MODEL: with its teacher",
            j->subject);
    if (teacher && !j->student)
        return cli_error(j->c, AYF_E_USAGE,
                         "--teacher: %s is not a student, and only a student is compared with a teacher",
                         j->subject);
    if (data && j->model && j->facts.latents)
        return cli_error(
            j->c, AYF_E_USAGE,
            "--data: %s draws latents, which are not compared with pictures; draw pictures of them (ayf "
            "sample MODEL --decoder FILE --out FOLDER) and measure the folder",
            j->subject);
    return 0;
}

static int open_models(cli_eval_job *j) {
    const char *teacher = cli_eval_value(j, CLI_OPT_eval_teacher);
    bool guided = cli_eval_value(j, CLI_OPT_weak) || cli_eval_value(j, CLI_OPT_cfg);
    int code = 0;
    ayf_path_kind kind;
    if (ayf_path_look(j->c->ctx, j->subject, &kind) != AYF_OK) return cli_fail(j->c);
    if (kind == AYF_PATH_MODEL || kind == AYF_PATH_RUN) {
        if ((code = cli_open_model(j->c, j->subject, &j->model))) return code;
        j->facts = ayf_model_describe(j->model);
        j->student = strcmp(j->facts.role, "student") == 0;
    } else if (kind != AYF_PATH_DATA) {
        return cli_error(j->c, AYF_E_USAGE, "%s is neither a model nor a set of samples", j->subject);
    }
    if ((code = check_options(j))) return code;
    bool analytic = teacher && strcmp(teacher, "analytic") == 0;
    if (teacher && !analytic && (code = cli_open_model(j->c, teacher, &j->teacher))) return code;
    ayf_model *led = j->teacher ? j->teacher : j->model;
    if (!guided) return 0;
    if (!led || (j->student && !j->teacher))
        return cli_error(j->c, AYF_E_USAGE,
                         "--weak and --cfg guide a teacher: name the teacher too (--teacher)");
    return cli_guide(j->c, j->args, led, &j->weak);
}

const char *cli_eval_other(const cli_args *args, const cli_option *allowed, size_t count) {
    for (int i = 0; i < CLI_OPT_COUNT; i++) {
        bool given = i == CLI_OPT_set ? args->setting_count > 0 : args->value[i] != NULL;
        bool fine = !given || i == CLI_OPT_threads || i == CLI_OPT_device;
        for (size_t k = 0; k < count; k++) fine = fine || allowed[k] == (cli_option)i;
        if (!fine) return cli_options[i].name;
    }
    return NULL;
}

/* ---- The verb ---- */

static int evaluate(cli_eval_job *j) {
    int code;
    if ((code = read_numbers(j)) || (code = open_models(j)) || (code = read_calls(j)) ||
        (code = read_gammas(j)))
        return code;
    if (cli_eval_value(j, CLI_OPT_eval_teacher)) code = cli_eval_fidelity(j);
    if (!code && cli_eval_value(j, CLI_OPT_eval_data)) code = cli_eval_distance(j);
    if (!code && cli_eval_print(j) != AYF_OK) code = cli_fail(j->c);
    return code;
}

int cli_eval(cli *c, const cli_args *args) {
    if (args->value[CLI_OPT_fit_features]) return cli_eval_fit(c, args);
    const char *save = args->value[CLI_OPT_save_stats];
    enum { STATISTICS_MOST = 2048 * 2049 * 8 };
    int code = save ? cli_check_output(c, save, false, STATISTICS_MOST) : 0;
    if (code) return code;
    if (save && !args->positional_count) return cli_eval_save(c, args);
    if (!args->positional_count)
        return cli_error(c, AYF_E_USAGE,
                         "measure what? usage: ayf eval SUBJECT [options]; ayf help eval explains");
    cli_eval_job j = {.c = c, .args = args, .subject = args->positional[0]};
    code = evaluate(&j);
    ayf_eval_close(j.eval);
    ayf_model_close(j.model);
    ayf_model_close(j.teacher);
    ayf_model_close(j.weak);
    free(j.calls);
    free(j.gammas);
    free(j.fidelity);
    free(j.rows);
    return code;
}
