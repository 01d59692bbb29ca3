/* cuBLASLt: column-major products by three loops. */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

enum { WORKSPACE = 1000, ALIGNMENT = 64 };

typedef struct product {
    bool transposed[2];
} product;

typedef struct layout {
    bool bf16;
    int64_t rows, columns, ld, batch, apart;
} layout;

typedef struct preference {
    uint64_t limit;
    uint32_t schemes, alignment[4];
} preference;

size_t cublasLtGetVersion(void) { return 130100; }
const char *cublasLtGetStatusString(ayf_lt_status status) {
    return status ? "an error of the fake" : "success";
}

static ayf_lt_status make(void *out, const void *value, size_t size) {
    if (fake_fails()) return 3;
    void *made = malloc(size);
    FAKE_REQUIRE(made);
    memcpy(made, value, size);
    memcpy(out, &made, sizeof made);
    fake_count(&fake.objects, 1);
    return CUBLAS_STATUS_SUCCESS;
}

static ayf_lt_status destroy(void *made) {
    FAKE_REQUIRE(made);
    free(made);
    fake_count(&fake.objects, -1);
    return CUBLAS_STATUS_SUCCESS;
}

ayf_lt_status cublasLtCreate(ayf_lt_handle *out) { return make(out, "handle", 7); }
ayf_lt_status cublasLtDestroy(ayf_lt_handle handle) { return destroy(handle); }

ayf_lt_status cublasLtMatmulDescCreate(ayf_lt_product *out, ayf_lt_compute compute, ayf_lt_data scale) {
    FAKE_REQUIRE(compute == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F);
    return make(out, &(product){{false, false}}, sizeof(product));
}
ayf_lt_status cublasLtMatmulDescDestroy(ayf_lt_product p) { return destroy(p); }

ayf_lt_status cublasLtMatmulDescSetAttribute(ayf_lt_product p, ayf_lt_product_name name, const void *value,
                                             size_t size) {
    int32_t op;
    FAKE_REQUIRE((name == CUBLASLT_MATMUL_DESC_TRANSA || name == CUBLASLT_MATMUL_DESC_TRANSB) &&
                 size == sizeof op);
    memcpy(&op, value, size);
    FAKE_REQUIRE(op == CUBLAS_OP_N || op == CUBLAS_OP_T);
    ((product *)p)->transposed[name == CUBLASLT_MATMUL_DESC_TRANSB] = op == CUBLAS_OP_T;
    return fake_fails() ? 7 : CUBLAS_STATUS_SUCCESS;
}

ayf_lt_status cublasLtMatrixLayoutCreate(ayf_lt_layout *out, ayf_lt_data type, uint64_t rows,
                                         uint64_t columns, int64_t ld) {
    FAKE_REQUIRE((type == CUDA_R_32F || type == CUDA_R_16BF) && ld >= (int64_t)rows && rows > 0 &&
                 columns > 0);
    return make(out, &(layout){type == CUDA_R_16BF, (int64_t)rows, (int64_t)columns, ld, 1, 0},
                sizeof(layout));
}
ayf_lt_status cublasLtMatrixLayoutDestroy(ayf_lt_layout l) { return destroy(l); }

ayf_lt_status cublasLtMatrixLayoutSetAttribute(ayf_lt_layout of, ayf_lt_layout_name name, const void *value,
                                               size_t size) {
    layout *l = of;
    int32_t batch;
    if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) {
        FAKE_REQUIRE(size == sizeof batch);
        memcpy(&batch, value, size);
        l->batch = batch;
    } else {
        FAKE_REQUIRE(name == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && size == sizeof l->apart);
        memcpy(&l->apart, value, size);
    }
    return fake_fails() ? 7 : CUBLAS_STATUS_SUCCESS;
}

/* As the library begins: aligned to 256 bytes, any way of adding up. */
ayf_lt_status cublasLtMatmulPreferenceCreate(ayf_lt_preference *out) {
    return make(out, &(preference){0, 7, {256, 256, 256, 256}}, sizeof(preference));
}
ayf_lt_status cublasLtMatmulPreferenceDestroy(ayf_lt_preference p) { return destroy(p); }

ayf_lt_status cublasLtMatmulPreferenceSetAttribute(ayf_lt_preference of, ayf_lt_preference_name name,
                                                   const void *value, size_t size) {
    preference *p = of;
    void *to = name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES     ? (void *)&p->limit
               : name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK ? (void *)&p->schemes
               : name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES ? (void *)&p->alignment[0]
               : name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES ? (void *)&p->alignment[1]
               : name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES ? (void *)&p->alignment[2]
               : name == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES ? (void *)&p->alignment[3]
                                                                    : NULL;
    FAKE_REQUIRE(to && size == (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? sizeof p->limit
                                                                                 : sizeof(uint32_t)));
    memcpy(to, value, size);
    return fake_fails() ? 7 : CUBLAS_STATUS_SUCCESS;
}

typedef struct job {
    product p;
    layout a, b, out;
    const void *from[2];
    void *to;
} job;

static void check_shapes(const job *j) {
    int64_t m = j->p.transposed[0] ? j->a.columns : j->a.rows,
            k = j->p.transposed[0] ? j->a.rows : j->a.columns;
    int64_t k2 = j->p.transposed[1] ? j->b.columns : j->b.rows,
            n = j->p.transposed[1] ? j->b.rows : j->b.columns;
    FAKE_REQUIRE(m == j->out.rows && n == j->out.columns && k == k2);
    FAKE_REQUIRE(j->a.batch == j->out.batch && j->b.batch == j->out.batch && j->a.bf16 == j->b.bf16);
}

ayf_lt_status cublasLtMatmulAlgoGetHeuristic(ayf_lt_handle handle, ayf_lt_product p, ayf_lt_layout a,
                                             ayf_lt_layout b, ayf_lt_layout c, ayf_lt_layout d,
                                             ayf_lt_preference preferred, int wanted,
                                             ayf_lt_heuristic *result, int *found) {
    const preference *pr = preferred;
    job j = {*(product *)p, *(layout *)a, *(layout *)b, *(layout *)d, {NULL, NULL}, NULL};
    FAKE_REQUIRE(handle && c == d && wanted == 1 && pr->limit >= WORKSPACE &&
                 pr->schemes == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
    for (int i = 0; i < 4; i++) FAKE_REQUIRE(pr->alignment[i] <= ALIGNMENT);
    check_shapes(&j);
    if (!j.a.bf16 && j.out.bf16) return 15; /* "not supported" */
    if (fake_fails()) return 15;
    *result = (ayf_lt_heuristic){.workspaceSize = WORKSPACE};
    result->algo.data[0] = 42;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static void multiply(const void *data) {
    const job *j = data;
    int64_t inner = j->p.transposed[0] ? j->a.rows : j->a.columns;
    for (int64_t z = 0; z < j->out.batch; z++)
        for (int64_t column = 0; column < j->out.columns; column++)
            for (int64_t row = 0; row < j->out.rows; row++) {
                double sum = 0;
                for (int64_t k = 0; k < inner; k++) {
                    int64_t at = j->p.transposed[0] ? row * j->a.ld + k : k * j->a.ld + row;
                    int64_t bt = j->p.transposed[1] ? k * j->b.ld + column : column * j->b.ld + k;
                    sum += fake_get(j->from[0], (size_t)(z * j->a.apart + at), j->a.bf16) *
                           fake_get(j->from[1], (size_t)(z * j->b.apart + bt), j->b.bf16);
                }
                fake_put(j->to, (size_t)(z * j->out.apart + column * j->out.ld + row), j->out.bf16, sum);
            }
}

static bool is_layout(const void *memory, const layout *l) {
    size_t last = (size_t)((l->batch - 1) * l->apart + (l->columns - 1) * l->ld + l->rows);
    return (uintptr_t)memory % ALIGNMENT == 0 && fake_is_device(memory, last * (l->bf16 ? 2 : 4));
}

ayf_lt_status cublasLtMatmul(ayf_lt_handle handle, ayf_lt_product p, const void *alpha, const void *a,
                             ayf_lt_layout al, const void *b, ayf_lt_layout bl, const void *beta,
                             const void *c, ayf_lt_layout cl, void *d, ayf_lt_layout dl,
                             const ayf_lt_algorithm *algorithm, void *workspace, size_t bytes,
                             ayf_cu_stream stream) {
    job j = {*(product *)p, *(layout *)al, *(layout *)bl, *(layout *)dl, {a, b}, d};
    FAKE_REQUIRE(handle && *(const float *)alpha == 1 && *(const float *)beta == 0 && c == d && cl == dl);
    FAKE_REQUIRE(algorithm->data[0] == 42 && bytes >= WORKSPACE && fake_is_device(workspace, bytes));
    FAKE_REQUIRE(is_layout(a, &j.a) && is_layout(b, &j.b) && is_layout(d, &j.out));
    check_shapes(&j);
    if (fake_fails()) return 13;
    fake_enqueue(stream, multiply, &j, sizeof j);
    return CUBLAS_STATUS_SUCCESS;
}
