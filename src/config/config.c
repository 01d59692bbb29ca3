#include "config/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "config/table.h"
#include "io/text.h"

/* ---- The table ---- */

static const char *const names_ayf_loss[] = {AYF_LOSSES(AYF_CHOICE_NAME)};
static const char *const names_ayf_target[] = {AYF_TARGETS(AYF_CHOICE_NAME)};
static const char *const names_ayf_norm[] = {AYF_NORMS(AYF_CHOICE_NAME)};
static const char *const names_ayf_resize[] = {AYF_RESIZES(AYF_CHOICE_NAME)};
static const char *const names_ayf_background[] = {AYF_BACKGROUNDS(AYF_CHOICE_NAME)};
static const char *const names_ayf_recompute[] = {AYF_RECOMPUTES(AYF_CHOICE_NAME)};
static const char *const names_ayf_precision[] = {AYF_PRECISIONS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_lr_schedule[] = {AYF_CFG_LR_SCHEDULES(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_ema_kind[] = {AYF_CFG_EMA_KINDS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_guidance_kind[] = {AYF_CFG_GUIDANCE_KINDS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_time_pairs[] = {AYF_CFG_TIME_PAIRS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_student_init[] = {AYF_CFG_STUDENT_INITS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_eval_metric[] = {AYF_CFG_EVAL_METRICS(AYF_CHOICE_NAME)};
static const char *const names_ayf_cfg_on_divergence[] = {AYF_CFG_ON_DIVERGENCES(AYF_CHOICE_NAME)};

/* Flow networks only: a run trains no other one by name. */
static const char *const flow_names[] = {
#define KIND(constant, name, flow, points) [AYF_MODEL_##constant] = (flow) ? #name : NULL,
#include "nn/spec.def"
};
static const char *const precond_names[] = {
#define PRECOND(constant, name) #name,
#include "nn/spec.def"
};
static const char *const time_names[] = {
#define TIME(constant, name) #name,
#include "nn/spec.def"
};

#define NAMED(names) .type = AYF_FIELD_CHOICE, .choices = names, .choice_count = (int)AYF_COUNT(names)
#define TYPE_KIND NAMED(flow_names)
#define TYPE_PRECOND NAMED(precond_names)
#define TYPE_TIME NAMED(time_names)
#define TYPE_INT .type = AYF_FIELD_INT
#define TYPE_BOOL .type = AYF_FIELD_BOOL
#define TYPE_REAL .type = AYF_FIELD_REAL
#define TYPE_INTS .type = AYF_FIELD_INTS
#define TYPE_REALS .type = AYF_FIELD_REALS

#define ROW(name_, member, text_, low_, high_, help_, ...)                                                   \
    {.name = name_,                                                                                          \
     .offset = offsetof(ayf_config, member),                                                                 \
     .text = text_,                                                                                          \
     .low = (double)(low_),                                                                                  \
     .high = (double)(high_),                                                                                \
     .help = help_,                                                                                          \
     __VA_ARGS__},
#define PATH(section, name) #section "." #name
#define STRING(section, name, value, help)                                                                   \
    ROW(PATH(section, name), section.name, value, 0, 0, help, .type = AYF_FIELD_STRING)
#define BOOL(section, name, value, help)                                                                     \
    ROW(PATH(section, name), section.name, #value, 0, 0, help, .type = AYF_FIELD_BOOL)
#define INT(section, name, value, min, max, help)                                                            \
    ROW(PATH(section, name), section.name, #value, min, max, help, .type = AYF_FIELD_INT)
#define LONG(section, name, value, min, max, help)                                                           \
    ROW(PATH(section, name), section.name, #value, min, max, help, .type = AYF_FIELD_INT64)
#define REAL(section, name, value, min, max, help)                                                           \
    ROW(PATH(section, name), section.name, #value, min, max, help, .type = AYF_FIELD_REAL)
#define REALS(section, name, value, min, max, help)                                                          \
    ROW(PATH(section, name), section.name, #value, min, max, help, .type = AYF_FIELD_REALS)
#define CHOICE(section, name, type_, value, help)                                                            \
    ROW(PATH(section, name), section.name, #value, 0, 0, help, NAMED(names_##type_))
#define KEY(TYPE, kinds, users, field, text, min, max, name, help)                                           \
    ROW(PATH(model, name), model.field, text, min, max, help, TYPE_##TYPE)
static const ayf_field_row rows[] = {
#include "config/keys.def"
};

static const struct {
    const char *name, *help;
} sections[] = {
#define SECTION(name, help) {#name, help},
#define MODEL(name, help) {#name, help},
#include "config/keys.def"
};

static const struct {
    const char *name, *text;
} older[] = {
#define OLDER(section, name, value) {PATH(section, name), #value},
#include "config/keys.def"
};

int ayf_config_rows(void) { return (int)AYF_COUNT(rows); }
const ayf_field_row *ayf_config_row(int index) { return &rows[index]; }

int ayf_config_row_named(const char *path) {
    int row = ayf_field_find(rows, AYF_COUNT(rows), 0, path);
    assert(row >= 0);
    return row;
}

const char *ayf_config_older(int row) {
    for (size_t i = 0; i < AYF_COUNT(older); i++)
        if (strcmp(older[i].name, rows[row].name) == 0) return older[i].text;
    return NULL;
}

/* Size of "section." in front of the name. */
static size_t prefix_of(const ayf_field_row *r) { return strcspn(r->name, ".") + 1; }
static const char *key_of(const ayf_field_row *r) { return r->name + prefix_of(r); }

static bool same_section(const ayf_field_row *a, const ayf_field_row *b) {
    return prefix_of(a) == prefix_of(b) && memcmp(a->name, b->name, prefix_of(a)) == 0;
}

const char *ayf_config_about(const ayf_field_row *row) {
    size_t section = 0, size = prefix_of(row) - 1;
    while (strncmp(sections[section].name, row->name, size) != 0 || sections[section].name[size]) section++;
    return sections[section].help;
}

/* ---- Finding a key ---- */

const char *ayf_config_find_elsewhere(const char *key) {
    for (size_t i = 0; i < AYF_COUNT(rows); i++)
        if (strcmp(key_of(&rows[i]), key) == 0) return rows[i].name;
    /* What other programs call them. */
    static const char *const others[][2] = {{"learning_rate", "train.lr"},
                                            {"batch_size", "train.batch"},
                                            {"warmup", "train.lr_warmup"},
                                            {"max_steps", "train.steps"},
                                            {"num_steps", "train.steps"},
                                            {"iterations", "train.steps"},
                                            {"total_steps", "train.steps"},
                                            {"epochs", "train.steps"},
                                            {"random_seed", "train.seed"},
                                            {"gradient_accumulation_steps", "train.accumulate"},
                                            {"max_grad_norm", "train.grad_clip"},
                                            {"ema_decay", "train.ema_halflife"},
                                            {"image_size", "data.resolution"},
                                            {"img_resolution", "data.resolution"},
                                            {"dataset", "data.source"},
                                            {"data_dir", "data.source"},
                                            {"path", "data.source"},
                                            {"xflip", "data.mirror"},
                                            {"hflip", "data.mirror"},
                                            {"cond", "data.labels"},
                                            {"class_cond", "data.labels"},
                                            {"model_channels", "model.channels"},
                                            {"num_channels", "model.channels"},
                                            {"channel_mult", "model.multipliers"}};
    for (size_t i = 0; i < AYF_COUNT(others); i++)
        if (strcmp(others[i][0], key) == 0) return others[i][1];
    return NULL;
}

/* The first of the rows that means the same in other words ("learning_rate", "batch_size"): its key is one of them,
 * or its help has all of them. NULL: none does. */
static const ayf_field_row *find_by_words(const ayf_field_row *among, size_t count, const char *key) {
    char words[64];
    if (strlen(key) >= sizeof words || !strpbrk(key, "_-")) return NULL;
    for (int in_help = 0; in_help < 2; in_help++)
        for (size_t i = 0; i < count; i++) {
            size_t found = 0, all = 0;
            strcpy(words, key);
            for (char *rest, *word = strtok_r(words, "_-", &rest); word;
                 word = strtok_r(NULL, "_-", &rest), all++)
                found +=
                    in_help ? strcasestr(among[i].help, word) != NULL : strcmp(key_of(&among[i]), word) == 0;
            if (found && (!in_help || found == all)) return &among[i];
        }
    return NULL;
}

ayf_status ayf_config_find_section(ayf_context *ctx, const char *where, const char *section) {
    const char *names[AYF_COUNT(sections)];
    char list[200] = "";
    for (size_t i = 0, used = 0; i < AYF_COUNT(sections); i++) {
        names[i] = sections[i].name;
        if (strcmp(names[i], section) == 0) return AYF_OK;
        const char *between = i == 0 ? "" : i + 1 == AYF_COUNT(sections) ? " and " : ", ";
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", between, names[i]);
    }
    const char *near = ayf_nearest(section, names, AYF_COUNT(sections));
    if (!near) near = ayf_config_find_elsewhere(section);
    const ayf_field_row *other = near ? NULL : find_by_words(rows, AYF_COUNT(rows), section);
    if (other) near = other->name;
    if (near)
        return ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown section \"%.60s\"; did you mean \"%s\"?", where,
                        section, near);
    return ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown section \"%.60s\"; there are %s", where, section, list);
}

int ayf_config_find(ayf_context *ctx, const char *where, const char *section, const char *key) {
    if (ayf_config_find_section(ctx, where, section) != AYF_OK) return -1;
    size_t first = 0, count = 0, skip = strlen(section) + 1;
    while (strncmp(rows[first].name, section, skip - 1) != 0 || rows[first].name[skip - 1] != '.') first++;
    while (first + count < AYF_COUNT(rows) && same_section(&rows[first + count], &rows[first])) count++;
    int found = ayf_field_find(rows + first, count, skip, key);
    if (found >= 0) return (int)first + found;
    const char *elsewhere = ayf_config_find_elsewhere(key);
    const char *near = ayf_field_nearest(rows + first, count, skip, key);
    const ayf_field_row *other = near || elsewhere ? NULL : find_by_words(rows + first, count, key);
    if (other) elsewhere = other->name;
    if (elsewhere)
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; did you mean \"%s\"?", where, section, key,
                 elsewhere);
    else if (near)
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; did you mean \"%s.%s\"?", where, section,
                 key, section, near);
    else
        ayf_fail(ctx, AYF_E_CONFIG, "%s: unknown key \"%s.%.60s\"; `ayf help config` lists them all", where,
                 section, key);
    return -1;
}

/* ---- The struct as a whole ---- */

ayf_status ayf_config_defaults(ayf_context *ctx, ayf_config *cfg) {
    memset(cfg, 0, sizeof *cfg);
    cfg->model = ayf_model_spec_default();
    ayf_status status = ayf_fields_default(ctx, rows, AYF_COUNT(rows), cfg);
    if (status != AYF_OK) ayf_config_free(ctx, cfg);
    return status;
}

ayf_status ayf_config_defaults_of_file(ayf_context *ctx, ayf_config *cfg) {
    ayf_status status = ayf_config_defaults(ctx, cfg);
    for (size_t i = 0; status == AYF_OK && i < AYF_COUNT(older); i++)
        /* The texts are as ayf_config_text() writes them, where that of nothing has quotes. */
        status = ayf_field_set(ctx, &rows[ayf_config_row_named(older[i].name)],
                               strcmp(older[i].text, "\"\"") == 0 ? "" : older[i].text, cfg);
    if (status != AYF_OK) ayf_config_free(ctx, cfg);
    return status;
}

void ayf_config_free(ayf_context *ctx, ayf_config *cfg) {
    ayf_fields_free(ctx, rows, AYF_COUNT(rows), cfg);
    memset(cfg, 0, sizeof *cfg);
}

/* ---- Writing ---- */

/* Double-quoted YAML: what a YAML reader would refuse or fold is escaped. */
static void print_string(ayf_text *text, const char *string) {
    size_t left = strlen(string);
    ayf_text_put(text, "\"", 1);
    while (left) {
        uint32_t code = 0;
        size_t length = ayf_utf8_decode(string, left, &code);
        if (length == 0) length = 1; /* cannot be: an assignment admits UTF-8 only */
        if (code == '"' || code == '\\')
            ayf_text_print(text, "\\%c", (int)code);
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0))
            ayf_text_print(text, "\\x%02X", (unsigned)code);
        else if (code == 0x2028 || code == 0x2029 || code == 0xFEFF || code == 0xFFFE || code == 0xFFFF)
            ayf_text_print(text, "\\u%04X", (unsigned)code);
        else
            ayf_text_put(text, string, length);
        string += length;
        left -= length;
    }
    ayf_text_put(text, "\"", 1);
}

static void print_value(ayf_text *text, const ayf_config *cfg, const ayf_field_row *r) {
    if (r->type == AYF_FIELD_STRING) {
        print_string(text, *(char *const *)((const char *)cfg + r->offset));
        return;
    }
    char value[AYF_FIELD_SIZE];
    ayf_field_print(r, cfg, AYF_FIELD_TYPED, value, sizeof value);
    ayf_text_print(text, "%s", value);
}

char *ayf_config_value(ayf_context *ctx, const ayf_config *cfg, int row) {
    ayf_text text;
    ayf_text_init(&text, ctx);
    print_value(&text, cfg, &rows[row]);
    if (!text.failed) return text.data;
    ayf_text_free(&text);
    return NULL;
}

static bool begins_section(size_t row) { return row == 0 || !same_section(&rows[row], &rows[row - 1]); }

char *ayf_config_text(ayf_context *ctx, const ayf_config *cfg) {
    ayf_text text;
    ayf_text_init(&text, ctx);
    for (size_t i = 0, section = 0; i < AYF_COUNT(rows); i++) {
        if (begins_section(i)) ayf_text_print(&text, "%s:\n", sections[section++].name);
        ayf_text_print(&text, "  %s: ", key_of(&rows[i]));
        print_value(&text, cfg, &rows[i]);
        ayf_text_print(&text, "\n");
    }
    if (!text.failed) return text.data;
    ayf_text_free(&text);
    return NULL;
}

/* ---- For people ---- */

/* `help` in lines of at most 100 columns, indented by six. */
static void print_wrapped(ayf_text *text, const char *help) {
    enum { INDENT = 6, WIDTH = 100 };
    while (*help) {
        size_t length = strlen(help);
        if (length > WIDTH - INDENT) {
            length = WIDTH - INDENT;
            while (length > 1 && help[length] != ' ') length--;
        }
        ayf_text_print(text, "%*s%.*s\n", INDENT, "", (int)length, help);
        help += length;
        help += strspn(help, " ");
    }
}

static void print_help(ayf_text *text, const ayf_config *defaults) {
    ayf_text_print(
        text,
        "A configuration is a YAML file of sections and keys; what it leaves out keeps its default. Every\n"
        "key can be overridden on the command line: --set train.lr=0.01 --set model.multipliers=1,2,2\n"
        "One file may hold the sections of all runs; a --set that means nothing to a run is refused.\n"
        "Whole numbers may end in k, M, G (thousands) or Ki, Mi, Gi (1024s).\n");
    for (size_t i = 0, section = 0; i < AYF_COUNT(rows); i++) {
        char values[AYF_FIELD_SIZE];
        if (begins_section(i)) {
            ayf_text_print(text, "\n%s: %s\n", sections[section].name, sections[section].help);
            section++;
        }
        ayf_text_print(text, "  %s = ", rows[i].name);
        print_value(text, defaults, &rows[i]);
        ayf_field_values(&rows[i], values, sizeof values);
        ayf_text_print(text, "   (%s)\n", values);
        print_wrapped(text, rows[i].help);
    }
}

ayf_status ayf_config_explain(ayf_context *ctx, ayf_print_fn *print, void *user) {
    ayf_config defaults;
    AYF_TRY(ayf_config_defaults(ctx, &defaults));
    ayf_text text;
    ayf_text_init(&text, ctx);
    print_help(&text, &defaults);
    ayf_config_free(ctx, &defaults);
    if (text.failed) {
        ayf_text_free(&text);
        return AYF_E_MEMORY;
    }
    for (char *line = text.data, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = 0;
        print(user, line);
    }
    ayf_text_free(&text);
    return AYF_OK;
}
