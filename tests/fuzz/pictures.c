/* Pictures and what holds them: PNG, JPEG, WebP, IDX, CIFAR and ZIP. */
#include "fuzz.h"

#include <string.h>
#include <webp/encode.h>

#include "../support/dataset_fixture.h"
#include "../support/font_fixture.h"
#include "data/font.h"
#include "data/source.h"
#include "io/gzip.h"

/* ---- A picture: an error, or one whose every pixel can be used ---- */

static void use_pixels(ayf_context *ctx, ayf_image *image) {
    unsigned sum = 0;
    for (size_t i = 0; i < ayf_image_bytes(image); i++) sum += image->pixels[i];
    ayf_image_crop_square(image);
    if (image->height < 600)
        FUZZ_CHECK(ayf_image_resize(ctx, image, 1 + (int)(sum % 40), 1 + (int)(sum % 37),
                                    (ayf_resize)(sum % 2 ? AYF_RESIZE_LANCZOS : AYF_RESIZE_BOX)) == AYF_OK);
    FUZZ_CHECK(ayf_image_set_channels(ctx, image, sum & 1 ? 3 : 1) == AYF_OK);
}

void fuzz_pictures(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size + (1 << 20));
    ayf_image header, image;
    ayf_status probed = ayf_image_probe(ctx, "input", bytes, size, NULL, &header);
    ayf_status decoded = ayf_image_decode(ctx, "input", bytes, size, NULL, &image);
    if (decoded == AYF_OK) {
        FUZZ_CHECK(probed == AYF_OK && header.height == image.height && header.width == image.width &&
                   header.channels == image.channels);
        use_pixels(ctx, &image);
    } else {
        FUZZ_CHECK(!image.pixels);
    }
    ayf_image_clear(ctx, &image);
    /* The text of a PNG is read without its pixels. */
    char *value = NULL;
    ayf_image_read_text(ctx, fuzz_file("picture", bytes, size), "ayf", &value);
    ayf_free(ctx, value);
    fuzz_close(ctx);
}

static void seed_blob(const char *name, blob b) {
    fuzz_seed(name, b.bytes, b.size);
    free(b.bytes);
}

static void seed_webp(const char *name, const unsigned char *pixels, bool lossless) {
    uint8_t *bytes;
    size_t size = lossless ? WebPEncodeLosslessRGBA(pixels, 9, 7, 36, &bytes)
                           : WebPEncodeRGBA(pixels, 9, 7, 36, 80, &bytes);
    fuzz_seed(name, bytes, size);
    WebPFree(bytes);
}

/* A JPEG with an EXIF orientation behind its first marker. */
static void seed_turned(const char *name, blob b) {
    static const unsigned char exif[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
                                         42,   0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
                                         1,    0,    0, 0,  6,   0,   0,   0,   0,    0, 0,   0};
    unsigned char *all = malloc(b.size + sizeof exif);
    memcpy(all, b.bytes, 2);
    memcpy(all + 2, exif, sizeof exif);
    memcpy(all + 2 + sizeof exif, b.bytes + 2, b.size - 2);
    fuzz_seed(name, all, b.size + sizeof exif);
    free(all);
    free(b.bytes);
}

void fuzz_pictures_seeds(void) {
    unsigned char *p = make_pixels(9, 7, 8);
    seed_blob("grey.png", make_png(9, 7, PNG_COLOR_TYPE_GRAY, 8, 0, 0, p));
    seed_blob("bits.png", make_png(9, 7, PNG_COLOR_TYPE_GRAY, 2, 1, 0, p));
    seed_blob("rgb.png", make_png(9, 7, PNG_COLOR_TYPE_RGB, 8, 1, 0, p));
    seed_blob("palette.png", make_png(9, 7, PNG_COLOR_TYPE_PALETTE, 4, 0, 0, p));
    seed_blob("key.png", make_png(9, 7, PNG_COLOR_TYPE_RGB, 8, 0, 1, p));
    seed_blob("deep.png", make_png(9, 7, PNG_COLOR_TYPE_RGBA, 16, 0, 0, p));
    seed_blob("grey.jpg", make_jpeg(9, 7, 1, 0, p));
    seed_blob("rgb.jpg", make_jpeg(9, 7, 3, 0, p));
    seed_blob("progressive.jpg", make_jpeg(9, 7, 3, 1, p));
    seed_blob("cmyk.jpg", make_jpeg(9, 7, 4, 0, p));
    seed_turned("turned.jpg", make_jpeg(9, 7, 3, 0, p));
    seed_webp("lossy.webp", p, false);
    seed_webp("lossless.webp", p, true);
    free(p);
    ayf_context *ctx = fuzz_open(0);
    ayf_image image;
    FUZZ_CHECK(ayf_image_init(ctx, &image, 2, 2, 3) == AYF_OK);
    FUZZ_CHECK(ayf_image_write_png(ctx, fuzz_path("text.png"), &image,
                                   &(ayf_image_text){"ayf", "steps 4\nseed 7"}, 1) == AYF_OK);
    ayf_image_clear(ctx, &image);
    fuzz_seed_file("text.png", fuzz_path("text.png"));
    fuzz_close(ctx);
}

/* ---- Data sets: an error, or one that can be read to its end ---- */

static void read_all(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_source *source) {
    ayf_dataset *data;
    if (ayf_dataset_from_source(ctx, spec, source, &data) != AYF_OK) return;
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    size_t values = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    float *out = ayf_alloc(ctx, values, sizeof *out);
    FUZZ_CHECK(out != NULL);
    for (size_t i = 0; i < info->count && i < 64; i++) {
        int label = -1;
        if (ayf_dataset_get(data, i, i & 1, out, &label) != AYF_OK) continue;
        FUZZ_CHECK(label < info->classes && (!spec->labels || label >= 0));
    }
    ayf_free(ctx, out);
    ayf_dataset_close(data);
}

enum { MEMORY = 16 << 20 };

void fuzz_zip(const uint8_t *bytes, size_t size) {
    const ayf_dataset_spec specs[] = {{.source = "input", .labels = true, .memory = MEMORY},
                                      {.source = "input", .resolution = 8, .channels = 3, .memory = 1}};
    ayf_context *ctx = fuzz_open(size);
    for (size_t i = 0; i < AYF_COUNT(specs); i++) {
        ayf_source *source;
        if (ayf_source_open_zip_memory(ctx, "input", bytes, size, &specs[i], &source) == AYF_OK)
            read_all(ctx, &specs[i], source);
    }
    fuzz_close(ctx);
}

void fuzz_zip_seeds(void) {
    static const char json[] = "{\"labels\": [[\"a.png\", 1], [\"b/c.jpg\", 0]]}";
    unsigned char *p = make_pixels(4, 4, 3);
    blob a = make_png(4, 4, PNG_COLOR_TYPE_RGB, 8, 0, 0, p), b = make_jpeg(4, 4, 3, 0, p);
    snprintf(fixture_folder, sizeof fixture_folder, "%s", fuzz_path(NULL));
    for (int deflate = 0; deflate < 2; deflate++) {
        zip_entry entries[] = {{"a.png", a.bytes, a.size, deflate},
                               {"b/c.jpg", b.bytes, b.size, deflate},
                               {"dataset.json", json, sizeof json - 1, deflate}};
        zip_entry folders[] = {{"train/cat/a.png", a.bytes, a.size, deflate},
                               {"train/dog/b.jpg", b.bytes, b.size, deflate},
                               {"__MACOSX/train/cat/._a.png", a.bytes, 20, deflate},
                               {"test/cat/c.png", a.bytes, a.size, deflate}};
        put_zip("labels.zip", entries, AYF_COUNT(entries));
        put_zip("folders.zip", folders, AYF_COUNT(folders));
        fuzz_seed_file(deflate ? "deflated.zip" : "stored.zip", in_folder("labels.zip"));
        fuzz_seed_file(deflate ? "folders-deflated.zip" : "folders.zip", in_folder("folders.zip"));
    }
    free(a.bytes);
    free(b.bytes);
    free(p);
}

/* ---- Colour fonts ---- */

void fuzz_font(const uint8_t *bytes, size_t size) {
    const ayf_dataset_spec spec = {
        .source = fuzz_file("font.ttf", bytes, size), .labels = true, .resolution = 8, .memory = MEMORY};
    ayf_context *ctx = fuzz_open(size);
    ayf_font font;
    if (ayf_font_parse(ctx, "input", bytes, size, &font) == AYF_OK) {
        FUZZ_CHECK(font.count > 0);
        for (size_t i = 0; i < font.count; i++) {
            const ayf_glyph *g = &font.glyphs[i];
            FUZZ_CHECK(g->size > 0 && g->offset <= size && g->size <= size - g->offset);
            FUZZ_CHECK(g->length >= 0 && g->length <= AYF_GLYPH_TEXT);
        }
        ayf_font_clear(ctx, &font);
        ayf_source *source;
        if (ayf_source_open_font(ctx, spec.source, &spec, &source) == AYF_OK) read_all(ctx, &spec, source);
    }
    fuzz_close(ctx);
}

void fuzz_font_seeds(void) { seed_blob("emoji.ttf", make_font()); }

/* ---- IDX. The first byte chooses: pictures, labels, or gzip data that hold pictures ---- */

static void parse_idx(ayf_context *ctx, const uint8_t *bytes, size_t size, int rank) {
    ayf_idx idx;
    if (ayf_idx_parse(ctx, "input", bytes, size, rank, &idx) != AYF_OK) return;
    size_t total = idx.count * (size_t)idx.height * (size_t)idx.width * (size_t)idx.channels;
    if (rank == 1) total *= idx.columns;
    FUZZ_CHECK(total > 0 && idx.data >= bytes && total <= (size_t)(bytes + size - idx.data));
}

void fuzz_idx(const uint8_t *bytes, size_t size) {
    enum { LIMIT = 1 << 20 };
    if (size == 0) return;
    ayf_context *ctx = fuzz_open(size);
    unsigned char *plain = NULL;
    size_t plain_size;
    if (bytes[0] % 3 < 2) {
        parse_idx(ctx, bytes + 1, size - 1, bytes[0] % 3 ? 1 : 3);
    } else if (ayf_gunzip(ctx, "input", bytes + 1, size - 1, LIMIT, &plain, &plain_size) == AYF_OK) {
        FUZZ_CHECK(plain_size <= LIMIT && plain[plain_size] == 0);
        parse_idx(ctx, plain, plain_size, 3);
        ayf_free(ctx, plain);
    }
    /* As files, too: pictures alone. */
    const ayf_dataset_spec spec = {.source = fuzz_file("x-images-idx3-ubyte", bytes + 1, size - 1),
                                   .memory = MEMORY};
    ayf_source *source;
    if (ayf_source_open_idx(ctx, spec.source, &spec, &source) == AYF_OK) read_all(ctx, &spec, source);
    fuzz_close(ctx);
}

static void seed_with_first_byte(const char *name, int byte, const unsigned char *bytes, size_t size) {
    unsigned char *all = malloc(size + 1);
    all[0] = (unsigned char)byte;
    memcpy(all + 1, bytes, size);
    fuzz_seed(name, all, size + 1);
    free(all);
}

void fuzz_idx_seeds(void) {
    blob pictures = make_idx(0x803, 2, 3, 3), labels = make_idx(0x801, 5, 0, 0);
    gzFile zipped = gzopen(fuzz_path("zipped"), "wb");
    gzwrite(zipped, pictures.bytes, (unsigned)pictures.size);
    gzclose(zipped);
    snprintf(fixture_folder, sizeof fixture_folder, "%s", fuzz_path(NULL));
    blob z = get_file("zipped");
    seed_with_first_byte("pictures", 0, pictures.bytes, pictures.size);
    seed_with_first_byte("labels", 1, labels.bytes, labels.size);
    seed_with_first_byte("zipped", 2, z.bytes, z.size);
    free(pictures.bytes);
    free(labels.bytes);
    free(z.bytes);
}

/* ---- CIFAR ---- */

void fuzz_cifar(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    /* A part of the inputs as names of classes: their file is read together with the pictures. */
    size_t names = size % 3073 % 512;
    const char *path = fuzz_file("data_batch_1.bin", bytes, size - names);
    fuzz_file("batches.meta.txt", bytes + size - names, names);
    const ayf_dataset_spec spec = {.source = path, .labels = true, .memory = MEMORY};
    ayf_source *source;
    if (ayf_source_open_cifar(ctx, &path, 1, &spec, &source) == AYF_OK) read_all(ctx, &spec, source);
    fuzz_close(ctx);
}

void fuzz_cifar_seeds(void) {
    static const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
    static unsigned char bytes[2 * 3073 + sizeof names];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i % 3073 ? i * 7 : i / 3073);
    memcpy(bytes + 2 * 3073, names, sizeof names - 1);
    fuzz_seed("ten-named", bytes, 2 * 3073 + sizeof names - 1);
    fuzz_seed("ten", bytes, 2 * 3073);
    for (size_t i = 0; i < 2; i++) bytes[i * 3074] = 3, bytes[i * 3074 + 1] = 42;
    fuzz_seed("hundred", bytes, 2 * 3074);
}
