/* config/config.h: what a user types, what comes back, and what the message says when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/assignments.h"
#include "config/config.h"
#include "test_context.h"
#include "io/file.h"

enum { HELP_SIZE = 1 << 16 };

static ayf_context *ctx;
static ayf_config cfg;

static int set_up(void **state) {
    (void)state;
    ctx = ayf_open(NULL);
    return ctx && ayf_config_defaults(ctx, &cfg) == AYF_OK ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    ayf_config_free(ctx, &cfg);
    ayf_close(ctx);
    return 0;
}

static ayf_status parse(const char *text) {
    return ayf_config_parse(ctx, "c.yaml", text, strlen(text), &cfg);
}

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static void test_defaults(void **state) {
    (void)state;
    assert_string_equal(cfg.data.source, "builtin:shapes");
    assert_true(cfg.data.labels && !cfg.data.mirror);
    assert_int_equal(cfg.model.kind, AYF_MODEL_UNET);
    assert_int_equal(cfg.model.channel_mult.count, 3);
    assert_int_equal(cfg.model.channel_mult.at[2], 2);
    assert_true(cfg.distill.norm_c == 0.1 && cfg.distill.r_max == 0.99);
    assert_true(cfg.distill.gap_mean == -0.6 && cfg.distill.gap_std == 1.6);
    assert_int_equal(cfg.distill.norm, AYF_NORM_RMS);
    assert_true(cfg.model.res_balance == 0.3 && cfg.model.clip_act == 256);
    assert_int_equal(ayf_config_validate_train(ctx, &cfg), AYF_OK);
}

static void test_parse(void **state) {
    (void)state;
    assert_int_equal(parse("# a run\n"
                           "data:\n"
                           "  source: \"my images/a b.zip\"\n"
                           "  mirror: true   # left and right\n"
                           "model:\n"
                           "  kind: mlp\n"
                           "  multipliers: [1, 2, 4]\n"
                           "  attention:\n"
                           "    - 8\n"
                           "  hidden: 1Ki\n"
                           "train: {lr: 1e-3, steps: 2M, ema_std: 0.05}\n"
                           "distill:\n"
                           "save:\n"
                           "  # every: 3\n"),
                     AYF_OK);
    assert_string_equal(cfg.data.source, "my images/a b.zip");
    assert_true(cfg.data.mirror);
    assert_int_equal(cfg.model.kind, AYF_MODEL_MLP);
    assert_int_equal(cfg.model.channel_mult.at[2], 4);
    assert_int_equal(cfg.model.attn_resolutions.count, 1);
    assert_int_equal(cfg.model.attn_resolutions.at[0], 8);
    assert_int_equal(cfg.model.mlp_hidden, 1024);
    assert_int_equal(cfg.train.steps, 2000000);
    assert_true(cfg.train.lr == 1e-3);
    assert_true(cfg.train.ema_std == 0.05);
    assert_int_equal(cfg.model.mlp_layers, 4); /* not mentioned, not touched */
    assert_int_equal(parse(""), AYF_OK);
    assert_int_equal(parse("---\n"), AYF_OK);
    /* As Windows saves it. */
    assert_int_equal(parse("\xef\xbb\xbftrain:\r\n  lr: 0.5\r\nmodel:\r\n  blocks: 1\r\n"), AYF_OK);
    assert_true(cfg.train.lr == 0.5);
    assert_int_equal(parse("\xef\xbb\xbf"), AYF_OK);
    assert_int_equal(parse("model:\n  attention: []\n"), AYF_OK);
    assert_int_equal(cfg.model.attn_resolutions.count, 0);
}

/* The same settings as people and editors write them. */
static void test_written_ways(void **state) {
    (void)state;
    static const char utf16[] = "\xff\xfe"
                                "t\0r\0a\0i\0n\0:\0\r\0\n\0 \0l\0r\0:\0 \0"
                                "1\0e\0-\0"
                                "4\0\n";
    static const struct {
        const char *text;
        size_t size;
    } ways[] = {
#define WAY(text) {text, sizeof text - 1}
        WAY("train:\n  lr: 1e-4\n"),
        WAY("train:\n  lr: 1E-4"),
        WAY("train:\r\n  lr: 1e-4\r\n"),
        WAY("\xef\xbb\xbftrain:\n  lr: 1e-4\n"),
        WAY("\xef\xbb\xbf# first\r\ntrain:\r\n  lr: .0001 # a tenth of a thousandth\r\n"),
        WAY("{\"train\": {\"lr\": 0.0001}}"),
        WAY("---\ntrain: {lr: 1e-4}\n...\n"),
        {utf16, sizeof utf16},
    };
    for (size_t i = 0; i < AYF_COUNT(ways); i++) {
        if (ayf_config_parse(ctx, "c.yaml", ways[i].text, ways[i].size, &cfg) != AYF_OK)
            fail_msg("%zu: %s", i, ayf_error(ctx));
        assert_float_equal(cfg.train.lr, 1e-4, 1e-12);
        cfg.train.lr = 1;
    }
    assert_int_equal(parse("data:\n  source: /a b/100% \"x\"#1 # comment\nmodel:\n  multipliers: [1,2]\n"),
                     AYF_OK);
    assert_string_equal(cfg.data.source, "/a b/100% \"x\"#1");
    assert_int_equal(parse("data:\n  source: '100 %'\n"), AYF_OK);
    assert_string_equal(cfg.data.source, "100 %");
    assert_int_equal(parse(""), AYF_OK);
    assert_int_equal(parse("\xef\xbb\xbf"), AYF_OK);
}

/* What costs much more than its size in other readers ends at once here. */
static void test_bounds(void **state) {
    (void)state;
    static char text[AYF_CONFIG_MOST + 2];
    memset(text, '[', AYF_CONFIG_MOST);
    assert_int_equal(parse(text), AYF_E_CONFIG);
    memcpy(text, "train: ", 7);
    assert_int_equal(parse(text), AYF_E_CONFIG);
    assert_int_equal(parse("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"), AYF_E_CONFIG);
    char path[] = "/tmp/ayf-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    assert_int_equal(ayf_config_load(ctx, path, &cfg), AYF_E_FORMAT);
    expect_message("too large: at most 1048576");
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ayf_config_load(ctx, path, &cfg), AYF_E_FORMAT);
    expect_message("is a pipe, not a file");
    unlink(path);
    assert_int_equal(ayf_config_load(ctx, "/dev/zero", &cfg), AYF_E_FORMAT);
    expect_message("/dev/zero: is a device");
    assert_int_equal(ayf_config_load(ctx, "/", &cfg), AYF_E_IO);
    expect_message("/: is a folder");
}

static void test_parse_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"train:\n  stesp: 5\n", "c.yaml:2: unknown key \"train.stesp\"; did you mean \"train.steps\"?"},
        {"train:\n  lr: 1\n  norm_c: 5\n",
         "c.yaml:3: unknown key \"train.norm_c\"; did you mean \"distill.norm_c\"?"},
        {"train:\n  zzzzzzzzzzzz: 5\n", "c.yaml:2: unknown key \"train.zzzzzzzzzzzz\"; `ayf help config`"},
        {"train:\n  learning_rate: 5\n",
         "c.yaml:2: unknown key \"train.learning_rate\"; did you mean \"train.lr\"?"},
        {"batch_size: 5\n", "c.yaml:1: unknown section \"batch_size\"; did you mean \"train.batch\"?"},
        {"train:\n  lr: 1\n  \tsteps: 5\n",
         "c.yaml:3: not valid YAML: the line is indented with a tab; use spaces"},
        {"\xef\xbb\xbftrain:\n  stesp: 5\n", "c.yaml:2: unknown key \"train.stesp\""},
        {"\n\ntrian:\n  lr: 1\n", "c.yaml:3: unknown section \"trian\"; did you mean \"train\"?"},
        {"lr_warmup: 1\n", "c.yaml:1: unknown section \"lr_warmup\"; did you mean \"train.lr_warmup\"?"},
        {"qqqqqqqqqqq: 1\n", "c.yaml:1: unknown section \"qqqqqqqqqqq\"; there are data, model"},
        {"train:\n  steps: many\n", "c.yaml:2: train.steps must be a whole number, not \"many\""},
        {"train:\n  steps: 1.5\n", "c.yaml:2: train.steps must be a whole number, not \"1.5\""},
        {"train:\n  steps: 99999999999999999999\n",
         "c.yaml:2: train.steps = 99999999999999999999 is too large; at most "},
        {"train:\n  steps: 0\n", "c.yaml:2: train.steps = 0 is out of range; it must be at least 1"},
        {"train:\n  steps: \"5\"\n", "c.yaml:2: train.steps is not text; remove the quotes"},
        {"train:\n  steps:\n  lr: 1\n", "c.yaml:2: train.steps has no value"},
        {"train:\n  steps: [1]\n", "c.yaml:2: train.steps must be a single value"},
        {"train:\n  lr: fast\n", "c.yaml:2: train.lr must be a number, not \"fast\""},
        {"train:\n  lr: .nan\n", "c.yaml:2: train.lr must be a number"},
        {"train:\n  lr: 11\n", "c.yaml:2: train.lr = 11 is out of range; it must be from 0 to 10"},
        {"train:\n  weight_norm: yes\n", "c.yaml:2: train.weight_norm must be true or false, not \"yes\""},
        {"data:\n  source: true\n", "c.yaml:2: data.source must be text"},
        {"model:\n  kind: unte\n",
         "c.yaml:2: model.kind must be one of unet, mlp, not \"unte\"; did you mean \"unet\""},
        {"distill:\n  loss: 5\n", "c.yaml:2: distill.loss must be one of emd, lmd, not \"5\""},
        {"model:\n  multipliers: 1\n", "c.yaml:2: model.multipliers must be a list"},
        {"model:\n  multipliers:\n    - 1\n    - x\n",
         "c.yaml:4: model.multipliers must be a list of whole numbers; \"x\" is not one"},
        {"model:\n  multipliers: [1, [2]]\n", "c.yaml:2: model.multipliers must be a single value"},
        {"model:\n  multipliers: [1,1,1,1,1,1,1,1,1]\n", "c.yaml:2: model.multipliers has more than 8"},
        {"train:\n  lr: 1\n  batch: 5\n  lr: 2\n", "c.yaml:4: train.lr is set twice (first on line 2)"},
        {"train:\n  lr: 1\ntrain:\n  lr: 2\n", "c.yaml:4: train.lr is set twice (first on line 2)"},
        {"train: 5\n", "c.yaml:1: section \"train\" must hold indented keys"},
        {"- train\n", "c.yaml:1: a configuration is a list of sections"},
        {"train:\n  lr: &a 1\n", "c.yaml:2: anchors, aliases and tags are not supported"},
        {"train: *a\n", "c.yaml:1: anchors, aliases and tags are not supported"},
        {"train:\n  lr: !!int 1\n", "c.yaml:2: anchors, aliases and tags are not supported"},
        {"data:\n  source: \"a\\0b\"\n", "c.yaml:2: data.source holds a NUL character"},
        {"train:\n\tlr: 1\n", "c.yaml:2: not valid YAML: the line is indented with a tab; use spaces"},
        {"train:\n  lr: 1\n  \tbatch: 1\n", "c.yaml:"},
        {"train:\n  learning_rate: 1\n",
         "c.yaml:2: unknown key \"train.learning_rate\"; did you mean \"train.lr\"?"},
        {"train:\n  batch_size: 1\n",
         "c.yaml:2: unknown key \"train.batch_size\"; did you mean \"train.batch\"?"},
        {"learning_rate: 1\n", "c.yaml:1: unknown section \"learning_rate\"; did you mean \"train.lr\"?"},
        {"lr: 0.1\n", "c.yaml:1: unknown section \"lr\"; did you mean \"train.lr\"?"},
        {"train:\n  steps: 010\n", "c.yaml:2: train.steps = 010 begins with a zero"},
        {"model:\n  multipliers: [1, 02]\n", "c.yaml:2: model.multipliers = 02 begins with a zero"},
        {"model:\n  multipliers: \"1,2\"\n", "c.yaml:2: model.multipliers must be a list: [a, b, c]"},
        {"model:\n  multipliers: [1, 2\n", "c.yaml:3: not valid YAML"},
        {"train:\n  lr: 0,005\n", "c.yaml:2: train.lr must be a number, not \"0,005\""},
        {"train:\n  steps: 1_000\n", "c.yaml:2: train.steps must be a whole number"},
        {"train:\n  steps: 3.0\n", "c.yaml:2: train.steps must be a whole number, not \"3.0\""},
        {"train:\n  seed: -1\n", "c.yaml:2: train.seed = -1 is out of range"},
        {"train:\n  lr:\n", "c.yaml:2: train.lr has no value; give one"},
        {"data:\n  mirror: yes\n", "c.yaml:2: data.mirror must be true or false, not \"yes\""},
        {"data:\n  mirror: True\n", "c.yaml:2: data.mirror must be true or false, not \"True\""},
        {"a: &x [*x]\n", "c.yaml:1: unknown section \"a\""},
        {"train: &t\n  lr: 0.1\ndistill: *t\n", "c.yaml:1: anchors, aliases and tags are not supported"},
        {"train: {lr: 1\n", "c.yaml:"},
        {"data:\n  source: \xFF\xFE\n", "not valid YAML"},
        {"train:\n  lr: 1\n---\ntrain:\n  lr: 2\n", "c.yaml:3: a second YAML document begins here"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        if (parse(cases[i].text) != AYF_E_CONFIG) fail_msg("accepted: %s", cases[i].text);
        expect_message(cases[i].message);
    }
    assert_int_equal(ayf_config_load(ctx, "/nonexistent.yaml", &cfg), AYF_E_IO);
    expect_message("/nonexistent.yaml: cannot open");
}

static void test_set(void **state) {
    (void)state;
    static const char *const good[] = {
        "train.lr=0.01",    "model.multipliers=1,2,4", "model.attention=[]",
        "save.every=2k",    "train.ema_std= 0.05 ",    "data.source=C: \"x\" #=1",
        "distill.loss=lmd", "data.mirror=true",        "distill.weak="};
    for (size_t i = 0; i < AYF_COUNT(good); i++)
        if (ayf_config_set(ctx, &cfg, good[i]) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_true(cfg.train.lr == 0.01);
    assert_int_equal(cfg.model.channel_mult.count, 3);
    assert_int_equal(cfg.model.channel_mult.at[2], 4);
    assert_int_equal(cfg.model.attn_resolutions.count, 0);
    assert_int_equal(cfg.save.every, 2000);
    assert_true(cfg.train.ema_std == 0.05);
    assert_string_equal(cfg.data.source, "C: \"x\" #=1");
    assert_int_equal(cfg.distill.loss, AYF_LOSS_LMD);
    assert_true(cfg.data.mirror);
    assert_string_equal(cfg.distill.weak, "");
    static const char *const bad[][2] = {
        {"train.lrr=1", "train.lrr=1: unknown key \"train.lrr\"; did you mean \"train.lr\"?"},
        {"lr_warmup=1", "lr_warmup=1: give it as section.key=value; did you mean \"train.lr_warmup\"?"},
        {"learning_rate=1", "learning_rate=1: give it as section.key=value; did you mean \"train.lr\"?"},
        {"train.lr", "give it as section.key=value"},
        {"nonsense", "give it as section.key=value, for example"},
        {"trainn.lr=1", "unknown section \"trainn\"; did you mean \"train\"?"},
        {"train.lr=", "train.lr must be a number, not \"\""},
        {"model.multipliers=1,,2", "model.multipliers must be a list of whole numbers; \"\" is not one"},
        {"model.multipliers=1,x", "model.multipliers must be a list of whole numbers; \"x\" is not one"},
        {"model.multipliers=0", "model.multipliers: the element 0 is out of range; it must be from 1 to 64"},
        {"data.source=\xFF", "data.source is not UTF-8"},
    };
    for (size_t i = 0; i < AYF_COUNT(bad); i++) {
        assert_int_equal(ayf_config_set(ctx, &cfg, bad[i][0]), AYF_E_CONFIG);
        expect_message(bad[i][1]);
    }
    assert_int_equal(cfg.model.channel_mult.at[2], 4); /* as before the failures */
}

/* A list says what was given before it is applied, and the last value counts. */
static void test_assignments(void **state) {
    (void)state;
    static const char file[] = "finetune:\n  student: first\ntrain:\n  lr: 0.5\n  batch: 7\n"
                               "model:\n  attention: [4,\n 2]\n  multipliers: [3]\n";
    ayf_assignments *list;
    assert_int_equal(ayf_assignments_new(ctx, &list), AYF_OK);
    assert_null(ayf_assignments_last(list, "finetune.student"));
    assert_null(ayf_assignments_last_key(list));
    assert_int_equal(ayf_assignments_add_text(list, "c.yaml", file, strlen(file)), AYF_OK);
    assert_string_equal(ayf_assignments_last(list, "finetune.student"), "first");
    assert_int_equal(ayf_assignments_add_setting(list, "finetune.student=second"), AYF_OK);
    assert_string_equal(ayf_assignments_last_key(list), "finetune.student");
    assert_int_equal(ayf_assignments_add_setting(list, " \ttrain.lr\t = 0.25"), AYF_OK);
    assert_string_equal(ayf_assignments_last_key(list), "train.lr");
    assert_int_equal(ayf_assignments_add_setting(list, "model.multipliers=1,5"), AYF_OK);
    assert_string_equal(ayf_assignments_last(list, "finetune.student"), "second");
    assert_non_null(ayf_assignments_last(list, "train.batch"));
    assert_null(ayf_assignments_last(list, "train.steps"));
    assert_int_equal(cfg.train.batch, 64); /* nothing is applied yet */
    assert_int_equal(ayf_config_apply(ctx, &cfg, list), AYF_OK);
    assert_string_equal(cfg.finetune.student, "second");
    assert_true(cfg.train.lr == 0.25);
    assert_int_equal(cfg.train.batch, 7);
    assert_int_equal(cfg.model.attn_resolutions.count, 2);
    assert_int_equal(cfg.model.attn_resolutions.at[1], 2);
    assert_int_equal(cfg.model.channel_mult.count, 2);
    assert_int_equal(cfg.model.channel_mult.at[1], 5);
    /* What is wrong is said when it is added. A second file may say again what the first said. */
    assert_int_equal(ayf_assignments_add_setting(list, "train.lr=fast"), AYF_E_CONFIG);
    expect_message("train.lr must be a number, not \"fast\"");
    assert_null(strstr(ayf_error(ctx), "train.lr=fast"));
    assert_int_equal(ayf_assignments_add_text(list, "d.yaml", file, strlen(file)), AYF_OK);
    assert_string_equal(ayf_assignments_last(list, "train.lr"), "0.5");
    assert_string_equal(ayf_assignments_last(list, "finetune.student"), "first");
    ayf_assignments_free(list);
    ayf_assignments_free(NULL);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char *const changes[] = {
        "train.lr=0.1234567890123456789",
        "train.eps=1e-29",
        "train.seed=9223372036854775807",
        "model.attention=",
        "train.ema_std=0.15",
        "model.precond=velocity",
        "distill.s_zero_only=true",
        "distill.teacher=~",
        "distill.gap_mean=-0",
        "data.source= a \\\"' : # "
        "\t\x01\x7F\xC2\x85\xC3\xA9\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBF\xF0\x9F\x98\x80{}[],&*!|>%@`"};
    for (size_t i = 0; i < AYF_COUNT(changes); i++)
        assert_int_equal(ayf_config_set(ctx, &cfg, changes[i]), AYF_OK);
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    char *first = ayf_config_text(ctx, &cfg);
    assert_int_equal(ayf_file_write(ctx, path, first, strlen(first)), AYF_OK);
    ayf_config back;
    assert_int_equal(ayf_config_defaults(ctx, &back), AYF_OK);
    if (ayf_config_load(ctx, path, &back) != AYF_OK) fail_msg("%s", ayf_error(ctx));
    assert_string_equal(back.data.source, cfg.data.source);
    assert_string_equal(back.distill.teacher, "~");
    assert_string_equal(back.train.init, cfg.train.init);
    assert_string_equal(back.train.device, cfg.train.device);
    char *init = back.train.init, *device = back.train.device;
    back.train.init = cfg.train.init;
    back.train.device = cfg.train.device;
    assert_memory_equal(&back.train, &cfg.train, sizeof cfg.train);
    back.train.init = init;
    back.train.device = device;
    assert_memory_equal(&back.model, &cfg.model, sizeof cfg.model);
    assert_memory_equal(&back.save, &cfg.save, sizeof cfg.save);
    assert_memory_equal(&back.distill.gap_mean, &cfg.distill.gap_mean, sizeof(double)); /* -0 stays -0 */
    char *second = ayf_config_text(ctx, &back);
    assert_string_equal(first, second);
    ayf_free(ctx, first);
    ayf_free(ctx, second);
    ayf_config_free(ctx, &back);
    unlink(path);
}

static void test_validate(void **state) {
    (void)state;
    static const struct {
        ayf_status (*validate)(ayf_context *, const ayf_config *);
        const char *changes, *message; /* changes separated by blanks; message NULL: good */
    } cases[] = {
        {ayf_config_validate_train, "data.resolution=32", NULL},
        {ayf_config_validate_train, "data.resolution=30",
         "a resolution of 30 cannot be halved 2 times; use a multiple of 4 (data.resolution)"},
        {ayf_config_validate_train, "data.resolution=30 model.kind=mlp", NULL},
        {ayf_config_validate_train,
         "model.multipliers=", "model.multipliers is empty; give one multiple per level"},
        {ayf_config_validate_train,
         "model.multipliers=2,1 model.channels_per_head=40 model.attention=128 data.resolution=128",
         "128 channels at resolution 128 cannot be split into 3 attention heads"},
        /* The resolution is not known yet: nobody can say what has attention. */
        {ayf_config_validate_train, "model.multipliers=2,1 model.channels_per_head=40 model.attention=128",
         NULL},
        {ayf_config_validate_train, "model.multipliers=1,1,1,1,1,1,1,1", NULL},
        {ayf_config_validate_train, "data.source=", "data.source is not set"},
        {ayf_config_validate_train, "train.steps=50", NULL},
        {ayf_config_validate_train, "train.steps=50 train.lr_warmup=100",
         "train.lr_warmup = 100 is longer than the run (train.steps = 50); set it to a part"},
        {ayf_config_validate_train, "train.lr_decay_start=10000",
         "train.lr_decay_start = 10000 must be less"},
        {ayf_config_validate_train, "train.lr_schedule=invsqrt", "needs train.lr_decay_start of at least 1"},
        {ayf_config_validate_distill, "distill.weak=w", "distill.teacher is not set"},
        {ayf_config_validate_distill, "distill.teacher=t",
         "needs a weaker teacher in distill.weak: give one (--weak), or use distill.guidance = cfg"},
        {ayf_config_validate_distill, "distill.teacher=t distill.guidance=cfg", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.guidance=cfg distill.weak=w",
         "cfg would ignore it"},
        {ayf_config_validate_distill, "distill.teacher=t distill.guidance=cfg distill.target=data",
         "cfg needs distill.target"},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.guidance_min=0",
         "use a value above 0"},
        {ayf_config_validate_distill, "distill.teacher=t distill.guidance=none distill.guidance_min=0", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.guidance=none", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.guidance=none",
         "would ignore it"},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.guidance_min=4",
         "is above distill.guidance_max = 3"},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.p_s0=0.9",
         "add up to more than 1"},
        {ayf_config_validate_distill, "distill.target=data",
         "--set distill.guidance=none --set distill.student_init=scratch"},
        {ayf_config_validate_distill, "distill.target=data distill.guidance=none",
         "distill.student_init = teacher needs a teacher"},
        {ayf_config_validate_distill,
         "distill.target=data distill.guidance=none distill.student_init=scratch", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.midtrain_steps=10000", NULL},
        {ayf_config_validate_distill, "distill.teacher=t distill.weak=w distill.midtrain_steps=10001",
         "longer than the run"},
        {ayf_config_validate_distill, "distill.target=data distill.loss=lmd",
         "distill.loss = lmd evaluates a teacher"},
        {ayf_config_validate_finetune, "distill.teacher=t distill.guidance=none",
         "finetune.student is not set"},
        {ayf_config_validate_finetune, "distill.teacher=t distill.guidance=none finetune.student=s", NULL},
        {ayf_config_validate_finetune,
         "distill.teacher=t distill.guidance=none finetune.student=s train.batch=6",
         "is not a multiple of finetune.deviation_group = 4"},
        {ayf_config_validate_finetune,
         "distill.teacher=t distill.guidance=none finetune.student=s train.steps=50 finetune.disc_first=50",
         "finetune.disc_first = 50 leaves the student no steps"},
        {ayf_config_validate_finetune,
         "distill.teacher=t distill.guidance=none finetune.student=s finetune.alpha=0",
         "nothing to fine-tune"},
        {ayf_config_validate_distill, "distill.teacher=analytic distill.guidance=none",
         "distill.student_init = teacher needs"},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_config changed;
        assert_int_equal(ayf_config_defaults(ctx, &changed), AYF_OK);
        char text[200];
        snprintf(text, sizeof text, "%s", cases[i].changes);
        for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
            if (ayf_config_set(ctx, &changed, word) != AYF_OK) fail_msg("%s", ayf_error(ctx));
        ayf_status status = cases[i].validate(ctx, &changed);
        ayf_config_free(ctx, &changed);
        if (!cases[i].message && status != AYF_OK) fail_msg("%s: %s", cases[i].changes, ayf_error(ctx));
        if (!cases[i].message) continue;
        if (status != AYF_E_CONFIG) fail_msg("accepted: %s", cases[i].changes);
        expect_message(cases[i].message);
    }
}

static void keep_line(void *user, const char *line) {
    char *help = user;
    snprintf(help + strlen(help), HELP_SIZE - strlen(help), "%s\n", line);
}

static void test_help(void **state) {
    (void)state;
    static char help[HELP_SIZE];
    assert_int_equal(ayf_config_explain(ctx, keep_line, help), AYF_OK);
    assert_true(strlen(help) < HELP_SIZE - 1);
    assert_non_null(strstr(help, "\nmodel: The network"));
    assert_non_null(strstr(help, "model.kind = unet   (unet | mlp)"));
    assert_non_null(strstr(help, "train.lr = 0.005   (number from 0 to 10)\n      peak learning rate"));
    assert_non_null(strstr(help, "model.multipliers = [1, 2, 2]   (list of whole numbers from 1 to 64)"));
    assert_non_null(strstr(help, "distill.loss = emd   (emd | lmd)"));
    for (const char *line = help; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > 100) fail_msg("too wide: %.*s", (int)length, line);
        line += length + 1;
    }
    /* Every key that is written is explained. */
    char *text = ayf_config_text(ctx, &cfg), section[64] = "";
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char name[130];
        if (line[0] != ' ') {
            snprintf(section, sizeof section, "%.*s", (int)strcspn(line, ":"), line);
        } else {
            snprintf(name, sizeof name, "  %s.%.*s = ", section, (int)strcspn(line + 2, ":"), line + 2);
            assert_non_null(strstr(help, name));
        }
    }
    ayf_free(ctx, text);
}

static void ignore_line(void *user, const char *line) {
    (void)user;
    (void)line;
}

static ayf_status everything(ayf_context *c) {
    static const char text[] = "data:\n  source: a\nmodel:\n  attention: [8]\n";
    ayf_config own;
    AYF_TRY(ayf_config_defaults(c, &own));
    ayf_status status = ayf_config_parse(c, "m", text, sizeof text - 1, &own);
    if (status == AYF_OK) status = ayf_config_set(c, &own, "distill.weak=w");
    char *out = status == AYF_OK ? ayf_config_text(c, &own) : NULL;
    if (status == AYF_OK && !out) status = ayf_last_status(c);
    if (status == AYF_OK) status = ayf_config_explain(c, ignore_line, NULL);
    ayf_free(c, out);
    ayf_config_free(c, &own);
    return status;
}

static void test_allocations(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        test_memory memory = {.once = true};
        ayf_context *own = test_open(&memory);
        memory.fail_at = memory.calls + n;
        ayf_status status = everything(own);
        bool failed = memory.calls >= memory.fail_at;
        assert_int_equal(status, failed ? AYF_E_MEMORY : AYF_OK);
        ayf_close(own);
        assert_int_equal(memory.held, 0);
        if (!failed) break;
        assert_true(n < 1000);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_parse), TEST(test_parse_errors), TEST(test_written_ways),
        TEST(test_bounds),   TEST(test_set),   TEST(test_assignments),  TEST(test_round_trip),
        TEST(test_validate), TEST(test_help),  TEST(test_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
