/* "Our features": a small classifier fitted to a labelled data set (ayf_features_fit() of include/ayf.h),
 * whose hidden layer compares sets of images where no downloaded weights are wanted. */
#ifndef AYF_CLASSIFIER_H
#define AYF_CLASSIFIER_H

#include "eval/extractor.h"
#include "model/weights.h"

/* Opens a model file written by ayf_features_fit(). AYF_E_USAGE when it is a model of another kind. On
 * success *out is owned by the caller (ayf_extractor_close). */
ayf_status ayf_features_open(ayf_context *ctx, const char *path, ayf_extractor **out);

/* The extractor of weights of kind AYF_MODEL_FEATURES, which must outlive it and stay as they are. */
ayf_status ayf_features_of(const ayf_weights *weights, ayf_extractor **out);

#endif
