#include "data/source.h"
#include "io/file.h"
#include "io/kind.h"

#include <stdio.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE };

/* A record is a byte per label, then the red, green and blue planes. */
typedef struct kind {
    const char *name;
    size_t record, label; /* bytes; which label is the class */
    int classes;
    const char *names; /* the file beside the data with a class's name per line */
} kind;

static const kind kinds[] = {{"CIFAR-10", 1 + 3 * PLANE, 0, 10, "batches.meta.txt"},
                             {"CIFAR-100", 2 + 3 * PLANE, 1, 100, "fine_label_names.txt"}};

typedef struct file {
    unsigned char *bytes;
    size_t records;
} file;

typedef struct cifar_source {
    ayf_source base;
    const kind *kind;
    file *files;
    size_t file_count;
} cifar_source;

/* Record `index` of the whole set; *place and *number: of which file. */
static const unsigned char *record(const cifar_source *s, size_t index, size_t *place, size_t *number) {
    size_t k = 0;
    while (index >= s->files[k].records) index -= s->files[k++].records;
    *place = k;
    *number = index;
    return s->files[k].bytes + index * s->kind->record;
}

static ayf_status cifar_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const cifar_source *s = (const cifar_source *)source;
    size_t place, number;
    *image = (ayf_image){.height = SIDE, .width = SIDE, .channels = 3};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, SIDE, SIDE, 3));
    const unsigned char *planes = record(s, index, &place, &number) + s->kind->record - (size_t)3 * PLANE;
    for (size_t i = 0; i < PLANE; i++)
        for (size_t c = 0; c < 3; c++) image->pixels[3 * i + c] = planes[c * PLANE + i];
    return AYF_OK;
}

static void cifar_item(const ayf_source *source, size_t index, char *text, size_t size) {
    size_t place, number;
    record((const cifar_source *)source, index, &place, &number);
    snprintf(text, size, "record %zu of file %zu", number, place);
}

static void cifar_close(ayf_source *source) {
    cifar_source *s = (cifar_source *)source;
    for (size_t i = 0; s->files && i < s->file_count; i++) ayf_free(source->ctx, s->files[i].bytes);
    ayf_free(source->ctx, s->files);
}

/* Files of both kinds have the size of neither by chance: 3073 and 3074 have no common factor. */
static const kind *kind_of(size_t size, const char *path) {
    bool ten = size % kinds[0].record == 0, hundred = size % kinds[1].record == 0;
    if (!size || (!ten && !hundred)) return NULL;
    return ten && hundred ? &kinds[strstr(path, "batch") == NULL] : &kinds[hundred];
}

static ayf_status read_file(cifar_source *s, const char *path, file *out) {
    ayf_context *ctx = s->base.ctx;
    enum { MOST = 1 << 30 };
    void *bytes = NULL;
    size_t size = 0;
    AYF_TRY(ayf_check_regular(ctx, path));
    AYF_TRY(ayf_file_read(ctx, path, MOST, &bytes, &size));
    out->bytes = bytes;
    const kind *own = kind_of(size, path);
    const ayf_kind *other = own ? NULL : ayf_kind_of(bytes, size < AYF_KIND_HEAD ? size : AYF_KIND_HEAD);
    if (other) return ayf_fail_kind_data(ctx, path, other);
    if (!own || (s->kind && s->kind != own))
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: has %zu bytes, which are no whole number of records: CIFAR-10 has %zu bytes in each, "
            "CIFAR-100 %zu%s%s",
            path, size, kinds[0].record, kinds[1].record, s->kind ? "; the files before it are of " : "",
            s->kind ? s->kind->name : "");
    s->kind = own;
    out->records = size / own->record;
    s->base.bytes += size;
    for (size_t k = 0; k < out->records; k++) {
        unsigned char label = out->bytes[k * own->record + own->label];
        if (label >= own->classes)
            return ayf_fail(ctx, AYF_E_FORMAT, "%s: record %zu has label %d; %s has 0 to %d", path, k, label,
                            own->name, own->classes - 1);
    }
    s->base.count += out->records;
    return AYF_OK;
}

static ayf_status read_files(cifar_source *s, const char *const *paths, size_t count) {
    ayf_problems problems = {.ctx = s->base.ctx};
    for (size_t i = 0; i < count; i++)
        if (read_file(s, paths[i], &s->files[i]) != AYF_OK && !ayf_problems_add(&problems))
            return AYF_E_MEMORY;
    return ayf_problems_report(&problems, s->kind ? s->kind->name : "CIFAR", count, "files");
}

/* A line per class. A file that is missing or has fewer lines names nothing. */
static ayf_status read_names(cifar_source *s, const char *path) {
    ayf_context *ctx = s->base.ctx;
    enum { MOST = 1 << 16, CLASSES = 100 };
    const char *slash = strrchr(path, '/'), *names[CLASSES];
    char *beside = ayf_format(ctx, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, s->kind->names);
    void *bytes = NULL;
    size_t size;
    int count = 0;
    if (!beside) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    if (ayf_path_exists(beside) && ayf_check_regular(ctx, beside) == AYF_OK)
        status = ayf_file_read(ctx, beside, MOST, &bytes, &size);
    for (char *rest = bytes, *line; bytes && count < s->kind->classes && (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = 0;
        if (*line) names[count++] = line;
    }
    if (status == AYF_OK && count == s->kind->classes)
        status = ayf_classes_name(ctx, &s->base.classes, names, count);
    ayf_free(ctx, bytes);
    ayf_free(ctx, beside);
    return status;
}

static ayf_status open_into(cifar_source *s, const char *const *paths, size_t count, bool labels) {
    ayf_context *ctx = s->base.ctx;
    s->files = ayf_alloc(ctx, count, sizeof *s->files);
    if (!s->files) return AYF_E_MEMORY;
    s->file_count = count;
    AYF_TRY(read_files(s, paths, count));
    if (!labels) return AYF_OK;
    s->base.labels = ayf_alloc(ctx, s->base.count, sizeof(int));
    if (!s->base.labels) return AYF_E_MEMORY;
    for (size_t f = 0, i = 0; f < count; f++)
        for (size_t k = 0; k < s->files[f].records; k++)
            s->base.labels[i++] = s->files[f].bytes[k * s->kind->record + s->kind->label];
    s->base.classes.count = s->kind->classes;
    return read_names(s, paths[0]);
}

ayf_status ayf_source_open_cifar(ayf_context *ctx, const char *const *paths, size_t count,
                                 const ayf_dataset_spec *spec, ayf_source **out) {
    *out = NULL;
    cifar_source *s = ayf_alloc(ctx, 1, sizeof *s);
    if (!s) return AYF_E_MEMORY;
    s->base = (ayf_source){.ctx = ctx, .fetch = cifar_fetch, .item = cifar_item, .close = cifar_close};
    ayf_status status = open_into(s, paths, count, spec->labels);
    if (status != AYF_OK)
        ayf_source_close(&s->base);
    else
        *out = &s->base;
    return status;
}
