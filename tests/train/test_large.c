/* Networks that fill the memory: what a run allocates besides them. */
#include "run_fixture.h"

#include "train/state.h"

/* ---- What is allocated ---- */

typedef struct sizes {
    size_t largest; /* single allocation */
} sizes;

static void *note_size(void *user, void *pointer, size_t size) {
    sizes *s = user;
    if (size == 0) {
        free(pointer);
        return NULL;
    }
    if (size > s->largest) s->largest = size;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

/* ---- Saving ---- */

/* A checkpoint, a model and snapshots are written tensor by tensor. */
static void test_saving(void **state) {
    (void)state;
    sizes taken = {0};
    ayf_close(ctx);
    ctx = ayf_open(&(ayf_options){.threads = 1, .alloc = note_size, .alloc_user = &taken});
    settings set = join(tiny_unet(), SET("model.channels=32", "model.channels_per_head=32",
                                         "train.ema_widths=0.05,0.1", "save.snapshots=1", "train.steps=20"));
    ayf_run *run;
    assert_int_equal(open_run(AYF_RUN_TRAIN, in_root("run"), set, &run), AYF_OK);
    assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    size_t largest = ayf_params_largest(run->learner[0].weights->params) * sizeof(float);
    assert_in_range(ayf_weights_bytes(run->learner[0].weights), 4 * largest, SIZE_MAX);
    taken.largest = 0;
    assert_int_equal(ayf_run_save(run), AYF_OK);
    assert_in_range(taken.largest, largest, largest + 64);
    taken.largest = 0;
    assert_int_equal(ayf_run_step(run, NULL), AYF_OK); /* with its snapshot */
    assert_in_range(taken.largest, largest, largest + 64);
    ayf_run_close(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_saving, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
