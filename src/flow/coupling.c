#include "flow/coupling.h"

#include <math.h>
#include <string.h>

typedef struct matching {
    int size;
    double *cost; /* [size][size]: of sample (row) with noise (column) */
    double *row_price, *column_price, *shortest;
    int *
        owner; /* [size + 1]: the row that a column belongs to, -1: none; the last column is where a search starts */
    int *before;
    bool *seen;
} matching;

/* Gives `row` a column along the shortest path of changes (the Hungarian method as Jonker and Volgenant have it,
 * Computing 38, 1987). */
static void match_row(matching *m, int row) {
    int start = m->size, at = start;
    for (int j = 0; j <= m->size; j++) m->shortest[j] = INFINITY, m->seen[j] = false, m->before[j] = start;
    m->owner[start] = row;
    do {
        int i = m->owner[at], next = -1;
        double least = INFINITY;
        m->seen[at] = true;
        for (int j = 0; j < m->size; j++) {
            if (m->seen[j]) continue;
            double reduced = m->cost[i * m->size + j] - m->row_price[i] - m->column_price[j];
            if (reduced < m->shortest[j]) m->shortest[j] = reduced, m->before[j] = at;
            if (next < 0 || m->shortest[j] < least) least = m->shortest[j], next = j;
        }
        for (int j = 0; j <= m->size; j++) {
            if (m->seen[j]) {
                m->row_price[m->owner[j]] += least;
                m->column_price[j] -= least;
            } else {
                m->shortest[j] -= least;
            }
        }
        at = next;
    } while (m->owner[at] >= 0);
    for (; at != start; at = m->before[at]) m->owner[at] = m->owner[m->before[at]];
}

static double dot(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* |a - b|^2 less |a|^2 and |b|^2, whose sums no order changes; pairs of two classes cost more than all others do. */
static void fill_costs(matching *m, int groups, int group, size_t values, const float *data,
                       const int *labels, const float *noise) {
    double most = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < m->size; i++)
            for (int j = 0; j < m->size; j++) {
                size_t a = (size_t)(group + i * groups), b = (size_t)(group + j * groups);
                double *cost = &m->cost[i * m->size + j];
                if (pass == 0) {
                    *cost = -2 * dot(data + a * values, noise + b * values, values);
                    most = fmax(most, fabs(*cost));
                } else if (labels && labels[a] != labels[b]) {
                    *cost = 4 * (most + 1) * m->size;
                }
            }
}

/* noise[i] <- the noise that row i was given */
static void move_noise(const matching *m, int groups, int group, size_t values, float *noise, float *copy) {
    for (int j = 0; j < m->size; j++)
        memcpy(copy + (size_t)j * values, noise + (size_t)(group + j * groups) * values,
               values * sizeof *noise);
    for (int j = 0; j < m->size; j++)
        memcpy(noise + (size_t)(group + m->owner[j] * groups) * values, copy + (size_t)j * values,
               values * sizeof *noise);
}

ayf_status ayf_couple(ayf_context *ctx, int groups, int size, size_t values, const float *data,
                      const int *labels, float *noise) {
    size_t n = (size_t)size;
    matching m = {.size = size,
                  .cost = ayf_alloc(ctx, n * n, sizeof(double)),
                  .row_price = ayf_alloc(ctx, n + 1, sizeof(double)),
                  .column_price = ayf_alloc(ctx, n + 1, sizeof(double)),
                  .shortest = ayf_alloc(ctx, n + 1, sizeof(double)),
                  .owner = ayf_alloc(ctx, n + 1, sizeof(int)),
                  .before = ayf_alloc(ctx, n + 1, sizeof(int)),
                  .seen = ayf_alloc(ctx, n + 1, sizeof(bool))};
    float *copy = ayf_alloc(ctx, n * values, sizeof *copy);
    bool whole =
        m.cost && m.row_price && m.column_price && m.shortest && m.owner && m.before && m.seen && copy;
    for (int g = 0; whole && g < groups; g++) {
        fill_costs(&m, groups, g, values, data, labels, noise);
        memset(m.row_price, 0, (n + 1) * sizeof *m.row_price);
        memset(m.column_price, 0, (n + 1) * sizeof *m.column_price);
        for (int j = 0; j <= size; j++) m.owner[j] = -1;
        for (int i = 0; i < size; i++) match_row(&m, i);
        move_noise(&m, groups, g, values, noise, copy);
    }
    void *owned[] = {m.cost, m.row_price, m.column_price, m.shortest, m.owner, m.before, m.seen, copy};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(ctx, owned[i]);
    return whole ? AYF_OK : AYF_E_MEMORY;
}
