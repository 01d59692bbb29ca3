/* How often a run reads what it is given: every file once, and no weights for a card. The test is linked with
 * open64 and read wrapped. */
#include "run_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "backend/open.h"
#include "model/file.h"

enum { OPENED_MOST = 4096 };
static char opened[OPENED_MOST][512];
static int opened_count;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if ((flags & O_ACCMODE) == O_RDONLY && opened_count < OPENED_MOST)
        snprintf(opened[opened_count++], sizeof opened[0], "%s", path);
    return __real_open64(path, flags, mode);
}

static size_t bytes_read;
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size) {
    ssize_t n = __real_read(fd, bytes, size);
    if (n > 0) bytes_read += (size_t)n;
    return n;
}

static int times_opened(const char *path) {
    int count = 0;
    for (int i = 0; i < opened_count; i++) count += strcmp(opened[i], path) == 0;
    return count;
}

static void open_and_close(ayf_run_options options) {
    ayf_run *run;
    opened_count = 0;
    if (ayf_run_open(ctx, &options, &run) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    ayf_run_close(run);
}

static settings short_run(const char *key, const char *folder) {
    static char text[4][600];
    static int next;
    char *setting = text[next = (next + 1) % 4];
    snprintf(setting, sizeof text[0], "%s=%s", key, in_root("%s", folder));
    return join(tiny_unet(), SET("train.steps=2", setting));
}

static ayf_run_options options_of(ayf_run_kind kind, const char *folder, const settings *set) {
    return (ayf_run_options){
        .kind = kind, .folder = folder, .settings = set->at, .setting_count = set->count};
}

static void make_student(void) {
    run_to(AYF_RUN_TRAIN, in_root("teacher"), join(tiny_unet(), SET("train.steps=2")), 2);
    run_to(AYF_RUN_DISTILL, in_root("student"),
           join(short_run("distill.teacher", "teacher"), SET("distill.guidance=none")), 2);
}

/* Fine-tuning needs the student's card before the configuration is complete, and its weights later. */
static void test_finetune(void **state) {
    (void)state;
    make_student();
    const char *config = in_root("tuned.yaml");
    char text[700];
    snprintf(text, sizeof text, "finetune:\n  student: %s\n  channel_base: 64\n  channel_max: 8\n",
             in_root("student"));
    assert_int_equal(ayf_file_write(ctx, config, text, strlen(text)), AYF_OK);
    settings set = SET("train.steps=2", "train.batch=4");
    ayf_run_options options = options_of(AYF_RUN_FINETUNE, in_root("tuned"), &set);
    options.config_path = config;
    open_and_close(options);
    assert_int_equal(times_opened(in_root("student/model.safetensors")), 1);
    assert_int_equal(times_opened(in_root("teacher/model.safetensors")), 1);
    assert_int_equal(times_opened(config), 1);
}

/* A resumed run compares its settings with what the folder has saved, and replaces that only when it differs.
 */
static void test_resumed(void **state) {
    (void)state;
    make_student();
    settings set =
        join(short_run("distill.teacher", "teacher"), SET("distill.guidance=none", "train.steps=3"));
    open_and_close(options_of(AYF_RUN_DISTILL, in_root("student"), &set));
    assert_int_equal(times_opened(in_root("student/config.yaml")), 1);
    assert_int_equal(times_opened(in_root("teacher/model.safetensors")), 1);
}

/* The length of a safetensors file's header, and the 8 bytes that say it. */
static size_t front_of(const char *path) {
    uint64_t length;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&length, sizeof length, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    return sizeof length + (size_t)length;
}

/* A card is read without the weights: a weight that is not a number does not disturb it, and what stands
 * behind the header is left alone. */
static void test_card(void **state) {
    (void)state;
    run_to(AYF_RUN_TRAIN, in_root("teacher"), join(tiny_unet(), SET("train.steps=2")), 2);
    const char *path = in_root("teacher/model.safetensors");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -(long)sizeof(float), SEEK_END), 0);
    assert_int_equal(fwrite(&(float){NAN}, sizeof(float), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card;
    ayf_model_spec spec;
    assert_int_equal(ayf_backend_open(ctx, &backend), AYF_OK);
    bytes_read = 0;
    assert_int_equal(ayf_model_read(backend, path, &weights, &card), AYF_E_FORMAT);
    assert_true(bytes_read > front_of(path));
    bytes_read = 0;
    assert_int_equal(ayf_model_read_card(ctx, path, &spec, &card), AYF_OK);
    assert_int_equal(bytes_read, front_of(path));
    assert_int_equal(card.step, 2);
    assert_int_equal(spec.img_resolution, 8);
    ayf_model_card_free(ctx, &card);
    ayf_path_facts facts;
    opened_count = 0;
    bytes_read = 0;
    assert_int_equal(ayf_path_describe(ctx, path, &facts), AYF_OK);
    assert_int_equal(bytes_read, front_of(path));
    assert_int_equal(times_opened(path), 1);
    assert_int_equal(facts.step, 2);
    ayf_path_facts_free(ctx, &facts);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
    const struct CMUnitTest tests[] = {TEST(test_finetune), TEST(test_resumed), TEST(test_card)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
