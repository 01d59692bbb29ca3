#include "sample/sampler.h"

#include <string.h>

#include "base/wait.h"

int ayf_sampler_batch(const ayf_model_spec *spec) {
    /* One image fills the caches and the threads: more at a time take no less time each. */
    enum { POINTS = 256, IMAGES = 1 };
    return ayf_model_shape(spec).points ? POINTS : IMAGES;
}

typedef struct sheet {
    ayf_sampler *s;
    const ayf_solver_options *how;
    size_t count, size;
    int batch;
    const uint64_t *seeds;
    const int *labels;
    float *out;
    /* of one batch */
    float *x;
    uint64_t *seed;
    int *label;
    size_t *image;
    bool *drawn; /* [count] */
    size_t done; /* the images before this one are drawn */
} sheet;

#define NOTHING SIZE_MAX

/* For every place in the batch the first image not drawn yet that belongs there; places left over repeat
 * another one's noise, so that they cost no steps of their own. False when nothing is left. */
static bool fill_batch(sheet *p) {
    size_t any = NOTHING;
    for (int i = 0; i < p->batch; i++) p->image[i] = NOTHING;
    while (p->done < p->count && p->drawn[p->done]) p->done++;
    int free_places = p->batch;
    for (size_t k = p->done; k < p->count && free_places; k++) {
        size_t *place = &p->image[p->seeds[k] % (uint64_t)p->batch];
        if (p->drawn[k] || *place != NOTHING) continue;
        *place = any = k;
        free_places--;
    }
    for (int i = 0; any != NOTHING && i < p->batch; i++) {
        size_t k = p->image[i] != NOTHING ? p->image[i] : any;
        ayf_latent(p->seeds[k], p->x + (size_t)i * p->size, p->size);
        p->seed[i] = p->seeds[k];
        p->label[i] = p->labels ? p->labels[k] : -1;
    }
    return any != NOTHING;
}

static ayf_status draw(sheet *p) {
    ayf_context *ctx = ayf_sampler_describe(p->s)->backend->ctx;
    while (fill_batch(p)) {
        uint64_t drawn = 0;
        AYF_TRY(ayf_sampler_run(p->s, p->how, p->x, p->label, p->seed, NULL));
        for (int i = 0; i < p->batch; i++) {
            if (p->image[i] == NOTHING) continue;
            memcpy(p->out + p->image[i] * p->size, p->x + (size_t)i * p->size, p->size * sizeof *p->x);
            p->drawn[p->image[i]] = true;
            drawn++;
        }
        AYF_TRY(ayf_task_add(ctx, drawn));
    }
    return AYF_OK;
}

ayf_status ayf_sampler_images(ayf_sampler *s, const ayf_solver_options *how, size_t count,
                              const uint64_t *seeds, const int *labels, float *out) {
    const ayf_sampler_spec *spec = ayf_sampler_describe(s);
    ayf_context *ctx = spec->backend->ctx;
    size_t batch = (size_t)spec->batch;
    sheet p = {.s = s,
               .how = how,
               .count = count,
               .batch = spec->batch,
               .seeds = seeds,
               .labels = labels,
               .out = out};
    p.size = ayf_data_values(spec->shape);
    p.x = ayf_alloc(ctx, batch * p.size, sizeof *p.x);
    p.seed = ayf_alloc(ctx, batch, sizeof *p.seed);
    p.label = ayf_alloc(ctx, batch, sizeof *p.label);
    p.image = ayf_alloc(ctx, batch, sizeof *p.image);
    p.drawn = ayf_alloc(ctx, count, sizeof *p.drawn);
    ayf_status status = p.x && p.seed && p.label && p.image && p.drawn ? draw(&p) : AYF_E_MEMORY;
    ayf_free(ctx, p.x);
    ayf_free(ctx, p.seed);
    ayf_free(ctx, p.label);
    ayf_free(ctx, p.image);
    ayf_free(ctx, p.drawn);
    return status;
}
