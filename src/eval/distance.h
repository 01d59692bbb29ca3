/* What an evaluation holds (ayf_eval_* of include/ayf.h). */
#ifndef AYF_DISTANCE_H
#define AYF_DISTANCE_H

#include "base/wait.h"
#include "data/dataset.h"
#include "eval/extractor.h"
#include "io/classes.h"
#include "metrics/table.h"

/* Real samples as the metrics take them. The moments are of all of them; the first `kept` keep their
 * features, the first `pictures` >= kept their pixels. */
typedef struct ayf_real_set {
    size_t count, kept, pictures;
    ayf_moments *moments;
    float *features; /* [kept][dim] */
    float *pixels;   /* [pictures][values] */
} ayf_real_set;

struct ayf_eval {
    ayf_context *ctx;
    char *source, *heldout;
    char *samples;   /* NULL: not known yet, or those of a model */
    size_t reshaped; /* of them, brought to `shape` */
    size_t skip_bad; /* pictures of each source that may be left out, because they cannot be read */
    size_t left_out, samples_left_out, heldout_left_out; /* of the reference and the others */
    bool resized; /* pictures of the reference were brought to `shape` */
    size_t count;
    bool evenly;         /* classes of a model's samples */
    ayf_classes classes; /* of the reference; count 0: it has none */
    size_t available;    /* in the reference set, of which some are used */
    uint64_t seed;
    ayf_precision precision; /* in which the context's models compute */
    int resolution, channels;
    ayf_data_shape shape; /* of the reference and of everything compared with it */
    size_t values;        /* numbers in a sample */
    ayf_by by;
    ayf_extractor *net; /* NULL for points, whose coordinates are their features */
    size_t dim;
    ayf_eval_figure figures[AYF_FIGURES_MOST];
    size_t figure_count;
    /* half: the second half of the shuffled set, for a baseline without held-out data */
    ayf_real_set whole, half;
    /* The baseline is of the held-out set, or of the first half of the reference. */
    ayf_dataset *floor_data;
    size_t floor_count; /* `count`, or all that are available; 0: there is no baseline */
    bool
        statistics; /* the reference is a mean and a covariance alone: whole.kept is 0, whole.count 0 = unknown */
    ayf_wait wait;
};

/* About what a comparison of `count` samples of `values` numbers by `dim` features holds at its peak, in bytes. */
uint64_t ayf_eval_bytes(uint64_t count, uint64_t values, uint64_t dim);

#endif
