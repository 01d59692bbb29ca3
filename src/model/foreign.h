/* What imports share: files of other programs, whose tensors become those of a model file as they are. */
#ifndef AYF_MODEL_FOREIGN_H
#define AYF_MODEL_FOREIGN_H

#include "model/file.h"

enum { AYF_FOREIGN_PREFIX = 64, AYF_FOREIGN_NAME = AYF_FOREIGN_PREFIX + sizeof((ayf_param *)0)->name };

typedef struct ayf_foreign {
    ayf_context *ctx;
    const ayf_st *st;
    char prefix[AYF_FOREIGN_PREFIX]; /* in front of the network's tensors: "unet.", "" */
    /* The name in the file of a parameter, for this file. */
    void (*name)(const struct ayf_foreign *file, const ayf_param *param, char name[AYF_FOREIGN_NAME]);
} ayf_foreign;

/* AYF_E_FORMAT for what ayf wrote itself. */
ayf_status ayf_foreign_check_origin(const ayf_foreign *file);

/* Sets the prefix: what stands before `last` in the name of the first tensor that ends with it. False: there is none.
 */
bool ayf_foreign_find_prefix(ayf_foreign *file, const char *last);

/* The tensor "<prefix><name>" with this rank; NULL: there is none. */
const ayf_st_tensor *ayf_foreign_find(const ayf_foreign *file, int rank, const char *name);

/* Dimension `axis` where a network may have that size; 0: the tensor is NULL, or it is something else. */
int ayf_foreign_size(const ayf_st_tensor *tensor, int axis);

/* Whether every parameter has its tensor, of numbers that are finite, with the right shape. Behind a shape, further
 * dimensions of 1 are fine. AYF_E_FORMAT names the tensor. */
ayf_status ayf_foreign_check(const ayf_foreign *file, const ayf_params *params);

/* Writes the model file `out`. The tensors keep their types. */
ayf_status ayf_foreign_write(const ayf_foreign *file, const ayf_params *params, const ayf_model_card *card,
                             const char *out);

#endif
