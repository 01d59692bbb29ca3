/* Status codes, the context, messages. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_CONTEXT_H
#define AYF_API_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AYF_VERSION "0.1.0"

#define AYF_API __attribute__((visibility("default")))

/* A call whose status is ignored is a warning of the compiler (GCC, Clang). Where a failure does not matter, write
 * `if (ayf_...() != AYF_OK) {}`. */
#define AYF_CHECKED __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

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
    X(AYF_E_STOPPED, 75, "stopped on request") /* used by the program only; no function returns it */        \
    X(AYF_E_CANCELLED, 75, "cancelled")        /* ayf_options.progress gave false */                         \
    X(AYF_E_DEVICE, 1, "the device failed") /* a GPU; what it computed is lost, and files are as they were */

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

/* Hears of what takes long, often: before every call of a network, and with every sample, picture or file that
 * is counted. `what` says what is being done ("drawing", "reading"), `done` how much of `total`; total is 0
 * where it is not known. Gives true to go on. After false the function returns AYF_E_CANCELLED, has written no
 * file, and everything that is open stays usable: the same call may be made again. The thread that called the
 * library calls it. It may not use objects of its context. Steps of a run (ayf_run_step(), ayf_run_save()) do
 * not call it: they are short, and one ends before the next is asked for. */
typedef bool ayf_progress_fn(void *user, const char *what, uint64_t done, uint64_t total);

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
    /* What computes: "cpu" (the same as NULL); "cuda", an NVIDIA GPU, or "cuda:1" for another one than the first;
     * "ref": plain loops in double precision, the reference for other devices. Any other name is AYF_E_USAGE from the
     * first function that opens a model or a run, or computes, and so is a GPU without a driver or without NVIDIA's
     * libraries (NVRTC, cuBLASLt, cuDNN 9): the message says which. Copied. */
    const char *device;
    /* Folders with NVIDIA's libraries, with ':' between, which are looked at first: of a toolkit, or
     * .../site-packages/nvidia of pip. NULL: where the loader of programs looks, and /usr/local/cuda. Copied. */
    const char *cuda_path;
    /* A folder for what is compiled for a GPU, so that it is not compiled again; made when it is needed. NULL: nothing
     * is kept. Copied. */
    const char *cache;
    /* In which models that are opened with this context compute, for sampling and evaluation. What measures
     * them (features, a teacher's accurate solution, ayf_golden()) always computes in AYF_PRECISION_HIGHEST,
     * and runs compute in their own train.precision. */
    ayf_precision precision;
    bool mpi; /* this process is one of several that train together; see "Several processes" below */
    ayf_progress_fn *progress; /* default: nobody asks, and nothing is cancelled */
    void *progress_user;
} ayf_options;

/* A context holds the allocator, the log and the last error. Returns NULL only when there is no memory. Use a
 * context from one thread at a time, and close it after everything that was made with it. Objects of
 * different contexts cannot be combined (AYF_E_USAGE). The only global state is OpenBLAS's thread count: if
 * two threads run ayf_eval_* at the same time with different contexts, either may use the other's thread
 * count. */
AYF_API ayf_context *ayf_open(const ayf_options *options);
AYF_API void ayf_close(ayf_context *ctx); /* NULL is fine */

AYF_API const char *ayf_version(void); /* version of the linked library; AYF_VERSION is this header's */
/* Size of a struct of these headers ("ayf_model_facts") in the linked library, 0: there is no such struct. For
 * bindings of other languages, which have no compiler to see that they are out of date. */
AYF_API size_t ayf_sizeof(const char *type);

/* The message and the status of the last failure; meaningless after a success. The message names the file,
 * key or value at fault and how to fix it. It is valid until the next call with this context. ctx == NULL
 * (ayf_open() had no memory) gives AYF_E_MEMORY. */
AYF_API const char *ayf_error(const ayf_context *ctx);
AYF_API ayf_status ayf_last_status(const ayf_context *ctx);

/* `text` as it is safe on a terminal and in a log: what a terminal would obey (control characters, changes of the
 * direction of writing) and what is not UTF-8 is written out: \\n, \\x1b, \\u202e. Messages and lines of the log
 * are like that already; what others wrote (ayf_path_facts, ayf_model_facts, names of files) is not. As snprintf()
 * it writes at most size - 1 bytes, whole characters, and a NUL, and returns the size of the whole. */
AYF_API size_t ayf_plain_text(const char *text, char *out, size_t size);

enum { AYF_DEVICE_SIZE = 320 }; /* of the text that names a device */

/* An amount of memory for people: "310 GiB", "22.4 MiB", three digits. Returns `text`. */
enum { AYF_BYTES_SIZE = 24 };
AYF_API const char *ayf_bytes_text(double bytes, char text[AYF_BYTES_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
