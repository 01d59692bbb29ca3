/* The classes of a data set: their names and how many pictures each has. A model file keeps those that it was
 * trained with as one line of text. */
#ifndef AYF_IO_CLASSES_H
#define AYF_IO_CLASSES_H

#include "base/base.h"

enum { AYF_MAX_CLASSES = 65536 };

typedef struct ayf_classes { /* all zero: none, or nothing is known of them */
    int count;
    char **names;       /* [count], printable UTF-8, different from each other; NULL: they have no names */
    uint64_t *pictures; /* [count], not all 0; NULL: not known */
} ayf_classes;

void ayf_classes_clear(ayf_context *ctx, ayf_classes *classes);

/* Gives the classes the names from[0 ... count - 1] instead of those that they have. Bytes that are not UTF-8
 * and control characters become '?'. Names that are empty or occur twice are told apart by their number. */
ayf_status ayf_classes_name(ayf_context *ctx, ayf_classes *classes, const char *const *from, int count);

/* *to (undefined before) owns a copy. */
ayf_status ayf_classes_copy(ayf_context *ctx, const ayf_classes *from, ayf_classes *to);

/* {"count": 2, "names": ["cat", "dog"], "pictures": [30, 12]} on one line; NULL: no memory. Owned by the
 * caller (ayf_free). */
char *ayf_classes_print(ayf_context *ctx, const ayf_classes *classes);

/* Reads that text into *classes (undefined before, owned by the caller after a success). AYF_E_FORMAT says
 * what is wrong with it; the caller puts in front where it stands. */
ayf_status ayf_classes_parse(ayf_context *ctx, const char *text, ayf_classes *classes);

/* Whether class `index` has a picture; true when nothing is known. */
bool ayf_classes_present(const ayf_classes *classes, int index);
int ayf_classes_empty(const ayf_classes *classes); /* how many have none */

/* The classes without a picture as text: "0, 5-7, 12"; cut with "..." where `size` bytes do not hold it. */
void ayf_classes_list_empty(const ayf_classes *classes, char *text, size_t size);

/* One of `count` classes, chosen by 32 random bits, among those that have a picture: each as often as the
 * others, or as often as it has pictures if by_share. `classes` may be NULL or know nothing: then all are
 * equal. Sets in which all classes are equal give the same class either way. */
int ayf_classes_draw(const ayf_classes *classes, int count, bool by_share, uint32_t bits);

/* The n-th of those that have a picture, counted from 0 and round and round. */
int ayf_classes_nth(const ayf_classes *classes, int count, int n);

#endif
