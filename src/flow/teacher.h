/* Teachers: anything that gives the velocity v(x,t) of the probability-flow ODE as a graph. */
#ifndef AYF_VELOCITY_H
#define AYF_VELOCITY_H

#include "ir/ir.h"
#include "nn/condition.h"
#include "nn/spec.h"

/* x (N,H,W,C) or (N,1,1,2); t; guidance or 0 (= 1); onehot or 0; s is ignored -> v with the shape of x. */
typedef struct ayf_velocity {
    ayf_id (*emit)(ayf_graph *g, const struct ayf_velocity *self, ayf_id x, ayf_condition condition);
    const void *data; /* of the kind at hand; must outlive the velocity */
} ayf_velocity;

/* Network with optional guidance (Align Your Flow, Eq. 3): v = lambda v_teacher + (1 - lambda) v_weak, where v_weak
 * is a weaker network (autoguidance) or the teacher itself without the class (classifier-free guidance, arXiv
 * 2207.12598). Leaves: "teacher.*" and, for a weaker network, "weak.*", storage PARAM. `onehot` is given to each
 * network that has classes. Students are refused. */
typedef struct ayf_network_teacher {
    ayf_model_spec spec;
    bool guided;
    bool classifier_free; /* guided by itself: `weak` is unused */
    ayf_model_spec weak;
} ayf_network_teacher;
ayf_velocity ayf_velocity_network(const ayf_network_teacher *teacher);

/* Mixture of `count` Gaussians with equal weights, N(mean_k, sigma^2 I), in `dim` dimensions: closed form.
 * With count = 1 and mean 0 it is the Gaussian of the tests. */
enum { AYF_MIXTURE_MAX = 16 };
typedef struct ayf_mixture {
    int count, dim;
    double mean[AYF_MIXTURE_MAX][2]; /* coordinates beyond the second are 0 */
    double sigma;
} ayf_mixture;
ayf_mixture ayf_mixture_gaussian(double sigma);
/* The distribution of a built-in data set ("builtin:ring", "builtin:gaussian"); false: no closed form. */
bool ayf_mixture_of_data(const char *source, ayf_mixture *out);
ayf_mixture ayf_mixture_ring(void); /* 8 components, overall unit standard deviation, sigma 0.15 */
/* `onehot` (N,count) names the component: the velocity is then that of data from this component alone (a row
 * of zeros: of all). `guidance` is ignored. */
ayf_velocity ayf_velocity_mixture(const ayf_mixture *mixture);
void ayf_mixture_velocity_at(const ayf_mixture *m, const double *x, double t,
                             double *v); /* one point, in double */

#endif
