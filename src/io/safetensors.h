/* safetensors files, read strictly and written so that the bytes are a pure function of the content.
 *
 *   ayf_st *st;
 *   AYF_TRY(ayf_st_open(ctx, "model.safetensors", &st));
 *   const ayf_st_tensor *w = ayf_st_get(st, "unet.out_conv.weight"); // NULL: error names file and near names
 *   AYF_TRY(ayf_st_read_f32(st, "unet.out_conv.weight", values, count));
 *   ayf_st_close(st);
 *
 *   ayf_st_writer *w;
 *   AYF_TRY(ayf_st_write_begin(ctx, &w));
 *   ayf_st_write_meta(w, "role", "student");
 *   ayf_st_write_tensor(w, "unet.out_gain", AYF_ST_F32, 0, NULL, &gain);
 *   AYF_TRY(ayf_st_write_end(w, "model.safetensors"));   // reports what failed before, too
 *
 * Format: https://huggingface.co/docs/safetensors. Data is row-major and little-endian.
 */
#ifndef AYF_IO_SAFETENSORS_H
#define AYF_IO_SAFETENSORS_H

#include "base/base.h"

/* X(name in the file, bytes per element) */
#define AYF_ST_DTYPES(X) X(F32, 4) X(F16, 2) X(BF16, 2) X(F64, 8) X(I64, 8) X(U8, 1)

typedef enum ayf_st_dtype {
#define AYF_ROW(name, size) AYF_ST_##name,
    AYF_ST_DTYPES(AYF_ROW)
#undef AYF_ROW
} ayf_st_dtype;

size_t ayf_st_dtype_size(ayf_st_dtype dtype);
const char *ayf_st_dtype_name(ayf_st_dtype dtype);

enum { AYF_ST_MAX_RANK = 8 };

typedef struct ayf_st_tensor { /* read-only view, valid until ayf_st_close() */
    const char *name;
    ayf_st_dtype dtype;
    int rank; /* 0 = scalar, one element */
    int64_t shape[AYF_ST_MAX_RANK];
    size_t count;     /* elements; 0 when a dimension is 0 */
    const void *data; /* count elements, not necessarily aligned to their size: memcpy. NULL: not in memory */
} ayf_st_tensor;

typedef struct ayf_st ayf_st;

/* Reads and validates everything: after AYF_OK no accessor can meet a bad offset. A file that breaks a rule
 * is AYF_E_FORMAT with a message that names the file, the tensor and the rule. So is one whose bytes are not
 * those that its checksums (io/safetensors_sum.h) are of; a file without checksums is not asked for them. */
ayf_status ayf_st_open(ayf_context *ctx, const char *path, ayf_st **st);

/* Reads the length and the header and nothing behind them, so of the checksums only the header's is compared.
 * Refuses what ayf_st_open() refuses, in the same words; then `data` of every tensor is NULL and the
 * functions that read values are AYF_E_INTERNAL. */
ayf_status ayf_st_open_header(ayf_context *ctx, const char *path, ayf_st **st);

/* Reads the same, and leaves the values in the file, which stays open: `data` of every tensor is NULL, and the functions
 * that read values read the tensor anew each time. Its checksum is compared then. Bytes that are not those that were read
 * the first time are AYF_E_FORMAT. */
ayf_status ayf_st_open_values(ayf_context *ctx, const char *path, ayf_st **st);
bool ayf_st_reads_anew(const ayf_st *st);

/* Another owner: ayf_st_close() is then called once more. */
ayf_st *ayf_st_share(ayf_st *st);

/* As ayf_st_open() for a file in memory; `name` stands for the path in messages. The bytes are copied. */
ayf_status ayf_st_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, ayf_st **st);

void ayf_st_close(ayf_st *st); /* NULL is fine */

const char *ayf_st_path(const ayf_st *st);
size_t ayf_st_count(const ayf_st *st);
const ayf_st_tensor *ayf_st_at(const ayf_st *st, size_t index);       /* in the order of the data */
const ayf_st_tensor *ayf_st_find(const ayf_st *st, const char *name); /* NULL when there is none; no error */
const ayf_st_tensor *ayf_st_get(const ayf_st *st, const char *name);  /* NULL with AYF_E_FORMAT recorded */

/* Metadata: string -> string, sorted by key, without the checksums. */
const char *ayf_st_meta(const ayf_st *st, const char *key); /* NULL when absent */
size_t ayf_st_meta_count(const ayf_st *st);
void ayf_st_meta_at(const ayf_st *st, size_t index, const char **key, const char **value);

/* Converts a F32, F16, BF16 or F64 tensor of exactly `count` elements to float (F64 rounds to nearest). */
ayf_status ayf_st_read_f32(const ayf_st *st, const char *name, float *out, size_t count);

/* Copies an I64 tensor of exactly `count` elements. */
ayf_status ayf_st_read_i64(const ayf_st *st, const char *name, int64_t *out, size_t count);

/* AYF_E_FORMAT naming the tensor and the first element that is NaN or infinite. Integer tensors pass. */
ayf_status ayf_st_check_finite(const ayf_st *st, const char *name);

typedef struct ayf_st_writer ayf_st_writer;

ayf_status ayf_st_write_begin(ayf_context *ctx, ayf_st_writer **writer);

/* Key and value are copied and must be UTF-8. A key set twice is an error. */
ayf_status ayf_st_write_meta(ayf_st_writer *writer, const char *key, const char *value);

/* Name and shape are copied; `data` is borrowed until ayf_st_write_end() and holds the product of the shape
 * elements of `dtype`. shape may be NULL when rank is 0. */
ayf_status ayf_st_write_tensor(ayf_st_writer *writer, const char *name, ayf_st_dtype dtype, int rank,
                               const int64_t *shape, const void *data);

/* The same of what is too large to be held: `make` writes the bytes of tensor `index` of `from` to `out`, twice
 * and equal, before ayf_st_write_end() returns. Its failure is that of ayf_st_write_end(), and nothing is
 * written then. */
typedef ayf_status ayf_st_make(const void *from, int index, void *out);
ayf_status ayf_st_write_made(ayf_st_writer *writer, const char *name, ayf_st_dtype dtype, int rank,
                             const int64_t *shape, ayf_st_make *make, const void *from, int index);

/* Writes `path` atomically (io/file.h) and frees the writer, whatever it returns. Tensors are ordered by
 * falling element size, then by name; metadata by key; the header is padded with spaces to 8 bytes. The
 * metadata get checksums (io/safetensors_sum.h). */
ayf_status ayf_st_write_end(ayf_st_writer *writer, const char *path);
void ayf_st_write_cancel(ayf_st_writer *writer); /* frees; NULL is fine */

#endif
