#include "data/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/json_walk.h"
#include "data/source.h"
#include "io/file.h"

/* While files are read, labels[i] is a class, NONE, or FIRST_TEXT - k for text k. */
enum { NONE = -1, FIRST_TEXT = -2 };

void ayf_labels_clear(ayf_labels *l) {
    ayf_classes_clear(l->ctx, &l->classes);
    json_decref(l->texts);
    ayf_free(l->ctx, l->stranger);
    l->texts = NULL;
    l->stranger = NULL;
}

/* ---- Names of pictures ---- */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int by_base(const void *a, const void *b) {
    return strcmp(ayf_path_name(**(const char *const *const *)a),
                  ayf_path_name(**(const char *const *const *)b));
}

typedef struct reading {
    ayf_labels *l;
    const char *file, *folder;
    ayf_problems problems;
    size_t total;
    bool any_labels;             /* the key was there */
    char *example;               /* the first name in the file; owned */
    const char *const **by_base; /* pointers into l->names, sorted by base name; NULL: full names count */
    size_t matched, strangers;   /* labels of this file that found a picture, and that did not */
} reading;

/* The picture that `name` stands for, or l->count. */
static ayf_status find(const reading *r, const char *name, size_t *index) {
    const ayf_labels *l = r->l;
    *index = l->count;
    char *full = ayf_format(l->ctx, "%s%s", r->folder, ayf_plain_name(name));
    if (!full) return AYF_E_MEMORY;
    for (char *p = full; *p; p++)
        if (*p == '\\') *p = '/';
    if (!r->by_base) {
        const char *key = full;
        const char *const *found = bsearch(&key, l->names, l->count, sizeof key, by_name);
        if (found) *index = (size_t)(found - l->names);
    } else {
        const char *key = full, *const *place = &key;
        const char *const **found = bsearch(&place, r->by_base, l->count, sizeof place, by_base);
        bool unique = found && (found == r->by_base || by_base(found - 1, found) != 0) &&
                      (found + 1 == r->by_base + l->count || by_base(found, found + 1) != 0);
        if (unique) *index = (size_t)(*found - l->names);
    }
    ayf_free(l->ctx, full);
    return AYF_OK;
}

/* ---- Classes ---- */

/* The number of a text: texts are few and labels are many. */
static ayf_status intern(ayf_labels *l, const char *text, int *label) {
    const json_t *known = l->texts ? json_object_get(l->texts, text) : NULL;
    if (known) {
        *label = FIRST_TEXT - (int)json_integer_value(known);
        return AYF_OK;
    }
    size_t number = l->texts ? json_object_size(l->texts) : 0;
    if (number == AYF_MAX_CLASSES)
        return ayf_fail(l->ctx, AYF_E_FORMAT, "there are more than %d names of classes", AYF_MAX_CLASSES);
    if (!l->texts) l->texts = json_object();
    if (!l->texts || json_object_set_new(l->texts, text, json_integer((json_int_t)number)) != 0)
        return ayf_fail(l->ctx, AYF_E_MEMORY, "out of memory for the names of classes");
    *label = FIRST_TEXT - (int)number;
    return AYF_OK;
}

/* The place of the 1 in a vector of zeros; -1: it is no such vector. */
static int one_hot(const json_t *vector) {
    int place = -1;
    size_t size = json_array_size(vector), index;
    const json_t *value;
    if (size < 2 || size > AYF_MAX_CLASSES) return -1;
    json_array_foreach((json_t *)(uintptr_t)vector, index, value) {
        double number = json_number_value(value);
        if (!json_is_number(value) || (number != 0 && number != 1) || (number == 1 && place >= 0)) return -1;
        if (number == 1) place = (int)index;
    }
    return place;
}

static ayf_status read_class(ayf_labels *l, const char *file, const char *name, const json_t *value,
                             int *label) {
    *label = NONE;
    if (json_is_null(value)) return AYF_OK;
    if (json_is_string(value)) return intern(l, json_string_value(value), label);
    double number = json_number_value(value);
    if (json_is_array(value)) {
        number = one_hot(value);
        if (number < 0)
            return ayf_fail(l->ctx, AYF_E_FORMAT,
                            "%s: the label of %s is not a whole number, a name or a one-hot vector", file,
                            name);
        int size = (int)json_array_size(value);
        if (size > l->classes.count && !l->classes.names) l->classes.count = size;
    } else if (!json_is_number(value) || number != floor(number)) {
        return ayf_fail(l->ctx, AYF_E_FORMAT,
                        "%s: the label of %s is not a whole number, a name or a one-hot vector", file, name);
    }
    if (number < 0 || number >= AYF_MAX_CLASSES)
        return ayf_fail(l->ctx, AYF_E_FORMAT, "%s: the label of %s is %.0f, out of the range 0 to %d", file,
                        name, number, AYF_MAX_CLASSES - 1);
    *label = (int)number;
    l->numbers = true;
    return AYF_OK;
}

static ayf_status add(reading *r, const char *name, const json_t *value) {
    ayf_labels *l = r->l;
    size_t index;
    int label;
    if (!r->example && !(r->example = ayf_strdup(l->ctx, name))) return AYF_E_MEMORY;
    AYF_TRY(find(r, name, &index));
    if (index == l->count) {
        r->strangers++;
        if (!l->stranger && !(l->stranger = ayf_strdup(l->ctx, name))) return AYF_E_MEMORY;
        return AYF_OK;
    }
    AYF_TRY(read_class(l, r->file, name, value, &label));
    r->matched++;
    if (label != NONE && l->labels[index] != NONE && l->labels[index] != label)
        return ayf_fail(l->ctx, AYF_E_FORMAT, "%s: %s is labelled twice, with different classes", r->file,
                        name);
    if (label != NONE) l->labels[index] = label;
    return AYF_OK;
}

/* ---- The file ---- */

/* The failure of one label goes to the list of problems. */
static ayf_status collect(reading *r, ayf_status status) {
    if (status == AYF_OK) return AYF_OK;
    return ayf_problems_add(&r->problems) ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status label_item(ayf_json *json, const char *key, size_t index, void *user) {
    reading *r = user;
    json_t *value;
    AYF_TRY(ayf_json_value(json, &value));
    const char *name = key ? key : json_string_value(json_array_get(value, 0));
    ayf_status status;
    r->total++;
    if (key)
        status = add(r, key, value);
    else if (name && json_array_size(value) == 2)
        status = add(r, name, json_array_get(value, 1));
    else
        status = ayf_fail(json->ctx, AYF_E_FORMAT, "%s: entry %zu of \"labels\" is not [name, class]",
                          r->file, index);
    status = collect(r, status);
    json_decref(value);
    return status;
}

static int number_of(const char *text) {
    char *end;
    long number = strtol(text, &end, 10);
    return *text && !*end && text[0] != '+' && text[0] != ' ' && number >= 0 && number < AYF_MAX_CLASSES
               ? (int)number
               : -1;
}

/* Places of the names in `list`: a list of names, {name: number} or {number: name}. False: it is none. */
static bool place_names(json_t *list, const char **names, size_t count) {
    size_t index;
    const char *key;
    json_t *value;
    json_array_foreach(list, index, value) names[index] = json_string_value(value);
    json_object_foreach(list, key, value) {
        json_int_t place = json_is_integer(value) ? json_integer_value(value) : number_of(key);
        const char *name = json_is_integer(value) ? key : json_string_value(value);
        if (place < 0 || place >= (json_int_t)count || names[place]) return false;
        names[place] = name;
    }
    for (size_t i = 0; i < count; i++)
        if (!names[i]) return false;
    return true;
}

/* Other tools may mean something else by these keys: what is no list of names is passed over. */
static ayf_status read_names(ayf_json *json, ayf_labels *l) {
    json_t *list;
    AYF_TRY(ayf_json_value(json, &list));
    size_t count = json_is_array(list) ? json_array_size(list) : json_object_size(list);
    ayf_status status = AYF_OK;
    if (count > 0 && count <= AYF_MAX_CLASSES) {
        const char **names = ayf_alloc(l->ctx, count, sizeof *names);
        if (!names)
            status = AYF_E_MEMORY;
        else if (place_names(list, names, count))
            status = ayf_classes_name(l->ctx, &l->classes, names, (int)count);
        ayf_free(l->ctx, names);
    }
    json_decref(list);
    return status;
}

static ayf_status root_item(ayf_json *json, const char *key, size_t index, void *user) {
    static const char *const names[] = {"classes", "class_names", "label_names", "class_to_idx"};
    reading *r = user;
    (void)index;
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        if (strcmp(key, names[i]) == 0) return read_names(json, r->l);
    if (strcmp(key, "labels") != 0) return ayf_json_skip(json);
    if (r->any_labels) return ayf_json_fail(json, "duplicate \"labels\"");
    r->any_labels = true;
    char next = ayf_json_peek(json);
    if (next == 'n') return ayf_json_skip(json);
    if (next != '[' && next != '{') return ayf_json_fail(json, "\"labels\" is not a list of [name, class]");
    r->l->present = true;
    return ayf_json_each(json, label_item, r);
}

static ayf_status read_all(reading *r, const void *bytes, size_t size) {
    ayf_json json;
    AYF_TRY(ayf_json_begin(r->l->ctx, r->file, bytes, size, &json));
    char first = ayf_json_peek(&json);
    if (!first) return ayf_json_fail(&json, "the text ends here, before its end");
    if (first != '{')
        return ayf_fail(r->l->ctx, AYF_E_FORMAT, "%s: is not a JSON object with \"labels\"", r->file);
    AYF_TRY(ayf_json_each(&json, root_item, r));
    if (ayf_json_peek(&json)) return ayf_json_fail(&json, "the end of the text is expected here");
    return ayf_problems_report(&r->problems, r->file, r->total, "labels");
}

static ayf_status sort_by_base(reading *r) {
    r->by_base = ayf_alloc(r->l->ctx, r->l->count, sizeof *r->by_base);
    if (!r->by_base) return AYF_E_MEMORY;
    for (size_t i = 0; i < r->l->count; i++) r->by_base[i] = &r->l->names[i];
    qsort(r->by_base, r->l->count, sizeof *r->by_base, by_base);
    return AYF_OK;
}

ayf_status ayf_labels_read(ayf_labels *l, const char *file, const char *folder, const void *bytes,
                           size_t size) {
    reading r = {.l = l, .file = file, .folder = folder, .problems = {.ctx = l->ctx, .quiet = l->quiet}};
    for (size_t i = 0; i < l->count && !l->started; i++) l->labels[i] = NONE;
    l->started = true;
    ayf_status status = read_all(&r, bytes, size);
    if (status == AYF_OK && r.total && !r.matched) {
        r.any_labels = false;
        r.total = r.strangers = 0;
        ayf_free(l->ctx, l->stranger);
        l->stranger = NULL;
        status = sort_by_base(&r);
        if (status == AYF_OK) status = read_all(&r, bytes, size);
        if (status == AYF_OK && !r.matched)
            status =
                ayf_fail(l->ctx, AYF_E_FORMAT,
                         "%s: names no picture of this set: it says '%s' where the pictures are called '%s'",
                         file, r.example ? r.example : "", l->count ? l->names[0] : "");
    }
    l->strangers += r.strangers;
    ayf_free(l->ctx, r.by_base);
    ayf_free(l->ctx, r.example);
    return status;
}

/* ---- Texts as classes ---- */

/* class_of[k] is the class of text k. Texts that all are numbers are these numbers. */
static ayf_status number_texts(ayf_labels *l, const char **texts, size_t count, int *class_of) {
    bool all = true;
    for (size_t i = 0; i < count; i++) all = all && number_of(texts[i]) >= 0;
    if (l->numbers && !all)
        return ayf_fail(l->ctx, AYF_E_FORMAT,
                        "dataset.json: some labels are numbers and some are names: use one of the two");
    const char *key;
    json_t *value;
    if (!all && !l->classes.names) {
        qsort(texts, count, sizeof *texts, by_name);
        AYF_TRY(ayf_classes_name(l->ctx, &l->classes, texts, (int)count));
        for (size_t i = 0; i < count; i++)
            class_of[json_integer_value(json_object_get(l->texts, texts[i]))] = (int)i;
        return AYF_OK;
    }
    json_object_foreach(l->texts, key, value) {
        int found = all ? number_of(key) : -1;
        for (int i = 0; found < 0 && i < l->classes.count; i++)
            if (strcmp(l->classes.names[i], key) == 0) found = i;
        if (found < 0)
            return ayf_fail(l->ctx, AYF_E_FORMAT, "dataset.json: the label '%s' is not among its \"classes\"",
                            key);
        class_of[json_integer_value(value)] = found;
    }
    return AYF_OK;
}

ayf_status ayf_labels_end(ayf_labels *l) {
    size_t count = l->texts ? json_object_size(l->texts) : 0;
    if (!count) return AYF_OK;
    const char **texts = ayf_alloc(l->ctx, count, sizeof *texts);
    int *class_of = ayf_alloc(l->ctx, count, sizeof *class_of);
    ayf_status status = texts && class_of ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        const char *key;
        json_t *value;
        json_object_foreach(l->texts, key, value) texts[json_integer_value(value)] = key;
        status = number_texts(l, texts, count, class_of);
    }
    for (size_t i = 0; status == AYF_OK && i < l->count; i++)
        if (l->labels[i] <= FIRST_TEXT) l->labels[i] = class_of[FIRST_TEXT - l->labels[i]];
    ayf_free(l->ctx, texts);
    ayf_free(l->ctx, class_of);
    return status;
}
