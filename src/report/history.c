#include <math.h>
#include <string.h>

#include "io/file.h"
#include "io/json.h"
#include "report/report.h"
#include "train/run_folder.h"

/* POINTS_MOST: of a curve that a page can show. The others bound what a log of unknown origin may cost. */
enum { POINTS_MOST = 1500, SERIES_MOST = 1000, ELEMENTS_MOST = 256 };

void ayf_history_clear(ayf_context *ctx, ayf_run_history *history) {
    for (size_t i = 0; i < history->count; i++) {
        ayf_free(ctx, history->series[i].name);
        ayf_free(ctx, history->series[i].steps);
        ayf_free(ctx, history->series[i].values);
    }
    ayf_free(ctx, history->series);
    *history = (ayf_run_history){0};
}

const ayf_series *ayf_history_find(const ayf_run_history *history, const char *name) {
    for (size_t i = 0; i < history->count; i++)
        if (history->series[i].element < 0 && strcmp(history->series[i].name, name) == 0)
            return &history->series[i];
    return NULL;
}

/* ---- Reading ---- */

/* *out is NULL for one series too many. */
static ayf_status series_of(ayf_context *ctx, ayf_run_history *history, const char *name, int element,
                            ayf_series **out) {
    for (size_t i = 0; i < history->count; i++) {
        *out = &history->series[i];
        if ((*out)->element == element && strcmp((*out)->name, name) == 0) return AYF_OK;
    }
    *out = NULL;
    if (history->count == SERIES_MOST) return AYF_OK;
    AYF_TRY(ayf_reserve(ctx, &history->series, history->count, &history->capacity, sizeof *history->series));
    *out = &history->series[history->count];
    (*out)->element = element;
    (*out)->name = ayf_strdup(ctx, name);
    if (!(*out)->name) return AYF_E_MEMORY;
    history->count++;
    return AYF_OK;
}

static ayf_status add_point(ayf_context *ctx, ayf_run_history *history, const char *name, int element,
                            double step, const json_t *value) {
    ayf_series *series;
    if (!json_is_number(value) && !json_is_null(value)) return AYF_OK;
    AYF_TRY(series_of(ctx, history, name, element, &series));
    if (!series) return AYF_OK;
    size_t capacity = series->capacity;
    AYF_TRY(ayf_reserve(ctx, &series->steps, series->count, &capacity, sizeof *series->steps));
    AYF_TRY(ayf_reserve(ctx, &series->values, series->count, &series->capacity, sizeof *series->values));
    series->steps[series->count] = step;
    series->values[series->count++] = json_is_null(value) ? NAN : json_number_value(value);
    return AYF_OK;
}

static ayf_status add_line(ayf_context *ctx, ayf_run_history *history, const char *line, size_t size) {
    json_error_t error;
    json_t *root;
    if (ayf_json_parse(ctx, AYF_RUN_LOG, line, size, 0, &root, &error) == AYF_E_MEMORY) return AYF_E_MEMORY;
    const json_t *at = json_object_get(root, "step");
    history->lines++;
    if (!json_is_number(at)) {
        history->damaged++;
        json_decref(root);
        return AYF_OK;
    }
    double step = json_number_value(at);
    ayf_status status = AYF_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (strcmp(key, "step") == 0 || status != AYF_OK) continue;
        if (!json_is_array(value)) status = add_point(ctx, history, key, -1, step, value);
        for (size_t i = 0; i < json_array_size(value) && i < ELEMENTS_MOST && status == AYF_OK; i++)
            status = add_point(ctx, history, key, (int)i, step, json_array_get(value, i));
    }
    json_decref(root);
    return status;
}

ayf_status ayf_history_read(ayf_context *ctx, const char *folder, ayf_run_history *history) {
    char *path = ayf_path_join(ctx, folder, AYF_RUN_LOG);
    void *bytes = NULL;
    size_t size = 0;
    ayf_status status = path ? AYF_OK : AYF_E_MEMORY;
    *history = (ayf_run_history){0};
    if (path && ayf_path_exists(path)) status = ayf_file_read(ctx, path, 0, &bytes, &size);
    const char *line = bytes, *last = line + size, *end;
    /* What follows the last newline is a line that is being written. */
    for (; status == AYF_OK && line < last && (end = memchr(line, '\n', (size_t)(last - line)));
         line = end + 1)
        status = add_line(ctx, history, line, (size_t)(end - line));
    ayf_free(ctx, bytes);
    ayf_free(ctx, path);
    if (status != AYF_OK) ayf_history_clear(ctx, history);
    return status;
}

/* ---- Writing ---- */

static void put_real(ayf_text *json, double value) {
    if (isfinite(value))
        ayf_text_print(json, "%.6g", value);
    else
        ayf_text_print(json, "null");
}

/* Every `stride` points as one: the last of their steps, or the mean of those that are finite. */
static void put_thinned(ayf_text *json, const double *values, size_t count, size_t stride, bool steps) {
    ayf_text_print(json, "[");
    for (size_t first = 0; first < count; first += stride) {
        size_t end = first + stride < count ? first + stride : count, finite = 0;
        double sum = 0;
        for (size_t i = first; i < end; i++) {
            if (!isfinite(values[i])) continue;
            sum += values[i];
            finite++;
        }
        if (first) ayf_text_print(json, ",");
        if (steps)
            ayf_text_print(json, "%.0f", values[end - 1]);
        else
            put_real(json, finite ? sum / (double)finite : (double)NAN);
    }
    ayf_text_print(json, "]");
}

void ayf_history_json(ayf_text *json, const ayf_run_history *history) {
    ayf_text_print(json, "[");
    for (size_t i = 0; i < history->count; i++) {
        const ayf_series *series = &history->series[i];
        size_t stride = (series->count + POINTS_MOST - 1) / POINTS_MOST;
        ayf_text_print(json, "%s{\"name\":", i ? ",\n" : "");
        ayf_text_json(json, series->name);
        ayf_text_print(json, ",\"element\":%d,\"thinned\":%zu,\"steps\":", series->element, stride);
        put_thinned(json, series->steps, series->count, stride, true);
        ayf_text_print(json, ",\"values\":");
        put_thinned(json, series->values, series->count, stride, false);
        ayf_text_print(json, "}");
    }
    ayf_text_print(json, "]");
}
