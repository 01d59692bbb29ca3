/* A large JSON text, value by value: what is read is small at any time, whatever the text holds. */
#ifndef AYF_DATA_JSON_H
#define AYF_DATA_JSON_H

#include <jansson.h>

#include "base/base.h"

enum { AYF_JSON_MOST = 4 << 20 }; /* bytes of a value that ayf_json_value() reads */

typedef struct ayf_json {
    ayf_context *ctx;
    const char *name; /* for messages */
    const char *text;
    size_t size, at;
} ayf_json;

/* A byte-order mark is passed over; UTF-16 is AYF_E_FORMAT. */
ayf_status ayf_json_begin(ayf_context *ctx, const char *name, const void *bytes, size_t size, ayf_json *json);

/* The next character that is not white space; 0 at the end. */
char ayf_json_peek(ayf_json *json);

/* Reads the next value: json_decref(*out). AYF_E_FORMAT with line and column. */
ayf_status ayf_json_value(ayf_json *json, json_t **out);
ayf_status ayf_json_skip(ayf_json *json); /* passes over it, whatever its size */

/* Calls `item` for every element of the list or member of the object that comes next, which it has to read or
 * skip. `key` is NULL in a list, and `index` counts. */
typedef ayf_status ayf_json_item(ayf_json *json, const char *key, size_t index, void *user);
ayf_status ayf_json_each(ayf_json *json, ayf_json_item *item, void *user);

/* AYF_E_FORMAT with the line and column of what comes next. */
ayf_status ayf_json_fail(const ayf_json *json, const char *what);

#endif
