/* JSON texts through jansson, which takes memory of its own. Deeper nesting than 2048 is refused. */
#ifndef AYF_IO_JSON_H
#define AYF_IO_JSON_H

#include <jansson.h>

#include "base/base.h"

/* *out is the value of `size` bytes, which the caller gives back with json_decref(), or NULL. AYF_E_MEMORY has
 * its message, which names `name`. AYF_E_FORMAT has none: *error says what is wrong with the text. `flags`
 * are jansson's. */
ayf_status ayf_json_parse(ayf_context *ctx, const char *name, const char *bytes, size_t size, size_t flags,
                          json_t **out, json_error_t *error);

#endif
