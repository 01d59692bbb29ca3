/* The configuration of a run: one typed struct, read from YAML, overridden key by key, written back.
 *
 *   ayf_config cfg;
 *   AYF_TRY(ayf_config_defaults(ctx, &cfg));
 *   status = ayf_config_load(ctx, "run.yaml", &cfg);                // over the defaults
 *   status = ayf_config_set(ctx, &cfg, "train.lr=0.01");            // over the file
 *   status = ayf_config_validate_train(ctx, &cfg);
 *   ... cfg.train.lr, cfg.model.channel_mult.at[0] ...
 *   ayf_config_free(ctx, &cfg);                                     // also after a failure
 *
 * The keys, their ranges, defaults and meanings are in keys.def and, for those of the network, in
 * nn/spec.def. Failures are AYF_E_CONFIG with "<file>:<line>: ..." and the nearest valid name. */
#ifndef AYF_CONFIG_H
#define AYF_CONFIG_H

#include "base/choices.h"
#include "nn/spec.h"

/* X(constant, name in the file) */
#define AYF_CFG_LR_SCHEDULES(X)                                                                              \
    X(AYF_CFG_LR_CONSTANT, constant) X(AYF_CFG_LR_COSINE, cosine) X(AYF_CFG_LR_INVSQRT, invsqrt)
#define AYF_CFG_EMA_KINDS(X)                                                                                 \
    X(AYF_CFG_EMA_NONE, none) X(AYF_CFG_EMA_POWER, power) X(AYF_CFG_EMA_HALFLIFE, halflife)
#define AYF_CFG_GUIDANCE_KINDS(X)                                                                            \
    X(AYF_CFG_GUIDANCE_AUTO, autoguidance) X(AYF_CFG_GUIDANCE_CFG, cfg) X(AYF_CFG_GUIDANCE_NONE, none)
#define AYF_CFG_TIME_PAIRS(X) X(AYF_CFG_PAIRS_GAP, gap) X(AYF_CFG_PAIRS_SORTED, sorted)
#define AYF_CFG_STUDENT_INITS(X) X(AYF_CFG_INIT_TEACHER, teacher) X(AYF_CFG_INIT_SCRATCH, scratch)

#define AYF_CFG_EVAL_METRICS(X)                                                                              \
    X(AYF_CFG_METRIC_AUTO, auto) X(AYF_CFG_METRIC_FIDELITY, fidelity) X(AYF_CFG_METRIC_FD, fd)
#define AYF_CFG_ON_DIVERGENCES(X) X(AYF_CFG_DIVERGENCE_STOP, stop) X(AYF_CFG_DIVERGENCE_ROLLBACK, rollback)

typedef enum ayf_cfg_lr_schedule { AYF_CFG_LR_SCHEDULES(AYF_CHOICE_CONSTANT) } ayf_cfg_lr_schedule;
typedef enum ayf_cfg_ema_kind { AYF_CFG_EMA_KINDS(AYF_CHOICE_CONSTANT) } ayf_cfg_ema_kind;
typedef enum ayf_cfg_guidance_kind { AYF_CFG_GUIDANCE_KINDS(AYF_CHOICE_CONSTANT) } ayf_cfg_guidance_kind;
typedef enum ayf_cfg_eval_metric { AYF_CFG_EVAL_METRICS(AYF_CHOICE_CONSTANT) } ayf_cfg_eval_metric;
typedef enum ayf_cfg_on_divergence { AYF_CFG_ON_DIVERGENCES(AYF_CHOICE_CONSTANT) } ayf_cfg_on_divergence;
typedef enum ayf_cfg_time_pairs { AYF_CFG_TIME_PAIRS(AYF_CHOICE_CONSTANT) } ayf_cfg_time_pairs;
typedef enum ayf_cfg_student_init { AYF_CFG_STUDENT_INITS(AYF_CHOICE_CONSTANT) } ayf_cfg_student_init;

typedef struct ayf_config {
#define SECTION(name, help) struct {
#define END(name)                                                                                            \
    }                                                                                                        \
    name;
#define MODEL(name, help)                                                                                    \
    ayf_model_spec name; /* what the data decide (resolution, classes) is not the configuration's */
#define STRING(section, name, value, help) char *name; /* never NULL after ayf_config_defaults() */
#define BOOL(section, name, value, help) bool name;
#define INT(section, name, value, min, max, help) int name;
#define LONG(section, name, value, min, max, help) int64_t name;
#define REAL(section, name, value, min, max, help) double name;
#define REALS(section, name, value, min, max, help) ayf_reals name;
#define CHOICE(section, name, type, value, help) type name;
#include "config/keys.def"
} ayf_config;

/* What `cfg` held before is overwritten, not freed. */
ayf_status ayf_config_defaults(ayf_context *ctx, ayf_config *cfg);
/* The same under what a run wrote itself, its config.yaml or the card of its model: a key that is missing
 * there means what the run did when there was no such key (OLDER in keys.def). */
ayf_status ayf_config_defaults_of_file(ayf_context *ctx, ayf_config *cfg);
void ayf_config_free(ayf_context *ctx, ayf_config *cfg); /* an all-zero or freed struct is fine */

/* One list of assignments (config/assignments.h), made and applied: of a file, of a text, of one setting
 * "section.key=value". After a bad value `cfg` is as it was. */
ayf_status ayf_config_load(ayf_context *ctx, const char *path, ayf_config *cfg);
ayf_status ayf_config_parse(ayf_context *ctx, const char *name, const char *text, size_t size,
                            ayf_config *cfg);
ayf_status ayf_config_set(ayf_context *ctx, ayf_config *cfg, const char *setting);

/* AYF_E_USAGE unless settings[count] is a list of strings; NULL is one of none. */
ayf_status ayf_config_check_settings(ayf_context *ctx, const char *const *settings, int count);

/* Rules between keys: what no single range can say. Those of `train` hold for every run; the others hold them
 * and those of what the run does besides. */
ayf_status ayf_config_validate_train(ayf_context *ctx, const ayf_config *cfg);
ayf_status ayf_config_validate_distill(ayf_context *ctx, const ayf_config *cfg);
ayf_status ayf_config_validate_finetune(ayf_context *ctx, const ayf_config *cfg);

/* Every key as YAML that ayf_config_parse() reads back to the same struct, bit for bit. NULL on failure;
 * owned by the caller. */
char *ayf_config_text(ayf_context *ctx, const ayf_config *cfg);

#endif
