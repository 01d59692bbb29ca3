/* The recipe of an evaluation, without which no number means anything. */
#include "eval/distance.h"

#include <inttypes.h>
#include <stdio.h>

#include "backend/open.h"

static ayf_status put(const ayf_eval *e, ayf_print_fn *print, void *user, char *line) {
    if (!line) return AYF_E_MEMORY;
    print(user, line);
    ayf_free(e->ctx, line);
    return AYF_OK;
}

enum { PART = 96 };

/* "; 3 that cannot be read are left out" */
static const char *left_out(char text[PART], size_t count) {
    text[0] = 0;
    if (count)
        snprintf(text, PART, "; %zu that cannot be read %s left out", count, count == 1 ? "is" : "are");
    return text;
}

/* How the pictures of the reference came to their shape. */
static const char *reading(char text[PART], const ayf_extractor *net) {
    const ayf_reading *r = &net->reading;
    snprintf(text, PART, "centre crop, %s%s%s%s",
             r->resize == AYF_RESIZE_LANCZOS ? "Lanczos" : ayf_resize_name(r->resize),
             r->background == AYF_BACKGROUND_BLACK ? ", over black" : "",
             r->as_stored ? ", not turned by EXIF" : "", net->data ? ", as the features were fitted" : "");
    return text;
}

static ayf_status describe_reference(const ayf_eval *e, ayf_print_fn *print, void *user) {
    ayf_context *ctx = e->ctx;
    char some[64] = "", how[PART], less[PART];
    if (e->statistics) {
        if (e->whole.count) snprintf(some, sizeof some, " of %zu samples", e->whole.count);
        AYF_TRY(put(e, print, user,
                    ayf_format(ctx, "reference  %s: mean and covariance of %zu %s%s", e->source, e->dim,
                               e->net ? "features" : "coordinates", some)));
        if (!e->net) return AYF_OK;
        return put(e, print, user,
                   ayf_format(ctx, "features   %s, hash %016" PRIx64 ": %s", e->net->path, e->net->hash,
                              e->net->recipe));
    }
    if (e->whole.count < e->available) snprintf(some, sizeof some, " at random of %zu", e->available);
    if (e->shape.points)
        return put(e, print, user,
                   ayf_format(ctx, "reference  %s: %zu points%s, compared by their coordinates", e->source,
                              e->whole.count, some));
    AYF_TRY(put(e, print, user,
                ayf_format(ctx, "reference  %s: %zu images%s of %d x %d x %d (%s)%s", e->source,
                           e->whole.count, some, e->shape.height, e->shape.width, e->shape.channels,
                           reading(how, e->net), left_out(less, e->left_out))));
    return put(e, print, user,
               ayf_format(ctx, "features   %s, hash %016" PRIx64 ": %s", e->net->path, e->net->hash,
                          e->net->recipe));
}

static char *samples_line(const ayf_eval *e) {
    bool in_32_bits = e->precision == AYF_PRECISION_HIGHEST;
    if (!e->samples)
        return ayf_format(e->ctx,
                          "samples    %zu, seeds %" PRIu64 " to %" PRIu64 "%s%s (of a data set: at random)",
                          e->count, e->seed, e->seed + e->count - 1, in_32_bits ? "" : ", computed in ",
                          in_32_bits ? "" : ayf_precision_name(e->precision));
    char brought[96] = "", less[PART];
    if (e->reshaped)
        snprintf(brought, sizeof brought, "; %zu of its pictures resized to %d x %d x %d", e->reshaped,
                 e->shape.height, e->shape.width, e->shape.channels);
    return ayf_format(e->ctx, "samples    %s: %zu at random (seed %" PRIu64 ")%s%s", e->samples, e->count,
                      e->seed, brought, left_out(less, e->samples_left_out));
}

static ayf_status describe_numbers(const ayf_eval *e, ayf_print_fn *print, void *user) {
    char *metrics = ayf_metrics_recipe(e->ctx, e->by, e->whole.kept, e->whole.pictures);
    if (!metrics) return AYF_E_MEMORY;
    ayf_status status = put(e, print, user, ayf_format(e->ctx, "numbers    %s", metrics));
    ayf_free(e->ctx, metrics);
    return status;
}

/* Frechet distance is biased upwards for small samples, so a baseline computed from fewer samples must be
 * labelled as such. */
static ayf_status describe_floor(const ayf_eval *e, ayf_print_fn *print, void *user) {
    char less[160] = "", part[PART];
    if (!e->floor_count)
        return put(e, print, user,
                   ayf_format(e->ctx, "floor      none: statistics hold no samples (more: --heldout)"));
    if (e->floor_count < e->count)
        snprintf(less, sizeof less, "; NOT AT THE SAME NUMBER: only %zu are available for the %zu measured%s",
                 e->floor_count, e->count, e->heldout ? "" : " (more: --heldout)");
    if (e->heldout)
        return put(e, print, user,
                   ayf_format(e->ctx, "floor      %zu held-out samples of %s against the reference%s%s",
                              e->floor_count, e->heldout, left_out(part, e->heldout_left_out), less));
    return put(
        e, print, user,
        ayf_format(
            e->ctx,
            "floor      %zu samples of one random half of the reference against its other half of %zu%s",
            e->floor_count, e->half.count, less));
}

/* Of a model's samples. */
static ayf_status describe_classes(const ayf_eval *e, ayf_print_fn *print, void *user) {
    char without[160] = "", list[96];
    if (e->samples || e->shape.points) return AYF_OK;
    if (ayf_classes_empty(&e->classes)) {
        ayf_classes_list_empty(&e->classes, list, sizeof list);
        snprintf(without, sizeof without, "; without pictures, not drawn: %s", list);
    }
    return put(e, print, user,
               ayf_format(e->ctx, "classes    of a model: %s%s",
                          e->evenly ? "all equally often"
                          : e->classes.count
                              ? "as often as in the reference"
                              : "as often as in its training data, evenly when it does not know them",
                          without));
}

/* What computed the samples and features. */
static ayf_status describe_device(const ayf_eval *e, ayf_print_fn *print, void *user) {
    ayf_backend *backend;
    char name[AYF_DEVICE_SIZE];
    int threads;
    AYF_TRY(ayf_backend_open(e->ctx, &backend));
    ayf_backend_name(backend, name, &threads);
    return put(e, print, user, ayf_format(e->ctx, "device     %s", name));
}

ayf_status ayf_eval_describe(const ayf_eval *e, ayf_print_fn *print, void *user) {
    AYF_TRY(describe_reference(e, print, user));
    AYF_TRY(put(e, print, user, samples_line(e)));
    AYF_TRY(describe_classes(e, print, user));
    AYF_TRY(describe_numbers(e, print, user));
    AYF_TRY(describe_device(e, print, user));
    return describe_floor(e, print, user);
}
