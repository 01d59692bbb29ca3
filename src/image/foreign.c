#include "image/codec.h"
#include "io/kind.h"

/* No control characters, and for the most part ASCII. */
static bool is_text(const unsigned char *bytes, size_t size) {
    enum { FAR = 256 };
    size_t seen = size < FAR ? size : FAR, foreign = 0;
    for (size_t i = 0; i < seen; i++) {
        if (bytes[i] < 0x20 && !(bytes[i] >= '\t' && bytes[i] <= '\r')) return false;
        foreign += bytes[i] >= 0x80;
    }
    return foreign <= seen / 4;
}

static bool is_blank(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return false;
    return true;
}

static const char *describe(const unsigned char *bytes, size_t size) {
    if (size == 0) return "empty (0 bytes): download or copy it again";
    if (is_blank(bytes, size)) return "zeros only: download or copy it again";
    if (is_text(bytes, size)) return "text, not a picture; download it again, or remove it";
    return "none of PNG, JPEG and WebP; convert or remove it";
}

ayf_status ayf_image_fail_foreign(ayf_context *ctx, const char *name, const unsigned char *bytes,
                                  size_t size) {
    const ayf_kind *kind = ayf_kind_of(bytes, size < AYF_KIND_HEAD ? size : AYF_KIND_HEAD);
    if (!kind) return ayf_fail(ctx, AYF_E_FORMAT, "%s: is %s", name, describe(bytes, size));
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: is %s%s", name, kind->name,
                    kind->as_picture ? kind->as_picture : ", not a picture; convert or remove it");
}
