#include "base/base.h"
#include "base/choices.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ALIGNMENT = 64 };

static const struct {
    const char *name;
    int exit_code;
    const char *text;
} status_table[] = {
#define AYF_ROW(name, code, text) {#name, code, text},
    AYF_STATUS_TABLE(AYF_ROW)
#undef AYF_ROW
};

int ayf_exit_code(ayf_status status) {
    return (unsigned)status < AYF_COUNT(status_table) ? status_table[status].exit_code : 1;
}

const char *ayf_status_text(ayf_status status) {
    return (unsigned)status < AYF_COUNT(status_table) ? status_table[status].text : "unknown status";
}

const char *ayf_version(void) { return AYF_VERSION; }

size_t ayf_sizeof(const char *type) {
    static const struct {
        const char *name;
        size_t size;
    } structs[] = {
#define ROW(type) {#type, sizeof(type)}
        ROW(ayf_options),
        ROW(ayf_model_facts),
        ROW(ayf_sample_options),
        ROW(ayf_run_options),
        ROW(ayf_run_report),
        ROW(ayf_fidelity_options),
        ROW(ayf_fidelity_row),
        ROW(ayf_semigroup_row),
        ROW(ayf_features_options),
        ROW(ayf_features_report),
        ROW(ayf_eval_options),
        ROW(ayf_eval_row),
        ROW(ayf_eval_figure),
        ROW(ayf_bench_options),
        ROW(ayf_bench_result),
        ROW(ayf_path_facts),
        ROW(ayf_config_key),
        ROW(ayf_grid),
        ROW(ayf_report_options),
        ROW(ayf_bench_call_result),
        ROW(ayf_bench_discriminator_result),
#undef ROW
    };
    for (size_t i = 0; i < AYF_COUNT(structs); i++)
        if (strcmp(structs[i].name, type) == 0) return structs[i].size;
    return 0;
}

const char *ayf_precision_name(ayf_precision precision) {
    static const char *const names[] = {AYF_PRECISIONS(AYF_CHOICE_NAME)};
    return (unsigned)precision < AYF_COUNT(names) ? names[precision] : NULL;
}

static void *default_alloc(void *user, void *pointer, size_t size) {
    (void)user;
    if (size == 0) {
        free(pointer);
        return NULL;
    }
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return rounded < size ? NULL : aligned_alloc(ALIGNMENT, rounded);
}

/* False: no memory. */
static bool copy(ayf_context *ctx, const char *text, char **out) {
    *out = text ? ayf_strdup(ctx, text) : NULL;
    return !text || *out;
}

ayf_context *ayf_open(const ayf_options *options) {
    static const ayf_options defaults;
    if (!options) options = &defaults;
    ayf_alloc_fn *alloc = options->alloc ? options->alloc : default_alloc;
    ayf_context *ctx = alloc(options->alloc_user, NULL, sizeof *ctx);
    if (!ctx) return NULL;
    memset(ctx, 0, sizeof *ctx);
    ctx->alloc = alloc;
    ctx->alloc_user = options->alloc_user;
    ctx->log = options->log;
    ctx->log_user = options->log_user;
    ctx->threads = options->threads;
    ctx->trace = options->trace;
    ctx->mpi = options->mpi;
    ctx->precision = options->precision;
    ctx->progress = options->progress;
    ctx->progress_user = options->progress_user;
    if (!copy(ctx, options->device, &ctx->device) || !copy(ctx, options->cuda_path, &ctx->cuda_path) ||
        !copy(ctx, options->cache, &ctx->cache)) {
        ayf_close(ctx);
        return NULL;
    }
    return ctx;
}

void ayf_close(ayf_context *ctx) {
    if (!ctx) return;
    if (ctx->backend) ctx->close_backend(ctx->backend);
    if (ctx->comm) ctx->close_comm(ctx->comm);
    ayf_free(ctx, ctx->device);
    ayf_free(ctx, ctx->cuda_path);
    ayf_free(ctx, ctx->cache);
    ayf_free(ctx, ctx);
}

const char *ayf_error(const ayf_context *ctx) {
    if (!ctx) return "out of memory";
    return ctx->status == AYF_OK ? "" : ctx->message;
}

ayf_status ayf_last_status(const ayf_context *ctx) { return ctx ? ctx->status : AYF_E_MEMORY; }

ayf_status ayf_fail(ayf_context *ctx, ayf_status status, const char *format, ...) {
    char raw[AYF_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    ctx->status = status;
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    ayf_plain_text(raw, ctx->message, sizeof ctx->message);
    return status;
}

ayf_status ayf_fail_prefix(ayf_context *ctx, const char *format, ...) {
    char old[AYF_MESSAGE_SIZE], raw[AYF_MESSAGE_SIZE];
    memcpy(old, ctx->message, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    size_t used = ayf_plain_text(raw, ctx->message, sizeof ctx->message);
    if (used < sizeof ctx->message) ayf_plain_text(old, ctx->message + used, sizeof ctx->message - used);
    return ctx->status;
}

void ayf_say(ayf_context *ctx, const char *format, ...) {
    if (!ctx->log) return;
    char raw[AYF_MESSAGE_SIZE], line[AYF_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    ayf_plain_text(raw, line, sizeof line);
    ctx->log(ctx->log_user, line);
}

void *ayf_alloc(ayf_context *ctx, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        ayf_fail(ctx, AYF_E_MEMORY, "%zu elements of %zu bytes do not fit in memory", count, size);
        return NULL;
    }
    void *pointer = ctx->alloc(ctx->alloc_user, NULL, bytes ? bytes : 1);
    if (!pointer) {
        ayf_fail(ctx, AYF_E_MEMORY,
                 "out of memory (%zu bytes were asked for): use a smaller batch, model or number of samples",
                 bytes);
        return NULL;
    }
    memset(pointer, 0, bytes);
    return pointer;
}

void *ayf_grow(ayf_context *ctx, void *old, size_t old_count, size_t new_count, size_t size) {
    void *pointer = ayf_alloc(ctx, new_count, size);
    if (!pointer) return NULL;
    if (old && old_count) memcpy(pointer, old, (old_count < new_count ? old_count : new_count) * size);
    ayf_free(ctx, old);
    return pointer;
}

ayf_status ayf_reserve(ayf_context *ctx, void *array, size_t count, size_t *capacity, size_t size) {
    enum { FIRST = 16 };
    if (count < *capacity) return AYF_OK;
    size_t larger = *capacity ? 2 * *capacity : FIRST;
    void *old; /* copied in and out: `array` may be the address of a pointer of any type */
    memcpy(&old, array, sizeof old);
    void *grown = ayf_grow(ctx, old, count, larger, size);
    if (!grown) return AYF_E_MEMORY;
    memcpy(array, &grown, sizeof grown);
    *capacity = larger;
    return AYF_OK;
}

void ayf_free(ayf_context *ctx, void *pointer) {
    if (pointer) ctx->alloc(ctx->alloc_user, pointer, 0);
}

char *ayf_strdup(ayf_context *ctx, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = ayf_alloc(ctx, size, 1);
    if (copy) memcpy(copy, text, size);
    return copy;
}

char *ayf_format(ayf_context *ctx, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ayf_alloc(ctx, (size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

uint64_t ayf_hash(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 1099511628211ull;
    return hash;
}

const char *ayf_nearest(const char *word, const char *const *candidates, size_t count) {
    enum { LONGEST = 63 };
    size_t n = strlen(word), best_distance = n / 2 + 1;
    const char *best = NULL;
    if (n > LONGEST) return NULL;
    for (size_t k = 0; k < count; k++) {
        size_t m = strlen(candidates[k]);
        if (m > LONGEST) continue;
        size_t row[LONGEST + 1];
        for (size_t j = 0; j <= m; j++) row[j] = j;
        for (size_t i = 1; i <= n; i++) {
            size_t diagonal = row[0];
            row[0] = i;
            for (size_t j = 1; j <= m; j++) {
                size_t replace = diagonal + (word[i - 1] != candidates[k][j - 1]);
                size_t insert = row[j - 1] + 1, erase = row[j] + 1;
                diagonal = row[j];
                row[j] = replace < insert ? replace : insert;
                if (erase < row[j]) row[j] = erase;
            }
        }
        if (row[m] < best_distance) {
            best_distance = row[m];
            best = candidates[k];
        }
    }
    return best;
}

const char *ayf_first_not_finite(const float *values, size_t count, size_t *index) {
    for (*index = 0; *index < count; ++*index)
        if (!isfinite(values[*index])) return isnan(values[*index]) ? "NaN" : "infinite";
    return NULL;
}

double ayf_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
