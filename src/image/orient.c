#include <string.h>

#include "image/codec.h"

/* ---- EXIF ---- */

typedef struct tiff {
    const unsigned char *bytes;
    size_t size;
    bool big_endian;
} tiff;

/* `width` bytes at `at` as a number; 0 beyond the end. */
static uint32_t number_at(const tiff *t, size_t at, size_t width) {
    if (at > t->size || t->size - at < width) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | t->bytes[at + (t->big_endian ? i : width - 1 - i)];
    return value;
}

int ayf_exif_orientation(const unsigned char *bytes, size_t size) {
    enum { ENTRY = 12, ORIENTATION = 0x112, SHORT = 3 };
    tiff t = {bytes, size, size >= 2 && bytes[0] == 'M'};
    if (size < 8 || bytes[0] != bytes[1] || (bytes[0] != 'M' && bytes[0] != 'I') || number_at(&t, 2, 2) != 42)
        return 1;
    size_t directory = number_at(&t, 4, 4), count = number_at(&t, directory, 2);
    for (size_t i = 0; i < count && directory + 2 + i * ENTRY < size; i++) {
        size_t entry = directory + 2 + i * ENTRY;
        if (number_at(&t, entry, 2) != ORIENTATION) continue;
        uint32_t value = number_at(&t, entry + 2, 2) == SHORT ? number_at(&t, entry + 8, 2) : 0;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* ---- Turning ---- */

/* Bits of what leads from an upright pixel to where it is stored: exchange x and y first, then mirror. */
enum { SWAP = 1, MIRROR_X = 2, MIRROR_Y = 4 };
static const unsigned char moves[9] = {
    [2] = MIRROR_X,        [3] = MIRROR_X | MIRROR_Y,        [4] = MIRROR_Y,        [5] = SWAP,
    [6] = SWAP | MIRROR_Y, [7] = SWAP | MIRROR_X | MIRROR_Y, [8] = SWAP | MIRROR_X,
};

ayf_status ayf_image_orient(ayf_context *ctx, ayf_image *image, int orientation) {
    unsigned move = moves[orientation];
    if (!move) return AYF_OK;
    bool swap = move & SWAP;
    ayf_image upright = *image;
    upright.height = swap ? image->width : image->height;
    upright.width = swap ? image->height : image->width;
    upright.traits |= AYF_IMAGE_TURNED;
    if (image->pixels) {
        upright.pixels = ayf_alloc(ctx, ayf_image_bytes(image), 1);
        if (!upright.pixels) return AYF_E_MEMORY;
        size_t c = (size_t)image->channels, w = (size_t)image->width, h = (size_t)image->height;
        uint8_t *to = upright.pixels;
        for (size_t y = 0; y < (size_t)upright.height; y++) {
            for (size_t x = 0; x < (size_t)upright.width; x++, to += c) {
                size_t from_y = swap ? x : y, from_x = swap ? y : x;
                if (move & MIRROR_Y) from_y = h - 1 - from_y;
                if (move & MIRROR_X) from_x = w - 1 - from_x;
                memcpy(to, image->pixels + (from_y * w + from_x) * c, c);
            }
        }
        ayf_free(ctx, image->pixels);
    }
    *image = upright;
    return AYF_OK;
}

/* ---- Transparency ---- */

void ayf_image_flatten(ayf_image *image, uint8_t background) {
    size_t count = (size_t)image->height * (size_t)image->width, c = (size_t)image->channels - 1;
    uint8_t *to = image->pixels;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = image->pixels + i * (c + 1);
        unsigned alpha = from[c];
        for (size_t k = 0; k < c; k++)
            *to++ = (uint8_t)((alpha * from[k] + (255 - alpha) * background + 127) / 255);
    }
    image->channels = (int)c;
}
