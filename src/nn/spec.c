#include "nn/spec.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

typedef enum field_type {
    FIELD_KIND,
    FIELD_PRECOND,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_REAL,
    FIELD_INTS,
    FIELD_REALS
} field_type;

typedef struct field {
    field_type type;
    const char *name, *text, *help;
    size_t offset;
    double low, high;
    unsigned kinds;
} field;

static const field fields[] = {
#define AYF_ROW(TYPE, kinds, member, text, low, high, help)                                                  \
    {FIELD_##TYPE, #member, text, help, offsetof(ayf_model_spec, member), low, high, kinds},
    AYF_MODEL_FIELDS(AYF_ROW)
#undef AYF_ROW
};

static const char *const field_names[] = {
#define AYF_ROW(TYPE, kinds, member, text, low, high, help) #member,
    AYF_MODEL_FIELDS(AYF_ROW)
#undef AYF_ROW
};

static const char *const kind_names[] = {[AYF_MODEL_UNET] = "unet",
                                         [AYF_MODEL_MLP] = "mlp",
                                         [AYF_MODEL_DISCRIMINATOR] = "discriminator",
                                         [AYF_MODEL_FEATURES] = "features",
                                         [AYF_MODEL_INCEPTION] = "inception"};
static const char *const precond_names[] = {"none", "velocity"};
static const char *const bool_names[] = {"false", "true"};

static const char *const *names_of(field_type type, size_t *count) {
    *count = 2;
    switch (type) {
    case FIELD_KIND:
        *count = AYF_COUNT(kind_names);
        return kind_names;
    case FIELD_PRECOND:
        return precond_names;
    case FIELD_BOOL:
        return bool_names;
    default:
        return NULL;
    }
}

/* One number that fills [text, end). */
static bool parse_number(const char *text, size_t length, bool whole, double *out) {
    char copy[64];
    while (length && text[0] == ' ') text++, length--;
    while (length && text[length - 1] == ' ') length--;
    if (length == 0 || length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    if (!ayf_parse_real(copy, out)) return false;
    return !whole || (*out == floor(*out) && fabs(*out) <= INT_MAX);
}

/* "[1, 2, 2]" or "1,2,2". False when it is not a list of numbers or too long. */
static bool parse_list(const char *text, bool whole, ayf_reals *out) {
    size_t length = strlen(text);
    while (length && (text[0] == ' ' || text[0] == '[')) text++, length--;
    while (length && (text[length - 1] == ' ' || text[length - 1] == ']')) length--;
    out->count = 0;
    while (length) {
        const char *comma = memchr(text, ',', length);
        size_t part = comma ? (size_t)(comma - text) : length;
        if (out->count == AYF_LIST_MAX || !parse_number(text, part, whole, &out->at[out->count++]))
            return false;
        if (!comma) return true;
        text += part + 1;
        length -= part + 1;
        if (!length) return false;
    }
    return true;
}

static const char *expected(field_type type) {
    switch (type) {
    case FIELD_KIND:
        return "unet, mlp, discriminator, features or inception";
    case FIELD_PRECOND:
        return "none or velocity";
    case FIELD_BOOL:
        return "true or false";
    case FIELD_INT:
        return "a whole number";
    case FIELD_REAL:
        return "a number";
    case FIELD_INTS:
        return "up to 8 whole numbers separated by commas";
    case FIELD_REALS:
        return "up to 8 numbers separated by commas";
    }
    return "";
}

static bool in_range(const field *f, double value) { return value >= f->low && value <= f->high; }

static bool store(const field *f, ayf_model_spec *spec, const char *text, double *outside) {
    void *at = (char *)spec + f->offset;
    size_t count;
    const char *const *names = names_of(f->type, &count);
    if (names) {
        size_t value = 0;
        while (value < count && strcmp(text, names[value]) != 0) value++;
        if (value == count) return false;
        if (f->type == FIELD_BOOL) *(bool *)at = value == 1;
        if (f->type == FIELD_KIND) *(ayf_model_kind *)at = (ayf_model_kind)value;
        if (f->type == FIELD_PRECOND) *(ayf_precond *)at = (ayf_precond)value;
        return true;
    }
    bool whole = f->type == FIELD_INT || f->type == FIELD_INTS;
    bool list = f->type == FIELD_INTS || f->type == FIELD_REALS;
    ayf_reals values = {.count = 1};
    if (list ? !parse_list(text, whole, &values) : !parse_number(text, strlen(text), whole, &values.at[0]))
        return false;
    for (int i = 0; i < values.count; i++)
        if (!in_range(f, values.at[i])) {
            *outside = values.at[i];
            return false;
        }
    if (f->type == FIELD_INT) *(int *)at = (int)values.at[0];
    if (f->type == FIELD_REAL) *(double *)at = values.at[0];
    if (f->type == FIELD_REALS) *(ayf_reals *)at = values;
    if (f->type == FIELD_INTS) {
        ayf_ints ints = {.count = values.count};
        for (int i = 0; i < values.count; i++) ints.at[i] = (int)values.at[i];
        *(ayf_ints *)at = ints;
    }
    return true;
}

ayf_model_spec ayf_model_spec_default(void) {
    ayf_model_spec spec;
    memset(&spec, 0, sizeof spec);
    double outside;
    for (size_t i = 0; i < AYF_COUNT(fields); i++) store(&fields[i], &spec, fields[i].text, &outside);
    return spec;
}

size_t ayf_model_spec_keys(void) { return AYF_COUNT(fields); }
const char *ayf_model_spec_key(size_t index) { return fields[index].name; }
const char *ayf_model_spec_help(size_t index) { return fields[index].help; }

bool ayf_model_spec_has(const ayf_model_spec *spec, size_t index) {
    return fields[index].kinds >> spec->kind & 1u;
}

const char *ayf_model_kind_name(ayf_model_kind kind) { return kind_names[kind]; }
bool ayf_model_is_flow(const ayf_model_spec *spec) { return AYF_FLOW >> spec->kind & 1u; }

void ayf_model_spec_get(const ayf_model_spec *spec, size_t index, char *text, size_t size) {
    const field *f = &fields[index];
    const void *at = (const char *)spec + f->offset;
    size_t used = 0;
    char number[AYF_REAL_SIZE];
    if (size) text[0] = 0;
    switch (f->type) {
    case FIELD_KIND:
        snprintf(text, size, "%s", kind_names[*(const ayf_model_kind *)at]);
        break;
    case FIELD_PRECOND:
        snprintf(text, size, "%s", precond_names[*(const ayf_precond *)at]);
        break;
    case FIELD_BOOL:
        snprintf(text, size, "%s", bool_names[*(const bool *)at]);
        break;
    case FIELD_INT:
        snprintf(text, size, "%d", *(const int *)at);
        break;
    case FIELD_REAL:
        ayf_print_real(number, *(const double *)at);
        snprintf(text, size, "%s", number);
        break;
    case FIELD_INTS: {
        const ayf_ints *list = at;
        for (int i = 0; i < list->count && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, i ? ",%d" : "%d", list->at[i]);
        break;
    }
    case FIELD_REALS: {
        const ayf_reals *list = at;
        for (int i = 0; i < list->count && used < size; i++) {
            ayf_print_real(number, list->at[i]);
            used += (size_t)snprintf(text + used, size - used, i ? ",%s" : "%s", number);
        }
        break;
    }
    }
}

ayf_status ayf_model_spec_set(ayf_context *ctx, ayf_model_spec *spec, const char *key, const char *value) {
    for (size_t i = 0; i < AYF_COUNT(fields); i++) {
        const field *f = &fields[i];
        if (strcmp(f->name, key) != 0) continue;
        double outside = NAN;
        if (store(f, spec, value, &outside)) return AYF_OK;
        if (!isnan(outside))
            return ayf_fail(ctx, AYF_E_CONFIG, "model key '%s': %g is outside %g to %g (%s)", key, outside,
                            f->low, f->high, f->help);
        return ayf_fail(ctx, AYF_E_CONFIG, "model key '%s': '%s' is not %s (%s)", key, value,
                        expected(f->type), f->help);
    }
    const char *near = ayf_nearest(key, field_names, AYF_COUNT(field_names));
    return ayf_fail(ctx, AYF_E_CONFIG, "there is no model key '%s'%s%s%s", key,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- What the fields must satisfy together ---- */

static ayf_status check_ranges(ayf_context *ctx, const ayf_model_spec *spec) {
    for (size_t i = 0; i < AYF_COUNT(fields); i++) {
        const field *f = &fields[i];
        const void *at = (const char *)spec + f->offset;
        ayf_reals values = {.count = 1};
        switch (f->type) {
        case FIELD_KIND:
            values.at[0] = *(const ayf_model_kind *)at;
            break;
        case FIELD_PRECOND:
            values.at[0] = *(const ayf_precond *)at;
            break;
        case FIELD_BOOL:
            values.at[0] = *(const bool *)at;
            break;
        case FIELD_INT:
            values.at[0] = *(const int *)at;
            break;
        case FIELD_REAL:
            values.at[0] = *(const double *)at;
            break;
        case FIELD_REALS:
            values = *(const ayf_reals *)at;
            break;
        case FIELD_INTS: {
            const ayf_ints *list = at;
            values.count = list->count;
            for (int k = 0; k < list->count && k < AYF_LIST_MAX; k++) values.at[k] = list->at[k];
            break;
        }
        }
        if (values.count < 0 || values.count > AYF_LIST_MAX)
            return ayf_fail(ctx, AYF_E_CONFIG, "model key '%s': a list has at most %d values", f->name,
                            AYF_LIST_MAX);
        for (int k = 0; k < values.count; k++)
            if (!in_range(f, values.at[k]))
                return ayf_fail(ctx, AYF_E_CONFIG, "model key '%s': %g is outside %g to %g (%s)", f->name,
                                values.at[k], f->low, f->high, f->help);
    }
    return AYF_OK;
}

static ayf_status check_unet(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->channel_mult.count;
    if (levels < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model key 'channel_mult' is empty: give one multiplier per resolution, "
                        "such as 1,2,2");
    if (spec->img_resolution % (1 << (levels - 1)) != 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "img_resolution %d cannot be halved %d times: use a multiple of %d, or fewer values in "
            "channel_mult",
            spec->img_resolution, levels - 1, 1 << (levels - 1));
    for (int i = 0; i < levels; i++) {
        int channels = spec->model_channels * spec->channel_mult.at[i];
        int heads = channels / spec->channels_per_head;
        bool attention = i == levels - 1;
        for (int k = 0; k < spec->attn_resolutions.count; k++)
            attention = attention || spec->attn_resolutions.at[k] == spec->img_resolution >> i;
        if (attention && heads > 0 && channels % heads != 0)
            return ayf_fail(ctx, AYF_E_CONFIG,
                            "%d channels at resolution %d cannot be split into %d attention heads: choose "
                            "channels_per_head so that it divides %d",
                            channels, spec->img_resolution >> i, heads, channels);
    }
    double sum = 0;
    for (int i = 0; i < spec->resample_filter.count; i++) sum += spec->resample_filter.at[i];
    if (spec->resample_filter.count < 2 || spec->resample_filter.count % 2 != 0 || !(fabs(sum) > 1e-6))
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "model key 'resample_filter': an even number of taps (2 to 8) with a sum other than 0 is "
            "needed, such as 1,1");
    return AYF_OK;
}

static ayf_status check_discriminator(ayf_context *ctx, const ayf_model_spec *spec) {
    int size = spec->img_resolution;
    if (size < 4 || (size & (size - 1)) != 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "a discriminator needs an img_resolution that is a power of two and at least 4, not %d: "
            "resize the images (data.resolution)",
            size);
    int fewest = spec->channel_base / size;
    if (fewest < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model key 'channel_base': %d leaves no channel at resolution %d: use at least %d",
                        spec->channel_base, size, size);
    int last = spec->channel_base / 4 < spec->channel_max ? spec->channel_base / 4 : spec->channel_max;
    if (spec->mbstd_num_channels > 0 && last % spec->mbstd_num_channels != 0)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model key 'mbstd_num_channels': %d does not divide the %d channels at 4x4: choose a "
                        "divisor, such as 1",
                        spec->mbstd_num_channels, last);
    return AYF_OK;
}

static ayf_status check_features(ayf_context *ctx, const ayf_model_spec *spec) {
    int levels = spec->feature_channels.count;
    if (levels < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "model key 'feature_channels' is empty: give the channels per resolution, such as "
                        "32,64,128");
    if (spec->img_resolution >> (levels - 1) < 1)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "img_resolution %d cannot be halved %d times: use fewer values in feature_channels",
                        spec->img_resolution, levels - 1);
    if (spec->label_dim < 2)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "a feature network is trained on classes: label_dim must be at least 2");
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

bool ayf_model_spec_equal(const ayf_model_spec *a, const ayf_model_spec *b) {
    char left[AYF_SPEC_TEXT_SIZE], right[AYF_SPEC_TEXT_SIZE];
    if (a->kind != b->kind) return false;
    for (size_t i = 0; i < AYF_COUNT(fields); i++) {
        if (!ayf_model_spec_has(a, i)) continue;
        ayf_model_spec_get(a, i, left, sizeof left);
        ayf_model_spec_get(b, i, right, sizeof right);
        if (strcmp(left, right) != 0) return false;
    }
    return true;
}
