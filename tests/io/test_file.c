/* io/file.h, io/text.h and io/jsonl.h: what is promised when disks are full, folders closed and runs doubled.
 */
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/jsonl.h"
#include "base/number.h"
#include "comma_locale.h"
#include "folder_fixture.h"
#include "io/text.h"

static void expect_file(const char *path, const char *content) {
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    assert_int_equal(size, strlen(content));
    assert_string_equal(bytes, content);
    ayf_free(ctx, bytes);
}

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static void test_paths(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        char *path = ayf_path_join(ctx, cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        ayf_free(ctx, path);
    }
}

static void test_folders(void **state) {
    (void)state;
    assert_int_equal(ayf_make_folders(ctx, in_folder("x//y/z/")), AYF_OK);
    assert_true(ayf_path_exists(in_folder("x/y/z")));
    assert_int_equal(ayf_make_folders(ctx, in_folder("x/y")), AYF_OK);
    assert_int_equal(ayf_file_write(ctx, in_folder("x/file"), "1", 1), AYF_OK);
    assert_int_equal(ayf_make_folders(ctx, in_folder("x/file/sub")), AYF_E_IO);
    expect_message("x/file: is a file where a folder is needed");
    assert_int_equal(ayf_make_folders(ctx, ""), AYF_E_USAGE);
}

static void test_read(void **state) {
    (void)state;
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, in_folder("absent"), 0, &bytes, &size), AYF_E_IO);
    expect_message("absent: cannot open: No such file or directory");
    assert_int_equal(ayf_file_read(ctx, folder, 0, &bytes, &size), AYF_E_IO);
    expect_message("is a folder");
    assert_int_equal(ayf_file_write(ctx, in_folder("f"), "0123456789", 10), AYF_OK);
    assert_int_equal(ayf_file_read(ctx, in_folder("f"), 9, &bytes, &size), AYF_E_FORMAT);
    assert_int_equal(ayf_file_read(ctx, in_folder("f"), 10, &bytes, &size), AYF_OK);
    assert_int_equal(size, 10);
    ayf_free(ctx, bytes);
    /* /proc files claim size 0; what they hold must be read all the same. */
    assert_int_equal(ayf_file_read(ctx, "/proc/self/maps", 0, &bytes, &size), AYF_OK);
    assert_true(size > 100);
    ayf_free(ctx, bytes);
}

static void test_atomic_write(void **state) {
    (void)state;
    const char *path = in_folder("model");
    assert_int_equal(ayf_file_write(ctx, path, "old", 3), AYF_OK);
    expect_file(path, "old");
    ayf_file_writer *writer;
    assert_int_equal(ayf_file_begin(ctx, path, &writer), AYF_OK);
    assert_int_equal(ayf_file_put(writer, "new", 3), AYF_OK);
    expect_file(path, "old"); /* not before the commit */
    assert_int_equal(ayf_file_commit(writer), AYF_OK);
    expect_file(path, "new");
    assert_int_equal(entries(folder), 1);
    assert_int_equal(ayf_file_write(ctx, path, "newer", 5), AYF_OK);
    expect_file(path, "newer");
    assert_int_equal(entries(folder), 1);

    assert_int_equal(symlink("model", in_folder("link")), 0);
    assert_int_equal(ayf_file_write(ctx, in_folder("link"), "linked", 6), AYF_OK);
    expect_file(path, "linked");
    struct stat info;
    assert_int_equal(lstat(in_folder("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(ayf_file_write(ctx, folder, "x", 1), AYF_E_IO);
    expect_message("is a folder");
}

static void test_probe(void **state) {
    (void)state;
    const char *path = in_folder("model");
    assert_int_equal(ayf_file_probe(ctx, path), AYF_OK);
    assert_int_equal(entries(folder), 0);
    assert_int_equal(ayf_file_write(ctx, path, "old", 3), AYF_OK);
    assert_int_equal(ayf_file_probe(ctx, path), AYF_OK);
    expect_file(path, "old");
    assert_int_equal(entries(folder), 1);
    assert_int_equal(ayf_file_probe(ctx, in_folder("absent/model")), AYF_E_IO);
    expect_message("absent/model: cannot write: No such file or directory; check the path");
    assert_int_equal(ayf_file_probe(ctx, folder), AYF_E_IO);
    expect_message("is a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(ayf_file_probe(ctx, in_folder("pipe")), AYF_OK); /* without waiting for a reader */
}

static void test_full_disk(void **state) {
    (void)state;
    char block[4096] = {0};
    assert_int_equal(ayf_file_write(ctx, "/dev/full", block, sizeof block), AYF_E_IO);
    expect_message("/dev/full: cannot write: No space left on device; free some space");
    struct stat info;
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode)); /* not replaced by a file */

    /* A file size limit stops a regular file in the middle as a full disk does. */
    const char *path = in_folder("checkpoint");
    assert_int_equal(ayf_file_write(ctx, path, "good", 4), AYF_OK);
    struct rlimit before, small = {4096, RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ayf_file_writer *writer;
    assert_int_equal(ayf_file_begin(ctx, path, &writer), AYF_OK);
    assert_int_equal(ayf_file_put(writer, block, sizeof block), AYF_OK);
    assert_int_equal(ayf_file_put(writer, block, sizeof block), AYF_E_IO);
    assert_int_equal(ayf_file_put(writer, block, 1), AYF_E_IO);
    ayf_status status = ayf_file_commit(writer);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, AYF_E_IO);
    expect_message("checkpoint: cannot write: File too large");
    expect_file(path, "good");
    assert_int_equal(entries(folder), 1);
}

static void test_unwritable_folder(void **state) {
    (void)state;
    if (geteuid() == 0) {
        /* Permissions do not bind root: the kernel's read-only tree stands for the closed folder. */
        assert_int_equal(ayf_file_write(ctx, "/proc/ayf", "x", 1), AYF_E_IO);
        expect_message("/proc/ayf: cannot write: ");
        assert_int_equal(ayf_make_folders(ctx, "/proc/ayf/run"), AYF_E_IO);
        expect_message("/proc/ayf: cannot make this folder: ");
        return;
    }
    assert_int_equal(chmod(folder, 0500), 0);
    assert_int_equal(ayf_file_write(ctx, in_folder("a"), "x", 1), AYF_E_IO);
    expect_message("a: cannot write: Permission denied; check its permissions");
    assert_int_equal(ayf_make_folders(ctx, in_folder("sub")), AYF_E_IO);
    expect_message("Permission denied");
    ayf_folder_lock *lock;
    assert_int_equal(ayf_folder_lock_take(ctx, folder, &lock), AYF_E_IO);
    expect_message("Permission denied");
}

static void test_lock(void **state) {
    (void)state;
    ayf_folder_lock *lock, *second;
    char holder[160];
    snprintf(holder, sizeof holder, "%s: process %ld is already running", folder, (long)getpid());
    assert_int_equal(ayf_folder_lock_take(ctx, folder, &lock), AYF_OK);
    assert_int_equal(ayf_folder_lock_take(ctx, folder, &second), AYF_E_IO);
    expect_message(holder);
    assert_null(second);
    ayf_folder_unlock(lock);
    assert_int_equal(ayf_folder_lock_take(ctx, folder, &lock), AYF_OK);
    ayf_folder_unlock(lock);

    /* A process that dies with the lock leaves its file, not its lock. */
    pid_t child = fork();
    if (child == 0) _exit(ayf_folder_lock_take(ctx, folder, &lock) == AYF_OK ? 0 : 1);
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_true(ayf_path_exists(in_folder(".lock")));
    assert_int_equal(ayf_folder_lock_take(ctx, folder, &lock), AYF_OK);
    ayf_folder_unlock(lock);
    assert_int_equal(ayf_folder_lock_take(ctx, in_folder("absent"), &lock), AYF_E_IO);
    expect_message("absent: cannot use this folder: No such file");
}

static void test_reals(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1, "1.0"},
                 {-0.0, "-0.0"},
                 {1e-8, "1e-08"},
                 {1e300, "1e+300"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"}};
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_text text;
        ayf_text_init(&text, ctx);
        ayf_text_real(&text, cases[i].value);
        assert_string_equal(text.data, cases[i].text);
        double back;
        assert_true(ayf_parse_real(text.data, &back));
        assert_memory_equal(&back, &cases[i].value, sizeof back);
        ayf_text_free(&text);
    }
    static const char *const bad[] = {"",   "x", "1x", "0x10", "nan", "inf", "1e999",
                                      "1e", ".", "-",  "1,5",  " 1",  "1 "};
    double value;
    for (size_t i = 0; i < AYF_COUNT(bad); i++) assert_false(ayf_parse_real(bad[i], &value));
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1}, {"-.5", -0.5}, {"+2.", 2}, {"1E3", 1000}, {"1e-400", 0}};
    for (size_t i = 0; i < AYF_COUNT(good); i++) {
        assert_true(ayf_parse_real(good[i].text, &value));
        assert_true(value == good[i].value);
    }
}

static void test_locale(void **state) {
    if (!begin_comma_locale(folder)) skip();
    char text[8];
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    test_reals(state);
    end_comma_locale();
}

static void test_json_strings(void **state) {
    (void)state;
    ayf_text text;
    ayf_text_init(&text, ctx);
    ayf_text_json(&text, "a\"\\\n\x7F\xC3\xA9\xFF\xC0\x80\xED\xA0\x80");
    assert_string_equal(text.data,
                        "\"a\\\"\\\\\\u000a\\u007f\xC3\xA9\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
    ayf_text_free(&text);
    assert_true(ayf_utf8_valid("\xF0\x9F\x98\x80"));
    assert_false(ayf_utf8_valid("\xF4\x90\x80\x80"));
    assert_false(ayf_utf8_valid("\xC3"));
}

static void test_log(void **state) {
    (void)state;
    const char *path = in_folder("log.jsonl");
    ayf_jsonl *log;
    assert_int_equal(ayf_jsonl_open(ctx, path, -1, &log), AYF_OK);
    const double values[] = {0.5, NAN};
    ayf_jsonl_int(log, "step", 1);
    ayf_jsonl_real(log, "loss", NAN);
    ayf_jsonl_real(log, "lr", 0.003);
    ayf_jsonl_reals(log, "rms", values, 2);
    assert_int_equal(ayf_jsonl_end(log), AYF_OK);
    ayf_jsonl_int(log, "step", INT64_MAX);
    ayf_jsonl_real(log, "x", -INFINITY);
    assert_int_equal(ayf_jsonl_end(log), AYF_OK);
    expect_file(path, "{\"step\":1,\"loss\":null,\"lr\":0.003,\"rms\":[0.5,null]}\n"
                      "{\"step\":9223372036854775807,\"x\":null}\n");
    ayf_jsonl_int(log, "unended", 1);
    ayf_jsonl_close(log);
}

static void test_log_resume(void **state) {
    (void)state;
    const char *path = in_folder("log.jsonl");
    const char *text =
        "{\"step\": 1}\n{\"event\":\"x\"}\n{\"step\":20}\nnot json\n{\"step\":21}\n{\"step\":2";
    ayf_jsonl *log;
    assert_int_equal(ayf_file_write(ctx, path, text, strlen(text)), AYF_OK);
    assert_int_equal(ayf_jsonl_open(ctx, path, 20, &log), AYF_OK);
    ayf_jsonl_int(log, "step", 21);
    assert_int_equal(ayf_jsonl_end(log), AYF_OK);
    ayf_jsonl_close(log);
    expect_file(path, "{\"step\": 1}\n{\"event\":\"x\"}\n{\"step\":20}\n{\"step\":21}\n");
    assert_int_equal(ayf_jsonl_open(ctx, path, -1, &log), AYF_OK);
    ayf_jsonl_close(log);
    expect_file(path, "");
}

static void test_log_full_disk(void **state) {
    (void)state;
    ayf_jsonl *log;
    assert_int_equal(ayf_jsonl_open(ctx, "/dev/full", -1, &log), AYF_OK);
    ayf_jsonl_int(log, "step", 1);
    assert_int_equal(ayf_jsonl_end(log), AYF_E_IO);
    expect_message("/dev/full: cannot write: No space left");
    ayf_jsonl_close(log);

    const char *path = in_folder("log.jsonl");
    assert_int_equal(ayf_jsonl_open(ctx, path, -1, &log), AYF_OK);
    ayf_jsonl_int(log, "step", 1);
    assert_int_equal(ayf_jsonl_end(log), AYF_OK);
    struct rlimit before, small = {15, RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ayf_jsonl_int(log, "step", 2);
    ayf_status status = ayf_jsonl_end(log);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, AYF_E_IO);
    expect_file(path, "{\"step\":1}\n"); /* no half line */
    ayf_jsonl_int(log, "step", 3);
    assert_int_equal(ayf_jsonl_end(log), AYF_OK);
    expect_file(path, "{\"step\":1}\n{\"step\":3}\n");
    ayf_jsonl_close(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_paths),
                                       TEST(test_folders),
                                       TEST(test_read),
                                       TEST(test_atomic_write),
                                       TEST(test_probe),
                                       TEST(test_full_disk),
                                       TEST(test_unwritable_folder),
                                       TEST(test_lock),
                                       TEST(test_reals),
                                       TEST(test_locale),
                                       TEST(test_json_strings),
                                       TEST(test_log),
                                       TEST(test_log_resume),
                                       TEST(test_log_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
