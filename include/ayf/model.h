/* Model files and sampling. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_MODEL_H
#define AYF_API_MODEL_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Models ---- */

typedef struct ayf_model ayf_model;

typedef struct ayf_model_facts {
    const char *role;   /* "teacher" (weak teachers too) or "student"; strings live as long as the model */
    const char *data;   /* the data source it was trained on */
    const char *config; /* resolved configuration (YAML) it was trained with */
    int height, width, channels; /* of a sample, in pixels */
    bool points;                 /* samples are points in the plane (1 x 1 x 2), not images */
    bool latents;                /* samples are latents of a VAE, not images: see ayf/latents.h */
    int classes;                 /* 0 = unconditional */
    /* [classes]: their names, and how many pictures of each the data had. A class without pictures is drawn only
     * when it is asked for. NULL: unknown, as in files of earlier versions. */
    const char *const *class_names;
    const uint64_t *class_pictures;
    uint64_t parameters;               /* number of trained values */
    uint64_t step;                     /* number of training steps done */
    double guidance_min, guidance_max; /* range of ayf_sample_options.guidance, above 0; equal: fixed */
    double
        guidance_t_max; /* up to which time a teacher is guided, or the teacher of a student was; 1: always */
    double sigma_data;  /* standard deviation of the data in [-1,1] units */
    ayf_precision precision; /* in which it computes here, ayf_options.precision: HIGHEST or BF16 */
} ayf_model_facts;

/* Reads a model file (safetensors). ayf_path_facts.model_path is the model file of a run folder. The file stays open:
 * its weights are read again when they are needed, and AYF_E_FORMAT then if it was written over. Close the model before
 * the context. */
AYF_API AYF_CHECKED ayf_status ayf_model_open(ayf_context *ctx, const char *path, ayf_model **out);
/* The same of a model file that is in memory: `size` bytes, which are only read during the call. Messages call
 * it "model in memory". */
AYF_API AYF_CHECKED ayf_status ayf_model_open_memory(ayf_context *ctx, const void *bytes, size_t size,
                                                     ayf_model **out);

/* What the names and shapes of a network of EDM2 do not tell. 0: what the file's metadata say (those of
 * scripts/convert_edm2.py), else EDM2's usual value. */
typedef struct ayf_import_options {
    double sigma_data;     /* 0.5 */
    int channels_per_head; /* 64 */
} ayf_import_options;
typedef struct ayf_import_facts {
    int height, width, channels; /* of a sample, in pixels */
    bool latents;                /* samples are latents, not pictures */
    int classes;                 /* 0 = unconditional */
    uint64_t parameters;         /* number of trained values */
    double sigma_data;
} ayf_import_facts;
/* Makes the model file `out` of a safetensors file with a network of EDM2 (arXiv 2312.02696, config G) under the names
 * of its state_dict: a teacher with the velocity of its probability-flow ODE. The network is read off names and shapes,
 * every one of which is checked; the tensors keep their type (F16, BF16, F32, F64), and `logvar_*` is left out.
 * A network of 4 channels draws latents, whose scale the file says or is EDM2's. `options` and `facts` may be NULL.
 * AYF_E_FORMAT, with the tensor, for a file that is damaged or of another network; AYF_E_USAGE when `options` do not
 * suit the network. */
AYF_API AYF_CHECKED ayf_status ayf_model_import(ayf_context *ctx, const char *path,
                                                const ayf_import_options *options, const char *out,
                                                ayf_import_facts *facts);

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
AYF_API AYF_CHECKED ayf_status ayf_model_guide(ayf_model *teacher, const ayf_model *weak);

/* Limits the guidance of a teacher to times t <= t_max, 0 < t_max <= 1 (arXiv 2404.07724); 1: guided at all times, as
 * ayf_model_guide() leaves it. AYF_E_USAGE for a student, and unless the teacher is guided. */
AYF_API AYF_CHECKED ayf_status ayf_model_guide_until(ayf_model *teacher, double t_max);

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
    const int
        *classes; /* class of image i; NULL: drawn from the seed, each with pictures as often as the others */
} ayf_sample_options;

/* Draws `count` samples. `images` receives count x height x width x channels floats in [-1,1] (points: data
 * units; latents: the units of their VAE, as its decoder takes them); the caller owns it. `classes` (may be NULL)
 * receives the class of each image, -1 without classes.
 * AYF_E_USAGE if steps, times, gamma, guidance, the solver or a class is out of range or does not suit the
 * model. AYF_E_DIVERGED if the network gives values that are not finite. */
AYF_API AYF_CHECKED ayf_status ayf_model_sample(ayf_model *model, const ayf_sample_options *options,
                                                int count, float *images, int *classes);

#ifdef __cplusplus
}
#endif

#endif
