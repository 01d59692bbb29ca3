#include "data/source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void ayf_labels_clear(ayf_context *ctx, ayf_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) ayf_free(ctx, labels->items[i].name);
    ayf_free(ctx, labels->items);
    *labels = (ayf_labels){0};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const ayf_label *)a)->name, ((const ayf_label *)b)->name);
}

int ayf_labels_find(const ayf_labels *labels, const char *name) {
    if (!labels->count) return -1;
    ayf_label key = {.name = (char *)(uintptr_t)name};
    const ayf_label *found = bsearch(&key, labels->items, labels->count, sizeof key, by_name);
    return found ? found->label : -1;
}

/* One [name, class]. labels->items has room. */
static ayf_status add(ayf_context *ctx, const char *file, const char *name, const json_t *value,
                      ayf_labels *labels) {
    if (!json_is_integer(value))
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: the label of %s is not a whole number", file, name);
    json_int_t label = json_integer_value(value);
    if (label < 0 || label >= AYF_MAX_CLASSES)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: the label of %s is %lld, out of the range 0 to %d", file,
                        name, (long long)label, AYF_MAX_CLASSES - 1);
    char *copy = ayf_strdup(ctx, name);
    if (!copy) return AYF_E_MEMORY;
    for (char *p = copy; *p; p++)
        if (*p == '\\') *p = '/';
    labels->items[labels->count++] = (ayf_label){copy, (int)label};
    return AYF_OK;
}

static ayf_status add_pair(ayf_context *ctx, const char *file, size_t index, const json_t *pair,
                           ayf_labels *labels) {
    const char *name = json_string_value(json_array_get(pair, 0));
    if (json_array_size(pair) != 2 || !name)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: entry %zu of \"labels\" is not [name, class]", file, index);
    return add(ctx, file, name, json_array_get(pair, 1), labels);
}

static ayf_status fill(ayf_context *ctx, const char *file, json_t *list, bool quiet, ayf_labels *labels) {
    ayf_problems problems = {.ctx = ctx, .quiet = quiet};
    size_t total = json_is_array(list) ? json_array_size(list) : json_object_size(list);
    labels->items = ayf_alloc(ctx, total, sizeof *labels->items);
    if (!labels->items) return AYF_E_MEMORY;
    if (json_is_array(list)) {
        for (size_t i = 0; i < total; i++)
            if (add_pair(ctx, file, i, json_array_get(list, i), labels) != AYF_OK &&
                !ayf_problems_add(&problems))
                return AYF_E_MEMORY;
    } else {
        for (void *at = json_object_iter(list); at; at = json_object_iter_next(list, at))
            if (add(ctx, file, json_object_iter_key(at), json_object_iter_value(at), labels) != AYF_OK &&
                !ayf_problems_add(&problems))
                return AYF_E_MEMORY;
    }
    qsort(labels->items, labels->count, sizeof *labels->items, by_name);
    for (size_t i = 1; i < labels->count; i++) {
        if (strcmp(labels->items[i - 1].name, labels->items[i].name) != 0) continue;
        ayf_fail(ctx, AYF_E_FORMAT, "%s: %s is labelled twice", file, labels->items[i].name);
        if (!ayf_problems_add(&problems)) return AYF_E_MEMORY;
    }
    return ayf_problems_report(&problems, file, total, "labels");
}

ayf_status ayf_labels_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, bool quiet,
                            ayf_labels *labels) {
    *labels = (ayf_labels){0};
    json_error_t error;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: line %d, column %d: %s", name, error.line, error.column,
                        error.text);
    json_t *list = json_object_get(root, "labels");
    ayf_status status = AYF_OK;
    if (!json_is_object(root)) {
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: is not a JSON object with \"labels\"", name);
    } else if (list && !json_is_null(list)) {
        labels->present = true;
        if (json_is_array(list) || json_is_object(list))
            status = fill(ctx, name, list, quiet, labels);
        else
            status = ayf_fail(ctx, AYF_E_FORMAT, "%s: \"labels\" is not a list of [name, class]", name);
    }
    json_decref(root);
    if (status != AYF_OK) ayf_labels_clear(ctx, labels);
    return status;
}
