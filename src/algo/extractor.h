/* Networks that turn images into features, by which sets of images are compared (algo/eval.c).
 *
 *     ayf_extractor *net;
 *     AYF_TRY(ayf_features_open(ctx, "features.safetensors", &net));   // algo/classifier.h, or another kind
 *     AYF_TRY(net->extract(net, images, count, (const int[]){16, 16, 1}, features, NULL));
 *     net->close(net);
 *
 * A kind puts an ayf_extractor first in a struct of its own and fills it when it is opened. */
#ifndef AYF_EXTRACTOR_H
#define AYF_EXTRACTOR_H

#include "base/base.h"

typedef struct ayf_extractor ayf_extractor;

struct ayf_extractor {
    ayf_context *ctx;
    const char *path;   /* of its weights */
    const char *recipe; /* one line for people: what it is, what it was fitted to, how it resizes */
    const char *data;   /* what it was fitted to; "": nothing that a user names */
    uint64_t hash;      /* of its weights: numbers made with different weights cannot be compared */
    int height, width;  /* of the images it takes; 0: any, it resizes them itself */
    int channels;       /* 0: 1 or 3 */
    int dim;            /* features of an image */
    int classes;        /* logits of an image */
    /* images[count][height][width][channels] in [-1,1], shape = {height, width, channels} -> features[count][dim] and
     * logits[count][classes]; NULL: not wanted. What an image gives does not depend on the others. AYF_E_USAGE when
     * it does not take this shape. */
    ayf_status (*extract)(ayf_extractor *self, const float *images, size_t count, const int shape[3],
                          float *features, float *logits);
    void (*close)(ayf_extractor *self); /* frees `self` too */
};

#endif
