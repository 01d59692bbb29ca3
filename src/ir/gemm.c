#include "ir/gemm.h"

ayf_gemm_shape ayf_gemm_of(const ayf_node *n, const ayf_node *a) {
    int r = n->rank;
    return (ayf_gemm_shape){.batch = r == 3 ? n->dim[0] : 1,
                            .m = n->dim[r - 2],
                            .n = n->dim[r - 1],
                            .k = a->dim[r - 1 - n->attr[0]],
                            .transpose_a = n->attr[0],
                            .transpose_b = n->attr[1]};
}
