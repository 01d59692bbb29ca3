/* The shape of the samples that a model makes, or that are compared with them. */
#ifndef AYF_SHAPE_OF_SAMPLES_H
#define AYF_SHAPE_OF_SAMPLES_H

#include "nn/spec.h"

typedef struct ayf_data_shape {
    int height, width, channels; /* points: 1, 1, their dimension */
    int classes;                 /* 0: none */
    bool points;                 /* not images: values have no limits, and there is nothing to see */
} ayf_data_shape;

/* Of a flow network (ayf_model_is_flow()). */
ayf_data_shape ayf_model_shape(const ayf_model_spec *spec);

/* Of images without classes. */
ayf_data_shape ayf_image_shape(int height, int width, int channels);

size_t ayf_data_values(ayf_data_shape shape); /* numbers in one sample */

#endif
