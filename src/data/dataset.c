#include "data/dataset.h"
#include "base/rng.h"
#include "base/wait.h"
#include "data/latents.h"
#include "data/points.h"
#include "data/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t memory_of(const ayf_dataset_spec *spec) {
    return spec->memory ? spec->memory : AYF_DATASET_MEMORY;
}

struct ayf_dataset {
    ayf_context *ctx;
    ayf_dataset_info info;
    char *name, *note;
    ayf_dataset_spec spec;
    ayf_points points;
    ayf_source *source; /* NULL for points and once everything is in the cache */
    int *labels;        /* [count] or NULL */
    size_t *kept;       /* [count] numbers in the source when pictures are left out, else NULL */
    uint8_t *cache;     /* [count][sample_bytes()] or NULL when that is too large */
    uint8_t *cached;    /* [count], NULL = all are */
    uint8_t *line;      /* one picture, for those that are not cached */
    double sigma, mean; /* sigma 0 = neither is measured yet */
    ayf_reals own_mean,
        own_scale; /* of latents: what is taken from each channel, and by what it is divided */
};

/* ---- One picture ---- */

size_t ayf_dataset_values(const ayf_dataset_info *info) {
    return (size_t)info->height * (size_t)info->width * (size_t)info->channels;
}

/* As it is kept. A value of a picture is a byte, one of a latent a float, and its deviation another. */
static size_t sample_bytes(const ayf_dataset *d) {
    size_t each = d->info.latents ? (d->info.spread ? 2 : 1) * sizeof(float) : 1;
    return ayf_dataset_values(&d->info) * each;
}

ayf_status ayf_source_shape(const ayf_source *source, const ayf_dataset_spec *spec, ayf_image *image) {
    int side = spec->resolution;
    if (side) {
        if (source->pad_28 && image->height == 28 && image->width == 28 && side != 28)
            AYF_TRY(ayf_image_pad(source->ctx, image, 2, 2, 32, 32, 0));
        AYF_TRY(ayf_image_to_square(source->ctx, image, side, spec->resize));
    }
    return spec->channels ? ayf_image_set_channels(source->ctx, image, spec->channels) : AYF_OK;
}

/* The same for picture `stored` of the source; failures begin with its name. */
static ayf_status shape_stored(ayf_dataset *d, size_t stored, ayf_image *image) {
    ayf_status status = ayf_source_shape(d->source, &d->spec, image);
    if (status != AYF_E_FORMAT) return status;
    char item[256];
    d->source->item(d->source, stored, item, sizeof item);
    return ayf_fail_prefix(d->ctx, "%s: ", item);
}

static size_t stored_index(const ayf_dataset *d, size_t index) { return d->kept ? d->kept[index] : index; }

/* Decodes picture `index` into `out`. */
static ayf_status load(ayf_dataset *d, size_t index, uint8_t *out) {
    ayf_image image;
    if (d->info.latents) return d->source->fetch_latent(d->source, stored_index(d, index), (void *)out);
    AYF_TRY(d->source->fetch(d->source, stored_index(d, index), false, &image));
    ayf_status status = shape_stored(d, stored_index(d, index), &image);
    if (status == AYF_OK && (image.height != d->info.height || image.width != d->info.width ||
                             image.channels != d->info.channels)) {
        char item[256];
        d->source->item(d->source, stored_index(d, index), item, sizeof item);
        status = ayf_fail(d->ctx, AYF_E_FORMAT, "%s: %s: has changed since the data set was opened", d->name,
                          item);
    }
    if (status == AYF_OK) memcpy(out, image.pixels, sample_bytes(d));
    ayf_image_clear(d->ctx, &image);
    return status;
}

/* ---- Opening: labels ---- */

/* The names that the source gives, as many as there are classes, and the number of pictures of each. */
static ayf_status know_classes(ayf_dataset *d) {
    ayf_classes *known = &d->info.known, *given = &d->source->classes;
    if (given->names && given->count >= d->info.classes)
        AYF_TRY(ayf_classes_name(d->ctx, known, (const char *const *)given->names, d->info.classes));
    known->count = d->info.classes;
    known->pictures = ayf_alloc(d->ctx, (size_t)known->count, sizeof *known->pictures);
    if (!known->pictures) return AYF_E_MEMORY;
    for (size_t i = 0; i < d->info.count; i++) known->pictures[d->labels[i]]++;
    int empty = ayf_classes_empty(known);
    char list[256];
    if (!empty || d->spec.quiet) return AYF_OK;
    ayf_classes_list_empty(known, list, sizeof list);
    ayf_say(d->ctx, "%s: %d of its %d classes %s no picture and %s neither drawn nor judged: %s", d->name,
            empty, known->count, empty == 1 ? "has" : "have", empty == 1 ? "is" : "are", list);
    return AYF_OK;
}

/* Classes with names are not numbered as a network's. */
static int classes_given(const ayf_dataset *d) {
    if (!d->source->latents.channels) return d->spec.classes;
    return d->source->classes.names ? 0 : d->spec.latent_classes;
}

static ayf_status check_labels(ayf_dataset *d) {
    ayf_context *ctx = d->ctx;
    ayf_problems problems = {.ctx = ctx, .quiet = d->spec.quiet};
    int given = classes_given(d), most = given ? given : AYF_MAX_CLASSES, largest = -1;
    for (size_t i = 0; i < d->info.count; i++) {
        int label = d->labels[i];
        if (label >= 0 && label < most) {
            if (label > largest) largest = label;
            continue;
        }
        char item[256];
        d->source->item(d->source, i, item, sizeof item);
        if (label < 0)
            ayf_fail(ctx, AYF_E_FORMAT, "%s: has no label", item);
        else
            ayf_fail(ctx, AYF_E_FORMAT, "%s: label %d is out of the range 0 to %d", item, label, most - 1);
        if (!ayf_problems_add(&problems)) return AYF_E_MEMORY;
    }
    int least = d->source->classes.count;
    d->info.classes = given ? given : largest + 1 > least ? largest + 1 : least;
    AYF_TRY(ayf_problems_report(&problems, d->name, d->info.count, "labels"));
    return know_classes(d);
}

/* ---- Opening: pictures ---- */

typedef struct shape {
    int height, width, channels; /* as stored; 0 = could not be read */
} shape;

/* What has to agree between pictures is compared; what the spec brings to one value is not. */
static shape relevant(const ayf_dataset *d, shape s) {
    if (d->spec.resolution) s.height = s.width = d->spec.resolution;
    if (d->spec.channels) s.channels = d->spec.channels;
    return s;
}

static bool same_shape(shape a, shape b) {
    return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/* The most frequent shape; of the first 64 different ones, which is enough to name a culprit. */
static shape usual_shape(const ayf_dataset *d, const shape *shapes) {
    enum { KINDS = 64 };
    shape kind[KINDS];
    size_t votes[KINDS], kinds = 0, best = 0;
    for (size_t i = 0; i < d->info.count; i++) {
        if (!shapes[i].height) continue;
        shape s = relevant(d, shapes[i]);
        size_t k = 0;
        while (k < kinds && !same_shape(kind[k], s)) k++;
        if (k == kinds) {
            if (kinds == KINDS) continue;
            kind[kinds] = s;
            votes[kinds++] = 0;
        }
        if (++votes[k] > votes[best]) best = k;
    }
    return kinds ? kind[best] : (shape){0, 0, 0};
}

static ayf_status first_look_at_latent(ayf_dataset *d, size_t index, shape *found) {
    uint8_t *kept = d->cache ? d->cache + index * sample_bytes(d) : d->spec.skip_bad ? d->line : NULL;
    AYF_TRY(d->source->fetch_latent(d->source, index, (void *)kept));
    *found = (shape){d->info.height, d->info.width, d->info.channels};
    return AYF_OK;
}

/* Reads a picture for the first time: into the cache when there is one, else its header alone. The first good
 * picture decides whether there is a cache. */
static ayf_status first_look(ayf_dataset *d, size_t index, size_t memory, shape *found) {
    if (d->info.latents) return first_look_at_latent(d, index, found);
    bool first = d->info.height == 0, header_only = !first && !d->cache && !d->spec.skip_bad;
    ayf_image image;
    AYF_TRY(d->source->fetch(d->source, index, header_only, &image));
    shape stored = {image.height, image.width, image.channels};
    ayf_status status = header_only ? AYF_OK : shape_stored(d, index, &image);
    if (status == AYF_OK && first) {
        d->info.height = image.height;
        d->info.width = image.width;
        d->info.channels = image.channels;
        if (d->info.count <= memory / sample_bytes(d)) {
            d->cache = ayf_alloc(d->ctx, d->info.count, sample_bytes(d));
            if (!d->cache) status = AYF_E_MEMORY;
        }
    }
    if (status == AYF_OK && d->cache && ayf_image_bytes(&image) == sample_bytes(d))
        memcpy(d->cache + index * sample_bytes(d), image.pixels, sample_bytes(d));
    ayf_image_clear(d->ctx, &image);
    if (status == AYF_OK) *found = stored;
    return status;
}

static const char *noun(const ayf_dataset *d) { return d->info.latents ? "latents" : "pictures"; }

/* Closes the gaps of the pictures that could not be read. */
static ayf_status leave_out(ayf_dataset *d, shape *shapes) {
    size_t total = d->info.count, used = 0, size = sample_bytes(d);
    d->kept = ayf_alloc(d->ctx, total, sizeof *d->kept);
    if (!d->kept) return AYF_E_MEMORY;
    for (size_t i = 0; i < total; i++) {
        if (!shapes[i].height) {
            if (d->labels && d->info.known.pictures) d->info.known.pictures[d->labels[i]]--;
            continue;
        }
        if (d->cache && used < i) memcpy(d->cache + used * size, d->cache + i * size, size);
        if (d->labels) d->labels[used] = d->labels[i];
        shapes[used] = shapes[i];
        d->kept[used++] = i;
    }
    d->info.count = used;
    d->info.left_out = total - used;
    if (!d->spec.quiet)
        ayf_say(d->ctx, "%s: %zu of %zu %s left out, which cannot be read (data.skip_bad)", d->name,
                total - used, total, noun(d));
    return AYF_OK;
}

static int by_area(const void *a, const void *b) {
    const shape *x = a, *y = b;
    int64_t of_x = (int64_t)x->height * x->width, of_y = (int64_t)y->height * y->width;
    if (of_x != of_y) return of_x < of_y ? -1 : 1;
    return (x->width > y->width) - (x->width < y->width);
}

/* One sentence for all pictures: `sizes`, of which there are `count`, are sorted. */
static ayf_status refuse_mixture(const ayf_dataset *d, const shape *sizes, size_t count, bool colours) {
    char size[160] = "", channels[96] = "";
    size_t kinds = 1;
    for (size_t i = 1; i < count; i++) kinds += by_area(&sizes[i], &sizes[i - 1]) != 0;
    if (kinds > 1)
        snprintf(size, sizeof size, "have %zu different sizes, from %d x %d to %d x %d", kinds,
                 sizes[0].width, sizes[0].height, sizes[count - 1].width, sizes[count - 1].height);
    if (colours)
        snprintf(channels, sizeof channels, "%sare partly grey and partly RGB", *size ? " and " : "");
    return ayf_fail(d->ctx, AYF_E_FORMAT, "%s: the pictures %s%s:%s%s", d->name, size, channels,
                    *size ? " --set data.resolution=32" : "", *channels ? " --set data.channels=3" : "");
}

/* Few pictures that differ are named one by one; many are how the data are. */
static ayf_status check_mixture(const ayf_dataset *d, const shape *shapes, shape usual) {
    enum { FEW = 8 };
    size_t count = 0, others = 0, recoloured = 0;
    shape *sizes = ayf_alloc(d->ctx, d->info.count, sizeof *sizes);
    if (!sizes) return AYF_E_MEMORY;
    for (size_t i = 0; i < d->info.count; i++) {
        if (!shapes[i].height) continue;
        shape s = relevant(d, shapes[i]);
        others += !same_shape(s, usual);
        recoloured += s.channels != usual.channels;
        sizes[count++] = s;
    }
    qsort(sizes, count, sizeof *sizes, by_area);
    ayf_status status = AYF_OK;
    if (others > FEW || 2 * others > count) status = refuse_mixture(d, sizes, count, recoloured > 0);
    ayf_free(d->ctx, sizes);
    return status;
}

static ayf_status survey(ayf_dataset *d, shape *shapes) {
    ayf_context *ctx = d->ctx;
    size_t memory = memory_of(&d->spec);
    ayf_problems problems = {.ctx = ctx, .quiet = d->spec.quiet, .all = d->spec.skip_bad > 0};
    ayf_task_begin(ctx, "reading", d->info.count);
    for (size_t i = 0; i < d->info.count; i++) {
        AYF_TRY(ayf_task_add(ctx, i > 0));
        if (first_look(d, i, memory, &shapes[i]) != AYF_OK && !ayf_problems_add(&problems))
            return AYF_E_MEMORY;
    }
    if (problems.count > d->spec.skip_bad && d->spec.skip_bad) {
        ayf_problems_report(&problems, d->name, d->info.count, noun(d));
        return ayf_fail_prefix(
            ctx, "data.skip_bad = %zu is too few (ayf data check lists all): ", d->spec.skip_bad);
    }
    if (problems.count && problems.count <= d->spec.skip_bad && problems.count < d->info.count) {
        AYF_TRY(leave_out(d, shapes));
        problems = (ayf_problems){.ctx = ctx, .quiet = d->spec.quiet};
    }
    shape usual = usual_shape(d, shapes);
    if (!problems.count) AYF_TRY(check_mixture(d, shapes, usual));
    shape wanted = {d->info.height, d->info.width, d->info.channels};
    for (size_t i = 0; i < d->info.count; i++) {
        shape s = relevant(d, shapes[i]);
        d->info.reshaped += !same_shape(shapes[i], wanted);
        if (!shapes[i].height || same_shape(s, usual)) continue;
        char item[256];
        d->source->item(d->source, stored_index(d, i), item, sizeof item);
        if (s.height != usual.height || s.width != usual.width)
            ayf_fail(ctx, AYF_E_FORMAT,
                     "%s: is %d x %d where most are %d x %d (set data.resolution to resize all of them)",
                     item, s.width, s.height, usual.width, usual.height);
        else
            ayf_fail(ctx, AYF_E_FORMAT,
                     "%s: is %s where most are %s (set data.channels = %d to convert all of them)", item,
                     s.channels == 1 ? "grey" : "RGB", usual.channels == 1 ? "grey" : "RGB", usual.channels);
        if (!ayf_problems_add(&problems)) return AYF_E_MEMORY;
    }
    return ayf_problems_report(&problems, d->name, d->info.count, noun(d));
}

/* Generated pictures are drawn when they are asked for and then kept. */
static ayf_status prepare_generated(ayf_dataset *d) {
    ayf_image image;
    AYF_TRY(d->source->fetch(d->source, 0, true, &image));
    d->info.height = image.height;
    d->info.width = image.width;
    d->info.channels = d->spec.channels ? d->spec.channels : image.channels;
    if (d->info.count > memory_of(&d->spec) / sample_bytes(d)) return AYF_OK;
    d->cache = ayf_alloc(d->ctx, d->info.count, sample_bytes(d));
    d->cached = ayf_alloc(d->ctx, d->info.count, 1);
    return d->cache && d->cached ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status prepare_latents(ayf_dataset *d) {
    const ayf_latent_form *form = &d->source->latents;
    AYF_TRY(ayf_latent_check_spec(d->ctx, &d->spec, form));
    d->info.height = form->height;
    d->info.width = form->width;
    d->info.channels = form->channels;
    d->info.latents = true;
    d->info.spread = form->spread;
    d->line = ayf_alloc(d->ctx, sample_bytes(d), 1);
    if (!d->line) return AYF_E_MEMORY;
    if (d->info.count > memory_of(&d->spec) / sample_bytes(d)) return AYF_OK;
    d->cache = ayf_alloc(d->ctx, d->info.count, sample_bytes(d));
    return d->cache ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status prepare_stored(ayf_dataset *d) {
    if (d->source->latents.channels) AYF_TRY(prepare_latents(d));
    shape *shapes = ayf_alloc(d->ctx, d->info.count, sizeof *shapes);
    if (!shapes) return AYF_E_MEMORY;
    ayf_status status = survey(d, shapes);
    ayf_free(d->ctx, shapes);
    if (status == AYF_OK && d->cache) {
        ayf_source_close(d->source);
        d->source = NULL;
    }
    return status;
}

static ayf_status check_spec(ayf_context *ctx, const ayf_dataset_spec *spec) {
    const char *name = spec->source;
    if (!name || !*name) return ayf_fail(ctx, AYF_E_USAGE, "no data set is given");
    if (spec->resolution < 0 || spec->resolution > AYF_IMAGE_MAX_SIDE / 4)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: resolution %d is not between 1 and %d (0 = native)", name,
                        spec->resolution, AYF_IMAGE_MAX_SIDE / 4);
    if (spec->channels != 0 && spec->channels != 1 && spec->channels != 3)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: channels %d is not 1 or 3 (0 = native)", name, spec->channels);
    if (spec->classes < 0 || spec->classes > AYF_MAX_CLASSES)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: classes %d is not between 0 and %d", name, spec->classes,
                        AYF_MAX_CLASSES);
    return AYF_OK;
}

static ayf_status start(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_dataset **out) {
    *out = NULL;
    ayf_dataset *d = ayf_alloc(ctx, 1, sizeof *d);
    if (!d) return AYF_E_MEMORY;
    d->ctx = ctx;
    d->spec = *spec;
    d->name = ayf_strdup(ctx, spec->source);
    if (!d->name) {
        ayf_dataset_close(d);
        return AYF_E_MEMORY;
    }
    d->spec.source = d->info.name = d->name;
    *out = d;
    return AYF_OK;
}

static ayf_status fill(ayf_dataset *d) {
    d->info.count = d->source->count;
    if (d->spec.limit && d->spec.limit < d->info.count) d->info.count = d->spec.limit;
    d->info.note = d->note = d->source->note;
    d->source->note = NULL;
    if (d->note && !d->spec.quiet) ayf_say(d->ctx, "%s: %s", d->name, d->note);
    if (d->spec.labels && d->source->labels) {
        d->labels = d->source->labels;
        d->source->labels = NULL;
        AYF_TRY(check_labels(d));
    }
    AYF_TRY(d->source->generated ? prepare_generated(d) : prepare_stored(d));
    if (!d->line) d->line = ayf_alloc(d->ctx, sample_bytes(d), 1);
    return d->line ? AYF_OK : AYF_E_MEMORY;
}

ayf_status ayf_dataset_from_source(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source *source,
                                   ayf_dataset **out) {
    *out = NULL;
    ayf_dataset *d = NULL;
    ayf_status status = check_spec(ctx, spec);
    if (status == AYF_OK) status = start(ctx, spec, &d);
    if (status != AYF_OK) {
        ayf_source_close(source);
        return status;
    }
    d->source = source;
    status = fill(d);
    if (status != AYF_OK)
        ayf_dataset_close(d);
    else
        *out = d;
    return status;
}

static ayf_status open_points(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_points kind,
                              ayf_dataset **out) {
    if (spec->channels || spec->resolution > 1)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: points have no resolution and no channels to choose",
                        spec->source);
    int classes = ayf_points_classes(kind);
    if (spec->labels && spec->classes && spec->classes < classes)
        return ayf_fail(ctx, AYF_E_USAGE, "%s: has %d classes, not %d", spec->source, classes, spec->classes);
    ayf_dataset *d;
    AYF_TRY(start(ctx, spec, &d));
    d->points = kind;
    d->sigma = 1;
    d->info.count = AYF_POINTS_COUNT;
    if (spec->limit && spec->limit < d->info.count) d->info.count = spec->limit;
    if (spec->labels) d->info.classes = spec->classes ? spec->classes : classes;
    d->info.height = d->info.width = 1;
    d->info.channels = 2;
    d->info.points = true;
    *out = d;
    return AYF_OK;
}

static ayf_status open_builtin(ayf_context *ctx, const ayf_dataset_spec *spec, const char *name,
                               ayf_dataset **out) {
    static const char *const names[] = {"shapes", "emoji",   "ring",    "checkerboard",
                                        "moons",  "spirals", "gaussian"};
    if (strcmp(name, "shapes") == 0) {
        ayf_source *source;
        AYF_TRY(ayf_source_open_shapes(ctx, spec, &source));
        return ayf_dataset_from_source(ctx, spec, source, out);
    }
    ayf_points kind = ayf_points_by_name(name);
    if (kind != AYF_POINTS_NONE) return open_points(ctx, spec, kind, out);
    const char *near = ayf_nearest(name, names, AYF_COUNT(names));
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "builtin:%s: there is no such set%s%s%s; there are shapes, emoji, ring, checkerboard, moons, "
        "spirals, gaussian",
        name, near ? " (did you mean builtin:" : "", near ? near : "", near ? "?)" : "");
}

ayf_status ayf_dataset_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_dataset **out) {
    *out = NULL;
    AYF_TRY(check_spec(ctx, spec));
    if (ayf_source_is_drawn(spec->source)) return open_builtin(ctx, spec, strchr(spec->source, ':') + 1, out);
    ayf_source *source;
    ayf_dataset_spec bounded = *spec;
    bounded.memory = memory_of(spec);
    AYF_TRY(ayf_source_open(ctx, &bounded, &source));
    return ayf_dataset_from_source(ctx, spec, source, out);
}

void ayf_dataset_close(ayf_dataset *d) {
    if (!d) return;
    ayf_source_close(d->source);
    ayf_free(d->ctx, d->labels);
    ayf_free(d->ctx, d->kept);
    ayf_free(d->ctx, d->cache);
    ayf_free(d->ctx, d->cached);
    ayf_free(d->ctx, d->line);
    ayf_classes_clear(d->ctx, &d->info.known);
    ayf_free(d->ctx, d->note);
    ayf_free(d->ctx, d->name);
    ayf_free(d->ctx, d);
}

const ayf_dataset_info *ayf_dataset_info_of(const ayf_dataset *d) { return &d->info; }

uint64_t ayf_dataset_bytes(const ayf_dataset *d) {
    uint64_t each = (d->cache ? sample_bytes(d) : 0) + (d->cached ? sizeof *d->cached : 0) +
                    (d->labels ? sizeof *d->labels : 0) + (d->kept ? sizeof *d->kept : 0);
    return each * d->info.count + (d->source ? d->source->bytes : 0);
}

ayf_context *ayf_dataset_context(const ayf_dataset *d) { return d->ctx; }

int ayf_dataset_label(const ayf_dataset *d, size_t index) {
    float point[2];
    int label = d->labels ? d->labels[index] : -1;
    if (d->info.points && d->spec.labels) ayf_points_sample(d->points, d->spec.seed, index, point, &label);
    return label;
}

/* ---- Using ---- */

/* The bytes of picture `index`, valid until the next call. */
static ayf_status pixels(ayf_dataset *d, size_t index, const uint8_t **out) {
    uint8_t *kept = d->cache ? d->cache + index * sample_bytes(d) : d->line;
    *out = kept;
    if (d->cache && (!d->cached || d->cached[index])) return AYF_OK;
    ayf_status status = load(d, index, kept);
    if (status == AYF_OK && d->cached) d->cached[index] = 1;
    if (status != AYF_OK && status != AYF_E_MEMORY) ayf_fail_prefix(d->ctx, "%s: ", d->name);
    return status;
}

ayf_status ayf_dataset_stored(ayf_dataset *d, size_t index, const float **values, size_t *count) {
    const uint8_t *bytes;
    AYF_TRY(pixels(d, index, &bytes));
    *values = (const void *)bytes;
    *count = sample_bytes(d) / sizeof(float);
    return AYF_OK;
}

/* `visit`: where the numbers about the means come from; NULL: the means themselves. */
static ayf_status get_latent(ayf_dataset *d, size_t index, const ayf_rng_key *visit, float *out) {
    const float *stored;
    size_t count, values = ayf_dataset_values(&d->info), channels = (size_t)d->info.channels;
    bool drawn = visit && d->info.spread;
    AYF_TRY(ayf_dataset_stored(d, index, &stored, &count));
    if (drawn) ayf_rng_normal(*visit, out, values);
    for (size_t i = 0; i < values; i++) {
        double value = (double)stored[i] + (drawn ? (double)stored[values + i] * (double)out[i] : 0);
        if (d->own_scale.count)
            value = (value - d->own_mean.at[i % channels]) / d->own_scale.at[i % channels];
        out[i] = (float)value;
    }
    return AYF_OK;
}

ayf_status ayf_dataset_scale(ayf_dataset *d, const ayf_reals *mean, const ayf_reals *scale) {
    bool good = d->info.latents && mean->count == d->info.channels && scale->count == d->info.channels;
    for (int c = 0; good && c < scale->count; c++) good = scale->at[c] > 0 && isfinite(mean->at[c]);
    if (!good)
        return ayf_fail(d->ctx, AYF_E_USAGE, "%s: a scale of %d channels does not suit its samples of %d",
                        d->name, scale->count, d->info.channels);
    d->own_mean = *mean;
    d->own_scale = *scale;
    d->sigma = 0;
    return AYF_OK;
}

ayf_status ayf_dataset_get(ayf_dataset *d, size_t index, bool flip, float *out, int *label) {
    if (index >= d->info.count)
        return ayf_fail(d->ctx, AYF_E_USAGE, "%s: has no sample %zu, only 0 to %zu", d->name, index,
                        d->info.count - 1);
    int found = d->labels ? d->labels[index] : -1;
    if (d->info.points) {
        ayf_points_sample(d->points, d->spec.seed, index, out, &found);
        if (!d->spec.labels) found = -1;
    } else {
        const uint8_t *bytes;
        if (label) *label = found;
        if (d->info.latents) return get_latent(d, index, NULL, out);
        AYF_TRY(pixels(d, index, &bytes));
        size_t c = (size_t)d->info.channels, width = (size_t)d->info.width;
        ayf_image_dequantise(bytes, out, ayf_dataset_values(&d->info));
        for (size_t y = 0; flip && y < (size_t)d->info.height; y++) {
            const uint8_t *row = bytes + y * width * c;
            for (size_t x = 0; x < width; x++)
                ayf_image_dequantise(row + (width - 1 - x) * c, out + (y * width + x) * c, c);
        }
    }
    if (label) *label = found;
    return AYF_OK;
}

/* Where training sample k comes from. */
static size_t index_of(const ayf_dataset *d, uint64_t seed, uint64_t k) {
    ayf_rng_key key = {.seed = seed, .purpose = AYF_RNG_ORDER, .step = k / d->info.count};
    return (size_t)ayf_rng_permute(key, k % d->info.count, d->info.count);
}

ayf_status ayf_dataset_batch(ayf_dataset *d, uint64_t seed, uint64_t first, size_t count, float *out,
                             int *labels) {
    size_t size = ayf_dataset_values(&d->info);
    for (size_t i = 0; i < count; i++) {
        uint32_t word = 0;
        if (d->info.latents) {
            ayf_rng_key visit = {.seed = seed, .purpose = AYF_RNG_POSTERIOR, .sample = first + i};
            size_t index = index_of(d, seed, first + i);
            if (labels) labels[i] = d->labels ? d->labels[index] : -1;
            AYF_TRY(get_latent(d, index, &visit, out + i * size));
            continue;
        }
        if (d->spec.mirror)
            ayf_rng_bits((ayf_rng_key){.seed = seed, .purpose = AYF_RNG_AUGMENT, .sample = first + i}, &word,
                         1);
        AYF_TRY(ayf_dataset_get(d, index_of(d, seed, first + i), word & 1, out + i * size,
                                labels ? labels + i : NULL));
    }
    return AYF_OK;
}

enum { MEASURED_MOST = 2048 };

ayf_status ayf_dataset_channels(ayf_dataset *d, ayf_reals *mean, ayf_reals *deviation) {
    size_t used = d->info.count < MEASURED_MOST ? d->info.count : MEASURED_MOST;
    size_t values = ayf_dataset_values(&d->info), channels = (size_t)d->info.channels;
    double sum[AYF_LIST_MAX] = {0}, squares[AYF_LIST_MAX] = {0}, n = (double)(used * (values / channels));
    for (size_t i = 0; i < used; i++) {
        const float *stored;
        size_t count;
        AYF_TRY(ayf_dataset_stored(d, i * d->info.count / used, &stored, &count));
        for (size_t k = 0; k < values; k++) {
            double value = (double)stored[k], spread = d->info.spread ? (double)stored[values + k] : 0;
            sum[k % channels] += value;
            squares[k % channels] += value * value + spread * spread;
        }
    }
    mean->count = deviation->count = d->info.channels;
    for (size_t c = 0; c < channels; c++) {
        mean->at[c] = sum[c] / n;
        deviation->at[c] = sqrt(fmax(squares[c] / n - mean->at[c] * mean->at[c], 0));
    }
    return AYF_OK;
}

static ayf_status measure_latents(ayf_dataset *d) {
    ayf_reals mean, deviation;
    double sum = 0, squares = 0, n = d->info.channels;
    AYF_TRY(ayf_dataset_channels(d, &mean, &deviation));
    for (int c = 0; c < mean.count; c++) {
        double scale = d->own_scale.count ? d->own_scale.at[c] : 1;
        double m = (mean.at[c] - (d->own_mean.count ? d->own_mean.at[c] : 0)) / scale,
               s = deviation.at[c] / scale;
        sum += m;
        squares += s * s + m * m;
    }
    d->mean = sum / n;
    d->sigma = sqrt(fmax(squares / n - d->mean * d->mean, 0));
    if (d->sigma > 1e-6) return AYF_OK;
    d->sigma = 0;
    return ayf_fail(d->ctx, AYF_E_FORMAT, "%s: all its values are the same", d->name);
}

ayf_status ayf_dataset_sigma(ayf_dataset *d, double *sigma) {
    enum { MOST = MEASURED_MOST, LEAST = 256, DRAWN_MOST = 1 << 26 };
    if (d->info.latents && !(d->sigma > 0)) AYF_TRY(measure_latents(d));
    *sigma = d->sigma;
    if (d->sigma > 0) return AYF_OK;
    size_t size = sample_bytes(d), used = d->info.count < MOST ? d->info.count : MOST;
    /* Large pictures take long to draw, and each says much. */
    if (d->source && d->source->generated && used > LEAST && used > DRAWN_MOST / size)
        used = DRAWN_MOST / size > LEAST ? DRAWN_MOST / size : LEAST;
    double sum = 0, squares = 0, n = (double)used * (double)size;
    for (size_t i = 0; i < used; i++) {
        const uint8_t *bytes;
        AYF_TRY(pixels(d, i * d->info.count / used, &bytes));
        for (size_t k = 0; k < size; k++) {
            double value = bytes[k] / 127.5 - 1;
            sum += value;
            squares += value * value;
        }
    }
    double variance = squares / n - sum / n * (sum / n);
    if (!(variance > 1e-12))
        return ayf_fail(d->ctx, AYF_E_FORMAT, "%s: all its pixels have the same value", d->name);
    *sigma = d->sigma = sqrt(variance);
    d->mean = sum / n;
    return AYF_OK;
}

ayf_status ayf_dataset_mean(ayf_dataset *d, double *mean) {
    double sigma;
    AYF_TRY(ayf_dataset_sigma(d, &sigma));
    *mean = d->mean;
    return AYF_OK;
}
