/* Whatever ZIP comes in: an error, or a data set that can be read to its end, with a cache and without. */
#include <stdlib.h>

#include "data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void use(ayf_context *ctx, const uint8_t *bytes, size_t size, ayf_dataset_spec spec) {
    ayf_source *source;
    ayf_dataset *data;
    if (ayf_source_open_zip_memory(ctx, "input", bytes, size, &spec, &source) != AYF_OK) return;
    if (ayf_dataset_from_source(ctx, &spec, source, &data) != AYF_OK) return;
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    float *out =
        ayf_alloc(ctx, (size_t)info->height * (size_t)info->width * (size_t)info->channels, sizeof *out);
    for (size_t i = 0; i < info->count; i++) {
        int label = -1;
        if (ayf_dataset_get(data, i, i & 1, out, &label) != AYF_OK) continue;
        if (label >= info->classes || (spec.labels && label < 0)) abort();
    }
    ayf_free(ctx, out);
    ayf_dataset_close(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = ayf_open(NULL);
    use(ctx, bytes, size, (ayf_dataset_spec){.source = "input", .labels = true});
    use(ctx, bytes, size, (ayf_dataset_spec){.source = "input", .resolution = 8, .channels = 3, .memory = 1});
    ayf_close(ctx);
    return 0;
}
