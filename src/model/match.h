/* Whether two flow networks match, one of which teaches, guides or judges the other. The one rule for
 * training, sampling and evaluation. */
#ifndef AYF_MATCH_H
#define AYF_MATCH_H

#include "nn/spec.h"

/* How far apart two values of sigma_data may be, relative to the larger one. Those of the same data need not
 * be equal: they are summed in another order by another number of threads, or copied by hand with few digits
 * (0.5 for 0.5003). A network then sees its data larger or smaller by one part in a thousand, which no sample
 * shows. Other data, or pixels of another scale, differ by percents. */
#define AYF_SIGMA_TOLERANCE 1e-3
bool ayf_sigma_matches(double a, double b);

/* The same for the means and scales of latents, per channel; networks of pictures have none. */
bool ayf_latent_scales_match(const ayf_model_spec *a, const ayf_model_spec *b);

typedef struct ayf_match_side {
    const char *what, *path; /* for messages: "the weak teacher", its file */
    const ayf_model_spec *spec;
    double sigma_data;
    /* A weak teacher: it matches also when it has no classes and the other side has some. */
    bool needs_no_classes;
} ayf_match_side;

/* AYF_OK when both make samples of the same kind, shape and classes with sigma_data and scales of latents that match.
 * Otherwise
 * `refusal` (AYF_E_USAGE for calls, AYF_E_CONFIG for runs) with a sentence that names both and ends in
 * `way_out` ("train both on the same data"). Both are flow networks (ayf_model_is_flow()). */
ayf_status ayf_models_match(ayf_context *ctx, ayf_status refusal, const ayf_match_side *a,
                            const ayf_match_side *b, const char *way_out);

#endif
