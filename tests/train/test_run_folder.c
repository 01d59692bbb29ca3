/* train/run_folder.h: what a run finds in its folder and what it removes. */
#include "folder_fixture.h"

#include "io/file.h"
#include "train/run_folder.h"

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
    assert_int_equal(entries(in_folder("new/run")), 3); /* the lock and the two folders */
    ayf_folder_unlock(lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_run_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
