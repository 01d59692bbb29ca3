/* Whatever text comes in: an error, or a configuration that is written and read back to the same text. The
 * first line is also tried as an override. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_round_trip(ayf_context *ctx, const ayf_config *cfg) {
    ayf_config back;
    char *first = ayf_config_text(ctx, cfg);
    if (ayf_config_defaults(ctx, &back) != AYF_OK) abort();
    if (ayf_config_parse(ctx, "written", first, strlen(first), &back) != AYF_OK) abort();
    char *second = ayf_config_text(ctx, &back);
    if (strcmp(first, second) != 0) abort();
    ayf_free(ctx, first);
    ayf_free(ctx, second);
    ayf_config_free(ctx, &back);
    ayf_config_validate_train(ctx, cfg);
    ayf_config_validate_distill(ctx, cfg);
    ayf_config_validate_finetune(ctx, cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = ayf_open(NULL);
    ayf_config cfg;
    if (ayf_config_defaults(ctx, &cfg) != AYF_OK) abort();
    if (ayf_config_parse(ctx, "input", (const char *)bytes, size, &cfg) == AYF_OK)
        check_round_trip(ctx, &cfg);
    const uint8_t *newline = size ? memchr(bytes, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - bytes) : size;
    char *line = ayf_alloc(ctx, length + 1, 1);
    if (length) memcpy(line, bytes, length);
    if (ayf_config_set(ctx, &cfg, line) == AYF_OK) check_round_trip(ctx, &cfg);
    ayf_free(ctx, line);
    ayf_config_free(ctx, &cfg);
    ayf_close(ctx);
    return 0;
}
