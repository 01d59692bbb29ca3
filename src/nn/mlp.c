#include "nn/mlp.h"

#include <math.h>
#include <stdio.h>

#include "nn/layers.h"

/* ---- Parameters ---- */

static bool add(ayf_params *p, const char *name, int out, int in, double scale) {
    return ayf_params_add_matrix(p, AYF_PARAM_PLAIN, name, out, in, scale) != NULL;
}

bool ayf_mlp_params(ayf_params *p) {
    const ayf_model_spec *spec = &p->spec;
    int hidden = spec->mlp_hidden, features = spec->mlp_fourier;
    char name[96];
    if (!ayf_params_add_fourier(p, "mlp.fourier", features, spec->bandwidth_noise)) return false;
    if (!add(p, "mlp.in_x.weight", hidden, spec->mlp_dim, 1)) return false;
    if (!add(p, "mlp.in_noise.weight", hidden, features, 1 / sqrt(features))) return false;
    if (spec->is_student) { /* zero weights: a student made from its teacher starts as the teacher */
        if (!ayf_params_add_fourier(p, "mlp.gap_fourier", features, spec->bandwidth_gap)) return false;
        if (!add(p, "mlp.in_gap.weight", hidden, features, 0)) return false;
        if (!ayf_params_add_fourier(p, "mlp.guidance_fourier", features, spec->bandwidth_guidance))
            return false;
        if (!add(p, "mlp.in_guidance.weight", hidden, features, 0)) return false;
    }
    if (spec->label_dim && !add(p, "mlp.in_label.weight", hidden, spec->label_dim, 1)) return false;
    if (!add(p, "mlp.in.bias", hidden, 0, 0)) return false;
    for (int i = 1; i < spec->mlp_layers; i++) {
        snprintf(name, sizeof name, "mlp.hidden%d.weight", i);
        if (!add(p, name, hidden, hidden, sqrt(2.0 / hidden))) return false;
        snprintf(name, sizeof name, "mlp.hidden%d.bias", i);
        if (!add(p, name, hidden, 0, 0)) return false;
    }
    p->output_layer = p->count;
    return add(p, "mlp.out.weight", spec->mlp_dim, hidden, 0) && add(p, "mlp.out.bias", spec->mlp_dim, 0, 0);
}

/* ---- Graph ---- */

/* x W^T */
static ayf_id linear(const ayf_net *net, ayf_id x, const char *prefix) {
    return ayf_linear(net->g, x, ayf_net_leaf(net, prefix, "weight"));
}

static ayf_id fourier(const ayf_net *net, const char *prefix, ayf_id t) {
    return ayf_mulc(net->g, ayf_net_fourier(net, prefix, t), sqrt(2));
}

static ayf_id points(const ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int batch = ayf_at(g, x)->dim[0];
    if (ayf_elements(g, x) != (size_t)batch * (size_t)net->spec->mlp_dim)
        return ayf_graph_fail(g, AYF_E_USAGE, "the network takes points of %d numbers (mlp_dim), not %zu",
                              net->spec->mlp_dim, ayf_elements(g, x) / (size_t)batch);
    ayf_id h = linear(net, ayf_reshape(g, x, AYF_SHAPE(batch, net->spec->mlp_dim)), "mlp.in_x");
    h = ayf_add(g, h, linear(net, fourier(net, "mlp.fourier", ayf_net_time(net, net->condition.t)), "mlp.in_noise"));
    if (net->spec->is_student) {
        h = ayf_add(g, h, linear(net, fourier(net, "mlp.gap_fourier", net->gap), "mlp.in_gap"));
        h = ayf_add(
            g, h,
            linear(net, fourier(net, "mlp.guidance_fourier", net->condition.guidance), "mlp.in_guidance"));
    }
    if (net->condition.onehot) h = ayf_add(g, h, linear(net, net->condition.onehot, "mlp.in_label"));
    h = ayf_silu(g, ayf_add(g, h, ayf_net_leaf(net, "mlp.in", "bias")));
    for (int i = 1; i < net->spec->mlp_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "mlp.hidden%d", i);
        h = ayf_silu(g, ayf_add(g, linear(net, h, name), ayf_net_leaf(net, name, "bias")));
    }
    h = ayf_add(g, linear(net, h, "mlp.out"), ayf_net_leaf(net, "mlp.out", "bias"));
    return h ? ayf_reshape(g, h, ayf_shape_of(g, x)) : 0;
}

ayf_id ayf_mlp(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
               ayf_condition condition) {
    ayf_net net;
    bool ready = ayf_net_open(&net, g, params, storage, AYF_MODEL_MLP) && ayf_net_take(&net, x, condition);
    return ready ? points(&net, x) : 0;
}
