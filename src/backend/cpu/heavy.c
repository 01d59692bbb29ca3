#include "backend/cpu/heavy.h"

#include <omp.h>

#include "backend/cpu/conv_avx2.h"

struct ayf_heavy {
    ayf_context *ctx;
    int threads;
    bool own_kernels;
    ayf_onednn *onednn;
};

typedef enum method { METHOD_ONEDNN, METHOD_WGRAD, METHOD_DIRECT, METHOD_FEW_OUTPUTS } method;

struct ayf_heavy_kernel {
    ayf_heavy *heavy;
    method method;
    ayf_onednn_kernel *onednn; /* METHOD_ONEDNN */
    ayf_conv_shape shape;
    ayf_conv_shape few; /* METHOD_FEW_OUTPUTS: what is run, turned for the data gradient */
    bool turned;
    ayf_wgrad wgrad;   /* METHOD_WGRAD */
    ayf_direct direct; /* METHOD_DIRECT */
    size_t scratch_bytes;
    const char *name;
};

/* ---- Preparing ---- */

static ayf_status new_kernel(ayf_heavy *h, ayf_heavy_kernel **out) {
    ayf_heavy_kernel *k = ayf_alloc(h->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    k->heavy = h;
    *out = k;
    return AYF_OK;
}

/* Hands `k` over once oneDNN, where it is chosen, has made its kernel with `status`. */
static ayf_status finish(ayf_heavy_kernel *k, ayf_status status, ayf_heavy_kernel **out) {
    if (status != AYF_OK) {
        ayf_heavy_release(k);
        return status;
    }
    if (k->onednn) {
        k->scratch_bytes = ayf_onednn_scratch_bytes(k->onednn);
        k->name = ayf_onednn_describe(k->onednn);
    }
    *out = k;
    return AYF_OK;
}

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

/* Fixed by measurement; see experiments/bench_conv.c. */
static void choose_method(ayf_heavy_kernel *k, ayf_op face) {
    enum { MANY_INPUTS = 8 };
    const ayf_conv_shape *s = &k->shape;
    bool data_gradient = face == AYF_OP_CONV_DGRAD, convolves = true;
    if (!k->heavy->own_kernels) return;
    if (face == AYF_OP_CONV_WGRAD) {
        k->method = METHOD_WGRAD;
        ayf_wgrad_plan(&k->wgrad, s, k->heavy->threads);
        k->scratch_bytes = ayf_wgrad_scratch_bytes(&k->wgrad);
        k->name = k->wgrad.swapped ? "avx2 wgrad over outputs" : "avx2 wgrad";
        return;
    }
    k->few = *s;
    if (data_gradient) convolves = ayf_conv_turn(&k->few, s);
    if (convolves && k->few.y[3] <= AYF_FEW_OUTPUTS && k->few.x[3] >= MANY_INPUTS) {
        k->method = METHOD_FEW_OUTPUTS;
        k->turned = data_gradient;
        if (k->turned) k->scratch_bytes = (size_t)(s->w[0] * s->w[1] * s->w[2] * s->w[3]) * sizeof(float);
        k->name = "avx2 few outputs";
    } else if (s->w[1] * s->w[2] > 1 && ayf_direct_plan(&k->direct, s, data_gradient, k->heavy->threads)) {
        k->method = METHOD_DIRECT;
        k->scratch_bytes = ayf_direct_scratch_bytes(&k->direct);
        k->name = "avx2 direct";
    }
}

ayf_status ayf_heavy_prepare_conv(ayf_heavy *heavy, const ayf_conv_shape *shape, ayf_op face,
                                  ayf_heavy_kernel **out) {
    *out = NULL;
    AYF_TRY(check_conv(heavy, shape));
    ayf_heavy_kernel *k;
    AYF_TRY(new_kernel(heavy, &k));
    k->shape = *shape;
    choose_method(k, face);
    ayf_status status = AYF_OK;
    if (k->method == METHOD_ONEDNN) status = ayf_onednn_prepare_conv(heavy->onednn, shape, face, &k->onednn);
    return finish(k, status, out);
}

ayf_status ayf_heavy_prepare_gemm(ayf_heavy *heavy, const ayf_gemm_shape *shape, ayf_heavy_kernel **out) {
    *out = NULL;
    if (shape->batch <= 0 || shape->m <= 0 || shape->n <= 0 || shape->k <= 0 || shape->stride_a < 0 ||
        shape->stride_b < 0)
        return ayf_fail(heavy->ctx, AYF_E_INTERNAL, "matrix product of %lld times %lld x %lld x %lld",
                        (long long)shape->batch, (long long)shape->m, (long long)shape->n,
                        (long long)shape->k);
    ayf_heavy_kernel *k;
    AYF_TRY(new_kernel(heavy, &k));
    return finish(k, ayf_onednn_prepare_gemm(heavy->onednn, shape, &k->onednn), out);
}

void ayf_heavy_release(ayf_heavy_kernel *kernel) {
    if (!kernel) return;
    ayf_onednn_release(kernel->onednn);
    ayf_free(kernel->heavy->ctx, kernel);
}

/* ---- Running ---- */

size_t ayf_heavy_scratch_bytes(const ayf_heavy_kernel *kernel) { return kernel->scratch_bytes; }

const char *ayf_heavy_describe(const ayf_heavy_kernel *kernel) { return kernel->name; }

ayf_status ayf_heavy_run(ayf_heavy_kernel *kernel, const float *a, const float *b, float *out,
                         void *scratch) {
    switch (kernel->method) {
    case METHOD_ONEDNN:
        return ayf_onednn_run(kernel->onednn, a, b, out, scratch);
    case METHOD_WGRAD:
        ayf_wgrad_run(&kernel->wgrad, a, b, out, scratch);
        return AYF_OK;
    case METHOD_DIRECT:
        ayf_direct_run(&kernel->direct, a, b, out, scratch);
        return AYF_OK;
    case METHOD_FEW_OUTPUTS:
        if (kernel->turned) ayf_conv_turn_weights(&kernel->shape, b, scratch);
        ayf_few_outputs_run(&kernel->few, kernel->heavy->threads, a, kernel->turned ? scratch : b, out);
        return AYF_OK;
    }
    return AYF_OK;
}

ayf_status ayf_heavy_conv_peak(ayf_heavy *heavy, double *gflops) {
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
    const double gflop = 2e-9 * (double)image_floats * CHANNELS * TAPS;
    *gflops = 0.0;
    ayf_status status = AYF_OK;
    for (size_t i = 0; i < AYF_COUNT(faces) && status == AYF_OK; i++) {
        ayf_heavy_kernel *k = NULL;
        AYF_TRY(ayf_heavy_prepare_conv(heavy, &shape, faces[i], &k));
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

ayf_status ayf_heavy_open(ayf_context *ctx, int threads, ayf_heavy **out) {
    *out = NULL;
    ayf_heavy *h = ayf_alloc(ctx, 1, sizeof *h);
    if (!h) return AYF_E_MEMORY;
    h->ctx = ctx;
    h->threads = threads > 0 ? threads : 1;
    h->own_kernels = ayf_avx2_available() && !ayf_avx512_available();
    ayf_status status = ayf_onednn_open(ctx, h->threads, &h->onednn);
    if (status != AYF_OK) {
        ayf_heavy_close(h);
        return status;
    }
    *out = h;
    return AYF_OK;
}

void ayf_heavy_own_kernels(ayf_heavy *heavy, bool use) { heavy->own_kernels = use && ayf_avx2_available(); }

void ayf_heavy_close(ayf_heavy *heavy) {
    if (!heavy) return;
    ayf_onednn_close(heavy->onednn);
    ayf_free(heavy->ctx, heavy);
}
