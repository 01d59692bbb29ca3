/* Pictures of every kind: what they are converted to, which are refused and with which words, resizing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <webp/encode.h>

#include "image/image.h"
#include "image_fixture.h"
#include "test_context.h"

enum { WIDE = 5, HIGH = 3 };

static ayf_context *open_context(void) {
    ayf_context *ctx = ayf_open(NULL);
    assert_non_null(ctx);
    return ctx;
}

/* Decodes, compares header and pixels, and frees the file. */
static ayf_image read_blob(ayf_context *ctx, blob b, int background) {
    ayf_image image, header;
    ayf_image_reading how = {background ? AYF_BACKGROUND_WHITE : AYF_BACKGROUND_BLACK, false};
    ayf_status status = ayf_image_decode(ctx, "a", b.bytes, b.size, &how, &image);
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_int_equal(ayf_image_probe(ctx, "a", b.bytes, b.size, &how, &header), AYF_OK);
    assert_null(header.pixels);
    assert_int_equal(header.height, image.height);
    assert_int_equal(header.width, image.width);
    assert_int_equal(header.channels, image.channels);
    assert_int_equal(header.traits, image.traits);
    free(b.bytes);
    return image;
}

static void expect_error(ayf_context *ctx, const void *bytes, size_t size, const char *part) {
    ayf_image image;
    assert_int_equal(ayf_image_decode(ctx, "dir/a.img", bytes, size, NULL, &image), AYF_E_FORMAT);
    assert_null(image.pixels);
    assert_ptr_equal(strstr(ayf_error(ctx), "dir/a.img: "), ayf_error(ctx));
    if (!strstr(ayf_error(ctx), part)) fail_msg("'%s' lacks '%s'", ayf_error(ctx), part);
}

static int over(int value, int alpha, int background) {
    return (int)((alpha * value + (255 - alpha) * background) / 255.0 + 0.5);
}

/* ---- PNG ---- */

static void transparency_is_laid_over_the_background(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    unsigned char pixels[HIGH * WIDE * 4];
    for (int i = 0; i < HIGH * WIDE * 4; i++) pixels[i] = (unsigned char)(i * 53 + i / 7);
    for (int kind = 0; kind < 8; kind++) {
        int colours = kind & 1 ? 3 : 1, background = kind & 2 ? 255 : 0, interlaced = kind >> 2;
        blob b = make_png(WIDE, HIGH, colours == 3 ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_GRAY_ALPHA, 8,
                          interlaced, 0, pixels);
        ayf_image image = read_blob(ctx, b, background);
        assert_int_equal(image.channels, colours);
        assert_int_equal(image.traits, AYF_IMAGE_ALPHA);
        for (int i = 0; i < HIGH * WIDE; i++) {
            const unsigned char *p = pixels + i * (colours + 1);
            for (int c = 0; c < colours; c++)
                assert_int_equal(image.pixels[i * colours + c], over(p[c], p[colours], background));
        }
        ayf_image_clear(ctx, &image);
    }
    ayf_close(ctx);
}

static void palettes_and_transparent_colours(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    for (int depth = 1; depth <= 8; depth *= 2) { /* number 0 of the palette has alpha 9 */
        unsigned char rows[2] = {(unsigned char)(0x1b << (depth == 8 ? 1 : 0)), 0};
        blob b = make_png(2, 1, PNG_COLOR_TYPE_PALETTE, depth, 0, 1, rows);
        ayf_image image = read_blob(ctx, b, 0);
        assert_int_equal(image.channels, 3);
        assert_int_equal(image.traits, AYF_IMAGE_ALPHA | AYF_IMAGE_PALETTE);
        for (int i = 0; i < 2; i++) {
            int number = depth == 8 ? rows[i] : rows[0] >> (8 - depth * (i + 1)) & ((1 << depth) - 1);
            int alpha = number == 0 ? 9 : 255;
            assert_int_equal(image.pixels[3 * i], over(number, alpha, 0));
            assert_int_equal(image.pixels[3 * i + 1], over(255 - number, alpha, 0));
            assert_int_equal(image.pixels[3 * i + 2], over(7 * number & 255, alpha, 0));
        }
        ayf_image_clear(ctx, &image);
    }
    unsigned char grey[3] = {3, 4, 5}, colour[6] = {1, 2, 3, 1, 2, 4}; /* the fixture's key: (1, 2, 3), 4 */
    ayf_image image = read_blob(ctx, make_png(3, 1, PNG_COLOR_TYPE_GRAY, 8, 0, 1, grey), 255);
    assert_memory_equal(image.pixels, ((uint8_t[]){3, 255, 5}), 3);
    ayf_image_clear(ctx, &image);
    image = read_blob(ctx, make_png(2, 1, PNG_COLOR_TYPE_RGB, 8, 0, 1, colour), 255);
    assert_memory_equal(image.pixels, ((uint8_t[]){255, 255, 255, 1, 2, 4}), 6);
    ayf_image_clear(ctx, &image);
    ayf_close(ctx);
}

static void sixteen_bits_keep_the_upper_eight(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    static const int types[4][2] = {{PNG_COLOR_TYPE_GRAY, 1},
                                    {PNG_COLOR_TYPE_RGB, 3},
                                    {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                                    {PNG_COLOR_TYPE_RGBA, 4}};
    unsigned char pixels[HIGH * WIDE * 8];
    for (int k = 0; k < 4; k++) {
        int stored = types[k][1], colours = stored > 2 ? 3 : 1;
        for (int i = 0; i < HIGH * WIDE * 8; i++) pixels[i] = (unsigned char)(i * 151 + i / 3);
        ayf_image image = read_blob(ctx, make_png(WIDE, HIGH, types[k][0], 16, 0, 0, pixels), 255);
        assert_int_equal(image.channels, colours);
        assert_true(image.traits & AYF_IMAGE_DEEP);
        for (int i = 0; i < HIGH * WIDE; i++) {
            const unsigned char *p = pixels + i * stored * 2;
            int alpha = stored == colours ? 255 : p[2 * colours];
            for (int c = 0; c < colours; c++)
                assert_int_equal(image.pixels[i * colours + c], over(p[2 * c], alpha, 255));
        }
        ayf_image_clear(ctx, &image);
    }
    ayf_close(ctx);
}

/* ---- JPEG ---- */

/* Smooth colours survive the compression to a few levels. */
static void cmyk_becomes_rgb(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    for (int progressive = 0; progressive < 2; progressive++) {
        unsigned char *ink = make_pixels(16, 16, 4);
        for (int i = 0; i < 16 * 16; i++)
            for (int c = 0; c < 4; c++) ink[4 * i + c] = (unsigned char)(60 + 30 * c + i / 16 * 4);
        ayf_image image = read_blob(ctx, make_jpeg(16, 16, 4, progressive, ink), 255);
        assert_int_equal(image.channels, 3);
        assert_int_equal(image.traits, AYF_IMAGE_CMYK);
        for (int i = 0; i < 16 * 16; i++)
            for (int c = 0; c < 3; c++)
                assert_in_range(image.pixels[3 * i + c] + 3 - ink[4 * i + c] * ink[4 * i + 3] / 255, 0, 6);
        ayf_image_clear(ctx, &image);
        free(ink);
    }
    ayf_close(ctx);
}

/* ---- Orientation ---- */

/* EXIF data with an entry before the orientation. */
static size_t make_exif(int orientation, bool big_endian, unsigned char out[64]) {
    static const unsigned char start[2][8] = {{'I', 'I', 42, 0, 8, 0, 0, 0}, {'M', 'M', 0, 42, 0, 0, 0, 8}};
    const unsigned entries[2][4] = {{0x100, 3, 1, 77}, {0x112, 3, 1, (unsigned)orientation}};
    size_t at = 8;
    memset(out, 0, 64);
    memcpy(out, start[big_endian], 8);
#define PUT(value, bytes)                                                                                    \
    for (int i_ = 0; i_ < (bytes); i_++)                                                                     \
    out[at + (size_t)(big_endian ? (bytes)-1 - i_ : i_)] = (unsigned char)((value) >> (8 * i_))
    PUT(2u, 2);
    at += 2;
    for (int e = 0; e < 2; e++) {
        PUT(entries[e][0], 2);
        at += 2;
        PUT(entries[e][1], 2);
        at += 2;
        PUT(entries[e][2], 4);
        at += 4;
        PUT(entries[e][3], 2);
        at += 4;
    }
#undef PUT
    return at + 4;
}

static blob insert(blob b, size_t at, const unsigned char *bytes, size_t size) {
    blob out = {malloc(b.size + size), b.size + size};
    memcpy(out.bytes, b.bytes, at);
    memcpy(out.bytes + at, bytes, size);
    memcpy(out.bytes + at + size, b.bytes + at, b.size - at);
    free(b.bytes);
    return out;
}

static blob with_exif_png(blob b, const unsigned char *exif, size_t size, bool behind) {
    unsigned char chunk[96] = {0, 0, 0, (unsigned char)size, 'e', 'X', 'I', 'f'};
    memcpy(chunk + 8, exif, size);
    uint32_t crc = (uint32_t)crc32(0, chunk + 4, (unsigned)size + 4);
    for (int i = 0; i < 4; i++) chunk[8 + size + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    return insert(b, behind ? b.size - 12 : 33, chunk, size + 12);
}

static blob with_exif_jpeg(blob b, const unsigned char *exif, size_t size) {
    unsigned char marker[96] = {0xff, 0xe1, 0, (unsigned char)(size + 8), 'E', 'x', 'i', 'f', 0, 0};
    memcpy(marker + 10, exif, size);
    return insert(b, 2, marker, size + 10);
}

/* Where EXIF says the pixel of row y and column x comes from. */
static void source_of(int orientation, int y, int x, int *from_y, int *from_x) {
    const int ends[9][2] = {{0, 0},
                            {y, x},
                            {y, WIDE - 1 - x},
                            {HIGH - 1 - y, WIDE - 1 - x},
                            {HIGH - 1 - y, x},
                            {x, y},
                            {HIGH - 1 - x, y},
                            {HIGH - 1 - x, WIDE - 1 - y},
                            {x, WIDE - 1 - y}};
    *from_y = ends[orientation][0];
    *from_x = ends[orientation][1];
}

static void check_turned(ayf_image image, int orientation, const unsigned char *pixels) {
    bool swapped = orientation > 4 && orientation < 9;
    assert_int_equal(image.height, swapped ? WIDE : HIGH);
    assert_int_equal(image.width, swapped ? HIGH : WIDE);
    assert_int_equal(image.traits & AYF_IMAGE_TURNED,
                     orientation > 1 && orientation < 9 ? AYF_IMAGE_TURNED : 0);
    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            int from_y = y, from_x = x;
            if (orientation >= 1 && orientation <= 8) source_of(orientation, y, x, &from_y, &from_x);
            assert_memory_equal(image.pixels + (y * image.width + x) * 3,
                                pixels + (from_y * WIDE + from_x) * 3, 3);
        }
    }
}

static blob make_webp(const unsigned char *pixels) {
    blob b = {NULL, 0};
    uint8_t *bytes;
    b.size = WebPEncodeLosslessRGB(pixels, WIDE, HIGH, WIDE * 3, &bytes);
    b.bytes = malloc(b.size);
    memcpy(b.bytes, bytes, b.size);
    WebPFree(bytes);
    return b;
}

/* RIFF, the extended header, the pixels, the EXIF data. */
static blob with_exif_webp(blob b, const unsigned char *exif, size_t size) {
    unsigned char vp8x[18] = {'V', 'P', '8', 'X', 10, 0, 0, 0, 8, 0, 0, 0, WIDE - 1, 0, 0, HIGH - 1, 0, 0};
    unsigned char chunk[96] = {'E', 'X', 'I', 'F', (unsigned char)size};
    memcpy(chunk + 8, exif, size);
    b = insert(b, 12, vp8x, sizeof vp8x);
    b = insert(b, b.size, chunk, size + 8);
    for (int i = 0; i < 4; i++) b.bytes[4 + i] = (unsigned char)((b.size - 8) >> (8 * i));
    return b;
}

static void orientation_is_applied(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    unsigned char *pixels = make_pixels(WIDE, HIGH, 3), exif[64];
    for (int orientation = 0; orientation <= 9; orientation++) {
        for (int kind = 0; kind < 8; kind++) {
            size_t size = make_exif(orientation, kind & 1, exif);
            blob b = kind < 4 ? with_exif_png(make_png(WIDE, HIGH, PNG_COLOR_TYPE_RGB, 8, 0, 0, pixels), exif,
                                              size, kind & 2)
                              : with_exif_webp(make_webp(pixels), exif, size);
            ayf_image image = read_blob(ctx, b, 255);
            check_turned(image, orientation, pixels);
            ayf_image_clear(ctx, &image);
        }
        ayf_image plain = read_blob(ctx, make_jpeg(WIDE, HIGH, 3, 0, pixels), 255), image;
        size_t size = make_exif(orientation, true, exif);
        blob b = with_exif_jpeg(make_jpeg(WIDE, HIGH, 3, 0, pixels), exif, size);
        ayf_image_reading as_stored = {.as_stored = true};
        assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, b.size, &as_stored, &image), AYF_OK);
        check_turned(image, 1, plain.pixels);
        ayf_image_clear(ctx, &image);
        image = read_blob(ctx, b, 255);
        check_turned(image, orientation, plain.pixels);
        ayf_image_clear(ctx, &plain);
        ayf_image_clear(ctx, &image);
    }
    free(pixels);
    ayf_close(ctx);
}

/* EXIF data that lie or end early say nothing, and the picture is as it is stored. */
static void damaged_orientation_is_none(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    unsigned char *pixels = make_pixels(WIDE, HIGH, 3), exif[64];
    size_t whole = make_exif(6, false, exif);
    for (size_t at = 0; at < whole; at++) {
        for (int way = 0; way < 2; way++) {
            make_exif(6, false, exif);
            if (way) exif[at] = 0xff;
            blob b = with_exif_png(make_png(WIDE, HIGH, PNG_COLOR_TYPE_RGB, 8, 0, 0, pixels), exif,
                                   way ? whole : at + 1, false);
            ayf_image image = read_blob(ctx, b, 255);
            check_turned(image, image.height == HIGH ? 1 : 6, pixels);
            ayf_image_clear(ctx, &image);
        }
    }
    free(pixels);
    ayf_close(ctx);
}

/* ---- WebP ---- */

static void webp_is_read(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    unsigned char *pixels = make_pixels(WIDE, HIGH, 3), rgba[HIGH * WIDE * 4];
    blob b = make_webp(pixels);
    for (size_t size = 0; size < b.size; size++) {
        ayf_image image;
        assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, size, NULL, &image), AYF_E_FORMAT);
        assert_null(image.pixels);
    }
    ayf_image image = read_blob(ctx, b, 255);
    assert_int_equal(image.format, AYF_IMAGE_WEBP);
    assert_memory_equal(image.pixels, pixels, HIGH * WIDE * 3);
    ayf_image_clear(ctx, &image);
    for (int i = 0; i < HIGH * WIDE; i++) {
        memcpy(rgba + 4 * i, pixels + 3 * i, 3);
        rgba[4 * i + 3] = (unsigned char)(i * 17 + 9); /* at 0 the encoder may change the colour */
    }
    uint8_t *bytes;
    size_t size = WebPEncodeLosslessRGBA(rgba, WIDE, HIGH, WIDE * 4, &bytes);
    assert_int_equal(ayf_image_decode(ctx, "a", bytes, size, NULL, &image), AYF_OK);
    assert_int_equal(image.traits, AYF_IMAGE_ALPHA);
    for (int i = 0; i < HIGH * WIDE; i++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(image.pixels[3 * i + c], over(rgba[4 * i + c], rgba[4 * i + 3], 255));
    ayf_image_clear(ctx, &image);
    WebPFree(bytes);
    free(pixels);
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
}

/* Headers of 16383 x 16383 and of 2^31 pixels a side, without the pixels. */
static void bombs_are_refused(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    unsigned char webp[64] = {'R', 'I', 'F', 'F', 56, 0, 0, 0,    'W',  'E',  'B',  'P', 'V',
                              'P', '8', 'L', 44,  0,  0, 0, 0x2f, 0xff, 0xff, 0xff, 0x0f};
    expect_error(ctx, webp, sizeof webp, "more than are read");
    unsigned char jpeg[64] = {0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xff, 0, 0xff, 0,    1, 1,
                              0x11, 0,    0xff, 0xda, 0, 8,  1, 1,    0, 0,    0x3f, 0};
    expect_error(ctx, jpeg, sizeof jpeg, "more than are read");
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
}

/* ---- Others ---- */

static void others_are_called_by_their_names(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    static const struct {
        const char *bytes;
        size_t size;
        const char *name, *way_out;
    } files[] = {
        {"GIF89a\1\0\1\0", 10, "GIF", "convert"},
        {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14, "BMP", "convert"},
        {"II*\0\x08\0\0\0", 8, "TIFF", "convert"},
        {"MM\0*\0\0\0\x08", 8, "TIFF", "convert"},
        {"\0\0\0\x1c"
         "ftypavif\0\0\0\0",
         16, "AVIF", "convert"},
        {"\0\0\0\x18"
         "ftypheic\0\0\0\0",
         16, "HEIC", "heif-convert"},
        {"\xff\x0a\0\0", 4, "JPEG XL", "djxl"},
        {"\0\0\0\x0cJXL \r\n\x87\n", 12, "JPEG XL", "djxl"},
        {"<?xml version='1.0'?>\n<svg width='3'></svg>", 44, "SVG", "rsvg-convert"},
        {"%PDF-1.7\n", 9, "PDF", "pdftoppm"},
        {"\r\n<!DOCTYPE HTML><head>", 24, "web page", "download"},
        {"\xef\xbb\xbf<html>404", 12, "web page", "download"},
        {"<Error><Code>AccessDenied</Code></Error>", 40, "XML", "download"},
        {"", 0, "empty", "again"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "zeros", "again"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS pointer", "git lfs pull"},
        {"{\"error\": \"no such file\"}", 25, "text", "remove"},
        {"PK\3\4\x14\0\0\0", 8, "ZIP", "unpack"},
        {"\x93NUMPY\1\0", 8, "NumPy", "PNG"},
        {"\x89PNG\n\x1a\n", 7, "damaged", "copy"},
        {"P6 2 2 255\n", 11, "PPM", "convert"},
        {"PAR1\x15\4\x15", 7, "a Parquet file, not a picture", "convert or remove"},
        {"\x80\4\x95\1\2\3\0\0", 8, "a Python pickle", "not a picture"},
        {"\x1f\x8b\x08\0\0\0\0\0", 8, "gzip", "gunzip"},
        {"\0\5\x16\7\0\2\0\0", 8, "resource fork of macOS", "remove it"},
        {"just words", 10, "is text, not a picture", "remove"},
        {"\1\2\3\4", 4, "none of PNG, JPEG and WebP", "convert"},
    };
    for (size_t i = 0; i < AYF_COUNT(files); i++) {
        expect_error(ctx, files[i].bytes, files[i].size, files[i].name);
        expect_error(ctx, files[i].bytes, files[i].size, files[i].way_out);
    }
    ayf_close(ctx);
}

/* ---- Resizing ---- */

/* Made with Pillow 13.0: EDM2's center_crop and center_crop_imagenet of the picture
 * (37 y + 23 x + 91 c + 5 x y) mod 256, 14 x 11 pixels. */
static void resizing_is_pillows(void **state) {
    (void)state;
    static const uint8_t small[] = {96,  163, 120, 150, 128, 103, 123, 127, 130, 139, 117, 136,
                                    151, 105, 142, 106, 116, 147, 125, 140, 116, 123, 135, 135,
                                    109, 125, 164, 142, 113, 123, 116, 141, 118, 133, 134, 149,
                                    126, 106, 105, 129, 163, 117, 125, 127, 124, 127, 134, 120};
    static const uint8_t large[] = {203, 10,  122, 230, 63, 151, 73,  107, 196, 13,  146, 249, 99,
                                    173, 163, 128, 189, 13, 168, 220, 90,  166, 42,  138, 228, 27,
                                    176, 107, 108, 176, 0,  164, 223, 86,  186, 186, 139, 182, 18};
    static const uint8_t dhariwal[] = {113, 152, 114, 148, 152, 93,  133, 115, 130, 146, 106, 146,
                                       146, 98,  150, 108, 111, 146, 108, 155, 99,  142, 129, 125,
                                       133, 104, 139, 131, 140, 119, 119, 137, 123, 128, 150, 145,
                                       114, 117, 116, 136, 171, 118, 112, 106, 129, 128, 142, 120};
    static const struct {
        int side;
        ayf_resize how;
        int row;
        size_t count;
        const uint8_t *expected;
    } cases[] = {{4, AYF_RESIZE_LANCZOS, 0, sizeof small, small},
                 {13, AYF_RESIZE_LANCZOS, 5, sizeof large, large},
                 {4, AYF_RESIZE_DHARIWAL, 0, sizeof dhariwal, dhariwal}};
    ayf_context *ctx = open_context();
    for (size_t k = 0; k < AYF_COUNT(cases); k++) {
        ayf_image image;
        assert_int_equal(ayf_image_init(ctx, &image, 11, 14, 3), AYF_OK);
        for (int y = 0; y < 11; y++)
            for (int x = 0; x < 14; x++)
                for (int c = 0; c < 3; c++)
                    image.pixels[(y * 14 + x) * 3 + c] = (uint8_t)(y * 37 + x * 23 + c * 91 + x * y * 5);
        assert_int_equal(ayf_image_to_square(ctx, &image, cases[k].side, cases[k].how), AYF_OK);
        assert_int_equal(image.height, cases[k].side);
        assert_int_equal(image.width, cases[k].side);
        assert_memory_equal(image.pixels + cases[k].row * cases[k].side * 3, cases[k].expected,
                            cases[k].count);
        ayf_image_clear(ctx, &image);
    }
    ayf_close(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transparency_is_laid_over_the_background),
        cmocka_unit_test(palettes_and_transparent_colours),
        cmocka_unit_test(sixteen_bits_keep_the_upper_eight),
        cmocka_unit_test(cmyk_becomes_rgb),
        cmocka_unit_test(orientation_is_applied),
        cmocka_unit_test(damaged_orientation_is_none),
        cmocka_unit_test(webp_is_read),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(others_are_called_by_their_names),
        cmocka_unit_test(resizing_is_pillows),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
