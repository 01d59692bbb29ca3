/* YAML text to assignments, through libyaml's events, and the rules between keys. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "config/table.h"
#include "io/file.h"
#include "io/text.h"

enum { MAX_FILE = 1 << 20, MAX_KEYS = 256 };

typedef struct reader {
    ayf_context *ctx;
    const char *name;
    ayf_assignments *list;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by next() */
    bool have_event;
    char where[256];                /* "file:line" of the current event */
    unsigned long set_at[MAX_KEYS]; /* line a key was set on, 0 = not yet */
} reader;

static void locate(reader *r, size_t line) {
    snprintf(r->where, sizeof r->where, "%.220s:%zu", r->name, line + 1);
}

static ayf_status next(reader *r) {
    if (r->have_event) yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR)
            return ayf_fail(r->ctx, AYF_E_MEMORY, "%s: out of memory while reading", r->name);
        if (r->parser.error == YAML_READER_ERROR) {
            locate(r, r->parser.mark.line);
            return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: not valid YAML: %s (byte %zu)", r->where,
                            r->parser.problem ? r->parser.problem : "unreadable", r->parser.problem_offset);
        }
        locate(r, r->parser.problem_mark.line);
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: not valid YAML: %s%s%s", r->where,
                        r->parser.problem ? r->parser.problem : "unreadable", r->parser.context ? ", " : "",
                        r->parser.context ? r->parser.context : "");
    }
    r->have_event = true;
    locate(r, r->event.start_mark.line);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        anchor = r->event.data.alias.anchor;
        break;
    case YAML_SCALAR_EVENT:
        anchor = r->event.data.scalar.anchor;
        tag = r->event.data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = r->event.data.sequence_start.anchor;
        tag = r->event.data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = r->event.data.mapping_start.anchor;
        tag = r->event.data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor || tag)
        return ayf_fail(r->ctx, AYF_E_CONFIG,
                        "%s: anchors, aliases and tags are not supported; write the value out", r->where);
    return AYF_OK;
}

/* The text of the current event, which must be a scalar without NUL; NULL with `what` in the message. */
static const char *scalar(reader *r, const char *what) {
    if (r->event.type != YAML_SCALAR_EVENT) {
        ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s must be a single value", r->where, what);
        return NULL;
    }
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length) {
        ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s holds a NUL character", r->where, what);
        return NULL;
    }
    return text;
}

static bool is_plain(const reader *r) { return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE; }

static bool is_null(const char *text) {
    return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* YAML's types: a quoted value is text, an empty plain one is null, true and false are truth values. */
static ayf_status check_style(reader *r, int row, const char *text) {
    const char *path = ayf_config_path(row);
    if (ayf_config_is_string(row)) {
        if (is_plain(r) && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
            return ayf_fail(r->ctx, AYF_E_CONFIG,
                            "%s: %s must be text; write \"\" for none, or \"%s\" in quotes", r->where, path,
                            text);
        return AYF_OK;
    }
    if (!is_plain(r))
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s is not text; remove the quotes", r->where, path);
    if (is_null(text))
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s has no value; give one or remove the line", r->where,
                        path);
    return AYF_OK;
}

/* Every element is checked on its own line; what is added is one text for all of them. */
static ayf_status read_elements(reader *r, int row, ayf_text *text) {
    for (int i = 0;; i++) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return AYF_OK;
        const char *element = scalar(r, ayf_config_path(row));
        if (!element) return AYF_E_CONFIG;
        AYF_TRY(check_style(r, row, element));
        AYF_TRY(ayf_assignments_check_element(r->list, r->where, row, i, element));
        ayf_text_print(text, "%s%s", i ? "," : "", element);
    }
}

static ayf_status read_list(reader *r, int row) {
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s must be a list: [a, b, c]", r->where,
                        ayf_config_path(row));
    ayf_text text;
    ayf_text_init(&text, r->ctx);
    ayf_status status = read_elements(r, row, &text);
    if (status == AYF_OK && text.failed) status = AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_assignments_add(r->list, r->where, row, text.data ? text.data : "");
    ayf_text_free(&text);
    return status;
}

static ayf_status read_value(reader *r, int row) {
    if (ayf_config_is_list(row)) return read_list(r, row);
    const char *text = scalar(r, ayf_config_path(row));
    if (!text) return AYF_E_CONFIG;
    AYF_TRY(check_style(r, row, text));
    if (is_plain(r) && is_null(text)) text = "";
    return ayf_assignments_add(r->list, r->where, row, text);
}

static ayf_status read_section(reader *r, const char *section) {
    if (r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
        is_null((const char *)r->event.data.scalar.value))
        return AYF_OK; /* a section whose keys are all commented out */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: section \"%s\" must hold indented keys, one per line",
                        r->where, section);
    for (;;) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return AYF_OK;
        const char *key = scalar(r, "a key");
        if (!key) return AYF_E_CONFIG;
        int row = ayf_config_find(r->ctx, r->where, section, key);
        if (row < 0) return AYF_E_CONFIG;
        if (r->set_at[row])
            return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: %s is set twice (first on line %lu); remove one",
                            r->where, ayf_config_path(row), r->set_at[row]);
        r->set_at[row] = r->event.start_mark.line + 1;
        AYF_TRY(next(r));
        AYF_TRY(read_value(r, row));
    }
}

static ayf_status read_document(reader *r) {
    if (r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
        is_null((const char *)r->event.data.scalar.value))
        return AYF_OK;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return ayf_fail(r->ctx, AYF_E_CONFIG,
                        "%s: a configuration is a list of sections (\"train:\" and so on)", r->where);
    for (;;) {
        AYF_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) return AYF_OK;
        const char *name = scalar(r, "the name of a section");
        if (!name) return AYF_E_CONFIG;
        AYF_TRY(ayf_config_find_section(r->ctx, r->where, name));
        char section[64]; /* the event that holds the name goes away with next() */
        snprintf(section, sizeof section, "%s", name);
        AYF_TRY(next(r));
        AYF_TRY(read_section(r, section));
    }
}

static ayf_status read_stream(reader *r) {
    AYF_TRY(next(r)); /* stream start */
    AYF_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return AYF_OK;
    AYF_TRY(next(r)); /* after document start */
    AYF_TRY(read_document(r));
    AYF_TRY(next(r)); /* document end */
    AYF_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT) return AYF_OK;
    return ayf_fail(r->ctx, AYF_E_CONFIG, "%s: a second YAML document begins here; keep one per file",
                    r->where);
}

ayf_status ayf_assignments_add_text(ayf_assignments *list, const char *name, const char *text, size_t size) {
    ayf_context *ctx = ayf_assignments_context(list);
    if (ayf_config_rows() > MAX_KEYS)
        return ayf_fail(ctx, AYF_E_INTERNAL, "the configuration has more than %d keys", MAX_KEYS);
    reader r = {.ctx = ctx, .name = name, .list = list};
    if (!yaml_parser_initialize(&r.parser))
        return ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while reading", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    ayf_status status = read_stream(&r);
    if (r.have_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return status;
}

ayf_status ayf_assignments_add_file(ayf_assignments *list, const char *path) {
    ayf_context *ctx = ayf_assignments_context(list);
    void *text;
    size_t size;
    AYF_TRY(ayf_file_read(ctx, path, MAX_FILE, &text, &size));
    ayf_status status = ayf_assignments_add_text(list, path, text, size);
    ayf_free(ctx, text);
    return status;
}

ayf_status ayf_config_parse(ayf_context *ctx, const char *name, const char *text, size_t size,
                            ayf_config *cfg) {
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    ayf_status status = ayf_assignments_add_text(list, name, text, size);
    if (status == AYF_OK) status = ayf_config_apply(ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}

ayf_status ayf_config_load(ayf_context *ctx, const char *path, ayf_config *cfg) {
    ayf_assignments *list;
    AYF_TRY(ayf_assignments_new(ctx, &list));
    ayf_status status = ayf_assignments_add_file(list, path);
    if (status == AYF_OK) status = ayf_config_apply(ctx, cfg, list);
    ayf_assignments_free(list);
    return status;
}

/* ---- Rules between keys ---- */

#define REFUSE(...) return ayf_fail(ctx, AYF_E_CONFIG, __VA_ARGS__)

static ayf_status validate_model(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->model.kind != AYF_CFG_MODEL_UNET) return AYF_OK;
    const ayf_cfg_ints *multipliers = &cfg->model.multipliers;
    if (multipliers->count == 0)
        REFUSE("model.multipliers is empty; give one multiple per level, for example [1, 2, 2]");
    int resolution = cfg->data.resolution; /* 0: known only once the data is read */
    if (resolution == 0) return AYF_OK;
    int coarsest = 1 << (multipliers->count - 1);
    if (resolution % coarsest != 0)
        REFUSE(
            "data.resolution = %d cannot be halved %d times; use a multiple of %d or fewer model.multipliers",
            resolution, multipliers->count - 1, coarsest);
    return AYF_OK;
}

static ayf_status validate_train(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->train.lr_warmup > cfg->train.steps)
        REFUSE("train.lr_warmup = %lld is longer than the run (train.steps = %lld); set it to a part of the "
               "steps, or 0",
               (long long)cfg->train.lr_warmup, (long long)cfg->train.steps);
    if (cfg->train.lr_schedule == AYF_CFG_LR_COSINE && cfg->train.lr_decay_start >= cfg->train.steps)
        REFUSE("train.lr_decay_start = %lld must be less than train.steps = %lld",
               (long long)cfg->train.lr_decay_start, (long long)cfg->train.steps);
    if (cfg->train.lr_schedule == AYF_CFG_LR_INVSQRT && cfg->train.lr_decay_start < 1)
        REFUSE("train.lr_schedule = invsqrt needs train.lr_decay_start of at least 1");
    return AYF_OK;
}

static ayf_status validate_guidance(ayf_context *ctx, const ayf_config *cfg) {
    bool automatic = cfg->distill.guidance == AYF_CFG_GUIDANCE_AUTO;
    const char *name = automatic                                       ? "autoguidance"
                       : cfg->distill.guidance == AYF_CFG_GUIDANCE_CFG ? "cfg"
                                                                       : "none";
    if (*cfg->distill.weak && !automatic)
        REFUSE("distill.weak is set, but distill.guidance = %s would ignore it; leave one of them out", name);
    if (cfg->distill.guidance == AYF_CFG_GUIDANCE_NONE) return AYF_OK;
    if (cfg->distill.target != AYF_CFG_TARGET_TEACHER)
        REFUSE("distill.guidance = %s needs distill.target = teacher; to learn from the data use --set "
               "distill.target=data --set distill.guidance=none --set distill.student_init=scratch (or a "
               "--teacher to start from)",
               name);
    if (automatic && !*cfg->distill.weak)
        REFUSE("distill.guidance = autoguidance needs a weaker teacher in distill.weak: give one (--weak), "
               "or use distill.guidance = cfg (--cfg; for a teacher trained with classes and "
               "train.label_dropout) or distill.guidance = none");
    if (cfg->distill.guidance_min <= 0)
        REFUSE("distill.guidance_min = 0 could not be asked for in sampling, where a guidance of 0 stands "
               "for the default; use a value above 0");
    if (cfg->distill.guidance_min > cfg->distill.guidance_max)
        REFUSE("distill.guidance_min = %g is above distill.guidance_max = %g", cfg->distill.guidance_min,
               cfg->distill.guidance_max);
    return AYF_OK;
}

static ayf_status validate_distill(ayf_context *ctx, const ayf_config *cfg) {
    bool from_teacher = cfg->distill.target == AYF_CFG_TARGET_TEACHER;
    if (cfg->distill.p_s0 + cfg->distill.p_st > 1.0)
        REFUSE("distill.p_s0 = %g and distill.p_st = %g add up to more than 1", cfg->distill.p_s0,
               cfg->distill.p_st);
    if (cfg->distill.loss == AYF_CFG_LOSS_LMD && !from_teacher)
        REFUSE("distill.loss = lmd evaluates a teacher at the student's output; it cannot go with "
               "distill.target = data");
    if (from_teacher && !*cfg->distill.teacher)
        REFUSE(
            "distill.teacher is not set; give a model file or run folder, or use distill.target = data (with "
            "distill.guidance = none and distill.student_init = scratch)");
    AYF_TRY(validate_guidance(ctx, cfg));
    return AYF_OK;
}

static ayf_status validate_midtrain(ayf_context *ctx, const ayf_config *cfg) {
    if (cfg->distill.midtrain_steps == 0) return AYF_OK;
    if (cfg->distill.target != AYF_CFG_TARGET_TEACHER)
        REFUSE("distill.midtrain_steps = %lld needs a teacher's trajectories, which distill.target = data "
               "does not have; use distill.midtrain_steps = 0",
               (long long)cfg->distill.midtrain_steps);
    if (cfg->distill.midtrain_steps > cfg->train.steps)
        REFUSE("distill.midtrain_steps = %lld is longer than the run (train.steps = %lld), of which it is a "
               "part",
               (long long)cfg->distill.midtrain_steps, (long long)cfg->train.steps);
    return AYF_OK;
}

static ayf_status validate_start(ayf_context *ctx, const ayf_config *cfg) {
    AYF_TRY(validate_midtrain(ctx, cfg));
    if (cfg->distill.student_init == AYF_CFG_INIT_TEACHER &&
        (!*cfg->distill.teacher || strcmp(cfg->distill.teacher, "analytic") == 0))
        REFUSE("distill.student_init = teacher needs a teacher network in distill.teacher; use "
               "distill.student_init = scratch");
    return AYF_OK;
}

static ayf_status validate_finetune(ayf_context *ctx, const ayf_config *cfg) {
    if (!*cfg->finetune.student)
        REFUSE("finetune.student is not set; give the model file or run folder of a distilled student");
    if (cfg->train.batch % cfg->finetune.deviation_group != 0)
        REFUSE("train.batch = %d is not a multiple of finetune.deviation_group = %d; change one of them",
               cfg->train.batch, cfg->finetune.deviation_group);
    if (cfg->distill.midtrain_steps > 0)
        REFUSE("distill.midtrain_steps = %lld is for a student that is new; leave it out of fine-tuning",
               (long long)cfg->distill.midtrain_steps);
    if (cfg->finetune.disc_first >= cfg->train.steps)
        REFUSE("finetune.disc_first = %lld leaves the student no steps to learn from the discriminator "
               "(train.steps = %lld); lower it or ask for more steps",
               (long long)cfg->finetune.disc_first, (long long)cfg->train.steps);
    if (cfg->finetune.alpha <= 0)
        REFUSE("finetune.alpha = 0 leaves nothing to fine-tune; set it above 0, or go on with ayf distill");
    return AYF_OK;
}

ayf_status ayf_config_validate(ayf_context *ctx, const ayf_config *cfg, ayf_config_use use) {
    if (!*cfg->data.source) REFUSE("data.source is not set; name a built-in set or the path of your data");
    AYF_TRY(validate_model(ctx, cfg));
    AYF_TRY(validate_train(ctx, cfg));
    if (use == AYF_CONFIG_TRAIN) return AYF_OK;
    if (use == AYF_CONFIG_FINETUNE) AYF_TRY(validate_finetune(ctx, cfg));
    AYF_TRY(validate_distill(ctx, cfg));
    return use == AYF_CONFIG_DISTILL ? validate_start(ctx, cfg) : AYF_OK;
}
