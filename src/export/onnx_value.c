#include "export/onnx_value.h"

#include <stdio.h>
#include <string.h>

/* ---- Axes ---- */

static int64_t full_size(const ayf_onnx_batch *batch, const ayf_axis *a) {
    return a->batch ? a->size * batch->graph : a->size;
}

static ayf_axis axis_of(const ayf_onnx_batch *batch, int64_t size) {
    bool depends = size % batch->graph == 0;
    return (ayf_axis){.size = depends ? size / batch->graph : size, .batch = depends};
}

static bool is_unit(const ayf_axis *a) { return a->size == 1 && !a->batch; }

ayf_onnx_value ayf_value_of(const ayf_onnx_batch *batch, const ayf_node *n, const char *name) {
    ayf_onnx_value v = {.count = n->rank};
    snprintf(v.name, sizeof v.name, "%s", name);
    for (int i = 0; i < n->rank; i++) {
        v.axes[i] = axis_of(batch, n->dim[i]);
        v.order[i] = i;
    }
    return v;
}

static int64_t stored_size(const ayf_onnx_batch *batch, const ayf_axis *a) {
    if (a->flat) return 1;
    if (!a->batch) return a->size;
    return batch->model < 0 ? -1 : a->size * batch->model;
}

/* The sizes in which the model stores it. */
static int dims_of(const ayf_onnx_batch *batch, const ayf_onnx_value *v, int64_t dims[AYF_ONNX_RANK]) {
    for (int j = 0; j < v->count; j++) dims[j] = stored_size(batch, &v->axes[v->order[j]]);
    return v->count;
}

int64_t ayf_value_stored(const ayf_onnx_value *v) {
    int64_t total = 1;
    for (int i = 0; i < v->count; i++)
        if (!v->axes[i].flat) total *= v->axes[i].size * (v->axes[i].batch ? 2 : 1);
    return total;
}

void ayf_value_group(const ayf_onnx_batch *batch, const ayf_onnx_value *v, const ayf_node *n, int axis,
                     int *first, int *count) {
    int at = 0;
    for (int i = 0; i <= axis; i++) {
        int64_t size = 1;
        *first = at;
        if (n->dim[i] == 1) {
            if (at < v->count && is_unit(&v->axes[at])) at++;
        } else {
            while (at < v->count && size < n->dim[i]) size *= full_size(batch, &v->axes[at++]);
        }
        if (i == n->rank - 1) at = v->count; /* with the units that are left */
    }
    *count = at - *first;
}

/* ---- Moving data ---- */

static void reshape(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v) {
    int64_t dims[AYF_ONNX_RANK];
    char shape[AYF_ONNX_NAME], out[AYF_ONNX_NAME];
    if (v->folded || !v->count) return; /* is written when it is needed */
    int count = dims_of(batch, v, dims);
    ayf_onnx_i64(f, dims, count, shape);
    ayf_onnx_fresh(f, "reshape", out);
    ayf_onnx_node(f, "Reshape", out, v->name, shape, NULL);
    memcpy(v->name, out, sizeof out);
}

/* Brings the storage into `order`. */
static void transpose(ayf_onnx *f, ayf_onnx_value *v, const int *order) {
    int64_t perm[AYF_ONNX_RANK];
    char out[AYF_ONNX_NAME];
    bool same = true;
    for (int j = 0; j < v->count; j++)
        for (int k = 0; k < v->count; k++)
            if (v->order[k] == order[j]) {
                perm[j] = k;
                same = same && k == j;
            }
    if (same) return;
    memcpy(v->order, order, (size_t)v->count * sizeof *order);
    if (v->folded) return;
    ayf_onnx_ints(f, "perm", perm, v->count);
    ayf_onnx_fresh(f, "transpose", out);
    ayf_onnx_node(f, "Transpose", out, v->name, NULL, NULL);
    memcpy(v->name, out, sizeof out);
}

/* Stores what is flat in its full size. */
static void expand(ayf_onnx *f, ayf_onnx_value *v) {
    int64_t dims[AYF_ONNX_RANK];
    char shape[AYF_ONNX_NAME], out[AYF_ONNX_NAME];
    bool any = false;
    for (int j = 0; j < v->count; j++) {
        ayf_axis *a = &v->axes[v->order[j]];
        dims[j] = a->batch ? 1 : a->size;
        if (!a->flat) continue;
        any = true;
        if (a->batch) ayf_onnx_fail(f, "a value that is the same for all samples would have to be repeated");
        a->flat = false;
    }
    if (!any) return;
    if (v->folded) ayf_onnx_fail(f, "a weight would have to be repeated");
    ayf_onnx_i64(f, dims, v->count, shape);
    ayf_onnx_fresh(f, "expand", out);
    ayf_onnx_node(f, "Expand", out, v->name, shape, NULL);
    memcpy(v->name, out, sizeof out);
}

/* A weight becomes an initializer in the storage order. */
static void write_folded(ayf_onnx *f, ayf_onnx_value *v) {
    int64_t dims[AYF_ONNX_RANK], stride[AYF_ONNX_RANK], at[AYF_ONNX_RANK] = {0}, total = 1;
    char name[2 * AYF_ONNX_NAME];
    size_t used = (size_t)snprintf(name, sizeof name, "%s", v->name);
    for (int i = v->count - 1; i >= 0; i--) {
        int64_t size = v->axes[i].flat ? 1 : v->axes[i].size;
        stride[i] = total;
        total *= size;
    }
    for (int j = 0; j < v->count; j++) {
        const ayf_axis *a = &v->axes[v->order[j]];
        dims[j] = a->flat ? 1 : a->size;
        used += (size_t)snprintf(name + used, sizeof name - used, j ? "_%d:%lld" : ".%d:%lld", v->order[j],
                                 (long long)dims[j]);
    }
    memcpy(v->name, name, sizeof v->name - 1);
    v->name[sizeof v->name - 1] = 0;
    const float *source = v->folded;
    v->folded = NULL;
    if (ayf_onnx_knows(f, v->name)) return;
    float *values = ayf_alloc(f->ctx, (size_t)total, sizeof *values);
    if (!values) {
        f->status = AYF_E_MEMORY;
        return;
    }
    for (int64_t i = 0; i < total; i++) {
        int64_t from = 0;
        for (int j = 0; j < v->count; j++) from += at[j] * stride[v->order[j]];
        values[i] = source[from];
        for (int j = v->count - 1; j >= 0 && ++at[j] == dims[j]; j--) at[j] = 0;
    }
    ayf_onnx_weight(f, v->name, dims, v->count, values);
    ayf_free(f->ctx, values);
}

/* ---- Splitting ---- */

typedef struct cut {
    ayf_onnx_value out;
    int from[AYF_ONNX_RANK]; /* axis of the old value; -1: a new one of size 1 */
} cut;

static bool add_piece(cut *c, ayf_axis axis, int from) {
    if (c->out.count == AYF_ONNX_RANK) return false;
    c->from[c->out.count] = from;
    c->out.axes[c->out.count++] = axis;
    return true;
}

/* The pieces of `v` for an axis of size `size`; *at and *left walk over the axes of `v`. */
static bool take_axis(cut *c, const ayf_onnx_batch *batch, const ayf_onnx_value *v, int64_t size, int *at,
                      int64_t *left) {
    if (size == 1) {
        bool unit = *at < v->count && is_unit(&v->axes[*at]);
        if (unit) *left = ++*at < v->count ? full_size(batch, &v->axes[*at]) : 0;
        return add_piece(c, (ayf_axis){.size = 1}, unit ? *at - 1 : -1);
    }
    while (size > 1) {
        if (*at >= v->count) return false;
        int64_t piece = *left < size ? *left : size;
        if (size % piece != 0 || *left % piece != 0) return false;
        ayf_axis axis = axis_of(batch, piece);
        axis.flat = v->axes[*at].flat;
        if (!add_piece(c, axis, *at)) return false;
        size /= piece;
        *left /= piece;
        if (*left == 1) *left = ++*at < v->count ? full_size(batch, &v->axes[*at]) : 0;
    }
    return true;
}

/* Storage axes in the old order, the pieces of one beside each other; new units in front of what they precede.
 */
static void order_pieces(cut *c, const ayf_onnx_value *v) {
    int used = 0;
    for (int j = 0; j < v->count; j++)
        for (int i = 0; i < c->out.count; i++) {
            if (c->from[i] != v->order[j]) continue;
            int first = i;
            while (first > 0 && c->from[first - 1] == -1) first--;
            for (int k = first; k <= i; k++) {
                bool there = false;
                for (int u = 0; u < used; u++) there = there || c->out.order[u] == k;
                if (!there) c->out.order[used++] = k;
            }
        }
    for (int i = 0; i < c->out.count; i++) {
        bool there = false;
        for (int u = 0; u < used; u++) there = there || c->out.order[u] == i;
        if (!there) c->out.order[used++] = i;
    }
}

/* False: the sizes do not divide each other. Nothing has changed then. */
static bool split(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const int64_t *sizes,
                  int count) {
    cut c = {.out = *v};
    int at = 0;
    int64_t left = v->count ? full_size(batch, &v->axes[0]) : 0;
    c.out.count = 0;
    for (int i = 0; i < count; i++)
        if (!take_axis(&c, batch, v, sizes[i], &at, &left)) return false;
    while (at < v->count && is_unit(&v->axes[at])) at++; /* dropped */
    if (at < v->count) return false;
    order_pieces(&c, v);
    bool same = c.out.count == v->count;
    for (int i = 0; same && i < v->count; i++) same = c.from[i] == i && c.out.order[i] == v->order[i];
    *v = c.out;
    if (!same) reshape(f, batch, v);
    return true;
}

static void identity(int *order) {
    for (int i = 0; i < AYF_ONNX_RANK; i++) order[i] = i;
}

/* What always works: the storage in the graph's order, one axis per axis of `n`. */
static void straighten(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n) {
    int order[AYF_ONNX_RANK];
    identity(order);
    expand(f, v);
    transpose(f, v, order);
    ayf_onnx_value straight = ayf_value_of(batch, n, v->name);
    straight.folded = v->folded;
    *v = straight;
    reshape(f, batch, v);
}

void ayf_value_split(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n) {
    int64_t sizes[AYF_MAX_RANK];
    if (!v->count) return;
    for (int i = 0; i < n->rank; i++) sizes[i] = n->dim[i];
    if (!split(f, batch, v, sizes, n->rank)) straighten(f, batch, v, n);
}

/* ---- Merging ---- */

/* Merges the axes of each group when they are stored one behind the other. */
static bool merge(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n) {
    int first[AYF_MAX_RANK], count[AYF_MAX_RANK], place[AYF_ONNX_RANK], used = 0;
    ayf_onnx_value out = ayf_value_of(batch, n, v->name);
    bool same = v->count == n->rank;
    out.folded = v->folded;
    for (int j = 0; j < v->count; j++) place[v->order[j]] = j;
    for (int i = 0; i < n->rank; i++) {
        ayf_value_group(batch, v, n, i, &first[i], &count[i]);
        if (count[i] == 0) return false;
        for (int k = first[i] + 1; k < first[i] + count[i]; k++)
            if (place[k] != place[k - 1] + 1) return false;
        for (int k = first[i]; k < first[i] + count[i]; k++)
            if (v->axes[k].flat) return false;
    }
    for (int j = 0; j < v->count; j++)
        for (int i = 0; i < n->rank; i++)
            if (first[i] == v->order[j]) out.order[used++] = i;
    *v = out;
    if (!same) reshape(f, batch, v);
    return true;
}

void ayf_value_whole(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, const ayf_node *n,
                     const int *order) {
    if (!v->count) ayf_onnx_fail(f, "a constant would have to be a tensor");
    if (f->status != AYF_OK) return;
    expand(f, v);
    if (!merge(f, batch, v, n)) straighten(f, batch, v, n);
    if (order) transpose(f, v, order);
    if (v->folded) write_folded(f, v);
}

/* ---- Combining ---- */

static int sizes_of(const ayf_onnx_batch *batch, const ayf_onnx_value *v, int64_t sizes[AYF_ONNX_RANK]) {
    for (int i = 0; i < v->count; i++) sizes[i] = full_size(batch, &v->axes[i]);
    return v->count;
}

/* The axes of `v` that are not units, in storage order of `lead`, which has the same ones. */
static void follow_order(const ayf_onnx_value *v, const ayf_onnx_value *lead, int order[AYF_ONNX_RANK]) {
    int of_lead[AYF_ONNX_RANK] = {0}, own[AYF_ONNX_RANK] = {0}, count = 0, used = 0;
    for (int i = 0, k = 0; i < lead->count; i++) of_lead[i] = is_unit(&lead->axes[i]) ? -1 : k++;
    for (int i = 0; i < v->count; i++)
        if (!is_unit(&v->axes[i])) own[count++] = i;
    for (int j = 0; j < lead->count; j++) {
        int k = of_lead[lead->order[j]];
        if (k >= 0) order[used++] = own[k];
    }
    for (int i = 0; i < v->count; i++)
        if (is_unit(&v->axes[i])) order[used++] = i;
}

/* Whether only axes that are stored with size 1 change places. */
static bool is_renaming(const ayf_onnx_value *v, const int *order) {
    int before[AYF_ONNX_RANK], after[AYF_ONNX_RANK], n = 0, m = 0;
    for (int j = 0; j < v->count; j++) {
        const ayf_axis *a = &v->axes[v->order[j]], *b = &v->axes[order[j]];
        if (!a->flat && !is_unit(a)) before[n++] = v->order[j];
        if (!b->flat && !is_unit(b)) after[m++] = order[j];
    }
    return n == m && memcmp(before, after, (size_t)n * sizeof *before) == 0;
}

/* Takes the axes of `lead`, units included, with its own flatness. */
static void take_axes(ayf_onnx_value *v, const ayf_onnx_value *lead) {
    ayf_onnx_value out = *lead;
    int own = 0;
    memcpy(out.name, v->name, sizeof out.name);
    out.folded = v->folded;
    for (int i = 0; i < lead->count; i++) {
        if (is_unit(&lead->axes[i])) continue;
        while (is_unit(&v->axes[own])) own++;
        out.axes[i].flat = v->axes[own++].flat;
    }
    *v = out;
}

void ayf_value_like(ayf_onnx *f, const ayf_onnx_batch *batch, ayf_onnx_value *v, ayf_onnx_value *lead) {
    int64_t sizes[AYF_ONNX_RANK], before[AYF_ONNX_RANK], after[AYF_ONNX_RANK];
    int order[AYF_ONNX_RANK];
    if (!v->count || f->status != AYF_OK) return;
    int count = sizes_of(batch, v, sizes);
    if (!split(f, batch, lead, sizes, count)) ayf_onnx_fail(f, "two values are cut differently");
    count = sizes_of(batch, lead, sizes);
    if (!split(f, batch, v, sizes, count)) ayf_onnx_fail(f, "two values are cut differently");
    if (f->status != AYF_OK) return;
    follow_order(v, lead, order);
    if (v->folded || !is_renaming(v, order)) transpose(f, v, order);
    int rank = dims_of(batch, v, before);
    take_axes(v, lead);
    bool same = rank == dims_of(batch, v, after) && memcmp(before, after, (size_t)rank * sizeof *before) == 0;
    if (v->folded)
        write_folded(f, v);
    else if (!same)
        reshape(f, batch, v);
}
