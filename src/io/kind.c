#include "io/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "io/file.h"

#define UNPACK "unpack it and name the folder or the file that it held"
#define EXPORT "export its pictures as PNG into a folder, one sub-folder per class"
#define CONVERT "convert it to PNG; a data set is a folder or a ZIP of such files"
#define VIDEO "take its frames out as PNG (ffmpeg -i FILE FOLDER/%06d.png) and name the folder"
#define AGAIN "fetch the file again"
#define ONE_PICTURE "a data set is a folder or a ZIP of pictures; name the folder"
#define OWN_MODELS                                                                                           \
    "ayf opens the models that it wrote itself, the model.safetensors of a run; of other programs, it "      \
    "reads "                                                                                                 \
    "weights of EDM2 (docs/import.md)"
#define SAVEZ                                                                                                \
    "in Python, numpy.savez('FILE.npz', images=..., labels=...) with images of uint8 (N, H, W, C) writes a " \
    "file that is read"
#define EDM2                                                                                                 \
    "ayf runs no pickles; scripts/convert_edm2.py FILE.pkl FILE.safetensors and then ayf import make a "     \
    "model "                                                                                                 \
    "of a network of EDM2"
#define PICKLE "of CIFAR-10 and CIFAR-100 there is a binary version, which is read; for others: " SAVEZ

enum { TAR_MAGIC = 257, ZIP_NAME = 30, GZIP_ONLY = 16 };

static const struct {
    size_t at;
    const char *magic;
    size_t size;
    ayf_kind kind;
} rows[] = {
#define ROW(at, magic, ...)                                                                                  \
    {                                                                                                        \
        at, magic, sizeof magic - 1, { __VA_ARGS__, AYF_KIND_FOREIGN }                                       \
    }
    ROW(0, "\x93NUMPY", "a NumPy array (.npy)", SAVEZ, OWN_MODELS),
    ROW(TAR_MAGIC, "ustar", "a tar archive", UNPACK, UNPACK),
    ROW(0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK, UNPACK),
    ROW(0, "Rar!\x1a\x07", "a RAR archive", UNPACK, UNPACK),
    ROW(0, "\x28\xb5\x2f\xfd", "Zstandard data (.zst)", UNPACK, UNPACK),
    ROW(0,
        "\xfd"
        "7zXZ",
        "XZ data (.xz)", UNPACK, UNPACK),
    ROW(0, "BZh", "bzip2 data (.bz2)", UNPACK, UNPACK),
    ROW(0, "\x04\x22\x4d\x18", "LZ4 data", UNPACK, UNPACK),
    ROW(0, "PAR1", "a Parquet file", EXPORT, OWN_MODELS),
    ROW(0, "ARROW1", "an Arrow file", EXPORT, OWN_MODELS),
    ROW(0, "\xff\xff\xff\xff", "an Arrow stream", EXPORT, OWN_MODELS),
    ROW(0, "FEA1", "a Feather file", EXPORT, OWN_MODELS),
    ROW(16, "\xde\xc0\xef\xbe", "an LMDB database", EXPORT, OWN_MODELS),
    ROW(0, "\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT, OWN_MODELS),
    ROW(0, "MATLAB 5.0 MAT-file", "a MATLAB file", EXPORT, OWN_MODELS),
    ROW(0, "SQLite format 3", "an SQLite database", EXPORT, OWN_MODELS),
    ROW(0, "II*\0", "a TIFF picture", CONVERT, OWN_MODELS),
    ROW(0, "MM\0*", "a TIFF picture", CONVERT, OWN_MODELS),
    ROW(0, "GIF8", "a GIF picture", CONVERT, OWN_MODELS),
    ROW(0, "8BPS", "a Photoshop picture", CONVERT, OWN_MODELS),
    ROW(8, "WEBP", "a WebP picture", ONE_PICTURE, OWN_MODELS),
    ROW(4, "ftypheic", "a HEIC picture", CONVERT, OWN_MODELS),
    ROW(4, "ftypavif", "an AVIF picture", CONVERT, OWN_MODELS),
    ROW(0, "\x89PNG", "a PNG picture", ONE_PICTURE, OWN_MODELS),
    ROW(0, "\xff\xd8\xff", "a JPEG picture", ONE_PICTURE, OWN_MODELS),
    ROW(4, "ftyp", "a video (MP4)", VIDEO, OWN_MODELS),
    ROW(0, "\x1a\x45\xdf\xa3", "a video (Matroska, WebM)", VIDEO, OWN_MODELS),
    ROW(8, "AVI ", "a video (AVI)", VIDEO, OWN_MODELS),
    ROW(0, "%PDF", "a PDF document", NULL, OWN_MODELS),
    ROW(0,
        "\x7f"
        "ELF",
        "a program", NULL, OWN_MODELS),
    ROW(0, "GGUF", "a GGUF model", NULL, OWN_MODELS),
    ROW(0, "version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, which stands for a file that was not fetched", "git lfs pull fetches it",
        "git lfs pull fetches it"),
#undef ROW
};

static const ayf_kind bmp = {"a BMP picture", CONVERT, OWN_MODELS, AYF_KIND_FOREIGN},
                      tfrecord = {"a TFRecord file", EXPORT, OWN_MODELS, AYF_KIND_FOREIGN},
                      page = {"a web page, probably the error page of a download", AGAIN, AGAIN,
                              AYF_KIND_FOREIGN},
                      sharded = {"the index of a model in several files", OWN_MODELS, OWN_MODELS,
                                 AYF_KIND_FOREIGN},
                      json = {"JSON text", NULL, OWN_MODELS, AYF_KIND_FOREIGN},
                      torch = {"a PyTorch file (.pt, .pth)", SAVEZ, OWN_MODELS, AYF_KIND_FOREIGN},
                      pickle = {"a Python pickle (.pkl, .pt, .pth)", PICKLE, EDM2, AYF_KIND_FOREIGN},
                      npz = {"a NumPy archive (.npz)", NULL, OWN_MODELS, AYF_KIND_NPZ},
                      zip = {"a ZIP archive", UNPACK, OWN_MODELS, AYF_KIND_ZIP},
                      idx = {"an IDX file, as MNIST's", NULL, OWN_MODELS, AYF_KIND_IDX},
                      font = {"a font (.ttf, .otf)", NULL, OWN_MODELS, AYF_KIND_FONT},
                      gzip = {"gzip data (.gz)", UNPACK, UNPACK, AYF_KIND_FOREIGN},
                      tar_gz = {"a tar archive in gzip (.tar.gz)", UNPACK, UNPACK, AYF_KIND_FOREIGN};

static bool has(const unsigned char *head, size_t size, const char *part) {
    size_t length = strlen(part);
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(head + i, part, length) == 0) return true;
    return false;
}

/* Text that begins with `word`, whatever its case. */
static bool begins(const unsigned char *text, size_t size, const char *word) {
    return size >= strlen(word) && strncasecmp((const char *)text, word, strlen(word)) == 0;
}

static const ayf_kind *kind_of_text(const unsigned char *head, size_t size) {
    static const char mark[] = "\xef\xbb\xbf";
    if (size >= 3 && memcmp(head, mark, 3) == 0) head += 3, size -= 3;
    while (size && strchr(" \t\r\n", head[0]) && head[0]) head++, size--;
    if (begins(head, size, "<!doctype html") || begins(head, size, "<html") || begins(head, size, "<?xml"))
        return &page;
    if (size && head[0] == '{') return has(head, size, "\"weight_map\"") ? &sharded : &json;
    return NULL;
}

/* The first record begins with its length, 8 bytes, and their CRC-32C, masked as TensorFlow does. */
static bool is_tfrecord(const unsigned char *head, size_t size) {
    uint32_t crc = ~0u, stored = 0;
    if (size < 12) return false;
    for (int i = 0; i < 8; i++) {
        crc ^= head[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    for (int i = 3; i >= 0; i--) stored = stored << 8 | head[8 + i];
    return stored == (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static const ayf_kind *kind_of_zip(const unsigned char *head, size_t size) {
    const unsigned char *name = head + ZIP_NAME;
    if (size < ZIP_NAME) return &zip;
    size_t length = (size_t)head[26] | (size_t)head[27] << 8;
    if (length > size - ZIP_NAME) length = size - ZIP_NAME;
    if (has(name, length, "data.pkl")) return &torch;
    return length > 4 && memcmp(name + length - 4, ".npy", 4) == 0 ? &npz : &zip;
}

/* Two zeros, the type of the elements, the rank. */
static bool is_idx(const unsigned char *head, size_t size) {
    return size >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0E && head[3] &&
           head[3] <= 8;
}

/* The version, then the number of tables. A TFRecord of 256 bytes begins alike, but with zeros behind. */
static bool is_font(const unsigned char *head, size_t size) {
    return size >= 6 && (memcmp(head, "\0\1\0\0", 4) == 0 || memcmp(head, "OTTO", 4) == 0) &&
           (head[4] || head[5]);
}

static const ayf_kind *kind_of_gzip(const unsigned char *head, size_t size) {
    unsigned char inner[1024];
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)head, .avail_in = (unsigned)size};
    if (inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK) return &gzip;
    stream.next_out = inner;
    stream.avail_out = sizeof inner;
    (void)inflate(&stream, Z_SYNC_FLUSH);
    size_t got = sizeof inner - stream.avail_out;
    inflateEnd(&stream);
    if (is_idx(inner, got)) return &idx;
    if (got > TAR_MAGIC + 5 && memcmp(inner + TAR_MAGIC, "ustar", 5) == 0) return &tar_gz;
    const ayf_kind *text = kind_of_text(inner, got);
    return text == &page ? text : &gzip;
}

const ayf_kind *ayf_kind_of(const unsigned char *head, size_t size) {
    enum { PROTOCOL = 0x80, OLDEST = 2, NEWEST = 5 };
    if (size >= 4 && memcmp(head, "PK\3\4", 4) == 0) return kind_of_zip(head, size);
    if (size >= 4 && memcmp(head, "PK\5\6", 4) == 0) return &zip; /* without entries */
    if (size >= 2 && memcmp(head, "\x1f\x8b", 2) == 0) return kind_of_gzip(head, size);
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (size >= rows[i].at + rows[i].size && memcmp(head + rows[i].at, rows[i].magic, rows[i].size) == 0)
            return &rows[i].kind;
    if (size >= 6 && head[0] == PROTOCOL && head[1] >= OLDEST && head[1] <= NEWEST) return &pickle;
    if (size >= 26 && memcmp(head, "BM", 2) == 0 && memcmp(head + 6, "\0\0\0\0", 4) == 0) return &bmp;
    /* A safetensors file: the length of the header, then the header. */
    if (size >= 9 && head[8] == '{' && memcmp(head + 5, "\0\0\0", 3) == 0) return NULL;
    if (is_font(head, size)) return &font;
    if (is_tfrecord(head, size)) return &tfrecord;
    if (is_idx(head, size)) return &idx;
    return kind_of_text(head, size);
}

const ayf_kind *ayf_kind_of_file(const char *path) {
    struct stat info;
    unsigned char head[AYF_KIND_HEAD];
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return NULL;
    while (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && size < sizeof head) {
        ssize_t got = read(fd, head + size, sizeof head - size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size += (size_t)got;
    }
    close(fd);
    return ayf_kind_of(head, size);
}

static ayf_status fail(ayf_context *ctx, const char *path, const ayf_kind *kind, const char * not,
                       const char *way) {
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: is %s, not %s%s%s", path, kind->name, not, way ? ": " : "",
                    way ? way : "");
}

ayf_status ayf_fail_kind_data(ayf_context *ctx, const char *path, const ayf_kind *kind) {
    return fail(
        ctx, path, kind, "a data set",
        kind->as_data
            ? kind->as_data
            : "ayf reads a ZIP or a folder of pictures, IDX, CIFAR's binary files, .npz and a colour font");
}

ayf_status ayf_fail_kind_model(ayf_context *ctx, const char *path, const ayf_kind *kind) {
    return fail(ctx, path, kind, "a model", kind->as_model);
}
