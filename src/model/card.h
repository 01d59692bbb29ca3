/* What a model file says besides its weights. */
#ifndef AYF_CARD_H
#define AYF_CARD_H

#include "io/classes.h"
#include "nn/spec.h"

typedef enum ayf_model_role {
    AYF_MODEL_ROLE_TEACHER,
    AYF_MODEL_ROLE_STUDENT,
    AYF_MODEL_ROLE_DISCRIMINATOR, /* this and the next three: the only role of their kinds of network */
    AYF_MODEL_ROLE_FEATURES,
    AYF_MODEL_ROLE_INCEPTION,
    AYF_MODEL_ROLE_DECODER,
    AYF_MODEL_ROLES
} ayf_model_role;
const char *ayf_model_role_name(ayf_model_role role); /* "teacher", ... */
/* All names as "teacher, ... or ..."; cut to fit. */
enum { AYF_MODEL_ROLE_LIST = 128 };
void ayf_model_role_list(char text[AYF_MODEL_ROLE_LIST]);
bool ayf_model_role_find(const char *name, ayf_model_role *role);
/* A flow network is a teacher, or a student when it sees the gap. Every other kind of network has the one
 * role that it gives its name to. */
bool ayf_model_role_fits(const ayf_model_spec *spec, ayf_model_role role);

/* Strings are owned by the card. */
typedef struct ayf_model_card {
    ayf_model_role role;
    double sigma_data;                 /* pixels in [-1,1] were divided by this */
    double guidance_min, guidance_max; /* trained range; both 1 when there is none */
    double guidance_t_max;             /* students: up to which time their teacher was guided; 1: always */
    uint64_t step;                     /* training steps behind it */
    char *data;                        /* name of the data set, "" unknown */
    char *config;                      /* resolved YAML configuration it was trained with, "" unknown */
    /* features: what share of held-out samples is classified correctly, as text; NULL: unknown */
    char *accuracy;
    ayf_classes classes; /* flow networks: those of its data; count 0: unknown, or none */
    /* models of a run that measures: "eval_fd=0.25; how"; NULL: it was not measured */
    char *measured;
    char *
        device; /* the GPU that its last steps were computed on, and the versions of its libraries; NULL: a CPU */
} ayf_model_card;
void ayf_model_card_free(ayf_context *ctx, ayf_model_card *card);

/* Whether a network can be guided by itself: AYF_E_CONFIG when it has no classes, or when `config` (that
 * of its training as ayf_config_text() writes it; any other text says nothing) says that it never saw a sample
 * without one. `path` names it in the message. */
ayf_status ayf_check_classifier_free(ayf_context *ctx, const char *path, const ayf_model_spec *spec,
                                     const char *config);

#endif
