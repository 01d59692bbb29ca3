/* The CPU backend's convolutions and matrix products against plain loops in double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/conv_avx2.h"
#include "backend/cpu/patch_avx512.h"
#include "backend/cpu/heavy.h"
#include "base/bf16.h"
#include "base/rng.h"

enum { THREADS = 2 };
static const double TOLERANCE = 1e-5;
static const ayf_element F32[3] = {AYF_F32, AYF_F32, AYF_F32};

/* What is stored how: full precision, all bf16, weight gradients, and both mixtures of operands. */
static const ayf_element elements[][3] = {{AYF_F32, AYF_F32, AYF_F32},
                                          {AYF_BF16, AYF_BF16, AYF_BF16},
                                          {AYF_BF16, AYF_BF16, AYF_F32},
                                          {AYF_F32, AYF_BF16, AYF_BF16},
                                          {AYF_BF16, AYF_F32, AYF_F32}};
static const ayf_op faces[3] = {AYF_OP_CONV_FPROP, AYF_OP_CONV_DGRAD, AYF_OP_CONV_WGRAD};
#ifdef AYF_TEST_PRODUCTS
enum { FACES = 1 }; /* cpu/products.c in the place of oneDNN: forward only */
#else
enum { FACES = 3 };
#endif

static size_t requests; /* calls of the context's allocator that ask for memory */
static size_t live;
static size_t fail_at; /* the request that fails; 0 = none */

static void *counting_alloc(void *user, void *pointer, size_t size) {
    (void)user;
    if (size == 0) {
        free(pointer);
        live--;
        return NULL;
    }
    requests++;
    if (requests == fail_at) return NULL;
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    if (p) live++;
    return p;
}

/* oneDNN alone; our own kernels where the processor runs them; those of older processors, without AVX-512 and
 * without bf16. */
#ifdef AYF_TEST_PRODUCTS
enum { CHOICES = 2 };
#else
enum { CHOICES = 4 };
#endif
static const ayf_heavy_choice choices[] = {AYF_HEAVY_ONEDNN, AYF_HEAVY_OWN, AYF_HEAVY_AVX2, AYF_HEAVY_WIDEN};

typedef struct fixture {
    ayf_context *ctx;
    ayf_heavy *heavy[CHOICES];
} fixture;

static fixture open_with(int threads) {
    fixture f;
    f.ctx = ayf_open(&(ayf_options){.alloc = counting_alloc});
    assert_non_null(f.ctx);
    for (int i = 0; i < CHOICES; i++)
        assert_int_equal(ayf_heavy_open(f.ctx, threads, choices[i], &f.heavy[i]), AYF_OK);
    return f;
}

static void close_all(fixture f) {
    for (int i = 0; i < CHOICES; i++) ayf_heavy_close(f.heavy[i]);
    ayf_close(f.ctx);
    assert_int_equal(live, 0);
}

static float *random_array(int64_t count, uint64_t sample) {
    float *p = aligned_alloc(64, (size_t)(count * 4 + 63) / 64 * 64);
    assert_non_null(p);
    ayf_rng_normal((ayf_rng_key){.seed = 7, .purpose = AYF_RNG_TEST, .sample = sample}, p, (size_t)count);
    return p;
}

/* `values` as they are stored; the values themselves become what the store holds. */
static void *stored(float *values, int64_t count, ayf_element element) {
    size_t size = element == AYF_BF16 ? sizeof(ayf_bf16) : sizeof(float);
    void *p = aligned_alloc(64, ((size_t)count * size + 63) / 64 * 64);
    assert_non_null(p);
    if (element == AYF_F32) return memcpy(p, values, (size_t)count * size);
    for (int64_t i = 0; i < count; i++) {
        ((ayf_bf16 *)p)[i] = ayf_bf16_from_float(values[i]);
        values[i] = ayf_bf16_round(values[i]);
    }
    return p;
}

static float value_at(const void *array, int64_t i, ayf_element element) {
    return element == AYF_BF16 ? ayf_bf16_to_float(((const ayf_bf16 *)array)[i]) : ((const float *)array)[i];
}

static int64_t count4(const int64_t d[4]) { return d[0] * d[1] * d[2] * d[3]; }

/* Largest error relative to the root mean square of the sums of magnitudes, the scale of rounding. A bf16
 * result may also be off by one rounding of itself. */
static void assert_close(const void *got, ayf_element element, const double *want, const double *magnitude,
                         int64_t count, const char *name, const ayf_conv_shape *s) {
    const double rounding = element == AYF_BF16 ? 0x1p-8 : 0.0;
    double scale = 0.0, worst = 0.0;
    for (int64_t i = 0; i < count; i++) scale += magnitude[i] * magnitude[i];
    scale = sqrt(scale / (double)count) + 1e-30;
    for (int64_t i = 0; i < count; i++) {
        double error = fabs((double)value_at(got, i, element) - want[i]) - rounding * fabs(want[i]);
        if (!(error / scale <= worst)) worst = error / scale;
    }
    if (!(worst <= TOLERANCE)) {
        if (s)
            print_error("x %d %d %d %d, w %d %d %d %d, stride %d\n", (int)s->x[0], (int)s->x[1], (int)s->x[2],
                        (int)s->x[3], (int)s->w[0], (int)s->w[1], (int)s->w[2], (int)s->w[3], (int)s->stride);
        fail_msg("%s: relative error %g", name, worst);
    }
}

/* Runs `k` twice, on operands `a` and `b` and if it can on a packed b, and compares every time. */
static void check_runs(ayf_heavy_kernel *k, const ayf_element element[3], const void *a, const void *b,
                       const double *want, const double *magnitude, int64_t count, const ayf_conv_shape *s) {
    size_t size = element[2] == AYF_BF16 ? sizeof(ayf_bf16) : sizeof(float), length = (size_t)count * size;
    float *noise = random_array(count, 3);
    void *out = stored(noise, count, element[2]), *again = stored(noise, count, element[2]);
    size_t bytes = ayf_heavy_scratch_bytes(k), packed_bytes = ayf_heavy_packed_bytes(k);
    unsigned char *scratch = aligned_alloc(64, bytes / 64 * 64 + 128);
    unsigned char *packed = aligned_alloc(64, packed_bytes / 64 * 64 + 128);
    assert_true(scratch && packed);
    memset(scratch, 0xff, bytes + 64); /* not a number wherever nothing is written */
    memset(packed, 0xff, packed_bytes + 64);
    memset(out, 0xff, length);
    memset(again, 0xfe, length);

    size_t before = requests;
    assert_int_equal(ayf_heavy_run(k, a, b, out, scratch), AYF_OK);
    assert_int_equal(requests, before);
    assert_close(out, element[2], want, magnitude, count, ayf_heavy_describe(k), s);
    assert_int_equal(ayf_heavy_run(k, a, b, again, scratch), AYF_OK);
    assert_memory_equal(out, again, length);
    if (packed_bytes > 0) {
        assert_int_equal(ayf_heavy_pack(k, b, packed), AYF_OK);
        memset(again, 0xff, length);
        memset(scratch, 0xff, bytes);
        assert_int_equal(ayf_heavy_run_packed(k, a, packed, again, scratch), AYF_OK);
        assert_memory_equal(out, again, length);
    }
    for (size_t i = 0; i < 64; i++) assert_int_equal(scratch[bytes + i], 0xff);
    for (size_t i = 0; i < 64; i++) assert_int_equal(packed[packed_bytes + i], 0xff);
    free(packed);
    free(scratch);
    free(again);
    free(out);
    free(noise);
}

/* The trilinear form itself: every product is added to whichever array is wanted. */
static void plain_conv(const ayf_conv_shape *s, ayf_op face, const float *a, const float *b, double *out,
                       double *magnitude) {
    for (int64_t n = 0; n < s->y[0]; n++)
        for (int64_t i = 0; i < s->y[1]; i++)
            for (int64_t j = 0; j < s->y[2]; j++)
                for (int64_t p = 0; p < s->w[1]; p++)
                    for (int64_t q = 0; q < s->w[2]; q++) {
                        int64_t row = i * s->stride + p - s->pad_top,
                                column = j * s->stride + q - s->pad_left;
                        if (row < 0 || row >= s->x[1] || column < 0 || column >= s->x[2]) continue;
                        for (int64_t o = 0; o < s->y[3]; o++)
                            for (int64_t c = 0; c < s->x[3]; c++) {
                                int64_t xi = ((n * s->x[1] + row) * s->x[2] + column) * s->x[3] + c;
                                int64_t wi = ((o * s->w[1] + p) * s->w[2] + q) * s->w[3] + c;
                                int64_t yi = ((n * s->y[1] + i) * s->y[2] + j) * s->y[3] + o;
                                int64_t from_a = face == AYF_OP_CONV_DGRAD ? yi : xi;
                                int64_t from_b = face == AYF_OP_CONV_WGRAD ? yi : wi;
                                int64_t to = face == AYF_OP_CONV_FPROP   ? yi
                                             : face == AYF_OP_CONV_DGRAD ? xi
                                                                         : wi;
                                double product = (double)a[from_a] * (double)b[from_b];
                                out[to] += product;
                                magnitude[to] += fabs(product);
                            }
                    }
}

static const int64_t *face_array(const ayf_conv_shape *s, ayf_op face, int argument) {
    const int64_t *const fprop[] = {s->x, s->w, s->y}, *const dgrad[] = {s->y, s->w, s->x},
                         *const wgrad[] = {s->x, s->y, s->w};
    return (face == AYF_OP_CONV_FPROP ? fprop : face == AYF_OP_CONV_DGRAD ? dgrad : wgrad)[argument];
}

static ayf_conv_shape conv_shape(int n, int h, int w, int in, int out, int kh, int kw, int stride, int top,
                                 int left, int bottom, int right) {
    return (ayf_conv_shape){
        .x = {n, h, w, in},
        .w = {out, kh, kw, in},
        .y = {n, (h + top + bottom - kh) / stride + 1, (w + left + right - kw) / stride + 1, out},
        .stride = stride,
        .pad_top = top,
        .pad_left = left,
        .pad_bottom = bottom,
        .pad_right = right};
}

static void check_face(fixture f, const ayf_conv_shape *s, ayf_op face, const ayf_element element[3]) {
    int64_t count = count4(face_array(s, face, 2)), counts[2];
    float *value[2];
    void *array[2];
    for (int i = 0; i < 2; i++) {
        counts[i] = count4(face_array(s, face, i));
        value[i] = random_array(counts[i], (uint64_t)i + 1);
        array[i] = stored(value[i], counts[i], element[i]);
    }
    double *want = calloc((size_t)count, sizeof *want), *magnitude = calloc((size_t)count, sizeof *magnitude);
    assert_true(want && magnitude);
    plain_conv(s, face, value[0], value[1], want, magnitude);
    for (int choice = 0; choice < CHOICES; choice++) {
        ayf_heavy_kernel *k;
        if (ayf_heavy_prepare_conv(f.heavy[choice], s, face, element, &k) != AYF_OK)
            fail_msg("%s", ayf_error(f.ctx));
        check_runs(k, element, array[0], array[1], want, magnitude, count, s);
        ayf_heavy_release(k);
    }
    free(magnitude);
    free(want);
    for (int i = 0; i < 2; i++) {
        free(value[i]);
        free(array[i]);
    }
}

static void check_shape(fixture f, ayf_conv_shape s) {
    for (int face = 0; face < FACES; face++)
        for (size_t e = 0; e < AYF_COUNT(elements); e++) check_face(f, &s, faces[face], elements[e]);
}

static void test_conv_shapes(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        fixture f = open_with(threads);
        check_shape(f, conv_shape(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0));
        check_shape(f, conv_shape(3, 1, 1, 5, 7, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 5, 7, 3, 16, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 5, 7, 16, 3, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 5, 7, 19, 1, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 7, 5, 1, 21, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 7, 5, 10, 2, 2, 4, 2, 0, 1, 2, 3));
        check_shape(f, conv_shape(2, 9, 8, 9, 4, 4, 3, 1, 3, 2, 0, 1));
        check_shape(f, conv_shape(2, 8, 8, 24, 40, 4, 4, 2, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 8, 9, 8, 16, 3, 3, 2, 0, 1, 1, 0));
        check_shape(f, conv_shape(2, 5, 7, 12, 13, 2, 2, 1, 1, 0, 0, 1));
        check_shape(f, conv_shape(5, 4, 4, 32, 32, 3, 3, 1, 1, 1, 1, 1));
        check_shape(f, conv_shape(2, 6, 6, 33, 17, 1, 1, 1, 0, 0, 0, 0));
        check_shape(f, conv_shape(2, 6, 6, 16, 32, 1, 1, 2, 0, 0, 0, 0));
        check_shape(f, conv_shape(2, 3, 3, 16, 16, 1, 1, 1, 1, 0, 0, 2));
        close_all(f);
    }
}

/* More pixels than one work item holds: strips of rows, and groups of small images with a rest. */
static void test_conv_several_items(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    check_shape(f, conv_shape(2, 20, 33, 8, 20, 3, 3, 1, 1, 1, 1, 1));
    check_shape(f, conv_shape(1, 41, 37, 3, 6, 4, 4, 2, 2, 1, 0, 1));
    check_shape(f, conv_shape(19, 6, 6, 8, 8, 3, 3, 1, 1, 1, 1, 1));
    check_shape(f, conv_shape(1, 2, 300, 4, 8, 2, 3, 1, 1, 1, 0, 1));
    check_shape(f, conv_shape(3, 30, 21, 70, 30, 3, 3, 1, 1, 1, 1, 1));
    check_shape(f, conv_shape(2, 31, 40, 65, 16, 4, 2, 2, 1, 0, 2, 1));
    check_shape(f, conv_shape(9, 5, 5, 130, 48, 3, 3, 1, 1, 1, 1, 1));
    check_shape(f, conv_shape(3, 19, 21, 64, 48, 3, 3, 1, 1, 1, 1, 1));
    check_shape(f, conv_shape(2, 9, 8, 32, 80, 3, 3, 1, 2, 0, 0, 1));
    close_all(f);
}

static void test_conv_all_kernels(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    for (int kernel = 1; kernel <= 4; kernel++)
        for (int stride = 1; stride <= 2; stride++)
            for (int in = 1; in <= 25; in += 6)
                check_shape(f, conv_shape(2, 5, 7, in, 26 - in, kernel, kernel, stride, kernel / 2,
                                          (kernel - 1) / 2, (kernel - 1) / 2, kernel / 2));
    close_all(f);
}

static void test_conv_rejects_wrong_shapes(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    ayf_heavy_kernel *k;
    ayf_conv_shape s = conv_shape(2, 5, 7, 3, 4, 3, 3, 1, 1, 1, 1, 1);
    s.y[1]++;
    assert_int_equal(ayf_heavy_prepare_conv(f.heavy[0], &s, AYF_OP_CONV_FPROP, F32, &k), AYF_E_INTERNAL);
    assert_null(k);
    assert_non_null(strstr(ayf_error(f.ctx), "[2,5,7,3]"));
    s.y[1]--;
    s.w[3]++;
    assert_int_equal(ayf_heavy_prepare_conv(f.heavy[0], &s, AYF_OP_CONV_WGRAD, F32, &k), AYF_E_INTERNAL);
    close_all(f);
}

static void check_gemm(fixture f, const ayf_gemm_shape *s, const ayf_element element[3]) {
    int64_t step_a = s->stride_a ? s->stride_a : s->m * s->k,
            step_b = s->stride_b ? s->stride_b : s->k * s->n;
    int64_t count = s->batch * s->m * s->n;
    int64_t a_count = (s->batch - 1) * step_a + s->m * s->k, b_count = (s->batch - 1) * step_b + s->k * s->n;
    float *a = random_array(a_count, 5), *b = random_array(b_count, 6);
    void *a_stored = stored(a, a_count, element[0]), *b_stored = stored(b, b_count, element[1]);
    double *want = calloc((size_t)count, sizeof *want), *magnitude = calloc((size_t)count, sizeof *magnitude);
    assert_true(want && magnitude);
    for (int64_t i = 0; i < s->batch; i++)
        for (int64_t m = 0; m < s->m; m++)
            for (int64_t n = 0; n < s->n; n++)
                for (int64_t j = 0; j < s->k; j++) {
                    double left = (double)a[i * step_a + (s->transpose_a ? j * s->m + m : m * s->k + j)];
                    double right = (double)b[i * step_b + (s->transpose_b ? n * s->k + j : j * s->n + n)];
                    want[(i * s->m + m) * s->n + n] += left * right;
                    magnitude[(i * s->m + m) * s->n + n] += fabs(left * right);
                }
    for (int choice = 0; choice < CHOICES; choice++) {
        ayf_heavy_kernel *k;
        if (ayf_heavy_prepare_gemm(f.heavy[choice], s, element, &k) != AYF_OK)
            fail_msg("%s", ayf_error(f.ctx));
        check_runs(k, element, a_stored, b_stored, want, magnitude, count, NULL);
        ayf_heavy_release(k);
    }
    free(magnitude);
    free(want);
    free(b_stored);
    free(a_stored);
    free(b);
    free(a);
}

static void check_gemms(fixture f, const ayf_gemm_shape *s) {
    for (size_t e = 0; e < AYF_COUNT(elements); e++) check_gemm(f, s, elements[e]);
}

static void test_gemm(void **state) {
    (void)state;
    static const int64_t sizes[][4] = {{1, 1, 1, 1},    {1, 32, 64, 16},  {1, 7, 5, 3},     {1, 130, 67, 257},
                                       {5, 16, 16, 16}, {6, 33, 17, 9},   {4, 64, 64, 32},  {3, 1, 20, 31},
                                       {3, 20, 1, 31},  {1, 1, 70, 90},   {1, 70, 1, 90},   {2, 8, 8, 1},
                                       {1, 64, 1, 32},  {1, 300, 16, 40}, {1, 16, 16, 3000}};
    fixture f = open_with(THREADS);
    for (size_t i = 0; i < AYF_COUNT(sizes); i++)
        for (int transposes = 0; transposes < 4; transposes++) {
            ayf_gemm_shape s = {.batch = sizes[i][0],
                                .m = sizes[i][1],
                                .n = sizes[i][2],
                                .k = sizes[i][3],
                                .transpose_a = transposes & 1,
                                .transpose_b = transposes & 2};
            check_gemms(f, &s);
            s.stride_a = s.m * s.k + 5;
            s.stride_b = s.k * s.n + 3;
            check_gemms(f, &s);
        }
    close_all(f);
}

/* `names` per pair of channels and face. */
#ifndef AYF_TEST_PRODUCTS
static void check_rule(ayf_heavy *heavy, const ayf_element element[3], const char *const names[3][3]) {
    static const int channels[3][2] = {{64, 64}, {64, 3}, {4, 64}};
    for (int i = 0; i < 3; i++)
        for (int face = 0; face < 3; face++) {
            ayf_conv_shape s = conv_shape(2, 8, 8, channels[i][0], channels[i][1], 3, 3, 1, 1, 1, 1, 1);
            ayf_heavy_kernel *k;
            assert_int_equal(ayf_heavy_prepare_conv(heavy, &s, faces[face], element, &k), AYF_OK);
            assert_ptr_equal(strstr(ayf_heavy_describe(k), names[i][face]), ayf_heavy_describe(k));
            ayf_heavy_release(k);
        }
}

/* Which kernels the tests above reach where the processor has AVX2. */
static void test_rule_avx2(void **state) {
    (void)state;
    if (!ayf_avx2_available()) skip();
    fixture f = open_with(THREADS);
    static const char *const names[3][3] = {{"avx2 direct", "avx2 direct", "avx2 wgrad"},
                                            {"avx2 few outputs", "onednn", "avx2 wgrad"},
                                            {"onednn", "avx2 few outputs", "avx2 wgrad over outputs"}};
    for (size_t e = 0; e < AYF_COUNT(elements); e++) check_rule(f.heavy[2], elements[e], names);
    close_all(f);
}

static bool both_bf16(const ayf_element element[3]) {
    return element[0] == AYF_BF16 && element[1] == AYF_BF16;
}

/* The same with AVX-512. */
static void test_rule_avx512(void **state) {
    (void)state;
    if (!ayf_avx512_available()) skip();
    fixture f = open_with(THREADS);
    static const char *const direct[3][3] = {{"avx512 direct", "avx512 direct", "avx512 wgrad"},
                                             {"avx2 few outputs", "avx512 direct", "avx512 wgrad"},
                                             {"avx512 direct", "avx2 few outputs", "avx512 wgrad"}};
    static const char *const winograd[3][3] = {
        {"avx512 winograd", "avx512 winograd", "avx512 winograd wgrad"},
        {"avx2 few outputs", "avx512 winograd", "avx512 wgrad"},
        {"avx512 winograd", "avx2 few outputs", "avx512 wgrad"}};
    for (size_t e = 0; e < AYF_COUNT(elements); e++) check_rule(f.heavy[3], elements[e], direct);
    check_rule(f.heavy[1], F32, winograd);
    for (size_t e = 1; e < AYF_COUNT(elements); e++)
        if (!both_bf16(elements[e])) check_rule(f.heavy[1], elements[e], direct);
    close_all(f);
}

/* Products of bf16 operands are oneDNN's where the processor has any; where it has not, they are widened. */
static void test_rule_bf16(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    assert_int_equal(ayf_heavy_prefers_bf16(f.heavy[1]), ayf_onednn_multiplies_bf16());
    assert_false(ayf_heavy_prefers_bf16(f.heavy[2]));
    assert_false(ayf_heavy_prefers_bf16(f.heavy[3]));
    if (ayf_onednn_multiplies_bf16()) {
        static const char *const names[3][3] = {
            {"onednn", "onednn", "onednn"}, {"onednn", "onednn", "onednn"}, {"onednn", "onednn", "onednn"}};
        for (size_t e = 0; e < AYF_COUNT(elements); e++)
            if (both_bf16(elements[e])) check_rule(f.heavy[1], elements[e], names);
    }
    close_all(f);
}

#endif

/* Every array moved and the kernels run in turn: nothing is remembered from the run before. */
static void test_kernels_do_not_remember(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    ayf_conv_shape s = conv_shape(3, 6, 6, 12, 20, 3, 3, 1, 1, 1, 1, 1);
    for (int i = 0; i < 2 * FACES; i++) {
        ayf_op face = faces[i / 2];
        ayf_heavy_kernel *k;
        assert_int_equal(ayf_heavy_prepare_conv(f.heavy[i % 2], &s, face, F32, &k), AYF_OK);
        int64_t sizes[3];
        float *arrays[2][3];
        void *scratch[2];
        for (int j = 0; j < 3; j++) sizes[j] = count4(face_array(&s, face, j));
        for (int copy = 0; copy < 2; copy++) {
            for (int j = 0; j < 3; j++) arrays[copy][j] = random_array(sizes[j], (uint64_t)j);
            scratch[copy] = aligned_alloc(64, ayf_heavy_scratch_bytes(k) / 64 * 64 + 64);
            assert_non_null(scratch[copy]);
            memset(scratch[copy], copy ? 0x7f : 0, ayf_heavy_scratch_bytes(k));
            assert_int_equal(
                ayf_heavy_run(k, arrays[copy][0], arrays[copy][1], arrays[copy][2], scratch[copy]), AYF_OK);
        }
        assert_memory_equal(arrays[0][2], arrays[1][2], (size_t)sizes[2] * sizeof(float));
        for (int copy = 0; copy < 2; copy++) {
            for (int j = 0; j < 3; j++) free(arrays[copy][j]);
            free(scratch[copy]);
        }
        ayf_heavy_release(k);
    }
    close_all(f);
}

static void test_out_of_memory(void **state) {
    (void)state;
    ayf_context *ctx = ayf_open(&(ayf_options){.alloc = counting_alloc});
    assert_non_null(ctx);
    ayf_conv_shape s = conv_shape(1, 4, 4, 8, 8, 3, 3, 1, 1, 1, 1, 1);
    for (size_t nth = 1;; nth++) {
        fail_at = requests + nth;
        ayf_heavy *h = NULL;
        ayf_heavy_kernel *conv = NULL, *gemm = NULL;
        ayf_status status = ayf_heavy_open(ctx, THREADS, AYF_HEAVY_OWN, &h);
        if (status == AYF_OK) status = ayf_heavy_prepare_conv(h, &s, AYF_OP_CONV_FPROP, F32, &conv);
        ayf_gemm_shape g = {.batch = 1, .m = 4, .n = 4, .k = 4};
        if (status == AYF_OK) status = ayf_heavy_prepare_gemm(h, &g, F32, &gemm);
        ayf_heavy_release(gemm);
        ayf_heavy_release(conv);
        ayf_heavy_close(h);
        fail_at = 0;
        if (status == AYF_OK) {
            assert_in_range(nth, 5, 7); /* kernels of our own need one piece less than those of oneDNN */
            break;
        }
        assert_int_equal(status, AYF_E_MEMORY);
    }
    ayf_close(ctx);
    assert_int_equal(live, 0);
}

#ifndef AYF_TEST_PRODUCTS
static void test_conv_peak(void **state) {
    (void)state;
    fixture f = open_with(THREADS);
    double gflops = 0.0;
    for (ayf_element of = AYF_F32; of < AYF_ELEMENTS; of++) {
        assert_int_equal(ayf_heavy_conv_peak(f.heavy[0], of, &gflops), AYF_OK);
        assert_true(gflops > 0.1 && gflops < 1e6);
    }
    close_all(f);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_shapes),
        cmocka_unit_test(test_conv_several_items),
        cmocka_unit_test(test_conv_all_kernels),
        cmocka_unit_test(test_conv_rejects_wrong_shapes),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_kernels_do_not_remember),
        cmocka_unit_test(test_out_of_memory),
#ifndef AYF_TEST_PRODUCTS
        cmocka_unit_test(test_rule_avx2),
        cmocka_unit_test(test_rule_avx512),
        cmocka_unit_test(test_rule_bf16),
        cmocka_unit_test(test_conv_peak),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
