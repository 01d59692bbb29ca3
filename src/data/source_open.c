#include "data/source.h"
#include "io/file.h"
#include "io/kind.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
    return strstr(name, "idx") && strstr(name, "images") && name[0] != '.';
}

static bool is_cifar(const char *name) {
    return (strncmp(name, "data_batch_", strlen("data_batch_")) == 0 && ends_with(name, ".bin")) ||
           strcmp(name, "test_batch.bin") == 0 || strcmp(name, "train.bin") == 0 ||
           strcmp(name, "test.bin") == 0;
}

/* Full paths of the files in a folder that `wanted` accepts. */
static ayf_status collect(names *n, const char *folder, bool (*wanted)(const char *name)) {
    DIR *handle = opendir(folder);
    if (!handle) return ayf_fail_errno(n->ctx, errno, "open", folder);
    ayf_status status = AYF_OK;
    while (status == AYF_OK) {
        errno = 0;
        const struct dirent *item = readdir(handle);
        if (!item) {
            if (errno) status = ayf_fail_errno(n->ctx, errno, "list", folder);
            break;
        }
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

/* 0 = training, 1 = neither, 2 = test. */
static int rank_of(const char *path) {
    const char *name = ayf_path_name(path);
    if (strstr(name, "test") || strstr(name, "t10k")) return 2;
    return strstr(name, "train") || strncmp(name, "data_batch_", strlen("data_batch_")) == 0 ? 0 : 1;
}

/* Leaves those that come first in rank at the front; returns how many. The order of their names is kept. */
static size_t put_first_rank_first(names *n) {
    int best = 2;
    size_t kept = 0;
    for (size_t i = 0; i < n->count; i++)
        if (rank_of(n->items[i]) < best) best = rank_of(n->items[i]);
    for (size_t i = 0; i < n->count; i++) {
        if (rank_of(n->items[i]) != best) continue;
        char *chosen = n->items[i];
        memmove(n->items + kept + 1, n->items + kept, (i - kept) * sizeof *n->items);
        n->items[kept++] = chosen;
    }
    return kept;
}

/* Says which files of a folder were taken: the first `taken`. */
static ayf_status note_choice(const names *n, size_t taken, ayf_source *source) {
    const char *first = ayf_path_name(n->items[0]), *last = ayf_path_name(n->items[taken - 1]);
    AYF_TRY(ayf_note(n->ctx, &source->note, "takes %s%s%s", first, taken > 1 ? " to " : "",
                     taken > 1 ? last : ""));
    if (taken == n->count) return AYF_OK;
    return ayf_note(n->ctx, &source->note, "%s%s left out: name %s to use it", ayf_path_name(n->items[taken]),
                    n->count - taken > 1 ? " and others are" : " is",
                    n->count - taken > 1 ? "one" : "the file");
}

static ayf_status open_idx(ayf_context *ctx, const char *path, const ayf_dataset_spec *spec,
                           ayf_source **out) {
    static const char emnist[] = "emnist";
    AYF_TRY(ayf_source_open_idx(ctx, path, spec, out));
    if (strncmp(ayf_path_name(path), emnist, strlen(emnist)) != 0) return AYF_OK;
    ayf_status status =
        ayf_note(ctx, &(*out)->note, "EMNIST's pictures are transposed and are read as they are stored");
    if (status != AYF_OK) {
        ayf_source_close(*out);
        *out = NULL;
    }
    return status;
}

static ayf_status open_files(names *n, bool idx, const ayf_dataset_spec *spec, ayf_source **out) {
    size_t first = put_first_rank_first(n), taken = idx ? 1 : first;
    const char *chosen = n->items[0];
    AYF_TRY(idx ? open_idx(n->ctx, chosen, spec, out)
                : ayf_source_open_cifar(n->ctx, (const char *const *)n->items, taken, spec, out));
    ayf_status status = note_choice(n, taken, *out);
    if (status != AYF_OK) {
        ayf_source_close(*out);
        *out = NULL;
    }
    return status;
}

static ayf_status open_folder(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    const char *path = spec->source;
    names idx = {.ctx = ctx}, cifar = {.ctx = ctx};
    ayf_status status = collect(&idx, path, is_idx_pictures);
    if (status == AYF_OK) status = collect(&cifar, path, is_cifar);
    if (status != AYF_OK) {
        /* nothing was opened */
    } else if (idx.count || cifar.count) {
        status = open_files(idx.count ? &idx : &cifar, idx.count > 0, spec, out);
    } else {
        status = ayf_source_open_folder(ctx, path, spec, out);
    }
    clear(&idx);
    clear(&cifar);
    return status;
}

/* The first bytes of a regular file. */
static ayf_status peek(ayf_context *ctx, const char *path, unsigned char *head, size_t *size) {
    ayf_file_reader reader;
    AYF_TRY(ayf_file_reader_open(ctx, path, &reader));
    *size = reader.size < AYF_KIND_HEAD ? reader.size : AYF_KIND_HEAD;
    ayf_status status = ayf_file_reader_next(&reader, head, *size);
    ayf_file_reader_close(&reader);
    return status;
}

static ayf_status open_file(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    static const char points[] = "seed,class,x,y"; /* as ayf sample writes it */
    const char *path = spec->source;
    unsigned char head[AYF_KIND_HEAD];
    size_t size = 0;
    AYF_TRY(peek(ctx, path, head, &size));
    if (!size) return ayf_fail(ctx, AYF_E_FORMAT, "%s: is empty (0 bytes): make or copy it again", path);
    const ayf_kind *kind = ayf_kind_of(head, size);
    ayf_kind_use use = kind ? kind->use : AYF_KIND_FOREIGN;
    /* A .zip of arrays is a collection of files: EDM2's latents. */
    if (use == AYF_KIND_NPZ && ends_with(path, ".zip")) use = AYF_KIND_ZIP;
    if (use == AYF_KIND_NPZ) return ayf_source_open_npz(ctx, path, spec, out);
    if (use == AYF_KIND_IDX) return open_idx(ctx, path, spec, out);
    if (use == AYF_KIND_FONT) return ayf_source_open_font(ctx, path, spec, out);
    if (use == AYF_KIND_ZIP) return ayf_source_open_zip(ctx, path, spec, out);
    if (ends_with(path, ".bin") && (!kind || size == AYF_KIND_HEAD))
        return ayf_source_open_cifar(ctx, &path, 1, spec, out);
    if (kind) return ayf_fail_kind_data(ctx, path, kind);
    if (size >= strlen(points) && memcmp(head, points, strlen(points)) == 0)
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: is a table of points, which is not read; ayf eval draws them itself when the model "
            "is named",
            path);
    if (ends_with(path, ".zip")) return ayf_source_open_zip(ctx, path, spec, out);
    if (strstr(ayf_path_name(path), "idx")) return open_idx(ctx, path, spec, out);
    if (size >= 9 && head[8] == '{' && memcmp(head + 5, "\0\0\0", 3) == 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: is a safetensors file (a model?), not a data set", path);
    return ayf_fail(ctx, AYF_E_FORMAT,
                    "%s: is not a data set that ayf can read: a ZIP or a folder of PNG/JPEG, IDX pictures, "
                    "CIFAR's .bin files, .npz, a colour font (NotoColorEmoji.ttf), builtin:<name>",
                    path);
}

static const char emoji[] = "builtin:emoji";

bool ayf_source_is_drawn(const char *source) {
    static const char prefix[] = "builtin:";
    return strncmp(source, prefix, strlen(prefix)) == 0 && strcmp(source, emoji) != 0;
}

ayf_status ayf_source_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source **out) {
    struct stat info;
    *out = NULL;
    if (strcmp(spec->source, emoji) == 0) return ayf_source_open_emoji(ctx, spec, out);
    if (stat(spec->source, &info) != 0) return ayf_fail_errno(ctx, errno, "open data set", spec->source);
    return S_ISDIR(info.st_mode) ? open_folder(ctx, spec, out) : open_file(ctx, spec, out);
}
