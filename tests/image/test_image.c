/* Pictures: what is read, what is refused and how, writing, sheets, resizing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "image_fixture.h"
#include "io/file.h"
#include "image/image.h"
#include "test_context.h"

static ayf_context *open_context(void) {
    ayf_context *ctx = ayf_open(NULL);
    assert_non_null(ctx);
    return ctx;
}

static void expect_error(ayf_context *ctx, blob b, const char *part) {
    ayf_image image;
    assert_int_equal(ayf_image_decode(ctx, "dir/a.img", b.bytes, b.size, NULL, &image), AYF_E_FORMAT);
    assert_null(image.pixels);
    assert_non_null(strstr(ayf_error(ctx), "dir/a.img: "));
    if (!strstr(ayf_error(ctx), part)) fail_msg("'%s' lacks '%s'", ayf_error(ctx), part);
}

static void png_reads_grey_and_rgb(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            unsigned char *pixels = make_pixels(13, 9, channels);
            blob b = make_png(13, 9, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, 8, interlaced,
                              0, pixels);
            ayf_image image;
            assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, b.size, NULL, &image), AYF_OK);
            assert_int_equal(image.width, 13);
            assert_int_equal(image.height, 9);
            assert_int_equal(image.channels, channels);
            assert_memory_equal(image.pixels, pixels, (size_t)(13 * 9 * channels));
            ayf_image_clear(ctx, &image);
            assert_int_equal(ayf_image_probe(ctx, "a", b.bytes, b.size, NULL, &image), AYF_OK);
            assert_int_equal(image.width * 10 + image.channels, 130 + channels);
            assert_null(image.pixels);
            free(pixels);
            free(b.bytes);
        }
    }
    ayf_close(ctx);
}

static void png_expands_without_loss(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    ayf_image image;
    unsigned char bits[2] = {0xa0, 0x40}; /* 1 0 1 / 0 1 0 */
    blob b = make_png(3, 2, PNG_COLOR_TYPE_GRAY, 1, 0, 0, bits);
    assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, b.size, NULL, &image), AYF_OK);
    assert_int_equal(image.channels, 1);
    assert_memory_equal(image.pixels, ((uint8_t[]){255, 0, 255, 0, 255, 0}), 6);
    ayf_image_clear(ctx, &image);
    free(b.bytes);

    unsigned char indices[2] = {3, 200};
    b = make_png(2, 1, PNG_COLOR_TYPE_PALETTE, 8, 0, 0, indices);
    assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, b.size, NULL, &image), AYF_OK);
    assert_int_equal(image.channels, 3);
    assert_memory_equal(image.pixels, ((uint8_t[]){3, 252, 21, 200, 55, (uint8_t)1400}), 6);
    ayf_image_clear(ctx, &image);
    free(b.bytes);
    ayf_close(ctx);
}

static void jpeg_is_read_closely(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    for (int kind = 0; kind < 4; kind++) {
        int channels = kind & 1 ? 3 : 1;
        unsigned char *pixels = make_pixels(24, 17, 1);
        unsigned char *wide = malloc((size_t)(24 * 17 * channels));
        for (int i = 0; i < 24 * 17; i++)
            for (int c = 0; c < channels; c++) wide[i * channels + c] = pixels[i];
        blob b = make_jpeg(24, 17, channels, kind & 2, wide);
        ayf_image image;
        assert_int_equal(ayf_image_decode(ctx, "a", b.bytes, b.size, NULL, &image), AYF_OK);
        assert_int_equal(image.channels, channels);
        double worst = 0;
        for (int i = 0; i < 24 * 17 * channels; i++)
            worst = fmax(worst, fabs((double)image.pixels[i] - wide[i]));
        assert_true(worst < 30); /* the picture has one hard edge; smooth parts are far closer */
        ayf_image_clear(ctx, &image);
        free(b.bytes);
        free(wide);
        free(pixels);
    }
    ayf_close(ctx);
}

/* Every prefix of a file is an error: no half picture is ever taken for a whole one. */
static void truncation_is_found(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    unsigned char *pixels = make_pixels(16, 16, 3);
    blob files[3] = {make_png(16, 16, PNG_COLOR_TYPE_RGB, 8, 0, 0, pixels), make_jpeg(16, 16, 3, 0, pixels),
                     make_jpeg(16, 16, 3, 1, pixels)};
    for (int f = 0; f < 3; f++) {
        for (size_t size = 0; size < files[f].size; size++) {
            ayf_image image;
            assert_int_equal(ayf_image_decode(ctx, "a", files[f].bytes, size, NULL, &image), AYF_E_FORMAT);
            assert_null(image.pixels);
        }
        free(files[f].bytes);
    }
    free(pixels);
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
}

/* A header that promises more than the file can hold is refused before memory is taken for the pixels. */
static void bombs_are_refused(void **state) {
    (void)state;
    test_memory memory = {0};
    ayf_context *ctx = test_open(&memory);
    unsigned char zeros[48] = {0};
    blob b = make_png(4, 4, PNG_COLOR_TYPE_RGB, 8, 0, 0, zeros);
    unsigned char *size = b.bytes + 16;
    size[2] = 0x1f; /* width 0x1f04 */
    size[6] = 0x1f;
    uint32_t crc = (uint32_t)crc32(0, b.bytes + 12, 17);
    for (int i = 0; i < 4; i++) b.bytes[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    expect_error(ctx, b, "cannot hold");
    size[1] = 0x10; /* far beyond the largest side */
    crc = (uint32_t)crc32(0, b.bytes + 12, 17);
    for (int i = 0; i < 4; i++) b.bytes[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    expect_error(ctx, b, "more than are read (16384 a side");
    free(b.bytes);

    unsigned char *pixels = make_pixels(8, 8, 1);
    b = make_jpeg(8, 8, 1, 0, pixels);
    free(pixels);
    for (size_t i = 0; i + 8 < b.size; i++)
        if (b.bytes[i] == 0xff && b.bytes[i + 1] == 0xc0) memset(b.bytes + i + 5, 0x1f, 4);
    expect_error(ctx, b, "cannot hold");
    free(b.bytes);
    ayf_close(ctx);
}

static void memory_failures_are_clean(void **state) {
    (void)state;
    unsigned char *pixels = make_pixels(12, 12, 3);
    blob b = make_png(12, 12, PNG_COLOR_TYPE_RGB, 8, 1, 0, pixels);
    long steps = 0;
    for (;; steps++) {
        test_memory memory = {0};
        ayf_context *ctx = test_open(&memory);
        memory.fail_at = memory.calls + steps + 1;
        ayf_image image = {0};
        const ayf_image_text text = {"ayf", "x"};
        ayf_status status = ayf_image_decode(ctx, "a", b.bytes, b.size, NULL, &image);
        if (status == AYF_OK) status = ayf_image_write_png(ctx, "/dev/null", &image, &text, 1);
        if (status == AYF_OK) status = ayf_image_to_square(ctx, &image, 5, AYF_RESIZE_DHARIWAL);
        assert_true(status == AYF_OK || status == AYF_E_MEMORY);
        ayf_image_clear(ctx, &image);
        assert_int_equal(memory.held, 1);
        ayf_close(ctx);
        if (status == AYF_OK) break;
    }
    assert_true(steps > 8);
    free(b.bytes);
    free(pixels);
}

static void png_is_written_with_text(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    char folder[] = "/tmp/ayf-test-image-XXXXXX", path[80], link[96];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    ayf_image image;
    assert_int_equal(ayf_image_init(ctx, &image, 5, 7, 3), AYF_OK);
    for (size_t i = 0; i < ayf_image_bytes(&image); i++) image.pixels[i] = (uint8_t)(i * 11);
    const ayf_image_text texts[] = {{"ayf", "{\"steps\": 2}"},
                                    {"Title", "Gr\xc3\xbc\xc3\x9f"
                                              "e"}};
    assert_int_equal(ayf_image_write_png(ctx, path, &image, texts, 2), AYF_OK);

    void *bytes;
    size_t size;
    ayf_image again;
    assert_int_equal(ayf_file_read(ctx, path, 1 << 20, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_image_decode(ctx, path, bytes, size, NULL, &again), AYF_OK);
    assert_memory_equal(again.pixels, image.pixels, ayf_image_bytes(&image));
    ayf_image_clear(ctx, &again);
    ayf_free(ctx, bytes);

    char *value;
    assert_int_equal(ayf_image_read_text(ctx, path, "ayf", &value), AYF_OK);
    assert_string_equal(value, "{\"steps\": 2}");
    ayf_free(ctx, value);
    assert_int_equal(ayf_image_read_text(ctx, path, "Title", &value), AYF_OK);
    assert_string_equal(value, "Gr\xc3\xbc\xc3\x9f"
                               "e");
    ayf_free(ctx, value);
    assert_int_equal(ayf_image_read_text(ctx, path, "nothing", &value), AYF_OK);
    assert_null(value);

    /* One file in the folder: no temporary one is left, whether writing works or not. */
    snprintf(link, sizeof link, "%s/missing/a.png", folder);
    assert_int_equal(ayf_image_write_png(ctx, link, &image, NULL, 0), AYF_E_IO);
    assert_non_null(strstr(ayf_error(ctx), "missing/a.png"));
    DIR *handle = opendir(folder);
    int files = 0;
    for (struct dirent *item; (item = readdir(handle));) files += item->d_name[0] != '.';
    closedir(handle);
    assert_int_equal(files, 1);
    image.channels = 2;
    assert_int_equal(ayf_image_write_png(ctx, path, &image, NULL, 0), AYF_E_USAGE);
    image.channels = 3;
    ayf_image_clear(ctx, &image);
    unlink(path);
    rmdir(folder);
    ayf_close(ctx);
}

static void bytes_and_floats_agree(void **state) {
    (void)state;
    const float in[] = {-1, 1, 0, -2, 3, NAN, -INFINITY, INFINITY, 0.00393f, -0.99999f};
    uint8_t out[10];
    ayf_image_quantise(in, out, 10);
    assert_memory_equal(out, ((uint8_t[]){0, 255, 128, 0, 255, 0, 0, 255, 128, 0}), 10);
    for (int i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i, back;
        float value;
        ayf_image_dequantise(&byte, &value, 1);
        assert_true(fabsf(value - ((float)i / 127.5f - 1)) < 1e-7f);
        ayf_image_quantise(&value, &back, 1);
        assert_int_equal(back, i);
    }
}

static void sheet_places_every_cell(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    float images[3][2][3][1];
    for (int k = 0; k < 3; k++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 3; x++) images[k][y][x][0] = (float)(k * 60 + y * 20 + x * 5) / 127.5f - 1;
    ayf_image sheet;
    assert_int_equal(ayf_image_grid(ctx, &images[0][0][0][0], 3, 2, 2, 2, 3, 1, 1, 250, &sheet), AYF_OK);
    assert_int_equal(sheet.height, 7);
    assert_int_equal(sheet.width, 9);
    for (int y = 0; y < 7; y++) {
        for (int x = 0; x < 9; x++) {
            int expected = 250, row = (y - 1) / 3, column = (x - 1) / 4, dy = (y - 1) % 3, dx = (x - 1) % 4;
            if (y > 0 && x > 0 && dy < 2 && dx < 3 && row * 2 + column < 3)
                expected = (row * 2 + column) * 60 + dy * 20 + dx * 5;
            assert_int_equal(sheet.pixels[y * 9 + x], expected);
        }
    }
    ayf_image_clear(ctx, &sheet);
    assert_int_equal(ayf_image_grid(ctx, &images[0][0][0][0], 3, 99999, 99999, 2, 3, 1, 1, 0, &sheet),
                     AYF_E_USAGE);
    assert_int_equal(ayf_image_grid(ctx, &images[0][0][0][0], 3, 1, 3, 2, 3, 2, 1, 0, &sheet), AYF_E_USAGE);
    ayf_close(ctx);
}

static void crop_channels_and_box(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    ayf_image image;
    assert_int_equal(ayf_image_init(ctx, &image, 2, 5, 1), AYF_OK);
    memcpy(image.pixels, ((uint8_t[]){1, 10, 21, 3, 4, 5, 30, 40, 8, 9}), 10);
    ayf_image_crop_square(&image);
    assert_int_equal(image.width, 2);
    assert_memory_equal(image.pixels, ((uint8_t[]){10, 21, 30, 40}), 4);
    assert_int_equal(ayf_image_set_channels(ctx, &image, 3), AYF_OK);
    assert_memory_equal(image.pixels, ((uint8_t[]){10, 10, 10, 21, 21, 21}), 6);
    assert_int_equal(ayf_image_resize(ctx, &image, 1, 1, AYF_RESIZE_BOX), AYF_OK);
    assert_memory_equal(image.pixels, ((uint8_t[]){25, 25, 25}), 3); /* 101 / 4 = 25.25 */
    memcpy(image.pixels, ((uint8_t[]){255, 0, 0}), 3);
    assert_int_equal(ayf_image_set_channels(ctx, &image, 1), AYF_OK);
    assert_int_equal(image.pixels[0], 76); /* 0.299 * 255 = 76.2 */
    ayf_image_clear(ctx, &image);
    ayf_close(ctx);
}

static double kernel(double x) {
    if (x == 0) return 1;
    if (fabs(x) >= 3) return 0;
    return 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x);
}

/* The separable filter against the plain double sum over both axes. */
static void lanczos_is_the_double_sum(void **state) {
    (void)state;
    ayf_context *ctx = open_context();
    const int sizes[][4] = {{20, 30, 7, 11}, {8, 8, 19, 13}, {50, 33, 9, 32}, {5, 1, 3, 4}};
    for (size_t k = 0; k < AYF_COUNT(sizes); k++) {
        int in_h = sizes[k][0], in_w = sizes[k][1], out_h = sizes[k][2], out_w = sizes[k][3];
        ayf_image image;
        assert_int_equal(ayf_image_init(ctx, &image, in_h, in_w, 1), AYF_OK);
        for (int i = 0; i < in_h * in_w; i++) image.pixels[i] = (uint8_t)((unsigned)i * 2654435761u >> 24);
        uint8_t *in = malloc((size_t)(in_h * in_w));
        memcpy(in, image.pixels, (size_t)(in_h * in_w));
        assert_int_equal(ayf_image_resize(ctx, &image, out_h, out_w, AYF_RESIZE_BOX), AYF_OK);
        double sy = fmax(1, (double)in_h / out_h), sx = fmax(1, (double)in_w / out_w);
        for (int y = 0; y < out_h; y++) {
            for (int x = 0; x < out_w; x++) {
                double sum = 0, weight = 0;
                for (int i = 0; i < in_h; i++) {
                    for (int j = 0; j < in_w; j++) {
                        double w = kernel((i + 0.5 - (y + 0.5) * in_h / out_h) / sy) *
                                   kernel((j + 0.5 - (x + 0.5) * in_w / out_w) / sx);
                        sum += w * in[i * in_w + j];
                        weight += w;
                    }
                }
                double expected = fmin(255, fmax(0, sum / weight));
                assert_true(fabs(expected - image.pixels[y * out_w + x]) < 0.51);
            }
        }
        free(in);
        ayf_image_clear(ctx, &image);
    }
    ayf_close(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_reads_grey_and_rgb),    cmocka_unit_test(png_expands_without_loss),
        cmocka_unit_test(jpeg_is_read_closely),      cmocka_unit_test(truncation_is_found),
        cmocka_unit_test(bombs_are_refused),         cmocka_unit_test(memory_failures_are_clean),
        cmocka_unit_test(png_is_written_with_text),  cmocka_unit_test(bytes_and_floats_agree),
        cmocka_unit_test(sheet_places_every_cell),   cmocka_unit_test(crop_channels_and_box),
        cmocka_unit_test(lanczos_is_the_double_sum),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
