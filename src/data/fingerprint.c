#include "data/fingerprint.h"
#include "base/wait.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pictures are bytes; coordinates of points are hashed to three decimals, which no compiler or math library
 * changes. */
static uint64_t hash_values(uint64_t hash, const float *values, size_t count, bool points) {
    for (size_t i = 0; i < count; i++) {
        double scaled = points ? values[i] * 1000.0 : (values[i] + 1) * 127.5;
        int32_t whole = (int32_t)lround(scaled);
        const unsigned char bytes[2] = {(unsigned char)(whole & 0xff), (unsigned char)(whole >> 8 & 0xff)};
        hash = ayf_hash(hash, bytes, points ? 2 : 1);
    }
    return hash;
}

/* Latents are hashed as they are stored, whatever network they are scaled for. */
static ayf_status hash_latent(ayf_dataset *data, size_t index, uint64_t *hash) {
    const float *values;
    size_t count;
    AYF_TRY(ayf_dataset_stored(data, index, &values, &count));
    *hash = ayf_hash(*hash, values, count * sizeof *values);
    return AYF_OK;
}

static uint64_t hash_labels(const ayf_dataset *data, uint64_t count) {
    uint64_t hash = AYF_HASH_START;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t label = (uint32_t)ayf_dataset_label(data, (size_t)i);
        const unsigned char bytes[4] = {(unsigned char)(label & 0xff), (unsigned char)(label >> 8 & 0xff),
                                        (unsigned char)(label >> 16 & 0xff), (unsigned char)(label >> 24)};
        hash = ayf_hash(hash, bytes, sizeof bytes);
    }
    return hash;
}

ayf_status ayf_dataset_fingerprint(ayf_dataset *data, ayf_fingerprint *out) {
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    ayf_context *ctx = ayf_dataset_context(data);
    size_t values = ayf_dataset_values(info);
    size_t used = info->count < AYF_FINGERPRINT_SAMPLES ? info->count : AYF_FINGERPRINT_SAMPLES;
    *out = (ayf_fingerprint){.count = info->count,
                             .height = info->height,
                             .width = info->width,
                             .channels = info->channels,
                             .classes = info->classes,
                             .labels = info->classes ? hash_labels(data, info->count) : 0,
                             .content = AYF_HASH_START};
    float *sample = ayf_alloc(ctx, values, sizeof *sample);
    if (!sample) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    for (size_t i = 0; i < used && status == AYF_OK; i++) {
        size_t index = used > 1 ? i * (info->count - 1) / (used - 1) : 0;
        status = ayf_task_go_on(ctx);
        if (status == AYF_OK && info->latents) {
            status = hash_latent(data, index, &out->content);
            continue;
        }
        if (status == AYF_OK) status = ayf_dataset_get(data, index, false, sample, NULL);
        if (status == AYF_OK) out->content = hash_values(out->content, sample, values, info->points);
    }
    ayf_free(ctx, sample);
    return status;
}

void ayf_fingerprint_print(const ayf_fingerprint *f, char text[AYF_FINGERPRINT_TEXT]) {
    snprintf(text, AYF_FINGERPRINT_TEXT,
             "count %" PRIu64 " size %dx%dx%d classes %d labels %016" PRIx64 " content %016" PRIx64, f->count,
             f->height, f->width, f->channels, f->classes, f->labels, f->content);
}

bool ayf_fingerprint_parse(const char *text, ayf_fingerprint *f) {
    char again[AYF_FINGERPRINT_TEXT];
    int fields =
        sscanf(text, "count %" SCNu64 " size %dx%dx%d classes %d labels %" SCNx64 " content %" SCNx64,
               &f->count, &f->height, &f->width, &f->channels, &f->classes, &f->labels, &f->content);
    if (fields != 7) return false;
    ayf_fingerprint_print(f, again);
    return strcmp(text, again) == 0;
}

static size_t put(char *words, size_t used, const char *text) {
    if (used >= AYF_FINGERPRINT_WORDS) return used;
    return used +
           (size_t)snprintf(words + used, AYF_FINGERPRINT_WORDS - used, "%s%s", used ? ", " : "", text);
}

bool ayf_fingerprint_differs(const ayf_fingerprint *then, const ayf_fingerprint *now,
                             char words[AYF_FINGERPRINT_WORDS]) {
    const bool points = now->height == 1 && now->width == 1 && now->channels == 2;
    const bool latents = !points && now->channels != 1 && now->channels != 3;
    const char *what = points ? "points" : latents ? "latents" : "pictures";
    const bool same_count = then->count == now->count, same_classes = then->classes == now->classes;
    const bool same_size =
        then->height == now->height && then->width == now->width && then->channels == now->channels;
    size_t used = 0;
    char part[128];
    words[0] = 0;
    if (!same_count) {
        snprintf(part, sizeof part, "%" PRIu64 " %s instead of %" PRIu64, now->count, what, then->count);
        used = put(words, used, part);
    }
    if (!same_size) {
        snprintf(part, sizeof part, "samples of %d x %d x %d instead of %d x %d x %d", now->height,
                 now->width, now->channels, then->height, then->width, then->channels);
        used = put(words, used, part);
    }
    if (!same_classes) {
        snprintf(part, sizeof part, "%d classes instead of %d", now->classes, then->classes);
        used = put(words, used, part);
    }
    if (same_count && same_classes && then->labels != now->labels)
        used = put(words, used, "the labels differ");
    if (same_count && same_size && then->content != now->content) {
        snprintf(part, sizeof part, "the %s differ", what);
        used = put(words, used, part);
    }
    return used > 0;
}
