/* Files of other kinds are called by their names, and nothing unpacks without bounds. */
#include "dataset_test.h"

#include "io/kind.h"

static void expect_kind(const char *name, const void *bytes, size_t size, const char *word, const char *way) {
    put_file(name, bytes, size);
    expect_failure((ayf_dataset_spec){.source = in_folder(name)}, AYF_E_FORMAT, name, word, way, NULL);
}

static void other_files_are_named(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *word, *way;
    } cases[] = {
#define FILE_OF(name, bytes, word, way) {name, bytes, sizeof bytes - 1, word, way}
        FILE_OF("a.npy", "\x93NUMPY\1\0v\0{'descr': '|u1'", "NumPy array (.npy)", "savez"),
        FILE_OF("a.7z", "7z\xbc\xaf\x27\x1c\0\4", "7-Zip", "unpack"),
        FILE_OF("a.rar", "Rar!\x1a\x07\1\0", "RAR", "unpack"),
        FILE_OF("a.zst", "\x28\xb5\x2f\xfd____", "Zstandard", "unpack"),
        FILE_OF("a.xz",
                "\xfd"
                "7zXZ\0\0\4",
                "XZ", "unpack"),
        FILE_OF("a.bz2", "BZh91AY&SY", "bzip2", "unpack"),
        FILE_OF("a.parquet", "PAR1\x15\4\x15", "Parquet", "PNG"),
        FILE_OF("a.arrow", "ARROW1\0\0", "Arrow", "PNG"),
        FILE_OF("data.mdb", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xde\xc0\xef\xbe\1\0\0\0", "LMDB", "PNG"),
        FILE_OF("a.h5", "\x89HDF\r\n\x1a\n\0\0", "HDF5", "PNG"),
        FILE_OF("a.tif", "II*\0\x08\0\0\0", "TIFF", "PNG"),
        FILE_OF("b.tif", "MM\0*\0\0\0\x08", "TIFF", "PNG"),
        FILE_OF("a.gif", "GIF89a\1\0\1\0", "GIF", "PNG"),
        FILE_OF("a.bmp", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\2\0\0\0\2\0\0\0", "BMP", "PNG"),
        FILE_OF("a.jxl", "\xff\x0a\x10\0", "JPEG XL", "PNG"),
        FILE_OF("a.ppm", "P6 2 2 255\n", "PPM", "PNG"),
        FILE_OF("a.svg", "<?xml version='1.0'?><svg width='3'></svg>", "SVG", "PNG"),
        FILE_OF("a.xml", "<Error><Code>AccessDenied</Code></Error>", "XML", "fetch"),
        FILE_OF("a.mp4",
                "\0\0\0\x20"
                "ftypisom\0\0\2\0",
                "video", "ffmpeg"),
        FILE_OF("a.html", "\n <!DOCTYPE HTML><html>", "web page", "fetch"),
        FILE_OF("b.zip", "<html><body>404", "web page", "fetch"),
        FILE_OF("c.zip", "version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS",
                "git lfs pull"),
        FILE_OF("model.safetensors.index.json", "{\"metadata\": {\"total_size\": 3}, \"weight_map\": {}}",
                "several files", "ayf opens"),
        FILE_OF("a.json", "{\"a\": 1}", "JSON", "ZIP"),
        FILE_OF("a.pkl", "\x80\4\x95\1\2\3\0\0", "pickle", "CIFAR"),
        /* The length 5, its masked CRC-32C. */
        FILE_OF("a.tfrecord",
                "\5\0\0\0\0\0\0\0\xea\xb2\x04\x3e"
                "_____",
                "TFRecord", "PNG"),
        FILE_OF("a.ttf", "\0\1\0\0\0\0\0\0\0\0\0\0", "not a data set", "builtin:"),
        FILE_OF("b.ttf", "\0\1\0\0\0\1\0\x10\0\0\0\0", "truncated", "font"),
        FILE_OF("c.otf", "OTTO\0\1\0\x10\0\0\0\0", "truncated", "font"),
        FILE_OF("one.png", "\x89PNG\r\n\x1a\n", "PNG picture", "folder"),
#undef FILE_OF
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++)
        expect_kind(cases[i].name, cases[i].bytes, cases[i].size, cases[i].word, cases[i].way);
    expect_kind("empty.zip", "", 0, "empty", "again");
    unsigned char tar[1024] = "folder/a.png";
    memcpy(tar + 257, "ustar", 5);
    expect_kind("a.tar", tar, sizeof tar, "tar archive", "unpack");
    gzFile zipped = gzopen(in_folder("x.tar.gz"), "wb");
    gzwrite(zipped, tar, sizeof tar);
    gzclose(zipped);
    expect_failure((ayf_dataset_spec){.source = in_folder("x.tar.gz")}, AYF_E_FORMAT, "tar archive in gzip",
                   "unpack", NULL);
}

static void files_in_zips_and_folders_are_named(void **state) {
    (void)state;
    zip_entry torch[] = {{"archive/data.pkl", "\x80\2}", 3, 0}, {"archive/data/0", "1234", 4, 0}};
    put_zip("weights.pt", torch, 2);
    expect_failure((ayf_dataset_spec){.source = in_folder("weights.pt")}, AYF_E_FORMAT, "PyTorch", NULL);
    mkdir(in_folder("cifar-10-batches-py"), 0700);
    put_file("cifar-10-batches-py/data_batch_1", "\x80\2}q\1(", 6);
    put_text("cifar-10-batches-py/readme.html", "<html>CIFAR");
    expect_failure((ayf_dataset_spec){.source = in_folder("cifar-10-batches-py")}, AYF_E_FORMAT,
                   "holds no pictures", "data_batch_1", "pickle", "binary version", NULL);
}

/* ---- Bounds ---- */

/* A label file of blanks compresses a thousandfold. */
static void label_files_are_bounded(void **state) {
    (void)state;
    const size_t size = (size_t)80 << 20;
    blob picture = flat_png(4, 4, 3, 1);
    char *blank = malloc(size);
    memset(blank, ' ', size);
    zip_entry entries[] = {{"a.png", picture.bytes, picture.size, 0}, {"dataset.json", blank, size, 1}};
    put_zip("a.zip", entries, 2);
    free(blank);
    free(picture.bytes);
    expect_failure((ayf_dataset_spec){.source = in_folder("a.zip"), .labels = true}, AYF_E_FORMAT,
                   "dataset.json", "83886080 bytes", "at most", NULL);
    ayf_dataset_close(open_spec((ayf_dataset_spec){.source = in_folder("a.zip")}));
}

/* However deep lists are nested and however large one is, a message comes and little memory goes. */
static void deep_and_large_json_is_refused(void **state) {
    (void)state;
    const size_t size = (size_t)6 << 20;
    char *text = malloc(size + 1);
    static const char *const starts[] = {"{\"labels\": ", "{\"labels\": [",
                                         "{\"other\": ", "{\"labels\": [[\"a.png\", "};
    put_png("a.png", 4, 4, 1, 1);
    for (size_t i = 0; i < AYF_COUNT(starts); i++) {
        memset(text, '[', size);
        memcpy(text, starts[i], strlen(starts[i]));
        put_file("dataset.json", text, size);
        expect_failure((ayf_dataset_spec){.source = fixture_folder, .labels = true}, AYF_E_FORMAT,
                       "dataset.json", "line 1", NULL);
    }
    free(text);
}

static void unpacked_idx_is_bounded(void **state) {
    (void)state;
    enum { SIDE = 1000, COUNT = 40 };
    unsigned char head[16] = {0, 0, 8, 3}, *zeros = calloc(SIDE, SIDE);
    put_big_endian(head + 4, COUNT);
    put_big_endian(head + 8, SIDE);
    put_big_endian(head + 12, SIDE);
    gzFile zipped = gzopen(in_folder("x-images-idx3-ubyte.gz"), "wb9");
    gzwrite(zipped, head, sizeof head);
    for (int i = 0; i < COUNT; i++) gzwrite(zipped, zeros, SIDE * SIDE);
    gzclose(zipped);
    free(zeros);
    expect_failure((ayf_dataset_spec){.source = in_folder("x-images-idx3-ubyte.gz")}, AYF_E_FORMAT,
                   "unpacks to more", NULL);
}

static void pipes_are_refused_at_once(void **state) {
    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    expect_failure((ayf_dataset_spec){.source = in_folder("pipe")}, AYF_E_FORMAT, "pipe", "copy", NULL);
    expect_failure((ayf_dataset_spec){.source = "/dev/zero"}, AYF_E_FORMAT, "/dev/zero", "device", NULL);
    assert_int_equal(mkfifo(in_folder("train-images-idx3-ubyte"), 0600), 0);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "train-images", NULL);
    remove(in_folder("train-images-idx3-ubyte"));
    assert_int_equal(mkfifo(in_folder("data_batch_1.bin"), 0600), 0);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "data_batch_1.bin", NULL);
    remove(in_folder("data_batch_1.bin"));
    assert_int_equal(mkfifo(in_folder("a.png"), 0600), 0);
    expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_FORMAT, "holds no pictures", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(other_files_are_named),   ROW(files_in_zips_and_folders_are_named),
        ROW(label_files_are_bounded), ROW(deep_and_large_json_is_refused),
        ROW(unpacked_idx_is_bounded), ROW(pipes_are_refused_at_once),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
