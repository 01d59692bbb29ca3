#include "metrics/table.h"

ayf_status ayf_metric_class_accuracy(const ayf_comparison *c, ayf_eval_row *row) {
    if (!c->labels) return AYF_OK;
    size_t right = 0;
    for (size_t i = 0; i < c->drawn.count; i++) {
        const float *logits = c->logits + i * c->classes;
        int best = 0;
        for (int k = 1; k < (int)c->classes; k++)
            if (logits[k] > logits[best]) best = k;
        right += best == c->labels[i];
    }
    row->class_accuracy = (double)right / (double)c->drawn.count;
    return AYF_OK;
}
