/* The metrics of ayf eval as one list, which metrics/metrics.def holds.
 *
 *     ayf_metrics_measure(&comparison, &row);      // every figure that applies; NaN: it does not
 *     ayf_metrics_figures(comparison.by, figures); // what they are called
 */
#ifndef AYF_METRICS_TABLE_H
#define AYF_METRICS_TABLE_H

#include "metrics/metrics.h"

/* What samples are compared by; in the table a set of these. */
typedef enum ayf_by {
    AYF_BY_FITTED = 1,      /* features and classes of a classifier fitted to the data */
    AYF_BY_INCEPTION = 2,   /* Inception's */
    AYF_BY_COORDINATES = 4, /* points: what they are */
    AYF_BY_FEATURES = AYF_BY_FITTED | AYF_BY_INCEPTION,
    AYF_BY_ANY = AYF_BY_FEATURES | AYF_BY_COORDINATES,
} ayf_by;

typedef struct ayf_compared {
    const ayf_moments *moments; /* of the features */
    const float *features;      /* [count][dim]; of points their coordinates */
    const float *pixels;        /* [count][values], of the reference [pictures][values] */
    size_t count;    /* of the features; 0 with moments alone: what needs samples is not measured */
    size_t pictures; /* of the reference: how many samples have pixels, at least `count` */
} ayf_compared;

/* Samples and the real ones that they are compared with. A metric looks at nothing else. */
typedef struct ayf_comparison {
    ayf_context *ctx;
    ayf_by by;
    size_t dim, values, classes; /* of one sample: features, numbers, logits (0: none) */
    uint64_t seed;               /* of every random choice */
    ayf_compared real, drawn;    /* the moments of `real` are of the whole reference */
    size_t paired;               /* samples to compare pairwise, at most the count of either set */
    const float *logits;         /* of `drawn` [count][classes] */
    const int *labels;           /* of `drawn` [count]; NULL: none, or not of the classes of the logits */
} ayf_comparison;

/* There is one function per metric. It fills the metric's fields of `row`, which are NaN before. A field that
 * it leaves NaN does not apply. Errors as in metrics.h. */
#define METRIC(id, ...) ayf_status ayf_metric_##id(const ayf_comparison *c, ayf_eval_row *row);
#define FIGURE(field, ...)
#include "metrics/metrics.def"
#undef METRIC
#undef FIGURE

/* All metrics that apply; the other figures of `row` are NaN, its counts are left alone. */
ayf_status ayf_metrics_measure(const ayf_comparison *c, ayf_eval_row *row);

/* The figures that apply to one kind, in the order of the table. Returns their number. */
enum { AYF_FIGURES_MOST = 32 };
size_t ayf_metrics_figures(ayf_by by, ayf_eval_figure figures[AYF_FIGURES_MOST]);

/* One sentence that says what is compared with what. `kept` is the number of real samples that are compared
 * pairwise or in subsets, `pictures` that of those that the nearest is looked for in. The caller frees it; NULL: no
 * memory. */
char *ayf_metrics_recipe(ayf_context *ctx, ayf_by by, size_t kept, size_t pictures);

#endif
