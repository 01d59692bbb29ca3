#include "backend/cuda/conv.h"

#include <stdio.h>

#include "pass/plan.h"

enum {
    WORKSPACE_LIMIT = 256 << 20,
    PROPOSALS = 64,
    ALIGNMENT = 16 /* bytes, which engines ask for at most */
};
_Static_assert(AYF_PLAN_ALIGN % ALIGNMENT == 0, "every tensor is aligned");

/* The arrays of the form <conv(x, w), y>, which are also their unique numbers in cuDNN's graph. */
enum { X, W, Y, ARRAYS };

struct ayf_cuda_conv {
    ayf_cudnn_descriptor array[ARRAYS], conv, operation, graph, plan;
    int64_t workspace;
    char name[24];     /* "cuDNN 38": of the engine */
    int order[ARRAYS]; /* the arrays in the order of the op */
};

static const char doing[] = "preparing a convolution";

/* What differs between the faces. */
static const struct {
    ayf_cudnn_kind kind;
    ayf_cudnn_name array[ARRAYS], conv, alpha, beta;
    int order[ARRAYS];
} faces[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
     {X, W, Y}},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY},
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
     {Y, W, X}},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY},
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
     {X, Y, W}},
};

/* ---- Descriptors ---- */

static ayf_status make(const ayf_cuda_device *d, ayf_cudnn_kind kind, ayf_cudnn_descriptor *out) {
    return ayf_cuda_check_cudnn(d, d->api.cudnnBackendCreateDescriptor(kind, out), doing);
}

static ayf_status set(const ayf_cuda_device *d, ayf_cudnn_descriptor descriptor, ayf_cudnn_name name,
                      ayf_cudnn_type type, int64_t count, const void *values) {
    return ayf_cuda_check_cudnn(d, d->api.cudnnBackendSetAttribute(descriptor, name, type, count, values),
                                doing);
}

static ayf_status set_descriptor(const ayf_cuda_device *d, ayf_cudnn_descriptor descriptor,
                                 ayf_cudnn_name name, const ayf_cudnn_descriptor *value) {
    return set(d, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, value);
}

static ayf_status finalize(const ayf_cuda_device *d, ayf_cudnn_descriptor descriptor) {
    return ayf_cuda_check_cudnn(d, d->api.cudnnBackendFinalize(descriptor), doing);
}

static void destroy(const ayf_cuda_device *d, ayf_cudnn_descriptor descriptor) {
    if (descriptor) d->api.cudnnBackendDestroyDescriptor(descriptor);
}

/* ---- The operation ---- */

/* Sizes are in cuDNN's order (N, C, H, W), the numbers in ours (N, H, W, C): strides say so. */
static ayf_status make_array(const ayf_cuda_device *d, const int64_t size[4], ayf_element element,
                             int64_t number, ayf_cudnn_descriptor *out) {
    const int64_t dims[] = {size[0], size[3], size[1], size[2]};
    const int64_t strides[] = {size[1] * size[2] * size[3], 1, size[2] * size[3], size[3]};
    const int32_t type = element == AYF_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const int64_t alignment = ALIGNMENT;
    AYF_TRY(make(d, CUDNN_BACKEND_TENSOR_DESCRIPTOR, out));
    AYF_TRY(set(d, *out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    AYF_TRY(set(d, *out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims));
    AYF_TRY(set(d, *out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides));
    AYF_TRY(set(d, *out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number));
    AYF_TRY(set(d, *out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment));
    return finalize(d, *out);
}

static ayf_status make_conv(const ayf_cuda_device *d, const ayf_conv_shape *s, ayf_cudnn_descriptor *out) {
    enum { AXES = 2 };
    const int32_t type = CUDNN_DATA_FLOAT, mode = CUDNN_CROSS_CORRELATION;
    const int64_t axes = AXES, dilations[AXES] = {1, 1}, strides[AXES] = {s->stride, s->stride};
    const int64_t before[AXES] = {s->pad_top, s->pad_left}, after[AXES] = {s->pad_bottom, s->pad_right};
    AYF_TRY(make(d, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, out));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, AXES, before));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, AXES, after));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, AXES, dilations));
    AYF_TRY(set(d, *out, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, AXES, strides));
    return finalize(d, *out);
}

/* False: cuDNN does not do this with these elements, or not at all. */
static bool is_accepted(const ayf_cuda_device *d, ayf_cudnn_descriptor descriptor) {
    return d->api.cudnnBackendFinalize(descriptor) == CUDNN_STATUS_SUCCESS;
}

static ayf_status make_graph(const ayf_cuda_device *d, ayf_cuda_conv *c, int face, bool *accepted) {
    const float one = 1, zero = 0;
    AYF_TRY(make(d, faces[face].kind, &c->operation));
    for (int i = 0; i < ARRAYS; i++)
        AYF_TRY(set_descriptor(d, c->operation, faces[face].array[i], &c->array[i]));
    AYF_TRY(set_descriptor(d, c->operation, faces[face].conv, &c->conv));
    AYF_TRY(set(d, c->operation, faces[face].alpha, CUDNN_TYPE_FLOAT, 1, &one));
    AYF_TRY(set(d, c->operation, faces[face].beta, CUDNN_TYPE_FLOAT, 1, &zero));
    *accepted = is_accepted(d, c->operation);
    if (!*accepted) return AYF_OK;
    AYF_TRY(make(d, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &c->graph));
    AYF_TRY(set(d, c->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->cudnn));
    AYF_TRY(set_descriptor(d, c->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, &c->operation));
    *accepted = is_accepted(d, c->graph);
    return AYF_OK;
}

/* ---- Choosing how ---- */

/* Which proposals are looked at, in this order. */
static const struct {
    int32_t mode;
    bool transforms; /* also those that get the same products by transforms (Winograd, FFT), and round more */
} rounds[] = {{CUDNN_HEUR_MODE_A, false},
              {CUDNN_HEUR_MODE_FALLBACK, false},
              {CUDNN_HEUR_MODE_A, true},
              {CUDNN_HEUR_MODE_FALLBACK, true}};

static bool is_note_allowed(int32_t note, ayf_element in, bool transforms) {
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return false;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return in == AYF_BF16;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
        return in == AYF_BF16 || transforms;
    default:
        return true;
    }
}

/* Whether a proposal keeps what is promised: the same bytes every time and, for operands in 32 bits, their products.
 * One that says nothing of itself does not. */
static bool is_allowed(const ayf_cuda_device *d, ayf_cudnn_descriptor proposal, ayf_cuda_conv_face face,
                       bool transforms, int64_t *number) {
    enum { BEHAVIORS = 16 };
    const ayf_cuda_api *api = &d->api;
    int32_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT] = {0}, behavior[BEHAVIORS] = {0};
    int64_t count = 0, behaviors = 0, one = 0;
    ayf_cudnn_descriptor engine = NULL;
    bool told =
        api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                      &one, &engine) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one,
                                      number) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                      CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count,
                                      note) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                      BEHAVIORS, &behaviors, behavior) == CUDNN_STATUS_SUCCESS;
    destroy(d, engine);
    for (int64_t i = 0; told && i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        told = is_note_allowed(note[i], face.in, transforms);
    for (int64_t i = 0; told && i < behaviors && i < BEHAVIORS; i++)
        told = face.compiled || behavior[i] != CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return told;
}

/* A plan that cuDNN does not make is no failure: the next proposal is tried. */
static bool make_plan(const ayf_cuda_device *d, ayf_cudnn_descriptor proposal, ayf_cuda_conv *c) {
    int64_t count = 0;
    const ayf_cuda_api *api = &d->api;
    bool made =
        api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &c->plan) ==
            CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendSetAttribute(c->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                      &d->cudnn) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendSetAttribute(c->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &proposal) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendFinalize(c->plan) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendGetAttribute(c->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                      &count, &c->workspace) == CUDNN_STATUS_SUCCESS &&
        c->workspace <= WORKSPACE_LIMIT;
    if (made) return true;
    destroy(d, c->plan);
    c->plan = NULL;
    return false;
}

static ayf_status try_proposals(const ayf_cuda_device *d, int round, ayf_cuda_conv_face face,
                                ayf_cuda_conv *c) {
    ayf_cudnn_descriptor heuristics = NULL, proposal[PROPOSALS] = {0};
    int64_t count = 0;
    ayf_status status = make(d, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics);
    if (status == AYF_OK)
        status = set_descriptor(d, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &c->graph);
    if (status == AYF_OK)
        status = set(d, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &rounds[round].mode);
    for (int i = 0; i < PROPOSALS && status == AYF_OK; i++)
        status = make(d, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &proposal[i]);
    /* Where there is nothing to propose, cuDNN refuses to answer. */
    bool answered = status == AYF_OK && d->api.cudnnBackendFinalize(heuristics) == CUDNN_STATUS_SUCCESS &&
                    d->api.cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS, &count,
                                                    proposal) == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; answered && i < count && i < PROPOSALS && !c->plan; i++) {
        int64_t number = 0;
        if (is_allowed(d, proposal[i], face, rounds[round].transforms, &number) &&
            make_plan(d, proposal[i], c))
            snprintf(c->name, sizeof c->name, "cuDNN %d", (int)number);
    }
    for (int i = 0; i < PROPOSALS; i++) destroy(d, proposal[i]);
    destroy(d, heuristics);
    return status;
}

/* ---- For the backend ---- */

static ayf_status prepare(const ayf_cuda_device *d, const ayf_conv_shape *s, ayf_cuda_conv_face face,
                          ayf_cuda_conv *c) {
    const int64_t *const size[ARRAYS] = {s->x, s->w, s->y};
    bool accepted = false;
    int index = face.op == AYF_OP_CONV_FPROP ? 0 : face.op == AYF_OP_CONV_DGRAD ? 1 : 2;
    for (int i = 0; i < ARRAYS; i++) {
        bool result = faces[index].order[ARRAYS - 1] == i;
        c->order[i] = faces[index].order[i];
        AYF_TRY(make_array(d, size[i], result ? face.result : face.in, i, &c->array[i]));
    }
    AYF_TRY(make_conv(d, s, &c->conv));
    AYF_TRY(make_graph(d, c, index, &accepted));
    for (int i = 0; accepted && i < (int)AYF_COUNT(rounds) && !c->plan; i++)
        AYF_TRY(try_proposals(d, i, face, c));
    return AYF_OK;
}

ayf_status ayf_cuda_conv_new(const ayf_cuda_device *d, const ayf_conv_shape *shape, ayf_cuda_conv_face face,
                             ayf_cuda_conv **out) {
    ayf_cuda_conv *c = ayf_alloc(d->ctx, 1, sizeof *c);
    *out = NULL;
    if (!c) return AYF_E_MEMORY;
    ayf_status status = prepare(d, shape, face, c);
    if (status != AYF_OK || !c->plan)
        ayf_cuda_conv_free(d, c);
    else
        *out = c;
    return status;
}

void ayf_cuda_conv_free(const ayf_cuda_device *d, ayf_cuda_conv *c) {
    if (!c) return;
    destroy(d, c->plan);
    destroy(d, c->graph);
    destroy(d, c->operation);
    destroy(d, c->conv);
    for (int i = 0; i < ARRAYS; i++) destroy(d, c->array[i]);
    ayf_free(d->ctx, c);
}

const char *ayf_cuda_conv_name(const ayf_cuda_conv *c) { return c->name; }

size_t ayf_cuda_conv_scratch(const ayf_cuda_conv *c) { return (size_t)c->workspace; }

/* What is finalized cannot be set again, so every run has a pack of its own. */
static ayf_status run(const ayf_cuda_device *d, const ayf_cuda_conv *c, ayf_cudnn_descriptor pack,
                      void *const at[ARRAYS], void *scratch) {
    static const int64_t numbers[ARRAYS] = {X, W, Y};
    AYF_TRY(set(d, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ARRAYS, numbers));
    AYF_TRY(set(d, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, ARRAYS, at));
    AYF_TRY(set(d, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &scratch));
    AYF_TRY(finalize(d, pack));
    return ayf_cuda_check_cudnn(d, d->api.cudnnBackendExecute(d->cudnn, c->plan, pack),
                                "starting a convolution");
}

ayf_status ayf_cuda_conv_run(const ayf_cuda_device *d, const ayf_cuda_conv *c, void *a, void *b, void *out,
                             void *scratch) {
    void *at[ARRAYS];
    ayf_cudnn_descriptor pack = NULL;
    at[c->order[0]] = a;
    at[c->order[1]] = b;
    at[c->order[2]] = out;
    AYF_TRY(make(d, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    ayf_status status = run(d, c, pack, at, scratch);
    destroy(d, pack);
    return status;
}
