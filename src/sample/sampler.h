/* Sampling: flow map in n jumps, gamma-sampling, and ODE solvers for teachers. */
#ifndef AYF_SAMPLER_H
#define AYF_SAMPLER_H

#include "flow/teacher.h"
#include "model/weights.h"

typedef enum ayf_method {
    AYF_METHOD_FLOW_MAP,  /* student: x <- x + (s-t) F(x,t,s) */
    AYF_METHOD_EULER,     /* teacher: one call per step */
    AYF_METHOD_HEUN,      /* teacher: two calls per step */
    AYF_METHOD_REFERENCE, /* teacher: Dormand-Prince 5(4), adaptive to a tolerance or on a fixed grid */
} ayf_method;

typedef struct ayf_solver_options {
    ayf_method method;
    const double *times; /* steps + 1 falling values, the first 1, the last 0; NULL: uniform */
    int steps;           /* >= 1; REFERENCE: unused unless tolerance < 0 */
    double gamma;        /* FLOW_MAP: 0 deterministic ... 1 re-noising as consistency models do */
    double guidance;     /* lambda */
    const double
        *guidances;   /* lambda of each sample of the batch in place of `guidance`; NULL: the same for all */
    double tolerance; /* REFERENCE: relative and absolute error per step and sample; 0 = 1e-4; negative: no
                            step control, the grid of `times` or `steps` */
    bool euler_last;  /* HEUN: one call for the last step, as EDM does it (arXiv 2206.00364) */
    double *
        states; /* receives [steps + 1][batch][size]: x at every time; NULL: nowhere. Not for adaptive steps */
    double *velocities; /* receives [steps][batch][size]: F at the beginning of every step; NULL: nowhere */
} ayf_solver_options;

/* ---- Trajectories of any field ---- */

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
 * is fine when gamma is 0). `calls` (may be NULL): evaluations of the field. AYF_E_USAGE: bad times, steps or
 * gamma; AYF_E_DIVERGED: a value that is not finite. */
ayf_status ayf_trajectory_run(ayf_context *ctx, const ayf_field *field, const ayf_solver_options *how,
                              double *x, const uint64_t *seeds, int *calls);

/* ---- Networks ---- */

/* A compiled network for batches of one size. */
typedef struct ayf_sampler ayf_sampler;

/* `student` for AYF_METHOD_FLOW_MAP; `teacher` (with `teacher_weights`, `weak_weights` bound to "teacher.",
 * "weak."; NULL for closed-form teachers) for the others. One of student and teacher is given. Shapes: batch
 * x height x width x channels; classes 0 = unconditional. All pointers must outlive the sampler. */
typedef struct ayf_sampler_spec {
    ayf_backend *backend;
    int batch, height, width, channels, classes;
    const ayf_weights *student;
    const ayf_velocity *teacher;
    const ayf_weights *teacher_weights, *weak_weights;
    bool guided; /* teacher takes a guidance input */
} ayf_sampler_spec;
ayf_status ayf_sampler_new(const ayf_sampler_spec *spec, ayf_sampler **out);
void ayf_sampler_free(ayf_sampler *s); /* NULL is fine */
/* The weights behind it changed. */
void ayf_sampler_refresh(ayf_sampler *s);

/* x [batch][h][w][c]: noise at t = 1 in, sample at t = 0 out (in units of the network: unit standard
 * deviation). labels[batch] (-1: none) or NULL; seeds[batch] key the re-noising (NULL is fine when gamma is
 * 0). `calls` (may be NULL): the network calls made, a guided call counting once. */
ayf_status ayf_sampler_run(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels,
                           const uint64_t *seeds, int *calls);

/* Between arbitrary times, deterministic; the first and last of `times` are free (1 >= ... >= 0). */
ayf_status ayf_sampler_integrate(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels);

/* Any number of samples from noise to data, out [count][h][w][c] in units of the network. labels[count] or
 * NULL. A sample is a pure function of its seed, label, `how`, the weights and the sampler's batch size, bit
 * by bit: what else is asked for along with it does not matter. Vendor kernels round the rows of a batch
 * differently, by where a row lies, so every seed has a fixed place in the batch (seed mod batch);
 * consecutive seeds fill batches. */
ayf_status ayf_sampler_images(ayf_sampler *s, const ayf_solver_options *how, size_t count,
                              const uint64_t *seeds, const int *labels, float *out);

/* A batch size for ayf_sampler_images(): a function of the network alone. */
int ayf_sampler_batch(const ayf_model_spec *spec);

const ayf_sampler_spec *ayf_sampler_describe(const ayf_sampler *s);

/* The noise of an image: N(0,1), a pure function of its seed. */
void ayf_latent(uint64_t seed, float *out, size_t count);
/* Its class when none is asked for: uniform, a pure function of its seed; -1 when classes is 0. */
int ayf_latent_class(uint64_t seed, int classes);

#endif
