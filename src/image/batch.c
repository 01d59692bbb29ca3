/* Samples as the batches that evaluators of diffusion models read. */
#include "image/image.h"
#include "io/npz.h"

ayf_status ayf_batch_write(ayf_context *ctx, const char *path, const ayf_batch *batch) {
    const ayf_batch *b = batch;
    if (b->count < 0 || !!b->pixels + !!b->points + !!b->latents != 1 ||
        (!b->points && (b->height < 1 || b->width < 1 || b->channels < 1)))
        return ayf_fail(ctx, AYF_E_USAGE, "%s: a batch of %d samples of %d x %d x %d cannot be written", path,
                        b->count, b->height, b->width, b->channels);
    size_t count = (size_t)b->count;
    ayf_npz_member members[2] = {{.key = "arr_0"}, {.key = "arr_1"}};
    if (!b->points)
        members[0].array =
            (ayf_npy){.type = b->pixels ? AYF_NPY_U8 : AYF_NPY_F32,
                      .rank = 4,
                      .shape = {count, (size_t)b->height, (size_t)b->width, (size_t)b->channels},
                      .data = (void *)(b->pixels ? (uintptr_t)b->pixels : (uintptr_t)b->latents)};
    else
        members[0].array = (ayf_npy){
            .type = AYF_NPY_F32, .rank = 2, .shape = {count, 2}, .data = (void *)(uintptr_t)b->points};
    if (!b->classes) return ayf_npz_write(ctx, path, members, 1);
    int64_t *classes = ayf_alloc(ctx, count, sizeof *classes);
    if (!classes) return AYF_E_MEMORY;
    for (size_t i = 0; i < count; i++) classes[i] = b->classes[i];
    members[1].array = (ayf_npy){.type = AYF_NPY_I64, .rank = 1, .shape = {count}, .data = classes};
    ayf_status status = ayf_npz_write(ctx, path, members, 2);
    ayf_free(ctx, classes);
    return status;
}
