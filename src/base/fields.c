#include "base/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* Limits that are only there to have one, and are not worth telling. */
static const double NO_WHOLE_LIMIT = 1e12, NO_REAL_LIMIT = 1e30;

/* A choice is read and written through an int. */
_Static_assert(sizeof(ayf_field_type) == sizeof(int), "enums have the size of int");

typedef union value {
    bool truth;
    int integer; /* CHOICE too */
    int64_t wide;
    double real;
    char *string;
    ayf_ints ints;
    ayf_reals reals;
} value;

static const size_t size_of[] = {
    [AYF_FIELD_BOOL] = sizeof(bool),     [AYF_FIELD_INT] = sizeof(int),
    [AYF_FIELD_INT64] = sizeof(int64_t), [AYF_FIELD_REAL] = sizeof(double),
    [AYF_FIELD_CHOICE] = sizeof(int),    [AYF_FIELD_STRING] = sizeof(char *),
    [AYF_FIELD_INTS] = sizeof(ayf_ints), [AYF_FIELD_REALS] = sizeof(ayf_reals),
};

bool ayf_field_is_list(const ayf_field_row *f) {
    return f->type == AYF_FIELD_INTS || f->type == AYF_FIELD_REALS;
}

static bool is_whole(const ayf_field_row *f) {
    return f->type == AYF_FIELD_INT || f->type == AYF_FIELD_INT64 || f->type == AYF_FIELD_INTS;
}

static value load(const ayf_field_row *f, const void *object) {
    value v = {0};
    memcpy(&v, (const char *)object + f->offset, size_of[f->type]);
    return v;
}

static void store(const ayf_field_row *f, const value *v, void *object) {
    memcpy((char *)object + f->offset, v, size_of[f->type]);
}

/* ---- Names ---- */

int ayf_field_find(const ayf_field_row *fields, size_t count, size_t skip, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name + skip, name) == 0) return (int)i;
    return -1;
}

const char *ayf_field_nearest(const ayf_field_row *fields, size_t count, size_t skip, const char *name) {
    enum { MOST = 128 };
    const char *names[MOST];
    if (count > MOST) count = MOST;
    for (size_t i = 0; i < count; i++) names[i] = fields[i].name + skip;
    return ayf_nearest(name, names, count);
}

/* The names of a choice, with `between` between them. */
static void list_choices(const ayf_field_row *f, const char *between, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < f->choice_count && used < size; i++)
        if (f->choices[i])
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? between : "", f->choices[i]);
}

static int find_choice(const ayf_field_row *f, const char *text) {
    for (int i = 0; i < f->choice_count; i++)
        if (f->choices[i] && strcmp(f->choices[i], text) == 0) return i;
    return -1;
}

static const char *nearest_choice(const ayf_field_row *f, const char *text) {
    enum { MOST = 32 };
    const char *names[MOST];
    size_t count = 0;
    for (int i = 0; i < f->choice_count && count < MOST; i++)
        if (f->choices[i]) names[count++] = f->choices[i];
    return ayf_nearest(text, names, count);
}

/* ---- From text ---- */

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
    int64_t number = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text[i] - '0', &number))
            return false;
    for (size_t i = 0; i < AYF_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].suffix) != 0) continue;
        if (__builtin_mul_overflow(number, units[i].factor, &number)) return false;
        *out = negative ? -number : number;
        return true;
    }
    return false;
}

/* "from 1 to 64", or "at least 1". */
static void range_text(const ayf_field_row *f, char *text, size_t size) {
    int digits = is_whole(f) ? 15 : 10;
    if (f->high >= (is_whole(f) ? NO_WHOLE_LIMIT : NO_REAL_LIMIT))
        snprintf(text, size, "at least %.*g", digits, f->low);
    else
        snprintf(text, size, "from %.*g to %.*g", digits, f->low, digits, f->high);
}

static ayf_status out_of_range(ayf_context *ctx, const ayf_field_row *f, const char *text) {
    char range[80];
    range_text(f, range, sizeof range);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s%s %.80s is out of range; it must be %s", f->name,
                    ayf_field_is_list(f) ? ": the element" : " =", text, range);
}

static ayf_status too_large(ayf_context *ctx, const ayf_field_row *f, const char *text) {
    char most[AYF_REAL_SIZE];
    if (is_whole(f) && f->high >= (double)INT64_MAX)
        snprintf(most, sizeof most, "%lld", (long long)INT64_MAX);
    else
        snprintf(most, sizeof most, "%.*g", is_whole(f) ? 15 : 10, f->high);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s%s %.80s is too large; at most %s", f->name,
                    ayf_field_is_list(f) ? ": the element" : " =", text, most);
}

static ayf_status not_a_number(ayf_context *ctx, const ayf_field_row *f, const char *text) {
    const char *kind = is_whole(f) ? "whole number" : "number";
    if (ayf_field_is_list(f))
        return ayf_fail(ctx, AYF_E_CONFIG, "%s must be a list of %ss; \"%.80s\" is not one", f->name, kind,
                        text);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s must be a %s, not \"%.80s\"", f->name, kind, text);
}

/* A number or an element of a list. */
static ayf_status parse_number(ayf_context *ctx, const ayf_field_row *f, const char *text, int64_t *whole,
                               double *real) {
    if (!(is_whole(f) ? parse_whole(text, whole) : ayf_parse_real(text, real))) {
        bool digits = is_whole(f) && *text && !text[strspn(text, "0123456789")];
        return digits ? too_large(ctx, f, text) : not_a_number(ctx, f, text);
    }
    if (is_whole(f)) *real = (double)*whole;
    if (*real > f->high && f->high >= (is_whole(f) ? NO_WHOLE_LIMIT : NO_REAL_LIMIT))
        return too_large(ctx, f, text);
    return *real < f->low || *real > f->high ? out_of_range(ctx, f, text) : AYF_OK;
}

static ayf_status parse_element(ayf_context *ctx, const ayf_field_row *f, int index, const char *text,
                                value *out) {
    int64_t whole = 0;
    double real = 0;
    if (index >= AYF_LIST_MAX)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s has more than %d elements", f->name, AYF_LIST_MAX);
    AYF_TRY(parse_number(ctx, f, text, &whole, &real));
    if (f->type == AYF_FIELD_INTS) {
        out->ints.at[index] = (int)whole;
        out->ints.count = index + 1;
    } else {
        out->reals.at[index] = real;
        out->reals.count = index + 1;
    }
    return AYF_OK;
}

/* Cuts blanks at both ends. */
static const char *trim(const char *text, size_t *size) {
    while (*size && (text[0] == ' ' || text[0] == '\t')) text++, (*size)--;
    while (*size && (text[*size - 1] == ' ' || text[*size - 1] == '\t')) (*size)--;
    return text;
}

static ayf_status parse_list(ayf_context *ctx, const ayf_field_row *f, const char *text, value *out) {
    size_t left = strlen(text);
    text = trim(text, &left);
    if (left >= 2 && text[0] == '[' && text[left - 1] == ']') {
        left -= 2;
        text = trim(text + 1, &left);
    }
    for (int i = 0; left || i; i++) {
        char element[AYF_FIELD_SIZE];
        const char *comma = memchr(text, ',', left);
        size_t part = comma ? (size_t)(comma - text) : left, size = part;
        const char *start = trim(text, &size);
        if (size >= sizeof element) return not_a_number(ctx, f, start);
        memcpy(element, start, size);
        element[size] = 0;
        AYF_TRY(parse_element(ctx, f, i, element, out));
        if (!comma) break;
        text = comma + 1;
        left -= part + 1;
    }
    return AYF_OK;
}

static ayf_status parse_choice(ayf_context *ctx, const ayf_field_row *f, const char *text, value *out) {
    out->integer = find_choice(f, text);
    if (out->integer >= 0) return AYF_OK;
    char list[AYF_FIELD_SIZE];
    list_choices(f, ", ", list, sizeof list);
    const char *near = nearest_choice(f, text);
    if (near)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s must be one of %s, not \"%.80s\"; did you mean \"%s\"?",
                        f->name, list, text, near);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s must be one of %s, not \"%.80s\"", f->name, list, text);
}

static ayf_status parse(ayf_context *ctx, const ayf_field_row *f, const char *text, value *out) {
    int64_t whole = 0;
    double real = 0;
    memset(out, 0, sizeof *out); /* all of it: elements behind the end of a list are 0 */
    switch (f->type) {
    case AYF_FIELD_BOOL:
        out->truth = strcmp(text, "true") == 0;
        if (out->truth || strcmp(text, "false") == 0) return AYF_OK;
        return ayf_fail(ctx, AYF_E_CONFIG, "%s must be true or false, not \"%.80s\"", f->name, text);
    case AYF_FIELD_CHOICE:
        return parse_choice(ctx, f, text, out);
    case AYF_FIELD_INTS:
    case AYF_FIELD_REALS:
        return parse_list(ctx, f, text, out);
    case AYF_FIELD_STRING:
        return AYF_OK;
    default:
        break;
    }
    AYF_TRY(parse_number(ctx, f, text, &whole, &real));
    if (f->type == AYF_FIELD_INT) out->integer = (int)whole;
    if (f->type == AYF_FIELD_INT64) out->wide = whole;
    if (f->type == AYF_FIELD_REAL) out->real = real;
    return AYF_OK;
}

ayf_status ayf_field_accepts(ayf_context *ctx, const ayf_field_row *f, const char *text) {
    value unused;
    return parse(ctx, f, text, &unused);
}

ayf_status ayf_field_accepts_element(ayf_context *ctx, const ayf_field_row *f, int index, const char *text) {
    value unused = {0};
    return parse_element(ctx, f, index, text, &unused);
}

ayf_status ayf_field_set(ayf_context *ctx, const ayf_field_row *f, const char *text, void *object) {
    value v;
    AYF_TRY(parse(ctx, f, text, &v));
    if (f->type == AYF_FIELD_STRING) {
        v.string = ayf_strdup(ctx, text);
        if (!v.string) return AYF_E_MEMORY;
        ayf_free(ctx, load(f, object).string);
    }
    store(f, &v, object);
    return AYF_OK;
}

ayf_status ayf_fields_default(ayf_context *ctx, const ayf_field_row *fields, size_t count, void *object) {
    for (size_t i = 0; i < count; i++) AYF_TRY(ayf_field_set(ctx, &fields[i], fields[i].text, object));
    return AYF_OK;
}

void ayf_fields_free(ayf_context *ctx, const ayf_field_row *fields, size_t count, void *object) {
    static const value none;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type != AYF_FIELD_STRING) continue;
        ayf_free(ctx, load(&fields[i], object).string);
        store(&fields[i], &none, object);
    }
}

/* ---- To text ---- */

static void print_real(double number, ayf_field_style style, char text[AYF_REAL_SIZE]) {
    if (style == AYF_FIELD_TYPED)
        ayf_print_typed_real(text, number);
    else
        ayf_print_real(text, number);
}

static void print_list(const ayf_field_row *f, const value *v, ayf_field_style style, char *text,
                       size_t size) {
    bool ints = f->type == AYF_FIELD_INTS, typed = style == AYF_FIELD_TYPED;
    int count = ints ? v->ints.count : v->reals.count;
    char number[AYF_REAL_SIZE];
    size_t used = (size_t)snprintf(text, size, "%s", typed ? "[" : "");
    for (int i = 0; i < count && used < size; i++) {
        if (ints)
            snprintf(number, sizeof number, "%d", v->ints.at[i]);
        else
            print_real(v->reals.at[i], style, number);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : typed ? ", " : ",", number);
    }
    if (used < size) snprintf(text + used, size - used, "%s", typed ? "]" : "");
}

void ayf_field_print(const ayf_field_row *f, const void *object, ayf_field_style style, char *text,
                     size_t size) {
    value v = load(f, object);
    char number[AYF_REAL_SIZE];
    switch (f->type) {
    case AYF_FIELD_BOOL:
        snprintf(text, size, "%s", v.truth ? "true" : "false");
        break;
    case AYF_FIELD_INT:
        snprintf(text, size, "%d", v.integer);
        break;
    case AYF_FIELD_INT64:
        snprintf(text, size, "%lld", (long long)v.wide);
        break;
    case AYF_FIELD_REAL:
        print_real(v.real, style, number);
        snprintf(text, size, "%s", number);
        break;
    case AYF_FIELD_CHOICE:
        snprintf(text, size, "%s", f->choices[v.integer]);
        break;
    case AYF_FIELD_STRING:
        snprintf(text, size, "%s", v.string);
        break;
    case AYF_FIELD_INTS:
    case AYF_FIELD_REALS:
        print_list(f, &v, style, text, size);
        break;
    }
}

void ayf_field_values(const ayf_field_row *f, char *text, size_t size) {
    static const char *const names[] = {[AYF_FIELD_BOOL] = "true or false",
                                        [AYF_FIELD_INT] = "whole number ",
                                        [AYF_FIELD_INT64] = "whole number ",
                                        [AYF_FIELD_REAL] = "number ",
                                        [AYF_FIELD_CHOICE] = "",
                                        [AYF_FIELD_STRING] = "text",
                                        [AYF_FIELD_INTS] = "list of whole numbers ",
                                        [AYF_FIELD_REALS] = "list of numbers "};
    char range[AYF_FIELD_SIZE] = "";
    if (f->type == AYF_FIELD_CHOICE)
        list_choices(f, " | ", range, sizeof range);
    else if (f->type != AYF_FIELD_BOOL && f->type != AYF_FIELD_STRING)
        range_text(f, range, sizeof range);
    snprintf(text, size, "%s%s", names[f->type], range);
}

/* ---- Ranges ---- */

static ayf_status check_number(ayf_context *ctx, const ayf_field_row *f, double number) {
    if (number >= f->low && number <= f->high) return AYF_OK;
    char text[AYF_REAL_SIZE];
    snprintf(text, sizeof text, "%.17g", number);
    return out_of_range(ctx, f, text);
}

ayf_status ayf_field_check(ayf_context *ctx, const ayf_field_row *f, const void *object) {
    value v = load(f, object);
    switch (f->type) {
    case AYF_FIELD_BOOL:
    case AYF_FIELD_STRING:
        return AYF_OK;
    case AYF_FIELD_CHOICE:
        if (v.integer >= 0 && v.integer < f->choice_count && f->choices[v.integer]) return AYF_OK;
        return ayf_fail(ctx, AYF_E_CONFIG, "%s has the value %d, which has no name", f->name, v.integer);
    case AYF_FIELD_INT:
        return check_number(ctx, f, v.integer);
    case AYF_FIELD_INT64:
        return check_number(ctx, f, (double)v.wide);
    case AYF_FIELD_REAL:
        return check_number(ctx, f, v.real);
    case AYF_FIELD_INTS:
    case AYF_FIELD_REALS:
        break;
    }
    bool ints = f->type == AYF_FIELD_INTS;
    int count = ints ? v.ints.count : v.reals.count;
    if (count < 0 || count > AYF_LIST_MAX)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s has %d elements; a list has at most %d", f->name, count,
                        AYF_LIST_MAX);
    for (int i = 0; i < count; i++) AYF_TRY(check_number(ctx, f, ints ? v.ints.at[i] : v.reals.at[i]));
    return AYF_OK;
}
