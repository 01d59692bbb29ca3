/* What a flow network is told besides x. */
#ifndef AYF_CONDITION_H
#define AYF_CONDITION_H

#include "ir/ir.h"

/* Per sample of a batch of N; 0 = absent. Each function that takes one says which members it needs. */
typedef struct ayf_condition {
    ayf_id t;        /* (N), the time of x in [0,1] */
    ayf_id s;        /* (N), the time in [0,t] to which a flow map goes */
    ayf_id guidance; /* (N), lambda */
    ayf_id onehot;   /* (N,classes), 1 at the class; a row of zeros is "no class" */
} ayf_condition;

#endif
