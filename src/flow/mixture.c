#include "flow/mixture.h"

#include <math.h>
#include <string.h>

#include "data/points.h"
#include "ir/build.h"

/* x_t = a x0 + t x1 with a = 1 - t; within component k, x_t ~ N(a mu_k, q^2 I), q^2 = a^2 sigma^2 + t^2,
 * and
 *
 *   E[x1 - x0 | x_t, k] = (t - a sigma^2)/q^2 (x_t - a mu_k) - mu_k.
 *
 * This is affine in mu_k, so the posterior mean over components needs only m = sum_k w_k mu_k. In the
 * logits of w, |x_t|^2 is common to all and left out. */

static double mean_at(const ayf_mixture *m, int k, int axis) { return axis < 2 ? m->mean[k][axis] : 0; }

/* One scalar per component and axis, joined along both: (dim, count). Depends on constants only. */
static ayf_id mean_matrix(ayf_graph *g, const ayf_mixture *m) {
    ayf_id rows = 0;
    for (int axis = 0; axis < m->dim; axis++) {
        ayf_id row = 0;
        for (int k = 0; k < m->count; k++) {
            ayf_id one = ayf_full(g, AYF_SHAPE(1, 1), mean_at(m, k, axis));
            row = k ? ayf_concat(g, row, one, 1) : one;
        }
        rows = axis ? ayf_concat(g, rows, row, 0) : row;
    }
    return rows;
}

static ayf_id norm_row(ayf_graph *g, const ayf_mixture *m) { /* (1, count): |mu_k|^2 / 2 */
    ayf_id row = 0;
    for (int k = 0; k < m->count; k++) {
        double sum = 0;
        for (int axis = 0; axis < m->dim; axis++) sum += mean_at(m, k, axis) * mean_at(m, k, axis);
        ayf_id one = ayf_full(g, AYF_SHAPE(1, 1), sum / 2);
        row = k ? ayf_concat(g, row, one, 1) : one;
    }
    return row;
}

static bool is_centred(const ayf_mixture *m) {
    return m->count == 1 && m->mean[0][0] == 0 && m->mean[0][1] == 0;
}

/* m = sum_k w_k mu_k for points (N, dim); a and q2 are (N,1). A known class adds to its logit what no
 * distance can outweigh; a row of zeros is "no class". */
static ayf_id posterior_mean(ayf_graph *g, const ayf_mixture *m, ayf_id x, ayf_id a, ayf_id q2,
                             ayf_id onehot) {
    ayf_id means = mean_matrix(g, m);
    ayf_id dot = ayf_sub(g, ayf_gemm(g, x, means, false, false), ayf_mul(g, a, norm_row(g, m)));
    ayf_id logits = ayf_mul(g, dot, ayf_div(g, a, q2));
    if (onehot) logits = ayf_add(g, logits, ayf_mulc(g, onehot, 1e6));
    return ayf_gemm(g, ayf_softmax(g, logits), means, false, true);
}

static ayf_id mixture_emit(ayf_graph *g, const ayf_velocity *self, ayf_id x, ayf_condition condition) {
    const ayf_mixture *m = self->data;
    ayf_id t = condition.t, onehot = condition.onehot;
    if (!x || !t) return 0;
    ayf_shape shape = ayf_shape_of(g, x);
    int batch = shape.dim[0];
    if (ayf_elements(g, x) != (size_t)batch * (size_t)m->dim)
        return ayf_graph_fail(g, AYF_E_USAGE, "the Gaussian mixture has points of %d numbers, not %zu",
                              m->dim, ayf_elements(g, x) / (size_t)batch);
    if (onehot && ayf_at(g, onehot)->dim[1] != m->count)
        return ayf_graph_fail(g, AYF_E_USAGE, "the Gaussian mixture has %d classes (its components), not %d",
                              m->count, ayf_at(g, onehot)->dim[1]);
    double variance = m->sigma * m->sigma;
    ayf_id points = ayf_reshape(g, x, AYF_SHAPE(batch, m->dim));
    ayf_id time = ayf_reshape(g, t, AYF_SHAPE(batch, 1));
    ayf_id a = ayf_addc(g, ayf_neg(g, time), 1);
    ayf_id q2 = ayf_add(g, ayf_square(g, time), ayf_mulc(g, ayf_square(g, a), variance));
    ayf_id slope = ayf_div(g, ayf_sub(g, time, ayf_mulc(g, a, variance)), q2);
    if (is_centred(m)) return ayf_reshape(g, ayf_mul(g, slope, points), shape);
    ayf_id mean = posterior_mean(g, m, points, a, q2, onehot);
    ayf_id v = ayf_sub(g, ayf_mul(g, slope, ayf_sub(g, points, ayf_mul(g, a, mean))), mean);
    return v ? ayf_reshape(g, v, shape) : 0;
}

ayf_velocity ayf_velocity_mixture(const ayf_mixture *mixture) {
    return (ayf_velocity){.emit = mixture_emit, .data = mixture};
}

ayf_mixture ayf_mixture_ring(void) {
    const double pi = 3.14159265358979323846;
    ayf_mixture ring = {.count = AYF_RING_COMPONENTS, .dim = 2, .sigma = AYF_RING_SIGMA};
    for (int k = 0; k < ring.count; k++) {
        ring.mean[k][0] = AYF_RING_RADIUS * cos(2 * pi * k / ring.count);
        ring.mean[k][1] = AYF_RING_RADIUS * sin(2 * pi * k / ring.count);
    }
    return ring;
}

static ayf_mixture gaussian(double sigma) { return (ayf_mixture){.count = 1, .dim = 2, .sigma = sigma}; }

bool ayf_mixture_of_data(const char *source, ayf_mixture *out) {
    if (strcmp(source, "builtin:ring") == 0)
        *out = ayf_mixture_ring();
    else if (strcmp(source, "builtin:gaussian") == 0)
        *out = gaussian(AYF_GAUSSIAN_SIGMA);
    else
        return false;
    return true;
}
