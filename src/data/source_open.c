#include "data/source.h"
#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct names {
    ayf_context *ctx;
    char **items; /* full paths, sorted */
    size_t count, capacity;
} names;

static void clear(names *n) {
    for (size_t i = 0; i < n->count; i++) ayf_free(n->ctx, n->items[i]);
    ayf_free(n->ctx, n->items);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_idx_pictures(const char *name) {
    return (strstr(name, "idx3-ubyte") || strstr(name, "idx3")) && strstr(name, "images") && name[0] != '.';
}

static bool is_cifar_batch(const char *name) {
    return strncmp(name, "data_batch_", strlen("data_batch_")) == 0 && ends_with(name, ".bin");
}

/* Full paths of the files in a folder that `wanted` accepts. */
static ayf_status collect(names *n, const char *folder, bool (*wanted)(const char *name)) {
    DIR *handle = opendir(folder);
    if (!handle) return ayf_fail_errno(n->ctx, errno, "open", folder);
    ayf_status status = AYF_OK;
    const struct dirent *item;
    while (status == AYF_OK && (item = readdir(handle))) {
        if (!wanted(item->d_name)) continue;
        status = ayf_reserve(n->ctx, &n->items, n->count, &n->capacity, sizeof *n->items);
        char *path = status == AYF_OK ? ayf_path_join(n->ctx, folder, item->d_name) : NULL;
        if (path)
            n->items[n->count++] = path;
        else
            status = AYF_E_MEMORY;
    }
    closedir(handle);
    if (n->count) qsort(n->items, n->count, sizeof *n->items, by_text);
    return status;
}

static ayf_status open_folder(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    const char *path = spec->source;
    names idx = {.ctx = ctx}, cifar = {.ctx = ctx};
    ayf_status status = collect(&idx, path, is_idx_pictures);
    if (status == AYF_OK) status = collect(&cifar, path, is_cifar_batch);
    if (status != AYF_OK) {
        /* nothing was opened */
    } else if (idx.count) {
        size_t chosen = 0;
        for (size_t i = 0; i < idx.count; i++) {
            const char *slash = strrchr(idx.items[i], '/');
            if (strncmp(slash ? slash + 1 : idx.items[i], "train", 5) == 0) chosen = i;
        }
        status = ayf_source_open_idx(ctx, idx.items[chosen], spec, out);
    } else if (cifar.count) {
        status = ayf_source_open_cifar(ctx, (const char *const *)cifar.items, cifar.count, spec, out);
    } else {
        status = ayf_source_open_folder(ctx, path, spec, out);
    }
    clear(&idx);
    clear(&cifar);
    return status;
}

/* The first bytes of a file. */
static ayf_status peek(ayf_context *ctx, const char *path, unsigned char head[4], size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ayf_fail_errno(ctx, errno, "open", path);
    ssize_t got;
    do got = read(fd, head, 4);
    while (got < 0 && errno == EINTR);
    int error = errno;
    close(fd);
    if (got < 0) return ayf_fail_errno(ctx, error, "read", path);
    *size = (size_t)got;
    return AYF_OK;
}

ayf_status ayf_source_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    const char *path = spec->source;
    *out = NULL;
    struct stat info;
    if (stat(path, &info) != 0) return ayf_fail_errno(ctx, errno, "open data set", path);
    if (S_ISDIR(info.st_mode)) return open_folder(ctx, spec, out);
    if (!S_ISREG(info.st_mode))
        return ayf_fail(ctx, AYF_E_IO, "%s: a data set is a file or a folder; this is neither", path);
    unsigned char head[4] = {0};
    size_t size = 0;
    AYF_TRY(peek(ctx, path, head, &size));
    if (size >= 2 && head[0] == 'P' && head[1] == 'K') return ayf_source_open_zip(ctx, path, spec, out);
    if (size >= 2 && head[0] == 0x1f && head[1] == 0x8b) return ayf_source_open_idx(ctx, path, spec, out);
    if (ends_with(path, ".bin")) return ayf_source_open_cifar(ctx, &path, 1, spec, out);
    if (ends_with(path, ".zip")) return ayf_source_open_zip(ctx, path, spec, out);
    if ((size >= 3 && head[0] == 0 && head[1] == 0 && head[2] == 8) || strstr(path, "idx"))
        return ayf_source_open_idx(ctx, path, spec, out);
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s: is not a data set that ayf can read: a ZIP or a folder of PNG/JPEG, IDX pictures, "
                    "CIFAR-10 .bin files, builtin:<name>",
                    path);
}
