#include "nn/spec.h"

#include <string.h>

static const struct {
    bool flow, points;
} kinds[] = {
#define KIND(constant, name, flow, points) {flow, points},
#include "nn/spec.def"
};

static const char *const kind_names[] = {
#define KIND(constant, name, flow, points) #name,
#include "nn/spec.def"
};

static const char *const precond_names[] = {
#define PRECOND(constant, name) #name,
#include "nn/spec.def"
};

static const char *const time_names[] = {
#define TIME(constant, name) #name,
#include "nn/spec.def"
};

static const char *const added[] = {
#define ADDED(field) #field,
#include "nn/spec.def"
};

#define ONLY(constant) (1u << AYF_MODEL_##constant)
#define BUT(constant) (ANY & ~ONLY(constant))
enum {
    ANY = (1u << AYF_MODEL_KINDS) - 1,
    FLOW = 0
#define KIND(constant, name, flow, points) | ((flow) ? ONLY(constant) : 0)
#include "nn/spec.def"
};

#define CHOICE(names) .type = AYF_FIELD_CHOICE, .choices = names, .choice_count = (int)AYF_COUNT(names)
#define TYPE_KIND CHOICE(kind_names)
#define TYPE_PRECOND CHOICE(precond_names)
#define TYPE_TIME CHOICE(time_names)
#define TYPE_BOOL .type = AYF_FIELD_BOOL
#define TYPE_INT .type = AYF_FIELD_INT
#define TYPE_REAL .type = AYF_FIELD_REAL
#define TYPE_INTS .type = AYF_FIELD_INTS
#define TYPE_REALS .type = AYF_FIELD_REALS

static const ayf_field_row fields[] = {
#define FIELD(TYPE, kinds, field, text_, low_, high_, help_)                                                 \
    {.name = #field,                                                                                         \
     .offset = offsetof(ayf_model_spec, field),                                                              \
     .text = text_,                                                                                          \
     .low = low_,                                                                                            \
     .high = high_,                                                                                          \
     .help = help_,                                                                                          \
     TYPE_##TYPE},
#define KEY(TYPE, kinds, users, field, text, low, high, name, help)                                          \
    FIELD(TYPE, kinds, field, text, low, high, help)
#include "nn/spec.def"
};

/* Of each field, the set of kinds that have it. */
static const unsigned kinds_of[] = {
#define KEY(TYPE, kinds, users, field, text, low, high, name, help) kinds,
#define FIELD(TYPE, kinds, field, text, low, high, help) kinds,
#include "nn/spec.def"
};

static const unsigned users_of[] = {
#define KEY(TYPE, kinds, users, field, text, low, high, name, help) users,
#include "nn/spec.def"
};

ayf_model_spec ayf_model_spec_default(void) {
    ayf_model_spec spec;
    memset(&spec, 0, sizeof spec);
    ayf_fields_default(NULL, fields, AYF_COUNT(fields), &spec);
    return spec;
}

size_t ayf_model_spec_keys(void) { return AYF_COUNT(fields); }
const char *ayf_model_spec_key(size_t index) { return fields[index].name; }

bool ayf_model_spec_has(const ayf_model_spec *spec, size_t index) {
    return kinds_of[index] >> spec->kind & 1u;
}

bool ayf_model_spec_added(const char *key) {
    for (size_t i = 0; i < AYF_COUNT(added); i++)
        if (strcmp(added[i], key) == 0) return true;
    return false;
}

bool ayf_model_kind_uses(ayf_model_kind kind, size_t index) { return users_of[index] >> kind & 1u; }

const char *ayf_model_kind_name(ayf_model_kind kind) { return kind_names[kind]; }
bool ayf_model_is_flow(const ayf_model_spec *spec) { return kinds[spec->kind].flow; }
bool ayf_model_makes_points(const ayf_model_spec *spec) { return kinds[spec->kind].points; }
bool ayf_model_draws_latents(const ayf_model_spec *spec) {
    return ayf_model_is_flow(spec) && spec->latent_mean.count > 0;
}

ayf_model_kind ayf_model_kind_for(bool points) {
    int kind = 0;
    while (!kinds[kind].flow || kinds[kind].points != points) kind++;
    return (ayf_model_kind)kind;
}

void ayf_model_spec_get(const ayf_model_spec *spec, size_t index, char *text, size_t size) {
    ayf_field_print(&fields[index], spec, AYF_FIELD_PLAIN, text, size);
}

ayf_status ayf_model_spec_set(ayf_context *ctx, ayf_model_spec *spec, const char *key, const char *value) {
    int index = ayf_field_find(fields, AYF_COUNT(fields), 0, key);
    if (index >= 0) return ayf_field_set(ctx, &fields[index], value, spec);
    const char *near = ayf_field_nearest(fields, AYF_COUNT(fields), 0, key);
    return ayf_fail(ctx, AYF_E_CONFIG, "there is no model key '%s'%s%s%s", key,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

ayf_status ayf_model_spec_in_range(ayf_context *ctx, const ayf_model_spec *spec) {
    for (size_t i = 0; i < AYF_COUNT(fields); i++) AYF_TRY(ayf_field_check(ctx, &fields[i], spec));
    return AYF_OK;
}
