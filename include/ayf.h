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
 * Every function that can fail returns an ayf_status; ayf_error() then says what was wrong with which file,
 * key or value, and the way out, in the words of the program: "--images" is the member of the options that ayf help
 * describes there. The library never aborts, exits or prints, and reads no environment. Pointers are NULL only where
 * that is said.
 *
 * Options: a member that is 0 or NULL has its default, NULL for the whole struct stands for all of them; what has no
 * default and is missing is AYF_E_USAGE. Until 1.0 compatibility is that of sources: structs grow by members whose 0
 * means what was done before, so that a program that names members is to be compiled again and not to be changed.
 */
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
    X(AYF_E_STOPPED, 75, "stopped on request") /* of the program; no function returns it */

typedef enum ayf_status {
#define AYF_ROW(name, code, text) name,
    AYF_STATUS_TABLE(AYF_ROW)
#undef AYF_ROW
} ayf_status;

AYF_API int ayf_exit_code(ayf_status status);
AYF_API const char *ayf_status_text(ayf_status status);

/* ---- Context ---- */

typedef struct ayf_context ayf_context;

/* pointer == NULL: allocates `size` > 0 bytes aligned to 64, NULL when there is no memory; else size is 0, and it frees
 * `pointer`. Called, as the log is, by the thread that called the library alone. It gets every block that grows with
 * models, batches and data; what libraries below (PNG, ZIP, YAML, oneDNN) hold for themselves comes from the C library. */
typedef void *ayf_alloc_fn(void *user, void *pointer, size_t size);

/* Receives one line without a newline. */
typedef void ayf_log_fn(void *user, const char *line);

/* Receives one line of a result, without a newline. */
typedef void ayf_print_fn(void *user, const char *line);

typedef struct ayf_options { /* all zero = defaults */
    ayf_alloc_fn *alloc;     /* default: the C library */
    void *alloc_user;
    ayf_log_fn *log; /* default: silent */
    void *log_user;
    int threads; /* at most 4096; 0 = one per processor. Results of one number of threads are the same to the bit */
    bool trace; /* log one line per kernel: op, shape, implementation, bytes, microseconds */
    /* What computes: "cpu" (NULL: the same), or "ref", plain loops in double precision to check others against. Any other
     * name is AYF_E_USAGE from the first function that computes. Copied. */
    const char *device;
} ayf_options;

/* A context holds the allocator, the log and the last error; nothing is global but OpenBLAS's number of threads, so
 * that of two contexts that measure distances (ayf_eval_*) in two threads at a time each may run with the other's. NULL
 * only when there is no memory. Use it from one thread at a time; close it after everything made with it. What was made
 * with one context does not go with what was made with another: AYF_E_USAGE. */
AYF_API ayf_context *ayf_open(const ayf_options *options);
AYF_API void ayf_close(ayf_context *ctx); /* NULL is fine */

AYF_API const char *ayf_version(void); /* of the library that is linked; AYF_VERSION is that of this header */

/* For use after a function has failed (after a success they say nothing): what was wrong with which file, key or value,
 * and the way out, valid until the next call with this context; and the status returned. A context that could not be
 * had (NULL) is AYF_E_MEMORY. */
AYF_API const char *ayf_error(const ayf_context *ctx);
AYF_API ayf_status ayf_last_status(const ayf_context *ctx);

/* ---- Models ---- */

typedef struct ayf_model ayf_model;

typedef struct ayf_model_facts {
    const char *role;   /* "teacher", also of a weak one, or "student"; strings live as long as the model */
    const char *data;   /* what it was trained on */
    const char *config; /* resolved configuration (YAML) it was trained with */
    int height, width, channels;
    bool points;                       /* in the plane, 1 x 1 x 2, not images */
    int classes;                       /* 0 = unconditional */
    uint64_t parameters;               /* trained values */
    uint64_t step;                     /* training steps behind it */
    double guidance_min, guidance_max; /* of ayf_sample_options.guidance, where 0 is none; equal: fixed */
    double sigma_data;
} ayf_model_facts;

/* Reads a model file (safetensors; of the folder of a run: ayf_path_facts.model_path). Close it before the context. */
AYF_API ayf_status ayf_model_open(ayf_context *ctx, const char *path, ayf_model **out);
AYF_API void ayf_model_close(ayf_model *model); /* NULL is fine */
AYF_API ayf_model_facts ayf_model_describe(const ayf_model *model);

/* Guidance for a teacher: v = guidance v_teacher + (1 - guidance) v_weak. `weak` is a weaker teacher (autoguidance),
 * which must stay open; the teacher itself, which then stands for itself without the class (classifier-free guidance:
 * AYF_E_CONFIG unless it was trained with classes and train.label_dropout); or NULL: no guidance any more. AYF_E_USAGE:
 * one of the two is a student, or they were trained on data of another shape, classes or sigma_data. */
AYF_API ayf_status ayf_model_guide(ayf_model *teacher, const ayf_model *weak);

typedef enum ayf_solver {
    AYF_SOLVER_DEFAULT, /* student: jumps of the flow map; teacher: Heun */
    AYF_SOLVER_EULER,   /* teachers: one network call per step */
    AYF_SOLVER_HEUN,    /* teachers: two calls per step */
    AYF_SOLVER_REFERENCE, /* teachers: adaptive 5th order, to a tolerance of 1e-4 per step; takes no steps or times */
} ayf_solver;

enum { AYF_STEPS_MOST = 100000 };
/* Steps when none are asked for. */
#define AYF_STUDENT_STEPS 4
#define AYF_TEACHER_STEPS 32
typedef struct ayf_sample_options { /* all zero = defaults */
    /* Student: network calls, 0 = AYF_STUDENT_STEPS; teacher: solver steps, 0 = AYF_TEACHER_STEPS; at most
     * AYF_STEPS_MOST */
    int steps;
    const double *times; /* steps + 1 falling values from 1 to 0; NULL: uniform */
    double gamma;        /* students: noise added again after each jump, 0 ... 1 */
    double guidance;     /* 0 = none: 1, or the value nearest to 1 that the student was trained for */
    ayf_solver solver;
    uint64_t first_seed;   /* image i is made from seed first_seed + i ... */
    const uint64_t *seeds; /* ... or from seeds[i]; the same seed gives the same image whatever the batch */
    const int *classes;    /* classes[i]; NULL: drawn from the seed */
} ayf_sample_options;

/* `images`: count x height x width x channels floats in [-1,1] (points: data units), owned by the caller.
 * `classes` (NULL is fine): the class of each image, -1 without classes. */
AYF_API ayf_status ayf_model_sample(ayf_model *model, const ayf_sample_options *options, int count,
                                    float *images, int *classes);

/* 8-bit PNG, channels 1 or 3, values in [-1,1]; atomic. `comment` (NULL is fine) says how it was made. */
AYF_API ayf_status ayf_image_write(ayf_context *ctx, const char *path, const float *image, int height,
                                   int width, int channels, const char *comment);
/* `count` images in rows of `columns` on one picture. */
AYF_API ayf_status ayf_grid_write(ayf_context *ctx, const char *path, const float *images, int count,
                                  int columns, int height, int width, int channels);

/* ---- Fidelity: how far few calls are from the teacher's own solution from the same noise ---- */

typedef struct ayf_fidelity_options {
    const int *calls; /* network calls of the student, each 1 ... AYF_STEPS_MOST */
    int call_count;
    const double *gammas; /* as ayf_sample_options.gamma; NULL and a count of 0: 0 alone, one value */
    int gamma_count;
    double guidance;     /* as ayf_sample_options.guidance, for student and teacher */
    int images;          /* 0 = 64 */
    uint64_t first_seed; /* of the noise, as in ayf_sample_options; classes are drawn from the seeds */
} ayf_fidelity_options;

/* Distances are RMS per value in units of the data's standard deviation. NaN: does not apply. */
typedef struct ayf_fidelity_row {
    int calls;
    double gamma;
    double student;    /* that many jumps */
    double psnr, ssim; /* of the student's images against the teacher's, means over images; points: NaN */
    double euler;      /* of the teacher: that many steps; gamma > 0: NaN */
    double heun;       /* half as many steps, with an odd number the last by Euler; 1 call, gamma > 0: NaN */
} ayf_fidelity_row;

/* For each gamma and under it for each number of calls the distance to the teacher's solution with
 * AYF_SOLVER_REFERENCE at the same guidance; rows[gamma_count * call_count] is filled. With gamma > 0 a student draws
 * another sample of the same distribution, so its distance does not fall to 0 for the exact map: it tells how far the
 * noise that is added leads from the solution (two independent draws: about sqrt 2), not how good the sample is. PSNR
 * (peak to peak 2) and SSIM (11x11 Gaussian window, Wang et al. 2004) are of images clipped to [-1,1].
 * `teacher` may be guided (ayf_model_guide); NULL stands for the closed-form velocity of a student of
 * "builtin:ring". AYF_E_USAGE: `student` is none, `teacher` is one or makes other data, there is no teacher for other
 * data than the ring, a number of calls, gamma or guidance that cannot be had. AYF_E_DIVERGED: a network gave values
 * that are not finite. */
AYF_API ayf_status ayf_fidelity(ayf_model *student, ayf_model *teacher, const ayf_fidelity_options *options,
                                ayf_fidelity_row *rows);

enum { AYF_SEMIGROUP_ROWS = 3 };
typedef struct ayf_semigroup_row {
    double t, m, s; /* times, falling */
    double defect;
} ayf_semigroup_row;

/* How far the student is from a flow, whose jumps compose: RMS of f(f(x,t,m),m,s) - f(x,t,s) in units of the data's
 * standard deviation, for (t,m,s) = (1, 1/2, 0), (1, 3/4, 1/2), (1/2, 1/4, 0), and the mean of the three; 0 for the
 * exact map. x lies on the teacher's own solution from noise (AYF_SOLVER_REFERENCE); with `teacher` NULL on the
 * closed-form one of "builtin:ring", for other data where the student's jump from the noise leads. calls and gammas of
 * the options are not used. Errors as those of ayf_fidelity(). */
AYF_API ayf_status ayf_semigroup_defect(ayf_model *student, ayf_model *teacher,
                                        const ayf_fidelity_options *options,
                                        ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS], double *mean);

/* ---- Features: a small classifier fitted to a data set, by which sets of images are compared ---- */

typedef struct ayf_features_options { /* all zero = defaults; data is needed */
    const char *data;                 /* with classes; what data.source may be */
    const char
        *heldout; /* a further set for the accuracy; NULL: a tenth of `data`, which is then not fitted */
    const char *const *settings; /* "data.resolution=16"; data.{resolution,channels,mirror}, model.{channels,
                                    multipliers}, train.{steps,batch,seed,lr} */
    int setting_count;
} ayf_features_options;

typedef struct ayf_features_report {
    double loss;     /* mean over the last tenth of the steps */
    double accuracy; /* share of the held-out samples whose class is found; NaN: nothing could be held out */
    uint64_t fitted, heldout; /* samples */
} ayf_features_report;

/* Fits a classifier and writes it to `path` as a model file (role "features"), atomically; the same seed gives the
 * same bytes. `report`: NULL is fine. AYF_E_DIVERGED: nothing is written. */
AYF_API ayf_status ayf_features_fit(ayf_context *ctx, const char *path, const ayf_features_options *options,
                                    ayf_features_report *report);

/* ---- Distance to data ---- */

/* One reference set and the networks by which samples are compared with it:
 *
 *     ayf_eval *eval;
 *     ayf_eval_open(ctx, &(ayf_eval_options){.data = "data/mnist", .features = "features.safetensors"}, &eval);
 *     ayf_eval_describe(eval, print, NULL);                         // the recipe: without it no number means anything
 *     ayf_eval_floor(eval, &floor);                                 // real samples against real samples
 *     ayf_eval_model(eval, model, &(ayf_sample_options){.steps = 2}, &row);
 *     ayf_eval_close(eval);
 */
typedef struct ayf_eval ayf_eval;

enum { AYF_EVAL_COUNT = 2000, AYF_EVAL_INCEPTION_COUNT = 10000 };
typedef struct ayf_eval_options { /* all zero = defaults; data is needed, for images `features` too */
    const char *data;             /* the real samples: what data.source may be */
    const char *heldout;  /* further real samples for the floor; NULL: two disjoint random halves of `data` */
    const char *features; /* a file of ayf_features_fit() */
    /* In place of `features`: the Inception weights of FID in safetensors, as scripts/convert_inception.py makes them */
    const char *inception;
    /* What pictures are brought to; 0: what the features take, with `inception` the size of `samples` */
    int resolution, channels;
    int count; /* samples per measurement; 0 = AYF_EVAL_COUNT, with `inception` AYF_EVAL_INCEPTION_COUNT */
    uint64_t seed; /* of the first sample, and of every random choice */
    /* What ayf_eval_data() will be asked about: refused before the reference is read when it cannot be compared */
    const char *samples;
    int reference; /* of the real samples, at random; 0 = all */
} ayf_eval_options;

typedef struct ayf_eval_row {  /* NaN: does not apply */
    uint64_t count, reference; /* samples; real samples they were compared with */
    uint64_t paired;           /* of each: precision ... coverage and sliced_wasserstein take no more */
    /* By our features: Frechet distance; kernel distance (mean and standard deviation over subsets, NaN for a
     * single one); precision, recall (arXiv 1904.06991), density, coverage (arXiv 2002.09797) with 5 neighbours. Points:
     * `fd` on coordinates. */
    double fd, kid, kid_std, precision, recall, density, coverage;
    double inception_score,
        inception_score_std;   /* with Inception weights: mean and deviation over 10 parts */
    double class_accuracy;     /* share of the samples whose class the classifier finds */
    double sliced_wasserstein; /* on pixels in [-1,1] (points: data units), per dimension */
    double seconds;            /* that drawing the samples took */
} ayf_eval_row;

/* Reads the reference set whole. Close it before the context. AYF_E_USAGE: the reference, without `heldout` each half of
 * it, `heldout` or `count` is not larger than the number of features (ours: 64), or the features were fitted to images
 * of another shape. */
AYF_API ayf_status ayf_eval_open(ayf_context *ctx, const ayf_eval_options *options, ayf_eval **out);
AYF_API void ayf_eval_close(ayf_eval *eval); /* NULL is fine */

/* What a number of a row is called, and where it is. */
typedef struct ayf_eval_figure {
    const char *name;  /* for programs: "fd_our_features" */
    const char *title; /* for people: "FD (our features)" */
    const char *help;  /* one line */
    size_t offset;     /* of a double in ayf_eval_row */
    int decimals;      /* worth printing */
} ayf_eval_figure;

/* The figures that apply to what `eval` compares, in the order in which they are to be read; `*count` of them, valid until
 * it is closed. */
AYF_API const ayf_eval_figure *ayf_eval_figures(const ayf_eval *eval, size_t *count);

/* The recipe: reference, resize, features and their hash, number of samples, seeds, floor; to `print` line by line. */
AYF_API ayf_status ayf_eval_describe(const ayf_eval *eval, ayf_print_fn *print, void *user);

/* What real samples score: the best that can be hoped for at this number of samples. row->count is smaller than that
 * of the measurements when no more real samples are there; the recipe says so. */
AYF_API ayf_status ayf_eval_floor(ayf_eval *eval, ayf_eval_row *row);

/* Errors of the three measurements: AYF_E_USAGE for samples of another shape than the reference's or too few of them,
 * AYF_E_DIVERGED for samples that are not finite. */

/* Samples of a model, which is only borrowed, from the seeds of the options; `how` says how they are drawn (its seeds
 * and classes are not used: classes come from the seeds). */
AYF_API ayf_status ayf_eval_model(ayf_eval *eval, ayf_model *model, const ayf_sample_options *how,
                                  ayf_eval_row *row);

/* Samples of any data source (an image folder, a ZIP ...), at random when it has more than are wanted. */
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
    const char *folder; /* made when missing; a folder with an unfinished run is resumed */
    /* YAML; NULL: the configuration that lies in the folder when that holds a checkpoint or nothing is set here, else
     * defaults */
    const char *config_path;
    const char *const *settings; /* "train.lr=0.01" (keys: ayf_config_explain()): override the file */
    int setting_count;
} ayf_run_options;

typedef struct ayf_run_report { /* NaN: not known for this step */
    uint64_t step, steps;       /* done; total */
    double loss;
    double learning_rate;
    double tangent_rms; /* distill: rms of g before normalisation */
    double error_rms;   /* |F - v| */
    double grad_norm;
    double seconds; /* of this step */
    uint64_t bytes; /* planned memory of the step's program */
    /* fine-tuning: both adversarial losses, mean logits of data and fakes, squared gradient norms of the discriminator
     * at both, and the factor of alpha */
    double g_loss, d_loss, logit_real, logit_fake, r1, r2, adaptive_weight;
    bool saved; /* a checkpoint was written with this step */
    uint64_t prepared,
        to_prepare; /* no step was done: so many of the teacher's trajectories are made; 0 else */
} ayf_run_report;

/* Reads the configuration, compiles the step, resumes when the folder holds checkpoints. */
AYF_API ayf_status ayf_run_open(ayf_context *ctx, const ayf_run_options *options, ayf_run **out);
/* Steps that are done, before a resumed run's first too, and to do in all. */
AYF_API void ayf_run_progress(const ayf_run *run, uint64_t *step, uint64_t *steps);
/* One optimiser step (report: NULL is fine); logs, sample grids and checkpoints when they are due. A non-finite loss is
 * AYF_E_DIVERGED, as is a discriminator that wins in fine-tuning (finetune.logit_limit): nothing is written over the last
 * good checkpoint. After a failure close the run; opened again it goes on from its last checkpoint. With
 * distill.midtrain_steps the first calls make the teacher's trajectories, a batch each, and report->step stays as it is. */
AYF_API ayf_status ayf_run_step(ayf_run *run, ayf_run_report *report);
AYF_API bool ayf_run_finished(const ayf_run *run);
AYF_API ayf_status ayf_run_save(
    ayf_run *run); /* a checkpoint now, or the trajectories made so far; nothing to do right after one */
/* Where the model is written, with every checkpoint. */
AYF_API const char *ayf_run_model_path(const ayf_run *run);
AYF_API void ayf_run_close(ayf_run *run); /* NULL is fine; what was not saved is lost */

/* ---- Checks and measurements ---- */

/* Compares with reference numbers: every safetensors file of a known kind under `folder`. One line per file
 * goes to `print`. AYF_E_CHECK when any output is off by more than 1e-4, but for gradients so small or so
 * sharply bent that single precision decides about the difference: the line says how many. */
AYF_API ayf_status ayf_golden(ayf_context *ctx, const char *folder, ayf_print_fn *print, void *user);

typedef struct ayf_bench_options { /* all zero = defaults */
    const char *config_path;       /* NULL: the 7.1 M-parameter U-Net at 32x32x3 */
    const char *const *settings;
    int setting_count;
    int batch;   /* 0 = 32 */
    int repeats; /* 0 = 3, of the discriminator 10 */
} ayf_bench_options;

typedef struct ayf_bench_result { /* minimum over the repeats */
    double forward_s, forward_backward_s, forward_tangent_s, step_s;
    double forward_gflop, forward_backward_gflop, forward_tangent_gflop, step_gflop;
    double step_median_s, step_max_s;
    double conv_peak_gflops;
    uint64_t plan_bytes, peak_rss_bytes;
    uint64_t parameters;
    int threads;
} ayf_bench_result;
AYF_API ayf_status ayf_bench_step(ayf_context *ctx, const ayf_bench_options *options,
                                  ayf_bench_result *result);

/* A step of fine-tuning's discriminator (keys finetune.channel_base ...; no classes): logits of data and fakes, the
 * gradient of its loss, Adam; and the same with the gradient penalties R1 and R2, differentiated exactly. */
typedef struct ayf_bench_discriminator_result { /* minimum over the repeats */
    double step_s, penalised_s;
    double step_gflop, penalised_gflop;
    double conv_peak_gflops;
    uint64_t step_bytes, penalised_bytes; /* planned memory */
    uint64_t parameters;
    int resolution, channels; /* of the images */
    int threads;
} ayf_bench_discriminator_result;
AYF_API ayf_status ayf_bench_discriminator(ayf_context *ctx, const ayf_bench_options *options,
                                           ayf_bench_discriminator_result *result);

/* ---- What a path is ---- */

typedef enum ayf_path_kind {
    AYF_PATH_MODEL,
    AYF_PATH_CHECKPOINT, /* of a run; not for use by itself */
    AYF_PATH_RUN,
    AYF_PATH_IMAGE,
    AYF_PATH_DATA,
    AYF_PATH_TRAJECTORIES, /* of a teacher, made for the mid-training of a run */
} ayf_path_kind;

typedef struct ayf_path_facts { /* what does not apply is NULL, 0 or false */
    ayf_path_kind kind;
    char *model_path; /* model: the path; run: its newest model file, NULL as long as there is none */
    char *role;       /* model: "teacher", "student", "features", "discriminator" or "inception" */
    bool draws;       /* model: ayf_model_open() opens it */
    char *data;       /* model: what it was trained on */
    char *config;     /* run, model: resolved configuration (YAML) */
    char *last_log;   /* run: last line of log.jsonl */
    bool finished;    /* run: the last step was done */
    uint64_t step;    /* checkpoint, model; run: of the newest checkpoint */
    /* image: how it was made; trajectories: settings of the run; features: what share of held-out samples they
     * classify rightly; NULL: it does not say */
    char *comment;
    int height, width,
        channels;        /* image, data, model that does not draw; 0 = not the same for all pictures */
    int classes;         /* data, model that does not draw; 0 = without */
    uint64_t parameters; /* model that does not draw: of its network */
    char *no_classes;    /* data without classes: why */
    uint64_t count;      /* data: samples; trajectories: how many */
    bool points;         /* data: points in the plane */
    double sigma;        /* data of one size: standard deviation in [-1,1] units */
} ayf_path_facts;

/* The kind alone, by names and first bytes: nothing is read whole, and any safetensors file counts as a model.
 * AYF_E_IO: there is nothing to read. */
AYF_API ayf_status ayf_path_look(ayf_context *ctx, const char *path, ayf_path_kind *kind);

/* Says what `path` is: a model file, the folder of a run, a PNG, or anything that data.source may be (which
 * is read whole and checked). Release the facts with ayf_path_facts_free(), also after a failure. */
AYF_API ayf_status ayf_path_describe(ayf_context *ctx, const char *path, ayf_path_facts *facts);
AYF_API void ayf_path_facts_free(ayf_context *ctx, ayf_path_facts *facts);

/* Every configuration key with type, range, default and meaning, for people; goes to `print` line by line. */
AYF_API ayf_status ayf_config_explain(ayf_context *ctx, ayf_print_fn *print, void *user);

#ifdef __cplusplus
}
#endif

#endif
