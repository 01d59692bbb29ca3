/* Files and folders for the tests of the data sets: one temporary folder per test. */
#ifndef AYF_TEST_DATASET_FIXTURE_H
#define AYF_TEST_DATASET_FIXTURE_H

#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "image_fixture.h"

static char fixture_folder[64];

static inline int fixture_setup(void **state) {
    (void)state;
    strcpy(fixture_folder, "/tmp/ayf-test-data-XXXXXX");
    return mkdtemp(fixture_folder) ? 0 : -1;
}

static inline int fixture_remove(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int fixture_teardown(void **state) {
    (void)state;
    return nftw(fixture_folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Full path of a name inside the folder; four results live at a time. */
static inline const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", fixture_folder, name);
    return paths[next];
}

static inline void put_file(const char *name, const void *bytes, size_t size) {
    FILE *f = fopen(in_folder(name), "wb");
    if (size) fwrite(bytes, 1, size, f);
    fclose(f);
}

static inline void put_text(const char *name, const char *text) { put_file(name, text, strlen(text)); }

/* A PNG whose every pixel has one value. */
static inline blob flat_png(int width, int height, int channels, int value) {
    unsigned char *pixels = malloc((size_t)(width * height * channels));
    memset(pixels, value, (size_t)(width * height * channels));
    blob b =
        make_png(width, height, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, 8, 0, 0, pixels);
    free(pixels);
    return b;
}

static inline void put_png(const char *name, int width, int height, int channels, int value) {
    blob b = flat_png(width, height, channels, value);
    put_file(name, b.bytes, b.size);
    free(b.bytes);
}

static inline void put_big_endian(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* IDX bytes: rank 3 or 1, byte i of the data is i * 7. */
static inline blob make_idx(uint32_t magic, uint32_t count, uint32_t height, uint32_t width) {
    size_t header = (magic & 0xff) == 3 ? 16 : 8;
    size_t size = header + (header == 16 ? (size_t)count * height * width : count);
    blob b = {malloc(size), size};
    put_big_endian(b.bytes, magic);
    put_big_endian(b.bytes + 4, count);
    if (header == 16) put_big_endian(b.bytes + 8, height), put_big_endian(b.bytes + 12, width);
    for (size_t i = header; i < size; i++) b.bytes[i] = (unsigned char)((i - header) * 7);
    return b;
}

typedef struct zip_entry {
    const char *name;
    const void *bytes;
    size_t size;
    int deflate;
} zip_entry;

static inline void put_zip(const char *name, const zip_entry *entries, size_t count) {
    int error;
    zip_t *zip = zip_open(in_folder(name), ZIP_CREATE | ZIP_TRUNCATE, &error);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(zip, entries[i].bytes, entries[i].size, 0);
        zip_int64_t index = zip_file_add(zip, entries[i].name, source, ZIP_FL_ENC_UTF_8);
        zip_set_file_compression(zip, (zip_uint64_t)index, entries[i].deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                 0);
    }
    zip_close(zip);
}

static inline blob get_file(const char *name) {
    FILE *f = fopen(in_folder(name), "rb");
    fseek(f, 0, SEEK_END);
    blob b = {NULL, (size_t)ftell(f)};
    b.bytes = malloc(b.size + 1);
    rewind(f);
    if (fread(b.bytes, 1, b.size, f) != b.size) b.size = 0;
    fclose(f);
    return b;
}

#endif
