#include "data/folders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A folder's name: a part of a path, without its slash. */
typedef struct part {
    const char *text;
    size_t length; /* 0: there is no folder */
} part;

/* The folder at byte `skip` of an entry's name. */
static part folder_of(const ayf_archive_entry *entry, size_t skip) {
    const char *text = entry->name + skip, *slash = strchr(text, '/');
    return (part){text, slash ? (size_t)(slash - text) : 0};
}

static int by_text(const void *a, const void *b) {
    const part *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* 0 = training, 1 = validation, 2 = test; -1: not the part of a split. */
static int split_of(part folder) {
    static const struct {
        const char *name;
        int place;
    } words[] = {{"train", 0},      {"training", 0}, {"trainset", 0}, {"val", 1},     {"valid", 1},
                 {"validation", 1}, {"dev", 1},      {"test", 2},     {"testing", 2}, {"testset", 2}};
    for (size_t i = 0; i < AYF_COUNT(words); i++)
        if (strlen(words[i].name) == folder.length &&
            strncasecmp(words[i].name, folder.text, folder.length) == 0)
            return words[i].place;
    return -1;
}

static bool is_storage(part folder) {
    enum { LEAST = 5 };
    return folder.length >= LEAST && strspn(folder.text, "0123456789") >= folder.length;
}

/* Bytes of the folders around everything else: they are alone and hold no pictures but in further folders. */
static size_t wrapping(const ayf_archive *a) {
    for (size_t skip = 0;;) {
        part first = folder_of(&a->entries[0], skip);
        bool alone = first.length && split_of(first) < 0;
        for (size_t i = 0; i < a->count && alone; i++) {
            part other = folder_of(&a->entries[i], skip);
            alone = by_text(&first, &other) == 0 && folder_of(&a->entries[i], skip + first.length + 1).length;
        }
        if (!alone) return skip;
        skip += first.length + 1;
    }
}

/* ---- Splits ---- */

ayf_status ayf_folders_take_split(ayf_archive *a) {
    static const char *const names[] = {"training", "validation", "test"};
    size_t skip = a->count ? wrapping(a) : 0, votes[AYF_COUNT(names)] = {0}, kept = 0;
    int taken = -1;
    for (size_t i = 0; i < a->count; i++) {
        int place = split_of(folder_of(&a->entries[i], skip));
        if (place < 0) return AYF_OK;
        votes[place]++;
        if (taken < 0 || place < taken) taken = place;
    }
    if (taken < 0 || votes[taken] == a->count) return AYF_OK;
    part folder = {NULL, 0}, other = {NULL, 0};
    for (size_t i = 0; i < a->count; i++) {
        part own = folder_of(&a->entries[i], skip);
        *(split_of(own) == taken ? &folder : &other) = own;
    }
    ayf_status status = ayf_note(
        a->ctx, &a->note,
        "takes %.*s/, the %s part of a split (%zu pictures); %.*s/ and what else is beside it (%zu) are "
        "left out: name a folder to use it",
        (int)folder.length, folder.text, names[taken], votes[taken], (int)other.length, other.text,
        a->count - votes[taken]);
    for (size_t i = 0; i < a->count; i++) {
        if (split_of(folder_of(&a->entries[i], skip)) == taken)
            a->entries[kept++] = a->entries[i];
        else
            ayf_free(a->ctx, a->entries[i].name);
    }
    a->count = kept;
    return status;
}

bool ayf_folders_holds(const ayf_archive *a, const char *file) {
    const char *slash = strrchr(file, '/');
    size_t length = slash ? (size_t)(slash + 1 - file) : 0;
    for (size_t i = 0; i < a->count; i++)
        if (strncmp(a->entries[i].name, file, length) == 0) return true;
    return false;
}

/* ---- Classes ---- */

/* Where the folders of the classes stand in the names: behind what wraps everything, and behind the part of a
 * split that was taken. */
static size_t place_of_classes(const ayf_archive *a) {
    size_t skip = wrapping(a);
    part folder = folder_of(&a->entries[0], skip);
    for (size_t i = 0; i < a->count; i++) {
        part own = folder_of(&a->entries[i], skip);
        if (split_of(own) < 0 || by_text(&own, &folder) != 0) return skip;
        if (!folder_of(&a->entries[i], skip + own.length + 1).length) return skip;
    }
    return skip + folder.length + 1;
}

static ayf_status name_classes(ayf_archive *a, const part *folders, size_t count, ayf_classes *classes) {
    char **names = ayf_alloc(a->ctx, count, sizeof *names);
    ayf_status status = names ? AYF_OK : AYF_E_MEMORY;
    for (size_t i = 0; status == AYF_OK && i < count; i++)
        if (!(names[i] = ayf_format(a->ctx, "%.*s", (int)folders[i].length, folders[i].text)))
            status = AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_classes_name(a->ctx, classes, (const char *const *)names, (int)count);
    for (size_t i = 0; names && i < count; i++) ayf_free(a->ctx, names[i]);
    ayf_free(a->ctx, names);
    return status;
}

/* Why these folders, sorted and different, are no classes; "": they are. */
static void judge(const part *folders, size_t count, char reason[AYF_FOLDERS_REASON]) {
    bool storage = true;
    for (size_t i = 0; i < count; i++)
        storage = storage && is_storage(folders[i]) && folders[i].length == folders[0].length;
    *reason = 0;
    if (storage)
        snprintf(reason, AYF_FOLDERS_REASON,
                 "its sub-folders (%.*s ...) are shards, mere storage: %zu digits each",
                 (int)folders[0].length, folders[0].text, folders[0].length);
    else if (count == 1 && split_of(folders[0]) >= 0)
        snprintf(reason, AYF_FOLDERS_REASON, "its folder %.*s is the part of a split and no class",
                 (int)folders[0].length, folders[0].text);
}

static size_t sort_out(part *folders, size_t count) {
    size_t kept = 0;
    qsort(folders, count, sizeof *folders, by_text);
    for (size_t i = 0; i < count; i++)
        if (!kept || by_text(&folders[kept - 1], &folders[i]) != 0) folders[kept++] = folders[i];
    return kept;
}

/* Appends the folders that are listed where the classes are, at byte `skip` of the names: there may be no picture
 * in them. */
static size_t add_listed(const ayf_archive *a, size_t skip, part *folders, size_t count) {
    for (size_t i = 0; i < a->folder_count; i++) {
        const char *name = a->folders[i];
        if (strlen(name) <= skip || strncmp(name, a->entries[0].name, skip) != 0) continue;
        part own = {name + skip, strcspn(name + skip, "/")};
        if (own.length && split_of(own) < 0 && !is_storage(own)) folders[count++] = own;
    }
    return count;
}

/* The folders of the classes, sorted, into folders[a->count + a->folder_count]; or the reason why there are none. */
static size_t find_folders(const ayf_archive *a, size_t skip, part *folders,
                           char reason[AYF_FOLDERS_REASON]) {
    *reason = 0;
    for (size_t i = 0; i < a->count && !*reason; i++) {
        folders[i] = folder_of(&a->entries[i], skip);
        if (!folders[i].length)
            snprintf(reason, AYF_FOLDERS_REASON, "not all pictures lie in sub-folders (%.120s does not)",
                     a->entries[i].name);
    }
    if (*reason) return 0;
    size_t count = sort_out(folders, a->count);
    judge(folders, count, reason);
    if (*reason) return 0;
    count = sort_out(folders, add_listed(a, skip, folders, count));
    if (count > AYF_MAX_CLASSES)
        snprintf(reason, AYF_FOLDERS_REASON, "it has more than %d sub-folders", AYF_MAX_CLASSES);
    return count;
}

ayf_status ayf_folders_classes(ayf_archive *a, int *labels, ayf_classes *classes,
                               char reason[AYF_FOLDERS_REASON]) {
    size_t skip = place_of_classes(a);
    part *folders = ayf_alloc(a->ctx, a->count + a->folder_count, sizeof *folders);
    if (!folders) return AYF_E_MEMORY;
    size_t count = find_folders(a, skip, folders, reason);
    ayf_status status = *reason ? AYF_OK : name_classes(a, folders, count, classes);
    for (size_t i = 0; i < a->count && !*reason && status == AYF_OK; i++) {
        part own = folder_of(&a->entries[i], skip);
        const part *found = bsearch(&own, folders, count, sizeof own, by_text);
        labels[i] = found ? (int)(found - folders) : -1;
    }
    ayf_free(a->ctx, folders);
    return status;
}
