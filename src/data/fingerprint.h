/* What identifies a data set, whatever it is called and wherever it lies: sizes, labels, pixels.
 *
 *     ayf_fingerprint now, then;
 *     char words[AYF_FINGERPRINT_WORDS];
 *     AYF_TRY(ayf_dataset_fingerprint(data, &now));
 *     if (ayf_fingerprint_parse(stored, &then) && ayf_fingerprint_differs(&then, &now, words))
 *         ...   // words: "60000 pictures instead of 50000"
 */
#ifndef AYF_FINGERPRINT_H
#define AYF_FINGERPRINT_H

#include "data/dataset.h"

enum {
    AYF_FINGERPRINT_SAMPLES = 256, /* whose content is hashed */
    AYF_FINGERPRINT_TEXT = 160,    /* bytes that the text form fits in */
    AYF_FINGERPRINT_WORDS = 256,
};

typedef struct ayf_fingerprint {
    uint64_t count;
    int height, width, channels; /* 1, 1, 2: points */
    int classes;                 /* 0: without labels */
    uint64_t labels;             /* hash of all labels; 0 without */
    /* Hash of the samples (i (count - 1)) / (n - 1), i = 0 ... n - 1, n = min(count, AYF_FINGERPRINT_SAMPLES),
     * in the shape that the spec of the data set asks for. */
    uint64_t content;
} ayf_fingerprint;

/* Of an open data set: two that are opened by the same spec but for the path can be compared. Fails when a
 * sample cannot be read. */
ayf_status ayf_dataset_fingerprint(ayf_dataset *data, ayf_fingerprint *out);

/* One line without a newline: "count 50000 size 32x32x3 classes 10 labels <16 hex> content <16 hex>". */
void ayf_fingerprint_print(const ayf_fingerprint *f, char text[AYF_FINGERPRINT_TEXT]);

/* Reads that line. False when the text is anything else; *f is then undefined. */
bool ayf_fingerprint_parse(const char *text, ayf_fingerprint *f);

/* Whether the two are different data. If so `words` says how, as part of a sentence: "10 classes instead of
 * 3", "the pictures differ". */
bool ayf_fingerprint_differs(const ayf_fingerprint *then, const ayf_fingerprint *now,
                             char words[AYF_FINGERPRINT_WORDS]);

#endif
