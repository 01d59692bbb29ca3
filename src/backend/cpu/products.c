/* What onednn.h declares, for a library without oneDNN that only samples: matrix products and forward
 * convolutions in f32. A convolution is a product whose rows are gathered from the image. */
#include "backend/cpu/onednn.h"

#include <omp.h>
#include <string.h>

#include "backend/cpu/avx2.h"

/* ---- One tile of a product: rows x columns sums of `depth` products ---- */

/* a[depth][rows], b[depth][columns] and out[rows][columns]; b and out are aligned to 64 bytes. */
typedef void tile_fn(int64_t depth, const float *a, const float *b, float *out);

typedef float vector4 __attribute__((vector_size(16)));
#define TILE(name, target, vector, rows)                                                                     \
    target static void name(int64_t depth, const float *a, const float *b, float *out) {                     \
        vector sum[rows][2] = {{{0}}}, *to = (vector *)out;                                                  \
        for (int64_t p = 0; p < depth; p++, a += (rows), b += 2 * sizeof(vector) / sizeof *b) {              \
            const vector b0 = ((const vector *)b)[0], b1 = ((const vector *)b)[1];                           \
            _Pragma("GCC unroll 16") for (int r = 0; r < (rows); r++) {                                      \
                sum[r][0] += a[r] * b0;                                                                      \
                sum[r][1] += a[r] * b1;                                                                      \
            }                                                                                                \
        }                                                                                                    \
        _Pragma("GCC unroll 16") for (int r = 0; r < (rows); r++) to[2 * r] = sum[r][0],                     \
                                                                         to[2 * r + 1] = sum[r][1];          \
    }

typedef struct tile {
    const char *name;
    int rows, columns;
    tile_fn *run;
} tile;

enum { ROWS_MOST = 12, COLUMNS_MOST = 32 };
TILE(run_baseline, , vector4, 4)
static const tile baseline = {"own product", 4, 8, run_baseline};
#if AYF_HAVE_AVX2
typedef float vector8 __attribute__((vector_size(32)));
typedef float vector16 __attribute__((vector_size(64)));
TILE(run_avx2, AVX2, vector8, 6)
TILE(run_avx512, AVX512, vector16, 12)
static const tile avx2 = {"own product avx2", 6, 16, run_avx2};
static const tile avx512 = {"own product avx512", ROWS_MOST, COLUMNS_MOST, run_avx512};
#endif

static const tile *best_tile(void) {
#if AYF_HAVE_AVX2
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2;
#endif
    return &baseline;
}

/* ---- A product ---- */

struct ayf_onednn {
    ayf_context *ctx;
    int threads;
    const tile *tile;
};

struct ayf_onednn_kernel {
    ayf_onednn *owner;
    ayf_gemm_shape gemm; /* of a convolution: one row per pixel of the output, b transposed */
    ayf_conv_shape conv;
    bool gathers; /* a is an image: rows are gathered as `conv` says */
    int64_t stride_a, stride_b;
    int64_t chunks, chunk; /* of the rows of one matrix; rows in a chunk, whole tiles */
    size_t packed;         /* floats of one b in panels of columns */
    size_t strip;          /* floats of one row of tiles of a */
};

/* b[depth][columns] as panels [depth][tile columns], the last one filled up with zeros. */
static void pack_b(const ayf_onednn_kernel *k, const float *b, float *to) {
    int64_t n = k->gemm.n, depth = k->gemm.k, width = k->owner->tile->columns;
    for (int64_t first = 0; first < n; first += width)
        for (int64_t p = 0; p < depth; p++)
            for (int64_t c = first; c < first + width; c++)
                *to++ = c >= n ? 0.0f : k->gemm.transpose_b ? b[c * depth + p] : b[p * n + c];
}

static void pack_row(const ayf_onednn_kernel *k, const float *a, int64_t row, float *to) {
    int64_t depth = k->gemm.k, m = k->gemm.m, step = k->owner->tile->rows;
    for (int64_t p = 0; p < depth; p++)
        to[p * step] = k->gemm.transpose_a ? a[p * m + row] : a[row * depth + p];
}

/* What the filter sees around pixel `row` of the output. */
static void gather_row(const ayf_onednn_kernel *k, const float *x, int64_t row, float *to) {
    const ayf_conv_shape *s = &k->conv;
    int64_t step = k->owner->tile->rows, channels = s->x[3];
    int64_t left = row % s->y[2] * s->stride - s->pad_left;
    int64_t top = row / s->y[2] % s->y[1] * s->stride - s->pad_top;
    const float *image = x + row / s->y[2] / s->y[1] * s->x[1] * s->x[2] * channels;
    for (int64_t i = top; i < top + s->w[1]; i++)
        for (int64_t j = left; j < left + s->w[2]; j++, to += channels * step) {
            bool inside = i >= 0 && j >= 0 && i < s->x[1] && j < s->x[2];
            const float *pixel = image + (inside ? (i * s->x[2] + j) * channels : 0);
            for (int64_t c = 0; c < channels; c++) to[c * step] = inside ? pixel[c] : 0.0f;
        }
}

static void pack_rows(const ayf_onednn_kernel *k, const float *a, int64_t first, int64_t count, float *to) {
    for (int64_t r = 0; r < count; r++) {
        if (k->gathers)
            gather_row(k, a, first + r, to + r);
        else
            pack_row(k, a, first + r, to + r);
    }
}

/* Rows from `first` on to before `end`; `panels` is b packed, `strip` scratch. */
static void run_rows(const ayf_onednn_kernel *k, const float *a, const float *panels, int64_t first,
                     int64_t end, float *out, float *strip) {
    const tile *t = k->owner->tile;
    int64_t n = k->gemm.n, depth = k->gemm.k;
    float sums[ROWS_MOST * COLUMNS_MOST] __attribute__((aligned(64)));
    for (; first < end; first += t->rows) {
        int64_t rows = smaller(t->rows, end - first);
        pack_rows(k, a, first, rows, strip);
        for (int64_t column = 0; column < n; column += t->columns) {
            t->run(depth, strip, panels + column * depth, sums);
            size_t bytes = (size_t)smaller(t->columns, n - column) * sizeof *out;
            for (int64_t r = 0; r < rows; r++)
                memcpy(out + (first + r) * n + column, sums + r * t->columns, bytes);
        }
    }
}

/* ---- Preparing ---- */

static ayf_status prepare(ayf_onednn *d, const ayf_gemm_shape *s, const ayf_element element[3],
                          ayf_onednn_kernel **out) {
    *out = NULL;
    for (int i = 0; i < 3; i++)
        if (element[i] != AYF_F32)
            return ayf_fail(d->ctx, AYF_E_INTERNAL, "a library without oneDNN multiplies 32 bits only");
    ayf_onednn_kernel *k = ayf_alloc(d->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    int64_t rows = d->tile->rows, columns = d->tile->columns;
    k->owner = d;
    k->gemm = *s;
    k->stride_a = s->stride_a ? s->stride_a : s->m * s->k;
    k->stride_b = s->stride_b ? s->stride_b : s->k * s->n;
    int64_t wanted = s->batch >= d->threads ? 1 : divide_up(d->threads, s->batch);
    k->chunk = divide_up(divide_up(s->m, wanted), rows) * rows;
    k->chunks = divide_up(s->m, k->chunk);
    k->packed = (size_t)(divide_up(s->n, columns) * columns * s->k);
    k->strip = lines(rows * s->k);
    *out = k;
    return AYF_OK;
}

ayf_status ayf_onednn_prepare_gemm(ayf_onednn *d, const ayf_gemm_shape *shape, const ayf_element element[3],
                                   ayf_onednn_kernel **out) {
    return prepare(d, shape, element, out);
}

ayf_status ayf_onednn_prepare_conv(ayf_onednn *d, const ayf_conv_shape *shape, ayf_op face,
                                   const ayf_element element[3], ayf_onednn_kernel **out) {
    *out = NULL;
    if (face != AYF_OP_CONV_FPROP)
        return ayf_fail(d->ctx, AYF_E_INTERNAL,
                        "a library without oneDNN has no derivatives of convolutions");
    ayf_gemm_shape rows = {.batch = 1,
                           .m = shape->y[0] * shape->y[1] * shape->y[2],
                           .n = shape->y[3],
                           .k = shape->w[1] * shape->w[2] * shape->w[3],
                           .transpose_b = true};
    AYF_TRY(prepare(d, &rows, element, out));
    (*out)->conv = *shape;
    (*out)->gathers = true;
    return AYF_OK;
}

void ayf_onednn_release(ayf_onednn_kernel *kernel) {
    if (kernel) ayf_free(kernel->owner->ctx, kernel);
}

const char *ayf_onednn_describe(const ayf_onednn_kernel *kernel) { return kernel->owner->tile->name; }

/* ---- Running ---- */

/* Every thread has a strip of a and, unless the caller keeps b packed, one b. */
size_t ayf_onednn_scratch_bytes(const ayf_onednn_kernel *k) {
    return (size_t)k->owner->threads * (k->strip + lines((int64_t)k->packed)) * sizeof(float);
}

size_t ayf_onednn_packed_bytes(const ayf_onednn_kernel *k) {
    return (size_t)k->gemm.batch * lines((int64_t)k->packed) * sizeof(float);
}

ayf_status ayf_onednn_pack(ayf_onednn_kernel *k, const void *b, void *packed) {
    for (int64_t z = 0; z < k->gemm.batch; z++)
        pack_b(k, (const float *)b + z * k->stride_b,
               (float *)packed + (size_t)z * lines((int64_t)k->packed));
    return AYF_OK;
}

ayf_status ayf_onednn_run(ayf_onednn_kernel *kernel, const void *a, const void *b, void *out,
                          const void *packed, void *scratch) {
    const ayf_onednn_kernel *k = kernel;
    const ayf_gemm_shape *s = &k->gemm;
    size_t one = lines((int64_t)k->packed);
#pragma omp parallel num_threads(k->owner->threads)
    {
        float *strip = (float *)scratch + (size_t)omp_get_thread_num() * (k->strip + one),
              *own = strip + k->strip;
        int64_t mine = -1; /* the matrix whose b is in `own` */
#pragma omp for schedule(static)
        for (int64_t item = 0; item < s->batch * k->chunks; item++) {
            int64_t z = item / k->chunks, first = item % k->chunks * k->chunk;
            if (!packed && z != mine) pack_b(k, (const float *)b + z * k->stride_b, own);
            mine = z;
            run_rows(k, (const float *)a + z * k->stride_a,
                     packed ? (const float *)packed + (size_t)z * one : own, first,
                     smaller(first + k->chunk, s->m), (float *)out + z * s->m * s->n, strip);
        }
    }
    return AYF_OK;
}

/* ---- Life ---- */

bool ayf_onednn_multiplies_bf16(void) { return false; }

ayf_status ayf_onednn_open(ayf_context *ctx, int threads, ayf_onednn **out) {
    *out = ayf_alloc(ctx, 1, sizeof **out);
    if (!*out) return AYF_E_MEMORY;
    **out = (ayf_onednn){.ctx = ctx, .threads = threads, .tile = best_tile()};
    return AYF_OK;
}

void ayf_onednn_close(ayf_onednn *d) {
    if (d) ayf_free(d->ctx, d);
}
