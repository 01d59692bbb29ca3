/* Verbs and options of the program: the two tables below make the parser, `ayf help`, the man pages, the completions of
 * shells and "did you mean". */
#ifndef AYF_CLI_ARGS_H
#define AYF_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ayf.h"

/* Set in every process of a run but the first, which talks for all of them. */
extern bool cli_silent;

/* Numbers of ayf.h as text. */
#define CLI_TEXT_OF(number) #number
#define CLI_TEXT(number) CLI_TEXT_OF(number)
#define CLI_STUDENT_STEPS CLI_TEXT(AYF_STUDENT_STEPS)
#define CLI_TEACHER_STEPS CLI_TEXT(AYF_TEACHER_STEPS)

/* X(verb, kind): the verbs that are a kind of run (ayf.h); each has a row below as well. */
#define CLI_RUN_VERBS(X) X(train, AYF_RUN_TRAIN) X(distill, AYF_RUN_DISTILL) X(finetune, AYF_RUN_FINETUNE)

/* X(id, positional arguments, least, most of them, one line, more) */
#define CLI_VERBS(X)                                                                                         \
    X(train, "RUN_FOLDER", 1, 1, "train a teacher",                                                          \
      "Trains a velocity network by flow matching. The run folder receives config.yaml, log.jsonl,\n"        \
      "checkpoints, sample grids and model.safetensors. Ctrl-C finishes the current step, saves a\n"         \
      "checkpoint and prints the command that resumes the run, which is the same command. A weak teacher\n"  \
      "for autoguidance is a smaller network trained for fewer steps.\n\n"                                   \
      "    ayf train runs/teacher --data photos.zip --set data.resolution=32 --steps 20k")                   \
    X(distill, "RUN_FOLDER", 1, 1, "distil a teacher into a few-step student",                               \
      "Trains a flow map from a teacher (Align Your Flow, arXiv 2506.14603). The teacher is guided by a\n"   \
      "weak teacher (--weak), by itself without the class (--cfg), or not at all\n"                          \
      "(--set distill.guidance=none). The run folder, Ctrl-C and resuming work as in ayf train.\n\n"         \
      "    ayf distill runs/student --teacher runs/teacher --weak runs/weak --data photos.zip --steps 20k")  \
    X(finetune, "RUN_FOLDER", 1, 1, "improve a student against a discriminator",                             \
      "Continues a student's distillation and adds an adversarial loss on its one-step images. The loss\n"   \
      "pairs real and generated images (relativistic pairing); the discriminator is StyleGAN2's, with R1\n"  \
      "and R2 penalties. The data, the teachers and the settings of the distillation are the student's\n"    \
      "unless given. The run folder, Ctrl-C and resuming work as in ayf train.\n\n"                          \
      "    ayf finetune runs/tuned --student runs/student --steps 1000")                                     \
    X(sample, "MODEL", 1, 1, "draw images with a teacher or a student",                                      \
      "MODEL is a model file or a run folder. The same seed gives the same image, whatever else is drawn\n"  \
      "in the same batch. The PNG records how it was made (ayf info shows it).\n"                            \
      "A folder receives SEED.png, or SEED_classN_NAME.png from a model with classes. FILE.npz is a batch "  \
      "for\n"                                                                                                \
      "NumPy as ADM and the consistency models exchange them: arr_0 are the pictures (uint8, NHWC) or\n"     \
      "points (float32), arr_1 the classes (int64). Whether all of it can be written is checked first.\n"    \
      "A model of latents writes them to FILE.npz (float32, NHWC, in the units of their VAE), and "          \
      "pictures\n"                                                                                           \
      "with --decoder.\n"                                                                                    \
      "With --precision bf16, large activations are kept in bfloat16. Pictures then differ slightly, and\n"  \
      "processors with AMX or AVX512-BF16 draw them faster. auto chooses by the processor, so it may give\n" \
      "other pictures on another machine; the default does not.\n\n"                                         \
      "    ayf sample runs/student --seeds 0-63 --steps 2 --out grid.png\n"                                  \
      "    ayf sample runs/student --seeds 0-999 --class 0-9 --out images/\n"                                \
      "    ayf sample runs/student --seeds 0-49999 --out samples.npz\n"                                      \
      "    ayf sample runs/student --seeds 7 --out - | display")                                             \
    X(export, "MODEL", 1, 1, "write a model for other programs",                                             \
      "MODEL is a model file or a run folder.\n"                                                             \
      "onnx: one call, x at t -> x at s (teachers: the velocity), or with --steps a whole sampler, noise\n"  \
      "-> images. Any batch unless --batch is given. Opset 17.\n"                                            \
      "safetensors: the weights under EDM2's names, for PyTorch's load_state_dict.\n"                        \
      "c: one C99 file that draws samples and needs nothing but libm.\n\n"                                   \
      "    ayf export runs/student --format onnx --steps 2 --out student.onnx\n"                             \
      "    ayf export runs/student --format c --dtype bf16 --out student.c\n"                                \
      "    ayf export runs/teacher --format safetensors --dtype bf16 --out weights.safetensors")             \
    X(import, "FILE", 1, 1, "make a model of a network of EDM2, or of a VAE's decoder",                      \
      "FILE is a safetensors file with the weights of an EDM2 network (arXiv 2312.02696, config G) under\n"  \
      "the names of its state_dict; scripts/convert_edm2.py makes one of NVIDIA's pickles. The network is\n" \
      "read off names and shapes. The model samples, guides, is measured and distilled like a teacher of\n"  \
      "ayf train; a weak model of another width guides it as --weak. Networks of ImageNet-512 draw "         \
      "latents,\n"                                                                                           \
      "which the decoder of a VAE shows (AutoencoderKL of diffusers, --role decoder). See "                  \
      "docs/import.md.\n\n"                                                                                  \
      "    scripts/convert_edm2.py edm2-img64-s-1073741-0.045.pkl s.safetensors\n"                           \
      "    ayf import s.safetensors --out teacher.safetensors\n"                                             \
      "    ayf import xs.safetensors --role weak --out weak.safetensors\n"                                   \
      "    ayf sample teacher.safetensors --weak weak.safetensors --guidance 1.7 --out grid.png\n"           \
      "    ayf import diffusion_pytorch_model.safetensors --role decoder --out decoder.safetensors")         \
    X(ema, "RUN", 1, 1, "make a model of another average of a run's weights",                                \
      "RUN is the folder of a run that keeps power-function averages (train.ema_widths). From their\n"       \
      "snapshots, the average of any width is made by least squares (post-hoc EMA, EDM2's paper), without\n" \
      "training again. The profile error says how near it comes: 0 % is exact; above 10 % the width is "     \
      "out\n"                                                                                                \
      "of what the snapshots tell. The result is a model like any other.\n\n"                                \
      "    ayf train runs/teacher --data photos.zip --set train.ema_widths=0.05,0.10\n"                      \
      "    ayf ema runs/teacher --width 0.08 --out teacher-0.08.safetensors")                                \
    X(info, "[PATH]", 0, 1, "describe a model, run, image or data set, or this machine's devices",           \
      "Without PATH: what ayf can compute with here, the processor and NVIDIA's GPUs, or what is missing\n"  \
      "for them. PATH is a model file, a run folder, a PNG made by ayf, or any data source: an image "       \
      "folder, a\n"                                                                                          \
      "ZIP, an IDX file, a CIFAR folder, an .npz, builtin:shapes ... A data source is read and checked\n"    \
      "as a whole.")                                                                                         \
    X(data, "check SOURCE", 2, 2, "check a data set before training on it",                                  \
      "Reads every picture once and tells how many there are, of which formats, sizes and classes, which\n"  \
      "cannot be used and why, which repeat others or are of one colour, and the memory that training\n"     \
      "takes for them. The exit code is 5 when a picture cannot be used, 3 when none can.\n"                 \
      "--sheet draws some pictures of each class as a network sees them: cropped, resized, converted.\n\n"   \
      "    ayf data check photos.zip --set data.resolution=64 --sheet photos.png")                           \
    X(eval, "[SUBJECT]", 0, 1, "measure samples against data, and a student against its teacher",            \
      "SUBJECT is a model file, a run folder, or existing samples (an image folder, a ZIP ...).\n"           \
      "With --data, its samples are compared with real ones. Images are compared by the features of a\n"     \
      "classifier that ayf fits to the data itself: Frechet and kernel distance, precision, recall,\n"       \
      "density, coverage and class accuracy. These features are not Inception's, so the distance is not\n"   \
      "FID. The sliced Wasserstein distance of the pixels is also given. Points are compared by their\n"     \
      "coordinates.\n"                                                                                       \
      "The column 'floor' is the real-data baseline: the score of real samples.\n"                           \
      "With --teacher, a student is compared with its teacher's accurate solution from the same noise.\n"    \
      "--data FILE.npz takes statistics: mu and sigma as --save-stats and pytorch-fid write them. Only\n"    \
      "FID or FD and what needs no real samples is measured then.\n\n"                                       \
      "    ayf eval --fit-features mnist.safetensors --data data/mnist --set data.resolution=16\n"           \
      "    ayf eval runs/student --data data/mnist --features mnist.safetensors --calls 1,2,4\n"             \
      "    ayf eval runs/student --data photos.zip --inception inception.safetensors --images 50000\n"       \
      "    ayf eval --data photos.zip --inception inception.safetensors --save-stats photos.npz\n"           \
      "    ayf eval runs/student --teacher runs/teacher --pairs 256")                                        \
    X(golden, "FOLDER", 1, 1, "compare with reference numbers",                                              \
      "Checks every safetensors file of a known kind in the folder and prints the worst relative error\n"    \
      "of each file. The exit code is 5 when an error exceeds 1e-4 (2e-3 for gradients below 1e-6 of the\n"  \
      "largest). Two kinds of differences are counted separately: gradients that differ by less than\n"      \
      "single precision can resolve at the scale of the file's largest gradient, and second derivatives\n"   \
      "that differ by less than they change with the last bit of the input.")                                \
    X(doctor, "[MODEL]", 0, 1, "check whether this machine computes as it should",                           \
      "Compares the JVP, the VJP and the double backward of every layer with finite differences, and this\n" \
      "machine's backend with the reference in 64 bits; computes everything again with memory laid out\n"    \
      "differently, and compares the bytes; measures the semigroup defect of a student. Without MODEL, a\n"  \
      "small network that has everything is checked. The exit code is 5 when a check fails.")                \
    X(bench, "[step | call | discriminator]", 0, 1, "time a training step and a call",                       \
      "step: forward, forward + backward, forward + tangent and the whole distillation step.\n"              \
      "call: one call of a student with fixed weights, as sampling makes it, at batch 1, 4 and 32\n"         \
      "or --batch.\n"                                                                                        \
      "discriminator: a discriminator step of fine-tuning, with and without the gradient penalties R1\n"     \
      "and R2, and its average cost with penalties in every 4th and every 16th step.\n"                      \
      "Without an argument all three. The convolution peak of this machine is measured in the same run,\n"   \
      "in each precision. The fastest of the repeats counts; the median and the slowest tell how quiet\n"    \
      "the machine was.\n\n"                                                                                 \
      "    ayf bench step --precision highest\n"                                                             \
      "    ayf bench --json > bench.json")                                                                   \
    X(plan, "[CONFIG]", 0, 1, "memory and work of a step, without data or models",                           \
      "CONFIG is a YAML file or a run folder; without it the usual network counts. Prints the planned "      \
      "memory\n"                                                                                             \
      "and the work of a teacher's step and of a distillation step, for several batches and both "           \
      "precisions.\n"                                                                                        \
      "A weak teacher (distill.guidance) counts as one as large as the teacher. --dry-run of train, "        \
      "distill\n"                                                                                            \
      "and finetune measures a run itself.\n\n"                                                              \
      "    ayf plan run.yaml --set data.resolution=64")                                                      \
    X(report, "RUN [RUN ...]", 1, AYF_REPORT_RUNS_MOST, "one web page that shows and compares runs",         \
      "Writes an HTML page that needs nothing else: curves of the runs, sample grids over time and over\n"   \
      "steps and gamma, distances, the configurations and their differences, and what is suspicious, in\n"   \
      "words. A run may be going on. Distances are the figures of the log and the files eval*.json in the\n" \
      "run folders:\n\n"                                                                                     \
      "    ayf eval runs/a --data photos.zip --features f.safetensors --json > runs/a/eval.json\n"           \
      "    ayf report runs/a runs/b --out report.html")                                                      \
    X(demo, "[FOLDER]", 0, 1, "teacher to one-step student on emoji, in minutes",                            \
      "Trains a teacher and a weak teacher on the emoji of an installed font (apt install\n"                 \
      "fonts-noto-color-emoji), 16 x 16 pixels in colour, distils them into a student and\n"                 \
      "fine-tunes the student. Writes demo.png, whose rows start from the same noise: the teacher with\n"    \
      "many steps, the student with 1, 2 and 4 calls, and the fine-tuned student with 1 call. Prints the\n"  \
      "distance of the student to the teacher's own solution, and the distance of each model to the\n"       \
      "data.\n"                                                                                              \
      "FOLDER defaults to ayf-demo. --data builtin:shapes needs no font; any pictures with classes will "    \
      "do.")                                                                                                 \
    X(help, "[VERB | KEY | OPTION | config]", 0, 1, "explain a verb, an option or the configuration",        \
      "ayf help config lists every configuration key with its default and meaning. KEY is one of them\n"     \
      "(train.lr, or lr where only one ends so) or a section of them (train.), OPTION an option of any\n"    \
      "verb.\n\n"                                                                                            \
      "    ayf help sample\n"                                                                                \
      "    ayf help train.lr_schedule\n"                                                                     \
      "    ayf help --gamma")

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
#define CLI_DATA (1u << CLI_VERB_data)
#define CLI_EXPORT (1u << CLI_VERB_export)
#define CLI_BENCH (1u << CLI_VERB_bench)
#define CLI_IMPORT (1u << CLI_VERB_import)
#define CLI_EMA (1u << CLI_VERB_ema)
#define CLI_PLAN (1u << CLI_VERB_plan)
#define CLI_DEMO (1u << CLI_VERB_demo)
#define CLI_REPORT (1u << CLI_VERB_report)
#define CLI_HELP (1u << CLI_VERB_help)
#define CLI_FINETUNE (1u << CLI_VERB_finetune)
#define CLI_RUN_BIT(verb, kind) | (1u << CLI_VERB_##verb)
#define CLI_RUNS (0u CLI_RUN_VERBS(CLI_RUN_BIT))
#define CLI_ALL_BUT_HELP (((1u << CLI_VERB_COUNT) - 1u) & ~CLI_HELP)

/* X(id, name, value or NULL for a flag, verbs, key it sets (a flag: key=value) or NULL, help) */
#define CLI_OPTIONS(X)                                                                                       \
    X(config, "config", "FILE", CLI_RUNS | CLI_BENCH, NULL, "configuration in YAML (ayf help config)")       \
    X(set, "set", "KEY=VALUE", CLI_RUNS | CLI_BENCH | CLI_PLAN | CLI_EVAL | CLI_DATA, NULL,                  \
      "set one configuration key; repeatable (in ayf eval only with --fit-features)")                        \
    X(data, "data", "SOURCE", CLI_RUNS, "data.source",                                                       \
      "image folder, ZIP, IDX file, CIFAR folder, .npz, latents, colour font, builtin:emoji, "               \
      "builtin:shapes, "                                                                                     \
      "builtin:ring ...")                                                                                    \
    X(skip_bad, "skip-bad", "N", CLI_RUNS, "data.skip_bad",                                                  \
      "leave out up to N pictures that cannot be read")                                                      \
    X(student, "student", "MODEL", CLI_FINETUNE, "finetune.student", "student: model file or run folder")    \
    X(teacher, "teacher", "MODEL", CLI_DISTILL | CLI_FINETUNE, "distill.teacher",                            \
      "teacher: model file or run folder")                                                                   \
    X(distill_weak, "weak", "MODEL", CLI_DISTILL | CLI_FINETUNE, "distill.weak",                             \
      "weak teacher for autoguidance")                                                                       \
    X(distill_cfg, "cfg", NULL, CLI_DISTILL | CLI_FINETUNE, "distill.guidance=cfg",                          \
      "classifier-free guidance by the teacher without the class, in place of a weak teacher")               \
    X(run_steps, "steps", "N", CLI_RUNS, "train.steps", "steps of the whole run")                            \
    X(run_batch, "batch", "N", CLI_RUNS, "train.batch", "samples per step")                                  \
    X(run_seed, "seed", "N", CLI_RUNS, "train.seed", "the same seed gives the same run")                     \
    X(init, "init", "MODEL", CLI_TRAIN, "train.init", "begin with the weights of this teacher")              \
    X(allow_change, "allow-change", NULL, CLI_RUNS, NULL,                                                    \
      "resume with other keys, data or teachers than before; the change is recorded")                        \
    X(dry_run, "dry-run", NULL, CLI_RUNS, NULL,                                                              \
      "print memory, time per step (three are tried), time of the run and disk; write nothing")              \
    X(max_time, "max-time", "TIME", CLI_RUNS, NULL,                                                          \
      "stop in time, with a checkpoint and exit code 75: 55m, 90s, 1h30m from the start of the program")     \
    X(seeds, "seeds", "LIST", CLI_SAMPLE, NULL, "one image per seed: 0-63 or 1,5,9-12; default 0-15")        \
    X(class_, "class", "LIST", CLI_SAMPLE, NULL,                                                             \
      "classes by number or name, used in turn: 0-3,cat; default: drawn from the seed")                      \
    X(sample_steps, "steps", "N", CLI_SAMPLE, NULL,                                                          \
      "network calls of a student (default " CLI_STUDENT_STEPS                                               \
      "), solver steps of a teacher (default " CLI_TEACHER_STEPS ")")                                        \
    X(times, "times", "LIST", CLI_SAMPLE | CLI_EXPORT, NULL,                                                 \
      "falling times from 1 to 0, in place of uniform ones: 1,0.5,0")                                        \
    X(gamma, "gamma", "G", CLI_SAMPLE, NULL,                                                                 \
      "student: amount of fresh noise after each jump, 0 = none to 1 = all of it; default 0")                \
    X(guidance, "guidance", "L", CLI_SAMPLE | CLI_EVAL | CLI_EXPORT, NULL,                                   \
      "L teacher + (1 - L) weak teacher; students: within the trained range. Default 1, or nearest")         \
    X(guidance_t_max, "guidance-t-max", "T", CLI_SAMPLE | CLI_EVAL | CLI_EXPORT, NULL,                       \
      "guide a teacher at times up to T only; default 1 = at all times")                                     \
    X(weak, "weak", "MODEL", CLI_SAMPLE | CLI_EVAL | CLI_EXPORT, NULL,                                       \
      "weak teacher that guides the teacher")                                                                \
    X(decoder, "decoder", "FILE", CLI_SAMPLE, NULL,                                                          \
      "shows what a model of latents draws; ayf import --role decoder makes it of a VAE")                    \
    X(cfg, "cfg", NULL, CLI_SAMPLE | CLI_EVAL | CLI_EXPORT, NULL,                                            \
      "classifier-free guidance by the teacher without the class, in place of a weak teacher")               \
    X(solver, "solver", "euler|heun|reference", CLI_SAMPLE | CLI_EVAL, NULL,                                 \
      "how a teacher is solved; default heun")                                                               \
    X(precision, "precision", "highest|bf16|auto", CLI_SAMPLE | CLI_EVAL, NULL,                              \
      "how MODEL computes: highest = 32 bits (default), auto = bf16 where that is faster here")              \
    X(out, "out", "PATH", CLI_SAMPLE, NULL,                                                                  \
      "FILE.png: one grid (default samples.png); a folder: a PNG each; FILE.npz; FILE.csv: points; - = "     \
      "stdout")                                                                                              \
    X(sample_format, "format", "png|npz|csv", CLI_SAMPLE, NULL,                                              \
      "what is written where the name of --out does not say it: --out - --format npz")                       \
    X(import_role, "role", "teacher|weak|decoder", CLI_IMPORT, NULL,                                         \
      "what the model is for; default teacher. A weak teacher is the same file. decoder: FILE is a VAE "     \
      "(AutoencoderKL of diffusers)")                                                                        \
    X(sigma_data, "sigma-data", "X", CLI_IMPORT, NULL,                                                       \
      "standard deviation of the data that the network was made for; default: as FILE says, else 0.5")       \
    X(channels_per_head, "channels-per-head", "N", CLI_IMPORT, NULL,                                         \
      "channels per attention head, which shapes do not tell; default: as FILE says, else 64")               \
    X(norm_groups, "norm-groups", "N", CLI_IMPORT, NULL,                                                     \
      "decoder: groups of its normalisation, which shapes do not tell; default: as FILE says, else 32")      \
    X(import_out, "out", "FILE", CLI_IMPORT, NULL, "the model file")                                         \
    X(ema_width, "width", "W", CLI_EMA, NULL, "width of the average, 0.001 to 0.28")                         \
    X(ema_step, "step", "N", CLI_EMA, NULL, "a step that has a snapshot; default: the last one")             \
    X(ema_out, "out", "FILE", CLI_EMA, NULL, "the model file")                                               \
    X(report_out, "out", "FILE", CLI_REPORT, NULL, "the page; default report.html")                          \
    X(no_drawing, "no-drawing", NULL, CLI_REPORT, NULL,                                                      \
      "leave out the grids over steps and gamma, which need the models")                                     \
    X(grid, "grid", "COLUMNS", CLI_SAMPLE, NULL, "images per row of the grid; default: a square grid")       \
    X(label, "label", NULL, CLI_SAMPLE, NULL, "write the class, or the seed, under each image of the grid")  \
    X(scale, "scale", "N", CLI_SAMPLE, NULL, "show each pixel as N x N pixels; default 1")                   \
    X(export_format, "format", "onnx|safetensors|c", CLI_EXPORT, NULL, "what to write")                      \
    X(export_solver, "solver", "euler|heun", CLI_EXPORT, NULL,                                               \
      "onnx with --steps, c: how a teacher is solved; default heun")                                         \
    X(dtype, "dtype", "f32|f16|bf16", CLI_EXPORT, NULL, "how weights are stored; default f32")               \
    X(export_out, "out", "FILE", CLI_EXPORT, NULL, "the file to be written")                                 \
    X(export_steps, "steps", "N", CLI_EXPORT, NULL,                                                          \
      "onnx: a whole sampler of N steps; c: steps when the program is not told otherwise")                   \
    X(export_batch, "batch", "N", CLI_EXPORT, NULL, "onnx: exactly N samples per run; default: any number")  \
    X(export_name, "name", "NAME", CLI_EXPORT, NULL,                                                         \
      "c: what the names in the file begin with; default ayf")                                               \
    X(demo_data, "data", "SOURCE", CLI_DEMO, NULL,                                                           \
      "pictures with classes to learn (default: builtin:emoji)")                                             \
    X(eval_data, "data", "SOURCE", CLI_EVAL, NULL,                                                           \
      "real samples for the comparison, or for fitting features")                                            \
    X(eval_skip_bad, "skip-bad", "N", CLI_EVAL, NULL,                                                        \
      "leave out up to N pictures of each source that cannot be read")                                       \
    X(features, "features", "FILE", CLI_EVAL, NULL,                                                          \
      "features for the comparison of images, a file of --fit-features")                                     \
    X(inception, "inception", "FILE", CLI_EVAL, NULL,                                                        \
      "compute FID, KID and Inception score with these weights (scripts/convert_inception.py)")              \
    X(heldout, "heldout", "SOURCE", CLI_EVAL, NULL,                                                          \
      "real samples for the baseline; default: one half of the data against the other half")                 \
    X(reference, "reference", "N", CLI_EVAL, NULL,                                                           \
      "number of real samples to use, at least 130 (--inception: 4098); default: all")                       \
    X(eval_classes, "classes", "data|even", CLI_EVAL, NULL,                                                  \
      "classes of a model's samples: data = as often as in the reference (default), even")                   \
    X(eval_teacher, "teacher", "MODEL", CLI_EVAL, NULL,                                                      \
      "compare with this teacher; analytic = the exact velocity of builtin:ring or gaussian")                \
    X(calls, "calls", "LIST", CLI_EVAL, NULL,                                                                \
      "network calls of a student (default 1,2,4), solver steps of a teacher (default " CLI_TEACHER_STEPS    \
      ")")                                                                                                   \
    X(gammas, "gamma", "LIST", CLI_EVAL, NULL,                                                               \
      "students: amount of fresh noise after each jump, 0 to 1; default 0")                                  \
    X(images, "images", "N", CLI_EVAL, NULL,                                                                 \
      "samples to compare with the data: at least 65, default 2000 (--inception: 2049, 10000)")              \
    X(pairs, "pairs", "N", CLI_EVAL, NULL, "samples to compare with the teacher's; default 64")              \
    X(first_seed, "seed", "N", CLI_EVAL, NULL, "seed of the first sample; default 0")                        \
    X(fit_features, "fit-features", "FILE", CLI_EVAL, NULL,                                                  \
      "fit a classifier to --data and write it; --set takes data.resolution, train.steps ...")               \
    X(save_stats, "save-stats", "FILE", CLI_EVAL, NULL,                                                      \
      "write mean and covariance of the real samples' features (.npz, as pytorch-fid); no SUBJECT needed")   \
    X(bench_batch, "batch", "N", CLI_BENCH, NULL, "samples per step or call; default 32, calls 1, 4 and 32") \
    X(bench_precision, "precision", "highest|bf16|auto", CLI_BENCH, NULL,                                    \
      "default: highest, and bf16 where that is faster")                                                     \
    X(repeats, "repeats", "N", CLI_BENCH, NULL, "timings of each. Default 3, call 20, discriminator 10")     \
    X(sheet, "sheet", "FILE.png", CLI_DATA, NULL, "draw what a network sees, some pictures of each class")   \
    X(threads, "threads", "N", CLI_ALL_BUT_HELP, NULL,                                                       \
      "threads that compute; default: AYF_THREADS, else one per processor")                                  \
    X(device, "device", "cpu|cuda|cuda:N", CLI_ALL_BUT_HELP, NULL,                                           \
      "what computes: the processor, or an NVIDIA GPU; default: cpu, or what the run that goes on has")      \
    X(man, "man", "PAGE", CLI_HELP, NULL, "write a manual page for man: ayf, ayf-config or ayf-VERB")        \
    X(completions, "completions", "bash|zsh|fish", CLI_HELP, NULL,                                           \
      "write a script that completes command lines of ayf in this shell")                                    \
    X(json, "json", NULL, CLI_EVAL | CLI_BENCH | CLI_DATA, NULL, "print JSON")

typedef enum cli_option {
#define CLI_ROW(id, name, value, verbs, setting, help) CLI_OPT_##id,
    CLI_OPTIONS(CLI_ROW)
#undef CLI_ROW
        CLI_OPT_COUNT
} cli_option;

typedef struct cli_args {
    cli_verb verb;
    bool want_help;                               /* --help was given */
    const char *positional[AYF_REPORT_RUNS_MOST]; /* as many as the verb with the most of them takes */
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

/* The rows of the two tables. */
typedef struct cli_verb_row {
    const char *name, *positional;
    int least, most; /* positional arguments */
    const char *line, *more;
} cli_verb_row;
typedef struct cli_option_row {
    const char *name, *value; /* value "a|b": one of these words; NULL: a flag */
    unsigned verbs;           /* 1 << verb of each that has the option */
    const char *setting, *help;
} cli_option_row;
extern const cli_verb_row cli_verbs[CLI_VERB_COUNT];
extern const cli_option_row cli_options[CLI_OPT_COUNT];
bool cli_verb_has(cli_verb verb, cli_option option);

int cli_find_verb(const char *name); /* -1 with a message and the nearest verb on stderr */

/* The candidate that `word` was probably meant to be; NULL: none is near. */
const char *cli_nearest(const char *word, const char *const *candidates, int count);

/* Values of options. Return 0, or 2 after a message; an option that was not given leaves *out alone. */
int cli_get_int(const cli_args *args, cli_option option, int least, int most, int *out);
int cli_get_u64(const cli_args *args, cli_option option, uint64_t *out);
int cli_get_real(const cli_args *args, cli_option option, double least, double most, double *out);
/* "55m", "90s", "1h30m", "2d": a positive time in seconds. */
int cli_get_duration(const cli_args *args, cli_option option, double *out);
/* "0-63,70"; *out is free()d by the caller; at most `limit` values from 0 to `most`. */
int cli_get_list(const cli_args *args, cli_option option, uint64_t most, size_t limit, uint64_t **out,
                 size_t *count);
int cli_get_reals(const cli_args *args, cli_option option, double **out, size_t *count);
/* The place of the value in `names`, of which there are `count`. */
int cli_get_choice(const cli_args *args, cli_option option, const char *const *names, int count, int *out);

#endif
