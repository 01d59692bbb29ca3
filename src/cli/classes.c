/* Classes of a model by number or by name. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { CLASSES_MOST = 1 << 16 };

typedef struct list {
    cli *c;
    const ayf_model_facts *facts;
    const char *model;
    int *items;
    size_t count;
} list;

static int add(list *l, uint64_t first, uint64_t last) {
    if (first > last)
        return cli_error(l->c, AYF_E_USAGE, "--class %llu-%llu falls; a range rises: %llu-%llu",
                         (unsigned long long)first, (unsigned long long)last, (unsigned long long)last,
                         (unsigned long long)first);
    if (last >= (uint64_t)l->facts->classes)
        return cli_error(l->c, AYF_E_USAGE, "--class %llu: the classes of %s are 0 to %d",
                         (unsigned long long)last, l->model, l->facts->classes - 1);
    for (uint64_t i = first; i <= last; i++) {
        if (l->count == CLASSES_MOST)
            return cli_error(l->c, AYF_E_USAGE, "--class: more than %d classes", CLASSES_MOST);
        l->items[l->count++] = (int)i;
    }
    return 0;
}

/* The longest name of a class that `text` begins with, up to its end or a comma: names may hold commas. */
static int find_name(const list *l, const char *text, size_t *length) {
    int best = -1;
    *length = 0;
    for (int i = 0; l->facts->class_names && i < l->facts->classes; i++) {
        const char *name = l->facts->class_names[i];
        size_t size = strlen(name);
        if (strncmp(text, name, size) != 0 || (text[size] && text[size] != ',') ||
            (best >= 0 && size <= *length))
            continue;
        best = i;
        *length = size;
    }
    return best;
}

static int unknown(const list *l, const char *text, size_t length) {
    char word[128];
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), text);
    if (!l->facts->class_names)
        return cli_error(l->c, AYF_E_USAGE, "--class %s: %s knows its classes by number only: 0 to %d", word,
                         l->model, l->facts->classes - 1);
    const char *near = cli_nearest(word, l->facts->class_names, l->facts->classes);
    return cli_error(l->c, AYF_E_USAGE,
                     "--class %s: %s has no class of this name%s%s%s (ayf info %s lists them)", word,
                     l->model, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", l->model);
}

/* "3" or "0-9". A number is a number even where a class is called by it. */
static bool read_numbers(const char *text, size_t length, uint64_t *first, uint64_t *last) {
    size_t digits = strspn(text, "0123456789"), more = 0;
    if (!digits || digits > 9) return false;
    *first = *last = strtoull(text, NULL, 10);
    if (text[digits] == '-') {
        more = strspn(text + digits + 1, "0123456789");
        if (!more || more > 9) return false;
        *last = strtoull(text + digits + 1, NULL, 10);
        more++;
    }
    return digits + more == length;
}

static int add_next(list *l, const char *text, size_t *length) {
    uint64_t first, last;
    size_t named = 0;
    int class = find_name(l, text, &named);
    *length = strcspn(text, ",");
    if (!read_numbers(text, *length, &first, &last)) {
        if (class < 0) return unknown(l, text, *length);
        *length = named;
        return add(l, (uint64_t) class, (uint64_t) class);
    }
    if (class >= 0 && (uint64_t) class != first && first == last && first < (uint64_t)l->facts->classes)
        cli_say(l->c, "--class %.*s is class number %llu ('%s'); the class of this name is number %d",
                (int)*length, text, (unsigned long long)first, l->facts->class_names[first], class);
    return add(l, first, last);
}

int cli_get_classes(cli *c, const cli_args *args, const ayf_model_facts *facts, int **out, size_t *count) {
    const char *text = args->value[CLI_OPT_class_];
    *out = NULL;
    if (!text) return 0;
    list l = {.c = c, .facts = facts, .model = args->positional[0]};
    if (!facts->classes)
        return cli_error(c, AYF_E_USAGE, "--class: %s was trained without classes; leave it out", l.model);
    l.items = malloc(CLASSES_MOST * sizeof *l.items);
    if (!l.items) return cli_error(c, AYF_E_MEMORY, "out of memory");
    int code = 0;
    for (size_t length; !code; text += length + 1) {
        code = add_next(&l, text, &length);
        if (!text[length]) break;
    }
    *out = l.items;
    *count = l.count;
    return code;
}
