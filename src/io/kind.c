#include "io/kind.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "io/file.h"

/* Ways out: for data, for a model, and as the end of a sentence about a picture. */
#define UNPACK "unpack it and name the folder or the file that it held"
#define EXPORT "export its pictures as PNG into a folder, one sub-folder per class"
#define CONVERT "convert it to PNG; a data set is a folder or a ZIP of such files"
#define VIDEO "take its frames out as PNG (ffmpeg -i FILE FOLDER/%06d.png) and name the folder"
#define AGAIN "fetch the file again"
#define PULL "git lfs pull fetches it"
#define ONE_PICTURE "a data set is a folder or a ZIP of pictures; name the folder"
#define OWN_MODELS                                                                                           \
    "ayf opens the models that it wrote itself, the model.safetensors of a run; of other programs, it "      \
    "reads weights of EDM2 (docs/import.md)"
#define SAVEZ                                                                                                \
    "in Python, numpy.savez('FILE.npz', images=..., labels=...) with images of uint8 (N, H, W, C) writes a " \
    "file that is read"
#define EDM2                                                                                                 \
    "ayf runs no pickles; scripts/convert_edm2.py FILE.pkl FILE.safetensors and then ayf import make a "     \
    "model of a network of EDM2"
#define PICKLE "of CIFAR-10 and CIFAR-100 there is a binary version, which is read; for others: " SAVEZ
#define NOT_READ(command) ", which is not read; convert it to PNG (" command ")"
#define MAGICK NOT_READ("ImageMagick: mogrify -format png FILE")
#define HEIF NOT_READ("heif-convert FILE FILE.png")
#define DJXL NOT_READ("djxl FILE FILE.png")
#define FRAMES ", not a picture; extract its frames (ffmpeg -i FILE frame-%06d.png)"
#define DAMAGED ", damaged in its first bytes, as by a transfer in text mode; copy it again"
#define DATA_SET ", not a picture; unpack it, or give it as the data set itself"
#define LOST ", in place of the picture, as servers send when they cannot send a file; download it again"

enum { TAR_MAGIC = 257, ZIP_NAME = 30, GZIP_ONLY = 16 };

static const struct {
    size_t at;
    const char *magic;
    size_t size;
    ayf_kind kind;
} rows[] = {
#define ROW(at, magic, name, ...)                                                                            \
    {                                                                                                        \
        at, magic, sizeof magic - 1, { name, __VA_ARGS__, AYF_KIND_FOREIGN }                                 \
    }
#define ARCHIVE(at, magic, name) ROW(at, magic, name, UNPACK, UNPACK, ", not a picture; unpack it")
#define RECORDS(at, magic, name) ROW(at, magic, name, EXPORT, OWN_MODELS, NULL)
#define PICTURE(at, magic, name, end) ROW(at, magic, name, CONVERT, OWN_MODELS, end)
    ROW(0, "\x93NUMPY", "a NumPy array (.npy)", SAVEZ, OWN_MODELS, ", not a picture; save it as PNG"),
    ARCHIVE(TAR_MAGIC, "ustar", "a tar archive"),
    ARCHIVE(0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    ARCHIVE(0, "Rar!", "a RAR archive"),
    ARCHIVE(0, "\x28\xb5\x2f\xfd", "Zstandard data (.zst)"),
    ARCHIVE(0, "\xfd\x37zXZ", "XZ data (.xz)"),
    ARCHIVE(0, "BZh", "bzip2 data (.bz2)"),
    ARCHIVE(0, "\x04\x22\x4d\x18", "LZ4 data"),
    RECORDS(0, "PAR1", "a Parquet file"),
    RECORDS(0, "ARROW1", "an Arrow file"),
    RECORDS(0, "\xff\xff\xff\xff", "an Arrow stream"),
    RECORDS(0, "FEA1", "a Feather file"),
    RECORDS(16, "\xde\xc0\xef\xbe", "an LMDB database"),
    RECORDS(0, "\x89HDF\r\n\x1a\n", "an HDF5 file"),
    RECORDS(0, "MATLAB 5.0 MAT-file", "a MATLAB file"),
    RECORDS(0, "SQLite format 3", "an SQLite database"),
    PICTURE(0, "II*\0", "a TIFF picture", MAGICK),
    PICTURE(0, "MM\0*", "a TIFF picture", MAGICK),
    PICTURE(0, "II+\0", "a TIFF picture", MAGICK),
    PICTURE(0, "MM\0+", "a TIFF picture", MAGICK),
    PICTURE(0, "GIF8", "a GIF picture", MAGICK),
    PICTURE(0, "8BPS", "a Photoshop picture", MAGICK),
    PICTURE(4, "ftypavi", "an AVIF picture", MAGICK),
    PICTURE(4, "ftyphe", "a HEIC picture", HEIF),
    PICTURE(4, "ftypmif", "a HEIF picture", HEIF),
    PICTURE(0, "\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", DJXL),
    PICTURE(0, "\xff\x0a", "a JPEG XL picture", DJXL),
    PICTURE(0, "\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", MAGICK),
    PICTURE(0, "\xff\x4f\xff\x51", "a JPEG 2000 picture", MAGICK),
    PICTURE(0, "\x76\x2f\x31\x01", "an OpenEXR picture", MAGICK),
    PICTURE(0, "#?RADIANCE", "a Radiance HDR picture", MAGICK),
    PICTURE(0, "DDS ", "a DDS texture", MAGICK),
    PICTURE(0, "qoif", "a QOI picture", MAGICK),
    PICTURE(0, "\0\0\1\0", "an icon (ICO)", MAGICK),
    PICTURE(0, "\x8aMNG\r\n\x1a\n", "an MNG animation", MAGICK),
    ROW(8, "WEBP", "a WebP picture", ONE_PICTURE, OWN_MODELS, DAMAGED),
    ROW(0, "\x89PN", "a PNG picture", ONE_PICTURE, OWN_MODELS, DAMAGED),
    ROW(0, "\xff\xd8\xff", "a JPEG picture", ONE_PICTURE, OWN_MODELS, DAMAGED),
    ROW(4, "ftyp", "a video (MP4, QuickTime)", VIDEO, OWN_MODELS, FRAMES),
    ROW(0, "\x1a\x45\xdf\xa3", "a video (Matroska, WebM)", VIDEO, OWN_MODELS, FRAMES),
    ROW(8, "AVI ", "a video (AVI)", VIDEO, OWN_MODELS, FRAMES),
    ROW(0, "%PDF", "a PDF document", NULL, OWN_MODELS,
        "; make pictures of its pages (pdftoppm -png FILE page)"),
    ROW(0, "%!PS", "a PostScript document", NULL, OWN_MODELS,
        "; make pictures of its pages (gs -sDEVICE=png16m)"),
    ROW(0, "\x7f\x45LF", "a program", NULL, OWN_MODELS, NULL),
    ROW(0, "GGUF", "a GGUF model", NULL, OWN_MODELS, NULL),
    ROW(0, "\0\5\x16\7", "a resource fork of macOS", NULL, OWN_MODELS, ", not a picture; remove it"),
    ROW(0, "version https://git-lfs", "a Git LFS pointer, which stands for a file that was not fetched", PULL,
        PULL, "; " PULL),
#undef ROW
};

#define KIND(name, ...) static const ayf_kind name = {__VA_ARGS__}
KIND(bmp, "a BMP picture", CONVERT, OWN_MODELS, MAGICK, AYF_KIND_FOREIGN);
KIND(pixmap, "a PBM, PGM, PPM or PAM picture", CONVERT, OWN_MODELS, MAGICK, AYF_KIND_FOREIGN);
KIND(svg, "an SVG drawing", CONVERT, OWN_MODELS, NOT_READ("rsvg-convert -w 512 FILE -o FILE.png"),
     AYF_KIND_FOREIGN);
KIND(tfrecord, "a TFRecord file", EXPORT, OWN_MODELS, NULL, AYF_KIND_FOREIGN);
KIND(page, "a web page, probably the error page of a download", AGAIN, AGAIN, LOST, AYF_KIND_FOREIGN);
KIND(xml, "XML text", AGAIN, AGAIN, LOST, AYF_KIND_FOREIGN);
KIND(sharded, "the index of a model in several files", OWN_MODELS, OWN_MODELS, NULL, AYF_KIND_FOREIGN);
KIND(json, "JSON text", NULL, OWN_MODELS, NULL, AYF_KIND_FOREIGN);
KIND(torch, "a PyTorch file (.pt, .pth)", SAVEZ, OWN_MODELS, NULL, AYF_KIND_FOREIGN);
KIND(pickle, "a Python pickle (.pkl, .pt, .pth)", PICKLE, EDM2, NULL, AYF_KIND_FOREIGN);
KIND(npz, "a NumPy archive (.npz)", NULL, OWN_MODELS, DATA_SET, AYF_KIND_NPZ);
KIND(zip, "a ZIP archive", UNPACK, OWN_MODELS, DATA_SET, AYF_KIND_ZIP);
KIND(idx, "an IDX file, as MNIST's", NULL, OWN_MODELS, DATA_SET, AYF_KIND_IDX);
KIND(font, "a font (.ttf, .otf)", NULL, OWN_MODELS, DATA_SET, AYF_KIND_FONT);
KIND(gzip, "gzip data (.gz)", UNPACK, UNPACK, ", not a picture; unpack it (gunzip FILE)", AYF_KIND_FOREIGN);
KIND(tar_gz, "a tar archive in gzip (.tar.gz)", UNPACK, UNPACK, ", not a picture; unpack it",
     AYF_KIND_FOREIGN);

static bool has(const unsigned char *head, size_t size, const char *part) {
    size_t length = strlen(part);
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(head + i, part, length) == 0) return true;
    return false;
}

/* The same of text, whatever its case. */
static bool has_word(const unsigned char *text, size_t size, const char *word) {
    for (size_t i = 0, length = strlen(word); i + length <= size; i++)
        if (strncasecmp((const char *)text + i, word, length) == 0) return true;
    return false;
}

static const ayf_kind *kind_of_markup(const unsigned char *text, size_t size) {
    enum { MOST = 1024 };
    if (size > MOST) size = MOST;
    if (has_word(text, size, "<!doctype html") || has_word(text, size, "<html")) return &page;
    return has_word(text, size, "<svg") ? &svg : &xml;
}

static const ayf_kind *kind_of_text(const unsigned char *head, size_t size) {
    static const char mark[] = "\xef\xbb\xbf";
    if (size >= 3 && memcmp(head, mark, 3) == 0) head += 3, size -= 3;
    while (size && strchr(" \t\r\n", head[0]) && head[0]) head++, size--;
    if (size >= 2 && head[0] == '<' && (isalpha(head[1]) || head[1] == '!' || head[1] == '?'))
        return kind_of_markup(head, size);
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

static bool is_bmp(const unsigned char *head, size_t size) {
    return size >= 14 && memcmp(head, "BM", 2) == 0 && memcmp(head + 6, "\0\0\0\0", 4) == 0;
}

static bool is_pixmap(const unsigned char *head, size_t size) {
    return size >= 3 && head[0] == 'P' && head[1] >= '1' && head[1] <= '7' && head[2] &&
           strchr(" \t\r\n", head[2]);
}

const ayf_kind *ayf_kind_of(const unsigned char *head, size_t size) {
    enum { PROTOCOL = 0x80, OLDEST = 2, NEWEST = 5 };
    if (size >= 4 && memcmp(head, "PK\3\4", 4) == 0) return kind_of_zip(head, size);
    if (size >= 4 && memcmp(head, "PK\5\6", 4) == 0) return &zip; /* without entries */
    if (size >= 2 && memcmp(head, "\x1f\x8b", 2) == 0) return kind_of_gzip(head, size);
    /* A safetensors file: the length of the header, which may look like a signature, then the header. */
    if (size >= 9 && head[8] == '{' && memcmp(head + 5, "\0\0\0", 3) == 0) return NULL;
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (size >= rows[i].at + rows[i].size && memcmp(head + rows[i].at, rows[i].magic, rows[i].size) == 0)
            return &rows[i].kind;
    if (size >= 6 && head[0] == PROTOCOL && head[1] >= OLDEST && head[1] <= NEWEST) return &pickle;
    if (is_bmp(head, size)) return &bmp;
    if (is_pixmap(head, size)) return &pixmap;
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
