/* Teachers: flow matching on data (ayf train). */
#include "base/rng.h"
#include "train/batch.h"
#include "train/figures.h"
#include "train/kind.h"
#include "train/program.h"
#include "train/recipe.h"

static const ayf_unused_key unused[] = {{"distill.", NULL}, {"finetune.", NULL}, {NULL, NULL}};

static double rate(const ayf_config *cfg) { return cfg->train.lr; }

static ayf_status compile(ayf_run *run) {
    ayf_teacher_step step = {.network = run->learner[0].weights->params,
                             .batch = run->batch.count,
                             .optim = run->learner[0].optim};
    return ayf_run_compile(run, 0, ayf_teacher_step_graph(run->ctx, &step));
}

/* Step 1: step 0 of this purpose decides about mirroring. */
static bool hides_label(const ayf_run *run, uint64_t sample) {
    float u;
    if (run->cfg.train.label_dropout <= 0) return false;
    ayf_rng_uniform((ayf_rng_key){(uint64_t)run->cfg.train.seed, AYF_RNG_AUGMENT, 1, sample}, &u, 1);
    return (double)u < run->cfg.train.label_dropout;
}

static ayf_status draw(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    size_t n = (size_t)run->batch.count;
    AYF_TRY(ayf_run_draw_data(run));
    for (size_t i = 0; i < n; i++)
        run->batch.t[i] = ayf_teacher_time(cfg->train.time_mean, cfg->train.time_std,
                                           (uint64_t)cfg->train.seed, run->step, ayf_run_sample(run, i));
    ayf_run_fill_onehot(run, hides_label);
    return AYF_OK;
}

const ayf_run_type ayf_run_train = {
    .verb = "train",
    .unused = unused,
    .rate_key = "train.lr",
    .rate = rate,
    .validate = ayf_config_validate_train,
    .compile = compile,
    .draw = draw,
    .read = ayf_run_read_teacher_figures,
};
