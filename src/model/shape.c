#include "model/shape.h"

ayf_data_shape ayf_model_shape(const ayf_model_spec *spec) {
    bool points = ayf_model_makes_points(spec);
    return (ayf_data_shape){.height = points ? 1 : spec->img_resolution,
                            .width = points ? 1 : spec->img_resolution,
                            .channels = points ? spec->mlp_dim : spec->img_channels,
                            .classes = spec->label_dim,
                            .points = points};
}

ayf_data_shape ayf_image_shape(int height, int width, int channels) {
    return (ayf_data_shape){.height = height, .width = width, .channels = channels};
}

size_t ayf_data_values(ayf_data_shape shape) {
    return (size_t)shape.height * (size_t)shape.width * (size_t)shape.channels;
}
