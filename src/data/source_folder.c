#include "data/archive.h"
#include "io/file.h"
#include "io/kind.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A link to nothing, or in a circle. */
static bool leads_nowhere(const char *path) {
    struct stat info;
    return stat(path, &info) != 0 && (errno == ENOENT || errno == ELOOP) && lstat(path, &info) == 0 &&
           S_ISLNK(info.st_mode);
}

static ayf_status folder_read(ayf_archive *a, const ayf_archive_entry *entry, size_t most, void **bytes,
                              size_t *size) {
    char *path = ayf_path_join(a->ctx, a->name, entry->name);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = leads_nowhere(path)
                            ? ayf_fail(a->ctx, AYF_E_FORMAT,
                                       "%s: is a broken link: what it leads to is not there", entry->name)
                            : ayf_file_read(a->ctx, path, most, bytes, size);
    ayf_free(a->ctx, path);
    return status;
}

static bool is_cifar(const char *name) {
    static const char *const names[] = {"train.bin", "test.bin", "test_batch.bin"};
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return strncmp(name, "data_batch_", strlen("data_batch_")) == 0 && strstr(name, ".bin");
}

/* Data sets of files in the folder itself may lie in a folder of it: MNIST/raw, cifar-10-batches-bin. */
static bool folder_explain(ayf_archive *a, const ayf_archive_entry *entry, char *words, size_t size) {
    char *path = ayf_path_join(a->ctx, a->name, entry->name);
    const ayf_kind *kind = path ? ayf_kind_of_file(path) : NULL;
    const char *slash = strrchr(entry->name, '/');
    bool cifar = slash && is_cifar(slash + 1), idx = kind && kind->use == AYF_KIND_IDX;
    if (slash && (cifar || idx))
        snprintf(words, size, "%s, which is %s: name its folder, %s/%.*s", entry->name,
                 idx ? kind->name : "a binary file of CIFAR", a->name, (int)(slash - entry->name),
                 entry->name);
    else if (kind && (kind->use == AYF_KIND_ZIP || kind->use == AYF_KIND_NPZ))
        snprintf(words, size, "%s, which is %s: name the file itself, %s", entry->name, kind->name, path);
    else if (kind)
        snprintf(words, size, "%s, which is %s%s%s", entry->name, kind->name, kind->as_data ? ": " : "",
                 kind->as_data ? kind->as_data : "");
    ayf_free(a->ctx, path);
    return *words;
}

static ayf_status walk(ayf_archive *a, const char *below, int depth);

static ayf_status enter(ayf_archive *a, const char *below, int depth) {
    AYF_TRY(ayf_archive_add_folder(a, below));
    return walk(a, below, depth);
}

static ayf_status visit(ayf_archive *a, const char *below, const char *name, int depth) {
    char *relative = ayf_path_join(a->ctx, below, name);
    char *path = relative ? ayf_path_join(a->ctx, a->name, relative) : NULL;
    ayf_status status = path ? AYF_OK : AYF_E_MEMORY;
    struct stat info;
    if (path && leads_nowhere(path))
        status = ayf_archive_add(a, relative, 0, 0); /* told when it is read, if it is a picture */
    else if (path && stat(path, &info) != 0)
        status = ayf_fail_errno(a->ctx, errno, "be read", path);
    else if (path && S_ISDIR(info.st_mode))
        status = enter(a, relative, depth + 1);
    else if (path && S_ISREG(info.st_mode))
        status = ayf_archive_add(a, relative, 0, (uint64_t)info.st_size);
    ayf_free(a->ctx, path);
    ayf_free(a->ctx, relative);
    return status;
}

static ayf_status walk(ayf_archive *a, const char *below, int depth) {
    enum { DEEPEST = 16 };
    char *path = ayf_path_join(a->ctx, a->name, below);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    DIR *folder = depth <= DEEPEST ? opendir(path) : NULL;
    if (depth > DEEPEST)
        status = ayf_fail(a->ctx, AYF_E_FORMAT, "%s: more than %d folders deep; is there a link in a circle?",
                          path, DEEPEST);
    else if (!folder)
        status = ayf_fail_errno(a->ctx, errno, "open", path);
    while (status == AYF_OK) {
        errno = 0;
        const struct dirent *item = readdir(folder);
        if (!item) {
            if (errno) status = ayf_fail_errno(a->ctx, errno, "list", path);
            break;
        }
        if (item->d_name[0] != '.') status = visit(a, below, item->d_name, depth);
    }
    if (folder) closedir(folder);
    ayf_free(a->ctx, path);
    return status;
}

ayf_status ayf_source_open_folder(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                                  ayf_source **out) {
    *out = NULL;
    ayf_archive *a = ayf_alloc(ctx, 1, sizeof *a);
    if (!a) return AYF_E_MEMORY;
    a->ctx = ctx;
    a->read = folder_read;
    a->explain = folder_explain;
    a->name = ayf_strdup(ctx, path);
    ayf_status status = a->name ? walk(a, "", 0) : AYF_E_MEMORY;
    if (status == AYF_OK) return ayf_source_from_archive(a, spec, out);
    ayf_archive_close(a);
    return status;
}
