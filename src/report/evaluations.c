#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/json.h"
#include "report/report.h"

enum { FILES_MOST = 64, BYTES_MOST = 1 << 20 };

static bool is_evaluation(const char *name) {
    static const char start[] = "eval", end[] = ".json";
    size_t size = strlen(name);
    return size > strlen(end) && strncmp(name, start, strlen(start)) == 0 &&
           strcmp(name + size - strlen(end), end) == 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

typedef struct names {
    char **items;
    size_t count, capacity;
} names;

static ayf_status list_files(ayf_context *ctx, const char *folder, names *n) {
    DIR *dir = opendir(folder);
    if (!dir) return ayf_fail_errno(ctx, errno, "open this folder", folder);
    ayf_status status = AYF_OK;
    struct dirent *entry;
    while (errno = 0, status == AYF_OK && (entry = readdir(dir))) {
        if (!is_evaluation(entry->d_name)) continue;
        status = ayf_reserve(ctx, &n->items, n->count, &n->capacity, sizeof *n->items);
        char *name = status == AYF_OK ? ayf_strdup(ctx, entry->d_name) : NULL;
        if (name)
            n->items[n->count++] = name;
        else
            status = AYF_E_MEMORY;
    }
    if (status == AYF_OK && errno) status = ayf_fail_errno(ctx, errno, "read this folder", folder);
    closedir(dir);
    if (n->count) qsort(n->items, n->count, sizeof *n->items, by_text);
    return status;
}

/* A file that is no JSON is shown as null. */
static ayf_status put_file(ayf_context *ctx, const char *folder, const char *name, bool first,
                           ayf_text *json) {
    void *bytes = NULL;
    size_t size = 0;
    char *path = ayf_path_join(ctx, folder, name);
    ayf_status status = path ? ayf_file_read(ctx, path, BYTES_MOST, &bytes, &size) : AYF_E_MEMORY;
    ayf_free(ctx, path);
    if (status == AYF_E_MEMORY) return status;
    json_error_t error;
    json_t *root = NULL;
    if (status == AYF_OK) status = ayf_json_parse(ctx, name, bytes, size, 0, &root, &error);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    ayf_text_print(json, "%s{\"name\":", first ? "" : ",\n");
    ayf_text_json(json, name);
    ayf_text_print(json, ",\"value\":%s}", text ? text : "null");
    if (root && !text) status = ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while reading", name);
    free(text);
    json_decref(root);
    ayf_free(ctx, bytes);
    return status == AYF_E_MEMORY ? status : AYF_OK;
}

ayf_status ayf_evaluations_json(ayf_context *ctx, const char *folder, ayf_text *json) {
    names n = {0};
    ayf_status status = list_files(ctx, folder, &n);
    ayf_text_print(json, "[");
    for (size_t i = 0; i < n.count && i < FILES_MOST && status == AYF_OK; i++)
        status = put_file(ctx, folder, n.items[i], i == 0, json);
    ayf_text_print(json, "]");
    for (size_t i = 0; i < n.count; i++) ayf_free(ctx, n.items[i]);
    ayf_free(ctx, n.items);
    return status;
}
