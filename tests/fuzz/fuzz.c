#include "fuzz.h"

#include <ftw.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

void fuzz_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* ---- Memory ---- */

typedef struct account {
    size_t held, most;
} account;

static void *counted(void *user, void *pointer, size_t size) {
    account *a = user;
    if (!size) {
        a->held -= malloc_usable_size(pointer);
        free(pointer);
        return NULL;
    }
    /* Not rounded up, so that AddressSanitizer sees a read behind the last byte. */
    if (posix_memalign(&pointer, 64, size) != 0) return NULL;
    a->held += malloc_usable_size(pointer);
    FUZZ_CHECK(a->held <= a->most);
    return pointer;
}

ayf_context *fuzz_open(size_t size) {
    account *a = calloc(1, sizeof *a);
    a->most = ((size_t)64 << 20) + 64 * size;
    ayf_context *ctx = ayf_open(&(ayf_options){.alloc = counted, .alloc_user = a, .threads = 1});
    FUZZ_CHECK(ctx != NULL);
    return ctx;
}

void fuzz_close(ayf_context *ctx) {
    account *a = ctx->alloc_user;
    ayf_close(ctx);
    FUZZ_CHECK(a->held == 0);
    free(a);
}

/* ---- Files ---- */

static char folder[512];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_folder(void) { nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *fuzz_path(const char *name) {
    static char paths[8][600];
    static int turn;
    if (!*folder) {
        /* In memory where there is such a folder: files are written for nearly every input. */
        snprintf(folder, sizeof folder, "%s/ayf-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(folder) != NULL);
        atexit(remove_folder);
    }
    if (!name) return folder;
    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

const char *fuzz_file(const char *name, const uint8_t *bytes, size_t size) {
    const char *path = fuzz_path(name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file && fwrite(bytes, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
    return path;
}

/* ---- Seeds ---- */

static fuzz_input seeds[128];
static size_t seed_count;

void fuzz_seed(const char *name, const void *bytes, size_t size) {
    FUZZ_CHECK(seed_count < AYF_COUNT(seeds));
    fuzz_input *seed = &seeds[seed_count++];
    *seed = (fuzz_input){strdup(name), malloc(size + 1), size};
    if (size) memcpy(seed->bytes, bytes, size);
}

void fuzz_seed_text(const char *name, const char *text) { fuzz_seed(name, text, strlen(text)); }

/* Blanks ,"<key>":"<value>" wherever it stands. */
static bool blank(uint8_t *bytes, size_t size, const char *key) {
    bool found = false;
    for (uint8_t *at; (at = memmem(bytes, size, key, strlen(key)));) {
        uint8_t *end = memchr(at + strlen(key), '"', size - (size_t)(at + strlen(key) - bytes));
        FUZZ_CHECK(end != NULL);
        if (end[1] == ',') end++;
        memset(at, ' ', (size_t)(end - at) + 1);
        found = true;
    }
    return found;
}

void fuzz_seed_file(const char *name, const char *path) {
    char bare[80];
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
    size_t size = (size_t)ftell(file);
    uint8_t *bytes = malloc(size + 1);
    rewind(file);
    FUZZ_CHECK(fread(bytes, 1, size, file) == size);
    fclose(file);
    fuzz_seed(name, bytes, size);
    bool blanked = blank(bytes, size, "\"crc32\":\"");
    if (blank(bytes, size, "\"crc32.header\":\"") || blanked) {
        snprintf(bare, sizeof bare, "%s.bare", name);
        fuzz_seed(bare, bytes, size);
    }
    free(bytes);
}

const fuzz_input *fuzz_seeds(void (*make)(void), size_t *count) {
    for (; seed_count > 0; seed_count--) {
        free(seeds[seed_count - 1].name);
        free(seeds[seed_count - 1].bytes);
    }
    make();
    *count = seed_count;
    return seeds;
}

/* ---- Checksums ---- */

void fuzz_repair(uint8_t *bytes, size_t size) {
    if (size < 8 || memcmp(bytes, "\x89PNG", 4) != 0) return;
    for (size_t at = 8; size - at >= 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                        bytes[at + 3];
        if (length > size - at - 12) break;
        unsigned long crc = crc32(0, bytes + at + 4, (unsigned)length + 4);
        for (size_t i = 0; i < 4; i++) bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
}
