#include "base/available.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, LINE_SIZE = PATH_SIZE + 256 };

/* ---- Files of numbers ---- */

static FILE *open_below(const char *root, const char *folder, const char *name) {
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof path, "%s%s%s", root, folder, name);
    return size > 0 && size < PATH_SIZE ? fopen(path, "re") : NULL;
}

/* The number behind `key` at the beginning of a line; an empty key: the first one. Not found: false, as for
 * "max", which is no limit. */
static bool read_number(const char *root, const char *folder, const char *name, const char *key,
                        uint64_t *value) {
    char line[LINE_SIZE];
    size_t length = strlen(key);
    bool found = false;
    FILE *file = open_below(root, folder, name);
    if (!file) return false;
    while (!found && fgets(line, sizeof line, file)) {
        char *text = line + length, *end;
        if (strncmp(line, key, length) != 0) continue;
        text += strspn(text, " ");
        *value = strtoull(text, &end, 10);
        found = end != text;
        if (!length) break;
    }
    fclose(file);
    return found;
}

static void narrow(ayf_available *least, uint64_t bytes, const char *limit) {
    if (bytes < least->bytes) *least = (ayf_available){bytes, limit};
}

/* ---- Limits ---- */

static void ask_machine(const char *root, ayf_available *least) {
    uint64_t kib;
    if (read_number(root, "/proc/", "meminfo", "MemAvailable:", &kib))
        narrow(least, kib * 1024, "MemAvailable");
}

static void ask_address_space(const char *root, ayf_available *least) {
    struct rlimit limit;
    uint64_t pages;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    if (!read_number(root, "/proc/self/", "statm", "", &pages)) pages = 0;
    uint64_t used = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    narrow(least, limit.rlim_cur > used ? limit.rlim_cur - used : 0, "ulimit -v");
}

/* The two versions of the files of a memory cgroup. */
typedef struct cgroup_files {
    const char *mount, *limit, *usage, *cache, *label;
} cgroup_files;
static const cgroup_files versions[] = {
    {"/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file",
     "memory.limit_in_bytes of its cgroup"},
    {"/sys/fs/cgroup", "/memory.max", "/memory.current", "inactive_file", "memory.max of its cgroup"}};

/* What a group has in its cache of files is given back when it is needed. */
static void ask_group(const char *root, const cgroup_files *f, const char *group, ayf_available *least) {
    char folder[PATH_SIZE];
    uint64_t limit, used = 0, cache = 0;
    int size = snprintf(folder, sizeof folder, "%s%s", f->mount, group);
    if (size < 0 || size >= PATH_SIZE || !read_number(root, folder, f->limit, "", &limit)) return;
    read_number(root, folder, f->usage, "", &used);
    read_number(root, folder, "/memory.stat", f->cache, &cache);
    used -= cache < used ? cache : used;
    narrow(least, limit > used ? limit - used : 0, f->label);
}

/* The group and those above it. In a container the path may be that of another mount: its root counts then. */
static void ask_groups_above(const char *root, const cgroup_files *f, char *group, ayf_available *least) {
    for (char *slash; (slash = strrchr(group, '/'));) {
        if (slash[1]) ask_group(root, f, group, least);
        *slash = 0;
    }
    ask_group(root, f, "", least);
}

/* Whether the list "cpu,memory" has memory. */
static bool has_memory(const char *list, size_t size) {
    static const char name[] = "memory";
    const size_t length = sizeof name - 1;
    for (const char *at = list, *end = list + size; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t part = (size_t)((comma ? comma : end) - at);
        if (part == length && memcmp(at, name, length) == 0) return true;
        at += part + 1;
    }
    return false;
}

/* Lines "ID:CONTROLLERS:PATH"; version 2 names no controllers. */
static void ask_cgroups(const char *root, ayf_available *least) {
    char line[LINE_SIZE];
    FILE *file = open_below(root, "/proc/self/", "cgroup");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(++names, ':') : NULL;
        if (!path) continue;
        bool second = path == names;
        if (second || has_memory(names, (size_t)(path - names)))
            ask_groups_above(root, &versions[second], path + 1, least);
    }
    if (file) fclose(file);
}

ayf_available ayf_available_memory(const char *root) {
    ayf_available least = {UINT64_MAX, ""};
    ask_machine(root, &least);
    ask_cgroups(root, &least);
    ask_address_space(root, &least);
    return least;
}

/* ---- Messages ---- */

const char *ayf_bytes_text(double bytes, char text[AYF_BYTES_SIZE]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    const double step = 1024, next = 999.5;
    size_t unit = 0;
    while (bytes >= next && unit + 1 < AYF_COUNT(units)) {
        bytes /= step;
        unit++;
    }
    snprintf(text, AYF_BYTES_SIZE, "%.3g %s", bytes, units[unit]);
    return text;
}

ayf_status ayf_available_check(ayf_context *ctx, uint64_t bytes, const char *what, const char *instead) {
    const uint64_t least = 16 << 20;
    char needed[AYF_BYTES_SIZE], there[AYF_BYTES_SIZE];
    if (bytes < least) return AYF_OK;
    ayf_available have = ayf_available_memory("");
    if (bytes <= have.bytes) return AYF_OK;
    return ayf_fail(ctx, AYF_E_MEMORY, "%s: %s are needed, and %s are free here (%s); %s", what,
                    ayf_bytes_text((double)bytes, needed), ayf_bytes_text((double)have.bytes, there),
                    have.limit, instead);
}
