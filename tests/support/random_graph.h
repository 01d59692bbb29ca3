/* Random graphs for finding errors of fusion, planning and kernels. */
#ifndef TEST_RANDOM_GRAPH_H
#define TEST_RANDOM_GRAPH_H

#include "support.h"

typedef enum random_kind {
    RANDOM_FORWARD,    /* any ops */
    RANDOM_DERIVATIVE, /* with a jvp, a vjp, a vjp of a vjp */
    RANDOM_LARGE,      /* any ops, up to 60000 elements: several tiles, threads, very long rows */
    RANDOM_TRAINING,   /* STATE leaves with updates, some in place, in the manner of Adam */
    RANDOM_WIDE,       /* as DERIVATIVE, with many channels: most of it may be bfloat16 */
    RANDOM_KINDS
} random_kind;

/* A graph of 5 to 60 builder calls with several outputs; a pure function of its arguments. Values stay near
 * 1; comparisons (max, min, gt) see only values that are exact in single precision, so that backends agree
 * about them. The caller owns it. */
ayf_graph *random_graph(ayf_context *ctx, uint64_t seed, random_kind kind);

#endif
