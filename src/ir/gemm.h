/* The matrix product that a GEMM node is. */
#ifndef AYF_GEMM_H
#define AYF_GEMM_H

#include "ir/ir.h"

/* D[b] = op(A[b]) op(B[b]) with D [batch,m,n] dense, op(A) m x k, op(B) k x n. A transposed A[b] is stored
 * k x m, a transposed B[b] n x k. Strides count elements from one matrix of the batch to the next; 0 = dense.
 */
typedef struct ayf_gemm_shape {
    int64_t batch, m, n, k;
    bool transpose_a, transpose_b;
    int64_t stride_a, stride_b;
} ayf_gemm_shape;

/* Of `n`, a GEMM node whose first input is `a`. */
ayf_gemm_shape ayf_gemm_of(const ayf_node *n, const ayf_node *a);

#endif
