/* ayf.h - train, distil and sample flow maps ("Align Your Flow", arXiv 2506.14603). */
#ifndef AYF_H
#define AYF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AYF_API __attribute__((visibility("default")))

/* ---- Status ------------------------------------------------------------------------------------------- */

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
    X(AYF_E_STOPPED, 75, "stopped on request")

typedef enum ayf_status {
#define AYF_ROW(name, code, text) name,
    AYF_STATUS_TABLE(AYF_ROW)
#undef AYF_ROW
} ayf_status;

AYF_API int ayf_exit_code(ayf_status status);
AYF_API const char *ayf_status_text(ayf_status status);

/* ---- Context ------------------------------------------------------------------------------------------ */

typedef struct ayf_context ayf_context;

/* One function for all memory: pointer == NULL allocates `size` bytes aligned to 64, size == 0 frees
 * `pointer`. Returns NULL when there is no memory. */
typedef void *ayf_alloc_fn(void *user, void *pointer, size_t size);

/* Receives one line without a newline. */
typedef void ayf_log_fn(void *user, const char *line);

typedef struct ayf_options { /* all zero = defaults */
    ayf_alloc_fn *alloc;     /* default: the C library */
    void *alloc_user;
    ayf_log_fn *log; /* default: silent */
    void *log_user;
    int threads; /* 0 = one per processor */
    bool trace;  /* log one line per kernel: op, shape, implementation, bytes, microseconds */
} ayf_options;

/* A context holds the allocator, the log and the last error; nothing is global. NULL only when there is no
 * memory. Use it from one thread at a time; close it after everything made with it. */
AYF_API ayf_context *ayf_open(const ayf_options *options);
AYF_API void ayf_close(ayf_context *ctx);

/* The message of the last failure: what was wrong with which file, key or value, and the way out. Valid
 * until the next call with this context. */
AYF_API const char *ayf_error(const ayf_context *ctx);
AYF_API ayf_status ayf_last_status(const ayf_context *ctx);

#ifdef __cplusplus
}
#endif

#endif
