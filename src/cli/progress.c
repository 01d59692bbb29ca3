#include "cli.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

double cli_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_begin(cli_progress *p, cli *c, const char *label) {
    *p = (cli_progress){.c = c,
                        .label = label,
                        .unit = "steps",
                        .terminal = isatty(STDERR_FILENO),
                        .started = cli_now(),
                        .loss = NAN,
                        .tangent_rms = NAN,
                        .logit_gap = NAN,
                        .error_rms = NAN};
    c->progress = p;
}

/* Steps see different samples and times, so single values jump about. */
static void average(double *mean, double value) {
    const double share = 0.05;
    if (!isfinite(value)) return;
    *mean = isfinite(*mean) ? *mean + share * (value - *mean) : value;
}

static void put_duration(char *text, size_t size, double seconds) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 3.6e6) {
        snprintf(text, size, "?");
        return;
    }
    long s = lround(seconds);
    if (s >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
}

static void put_figures(const cli_progress *p, char *text, size_t size) {
    const struct {
        const char *name;
        double value;
    } figures[] = {{"loss", p->loss},
                   {"rms(g)", p->tangent_rms},
                   {"|F-v|", p->error_rms},
                   {"D(real)-D(fake)", p->logit_gap},
                   {"lr", p->last.learning_rate}};
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof figures / sizeof *figures && used < size; i++)
        if (isfinite(figures[i].value))
            used +=
                (size_t)snprintf(text + used, size - used, "  %s %.3g", figures[i].name, figures[i].value);
}

static void draw(cli_progress *p, bool last) {
    enum { BAR = 20 };
    if (cli_silent) return;
    double time = cli_now();
    /* The first step includes what happens once, so the rate counts from its end. */
    uint64_t steps = p->last.step - p->first_step;
    double elapsed = time - p->first_done, rate = steps && elapsed > 0 ? (double)steps / elapsed : NAN;
    char figures[128], left[32], speed[80], line[320], bar[BAR + 1];
    put_figures(p, figures, sizeof figures);
    put_duration(left, sizeof left, last ? time - p->started : (double)(p->last.steps - p->last.step) / rate);
    const char *word = last ? "took" : "left";
    if (!isfinite(rate))
        snprintf(speed, sizeof speed, "  %s %s", word, left);
    else if (rate >= 1)
        snprintf(speed, sizeof speed, "  %.1f %s/s  %s %s", rate, p->unit, word, left);
    else
        snprintf(speed, sizeof speed, "  %.2f s/step  %s %s", 1 / rate, word, left);
    if (!isfinite(rate) && !last) speed[0] = 0;
    size_t filled = p->last.steps ? (size_t)(BAR * p->last.step / p->last.steps) : 0;
    for (size_t i = 0; i < BAR; i++) bar[i] = i < filled ? '#' : '.';
    bar[BAR] = 0;
    snprintf(line, sizeof line, "%s %llu/%llu%s%s%s%s%s", p->label, (unsigned long long)p->last.step,
             (unsigned long long)p->last.steps, p->terminal ? " [" : "", p->terminal ? bar : "",
             p->terminal ? "]" : "", speed, figures);
    if (p->terminal) {
        struct winsize window;
        int width =
            ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 ? window.ws_col - 1 : 79;
        fprintf(stderr, "\r%.*s\033[K", width, line);
        p->visible = true;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
    p->last_shown = time;
    p->shown_step = p->last.step;
}

void cli_progress_update(cli_progress *p, const ayf_run_report *report) {
    const double terminal_every = 0.1, plain_every = 10;
    p->last = *report;
    if (report->rolled_back) p->loss = p->tangent_rms = p->error_rms = p->logit_gap = NAN;
    average(&p->loss, report->loss);
    average(&p->tangent_rms, report->tangent_rms);
    average(&p->error_rms, report->error_rms);
    average(&p->logit_gap, report->logit_real - report->logit_fake);
    if (!p->any || report->step < p->first_step) { /* the latter after a rollback */
        p->any = true;
        p->first_step = report->step;
        p->first_done = cli_now();
        draw(p, false);
    } else if (cli_now() - p->last_shown >= (p->terminal ? terminal_every : plain_every)) {
        draw(p, false);
    }
}

void cli_progress_hide(cli_progress *p) {
    if (!p->visible) return;
    fputs("\r\033[K", stderr);
    p->visible = false;
}

void cli_progress_end(cli_progress *p) {
    if (p->c->progress != p) return;
    if (p->any && (p->terminal || p->shown_step != p->last.step || p->last.step == p->last.steps)) {
        draw(p, true);
        if (p->terminal && !cli_silent) fputc('\n', stderr);
    }
    p->c->progress = NULL;
}

bool cli_show_task(void *user, const char *what, uint64_t done, uint64_t total) {
    const double quiet = 10;
    cli *c = user;
    double now = cli_now();
    if (!c->task || strcmp(c->task, what) != 0) {
        /* What comes before may have been silent for as long. */
        if (!c->task) c->task_shown = c->started;
        c->task = what;
    }
    if (now - c->task_shown < quiet || (total && done >= total)) return true;
    c->task_shown = now;
    if (total)
        cli_say(c, "%s: %llu of %llu", what, (unsigned long long)done, (unsigned long long)total);
    else
        cli_say(c, "%s ...", what);
    return true;
}
