#include <string.h>
#include <strings.h>

#include "image/codec.h"

#define CONVERT "; convert it to PNG (ImageMagick: mogrify -format png FILE)"

typedef struct signature {
    size_t at, size;
    const char *bytes, *text;
} signature;

static const signature signatures[] = {
    {0, 4, "GIF8", "is a GIF picture, which is not read" CONVERT},
    {0, 4, "II*\0", "is a TIFF picture, which is not read" CONVERT},
    {0, 4, "MM\0*", "is a TIFF picture, which is not read" CONVERT},
    {0, 4, "II+\0", "is a TIFF picture, which is not read" CONVERT},
    {0, 4, "MM\0+", "is a TIFF picture, which is not read" CONVERT},
    {4, 8, "ftypavif", "is an AVIF picture, which is not read" CONVERT},
    {4, 8, "ftypavis", "is an AVIF picture, which is not read" CONVERT},
    {4, 7, "ftyphei", "is a HEIC picture, which is not read; convert it to PNG (heif-convert FILE FILE.png)"},
    {4, 7, "ftyphev", "is a HEIC picture, which is not read; convert it to PNG (heif-convert FILE FILE.png)"},
    {4, 7, "ftypmif", "is a HEIF picture, which is not read; convert it to PNG (heif-convert FILE FILE.png)"},
    {4, 4, "ftyp", "is a video (MP4 or QuickTime); extract its frames (ffmpeg -i FILE frame-%06d.png)"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n",
     "is a JPEG XL picture, which is not read; convert it to PNG (djxl FILE FILE.png)"},
    {0, 2, "\xff\x0a", "is a JPEG XL picture, which is not read; convert it to PNG (djxl FILE FILE.png)"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "is a JPEG 2000 picture, which is not read" CONVERT},
    {0, 4, "\xff\x4f\xff\x51", "is a JPEG 2000 picture, which is not read" CONVERT},
    {0, 4, "8BPS", "is a Photoshop file, which is not read" CONVERT},
    {0, 4, "\x76\x2f\x31\x01", "is an OpenEXR picture, which is not read" CONVERT},
    {0, 10, "#?RADIANCE", "is a Radiance HDR picture, which is not read" CONVERT},
    {0, 4, "DDS ", "is a DDS texture, which is not read" CONVERT},
    {0, 4, "qoif", "is a QOI picture, which is not read" CONVERT},
    {0, 4, "\0\0\1\0", "is an icon file (ICO), which is not read" CONVERT},
    {0, 8, "\x8aMNG\r\n\x1a\n", "is an MNG animation, which is not read" CONVERT},
    {0, 4, "%PDF", "is a PDF document; make pictures of its pages (pdftoppm -png FILE page)"},
    {0, 4, "%!PS", "is a PostScript document; make pictures of its pages (gs -sDEVICE=png16m)"},
    {0, 4, "\x1a\x45\xdf\xa3",
     "is a video (WebM or Matroska); extract its frames (ffmpeg -i FILE frame-%06d.png)"},
    {0, 4, "PK\3\4", "is a ZIP archive, not a picture; unpack it, or give it as the data set itself"},
    {0, 2, "\x1f\x8b", "is compressed by gzip; unpack it (gunzip FILE)"},
    {0, 4, "\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it (zstd -d FILE)"},
    {0, 4, "Rar!", "is a RAR archive, not a picture; unpack it"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "is a 7-Zip archive, not a picture; unpack it"},
    {0, 6, "\x93NUMPY", "is a NumPy array, not a picture; save it as PNG"},
    {0, 23, "version https://git-lfs",
     "is a Git LFS pointer in place of the picture; fetch it (git lfs pull)"},
    {0, 4, "\0\5\x16\7", "is a resource fork of macOS, not a picture; remove it"},
    {0, 3, "\x89PN", "is a PNG damaged in its first bytes, as by a transfer in text mode; copy it again"},
};

/* Whether `word` is among the first bytes of a text, in any case. */
static bool has_word(const unsigned char *bytes, size_t size, const char *word) {
    enum { FAR = 1024 };
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size && i < FAR; i++)
        if (strncasecmp((const char *)bytes + i, word, length) == 0) return true;
    return false;
}

/* What begins with a '<', behind a byte-order mark and white space. */
static const char *markup(const unsigned char *bytes, size_t size) {
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) bytes += 3, size -= 3;
    while (size && strchr(" \t\r\n", *bytes) && *bytes) bytes++, size--;
    if (!size || *bytes != '<') return NULL;
    bool page = has_word(bytes, size, "<html") || has_word(bytes, size, "<!doctype html");
    if (page)
        return "is an HTML page in place of the picture, as servers send when they cannot send a file; "
               "download "
               "it again";
    if (has_word(bytes, size, "<svg"))
        return "is an SVG drawing, which is not read; convert it to PNG (rsvg-convert -w 512 FILE -o "
               "FILE.png)";
    return "is XML in place of a picture, as servers send when they cannot send a file; download it again";
}

/* No control characters, and for the most part ASCII. */
static bool is_text(const unsigned char *bytes, size_t size) {
    enum { FAR = 256 };
    size_t seen = size < FAR ? size : FAR, foreign = 0;
    for (size_t i = 0; i < seen; i++) {
        if (bytes[i] < 0x20 && !(bytes[i] >= '\t' && bytes[i] <= '\r')) return false;
        foreign += bytes[i] >= 0x80;
    }
    return foreign <= seen / 4;
}

static bool is_blank(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return false;
    return true;
}

const char *ayf_image_foreign(const unsigned char *bytes, size_t size) {
    if (size == 0) return "is empty (0 bytes): download or copy it again";
    if (is_blank(bytes, size)) return "holds zeros only: download or copy it again";
    for (size_t i = 0; i < AYF_COUNT(signatures); i++) {
        const signature *s = &signatures[i];
        if (size >= s->at + s->size && memcmp(bytes + s->at, s->bytes, s->size) == 0) return s->text;
    }
    if (size >= 14 && bytes[0] == 'B' && bytes[1] == 'M' && !is_text(bytes, 14))
        return "is a BMP picture, which is not read" CONVERT;
    if (size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && strchr(" \t\r\n", bytes[2]) &&
        bytes[2])
        return "is a PBM, PGM, PPM or PAM picture, which is not read" CONVERT;
    const char *text = markup(bytes, size);
    if (text) return text;
    if (is_text(bytes, size)) return "is text, not a picture; download it again, or remove it";
    return "is none of PNG, JPEG and WebP; convert or remove it";
}
