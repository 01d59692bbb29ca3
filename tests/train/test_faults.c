/* What happens when a kernel fails: the failure is reported once, and nothing is saved of the step that it
 * spoilt. And when memory of the backend cannot be read or written: no file is made of it.
 *
 * Kernels of oneDNN are made to fail by standing in front of the function that runs them (--wrap of the
 * linker). */
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

#include "run_fixture.h"

#include "model/file.h"
#include "train/checkpoint.h"
#include "backend/cpu/cpu.h"
#include "faulty.h"
#include "ir/build.h"
#include "thread_comm.h"

/* ---- oneDNN ---- */

enum { KERNELS = 3 };
static long executed;               /* kernels of oneDNN so far */
static dnnl_status_t fate[KERNELS]; /* of the first ones */
static int dynamic_inside;          /* may OpenMP change the size of teams? At the last kernel */
static _Thread_local bool doomed;   /* all kernels of this thread fail */

dnnl_status_t __real_dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                            const dnnl_exec_arg_t *args);
dnnl_status_t __wrap_dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                            const dnnl_exec_arg_t *args);

dnnl_status_t __wrap_dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                            const dnnl_exec_arg_t *args) {
    if (doomed) return dnnl_runtime_error;
    dynamic_inside = omp_get_dynamic();
    long at = executed++;
    if (at < KERNELS && fate[at] != dnnl_success) return fate[at];
    return __real_dnnl_primitive_execute(primitive, stream, count, args);
}

static void decide(dnnl_status_t first, dnnl_status_t second, dnnl_status_t third) {
    const dnnl_status_t all[KERNELS] = {first, second, third};
    memcpy(fate, all, sizeof fate);
    executed = 0;
}

/* ---- One program ---- */

static void test_kernel_of_the_library(void **state) {
    (void)state;
    const dnnl_status_t good = dnnl_success, poor = dnnl_out_of_memory, bad = dnnl_runtime_error;
    const struct {
        dnnl_status_t fate[KERNELS];
        ayf_status want;
        const char *message;
    } cases[] = {
        {{bad, good, good}, AYF_E_INTERNAL, "oneDNN cannot prepare or run"},
        {{good, good, poor}, AYF_E_MEMORY, "oneDNN found no memory"},
        {{poor, bad, bad}, AYF_E_MEMORY, "oneDNN found no memory"}, /* the first one counts */
        {{good, bad, poor}, AYF_E_INTERNAL, "oneDNN cannot prepare or run"},
    };
    float x[16], want[16], got[16];
    for (int i = 0; i < 16; i++) x[i] = (float)(i % 5 - 2) / 4;
    ayf_backend *backend;
    ayf_program *p;
    assert_int_equal(ayf_cpu_open(ctx, &backend), AYF_OK);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id y = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 4)), leaf = y;
    for (int i = 0; i < KERNELS; i++) y = ayf_gemm(g, y, leaf, false, false);
    ayf_output(g, "y", y);
    assert_int_equal(ayf_compile(backend, g, NULL, &p), AYF_OK);
    assert_int_equal(ayf_program_set(p, "x", x, 16), AYF_OK);
    assert_int_equal(ayf_program_run(p), AYF_OK);
    assert_int_equal(ayf_program_get(p, "y", want, 16), AYF_OK);
    for (int trace = 0; trace < 2; trace++)
        for (size_t i = 0; i < AYF_COUNT(cases); i++) {
            ctx->trace = trace;
            decide(cases[i].fate[0], cases[i].fate[1], cases[i].fate[2]);
            assert_int_equal(ayf_program_run(p), cases[i].want);
            if (!strstr(ayf_error(ctx), cases[i].message)) fail_msg("%s", ayf_error(ctx));
            decide(good, good, good);
            assert_int_equal(ayf_program_run(p), AYF_OK);
            assert_int_equal(ayf_program_get(p, "y", got, 16), AYF_OK);
            assert_memory_equal(got, want, sizeof want);
        }
    ctx->trace = false;
    ayf_program_free(p);
    ayf_backend_close(backend);
}

/* Kernels are wrong when they get another team than they were prepared for. */
static void test_teams_keep_their_size(void **state) {
    (void)state;
    ayf_backend *backend;
    ayf_program *p;
    float x[16] = {1};
    omp_set_dynamic(1);
    assert_int_equal(ayf_cpu_open(ctx, &backend), AYF_OK);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id leaf = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 4));
    ayf_output(g, "y", ayf_gemm(g, leaf, leaf, false, false));
    assert_int_equal(ayf_compile(backend, g, NULL, &p), AYF_OK);
    assert_int_equal(ayf_program_set(p, "x", x, 16), AYF_OK);
    dynamic_inside = -1;
    assert_int_equal(ayf_program_run(p), AYF_OK);
    assert_int_equal(dynamic_inside, 0);
    assert_int_equal(omp_get_dynamic(), 1); /* the caller's setting is back */
    omp_set_dynamic(0);
    ayf_program_free(p);
    ayf_backend_close(backend);
}

/* ---- A run ---- */

static void step_until(ayf_run *run, uint64_t stop) {
    ayf_run_report report = {0};
    while (report.step < stop)
        if (ayf_run_step(run, &report) != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

/* The run has saved step 2 and done step 3; step 4 has failed with `status` and `message`. */
static void expect_nothing_saved(ayf_run *run, ayf_status status, const char *message) {
    for (int i = 0; i < 3; i++) {
        assert_int_equal(i == 1 ? ayf_run_step(run, NULL) : ayf_run_save(run), status);
        if (!strstr(ayf_error(ctx), message) || !strstr(ayf_error(ctx), "step 4 failed on the way") ||
            !strstr(ayf_error(ctx), "the checkpoint of step 2"))
            fail_msg("%s", ayf_error(ctx));
    }
    ayf_run_close(run);
    assert_int_equal(files_in(in_root("run/checkpoints")), 1);
    expect_same_file(in_root("run/model.safetensors"), in_root("two/model.safetensors"));
}

/* Three steps, the second one saved. */
static ayf_run *three_steps(settings set) {
    ayf_run *run;
    if (open_run(AYF_RUN_TRAIN, in_root("run"), set, &run) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    step_until(run, 2);
    assert_int_equal(ayf_run_save(run), AYF_OK);
    step_until(run, 3);
    return run;
}

static void test_step_that_fails_is_not_saved(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=6"));
    run_to(AYF_RUN_TRAIN, in_root("whole"), set, 6);
    run_to(AYF_RUN_TRAIN, in_root("two"), set, 2);
    ayf_run *run = three_steps(set);
    decide(dnnl_success, dnnl_runtime_error, dnnl_success);
    assert_int_equal(ayf_run_step(run, NULL), AYF_E_INTERNAL);
    decide(dnnl_success, dnnl_success, dnnl_success);
    expect_nothing_saved(run, AYF_E_INTERNAL, "oneDNN cannot prepare or run");
    run_to(AYF_RUN_TRAIN, in_root("run"), set, 6);
    expect_same_file(in_root("run/model.safetensors"), in_root("whole/model.safetensors"));
}

/* Whichever launch it is. */
static void test_any_launch_of_a_step(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=6"));
    run_to(AYF_RUN_TRAIN, in_root("two"), set, 2);
    long launches = 1;
    for (long n = 1; n <= launches; n += 4) {
        ayf_run *run = three_steps(set);
        faulty_begin(run->backend);
        faulty.fail_launch = n;
        assert_int_equal(ayf_run_step(run, NULL), AYF_E_INTERNAL);
        launches = faulty.launches;
        faulty_end(run->backend);
        expect_nothing_saved(run, AYF_E_INTERNAL, "launch");
        assert_int_equal(nftw(in_root("run"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
    assert_true(launches > 10);
}

/* What fails before the first kernel has touched nothing. */
static void test_failure_before_the_kernels(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=6"));
    run_to(AYF_RUN_TRAIN, in_root("whole"), set, 6);
    test_memory memory = {.once = true};
    ayf_context *poor = test_open(&memory);
    ayf_run *run;
    ayf_run_options options = {.folder = in_root("run"), .settings = set.at, .setting_count = set.count};
    assert_int_equal(ayf_run_open(poor, &options, &run), AYF_OK);
    int failures = 0;
    do {
        memory.fail_at = memory.calls + 1 + failures;
        assert_int_equal(ayf_run_step(run, NULL), AYF_E_MEMORY);
        memory.fail_at = 0;
        assert_int_equal(ayf_run_save(run), AYF_OK);
        assert_true(ayf_path_exists(in_root("run/checkpoints/step-00000000.safetensors")));
    } while (++failures < 3);
    while (!ayf_run_finished(run)) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    ayf_run_close(run);
    ayf_close(poor);
    assert_int_equal(memory.held, 0);
    expect_same_file(in_root("run/model.safetensors"), in_root("whole/model.safetensors"));
}

/* ---- Two processes, played by threads ---- */

typedef struct process {
    thread_world *world;
    int rank, parts;
    bool trace;
    ayf_status opened, status, again;
    uint64_t done;
    char message[AYF_MESSAGE_SIZE];
} process;

/* Saves step 2; from step 4 on the kernels of the second process fail. */
static void *process_thread(void *data) {
    process *p = data;
    thread_comm comm;
    settings set =
        join(tiny_mlp(), SET("train.steps=6", p->parts > 1 ? "train.accumulate=2" : "train.accumulate=1",
                             "save.every=2"));
    ayf_context *own = ayf_open(&(ayf_options){.threads = 1, .trace = p->trace});
    ayf_run *run;
    ayf_run_report report = {0};
    thread_comm_join(&comm, p->world, p->rank, own);
    p->opened = ayf_run_open(
        own, &(ayf_run_options){.folder = in_root("run"), .settings = set.at, .setting_count = set.count},
        &run);
    while (p->opened == AYF_OK && (p->status = ayf_run_step(run, &report)) == AYF_OK) {
        p->done = report.step;
        doomed = p->rank == 1 && report.step == 3;
    }
    snprintf(p->message, sizeof p->message, "%s", ayf_error(own));
    p->again = ayf_run_save(run);
    ayf_run_close(run);
    ayf_close(own);
    return NULL;
}

/* A process whose kernels fail still takes part in the exchange, so that the other one does not wait for it:
 * both end in the same step, with one message, and nothing of that step is saved. In parts the first part
 * fails, which has touched no weights. */
static void test_kernel_of_one_process(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        int parts = 1 + way % 2;
        thread_world world;
        pthread_t threads[2];
        process all[2] = {0};
        thread_world_open(&world, 2);
        for (int i = 0; i < 2; i++) {
            all[i] = (process){.world = &world, .rank = i, .parts = parts, .trace = way >= 2};
            assert_int_equal(pthread_create(&threads[i], NULL, process_thread, &all[i]), 0);
        }
        for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
        thread_world_close(&world);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(all[i].opened, AYF_OK);
            assert_int_equal(all[i].done, 3);
            assert_int_equal(all[i].status, AYF_E_INTERNAL);
            assert_string_equal(all[i].message, all[0].message);
            assert_int_equal(all[i].again, parts == 1 ? AYF_E_INTERNAL : AYF_OK);
        }
        if (!strstr(all[0].message, "process 2 of 2: oneDNN cannot prepare or run") ||
            (parts == 1 && !strstr(all[0].message, "step 4 failed on the way")))
            fail_msg("%s", all[0].message);
        assert_int_equal(files_in(in_root("run/checkpoints")), parts);
        assert_int_equal(nftw(in_root("run"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* ---- Memory ---- */

/* One read after another fails, until none does. */
static void test_unreadable_weights_are_not_saved(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=6"));
    run_to(AYF_RUN_TRAIN, in_root("two"), set, 2);
    run_to(AYF_RUN_TRAIN, in_root("three"), set, 3);
    ayf_run *run = three_steps(set);
    long reads = 0;
    faulty_begin(run->backend);
    for (;; reads++) {
        faulty.fail_fetch = faulty.fetches + reads + 1;
        ayf_status status = ayf_run_save(run);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_INTERNAL);
        assert_non_null(strstr(ayf_error(ctx), "fetch"));
        expect_same_file(in_root("run/model.safetensors"), in_root("two/model.safetensors"));
        assert_in_range(files_in(in_root("run/checkpoints")), 1,
                        2); /* the checkpoint goes before the model */
        assert_int_equal(files_in(in_root("run")), files_in(in_root("two")));
    }
    faulty_end(run->backend);
    /* Twice (for the checksum, and to be written) the model; of the checkpoint weights, average and two moments, which
     * buffers have none of. */
    assert_true(reads > 8 * run->learner[0].weights->params->count &&
                reads <= 10 * run->learner[0].weights->params->count);
    ayf_run_close(run);
    expect_same_file(in_root("run/model.safetensors"), in_root("three/model.safetensors"));
    expect_same_file(in_root("run/checkpoints/step-00000003.safetensors"),
                     in_root("three/checkpoints/step-00000003.safetensors"));
}

static void test_unreadable_model_is_not_written(void **state) {
    (void)state;
    ayf_run *run = three_steps(join(tiny_mlp(), SET("train.steps=6")));
    const ayf_model_card card = {
        .role = AYF_MODEL_ROLE_TEACHER, .sigma_data = 1, .guidance_min = 1, .guidance_max = 1};
    int count = run->learner[0].weights->params->count;
    assert_int_equal(ayf_file_write(ctx, in_root("old"), "as it was", 9), AYF_OK);
    faulty_begin(run->backend);
    for (int n = 1; n <= count; n++) {
        faulty.fail_fetch = faulty.fetches + n;
        assert_int_equal(ayf_model_write(in_root("old"), run->learner[0].weights, &card), AYF_E_INTERNAL);
        faulty.fail_fetch = faulty.fetches + n;
        assert_int_equal(ayf_model_write(in_root("new"), run->learner[0].weights, &card), AYF_E_INTERNAL);
        assert_true(file_contains(in_root("old"), "as it was"));
        assert_false(ayf_path_exists(in_root("new")));
    }
    assert_int_equal(ayf_model_write(in_root("new"), run->learner[0].weights, &card), AYF_OK);
    faulty_end(run->backend);
    ayf_run_close(run);
}

/* Everything else that reads or writes weights. */
static void test_memory_of_weights(void **state) {
    (void)state;
    ayf_run *run = three_steps(join(tiny_mlp(), SET("train.steps=6")));
    ayf_weights *read;
    ayf_model_card card;
    uint64_t hash = AYF_HASH_START;
    const char *name = "";
    faulty_begin(run->backend);
    faulty.fail_fetch = 2;
    assert_int_equal(ayf_run_bad_parameter(run, &name), AYF_E_INTERNAL);
    assert_null(name);
    assert_int_equal(ayf_run_bad_parameter(run, &name), AYF_OK);
    assert_null(name);
    faulty.fail_fetch = faulty.fetches + 2;
    assert_int_equal(ayf_weights_hash(run->learner[0].weights, &hash), AYF_E_INTERNAL);
    faulty.fail_copy = 2;
    assert_int_equal(ayf_weights_copy(run->learner[0].average, run->learner[0].weights), AYF_E_INTERNAL);
    faulty.fail_upload = faulty.uploads + 2;
    assert_int_equal(ayf_weights_init(run->learner[0].weights, 1), AYF_E_INTERNAL);
    assert_int_equal(ayf_model_read(run->backend, in_root("run/model.safetensors"), &read, &card), AYF_OK);
    faulty.fail_upload = faulty.uploads + 2;
    assert_int_equal(ayf_weights_copy(run->learner[0].average, read), AYF_E_INTERNAL);
    ayf_weights_free(read);
    ayf_model_card_free(ctx, &card);
    faulty.fail_upload = faulty.uploads + 2;
    assert_int_equal(ayf_run_checkpoint_read(run, 2), AYF_E_INTERNAL);
    faulty_end(run->backend);
    ayf_run_close(run);
}

/* A step whose loss cannot be read is done and yet not known to be good: it is not saved. A batch that does
 * not get to the backend has touched nothing: the run goes on as if it had not been. */
static void test_memory_of_a_step(void **state) {
    (void)state;
    settings set = join(tiny_mlp(), SET("train.steps=6"));
    run_to(AYF_RUN_TRAIN, in_root("two"), set, 2);
    run_to(AYF_RUN_TRAIN, in_root("three"), set, 3);
    ayf_run *run = three_steps(set);
    faulty_begin(run->backend);
    faulty.fail_upload = 3;
    assert_int_equal(ayf_run_step(run, NULL), AYF_E_INTERNAL);
    faulty_end(run->backend);
    assert_int_equal(ayf_run_save(run), AYF_OK);
    expect_same_file(in_root("run/model.safetensors"), in_root("three/model.safetensors"));
    ayf_run_close(run);
    assert_int_equal(nftw(in_root("run"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);

    run = three_steps(set);
    faulty_begin(run->backend);
    faulty.fail_fetch = 1;
    assert_int_equal(ayf_run_step(run, NULL), AYF_E_INTERNAL);
    faulty_end(run->backend);
    expect_nothing_saved(run, AYF_E_INTERNAL, "fetch 1");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_kernel_of_the_library),
                                       TEST(test_teams_keep_their_size),
                                       TEST(test_step_that_fails_is_not_saved),
                                       TEST(test_any_launch_of_a_step),
                                       TEST(test_failure_before_the_kernels),
                                       TEST(test_kernel_of_one_process),
                                       TEST(test_unreadable_weights_are_not_saved),
                                       TEST(test_unreadable_model_is_not_written),
                                       TEST(test_memory_of_weights),
                                       TEST(test_memory_of_a_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
