#include "io/classes.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "io/text.h"

void ayf_classes_clear(ayf_context *ctx, ayf_classes *c) {
    for (int i = 0; c->names && i < c->count; i++) ayf_free(ctx, c->names[i]);
    ayf_free(ctx, c->names);
    ayf_free(ctx, c->pictures);
    *c = (ayf_classes){0};
}

/* ---- Names ---- */

static void make_printable(char *text) {
    for (char *at = text; *at;) {
        uint32_t code = 0;
        size_t size = ayf_utf8_decode(at, strlen(at), &code);
        if (size == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            memset(at, '?', size ? size : 1);
        }
        at += size ? size : 1;
    }
}

/* jansson's object finds a name among 65536 at once. */
static ayf_status tell_apart(ayf_context *ctx, char **names, int count) {
    json_t *seen = json_object();
    ayf_status status = seen ? AYF_OK : ayf_fail(ctx, AYF_E_MEMORY, "out of memory for the names of classes");
    for (int i = 0; i < count && status == AYF_OK; i++) {
        while (status == AYF_OK && (!*names[i] || json_object_get(seen, names[i]))) {
            char *longer = ayf_format(ctx, "%s%s%d", names[i], *names[i] ? " " : "class ", i);
            if (!longer) status = AYF_E_MEMORY;
            if (!longer) break;
            ayf_free(ctx, names[i]);
            names[i] = longer;
        }
        if (status == AYF_OK && json_object_set_new(seen, names[i], json_true()) != 0)
            status = ayf_fail(ctx, AYF_E_MEMORY, "out of memory for the names of classes");
    }
    json_decref(seen);
    return status;
}

ayf_status ayf_classes_name(ayf_context *ctx, ayf_classes *c, const char *const *from, int count) {
    char **names = ayf_alloc(ctx, (size_t)count, sizeof *names);
    ayf_status status = names ? AYF_OK : AYF_E_MEMORY;
    for (int i = 0; i < count && status == AYF_OK; i++) {
        names[i] = ayf_strdup(ctx, from[i] ? from[i] : "");
        if (names[i])
            make_printable(names[i]);
        else
            status = AYF_E_MEMORY;
    }
    if (status == AYF_OK) status = tell_apart(ctx, names, count);
    char **unused = status == AYF_OK ? c->names : names;
    int unused_count = status == AYF_OK ? c->count : count;
    for (int i = 0; unused && i < unused_count; i++) ayf_free(ctx, unused[i]);
    ayf_free(ctx, unused);
    if (status != AYF_OK) return status;
    c->names = names;
    c->count = count;
    return AYF_OK;
}

ayf_status ayf_classes_copy(ayf_context *ctx, const ayf_classes *from, ayf_classes *to) {
    *to = (ayf_classes){.count = from->count};
    ayf_status status = AYF_OK;
    if (from->names) status = ayf_classes_name(ctx, to, (const char *const *)from->names, from->count);
    if (status == AYF_OK && from->pictures) {
        to->pictures = ayf_alloc(ctx, (size_t)from->count, sizeof *to->pictures);
        if (to->pictures)
            memcpy(to->pictures, from->pictures, (size_t)from->count * sizeof *to->pictures);
        else
            status = AYF_E_MEMORY;
    }
    if (status != AYF_OK) ayf_classes_clear(ctx, to);
    return status;
}

/* ---- Text ---- */

char *ayf_classes_print(ayf_context *ctx, const ayf_classes *c) {
    ayf_text text;
    ayf_text_init(&text, ctx);
    ayf_text_print(&text, "{\"count\": %d", c->count);
    for (int i = 0; c->names && i < c->count; i++) {
        ayf_text_print(&text, i ? ", " : ", \"names\": [");
        ayf_text_json(&text, c->names[i]);
    }
    if (c->names) ayf_text_print(&text, "]");
    for (int i = 0; c->pictures && i < c->count; i++)
        ayf_text_print(&text, "%s%llu", i ? ", " : ", \"pictures\": [", (unsigned long long)c->pictures[i]);
    ayf_text_print(&text, c->pictures ? "]}" : "}");
    if (!text.failed) return text.data;
    ayf_text_free(&text);
    return NULL;
}

static ayf_status read_names(ayf_context *ctx, const json_t *list, ayf_classes *c) {
    const char **names = ayf_alloc(ctx, (size_t)c->count, sizeof *names);
    if (!names) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    for (int i = 0; i < c->count && status == AYF_OK; i++) {
        names[i] = json_string_value(json_array_get(list, (size_t)i));
        if (!names[i]) status = ayf_fail(ctx, AYF_E_FORMAT, "name %d is not a text", i);
    }
    if (status == AYF_OK) status = ayf_classes_name(ctx, c, names, c->count);
    ayf_free(ctx, names);
    return status;
}

static ayf_status read_pictures(ayf_context *ctx, const json_t *list, ayf_classes *c) {
    uint64_t sum = 0;
    c->pictures = ayf_alloc(ctx, (size_t)c->count, sizeof *c->pictures);
    if (!c->pictures) return AYF_E_MEMORY;
    for (int i = 0; i < c->count; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 || number > (json_int_t)1 << 40)
            return ayf_fail(ctx, AYF_E_FORMAT, "the number of pictures of class %d is not one", i);
        c->pictures[i] = (uint64_t)number;
        sum += c->pictures[i];
    }
    return sum ? AYF_OK : ayf_fail(ctx, AYF_E_FORMAT, "no class has a picture");
}

static ayf_status read_object(ayf_context *ctx, const json_t *root, ayf_classes *c) {
    json_int_t count = json_integer_value(json_object_get(root, "count"));
    const json_t *names = json_object_get(root, "names"), *pictures = json_object_get(root, "pictures");
    if (count < 1 || count > AYF_MAX_CLASSES)
        return ayf_fail(ctx, AYF_E_FORMAT, "\"count\" is not a number of classes");
    c->count = (int)count;
    if ((names && json_array_size(names) != (size_t)count) ||
        (pictures && json_array_size(pictures) != (size_t)count))
        return ayf_fail(ctx, AYF_E_FORMAT, "\"names\" or \"pictures\" is not a list of %d", c->count);
    if (names) AYF_TRY(read_names(ctx, names, c));
    return pictures ? read_pictures(ctx, pictures, c) : AYF_OK;
}

ayf_status ayf_classes_parse(ayf_context *ctx, const char *text, ayf_classes *c) {
    *c = (ayf_classes){0};
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ayf_status status = json_is_object(root)
                            ? read_object(ctx, root, c)
                            : ayf_fail(ctx, AYF_E_FORMAT, "the classes are not a JSON object");
    json_decref(root);
    if (status != AYF_OK) ayf_classes_clear(ctx, c);
    return status;
}

/* ---- Classes without pictures ---- */

bool ayf_classes_present(const ayf_classes *c, int index) { return !c->pictures || c->pictures[index]; }

int ayf_classes_empty(const ayf_classes *c) {
    int empty = 0;
    for (int i = 0; i < c->count; i++) empty += !ayf_classes_present(c, i);
    return empty;
}

void ayf_classes_list_empty(const ayf_classes *c, char *text, size_t size) {
    enum { ITEM = 32 };
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < c->count; i++) {
        int last = i;
        if (ayf_classes_present(c, i)) continue;
        while (last + 1 < c->count && !ayf_classes_present(c, last + 1)) last++;
        if (used + ITEM > size) {
            snprintf(text + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%d", used ? ", " : "", i);
        if (last > i)
            used += (size_t)snprintf(text + used, size - used, "%s%d", last > i + 1 ? "-" : ", ", last);
        i = last;
    }
}

int ayf_classes_draw(const ayf_classes *c, int count, bool by_share, uint32_t bits) {
    bool known = c && c->pictures && c->count == count;
    uint64_t total = 0;
    for (int i = 0; known && i < count; i++) total += by_share ? c->pictures[i] : c->pictures[i] > 0;
    if (!known) return (int)(((uint64_t)bits * (uint64_t)count) >> 32);
    /* bits * total has to fit in 64 bits. */
    unsigned shift = 0;
    while (total >> shift > UINT32_MAX) shift++;
    uint64_t place = ((uint64_t)bits * (total >> shift)) >> 32 << shift;
    for (int i = 0; i < count; i++) {
        uint64_t own = by_share ? c->pictures[i] : c->pictures[i] > 0;
        if (place < own) return i;
        place -= own;
    }
    return 0;
}

int ayf_classes_nth(const ayf_classes *c, int count, int n) {
    bool known = c && c->pictures && c->count == count;
    int present = known ? count - ayf_classes_empty(c) : count;
    n %= present;
    for (int i = 0; i < count; i++)
        if ((!known || ayf_classes_present(c, i)) && n-- == 0) return i;
    return 0;
}
