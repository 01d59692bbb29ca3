/* What a path is: for people, through ayf.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "data/dataset.h"
#include "data/fingerprint.h"
#include "image/image.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "model/file.h"
#include "model/snapshot.h"
#include "nn/network.h"
#include "train/divergence.h"
#include "train/run_folder.h"

void ayf_path_facts_free(ayf_context *ctx, ayf_path_facts *facts) {
    ayf_free(ctx, facts->model_path);
    ayf_free(ctx, facts->role);
    ayf_free(ctx, facts->data);
    ayf_free(ctx, facts->config);
    ayf_free(ctx, facts->last_log);
    ayf_free(ctx, facts->diverged);
    ayf_free(ctx, facts->measured);
    ayf_free(ctx, facts->device);
    ayf_free(ctx, facts->comment);
    ayf_free(ctx, facts->no_classes);
    ayf_free(ctx, facts->fingerprint);
    ayf_free(ctx, facts->taken);
    ayf_classes_clear(ctx, &(ayf_classes){facts->classes, facts->class_names, facts->class_pictures});
    *facts = (ayf_path_facts){0};
}

/* ---- Runs ---- */

/* The last complete line of `text`, cut out in place. */
static char *last_line(char *text, size_t size) {
    while (size && text[size - 1] != '\n') size--;
    if (!size) return text + strlen(text);
    text[--size] = 0;
    while (size && text[size - 1] != '\n') size--;
    return text + size;
}

static ayf_status describe_log(ayf_context *ctx, const char *folder, ayf_path_facts *facts) {
    char *path = ayf_path_join(ctx, folder, AYF_RUN_LOG);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    void *bytes = NULL;
    size_t size;
    if (ayf_path_exists(path)) status = ayf_file_read(ctx, path, 0, &bytes, &size);
    if (bytes) {
        const char *line = last_line(bytes, size);
        if (*line && !(facts->last_log = ayf_strdup(ctx, line))) status = AYF_E_MEMORY;
    }
    ayf_free(ctx, bytes);
    ayf_free(ctx, path);
    return status;
}

/* Of the best model, when the run measures. One that cannot be read says nothing. */
static ayf_status describe_best(ayf_context *ctx, const char *folder, ayf_path_facts *facts) {
    ayf_model_card card;
    char *path = ayf_path_join(ctx, folder, AYF_RUN_BEST);
    if (!path) return AYF_E_MEMORY;
    ayf_status status = AYF_E_FORMAT;
    if (ayf_path_exists(path)) status = ayf_model_read_card(ctx, path, NULL, &card);
    ayf_free(ctx, path);
    if (status == AYF_E_MEMORY) return status;
    if (status != AYF_OK) return AYF_OK;
    if (card.measured)
        facts->measured = ayf_format(ctx, "step %llu, %s", (unsigned long long)card.step, card.measured);
    status = card.measured && !facts->measured ? AYF_E_MEMORY : AYF_OK;
    ayf_model_card_free(ctx, &card);
    return status;
}

static ayf_status describe_run(ayf_context *ctx, const char *folder, ayf_path_facts *facts) {
    ayf_config cfg = {0};
    int64_t step = -1;
    char *path = ayf_path_join(ctx, folder, AYF_RUN_CONFIG);
    ayf_status status = path ? ayf_config_defaults_of_file(ctx, &cfg) : AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_config_load(ctx, path, &cfg);
    if (status == AYF_OK && !(facts->config = ayf_config_text(ctx, &cfg))) status = AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_run_latest(ctx, folder, &step);
    facts->step = step > 0 ? (uint64_t)step : 0;
    facts->precision = cfg.train.precision;
    facts->running = ayf_folder_is_held(ctx, folder);
    facts->finished = status == AYF_OK && step >= cfg.train.steps;
    ayf_config_free(ctx, &cfg);
    ayf_free(ctx, path);
    if (status == AYF_OK) status = describe_log(ctx, folder, facts);
    if (status == AYF_OK) status = ayf_run_read_divergence(ctx, folder, &facts->diverged);
    if (status == AYF_OK) status = describe_best(ctx, folder, facts);
    if (status != AYF_OK) return status;
    facts->model_path = ayf_path_join(ctx, folder, AYF_RUN_MODEL);
    if (!facts->model_path) return AYF_E_MEMORY;
    if (!ayf_path_exists(facts->model_path)) {
        ayf_free(ctx, facts->model_path);
        facts->model_path = NULL;
    }
    return AYF_OK;
}

/* ---- Everything else ---- */

static ayf_status open_changed(ayf_context *ctx, ayf_dataset_spec *spec, bool labels, ayf_dataset **data) {
    enum { SIDE = 32, COLOUR = 3 };
    spec->resolution = SIDE;
    spec->channels = COLOUR;
    spec->quiet = labels;
    ayf_status status = ayf_dataset_open(ctx, spec, data);
    for (int i = 0; i < 2 && status == AYF_OK; i++) { /* is one of the two enough? */
        ayf_dataset_spec less = *spec;
        ayf_dataset *other;
        less.quiet = true;
        *(i ? &less.channels : &less.resolution) = 0;
        ayf_status enough = ayf_dataset_open(ctx, &less, &other);
        if (enough == AYF_E_FORMAT) continue;
        ayf_dataset_close(*data);
        *data = other;
        *spec = less;
        status = enough;
    }
    return status;
}

/* As stored when all pictures agree, else brought to one size, one number of channels or both: that they
 * differ is a fact about the data and no fault. What is wrong even then is reported. */
static ayf_status open_leniently(ayf_context *ctx, const char *path, bool labels, bool *unlabelled,
                                 ayf_dataset_spec *spec, ayf_dataset **data) {
    *spec = (ayf_dataset_spec){.source = path, .labels = labels, .unlabelled = unlabelled, .quiet = true};
    ayf_status status = ayf_dataset_open(ctx, spec, data);
    if (status == AYF_E_FORMAT) {
        char *first = ayf_strdup(ctx, ayf_error(ctx));
        if (!first) return AYF_E_MEMORY;
        status = open_changed(ctx, spec, labels, data);
        if (status == AYF_E_CONFIG)
            status = ayf_fail(ctx, AYF_E_FORMAT, "%s", first); /* latents do not change */
        ayf_free(ctx, first);
    }
    return status;
}

/* Leaves facts->classes alone where nothing is known. */
static ayf_status take_classes(ayf_context *ctx, const ayf_classes *known, ayf_path_facts *facts) {
    ayf_classes copy;
    AYF_TRY(ayf_classes_copy(ctx, known, &copy));
    if (copy.count) facts->classes = copy.count;
    facts->class_names = copy.names;
    facts->class_pictures = copy.pictures;
    return AYF_OK;
}

static ayf_status describe_content(ayf_context *ctx, ayf_dataset *data, ayf_path_facts *facts) {
    ayf_fingerprint fingerprint;
    char text[AYF_FINGERPRINT_TEXT];
    AYF_TRY(ayf_dataset_sigma(data, &facts->sigma));
    AYF_TRY(ayf_dataset_fingerprint(data, &fingerprint));
    ayf_fingerprint_print(&fingerprint, text);
    facts->fingerprint = ayf_strdup(ctx, text);
    return facts->fingerprint ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status describe_data(ayf_context *ctx, const char *path, ayf_path_facts *facts) {
    ayf_dataset *data;
    ayf_dataset_spec spec;
    bool unlabelled = false;
    ayf_status status = open_leniently(ctx, path, true, &unlabelled, &spec, &data);
    if (status == AYF_E_MEMORY || status == AYF_E_CANCELLED) return status;
    if (status != AYF_OK) {
        facts->no_classes = ayf_strdup(ctx, ayf_error(ctx));
        if (!facts->no_classes) return AYF_E_MEMORY;
        AYF_TRY(open_leniently(ctx, path, false, NULL, &spec, &data));
        facts->bad_labels = !unlabelled;
    }
    const ayf_dataset_info *info = ayf_dataset_info_of(data);
    facts->height = spec.resolution ? 0 : info->height;
    facts->width = spec.resolution ? 0 : info->width;
    facts->channels = spec.channels ? 0 : info->channels;
    facts->classes = info->classes;
    facts->count = info->count;
    facts->points = info->points;
    facts->latents = info->latents;
    status = take_classes(ctx, &info->known, facts);
    if (info->note && !(facts->taken = ayf_strdup(ctx, info->note))) status = AYF_E_MEMORY;
    if (status == AYF_OK && !spec.resolution) status = describe_content(ctx, data, facts);
    ayf_dataset_close(data);
    return status;
}

static ayf_status describe_image(ayf_context *ctx, const char *path, ayf_path_facts *facts) {
    void *bytes;
    size_t size;
    ayf_image image = {0};
    AYF_TRY(ayf_file_read(ctx, path, 0, &bytes, &size));
    ayf_status status = ayf_image_probe(ctx, path, bytes, size, NULL, &image);
    ayf_free(ctx, bytes);
    facts->height = image.height;
    facts->width = image.width;
    facts->channels = image.channels;
    if (status != AYF_OK || image.format != AYF_IMAGE_PNG) return status;
    return ayf_image_read_text(ctx, path, "Description", &facts->comment);
}

/* Of a network that ayf_model_open() does not open. */
static ayf_status describe_tool(ayf_context *ctx, const ayf_model_spec *spec, ayf_path_facts *facts) {
    ayf_params *params;
    AYF_TRY(ayf_params_new(ctx, spec, &params));
    bool decoder = spec->kind == AYF_MODEL_DECODER;
    facts->height = facts->width = decoder ? 0 : spec->img_resolution;
    facts->channels = decoder ? spec->latent_channels : spec->img_channels;
    facts->classes = decoder ? 0 : spec->label_dim;
    facts->parameters = ayf_params_trained(params);
    for (int i = 0; i < params->count && decoder; i++)
        facts->parameters += params->at[i].size; /* all are frozen */
    ayf_params_free(params);
    return AYF_OK;
}

/* What a card says of it. Text that cannot be read says nothing: people may have written it. */
static ayf_status find_precision(ayf_context *ctx, const ayf_model_card *card, ayf_precision *precision) {
    ayf_config cfg;
    AYF_TRY(ayf_config_defaults_of_file(ctx, &cfg));
    ayf_status status = ayf_config_parse(ctx, "", card->config, strlen(card->config), &cfg);
    *precision = cfg.train.precision;
    ayf_config_free(ctx, &cfg);
    return status == AYF_E_MEMORY ? status : AYF_OK;
}

/* By its card: whoever uses the weights reads them. */
static ayf_status describe_model(ayf_context *ctx, const ayf_st *st, ayf_path_facts *facts) {
    ayf_model_spec spec;
    ayf_model_card card;
    AYF_TRY(ayf_model_card_of(ctx, st, &spec, &card));
    facts->step = card.step;
    facts->draws = ayf_model_is_flow(&spec);
    ayf_status status = facts->draws ? find_precision(ctx, &card, &facts->precision) : AYF_OK;
    if (status == AYF_OK) status = take_classes(ctx, &card.classes, facts);
    facts->model_path = ayf_strdup(ctx, ayf_st_path(st));
    facts->role = ayf_strdup(ctx, ayf_model_role_name(card.role));
    char **const texts[][2] = {{&facts->data, &card.data},
                               {&facts->config, &card.config},
                               {&facts->comment, &card.accuracy},
                               {&facts->measured, &card.measured},
                               {&facts->device, &card.device}};
    for (size_t i = 0; i < AYF_COUNT(texts); i++) {
        *texts[i][0] = *texts[i][1];
        *texts[i][1] = NULL;
    }
    ayf_model_card_free(ctx, &card);
    if (!facts->model_path || !facts->role) return AYF_E_MEMORY;
    if (status != AYF_OK) return status;
    return facts->draws ? AYF_OK : describe_tool(ctx, &spec, facts);
}

static ayf_status describe_trajectories(ayf_context *ctx, const ayf_st *st, ayf_path_facts *facts) {
    const char *settings = ayf_st_meta(st, "settings");
    const ayf_st_tensor *states = ayf_st_get(st, "states");
    if (!states) return ayf_last_status(ctx);
    facts->kind = AYF_PATH_TRAJECTORIES;
    facts->count = states->rank ? (uint64_t)states->shape[0] : 0;
    facts->comment = ayf_strdup(ctx, settings ? settings : "");
    return facts->comment ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status describe_snapshot(ayf_context *ctx, const ayf_st *st, ayf_path_facts *facts) {
    const char *step = ayf_st_meta(st, "step"), *widths = ayf_st_meta(st, "widths");
    facts->kind = AYF_PATH_SNAPSHOT;
    facts->step = step ? strtoull(step, NULL, 10) : 0;
    facts->comment = ayf_strdup(ctx, widths ? widths : "");
    return facts->comment ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status describe_checkpoint(ayf_context *ctx, const ayf_st *st, ayf_path_facts *facts) {
    const char *step = ayf_st_meta(st, "step"), *machine = ayf_st_meta(st, "machine");
    facts->kind = AYF_PATH_CHECKPOINT;
    facts->step = step ? strtoull(step, NULL, 10) : 0;
    if (machine && !(facts->device = ayf_strdup(ctx, machine))) return AYF_E_MEMORY;
    return AYF_OK;
}

static ayf_status describe_tensors(ayf_context *ctx, const char *path, ayf_path_facts *facts) {
    ayf_st *st;
    AYF_TRY(ayf_st_open_header(ctx, path, &st));
    const char *format = ayf_st_meta(st, "format");
    ayf_status status = AYF_OK;
    if (format && strcmp(format, AYF_CHECKPOINT_FORMAT) == 0) {
        status = describe_checkpoint(ctx, st, facts);
    } else if (format && strcmp(format, AYF_TRAJECTORIES_FORMAT) == 0) {
        status = describe_trajectories(ctx, st, facts);
    } else if (format && strcmp(format, AYF_SNAPSHOT_FORMAT) == 0) {
        status = describe_snapshot(ctx, st, facts);
    } else if (format && strcmp(format, AYF_MODEL_FORMAT) == 0) {
        status = describe_model(ctx, st, facts);
    } else {
        status =
            ayf_fail(ctx, AYF_E_FORMAT, "%s: a safetensors file with %zu tensors that was not made by ayf",
                     path, ayf_st_count(st));
    }
    ayf_st_close(st);
    return status;
}

/* ---- Kinds ---- */

static ayf_status kind_of_file(ayf_context *ctx, const char *path, ayf_path_kind *kind) {
    static const char ending[] = ".safetensors";
    unsigned char start[9] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return ayf_fail_errno(ctx, errno, "open", path);
    size_t got = fread(start, 1, sizeof start, file), length = strlen(path);
    bool empty = got == 0 && !ferror(file);
    fclose(file);
    if (empty) return ayf_fail(ctx, AYF_E_FORMAT, "%s: is empty (0 bytes): make or copy it again", path);
    bool named = length >= strlen(ending) && strcmp(path + length - strlen(ending), ending) == 0;
    /* A safetensors file begins with the length of its header, 8 bytes, and the header with a brace. */
    bool tensors = named || (start[8] == '{' && memcmp(start + 5, "\0\0\0", 3) == 0);
    bool png = memcmp(start, "\x89PNG", 4) == 0, jpeg = start[0] == 0xff && start[1] == 0xd8;
    bool webp = memcmp(start, "RIFF", 4) == 0;
    *kind = png || jpeg || webp ? AYF_PATH_IMAGE : tensors ? AYF_PATH_MODEL : AYF_PATH_DATA;
    return AYF_OK;
}

ayf_status ayf_path_look(ayf_context *ctx, const char *path, ayf_path_kind *kind) {
    static const char builtin[] = "builtin:";
    struct stat info;
    *kind = AYF_PATH_DATA;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "no path is named");
    if (strncmp(path, builtin, strlen(builtin)) == 0) return AYF_OK;
    if (stat(path, &info) != 0) return kind_of_file(ctx, path, kind);
    if (!S_ISDIR(info.st_mode)) {
        AYF_TRY(ayf_check_regular(ctx, path));
        return kind_of_file(ctx, path, kind);
    }
    char *config = ayf_path_join(ctx, path, AYF_RUN_CONFIG);
    if (!config) return AYF_E_MEMORY;
    if (ayf_path_exists(config)) *kind = AYF_PATH_RUN;
    ayf_free(ctx, config);
    return AYF_OK;
}

ayf_status ayf_path_describe(ayf_context *ctx, const char *path, ayf_path_facts *facts) {
    *facts = (ayf_path_facts){0};
    AYF_TRY(ayf_path_look(ctx, path, &facts->kind));
    switch (facts->kind) {
    case AYF_PATH_RUN:
        return describe_run(ctx, path, facts);
    case AYF_PATH_IMAGE:
        return describe_image(ctx, path, facts);
    case AYF_PATH_MODEL:
        return describe_tensors(ctx, path, facts);
    default:
        return describe_data(ctx, path, facts);
    }
}
