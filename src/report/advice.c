#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"

/* Multiples beyond which a figure is worth a word. They are wide: a warning that is often wrong is not read. */
static const double risen = 1.5, spiked = 20, slowed = 1.5;

typedef struct advice {
    ayf_text *json;
    bool any;
} advice;

static void add(advice *a, const char *format, ...) AYF_PRINTF(2, 3);
static void add(advice *a, const char *format, ...) {
    char line[400];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    ayf_text_print(a->json, "%s", a->any ? "," : "");
    ayf_text_json(a->json, line);
    a->any = true;
}

/* The mean of the finite values of a tenth of the series, counted from the first (0) to the last (9). */
static double tenth(const ayf_series *series, size_t which) {
    size_t first = series->count * which / 10, end = series->count * (which + 1) / 10, finite = 0;
    double sum = 0;
    for (size_t i = first; i < end; i++) {
        if (!isfinite(series->values[i])) continue;
        sum += series->values[i];
        finite++;
    }
    return finite ? sum / (double)finite : (double)NAN;
}

static void look_at_loss(advice *a, const ayf_series *loss) {
    double last = tenth(loss, 9), least = INFINITY;
    for (size_t i = 0; i < 9; i++) {
        double mean = tenth(loss, i);
        if (mean < least) least = mean;
    }
    if (least > 0 && last > risen * least)
        add(a,
            "The loss has risen: its last tenth is %.3g on average, the best tenth was %.3g. A lower "
            "train.lr, a "
            "longer warm-up or an earlier checkpoint may help.",
            last, least);
}

static void look_at_peaks(advice *a, const ayf_series *series, const char *what) {
    double sum = 0, peak = 0, at = 0;
    size_t finite = 0;
    for (size_t i = series->count / 10; i < series->count; i++) {
        double value = series->values[i];
        if (!isfinite(value)) continue;
        sum += value;
        finite++;
        if (value > peak) {
            peak = value;
            at = series->steps[i];
        }
    }
    if (finite > 10 && peak > spiked * (sum - peak) / (double)(finite - 1))
        add(a, "%s has a peak of %.3g at step %.0f, more than %.0f times its mean.", what, peak, at, spiked);
}

static void look_at_gaps(advice *a, const ayf_run_history *history) {
    for (size_t i = 0; i < history->count; i++) {
        const ayf_series *series = &history->series[i];
        size_t missing = 0;
        for (size_t k = 0; k < series->count; k++) missing += isfinite(series->values[k]) ? 0 : 1;
        if (missing && missing < series->count && series->element < 0)
            add(a, "%zu of %zu values of %s are not finite.", missing, series->count, series->name);
    }
}

static void look_at_speed(advice *a, const ayf_series *seconds) {
    double first = tenth(seconds, 1), last = tenth(seconds, 9);
    if (last > slowed * first)
        add(a,
            "Steps have become slower: %.3g s at first, %.3g s at the end. Something else may use the "
            "processors.",
            first, last);
}

void ayf_advice_json(ayf_text *json, const ayf_path_facts *facts, const ayf_run_history *history) {
    enum { ENOUGH = 20 }; /* points, to speak of a course */
    advice a = {.json = json};
    const ayf_series *loss = ayf_history_find(history, "loss"),
                     *gradient = ayf_history_find(history, "grad_norm"),
                     *tangent = ayf_history_find(history, "tangent_rms"),
                     *seconds = ayf_history_find(history, "seconds"),
                     *rollback = ayf_history_find(history, "rollback");
    ayf_text_print(json, "[");
    if (facts->running)
        add(&a, "The run is going on: this page shows it up to its last line of the log.");
    else if (facts->diverged)
        add(&a, "The run has diverged (%s). Its command says what may help.", facts->diverged);
    else if (!facts->finished)
        add(&a, "The run is not finished: the same command resumes it from step %llu.",
            (unsigned long long)facts->step);
    if (rollback)
        add(&a,
            "The run diverged and went back to an earlier checkpoint %zu time%s, each time with a lower "
            "rate.",
            rollback->count, rollback->count == 1 ? "" : "s");
    if (!facts->model_path)
        add(&a, facts->diverged && !facts->running
                    ? "The run has no model: it diverged before its first checkpoint."
                    : "The run has no model yet; it gets one with its first checkpoint.");
    if (!history->count) add(&a, "The log has no figures yet.");
    if (history->damaged)
        add(&a, "%zu of %zu lines of log.jsonl are no JSON objects with a step and are left out.",
            history->damaged, history->lines);
    if (loss && loss->count >= ENOUGH) look_at_loss(&a, loss);
    if (gradient && gradient->count >= ENOUGH) look_at_peaks(&a, gradient, "The gradient norm");
    if (tangent && tangent->count >= ENOUGH) look_at_peaks(&a, tangent, "The tangent");
    if (seconds && seconds->count >= ENOUGH) look_at_speed(&a, seconds);
    look_at_gaps(&a, history);
    ayf_text_print(json, "]");
}
