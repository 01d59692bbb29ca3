#include "cli.h"
#include "pages.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int cli_fail(cli *c) {
    if (c->progress) cli_progress_hide(c->progress);
    /* Of a GPU that failed the other processes do not hear. */
    if (!cli_silent || ayf_last_status(c->ctx) == AYF_E_DEVICE)
        fprintf(stderr, "ayf: %s\n", ayf_error(c->ctx));
    int code = ayf_exit_code(ayf_last_status(c->ctx));
    return code ? code : ayf_exit_code(AYF_E_INTERNAL);
}

int cli_error(cli *c, ayf_status status, const char *format, ...) {
    if (cli_silent) return ayf_exit_code(status);
    if (c && c->progress) cli_progress_hide(c->progress);
    va_list list;
    fputs("ayf: ", stderr);
    va_start(list, format);
    cli_vput(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return ayf_exit_code(status);
}

void cli_say(cli *c, const char *format, ...) {
    if (cli_silent) return;
    if (c->progress) cli_progress_hide(c->progress);
    va_list list;
    va_start(list, format);
    cli_vput(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* Why stdout was lost before the end; 0: it was not. */
static int stdout_error;

void cli_print_line(void *user, const char *line) {
    (void)user;
    cli_put(stdout, "%s", line);
    putchar('\n');
    errno = 0;
    if (fflush(stdout) != 0 && !stdout_error) stdout_error = errno;
}

void cli_json_number(double value) {
    if (isfinite(value))
        printf("%.9g", value);
    else
        fputs("null", stdout);
}

int cli_make_folder(cli *c, const char *path) {
    size_t size = strlen(path) + 1;
    char *part = malloc(size);
    if (!part) return cli_error(c, AYF_E_MEMORY, "out of memory");
    int code = 0;
    memcpy(part, path, size);
    for (size_t i = 1; i < size && !code; i++) {
        if (path[i] != '/' && path[i]) continue;
        part[i] = 0;
        struct stat info;
        if (mkdir(part, 0777) != 0 && (errno != EEXIST || stat(part, &info) != 0 || !S_ISDIR(info.st_mode)))
            code = cli_error(c, AYF_E_IO, "%s: cannot make this folder: %s", part,
                             errno == EEXIST ? "a file has this name" : strerror(errno));
        part[i] = path[i];
    }
    free(part);
    return code;
}

char *cli_command_line(const cli *c) { return cli_quote(c->argc, c->argv); }

int cli_open_model(cli *c, const char *path, ayf_model **out) {
    struct stat info;
    ayf_path_kind kind;
    *out = NULL;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return ayf_model_open(c->ctx, path, out) == AYF_OK ? 0 : cli_fail(c);
    if (ayf_path_look(c->ctx, path, &kind) != AYF_OK) return cli_fail(c);
    if (kind != AYF_PATH_RUN)
        return cli_error(c, AYF_E_FORMAT, "%s: neither a model file nor the folder of a run", path);
    ayf_path_facts facts;
    int code = 0;
    if (ayf_path_describe(c->ctx, path, &facts) != AYF_OK)
        code = cli_fail(c);
    else if (!facts.model_path && facts.diverged)
        code = cli_error(c, AYF_E_FORMAT,
                         "%s: this run has no model: it diverged before its first checkpoint (%s)", path,
                         facts.diverged);
    else if (!facts.model_path)
        code = cli_error(c, AYF_E_FORMAT,
                         "%s: this run has no model yet; it gets one with its first checkpoint (save.every)",
                         path);
    else if (ayf_model_open(c->ctx, facts.model_path, out) != AYF_OK)
        code = cli_fail(c);
    ayf_path_facts_free(c->ctx, &facts);
    return code;
}

int cli_guide(cli *c, const cli_args *args, ayf_model *teacher, ayf_model **weak) {
    const char *path = args->value[CLI_OPT_weak];
    bool itself = args->value[CLI_OPT_cfg] != NULL;
    double t_max = 1;
    *weak = NULL;
    int code = cli_get_real(args, CLI_OPT_guidance_t_max, 1e-6, 1, &t_max);
    if (code) return code;
    if (args->value[CLI_OPT_guidance_t_max] && strcmp(ayf_model_describe(teacher).role, "student") == 0)
        return cli_error(c, AYF_E_USAGE,
                         "--guidance-t-max: a student learned up to which time its teacher was guided; leave "
                         "the option out");
    if (!path && !itself && args->value[CLI_OPT_guidance_t_max])
        return cli_error(c, AYF_E_USAGE,
                         "--guidance-t-max needs a guided teacher: give --weak MODEL or --cfg");
    if (!path && !itself) return 0;
    if (path && itself)
        return cli_error(c, AYF_E_USAGE,
                         "--weak and --cfg are two ways to guide the teacher; give one of them");
    if (path && (code = cli_open_model(c, path, weak))) return code;
    if (ayf_model_guide(teacher, itself ? teacher : *weak) != AYF_OK) return cli_fail(c);
    return ayf_model_guide_until(teacher, t_max) == AYF_OK ? 0 : cli_fail(c);
}

int cli_check_times(cli *c, const cli_args *args, size_t count, int *steps) {
    const char *times = args->value[CLI_OPT_times];
    if (!times) return 0;
    if (count < 2) return cli_error(c, AYF_E_USAGE, "--times %s: give at least 1,0", times);
    if (*steps && *steps != (int)count - 1)
        return cli_error(c, AYF_E_USAGE, "--times gives %zu steps, --steps %d; leave one out", count - 1,
                         *steps);
    *steps = (int)count - 1;
    return 0;
}

int cli_get_solver(const cli_args *args, ayf_solver *out) {
    static const char *const names[] = {"euler", "heun", "reference"};
    static const ayf_solver solvers[] = {AYF_SOLVER_EULER, AYF_SOLVER_HEUN, AYF_SOLVER_REFERENCE};
    bool fixed = args->verb == CLI_VERB_export; /* number of steps */
    int found = -1, code = cli_get_choice(args, fixed ? CLI_OPT_export_solver : CLI_OPT_solver, names,
                                          fixed ? 2 : 3, &found);
    if (found >= 0) *out = solvers[found];
    return code;
}

int cli_get_precision(const cli_args *args, cli_option option, ayf_precision *out) {
    const char *names[AYF_PRECISION_AUTO + 1];
    for (int i = 0; i <= AYF_PRECISION_AUTO; i++) names[i] = ayf_precision_name((ayf_precision)i);
    int found = -1, code = cli_get_choice(args, option, names, AYF_PRECISION_AUTO + 1, &found);
    if (found >= 0) *out = (ayf_precision)found;
    return code;
}

static void log_line(void *user, const char *line) { cli_say(user, "%s", line); }

typedef int verb_function(cli *c, const cli_args *args);
static verb_function *const verb_functions[] = {
#define CLI_ROW(id, positional, least, most, line, more) cli_##id,
    CLI_VERBS(CLI_ROW)
#undef CLI_ROW
};

static int run(int argc, char **argv, const cli_args *args, int processes, double started) {
    cli c = {.argc = argc, .argv = argv, .args = args, .processes = processes, .started = started};
    /* A run finishes its step and saves. */
    bool runs = (CLI_RUNS >> args->verb & 1u) || args->verb == CLI_VERB_demo;
    /* The environment belongs to the program: the library never reads it. */
    const char *trace = getenv("AYF_TRACE");
    ayf_options options = {.log = log_line,
                           .log_user = &c,
                           .mpi = processes > 1,
                           .progress = runs ? cli_show_task : cli_cancel_go_on,
                           .progress_user = &c,
                           .trace = trace && *trace && strcmp(trace, "0") != 0};
    int code = cli_get_threads(args, &options.threads);
    if (code) return code;
    const char *device = args->value[CLI_OPT_device];
    bool alone = processes == 1 && !(device && strncmp(device, "cuda", strlen("cuda")) == 0);
    if (args->verb != CLI_VERB_help) cli_choose_waiting(argv, options.threads, alone);
    code = cli_check_processes(&c, args->verb, argv[1]);
    if (!code) code = cli_get_precision(args, CLI_OPT_precision, &options.precision);
    if (!code) code = cli_get_duration(args, CLI_OPT_max_time, &c.max_time);
    if (code) return code;
    char *cache;
    cli_get_device(args, &options, &cache);
    c.ctx = ayf_open(&options);
    free(cache); /* the context has its own */
    if (!c.ctx) {
        fputs("ayf: out of memory\n", stderr);
        return ayf_exit_code(AYF_E_MEMORY);
    }
    if (!runs) cli_cancel_begin();
    code = verb_functions[args->verb](&c, args);
    ayf_close(c.ctx);
    if (!runs) cli_cancel_end(code);
    return code;
}

/* What a run is for lies in its folder: a reader of its talk that went away, or never was, takes nothing from it. */
static bool need_no_reader(const cli_args *args) {
    return CLI_RUNS >> args->verb & 1u && !args->value[CLI_OPT_dry_run];
}

static int finish_stdout(const cli_args *args, int code) {
    if (cli_text_lost() && !code) {
        fputs("ayf: out of memory for some of the results\n", stderr);
        code = ayf_exit_code(AYF_E_MEMORY);
    }
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    int error = stdout_error ? stdout_error : errno;
    if ((error == EPIPE || error == EBADF) && need_no_reader(args)) return code;
    fprintf(stderr, "ayf: cannot write the results to stdout%s%s\n", error ? ": " : "",
            error ? strerror(error) : "");
    return code ? code : ayf_exit_code(AYF_E_IO);
}

int main(int argc, char **argv) {
    cli_open_descriptors();
    double started = cli_now();
    cli_args args = {.verb = CLI_VERB_help};
    int code = 0, processes = cli_find_processes();
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write() */
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        printf("ayf %s\n", ayf_version());
    else if ((code = cli_parse(argc, argv, &args)) != 0)
        ;
    else if (args.want_help)
        cli_help_verb(args.verb);
    else
        code = run(argc, argv, &args, processes, started);
    cli_args_free(&args);
    return finish_stdout(&args, code);
}
