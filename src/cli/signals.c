/* Signals that ask a run or another verb to end, and descriptors that are closed when the program starts. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* mpirun passes SIGUSR1 and SIGUSR2 on to all processes; on the others it gives them a second, then kills
 * them. */
static const struct stop_signal {
    int number;
    const char *words;
} stop_signals[] = {
    {SIGINT, "Ctrl-C (SIGINT)"},
    {SIGTERM, "asked to end (SIGTERM)"},
    {SIGHUP, "the terminal was closed (SIGHUP)"},
    {SIGUSR1, "warned that the time is nearly over (SIGUSR1, as Slurm's --signal sends it)"},
    {SIGUSR2, "warned that the time is nearly over (SIGUSR2, as a batch system sends it)"},
    {SIGXCPU, "the limit of processor time is reached (SIGXCPU)"},
};
enum { STOP_SIGNALS = sizeof stop_signals / sizeof *stop_signals };

static volatile sig_atomic_t asked, steps_begun, several;
static const char *volatile at_once; /* what is said when there is nothing to save */
static volatile sig_atomic_t code_at_once;
static struct sigaction before[STOP_SIGNALS];

static void say(const char *text) {
    if (cli_silent) return;
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static const char *words_of(int number) {
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        if (stop_signals[i].number == number) return stop_signals[i].words;
    return "asked to end";
}

/* Nothing is lost by ending here: what is read or waited for, a pipe for example, may never come. */
static void end_at_once(int number) {
    say("\n");
    say(words_of(number));
    say(": ");
    say(at_once);
    if (code_at_once) _exit(code_at_once);
    signal(number, SIG_DFL);
    raise(number); /* delivered when the handler returns */
}

/* A batch system, a terminal that is closed and a service manager send several signals for one end, so only a
 * second Ctrl-C is meant to kill. One of several processes stays to save with the others even then: its
 * launcher can kill it. */
static void on_signal(int number) {
    int error = errno;
    bool again = asked;
    if (!steps_begun && !several) {
        end_at_once(number);
    } else {
        asked = 1;
        if (!again) {
            say("\n");
            say(words_of(number));
            say(several ? ": finishing this step in all processes and saving\n"
                : number == SIGINT
                    ? ": finishing this step and saving; press Ctrl-C again to stop without saving\n"
                    : ": finishing this step and saving\n");
        }
        if (number == SIGINT && !several) signal(SIGINT, SIG_DFL);
    }
    errno = error;
}

void cli_signals_begin(const cli *c, const char *said, int code) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    asked = steps_begun = 0;
    several = c->processes > 1;
    at_once = said;
    code_at_once = code;
    sigemptyset(&ignore.sa_mask);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < STOP_SIGNALS; i++) sigaddset(&action.sa_mask, stop_signals[i].number);
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        sigaction(stop_signals[i].number, NULL, &before[i]);
        /* nohup, and a shell that starts a command in the background, ignore signals for good. */
        if (before[i].sa_handler != SIG_IGN) sigaction(stop_signals[i].number, &action, NULL);
    }
    /* A reader that went away (head, a pager, a broken connection) makes writing fail and nothing else. */
    sigaction(SIGPIPE, &ignore, NULL);
}

void cli_signals_stepping(void) { steps_begun = 1; }

bool cli_signals_asked(void) { return asked; }

void cli_signals_end(void) {
    for (size_t i = 0; i < STOP_SIGNALS; i++) sigaction(stop_signals[i].number, &before[i], NULL);
}

/* ---- Verbs that are no runs ---- */

static volatile sig_atomic_t cancelled_by;

/* The second one kills. */
static void on_cancel(int number) {
    cancelled_by = number;
    signal(number, SIG_DFL);
}

void cli_cancel_begin(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_cancel, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

bool cli_cancel_go_on(void *user, const char *what, uint64_t done, uint64_t total) {
    (void)user, (void)what, (void)done, (void)total;
    return !cancelled_by;
}

void cli_cancel_end(int code) {
    if (!cancelled_by || code != ayf_exit_code(AYF_E_CANCELLED)) return;
    fflush(NULL);
    signal(cancelled_by, SIG_DFL);
    raise(cancelled_by);
}

/* ---- Descriptors ---- */

void cli_open_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* Results that nobody would read are an error of the write. */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}
