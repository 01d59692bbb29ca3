#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "io/file.h"
#include "report/report.h"
#include "train/run_folder.h"

enum {
    SAMPLES_MOST = 12,
    SAMPLE_BYTES_MOST = 8 << 20, /* larger pictures are left out: they would make the page unusable */
    SEEDS = 8,
};

static void put_picture(ayf_text *json, const char *label, const void *png, size_t size, bool *first) {
    ayf_text_print(json, "%s{\"label\":", *first ? "" : ",\n");
    ayf_text_json(json, label);
    ayf_text_print(json, ",\"png\":\"");
    ayf_text_base64(json, png, size);
    ayf_text_print(json, "\"}");
    *first = false;
}

/* ---- Sample grids of the run ---- */

static ayf_status put_sample(ayf_context *ctx, const char *run, int64_t step, ayf_text *json, bool *first) {
    char label[48];
    void *bytes;
    size_t size;
    snprintf(label, sizeof label, "step %" PRId64, step);
    char *path = ayf_run_samples_path(ctx, run, step);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = ayf_file_read(ctx, path, SAMPLE_BYTES_MOST, &bytes, &size);
    ayf_free(ctx, path);
    if (status == AYF_E_MEMORY) return status;
    if (status != AYF_OK) return AYF_OK;
    put_picture(json, label, bytes, size, first);
    ayf_free(ctx, bytes);
    return AYF_OK;
}

ayf_status ayf_samples_json(ayf_context *ctx, const char *run, ayf_text *json) {
    int64_t *steps;
    size_t count;
    bool first = true;
    ayf_status status = ayf_run_pictures(ctx, run, &steps, &count);
    size_t shown = count < SAMPLES_MOST ? count : SAMPLES_MOST;
    ayf_text_print(json, "[");
    for (size_t i = 0; i < shown && status == AYF_OK; i++) {
        size_t later = shown > 1 ? i * (count - 1) / (shown - 1) : 0;
        status = put_sample(ctx, run, steps[count - 1 - later], json, &first); /* highest first in the list */
    }
    ayf_text_print(json, "]");
    ayf_free(ctx, steps);
    return status;
}

/* ---- Grids over steps and gamma ---- */

typedef struct drawer {
    ayf_context *ctx;
    ayf_model *model;
    ayf_model_facts facts;
    uint64_t first_seed;
    float *images; /* SEEDS of them */
    ayf_text *json;
    bool first;
} drawer;

static ayf_status put_row(drawer *d, int steps, double gamma, const char *label) {
    const ayf_model_facts *f = &d->facts;
    ayf_image image;
    unsigned char *png;
    size_t size;
    AYF_TRY(ayf_model_sample(
        d->model, &(ayf_sample_options){.steps = steps, .gamma = gamma, .first_seed = d->first_seed}, SEEDS,
        d->images, NULL));
    AYF_TRY(
        ayf_image_grid(d->ctx, d->images, SEEDS, 1, SEEDS, f->height, f->width, f->channels, 1, 255, &image));
    ayf_status status = ayf_image_encode_png(d->ctx, &image, NULL, 0, &png, &size);
    ayf_image_clear(d->ctx, &image);
    if (status != AYF_OK) return status;
    put_picture(d->json, label, png, size, &d->first);
    ayf_free(d->ctx, png);
    return AYF_OK;
}

static ayf_status draw_student(drawer *d) {
    static const int calls[] = {1, 2, 4, 8};
    static const double gammas[] = {0, 0.5, 1};
    for (size_t g = 0; g < AYF_COUNT(gammas); g++)
        for (size_t k = 0; k < AYF_COUNT(calls); k++) {
            char label[48];
            if (gammas[g] > 0 && calls[k] == 1) continue; /* after the last jump there is no fresh noise */
            snprintf(label, sizeof label, "%d call%s, gamma %g", calls[k], calls[k] == 1 ? "" : "s",
                     gammas[g]);
            AYF_TRY(put_row(d, calls[k], gammas[g], label));
        }
    return AYF_OK;
}

static ayf_status draw_teacher(drawer *d) {
    static const int steps[] = {4, 8, 16, 32};
    for (size_t k = 0; k < AYF_COUNT(steps); k++) {
        char label[48];
        snprintf(label, sizeof label, "Heun, %d steps", steps[k]);
        AYF_TRY(put_row(d, steps[k], 0, label));
    }
    return AYF_OK;
}

ayf_status ayf_drawn_json(ayf_context *ctx, const char *path, uint64_t first_seed, ayf_text *json) {
    drawer d = {.ctx = ctx, .first_seed = first_seed, .json = json, .first = true};
    AYF_TRY(ayf_model_open(ctx, path, &d.model));
    d.facts = ayf_model_describe(d.model);
    size_t values = (size_t)d.facts.height * (size_t)d.facts.width * (size_t)d.facts.channels;
    ayf_status status = AYF_OK;
    ayf_text_print(json, "[");
    if (!d.facts.points) {
        d.images = ayf_alloc(ctx, SEEDS * values, sizeof *d.images);
        status = !d.images                              ? AYF_E_MEMORY
                 : strcmp(d.facts.role, "student") == 0 ? draw_student(&d)
                                                        : draw_teacher(&d);
        ayf_free(ctx, d.images);
    }
    ayf_text_print(json, "]");
    ayf_model_close(d.model);
    return status;
}
