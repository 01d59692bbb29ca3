/* Data sets: every kind of source, what bad input gets, order, flips, built-in sets, real data where present.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/rng.h"
#include "dataset_fixture.h"
#include "data/dataset.h"
#include "data/source.h"
#include "data/points.h"
#include "data/shapes.h"
#include "test_context.h"

static ayf_context *ctx;
static test_memory memory;

static int setup(void **state) {
    memory = (test_memory){0};
    ctx = test_open(&memory);
    return fixture_setup(state);
}

static int teardown(void **state) {
    assert_int_equal(memory.held, 1);
    ayf_close(ctx);
    return fixture_teardown(state);
}

static ayf_dataset *open_spec(ayf_dataset_spec spec) {
    ayf_dataset *data;
    if (ayf_dataset_open(ctx, &spec, &data) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    return data;
}

/* Opening fails with `status` and a message that has every one of the parts (up to a NULL). */
static void expect_failure(ayf_dataset_spec spec, ayf_status status, ...) {
    ayf_dataset *data;
    assert_int_equal(ayf_dataset_open(ctx, &spec, &data), status);
    assert_null(data);
    va_list parts;
    va_start(parts, status);
    for (const char *part; (part = va_arg(parts, const char *));)
        if (!strstr(ayf_error(ctx), part)) fail_msg("'%s' lacks '%s'", ayf_error(ctx), part);
    va_end(parts);
}

static float value_of(int byte) { return (float)byte / 127.5f - 1; }

static void assert_value(float value, int byte) { assert_true(fabsf(value - value_of(byte)) < 1e-6f); }

/* ---- IDX ---- */

static void put_idx(const char *name, blob b) {
    put_file(name, b.bytes, b.size);
    free(b.bytes);
}

static void idx_is_read_padded_and_averaged(void **state) {
    (void)state;
    put_idx("x-images-idx3-ubyte", make_idx(0x803, 3, 28, 28));
    put_idx("x-labels-idx1-ubyte", make_idx(0x801, 3, 0, 0));
    float out[32 * 32];
    int label;
    ayf_dataset *native =
        open_spec((ayf_dataset_spec){.source = in_folder("x-images-idx3-ubyte"), .labels = true});
    const ayf_dataset_info *info = ayf_dataset_info_of(native);
    assert_int_equal(info->count, 3);
    assert_int_equal(info->classes, 15); /* labels 0, 7, 14 */
    assert_int_equal(info->height * 1000 + info->width * 10 + info->channels, 28281);
    assert_int_equal(ayf_dataset_get(native, 2, false, out, &label), AYF_OK);
    assert_int_equal(label, 14);
    for (int i = 0; i < 784; i++) assert_value(out[i], (2 * 784 + i) * 7 % 256);
    ayf_dataset_close(native);

    ayf_dataset *padded =
        open_spec((ayf_dataset_spec){.source = in_folder("x-images-idx3-ubyte"), .resolution = 32});
    assert_int_equal(ayf_dataset_get(padded, 1, false, out, &label), AYF_OK);
    assert_int_equal(label, -1);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++) {
            bool border = y < 2 || x < 2 || y >= 30 || x >= 30;
            assert_value(out[y * 32 + x], border ? 0 : (784 + (y - 2) * 28 + x - 2) * 7 % 256);
        }
    ayf_dataset_close(padded);

    ayf_dataset *small =
        open_spec((ayf_dataset_spec){.source = in_folder("x-images-idx3-ubyte"), .resolution = 16});
    assert_int_equal(ayf_dataset_get(small, 0, false, out, NULL), AYF_OK);
    assert_value(out[0], 0);
    int sum = 0 + 7 + 28 * 7 % 256 + 29 * 7 % 256; /* the first 2 x 2 pixels of the picture */
    assert_value(out[17], (sum + 2) / 4);
    ayf_dataset_close(small);
}

static void idx_gzip_is_read(void **state) {
    (void)state;
    blob pictures = make_idx(0x803, 5, 4, 6), labels = make_idx(0x801, 5, 0, 0);
    gzFile zipped = gzopen(in_folder("train-images-idx3-ubyte.gz"), "wb");
    gzwrite(zipped, pictures.bytes, (unsigned)pictures.size);
    gzclose(zipped);
    put_file("train-labels-idx1-ubyte", labels.bytes, labels.size);
    free(labels.bytes);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .labels = true});
    float out[24];
    int label;
    assert_int_equal(ayf_dataset_get(data, 3, true, out, &label), AYF_OK);
    assert_int_equal(label, 21);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 6; x++) assert_value(out[y * 6 + x], pictures.bytes[16 + 72 + y * 6 + 5 - x]);
    ayf_dataset_close(data);

    blob whole = get_file("train-images-idx3-ubyte.gz");
    put_file("train-images-idx3-ubyte.gz", whole.bytes, whole.size - 9);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "train-images-idx3-ubyte.gz",
                   "truncated", NULL);
    whole.bytes[20] ^= 0x55;
    put_file("train-images-idx3-ubyte.gz", whole.bytes, whole.size);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "train-images-idx3-ubyte.gz",
                   NULL);
    free(whole.bytes);
    free(pictures.bytes);
}

static void bad_idx_is_explained(void **state) {
    (void)state;
    const char *name = "t-images-idx3-ubyte";
    ayf_dataset_spec spec = {.source = in_folder(name)}, labelled = spec;
    char path[256];
    snprintf(path, sizeof path, "%s", spec.source);
    spec.source = labelled.source = path;
    labelled.labels = true;
    put_idx(name, make_idx(0x801, 50, 0, 0));
    expect_failure(spec, AYF_E_FORMAT, name, "0x00000801", "0x00000803", "labels", NULL);
    put_idx(name, make_idx(0xD03, 2, 2, 2));
    expect_failure(spec, AYF_E_FORMAT, name, "0x00000d03", NULL);
    put_file(name, "\0\0\10", 3);
    expect_failure(spec, AYF_E_FORMAT, name, "truncated", NULL);
    put_file(name, "", 0);
    expect_failure(spec, AYF_E_FORMAT, name, NULL);
    blob b = make_idx(0x803, 3, 4, 4);
    put_file(name, b.bytes, b.size - 1);
    expect_failure(spec, AYF_E_FORMAT, name, "3 x 4 x 4 = 48 bytes", "47 follow", NULL);
    put_big_endian(b.bytes + 4, 0xffffffff);
    put_big_endian(b.bytes + 8, 0x4000);
    put_big_endian(b.bytes + 12, 0x4000);
    put_file(name, b.bytes, b.size);
    expect_failure(spec, AYF_E_FORMAT, name, "4294967295", NULL);
    put_big_endian(b.bytes + 8, 0xffffffff);
    put_file(name, b.bytes, b.size);
    expect_failure(spec, AYF_E_FORMAT, name, "pixels a side", NULL);
    put_big_endian(b.bytes + 8, 0);
    put_file(name, b.bytes, b.size);
    expect_failure(spec, AYF_E_FORMAT, name, "is 0", NULL);
    free(b.bytes);

    put_idx(name, make_idx(0x803, 3, 4, 4));
    expect_failure(labelled, AYF_E_FORMAT, name, "no labels", "data.labels=false", NULL);
    put_idx("t-labels-idx1-ubyte", make_idx(0x801, 4, 0, 0));
    expect_failure(labelled, AYF_E_FORMAT, "t-labels-idx1-ubyte", "4 labels", "3 pictures", NULL);
    put_idx("t-labels-idx1-ubyte", make_idx(0x801, 3, 0, 0));
    labelled.classes = 7;
    expect_failure(labelled, AYF_E_FORMAT, "picture 1: label 7", "picture 2: label 14", "0 to 6", NULL);
}

/* ---- CIFAR-10 binary ---- */

static void cifar_binary_is_read(void **state) {
    (void)state;
    const size_t size = 30730000;
    unsigned char *bytes = calloc(size, 1);
    for (size_t k = 0; k < 10000; k++) {
        bytes[k * 3073] = (unsigned char)(k % 10);
        for (size_t i = 0; i < 3072; i++)
            bytes[k * 3073 + 1 + i] = (unsigned char)(k + i / 1024 * 50 + i % 1024);
    }
    put_file("data_batch_1.bin", bytes, size);
    put_file("data_batch_2.bin", bytes, size);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .labels = true});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->count, 20000);
    assert_int_equal(info->classes, 10);
    float out[3072];
    int label;
    assert_int_equal(ayf_dataset_get(data, 10123, false, out, &label), AYF_OK);
    assert_int_equal(label, 3);
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++) assert_value(out[3 * i + c], (123 + c * 50 + i) % 256);
    ayf_dataset_close(data);

    bytes[3073 * 17] = 10;
    put_file("data_batch_1.bin", bytes, size);
    put_file("data_batch_2.bin", bytes, size - 1);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "data_batch_1.bin: record 17",
                   "label 10", "data_batch_2.bin: has 30729999 bytes", NULL);
    free(bytes);
}

/* ---- Folders and ZIPs ---- */

static void folder_is_read_in_order(void **state) {
    (void)state;
    mkdir(in_folder("b"), 0777);
    put_png("b/2.png", 8, 8, 3, 30);
    put_png("a.PNG", 8, 8, 3, 10);
    put_png("b.png", 8, 8, 3, 20); /* '.' sorts before '/' */
    put_text(".hidden.png", "junk");
    put_text("notes.txt", "not a picture");
    put_text("dataset.json",
             "{\"labels\": [[\"b\\\\2.png\", 2], [\"a.PNG\", 0], [\"b.png\", 1], [\"absent.png\", 90]]}");
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .labels = true});
    assert_int_equal(ayf_dataset_info_of(data)->count, 3);
    assert_int_equal(ayf_dataset_info_of(data)->classes, 3);
    float out[8 * 8 * 3];
    for (int k = 0; k < 3; k++) {
        int label;
        assert_int_equal(ayf_dataset_get(data, (size_t)k, false, out, &label), AYF_OK);
        assert_int_equal(label, k);
        assert_value(out[77], 10 * (k + 1));
    }
    assert_int_equal(ayf_dataset_get(data, 3, false, out, NULL), AYF_E_USAGE);
    ayf_dataset_close(data);
}

static void sub_folders_name_classes(void **state) {
    (void)state;
    mkdir(in_folder("cat"), 0777);
    mkdir(in_folder("dog"), 0777);
    put_png("cat/1.png", 4, 4, 1, 1);
    put_png("dog/1.png", 4, 4, 1, 2);
    put_png("dog/2.png", 4, 4, 1, 3);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .labels = true});
    float out[16];
    int labels[3];
    for (size_t k = 0; k < 3; k++) ayf_dataset_get(data, k, false, out, &labels[k]);
    assert_int_equal(labels[0] * 100 + labels[1] * 10 + labels[2], 11);
    ayf_dataset_close(data);
    put_png("stray.png", 4, 4, 1, 3);
    expect_failure((ayf_dataset_spec){.source = fixture_folder, .labels = true}, AYF_E_FORMAT, fixture_folder,
                   "no labels", "dataset.json", NULL);
}

static void shards_are_not_classes(void **state) {
    (void)state;
    mkdir(in_folder("00000"), 0777);
    put_png("00000/1.png", 4, 4, 1, 1);
    expect_failure((ayf_dataset_spec){.source = fixture_folder, .labels = true}, AYF_E_FORMAT, "no labels",
                   "shards", NULL);
    put_text("dataset.json", "{\"labels\": null}");
    expect_failure((ayf_dataset_spec){.source = fixture_folder, .labels = true}, AYF_E_FORMAT, "no labels",
                   NULL);
    ayf_dataset_close(open_spec((ayf_dataset_spec){.source = fixture_folder}));
}

static void every_bad_picture_is_named(void **state) {
    (void)state;
    unsigned char zeros[4 * 4 * 8] = {0};
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "ok%d.png", i);
        put_png(name, 4, 4, 3, i);
    }
    blob rgba = make_png(4, 4, PNG_COLOR_TYPE_RGBA, 8, 0, 0, zeros),
         deep = make_png(4, 4, PNG_COLOR_TYPE_RGB, 16, 0, 0, zeros);
    put_file("alpha.png", rgba.bytes, rgba.size);
    put_file("deep.png", deep.bytes, deep.size);
    put_file("cut.png", deep.bytes, deep.size / 2);
    put_png("grey.png", 4, 4, 1, 9);
    put_png("big.png", 5, 4, 3, 9);
    put_text("text.jpg", "hello");
    ayf_dataset_spec spec = {.source = fixture_folder};
    expect_failure(spec, AYF_E_FORMAT, "6 of 11 pictures", "alpha.png: has an alpha", "deep.png: has 16 bits",
                   "cut.png: ", "grey.png: is grey", "big.png: is 5 x 4 where most are 4 x 4",
                   "text.jpg: is neither", NULL);
    spec.memory = 100; /* too little for a cache: headers alone are read */
    expect_failure(spec, AYF_E_FORMAT, "alpha.png", "grey.png", "big.png", "text.jpg", NULL);
    put_text("odd.webp", "RIFF");
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "odd.webp",
                   "only PNG and JPEG", NULL);
    free(rgba.bytes);
    free(deep.bytes);
}

static void mixed_pictures_can_be_brought_together(void **state) {
    (void)state;
    put_png("1.png", 12, 8, 3, 100);
    put_png("2.png", 9, 30, 1, 50);
    ayf_dataset *data =
        open_spec((ayf_dataset_spec){.source = fixture_folder, .resolution = 6, .channels = 3});
    float out[6 * 6 * 3];
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(ayf_dataset_get(data, k, false, out, NULL), AYF_OK);
        for (int i = 0; i < 108; i++) assert_value(out[i], k ? 50 : 100);
    }
    ayf_dataset_close(data);
    expect_failure((ayf_dataset_spec){.source = fixture_folder, .resolution = 6}, AYF_E_FORMAT, "grey",
                   "channels", NULL);
}

static void problems_are_counted_when_they_are_many(void **state) {
    (void)state;
    put_png("a.png", 4, 4, 3, 1);
    for (int i = 0; i < 60; i++) {
        char name[40];
        snprintf(name, sizeof name, "a\x1b[31m rather long name %02d.png", i);
        put_text(name, "x");
    }
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "60 of 61 pictures",
                   "name 00.png", "more", NULL);
    assert_null(strchr(ayf_error(ctx), 0x1b));
}

static void small_zip(const char *name, const char *json) {
    blob a = flat_png(4, 4, 3, 11), b = flat_png(4, 4, 3, 22);
    zip_entry entries[3] = {{"00000/b.png", b.bytes, b.size, 1},
                            {"00000/a.png", a.bytes, a.size, 0},
                            {"dataset.json", json, json ? strlen(json) : 0, 1}};
    put_zip(name, entries, json ? 3 : 2);
    free(a.bytes);
    free(b.bytes);
}

static void zip_is_read(void **state) {
    (void)state;
    small_zip("a.zip", "{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", 1]]}");
    for (int pass = 0; pass < 2; pass++) { /* with and without a cache */
        ayf_dataset *data = open_spec(
            (ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true, .memory = pass ? 1 : 0});
        assert_int_equal(ayf_dataset_info_of(data)->classes, 5);
        float out[48];
        int label;
        assert_int_equal(ayf_dataset_get(data, 1, false, out, &label), AYF_OK);
        assert_int_equal(label, 1);
        assert_value(out[0], 22);
        assert_int_equal(ayf_dataset_get(data, 0, true, out, &label), AYF_OK);
        assert_int_equal(label, 4);
        assert_value(out[47], 11);
        ayf_dataset_close(data);
    }
}

static void bad_labels_are_explained(void **state) {
    (void)state;
    const struct {
        const char *json, *part;
    } cases[] = {
        {NULL, "no labels"},
        {"{\"labels\": null}", "no labels"},
        {"{\"labels\": [[\"00000/a.png\", 4]]}", "00000/b.png: has no label"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", -1]]}", "out of the range"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", 123456789012]]}", "out of the range"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", 1.5]]}", "not a whole number"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", [1]]]}", "not a whole number"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/a.png\", 4], [\"00000/b.png\", 1]]}",
         "labelled twice"},
        {"{\"labels\": [[\"00000/a.png\"], 3]}", "entry 0"},
        {"{\"labels\": [], \"labels\": []}", "uplicate"},
        {"{\"labels\": 7}", "not a list"},
        {"[1]", "not a JSON object"},
        {"{\"labels\": [", "line 1"},
        {"", "line"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        small_zip("a.zip", cases[i].json);
        expect_failure((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true}, AYF_E_FORMAT,
                       "a.zip", cases[i].part, NULL);
    }
    small_zip("a.zip", "{\"labels\": {\"00000/a.png\": 4, \"00000/b.png\": 1}}");
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true, .classes = 4},
                   AYF_E_FORMAT, "00000/a.png: label 4", "0 to 3", NULL);
    ayf_dataset_close(
        open_spec((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true, .classes = 9}));
}

/* Finds the n-th occurrence of a signature and returns what follows it. */
static unsigned char *find(blob b, const char *signature, int n) {
    for (size_t i = 0; i + 46 < b.size; i++)
        if (memcmp(b.bytes + i, signature, 4) == 0 && n-- == 0) return b.bytes + i;
    fail_msg("no such record in the ZIP");
    return NULL;
}

static void lying_zips_are_refused(void **state) {
    (void)state;
    ayf_dataset_spec spec = {.source = "x"};
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("a.zip"));
    spec.source = path;
    small_zip("a.zip", NULL);
    blob good = get_file("a.zip");
    unsigned char *copy = malloc(good.size);
    for (int kind = 0; kind < 6; kind++) {
        memcpy(copy, good.bytes, good.size);
        blob b = {copy, good.size};
        unsigned char *deflated = find(b, "PK\1\2", 0), *stored = find(b, "PK\1\2", 1);
        switch (kind) {
        case 0:
            deflated[27] = 0x7f;
            break; /* size: 2 GB */
        case 1:
            deflated[24]++;
            break; /* size: one more */
        case 2:
            deflated[24]--;
            break; /* size: one less */
        case 3:
            stored[16] ^= 1;
            break; /* checksum */
        case 4:
            stored[10] = 14;
            break; /* LZMA */
        default:
            stored[20] = stored[24] = (unsigned char)(stored[24] - 5); /* both sizes shortened */
        }
        put_file("a.zip", b.bytes, b.size);
        expect_failure(spec, AYF_E_FORMAT, "a.zip", kind < 3 ? "00000/b.png" : "00000/a.png", NULL);
    }
    put_file("a.zip", good.bytes, good.size / 2);
    expect_failure(spec, AYF_E_FORMAT, "a.zip", NULL);
    put_text("a.zip", "PK and nothing else");
    expect_failure(spec, AYF_E_FORMAT, "a.zip", "ZIP", NULL);
    zip_entry empty = {"readme.txt", "x", 1, 0};
    put_zip("a.zip", &empty, 1);
    expect_failure(spec, AYF_E_FORMAT, "a.zip", "holds no pictures", NULL);
    free(copy);
    free(good.bytes);
}

static void unusable_sources_are_explained(void **state) {
    (void)state;
    expect_failure((ayf_dataset_spec){.source = in_folder("nowhere")}, AYF_E_IO, "nowhere", NULL);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "holds no pictures", NULL);
    put_text("a.csv", "1,2,3");
    expect_failure((ayf_dataset_spec){.source = in_folder("a.csv")}, AYF_E_FORMAT, "a.csv", "IDX", NULL);
    expect_failure((ayf_dataset_spec){0}, AYF_E_USAGE, "no data set", NULL);
    expect_failure((ayf_dataset_spec){.source = "builtin:shape"}, AYF_E_USAGE, "builtin:shapes", NULL);
    expect_failure((ayf_dataset_spec){.source = "builtin:shapes", .resolution = 4}, AYF_E_USAGE,
                   "resolution 4", NULL);
    expect_failure((ayf_dataset_spec){.source = "builtin:shapes", .channels = 2}, AYF_E_USAGE, "channels 2",
                   NULL);
    expect_failure((ayf_dataset_spec){.source = "builtin:ring", .resolution = 16}, AYF_E_USAGE, "points",
                   NULL);
    expect_failure((ayf_dataset_spec){.source = "builtin:ring", .labels = true, .classes = 3}, AYF_E_USAGE,
                   "8 classes", NULL);
    if (symlink(".", in_folder("loop")) == 0)
        expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "folders deep", NULL);
}

static void memory_failures_are_clean(void **state) {
    (void)state;
    small_zip("a.zip", "{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", 1]]}");
    mkdir(in_folder("f"), 0777);
    put_png("f/1.png", 9, 8, 3, 1);
    put_png("f/2.png", 9, 8, 3, 1);
    blob idx = make_idx(0x803, 2, 28, 28);
    gzFile zipped = gzopen(in_folder("g-images-idx3-ubyte.gz"), "wb");
    gzwrite(zipped, idx.bytes, (unsigned)idx.size);
    gzclose(zipped);
    free(idx.bytes);
    const char *sources[] = {in_folder("a.zip"), in_folder("f"), in_folder("g-images-idx3-ubyte.gz"),
                             "builtin:shapes"};
    for (size_t k = 0; k < AYF_COUNT(sources); k++) {
        for (long step = 1;; step++) {
            memory.calls = 0;
            memory.fail_at = step;
            ayf_dataset_spec spec = {.source = sources[k], .resolution = 8, .labels = k == 0 || k == 3};
            ayf_dataset *data;
            float out[8 * 8 * 3];
            ayf_status status = ayf_dataset_open(ctx, &spec, &data);
            if (status == AYF_OK) status = ayf_dataset_get(data, 1, true, out, NULL);
            assert_true(status == AYF_OK || status == AYF_E_MEMORY);
            ayf_dataset_close(data);
            assert_int_equal(memory.held, 1);
            if (status == AYF_OK) {
                assert_true(step > 3);
                break;
            }
        }
        memory.fail_at = 0;
    }
}

/* ---- Order, flips, built-in sets ---- */

static void epochs_visit_everything_once(void **state) {
    (void)state;
    for (int i = 0; i < 13; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02d.png", i);
        put_png(name, 2, 2, 1, i * 10);
    }
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder});
    float batch[13 * 4], part[6 * 4];
    int different = 0;
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        int seen[13] = {0};
        assert_int_equal(ayf_dataset_batch(data, 5, epoch * 13, 13, batch, NULL), AYF_OK);
        for (int k = 0; k < 13; k++) {
            size_t index = ayf_dataset_index(data, 5, epoch * 13 + (uint64_t)k);
            seen[index]++;
            assert_value(batch[4 * k], (int)index * 10);
            different += index != ayf_dataset_index(data, 5, (uint64_t)k);
        }
        for (int k = 0; k < 13; k++) assert_int_equal(seen[k], 1);
    }
    assert_true(different > 13);
    /* Whatever the batch a sample comes in, across epochs too. */
    assert_int_equal(ayf_dataset_batch(data, 5, 2 * 13 + 7, 6, part, NULL), AYF_OK);
    assert_memory_equal(part, batch + 7 * 4, sizeof part);
    ayf_dataset_close(data);
}

static void flips_are_fair_and_repeatable(void **state) {
    (void)state;
    unsigned char pixels[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    blob b = make_png(4, 2, PNG_COLOR_TYPE_GRAY, 8, 0, 0, pixels);
    put_file("a.png", b.bytes, b.size);
    free(b.bytes);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .mirror = true});
    enum { N = 4000 };
    float *batch = malloc(sizeof(float) * N * 8);
    assert_int_equal(ayf_dataset_batch(data, 1, 0, N, batch, NULL), AYF_OK);
    int flipped = 0;
    for (uint64_t k = 0; k < N; k++) {
        uint32_t word;
        ayf_rng_bits((ayf_rng_key){.seed = 1, .purpose = AYF_RNG_AUGMENT, .sample = k}, &word, 1);
        for (int i = 0; i < 8; i++)
            assert_value(batch[8 * k + (uint64_t)i], word & 1 ? i / 4 * 4 + 3 - i % 4 : i);
        flipped += (int)(word & 1);
    }
    assert_in_range(flipped, N / 2 - 160, N / 2 + 160); /* 5 standard deviations */
    free(batch);
    ayf_dataset_close(data);
}

static void points_have_unit_deviation(void **state) {
    (void)state;
    const char *names[] = {"builtin:ring", "builtin:checkerboard", "builtin:moons", "builtin:spirals"};
    const int classes[] = {8, 8, 2, 2};
    enum { N = 200000 };
    for (int k = 0; k < 4; k++) {
        ayf_dataset *data = open_spec((ayf_dataset_spec){.source = names[k], .labels = true, .seed = 3});
        const ayf_dataset_info *info = ayf_dataset_info_of(data);
        assert_int_equal(info->classes, classes[k]);
        assert_int_equal(info->count, 1 << 20);
        assert_true(info->points && info->height == 1 && info->width == 1 && info->channels == 2);
        double sum[2] = {0}, squares[2] = {0}, cross = 0;
        int votes[8] = {0};
        for (size_t i = 0; i < N; i++) {
            float p[2], again[2];
            int label;
            assert_int_equal(ayf_dataset_get(data, i, true, p, &label), AYF_OK);
            if (i % 1000 == 0) {
                ayf_dataset_get(data, i, false, again, NULL);
                assert_memory_equal(p, again, sizeof p);
            }
            for (int c = 0; c < 2; c++) sum[c] += p[c], squares[c] += p[c] * p[c];
            cross += p[0] * p[1];
            votes[label]++;
        }
        assert_true(fabs(sum[0] / N) < 0.012 && fabs(sum[1] / N) < 0.012);
        assert_true(fabs((squares[0] + squares[1]) / (2 * N) - 1) < 0.012);
        for (int c = 0; c < classes[k]; c++) assert_true(fabs(votes[c] * (double)classes[k] / N - 1) < 0.05);
        if (k == 0) assert_true(fabs(cross / N) < 0.012);
        if (k == 1) assert_true(fabs(cross / N - 0.1875) < 0.012); /* the dark diagonal */
        double sigma;
        assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
        assert_true(sigma == 1);
        ayf_dataset_close(data);
    }
}

static void ring_is_eight_gaussians(void **state) {
    (void)state;
    double squares = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float p[2];
        int k;
        ayf_points_sample(AYF_POINTS_RING, 0, i, p, &k);
        double dx = p[0] - 1.3982131454 * cos(k * M_PI / 4), dy = p[1] - 1.3982131454 * sin(k * M_PI / 4);
        squares += dx * dx + dy * dy;
    }
    assert_true(fabs(sqrt(squares / 200000) - 0.15) < 0.001);
}

static void checkerboard_leaves_fields_empty(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        float p[2];
        int label;
        ayf_points_sample(AYF_POINTS_CHECKERBOARD, 1, i, p, &label);
        int column = (int)floor(p[0] * 2 / sqrt(3.0)) + 2, row = (int)floor(p[1] * 2 / sqrt(3.0)) + 2;
        assert_in_range(column, 0, 3);
        assert_in_range(row, 0, 3);
        assert_int_equal((column + row) % 2, 0);
    }
}

static void shapes_are_the_same_at_every_size(void **state) {
    (void)state;
    ayf_dataset *small =
        open_spec((ayf_dataset_spec){.source = "builtin:shapes", .resolution = 16, .labels = true});
    ayf_dataset *large =
        open_spec((ayf_dataset_spec){.source = "builtin:shapes", .resolution = 64, .memory = 1});
    assert_int_equal(ayf_dataset_info_of(small)->classes, AYF_SHAPE_CLASSES);
    assert_int_equal(ayf_dataset_info_of(small)->count, 65536);
    assert_int_equal(ayf_dataset_info_of(large)->classes, 0);
    float a[16 * 16 * 3], again[16 * 16 * 3], b[64 * 64 * 3];
    double total = 0;
    for (size_t i = 0; i < 200; i++) {
        int label;
        assert_int_equal(ayf_dataset_get(small, 300 + i, false, a, &label), AYF_OK);
        assert_int_equal(label, (300 + i) % AYF_SHAPE_CLASSES);
        assert_int_equal(ayf_dataset_get(small, 300 + i, false, again, NULL), AYF_OK);
        assert_memory_equal(a, again, sizeof a);
        assert_int_equal(ayf_dataset_get(large, 300 + i, false, b, NULL), AYF_OK);
        for (int y = 0; y < 16; y++)
            for (int x = 0; x < 16; x++)
                for (int c = 0; c < 3; c++) {
                    double mean = 0;
                    for (int k = 0; k < 16; k++)
                        mean += b[((y * 4 + k / 4) * 64 + x * 4 + k % 4) * 3 + c] / 16;
                    total += (mean - a[(y * 16 + x) * 3 + c]) * (mean - a[(y * 16 + x) * 3 + c]);
                }
    }
    assert_true(sqrt(total / (200 * 768)) < 0.02);
    double sigma;
    assert_int_equal(ayf_dataset_sigma(small, &sigma), AYF_OK);
    assert_true(sigma > 0.4 && sigma < 0.8);
    ayf_dataset_close(small);
    ayf_dataset_close(large);
}

static void sigma_is_the_deviation(void **state) {
    (void)state;
    put_png("0.png", 4, 4, 1, 0);
    ayf_dataset *flat = open_spec((ayf_dataset_spec){.source = fixture_folder});
    double sigma;
    assert_int_equal(ayf_dataset_sigma(flat, &sigma), AYF_E_FORMAT);
    ayf_dataset_close(flat);
    put_png("1.png", 4, 4, 1, 255);
    put_png("2.png", 4, 4, 1, 255);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder});
    assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
    assert_true(fabs(sigma - sqrt(8.0 / 9)) < 1e-9); /* values -1, 1, 1 */
    ayf_dataset_close(data);
}

/* ---- Real data ---- */

/* A path below $AYF_DATA or ../shared/data; skips the test when it is not there. */
static const char *real(const char *name) {
    static char path[1024];
    const char *folder = getenv("AYF_DATA"), *root = getenv("AYF_SOURCE_ROOT");
    if (folder)
        snprintf(path, sizeof path, "%s/%s", folder, name);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", root ? root : ".", name);
    if (access(path, R_OK) == 0) return path;
    print_message("skipped: %s is not there; set AYF_DATA\n", path);
    skip();
    return NULL;
}

static void real_mnist(void **state) {
    (void)state;
    ayf_dataset *data =
        open_spec((ayf_dataset_spec){.source = real("mnist"), .labels = true, .resolution = 32});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->count, 60000);
    assert_int_equal(info->classes, 10);
    const int first[] = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
    float out[1024];
    for (size_t i = 0; i < 10; i++) {
        int label;
        assert_int_equal(ayf_dataset_get(data, i, false, out, &label), AYF_OK);
        assert_int_equal(label, first[i]);
    }
    double sum = 0, squares = 0; /* published: mean 0.1307, deviation 0.3081 of the 28 x 28 pixels in [0,1] */
    for (size_t i = 0; i < 60000; i++) {
        ayf_dataset_get(data, i, false, out, NULL);
        for (int k = 0; k < 1024; k++) {
            double v = (out[k] + 1) / 2;
            sum += v;
            squares += v * v;
        }
    }
    double mean = sum / (60000.0 * 784), square = squares / (60000.0 * 784);
    assert_true(fabs(mean - 0.1307) < 1e-4);
    assert_true(fabs(sqrt(square - mean * mean) - 0.3081) < 1e-4);
    ayf_dataset_close(data);
}

static void real_cifar10(void **state) {
    (void)state;
    ayf_dataset *data =
        open_spec((ayf_dataset_spec){.source = real("cifar10/cifar10-test.zip"), .labels = true});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->count, 10000);
    assert_int_equal(info->classes, 10);
    assert_int_equal(info->height * 100 + info->channels, 3203);
    int votes[10] = {0};
    float *out = malloc(sizeof(float) * 3072);
    double sum[3] = {0};
    for (size_t i = 0; i < 10000; i++) {
        int label;
        assert_int_equal(ayf_dataset_get(data, i, false, out, &label), AYF_OK);
        votes[label]++;
        for (int k = 0; k < 3072; k++) sum[k % 3] += (out[k] + 1) / 2;
    }
    for (int c = 0; c < 10; c++) assert_int_equal(votes[c], 1000);
    /* Published means of the test pictures; JPEG moves them little. */
    const double mean[3] = {0.4942, 0.4851, 0.4504};
    for (int c = 0; c < 3; c++) assert_true(fabs(sum[c] / 10240000.0 - mean[c]) < 0.004);
    free(out);
    ayf_dataset_close(data);
}

int main(void) {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(idx_is_read_padded_and_averaged),
        ROW(idx_gzip_is_read),
        ROW(bad_idx_is_explained),
        ROW(cifar_binary_is_read),
        ROW(folder_is_read_in_order),
        ROW(sub_folders_name_classes),
        ROW(shards_are_not_classes),
        ROW(every_bad_picture_is_named),
        ROW(mixed_pictures_can_be_brought_together),
        ROW(problems_are_counted_when_they_are_many),
        ROW(zip_is_read),
        ROW(bad_labels_are_explained),
        ROW(lying_zips_are_refused),
        ROW(unusable_sources_are_explained),
        ROW(memory_failures_are_clean),
        ROW(epochs_visit_everything_once),
        ROW(flips_are_fair_and_repeatable),
        ROW(points_have_unit_deviation),
        ROW(ring_is_eight_gaussians),
        ROW(checkerboard_leaves_fields_empty),
        ROW(shapes_are_the_same_at_every_size),
        ROW(sigma_is_the_deviation),
        ROW(real_mnist),
        ROW(real_cifar10),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
