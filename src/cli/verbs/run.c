/* train, distill and finetune: the loop around ayf_run_step(). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int stopped(cli *c, ayf_run *run, const ayf_run_report *report, const char *again) {
    cli_progress_end(c->progress);
    if ((report->step || report->prepared < report->to_prepare) && ayf_run_save(run) != AYF_OK)
        return cli_fail(c);
    if (report->prepared)
        cli_say(c, "stopped with %llu of %llu trajectories, which are saved. To go on:",
                (unsigned long long)report->prepared, (unsigned long long)report->to_prepare);
    else if (report->step)
        cli_say(c, "stopped at step %llu of %llu; a checkpoint is saved. To go on:",
                (unsigned long long)report->step, (unsigned long long)report->steps);
    else
        cli_say(c, "stopped before the first step. To go on:");
    cli_say(c, "  %s", again);
    return ayf_exit_code(AYF_E_STOPPED);
}

/* A bar of its own for what comes before the first step. */
static void show_preparation(cli_progress *bar, const ayf_run_report *report) {
    static const char label[] = "trajectories";
    if (bar->label != label) cli_progress_begin(bar, bar->c, label);
    bar->unit = label;
    ayf_run_report shown = *report;
    shown.step = report->prepared;
    shown.steps = report->to_prepare;
    shown.learning_rate = NAN;
    cli_progress_update(bar, &shown);
}

/* A step that takes as long as the one before would end too late. One step is the least, so that runs which
 * are started again and again come to their end. */
static bool time_is_over(const cli *c, double last) {
    return c->max_time > 0 && last > 0 && cli_now() - c->started + last > c->max_time;
}

static int loop(cli *c, ayf_run *run, cli_progress *progress, const char *again) {
    ayf_run_report report = {0};
    const char *label = progress->label;
    bool first = true;
    while (!ayf_run_finished(run)) {
        bool over = time_is_over(c, report.seconds), stop;
        if (ayf_any_rank(c->ctx, over || cli_signals_asked(), &stop) != AYF_OK) return cli_fail(c);
        if (over) cli_say(c, "another step would end after the time that --max-time gives");
        if (stop) return stopped(c, run, &report, again);
        if (ayf_run_step(run, &report) != AYF_OK) {
            cli_progress_end(progress);
            return cli_fail(c);
        }
        if (report.prepared) {
            show_preparation(progress, &report);
            continue;
        }
        if (first) {
            if (progress->label != label) {
                cli_progress_end(progress);
                cli_progress_begin(progress, c, label);
            }
            if (report.step > 1)
                cli_say(c, "%s: resuming after step %llu", progress->label,
                        (unsigned long long)report.step - 1);
            cli_say(c, "%s: %.1f MiB planned for a step%s", progress->label,
                    (double)report.bytes / (1024 * 1024), c->processes > 1 ? " of each process" : "");
        }
        first = false;
        cli_progress_update(progress, &report);
    }
    return 0;
}

static int open_and_loop(cli *c, const char *label, const ayf_run_options *options, const char *launch,
                         ayf_run **run) {
    cli_progress progress;
    cli_progress_begin(&progress, c, label);
    int code;
    if (ayf_run_open(c->ctx, options, run) != AYF_OK) {
        code = cli_fail(c);
    } else {
        cli_signals_stepping();
        code = loop(c, *run, &progress, launch);
    }
    cli_progress_end(&progress);
    return code;
}

int cli_run(cli *c, const char *label, const ayf_run_options *options, const char *again, char **model_path) {
    static const char before_steps[] = "stopped before the first step. To go on:\n  ";
    if (model_path) *model_path = NULL;
    char *launch = cli_launch_line(c, again);
    char *said = launch ? malloc(sizeof before_steps + strlen(launch) + 1) : NULL;
    if (!said) {
        free(launch);
        return cli_error(c, AYF_E_MEMORY, "out of memory");
    }
    sprintf(said, "%s%s\n", before_steps, launch);
    cli_signals_begin(c, said, ayf_exit_code(AYF_E_STOPPED));
    ayf_run *run = NULL;
    int code = open_and_loop(c, label, options, launch, &run);
    if (!code) {
        cli_say(c, "%s: finished, %s", label, ayf_run_model_path(run));
        if (model_path && !(*model_path = strdup(ayf_run_model_path(run))))
            code = cli_error(c, AYF_E_MEMORY, "out of memory");
    }
    ayf_run_close(run);
    cli_signals_end();
    free(said);
    free(launch);
    return code;
}

static int run_verb(cli *c, const cli_args *args, ayf_run_kind kind, const char *label) {
    ayf_run_options options = {.kind = kind,
                               .folder = args->positional[0],
                               .config_path = args->value[CLI_OPT_config],
                               .settings = args->settings,
                               .setting_count = args->setting_count,
                               .allow_change = args->value[CLI_OPT_allow_change] != NULL};
    if (args->value[CLI_OPT_dry_run]) return cli_dry_run(c, &options);
    char *again = cli_command_line(c), *model = NULL;
    if (!again) return cli_error(c, AYF_E_MEMORY, "out of memory");
    int code = cli_run(c, label, &options, again, &model);
    if (!code && !cli_silent) cli_print_line(NULL, model);
    free(model);
    free(again);
    return code;
}

#define CLI_RUN(verb, kind)                                                                                  \
    int cli_##verb(cli *c, const cli_args *args) { return run_verb(c, args, kind, #verb); }
CLI_RUN_VERBS(CLI_RUN)
#undef CLI_RUN
