/* Outputs that would take something away (ayf_output_spare of ayf.h). */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "train/run_folder.h"

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_run(const char *folder) {
    char config[PATH_MAX + sizeof AYF_RUN_CONFIG];
    struct stat info;
    size_t length = strlen(folder);
    if (length >= PATH_MAX) return false;
    memcpy(config, folder, length);
    config[length] = '/';
    memcpy(config + length + 1, AYF_RUN_CONFIG, sizeof AYF_RUN_CONFIG);
    return stat(config, &info) == 0 && S_ISREG(info.st_mode);
}

/* ---- One input ---- */

/* Whether `place` lies in the folder `whole`, by the names in `place`. */
static bool lies_in(const char *place, const struct stat *whole) {
    char part[PATH_MAX];
    struct stat info;
    strcpy(part, place);
    while (ayf_path_cut(part))
        if (stat(part, &info) == 0 && same(&info, whole)) return true;
    return false;
}

static ayf_status spare_input(ayf_context *ctx, const char *path, const char *const places[2],
                              const char *input) {
    struct stat whole, info;
    if (!input || !*input || stat(input, &whole) != 0) return AYF_OK;
    if (stat(path, &info) == 0 && same(&info, &whole))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s: is read by this command (%s) and would be written over; name another output",
                        path, input);
    if (!S_ISDIR(whole.st_mode) || is_run(input)) return AYF_OK;
    if (!lies_in(places[0], &whole) && !lies_in(places[1], &whole)) return AYF_OK;
    return ayf_fail(ctx, AYF_E_USAGE,
                    "%s: lies in the folder %s, which is read as data; write to another folder", path, input);
}

/* ---- The files of runs ---- */

/* Whether `place` is, or lies in, what a run keeps in its folder. */
static bool is_kept(const char *place) {
    char part[PATH_MAX], folder[PATH_MAX];
    strcpy(part, place);
    for (strcpy(folder, part); ayf_path_cut(folder); strcpy(part, folder))
        if (ayf_run_keeps(ayf_path_name(part)) && is_run(folder)) return true;
    return false;
}

static ayf_status spare_run(ayf_context *ctx, const char *path, const char *const places[2]) {
    if (!is_kept(places[0]) && !is_kept(places[1])) return AYF_OK;
    return ayf_fail(ctx, AYF_E_USAGE,
                    "%s: is among the files that a run keeps in its folder; give the output another name",
                    path);
}

/* ---- All of it ---- */

/* `path` with the links in it resolved, as far as it exists. */
static void resolve(const char *path, char place[PATH_MAX]) {
    char part[PATH_MAX], whole[PATH_MAX];
    strcpy(place, path);
    if (realpath(path, whole)) {
        strcpy(place, whole);
        return;
    }
    strcpy(part, path);
    if (!ayf_path_cut(part)) return;
    const char *rest = strchr(path, '/') ? path + strlen(part) : path;
    rest += strspn(rest, "/");
    if (!realpath(part, whole) || strlen(whole) + strlen(rest) + 2 > PATH_MAX) return;
    strcpy(place, whole);
    strcat(place, "/");
    strcat(place, rest);
}

ayf_status ayf_output_spare(ayf_context *ctx, const char *path, const char *const *inputs, int count) {
    struct stat info;
    char place[PATH_MAX];
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "the name of an output is empty");
    if (strlen(path) >= sizeof place) return AYF_OK; /* nothing can be there */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return AYF_OK;
    resolve(path, place);
    const char *const places[2] = {path, place};
    for (int i = 0; i < count; i++) AYF_TRY(spare_input(ctx, path, places, inputs[i]));
    return spare_run(ctx, path, places);
}
