/* What a file is that is not what was expected, told by its content and not by its name. */
#ifndef AYF_IO_KIND_H
#define AYF_IO_KIND_H

#include "base/base.h"

/* Kinds that data sets come in. */
typedef enum ayf_kind_use {
    AYF_KIND_FOREIGN,
    AYF_KIND_ZIP,
    AYF_KIND_NPZ,
    AYF_KIND_IDX,
    AYF_KIND_FONT
} ayf_kind_use;

typedef struct ayf_kind {
    const char *name;     /* "a Python pickle (.pkl, .pt, .pth)" */
    const char *as_data;  /* the way out for who took it for data; NULL: only the general one */
    const char *as_model; /* the same for who took it for a model */
    const char
        *as_picture; /* the same for who took it for a picture, as the end of "is <name>"; NULL as above */
    ayf_kind_use use;
} ayf_kind;

enum { AYF_KIND_HEAD = 4096 }; /* bytes of a file that tell everything there is to tell */

/* By the first bytes, at most AYF_KIND_HEAD; of gzip data the content counts. NULL: unknown, or a
 * safetensors file. */
const ayf_kind *ayf_kind_of(const unsigned char *head, size_t size);

/* The same of a regular file; anything else and a file that cannot be read are NULL, without a failure. */
const ayf_kind *ayf_kind_of_file(const char *path);

/* AYF_E_FORMAT with "<path>: is <name>, not a data set: <way out>", or the same of a model. */
ayf_status ayf_fail_kind_data(ayf_context *ctx, const char *path, const ayf_kind *kind);
ayf_status ayf_fail_kind_model(ayf_context *ctx, const char *path, const ayf_kind *kind);

#endif
