#include <math.h>
#include <string.h>

#include "base/wait.h"
#include "metrics/blocks.h"
#include "metrics/linear.h"
#include "metrics/table.h"

/* Two squared distances that should be equal differ by less than this share, which is rounding. */
#define SAME_DISTANCE 1e-9

typedef struct set {
    const float *x;
    size_t n;
    double *radius; /* [n], squared */
    bool *inside;   /* [n]: of a: in a ball of b, of b: in a ball of a */
} set;

typedef struct neighbours {
    ayf_context *ctx;
    size_t dim, k;
    set a, b;
    double *centre; /* [dim], subtracted everywhere */
    ayf_blocks blocks;
    double *nearest; /* [AYF_BLOCK_ROWS][k], rising */
    bool *covered;   /* [a.n]: the ball of a sample of a holds a sample of b */
    double density;  /* pairs of a sample of b and a ball of a around it */
} neighbours;

static void load_rows(neighbours *s, const set *from, size_t first, size_t count) {
    ayf_blocks_rows(&s->blocks, from->x + first * s->dim, count);
}

static void load_columns(neighbours *s, const set *from, size_t first, size_t count) {
    ayf_blocks_columns(&s->blocks, from->x + first * s->dim, count);
}

/* ---- Radii ---- */

static void keep_nearest(double *nearest, size_t k, double d) {
    size_t at = k - 1;
    for (; at > 0 && nearest[at - 1] > d; at--) nearest[at] = nearest[at - 1];
    nearest[at] = d;
}

static ayf_status radii(neighbours *s, set *of) {
    for (size_t i = 0; i < of->n; i += AYF_BLOCK_ROWS) {
        size_t rows = of->n - i < AYF_BLOCK_ROWS ? of->n - i : AYF_BLOCK_ROWS;
        AYF_TRY(ayf_task_go_on(s->ctx));
        load_rows(s, of, i, rows);
        for (size_t r = 0; r < rows * s->k; r++) s->nearest[r] = INFINITY;
        for (size_t j = 0; j < of->n; j += AYF_BLOCK_COLUMNS) {
            size_t columns = of->n - j < AYF_BLOCK_COLUMNS ? of->n - j : AYF_BLOCK_COLUMNS;
            load_columns(s, of, j, columns);
            for (size_t r = 0; r < rows; r++) {
                double *nearest = s->nearest + r * s->k;
                const double *row = s->blocks.distance + r * columns;
                for (size_t c = 0; c < columns; c++)
                    if (row[c] < nearest[s->k - 1] && j + c != i + r) keep_nearest(nearest, s->k, row[c]);
            }
        }
        for (size_t r = 0; r < rows; r++)
            of->radius[i + r] = s->nearest[r * s->k + s->k - 1] * (1 + SAME_DISTANCE);
    }
    return AYF_OK;
}

/* ---- Who is inside whose ball ---- */

static void count_inside(neighbours *s, size_t i, size_t rows, size_t j, size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        const double *row = s->blocks.distance + r * columns;
        double radius = s->a.radius[i + r];
        size_t within = 0;
        bool inside = false;
        for (size_t c = 0; c < columns; c++) {
            bool in_a = row[c] <= radius;
            within += in_a;
            s->b.inside[j + c] |= in_a;
            inside |= row[c] <= s->b.radius[j + c];
        }
        s->density += (double)within;
        s->a.inside[i + r] |= inside;
        s->covered[i + r] |= within > 0;
    }
}

static ayf_status cross(neighbours *s) {
    for (size_t i = 0; i < s->a.n; i += AYF_BLOCK_ROWS) {
        size_t rows = s->a.n - i < AYF_BLOCK_ROWS ? s->a.n - i : AYF_BLOCK_ROWS;
        AYF_TRY(ayf_task_go_on(s->ctx));
        load_rows(s, &s->a, i, rows);
        for (size_t j = 0; j < s->b.n; j += AYF_BLOCK_COLUMNS) {
            size_t columns = s->b.n - j < AYF_BLOCK_COLUMNS ? s->b.n - j : AYF_BLOCK_COLUMNS;
            load_columns(s, &s->b, j, columns);
            count_inside(s, i, rows, j, columns);
        }
    }
    return AYF_OK;
}

static double share(const bool *flags, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += flags[i];
    return (double)count / (double)n;
}

/* ---- The whole ---- */

static ayf_status allocate(neighbours *s) {
    ayf_context *ctx = s->ctx;
    const struct {
        void **to;
        size_t count, size;
    } wanted[] = {
        {(void **)&s->a.radius, s->a.n, sizeof(double)},
        {(void **)&s->a.inside, s->a.n, sizeof(bool)},
        {(void **)&s->b.radius, s->b.n, sizeof(double)},
        {(void **)&s->b.inside, s->b.n, sizeof(bool)},
        {(void **)&s->centre, s->dim, sizeof(double)},
        {(void **)&s->nearest, AYF_BLOCK_ROWS * s->k, sizeof(double)},
        {(void **)&s->covered, s->a.n, sizeof(bool)},
    };
    for (size_t i = 0; i < AYF_COUNT(wanted); i++)
        if (!(*wanted[i].to = ayf_alloc(ctx, wanted[i].count, wanted[i].size))) return AYF_E_MEMORY;
    return ayf_blocks_open(ctx, s->dim, s->centre, &s->blocks);
}

static void release(neighbours *s) {
    void *const held[] = {s->a.radius, s->a.inside, s->b.radius, s->b.inside,
                          s->centre,   s->nearest,  s->covered};
    ayf_blocks_close(&s->blocks);
    for (size_t i = 0; i < AYF_COUNT(held); i++) ayf_free(s->ctx, held[i]);
}

static void find_centre(neighbours *s) {
    for (size_t i = 0; i < s->a.n; i++)
        for (size_t j = 0; j < s->dim; j++) s->centre[j] += s->a.x[i * s->dim + j];
    for (size_t j = 0; j < s->dim; j++) s->centre[j] /= (double)s->a.n;
}

static ayf_status check_neighbours(ayf_context *ctx, const char *name, size_t n, int k) {
    if (k >= 1 && n > (size_t)k) return AYF_OK;
    if (k < 1)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "neighbour %d for precision and recall: 1 or more is needed, 5 is usual", k);
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "the %s has %zu samples, but precision and recall with k = %d need %d at least: use more images",
        name, n, k, k + 1);
}

ayf_status ayf_prdc(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb, size_t dim, int k,
                    double out[4]) {
    AYF_TRY(ayf_metrics_sets(ctx, a, na, b, nb, dim));
    AYF_TRY(check_neighbours(ctx, "reference set", na, k));
    AYF_TRY(check_neighbours(ctx, "generated set", nb, k));
    neighbours s = {.ctx = ctx, .dim = dim, .k = (size_t)k, .a = {.x = a, .n = na}, .b = {.x = b, .n = nb}};
    ayf_status status = allocate(&s);
    if (status == AYF_OK) {
        int previous = ayf_blas_enter(ctx);
        find_centre(&s);
        status = radii(&s, &s.a);
        if (status == AYF_OK) status = radii(&s, &s.b);
        if (status == AYF_OK) status = cross(&s);
        ayf_blas_leave(previous);
        out[AYF_PRECISION] = share(s.b.inside, nb);
        out[AYF_RECALL] = share(s.a.inside, na);
        out[AYF_DENSITY] = s.density / ((double)k * (double)nb);
        out[AYF_COVERAGE] = share(s.covered, na);
    }
    release(&s);
    return status;
}

ayf_status ayf_metric_prdc(const ayf_comparison *c, ayf_eval_row *row) {
    double share[4];
    AYF_TRY(ayf_prdc(c->ctx, c->real.features, c->real.count, c->drawn.features, c->paired, c->dim,
                     AYF_NEIGHBOURS, share));
    row->precision = share[AYF_PRECISION];
    row->recall = share[AYF_RECALL];
    row->density = share[AYF_DENSITY];
    row->coverage = share[AYF_COVERAGE];
    return AYF_OK;
}
