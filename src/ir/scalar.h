/* One element of a pointwise op in double, for constant folding and for the reference backend. */
#ifndef AYF_SCALAR_H
#define AYF_SCALAR_H

#include <math.h>

#include "ir/ir.h"

static inline double ayf_sigmoid_f64(double a) { return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); }

static inline double ayf_softplus_f64(double a) { return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)); }

#define M_EXP exp
#define M_LOG log
#define M_SQRT sqrt
#define M_SIGMOID ayf_sigmoid_f64
#define M_TANH tanh
#define M_SIN sin
#define M_COS cos
#define M_SOFTPLUS ayf_softplus_f64

static inline double ayf_scalar(ayf_op op, double a, double b) {
    (void)b;
    switch (op) {
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text)                                                  \
    case AYF_OP_##NAME:                                                                                      \
        return text;
#include "ir/ops.def"
    default:
        return 0;
    }
}

#undef M_EXP
#undef M_LOG
#undef M_SQRT
#undef M_SIGMOID
#undef M_TANH
#undef M_SIN
#undef M_COS
#undef M_SOFTPLUS

#endif
