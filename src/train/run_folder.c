#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/events.h"

#define CHECKPOINT_FOLDER "checkpoints"
#define SAMPLE_FOLDER "samples"
#define SNAPSHOT_FOLDER "snapshots"
#define CHECKPOINT_PREFIX "step-"
#define CHECKPOINT_SUFFIX ".safetensors"
#define SAMPLE_SUFFIX ".png"
static const char *const subfolders[] = {CHECKPOINT_FOLDER, SAMPLE_FOLDER, SNAPSHOT_FOLDER};

/* The number written by exactly `digits` decimal digits at `text`, or -1. */
static int64_t read_digits(const char *text, size_t digits) {
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[i] - '0', &value))
            return -1;
    return digits ? value : -1;
}

/* The step of a file name "step-00001000<end>", -1 for any other name. */
static int64_t step_of(const char *name, const char *end) {
    const size_t prefix = strlen(CHECKPOINT_PREFIX), suffix = strlen(end), size = strlen(name);
    if (size < prefix + suffix || strncmp(name, CHECKPOINT_PREFIX, prefix) != 0) return -1;
    if (strcmp(name + size - suffix, end) != 0) return -1;
    return read_digits(name + prefix, size - prefix - suffix);
}

bool ayf_run_keeps(const char *name) {
    static const char *const whole[] = {
        AYF_RUN_CONFIG,       AYF_RUN_LOG,     AYF_RUN_MODEL,     AYF_RUN_BEST,  AYF_RUN_DIVERGED,
        AYF_RUN_TRAJECTORIES, AYF_FOLDER_LOCK, CHECKPOINT_FOLDER, SAMPLE_FOLDER, SNAPSHOT_FOLDER};
    for (size_t i = 0; i < AYF_COUNT(whole); i++)
        if (strcmp(name, whole[i]) == 0) return true;
    return strncmp(name, AYF_EVENTS_PREFIX, strlen(AYF_EVENTS_PREFIX)) == 0;
}

/* Whether a run writes files or makes folders of this name in its folder or inside it. */
static bool is_ours(const char *name) {
    return ayf_run_keeps(name) || strncmp(name, CHECKPOINT_PREFIX, strlen(CHECKPOINT_PREFIX)) == 0;
}

/* Whether io/file.c made this name for a temporary file: "<target>.<pid>-<attempt>.tmp". */
static bool is_leftover(const char *name) {
    size_t size = strlen(name), end = size - 4;
    if (size < 8 || strcmp(name + end, ".tmp") != 0) return false;
    size_t dash = end, dot;
    while (dash > 0 && name[dash - 1] >= '0' && name[dash - 1] <= '9') dash--;
    if (dash == end || dash == 0 || name[dash - 1] != '-') return false;
    dot = --dash;
    while (dot > 0 && name[dot - 1] >= '0' && name[dot - 1] <= '9') dot--;
    return dot < dash && dot > 1 && name[dot - 1] == '.';
}

static ayf_status open_folder(ayf_context *ctx, const char *folder, DIR **dir) {
    *dir = opendir(folder);
    return *dir ? AYF_OK : ayf_fail_errno(ctx, errno, "open this folder", folder);
}

/* The next entry, *entry = NULL after the last. */
static ayf_status next_entry(ayf_context *ctx, const char *folder, DIR *dir, const struct dirent **entry) {
    errno = 0;
    *entry = readdir(dir);
    return *entry || !errno ? AYF_OK : ayf_fail_errno(ctx, errno, "list", folder);
}

/* ---- Before a run is begun ---- */

static bool may_lie_beside(const char *name) {
    static const char *const ends[] = {".yaml", ".yml", ".json", ".txt", ".log",
                                       ".out",  ".err", ".sh",   ".md"};
    size_t size = strlen(name);
    for (size_t i = 0; i < AYF_COUNT(ends); i++) {
        size_t end = strlen(ends[i]);
        if (size > end && strcmp(name + size - end, ends[i]) == 0) return true;
    }
    return name[0] == '.' || is_ours(name) || is_leftover(name);
}

/* The first of the other things by name, "" for none. */
static void find_foreign(DIR *dir, char foreign[NAME_MAX + 1]) {
    const struct dirent *entry;
    foreign[0] = 0;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, AYF_RUN_CONFIG) == 0 || strcmp(entry->d_name, CHECKPOINT_FOLDER) == 0) {
            foreign[0] = 0;
            break;
        }
        if (!may_lie_beside(entry->d_name) && (!foreign[0] || strcmp(entry->d_name, foreign) < 0))
            snprintf(foreign, NAME_MAX + 1, "%s", entry->d_name);
    }
}

/* Only of a folder that cannot be there because a file is in its way. */
static ayf_status check_above(ayf_context *ctx, const char *folder) {
    struct stat info;
    char *part = ayf_strdup(ctx, folder), *slash;
    if (!part) return AYF_E_MEMORY;
    while (stat(part, &info) != 0 && errno == ENOTDIR && (slash = strrchr(part, '/'))) *slash = 0;
    ayf_status status = ayf_fail(
        ctx, AYF_E_IO, "%s: is a file where a folder is needed; remove it or use another folder", part);
    ayf_free(ctx, part);
    return status;
}

ayf_status ayf_run_check_folder(ayf_context *ctx, const char *folder) {
    struct stat info;
    char foreign[NAME_MAX + 1];
    if (stat(folder, &info) != 0) return errno == ENOTDIR ? check_above(ctx, folder) : AYF_OK;
    if (!S_ISDIR(info.st_mode))
        return ayf_fail(ctx, AYF_E_IO, "%s: is a file, and a run needs a folder of its own; name a new one",
                        folder);
    DIR *dir = opendir(folder);
    if (!dir) return AYF_OK;
    find_foreign(dir, foreign);
    closedir(dir);
    if (!foreign[0]) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "%s: holds other things than a run (%s); name a new folder, as a run needs one of its own", folder,
        foreign);
}

/* The nearest folder that is there, without links. */
static bool find_place(const char *path, char place[PATH_MAX]) {
    char part[PATH_MAX];
    if (strlen(path) >= sizeof part) return false;
    strcpy(part, path);
    while (!realpath(part, place))
        if (errno != ENOENT || !ayf_path_cut(part)) return false;
    return true;
}

bool ayf_run_lies_in(const char *folder, const char *around) {
    char inner[PATH_MAX], outer[PATH_MAX];
    struct stat info;
    if (stat(around, &info) != 0 || !S_ISDIR(info.st_mode)) return false;
    if (!realpath(around, outer) || !find_place(folder, inner)) return false;
    size_t size = strcmp(outer, "/") == 0 ? 0 : strlen(outer);
    return strncmp(inner, outer, size) == 0 && (inner[size] == '/' || !inner[size]);
}

/* ---- The folder ---- */

/* What a link leads to is nobody's but its owner's: it is neither written nor removed through the run. */
static ayf_status clean_entry(ayf_context *ctx, DIR *dir, const char *folder, const char *name) {
    struct stat info;
    bool leftover = is_leftover(name);
    if (!leftover && !is_ours(name)) return AYF_OK;
    char *path = ayf_path_join(ctx, folder, name);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    if (leftover)
        status = ayf_file_remove(ctx, path);
    else if (fstatat(dirfd(dir), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode))
        status = ayf_fail(
            ctx, AYF_E_IO,
            "%s: is a symbolic link, which a run does not write through; put what it leads to in its "
            "place, or remove it (the folder of the run as a whole may be a link)",
            path);
    ayf_free(ctx, path);
    return status;
}

static ayf_status clean_folder(ayf_context *ctx, const char *folder) {
    DIR *dir;
    const struct dirent *entry;
    AYF_TRY(open_folder(ctx, folder, &dir));
    ayf_status status;
    while ((status = next_entry(ctx, folder, dir, &entry)) == AYF_OK && entry)
        if ((status = clean_entry(ctx, dir, folder, entry->d_name)) != AYF_OK) break;
    closedir(dir);
    return status;
}

/* Makes `name` inside the folder and cleans it. */
static ayf_status prepare_inside(ayf_context *ctx, const char *folder, const char *name) {
    char *path = ayf_path_join(ctx, folder, name);
    ayf_status status = path ? ayf_make_folders(ctx, path) : AYF_E_MEMORY;
    if (status == AYF_OK) status = clean_folder(ctx, path);
    ayf_free(ctx, path);
    return status;
}

/* A run that is not begun yet, or does not keep such files, has no such folder. */
static ayf_status clean_inside(ayf_context *ctx, const char *folder, const char *name) {
    char *path = ayf_path_join(ctx, folder, name);
    ayf_status status = path ? AYF_OK : AYF_E_MEMORY;
    if (path && ayf_path_exists(path)) status = clean_folder(ctx, path);
    ayf_free(ctx, path);
    return status;
}

ayf_status ayf_run_begin(ayf_context *ctx, const char *folder, ayf_folder_lock **lock) {
    *lock = NULL;
    AYF_TRY(ayf_make_folders(ctx, folder));
    AYF_TRY(ayf_folder_lock_take(ctx, folder, lock));
    ayf_status status = clean_folder(ctx, folder);
    for (size_t i = 0; status == AYF_OK && i < AYF_COUNT(subfolders); i++)
        status = clean_inside(ctx, folder, subfolders[i]);
    if (status != AYF_OK) {
        ayf_folder_unlock(*lock);
        *lock = NULL;
    }
    return status;
}

ayf_status ayf_run_make_inside(ayf_context *ctx, const char *folder) {
    AYF_TRY(prepare_inside(ctx, folder, CHECKPOINT_FOLDER));
    return prepare_inside(ctx, folder, SAMPLE_FOLDER);
}

void ayf_run_abandon(ayf_context *ctx, const char *folder, bool ours) {
    for (size_t i = 0; i < AYF_COUNT(subfolders); i++) {
        char *path = ayf_path_join(ctx, folder, subfolders[i]);
        if (path) (void)!rmdir(path);
        ayf_free(ctx, path);
    }
    char *lock = ayf_path_join(ctx, folder, AYF_FOLDER_LOCK);
    if (lock) (void)!unlink(lock);
    ayf_free(ctx, lock);
    if (ours) (void)!rmdir(folder);
}

char *ayf_run_model_file(ayf_context *ctx, const char *path) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return ayf_path_join(ctx, path, AYF_RUN_MODEL);
    return ayf_strdup(ctx, path);
}

static char *path_of_step(ayf_context *ctx, const char *folder, const char *inside, int64_t step) {
    char name[80];
    snprintf(name, sizeof name, "%s/" CHECKPOINT_PREFIX "%08lld" CHECKPOINT_SUFFIX, inside, (long long)step);
    return ayf_path_join(ctx, folder, name);
}

char *ayf_run_checkpoint_path(ayf_context *ctx, const char *folder, int64_t step) {
    return path_of_step(ctx, folder, CHECKPOINT_FOLDER, step);
}

ayf_status ayf_run_make_snapshots(ayf_context *ctx, const char *folder) {
    return prepare_inside(ctx, folder, SNAPSHOT_FOLDER);
}

char *ayf_run_snapshot_path(ayf_context *ctx, const char *folder, int64_t step) {
    return path_of_step(ctx, folder, SNAPSHOT_FOLDER, step);
}

static int falling(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

char *ayf_run_samples_path(ayf_context *ctx, const char *folder, int64_t step) {
    char name[80];
    snprintf(name, sizeof name, SAMPLE_FOLDER "/" CHECKPOINT_PREFIX "%08lld" SAMPLE_SUFFIX, (long long)step);
    return ayf_path_join(ctx, folder, name);
}

/* All steps that have a file with this end in the folder `inside`, highest first; *steps is the caller's, also after a
 * failure. */
static ayf_status list_inside(ayf_context *ctx, const char *folder, const char *inside, const char *end,
                              int64_t **steps, size_t *count) {
    DIR *dir;
    *steps = NULL;
    *count = 0;
    char *path = ayf_path_join(ctx, folder, inside);
    ayf_status status = path ? open_folder(ctx, path, &dir) : AYF_E_MEMORY;
    if (status != AYF_OK) {
        ayf_free(ctx, path);
        return status;
    }
    size_t capacity = 0;
    const struct dirent *entry;
    while (status == AYF_OK && (status = next_entry(ctx, path, dir, &entry)) == AYF_OK && entry) {
        int64_t step = step_of(entry->d_name, end);
        if (step < 0) continue;
        status = ayf_reserve(ctx, steps, *count, &capacity, sizeof **steps);
        if (status == AYF_OK) (*steps)[(*count)++] = step;
    }
    ayf_free(ctx, path);
    closedir(dir);
    if (*count) qsort(*steps, *count, sizeof **steps, falling);
    return status;
}

/* None when there is no such folder. */
static ayf_status list_if_there(ayf_context *ctx, const char *folder, const char *inside, const char *end,
                                int64_t **steps, size_t *count) {
    *steps = NULL;
    *count = 0;
    char *path = ayf_path_join(ctx, folder, inside);
    if (!path) return AYF_E_MEMORY;
    bool there = ayf_path_exists(path);
    ayf_free(ctx, path);
    return there ? list_inside(ctx, folder, inside, end, steps, count) : AYF_OK;
}

/* A run that is not begun yet has none. */
static ayf_status list_steps(ayf_context *ctx, const char *folder, int64_t **steps, size_t *count) {
    if (!ayf_path_exists(folder))
        return list_inside(ctx, folder, CHECKPOINT_FOLDER, CHECKPOINT_SUFFIX, steps, count);
    return list_if_there(ctx, folder, CHECKPOINT_FOLDER, CHECKPOINT_SUFFIX, steps, count);
}

ayf_status ayf_run_snapshots(ayf_context *ctx, const char *folder, int64_t **steps, size_t *count) {
    return list_if_there(ctx, folder, SNAPSHOT_FOLDER, CHECKPOINT_SUFFIX, steps, count);
}

ayf_status ayf_run_pictures(ayf_context *ctx, const char *folder, int64_t **steps, size_t *count) {
    return list_if_there(ctx, folder, SAMPLE_FOLDER, SAMPLE_SUFFIX, steps, count);
}

ayf_status ayf_run_drop_snapshots(ayf_context *ctx, const char *folder, uint64_t step) {
    int64_t *steps;
    size_t count;
    ayf_status status = ayf_run_snapshots(ctx, folder, &steps, &count);
    for (size_t i = 0; status == AYF_OK && i < count && (uint64_t)steps[i] >= step; i++) {
        char *path = ayf_run_snapshot_path(ctx, folder, steps[i]);
        status = path ? ayf_file_remove(ctx, path) : AYF_E_MEMORY;
        ayf_free(ctx, path);
    }
    ayf_free(ctx, steps);
    return status;
}

ayf_status ayf_run_latest_due(ayf_context *ctx, const char *folder, int64_t every, int64_t *step) {
    int64_t *steps;
    size_t count;
    ayf_status status = list_steps(ctx, folder, &steps, &count);
    *step = status == AYF_OK && count ? steps[0] : -1;
    for (size_t i = 0; status == AYF_OK && every > 0 && i < count; i++) {
        if (steps[i] % every != 0) continue;
        *step = steps[i];
        break;
    }
    ayf_free(ctx, steps);
    return status;
}

ayf_status ayf_run_latest(ayf_context *ctx, const char *folder, int64_t *step) {
    return ayf_run_latest_due(ctx, folder, 0, step);
}

ayf_status ayf_run_prune(ayf_context *ctx, const char *folder, int keep) {
    if (keep == 0) return AYF_OK;
    int64_t *steps;
    size_t count;
    ayf_status status = list_steps(ctx, folder, &steps, &count);
    for (size_t i = (size_t)keep; status == AYF_OK && i < count; i++) {
        char *path = ayf_run_checkpoint_path(ctx, folder, steps[i]);
        status = path ? ayf_file_remove(ctx, path) : AYF_E_MEMORY;
        ayf_free(ctx, path);
    }
    ayf_free(ctx, steps);
    return status;
}

static ayf_status set_one_apart(ayf_context *ctx, const char *folder, int64_t step) {
    char *path = ayf_run_checkpoint_path(ctx, folder, step);
    char *apart =
        path ? ayf_format(ctx, "%.*s.diverged", (int)(strlen(path) - strlen(CHECKPOINT_SUFFIX)), path) : NULL;
    ayf_status status = apart ? AYF_OK : AYF_E_MEMORY;
    if (apart && rename(path, apart) != 0) status = ayf_fail_errno(ctx, errno, "rename", path);
    ayf_free(ctx, apart);
    ayf_free(ctx, path);
    return status;
}

ayf_status ayf_run_set_apart(ayf_context *ctx, const char *folder, uint64_t step) {
    int64_t *steps;
    size_t count;
    ayf_status status = list_steps(ctx, folder, &steps, &count);
    for (size_t i = 0; status == AYF_OK && i < count && (uint64_t)steps[i] >= step; i++)
        status = set_one_apart(ctx, folder, steps[i]);
    ayf_free(ctx, steps);
    return status;
}
