/* IDX and gzip. The first byte chooses: pictures, labels, or gzip data that hold pictures. */
#include <stdlib.h>

#include "data/source.h"
#include "io/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void parse(ayf_context *ctx, const uint8_t *bytes, size_t size, int rank) {
    ayf_idx idx;
    if (ayf_idx_parse(ctx, "input", bytes, size, rank, &idx) != AYF_OK) return;
    size_t total = idx.count * (size_t)idx.height * (size_t)idx.width * (size_t)idx.channels;
    if (rank == 1) total *= idx.columns;
    if (total == 0 || idx.data < bytes || total > (size_t)(bytes + size - idx.data)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    enum { LIMIT = 1 << 20 };
    if (size == 0) return 0;
    ayf_context *ctx = ayf_open(NULL);
    unsigned char *plain = NULL;
    size_t plain_size;
    switch (bytes[0] % 3) {
    case 0:
        parse(ctx, bytes + 1, size - 1, 3);
        break;
    case 1:
        parse(ctx, bytes + 1, size - 1, 1);
        break;
    default:
        if (ayf_gunzip(ctx, "input", bytes + 1, size - 1, LIMIT, &plain, &plain_size) == AYF_OK) {
            if (plain_size > LIMIT || plain[plain_size] != 0) abort();
            parse(ctx, plain, plain_size, 3);
            ayf_free(ctx, plain);
        }
    }
    ayf_close(ctx);
    return 0;
}
