/* Targets that read small texts. */
#include "fuzz.h"

#include <string.h>

#include "config/config.h"
#include "data/fingerprint.h"
#include "data/labels.h"
#include "io/classes.h"
#include "io/text.h"
#include "report/report.h"
#include "train/divergence.h"
#include "train/run_folder.h"

/* A string of the input, which the caller frees. */
static char *string_of(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = 0;
    return text;
}

/* ---- A configuration: an error, or one that is written and read back to the same text ---- */

static void check_round_trip(ayf_context *ctx, const ayf_config *cfg) {
    ayf_config back;
    char *first = ayf_config_text(ctx, cfg);
    FUZZ_CHECK(ayf_config_defaults(ctx, &back) == AYF_OK);
    FUZZ_CHECK(ayf_config_parse(ctx, "written", first, strlen(first), &back) == AYF_OK);
    char *second = ayf_config_text(ctx, &back);
    FUZZ_CHECK(strcmp(first, second) == 0);
    ayf_free(ctx, first);
    ayf_free(ctx, second);
    ayf_config_free(ctx, &back);
    ayf_config_validate_train(ctx, cfg);
    ayf_config_validate_distill(ctx, cfg);
    ayf_config_validate_finetune(ctx, cfg);
}

void fuzz_config(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_config cfg;
    FUZZ_CHECK(ayf_config_defaults(ctx, &cfg) == AYF_OK);
    if (ayf_config_parse(ctx, "input", (const char *)bytes, size, &cfg) == AYF_OK)
        check_round_trip(ctx, &cfg);
    /* The first line is also tried as an override. */
    char *line = string_of(bytes, size);
    line[strcspn(line, "\n")] = 0;
    if (ayf_config_set(ctx, &cfg, line) == AYF_OK) check_round_trip(ctx, &cfg);
    free(line);
    ayf_config_free(ctx, &cfg);
    fuzz_close(ctx);
}

void fuzz_config_seeds(void) {
    ayf_context *ctx = fuzz_open(0);
    ayf_config cfg;
    FUZZ_CHECK(ayf_config_defaults(ctx, &cfg) == AYF_OK);
    char *text = ayf_config_text(ctx, &cfg);
    fuzz_seed_text("defaults.yaml", text);
    ayf_free(ctx, text);
    ayf_config_free(ctx, &cfg);
    fuzz_close(ctx);
    fuzz_seed_text("short.yaml", "data:\n  source: 'a b.zip' # where\n  mirror: yes\nmodel:\n  kind: unet\n"
                                 "  multipliers: [1, 2]\ntrain: {lr: 1e-3, batch: 0x10, steps: 1_000}\n");
    fuzz_seed_text("anchors.yaml", "%YAML 1.1\n---\na: &a [1, 2]\nmodel: {multipliers: *a}\n"
                                   "train: !!map {? lr : \"0.5\"}\ndata:\n  source: |\n    x\n");
    fuzz_seed_text("set", "train.lr=0.01");
}

/* ---- dataset.json: an error, or classes within their range ---- */

void fuzz_labels(const uint8_t *bytes, size_t size) {
    static const char *const names[] = {"00000/a.png", "00000/b.png", "a.png"};
    int found[3];
    ayf_context *ctx = fuzz_open(size);
    ayf_labels labels = {.ctx = ctx, .names = names, .count = 3, .labels = found};
    ayf_status status = ayf_labels_read(&labels, "input", "", bytes, size);
    if (status == AYF_OK) status = ayf_labels_end(&labels);
    for (size_t i = 0; status == AYF_OK && i < 3; i++)
        FUZZ_CHECK(found[i] >= -1 && found[i] < AYF_MAX_CLASSES);
    ayf_labels_clear(&labels);
    fuzz_close(ctx);
}

void fuzz_labels_seeds(void) {
    fuzz_seed_text("list.json",
                   "{\"labels\": [[\"00000/a.png\", 1], [\"./00000/b.png\", 0], [\"a.png\", null]]}");
    fuzz_seed_text("object.json", "{\"labels\": {\"00000\\\\a.png\": 3, \"a.png\": 0.0}}");
    fuzz_seed_text("names.json", "\xef\xbb\xbf{\"labels\": {\"a.png\": \"cat\", \"00000/b.png\": \"dog\"}, "
                                 "\"classes\": [\"dog\", \"cat\"]}");
    fuzz_seed_text("numbered.json",
                   "{\"class_names\": {\"0\": \"x\", \"1\": \"y\"}, \"labels\": [[\"a.png\", \"y\"]]}");
    fuzz_seed_text("indices.json",
                   "{\"classes\": {\"x\": 0, \"y\": 4}, \"labels\": [[\"a.png\", [0, 1, 0]]]}");
    fuzz_seed_text("none.json", "{\"labels\": null}");
}

/* ---- A fingerprint of data: refused, or what is printed again reads the same ---- */

void fuzz_fingerprint(const uint8_t *bytes, size_t size) {
    char *text = string_of(bytes, size), printed[AYF_FINGERPRINT_TEXT], words[AYF_FINGERPRINT_WORDS];
    ayf_fingerprint f, again;
    if (ayf_fingerprint_parse(text, &f)) {
        ayf_fingerprint_print(&f, printed);
        FUZZ_CHECK(strlen(printed) + 1 < sizeof printed);
        FUZZ_CHECK(ayf_fingerprint_parse(printed, &again));
        FUZZ_CHECK(!ayf_fingerprint_differs(&f, &again, words));
        again.count++, again.height--, again.classes ^= 1, again.content++;
        FUZZ_CHECK(ayf_fingerprint_differs(&f, &again, words) && strlen(words) < sizeof words);
    }
    free(text);
}

void fuzz_fingerprint_seeds(void) {
    char text[AYF_FINGERPRINT_TEXT];
    ayf_fingerprint f = {
        .count = 50000, .height = 32, .width = 32, .channels = 3, .classes = 10, .labels = 77, .content = 99};
    ayf_fingerprint_print(&f, text);
    fuzz_seed_text("labels", text);
    f.classes = 0, f.labels = 0;
    ayf_fingerprint_print(&f, text);
    fuzz_seed_text("pictures", text);
}

/* ---- The classes in a card: an error, or what is printed again reads the same ---- */

void fuzz_classes(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    char *text = string_of(bytes, size), *first, *second, list[40];
    ayf_classes classes, again;
    if (ayf_classes_parse(ctx, text, &classes) == AYF_OK) {
        FUZZ_CHECK((first = ayf_classes_print(ctx, &classes)) != NULL);
        FUZZ_CHECK(ayf_classes_parse(ctx, first, &again) == AYF_OK);
        FUZZ_CHECK((second = ayf_classes_print(ctx, &again)) != NULL);
        FUZZ_CHECK(strcmp(first, second) == 0);
        ayf_classes_list_empty(&classes, list, sizeof list);
        FUZZ_CHECK(ayf_classes_empty(&classes) <= classes.count);
        for (uint32_t i = 0; classes.count > 0 && i < 8; i++) {
            int drawn = ayf_classes_draw(&classes, classes.count, i & 1, i * 0x24924924u);
            FUZZ_CHECK(drawn >= 0 && drawn < classes.count && ayf_classes_present(&classes, drawn));
            drawn = ayf_classes_nth(&classes, classes.count, (int)i);
            FUZZ_CHECK(drawn >= 0 && drawn < classes.count);
        }
        ayf_free(ctx, first);
        ayf_free(ctx, second);
        ayf_classes_clear(ctx, &again);
        ayf_classes_clear(ctx, &classes);
    }
    free(text);
    fuzz_close(ctx);
}

void fuzz_classes_seeds(void) {
    fuzz_seed_text("both",
                   "{\"count\": 3, \"names\": [\"cat\", \"d\\u00f6g\", \"2\"], \"pictures\": [30, 0, 12]}");
    fuzz_seed_text("names", "{\"count\": 2, \"names\": [\"a\", \"b\"]}");
    fuzz_seed_text("pictures", "{\"count\": 2, \"pictures\": [9007199254740993, 1]}");
    fuzz_seed_text("count", "{\"count\": 7}");
}

/* ---- log.jsonl, as the report reads it ---- */

void fuzz_history(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_run_history history;
    ayf_text json;
    fuzz_file(AYF_RUN_LOG, bytes, size);
    FUZZ_CHECK(ayf_history_read(ctx, fuzz_path(NULL), &history) == AYF_OK);
    FUZZ_CHECK(history.damaged <= history.lines);
    ayf_text_init(&json, ctx);
    ayf_history_json(&json, &history);
    FUZZ_CHECK(!json.failed && ayf_utf8_valid(json.data));
    ayf_text_free(&json);
    ayf_text_init(&json, ctx);
    ayf_advice_json(&json, &(ayf_path_facts){.kind = AYF_PATH_RUN}, &history);
    ayf_text_free(&json);
    ayf_history_clear(ctx, &history);
    /* A run that goes on from it. */
    ayf_jsonl *log;
    if (ayf_jsonl_open(ctx, fuzz_path(AYF_RUN_LOG), 2, &log) == AYF_OK) ayf_jsonl_close(log);
    fuzz_close(ctx);
}

void fuzz_history_seeds(void) {
    fuzz_seed_text(
        "log.jsonl",
        "{\"step\":1,\"loss\":0.5,\"loss_by_t\":[1,null,0.25],\"lr\":1e-3,\"time\":\"2020-01-01\"}\n"
        "{\"step\":2,\"loss\":0.4,\"loss_by_t\":[0.5,0.5,0.5],\"lr\":1e-3}\n"
        "{\"step\":3,\"loss\":null,\"fd\":12.5}\n{\"step\":4,\"lo");
    fuzz_seed_text("rollback.jsonl",
                   "{\"step\":10,\"loss\":2}\n{\"step\":5,\"rollback\":1,\"why\":\"loss\"}\n"
                   "{\"step\":6,\"loss\":1,\"grad_norm\":3}\n");
}

/* ---- diverged.txt ---- */

void fuzz_divergence(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    char *words;
    fuzz_file(AYF_RUN_DIVERGED, bytes, size);
    if (ayf_run_read_divergence(ctx, fuzz_path(NULL), &words) == AYF_OK && words)
        FUZZ_CHECK(strncmp(words, "step ", 5) == 0);
    ayf_free(ctx, words);
    fuzz_close(ctx);
}

void fuzz_divergence_seeds(void) {
    fuzz_seed_text("record", "120 1\nthe loss has grown to 40 times its past\nlower train.lr\n");
    fuzz_seed_text("first", "1 0\nx\n\n");
}
