#include "model/card.h"

#include <string.h>

#include "config/config.h"

static const char *const role_names[] = {[AYF_MODEL_ROLE_TEACHER] = "teacher",
                                         [AYF_MODEL_ROLE_STUDENT] = "student",
                                         [AYF_MODEL_ROLE_DISCRIMINATOR] = "discriminator",
                                         [AYF_MODEL_ROLE_FEATURES] = "features",
                                         [AYF_MODEL_ROLE_INCEPTION] = "inception"};

const char *ayf_model_role_name(ayf_model_role role) { return role_names[role]; }

bool ayf_model_role_find(const char *name, ayf_model_role *role) {
    for (size_t i = 0; i < AYF_COUNT(role_names); i++) {
        if (strcmp(name, role_names[i]) != 0) continue;
        *role = (ayf_model_role)i;
        return true;
    }
    return false;
}

bool ayf_model_role_fits(const ayf_model_spec *spec, ayf_model_role role) {
    if (!ayf_model_is_flow(spec)) return strcmp(role_names[role], ayf_model_kind_name(spec->kind)) == 0;
    return spec->is_student ? role == AYF_MODEL_ROLE_STUDENT : role == AYF_MODEL_ROLE_TEACHER;
}

void ayf_model_card_free(ayf_context *ctx, ayf_model_card *card) {
    ayf_free(ctx, card->data);
    ayf_free(ctx, card->config);
    ayf_free(ctx, card->accuracy);
    card->data = card->config = card->accuracy = NULL;
}

ayf_status ayf_check_classifier_free(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                                     const char *config) {
    if (spec->label_dim == 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "%s was trained without classes, so classifier-free guidance has nothing to leave out; use "
            "a weaker teacher (--weak) or no guidance",
            path);
    ayf_config cfg;
    AYF_TRY(ayf_config_defaults(ctx, &cfg));
    bool known = ayf_config_parse(ctx, path, config, strlen(config), &cfg) == AYF_OK && *config;
    double dropout = cfg.train.label_dropout;
    ayf_config_free(ctx, &cfg);
    if (!known && ayf_last_status(ctx) == AYF_E_MEMORY) return AYF_E_MEMORY;
    if (!known || dropout > 0) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "%s always saw the class in training (train.label_dropout = 0), so classifier-free guidance "
        "does not know its velocity without; train it with train.label_dropout = 0.1, or use a weaker "
        "teacher (--weak) or no guidance",
        path);
}
