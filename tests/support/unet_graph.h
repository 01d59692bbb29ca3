#ifndef TEST_UNET_GRAPH_H
#define TEST_UNET_GRAPH_H

#include "ad/ad.h"
#include "nn/network.h"
#include "support.h"

/* A student U-Net with everything a step does to it: output, tangent, gradients, updates. */
static inline ayf_graph *unet_graph(ayf_context *ctx, int channels) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.is_student = true;
    spec.img_resolution = 4;
    spec.img_channels = 2;
    spec.model_channels = channels;
    spec.channels_per_head = channels;
    spec.label_dim = 3;
    spec.num_blocks = 1;
    spec.channel_mult = (ayf_ints){2, {1, 2}};
    spec.attn_resolutions = (ayf_ints){1, {2}};
    test_ok(ctx, ayf_network_check(ctx, &spec));
    ayf_params *params;
    test_ok(ctx, ayf_params_new(ctx, &spec, &params));
    ayf_graph *g = ayf_graph_new(ctx);
    assert_non_null(g);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2, 4, 4, 2)),
           v = ayf_leaf(g, AYF_STORE_INPUT, "v", AYF_SHAPE(2, 4, 4, 2));
    ayf_id t = ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(2)),
           s = ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(2));
    ayf_id guidance = ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(2));
    ayf_id label = ayf_leaf(g, AYF_STORE_INPUT, "label", AYF_SHAPE(2, 3)),
           ones = ayf_full(g, AYF_SHAPE(2), 1);
    ayf_id y = ayf_network(g, params, AYF_STORE_STATE, x, (ayf_condition){t, s, guidance, label}), dy;
    ayf_params_free(params);
    ayf_jvp(g, 2, (ayf_id[]){x, t}, (ayf_id[]){v, ones}, 1, &y, &dy);
    ayf_id target = ayf_stop(g, ayf_add(g, y, ayf_mulc(g, dy, 0.1)));
    ayf_id loss = ayf_mean_all(g, ayf_square(g, ayf_sub(g, y, target))), one = ayf_const(g, 1);
    ayf_output(g, "y", y);
    ayf_output(g, "dy", dy);
    ayf_output(g, "loss", loss);
    enum { MOST = 64 };
    ayf_id w[MOST], grad[MOST];
    size_t count = 0;
    for (uint32_t i = 0; i < g->leaf_count; i++)
        if (g->leaf[i].storage == AYF_STORE_STATE && count < MOST) w[count++] = g->leaf[i].id;
    ayf_vjp(g, 1, &loss, &one, count, w, grad);
    for (size_t i = 0; i < count; i++) ayf_update(g, w[i], ayf_sub(g, w[i], ayf_mulc(g, grad[i], 0.01)));
    test_ok(ctx, ayf_graph_check(g));
    return g;
}

#endif
