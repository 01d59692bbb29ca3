/* Whatever bytes come in as a model file: an error, or a network of the kind in its metadata, all of it
 * finite. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/file.h"
#include "backend/ref/ref.h"
#include "nn/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const ayf_weights *w, const ayf_model_card *card) {
    ayf_context *ctx = w->backend->ctx;
    if (ayf_network_check(ctx, &w->spec) != AYF_OK || !card->data || !card->config) abort();
    for (int i = 0; i < w->params->count; i++) {
        size_t count = w->params->at[i].size, index;
        float *values = ayf_alloc(ctx, count, sizeof *values);
        if (!values) continue;
        if (ayf_buffer_get(w->at[i], values) != AYF_OK || ayf_first_not_finite(values, count, &index))
            abort();
        ayf_free(ctx, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("model", 0);
        if (file < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != (ssize_t)size) abort();
    ayf_context *ctx = ayf_open(NULL);
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card;
    if (ayf_ref_open(ctx, &backend) != AYF_OK) abort();
    if (ayf_model_read(backend, path, &weights, &card) == AYF_OK) {
        check(weights, &card);
        ayf_weights_free(weights);
        ayf_model_card_free(ctx, &card);
    } else if (weights || card.data || card.config) {
        abort();
    }
    ayf_backend_close(backend);
    ayf_close(ctx);
    return 0;
}
