#include "metrics/table.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/wait.h"

/* What a metric compares the samples with, in the order of the recipe. */
typedef enum against {
    AYF_AGAINST_WHOLE,    /* moments of all real samples */
    AYF_AGAINST_PART,     /* the real samples that are kept */
    AYF_AGAINST_PAIRS,    /* as many real samples as there are samples */
    AYF_AGAINST_PICTURES, /* the real samples whose pixels are kept */
    AYF_AGAINST_NOTHING,  /* none: the samples alone are looked at */
    AGAINST_COUNT,
} against;

enum { PHRASE_SIZE = 128, RECIPE_SIZE = 1024 };

/* ---- The table ---- */

#define FIGURE(field, ...)
#define METRIC(id, ...) METRIC_##id,
enum metric_id {
#include "metrics/metrics.def"
    METRIC_COUNT
};
#undef METRIC

#define METRIC(id, kinds, with, ...) {ayf_metric_##id, kinds, with},
static const struct {
    ayf_status (*measure)(const ayf_comparison *c, ayf_eval_row *row);
    ayf_by by;
    against with;
} metrics[] = {
#include "metrics/metrics.def"
};
#undef METRIC

/* Of the real samples, not their moments alone. */
static bool needs_samples(against with) {
    return with == AYF_AGAINST_PART || with == AYF_AGAINST_PAIRS || with == AYF_AGAINST_PICTURES;
}

static void phrase_of(enum metric_id id, ayf_by by, size_t kept, char text[PHRASE_SIZE]) {
    text[0] = 0;
    switch (id) {
#define METRIC(id, kinds, with, ...)                                                                         \
    case METRIC_##id:                                                                                        \
        snprintf(text, PHRASE_SIZE, __VA_ARGS__);                                                            \
        break;
#include "metrics/metrics.def"
#undef METRIC
    case METRIC_COUNT:
        break;
    }
}
#undef FIGURE

#define METRIC(id, ...)
#define NAMED(by, decimals, name, title) {by, decimals, name, title},
#define FIGURE(field, help, ...) {offsetof(ayf_eval_row, field), help, {__VA_ARGS__}},
static const struct {
    size_t offset;
    const char *help;
    struct {
        ayf_by by;
        int decimals;
        const char *name, *title;
    } named[3];
} fields[] = {
#include "metrics/metrics.def"
};
_Static_assert(AYF_COUNT(fields) <= AYF_FIGURES_MOST, "room for every figure");

/* ---- Figures ---- */

size_t ayf_metrics_figures(ayf_by by, ayf_eval_figure figures[AYF_FIGURES_MOST]) {
    size_t count = 0;
    for (size_t i = 0; i < AYF_COUNT(fields); i++)
        for (size_t k = 0; k < AYF_COUNT(fields[i].named); k++)
            if (fields[i].named[k].by & by)
                figures[count++] = (ayf_eval_figure){.name = fields[i].named[k].name,
                                                     .title = fields[i].named[k].title,
                                                     .help = fields[i].help,
                                                     .offset = fields[i].offset,
                                                     .decimals = fields[i].named[k].decimals};
    return count;
}

ayf_status ayf_metrics_measure(const ayf_comparison *c, ayf_eval_row *row) {
    for (size_t i = 0; i < AYF_COUNT(fields); i++)
        *(double *)(void *)((char *)row + fields[i].offset) = (double)NAN;
    for (size_t i = 0; i < AYF_COUNT(metrics); i++)
        if ((metrics[i].by & c->by) && (c->real.count || !needs_samples(metrics[i].with))) {
            AYF_TRY(ayf_task_go_on(c->ctx));
            AYF_TRY(metrics[i].measure(c, row));
        }
    return AYF_OK;
}

/* ---- The recipe ---- */

typedef struct recipe {
    char text[RECIPE_SIZE];
    size_t used;
} recipe;

static void add(recipe *r, const char *before, const char *text) {
    int written = snprintf(r->text + r->used, sizeof r->text - r->used, "%s%s", before, text);
    if (written > 0 && (size_t)written < sizeof r->text - r->used) r->used += (size_t)written;
}

/* "a, b and c" of the metrics that compare with the same; their number. */
static int add_phrases(recipe *r, against with, ayf_by by, size_t kept) {
    char phrases[METRIC_COUNT][PHRASE_SIZE];
    int count = 0;
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (!(metrics[i].by & by) || metrics[i].with != with) continue;
        phrase_of((enum metric_id)i, by, kept, phrases[count]);
        count += phrases[count][0] != 0;
    }
    for (int i = 0; i < count; i++)
        add(r, i ? (i + 1 < count ? ", " : " and ") : r->used ? "; " : "", phrases[i]);
    return count;
}

char *ayf_metrics_recipe(ayf_context *ctx, ayf_by by, size_t kept, size_t pictures) {
    recipe r = {.text = ""};
    char part[PHRASE_SIZE], pairs[PHRASE_SIZE], among[PHRASE_SIZE];
    snprintf(part, sizeof part, " against %zu of it at random", kept);
    snprintf(pairs, sizeof pairs, " of %zu of the samples and as many of the reference", kept);
    snprintf(among, sizeof among, " among %zu of it", pictures);
    bool any_part = false;
    for (against with = 0; with < AGAINST_COUNT; with++) {
        if ((!kept && needs_samples(with)) || !add_phrases(&r, with, by, kept)) continue;
        if (with == AYF_AGAINST_WHOLE) add(&r, " against the whole reference", "");
        if (with == AYF_AGAINST_PART) add(&r, part, "");
        if (with == AYF_AGAINST_PAIRS) add(&r, pairs, any_part ? "" : " at random");
        if (with == AYF_AGAINST_PICTURES) add(&r, among, "");
        any_part |= with == AYF_AGAINST_PART;
    }
    if (!kept) add(&r, "; nothing that needs real samples (KID, precision ...): statistics hold none", "");
    return ayf_strdup(ctx, r.text);
}
