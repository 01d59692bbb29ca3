#include "train/batch.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "model/shape.h"
#include "train/kind.h"
#include "train/recipe.h"

/* ---- Shares ---- */

ayf_status ayf_run_batch_share(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    int batch = run->cfg.train.batch, ranks = run->comm->ranks;
    b->parts = run->cfg.train.accumulate;
    b->group = run->type->group ? run->type->group(&run->cfg) : 1;
    int64_t shares = (int64_t)ranks * b->parts * b->group;
    if (batch % shares == 0) {
        b->count = (int)(batch / (shares / b->group));
        return AYF_OK;
    }
    char group[80] = "";
    if (b->group > 1)
        snprintf(group, sizeof group, " of groups of %d samples (%s)", b->group, run->type->group_key);
    return ayf_fail(run->ctx, AYF_E_CONFIG,
                    "train.batch = %d cannot be shared evenly by %d process%s in %d part%s each "
                    "(train.accumulate)%s; make it a multiple of %lld",
                    batch, ranks, ranks > 1 ? "es" : "", b->parts, b->parts > 1 ? "s" : "", group,
                    (long long)shares);
}

void ayf_run_share_optim(const ayf_run *run, ayf_optim_options *optim) {
    optim->ranks = run->comm->ranks;
    optim->parts = run->batch.parts > 1;
}

/* Sample i of a batch belongs to group i mod (number of groups), as in nn/sg2.c, and a share is a range of
 * whole groups. With groups of one that is a range of samples. */
uint64_t ayf_run_sample(const ayf_run *run, size_t place) {
    const ayf_run_batch *b = &run->batch;
    size_t batch = (size_t)run->cfg.train.batch, group = (size_t)b->group;
    size_t all = batch / group, own = (size_t)b->count / group;
    size_t share = (size_t)run->comm->rank * (size_t)b->parts + (size_t)b->part;
    return run->step * batch + place / own * all + share * own + place % own;
}

/* ---- Memory ---- */

ayf_status ayf_run_batch_open(ayf_run *run) {
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    ayf_run_batch *b = &run->batch;
    size_t n = (size_t)b->count;
    b->values = ayf_dataset_values(info);
    if (b->values != ayf_data_values(ayf_model_shape(&run->spec)))
        return ayf_fail(run->ctx, AYF_E_INTERNAL, "the network and the data have samples of different sizes");
    float **per_sample[] = {&b->t, &b->s, &b->guidance, &b->loss, &b->tangent, &b->error, &b->jvp};
    for (size_t i = 0; i < AYF_COUNT(per_sample); i++)
        if (!(*per_sample[i] = ayf_alloc(run->ctx, n, sizeof(float)))) return AYF_E_MEMORY;
    b->x0 = ayf_alloc(run->ctx, n, b->values * sizeof(float));
    b->x1 = ayf_alloc(run->ctx, n, b->values * sizeof(float));
    b->onehot = ayf_alloc(run->ctx, n, (size_t)run->spec.label_dim * sizeof(float));
    b->labels = ayf_alloc(run->ctx, n, sizeof(int));
    b->in = (ayf_step_inputs){.x0 = b->x0,
                              .x1 = b->x1,
                              .t = b->t,
                              .s = b->s,
                              .guidance = b->guidance,
                              .onehot = b->onehot,
                              .r = &b->r};
    return b->x0 && b->x1 && b->onehot && b->labels ? AYF_OK : AYF_E_MEMORY;
}

void ayf_run_batch_close(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    void *owned[] = {b->x0,     b->x1,   b->t,       b->s,     b->guidance, b->onehot,
                     b->labels, b->loss, b->tangent, b->error, b->jvp};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(run->ctx, owned[i]);
    *b = (ayf_run_batch){0};
}

/* ---- Drawing ---- */

static uint64_t seed_of(const ayf_run *run) { return (uint64_t)run->cfg.train.seed; }

static ayf_status draw_data(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    size_t n = (size_t)b->count, row = n / (size_t)b->group;
    for (size_t i = 0; i < n; i += row)
        AYF_TRY(ayf_dataset_batch(run->data, seed_of(run), ayf_run_sample(run, i), row, b->x0 + i * b->values,
                                  b->labels + i));
    float scale = (float)(1 / run->sigma_data);
    for (size_t i = 0; i < n * b->values; i++) b->x0[i] *= scale;
    for (size_t i = 0; i < n; i++)
        ayf_rng_normal((ayf_rng_key){seed_of(run), AYF_RNG_NOISE, run->step, ayf_run_sample(run, i)},
                       b->x1 + i * b->values, b->values);
    return AYF_OK;
}

ayf_status ayf_run_draw_data(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    bool drawn = b->part == 0 && b->ahead > 0 && b->ahead == run->step;
    b->ahead = 0;
    b->draws = true;
    return drawn ? AYF_OK : draw_data(run);
}

void ayf_run_draw_ahead(ayf_run *run) {
    ayf_run_batch *b = &run->batch;
    int part = b->part;
    if (!run->backend->ops->record || run->step + 1 >= run->steps || !b->draws) return;
    b->part = 0;
    run->step++;
    b->ahead = draw_data(run) == AYF_OK ? run->step : 0; /* a failure is met again, where it is due */
    run->step--;
    b->part = part;
}

void ayf_run_draw_pairs(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    ayf_run_batch *b = &run->batch;
    ayf_time_sampler pairs = ayf_times_from_config(cfg);
    for (size_t i = 0; i < (size_t)b->count; i++) {
        uint64_t sample = ayf_run_sample(run, i);
        ayf_time_pair(&pairs, seed_of(run), run->step, sample, &b->t[i], &b->s[i]);
        b->guidance[i] = 1;
        if (run->teachers.network.guided)
            b->guidance[i] = ayf_guidance_draw(cfg->distill.guidance_min, cfg->distill.guidance_max,
                                               seed_of(run), run->step, sample);
    }
}

void ayf_run_fill_onehot(ayf_run *run, bool (*hide)(const ayf_run *run, uint64_t sample)) {
    ayf_run_batch *b = &run->batch;
    size_t n = (size_t)b->count, classes = (size_t)run->spec.label_dim;
    memset(b->onehot, 0, n * classes * sizeof *b->onehot);
    for (size_t i = 0; i < n; i++)
        if (classes && b->labels[i] >= 0 && !(hide && hide(run, ayf_run_sample(run, i))))
            b->onehot[i * classes + (size_t)b->labels[i]] = 1;
}
