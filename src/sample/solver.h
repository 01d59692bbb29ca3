/* Solvers: from noise to data along any field, in jumps of a flow map or in steps of an ODE. */
#ifndef AYF_SOLVER_H
#define AYF_SOLVER_H

#include "base/base.h"

typedef enum ayf_method {
    AYF_METHOD_FLOW_MAP,       /* student: x <- x + (s-t) F(x,t,s) */
    AYF_METHOD_EULER,          /* teacher: one call per step */
    AYF_METHOD_HEUN,           /* teacher: two calls per step */
    AYF_METHOD_DORMAND_PRINCE, /* teacher: order 5, seven calls per step */
    AYF_METHOD_REFERENCE,      /* teacher: Dormand-Prince 5(4), steps of its own that keep to a tolerance */
} ayf_method;

#define AYF_SOLVER_TOLERANCE 1e-4 /* of REFERENCE, where nothing else is asked for */

typedef struct ayf_solver_options {
    ayf_method method;
    const double *times; /* steps + 1 falling values, the first 1, the last 0; NULL: uniform */
    int steps;       /* >= 1; REFERENCE: unused without `times`, of which it takes the first and the last */
    double gamma;    /* FLOW_MAP: 0 deterministic ... 1 re-noising as consistency models do */
    double guidance; /* lambda */
    /* lambda of each sample of the batch in place of `guidance`; NULL: the same for all */
    const double *guidances;
    double tolerance; /* REFERENCE: relative and absolute error per step and sample, > 0 */
    bool euler_last;  /* HEUN: one call for the last step, as EDM does it (arXiv 2206.00364) */
    /* Receives [steps + 1][batch][size]: x at every time; NULL: nowhere. Not for REFERENCE. */
    double *states;
    double *velocities; /* receives [steps][batch][size]: F at the beginning of every step; NULL: nowhere */
} ayf_solver_options;

/* out[batch][size] = F(x,t,s) with x [batch][size] and per-sample times t, s [batch]. For an ODE s = t and F
 * is dx/dt. Times stay inside [0,1]. */
typedef struct ayf_field {
    ayf_status (*at)(void *self, const double *x, const double *t, const double *s, double *out);
    void *self;
    int batch;
    size_t size;
} ayf_field;

/* Takes x from the first time to the last, in place. Every sample's result is independent of the others: the
 * step control of REFERENCE is per sample. One jump of gamma-sampling from t to u, with k = sqrt(1 -
 * gamma^2): s = k u / (1 - (1-k) u),  x_s = x + (s-t) F(x,t,s),  x_u = (1 - (1-k) u) x_s + gamma u eps, which
 * has the exact marginal at u for every gamma and adds no noise at u = 0. eps is keyed by seeds[batch] (NULL
 * is fine when gamma is 0). `calls` (may be NULL): evaluations of the field. AYF_E_USAGE: bad times, steps,
 * gamma or tolerance; AYF_E_DIVERGED: a value that is not finite. */
ayf_status ayf_solver_run(ayf_context *ctx, const ayf_field *field, const ayf_solver_options *how, double *x,
                          const uint64_t *seeds, int *calls);

#endif
