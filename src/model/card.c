#include "model/card.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

const char *ayf_model_role_name(ayf_model_role role) {
    switch (role) {
    case AYF_MODEL_ROLE_TEACHER:
        return "teacher";
    case AYF_MODEL_ROLE_STUDENT:
        return "student";
    case AYF_MODEL_ROLE_DISCRIMINATOR:
        return ayf_model_kind_name(AYF_MODEL_DISCRIMINATOR);
    case AYF_MODEL_ROLE_FEATURES:
        return ayf_model_kind_name(AYF_MODEL_FEATURES);
    case AYF_MODEL_ROLE_INCEPTION:
        return ayf_model_kind_name(AYF_MODEL_INCEPTION);
    default:
        return ayf_model_kind_name(AYF_MODEL_DECODER);
    }
}

void ayf_model_role_list(char text[AYF_MODEL_ROLE_LIST]) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < AYF_MODEL_ROLES && used < AYF_MODEL_ROLE_LIST; i++) {
        const char *before = i == 0 ? "" : i < AYF_MODEL_ROLES - 1 ? ", " : " or ";
        used += (size_t)snprintf(text + used, AYF_MODEL_ROLE_LIST - used, "%s%s", before,
                                 ayf_model_role_name((ayf_model_role)i));
    }
}

bool ayf_model_role_find(const char *name, ayf_model_role *role) {
    for (int i = 0; i < AYF_MODEL_ROLES; i++) {
        if (strcmp(name, ayf_model_role_name((ayf_model_role)i)) != 0) continue;
        *role = (ayf_model_role)i;
        return true;
    }
    return false;
}

bool ayf_model_role_fits(const ayf_model_spec *spec, ayf_model_role role) {
    if (!ayf_model_is_flow(spec))
        return strcmp(ayf_model_role_name(role), ayf_model_kind_name(spec->kind)) == 0;
    return spec->is_student ? role == AYF_MODEL_ROLE_STUDENT : role == AYF_MODEL_ROLE_TEACHER;
}

void ayf_model_card_free(ayf_context *ctx, ayf_model_card *card) {
    ayf_free(ctx, card->data);
    ayf_free(ctx, card->config);
    ayf_free(ctx, card->accuracy);
    ayf_free(ctx, card->measured);
    ayf_free(ctx, card->device);
    ayf_classes_clear(ctx, &card->classes);
    card->data = card->config = card->accuracy = card->measured = card->device = NULL;
}

/* The value of "<section>: <key>:" in a configuration as ayf_config_text() writes it, a line per key: what
 * only reads models needs no YAML for it. False: the text says nothing about it. */
static bool config_real(const char *config, const char *section, const char *key, double *value) {
    bool inside = false;
    for (size_t length; *config; config += length + (config[length] == '\n')) {
        length = strcspn(config, "\n");
        char name[64], text[AYF_REAL_SIZE + 1], line[96];
        snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : 0), config);
        if (line[0] && line[0] != ' ')
            inside = sscanf(line, "%63[^:]:", name) == 1 && strcmp(name, section) == 0;
        if (inside && sscanf(line, "  %63[^:]: %32s", name, text) == 2 && strcmp(name, key) == 0)
            return ayf_parse_real(text, value);
    }
    return false;
}

ayf_status ayf_check_classifier_free(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                                     const char *config) {
    if (spec->label_dim == 0)
        return ayf_fail(
            ctx, AYF_E_CONFIG,
            "%s was trained without classes, so classifier-free guidance has nothing to leave out; use "
            "a weaker teacher (--weak) or no guidance",
            path);
    double dropout;
    if (!config_real(config, "train", "label_dropout", &dropout) || dropout > 0) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_CONFIG,
        "%s always saw the class in training (train.label_dropout = 0, as with EDM2's networks), so it has "
        "no "
        "velocity without the class, which classifier-free guidance needs; guide it by a weaker teacher "
        "(--weak: autoguidance, also by a network without classes), or train it with train.label_dropout = "
        "0.1",
        path);
}
