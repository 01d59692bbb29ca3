/* dataset.json: the classes of pictures by name, as the tools of EDM and StyleGAN write them.
 *
 *     ayf_labels labels = {.ctx = ctx, .names = names, .count = count, .labels = out};
 *     status = ayf_labels_read(&labels, "dataset.json", "", bytes, size);    // once per file
 *     if (status == AYF_OK) status = ayf_labels_end(&labels);
 *     use labels.classes
 *     ayf_labels_clear(&labels);
 */
#ifndef AYF_LABELS_H
#define AYF_LABELS_H

#include <jansson.h>

#include "io/classes.h"

typedef struct ayf_labels {
    ayf_context *ctx;
    bool quiet;               /* no lines to the log */
    const char *const *names; /* of the pictures, relative, with forward slashes, sorted bytewise */
    size_t count;
    int *labels;         /* [count], filled by ayf_labels_end(); -1 = none. The caller's */
    ayf_classes classes; /* their number and names, when the files tell more than the labels; no pictures */
    bool present;        /* false: "labels" is null or absent everywhere */
    size_t strangers;    /* labels of pictures that are not there */
    char *stranger;      /* the name in one of them; NULL: none */
    /* Inner state. */
    json_t *texts; /* {text: its number}: labels that are texts */
    bool started, numbers;
} ayf_labels;

/* Reads {"labels": [[name, class], ...]} or {"labels": {name: class, ...}}. Names are those of pictures below
 * `folder` ("": the top; "set/"), with or without "./"; when no name is that of a picture, those without
 * folders are. A class is a whole number below AYF_MAX_CLASSES (1, 1.0, "1"), a one-hot vector or a name;
 * null is none. Names are numbered in the order of "classes" or "class_names", a list of names or
 * {name: number} or {number: name}, else in bytewise order.
 *
 * AYF_E_FORMAT for text that is not such JSON, for other classes, for a picture with two of them, and for a
 * file that names no picture. `file` is for messages. */
ayf_status ayf_labels_read(ayf_labels *labels, const char *file, const char *folder, const void *bytes,
                           size_t size);

/* Numbers the names. AYF_E_FORMAT when names and numbers are mixed or a name is not among the classes. */
ayf_status ayf_labels_end(ayf_labels *labels);

void ayf_labels_clear(ayf_labels *labels); /* fine at any time */

#endif
