#include "backend/cuda/axes.h"

#include <inttypes.h>

void ayf_cuda_dense(const ayf_cuda_axes *x, ayf_cuda_walk *walk) {
    int64_t elements = 1;
    *walk = (ayf_cuda_walk){0};
    for (int d = x->rank; d-- > 0; elements *= x->dim[d]) walk->stride[d] = elements;
}

static bool mergeable(const ayf_cuda_axes *x, int d) {
    for (uint32_t i = 0; i < x->walks; i++)
        if (x->walk[i].stride[d] != x->walk[i].stride[d + 1] * x->dim[d + 1]) return false;
    return true;
}

static void remove_axis(ayf_cuda_axes *x, int axis) {
    for (int d = axis; d + 1 < x->rank; d++) {
        x->dim[d] = x->dim[d + 1];
        for (uint32_t i = 0; i < x->walks; i++) x->walk[i].stride[d] = x->walk[i].stride[d + 1];
    }
    x->rank--;
    if (axis < x->split) x->split--;
}

static bool is_wide(const ayf_cuda_axes *x) {
    if (ayf_cuda_size(x, 0, x->rank) > AYF_CUDA_NARROW) return true;
    for (uint32_t i = 0; i < x->walks; i++) {
        int64_t low = x->walk[i].offset, high = low;
        for (int d = 0; d < x->rank; d++) {
            int64_t reach = x->walk[i].stride[d] * (x->dim[d] - 1);
            *(reach < 0 ? &low : &high) += reach;
        }
        if (low < INT32_MIN || high > INT32_MAX) return true;
    }
    return false;
}

void ayf_cuda_collapse(ayf_cuda_axes *x, bool rows) {
    for (int d = x->rank; d-- > 0;)
        if (x->dim[d] == 1 && x->rank > 1) remove_axis(x, d);
    for (int d = x->rank - 1; d-- > 0;)
        if ((!rows || d + 1 != x->split) && mergeable(x, d)) {
            x->dim[d + 1] *= x->dim[d]; /* with the strides of the inner one */
            remove_axis(x, d);
        }
    if (!rows) x->split = x->rank;
    x->wide = is_wide(x);
}

int64_t ayf_cuda_size(const ayf_cuda_axes *x, int first, int end) {
    int64_t size = 1;
    for (int d = first; d < end; d++) size *= x->dim[d];
    return size;
}

const char *ayf_cuda_index(const ayf_cuda_axes *x) { return x->wide ? "long" : "int"; }

void ayf_cuda_put_places(ayf_text *text, const ayf_cuda_axes *x, int first, int end, const char *flat) {
    int64_t step = 1;
    for (int d = end; d-- > first; step *= x->dim[d]) {
        ayf_text_print(text, "const %s d%d = %s", ayf_cuda_index(x), d, flat);
        if (step > 1) ayf_text_print(text, " / %" PRId64, step);
        if (d > first) ayf_text_print(text, " %% %" PRId64, x->dim[d]);
        ayf_text_print(text, ";\n");
    }
}

void ayf_cuda_put_address(ayf_text *text, const ayf_cuda_walk *walk, int end) {
    const char *between = "";
    if (walk->offset != 0) ayf_text_print(text, "%" PRId64, walk->offset), between = " + ";
    for (int d = 0; d < end; d++) {
        if (walk->stride[d] == 0) continue;
        ayf_text_print(text, "%sd%d", between, d);
        if (walk->stride[d] != 1) ayf_text_print(text, " * %" PRId64, walk->stride[d]);
        between = " + ";
    }
    if (*between == 0) ayf_text_print(text, "0");
}

int ayf_cuda_lanes(const ayf_cuda_axes *x) {
    return x->rank > 0 && x->dim[x->rank - 1] % AYF_CUDA_QUAD == 0 ? AYF_CUDA_QUAD : 1;
}

bool ayf_cuda_together(const ayf_cuda_axes *x, const ayf_cuda_walk *walk) {
    int lanes = ayf_cuda_lanes(x);
    if (lanes == 1) return true;
    bool aligned = walk->stride[x->rank - 1] == 1 && walk->offset % lanes == 0;
    for (int d = 0; d + 1 < x->rank; d++) aligned = aligned && walk->stride[d] % lanes == 0;
    return aligned;
}

int ayf_cuda_power_of_two(int64_t count) {
    int power = 1;
    while (power < count) power *= 2;
    return power;
}
