/* Numbers that compare sets of samples or pairs of images.
 *
 * A set is a row-major array [n][dim] of floats: features, points or pixels. Everything is summed in double.
 * Sets named `a` are the reference ("real"), sets named `b` what is measured ("generated"). Results do not
 * depend on the order of the samples, up to rounding, unless that is said. Matrix products run on the threads
 * of the context.
 *
 * Errors of all functions, with the set and the way out in the message: AYF_E_USAGE for sets that are too
 * small for the number asked for and for bad arguments; AYF_E_DIVERGED for a value that is not finite;
 * AYF_E_MEMORY. */
#ifndef AYF_METRICS_H
#define AYF_METRICS_H

#include "base/base.h"

/* ---- Fréchet distance ---- */

/* Mean and scatter of a set, collected batch by batch. The numbers may be stored and put back: they are all
 * there is. */
typedef struct ayf_moments {
    ayf_context *ctx;
    size_t dim, count; /* count: samples seen */
    double *mean;      /* [dim] */
    /* [dim][dim], sum of (x - mean)(x - mean)^T: elements j >= i of row i; the others are 0 */
    double *scatter;
} ayf_moments;

/* Empty moments. dim >= 1. The context must outlive them. */
ayf_status ayf_moments_new(ayf_context *ctx, size_t dim, ayf_moments **out);
void ayf_moments_free(ayf_moments *m); /* NULL is fine */
/* Adds x[n][dim]; after an error the moments are unchanged. Updated in the manner of Chan, Golub and LeVeque
 * (1983), so that a large mean costs no digits. */
ayf_status ayf_moments_add(ayf_moments *m, const float *x, size_t n);

/* |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared 2-Wasserstein distance of the Gaussians
 * with the sets' means and covariances (denominator n - 1), arXiv 1706.08500 (there of Inception features:
 * FID). In squared units of the data; >= 0, and 0 for equal moments up to rounding (about 1e-13 of the
 * traces). With C = L L^T the trace of the root, the sum of the roots of the eigenvalues of C_a^(1/2) C_b
 * C_a^(1/2), is the sum of the singular values of L_a^T L_b: no root of a rounded eigenvalue is taken, and
 * covariances may be singular (constant features). Time O(dim^3). AYF_E_USAGE: dims differ; a set has not
 * more samples than dim, so that its covariance is singular for want of samples. */
ayf_status ayf_frechet_of_moments(const ayf_moments *a, const ayf_moments *b, double *out);

/* ---- Kernel distance ---- */

enum { AYF_KID_SUBSETS = 100, AYF_KID_SIZE = 1000 };
typedef struct ayf_kid_options {
    int subsets;   /* >= 1 */
    size_t size;   /* samples of each set in a subset, 2 ... min(na, nb) */
    uint64_t seed; /* of the choice of the subsets */
} ayf_kid_options;

/* AYF_KID_SUBSETS subsets of AYF_KID_SIZE samples, or of as many as the smaller set has; seed 0. */
ayf_kid_options ayf_kid_default(size_t na, size_t nb);

typedef struct ayf_kid_result {
    double mean, deviation; /* over the subsets; the deviation has the denominator `subsets` */
    int subsets;            /* that were taken: 1 when a subset is the whole of both sets */
    size_t size;
} ayf_kid_result;

/* Kernel distance (arXiv 1801.01401; of Inception features: KID): unbiased squared MMD with
 * k(x,y) = (x.y / dim + 1)^3,
 *   sum_{i != j} k(a_i,a_j) / m(m-1) + sum_{i != j} k(b_i,b_j) / m(m-1) - 2 sum_{i,j} k(a_i,b_j) / m^2,
 * mean over subsets drawn without replacement. May be negative. Subsets are chosen by position, so the order
 * of the samples matters by as much as the seed does, unless a subset is the whole. AYF_E_USAGE: a set of
 * fewer than 2 samples, size or subsets out of range. */
ayf_status ayf_kid(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb, size_t dim,
                   const ayf_kid_options *options, ayf_kid_result *out);

/* ---- Precision, recall, density, coverage ---- */

enum { AYF_PRECISION, AYF_RECALL, AYF_DENSITY, AYF_COVERAGE };
enum { AYF_NEIGHBOURS = 5 }; /* usual */

/* Around every sample lies the closed ball that reaches to its k-th neighbour in its own set, itself not
 * counted (k = AYF_NEIGHBOURS is usual). Precision: share of b inside a ball of a; recall: share of a inside
 * a ball of b (arXiv 1904.06991). Density: mean over b of the number of a's balls around it, over k (may
 * exceed 1); coverage: share of a's balls with a sample of b inside (arXiv 2002.09797). Euclidean distances;
 * those equal to 1e-9 relative count as equal. AYF_E_USAGE: k < 1, a set with not more than k samples. Time
 * O((na + nb)^2 dim), memory O(na + nb + dim). */
ayf_status ayf_prdc(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb, size_t dim, int k,
                    double out[4]);

/* ---- Nearest neighbours ---- */

/* Median over b of the distance to the nearest sample of a, as RMS per value, in units of the data. `same`: b is
 * the beginning of a, and no sample is its own neighbour. Far below what real samples have among themselves it
 * says that samples are copies. AYF_E_USAGE: a set without samples, with `same` a set of one. Time O(na nb dim). */
ayf_status ayf_nearest_sample(ayf_context *ctx, const float *a, size_t na, const float *b, size_t nb,
                              size_t dim, bool same, double *median);

/* ---- Sliced Wasserstein distance ---- */

enum { AYF_SLICES = 512 }; /* usual */
/* Sliced 2-Wasserstein distance (Bonneel et al. 2015): the root of the mean over `directions`
 * keyed random unit vectors u of the mean over i of (a.u_(i) - b.u_(i))^2, u_(i) the i-th smallest
 * projection; the same number n of samples in both. In units of the data; 0 for equal sets; a shift by d
 * gives about |d| / sqrt(dim). Two samples of one distribution are not at distance 0: give that floor beside
 * it. AYF_E_USAGE: n or dim is 0, directions < 1. */
ayf_status ayf_sliced_wasserstein(ayf_context *ctx, const float *a, const float *b, size_t n, size_t dim,
                                  int directions, uint64_t seed, double *out);

/* ---- Inception score ---- */

enum { AYF_SCORE_SPLITS = 10 }; /* usual */
/* exp of the mean over samples of KL(p(y|x) || p(y)) (arXiv 1606.03498), 1 ... classes: mean and deviation
 * (denominator `splits`) over `splits` equal consecutive parts, p(y) being the mean of p(y|x) in the part; so
 * the order of the samples matters unless splits is 1. values[n][classes]: logits (taken through softmax), or
 * else probabilities. AYF_E_USAGE: splits < 1, n < splits, classes < 2, a row of probabilities that is
 * negative or does not sum to 1 within 1e-3. */
ayf_status ayf_inception_score(ayf_context *ctx, const float *values, size_t n, size_t classes, bool logits,
                               int splits, double *mean, double *deviation);

/* ---- Pairs of images in [-1,1] ---- */

/* 10 log10(4 / mean squared difference), in decibels; INFINITY when nothing differs. count >= 1 values. */
double ayf_psnr(const float *a, const float *b, size_t count);

/* Mean structural similarity (Wang et al. 2004) of one pair [height][width][channels], at most 1, 1 for equal
 * images: the mean over channels and over all places where the window fits of
 *   (2 mu_a mu_b + C1)(2 s_ab + C2) / ((mu_a^2 + mu_b^2 + C1)(s_a^2 + s_b^2 + C2)),
 * C1 = (0.01 * 2)^2, C2 = (0.03 * 2)^2, with moments under an 11 x 11 Gaussian window of sigma 1.5. A side
 * shorter than 11 has the largest odd window that fits, weights scaled to sum 1. AYF_E_USAGE: a side or
 * channels below 1. */
ayf_status ayf_ssim(ayf_context *ctx, const float *a, const float *b, int height, int width, int channels,
                    double *out);

#endif
