#include "data/source.h"
#include "io/file.h"

#include <stdio.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, RECORDS = 10000, CLASSES = 10 };

typedef struct cifar_source {
    ayf_source base;
    /* RECORDS records of RECORD bytes each: label, then the red, green and blue planes. */
    unsigned char **files;
    size_t file_count;
} cifar_source;

static ayf_status cifar_fetch(ayf_source *source, size_t index, bool header_only, ayf_image *image) {
    const cifar_source *s = (const cifar_source *)source;
    *image = (ayf_image){.height = SIDE, .width = SIDE, .channels = 3};
    if (header_only) return AYF_OK;
    AYF_TRY(ayf_image_init(source->ctx, image, SIDE, SIDE, 3));
    const unsigned char *planes = s->files[index / RECORDS] + index % RECORDS * RECORD + 1;
    for (size_t i = 0; i < PLANE; i++)
        for (size_t c = 0; c < 3; c++) image->pixels[3 * i + c] = planes[c * PLANE + i];
    return AYF_OK;
}

static void cifar_item(const ayf_source *source, size_t index, char *text, size_t size) {
    (void)source;
    snprintf(text, size, "record %zu of file %zu", index % RECORDS, index / RECORDS);
}

static void cifar_close(ayf_source *source) {
    cifar_source *s = (cifar_source *)source;
    for (size_t i = 0; s->files && i < s->file_count; i++) ayf_free(source->ctx, s->files[i]);
    ayf_free(source->ctx, s->files);
}

static ayf_status read_files(cifar_source *s, const char *const *paths, size_t count) {
    ayf_context *ctx = s->base.ctx;
    const size_t exact = (size_t)RECORD * RECORDS;
    ayf_problems problems = {.ctx = ctx};
    for (size_t i = 0; i < count; i++) {
        void *bytes = NULL;
        size_t size = 0;
        ayf_status status = ayf_file_read(ctx, paths[i], exact, &bytes, &size);
        if (status == AYF_OK && size != exact)
            status = ayf_fail(ctx, AYF_E_FORMAT, "%s: has %zu bytes; a CIFAR-10 file has %zu", paths[i], size,
                              exact);
        s->files[i] = bytes;
        for (size_t k = 0; status == AYF_OK && k < RECORDS; k++) {
            unsigned char label = s->files[i][k * RECORD];
            if (label >= CLASSES)
                status = ayf_fail(ctx, AYF_E_FORMAT, "%s: record %zu has label %d; CIFAR-10 has 0 to 9",
                                  paths[i], k, label);
        }
        if (status != AYF_OK && !ayf_problems_add(&problems)) return AYF_E_MEMORY;
    }
    return ayf_problems_report(&problems, "CIFAR-10", count, "files");
}

static ayf_status open_into(cifar_source *s, const char *const *paths, size_t count, bool labels) {
    ayf_context *ctx = s->base.ctx;
    s->files = ayf_alloc(ctx, count, sizeof *s->files);
    if (!s->files) return AYF_E_MEMORY;
    s->file_count = count;
    s->base.count = count * RECORDS;
    AYF_TRY(read_files(s, paths, count));
    if (!labels) return AYF_OK;
    s->base.labels = ayf_alloc(ctx, s->base.count, sizeof(int));
    if (!s->base.labels) return AYF_E_MEMORY;
    for (size_t i = 0; i < s->base.count; i++)
        s->base.labels[i] = s->files[i / RECORDS][i % RECORDS * RECORD];
    return AYF_OK;
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
