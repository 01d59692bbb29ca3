/* YAML text to assignments, through libyaml's events. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "config/table.h"
#include "io/file.h"
#include "io/text.h"

typedef struct reader {
    ayf_context *ctx;
    const char *name, *text;
    size_t size;
    ayf_assignments *list;
    ayf_giver giver;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by next() */
    bool have_event;
    char where[256];       /* "file:line" of the current event */
    unsigned long *set_at; /* per row, the line a key was set on; 0 = not yet */
} reader;

/* Whether line `line` (from 0) of the text is indented with a tab. */
static bool has_tab(const reader *r, size_t line) {
    const char *text = r->text, *end = r->text + r->size;
    for (; line && text < end; text++) line -= *text == '\n';
    while (text < end && *text == ' ') text++;
    return text < end && *text == '\t';
}

static void locate(reader *r, size_t line) {
    snprintf(r->where, sizeof r->where, "%.220s:%zu", r->name, line + 1);
}

static ayf_status next(reader *r) {
    if (r->have_event) yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR)
            return ayf_fail(r->ctx, AYF_E_MEMORY, "%s: out of memory while reading", r->name);
        if (r->parser.error == YAML_READER_ERROR) {
            locate(r, r->parser.mark.line);
            return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: not valid YAML: %s (byte %zu)", r->where,
                            r->parser.problem ? r->parser.problem : "unreadable", r->parser.problem_offset);
        }
        locate(r, r->parser.problem_mark.line);
        if (r->parser.error == YAML_SCANNER_ERROR && has_tab(r, r->parser.problem_mark.line))
            return ayf_fail(r->ctx, AYF_E_CONFIG,
                            "%s: not valid YAML: the line is indented with a tab; use spaces", r->where);
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: not valid YAML: %s%s%s", r->where,
                        r->parser.problem ? r->parser.problem : "unreadable", r->parser.context ? ", " : "",
                        r->parser.context ? r->parser.context : "");
    }
    r->have_event = true;
    locate(r, r->event.start_mark.line);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        anchor = r->event.data.alias.anchor;
        break;
    case YAML_SCALAR_EVENT:
        anchor = r->event.data.scalar.anchor;
        tag = r->event.data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = r->event.data.sequence_start.anchor;
        tag = r->event.data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = r->event.data.mapping_start.anchor;
        tag = r->event.data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor || tag)
        return ayf_fail(r->ctx, AYF_E_CONFIG,
                        "%s: anchors, aliases and tags are not supported; write the value out", r->where);
    return AYF_OK;
}

/* The text of the current event, which must be a scalar without NUL; NULL with `what` in the message. */
static const char *scalar(reader *r, const char *what) {
    if (r->event.type != YAML_SCALAR_EVENT) {
        ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s must be a single value", r->where, what);
        return NULL;
    }
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length) {
        ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s holds a NUL character", r->where, what);
        return NULL;
    }
    return text;
}

static bool is_plain(const reader *r) { return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE; }

static bool is_null(const char *text) {
    return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* 010 is 8 in YAML 1.1 and 10 in YAML 1.2. */
static ayf_status check_octal(reader *r, int row, const char *text) {
    ayf_field_type type = ayf_config_row(row)->type;
    bool number = type == AYF_FIELD_INT || type == AYF_FIELD_INT64 || type == AYF_FIELD_INTS;
    const char *digits = text + (*text == '-' || *text == '+');
    if (!number || digits[0] != '0' || digits[1] < '0' || digits[1] > '9') return AYF_OK;
    return ayf_fail(
        r->ctx, AYF_E_CONFIG,
        "%s: %s = %.80s begins with a zero, which not all programs read in the same way; leave it out",
        r->where, ayf_config_row(row)->name, text);
}

/* YAML's types: a quoted value is text, an empty plain one is null, true and false are truth values. */
static ayf_status check_style(reader *r, int row, const char *text) {
    const char *path = ayf_config_row(row)->name;
    if (ayf_config_row(row)->type == AYF_FIELD_STRING) {
        if (is_plain(r) && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
            return ayf_fail(r->ctx, AYF_E_CONFIG,
                            "%s: %s must be text; write \"\" for none, or \"%s\" in quotes", r->where, path,
                            text);
        return AYF_OK;
    }
    if (!is_plain(r))
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s is not text; remove the quotes", r->where, path);
    if (is_null(text))
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s has no value; give one or remove the line", r->where,
                        path);
    return check_octal(r, row, text);
}

/* Every element is checked on its own line; what is added is one text for all of them. */
static ayf_status read_elements(reader *r, int row, ayf_text *text) {
    for (int i = 0;; i++) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return AYF_OK;
        const char *element = scalar(r, ayf_config_row(row)->name);
        if (!element) return AYF_E_CONFIG;
        AYF_TRY(check_style(r, row, element));
        if (ayf_field_accepts_element(r->ctx, ayf_config_row(row), i, element) != AYF_OK)
            return ayf_fail_prefix(r->ctx, "%s: ", r->where);
        ayf_text_print(text, "%s%s", i ? "," : "", element);
    }
}

static ayf_status read_list(reader *r, int row) {
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s must be a list: [a, b, c]", r->where,
                        ayf_config_row(row)->name);
    ayf_text text;
    ayf_text_init(&text, r->ctx);
    ayf_status status = read_elements(r, row, &text);
    if (status == AYF_OK && text.failed) status = AYF_E_MEMORY;
    if (status == AYF_OK)
        status = ayf_assignments_add(r->list, r->giver, r->where, row, text.data ? text.data : "");
    ayf_text_free(&text);
    return status;
}

static ayf_status read_value(reader *r, int row) {
    if (ayf_field_is_list(ayf_config_row(row))) return read_list(r, row);
    const char *text = scalar(r, ayf_config_row(row)->name);
    if (!text) return AYF_E_CONFIG;
    AYF_TRY(check_style(r, row, text));
    if (is_plain(r) && is_null(text)) text = "";
    return ayf_assignments_add(r->list, r->giver, r->where, row, text);
}

static ayf_status read_section(reader *r, const char *section) {
    if (r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
        is_null((const char *)r->event.data.scalar.value))
        return AYF_OK; /* a section whose keys are all commented out */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: section \"%s\" must hold indented keys, one per line",
                        r->where, section);
    for (;;) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return AYF_OK;
        const char *key = scalar(r, "a key");
        if (!key) return AYF_E_CONFIG;
        int row = ayf_config_find(r->ctx, r->where, section, key);
        if (row < 0) return AYF_E_CONFIG;
        if (r->set_at[row])
            return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s is set twice (first on line %lu); remove one",
                            r->where, ayf_config_row(row)->name, r->set_at[row]);
        r->set_at[row] = r->event.start_mark.line + 1;
        AYF_TRY(next(r));
        AYF_TRY(read_value(r, row));
    }
}

static ayf_status read_document(reader *r) {
    if (r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
        is_null((const char *)r->event.data.scalar.value))
        return AYF_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG,
                        "%s: a configuration is a list of sections (\"train:\" and so on)", r->where);
    for (;;) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return AYF_OK;
        const char *name = scalar(r, "the name of a section");
        if (!name) return AYF_E_CONFIG;
        AYF_TRY(ayf_config_find_section(r->ctx, r->where, name));
        char section[64]; /* the event that holds the name goes away with next() */
        snprintf(section, sizeof section, "%s", name);
        AYF_TRY(next(r));
        AYF_TRY(read_section(r, section));
    }
}

static ayf_status read_stream(reader *r) {
    AYF_TRY(next(r)); /* stream start */
    AYF_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return AYF_OK;
    AYF_TRY(next(r)); /* after document start */
    AYF_TRY(read_document(r));
    AYF_TRY(next(r)); /* document end */
    AYF_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return AYF_OK;
    return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: a second YAML document begins here; keep one per file",
                    r->where);
}

static ayf_status add_text(ayf_assignments *list, ayf_giver giver, const char *name, const char *text,
                           size_t size) {
    ayf_context *ctx = ayf_assignments_context(list);
    reader r = {.ctx = ctx, .name = name, .text = text, .size = size, .list = list, .giver = giver};
    r.set_at = ayf_alloc(ctx, (size_t)ayf_config_rows(), sizeof *r.set_at);
    if (!r.set_at) return AYF_E_MEMORY;
    if (!yaml_parser_initialize(&r.parser)) {
        ayf_free(ctx, r.set_at);
        return ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while reading", name);
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    ayf_status status = read_stream(&r);
    if (r.have_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    ayf_free(ctx, r.set_at);
    return status;
}

ayf_status ayf_assignments_add_text(ayf_assignments *list, const char *name, const char *text, size_t size) {
    return add_text(list, AYF_GIVEN_BY_TEXT, name, text, size);
}

ayf_status ayf_assignments_add_file(ayf_assignments *list, const char *path) {
    ayf_context *ctx = ayf_assignments_context(list);
    void *text;
    size_t size;
    AYF_TRY(ayf_file_read(ctx, path, AYF_CONFIG_MOST, &text, &size));
    ayf_status status = add_text(list, AYF_GIVEN_BY_FILE, path, text, size);
    ayf_free(ctx, text);
    return status;
}

/* Applies a list that was made with `status`, and frees it. */
static ayf_status apply(ayf_context *ctx, ayf_config *cfg, ayf_assignments *list, ayf_status status) {
    if (status == AYF_OK) status = ayf_config_apply(ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}

ayf_status ayf_config_parse(ayf_context *ctx, const char *name, const char *text, size_t size,
                            ayf_config *cfg) {
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    return apply(ctx, cfg, list, ayf_assignments_add_text(list, name, text, size));
}

ayf_status ayf_config_load(ayf_context *ctx, const char *path, ayf_config *cfg) {
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    return apply(ctx, cfg, list, ayf_assignments_add_file(list, path));
}
