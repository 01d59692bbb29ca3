/* Teachers: flow matching on data (ayf train). */
#include <string.h>

#include "base/rng.h"
#include "flow/coupling.h"
#include "model/file.h"
#include "train/batch.h"
#include "train/figures.h"
#include "train/kind.h"
#include "train/program.h"
#include "train/recipe.h"

static const ayf_unused_key unused[] = {{"distill.", NULL}, {"finetune.", NULL}, {NULL, NULL}};

static double rate(const ayf_config *cfg) { return cfg->train.lr; }

static const char *begins(const ayf_config *cfg) { return cfg->train.init; }

static int group(const ayf_config *cfg) { return cfg->train.coupling; }

typedef struct teacher {
    ayf_weights *init; /* NULL: random */
} teacher;

static ayf_status read_init(ayf_run *run, const char *file) {
    teacher *own = run->own;
    ayf_model_card card;
    if (ayf_model_read_flow(run->backend, file, &own->init, &card) != AYF_OK)
        return ayf_fail_prefix(run->ctx, "train.init: ");
    bool teaches = card.role == AYF_MODEL_ROLE_TEACHER;
    run->sigma_data = card.sigma_data;
    ayf_model_card_free(run->ctx, &card);
    run->begins_hash = AYF_HASH_START;
    if (teaches) return ayf_weights_hash(own->init, &run->begins_hash);
    return ayf_fail(
        run->ctx, AYF_E_CONFIG,
        "train.init: %s is a student (a flow map), and this run trains a teacher; name a model made "
        "by ayf train",
        file);
}

/* A run that is resumed has its weights, so the model may be gone by then. */
static ayf_status open(ayf_run *run) {
    const char *path = run->cfg.train.init;
    if (!*path || run->resumes) return AYF_OK;
    char *file = ayf_run_model_file(run->ctx, path);
    ayf_status status = file ? read_init(run, file) : AYF_E_MEMORY;
    ayf_free(run->ctx, file);
    run->begins_as = ((teacher *)run->own)->init;
    run->begins_key = "train.init";
    run->begins_path = path;
    return status;
}

static void close(ayf_run *run) { ayf_weights_free(((teacher *)run->own)->init); }

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
    ayf_run_batch *b = &run->batch;
    AYF_TRY(ayf_run_draw_data(run));
    if (b->group > 1)
        AYF_TRY(ayf_couple(run->ctx, b->count / b->group, b->group, b->values, b->x0,
                           run->spec.label_dim ? b->labels : NULL, b->x1));
    for (size_t i = 0; i < n; i++)
        run->batch.t[i] = ayf_teacher_time(cfg->train.time_mean, cfg->train.time_std,
                                           (uint64_t)cfg->train.seed, run->step, ayf_run_sample(run, i));
    ayf_run_fill_onehot(run, hides_label);
    return AYF_OK;
}

const ayf_run_type ayf_run_train = {
    .verb = "train",
    .unused = unused,
    .own_size = sizeof(teacher),
    .rate_key = "train.lr",
    .rate = rate,
    .begins = begins,
    .begins_key = "train.init",
    .validate = ayf_config_validate_train,
    .open = open,
    .compile = compile,
    .group = group,
    .group_key = "train.coupling",
    .draw = draw,
    .read = ayf_run_read_teacher_figures,
    .close = close,
};
