#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "config/table.h"
#include "io/file.h"
#include "io/text.h"

#define AYF_NAME(constant, name) #name,
#define AYF_ENUM(type, list) static const char *const names_##type[] = {list(AYF_NAME)};
AYF_CONFIG_ENUMS(AYF_ENUM)
#undef AYF_ENUM
#undef AYF_NAME

typedef enum value_type { T_STRING, T_BOOL, T_INT, T_LONG, T_REAL, T_CHOICE, T_INTS } value_type;

typedef struct row {
    const char *section, *name, *path, *help;
    value_type type;
    size_t offset; /* in ayf_config */
    int64_t whole_min, whole_max;
    double real_min, real_max;
    const char *string; /* the default, by type */
    int64_t whole;
    double real;
    ayf_cfg_ints ints;
    const char *const *choices;
    size_t choice_count;
} row;

/* A CHOICE is read and written through an int. */
_Static_assert(sizeof(ayf_cfg_model_kind) == sizeof(int), "enums have the size of int");

#define NO_WHOLE_LIMIT 1000000000000
#define NO_REAL_LIMIT 1e30

#define VALUES(...) __VA_ARGS__
#define ROW(section_, name_, type_, help_, ...)                                                              \
    {.section = #section_,                                                                                   \
     .name = #name_,                                                                                         \
     .path = #section_ "." #name_,                                                                           \
     .help = help_,                                                                                          \
     .type = type_,                                                                                          \
     .offset = offsetof(ayf_config, section_.name_),                                                         \
     __VA_ARGS__},
#define SECTION(name, help)
#define END(name)
#define STRING(section, name, value, help) ROW(section, name, T_STRING, help, .string = value)
#define BOOL(section, name, value, help) ROW(section, name, T_BOOL, help, .whole = value)
#define INT(section, name, value, min, max, help)                                                            \
    ROW(section, name, T_INT, help, .whole = value, .whole_min = min, .whole_max = max)
#define LONG(section, name, value, min, max, help)                                                           \
    ROW(section, name, T_LONG, help, .whole = value, .whole_min = min, .whole_max = max)
#define REAL(section, name, value, min, max, help)                                                           \
    ROW(section, name, T_REAL, help, .real = value, .real_min = min, .real_max = max)
#define CHOICE(section, name, type, value, help)                                                             \
    ROW(section, name, T_CHOICE, help, .whole = value, .choices = names_##type,                              \
        .choice_count = AYF_COUNT(names_##type))
#define INTS(section, name, values, min, max, help)                                                          \
    ROW(section, name, T_INTS, help, .ints = {AYF_COUNT(((int[]){VALUES values})), {VALUES values}},         \
        .whole_min = min, .whole_max = max)
static const row rows[] = {
#include "config/keys.def"
};

#define END(name)
#define STRING(section, name, value, help)
#define BOOL(section, name, value, help)
#define INT(section, name, value, min, max, help)
#define LONG(section, name, value, min, max, help)
#define REAL(section, name, value, min, max, help)
#define CHOICE(section, name, type, value, help)
#define INTS(section, name, values, min, max, help)
#define SECTION(name, help) {#name, help},
static const struct {
    const char *name, *help;
} sections[] = {
#include "config/keys.def"
};

/* ---- Finding a key ---- */

int ayf_config_rows(void) { return (int)AYF_COUNT(rows); }
bool ayf_config_is_list(int index) { return rows[index].type == T_INTS; }
bool ayf_config_is_string(int index) { return rows[index].type == T_STRING; }
const char *ayf_config_path(int index) { return rows[index].path; }

const char *ayf_config_find_elsewhere(const char *name) {
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].path;
    return NULL;
}

ayf_status ayf_config_find_section(ayf_context *ctx, const char *where, const char *section) {
    const char *names[AYF_COUNT(sections)];
    for (size_t i = 0; i < AYF_COUNT(sections); i++) {
        names[i] = sections[i].name;
        if (strcmp(names[i], section) == 0) return AYF_OK;
    }
    const char *near = ayf_nearest(section, names, AYF_COUNT(sections));
    if (!near) near = ayf_config_find_elsewhere(section);
    if (near)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown section \"%.60s\"; did you mean \"%s\"?", where,
                        section, near);
    return ayf_fail(ctx, AYF_E_CONFIG,
                    "%s: unknown section \"%.60s\"; there are data, model, train, distill, finetune and save",
                    where, section);
}

int ayf_config_find(ayf_context *ctx, const char *where, const char *section, const char *key) {
    if (ayf_config_find_section(ctx, where, section) != AYF_OK) return -1;
    const char *names[AYF_COUNT(rows)];
    size_t count = 0;
    for (size_t i = 0; i < AYF_COUNT(rows); i++) {
        if (strcmp(rows[i].section, section) != 0) continue;
        if (strcmp(rows[i].name, key) == 0) return (int)i;
        names[count++] = rows[i].name;
    }
    const char *elsewhere = ayf_config_find_elsewhere(key), *near = ayf_nearest(key, names, count);
    if (elsewhere)
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; did you mean \"%s\"?", where, section, key,
                 elsewhere);
    else if (near)
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; did you mean \"%s.%s\"?", where, section,
                 key, section, near);
    else
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; `ayf help config` lists them all", where,
                 section, key);
    return -1;
}

/* ---- Setting a key ---- */

static void *field(ayf_config *cfg, const row *r) { return (char *)cfg + r->offset; }
static const void *const_field(const ayf_config *cfg, const row *r) { return (const char *)cfg + r->offset; }

/* "from 1 to 64", or "at least 1" where the upper end is only there to have one. */
static void range_text(const row *r, char *text, size_t size) {
    bool whole = r->type == T_INT || r->type == T_LONG || r->type == T_INTS;
    if (whole && r->whole_max >= NO_WHOLE_LIMIT)
        snprintf(text, size, "at least %lld", (long long)r->whole_min);
    else if (whole)
        snprintf(text, size, "from %lld to %lld", (long long)r->whole_min, (long long)r->whole_max);
    else if (r->real_max >= NO_REAL_LIMIT)
        snprintf(text, size, "at least %.10g", r->real_min);
    else
        snprintf(text, size, "from %.10g to %.10g", r->real_min, r->real_max);
}

/* A whole number with an optional factor k, M, G (powers of 1000) or Ki, Mi, Gi (powers of 1024). */
static bool parse_whole(const char *text, int64_t *out) {
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {{"", 1},         {"k", 1000},     {"M", 1000000},   {"G", 1000000000},
                 {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1ll << 30}};
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0) return false;
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[i] - '0', &value))
            return false;
    for (size_t i = 0; i < AYF_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].suffix) != 0) continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value)) return false;
        *out = negative ? -value : value;
        return true;
    }
    return false;
}

static ayf_status whole_value(ayf_context *ctx, const char *where, const row *r, const char *text,
                              int64_t *out) {
    if (!parse_whole(text, out))
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be a whole number, not \"%.80s\"", where, r->path,
                        text);
    if (*out < r->whole_min || *out > r->whole_max) {
        char range[80];
        range_text(r, range, sizeof range);
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s = %.80s is out of range; it must be %s", where, r->path,
                        text, range);
    }
    return AYF_OK;
}

static ayf_status real_value(ayf_context *ctx, const char *where, const row *r, const char *text,
                             double *out) {
    if (!ayf_parse_real(text, out))
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be a number, not \"%.80s\"", where, r->path, text);
    if (*out < r->real_min || *out > r->real_max) {
        char range[80];
        range_text(r, range, sizeof range);
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s = %.80s is out of range; it must be %s", where, r->path,
                        text, range);
    }
    return AYF_OK;
}

static ayf_status choice_value(ayf_context *ctx, const char *where, const row *r, const char *text,
                               int *out) {
    char list[200] = "";
    for (size_t i = 0; i < r->choice_count; i++) {
        if (strcmp(r->choices[i], text) == 0) {
            *out = (int)i;
            return AYF_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", r->choices[i]);
    }
    const char *near = ayf_nearest(text, r->choices, r->choice_count);
    if (near)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be one of %s; did you mean \"%s\" by \"%.80s\"?",
                        where, r->path, list, near, text);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be one of %s, not \"%.80s\"", where, r->path, list, text);
}

static ayf_status set_scalar(ayf_context *ctx, const char *where, ayf_config *cfg, int index,
                             const char *text) {
    const row *r = &rows[index];
    void *to = field(cfg, r);
    int64_t whole = 0;
    switch (r->type) {
    case T_STRING: {
        if (!ayf_utf8_valid(text))
            return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s is not UTF-8; rename the file or folder it names",
                            where, r->path);
        char *copy = ayf_strdup(ctx, text);
        if (!copy) return AYF_E_MEMORY;
        ayf_free(ctx, *(char **)to);
        *(char **)to = copy;
        return AYF_OK;
    }
    case T_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be true or false, not \"%.80s\"", where, r->path,
                            text);
        *(bool *)to = *text == 't';
        return AYF_OK;
    case T_INT:
        AYF_TRY(whole_value(ctx, where, r, text, &whole));
        *(int *)to = (int)whole;
        return AYF_OK;
    case T_LONG:
        return whole_value(ctx, where, r, text, to);
    case T_REAL:
        return real_value(ctx, where, r, text, to);
    case T_CHOICE:
        return choice_value(ctx, where, r, text, to);
    case T_INTS:
        break;
    }
    return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s must be a list: [a, b, c]", where, r->path);
}

ayf_status ayf_config_set_element(ayf_context *ctx, const char *where, ayf_config *cfg, int index,
                                  int element, const char *text) {
    const row *r = &rows[index];
    if (element >= AYF_CFG_LIST_MAX)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s has more than %d elements", where, r->path,
                        AYF_CFG_LIST_MAX);
    int64_t whole;
    AYF_TRY(whole_value(ctx, where, r, text, &whole));
    ayf_cfg_ints *list = field(cfg, r);
    if (element == 0) *list = (ayf_cfg_ints){0};
    list->at[element] = (int)whole;
    list->count = element + 1;
    return AYF_OK;
}

/* Cuts blanks at both ends in place. */
static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t')) text[--size] = 0;
    return text;
}

static ayf_status set_list(ayf_context *ctx, const char *where, ayf_config *cfg, int index, char *text) {
    size_t size = strlen(text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text[size - 1] = 0;
        text = trim(text + 1);
    }
    ayf_config scratch = {0}; /* so that a bad element leaves the key as it was */
    int count = 0;
    for (char *next = *text ? text : NULL; next; count++) {
        char *comma = strchr(next, ',');
        if (comma) *comma = 0;
        AYF_TRY(ayf_config_set_element(ctx, where, &scratch, index, count, trim(next)));
        next = comma ? comma + 1 : NULL;
    }
    *(ayf_cfg_ints *)field(cfg, &rows[index]) = *(ayf_cfg_ints *)field(&scratch, &rows[index]);
    return AYF_OK;
}

ayf_status ayf_config_set_text(ayf_context *ctx, const char *where, ayf_config *cfg, int index,
                               const char *text) {
    if (rows[index].type != T_INTS) return set_scalar(ctx, where, cfg, index, text);
    char *copy = ayf_strdup(ctx, text);
    if (!copy) return AYF_E_MEMORY;
    ayf_status status = set_list(ctx, where, cfg, index, copy);
    ayf_free(ctx, copy);
    return status;
}

ayf_status ayf_config_check_settings(ayf_context *ctx, const char *const *settings, int count) {
    if (count < 0 || (count > 0 && !settings))
        return ayf_fail(ctx, AYF_E_USAGE, "%d settings%s: give a list of strings and how many they are",
                        count, settings ? "" : " and no list of them");
    for (int i = 0; i < count; i++)
        if (!settings[i]) return ayf_fail(ctx, AYF_E_USAGE, "setting %d of %d is no string", i + 1, count);
    return AYF_OK;
}

/* ---- The struct as a whole ---- */

ayf_status ayf_config_defaults(ayf_context *ctx, ayf_config *cfg) {
    memset(cfg, 0, sizeof *cfg);
    for (size_t i = 0; i < AYF_COUNT(rows); i++) {
        const row *r = &rows[i];
        void *to = field(cfg, r);
        switch (r->type) {
        case T_STRING:
            *(char **)to = ayf_strdup(ctx, r->string);
            if (!*(char **)to) {
                ayf_config_free(ctx, cfg);
                return AYF_E_MEMORY;
            }
            break;
        case T_BOOL:
            *(bool *)to = r->whole != 0;
            break;
        case T_INT:
        case T_CHOICE:
            *(int *)to = (int)r->whole;
            break;
        case T_LONG:
            *(int64_t *)to = r->whole;
            break;
        case T_REAL:
            *(double *)to = r->real;
            break;
        case T_INTS:
            *(ayf_cfg_ints *)to = r->ints;
            break;
        }
    }
    return AYF_OK;
}

void ayf_config_free(ayf_context *ctx, ayf_config *cfg) {
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (rows[i].type == T_STRING) ayf_free(ctx, *(char **)field(cfg, &rows[i]));
    memset(cfg, 0, sizeof *cfg);
}

ayf_status ayf_config_copy(ayf_context *ctx, const ayf_config *from, ayf_config *to) {
    *to = *from;
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (rows[i].type == T_STRING) *(char **)field(to, &rows[i]) = NULL;
    for (size_t i = 0; i < AYF_COUNT(rows); i++) {
        if (rows[i].type != T_STRING) continue;
        char *copy = ayf_strdup(ctx, *(char *const *)const_field(from, &rows[i]));
        if (!copy) {
            ayf_config_free(ctx, to);
            return AYF_E_MEMORY;
        }
        *(char **)field(to, &rows[i]) = copy;
    }
    return AYF_OK;
}

/* ---- Writing ---- */

/* Double-quoted YAML: what a YAML reader would refuse or fold is escaped. */
static void print_string(ayf_text *text, const char *string) {
    size_t left = strlen(string);
    ayf_text_put(text, "\"", 1);
    while (left) {
        uint32_t code = 0;
        size_t length = ayf_utf8_decode(string, left, &code);
        if (length == 0) length = 1; /* cannot be: set_scalar() admits UTF-8 only */
        if (code == '"' || code == '\\')
            ayf_text_print(text, "\\%c", (int)code);
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0))
            ayf_text_print(text, "\\x%02X", (unsigned)code);
        else if (code == 0x2028 || code == 0x2029 || code == 0xFEFF || code == 0xFFFE || code == 0xFFFF)
            ayf_text_print(text, "\\u%04X", (unsigned)code);
        else
            ayf_text_put(text, string, length);
        string += length;
        left -= length;
    }
    ayf_text_put(text, "\"", 1);
}

static void print_value(ayf_text *text, const ayf_config *cfg, const row *r) {
    const void *from = const_field(cfg, r);
    switch (r->type) {
    case T_STRING:
        print_string(text, *(char *const *)from);
        break;
    case T_BOOL:
        ayf_text_print(text, "%s", *(const bool *)from ? "true" : "false");
        break;
    case T_INT:
        ayf_text_print(text, "%d", *(const int *)from);
        break;
    case T_LONG:
        ayf_text_print(text, "%lld", (long long)*(const int64_t *)from);
        break;
    case T_REAL:
        ayf_text_real(text, *(const double *)from);
        break;
    case T_CHOICE:
        ayf_text_print(text, "%s", r->choices[*(const int *)from]);
        break;
    case T_INTS: {
        const ayf_cfg_ints *list = from;
        ayf_text_print(text, "[");
        for (int i = 0; i < list->count; i++) ayf_text_print(text, "%s%d", i ? ", " : "", list->at[i]);
        ayf_text_print(text, "]");
        break;
    }
    }
}

char *ayf_config_text(ayf_context *ctx, const ayf_config *cfg) {
    ayf_text text;
    ayf_text_init(&text, ctx);
    for (size_t i = 0; i < AYF_COUNT(rows); i++) {
        if (i == 0 || strcmp(rows[i].section, rows[i - 1].section) != 0)
            ayf_text_print(&text, "%s:\n", rows[i].section);
        ayf_text_print(&text, "  %s: ", rows[i].name);
        print_value(&text, cfg, &rows[i]);
        ayf_text_print(&text, "\n");
    }
    if (!text.failed) return text.data;
    ayf_text_free(&text);
    return NULL;
}

ayf_status ayf_config_write(ayf_context *ctx, const ayf_config *cfg, const char *path) {
    char *text = ayf_config_text(ctx, cfg);
    if (!text) return AYF_E_MEMORY;
    ayf_status status = ayf_file_write(ctx, path, text, strlen(text));
    ayf_free(ctx, text);
    return status;
}

/* `help` in lines of at most 100 columns, indented by six. */
static void print_wrapped(ayf_text *text, const char *help) {
    enum { INDENT = 6, WIDTH = 100 };
    while (*help) {
        size_t length = strlen(help);
        if (length > WIDTH - INDENT) {
            length = WIDTH - INDENT;
            while (length > 1 && help[length] != ' ') length--;
        }
        ayf_text_print(text, "%*s%.*s\n", INDENT, "", (int)length, help);
        help += length;
        help += strspn(help, " ");
    }
}

static void print_type(ayf_text *text, const row *r) {
    static const char *const names[] = {
        [T_STRING] = "text",       [T_BOOL] = "true or false", [T_INT] = "whole number",
        [T_LONG] = "whole number", [T_REAL] = "number",        [T_INTS] = "list of whole numbers"};
    if (r->type == T_CHOICE) {
        for (size_t i = 0; i < r->choice_count; i++)
            ayf_text_print(text, "%s%s", i ? " | " : "", r->choices[i]);
        return;
    }
    ayf_text_print(text, "%s", names[r->type]);
    if (r->type == T_STRING || r->type == T_BOOL) return;
    char range[80];
    range_text(r, range, sizeof range);
    ayf_text_print(text, " %s", range);
}

char *ayf_config_help(ayf_context *ctx) {
    ayf_config cfg;
    if (ayf_config_defaults(ctx, &cfg) != AYF_OK) return NULL;
    ayf_text text;
    ayf_text_init(&text, ctx);
    ayf_text_print(
        &text,
        "A configuration is a YAML file of sections and keys; what it leaves out keeps its default. Every\n"
        "key can be overridden on the command line: --set train.lr=0.01 --set model.multipliers=1,2,2\n"
        "One file may hold the sections of all runs; a --set that means nothing to a run is refused.\n"
        "Whole numbers may end in k, M, G (thousands) or Ki, Mi, Gi (1024s).\n");
    size_t section = 0;
    for (size_t i = 0; i < AYF_COUNT(rows); i++) {
        if (i == 0 || strcmp(rows[i].section, rows[i - 1].section) != 0) {
            ayf_text_print(&text, "\n%s: %s\n", sections[section].name, sections[section].help);
            section++;
        }
        ayf_text_print(&text, "  %s = ", rows[i].path);
        print_value(&text, &cfg, &rows[i]);
        ayf_text_print(&text, "   (");
        print_type(&text, &rows[i]);
        ayf_text_print(&text, ")\n");
        print_wrapped(&text, rows[i].help);
    }
    ayf_config_free(ctx, &cfg);
    if (!text.failed) return text.data;
    ayf_text_free(&text);
    return NULL;
}
