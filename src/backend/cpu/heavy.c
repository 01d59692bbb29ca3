#include "backend/cpu/heavy.h"

#include <omp.h>

#include "backend/cpu/conv_avx2.h"
#include "backend/cpu/conv_avx512.h"
#include "base/bf16.h"

struct ayf_heavy {
    ayf_context *ctx;
    int threads;
    bool avx2, avx512; /* whose kernels of our own may be chosen */
    bool always_own;   /* where the rule would prefer another one */
    bool multiplies_bf16;
    ayf_onednn *onednn;
};

typedef enum method {
    METHOD_ONEDNN,
    METHOD_WGRAD,
    METHOD_DIRECT,
    METHOD_FEW_OUTPUTS,
    METHOD_WGRAD512,
    METHOD_DIRECT512,
    METHOD_WINOGRAD,
    METHOD_WINOGRAD_WGRAD
} method;

struct ayf_heavy_kernel {
    ayf_heavy *heavy;
    method method;
    /* What the method works on. Where this is f32 and the caller's array bf16, the array is converted from or
     * to scratch at `offset`. */
    ayf_element inside[3];
    bool converted[3];
    size_t count[3], offset[3];
    ayf_onednn_kernel *onednn; /* METHOD_ONEDNN */
    ayf_conv_shape shape;
    ayf_conv_shape few; /* METHOD_FEW_OUTPUTS: what is run, turned for the data gradient */
    bool turned;
    ayf_wgrad wgrad;                   /* METHOD_WGRAD */
    ayf_direct direct;                 /* METHOD_DIRECT */
    ayf_wgrad512 wgrad512;             /* METHOD_WGRAD512 */
    ayf_direct512 direct512;           /* METHOD_DIRECT512 */
    ayf_winograd winograd;             /* METHOD_WINOGRAD */
    ayf_winograd_wgrad winograd_wgrad; /* METHOD_WINOGRAD_WGRAD */
    size_t packed_bytes;               /* of b, at the start of scratch unless the caller keeps it */
    size_t method_bytes, scratch_bytes;
    const char *name;
};

/* ---- Conversion ---- */

enum { MANY = 1 << 15 /* worth waking threads */ };

static void widen(const ayf_bf16 *from, float *to, size_t count, int threads) {
#pragma omp parallel for simd num_threads(threads) schedule(static) if (count >= MANY)
    for (size_t i = 0; i < count; i++) to[i] = ayf_bf16_to_float(from[i]);
}

static void narrow(const float *from, ayf_bf16 *to, size_t count, int threads) {
#pragma omp parallel for simd num_threads(threads) schedule(static) if (count >= MANY)
    for (size_t i = 0; i < count; i++) to[i] = ayf_bf16_from_float(from[i]);
}

/* ---- Beginning and end of preparing ---- */

/* `count` is of the elements of a, b and out. */
static ayf_status new_kernel(ayf_heavy *h, const ayf_element element[3], const int64_t count[3],
                             ayf_heavy_kernel **out) {
    ayf_heavy_kernel *k = ayf_alloc(h->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    k->heavy = h;
    bool bf16 = h->multiplies_bf16 && element[0] == AYF_BF16 && element[1] == AYF_BF16;
    for (int i = 0; i < 3; i++) {
        k->count[i] = (size_t)count[i];
        k->inside[i] = bf16 ? element[i] : AYF_F32;
        k->converted[i] = k->inside[i] != element[i];
    }
    *out = k;
    return AYF_OK;
}

/* Hands `k` over once oneDNN, where it is chosen, has made its kernel with `status`. */
static ayf_status finish(ayf_heavy_kernel *k, ayf_status status, ayf_heavy_kernel **out) {
    enum { LINE = 64 };
    if (status != AYF_OK) {
        ayf_heavy_release(k);
        return status;
    }
    if (k->onednn) {
        k->method_bytes = ayf_onednn_scratch_bytes(k->onednn);
        k->name = ayf_onednn_describe(k->onednn);
    }
    k->scratch_bytes = k->method_bytes;
    for (int i = 0; i < 3; i++) {
        if (!k->converted[i]) continue;
        k->offset[i] = (k->scratch_bytes + LINE - 1) / LINE * LINE;
        k->scratch_bytes = k->offset[i] + k->count[i] * sizeof(float);
    }
    *out = k;
    return AYF_OK;
}

/* ---- Choosing, by measurement: see experiments/bench_conv.c ---- */

static bool is_bf16(const ayf_heavy_kernel *k) { return k->inside[0] == AYF_BF16; }

/* Dot products fill the vectors that so few outputs leave empty: 64 -> 3 in f32 takes 1.6 to 2.3 ms per 32
 * images of 32x32 on one core, 5.7 to 6.9 ms with "avx512 direct". */
static bool choose_few_outputs(ayf_heavy_kernel *k, ayf_op face) {
    enum { MANY_INPUTS = 8 };
    const ayf_conv_shape *s = &k->shape;
    bool data_gradient = face == AYF_OP_CONV_DGRAD;
    if (!k->heavy->avx2 || face == AYF_OP_CONV_WGRAD) return false;
    k->few = *s;
    if (data_gradient && !ayf_conv_turn(&k->few, s)) return false;
    if (k->few.y[3] > AYF_FEW_OUTPUTS || k->few.x[3] < MANY_INPUTS) return false;
    k->method = METHOD_FEW_OUTPUTS;
    k->turned = data_gradient;
    if (k->turned) k->method_bytes = (size_t)(s->w[0] * s->w[1] * s->w[2] * s->w[3]) * sizeof(float);
    k->name = "avx2 few outputs";
    return true;
}

/* The kernels for AVX-512 convert as they pack, so they take every element as it is. */
static void take_as_stored(ayf_heavy_kernel *k, const ayf_element element[3]) {
    for (int i = 0; i < 3; i++) {
        k->inside[i] = element[i];
        k->converted[i] = false;
    }
}

static void choose_wgrad512(ayf_heavy_kernel *k, const ayf_element element[3]) {
    bool narrowed = element[2] == AYF_BF16;
    k->method = METHOD_WGRAD512;
    ayf_wgrad512_plan(&k->wgrad512, &k->shape, element, k->heavy->threads);
    k->method_bytes = ayf_wgrad512_scratch_bytes(&k->wgrad512);
    k->name = "avx512 wgrad";
    take_as_stored(k, element);
    if (narrowed) {
        k->inside[2] = AYF_F32;
        k->converted[2] = true;
    }
}

/* Transforms pay where there are many channels to share them, and work for all threads. */
static bool choose_winograd(ayf_heavy_kernel *k, ayf_op face, const ayf_element element[3]) {
    enum { CHANNELS = 32, PATCHES = 32 };
    const ayf_conv_shape *s = &k->shape;
    int threads = k->heavy->threads;
    bool wgrad = face == AYF_OP_CONV_WGRAD, data_gradient = face == AYF_OP_CONV_DGRAD;
    if (wgrad ? !ayf_winograd_wgrad_plan(&k->winograd_wgrad, s, element, threads)
              : !ayf_winograd_plan(&k->winograd, s, data_gradient, element, threads))
        return false;
    int64_t patches = wgrad ? k->winograd_wgrad.patches : k->winograd.patches;
    bool pays = s->x[3] >= CHANNELS && s->y[3] >= CHANNELS && patches >= PATCHES * threads;
    if (!pays && !k->heavy->always_own) return false;
    if (wgrad) {
        k->method = METHOD_WINOGRAD_WGRAD;
        k->method_bytes = ayf_winograd_wgrad_scratch_bytes(&k->winograd_wgrad);
        k->name = "avx512 winograd wgrad";
        return true;
    }
    k->method = METHOD_WINOGRAD;
    k->packed_bytes = ayf_winograd_packed_bytes(&k->winograd);
    k->method_bytes = k->packed_bytes + ayf_winograd_scratch_bytes(&k->winograd);
    k->name = "avx512 winograd";
    return true;
}

static bool choose_avx512(ayf_heavy_kernel *k, ayf_op face, const ayf_element element[3]) {
    if (!k->heavy->avx512) return false;
    if (choose_winograd(k, face, element)) return true;
    if (face == AYF_OP_CONV_WGRAD) {
        choose_wgrad512(k, element);
        return true;
    }
    if (!ayf_direct512_plan(&k->direct512, &k->shape, face == AYF_OP_CONV_DGRAD, element, k->heavy->threads))
        return false;
    k->method = METHOD_DIRECT512;
    k->packed_bytes = ayf_direct512_packed_bytes(&k->direct512);
    k->method_bytes = k->packed_bytes + ayf_direct512_scratch_bytes(&k->direct512);
    k->name = "avx512 direct";
    take_as_stored(k, element);
    return true;
}

static void choose_avx2(ayf_heavy_kernel *k, ayf_op face) {
    const ayf_conv_shape *s = &k->shape;
    bool data_gradient = face == AYF_OP_CONV_DGRAD;
    if (!k->heavy->avx2) return;
    if (face == AYF_OP_CONV_WGRAD) {
        k->method = METHOD_WGRAD;
        ayf_wgrad_plan(&k->wgrad, s, k->heavy->threads);
        k->method_bytes = ayf_wgrad_scratch_bytes(&k->wgrad);
        k->name = k->wgrad.swapped ? "avx2 wgrad over outputs" : "avx2 wgrad";
    } else if (s->w[1] * s->w[2] > 1 && ayf_direct_plan(&k->direct, s, data_gradient, k->heavy->threads)) {
        k->method = METHOD_DIRECT;
        k->method_bytes = ayf_direct_scratch_bytes(&k->direct);
        k->name = "avx2 direct";
    }
}

/* oneDNN computes whatever has two bf16 operands. On AVX512-BF16 the whole step takes 1.97 to 2.15 s with
 * oneDNN 2.6.3, and 2.20 to 2.38 s with loops of our own, which in single calls are as fast. */
static void choose_conv(ayf_heavy_kernel *k, ayf_op face, const ayf_element element[3]) {
    if (is_bf16(k) || choose_few_outputs(k, face) || choose_avx512(k, face, element)) return;
    choose_avx2(k, face);
}

/* ---- Preparing ---- */

static ayf_status check_conv(ayf_heavy *h, const ayf_conv_shape *s) {
    const char *why = ayf_conv_misfit(s);
    if (!why) return AYF_OK;
    return ayf_fail(h->ctx, AYF_E_INTERNAL,
                    "convolution of [%lld,%lld,%lld,%lld] with [%lld,%lld,%lld,%lld] cannot give "
                    "[%lld,%lld,%lld,%lld] with stride %lld and padding %lld,%lld,%lld,%lld: %s",
                    (long long)s->x[0], (long long)s->x[1], (long long)s->x[2], (long long)s->x[3],
                    (long long)s->w[0], (long long)s->w[1], (long long)s->w[2], (long long)s->w[3],
                    (long long)s->y[0], (long long)s->y[1], (long long)s->y[2], (long long)s->y[3],
                    (long long)s->stride, (long long)s->pad_top, (long long)s->pad_left,
                    (long long)s->pad_bottom, (long long)s->pad_right, why);
}

static int64_t elements(const int64_t dim[4]) { return dim[0] * dim[1] * dim[2] * dim[3]; }

ayf_status ayf_heavy_prepare_conv(ayf_heavy *heavy, const ayf_conv_shape *shape, ayf_op face,
                                  const ayf_element element[3], ayf_heavy_kernel **out) {
    *out = NULL;
    AYF_TRY(check_conv(heavy, shape));
    int64_t x = elements(shape->x), w = elements(shape->w), y = elements(shape->y);
    const int64_t count[3] = {face == AYF_OP_CONV_DGRAD ? y : x, face == AYF_OP_CONV_WGRAD ? y : w,
                              face == AYF_OP_CONV_FPROP   ? y
                              : face == AYF_OP_CONV_DGRAD ? x
                                                          : w};
    ayf_heavy_kernel *k;
    AYF_TRY(new_kernel(heavy, element, count, &k));
    k->shape = *shape;
    choose_conv(k, face, element);
    ayf_status status = AYF_OK;
    if (k->method == METHOD_ONEDNN)
        status = ayf_onednn_prepare_conv(heavy->onednn, shape, face, k->inside, &k->onednn);
    return finish(k, status, out);
}

ayf_status ayf_heavy_prepare_gemm(ayf_heavy *heavy, const ayf_gemm_shape *shape, const ayf_element element[3],
                                  ayf_heavy_kernel **out) {
    *out = NULL;
    const ayf_gemm_shape *s = shape;
    if (s->batch <= 0 || s->m <= 0 || s->n <= 0 || s->k <= 0 || s->stride_a < 0 || s->stride_b < 0)
        return ayf_fail(heavy->ctx, AYF_E_INTERNAL, "matrix product of %lld times %lld x %lld x %lld",
                        (long long)s->batch, (long long)s->m, (long long)s->n, (long long)s->k);
    int64_t step_a = s->stride_a ? s->stride_a : s->m * s->k,
            step_b = s->stride_b ? s->stride_b : s->k * s->n;
    const int64_t count[3] = {(s->batch - 1) * step_a + s->m * s->k, (s->batch - 1) * step_b + s->k * s->n,
                              s->batch * s->m * s->n};
    ayf_heavy_kernel *k;
    AYF_TRY(new_kernel(heavy, element, count, &k));
    /* Kernels of our own are no faster with large f32 products and slower with small ones. Mixed products,
     * which they would convert as they pack, are of 6 MFLOP at most. */
    return finish(k, ayf_onednn_prepare_gemm(heavy->onednn, shape, k->inside, &k->onednn), out);
}

void ayf_heavy_release(ayf_heavy_kernel *kernel) {
    if (!kernel) return;
    ayf_onednn_release(kernel->onednn);
    ayf_free(kernel->heavy->ctx, kernel);
}

/* ---- Running ---- */

size_t ayf_heavy_scratch_bytes(const ayf_heavy_kernel *kernel) { return kernel->scratch_bytes; }

const char *ayf_heavy_describe(const ayf_heavy_kernel *kernel) { return kernel->name; }

static void pack(const ayf_heavy_kernel *k, const void *b, void *packed) {
    if (k->method == METHOD_DIRECT512)
        ayf_direct512_pack(&k->direct512, b, packed);
    else
        ayf_winograd_pack(&k->winograd, b, packed);
}

/* `packed` holds b, where the method packs it; `rest` is scratch behind it. */
static ayf_status run_method(ayf_heavy_kernel *k, const void *a, const void *b, void *out, const void *packed,
                             void *rest) {
    switch (k->method) {
    case METHOD_ONEDNN:
        return ayf_onednn_run(k->onednn, a, b, out, b ? NULL : packed, rest);
    case METHOD_WGRAD:
        ayf_wgrad_run(&k->wgrad, a, b, out, rest);
        return AYF_OK;
    case METHOD_DIRECT:
        ayf_direct_run(&k->direct, a, b, out, rest);
        return AYF_OK;
    case METHOD_FEW_OUTPUTS:
        if (k->turned) ayf_conv_turn_weights(&k->shape, b, rest);
        ayf_few_outputs_run(&k->few, k->heavy->threads, a, k->turned ? rest : b, out);
        return AYF_OK;
    case METHOD_WGRAD512:
        ayf_wgrad512_run(&k->wgrad512, a, b, out, rest);
        return AYF_OK;
    case METHOD_DIRECT512:
        ayf_direct512_run(&k->direct512, a, packed, out, rest);
        return AYF_OK;
    case METHOD_WINOGRAD:
        ayf_winograd_run(&k->winograd, a, packed, out, rest);
        return AYF_OK;
    case METHOD_WINOGRAD_WGRAD:
        ayf_winograd_wgrad_run(&k->winograd_wgrad, a, b, out, rest);
        return AYF_OK;
    }
    return AYF_OK;
}

ayf_status ayf_heavy_run(ayf_heavy_kernel *kernel, const void *a, const void *b, void *out, void *scratch) {
    int threads = kernel->heavy->threads;
    const void *in[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (!kernel->converted[i]) continue;
        float *wide = (float *)((char *)scratch + kernel->offset[i]);
        widen(in[i], wide, kernel->count[i], threads);
        in[i] = wide;
    }
    void *result = kernel->converted[2] ? (char *)scratch + kernel->offset[2] : out;
    if (kernel->packed_bytes) pack(kernel, in[1], scratch);
    AYF_TRY(run_method(kernel, in[0], in[1], result, scratch, (char *)scratch + kernel->packed_bytes));
    if (kernel->converted[2]) narrow(result, out, kernel->count[2], threads);
    return AYF_OK;
}

/* Kernels of our own that pack b convert nothing before. */
size_t ayf_heavy_packed_bytes(const ayf_heavy_kernel *k) {
    if (k->converted[0] || k->converted[1] || k->converted[2]) return 0;
    return k->onednn ? ayf_onednn_packed_bytes(k->onednn) : k->packed_bytes;
}

ayf_status ayf_heavy_pack(ayf_heavy_kernel *kernel, const void *b, void *packed) {
    if (kernel->onednn) return ayf_onednn_pack(kernel->onednn, b, packed);
    pack(kernel, b, packed);
    return AYF_OK;
}

ayf_status ayf_heavy_run_packed(ayf_heavy_kernel *kernel, const void *a, const void *packed, void *out,
                                void *scratch) {
    return run_method(kernel, a, NULL, out, packed, scratch);
}

ayf_status ayf_heavy_conv_peak(ayf_heavy *heavy, ayf_element element, double *gflops) {
    enum { IMAGES = 32, SIZE = 8, CHANNELS = 128, TAPS = 9 };
    static const double SECONDS = 0.25;
    static const ayf_op faces[] = {AYF_OP_CONV_FPROP, AYF_OP_CONV_DGRAD};
    const ayf_conv_shape shape = {.x = {IMAGES, SIZE, SIZE, CHANNELS},
                                  .w = {CHANNELS, 3, 3, CHANNELS},
                                  .y = {IMAGES, SIZE, SIZE, CHANNELS},
                                  .stride = 1,
                                  .pad_top = 1,
                                  .pad_left = 1,
                                  .pad_bottom = 1,
                                  .pad_right = 1};
    const size_t image_floats = IMAGES * SIZE * SIZE * CHANNELS, weight_floats = CHANNELS * CHANNELS * TAPS;
    const ayf_element elements_of[3] = {element, element, element};
    const double gflop = 2e-9 * (double)image_floats * CHANNELS * TAPS;
    *gflops = 0.0;
    ayf_status status = AYF_OK;
    for (size_t i = 0; i < AYF_COUNT(faces) && status == AYF_OK; i++) {
        ayf_heavy_kernel *k = NULL;
        AYF_TRY(ayf_heavy_prepare_conv(heavy, &shape, faces[i], elements_of, &k));
        float *from = ayf_alloc(heavy->ctx, image_floats, sizeof *from);
        float *to = ayf_alloc(heavy->ctx, image_floats, sizeof *to);
        float *weights = ayf_alloc(heavy->ctx, weight_floats, sizeof *weights);
        void *scratch = ayf_alloc(heavy->ctx, k->scratch_bytes, 1);
        if (!from || !to || !weights || !scratch) status = AYF_E_MEMORY;
        double start = omp_get_wtime(), now = start;
        while (status == AYF_OK && now - start < SECONDS) {
            double began = now;
            status = ayf_heavy_run(k, from, weights, to, scratch);
            now = omp_get_wtime();
            if (status == AYF_OK && gflop / (now - began) > *gflops) *gflops = gflop / (now - began);
        }
        ayf_free(heavy->ctx, scratch);
        ayf_free(heavy->ctx, weights);
        ayf_free(heavy->ctx, to);
        ayf_free(heavy->ctx, from);
        ayf_heavy_release(k);
    }
    return status;
}

/* ---- Life ---- */

ayf_status ayf_heavy_open(ayf_context *ctx, int threads, ayf_heavy_choice choice, ayf_heavy **out) {
    *out = NULL;
    ayf_heavy *h = ayf_alloc(ctx, 1, sizeof *h);
    if (!h) return AYF_E_MEMORY;
    h->ctx = ctx;
    h->threads = threads > 0 ? threads : 1;
    bool own = choice != AYF_HEAVY_ONEDNN, multiplies = choice != AYF_HEAVY_WIDEN && choice != AYF_HEAVY_AVX2;
    h->always_own = choice == AYF_HEAVY_OWN;
    h->avx2 = own && ayf_avx2_available();
    h->avx512 = own && choice != AYF_HEAVY_AVX2 && ayf_avx512_available();
    h->multiplies_bf16 = multiplies && ayf_onednn_multiplies_bf16();
    ayf_status status = ayf_onednn_open(ctx, h->threads, &h->onednn);
    if (status != AYF_OK) {
        ayf_heavy_close(h);
        return status;
    }
    *out = h;
    return AYF_OK;
}

bool ayf_heavy_prefers_bf16(const ayf_heavy *heavy) { return heavy->multiplies_bf16; }

void ayf_heavy_close(ayf_heavy *heavy) {
    if (!heavy) return;
    ayf_onednn_close(heavy->onednn);
    ayf_free(heavy->ctx, heavy);
}
