/* A network that is being trained: its weights, their average, Adam's moments, and where all of them live in
 * a program and in a checkpoint.
 *
 *     AYF_TRY(ayf_learner_new(&l, backend, &spec, "student.", "", &optim));
 *     AYF_TRY(ayf_learner_begin(&l, seed, NULL));
 *     AYF_TRY(ayf_learner_bind(&l, program));
 *     AYF_TRY(ayf_learner_set_rates(&l, program, step, rate, decay));   // before every step
 *     ayf_learner_clear(&l); */
#ifndef AYF_LEARNER_H
#define AYF_LEARNER_H

#include "model/weights.h"
#include "nn/optim.h"

typedef struct ayf_learner {
    const char *scope; /* of its leaves: "student." */
    const char *part;  /* prefix of its tensors in a checkpoint: "", "disc." */
    ayf_optim_options optim;
    ayf_weights *weights;
    ayf_weights *average;                 /* `weights` itself unless optim.ema */
    ayf_weights *power[AYF_OPTIM_POWERS]; /* optim.powers of them */
    ayf_weights *adam_m, *adam_v;
} ayf_learner;

/* Everything is zero. `scope` and `part` are kept, not copied. After a failure the learner can be cleared. */
ayf_status ayf_learner_new(ayf_learner *l, ayf_backend *backend, const ayf_model_spec *spec,
                           const char *scope, const char *part, const ayf_optim_options *optim);
void ayf_learner_clear(ayf_learner *l); /* an all-zero or cleared one is fine */

/* Start values of `seed` (ayf_weights_init), then those of `from` where it has the same parameters (NULL:
 * nothing). The averages begin as the weights. */
ayf_status ayf_learner_begin(ayf_learner *l, uint64_t seed, const ayf_weights *from);

/* The same for one that has been trained: its moments become 0 again. */
ayf_status ayf_learner_restart(ayf_learner *l, uint64_t seed, const ayf_weights *from);

/* The leaves of weights, averages and moments use this learner's memory. */
ayf_status ayf_learner_bind(const ayf_learner *l, ayf_program *program);

/* The optimiser's inputs for step `step` (the first is 0): learning rate, bias correction of Adam, and the
 * decay of the average, which is ignored without one. Those of power-function averages follow from the step. */
ayf_status ayf_learner_set_rates(const ayf_learner *l, ayf_program *program, uint64_t step, double rate,
                                 double decay);

/* Its inputs for part `part` of `parts` of a batch; nothing unless optim.parts. */
ayf_status ayf_learner_set_part(const ayf_learner *l, ayf_program *program, int part, int parts);

/* One copy of the parameter table in a checkpoint, under "<part><prefix><name>". */
typedef struct ayf_learner_copy {
    const char *prefix; /* "weights." or one of AYF_OPTIM_EMA, ayf_optim_power(), AYF_OPTIM_MOMENT_1, _2 */
    const ayf_weights *at;
    bool trained_only; /* parameters that are never trained have no moments */
} ayf_learner_copy;
enum { AYF_LEARNER_COPIES = 4 + AYF_OPTIM_POWERS };
/* The copies that the learner has; returns their number. */
int ayf_learner_copies(const ayf_learner *l, ayf_learner_copy copies[AYF_LEARNER_COPIES]);

#endif
