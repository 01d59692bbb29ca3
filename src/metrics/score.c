#include <math.h>
#include <string.h>

#include "metrics/linear.h"
#include "metrics/table.h"

static void softmax(const float *logits, size_t classes, double *p) {
    double largest = -INFINITY, sum = 0;
    for (size_t c = 0; c < classes; c++) largest = fmax(largest, logits[c]);
    for (size_t c = 0; c < classes; c++) sum += p[c] = exp(logits[c] - largest);
    for (size_t c = 0; c < classes; c++) p[c] /= sum;
}

static ayf_status check_probabilities(ayf_context *ctx, const float *p, size_t n, size_t classes) {
    for (size_t i = 0; i < n; i++) {
        double sum = 0, least = 0;
        for (size_t c = 0; c < classes; c++) {
            sum += p[i * classes + c];
            least = fmin(least, p[i * classes + c]);
        }
        if (least < 0 || fabs(sum - 1) > 1e-3)
            return ayf_fail(ctx, AYF_E_USAGE,
                            "the probabilities of sample %zu have the sum %g and the least value %g: give "
                            "probabilities, or say that they are logits",
                            i, sum, least);
    }
    return AYF_OK;
}

/* exp of the mean divergence: sum of p log p over the samples minus n times that of their mean. p, mean:
 * scratch. */
static double score(const float *values, size_t n, size_t classes, bool logits, double *p, double *mean) {
    double sum = 0, of_mean = 0;
    memset(mean, 0, classes * sizeof *mean);
    for (size_t i = 0; i < n; i++) {
        if (logits)
            softmax(values + i * classes, classes, p);
        else
            ayf_metrics_widen(values + i * classes, 1, classes, NULL, p);
        for (size_t c = 0; c < classes; c++) {
            mean[c] += p[c] / (double)n;
            if (p[c] > 0) sum += p[c] * log(p[c]) / (double)n;
        }
    }
    for (size_t c = 0; c < classes; c++)
        if (mean[c] > 0) of_mean += mean[c] * log(mean[c]);
    return exp(sum - of_mean);
}

ayf_status ayf_inception_score(ayf_context *ctx, const float *values, size_t n, size_t classes, bool logits,
                               int splits, double *mean, double *deviation) {
    if (splits < 1 || n < (size_t)splits || classes < 2)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "an Inception score of %zu samples of %zu classes in %d parts: 2 classes and 1 sample in every "
            "part are needed at least",
            n, classes, splits);
    AYF_TRY(ayf_metrics_finite(ctx, "generated set", values, n, classes));
    if (!logits) AYF_TRY(check_probabilities(ctx, values, n, classes));
    double *p = ayf_alloc(ctx, 2 * classes, sizeof *p),
           *scores = ayf_alloc(ctx, (size_t)splits, sizeof *scores);
    ayf_status status = p && scores ? AYF_OK : AYF_E_MEMORY;
    *mean = *deviation = 0;
    for (size_t i = 0, count = (size_t)splits; status == AYF_OK && i < count; i++) {
        size_t first = i * n / count, end = (i + 1) * n / count;
        scores[i] = score(values + first * classes, end - first, classes, logits, p, p + classes);
        *mean += scores[i] / splits;
    }
    for (int i = 0; status == AYF_OK && i < splits; i++)
        *deviation += (scores[i] - *mean) * (scores[i] - *mean) / splits;
    *deviation = sqrt(*deviation);
    ayf_free(ctx, p);
    ayf_free(ctx, scores);
    return status;
}

ayf_status ayf_metric_inception_score(const ayf_comparison *c, ayf_eval_row *row) {
    return ayf_inception_score(c->ctx, c->logits, c->drawn.count, c->classes, true, AYF_SCORE_SPLITS,
                               &row->inception_score, &row->inception_score_std);
}
