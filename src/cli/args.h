/* Verbs and options of the program: the two tables below make the parser, `ayf help` and "did you mean". */
#ifndef AYF_CLI_ARGS_H
#define AYF_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ayf.h"

/* Numbers of ayf.h as text. */
#define CLI_TEXT_OF(number) #number
#define CLI_TEXT(number) CLI_TEXT_OF(number)
#define CLI_STUDENT_STEPS CLI_TEXT(AYF_STUDENT_STEPS)
#define CLI_TEACHER_STEPS CLI_TEXT(AYF_TEACHER_STEPS)

/* X(id, positional arguments, least, most of them, one line, more) */
#define CLI_VERBS(X)                                                                                         \
    X(train, "RUN_FOLDER", 1, 1, "train a teacher",                                                          \
      "Trains a velocity network by flow matching. The run folder receives config.yaml, log.jsonl,\n"        \
      "checkpoints, sample grids and model.safetensors. Ctrl-C finishes the step, saves and says how to\n"   \
      "go on; the same command resumes. A weak teacher for autoguidance is a smaller network trained\n"      \
      "for fewer steps.\n\n"                                                                                 \
      "    ayf train runs/teacher --data photos.zip --set data.resolution=32 --steps 20k")                   \
    X(distill, "RUN_FOLDER", 1, 1, "distil a teacher into a few-step student",                               \
      "Trains a flow map from a teacher (Align Your Flow, arXiv 2506.14603): guided by a weak teacher\n"     \
      "(--weak), by itself without classes (--cfg), or not (--set distill.guidance=none). Folder, Ctrl-C\n"  \
      "and resuming as in ayf train.\n\n"                                                                    \
      "    ayf distill runs/student --teacher runs/teacher --weak runs/weak --data photos.zip --steps 20k")  \
    X(finetune, "RUN_FOLDER", 1, 1, "make a student better against a discriminator",                         \
      "Goes on with a student's distillation and adds an adversarial loss on its one-step images: "          \
      "relativistic\n"                                                                                       \
      "pairing with a StyleGAN2 discriminator and R1 and R2 penalties. Data, teachers and the "              \
      "distillation's\n"                                                                                     \
      "settings are those of the student unless given. Folder, Ctrl-C and resuming as in ayf train.\n\n"     \
      "    ayf finetune runs/tuned --student runs/student --steps 1000")                                     \
    X(sample, "MODEL", 1, 1, "draw images with a teacher or a student",                                      \
      "MODEL is a model file or a run folder. The same seed gives the same image whatever else is drawn\n"   \
      "with it. The PNG says how it was made (ayf info).\n\n"                                                \
      "    ayf sample runs/student --seeds 0-63 --steps 2 --out grid.png\n"                                  \
      "    ayf sample runs/student --seeds 0-999 --class 0-9 --out images/")                                 \
    X(info, "PATH", 1, 1, "say what a model, run, image or data set is",                                     \
      "PATH is a model file, a run folder, a PNG made by ayf, or any data source (which is checked as a\n"   \
      "whole): an image folder, a ZIP, an IDX file, a CIFAR-10 folder, builtin:shapes ...")                  \
    X(eval, "[SUBJECT]", 0, 1, "measure samples against data, and a student against its teacher",            \
      "SUBJECT is a model file, a run folder, or samples that are there already (an image folder, a ZIP "    \
      "...).\n"                                                                                              \
      "With --data its samples are compared with real ones: Frechet and kernel distance, precision, "        \
      "recall,\n"                                                                                            \
      "density, coverage and class accuracy by the features of a classifier that ayf fits to the data "      \
      "itself\n"                                                                                             \
      "(not Inception's: the numbers are not FID), and the sliced Wasserstein distance of the pixels; "      \
      "beside\n"                                                                                             \
      "them the floor, what real samples score. Points are compared by their coordinates.\n"                 \
      "With --teacher a student is compared with its teacher's accurate solution from the same noise.\n\n"   \
      "    ayf eval --fit-features mnist.safetensors --data data/mnist --set data.resolution=16\n"           \
      "    ayf eval runs/student --data data/mnist --features mnist.safetensors --calls 1,2,4\n"             \
      "    ayf eval runs/student --data photos.zip --inception inception.safetensors --images 50000\n"       \
      "    ayf eval runs/student --teacher runs/teacher --pairs 256")                                        \
    X(golden, "FOLDER", 1, 1, "compare with reference numbers",                                              \
      "Checks every safetensors file of a known kind in the folder and prints the worst relative error\n"    \
      "of each. Exit code 5 when one is above 1e-4 (2e-3 for gradients below 1e-6 of the largest).\n"        \
      "Gradients that differ by less than single precision can tell beside the file's largest one, and\n"    \
      "second derivatives that differ by less than they move with the last bit of the input, are\n"          \
      "counted apart.")                                                                                      \
    X(bench, "[step | discriminator]", 0, 1, "time a training step",                                         \
      "step: forward, forward + backward, forward + tangent and the whole distillation step.\n"              \
      "discriminator: a step of fine-tuning's discriminator, with and without the gradient penalties R1\n"   \
      "and R2, and what they cost on average at every 4th and every 16th step.\n"                            \
      "Both beside the convolution peak of this machine.")                                                   \
    X(demo, "[FOLDER]", 0, 1, "teacher to one-step student on drawn shapes, in minutes",                     \
      "Trains a teacher and a weak teacher on built-in pictures, distils them, fine-tunes the student, "     \
      "writes\n"                                                                                             \
      "demo.png (rows: the teacher with many steps, the student with 1, 2 and 4, the fine-tuned one with "   \
      "1,\n"                                                                                                 \
      "from the same noise) and prints how far each is from the teacher's own solution and from the data.\n" \
      "FOLDER is ayf-demo unless given.")                                                                    \
    X(help, "[VERB | config]", 0, 1, "explain a verb or the configuration",                                  \
      "ayf help config lists every configuration key with its default and meaning.")

typedef enum cli_verb {
#define CLI_ROW(id, positional, least, most, line, more) CLI_VERB_##id,
    CLI_VERBS(CLI_ROW)
#undef CLI_ROW
        CLI_VERB_COUNT
} cli_verb;

#define CLI_TRAIN (1u << CLI_VERB_train)
#define CLI_DISTILL (1u << CLI_VERB_distill)
#define CLI_SAMPLE (1u << CLI_VERB_sample)
#define CLI_EVAL (1u << CLI_VERB_eval)
#define CLI_BENCH (1u << CLI_VERB_bench)
#define CLI_FINETUNE (1u << CLI_VERB_finetune)
#define CLI_RUNS (CLI_TRAIN | CLI_DISTILL | CLI_FINETUNE)

/* X(id, name, value or NULL for a flag, verbs, configuration key it sets (a flag: key=value) or NULL, help) */
#define CLI_OPTIONS(X)                                                                                       \
    X(config, "config", "FILE", CLI_RUNS | CLI_BENCH, NULL, "configuration in YAML (ayf help config)")       \
    X(set, "set", "KEY=VALUE", CLI_RUNS | CLI_BENCH | CLI_EVAL, NULL,                                        \
      "override one configuration key; repeatable (ayf eval: with --fit-features)")                          \
    X(data, "data", "SOURCE", CLI_RUNS, "data.source",                                                       \
      "image folder, ZIP, IDX file, CIFAR-10 folder or builtin:shapes, builtin:ring ...")                    \
    X(student, "student", "MODEL", CLI_FINETUNE, "finetune.student", "student: model file or run folder")    \
    X(teacher, "teacher", "MODEL", CLI_DISTILL | CLI_FINETUNE, "distill.teacher",                            \
      "teacher: model file or run folder")                                                                   \
    X(distill_weak, "weak", "MODEL", CLI_DISTILL | CLI_FINETUNE, "distill.weak",                             \
      "weak teacher for autoguidance")                                                                       \
    X(distill_cfg, "cfg", NULL, CLI_DISTILL | CLI_FINETUNE, "distill.guidance=cfg",                          \
      "classifier-free guidance: the teacher without the class instead of a weak one")                       \
    X(run_steps, "steps", "N", CLI_RUNS, "train.steps", "steps of the whole run")                            \
    X(run_batch, "batch", "N", CLI_RUNS, "train.batch", "samples per step")                                  \
    X(run_seed, "seed", "N", CLI_RUNS, "train.seed", "the same seed gives the same run")                     \
    X(seeds, "seeds", "LIST", CLI_SAMPLE, NULL, "one image per seed: 0-63 or 1,5,9-12; default 0-15")        \
    X(class_, "class", "LIST", CLI_SAMPLE, NULL, "classes, used in turn; default: drawn from the seed")      \
    X(sample_steps, "steps", "N", CLI_SAMPLE, NULL,                                                          \
      "network calls of a student (default " CLI_STUDENT_STEPS                                               \
      "), solver steps of a teacher (" CLI_TEACHER_STEPS ")")                                                \
    X(times, "times", "LIST", CLI_SAMPLE, NULL, "times to stop at instead of even ones: 1,0.5,0")            \
    X(gamma, "gamma", "G", CLI_SAMPLE, NULL,                                                                 \
      "student: noise added again after each jump, 0 to 1; default 0")                                       \
    X(guidance, "guidance", "L", CLI_SAMPLE | CLI_EVAL, NULL,                                                \
      "L teacher + (1 - L) weak teacher; a student: within its trained range; default 1 or nearest")         \
    X(weak, "weak", "MODEL", CLI_SAMPLE | CLI_EVAL, NULL, "weak teacher that guides the teacher")            \
    X(cfg, "cfg", NULL, CLI_SAMPLE | CLI_EVAL, NULL,                                                         \
      "classifier-free guidance: the teacher without the class in place of a weak one")                      \
    X(solver, "solver", "NAME", CLI_SAMPLE | CLI_EVAL, NULL, "teacher: euler, heun (default) or reference")  \
    X(out, "out", "PATH", CLI_SAMPLE, NULL,                                                                  \
      "FILE.png: one grid (default samples.png); a folder: one PNG per seed; FILE.csv: points")              \
    X(grid, "grid", "COLUMNS", CLI_SAMPLE, NULL, "images per row of the grid; default: square")              \
    X(scale, "scale", "N", CLI_SAMPLE, NULL, "show each pixel N times as large; default 1")                  \
    X(eval_data, "data", "SOURCE", CLI_EVAL, NULL, "real samples to compare with, or to fit features to")    \
    X(features, "features", "FILE", CLI_EVAL, NULL, "features to compare images by, from --fit-features")    \
    X(inception, "inception", "FILE", CLI_EVAL, NULL,                                                        \
      "FID, KID and Inception score by these weights (scripts/convert_inception.py)")                        \
    X(heldout, "heldout", "SOURCE", CLI_EVAL, NULL,                                                          \
      "real samples for the floor; default: one half of the data against the other")                         \
    X(reference, "reference", "N", CLI_EVAL, NULL,                                                           \
      "how many of the real samples to use, from 130 (--inception: 4098) on; default all")                   \
    X(eval_teacher, "teacher", "MODEL", CLI_EVAL, NULL,                                                      \
      "compare with this teacher; analytic = the exact velocity of builtin:ring or gaussian")                \
    X(calls, "calls", "LIST", CLI_EVAL, NULL,                                                                \
      "network calls of a student (default 1,2,4), solver steps of a teacher (" CLI_TEACHER_STEPS ")")       \
    X(gammas, "gamma", "LIST", CLI_EVAL, NULL, "students: noise added again after each jump; default 0")     \
    X(images, "images", "N", CLI_EVAL, NULL,                                                                 \
      "samples compared with the data, from 65 on; default 2000 (--inception: from 2049; 10000)")            \
    X(pairs, "pairs", "N", CLI_EVAL, NULL, "samples compared with the teacher's; default 64")                \
    X(first_seed, "seed", "N", CLI_EVAL, NULL, "seed of the first sample; default 0")                        \
    X(fit_features, "fit-features", "FILE", CLI_EVAL, NULL,                                                  \
      "fit a classifier to --data and write it; --set takes data.resolution, train.steps ...")               \
    X(bench_batch, "batch", "N", CLI_BENCH, NULL, "samples per step; default 32")                            \
    X(repeats, "repeats", "N", CLI_BENCH, NULL, "timings to take the best of; default 3, discriminator 10")  \
    X(json, "json", NULL, CLI_EVAL | CLI_BENCH, NULL, "print JSON")

typedef enum cli_option {
#define CLI_ROW(id, name, value, verbs, setting, help) CLI_OPT_##id,
    CLI_OPTIONS(CLI_ROW)
#undef CLI_ROW
        CLI_OPT_COUNT
} cli_option;

typedef struct cli_args {
    cli_verb verb;
    bool want_help; /* --help was given */
    const char *positional[2];
    int positional_count;
    const char *value[CLI_OPT_COUNT]; /* NULL = not given; a flag: "" */
    const char **settings; /* "key=value" of --set and of the options that set a key, in the order given */
    int setting_count;
    char **owned; /* texts made for settings */
    int owned_count;
} cli_args;

/* Reads the command line. Returns 0, or the exit code after a message on stderr. Free in both cases. */
int cli_parse(int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

/* The help of the program, of a verb. */
void cli_help_all(void);
void cli_help_verb(cli_verb verb);
int cli_find_verb(const char *name); /* -1 with a message and the nearest verb on stderr */

/* Values of options. Return 0, or 2 after a message; an option that was not given leaves *out alone. */
int cli_get_int(const cli_args *args, cli_option option, int least, int most, int *out);
int cli_get_u64(const cli_args *args, cli_option option, uint64_t *out);
int cli_get_real(const cli_args *args, cli_option option, double least, double most, double *out);
/* "0-63,70"; *out is free()d by the caller; at most `limit` values from 0 to `most`. */
int cli_get_list(const cli_args *args, cli_option option, uint64_t most, size_t limit, uint64_t **out,
                 size_t *count);
int cli_get_reals(const cli_args *args, cli_option option, double **out, size_t *count);

#endif
