/* Structs that are described by rows: each row says where a member is, how it is written as text, what it may
 * be and what it means. Settings and the descriptions of networks are such structs.
 *
 *     static const ayf_field_row fields[] = {
 *         {"lr", AYF_FIELD_REAL, NULL, 0, offsetof(options, lr), "0.01", 0, 10, "learning rate"},
 *     };
 *     options o = {0};
 *     AYF_TRY(ayf_fields_default(ctx, fields, AYF_COUNT(fields), &o));
 *     status = ayf_field_set(ctx, &fields[0], "1e-3", &o);
 *     ayf_fields_free(ctx, fields, AYF_COUNT(fields), &o);      // when there are strings
 *
 * Messages name the row and the value, and say what would be right; the caller puts the place in front of
 * them (ayf_fail_prefix()). */
#ifndef AYF_BASE_FIELDS_H
#define AYF_BASE_FIELDS_H

#include "base/base.h"

enum {
    AYF_LIST_MAX = 8,
    AYF_FIELD_SIZE = 256, /* bytes that the text of any value but a string fits in */
};

typedef struct ayf_ints {
    int count;
    int at[AYF_LIST_MAX];
} ayf_ints;

typedef struct ayf_reals {
    int count;
    double at[AYF_LIST_MAX];
} ayf_reals;

/* Whole numbers may end in k, M, G (powers of 1000) or Ki, Mi, Gi (powers of 1024). Lists are "1,2,2" or "[1,
 * 2, 2]", and "" is the empty one. */
typedef enum ayf_field_type {
    AYF_FIELD_BOOL,   /* bool: true or false */
    AYF_FIELD_INT,    /* int */
    AYF_FIELD_INT64,  /* int64_t */
    AYF_FIELD_REAL,   /* double */
    AYF_FIELD_CHOICE, /* an enum: one of `choices` */
    AYF_FIELD_STRING, /* char *: never NULL after ayf_fields_default(), owned by the struct */
    AYF_FIELD_INTS,   /* ayf_ints */
    AYF_FIELD_REALS,  /* ayf_reals */
} ayf_field_type;

typedef struct ayf_field_row {
    const char *name;
    ayf_field_type type;
    /* CHOICE: a name per value of the enum; NULL for a value that nobody may choose. */
    const char *const *choices;
    int choice_count;
    size_t offset;    /* of the member in the struct */
    const char *text; /* the default */
    double low, high; /* of numbers and of the elements of a list, both included; an int's limits are ints */
    const char *help;
} ayf_field_row;

/* The row of this name, or -1. The first `skip` characters of the rows' names do not count. */
int ayf_field_find(const ayf_field_row *fields, size_t count, size_t skip, const char *name);

/* The name that is most like `name`, without its first `skip` characters; NULL when none is near. */
const char *ayf_field_nearest(const ayf_field_row *fields, size_t count, size_t skip, const char *name);

/* Sets every member to its default. Strings of `object` are NULL or owned by it before. `ctx` may be NULL
 * when no row is a string. Fails only when there is no memory; strings that were set by then are still owned
 * by `object`. */
ayf_status ayf_fields_default(ayf_context *ctx, const ayf_field_row *fields, size_t count, void *object);

/* Frees the strings and leaves NULL in their place. */
void ayf_fields_free(ayf_context *ctx, const ayf_field_row *fields, size_t count, void *object);

/* Sets one member from text. AYF_E_CONFIG when the text is not such a value; the member is then as it was. */
ayf_status ayf_field_set(ayf_context *ctx, const ayf_field_row *field, const char *text, void *object);

/* Whether ayf_field_set() would take the text: AYF_OK, or its AYF_E_CONFIG. */
ayf_status ayf_field_accepts(ayf_context *ctx, const ayf_field_row *field, const char *text);

/* The same for element `index` of a list. */
ayf_status ayf_field_accepts_element(ayf_context *ctx, const ayf_field_row *field, int index,
                                     const char *text);

/* AYF_OK when the member, however it was set, is in its range; else AYF_E_CONFIG. */
ayf_status ayf_field_check(ayf_context *ctx, const ayf_field_row *field, const void *object);

/* PLAIN: "1,2,2", "256". TYPED, for readers that tell types apart: "[1, 2, 2]", and reals keep a point
 * ("256.0"). */
typedef enum ayf_field_style { AYF_FIELD_PLAIN, AYF_FIELD_TYPED } ayf_field_style;

/* The value as ayf_field_set() reads it back, bit for bit, in `size` bytes at `text`; a string as it is. */
void ayf_field_print(const ayf_field_row *field, const void *object, ayf_field_style style, char *text,
                     size_t size);

/* What values there are: "whole number from 1 to 64", "true or false", "emd | lmd". */
void ayf_field_values(const ayf_field_row *field, char *text, size_t size);

bool ayf_field_is_list(const ayf_field_row *field);

#endif
