/* Sources of pictures: IDX, CIFAR-10, folders and ZIPs, what bad input gets, real data where present. */
#include "dataset_test.h"

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

    ayf_dataset *small = open_spec((ayf_dataset_spec){
        .source = in_folder("x-images-idx3-ubyte"), .resolution = 16, .resize = AYF_RESIZE_BOX});
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
    expect_failure(spec, AYF_E_FORMAT, "4 of 11 pictures", "cut.png: ", "grey.png: is grey",
                   "big.png: is 5 x 4 where most are 4 x 4", "text.jpg: is text", NULL);
    spec.memory = 100; /* too little for a cache: headers alone are read */
    expect_failure(spec, AYF_E_FORMAT, "grey.png", "big.png", "text.jpg", NULL);
    put_text("odd.webp", "GIF89a");
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "odd.webp: is a GIF", NULL);
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
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/a.png\", 3], [\"00000/b.png\", 1]]}",
         "labelled twice"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", [1, 0.5]]]}", "one-hot"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", [1, 1]]]}", "one-hot"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", \"cat\"]]}", "some labels are numbers"},
        {"{\"labels\": [[\"00000/a.png\", \"dog\"]], \"classes\": [\"cat\"]}", "'dog' is not among"},
        {"{\"labels\": [[\"00000/a.png\", 4], [\"00000/b.png\", 1],]}", "comma"},
        {"{\"labels\": [[\"x/c.png\", 4], [\"x/d.png\", 1]]}", "says 'x/c.png' where"},
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
        ROW(real_mnist),
        ROW(real_cifar10),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
