/* Adam with forced weight normalisation and weight averages, as part of the graph, and the schedules that
 * feed it.
 *
 *     ayf_optim_options options = ayf_optim_default();
 *     ayf_optim_nodes o;
 *     ayf_scope(g, "student.");
 *     AYF_TRY(ayf_optim_emit(g, params, grad, &options, &o));
 *     // each step k = 0, 1, ...: bind the inputs
 *     ayf_adam_scalars(lr, beta1, beta2, k, &step_size, &v_scale);
 *
 * For every trained parameter the graph gets, under its scope, STATE leaves of the parameter's shape, named
 * AYF_OPTIM_MOMENT_1, AYF_OPTIM_MOMENT_2 and, with averages, AYF_OPTIM_EMA and ayf_optim_power() with the
 * parameter's name behind. Adam's two start at 0, the averages at the weight. */
#ifndef AYF_NN_OPTIM_H
#define AYF_NN_OPTIM_H

#include "base/fields.h"
#include "ir/ir.h"
#include "nn/params.h"

typedef struct ayf_optim_options {
    double beta1;     /* decay of the first moment, in [0,1) */
    double beta2;     /* decay of the second moment, in [0,1) */
    double eps;       /* added to the root of the second moment; 0 divides by 0 where every gradient was 0 */
    double clip;      /* largest norm of all gradients together; 0 = no limit */
    bool report_norm; /* compute the norm even without a limit */
    bool ema;         /* keep weight averages */
    int powers;       /* power-function averages besides, 0 ... AYF_OPTIM_POWERS */
    double gamma[AYF_LIST_MAX]; /* of each of those, for ayf_ema_power() */
    bool free_weights;          /* do not renormalise the rows of WEIGHT parameters */
    int ranks;                  /* processes that share a batch, each with a gradient of its own; 0 = 1 */
    bool parts;                 /* a process computes its share in parts (ayf_program_run_part) */
} ayf_optim_options;
/* beta1 0.9, beta2 0.999, eps 1e-8 (arXiv 1412.6980); no limit, no averages. */
ayf_optim_options ayf_optim_default(void);

enum { AYF_OPTIM_POWERS = AYF_LIST_MAX };

/* INPUT leaves of an optimiser, (1) each, behind the scope of its network. */
#define AYF_OPTIM_STEP_SIZE "opt.step_size" /* see ayf_adam_scalars() */
#define AYF_OPTIM_V_SCALE "opt.v_scale"
#define AYF_OPTIM_EMA_DECAY "opt.ema_decay" /* only with averages */
#define AYF_OPTIM_POWER_DECAY                                                                                \
    "opt.power_decay"             /* behind it "1", "2" ...: only with power-function averages */
#define AYF_OPTIM_KEEP "opt.keep" /* only with parts: 0 in the first part of a batch, 1 in the others */
/* A LAST leaf. */
#define AYF_OPTIM_SHARE "opt.share" /* only with parts: 1 / number of parts */
/* Before the names of parameters, behind the scope: STATE leaves of an optimiser, and tensors of a
 * checkpoint. */
#define AYF_OPTIM_EMA "ema."
/* The same for power-function average k = 0 ... AYF_OPTIM_POWERS - 1: "ema1.", "ema2." ... */
const char *ayf_optim_power(int k);
#define AYF_OPTIM_MOMENT_1 "adam.m."
#define AYF_OPTIM_MOMENT_2 "adam.v."
/* STATE leaves only: sums of gradients over parts, which mean nothing between two batches. */
#define AYF_OPTIM_SUM "sum."
/* Whether a leaf's full name is one of the INPUT leaves under any scope. */
bool ayf_optim_is_input(const char *leaf);

typedef struct ayf_optim_nodes { /* INPUT leaves of shape (1), and what can be fetched */
    ayf_id step_size;            /* AYF_OPTIM_STEP_SIZE */
    ayf_id v_scale;              /* AYF_OPTIM_V_SCALE */
    ayf_id ema_decay;            /* AYF_OPTIM_EMA_DECAY: ema <- w + decay (ema - w); 0 without averages */
    ayf_id power_decay[AYF_OPTIM_POWERS]; /* AYF_OPTIM_POWER_DECAY: the same */
    ayf_id grad_norm;                     /* (1), before clipping; 0 unless computed */
} ayf_optim_nodes;

/* With parts: replaces each gradient by its mean over the parts, and everything that depends on it belongs to
 * the last part. Sums are kept in STATE leaves "<prefix><parameter>" under the present scope. Nothing without
 * parts. ayf_optim_emit() does this itself; a loss that is not linear in its gradients does it before, and
 * then asks for an optimiser without parts. */
void ayf_optim_collect(ayf_graph *g, const ayf_params *params, const ayf_optim_options *options,
                       const char *prefix, ayf_id *grad);

/* The mean over the processes; `value` itself when there is one. */
ayf_id ayf_optim_mean(ayf_graph *g, const ayf_optim_options *options, ayf_id value);

/* `grad[i]` belongs to params->at[i] and has its shape; 0 leaves the parameter as it is (its average too).
 *   m <- beta1 m + (1-beta1) g,  v <- beta2 v + (1-beta2) g^2,  w <- w - step_size m / (sqrt(v) v_scale +
 * eps), then rows of WEIGHT parameters to unit RMS (arXiv 2312.02696, Eq. 66), then the averages. The weights
 * are STATE leaves under the present scope. With several processes or parts g is the mean of what they have.
 * AYF_OK or the graph's failure. */
ayf_status ayf_optim_emit(ayf_graph *g, const ayf_params *params, const ayf_id *grad,
                          const ayf_optim_options *options, ayf_optim_nodes *nodes);

/* Bias correction of step k (the first is 0): step_size = lr/(1-beta1^(k+1)), v_scale =
 * 1/sqrt(1-beta2^(k+1)). */
void ayf_adam_scalars(double lr, double beta1, double beta2, uint64_t step, float *step_size, float *v_scale);

/* ---- Learning rate ---- */

typedef enum ayf_lr_kind { AYF_LR_CONSTANT, AYF_LR_COSINE, AYF_LR_INVERSE_SQRT } ayf_lr_kind;

typedef struct ayf_lr_schedule {
    ayf_lr_kind kind;
    double base;       /* the highest rate */
    uint64_t warmup;   /* steps of linear increase from base/warmup; 0 = none */
    uint64_t total;    /* COSINE: the step at which `final` is reached */
    uint64_t decay_at; /* INVERSE_SQRT: base / sqrt(max(step/decay_at, 1)); 0 = no decay */
    double final;      /* COSINE: the last rate as a share of base */
} ayf_lr_schedule;

/* The rate of step k (the first is 0). COSINE falls from the end of the warm-up to `total` and stays there.
 */
double ayf_lr_at(const ayf_lr_schedule *schedule, uint64_t step);

/* ---- Weight averages ---- */

/* Exponential average with a short memory at first: min(decay, (1+k)/(10+k)). */
double ayf_ema_decay(double decay, uint64_t step);

/* Power-function average (arXiv 2312.02696, section 3.1): (1 - 1/(k+1))^(gamma+1), so 0 at the first step. */
double ayf_ema_power(double gamma, uint64_t step);

/* gamma of a relative width sqrt((gamma+1)/((gamma+2)^2 (gamma+3))), 0 < width < 0.28; 0.05 gives 16.97, 0.10
 * gives 6.94. */
double ayf_ema_gamma(double width);

#endif
