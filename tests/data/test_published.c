/* Data sets in the forms in which people publish, pack and copy them. */
#include "dataset_test.h"

#include "io/npz.h"

/* ---- What a set holds ---- */

/* Opens a source of pictures whose first pixels are 10, 20, ... and compares its labels, "" = none. */
static void expect_labels(const char *name, const char *wanted, int classes) {
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder(name), .labels = *wanted != 0});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    char found[64] = "";
    float values[4 * 4 * 3];
    for (size_t i = 0; i < info->count && i < 60; i++) {
        int label;
        assert_int_equal(ayf_dataset_get(data, i, false, values, &label), AYF_OK);
        assert_value(values[0], (int)(i + 1) * 10);
        found[i] = (char)('0' + label);
    }
    if (*wanted) assert_string_equal(found, wanted);
    assert_int_equal(info->classes, classes);
    ayf_dataset_close(data);
}

/* names: one per class, up to a NULL. */
static void expect_names(const char *name, ...) {
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder(name), .labels = true});
    const ayf_classes *known = &ayf_dataset_info_of(data)->known;
    va_list names;
    va_start(names, name);
    int count = 0;
    for (const char *wanted; (wanted = va_arg(names, const char *)); count++) {
        assert_true(count < known->count && known->names);
        assert_string_equal(known->names[count], wanted);
    }
    va_end(names);
    assert_int_equal(known->count, count);
    ayf_dataset_close(data);
}

/* A ZIP of pictures with these names, the k-th of value 10 (k + 1), and a label file (NULL: none). */
static void put_set(const char *zip, const char *label_file, const char *json, size_t json_size,
                    const char *const *names, size_t count) {
    zip_entry entries[32] = {{label_file, json, json_size, 1}};
    blob pictures[31];
    for (size_t i = 0; i < count; i++) {
        pictures[i] = flat_png(4, 4, 3, (int)(i + 1) * 10);
        entries[i + 1] = (zip_entry){names[i], pictures[i].bytes, pictures[i].size, 0};
    }
    put_zip(zip, label_file ? entries : entries + 1, label_file ? count + 1 : count);
    for (size_t i = 0; i < count; i++) free(pictures[i].bytes);
}

static void put_two(const char *label_file, const char *json) {
    static const char *const names[] = {"00000/a.png", "00000/b.png"};
    put_set("a.zip", label_file, json, json ? strlen(json) : 0, names, 2);
}

/* ---- dataset.json ---- */

static void labels_in_every_form(void **state) {
    (void)state;
    static const struct {
        const char *json, *labels;
        int classes;
    } cases[] = {
        {"{\"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"00000/b.png\", 1], [\"00000/a.png\", 0]]}", "01", 2},
        {"\xef\xbb\xbf{\"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"./00000/a.png\", 0], [\".\\\\00000\\\\b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"/00000/a.png\", 0], [\"00000/b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"a.png\", 0], [\"b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"elsewhere/a.png\", 0], [\"elsewhere/b.png\", 1]]}", "01", 2},
        {"{\"labels\": [[\"00000/a.png\", 0.0], [\"00000/b.png\", 1.0]]}", "01", 2},
        {"{\"labels\": [[\"00000/a.png\", \"3\"], [\"00000/b.png\", \"0\"]]}", "30", 4},
        {"{\"labels\": [[\"00000/a.png\", [0.0, 1.0, 0]], [\"00000/b.png\", [1, 0, 0]]]}", "10", 3},
        {"{\"labels\": {\"00000/a.png\": 0, \"00000/b.png\": 1}}", "01", 2},
        {"{\"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", 1], [\"00000/a.png\", 0]]}", "01", 2},
        {"{\"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", 1], [\"00000/c.png\", 9]]}", "01", 2},
        {"{\"labels\": [[\"00000/a.png\", 1], [\"00000/b.png\", 2]]}", "12", 3},
        {"{\"about\": {\"x\": [1, \"}]\\\"\", null]}, \"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", "
         "1]], "
         "\"n\": 2}",
         "01", 2},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        put_two("dataset.json", cases[i].json);
        expect_labels("a.zip", cases[i].labels, cases[i].classes);
    }
    put_two("dataset.json", "{\"labels\": null}");
    expect_labels("a.zip", "", 0);
    put_two(NULL, NULL);
    expect_labels("a.zip", "", 0);
}

static void label_file_in_a_folder(void **state) {
    (void)state;
    static const char *const names[] = {"set/00000/a.png", "set/00000/b.png"};
    static const char json[] = "{\"labels\": [[\"00000/a.png\", 0], [\"00000/b.png\", 1]]}";
    put_set("a.zip", "set/dataset.json", json, strlen(json), names, 2);
    expect_labels("a.zip", "01", 2);
    mkdir(in_folder("f"), 0700);
    mkdir(in_folder("f/set"), 0700);
    mkdir(in_folder("f/set/00000"), 0700);
    put_png("f/set/00000/a.png", 4, 4, 3, 10);
    put_png("f/set/00000/b.png", 4, 4, 3, 20);
    put_text("f/set/dataset.json", json);
    expect_labels("f", "01", 2);
}

static void names_of_classes(void **state) {
    (void)state;
    put_two("dataset.json", "{\"labels\": [[\"00000/a.png\", \"dog\"], [\"00000/b.png\", \"cat\"]]}");
    expect_labels("a.zip", "10", 2);
    expect_names("a.zip", "cat", "dog", NULL);
    put_two("dataset.json", "{\"labels\": [[\"00000/a.png\", \"dog\"], [\"00000/b.png\", \"cat\"]], "
                            "\"classes\": [\"dog\", \"eel\", \"cat\"]}");
    expect_labels("a.zip", "02", 3);
    expect_names("a.zip", "dog", "eel", "cat", NULL);
    static const char *const tables[] = {"[\"x\", \"y\"]", "{\"0\": \"x\", \"1\": \"y\"}",
                                         "{\"y\": 1, \"x\": 0}"};
    for (size_t i = 0; i < AYF_COUNT(tables); i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"class_names\": %s, \"labels\": [[\"00000/a.png\", 1], [\"00000/b.png\", 0]]}",
                 tables[i]);
        put_two("dataset.json", json);
        expect_labels("a.zip", "10", 2);
        expect_names("a.zip", "x", "y", NULL);
    }
}

/* ---- Folders ---- */

static void folders_in_the_order_of_their_names(void **state) {
    (void)state;
    /* '+' and '-' sort before '/', so these paths sort otherwise than their folders. */
    static const char *const names[] = {"a+/1.png", "a-b/1.png", "a/1.png", "b/1.png"};
    put_set("a.zip", NULL, NULL, 0, names, 4);
    expect_labels("a.zip", "1203", 4);
    expect_names("a.zip", "a", "a+", "a-b", "b", NULL);
    static const char *const digits[] = {"0/1.png", "1/1.png", "10/1.png", "2/1.png"};
    put_set("a.zip", NULL, NULL, 0, digits, 4);
    expect_labels("a.zip", "0123", 4);
    expect_names("a.zip", "0", "1", "10", "2", NULL);
    static const char *const wrapped[] = {"set/x/cat/1.png", "set/x/dog/1.png", "set/x/dog/2.png"};
    put_set("a.zip", NULL, NULL, 0, wrapped, 3);
    expect_labels("a.zip", "011", 2);
    expect_names("a.zip", "cat", "dog", NULL);
}

static void storage_is_no_class(void **state) {
    (void)state;
    static const char *const sets[][2] = {{"00000/1.png", "00001/2.png"},
                                          {"000000/000000.png", "001000/001000.png"},
                                          {"x/00000/1.png", "x/00001/2.png"}};
    for (size_t i = 0; i < AYF_COUNT(sets); i++) {
        put_set("a.zip", NULL, NULL, 0, sets[i], 2);
        expect_labels("a.zip", "", 0);
        expect_failure((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true}, AYF_E_FORMAT,
                       "no labels", "storage", NULL);
    }
    static const char *const years[] = {"1999/1.png", "2000/2.png"}, *const mixed[] = {"00000/1.png",
                                                                                       "000010/2.png"};
    put_set("a.zip", NULL, NULL, 0, years, 2);
    expect_labels("a.zip", "01", 2);
    put_set("a.zip", NULL, NULL, 0, mixed, 2);
    expect_labels("a.zip", "01", 2);
}

static void one_part_of_a_split(void **state) {
    (void)state;
    static const char *const sets[][5] = {
        {"train/cat/1.png", "train/dog/1.png", "train/dog/2.png", "val/cat/1.png", "val/dog/1.png"},
        {"x/Train/cat/1.png", "x/Train/dog/1.png", "x/Train/dog/2.png", "x/test/cat/1.png",
         "x/valid/dog/1.png"}};
    for (size_t i = 0; i < AYF_COUNT(sets); i++) {
        put_set("a.zip", NULL, NULL, 0, sets[i], 5);
        expect_labels("a.zip", "011", 2);
        ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("a.zip")});
        assert_non_null(strstr(ayf_dataset_info_of(data)->note, "takes "));
        assert_non_null(strstr(ayf_dataset_info_of(data)->note, "left out"));
        ayf_dataset_close(data);
    }
    static const char *const alone[] = {"train/1.png", "train/2.png"}, *const class[] = {"car/1.png",
                                                                                         "train/1.png"};
    put_set("a.zip", NULL, NULL, 0, alone, 2);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true}, AYF_E_FORMAT,
                   "no labels", "split", NULL);
    put_set("a.zip", NULL, NULL, 0, class, 2);
    expect_labels("a.zip", "01", 2);
}

static void folders_without_pictures_are_classes(void **state) {
    (void)state;
    static const char *const folders[] = {"e",        "e/bird", "e/cat",   "e/cat/deep", "e/dog",     "e/fox",
                                          "e/fox/in", "e/test", "e/00007", "e/.git",     "e/__MACOSX"};
    for (size_t i = 0; i < AYF_COUNT(folders); i++) mkdir(in_folder(folders[i]), 0700);
    put_png("e/cat/deep/1.png", 4, 4, 3, 10);
    put_png("e/dog/1.png", 4, 4, 3, 20);
    put_text("e/fox/in/notes.txt", "x");
    expect_labels("e", "12", 4);
    expect_names("e", "bird", "cat", "dog", "fox", NULL);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("e"), .labels = true});
    const ayf_classes *known = &ayf_dataset_info_of(data)->known;
    assert_int_equal(ayf_classes_empty(known), 2);
    assert_false(ayf_classes_present(known, 0) || ayf_classes_present(known, 3));
    ayf_dataset_close(data);
    static const char *const shards[] = {"s", "s/00000", "s/00001", "s/empty"};
    for (size_t i = 0; i < AYF_COUNT(shards); i++) mkdir(in_folder(shards[i]), 0700);
    put_png("s/00000/1.png", 4, 4, 3, 10);
    put_png("s/00001/2.png", 4, 4, 3, 20);
    expect_labels("s", "", 0);
    static const char *const split[] = {"t",     "t/train",   "t/train/cat", "t/train/eel",
                                        "t/val", "t/val/cat", "t/val/ox"};
    for (size_t i = 0; i < AYF_COUNT(split); i++) mkdir(in_folder(split[i]), 0700);
    put_png("t/train/cat/1.png", 4, 4, 3, 10);
    put_png("t/val/cat/2.png", 4, 4, 3, 20);
    expect_labels("t", "0", 2);
    expect_names("t", "cat", "eel", NULL);
}

static void what_file_managers_leave_is_passed_over(void **state) {
    (void)state;
    static const char *const names[] = {"cats/0.png", "cats/1.png", "__MACOSX/cats/._0.png", "cats/._1.png",
                                        ".hidden/2.png"};
    put_set("a.zip", "cats/.DS_Store", "x", 1, names, 5);
    expect_labels("a.zip", "00", 1);
    expect_names("a.zip", "cats", NULL);
    mkdir(in_folder("f"), 0700);
    mkdir(in_folder("f/__MACOSX"), 0700);
    put_png("f/0.png", 4, 4, 3, 10);
    put_text("f/._0.png", "junk");
    put_text("f/__MACOSX/1.png", "junk");
    put_text("f/Thumbs.db", "junk");
    put_text("f/desktop.ini", "junk");
    expect_labels("f", "", 0);
}

/* ---- ZIPs that cannot be read ---- */

static void zips_are_explained(void **state) {
    (void)state;
    static const char *const names[] = {"a/1.png", "a/2.png"};
    put_set("inner.zip", NULL, NULL, 0, names, 2);
    blob good = get_file("inner.zip");
    zip_entry nested = {"inner.zip", good.bytes, good.size, 0};
    put_zip("a.zip", &nested, 1);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip")}, AYF_E_FORMAT, "holds no pictures",
                   "inner.zip, another archive", NULL);
    put_file("a.zip", good.bytes, good.size / 2);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip")}, AYF_E_FORMAT, "end is missing", NULL);
    for (size_t i = 0; i + 46 < good.size; i++) {
        if (memcmp(good.bytes + i, "PK\1\2", 4) != 0) continue;
        good.bytes[i + 8] |= 1; /* encrypted */
    }
    put_file("a.zip", good.bytes, good.size);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip")}, AYF_E_FORMAT, "encrypted", "password",
                   NULL);
    free(good.bytes);
    put_set("a.zip", NULL, NULL, 0, names, 2);
    blob other = get_file("a.zip");
    for (size_t i = 0; i + 46 < other.size; i++)
        if (memcmp(other.bytes + i, "PK\1\2", 4) == 0) other.bytes[i + 10] = 12;
    put_file("a.zip", other.bytes, other.size);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip")}, AYF_E_FORMAT, "bzip2", "zip -r", NULL);
    free(other.bytes);
}

/* ---- The MNIST family ---- */

typedef struct idx_text {
    int type, rank;
    uint32_t dim[4];
    const char *bytes;
    size_t size;
} idx_text;

static void put_idx(const char *name, idx_text idx) {
    unsigned char head[20] = {0, 0, (unsigned char)idx.type, (unsigned char)idx.rank};
    for (int i = 0; i < idx.rank; i++) put_big_endian(head + 4 + 4 * i, idx.dim[i]);
    size_t header = 4 + 4 * (size_t)idx.rank, length = strlen(name);
    unsigned char *whole = malloc(header + idx.size);
    memcpy(whole, head, header);
    memcpy(whole + header, idx.bytes, idx.size);
    if (length > 3 && strcmp(name + length - 3, ".gz") == 0) {
        gzFile zipped = gzopen(in_folder(name), "wb");
        gzwrite(zipped, whole, (unsigned)(header + idx.size));
        gzclose(zipped);
    } else {
        put_file(name, whole, header + idx.size);
    }
    free(whole);
}

/* Pictures of 2 x 2 of the values 10, 20. */
static void put_idx_pictures(const char *name) {
    put_idx(name, (idx_text){8, 3, {2, 2, 2}, "\x0a\x0a\x0a\x0a\x14\x14\x14\x14", 8});
}

static void mnist_in_every_form(void **state) {
    (void)state;
    static const idx_text bytes = {8, 1, {2}, "\3\1", 2}, shorts = {0x0B, 1, {2}, "\0\3\0\1", 4},
                          columns = {0x0C, 2, {2, 3}, "\0\0\0\3\0\0\0\7\0\0\0\7\0\0\0\1\0\0\0\7\0\0\0\7", 24};
    static const struct {
        const char *pictures, *labels;
        const idx_text *idx;
    } cases[] = {
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", &bytes},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", &bytes},
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", &bytes},
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", &bytes},
        {"emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte", &bytes},
        {"qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz", &columns},
        {"qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int", &columns},
        {"x-images-idx3-ubyte", "x-labels-idx1-ubyte", &shorts},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        char file[128];
        mkdir(in_folder("d"), 0700);
        snprintf(file, sizeof file, "d/%s", cases[i].labels);
        put_idx(file, *cases[i].idx);
        const char *labels = in_folder(file);
        char remembered[512];
        snprintf(remembered, sizeof remembered, "%s", labels);
        snprintf(file, sizeof file, "d/%s", cases[i].pictures);
        put_idx_pictures(file);
        expect_labels("d", "31", 4);
        expect_labels(file, "31", 4);
        remove(in_folder(file));
        remove(remembered);
    }
}

static void training_comes_before_test(void **state) {
    (void)state;
    static const char *const sets[][2] = {
        {"t10k-images-idx3-ubyte", "train-images-idx3-ubyte"},
        {"qmnist-test-images-idx3-ubyte", "qmnist-train-images-idx3-ubyte"},
        {"emnist-letters-test-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte"},
        {"a-test-images-idx3-ubyte", "b-images-idx3-ubyte"}};
    for (size_t i = 0; i < AYF_COUNT(sets); i++) {
        put_idx(sets[i][0], (idx_text){8, 3, {1, 2, 2}, "\1\1\1\1", 4});
        put_idx_pictures(sets[i][1]);
        ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder});
        assert_int_equal(ayf_dataset_info_of(data)->count, 2);
        assert_non_null(strstr(ayf_dataset_info_of(data)->note, sets[i][1]));
        assert_non_null(strstr(ayf_dataset_info_of(data)->note, sets[i][0]));
        ayf_dataset_close(data);
        remove(in_folder(sets[i][0]));
        remove(in_folder(sets[i][1]));
    }
}

static void other_idx_is_explained(void **state) {
    (void)state;
    const char *name = "t-images-idx3-ubyte";
    ayf_dataset_spec spec = {.source = in_folder(name)}, labelled = {.source = spec.source, .labels = true};
    char path[256];
    snprintf(path, sizeof path, "%s", spec.source);
    spec.source = labelled.source = path;
    put_idx(name, (idx_text){0x0D, 3, {1, 1, 1}, "\0\0\0\0", 4});
    expect_failure(spec, AYF_E_FORMAT, name, "32-bit reals", "rank 3", "bytes", NULL);
    put_idx(name, (idx_text){0x0B, 3, {1, 1, 1}, "\0\0", 2});
    expect_failure(spec, AYF_E_FORMAT, name, "16-bit whole numbers", NULL);
    put_idx(name, (idx_text){8, 2, {1, 1}, "\0", 1});
    expect_failure(spec, AYF_E_FORMAT, name, "rank 2", "file of labels", NULL);
    put_idx(name, (idx_text){8, 4, {1, 1, 1, 3}, "\x0a\x14\x1e", 3});
    ayf_dataset *data = open_spec(spec);
    assert_int_equal(ayf_dataset_info_of(data)->channels, 3);
    ayf_dataset_close(data);
    put_idx(name, (idx_text){8, 4, {1, 3, 1, 2}, "123456", 6});
    expect_failure(spec, AYF_E_FORMAT, name, "1 or 3 channels", NULL);
    put_idx_pictures(name);
    put_idx("t-labels-idx1-ubyte", (idx_text){0x0D, 1, {2}, "\0\0\0\0\0\0\0\0", 8});
    expect_failure(labelled, AYF_E_FORMAT, "t-labels-idx1-ubyte", "32-bit reals", "whole numbers", NULL);
    put_idx("t-labels-idx1-ubyte", (idx_text){0x0C, 1, {2}, "\0\0\0\1\xff\xff\xff\xff", 8});
    expect_failure(labelled, AYF_E_FORMAT, "picture 1: has no label", NULL);
}

/* ---- CIFAR ---- */

static void put_cifar(const char *name, size_t labels, const char *classes, size_t records) {
    size_t record = labels + 3072;
    unsigned char *bytes = calloc(records, record);
    for (size_t i = 0; i < records; i++) {
        bytes[i * record + labels - 1] = (unsigned char)(classes[i] - '0');
        if (labels == 2) bytes[i * record] = 19;
        for (size_t k = 0; k < 3072; k++) bytes[i * record + labels + k] = (unsigned char)((i + 1) * 10);
    }
    put_file(name, bytes, records * record);
    free(bytes);
}

static int first_values_and_labels(ayf_dataset *data) {
    static float values[3072];
    int all = 0, label;
    for (size_t i = 0; i < ayf_dataset_info_of(data)->count; i++) {
        assert_int_equal(ayf_dataset_get(data, i, false, values, &label), AYF_OK);
        all = 10 * all + label;
    }
    return all;
}

static void cifar_has_names(void **state) {
    (void)state;
    put_cifar("data_batch_1.bin", 1, "37", 2);
    put_cifar("data_batch_2.bin", 1, "9", 1);
    put_cifar("test_batch.bin", 1, "1", 1);
    ayf_dataset_spec spec = {.source = fixture_folder, .labels = true};
    ayf_dataset *data = open_spec(spec);
    assert_int_equal(first_values_and_labels(data), 379);
    assert_null(ayf_dataset_info_of(data)->known.names);
    ayf_dataset_close(data);
    put_text("batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
    data = open_spec(spec);
    assert_int_equal(ayf_dataset_info_of(data)->classes, 10);
    assert_string_equal(ayf_dataset_info_of(data)->known.names[9], "truck");
    assert_int_equal(ayf_dataset_info_of(data)->known.pictures[7], 1);
    assert_int_equal(ayf_dataset_info_of(data)->known.pictures[0], 0);
    assert_non_null(strstr(ayf_dataset_info_of(data)->note, "test_batch.bin is left out"));
    ayf_dataset_close(data);
}

static void cifar_100_is_read(void **state) {
    (void)state;
    put_cifar("train.bin", 2, "5801", 4);
    put_cifar("test.bin", 2, "1", 1);
    char names[1000] = "", *at = names;
    for (int i = 0; i < 100; i++) at += sprintf(at, "n%02d\r\n", i);
    put_text("fine_label_names.txt", names);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .labels = true});
    assert_int_equal(first_values_and_labels(data), 5801);
    assert_int_equal(ayf_dataset_info_of(data)->classes, 100);
    assert_string_equal(ayf_dataset_info_of(data)->known.names[42], "n42");
    ayf_dataset_close(data);
    data = open_spec((ayf_dataset_spec){.source = in_folder("test.bin"), .labels = true});
    assert_int_equal(first_values_and_labels(data), 1);
    ayf_dataset_close(data);
}

/* ---- .npz ---- */

static ayf_npz_member array_of(const char *key, ayf_npy_type type, int rank, const size_t *shape,
                               void *data) {
    ayf_npz_member m = {.key = key, .array = {.type = type, .rank = rank, .data = data}};
    memcpy(m.array.shape, shape, (size_t)rank * sizeof *shape);
    return m;
}

static void put_npz(const char *name, const ayf_npz_member *members, size_t count) {
    assert_int_equal(ayf_npz_write(ctx, in_folder(name), members, count), AYF_OK);
}

static void npz_batches_are_read(void **state) {
    (void)state;
    static const char *const names[][2] = {{"arr_0", "arr_1"},
                                           {"images", "labels"},
                                           {"x_train", "y_train"},
                                           {"train_images", "train_labels"},
                                           {"data", "labels"}};
    unsigned char pixels[2 * 4 * 4 * 3];
    memset(pixels, 10, sizeof pixels);
    memset(pixels + 48, 20, 48);
    int64_t wide[] = {3, 1};
    int32_t narrow[] = {3, 1};
    unsigned char bytes[] = {3, 1};
    for (size_t i = 0; i < AYF_COUNT(names); i++) {
        ayf_npz_member m[] = {array_of(names[i][0], AYF_NPY_U8, 4, (size_t[]){2, 4, 4, 3}, pixels),
                              array_of(names[i][1], AYF_NPY_I64, 1, (size_t[]){2}, wide)};
        if (i == 1) m[1] = array_of(names[i][1], AYF_NPY_I32, 2, (size_t[]){2, 1}, narrow);
        if (i == 2) m[1] = array_of(names[i][1], AYF_NPY_U8, 1, (size_t[]){2}, bytes);
        put_npz("a.npz", m, 2);
        expect_labels("a.npz", "31", 4);
        put_npz("a.npz", m, 1);
        expect_labels("a.npz", "", 0);
        expect_failure((ayf_dataset_spec){.source = in_folder("a.npz"), .labels = true}, AYF_E_FORMAT,
                       "no labels", names[i][1], "data.labels=false", NULL);
    }
    ayf_npz_member keras[] = {array_of("x_test", AYF_NPY_U8, 3, (size_t[]){1, 6, 16}, pixels),
                              array_of("x_train", AYF_NPY_U8, 3, (size_t[]){2, 8, 6}, pixels)};
    put_npz("a.npz", keras, 2);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("a.npz")});
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    assert_int_equal(info->count * 1000 + (size_t)(info->height * 100 + info->width * 10 + info->channels),
                     2861);
    assert_non_null(strstr(info->note, "x_test is left out"));
    ayf_dataset_close(data);
}

static void other_npz_is_explained(void **state) {
    (void)state;
    float reals[48] = {0};
    double statistics[4] = {0};
    ayf_npz_member mu[] = {array_of("mu", AYF_NPY_F64, 1, (size_t[]){2}, statistics),
                           array_of("sigma", AYF_NPY_F64, 2, (size_t[]){2, 2}, statistics)};
    ayf_npz_member other = array_of("weights", AYF_NPY_F32, 1, (size_t[]){2}, reals);
    ayf_npz_member real = array_of("arr_0", AYF_NPY_F32, 4, (size_t[]){1, 4, 4, 3}, reals);
    ayf_npz_member first = array_of("arr_0", AYF_NPY_U8, 4, (size_t[]){1, 3, 4, 4}, reals);
    ayf_npz_member uneven[] = {array_of("arr_0", AYF_NPY_U8, 3, (size_t[]){2, 4, 4}, reals),
                               array_of("arr_1", AYF_NPY_U8, 1, (size_t[]){3}, reals)};
    ayf_dataset_spec spec = {.source = in_folder("a.npz")};
    char path[256];
    snprintf(path, sizeof path, "%s", spec.source);
    spec.source = path;
    put_npz("a.npz", mu, 2);
    expect_failure(spec, AYF_E_FORMAT, "a.npz", "mu and sigma", "statistics", NULL);
    put_npz("a.npz", &other, 1);
    expect_failure(spec, AYF_E_FORMAT, "holds weights", "arr_0", NULL);
    put_npz("a.npz", &real, 1);
    expect_failure(spec, AYF_E_FORMAT, "'arr_0' is <f4 (1, 4, 4, 3)", "|u1", NULL);
    put_npz("a.npz", &first, 1);
    expect_failure(spec, AYF_E_FORMAT, "'arr_0' is |u1 (1, 3, 4, 4)", "(N, H, W, 3)", NULL);
    put_npz("a.npz", uneven, 2);
    spec.labels = true;
    expect_failure(spec, AYF_E_FORMAT, "'arr_1' is |u1 (3)", "2 pictures", NULL);
    uneven[0].array.shape[0] = 2;
    spec.labels = false;
    spec.memory = 10;
    expect_failure(spec, AYF_E_FORMAT, "a.npz", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(labels_in_every_form),
        ROW(label_file_in_a_folder),
        ROW(names_of_classes),
        ROW(folders_in_the_order_of_their_names),
        ROW(storage_is_no_class),
        ROW(one_part_of_a_split),
        ROW(folders_without_pictures_are_classes),
        ROW(what_file_managers_leave_is_passed_over),
        ROW(zips_are_explained),
        ROW(mnist_in_every_form),
        ROW(training_comes_before_test),
        ROW(other_idx_is_explained),
        ROW(cifar_has_names),
        ROW(cifar_100_is_read),
        ROW(npz_batches_are_read),
        ROW(other_npz_is_explained),
    };
    return cmocka_run_group_tests_name("published", tests, NULL, NULL);
}
