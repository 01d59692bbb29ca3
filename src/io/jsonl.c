#include "io/jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/json.h"
#include "io/text.h"

struct ayf_jsonl {
    ayf_context *ctx;
    char *path;
    int fd;
    ayf_text line;
};

/* Whether a finished line belongs to a run that has reached `last_step`. What is no JSON object, as a write that was
 * torn leaves it, would stop every reader of the log; it is counted. */
static ayf_status keep_line(ayf_context *ctx, const char *path, const char *line, size_t size,
                            int64_t last_step, bool *keep, size_t *damaged) {
    *keep = false;
    if (last_step < 0) return AYF_OK;
    json_error_t error;
    json_t *object;
    if (ayf_json_parse(ctx, path, line, size, 0, &object, &error) == AYF_E_MEMORY) return AYF_E_MEMORY;
    json_t *step = object ? json_object_get(object, "step") : NULL;
    if (json_is_object(object))
        *keep = !json_is_integer(step) || json_integer_value(step) <= last_step;
    else
        ++*damaged;
    json_decref(object);
    return AYF_OK;
}

static ayf_status drop_later_lines(ayf_context *ctx, const char *path, int64_t last_step) {
    void *bytes;
    size_t size, kept = 0, damaged = 0;
    AYF_TRY(ayf_file_read(ctx, path, 0, &bytes, &size));
    char *text = bytes;
    ayf_status status = AYF_OK;
    for (size_t at = 0; at < size && status == AYF_OK;) {
        const char *newline = memchr(text + at, '\n', size - at);
        if (!newline) break;
        size_t length = (size_t)(newline - (text + at)) + 1;
        bool keep;
        status = keep_line(ctx, path, text + at, length, last_step, &keep, &damaged);
        if (keep) {
            memmove(text + kept, text + at, length);
            kept += length;
        }
        at += length;
    }
    if (status == AYF_OK && kept != size) status = ayf_file_write(ctx, path, text, kept);
    if (status == AYF_OK && damaged)
        ayf_say(ctx, "%s: %zu line%s not JSON and left out", path, damaged, damaged == 1 ? " was" : "s were");
    ayf_free(ctx, bytes);
    return status;
}

ayf_status ayf_jsonl_open(ayf_context *ctx, const char *path, int64_t last_step, ayf_jsonl **out) {
    *out = NULL;
    struct stat info;
    bool there = lstat(path, &info) == 0;
    if (there && S_ISREG(info.st_mode)) AYF_TRY(drop_later_lines(ctx, path, last_step));
    if (there && S_ISFIFO(info.st_mode)) return ayf_check_regular(ctx, path); /* it would wait for a reader */
    ayf_jsonl *log = ayf_alloc(ctx, 1, sizeof *log);
    if (!log) return AYF_E_MEMORY;
    *log = (ayf_jsonl){.ctx = ctx, .fd = -1};
    ayf_text_init(&log->line, ctx);
    log->path = ayf_strdup(ctx, path);
    ayf_status status = log->path ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (log->fd < 0) status = ayf_fail_errno(ctx, errno, "write", path);
    }
    if (status != AYF_OK) {
        ayf_jsonl_close(log);
        return status;
    }
    *out = log;
    return AYF_OK;
}

static void put_key(ayf_jsonl *log, const char *key) {
    ayf_text_print(&log->line, "%s", log->line.size ? "," : "{");
    ayf_text_json(&log->line, key);
    ayf_text_print(&log->line, ":");
}

static void put_real(ayf_jsonl *log, double value) {
    if (isfinite(value))
        ayf_text_real(&log->line, value);
    else
        ayf_text_print(&log->line, "null");
}

void ayf_jsonl_int(ayf_jsonl *log, const char *key, int64_t value) {
    put_key(log, key);
    ayf_text_print(&log->line, "%lld", (long long)value);
}

void ayf_jsonl_real(ayf_jsonl *log, const char *key, double value) {
    put_key(log, key);
    put_real(log, value);
}

void ayf_jsonl_text(ayf_jsonl *log, const char *key, const char *value) {
    put_key(log, key);
    ayf_text_json(&log->line, value);
}

void ayf_jsonl_reals(ayf_jsonl *log, const char *key, const double *values, size_t count) {
    put_key(log, key);
    ayf_text_print(&log->line, "[");
    for (size_t i = 0; i < count; i++) {
        if (i) ayf_text_print(&log->line, ",");
        put_real(log, values[i]);
    }
    ayf_text_print(&log->line, "]");
}

ayf_status ayf_jsonl_end(ayf_jsonl *log) {
    ayf_text_print(&log->line, "%s}\n", log->line.size ? "" : "{");
    ayf_status status = log->line.failed
                            ? AYF_E_MEMORY
                            : ayf_file_append(log->ctx, log->fd, log->path, log->line.data, log->line.size);
    log->line.size = 0;
    log->line.failed = false;
    return status;
}

void ayf_jsonl_close(ayf_jsonl *log) {
    if (!log) return;
    if (log->fd >= 0) close(log->fd);
    ayf_text_free(&log->line);
    ayf_free(log->ctx, log->path);
    ayf_free(log->ctx, log);
}
