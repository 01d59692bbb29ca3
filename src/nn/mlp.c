#include <math.h>
#include <stdio.h>

#include "nn/layers.h"
#include "nn/net.h"

/* x W^T */
static ayf_id linear(ayf_net *net, ayf_id x, const char *prefix) {
    return ayf_gemm(net->g, x, ayf_net_leaf(net, prefix, "weight"), false, true);
}

static ayf_id fourier(ayf_net *net, const char *prefix, ayf_id t) {
    return ayf_mulc(net->g, ayf_net_fourier(net, prefix, t), sqrt(2));
}

static ayf_id points(ayf_net *net, ayf_id x) {
    ayf_graph *g = net->g;
    int batch = ayf_at(g, x)->dim[0];
    if (ayf_elements(g, x) != (size_t)batch * (size_t)net->spec->mlp_dim)
        return ayf_graph_fail(g, AYF_E_USAGE, "the network takes points of %d numbers (mlp_dim), not %zu",
                              net->spec->mlp_dim, ayf_elements(g, x) / (size_t)batch);
    ayf_id h = linear(net, ayf_reshape(g, x, AYF_SHAPE(batch, net->spec->mlp_dim)), "mlp.in_x");
    h = ayf_add(g, h, linear(net, fourier(net, "mlp.fourier", net->condition.t), "mlp.in_noise"));
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

ayf_id ayf_mlp(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
               ayf_condition condition) {
    ayf_net net;
    if (!ayf_net_begin(&net, g, spec, storage, x, condition)) return 0;
    ayf_id out = points(&net, x);
    ayf_net_end(&net);
    return out;
}
