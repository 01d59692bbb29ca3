#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ayf/latents.h"
#include "backend/open.h"
#include "base/wait.h"
#include "ir/build.h"
#include "nn/vae.h"
#include "sample/model_api.h"

#define INPUT "latents"
#define OUTPUT "pictures"

struct ayf_decoder {
    ayf_context *ctx;
    char *path;
    ayf_weights *weights;
    ayf_program *program; /* for one picture of `height` x `width` latents; NULL: not yet */
    int height, width;
};

/* ---- Opening ---- */

static ayf_status read_weights(ayf_decoder *d) {
    ayf_backend *backend;
    ayf_model_card card;
    AYF_TRY(ayf_backend_open(d->ctx, &backend));
    AYF_TRY(ayf_model_read(backend, d->path, &d->weights, &card));
    ayf_model_card_free(d->ctx, &card);
    const ayf_model_spec *spec = &d->weights->spec;
    if (spec->kind == AYF_MODEL_DECODER) return AYF_OK;
    return ayf_fail(
        d->ctx, AYF_E_USAGE,
        "%s holds a network of kind '%s', which makes no pictures of latents; name what ayf import --role "
        "decoder made",
        d->path, ayf_model_kind_name(spec->kind));
}

ayf_status ayf_decoder_open(ayf_context *ctx, const char *path, ayf_decoder **out) {
    *out = NULL;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "no decoder file is named");
    ayf_decoder *d = ayf_alloc(ctx, 1, sizeof *d);
    if (!d) return AYF_E_MEMORY;
    d->ctx = ctx;
    d->path = ayf_strdup(ctx, path);
    ayf_status status = d->path ? read_weights(d) : AYF_E_MEMORY;
    if (status == AYF_OK)
        *out = d;
    else
        ayf_decoder_close(d);
    return status;
}

void ayf_decoder_close(ayf_decoder *d) {
    if (!d) return;
    ayf_context *ctx = d->ctx;
    ayf_program_free(d->program);
    ayf_weights_free(d->weights);
    ayf_free(ctx, d->path);
    ayf_free(ctx, d);
}

ayf_status ayf_decoder_size(const ayf_decoder *d, const ayf_model *model, int *height, int *width,
                            int *channels) {
    const ayf_model_spec *latents = &model->weights->spec, *own = &d->weights->spec;
    if (!ayf_model_draws_latents(latents))
        return ayf_fail(d->ctx, AYF_E_USAGE,
                        "%s draws no latents, so there is nothing to decode; leave the decoder out",
                        model->path);
    if (latents->img_channels != own->latent_channels)
        return ayf_fail(d->ctx, AYF_E_USAGE, "%s draws latents of %d channels, but %s decodes such of %d",
                        model->path, latents->img_channels, d->path, own->latent_channels);
    *height = *width = latents->img_resolution * ayf_vae_factor(own);
    *channels = own->img_channels;
    return AYF_OK;
}

/* ---- Decoding ---- */

static ayf_status compile(ayf_decoder *d, int height, int width) {
    char what[96];
    if (d->program && d->height == height && d->width == width) return AYF_OK;
    ayf_program_free(d->program);
    d->program = NULL;
    ayf_graph *g = ayf_graph_new(d->ctx);
    if (!g) return AYF_E_MEMORY;
    ayf_shape shape = AYF_SHAPE(1, height, width, d->weights->spec.latent_channels);
    ayf_output(g, OUTPUT, ayf_vae_decoder(g, d->weights->params, ayf_leaf(g, AYF_STORE_INPUT, INPUT, shape)));
    AYF_TRY(ayf_compile(d->weights->backend, g, NULL, &d->program));
    d->height = height;
    d->width = width;
    AYF_TRY(ayf_weights_bind(d->weights, d->program, ""));
    snprintf(what, sizeof what, "decoding %d x %d latents", height, width);
    return ayf_program_check_memory(d->program, what,
                                    "free some memory, or write the latents (--out FILE.npz)");
}

/* From the range of the VAE's pictures to [-1,1]. */
static ayf_status show(const ayf_decoder *d, double black, int index, float *picture, size_t count) {
    size_t at;
    const char *bad = ayf_first_not_finite(picture, count, &at);
    if (bad)
        return ayf_fail(d->ctx, AYF_E_DIVERGED, "%s: picture %d holds a value that is %s", d->path, index,
                        bad);
    for (size_t i = 0; i < count; i++)
        picture[i] = (float)fmin(fmax(2 * ((double)picture[i] - black) / (1 - black) - 1, -1), 1);
    return AYF_OK;
}

ayf_status ayf_decoder_pictures(ayf_decoder *d, const ayf_model *model, int count, const float *latents,
                                float *pictures) {
    const ayf_model_spec *spec = &model->weights->spec;
    int height, width, channels;
    AYF_TRY(ayf_decoder_size(d, model, &height, &width, &channels));
    if (count < 0) return ayf_fail(d->ctx, AYF_E_USAGE, "%d pictures were asked for", count);
    ayf_task_begin(d->ctx, "decoding", (uint64_t)count);
    AYF_TRY(compile(d, spec->img_resolution, spec->img_resolution));
    size_t from = ayf_data_values(ayf_model_shape(spec)),
           to = (size_t)height * (size_t)width * (size_t)channels;
    for (int i = 0; i < count; i++, latents += from, pictures += to) {
        AYF_TRY(ayf_program_set(d->program, INPUT, latents, from));
        AYF_TRY(ayf_program_run(d->program));
        AYF_TRY(ayf_program_get(d->program, OUTPUT, pictures, to));
        AYF_TRY(show(d, spec->latent_black, i, pictures, to));
        AYF_TRY(ayf_task_add(d->ctx, 1));
    }
    return AYF_OK;
}
