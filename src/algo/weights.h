/* The weights of one network in a backend's memory, shared by all programs that use it, and model files.
 *
 * A model file is a safetensors file with EDM2's names and shapes (nn/params.h) and everything needed to use
 * it in the metadata: see ayf_model_card. */
#ifndef AYF_WEIGHTS_H
#define AYF_WEIGHTS_H

#include "exec/program.h"
#include "io/safetensors.h"
#include "nn/model.h"
#include "nn/params.h"

typedef struct ayf_weights {
    ayf_backend *backend;
    ayf_model_spec spec;
    ayf_params *params;
    ayf_buffer **at; /* parallel to params->at, in the graph's layout */
} ayf_weights;

ayf_status ayf_weights_new(ayf_backend *backend, const ayf_model_spec *spec, ayf_weights **out); /* zeros */
void ayf_weights_free(ayf_weights *w);                      /* NULL is fine */
ayf_status ayf_weights_init(ayf_weights *w, uint64_t seed); /* ayf_param_init for all */

/* Every parameter of `to` that `from` has under the same name and shape is copied; the others keep their
 * values. A student gets its teacher's weights this way. */
ayf_status ayf_weights_copy(ayf_weights *to, const ayf_weights *from) AYF_MUST_CHECK;

/* Continues `hash` (AYF_HASH_START to begin) over all values: equal weights give equal hashes. */
ayf_status ayf_weights_hash(const ayf_weights *w, uint64_t *hash);

/* Binds the leaves `scope` + name (e.g. "student.", "student.ema.") of the program that exist; a leaf with
 * another size is an error. */
ayf_status ayf_weights_bind(const ayf_weights *w, ayf_program *program, const char *scope);

/* The tensors of the network of `spec` from an open file; others in it are left alone. Missing, misshapen and non-finite
 * ones are AYF_E_FORMAT; `whose` says in the message what needs them ("the model in the metadata"). Nothing large is
 * allocated before all shapes are right. The caller owns *out, NULL after a failure. */
ayf_status ayf_weights_read(ayf_backend *backend, const ayf_st *st, const ayf_model_spec *spec,
                            const char *whose, ayf_weights **out);

typedef enum ayf_model_role {
    AYF_ROLE_TEACHER,
    AYF_ROLE_STUDENT,
    AYF_ROLE_DISCRIMINATOR, /* this and the next two: the only role of their kinds of network */
    AYF_ROLE_FEATURES,
    AYF_ROLE_INCEPTION,
} ayf_model_role;
const char *ayf_model_role_name(ayf_model_role role); /* "teacher", ... */

/* What a model file says besides its weights; strings are owned by the card. */
typedef struct ayf_model_card {
    ayf_model_role role;
    double sigma_data;                 /* pixels in [-1,1] were divided by this */
    double guidance_min, guidance_max; /* trained range; both 1 when there is none */
    uint64_t step;                     /* training steps behind it */
    char *data;                        /* name of the data set, "" unknown */
    char *config;                      /* resolved YAML configuration it was trained with, "" unknown */
    char *accuracy; /* features: "97.90 % of 10000 samples of ..." are classified rightly; NULL: not known */
} ayf_model_card;
void ayf_model_card_free(ayf_context *ctx, ayf_model_card *card);

#define AYF_MODEL_FORMAT "ayf-model" /* metadata "format" of a model file */

/* Atomic; equal weights and cards give equal bytes. Weights that are not finite are AYF_E_DIVERGED;
 * then, and when they cannot be read, nothing is written. */
ayf_status ayf_model_write(const char *path, const ayf_weights *w, const ayf_model_card *card);

/* Strict: missing, additional, misshapen or non-finite tensors and unknown or missing metadata are errors
 * (AYF_E_FORMAT) that name the file and the tensor or key. Tensors may be F32, F16, BF16 or F64. The caller
 * owns *w and the card's strings; on failure there is nothing to free. */
ayf_status ayf_model_read(ayf_backend *backend, const char *path, ayf_weights **w, ayf_model_card *card);
/* The same for a network that makes samples (ayf_model_is_flow()); any other kind is AYF_E_USAGE. */
ayf_status ayf_model_read_flow(ayf_backend *backend, const char *path, ayf_weights **w, ayf_model_card *card);

#endif
