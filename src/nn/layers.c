#include "nn/layers.h"

#include <math.h>
#include <stdio.h>

#include "nn/net.h"

static bool is_vector(const ayf_graph *g, ayf_id id, int count) {
    return ayf_at(g, id)->rank == 1 && ayf_at(g, id)->dim[0] == count;
}

bool ayf_net_open(ayf_net *net, ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage) {
    *net = (ayf_net){.g = g, .spec = spec, .storage = storage};
    if (ayf_graph_check(g) != AYF_OK) return false;
    ayf_status status = ayf_params_new(g->ctx, spec, &net->params);
    if (status == AYF_OK) return true;
    ayf_graph_fail(g, status, "%s", ayf_error(g->ctx));
    return false;
}

/* What is wrong with a condition for a batch; NULL: nothing. */
static const char *misfit(const ayf_graph *g, const ayf_model_spec *spec, ayf_id x, const ayf_condition *c) {
    if (!x || !c->t) return "a network needs x and a time";
    if (spec->is_student && (!c->s || !c->guidance))
        return "a student (is_student: true) needs the time s and the guidance strength";
    if (!spec->is_student && (c->s || c->guidance))
        return "a teacher (is_student: false) takes neither the time s nor guidance";
    if ((spec->label_dim > 0) != (c->onehot != 0))
        return spec->label_dim ? "a class-conditional network needs class labels"
                               : "a network with label_dim 0 takes no class labels";
    int batch = ayf_at(g, x)->dim[0];
    if (!is_vector(g, c->t, batch) || (c->s && !is_vector(g, c->s, batch)) ||
        (c->guidance && !is_vector(g, c->guidance, batch)))
        return "times and guidance have shape (N)";
    if (c->onehot && (ayf_at(g, c->onehot)->rank != 2 || ayf_at(g, c->onehot)->dim[0] != batch ||
                      ayf_at(g, c->onehot)->dim[1] != spec->label_dim))
        return "class labels have shape (N, label_dim)";
    return NULL;
}

bool ayf_net_begin(ayf_net *net, ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                   ayf_condition condition) {
    if (!ayf_net_open(net, g, spec, storage)) return false;
    const char *wrong = misfit(g, spec, x, &condition);
    net->condition = condition;
    if (!wrong) {
        net->gap = spec->is_student ? ayf_sub(g, condition.t, condition.s) : 0;
        return true;
    }
    ayf_graph_fail(g, AYF_E_USAGE, "%s", wrong);
    ayf_net_end(net);
    return false;
}

void ayf_net_end(ayf_net *net) {
    ayf_params_free(net->params);
    net->params = NULL;
}

static const ayf_param *find(const ayf_net *net, const char *prefix, const char *suffix) {
    char name[sizeof((ayf_param *)0)->name];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return ayf_params_find(net->params, name);
}

bool ayf_net_has(const ayf_net *net, const char *prefix, const char *suffix) {
    return find(net, prefix, suffix) != NULL;
}

ayf_id ayf_net_leaf(ayf_net *net, const char *prefix, const char *suffix) {
    const ayf_param *param = find(net, prefix, suffix);
    if (!param)
        return ayf_graph_fail(net->g, AYF_E_INTERNAL, "the parameter table has no '%s.%s'", prefix, suffix);
    return ayf_param_leaf(net->g, param, net->storage);
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

ayf_id ayf_net_fourier(ayf_net *net, const char *prefix, ayf_id t) {
    ayf_graph *g = net->g;
    ayf_id freqs = ayf_net_leaf(net, prefix, "freqs"), phases = ayf_net_leaf(net, prefix, "phases");
    if (!t || !freqs) return 0;
    ayf_id column = ayf_reshape(g, t, AYF_SHAPE(ayf_at(g, t)->dim[0], 1));
    return ayf_cos(g, ayf_add(g, ayf_mul(g, column, freqs), phases));
}

ayf_id ayf_network(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                   ayf_condition condition) {
    if (!ayf_model_is_flow(spec))
        return ayf_graph_fail(g, AYF_E_USAGE, "a network of kind '%s' has no velocity: use a U-Net or an MLP",
                              ayf_model_kind_name(spec->kind));
    return spec->kind == AYF_MODEL_MLP ? ayf_mlp(g, spec, storage, x, condition)
                                       : ayf_edm2_unet(g, spec, storage, x, condition);
}
