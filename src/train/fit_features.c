/* Fitting the classifier behind "our features": softmax cross-entropy, Adam with a cosine rate. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/open.h"
#include "base/rng.h"
#include "base/wait.h"
#include "config/table.h"
#include "data/dataset.h"
#include "eval/features_fitted.h"
#include "flow/gradients.h"
#include "flow/inputs.h"
#include "flow/step.h"
#include "io/file.h"
#include "io/text.h"
#include "ir/build.h"
#include "model/file.h"
#include "nn/feature_net.h"
#include "nn/network.h"
#include "train/learner.h"
#include "train/recipe.h"

enum { HELD_OUT_SHARE = 10, HELD_OUT_MOST = 10000, SAID = 10, CHUNK = 64 };

/* The keys that decide about a classifier, section by section and data first; more would promise what they do
 * not do. */
static const char *const known_keys[] = {
    "data.resolution", "data.resize", "data.background", "data.upright",      "data.channels",
    "data.skip_bad",   "data.mirror", "model.channels",  "model.multipliers", "train.steps",
    "train.batch",     "train.seed",  "train.lr"};

typedef struct fit {
    ayf_context *ctx;
    ayf_config cfg;
    ayf_dataset *data, *heldout; /* heldout: NULL = a part of `data` */
    size_t fitted, held;         /* samples of each kind */
    ayf_model_spec spec;
    ayf_backend *backend;
    ayf_learner net;
    ayf_program *program;
    float *x, *onehot; /* one batch */
    size_t values;     /* of one image */
    double loss;       /* mean of the last steps */
} fit;

/* ---- Configuration and data ---- */

static ayf_status check_key(ayf_context *ctx, const char *setting, const char *key) {
    for (size_t i = 0; i < AYF_COUNT(known_keys); i++)
        if (strcmp(known_keys[i], key) == 0) return AYF_OK;
    char list[400] = "";
    for (size_t i = 0, used = 0; i < AYF_COUNT(known_keys) && used < sizeof list; i++) {
        const char *between = i == 0 ? "" : i + 1 == AYF_COUNT(known_keys) ? " and " : ", ";
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", between, known_keys[i]);
    }
    return ayf_fail(ctx, AYF_E_CONFIG, "%s: fitting features takes %s only", setting, list);
}

static ayf_status add_settings(ayf_context *ctx, const ayf_features_options *o, ayf_assignments *list) {
    for (int i = 0; i < o->setting_count; i++) {
        AYF_TRY(ayf_assignments_add_setting(list, o->settings[i]));
        AYF_TRY(check_key(ctx, o->settings[i], ayf_assignments_last_key(list)));
    }
    return AYF_OK;
}

static ayf_status configure(fit *f, const ayf_features_options *o) {
    ayf_config *cfg = &f->cfg;
    AYF_TRY(ayf_config_check_settings(f->ctx, o->settings, o->setting_count));
    AYF_TRY(ayf_config_defaults(f->ctx, cfg));
    cfg->model.model_channels = 16;
    cfg->model.channel_mult = (ayf_ints){.count = 3, .at = {1, 2, 4}};
    cfg->train.steps = 1500;
    cfg->train.lr = 0.003;
    cfg->train.ema = AYF_CFG_EMA_NONE;
    cfg->train.ema_widths.count = 0;
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(f->ctx, &list));
    ayf_status status = add_settings(f->ctx, o, list);
    if (status == AYF_OK) status = ayf_config_apply(f->ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}

static ayf_status open_data(fit *f, const char *source, int resolution, int channels, int classes,
                            ayf_dataset **out) {
    ayf_dataset_spec spec = ayf_data_from_config(&f->cfg);
    spec.source = source;
    spec.resolution = resolution;
    spec.channels = channels;
    spec.labels = true;
    spec.mirror = false;
    spec.pictures = true;
    spec.classes = classes;
    bool unlabelled = false;
    spec.unlabelled = &unlabelled;
    ayf_status status = ayf_dataset_open(f->ctx, &spec, out);
    if (status == AYF_E_FORMAT && unlabelled)
        return ayf_fail(f->ctx, AYF_E_FORMAT, "%s has no classes: %s", source,
                        classes ? "the held-out samples need those of the data"
                                : "features are fitted by telling classes apart; make a sub-folder for each "
                                  "class or add a dataset.json, or take Inception's weights (--inception), "
                                  "which need no classes");
    if (status != AYF_OK) return status;
    const ayf_dataset_info *info = ayf_dataset_info_of(*out);
    if (info->points)
        return ayf_fail(f->ctx, AYF_E_USAGE,
                        "%s are points, which are compared by their coordinates: no features are needed",
                        source);
    if (info->classes < 2)
        return ayf_fail(
            f->ctx, AYF_E_USAGE,
            "%s has %s: features are fitted by telling classes apart; without classes, --inception takes "
            "Inception's weights instead",
            source, info->classes ? "one class" : "no classes");
    if (info->height != info->width)
        return ayf_fail(
            f->ctx, AYF_E_CONFIG,
            "%s: the pictures have %d x %d pixels and the network takes squares; set data.resolution to "
            "crop them",
            source, info->width, info->height);
    return AYF_OK;
}

static ayf_status open_all_data(fit *f, const ayf_features_options *o) {
    if (!o->data || !*o->data)
        return ayf_fail(f->ctx, AYF_E_USAGE,
                        "features are fitted to a data set with classes; name one (--data)");
    AYF_TRY(open_data(f, o->data, f->cfg.data.resolution, f->cfg.data.channels, 0, &f->data));
    const ayf_dataset_info *info = ayf_dataset_info_of(f->data);
    f->fitted = info->count;
    if (o->heldout) {
        AYF_TRY(open_data(f, o->heldout, info->height, info->channels, info->classes, &f->heldout));
        f->held = ayf_dataset_info_of(f->heldout)->count;
    } else {
        f->held = info->count / HELD_OUT_SHARE < HELD_OUT_MOST ? info->count / HELD_OUT_SHARE : HELD_OUT_MOST;
        f->fitted -= f->held;
    }
    f->cfg.data.resolution = info->height;
    f->cfg.data.channels = info->channels;
    f->spec = ayf_model_spec_default();
    f->spec.kind = AYF_MODEL_FEATURES;
    f->spec.img_resolution = info->height;
    f->spec.img_channels = info->channels;
    f->spec.label_dim = info->classes;
    f->spec.feature_channels.count = f->cfg.model.channel_mult.count;
    for (int i = 0; i < f->cfg.model.channel_mult.count; i++)
        f->spec.feature_channels.at[i] = f->cfg.model.model_channels * f->cfg.model.channel_mult.at[i];
    f->values = ayf_dataset_values(info);
    return ayf_network_check(f->ctx, &f->spec);
}

/* ---- The step ---- */

/* Mean of -log softmax(logits)[class]. */
static ayf_id cross_entropy(ayf_graph *g, ayf_id logits, ayf_id onehot) {
    ayf_id shifted = ayf_sub(g, logits, ayf_rowmax(g, logits, AYF_AXIS(1)));
    ayf_id total = ayf_log(g, ayf_sum(g, ayf_exp(g, shifted), AYF_AXIS(1)));
    return ayf_mean_all(g, ayf_sub(g, total, ayf_sum(g, ayf_mul(g, shifted, onehot), AYF_AXIS(1))));
}

static ayf_status emit_step(ayf_graph *g, const fit *f, const ayf_params *params, ayf_id *grad) {
    int batch = f->cfg.train.batch;
    ayf_id x = ayf_step_leaf(g, AYF_STEP_X, ayf_sample_shape(&f->spec, batch)), features;
    ayf_id onehot = ayf_step_leaf(g, AYF_STEP_ONEHOT, AYF_SHAPE(batch, f->spec.label_dim));
    ayf_scope(g, "net.");
    ayf_id logits = ayf_feature_network(g, params, AYF_STORE_STATE, x, &features);
    ayf_scope(g, "%s", "");
    ayf_id loss = cross_entropy(g, logits, onehot);
    ayf_output(g, "loss", loss);
    ayf_gradients(g, params, "net.", loss, ayf_const(g, 1), grad);
    ayf_optimiser_emit(g, params, "net.", grad, &f->net.optim, "grad_norm");
    return ayf_graph_check(g);
}

static ayf_status compile(fit *f) {
    AYF_TRY(ayf_backend_open(f->ctx, &f->backend));
    ayf_optim_options optim = ayf_optim_from_config(&f->cfg);
    AYF_TRY(ayf_learner_new(&f->net, f->backend, &f->spec, "net.", "", &optim));
    AYF_TRY(ayf_learner_begin(&f->net, (uint64_t)f->cfg.train.seed, NULL));
    size_t batch = (size_t)f->cfg.train.batch;
    f->x = ayf_alloc(f->ctx, batch, f->values * sizeof *f->x);
    f->onehot = ayf_alloc(f->ctx, batch, (size_t)f->spec.label_dim * sizeof *f->onehot);
    ayf_id *grad = ayf_alloc(f->ctx, (size_t)f->net.weights->params->count, sizeof *grad);
    ayf_graph *g = grad && f->x && f->onehot ? ayf_graph_new(f->ctx) : NULL;
    ayf_status status = g ? emit_step(g, f, f->net.weights->params, grad) : AYF_E_MEMORY;
    ayf_free(f->ctx, grad);
    if (status != AYF_OK) {
        ayf_graph_free(g);
        return status;
    }
    AYF_TRY(ayf_compile(f->backend, g, NULL, &f->program));
    return ayf_learner_bind(&f->net, f->program);
}

/* Position `place` of the set in an order of its own; the first ones are held out. */
static size_t shuffled(const fit *f, size_t place) {
    ayf_rng_key key = {.seed = (uint64_t)f->cfg.train.seed, .purpose = AYF_RNG_SUBSET};
    return (size_t)ayf_rng_permute(key, place, ayf_dataset_info_of(f->data)->count);
}

static ayf_status fill_batch(fit *f, uint64_t step) {
    size_t batch = (size_t)f->cfg.train.batch, classes = (size_t)f->spec.label_dim;
    size_t skipped = f->heldout ? 0 : f->held;
    memset(f->onehot, 0, batch * classes * sizeof *f->onehot);
    for (size_t i = 0; i < batch; i++) {
        uint64_t sample = step * batch + i;
        ayf_rng_key order = {
            .seed = (uint64_t)f->cfg.train.seed, .purpose = AYF_RNG_ORDER, .step = sample / f->fitted};
        ayf_rng_key flip = {.seed = order.seed, .purpose = AYF_RNG_AUGMENT, .sample = sample};
        size_t place = (size_t)ayf_rng_permute(order, sample % f->fitted, f->fitted);
        uint32_t word = 0;
        int label;
        if (f->cfg.data.mirror) ayf_rng_bits(flip, &word, 1);
        AYF_TRY(
            ayf_dataset_get(f->data, shuffled(f, skipped + place), word & 1, f->x + i * f->values, &label));
        f->onehot[i * classes + (size_t)label] = 1;
    }
    return AYF_OK;
}

static ayf_status optimise(fit *f, uint64_t step, double *loss) {
    float value, norm;
    AYF_TRY(fill_batch(f, step));
    AYF_TRY(ayf_step_feed(f->program, &(ayf_step_inputs){.x = f->x, .onehot = f->onehot}));
    AYF_TRY(ayf_learner_set_rates(&f->net, f->program, step, ayf_rate_from_config(&f->cfg, step), 0));
    AYF_TRY(ayf_program_run(f->program));
    AYF_TRY(ayf_program_get(f->program, "loss", &value, 1));
    AYF_TRY(ayf_program_get(f->program, "grad_norm", &norm, 1));
    *loss = (double)value;
    if (isfinite(value) && isfinite(norm)) return AYF_OK;
    return ayf_fail(
        f->ctx, AYF_E_DIVERGED,
        "fitting features diverged in step %llu: the loss is %g and the norm of the gradient %g; nothing "
        "was written. Use a lower train.lr (it is %g)",
        (unsigned long long)step + 1, (double)value, (double)norm, f->cfg.train.lr);
}

static ayf_status run(fit *f) {
    uint64_t steps = (uint64_t)f->cfg.train.steps, said = 0;
    double sum = 0, since = 0;
    ayf_task_begin(f->ctx, "fitting", steps);
    for (uint64_t step = 0; step < steps; step++) {
        double loss;
        AYF_TRY(optimise(f, step, &loss));
        AYF_TRY(ayf_task_add(f->ctx, 1));
        sum += loss;
        since++;
        if ((step + 1) * SAID / steps == said) continue;
        said = (step + 1) * SAID / steps;
        f->loss = sum / since;
        sum = since = 0;
        ayf_say(f->ctx, "features: step %llu of %llu, loss %.4f", (unsigned long long)step + 1,
                (unsigned long long)steps, f->loss);
    }
    return AYF_OK;
}

/* ---- Scale ---- */

static ayf_status rescale(ayf_weights *w, const char *name, double factor) {
    const ayf_param *param = ayf_params_find(w->params, name);
    if (!param) return ayf_fail(w->backend->ctx, AYF_E_INTERNAL, "the feature network has no '%s'", name);
    float *values = ayf_alloc(w->backend->ctx, param->size, sizeof *values);
    if (!values) return AYF_E_MEMORY;
    ayf_buffer *at = w->at[param - w->params->at];
    ayf_status status = ayf_buffer_get(at, values);
    if (status == AYF_OK) {
        for (size_t i = 0; i < param->size; i++) values[i] = (float)(values[i] * factor);
        status = ayf_buffer_set(at, values);
    }
    ayf_free(w->backend->ctx, values);
    return status;
}

/* Mean square of the features over fitted samples. */
static ayf_status mean_square(fit *f, ayf_extractor *net, float *images, float *features, double *out) {
    enum { BATCHES = 32 };
    size_t n = 0, dim = (size_t)net->dim, skipped = f->heldout ? 0 : f->held;
    double sum = 0;
    while (n < f->fitted && n < (size_t)BATCHES * CHUNK) {
        size_t count = f->fitted - n < CHUNK ? f->fitted - n : CHUNK;
        for (size_t i = 0; i < count; i++)
            AYF_TRY(
                ayf_dataset_get(f->data, shuffled(f, skipped + n + i), false, images + i * f->values, NULL));
        AYF_TRY(ayf_extract(net, images, count, net->shape, features, NULL));
        for (size_t i = 0; i < count * dim; i++) sum += (double)features[i] * features[i];
        n += count;
    }
    *out = sum / (double)(n * dim);
    return AYF_OK;
}

/* Brings the features to unit mean square, which distances between features need to be comparable from one
 * fit to the next. The layer is homogeneous, so the layer behind it takes the factor back and the logits
 * stay. */
static ayf_status normalise(fit *f) {
    ayf_extractor *net;
    double square = 0;
    float *images = ayf_alloc(f->ctx, CHUNK, f->values * sizeof *images);
    float *features = ayf_alloc(f->ctx, CHUNK, (size_t)f->spec.feature_dim * sizeof *features);
    ayf_status status = images && features ? ayf_features_of(f->net.weights, &net) : AYF_E_MEMORY;
    if (status == AYF_OK) {
        status = mean_square(f, net, images, features, &square);
        ayf_extractor_close(net);
    }
    ayf_free(f->ctx, images);
    ayf_free(f->ctx, features);
    if (status != AYF_OK) return status;
    if (!(square > 0) || !isfinite(square))
        return ayf_fail(f->ctx, AYF_E_DIVERGED,
                        "fitting features diverged: every feature is %s; nothing was written. Use a lower "
                        "train.lr (it is %g)",
                        square > 0 ? "infinite" : "0", f->cfg.train.lr);
    AYF_TRY(rescale(f->net.weights, "features.hidden.weight", 1 / sqrt(square)));
    AYF_TRY(rescale(f->net.weights, "features.hidden.bias", 1 / sqrt(square)));
    return rescale(f->net.weights, "features.out.weight", sqrt(square));
}

/* ---- What was held out ---- */

static int largest(const float *values, int count) {
    int best = 0;
    for (int i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

static ayf_status count_right(fit *f, ayf_extractor *net, size_t first, size_t count, float *images,
                              float *logits, size_t *right) {
    int labels[CHUNK];
    for (size_t i = 0; i < count; i++) {
        ayf_dataset *from = f->heldout ? f->heldout : f->data;
        size_t index = f->heldout ? first + i : shuffled(f, first + i);
        AYF_TRY(ayf_dataset_get(from, index, false, images + i * f->values, &labels[i]));
    }
    AYF_TRY(ayf_extract(net, images, count, net->shape, NULL, logits));
    for (size_t i = 0; i < count; i++)
        *right += largest(logits + i * (size_t)net->classes, net->classes) == labels[i];
    return AYF_OK;
}

/* Of what was not fitted; NaN when the set is too small for that. */
static ayf_status measure(fit *f, double *accuracy) {
    ayf_extractor *net;
    size_t right = 0;
    *accuracy = (double)NAN;
    if (!f->held) return AYF_OK;
    float *images = ayf_alloc(f->ctx, CHUNK, f->values * sizeof *images);
    float *logits = ayf_alloc(f->ctx, CHUNK, (size_t)f->spec.label_dim * sizeof *logits);
    ayf_status status = images && logits ? ayf_features_of(f->net.weights, &net) : AYF_E_MEMORY;
    if (status == AYF_OK) {
        for (size_t first = 0; status == AYF_OK && first < f->held; first += CHUNK) {
            size_t count = f->held - first < CHUNK ? f->held - first : CHUNK;
            status = count_right(f, net, first, count, images, logits, &right);
        }
        ayf_extractor_close(net);
    }
    ayf_free(f->ctx, images);
    ayf_free(f->ctx, logits);
    *accuracy = (double)right / (double)f->held;
    return status;
}

/* A classifier that guesses has learned nothing that its features could tell apart. */
static void warn_of_guessing(const fit *f, double accuracy) {
    int classes = f->spec.label_dim;
    double guess = 1 / (double)classes;
    bool guesses = isfinite(accuracy) && accuracy < guess + (1 - guess) / 10;
    if (!guesses && f->loss < log(classes)) return;
    ayf_say(f->ctx,
            "features: hardly better than guessing one of %d classes (loss %.3g, guessing has %.3g), so "
            "numbers by "
            "them mean little: fit again with a lower train.lr (it is %g) or more train.steps (%lld)",
            classes, f->loss, log(classes), f->cfg.train.lr, (long long)f->cfg.train.steps);
}

/* ---- The file ---- */

/* The source as the data names itself, and the known keys. */
static ayf_status put_config(const fit *f, ayf_text *text) {
    const char *before = "data.";
    ayf_text_print(text, "data:\n  source: ");
    ayf_text_json(text, ayf_dataset_info_of(f->data)->name);
    ayf_text_print(text, "\n");
    for (size_t i = 0; i < AYF_COUNT(known_keys); i++) {
        const char *key = known_keys[i];
        size_t prefix = strcspn(key, ".") + 1;
        char *value = ayf_config_value(f->ctx, &f->cfg, ayf_config_row_named(key));
        if (!value) return AYF_E_MEMORY;
        if (strncmp(key, before, prefix) != 0) ayf_text_print(text, "%.*s:\n", (int)prefix - 1, key);
        ayf_text_print(text, "  %s: %s\n", key + prefix, value);
        ayf_free(f->ctx, value);
        before = key;
    }
    return text->failed ? AYF_E_MEMORY : AYF_OK;
}

static ayf_status write_file(fit *f, const char *path, double accuracy) {
    const char *heldout = f->heldout ? ayf_dataset_info_of(f->heldout)->name : "the same set";
    ayf_text text;
    ayf_text_init(&text, f->ctx);
    ayf_status status = put_config(f, &text);
    char *right =
        f->held ? ayf_format(f->ctx, "%.2f %% of %zu samples of %s", 100 * accuracy, f->held, heldout) : NULL;
    ayf_model_card card = {.role = AYF_MODEL_ROLE_FEATURES,
                           .sigma_data = 1,
                           .guidance_min = 1,
                           .guidance_max = 1,
                           .step = (uint64_t)f->cfg.train.steps,
                           .data = (char *)(uintptr_t)ayf_dataset_info_of(f->data)->name,
                           .config = text.data,
                           .accuracy = right};
    if (f->held && !right) status = AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_model_write(path, f->net.weights, &card);
    ayf_free(f->ctx, right);
    ayf_text_free(&text);
    return status;
}

static ayf_status fit_all(fit *f, const char *path, const ayf_features_options *options,
                          ayf_features_report *report) {
    AYF_TRY(configure(f, options));
    AYF_TRY(ayf_file_probe(f->ctx, path));
    AYF_TRY(open_all_data(f, options));
    AYF_TRY(compile(f));
    AYF_TRY(run(f));
    AYF_TRY(normalise(f));
    AYF_TRY(measure(f, &report->accuracy));
    warn_of_guessing(f, report->accuracy);
    report->loss = f->loss;
    report->fitted = f->fitted;
    report->heldout = f->held;
    return write_file(f, path, report->accuracy);
}

ayf_status ayf_features_fit(ayf_context *ctx, const char *path, const ayf_features_options *options,
                            ayf_features_report *report) {
    static const ayf_features_options defaults;
    ayf_features_report unwanted;
    if (!options) options = &defaults;
    fit f = {.ctx = ctx};
    if (!path || !*path)
        return ayf_fail(ctx, AYF_E_USAGE, "name the file that the fitted features are written to");
    ayf_status status = fit_all(&f, path, options, report ? report : &unwanted);
    ayf_program_free(f.program);
    ayf_learner_clear(&f.net);
    ayf_dataset_close(f.data);
    ayf_dataset_close(f.heldout);
    ayf_free(ctx, f.x);
    ayf_free(ctx, f.onehot);
    ayf_config_free(ctx, &f.cfg);
    return status;
}
