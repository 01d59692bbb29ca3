/* Base layer: the context, errors, memory. Everything in ayf starts from an `ayf_context`.
 *
 * A function that can fail returns an `ayf_status` (or NULL / 0 where that is said) after it has recorded
 * one message in the context with ayf_fail(). A message names the file, tensor, key or value at fault and
 * the way out. Nothing here aborts, exits, prints or reads the environment.
 */
#ifndef AYF_BASE_H
#define AYF_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ayf.h"

#if defined(__GNUC__)
#define AYF_PRINTF(fmt_index, first) __attribute__((format(printf, fmt_index, first)))
#define AYF_MUST_CHECK                                                                                       \
    __attribute__((warn_unused_result)) /* behind a declaration: its result may not be ignored */
#else
#define AYF_PRINTF(fmt_index, first)
#define AYF_MUST_CHECK
#endif

#define AYF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Return early from a function that returns ayf_status. */
#define AYF_TRY(call)                                                                                        \
    do {                                                                                                     \
        ayf_status try_status_ = (call);                                                                     \
        if (try_status_ != AYF_OK) return try_status_;                                                       \
    } while (0)

enum { AYF_MESSAGE_SIZE = 1024 };

struct ayf_context {
    ayf_alloc_fn *alloc;
    void *alloc_user;
    ayf_log_fn *log;
    void *log_user;
    int threads;
    bool trace;              /* one log line per kernel launched */
    bool mpi;                /* this is one of several processes */
    char *device;            /* NULL: the default */
    char *cuda_path, *cache; /* as the caller gave them; NULL: none */
    void *backend; /* what backend/open.h opened; NULL before its first use. ayf_close() closes it */
    void (*close_backend)(void *backend);
    void *comm; /* what comm/comm.h opened; NULL before its first use. ayf_close() closes it */
    void (*close_comm)(void *comm);
    ayf_precision precision; /* of the models that are opened, as the caller gave it */
    ayf_progress_fn *progress;
    void *progress_user;
    const char *task; /* what ayf_task_begin() was given last; NULL: nothing */
    uint64_t task_done, task_total;
    bool undisturbed; /* `progress` is not called */
    ayf_status status;
    char message[AYF_MESSAGE_SIZE];
};

/* Records `status` and a message and returns `status`. The latest failure is the one the user sees. The message
 * may hold anything: it is recorded as ayf_plain_text() makes it. So it is for the next two. */
ayf_status ayf_fail(ayf_context *ctx, ayf_status status, const char *format, ...) AYF_PRINTF(3, 4);

/* Puts text in front of the message recorded last: "reading model a.safetensors: <message>". Returns the
 * status recorded last. */
ayf_status ayf_fail_prefix(ayf_context *ctx, const char *format, ...) AYF_PRINTF(2, 3);

/* One line to the context's log function, if it has one: messages for people, never results. */
void ayf_say(ayf_context *ctx, const char *format, ...) AYF_PRINTF(2, 3);

/* Zeroed memory for `count` elements of `size` bytes, 64-byte aligned; NULL with AYF_E_MEMORY recorded when
 * there is none or the product overflows. count == 0 gives a valid pointer. Owned by the caller; ayf_free().
 */
void *ayf_alloc(ayf_context *ctx, size_t count, size_t size);

/* Like realloc for an array that grows: the first `old_count` elements are kept, the rest is zeroed. On
 * failure NULL is returned and `old` is still valid. */
void *ayf_grow(ayf_context *ctx, void *old, size_t old_count, size_t new_count, size_t size);

/* Makes room for element `count` of an array that grows at its end; doubles the capacity when it is used up.
 * `array` is the address of the pointer to the elements, which starts as NULL with capacity 0. New elements
 * are zeroed. AYF_E_MEMORY leaves the array as it was.
 *
 *     AYF_TRY(ayf_reserve(ctx, &list->item, list->count, &list->capacity, sizeof *list->item));
 *     list->item[list->count++] = item;
 */
ayf_status ayf_reserve(ayf_context *ctx, void *array, size_t count, size_t *capacity, size_t size);

void ayf_free(ayf_context *ctx, void *pointer); /* NULL is fine */
char *ayf_strdup(ayf_context *ctx, const char *text);

/* printf into fresh memory; NULL with AYF_E_MEMORY recorded on failure. */
char *ayf_format(ayf_context *ctx, const char *format, ...) AYF_PRINTF(2, 3);

/* 64-bit FNV-1a; start with AYF_HASH_START, feed the result back to continue. */
#define AYF_HASH_START 14695981039346656037ull
uint64_t ayf_hash(uint64_t hash, const void *bytes, size_t size);

/* "NaN" or "infinite" and where the first such value is; NULL: all are finite. */
const char *ayf_first_not_finite(const float *values, size_t count, size_t *index);

double ayf_seconds(void); /* of the monotonic clock */

/* The candidate nearest to `word` by edit distance, or NULL when none is near: "did you mean ...". */
const char *ayf_nearest(const char *word, const char *const *candidates, size_t count);

#endif
