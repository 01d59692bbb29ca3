#include "inspect/data_open.h"

#include <string.h>

#include "config/assignments.h"
#include "data/points.h"
#include "train/recipe.h"

const char *ayf_data_class_name(const ayf_opened_data *data, int label) {
    const ayf_classes *known = &data->source->classes;
    return known->names && label < known->count ? known->names[label] : NULL;
}

static ayf_status add_settings(ayf_context *ctx, const ayf_data_options *o, ayf_assignments *list) {
    static const char section[] = "data.";
    for (int i = 0; i < o->setting_count; i++) {
        AYF_TRY(ayf_assignments_add_setting(list, o->settings[i]));
        const char *key = ayf_assignments_last_key(list);
        if (strncmp(key, section, strlen(section)) != 0 || strcmp(key, "data.source") == 0)
            return ayf_fail(ctx, AYF_E_CONFIG,
                            "%s: only keys that say how the data are read matter here (data.resolution, "
                            "data.channels ...)",
                            o->settings[i]);
    }
    return AYF_OK;
}

static ayf_status configure(ayf_context *ctx, const ayf_data_options *o, ayf_config *cfg) {
    AYF_TRY(ayf_config_check_settings(ctx, o->settings, o->setting_count));
    AYF_TRY(ayf_config_defaults(ctx, cfg));
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    ayf_status status = add_settings(ctx, o, list);
    if (status == AYF_OK) status = ayf_config_apply(ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}

static ayf_status open_builtin(ayf_opened_data *data) {
    ayf_dataset *set;
    AYF_TRY(ayf_dataset_open(data->ctx, &data->spec, &set));
    data->info = *ayf_dataset_info_of(set);
    data->info.name = data->spec.source;
    data->info.known = (ayf_classes){0}; /* the set's own */
    ayf_dataset_close(set);
    return data->info.points ? AYF_OK : ayf_source_open_shapes(data->ctx, &data->spec, &data->source);
}

static ayf_status open_stored(ayf_opened_data *data) {
    ayf_context *ctx = data->ctx;
    bool unlabelled = false;
    data->spec.unlabelled = &unlabelled;
    ayf_status status = ayf_source_open(ctx, &data->spec, &data->source);
    data->spec.unlabelled = NULL;
    if (status != AYF_E_FORMAT || !unlabelled) return status; /* labels that are wrong stop training too */
    data->no_classes = ayf_strdup(ctx, ayf_error(ctx));
    if (!data->no_classes) return AYF_E_MEMORY;
    data->spec.labels = false;
    return ayf_source_open(ctx, &data->spec, &data->source);
}

ayf_status ayf_data_open(ayf_context *ctx, const ayf_data_options *options, ayf_opened_data *data) {
    *data = (ayf_opened_data){.ctx = ctx};
    if (!options || !options->source || !*options->source)
        return ayf_fail(ctx, AYF_E_USAGE, "no data set is named");
    AYF_TRY(configure(ctx, options, &data->cfg));
    data->spec = ayf_data_from_config(&data->cfg);
    data->spec.source = options->source;
    data->spec.memory = AYF_DATASET_MEMORY;
    data->spec.quiet = true;
    if (data->spec.channels == 2)
        return ayf_fail(ctx, AYF_E_CONFIG,
                        "data.channels = 2: must be 1 (grey), 3 (colour) or 0 (as stored)");
    return ayf_source_is_drawn(options->source) ? open_builtin(data) : open_stored(data);
}

void ayf_data_close(ayf_opened_data *data) {
    ayf_source_close(data->source);
    ayf_free(data->ctx, data->no_classes);
    ayf_config_free(data->ctx, &data->cfg);
    *data = (ayf_opened_data){.ctx = data->ctx};
}

int ayf_data_label(const ayf_opened_data *data, size_t index) {
    return data->source->labels ? data->source->labels[index] : -1;
}

int ayf_data_classes(const ayf_opened_data *data) {
    int most = -1;
    if (!data->source) return data->info.classes;
    if (data->source->labels) most = data->source->classes.count - 1;
    for (size_t i = 0; data->source->labels && i < data->source->count; i++) {
        int label = data->source->labels[i];
        if (label > most && label < AYF_MAX_CLASSES) most = label;
    }
    return most + 1;
}
