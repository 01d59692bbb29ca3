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

/* ---- Recomputation ---- */

static settings unet(void) {
    return join(tiny_unet(), SET("model.channels=16", "model.channels_per_head=16", "train.steps=6"));
}

static settings student(const char *precision) {
    static char teacher[600], weak[600];
    snprintf(teacher, sizeof teacher, "distill.teacher=%s/teacher/model.safetensors", root);
    snprintf(weak, sizeof weak, "distill.weak=%s/weak/model.safetensors", root);
    return join(unet(), SET(teacher, weak, precision));
}

static uint64_t planned(ayf_run_kind kind, settings set) {
    ayf_run *run;
    if (open_run(kind, in_root("plan"), set, &run) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    uint64_t bytes = run->bytes;
    ayf_run_close(run);
    nftw(in_root("plan"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return bytes;
}

/* The same weights whatever is computed again, from less memory, in both precisions, in parts, with a
 * discriminator, and when a run goes on in another way than it began. */
static void check_recomputation(ayf_run_kind kind, const char *name, settings set) {
    static const char *const ways[] = {"train.recompute=none", "train.recompute=cheap",
                                       "train.recompute=blocks"};
    char file[64];
    snprintf(file, sizeof file, "checkpoints/step-%08d.safetensors", 6);
    uint64_t bytes[AYF_COUNT(ways)];
    for (size_t i = 0; i < AYF_COUNT(ways); i++) {
        bytes[i] = planned(kind, join(set, SET(ways[i])));
        run_to(kind, in_root("%s-%zu", name, i), join(set, SET(ways[i])), i == 1 ? 3 : 6);
        if (i == 1) run_to(kind, in_root("%s-%zu", name, i), join(set, SET(ways[2])), 6);
        if (i > 0) {
            expect_same_tensors(in_root("%s-0/%s", name, file), in_root("%s-%zu/%s", name, i, file));
            assert_in_range(bytes[i], 1, bytes[i - 1] - 1);
        }
    }
}

static void test_recomputation(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), unet(), 6);
    run_to(AYF_RUN_TRAIN, in_root("weak"), join(unet(), SET("model.channels=8")), 2);
    check_recomputation(AYF_RUN_TRAIN, "t", unet());
    check_recomputation(AYF_RUN_DISTILL, "f", student("train.precision=highest"));
    check_recomputation(AYF_RUN_DISTILL, "b", student("train.precision=bf16"));
    check_recomputation(AYF_RUN_DISTILL, "p",
                        join(student("train.precision=highest"), SET("train.accumulate=2")));
    static char from[600];
    snprintf(from, sizeof from, "finetune.student=%s/f-0/model.safetensors", root);
    check_recomputation(AYF_RUN_FINETUNE, "d",
                        SET(from, "train.steps=6", "train.lr_warmup=2", "train.precision=highest",
                            "save.every=0", "save.grid_every=0", "finetune.channel_base=64",
                            "finetune.channel_max=16", "finetune.deviation_group=2",
                            "finetune.penalty_every=2"));
}

/* ---- Frozen networks ---- */

static size_t held_bytes(const ayf_weights *w) {
    size_t bytes = 0;
    for (int i = 0; i < w->params->count; i++)
        if (w->at[i]->memory) bytes += w->at[i]->elements * w->backend->ops->element_size[AYF_F32];
    return bytes;
}

/* Teachers are read from their files, and what is normalised once is not kept beside. So a run takes as much less as
 * they are large, but for one tensor at a time. */
static void test_frozen(void **state) {
    (void)state;
    static const char *const precisions[] = {"train.precision=highest", "train.precision=bf16"};
    run_to(AYF_RUN_TRAIN, in_root("teacher"), unet(), 2);
    run_to(AYF_RUN_TRAIN, in_root("weak"), join(unet(), SET("model.channels=8")), 2);
    for (size_t i = 0; i < AYF_COUNT(precisions); i++) {
        ayf_run *run;
        if (open_run(AYF_RUN_DISTILL, in_root("frozen-%zu", i), student(precisions[i]), &run) != AYF_OK)
            fail_msg("%s", ayf_error(ctx));
        const ayf_weights *teacher = run->teachers.teacher, *weak = run->teachers.weak;
        size_t both = ayf_weights_bytes(teacher) + ayf_weights_bytes(weak), learned = 0,
               largest = ayf_params_largest(teacher->params) * sizeof(float);
        for (int k = 0; k < 4; k++) learned += ayf_weights_bytes(run->learner[0].weights);
        size_t leaves = ayf_program_describe(run->program).leaf_bytes;
        assert_in_range(leaves, learned, learned + both / 4 + 4 * largest);
        assert_int_equal(held_bytes(teacher) + held_bytes(weak), 0);
        assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
        assert_in_range(held_bytes(teacher) + held_bytes(weak), 0, both / 4);
        assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
        ayf_run_close(run);
    }
}

/* A run that mid-trains needs its teachers twice. They may be gone by then, and may not be other ones. */
static void test_teachers_go(void **state) {
    (void)state;
    const char *path = in_root("teacher/model.safetensors");
    char model[600];
    snprintf(model, sizeof model, "%s", path);
    run_to(AYF_RUN_TRAIN, in_root("teacher"), unet(), 2);
    run_to(AYF_RUN_TRAIN, in_root("weak"), join(unet(), SET("model.channels=8")), 2);
    settings set = join(student("train.precision=highest"),
                        SET("train.steps=2", "distill.midtrain_steps=1", "distill.midtrain_trajectories=4",
                            "distill.midtrain_solver_steps=2"));
    for (int removed = 0; removed < 2; removed++) {
        ayf_run *run;
        if (open_run(AYF_RUN_DISTILL, in_root("gone-%d", removed), set, &run) != AYF_OK)
            fail_msg("%s", ayf_error(ctx));
        while (run->step < 1) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
        if (removed) {
            assert_int_equal(remove(model), 0);
        } else {
            FILE *file = fopen(model, "r+b");
            assert_int_equal(fseek(file, -8, SEEK_END), 0);
            assert_int_equal(fwrite("\0\0\0\1\0\0\0\2", 1, 8, file), 8);
            fclose(file);
        }
        ayf_status status = ayf_run_step(run, NULL);
        if (removed) {
            assert_int_equal(status, AYF_OK);
        } else {
            assert_int_equal(status, AYF_E_FORMAT);
            assert_non_null(strstr(ayf_error(ctx), "teacher/model.safetensors"));
            assert_non_null(strstr(ayf_error(ctx), "was changed while it was in use"));
        }
        ayf_run_close(run);
        if (!removed) assert_int_equal(remove(model), 0);
        if (!removed) run_to(AYF_RUN_TRAIN, in_root("teacher"), unet(), 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_saving, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_recomputation, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_frozen, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_teachers_go, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
