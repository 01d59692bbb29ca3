/* Whatever bytes come in: an error, or a file whose every tensor can be read. */
#include <stdlib.h>

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = ayf_open(NULL);
    ayf_st *st;
    if (ayf_st_parse(ctx, "input", bytes, size, &st) == AYF_OK) {
        size_t total = 0;
        for (size_t i = 0; i < ayf_st_count(st); i++) {
            const ayf_st_tensor *tensor = ayf_st_at(st, i);
            if (ayf_st_find(st, tensor->name) != tensor) abort();
            total += tensor->count * ayf_st_dtype_size(tensor->dtype);
            ayf_st_check_finite(st, tensor->name);
            float *values = ayf_alloc(ctx, tensor->count, sizeof *values);
            ayf_st_read_f32(st, tensor->name, values, tensor->count);
            ayf_free(ctx, values);
        }
        if (total > size) abort();
        for (size_t i = 0; i < ayf_st_meta_count(st); i++) {
            const char *key, *value;
            ayf_st_meta_at(st, i, &key, &value);
            if (ayf_st_meta(st, key) != value) abort();
        }
        ayf_st_close(st);
    }
    ayf_close(ctx);
    return 0;
}
