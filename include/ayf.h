/* ayf.h - train, distil and sample flow maps ("Align Your Flow", arXiv 2506.14603).
 *
 *     ayf_context *ctx = ayf_open(NULL);
 *     ayf_model *model;
 *     if (ayf_model_open(ctx, "student.safetensors", &model) != AYF_OK) return puts(ayf_error(ctx)), 1;
 *     ayf_model_facts facts = ayf_model_describe(model);
 *     float *images = malloc(sizeof *images * 16 * (size_t)(facts.height * facts.width * facts.channels));
 *     if (ayf_model_sample(model, &(ayf_sample_options){.steps = 2}, 16, images, NULL) == AYF_OK)
 *         ayf_grid_write(ctx, "grid.png", images, 16, 4, facts.height, facts.width, facts.channels);
 *     free(images);
 *     ayf_model_close(model);
 *     ayf_close(ctx);
 *
 * Every function that can fail returns an ayf_status. After a failure ayf_error() says what was wrong with
 * which file, key or value, and how to fix it. Messages use the words of the program: "--images" stands for
 * the member of the options struct that `ayf help` describes under that name. The library never aborts, exits
 * or prints, and it does not read the environment. A pointer may be NULL only where its comment says so.
 *
 * Options structs: zero-initialise and set what you need. A field left at 0 or NULL takes its default;
 * passing NULL for the struct uses all defaults. A required field that is missing gives AYF_E_USAGE. Before
 * 1.0 we keep source compatibility, not ABI compatibility: new fields may be added, and 0 always means the
 * old behaviour, so recompile but do not rewrite. */
#ifndef AYF_H
#define AYF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AYF_VERSION "0.1.0"

#define AYF_API __attribute__((visibility("default")))

/* ---- Status ---- */

/* X(name, exit code of the program, text) */
#define AYF_STATUS_TABLE(X)                                                                                  \
    X(AYF_OK, 0, "ok")                                                                                       \
    X(AYF_E_MEMORY, 1, "out of memory")                                                                      \
    X(AYF_E_IO, 1, "input or output failed")                                                                 \
    X(AYF_E_INTERNAL, 1, "internal error")                                                                   \
    X(AYF_E_USAGE, 2, "bad argument")                                                                        \
    X(AYF_E_CONFIG, 2, "bad configuration")                                                                  \
    X(AYF_E_FORMAT, 3, "bad input file")                                                                     \
    X(AYF_E_DIVERGED, 4, "training diverged")                                                                \
    X(AYF_E_CHECK, 5, "a check failed")                                                                      \
    X(AYF_E_STOPPED, 75, "stopped on request") /* used by the program only; no function returns it */

typedef enum ayf_status {
#define AYF_ROW(name, code, text) name,
    AYF_STATUS_TABLE(AYF_ROW)
#undef AYF_ROW
} ayf_status;

AYF_API int ayf_exit_code(ayf_status status);           /* the program's exit code for `status` */
AYF_API const char *ayf_status_text(ayf_status status); /* a few words; a static string */

/* ---- Context ---- */

typedef struct ayf_context ayf_context;

/* With pointer == NULL: allocates `size` > 0 bytes, aligned to 64 bytes; returns NULL when there is no
 * memory. With pointer != NULL: `size` is 0, and the function frees `pointer`. Only the thread that called
 * the library calls it; the same holds for the log. All memory that grows with models, batches and data comes
 * from it. The libraries below (PNG, ZIP, YAML, oneDNN) take their own memory from the C library. */
typedef void *ayf_alloc_fn(void *user, void *pointer, size_t size);

/* Receives one line of the log, without a newline. */
typedef void ayf_log_fn(void *user, const char *line);

/* Receives one line of a result, without a newline. */
typedef void ayf_print_fn(void *user, const char *line);

/* How numbers between the operations of a network are kept. Weights, sums, statistics, losses and optimisers
 * are in 32 bits always. A setting decides the bytes of a result, so runs write down what they use. */
typedef enum ayf_precision {
    AYF_PRECISION_HIGHEST, /* 32 bits */
    AYF_PRECISION_BF16,    /* large activations in bfloat16 */
    AYF_PRECISION_AUTO     /* BF16 where the device multiplies bfloat16 faster than 32 bits, else HIGHEST */
} ayf_precision;

/* "highest", "bf16" or "auto"; NULL: there is no such precision. */
AYF_API const char *ayf_precision_name(ayf_precision precision);

typedef struct ayf_options { /* all zero = defaults */
    ayf_alloc_fn *alloc;     /* default: the C library */
    void *alloc_user;
    ayf_log_fn *log; /* default: silent */
    void *log_user;
    int threads; /* at most 4096; 0 = one per processor. The same number gives bit-identical results */
    bool trace;  /* log a line per kernel (op, shape, implementation, bytes, microseconds), and totals */
    /* What computes: "cpu" (the same as NULL), or "ref": plain loops in double precision, the
     * reference for other devices. Any other name is AYF_E_USAGE from the first function that opens a model or
     * a run, or computes. Copied. */
    const char *device;
    /* In which models that are opened with this context compute, for sampling and evaluation. What measures
     * them (features, a teacher's accurate solution, ayf_golden()) always computes in AYF_PRECISION_HIGHEST,
     * and runs compute in their own train.precision. */
    ayf_precision precision;
    bool mpi; /* this process is one of several that train together; see "Several processes" below */
} ayf_options;

/* A context holds the allocator, the log and the last error. Returns NULL only when there is no memory. Use a
 * context from one thread at a time, and close it after everything that was made with it. Objects of
 * different contexts cannot be combined (AYF_E_USAGE). The only global state is OpenBLAS's thread count: if
 * two threads run ayf_eval_* at the same time with different contexts, either may use the other's thread
 * count. */
AYF_API ayf_context *ayf_open(const ayf_options *options);
AYF_API void ayf_close(ayf_context *ctx); /* NULL is fine */

AYF_API const char *ayf_version(void); /* version of the linked library; AYF_VERSION is this header's */

/* The message and the status of the last failure; meaningless after a success. The message names the file,
 * key or value at fault and how to fix it. It is valid until the next call with this context. ctx == NULL
 * (ayf_open() had no memory) gives AYF_E_MEMORY. */
AYF_API const char *ayf_error(const ayf_context *ctx);
AYF_API ayf_status ayf_last_status(const ayf_context *ctx);

/* ---- Models ---- */

typedef struct ayf_model ayf_model;

typedef struct ayf_model_facts {
    const char *role;   /* "teacher" (weak teachers too) or "student"; strings live as long as the model */
    const char *data;   /* the data source it was trained on */
    const char *config; /* resolved configuration (YAML) it was trained with */
    int height, width, channels;       /* of a sample, in pixels */
    bool points;                       /* samples are points in the plane (1 x 1 x 2), not images */
    int classes;                       /* 0 = unconditional */
    uint64_t parameters;               /* number of trained values */
    uint64_t step;                     /* number of training steps done */
    double guidance_min, guidance_max; /* range of ayf_sample_options.guidance, above 0; equal: fixed */
    double sigma_data;                 /* standard deviation of the data in [-1,1] units */
    ayf_precision precision;           /* in which it computes here, ayf_options.precision: HIGHEST or BF16 */
} ayf_model_facts;

/* Reads a model file (safetensors). ayf_path_facts.model_path is the model file of a run folder. Close the
 * model before the context. */
AYF_API ayf_status ayf_model_open(ayf_context *ctx, const char *path, ayf_model **out);
AYF_API void ayf_model_close(ayf_model *model); /* NULL is fine */
AYF_API ayf_model_facts ayf_model_describe(const ayf_model *model);

/* Guidance for a teacher: v = guidance v_teacher + (1 - guidance) v_weak. `weak` is one of these:
 *
 *   a weak teacher      autoguidance; the weak teacher must stay open
 *   `teacher` itself    classifier-free guidance: v_weak is the teacher without the class. AYF_E_CONFIG
 *                       unless the teacher was trained with classes and train.label_dropout
 *   NULL                ends the guidance
 *
 * AYF_E_USAGE if one of the two is a student, or if they were trained on data of a different shape, different
 * classes or a different sigma_data (more than 0.1 % apart). A weak teacher without classes may guide a
 * teacher that has them. */
AYF_API ayf_status ayf_model_guide(ayf_model *teacher, const ayf_model *weak);

typedef enum ayf_solver {
    AYF_SOLVER_DEFAULT,   /* student: jumps of the flow map; teacher: Heun */
    AYF_SOLVER_EULER,     /* teachers: one network call per step */
    AYF_SOLVER_HEUN,      /* teachers: two calls per step */
    AYF_SOLVER_REFERENCE, /* teachers: adaptive 5th order, tolerance 1e-4 per step; takes no steps or times */
} ayf_solver;

enum { AYF_STEPS_MOST = 100000 };
/* Steps when none are asked for. */
#define AYF_STUDENT_STEPS 4
#define AYF_TEACHER_STEPS 32
typedef struct ayf_sample_options { /* all zero = defaults */
    /* Student: network calls, 0 = AYF_STUDENT_STEPS. Teacher: solver steps, 0 = AYF_TEACHER_STEPS. At most
     * AYF_STEPS_MOST. */
    int steps;
    const double *times;   /* steps + 1 falling values from 1 to 0; NULL: uniform */
    double gamma;          /* students: fresh noise after each jump, from 0 (none) to 1 (all of it) */
    double guidance;       /* strength; 0 = default: 1, or the nearest value in the trained range */
    ayf_solver solver;     /* teachers only */
    uint64_t first_seed;   /* image i is made from seed first_seed + i ... */
    const uint64_t *seeds; /* ... or from seeds[i]; the same seed gives the same image in every batch */
    const int *classes;    /* class of image i; NULL: drawn from the seed */
} ayf_sample_options;

/* Draws `count` samples. `images` receives count x height x width x channels floats in [-1,1] (points: data
 * units); the caller owns it. `classes` (may be NULL) receives the class of each image, -1 without classes.
 * AYF_E_USAGE if steps, times, gamma, guidance, the solver or a class is out of range or does not suit the
 * model. AYF_E_DIVERGED if the network gives values that are not finite. */
AYF_API ayf_status ayf_model_sample(ayf_model *model, const ayf_sample_options *options, int count,
                                    float *images, int *classes);

/* Writes an 8-bit PNG, atomically. channels is 1 or 3; values are in [-1,1]. `comment` (may be NULL) is
 * stored in the file and should say how the image was made. */
AYF_API ayf_status ayf_image_write(ayf_context *ctx, const char *path, const float *image, int height,
                                   int width, int channels, const char *comment);
/* Writes `count` images as one picture with `columns` images per row; otherwise like ayf_image_write(). */
AYF_API ayf_status ayf_grid_write(ayf_context *ctx, const char *path, const float *images, int count,
                                  int columns, int height, int width, int channels);

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
 * `teacher` may be guided (ayf_model_guide). With `teacher` NULL, the closed-form velocity of "builtin:ring"
 * or "builtin:gaussian" is used.
 *
 * AYF_E_USAGE if `student` is not a student, if `teacher` is a student or was trained on different data, if
 * `teacher` is NULL and the data is neither builtin:ring nor builtin:gaussian, or if calls, gamma or guidance
 * is out of range. AYF_E_DIVERGED if a network gives values that are not finite. */
AYF_API ayf_status ayf_fidelity(ayf_model *student, ayf_model *teacher, const ayf_fidelity_options *options,
                                ayf_fidelity_row *rows);

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
AYF_API ayf_status ayf_semigroup_defect(ayf_model *student, ayf_model *teacher,
                                        const ayf_fidelity_options *options,
                                        ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS], double *mean);

/* ---- Features: a small classifier, fitted to a data set, whose features compare sets of images ---- */

typedef struct ayf_features_options { /* all zero = defaults; data is required */
    const char *data;                 /* a data set with classes; takes the values of data.source */
    /* A further set for the accuracy. NULL: a tenth of `data`, at most 10000 samples, is held out and not
     * fitted. */
    const char *heldout;
    /* "data.resolution=16" ...; keys: data.{resolution,channels,mirror}, model.{channels,multipliers},
     * train.{steps,batch,seed,lr} */
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
AYF_API ayf_status ayf_features_fit(ayf_context *ctx, const char *path, const ayf_features_options *options,
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

enum { AYF_EVAL_COUNT = 2000, AYF_EVAL_INCEPTION_COUNT = 10000 };
typedef struct ayf_eval_options { /* all zero = defaults; data is required, and `features` for images */
    const char *data;             /* the real samples; takes the values of data.source */
    /* Further real samples for the baseline. NULL: the baseline compares two disjoint random halves of
     * `data`. */
    const char *heldout;
    const char *features; /* a file of ayf_features_fit() */
    /* In place of `features`: FID's Inception weights in safetensors, a file of
     * scripts/convert_inception.py */
    const char *inception;
    /* Pictures are resized to this shape. 0: the shape that the features take; with `inception` the shape of
     * `samples`. */
    int resolution, channels;
    int count;     /* samples per measurement; 0 = AYF_EVAL_COUNT or AYF_EVAL_INCEPTION_COUNT */
    uint64_t seed; /* of the first sample, and of every random choice */
    /* The source that ayf_eval_data() will measure. ayf_eval_open() refuses it before the reference is read
     * when it cannot be compared. May be NULL. */
    const char *samples;
    int reference; /* number of real samples to use, chosen at random; 0 = all */
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
    double seconds;            /* time it took to draw the samples */
} ayf_eval_row;

/* Reads the whole reference set. Close the ayf_eval before the context. The reference, `heldout` and `count`
 * must each be larger than the number of features (64 of our features; 2048 of Inception). Without `heldout`,
 * each half of the reference must be. AYF_E_USAGE otherwise, or if the features were fitted to images of
 * another shape. */
AYF_API ayf_status ayf_eval_open(ayf_context *ctx, const ayf_eval_options *options, ayf_eval **out);
AYF_API void ayf_eval_close(ayf_eval *eval); /* NULL is fine */

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
AYF_API ayf_status ayf_eval_describe(const ayf_eval *eval, ayf_print_fn *print, void *user);

/* The real-data baseline: the score of real samples, which is the best score to be hoped for at this number
 * of samples. row->count is smaller than that of the measurements when there are fewer real samples; the
 * recipe says so. */
AYF_API ayf_status ayf_eval_floor(ayf_eval *eval, ayf_eval_row *row);

/* Errors of the three measurements: AYF_E_USAGE for samples of another shape than the reference's and for too
 * few samples, AYF_E_DIVERGED for samples that are not finite. */

/* Measures samples of a model, which is only borrowed. They are drawn from the seeds of the eval options.
 * `how` (may be NULL) says how; its seeds and classes are not used, and the classes come from the seeds. */
AYF_API ayf_status ayf_eval_model(ayf_eval *eval, ayf_model *model, const ayf_sample_options *how,
                                  ayf_eval_row *row);

/* Measures samples of any data source (an image folder, a ZIP ...). A source with more samples than needed is
 * sampled at random. */
AYF_API ayf_status ayf_eval_data(ayf_eval *eval, const char *source, ayf_eval_row *row);

/* ---- Training ---- */

typedef struct ayf_run ayf_run;

typedef enum ayf_run_kind {
    AYF_RUN_TRAIN,    /* a teacher, or a weak teacher, by flow matching */
    AYF_RUN_DISTILL,  /* a student from a teacher */
    AYF_RUN_FINETUNE, /* a better student from a student, against a discriminator */
} ayf_run_kind;

typedef struct ayf_run_options {
    ayf_run_kind kind;
    const char *folder; /* required; made when missing. An unfinished run in the folder is resumed */
    /* A YAML file. NULL: the configuration in the folder, if the folder holds a checkpoint or no settings are
     * given here; otherwise the defaults. */
    const char *config_path;
    const char *const *settings; /* "train.lr=0.01"; override the file. Keys: ayf_config_explain() */
    int setting_count;
} ayf_run_options;

typedef struct ayf_run_report { /* NaN: not known for this step */
    uint64_t step, steps;       /* steps done; steps of the whole run */
    double loss;
    double learning_rate;
    double tangent_rms; /* students: RMS of g before normalisation */
    double error_rms;   /* students: RMS of F - v */
    double grad_norm;
    double seconds; /* duration of this step */
    uint64_t bytes; /* planned memory of the step's program */
    /* Fine-tuning: losses of student and discriminator, mean logits of data and of fakes, squared gradient
     * norms of the discriminator at both (R1, R2), and the factor of alpha. */
    double g_loss, d_loss, logit_real, logit_fake, r1, r2, adaptive_weight;
    bool saved; /* a checkpoint was written with this step */
    /* While teacher trajectories are being generated: how many are done, and how many are needed.
     * Otherwise 0. */
    uint64_t prepared, to_prepare;
} ayf_run_report;

/* Reads the configuration and compiles the step. Resumes the run when the folder holds checkpoints.
 * AYF_E_CONFIG if the configuration is wrong, or differs from the checkpoint's in a key other than
 * train.steps, train.accumulate and save.*. */
AYF_API ayf_status ayf_run_open(ayf_context *ctx, const ayf_run_options *options, ayf_run **out);
/* Number of steps done (including those before the run was resumed) and steps of the whole run. */
AYF_API void ayf_run_progress(const ayf_run *run, uint64_t *step, uint64_t *steps);
/* Does one optimiser step, and writes the log, sample grids and checkpoints that are due. `report` may be
 * NULL. AYF_E_DIVERGED for a loss that is not finite, and for a discriminator that wins in fine-tuning
 * (finetune.logit_limit). After a step whose computation failed, ayf_run_step() and ayf_run_save() repeat the
 * error. In all these cases the last good checkpoint is kept. After a failure, close the run; when it is
 * opened again, it resumes from its last checkpoint. With distill.midtrain_steps, the first calls make the
 * teacher's trajectories, one batch per call, and report->step does not change. */
AYF_API ayf_status ayf_run_step(ayf_run *run, ayf_run_report *report);
AYF_API bool ayf_run_finished(const ayf_run *run);
/* Writes a checkpoint now, or the trajectories made so far. Does nothing when the last step was saved
 * already. */
AYF_API ayf_status ayf_run_save(ayf_run *run);
/* Path of the model file, which is written with every checkpoint. */
AYF_API const char *ayf_run_model_path(const ayf_run *run);
AYF_API void ayf_run_close(ayf_run *run); /* NULL is fine; unsaved steps are lost */

/* ---- Several processes ----
 *
 * A run can be shared by several processes, on one machine or on several with a common file system. An MPI
 * launcher starts them (mpirun -n 4 ...), each opens a context with ayf_options.mpi, and all of them make the
 * same calls of ayf_run_* in the same order. Each takes its share of train.batch. The first process alone
 * writes files and logs. A failure of one process is returned to all of them, with its message. The results
 * are those of one process to rounding, and the same bytes for the same number of processes.
 *
 * MPI is started with the first function that needs it, unless the caller has started it, and ended by
 * ayf_close(). As MPI can be started once only, a process has one context of this kind. A build without MPI
 * returns AYF_E_USAGE. */

/* This process's place among them: 0 <= rank < ranks. Without ayf_options.mpi: 0 of 1. */
AYF_API ayf_status ayf_ranks(ayf_context *ctx, int *rank, int *ranks);
/* Whether `here` is true in any of them: what stops one process must stop all, or the others wait for it. All
 * processes call it. */
AYF_API ayf_status ayf_any_rank(ayf_context *ctx, bool here, bool *anywhere);

/* ---- Checks and measurements ---- */

/* Compares with reference numbers: every safetensors file of a known kind in `folder`. Prints one line per
 * file to `print`. AYF_E_CHECK when the relative error of an output exceeds 1e-4 (2e-3 for gradients below
 * 1e-6 of the largest). Gradients whose difference is within single precision, because they are very small or
 * very sharply bent, are exempt; the line says how many there are. */
AYF_API ayf_status ayf_golden(ayf_context *ctx, const char *folder, ayf_print_fn *print, void *user);

typedef struct ayf_bench_options { /* all zero = defaults */
    const char *config_path;       /* NULL: the 7.1 M-parameter U-Net at 32x32x3 */
    const char *const *settings;
    int setting_count;
    int batch;   /* 0 = 32; ayf_bench_call(): 0 = 1 */
    int repeats; /* 0 = 3; for one call 20, for the discriminator 10 */
    ayf_precision precision;
} ayf_bench_options;

/* What is timed runs once unmeasured before. x_s is the fastest of the repeats, x_median_s the one in the
 * middle, x_max_s the slowest, x_gflop the work of the convolutions and matrix products. */
typedef struct ayf_bench_result {
    double forward_s, forward_backward_s, forward_tangent_s, step_s;
    double forward_gflop, forward_backward_gflop, forward_tangent_gflop, step_gflop;
    double step_median_s, step_max_s;
    double conv_peak_gflops; /* in 32 bits, measured now; NaN: not known */
    uint64_t plan_bytes, peak_rss_bytes;
    uint64_t parameters;
    int threads;
    double forward_median_s, forward_backward_median_s, forward_tangent_median_s;
    double forward_max_s, forward_backward_max_s, forward_tangent_max_s;
    double bf16_peak_gflops; /* of convolutions in bfloat16, measured now; NaN: not known */
    ayf_precision precision; /* in which it computed: HIGHEST or BF16 */
    ayf_precision automatic; /* what AYF_PRECISION_AUTO is on this device */
} ayf_bench_result;
/* Times one distillation step and its parts. */
AYF_API ayf_status ayf_bench_step(ayf_context *ctx, const ayf_bench_options *options,
                                  ayf_bench_result *result);

/* Times one call of a student with weights that do not change, as sampling makes it. */
typedef struct ayf_bench_call_result {
    double call_s, call_median_s, call_max_s, call_gflop;
    double conv_peak_gflops, bf16_peak_gflops;
    uint64_t plan_bytes, parameters;
    int threads;
    ayf_precision precision, automatic; /* as above */
} ayf_bench_call_result;
AYF_API ayf_status ayf_bench_call(ayf_context *ctx, const ayf_bench_options *options,
                                  ayf_bench_call_result *result);

/* Times a discriminator step of fine-tuning (keys finetune.channel_base ...; without classes): the logits of
 * data and fakes, the gradient of the loss, and Adam. Times it again with the gradient penalties R1 and R2,
 * differentiated exactly. */
typedef struct ayf_bench_discriminator_result {
    double step_s, penalised_s; /* without and with penalties */
    double step_gflop, penalised_gflop;
    double conv_peak_gflops;
    uint64_t step_bytes, penalised_bytes; /* planned memory */
    uint64_t parameters;
    int resolution, channels; /* of the images */
    int threads;
    double step_median_s, step_max_s, penalised_median_s, penalised_max_s;
    double bf16_peak_gflops;
    ayf_precision precision, automatic; /* as above */
} ayf_bench_discriminator_result;
AYF_API ayf_status ayf_bench_discriminator(ayf_context *ctx, const ayf_bench_options *options,
                                           ayf_bench_discriminator_result *result);

/* ---- What a path is ---- */

typedef enum ayf_path_kind {
    AYF_PATH_MODEL,
    AYF_PATH_CHECKPOINT, /* of a run; cannot be used by itself */
    AYF_PATH_RUN,
    AYF_PATH_IMAGE,
    AYF_PATH_DATA,
    AYF_PATH_TRAJECTORIES, /* a teacher's trajectories, made for the mid-training of a run */
} ayf_path_kind;

typedef struct ayf_path_facts { /* members that do not apply are NULL, 0 or false */
    ayf_path_kind kind;
    char *model_path; /* model: the path; run: its newest model file, NULL while it has none */
    char *role;       /* model: "teacher", "student", "features", "discriminator" or "inception" */
    bool draws;       /* model: it draws samples, so ayf_model_open() opens it */
    char *data;       /* model: the data source it was trained on */
    char *config;     /* run, model: resolved configuration (YAML) */
    char *last_log;   /* run: last line of log.jsonl */
    bool finished;    /* run: the last step was done */
    uint64_t step;    /* checkpoint, model: its step; run: the step of its newest checkpoint */
    /* Image: how it was made. Trajectories: settings of the run. Features: share of held-out samples whose
     * class they find. NULL: the file does not say. */
    char *comment;
    int height, width, channels; /* image, data, model that does not draw; 0 = differs between pictures */
    int classes;                 /* data, model that does not draw; 0 = without classes */
    uint64_t parameters;         /* model that does not draw: trained values of its network */
    char *no_classes;            /* data without classes: the reason */
    uint64_t count;              /* data: number of samples; trajectories: number of trajectories */
    bool points;                 /* data: points in the plane */
    double sigma;                /* data of one size: standard deviation in [-1,1] units */
    ayf_precision precision;     /* run, model that draws: in which it is or was trained */
} ayf_path_facts;

/* Finds only the kind, by names and first bytes. No file is read as a whole, and any safetensors file counts
 * as a model. AYF_E_IO: there is nothing to read. */
AYF_API ayf_status ayf_path_look(ayf_context *ctx, const char *path, ayf_path_kind *kind);

/* Describes `path`: a model file, a run folder, a PNG, or any data source (as in data.source), which is read
 * and checked as a whole. Release the facts with ayf_path_facts_free(), also after a failure. */
AYF_API ayf_status ayf_path_describe(ayf_context *ctx, const char *path, ayf_path_facts *facts);
AYF_API void ayf_path_facts_free(ayf_context *ctx, ayf_path_facts *facts);

/* Prints every configuration key with type, range, default and meaning to `print`, line by line, for
 * people. */
AYF_API ayf_status ayf_config_explain(ayf_context *ctx, ayf_print_fn *print, void *user);

#ifdef __cplusplus
}
#endif

#endif
