/* Sampling: flow map in n jumps, gamma-sampling, and ODE solvers for teachers. */
#ifndef AYF_SAMPLER_H
#define AYF_SAMPLER_H

#include "algo/velocity.h"
#include "algo/weights.h"

typedef enum ayf_method {
    AYF_METHOD_FLOW_MAP,  /* student: x <- x + (s-t) F(x,t,s) */
    AYF_METHOD_EULER,     /* teacher: one call per step */
    AYF_METHOD_HEUN,      /* teacher: two calls per step, one for the last step to t = 0 where it is allowed */
    AYF_METHOD_REFERENCE, /* teacher: Dormand-Prince 5, fixed fine grid or adaptive to tolerance */
} ayf_method;

/* A compiled network for batches of one size. */
typedef struct ayf_sampler ayf_sampler;

/* `student` for AYF_METHOD_FLOW_MAP; `teacher` (with `weights`, `weak_weights` bound to "teacher.", "weak.";
 * NULL for closed-form teachers) for the others. One of student_weights and teacher is given. Shapes: batch x
 * height x width x channels; classes 0 = unconditional. All pointers must outlive the sampler. */
typedef struct ayf_sampler_spec {
    ayf_backend *backend;
    int batch, height, width, channels, classes;
    const ayf_weights *student;
    const ayf_velocity *teacher;
    const ayf_weights *teacher_weights, *weak_weights;
    bool guided; /* teacher takes a guidance input */
} ayf_sampler_spec;
ayf_status ayf_sampler_new(const ayf_sampler_spec *spec, ayf_sampler **out);
void ayf_sampler_free(ayf_sampler *s);
/* The weights behind it changed. */
void ayf_sampler_refresh(ayf_sampler *s);

typedef struct ayf_trajectory {
    ayf_method method;
    const double *times; /* count + 1 falling values, the first 1, the last 0; NULL: uniform */
    int steps;           /* >= 1; REFERENCE: ignored when tolerance > 0 */
    double gamma;        /* FLOW_MAP: 0 deterministic ... 1 re-noising as consistency models do */
    double guidance;     /* lambda */
    double tolerance;    /* REFERENCE: relative and absolute error per step; 0 = 1e-4 */
} ayf_trajectory;

/* x [batch][h][w][c]: noise at t = 1 in, sample at t = 0 out (in units of the network: unit standard
 * deviation). labels[batch] (-1: none) or NULL; seeds[batch] key the re-noising. `calls` (may be NULL): the
 * network calls made, a guided call counting once. */
ayf_status ayf_sampler_run(ayf_sampler *s, const ayf_trajectory *how, float *x, const int *labels,
                           const uint64_t *seeds, int *calls);

/* Between arbitrary times, deterministic; the first and last of `times` are free (1 >= ... >= 0). */
ayf_status ayf_sampler_integrate(ayf_sampler *s, const ayf_trajectory *how, float *x, const int *labels);

/* The noise of an image: N(0,1), a pure function of its seed. */
void ayf_latent(uint64_t seed, float *out, size_t count);
/* Its class when none is asked for. */
int ayf_latent_class(uint64_t seed, int classes);

#endif
