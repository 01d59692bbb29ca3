/* Files that other programs have made: tests/fixtures/<folder>/<name>.safetensors. Behind model_context.h. */
#ifndef AYF_TEST_FOREIGN_H
#define AYF_TEST_FOREIGN_H

#include "io/safetensors.h"

/* Until the next call. */
static inline char *foreign_path(const char *in, const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/tests/fixtures/%s/%s.safetensors", getenv("AYF_SOURCE_ROOT"), in, name);
    return path;
}

static inline ayf_st *open_foreign(const char *in, const char *name) {
    ayf_st *st;
    ok(ayf_st_open(ctx, foreign_path(in, name), &st));
    return st;
}

/* A tensor (N,C,H,W) of `count` numbers as (N,H,W,C). */
static inline void read_maps(const ayf_st *st, const char *name, float *out, int count, int channels,
                             int pixels) {
    float *raw = malloc((size_t)count * sizeof *raw);
    ok(ayf_st_read_f32(st, name, raw, (size_t)count));
    for (int i = 0; i < count; i++)
        out[(i / (channels * pixels) * pixels + i % pixels) * channels + i / pixels % channels] = raw[i];
    free(raw);
}

#endif
