/* Model files: safetensors files with EDM2's names and shapes (nn/params.h) and everything needed to use them
 * in the metadata: see ayf_model_card. */
#ifndef AYF_MODEL_FILE_H
#define AYF_MODEL_FILE_H

#include "io/safetensors.h"
#include "model/card.h"
#include "model/weights.h"

#define AYF_MODEL_FORMAT "ayf-model" /* metadata "format" of a model file */

/* Atomic; equal weights and cards give equal bytes. Weights that are not finite are AYF_E_DIVERGED;
 * then, and when they cannot be read, nothing is written. */
ayf_status ayf_model_write(const char *path, const ayf_weights *w, const ayf_model_card *card);
/* The same of values in file layout, those of one parameter behind those of another, in the order of `params`. */
ayf_status ayf_model_write_values(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                                  const ayf_params *params, const float *values, const ayf_model_card *card);

/* Adds all tensors of a network to a file, `prefix` before their names. They are read from the backend one by one,
 * when the file is written: one that is not finite is AYF_E_DIVERGED then, with `path` in the message. */
typedef struct ayf_weights_out {
    const ayf_weights *weights;
    const char *path;
    float *room; /* ayf_params_largest() floats */
} ayf_weights_out;
/* `out` must outlive the writer. */
ayf_status ayf_weights_put(ayf_st_writer *writer, const ayf_weights_out *out, const char *prefix);

/* The metadata of a card, in a file of another format too. */
ayf_status ayf_model_card_put(ayf_context *ctx, ayf_st_writer *writer, const char *format,
                              const ayf_model_spec *spec, const ayf_model_card *card);
/* Reads them from a file whose format is known, and which has the key `more` besides. Otherwise as
 * ayf_model_card_of(). */
ayf_status ayf_model_card_beside(ayf_context *ctx, const ayf_st *st, const char *more, ayf_model_spec *spec,
                                 ayf_model_card *card);

/* Strict: missing, additional, misshapen or non-finite tensors and unknown or missing metadata are errors
 * (AYF_E_FORMAT) that name the file and the tensor or key. Tensors may be F32, F16, BF16 or F64. The caller
 * owns *w and the card's strings; on failure there is nothing to free. */
ayf_status ayf_model_read(ayf_backend *backend, const char *path, ayf_weights **w, ayf_model_card *card);
/* The card and the network; the weights stay on the disk: a file that exists under its final name is
 * complete. `spec` may be NULL. Errors in the metadata as above; the caller owns the card's strings. */
ayf_status ayf_model_read_card(ayf_context *ctx, const char *path, ayf_model_spec *spec,
                               ayf_model_card *card);
/* The same of a file that is open, if only its header (ayf_st_open_header()). */
ayf_status ayf_model_card_of(ayf_context *ctx, const ayf_st *st, ayf_model_spec *spec, ayf_model_card *card);
/* The same as ayf_model_read() for a network that makes samples (ayf_model_is_flow()); any other kind is
 * AYF_E_USAGE. */
ayf_status ayf_model_read_flow(ayf_backend *backend, const char *path, ayf_weights **w, ayf_model_card *card);
/* The same of a file that is open. */
ayf_status ayf_model_flow_of(ayf_backend *backend, ayf_st *st, ayf_weights **w, ayf_model_card *card);

#endif
