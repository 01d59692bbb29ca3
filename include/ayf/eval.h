/* Fidelity to a teacher, distance to data. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_EVAL_H
#define AYF_API_EVAL_H

#include "ayf/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Fidelity: a student's distance to its teacher's own solution from the same noise ---- */

typedef struct ayf_fidelity_options {
    const int *calls; /* numbers of network calls of the student, each 1 ... AYF_STEPS_MOST; required */
    int call_count;
    const double *gammas; /* as ayf_sample_options.gamma; NULL with a count of 0: the single value 0 */
    int gamma_count;
    double guidance;     /* as ayf_sample_options.guidance, for student and teacher */
    int images;          /* number of pairs; 0 = 64 */
    uint64_t first_seed; /* of the noise, as in ayf_sample_options; classes are drawn from the seeds */
} ayf_fidelity_options;

/* Distances are RMS per value, in units of the data's standard deviation. NaN: the figure does not apply. */
typedef struct ayf_fidelity_row {
    int calls;
    double gamma;
    double student;    /* distance of the student with `calls` jumps */
    double psnr, ssim; /* student's images against the teacher's, means over the images; points: NaN */
    double euler;      /* distance of the teacher with `calls` Euler steps; gamma > 0: NaN */
    /* Distance of the teacher with `calls` calls of Heun's method; an odd number ends with an Euler step.
     * NaN for 1 call and for gamma > 0. */
    double heun;
} ayf_fidelity_row;

/* Measures, for each gamma and each number of calls, the distance to the teacher's solution with
 * AYF_SOLVER_REFERENCE at the same guidance. Fills rows[gamma_count * call_count], the calls of the first
 * gamma first.
 *
 * With gamma > 0 a student draws another sample of the same distribution, so its distance does not fall to 0
 * even for the exact map. It tells how far the fresh noise leads from the solution (two independent samples:
 * about sqrt 2), not how good the sample is. PSNR (peak to peak 2) and SSIM (11x11 Gaussian window, Wang et
 * al. 2004) are computed on images clipped to [-1,1].
 *
 * `teacher` may be guided (ayf_model_guide); its guidance then ends where that of the student's teacher did
 * (ayf_model_guide_until). With `teacher` NULL, the closed-form velocity of "builtin:ring"
 * or "builtin:gaussian" is used.
 *
 * AYF_E_USAGE if `student` is not a student, if `teacher` is a student or was trained on different data, if
 * `teacher` is NULL and the data is neither builtin:ring nor builtin:gaussian, or if calls, gamma or guidance
 * is out of range. AYF_E_DIVERGED if a network gives values that are not finite. */
AYF_API AYF_CHECKED ayf_status ayf_fidelity(ayf_model *student, ayf_model *teacher,
                                            const ayf_fidelity_options *options, ayf_fidelity_row *rows);

enum { AYF_SEMIGROUP_ROWS = 3 };
typedef struct ayf_semigroup_row {
    double t, m, s; /* times, falling */
    double defect;  /* RMS, in units of the data's standard deviation */
} ayf_semigroup_row;

/* Measures how far the student is from a flow, whose jumps compose: the RMS of f(f(x,t,m),m,s) - f(x,t,s) in
 * units of the data's standard deviation. It is 0 for the exact map. `rows` receives the defects for
 * (t,m,s) = (1, 1/2, 0), (1, 3/4, 1/2) and (1/2, 1/4, 0); `mean` receives their mean.
 *
 * x lies on the teacher's own solution from noise (AYF_SOLVER_REFERENCE). With `teacher` NULL, x lies on the
 * closed-form solution of "builtin:ring" or "builtin:gaussian"; for other data the student's own jump from
 * the noise gives x. The options' calls and gammas are not used. Errors as in ayf_fidelity(). */
AYF_API AYF_CHECKED ayf_status ayf_semigroup_defect(ayf_model *student, ayf_model *teacher,
                                                    const ayf_fidelity_options *options,
                                                    ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS], double *mean);

/* ---- Features: a small classifier, fitted to a data set, whose features compare sets of images ---- */

typedef struct ayf_features_options { /* all zero = defaults; data is required */
    const char *data;                 /* a data set with classes; takes the values of data.source */
    /* A further set for the accuracy. NULL: a tenth of `data`, at most 10000 samples, is held out and not
     * fitted. */
    const char *heldout;
    /* "data.resolution=16" ...; keys: data.{resolution,resize,background,upright,channels,skip_bad,mirror},
     * model.{channels,multipliers}, train.{steps,batch,seed,lr} */
    const char *const *settings;
    int setting_count;
} ayf_features_options;

typedef struct ayf_features_report {
    double loss;     /* mean over the last tenth of the steps */
    double accuracy; /* share of the held-out samples whose class is found; NaN: nothing could be held out */
    uint64_t fitted, heldout; /* numbers of samples */
} ayf_features_report;

/* Fits a classifier and writes it to `path` as a model file (role "features"), atomically. The same seed
 * gives the same bytes. `report` may be NULL. AYF_E_DIVERGED: the fit failed and nothing was written. */
AYF_API AYF_CHECKED ayf_status ayf_features_fit(ayf_context *ctx, const char *path,
                                                const ayf_features_options *options,
                                                ayf_features_report *report);

/* ---- Distance to data ---- */

/* An ayf_eval holds one reference set and the network whose features compare samples with it:
 *
 *     ayf_eval *eval;
 *     ayf_eval_open(ctx, &(ayf_eval_options){.data = "data/mnist", .features = "f.safetensors"}, &eval);
 *     ayf_eval_describe(eval, print, NULL);  // the recipe: a number means nothing without it
 *     ayf_eval_floor(eval, &floor);          // the real-data baseline: real samples against real samples
 *     ayf_eval_model(eval, model, &(ayf_sample_options){.steps = 2}, &row);
 *     ayf_eval_close(eval);
 */
typedef struct ayf_eval ayf_eval;

/* How often each class is drawn from a model. Classes without pictures are not drawn. */
typedef enum ayf_eval_classes {
    AYF_EVAL_CLASSES_DATA, /* as often as in the reference, or in the data of the model where the reference has none */
    AYF_EVAL_CLASSES_EVEN, /* all equally often */
} ayf_eval_classes;

enum { AYF_EVAL_COUNT = 2000, AYF_EVAL_INCEPTION_COUNT = 10000 };
typedef struct ayf_eval_options { /* all zero = defaults; data is required, and `features` for images */
    /* The real samples; takes the values of data.source. Or their statistics: an .npz with mu and sigma, as
     * ayf_eval_save_statistics() and pytorch-fid write them. Then only the Frechet distance and what needs no real
     * samples is measured, and the baseline needs `heldout`. */
    const char *data;
    /* Further real samples for the baseline. NULL: the baseline compares two disjoint random halves of
     * `data`. */
    const char *heldout;
    const char *features; /* a file of ayf_features_fit() */
    /* In place of `features`: FID's Inception weights in safetensors, a file of
     * scripts/convert_inception.py */
    const char *inception;
    /* Pictures are resized to this shape, in the way of the pictures that the features were fitted to; with
     * `inception` by Lanczos. 0: the shape that the features take; with `inception` the shape of
     * `samples`. */
    int resolution, channels;
    int count;     /* samples per measurement; 0 = AYF_EVAL_COUNT or AYF_EVAL_INCEPTION_COUNT */
    uint64_t seed; /* of the first sample, and of every random choice */
    /* The source that ayf_eval_data() will measure. ayf_eval_open() refuses it before the reference is read
     * when it cannot be compared. May be NULL. */
    const char *samples;
    int reference; /* number of real samples to use, chosen at random; 0 = all */
    ayf_eval_classes classes;
    /* Up to so many pictures of each source that cannot be read are left out; the recipe says how many were. */
    int skip_bad;
} ayf_eval_options;

typedef struct ayf_eval_row {  /* NaN: the figure does not apply */
    uint64_t count, reference; /* number of samples; number of real samples they were compared with */
    /* Number of samples, and of real samples, that precision ... coverage and sliced_wasserstein use. */
    uint64_t paired;
    /* By the features: Frechet distance; kernel distance (mean and standard deviation over subsets; the
     * deviation is NaN with a single subset); precision and recall (arXiv 1904.06991), density and coverage
     * (arXiv 2002.09797) with 5 neighbours. Points: `fd` uses the coordinates. */
    double fd, kid, kid_std, precision, recall, density, coverage;
    /* With Inception weights: mean and standard deviation over 10 parts. */
    double inception_score, inception_score_std;
    double class_accuracy;     /* share of the samples whose class the classifier finds */
    double sliced_wasserstein; /* on pixels in [-1,1] (points: data units), per dimension */
    /* Median over the samples of the distance to the nearest of (up to 10,000) real pictures, RMS of the pixels in
     * [-1,1], and the same of real pictures among themselves. Copies of training data are far nearer than these. */
    double nearest, nearest_real;
    double seconds; /* time it took to draw the samples */
} ayf_eval_row;

/* Reads the whole reference set. Close the ayf_eval before the context. The reference, `heldout` and `count`
 * must each be larger than the number of features (64 of our features; 2048 of Inception). Without `heldout`,
 * each half of the reference must be. AYF_E_USAGE otherwise, or if the features were fitted to images of
 * another shape. */
AYF_API AYF_CHECKED ayf_status ayf_eval_open(ayf_context *ctx, const ayf_eval_options *options,
                                             ayf_eval **out);
AYF_API void ayf_eval_close(ayf_eval *eval); /* NULL is fine */

/* Writes mean and covariance of the reference's features to `path` (.npz), atomically, as pytorch-fid reads them: mu
 * [dim] and sigma [dim][dim], float64. AYF_E_USAGE when the reference is such a file. */
AYF_API AYF_CHECKED ayf_status ayf_eval_save_statistics(const ayf_eval *eval, const char *path);

/* The name of a number in a row, and where the number is. */
typedef struct ayf_eval_figure {
    const char *name;  /* for programs: "fd_our_features" */
    const char *title; /* for people: "FD (our features)" */
    const char *help;  /* one line */
    size_t offset;     /* of a double in ayf_eval_row */
    int decimals;      /* worth printing */
} ayf_eval_figure;

/* The figures that apply to what `eval` compares, in the order in which people read them. There are
 * `*count`, valid until `eval` is closed. */
AYF_API const ayf_eval_figure *ayf_eval_figures(const ayf_eval *eval, size_t *count);

/* Prints the recipe to `print`, line by line: reference, resizing, features and their hash, number of
 * samples, seeds and baseline. */
AYF_API AYF_CHECKED ayf_status ayf_eval_describe(const ayf_eval *eval, ayf_print_fn *print, void *user);

/* Whether there is a baseline: not for statistics without held-out samples. */
AYF_API bool ayf_eval_has_floor(const ayf_eval *eval);
/* The real-data baseline: the score of real samples, which is the best score to be hoped for at this number
 * of samples. row->count is smaller than that of the measurements when there are fewer real samples; the
 * recipe says so. */
AYF_API AYF_CHECKED ayf_status ayf_eval_floor(ayf_eval *eval, ayf_eval_row *row);

/* Errors of the three measurements: AYF_E_USAGE for samples of another shape than the reference's and for too
 * few samples, AYF_E_DIVERGED for samples that are not finite. */

/* Measures samples of a model, which is only borrowed. They are drawn from the seeds of the eval options.
 * `how` (may be NULL) says how; its seeds and classes are not used, and the classes come from the seeds. */
AYF_API AYF_CHECKED ayf_status ayf_eval_model(ayf_eval *eval, ayf_model *model, const ayf_sample_options *how,
                                              ayf_eval_row *row);

/* Measures samples of any data source (an image folder, a ZIP ...). A source with more samples than needed is
 * sampled at random. */
AYF_API AYF_CHECKED ayf_status ayf_eval_data(ayf_eval *eval, const char *source, ayf_eval_row *row);

#ifdef __cplusplus
}
#endif

#endif
