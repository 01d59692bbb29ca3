#include "config/assignments.h"

#include <stdio.h>
#include <string.h>

#include "config/table.h"
#include "io/text.h"

typedef struct assignment {
    int row;
    ayf_giver giver;
    char *text;
} assignment;

struct ayf_assignments {
    ayf_context *ctx;
    assignment *at;
    size_t count, capacity;
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
    ayf_free(list->ctx, list);
}

ayf_context *ayf_assignments_context(const ayf_assignments *list) { return list->ctx; }

/* Whether `where` is a setting "key=value" of this key, so that a message that names the key needs no more. */
static bool is_setting(const char *where, const char *key) {
    size_t size = strlen(key);
    return strncmp(where, key, size) == 0 && strchr(" \t=", where[size]);
}

static ayf_status check_value(ayf_context *ctx, const char *where, const ayf_field_row *r, const char *text) {
    if (r->type == AYF_FIELD_STRING && !ayf_utf8_valid(text))
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: %s is not UTF-8; rename the file or folder it names", where,
                        r->name);
    if (ayf_field_accepts(ctx, r, text) == AYF_OK) return AYF_OK;
    return is_setting(where, r->name) ? ctx->status : ayf_fail_prefix(ctx, "%s: ", where);
}

ayf_status ayf_assignments_add(ayf_assignments *list, ayf_giver giver, const char *where, int row,
                               const char *text) {
    AYF_TRY(check_value(list->ctx, where, ayf_config_row(row), text));
    AYF_TRY(ayf_reserve(list->ctx, &list->at, list->count, &list->capacity, sizeof *list->at));
    char *copy = ayf_strdup(list->ctx, text);
    if (!copy) return AYF_E_MEMORY;
    list->at[list->count++] = (assignment){row, giver, copy};
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
        if (row >= 0) status = ayf_assignments_add(list, AYF_GIVEN_BY_SETTING, where, row, trim(equals + 1));
    } else {
        const char *near = ayf_config_find_elsewhere(key);
        ayf_fail(ctx, AYF_E_CONFIG, "%s: give it as section.key=value%s%s%s", where,
                 near ? "; did you mean \"" : ", for example train.lr=0.01", near ? near : "",
                 near ? "\"?" : "");
    }
    ayf_free(ctx, copy);
    return status;
}

static const assignment *find_last(const ayf_assignments *list, const char *key) {
    for (size_t i = list->count; i > 0; i--)
        if (strcmp(ayf_config_row(list->at[i - 1].row)->name, key) == 0) return &list->at[i - 1];
    return NULL;
}

const char *ayf_assignments_last(const ayf_assignments *list, const char *key) {
    const assignment *last = find_last(list, key);
    return last ? last->text : NULL;
}

ayf_giver ayf_assignments_giver(const ayf_assignments *list, const char *key) {
    const assignment *last = find_last(list, key);
    return last ? last->giver : AYF_GIVEN_NOT;
}

const char *ayf_assignments_last_key(const ayf_assignments *list) {
    return list->count ? ayf_config_row(list->at[list->count - 1].row)->name : NULL;
}

ayf_status ayf_config_apply(ayf_context *ctx, ayf_config *cfg, const ayf_assignments *list) {
    for (size_t i = 0; i < list->count; i++)
        AYF_TRY(ayf_field_set(ctx, ayf_config_row(list->at[i].row), list->at[i].text, cfg));
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

ayf_status ayf_config_check_settings(ayf_context *ctx, const char *const *settings, int count) {
    if (count < 0 || (count > 0 && !settings))
        return ayf_fail(ctx, AYF_E_USAGE, "%d settings%s: give a list of strings and how many they are",
                        count, settings ? "" : " and no list of them");
    for (int i = 0; i < count; i++)
        if (!settings[i]) return ayf_fail(ctx, AYF_E_USAGE, "setting %d of %d is not a string", i + 1, count);
    return AYF_OK;
}
