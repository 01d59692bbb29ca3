/* Rates of the CPU backend's convolutions and matrix products on the shapes of an EDM2 U-Net with batch 32.
 *
 *     bench_conv [threads [seconds per kernel [onednn]]]       default: 1 thread, 0.3 seconds
 *
 * The third argument leaves our own kernels out. Best of the repetitions, changes of layout included. With
 * one thread the clock counts processor time, so that other programs do not disturb the figures. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/cpu/heavy.h"

static const ayf_element F32[3] = {AYF_F32, AYF_F32, AYF_F32};
static clockid_t clock_id = CLOCK_MONOTONIC;

static double seconds(void) {
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *array(ayf_context *ctx, int64_t count) {
    float *p = ayf_alloc(ctx, (size_t)count, sizeof *p);
    for (int64_t i = 0; p && i < count; i++) p[i] = (float)(i % 17) / 17.0f - 0.5f;
    return p;
}

static ayf_status measure(ayf_context *ctx, ayf_heavy_kernel *k, int64_t a_count, int64_t b_count,
                          int64_t out_count, double budget, double *best) {
    float *a = array(ctx, a_count), *b = array(ctx, b_count), *out = array(ctx, out_count);
    void *scratch = ayf_alloc(ctx, ayf_heavy_scratch_bytes(k), 1);
    ayf_status status = a && b && out && scratch ? AYF_OK : AYF_E_MEMORY;
    *best = 1e30;
    double start = seconds();
    for (int i = 0; status == AYF_OK && (i < 4 || seconds() - start < budget); i++) {
        double began = seconds();
        status = ayf_heavy_run(k, a, b, out, scratch);
        double took = seconds() - began;
        if (took < *best) *best = took;
    }
    ayf_free(ctx, scratch);
    ayf_free(ctx, out);
    ayf_free(ctx, b);
    ayf_free(ctx, a);
    return status;
}

static ayf_status bench_conv(ayf_context *ctx, ayf_heavy *h, int size, int in, int out, int kernel,
                             double budget) {
    enum { BATCH = 32 };
    int pad = kernel / 2;
    ayf_conv_shape s = {.x = {BATCH, size, size, in},
                        .w = {out, kernel, kernel, in},
                        .y = {BATCH, size, size, out},
                        .stride = 1,
                        .pad_top = pad,
                        .pad_left = pad,
                        .pad_bottom = pad,
                        .pad_right = pad};
    int64_t x = BATCH * (int64_t)size * size * in, y = BATCH * (int64_t)size * size * out;
    int64_t w = (int64_t)out * kernel * kernel * in;
    const int64_t counts[3][3] = {{x, w, y}, {y, w, x}, {x, y, w}};
    static const ayf_op faces[3] = {AYF_OP_CONV_FPROP, AYF_OP_CONV_DGRAD, AYF_OP_CONV_WGRAD};
    static const char *const names[3] = {"fprop", "dgrad", "wgrad"};
    double gflop = 2e-9 * (double)y * kernel * kernel * in;
    for (int face = 0; face < 3; face++) {
        ayf_heavy_kernel *k;
        double best;
        AYF_TRY(ayf_heavy_prepare_conv(h, &s, faces[face], F32, &k));
        AYF_TRY(measure(ctx, k, counts[face][0], counts[face][1], counts[face][2], budget, &best));
        printf("%2dx%-2d %3d->%-3d k%d %s %9.3f ms %7.1f GFLOP/s  scratch %6.2f MB  %s\n", size, size, in,
               out, kernel, names[face], best * 1e3, gflop / best, (double)ayf_heavy_scratch_bytes(k) * 1e-6,
               ayf_heavy_describe(k));
        fflush(stdout);
        ayf_heavy_release(k);
    }
    return AYF_OK;
}

static ayf_status bench_gemm(ayf_context *ctx, ayf_heavy *h, const int64_t size[4], bool ta, bool tb,
                             double budget) {
    ayf_gemm_shape s = {
        .batch = size[0], .m = size[1], .n = size[2], .k = size[3], .transpose_a = ta, .transpose_b = tb};
    ayf_heavy_kernel *k;
    double best;
    AYF_TRY(ayf_heavy_prepare_gemm(h, &s, F32, &k));
    AYF_TRY(measure(ctx, k, s.batch * s.m * s.k, s.batch * s.k * s.n, s.batch * s.m * s.n, budget, &best));
    printf("%4d x (%d x %d x %d) %c%c %9.3f ms %7.1f GFLOP/s  %s\n", (int)s.batch, (int)s.m, (int)s.n,
           (int)s.k, ta ? 'T' : 'N', tb ? 'T' : 'N', best * 1e3,
           2e-9 * (double)(s.batch * s.m) * (double)(s.n * s.k) / best, ayf_heavy_describe(k));
    fflush(stdout);
    ayf_heavy_release(k);
    return AYF_OK;
}

static ayf_status bench_all(ayf_context *ctx, ayf_heavy *h, double budget) {
    static const int convs[][4] = {{32, 64, 64, 3},   {32, 128, 64, 3},  {32, 192, 128, 3}, {16, 128, 128, 3},
                                   {16, 256, 128, 3}, {8, 128, 128, 3},  {8, 256, 128, 3},  {32, 64, 64, 1},
                                   {32, 128, 64, 1},  {16, 128, 128, 1}, {8, 256, 128, 1},  {32, 4, 64, 3},
                                   {32, 64, 3, 3},    {32, 2, 16, 3},    {32, 16, 1, 3}};
    static const int64_t gemms[][4] = {{1, 2048, 256, 64}, {1, 32, 256, 256},   {1, 32, 64, 64},
                                       {64, 256, 256, 32}, {64, 256, 32, 256},  {128, 64, 64, 32},
                                       {128, 64, 32, 64},  {128, 256, 16, 256}, {1, 512, 512, 512}};
    double peak;
    AYF_TRY(ayf_heavy_conv_peak(h, AYF_F32, &peak));
    printf("best convolution rate now: %.1f GFLOP/s\n", peak);
    for (size_t i = 0; i < AYF_COUNT(convs); i++)
        AYF_TRY(bench_conv(ctx, h, convs[i][0], convs[i][1], convs[i][2], convs[i][3], budget));
    for (size_t i = 0; i < AYF_COUNT(gemms); i++)
        for (int transposes = 0; transposes < 4; transposes++)
            AYF_TRY(bench_gemm(ctx, h, gemms[i], transposes & 1, transposes & 2, budget));
    return AYF_OK;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    double budget = argc > 2 ? atof(argv[2]) : 0.3;
    if (threads == 1) clock_id = CLOCK_THREAD_CPUTIME_ID;
    ayf_context *ctx = ayf_open(NULL);
    ayf_heavy *h;
    if (!ctx) return 1;
    ayf_status status = ayf_heavy_open(ctx, threads, argc > 3 ? AYF_HEAVY_ONEDNN : AYF_HEAVY_FASTER, &h);
    if (status == AYF_OK) status = bench_all(ctx, h, budget);
    if (status != AYF_OK) fprintf(stderr, "bench_conv: %s\n", ayf_error(ctx));
    ayf_heavy_close(h);
    ayf_close(ctx);
    return ayf_exit_code(status);
}
