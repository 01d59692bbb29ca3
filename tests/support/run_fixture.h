/* What the tests of training runs share: a folder that is removed with all that is in it, small settings, and
 * running, resuming and comparing runs. Each test has open_root and close_root as set-up and tear-down. */
#ifndef AYF_RUN_FIXTURE_H
#define AYF_RUN_FIXTURE_H

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "test_context.h"

static ayf_context *ctx;
static char root[64];

/* ---- Fixture ---- */

static int open_root(void **state) {
    (void)state;
    strcpy(root, "/tmp/ayf-test-run-XXXXXX");
    ctx = ayf_open(&(ayf_options){.threads = 1});
    return ctx && mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int close_root(void **state) {
    (void)state;
    ayf_close(ctx);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path below the test's folder; 64 results live at a time. */
static const char *in_root(const char *format, ...) AYF_PRINTF(1, 2);
static const char *in_root(const char *format, ...) {
    static char paths[64][512];
    static int next;
    char *path = paths[next = (next + 1) % 64];
    int used = snprintf(path, 512, "%s/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, (size_t)(512 - used), format, args);
    va_end(args);
    return path;
}

enum { MOST = 40 };
typedef struct settings {
    const char *at[MOST];
    int count;
} settings;

static settings join(settings a, settings b) {
    for (int i = 0; i < b.count; i++) a.at[a.count++] = b.at[i];
    return a;
}

#define SET(...) ((settings){{__VA_ARGS__}, (int)AYF_COUNT(((const char *const[]){__VA_ARGS__}))})

/* Not what the processor likes best: the tests do the same everywhere. */
static inline settings tiny_unet(void) {
    return SET("data.source=builtin:shapes", "data.resolution=8", "data.mirror=true", "model.channels=8",
               "model.multipliers=1,2", "model.blocks=1", "model.attention=4", "model.channels_per_head=8",
               "train.batch=4", "train.lr_warmup=2", "train.steps=10", "train.lr=0.01", "save.every=0",
               "save.grid_every=0", "train.precision=highest");
}

static inline settings tiny_mlp(void) {
    return SET("data.source=builtin:ring", "data.labels=false", "model.kind=mlp", "model.hidden=16",
               "model.layers=2", "model.fourier=8", "train.batch=32", "train.lr_warmup=2", "train.steps=50",
               "train.lr=0.01", "save.every=0", "save.grid_every=0", "train.precision=highest");
}

static ayf_status open_run(ayf_run_kind kind, const char *folder, settings set, ayf_run **run) {
    return ayf_run_open(
        ctx,
        &(ayf_run_options){.kind = kind, .folder = folder, .settings = set.at, .setting_count = set.count},
        run);
}

/* Goes on until `stop` steps are done, saves, closes. */
static void run_to(ayf_run_kind kind, const char *folder, settings set, uint64_t stop) {
    ayf_run *run;
    ayf_status status = open_run(kind, folder, set, &run);
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
    ayf_run_report report = {0};
    while (!ayf_run_finished(run) && report.step < stop) {
        status = ayf_run_step(run, &report);
        if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
    }
    assert_int_equal(ayf_run_save(run), AYF_OK);
    ayf_run_close(run);
}

/* Whatever allocation fails while a run opens and runs to its end, nothing is lost and nothing crashes. */
static inline void check_memory(ayf_run_kind kind, settings set) {
    ayf_run_options options = {
        .kind = kind, .folder = in_root("poor"), .settings = set.at, .setting_count = set.count};
    bool done = false;
    for (long at = 1; !done; at += 1 + at / 8) {
        test_memory memory = {.fail_at = at};
        ayf_context *poor = test_open(&memory);
        if (!poor) continue;
        ayf_run *run;
        ayf_status status = ayf_run_open(poor, &options, &run);
        while (status == AYF_OK && !ayf_run_finished(run)) status = ayf_run_step(run, NULL);
        done = memory.calls < at;
        if (done && status != AYF_OK) fail_msg("%s", ayf_error(poor));
        if (status != AYF_OK) assert_int_equal(status, AYF_E_MEMORY);
        ayf_run_close(run);
        ayf_close(poor);
        assert_int_equal(memory.held, 0);
        nftw(options.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static inline void expect_refused(ayf_run_kind kind, const char *folder, settings set, ayf_status want,
                                  const char *message) {
    ayf_run *run;
    ayf_status status = open_run(kind, folder, set, &run);
    if (status == AYF_OK) fail_msg("accepted, but \"%s\" was expected", message);
    assert_null(run);
    if (status != want || !strstr(ayf_error(ctx), message))
        fail_msg("status %d, message: %s\nexpected: %d, %s", (int)status, ayf_error(ctx), (int)want, message);
}

static inline void expect_same_file(const char *a, const char *b) {
    void *x, *y;
    size_t n, m;
    if (ayf_file_read(ctx, a, 0, &x, &n) != AYF_OK || ayf_file_read(ctx, b, 0, &y, &m) != AYF_OK)
        fail_msg("%s", ayf_error(ctx));
    if (n != m || memcmp(x, y, n) != 0) fail_msg("%s and %s differ", a, b);
    ayf_free(ctx, x);
    ayf_free(ctx, y);
}

/* The bytes of all tensors; the settings of the runs differ. */
static inline void expect_same_tensors(const char *a, const char *b) {
    ayf_st *x, *y;
    assert_int_equal(ayf_st_open(ctx, a, &x), AYF_OK);
    assert_int_equal(ayf_st_open(ctx, b, &y), AYF_OK);
    assert_true(ayf_st_count(x) > 4);
    assert_int_equal(ayf_st_count(x), ayf_st_count(y));
    for (size_t i = 0; i < ayf_st_count(x); i++) {
        const ayf_st_tensor *p = ayf_st_at(x, i), *q = ayf_st_find(y, p->name);
        assert_non_null(q);
        assert_int_equal(p->count, q->count);
        assert_memory_equal(p->data, q->data, p->count * ayf_st_dtype_size(p->dtype));
    }
    ayf_st_close(x);
    ayf_st_close(y);
}

/* A key that was added later and has the value of before it was there. */
static inline bool is_older(const char *key, const char *value) {
    static const char *const older[][2] = {
        {"data.skip_bad", "0"},
        {"data.background", "white"},
        {"data.center", "false"},
        {"model.data_mean", "0"},
        {"model.latent_mean", "[]"},
        {"model.latent_scale", "[]"},
        {"model.latent_black", "-1"},
        {"train.init", "\"\""},
        {"train.device", "cpu"},
        {"train.ema_widths", "[]"},
        {"model.time_label", "t"},
        {"model.time_split", "false"},
        {"model.time_sigma", "0.5"},
        {"model.time_soft", "0.01"},
        {"distill.regress_steps", "-1"},
        {"train.coupling", "1"},
        {"distill.guidance_t_max", "1"},
        {"distill.norm_p", "0.5"},
        {"distill.pairs", "gap"},
        {"distill.sorted_mean_a", "-0.6"},
        {"distill.sorted_mean_b", "-4"},
        {"distill.sorted_std", "1.6"},
        {"finetune.disc_guidance", "false"},
    };
    for (size_t i = 0; i < AYF_COUNT(older); i++)
        if (strcmp(key, older[i][0]) == 0) return strcmp(value, older[i][1]) == 0;
    return false;
}

/* The hash of a config.yaml's text (which it takes apart), as every version has computed it: "section.key", NUL
 * and the value, line by line, without what a resumed run may change. */
static inline uint64_t hash_of_config(char *text) {
    uint64_t hash = AYF_HASH_START;
    char section[40] = "", key[100];
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *colon = strchr(line, ':');
        assert_non_null(colon);
        *colon = 0;
        if (line[0] != ' ') {
            snprintf(section, sizeof section, "%s", line);
            continue;
        }
        snprintf(key, sizeof key, "%s.%s", section, line + 2);
        if (strcmp(section, "save") == 0 || strcmp(section, "eval") == 0 || strcmp(key, "train.steps") == 0 ||
            strcmp(key, "train.accumulate") == 0 || strcmp(key, "train.device") == 0 ||
            strcmp(key, "train.recompute") == 0 || strstr(key, "divergence") || strstr(key, "rollback"))
            continue;
        if (is_older(key, colon + 2)) continue;
        hash = ayf_hash(hash, key, strlen(key) + 1);
        hash = ayf_hash(hash, colon + 2, strlen(colon + 2));
    }
    return hash;
}

static inline bool file_contains(const char *path, const char *text) {
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    bool found = strstr(bytes, text) != NULL;
    ayf_free(ctx, bytes);
    return found;
}

static inline int count_lines(const char *path) {
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    int lines = 0;
    for (size_t i = 0; i < size; i++) lines += ((char *)bytes)[i] == '\n';
    ayf_free(ctx, bytes);
    return lines;
}

static inline int files_in(const char *folder) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Straight through, twice, and stopped halfway: three times the same bytes. */
static inline void check_resume_once(ayf_run_kind kind, const char *name, settings set, uint64_t steps) {
    run_to(kind, in_root("%s-a", name), set, steps);
    run_to(kind, in_root("%s-b", name), set, steps);
    run_to(kind, in_root("%s-c", name), set, steps / 2);
    run_to(kind, in_root("%s-c", name), set, steps);
    static const char *const files[] = {"model.safetensors", "checkpoints/step-%08d.safetensors",
                                        "config.yaml"};
    for (size_t i = 0; i < AYF_COUNT(files); i++) {
        char file[64];
        snprintf(file, sizeof file, "%s", files[i]);
        if (i == 1) snprintf(file, sizeof file, "checkpoints/step-%08d.safetensors", (int)steps);
        expect_same_file(in_root("%s-a/%s", name, file), in_root("%s-b/%s", name, file));
        expect_same_file(in_root("%s-a/%s", name, file), in_root("%s-c/%s", name, file));
    }
}

/* In 32 bits as <name>-a, -b and -c, and in bf16. */
static inline void check_resume(ayf_run_kind kind, const char *name, settings set, uint64_t steps) {
    char in_bf16[40];
    snprintf(in_bf16, sizeof in_bf16, "%s-bf16", name);
    check_resume_once(kind, name, join(set, SET("train.precision=highest")), steps);
    check_resume_once(kind, in_bf16, join(set, SET("train.precision=bf16")), steps);
}

#endif
