#include "base/plain.h"

#include <stdio.h>
#include <string.h>

size_t ayf_utf8_decode(const char *bytes, size_t size, uint32_t *code) {
    const unsigned char *p = (const unsigned char *)bytes;
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80   ? 1
                    : p[0] < 0xC0 ? 0
                    : p[0] < 0xE0 ? 2
                    : p[0] < 0xF0 ? 3
                    : p[0] < 0xF8 ? 4
                                  : 0;
    if (length == 0 || length > size) return 0;
    uint32_t value = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (p[i] & 0x3Fu);
    }
    if (length > 1 && value < smallest[length]) return 0;
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0;
    *code = value;
    return length;
}

bool ayf_is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

/* The character, or what stands for it, in `out`; the size of it. */
static size_t put_plain(char out[16], const char *text, size_t length, uint32_t code) {
    static const char *const short_names[] = {['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r"};
    if (length == 0) return (size_t)snprintf(out, 16, "\\x%02x", (unsigned char)*text);
    if (!ayf_is_control(code)) {
        memcpy(out, text, length);
        return length;
    }
    if (code < AYF_COUNT(short_names) && short_names[code])
        return (size_t)snprintf(out, 16, "%s", short_names[code]);
    return (size_t)snprintf(out, 16, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
}

size_t ayf_plain_text(const char *text, char *out, size_t size) {
    size_t used = 0, left = strlen(text);
    bool full = size == 0;
    if (size) *out = 0;
    while (left) {
        char piece[16];
        uint32_t code = 0;
        size_t length = ayf_utf8_decode(text, left, &code), add = put_plain(piece, text, length, code);
        if (length == 0) length = 1;
        if (!full && used + add < size) {
            memcpy(out + used, piece, add);
            out[used + add] = 0;
        } else {
            full = true; /* what follows may be shorter: it must not close the gap */
        }
        used += add;
        text += length;
        left -= length;
    }
    return used;
}
