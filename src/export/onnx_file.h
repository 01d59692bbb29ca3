/* An ONNX model while it is written: nodes, initializers, inputs and outputs. Failures stick; ayf_onnx_write()
 * reports them.
 *
 *     ayf_onnx_ints(f, "pads", pads, 4);                    // attributes of the node that comes next
 *     ayf_onnx_fresh(f, "conv", out);
 *     ayf_onnx_node(f, "Conv", out, x, weight, NULL);
 *
 * Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. */
#ifndef AYF_EXPORT_ONNX_FILE_H
#define AYF_EXPORT_ONNX_FILE_H

#include "export/export.h"
#include "io/protobuf.h"

enum {
    AYF_ONNX_NAME = 192, /* bytes of the name of a tensor */
    AYF_ONNX_OPSET = 17,
    AYF_ONNX_RANK = 8, /* of a tensor, at most */
};

typedef enum ayf_onnx_type {
    AYF_ONNX_FLOAT = 1,
    AYF_ONNX_INT64 = 7,
    AYF_ONNX_FLOAT16 = 10,
    AYF_ONNX_BFLOAT16 = 16
} ayf_onnx_type;

typedef struct ayf_onnx {
    ayf_context *ctx;
    ayf_export_dtype dtype; /* of large initializers */
    ayf_text nodes, initializers, inputs, outputs, metadata;
    ayf_text attributes; /* of the next node */
    uint64_t *known;     /* hashes of the names of initializers */
    size_t known_count, known_capacity;
    uint32_t fresh;
    ayf_status status;
} ayf_onnx;

void ayf_onnx_begin(ayf_onnx *f, ayf_context *ctx, ayf_export_dtype dtype);
void ayf_onnx_end(ayf_onnx *f); /* frees */

/* The first failure of AYF_E_INTERNAL: what cannot be written. */
void ayf_onnx_fail(ayf_onnx *f, const char *what);

/* A name that no other tensor has. */
void ayf_onnx_fresh(ayf_onnx *f, const char *prefix, char name[AYF_ONNX_NAME]);

void ayf_onnx_int(ayf_onnx *f, const char *attribute, int64_t value);
void ayf_onnx_ints(ayf_onnx *f, const char *attribute, const int64_t *values, int count);
void ayf_onnx_string(ayf_onnx *f, const char *attribute, const char *value);

/* A node with one output and up to three inputs; an unused one is NULL, one left out "". */
void ayf_onnx_node(ayf_onnx *f, const char *op, const char *out, const char *a, const char *b, const char *c);

/* Initializers; one of a name that is known is not written again. */
bool ayf_onnx_knows(const ayf_onnx *f, const char *name);
void ayf_onnx_weight(ayf_onnx *f, const char *name, const int64_t *dims, int rank, const float *values);
void ayf_onnx_scalar(ayf_onnx *f, double value, char name[AYF_ONNX_NAME]);
void ayf_onnx_i64(ayf_onnx *f, const int64_t *values, int count, char name[AYF_ONNX_NAME]);

/* An input or output; a size of -1 is any number, the same in all. */
void ayf_onnx_port(ayf_onnx *f, bool output, const char *name, ayf_onnx_type type, const int64_t *dims,
                   int rank);
void ayf_onnx_meta(ayf_onnx *f, const char *key, const char *value);

/* Writes the file, atomically. AYF_E_USAGE: it would have 2 GiB or more, which protobuf does not allow. */
ayf_status ayf_onnx_write(ayf_onnx *f, const char *path, const char *graph_name, const char *doc);

#endif
