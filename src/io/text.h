/* A growing piece of text with a sticky failure.
 *
 *   ayf_text text;
 *   ayf_text_init(&text, ctx);
 *   ayf_text_print(&text, "lr: ");
 *   ayf_text_real(&text, 0.1);
 *   if (text.failed) ...          // out of memory, recorded in ctx; later calls did nothing
 *   use text.data, text.size      // always NUL-terminated once something was added
 *   ayf_text_free(&text);
 */
#ifndef AYF_IO_TEXT_H
#define AYF_IO_TEXT_H

#include "base/plain.h"

typedef struct ayf_text {
    ayf_context *ctx;
    char *data; /* ayf_alloc'd; the caller may take it over (set data = NULL) */
    size_t size, capacity;
    bool failed;
} ayf_text;

void ayf_text_init(ayf_text *text, ayf_context *ctx);
void ayf_text_free(ayf_text *text);
void ayf_text_put(ayf_text *text, const void *bytes, size_t size);
void ayf_text_print(ayf_text *text, const char *format, ...) AYF_PRINTF(2, 3);

/* As ayf_print_typed_real() does. */
void ayf_text_real(ayf_text *text, double value);

/* `string` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, and controls
 * (ayf_is_control()) are written as numbers. */
void ayf_text_json(ayf_text *text, const char *string);

/* The bytes in base64, with padding and without line breaks. */
void ayf_text_base64(ayf_text *text, const void *bytes, size_t size);

bool ayf_utf8_valid(const char *string);

#endif
