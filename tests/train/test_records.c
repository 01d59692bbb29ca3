/* What a run writes while it goes on: the log, event files, and both after a kill. */
#include <math.h>

#include <jansson.h>

#include "run_fixture.h"

/* ---- An independent reader of event files ---- */

enum { EVENTS_MOST = 400 };
typedef struct shown {
    char tag[80];
    int64_t step;
    double scalar;
    bool image;
} shown;
typedef struct values {
    shown at[EVENTS_MOST];
    int count;
    int starts;
    int64_t start_step;
} values;

static uint32_t crc32c(const unsigned char *bytes, size_t size) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
    }
    return crc ^ 0xffffffff;
}

static uint64_t little(const unsigned char *bytes, int count) {
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static void check_crc(const unsigned char *bytes, size_t size, const unsigned char *stored) {
    uint32_t crc = crc32c(bytes, size), masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    assert_int_equal((uint32_t)little(stored, 4), masked);
}

static uint64_t varint(const unsigned char **at) {
    uint64_t value = 0;
    int shift = 0;
    do value |= (uint64_t)(**at & 127) << shift, shift += 7;
    while (*(*at)++ & 128);
    return value;
}

/* One field of a message: its number and type, and its value or its bytes. */
typedef struct field {
    unsigned number, type;
    uint64_t value;
    const unsigned char *bytes;
} field;

static field next_field(const unsigned char **at) {
    field f = {0};
    uint64_t key = varint(at);
    f.number = (unsigned)(key >> 3);
    f.type = key & 7;
    if (f.type == 0) f.value = varint(at);
    if (f.type == 1) f.value = little(*at, 8), *at += 8;
    if (f.type == 5) f.value = little(*at, 4), *at += 4;
    if (f.type == 2) f.value = varint(at), f.bytes = *at, *at += f.value;
    return f;
}

static void read_value(values *all, const field *message, int64_t step) {
    shown *v = &all->at[all->count++];
    assert_true(all->count < EVENTS_MOST);
    *v = (shown){.step = step, .scalar = NAN};
    for (const unsigned char *at = message->bytes; at < message->bytes + message->value;) {
        field f = next_field(&at);
        if (f.number == 1) snprintf(v->tag, sizeof v->tag, "%.*s", (int)f.value, (const char *)f.bytes);
        if (f.number == 2) {
            uint32_t bits = (uint32_t)f.value;
            float scalar;
            memcpy(&scalar, &bits, sizeof scalar);
            v->scalar = (double)scalar;
        }
        if (f.number == 4) v->image = true;
    }
}

static void read_event(values *all, const unsigned char *bytes, size_t size) {
    int64_t step = 0;
    double time = 0;
    for (const unsigned char *at = bytes; at < bytes + size;) {
        field f = next_field(&at);
        if (f.number == 1) memcpy(&time, &f.value, sizeof time);
        if (f.number == 2) step = (int64_t)f.value;
        if (f.number == 7) {
            all->starts++;
            all->start_step = step;
            /* As TensorBoard does: what was said of this step and of later ones is forgotten. */
            int kept = 0;
            for (int i = 0; i < all->count; i++)
                if (all->at[i].step < step) all->at[kept++] = all->at[i];
            all->count = kept;
        }
        if (f.number == 5)
            for (const unsigned char *in = f.bytes; in < f.bytes + f.value;) {
                field v = next_field(&in);
                read_value(all, &v, step);
            }
    }
    assert_true(time > 1e9);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}
static int is_events(const struct dirent *entry) {
    return strncmp(entry->d_name, "events.out.tfevents.", 20) == 0;
}

/* All event files of a folder, in the order of their names; returns their number. */
static int read_events(const char *folder, values *all) {
    struct dirent **entries;
    int files = scandir(folder, &entries, is_events, by_name);
    *all = (values){.start_step = -1};
    for (int i = 0; i < files; i++) {
        char path[700];
        void *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
        const unsigned char *at = bytes, *end = at + size;
        while (at < end) {
            size_t length = (size_t)little(at, 8);
            check_crc(at, 8, at + 8);
            check_crc(at + 12, length, at + 12 + length);
            read_event(all, at + 12, length);
            at += 16 + length;
        }
        assert_true(at == end);
        ayf_free(ctx, bytes);
        free(entries[i]);
    }
    free(entries);
    return files;
}

static const shown *find(const values *all, const char *tag, int64_t step) {
    const shown *found = NULL;
    for (int i = 0; i < all->count; i++) {
        if (strcmp(all->at[i].tag, tag) != 0 || all->at[i].step != step) continue;
        if (found) fail_msg("%s of step %d is there twice", tag, (int)step);
        found = &all->at[i];
    }
    return found;
}

/* ---- The log ---- */

/* The lines, without what time decides, and what the first one of a session has besides. */
static json_t *read_log(const char *path) {
    static const char *const timed[] = {"time",    "elapsed",  "seconds", "samples_per_second",
                                        "machine", "precision"};
    json_t *lines = json_array();
    FILE *file = fopen(path, "r");
    char line[4096];
    double before = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        const char *time = json_string_value(json_object_get(object, "time"));
        double elapsed = json_number_value(json_object_get(object, "elapsed"));
        assert_true(time && strlen(time) == 24 && time[10] == 'T' && time[23] == 'Z');
        assert_true(elapsed > before);
        before = elapsed;
        for (size_t i = 0; i < AYF_COUNT(timed); i++) json_object_del(object, timed[i]);
        json_array_append_new(lines, object);
    }
    fclose(file);
    return lines;
}

static void expect_same_log(const char *a, const char *b) {
    json_t *x = read_log(a), *y = read_log(b);
    if (!json_equal(x, y)) {
        char *p = json_dumps(x, 0), *q = json_dumps(y, 0);
        fail_msg("%s\n%s", p, q);
    }
    json_decref(x);
    json_decref(y);
}

/* Takes steps and goes away without a word. */
static void kill_after(ayf_run_kind kind, const char *folder, settings set, int steps) {
    ayf_run *run;
    if (open_run(kind, folder, set, &run) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    for (int i = 0; i < steps; i++) assert_int_equal(ayf_run_step(run, NULL), AYF_OK);
    ayf_run_close(run);
}

static settings recorded(void) {
    return join(tiny_unet(), SET("train.steps=12", "save.every=5", "save.grid_every=6", "save.log_every=3"));
}

/* Killed anywhere and stopped anywhere, the log says the same, and each step once. */
static void check_kinds(ayf_run_kind kind, const char *name, settings set) {
    run_to(kind, in_root("%s", name), set, 12);
    for (int at = 1; at < 12; at += 2) {
        kill_after(kind, in_root("%s-killed-%d", name, at), set, at);
        run_to(kind, in_root("%s-killed-%d", name, at), set, 12);
        expect_same_log(in_root("%s/log.jsonl", name), in_root("%s-killed-%d/log.jsonl", name, at));
        run_to(kind, in_root("%s-stopped-%d", name, at), set, (uint64_t)at);
        run_to(kind, in_root("%s-stopped-%d", name, at), set, 12);
        expect_same_log(in_root("%s/log.jsonl", name), in_root("%s-stopped-%d/log.jsonl", name, at));
        values all;
        assert_int_equal(read_events(in_root("%s-killed-%d", name, at), &all), 2);
        for (int step = 3; step <= 12; step += 3) assert_non_null(find(&all, "loss", step));
        for (int step = 6; step <= 12; step += 6) assert_true(find(&all, "samples", step)->image);
        assert_int_equal(files_in(in_root("%s-killed-%d/checkpoints", name, at)), 2);
        assert_int_equal(files_in(in_root("%s-killed-%d/samples", name, at)), 2);
    }
}

static void test_kinds(void **state) {
    (void)state;
    char teacher[600], student[600];
    check_kinds(AYF_RUN_TRAIN, "teacher", recorded());
    snprintf(teacher, sizeof teacher, "distill.teacher=%s", in_root("teacher"));
    check_kinds(AYF_RUN_DISTILL, "student", join(recorded(), SET(teacher, "distill.guidance=none")));
    snprintf(student, sizeof student, "finetune.student=%s", in_root("student"));
    check_kinds(AYF_RUN_FINETUNE, "tuned",
                SET(student, "train.steps=12", "save.every=5", "save.grid_every=6", "save.log_every=3",
                    "finetune.channel_base=64", "finetune.channel_max=8", "finetune.penalty_every=2"));
    assert_true(file_contains(in_root("tuned/log.jsonl"), "\"disc_lr\":"));
}

/* Losses by t: all times of a teacher in one bucket, whose loss is then the loss; the others are empty. */
static void test_by_t(void **state) {
    (void)state;
    settings set = join(
        tiny_unet(), SET("train.steps=2", "train.time_mean=0.5", "train.time_std=0.0", "save.log_every=1"));
    run_to(AYF_RUN_TRAIN, in_root("run"), set, 2);
    values all;
    assert_int_equal(read_events(in_root("run"), &all), 1);
    assert_int_equal(all.starts, 1);
    assert_int_equal(all.start_step, 0);
    for (int step = 1; step <= 2; step++) {
        const shown *loss = find(&all, "loss", step), *part = find(&all, "loss_by_t/0.500-0.625", step);
        assert_true(loss && part && fabs(loss->scalar - part->scalar) < 1e-5 * loss->scalar);
        assert_null(find(&all, "loss_by_t/0.375-0.500", step));
    }
    /* A student's loss of a sample comes from its tangent. */
    static const char *const norms[] = {"distill.norm=rms", "distill.norm=l2", "distill.norm=none"};
    for (size_t i = 0; i < AYF_COUNT(norms); i++) {
        settings student = join(tiny_unet(), SET("distill.target=data", "distill.guidance=none", norms[i],
                                                 "distill.student_init=scratch", "train.batch=1",
                                                 "train.steps=4", "save.log_every=1"));
        run_to(AYF_RUN_DISTILL, in_root("s-%zu", i), student, 4);
        read_events(in_root("s-%zu", i), &all);
        for (int step = 1; step <= 4; step++) {
            double loss = find(&all, "loss", step)->scalar, parts = 0;
            for (int k = 0; k < all.count; k++)
                if (all.at[k].step == step && strncmp(all.at[k].tag, "loss_by_t/", 10) == 0)
                    parts += all.at[k].scalar;
            if (!(fabs(loss - parts) < 1e-4 * loss)) fail_msg("%s: %g, %g", norms[i], loss, parts);
        }
    }
}

/* What a kill leaves is made up for when the run is opened again, finished or not. */
static void test_made_up(void **state) {
    (void)state;
    settings set =
        join(tiny_unet(), SET("train.steps=4", "save.every=2", "save.grid_every=2", "save.keep=1"));
    run_to(AYF_RUN_TRAIN, in_root("a"), set, 4);
    run_to(AYF_RUN_TRAIN, in_root("b"), set, 4);
    /* As if killed behind the checkpoint. */
    assert_int_equal(remove(in_root("b/samples/step-00000004.png")), 0);
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, in_root("b/checkpoints/step-00000004.safetensors"), 0, &bytes, &size),
                     AYF_OK);
    assert_int_equal(ayf_file_write(ctx, in_root("b/checkpoints/step-00000002.safetensors"), bytes, size),
                     AYF_OK);
    assert_int_equal(ayf_file_write(ctx, in_root("b/checkpoints/x.123-4.tmp"), bytes, size), AYF_OK);
    ayf_free(ctx, bytes);
    run_to(AYF_RUN_TRAIN, in_root("b"), set, 4);
    expect_same_file(in_root("a/samples/step-00000004.png"), in_root("b/samples/step-00000004.png"));
    assert_int_equal(files_in(in_root("b/checkpoints")), 1);
}

static void test_without_events(void **state) {
    (void)state;
    values all;
    run_to(AYF_RUN_TRAIN, in_root("run"), join(tiny_mlp(), SET("save.events=false", "train.steps=3")), 3);
    assert_int_equal(read_events(in_root("run"), &all), 0);
}

/* TensorBoard's own reader, where Python has it. */
static void test_tensorboard(void **state) {
    (void)state;
    const char *python = getenv("AYF_PYTHON") ? getenv("AYF_PYTHON") : "python3";
    char command[1600];
    snprintf(command, sizeof command, "%s -c 'import tensorboard' 2>/dev/null", python);
    if (system(command) != 0) {
        print_message("%s has no tensorboard: its reader is not asked\n", python);
        skip();
    }
    kill_after(AYF_RUN_TRAIN, in_root("run"), recorded(), 8);
    run_to(AYF_RUN_TRAIN, in_root("run"), recorded(), 12);
    snprintf(command, sizeof command,
             "%s -c 'import sys\n"
             "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
             "a = EventAccumulator(sys.argv[1]); a.Reload()\n"
             "steps = [e.step for e in a.Scalars(\"loss\")]\n"
             "assert steps == [3, 6, 9, 12], steps\n"
             "assert any(t.startswith(\"loss_by_t/\") for t in a.Tags()[\"scalars\"])\n"
             "assert [e.step for e in a.Images(\"samples\")] == [6, 12]\n"
             "assert a.Images(\"samples\")[0].encoded_image_string[:4] == b\"\\x89PNG\"' '%s'",
             python, in_root("run"));
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_by_t, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_made_up, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_without_events, open_root, close_root),
        cmocka_unit_test_setup_teardown(test_tensorboard, open_root, close_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
