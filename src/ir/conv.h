/* The trilinear form <conv(x, w), y>. The ops CONV_FPROP, CONV_DGRAD and CONV_WGRAD are its faces: each is
 * given two of x, w and y and computes the derivative of the form with respect to the third. */
#ifndef AYF_CONV_H
#define AYF_CONV_H

#include "ir/ir.h"

/* conv(x,w)[n,i,j,o] = sum over p,q,c of x[n, i*stride + p - pad_top, j*stride + q - pad_left, c] w[o,p,q,c],
 * where x is 0 outside the image. OH = (H + pad_top + pad_bottom - KH) / stride + 1, rounded down; OW
 * likewise. */
typedef struct ayf_conv_shape {
    int64_t x[4]; /* N, H, W, I */
    int64_t w[4]; /* O, KH, KW, I */
    int64_t y[4]; /* N, OH, OW, O */
    int64_t stride, pad_top, pad_left, pad_bottom, pad_right;
} ayf_conv_shape;

/* The form of which `n`, a CONV_* node with its inputs in the graph, computes a face. */
ayf_conv_shape ayf_conv_of(const ayf_graph *g, const ayf_node *n);

/* Why these shapes do not belong together; NULL: they do. */
const char *ayf_conv_misfit(const ayf_conv_shape *s);

#endif
