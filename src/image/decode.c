#include <string.h>

#include "image/codec.h"

static ayf_status decode(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                         bool header_only, ayf_image *image) {
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    *image = (ayf_image){0};
    if (size >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
        return ayf_png_decode(ctx, name, bytes, size, header_only, image);
    if (size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff)
        return ayf_jpeg_decode(ctx, name, bytes, size, header_only, image);
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: is neither PNG nor JPEG", name);
}

ayf_status ayf_image_decode(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                            ayf_image *image) {
    return decode(ctx, name, bytes, size, false, image);
}

ayf_status ayf_image_probe(ayf_context *ctx, const char *name, const void *bytes, size_t size,
                           ayf_image *image) {
    return decode(ctx, name, bytes, size, true, image);
}
