/* The program `ayf`: verbs on top of ayf.h and nothing else of the library.
 *
 * A verb is a function `int cli_<verb>(cli *c, const cli_args *args)` that returns the exit code of the
 * program. Results go to stdout, talk to stderr. What the verbs and options are called is in args.h and
 * nowhere else.
 */
#ifndef AYF_CLI_H
#define AYF_CLI_H

#include <stdarg.h>
#include <stdio.h>

#include "args.h"
#include "ayf.h"

typedef struct cli_progress cli_progress;

typedef struct cli {
    ayf_context *ctx;
    cli_progress *progress; /* drawn on stderr at the moment; NULL = none */
    int argc;
    char **argv; /* of the program, for "to go on: ..." */
    const cli_args *args;
    int processes;     /* that share a run */
    double started;    /* seconds of the monotonic clock, when the program began */
    const char *task;  /* that the library works on (cli_show_task()) */
    double task_shown; /* when that was begun, or said */
    double max_time;   /* --max-time in seconds from there; 0 = no limit */
} cli;

/* The number of processes that a launcher has started with this one, 1 without a launcher. Sets cli_silent. */
int cli_find_processes(void);
/* Refuses verbs that are not shared by processes. Returns an exit code. */
int cli_check_processes(cli *c, cli_verb verb, const char *name);

/* Reports the last failure of the library on stderr; returns the exit code that belongs to it. */
int cli_fail(cli *c);
/* The same with the program's own words; c may be NULL. */
int cli_error(cli *c, ayf_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* One line on stderr; a progress bar is cleared before it and drawn again later. */
void cli_say(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As fprintf() for what holds text of unknown origin: the whole goes through ayf_plain_text(). Line ends in it are
 * written out too; the caller writes its own. */
void cli_put(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_vput(FILE *to, const char *format, va_list list) __attribute__((format(printf, 2, 0)));
/* Whether there was no memory for some of what these functions wrote to stdout. */
bool cli_text_lost(void);
/* The same for several lines (a configuration); their ends stay. */
void cli_put_lines(FILE *to, const char *text);

/* ayf_print_fn that writes a line to stdout, as cli_put() does. */
void cli_print_line(void *user, const char *line);

/* Writes `text` (NULL: null) to stdout as a JSON string, a number as a JSON number (NaN: null). A byte that is not
 * UTF-8 becomes \udcXX, from which Python's surrogateescape makes the byte again. */
void cli_json_string(const char *text);
void cli_json_number(double value);

/* The number of threads: --threads, else AYF_THREADS; 0 = one per processor. Returns an exit code. */
int cli_get_threads(const cli_args *args, int *out);

/* The device and what belongs to it: --device, AYF_CUDA_PATH, AYF_CACHE. The options point into the command line and the
 * environment, and to *cache, which the caller frees. */
void cli_get_device(const cli_args *args, ayf_options *options, char **cache);

/* `threads` threads (cli_get_threads()) spin briefly and then sleep, each on processors of its own if `alone` (neither other
 * processes nor threads of a GPU's driver compete with them), unless the environment says how they wait or where they run.
 * It may start the program anew, so nothing but the command line is read before it. */
void cli_choose_waiting(char **argv, int threads, bool alone);

/* Whether the file, or files in the folder, can be written (ayf_output_check()) and take away nothing that the command
 * reads or that a run keeps (ayf_output_spare()). Asked before the work, for everything that a verb writes; "-" is
 * refused. Returns an exit code. */
int cli_check_output(cli *c, const char *path, bool folder, uint64_t bytes);
/* Whether the name does not promise another format than PNG. `option` is for the message. */
int cli_check_png(cli *c, const char *option, const char *path);

/* Makes a folder and its parents. */
int cli_make_folder(cli *c, const char *path);

/* ---- Verbs ---- */

#define CLI_VERB(id, positional, least, most, line, more) int cli_##id(cli *c, const cli_args *args);
CLI_VERBS(CLI_VERB)
#undef CLI_VERB

/* ---- Models ---- */

/* Opens a model file, or the newest model of a run folder. Returns an exit code, 0 = opened. */
int cli_open_model(cli *c, const char *path, ayf_model **out);

/* Whether the `count` values of --times, of which there are none when it is not given, are steps that agree with
 * --steps; sets *steps. Returns an exit code. */
int cli_check_times(cli *c, const cli_args *args, size_t count, int *steps);

/* --solver and --precision; left alone when they are not given. Return an exit code. */
int cli_get_solver(const cli_args *args, ayf_solver *out);
int cli_get_precision(const cli_args *args, cli_option option, ayf_precision *out);

/* --class LIST as class numbers of the model: numbers, ranges and names of classes. *out is free()d by the
 * caller; NULL when the option was not given. Returns an exit code. */
int cli_get_classes(cli *c, const cli_args *args, const ayf_model_facts *facts, int **out, size_t *count);

/* Guides the teacher as --weak or --cfg says; *weak (NULL: none) is closed by the caller. Returns an exit
 * code. */
int cli_guide(cli *c, const cli_args *args, ayf_model *teacher, ayf_model **weak);

/* ---- Progress ---- */

/* A bar on a terminal, a line every ten seconds otherwise. */
struct cli_progress {
    cli *c;
    const char *label, *unit; /* of what is counted: "steps" unless set after the beginning */
    bool terminal, visible;
    double started, first_done, last_shown; /* seconds of the monotonic clock; 0 = not yet */
    uint64_t first_step, shown_step;
    bool any;
    double loss, tangent_rms, error_rms, logit_gap; /* moving averages, NaN = not known */
    ayf_run_report last;
};
void cli_progress_begin(cli_progress *p, cli *c, const char *label);
void cli_progress_update(cli_progress *p, const ayf_run_report *report);
/* Leaves the last state on the screen; a second call does nothing. */
void cli_progress_end(cli_progress *p);
/* Removes the bar for a line of text. */
void cli_progress_hide(cli_progress *p);

/* An ayf_progress_fn of runs, which are ended otherwise; `user` is the cli. A line for every ten seconds of what is done
 * before and between steps, none for what is done sooner. */
bool cli_show_task(void *user, const char *what, uint64_t done, uint64_t total);

/* ---- Signals and descriptors ---- */

/* Opens those of stdin, stdout and stderr that are closed on /dev/null, so that no file of a run gets their
 * number. The first thing that the program does. */
void cli_open_descriptors(void);

/* From here to cli_signals_end(), the signals that ask for an end are caught, except those that were ignored
 * when the program started. SIGPIPE is ignored from here on. Before cli_signals_stepping() a signal says `said` (a
 * line with its newline; stays the caller's) and ends the program at once, with the exit code `code` or, if
 * that is 0, by the signal. After it, the signal is noted for cli_signals_asked(), and a second SIGINT kills.
 * One of several processes notes it always. */
void cli_signals_begin(const cli *c, const char *said, int code);
void cli_signals_stepping(void);
bool cli_signals_asked(void);
void cli_signals_end(void);

/* For verbs that are no runs: from here on the first SIGINT, SIGTERM or SIGHUP cancels what the library is doing, which
 * takes its temporary files away, and the second one kills. Signals that are ignored stay ignored. */
void cli_cancel_begin(void);
bool cli_cancel_go_on(void *user, const char *what, uint64_t done, uint64_t total); /* an ayf_progress_fn */
/* Ends the program by the signal that cancelled it, when that is what `code` is about. */
void cli_cancel_end(int code);

/* ---- Runs ---- */

/* Runs until the end, a signal or the end of c->max_time; the latter two finish the step and save. `again` is
 * the command that goes on. Returns an exit code: 0, 75 or that of a failure. *model_path (NULL is fine;
 * free()) is the finished model. */
int cli_run(cli *c, const char *label, const ayf_run_options *options, const char *again, char **model_path);

/* Prints what the run takes, and writes nothing. Returns an exit code. */
int cli_dry_run(cli *c, const ayf_run_options *options);

/* The command line of this program, quoted for a shell; free(). NULL when there is no memory. */
char *cli_command_line(const cli *c);
/* The same for the words of any command. */
char *cli_quote(int count, char *const *words);
/* The command that starts this process and those beside it: that of the launcher with all its options where it
 * is known, else `own` after "mpirun -n N"; `own` alone for one process. free(); NULL when there is no memory. */
char *cli_launch_line(const cli *c, const char *own);
double cli_now(void); /* seconds of the monotonic clock */

/* The table of ayf eval --teacher and of the demo. */
void cli_fidelity_table(const ayf_fidelity_row *rows, int count, int images);

/* ---- Pictures ---- */

/* One picture from `count` images in [-1,1] in rows of `columns`, each pixel shown as scale x scale, 2 pixels
 * between the images. Points (1 x 1 x 2) become one scatter plot. */
int cli_picture(cli *c, const char *path, const float *images, int count, int columns, int height, int width,
                int channels, int scale, const char *comment);

/* Whether such a picture of images is not too large; refused with a message. */
int cli_check_picture(cli *c, const char *path, size_t count, int columns, int height, int width, int scale);

#endif
