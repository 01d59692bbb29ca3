/* train, distill and finetune: the loop around ayf_run_step(). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* mpirun passes SIGUSR1 on to all processes; on the others it gives them a second, then kills them. */
static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
static volatile sig_atomic_t stop_asked, several;

static void say(const char *text, size_t size) {
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written;
}

/* One of several processes stays to save with the others: its launcher can kill it. */
static void on_signal(int number) {
    (void)number;
    static const char alone[] = "\nfinishing this step; press Ctrl-C again to stop without saving\n";
    static const char together[] = "\nfinishing this step in all processes\n";
    bool again = stop_asked;
    stop_asked = 1;
    if (several) {
        if (!cli_silent && !again) say(together, sizeof together - 1);
        return;
    }
    for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++) signal(stop_signals[i], SIG_DFL);
    say(alone, sizeof alone - 1);
}

static void catch_signals(bool on) {
    struct sigaction action = {.sa_handler = on ? on_signal : SIG_DFL, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
        sigaction(stop_signals[i], &action, NULL);
}

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
    if (c->processes > 1)
        cli_say(c, "  mpirun -n %d %s", c->processes, again);
    else
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

static int loop(cli *c, ayf_run *run, cli_progress *progress, const char *again) {
    ayf_run_report report = {0};
    const char *label = progress->label;
    bool first = true;
    while (!ayf_run_finished(run)) {
        bool stop;
        if (ayf_any_rank(c->ctx, stop_asked, &stop) != AYF_OK) return cli_fail(c);
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

int cli_run(cli *c, const char *label, const ayf_run_options *options, const char *again, char **model_path) {
    if (model_path) *model_path = NULL;
    stop_asked = 0;
    several = c->processes > 1;
    catch_signals(true);
    ayf_run *run = NULL;
    cli_progress progress;
    cli_progress_begin(&progress, c, label);
    int code = ayf_run_open(c->ctx, options, &run) == AYF_OK ? loop(c, run, &progress, again) : cli_fail(c);
    cli_progress_end(&progress);
    if (!code) {
        cli_say(c, "%s: finished, %s", label, ayf_run_model_path(run));
        if (model_path && !(*model_path = strdup(ayf_run_model_path(run))))
            code = cli_error(c, AYF_E_MEMORY, "out of memory");
    }
    ayf_run_close(run);
    catch_signals(false);
    return code;
}

static int run_verb(cli *c, const cli_args *args, ayf_run_kind kind, const char *label) {
    char *again = cli_command_line(c), *model = NULL;
    if (!again) return cli_error(c, AYF_E_MEMORY, "out of memory");
    ayf_run_options options = {.kind = kind,
                               .folder = args->positional[0],
                               .config_path = args->value[CLI_OPT_config],
                               .settings = args->settings,
                               .setting_count = args->setting_count};
    int code = cli_run(c, label, &options, again, &model);
    if (!code && !cli_silent) puts(model);
    free(model);
    free(again);
    return code;
}

#define CLI_RUN(verb, kind)                                                                                  \
    int cli_##verb(cli *c, const cli_args *args) { return run_verb(c, args, kind, #verb); }
CLI_RUN_VERBS(CLI_RUN)
#undef CLI_RUN
