/* A GPU for tests: NVIDIA's libraries as far as ayf calls them, in one shared library that stands under their names.
 * Memory of the device is ordinary memory that can only be touched within these functions. What is asked for is done
 * when the stream is waited for. Kernels are compiled by cc (shim.h). Misuse ends the program with a message.
 *
 *     fake_state *fake = dlsym(dlopen(".../libcuda.so.1", RTLD_NOW), "fake");
 *     fake->fail_at = fake->calls + 3;      // the third call from here fails
 */
#ifndef AYF_TEST_CUDA_FAKE_H
#define AYF_TEST_CUDA_FAKE_H

#include <stdbool.h>

#include "backend/cuda/api.h"

#define AYF_FUNCTION(library, result, name, arguments) result name arguments;
AYF_CUDA_FUNCTIONS(AYF_FUNCTION)
#undef AYF_FUNCTION

typedef struct fake_state {
    long calls, fail_at; /* calls that can fail so far; the one that does, counted from 1; 0 = none */
    long objects;        /* of all kinds, that are not destroyed yet */
    long launches, compilations, replays, fail_replay; /* fail_replay: which one fails; 0 = none */
    size_t memory, used;                               /* bytes of the device; bytes of it in use */
    int driver;                                        /* version, e.g. 13000 */
    int gpus;
    int architecture, oldest, newest; /* of the GPU; those that NVRTC supports */
    /* cuDNN writes no result of another type than its operands, and says so 1 (as NVIDIA's): of a plan, 2: of an operation. */
    int refuses_mixed;
    bool only_compiled; /* cuDNN has engines alone that it compiles */
    bool lacks_plain;   /* in 32 bits cuDNN has an engine that transforms only */
    bool unrecordable;  /* what is recorded cannot be made into a graph */
    int init_error;     /* of cuInit */
    const char *folder; /* for compiled kernels; NULL: /tmp */
} fake_state;

extern fake_state fake;

/* Adds to a number that several threads may change; returns the sum. */
static inline long fake_count(long *number, long change) {
    return __atomic_add_fetch(number, change, __ATOMIC_SEQ_CST);
}

/* Whether this call is to fail. */
bool fake_fails(void);

#define FAKE_REQUIRE(condition)                                                                              \
    do {                                                                                                     \
        if (!(condition)) fake_stop(__FILE__, __LINE__, #condition);                                         \
    } while (0)
void fake_stop(const char *file, int line, const char *what);

enum { FAKE_GPUS = 16 }; /* that there can be */

/* The number of the GPU that this thread has taken into use. */
int fake_current(void);

/* Does `work(data)` when `stream` comes to it, or when a recording of the stream is replayed; `data` is copied. */
typedef void fake_work(const void *data);
void fake_enqueue(ayf_cu_stream stream, fake_work *work, const void *data, size_t size);

/* Whether all of it is memory of the device. */
bool fake_is_device(const void *memory, size_t bytes);

/* A number of an array of floats or of bfloat16 (`bf16`). */
double fake_get(const void *array, size_t index, bool bf16);
void fake_put(void *array, size_t index, bool bf16, double value);

#endif
