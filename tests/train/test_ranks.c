/* A run shared by several processes, played by threads, and a batch computed in parts: the same run as one
 * process with the whole batch, to rounding. */
#include "run_fixture.h"

#include <math.h>

#include "thread_comm.h"

enum { STEPS_MOST = 200 };

/* One process of a run, and what it saw. */
typedef struct process {
    thread_world *world; /* NULL: alone */
    int rank;
    ayf_run_kind kind;
    const char *folder;
    const settings *set, *of_second; /* NULL: all have the same */
    uint64_t stop;                   /* steps */
    bool drifts;
    test_memory memory;
    ayf_status status;
    char message[AYF_MESSAGE_SIZE];
    double loss[STEPS_MOST], grad_norm[STEPS_MOST], error_rms[STEPS_MOST], weight[STEPS_MOST];
    uint64_t bytes, done;
} process;

static ayf_status work(process *p, ayf_context *own) {
    ayf_run *run;
    ayf_run_report report = {0};
    const settings *set = p->rank == 1 && p->of_second ? p->of_second : p->set;
    AYF_TRY(ayf_run_open(
        own,
        &(ayf_run_options){
            .kind = p->kind, .folder = p->folder, .settings = set->at, .setting_count = set->count},
        &run));
    ayf_status status = AYF_OK;
    while (status == AYF_OK && !ayf_run_finished(run) && report.step < p->stop) {
        status = ayf_run_step(run, &report);
        if (status != AYF_OK || report.prepared) continue;
        p->loss[report.step - 1] = report.loss;
        p->grad_norm[report.step - 1] = report.grad_norm;
        p->error_rms[report.step - 1] = report.error_rms;
        p->weight[report.step - 1] = report.adaptive_weight;
        p->bytes = report.bytes;
        p->done = report.step;
    }
    if (status == AYF_OK) status = ayf_run_save(run);
    ayf_run_close(run);
    return status;
}

static void *process_thread(void *data) {
    process *p = data;
    thread_comm comm;
    ayf_context *own = test_open(&p->memory);
    if (p->world) thread_comm_join(&comm, p->world, p->rank, own);
    own->threads = 1;
    p->status = work(p, own);
    snprintf(p->message, sizeof p->message, "%s", ayf_error(own));
    ayf_close(own);
    return NULL;
}

/* `fail_at` of the process `failing` (-1: of none); the results of all are in `all`. */
static void run_processes(int ranks, process like, int failing, long fail_at, process *all) {
    pthread_t threads[THREADS_MOST];
    thread_world world;
    thread_world_open(&world, ranks);
    world.drifts = like.drifts;
    for (int i = 0; i < ranks; i++) {
        all[i] = like;
        all[i].world = &world;
        all[i].rank = i;
        all[i].memory = (test_memory){.fail_at = i == failing ? fail_at : 0};
        assert_int_equal(pthread_create(&threads[i], NULL, process_thread, &all[i]), 0);
    }
    for (int i = 0; i < ranks; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    thread_world_close(&world);
    for (int i = 0; i < ranks; i++) assert_int_equal(all[i].memory.held, 0);
}

static process *share(int ranks, ayf_run_kind kind, const char *folder, settings set, uint64_t stop) {
    static process all[THREADS_MOST];
    run_processes(ranks, (process){.kind = kind, .folder = folder, .set = &set, .stop = stop}, -1, 0, all);
    for (int i = 0; i < ranks; i++)
        if (all[i].status != AYF_OK) fail_msg("process %d: %s", i, all[i].message);
    return all;
}

/* ---- The same losses ---- */

static double largest_difference(const double *a, const double *b, uint64_t count) {
    double worst = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (isnan(a[i]) && isnan(b[i])) continue;
        double difference = fabs(a[i] - b[i]) / fmax(1e-6, fabs(a[i]));
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

static void compare(const char *what, const process *want, const process *got, double tolerance) {
    const struct {
        const char *name;
        const double *want, *got;
    } figures[] = {{"loss", want->loss, got->loss},
                   {"grad_norm", want->grad_norm, got->grad_norm},
                   {"error_rms", want->error_rms, got->error_rms},
                   {"adaptive_weight", want->weight, got->weight}};
    assert_int_equal(want->done, got->done);
    for (size_t i = 0; i < AYF_COUNT(figures); i++) {
        double worst = largest_difference(figures[i].want, figures[i].got, want->done);
        if (getenv("AYF_TEST_PRINT")) print_message("%s: %s differs by %.3g\n", what, figures[i].name, worst);
        if (!(worst <= tolerance))
            fail_msg("%s: %s differs by %.3g, more than %.3g", what, figures[i].name, worst, tolerance);
    }
}

/* One process, then two, then parts, then both. All processes report the same. */
static void check_shares(const char *name, ayf_run_kind kind, settings set, uint64_t steps,
                         double tolerance) {
    static process alone;
    set = join(set, SET("train.precision=highest")); /* rounding is that of 32 bits */
    alone = *share(1, kind, in_root("%s-1", name), set, steps);
    static const struct {
        const char *what, *setting;
        int ranks;
    } ways[] = {{"two processes", "train.accumulate=1", 2},
                {"two parts", "train.accumulate=2", 1},
                {"four parts", "train.accumulate=4", 1},
                {"two processes, two parts", "train.accumulate=2", 2}};
    for (size_t i = 0; i < AYF_COUNT(ways); i++) {
        char what[120];
        snprintf(what, sizeof what, "%s: %s", name, ways[i].what);
        const process *all = share(ways[i].ranks, kind, in_root("%s-%zu", name, i + 2),
                                   join(set, SET(ways[i].setting)), steps);
        compare(what, &alone, &all[0], tolerance);
        for (int k = 1; k < ways[i].ranks; k++) compare(what, &all[0], &all[k], 0);
        /* The batch is smaller, and there is one program. */
        if (kind != AYF_RUN_FINETUNE && alone.bytes > 1 << 20)
            assert_true((double)all[0].bytes < 0.9 * (double)alone.bytes);
    }
}

static void test_teacher(void **state) {
    (void)state;
    check_shares("teacher", AYF_RUN_TRAIN,
                 join(tiny_unet(), SET("train.batch=16", "train.steps=200", "train.grad_clip=0.5",
                                       "train.label_dropout=0.2")),
                 200, 1e-4);
}

static void test_distill(void **state) {
    (void)state;
    check_shares("student", AYF_RUN_DISTILL,
                 join(tiny_mlp(), SET("distill.guidance=none", "distill.student_init=scratch",
                                      "distill.teacher=analytic", "train.steps=200", "train.lr=0.002")),
                 200, 1e-4);
}

static settings with_path(settings set, const char *key, const char *folder) {
    static char text[4][600];
    static int next;
    char *setting = text[next = (next + 1) % 4];
    snprintf(setting, sizeof text[0], "%s=%s", key, in_root("%s", folder));
    return join(set, SET(setting));
}

/* Mid-training shares the making of trajectories, and its steps. */
static void test_midtrain_and_finetune(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), join(tiny_unet(), SET("train.steps=30")), 30);
    settings set = with_path(
        join(tiny_unet(),
             SET("distill.guidance=none", "train.batch=16", "train.steps=20", "distill.midtrain_steps=8",
                 "train.lr=0.001", "distill.midtrain_trajectories=40", "distill.midtrain_solver_steps=3")),
        "distill.teacher", "teacher");
    check_shares("student", AYF_RUN_DISTILL, set, 20, 1e-4);
    settings tune =
        with_path(SET("train.batch=32", "train.steps=12", "finetune.deviation_group=4",
                      "finetune.penalty_every=2", "finetune.channel_base=64", "finetune.channel_max=8",
                      "finetune.disc_first=3", "save.every=0", "save.grid_every=0", "finetune.lr=0.0005"),
                  "finetune.student", "student-1");
    check_shares("tuned", AYF_RUN_FINETUNE, tune, 12, 1e-4);
}

/* ---- Resuming ---- */

static settings small_teacher(void) { return join(tiny_unet(), SET("train.batch=8", "train.steps=12")); }

static void expect_same_end(const char *a, const char *b, int step) {
    expect_same_file(in_root("%s/model.safetensors", a), in_root("%s/model.safetensors", b));
    expect_same_file(in_root("%s/checkpoints/step-%08d.safetensors", a, step),
                     in_root("%s/checkpoints/step-%08d.safetensors", b, step));
}

/* The same bytes with as many processes, stopped or not; and another number goes on all the same. */
static void test_resume(void **state) {
    (void)state;
    for (int parts = 1; parts <= 2; parts++) {
        settings set = join(small_teacher(), SET(parts == 1 ? "train.accumulate=1" : "train.accumulate=2"));
        share(2, AYF_RUN_TRAIN, in_root("a%d", parts), set, 12);
        share(2, AYF_RUN_TRAIN, in_root("b%d", parts), set, 5);
        share(2, AYF_RUN_TRAIN, in_root("b%d", parts), set, 12);
        char a[8], b[8];
        snprintf(a, sizeof a, "a%d", parts);
        snprintf(b, sizeof b, "b%d", parts);
        expect_same_end(a, b, 12);
        assert_int_equal(files_in(in_root("%s/checkpoints", a)), 1);
    }
    static process straight;
    straight = *share(2, AYF_RUN_TRAIN, in_root("c"), small_teacher(), 12);
    share(2, AYF_RUN_TRAIN, in_root("d"), small_teacher(), 4);
    share(4, AYF_RUN_TRAIN, in_root("d"), small_teacher(), 8);
    share(1, AYF_RUN_TRAIN, in_root("d"), join(small_teacher(), SET("train.accumulate=8")), 10);
    process *rest = share(1, AYF_RUN_TRAIN, in_root("d"), small_teacher(), 12);
    assert_true(largest_difference(straight.loss + 10, rest->loss + 10, 2) < 1e-4);
    /* Two lines say that something else computes from here on. */
    assert_int_equal(count_lines(in_root("d/log.jsonl")), count_lines(in_root("c/log.jsonl")) + 2);
    assert_true(file_contains(in_root("d/log.jsonl"), "4 processes"));
    assert_true(file_contains(in_root("d/log.jsonl"), "train.accumulate = 8 from here on, 1 before"));
}

/* A run of a version that had no train.accumulate. */
static void test_older_run(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("new"), small_teacher(), 12);
    run_to(AYF_RUN_TRAIN, in_root("old"), small_teacher(), 5);
    void *bytes;
    size_t size;
    const char *path = in_root("old/config.yaml");
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    char *line = strstr(bytes, "  accumulate: 1\n");
    assert_non_null(line);
    memmove(line, line + strlen("  accumulate: 1\n"), strlen(line) - strlen("  accumulate: 1\n") + 1);
    assert_int_equal(ayf_file_write(ctx, path, bytes, strlen(bytes)), AYF_OK);
    ayf_free(ctx, bytes);
    run_to(AYF_RUN_TRAIN, in_root("old"), SET("train.steps=12"), 12);
    expect_same_end("new", "old", 12);
}

/* ---- Failures ---- */

/* Whatever allocation fails in whichever process, both are told, and nobody waits for ever. */
static void check_failures(ayf_run_kind kind, settings set) {
    for (int failing = 0; failing < 2; failing++) {
        bool done = false;
        for (long at = 3; !done; at += 1 + at / 3) { /* the first two are the context's */
            process all[2];
            run_processes(2,
                          (process){.kind = kind, .folder = in_root("poor"), .set = &set, .stop = STEPS_MOST},
                          failing, at, all);
            done = all[failing].memory.calls < at;
            for (int i = 0; i < 2; i++) {
                if (done && all[i].status != AYF_OK) fail_msg("%s", all[i].message);
                if (done) continue;
                if (all[i].status != AYF_E_MEMORY)
                    fail_msg("allocation %ld of process %d: status %d of process %d: %s", at, failing,
                             (int)all[i].status, i, all[i].message);
                if (failing == 1 && !strstr(all[i].message, "process 2 of 2: "))
                    fail_msg("process %d says: %s", i, all[i].message);
            }
            nftw(in_root("poor"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
        }
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    check_failures(
        AYF_RUN_DISTILL,
        join(tiny_mlp(),
             SET("distill.guidance=none", "distill.student_init=scratch", "distill.teacher=analytic",
                 "train.steps=3", "train.batch=8", "train.accumulate=2", "distill.midtrain_steps=1",
                 "distill.midtrain_trajectories=12", "distill.midtrain_solver_steps=2")));
}

static void expect_failure(int ranks, ayf_run_kind kind, settings set, ayf_status status,
                           const char *message) {
    process all[THREADS_MOST];
    run_processes(ranks, (process){.kind = kind, .folder = in_root("bad"), .set = &set, .stop = 5}, -1, 0,
                  all);
    for (int i = 0; i < ranks; i++)
        if (all[i].status != status || !strstr(all[i].message, message))
            fail_msg("process %d: status %d: %s", i, (int)all[i].status, all[i].message);
}

static void test_shares_that_do_not_fit(void **state) {
    (void)state;
    expect_failure(3, AYF_RUN_TRAIN, tiny_unet(), AYF_E_CONFIG,
                   "train.batch = 4 cannot be shared evenly by 3 processes");
    assert_int_equal(access(in_root("bad/config.yaml"), F_OK), -1);
    expect_failure(1, AYF_RUN_TRAIN, join(tiny_unet(), SET("train.accumulate=3")), AYF_E_CONFIG,
                   "1 process in 3 parts each (train.accumulate); make it a multiple of 3");
    run_to(AYF_RUN_TRAIN, in_root("teacher"), join(tiny_unet(), SET("train.steps=2")), 2);
    run_to(AYF_RUN_DISTILL, in_root("student"),
           with_path(join(tiny_unet(), SET("distill.guidance=none", "train.steps=2")), "distill.teacher",
                     "teacher"),
           2);
    expect_failure(2, AYF_RUN_FINETUNE, with_path(SET("train.steps=4"), "finetune.student", "student"),
                   AYF_E_CONFIG,
                   "of groups of 4 samples (finetune.deviation_group); make it a multiple of 8");
}

/* Processes that are given different settings, or one of them a wrong one, all say so. */
static void test_other_settings(void **state) {
    (void)state;
    static const struct {
        const char *setting;
        ayf_status status;
        const char *message;
    } row[] = {{"train.lr=0.125", AYF_E_CONFIG, "process 2 of 2: "},
               {"train.stesp=5", AYF_E_CONFIG, "process 2 of 2: "}};
    settings set = join(tiny_mlp(), SET("train.steps=5"));
    for (size_t i = 0; i < AYF_COUNT(row); i++) {
        process all[2];
        settings other = join(set, SET(row[i].setting));
        run_processes(2,
                      (process){.kind = AYF_RUN_TRAIN,
                                .folder = in_root("other-%zu", i),
                                .set = &set,
                                .of_second = &other,
                                .stop = 3},
                      -1, 0, all);
        for (int k = 0; k < 2; k++)
            if (all[k].status != row[i].status || !strstr(all[k].message, row[i].message))
                fail_msg("%d: %s", (int)all[k].status, all[k].message);
    }
}

/* A loss that is not finite ends all of them in the same step. */
static void test_divergence(void **state) {
    (void)state;
    process all[2];
    settings set = join(tiny_mlp(), SET("train.lr=10", "train.lr_schedule=constant", "train.lr_warmup=0",
                                        "model.layers=8", "train.steps=200"));
    run_processes(2, (process){.kind = AYF_RUN_TRAIN, .folder = in_root("wild"), .set = &set, .stop = 200},
                  -1, 0, all);
    for (int i = 0; i < 2; i++) {
        if (all[i].status != AYF_E_DIVERGED) fail_msg("%d: %s", (int)all[i].status, all[i].message);
        assert_string_equal(all[i].message, all[0].message);
        assert_int_equal(all[i].done, all[0].done);
    }
}

/* Processes whose weights have come apart save nothing. */
static void test_drift(void **state) {
    (void)state;
    process all[2];
    settings set = join(tiny_mlp(), SET("train.steps=5"));
    run_processes(
        2,
        (process){.kind = AYF_RUN_TRAIN, .folder = in_root("drift"), .set = &set, .stop = 3, .drifts = true},
        -1, 0, all);
    for (int i = 0; i < 2; i++)
        if (all[i].status != AYF_E_INTERNAL || !strstr(all[i].message, "process 2 of 2: the weights here"))
            fail_msg("%d: %s", (int)all[i].status, all[i].message);
    assert_int_equal(files_in(in_root("drift/checkpoints")), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_teacher),
                                       TEST(test_distill),
                                       TEST(test_midtrain_and_finetune),
                                       TEST(test_resume),
                                       TEST(test_older_run),
                                       TEST(test_out_of_memory),
                                       TEST(test_shares_that_do_not_fit),
                                       TEST(test_drift),
                                       TEST(test_other_settings),
                                       TEST(test_divergence)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
