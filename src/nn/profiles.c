#include "nn/profiles.h"

#include <math.h>

/* The integral of the product of two. Of powers of the ratio, which neither overflow nor lose their digits as
 * those of the steps would. */
static double product(ayf_profile a, ayf_profile b) {
    double ratio = a.step / b.step, last = fmax(a.step, b.step);
    double power = pow(ratio, a.step < b.step ? b.gamma : -a.gamma);
    return (a.gamma + 1) * (b.gamma + 1) * power / ((a.gamma + b.gamma + 1) * last);
}

/* Cholesky factorisation with pivots of the profiles at unit length, A = L L^T in the order of `order`. Row i of `l`
 * belongs to profile i. Profiles are so much alike that the rank is far below MOST however many there are. */
enum { MOST = 512 };
typedef struct fit_system {
    size_t count, width, rank;
    double *l;     /* count x width */
    double *norm;  /* of each profile */
    double *left;  /* of the diagonal */
    double *y;     /* right-hand side, then the solution */
    size_t *order; /* the profiles that were taken, first ones first */
} fit_system;

static size_t widest(const fit_system *s) {
    size_t best = 0;
    for (size_t i = 1; i < s->count; i++)
        if (s->left[i] > s->left[best]) best = i;
    return best;
}

static double entry(const fit_system *s, const ayf_profile *kept, size_t i, size_t k) {
    return product(kept[i], kept[k]) / (s->norm[i] * s->norm[k]);
}

static void factorise(fit_system *s, const ayf_profile *kept) {
    const double tolerance = 1e-13;
    for (s->rank = 0; s->rank < s->width; s->rank++) {
        size_t pivot = widest(s), n = s->width;
        if (s->left[pivot] < tolerance) return;
        double root = sqrt(s->left[pivot]);
        for (size_t i = 0; i < s->count; i++) {
            if (s->left[i] < 0) continue; /* taken */
            double sum = entry(s, kept, i, pivot);
            for (size_t k = 0; k < s->rank; k++) sum -= s->l[i * n + k] * s->l[pivot * n + k];
            s->l[i * n + s->rank] = i == pivot ? root : sum / root;
            s->left[i] = fmax(s->left[i] - pow(s->l[i * n + s->rank], 2), 0);
        }
        s->left[pivot] = -1;
        s->order[s->rank] = pivot;
    }
}

/* L y = b, then L^T x = y, both over the profiles that were taken. */
static void solve(fit_system *s, const ayf_profile *kept, ayf_profile wanted) {
    size_t n = s->width;
    for (size_t r = 0; r < s->rank; r++) {
        size_t i = s->order[r];
        double sum = product(kept[i], wanted) / s->norm[i];
        for (size_t k = 0; k < r; k++) sum -= s->l[i * n + k] * s->y[k];
        s->y[r] = sum / s->l[i * n + r];
    }
    for (size_t r = s->rank; r-- > 0;) {
        for (size_t q = r + 1; q < s->rank; q++) s->y[r] -= s->l[s->order[q] * n + r] * s->y[q];
        s->y[r] /= s->l[s->order[r] * n + r];
    }
}

/* |wanted - sum|^2, from the products. */
static double remains(const ayf_profile *kept, size_t count, ayf_profile wanted, const double *factors) {
    double all = product(wanted, wanted), sum = all;
    for (size_t i = 0; i < count; i++) {
        if (factors[i] == 0) continue;
        sum -= 2 * factors[i] * product(kept[i], wanted);
        for (size_t k = 0; k < count; k++) sum += factors[i] * factors[k] * product(kept[i], kept[k]);
    }
    return sqrt(fmax(sum, 0) / all);
}

ayf_status ayf_profile_fit(ayf_context *ctx, const ayf_profile *kept, size_t count, ayf_profile wanted,
                           double *factors, double *error) {
    fit_system s = {.count = count, .width = count < MOST ? count : MOST};
    s.l = ayf_alloc(ctx, count, s.width * sizeof *s.l);
    s.norm = ayf_alloc(ctx, count, sizeof *s.norm);
    s.left = ayf_alloc(ctx, count, sizeof *s.left);
    s.y = ayf_alloc(ctx, count, sizeof *s.y);
    s.order = ayf_alloc(ctx, count, sizeof *s.order);
    bool there = s.l && s.norm && s.left && s.y && s.order;
    if (there) {
        for (size_t i = 0; i < count; i++) {
            s.norm[i] = sqrt(product(kept[i], kept[i]));
            s.left[i] = 1;
            factors[i] = 0;
        }
        factorise(&s, kept);
        solve(&s, kept, wanted);
        for (size_t r = 0; r < s.rank; r++) factors[s.order[r]] = s.y[r] / s.norm[s.order[r]];
        *error = remains(kept, count, wanted, factors);
    }
    void *owned[] = {s.l, s.norm, s.left, s.y, s.order};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    return there ? AYF_OK : AYF_E_MEMORY;
}
