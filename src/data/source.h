/* What a data set is read from. A source knows how many pictures there are, their labels and how to fetch one
 * as it is stored; dataset.c does the rest (channels, crop, resize, cache, order). */
#ifndef AYF_SOURCE_H
#define AYF_SOURCE_H

#include "data/dataset.h"
#include "image/image.h"
#include "io/classes.h"

/* ---- Problems: many bad files, one message ---- */

typedef struct ayf_problems { /* {.ctx = ctx} to begin */
    ayf_context *ctx;
    bool quiet; /* no lines to the log */
    bool
        all; /* a line for each, as there may be no message at the end; else for those that it has no room for */
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

/* Of latents, which are arrays of floats and no pictures (data/latents.h). */
typedef struct ayf_latent_form {
    int height, width, channels; /* channels 0: the set holds pictures */
    bool spread;                 /* each latent is means and deviations about them */
    bool planes;                 /* stored as (C, H, W), not (H, W, C) */
} ayf_latent_form;

struct ayf_source {
    ayf_context *ctx;
    size_t count;
    int *labels; /* [count], -1 = this one has none; NULL = the source has none. Freed by ayf_source_close */
    ayf_classes classes; /* names and, with labels, the least number of classes; pictures are not counted */
    char *note;          /* what was chosen, for people: "takes train/; test/ is left out"; NULL: nothing */
    bool pad_28;         /* 28 x 28 pictures become 32 x 32 */
    size_t bytes;        /* of files that it keeps in memory */
    bool generated;      /* always good: nothing to check, drawn when asked for */
    /* The picture `index` as stored; header_only fills the shape alone. Failures begin with the item's name.
     */
    ayf_status (*fetch)(ayf_source *source, size_t index, bool header_only, ayf_image *image);
    ayf_latent_form latents;
    /* Latents, in place of `fetch`: number `index` as ayf_latent_unpack() gives it. `out` NULL: its form alone is
     * checked. Failures begin with the item's name. */
    ayf_status (*fetch_latent)(ayf_source *source, size_t index, float *out);
    /* Puts the name of an item into text. */
    void (*item)(const ayf_source *source, size_t index, char *text, size_t size);
    void (*close)(ayf_source *source); /* frees what is the kind's own */
};

void ayf_source_close(ayf_source *source); /* NULL is fine */

/* Adds a part to a note (a string of ayf_alloc() or NULL), after a semicolon when it has some. */
ayf_status ayf_note(ayf_context *ctx, char **note, const char *format, ...) AYF_PRINTF(3, 4);

/* A name of a file in a set without "./" and slashes of either kind in front. */
const char *ayf_plain_name(const char *name);

/* Brings a picture as stored to the shape that the spec asks for, in place. */
ayf_status ayf_source_shape(const ayf_source *source, const ayf_dataset_spec *spec, ayf_image *image);

/* Whether a set is made and not read: builtin:shapes, builtin:ring ..., but not builtin:emoji. */
bool ayf_source_is_drawn(const char *source);

/* Opens the file or folder spec->source of any kind, told apart by its content and name, or builtin:emoji. */
ayf_status ayf_source_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out);

/* Each opens one kind and reads its labels if spec->labels (then having none at all is an error).
 * spec->memory bounds the bytes of an unpacked file. */
ayf_status ayf_source_open_idx(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out);
/* CIFAR-10 or CIFAR-100 by the sizes of the files; names of classes from the files beside them. */
ayf_status ayf_source_open_cifar(ayf_context *ctx, const char *const *paths, size_t count,
                                 const ayf_dataset_spec *spec, ayf_source **out);
ayf_status ayf_source_open_folder(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                                  ayf_source **out);
ayf_status ayf_source_open_zip(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out);
/* Arrays of pictures and labels under the names that are usual. */
ayf_status ayf_source_open_npz(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                               ayf_source **out);
/* The colour pictures of a font (data/font.h), made square by borders of the background. Six classes. */
ayf_status ayf_source_open_font(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                                ayf_source **out);
/* The same of the installed NotoColorEmoji.ttf. AYF_E_IO: there is none. */
ayf_status ayf_source_open_emoji(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out);
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
    int height, width, channels; /* 1, 1, 1 for labels */
    int type;                    /* the element type of the header */
    size_t columns;              /* labels: numbers per label, of which the first is the class */
    const unsigned char *data;
} ayf_idx;

/* rank 3: pictures, bytes of (N, H, W), or of (N, H, W, C) with 1 or 3 channels. rank 1: labels, whole numbers
 * of any type, (N) or (N, columns). idx->data points into bytes. */
ayf_status ayf_idx_parse(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                         int rank, ayf_idx *idx);

#endif
