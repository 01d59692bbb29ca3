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

/* In which elements a convolution is computed: operands and result. */
typedef struct way {
    ayf_element in, result;
} way;

/* cuDNN writes no result of another element than its operands, unless it compiles an engine. Results that are to be in 32
 * bits are the output layer's, which is small, and weight gradients that processes sum, which may be rounded. What waits
 * for a compiler in every process is taken where there is nothing else. */
static ayf_status make_conv(const ayf_cuda_device *d, const ayf_graph *g, const ayf_node *n, way *chosen,
                            ayf_cuda_heavy *h) {
    ayf_conv_shape shape = ayf_conv_of(g, n);
    ayf_element other = n->op == AYF_OP_CONV_WGRAD ? chosen->in : chosen->result;
    const way ways[] = {*chosen, {other, other}};
    for (size_t i = 0; i < 2 * AYF_COUNT(ways) && !h->conv; i++) {
        *chosen = ways[i % AYF_COUNT(ways)];
        ayf_cuda_conv_face face = {(ayf_op)n->op, chosen->in, chosen->result, i >= AYF_COUNT(ways)};
        AYF_TRY(ayf_cuda_conv_new(d, &shape, face, &h->conv));
    }
    if (h->conv) return AYF_OK;
    char why[256] = "";
    d->api.cudnnGetLastErrorString(why, sizeof why);
    return ayf_fail(d->ctx, AYF_E_DEVICE, "cuDNN has no convolution of %dx%d channels for %s (%s)%s%s",
                    (int)shape.w[3], (int)shape.w[0], d->name, ayf_op_table[n->op].name, *why ? ": " : "",
                    why);
}

/* Neither library narrows what it multiplies in 32 bits. */
static ayf_status make(const ayf_cuda_device *d, const ayf_graph *g, const ayf_node *n,
                       const ayf_element stored[ARRAYS], way *chosen, ayf_cuda_heavy *h) {
    bool narrow = stored[0] == AYF_BF16 && stored[1] == AYF_BF16;
    *chosen = (way){narrow ? AYF_BF16 : AYF_F32, narrow ? stored[2] : AYF_F32};
    if (narrow && d->architecture < AYF_CUDA_AMPERE)
        return ayf_fail(
            d->ctx, AYF_E_USAGE,
            "%s has compute capability %d.%d, and bfloat16 needs 8.0; take train.precision = highest",
            d->name, d->architecture / 10, d->architecture % 10);
    if (n->op != AYF_OP_GEMM) return make_conv(d, g, n, chosen, h);
    ayf_gemm_shape shape = ayf_gemm_of(n, ayf_at(g, n->in[0]));
    return ayf_cuda_gemm_new(d, &shape, chosen->in, chosen->result, &h->gemm);
}

static ayf_status prepare(const ayf_cuda_device *d, const ayf_graph *g, const ayf_step *step,
                          ayf_cuda_writer *before, ayf_cuda_writer *after, ayf_cuda_heavy *h) {
    const ayf_node *n = ayf_at(g, step->node);
    ayf_element stored[ARRAYS];
    way chosen;
    for (int i = 0; i < ARRAYS; i++) {
        stored[i] = (ayf_element)step->element[i];
        h->at[i] = (ayf_cuda_pointer){i, 0};
    }
    AYF_TRY(make(d, g, n, stored, &chosen, h));
    for (int i = 0; i < AYF_MAX_INPUTS; i++) {
        int64_t elements = (int64_t)ayf_elements(g, n->in[i]);
        if (stored[i] == chosen.in) continue;
        h->at[i] = (ayf_cuda_pointer){AYF_CUDA_SCRATCH, ayf_cuda_reserve(before, elements)};
        AYF_TRY(ayf_cuda_emit_convert(before, elements, stored[i], (ayf_cuda_pointer){i, 0}, chosen.in,
                                      h->at[i]));
    }
    if (chosen.result != stored[2]) {
        int64_t elements = (int64_t)ayf_node_elements(n);
        h->at[2] = (ayf_cuda_pointer){AYF_CUDA_SCRATCH, ayf_cuda_reserve(before, elements)};
        AYF_TRY(ayf_cuda_emit_convert(after, elements, chosen.result, h->at[2], stored[2],
                                      (ayf_cuda_pointer){2, 0}));
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
