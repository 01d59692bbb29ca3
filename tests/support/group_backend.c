/* An interpreter for fused groups over the reference backend; see group_backend_open() in support.h.
 *
 * It works row by row through the values in order, stores a value as soon as it is computed and reads inputs
 * at the moment they are used: the freest order that steps.h and plan.c allow a kernel. */
#include <math.h>
#include <string.h>

#include "backend/ref/ref.h"
#include "base/bf16.h"
#include "ir/scalar.h"
#include "support.h"

typedef struct group_backend {
    ayf_backend base;
    ayf_backend *ref;
} group_backend;

typedef struct group_kernel {
    void *node; /* kernel of ref for NODE steps */
    const ayf_group *group;
    uint32_t in_count;
    size_t *in_size, *out_size; /* in elements */
    const uint8_t *out_element;
    int64_t rows, length;
    double *buffer; /* value_count x length */
} group_kernel;

static ayf_backend_ops ops;

static const ayf_backend_ops *ref_ops(ayf_backend *b) { return ((group_backend *)b)->ref->ops; }

static void drop(ayf_backend *b, void *kernel) {
    group_kernel *k = kernel;
    if (k->node) ref_ops(b)->drop(((group_backend *)b)->ref, k->node);
    ayf_free(b->ctx, k->in_size);
    ayf_free(b->ctx, k->out_size);
    ayf_free(b->ctx, k->buffer);
    ayf_free(b->ctx, k);
}

static ayf_status prepare(ayf_backend *b, const ayf_graph *g, const ayf_step *step, void **kernel,
                          ayf_kernel_memory *memory) {
    group_kernel *k = ayf_alloc(b->ctx, 1, sizeof *k);
    ayf_status status = AYF_OK;
    if (!k) return AYF_E_MEMORY;
    if (!step->group) {
        status = ref_ops(b)->prepare(((group_backend *)b)->ref, g, step, &k->node, memory);
    } else {
        const ayf_group *group = k->group = step->group;
        k->in_count = step->in_count;
        k->out_element = step->element + step->in_count;
        k->rows = k->length = 1;
        for (int i = 0; i < group->rank; i++) *(i < group->split ? &k->rows : &k->length) *= group->dim[i];
        k->in_size = ayf_alloc(b->ctx, step->in_count, sizeof *k->in_size);
        k->out_size = ayf_alloc(b->ctx, step->out_count, sizeof *k->out_size);
        k->buffer = ayf_alloc(b->ctx, group->value_count * (size_t)k->length, sizeof *k->buffer);
        if (!k->in_size || !k->out_size || !k->buffer) status = AYF_E_MEMORY;
        for (uint32_t i = 0; status == AYF_OK && i < step->in_count; i++) {
            assert_int_equal(step->in[i], group->view[i].base);
            k->in_size[i] = ayf_elements(g, step->in[i]);
        }
        for (uint32_t i = 0; status == AYF_OK && i < step->out_count; i++)
            k->out_size[i] = ayf_elements(g, step->out[i]);
    }
    if (status != AYF_OK) {
        drop(b, k);
        return status;
    }
    *kernel = k;
    return AYF_OK;
}

/* Coordinates of element `at` of row `row`. */
static void locate(const group_kernel *k, int64_t row, int64_t at, int64_t *index) {
    const ayf_group *group = k->group;
    for (int i = group->rank; i-- > group->split; at /= group->dim[i]) index[i] = at % group->dim[i];
    for (int i = group->split; i-- > 0; row /= group->dim[i]) index[i] = row % group->dim[i];
}

static double read_value(const group_kernel *k, void *const *args, uint32_t value, int64_t row, int64_t at) {
    const ayf_value *v = &k->group->value[value];
    if (v->op == AYF_OP_CONST) return v->constant;
    if (v->row) at = 0;
    if (v->op != AYF_OP_INPUT) return k->buffer[(int64_t)value * k->length + at];
    const ayf_view *view = &k->group->view[v->in[0]];
    int64_t index[AYF_MAX_RANK], address = view->offset;
    locate(k, row, at, index);
    for (int i = 0; i < k->group->rank; i++) address += index[i] * view->stride[i];
    if (address < 0 || (size_t)address >= k->in_size[v->in[0]])
        fail_msg("a group reads outside tensor %%%u", view->base);
    return ((const double *)args[v->in[0]])[address];
}

static void store(const group_kernel *k, void *const *args, int to, int64_t address, double value, bool add) {
    if (address < 0 || (size_t)address >= k->out_size[to]) fail_msg("a group writes outside output %d", to);
    double *out = (double *)args[k->in_count + (uint32_t)to] + address;
    *out = add ? *out + value : value;
}

static double reduce(const group_kernel *k, void *const *args, const ayf_value *v, int64_t row) {
    double sum = v->op == AYF_OP_SUM ? 0 : -INFINITY;
    for (int64_t at = 0; at < k->length; at++) {
        double a = read_value(k, args, v->in[0], row, at);
        if (v->op == AYF_OP_SUM)
            sum += a;
        else if (a > sum || isnan(a))
            sum = a;
    }
    return sum;
}

static void run_row(const group_kernel *k, void *const *args, int64_t row) {
    const ayf_group *group = k->group;
    for (uint32_t i = 0; i < group->value_count; i++) {
        const ayf_value *v = &group->value[i];
        if (v->op == AYF_OP_INPUT || v->op == AYF_OP_CONST) continue;
        int inputs = ayf_op_table[v->op].inputs;
        bool reduces = v->op == AYF_OP_SUM || v->op == AYF_OP_ROWMAX;
        for (int x = 0; x < inputs; x++) {
            if (v->in[x] >= i) fail_msg("a value of a group reads a later one");
            if (v->row && !reduces && group->value[v->in[x]].op != AYF_OP_CONST &&
                !group->value[v->in[x]].row)
                fail_msg("a row value of a group reads a full one");
        }
        for (int64_t at = 0; at < (v->row ? 1 : k->length); at++) {
            double result;
            if (reduces) {
                result = reduce(k, args, v, row);
            } else {
                double a = read_value(k, args, v->in[0], row, at);
                double b = inputs > 1 ? read_value(k, args, v->in[1], row, at) : 0;
                result = ayf_scalar((ayf_op)v->op, a, b);
            }
            if (v->store >= 0 && k->out_element[v->store] == AYF_BF16)
                result = (double)ayf_bf16_round((float)result);
            k->buffer[(int64_t)i * k->length + at] = result;
            if (v->store >= 0) store(k, args, v->store, v->row ? row : row * k->length + at, result, false);
        }
    }
    for (uint32_t i = 0; i < group->terminal_count; i++) {
        const ayf_terminal *t = &group->terminal[i];
        for (int64_t at = 0; at < k->length; at++) {
            int64_t index[AYF_MAX_RANK], address = 0;
            locate(k, row, at, index);
            for (int d = 0; d < group->rank; d++) address += index[d] * t->stride[d];
            store(k, args, t->store, address, read_value(k, args, t->value, row, at), true);
        }
    }
}

static void launch(ayf_backend *b, void *kernel, void *const *args, void *scratch) {
    const group_kernel *k = kernel;
    if (k->node) {
        ref_ops(b)->launch(((group_backend *)b)->ref, k->node, args, scratch);
        return;
    }
    for (uint32_t i = 0; i < k->group->terminal_count; i++) {
        int to = k->group->terminal[i].store;
        memset(args[k->in_count + (uint32_t)to], 0, k->out_size[to] * sizeof(double));
    }
    for (int64_t row = 0; row < k->rows; row++) run_row(k, args, row);
}

static ayf_status sync_ref(ayf_backend *b) { return ref_ops(b)->sync(((group_backend *)b)->ref); }

static const char *describe(const void *kernel) {
    return ((const group_kernel *)kernel)->group ? "interpreted" : "ref";
}

static void close_backend(ayf_backend *b) {
    ayf_context *ctx = b->ctx;
    ayf_backend_close(((group_backend *)b)->ref);
    ayf_free(ctx, b);
}

ayf_status group_backend_open(ayf_context *ctx, ayf_backend **out) {
    group_backend *b = ayf_alloc(ctx, 1, sizeof *b);
    if (!b) return AYF_E_MEMORY;
    ayf_status status = ayf_ref_open(ctx, &b->ref);
    if (status != AYF_OK) {
        ayf_free(ctx, b);
        return status;
    }
    ops = *b->ref->ops; /* memory is ref's: its functions need nothing but the context */
    ops.name = "groups";
    ops.fuses = true;
    ops.close = close_backend;
    ops.prepare = prepare;
    ops.launch = launch;
    ops.describe = describe;
    ops.drop = drop;
    ops.sync = sync_ref;
    b->base.ops = &ops;
    b->base.ctx = ctx;
    *out = &b->base;
    return AYF_OK;
}
