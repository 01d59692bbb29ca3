#include "backend/cuda/gemm.h"

#include "pass/plan.h"

enum { WORKSPACE_LIMIT = 32 << 20 };

struct ayf_cuda_gemm {
    ayf_lt_product product;
    ayf_lt_layout first, second, out; /* cuBLASLt's operands: our b, our a */
    ayf_lt_heuristic chosen;
};

static const char doing[] = "preparing a matrix product";

static ayf_lt_data type_of(ayf_element element) { return element == AYF_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/* cuBLASLt's matrices lie column by column, so a row-major one of (rows, columns) is its (columns, rows). */
static ayf_status new_layout(const ayf_cuda_device *d, ayf_element element, int64_t rows, int64_t columns,
                             int64_t batch, ayf_lt_layout *out) {
    int32_t count = (int32_t)batch;
    int64_t apart = rows * columns;
    AYF_TRY(ayf_cuda_check_lt(
        d,
        d->api.cublasLtMatrixLayoutCreate(out, type_of(element), (uint64_t)columns, (uint64_t)rows, columns),
        doing));
    AYF_TRY(ayf_cuda_check_lt(d,
                              d->api.cublasLtMatrixLayoutSetAttribute(
                                  *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
                              doing));
    return ayf_cuda_check_lt(d,
                             d->api.cublasLtMatrixLayoutSetAttribute(
                                 *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &apart, sizeof apart),
                             doing);
}

/* out' = op(b)' op(a)': b is cuBLASLt's first operand. */
static ayf_status new_product(const ayf_cuda_device *d, const ayf_gemm_shape *s, ayf_lt_product *out) {
    int32_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
            second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    AYF_TRY(
        ayf_cuda_check_lt(d, d->api.cublasLtMatmulDescCreate(out, CUBLAS_COMPUTE_32F, CUDA_R_32F), doing));
    AYF_TRY(ayf_cuda_check_lt(
        d, d->api.cublasLtMatmulDescSetAttribute(*out, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
        doing));
    return ayf_cuda_check_lt(
        d, d->api.cublasLtMatmulDescSetAttribute(*out, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
        doing);
}

static ayf_status choose(const ayf_cuda_device *d, ayf_cuda_gemm *g, const ayf_gemm_shape *s) {
    ayf_lt_preference preference = NULL;
    uint64_t limit = WORKSPACE_LIMIT;
    /* Of a sum that is split: in 32 bits, and not in place by a counter, whose order is not fixed. */
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    uint32_t alignment = AYF_PLAN_ALIGN;
    int found = 0;
    AYF_TRY(ayf_cuda_check_lt(d, d->api.cublasLtMatmulPreferenceCreate(&preference), doing));
    const struct {
        ayf_lt_preference_name name;
        const void *value;
        size_t size;
    } wishes[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit},
                  {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment, sizeof alignment},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignment, sizeof alignment},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &alignment, sizeof alignment},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &alignment, sizeof alignment}};
    ayf_lt_status status = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < AYF_COUNT(wishes) && status == CUBLAS_STATUS_SUCCESS; i++)
        status = d->api.cublasLtMatmulPreferenceSetAttribute(preference, wishes[i].name, wishes[i].value,
                                                             wishes[i].size);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = d->api.cublasLtMatmulAlgoGetHeuristic(d->lt, g->product, g->first, g->second, g->out, g->out,
                                                       preference, 1, &g->chosen, &found);
    d->api.cublasLtMatmulPreferenceDestroy(preference);
    AYF_TRY(ayf_cuda_check_lt(d, status, doing));
    if (found > 0 && g->chosen.state == CUBLAS_STATUS_SUCCESS) return AYF_OK;
    return ayf_fail(d->ctx, AYF_E_DEVICE, "cuBLASLt has no product (%lld,%lld)(%lld,%lld) for %s",
                    (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n, d->name);
}

static ayf_status prepare(const ayf_cuda_device *d, ayf_cuda_gemm *g, const ayf_gemm_shape *s, ayf_element in,
                          ayf_element result) {
    AYF_TRY(new_product(d, s, &g->product));
    AYF_TRY(
        new_layout(d, in, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n, s->batch, &g->first));
    AYF_TRY(
        new_layout(d, in, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k, s->batch, &g->second));
    AYF_TRY(new_layout(d, result, s->m, s->n, s->batch, &g->out));
    return choose(d, g, s);
}

ayf_status ayf_cuda_gemm_new(const ayf_cuda_device *d, const ayf_gemm_shape *shape, ayf_element in,
                             ayf_element result, ayf_cuda_gemm **out) {
    ayf_cuda_gemm *g = ayf_alloc(d->ctx, 1, sizeof *g);
    if (!g) return AYF_E_MEMORY;
    ayf_status status = prepare(d, g, shape, in, result);
    if (status != AYF_OK) {
        ayf_cuda_gemm_free(d, g);
        return status;
    }
    *out = g;
    return AYF_OK;
}

void ayf_cuda_gemm_free(const ayf_cuda_device *d, ayf_cuda_gemm *g) {
    if (!g) return;
    if (g->product) d->api.cublasLtMatmulDescDestroy(g->product);
    if (g->first) d->api.cublasLtMatrixLayoutDestroy(g->first);
    if (g->second) d->api.cublasLtMatrixLayoutDestroy(g->second);
    if (g->out) d->api.cublasLtMatrixLayoutDestroy(g->out);
    ayf_free(d->ctx, g);
}

size_t ayf_cuda_gemm_scratch(const ayf_cuda_gemm *g) { return g->chosen.workspaceSize; }

ayf_status ayf_cuda_gemm_run(const ayf_cuda_device *d, const ayf_cuda_gemm *g, const void *a, const void *b,
                             void *out, void *scratch) {
    const float one = 1, zero = 0;
    return ayf_cuda_check_lt(d,
                             d->api.cublasLtMatmul(d->lt, g->product, &one, b, g->first, a, g->second, &zero,
                                                   out, g->out, out, g->out, &g->chosen.algo, scratch,
                                                   g->chosen.workspaceSize, d->stream),
                             "starting a matrix product");
}
