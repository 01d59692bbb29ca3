/* Arrays as NumPy writes them: the .npy format, versions 1.0 to 3.0.
 *
 * Read are '<f4', '<f8', '|u1', '<i4' and '<i8' in C order. Every other type, Fortran order and pickled objects are
 * AYF_E_FORMAT with a message that names the type and says how to save the array again. A header has at most
 * AYF_NPY_HEADER_MOST bytes, and the data must be exactly as long as the shape says. */
#ifndef AYF_IO_NPY_H
#define AYF_IO_NPY_H

#include "base/base.h"

typedef enum ayf_npy_type { AYF_NPY_F32, AYF_NPY_F64, AYF_NPY_U8, AYF_NPY_I32, AYF_NPY_I64 } ayf_npy_type;

enum { AYF_NPY_MAX_RANK = 8, AYF_NPY_HEADER_MOST = 65536 };

typedef struct ayf_npy {
    ayf_npy_type type;
    int rank; /* 0: a single number */
    size_t shape[AYF_NPY_MAX_RANK];
    size_t count; /* of the elements */
    size_t bytes; /* of all elements */
    void *data;   /* [count] of the type, in the byte order of this machine; ayf_npy_clear() frees it */
} ayf_npy;

/* Type and shape for a message, "<f4 (3, 8, 8)", cut to `size` bytes. */
void ayf_npy_describe(const ayf_npy *array, char *text, size_t size);

/* Reads the header at the beginning of bytes[size]. *header receives its length: the data follow it. size may be
 * smaller than the file; AYF_E_FORMAT "name: ..." when the header does not fit in it. array->data stays NULL. */
ayf_status ayf_npy_header(ayf_context *ctx, const char *name, const void *bytes, size_t size, ayf_npy *array,
                          size_t *header);

/* Writes the header of an array of array->type, rank and shape to `out`, padded to a multiple of 64 bytes. Returns its
 * length, at most AYF_NPY_WRITTEN_MOST. Sets array->count and array->bytes; 0: the shape is larger than memory. */
enum { AYF_NPY_WRITTEN_MOST = 384 };
size_t ayf_npy_write_header(ayf_npy *array, char out[AYF_NPY_WRITTEN_MOST]);

/* Element i as a number; exact up to 2^53. */
double ayf_npy_number(const ayf_npy *array, size_t i);

void ayf_npy_clear(ayf_context *ctx, ayf_npy *array);

#endif
