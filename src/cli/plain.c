/* What others wrote - names of files, labels, metadata, comments - on its way to a terminal, to JSON and to a
 * shell. All of it goes through ayf_plain_text(). */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { PER_BYTE = 6 }; /* of ayf_plain_text() at most */

/* NULL without memory. */
static char *plain(const char *text) {
    size_t size = ayf_plain_text(text, NULL, 0) + 1;
    char *out = malloc(size);
    if (out) ayf_plain_text(text, out, size);
    return out;
}

static bool lost;

bool cli_text_lost(void) { return lost; }

void cli_vput(FILE *to, const char *format, va_list list) {
    char *raw = NULL, *safe = NULL;
    if (vasprintf(&raw, format, list) < 0) raw = NULL;
    if (raw) safe = plain(raw);
    if (!safe && to == stdout) lost = true;
    fputs(safe ? safe : "(out of memory)", to);
    free(raw);
    free(safe);
}

void cli_put(FILE *to, const char *format, ...) {
    va_list list;
    va_start(list, format);
    cli_vput(to, format, list);
    va_end(list);
}

void cli_put_lines(FILE *to, const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        cli_put(to, "%.*s", (int)length, text);
        text += length;
        if (*text) fputc(*text++, to);
    }
}

/* Bytes of the character at `text`, as its first byte says. */
static size_t character_size(const char *text) {
    unsigned char first = (unsigned char)*text;
    size_t size = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return strnlen(text, size);
}

/* One character, as ayf_plain_text() makes it in `out`. Whether it stays as it is; *size is what it takes. */
static bool is_plain(const char *text, size_t *size, char out[4 * PER_BYTE]) {
    char one[8] = {0};
    *size = character_size(text);
    memcpy(one, text, *size);
    ayf_plain_text(one, out, 4 * PER_BYTE);
    if (strcmp(one, out) == 0) return true;
    if (out[1] != 'x' || (unsigned char)*text < 0x80) return false;
    *size = 1; /* not UTF-8: the next byte may begin a character */
    return false;
}

void cli_json_string(const char *text) {
    if (!text) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    while (*text) {
        size_t size;
        char safe[4 * PER_BYTE];
        bool same = is_plain(text, &size, safe);
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if (same || safe[1] != 'x') /* JSON writes \n, \t, \r and \u202e in the same way */
            fputs(safe, stdout);
        else if ((unsigned char)*text < 0x80)
            printf("\\u%04x", (unsigned char)*text);
        else
            printf("\\udc%02x", (unsigned char)*text); /* as Python's surrogateescape has it */
        text += size;
    }
    putchar('"');
}

/* 'word', or $'word' with octal numbers when it holds what a terminal would obey. */
static char *quote_word(char *out, const char *word) {
    char *safe = plain(word);
    bool same = safe && strcmp(safe, word) == 0;
    free(safe);
    if (!same) *out++ = '$';
    *out++ = '\'';
    for (; *word; word++) {
        unsigned char c = (unsigned char)*word;
        if (same && c == '\'')
            out += sprintf(out, "'\\''");
        else if (!same && (c == '\'' || c == '\\' || c < 0x20 || c >= 0x7F))
            out += sprintf(out, "\\%03o", c);
        else
            *out++ = *word;
    }
    *out++ = '\'';
    return out;
}

char *cli_quote(int count, char *const *words) {
    size_t size = 1;
    for (int i = 0; i < count; i++) size += 4 * strlen(words[i]) + 4;
    char *text = malloc(size), *out = text;
    if (!text) return NULL;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        size_t safe =
            strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%");
        if (i) *out++ = ' ';
        if (*word && !word[safe])
            out += strlen(strcpy(out, word));
        else
            out = quote_word(out, word);
    }
    *out = 0;
    return text;
}
