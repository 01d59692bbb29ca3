/* Makes the text of CUDA kernels plain C, and runs it on the processor. It is included in front of the text.
 *
 * AYF_FIBERS: one fiber per thread of a block, which a barrier switches; AYF_REVERSE in the environment runs blocks and
 * threads backwards. Both orders are needed to see that a barrier is missing. Otherwise a block is one thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int block_now, block_count, lane_now, line_now;
#define BLOCK block_now
#define BLOCKS block_count
#define LANE lane_now
#define LINE line_now
#define POINTER(i) pointers.at[i]
#define SHARED static
#define INLINE static inline
#define UNROLL
#define KERNEL(name, n, threads)                                                                             \
    struct name##_pointers {                                                                                 \
        void *at[n];                                                                                         \
    };                                                                                                       \
    const size_t name##_size = sizeof(struct name##_pointers);                                               \
    static void name##_body(const struct name##_pointers pointers);                                          \
    void name(const void *from) { name##_body(*(const struct name##_pointers *)from); }                      \
    static void name##_body(const struct name##_pointers pointers)

INLINE unsigned BITS(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float REAL(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

typedef void kernel_fn(const void *pointers);

#ifndef AYF_FIBERS
#define THREADS(n) 1
#define SYNC() ((void)0)

void ayf_run_grid(kernel_fn *kernel, const void *pointers, int blocks, int tx, int ty, char *stack) {
    (void)tx;
    (void)ty;
    (void)stack;
    block_count = blocks;
    for (block_now = 0; block_now < blocks; block_now++) kernel(pointers);
}

#else
#include <ucontext.h>
#define THREADS(n) n
#define SYNC() meet()

enum { STACK = 64 * 1024 /* as in fake_driver.c */, MOST = 1024, RUNNING = 0, WAITING, ENDED };
static ucontext_t home, fiber[MOST];
static char *stacks;
static int state[MOST], current;
static kernel_fn *running;
static const void *handed;

static void meet(void) {
    int me = current;
    state[me] = WAITING;
    swapcontext(&fiber[me], &home);
}

static void enter(void) {
    running(handed);
    state[current] = ENDED;
    swapcontext(&fiber[current], &home);
}

static void run_block(int tx, int threads, int reverse) {
    for (int i = 0; i < threads; i++) {
        getcontext(&fiber[i]);
        fiber[i].uc_stack.ss_sp = stacks + (size_t)i * STACK;
        fiber[i].uc_stack.ss_size = STACK;
        fiber[i].uc_link = &home;
        makecontext(&fiber[i], enter, 0);
        state[i] = RUNNING;
    }
    for (int ended = 0, waiting; ended < threads;) {
        ended = waiting = 0;
        for (int k = 0; k < threads; k++) {
            int i = reverse ? threads - 1 - k : k;
            if (state[i] != ENDED) {
                current = i;
                lane_now = i % tx;
                line_now = i / tx;
                swapcontext(&home, &fiber[i]);
            }
            ended += state[i] == ENDED;
            waiting += state[i] == WAITING;
        }
        if (ended && waiting) {
            fprintf(stderr, "a thread ended while others of its block wait at a barrier\n");
            abort();
        }
    }
}

void ayf_run_grid(kernel_fn *kernel, const void *pointers, int blocks, int tx, int ty, char *stack) {
    int reverse = getenv("AYF_REVERSE") != NULL;
    stacks = stack;
    running = kernel;
    handed = pointers;
    block_count = blocks;
    for (int b = 0; b < blocks; b++) {
        block_now = reverse ? blocks - 1 - b : b;
        run_block(tx, tx * ty, reverse);
    }
}
#endif
