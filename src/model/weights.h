/* The weights of one network in a backend's memory, shared by all programs that use it. */
#ifndef AYF_WEIGHTS_H
#define AYF_WEIGHTS_H

#include "exec/program.h"
#include "io/safetensors.h"
#include "nn/spec.h"
#include "nn/params.h"

typedef struct ayf_weights {
    ayf_backend *backend;
    ayf_model_spec spec;
    ayf_params *params;
    ayf_buffer **at; /* parallel to params->at, in the graph's layout */
    ayf_st *from;    /* where the buffers are read; NULL: they are in memory */
} ayf_weights;

/* Zeros. AYF_E_MEMORY before anything large is allocated when the machine has less memory than they take. */
ayf_status ayf_weights_new(ayf_backend *backend, const ayf_model_spec *spec, ayf_weights **out);
/* Buffers that `read` reads, which gets these weights; `from` is shared. */
ayf_status ayf_weights_new_read(ayf_backend *backend, const ayf_model_spec *spec, ayf_st *from,
                                ayf_buffer_read *read, ayf_weights **out);
/* Whether there is memory for `copies` more of the network's size; the message names the network's size. */
ayf_status ayf_weights_check_memory(const ayf_weights *w, int copies);
uint64_t ayf_weights_bytes(const ayf_weights *w);           /* NULL: 0 */
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

/* The tensors of the network of `spec` from an open file; others in it are left alone. Missing, misshapen and
 * non-finite ones are AYF_E_FORMAT; `whose` says in the message what needs them ("the model in the
 * metadata"). Nothing large is allocated before all shapes are right. A file whose values are read anew
 * (ayf_st_open_values) is shared: the weights are read once here, and again by the programs that need them, and are
 * in memory no longer than these programs hold them. The caller owns *out, NULL after a failure. */
ayf_status ayf_weights_read(ayf_backend *backend, ayf_st *st, const ayf_model_spec *spec, const char *whose,
                            ayf_weights **out);

#endif
