/* A collection of named files - a folder or a ZIP - and the picture source on top of it. */
#ifndef AYF_ARCHIVE_H
#define AYF_ARCHIVE_H

#include "data/source.h"

typedef struct ayf_archive ayf_archive;

typedef struct ayf_archive_entry {
    char *name; /* relative, with forward slashes; owned */
    uint64_t where;
    uint64_t size; /* of the file, unpacked; 0: not known */
} ayf_archive_entry;

struct ayf_archive {
    ayf_context *ctx;
    char *name; /* for messages; owned */
    char *note; /* as in ayf_source; owned */
    ayf_image_reading reading;
    ayf_archive_entry *entries;
    size_t count, capacity;
    char **folders; /* that are listed, empty ones among them: relative, ending in a slash; owned */
    size_t folder_count, folder_capacity;
    /* Reads one entry of at most `most` bytes whole (*bytes: ayf_free). Failures begin with the entry's name. */
    ayf_status (*read)(ayf_archive *archive, const ayf_archive_entry *entry, size_t most, void **bytes,
                       size_t *size);
    /* What the entries are that are no pictures, for "holds no pictures: <words>"; false: nothing is known. */
    bool (*explain)(ayf_archive *archive, const ayf_archive_entry *entry, char *words, size_t size);
    void (*close)(ayf_archive *archive); /* frees what is the kind's own */
    void *state;
};

/* Takes a copy of `name`. */
ayf_status ayf_archive_add(ayf_archive *archive, const char *name, uint64_t where, uint64_t size);
ayf_status ayf_archive_add_folder(ayf_archive *archive, const char *name); /* a hidden one is ignored */
void ayf_archive_close(ayf_archive *archive);

/* Sorts the entries, keeps the pictures - or the .npy files, when there are no pictures or spec->latents asks for them -,
 * and reads the labels if spec->labels. Owns `archive` from here on, on
 * failure too. */
ayf_status ayf_source_from_archive(ayf_archive *archive, const ayf_dataset_spec *spec, ayf_source **out);

enum { AYF_ARCHIVE_MAX_ENTRY = 1 << 28 };

#endif
