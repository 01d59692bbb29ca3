/* Looking at a place before hours are spent on what will be written there, and writing to it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/file.h"

/* The nearest folder above `path` that exists. */
static void find_parent(char *path) {
    struct stat info;
    while (ayf_path_cut(path) && stat(path, &info) != 0) continue;
}

/* Of a folder or file that exists. */
static bool free_at(const char *place, double *bytes) {
    struct statvfs info;
    if (statvfs(place, &info) != 0 || !info.f_blocks) return false;
    *bytes = (double)info.f_bavail * (double)info.f_frsize;
    return true;
}

bool ayf_disk_free(const char *path, double *bytes) {
    struct stat info;
    char place[PATH_MAX];
    if (strlen(path) >= sizeof place) return false;
    strcpy(place, path);
    if (stat(place, &info) != 0) find_parent(place);
    return free_at(place, bytes);
}

static ayf_status check_space(ayf_context *ctx, const char *path, const char *place, uint64_t bytes) {
    const double mega = 1e6;
    double space;
    if (!bytes || !free_at(place, &space) || space >= (double)bytes) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_IO,
        "%s: needs up to %.4g MB, but %.4g MB are free there; free some space or write to another folder",
        path, (double)bytes / mega, space / mega);
}

/* Whether a folder can be made, or files can be made in it. */
static ayf_status check_folder(ayf_context *ctx, const char *path, char *place) {
    struct stat info;
    size_t length = strlen(place);
    while (length > 1 && place[length - 1] == '/') place[--length] = 0;
    if (stat(place, &info) != 0) find_parent(place);
    if (stat(place, &info) != 0) return ayf_fail_errno(ctx, errno, "write to this folder", path);
    if (!S_ISDIR(info.st_mode))
        return ayf_fail(ctx, AYF_E_IO, "%s: %s is a file where a folder is needed; use another folder", path,
                        place);
    return ayf_folder_probe(ctx, place, path);
}

ayf_status ayf_output_check(ayf_context *ctx, const char *path, bool folder, uint64_t bytes) {
    struct stat info;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "the name of an output is empty");
    char place[PATH_MAX];
    if (strlen(path) >= sizeof place) return ayf_fail_errno(ctx, ENAMETOOLONG, "write", path);
    strcpy(place, path);
    AYF_TRY(folder ? check_folder(ctx, path, place) : ayf_file_probe(ctx, path));
    bool exists = stat(place, &info) == 0;
    if (exists && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return AYF_OK;
    if (!exists) find_parent(place);
    return check_space(ctx, path, place, bytes);
}

ayf_status ayf_output_write(ayf_context *ctx, const char *path, const void *bytes, size_t size) {
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "the name of an output is empty");
    return ayf_file_write(ctx, path, bytes, size);
}
