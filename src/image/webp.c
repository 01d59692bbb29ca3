#include <string.h>

#include <webp/decode.h>

#include "image/codec.h"

/* libwebp gets its memory from malloc: it offers no hook. */

static uint32_t little_endian(const unsigned char *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Of the EXIF chunk of the container, which comes before or behind the pixels. */
static int orientation_of(const ayf_image_file *file) {
    enum { HEADER = 12, CHUNK = 8 };
    for (size_t at = HEADER; file->size - at >= CHUNK;) {
        const unsigned char *chunk = file->bytes + at;
        size_t length = little_endian(chunk + 4), left = file->size - at - CHUNK;
        if (length > left) break;
        if (memcmp(chunk, "EXIF", 4) == 0) {
            /* Some writers put the header of JPEG's marker before it. */
            size_t skip = length >= 6 && memcmp(chunk + CHUNK, "Exif\0\0", 6) == 0 ? 6 : 0;
            return ayf_exif_orientation(chunk + CHUNK + skip, length - skip);
        }
        length += length & 1;
        if (length > left) break;
        at += CHUNK + length;
    }
    return 1;
}

static ayf_status bad(ayf_context *ctx, const ayf_image_file *file, VP8StatusCode code) {
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while reading the WebP", file->name);
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: %s WebP", file->name,
                    code == VP8_STATUS_NOT_ENOUGH_DATA ? "truncated" : "damaged");
}

static ayf_status read_pixels(ayf_context *ctx, const ayf_image_file *file, WebPDecoderConfig *config,
                              ayf_image *image) {
    bool alpha = config->input.has_alpha;
    AYF_TRY(ayf_image_init(ctx, image, config->input.height, config->input.width, alpha ? 4 : 3));
    config->output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA =
        (WebPRGBABuffer){image->pixels, image->width * image->channels, ayf_image_bytes(image)};
    VP8StatusCode code = WebPDecode(file->bytes, file->size, config);
    WebPFreeDecBuffer(&config->output);
    if (code != VP8_STATUS_OK) {
        ayf_image_clear(ctx, image);
        return bad(ctx, file, code);
    }
    if (alpha) ayf_image_flatten(image, file->background);
    return AYF_OK;
}

ayf_status ayf_webp_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image) {
    WebPDecoderConfig config;
    *image = (ayf_image){0};
    if (!WebPInitDecoderConfig(&config))
        return ayf_fail(ctx, AYF_E_INTERNAL, "%s: the WebP library is of another version than its header",
                        file->name);
    VP8StatusCode code = WebPGetFeatures(file->bytes, file->size, &config.input);
    if (code != VP8_STATUS_OK) return bad(ctx, file, code);
    if (config.input.has_animation)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: is an animated WebP, which is not read; save its frames as PNG "
                        "(ImageMagick: magick FILE frame-%%06d.png)",
                        file->name);
    AYF_TRY(ayf_image_check_size(ctx, file->name, (uint64_t)config.input.height, (uint64_t)config.input.width,
                                 file->size, AYF_IMAGE_MAX_PIXELS));
    file->orientation = orientation_of(file);
    if (!file->header_only) AYF_TRY(read_pixels(ctx, file, &config, image));
    image->height = config.input.height;
    image->width = config.input.width;
    image->channels = 3;
    image->format = AYF_IMAGE_WEBP;
    image->traits = config.input.has_alpha ? AYF_IMAGE_ALPHA : 0;
    return AYF_OK;
}
