/* train/run_folder.h: what a run finds in its folder and what it removes. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "folder_fixture.h"

#include "io/file.h"
#include "train/run_folder.h"

static int entries_before_failure = -1; /* < 0: never */

struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir);

struct dirent *__wrap_readdir64(DIR *dir) {
    if (entries_before_failure == 0) {
        errno = EIO;
        return NULL;
    }
    if (entries_before_failure > 0) entries_before_failure--;
    return __real_readdir64(dir);
}

static void test_run_folder(void **state) {
    (void)state;
    static const char *const kept[] = {"notes.tmp", "a-1.tmp", "step-x.safetensors", "step-.safetensors",
                                       "step-00000005.safetensors.bak"};
    const char *run = in_folder("new/run");
    ayf_folder_lock *lock;
    int64_t step;
    assert_int_equal(ayf_run_latest(ctx, run, &step), AYF_E_IO);
    assert_int_equal(ayf_make_folders(ctx, in_folder("new/run/checkpoints")), AYF_OK);
    for (size_t i = 0; i < AYF_COUNT(kept); i++) {
        char *path = ayf_path_join(ctx, in_folder("new/run/checkpoints"), kept[i]);
        assert_int_equal(ayf_file_write(ctx, path, "", 0), AYF_OK);
        ayf_free(ctx, path);
    }
    static const char *const halves[] = {"new/run/model.safetensors.123-0.tmp",
                                         "new/run/checkpoints/step-00000005.safetensors.123-0.tmp"};
    for (size_t i = 0; i < AYF_COUNT(halves); i++)
        assert_int_equal(ayf_file_write(ctx, in_folder(halves[i]), "half", 4), AYF_OK);
    assert_int_equal(ayf_run_begin(ctx, in_folder("new/run"), &lock), AYF_OK);
    for (size_t i = 0; i < AYF_COUNT(halves); i++) assert_false(ayf_path_exists(in_folder(halves[i])));
    run = in_folder("new/run");
    assert_int_equal(ayf_run_latest(ctx, run, &step), AYF_OK);
    assert_int_equal(step, -1);
    static const int64_t steps[] = {900, 1000, 0, 10000000000};
    for (size_t i = 0; i < AYF_COUNT(steps); i++) {
        char *path = ayf_run_checkpoint_path(ctx, run, steps[i]);
        assert_int_equal(ayf_file_write(ctx, path, "", 0), AYF_OK);
        ayf_free(ctx, path);
    }
    assert_int_equal(ayf_run_latest(ctx, run, &step), AYF_OK);
    assert_true(step == 10000000000);
    assert_int_equal(ayf_run_prune(ctx, run, 0), AYF_OK);
    assert_int_equal(ayf_run_prune(ctx, run, 3), AYF_OK);
    assert_false(ayf_path_exists(in_folder("new/run/checkpoints/step-00000000.safetensors")));
    assert_true(ayf_path_exists(in_folder("new/run/checkpoints/step-00000900.safetensors")));
    assert_int_equal(ayf_run_prune(ctx, run, 1), AYF_OK);
    assert_int_equal(entries(in_folder("new/run/checkpoints")), (int)AYF_COUNT(kept) + 1);
    assert_int_equal(entries(in_folder("new/run")), 2); /* the lock and the folder that was there */
    ayf_folder_unlock(lock);
}

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("\"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static char *target_text(void) {
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, in_folder("other/file"), 0, &bytes, &size), AYF_OK);
    return bytes;
}

/* By every name that a run writes under, to a file, to a folder and to nothing. */
static void test_links(void **state) {
    (void)state;
    static const char *const names[] = {"config.yaml",
                                        "log.jsonl",
                                        "model.safetensors",
                                        "model-best.safetensors",
                                        "diverged.txt",
                                        "trajectories.safetensors",
                                        "checkpoints",
                                        "samples",
                                        ".lock",
                                        "events.out.tfevents.1.host.2.0",
                                        "checkpoints/step-00000001.safetensors",
                                        "samples/step-00000001.png"};
    static const char *const targets[] = {"other/file", "other", "other/nothing"};
    ayf_folder_lock *lock;
    assert_int_equal(ayf_make_folders(ctx, in_folder("other")), AYF_OK);
    assert_int_equal(ayf_file_write(ctx, in_folder("other/file"), "precious", 8), AYF_OK);
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        for (size_t k = 0; k < AYF_COUNT(targets); k++) {
            char name[80], target[300];
            snprintf(name, sizeof name, "linked%zu-%zu/%s", i, k, names[i]);
            snprintf(target, sizeof target, "%s", in_folder(targets[k]));
            char *around = ayf_strdup(ctx, in_folder(name));
            *strrchr(around, '/') = 0;
            assert_int_equal(ayf_make_folders(ctx, around), AYF_OK);
            ayf_free(ctx, around);
            assert_int_equal(symlink(target, in_folder(name)), 0);
            *strchr(name, '/') = 0;
            if (ayf_run_begin(ctx, in_folder(name), &lock) != AYF_E_IO) fail_msg("%s is followed", names[i]);
            expect_message(names[i]);
            expect_message("symbolic link");
            assert_null(lock);
        }
    assert_int_equal(entries(in_folder("other")), 1);
    char *text = target_text();
    assert_string_equal(text, "precious");
    ayf_free(ctx, text);
    /* The folder itself may be one, and so may what is not the run's. */
    assert_int_equal(symlink(in_folder("other"), in_folder("way")), 0);
    assert_int_equal(symlink("file", in_folder("other/notes")), 0);
    assert_int_equal(symlink("file", in_folder("other/model.safetensors.12-0.tmp")), 0);
    assert_int_equal(ayf_run_begin(ctx, in_folder("way"), &lock), AYF_OK);
    assert_int_equal(entries(in_folder("other")), 3); /* file, notes, lock */
    text = target_text();
    assert_string_equal(text, "precious");
    ayf_free(ctx, text);
    ayf_folder_unlock(lock);
}

/* A folder that cannot be listed to its end is not one without checkpoints. */
static void test_failing_list(void **state) {
    (void)state;
    ayf_folder_lock *lock;
    int64_t step;
    const char *run = in_folder("listed");
    assert_int_equal(ayf_run_begin(ctx, run, &lock), AYF_OK);
    assert_int_equal(ayf_run_latest(ctx, run, &step), AYF_OK);
    assert_int_equal(step, -1);
    assert_int_equal(ayf_run_make_inside(ctx, run), AYF_OK);
    ayf_folder_unlock(lock);
    for (int i = 0; i < 3; i++) {
        entries_before_failure = i;
        assert_int_equal(ayf_run_latest(ctx, run, &step), AYF_E_IO);
        expect_message("cannot list");
    }
    for (int i = 0; i < 12;
         i++) { /* three entries and the two that every folder has, then two folders of two */
        entries_before_failure = i;
        assert_int_equal(ayf_run_begin(ctx, run, &lock), AYF_E_IO);
        assert_null(lock);
    }
    entries_before_failure = -1;
    assert_int_equal(ayf_run_begin(ctx, run, &lock), AYF_OK);
    ayf_folder_unlock(lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_run_folder), TEST(test_links), TEST(test_failing_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
