/* The models of ayf.h as the library sees them. */
#ifndef AYF_MODEL_API_H
#define AYF_MODEL_API_H

#include "model/file.h"
#include "model/match.h"
#include "sample/sampler.h"

struct ayf_model {
    ayf_context *ctx;
    char *path;
    ayf_backend *backend; /* of the context */
    ayf_weights *weights;
    ayf_model_card card;
    const ayf_model *weak; /* guidance: teachers only; the model itself: classifier-free */
    ayf_network_teacher network;
    ayf_velocity velocity;                     /* of `network`: teachers only */
    ayf_precision precision;                   /* the context's, settled */
    ayf_sampler *samplers[AYF_PRECISION_AUTO]; /* by precision, made when they are first needed */
};

bool ayf_model_is_student(const ayf_model *model);

/* 0 stands for no guidance: 1, or what is nearest to it in a student's trained range. AYF_E_USAGE when the
 * model cannot be used with `wanted`. */
ayf_status ayf_model_guidance(const ayf_model *model, double wanted, double *guidance);

/* For ayf_models_match(). */
ayf_match_side ayf_model_side(const ayf_model *model, const char *what);

/* The model's sampler in this precision, HIGHEST or BF16, with ayf_sampler_batch(). */
ayf_status ayf_model_sampler(ayf_model *model, ayf_precision precision, ayf_sampler **sampler);

/* ayf_model_sample() as part of a task that the caller has begun (base/wait.h). */
ayf_status ayf_model_draw(ayf_model *model, const ayf_sample_options *options, int count, float *images,
                          int *classes);

/* In which the context's models compute: HIGHEST or BF16. Opens the context's backend. */
ayf_status ayf_models_precision(ayf_context *ctx, ayf_precision *precision);

#endif
