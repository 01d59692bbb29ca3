#include "backend/ref/ref.h"

#include <math.h>
#include <string.h>

#include "backend/exchange.h"
#include "base/bf16.h"
#include "ir/conv.h"
#include "ir/scalar.h"

typedef struct ref_backend {
    ayf_backend base;
    ayf_status failed; /* the first failure since the last sync */
} ref_backend;

/* A step keeps copies of its nodes: the graph may not be touched after prepare. */
typedef struct ref_kernel {
    ayf_node out, in[AYF_MAX_INPUTS];
    ayf_filter filter;
    ayf_conv_shape conv;
    ayf_exchange *exchange;
    bool rounds; /* the result is AYF_BF16 */
} ref_kernel;

static size_t elements(const ayf_node *n) {
    size_t count = 1;
    for (int i = 0; i < n->rank; i++) count *= (size_t)n->dim[i];
    return count;
}

static void strides_of(const ayf_node *n, size_t *stride) {
    size_t step = 1;
    for (int i = n->rank; i-- > 0; step *= (size_t)n->dim[i]) stride[i] = step;
}

/* Coordinates of element `flat` of a tensor shaped like n. */
static void unravel(const ayf_node *n, size_t flat, int *at) {
    for (int i = n->rank; i-- > 0; flat /= (size_t)n->dim[i]) at[i] = (int)(flat % (size_t)n->dim[i]);
}

/* ---- Pointwise, reductions, moving ---- */

static void run_pointwise(const ref_kernel *k, const double *a, const double *b, double *out) {
    size_t count = elements(&k->out);
    for (size_t i = 0; i < count; i++) out[i] = ayf_scalar((ayf_op)k->out.op, a[i], b ? b[i] : 0);
}

/* SUM, ROWMAX, BROADCAST: pairs of elements whose coordinates agree but for axes of size 1. */
static void run_reduce(const ref_kernel *k, const double *a, double *out) {
    size_t stride[AYF_MAX_RANK], count = elements(&k->in[0]);
    int at[AYF_MAX_RANK];
    strides_of(&k->out, stride);
    for (size_t i = 0; i < elements(&k->out); i++) out[i] = k->out.op == AYF_OP_SUM ? 0 : -INFINITY;
    for (size_t i = 0; i < count; i++) {
        size_t to = 0;
        unravel(&k->in[0], i, at);
        for (int d = 0; d < k->out.rank; d++)
            if (k->out.dim[d] > 1) to += (size_t)at[d] * stride[d];
        if (k->out.op == AYF_OP_SUM)
            out[to] += a[i];
        else if (a[i] > out[to] || isnan(a[i]))
            out[to] = a[i];
    }
}

static void run_gather(const ref_kernel *k, const double *a, double *out) {
    size_t stride[AYF_MAX_RANK], count = elements(&k->out);
    int at[AYF_MAX_RANK];
    strides_of(&k->in[0], stride);
    for (size_t i = 0; i < count; i++) {
        size_t from = 0;
        unravel(&k->out, i, at);
        for (int d = 0; d < k->out.rank; d++) {
            if (k->out.op == AYF_OP_PERMUTE)
                from += (size_t)at[d] * stride[k->out.attr[d]];
            else if (k->out.op == AYF_OP_SLICE)
                from += (size_t)(at[d] + k->out.attr[d]) * stride[d];
            else if (k->in[0].dim[d] > 1)
                from += (size_t)at[d] * stride[d];
        }
        out[i] = a[from];
    }
}

static void scatter(const ayf_node *in, const ayf_node *out_node, const int32_t *start, const double *a,
                    double *out) {
    size_t stride[AYF_MAX_RANK], count = elements(in);
    int at[AYF_MAX_RANK];
    strides_of(out_node, stride);
    for (size_t i = 0; i < count; i++) {
        size_t to = 0;
        unravel(in, i, at);
        for (int d = 0; d < in->rank; d++) to += (size_t)(at[d] + start[d]) * stride[d];
        out[to] = a[i];
    }
}

static void run_pad(const ref_kernel *k, const double *a, double *out) {
    memset(out, 0, elements(&k->out) * sizeof *out);
    scatter(&k->in[0], &k->out, k->out.attr, a, out);
}

static void run_concat(const ref_kernel *k, const double *a, const double *b, double *out) {
    int32_t start[AYF_MAX_RANK] = {0};
    scatter(&k->in[0], &k->out, start, a, out);
    start[k->out.attr[0]] = k->in[0].dim[k->out.attr[0]];
    scatter(&k->in[1], &k->out, start, b, out);
}

static void run_upfirdn(const ref_kernel *k, const double *a, double *out) {
    const int32_t *d = k->out.dim, *s = k->in[0].dim;
    int up = k->out.attr[0], down = k->out.attr[1], pad = k->out.attr[2];
    for (int n = 0; n < d[0]; n++)
        for (int y = 0; y < d[1]; y++)
            for (int x = 0; x < d[2]; x++)
                for (int c = 0; c < d[3]; c++) {
                    double sum = 0;
                    for (int i = 0; i < k->filter.taps; i++)
                        for (int j = 0; j < k->filter.taps; j++) {
                            int v = y * down + i - pad, u = x * down + j - pad;
                            if (v < 0 || u < 0 || v % up || u % up || v / up >= s[1] || u / up >= s[2])
                                continue;
                            size_t from = (((size_t)n * (size_t)s[1] + (size_t)(v / up)) * (size_t)s[2] +
                                           (size_t)(u / up)) *
                                              (size_t)s[3] +
                                          (size_t)c;
                            sum += (double)k->filter.tap[i] * (double)k->filter.tap[j] * a[from];
                        }
                    *out++ = sum;
                }
}

/* ---- Convolution and matrix product ---- */

/* All three faces walk the same index set of the trilinear form. */
static void run_conv(const ref_kernel *k, const double *a, const double *b, double *out) {
    ayf_op face = (ayf_op)k->out.op;
    const double *x = face == AYF_OP_CONV_DGRAD ? NULL : a, *w = face == AYF_OP_CONV_WGRAD ? NULL : b;
    const double *y = face == AYF_OP_CONV_FPROP ? NULL : face == AYF_OP_CONV_DGRAD ? a : b;
    const ayf_conv_shape *s = &k->conv;
    int64_t channels = s->x[3], filters = s->y[3], taps = s->w[1] * s->w[2];
    memset(out, 0, elements(&k->out) * sizeof *out);
    for (int64_t n = 0; n < s->y[0]; n++)
        for (int64_t oh = 0; oh < s->y[1]; oh++)
            for (int64_t ow = 0; ow < s->y[2]; ow++)
                for (int64_t kh = 0; kh < s->w[1]; kh++)
                    for (int64_t kw = 0; kw < s->w[2]; kw++) {
                        int64_t h = oh * s->stride + kh - s->pad_top, v = ow * s->stride + kw - s->pad_left;
                        if (h < 0 || v < 0 || h >= s->x[1] || v >= s->x[2]) continue;
                        int64_t xi = ((n * s->x[1] + h) * s->x[2] + v) * channels;
                        int64_t yi = ((n * s->y[1] + oh) * s->y[2] + ow) * filters;
                        int64_t wi = (kh * s->w[2] + kw) * channels;
                        for (int64_t o = 0; o < filters; o++)
                            for (int64_t c = 0; c < channels; c++) {
                                int64_t at = o * taps * channels + wi + c;
                                if (face == AYF_OP_CONV_FPROP)
                                    out[yi + o] += x[xi + c] * w[at];
                                else if (face == AYF_OP_CONV_DGRAD)
                                    out[xi + c] += y[yi + o] * w[at];
                                else
                                    out[at] += x[xi + c] * y[yi + o];
                            }
                    }
}

static void run_gemm(const ref_kernel *k, const double *a, const double *b, double *out) {
    int r = k->out.rank;
    bool ta = k->out.attr[0], tb = k->out.attr[1];
    size_t batch = r == 3 ? (size_t)k->out.dim[0] : 1, m = (size_t)k->out.dim[r - 2],
           n = (size_t)k->out.dim[r - 1];
    size_t inner = (size_t)k->in[0].dim[r - 1 - ta];
    for (size_t z = 0; z < batch; z++, a += m * inner, b += inner * n)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t l = 0; l < inner; l++)
                    sum += a[ta ? l * m + i : i * inner + l] * b[tb ? j * inner + l : l * n + j];
                *out++ = sum;
            }
}

/* ---- The table ---- */

static void ref_launch(ayf_backend *backend, void *kernel, void *const *args, void *scratch) {
    ref_backend *own = (ref_backend *)backend;
    const ref_kernel *k = kernel;
    int inputs = ayf_op_table[k->out.op].inputs;
    const double *a = inputs > 0 ? args[0] : NULL, *b = inputs > 1 ? args[1] : NULL;
    double *out = args[inputs];
    switch (ayf_op_table[k->out.op].class_) {
    case AYF_CLASS_LEAF:
        for (size_t i = 0; i < elements(&k->out); i++) out[i] = k->out.value;
        break;
    case AYF_CLASS_POINTWISE:
        run_pointwise(k, a, b, out);
        break;
    case AYF_CLASS_REDUCE:
        run_reduce(k, a, out);
        break;
    case AYF_CLASS_VIEW:
        run_gather(k, a, out);
        break;
    case AYF_CLASS_COPY:
        if (inputs == 1)
            run_pad(k, a, out);
        else
            run_concat(k, a, b, out);
        break;
    case AYF_CLASS_RESAMPLE:
        run_upfirdn(k, a, out);
        break;
    case AYF_CLASS_CONV:
        run_conv(k, a, b, out);
        break;
    case AYF_CLASS_GEMM:
        run_gemm(k, a, b, out);
        break;
    case AYF_CLASS_COMM: {
        ayf_status status = ayf_exchange_run(k->exchange, args, scratch);
        if (own->failed == AYF_OK) own->failed = status;
        break;
    }
    }
    for (size_t i = 0; k->rounds && i < elements(&k->out); i++)
        out[i] = (double)ayf_bf16_round((float)out[i]);
}

static void ref_drop(ayf_backend *backend, void *kernel) {
    ayf_exchange_free(((ref_kernel *)kernel)->exchange);
    ayf_free(backend->ctx, kernel);
}

static ayf_status ref_prepare(ayf_backend *backend, const ayf_graph *g, const ayf_step *step, void **kernel,
                              ayf_kernel_memory *memory) {
    ref_kernel *k = ayf_alloc(backend->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    k->out = *ayf_at(g, step->node);
    for (int i = 0; i < ayf_op_table[k->out.op].inputs; i++) k->in[i] = *ayf_at(g, k->out.in[i]);
    if (k->out.op == AYF_OP_UPFIRDN) k->filter = g->filter[k->out.attr[3]];
    if (ayf_op_table[k->out.op].class_ == AYF_CLASS_CONV) k->conv = ayf_conv_of(g, &k->out);
    k->rounds = ayf_out_element(step, 0) == AYF_BF16;
    if (k->out.op == AYF_OP_ALLREDUCE) {
        ayf_status status = ayf_exchange_prepare(backend->ctx, g, step, true, &k->exchange);
        if (status != AYF_OK) {
            ref_drop(backend, k);
            return status;
        }
        memory->scratch = ayf_exchange_scratch_bytes(k->exchange);
    }
    *kernel = k;
    return AYF_OK;
}

static const char *ref_describe(const void *kernel) {
    (void)kernel;
    return "ref";
}

static ayf_status ref_alloc(ayf_backend *backend, size_t bytes, void **memory) {
    *memory = ayf_alloc(backend->ctx, bytes, 1);
    return *memory ? AYF_OK : AYF_E_MEMORY;
}

static void ref_release(ayf_backend *backend, void *memory) { ayf_free(backend->ctx, memory); }

static ayf_status ref_upload(ayf_backend *backend, void *to, const void *from, size_t count, bool from_f64) {
    (void)backend;
    double *out = to;
    for (size_t i = 0; i < count; i++)
        out[i] = from_f64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
    return AYF_OK;
}

static ayf_status ref_fetch(ayf_backend *backend, void *to, const void *from, size_t count, bool to_f64) {
    (void)backend;
    const double *in = from;
    for (size_t i = 0; i < count; i++) {
        if (to_f64)
            ((double *)to)[i] = in[i];
        else
            ((float *)to)[i] = (float)in[i];
    }
    return AYF_OK;
}

static ayf_status ref_copy(ayf_backend *backend, void *to, const void *from, size_t count) {
    (void)backend;
    memcpy(to, from, count * sizeof(double));
    return AYF_OK;
}

static ayf_status ref_poison(ayf_backend *backend, void *memory, size_t bytes) {
    (void)backend;
    memset(memory, 0xFF, bytes);
    return AYF_OK;
}

static ayf_status ref_sync(ayf_backend *backend) {
    ref_backend *own = (ref_backend *)backend;
    ayf_status status = own->failed;
    own->failed = AYF_OK;
    return status;
}

static ayf_status ref_facts(ayf_backend *backend, ayf_backend_facts *facts) {
    (void)backend;
    *facts =
        (ayf_backend_facts){.threads = 1, .conv_peak_gflops = (double)NAN, .bf16_peak_gflops = (double)NAN};
    return AYF_OK;
}

static void ref_close(ayf_backend *backend) { ayf_free(backend->ctx, backend); }

static const ayf_backend_ops ref_ops = {
    .name = "ref",
    .element_size = {[AYF_F32] = sizeof(double), [AYF_BF16] = sizeof(double)},
    .fuses = false,
    .close = ref_close,
    .alloc = ref_alloc,
    .release = ref_release,
    .upload = ref_upload,
    .fetch = ref_fetch,
    .copy = ref_copy,
    .poison = ref_poison,
    .prepare = ref_prepare,
    .launch = ref_launch,
    .describe = ref_describe,
    .drop = ref_drop,
    .sync = ref_sync,
    .facts = ref_facts,
};

ayf_status ayf_ref_open(ayf_context *ctx, ayf_backend **out) {
    ref_backend *own = ayf_alloc(ctx, 1, sizeof *own);
    if (!own) return AYF_E_MEMORY;
    own->base.ops = &ref_ops;
    own->base.ctx = ctx;
    *out = &own->base;
    return AYF_OK;
}
