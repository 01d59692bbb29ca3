#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "report/report.h"

enum { FILES_MOST = 64, BYTES_MOST = 1 << 20 };

static bool is_evaluation(const char *name) {
    static const char start[] = "eval", end[] = ".json";
    size_t size = strlen(name);
    return size > strlen(end) && strncmp(name, start, strlen(start)) == 0 &&
           strcmp(name + size - strlen(end), end) == 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static ayf_status list_files(ayf_context *ctx, const char *folder, char **names, size_t *count) {
    DIR *dir = opendir(folder);
    if (!dir) return ayf_fail_errno(ctx, errno, "open this folder", folder);
    ayf_status status = AYF_OK;
    struct dirent *entry;
    while (errno = 0, status == AYF_OK && *count < FILES_MOST && (entry = readdir(dir))) {
        if (!is_evaluation(entry->d_name)) continue;
        names[*count] = ayf_strdup(ctx, entry->d_name);
        if (names[*count])
            ++*count;
        else
            status = AYF_E_MEMORY;
    }
    if (status == AYF_OK && errno) status = ayf_fail_errno(ctx, errno, "read this folder", folder);
    closedir(dir);
    qsort(names, *count, sizeof *names, by_text);
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
    json_t *root = status == AYF_OK ? json_loadb(bytes, size, 0, NULL) : NULL;
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    ayf_text_print(json, "%s{\"name\":", first ? "" : ",\n");
    ayf_text_json(json, name);
    ayf_text_print(json, ",\"value\":%s}", text ? text : "null");
    free(text);
    json_decref(root);
    ayf_free(ctx, bytes);
    return AYF_OK;
}

ayf_status ayf_evaluations_json(ayf_context *ctx, const char *folder, ayf_text *json) {
    char *names[FILES_MOST] = {0};
    size_t count = 0;
    ayf_status status = list_files(ctx, folder, names, &count);
    ayf_text_print(json, "[");
    for (size_t i = 0; i < count && status == AYF_OK; i++)
        status = put_file(ctx, folder, names[i], i == 0, json);
    ayf_text_print(json, "]");
    for (size_t i = 0; i < count; i++) ayf_free(ctx, names[i]);
    return status;
}
