/* Whatever dataset.json comes in: an error, or classes within their range. */
#include <stdlib.h>

#include "data/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const names[] = {"00000/a.png", "00000/b.png", "a.png"};
    int found[3];
    ayf_context *ctx = ayf_open(NULL);
    ayf_labels labels = {.ctx = ctx, .names = names, .count = 3, .labels = found};
    if (ayf_labels_read(&labels, "input", "", bytes, size) == AYF_OK && ayf_labels_end(&labels) == AYF_OK)
        for (size_t i = 0; i < 3; i++)
            if (found[i] < -1 || found[i] >= AYF_MAX_CLASSES) abort();
    ayf_labels_clear(&labels);
    ayf_close(ctx);
    return 0;
}
