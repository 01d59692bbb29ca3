/* Networks that turn images into features, by which sets of images are compared (eval/distance.c).
 *
 *     ayf_extractor *net;
 *     AYF_TRY(ayf_features_open(ctx, "features.safetensors", &net));   // or ayf_inception_open()
 *     AYF_TRY(ayf_extract(net, images, count, ayf_image_shape(16, 16, 1), features, NULL));
 *     ayf_extractor_close(net); */
#ifndef AYF_EXTRACTOR_H
#define AYF_EXTRACTOR_H

#include "base/choices.h"
#include "model/shape.h"
#include "model/weights.h"
#include "ir/build.h"

typedef struct ayf_extractor ayf_extractor;

/* How pictures of another size or kind are read. All zero: as a new run reads them. */
typedef struct ayf_reading {
    ayf_resize resize;
    ayf_background background;
    bool as_stored; /* not turned as EXIF says */
} ayf_reading;

/* What `config`, the configuration in the card of the model `path`, says of it. Earlier versions had one way. */
ayf_status ayf_reading_of(ayf_context *ctx, const char *path, const char *config, ayf_reading *reading);
const char *ayf_resize_name(ayf_resize resize); /* as in a configuration: "lanczos" */

/* What distinguishes a kind of network. */
typedef struct ayf_extractor_kind {
    int batch; /* images of one run */
    /* Whether the network takes images of `shape`, and these; AYF_E_USAGE, AYF_E_DIVERGED. */
    ayf_status (*check)(const ayf_extractor *e, const float *images, size_t count, ayf_data_shape shape);
    /* One image -> what the network gets for it. */
    ayf_status (*fill)(const ayf_extractor *e, const float *image, ayf_data_shape shape, float *to);
    /* The network on x[batch] -> logits[batch][classes] and features[batch][dim]. */
    ayf_id (*network)(ayf_graph *g, const ayf_params *params, ayf_id x, ayf_id *features);
} ayf_extractor_kind;

struct ayf_extractor {
    const ayf_extractor_kind *kind;
    ayf_context *ctx;
    char *path;    /* of its weights; NULL: not from a file */
    char *recipe;  /* one line for people: what it is, what it was fitted to, how it resizes; NULL as above */
    char *data;    /* what it was fitted to; NULL: nothing that a user names */
    uint64_t hash; /* of its weights: numbers made with different weights cannot be compared */
    ayf_reading reading;  /* of the pictures it was fitted to; others are read in this way to be compared */
    ayf_data_shape shape; /* of the images it takes; all 0: of any size, 1 channel or 3 */
    int dim;              /* features of an image */
    int classes;          /* logits of an image */

    /* For the kinds and extractor.c. */
    ayf_weights *weights; /* own, when read from a file; else NULL */
    ayf_program *program;
    size_t input;                 /* values the network gets for an image */
    float *x, *features, *logits; /* one batch */
};

/* images[count][height][width][channels] of `shape` in [-1,1] -> features[count][dim] and
 * logits[count][classes]; NULL: not wanted. What an image gives does not depend on the others. AYF_E_USAGE
 * when it does not take this shape. */
ayf_status ayf_extract(ayf_extractor *e, const float *images, size_t count, ayf_data_shape shape,
                       float *features, float *logits);

void ayf_extractor_close(ayf_extractor *e); /* NULL is fine */

/* For the kinds: */

/* An extractor of weights that are still to be read from `path` (copied; NULL: from no file). NULL: no
 * memory. */
ayf_extractor *ayf_extractor_new(ayf_context *ctx, const ayf_extractor_kind *kind, const char *path);

/* Compiles the network for inputs of `input` when dim and classes are set; hashes the weights. */
ayf_status ayf_extractor_prepare(ayf_extractor *e, const ayf_weights *weights, ayf_data_shape input);

/* Ends the opening of `e`: hands it over in *out, or closes it after a failure. Returns `status`. */
ayf_status ayf_extractor_opened(ayf_extractor *e, ayf_status status, ayf_extractor **out);

#endif
