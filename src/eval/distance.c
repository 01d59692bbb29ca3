/* Distance of samples to data (ayf_eval_* of include/ayf.h): a reference set is read once, every measurement
 * then compares one set of samples with it. */
#include "eval/distance.h"

#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "eval/features_fitted.h"
#include "eval/features_inception.h"
#include "eval/statistics.h"
#include "sample/model_api.h"

enum {
    PAIRED_MOST = 10000,   /* as many samples at most are compared with as many real ones: quadratic cost */
    PIXELS_MOST = 1 << 25, /* values of real samples that are kept to find the nearest in: 128 MiB */
    CHUNK = 256,
    PART = 64, /* images between two looks at the clock */
};

/* Steps of AYF_RNG_SUBSET. */
enum { REFERENCE_ORDER = 1, SUBJECT_ORDER = 2 };

/* What is measured. */
typedef struct sample_set {
    const char *name;
    size_t count;
    float *images; /* [count][values] */
    int *labels;   /* [count]; -1: none */
    int classes;
} sample_set;

/* ---- Data ---- */

/* With labels when it has them: they tell how often the classifier is right, and nothing else needs them. */
static ayf_status open_data(const ayf_eval *e, const char *source, ayf_dataset **out) {
    ayf_context *ctx = e->ctx;
    ayf_dataset_spec spec = {.source = source,
                             .resolution = e->resolution,
                             .channels = e->channels,
                             .pictures = true,
                             .labels = true,
                             .quiet = true,
                             .skip_bad = e->skip_bad};
    if (e->net) {
        spec.resize = e->net->reading.resize;
        spec.background = e->net->reading.background;
        spec.as_stored = e->net->reading.as_stored;
    }
    ayf_status status = ayf_dataset_open(ctx, &spec, out);
    if (status == AYF_E_FORMAT) {
        spec.labels = false;
        spec.quiet = e->skip_bad > 0;
        status = ayf_dataset_open(ctx, &spec, out);
    }
    if (status == AYF_E_USAGE && e->resolution)
        ayf_fail_prefix(ctx, "images of %d x %d x %d are to be compared: ", e->resolution, e->resolution,
                        e->channels);
    return status;
}

static void note_left_out(const ayf_eval *e, const ayf_dataset_info *info, size_t *left_out) {
    *left_out = info->left_out;
    if (info->left_out)
        ayf_say(e->ctx, "%s: %zu of %zu pictures left out, which cannot be read (ayf data check names them)",
                info->name, info->left_out, info->left_out + info->count);
}

static size_t shuffled(const ayf_eval *e, uint64_t order, size_t place, size_t count) {
    ayf_rng_key key = {.seed = e->seed, .purpose = AYF_RNG_SUBSET, .step = order};
    return (size_t)ayf_rng_permute(key, place, count);
}

static void clear_samples(const ayf_eval *e, sample_set *s) {
    ayf_free(e->ctx, s->images);
    ayf_free(e->ctx, s->labels);
    s->images = NULL;
    s->labels = NULL;
}

static ayf_status new_samples(const ayf_eval *e, const char *name, size_t count, sample_set *s) {
    *s = (sample_set){.name = name, .count = count};
    s->images = ayf_alloc(e->ctx, count, e->values * sizeof *s->images);
    s->labels = ayf_alloc(e->ctx, count, sizeof *s->labels);
    if (s->images && s->labels) return AYF_OK;
    clear_samples(e, s);
    ayf_fail_prefix(e->ctx, "%zu samples of %s at a time; fewer may fit (--images): ", count, name);
    return AYF_E_MEMORY;
}

static ayf_status check_shape(const ayf_eval *e, const char *name, int height, int width, int channels) {
    const ayf_data_shape *own = &e->shape;
    if (height == own->height && width == own->width && channels == own->channels) return AYF_OK;
    return ayf_fail(
        e->ctx, AYF_E_USAGE,
        "%s has samples of %d x %d x %d and the reference %s of %d x %d x %d, which cannot be compared: use "
        "the data and features of the model",
        name, height, width, channels, e->source, own->height, own->width, own->channels);
}

/* The first `count` samples of a set in an order of its own: at random, all different. */
static ayf_status read_samples(const ayf_eval *e, ayf_dataset *data, uint64_t order, size_t count,
                               sample_set *s) {
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    AYF_TRY(new_samples(e, info->name, count, s));
    s->classes = info->classes;
    ayf_status status = AYF_OK;
    for (size_t i = 0; status == AYF_OK && i < count; i++)
        status = ayf_dataset_get(data, shuffled(e, order, i, info->count), false, s->images + i * e->values,
                                 &s->labels[i]);
    if (status != AYF_OK) clear_samples(e, s);
    return status;
}

static ayf_status open_subject(const ayf_eval *e, const char *source, ayf_dataset **out) {
    AYF_TRY(open_data(e, source, out));
    const ayf_dataset_info *info = ayf_dataset_info_of(*out);
    ayf_status status = check_shape(e, source, info->height, info->width, info->channels);
    if (status == AYF_OK && info->count <= e->dim)
        status = ayf_fail(e->ctx, AYF_E_USAGE,
                          "%s has %zu samples, too few for a Frechet distance by %zu features: at least %zu "
                          "are needed",
                          source, info->count, e->dim, e->dim + 1);
    else if (status == AYF_OK && info->count < e->count)
        status = ayf_fail(e->ctx, AYF_E_USAGE,
                          "%s has %zu samples, fewer than the %zu to compare: use --images %zu", source,
                          info->count, e->count, info->count);
    if (status != AYF_OK) ayf_dataset_close(*out);
    return status;
}

/* ---- Features ---- */

static ayf_status useless_features(const ayf_eval *e, const char *why) {
    return ayf_fail(e->ctx, AYF_E_FORMAT, "%s: %s: its weights are damaged or were fitted badly%s",
                    e->net->path, why,
                    e->by == AYF_BY_INCEPTION ? "" : "; fit features again (ayf eval --fit-features)");
}

/* Part of what e->wait counts. The images are finite. */
static ayf_status features_of(ayf_eval *e, const float *images, size_t count, float *features,
                              float *logits) {
    if (!e->net) {
        memcpy(features, images, count * e->dim * sizeof *features);
        return AYF_OK;
    }
    for (size_t first = 0, n; first < count; first += n) {
        n = count - first < PART ? count - first : PART;
        AYF_TRY(ayf_extract(e->net, images + first * e->values, n, e->shape, features + first * e->dim,
                            logits ? logits + first * (size_t)e->net->classes : NULL));
        ayf_wait_add(&e->wait, n);
        AYF_TRY(ayf_task_add(e->ctx, n));
    }
    size_t index;
    if (ayf_first_not_finite(features, count * e->dim, &index))
        return useless_features(e, "gives features that are not finite");
    return AYF_OK;
}

static ayf_status new_real_set(const ayf_eval *e, size_t count, ayf_real_set *set) {
    set->count = count;
    set->kept = count < e->count ? count : e->count;
    if (set->kept > PAIRED_MOST) set->kept = PAIRED_MOST;
    set->pictures = count < PAIRED_MOST ? count : PAIRED_MOST;
    if (set->pictures > PIXELS_MOST / e->values) set->pictures = PIXELS_MOST / e->values;
    if (set->pictures < set->kept) set->pictures = set->kept;
    AYF_TRY(ayf_moments_new(e->ctx, e->dim, &set->moments));
    set->features = ayf_alloc(e->ctx, set->kept, e->dim * sizeof *set->features);
    set->pixels = ayf_alloc(e->ctx, set->pictures, e->values * sizeof *set->pixels);
    return set->features && set->pixels ? AYF_OK : AYF_E_MEMORY;
}

static void clear_real_set(const ayf_eval *e, ayf_real_set *set) {
    ayf_moments_free(set->moments);
    ayf_free(e->ctx, set->features);
    ayf_free(e->ctx, set->pixels);
}

/* Of `count` samples behind `before` others, those among the first `most`. */
static size_t room_for(size_t most, size_t before, size_t count) {
    size_t room = most > before ? most - before : 0;
    return count < room ? count : room;
}

/* Takes `count` samples that come after `before` others of the set. */
static ayf_status take(const ayf_eval *e, ayf_real_set *set, size_t before, size_t count, const float *images,
                       const float *features) {
    AYF_TRY(ayf_moments_add(set->moments, features, count));
    size_t whole = room_for(set->kept, before, count), seen = room_for(set->pictures, before, count);
    if (whole) memcpy(set->features + before * e->dim, features, whole * e->dim * sizeof *features);
    if (seen) memcpy(set->pixels + before * e->values, images, seen * e->values * sizeof *images);
    return AYF_OK;
}

/* A chunk lies in one half of the shuffled set. */
static ayf_status read_chunk(ayf_eval *e, ayf_dataset *data, size_t first, size_t count,
                             const sample_set *buffer, float *features) {
    size_t middle = e->whole.count - e->half.count;
    for (size_t i = 0; i < count; i++)
        AYF_TRY(ayf_dataset_get(data, shuffled(e, REFERENCE_ORDER, first + i, e->available), false,
                                buffer->images + i * e->values, &buffer->labels[i]));
    AYF_TRY(features_of(e, buffer->images, count, features, NULL));
    AYF_TRY(take(e, &e->whole, first, count, buffer->images, features));
    if (first < middle) return AYF_OK;
    return take(e, &e->half, first - middle, count, buffer->images, features);
}

static ayf_status read_reference(ayf_eval *e, ayf_dataset *data, size_t all) {
    size_t half = e->heldout ? 0 : all / 2;
    sample_set buffer;
    AYF_TRY(new_real_set(e, all, &e->whole));
    if (half) AYF_TRY(new_real_set(e, half, &e->half));
    AYF_TRY(new_samples(e, e->source, CHUNK, &buffer));
    float *features = ayf_alloc(e->ctx, CHUNK, e->dim * sizeof *features);
    ayf_status status = features ? AYF_OK : AYF_E_MEMORY;
    ayf_wait_begin(&e->wait, e->ctx, e->source, "features of", all);
    ayf_task_begin(e->ctx, "comparing", all);
    for (size_t first = 0, count; status == AYF_OK && first < all; first += count) {
        size_t end = first < all - half ? all - half : all;
        count = end - first < CHUNK ? end - first : CHUNK;
        status = read_chunk(e, data, first, count, &buffer, features);
    }
    ayf_free(e->ctx, features);
    clear_samples(e, &buffer);
    return status;
}

/* ---- Opening ---- */

static ayf_status check_request(ayf_context *ctx, const ayf_eval_options *o) {
    if (!o->data || !*o->data)
        return ayf_fail(ctx, AYF_E_USAGE, "samples are compared with a reference set: name one (--data)");
    if (o->resolution < 0 || (o->channels != 0 && o->channels != 1 && o->channels != 3))
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "images of %d pixels a side and %d channels: give at least 1 pixel and 1 or 3 channels, "
            "or 0 for what the features take",
            o->resolution, o->channels);
    if (o->reference < 0)
        return ayf_fail(ctx, AYF_E_USAGE, "a reference of %d samples: give at least 1, or 0 for all",
                        o->reference);
    if (o->features && o->inception)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "numbers by our features (--features) and by Inception's (--inception) are two "
                        "measurements: give one of them");
    if (o->skip_bad < 0)
        return ayf_fail(ctx, AYF_E_USAGE, "%d pictures cannot be left out: give 0 or more", o->skip_bad);
    if (o->count < 0 || o->count == 1)
        return ayf_fail(ctx, AYF_E_USAGE, "%d sample%s cannot be compared with a set: at least 2 are needed",
                        o->count, o->count == 1 ? "" : "s");
    return AYF_OK;
}

/* Inception takes any size: the reference is brought to that of the samples. */
static ayf_status take_shape_of(ayf_eval *e, const char *samples) {
    ayf_dataset *data;
    AYF_TRY(open_data(e, samples, &data));
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    if (info->height == info->width) e->resolution = info->height;
    e->channels = info->channels;
    ayf_dataset_close(data);
    return AYF_OK;
}

/* What the samples look like: what the features take, unless something else is asked for, which is then
 * wrong. */
static ayf_status choose_shape(ayf_eval *e, const ayf_eval_options *o) {
    e->resolution = o->resolution;
    e->channels = o->channels;
    if (o->inception) {
        if (o->samples && !o->resolution && !o->channels) AYF_TRY(take_shape_of(e, o->samples));
        return ayf_inception_open(e->ctx, o->inception, &e->net);
    }
    if (!o->features) return AYF_OK;
    AYF_TRY(ayf_features_open(e->ctx, o->features, &e->net));
    const ayf_extractor *net = e->net;
    int side = o->resolution ? o->resolution : net->shape.height;
    int channels = o->channels ? o->channels : net->shape.channels;
    if (side != net->shape.height || channels != net->shape.channels)
        return ayf_fail(
            e->ctx, AYF_E_USAGE,
            "the features %s were fitted to images of %d x %d x %d, but %d x %d x %d are to be compared: fit "
            "features to these (ayf eval --fit-features FILE --data SOURCE --set data.resolution=%d)",
            o->features, net->shape.height, net->shape.width, net->shape.channels, side, side, channels,
            side);
    e->resolution = net->shape.height;
    e->channels = net->shape.channels;
    return AYF_OK;
}

static ayf_status check_reference(const ayf_eval *e, const ayf_dataset_info *info, size_t used) {
    ayf_context *ctx = e->ctx;
    if (info->points && e->net)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s are points, which are compared by their coordinates: leave out --features and --inception",
            e->source);
    if (!info->points && !e->net)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s are images, which are compared by features: give a file made by ayf eval --fit-features FILE "
            "--data SOURCE (--features FILE), or Inception weights (--inception FILE)",
            e->source);
    /* A floor without held-out data needs enough in a half. */
    size_t least = (e->heldout ? 1 : 2) * (e->dim + 1);
    if (used < least)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s: %zu samples are too few for a Frechet distance by %zu features: at least %zu are needed%s",
            e->source, used, e->dim, least,
            e->heldout ? "" : " (half as many if --heldout gives the samples of the baseline)");
    if (e->count <= e->dim)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%zu samples are too few for a Frechet distance by %zu features: compare at least %zu (--images)",
            e->count, e->dim, e->dim + 1);
    return AYF_OK;
}

/* What a measurement will hold. Asked for before the reference is read, which may take hours. */
static ayf_status check_memory(const ayf_eval *e) {
    sample_set s;
    AYF_TRY(new_samples(e, "each measurement", e->count, &s));
    float *features = ayf_alloc(e->ctx, e->count, e->dim * sizeof *features);
    if (!features)
        ayf_fail_prefix(e->ctx, "features of %zu samples at a time; fewer may fit (--images): ", e->count);
    ayf_free(e->ctx, features);
    clear_samples(e, &s);
    return features ? AYF_OK : AYF_E_MEMORY;
}

/* The reference, its half and the samples, and square matrices: moments of three sets, and their roots. */
uint64_t ayf_eval_bytes(uint64_t count, uint64_t values, uint64_t dim) {
    enum { SETS = 3, MATRICES = 6 };
    return SETS * count * (values + dim) * sizeof(float) + MATRICES * dim * dim * sizeof(double);
}

static ayf_status check_samples(ayf_eval *e, const char *source) {
    ayf_dataset *data;
    if (!source) return AYF_OK;
    AYF_TRY(open_subject(e, source, &data));
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    e->reshaped = info->reshaped;
    note_left_out(e, info, &e->samples_left_out);
    if (info->reshaped)
        ayf_say(e->ctx,
                "%s: %zu of its %zu pictures are not of %d x %d x %d and are converted to that shape for the "
                "comparison, which changes the result",
                source, info->reshaped, info->count, e->shape.height, e->shape.width, e->shape.channels);
    ayf_dataset_close(data);
    e->samples = ayf_strdup(e->ctx, source);
    return e->samples ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status open_heldout(ayf_eval *e) {
    if (!e->heldout) return AYF_OK;
    AYF_TRY(open_data(e, e->heldout, &e->floor_data));
    const ayf_dataset_info *info = ayf_dataset_info_of(e->floor_data);
    e->floor_count = info->count < e->count ? info->count : e->count;
    note_left_out(e, info, &e->heldout_left_out);
    AYF_TRY(check_shape(e, e->heldout, info->height, info->width, info->channels));
    if (e->floor_count > e->dim) return AYF_OK;
    return ayf_fail(e->ctx, AYF_E_USAGE,
                    "--heldout %s: %zu samples are too few for a Frechet distance by %zu features: at least "
                    "%zu are needed",
                    e->heldout, info->count, e->dim, e->dim + 1);
}

static bool varies(const ayf_moments *m) {
    for (size_t i = 0; i < m->dim; i++)
        if (m->scatter[i * m->dim + i] > 0) return true;
    return false;
}

/* The shape of what is compared by statistics, which have none: that of the samples, or of the features. */
static ayf_status take_shape(ayf_eval *e, const ayf_eval_options *o) {
    ayf_context *ctx = e->ctx;
    ayf_dataset *data;
    if (o->reference)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s: statistics hold no samples to choose from: leave out --reference", e->source);
    e->shape = ayf_image_shape(e->resolution, e->resolution, e->channels);
    if (!e->net && !o->resolution) {
        e->shape = (ayf_data_shape){.height = 1, .width = 1, .channels = 2, .points = true};
    } else if (o->samples && e->by == AYF_BY_INCEPTION) {
        AYF_TRY(open_data(e, o->samples, &data));
        const ayf_dataset_info *info = ayf_dataset_info_of(data);
        e->shape = ayf_image_shape(info->height, info->width, info->channels);
        ayf_dataset_close(data);
    }
    if (!e->net && !e->shape.points)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%s: statistics of images are compared by the features that they were made with: --inception "
            "FILE or --features FILE",
            e->source);
    if (!e->shape.height)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: statistics alone: give the samples to compare with them",
                        e->source);
    return AYF_OK;
}

static ayf_status open_statistics(ayf_eval *e, const ayf_eval_options *o) {
    ayf_context *ctx = e->ctx;
    e->by = o->inception ? AYF_BY_INCEPTION : e->net ? AYF_BY_FITTED : AYF_BY_COORDINATES;
    AYF_TRY(take_shape(e, o));
    e->values = ayf_data_values(e->shape);
    e->figure_count = ayf_metrics_figures(e->by, e->figures);
    e->dim = e->net ? (size_t)e->net->dim : e->values;
    if (e->count <= e->dim)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "%zu samples are too few for a Frechet distance by %zu features: compare at least %zu (--images)",
            e->count, e->dim, e->dim + 1);
    AYF_TRY(ayf_statistics_read(ctx, e->source, e->net, e->dim, &e->whole.moments, &e->whole.count));
    e->available = e->whole.count;
    AYF_TRY(check_memory(e));
    AYF_TRY(check_samples(e, o->samples));
    return open_heldout(e);
}

static ayf_status open_all(ayf_eval *e, const ayf_eval_options *o) {
    ayf_context *ctx = e->ctx;
    ayf_dataset *data;
    e->source = ayf_strdup(ctx, o->data);
    if (!e->source || (o->heldout && !(e->heldout = ayf_strdup(ctx, o->heldout)))) return AYF_E_MEMORY;
    e->count = o->count ? (size_t)o->count : o->inception ? AYF_EVAL_INCEPTION_COUNT : AYF_EVAL_COUNT;
    e->seed = o->seed;
    e->skip_bad = (size_t)o->skip_bad;
    AYF_TRY(ayf_models_precision(ctx, &e->precision));
    AYF_TRY(choose_shape(e, o));
    e->statistics = ayf_is_statistics(ctx, e->source);
    if (e->statistics) return open_statistics(e, o);
    AYF_TRY(open_data(e, e->source, &data));
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    e->shape = (ayf_data_shape){.height = info->height,
                                .width = info->width,
                                .channels = info->channels,
                                .classes = info->classes,
                                .points = info->points};
    e->values = ayf_data_values(e->shape);
    e->by = info->points ? AYF_BY_COORDINATES : o->inception ? AYF_BY_INCEPTION : AYF_BY_FITTED;
    e->figure_count = ayf_metrics_figures(e->by, e->figures);
    e->dim = e->net ? (size_t)e->net->dim : e->values;
    size_t used = o->reference && (size_t)o->reference < info->count ? (size_t)o->reference : info->count;
    e->available = info->count;
    e->evenly = o->classes == AYF_EVAL_CLASSES_EVEN;
    if (ayf_classes_copy(ctx, &info->known, &e->classes) != AYF_OK) {
        ayf_dataset_close(data);
        return AYF_E_MEMORY;
    }
    if (info->note) ayf_say(ctx, "%s: %s", e->source, info->note);
    note_left_out(e, info, &e->left_out);
    e->resized = info->reshaped > 0;
    ayf_status status = check_reference(e, info, used);
    if (status == AYF_OK) status = check_memory(e);
    if (status == AYF_OK) status = check_samples(e, o->samples);
    if (status == AYF_OK) status = open_heldout(e);
    if (status == AYF_OK) status = read_reference(e, data, used);
    if (status == AYF_OK && e->net && !varies(e->whole.moments))
        status = useless_features(e, "gives every picture of the reference the same features");
    if (status != AYF_OK || e->heldout) {
        ayf_dataset_close(data);
        return status;
    }
    size_t first = e->whole.count - e->half.count;
    e->floor_data = data;
    e->floor_count = first < e->count ? first : e->count;
    return AYF_OK;
}

/* By two names, perhaps. */
static bool same_place(const char *a, const char *b) {
    struct stat one, other;
    if (strcmp(a, b) == 0) return true;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static void warn_of_other_features(const ayf_eval *e, const ayf_eval_options *o) {
    if (!e->net || !e->net->data || e->statistics || same_place(e->net->data, o->data)) return;
    ayf_say(e->ctx,
            "%s were fitted to %s and are used with %s here: compare these numbers with others only if "
            "both are the same data",
            o->features, e->net->data, o->data);
}

ayf_status ayf_eval_open(ayf_context *ctx, const ayf_eval_options *options, ayf_eval **out) {
    static const ayf_eval_options defaults;
    *out = NULL;
    if (!options) options = &defaults;
    AYF_TRY(check_request(ctx, options));
    ayf_eval *e = ayf_alloc(ctx, 1, sizeof *e);
    if (!e) return AYF_E_MEMORY;
    e->ctx = ctx;
    ayf_status status = open_all(e, options);
    if (status != AYF_OK) {
        ayf_eval_close(e);
        return status;
    }
    warn_of_other_features(e, options);
    *out = e;
    return AYF_OK;
}

void ayf_eval_close(ayf_eval *e) {
    if (!e) return;
    ayf_context *ctx = e->ctx;
    clear_real_set(e, &e->whole);
    clear_real_set(e, &e->half);
    ayf_dataset_close(e->floor_data);
    ayf_extractor_close(e->net);
    ayf_free(ctx, e->source);
    ayf_free(ctx, e->heldout);
    ayf_free(ctx, e->samples);
    ayf_classes_clear(ctx, &e->classes);
    ayf_free(ctx, e);
}

/* ---- Measuring ---- */

static ayf_status check_finite(const ayf_eval *e, const sample_set *s) {
    size_t index;
    const char *bad = ayf_first_not_finite(s->images, s->count * e->values, &index);
    if (!bad) return AYF_OK;
    return ayf_fail(e->ctx, AYF_E_DIVERGED, "%s: sample %zu holds a value that is %s: nothing was measured",
                    s->name, index / e->values, bad);
}

static ayf_status compare(const ayf_eval *e, const ayf_real_set *real, const sample_set *s,
                          const float *features, const float *logits, ayf_eval_row *row) {
    size_t classes = e->net ? (size_t)e->net->classes : 0;
    ayf_moments *moments;
    AYF_TRY(ayf_moments_new(e->ctx, e->dim, &moments));
    ayf_comparison c = {.ctx = e->ctx,
                        .by = e->by,
                        .dim = e->dim,
                        .values = e->values,
                        .classes = classes,
                        .seed = e->seed,
                        .real = {real->moments, real->features, real->pixels, real->kept, real->pictures},
                        .drawn = {moments, features, s->images, s->count, s->count},
                        .paired = s->count < real->kept ? s->count : real->kept,
                        .logits = logits,
                        .labels = classes && (size_t)s->classes == classes ? s->labels : NULL};
    *row = (ayf_eval_row){.count = s->count, .reference = real->count, .paired = c.paired};
    ayf_status status = ayf_moments_add(moments, features, s->count);
    if (status == AYF_OK) status = ayf_metrics_measure(&c, row);
    ayf_moments_free(moments);
    return status;
}

static ayf_status measure(ayf_eval *e, const ayf_real_set *real, const sample_set *s, ayf_eval_row *row) {
    ayf_context *ctx = e->ctx;
    size_t classes = e->net ? (size_t)e->net->classes : 0;
    AYF_TRY(check_finite(e, s));
    float *features = ayf_alloc(ctx, s->count, e->dim * sizeof *features);
    float *logits = ayf_alloc(ctx, s->count, classes * sizeof *logits);
    ayf_status status = features && logits ? AYF_OK : AYF_E_MEMORY;
    ayf_wait_begin(&e->wait, ctx, s->name, "features of", s->count);
    ayf_task_begin(ctx, "comparing", s->count);
    if (status == AYF_OK) status = features_of(e, s->images, s->count, features, logits);
    if (status == AYF_OK) status = compare(e, real, s, features, logits, row);
    ayf_free(ctx, features);
    ayf_free(ctx, logits);
    return status;
}

ayf_status ayf_eval_save_statistics(const ayf_eval *e, const char *path) {
    if (!path || !*path) return ayf_fail(e->ctx, AYF_E_USAGE, "no file for the statistics is named");
    if (!e->statistics) return ayf_statistics_write(e->whole.moments, e->net, path);
    return ayf_fail(e->ctx, AYF_E_USAGE, "%s: the reference is a file of statistics already", e->source);
}

bool ayf_eval_has_floor(const ayf_eval *e) { return e->floor_count > 0; }

const ayf_eval_figure *ayf_eval_figures(const ayf_eval *e, size_t *count) {
    *count = e->figure_count;
    return e->figures;
}

ayf_status ayf_eval_data(ayf_eval *e, const char *source, ayf_eval_row *row) {
    ayf_dataset *data;
    sample_set s;
    if (!source) return ayf_fail(e->ctx, AYF_E_USAGE, "no samples are named");
    AYF_TRY(open_subject(e, source, &data));
    ayf_status status = read_samples(e, data, SUBJECT_ORDER, e->count, &s);
    if (status == AYF_OK) {
        status = measure(e, &e->whole, &s, row);
        clear_samples(e, &s);
    }
    ayf_dataset_close(data);
    return status;
}

/* Without held-out data the first half of the shuffled reference against the second. */
ayf_status ayf_eval_floor(ayf_eval *e, ayf_eval_row *row) {
    sample_set s;
    if (!e->floor_count)
        return ayf_fail(e->ctx, AYF_E_USAGE,
                        "%s: statistics hold no samples for a baseline: give some (--heldout)", e->source);
    AYF_TRY(read_samples(e, e->floor_data, e->heldout ? SUBJECT_ORDER : REFERENCE_ORDER, e->floor_count, &s));
    ayf_status status = measure(e, e->heldout ? &e->whole : &e->half, &s, row);
    clear_samples(e, &s);
    return status;
}

/* ---- Samples of a model ---- */

/* Folders are numbered in the order of their names: one more or less moves the others. */
static void warn_of_other_names(const ayf_eval *e, const ayf_model *model) {
    int at = ayf_classes_other_name(&model->card.classes, &e->classes);
    if (at >= 0)
        ayf_say(
            e->ctx,
            "%s and %s number their classes differently: class %d is '%s' for the model and '%s' in the data",
            model->path, e->source, at, model->card.classes.names[at], e->classes.names[at]);
}

/* Where nothing is resized, it does not matter how. */
static void warn_of_other_reading(const ayf_eval *e, const ayf_model *model) {
    ayf_reading own, by = e->net ? e->net->reading : (ayf_reading){0};
    if (!e->resized || !*model->card.config) return;
    if (ayf_reading_of(e->ctx, model->path, model->card.config, &own) != AYF_OK || own.resize == by.resize)
        return;
    ayf_say(e->ctx,
            "%s learned pictures that were resized by %s, and %s are resized by %s here, as the features "
            "want it: "
            "the difference counts against the model",
            model->path, ayf_resize_name(own.resize), e->source, ayf_resize_name(by.resize));
}

/* Without classes: nothing. */
static void choose_classes(const ayf_eval *e, const ayf_model *model, const sample_set *s) {
    const ayf_classes *known = e->classes.count == s->classes ? &e->classes : &model->card.classes;
    for (size_t i = 0; s->classes && i < s->count; i++)
        s->labels[i] = ayf_latent_class(e->seed + i, s->classes, known, !e->evenly);
}

/* In parts, so that what takes minutes says how far it is. */
static ayf_status draw(ayf_eval *e, ayf_model *model, const ayf_sample_options *how, const sample_set *s) {
    size_t most = e->shape.points ? CHUNK : PART;
    choose_classes(e, model, s);
    ayf_wait_begin(&e->wait, e->ctx, s->name, "drew", s->count);
    ayf_task_begin(e->ctx, "drawing", s->count);
    for (size_t first = 0, n; first < s->count; first += n) {
        ayf_sample_options options = *how;
        options.seeds = NULL;
        options.classes = s->classes ? s->labels + first : NULL;
        options.first_seed = e->seed + first;
        n = s->count - first < most ? s->count - first : most;
        AYF_TRY(ayf_model_draw(model, &options, (int)n, s->images + first * e->values, s->labels + first));
        ayf_wait_add(&e->wait, n);
    }
    return AYF_OK;
}

ayf_status ayf_eval_model(ayf_eval *e, ayf_model *model, const ayf_sample_options *how, ayf_eval_row *row) {
    static const ayf_sample_options defaults;
    ayf_model_facts facts = ayf_model_describe(model);
    sample_set s;
    if (model->ctx != e->ctx)
        return ayf_fail(e->ctx, AYF_E_USAGE, "%s was opened with another context than the reference",
                        model->path);
    AYF_TRY(check_shape(e, model->path, facts.height, facts.width, facts.channels));
    AYF_TRY(new_samples(e, model->path, e->count, &s));
    s.classes = facts.classes;
    warn_of_other_names(e, model);
    warn_of_other_reading(e, model);
    double started = ayf_seconds();
    ayf_status status = draw(e, model, how ? how : &defaults, &s);
    double taken = ayf_seconds() - started;
    if (status == AYF_OK) status = measure(e, &e->whole, &s, row);
    row->seconds = taken;
    clear_samples(e, &s);
    return status;
}
