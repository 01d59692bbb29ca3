#include "nn/inception.h"

#include <stdio.h>

#include "ir/build.h"

/* One walk over the network makes the parameter table or the graph, so that names and shapes are written
 * once. */
typedef struct walk {
    ayf_params *table; /* to be filled (only the channels of `maps` count); NULL: the walk makes the graph */
    bool failed;       /* no memory for the table */
    ayf_graph *g;      /* NULL: the walk fills the table */
    const ayf_params *params; /* of the graph */
    const char *block;        /* in front of the names, "Mixed_5b." */
} walk;

typedef struct maps {
    ayf_id id; /* (N,H,W,channels) */
    int channels;
} maps;

/* ---- Convolution, normalisation, ReLU ---- */

static ayf_param *add_tensor(walk *w, const char *unit, const char *suffix, int rank, const int *shape) {
    char name[sizeof((ayf_param *)0)->name];
    snprintf(name, sizeof name, "%s%s.%s", w->block, unit, suffix);
    ayf_param *param = ayf_params_add(w->table, AYF_PARAM_BUFFER, name, rank, shape);
    if (!param) w->failed = true;
    return param;
}

static void add_unit(walk *w, const char *unit, int out, int in, int height, int width) {
    static const char *const normalisation[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
    ayf_param *weight = add_tensor(w, unit, "conv.weight", 4, (const int[]){out, in, height, width});
    if (weight) {
        weight->layout = AYF_LAYOUT_CONV;
        weight->window = height * width;
        weight->shape = AYF_SHAPE(out, height * width * in);
    }
    for (size_t i = 0; i < AYF_COUNT(normalisation); i++) add_tensor(w, unit, normalisation[i], 1, &out);
}

static ayf_id leaf(walk *w, const char *unit, const char *suffix) {
    char name[sizeof((ayf_param *)0)->name];
    snprintf(name, sizeof name, "%s%s.%s", w->block, unit, suffix);
    const ayf_param *param = ayf_params_find(w->params, name);
    return param ? ayf_param_leaf(w->g, param, AYF_STORE_PARAM)
                 : ayf_graph_fail(w->g, AYF_E_INTERNAL, "the parameter table has no '%s'", name);
}

static ayf_id padded(ayf_graph *g, ayf_id x, int height, int width) {
    if (height) x = ayf_pad(g, x, 1, height, height);
    return width ? ayf_pad(g, x, 2, width, width) : x;
}

/* The normalisation is folded into the weights: nodes of frozen leaves alone, which are computed once. */
static ayf_id unit_graph(walk *w, ayf_id x, const char *unit, maps shape, int height, int width, int stride,
                         bool pad) {
    static const double eps = 1e-3;
    ayf_graph *g = w->g;
    int out = shape.channels, both = pad && height == width ? height / 2 : 0;
    ayf_id deviation = ayf_sqrt(g, ayf_addc(g, leaf(w, unit, "bn.running_var"), eps));
    ayf_id scale = ayf_div(g, leaf(w, unit, "bn.weight"), deviation);
    ayf_id weight = leaf(w, unit, "conv.weight");
    weight = ayf_mul(g, weight, ayf_reshape(g, scale, AYF_SHAPE(out, 1)));
    ayf_id shift = ayf_sub(g, leaf(w, unit, "bn.bias"), ayf_mul(g, leaf(w, unit, "bn.running_mean"), scale));
    if (!x || !weight) return 0;
    weight = ayf_reshape(g, weight, AYF_SHAPE(out, height, width, ayf_at(g, x)->dim[3]));
    if (pad && height != width) x = padded(g, x, height / 2, width / 2);
    x = ayf_add(g, ayf_conv(g, x, weight, stride, both), shift);
    return x ? ayf_max(g, x, ayf_const_like(g, x, 0)) : 0;
}

static maps unit(walk *w, maps x, const char *name, int out, int height, int width, int stride, bool pad) {
    maps y = {0, out};
    if (w->g)
        y.id = unit_graph(w, x.id, name, y, height, width, stride, pad);
    else
        add_unit(w, name, out, x.channels, height, width);
    return y;
}

/* Keeps the size of the image. */
static maps same(walk *w, maps x, const char *name, int out, int height, int width) {
    return unit(w, x, name, out, height, width, 1, true);
}

/* 3x3 on whole windows only. */
static maps inner(walk *w, maps x, const char *name, int out, int stride) {
    return unit(w, x, name, out, 3, 3, stride, false);
}

/* ---- Pools of 3x3 and joins ---- */

/* Mean of the pixels that are inside the image. */
static maps average(walk *w, maps x) {
    static const ayf_filter ones = {.taps = 3, .tap = {1, 1, 1}};
    if (!x.id) return x;
    ayf_graph *g = w->g;
    int height = ayf_at(g, x.id)->dim[1], width = ayf_at(g, x.id)->dim[2];
    ayf_id count =
        ayf_upfirdn(g, ayf_full(g, AYF_SHAPE(1, height, width, 1), 1), 1, 1, 1, height, width, &ones);
    ayf_id sum = ayf_upfirdn(g, x.id, 1, 1, 1, height, width, &ones);
    x.id = ayf_div(g, sum, count);
    return x;
}

/* The largest of the nine shifted images; their pixels are >= 0, so zeros around an image change nothing. */
static maps largest(walk *w, maps x) {
    if (!x.id) return x;
    ayf_graph *g = w->g;
    int height = ayf_at(g, x.id)->dim[1], width = ayf_at(g, x.id)->dim[2];
    ayf_id around = padded(g, x.id, 1, 1), most = 0;
    for (int i = 0; i < 9 && around; i++) {
        ayf_id shifted = ayf_slice(g, ayf_slice(g, around, 1, i / 3, height), 2, i % 3, width);
        most = i ? ayf_max(g, most, shifted) : shifted;
    }
    x.id = most;
    return x;
}

/* The same on every second pixel of an odd-sized image, on whole windows only. A last row and column make
 * the sizes even: as (N, H/2, 2, W/2, 2C), rows and columns 2i + k are slices. */
static maps largest_halved(walk *w, maps x) {
    if (!x.id) return x;
    ayf_graph *g = w->g;
    const ayf_node *n = ayf_at(g, x.id);
    int batch = n->dim[0], height = n->dim[1] / 2, width = n->dim[2] / 2, channels = n->dim[3];
    ayf_id even = ayf_pad(g, ayf_pad(g, x.id, 1, 0, 1), 2, 0, 1), most = 0;
    even = ayf_reshape(g, even, AYF_SHAPE(batch, height + 1, 2, width + 1, 2 * channels));
    for (int i = 0; i < 9 && even; i++) {
        int row = i / 3, column = i % 3;
        ayf_id rows = ayf_slice(g, ayf_slice(g, even, 1, row / 2, height), 2, row % 2, 1);
        ayf_id shifted =
            ayf_slice(g, ayf_slice(g, rows, 3, column / 2, width), 4, column % 2 * channels, channels);
        most = i ? ayf_max(g, most, shifted) : shifted;
    }
    x.id = ayf_reshape(g, most, AYF_SHAPE(batch, height, width, channels));
    return x;
}

static maps join(walk *w, maps a, maps b) {
    return (maps){w->g ? ayf_concat(w->g, a.id, b.id, 3) : 0, a.channels + b.channels};
}

/* ---- Blocks ---- */

static maps block_5(walk *w, maps x, const char *name, int pool_channels) {
    w->block = name;
    maps one = same(w, x, "branch1x1", 64, 1, 1);
    maps five = same(w, x, "branch5x5_1", 48, 1, 1);
    five = same(w, five, "branch5x5_2", 64, 5, 5);
    maps three = same(w, x, "branch3x3dbl_1", 64, 1, 1);
    three = same(w, three, "branch3x3dbl_2", 96, 3, 3);
    three = same(w, three, "branch3x3dbl_3", 96, 3, 3);
    maps pool = same(w, average(w, x), "branch_pool", pool_channels, 1, 1);
    return join(w, join(w, one, five), join(w, three, pool));
}

static maps block_6a(walk *w, maps x) {
    w->block = "Mixed_6a.";
    maps three = inner(w, x, "branch3x3", 384, 2);
    maps twice = same(w, x, "branch3x3dbl_1", 64, 1, 1);
    twice = same(w, twice, "branch3x3dbl_2", 96, 3, 3);
    twice = inner(w, twice, "branch3x3dbl_3", 96, 2);
    return join(w, join(w, three, twice), largest_halved(w, x));
}

static maps block_6(walk *w, maps x, const char *name, int c) {
    w->block = name;
    maps one = same(w, x, "branch1x1", 192, 1, 1);
    maps seven = same(w, x, "branch7x7_1", c, 1, 1);
    seven = same(w, seven, "branch7x7_2", c, 1, 7);
    seven = same(w, seven, "branch7x7_3", 192, 7, 1);
    maps twice = same(w, x, "branch7x7dbl_1", c, 1, 1);
    twice = same(w, twice, "branch7x7dbl_2", c, 7, 1);
    twice = same(w, twice, "branch7x7dbl_3", c, 1, 7);
    twice = same(w, twice, "branch7x7dbl_4", c, 7, 1);
    twice = same(w, twice, "branch7x7dbl_5", 192, 1, 7);
    maps pool = same(w, average(w, x), "branch_pool", 192, 1, 1);
    return join(w, join(w, one, seven), join(w, twice, pool));
}

static maps block_7a(walk *w, maps x) {
    w->block = "Mixed_7a.";
    maps three = same(w, x, "branch3x3_1", 192, 1, 1);
    three = inner(w, three, "branch3x3_2", 320, 2);
    maps seven = same(w, x, "branch7x7x3_1", 192, 1, 1);
    seven = same(w, seven, "branch7x7x3_2", 192, 1, 7);
    seven = same(w, seven, "branch7x7x3_3", 192, 7, 1);
    seven = inner(w, seven, "branch7x7x3_4", 192, 2);
    return join(w, join(w, three, seven), largest_halved(w, x));
}

static maps block_7(walk *w, maps x, const char *name, maps (*pool)(walk *, maps)) {
    w->block = name;
    maps one = same(w, x, "branch1x1", 320, 1, 1);
    maps three = same(w, x, "branch3x3_1", 384, 1, 1);
    maps wide = same(w, three, "branch3x3_2a", 384, 1, 3), tall = same(w, three, "branch3x3_2b", 384, 3, 1);
    maps twice = same(w, x, "branch3x3dbl_1", 448, 1, 1);
    twice = same(w, twice, "branch3x3dbl_2", 384, 3, 3);
    maps twice_wide = same(w, twice, "branch3x3dbl_3a", 384, 1, 3);
    maps twice_tall = same(w, twice, "branch3x3dbl_3b", 384, 3, 1);
    maps pooled = same(w, pool(w, x), "branch_pool", 192, 1, 1);
    x = join(w, join(w, one, wide), tall);
    return join(w, join(w, x, twice_wide), join(w, twice_tall, pooled));
}

/* ---- The whole network ---- */

static maps features_of(walk *w, maps x) {
    w->block = "";
    x = inner(w, x, "Conv2d_1a_3x3", 32, 2);
    x = inner(w, x, "Conv2d_2a_3x3", 32, 1);
    x = largest_halved(w, same(w, x, "Conv2d_2b_3x3", 64, 3, 3));
    x = same(w, x, "Conv2d_3b_1x1", 80, 1, 1);
    x = largest_halved(w, inner(w, x, "Conv2d_4a_3x3", 192, 1));
    x = block_5(w, x, "Mixed_5b.", 32);
    x = block_5(w, x, "Mixed_5c.", 64);
    x = block_5(w, x, "Mixed_5d.", 64);
    x = block_6a(w, x);
    x = block_6(w, x, "Mixed_6b.", 128);
    x = block_6(w, x, "Mixed_6c.", 160);
    x = block_6(w, x, "Mixed_6d.", 160);
    x = block_6(w, x, "Mixed_6e.", 192);
    x = block_7a(w, x);
    x = block_7(w, x, "Mixed_7b.", average);
    return block_7(w, x, "Mixed_7c.", largest);
}

bool ayf_inception_params(ayf_params *p) {
    walk w = {.table = p};
    maps x = features_of(&w, (maps){0, 3});
    w.block = "";
    add_tensor(&w, "fc", "weight", 2, (const int[]){AYF_INCEPTION_CLASSES, x.channels});
    return !w.failed;
}

ayf_id ayf_inception(ayf_graph *g, const ayf_params *params, ayf_id x, ayf_id *features) {
    *features = 0;
    if (!x || ayf_graph_check(g) != AYF_OK) return 0;
    const ayf_node *n = ayf_at(g, x);
    if (n->rank != 4 || n->dim[1] != AYF_INCEPTION_SIZE || n->dim[2] != AYF_INCEPTION_SIZE || n->dim[3] != 3)
        return ayf_graph_fail(g, AYF_E_USAGE, "the Inception network takes images of shape (N,%d,%d,3)",
                              AYF_INCEPTION_SIZE, AYF_INCEPTION_SIZE);
    int batch = n->dim[0];
    walk w = {.g = g, .params = params};
    maps top = features_of(&w, (maps){x, 3});
    w.block = "";
    *features = top.id ? ayf_reshape(g, ayf_mean(g, top.id, AYF_AXIS(1) | AYF_AXIS(2)),
                                     AYF_SHAPE(batch, top.channels))
                       : 0;
    return ayf_gemm(g, *features, leaf(&w, "fc", "weight"), false, true);
}
