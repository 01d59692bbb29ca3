/* cuDNN: descriptors that remember what was set, checks of what ayf relies on, convolutions by loops. */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

enum { ATTRIBUTES = 16, BYTES = 64, ALIGNMENT = 64, WORKSPACE = 512 };
enum { NOT_INITIALIZED = 1001, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };

typedef struct attribute {
    ayf_cudnn_name name;
    ayf_cudnn_type type;
    int64_t count;
    char value[BYTES];
} attribute;

typedef struct job job;

typedef struct descriptor {
    ayf_cudnn_kind kind;
    job *job; /* of a plan, which outlives the configuration that it was made of */
    bool final;
    int count, engine; /* of a configuration and of an engine: which */
    attribute attribute[ATTRIBUTES];
} descriptor;

typedef struct handle {
    ayf_cu_stream stream;
} handle;

/* What the fake proposes, in this order: mode A has the first four, FALLBACK the others. */
static const struct {
    int32_t notes[3];
    int count;
    int64_t workspace;
    bool f32_only, compiled;
} engines[] = {
    {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 2, 0, false, false},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 1, (int64_t)1 << 40, false, false},
    {{0}, 0, WORKSPACE, false, true},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 1, WORKSPACE, false, false},
    {{CUDNN_NUMERICAL_NOTE_FFT}, 1, 0, true, false},
    {{0}, 0, WORKSPACE, true, false},
};
enum { COMPILED = 2, FALLBACK = 4, ENGINES = 6 };

/* ---- Handles and descriptors ---- */

size_t cudnnGetVersion(void) { return 91900; }
const char *cudnnGetErrorString(ayf_cudnn_status status) {
    return status ? "an error of the fake" : "success";
}
void cudnnGetLastErrorString(char *text, size_t size) {
    if (size) *text = 0;
}

ayf_cudnn_status cudnnCreate(ayf_cudnn_handle *out) {
    if (fake_fails()) return NOT_INITIALIZED;
    FAKE_REQUIRE(*out = calloc(1, sizeof(handle)));
    fake_count(&fake.objects, 1);
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnDestroy(ayf_cudnn_handle gone) {
    free(gone);
    fake_count(&fake.objects, -1);
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnSetStream(ayf_cudnn_handle of, ayf_cu_stream stream) {
    ((handle *)of)->stream = stream;
    return fake_fails() ? BAD_PARAM : CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnBackendCreateDescriptor(ayf_cudnn_kind kind, ayf_cudnn_descriptor *out) {
    if (fake_fails()) return BAD_PARAM;
    descriptor *d = calloc(1, sizeof *d);
    FAKE_REQUIRE(d);
    d->kind = kind;
    fake_count(&fake.objects, 1);
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnBackendDestroyDescriptor(ayf_cudnn_descriptor gone) {
    FAKE_REQUIRE(gone);
    free(((descriptor *)gone)->job);
    free(gone);
    fake_count(&fake.objects, -1);
    return CUDNN_STATUS_SUCCESS;
}

static size_t size_of(ayf_cudnn_type type) {
    switch (type) {
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_NUMERICAL_NOTE:
    case CUDNN_TYPE_BEHAVIOR_NOTE:
    case CUDNN_TYPE_FLOAT:
        return 4;
    default:
        return 8;
    }
}

ayf_cudnn_status cudnnBackendSetAttribute(ayf_cudnn_descriptor of, ayf_cudnn_name name, ayf_cudnn_type type,
                                          int64_t count, const void *values) {
    descriptor *d = of;
    FAKE_REQUIRE(d && !d->final && count >= 1 && (size_t)count * size_of(type) <= BYTES &&
                 d->count < ATTRIBUTES);
    if (fake_fails()) return BAD_PARAM;
    attribute *a = &d->attribute[d->count++];
    *a = (attribute){name, type, count, {0}};
    memcpy(a->value, values, (size_t)count * size_of(type));
    return CUDNN_STATUS_SUCCESS;
}

/* An attribute that must be there. */
static const void *need(const descriptor *d, ayf_cudnn_name name, ayf_cudnn_type type, int64_t count) {
    for (int i = 0; i < d->count; i++)
        if (d->attribute[i].name == name) {
            FAKE_REQUIRE(d->attribute[i].type == type && d->attribute[i].count == count);
            return d->attribute[i].value;
        }
    fake_stop(__FILE__, (int)name, "an attribute (its number is the line) is set");
    return NULL;
}

static const descriptor *need_descriptor(const descriptor *d, ayf_cudnn_name name, ayf_cudnn_kind kind) {
    const descriptor *value;
    memcpy(&value, need(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1), sizeof value);
    FAKE_REQUIRE(value->final && value->kind == kind);
    return value;
}

static int64_t int64_at(const void *values, int i) { return ((const int64_t *)values)[i]; }
static int32_t int32_of(const void *value) { return *(const int32_t *)value; }

/* ---- What a convolution is ---- */

typedef struct array {
    bool bf16;
    int64_t number, dims[4], strides[4];
    char *at;
} array;

struct job {
    int face; /* which array is made: 0 x, 1 w, 2 y */
    array array[3];
    int64_t stride, before[2], after[2];
};

static array array_of(const descriptor *d) {
    array a = {0};
    const void *dims = need(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4),
               *strides = need(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4);
    int32_t type = int32_of(need(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1));
    FAKE_REQUIRE(type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16);
    FAKE_REQUIRE(int64_at(need(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1), 0) <= ALIGNMENT);
    a.bf16 = type == CUDNN_DATA_BFLOAT16;
    a.number = int64_at(need(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1), 0);
    for (int i = 0; i < 4; i++) {
        a.dims[i] = int64_at(dims, i);
        a.strides[i] = int64_at(strides, i);
    }
    FAKE_REQUIRE(a.strides[1] == 1 && a.strides[3] == a.dims[1] && a.strides[2] == a.dims[3] * a.strides[3] &&
                 a.strides[0] == a.dims[2] * a.strides[2]);
    return a;
}

static job job_of(const descriptor *operation) {
    static const struct {
        ayf_cudnn_kind kind;
        ayf_cudnn_name x, w, y, conv, alpha, beta;
    } names[] = {
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, 710, 709, 711, 708, 706, 707},
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, 716, 715, 717, 714, 712, 713},
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, 704, 703, 705, 702, 700, 701}};
    job j = {0};
    while (names[j.face].kind != operation->kind) FAKE_REQUIRE(++j.face < 3);
    const ayf_cudnn_name tensor[] = {names[j.face].x, names[j.face].w, names[j.face].y};
    for (int i = 0; i < 3; i++)
        j.array[i] = array_of(need_descriptor(operation, tensor[i], CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    const descriptor *conv =
        need_descriptor(operation, names[j.face].conv, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    FAKE_REQUIRE(*(const float *)need(operation, names[j.face].alpha, CUDNN_TYPE_FLOAT, 1) == 1);
    FAKE_REQUIRE(*(const float *)need(operation, names[j.face].beta, CUDNN_TYPE_FLOAT, 1) == 0);
    FAKE_REQUIRE(int32_of(need(conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1)) ==
                 CUDNN_CROSS_CORRELATION);
    FAKE_REQUIRE(int32_of(need(conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1)) ==
                 CUDNN_DATA_FLOAT);
    FAKE_REQUIRE(int64_at(need(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1), 0) == 2);
    const void *strides = need(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2);
    const void *dilations = need(conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2);
    j.stride = int64_at(strides, 0);
    for (int i = 0; i < 2; i++) {
        j.before[i] = int64_at(need(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2), i);
        j.after[i] = int64_at(need(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2), i);
        FAKE_REQUIRE(int64_at(strides, i) == j.stride && int64_at(dilations, i) == 1);
    }
    return j;
}

static void check_job(const job *j) {
    const int64_t *x = j->array[0].dims, *w = j->array[1].dims, *y = j->array[2].dims;
    FAKE_REQUIRE(x[0] == y[0] && x[1] == w[1] && y[1] == w[0]);
    for (int i = 0; i < 2; i++)
        FAKE_REQUIRE(y[2 + i] == (x[2 + i] + j->before[i] + j->after[i] - w[2 + i]) / j->stride + 1);
    for (int i = 0; i < 3; i++) FAKE_REQUIRE(j->array[i].number != j->array[(i + 1) % 3].number);
    int a = j->face == 0 ? 1 : 0, b = j->face == 2 ? 1 : 2;
    FAKE_REQUIRE(j->array[a].bf16 == j->array[b].bf16);
}

static const descriptor *operation_of(const descriptor *graph) {
    const descriptor *operation;
    need(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1);
    memcpy(&operation, need(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1),
           sizeof operation);
    FAKE_REQUIRE(operation->final);
    return operation;
}

/* ---- Engines ---- */

static ayf_cudnn_status finalize_plan(descriptor *plan) {
    const descriptor *config =
        need_descriptor(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    need(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1);
    const descriptor *graph = *(const descriptor *const *)config->attribute[0].value;
    job j = job_of(operation_of(graph));
    bool in = j.array[j.face == 0 ? 1 : 0].bf16, out = j.array[j.face].bf16;
    if (engines[config->engine].f32_only && in) return NOT_SUPPORTED;
    FAKE_REQUIRE(fake.only_compiled || !engines[config->engine].compiled);
    if ((fake.refuses_mixed == 1 && in != out) || (!in && out)) return NOT_SUPPORTED;
    plan->engine = config->engine;
    FAKE_REQUIRE(plan->job = malloc(sizeof j));
    *plan->job = j;
    return CUDNN_STATUS_SUCCESS;
}

ayf_cudnn_status cudnnBackendFinalize(ayf_cudnn_descriptor of) {
    descriptor *d = of;
    FAKE_REQUIRE(d && !d->final);
    if (fake_fails()) return BAD_PARAM;
    ayf_cudnn_status status = CUDNN_STATUS_SUCCESS;
    if (d->kind == CUDNN_BACKEND_TENSOR_DESCRIPTOR) array_of(d);
    if (d->kind == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
        job j = job_of(operation_of(d));
        check_job(&j);
        bool mixed = j.array[j.face == 0 ? 1 : 0].bf16 != j.array[j.face].bf16;
        if (fake.refuses_mixed == 2 && mixed) status = BAD_PARAM;
    }
    if (d->kind == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
        need_descriptor(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        need(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1);
    }
    if (d->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) status = finalize_plan(d);
    d->final = status == CUDNN_STATUS_SUCCESS;
    return status;
}

static void propose(const descriptor *heuristics, int64_t room, int64_t *count, ayf_cudnn_descriptor *out) {
    int32_t mode = int32_of(need(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1));
    int first = mode == CUDNN_HEUR_MODE_A ? 0 : FALLBACK, end = mode == CUDNN_HEUR_MODE_A ? FALLBACK
                                                                : fake.lacks_plain        ? ENGINES - 1
                                                                                          : ENGINES;
    if (fake.only_compiled) {
        first = mode == CUDNN_HEUR_MODE_A ? COMPILED : ENGINES;
        end = mode == CUDNN_HEUR_MODE_A ? COMPILED + 1 : ENGINES;
    }
    *count = end - first;
    FAKE_REQUIRE(room >= *count);
    for (int i = first; i < end; i++) {
        descriptor *config = out[i - first];
        FAKE_REQUIRE(config && config->kind == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        config->final = true;
        config->engine = i;
        config->count = 1;
        config->attribute[0] = *heuristics->attribute; /* the graph, which ayf sets first */
    }
}

ayf_cudnn_status cudnnBackendGetAttribute(ayf_cudnn_descriptor from, ayf_cudnn_name name, ayf_cudnn_type type,
                                          int64_t room, int64_t *count, void *values) {
    const descriptor *d = from;
    FAKE_REQUIRE(d && d->final);
    if (fake_fails()) return BAD_PARAM;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
        FAKE_REQUIRE(type == CUDNN_TYPE_BACKEND_DESCRIPTOR);
        propose(d, room, count, values);
    } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE) {
        descriptor *engine = *(descriptor **)values;
        FAKE_REQUIRE(engine && engine->kind == CUDNN_BACKEND_ENGINE_DESCRIPTOR && room == 1);
        engine->engine = d->engine;
        engine->final = true;
        *count = 1;
    } else if (name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX) {
        FAKE_REQUIRE(type == CUDNN_TYPE_INT64 && room == 1);
        *(int64_t *)values = d->engine;
    } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
        FAKE_REQUIRE(type == CUDNN_TYPE_NUMERICAL_NOTE && room >= engines[d->engine].count);
        *count = engines[d->engine].count;
        memcpy(values, engines[d->engine].notes, (size_t)*count * sizeof(int32_t));
    } else if (name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE) {
        FAKE_REQUIRE(type == CUDNN_TYPE_BEHAVIOR_NOTE && room >= 1);
        *count = engines[d->engine].compiled;
        *(int32_t *)values = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    } else {
        FAKE_REQUIRE(name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64);
        *(int64_t *)values = engines[d->engine].workspace;
        *count = 1;
    }
    return CUDNN_STATUS_SUCCESS;
}

/* ---- Running ---- */

static size_t elements(const array *a) { return (size_t)(a->dims[0] * a->dims[1] * a->dims[2] * a->dims[3]); }

static size_t at(const array *a, int64_t n, int64_t c, int64_t h, int64_t w) {
    return (size_t)(n * a->strides[0] + c * a->strides[1] + h * a->strides[2] + w * a->strides[3]);
}

static void convolve(const void *data) {
    const job *j = data;
    const array *x = &j->array[0], *w = &j->array[1], *y = &j->array[2], *made = &j->array[j->face];
    double *sum = calloc(elements(made), sizeof *sum);
    FAKE_REQUIRE(sum);
    for (int64_t n = 0; n < y->dims[0]; n++)
        for (int64_t o = 0; o < y->dims[1]; o++)
            for (int64_t oh = 0; oh < y->dims[2]; oh++)
                for (int64_t ow = 0; ow < y->dims[3]; ow++)
                    for (int64_t p = 0; p < w->dims[2]; p++)
                        for (int64_t q = 0; q < w->dims[3]; q++)
                            for (int64_t c = 0; c < x->dims[1]; c++) {
                                int64_t h = oh * j->stride + p - j->before[0],
                                        v = ow * j->stride + q - j->before[1];
                                if (h < 0 || v < 0 || h >= x->dims[2] || v >= x->dims[3]) continue;
                                size_t xi = at(x, n, c, h, v), wi = at(w, o, c, p, q),
                                       yi = at(y, n, o, oh, ow);
                                if (j->face == 0)
                                    sum[xi] += fake_get(w->at, wi, w->bf16) * fake_get(y->at, yi, y->bf16);
                                else if (j->face == 1)
                                    sum[wi] += fake_get(x->at, xi, x->bf16) * fake_get(y->at, yi, y->bf16);
                                else
                                    sum[yi] += fake_get(x->at, xi, x->bf16) * fake_get(w->at, wi, w->bf16);
                            }
    for (size_t i = 0; i < elements(made); i++) fake_put(made->at, i, made->bf16, sum[i]);
    free(sum);
}

ayf_cudnn_status cudnnBackendExecute(ayf_cudnn_handle with, ayf_cudnn_descriptor plan,
                                     ayf_cudnn_descriptor pack) {
    const descriptor *p = plan, *v = pack;
    FAKE_REQUIRE(p->final && v->final && p->kind == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
                 v->kind == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    const int64_t *number = need(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3);
    char *const *memory = need(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3);
    char *workspace = *(char *const *)need(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
    job j = *p->job;
    if (engines[p->engine].workspace) FAKE_REQUIRE(fake_is_device(workspace, WORKSPACE));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            if (j.array[i].number == number[k]) j.array[i].at = memory[k];
    for (int i = 0; i < 3; i++)
        FAKE_REQUIRE((uintptr_t)j.array[i].at % ALIGNMENT == 0 &&
                     fake_is_device(j.array[i].at, elements(&j.array[i]) * (j.array[i].bf16 ? 2 : 4)));
    if (fake_fails()) return EXECUTION_FAILED;
    fake_enqueue(((handle *)with)->stream, convolve, &j, sizeof j);
    return CUDNN_STATUS_SUCCESS;
}
