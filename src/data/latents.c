#include "data/latents.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fields.h"

static ayf_status refuse(ayf_context *ctx, const char *name, const ayf_npy *a, const char *why) {
    char shape[128];
    ayf_npy_describe(a, shape, sizeof shape);
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s is %s%s; latents are floats (channels, side, side) or (side, side, channels)", name,
                    shape, why);
}

/* Which of the last three numbers are the sides, and which the channels. */
static bool find_sides(const size_t *shape, bool cube, size_t *side, size_t *channels, bool *planes) {
    bool first = shape[0] == shape[1], last = shape[1] == shape[2];
    *planes = last && (!first || cube);
    *side = shape[1];
    *channels = *planes ? shape[0] : shape[2];
    return first || last;
}

ayf_status ayf_latent_form_read(ayf_context *ctx, const char *name, const ayf_npy *a, int wanted,
                                bool stacked, bool cube, ayf_latent_form *out) {
    enum { STACKED_BY_EDM2 = 8 };
    size_t side = 0, channels = 0;
    bool planes, floats = a->type == AYF_NPY_F32 || a->type == AYF_NPY_F64;
    *out = (ayf_latent_form){0};
    if (!floats || a->rank < 3) return refuse(ctx, name, a, "");
    if (!find_sides(a->shape + a->rank - 3, cube, &side, &channels, &planes))
        return refuse(ctx, name, a, ", where no two neighbours are equal");
    if (side < 1 || side > AYF_IMAGE_MAX_SIDE || channels < 1) return refuse(ctx, name, a, "");
    if ((channels == 1 || channels == 3) && channels != (size_t)wanted)
        return refuse(ctx, name, a, ", which may be pictures (save them as |u1, uint8 from 0 to 255)");
    if (stacked && channels % 2) return refuse(ctx, name, a, ", and means and deviations come in pairs");
    bool spread = stacked || (channels == STACKED_BY_EDM2 && wanted != STACKED_BY_EDM2);
    if (spread) channels /= 2;
    if (channels > AYF_LIST_MAX)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: holds latents of %zu channels; %d are the most", name,
                        channels, AYF_LIST_MAX);
    *out = (ayf_latent_form){(int)side, (int)side, (int)channels, spread, planes};
    return AYF_OK;
}

static size_t values_of(const ayf_latent_form *f) {
    return (size_t)f->height * (size_t)f->width * (size_t)f->channels;
}

size_t ayf_latent_stored(const ayf_latent_form *form) { return values_of(form) * (form->spread ? 2 : 1); }

ayf_status ayf_latent_unpack(ayf_context *ctx, const char *name, const ayf_latent_form *f, const ayf_npy *a,
                             size_t index, float *out) {
    size_t channels = (size_t)f->channels, parts = f->spread ? 2 : 1, all = parts * channels;
    size_t pixels = (size_t)f->height * (size_t)f->width, from = index * pixels * all;
    for (size_t part = 0; part < parts; part++)
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < channels; c++) {
                size_t channel = part * channels + c;
                size_t at = f->planes ? channel * pixels + p : p * all + channel;
                float value = (float)ayf_npy_number(a, from + at);
                if (!isfinite(value))
                    return ayf_fail(ctx, AYF_E_FORMAT,
                                    "%s: holds values that are not finite; encode it again", name);
                if (part && value < 0)
                    return ayf_fail(
                        ctx, AYF_E_FORMAT,
                        "%s: holds negative deviations: its %zu channels should be means and deviations",
                        name, all);
                out[(part * pixels + p) * channels + c] = value;
            }
    return AYF_OK;
}

ayf_status ayf_latent_check_spec(ayf_context *ctx, const ayf_dataset_spec *spec, const ayf_latent_form *f) {
    if (spec->pictures)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s holds latents, and pictures are needed here: name pictures (of what a network of "
                        "latents makes, ayf sample --decoder draws some)",
                        spec->source);
    if (spec->mirror)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "data.mirror = true: %s holds latents, and a latent turned left to right is not that of the "
            "mirrored picture; encode mirrored pictures, too, and leave the key out",
            spec->source);
    if (spec->resolution && spec->resolution != f->height)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "data.resolution = %d: %s holds latents of %d x %d, which are not resized; encode pictures of "
            "another size and leave the key out",
            spec->resolution, spec->source, f->width, f->height);
    if (spec->channels && spec->channels != f->channels)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "data.channels = %d: %s holds latents of %d channels, which have no colours; leave the key out",
            spec->channels, spec->source, f->channels);
    return AYF_OK;
}

ayf_status ayf_latent_note(ayf_context *ctx, const ayf_latent_form *f, char **note) {
    int stored = f->channels * (f->spread ? 2 : 1);
    const char *order = f->planes ? "(channels, height, width)" : "(height, width, channels)";
    AYF_TRY(ayf_note(ctx, note, "latents, read as %s with %d channels", order, stored));
    if (!f->spread) return AYF_OK;
    return ayf_note(ctx, note,
                    "these are means and deviations of %d channels, about which every visit draws a sample",
                    f->channels);
}

static bool same_form(const ayf_latent_form *a, const ayf_latent_form *b) {
    return a->height == b->height && a->width == b->width && a->channels == b->channels &&
           a->spread == b->spread && a->planes == b->planes;
}

static ayf_status check_same(ayf_context *ctx, const char *name, const ayf_latent_form *is,
                             const ayf_latent_form *usual) {
    if (same_form(is, usual)) return AYF_OK;
    int stored[2] = {is->channels * (is->spread ? 2 : 1), usual->channels * (usual->spread ? 2 : 1)};
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s: is a latent of %d x %d x %d where the first is one of %d x %d x %d", name,
                    is->height, is->width, stored[0], usual->height, usual->width, stored[1]);
}

ayf_status ayf_latent_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, int wanted,
                            ayf_latent_form *form, float *out) {
    ayf_npy a;
    ayf_latent_form found;
    size_t header;
    AYF_TRY(ayf_npy_header(ctx, name, bytes, size, &a, &header));
    if (a.bytes != size - header)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: has %zu bytes of data and should have %zu; copy it again",
                        name, size - header, a.bytes);
    if (a.rank != 3 && !(a.rank == 4 && a.shape[0] == 1)) return refuse(ctx, name, &a, "");
    AYF_TRY(ayf_latent_form_read(ctx, name, &a, wanted, strstr(name, "mean-std") != NULL, true, &found));
    if (!form->channels) *form = found;
    AYF_TRY(check_same(ctx, name, &found, form));
    if (!out) return AYF_OK;
    a.data = (char *)(uintptr_t)bytes + header; /* borrowed */
    return ayf_latent_unpack(ctx, name, form, &a, 0, out);
}
