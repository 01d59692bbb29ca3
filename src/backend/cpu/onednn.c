#include "backend/cpu/onednn.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <oneapi/dnnl/dnnl.h>

#include "backend/cpu/catch.h"

enum { MAX_BUFFERS = 7, MAX_STEPS = 4, MAX_ARGS = 4, LINE = 64, NAME_SIZE = 96 };

struct ayf_onednn {
    ayf_context *ctx;
    int threads;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

typedef enum role { ROLE_A, ROLE_B, ROLE_OUT, ROLE_SCRATCH } role; /* the first three as arguments */

typedef struct buffer {
    dnnl_memory_t memory;
    role where;
    size_t offset; /* in scratch */
} buffer;

typedef struct step {
    dnnl_primitive_t primitive;
    int args;
    dnnl_exec_arg_t arg[MAX_ARGS];
} step;

struct ayf_onednn_kernel {
    ayf_onednn *owner;
    buffer buffers[MAX_BUFFERS];
    int buffer_count;
    step steps[MAX_STEPS];
    int step_count;
    const step *packing; /* the change of layout of b, and where it goes; NULL: none */
    const buffer *packed;
    size_t packed_bytes;
    size_t scratch_bytes;
    char name[NAME_SIZE];
};

static ayf_status failed(ayf_onednn *d, dnnl_status_t status, const char *what) {
    if (status == dnnl_out_of_memory)
        return ayf_fail(d->ctx, AYF_E_MEMORY, "oneDNN found no memory for %s", what);
    return ayf_fail(d->ctx, AYF_E_INTERNAL, "oneDNN cannot prepare or run %s (its status is %d)", what,
                    (int)status);
}

#define DNNL_TRY(d, call, what)                                                                              \
    do {                                                                                                     \
        dnnl_status_t dnnl_status_ = (call);                                                                 \
        if (dnnl_status_ != dnnl_success) return failed(d, dnnl_status_, what);                              \
    } while (0)

/* ---- What differs between oneDNN 2 and 3 ---- */

/* `layout` is a memory descriptor that we own, `layout_ref` one that is lent. */
typedef dnnl_memory_desc_t layout;

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t layout_ref;

static layout_ref lend(const layout *l) { return *l; }

static dnnl_status_t layout_by_tag(layout *l, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(l, 4, dims, type, tag);
}

static dnnl_status_t layout_by_strides(layout *l, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       const dnnl_dims_t strides) {
    return dnnl_memory_desc_create_with_strides(l, 3, dims, type, strides);
}

static void layout_free(layout *l) {
    if (*l) dnnl_memory_desc_destroy(*l);
}

static dnnl_status_t describe_conv(dnnl_primitive_desc_t *out, dnnl_engine_t engine, ayf_op face,
                                   const layout *x, const layout *w, const layout *y,
                                   const dnnl_dims_t stride, const dnnl_dims_t before,
                                   const dnnl_dims_t after, dnnl_primitive_attr_t attr) {
    static const dnnl_dims_t dilation;
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (face == AYF_OP_CONV_FPROP)
        return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training, direct, *x,
                                                              *w, NULL, *y, stride, dilation, before, after,
                                                              attr);
    if (face == AYF_OP_CONV_DGRAD)
        return dnnl_convolution_backward_data_primitive_desc_create(out, engine, direct, *x, *w, *y, stride,
                                                                    dilation, before, after, NULL, attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, direct, *x, *w, NULL, *y, stride, dilation, before, after, NULL, attr);
}

static dnnl_status_t describe_gemm(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const layout *a,
                                   const layout *b, const layout *d, dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(out, engine, *a, *b, NULL, *d, attr);
}

#else

typedef const dnnl_memory_desc_t *layout_ref;

static layout_ref lend(const layout *l) { return l; }

static dnnl_status_t layout_by_tag(layout *l, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(l, 4, dims, type, tag);
}

static dnnl_status_t layout_by_strides(layout *l, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       const dnnl_dims_t strides) {
    return dnnl_memory_desc_init_by_strides(l, 3, dims, type, strides);
}

static void layout_free(layout *l) { (void)l; }

static dnnl_status_t describe_conv(dnnl_primitive_desc_t *out, dnnl_engine_t engine, ayf_op face,
                                   const layout *x, const layout *w, const layout *y,
                                   const dnnl_dims_t stride, const dnnl_dims_t before,
                                   const dnnl_dims_t after, dnnl_primitive_attr_t attr) {
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_convolution_desc_t conv;
    dnnl_status_t status;
    if (face == AYF_OP_CONV_FPROP)
        status = dnnl_convolution_forward_desc_init(&conv, dnnl_forward_training, direct, x, w, NULL, y,
                                                    stride, before, after);
    else if (face == AYF_OP_CONV_DGRAD)
        status = dnnl_convolution_backward_data_desc_init(&conv, direct, x, w, y, stride, before, after);
    else
        status =
            dnnl_convolution_backward_weights_desc_init(&conv, direct, x, w, NULL, y, stride, before, after);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &conv, attr, engine, NULL) : status;
}

static dnnl_status_t describe_gemm(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const layout *a,
                                   const layout *b, const layout *d, dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t gemm;
    dnnl_status_t status = dnnl_matmul_desc_init(&gemm, a, b, NULL, d);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &gemm, attr, engine, NULL) : status;
}

#endif

/* ---- Building a kernel ---- */

typedef struct team {
    int threads, dynamic;
} team;

/* oneDNN asks the calling OpenMP thread for its team size, both when it prepares and when it runs. A team that
 * OpenMP makes smaller on its own gives wrong results. */
static team enter(const ayf_onednn *d) {
    team before = {omp_get_max_threads(), omp_get_dynamic()};
    if (before.dynamic) omp_set_dynamic(0);
    if (before.threads != d->threads) omp_set_num_threads(d->threads);
    return before;
}

static void leave(const ayf_onednn *d, team before) {
    if (before.threads != d->threads) omp_set_num_threads(before.threads);
    if (before.dynamic) omp_set_dynamic(before.dynamic);
}

/* What a function asks of oneDNN. `what` is for messages; the members that `work` needs are set. */
typedef struct request {
    ayf_status (*work)(struct request *);
    ayf_onednn *owner;
    ayf_onednn_kernel *kernel;
    const char *what;
    ayf_status status; /* of `work` */
    const void *shape;
    ayf_op face;
    const ayf_element *element;
    void *layouts;
    const void *a, *b, *packed;
    void *out, *scratch;
} request;

static void do_work(void *user) {
    request *r = user;
    r->status = r->work(r);
}

/* oneDNN reports a lack of memory by its status, by an exception, or not at all: see enough_memory(). */
static ayf_status ask(request *r) {
    team before = enter(r->owner);
    ayf_caught caught = ayf_catch(do_work, r);
    leave(r->owner, before);
    if (caught == AYF_CAUGHT_NOTHING) return r->status;
    return failed(r->owner, caught == AYF_CAUGHT_NO_MEMORY ? dnnl_out_of_memory : dnnl_runtime_error,
                  r->what);
}

/* Where memory ends while oneDNN writes code, it crashes. Asked before that happens: whether there is room for
 * more than the code of one kernel. */
static ayf_status enough_memory(ayf_onednn *d, const char *what) {
    enum { ROOM = 32 << 20 };
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return failed(d, dnnl_out_of_memory, what);
    munmap(room, ROOM);
    return AYF_OK;
}

static size_t reserve(ayf_onednn_kernel *k, size_t bytes) {
    size_t offset = k->scratch_bytes;
    k->scratch_bytes += (bytes + LINE - 1) / LINE * LINE;
    return offset;
}

/* A view of an argument, or of scratch reserved for it. */
static ayf_status add_buffer(ayf_onednn_kernel *k, layout_ref l, role where, buffer **out) {
    buffer *b = &k->buffers[k->buffer_count];
    DNNL_TRY(k->owner, dnnl_memory_create(&b->memory, l, k->owner->engine, DNNL_MEMORY_NONE), "a buffer");
    k->buffer_count++;
    b->where = where;
    if (where == ROLE_SCRATCH) b->offset = reserve(k, dnnl_memory_desc_get_size(l));
    *out = b;
    return AYF_OK;
}

static void add_arg(step *s, int name, const buffer *b) {
    s->arg[s->args++] = (dnnl_exec_arg_t){.arg = name, .memory = b->memory};
}

/* Primitives get their working memory from us. Takes `desc` over. */
static ayf_status add_step(ayf_onednn_kernel *k, dnnl_primitive_desc_t desc, const char *what, step **out) {
    step *s = &k->steps[k->step_count];
    layout_ref pad = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    ayf_status status = AYF_OK;
    if (pad && dnnl_memory_desc_get_size(pad) > 0) {
        buffer *b = NULL;
        status = add_buffer(k, pad, ROLE_SCRATCH, &b);
        if (status == AYF_OK) add_arg(s, DNNL_ARG_SCRATCHPAD, b);
    }
    dnnl_status_t created = status == AYF_OK ? dnnl_primitive_create(&s->primitive, desc) : dnnl_success;
    dnnl_primitive_desc_destroy(desc);
    AYF_TRY(status);
    if (created != dnnl_success) return failed(k->owner, created, what);
    k->step_count++;
    *out = s;
    return AYF_OK;
}

static ayf_status user_scratch(ayf_onednn *d, dnnl_primitive_attr_t *attr) {
    DNNL_TRY(d, dnnl_primitive_attr_create(attr), "an attribute");
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) return AYF_OK;
    dnnl_primitive_attr_destroy(*attr);
    return failed(d, status, "user scratch memory");
}

static ayf_status add_reorder(ayf_onednn_kernel *k, layout_ref from, const buffer *from_buffer, layout_ref to,
                              const buffer *to_buffer) {
    ayf_onednn *d = k->owner;
    dnnl_primitive_attr_t attr;
    AYF_TRY(user_scratch(d, &attr));
    dnnl_primitive_desc_t desc;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&desc, from, d->engine, to, d->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) return failed(d, status, "a change of layout");
    step *s;
    AYF_TRY(add_step(k, desc, "a change of layout", &s));
    add_arg(s, DNNL_ARG_FROM, from_buffer);
    add_arg(s, DNNL_ARG_TO, to_buffer);
    return AYF_OK;
}

/* The buffer of an argument in the layout `wanted`: the caller's own memory when that is how it lies there,
 * scratch otherwise. `*outside` is then the caller's memory, else NULL. */
static ayf_status add_argument(ayf_onednn_kernel *k, role where, layout_ref dense, layout_ref wanted,
                               buffer **inside, buffer **outside) {
    *outside = NULL;
    if (dnnl_memory_desc_equal(dense, wanted)) return add_buffer(k, dense, where, inside);
    AYF_TRY(add_buffer(k, dense, where, outside));
    return add_buffer(k, wanted, ROLE_SCRATCH, inside);
}

static ayf_status new_kernel(ayf_onednn *d, ayf_onednn_kernel **out) {
    ayf_onednn_kernel *k = ayf_alloc(d->ctx, 1, sizeof *k);
    if (!k) return AYF_E_MEMORY;
    k->owner = d;
    *out = k;
    return AYF_OK;
}

static void set_name(ayf_onednn_kernel *k, dnnl_primitive_desc_t desc, const char *suffix) {
    const char *implementation = NULL;
    if (dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &implementation) != dnnl_success)
        implementation = NULL;
    snprintf(k->name, sizeof k->name, "onednn %s%s", implementation ? implementation : "?", suffix);
}

static dnnl_data_type_t data_type(ayf_element element) { return element == AYF_BF16 ? dnnl_bf16 : dnnl_f32; }

/* ---- Convolution ---- */

/* Channels-last activations are best where no tap is reused (1x1), and where the input side of the sum has so
 * few channels that a block of 8 or 16 would be mostly padding. Elsewhere oneDNN's own blocked layout gains
 * more than the changes of layout cost. In bf16 the kernels for channels-last are as fast as the others. */
static bool channels_last(const ayf_conv_shape *s, ayf_op face, const ayf_element element[3]) {
    if (element[0] == AYF_BF16) return true;
    bool pointwise = s->w[1] == 1 && s->w[2] == 1 && s->stride == 1;
    int64_t summed = face == AYF_OP_CONV_FPROP ? s->x[3] : s->y[3];
    return pointwise || (face != AYF_OP_CONV_WGRAD && summed < 8);
}

typedef struct conv_layouts {
    layout dense[3], wanted[3]; /* x, w, y */
} conv_layouts;

/* `type` is of x, w, y. *l is zero. */
static dnnl_status_t make_layouts(conv_layouts *l, const ayf_conv_shape *s, const dnnl_data_type_t type[3],
                                  bool last) {
    const dnnl_dims_t dims[3] = {{s->x[0], s->x[3], s->x[1], s->x[2]},
                                 {s->w[0], s->w[3], s->w[1], s->w[2]},
                                 {s->y[0], s->y[3], s->y[1], s->y[2]}};
    for (int i = 0; i < 3; i++) {
        bool weights = i == 1;
        dnnl_status_t status = layout_by_tag(&l->dense[i], dims[i], type[i], weights ? dnnl_ohwi : dnnl_nhwc);
        if (status == dnnl_success)
            status = layout_by_tag(&l->wanted[i], dims[i], type[i],
                                   last && !weights ? dnnl_nhwc : dnnl_format_tag_any);
        if (status != dnnl_success) return status;
    }
    return dnnl_success;
}

static ayf_status describe_face(ayf_onednn *d, const conv_layouts *l, const ayf_conv_shape *s, ayf_op face,
                                dnnl_primitive_desc_t *desc) {
    const dnnl_dims_t stride = {s->stride, s->stride};
    const dnnl_dims_t before = {s->pad_top, s->pad_left};
    const dnnl_dims_t after = {s->pad_bottom, s->pad_right};
    dnnl_primitive_attr_t attr;
    AYF_TRY(user_scratch(d, &attr));
    dnnl_status_t status = describe_conv(desc, d->engine, face, &l->wanted[0], &l->wanted[1], &l->wanted[2],
                                         stride, before, after, attr);
    dnnl_primitive_attr_destroy(attr);
    return status == dnnl_success ? AYF_OK : failed(d, status, "a convolution");
}

static const struct {
    int argument[3]; /* of x, w, y */
    dnnl_query_t query[3];
    role where[3];
    int out; /* which of x, w, y is computed */
} faces[] = {
    [AYF_OP_CONV_FPROP] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                           {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
                           {ROLE_A, ROLE_B, ROLE_OUT},
                           2},
    [AYF_OP_CONV_DGRAD] = {{DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                           {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
                           {ROLE_OUT, ROLE_B, ROLE_A},
                           0},
    [AYF_OP_CONV_WGRAD] = {{DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
                           {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md},
                           {ROLE_A, ROLE_OUT, ROLE_B},
                           1},
};

static ayf_status build_conv(ayf_onednn_kernel *k, const ayf_conv_shape *s, ayf_op face,
                             const ayf_element element[3], conv_layouts *l) {
    ayf_onednn *d = k->owner;
    bool last = channels_last(s, face, element);
    dnnl_data_type_t types[3];
    for (int i = 0; i < 3; i++) types[i] = data_type(element[faces[face].where[i]]);
    DNNL_TRY(d, make_layouts(l, s, types, last), "the layouts of a convolution");
    dnnl_primitive_desc_t desc;
    AYF_TRY(describe_face(d, l, s, face, &desc));
    set_name(k, desc, last ? " nhwc" : " blocked");

    buffer *inside[3], *outside[3];
    layout_ref chosen[3];
    ayf_status status = AYF_OK;
    for (int i = 0; i < 3 && status == AYF_OK; i++) {
        chosen[i] = dnnl_primitive_desc_query_md(desc, faces[face].query[i], 0);
        layout_ref dense = lend(&l->dense[i]);
        status = add_argument(k, faces[face].where[i], dense, chosen[i], &inside[i], &outside[i]);
        if (status != AYF_OK || !outside[i] || i == faces[face].out) continue;
        int buffers = k->buffer_count;
        status = add_reorder(k, dense, outside[i], chosen[i], inside[i]);
        /* One that needs working memory of its own is left where it is. */
        if (status != AYF_OK || faces[face].where[i] != ROLE_B || k->buffer_count != buffers) continue;
        k->packing = &k->steps[k->step_count - 1];
        k->packed = inside[i];
        k->packed_bytes = dnnl_memory_desc_get_size(chosen[i]);
    }
    /* `chosen` belongs to the primitive's descriptor, which add_step() lets go. */
    int out = faces[face].out;
    step *after = NULL;
    if (status == AYF_OK && outside[out]) {
        status = add_reorder(k, chosen[out], inside[out], lend(&l->dense[out]), outside[out]);
        if (status == AYF_OK) after = &k->steps[k->step_count - 1];
    }
    if (status != AYF_OK) {
        dnnl_primitive_desc_destroy(desc);
        return status;
    }
    step *conv;
    AYF_TRY(add_step(k, desc, "a convolution", &conv));
    for (int i = 0; i < 3; i++) add_arg(conv, faces[face].argument[i], inside[i]);
    if (after) {
        step swap = *after;
        *after = *conv;
        *conv = swap;
    }
    return AYF_OK;
}

static ayf_status build_conv_asked(request *r) {
    return build_conv(r->kernel, r->shape, r->face, r->element, r->layouts);
}

ayf_status ayf_onednn_prepare_conv(ayf_onednn *d, const ayf_conv_shape *shape, ayf_op face,
                                   const ayf_element element[3], ayf_onednn_kernel **out) {
    *out = NULL;
    ayf_onednn_kernel *k;
    AYF_TRY(enough_memory(d, "a convolution"));
    AYF_TRY(new_kernel(d, &k));
    conv_layouts layouts;
    memset(&layouts, 0, sizeof layouts);
    ayf_status status = ask(&(request){.work = build_conv_asked,
                                       .owner = d,
                                       .kernel = k,
                                       .what = "a convolution",
                                       .shape = shape,
                                       .face = face,
                                       .element = element,
                                       .layouts = &layouts});
    for (int i = 0; i < 3; i++) {
        layout_free(&layouts.dense[i]);
        layout_free(&layouts.wanted[i]);
    }
    if (status != AYF_OK) {
        ayf_onednn_release(k);
        return status;
    }
    *out = k;
    return AYF_OK;
}

/* ---- Matrix product ---- */

static ayf_status build_gemm(ayf_onednn_kernel *k, const ayf_gemm_shape *s, const ayf_element element[3],
                             layout l[3]) {
    ayf_onednn *d = k->owner;
    const dnnl_dims_t dims[3] = {{s->batch, s->m, s->k}, {s->batch, s->k, s->n}, {s->batch, s->m, s->n}};
    const dnnl_dims_t strides[3] = {
        {s->stride_a ? s->stride_a : s->m * s->k, s->transpose_a ? 1 : s->k, s->transpose_a ? s->m : 1},
        {s->stride_b ? s->stride_b : s->k * s->n, s->transpose_b ? 1 : s->n, s->transpose_b ? s->k : 1},
        {s->m * s->n, s->n, 1}};
    for (int i = 0; i < 3; i++)
        DNNL_TRY(d, layout_by_strides(&l[i], dims[i], data_type(element[i]), strides[i]),
                 "the layouts of a matrix product");
    dnnl_primitive_attr_t attr;
    AYF_TRY(user_scratch(d, &attr));
    dnnl_primitive_desc_t desc;
    dnnl_status_t created = describe_gemm(&desc, d->engine, &l[0], &l[1], &l[2], attr);
    dnnl_primitive_attr_destroy(attr);
    if (created != dnnl_success) return failed(d, created, "a matrix product");
    set_name(k, desc, " matmul");
    step *gemm;
    AYF_TRY(add_step(k, desc, "a matrix product", &gemm));
    static const int names[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    static const role roles[3] = {ROLE_A, ROLE_B, ROLE_OUT};
    for (int i = 0; i < 3; i++) {
        buffer *b;
        AYF_TRY(add_buffer(k, lend(&l[i]), roles[i], &b));
        add_arg(gemm, names[i], b);
    }
    return AYF_OK;
}

static ayf_status build_gemm_asked(request *r) {
    return build_gemm(r->kernel, r->shape, r->element, r->layouts);
}

ayf_status ayf_onednn_prepare_gemm(ayf_onednn *d, const ayf_gemm_shape *shape, const ayf_element element[3],
                                   ayf_onednn_kernel **out) {
    *out = NULL;
    ayf_onednn_kernel *k;
    AYF_TRY(enough_memory(d, "a matrix product"));
    AYF_TRY(new_kernel(d, &k));
    layout layouts[3];
    memset(layouts, 0, sizeof layouts);
    ayf_status status = ask(&(request){.work = build_gemm_asked,
                                       .owner = d,
                                       .kernel = k,
                                       .what = "a matrix product",
                                       .shape = shape,
                                       .element = element,
                                       .layouts = layouts});
    for (int i = 0; i < 3; i++) layout_free(&layouts[i]);
    if (status != AYF_OK) {
        ayf_onednn_release(k);
        return status;
    }
    *out = k;
    return AYF_OK;
}

/* ---- Running ---- */

size_t ayf_onednn_scratch_bytes(const ayf_onednn_kernel *kernel) { return kernel->scratch_bytes; }

const char *ayf_onednn_describe(const ayf_onednn_kernel *kernel) { return kernel->name; }

/* oneDNN takes handles without const; inputs are only read. */
static void *handle(const void *pointer) {
    union {
        const void *in;
        void *out;
    } u = {.in = pointer};
    return u.out;
}

static ayf_status run_step(ayf_onednn_kernel *k, const step *s) {
    ayf_onednn *d = k->owner;
    DNNL_TRY(d, dnnl_primitive_execute(s->primitive, d->stream, s->args, s->arg), k->name);
    return AYF_OK;
}

/* With `packed`, b has been packed there; it is NULL otherwise. */
static ayf_status run_steps(ayf_onednn_kernel *k, const void *a, const void *b, void *out, const void *packed,
                            char *scratch) {
    ayf_onednn *d = k->owner;
    void *const base[] = {handle(a), handle(b), out};
    for (int i = 0; i < k->buffer_count; i++) {
        const buffer *buf = &k->buffers[i];
        void *data = buf->where == ROLE_SCRATCH ? scratch + buf->offset : base[buf->where];
        if (packed && buf == k->packed) data = handle(packed);
        DNNL_TRY(d, dnnl_memory_set_data_handle(buf->memory, data), k->name);
    }
    for (int i = 0; i < k->step_count; i++)
        if (!packed || &k->steps[i] != k->packing) AYF_TRY(run_step(k, &k->steps[i]));
    DNNL_TRY(d, dnnl_stream_wait(d->stream), k->name);
    return AYF_OK;
}

static ayf_status pack(ayf_onednn_kernel *k, const void *b, void *packed) {
    ayf_onednn *d = k->owner;
    for (int i = 0; i < k->buffer_count; i++) {
        const buffer *buf = &k->buffers[i];
        void *data = buf == k->packed ? packed : buf->where == ROLE_B ? handle(b) : NULL;
        if (data) DNNL_TRY(d, dnnl_memory_set_data_handle(buf->memory, data), k->name);
    }
    AYF_TRY(run_step(k, k->packing));
    DNNL_TRY(d, dnnl_stream_wait(d->stream), k->name);
    return AYF_OK;
}

static ayf_status run_asked(request *r) {
    return run_steps(r->kernel, r->a, r->b, r->out, r->packed, r->scratch);
}

ayf_status ayf_onednn_run(ayf_onednn_kernel *kernel, const void *a, const void *b, void *out,
                          const void *packed, void *scratch) {
    return ask(&(request){.work = run_asked,
                          .owner = kernel->owner,
                          .kernel = kernel,
                          .what = kernel->name,
                          .a = a,
                          .b = b,
                          .out = out,
                          .packed = packed,
                          .scratch = scratch});
}

size_t ayf_onednn_packed_bytes(const ayf_onednn_kernel *kernel) { return kernel->packed_bytes; }

static ayf_status pack_asked(request *r) { return pack(r->kernel, r->b, r->out); }

ayf_status ayf_onednn_pack(ayf_onednn_kernel *kernel, const void *b, void *packed) {
    return ask(&(request){.work = pack_asked,
                          .owner = kernel->owner,
                          .kernel = kernel,
                          .what = kernel->name,
                          .b = b,
                          .out = packed});
}

/* ---- Life ---- */

static void ask_isa(void *isa) { *(unsigned *)isa = (unsigned)dnnl_get_effective_cpu_isa(); }

bool ayf_onednn_multiplies_bf16(void) {
    unsigned wanted = (unsigned)dnnl_cpu_isa_avx512_core_bf16, isa = 0;
    return ayf_catch(ask_isa, &isa) == AYF_CAUGHT_NOTHING && (isa & wanted) == wanted;
}

static ayf_status open_asked(request *r) {
    ayf_onednn *d = r->owner;
    DNNL_TRY(d, dnnl_engine_create(&d->engine, dnnl_cpu, 0), r->what);
    DNNL_TRY(d, dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags), r->what);
    return AYF_OK;
}

ayf_status ayf_onednn_open(ayf_context *ctx, int threads, ayf_onednn **out) {
    *out = NULL;
    ayf_onednn *d = ayf_alloc(ctx, 1, sizeof *d);
    if (!d) return AYF_E_MEMORY;
    d->ctx = ctx;
    d->threads = threads;
    ayf_status status = ask(&(request){.work = open_asked, .owner = d, .what = "its processor engine"});
    if (status != AYF_OK) {
        ayf_onednn_close(d);
        return status;
    }
    *out = d;
    return AYF_OK;
}

void ayf_onednn_release(ayf_onednn_kernel *kernel) {
    if (!kernel) return;
    for (int i = 0; i < MAX_STEPS; i++)
        if (kernel->steps[i].primitive) dnnl_primitive_destroy(kernel->steps[i].primitive);
    for (int i = 0; i < kernel->buffer_count; i++) dnnl_memory_destroy(kernel->buffers[i].memory);
    ayf_free(kernel->owner->ctx, kernel);
}

void ayf_onednn_close(ayf_onednn *d) {
    if (!d) return;
    if (d->stream) dnnl_stream_destroy(d->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    ayf_free(d->ctx, d);
}
