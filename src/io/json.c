#include "io/json.h"

#include <stdlib.h>

/* Whether the C library has as much memory as a value of such a text may need. */
static bool have_memory(size_t size) {
    enum { PER_BYTE = 8, LEAST = 1 << 16 };
    void *trial = size < SIZE_MAX / PER_BYTE - LEAST ? malloc(size * PER_BYTE + LEAST) : NULL;
    free(trial);
    return trial != NULL;
}

ayf_status ayf_json_parse(ayf_context *ctx, const char *name, const char *bytes, size_t size, size_t flags,
                          json_t **out, json_error_t *error) {
    bool memory = true;
    *out = json_loadb(bytes, size, flags, error);
    if (*out) return AYF_OK;
    /* Without memory jansson often calls the text wrong. A text that is wrong is wrong again. */
    if (json_error_code(error) != json_error_duplicate_key) {
        *out = json_loadb(bytes, size, flags, error);
        if (*out) return AYF_OK;
        memory = json_error_code(error) != json_error_out_of_memory && have_memory(size);
    }
    if (memory) return AYF_E_FORMAT;
    return ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while reading", name);
}
