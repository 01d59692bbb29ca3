/* fuzz TARGET [INPUTS]       tries the seeds, what was found earlier (tests/fuzz/seeds/<target>/), and as many
 *                            broken ones; without a number those of fuzz.h
 * fuzz TARGET --input FILE   tries one
 * fuzz --seeds FOLDER        writes the seeds of all targets to FOLDER/<target>/
 *
 * Input n of a target is the same each time: everything about it is drawn from n. The input at hand is in
 * fuzz-<target>.input of the present folder when a target fails. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct target {
    const char *name;
    void (*run)(const uint8_t *bytes, size_t size);
    void (*seeds)(void);
    unsigned long inputs;
} targets[] = {
#define FUZZ_ROW(name, inputs) {#name, fuzz_##name, fuzz_##name##_seeds, inputs},
    FUZZ_TARGETS(FUZZ_ROW)
#undef FUZZ_ROW
};

/* ---- What is tried ---- */

static struct {
    const char *target;
    const uint8_t *bytes;
    size_t size;
} now;

static void keep_input(void) {
    char name[64];
    snprintf(name, sizeof name, "fuzz-%s.input", now.target);
    FILE *file = fopen(name, "wb");
    if (!file) return;
    fwrite(now.bytes, 1, now.size, file);
    fclose(file);
    fprintf(stderr, "the input is in %s\n", name);
    fuzz_remove_folder();
}

static void on_signal(int number) {
    keep_input();
    signal(number, SIG_DFL);
    raise(number);
}

/* Of the sanitizers, when there are any: they report a bad address themselves. */
extern __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void keep_input_of_failures(void) {
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(keep_input);
        return;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGFPE, on_signal);
}

static void try(const struct target *target, const uint8_t *bytes, size_t size) {
    /* In memory of its own size, so that AddressSanitizer sees a read behind the last byte. */
    uint8_t *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, bytes, size);
    now.target = target->name, now.bytes = copy, now.size = size;
    target->run(copy, size);
    free(copy);
}

/* ---- Breaking ---- */

typedef struct draw {
    uint64_t seed, count;
} draw;

/* A number below `end` > 0: a hash of the counter (SplitMix64). */
static size_t below(draw *d, size_t end) {
    uint64_t x = d->seed * 0x9e3779b97f4a7c15u + ++d->count * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (size_t)((x ^ x >> 31) % end);
}

typedef struct buffer {
    uint8_t *bytes; /* room for twice the largest input and some more */
    size_t size, room;
} buffer;

static void replace(buffer *b, size_t at, size_t old, const void *with, size_t size) {
    if (b->size - old + size > b->room) return;
    memmove(b->bytes + at + size, b->bytes + at + old, b->size - at - old);
    memcpy(b->bytes + at, with, size);
    b->size = b->size - old + size;
}

static void flip(buffer *b, draw *d) {
    size_t at = below(d, b->size);
    b->bytes[at] = (uint8_t)(below(d, 2) ? b->bytes[at] ^ 1u << below(d, 8) : below(d, 256));
}

static void cut(buffer *b, draw *d) {
    size_t at = below(d, b->size), most = b->size - at;
    if (below(d, 2))
        b->size = at;
    else
        replace(b, at, 1 + below(d, most < 16 ? most : 16), "", 0);
}

/* A piece of the input or of another one, put in or laid over. */
static void splice(buffer *b, draw *d, const uint8_t *from, size_t size) {
    static uint8_t piece[256];
    if (!size) return;
    size_t first = below(d, size), left = size - first;
    size_t length = 1 + below(d, left < sizeof piece ? left : sizeof piece), at = below(d, b->size + 1);
    size_t over = below(d, 2) ? 0 : length < b->size - at ? length : b->size - at;
    memcpy(piece, from + first, length);
    replace(b, at, over, piece, length);
}

static void edge(buffer *b, draw *d) {
    static const uint64_t edges[] = {0,          1,
                                     0x7f,       0x80,
                                     0xff,       0x7fff,
                                     0x8000,     0xffff,
                                     0x7fffffff, 1u << 31,
                                     ~0u,        (uint64_t)1 << 32,
                                     INT64_MAX,  (uint64_t)1 << 63,
                                     UINT64_MAX, 1u << 16,
                                     1u << 24,   0x7f800000};
    size_t width = (size_t)1 << below(d, 4);
    if (width > b->size) return;
    size_t at = below(d, b->size - width + 1);
    uint64_t value = edges[below(d, AYF_COUNT(edges))];
    bool big = below(d, 2);
    for (size_t i = 0; i < width; i++) b->bytes[at + i] = (uint8_t)(value >> 8 * (big ? width - 1 - i : i));
}

/* A number in text becomes another one. */
static void number(buffer *b, draw *d) {
    static const char *const edges[] = {
        "0",     "-1",     "1",   "2147483648",           "4294967296", "9223372036854775808",
        "1e308", "-1e999", "0.5", "18446744073709551616", "null",       "\"\""};
    size_t at = below(d, b->size), end;
    while (at < b->size && (b->bytes[at] < '0' || b->bytes[at] > '9')) at++;
    for (end = at; end < b->size && b->bytes[end] >= '0' && b->bytes[end] <= '9';) end++;
    if (end == at) return;
    const char *text = edges[below(d, AYF_COUNT(edges))];
    replace(b, at, end - at, text, strlen(text));
}

static void damage(buffer *b, draw *d, const fuzz_input *other) {
    for (size_t left = below(d, 3) ? 1 : 1 + below(d, 4); left > 0 && b->size > 0; left--)
        switch (below(d, 9)) {
        case 0:
        case 1:
            flip(b, d);
            break;
        case 2:
            cut(b, d);
            break;
        case 3:
            splice(b, d, b->bytes, b->size);
            break;
        case 4:
            splice(b, d, other->bytes, other->size);
            break;
        case 5:
        case 6:
            number(b, d);
            break;
        default:
            edge(b, d);
        }
    if (below(d, 8)) fuzz_repair(b->bytes, b->size);
}

/* ---- Doing it ---- */

static bool try_file(const struct target *target, const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        perror(path);
        return false;
    }
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    size_t size = fread(bytes, 1, (size_t)info.st_size, file);
    fclose(file);
    try(target, bytes, size);
    free(bytes);
    return true;
}

static size_t try_earlier(const struct target *target) {
    char folder[512], path[800];
    const char *root = getenv("AYF_SOURCE_ROOT");
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/%s", root ? root : ".", target->name);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count += try_file(target, path);
    }
    if (dir) closedir(dir);
    return count;
}

static void try_all(const struct target *target, unsigned long inputs) {
    size_t count, largest = 0;
    printf("[ RUN      ] fuzz %s\n", target->name); /* in the form of the tests, for .ci/run */
    fflush(stdout);
    const fuzz_input *seeds = fuzz_seeds(target->seeds, &count);
    size_t earlier = try_earlier(target);
    for (size_t i = 0; i < count; i++) {
        try(target, seeds[i].bytes, seeds[i].size);
        largest = seeds[i].size > largest ? seeds[i].size : largest;
    }
    buffer b = {.room = 2 * largest + 4096};
    b.bytes = malloc(b.room);
    for (unsigned long n = 0; n < inputs; n++) {
        draw d = {.seed = n};
        const fuzz_input *seed = &seeds[n % count];
        memcpy(b.bytes, seed->bytes, b.size = seed->size);
        damage(&b, &d, &seeds[below(&d, count)]);
        try(target, b.bytes, b.size);
    }
    free(b.bytes);
    printf("%zu found earlier, %zu seeds and %lu broken ones\n[       OK ] fuzz %s\n", earlier, count, inputs,
           target->name);
}

static int write_seeds(const char *folder) {
    char path[800];
    mkdir(folder, 0777);
    for (size_t i = 0; i < AYF_COUNT(targets); i++) {
        size_t count;
        const fuzz_input *seeds = fuzz_seeds(targets[i].seeds, &count);
        snprintf(path, sizeof path, "%s/%s", folder, targets[i].name);
        mkdir(path, 0777);
        for (size_t k = 0; k < count; k++) {
            snprintf(path, sizeof path, "%s/%s/%s", folder, targets[i].name, seeds[k].name);
            FILE *file = fopen(path, "wb");
            if (!file || fwrite(seeds[k].bytes, 1, seeds[k].size, file) != seeds[k].size ||
                fclose(file) != 0) {
                perror(path);
                return 1;
            }
        }
        puts(targets[i].name);
    }
    return 0;
}

static const struct target *target_of(const char *name) {
    for (size_t i = 0; i < AYF_COUNT(targets); i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

static void forget_seeds(void) {}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) return write_seeds(argv[2]);
    const struct target *target = argc > 1 ? target_of(argv[1]) : NULL;
    if (!target || argc > 4) {
        fprintf(stderr, "usage: fuzz TARGET [INPUTS | --input FILE] | --seeds FOLDER\n");
        return 2;
    }
    keep_input_of_failures();
    if (argc == 4) return try_file(target, argv[3]) ? 0 : 1;
    try_all(target, argc == 3 ? strtoul(argv[2], NULL, 10) : target->inputs);
    size_t none;
    fuzz_seeds(forget_seeds, &none);
    return 0;
}
