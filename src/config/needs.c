/* Which keys have an effect beside others. */
#include <stdio.h>
#include <string.h>

#include "config/table.h"

static const struct {
    const char *name, *other, *values; /* `other` NULL: networks of images */
} needs[] = {
#define NEEDS(section, name, other, values) {#section "." #name, #other, values},
#define IMAGES(section, name) {#section "." #name, NULL, NULL},
#include "config/keys.def"
};

static const char *const model_names[] = {
#define KEY(type, kinds, users, field, text, low, high, name, help) "model." #name,
#include "nn/spec.def"
};

static bool is_among(const char *values, const char *value) {
    for (size_t size = strlen(value); *values; values += strcspn(values, "|"), values += *values == '|')
        if (strcspn(values, "|") == size && strncmp(values, value, size) == 0) return true;
    return false;
}

/* "a|b" for people: "a or b". */
static void describe(ayf_config_need *need, const char *values) {
    need->switched = !*values;
    size_t used = (size_t)snprintf(need->values, sizeof need->values, "%s %s",
                                   ayf_config_row(need->row)->name, *values ? "= " : "above 0");
    for (const char *v = values; *v && used < sizeof need->values; v++)
        used += (size_t)(*v == '|' ? snprintf(need->values + used, sizeof need->values - used, " or ")
                                   : snprintf(need->values + used, sizeof need->values - used, "%c", *v));
}

static bool lacks_kind(const ayf_config *cfg, int row, ayf_config_need *need) {
    char names[80] = "";
    size_t key = 0, used = 0;
    while (key < AYF_COUNT(model_names) && strcmp(model_names[key], ayf_config_row(row)->name) != 0) key++;
    if (key == AYF_COUNT(model_names) || ayf_model_kind_uses(cfg->model.kind, key)) return false;
    for (int kind = 0; kind < AYF_MODEL_KINDS && used < sizeof names; kind++)
        if (ayf_model_kind_uses((ayf_model_kind)kind, key))
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? "|" : "",
                                     ayf_model_kind_name((ayf_model_kind)kind));
    describe(need, names);
    return true;
}

bool ayf_config_lacks(const ayf_config *cfg, int row, ayf_config_need *need) {
    const char *name = ayf_config_row(row)->name;
    need->row = ayf_config_row_named("model.kind");
    if (lacks_kind(cfg, row, need)) return true;
    for (size_t i = 0; i < AYF_COUNT(needs); i++) {
        char value[AYF_FIELD_SIZE];
        if (strcmp(needs[i].name, name) != 0) continue;
        if (!needs[i].other) {
            snprintf(need->values, sizeof need->values, "networks of images");
            need->switched = false;
            if (ayf_model_makes_points(&cfg->model)) return true;
            continue;
        }
        need->row = ayf_config_row_named(needs[i].other);
        ayf_field_print(ayf_config_row(need->row), cfg, AYF_FIELD_PLAIN, value, sizeof value);
        if (*needs[i].values ? is_among(needs[i].values, value) : strcmp(value, "0") != 0) continue;
        describe(need, needs[i].values);
        return true;
    }
    return false;
}
