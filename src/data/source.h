/* What a data set is read from. A source knows how many pictures there are, their labels and how to fetch one
 * as it is stored; dataset.c does the rest (channels, crop, resize, cache, order). */
#ifndef AYF_SOURCE_H
#define AYF_SOURCE_H

#include "data/dataset.h"
#include "image/image.h"

/* ---- Problems: many bad files, one message ---- */

typedef struct ayf_problems { /* {.ctx = ctx} to begin */
    ayf_context *ctx;
    bool quiet; /* no lines to the log */
    size_t count, shown;
    ayf_status status;
    char text[640];
    size_t used;
} ayf_problems;

/* Takes over the failure recorded last ("file: reason"). False for AYF_E_MEMORY, which no list can hold: the
 * caller returns it at once. */
bool ayf_problems_add(ayf_problems *problems);

/* AYF_OK when there were none, else "name: 3 of 50 <what> cannot be used: a: ...; b: ...; c: ...". */
ayf_status ayf_problems_report(ayf_problems *problems, const char *name, size_t total, const char *what);

/* ---- Sources ---- */

typedef struct ayf_source ayf_source;

struct ayf_source {
    ayf_context *ctx;
    size_t count;
    int *labels; /* [count], -1 = this one has none; NULL = the source has none. Freed by ayf_source_close */
    bool pad_28; /* 28 x 28 pictures become 32 x 32 */
    bool generated; /* always good: nothing to check, drawn when asked for */
    /* The picture `index` as stored; header_only fills the shape alone. Failures begin with the item's name.
     */
    ayf_status (*fetch)(ayf_source *source, size_t index, bool header_only, ayf_image *image);
    /* Puts the name of an item into text. */
    void (*item)(const ayf_source *source, size_t index, char *text, size_t size);
    void (*close)(ayf_source *source); /* frees what is the kind's own */
};

void ayf_source_close(ayf_source *source); /* NULL is fine */

/* Brings a picture as stored to the shape that the spec asks for, in place. */
ayf_status ayf_source_shape(const ayf_source *source, const ayf_dataset_spec *spec, ayf_image *image);

/* Opens the file or folder spec->source of any kind, told apart by its content and name. */
ayf_status ayf_source_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out);

/* Each opens one kind and reads its labels if spec->labels (then having none at all is an error).
 * spec->memory bounds the bytes of an unpacked file. */
ayf_status ayf_source_open_idx(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out);
ayf_status ayf_source_open_cifar(ayf_context *ctx, const char *const *paths, size_t count,
                                 const ayf_dataset_spec *spec, ayf_source **out);
ayf_status ayf_source_open_folder(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                                  ayf_source **out);
ayf_status ayf_source_open_zip(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out);
ayf_status ayf_source_open_shapes(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out);

/* The same from memory; `bytes` must outlive the source. */
ayf_status ayf_source_open_zip_memory(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                                      const ayf_dataset_spec *spec, ayf_source **out);

/* A data set over any source, which it then owns, on failure too. */
ayf_status ayf_dataset_from_source(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source *source,
                                   ayf_dataset **out);

/* ---- Pieces that tests and fuzzers reach directly ---- */

typedef struct ayf_idx {
    size_t count;
    int height, width; /* 1, 1 for labels */
    const unsigned char *data;
} ayf_idx;

/* rank 3 (pictures) or 1 (labels). idx->data points into bytes. */
ayf_status ayf_idx_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                         int rank, ayf_idx *idx);

typedef struct ayf_label {
    char *name;
    int label;
} ayf_label;

typedef struct ayf_labels { /* sorted by name */
    ayf_label *items;
    size_t count;
    bool present; /* false: "labels" is null or absent */
} ayf_labels;

/* Reads {"labels": [[name, class], ...]} or {"labels": {name: class, ...}}. Names and classes are checked,
 * duplicates refused, backslashes in names become slashes. `quiet` as in ayf_dataset_spec. */
ayf_status ayf_labels_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, bool quiet,
                            ayf_labels *labels);
int ayf_labels_find(const ayf_labels *labels, const char *name); /* -1 = none */
void ayf_labels_clear(ayf_context *ctx, ayf_labels *labels);

enum { AYF_MAX_CLASSES = 65536 };

#endif
