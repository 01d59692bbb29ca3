/* What a data set holds (ayf_data_check of ayf.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "base/wait.h"
#include "data/latents.h"
#include "inspect/data_open.h"

/* ---- The report ---- */

static void free_texts(ayf_context *ctx, char **texts, uint64_t count) {
    for (uint64_t i = 0; texts && i < count; i++) ayf_free(ctx, texts[i]);
    ayf_free(ctx, texts);
}

void ayf_data_report_free(ayf_context *ctx, ayf_data_report *r) {
    free_texts(ctx, r->bad, r->bad_count);
    free_texts(ctx, r->class_names, (uint64_t)r->classes);
    free_texts(ctx, r->flat, r->flat_count < AYF_DATA_LISTED ? r->flat_count : AYF_DATA_LISTED);
    for (uint64_t i = 0; r->pairs && i < r->pair_count; i++) {
        ayf_free(ctx, r->pairs[i].first);
        ayf_free(ctx, r->pairs[i].second);
    }
    ayf_free(ctx, r->pairs);
    ayf_free(ctx, r->class_counts);
    ayf_free(ctx, r->no_classes);
    ayf_free(ctx, r->note);
    *r = (ayf_data_report){0};
}

/* ---- One pass ---- */

typedef struct print { /* of a picture that can be used */
    uint64_t hash;     /* of its pixels and sides */
    size_t index;
    int height, width;
} print;

typedef struct check {
    ayf_context *ctx;
    ayf_opened_data data;
    ayf_data_report *report;
    print *prints;
    size_t usable;
    size_t bad_capacity;
    double sum[AYF_LIST_MAX], squares[AYF_LIST_MAX]; /* of the channels of latents */
} check;

static char *name_of(const check *c, size_t index) {
    char item[256];
    c->data.source->item(c->data.source, index, item, sizeof item);
    return ayf_strdup(c->ctx, item);
}

/* Takes over the failure recorded last. */
static ayf_status add_bad(check *c) {
    ayf_data_report *r = c->report;
    if (c->ctx->status == AYF_E_MEMORY) return AYF_E_MEMORY;
    char *text = ayf_strdup(c->ctx, ayf_error(c->ctx));
    if (!text) return AYF_E_MEMORY;
    ayf_status status = ayf_reserve(c->ctx, &r->bad, (size_t)r->bad_count, &c->bad_capacity, sizeof *r->bad);
    if (status == AYF_OK)
        r->bad[r->bad_count++] = text;
    else
        ayf_free(c->ctx, text);
    return status;
}

/* Whether the values of every channel hardly differ. */
static bool is_flat(const ayf_image *image) {
    const double least = 2;
    size_t channels = (size_t)image->channels, count = (size_t)image->height * (size_t)image->width;
    for (size_t c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) {
            unsigned value = image->pixels[i * channels + c];
            sum += value;
            squares += value * value;
        }
        double mean = (double)sum / (double)count, variance = (double)squares / (double)count - mean * mean;
        if (variance >= least * least) return false;
    }
    return true;
}

static ayf_status add_flat(check *c, size_t index) {
    ayf_data_report *r = c->report;
    if (!r->flat && !(r->flat = ayf_alloc(c->ctx, AYF_DATA_LISTED, sizeof *r->flat))) return AYF_E_MEMORY;
    if (r->flat_count < AYF_DATA_LISTED && !(r->flat[r->flat_count] = name_of(c, index))) return AYF_E_MEMORY;
    r->flat_count++;
    return AYF_OK;
}

static void count_picture(check *c, const ayf_image *image) {
    ayf_data_report *r = c->report;
    uint64_t *const formats[] = {&r->raw, &r->png, &r->jpeg, &r->webp};
    uint64_t *const traits[AYF_IMAGE_TRAITS] = {&r->alpha, &r->deep, &r->palette, &r->cmyk, &r->turned};
    int shorter = image->height < image->width ? image->height : image->width;
    ++*formats[image->format];
    for (int i = 0; i < AYF_IMAGE_TRAITS; i++) *traits[i] += image->traits >> i & 1;
    ++*(image->channels == 1 ? &r->grey : &r->colour);
    r->not_square += image->height != image->width;
    r->enlarged += shorter < c->data.spec.resolution && !c->data.source->pad_28;
}

/* False: the label cannot be used, which is recorded as a failure. */
static bool take_label(check *c, size_t index) {
    int label = c->data.source->labels ? ayf_data_label(&c->data, index) : 0;
    if (!c->data.source->labels) return true;
    if (label >= 0 && label < AYF_MAX_CLASSES) {
        c->report->class_counts[label]++;
        return true;
    }
    char item[256];
    c->data.source->item(c->data.source, index, item, sizeof item);
    if (label < 0)
        ayf_fail(c->ctx, AYF_E_FORMAT, "%s: has no label", item);
    else
        ayf_fail(c->ctx, AYF_E_FORMAT, "%s: label %d is out of the range 0 to %d", item, label,
                 AYF_MAX_CLASSES - 1);
    return false;
}

static ayf_status look_at(check *c, size_t index, const ayf_image *image) {
    if (!take_label(c, index)) return add_bad(c);
    uint64_t hash =
        ayf_hash(AYF_HASH_START, (int[3]){image->height, image->width, image->channels}, 3 * sizeof(int));
    c->prints[c->usable++] = (print){.hash = ayf_hash(hash, image->pixels, ayf_image_bytes(image)),
                                     .index = index,
                                     .height = image->height,
                                     .width = image->width};
    count_picture(c, image);
    return is_flat(image) ? add_flat(c, index) : AYF_OK;
}

static ayf_status read_all(check *c) {
    ayf_source *source = c->data.source;
    ayf_wait wait;
    ayf_task_begin(c->ctx, "reading", source->count);
    ayf_wait_begin(&wait, c->ctx, c->data.spec.source, "read", source->count);
    for (size_t i = 0; i < source->count; i++) {
        ayf_image image;
        AYF_TRY(ayf_task_add(c->ctx, i > 0));
        ayf_status status = source->fetch(source, i, false, &image);
        status = status == AYF_OK ? look_at(c, i, &image) : add_bad(c);
        ayf_image_clear(c->ctx, &image);
        if (status != AYF_OK) return status;
        ayf_wait_add(&wait, 1);
    }
    return AYF_OK;
}

/* ---- Latents ---- */

/* Counts the channels of a latent. True: their values hardly differ. */
static bool count_channels(check *c, const float *values) {
    const ayf_latent_form *f = &c->data.source->latents;
    size_t channels = (size_t)f->channels, pixels = (size_t)f->height * (size_t)f->width,
           all = pixels * channels;
    bool flat = true;
    for (size_t k = 0; k < channels; k++) {
        double sum = 0, squares = 0, spread = 0, n = (double)pixels;
        for (size_t i = k; i < all; i += channels) {
            double value = (double)values[i], deviation = f->spread ? (double)values[all + i] : 0;
            sum += value;
            squares += value * value;
            spread += deviation * deviation;
        }
        flat = flat && squares / n - sum / n * (sum / n) <= 1e-6 * (1 + squares / n);
        c->sum[k] += sum / n;
        c->squares[k] += (squares + spread) / n;
    }
    return flat;
}

static ayf_status look_at_latent(check *c, size_t index, const float *values) {
    const ayf_latent_form *f = &c->data.source->latents;
    if (!take_label(c, index)) return add_bad(c);
    c->prints[c->usable++] =
        (print){.hash = ayf_hash(AYF_HASH_START, values, ayf_latent_stored(f) * sizeof *values),
                .index = index,
                .height = f->height,
                .width = f->width};
    return count_channels(c, values) ? add_flat(c, index) : AYF_OK;
}

static ayf_status read_latents(check *c) {
    ayf_source *source = c->data.source;
    float *values = ayf_alloc(c->ctx, ayf_latent_stored(&source->latents), sizeof *values);
    ayf_status status = values ? AYF_OK : AYF_E_MEMORY;
    ayf_task_begin(c->ctx, "reading", source->count);
    for (size_t i = 0; i < source->count && status == AYF_OK; i++) {
        status = ayf_task_add(c->ctx, i > 0);
        if (status != AYF_OK) break;
        bool good = source->fetch_latent(source, i, values) == AYF_OK;
        status = good ? look_at_latent(c, i, values) : add_bad(c);
    }
    ayf_free(c->ctx, values);
    return status;
}

static void describe_latents(check *c) {
    ayf_data_report *r = c->report;
    const ayf_latent_form *f = &c->data.source->latents;
    r->latents = true;
    r->spread = f->spread;
    r->height = f->height;
    r->width = f->width;
    r->channels = f->channels;
    for (int k = 0; k < f->channels && c->usable; k++) {
        double n = (double)c->usable, mean = c->sum[k] / n;
        r->channel_mean[k] = mean;
        r->channel_deviation[k] = sqrt(fmax(c->squares[k] / n - mean * mean, 0));
    }
    r->bytes = c->usable * ayf_latent_stored(f) * sizeof(float);
    r->fits = r->bytes <= AYF_DATASET_MEMORY;
}

/* ---- What follows ---- */

static int by_size(const void *a, const void *b) {
    const print *p = a, *q = b;
    int64_t of_p = (int64_t)p->height * p->width, of_q = (int64_t)q->height * q->width;
    if (of_p != of_q) return of_p < of_q ? -1 : 1;
    return (p->width > q->width) - (p->width < q->width);
}

static void count_sizes(check *c) {
    ayf_data_report *r = c->report;
    qsort(c->prints, c->usable, sizeof *c->prints, by_size);
    for (size_t first = 0, next; first < c->usable; first = next) {
        for (next = first + 1; next < c->usable && by_size(&c->prints[first], &c->prints[next]) == 0;) next++;
        ayf_data_size size = {c->prints[first].height, c->prints[first].width, next - first};
        if (size.count > r->usual.count) r->usual = size;
        if (first == 0) r->smallest = size;
        r->largest = size;
        r->size_count++;
    }
}

static int by_hash(const void *a, const void *b) {
    const print *p = a, *q = b;
    if (p->hash != q->hash) return p->hash < q->hash ? -1 : 1;
    return (p->index > q->index) - (p->index < q->index);
}

static ayf_status add_pair(check *c, size_t first, size_t second, bool other_class) {
    ayf_data_report *r = c->report;
    if (r->pair_count == AYF_DATA_LISTED) return AYF_OK;
    ayf_data_pair *pair = &r->pairs[r->pair_count++];
    pair->first = name_of(c, first);
    pair->second = name_of(c, second);
    pair->other_class = other_class;
    return pair->first && pair->second ? AYF_OK : AYF_E_MEMORY;
}

/* Twice over the pictures: those of different labels are listed first. */
static ayf_status find_duplicates(check *c) {
    ayf_data_report *r = c->report;
    r->pairs = ayf_alloc(c->ctx, AYF_DATA_LISTED, sizeof *r->pairs);
    if (!r->pairs) return AYF_E_MEMORY;
    qsort(c->prints, c->usable, sizeof *c->prints, by_hash);
    for (int pass = 0; pass < 2; pass++) {
        size_t first = 0;
        for (size_t i = 1; i < c->usable; i++) {
            if (c->prints[i].hash != c->prints[first].hash) {
                first = i;
                continue;
            }
            size_t a = c->prints[first].index, b = c->prints[i].index;
            bool other = ayf_data_label(&c->data, a) != ayf_data_label(&c->data, b);
            if (pass == 0) r->duplicate_count++;
            if (pass == 0) r->other_class_count += other;
            if (other == (pass == 0)) AYF_TRY(add_pair(c, a, b, other));
        }
    }
    return AYF_OK;
}

/* The shape that a network is trained on, and the memory for it. */
static void find_shape(const ayf_dataset_spec *spec, ayf_data_report *r) {
    bool one_kind = r->grey == 0 || r->colour == 0;
    if (spec->resolution)
        r->height = r->width = spec->resolution;
    else if (r->size_count == 1)
        r->height = r->usual.height, r->width = r->usual.width;
    if (spec->channels)
        r->channels = spec->channels;
    else if (one_kind)
        r->channels = r->grey ? 1 : 3;
    uint64_t usable = r->count - r->bad_count;
    r->bytes = usable * (uint64_t)r->height * (uint64_t)r->width * (uint64_t)r->channels;
    r->fits = r->bytes <= AYF_DATASET_MEMORY;
}

static ayf_status check_stored(check *c) {
    ayf_data_report *r = c->report;
    c->prints = ayf_alloc(c->ctx, c->data.source->count, sizeof *c->prints);
    if (!c->prints) return AYF_E_MEMORY;
    bool latents = c->data.source->latents.channels > 0;
    if (latents) AYF_TRY(ayf_latent_check_spec(c->ctx, &c->data.spec, &c->data.source->latents));
    AYF_TRY(latents ? read_latents(c) : read_all(c));
    count_sizes(c);
    AYF_TRY(find_duplicates(c));
    if (latents)
        describe_latents(c);
    else
        find_shape(&c->data.spec, r);
    if (c->usable) return AYF_OK;
    return ayf_fail(c->ctx, AYF_E_FORMAT, "%s: none of its %llu %s can be used, the first because %s",
                    c->data.spec.source, (unsigned long long)r->count, latents ? "latents" : "pictures",
                    r->bad[0]);
}

/* What is drawn when it is asked for is good by construction. */
static ayf_status describe_drawn(check *c) {
    ayf_data_report *r = c->report;
    ayf_image image;
    AYF_TRY(c->data.source->fetch(c->data.source, 0, true, &image));
    r->drawn = true;
    for (size_t i = 0; c->data.source->labels && i < c->data.source->count; i++)
        r->class_counts[ayf_data_label(&c->data, i)]++;
    r->height = image.height;
    r->width = image.width;
    r->channels = c->data.spec.channels ? c->data.spec.channels : image.channels;
    r->bytes = r->count * (uint64_t)r->height * (uint64_t)r->width * (uint64_t)r->channels;
    r->fits = r->bytes <= AYF_DATASET_MEMORY;
    return AYF_OK;
}

static ayf_status count_points(check *c) {
    ayf_dataset *set;
    AYF_TRY(ayf_dataset_open(c->ctx, &c->data.spec, &set));
    for (size_t i = 0; i < (size_t)c->report->count; i++)
        c->report->class_counts[ayf_dataset_label(set, i)]++;
    ayf_dataset_close(set);
    return AYF_OK;
}

static ayf_status name_classes(check *c) {
    ayf_data_report *r = c->report;
    if (!c->data.source || !ayf_data_class_name(&c->data, 0)) return AYF_OK;
    r->class_names = ayf_alloc(c->ctx, (size_t)r->classes, sizeof *r->class_names);
    if (!r->class_names) return AYF_E_MEMORY;
    for (int k = 0; k < r->classes; k++) {
        const char *name = ayf_data_class_name(&c->data, k);
        r->class_names[k] = name ? ayf_strdup(c->ctx, name) : ayf_format(c->ctx, "class %d", k);
        if (!r->class_names[k]) return AYF_E_MEMORY;
    }
    return AYF_OK;
}

static ayf_status run_check(check *c) {
    ayf_data_report *r = c->report;
    const ayf_opened_data *data = &c->data;
    r->count = data->source ? data->source->count : data->info.count;
    r->no_classes = data->no_classes ? ayf_strdup(c->ctx, data->no_classes) : NULL;
    if (data->no_classes && !r->no_classes) return AYF_E_MEMORY;
    const char *note = data->source ? data->source->note : NULL;
    if (note && !(r->note = ayf_strdup(c->ctx, note))) return AYF_E_MEMORY;
    int classes = ayf_data_classes(data);
    r->class_counts = ayf_alloc(c->ctx, (size_t)classes, sizeof *r->class_counts);
    if (!r->class_counts) return AYF_E_MEMORY;
    r->classes = classes;
    AYF_TRY(name_classes(c));
    if (data->source) return data->source->generated ? describe_drawn(c) : check_stored(c);
    r->points = r->drawn = true;
    r->height = data->info.height;
    r->width = data->info.width;
    r->channels = data->info.channels;
    return classes ? count_points(c) : AYF_OK;
}

ayf_status ayf_data_check(ayf_context *ctx, const ayf_data_options *options, ayf_data_report *report) {
    *report = (ayf_data_report){0};
    check c = {.ctx = ctx, .report = report};
    ayf_status status = ayf_data_open(ctx, options, &c.data);
    if (status == AYF_OK) status = run_check(&c);
    ayf_free(ctx, c.prints);
    ayf_data_close(&c.data);
    return status;
}
