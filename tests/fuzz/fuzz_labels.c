/* Whatever dataset.json comes in: an error, or labels that are found again by their names. */
#include <stdlib.h>

#include "data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = ayf_open(NULL);
    ayf_labels labels;
    if (ayf_labels_parse(ctx, "input", bytes, size, false, &labels) == AYF_OK) {
        for (size_t i = 0; i < labels.count; i++) {
            int label = labels.items[i].label;
            if (label < 0 || label >= AYF_MAX_CLASSES ||
                ayf_labels_find(&labels, labels.items[i].name) != label)
                abort();
        }
    }
    ayf_labels_clear(ctx, &labels);
    ayf_close(ctx);
    return 0;
}
