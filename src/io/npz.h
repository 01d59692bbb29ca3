/* Archives of arrays as numpy.savez() and numpy.savez_compressed() write them: a ZIP whose members NAME.npy are stored
 * or deflated.
 *
 *     ayf_npz *file;
 *     ayf_npy mean;
 *     AYF_TRY(ayf_npz_open(ctx, "stats.npz", &file));
 *     ayf_status status = ayf_npz_look(file, "mu", &mean);                  // type and shape alone
 *     if (status == AYF_OK) status = ayf_npz_read(file, "mu", 1 << 20, &mean); // mean.data: ayf_npy_clear()
 *     ayf_npz_close(file);
 */
#ifndef AYF_IO_NPZ_H
#define AYF_IO_NPZ_H

#include "io/npy.h"

typedef struct ayf_npz ayf_npz;

/* AYF_E_IO: cannot be read; AYF_E_FORMAT: not a regular file, not a ZIP. The file stays open. */
ayf_status ayf_npz_open(ayf_context *ctx, const char *path, ayf_npz **out);
void ayf_npz_close(ayf_npz *file); /* NULL is fine */

bool ayf_npz_has(const ayf_npz *file, const char *key);

/* Type and shape of an array; data stays NULL. AYF_E_FORMAT "path: 'key': ...": it is missing (the keys that are there
 * are named), encrypted, compressed otherwise, of a type that is not read, or lies about its size. */
ayf_status ayf_npz_look(ayf_npz *file, const char *key, ayf_npy *array);

/* The same with the data. An array of more than `limit` bytes is AYF_E_FORMAT before memory is taken. A damaged array
 * (checksum) is AYF_E_FORMAT. */
ayf_status ayf_npz_read(ayf_npz *file, const char *key, size_t limit, ayf_npy *array);

typedef struct ayf_npz_member {
    const char *key;
    ayf_npy array; /* type, rank, shape and data; borrowed */
} ayf_npz_member;

/* Writes the arrays uncompressed, as numpy.savez() does, atomically (ayf_file_write). The same arrays give the same
 * bytes. Takes memory for the whole file once more. */
ayf_status ayf_npz_write(ayf_context *ctx, const char *path, const ayf_npz_member *members, size_t count);

#endif
