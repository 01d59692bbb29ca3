/* Whatever bytes come in: an error, or a picture whose every pixel can be used. PNG checksums are repaired
 * after each mutation: otherwise hardly an input would get past them. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed) {
    size = LLVMFuzzerMutate(bytes, size, capacity);
    if (seed % 8 == 0 || size < 8 || bytes[0] != 0x89) return size;
    for (size_t at = 8; size - at >= 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                        bytes[at + 3];
        if (length > size - at - 12) break;
        unsigned long crc = crc32(0, bytes + at + 4, (unsigned)length + 4);
        for (size_t i = 0; i < 4; i++) bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = ayf_open(NULL);
    ayf_image header, image;
    ayf_status probed = ayf_image_probe(ctx, "input", bytes, size, NULL, &header);
    ayf_status decoded = ayf_image_decode(ctx, "input", bytes, size, NULL, &image);
    if (decoded == AYF_OK) {
        if (probed != AYF_OK || header.height != image.height || header.width != image.width ||
            header.channels != image.channels)
            abort();
        unsigned sum = 0;
        for (size_t i = 0; i < ayf_image_bytes(&image); i++) sum += image.pixels[i];
        ayf_image_crop_square(&image);
        if (image.height < 600 && ayf_image_resize(ctx, &image, 1 + (int)(sum % 40), 1 + (int)(sum % 37),
                                                   (ayf_resize)(sum % 3)) != AYF_OK)
            abort();
        if (ayf_image_set_channels(ctx, &image, sum & 1 ? 3 : 1) != AYF_OK) abort();
    } else if (image.pixels) {
        abort();
    }
    ayf_image_clear(ctx, &image);
    ayf_close(ctx);
    return 0;
}
