/* Shapes of the trilinear form <conv(x, w), y>. */
#ifndef AYF_BACKEND_CPU_CONV_SHAPE_H
#define AYF_BACKEND_CPU_CONV_SHAPE_H

#include <stdint.h>

/* y[n,i,j,o] = sum over p,q,c of x[n, i*stride + p - pad_top, j*stride + q - pad_left, c] w[o,p,q,c], where x
 * outside the image is 0. OH = (H + pad_top + pad_bottom - KH) / stride + 1, rounded down; OW likewise. */
typedef struct ayf_conv_shape {
    int64_t x[4]; /* N, H, W, I */
    int64_t w[4]; /* O, KH, KW, I */
    int64_t y[4]; /* N, OH, OW, O */
    int64_t stride, pad_top, pad_left, pad_bottom, pad_right;
} ayf_conv_shape;

#endif
