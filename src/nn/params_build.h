/* For the files that fill a parameter table: what they share, and one function per family of networks. */
#ifndef AYF_NN_PARAMS_BUILD_H
#define AYF_NN_PARAMS_BUILD_H

#include "nn/params.h"

/* Each appends one parameter and returns it, valid until the next is added; NULL without memory. */

/* The leaf has the file's shape; start values 0. */
ayf_param *ayf_params_add(ayf_params *p, ayf_param_role role, const char *name, int rank,
                          const int *file_shape);

/* PLAIN, a matrix (out,in), or a vector (out) when in is 0; starts as scale * N(0,1), or 0 when scale is 0. */
ayf_param *ayf_params_add_plain(ayf_params *p, const char *name, int out, int in, double scale);

/* PLAIN, file (out,in,kernel,kernel), leaf (out, kernel kernel in). */
ayf_param *ayf_params_add_plain_conv(ayf_params *p, const char *name, int out, int in, int kernel,
                                     double scale);

/* All parameters of a checked spec of one kind; false without memory. */
bool ayf_params_sg2(ayf_params *p, const ayf_model_spec *spec);
bool ayf_params_inception(ayf_params *p, const ayf_model_spec *spec);
bool ayf_params_features(ayf_params *p, const ayf_model_spec *spec);

#endif
