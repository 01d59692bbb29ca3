#include <math.h>
#include <string.h>

#include "metrics/metrics.h"

enum { WINDOW = 11 };
#define SIGMA 1.5
#define RANGE 2.0 /* of values in [-1,1] */

double ayf_psnr(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum > 0 ? 10 * log10(RANGE * RANGE * (double)count / sum) : INFINITY;
}

/* ---- Structural similarity ---- */

typedef struct window {
    size_t size;
    double weight[WINDOW];
} window;

static window gaussian(size_t side) {
    window w = {.size = side >= WINDOW ? WINDOW : side - (side + 1) % 2};
    double sum = 0, middle = (double)(w.size / 2);
    for (size_t i = 0; i < w.size; i++)
        sum += w.weight[i] = exp(-pow((double)i - middle, 2) / (2 * SIGMA * SIGMA));
    for (size_t i = 0; i < w.size; i++) w.weight[i] /= sum;
    return w;
}

enum { MEAN_A, MEAN_B, SQUARE_A, SQUARE_B, PRODUCT, MOMENTS };

/* The moments under the window in one row: moments[pixel][MOMENTS] -> out[place]. */
static void blur_row(const window *w, const double (*moments)[MOMENTS], size_t places,
                     double (*out)[MOMENTS]) {
    memset(out, 0, places * sizeof *out);
    for (size_t x = 0; x < places; x++)
        for (size_t k = 0; k < w->size; k++)
            for (int m = 0; m < MOMENTS; m++) out[x][m] += w->weight[k] * moments[x + k][m];
}

static double similarity(const double m[MOMENTS]) {
    const double c1 = 0.01 * RANGE * 0.01 * RANGE, c2 = 0.03 * RANGE * 0.03 * RANGE;
    double aa = m[MEAN_A] * m[MEAN_A], bb = m[MEAN_B] * m[MEAN_B], ab = m[MEAN_A] * m[MEAN_B];
    return (2 * ab + c1) * (2 * (m[PRODUCT] - ab) + c2) /
           ((aa + bb + c1) * (m[SQUARE_A] - aa + m[SQUARE_B] - bb + c2));
}

typedef struct pair {
    const float *a, *b;
    size_t height, width, channels;
    window down, across;
    double (*row)[MOMENTS];  /* [width] */
    double (*rows)[MOMENTS]; /* [height][places across] */
} pair;

static double channel_sum(const pair *p, size_t channel) {
    size_t across = p->width - p->across.size + 1, down = p->height - p->down.size + 1;
    double sum = 0;
    for (size_t y = 0; y < p->height; y++) {
        for (size_t x = 0; x < p->width; x++) {
            size_t at = (y * p->width + x) * p->channels + channel;
            double a = p->a[at], b = p->b[at], *m = p->row[x];
            m[MEAN_A] = a, m[MEAN_B] = b, m[SQUARE_A] = a * a, m[SQUARE_B] = b * b, m[PRODUCT] = a * b;
        }
        blur_row(&p->across, p->row, across, p->rows + y * across);
    }
    for (size_t y = 0; y < down; y++)
        for (size_t x = 0; x < across; x++) {
            double m[MOMENTS] = {0};
            for (size_t k = 0; k < p->down.size; k++)
                for (int i = 0; i < MOMENTS; i++)
                    m[i] += p->down.weight[k] * p->rows[(y + k) * across + x][i];
            sum += similarity(m);
        }
    return sum / (double)(across * down);
}

ayf_status ayf_ssim(ayf_context *ctx, const float *a, const float *b, int height, int width, int channels,
                    double *out) {
    if (height < 1 || width < 1 || channels < 1)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "structural similarity of images of %dx%dx%d: every side must be 1 at least", height,
                        width, channels);
    pair p = {a,
              b,
              (size_t)height,
              (size_t)width,
              (size_t)channels,
              gaussian((size_t)height),
              gaussian((size_t)width),
              NULL,
              NULL};
    p.row = ayf_alloc(ctx, p.width, sizeof *p.row);
    p.rows = ayf_alloc(ctx, p.height * p.width, sizeof *p.rows);
    ayf_status status = p.row && p.rows ? AYF_OK : AYF_E_MEMORY;
    *out = 0;
    for (size_t c = 0; status == AYF_OK && c < p.channels; c++) *out += channel_sum(&p, c) / channels;
    ayf_free(ctx, p.row);
    ayf_free(ctx, p.rows);
    return status;
}
