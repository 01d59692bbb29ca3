#include "nn/layers.h"

#include <math.h>
#include <stdio.h>

/* ---- Beginning a network ---- */

bool ayf_net_open(ayf_net *net, ayf_graph *g, const ayf_params *params, ayf_storage storage,
                  ayf_model_kind kind) {
    *net = (ayf_net){.g = g, .params = params, .spec = &params->spec, .storage = storage};
    if (ayf_graph_check(g) != AYF_OK) return false;
    if (params->spec.kind == kind) return true;
    ayf_graph_fail(g, AYF_E_USAGE, "a network of kind '%s' cannot be used as one of kind '%s'",
                   ayf_model_kind_name(params->spec.kind), ayf_model_kind_name(kind));
    return false;
}

static bool is_vector(const ayf_graph *g, ayf_id id, int count) {
    return ayf_at(g, id)->rank == 1 && ayf_at(g, id)->dim[0] == count;
}

/* What is wrong with the classes of a batch; NULL: nothing. */
static const char *misfit_of_classes(const ayf_net *net, int batch, ayf_id onehot) {
    int classes = net->spec->label_dim;
    if ((classes > 0) != (onehot != 0))
        return classes ? "a class-conditional network needs class labels"
                       : "a network with label_dim 0 takes no class labels";
    const ayf_node *n = ayf_at(net->g, onehot);
    if (onehot && (n->rank != 2 || n->dim[0] != batch || n->dim[1] != classes))
        return "class labels have shape (N, label_dim)";
    return NULL;
}

/* The same of a whole condition. */
static const char *misfit(const ayf_net *net, ayf_id x, const ayf_condition *c) {
    const ayf_graph *g = net->g;
    if (!x || !c->t) return "a network needs x and a time";
    if (net->spec->is_student && (!c->s || !c->guidance))
        return "a student (is_student: true) needs the time s and the guidance strength";
    if (!net->spec->is_student && (c->s || c->guidance))
        return "a teacher (is_student: false) takes neither the time s nor guidance";
    int batch = ayf_at(g, x)->dim[0];
    if (!is_vector(g, c->t, batch) || (c->s && !is_vector(g, c->s, batch)) ||
        (c->guidance && !is_vector(g, c->guidance, batch)))
        return "times and guidance have shape (N)";
    return misfit_of_classes(net, batch, c->onehot);
}

bool ayf_net_take(ayf_net *net, ayf_id x, ayf_condition condition) {
    const char *wrong = misfit(net, x, &condition);
    net->condition = condition;
    if (wrong)
        ayf_graph_fail(net->g, AYF_E_USAGE, "%s", wrong);
    else if (net->spec->is_student)
        net->gap = ayf_sub(net->g, condition.t, condition.s);
    return !wrong;
}

bool ayf_net_takes_classes(const ayf_net *net, ayf_id x, ayf_id onehot) {
    const char *wrong = misfit_of_classes(net, ayf_at(net->g, x)->dim[0], onehot);
    if (wrong) ayf_graph_fail(net->g, AYF_E_USAGE, "%s", wrong);
    return !wrong;
}

bool ayf_net_takes_images(const ayf_net *net, ayf_id x) {
    const ayf_node *n = ayf_at(net->g, x);
    int size = net->spec->img_resolution, channels = net->spec->img_channels;
    if (x && n->rank == 4 && n->dim[1] == size && n->dim[2] == size && n->dim[3] == channels) return true;
    ayf_graph_fail(net->g, AYF_E_USAGE, "a network of kind '%s' takes images (N,%d,%d,%d)",
                   ayf_model_kind_name(net->spec->kind), size, size, channels);
    return false;
}

/* ---- The parameter table ---- */

static const ayf_param *find(const ayf_net *net, const char *prefix, const char *suffix) {
    char name[sizeof((ayf_param *)0)->name];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return ayf_params_find(net->params, name);
}

bool ayf_net_has(const ayf_net *net, const char *prefix, const char *suffix) {
    return find(net, prefix, suffix) != NULL;
}

ayf_id ayf_net_leaf(const ayf_net *net, const char *prefix, const char *suffix) {
    const ayf_param *param = find(net, prefix, suffix);
    if (!param)
        return ayf_graph_fail(net->g, AYF_E_INTERNAL, "the parameter table has no '%s.%s'", prefix, suffix);
    return ayf_param_leaf(net->g, param, net->storage);
}

/* ---- Layers ---- */

static const double lowest_sigma = 0.002, highest_sigma = 80;

ayf_id ayf_net_time(const ayf_net *net, ayf_id t) {
    ayf_graph *g = net->g;
    const ayf_model_spec *spec = net->spec;
    if (spec->time_label == AYF_TIME_T) return t;
    double sd = spec->time_sigma, soft = spec->is_student ? spec->time_soft : 0;
    if (soft == 0)
        t = ayf_clamp(g, t, lowest_sigma / (lowest_sigma + sd), highest_sigma / (highest_sigma + sd));
    ayf_id data = ayf_log(g, ayf_addc(g, ayf_neg(g, t), 1 + soft)), noise = ayf_log(g, ayf_addc(g, t, soft));
    return ayf_mulc(g, ayf_addc(g, ayf_sub(g, noise, data), log(sd)), 0.25);
}

ayf_id ayf_net_fourier(const ayf_net *net, const char *prefix, ayf_id t) {
    ayf_graph *g = net->g;
    ayf_id freqs = ayf_net_leaf(net, prefix, "freqs"), phases = ayf_net_leaf(net, prefix, "phases");
    if (!t || !freqs) return 0;
    ayf_id column = ayf_reshape(g, t, AYF_SHAPE(ayf_at(g, t)->dim[0], 1));
    return ayf_cos(g, ayf_add(g, ayf_mul(g, column, freqs), phases));
}

ayf_id ayf_normalized(ayf_graph *g, ayf_id x, double gain) {
    if (!x) return 0;
    int last = ayf_at(g, x)->rank - 1;
    double eps = 1e-4 * sqrt(ayf_at(g, x)->dim[last]);
    /* The root has no derivative at 0; 1e-30 keeps it finite and is below rounding everywhere else. */
    ayf_id square = ayf_addc(g, ayf_sum(g, ayf_square(g, x), AYF_AXIS(last)), 1e-30);
    ayf_id norm = ayf_addc(g, ayf_sqrt(g, square), eps);
    return ayf_mul(g, x, ayf_div(g, ayf_const_like(g, norm, gain), norm));
}

ayf_id ayf_linear(ayf_graph *g, ayf_id x, ayf_id w) { return ayf_gemm(g, x, w, false, true); }

ayf_id ayf_pixels(ayf_graph *g, ayf_id x) {
    if (!x) return 0;
    ayf_shape s = ayf_shape_of(g, x);
    return ayf_reshape(g, x, AYF_SHAPE(s.dim[0] * s.dim[1] * s.dim[2], s.dim[3]));
}

ayf_id ayf_conv1(ayf_graph *g, ayf_id x, ayf_id w) {
    if (!x || !w) return 0;
    ayf_shape shape = ayf_shape_of(g, x);
    shape.dim[3] = ayf_at(g, w)->dim[0];
    return ayf_reshape(g, ayf_linear(g, ayf_pixels(g, x), w), shape);
}

ayf_id ayf_kernel(ayf_graph *g, ayf_id w, int height, int width) {
    if (!w) return 0;
    ayf_shape s = ayf_shape_of(g, w);
    return ayf_reshape(g, w, AYF_SHAPE(s.dim[0], height, width, s.dim[1] / (height * width)));
}
