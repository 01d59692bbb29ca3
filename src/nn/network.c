#include "nn/network.h"

#include <assert.h>

#include "nn/edm2.h"
#include "nn/feature_net.h"
#include "nn/inception.h"
#include "nn/mlp.h"
#include "nn/sg2.h"
#include "nn/vae.h"

/* One row per kind of nn/spec.def. `check` is NULL where every spec within its limits will do. `params` builds
 * the table, and in a flow network it also sets params->output_layer. `velocity` is NULL where the kind is not
 * that of a flow network. */
static const struct {
    ayf_status (*check)(ayf_context *, const ayf_model_spec *);
    bool (*params)(ayf_params *);
    ayf_id (*velocity)(ayf_graph *, const ayf_params *, ayf_storage, ayf_id x, ayf_condition);
} kinds[AYF_MODEL_KINDS] = {
    [AYF_MODEL_UNET] = {ayf_edm2_check, ayf_edm2_params, ayf_edm2_unet},
    [AYF_MODEL_MLP] = {NULL, ayf_mlp_params, ayf_mlp},
    [AYF_MODEL_DISCRIMINATOR] = {ayf_sg2_check, ayf_sg2_params, NULL},
    [AYF_MODEL_FEATURES] = {ayf_features_check, ayf_features_params, NULL},
    [AYF_MODEL_INCEPTION] = {NULL, ayf_inception_params, NULL},
    [AYF_MODEL_DECODER] = {ayf_vae_check, ayf_vae_params, NULL},
};

ayf_status ayf_network_check(ayf_context *ctx, const ayf_model_spec *spec) {
    AYF_TRY(ayf_model_spec_in_range(ctx, spec));
    return kinds[spec->kind].check ? kinds[spec->kind].check(ctx, spec) : AYF_OK;
}

ayf_status ayf_params_new(ayf_context *ctx, const ayf_model_spec *spec, ayf_params **out) {
    *out = NULL;
    AYF_TRY(ayf_network_check(ctx, spec));
    ayf_params *p = ayf_alloc(ctx, 1, sizeof *p);
    if (!p) return AYF_E_MEMORY;
    p->ctx = ctx;
    p->spec = *spec;
    p->output_layer = -1;
    assert(kinds[spec->kind].params);
    if (!kinds[spec->kind].params(p)) {
        ayf_params_free(p);
        return AYF_E_MEMORY;
    }
    assert(!ayf_model_is_flow(spec) || (kinds[spec->kind].velocity && p->output_layer >= 0));
    *out = p;
    return AYF_OK;
}

ayf_id ayf_network(ayf_graph *g, const ayf_params *params, ayf_storage storage, ayf_id x,
                   ayf_condition condition) {
    const ayf_model_kind kind = params->spec.kind;
    if (kinds[kind].velocity) return kinds[kind].velocity(g, params, storage, x, condition);
    return ayf_graph_fail(g, AYF_E_USAGE, "a network of kind '%s' has no velocity: use a flow network",
                          ayf_model_kind_name(kind));
}
