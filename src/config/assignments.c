#include "config/assignments.h"

#include <stdio.h>
#include <string.h>

#include "config/table.h"

typedef struct assignment {
    int row;
    char *text;
} assignment;

struct ayf_assignments {
    ayf_context *ctx;
    assignment *at;
    size_t count, capacity;
    ayf_config scratch; /* takes every value once, to see whether it is good */
};

ayf_status ayf_assignments_new(ayf_context *ctx, ayf_assignments **list) {
    *list = ayf_alloc(ctx, 1, sizeof **list);
    if (!*list) return AYF_E_MEMORY;
    (*list)->ctx = ctx;
    return AYF_OK;
}

void ayf_assignments_free(ayf_assignments *list) {
    if (!list) return;
    for (size_t i = 0; i < list->count; i++) ayf_free(list->ctx, list->at[i].text);
    ayf_free(list->ctx, list->at);
    ayf_config_free(list->ctx, &list->scratch);
    ayf_free(list->ctx, list);
}

ayf_context *ayf_assignments_context(const ayf_assignments *list) { return list->ctx; }

ayf_status ayf_assignments_check_element(ayf_assignments *list, const char *where, int row, int index,
                                         const char *text) {
    return ayf_config_set_element(list->ctx, where, &list->scratch, row, index, text);
}

ayf_status ayf_assignments_add(ayf_assignments *list, const char *where, int row, const char *text) {
    AYF_TRY(ayf_config_set_text(list->ctx, where, &list->scratch, row, text));
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        assignment *at = ayf_grow(list->ctx, list->at, list->count, capacity, sizeof *at);
        if (!at) return AYF_E_MEMORY;
        list->at = at;
        list->capacity = capacity;
    }
    char *copy = ayf_strdup(list->ctx, text);
    if (!copy) return AYF_E_MEMORY;
    list->at[list->count++] = (assignment){row, copy};
    return AYF_OK;
}

/* Cuts blanks at both ends in place. */
static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t')) text[--size] = 0;
    return text;
}

ayf_status ayf_assignments_add_setting(ayf_assignments *list, const char *setting) {
    ayf_context *ctx = list->ctx;
    char where[120];
    snprintf(where, sizeof where, "%.100s", setting);
    char *copy = ayf_strdup(ctx, setting);
    if (!copy) return AYF_E_MEMORY;
    char *equals = strchr(copy, '=');
    if (equals) *equals = 0;
    char *key = trim(copy), *dot = strchr(key, '.');
    ayf_status status = AYF_E_CONFIG;
    if (equals && dot) {
        *dot = 0;
        int row = ayf_config_find(ctx, where, key, dot + 1);
        if (row >= 0) status = ayf_assignments_add(list, where, row, trim(equals + 1));
    } else {
        const char *near = ayf_config_find_elsewhere(key);
        ayf_fail(ctx, AYF_E_CONFIG, "%s: give it as section.key=value%s%s%s", where,
                 near ? "; did you mean \"" : ", for example train.lr=0.01", near ? near : "",
                 near ? "\"?" : "");
    }
    ayf_free(ctx, copy);
    return status;
}

const char *ayf_assignments_last(const ayf_assignments *list, const char *key) {
    for (size_t i = list->count; i > 0; i--)
        if (strcmp(ayf_config_path(list->at[i - 1].row), key) == 0) return list->at[i - 1].text;
    return NULL;
}

bool ayf_assignments_has(const ayf_assignments *list, const char *key) {
    return ayf_assignments_last(list, key) != NULL;
}

ayf_status ayf_config_apply(ayf_context *ctx, ayf_config *cfg, const ayf_assignments *list) {
    for (size_t i = 0; i < list->count; i++)
        AYF_TRY(ayf_config_set_text(ctx, "the configuration", cfg, list->at[i].row, list->at[i].text));
    return AYF_OK;
}

ayf_status ayf_config_set(ayf_context *ctx, ayf_config *cfg, const char *setting) {
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    ayf_status status = ayf_assignments_add_setting(list, setting);
    if (status == AYF_OK) status = ayf_config_apply(ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}
