#include "nn/spec.h"

#include <math.h>
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
#define KEY(TYPE, kinds, field, text, low, high, name, help) FIELD(TYPE, kinds, field, text, low, high, help)
#include "nn/spec.def"
};

/* Of each field, the set of kinds that have it. */
static const unsigned kinds_of[] = {
#define KEY(TYPE, kinds, field, text, low, high, name, help) kinds,
#define FIELD(TYPE, kinds, field, text, low, high, help) kinds,
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

const char *ayf_model_kind_name(ayf_model_kind kind) { return kind_names[kind]; }
bool ayf_model_is_flow(const ayf_model_spec *spec) { return kinds[spec->kind].flow; }
bool ayf_model_makes_points(const ayf_model_spec *spec) { return kinds[spec->kind].points; }

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

/* ---- What the fields must satisfy together ---- */

static ayf_status check_ranges(ayf_context *ctx, const ayf_model_spec *spec) {
    for (size_t i = 0; i < AYF_COUNT(fields); i++) AYF_TRY(ayf_field_check(ctx, &fields[i], spec));
    return AYF_OK;
}

static ayf_status check_halving(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->channel_mult.count, coarsest = 1 << (levels - 1);
    if (spec->img_resolution % coarsest == 0) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "a resolution of %d cannot be halved %d times; use a multiple of %d (data.resolution), or "
        "fewer values in model.multipliers (channel_mult)",
        spec->img_resolution, levels - 1, coarsest);
}

static ayf_status check_heads(ayf_context *ctx, const ayf_model_spec *spec) {
    for (int i = 0; i < spec->channel_mult.count; i++) {
        int channels = spec->model_channels * spec->channel_mult.at[i], size = spec->img_resolution >> i;
        int heads = channels / spec->channels_per_head;
        bool attention = i == spec->channel_mult.count - 1;
        for (int k = 0; k < spec->attn_resolutions.count; k++)
            attention = attention || spec->attn_resolutions.at[k] == size;
        if (attention && heads > 0 && channels % heads != 0)
            return ayf_fail(ctx, AYF_E_CONFIG,
                            "%d channels at resolution %d cannot be split into %d attention heads; choose "
                            "channels_per_head so that it divides %d",
                            channels, size, heads, channels);
    }
    return AYF_OK;
}

static ayf_status check_filter(ayf_context *ctx, const ayf_reals *taps) {
    double sum = 0;
    for (int i = 0; i < taps->count; i++) sum += taps->at[i];
    if (taps->count >= 2 && taps->count % 2 == 0 && fabs(sum) > 1e-6) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "resample_filter must have an even number of taps (2 to 8) with a sum other than 0, such as 1,1");
}

static ayf_status check_unet(ayf_context *ctx, const ayf_model_spec *spec) {
    if (spec->channel_mult.count < 1)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "model.multipliers (channel_mult) is empty; give one multiple per level, for example 1,2,2");
    AYF_TRY(check_halving(ctx, spec));
    AYF_TRY(check_heads(ctx, spec));
    return check_filter(ctx, &spec->resample_filter);
}

static ayf_status check_discriminator(ayf_context *ctx, const ayf_model_spec *spec) {
    int size = spec->img_resolution;
    if (size < 4 || (size & (size - 1)) != 0)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a discriminator takes images of 4, 8, 16, 32, 64 ... pixels a side, not %d; use a "
                        "data.resolution that is a power of two",
                        size);
    if (spec->channel_base / size < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "channel_base = %d leaves no channel at resolution %d; use at least %d",
                        spec->channel_base, size, size);
    int last = spec->channel_base / 4 < spec->channel_max ? spec->channel_base / 4 : spec->channel_max;
    if (spec->mbstd_num_channels > 0 && last % spec->mbstd_num_channels != 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "mbstd_num_channels = %d does not divide the %d channels at 4x4; choose a divisor, such as 1",
            spec->mbstd_num_channels, last);
    return AYF_OK;
}

static ayf_status check_features(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->feature_channels.count;
    if (levels < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "feature_channels is empty; give the channels per resolution, such as 32,64,128");
    if (spec->img_resolution >> (levels - 1) < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a resolution of %d cannot be halved %d times; use fewer values in feature_channels",
                        spec->img_resolution, levels - 1);
    if (spec->label_dim < 2)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a feature network is trained on classes; label_dim must be at least 2");
    return AYF_OK;
}

ayf_status ayf_model_spec_check(ayf_context *ctx, const ayf_model_spec *spec) {
    AYF_TRY(check_ranges(ctx, spec));
    switch (spec->kind) {
    case AYF_MODEL_UNET:
        return check_unet(ctx, spec);
    case AYF_MODEL_DISCRIMINATOR:
        return check_discriminator(ctx, spec);
    case AYF_MODEL_FEATURES:
        return check_features(ctx, spec);
    default:
        return AYF_OK;
    }
}
