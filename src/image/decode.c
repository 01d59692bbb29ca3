#include <string.h>

#include "image/codec.h"

typedef ayf_status reader(ayf_context *ctx, ayf_image_file *file, ayf_image *image);

/* By the first bytes: what a file is called says nothing. NULL: none of ours. */
static reader *reader_of(const unsigned char *bytes, size_t size) {
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0) return ayf_png_decode;
    if (size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff) return ayf_jpeg_decode;
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return ayf_webp_decode;
    return NULL;
}

static ayf_status decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image) {
    reader *read = reader_of(file->bytes, file->size);
    *image = (ayf_image){0};
    file->orientation = 1;
    if (!read) return ayf_image_fail_foreign(ctx, file->name, file->bytes, file->size);
    AYF_TRY(read(ctx, file, image));
    if (file->as_stored) return AYF_OK;
    ayf_status status = ayf_image_orient(ctx, image, file->orientation);
    if (status != AYF_OK) ayf_image_clear(ctx, image);
    return status;
}

static ayf_image_file file_of(const char *name, const void *bytes, size_t size,
                              const ayf_image_reading *how) {
    static const ayf_image_reading usual = {0};
    if (!how) how = &usual;
    return (ayf_image_file){.name = name,
                            .bytes = bytes,
                            .size = size,
                            .background = how->background == AYF_BACKGROUND_BLACK ? 0 : 255,
                            .as_stored = how->as_stored};
}

ayf_status ayf_image_decode(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                            const ayf_image_reading *how, ayf_image *image) {
    ayf_image_file file = file_of(name, bytes, size, how);
    return decode(ctx, &file, image);
}

ayf_status ayf_image_probe(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                           const ayf_image_reading *how, ayf_image *image) {
    ayf_image_file file = file_of(name, bytes, size, how);
    file.header_only = true;
    return decode(ctx, &file, image);
}
