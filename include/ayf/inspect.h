/* Reference numbers, benchmarks, what a path is, configuration keys. Part of ayf.h, which has the rules that hold
 * for all of it. */
#ifndef AYF_API_INSPECT_H
#define AYF_API_INSPECT_H

#include "ayf/context.h"
#include "ayf/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Devices ---- */

/* What computes with this context: "cpu avx512bf16", or "cuda NVIDIA H100 80GB HBM3, driver 13.0, NVRTC 13.0, ...". */
AYF_API AYF_CHECKED ayf_status ayf_device(ayf_context *ctx, char text[AYF_DEVICE_SIZE]);

/* Prints what this machine can compute with: the processor, its instruction sets and threads; the GPUs, and the versions
 * and files of NVIDIA's libraries, or what is missing for them. */
AYF_API AYF_CHECKED ayf_status ayf_devices(ayf_context *ctx, ayf_print_fn *print, void *user);

/* ---- Checks and measurements ---- */

/* Compares with reference numbers: every safetensors file of a known kind in `folder`. Prints one line per
 * file to `print`. AYF_E_CHECK when the relative error of an output exceeds 1e-4 (2e-3 for gradients below
 * 1e-6 of the largest). Gradients whose difference is within single precision, because they are very small or
 * very sharply bent, are exempt; the line says how many there are. */
AYF_API AYF_CHECKED ayf_status ayf_golden(ayf_context *ctx, const char *folder, ayf_print_fn *print,
                                          void *user);

/* Checks whether this machine computes a network as it should: the directional derivative (JVP), the gradient (VJP) and
 * the double backward of every input and parameter tensor against signed finite differences; these, the output and
 * its tangent against the reference in 64 bits; the output in bfloat16 where it is fast; equal bytes from equal
 * programs with memory reused, not reused and poisoned; and the semigroup defect of a student. NULL for
 * `model`: a small network that has everything. Prints a table to `print`. AYF_E_CHECK: a check failed. */
AYF_API AYF_CHECKED ayf_status ayf_doctor(ayf_context *ctx, ayf_model *model, ayf_print_fn *print,
                                          void *user);

typedef struct ayf_bench_options { /* all zero = defaults */
    const char *config_path;       /* NULL: the 7.1 M-parameter U-Net at 32x32x3 */
    const char *const *settings;
    int setting_count;
    int batch;   /* 0 = 32; ayf_bench_call(): 0 = 1 */
    int repeats; /* 0 = 3; for one call 20, for the discriminator 10 */
    ayf_precision precision;
} ayf_bench_options;

/* What a run of such steps takes at its peak, without its data, and the work of a step. `batch` and `precision` (HIGHEST
 * or BF16) are given. */
enum { AYF_PLAN_BATCH_MOST = 4096 };
typedef struct ayf_plan_row {
    int batch;
    ayf_precision precision;
    /* Of a teacher; of AYF-EMD, where a weak teacher is as large as the teacher. ayf_memory_total() */
    uint64_t train_bytes, distill_bytes;
    double train_gflop, distill_gflop; /* of convolutions and matrix products */
} ayf_plan_row;
typedef struct ayf_plan_facts {
    uint64_t parameters; /* of the network */
    int resolution, channels;
    bool on_device; /* memory is that of a GPU, and what lies in the machine's is left out */
} ayf_plan_facts;

/* Plans steps of the network of a configuration without data, weights or models, and runs nothing. Of `options` the
 * batch, the repeats and the precision are not used. A whole run is measured by ayf_run_try(). */
AYF_API AYF_CHECKED ayf_status ayf_plan_steps(ayf_context *ctx, const ayf_bench_options *options,
                                              ayf_plan_row *rows, int count, ayf_plan_facts *facts);

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
AYF_API AYF_CHECKED ayf_status ayf_bench_step(ayf_context *ctx, const ayf_bench_options *options,
                                              ayf_bench_result *result);

/* Times one call of a student with weights that do not change, as sampling makes it. */
typedef struct ayf_bench_call_result {
    double call_s, call_median_s, call_max_s, call_gflop;
    double conv_peak_gflops, bf16_peak_gflops;
    uint64_t plan_bytes, parameters;
    int threads;
    ayf_precision precision, automatic; /* as above */
} ayf_bench_call_result;
AYF_API AYF_CHECKED ayf_status ayf_bench_call(ayf_context *ctx, const ayf_bench_options *options,
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
AYF_API AYF_CHECKED ayf_status ayf_bench_discriminator(ayf_context *ctx, const ayf_bench_options *options,
                                                       ayf_bench_discriminator_result *result);

/* ---- What a path is ---- */

typedef enum ayf_path_kind {
    AYF_PATH_MODEL,
    AYF_PATH_CHECKPOINT, /* of a run; cannot be used by itself */
    AYF_PATH_RUN,
    AYF_PATH_IMAGE,
    AYF_PATH_DATA,
    AYF_PATH_TRAJECTORIES, /* a teacher's trajectories, made for the mid-training of a run */
    AYF_PATH_SNAPSHOT, /* averages of a run, of which ayf_run_average() makes models; `comment` lists their widths */
} ayf_path_kind;

typedef struct ayf_path_facts { /* members that do not apply are NULL, 0 or false */
    ayf_path_kind kind;
    char *model_path; /* model: the path; run: its newest model file, NULL while it has none */
    char *role;       /* model: "teacher", "student", "features", "discriminator", "inception" or "decoder" */
    bool draws;       /* model: it draws samples, so ayf_model_open() opens it */
    char *data;       /* model: the data source it was trained on */
    char *config;     /* run, model: resolved configuration (YAML) */
    char *last_log;   /* run: last line of log.jsonl */
    bool finished;    /* run: the last step was done */
    char
        *measured; /* model: what a run measured of it, and how; run: that of its best model, with the step */
    /* Model: the GPU that its last steps were computed on, and its libraries; NULL: a CPU. Checkpoint: what they were
     * computed on. */
    char *device;
    char *diverged; /* run: "step 12: why"; NULL: it has not diverged */
    uint64_t step;  /* checkpoint, model: its step; run: the step of its newest checkpoint */
    /* Image: how it was made. Trajectories: settings of the run. Features: share of held-out samples whose
     * class they find. NULL: the file does not say. */
    char *comment;
    /* Image, data, model that does not draw (decoder: channels of latents); 0 = differs between pictures. */
    int height, width, channels;
    int classes;         /* data, model that does not draw; 0 = without classes */
    uint64_t parameters; /* model that does not draw: trained values of its network */
    char *no_classes;    /* data without classes: the reason */
    bool bad_labels;     /* data: it has labels, which cannot be used for that reason */
    /* Data, model that draws: [classes], the names of the classes and how many pictures each has; NULL: unknown. */
    char **class_names;
    uint64_t *class_pictures;
    char *taken;       /* data: what of it was taken, when that is not all */
    uint64_t count;    /* data: number of samples; trajectories: number of trajectories */
    bool points;       /* data: points in the plane */
    bool latents;      /* data: latents of a VAE */
    double sigma;      /* data of one size: standard deviation in [-1,1] units; latents: as they are stored */
    char *fingerprint; /* data of one size: what identifies it wherever it lies: equal text, equal data */
    ayf_precision precision; /* run, model that draws: in which it is or was trained */
    bool running;            /* run: a process is training it now */
} ayf_path_facts;

/* Finds only the kind, by names and first bytes. No file is read as a whole, and any safetensors file counts
 * as a model. AYF_E_IO: there is nothing to read. */
AYF_API AYF_CHECKED ayf_status ayf_path_look(ayf_context *ctx, const char *path, ayf_path_kind *kind);

/* Describes `path`: a model file, a run folder, a PNG, or any data source (as in data.source), which is read
 * and checked as a whole. Release the facts with ayf_path_facts_free(), also after a failure. */
AYF_API AYF_CHECKED ayf_status ayf_path_describe(ayf_context *ctx, const char *path, ayf_path_facts *facts);
AYF_API void ayf_path_facts_free(ayf_context *ctx, ayf_path_facts *facts);

/* Prints every configuration key with type, range, default and meaning to `print`, line by line, for
 * people. */
AYF_API AYF_CHECKED ayf_status ayf_config_explain(ayf_context *ctx, ayf_print_fn *print, void *user);

/* One key; the texts are valid during the call that hands it over. */
typedef struct ayf_config_key {
    const char *name;   /* "train.lr" */
    const char *about;  /* what the keys of its section are for */
    const char *value;  /* its default, as in YAML: a text has quotes */
    const char *values; /* what it may be: "whole number from 0 to 10"; choices are "a | b" */
    const char *help;   /* what it means */
    unsigned runs;      /* 1 << ayf_run_kind of each kind of run that has the key */
} ayf_config_key;
typedef void ayf_config_key_fn(void *user, const ayf_config_key *key);

/* Hands every configuration key to `take`, section by section. */
AYF_API ayf_status ayf_config_keys(ayf_context *ctx, ayf_config_key_fn *take, void *user);

#ifdef __cplusplus
}
#endif

#endif
