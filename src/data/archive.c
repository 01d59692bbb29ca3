#include "data/archive.h"
#include "data/folders.h"
#include "data/labels.h"
#include "data/latents.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *copy_name(ayf_context *ctx, const char *name) {
    char *copy = ayf_strdup(ctx, ayf_plain_name(name));
    for (char *p = copy; p && *p; p++)
        if (*p == '\\') *p = '/';
    return copy;
}

ayf_status ayf_archive_add(ayf_archive *a, const char *name, uint64_t where, uint64_t size) {
    AYF_TRY(ayf_reserve(a->ctx, &a->entries, a->count, &a->capacity, sizeof *a->entries));
    char *copy = copy_name(a->ctx, name);
    if (!copy) return AYF_E_MEMORY;
    a->entries[a->count++] = (ayf_archive_entry){copy, where, size};
    return AYF_OK;
}

/* What file managers leave behind: names that begin with a dot (.DS_Store, ._1.png) and macOS's __MACOSX. */
static bool is_hidden(const char *name) {
    for (const char *part = name; part; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (*part == '.' || strncmp(part, "__MACOSX/", strlen("__MACOSX/")) == 0) return true;
    }
    return false;
}

ayf_status ayf_archive_add_folder(ayf_archive *a, const char *name) {
    AYF_TRY(ayf_reserve(a->ctx, &a->folders, a->folder_count, &a->folder_capacity, sizeof *a->folders));
    char *copy = copy_name(a->ctx, name);
    size_t length = copy ? strlen(copy) : 0;
    char *folder =
        copy ? ayf_format(a->ctx, "%s%s", copy, length && copy[length - 1] == '/' ? "" : "/") : NULL;
    ayf_free(a->ctx, copy);
    if (!folder) return AYF_E_MEMORY;
    if (is_hidden(folder))
        ayf_free(a->ctx, folder);
    else
        a->folders[a->folder_count++] = folder;
    return AYF_OK;
}

void ayf_archive_close(ayf_archive *a) {
    if (!a) return;
    if (a->close) a->close(a);
    for (size_t i = 0; i < a->count; i++) ayf_free(a->ctx, a->entries[i].name);
    for (size_t i = 0; i < a->folder_count; i++) ayf_free(a->ctx, a->folders[i]);
    ayf_free(a->ctx, a->folders);
    ayf_free(a->ctx, a->entries);
    ayf_free(a->ctx, a->note);
    ayf_free(a->ctx, a->name);
    ayf_free(a->ctx, a);
}

typedef struct archive_source {
    ayf_source base;
    ayf_archive *archive; /* its entries are the pictures, in order */
    bool *unlabelled;     /* of the spec */
    int wanted;           /* channels of latents; of the spec */
    uint64_t size;        /* of the file of a latent; 0: not known yet */
} archive_source;

static ayf_status archive_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    ayf_archive *a = ((archive_source *)source)->archive;
    const ayf_archive_entry *entry = &a->entries[index];
    void *bytes = NULL;
    size_t size = 0;
    *image = (ayf_image){0};
    AYF_TRY(a->read(a, entry, AYF_ARCHIVE_MAX_ENTRY, &bytes, &size));
    ayf_status status = header_only
                            ? ayf_image_probe(source->ctx, entry->name, bytes, size, &a->reading, image)
                            : ayf_image_decode(source->ctx, entry->name, bytes, size, &a->reading, image);
    ayf_free(source->ctx, bytes);
    return status;
}

/* Files of the same size as one that is good are not read for their form alone: there may be a million. */
static ayf_status archive_fetch_latent(ayf_source *source, size_t index, float *out) {
    archive_source *s = (archive_source *)source;
    ayf_archive *a = s->archive;
    const ayf_archive_entry *entry = &a->entries[index];
    void *bytes = NULL;
    size_t size = 0;
    if (!out && s->size && entry->size == s->size) return AYF_OK;
    AYF_TRY(a->read(a, entry, AYF_ARCHIVE_MAX_ENTRY, &bytes, &size));
    ayf_status status =
        ayf_latent_parse(source->ctx, entry->name, bytes, size, s->wanted, &source->latents, out);
    ayf_free(source->ctx, bytes);
    if (status == AYF_OK) s->size = size;
    return status;
}

static void archive_item(const ayf_source *source, size_t index, char *text, size_t size) {
    snprintf(text, size, "%s", ((const archive_source *)source)->archive->entries[index].name);
}

static void archive_close(ayf_source *source) { ayf_archive_close(((archive_source *)source)->archive); }

static bool has_extension(const char *name, const char *const *list, size_t count) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < count; i++)
        if (strcasecmp(dot + 1, list[i]) == 0) return true;
    return false;
}

/* Pictures that are not read are among them, so that the reader can say what they are. */
static bool is_picture(const char *name) {
    static const char *const list[] = {"png",  "jpg",  "jpeg", "jpe", "jfif", "webp", "apng", "gif",
                                       "bmp",  "tif",  "tiff", "ppm", "pgm",  "pbm",  "pnm",  "pam",
                                       "heic", "heif", "avif", "jxl", "jp2",  "j2k",  "svg",  "exr",
                                       "tga",  "hdr",  "ico",  "psd", "qoi",  "dds"};
    return has_extension(name, list, AYF_COUNT(list));
}

static bool is_latent(const char *name) {
    static const char *const list[] = {"npy"};
    return has_extension(name, list, AYF_COUNT(list)) && !is_hidden(name);
}

static bool is_shown_picture(const char *name) { return is_picture(name) && !is_hidden(name); }

/* Which of the entries are the samples. */
typedef bool is_sample(const char *name);
static is_sample *choose_samples(const ayf_archive *a, bool latents) {
    size_t pictures = 0, arrays = 0;
    for (size_t i = 0; i < a->count; i++) {
        pictures += is_shown_picture(a->entries[i].name);
        arrays += is_latent(a->entries[i].name);
    }
    return arrays && (latents || !pictures) ? is_latent : is_shown_picture;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const ayf_archive_entry *)a)->name, ((const ayf_archive_entry *)b)->name);
}

/* ---- Choosing ---- */

enum { LABEL_FILES = 64, EXAMPLES = 16 };

typedef struct selection {
    ayf_problems problems;
    ayf_archive_entry labels[LABEL_FILES]; /* files called dataset.json; owned */
    size_t label_count;
    ayf_archive_entry other[EXAMPLES]; /* what is left out, when it is shown; owned */
    size_t other_count;                /* of all that is left out and not hidden */
} selection;

static void clear_selection(ayf_context *ctx, selection *s) {
    for (size_t i = 0; i < s->label_count; i++) ayf_free(ctx, s->labels[i].name);
    for (size_t i = 0; i < EXAMPLES; i++) ayf_free(ctx, s->other[i].name);
}

/* A set without pictures: what it holds instead. */
static ayf_status no_pictures(ayf_archive *a, const selection *s) {
    char words[AYF_MESSAGE_SIZE / 2] = "";
    size_t shown = s->other_count < EXAMPLES ? s->other_count : EXAMPLES;
    for (size_t i = 0; i < shown && a->explain && !*words; i++)
        if (!a->explain(a, &s->other[i], words, sizeof words)) *words = 0;
    if (!*words && shown)
        snprintf(words, sizeof words, "%zu file%s such as %s", s->other_count, s->other_count == 1 ? "" : "s",
                 s->other[0].name);
    return ayf_fail(a->ctx, AYF_E_FORMAT, "%s: holds no pictures (.png, .jpg, .jpeg, .webp)%s%s", a->name,
                    *words ? ", but " : "; name a folder or a ZIP that has some", words);
}

/* Takes over the entry: it is no picture. */
static void leave_out(ayf_archive *a, selection *s, ayf_archive_entry entry) {
    if (is_hidden(entry.name)) {
        ayf_free(a->ctx, entry.name);
    } else if (strcmp(ayf_path_name(entry.name), "dataset.json") == 0 && s->label_count < LABEL_FILES) {
        s->labels[s->label_count++] = entry;
    } else {
        if (s->other_count++ < EXAMPLES)
            s->other[s->other_count - 1] = entry;
        else
            ayf_free(a->ctx, entry.name);
    }
}

/* Leaves the samples in the entries, sorted, and takes the label files out. Refuses two entries with
 * one name, and a set without samples. */
static ayf_status select_samples(ayf_archive *a, is_sample *wanted, selection *s) {
    ayf_context *ctx = a->ctx;
    if (a->count) qsort(a->entries, a->count, sizeof *a->entries, by_name);
    size_t kept = 0, total = a->count;
    bool enough_memory = true;
    for (size_t i = 0; i < total; i++) {
        ayf_archive_entry entry = a->entries[i];
        bool twice = i + 1 < total && strcmp(entry.name, a->entries[i + 1].name) == 0;
        if (twice && !is_hidden(entry.name)) {
            ayf_fail(ctx, AYF_E_FORMAT, "%s: there are two files of this name", entry.name);
            enough_memory = ayf_problems_add(&s->problems) && enough_memory;
            ayf_free(ctx, entry.name);
        } else if (wanted(entry.name)) {
            a->entries[kept++] = entry;
        } else {
            leave_out(a, s, entry);
        }
    }
    a->count = kept;
    if (!enough_memory) return AYF_E_MEMORY;
    if (kept == 0 && s->problems.count == 0) return no_pictures(a, s);
    AYF_TRY(ayf_problems_report(&s->problems, a->name, total, "files"));
    for (size_t i = 0; i < s->label_count; i++)
        if (!strchr(s->labels[i].name, '/')) return AYF_OK; /* it says what belongs to the set */
    return ayf_folders_take_split(a);
}

/* ---- Labels ---- */

static ayf_status no_labels(const ayf_archive *a, const char *reason) {
    return ayf_fail(a->ctx, AYF_E_FORMAT,
                    "%s: has no labels: %s; add a dataset.json or train without labels (data.labels=false)",
                    a->name, reason);
}

static ayf_status labels_from_folders(archive_source *s, bool label_file) {
    char reason[AYF_FOLDERS_REASON];
    AYF_TRY(ayf_folders_classes(s->archive, s->base.labels, &s->base.classes, reason));
    if (!*reason) return AYF_OK;
    if (s->unlabelled) *s->unlabelled = true;
    char all[2 * AYF_FOLDERS_REASON];
    snprintf(all, sizeof all, "%s and %s",
             label_file ? "\"labels\" of its dataset.json is null" : "it has no dataset.json", reason);
    return no_labels(s->archive, all);
}

/* One file, which belongs to the folder that it lies in. */
static ayf_status read_label_file(ayf_archive *a, const ayf_archive_entry *file, ayf_labels *labels) {
    const size_t base = (size_t)64 << 20, per_picture = 8192;
    size_t most = base + per_picture * a->count, size = 0;
    if (most > AYF_ARCHIVE_MAX_ENTRY) most = AYF_ARCHIVE_MAX_ENTRY;
    void *bytes = NULL;
    char *folder = ayf_strdup(a->ctx, file->name);
    if (!folder) return AYF_E_MEMORY;
    folder[ayf_path_name(file->name) - file->name] = 0;
    ayf_status status = a->read(a, file, most, &bytes, &size);
    if (status == AYF_OK) status = ayf_labels_read(labels, file->name, folder, bytes, size);
    ayf_free(a->ctx, bytes);
    ayf_free(a->ctx, folder);
    return status;
}

/* The file at the top alone when there is one; else those of the folders. */
static ayf_status read_label_files(archive_source *s, const selection *chosen, ayf_labels *labels) {
    bool top = false;
    for (size_t i = 0; i < chosen->label_count; i++) top = top || !strchr(chosen->labels[i].name, '/');
    for (size_t i = 0; i < chosen->label_count; i++)
        if (!top || !strchr(chosen->labels[i].name, '/'))
            if (ayf_folders_holds(s->archive, chosen->labels[i].name))
                AYF_TRY(read_label_file(s->archive, &chosen->labels[i], labels));
    return ayf_labels_end(labels);
}

static ayf_status labels_from_files(archive_source *s, const selection *chosen, bool quiet) {
    ayf_archive *a = s->archive;
    ayf_context *ctx = a->ctx;
    const char **names = ayf_alloc(ctx, a->count, sizeof *names);
    if (!names) return AYF_E_MEMORY;
    for (size_t i = 0; i < a->count; i++) names[i] = a->entries[i].name;
    ayf_labels labels = {
        .ctx = ctx, .quiet = quiet, .names = names, .count = a->count, .labels = s->base.labels};
    ayf_status status = read_label_files(s, chosen, &labels);
    bool present = labels.present;
    if (status == AYF_OK && labels.strangers)
        status =
            ayf_note(ctx, &s->base.note, "%zu label%s of dataset.json %s of pictures that are not there (%s)",
                     labels.strangers, labels.strangers == 1 ? "" : "s", labels.strangers == 1 ? "is" : "are",
                     labels.stranger);
    if (status == AYF_OK) {
        s->base.classes = labels.classes;
        labels.classes = (ayf_classes){0};
    } else {
        ayf_fail_prefix(ctx, "%s: ", a->name);
    }
    ayf_labels_clear(&labels);
    ayf_free(ctx, names);
    return status != AYF_OK || present ? status : labels_from_folders(s, true);
}

/* The first that can be read tells the form of all. */
static ayf_status begin_latents(archive_source *s) {
    ayf_context *ctx = s->base.ctx;
    enum { TRIES = 64 };
    ayf_status status = AYF_E_FORMAT;
    s->base.fetch = NULL;
    s->base.fetch_latent = archive_fetch_latent;
    for (size_t i = 0; i < s->base.count && i < TRIES && status == AYF_E_FORMAT; i++)
        status = archive_fetch_latent(&s->base, i, NULL);
    if (status == AYF_E_FORMAT) status = archive_fetch_latent(&s->base, 0, NULL); /* for its message */
    if (status != AYF_OK) return ayf_fail_prefix(ctx, "%s: ", s->archive->name);
    return ayf_latent_note(ctx, &s->base.latents, &s->base.note);
}

ayf_status ayf_source_from_archive(ayf_archive *archive, const ayf_dataset_spec *spec, ayf_source **out) {
    ayf_context *ctx = archive->ctx;
    *out = NULL;
    archive_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) {
        ayf_archive_close(archive);
        return AYF_E_MEMORY;
    }
    s->base = (ayf_source){.ctx = ctx, .fetch = archive_fetch, .item = archive_item, .close = archive_close};
    s->archive = archive;
    s->unlabelled = spec->unlabelled;
    s->wanted = spec->latents;
    archive->reading = (ayf_image_reading){spec->background, spec->as_stored};
    selection chosen = {.problems = {.ctx = ctx, .quiet = spec->quiet}};
    is_sample *samples = choose_samples(archive, spec->latents > 0);
    ayf_status status = select_samples(archive, samples, &chosen);
    s->base.count = archive->count;
    s->base.note = archive->note;
    archive->note = NULL;
    if (status == AYF_OK && samples == is_latent) status = begin_latents(s);
    if (status == AYF_OK && spec->labels) {
        s->base.labels = ayf_alloc(ctx, archive->count, sizeof(int));
        if (!s->base.labels)
            status = AYF_E_MEMORY;
        else
            status = chosen.label_count ? labels_from_files(s, &chosen, spec->quiet)
                                        : labels_from_folders(s, false);
    }
    clear_selection(ctx, &chosen);
    if (status != AYF_OK)
        ayf_source_close(&s->base);
    else
        *out = &s->base;
    return status;
}
