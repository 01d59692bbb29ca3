#include "io/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

void ayf_text_init(ayf_text *text, ayf_context *ctx) { *text = (ayf_text){.ctx = ctx}; }

void ayf_text_free(ayf_text *text) {
    ayf_free(text->ctx, text->data);
    *text = (ayf_text){.ctx = text->ctx};
}

/* Room for `extra` more bytes and the NUL. */
static bool reserve(ayf_text *text, size_t extra) {
    if (text->failed) return false;
    size_t need;
    if (__builtin_add_overflow(text->size, extra, &need) || __builtin_add_overflow(need, 1, &need)) {
        ayf_fail(text->ctx, AYF_E_MEMORY, "a text of more than %zu bytes does not fit in memory", text->size);
        text->failed = true;
        return false;
    }
    if (need <= text->capacity) return true;
    size_t capacity = text->capacity + text->capacity / 2;
    if (capacity < need) capacity = need < 256 ? 256 : need;
    char *data = ayf_grow(text->ctx, text->data, text->size, capacity, 1);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void ayf_text_put(ayf_text *text, const void *bytes, size_t size) {
    if (!reserve(text, size)) return;
    if (size) memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = 0;
}

void ayf_text_print(ayf_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
}

void ayf_text_real(ayf_text *text, double value) {
    char digits[AYF_REAL_SIZE];
    int length = ayf_print_typed_real(digits, value);
    ayf_text_put(text, digits, (size_t)length);
}

void ayf_text_base64(ayf_text *text, const void *bytes, size_t size) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    size_t left = size;
    for (; left; left -= left < 3 ? left : 3, from += 3) {
        uint32_t three = (uint32_t)from[0] << 16;
        if (left > 1) three |= (uint32_t)from[1] << 8;
        if (left > 2) three |= from[2];
        char four[4];
        for (int i = 0; i < 4; i++) four[i] = digit[three >> (18 - 6 * i) & 63];
        if (left < 3) four[3] = '=';
        if (left < 2) four[2] = '=';
        ayf_text_put(text, four, sizeof four);
    }
}

bool ayf_utf8_valid(const char *string) {
    size_t left = strlen(string);
    while (left) {
        uint32_t code;
        size_t length = ayf_utf8_decode(string, left, &code);
        if (length == 0) return false;
        string += length;
        left -= length;
    }
    return true;
}

void ayf_text_json(ayf_text *text, const char *string) {
    size_t left = strlen(string);
    ayf_text_put(text, "\"", 1);
    while (left) {
        uint32_t code;
        size_t length = ayf_utf8_decode(string, left, &code);
        if (length == 0) {
            ayf_text_print(text, "\\ufffd");
            length = 1;
        } else if (code == '"' || code == '\\') {
            ayf_text_print(text, "\\%c", (int)code);
        } else if (ayf_is_control(code)) {
            ayf_text_print(text, "\\u%04x", (unsigned)code);
        } else {
            ayf_text_put(text, string, length);
        }
        string += length;
        left -= length;
    }
    ayf_text_put(text, "\"", 1);
}
