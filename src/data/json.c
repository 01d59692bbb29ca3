#include "data/json.h"

#include <string.h>

ayf_status ayf_json_begin(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                          ayf_json *json) {
    *json = (ayf_json){.ctx = ctx, .name = name, .text = bytes, .size = size};
    if (size >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: is in UTF-16; save it in UTF-8", name);
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) json->at = 3;
    return AYF_OK;
}

static ayf_status fail_at(const ayf_json *json, size_t at, const char *what) {
    int line = 1, column = 1;
    for (size_t i = 0; i < at && i < json->size; i++) {
        column = json->text[i] == '\n' ? 1 : column + 1;
        line += json->text[i] == '\n';
    }
    return ayf_fail(json->ctx, AYF_E_FORMAT, "%s: line %d, column %d: %s", json->name, line, column, what);
}

ayf_status ayf_json_fail(const ayf_json *json, const char *what) { return fail_at(json, json->at, what); }

char ayf_json_peek(ayf_json *json) {
    while (json->at < json->size && json->text[json->at] && strchr(" \t\r\n", json->text[json->at]))
        json->at++;
    return json->at < json->size ? json->text[json->at] : 0;
}

ayf_status ayf_json_value(ayf_json *json, json_t **out) {
    json_error_t error;
    ayf_json_peek(json);
    size_t left = json->size - json->at, most = left < AYF_JSON_MOST ? left : AYF_JSON_MOST;
    *out = json_loadb(json->text + json->at, most,
                      JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    size_t used = error.position > 0 ? (size_t)error.position : 0;
    if (*out) {
        json->at += used < most ? used : most;
        return AYF_OK;
    }
    if (json_error_code(&error) == json_error_out_of_memory)
        return ayf_fail(json->ctx, AYF_E_MEMORY, "%s: out of memory", json->name);
    if (most < left && json_error_code(&error) == json_error_premature_end_of_input)
        return fail_at(json, json->at, "a value of more than 4 MiB is not read");
    return fail_at(json, json->at + (used ? used - 1 : 0), error.text);
}

ayf_status ayf_json_skip(ayf_json *json) {
    size_t depth = 0, start = json->at;
    bool string = false;
    ayf_json_peek(json);
    for (; json->at < json->size; json->at++) {
        char c = json->text[json->at];
        if (string && c == '\\' && json->at + 1 < json->size)
            json->at++;
        else if (c == '"')
            string = !string;
        else if (!string && (c == '[' || c == '{'))
            depth++;
        else if (!string && (c == ']' || c == '}') && depth-- <= 1) {
            json->at += depth == 0;
            return AYF_OK;
        } else if (!string && c == ',' && depth == 0)
            return AYF_OK;
    }
    json->at = start;
    return fail_at(json, json->size, "the text ends here, before its end");
}

ayf_status ayf_json_each(ayf_json *json, ayf_json_item *item, void *user) {
    char open = ayf_json_peek(json), close = open == '{' ? '}' : ']';
    json->at++;
    if (ayf_json_peek(json) == close) {
        json->at++;
        return AYF_OK;
    }
    for (size_t index = 0;; index++) {
        json_t *key = NULL;
        ayf_status status = AYF_OK;
        if (open == '{') status = ayf_json_value(json, &key);
        if (status == AYF_OK && open == '{' && (!json_is_string(key) || ayf_json_peek(json) != ':'))
            status = ayf_json_fail(json, "\"name\": value is expected here");
        if (status == AYF_OK && open == '{') json->at++;
        if (status == AYF_OK) status = item(json, json_string_value(key), index, user);
        json_decref(key);
        if (status != AYF_OK) return status;
        char next = ayf_json_peek(json);
        if (next != ',' && next != close)
            return ayf_json_fail(json, next ? "',' or the end of the list is expected here"
                                            : "the text ends here, before its end");
        json->at++;
        if (next == close) return AYF_OK;
        if (ayf_json_peek(json) == close) return ayf_json_fail(json, "the comma before this is one too many");
    }
}
