#include <math.h>

#include "metrics/linear.h"
#include "metrics/table.h"
#include "base/rng.h"
#include "base/wait.h"

enum { ROWS = 256 };

typedef struct kernel_sums {
    size_t dim, size;
    double *a, *b; /* the subset, [size][dim] */
    double *block; /* [ROWS][size] */
} kernel_sums;

static double kernel(double product, size_t dim) {
    double base = product / (double)dim + 1;
    return base * base * base;
}

/* Sum over i and j of k(x_i, y_j); with y NULL over i != j of k(x_i, x_j), where half of the products do. */
static double kernel_sum(const kernel_sums *s, const double *x, const double *y) {
    double sum = 0;
    for (size_t i = 0; i < s->size; i += ROWS) {
        size_t rows = s->size - i < ROWS ? s->size - i : ROWS, first = y ? 0 : i, columns = s->size - first;
        ayf_metrics_product(x + i * s->dim, rows, (y ? y : x) + first * s->dim, columns, s->dim, s->block);
        for (size_t r = 0; r < rows; r++) {
            const double *row = s->block + r * columns;
            double of_row = 0;
            for (size_t c = y ? 0 : r + 1; c < columns; c++) of_row += kernel(row[c], s->dim);
            sum += of_row;
        }
    }
    return y ? sum : 2 * sum;
}

static double squared_mmd(const kernel_sums *s) {
    double m = (double)s->size;
    double own = kernel_sum(s, s->a, NULL) + kernel_sum(s, s->b, NULL);
    return own / (m * (m - 1)) - 2 * kernel_sum(s, s->a, s->b) / (m * m);
}

static void gather(ayf_rng_key key, const float *x, size_t n, size_t dim, size_t size, double *out) {
    for (size_t i = 0; i < size; i++)
        ayf_metrics_widen(x + ayf_rng_permute(key, i, n) * dim, 1, dim, NULL, out + i * dim);
}

ayf_kid_options ayf_kid_default(size_t na, size_t nb) {
    size_t smaller = na < nb ? na : nb;
    return (ayf_kid_options){.subsets = AYF_KID_SUBSETS,
                             .size = smaller < AYF_KID_SIZE ? smaller : AYF_KID_SIZE};
}

static ayf_status settle(ayf_context *ctx, size_t na, size_t nb, const ayf_kid_options *options,
                         ayf_kid_result *out) {
    size_t smaller = na < nb ? na : nb;
    *out = (ayf_kid_result){.subsets = options->subsets, .size = options->size};
    if (smaller < 2)
        return ayf_fail(ctx, AYF_E_USAGE, "the %s has %zu samples, but a kernel distance needs 2 at least",
                        na < nb ? "reference set" : "generated set", smaller);
    if (out->size < 2 || out->size > smaller)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "subsets of %zu samples from sets of %zu and %zu: 2 ... %zu are possible", out->size,
                        na, nb, smaller);
    if (out->subsets < 1)
        return ayf_fail(ctx, AYF_E_USAGE, "%d subsets for the kernel distance: at least 1 is needed",
                        out->subsets);
    if (out->size == na && out->size == nb) out->subsets = 1;
    return AYF_OK;
}

ayf_status ayf_kid(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb, size_t dim,
                   const ayf_kid_options *options, ayf_kid_result *out) {
    AYF_TRY(ayf_metrics_sets(ctx, a, na, b, nb, dim));
    AYF_TRY(settle(ctx, na, nb, options, out));
    kernel_sums s = {.dim = dim, .size = out->size};
    s.a = ayf_alloc(ctx, s.size * dim, sizeof *s.a);
    s.b = ayf_alloc(ctx, s.size * dim, sizeof *s.b);
    s.block = ayf_alloc(ctx, s.size * ROWS, sizeof *s.block);
    double *values = ayf_alloc(ctx, (size_t)out->subsets, sizeof *values);
    ayf_status status = s.a && s.b && s.block && values ? AYF_OK : AYF_E_MEMORY;
    int previous = ayf_blas_enter(ctx);
    for (int i = 0; status == AYF_OK && i < out->subsets; i++) {
        if ((status = ayf_task_go_on(ctx)) != AYF_OK) break;
        ayf_rng_key key = {options->seed, AYF_RNG_METRIC, 2 * (uint64_t)i, 0};
        gather(key, a, na, dim, s.size, s.a);
        key.step++;
        gather(key, b, nb, dim, s.size, s.b);
        values[i] = squared_mmd(&s);
        out->mean += values[i] / out->subsets;
    }
    ayf_blas_leave(previous);
    for (int i = 0; status == AYF_OK && i < out->subsets; i++)
        out->deviation += (values[i] - out->mean) * (values[i] - out->mean) / out->subsets;
    out->deviation = sqrt(out->deviation);
    ayf_free(ctx, s.a);
    ayf_free(ctx, s.b);
    ayf_free(ctx, s.block);
    ayf_free(ctx, values);
    return status;
}

ayf_status ayf_metric_kid(const ayf_comparison *c, ayf_eval_row *row) {
    ayf_kid_options options = ayf_kid_default(c->real.count, c->drawn.count);
    ayf_kid_result kid;
    options.seed = c->seed;
    AYF_TRY(ayf_kid(c->ctx, c->real.features, c->real.count, c->drawn.features, c->drawn.count, c->dim,
                    &options, &kid));
    row->kid = kid.mean;
    if (kid.subsets > 1) row->kid_std = kid.deviation;
    return AYF_OK;
}
