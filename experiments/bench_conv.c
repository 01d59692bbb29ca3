/* Rates of the CPU backend's convolutions and matrix products on the shapes of one distillation step
 * (`ayf bench step`: an EDM2 U-Net of 7.1 M parameters on 32x32 images), in f32 and bf16.
 *
 *     bench_conv [threads [seconds per kernel [batch [kernels [packed]]]]]   default: 1, 0.1, 32, 0, 0
 *
 * `kernels` is an ayf_heavy_choice; `packed` 1 packs what can be before the clock starts. Best of the
 * repetitions, packing and changes of layout included. A line also says how often the step runs the shape and
 * what that takes; totals follow per kind. With one thread the clock counts processor time, so that other
 * programs do not disturb the figures. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/cpu/heavy.h"

static clockid_t clock_id = CLOCK_MONOTONIC;

typedef struct bench {
    ayf_context *ctx;
    ayf_heavy *heavy;
    double budget;
    int64_t batch;
    bool packed;
} bench;

typedef struct total {
    double seconds, gflop;
} total;

typedef enum kind { FPROP, DGRAD, WGRAD, GEMM, KINDS } kind;
static const char *const kind_names[KINDS] = {"fprop", "dgrad", "wgrad", "gemm"};

typedef struct conv_row {
    int size, in, out, count[3]; /* how often per step: fprop, dgrad, wgrad; 3x3 all of them */
} conv_row;
static const conv_row convs[] = {
    {32, 4, 64, {4, 0, 1}},    {32, 64, 64, {28, 7, 7}},    {32, 128, 64, {8, 2, 2}},
    {32, 192, 64, {4, 1, 1}},  {32, 128, 128, {8, 2, 2}},   {32, 64, 3, {4, 1, 1}},
    {16, 64, 64, {8, 2, 2}},   {16, 128, 128, {36, 9, 9}},  {16, 192, 128, {4, 1, 1}},
    {16, 256, 128, {8, 2, 2}}, {8, 128, 128, {52, 13, 13}}, {8, 256, 128, {12, 3, 3}}};

/* size[0] products of m x n x k; the member `scaled` is per image of the batch. */
typedef struct gemm_row {
    int size[4], scaled;
    bool ta, tb;
    int count;
} gemm_row;
static const gemm_row gemms[] = {
    {{1, 1024, 64, 128}, 1, false, true, 8},   {{1, 1024, 64, 192}, 1, false, true, 4},
    {{1, 256, 128, 128}, 1, false, true, 80},  {{1, 256, 128, 256}, 1, false, true, 8},
    {{1, 256, 128, 192}, 1, false, true, 4},   {{1, 64, 128, 128}, 1, false, true, 96},
    {{1, 64, 128, 256}, 1, false, true, 12},   {{1, 1, 128, 128}, 1, false, true, 60},
    {{1, 1024, 128, 64}, 1, false, false, 2},  {{1, 1024, 192, 64}, 1, false, false, 1},
    {{1, 256, 128, 128}, 1, false, false, 20}, {{1, 256, 256, 128}, 1, false, false, 2},
    {{1, 64, 128, 128}, 1, false, false, 24},  {{1, 64, 256, 128}, 1, false, false, 3},
    {{1, 64, 128, 1024}, 3, true, false, 2},   {{1, 64, 192, 1024}, 3, true, false, 1},
    {{1, 128, 128, 256}, 3, true, false, 20},  {{1, 128, 256, 256}, 3, true, false, 2},
    {{1, 128, 128, 64}, 3, true, false, 24},   {{1, 128, 256, 64}, 3, true, false, 3},
    {{2, 256, 256, 64}, 0, false, true, 30},   {{2, 256, 64, 256}, 0, false, false, 30},
    {{2, 256, 64, 256}, 0, true, false, 10},   {{2, 64, 64, 64}, 0, false, true, 36},
    {{2, 64, 64, 64}, 0, false, false, 36},    {{2, 64, 64, 64}, 0, true, false, 12}};

static double seconds(void) {
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *array(ayf_context *ctx, int64_t count, ayf_element element) {
    void *p = ayf_alloc(ctx, (size_t)count, sizeof(float));
    for (int64_t i = 0; p && i < count; i++) {
        if (element == AYF_F32)
            ((float *)p)[i] = (float)(i % 17) / 17.0f - 0.5f;
        else
            ((uint16_t *)p)[i] = (uint16_t)(0x3E80 + i % 17 * 8 + (i % 2 << 15));
    }
    return p;
}

static ayf_status measure(const bench *b, ayf_heavy_kernel *k, const int64_t count[3],
                          const ayf_element element[3], double *best) {
    void *arrays[3];
    for (int i = 0; i < 3; i++) arrays[i] = array(b->ctx, count[i], element[i]);
    void *scratch = ayf_alloc(b->ctx, ayf_heavy_scratch_bytes(k), 1);
    size_t packed_bytes = b->packed ? ayf_heavy_packed_bytes(k) : 0;
    void *packed = ayf_alloc(b->ctx, packed_bytes + 1, 1);
    ayf_status status = arrays[0] && arrays[1] && arrays[2] && scratch && packed ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK && packed_bytes > 0) status = ayf_heavy_pack(k, arrays[1], packed);
    *best = 1e30;
    double start = seconds();
    for (int i = 0; status == AYF_OK && (i < 4 || seconds() - start < b->budget); i++) {
        double began = seconds();
        status = packed_bytes > 0 ? ayf_heavy_run_packed(k, arrays[0], packed, arrays[2], scratch)
                                  : ayf_heavy_run(k, arrays[0], arrays[1], arrays[2], scratch);
        double took = seconds() - began;
        if (took < *best) *best = took;
    }
    ayf_free(b->ctx, packed);
    ayf_free(b->ctx, scratch);
    for (int i = 2; i >= 0; i--) ayf_free(b->ctx, arrays[i]);
    return status;
}

static void report(const char *text, kind of, int count, double gflop, double best, const ayf_heavy_kernel *k,
                   total *totals) {
    printf("%-28s %-5s %9.3f ms %7.1f GFLOP/s  x %3d = %7.1f ms  scratch %6.2f MB  %s\n", text,
           kind_names[of], best * 1e3, gflop / best, count, count * best * 1e3,
           (double)ayf_heavy_scratch_bytes(k) * 1e-6, ayf_heavy_describe(k));
    fflush(stdout);
    totals[of].seconds += count * best;
    totals[of].gflop += count * gflop;
}

/* The image side of the first and the last layer stays f32, and so do weight gradients. */
static void conv_elements(const conv_row *r, kind face, ayf_element of, ayf_element element[3]) {
    ayf_element x = r->in < 8 ? AYF_F32 : of, y = r->out < 8 ? AYF_F32 : of;
    element[0] = face == DGRAD ? y : x;
    element[1] = face == WGRAD ? y : of;
    element[2] = face == FPROP ? y : face == DGRAD ? x : AYF_F32;
}

static ayf_status bench_conv(const bench *b, const conv_row *r, ayf_element of, total *totals) {
    enum { TAPS = 9 };
    ayf_conv_shape s = {.x = {b->batch, r->size, r->size, r->in},
                        .w = {r->out, 3, 3, r->in},
                        .y = {b->batch, r->size, r->size, r->out},
                        .stride = 1,
                        .pad_top = 1,
                        .pad_left = 1,
                        .pad_bottom = 1,
                        .pad_right = 1};
    int64_t pixels = b->batch * r->size * r->size, x = pixels * r->in, y = pixels * r->out;
    int64_t w = TAPS * (int64_t)r->out * r->in;
    const int64_t counts[3][3] = {{x, w, y}, {y, w, x}, {x, y, w}};
    static const ayf_op faces[3] = {AYF_OP_CONV_FPROP, AYF_OP_CONV_DGRAD, AYF_OP_CONV_WGRAD};
    for (kind face = FPROP; face <= WGRAD; face++) {
        ayf_heavy_kernel *k;
        ayf_element element[3];
        double best;
        char text[64];
        if (r->count[face] == 0) continue;
        conv_elements(r, face, of, element);
        AYF_TRY(ayf_heavy_prepare_conv(b->heavy, &s, faces[face], element, &k));
        ayf_status status = measure(b, k, counts[face], element, &best);
        snprintf(text, sizeof text, "%2dx%-2d %3d->%-3d", r->size, r->size, r->in, r->out);
        if (status == AYF_OK)
            report(text, face, r->count[face], 2e-9 * (double)(y * w / r->out), best, k, totals);
        ayf_heavy_release(k);
        AYF_TRY(status);
    }
    return AYF_OK;
}

static ayf_status bench_gemm(const bench *b, const gemm_row *r, ayf_element of, total *totals) {
    int64_t size[4];
    for (int i = 0; i < 4; i++) size[i] = r->size[i] * (i == r->scaled ? b->batch : 1);
    ayf_gemm_shape s = {.batch = size[0],
                        .m = size[1],
                        .n = size[2],
                        .k = size[3],
                        .transpose_a = r->ta,
                        .transpose_b = r->tb};
    const int64_t counts[3] = {s.batch * s.m * s.k, s.batch * s.k * s.n, s.batch * s.m * s.n};
    const ayf_element element[3] = {of, of, r->scaled == 3 ? AYF_F32 : of};
    ayf_heavy_kernel *k;
    double best;
    char text[64];
    AYF_TRY(ayf_heavy_prepare_gemm(b->heavy, &s, element, &k));
    ayf_status status = measure(b, k, counts, element, &best);
    snprintf(text, sizeof text, "%d x (%dx%dx%d) %c%c", (int)s.batch, (int)s.m, (int)s.n, (int)s.k,
             r->ta ? 'T' : 'N', r->tb ? 'T' : 'N');
    if (status == AYF_OK)
        report(text, GEMM, r->count, 2e-9 * (double)(s.batch * s.m) * (double)(s.n * s.k), best, k, totals);
    ayf_heavy_release(k);
    return status;
}

static ayf_status bench_all(const bench *b, ayf_element of) {
    total totals[KINDS] = {{0.0, 0.0}}, all = {0.0, 0.0};
    double peak;
    AYF_TRY(ayf_heavy_conv_peak(b->heavy, of, &peak));
    printf("%s, batch %d: best convolution rate now %.1f GFLOP/s\n", of == AYF_BF16 ? "bf16" : "f32",
           (int)b->batch, peak);
    for (size_t i = 0; i < AYF_COUNT(convs); i++) AYF_TRY(bench_conv(b, &convs[i], of, totals));
    for (size_t i = 0; i < AYF_COUNT(gemms); i++) AYF_TRY(bench_gemm(b, &gemms[i], of, totals));
    for (kind i = FPROP; i < KINDS; i++) {
        printf("%s: %.1f ms of a step, %.1f GFLOP/s\n", kind_names[i], totals[i].seconds * 1e3,
               totals[i].gflop / totals[i].seconds);
        all.seconds += totals[i].seconds;
        all.gflop += totals[i].gflop;
    }
    printf("all: %.1f ms of a step, %.1f GFLOP/s\n\n", all.seconds * 1e3, all.gflop / all.seconds);
    return AYF_OK;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    bench b = {.ctx = ayf_open(NULL),
               .budget = argc > 2 ? atof(argv[2]) : 0.1,
               .batch = argc > 3 ? atoi(argv[3]) : 32,
               .packed = argc > 5 && atoi(argv[5])};
    if (threads == 1) clock_id = CLOCK_THREAD_CPUTIME_ID;
    if (!b.ctx) return 1;
    ayf_heavy_choice choice = argc > 4 ? (ayf_heavy_choice)atoi(argv[4]) : AYF_HEAVY_FASTER;
    ayf_status status = ayf_heavy_open(b.ctx, threads, choice, &b.heavy);
    for (ayf_element of = AYF_F32; of < AYF_ELEMENTS && status == AYF_OK; of++) status = bench_all(&b, of);
    if (status != AYF_OK) fprintf(stderr, "bench_conv: %s\n", ayf_error(b.ctx));
    ayf_heavy_close(b.heavy);
    ayf_close(b.ctx);
    return ayf_exit_code(status);
}
