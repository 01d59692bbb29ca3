/* Teachers: anything that gives the velocity v(x,t) of the probability-flow ODE as a graph. */
#ifndef AYF_TEACHER_H
#define AYF_TEACHER_H

#include "ir/ir.h"
#include "nn/condition.h"
#include "nn/params.h"

/* x (N,H,W,C) or (N,1,1,2); t; guidance or 0 (= 1); onehot or 0; s is ignored -> v with the shape of x. */
typedef struct ayf_velocity {
    ayf_id (*emit)(ayf_graph *g, const struct ayf_velocity *self, ayf_id x, ayf_condition condition);
    const void *data; /* of the kind at hand; must outlive the velocity */
} ayf_velocity;

/* Network with optional guidance (Align Your Flow, Eq. 3): v = lambda v_teacher + (1 - lambda) v_weak,
 * where v_weak is a weaker network (autoguidance) or the teacher itself without the class (classifier-free
 * guidance, arXiv 2207.12598). Leaves: "teacher.*" and, for a weaker network, "weak.*", storage PARAM.
 * `onehot` is given to each network that has classes. Students are refused. */
typedef struct ayf_network_teacher { /* the tables must outlive it */
    const ayf_params *params;
    bool guided;
    bool classifier_free;   /* guided by itself: `weak` is unused */
    const ayf_params *weak; /* when guided and not classifier_free */
    double
        guidance_t_max; /* at times above it lambda counts as 1 (arXiv 2404.07724); 0 as 1: there are none */
} ayf_network_teacher;
ayf_velocity ayf_velocity_network(const ayf_network_teacher *teacher);

#endif
