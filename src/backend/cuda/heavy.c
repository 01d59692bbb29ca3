#include "backend/cuda/heavy.h"

#include "backend/cuda/conv.h"
#include "backend/cuda/emit.h"
#include "backend/cuda/gemm.h"

enum { ARRAYS = 3 }; /* two operands and the result */

struct ayf_cuda_heavy {
    ayf_cuda_conv *conv;
    ayf_cuda_gemm *gemm;
    ayf_cuda_pointer at[ARRAYS];
    size_t workspace; /* in scratch memory */
};

/* cuDNN need not write a result of another element than its operands. */
static ayf_status make_conv(const ayf_cuda_device *d, const ayf_graph *g, const ayf_node *n, ayf_element in,
                            ayf_element *result, ayf_cuda_heavy *h) {
    ayf_conv_shape shape = ayf_conv_of(g, n);
    ayf_cuda_conv_face face = {(ayf_op)n->op, in, *result};
    AYF_TRY(ayf_cuda_conv_new(d, &shape, face, &h->conv));
    if (!h->conv && *result != in) {
        face.result = *result = in;
        AYF_TRY(ayf_cuda_conv_new(d, &shape, face, &h->conv));
    }
    if (h->conv) return AYF_OK;
    char why[256] = "";
    d->api.cudnnGetLastErrorString(why, sizeof why);
    return ayf_fail(d->ctx, AYF_E_DEVICE, "cuDNN has no convolution of %dx%d channels for %s (%s)%s%s",
                    (int)shape.w[3], (int)shape.w[0], d->name, ayf_op_table[n->op].name, *why ? ": " : "",
                    why);
}

static ayf_status prepare(const ayf_cuda_device *d, const ayf_graph *g, const ayf_step *step,
                          ayf_cuda_writer *before, ayf_cuda_writer *after, ayf_cuda_heavy *h) {
    const ayf_node *n = ayf_at(g, step->node);
    ayf_element stored[ARRAYS], in = AYF_BF16;
    for (int i = 0; i < ARRAYS; i++) {
        stored[i] = (ayf_element)step->element[i];
        h->at[i] = (ayf_cuda_pointer){i, 0};
        if (i < AYF_MAX_INPUTS && stored[i] == AYF_F32) in = AYF_F32;
    }
    if (in == AYF_BF16 && d->architecture < AYF_CUDA_AMPERE)
        return ayf_fail(
            d->ctx, AYF_E_USAGE,
            "%s has compute capability %d.%d, and bfloat16 needs 8.0; take train.precision = highest",
            d->name, d->architecture / 10, d->architecture % 10);
    ayf_element result = stored[2];
    for (int i = 0; i < AYF_MAX_INPUTS; i++) {
        int64_t elements = (int64_t)ayf_elements(g, n->in[i]);
        if (stored[i] == in) continue;
        h->at[i] = (ayf_cuda_pointer){AYF_CUDA_SCRATCH, ayf_cuda_reserve(before, elements)};
        AYF_TRY(ayf_cuda_emit_convert(before, elements, stored[i], (ayf_cuda_pointer){i, 0}, in, h->at[i]));
    }
    if (in == AYF_F32) result = AYF_F32; /* neither library narrows what it multiplies in 32 bits */
    if (n->op == AYF_OP_GEMM) {
        ayf_gemm_shape shape = ayf_gemm_of(n, ayf_at(g, n->in[0]));
        AYF_TRY(ayf_cuda_gemm_new(d, &shape, in, result, &h->gemm));
    } else {
        AYF_TRY(make_conv(d, g, n, in, &result, h));
    }
    if (result != stored[2]) {
        int64_t elements = (int64_t)ayf_node_elements(n);
        h->at[2] = (ayf_cuda_pointer){AYF_CUDA_SCRATCH, ayf_cuda_reserve(before, elements)};
        AYF_TRY(
            ayf_cuda_emit_convert(after, elements, result, h->at[2], stored[2], (ayf_cuda_pointer){2, 0}));
    }
    size_t bytes = h->gemm ? ayf_cuda_gemm_scratch(h->gemm) : ayf_cuda_conv_scratch(h->conv);
    h->workspace = ayf_cuda_reserve(before, (int64_t)((bytes + sizeof(float) - 1) / sizeof(float)));
    return AYF_OK;
}

ayf_status ayf_cuda_heavy_new(const ayf_cuda_device *d, const ayf_graph *g, const ayf_step *step,
                              ayf_cuda_writer *before, ayf_cuda_writer *after, ayf_cuda_heavy **out) {
    ayf_cuda_heavy *h = ayf_alloc(d->ctx, 1, sizeof *h);
    if (!h) return AYF_E_MEMORY;
    ayf_status status = prepare(d, g, step, before, after, h);
    if (status != AYF_OK) {
        ayf_cuda_heavy_free(d, h);
        return status;
    }
    *out = h;
    return AYF_OK;
}

void ayf_cuda_heavy_free(const ayf_cuda_device *d, ayf_cuda_heavy *h) {
    if (!h) return;
    ayf_cuda_conv_free(d, h->conv);
    ayf_cuda_gemm_free(d, h->gemm);
    ayf_free(d->ctx, h);
}

ayf_status ayf_cuda_heavy_run(const ayf_cuda_device *d, const ayf_cuda_heavy *h, void *const *args,
                              void *scratch) {
    void *at[ARRAYS], *workspace = (char *)scratch + h->workspace;
    for (int i = 0; i < ARRAYS; i++)
        at[i] = h->at[i].argument == AYF_CUDA_SCRATCH ? (char *)scratch + h->at[i].offset
                                                      : args[h->at[i].argument];
    if (h->gemm) return ayf_cuda_gemm_run(d, h->gemm, at[0], at[1], at[2], workspace);
    return ayf_cuda_conv_run(d, h->conv, at[0], at[1], at[2], workspace);
}

const char *ayf_cuda_heavy_describe(const ayf_cuda_heavy *h) {
    return h->gemm ? "cuBLASLt" : ayf_cuda_conv_name(h->conv);
}
