/* Readers against broken input. A target is a function fuzz_<name>() that gives one input to a reader and checks
 * what it says of it, and a function fuzz_<name>_seeds() that makes valid inputs, which are then broken. Both are
 * called with a folder for files (fuzz_path). driver.c breaks the seeds in ways that are the same each time;
 * libfuzzer.c lets libFuzzer do it. */
#ifndef AYF_FUZZ_H
#define AYF_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

/* X(name, inputs that `meson test` tries in addition to the seeds) */
#define FUZZ_TARGETS(X)                                                                                      \
    X(config, 4000)                                                                                          \
    X(labels, 10000)                                                                                         \
    X(pictures, 8000)                                                                                        \
    X(idx, 8000)                                                                                             \
    X(cifar, 4000)                                                                                           \
    X(zip, 3000)                                                                                             \
    X(font, 8000)                                                                                            \
    X(npz, 6000)                                                                                             \
    X(npy, 10000)                                                                                            \
    X(latents, 8000)                                                                                         \
    X(statistics, 4000)                                                                                      \
    X(safetensors, 6000)                                                                                     \
    X(model, 2000)                                                                                           \
    X(import, 3000)                                                                                          \
    X(features, 2000)                                                                                        \
    X(checkpoint, 1000)                                                                                      \
    X(trajectories, 300)                                                                                     \
    X(history, 4000)                                                                                         \
    X(divergence, 4000)                                                                                      \
    X(fingerprint, 10000)                                                                                    \
    X(classes, 8000)

#define FUZZ_ROW(name, inputs)                                                                               \
    void fuzz_##name(const uint8_t *bytes, size_t size);                                                     \
    void fuzz_##name##_seeds(void);
FUZZ_TARGETS(FUZZ_ROW)
#undef FUZZ_ROW

/* What must hold whatever the input. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/* A context for an input of `size` bytes. It may have 64 MiB and 64 bytes per byte of the input at a time; more
 * fails the target. */
ayf_context *fuzz_open(size_t size);
/* Closes it and fails the target when memory that it gave has not come back. */
void fuzz_close(ayf_context *ctx);

/* The path of `name` in a folder that this process has for itself and that goes when it ends; NULL: the folder.
 * Eight results live at a time. */
const char *fuzz_path(const char *name);
void fuzz_remove_folder(void); /* now: a process that is aborted does not get to its end */
/* Writes an input to that path, which it returns. */
const char *fuzz_file(const char *name, const uint8_t *bytes, size_t size);

/* Adds an input to the seeds of the target whose function is running. The bytes are copied. */
void fuzz_seed(const char *name, const void *bytes, size_t size);
void fuzz_seed_text(const char *name, const char *text);
/* The same with what a file holds, for readers' own writers; twice for a safetensors file: as it is, and without
 * the checksums that would refuse nearly every change to it. */
void fuzz_seed_file(const char *name, const char *path);

/* Seeds of the target `name`, made when first asked for. */
typedef struct fuzz_input {
    char *name;
    uint8_t *bytes;
    size_t size;
} fuzz_input;
const fuzz_input *fuzz_seeds(void (*make)(void), size_t *count);

/* Brings the checksums of a PNG that was changed up to date: otherwise hardly a change would get past them. */
void fuzz_repair(uint8_t *bytes, size_t size);

#endif
