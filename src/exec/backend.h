/* What a backend supplies. A backend owns memory and kernels; programs call it through this table. */
#ifndef AYF_BACKEND_H
#define AYF_BACKEND_H

#include "pass/steps.h"

typedef struct ayf_backend ayf_backend;

/* What a kernel needs, in bytes. */
typedef struct ayf_kernel_memory {
    size_t scratch; /* while it runs: the program's */
    size_t kept;    /* from run to run: the backend's */
} ayf_kernel_memory;

typedef struct ayf_backend_facts {
    int threads;             /* in use */
    double conv_peak_gflops; /* of convolutions on this machine, measured; NaN: not known */
    double bf16_peak_gflops; /* the same in bfloat16 */
} ayf_backend_facts;

typedef struct ayf_backend_ops {
    const char *name;
    /* What the bytes of a result depend on besides: the processor's instruction sets that kernels use, and the
     * number of threads. NULL: nothing. */
    void (*uses)(const ayf_backend *, const char **sets, int *threads);
    /* Line by line: what it computes on, in which versions. NULL: there is no more to say than uses() does. */
    ayf_status (*tell)(ayf_backend *, ayf_print_fn *print, void *user);
    size_t element_size[AYF_ELEMENTS]; /* bytes of one element of a stored tensor */
    bool fuses;                        /* wants groups; otherwise one step per node */
    /* Multiplies bfloat16 faster than 32 bits; NULL: no. */
    bool (*prefers_bf16)(const ayf_backend *);
    /* Of operands in bfloat16 it makes the weight gradient of a convolution in bfloat16 only. */
    bool narrow_weight_gradients;
    void (*close)(ayf_backend *);
    ayf_status (*alloc)(ayf_backend *, size_t bytes, void **memory); /* zeroed */
    void (*release)(ayf_backend *, void *memory);
    /* What alloc() takes for so many bytes. NULL: as many. */
    size_t (*taken)(size_t bytes);
    /* What alloc() can still give. NULL: it is the memory of this machine. */
    ayf_status (*room)(ayf_backend *, uint64_t *bytes);
    /* Elements here are AYF_F32, as those of leaves and outputs are. When one of these returns, memory of the
     * host that it read is free and what it wrote there is complete. After a failure what was to be written is
     * undefined. */
    ayf_status (*upload)(ayf_backend *, void *to, const void *from, size_t elements,
                         bool from_f64) AYF_MUST_CHECK;
    ayf_status (*fetch)(ayf_backend *, void *to, const void *from, size_t elements,
                        bool to_f64) AYF_MUST_CHECK;
    ayf_status (*copy)(ayf_backend *, void *to, const void *from, size_t elements) AYF_MUST_CHECK;
    /* Overwrites with NaN, whatever the element. */
    ayf_status (*poison)(ayf_backend *, void *memory, size_t bytes) AYF_MUST_CHECK;
    /* May be slow: choose an implementation, allocate. */
    ayf_status (*prepare)(ayf_backend *, const ayf_graph *, const ayf_step *, void **kernel,
                          ayf_kernel_memory *memory);
    /* Before the first launch of what was prepared since the last call: what is compiled together. What is only planned is
     * never made ready. NULL: nothing. */
    ayf_status (*ready)(ayf_backend *);
    /* The fixed input of a kernel that keeps something of it is new and in `memory`, which launch() does not read
     * then. Errors surface in sync. NULL: kernels keep nothing. */
    void (*keep)(ayf_backend *, void *kernel, const void *memory);
    /* args: step.in then step.out. Never allocates; errors surface in sync. */
    void (*launch)(ayf_backend *, void *kernel, void *const *args, void *scratch);
    const char *(*describe)(const void *kernel); /* implementation name, for traces */
    void (*drop)(ayf_backend *, void *kernel);
    /* Launches and copies between record() and recorded() are not done but kept in *recording, and replay() does them
     * all, as often as wanted, with the same memory; errors surface in sync. recorded() also follows what failed on
     * the way, and returns it. `together`: all processes record the same exchanges, and it fails for all if it does for one.
     * NULL, all four: every run launches its steps. */
    ayf_status (*record)(ayf_backend *, bool together);
    ayf_status (*recorded)(ayf_backend *, void **recording);
    void (*replay)(ayf_backend *, void *recording);
    void (*forget)(ayf_backend *, void *recording);
    /* Waits until everything asked for is done. Returns the first failure since the last call, whose message
     * is in the context, and forgets it. What was launched after that failure may have been left out. */
    ayf_status (*sync)(ayf_backend *) AYF_MUST_CHECK;
    /* Takes about half a second, for the measurement. */
    ayf_status (*facts)(ayf_backend *, ayf_backend_facts *facts);
} ayf_backend_ops;

struct ayf_backend { /* first member of every backend's own struct */
    const ayf_backend_ops *ops;
    ayf_context *ctx;
};

/* Whether it computes in memory of its own, not in this machine's. */
static inline bool ayf_backend_has_memory(const ayf_backend *backend) { return backend->ops->room != NULL; }

#endif
